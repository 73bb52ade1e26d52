//! From what is written down (YAML, the backend's feed) to the [`Directory`] in force.
//!
//! What has not changed is taken over from the directory in force. A directory that cannot be is found out before anything is swapped. A certificate that does
//! not load costs its own ports and no others (rule 7). Reads files, opens no port.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use backend_types::{DatabaseId, DatabaseSettings, HttpServer, PrintAuthentication};
use gateway_config::{Cause, Config, DatabaseConfig, SharedAccount, UserConfig, folder_name};
use gateway_policy::rights::Rights;

use crate::{
    account::{Account, Used},
    backend_client::BackendAddress,
    certificates::{Choice, Shelf},
    directory::{Authentication, Database, Directory, Print, Source, Upstream, Users},
    feed::{Feed, Told},
    lists::ListWatch,
    server_address::ServerAddress,
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum CompileError {
    #[error("database {id} is claimed by {yaml} and by the backend")]
    ClaimedTwice { id: DatabaseId, yaml: String },
    #[error("database {id}: its index key is not 32 bytes of hex")]
    IndexKey { id: DatabaseId },
    #[error("database {id}: service account: {cause}")]
    Account { id: DatabaseId, cause: Cause },
}

/// What a directory is compiled from.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) config: Arc<Config>,
    pub(crate) feed: Option<Arc<Feed>>,
}

/// What the compiler needs beside the sources.
pub(crate) struct Compiler<'a> {
    pub(crate) sources: &'a Sources,
    /// The directory in force: whatever of it is not changed stays as it is.
    pub(crate) before: &'a Directory,
    /// The configuration's file, to name a database's source.
    pub(crate) file: &'a Path,
    pub(crate) lists: &'a ListWatch,
    pub(crate) shelf: &'a Shelf,
    /// Keys the blind indexes of YAML users.
    pub(crate) index_key: [u8; 32],
    pub(crate) backend: Option<&'a BackendAddress>,
}

/// The certificates that belong to no database.
pub(crate) struct Certificates {
    pub(crate) default: Choice,
    pub(crate) server: Choice,
}

