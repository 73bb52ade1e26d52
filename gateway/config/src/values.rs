//! Single values of the file: how a text becomes one, and how the schema names it.
//!
//! [`FORMATS`] binds the schema's `format` to the parser that serde uses too, so what the check
//! of the tree lets pass is what the types accept.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use backend_types::{ClientCertificates, DatabaseId, HttpServer, NotAnHttpServer, TlsProfile};
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

pub(crate) fn tls_profile(_: &mut SchemaGenerator) -> Schema {
    let profiles = TlsProfile::ALL.map(TlsProfile::as_str);
    json_schema!({"type": "string", "enum": profiles})
}

pub(crate) fn client_certificates(_: &mut SchemaGenerator) -> Schema {
    let settings = ClientCertificates::ALL.map(ClientCertificates::as_str);
    json_schema!({"type": "string", "enum": settings})
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
pub struct Upstream(HttpServer);

as_text!(Upstream, "http-url");

impl Upstream {
    #[must_use]
    pub fn server(&self) -> &HttpServer {
        &self.0
    }
}

impl FromStr for Upstream {
    type Err = Cause;

    fn from_str(text: &str) -> Result<Self, Cause> {
        let server = text.parse().map_err(|fault| match fault {
            NotAnHttpServer::Shape => Cause::NotAnUpstream { text: text.into() },
            NotAnHttpServer::Https => Cause::UpstreamHttps { text: text.into() },
        });
        server.map(Self)
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
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
