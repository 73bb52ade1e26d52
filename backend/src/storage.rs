//! The SQLite file: one writer that no client can interrupt, several readers that never wait for it.
//!
//! A write is a command sent to one task. The task runs whatever has queued up in one
//! `BEGIN IMMEDIATE` transaction, each command in its own savepoint, and answers after the commit:
//! what is answered with success is on disk (WAL, `synchronous=FULL`), a command that fails takes
//! nobody with it, and a client that hangs up leaves no half of a change. Two writers never meet,
//! so `database is locked` cannot reach a client.
//!
//! SQL lives in `storage/`, one file per kind of row. Rights and shapes are not known here.

pub(crate) mod backups;
pub(crate) mod configuration;
pub(crate) mod directory;
pub(crate) mod documents;
pub(crate) mod entities;
pub(crate) mod users;

use std::{
    collections::VecDeque,
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection, Sqlite, SqliteConnection, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};

use self::directory::Marks;
pub(crate) use crate::odata::Entity;

const FILE: &str = "backend.sqlite";
const READERS: u32 = 4;
/// Commands that may wait for the writer before senders wait too.
const QUEUE: usize = 256;
/// Commands that share one commit.
const GROUP: usize = 64;

/// Why a read or a write did not happen. Nothing of a failed write is kept.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum StorageError {
    #[error("the disk is full")]
    DiskFull,
    #[error("no connection became free in time")]
    Busy,
    #[error("the storage is closed")]
    Closed,
    #[error("SQLite: {0}")]
    Sqlite(Arc<sqlx::Error>),
    #[error("a stored body is damaged: {0}")]
    Damaged(Arc<serde_json::Error>),
}

impl From<sqlx::Error> for StorageError {
    fn from(error: sqlx::Error) -> Self {
        const SQLITE_FULL: &str = "13";
        const SQLITE_IOERR_SHMSIZE: &str = "4874";
        const SQLITE_BUSY: &str = "5";
        match &error {
            sqlx::Error::Database(cause) => match cause.code().as_deref() {
                Some(SQLITE_FULL | SQLITE_IOERR_SHMSIZE) => Self::DiskFull,
                Some(SQLITE_BUSY) => Self::Busy,
                _ => Self::Sqlite(Arc::new(error)),
            },
            sqlx::Error::PoolTimedOut => Self::Busy,
            sqlx::Error::PoolClosed => Self::Closed,
            _ => Self::Sqlite(Arc::new(error)),
        }
    }
}

impl From<serde_json::Error> for StorageError {
    fn from(error: serde_json::Error) -> Self {
        Self::Damaged(Arc::new(error))
    }
}

