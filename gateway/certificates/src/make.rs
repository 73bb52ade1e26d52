//! Keys and certificates of our own making. Serial numbers are random (160 bits of them less one),
//! signatures are SHA-256.

use openssl::{
    asn1::Asn1Time,
    bn::{BigNum, MsbOption},
    ec::{EcGroup, EcKey},
    error::ErrorStack,
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    rsa::Rsa,
    x509::{
        X509Builder, X509Name, X509NameBuilder, X509v3Context,
        extension::{
            BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName,
            SubjectKeyIdentifier,
        },
    },
};

use crate::{
    KeyKind, Name, Pair, PairError,
    plan::Wish,
    validity::{self, DAY},
};

/// Browsers and current Android refuse more.
pub const LEAF_DAYS: u32 = 397;
/// Terminals with a clock that is slow, or of another time zone, take a fresh certificate too.
const BACKDATED: i64 = DAY / 2;

#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    #[error("{0}")]
    OpenSsl(#[from] ErrorStack),
    #[error("{0}")]
    Pair(#[from] PairError),
}

impl KeyKind {
    pub fn generate(self) -> Result<PKey<Private>, ErrorStack> {
        match self {
            Self::P256 => {
                let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
                PKey::from_ec_key(EcKey::generate(&group)?)
            }
            Self::Rsa2048 => PKey::from_rsa(Rsa::generate(2048)?),
            Self::Rsa3072 => PKey::from_rsa(Rsa::generate(3072)?),
        }
    }
}

/// A test certificate for each key wished: signed by itself.
pub fn self_signed(wish: &Wish) -> Result<Vec<Pair>, MakeError> {
    wish.keys
        .iter()
        .map(|kind| self_signed_pair(&wish.names, *kind))
        .collect()
}

fn self_signed_pair(names: &[Name], kind: KeyKind) -> Result<Pair, MakeError> {
    let key = kind.generate()?;
    let outside = names.iter().find(|name| !name.is_loopback());
    let holder = outside.or(names.first()).map(Name::to_string);
    let subject = common_name(&holder.unwrap_or_default())?;
    let mut builder = builder(LEAF_DAYS)?;
    builder.set_subject_name(&subject)?;
    builder.set_issuer_name(&subject)?;
    builder.set_pubkey(&key)?;
    builder.append_extension(BasicConstraints::new().critical().build()?)?;
    builder.append_extension(KeyUsage::new().critical().digital_signature().build()?)?;
    builder.append_extension(ExtendedKeyUsage::new().server_auth().build()?)?;
    let identifier = SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None))?;
    builder.append_extension(identifier)?;
    let alternative = alternative_names(names, &builder.x509v3_context(None, None))?;
    builder.append_extension(alternative)?;
    builder.sign(&key, MessageDigest::sha256())?;
    Ok(Pair::new(builder.build(), Vec::new(), key)?)
}

/// Version 3, a fresh serial number, good for `days` from now on.
pub(crate) fn builder(days: u32) -> Result<X509Builder, ErrorStack> {
    let mut serial = BigNum::new()?;
    serial.rand(159, MsbOption::MAYBE_ZERO, false)?;
    let mut builder = X509Builder::new()?;
    builder.set_version(2)?;
    builder.set_serial_number(&*serial.to_asn1_integer()?)?;
    builder.set_not_before(&*Asn1Time::from_unix(validity::now() - BACKDATED)?)?;
    builder.set_not_after(&*Asn1Time::days_from_now(days)?)?;
    Ok(builder)
}

/// In characters (X.520).
pub(crate) const COMMON_NAME: usize = 64;

/// A subject of nothing but a common name, cut to what it may have at most.
pub(crate) fn common_name(text: &str) -> Result<X509Name, ErrorStack> {
    let cut: String = text.chars().take(COMMON_NAME).collect();
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_nid(Nid::COMMONNAME, &cut)?;
    Ok(name.build())
}

pub(crate) fn alternative_names(
    names: &[Name],
    context: &X509v3Context<'_>,
) -> Result<openssl::x509::X509Extension, ErrorStack> {
    let mut alternative = SubjectAlternativeName::new();
    for name in names {
        match name {
            Name::Dns(name) => alternative.dns(name),
            Name::Ip(ip) => alternative.ip(&ip.to_string()),
        };
    }
    alternative.build(context)
}
