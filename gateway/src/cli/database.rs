//! `gateway database …`: the vendor's database form («Редактирование настроек базы данных»).
//!
//! Several changes behind `--` are one: two databases may swap ports.

use std::io::{BufRead, IsTerminal};

use backend_types::{
    Account, Change, Changes, ClientCertificates, DatabaseId, DatabaseSettings, Mode,
    PrintAuthentication, PrintPatch, PrintServer, SettingsPatch, TlsProfile,
};
use clap::{Subcommand, ValueEnum};
use serde_json::json;

use super::{
    Failure, Outcome, Session, switch,
    table::{Cell, Table},
};
use crate::{
    administration::databases::Changed,
    status::{DatabaseReport, Report},
};

#[derive(Subcommand)]
pub(super) enum Database {
    List,
    Add(Add),
    Set(Set),
    Remove(Remove),
}

#[derive(clap::Args)]
pub(super) struct Add {
    /// A new GUID when absent.
    #[arg(long)]
    id: Option<DatabaseId>,
    #[command(flatten)]
    settings: Settings,
}

#[derive(clap::Args)]
pub(super) struct Set {
    #[arg(value_name = "DATABASE")]
    database: String,
    #[command(flatten)]
    settings: Settings,
}

#[derive(clap::Args)]
pub(super) struct Remove {
    #[arg(value_name = "DATABASE")]
    database: String,
    #[arg(long)]
    yes: bool,
}

/// The fields of the form, and those of the server window that belong to one database.
#[derive(clap::Args)]
struct Settings {
    #[arg(long)]
    name: Option<String>,
    #[arg(long)]
    folder: Option<String>,
    #[arg(long)]
    comment: Option<String>,
    #[arg(long)]
    mode: Option<ModeName>,
    #[arg(long, value_name = switch::NAMES, value_parser = switch::parse)]
    https: Option<bool>,
    #[arg(long, value_name = switch::NAMES, value_parser = switch::parse)]
    authentication: Option<bool>,
    #[arg(long, value_name = switch::NAMES, value_parser = switch::parse)]
    barcode_login: Option<bool>,
    #[arg(long)]
    port: Option<u16>,
    #[arg(long, value_name = switch::NAMES, value_parser = switch::parse)]
    print: Option<bool>,
    #[arg(long, value_name = "PORT")]
    print_port: Option<u16>,
    #[arg(long, value_name = "URL")]
    print_upstream: Option<String>,
    #[arg(long)]
    print_authentication: Option<PrintAuthenticationName>,
    #[arg(long, value_name = "none|shared|NAME")]
    account: Option<String>,
    #[arg(long, value_name = "FILE", requires = "account")]
    account_password_file: Option<String>,
    #[arg(long, value_name = switch::NAMES, value_parser = switch::parse)]
    compress: Option<bool>,
    #[arg(long, value_name = switch::NAMES, value_parser = switch::parse)]
    backups: Option<bool>,
    #[arg(long, value_name = "PROFILE")]
    tls: Option<TlsName>,
    #[arg(long)]
    client_certificates: Option<ClientCertificatesName>,
}

#[derive(Clone, Copy, ValueEnum)]
enum ModeName {
    Server,
    Folder,
    Device,
}