impl Compiler<'_> {
    /// All databases of both sources, and the certificates. Blocks on list files and
    /// certificates.
    pub(crate) fn compile(&self) -> Result<(Directory, Certificates), CompileError> {
        let Sources { config, feed } = self.sources;
        let default = self.shelf.default(config.certificate.as_ref());
        let server = config.server.certificate.as_ref();
        let server = self.shelf.server(server, &default);
        let unchanged = Unchanged::since(self.before, config);
        let mut databases = Vec::new();
        for written in &config.databases {
            databases.push(match unchanged.written(written) {
                Some(database) => database,
                None => Arc::new(self.written_down(written, &default)?),
            });
        }
        if let (Some(feed), Some(backend)) = (feed, self.backend) {
            let written: HashMap<_, _> = databases
                .iter()
                .map(|one: &Arc<Database>| (one.id.clone(), Arc::clone(one)))
                .collect();
            let mut folders = HashSet::new();
            for told in &feed.databases {
                let one = &told.database;
                if let Some(yaml) = written.get(&one.id) {
                    return Err(CompileError::ClaimedTwice {
                        id: one.id.clone(),
                        yaml: yaml.source.to_string(),
                    });
                }
                let folder = self.folder(&one.settings, &mut folders);
                databases.push(match unchanged.told(told, &folder) {
                    Some(database) => database,
                    None => Arc::new(self.told_by_backend(one, backend, &default, folder)?),
                });
            }
        }
        let directory = Directory::new(databases, self.sources.clone());
        Ok((directory, Certificates { default, server }))
    }

    fn written_down(
        &self,
        written: &DatabaseConfig,
        default: &Choice,
    ) -> Result<Database, CompileError> {
        let server = |upstream: &gateway_config::Upstream| ServerAddress::new(upstream.server());
        Ok(Database {
            id: written.id.clone(),
            source: Source::Yaml(format!("{}:{}", self.file.display(), written.line)),
            name: written.name.clone(),
            comment: written.comment.clone(),
            mode: written.mode,
            https: written.https,
            certificate: {
                let files = written.certificate.as_ref();
                self.shelf.database(&written.id, files, default)
            },
            tls: written.tls,
            client_certificates: written.client_certificates,
            authentication: match written.authentication {
                gateway_config::Authentication::Gateway => Authentication::Gateway,
                gateway_config::Authentication::Upstream => Authentication::Upstream,
                gateway_config::Authentication::None => Authentication::None,
            },
            barcode_login: written.barcode_login,
            rights: (&written.rights).into(),
            identity_headers: written.identity_headers,
            port: written.port,
            upstream: Upstream::Server(server(&written.upstream)),
            print: written.print.as_ref().map(|print| Print {
                port: print.port,
                upstream: Some(server(&print.upstream)),
                authentication: match print.authentication {
                    gateway_config::PrintAuthentication::Same => PrintAuthentication::Same,
                    gateway_config::PrintAuthentication::Pass => PrintAuthentication::Pass,
                },
            }),
            account: self.account(written)?,
            compress: written.compress,
            backups: None,
            login_paths: written
                .login_paths
                .iter()
                .map(ToString::to_string)
                .collect(),
            users: Users::new(self.index_key, written.users.iter().map(user).collect()),
            lists: self.lists.folder(&written.folder),
            folder: written.folder.clone(),
        })
    }

    fn account(&self, written: &DatabaseConfig) -> Result<Account, CompileError> {
        let (used, account) = match (&written.account, &self.sources.config.account) {
            (gateway_config::Account::Own(account), _) => (Used::Own, account),
            (gateway_config::Account::Shared, SharedAccount::Own(account)) => {
                (Used::Shared, account)
            }
            // The check has refused `shared` where there is nothing to share.
            (gateway_config::Account::Shared, SharedAccount::None)
            | (gateway_config::Account::None, _) => return Ok(Account::NONE),
        };
        Account::read(used, account).map_err(|cause| CompileError::Account {
            id: written.id.clone(),
            cause,
        })
    }

    fn told_by_backend(
        &self,
        told: &backend_types::Database,
        backend: &BackendAddress,
        default: &Choice,
        folder: PathBuf,
    ) -> Result<Database, CompileError> {
        let settings = &told.settings;
        let mut index_key = [0; 32];
        hex::decode_to_slice(&told.index_key, &mut index_key).map_err(|_fault| {
            CompileError::IndexKey {
                id: told.id.clone(),
            }
        })?;
        let authentication = if settings.authentication {
            Authentication::Gateway
        } else {
            Authentication::None
        };
        Ok(Database {
            id: told.id.clone(),
            source: Source::Backend,
            name: settings.name.clone(),
            comment: settings.comment.clone(),
            mode: settings.mode,
            https: settings.https,
            certificate: self.shelf.database(&told.id, None, default),
            tls: settings.tls,
            client_certificates: settings.client_certificates,
            authentication,
            barcode_login: settings.barcode_login,
            rights: Rights::Smarts,
            // Our backend is always told; these are for existing servers.
            identity_headers: false,
            port: settings.port,
            upstream: Upstream::Backend(backend.clone()),
            print: settings.print.used.then(|| Print {
                port: settings.print.port,
                upstream: print_service(told),
                authentication: settings.print.authentication,
            }),
            account: Account::shown(
                &settings.account,
                match &self.sources.config.account {
                    SharedAccount::Own(shared) => Some(shared.name.as_str()),
                    SharedAccount::None => None,
                },
            ),
            compress: settings.compress,
            backups: Some(settings.backups),
            login_paths: Vec::new(),
            users: Users::new(index_key, told.users.clone()),
            lists: self.lists.folder(&folder),
            folder,
        })
    }

    /// An absolute path as it is; a name lies under `databases/` of the data folder.
    fn folder(&self, settings: &DatabaseSettings, taken: &mut HashSet<String>) -> PathBuf {
        let written = &settings.folder;
        if Path::new(written).is_absolute() {
            return PathBuf::from(written);
        }
        let wished = if written.is_empty() {
            &settings.name
        } else {
            written
        };
        let folder = folder_name(wished, |candidate| taken.contains(candidate));
        taken.insert(folder.clone());
        self.sources.config.data.join("databases").join(folder)
    }
}

/// The databases that need not be compiled again, with what they were compiled from. A change costs
/// what it changes, however many databases stand beside it.
#[derive(Default)]
struct Unchanged<'a> {
    written: HashMap<&'a DatabaseId, (&'a DatabaseConfig, &'a Arc<Database>)>,
    told: HashMap<&'a DatabaseId, (&'a Arc<Told>, &'a Arc<Database>)>,
}

impl<'a> Unchanged<'a> {
    fn since(before: &'a Directory, config: &Config) -> Self {
        let Some(Sources {
            config: then, feed, ..
        }) = before.made_of()
        else {
            return Self::default();
        };
        if !makes_the_same(then, config) {
            return Self::default();
        }
        let written = then.databases.iter().filter_map(|one| {
            let database = before.get(&one.id)?;
            Some((&one.id, (one, database)))
        });
        let told = feed.iter().flat_map(|feed| &feed.databases);
        let told = told.filter_map(|one| {
            let id = &one.database.id;
            let database = before.get(id)?;
            (database.source == Source::Backend).then_some((id, (one, database)))
        });
        Self {
            written: written.collect(),
            told: told.collect(),
        }
    }

