//! The first bytes of a connection: is it TLS, what does the client offer, whom does it call.
//!
//! Read beside OpenSSL and only to explain a failure: OpenSSL refuses an old client before it has
//! read whom that client called. Nothing is decided by it but whether TLS is spoken at all.

use std::fmt;

/// First byte of every TLS connection (RFC 8446, 5.1: a handshake record).
const RECORD: u8 = 0x16;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const SUPPORTED_VERSIONS: u16 = 43;
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
    /// The hello of SSL 2, which clients of the nineties also sent for what came after it.
    Ssl2,
    /// Neither, or what begins like TLS and is none.
    Garbage,
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
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
            [RECORD, rest @ ..] => Hello::of(rest).map_or(Self::Garbage, Self::Tls),
            [first, _, CLIENT_HELLO, ..] if first & 0x80 != 0 => Self::Ssl2,
            _ if is_method(bytes) => Self::Http,
            _ => Self::Garbage,
        }
    }

    #[must_use]
    pub fn hello(&self) -> Hello<'a> {
        match self {
            Self::Tls(hello) => *hello,
            Self::Ssl2 => Hello {
                offered: Some(TlsVersion::Ssl3),
                server_name: None,
            },
            Self::None | Self::Http | Self::Garbage => Hello::default(),
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
            (Some(3), _, None | Some(1..)) => {}
            _ => return None,
        }
        match (rest.byte(), rest.number(3)) {
            (None | Some(CLIENT_HELLO), _) => {}
            _ => return None,
        }
        let Some(legacy) = rest.number(2) else {
            return Some(hello);
        };
        let legacy = u16::try_from(legacy).ok()?;
        if legacy >> 8 != 3 {
            return None;
        }
        // Before TLS 1.3 this was the newest; since then it stays at 1.2.
        hello.offered = TlsVersion::of(legacy.min(0x0303));
        hello.read_extensions(rest);
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
            let extension = rest.prefixed(2)?;
            match u16::try_from(kind) {
                Ok(SERVER_NAME) => self.server_name = server_name(extension),
                Ok(SUPPORTED_VERSIONS) => {
                    self.offered = newest(extension).or(self.offered);
                }
                _ => {}
            }
        }
    }
}

/// RFC 6066, 3: a list in which only a host name has ever stood.
fn server_name(extension: &[u8]) -> Option<&str> {
    let mut list = Bytes(Bytes(extension).prefixed(2)?);
    let is_host_name = list.byte()? == 0;
    let name = std::str::from_utf8(list.prefixed(2)?).ok()?;
    (is_host_name && is_host(name)).then_some(name)
}

/// What may stand in a log and in a message: letters, digits, `-`, `_`, `.`.
#[must_use]
pub fn is_host(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=NAME_BYTES).contains(&name.len()) && name.bytes().all(legal)
}

/// RFC 8446, 4.2.1.
fn newest(extension: &[u8]) -> Option<TlsVersion> {
    let mut list = Bytes(Bytes(extension).prefixed(1)?);
    let mut newest = None;
    while let Some(number) = list.number(2) {
        let version = u16::try_from(number).ok().and_then(TlsVersion::of);
        newest = newest.max(version);
    }
    newest
}

/// Bytes still to be read; whoever asks for more than there are gets none.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        // What is cut off in the middle is the end: nothing behind it is read as something else.
        let (taken, rest) = self.0.split_at_checked(count).unwrap_or_default();
        self.0 = rest;
        (taken.len() == count).then_some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// Big-endian.
    fn number(&mut self, bytes: usize) -> Option<usize> {
        let taken = self.take(bytes)?.iter();
        Some(taken.fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    /// What a length of so many bytes announces.
    fn prefixed(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let length = self.number(bytes)?;
        self.take(length)
    }
}
