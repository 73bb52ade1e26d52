//! The directory: what the gateway reads as one snapshot and changes as one transaction.
//!
//! Changes are applied to the list of databases in memory first and the whole list is checked
//! then, so two databases can swap ports, and a clash names the database that holds the port.

mod feed;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use backend_types::{Account, Change, Changes, DatabaseId, HttpServer, MadeUser, Role, User};
use sqlx::SqliteConnection;

pub(crate) use self::feed::{Feed, Snapshot};
use crate::{
    api::{check_name, error::ApiError, user_groups},
    messages::Message,
    secrets::Hasher,
    storage::{
        Entity, Storage, StorageError, Writer,
        directory::{self as stored, StoredDatabase},
        entities::{self, EntitySet},
        users::{self, StoredUser},
    },
    template::Template,
};

/// In characters.
const LONGEST_COMMENT: usize = 4000;

async fn login_material(
    connection: &mut SqliteConnection,
    database: &str,
) -> Result<Vec<User>, StorageError> {
    let groups = entities::all(connection, database, EntitySet::UserGroups).await?;
    let users = users::all(connection, database).await?;
    Ok(material(&groups, users))
}

fn material(groups: &[Entity], users: Vec<StoredUser>) -> Vec<User> {
    let roles: HashMap<&str, Role> = groups
        .iter()
        .filter_map(|group| Some((group.get("id")?.as_str()?, user_groups::role(group))))
        .collect();
    let material = users.into_iter().filter_map(|user| {
        let (barcode, barcode_index) = user
            .barcode
            .map(|stored| (stored.hash, stored.index))
            .unzip();
        Some(User {
            role: *roles.get(user.group_id.as_str())?,
            name: user.body.get("name")?.as_str()?.to_owned(),
            id: user.id,
            password: Some(user.password.hash),
            index: Some(user.password.index),
            barcode,
            barcode_index,
        })
    });
    material.collect()
}

/// Whether the database has a user of an administrators' group. Every user has a password.
pub(crate) async fn has_administrator(
    connection: &mut SqliteConnection,
    database: &str,
) -> Result<bool, StorageError> {
    let users = login_material(connection, database).await?;
    Ok(users.iter().any(|user| user.role == Role::Administrator))
}

/// All changes or none: the new directory, and who was made with it.
pub(crate) async fn change(
    storage: &Storage,
    feed: &Arc<Feed>,
    hasher: &Hasher,
    changes: Changes,
) -> Result<(Snapshot, Vec<MadeUser>), ApiError> {
    // Hashing is slow: it is done before the transaction begins.
    let mut templates = HashMap::new();
    for change in &changes.changes {
        if let Change::Add { id, .. } = change {
            templates.insert(id.clone(), Template::make(hasher, id.clone()).await?);
        }
    }
    let feed = Arc::clone(feed);
    storage
        .write(move |writer| {
            Box::pin(async move { apply(writer, &feed, changes, templates).await })
        })
        .await
}

async fn apply(
    writer: &mut Writer,
    feed: &Feed,
    changes: Changes,
    mut templates: HashMap<DatabaseId, Template>,
) -> Result<(Snapshot, Vec<MadeUser>), ApiError> {
    let now = feed.seen_by(&mut writer.connection).await?;
    let revision = now.revision;
    if changes.revision.is_some_and(|wanted| wanted != revision) {
        let message = Message::new("revision-moved").with("revision", revision);
        return Err(ApiError::conflict(message));
    }
    let before: Vec<StoredDatabase> = now.databases().cloned().collect();
    let after = changed_databases(&before, changes.changes, &templates)?;

    let mut changed = Vec::new();
    let (was, is) = (by_id(&before), by_id(&after));
    let kept = |one: &StoredDatabase| {
        let other = is.get(&one.id);
        other.is_some_and(|other| other.index_key == one.index_key)
    };
    for database in before.iter().filter(|one| !kept(one)) {
        stored::delete(&mut writer.connection, &database.id).await?;
        changed.push(database.id.to_string());
    }
    let mut made = Vec::new();
    for database in &after {
        let old = was.get(&database.id).copied();
        // The others are stored so, and have their administrators.
        if old == Some(database) {
            continue;
        }
        stored::put(&mut writer.connection, database).await?;
        let added = old.is_none_or(|old| old.index_key != database.index_key);
        if added && let Some(template) = templates.remove(&database.id) {
            template.fill(&mut writer.connection).await?;
            made.extend(template.made);
        }
        if database.settings.authentication
            && !has_administrator(&mut writer.connection, database.id.as_str()).await?
        {
            return Err(ApiError::bad_request(Message::new("no-administrator")));
        }
        changed.push(database.id.to_string());
    }
    writer.bump_revision(changed).await?;
    let directory = feed.seen_by(&mut writer.connection).await?;
    Ok((directory, made))
}

