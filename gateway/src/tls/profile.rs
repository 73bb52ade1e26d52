//! What a handshake may be: the profiles of the configuration in OpenSSL's words.

use backend_types::TlsProfile;
use openssl::{
    error::ErrorStack,
    ssl::{SslContextBuilder, SslRef, SslVersion},
};

/// A profile for one client, the strictest first: [`TlsProfile::Old`] is two of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Level {
    Modern,
    Intermediate,
    Old,
}

/// For everybody, and, where it is another, for whitelisted addresses.
pub(super) fn levels(profile: TlsProfile) -> (Level, Option<Level>) {
    match profile {
        TlsProfile::Modern => (Level::Modern, None),
        TlsProfile::Intermediate => (Level::Intermediate, None),
        TlsProfile::Old => (Level::Intermediate, Some(Level::Old)),
        TlsProfile::OldForEveryone => (Level::Old, None),
    }
}

const TLS13_CIPHERS: &str =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

/// What Mozilla calls intermediate, AES-128 first: it is what terminals compute fastest.
const CIPHERS: &str = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:\
    ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:\
    ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

/// After those: AES-CBC, forward secrecy before RSA key exchange, which is all that Windows CE has.
const OLD_CIPHERS: &str = "ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:\
    ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:\
    AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA256:AES128-SHA:AES256-SHA";

/// Last of all, where the build has it: feature `triple-des`.
const TRIPLE_DES: &str = "ECDHE-RSA-DES-CBC3-SHA:DES-CBC3-SHA";

/// A `/` ends a class: who can do the first one is asked for it, though it take one more round.
const GROUPS: &str = "X25519MLKEM768/X25519:secp256r1/secp384r1";

impl Level {
    /// The strictest that would have agreed on what `ssl` is.
    pub(crate) fn of(ssl: &SslRef) -> Self {
        let cipher = ssl.current_cipher().map(|cipher| cipher.name());
        Self::agreed(ssl.version2(), cipher.unwrap_or_default())
    }

    fn agreed(version: Option<SslVersion>, cipher: &str) -> Self {
        match version {
            Some(SslVersion::TLS1_3) => Self::Modern,
            Some(SslVersion::TLS1_2) if CIPHERS.split(':').any(|good| good == cipher) => {
                Self::Intermediate
            }
            _ => Self::Old,
        }
    }

    /// Whether a database of this profile is for a client that has agreed on it.
    pub(crate) fn is_within(
        self,
        profile: TlsProfile,
        is_whitelisted: impl FnOnce() -> bool,
    ) -> bool {
        let (everyone, whitelisted) = levels(profile);
        self <= everyone || (whitelisted.is_some_and(|level| self <= level) && is_whitelisted())
    }

    pub(super) fn set(self, builder: &mut SslContextBuilder) -> Result<(), ErrorStack> {
        let oldest = match self {
            Self::Modern => SslVersion::TLS1_3,
            Self::Intermediate => SslVersion::TLS1_2,
            Self::Old => SslVersion::TLS1,
        };
        builder.set_min_proto_version(Some(oldest))?;
        builder.set_ciphersuites(TLS13_CIPHERS)?;
        builder.set_groups_list(GROUPS)?;
        match self {
            Self::Modern | Self::Intermediate => builder.set_cipher_list(CIPHERS),
            Self::Old => {
                // Signatures with SHA-1 and MD5, which TLS 1.0 and 1.1 consist of.
                builder.set_security_level(0);
                let ciphers = match cfg!(feature = "triple-des") {
                    true => format!("{CIPHERS}:{OLD_CIPHERS}:{TRIPLE_DES}"),
                    false => format!("{CIPHERS}:{OLD_CIPHERS}"),
                };
                builder.set_cipher_list(&ciphers)
            }
        }
    }

    /// Part of a session's context.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Modern => "modern",
            Self::Intermediate => "intermediate",
            Self::Old => "old",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_agreed_on_is_of_the_strictest_level_that_has_it() {
        let (good, weak) = ("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA");
        for (version, cipher, level) in [
            (SslVersion::TLS1_3, "TLS_AES_128_GCM_SHA256", Level::Modern),
            (SslVersion::TLS1_2, good, Level::Intermediate),
            (SslVersion::TLS1_2, weak, Level::Old),
            (SslVersion::TLS1_2, "", Level::Old),
            (SslVersion::TLS1_1, weak, Level::Old),
            (SslVersion::TLS1, weak, Level::Old),
        ] {
            assert_eq!(Level::agreed(Some(version), cipher), level, "{cipher}");
        }
        assert_eq!(Level::agreed(None, good), Level::Old);
    }

    #[test]
    fn a_profile_is_for_its_own_level_and_stricter_ones() {
        use Level::{Intermediate, Modern, Old};
        for (profile, stranger, whitelisted) in [
            (TlsProfile::Modern, Modern, Modern),
            (TlsProfile::Intermediate, Intermediate, Intermediate),
            (TlsProfile::Old, Intermediate, Old),
            (TlsProfile::OldForEveryone, Old, Old),
        ] {
            for level in [Modern, Intermediate, Old] {
                let within = |listed| level.is_within(profile, || listed);
                let seen = (within(false), within(true));
                let expected = (level <= stranger, level <= whitelisted);
                assert_eq!(seen, expected, "{profile:?} {level:?}");
            }
        }
    }
}
