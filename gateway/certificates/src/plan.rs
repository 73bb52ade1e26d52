//! How the certificate of a slot came to be, and so how it is renewed.

use serde::{Deserialize, Serialize};

use crate::{KeyKind, Name};

/// Kept beside the certificate as `plan.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Plan {
    /// Brought by the administrator, who renews it too.
    Imported,
    /// A test certificate: terminals on the internet do not accept it.
    SelfSigned(Wish),
    /// A leaf of our own authority; renews by itself. Its names stand beside those that the machine
    /// has when it is made.
    Authority(Wish),
    /// From an authority that speaks ACME (RFC 8555); renews by itself.
    Acme(AcmeWish),
}

/// What is to stand in a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    pub names: Vec<Name>,
    /// One pair for each; two keys stand side by side.
    pub keys: Vec<KeyKind>,
}

/// An order at an ACME server, repeated for every renewal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcmeWish {
    #[serde(flatten)]
    pub wish: Wish,
    /// URL of the directory.
    pub directory: String,
    /// `mailto:` addresses; may be none.
    #[serde(default)]
    pub contacts: Vec<String>,
    pub challenge: Challenge,
    /// Port on which the challenge is answered: 80 or 443, unless a router translates it.
    pub port: u16,
    /// Profile of the certificate; absent: chosen (`shortlived` where an IP address is among the
    /// names).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// PEM of a root beside those of the machine, for an ACME server in one's own house.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
}

/// How an ACME server is shown that a name is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Challenge {
    #[serde(rename = "http-01")]
    Http01,
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
}

impl Challenge {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::TlsAlpn01 => "tls-alpn-01",
        }
    }

    /// The port that every ACME server asks.
    #[must_use]
    pub fn public_port(self) -> u16 {
        match self {
            Self::Http01 => 80,
            Self::TlsAlpn01 => 443,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_as_it_was_written() {
        let plan = Plan::Acme(AcmeWish {
            wish: Wish {
                names: vec!["gate.example.ru".parse().unwrap()],
                keys: vec![KeyKind::P256, KeyKind::Rsa2048],
            },
            directory: "https://acme.example/directory".to_owned(),
            contacts: Vec::new(),
            challenge: Challenge::TlsAlpn01,
            port: 443,
            profile: None,
            authority: None,
        });
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
    }
}
