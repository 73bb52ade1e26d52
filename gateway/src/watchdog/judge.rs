//! What the clients were served, against what they should have been. Pure.

use std::fmt;

use backend_types::TlsProfile;
use gateway_certificates::chain::Trust;
use words::Cause;

use super::probe::{Client, ProbeFault};
use crate::messages::{self, Language};

/// How one client fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Served {
        /// SHA-256.
        thumbprint: String,
    },
    /// The handshake failed.
    Refused {
        cause: Cause,
    },
    Unreachable {
        cause: Cause,
    },
}

impl From<ProbeFault> for Outcome {
    fn from(fault: ProbeFault) -> Self {
        let cause = Cause::of(&fault);
        match fault {
            ProbeFault::Unreachable(_) => Self::Unreachable { cause },
            ProbeFault::Refused(_) | ProbeFault::NoCertificate | ProbeFault::Setup(_) => {
                Self::Refused { cause }
            }
        }
    }
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    Unreachable {
        cause: Cause,
    },
    Refused {
        client: Client,
        cause: Cause,
    },
    /// The certificate is another than the one that was last installed.
    OtherCertificate {
        client: Client,
        thumbprint: String,
    },
    /// Browsers fetch what is missing themselves, terminals do not.
    ChainIncomplete {
        issuer: String,
        url: String,
    },
    /// TLS that is too old is spoken all the same.
    OldTlsSpoken,
}

/// Whether `profile` is for this client.
fn is_for(profile: TlsProfile, client: Client) -> bool {
    match client {
        Client::Current | Client::ByAddress => true,
        Client::OldAndroid => profile != TlsProfile::Modern,
        Client::WindowsCe => profile == TlsProfile::OldForEveryone,
        Client::WhitelistedCe => {
            matches!(profile, TlsProfile::Old | TlsProfile::OldForEveryone)
        }
    }
}

pub(super) fn judge(
    profile: TlsProfile,
    thumbprints: &[&str],
    trust: Option<&Trust>,
    outcomes: &[(Client, Outcome)],
) -> Vec<Finding> {
    let unreachable = outcomes.iter().find_map(|(_, outcome)| match outcome {
        Outcome::Unreachable { cause } => Some(cause.clone()),
        Outcome::Served { .. } | Outcome::Refused { .. } => None,
    });
    // Once is enough.
    if let Some(cause) = unreachable {
        return vec![Finding::Unreachable { cause }];
    }
    let mut findings = Vec::new();
    for (client, outcome) in outcomes {
        let client = *client;
        match (client, outcome) {
            (_, Outcome::Served { .. }) if !is_for(profile, client) => {
                findings.push(Finding::OldTlsSpoken);
            }
            (_, Outcome::Refused { .. }) if !is_for(profile, client) => {}
            (_, Outcome::Served { thumbprint }) => {
                if !thumbprints.contains(&thumbprint.as_str()) {
                    let thumbprint = thumbprint.clone();
                    findings.push(Finding::OtherCertificate { client, thumbprint });
                }
            }
            (_, Outcome::Refused { cause }) => {
                let cause = cause.clone();
                findings.push(Finding::Refused { client, cause });
            }
            (_, Outcome::Unreachable { .. }) => {}
        }
    }
    if let Some(Trust::Missing {
        issuer,
        url: Some(url),
    }) = trust
    {
        findings.push(Finding::ChainIncomplete {
            issuer: issuer.clone(),
            url: url.clone(),
        });
    }
    findings
}

impl Finding {
    pub(crate) fn words(&self, language: Language) -> String {
        self.told(language, |cause| cause.words(language))
    }

    fn told(&self, language: Language, of_cause: impl Fn(&Cause) -> String) -> String {
        let client_of = |client: Client| {
            let key = format!("watchdog-client-{}", client.word());
            messages::text(language, &key, &[])
        };
        match self {
            Self::Unreachable { cause } => {
                let values = [("cause", &*of_cause(cause))];
                messages::text(language, "watchdog-unreachable", &values)
            }
            Self::Refused { client, cause } => {
                let values = [
                    ("client", &*client_of(*client)),
                    ("cause", &of_cause(cause)),
                ];
                messages::text(language, "watchdog-refused", &values)
            }
            Self::OtherCertificate { client, thumbprint } => {
                let values = [("client", &*client_of(*client)), ("thumbprint", thumbprint)];
                messages::text(language, "watchdog-other-certificate", &values)
            }
            Self::ChainIncomplete { issuer, url } => {
                let values = [("issuer", issuer.as_str()), ("url", url)];
                messages::text(language, "watchdog-chain-incomplete", &values)
            }
            Self::OldTlsSpoken => messages::text(language, "watchdog-old-tls", &[]),
        }
    }
}

