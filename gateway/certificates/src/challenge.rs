//! The certificate that answers a TLS-ALPN-01 challenge (RFC 8737, RFC 8738).
//!
//! Shown to an ACME server alone, which trusts nothing of it but one extension.

use std::net::IpAddr;

use openssl::{
    asn1::{Asn1Object, Asn1OctetString},
    hash::MessageDigest,
    x509::X509Extension,
};

use crate::{
    KeyKind, Name, Pair,
    make::{self, MakeError},
};

/// `id-pe-acmeIdentifier`.
const ACME_IDENTIFIER: &str = "1.3.6.1.5.5.7.1.31";
/// An ASN.1 octet string of 32 bytes.
const OCTET_STRING_32: [u8; 2] = [0x04, 32];

/// For `name` alone, with the SHA-256 of the key authorization.
pub fn certificate(name: &Name, digest: &[u8; 32]) -> Result<Pair, MakeError> {
    let key = KeyKind::P256.generate()?;
    let subject = make::common_name("acme-tls/1")?;
    let mut builder = make::builder(1)?;
    builder.set_subject_name(&subject)?;
    builder.set_issuer_name(&subject)?;
    builder.set_pubkey(&key)?;
    let names = std::slice::from_ref(name);
    let alternative = make::alternative_names(names, &builder.x509v3_context(None, None))?;
    builder.append_extension(alternative)?;
    let value = [&OCTET_STRING_32[..], digest].concat();
    let value = Asn1OctetString::new_from_bytes(&value)?;
    let oid = Asn1Object::from_str(ACME_IDENTIFIER)?;
    builder.append_extension(X509Extension::new_from_der(&oid, true, &value)?)?;
    builder.sign(&key, MessageDigest::sha256())?;
    Ok(Pair::new(builder.build(), Vec::new(), key)?)
}

/// As whom the ACME server asks for `name`, in SNI: an address comes as its name of reverse DNS.
#[must_use]
pub fn server_name(name: &Name) -> String {
    match name {
        Name::Dns(name) => name.clone(),
        Name::Ip(IpAddr::V4(v4)) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        Name::Ip(IpAddr::V6(v6)) => {
            let digits = hex::encode(v6.octets());
            let labels: Vec<String> = digits.chars().rev().map(String::from).collect();
            format!("{}.ip6.arpa", labels.join("."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_what_is_asked_for_and_carries_the_digest_in_a_critical_extension() {
        for name in ["gate.example.ru", "192.0.2.7", "2001:db8::7"] {
            let name: Name = name.parse().unwrap();
            let pair = certificate(&name, &[7; 32]).unwrap();
            assert_eq!(pair.names(), [name]);
            let text = String::from_utf8(pair.leaf().to_text().unwrap()).unwrap();
            let told = text.split(ACME_IDENTIFIER).nth(1).unwrap();
            assert!(told.starts_with(": critical"), "{text}");
            let der = pair.leaf().to_der().unwrap();
            let value = [&[0x04, 34, 0x04, 32][..], &[7; 32]].concat();
            assert!(der.windows(value.len()).any(|part| part == value));
        }
    }

    #[test]
    fn an_address_is_asked_for_by_its_name_of_reverse_dns() {
        let asked = |name: &str| server_name(&name.parse().unwrap());
        assert_eq!(asked("192.0.2.7"), "7.2.0.192.in-addr.arpa");
        assert_eq!(asked("gate.example.ru"), "gate.example.ru");
        let v6 = asked("2001:db8::7");
        assert!(v6.starts_with("7.0.0.0.") && v6.ends_with(".8.b.d.0.1.0.0.2.ip6.arpa"));
    }
}
