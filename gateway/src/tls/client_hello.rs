//! Two answers of a client's hello, before a certificate is chosen (RFC 6066, 3; RFC 7301, 3.1).
//!
//! OpenSSL has split the hello into its extensions; what stands in them is read here, and what is
//! malformed says nothing: OpenSSL refuses it a moment later.

use openssl::ssl::SslRef;

use super::ffi;

const SERVER_NAME: u32 = 0;
const ALPN: u32 = 16;
const HOST_NAME: u8 = 0;

/// Whom the client asks for; only inside of the ClientHello callback.
pub(crate) fn server_name(ssl: &SslRef) -> Option<&str> {
    named(ffi::client_hello_extension(ssl, SERVER_NAME)?)
}

/// Whether `protocol` is all that the client wants to speak; only inside of the callback.
pub(crate) fn wants_only(ssl: &SslRef, protocol: &[u8]) -> bool {
    ffi::client_hello_extension(ssl, ALPN).is_some_and(|extension| is_only(extension, protocol))
}

fn named(extension: &[u8]) -> Option<&str> {
    let (list, _) = long(extension)?;
    let (HOST_NAME, rest) = list.split_first().map(|(kind, rest)| (*kind, rest))? else {
        return None;
    };
    let (name, _) = long(rest)?;
    std::str::from_utf8(name).ok()
}

fn is_only(extension: &[u8], protocol: &[u8]) -> bool {
    let only = || {
        let (list, _) = long(extension)?;
        let (length, rest) = list.split_first()?;
        (usize::from(*length) == rest.len()).then_some(rest)
    };
    only() == Some(protocol)
}

/// Bytes behind their length in two bytes, and what follows them.
fn long(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u16::from_be_bytes(*length).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_and_a_cut_one_is_none() {
        let whole = b"\0\x0b\0\0\x08gate.exa";
        assert_eq!(named(whole), Some("gate.exa"));
        for end in 0..whole.len() {
            assert_eq!(named(&whole[..end]), None, "{end}");
        }
        assert_eq!(named(b"\0\x0b\x01\0\x08gate.exa"), None, "another kind");
    }

    #[test]
    fn one_protocol_is_told_from_several_and_from_none() {
        assert!(is_only(b"\0\x0b\x0aacme-tls/1", b"acme-tls/1"));
        assert!(!is_only(b"\0\x0c\x02h2\x08http/1.1", b"h2"));
        for wrong in [&b""[..], b"\0", b"\0\0", b"\0\x09\x0aacme-tls/1"] {
            assert!(!is_only(wrong, b"acme-tls/1"), "{wrong:?}");
        }
    }
}
