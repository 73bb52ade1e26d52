//! Files that no reader ever sees half, and that a power loss leaves whole.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Replaces `file` by `bytes`: written beside, synced, renamed, the folder synced.
pub(crate) fn replace(file: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let folder = file.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let mut name = file
        .file_name()
        .ok_or(io::ErrorKind::InvalidInput)?
        .to_owned();
    name.push(".new");
    let beside = folder.join(name);
    let mut out = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&beside)?;
    out.write_all(bytes)?;
    out.sync_all()?;
    fs::rename(&beside, file)?;
    fs::File::open(folder)?.sync_all()
}

/// Reads a secret of `LENGTH` bytes kept as hex in `file` (0600), making it at first use.
pub(crate) fn secret<const LENGTH: usize>(file: &Path) -> io::Result<[u8; LENGTH]> {
    let mut secret = [0_u8; LENGTH];
    match fs::read_to_string(file) {
        Ok(text) => hex::decode_to_slice(text.trim(), &mut secret).map_err(|fault| {
            let told = format!(
                "{}: {fault}; remove the file to have a new one",
                file.display()
            );
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
