//! Where the first passwords are read once, when what a service prints is kept.
//!
//! Under systemd stdout is the journal, on disk for months. The service's runtime folder is in
//! memory, its user's alone, and gone with the service.

use std::{
    fs, io,
    io::Write,
    os::{
        fd::AsFd,
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

/// Writes what must not be printed into the runtime folder, and says where; nothing where stdout
/// is no journal or there is no such folder, so that printing is the only way.
///
/// # Errors
/// When the file cannot be written.
pub fn aside(text: &str) -> io::Result<Option<PathBuf>> {
    let folders = std::env::var("RUNTIME_DIRECTORY").unwrap_or_default();
    let folder = folders.split(':').next().unwrap_or_default();
    let journal = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    if folder.is_empty() || !is_stdout(&journal)? {
        return Ok(None);
    }
    write(Path::new(folder), text).map(Some)
}

/// `DEVICE:INODE`, as systemd names the stream that it has connected (systemd.exec(5)).
fn is_stdout(journal: &str) -> io::Result<bool> {
    let stdout = fs::File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let found = stdout.metadata()?;
    Ok(journal == format!("{}:{}", found.dev(), found.ino()))
}

fn write(folder: &Path, text: &str) -> io::Result<PathBuf> {
    let file = folder.join("first-passwords");
    let mut out = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&file)?;
    out.write_all(text.as_bytes())?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stdout_is_the_journal_only_where_device_and_inode_agree() {
        let stdout = fs::File::from(io::stdout().as_fd().try_clone_to_owned().unwrap());
        let found = stdout.metadata().unwrap();
        let (device, inode) = (found.dev(), found.ino());
        assert!(is_stdout(&format!("{device}:{inode}")).unwrap());
        for other in ["", "8:1", &format!("{device}:{}", inode + 1)] {
            assert!(!is_stdout(other).unwrap(), "{other}");
        }
    }

    #[test]
    fn the_file_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = write(folder.path(), "Иванов  secret\n").unwrap();
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(file).unwrap(), "Иванов  secret\n");
    }
}
