//! What the gateway and the backend say to each other: ids, roles, the directory.
//!
//! The directory is the one snapshot from which the gateway knows databases, ports and login
//! material. The backend serves it by revision:
//!
//! - `GET /directory?after={revision}&wait={seconds}`: 200 with a [`Directory`] as soon as its
//!   revision is greater than `after`, 204 when `wait` (at most 60) passed without a change;
//! - `POST /directory` with [`Changes`]: all of them in one transaction, or none. 200 with
//!   [`Changed`] (the new [`Directory`] and the passwords made for added databases), 409 when a port or an id is taken or the revision moved on, 400 when a
//!   change makes no sense; the body of a refusal has `error.code` and `error.message`.
//!
//! Nothing here opens a socket or a file. Over TCP both need the shared key ([`header::KEY`]).

mod http_server;
mod language;
mod secret_file;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

pub use http_server::{HttpServer, NotAnHttpServer};
pub use language::Language;
pub use secret_file::is_private;

/// Names of the headers by which the gateway tells the backend who asks.
pub mod header {
    /// The database id.
    pub const DATABASE: &str = "x-smarts-database";
    /// The user's id, percent-encoded UTF-8.
    pub const USER: &str = "x-smarts-user";
    /// `mobile-user`, `external-connection` or `administrator`.
    pub const ROLE: &str = "x-smarts-role";
    /// The client's address.
    pub const CLIENT: &str = "x-smarts-client";
    /// The shared key; only over TCP.
    pub const KEY: &str = "x-smarts-key";
    /// One id for a request in both logs.
    pub const REQUEST_ID: &str = "x-request-id";
    /// Answers a change that was made and deserves a second thought; its value is an error code.
    pub const WARNING: &str = "x-smarts-warning";
}

/// A database's code: lower-case, 1 to 64 of `a-z 0-9 - _ .`; a GUID unless somebody chose otherwise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DatabaseId(String);

/// The text is no database id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("\"{0}\" is not a database id: 1 to 64 of a-z 0-9 - _ . are allowed")]
pub struct NotADatabaseId(pub String);

impl DatabaseId {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DatabaseId {
    type Err = NotADatabaseId;

    /// Letter case is folded: clients send GUIDs in either.
    fn from_str(text: &str) -> Result<Self, NotADatabaseId> {
        let id = text.to_ascii_lowercase();
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
        let named = id.chars().any(|c| c != '.');
        if (1..=64).contains(&id.len()) && named && id.chars().all(legal) {
            Ok(Self(id))
        } else {
            Err(NotADatabaseId(text.to_owned()))
        }
    }
}

impl TryFrom<String> for DatabaseId {
    type Error = NotADatabaseId;

    fn try_from(text: String) -> Result<Self, NotADatabaseId> {
        text.parse()
    }
}

impl From<DatabaseId> for String {
    fn from(id: DatabaseId) -> Self {
        id.0
    }
}

impl fmt::Display for DatabaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a user may do, by his group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    MobileUser,
    ExternalConnection,
    Administrator,
}

impl Role {
    pub const ALL: [Self; 3] = [
        Self::MobileUser,
        Self::ExternalConnection,
        Self::Administrator,
    ];

    /// As in [`header::ROLE`] and in YAML.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MobileUser => "mobile-user",
            Self::ExternalConnection => "external-connection",
            Self::Administrator => "administrator",
        }
    }
}

/// The text names no role.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("\"{0}\" is not a role: mobile-user, external-connection or administrator")]
pub struct NotARole(pub String);

impl FromStr for Role {
    type Err = NotARole;

    fn from_str(text: &str) -> Result<Self, NotARole> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| NotARole(text.to_owned()))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Mode of work («Режим работы»). Only [`Mode::Server`] opens ports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    #[default]
    Server,
    Folder,
    Device,
}

/// Which clients a port's TLS is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsProfile {
    /// TLS 1.3 alone.
    Modern,
    /// TLS 1.2 and 1.3: all that is not older than Android 5.
    #[default]
    Intermediate,
    /// Also TLS 1.0 and 1.1 with AES-CBC, for whitelisted addresses: Windows CE. Everybody else
    /// gets [`Self::Intermediate`].
    Old,
    /// [`Self::Old`] for every address.
    OldForEveryone,
}

