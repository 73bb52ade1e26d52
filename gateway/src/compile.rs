//! From what is written down (YAML, the backend's feed) to the [`Directory`] in force.
//!
//! A directory that cannot be is found out before anything is swapped. A certificate that does
//! not load costs its own ports and no others (rule 7). Reads files, opens no port.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use backend_types::{DatabaseId, HttpServer, PrintAuthentication};
use gateway_config::{Cause, Config, DatabaseConfig, SharedAccount, UserConfig, folder_name};
use gateway_policy::rights::Rights;

use crate::{
    account::{Account, Used},
    backend_client::BackendAddress,
    certificates::{Choice, Shelf},
    directory::{Authentication, Database, Directory, Print, Source, Upstream, Users},
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

/// What the compiler needs beside the sources.
pub(crate) struct Compiler<'a> {
    pub(crate) config: &'a Config,
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
    pub(crate) fn compile(
        &self,
        feed: Option<&backend_types::Directory>,
    ) -> Result<(Directory, Certificates), CompileError> {
        let default = self.shelf.default(self.config.certificate.as_ref());
        let server = self.config.server.certificate.as_ref();
        let server = self.shelf.server(server, &default);
        let mut databases = Vec::new();
        for written in &self.config.databases {
            databases.push(Arc::new(self.written_down(written, &default)?));
        }
        if let (Some(feed), Some(backend)) = (feed, self.backend) {
            let mut folders: Vec<String> = Vec::new();
            for told in &feed.databases {
                if let Some(yaml) = databases
                    .iter()
                    .find(|one: &&Arc<Database>| one.id == told.id)
                {
                    let yaml = yaml.source.to_string();
                    return Err(CompileError::ClaimedTwice {
                        id: told.id.clone(),
                        yaml,
                    });
                }
                databases.push(Arc::new(self.told_by_backend(
                    told,
                    backend,
                    &default,
                    &mut folders,
                )?));
            }
        }
        Ok((Directory::new(databases), Certificates { default, server }))
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
        let (used, account) = match (&written.account, &self.config.account) {
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
        folders: &mut Vec<String>,
    ) -> Result<Database, CompileError> {
        let settings = &told.settings;
        let mut index_key = [0; 32];
        hex::decode_to_slice(&told.index_key, &mut index_key).map_err(|_fault| {
            CompileError::IndexKey {
                id: told.id.clone(),
            }
        })?;
        let folder = self.folder(&settings.folder, &settings.name, folders);
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
                match &self.config.account {
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
    fn folder(&self, written: &str, name: &str, taken: &mut Vec<String>) -> PathBuf {
        if Path::new(written).is_absolute() {
            return PathBuf::from(written);
        }
        let wished = if written.is_empty() { name } else { written };
        let folder = folder_name(wished, |candidate| taken.iter().any(|one| one == candidate));
        taken.push(folder.clone());
        self.config.data.join("databases").join(folder)
    }
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
