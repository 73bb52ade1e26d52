//! What a complete handshake agreed on, in words of a bounded set.

use gateway_policy::{agreed::Agreed, handshake::TlsVersion};
use openssl::ssl::{SslRef, SslVersion};

use super::ffi;

/// Those that a profile offers, as OpenSSL calls them.
const GROUPS: [&str; 4] = ["X25519MLKEM768", "x25519", "secp256r1", "secp384r1"];

pub(crate) fn version(ssl: &SslRef) -> TlsVersion {
    match ssl.version2() {
        Some(SslVersion::TLS1) => TlsVersion::Tls10,
        Some(SslVersion::TLS1_1) => TlsVersion::Tls11,
        Some(SslVersion::TLS1_2) => TlsVersion::Tls12,
        // Nothing else is spoken.
        _ => TlsVersion::Tls13,
    }
}

pub(crate) fn agreed(ssl: &SslRef) -> Agreed {
    let group = ffi::group(ssl).map(|name| {
        let known = GROUPS.into_iter().find(|group| {
            let group = group.as_bytes();
            group.eq_ignore_ascii_case(name.to_bytes())
        });
        known.unwrap_or("other")
    });
    Agreed {
        version: version(ssl),
        cipher: ssl.current_cipher().map_or("none", |cipher| cipher.name()),
        group: group.unwrap_or("none"),
    }
}
