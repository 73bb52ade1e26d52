//! What an administrator asks of one list: shown, changed, and which line of it decides.
//!
//! Everything here blocks on the disk and runs when somebody asks, never on the way of a request.
//! Lines are looked up in the file: memory holds the addresses alone. A change is written by this
//! process, so that the file stays its own, and is in force when the call returns.

use std::{fs, io, path::PathBuf, thread, time::Duration};

use gateway_policy::{
    address_list::{
        AddressList, Entry, ListLine,
        edit::{Change, EditFault, Edited, edit},
        lines_meeting, lines_shown,
    },
    admit::Blacklist,
};

use super::{FileFault, Kind, ListFolder, SIZE_LIMIT, Stamp, entries, read, rest};
use crate::files;

/// Lines that `list show` gives at once.
const SHOWN: usize = 10_000;
/// Lines named where several decide alike.
const DECIDING: usize = 5;

/// A list as `list show` gives it.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) file: PathBuf,
    /// In force.
    pub(crate) entries: usize,
    pub(crate) fault: Option<FileFault>,
    pub(crate) lines: Vec<String>,
    pub(crate) count: usize,
}

/// The lines of a list that hold some address.
#[derive(Debug, Default)]
pub(crate) struct Deciding {
    /// Where the lines stand: the file, or the copy of the last good one.
    pub(crate) file: PathBuf,
    pub(crate) lines: Vec<ListLine>,
}

/// What a change came to.
#[derive(Debug)]
pub(crate) struct Changed {
    pub(crate) edited: Edited,
    /// Entries in force.
    pub(crate) entries: usize,
    /// A list in force is another one now.
    pub(crate) in_force: bool,
}

