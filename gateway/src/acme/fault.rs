//! Why an order gave no certificate. Nothing has changed then.
//!
//! What the ACME server says in its problem document is told in its own words behind ours, which
//! say what to look at.

use std::time::Duration;

use gateway_certificates::{
    Fault, Name, StoreError,
    make::MakeError,
    plan::{AcmeWish, Challenge},
};
use instant_acme::{Error, Problem};
use openssl::error::ErrorStack;
use words::Cause;

use super::http::HttpFault;
use crate::{
    administration::certificates::words::Speaker,
    certificates::store_words,
    listeners::PortFault,
    messages::{self, Language},
};

/// RFC 8555, 6.7.
const PROBLEMS: &str = "urn:ietf:params:acme:error:";

#[derive(Debug, thiserror::Error)]
pub(super) enum AcmeFault {
    #[error("no name to order for")]
    NoNames,
    /// Only DNS can prove it, and we do not write DNS.
    #[error("{name}: a star needs the challenge dns-01")]
    Star { name: Name },
    #[error("the root of the ACME server is no certificate")]
    Authority,
    #[error("{0}")]
    Http(HttpFault),
    /// Refused as a whole.
    #[error("{0}")]
    Problem(Problem),
    /// One name was not shown to be ours.
    #[error("{name}: {problem}")]
    NotProven { name: String, problem: Problem },
    #[error("the order is invalid, and the server says nothing about why")]
    Unexplained,
    #[error("{name}: not by {}", challenge.as_str())]
    NoSuchChallenge { name: String, challenge: Challenge },
    #[error("profile \"{wished}\" is none of {offered:?}")]
    NoSuchProfile {
        wished: String,
        offered: Vec<String>,
    },
    #[error("{0}")]
    Port(PortFault),
    /// A port of ours that speaks the other of http and https.
    #[error("port {port} is our own and speaks the other scheme")]
    OtherScheme { port: u16 },
    #[error("not done after {seconds} s")]
    TimedOut { seconds: u64 },
    /// What came is no certificate to serve.
    #[error("{0}")]
    Unfit(Fault),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Make(#[from] MakeError),
    #[error("{0}")]
    OpenSsl(#[from] ErrorStack),
    #[error("{0}")]
    Odd(Cause),
}

/// A failed order.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub(crate) struct OrderFault {
    pub(super) cause: AcmeFault,
    wish: Box<AcmeWish>,
    /// How long the server wants to be left alone.
    pub(crate) told_to_wait: Option<Duration>,
}

impl OrderFault {
    pub(super) fn new(cause: AcmeFault, wish: &AcmeWish, told_to_wait: Option<Duration>) -> Self {
        Self {
            cause,
            wish: Box::new(wish.clone()),
            told_to_wait,
        }
    }

    /// For scripts.
    pub(crate) fn code(&self) -> String {
        format!("acme-{}", self.cause.name())
    }

    /// For the administrator: what is wrong, and what to look at.
    pub(crate) fn words(&self, language: Language) -> String {
        let words = self.cause.words(&self.wish, language);
        let Some(wait) = self.told_to_wait.filter(|wait| !wait.is_zero()) else {
            return words;
        };
        let minutes = wait.as_secs().div_ceil(60).to_string();
        let later = messages::text(language, "acme-later", &[("minutes", &minutes)]);
        format!("{words} {later}")
    }
}

impl From<Error> for AcmeFault {
    fn from(error: Error) -> Self {
        match error {
            Error::Api(problem) => Self::Problem(problem),
            Error::Other(other) => match other.downcast::<HttpFault>() {
                Ok(fault) => Self::Http(*fault),
                Err(other) => Self::Odd(Cause::of(&*other)),
            },
            other => Self::Odd(Cause::of(&other)),
        }
    }
}

impl AcmeFault {
    /// The server has forgotten the account, as a test server does with each start.
    pub(super) fn is_unknown_account(&self) -> bool {
        matches!(self, Self::Problem(problem) if kind(problem) == "accountDoesNotExist")
    }

    pub(super) fn is_bad_nonce(&self) -> bool {
        matches!(self, Self::Problem(problem) if kind(problem) == "badNonce")
    }

    /// Its sentence is `acme-refused-NAME`.
    fn name(&self) -> &'static str {
        match self {
            Self::NoNames => "no-names",
            Self::Star { .. } => "star",
            Self::Authority => "authority",
            Self::Http(HttpFault::NotHttps { .. }) => "not-https",
            Self::Http(HttpFault::Untrusted { .. }) => "untrusted",
            Self::Http(_) => "away",
            Self::Problem(problem) => match kind(problem) {
                "rateLimited" => "rate-limited",
                "rejectedIdentifier" | "unsupportedIdentifier" => "rejected",
                "externalAccountRequired" => "external-account",
                "caa" => "caa",
                _ => "problem",
            },
            Self::NotProven { problem, .. } => match kind(problem) {
                "dns" => "dns",
                "connection" => "connection",
                "unauthorized" | "incorrectResponse" | "tls" => "other-answer",
                "caa" => "caa",
                _ => "not-proven",
            },
            Self::Unexplained => "unexplained",
            Self::NoSuchChallenge { .. } => "no-such-challenge",
            Self::NoSuchProfile { .. } => "no-such-profile",
            Self::Port(_) => "port",
            Self::OtherScheme { .. } => "other-scheme",
            Self::TimedOut { .. } => "timed-out",
            Self::Unfit(_) => "unfit",
            Self::Store(_) | Self::Make(_) | Self::OpenSsl(_) | Self::Odd(_) => "odd",
        }
    }

