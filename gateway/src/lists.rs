//! Whitelists and blacklists on disk: read in the background, live within a second, and never
//! lost to a damaged file (design, rules 3 and 4).
//!
//! A changed file is read once it has rested for a moment, so that a list half written by Notepad
//! is not taken for a whole one. The last good list stays in force, also over a restart, from a
//! copy in `cache/`. The files are looked at five times a second: network shares send no events,
//! and a watch goes deaf when the folder is replaced.

mod desk;

use std::{
    collections::{HashMap, HashSet},
    fs,
    io::{self, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use gateway_policy::{
    Moment,
    address_list::{AddressList, FaultReason, ListFault},
    admit::{Blacklist, Lists},
};
use words::Cause;

pub(crate) use self::desk::ListError;
use crate::{
    files,
    messages::{self, Language},
};

pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(200);
/// A file must rest this long before it is read, …
const REST: Duration = Duration::from_millis(150);
/// … an emptied or removed one longer: editors truncate first.
const REST_EMPTY: Duration = Duration::from_millis(500);
/// A file that never rests is read as it is.
const RESTLESS: Duration = Duration::from_millis(600);
/// Some eight million lines; a larger file is a mistake. `check` has the same limit.
const SIZE_LIMIT: u64 = 128 * 1024 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    Whitelist,
    Blacklist,
}

impl Kind {
    pub(crate) const BOTH: [Self; 2] = [Self::Whitelist, Self::Blacklist];

    pub(crate) fn file_name(self) -> &'static str {
        match self {
            Self::Whitelist => "whitelist.dat",
            Self::Blacklist => "blacklist.dat",
        }
    }

    /// As on the command line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Whitelist => "whitelist",
            Self::Blacklist => "blacklist",
        }
    }

    fn of<T>(self, [whitelist, blacklist]: &mut [T; 2]) -> &mut T {
        match self {
            Self::Whitelist => whitelist,
            Self::Blacklist => blacklist,
        }
    }
}

/// The two lists of one database.
pub(crate) struct ListFolder {
    /// `<database folder>/Server`
    server: PathBuf,
    /// Where copies of the last good lists lie; the list's file name is appended.
    cache: PathBuf,
    lists: ArcSwap<Lists>,
    watched: Mutex<[Watched; 2]>,
}

/// Why a file is not in force; the list before is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FileFault {
    #[error("{}: not there", .0.display())]
    NoFolder(PathBuf),
    #[error("{name}: {cause}")]
    Unreadable { name: &'static str, cause: Cause },
    #[error("{name}:{fault}")]
    Damaged {
        name: &'static str,
        fault: ListFault,
    },
}

impl FileFault {
    pub(crate) fn words(&self, language: Language) -> String {
        match self {
            Self::NoFolder(folder) => {
                let folder = folder.display().to_string();
                messages::text(language, "list-fault-no-folder", &[("folder", &folder)])
            }
            Self::Unreadable { name, cause } => format!("{name}: {}", cause.words(language)),
            Self::Damaged { name, fault } => {
                let (line, reason) = (fault.line.to_string(), reason(fault.reason, language));
                let values = [
                    ("file", *name),
                    ("line", &line),
                    ("text", &fault.text),
                    ("reason", &reason),
                ];
                messages::text(language, "list-fault-line", &values)
            }
        }
    }
}

/// What is wrong with a line.
pub(crate) fn reason(reason: FaultReason, language: Language) -> String {
    let key = match reason {
        FaultReason::NotAnAddress => "list-fault-not-an-address",
        FaultReason::TooManyBits => "list-fault-too-many-bits",
        FaultReason::Reversed => "list-fault-reversed",
        FaultReason::MixedFamilies => "list-fault-mixed-families",
        FaultReason::CutShort => "list-fault-cut-short",
    };
    messages::text(language, key, &[])
}

/// What `status` shows of one list.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ListState {
    /// Where it lies.
    pub(crate) file: String,
    /// Entries in force.
    pub(crate) entries: usize,
    /// Why the file cannot be read, with its line; the list before is in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fault: Option<String>,
}

