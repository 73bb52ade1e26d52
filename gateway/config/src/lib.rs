//! The gateway's YAML: types, and every fault of a file at once, each with its place.
//!
//! A file is read twice. First by a parser that keeps positions into a [tree](tree), which is
//! held against the JSON schema of the types ([`shape`]) and then against the rules between keys
//! ([`rules`]); only a tree without faults is handed to serde_yaml, which fills the types. So the
//! types are the one source of what is legal: the schema, the list of keys in `REFERENCE.md` and
//! the messages follow from them. Anchors, tags and several documents in a file are refused: nothing here may
//! grow beyond the file it was read from.
//!
//! A wished change of a file is made to its text ([`change()`]): comments, order and style stay.
//!
//! Files are looked at (do they exist, who may read them), never held open or watched. Relative
//! paths are relative to the working directory of the process.

mod change;
mod config;
mod database;
mod edit;
mod file;
mod finding;
mod nearest;
mod rules;
mod schema;
mod shape;
mod tree;
mod values;

use std::path::{Path, PathBuf};

pub use backend_types::Language;
pub use change::{CannotChange, Changed, ServerPatch, Wish, change, change_file};
pub use config::{
    Backend, CertificatePair, Config, Limits, Metrics, RemoteBackend, ServerPort, ServiceAccount,
    SharedAccount,
};
pub use database::{
    Account, Authentication, DatabaseConfig, Method, PrintAuthentication, PrintConfig, Rights,
    RightsRule, UserConfig, folder_name,
};
pub use edit::Step;
pub use finding::{Cause, Finding, Severity};
pub use rules::certificates::NamedPair;
pub use schema::{Key, Kind, Preset, json_schema, key_list};
pub use values::{BlindIndex, Net, PasswordHash, Upstream, UrlPath};

/// The embedded deployment as it is shipped.
pub const DEFAULT: &str = include_str!("../../../config/gateway.yaml");

/// What the command line says in place of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// In place of the key `data`.
    pub data: Option<PathBuf>,
}

/// A file without faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    pub config: Config,
    pub warnings: Vec<Finding>,
}

/// Reads and checks the file.
///
/// # Errors
/// Every fault of the file and, among them, its warnings, in the order of the file.
pub fn load(path: &Path, overrides: &Overrides) -> Result<Loaded, Vec<Finding>> {
    let name = path.display().to_string();
    match file::read(path) {
        Ok(text) => check(&text, &name, overrides),
        Err(cause) => Err(vec![Finding::new(&name, tree::Mark::START, "", cause)]),
    }
}

/// The data folder that the file names, else the default one. A file with faults, even one that
/// is no YAML, has its key `data`: the gateway may be running on it.
///
/// # Errors
/// When the file cannot be read.
pub fn data_folder(path: &Path) -> std::io::Result<PathBuf> {
    let text = std::fs::read_to_string(path)?;
    let mut findings = finding::Findings::new("");
    let named = |text: &str, findings: &mut finding::Findings| {
        let root = tree::read(text, findings)?;
        let data = root.get("data").and_then(tree::Node::text);
        data.map(PathBuf::from)
    };
    let alone = || text.lines().find(|line| line.starts_with("data:"));
    let data =
        named(&text, &mut findings).or_else(|| alone().and_then(|line| named(line, &mut findings)));
    Ok(data.unwrap_or_else(config::default_data))
}

/// The certificates that the file names for ports with https, each with its place. A file with
/// faults has them all the same; one that is no YAML has none.
#[must_use]
pub fn named_certificates(path: &Path) -> Vec<NamedPair> {
    let name = path.display().to_string();
    let text = file::read(path).unwrap_or_default();
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let root = tree::read(text, &mut finding::Findings::new(&name));
    root.map(|root| rules::certificates::named(&root, &name))
        .unwrap_or_default()
}

/// Checks the text of a file that messages call `file`.
///
/// # Errors
/// As [`load`].
pub fn check(text: &str, file: &str, overrides: &Overrides) -> Result<Loaded, Vec<Finding>> {
    let mut findings = finding::Findings::new(file);
    // Notepad's byte order mark; serde_yaml would take it for the beginning of a key.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let root = tree::read(text, &mut findings);
    if let Some(root) = &root {
        shape::check(root, &mut findings);
        rules::check(root, overrides, &mut findings);
    }
    let config = if findings.has_faults() {
        None
    } else {
        fill(text, root.as_ref(), overrides, &mut findings)
    };
    let findings = findings.in_order();
    match config {
        Some(config) => Ok(Loaded {
            config,
            warnings: findings,
        }),
        None => Err(findings),
    }
}

/// Whether a secret's file may be read by nobody who should not, as the check of the configuration
/// wants it.
///
/// # Errors
/// It is not there, or others may read it.
pub fn private(file: &Path) -> Result<(), Cause> {
    file::private(file)
}

/// The password of a service account, read anew: the file may have changed since the check.
///
/// # Errors
/// Why it cannot be used.
pub fn password(file: &Path) -> Result<zeroize::Zeroizing<String>, Cause> {
    file::password(file)
}

fn fill(
    text: &str,
    root: Option<&tree::Node>,
    overrides: &Overrides,
    findings: &mut finding::Findings,
) -> Option<Config> {
    match serde_yaml::from_str::<Config>(text) {
        Ok(mut config) => {
            if let Some(data) = &overrides.data {
                config.data.clone_from(data);
            }
            config.settle_folders();
            let entries = root.and_then(|root| root.get("databases"));
            let entries = entries.into_iter().flat_map(tree::Node::items);
            for (database, entry) in config.databases.iter_mut().zip(entries) {
                database.line = entry.mark.line;
            }
            Some(config)
        }
        Err(error) => {
            let mark = error.location().map_or(tree::Mark::START, |place| {
                tree::Mark::new(place.line(), place.column())
            });
            let detail = error.to_string();
            findings.add(mark, "", Cause::Unreadable { detail });
            None
        }
    }
}

#[cfg(test)]
mod tests;
