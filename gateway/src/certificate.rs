//! Certificates as files: reading a pair, and making the test certificate of the first start.
//!
//! A pair is parsed once per change and shared by every port that serves it. The test certificate
//! stands in for the seed's `New-SelfSignedCertificate` page: it works inside the house, and
//! terminals on the internet will not accept it.

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use openssl::{
    asn1::{Asn1Time, Asn1TimeRef},
    bn::{BigNum, MsbOption},
    ec::{EcGroup, EcKey},
    error::ErrorStack,
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    x509::{
        X509, X509Builder, X509NameBuilder,
        extension::{
            BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName,
            SubjectKeyIdentifier,
        },
    },
};

use crate::files;

/// Browsers and current Android refuse more.
const TEST_VALIDITY_DAYS: u32 = 397;
/// A test certificate with less than this left is made anew at start.
const TEST_RENEWAL_DAYS: i32 = 30;

/// A certificate with its intermediates and key, parsed.
pub(crate) struct Pair {
    pub(crate) leaf: X509,
    pub(crate) intermediates: Vec<X509>,
    pub(crate) key: PKey<Private>,
    pub(crate) chain_file: PathBuf,
}

/// What a port has to show: a pair, or why there is none.
pub(crate) type Served = Result<Arc<Pair>, Arc<CertificateError>>;

#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    #[error("{file}: {source}")]
    Read {
        file: PathBuf,
        source: std::io::Error,
    },
    #[error("{file}: holds no PEM certificate")]
    NoCertificate { file: PathBuf },
    #[error("{file}: not a PEM certificate: {source}")]
    BadCertificate { file: PathBuf, source: ErrorStack },
    #[error("{file}: not a PEM private key without a password: {source}")]
    BadKey { file: PathBuf, source: ErrorStack },
    #[error("{key}: the key does not belong to the certificate in {chain}")]
    Mismatch { chain: PathBuf, key: PathBuf },
    #[error("{file}: expired on {end}", file = file.display())]
    Expired { file: PathBuf, end: String },
    #[error("the test certificate cannot be made: {0}")]
    Make(#[from] ErrorStack),
}

impl Pair {
    /// Reads a PEM chain (leaf first) and its key.
    pub(crate) fn load(chain: &Path, key: &Path) -> Result<Arc<Self>, CertificateError> {
        let read = |file: &Path| {
            fs::read(file).map_err(|source| CertificateError::Read {
                file: file.to_owned(),
                source,
            })
        };
        let mut certificates = X509::stack_from_pem(&read(chain)?)
            .map_err(|source| CertificateError::BadCertificate {
                file: chain.to_owned(),
                source,
            })?
            .into_iter();
        let leaf = certificates
            .next()
            .ok_or_else(|| CertificateError::NoCertificate {
                file: chain.to_owned(),
            })?;
        // The callback keeps openssl from asking for a password on the terminal.
        let private =
            PKey::private_key_from_pem_callback(&read(key)?, |_| Ok(0)).map_err(|source| {
                CertificateError::BadKey {
                    file: key.to_owned(),
                    source,
                }
            })?;
        if !leaf
            .public_key()
            .is_ok_and(|public| public.public_eq(&private))
        {
            return Err(CertificateError::Mismatch {
                chain: chain.to_owned(),
                key: key.to_owned(),
            });
        }
        Ok(Arc::new(Self {
            leaf,
            intermediates: certificates.collect(),
            key: private,
            chain_file: chain.to_owned(),
        }))
    }

    /// The test certificate in `folder`, made now if it is missing, broken or about to end.
    pub(crate) fn test(folder: &Path) -> Result<Arc<Self>, CertificateError> {
        let (chain, key) = (folder.join("test.pem"), folder.join("test.key"));
        if let Ok(pair) = Self::load(&chain, &key)
            && pair.days_left() > TEST_RENEWAL_DAYS
        {
            return Ok(pair);
        }
        let write = |file: &Path, mode, pem: &[u8]| {
            files::replace(file, mode, pem).map_err(|source| CertificateError::Read {
                file: file.to_owned(),
                source,
            })
        };
        let (certificate, private) = make_test_certificate()?;
        fs::create_dir_all(folder).map_err(|source| CertificateError::Read {
            file: folder.to_owned(),
            source,
        })?;
        write(&key, 0o600, &private.private_key_to_pem_pkcs8()?)?;
        write(&chain, 0o644, &certificate.to_pem()?)?;
        Self::load(&chain, &key)
    }

