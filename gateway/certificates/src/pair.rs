//! A certificate with its key, parsed once and shared by every port that serves it.

use std::{fmt, sync::Arc};

use openssl::{
    error::ErrorStack,
    hash::MessageDigest,
    nid::Nid,
    pkey::{HasPublic, Id, PKey, PKeyRef, Private, Public},
    sha::Sha256,
    sign::{Signer, Verifier},
    x509::{X509, X509NameRef, X509Ref},
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{Name, Validity};

/// Keys that we make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyKind {
    P256,
    Rsa2048,
    Rsa3072,
}

/// One leaf with its intermediates and its key, which belongs to it.
pub struct Pair {
    leaf: X509,
    intermediates: Vec<X509>,
    key: PKey<Private>,
    validity: Validity,
    sha256: String,
    /// Of the leaf and the intermediates.
    served_sha256: String,
}

#[derive(Debug, thiserror::Error)]
pub enum PairError {
    #[error("holds no PEM certificate")]
    NoCertificate,
    #[error("not a PEM certificate: {0}")]
    BadCertificate(ErrorStack),
    #[error("not a PEM private key without a password: {0}")]
    BadKey(ErrorStack),
    #[error("the key does not belong to the certificate")]
    Mismatch,
    #[error("a key of this kind serves no TLS")]
    UnknownKey,
}

impl Pair {
    /// The leaf, its intermediates in the order in which they are sent, its key.
    pub fn new(
        leaf: X509,
        intermediates: Vec<X509>,
        key: PKey<Private>,
    ) -> Result<Self, PairError> {
        if !matches!(key.id(), Id::RSA | Id::EC | Id::ED25519) {
            return Err(PairError::UnknownKey);
        }
        let public = leaf.public_key().map_err(PairError::BadCertificate)?;
        if !public.public_eq(&key) || !agree(&public, &key).unwrap_or(false) {
            return Err(PairError::Mismatch);
        }
        let digest = |certificate: &X509| {
            let digest = certificate.digest(MessageDigest::sha256());
            digest.map_err(PairError::BadCertificate)
        };
        let sha256 = digest(&leaf)?;
        let mut served = Sha256::new();
        served.update(&sha256);
        for intermediate in &intermediates {
            served.update(&digest(intermediate)?);
        }
        Ok(Self {
            validity: Validity::of(&leaf),
            leaf,
            intermediates,
            key,
            sha256: hex::encode_upper(sha256),
            served_sha256: hex::encode_upper(served.finish()),
        })
    }

    /// A PEM chain, the leaf first, and a PEM key without a password.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, PairError> {
        let certificates = X509::stack_from_pem(chain).map_err(PairError::BadCertificate)?;
        let mut certificates = certificates.into_iter();
        let leaf = certificates.next().ok_or(PairError::NoCertificate)?;
        // The callback keeps openssl from asking for a password on the terminal.
        let key = PKey::private_key_from_pem_callback(key, |_| Ok(0)).map_err(PairError::BadKey)?;
        Self::new(leaf, certificates.collect(), key)
    }

    /// Key, leaf, intermediates: for a file of mode 0600.
    pub fn to_pem(&self) -> Result<Zeroizing<Vec<u8>>, ErrorStack> {
        let mut pem = Zeroizing::new(self.key.private_key_to_pem_pkcs8()?);
        for certificate in std::iter::once(&self.leaf).chain(&self.intermediates) {
            pem.extend(certificate.to_pem()?);
        }
        Ok(pem)
    }

    #[must_use]
    pub fn leaf(&self) -> &X509 {
        &self.leaf
    }

    #[must_use]
    pub fn intermediates(&self) -> &[X509] {
        &self.intermediates
    }

    #[must_use]
    pub fn key(&self) -> &PKey<Private> {
        &self.key
    }

    #[must_use]
    pub fn is_rsa(&self) -> bool {
        self.key.id() == Id::RSA
    }

    #[must_use]
    pub fn names(&self) -> Vec<Name> {
        Name::of(&self.leaf)
    }

    #[must_use]
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// The common name, else the whole subject; of a certificate without one, its first name.
    #[must_use]
    pub fn holder(&self) -> String {
        holder(&self.leaf)
    }

    /// The same of who has signed it.
    #[must_use]
    pub fn issuer(&self) -> String {
        called(self.leaf.issuer_name())
    }

    /// `P-256`, `RSA 2048`.
    #[must_use]
    pub fn key_words(&self) -> String {
        key_words(&self.key)
    }

    /// Upper-case hex, as Windows shows it.
    #[must_use]
    pub fn thumbprint_sha256(&self) -> &str {
        &self.sha256
    }

    /// As the vendor's page shows it.
    #[must_use]
    pub fn thumbprint_sha1(&self) -> String {
        let digest = self.leaf.digest(MessageDigest::sha1());
        digest.map(hex::encode_upper).unwrap_or_default()
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = ("holder", self.holder(), "sha256", &self.sha256);
        f.debug_tuple("Pair").field(&names).finish()
    }
}

/// Whether what the one signs the other knows: a key whose secret half is damaged still has the
/// public half of its certificate.
fn agree(public: &PKey<Public>, key: &PKey<Private>) -> Result<bool, ErrorStack> {
    const WORDS: &[u8] = b"one key";
    let digest = match key.id() {
        Id::ED25519 => None,
        _ => Some(MessageDigest::sha256()),
    };
    let (mut signer, mut verifier) = match digest {
        Some(digest) => (Signer::new(digest, key)?, Verifier::new(digest, public)?),
        None => (
            Signer::new_without_digest(key)?,
            Verifier::new_without_digest(public)?,
        ),
    };
    let signature = signer.sign_oneshot_to_vec(WORDS)?;
    verifier.verify_oneshot(&signature, WORDS)
}

