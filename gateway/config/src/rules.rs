//! Rules between keys, and between the file and the world around it.
//!
//! They read the tree and not the types, so that one misspelt key does not hide what else is
//! wrong. A value that does not fit its own key is passed over: `shape` named it already.

pub(crate) mod certificates;
mod lists;
mod ports;
mod users;

use std::{
    collections::HashMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

use backend_types::DatabaseId;
use gateway_policy::{password::IndexKey, proxy_protocol::TrustedProxies};
use log_files::Log;

use crate::{
    Cause, Net, Overrides, config, database, file,
    finding::Findings,
    tree::{Mark, Node, Value, join},
};

/// Adds what contradicts itself, another key or the file system.
pub(crate) fn check(root: &Node, overrides: &Overrides, findings: &mut Findings) {
    let root = View::of(root);
    if root.get("backend").is_none() && root.get("databases").is_none() {
        findings.add(Mark::START, "", Cause::NoSource {});
    }
    metrics_stay_private(&root, findings);
    log_has_room_for_two_files(&root, findings);
    not_everybody_is_trusted(&root, findings);
    ports::check(&root, findings);
    if let Some(https) = root.at(&["server", "https"]).filter(View::is_false) {
        https.add(Cause::HttpsOff {}, findings);
    }
    certificates::are_there(&root, findings);
    if let Some(server) = root.get("server") {
        certificates::are_there(&server, findings);
        tls_is_not_old(&server, findings);
        old_tls_leads_somewhere(&server, &root, findings);
    }
    secret_is_private(root.at(&["backend", "key_file"]), findings);
    account_can_be_sent(root.get("account"), findings);

    let databases = root.items("databases");
    ids_are_unique(&databases, findings);
    let data = match (&overrides.data, root.text_of("data")) {
        (Some(data), _) => data.clone(),
        (None, Some(data)) => data.into(),
        (None, None) => config::default_data(),
    };
    let key = index_key(&root, &data, findings);
    let defaults = key.map(users::DefaultPasswords::under);
    let folders = folders(&databases, &data);
    for (database, folder) in databases.iter().zip(&folders) {
        database_agrees(database, &root, findings);
        users::check(database, defaults.as_ref(), findings);
        lists::check(database, folder, findings);
    }
    folders_are_apart(&databases, &folders, findings);
}

/// A node with its path.
struct View<'tree> {
    node: &'tree Node,
    path: String,
}

impl<'tree> View<'tree> {
    fn of(root: &'tree Node) -> Self {
        View {
            node: root,
            path: String::new(),
        }
    }

    fn get(&self, key: &str) -> Option<Self> {
        self.node.get(key).map(|node| View {
            node,
            path: join(&self.path, key),
        })
    }

    fn at(&self, keys: &[&str]) -> Option<Self> {
        let (first, below) = keys.split_first()?;
        let view = self.get(first)?;
        if below.is_empty() {
            Some(view)
        } else {
            view.at(below)
        }
    }

    /// The items of the list under a key; none where there is no list.
    fn items(&self, key: &str) -> Vec<Self> {
        let Some(list) = self.get(key) else {
            return Vec::new();
        };
        let view = |(place, node): (usize, &'tree Node)| View {
            node,
            path: format!("{}[{place}]", list.path),
        };
        list.node.items().iter().enumerate().map(view).collect()
    }

    fn text(&self) -> Option<&'tree str> {
        self.node.text()
    }

    /// The text under a key.
    fn text_of(&self, key: &str) -> Option<&'tree str> {
        self.node.get(key).and_then(Node::text)
    }

    fn parse<T: FromStr>(&self) -> Option<T> {
        self.text().and_then(|text| text.parse().ok())
    }

    fn is_false(&self) -> bool {
        self.text() == Some("false")
    }

    fn is_true(&self) -> bool {
        self.text() == Some("true")
    }

    fn line(&self) -> String {
        self.node.mark.line.to_string()
    }

    fn add(&self, cause: Cause, findings: &mut Findings) {
        findings.add(self.node.mark, &self.path, cause);
    }
}

fn metrics_stay_private(root: &View<'_>, findings: &mut Findings) {
    if let Some(view) = root.get("metrics")
        && let Some(address) = view.parse::<SocketAddr>()
        && !address.ip().to_canonical().is_loopback()
    {
        let text = address.to_string();
        view.add(Cause::MetricsPublic { text }, findings);
    }
}

