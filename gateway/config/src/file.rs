//! What the check asks of the file system: a bounded read, and who may read a secret.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use backend_types::is_private;
use zeroize::Zeroizing;

use crate::Cause;

/// Bytes; ten thousand users take about four million.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// Bytes; a million ranges take at most eighty million.
const MAX_LIST: u64 = 128 * 1024 * 1024;

/// The bytes of a list file; none where there is none. At most `MAX_LIST`, and never of a pipe or
/// a device, which would be read for ever.
pub(crate) fn list(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match path.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
        Ok(found) if found.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        Ok(found) if !found.is_file() => return Err(io::Error::other("not a file")),
        Ok(_) => {}
    }
    let file = File::open(path)?;
    let mut bytes = Vec::new();
    file.take(MAX_LIST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_LIST {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(Some(bytes))
}

/// The text of a YAML file.
pub(crate) fn read(path: &Path) -> Result<String, Cause> {
    let failed = |error: io::Error| Cause::FileUnreadable {
        file: path.display().to_string(),
        reason: error.into(),
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
        reason: error.into(),
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

/// Whether the file is there and nobody may read it who should not.
pub(crate) fn private(path: &Path) -> Result<(), Cause> {
    use std::os::unix::fs::MetadataExt;

    present(path)?;
    let (mode, owner) = path
        .metadata()
        .map_or((0o777, 0), |found| (found.mode() & 0o777, found.uid()));
    if is_private(mode, owner) {
        Ok(())
    } else {
        Err(Cause::SecretReadable {
            file: path.display().to_string(),
            mode: format!("{mode:04o}"),
        })
    }
}

/// The password in a file of its own: one line of text, as an editor leaves it.
pub(crate) fn password(path: &Path) -> Result<Zeroizing<String>, Cause> {
    private(path)?;
    let file = path.display().to_string();
    let mut bytes = Zeroizing::new(Vec::new());
    let read = File::open(path).and_then(|file| file.take(4096).read_to_end(&mut bytes));
    if let Err(error) = read {
        let reason = error.into();
        return Err(Cause::FileUnreadable { file, reason });
    }
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    // Notepad's byte order mark and line end are not the password's.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() || line.chars().any(char::is_control) {
        return Err(Cause::NotAPassword { file });
    }
    Ok(Zeroizing::new(line.to_owned()))
}

/// The text of a small secret that its owner alone may read; none where there is no such file.
pub(crate) fn secret(path: &Path) -> Result<Option<Zeroizing<String>>, Cause> {
    if !path.exists() {
        return Ok(None);
    }
    private(path)?;
    let mut text = Zeroizing::new(String::new());
    let read = File::open(path).and_then(|file| file.take(4096).read_to_string(&mut text));
    match read {
        Ok(_) => Ok(Some(text)),
        Err(error) => Err(Cause::FileUnreadable {
            file: path.display().to_string(),
            reason: error.into(),
        }),
    }
}
