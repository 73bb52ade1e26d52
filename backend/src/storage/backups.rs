//! Copies of documents that wait to become files.

use backend_types::DatabaseId;
use sqlx::SqliteConnection;

use super::StorageError;
use crate::backups::Copy;

/// Of one database: the copy that waits longest behind a place in the queue, with its own place
/// and its size in bytes. The copy is `None` where it cannot be read.
pub(crate) async fn next(
    connection: &mut SqliteConnection,
    database: &DatabaseId,
    behind: i64,
) -> Result<Option<(i64, usize, Option<Copy>)>, StorageError> {
    let row: Option<(i64, String)> = sqlx::query_as(
        "SELECT position, copy FROM backup WHERE database_id = ? AND position > ?
         ORDER BY position LIMIT 1",
    )
    .bind(database.as_str())
    .bind(behind)
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|(position, copy)| {
        let read = serde_json::from_str(&copy).inspect_err(|error| {
            tracing::error!(
                database.id = %database, error = %error, "a copy of a document is damaged and lost"
            );
        });
        (position, copy.len(), read.ok())
    }))
}

/// Databases that have copies waiting.
pub(crate) async fn databases(
    connection: &mut SqliteConnection,
) -> Result<Vec<String>, StorageError> {
    Ok(
        sqlx::query_scalar("SELECT DISTINCT database_id FROM backup")
            .fetch_all(connection)
            .await?,
    )
}

pub(crate) async fn add(
    connection: &mut SqliteConnection,
    database: &str,
    copy: &Copy,
) -> Result<(), StorageError> {
    sqlx::query("INSERT INTO backup (database_id, copy) VALUES (?, ?)")
        .bind(database)
        .bind(serde_json::to_string(copy)?)
        .execute(connection)
        .await?;
    Ok(())
}

/// Takes a copy out of the queue: its file is on disk.
pub(crate) async fn done(
    connection: &mut SqliteConnection,
    position: i64,
) -> Result<(), StorageError> {
    sqlx::query("DELETE FROM backup WHERE position = ?")
        .bind(position)
        .execute(connection)
        .await?;
    Ok(())
}

/// Gives up the oldest of a database's copies beyond `bytes`; how many.
pub(crate) async fn cut(
    connection: &mut SqliteConnection,
    database: &DatabaseId,
    bytes: i64,
) -> Result<u64, StorageError> {
    let done = sqlx::query(
        "DELETE FROM backup WHERE position IN (
             SELECT position FROM (
                 SELECT position, sum(octet_length(copy)) OVER (ORDER BY position DESC) AS newer
                 FROM backup WHERE database_id = ?)
             WHERE newer > ?)",
    )
    .bind(database.as_str())
    .bind(bytes)
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