impl ListFolder {
    /// Reads both lists now. The folder is made for a database never seen before.
    fn open(database_folder: &Path, cache: &Path) -> Self {
        let folder = Self {
            server: database_folder.join("Server"),
            cache: cache.to_owned(),
            lists: ArcSwap::from_pointee(Lists::default()),
            watched: Mutex::new([Watched::default(), Watched::default()]),
        };
        let known = Kind::BOTH.iter().any(|kind| folder.copy(*kind).exists());
        if !known && let Err(fault) = fs::create_dir_all(&folder.server) {
            tracing::warn!(folder = %folder.server.display(), %fault, "list folder cannot be made");
        }
        for (kind, watched) in Kind::BOTH.into_iter().zip(folder.lock().iter_mut()) {
            folder.read_copy(kind);
            let stamp = folder.stamp(kind);
            folder.load(kind, watched, stamp);
        }
        folder
    }

    pub(crate) fn lists(&self) -> arc_swap::Guard<Arc<Lists>> {
        self.lists.load()
    }

    pub(crate) fn states(&self, language: Language) -> Vec<ListState> {
        let lists = self.lists();
        let watched = self.lock();
        Kind::BOTH
            .into_iter()
            .zip(watched.iter())
            .map(|(kind, watched)| ListState {
                file: self.server.join(kind.file_name()).display().to_string(),
                entries: entries(&lists, kind),
                fault: watched.fault.as_ref().map(|fault| fault.words(language)),
            })
            .collect()
    }

    /// Looks at both files; true when a list in force has changed.
    fn look(&self, now: Moment) -> bool {
        let mut changed = false;
        for (kind, watched) in Kind::BOTH.into_iter().zip(self.lock().iter_mut()) {
            let stamp = self.stamp(kind);
            if watched.due(stamp, now) {
                changed |= self.load(kind, watched, stamp);
            }
        }
        changed
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, [Watched; 2]> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stamp(&self, kind: Kind) -> Stamp {
        match fs::metadata(self.server.join(kind.file_name())) {
            Ok(file) => Stamp::File {
                size: file.size(),
                inode: file.ino(),
                changed: (
                    file.ctime(),
                    file.ctime_nsec(),
                    file.mtime(),
                    file.mtime_nsec(),
                ),
            },
            Err(fault) if fault.kind() == io::ErrorKind::NotFound && self.server.is_dir() => {
                Stamp::NoFile
            }
            Err(_) => Stamp::NoFolder,
        }
    }

    fn load(&self, kind: Kind, watched: &mut Watched, stamp: Stamp) -> bool {
        watched.loaded(stamp);
        let name = kind.file_name();
        let file = self.server.join(name);
        let content = match stamp {
            Stamp::NoFolder => {
                watched.fault = Some(FileFault::NoFolder(self.server.clone()));
                tracing::error!(folder = %self.server.display(), "list folder is missing; the last good {name} stays in force");
                return false;
            }
            Stamp::NoFile => Ok(Vec::new()),
            Stamp::File { size, .. } if size > SIZE_LIMIT => {
                Err(io::ErrorKind::FileTooLarge.into())
            }
            Stamp::File { .. } => read(&file),
        };
        let parsed = content
            .map_err(|fault| {
                let cause = fault.into();
                FileFault::Unreadable { name, cause }
            })
            .and_then(|bytes| {
                let list = AddressList::parse(&bytes);
                list.map(|list| (list, bytes))
                    .map_err(|fault| FileFault::Damaged { name, fault })
            });
        match parsed {
            Ok((list, bytes)) => {
                watched.fault = None;
                self.keep_copy(kind, &bytes);
                self.put_in_force(kind, list)
            }
            Err(fault) => {
                tracing::error!(folder = %self.server.display(), %fault, "the list read before stays in force");
                watched.fault = Some(fault);
                false
            }
        }
    }

    fn put_in_force(&self, kind: Kind, list: AddressList) -> bool {
        let before = self.lists.load_full();
        let old = match (kind, &before.blacklist) {
            (Kind::Whitelist, _) => Some(&*before.whitelist),
            (Kind::Blacklist, Blacklist::Read(old)) => Some(&**old),
            (Kind::Blacklist, Blacklist::Unreadable) => None,
        };
        if old == Some(&list) {
            return false;
        }
        let difference = list.difference(old.unwrap_or(&AddressList::default()));
        tracing::info!(
            file = %self.server.join(kind.file_name()).display(),
            added = difference.added,
            removed = difference.removed,
            entries = list.entries(),
            "list in force"
        );
        let mut lists = Lists::clone(&before);
        match kind {
            Kind::Whitelist => lists.whitelist = Arc::new(list),
            Kind::Blacklist => lists.blacklist = Blacklist::Read(Arc::new(list)),
        }
        self.lists.store(Arc::new(lists));
        true
    }

    fn copy(&self, kind: Kind) -> PathBuf {
        let mut name = self.cache.clone().into_os_string();
        name.push(kind.file_name());
        name.into()
    }

    /// What the last run knew: in force until the file itself is read.
    fn read_copy(&self, kind: Kind) {
        let copy = fs::read(self.copy(kind))
            .ok()
            .and_then(|bytes| AddressList::parse(&bytes).ok());
        let mut lists = Lists::clone(&self.lists.load());
        match (kind, copy) {
            (Kind::Whitelist, copy) => lists.whitelist = Arc::new(copy.unwrap_or_default()),
            (Kind::Blacklist, Some(copy)) => lists.blacklist = Blacklist::Read(Arc::new(copy)),
            (Kind::Blacklist, None) => lists.blacklist = Blacklist::Unreadable,
        }
        self.lists.store(Arc::new(lists));
    }

    fn keep_copy(&self, kind: Kind, bytes: &[u8]) {
        if let Err(fault) = files::replace(&self.copy(kind), 0o600, bytes) {
            tracing::error!(copy = %self.copy(kind).display(), %fault, "the last good list cannot be kept over a restart");
        }
    }
}

fn entries(lists: &Lists, kind: Kind) -> usize {
    match (kind, &lists.blacklist) {
        (Kind::Whitelist, _) => lists.whitelist.entries(),
        (Kind::Blacklist, Blacklist::Read(list)) => list.entries(),
        (Kind::Blacklist, Blacklist::Unreadable) => 0,
    }
}

/// All lists, by the database's folder.
pub(crate) struct ListWatch {
    cache: PathBuf,
    folders: Mutex<HashMap<PathBuf, Arc<ListFolder>>>,
}

impl ListWatch {
    pub(crate) fn new(cache: PathBuf) -> Self {
        Self {
            cache,
            folders: Mutex::new(HashMap::new()),
        }
    }