/// Why the file could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the file cannot be created or opened: {0}")]
    File(#[from] io::Error),
    #[error("SQLite: {0}")]
    Sqlite(#[from] sqlx::Error),
    #[error("the schema cannot be brought up to date: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
/// Given an error instead of the writer, a command only answers with it.
type Command =
    Box<dyn for<'c> FnOnce(Result<&'c mut Writer, StorageError>) -> BoxFuture<'c, Done> + Send>;
type Answer = Box<dyn FnOnce(Result<(), StorageError>) + Send>;

/// A command that has run: whether it keeps its changes, and who waits for the commit.
struct Done {
    keep: bool,
    answer: Answer,
}

/// The one connection that writes, inside a transaction.
pub(crate) struct Writer {
    pub(crate) connection: SqliteConnection,
    /// The directory changed in this transaction: its new revision.
    revision: Option<u64>,
    marks: Arc<Marks>,
}

/// Handle to the file; cheap to share behind an `Arc`.
pub(crate) struct Storage {
    readers: SqlitePool,
    commands: mpsc::Sender<Command>,
    revision: watch::Receiver<u64>,
    marks: Arc<Marks>,
}

impl Storage {
    /// Opens or creates the file in `folder`. The second value ends when the writer has closed the
    /// file, which happens once the [`Storage`] is dropped and all commands are done.
    pub(crate) async fn open(folder: &Path) -> Result<(Self, JoinHandle<()>), OpenError> {
        let file = folder.join(FILE);
        // Created here so that nobody else can read it, not even for a moment; SQLite gives the
        // WAL the same mode.
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&file)?;
        File::open(folder)?.sync_all()?;
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10));
        let mut connection = options.clone().connect().await?;
        sqlx::migrate!("./migrations/sqlite")
            .run(&mut connection)
            .await?;
        let revision = directory::revision(&mut connection).await?;

        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(Duration::from_secs(30))
            .connect_with(options.pragma("query_only", "ON"))
            .await?;
        let (commands, queue) = mpsc::channel(QUEUE);
        let (announce, revision) = watch::channel(revision);
        let marks = Arc::<Marks>::default();
        let writer = Writer {
            connection,
            revision: None,
            marks: Arc::clone(&marks),
        };
        let task = tokio::spawn(write_all(writer, queue, announce));
        let storage = Self {
            readers,
            commands,
            revision,
            marks,
        };
        Ok((storage, task))
    }

    /// One consistent view of everything committed so far.
    pub(crate) async fn read(&self) -> Result<Transaction<'static, Sqlite>, StorageError> {
        Ok(self.readers.begin().await?)
    }

    /// Runs `command` inside a transaction and returns once it is on disk. On an error nothing of
    /// it is kept. The command runs to its end even when the caller is dropped.
    pub(crate) async fn write<T, E, C>(&self, command: C) -> Result<T, E>
    where
        C: for<'c> FnOnce(&'c mut Writer) -> BoxFuture<'c, Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let (reply, outcome) = oneshot::channel();
        let command: Command = Box::new(move |writer| {
            Box::pin(async move {
                let result = match writer {
                    Ok(writer) => command(writer).await,
                    Err(error) => Err(error.into()),
                };
                Done {
                    keep: result.is_ok(),
                    answer: Box::new(move |committed| {
                        // A command that failed by itself says why better than its group can.
                        let result = match committed {
                            Err(error) if result.is_ok() => Err(error.into()),
                            _ => result,
                        };
                        if reply.send(result).is_err() {
                            tracing::debug!("a client left before its write was answered");
                        }
                    }),
                }
            })
        });
        if self.commands.send(command).await.is_err() {
            return Err(StorageError::Closed.into());
        }
        outcome
            .await
            .unwrap_or_else(|_| Err(StorageError::Closed.into()))
    }

    /// The directory's revision as last committed; wakes at every change.
    pub(crate) fn revision(&self) -> watch::Receiver<u64> {
        self.revision.clone()
    }

    /// Which databases have changed, in the directory's eyes.
    pub(crate) fn marks(&self) -> Arc<Marks> {
        Arc::clone(&self.marks)
    }

    /// Lets the readers go; running reads finish first.
    pub(crate) async fn close_readers(&self) {
        self.readers.close().await;
    }
}

async fn write_all(
    mut writer: Writer,
    mut queue: mpsc::Receiver<Command>,
    announce: watch::Sender<u64>,
) {
    let mut waiting = VecDeque::new();
    loop {
        if waiting.is_empty() {
            match queue.recv().await {
                Some(command) => waiting.push_back(command),
                None => break,
            }
        }
        while waiting.len() < GROUP
            && let Ok(command) = queue.try_recv()
        {
            waiting.push_back(command);
        }
        writer.revision = None;
        let mut answers = Vec::with_capacity(waiting.len());
        let committed = commit_group(&mut writer, &mut waiting, &mut answers).await;
        if let Err(error) = &committed {
            tracing::error!(error = %error, "a change was not saved");
            roll_back(&mut writer.connection).await;
        } else if let Some(revision) = writer.revision {
            announce.send_replace(revision);
        }
        for answer in answers {
            answer(committed.clone());
        }
    }
    if let Err(error) = writer.connection.close().await {
        tracing::error!(error = %error, "the storage was not closed cleanly");
    }
}

