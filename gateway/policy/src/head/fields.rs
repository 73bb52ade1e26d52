//! What the headers that steer the connection say: host, framing, keep-alive, upgrade, expect.

use std::net::Ipv6Addr;

use super::{Framing, HeadFault, Header, Version, token, trim};

/// The meaning of the steering headers of one head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fields<'a> {
    pub(super) host: &'a str,
    pub(super) framing: Framing,
    pub(super) keep_alive: bool,
    pub(super) upgrade_websocket: bool,
    pub(super) expect_continue: bool,
}

/// Names that must reach the upstream untouched, or the two would read different requests.
const FRAMING: [&str; 3] = ["host", "content-length", "transfer-encoding"];

/// Named in `Connection` they would be taken off on the way; the forwarder breaks off instead.
const FORWARDED: [&str; 3] = ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];

/// The forwarder breaks off at more.
const MAX_CONNECTION_OPTIONS: usize = 9;

impl<'a> Fields<'a> {
    pub(super) fn read(
        method: &str,
        version: Version,
        headers: &[Header<'a>],
    ) -> Result<Self, HeadFault> {
        let framing = framing(version, headers)?;
        let connection = Connection::read(headers)?;
        let at_most_one = |name, fault| match one(headers, name) {
            Ok(value) => Ok(value),
            Err(Repeated) => Err(fault),
        };
        at_most_one("authorization", HeadFault::Authorization)?;
        let host = at_most_one("host", HeadFault::Host)?
            .and_then(host)
            .ok_or(HeadFault::Host)?;
        let upgrade_websocket = match at_most_one("upgrade", HeadFault::Upgrade)? {
            None => false,
            Some(protocol) => {
                let handshake = protocol.eq_ignore_ascii_case(b"websocket")
                    && connection.upgrade
                    && version == Version::Http11
                    && method == "GET"
                    && matches!(framing, Framing::None | Framing::Length(0));
                if !handshake {
                    return Err(HeadFault::Upgrade);
                }
                true
            }
        };
        let expect_continue = match at_most_one("expect", HeadFault::Expect)? {
            Some(value) if value.eq_ignore_ascii_case(b"100-continue") => {
                // RFC 9110, 10.1.1: an HTTP/1.0 client's expectation is ignored.
                version == Version::Http11
            }
            Some(_) => return Err(HeadFault::Expect),
            None => false,
        };
        Ok(Self {
            host,
            framing,
            keep_alive: !connection.close && (version == Version::Http11 || connection.keep_alive),
            upgrade_websocket,
            expect_continue,
        })
    }
}

/// Whether a name is that of a framing field only to a reader who folds `_` and `.` into `-`.
pub(super) fn is_alias_of_framing(name: &str) -> bool {
    let folded = |byte| {
        if byte == b'_' || byte == b'.' {
            b'-'
        } else {
            byte
        }
    };
    FRAMING.iter().any(|framing| {
        !name.eq_ignore_ascii_case(framing)
            && name
                .bytes()
                .map(|byte| folded(byte).to_ascii_lowercase())
                .eq(framing.bytes())
    })
}

/// The elements of a comma-separated list of tokens; empty ones are skipped (RFC 9110, 5.6.1),
/// `None` stands for one that is no token.
fn tokens(value: &[u8]) -> impl Iterator<Item = Option<&str>> {
    value
        .split(|&byte| byte == b',')
        .map(trim)
        .filter(|element| !element.is_empty())
        .map(token)
}

struct Repeated;

fn one<'a>(headers: &[Header<'a>], name: &str) -> Result<Option<&'a [u8]>, Repeated> {
    let mut values = headers
        .iter()
        .filter(|header| header.name.eq_ignore_ascii_case(name))
        .map(|header| header.value);
    match (values.next(), values.next()) {
        (first, None) => Ok(first),
        (_, Some(_)) => Err(Repeated),
    }
}

/// RFC 9112, 6.3, without any of its repairs.
fn framing(version: Version, headers: &[Header<'_>]) -> Result<Framing, HeadFault> {
    let Ok(encoding) = one(headers, "transfer-encoding") else {
        return Err(HeadFault::TransferEncoding);
    };
    let Ok(length) = one(headers, "content-length") else {
        return Err(HeadFault::ContentLength);
    };
    match (encoding, length) {
        (None, None) => Ok(Framing::None),
        (None, Some(digits)) => content_length(digits)
            .map(Framing::Length)
            .ok_or(HeadFault::ContentLength),
        (Some(coding), None) => {
            let chunked = coding.eq_ignore_ascii_case(b"chunked") && version == Version::Http11;
            chunked
                .then_some(Framing::Chunked)
                .ok_or(HeadFault::TransferEncoding)
        }
        (Some(_), Some(_)) => Err(HeadFault::TwoFramings),
    }
}

/// Digits alone; a leading zero is refused, for some readers count octal.
fn content_length(digits: &[u8]) -> Option<u64> {
    let plain =
        digits.iter().all(u8::is_ascii_digit) && (digits == b"0" || !digits.starts_with(b"0"));
    let text = str::from_utf8(digits).ok()?;
    plain.then(|| text.parse().ok()).flatten()
}

/// A name, an IPv4 address or an IPv6 address in brackets, and perhaps a port.
fn host(value: &[u8]) -> Option<&str> {
    let text = str::from_utf8(value).ok()?;
    let port_of = if let Some(rest) = text.strip_prefix('[') {
        let (ip, port) = rest.split_once(']')?;
        ip.parse::<Ipv6Addr>().ok()?;
        port
    } else {
        let end = text.find(':').unwrap_or(text.len());
        let (name, port) = text.split_at_checked(end)?;
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        (!name.is_empty() && name.bytes().all(legal)).then_some(port)?
    };
    let port = match port_of.strip_prefix(':') {
        None => port_of.is_empty(),
        Some(digits) => {
            digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok()
        }
    };
    port.then_some(text)
}

#[derive(Default)]
struct Connection {
    close: bool,
    keep_alive: bool,
    upgrade: bool,
}

impl Connection {
    fn read(headers: &[Header<'_>]) -> Result<Self, HeadFault> {
        let mut connection = Self::default();
        let lists = headers
            .iter()
            .filter(|header| header.name.eq_ignore_ascii_case("connection"));
        let options = lists.flat_map(|header| tokens(header.value));
        for (before, option) in options.enumerate() {
            if before == MAX_CONNECTION_OPTIONS {
                return Err(HeadFault::Connection);
            }
            let option = option.ok_or(HeadFault::Connection)?.to_ascii_lowercase();
            match option.as_str() {
                "close" => connection.close = true,
                "keep-alive" => connection.keep_alive = true,
                "upgrade" => connection.upgrade = true,
                name if FRAMING.contains(&name) || FORWARDED.contains(&name) => {
                    return Err(HeadFault::Connection);
                }
                _ => {}
            }
        }
        Ok(connection)
    }
}
