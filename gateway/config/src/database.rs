//! A database in front of an existing server, its rights and its users.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use backend_types::{ClientCertificates, DatabaseId, Mode, Role, TlsProfile};
use gateway_policy::rights;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    config::{CertificatePair, ServiceAccount},
    values::{self, BlindIndex, PasswordHash, Upstream, UrlPath},
};

/// One database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// Where its entry begins in the file, from 1.
    #[serde(skip)]
    #[schemars(skip)]
    pub line: usize,
    /// Its code, the first path segment on the server port.
    #[schemars(schema_with = "values::database_id")]
    pub id: DatabaseId,
    /// Its name for people.
    #[schemars(length(min = 1, max = 120))]
    pub name: String,
    /// Folder with `Server/whitelist.dat` and `Server/blacklist.dat`; absent: `databases/NAME`
    /// in the data folder.
    #[serde(default, skip_serializing_if = "is_empty")]
    #[schemars(length(min = 1))]
    pub folder: PathBuf,
    /// A note for people.
    #[serde(default)]
    pub comment: String,
    /// Mode of work. Only `server` opens ports.
    #[serde(default)]
    #[schemars(schema_with = "values::mode")]
    pub mode: Mode,
    /// `false`: plain HTTP.
    #[serde(default = "yes")]
    pub https: bool,
    /// Absent: the default certificate.
    #[serde(default)]
    pub certificate: Option<CertificatePair>,
    /// Which clients its ports' TLS is for: `modern` (1.3 alone), `intermediate` (1.2 and 1.3),
    /// `old` (also 1.0 and 1.1, for whitelisted addresses), `old-for-everyone`.
    #[serde(default)]
    #[schemars(schema_with = "values::tls_profile")]
    pub tls: TlsProfile,
    /// Whether a client has to show a certificate that `gateway cert device` has made: `off`,
    /// `optional`, `required`.
    #[serde(default)]
    #[schemars(schema_with = "values::client_certificates")]
    pub client_certificates: ClientCertificates,
    /// Who judges a login: `gateway` by the users below, `upstream` the existing server, counted
    /// by us; `none`: nobody is asked.
    #[serde(default)]
    pub authentication: Authentication,
    /// Whether a barcode, or a password without a name, is a login.
    #[serde(default)]
    pub barcode_login: bool,
    /// What each role may do: `smarts` (the table of the README), `pass` (everything), or a list
    /// of rules; what no rule allows is refused.
    pub rights: Rights,
    /// Whether the existing server is told user, role and address in `X-Smarts-…` headers.
    #[serde(default)]
    pub identity_headers: bool,
    /// Data server port; 0 lets the system choose.
    pub port: u16,
    /// The existing server, `http://host:port`.
    pub upstream: Upstream,
    /// The print server; absent: none.
    #[serde(default)]
    pub print: Option<PrintConfig>,
    /// Service account sent upstream as Basic: `none`, `shared` (the one at the top), or its own.
    #[serde(default)]
    pub account: Account,
    /// Whether answers with goods, tables and reference lists are compressed for clients that
    /// accept gzip.
    #[serde(default)]
    pub compress: bool,
    /// With `authentication: upstream`: paths on which a 401 or 403 is a failed login.
    #[serde(default)]
    pub login_paths: Vec<UrlPath>,
    /// With `authentication: gateway`: who may log in.
    #[serde(default)]
    pub users: Vec<UserConfig>,
}

fn yes() -> bool {
    true
}

fn is_empty(path: &Path) -> bool {
    path.as_os_str().is_empty()
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Authentication {
    #[default]
    Gateway,
    Upstream,
    None,
}

/// What roles may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Rights {
    Smarts,
    Pass,
    #[serde(untagged)]
    Rules(Vec<RightsRule>),
}

