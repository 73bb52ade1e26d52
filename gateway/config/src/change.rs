//! A wished change of the file → the text with it, and the same as steps for a person.
//!
//! The gateway never writes the file: who runs it may not be who may edit it. It says what to
//! write where; only the command line, as its own user, writes a new server port. Either way the
//! text has been read again here, and a change that would leave a fault is refused with it.

use std::{ops::Range, path::Path};

use backend_types::{
    Account, Change, DatabaseId, DatabaseSettings, Mode, PrintAuthentication, PrintPatch,
    SettingsPatch, TlsProfile,
};
use serde::{Deserialize, Serialize};

use crate::{
    Authentication, Config, DatabaseConfig, Finding, Language, Overrides, Severity, UserConfig,
    check,
    edit::{Edits, Step, Yaml},
    file,
    finding::{self, Findings},
    tree::{self, Node},
};

/// Stands in a new entry where only the administrator knows the existing server.
const SOME_SERVER: &str = "http://127.0.0.1:9000";
const SOME_PRINT_SERVER: &str = "http://127.0.0.1:9001";

/// What somebody wants to be otherwise in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    Database(Change),
    /// Added, or changed where the id is there.
    User {
        database: DatabaseId,
        user: UserConfig,
    },
    RemoveUser {
        database: DatabaseId,
        /// His id.
        user: String,
    },
    Server(ServerPatch),
    /// No longer the files of a certificate: of this database, else the default.
    NoCertificate {
        database: Option<DatabaseId>,
    },
}

/// What is to be otherwise with the server port; `gateway server set`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerPatch {
    pub port: Option<u16>,
    pub https: Option<bool>,
    /// A gateway of before knows no such key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsProfile>,
}

/// A file with what was wished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Every other byte is as it was.
    pub text: String,
    pub config: Config,
    /// The way there by hand; empty where it was so already.
    pub steps: Vec<Step>,
}

/// The wish cannot be had by a change of this file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotChange {
    #[error("the file has faults: {}", listed(.0))]
    Faulty(Vec<Finding>),
    #[error("the change would be a fault: {}", listed(.0))]
    WouldBeFaulty(Vec<Finding>),
    #[error("the file has no database {0}")]
    NoSuchDatabase(DatabaseId),
    #[error("the file has no user {0}")]
    NoSuchUser(String),
    #[error("a database in front of an existing server has no {0}")]
    NoSuchKey(&'static str),
    #[error("the file is written in a way that a program does not change safely")]
    Unclear,
}

