//! Single values of the file: how a text becomes one, and how the schema names it.
//!
//! [`FORMATS`] binds the schema's `format` to the parser that serde uses too, so what the check
//! of the tree lets pass is what the types accept.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use backend_types::DatabaseId;
use gateway_policy::password::{StoredFault, check_stored};
use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::Cause;

type Check = fn(&str) -> Result<(), Cause>;

/// A `format` of the schema.
pub(crate) struct Format {
    pub(crate) name: &'static str,
    /// How it looks, in no language.
    pub(crate) looks: &'static str,
    pub(crate) check: Check,
}

const fn format(name: &'static str, looks: &'static str, check: Check) -> Format {
    Format { name, looks, check }
}

pub(crate) const FORMATS: [Format; 8] = [
    format("ip-address", "IP", |text| parse_ip(text).map(drop)),
    format("socket-address", "IP:port", |text| {
        parse_socket(text).map(drop)
    }),
    format("network", "IP/bits", |text| text.parse::<Net>().map(drop)),
    format("http-url", "http://host:port", |text| {
        text.parse::<Upstream>().map(drop)
    }),
    format("url-path", "/…", |text| text.parse::<UrlPath>().map(drop)),
    format("database-id", "a-z 0-9 - _ .", |text| {
        parse_id(text).map(drop)
    }),
    format("argon2id", "$argon2id$…", |text| {
        text.parse::<PasswordHash>().map(drop)
    }),
    format("blind-index", "64 × 0-9a-f", |text| {
        text.parse::<BlindIndex>().map(drop)
    }),
];

impl Format {
    /// The format of a schema.
    pub(crate) fn of(schema: &serde_json::Value) -> Option<&'static Self> {
        let named = schema.get("format")?.as_str()?;
        FORMATS.iter().find(|format| format.name == named)
    }
}

fn text(format: &str) -> Schema {
    json_schema!({"type": "string", "format": format})
}

pub(crate) fn ip_address(_: &mut SchemaGenerator) -> Schema {
    text("ip-address")
}

pub(crate) fn socket_address(_: &mut SchemaGenerator) -> Schema {
    text("socket-address")
}

pub(crate) fn database_id(_: &mut SchemaGenerator) -> Schema {
    text("database-id")
}

pub(crate) fn language(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "enum": ["ru", "en"]})
}

pub(crate) fn mode(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "enum": ["server", "folder", "device"]})
}

pub(crate) fn role(_: &mut SchemaGenerator) -> Schema {
    let roles = backend_types::Role::ALL.map(backend_types::Role::as_str);
    json_schema!({"type": "string", "enum": roles})
}

fn parse_ip(text: &str) -> Result<IpAddr, Cause> {
    text.parse().map_err(
        |_not_an_address: std::net::AddrParseError| Cause::NotAnAddress { text: text.into() },
    )
}

fn parse_socket(text: &str) -> Result<SocketAddr, Cause> {
    let none = |_: std::net::AddrParseError| Cause::NotASocketAddress { text: text.into() };
    text.parse().map_err(none)
}

fn parse_id(text: &str) -> Result<DatabaseId, Cause> {
    let none = |_: backend_types::NotADatabaseId| Cause::NotADatabaseId { text: text.into() };
    text.parse().map_err(none)
}

/// Serde and the schema of a value that is written as one text.
macro_rules! as_text {
    ($name:ident, $format:literal) => {
        impl TryFrom<String> for $name {
            type Error = Cause;

            fn try_from(text: String) -> Result<Self, Cause> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $format.into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                text($format)
            }
        }
    };
}

/// An address or a network; host bits are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Net(pub IpNet);

as_text!(Net, "network");

impl FromStr for Net {
    type Err = Cause;