fn log_has_room_for_two_files(root: &View<'_>, findings: &mut Findings) {
    let Some(log) = root.get("log") else { return };
    let default = Log::default();
    let file = log.get("file_mib");
    let total = log.get("total_mib");
    let least = file
        .as_ref()
        .map_or(Some(default.file_mib), View::parse)
        .and_then(|file| file.checked_mul(2));
    let given = total.as_ref().map_or(Some(default.total_mib), View::parse);
    if let (Some(least), Some(given)) = (least, given)
        && given < least
        && let Some(at) = total.or(file)
    {
        let cause = Cause::LogTooSmall {
            total: given.to_string(),
            least: least.to_string(),
        };
        at.add(cause, findings);
    }
}

fn not_everybody_is_trusted(root: &View<'_>, findings: &mut Findings) {
    let items = root.items("trusted_proxies");
    let nets: Vec<_> = items.iter().map(View::parse::<Net>).collect();
    let mut named = false;
    for (item, net) in items.iter().zip(&nets) {
        if let Err(everybody) = TrustedProxies::new(net.map(|net| net.0)) {
            let text = everybody.0.to_string();
            item.add(Cause::TrustsEverybody { text }, findings);
            named = true;
        }
    }
    // Halves that are harmless by themselves may be everybody together.
    if let Some(list) = root.get("trusted_proxies").filter(|_| !named)
        && let Err(everybody) = TrustedProxies::new(nets.into_iter().flatten().map(|net| net.0))
    {
        let text = everybody.0.to_string();
        list.add(Cause::TrustsEverybody { text }, findings);
    }
}

fn tls_is_not_old(above: &View<'_>, findings: &mut Findings) {
    let Some(tls) = above.get("tls") else { return };
    match tls.text() {
        Some("old") => tls.add(Cause::TlsOld {}, findings),
        Some("old-for-everyone") => tls.add(Cause::TlsOldForEveryone {}, findings),
        _ => {}
    }
}

/// A request at the server port is judged by its database's profile too.
fn old_tls_leads_somewhere(server: &View<'_>, root: &View<'_>, findings: &mut Findings) {
    let is_old = |view: &View<'_>| matches!(view.text_of("tls"), Some("old" | "old-for-everyone"));
    // What databases a backend has is not known here.
    let all_known = root.get("backend").is_none();
    if let Some(tls) = server.get("tls")
        && is_old(server)
        && all_known
        && !root.items("databases").iter().any(is_old)
    {
        tls.add(Cause::TlsOldForNobody {}, findings);
    }
}

fn secret_is_private(secret: Option<View<'_>>, findings: &mut Findings) {
    if let Some(view) = secret
        && let Some(text) = view.text()
        && let Err(cause) = file::private(Path::new(text))
    {
        view.add(cause, findings);
    }
}

/// A service account's name, and the password in its file.
fn account_can_be_sent(account: Option<View<'_>>, findings: &mut Findings) {
    let Some(account) = account else { return };
    if let Some(name) = account.get("name")
        && let Some(text) = name.text()
        && text.contains(|c: char| c == ':' || c.is_control())
    {
        name.add(Cause::NotAnAccountName {}, findings);
    }
    if let Some(file) = account.get("password_file")
        && let Some(text) = file.text()
        && let Err(cause) = file::password(Path::new(text))
    {
        file.add(cause, findings);
    }
}

