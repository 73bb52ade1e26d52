//! Sessions and throttle windows on disk (redb), so that a restart logs nobody out and forgives
//! nothing.
//!
//! A session is committed before its token leaves the gateway: a kill loses none. Windows are
//! written about once a second and at stop. One thread writes, and commits all that has gathered
//! as one transaction; it reads each record when it writes it, so no older state can follow a
//! newer one. Tokens are kept as SHA-256 only.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread::JoinHandle,
};

use gateway_policy::session::{FamilyId, Record, Sessions};
use redb::{
    Database, DatabaseError, ReadableDatabase, ReadableTable, StorageError, TableDefinition,
};
use tokio::sync::oneshot;

const SESSIONS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("sessions");
const WINDOWS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("windows");

/// What is to be written.
pub(crate) enum Write {
    /// The family as [`Sessions`] has it when the writer gets to it.
    Family(FamilyId),
    Window {
        name: &'static str,
        content: Vec<u8>,
    },
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("{file}: {source}", file = file.display())]
    Open {
        file: PathBuf,
        source: std::io::Error,
    },
    #[error("sessions are not readable: {0}")]
    Read(#[from] Box<redb::Error>),
    #[error("a stored session is not readable: {0}")]
    Shape(#[from] serde_json::Error),
    #[error("the thread that writes sessions cannot start: {0}")]
    Thread(#[from] std::io::Error),
}

/// The record could not be committed, or the writer has ended.
#[derive(Debug, thiserror::Error)]
#[error("the session could not be written to disk")]
pub(crate) struct NotStored;

type Job = (Vec<Write>, oneshot::Sender<bool>);

pub(crate) struct SessionStore {
    jobs: mpsc::Sender<Job>,
}

/// What the last run left.
#[derive(Default)]
pub(crate) struct Stored {
    pub(crate) families: Vec<Record>,
    pub(crate) windows: Vec<(String, Vec<u8>)>,
}

/// Opens or makes the file.
fn open(file: &Path) -> Result<Database, StoreError> {
    Database::create(file).map_err(|fault| StoreError::Open {
        file: file.to_owned(),
        // redb does not name it as its source.
        source: match fault {
            DatabaseError::Storage(StorageError::Io(fault)) => fault,
            other => std::io::Error::other(other),
        },
    })
}

impl SessionStore {
    /// Opens or makes the file (0600); the thread ends when the store is dropped.
    pub(crate) fn open(
        file: &Path,
        sessions: Arc<Sessions>,
    ) -> Result<(Self, Stored, JoinHandle<()>), StoreError> {
        let database = open(file)?;
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600))?;
        let stored = read(&database)?;
        let (jobs, inbox) = mpsc::channel();
        let writer = std::thread::Builder::new()
            .name("sessions".to_owned())
            .spawn({
                let file = file.to_owned();
                move || write_all(&file, database, &sessions, &inbox)
            })?;
        Ok((Self { jobs }, stored, writer))
    }

    /// Resolves when all of `writes` are on disk.
    pub(crate) async fn commit(&self, writes: Vec<Write>) -> Result<(), NotStored> {
        if writes.is_empty() {
            return Ok(());
        }
        let (done, wait) = oneshot::channel();
        self.jobs.send((writes, done)).map_err(|_ended| NotStored)?;
        match wait.await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(NotStored),
        }
    }
}

fn read(database: &Database) -> Result<Stored, StoreError> {
    let rows = read_rows(database).map_err(Box::new)?;
    let families = rows.0.iter().map(|record| serde_json::from_slice(record));
    Ok(Stored {
        families: families.collect::<Result<_, _>>()?,
        windows: rows.1,
    })
}

type Rows = (Vec<Vec<u8>>, Vec<(String, Vec<u8>)>);

fn read_rows(database: &Database) -> Result<Rows, redb::Error> {
    let start = database.begin_write()?;
    start.open_table(SESSIONS)?;
    start.open_table(WINDOWS)?;
    start.commit()?;
    let reading = database.begin_read()?;
    let (mut families, mut windows) = (Vec::new(), Vec::new());
    for row in reading.open_table(SESSIONS)?.iter()? {
        families.push(row?.1.value().to_vec());
    }
    for row in reading.open_table(WINDOWS)?.iter()? {
        let (name, content) = row?;
        windows.push((name.value().to_owned(), content.value().to_vec()));
    }
    Ok((families, windows))
}