    fn from_str(text: &str) -> Result<Self, Cause> {
        let net = match text.parse::<IpAddr>() {
            Ok(address) => Some(IpNet::from(address)),
            Err(_) => text.parse::<IpNet>().ok(),
        };
        net.map(|net| Self(net.trunc()))
            .ok_or_else(|| Cause::NotANetwork { text: text.into() })
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A server that answers plain HTTP: host and port, nothing behind them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Upstream {
    host: String,
    port: u16,
}

as_text!(Upstream, "http-url");

impl Upstream {
    /// A name, or an address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `host:port`, an IPv6 address in brackets.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for Upstream {
    type Err = Cause;

    fn from_str(text: &str) -> Result<Self, Cause> {
        let wrong = || Cause::NotAnUpstream { text: text.into() };
        let lower = text.to_ascii_lowercase();
        if lower.starts_with("https://") {
            return Err(Cause::UpstreamHttps { text: text.into() });
        }
        let rest = lower.strip_prefix("http://").ok_or_else(wrong)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or_else(wrong)?;
                host.parse::<std::net::Ipv6Addr>()
                    .map_err(|_no_address| wrong())?;
                (host, port)
            }
            None => match rest.split_once(':') {
                Some((host, _)) => (host, rest.get(host.len()..).unwrap_or_default()),
                None => (rest, ""),
            },
        };
        let port = match port.strip_prefix(':') {
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().map_err(|_no_port| wrong())?
            }
            Some(_) => return Err(wrong()),
            None if port.is_empty() => 80,
            None => return Err(wrong()),
        };
        let legal = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let is_address = host.contains(':');
        if host.is_empty() || port == 0 || !(is_address || host.chars().all(legal)) {
            return Err(wrong());
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority())
    }
}

/// A path, or the beginning of one, as text: it is compared with decoded paths, so an escape in it
/// would never match.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UrlPath(String);

as_text!(UrlPath, "url-path");

impl UrlPath {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UrlPath {
    type Err = Cause;

    fn from_str(text: &str) -> Result<Self, Cause> {
        let legal = |c: char| !c.is_control() && !"%?#".contains(c);
        if text.starts_with('/') && text.chars().all(legal) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Cause::NotAPath { text: text.into() })
        }
    }
}

impl fmt::Display for UrlPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An Argon2id hash in PHC form, within the bounds of what we are willing to compute.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PasswordHash(String);

as_text!(PasswordHash, "argon2id");

impl PasswordHash {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PasswordHash {
    type Err = Cause;

    fn from_str(text: &str) -> Result<Self, Cause> {
        match check_stored(text) {
            Ok(()) => Ok(Self(text.to_owned())),
            Err(StoredFault::TooDear) => Err(Cause::Argon2OutOfBounds {
                parameters: text.split('$').nth(3).unwrap_or_default().to_owned(),
            }),
            Err(StoredFault::NotPhc | StoredFault::NotArgon2id | StoredFault::Short) => {
                Err(Cause::NotAnArgon2Hash {})
            }
        }
    }
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// Blind index of a password or barcode: 64 hexadecimal digits, kept in lower case.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BlindIndex(String);

as_text!(BlindIndex, "blind-index");

impl BlindIndex {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BlindIndex {
    type Err = Cause;

    fn from_str(text: &str) -> Result<Self, Cause> {
        if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(Cause::NotABlindIndex {})
        }
    }
}

impl fmt::Display for BlindIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for BlindIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlindIndex(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_a_host_and_a_port_and_nothing_else() {
        for (text, authority) in [
            ("http://127.0.0.1:9000", "127.0.0.1:9000"),
            ("HTTP://Server-1.local:9000/", "server-1.local:9000"),
            ("http://host", "host:80"),
            ("http://[::1]", "[::1]:80"),
            ("http://[FE80::1]:9000/", "[fe80::1]:9000"),
        ] {
            let upstream: Upstream = text.parse().unwrap();
            assert_eq!(upstream.authority(), authority, "{text}");
            assert_eq!(upstream.to_string().parse(), Ok(upstream));
        }
        for text in [
            "",
            "host:9000",
            "http://",
            "http://:9000",
            "http://host:",
            "http://host:0",
            "http://host:+80",
            "http://host:65536",
            "http://host/path",
            "http://host//",
            "http://user@host",
            "http://host:80:80",
            "http://::1:80",
            "http://[::1",
            "http://[::1]80",
            "http://[host]:80",
            "http://host?x",
            "http://сервер",
            "ftp://host",
        ] {
            assert!(text.parse::<Upstream>().is_err(), "{text}");
        }
    }
}
