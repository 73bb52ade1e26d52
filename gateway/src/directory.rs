//! The directory: every database, its users and ports, as one snapshot that is swapped whole.
//!
//! Two fillers make it, the YAML file and the backend's feed; a database has one source. When the
//! backend is away, what it said last stays in force. Nothing here asks anybody anything.

use std::{collections::HashMap, fmt, path::PathBuf, sync::Arc};

use backend_types::{
    ClientCertificates, DatabaseId, Mode, PrintAuthentication, Role, TlsProfile, User,
};
use gateway_policy::{credentials::login_name, password::IndexKey, rights::Rights, session::Login};

use crate::{
    account::Account, backend_client::BackendAddress, certificates::Choice, compile::Sources,
    lists::ListFolder, server_address::ServerAddress,
};

/// Where a database is written down; only there can it be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The configuration file, with the line of its entry.
    Yaml(String),
    Backend,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Yaml(place) => f.write_str(place),
            Self::Backend => f.write_str("backend"),
        }
    }
}

/// Who judges a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Authentication {
    Gateway,
    /// The existing server; failures are counted here.
    Upstream,
    None,
}

/// The plain-HTTP server behind a database.
pub(crate) enum Upstream {
    /// Ours: the path gets `/{database id}` in front, identity headers tell who asks.
    Backend(BackendAddress),
    /// Any HTTP/1.1 server; the path goes as it came.
    Server(ServerAddress),
}

/// «Сервер печати» of a database.
pub(crate) struct Print {
    pub(crate) port: u16,
    /// `None`: no service is set, the port answers 503.
    pub(crate) upstream: Option<ServerAddress>,
    pub(crate) authentication: PrintAuthentication,
}

pub(crate) struct Database {
    pub(crate) id: DatabaseId,
    pub(crate) source: Source,
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) comment: String,
    pub(crate) mode: Mode,
    pub(crate) https: bool,
    pub(crate) certificate: Choice,
    pub(crate) tls: TlsProfile,
    pub(crate) client_certificates: ClientCertificates,
    pub(crate) authentication: Authentication,
    pub(crate) barcode_login: bool,
    pub(crate) rights: Rights,
    /// Whether existing servers are told who asks.
    pub(crate) identity_headers: bool,
    pub(crate) port: u16,
    pub(crate) upstream: Upstream,
    pub(crate) print: Option<Print>,
    pub(crate) account: Account,
    /// «Сжимать справочники и таблицы».
    pub(crate) compress: bool,
    /// «Делать бэкапы документов»; an existing server's are its own business.
    pub(crate) backups: Option<bool>,
    /// Paths of the existing server on which 401 and 403 are failed logins.
    pub(crate) login_paths: Vec<String>,
    pub(crate) users: Users,
    pub(crate) lists: Arc<ListFolder>,
}

impl Database {
    /// The role that a login has here now; `None`: it is good no more.
    pub(crate) fn role_of(&self, login: &Login) -> Option<Role> {
        let user = self.users.by_id(&login.user);
        login.role(self.barcode_login, user.map(|user| &**user))
    }
}

/// The users of one database, found by every way of naming one.
pub(crate) struct Users {
    /// Keys the blind indexes.
    pub(crate) index_key: IndexKey,
    by_id: HashMap<String, Arc<User>>,
    by_login: HashMap<String, Arc<User>>,
    by_index: HashMap<String, Arc<User>>,
}

impl Users {
    /// Login names are unique over names and ids (the source has checked it); where they are not
    /// after all, the id wins.
    pub(crate) fn new(index_key: [u8; 32], users: Vec<User>) -> Self {
        let mut all = Self {
            index_key: IndexKey::new(index_key),
            by_id: HashMap::new(),
            by_login: HashMap::new(),
            by_index: HashMap::new(),
        };
        let users: Vec<Arc<User>> = users.into_iter().map(Arc::new).collect();
        for user in &users {
            all.by_login
                .insert(login_name(&user.name), Arc::clone(user));
        }
        for user in users {
            all.by_login.insert(login_name(&user.id), Arc::clone(&user));
            for index in [&user.index, &user.barcode_index].into_iter().flatten() {
                all.by_index.insert(index.clone(), Arc::clone(&user));
            }
            all.by_id.insert(user.id.clone(), user);
        }
        all
    }

    pub(crate) fn by_id(&self, id: &str) -> Option<&Arc<User>> {
        self.by_id.get(id)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<User>> {
        self.by_id.values()
    }

    /// By name or id, as people type it.
    pub(crate) fn by_login(&self, name: &str) -> Option<&Arc<User>> {
        self.by_login.get(&login_name(name))
    }

    /// By the blind index of a password or a barcode.
    pub(crate) fn by_index(&self, index: &str) -> Option<&Arc<User>> {
        self.by_index.get(index)
    }

    pub(crate) fn count(&self) -> usize {
        self.by_id.len()
    }
}

/// All databases at one moment.
#[derive(Default)]
pub(crate) struct Directory {
    databases: Vec<Arc<Database>>,
    by_id: HashMap<DatabaseId, Arc<Database>>,
    made_of: Option<Sources>,
}

impl Directory {
    pub(crate) fn new(databases: Vec<Arc<Database>>, made_of: Sources) -> Self {
        let by_id = databases
            .iter()
            .map(|one| (one.id.clone(), Arc::clone(one)))
            .collect();
        Self {
            databases,
            by_id,
            made_of: Some(made_of),
        }
    }

    pub(crate) fn get(&self, id: &DatabaseId) -> Option<&Arc<Database>> {
        self.by_id.get(id)
    }

    /// `None` before the first.
    pub(crate) fn made_of(&self) -> Option<&Sources> {
        self.made_of.as_ref()
    }

    pub(crate) fn databases(&self) -> &[Arc<Database>] {
        &self.databases
    }
}
