//! What the check asks of the file system: a bounded read, and who may read a secret.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use crate::{Cause, MAX_FILE};

/// The text of a YAML file.
pub(crate) fn read(path: &Path) -> Result<String, Cause> {
    let failed = |error: io::Error| Cause::FileUnreadable {
        file: path.display().to_string(),
        reason: error.to_string(),
    };
    let mut bytes = Vec::new();
    let mut file = File::open(path).map_err(failed)?.take(MAX_FILE + 1);
    file.read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Cause::TooLarge {});
    }
    String::from_utf8(bytes).map_err(|_not_text| Cause::NotUtf8 {})
}

/// Whether the file is there.
pub(crate) fn present(path: &Path) -> Result<(), Cause> {
    let failed = |error: io::Error| Cause::FileUnreadable {
        file: path.display().to_string(),
        reason: error.to_string(),
    };
    let found = path.metadata().map_err(failed)?;
    if found.is_file() {
        Ok(())
    } else {
        Err(Cause::NotAFile {
            file: path.display().to_string(),
        })
    }
}

/// Whether the file is there and its owner alone may read it.
pub(crate) fn private(path: &Path) -> Result<(), Cause> {
    use std::os::unix::fs::PermissionsExt;

    present(path)?;
    let mode = path
        .metadata()
        .map_or(0o777, |found| found.permissions().mode())
        & 0o777;
    if mode & 0o077 == 0 {
        Ok(())
    } else {
        Err(Cause::SecretReadable {
            file: path.display().to_string(),
            mode: format!("{mode:04o}"),
        })
    }
}
