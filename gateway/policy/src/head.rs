//! A raw request head is judged here, before any lenient parser can repair it (rule 8).
//!
//! What is judged is what is forwarded: [`Head::raw`] is the input itself, and where two readers
//! could differ about it, it is refused and the connection closes. The grammar is RFC 9110 and
//! RFC 9112 with every tolerance taken out but one: a single empty line before the request line
//! (RFC 9112, 2.2) is skipped. Decided beyond the RFCs:
//!
//! - absolute-form targets are refused: clients send them to forward proxies only, and the
//!   upstream is chosen by the listener (T27); `CONNECT` and `*` outside `OPTIONS` too;
//! - the bytes `"`, `<`, `>` and `` ` `` in a target are refused: the forwarding parser would
//!   refuse or rewrite them;
//! - an `Upgrade` that is not a complete WebSocket handshake is refused: the forwarder takes any
//!   `Upgrade` field for a tunnel (T7);
//! - `Connection` naming `Host`, a framing field or `X-Forwarded-For`, `-Host`, `-Proto`, or more
//!   than nine options, is refused: stripped on the way, the body would end elsewhere, and the
//!   forwarder would break off without a word (T5, T6); `Host`, `Content-Length` and `Transfer-Encoding` spelled with `_` or
//!   `.` are refused as well;
//! - a repeated `Authorization` is refused: two readers could pick different ones.
//!
//! Not here: what the path means (`route`), which headers go (`identity`), the deadline.

mod fields;

use fields::Fields;

/// The longest head, from the request line's first byte to the blank line's last.
pub const MAX_HEAD_BYTES: usize = 32 * 1024;
pub const MAX_REQUEST_LINE_BYTES: usize = 16 * 1024;
pub const MAX_HEADERS: usize = 100;

/// A head that every reader reads alike, borrowed from the bytes it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head<'a> {
    raw: &'a [u8],
    method: &'a str,
    target: &'a str,
    version: Version,
    headers: Vec<Header<'a>>,
    fields: Fields<'a>,
}

/// One header line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// A token as the client spelled it.
    pub name: &'a str,
    /// Without white space around it; visible ASCII, spaces, tabs and bytes from 0x80.
    pub value: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    Http10,
    Http11,
}

/// Where the body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    None,
    /// Bytes by `Content-Length`.
    Length(u64),
    Chunked,
}

/// Why a head is refused. The connection closes after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum HeadFault {
    #[error("the head is longer than {MAX_HEAD_BYTES} bytes")]
    HeadTooLong,
    #[error("the request line is longer than {MAX_REQUEST_LINE_BYTES} bytes")]
    RequestLineTooLong,
    #[error("there are more than {MAX_HEADERS} headers")]
    TooManyHeaders,
    #[error("a line does not end in CR LF")]
    LineBreak,
    #[error("the head does not end where its blank line is")]
    End,
    #[error("the request line is not method, target and version")]
    RequestLine,
    #[error("the version is neither HTTP/1.0 nor HTTP/1.1")]
    Version,
    #[error("the target has a byte that must be percent-encoded")]
    TargetByte,
    #[error("the target is not a path")]
    TargetForm,
    #[error("a header is folded over lines")]
    Folded,
    #[error("a header's name is missing, ambiguous or no token")]
    HeaderName,
    #[error("a header's value has a control character")]
    HeaderValue,
    #[error("Host is missing, repeated or not a host")]
    Host,
    #[error("Content-Length is repeated or not a number")]
    ContentLength,
    #[error("Transfer-Encoding is not exactly chunked, or the version is HTTP/1.0")]
    TransferEncoding,
    #[error("there are both Content-Length and Transfer-Encoding")]
    TwoFramings,
    #[error("Connection is malformed or names a header that must stay")]
    Connection,
    #[error("Upgrade is not a WebSocket handshake")]
    Upgrade,
    #[error("Authorization is repeated")]
    Authorization,
    #[error("Expect is not 100-continue")]
    Expect,
}