    fn words(&self, wish: &AcmeWish, language: Language) -> String {
        let names = Name::listed(&wish.wish.names);
        let (mut name, mut cause) = (names.clone(), self.to_string());
        match self {
            Self::Star { name: one } => name = one.to_string(),
            Self::NoSuchChallenge { name: one, .. } => name.clone_from(one),
            Self::Http(fault) => cause = fault.words(language),
            Self::Store(fault) => cause = store_words(fault, language),
            Self::Make(fault) => cause = Cause::of(fault).words(language),
            Self::OpenSsl(fault) => cause = Cause::of(fault).words(language),
            Self::Odd(fault) => cause = fault.words(language),
            Self::Problem(problem) => cause = told(problem),
            Self::NotProven { name: one, problem } => {
                name.clone_from(one);
                cause = told(problem);
            }
            Self::NoSuchProfile { wished, offered } => {
                name.clone_from(wished);
                cause = offered.join(", ");
            }
            Self::Port(fault) => cause = messages::port_fault(fault, None, language),
            Self::Unfit(fault) => cause = Speaker(language).sentence(fault),
            Self::TimedOut { seconds } => cause = seconds.to_string(),
            _ => {}
        }
        let (name, cause) = (plain(&name), plain(&cause));
        let values = [
            ("name", name.as_str()),
            ("names", &names),
            ("cause", &cause),
            ("server", &wish.directory),
            ("challenge", wish.challenge.as_str()),
            ("public", &wish.challenge.public_port().to_string()),
            ("port", &wish.port.to_string()),
        ];
        messages::text(language, &format!("acme-refused-{}", self.name()), &values)
    }
}

fn kind(problem: &Problem) -> &str {
    let kind = problem.r#type.as_deref().unwrap_or_default();
    kind.strip_prefix(PROBLEMS).unwrap_or(kind)
}

/// In the server's words, with those about single names.
fn told(problem: &Problem) -> String {
    let mut parts = vec![
        problem
            .detail
            .clone()
            .unwrap_or_else(|| kind(problem).to_owned()),
    ];
    for one in &problem.subproblems {
        let name = one.identifier.as_ref();
        let name = name.map_or_else(String::new, |name| name.authorized(false).to_string());
        parts.push(format!(
            "{name}: {}",
            one.detail.as_deref().unwrap_or_default()
        ));
    }
    plain(&parts.join("; "))
}

/// It may be a stranger's, and is printed on a terminal.
fn plain(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(plain).take(1000).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(json: &str) -> Problem {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn what_a_person_looks_at_differs_by_the_kind_of_the_problem() {
        let refused = |kind: &str| AcmeFault::Problem(problem(&typed(kind))).name();
        let not_proven = |kind: &str| {
            let (name, problem) = ("a.example".to_owned(), problem(&typed(kind)));
            AcmeFault::NotProven { name, problem }.name()
        };
        assert_eq!(refused("rateLimited"), "rate-limited");
        assert_eq!(refused("rejectedIdentifier"), "rejected");
        assert_eq!(refused("serverInternal"), "problem");
        for (kind, code) in [
            ("dns", "dns"),
            ("connection", "connection"),
            ("unauthorized", "other-answer"),
            ("caa", "caa"),
            ("unheardOf", "not-proven"),
        ] {
            assert_eq!(not_proven(kind), code);
        }
    }

    fn typed(kind: &str) -> String {
        format!(r#"{{"type": "{PROBLEMS}{kind}"}}"#)
    }

    #[test]
    fn nothing_that_a_server_says_moves_the_cursor() {
        let wish = serde_json::from_str(
            r#"{"names": ["a.example"], "keys": ["p256"], "directory": "https://acme.example/",
            "challenge": "http-01", "port": 80}"#,
        );
        let wish: AcmeWish = wish.unwrap();
        let offered = vec!["\u{1b}[2Jclassic".to_owned()];
        let wished = "tlsserver".to_owned();
        for fault in [
            AcmeFault::NoSuchProfile { wished, offered },
            AcmeFault::Odd(std::io::Error::other("\u{1b}[2J").into()),
        ] {
            let words = fault.words(&wish, Language::Ru);
            assert!(!words.contains(char::is_control), "{words:?}");
        }
    }

    #[test]
    fn a_problem_is_told_on_one_line_of_bounded_length_with_its_names() {
        let told_of = |json: &str| told(&problem(json));
        let several = r#"{"type": "urn:ietf:params:acme:error:malformed", "detail": "two\nlines",
            "subproblems": [{"type": "t", "detail": "bad", "identifier":
            {"type": "dns", "value": "a.example"}}]}"#;
        assert_eq!(told_of(several), "two lines; a.example: bad");
        let bare = r#"{"type": "urn:ietf:params:acme:error:caa"}"#;
        assert_eq!(told_of(bare), "caa");
        let long = format!(r#"{{"detail": "{}"}}"#, "я".repeat(5000));
        assert_eq!(told_of(&long).chars().count(), 1000);
    }
}