/// Runs the waiting commands and commits them together. Commands that have not run when the group
/// fails stay in `waiting`; when no transaction can begin, all of them fail with it.
async fn commit_group(
    writer: &mut Writer,
    waiting: &mut VecDeque<Command>,
    answers: &mut Vec<Answer>,
) -> Result<(), StorageError> {
    if let Err(error) = execute(&mut writer.connection, "BEGIN IMMEDIATE").await {
        for command in waiting.drain(..) {
            answers.push(command(Err(error.clone())).await.answer);
        }
        return Err(error);
    }
    while let Some(command) = waiting.pop_front() {
        execute(&mut writer.connection, "SAVEPOINT command").await?;
        let revision = writer.revision;
        let done = command(Ok(&mut *writer)).await;
        answers.push(done.answer);
        if !done.keep {
            writer.revision = revision;
            execute(&mut writer.connection, "ROLLBACK TO command").await?;
        }
        execute(&mut writer.connection, "RELEASE command").await?;
    }
    execute(&mut writer.connection, "COMMIT").await
}

async fn roll_back(connection: &mut SqliteConnection) {
    // A full disk makes SQLite roll back by itself; then there is nothing left to do.
    if let Err(error) = execute(connection, "ROLLBACK").await {
        tracing::debug!(error = %error, "nothing to roll back");
    }
}

async fn execute(
    connection: &mut SqliteConnection,
    statement: &'static str,
) -> Result<(), StorageError> {
    sqlx::query(statement).execute(connection).await?;
    Ok(())
}

/// A stored body as an entity.
fn entity_of(body: &str) -> Result<Entity, StorageError> {
    Ok(serde_json::from_str(body)?)
}

fn body_of(entity: &Entity) -> Result<String, StorageError> {
    Ok(serde_json::to_string(entity)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pragma(writer: &mut Writer, statement: &'static str) -> Result<String, StorageError> {
        Ok(sqlx::query_scalar(statement)
            .fetch_one(&mut writer.connection)
            .await?)
    }

    #[tokio::test]
    async fn the_writer_synchronises_every_commit() {
        let folder = tempfile::tempdir().unwrap();
        let (storage, _task) = Storage::open(folder.path()).await.unwrap();
        let (mode, level, version) = storage
            .write(|writer| {
                Box::pin(async move {
                    let mode = pragma(writer, "PRAGMA journal_mode").await?;
                    let level = "SELECT CAST(synchronous AS TEXT) FROM pragma_synchronous";
                    let level = pragma(writer, level).await?;
                    let version = pragma(writer, "SELECT sqlite_version()").await?;
                    Ok::<_, StorageError>((mode, level, version))
                })
            })
            .await
            .unwrap();
        assert_eq!((mode.as_str(), level.as_str()), ("wal", "2"));
        let numbers: Vec<u32> = version
            .split('.')
            .map(|part| part.parse().unwrap())
            .collect();
        assert!(
            numbers >= vec![3, 51, 3],
            "older ones can corrupt a WAL: {version}"
        );
    }

    #[tokio::test]
    async fn a_failed_command_takes_nobody_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let (storage, task) = Storage::open(folder.path()).await.unwrap();
        let storage = Arc::new(storage);
        let mut writes = Vec::new();
        for number in 0..20 {
            let storage = storage.clone();
            writes.push(tokio::spawn(async move {
                let written: Result<u64, StorageError> = storage
                    .write(move |writer| {
                        Box::pin(async move {
                            let revision = writer.bump_revision([]).await?;
                            match number % 2 {
                                0 => Ok(revision),
                                _ => Err(StorageError::Busy),
                            }
                        })
                    })
                    .await;
                written.is_ok()
            }));
        }
        let mut kept = 0;
        for write in writes {
            kept += u64::from(write.await.unwrap());
        }
        assert_eq!((kept, *storage.revision().borrow()), (10, 10));
        let mut view = storage.read().await.unwrap();
        assert_eq!(directory::revision(&mut view).await.unwrap(), 10);
        drop((view, storage));
        task.await.unwrap();
    }

    #[tokio::test]
    async fn a_write_goes_on_when_its_caller_has_left() {
        let folder = tempfile::tempdir().unwrap();
        let (storage, _task) = Storage::open(folder.path()).await.unwrap();
        let mut revision = storage.revision();
        let write = storage.write(|writer| Box::pin(writer.bump_revision([])));
        let left = tokio::time::timeout(Duration::ZERO, write);
        drop(left.await);
        revision.wait_for(|revision| *revision == 1).await.unwrap();
    }
}
