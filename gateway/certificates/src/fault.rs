//! Why a certificate is not taken. Each has a code that stays: sentences with the way out are the
//! gateway's, found by it.

use crate::Name;

/// Nothing was installed. `file` is what the administrator called it, `holder` a subject as people
/// read it; times are seconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("{file}: larger than any certificate")]
    TooLarge { file: String },
    /// Its password would be hashed too often.
    #[error("{file}: its password cannot be tried in reasonable time")]
    TooSlow { file: String },
    #[error("{file}: neither certificate nor key")]
    UnknownFormat { file: String },
    #[error("{file}: cut short or changed on the way")]
    Damaged { file: String },
    #[error("{file}: needs its password")]
    PasswordNeeded { file: String },
    #[error("{file}: not with this password")]
    WrongPassword { file: String },
    #[error("{file}: encrypted in a way that is not known")]
    UnknownCipher { file: String },
    #[error("no certificate")]
    NoCertificate,
    #[error("a request in place of a certificate")]
    RequestInstead,
    #[error("{holder}: no key")]
    NoKey { holder: String },
    #[error("{holder}: the key is another certificate's")]
    KeyMismatch { holder: String },
    #[error("{first}, {second}: two certificates whose keys are of one kind")]
    TwoOfAKind { first: String, second: String },
    #[error("{holder}: an authority's own certificate")]
    Authority { holder: String },
    #[error("{holder}: not for servers")]
    NotForServers { holder: String },
    #[error("{holder}: ended at {until}")]
    Expired { holder: String, until: i64 },
    #[error("{holder}: begins at {from}")]
    NotYet { holder: String, from: i64 },
    #[error("{holder}: key {key} is too short")]
    WeakKey { holder: String, key: String },
    #[error("{holder}: key {key} is known to few terminals")]
    OddKey { holder: String, key: String },
    #[error("{holder}: signed with {algorithm}")]
    WeakSignature { holder: String, algorithm: String },
    #[error("{holder}: no alternative names")]
    NoNames { holder: String },
    #[error("not for {}", Name::listed(missing))]
    WrongName {
        missing: Vec<Name>,
        names: Vec<Name>,
    },
    /// `of` was signed by `issuer`, which is neither given nor known to the machine; `url` is where
    /// `of` says that it lies.
    #[error("{of}: signed by {issuer}, which is missing")]
    ChainIncomplete {
        of: String,
        issuer: String,
        url: Option<String>,
    },
    /// Whole, and yet clients refuse it, for what OpenSSL says of one of its certificates.
    #[error("{holder}: {of}: {cause}")]
    ChainRefused {
        holder: String,
        of: String,
        cause: String,
    },
}

impl Fault {
    /// For scripts, and the end of its message's key.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too-large",
            Self::TooSlow { .. } => "too-slow",
            Self::UnknownFormat { .. } => "unknown-format",
            Self::Damaged { .. } => "damaged",
            Self::PasswordNeeded { .. } => "password-needed",
            Self::WrongPassword { .. } => "wrong-password",
            Self::UnknownCipher { .. } => "unknown-cipher",
            Self::NoCertificate => "no-certificate",
            Self::RequestInstead => "request-instead",
            Self::NoKey { .. } => "no-key",
            Self::KeyMismatch { .. } => "key-mismatch",
            Self::TwoOfAKind { .. } => "two-of-a-kind",
            Self::Authority { .. } => "authority",
            Self::NotForServers { .. } => "not-for-servers",
            Self::Expired { .. } => "expired",
            Self::NotYet { .. } => "not-yet",
            Self::WeakKey { .. } => "weak-key",
            Self::OddKey { .. } => "odd-key",
            Self::WeakSignature { .. } => "weak-signature",
            Self::NoNames { .. } => "no-names",
            Self::WrongName { .. } => "wrong-name",
            Self::ChainIncomplete { .. } => "chain-incomplete",
            Self::ChainRefused { .. } => "chain-refused",
        }
    }
}