/// Why a list was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListError {
    #[error("{0}")]
    Edit(#[from] EditFault),
    /// A new folder would empty the lists that are in force.
    #[error("{}: not there", folder.display())]
    NoFolder { folder: PathBuf },
    #[error("larger than {SIZE_LIMIT} bytes")]
    TooLarge,
    #[error("somebody else is changing the file")]
    ChangedMeanwhile,
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl ListFolder {
    pub(crate) fn file(&self, kind: Kind) -> PathBuf {
        self.server.join(kind.file_name())
    }

    pub(crate) fn shown(&self, kind: Kind) -> io::Result<Shown> {
        let bytes = match self.stamp(kind) {
            Stamp::File { size, .. } if size <= SIZE_LIMIT => read(&self.file(kind))?,
            Stamp::File { .. } | Stamp::NoFile | Stamp::NoFolder => Vec::new(),
        };
        let (lines, count) = lines_shown(&bytes, SHOWN);
        Ok(Shown {
            file: self.file(kind),
            entries: entries(&self.lists(), kind),
            fault: self.fault(kind),
            lines,
            count,
        })
    }

    /// What keeps the file from being in force.
    pub(crate) fn fault(&self, kind: Kind) -> Option<FileFault> {
        let mut watched = self.lock();
        kind.of(&mut watched).fault.clone()
    }

    /// No good blacklist was ever read: only the whitelist is let in.
    pub(crate) fn is_unreadable(&self) -> bool {
        self.lists().blacklist == Blacklist::Unreadable
    }

    /// The lines in force that hold any of these addresses. While the file is damaged they are
    /// those of the last good copy.
    pub(crate) fn deciding(&self, kind: Kind, entry: Entry) -> Deciding {
        let (copy, file) = (self.copy(kind), self.file(kind));
        let kept = fs::read(&copy).unwrap_or_default();
        let lines = lines_meeting(&kept, entry, DECIDING);
        let of_the_file = self.fault(kind).is_none();
        Deciding {
            file: if of_the_file { file } else { copy },
            lines,
        }
    }

    /// Changes the file and brings it into force, or does neither.
    pub(crate) fn change(&self, kind: Kind, change: Change<'_>) -> Result<Changed, ListError> {
        #[expect(
            clippy::disallowed_methods,
            reason = "nothing tells when an editor has finished; this is a thread for the disk"
        )]
        self.change_when_rested(kind, change, thread::sleep)
    }

    /// A file that is just being saved, which many an editor empties first, would come out of
    /// here as what was added and nothing else: what is not in force yet must rest, as for a look.
    fn change_when_rested(
        &self,
        kind: Kind,
        change: Change<'_>,
        pause: impl FnOnce(Duration),
    ) -> Result<Changed, ListError> {
        let rested = self.stamp(kind);
        let in_force = kind.of(&mut self.lock()).in_force;
        if rested != in_force {
            pause(rest(rested));
        }
        let mut watched = self.lock();
        let file = self.file(kind);
        let stamp = self.stamp(kind);
        // Another change by command may have come between.
        if stamp != rested && stamp != kind.of(&mut watched).in_force {
            return Err(ListError::ChangedMeanwhile);
        }
        let before = match stamp {
            Stamp::NoFolder => {
                self.make_folder()?;
                Vec::new()
            }
            Stamp::NoFile => Vec::new(),
            Stamp::File { size, .. } if size > SIZE_LIMIT => return Err(ListError::TooLarge),
            Stamp::File { .. } => read(&file)?,
        };
        let edited = edit(&before, change)?;
        drop(before);
        if u64::try_from(edited.bytes.len()).unwrap_or(u64::MAX) > SIZE_LIMIT {
            return Err(ListError::TooLarge);
        }
        if edited.changed() {
            let now = match stamp {
                Stamp::NoFolder => Stamp::NoFile,
                Stamp::NoFile | Stamp::File { .. } => stamp,
            };
            if !files::rewrite(&file, &edited.bytes, || self.stamp(kind) == now)? {
                return Err(ListError::ChangedMeanwhile);
            }
        }
        let (watched, stamp) = (kind.of(&mut watched), self.stamp(kind));
        // Also what a hand has saved a moment ago and no look has seen yet.
        let in_force = watched.in_force != stamp && self.load(kind, watched, stamp);
        let entries = entries(&self.lists(), kind);
        Ok(Changed {
            edited,
            entries,
            in_force,
        })
    }

    /// Only where no list is lost by it: beside a new file the other list would count as removed.
    fn make_folder(&self) -> Result<(), ListError> {
        let lists = self.lists();
        let nothing = Blacklist::Read(AddressList::default().into());
        if !lists.whitelist.is_empty() || lists.blacklist != nothing {
            return Err(ListError::NoFolder {
                folder: self.server.clone(),
            });
        }
        Ok(fs::create_dir_all(&self.server)?)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use gateway_policy::{ClientAddr, Moment, admit::admit};

    use super::*;

    struct Place {
        folder: tempfile::TempDir,
    }

    impl Place {
        fn new() -> Self {
            Self {
                folder: tempfile::tempdir().unwrap(),
            }
        }

        fn database(&self) -> PathBuf {
            self.folder.path().join("Магазин")
        }

        fn open(&self) -> ListFolder {
            ListFolder::open(&self.database(), &self.folder.path().join("cache-"))
        }

        fn list(&self, kind: Kind) -> PathBuf {
            self.database().join("Server").join(kind.file_name())
        }
    }

    fn client(text: &str) -> ClientAddr {
        text.parse::<std::net::IpAddr>().unwrap().into()
    }

    fn put(folder: &ListFolder, kind: Kind, entry: &str) -> Result<Changed, ListError> {
        let add = [entry.to_owned()];
        let change = Change {
            add: &add,
            ..Change::default()
        };
        folder.change(kind, change)
    }

    fn blocked(folder: &ListFolder, ip: &str) -> bool {
        admit(&folder.lists(), client(ip)).is_blocked()
    }

    #[test]
    fn a_change_is_in_force_when_it_returns_and_no_look_undoes_it() {
        let place = Place::new();
        let folder = place.open();
        assert!(put(&folder, Kind::Blacklist, "10.0.0.1").unwrap().in_force);
        assert!(blocked(&folder, "10.0.0.1") && !blocked(&folder, "10.0.0.2"));
        assert!(!folder.look(Moment(10_000)) && !folder.look(Moment(20_000)));
        assert!(!put(&folder, Kind::Blacklist, "10.0.0.1").unwrap().in_force);
        assert_eq!(
            fs::read(place.list(Kind::Blacklist)).unwrap(),
            b"10.0.0.1\n"
        );
        assert!(blocked(&place.open(), "10.0.0.1"), "after a restart");
    }

    #[test]
    fn what_was_saved_by_hand_a_moment_ago_is_kept_and_in_force_too() {
        let place = Place::new();
        let folder = place.open();
        fs::write(place.list(Kind::Blacklist), "10.0.0.1 # mine\r\n").unwrap();
        put(&folder, Kind::Blacklist, "10.0.0.2").unwrap();
        assert!(blocked(&folder, "10.0.0.1") && blocked(&folder, "10.0.0.2"));
        let file = fs::read(place.list(Kind::Blacklist)).unwrap();
        assert_eq!(file, b"10.0.0.1 # mine\r\n10.0.0.2\r\n");
    }

    #[test]
    fn a_file_that_is_just_being_saved_is_left_to_who_saves_it() {
        let place = Place::new();
        let folder = place.open();
        let file = place.list(Kind::Blacklist);
        put(&folder, Kind::Blacklist, "10.0.0.1").unwrap();
        let add = ["10.0.0.2".to_owned()];
        let change = Change {
            add: &add,
            ..Change::default()
        };
        fs::write(&file, "").unwrap();
        let changed = folder.change_when_rested(Kind::Blacklist, change, |_| {
            fs::write(&file, "10.0.0.1\n10.0.0.3\n").unwrap();
        });
        assert!(matches!(changed, Err(ListError::ChangedMeanwhile)));
        assert!(blocked(&folder, "10.0.0.1"), "never an open gate");
        assert_eq!(fs::read(&file).unwrap(), b"10.0.0.1\n10.0.0.3\n");
        // A file in force is changed at once; one that has rested, emptied or not, as it is.
        fs::write(&file, "").unwrap();
        folder
            .change_when_rested(Kind::Blacklist, change, |_| {})
            .unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"10.0.0.2\n");
        folder
            .change_when_rested(Kind::Blacklist, Change::default(), |_| panic!("no pause"))
            .unwrap();
    }

    #[test]
    fn a_missing_folder_is_made_where_no_list_is_lost_by_it() {
        let place = Place::new();
        let folder = place.open();
        fs::remove_dir_all(place.database()).unwrap();
        put(&folder, Kind::Blacklist, "10.0.0.1").unwrap();
        assert!(blocked(&folder, "10.0.0.1"));

        fs::remove_dir_all(place.database()).unwrap();
        let refused = put(&folder, Kind::Whitelist, "10.0.0.2");
        assert!(matches!(refused, Err(ListError::NoFolder { .. })));
        assert!(!place.database().exists());
        assert!(blocked(&folder, "10.0.0.1"), "the last good list");
    }

    #[test]
    fn a_damaged_file_is_not_written_over_and_the_last_good_copy_names_the_deciding_line() {
        let place = Place::new();
        fs::create_dir_all(place.database().join("Server")).unwrap();
        let file = place.list(Kind::Blacklist);
        fs::write(&file, "# a\n10.0.0.0/8\n").unwrap();
        let folder = place.open();
        let deciding = |folder: &ListFolder| {
            let entry = client("10.0.0.1").into();
            folder.deciding(Kind::Blacklist, entry)
        };
        assert_eq!(deciding(&folder).file, file);

        let damaged = "10.0.0.300\n# a\n10.0.0.0/8\n";
        fs::write(&file, damaged).unwrap();
        for now in [1_000, 2_000] {
            folder.look(Moment(now));
        }
        let refused = put(&folder, Kind::Blacklist, "10.0.0.1");
        assert!(matches!(
            refused,
            Err(ListError::Edit(EditFault::Damaged(fault))) if fault.line == 1
        ));
        assert_eq!(fs::read_to_string(&file).unwrap(), damaged);
        let deciding = deciding(&folder);
        assert_ne!(deciding.file, Path::new(&file));
        assert_eq!(deciding.lines[0].number, 2, "of the copy");
        assert!(folder.shown(Kind::Blacklist).unwrap().fault.is_some());
    }
}