    fn written(&self, now: &DatabaseConfig) -> Option<Arc<Database>> {
        let (then, database) = *self.written.get(&now.id)?;
        let same = then == now && database.account.moved().is_none();
        same.then(|| Arc::clone(database))
    }

    fn told(&self, now: &Arc<Told>, folder: &Path) -> Option<Arc<Database>> {
        let (then, database) = *self.told.get(&now.database.id)?;
        let same = then == now && database.folder == folder;
        same.then(|| Arc::clone(database))
    }
}

/// Whether databases that are written alike come out alike. Each key is named: who adds one says
/// here whether databases are made of it.
fn makes_the_same(then: &Config, now: &Config) -> bool {
    let Config {
        data,
        certificate,
        account,
        certificate_page: _,
        language: _,
        listen: _,
        log: _,
        metrics: _,
        trusted_proxies: _,
        server: _,
        limits: _,
        backend: _,
        databases: _,
    } = now;
    (data, certificate, account) == (&then.data, &then.certificate, &then.account)
}

/// `None` also where the address is no address: the backend has let none in, and a port that
/// answers 503 is better than no directory.
fn print_service(told: &backend_types::Database) -> Option<ServerAddress> {
    let url = told.settings.print.upstream.as_deref()?;
    match url.parse::<HttpServer>() {
        Ok(server) => Some(ServerAddress::new(&server)),
        Err(fault) => {
            tracing::error!({ database.id = told.id.as_str(), url, %fault }, "no print service");
            None
        }
    }
}

fn user(written: &UserConfig) -> backend_types::User {
    backend_types::User {
        id: written.id.clone(),
        name: written.name.clone(),
        role: written.role,
        password: Some(written.password.to_string()),
        index: written.index.as_ref().map(ToString::to_string),
        barcode: written.barcode.as_ref().map(ToString::to_string),
        barcode_index: written.barcode_index.as_ref().map(ToString::to_string),
    }
}

#[cfg(test)]
mod tests {
    use gateway_certificates::Store;
    use harness::{Authority, InFront};

    use super::*;

    /// Which of `a` and `b` are made anew when the file's text changes.
    #[track_caller]
    fn check(change: impl FnOnce(String) -> String, anew: [bool; 2]) {
        let data = tempfile::tempdir().unwrap();
        let lists = ListWatch::new(data.path().join("cache"));
        let shelf = Shelf::new(Store::new(data.path().join("tls")));
        let default = Authority::new(data.path()).issue("default", &["localhost"]);
        let (chain, key) = (default.chain.display(), default.key.display());
        let databases = ["a", "b"].map(|id| harness::Database::new(id, "http://127.0.0.1:9000"));
        let text = InFront::new(data.path(), databases).yaml();
        let text = format!("certificate: {{chain: {chain}, key: {key}}}\n{text}");
        let compile = |text: &str, before: &Directory| {
            let loaded = gateway_config::check(text, "file", &gateway_config::Overrides::default());
            let sources = Sources {
                config: Arc::new(loaded.unwrap().config),
                feed: None,
            };
            let compiler = Compiler {
                sources: &sources,
                before,
                file: Path::new("file"),
                lists: &lists,
                shelf: &shelf,
                index_key: [0; 32],
                backend: None,
            };
            compiler.compile().unwrap().0
        };
        let before = compile(&text, &Directory::default());
        let after = compile(&change(text), &before);
        let made = ["a", "b"].map(|id| {
            let [before, after] = [&before, &after].map(|one| one.get(&id.parse().unwrap()));
            !Arc::ptr_eq(before.unwrap(), after.unwrap())
        });
        assert_eq!(made, anew);
    }

    #[test]
    fn only_what_is_changed_is_made_anew() {
        check(|text| text, [false, false]);
        check(|text| text.replace("Database a", "Shop"), [true, false]);
        check(|text| text.replace("Database b", "Shop"), [false, true]);
        check(
            |text| text.replace("language: en", "language: ru"),
            [false, false],
        );
        // The default certificate is any database's.
        let without = |text: String| text.split_once('\n').unwrap().1.to_owned();
        check(
            |text| format!("# One line less below.\n{}", without(text)),
            [true, true],
        );
    }
}