fn by_id(databases: &[StoredDatabase]) -> HashMap<&DatabaseId, &StoredDatabase> {
    databases.iter().map(|one| (&one.id, one)).collect()
}

/// The databases after all changes, checked as a whole.
fn changed_databases(
    before: &[StoredDatabase],
    changes: Vec<Change>,
    templates: &HashMap<DatabaseId, Template>,
) -> Result<Vec<StoredDatabase>, ApiError> {
    let mut after = before.to_vec();
    for change in changes {
        match change {
            Change::Add { id, mut settings } => {
                if after.iter().any(|database| database.id == id) {
                    return Err(ApiError::conflict(Message::new("clash-id").with("id", &id)));
                }
                if settings.folder.trim().is_empty() {
                    settings.folder = free_folder(&settings.name, &after);
                }
                check_texts(&settings.name, &settings.comment)?;
                let template = templates.get(&id).ok_or_else(ApiError::internal)?;
                after.push(StoredDatabase {
                    id,
                    settings,
                    index_key: template.index_key.clone(),
                });
            }
            Change::Set { id, settings } => {
                let database = after.iter_mut().find(|database| database.id == id);
                let database = database.ok_or_else(|| unknown(&id))?;
                check_texts(
                    settings.name.as_deref().unwrap_or_default(),
                    settings.comment.as_deref().unwrap_or_default(),
                )?;
                settings.apply(&mut database.settings);
            }
            Change::Remove { id } => {
                let place = after.iter().position(|database| database.id == id);
                after.remove(place.ok_or_else(|| unknown(&id))?);
            }
        }
    }
    // Whoever stays as he was holds his port; it is the changed one who is told of him.
    let was = by_id(before);
    after.sort_by_cached_key(|database| was.get(&database.id) != Some(&database));
    check(&after)?;
    Ok(after)
}

/// Of what is said now; a database that has come with another name keeps it.
fn check_texts(name: &str, comment: &str) -> Result<(), ApiError> {
    check_name(name)?;
    match comment.chars().count() <= LONGEST_COMMENT {
        true => Ok(()),
        false => Err(ApiError::bad_request(
            Message::new("comment-too-long").with("longest", LONGEST_COMMENT),
        )),
    }
}

fn unknown(id: &DatabaseId) -> ApiError {
    ApiError::bad_request(Message::new("database-unknown").with("id", id))
}

/// Names are there, folders and ports belong to one database each.
fn check(databases: &[StoredDatabase]) -> Result<(), ApiError> {
    let mut ports: HashMap<u16, &str> = HashMap::new();
    let mut folders: HashMap<String, &str> = HashMap::new();
    for StoredDatabase { settings, .. } in databases {
        let name = settings.name.as_str();
        if name.trim().is_empty() {
            let message = Message::new("database-name-missing");
            return Err(ApiError::bad_request(message));
        }
        let folder = settings.folder.as_str();
        if !is_folder(folder) {
            let message = Message::new("folder-name-bad").with("folder", folder);
            return Err(ApiError::bad_request(message));
        }
        if let Some(holder) = folders.insert(folder.to_lowercase(), name) {
            let message = Message::new("clash-folder").with("folder", folder);
            return Err(ApiError::conflict(message.with("holder", holder)));
        }
        let service = settings.print.upstream.as_deref();
        if let Some(url) = service.filter(|url| url.parse::<HttpServer>().is_err()) {
            let message = Message::new("print-service-bad").with("url", url);
            return Err(ApiError::bad_request(message));
        }
        if let Account::Own {
            name,
            password_file,
        } = &settings.account
            && !(is_account_name(name) && is_line(password_file))
        {
            return Err(ApiError::bad_request(Message::new("account-bad")));
        }
        let print = settings.print.used.then_some(settings.print.port);
        // Port 0 lets the system choose: it never clashes.
        for port in [Some(settings.port), print]
            .into_iter()
            .flatten()
            .filter(|port| *port != 0)
        {
            if let Some(holder) = ports.insert(port, name) {
                let message = Message::new("clash-port").with("port", port);
                return Err(ApiError::conflict(message.with("holder", holder)));
            }
        }
    }
    Ok(())
}

