//! Which certificate a port serves: the file's, the data folder's, else the test certificate.
//!
//! | port | the first that there is of |
//! |---|---|
//! | of a database | its `certificate`, what is installed for it, the default |
//! | server port | `server.certificate`, the default |
//! | the default | `certificate`, what is installed for the server, the test certificate |
//!
//! Each is read by the [`Shelf`], once per change, and shared by every port that serves it. One
//! that does not load costs its own ports and no others (rule 7): nothing steps in for it.

mod named;
mod shelf;

use std::{fmt, io, path::PathBuf, sync::Arc};

use gateway_certificates::{Certificate, PairError, Plan, StoreError, validity};
use gateway_config::Cause;
use openssl::error::ErrorStack;
use serde::{Deserialize, Serialize};

pub(crate) use self::named::findings;
use self::shelf::Shelved;
pub(crate) use self::shelf::{LOOK_EVERY, Shelf};
use crate::messages::{self, Language};

/// A certificate, and where it lies.
#[derive(Debug)]
pub(crate) struct InUse {
    pub(crate) certificate: Certificate,
    pub(crate) file: PathBuf,
    pub(crate) origin: Origin,
}

/// How a certificate came to be served, and so who renews it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Origin {
    /// Made at the first start, because there was no other.
    Test,
    /// The configuration names its files.
    Files,
    /// Brought by the administrator.
    Imported,
    /// Made by ourselves, as the administrator wished.
    SelfSigned,
    /// Of our own authority.
    Authority,
    Acme,
}

impl From<&Plan> for Origin {
    fn from(plan: &Plan) -> Self {
        match plan {
            Plan::Imported => Self::Imported,
            Plan::SelfSigned(_) => Self::SelfSigned,
            Plan::Authority(_) => Self::Authority,
            Plan::Acme(_) => Self::Acme,
        }
    }
}

/// What a port has to show, or why there is nothing.
pub(crate) type Served = Result<Arc<InUse>, Arc<CertificateFault>>;

/// The certificates that a port may serve, as they are on the [`Shelf`] at the moment of asking.
#[derive(Clone)]
pub(crate) struct Choice {
    first: Vec<Arc<Shelved>>,
    /// Where none of the first is there; with a fault, if it is not there either.
    last: Arc<Shelved>,
}

impl Choice {
    fn chosen(&self) -> &Shelved {
        let there = self.first.iter().find(|one| one.is_there());
        there.unwrap_or(&self.last)
    }

    /// The last good one, whatever has become of its files.
    pub(crate) fn served(&self) -> Served {
        self.chosen().served()
    }

    /// Whether both come to the same certificate.
    pub(crate) fn shows_as(&self, other: &Self) -> bool {
        std::ptr::eq(self.chosen(), other.chosen())
    }

    /// Why what the files hold now is not what is served.
    pub(crate) fn fault(&self) -> Option<Arc<CertificateFault>> {
        self.chosen().fault()
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateFault {
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{}: expired on {end}", file.display())]
    Expired { file: PathBuf, end: String },
    #[error("{}: not valid before {begin}", file.display())]
    NotYet { file: PathBuf, begin: String },
    /// Others may read the key: with it, the next start would be refused.
    #[error("{}", .0.render(Language::En))]
    Readable(Cause),
    /// Whole, and below what OpenSSL serves.
    #[error("{}: not fit to be served: {cause}", file.display())]
    Unfit { file: PathBuf, cause: ErrorStack },
}

/// The same to who reads it.
impl PartialEq for CertificateFault {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for CertificateFault {}

impl CertificateFault {
    /// For the administrator, with the way out where there is one.
    pub(crate) fn words(&self, language: Language) -> String {
        let say = |key: &str, values: &[(&'static str, &dyn fmt::Display)]| {
            let texts: Vec<(&'static str, String)> = values
                .iter()
                .map(|(name, value)| (*name, value.to_string()))
                .collect();
            let values: Vec<(&'static str, &str)> = texts
                .iter()
                .map(|(name, text)| (*name, text.as_str()))
                .collect();
            messages::text(language, key, &values)
        };
        match self {
            Self::Expired { file, end } => say(
                "certificate-expired",
                &[("file", &file.display()), ("end", end)],
            ),
            Self::NotYet { file, begin } => say(
                "certificate-not-yet",
                &[("file", &file.display()), ("begin", begin)],
            ),
            Self::Readable(cause) => cause.render(language),
            Self::Unfit { file, cause } => say(
                "certificate-unfit",
                &[("file", &file.display()), ("cause", cause)],
            ),
            Self::Store(StoreError::File { file, source }) => {
                let file = file.display();
                match source.kind() {
                    io::ErrorKind::NotFound => say("certificate-file-missing", &[("file", &file)]),
                    io::ErrorKind::PermissionDenied => {
                        say("certificate-file-denied", &[("file", &file)])
                    }
                    _ => say("file-unreadable", &[("file", &file), ("cause", source)]),
                }
            }
            Self::Store(StoreError::Pair { file, source }) => {
                let key = match source {
                    PairError::NoCertificate => "certificate-file-none",
                    PairError::BadCertificate(_) => "certificate-file-damaged",
                    PairError::BadKey(_) => "certificate-file-no-key",
                    PairError::Mismatch => "certificate-file-other-key",
                    PairError::UnknownKey => "certificate-file-unknown-key",
                };
                say(key, &[("file", &file.display())])
            }
            Self::Store(StoreError::Mismatch { chain, key }) => say(
                "certificate-files-apart",
                &[("chain", &chain.display()), ("key", &key.display())],
            ),
            Self::Store(StoreError::NotOneOfAKind { file }) => {
                say("certificate-file-of-a-kind", &[("file", &file.display())])
            }
            Self::Store(StoreError::Plan { file, .. }) => {
                say("plan-file-damaged", &[("file", &file.display())])
            }
            Self::Store(fault @ (StoreError::Make(_) | StoreError::OpenSsl(_))) => {
                fault.to_string()
            }
        }
    }
}

impl InUse {
    /// Rule 7: an expired certificate is none, nor is one whose time has not come.
    pub(crate) fn in_force(self: &Arc<Self>) -> Served {
        let now = validity::now();
        let file = || self.file.clone();
        for pair in self.certificate.pairs() {
            let validity = pair.validity();
            if validity.has_ended(now) {
                let end = day(validity.until);
                return Err(Arc::new(CertificateFault::Expired { file: file(), end }));
            }
            if !validity.has_begun(now) {
                let (file, begin) = (file(), day(validity.from));
                return Err(Arc::new(CertificateFault::NotYet { file, begin }));
            }
        }
        Ok(Arc::clone(self))
    }
}

/// RFC 3339, UTC.
pub(crate) fn day(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |at| at.to_string())
}
