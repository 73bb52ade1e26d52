//! Authorities and leaves for tests, each with one thing about it that a test wants.

use openssl::{
    asn1::Asn1Time,
    hash::MessageDigest,
    pkey::{PKey, Private},
    x509::{
        X509,
        extension::{
            AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage,
            SubjectAlternativeName, SubjectKeyIdentifier,
        },
    },
};

use crate::{
    KeyKind, make,
    validity::{self, DAY},
};

pub(crate) struct Signed {
    pub(crate) certificate: X509,
    pub(crate) key: PKey<Private>,
}

pub(crate) struct Wanted<'a> {
    pub(crate) holder: &'a str,
    pub(crate) names: &'a [&'a str],
    pub(crate) key: Option<PKey<Private>>,
    pub(crate) is_authority: bool,
    pub(crate) for_servers: bool,
    /// Days from now.
    pub(crate) from: i64,
    pub(crate) until: i64,
    pub(crate) digest: MessageDigest,
}

pub(crate) fn leaf<'a>() -> Wanted<'a> {
    Wanted {
        holder: "gate.example.ru",
        names: &["gate.example.ru", "192.0.2.1"],
        key: None,
        is_authority: false,
        for_servers: true,
        from: -1,
        until: 90,
        digest: MessageDigest::sha256(),
    }
}

pub(crate) fn authority(holder: &str) -> Wanted<'_> {
    Wanted {
        holder,
        names: &[],
        is_authority: true,
        ..leaf()
    }
}

impl Wanted<'_> {
    pub(crate) fn by(self, signer: &Signed) -> Signed {
        self.sign(Some(signer))
    }

    pub(crate) fn by_itself(self) -> Signed {
        self.sign(None)
    }

    fn sign(self, signer: Option<&Signed>) -> Signed {
        let key = self
            .key
            .unwrap_or_else(|| KeyKind::P256.generate().unwrap());
        let subject = make::common_name(self.holder).unwrap();
        let mut builder = make::builder(1).unwrap();
        let day = |days| Asn1Time::from_unix(validity::now() + days * DAY).unwrap();
        builder.set_not_before(&day(self.from)).unwrap();
        builder.set_not_after(&day(self.until)).unwrap();
        builder.set_subject_name(&subject).unwrap();
        builder
            .set_issuer_name(signer.map_or(&*subject, |one| one.certificate.subject_name()))
            .unwrap();
        builder.set_pubkey(&key).unwrap();
        let mut extensions = Vec::new();
        if self.is_authority {
            extensions.push(BasicConstraints::new().critical().ca().build().unwrap());
            let usage = KeyUsage::new().key_cert_sign().crl_sign().build();
            extensions.push(usage.unwrap());
        } else if self.for_servers {
            extensions.push(ExtendedKeyUsage::new().server_auth().build().unwrap());
        } else {
            extensions.push(ExtendedKeyUsage::new().client_auth().build().unwrap());
        }
        for extension in extensions {
            builder.append_extension(extension).unwrap();
        }
        let issuer = signer.map(|one| &*one.certificate);
        let identifier = SubjectKeyIdentifier::new().build(&builder.x509v3_context(issuer, None));
        builder.append_extension(identifier.unwrap()).unwrap();
        if issuer.is_some() {
            let mut identifier = AuthorityKeyIdentifier::new();
            let identifier = identifier.keyid(true);
            let identifier = identifier.build(&builder.x509v3_context(issuer, None));
            builder.append_extension(identifier.unwrap()).unwrap();
        }
        if !self.names.is_empty() {
            let mut names = SubjectAlternativeName::new();
            for name in self.names {
                match name.parse::<std::net::IpAddr>() {
                    Ok(_) => names.ip(name),
                    Err(_) => names.dns(name),
                };
            }
            let names = names.build(&builder.x509v3_context(None, None)).unwrap();
            builder.append_extension(names).unwrap();
        }
        let signing = signer.map_or(&key, |one| &one.key);
        builder.sign(signing, self.digest).unwrap();
        Signed {
            certificate: builder.build(),
            key,
        }
    }
}

/// A root, two intermediates below each other, and a leaf below those.
pub(crate) struct House {
    pub(crate) root: Signed,
    pub(crate) upper: Signed,
    pub(crate) lower: Signed,
    pub(crate) leaf: Signed,
}

impl House {
    pub(crate) fn with(leaf: Wanted<'_>) -> Self {
        let root = authority("Root").by_itself();
        let upper = authority("Upper").by(&root);
        let lower = authority("Lower").by(&upper);
        let leaf = leaf.by(&lower);
        Self {
            root,
            upper,
            lower,
            leaf,
        }
    }

    pub(crate) fn new() -> Self {
        Self::with(leaf())
    }

    /// Leaf and intermediates.
    pub(crate) fn chain(&self) -> Vec<X509> {
        [&self.leaf, &self.lower, &self.upper]
            .map(|one| one.certificate.clone())
            .to_vec()
    }
}