fn listed(findings: &[Finding]) -> String {
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

fn faults(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.retain(|finding| finding.severity() == Severity::Fault);
    findings
}

impl CannotChange {
    /// For the administrator.
    #[must_use]
    pub fn words(&self, language: Language) -> String {
        let say = |id, arguments: &[(&'static str, &str)]| finding::say(language, id, arguments);
        let with = |id, findings: &[Finding]| {
            let lines = findings
                .iter()
                .map(|one| format!("\n{}", one.render(language)));
            say(id, &[]) + &lines.collect::<String>()
        };
        match self {
            Self::Faulty(findings) => with("change-faulty", findings),
            Self::WouldBeFaulty(findings) => with("change-would-be-faulty", findings),
            Self::NoSuchDatabase(id) => say("change-no-database", &[("id", id.as_str())]),
            Self::NoSuchUser(id) => say("change-no-user", &[("id", id)]),
            Self::NoSuchKey(key) => say("change-no-key", &[("key", key)]),
            Self::Unclear => say("change-unclear", &[]),
        }
    }
}

/// As [`change`], of a file as it is now.
///
/// # Errors
/// As [`change`]; a file that cannot be read is faulty.
pub fn change_file(
    path: &Path,
    overrides: &Overrides,
    wishes: &[Wish],
) -> Result<Changed, CannotChange> {
    let name = path.display().to_string();
    let text = file::read(path).map_err(|cause| {
        let unread = Finding::new(&name, tree::Mark::START, "", cause);
        CannotChange::Faulty(vec![unread])
    })?;
    change(&text, &name, overrides, wishes)
}

/// The text of `file` with all `wishes`, or why not.
///
/// # Errors
/// The file is faulty, or would be, or has no place for a wish.
pub fn change(
    text: &str,
    file: &str,
    overrides: &Overrides,
    wishes: &[Wish],
) -> Result<Changed, CannotChange> {
    let before = check(text, file, overrides).map_err(|all| CannotChange::Faulty(faults(all)))?;
    let (mark, body) = match text.strip_prefix('\u{feff}') {
        Some(body) => ("\u{feff}", body),
        None => ("", text),
    };
    let root = tree::read(body, &mut Findings::new(file)).ok_or(CannotChange::Unclear)?;
    let mut edits = Edits::new(body);
    for wish in wishes {
        make(wish, &root, &before.config, &mut edits)?;
    }
    let added = wishes.iter().filter_map(|wish| match wish {
        Wish::Database(Change::Add { id, settings }) => Some(entry(id, settings, &before.config)),
        _ => None,
    });
    let added: Vec<Yaml> = added.collect();
    if !added.is_empty() {
        edits.append(&root, "databases", &added);
    }
    let text = format!("{mark}{}", edits.applied());
    let after =
        check(&text, file, overrides).map_err(|all| CannotChange::WouldBeFaulty(faults(all)))?;
    if let [Wish::Server(patch)] = wishes {
        // Nobody looks at this text before it is written.
        let mut wanted = before.config.without_lines();
        wanted.server.port = patch.port.unwrap_or(wanted.server.port);
        wanted.server.https = patch.https.unwrap_or(wanted.server.https);
        wanted.server.tls = patch.tls.unwrap_or(wanted.server.tls);
        if wanted != after.config.without_lines() {
            return Err(CannotChange::Unclear);
        }
    }
    Ok(Changed {
        text,
        config: after.config,
        steps: edits.steps(),
    })
}

fn make(
    wish: &Wish,
    root: &Node,
    config: &Config,
    edits: &mut Edits<'_>,
) -> Result<(), CannotChange> {
    let database = |id: &DatabaseId| {
        let place = config.databases.iter().position(|one| one.id == *id);
        let found = place.and_then(|place| {
            let node = root.get("databases")?.items().get(place)?;
            Some((place, node, config.databases.get(place)?))
        });
        found.ok_or_else(|| CannotChange::NoSuchDatabase(id.clone()))
    };
    match wish {
        Wish::Server(ServerPatch { port, https, tls }) => {
            let mut keys = Vec::new();
            keys.extend(port.map(|port| ("port", word(port))));
            keys.extend(https.map(|https| ("https", word(https))));
            keys.extend(tls.map(|profile| ("tls", word(profile.as_str()))));
            match root.get("server") {
                Some(server) => {
                    for (key, value) in &keys {
                        edits.set(server, key, value);
                    }
                }
                None => edits.set(root, "server", &Yaml::Map(keys)),
            }
        }
        Wish::NoCertificate { database: None } => edits.remove(root, "certificate"),
        Wish::NoCertificate { database: Some(id) } => {
            let (_, node, _) = database(id)?;
            edits.remove(node, "certificate");
        }
        // Several new entries make one place in the file.
        Wish::Database(Change::Add { .. }) => {}
        Wish::Database(Change::Set { id, settings }) => {
            let (_, node, written) = database(id)?;
            set(node, written, settings, config, edits)?;
        }
        Wish::Database(Change::Remove { id }) => {
            let (place, ..) = database(id)?;
            edits.remove_item(root, "databases", place);
        }
        Wish::User { database: id, user } => {
            let (_, node, written) = database(id)?;
            let known = written.users.iter().position(|one| one.id == user.id);
            let users = node.get("users");
            match known.and_then(|place| users?.items().get(place)) {
                Some(node) => set_user(node, user, edits),
                None => edits.append(node, "users", &[user_entry(user)]),
            }
        }
        Wish::RemoveUser { database: id, user } => {
            let (_, node, written) = database(id)?;
            let place = written.users.iter().position(|one| one.id == *user);
            let place = place.ok_or_else(|| CannotChange::NoSuchUser(user.clone()))?;
            edits.remove_item(node, "users", place);
        }
    }
    Ok(())
}

/// A patch in the words of the file.
fn set(
    node: &Node,
    written: &DatabaseConfig,
    patch: &SettingsPatch,
    config: &Config,
    edits: &mut Edits<'_>,
) -> Result<(), CannotChange> {
    let SettingsPatch {
        name,
        folder,
        comment,
        mode,
        https,
        authentication,
        barcode_login,
        port,
        print,
        account,
        compress,
        backups,
        tls,
        client_certificates,
    } = patch;
    if backups.is_some() {
        return Err(CannotChange::NoSuchKey("backups"));
    }
    // Who judges, `gateway` or `upstream`, stays where somebody does already.
    let asked = written.authentication != Authentication::None;
    let authentication = authentication.filter(|wanted| *wanted != asked);
    let mut keys = Vec::new();
    keys.extend(name.as_deref().map(|name| ("name", text(name))));
    if let Some(folder) = folder {
        match folder.as_str() {
            "" => edits.remove(node, "folder"),
            folder => keys.push(("folder", self::folder(folder, config))),
        }
    }
    keys.extend(comment.as_deref().map(|comment| ("comment", text(comment))));
    keys.extend(mode.map(|mode| ("mode", mode_word(mode))));
    keys.extend(https.map(|https| ("https", word(https))));
    keys.extend(authentication.map(|on| ("authentication", authentication_word(on))));
    keys.extend(barcode_login.map(|on| ("barcode_login", word(on))));
    keys.extend(port.map(|port| ("port", word(port))));
    keys.extend(account.as_ref().map(|one| ("account", account_value(one))));
    keys.extend(compress.map(|on| ("compress", word(on))));
    keys.extend(tls.map(|profile| ("tls", word(profile.as_str()))));
    let client_certificates = client_certificates.map(|setting| word(setting.as_str()));
    keys.extend(client_certificates.map(|setting| ("client_certificates", setting)));
    for (key, value) in keys {
        edits.set(node, key, &value);
    }
    if let Some(patch) = print {
        set_print(node, written, patch, edits);
    }
    Ok(())
}

fn set_print(node: &Node, written: &DatabaseConfig, patch: &PrintPatch, edits: &mut Edits<'_>) {
    let mut keys = Vec::new();
    keys.extend(patch.port.map(|port| ("port", word(port))));
    match patch.upstream.as_deref() {
        Some("") => {}
        upstream => keys.extend(upstream.map(|upstream| ("upstream", text(upstream)))),
    }
    let authentication = patch.authentication.map(print_authentication_word);
    keys.extend(authentication.map(|word| ("authentication", word)));
    match node.get("print") {
        _ if patch.used == Some(false) => edits.remove(node, "print"),
        Some(print) => {
            for (key, value) in keys {
                edits.set(print, key, &value);
            }
        }
        None => {
            // As the seed has it, the print server's port follows the data server's.
            let port = written.port.checked_add(u16::from(written.port > 0));
            let missing = [
                ("port", word(port.unwrap_or_default())),
                ("upstream", word(SOME_PRINT_SERVER)),
            ];
            for (place, (key, value)) in missing.into_iter().enumerate() {
                if !keys.iter().any(|(known, _)| *known == key) {
                    keys.insert(place, (key, value));
                }
            }
            edits.set(node, "print", &Yaml::Map(keys));
        }
    }
}

/// A whole new database. What only the administrator knows, the existing server, is a guess that
/// `check` takes.
fn entry(id: &DatabaseId, settings: &DatabaseSettings, config: &Config) -> Yaml {
    let DatabaseSettings {
        name,
        folder,
        comment,
        mode,
        https,
        authentication,
        barcode_login,
        port,
        print,
        account,
        compress,
        backups: _,
        tls,
        client_certificates,
    } = settings;
    let mut keys = vec![("id", text(id.as_str())), ("name", text(name))];
    if !folder.is_empty() {
        keys.push(("folder", self::folder(folder, config)));
    }
    if !comment.is_empty() {
        keys.push(("comment", text(comment)));
    }
    let rights = if *authentication { "smarts" } else { "pass" };
    keys.extend([
        ("mode", mode_word(*mode)),
        ("https", word(https)),
        ("tls", word(tls.as_str())),
        ("client_certificates", word(client_certificates.as_str())),
        ("authentication", authentication_word(*authentication)),
        ("barcode_login", word(barcode_login)),
        ("rights", word(rights)),
        ("port", word(port)),
        ("upstream", word(SOME_SERVER)),
    ]);
    if print.used {
        let upstream = print.upstream.as_deref();
        let upstream = upstream.map_or_else(|| word(SOME_PRINT_SERVER), text);
        keys.push((
            "print",
            Yaml::Map(vec![
                ("port", word(print.port)),
                ("upstream", upstream),
                (
                    "authentication",
                    print_authentication_word(print.authentication),
                ),
            ]),
        ));
    }
    keys.extend([
        ("account", account_value(account)),
        ("compress", word(compress)),
    ]);
    if *authentication {
        keys.push(("users", Yaml::List(Vec::new())));
    }
    Yaml::Map(keys)
}

/// The keys of a user, `None` where he has none.
fn user_keys(user: &UserConfig) -> [(&'static str, Option<Yaml>); 7] {
    let UserConfig {
        id,
        name,
        role,
        password,
        index,
        barcode,
        barcode_index,
    } = user;
    [
        ("id", Some(text(id))),
        ("name", Some(text(name))),
        ("role", Some(word(role))),
        ("password", Some(text(&password.to_string()))),
        ("index", index.as_ref().map(|one| text(&one.to_string()))),
        (
            "barcode",
            barcode.as_ref().map(|one| text(&one.to_string())),
        ),
        (
            "barcode_index",
            barcode_index.as_ref().map(|one| text(&one.to_string())),
        ),
    ]
}

fn user_entry(user: &UserConfig) -> Yaml {
    let keys = user_keys(user).into_iter();
    Yaml::Map(
        keys.filter_map(|(key, value)| Some((key, value?)))
            .collect(),
    )
}

fn set_user(node: &Node, user: &UserConfig, edits: &mut Edits<'_>) {
    for (key, value) in user_keys(user) {
        match value {
            Some(value) => edits.set(node, key, &value),
            None => edits.remove(node, key),
        }
    }
}

fn word(word: impl ToString) -> Yaml {
    Yaml::Word(word.to_string())
}

fn text(text: &str) -> Yaml {
    Yaml::Text(text.to_owned())
}

/// The backend's folders are names under `databases/`, the file's are paths.
fn folder(name: &str, config: &Config) -> Yaml {
    let path = config.data.join("databases").join(name);
    text(&path.display().to_string())
}

fn mode_word(mode: Mode) -> Yaml {
    word(match mode {
        Mode::Server => "server",
        Mode::Folder => "folder",
        Mode::Device => "device",
    })
}

fn authentication_word(on: bool) -> Yaml {
    word(if on { "gateway" } else { "none" })
}

fn print_authentication_word(authentication: PrintAuthentication) -> Yaml {
    word(match authentication {
        PrintAuthentication::Same => "same",
        PrintAuthentication::Pass => "pass",
    })
}

fn account_value(account: &Account) -> Yaml {
    match account {
        Account::None => word("none"),
        Account::Shared => word("shared"),
        Account::Own {
            name,
            password_file,
        } => Yaml::Map(vec![
            ("name", text(name)),
            ("password_file", text(password_file)),
        ]),
    }
}

impl Changed {
    /// What to write where, a paragraph for each place, for the file that people call `file`.
    #[must_use]
    pub fn instructions(&self, file: &str, language: Language) -> String {
        let steps = self.steps.iter();
        let paragraphs: Vec<String> = steps.map(|step| step.words(file, language)).collect();
        paragraphs.join("\n")
    }
}

impl Step {
    /// `gateway.yaml:17` or `gateway.yaml:17-42`, then what to do there.
    fn words(&self, file: &str, language: Language) -> String {
        let place = |lines: &Range<usize>| match lines.len() {
            1 => format!("{file}:{}", lines.start),
            _ => format!("{file}:{}-{}", lines.start, lines.end - 1),
        };
        let (place, id, lines) = match self {
            Self::Replace { lines, with } if lines.len() == 1 && with.len() == 1 => {
                let line = with.concat();
                let arguments = [("line", line.trim())];
                let words = finding::say(language, "step-write", &arguments);
                return format!("{}: {words}", place(lines));
            }
            Self::Replace { lines, with } => (place(lines), "step-replace", with.as_slice()),
            Self::Insert { after, lines } => {
                (format!("{file}:{after}"), "step-insert", lines.as_slice())
            }
            Self::Delete { lines } => (place(lines), "step-delete", [].as_slice()),
        };
        let words = finding::say(language, id, &[]);
        let below = lines.iter().map(|line| format!("\n{line}"));
        format!("{place}: {words}{}", below.collect::<String>())
    }
}

#[cfg(test)]
mod tests;
