//! Who logs in, from a file: JSON, JSON lines, CSV, or what the gateway printed at its first start.

use std::{fmt, fs, io, path::PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::target::Target;

/// Options that say who logs in.
#[derive(clap::Args, Clone)]
pub(crate) struct From {
    /// Users with their secrets: JSON or CSV with `name`, `password` and, if they have them,
    /// `barcode`, `role` (mobile-user, external-connection, administrator) and `database`; or the
    /// saved output of the gateway's or the backend's first start (`make run | tee start.txt`).
    #[arg(long, value_name = "FILE")]
    users: PathBuf,
    /// Of a file with several databases, the one with this name; absent: the one that is asked, by
    /// the ready line of a saved output.
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    /// Also who is listed without a role.
    #[default]
    MobileUser,
    ExternalConnection,
    Administrator,
}

#[derive(Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) password: String,
    #[serde(default, deserialize_with = "not_empty")]
    pub(crate) barcode: Option<String>,
    #[serde(default)]
    pub(crate) role: Role,
    #[serde(default, deserialize_with = "not_empty")]
    database: Option<String>,
}

/// A CSV file has no other way to say "none".
fn not_empty<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.is_empty()))
}

impl User {
    /// Somebody who works with a terminal.
    pub(crate) fn mobile(name: String, password: String, barcode: String) -> Self {
        Self {
            name,
            password,
            barcode: Some(barcode),
            role: Role::MobileUser,
            database: None,
        }
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", self.name, self.role)
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum UsersError {
    #[error("{}: {fault}", file.display())]
    Unreadable { file: PathBuf, fault: io::Error },
    #[error("{}: {fault}", file.display())]
    Json {
        file: PathBuf,
        fault: serde_json::Error,
    },
    #[error("{}: {fault}", file.display())]
    Csv { file: PathBuf, fault: csv::Error },
    #[error("{} names no user", .0.display())]
    Nobody(PathBuf),
    #[error("say which database with --database: {}", .0.join(", "))]
    Which(Vec<String>),
    #[error("no user of a database \"{0}\"")]
    NoSuchDatabase(String),
}

/// The users of one database.
#[derive(Debug)]
pub(crate) struct Users(Vec<User>);

impl From {
    /// Those of the database that is asked.
    pub(crate) fn read(&self, target: &Target) -> Result<Users, UsersError> {
        let text = fs::read_to_string(&self.users).map_err(|fault| UsersError::Unreadable {
            file: self.users.clone(),
            fault,
        })?;
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let told = told_at_start(text);
        let users = match text.chars().next() {
            _ if !told.is_empty() => told,
            Some('[' | '{') => json(text).map_err(|fault| UsersError::Json {
                file: self.users.clone(),
                fault,
            })?,
            _ => csv(text).map_err(|fault| UsersError::Csv {
                file: self.users.clone(),
                fault,
            })?,
        };
        if users.is_empty() {
            return Err(UsersError::Nobody(self.users.clone()));
        }
        let wanted = self
            .database
            .clone()
            .or_else(|| name_of(text, target.port(), &target.base));
        of_database(users, wanted).map(Users)
    }
}

fn of_database(users: Vec<User>, wanted: Option<String>) -> Result<Vec<User>, UsersError> {
    let mut names: Vec<String> = users
        .iter()
        .filter_map(|user| user.database.clone())
        .collect();
    names.dedup();
    let wanted = match (wanted, names.as_slice()) {
        (Some(name), [_, ..]) => name,
        (None, [_, _, ..]) => return Err(UsersError::Which(names)),
        (_, []) | (None, [_]) => return Ok(users),
    };
    let of_it = |user: &User| user.database.as_ref().is_none_or(|name| *name == wanted);
    let found: Vec<User> = users.into_iter().filter(of_it).collect();
    match found.is_empty() {
        true => Err(UsersError::NoSuchDatabase(wanted)),
        false => Ok(found),
    }
}

/// One array, or one object a line.
fn json(text: &str) -> Result<Vec<User>, serde_json::Error> {
    match text.starts_with('[') {
        true => serde_json::from_str(text),
        false => serde_json::Deserializer::from_str(text)
            .into_iter()
            .collect(),
    }
}

/// Named columns, after a comma or, as a Russian Excel saves them, a semicolon.
fn csv(text: &str) -> Result<Vec<User>, csv::Error> {
    let head = text.lines().next().unwrap_or_default();
    let delimiter = if head.contains(';') { b';' } else { b',' };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    reader.deserialize().collect()
}

/// What was printed at the first start. By the gateway, below a database's name:
/// `    NAME  PASSWORD  (ROLE)  barcode BARCODE`; by the backend, below `DATABASE (ID)`:
/// `  ROLE  NAME  PASSWORD  BARCODE`.
fn told_at_start(text: &str) -> Vec<User> {
    let mut users = Vec::new();
    let mut database = None;
    for line in text.lines() {
        let parts: Vec<&str> = line.trim_start().split("  ").collect();
        let (name, password, role, barcode) = match parts.as_slice() {
            [name, password, told, rest @ ..] if line.starts_with("    ") => {
                let barcode = rest.first().and_then(|told| told.split(' ').nth(1));
                (name, password, role(told.trim_matches(['(', ')'])), barcode)
            }
            [told, name, password, barcode] if line.starts_with("  ") => {
                (name, password, role(told), Some(*barcode))
            }
            [name] => {
                let name = name.split_once(" (").map_or(*name, |(name, _)| name);
                database = (!name.is_empty()).then(|| name.to_owned());
                continue;
            }
            _ => continue,
        };
        let Some(role) = role else { continue };
        users.push(User {
            name: (*name).to_owned(),
            password: (*password).to_owned(),
            barcode: barcode.filter(|code| *code != "-").map(str::to_owned),
            role,
            database: database.clone(),
        });
    }
    users
}

fn role(told: &str) -> Option<Role> {
    match told {
        "mobile-user" | "mobile user" | "мобильный пользователь" => {
            Some(Role::MobileUser)
        }
        "external-connection" | "external connection" | "внешнее подключение" => {
            Some(Role::ExternalConnection)
        }
        "administrator" | "администратор" => Some(Role::Administrator),
        _ => None,
    }
}

/// The database that listens on `port`, or whose id begins the path, by the ready line of a saved
/// output.
fn name_of(text: &str, port: u16, path: &str) -> Option<String> {
    let ready = text.lines().find_map(|line| line.strip_prefix("ready "))?;
    let ready: Value = serde_json::from_str(ready).ok()?;
    let end = format!(":{port}");
    let first = path.split('/').nth(1).unwrap_or_default();
    let is_asked = |database: &&Value| {
        let field = |name: &str| database.get(name).and_then(Value::as_str);
        field("address").is_some_and(|address| address.ends_with(&end))
            || field("id").is_some_and(|id| id.eq_ignore_ascii_case(first))
    };
    let found = ready.get("databases")?.as_array()?.iter().find(is_asked)?;
    Some(found.get("name")?.as_str()?.to_owned())
}

impl Users {
    pub(crate) fn new(users: Vec<User>) -> Self {
        Self(users)
    }

    /// The first with this role.
    pub(crate) fn one(&self, role: Role) -> Option<&User> {
        self.0.iter().find(|user| user.role == role)
    }

    /// Those who work with terminals.
    pub(crate) fn with_terminals(&self) -> Vec<&User> {
        let mobile = self.0.iter().filter(|user| user.role == Role::MobileUser);
        mobile.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = r#"Smarts Gateway 0.1.0 работает.

  Магазин 15  https://localhost:9706  https://HOST:9706
  Порт сервера (все базы):  https://localhost:10501  https://HOST:10501

Созданы демонстрационные базы. Пароли показываются один раз, запишите их:
  Магазин 15
    Администратор  Aa1-x(y  (администратор)
    Иванов  p w  (мобильный пользователь)  штрихкод 2000000000015
  Курьер
    Орлов  q  (mobile user)  barcode 2000000000022
    Обмен  r  (external connection)

ready {"databases":[{"id":"a","name":"Магазин 15","address":"[::]:9706"},{"id":"b","name":"Курьер","address":"[::]:9708"}]}
"#;

    #[test]
    fn what_the_gateway_printed_is_read_in_both_languages() {
        let users = told_at_start(START);
        let names: Vec<&str> = users.iter().map(|user| user.name.as_str()).collect();
        assert_eq!(names, ["Администратор", "Иванов", "Орлов", "Обмен"]);
        assert_eq!(users[0].password, "Aa1-x(y");
        assert_eq!(users[1].password, "p w");
        assert_eq!(users[1].barcode.as_deref(), Some("2000000000015"));
        assert_eq!(users[1].database.as_deref(), Some("Магазин 15"));
        assert_eq!(users[2].barcode.as_deref(), Some("2000000000022"));
        assert_eq!(users[3].role, Role::ExternalConnection);
        let name = |port, path| name_of(START, port, path);
        assert_eq!(name(9708, "/api/v1").as_deref(), Some("Курьер"));
        assert_eq!(name(10501, "/B/api/v1").as_deref(), Some("Курьер"));
        assert_eq!(name(970, "/api/v1"), None);
    }

    #[test]
    fn what_the_backend_printed_is_read() {
        let users = told_at_start(
            "Магазин 15 (21e6d501)\n  administrator  Администратор  Aa1  -\n  \
             mobile-user  Иванов  p  2000000000015\nready {\"address\":\"127.0.0.1:1\"}\n",
        );
        assert_eq!(users.len(), 2);
        assert_eq!(users[0].role, Role::Administrator);
        assert_eq!(users[0].barcode, None);
        assert_eq!(users[1].name, "Иванов");
        assert_eq!(users[1].barcode.as_deref(), Some("2000000000015"));
        assert_eq!(users[1].database.as_deref(), Some("Магазин 15"));
    }

    #[test]
    fn a_file_of_several_databases_needs_one_of_them() {
        let of =
            |wanted: Option<&str>| of_database(told_at_start(START), wanted.map(str::to_owned));
        assert_eq!(of(Some("Курьер")).unwrap().len(), 2);
        assert!(matches!(of(None), Err(UsersError::Which(names)) if names.len() == 2));
        assert!(matches!(of(Some("x")), Err(UsersError::NoSuchDatabase(_))));
    }

    #[test]
    fn json_and_csv_say_the_same() {
        let expected = vec![
            User {
                name: "Иванов".to_owned(),
                password: "a,b".to_owned(),
                barcode: Some("2".to_owned()),
                role: Role::MobileUser,
                database: None,
            },
            User {
                name: "Обмен".to_owned(),
                password: "x".to_owned(),
                barcode: None,
                role: Role::ExternalConnection,
                database: None,
            },
        ];
        let array = r#"[{"name":"Иванов","password":"a,b","barcode":"2"},
            {"name":"Обмен","password":"x","role":"external-connection"}]"#;
        assert_eq!(json(array).unwrap(), expected);
        let lines = "{\"name\":\"Иванов\",\"password\":\"a,b\",\"barcode\":\"2\"}\n\
            {\"name\":\"Обмен\",\"password\":\"x\",\"role\":\"external-connection\"}\n";
        assert_eq!(json(lines).unwrap(), expected);
        let comma = "name,password,barcode,role\nИванов,\"a,b\",2,mobile-user\n\
            Обмен,x,,external-connection\n";
        assert_eq!(csv(comma).unwrap(), expected);
        let semicolon = "role;name;password;barcode\nmobile-user;Иванов;a,b;2\n\
            external-connection;Обмен;x;\n";
        assert_eq!(csv(semicolon).unwrap(), expected);
        assert!(csv("name,password,role\na,b,boss\n").is_err());
        assert!(json("{\"name\":\"a\"}").is_err());
    }

    #[test]
    fn a_password_is_never_shown_by_debug() {
        let shown = format!("{:?}", told_at_start(START));
        assert!(
            shown.contains("Иванов") && !shown.contains("p w"),
            "{shown}"
        );
    }
}