/// For the log: with causes as the system has them.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told(Language::En, ToString::to_string))
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn served(thumbprint: &str) -> Outcome {
        Outcome::Served {
            thumbprint: thumbprint.to_owned(),
        }
    }

    fn of_kind(kind: io::ErrorKind) -> Cause {
        io::Error::from(kind).into()
    }

    fn refused() -> Outcome {
        let cause = of_kind(io::ErrorKind::ConnectionReset);
        Outcome::Refused { cause }
    }

    fn good() -> Vec<(Client, Outcome)> {
        Client::ALL
            .map(|client| match client {
                Client::WindowsCe | Client::WhitelistedCe => (client, refused()),
                _ => (client, served("A")),
            })
            .to_vec()
    }

    #[test]
    fn a_good_port_has_no_findings_whoever_trusts_it() {
        let missing = Trust::Missing {
            issuer: "Shop".to_owned(),
            url: None,
        };
        let own = Trust::Own {
            root: "Shop".to_owned(),
        };
        for trust in [Trust::Public, Trust::Itself, own, missing] {
            assert_eq!(
                judge(TlsProfile::Intermediate, &["A", "B"], Some(&trust), &good()),
                []
            );
        }
    }

    #[test]
    fn a_client_is_to_be_served_by_the_profiles_that_are_for_it_and_by_no_other() {
        for (profile, served_to) in [
            (TlsProfile::Modern, [true, true, false, false, false]),
            (TlsProfile::Intermediate, [true, true, true, false, false]),
            (TlsProfile::Old, [true, true, true, false, true]),
            (TlsProfile::OldForEveryone, [true; 5]),
        ] {
            let outcome = |good| if good { served("A") } else { refused() };
            let as_meant = Client::ALL.into_iter().zip(served_to.map(outcome));
            let as_meant: Vec<_> = as_meant.collect();
            assert_eq!(judge(profile, &["A"], None, &as_meant), []);
            for place in 0..served_to.len() {
                let mut other = as_meant.clone();
                other[place].1 = outcome(!served_to[place]);
                let found = judge(profile, &["A"], None, &other);
                assert_eq!(found.len(), 1, "{profile:?} {place}");
            }
        }
    }

    #[test]
    fn each_thing_that_is_not_as_it_should_be_is_found() {
        let with = |place: usize, outcome: Outcome| {
            let mut outcomes = good();
            outcomes[place].1 = outcome;
            judge(
                TlsProfile::Intermediate,
                &["A"],
                Some(&Trust::Public),
                &outcomes,
            )
        };
        let other = Finding::OtherCertificate {
            client: Client::OldAndroid,
            thumbprint: "C".to_owned(),
        };
        assert_eq!(with(2, served("C")), [other]);
        let cause = of_kind(io::ErrorKind::ConnectionReset);
        let client = Client::Current;
        assert_eq!(with(0, refused()), [Finding::Refused { client, cause }]);
        assert_eq!(with(3, served("A")), [Finding::OldTlsSpoken]);
        let cause = || of_kind(io::ErrorKind::ConnectionRefused);
        let gone = Outcome::Unreachable { cause: cause() };
        assert_eq!(with(1, gone), [Finding::Unreachable { cause: cause() }]);
        let trust = Trust::Missing {
            issuer: "Upper".to_owned(),
            url: Some("http://a/".to_owned()),
        };
        let found = judge(TlsProfile::Intermediate, &["A"], Some(&trust), &good());
        assert!(matches!(&*found, [Finding::ChainIncomplete { .. }]));
    }

    #[test]
    fn every_finding_and_client_has_words_in_both_languages() {
        let one_of_each = [
            Finding::Unreachable {
                cause: of_kind(io::ErrorKind::TimedOut),
            },
            Finding::ChainIncomplete {
                issuer: "x".to_owned(),
                url: "x".to_owned(),
            },
            Finding::OldTlsSpoken,
        ];
        let of_clients = Client::ALL.into_iter().flat_map(|client| {
            let (cause, thumbprint) = (of_kind(io::ErrorKind::TimedOut), "x".to_owned());
            [
                Finding::Refused { client, cause },
                Finding::OtherCertificate { client, thumbprint },
            ]
        });
        for finding in one_of_each.into_iter().chain(of_clients) {
            let [first, second] = Language::ALL.map(|language| finding.words(language));
            assert!(first != second && !first.contains("watchdog-"), "{first}");
        }
    }
}
