//! Databases with their settings, and the revision that grows with every change of them, of their
//! groups or of their users.

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

type Row = (String, String, String);

fn database_of((id, settings, index_key): Row) -> Result<StoredDatabase, StorageError> {
    Ok(StoredDatabase {
        id: serde_json::from_value(id.into())?,
        settings: serde_json::from_str(&settings)?,
        index_key,
    })
}

pub(crate) async fn revision(connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
    let revision: i64 = sqlx::query_scalar("SELECT revision FROM directory")
        .fetch_one(connection)
        .await?;
    Ok(u64::try_from(revision).unwrap_or_default())
}

impl Writer {
    /// Marks the directory as changed by this transaction.
    pub(crate) async fn bump_revision(&mut self) -> Result<u64, StorageError> {
        sqlx::query("UPDATE directory SET revision = revision + 1")
            .execute(&mut self.connection)
            .await?;
        let revision = revision(&mut self.connection).await?;
        self.revision = Some(revision);
        Ok(revision)
    }
}

pub(crate) async fn databases(
    connection: &mut SqliteConnection,
) -> Result<Vec<StoredDatabase>, StorageError> {
    let rows: Vec<Row> =
        sqlx::query_as("SELECT id, settings, index_key FROM database ORDER BY position")
            .fetch_all(connection)
            .await?;
    rows.into_iter().map(database_of).collect()
}

pub(crate) async fn database(
    connection: &mut SqliteConnection,
    id: &DatabaseId,
) -> Result<Option<StoredDatabase>, StorageError> {
    let row: Option<Row> =
        sqlx::query_as("SELECT id, settings, index_key FROM database WHERE id = ?")
            .bind(id.as_str())
            .fetch_optional(connection)
            .await?;
    row.map(database_of).transpose()
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