fn ids_are_unique(databases: &[View<'_>], findings: &mut Findings) {
    let mut lines: HashMap<DatabaseId, String> = HashMap::new();
    for view in databases.iter().filter_map(|database| database.get("id")) {
        let Some(id) = view.parse::<DatabaseId>() else {
            continue;
        };
        match lines.get(&id) {
            Some(line) => {
                let (id, line) = (id.to_string(), line.clone());
                view.add(Cause::DuplicateDatabase { id, line }, findings);
            }
            None => drop(lines.insert(id, view.line())),
        }
    }
}

/// The key of the blind indexes of YAML users; none before the first `gateway hash`.
fn index_key(root: &View<'_>, data: &Path, findings: &mut Findings) -> Option<IndexKey> {
    let path = data.join("secrets/index.key");
    let cause = match file::secret(&path) {
        Ok(text) => match IndexKey::from_hex(text?.trim()) {
            Some(key) => return Some(key),
            None => Cause::NotAnIndexKey {
                file: path.display().to_string(),
            },
        },
        Err(cause) => cause,
    };
    let key = root.get("data");
    key.as_ref().unwrap_or(root).add(cause, findings);
    None
}

fn folders(databases: &[View<'_>], data: &Path) -> Vec<PathBuf> {
    let known: Vec<(&str, Option<&Path>)> = databases
        .iter()
        .map(|database| {
            let folder = database.text_of("folder").map(Path::new);
            (database.text_of("name").unwrap_or_default(), folder)
        })
        .collect();
    database::folders(data, &known)
}

fn folders_are_apart(databases: &[View<'_>], folders: &[PathBuf], findings: &mut Findings) {
    let mut holders: HashMap<&Path, &View<'_>> = HashMap::new();
    for (database, folder) in databases.iter().zip(folders) {
        match (holders.get(folder.as_path()), database.get("folder")) {
            (Some(first), Some(view)) => {
                let (holder, line) = (first.path.clone(), first.line());
                view.add(Cause::SharedFolder { holder, line }, findings);
            }
            _ => drop(holders.insert(folder, database)),
        }
    }
}

/// The keys of one database among themselves.
fn database_agrees(database: &View<'_>, root: &View<'_>, findings: &mut Findings) {
    certificates::are_there(database, findings);
    account_can_be_sent(database.get("account"), findings);
    if let Some(mode) = database.get("mode")
        && let Some(text @ ("folder" | "device")) = mode.text()
    {
        let text = text.to_owned();
        mode.add(Cause::PortsStayClosed { mode: text }, findings);
    }

    let key = database.get("authentication");
    let authentication = key.as_ref().map_or(Some("gateway"), View::text);
    let plain = database.get("https").filter(View::is_false);
    if let Some(https) = &plain {
        https.add(Cause::HttpsOff {}, findings);
        if matches!(authentication, Some("gateway" | "upstream")) {
            let at = key.as_ref().unwrap_or(https);
            at.add(Cause::AuthenticationWithoutHttps {}, findings);
        }
    }
    tls_is_not_old(database, findings);
    let shown = database.get("client_certificates");
    if let Some(shown) = shown.filter(|shown| plain.is_some() && shown.text() != Some("off")) {
        shown.add(Cause::ClientCertificatesWithoutHttps {}, findings);
    }
    if let Some(key) = key.filter(|_| authentication == Some("none")) {
        key.add(Cause::AuthenticationOff {}, findings);
    }
    let print = database.at(&["print", "authentication"]);
    if let Some(print) = print.filter(|print| print.text() == Some("pass")) {
        print.add(Cause::AuthenticationOff {}, findings);
    }

    let account = database.get("account");
    let shared = root.get("account");
    let has_shared = shared.is_some_and(|view| matches!(view.node.value, Value::Map(_)));
    if let Some(account) = &account
        && account.text() == Some("shared")
        && !has_shared
    {
        account.add(Cause::NoSharedAccount {}, findings);
    }

    let filled = |key: &str| {
        let view = database.get(key);
        view.filter(|view| !view.node.items().is_empty())
    };
    match authentication {
        Some("gateway") => {
            if let Some(paths) = filled("login_paths") {
                paths.add(Cause::LoginPathsUnused {}, findings);
            }
            if filled("users").is_none() {
                let users = database.get("users");
                let at = users.as_ref().unwrap_or(database);
                at.add(Cause::NoUsers {}, findings);
            }
        }
        Some("upstream") => {
            if let Some(users) = filled("users") {
                users.add(Cause::UsersOfUpstream {}, findings);
            }
            if let Some(login) = database.get("barcode_login").filter(View::is_true) {
                login.add(Cause::BarcodeLoginUnused {}, findings);
            }
            if let Some(account) = account.filter(|view| view.text() != Some("none")) {
                account.add(Cause::AccountWithUpstream {}, findings);
            }
            if let Some(rights) = database
                .get("rights")
                .filter(|view| view.text() != Some("pass"))
            {
                rights.add(Cause::RightsWithoutRoles {}, findings);
            }
        }
        _ => {}
    }
}
