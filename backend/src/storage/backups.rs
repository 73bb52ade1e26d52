//! Copies of documents that wait to become files.

use backend_types::DatabaseId;
use sqlx::SqliteConnection;

use super::StorageError;
use crate::backups::Copy;

/// Of one database: what waits longest, at most `most`, with the places in the queue.
pub(crate) async fn waiting(
    connection: &mut SqliteConnection,
    database: &DatabaseId,
    most: u32,
) -> Result<Vec<(i64, Copy)>, StorageError> {
    let rows: Vec<(i64, String)> = sqlx::query_as(
        "SELECT position, copy FROM backup WHERE database_id = ? ORDER BY position LIMIT ?",
    )
    .bind(database.as_str())
    .bind(most)
    .fetch_all(connection)
    .await?;
    let read = |(position, copy): (i64, String)| Ok((position, serde_json::from_str(&copy)?));
    rows.into_iter().map(read).collect()
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
                 SELECT position, sum(length(copy)) OVER (ORDER BY position DESC) AS newer
                 FROM backup WHERE database_id = ?)
             WHERE newer > ?)",
    )
    .bind(database.as_str())
    .bind(bytes)
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
