//! `backend.yaml`: where the data lies and where the separate backend listens. Strict keys.

use std::{
    fs, io,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use backend_types::Language;
use serde::Deserialize;

use crate::{Listen, Options, SharedKey};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    data: PathBuf,
    /// `unix:PATH` or `HOST:PORT`.
    listen: String,
    #[serde(default)]
    key_file: Option<PathBuf>,
    #[serde(default)]
    language: Language,
}

/// Why the file cannot be used. Line and column are serde's.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{file}: {source}")]
    File { file: PathBuf, source: io::Error },
    #[error("{file}: {source}")]
    Yaml {
        file: PathBuf,
        source: serde_yaml::Error,
    },
    #[error("{file}: listen: \"{text}\" is neither unix:PATH nor ADDRESS:PORT")]
    Listen { file: PathBuf, text: String },
    #[error("{file}: its mode is {mode:o}; a key must be readable by its owner alone (0600)")]
    KeyReadable { file: PathBuf, mode: u32 },
    #[error("{file}: a key has at least 16 characters")]
    KeyShort { file: PathBuf },
}

/// Reads the file and the key that it names.
///
/// # Errors
/// See [`ConfigError`].
pub fn read(file: &Path) -> Result<Options, ConfigError> {
    let fault = |source| ConfigError::File {
        file: file.to_owned(),
        source,
    };
    let text = fs::read_to_string(file).map_err(fault)?;
    let yaml: File = serde_yaml::from_str(&text).map_err(|source| ConfigError::Yaml {
        file: file.to_owned(),
        source,
    })?;
    let listen = match yaml.listen.strip_prefix("unix:") {
        Some(path) if !path.is_empty() => Some(Listen::Unix(path.into())),
        Some(_) => None,
        None => yaml.listen.parse::<SocketAddr>().ok().map(Listen::Tcp),
    };
    let listen = listen.ok_or_else(|| ConfigError::Listen {
        file: file.to_owned(),
        text: yaml.listen.clone(),
    })?;
    let key = yaml.key_file.as_deref().map(read_key).transpose()?;
    Ok(Options {
        data: yaml.data,
        listen,
        key,
        language: yaml.language,
    })
}

/// The first line of a file that only its owner can read.
///
/// # Errors
/// See [`ConfigError`].
pub fn read_key(file: &Path) -> Result<SharedKey, ConfigError> {
    let fault = |source| ConfigError::File {
        file: file.to_owned(),
        source,
    };
    let mode = fs::metadata(file).map_err(fault)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let file = file.to_owned();
        return Err(ConfigError::KeyReadable { file, mode });
    }
    let text = fs::read_to_string(file).map_err(fault)?;
    let key = text.lines().next().unwrap_or_default().trim();
    if key.chars().count() < 16 {
        let file = file.to_owned();
        return Err(ConfigError::KeyShort { file });
    }
    Ok(SharedKey::new(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        (folder, file)
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let (_folder, file) = written("data: ./data\nlisten: unix:./s\nportt: 1\n", 0o644);
        let fault = read(&file).unwrap_err().to_string();
        assert!(
            fault.contains("portt") && fault.contains("line 3"),
            "{fault}"
        );
    }

    #[test]
    fn a_socket_or_an_address_is_taken_and_nothing_else() {
        let listens = |listen: &str| {
            let (_folder, file) = written(&format!("data: d\nlisten: \"{listen}\"\n"), 0o644);
            read(&file).map(|options| options.listen.to_string()).ok()
        };
        assert_eq!(listens("unix:/run/s"), Some("unix:/run/s".to_owned()));
        assert_eq!(listens("127.0.0.1:0"), Some("127.0.0.1:0".to_owned()));
        for wrong in ["unix:", "localhost", "9000", "/run/s"] {
            assert_eq!(listens(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_shipped_file_is_understood() {
        let text = include_str!("../../config/backend.yaml");
        let file: File = serde_yaml::from_str(text).unwrap();
        assert_eq!(file.listen, "127.0.0.1:10510");
        assert!(file.key_file.is_some());
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let (_folder, file) = written("0123456789abcdef\n", 0o640);
        assert!(matches!(
            read_key(&file),
            Err(ConfigError::KeyReadable { mode: 0o640, .. })
        ));
        let (_folder, twin) = written("0123456789abcdef\n", 0o600);
        assert!(read_key(&twin).is_ok());
    }
}