/// `P-256`, `RSA 2048`.
pub(crate) fn key_words<T: HasPublic>(key: &PKeyRef<T>) -> String {
    let curve = || key.ec_key().ok()?.group().curve_name();
    match key.id() {
        Id::RSA => format!("RSA {}", key.bits()),
        Id::RSA_PSS => format!("RSA-PSS {}", key.bits()),
        Id::ED25519 => "Ed25519".to_owned(),
        Id::DSA => format!("DSA {}", key.bits()),
        _ => match curve() {
            Some(Nid::X9_62_PRIME256V1) => "P-256".to_owned(),
            Some(Nid::SECP384R1) => "P-384".to_owned(),
            Some(other) => other.short_name().unwrap_or("EC").to_owned(),
            None => format!("EC {}", key.bits()),
        },
    }
}

/// Who an authority of today has named in the alternative names alone is called by the first.
pub(crate) fn holder(certificate: &X509Ref) -> String {
    let subject = called(certificate.subject_name());
    match subject.is_empty() {
        false => subject,
        true => {
            let names = Name::of(certificate);
            names.first().map(Name::to_string).unwrap_or_default()
        }
    }
}

/// The common name, else the whole name; on one line, since anybody may write anything there.
pub(crate) fn called(name: &X509NameRef) -> String {
    let text = |nid| {
        let entry = name.entries_by_nid(nid).next()?;
        Some(entry.data().to_string().ok()?.to_string())
    };
    let whole = || {
        let entries = name.entries().filter_map(|entry| {
            let value = entry.data().to_string().ok()?;
            Some(format!(
                "{}={value}",
                entry.object().nid().short_name().ok()?
            ))
        });
        entries.collect::<Vec<_>>().join(", ")
    };
    let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let called = text(Nid::COMMONNAME).unwrap_or_else(whole);
    called.chars().map(plain).collect()
}

/// What a port serves: one pair, or an ECDSA and an RSA one side by side, for old terminals.
#[derive(Clone, Debug)]
pub struct Certificate {
    pairs: Vec<Arc<Pair>>,
}

impl Certificate {
    /// At most one of RSA and one of another kind, in that case the other one first; `None`: no
    /// pair, or two of a kind.
    #[must_use]
    pub fn new(pairs: impl IntoIterator<Item = impl Into<Arc<Pair>>>) -> Option<Self> {
        let mut pairs: Vec<Arc<Pair>> = pairs.into_iter().map(Into::into).collect();
        pairs.sort_by_key(|pair| pair.is_rsa());
        let rsa = pairs.iter().filter(|pair| pair.is_rsa()).count();
        let legal = !pairs.is_empty() && rsa <= 1 && pairs.len() - rsa <= 1;
        legal.then_some(Self { pairs })
    }

    #[must_use]
    pub fn pairs(&self) -> &[Arc<Pair>] {
        &self.pairs
    }

    /// The one that a current client is shown; there is one, by construction.
    #[must_use]
    pub fn main(&self) -> Option<&Arc<Pair>> {
        self.pairs.first()
    }

    /// Changes when anything that is served changes, an intermediate too.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        let all: Vec<&str> = self
            .pairs
            .iter()
            .map(|pair| pair.served_sha256.as_str())
            .collect();
        all.join("+")
    }

    /// SHA-256, of each leaf.
    #[must_use]
    pub fn thumbprints(&self) -> Vec<String> {
        let pairs = self.pairs.iter();
        pairs.map(|pair| pair.sha256.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use openssl::ec::EcKey;

    use super::*;
    use crate::{fixtures::leaf, make};

    #[test]
    fn a_key_whose_secret_half_is_damaged_is_none_of_its_certificate() {
        let leaf = leaf().by_itself();
        let (key, other) = (
            leaf.key.ec_key().unwrap(),
            KeyKind::P256.generate().unwrap().ec_key().unwrap(),
        );
        let mixed = |secret| {
            let mixed = EcKey::from_private_components(key.group(), secret, key.public_key());
            let key = PKey::from_ec_key(mixed.unwrap()).unwrap();
            Pair::new(leaf.certificate.clone(), Vec::new(), key)
        };
        assert!(mixed(key.private_key()).is_ok());
        let damaged = mixed(other.private_key());
        assert!(matches!(damaged, Err(PairError::Mismatch)), "{damaged:?}");
    }

    #[test]
    fn a_name_that_would_move_the_cursor_is_told_without_that() {
        let name = make::common_name("\u{1b}[2Jgate\n").unwrap();
        assert_eq!(called(&name), "\u{fffd}[2Jgate\u{fffd}");
    }

    #[test]
    fn who_has_no_subject_is_called_by_the_first_name() {
        let key = KeyKind::P256.generate().unwrap();
        let names = ["192.0.2.1", "gate.example.ru"].map(|name| name.parse().unwrap());
        let mut builder = make::builder(1).unwrap();
        builder.set_pubkey(&key).unwrap();
        let context = builder.x509v3_context(None, None);
        let alternative = make::alternative_names(&names, &context).unwrap();
        builder.append_extension(alternative).unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        let pair = Pair::new(builder.build(), Vec::new(), key).unwrap();
        assert_eq!(pair.holder(), "192.0.2.1");
    }
}
