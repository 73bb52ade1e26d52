//! The first bytes of a connection: is it TLS, what does the client offer, whom does it call.
//!
//! Decides whether TLS is spoken, and is else read beside OpenSSL, only to explain a failure.

use std::fmt;

use super::extension::{self, Bytes};

/// First byte of a TLS connection (RFC 8446, 5.1: a handshake record).
const RECORD: u8 = 0x16;
const CLIENT_HELLO: u8 = 1;
/// Of a DNS name (RFC 1035, 2.3.4).
const NAME_BYTES: usize = 253;
/// A method of HTTP is shorter.
const METHOD_BYTES: usize = 16;

/// What a connection began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greeting<'a> {
    /// Nothing came.
    None,
    /// Letters, as every request of HTTP begins.
    Http,
    /// Neither.
    Garbage,
    /// Begins like TLS, and no hello follows.
    NoHello,
    /// As far as it had come.
    Tls(Hello<'a>),
}

/// Of a ClientHello; what had not come is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hello<'a> {
    /// The newest version that is offered.
    pub offered: Option<TlsVersion>,
    /// The server's name as the client calls it, where it has the syntax of one.
    pub server_name: Option<&'a str>,
    /// It comes in the format of SSL 2, as clients of the nineties also sent it for what came after
    /// SSL 2 (RFC 5246, E.2). There are no extensions in it.
    pub in_ssl2_format: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    Ssl2,
    Ssl3,
    Tls10,
    Tls11,
    Tls12,
    Tls13,
}

impl TlsVersion {
    /// Of its number on the wire; newer and invented ones (RFC 8701) are none.
    #[must_use]
    pub fn of(number: u16) -> Option<Self> {
        match number {
            0x0002 => Some(Self::Ssl2),
            0x0300 => Some(Self::Ssl3),
            0x0301 => Some(Self::Tls10),
            0x0302 => Some(Self::Tls11),
            0x0303 => Some(Self::Tls12),
            0x0304 => Some(Self::Tls13),
            _ => None,
        }
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ssl2 => "SSL 2.0",
            Self::Ssl3 => "SSL 3.0",
            Self::Tls10 => "TLS 1.0",
            Self::Tls11 => "TLS 1.1",
            Self::Tls12 => "TLS 1.2",
            Self::Tls13 => "TLS 1.3",
        }
    }
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<'a> Greeting<'a> {
    /// Of what has arrived so far.
    #[must_use]
    pub fn of(bytes: &'a [u8]) -> Self {
        match bytes {
            [] => Self::None,
            [RECORD, rest @ ..] => Hello::of(rest).map_or(Self::NoHello, Self::Tls),
            // A length in two bytes, of which the first bit says that nothing pads it.
            [0x80..=0xff, rest @ ..] => Hello::of_ssl2(rest).map_or(Self::Garbage, Self::Tls),
            _ if is_method(bytes) => Self::Http,
            _ => Self::Garbage,
        }
    }

    /// Whether it is OpenSSL's to answer.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_) | Self::NoHello)
    }

    #[must_use]
    pub fn hello(&self) -> Hello<'a> {
        match self {
            Self::Tls(hello) => *hello,
            Self::None | Self::Http | Self::Garbage | Self::NoHello => Hello::default(),
        }
    }
}

/// Whether `bytes` begin as the first line of a request does.
fn is_method(bytes: &[u8]) -> bool {
    let letters = bytes.iter().take_while(|byte| byte.is_ascii_alphabetic());
    let letters = letters.count();
    let next = bytes.get(letters);
    (1..METHOD_BYTES).contains(&letters) && next.is_none_or(|next| *next == b' ')
}

impl<'a> Hello<'a> {
    /// Of what follows the first byte; `None`: it is no ClientHello.
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let mut hello = Self::default();
        let mut rest = Bytes(bytes);
        match (rest.byte(), rest.byte(), rest.number(2)) {
            (None, ..) => return Some(hello),
            (Some(3), _, None) => {}
            // A hello may go on in the next record: that one's head is no part of it.
            (Some(3), _, Some(length @ 1..)) => rest = rest.up_to(length),
            _ => return None,
        }
        match (rest.byte(), rest.number(3)) {
            (None | Some(CLIENT_HELLO), _) => {}
            _ => return None,
        }
        let Some(legacy) = rest.number(2) else {
            return Some(hello);
        };
        if legacy >> 8 != 3 {
            return None;
        }
        hello.offered = newest_by(legacy);
        hello.read_extensions(rest);
        Some(hello)
    }

    /// The same for one in the format of SSL 2. What has this first byte and may yet become one is
    /// OpenSSL's too.
    fn of_ssl2(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = Bytes(bytes);
        rest.byte(); // of the length
        match rest.byte() {
            None => return Some(Self::default()),
            Some(CLIENT_HELLO) => {}
            Some(_) => return None,
        }
        let mut hello = Self {
            in_ssl2_format: true,
            ..Self::default()
        };
        if let Some(version) = rest.number(2) {
            // SSL 2 wrote its own number the other way round.
            if version != 2 && version >> 8 != 3 {
                return None;
            }
            hello.offered = newest_by(version);
        }
        Some(hello)
    }

    /// What can be read of what came; `None`: the end was reached.
    fn read_extensions(&mut self, mut rest: Bytes<'a>) -> Option<()> {
        rest.take(32)?;
        rest.prefixed(1)?;
        rest.prefixed(2)?;
        rest.prefixed(1)?;
        rest.number(2)?;
        loop {
            let kind = rest.number(2)?;
            let body = rest.prefixed(2)?;
            match u16::try_from(kind) {
                Ok(extension::SERVER_NAME) => {
                    let name = extension::server_name(body);
                    self.server_name = name.filter(|name| is_host(name));
                }
                Ok(extension::SUPPORTED_VERSIONS) => {
                    self.offered = extension::newest_version(body).or(self.offered);
                }
                _ => {}
            }
        }
    }
}

/// By the one version of a hello: before TLS 1.3 it was the newest; since then it stays at 1.2.
fn newest_by(version: usize) -> Option<TlsVersion> {
    let version = u16::try_from(version).ok()?;
    TlsVersion::of(version.min(0x0303))
}

/// What may stand in a log and in a message: letters, digits, `-`, `_`, `.`.
#[must_use]
pub fn is_host(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=NAME_BYTES).contains(&name.len()) && name.bytes().all(legal)
}