#[derive(Clone, Copy, ValueEnum)]
enum PrintAuthenticationName {
    Same,
    Pass,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum TlsName {
    Modern,
    Intermediate,
    Old,
    OldForEveryone,
}

impl From<TlsName> for TlsProfile {
    fn from(name: TlsName) -> Self {
        match name {
            TlsName::Modern => Self::Modern,
            TlsName::Intermediate => Self::Intermediate,
            TlsName::Old => Self::Old,
            TlsName::OldForEveryone => Self::OldForEveryone,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum ClientCertificatesName {
    Off,
    Optional,
    Required,
}

impl Settings {
    fn patch(self, session: &Session) -> Result<SettingsPatch, Failure> {
        let print = PrintPatch {
            used: self.print,
            port: self.print_port,
            upstream: self.print_upstream,
            authentication: self.print_authentication.map(|name| match name {
                PrintAuthenticationName::Same => PrintAuthentication::Same,
                PrintAuthenticationName::Pass => PrintAuthentication::Pass,
            }),
        };
        let account = match (self.account.as_deref(), self.account_password_file) {
            (None, _) => None,
            (Some("none"), None) => Some(Account::None),
            (Some("shared"), None) => Some(Account::Shared),
            (Some("none" | "shared"), Some(_)) => {
                return Err(session.misused("database-account-no-password", &[]));
            }
            (Some(name), Some(password_file)) => Some(Account::Own {
                name: name.to_owned(),
                password_file,
            }),
            (Some(name), None) => {
                return Err(session.misused("database-account-password", &[("name", name)]));
            }
        };
        Ok(SettingsPatch {
            name: self.name,
            folder: self.folder,
            comment: self.comment,
            mode: self.mode.map(|name| match name {
                ModeName::Server => Mode::Server,
                ModeName::Folder => Mode::Folder,
                ModeName::Device => Mode::Device,
            }),
            https: self.https,
            authentication: self.authentication,
            barcode_login: self.barcode_login,
            port: self.port,
            print: (print != PrintPatch::default()).then_some(print),
            account,
            compress: self.compress,
            backups: self.backups,
            tls: self.tls.map(TlsProfile::from),
            client_certificates: self.client_certificates.map(|name| match name {
                ClientCertificatesName::Off => ClientCertificates::Off,
                ClientCertificatesName::Optional => ClientCertificates::Optional,
                ClientCertificatesName::Required => ClientCertificates::Required,
            }),
        })
    }
}

/// What a new database is where nothing else was said: closed to strangers.
fn of_a_new_one(name: String, port: u16) -> DatabaseSettings {
    DatabaseSettings {
        name,
        folder: String::new(),
        comment: String::new(),
        mode: Mode::Server,
        https: true,
        authentication: true,
        barcode_login: false,
        port,
        print: PrintServer::default(),
        account: Account::None,
        compress: false,
        backups: true,
        tls: TlsProfile::default(),
        client_certificates: ClientCertificates::default(),
    }
}

pub(super) fn run(
    first: Database,
    further: impl Iterator<Item = Database>,
    session: &Session,
) -> Outcome {
    if let Database::List = first {
        let report: Report = session.gateway.get("/status")?;
        return session.show(&report.databases, |databases| list(databases, session));
    }
    let mut changes = Changes::default();
    let mut removed = Vec::new();
    for change in std::iter::once(first).chain(further) {
        changes.changes.push(match change {
            Database::List => return Err(session.misused("database-list-alone", &[])),
            Database::Add(add) => add.change(session)?,
            Database::Set(set) => {
                let id = session.database(&set.database)?.id;
                let settings = set.settings.patch(session)?;
                if settings == SettingsPatch::default() {
                    return Err(session.misused("database-set-nothing", &[]));
                }
                Change::Set { id, settings }
            }
            Database::Remove(remove) => {
                let database = session.database(&remove.database)?;
                if !remove.yes {
                    session.confirm("database-remove-sure", &[("name", &database.name)])?;
                }
                let id = database.id.clone();
                removed.push(database);
                Change::Remove { id }
            }
        });
    }
    let changed: Changed = session.gateway.post("/databases", &changes)?;
    show(&changes, &changed, &removed, session)
}

impl Add {
    fn change(self, session: &Session) -> Result<Change, Failure> {
        let patch = self.settings.patch(session)?;
        let (Some(name), Some(port)) = (patch.name.clone(), patch.port) else {
            return Err(session.misused("database-add-needs", &[]));
        };
        let mut settings = of_a_new_one(name, port);
        patch.apply(&mut settings);
        let id = match self.id {
            Some(id) => id,
            None => uuid::Uuid::new_v4()
                .to_string()
                .parse()
                .map_err(|fault: backend_types::NotADatabaseId| Failure::Said(fault.to_string()))?,
        };
        Ok(Change::Add { id, settings })
    }
}

impl Session {
    /// Asks on a terminal; a script has to say `--yes`.
    pub(super) fn confirm(&self, key: &str, values: &[(&'static str, &str)]) -> Outcome {
        let question = self.say(key, values);
        if !std::io::stdin().is_terminal() {
            return Err(Failure::Said(format!(
                "{question} {}",
                self.say("confirm-yes-missing", &[])
            )));
        }
        eprint!("{question} {} ", self.say("confirm-type-yes", &[]));
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer);
        match read.ok().map(|_| switch::parse(answer.trim())) {
            Some(Ok(true)) => Ok(()),
            _ => Err(self.refuse("confirm-declined", &[])),
        }
    }
}

fn list(databases: &[DatabaseReport], session: &Session) {
    let names = ["name", "id", "state", "https", "authentication", "source"];
    let mut table = Table::with_head(names.map(|name| session.say(&format!("head-{name}"), &[])));
    for database in databases {
        table.row([
            database.name.as_str().into(),
            database.id.as_str().into(),
            session.state_cell(&database.data),
            session.yes_or_no(database.https).into(),
            Cell::from(database.authentication.as_str()),
            database.source.as_str().into(),
        ]);
    }
    out!("{}", table.text(session.colour).trim_end());
}

/// What became of it, as the gateway's own status tells it afterwards.
fn show(
    changes: &Changes,
    changed: &Changed,
    removed: &[DatabaseReport],
    session: &Session,
) -> Outcome {
    let touched: Vec<&DatabaseId> = changes
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::Add { id, .. } | Change::Set { id, .. } => Some(id),
            Change::Remove { .. } => None,
        })
        .collect();
    let mut report: Report = session.gateway.get("/status")?;
    report.databases.retain(|one| touched.contains(&&one.id));
    let answer = json!({
        "revision": changed.revision,
        "databases": report.databases,
        "removed": removed.iter().map(|one| &one.id).collect::<Vec<_>>(),
        "made": changed.made,
    });
    session.show(&answer, |_| {
        for database in removed {
            let folder = database.folder.display().to_string();
            let values = [("name", database.name.as_str()), ("folder", &folder)];
            out!("{}", session.say("database-removed", &values));
        }
        if !report.databases.is_empty() {
            list(&report.databases, session);
        }
        if !changed.made.is_empty() {
            let (key, several) = match changed.made.len() {
                1 => ("database-made", false),
                _ => ("database-made-several", true),
            };
            out!("\n{}", session.say(key, &[]));
            for user in &changed.made {
                if several {
                    let database = report.databases.iter().find(|one| one.id == user.database);
                    let name = database.map_or(user.database.as_str(), |one| &one.name);
                    out!("  {name} ({}):", user.database);
                }
                out!("  {}  {}", user.name, user.password);
            }
        }
    })
}
