//! «Делать бэкапы документов»: copies of documents as files in the database's folder `Backup`.
//!
//! A copy is taken in the transaction of the change that it belongs to (`api/docs/copies.rs`) and
//! waits in the SQLite file, so whoever got his answer has his copy, and no answer waits for a
//! second file. The task here turns waiting copies into files: each is complete and on disk before
//! it leaves the queue, and a kill in between writes the same file once more, not a second one. A
//! folder that cannot be written, or does not answer, is tried again and holds up no other
//! database; meanwhile its copies wait, up to [`WAITING_BYTES`] of each.
//!
//! Files older or more than the database's properties allow (`backupDays`, `backupMegabytes`) are
//! removed, oldest first, and nothing else in the folder is ever touched.

mod file;
mod name;

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use backend_types::{DatabaseId, DatabaseSettings};
use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    task::JoinHandle,
    time::{sleep, timeout},
};

pub(crate) use self::{
    file::{CopyFault, open, read},
    name::CopyName,
};
use crate::{
    api::{configuration, error::ApiError},
    storage::{Entity, Storage, StorageError, backups, directory},
};

const FOLDER: &str = "Backup";
/// Of copies that are no files yet, for each database.
const WAITING_BYTES: i64 = 256 * 1024 * 1024;
/// Files of one database, whatever their size.
const MOST_FILES: usize = 100_000;
/// Copies of one database that are made files together: so many, and not many more bytes.
const BATCH: usize = 32;
const BATCH_BYTES: usize = 16 * 1024 * 1024;
/// A folder that takes longer does not answer: a share whose server is gone.
const PATIENCE: Duration = Duration::from_secs(60);
/// Changes that come in quick succession share a look at the queue.
const GATHER: Duration = Duration::from_millis(100);
const RETRY: Duration = Duration::from_secs(30);
const PRUNE: Duration = Duration::from_secs(60);

/// Why a copy was taken; the vendor's suffixes of file names, and `deleted`, which is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    /// Uploaded.
    New,
    /// Taken by a terminal.
    Inprocess,
    /// Given back without processing.
    Release,
    /// About to be uploaded again or put back from a copy: the state before.
    Replace,
    FinishedByUser,
    /// Finished although it was finished.
    DuplicateFinish,
    /// About to be removed.
    Deleted,
}

impl Reason {
    pub(crate) const ALL: [Self; 7] = [
        Self::New,
        Self::Inprocess,
        Self::Release,
        Self::Replace,
        Self::FinishedByUser,
        Self::DuplicateFinish,
        Self::Deleted,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Inprocess => "inprocess",
            Self::Release => "release",
            Self::Replace => "replace",
            Self::FinishedByUser => "finished_by_user",
            Self::DuplicateFinish => "duplicate_finish",
            Self::Deleted => "deleted",
        }
    }

    pub(crate) fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

/// One copy of one document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Copy {
    pub(crate) database: DatabaseId,
    pub(crate) taken: Timestamp,
    pub(crate) reason: Reason,
    /// Who did it; empty where nobody is known.
    pub(crate) user: String,
    /// The document's id.
    pub(crate) id: String,
    /// The document as `POST Docs` takes it, with rows and tables inside.
    pub(crate) document: Entity,
}

impl Copy {
    /// The document's type by name.
    fn type_name(&self) -> &str {
        let name = self.document.get("documentTypeName");
        name.and_then(Value::as_str).unwrap_or_default()
    }
}

/// A file of the folder, as far as its name and size say.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) file: String,
    pub(crate) name: CopyName,
    pub(crate) bytes: u64,
    /// When the copy was taken to the nanosecond, unless somebody else wrote the file since; only
    /// for the order of those that were taken in the same second.
    modified: Option<SystemTime>,
}

/// Handle to the task that writes files; the last one dropped lets it finish and end.
#[derive(Clone)]
pub(crate) struct Backups {
    data: Arc<Path>,
    changed: Arc<Notify>,
    flush: mpsc::Sender<oneshot::Sender<()>>,
}

