//! Databases with their settings, and the revision that grows with every change of them, of their
//! groups or of their users.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use backend_types::{DatabaseId, DatabaseSettings};
use sqlx::SqliteConnection;

use super::{StorageError, Writer};

/// A database without its users.
#[derive(PartialEq, Eq, Clone, Debug)]
pub(crate) struct StoredDatabase {
    pub(crate) id: DatabaseId,
    pub(crate) settings: DatabaseSettings,
    pub(crate) index_key: String,
}

pub(crate) async fn revision(connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
    let revision: i64 = sqlx::query_scalar("SELECT revision FROM directory")
        .fetch_one(connection)
        .await?;
    Ok(u64::try_from(revision).unwrap_or_default())
}

/// At which revision a database was changed last, of those that were since this program began.
/// One that a transaction has marked and then left as it was is read in vain, no more.
#[derive(Default)]
pub(crate) struct Marks(Mutex<HashMap<String, u64>>);

impl Marks {
    /// The ids of databases that may have changed after `revision`.
    pub(crate) fn since(&self, revision: u64) -> Vec<String> {
        let marks = self.lock();
        let later = marks.iter().filter(|(_, changed)| **changed > revision);
        later.map(|(id, _)| id.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// Marks the directory as changed by this transaction, in these databases.
    pub(crate) async fn bump_revision(
        &mut self,
        databases: impl IntoIterator<Item = String>,
    ) -> Result<u64, StorageError> {
        sqlx::query("UPDATE directory SET revision = revision + 1")
            .execute(&mut self.connection)
            .await?;
        let revision = revision(&mut self.connection).await?;
        let marked = databases.into_iter().map(|id| (id, revision));
        self.marks.lock().extend(marked);
        self.revision = Some(revision);
        Ok(revision)
    }
}

pub(crate) async fn ids(connection: &mut SqliteConnection) -> Result<Vec<String>, StorageError> {
    Ok(sqlx::query_scalar("SELECT id FROM database")
        .fetch_all(connection)
        .await?)
}

pub(crate) async fn database(
    connection: &mut SqliteConnection,
    id: &DatabaseId,
) -> Result<Option<StoredDatabase>, StorageError> {
    let placed = placed(connection, id.as_str()).await?;
    Ok(placed.map(|(_, database)| database))
}

/// With its place among the others.
pub(crate) async fn placed(
    connection: &mut SqliteConnection,
    id: &str,
) -> Result<Option<(i64, StoredDatabase)>, StorageError> {
    let row: Option<(i64, String, String)> =
        sqlx::query_as("SELECT position, settings, index_key FROM database WHERE id = ?")
            .bind(id)
            .fetch_optional(connection)
            .await?;
    let Some((position, settings, index_key)) = row else {
        return Ok(None);
    };
    let database = StoredDatabase {
        id: serde_json::from_value(id.into())?,
        settings: serde_json::from_str(&settings)?,
        index_key,
    };
    Ok(Some((position, database)))
}

pub(crate) async fn put(
    connection: &mut SqliteConnection,
    database: &StoredDatabase,
) -> Result<(), StorageError> {
    sqlx::query(
        "INSERT INTO database (id, settings, index_key) VALUES (?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET settings = excluded.settings",
    )
    .bind(database.id.as_str())
    .bind(serde_json::to_string(&database.settings)?)
    .bind(&database.index_key)
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes the database with everything in it; whether there was one.
pub(crate) async fn delete(
    connection: &mut SqliteConnection,
    id: &DatabaseId,
) -> Result<bool, StorageError> {
    let done = sqlx::query("DELETE FROM database WHERE id = ?")
        .bind(id.as_str())
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}