    /// Rule 7: an expired certificate is none.
    pub(crate) fn in_force(self: &Arc<Self>) -> Served {
        let now = Asn1Time::days_from_now(0).map_err(CertificateError::from)?;
        if *self.leaf.not_after() > *now {
            return Ok(Arc::clone(self));
        }
        let (file, end) = (self.chain_file.clone(), self.not_after());
        Err(Arc::new(CertificateError::Expired { file, end }))
    }

    pub(crate) fn days_left(&self) -> i32 {
        days_until(self.leaf.not_after())
    }

    /// As the seed shows it: upper-case hex of the SHA-1.
    pub(crate) fn thumbprint_sha1(&self) -> String {
        self.digest(MessageDigest::sha1())
    }

    pub(crate) fn thumbprint_sha256(&self) -> String {
        self.digest(MessageDigest::sha256())
    }

    fn digest(&self, digest: MessageDigest) -> String {
        self.leaf
            .digest(digest)
            .map(hex::encode_upper)
            .unwrap_or_default()
    }

    pub(crate) fn not_before(&self) -> String {
        self.leaf.not_before().to_string()
    }

    pub(crate) fn not_after(&self) -> String {
        self.leaf.not_after().to_string()
    }
}

fn days_until(end: &Asn1TimeRef) -> i32 {
    Asn1Time::days_from_now(0)
        .and_then(|now| now.diff(end))
        .map_or(i32::MIN, |diff| diff.days)
}

fn make_test_certificate() -> Result<(X509, PKey<Private>), ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let key = PKey::from_ec_key(EcKey::generate(&group)?)?;
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_nid(Nid::COMMONNAME, "localhost")?;
    let name = name.build();
    let mut serial = BigNum::new()?;
    serial.rand(159, MsbOption::MAYBE_ZERO, false)?;

    let mut builder = X509Builder::new()?;
    builder.set_version(2)?;
    builder.set_serial_number(&*serial.to_asn1_integer()?)?;
    builder.set_subject_name(&name)?;
    builder.set_issuer_name(&name)?;
    builder.set_pubkey(&key)?;
    builder.set_not_before(&*Asn1Time::days_from_now(0)?)?;
    builder.set_not_after(&*Asn1Time::days_from_now(TEST_VALIDITY_DAYS)?)?;
    builder.append_extension(BasicConstraints::new().critical().build()?)?;
    builder.append_extension(KeyUsage::new().critical().digital_signature().build()?)?;
    builder.append_extension(ExtendedKeyUsage::new().server_auth().build()?)?;
    let identifier = SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None))?;
    builder.append_extension(identifier)?;
    let mut names = SubjectAlternativeName::new();
    names.dns("localhost");
    if let Some(host) = host_name() {
        names.dns(&host);
    }
    for address in machine_addresses() {
        names.ip(&address.to_string());
    }
    let names = names.build(&builder.x509v3_context(None, None))?;
    builder.append_extension(names)?;
    builder.sign(&key, MessageDigest::sha256())?;
    Ok((builder.build(), key))
}

/// The machine's own name, when it is one that a certificate can carry.
pub(crate) fn host_name() -> Option<String> {
    let name = nix::unistd::gethostname().ok()?.into_string().ok()?;
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    (!name.is_empty() && name != "localhost" && name.chars().all(legal)).then_some(name)
}

/// Every address of the machine's interfaces, loopback first, link-local ones left out.
pub(crate) fn machine_addresses() -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = nix::ifaddrs::getifaddrs()
        .into_iter()
        .flatten()
        .filter_map(|interface| interface.address)
        .filter_map(|address| {
            let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
        })
        .filter(|address| match address {
            IpAddr::V4(_) => true,
            IpAddr::V6(v6) => !v6.is_unicast_link_local(),
        })
        .collect();
    addresses.sort_by_key(|address| (!address.is_loopback(), *address));
    addresses.dedup();
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_certificate_is_made_once_and_names_the_machine() {
        let folder = tempfile::tempdir().unwrap();
        let made = Pair::test(folder.path()).unwrap();
        let again = Pair::test(folder.path()).unwrap();
        assert_eq!(made.thumbprint_sha256(), again.thumbprint_sha256());
        let names = made.leaf.subject_alt_names().unwrap();
        assert!(names.iter().any(|name| name.dnsname() == Some("localhost")));
        assert!(
            names
                .iter()
                .any(|name| name.ipaddress() == Some(&[127, 0, 0, 1]))
        );
        assert!((396..=397).contains(&made.days_left()));
    }

    #[test]
    fn a_key_of_another_certificate_is_refused_by_name() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        Pair::test(one.path()).unwrap();
        Pair::test(other.path()).unwrap();
        let fault = Pair::load(&one.path().join("test.pem"), &other.path().join("test.key"));
        assert!(matches!(fault, Err(CertificateError::Mismatch { .. })));
    }
}