impl HeadFault {
    /// The status of the answer.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::RequestLineTooLong => 414,
            Self::HeadTooLong | Self::TooManyHeaders => 431,
            Self::Expect => 417,
            Self::LineBreak
            | Self::End
            | Self::RequestLine
            | Self::Version
            | Self::TargetByte
            | Self::TargetForm
            | Self::Folded
            | Self::HeaderName
            | Self::HeaderValue
            | Self::Host
            | Self::ContentLength
            | Self::TransferEncoding
            | Self::TwoFramings
            | Self::Connection
            | Self::Upgrade
            | Self::Authorization => 400,
        }
    }
}

/// Where the head in a growing buffer ends: its length with the blank line, or `None` while that
/// has not arrived. `searched` is the buffer's length at the last call, so no byte is looked at
/// twice.
///
/// Bare line feeds end a head here too: [`Head::parse`] then refuses it at once, instead of the
/// deadline after ten seconds.
///
/// # Errors
/// The limits, as soon as they are passed.
pub fn find_end(arrived: &[u8], searched: usize) -> Result<Option<usize>, HeadFault> {
    let from = searched.saturating_sub(3);
    let fresh = arrived.get(from..).unwrap_or_default();
    let mut line_feeds = fresh.iter().enumerate().filter(|&(_, &byte)| byte == b'\n');
    let end = line_feeds.find_map(|(at, _)| match fresh.get(at + 1..)? {
        [b'\n', ..] => Some(from + at + 2),
        [b'\r', b'\n', ..] => Some(from + at + 3),
        _ => None,
    });
    let head = end.and_then(|end| arrived.get(..end));
    check_limits(head.unwrap_or(arrived))?;
    Ok(end)
}

fn check_limits(head: &[u8]) -> Result<(), HeadFault> {
    let head = head.strip_prefix(b"\r\n").unwrap_or(head);
    if let Some(start) = head.get(..MAX_REQUEST_LINE_BYTES + 2)
        && !start.contains(&b'\n')
    {
        return Err(HeadFault::RequestLineTooLong);
    }
    if head.len() > MAX_HEAD_BYTES {
        return Err(HeadFault::HeadTooLong);
    }
    Ok(())
}

impl<'a> Head<'a> {
    /// Judges a whole head, from its first byte to the end that [`find_end`] gave.
    ///
    /// # Errors
    /// The first fault met.
    pub fn parse(head: &'a [u8]) -> Result<Self, HeadFault> {
        check_limits(head)?;
        let raw = head.strip_prefix(b"\r\n").unwrap_or(head);
        let mut lines = Lines(raw);
        let (method, target, version) = request_line(lines.next()?)?;
        let mut headers = Vec::new();
        loop {
            let line = lines.next()?;
            if line.is_empty() {
                break;
            }
            if headers.len() == MAX_HEADERS {
                return Err(HeadFault::TooManyHeaders);
            }
            headers.push(header(line)?);
        }
        if !lines.0.is_empty() {
            return Err(HeadFault::End);
        }
        Ok(Self {
            raw,
            method,
            target,
            version,
            fields: Fields::read(method, version, &headers)?,
            headers,
        })
    }