fn write_all(file: &Path, database: Database, sessions: &Sessions, inbox: &mpsc::Receiver<Job>) {
    let mut database = Some(database);
    while let Ok(first) = inbox.recv() {
        let jobs: Vec<Job> = std::iter::once(first).chain(inbox.try_iter()).collect();
        let writes = || jobs.iter().flat_map(|(writes, _)| writes);
        let mut written = database
            .as_ref()
            .map(|open| write(open, sessions, writes()));
        if !matches!(written, Some(Ok(()))) {
            // After a failed write (a full disk) redb refuses all others until it is opened anew.
            drop(database.take());
            written = match open(file) {
                Ok(opened) => Some(write(database.insert(opened), sessions, writes())),
                Err(fault) => Some(Err(fault)),
            };
        }
        if let Some(Err(fault)) = &written {
            tracing::error!(%fault, "sessions cannot be written; nobody new can log in");
        }
        let stored = matches!(written, Some(Ok(())));
        for (_, done) in jobs {
            if done.send(stored).is_err() {
                tracing::debug!("a client hung up before its session was on disk");
            }
        }
    }
}

fn write<'a>(
    database: &Database,
    sessions: &Sessions,
    writes: impl Iterator<Item = &'a Write>,
) -> Result<(), StoreError> {
    let rows = writes.map(|write| {
        Ok(match write {
            Write::Family(family) => {
                let record = sessions.record(*family);
                Row::Family(
                    *family,
                    record
                        .map(|record| serde_json::to_vec(&record))
                        .transpose()?,
                )
            }
            Write::Window { name, content } => Row::Window(name, content),
        })
    });
    let rows = rows.collect::<Result<Vec<Row<'_>>, StoreError>>()?;
    write_rows(database, &rows).map_err(|fault| Box::new(fault).into())
}

enum Row<'a> {
    Family(FamilyId, Option<Vec<u8>>),
    Window(&'a str, &'a [u8]),
}

fn write_rows(database: &Database, rows: &[Row<'_>]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut sessions = transaction.open_table(SESSIONS)?;
        let mut windows = transaction.open_table(WINDOWS)?;
        for row in rows {
            match row {
                Row::Family(family, Some(record)) => {
                    sessions.insert(family.as_bytes().as_slice(), record.as_slice())?;
                }
                Row::Family(family, None) => {
                    sessions.remove(family.as_bytes().as_slice())?;
                }
                Row::Window(name, content) => {
                    windows.insert(*name, *content)?;
                }
            }
        }
    }
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use backend_types::{Role, User};
    use gateway_policy::{
        Moment,
        session::{Found, Login, Way},
    };

    use super::*;

    #[tokio::test]
    async fn a_committed_session_is_found_after_a_restart_and_an_ended_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sessions.redb");
        let (database, now) = ("shop".parse().unwrap(), Moment(1_000_000));
        let user = User {
            id: "1".to_owned(),
            name: "Иванов".to_owned(),
            role: Role::MobileUser,
            password: Some("$argon2id$".to_owned()),
            index: None,
            barcode: None,
            barcode_index: None,
        };
        let login = || Login::new("shop".parse().unwrap(), &user, Way::Name).unwrap();
        let open = |sessions| SessionStore::open(&file, sessions).unwrap();
        let families = |changed: Vec<FamilyId>| changed.into_iter().map(Write::Family).collect();

        let sessions = Arc::new(Sessions::new([1; 32]));
        let (store, stored, writer) = open(Arc::clone(&sessions));
        assert!(stored.families.is_empty());
        let (kept, changed) = sessions.open(login(), now, [2; 32]);
        store.commit(families(changed)).await.unwrap();
        let (ended, changed) = sessions.open(login(), now, [3; 32]);
        store.commit(families(changed)).await.unwrap();
        store
            .commit(families(sessions.end(&ended.access, &database, now)))
            .await
            .unwrap();
        let window = Write::Window {
            name: "throttle",
            content: b"{}".to_vec(),
        };
        store.commit(vec![window]).await.unwrap();
        drop(store);
        writer.join().unwrap();

        let sessions = Arc::new(Sessions::new([1; 32]));
        let (_store, stored, _writer) = open(Arc::clone(&sessions));
        sessions.restore(stored.families, now);
        assert!(matches!(
            sessions.find(&kept.access, &database, now),
            Found::Session(_)
        ));
        assert!(matches!(
            sessions.find(&ended.access, &database, now),
            Found::Unknown
        ));
        assert_eq!(stored.windows, [("throttle".to_owned(), b"{}".to_vec())]);
    }
}
