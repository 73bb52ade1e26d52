//! Where the Unix sockets of a data folder lie: in it, or in a short private folder where the
//! path would be too long for a socket's address.
//!
//! The gateway and whoever asks it must come to the same path, also when root asks a service that
//! has a user and a `/tmp` of its own: the owner of the data folder decides, not who asks.

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
/// Made by the service manager for the service's user, and seen by everybody at this path.
const RUNTIME: &str = "/run/smarts-gateway";

/// The path of socket `name` of the data folder, the same for whoever asks.
///
/// A private folder that belongs to somebody else, or that others may enter, is refused; one that
/// is missing is not found: no gateway runs.
pub(crate) fn path(data: &Path, name: &str) -> io::Result<PathBuf> {
    let data = std::path::absolute(data)?;
    let Some((folder, owner)) = elsewhere(&data, name)? else {
        return Ok(data.join(name));
    };
    let found = fs::symlink_metadata(&folder)?;
    if !found.is_dir() || found.uid() != owner || found.mode() & 0o077 != 0 {
        let told = format!(
            "{} is not a private folder of the data folder's owner",
            folder.display()
        );
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, told));
    }
    Ok(folder.join(name))
}

/// As [`path`], for the gateway: the private folder is made where it is missing.
pub(crate) fn make_path(data: &Path, name: &str) -> io::Result<PathBuf> {
    if let Some((folder, owner)) = elsewhere(&std::path::absolute(data)?, name)?
        && owner == Uid::effective().as_raw()
    {
        match fs::DirBuilder::new().mode(0o700).create(&folder) {
            Err(fault) if fault.kind() != io::ErrorKind::AlreadyExists => return Err(fault),
            Ok(()) | Err(_) => {}
        }
    }
    path(data, name)
}

/// Takes away a socket that nobody serves any more, and a private folder that it leaves empty.
pub(crate) fn remove(data: &Path, name: &str) -> io::Result<()> {
    let socket = path(data, name)?;
    fs::remove_file(&socket)?;
    match elsewhere(&std::path::absolute(data)?, name)? {
        Some((folder, _)) => fs::remove_dir(folder),
        None => Ok(()),
    }
}

/// Where a path in the data folder would be too long: the private folder, and its owner.
fn elsewhere(data: &Path, name: &str) -> io::Result<Option<(PathBuf, u32)>> {
    if data.join(name).as_os_str().as_bytes().len() <= SOCKET_PATH_BYTES {
        return Ok(None);
    }
    let owner = fs::metadata(data)?.uid();
    Ok(Some((short_folder(data, owner, Path::new(RUNTIME)), owner)))
}

fn short_folder(data: &Path, owner: u32, runtime: &Path) -> PathBuf {
    let hash = openssl::sha::sha256(data.as_os_str().as_bytes());
    let hash = hex::encode(hash.get(..8).unwrap_or_default());
    match fs::symlink_metadata(runtime) {
        Ok(found) if found.is_dir() && found.uid() == owner => runtime.join(hash),
        Ok(_) | Err(_) => Path::new("/tmp").join(format!("smarts-gateway-{owner}-{hash}")),
    }
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
        let data = tempfile::tempdir().unwrap();
        let long = data.path().join("a".repeat(120));
        let other = long.join("b");
        fs::create_dir_all(&other).unwrap();
        let missing = path(&long, "admin.sock").unwrap_err();
        assert_eq!(
            missing.kind(),
            io::ErrorKind::NotFound,
            "who asks makes none"
        );
        let one = make_path(&long, "admin.sock").unwrap();
        assert!(one.as_os_str().len() <= SOCKET_PATH_BYTES);
        assert_eq!(path(&long, "admin.sock").unwrap(), one);
        let others = make_path(&other, "admin.sock").unwrap();
        assert_ne!(others, one);
        for (folder, socket) in [(long, one), (other, others)] {
            fs::write(&socket, "").unwrap();
            remove(&folder, "admin.sock").unwrap();
            assert!(!socket.parent().unwrap().exists());
        }
    }

    #[test]
    fn a_services_runtime_folder_is_taken_when_it_is_the_data_owners() {
        let runtime = tempfile::tempdir().unwrap();
        let owner = Uid::effective().as_raw();
        let data = Path::new("/srv/gate");
        assert!(short_folder(data, owner, runtime.path()).starts_with(runtime.path()));
        let elsewhere = short_folder(data, owner + 1, runtime.path());
        assert!(elsewhere.starts_with("/tmp"), "{}", elsewhere.display());
    }
}
