//! Which gateway a command line means when it does not say so: an installed one, or the one of
//! the folder in which it is typed.

use std::{
    env, io,
    path::{Path, PathBuf},
};

use backend_types::Language;
use words::Cause;

use crate::messages;

/// Where packages and `make install` put the file.
const INSTALLED: &str = "/etc/smarts-gateway/gateway.yaml";
/// In the repository.
const HERE: &str = "config/gateway.yaml";
const NAMED: &str = "SMARTS_GATEWAY_CONFIG";

/// The configuration is there and may not be read by who has typed the command.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {source}")]
pub(crate) struct Unreadable {
    file: PathBuf,
    source: io::Error,
}

impl Unreadable {
    pub(crate) fn words(&self, language: Language) -> String {
        let file = self.file.display().to_string();
        let cause = Cause::of(&self.source).words(language);
        let key = match self.source.kind() {
            io::ErrorKind::PermissionDenied => "installation-needs-root",
            _ => "installation-unreadable",
        };
        messages::text(language, key, &[("file", &file), ("cause", &cause)])
    }
}

/// The file of configuration: the one given, the one that the environment names, the installed
/// one, `config/gateway.yaml`.
///
/// A file of the working folder comes last: whoever types a command as root in a stranger's
/// folder means the installed gateway.
pub(crate) fn config_file(given: Option<PathBuf>) -> PathBuf {
    let named = env::var_os(NAMED).filter(|name| !name.is_empty());
    settle(given, named.map(PathBuf::from), Path::new(INSTALLED))
}

fn settle(given: Option<PathBuf>, named: Option<PathBuf>, installed: &Path) -> PathBuf {
    // One that may not be read is there: better to hear that than to be led elsewhere.
    let is_there = || !matches!(installed.try_exists(), Ok(false));
    let installed = || is_there().then(|| installed.to_owned());
    given
        .or(named)
        .or_else(installed)
        .unwrap_or_else(|| HERE.into())
}

/// The data folder: the one given, else the one that the [`config_file`] names.
///
/// # Errors
/// When there is such a file and it cannot be read.
pub(crate) fn data_folder(given: Option<PathBuf>) -> Result<PathBuf, Unreadable> {
    if let Some(given) = given {
        return Ok(given);
    }
    let file = config_file(None);
    match gateway_config::data_folder(&file) {
        Ok(folder) => Ok(folder),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok("./data".into()),
        Err(source) => Err(Unreadable { file, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_comes_before_what_is_installed_and_this_before_what_lies_here() {
        let folder = tempfile::tempdir().unwrap();
        let installed = folder.path().join("gateway.yaml");
        let path = |name: &str| Some(PathBuf::from(name));
        assert_eq!(settle(None, None, &installed), Path::new(HERE));
        std::fs::write(&installed, "").unwrap();
        assert_eq!(settle(None, None, &installed), installed);
        assert_eq!(settle(None, path("b"), &installed), Path::new("b"));
        assert_eq!(settle(path("a"), path("b"), &installed), Path::new("a"));
    }
}