/// What Basic can carry as a name.
fn is_account_name(name: &str) -> bool {
    is_line(name) && !name.contains(':')
}

fn is_line(text: &str) -> bool {
    !text.trim().is_empty() && !text.contains(char::is_control)
}

/// A name under the gateway's `databases/`, or an absolute path on its host that does not climb.
fn is_folder(folder: &str) -> bool {
    let absolute = folder.starts_with('/');
    let mut parts = folder.split('/');
    !folder.trim().is_empty()
        && !folder.chars().any(char::is_control)
        && parts.all(|part| part != ".." && part != ".")
        && (absolute || folder_name(folder) == folder)
}

/// A database's name as the name of a folder.
fn folder_name(name: &str) -> String {
    let legal = name
        .chars()
        .filter(|c| !r#"<>:"/\|?*"#.contains(*c) && !c.is_control());
    let legal: String = legal.collect();
    legal.trim().trim_start_matches('.').trim().to_owned()
}

/// The folder of a new database: its name, with a number when that is taken.
fn free_folder(name: &str, databases: &[StoredDatabase]) -> String {
    let taken: HashSet<String> = databases
        .iter()
        .map(|database| database.settings.folder.to_lowercase())
        .collect();
    let mut folder = folder_name(name);
    if folder.is_empty() {
        "database".clone_into(&mut folder);
    }
    let mut candidate = folder.clone();
    let mut number = 2_u32;
    while taken.contains(&candidate.to_lowercase()) {
        candidate = format!("{folder} ({number})");
        number += 1;
    }
    candidate
}

#[cfg(test)]
mod tests {
    use backend_types::{
        ClientCertificates, DatabaseSettings, PrintPatch, PrintServer, SettingsPatch, TlsProfile,
    };

    use super::*;

    fn database(id: &str, port: u16) -> StoredDatabase {
        let name = format!("База {id}");
        StoredDatabase {
            id: id.parse().unwrap(),
            settings: DatabaseSettings {
                folder: name.clone(),
                name,
                comment: String::new(),
                mode: backend_types::Mode::Server,
                https: true,
                authentication: false,
                barcode_login: false,
                port,
                print: PrintServer::default(),
                account: Account::None,
                compress: false,
                backups: true,
                tls: TlsProfile::default(),
                client_certificates: ClientCertificates::default(),
            },
            index_key: id.to_owned(),
        }
    }

    fn set_port(id: &str, port: u16) -> Change {
        Change::Set {
            id: id.parse().unwrap(),
            settings: SettingsPatch {
                port: Some(port),
                ..SettingsPatch::default()
            },
        }
    }

    fn english(refusal: &ApiError) -> String {
        refusal.message().in_language(backend_types::Language::En)
    }

    #[test]
    fn two_databases_swap_ports_in_one_change() {
        let before = [database("a", 9706), database("b", 9707)];
        let swap = vec![set_port("a", 9707), set_port("b", 9706)];
        let after = changed_databases(&before, swap, &HashMap::new()).unwrap();
        assert_eq!(after[0].settings.port, 9707);
        assert_eq!(after[1].settings.port, 9706);
    }

    #[test]
    fn a_clash_names_the_database_that_holds_the_port() {
        let mut before = [database("a", 9706), database("b", 9708)];
        let change = vec![set_port("b", 9706)];
        let refusal = changed_databases(&before, change, &HashMap::new()).unwrap_err();
        assert_eq!(refusal.status, http::StatusCode::CONFLICT);
        assert_eq!(
            english(&refusal),
            "Port 9706 belongs to the database \"База a\""
        );

        let change = vec![set_port("a", 9708)];
        let refusal = changed_databases(&before, change, &HashMap::new()).unwrap_err();
        assert_eq!(
            english(&refusal),
            "Port 9708 belongs to the database \"База b\""
        );

        before[0].settings.print = PrintServer {
            used: true,
            port: 9707,
            ..PrintServer::default()
        };
        let change = vec![set_port("b", 9707)];
        let refusal = changed_databases(&before, change, &HashMap::new()).unwrap_err();
        assert_eq!(
            english(&refusal),
            "Port 9707 belongs to the database \"База a\""
        );

        before[0].settings.print.used = false;
        let twin = vec![set_port("b", 9707)];
        assert!(changed_databases(&before, twin, &HashMap::new()).is_ok());
    }

    #[test]
    fn a_print_service_is_an_http_server_or_none() {
        let before = [database("a", 9706)];
        let print = |upstream: &str| Change::Set {
            id: "a".parse().unwrap(),
            settings: SettingsPatch {
                print: Some(PrintPatch {
                    upstream: Some(upstream.to_owned()),
                    ..PrintPatch::default()
                }),
                ..SettingsPatch::default()
            },
        };
        let changed = |upstream| changed_databases(&before, vec![print(upstream)], &HashMap::new());
        for upstream in [
            "127.0.0.1:9001",
            "http://host:9001/print",
            "https://host:9001",
        ] {
            let refusal = changed(upstream).unwrap_err();
            assert!(
                english(&refusal).contains(upstream),
                "{}",
                english(&refusal)
            );
        }
        let set = changed("http://127.0.0.1:9001").unwrap();
        assert_eq!(
            set[0].settings.print.upstream.as_deref(),
            Some("http://127.0.0.1:9001")
        );
        assert_eq!(changed("").unwrap()[0].settings.print.upstream, None);
    }

    #[test]
    fn an_account_has_a_name_that_basic_can_carry_and_a_file() {
        let before = [database("a", 9706)];
        let changed = |name: &str, file: &str| {
            let (name, password_file) = (name.to_owned(), file.to_owned());
            let settings = SettingsPatch {
                account: Some(Account::Own {
                    name,
                    password_file,
                }),
                ..SettingsPatch::default()
            };
            let id = "a".parse().unwrap();
            changed_databases(&before, vec![Change::Set { id, settings }], &HashMap::new())
        };
        assert!(changed("Служба", "/srv/password").is_ok());
        for (name, file) in [("", "/x"), ("a:b", "/x"), ("a\nb", "/x"), ("a", " ")] {
            assert!(changed(name, file).is_err(), "{name:?} {file:?}");
        }
    }

    #[test]
    fn a_name_is_one_line_of_a_readable_length() {
        let before = [database("a", 9706)];
        let renamed = |name: &str| {
            let settings = SettingsPatch {
                name: Some(name.to_owned()),
                ..SettingsPatch::default()
            };
            let id = "a".parse().unwrap();
            changed_databases(&before, vec![Change::Set { id, settings }], &HashMap::new())
        };
        for bad in ["a\tb", "a\nb", "a\u{1b}[31mb", &"я".repeat(257)] {
            assert!(renamed(bad).is_err(), "{bad:?}");
        }
        for good in ["Ку\"рьер '😀", &"я".repeat(256)] {
            assert!(renamed(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn port_0_never_clashes() {
        let before = [database("a", 0), database("b", 9708)];
        assert!(changed_databases(&before, vec![set_port("b", 0)], &HashMap::new()).is_ok());
    }

    #[test]
    fn a_folder_is_the_name_without_what_windows_refuses_and_numbered_when_taken() {
        let mut taken = database("a", 1);
        taken.settings.folder = "Склад 15".to_owned();
        assert_eq!(
            free_folder("Склад: 15?", std::slice::from_ref(&taken)),
            "Склад 15 (2)"
        );
        assert_eq!(free_folder("..Лавка", &[taken]), "Лавка");
        assert_eq!(free_folder("???", &[]), "database");
    }

    #[test]
    fn a_folder_cannot_climb() {
        for folder in ["..", "a/b", "../a", "/srv/../etc", "", " ", "a\nb"] {
            assert!(!is_folder(folder), "{folder:?}");
        }
        for folder in ["Магазин 15", "/srv/smarts/Магазин 15"] {
            assert!(is_folder(folder), "{folder:?}");
        }
    }
}
