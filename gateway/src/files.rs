//! Files that no reader ever sees half, and that a power loss leaves whole.

use std::{
    ffi::OsString,
    fs,
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, fchown},
    path::{Path, PathBuf},
};

/// Replaces `file` by `bytes`: written beside, synced, renamed, the folder synced.
pub(crate) fn replace(file: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let beside = beside(file, "", ".new")?;
    let mut out = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&beside)?;
    out.write_all(bytes)?;
    out.sync_all()?;
    put(&beside, file)
}

/// Replaces an administrator's own `file`, keeping its mode and owner, unless `still` denies at
/// the last moment that it is the file which `bytes` were made from. Says whether it was written.
pub(crate) fn rewrite(file: &Path, bytes: &[u8], still: impl FnOnce() -> bool) -> io::Result<bool> {
    // What a link points to is rewritten, and stays linked.
    let (file, before) = match fs::canonicalize(file) {
        Ok(target) => (target.clone(), Some(fs::metadata(target)?)),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => (file.to_owned(), None),
        Err(fault) => return Err(fault),
    };
    let beside = beside(&file, ".", ".new")?;
    let written = write_beside(&beside, bytes, before.as_ref());
    let put = written.and_then(|()| match still() {
        true => put(&beside, &file).map(|()| true),
        false => Ok(false),
    });
    if !matches!(put, Ok(true)) {
        drop(fs::remove_file(&beside));
    }
    put
}

fn write_beside(beside: &Path, bytes: &[u8], before: Option<&fs::Metadata>) -> io::Result<()> {
    match fs::remove_file(beside) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(fault),
        Ok(()) | Err(_) => {}
    }
    // A new one: nobody else may follow a link here, or read what is half written.
    let mut out = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(beside)?;
    out.write_all(bytes)?;
    if let Some(before) = before {
        let ours = out.metadata()?;
        if (ours.uid(), ours.gid()) != (before.uid(), before.gid()) {
            match fchown(&out, Some(before.uid()), Some(before.gid())) {
                // Root can do with our file what it could do with its own.
                Err(fault) if before.uid() != 0 => return Err(fault),
                Ok(()) | Err(_) => {}
            }
        }
        out.set_permissions(before.permissions())?;
    }
    out.sync_all()
}

fn beside(file: &Path, before: &str, behind: &str) -> io::Result<PathBuf> {
    let mut name = OsString::from(before);
    name.push(file.file_name().ok_or(io::ErrorKind::InvalidInput)?);
    name.push(behind);
    Ok(file.with_file_name(name))
}

fn put(beside: &Path, file: &Path) -> io::Result<()> {
    fs::rename(beside, file)?;
    let folder = file.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::File::open(folder)?.sync_all()
}

/// Reads a secret of `LENGTH` bytes kept as hex in `file` (0600), making it at first use.
pub(crate) fn secret<const LENGTH: usize>(file: &Path) -> io::Result<[u8; LENGTH]> {
    let mut secret = [0_u8; LENGTH];
    match fs::read_to_string(file) {
        Ok(text) => hex::decode_to_slice(text.trim(), &mut secret).map_err(|fault| {
            let told = format!("{}: {fault}", file.display());
            io::Error::new(io::ErrorKind::InvalidData, told)
        })?,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => {
            openssl::rand::rand_bytes(&mut secret)?;
            if let Some(folder) = file.parent() {
                fs::create_dir_all(folder)?;
            }
            replace(file, 0o600, hex::encode(secret).as_bytes())?;
        }
        Err(fault) => return Err(fault),
    }
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_rewritten_file_keeps_its_mode_and_stays_where_its_link_points() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (
            folder.path().join("real.dat"),
            folder.path().join("list.dat"),
        );
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o664)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(rewrite(&link, b"new", || true).unwrap());
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert!(link.is_symlink());
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o664);
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            2,
            "nothing is left over"
        );
    }

    #[test]
    fn a_file_that_somebody_else_has_changed_meanwhile_is_not_rewritten() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list.dat");
        fs::write(&file, "theirs").unwrap();
        assert!(!rewrite(&file, b"ours", || false).unwrap());
        assert_eq!(fs::read(&file).unwrap(), b"theirs");
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing is left over"
        );
        let fresh = folder.path().join("fresh.dat");
        assert!(rewrite(&fresh, b"ours", || true).unwrap());
        assert_eq!(fs::read(&fresh).unwrap(), b"ours");
    }

    #[test]
    fn a_secret_is_made_once_readable_by_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secrets").join("index.key");
        let made: [u8; 32] = secret(&file).unwrap();
        assert_eq!(secret::<32>(&file).unwrap(), made);
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn a_damaged_secret_is_a_fault_and_not_a_new_secret() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("index.key");
        fs::write(&file, "abc").unwrap();
        assert!(secret::<32>(&file).is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "abc");
    }
}