impl From<&Rights> for rights::Rights {
    fn from(written: &Rights) -> Self {
        match written {
            Rights::Smarts => Self::Smarts,
            Rights::Pass => Self::Pass,
            Rights::Rules(rules) => Self::Rules(rules.iter().map(Into::into).collect()),
        }
    }
}

/// One thing that a role may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct RightsRule {
    /// Whom the rule is for.
    #[schemars(schema_with = "values::role")]
    pub role: Role,
    /// HTTP methods; `GET` and `HEAD` are two.
    #[schemars(length(min = 1))]
    pub methods: Vec<Method>,
    /// How the path begins, as text (not percent-encoded); ends where a segment ends.
    pub path_prefix: UrlPath,
}

impl From<&RightsRule> for rights::Rule {
    fn from(written: &RightsRule) -> Self {
        let methods = written.methods.iter();
        Self {
            role: written.role,
            methods: methods.map(|method| method.as_str().to_owned()).collect(),
            path_prefix: written.path_prefix.as_str().to_owned(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(inline)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Merge,
    Delete,
    Options,
}

impl Method {
    /// As written, and as in a request line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Merge => "MERGE",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }
}

/// The print server of a database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct PrintConfig {
    /// Print server port; 0 lets the system choose.
    pub port: u16,
    /// The existing print server, `http://host:port`.
    pub upstream: Upstream,
    /// `same` as the database, or `pass`: nobody is asked.
    #[serde(default)]
    pub authentication: PrintAuthentication,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum PrintAuthentication {
    #[default]
    Same,
    Pass,
}

/// The service account of a database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Account {
    #[default]
    None,
    Shared,
    #[serde(untagged)]
    Own(ServiceAccount),
}

/// A user. Hashes come from `gateway hash`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserConfig {
    /// Unique in the database; a login name too.
    #[schemars(length(min = 1))]
    pub id: String,
    /// Login name: unique in the database, in any letter case.
    #[schemars(length(min = 1))]
    pub name: String,
    /// What the user may do.
    #[schemars(schema_with = "values::role")]
    pub role: Role,
    /// Argon2id hash of the password.
    pub password: PasswordHash,
    /// Blind index of the password; absent: no login by password alone.
    #[serde(default)]
    pub index: Option<BlindIndex>,
    /// Argon2id hash of the barcode.
    #[serde(default)]
    pub barcode: Option<PasswordHash>,
    /// Blind index of the barcode; absent: no login by barcode.
    #[serde(default)]
    pub barcode_index: Option<BlindIndex>,
}

/// The name of a database's default folder: its own without `<>:"/\|?*`, control characters and
/// leading dots, with ` (2)`, ` (3)`, … while that is taken.
pub fn folder_name(name: &str, taken: impl Fn(&str) -> bool) -> String {
    let legal = |c: &char| !c.is_control() && !"<>:\"/\\|?*".contains(*c);
    let cleaned: String = name.chars().filter(legal).collect();
    let cleaned = cleaned.trim_start_matches(['.', ' ']).trim_end();
    let base = if cleaned.is_empty() {
        "database"
    } else {
        cleaned
    };
    if !taken(base) {
        return base.to_owned();
    }
    (2_u64..)
        .map(|copy| format!("{base} ({copy})"))
        .find(|candidate| !taken(candidate))
        .unwrap_or_default()
}

/// The folder of each database, given its name and, where the file says one, its `folder`.
pub(crate) fn folders(data: &Path, databases: &[(&str, Option<&Path>)]) -> Vec<PathBuf> {
    let mut taken: HashSet<PathBuf> = databases
        .iter()
        .filter_map(|(_, folder)| folder.map(Path::to_owned))
        .collect();
    let mut settle = |(name, folder): &(&str, Option<&Path>)| match folder {
        Some(folder) => folder.to_path_buf(),
        None => {
            let parent = data.join("databases");
            let path = parent.join(folder_name(name, |name| taken.contains(&parent.join(name))));
            taken.insert(path.clone());
            path
        }
    };
    databases.iter().map(&mut settle).collect()
}