impl TlsProfile {
    pub const ALL: [Self; 4] = [
        Self::Modern,
        Self::Intermediate,
        Self::Old,
        Self::OldForEveryone,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Modern => "modern",
            Self::Intermediate => "intermediate",
            Self::Old => "old",
            Self::OldForEveryone => "old-for-everyone",
        }
    }
}

/// Whether a client has to show a certificate of its own, made by `gateway cert device`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientCertificates {
    #[default]
    Off,
    /// It may; one that is shown must be good.
    Optional,
    Required,
}

impl ClientCertificates {
    pub const ALL: [Self; 3] = [Self::Off, Self::Optional, Self::Required];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Optional => "optional",
            Self::Required => "required",
        }
    }
}

/// All databases of one backend with their login material, at one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directory {
    /// Grows with every change and is never used twice, also over restarts.
    pub revision: u64,
    pub databases: Vec<Database>,
}

/// One database as the gateway needs to know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    pub id: DatabaseId,
    #[serde(flatten)]
    pub settings: DatabaseSettings,
    /// 32 random bytes, hex: keys the blind indexes of this database's users.
    pub index_key: String,
    pub users: Vec<User>,
}

/// What the seed's database form holds («Редактирование настроек базы данных»).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseSettings {
    pub name: String,
    /// Name of the folder under the gateway's `databases/`, or an absolute path on its host.
    pub folder: String,
    #[serde(default)]
    pub comment: String,
    #[serde(default)]
    pub mode: Mode,
    pub https: bool,
    /// «Аутентификация по пользователю»: off means every request is served.
    pub authentication: bool,
    /// «Вход по штрихкоду».
    #[serde(default)]
    pub barcode_login: bool,
    /// Data server port; 0 lets the system choose.
    pub port: u16,
    #[serde(default)]
    pub print: PrintServer,
    #[serde(default)]
    pub account: Account,
    /// «Сжимать справочники и таблицы».
    #[serde(default)]
    pub compress: bool,
    /// «Делать бэкапы документов».
    #[serde(default = "yes")]
    pub backups: bool,
    #[serde(default)]
    pub tls: TlsProfile,
    #[serde(default)]
    pub client_certificates: ClientCertificates,
}

fn yes() -> bool {
    true
}

/// «Сервер печати используется», its port, and the service behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrintServer {
    #[serde(default)]
    pub used: bool,
    #[serde(default)]
    pub port: u16,
    /// The print service, an [`HttpServer`]; without one the port answers 503.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    #[serde(default)]
    pub authentication: PrintAuthentication,
}

/// Who is asked for a login at a print server port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrintAuthentication {
    /// The same as at the data server port.
    #[default]
    Same,
    /// Nobody: for services whose clients cannot log in.
    Pass,
}

/// «Учётная запись»: the service account sent to an existing server as Basic. Our backend needs
/// none: with it the account is stored and shown, nothing more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Account {
    #[default]
    None,
    /// «Общие параметры»: the one at the top of the gateway's configuration.
    Shared,
    Own {
        name: String,
        /// On the gateway's host; the password itself is nowhere in the directory.
        password_file: String,
    },
}

/// A user's login material: hashes only, never a password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub id: String,
    pub name: String,
    pub role: Role,
    /// Argon2id in PHC form; a user without one cannot log in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Blind index of the password: hex of HMAC-SHA-256 under `index_key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub barcode: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub barcode_index: Option<String>,
}

/// Several changes that come into force together or not at all (two databases may swap ports).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    /// When given, the change applies only to this revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    pub changes: Vec<Change>,
}

/// What came of [`Changes`]: the new directory, and who was made with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    #[serde(flatten)]
    pub directory: Directory,
    /// The administrators of added databases. Their passwords are said here and never again.
    #[serde(default)]
    pub made: Vec<MadeUser>,
}

/// A user made just now, with the secrets in clear that nobody can read afterwards.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeUser {
    pub database: DatabaseId,
    pub id: String,
    pub name: String,
    pub role: Role,
    pub password: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub barcode: Option<String>,
}

