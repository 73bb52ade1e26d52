//! Certificates for tests: an authority and what it signs, as PEM files.

use std::{
    fs,
    net::IpAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use openssl::{
    asn1::Asn1Time,
    bn::{BigNum, MsbOption},
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    rsa::Rsa,
    x509::{
        X509, X509Builder, X509NameBuilder,
        extension::{BasicConstraints, ExtendedKeyUsage, SubjectAlternativeName},
    },
};

/// A certificate and its key on disk; the key's file is 0600.
#[derive(Clone, Debug)]
pub struct Issued {
    pub chain: PathBuf,
    pub key: PathBuf,
}

/// Signs certificates. Its own lies in [`Authority::file`].
pub struct Authority {
    folder: PathBuf,
    file: PathBuf,
    certificate: X509,
    key: PKey<Private>,
    is_root: bool,
}

impl Authority {
    /// Makes one; its files go to `folder`.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        let key = fresh_key();
        let mut builder = builder("Test authority", None, &key, 3650);
        builder
            .append_extension(BasicConstraints::new().critical().ca().build().unwrap())
            .unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        let certificate = builder.build();
        let file = folder.join("authority.pem");
        fs::write(&file, certificate.to_pem().unwrap()).unwrap();
        Self {
            folder: folder.to_owned(),
            file,
            certificate,
            key,
            is_root: true,
        }
    }

    /// The PEM file that clients trust.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The PEM file of its key, for programs that sign with it.
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        let file = self.folder.join("authority.key");
        write_key(&file, &self.key);
        file
    }

    /// A certificate for these host names and addresses, valid for 30 days.
    pub fn issue(&self, name: &str, hosts: &[&str]) -> Issued {
        self.issue_for(name, hosts, 30)
    }

    /// As [`Self::issue`], for a number of days: negative ones have passed.
    pub fn issue_for(&self, name: &str, hosts: &[&str], days: i64) -> Issued {
        self.issue_with(&fresh_key(), name, hosts, days)
    }

    /// As [`Self::issue`], with an RSA key.
    pub fn issue_rsa(&self, name: &str, hosts: &[&str]) -> Issued {
        let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        self.issue_with(&key, name, hosts, 30)
    }

    /// An authority below this one: what it issues comes with its own certificate behind.
    #[must_use]
    pub fn intermediate(&self, name: &str) -> Self {
        let key = fresh_key();
        let mut builder = builder(name, Some(&self.certificate), &key, 3000);
        builder
            .append_extension(BasicConstraints::new().critical().ca().build().unwrap())
            .unwrap();
        builder.sign(&self.key, MessageDigest::sha256()).unwrap();
        Self {
            folder: self.folder.clone(),
            file: self.file.clone(),
            certificate: builder.build(),
            key,
            is_root: false,
        }
    }

    fn issue_with(&self, key: &PKey<Private>, name: &str, hosts: &[&str], days: i64) -> Issued {
        let mut builder = builder(name, Some(&self.certificate), key, days);
        let mut alternative = SubjectAlternativeName::new();
        for host in hosts {
            match host.parse::<IpAddr>() {
                Ok(_) => alternative.ip(host),
                Err(_) => alternative.dns(host),
            };
        }
        let alternative = {
            let context = builder.x509v3_context(Some(&self.certificate), None);
            alternative.build(&context).unwrap()
        };
        builder.append_extension(alternative).unwrap();
        let usage = ExtendedKeyUsage::new().server_auth().build().unwrap();
        builder.append_extension(usage).unwrap();
        builder.sign(&self.key, MessageDigest::sha256()).unwrap();
        let issued = Issued {
            chain: self.folder.join(format!("{name}.pem")),
            key: self.folder.join(format!("{name}.key")),
        };
        let mut chain = builder.build().to_pem().unwrap();
        if !self.is_root {
            chain.extend(self.certificate.to_pem().unwrap());
        }
        fs::write(&issued.chain, chain).unwrap();
        write_key(&issued.key, key);
        issued
    }
}

fn write_key(file: &Path, key: &PKey<Private>) {
    write_private(file, &key.private_key_to_pem_pkcs8().unwrap());
}

/// A file that nobody else may read.
#[track_caller]
pub fn write_private(file: &Path, bytes: &[u8]) {
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(file)
        .unwrap();
    std::io::Write::write_all(&mut file, bytes).unwrap();
}

fn fresh_key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn builder(name: &str, issuer: Option<&X509>, key: &PKey<Private>, days: i64) -> X509Builder {
    let mut subject = X509NameBuilder::new().unwrap();
    subject.append_entry_by_nid(Nid::COMMONNAME, name).unwrap();
    let subject = subject.build();
    let mut serial = BigNum::new().unwrap();
    serial.rand(127, MsbOption::MAYBE_ZERO, false).unwrap();
    let now = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_secs();
    let now = i64::try_from(now).unwrap();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder
        .set_serial_number(&serial.to_asn1_integer().unwrap())
        .unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder
        .set_issuer_name(issuer.map_or(&*subject, |issuer| issuer.subject_name()))
        .unwrap();
    builder.set_pubkey(key).unwrap();
    // Days that have passed need a beginning before their end.
    builder
        .set_not_before(&Asn1Time::from_unix(now - 40 * 86_400).unwrap())
        .unwrap();
    builder
        .set_not_after(&Asn1Time::from_unix(now + days * 86_400).unwrap())
        .unwrap();
    builder
}
