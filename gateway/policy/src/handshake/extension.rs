//! What stands in the extensions of a ClientHello (RFC 6066, 3; RFC 7301, 3.1; RFC 8446, 4.2.1).
//!
//! A hello is read twice, and its extensions by this one reader. OpenSSL's callback has them whole and
//! takes its choices by them. [`Greeting`](super::Greeting) has the first bytes alone and explains a
//! failure: OpenSSL has dropped the hello by then, and to keep what stood in it would cost an allocation
//! in every handshake that succeeds. What is malformed says nothing: OpenSSL refuses it itself.

use super::TlsVersion;

pub const SERVER_NAME: u16 = 0;
pub const ALPN: u16 = 16;
pub(super) const SUPPORTED_VERSIONS: u16 = 43;

const HOST_NAME: u8 = 0;

/// Whom the client calls, as it spells it; a list in which only a host name has ever stood.
#[must_use]
pub fn server_name(extension: &[u8]) -> Option<&str> {
    let mut list = Bytes(Bytes(extension).prefixed(2)?);
    if list.byte()? != HOST_NAME {
        return None;
    }
    std::str::from_utf8(list.prefixed(2)?).ok()
}

/// Whether `protocol` is all that the client wants to speak, by its ALPN.
#[must_use]
pub fn is_only_protocol(extension: &[u8], protocol: &[u8]) -> bool {
    let only = || {
        let mut list = Bytes(Bytes(extension).prefixed(2)?);
        let first = list.prefixed(1)?;
        list.0.is_empty().then_some(first)
    };
    only() == Some(protocol)
}

/// Of the versions that the client supports, as far as they have a name.
pub(super) fn newest_version(extension: &[u8]) -> Option<TlsVersion> {
    let mut list = Bytes(Bytes(extension).prefixed(1)?);
    let mut newest = None;
    while let Some(number) = list.number(2) {
        let version = u16::try_from(number).ok().and_then(TlsVersion::of);
        newest = newest.max(version);
    }
    newest
}

/// Bytes still to be read; whoever asks for more than there are gets none.
#[derive(Clone, Copy)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        // What is cut off in the middle is the end: nothing behind it is read as something else.
        let (taken, rest) = self.0.split_at_checked(count).unwrap_or_default();
        self.0 = rest;
        (taken.len() == count).then_some(taken)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// Big-endian.
    pub(super) fn number(&mut self, bytes: usize) -> Option<usize> {
        let taken = self.take(bytes)?.iter();
        Some(taken.fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    /// What a length of so many bytes announces.
    pub(super) fn prefixed(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let length = self.number(bytes)?;
        self.take(length)
    }

    /// These and no more, as far as they have come.
    pub(super) fn up_to(self, count: usize) -> Self {
        Self(self.0.get(..count).unwrap_or(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_and_a_cut_one_is_none() {
        let whole = b"\0\x0b\0\0\x08gate.exa";
        assert_eq!(server_name(whole), Some("gate.exa"));
        for end in 0..whole.len() {
            assert_eq!(server_name(&whole[..end]), None, "{end}");
        }
        let another_kind = b"\0\x0b\x01\0\x08gate.exa";
        assert_eq!(server_name(another_kind), None);
    }

    #[test]
    fn one_protocol_is_told_from_several_and_from_none() {
        assert!(is_only_protocol(b"\0\x0b\x0aacme-tls/1", b"acme-tls/1"));
        assert!(!is_only_protocol(b"\0\x0c\x02h2\x08http/1.1", b"h2"));
        for wrong in [&b""[..], b"\0", b"\0\0", b"\0\x09\x0aacme-tls/1"] {
            assert!(!is_only_protocol(wrong, b"acme-tls/1"), "{wrong:?}");
        }
    }
}