impl fmt::Debug for MadeUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MadeUser")
            .field("database", &self.database)
            .field("id", &self.id)
            .field("name", &self.name)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// One change of the directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// A database filled from the template: document types, three groups, one administrator.
    Add {
        id: DatabaseId,
        settings: DatabaseSettings,
    },
    /// Replaces the settings; fields that are absent stay.
    Set {
        id: DatabaseId,
        settings: SettingsPatch,
    },
    Remove {
        id: DatabaseId,
    },
}

/// [`DatabaseSettings`] with every field optional.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SettingsPatch {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub https: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authentication: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub barcode_login: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub print: Option<PrintPatch>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compress: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backups: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsProfile>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificates: Option<ClientCertificates>,
}

impl SettingsPatch {
    /// Takes over the fields that are given.
    pub fn apply(self, settings: &mut DatabaseSettings) {
        fn set<T>(field: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *field = value;
            }
        }
        set(&mut settings.name, self.name);
        set(&mut settings.folder, self.folder);
        set(&mut settings.comment, self.comment);
        set(&mut settings.mode, self.mode);
        set(&mut settings.https, self.https);
        set(&mut settings.authentication, self.authentication);
        set(&mut settings.barcode_login, self.barcode_login);
        set(&mut settings.port, self.port);
        let print = self.print.unwrap_or_default();
        set(&mut settings.print.used, print.used);
        set(&mut settings.print.port, print.port);
        set(&mut settings.print.authentication, print.authentication);
        if let Some(upstream) = print.upstream {
            settings.print.upstream = Some(upstream).filter(|url| !url.is_empty());
        }
        set(&mut settings.account, self.account);
        set(&mut settings.compress, self.compress);
        set(&mut settings.backups, self.backups);
        set(&mut settings.tls, self.tls);
        set(&mut settings.client_certificates, self.client_certificates);
    }
}

/// [`PrintServer`] with every field optional.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PrintPatch {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The empty text takes the service away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authentication: Option<PrintAuthentication>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_id_is_folded_and_cannot_leave_its_segment() {
        assert_eq!(
            "21E6D501-E8C1".parse::<DatabaseId>().unwrap().as_str(),
            "21e6d501-e8c1"
        );
        for text in ["", "..", "a/b", "a b", "а", &"a".repeat(65)] {
            assert!(text.parse::<DatabaseId>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_role_reads_back_as_it_is_written() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert!("root".parse::<Role>().is_err());
    }

    #[test]
    fn a_made_password_is_not_shown_by_debug() {
        let made = MadeUser {
            database: "a".parse().unwrap(),
            id: "1".to_owned(),
            name: "Иванов".to_owned(),
            role: Role::MobileUser,
            password: "Gh7rTz".to_owned(),
            barcode: Some("2000".to_owned()),
        };
        let shown = format!("{made:?}");
        assert!(shown.contains("Иванов"), "{shown}");
        assert!(
            !shown.contains("Gh7rTz") && !shown.contains("2000"),
            "{shown}"
        );
    }

    #[test]
    fn settings_of_before_there_were_profiles_are_those_of_the_default() {
        let old = r#"{"name":"A","folder":"A","https":true,"authentication":true,"port":9706}"#;
        let mut settings: DatabaseSettings = serde_json::from_str(old).unwrap();
        assert_eq!(settings.tls, TlsProfile::Intermediate);
        assert_eq!(settings.client_certificates, ClientCertificates::Off);
        let patch = r#"{"tls":"old-for-everyone","client_certificates":"required"}"#;
        let patch: SettingsPatch = serde_json::from_str(patch).unwrap();
        patch.apply(&mut settings);
        assert_eq!(settings.tls, TlsProfile::OldForEveryone);
        assert_eq!(settings.client_certificates, ClientCertificates::Required);
    }

    #[test]
    fn a_swap_of_two_ports_is_one_body() {
        let set = |id: &str, port| Change::Set {
            id: id.parse().unwrap(),
            settings: SettingsPatch {
                port: Some(port),
                ..SettingsPatch::default()
            },
        };
        let swap = Changes {
            revision: Some(3),
            changes: vec![set("a", 9707), set("b", 9706)],
        };
        let text = serde_json::to_string(&swap).unwrap();
        assert_eq!(serde_json::from_str::<Changes>(&text).unwrap(), swap);
        assert!(
            text.contains(r#"{"change":"set","id":"a","settings":{"port":9707}}"#),
            "{text}"
        );
    }
}