    /// The bytes that were judged and may be forwarded; a leading empty line is not among them.
    #[must_use]
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// A token, letter case as sent (methods are case-sensitive).
    #[must_use]
    pub fn method(&self) -> &'a str {
        self.method
    }

    /// `/path?query`, or `*` for `OPTIONS`.
    #[must_use]
    pub fn target(&self) -> &'a str {
        self.target
    }

    /// The target before the first `?`.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.target
            .split_once('?')
            .map_or(self.target, |(path, _)| path)
    }

    /// What follows the first `?`; secrets occur in it.
    #[must_use]
    pub fn query(&self) -> Option<&'a str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// All headers in the order sent.
    pub fn headers(&self) -> impl DoubleEndedIterator<Item = Header<'a>> {
        self.headers.iter().copied()
    }

    /// The values of every header of this name, in the order sent; letter case does not matter.
    pub fn values(&self, name: &str) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        self.headers()
            .filter(move |header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value)
    }

    /// The first value of this name. `Host`, `Authorization` and `Content-Length` occur once.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.values(name).next()
    }

    /// The value of `Host`: a name or address, perhaps with a port.
    #[must_use]
    pub fn host(&self) -> &'a str {
        self.fields.host
    }

    #[must_use]
    pub fn framing(&self) -> Framing {
        self.fields.framing
    }

    /// Whether the client wants the connection to stay.
    #[must_use]
    pub fn keep_alive(&self) -> bool {
        self.fields.keep_alive
    }

    /// Whether this is a complete WebSocket handshake; no other upgrade passes.
    #[must_use]
    pub fn upgrade_websocket(&self) -> bool {
        self.fields.upgrade_websocket
    }

    /// Whether the client waits for 100 before it sends the body; never on HTTP/1.0.
    #[must_use]
    pub fn expect_continue(&self) -> bool {
        self.fields.expect_continue
    }
}

/// Lines that end in CR LF and have neither byte inside.
struct Lines<'a>(&'a [u8]);

impl<'a> Lines<'a> {
    fn next(&mut self) -> Result<&'a [u8], HeadFault> {
        let mut parts = self.0.splitn(2, |&byte| byte == b'\n');
        let (Some(line), Some(rest)) = (parts.next(), parts.next()) else {
            return Err(HeadFault::End);
        };
        self.0 = rest;
        match line.strip_suffix(b"\r") {
            Some(line) if !line.contains(&b'\r') => Ok(line),
            Some(_) | None => Err(HeadFault::LineBreak),
        }
    }
}

fn request_line(line: &[u8]) -> Result<(&str, &str, Version), HeadFault> {
    let parts: Vec<&[u8]> = line.split(|&byte| byte == b' ').take(4).collect();
    let &[method, target, version] = parts.as_slice() else {
        return Err(HeadFault::RequestLine);
    };
    let method = token(method).ok_or(HeadFault::RequestLine)?;
    let version = match version {
        b"HTTP/1.1" => Version::Http11,
        b"HTTP/1.0" => Version::Http10,
        _ => return Err(HeadFault::Version),
    };
    let legal = |byte: &u8| byte.is_ascii_graphic() && !b"#\"<>`".contains(byte);
    if !target.iter().all(legal) {
        return Err(HeadFault::TargetByte);
    }
    let target = str::from_utf8(target).ok().ok_or(HeadFault::TargetByte)?;
    let form = target.starts_with('/') || (target == "*" && method == "OPTIONS");
    if form && !method.eq_ignore_ascii_case("CONNECT") {
        Ok((method, target, version))
    } else {
        Err(HeadFault::TargetForm)
    }
}

fn header(line: &[u8]) -> Result<Header<'_>, HeadFault> {
    if line.starts_with(b" ") || line.starts_with(b"\t") {
        return Err(HeadFault::Folded);
    }
    let mut parts = line.splitn(2, |&byte| byte == b':');
    let name = parts.next().and_then(token).ok_or(HeadFault::HeaderName)?;
    let value = trim(parts.next().ok_or(HeadFault::HeaderName)?);
    if fields::is_alias_of_framing(name) {
        return Err(HeadFault::HeaderName);
    }
    let legal = |&byte: &u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
    if !value.iter().all(legal) {
        return Err(HeadFault::HeaderValue);
    }
    Ok(Header { name, value })
}

/// RFC 9110, 5.6.2.
fn token(bytes: &[u8]) -> Option<&str> {
    let legal = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let legal = !bytes.is_empty() && bytes.iter().all(legal);
    legal.then(|| str::from_utf8(bytes).ok()).flatten()
}

/// Cuts spaces and tabs alone; `trim_ascii` would also take form feeds and hide them.
fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests;
