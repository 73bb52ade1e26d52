//! The directory as gateways are told it: a database is read and put into JSON when it has changed,
//! and kept like that until it changes again. What a change costs does not grow with its neighbours.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use backend_types::{Database, MadeUser};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use sqlx::SqliteConnection;

use super::login_material;
use crate::storage::{
    Storage, StorageError,
    directory::{self as stored, Marks, StoredDatabase},
};

/// One database with its login material.
struct Told {
    stored: StoredDatabase,
    json: Box<RawValue>,
}

/// All databases at one revision, in the order in which they were added.
#[derive(Clone, Default)]
pub(crate) struct Snapshot {
    pub(crate) revision: u64,
    databases: BTreeMap<i64, Arc<Told>>,
}

impl Snapshot {
    pub(crate) fn databases(&self) -> impl Iterator<Item = &StoredDatabase> {
        self.databases.values().map(|told| &told.stored)
    }

    /// A [`backend_types::Directory`]; with those who were made, a [`backend_types::Changed`].
    pub(crate) fn json(&self, made: Option<&[MadeUser]>) -> Result<Vec<u8>, StorageError> {
        #[derive(Serialize)]
        struct Shape<'a> {
            revision: u64,
            databases: Vec<&'a RawValue>,
            #[serde(skip_serializing_if = "Option::is_none")]
            made: Option<&'a [MadeUser]>,
        }
        Ok(serde_json::to_vec(&Shape {
            revision: self.revision,
            databases: self.databases.values().map(|told| &*told.json).collect(),
            made,
        })?)
    }

    async fn read_again(
        &mut self,
        connection: &mut SqliteConnection,
        id: &str,
    ) -> Result<(), StorageError> {
        self.databases
            .retain(|_, told| told.stored.id.as_str() != id);
        if let Some((position, stored)) = stored::placed(connection, id).await? {
            let database = Database {
                id: stored.id.clone(),
                settings: stored.settings.clone(),
                index_key: stored.index_key.clone(),
                users: login_material(connection, id).await?,
            };
            let json = to_raw_value(&database)?;
            let told = Arc::new(Told { stored, json });
            self.databases.insert(position, told);
        }
        Ok(())
    }
}

/// What was told last, and what has changed since.
pub(crate) struct Feed {
    last: Mutex<Snapshot>,
    marks: Arc<Marks>,
}

impl Feed {
    pub(crate) fn of(storage: &Storage) -> Self {
        Self {
            last: Mutex::default(),
            marks: storage.marks(),
        }
    }

    /// The newest that is on disk; the one after it is read from here on.
    pub(crate) async fn committed(&self, storage: &Storage) -> Result<Snapshot, StorageError> {
        let mut view = storage.read().await?;
        let snapshot = self.seen_by(&mut view).await?;
        let mut last = self.last();
        if last.revision < snapshot.revision {
            last.clone_from(&snapshot);
        }
        Ok(snapshot)
    }

    /// As this connection sees it: within a transaction also what is not committed.
    pub(super) async fn seen_by(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<Snapshot, StorageError> {
        // In this order: a view is of the moment of its first read, so not older than what was told;
        // and marks are set before a commit, so those of all that it shows are there by then.
        let mut snapshot = self.last().clone();
        let revision = stored::revision(connection).await?;
        let changed = match snapshot.revision {
            0 => stored::ids(connection).await?,
            last => self.marks.since(last),
        };
        for id in &changed {
            snapshot.read_again(connection, id).await?;
        }
        snapshot.revision = revision;
        Ok(snapshot)
    }

    fn last(&self) -> MutexGuard<'_, Snapshot> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