impl Backups {
    /// The handle, and the task to be spawned.
    pub(crate) fn new(
        data: &Path,
        storage: Arc<Storage>,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (flush, flushes) = mpsc::channel(16);
        let changed = Arc::new(Notify::new());
        let keeper = Keeper {
            data: data.into(),
            storage,
            looked: HashMap::new(),
            stuck: HashMap::new(),
        };
        let backups = Self {
            data: data.into(),
            changed: changed.clone(),
            flush,
        };
        (backups, keeper.run(changed, flushes))
    }

    /// Says that copies wait.
    pub(crate) fn wake(&self) {
        self.changed.notify_one();
    }

    /// Returns when what waited has become files, as far as that works.
    pub(crate) async fn flush(&self) {
        let (reply, done) = oneshot::channel();
        if self.flush.send(reply).await.is_ok() && done.await.is_err() {
            tracing::debug!("the backend stops while copies are written");
        }
    }

    /// The database's folder of copies.
    pub(crate) fn folder(&self, settings: &DatabaseSettings) -> PathBuf {
        folder(&self.data, settings)
    }
}

fn folder(data: &Path, settings: &DatabaseSettings) -> PathBuf {
    // An absolute folder takes the place of what stands before it.
    data.join("databases").join(&settings.folder).join(FOLDER)
}

/// The copies in a folder, newest first; a folder that does not exist has none.
pub(crate) fn list(folder: &Path) -> io::Result<Vec<Listed>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut listed = Vec::new();
    for entry in entries {
        let entry = entry?;
        let file = entry.file_name();
        let Some(file) = file.to_str() else { continue };
        let Some(name) = CopyName::parse(file) else {
            continue;
        };
        // Somebody may be tidying up at this moment.
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        if metadata.is_file() {
            listed.push(Listed {
                file: file.to_owned(),
                name,
                bytes: metadata.len(),
                modified: metadata.modified().ok(),
            });
        }
    }
    listed.sort_by(|a, b| {
        let key = |one: &Listed| (one.name.taken, one.modified);
        (key(b), &b.file).cmp(&(key(a), &a.file))
    });
    Ok(listed)
}

/// How much of a database's copies is kept.
#[derive(Clone, Copy, Debug)]
struct Limits {
    days: i64,
    bytes: u64,
}

struct Keeper {
    data: PathBuf,
    storage: Arc<Storage>,
    /// When a folder was last looked through for what is too old or too much.
    looked: HashMap<DatabaseId, Instant>,
    /// Work in folders that do not answer; it is waited for before more is begun there.
    stuck: HashMap<DatabaseId, JoinHandle<io::Result<()>>>,
}

impl Keeper {
    async fn run(mut self, changed: Arc<Notify>, mut flushes: mpsc::Receiver<oneshot::Sender<()>>) {
        // What a kill has left.
        self.write_waiting().await;
        loop {
            let reply = tokio::select! {
                () = changed.notified() => {
                    sleep(GATHER).await;
                    None
                }
                () = sleep(RETRY) => None,
                flush = flushes.recv() => match flush {
                    Some(reply) => Some(reply),
                    None => break,
                },
            };
            self.write_waiting().await;
            if let Some(reply) = reply
                && reply.send(()).is_err()
            {
                tracing::debug!("who asked for the copies has left");
            }
        }
        self.write_waiting().await;
    }

    async fn write_waiting(&mut self) {
        if let Err(error) = self.each_database().await {
            tracing::warn!(error = %error, "copies of documents wait: the storage did not answer");
        }
    }

    async fn each_database(&mut self) -> Result<(), StorageError> {
        let mut view = self.storage.read().await?;
        let ids = backups::databases(&mut view).await?;
        drop(view);
        for id in ids {
            let Ok(id) = id.parse::<DatabaseId>() else {
                continue;
            };
            if let Err(error) = self.write_of(&id).await? {
                tracing::warn!(
                    database.id = %id, error = %error,
                    "copies of documents wait: the folder Backup cannot be written"
                );
                self.cut(id).await?;
            }
        }
        Ok(())
    }

