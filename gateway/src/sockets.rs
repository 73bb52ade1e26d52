//! Where the Unix sockets of a data folder lie: in it, or in a short private folder where the
//! path would be too long for a socket's address.

use std::{
    fs, io,
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, MetadataExt},
    },
    path::{Path, PathBuf},
};

use nix::unistd::Uid;

/// The longest path that a Unix socket's address holds, in bytes.
const SOCKET_PATH_BYTES: usize = 107;

/// The path of socket `name` of the data folder, the same for whoever asks.
///
/// The private folder is made by whoever comes first; one that belongs to somebody else, or that
/// others may enter, is refused.
pub(crate) fn path(data: &Path, name: &str) -> io::Result<PathBuf> {
    let data = std::path::absolute(data)?;
    let wished = data.join(name);
    if wished.as_os_str().as_bytes().len() <= SOCKET_PATH_BYTES {
        return Ok(wished);
    }
    let user = Uid::effective().as_raw();
    let hash = openssl::sha::sha256(data.as_os_str().as_bytes());
    let hash = hex::encode(hash.get(..8).unwrap_or_default());
    let folder = Path::new("/tmp").join(format!("smarts-gateway-{user}-{hash}"));
    match fs::DirBuilder::new().mode(0o700).create(&folder) {
        Err(fault) if fault.kind() != io::ErrorKind::AlreadyExists => return Err(fault),
        Ok(()) | Err(_) => {}
    }
    let found = fs::symlink_metadata(&folder)?;
    if !found.is_dir() || found.uid() != user || found.mode() & 0o077 != 0 {
        let told = format!("{} is not a private folder of this user", folder.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, told));
    }
    Ok(folder.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_data_folder_holds_its_sockets() {
        assert_eq!(
            path(Path::new("/srv/gate"), "admin.sock").unwrap(),
            Path::new("/srv/gate/admin.sock")
        );
    }

    #[test]
    fn a_long_one_has_them_in_a_private_folder_found_again() {
        let long = Path::new("/srv").join("a".repeat(120));
        let one = path(&long, "admin.sock").unwrap();
        assert!(one.as_os_str().len() <= SOCKET_PATH_BYTES);
        assert_eq!(path(&long, "admin.sock").unwrap(), one);
        assert_ne!(path(&long.join("b"), "admin.sock").unwrap(), one);
        for folder in [long.clone(), long.join("b")] {
            fs::remove_dir(path(&folder, "x").unwrap().parent().unwrap()).unwrap();
        }
    }
}