    /// The lists of a database's folder, read now if it is new. Blocks on the disk.
    pub(crate) fn folder(&self, database_folder: &Path) -> Arc<ListFolder> {
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        let open = || {
            let path = database_folder.as_os_str().as_encoded_bytes();
            let hash = openssl::sha::sha256(path);
            let name = hex::encode(hash.get(..8).unwrap_or_default());
            Arc::new(ListFolder::open(
                database_folder,
                &self.cache.join(format!("{name}-")),
            ))
        };
        Arc::clone(
            folders
                .entry(database_folder.to_owned())
                .or_insert_with(open),
        )
    }

    /// Forgets the folders that no database has any more.
    pub(crate) fn keep(&self, in_use: &HashSet<PathBuf>) {
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        folders.retain(|folder, _| in_use.contains(folder));
    }

    /// One look at every file; true when any list in force has changed.
    pub(crate) fn look(&self, now: Moment) -> bool {
        let folders: Vec<_> = {
            let folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
            folders.values().cloned().collect()
        };
        // No short cut: every folder must be looked at.
        folders
            .iter()
            .fold(false, |changed, folder| folder.look(now) | changed)
    }
}

/// What tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stamp {
    #[default]
    NoFolder,
    NoFile,
    File {
        size: u64,
        inode: u64,
        changed: (i64, i64, i64, i64),
    },
}

/// How long a file in this state must stay so before it counts.
fn rest(stamp: Stamp) -> Duration {
    match stamp {
        Stamp::File { size, .. } if size > 0 => REST,
        Stamp::NoFolder | Stamp::NoFile | Stamp::File { .. } => REST_EMPTY,
    }
}

