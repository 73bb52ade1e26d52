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

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

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
    /// Its plan cannot be read.
    Unknown,
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
    #[error("{}: expired on {}", file.display(), day(*.end))]
    Expired { file: PathBuf, end: i64 },
    #[error("{}: not valid before {}", file.display(), day(*.begin))]
    NotYet { file: PathBuf, begin: i64 },
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
        let say = |key: &str, file: &Path, more: &[(&'static str, &str)]| {
            let file = file.display().to_string();
            let values = [&[("file", file.as_str())][..], more].concat();
            messages::text(language, key, &values)
        };
        match self {
            Self::Expired { file, end } => {
                let end = messages::moment(*end, language);
                say("certificate-expired", file, &[("end", &end)])
            }
            Self::NotYet { file, begin } => {
                let begin = messages::moment(*begin, language);
                say("certificate-not-yet", file, &[("begin", &begin)])
            }
            Self::Readable(cause) => cause.render(language),
            Self::Unfit { file, .. } => say("certificate-unfit", file, &[]),
            Self::Store(StoreError::File { file, source }) => match source.kind() {
                io::ErrorKind::NotFound => say("certificate-file-missing", file, &[]),
                io::ErrorKind::PermissionDenied => say("certificate-file-denied", file, &[]),
                _ => {
                    let cause = words::Cause::of(source).words(language);
                    say("file-unreadable", file, &[("cause", &cause)])
                }
            },
            Self::Store(fault) => store_words(fault, language),
        }
    }
}

/// What is wrong with the files of a certificate, read or written.
pub(crate) fn store_words(fault: &StoreError, language: Language) -> String {
    let say = |key: &str, file: &Path| {
        messages::text(language, key, &[("file", &file.display().to_string())])
    };
    let failed =
        |file: &Path, cause: words::Cause| format!("{}: {}", file.display(), cause.words(language));
    match fault {
        StoreError::File { file, source } => failed(file, words::Cause::of(source)),
        StoreError::Plan { file, .. } => say("plan-file-damaged", file),
        StoreError::Pair { file, source } => {
            let key = match source {
                PairError::NoCertificate => "certificate-file-none",
                PairError::BadCertificate(_) => "certificate-file-damaged",
                PairError::BadKey(_) => "certificate-file-no-key",
                PairError::Mismatch => "certificate-file-other-key",
                PairError::UnknownKey => "certificate-file-unknown-key",
            };
            say(key, file)
        }
        StoreError::Mismatch { chain, key } => {
            let (chain, key) = (chain.display().to_string(), key.display().to_string());
            let values = [("chain", chain.as_str()), ("key", &key)];
            messages::text(language, "certificate-files-apart", &values)
        }
        StoreError::NotOneOfAKind { file } => say("certificate-file-of-a-kind", file),
        StoreError::Make(_) | StoreError::OpenSsl(_) => words::Cause::of(fault).words(language),
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
                let end = validity.until;
                return Err(Arc::new(CertificateFault::Expired { file: file(), end }));
            }
            if !validity.has_begun(now) {
                let (file, begin) = (file(), validity.from);
                return Err(Arc::new(CertificateFault::NotYet { file, begin }));
            }
        }
        Ok(Arc::clone(self))
    }
}

/// RFC 3339, UTC: for programs and the log.
pub(crate) fn day(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |at| at.to_string())
}