    /// Makes files of all that waits for one database. The inner error is the folder's.
    async fn write_of(&mut self, id: &DatabaseId) -> Result<io::Result<()>, StorageError> {
        if self.stuck.get(id).is_some_and(|work| !work.is_finished()) {
            return Ok(Err(io::ErrorKind::TimedOut.into()));
        }
        self.stuck.remove(id);
        loop {
            let mut view = self.storage.read().await?;
            let Some(database) = directory::database(&mut view, id).await? else {
                return Ok(Ok(()));
            };
            let (mut places, mut waiting, mut bytes) = (Vec::new(), Vec::new(), 0);
            while places.len() < BATCH
                && bytes < BATCH_BYTES
                && let Some((place, size, copy)) =
                    backups::next(&mut view, id, places.last().copied().unwrap_or_default()).await?
            {
                places.push(place);
                // One that nobody can read must not be in the way of the others.
                waiting.extend(copy);
                bytes += size;
            }
            let properties = configuration::of(&mut view, &database).await;
            drop(view);
            if places.is_empty() {
                return Ok(Ok(()));
            }
            let limits = match properties {
                Ok(properties) => limits(&properties),
                // Logged where it arose; nothing is removed by a guess.
                Err(ApiError { .. }) => None,
            };
            let now = Instant::now();
            let look = self.looked.get(id).is_none_or(|at| now - *at >= PRUNE);
            if look {
                self.looked.insert(id.clone(), now);
            }
            let folder = folder(&self.data, &database.settings);
            let mut work = tokio::task::spawn_blocking(move || {
                file::put_all(&folder, waiting.iter())?;
                match limits.filter(|_| look) {
                    Some(limits) => prune(&folder, limits),
                    None => Ok(()),
                }
            });
            match timeout(PATIENCE, &mut work).await {
                Ok(Ok(Ok(()))) => {}
                Ok(Ok(Err(error))) => return Ok(Err(error)),
                Ok(Err(lost)) => return Ok(Err(io::Error::other(lost))),
                Err(_elapsed) => {
                    self.stuck.insert(id.clone(), work);
                    return Ok(Err(io::ErrorKind::TimedOut.into()));
                }
            }
            self.storage
                .write(move |writer| {
                    Box::pin(async move {
                        for place in places {
                            backups::done(&mut writer.connection, place).await?;
                        }
                        Ok::<_, StorageError>(())
                    })
                })
                .await?;
        }
    }

    async fn cut(&self, id: DatabaseId) -> Result<(), StorageError> {
        let database = id.clone();
        let lost = self
            .storage
            .write(move |writer| {
                Box::pin(async move {
                    backups::cut(&mut writer.connection, &database, WAITING_BYTES).await
                })
            })
            .await?;
        if lost > 0 {
            tracing::error!(
                database.id = %id, lost,
                "copies of documents are lost: the folder Backup could not be written for too long"
            );
        }
        Ok(())
    }
}

fn limits(properties: &Entity) -> Option<Limits> {
    let number = |name: &str| properties.get(name).and_then(Value::as_i64);
    let bytes = number("backupMegabytes")?.saturating_mul(1024 * 1024);
    Some(Limits {
        days: number("backupDays")?,
        bytes: u64::try_from(bytes).ok()?,
    })
}

/// Removes the copies beyond the limits; the newest stays whatever its size.
fn prune(folder: &Path, limits: Limits) -> io::Result<()> {
    let age = SignedDuration::from_hours(limits.days.saturating_mul(24));
    let oldest = Timestamp::now().checked_sub(age).map(local).ok();
    let (mut bytes, mut removed) = (0_u64, 0_usize);
    for (place, copy) in list(folder)?.into_iter().enumerate() {
        bytes = bytes.saturating_add(copy.bytes);
        let is_old = oldest.is_some_and(|oldest| copy.name.taken < oldest);
        if place > 0 && (is_old || bytes > limits.bytes || place >= MOST_FILES) {
            match fs::remove_file(folder.join(&copy.file)) {
                Ok(()) => removed += 1,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    if removed > 0 {
        tracing::info!(folder = %folder.display(), removed, "old copies of documents were removed");
    }
    Ok(())
}

/// A moment as file names have it: the server's local time.
fn local(moment: Timestamp) -> DateTime {
    TimeZone::system().to_datetime(moment)
}

#[cfg(test)]
mod tests;