/// The bytes of a list: of a file alone, for a pipe or a device would be read for ever, and with
/// it every other list would wait.
fn read(file: &Path) -> io::Result<Vec<u8>> {
    let opened = fs::OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_NONBLOCK)
        .open(file)?;
    let found = opened.metadata()?;
    if found.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !found.is_file() {
        return Err(io::Error::other("not a file"));
    }
    let mut bytes = Vec::new();
    opened.take(SIZE_LIMIT + 1).read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()) {
        Ok(size) if size <= SIZE_LIMIT => Ok(bytes),
        Ok(_) | Err(_) => Err(io::ErrorKind::FileTooLarge.into()),
    }
}

/// When a file that changes is worth reading.
#[derive(Debug, Default)]
struct Watched {
    in_force: Stamp,
    seen: Stamp,
    resting_since: Option<Moment>,
    restless_since: Option<Moment>,
    fault: Option<FileFault>,
}

impl Watched {
    fn due(&mut self, stamp: Stamp, now: Moment) -> bool {
        if stamp == self.in_force {
            (self.resting_since, self.restless_since) = (None, None);
            self.seen = stamp;
            return false;
        }
        if stamp != self.seen {
            self.seen = stamp;
            self.resting_since = Some(now);
        }
        let resting = now.since(*self.resting_since.get_or_insert(now));
        let restless = now.since(*self.restless_since.get_or_insert(now));
        let has_lines = matches!(stamp, Stamp::File { size, .. } if size > 0);
        resting >= rest(stamp) || (has_lines && restless >= RESTLESS)
    }

    fn loaded(&mut self, stamp: Stamp) {
        self.in_force = stamp;
        self.seen = stamp;
        (self.resting_since, self.restless_since) = (None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn file(size: u64) -> Stamp {
        Stamp::File {
            size,
            inode: 1,
            changed: (0, 0, 0, 0),
        }
    }

    fn at(millis: u64) -> Moment {
        Moment(1_000_000 + millis)
    }

    #[test]
    fn a_pipe_or_a_device_in_place_of_a_list_is_a_fault_and_holds_up_nobody() {
        let place = tempfile::tempdir().unwrap();
        let server = place.path().join("Server");
        fs::create_dir_all(&server).unwrap();
        fs::write(server.join("blacklist.dat"), "10.0.0.1\n").unwrap();
        let folder = ListFolder::open(place.path(), &place.path().join("cache-"));
        fs::remove_file(server.join("blacklist.dat")).unwrap();
        let pipe = server.join("blacklist.dat");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        std::os::unix::fs::symlink("/dev/zero", server.join("whitelist.dat")).unwrap();
        for now in [0, 1_000, 2_000] {
            assert!(!folder.look(at(now)));
        }
        for state in folder.states(Language::En) {
            assert!(state.fault.is_some(), "{state:?}");
        }
        assert_eq!(entries(&folder.lists(), Kind::Blacklist), 1);
    }

    #[test]
    fn a_changed_file_is_read_when_it_rests() {
        let mut watched = Watched {
            in_force: file(10),
            ..Watched::default()
        };
        assert!(!watched.due(file(10), at(0)));
        assert!(!watched.due(file(12), at(200)));
        assert!(watched.due(file(12), at(400)));
    }

    #[test]
    fn a_file_that_never_rests_is_read_all_the_same() {
        let mut watched = Watched {
            in_force: file(10),
            ..Watched::default()
        };
        let read = (1..=4).map(|look| watched.due(file(10 + look), at(look * 200)));
        assert_eq!(read.collect::<Vec<_>>(), [false, false, false, true]);
    }

    #[test]
    fn an_emptied_file_counts_after_half_a_second_unchanged() {
        for gone in [file(0), Stamp::NoFile] {
            let mut watched = Watched {
                in_force: file(10),
                ..Watched::default()
            };
            let read = [0, 200, 400, 600].map(|millis| watched.due(gone, at(millis)));
            assert_eq!(read, [false, false, false, true]);
        }
    }
}
