//! The whole file. The comments of the fields are the administrator's: they stand in the JSON
//! schema and in `REFERENCE.md`.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
};

use backend_types::TlsProfile;
use log_files::Log;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Language,
    database::{DatabaseConfig, folders},
    values::{self, Net, Upstream},
};

/// Configuration of Smarts Gateway. Relative paths are relative to the working directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Language of messages, where a client does not ask for another.
    #[serde(default)]
    #[schemars(schema_with = "values::language")]
    pub language: Language,
    /// Data folder: lists, secrets, certificates, cache, log. `--data` takes precedence.
    #[serde(default = "default_data")]
    #[schemars(length(min = 1))]
    pub data: PathBuf,
    /// Address on which all public ports listen; `::` is every address, IPv4 and IPv6.
    #[serde(default = "default_listen")]
    #[schemars(schema_with = "values::ip_address")]
    pub listen: IpAddr,
    /// The log.
    #[serde(default)]
    pub log: Log,
    /// Where health and metrics are served: a loopback address with a port, or `off`.
    #[serde(default)]
    pub metrics: Metrics,
    /// Proxies whose PROXY protocol and `X-Forwarded-For` are believed: addresses and networks.
    #[serde(default)]
    pub trusted_proxies: Vec<Net>,
    /// The one port that serves every database, the database id first in the path.
    #[serde(default)]
    pub server: ServerPort,
    /// Default certificate; absent: the one in the data folder.
    #[serde(default)]
    pub certificate: Option<CertificatePair>,
    /// Page for terminals with the certificate to trust, instructions, QR codes and a self-test,
    /// over plain HTTP on a port of its own, or `off`. It names databases to everyone whom their
    /// lists admit: open it while terminals are set up.
    #[serde(default)]
    pub certificate_page: CertificatePage,
    /// The shared service account, sent upstream where a database says `account: shared`.
    #[serde(default)]
    pub account: SharedAccount,
    /// Connections per client address; whitelisted addresses are exempt.
    #[serde(default)]
    pub limits: Limits,
    /// Our backend: `embedded` in this process, or another host's. Absent: only `databases`.
    #[serde(default)]
    pub backend: Option<Backend>,
    /// Databases in front of existing servers.
    #[serde(default)]
    pub databases: Vec<DatabaseConfig>,
}

pub(crate) fn default_data() -> PathBuf {
    "./data".into()
}

pub(crate) fn default_listen() -> IpAddr {
    Ipv6Addr::UNSPECIFIED.into()
}

impl Config {
    /// For comparing what two files say, wherever they say it.
    pub(crate) fn without_lines(&self) -> Self {
        let mut config = self.clone();
        for database in &mut config.databases {
            database.line = 0;
        }
        config
    }

    /// Gives each database without `folder` its default one; after this none is empty.
    pub(crate) fn settle_folders(&mut self) {
        let known: Vec<(&str, Option<&Path>)> = self
            .databases
            .iter()
            .map(|database| {
                let folder = database.folder.as_path();
                let named = !folder.as_os_str().is_empty();
                (database.name.as_str(), named.then_some(folder))
            })
            .collect();
        let settled = folders(&self.data, &known);
        for (database, folder) in self.databases.iter_mut().zip(settled) {
            database.folder = folder;
        }
    }
}

/// Health and metrics; never public.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Metrics {
    Off,
    #[serde(untagged)]
    At(#[schemars(schema_with = "values::socket_address")] SocketAddr),
}

impl Metrics {
    #[must_use]
    pub fn address(self) -> Option<SocketAddr> {
        match self {
            Self::Off => None,
            Self::At(address) => Some(address),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::At((Ipv4Addr::LOCALHOST, 10509).into())
    }
}

/// The server port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerPort {
    /// Takes effect when the server starts; 0 lets the system choose.
    pub port: u16,
    /// Takes effect when the server starts. `false`: plain HTTP; databases with `https: true` answer 403 on it.
    pub https: bool,
    /// Absent: the default certificate.
    pub certificate: Option<CertificatePair>,
    /// Which clients its TLS is for, as with a database.
    #[schemars(schema_with = "values::tls_profile")]
    pub tls: TlsProfile,
}

impl Default for ServerPort {
    fn default() -> Self {
        Self {
            port: 10501,
            https: true,
            certificate: None,
            tls: TlsProfile::default(),
        }
    }
}

/// The page by which a terminal gets to trust the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum CertificatePage {
    #[default]
    Off,
    #[serde(untagged)]
    On(PagePort),
}

impl CertificatePage {
    #[must_use]
    pub fn port(self) -> Option<u16> {
        match self {
            Self::Off => None,
            Self::On(PagePort { port }) => Some(port),
        }
    }
}

/// Where the page is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct PagePort {
    /// 0 lets the system choose.
    pub port: u16,
}

/// PEM files.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct CertificatePair {
    /// The certificate, then its intermediates.
    #[schemars(length(min = 1))]
    pub chain: PathBuf,
    /// The private key; readable by its owner alone (0600), or root's and readable by a group (0640).
    #[schemars(length(min = 1))]
    pub key: PathBuf,
}

/// Name and password that the gateway sends upstream as Basic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct ServiceAccount {
    /// Login name at the upstream.
    #[schemars(length(min = 1))]
    pub name: String,
    /// File with the password in one line of UTF-8; readable by its owner alone (0600), or root's and
    /// readable by a group (0640). A change of it takes effect within a second.
    #[schemars(length(min = 1))]
    pub password_file: PathBuf,
}

/// The account that several databases may share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum SharedAccount {
    #[default]
    None,
    #[serde(untagged)]
    Own(ServiceAccount),
}

/// Limits per client address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections open at once.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub connections_per_address: u32,
    /// New connections a second, on average.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub new_per_second: u32,
    /// New connections at once, above the average.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub burst: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_per_address: 512,
            new_per_second: 100,
            burst: 400,
        }
    }
}

/// Where our backend is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Backend {
    Embedded,
    #[serde(untagged)]
    Remote(RemoteBackend),
}

/// A backend on another host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct RemoteBackend {
    /// Its address, `http://host:port`.
    pub url: Upstream,
    /// File with the shared key; readable by its owner alone (0600), or root's and readable by a
    /// group (0640).
    #[schemars(length(min = 1))]
    pub key_file: PathBuf,
}
