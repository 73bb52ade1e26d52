//! Documents: the header as a body, the rows of plan and fact one by one, the extra tables as one.

use serde_json::Value;
use sqlx::{FromRow, SqliteConnection};

use super::{Entity, StorageError, body_of, entity_of};

/// A document without its rows.
#[derive(Clone, Debug)]
pub(crate) struct StoredDocument {
    pub(crate) position: i64,
    pub(crate) uni: String,
    pub(crate) body: Entity,
    /// An array of tables with their rows.
    pub(crate) tables: Value,
    /// Rows came in after the last copy for the backups.
    pub(crate) uncopied: bool,
}

/// The two lists of rows that are stored; the third is made of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    Declared,
    Current,
}

impl List {
    fn name(self) -> &'static str {
        match self {
            Self::Declared => "declared",
            Self::Current => "current",
        }
    }
}

#[derive(FromRow)]
struct Row {
    position: i64,
    uni: String,
    body: String,
    tables: String,
    uncopied: bool,
}

impl TryFrom<Row> for StoredDocument {
    type Error = StorageError;

    fn try_from(row: Row) -> Result<Self, StorageError> {
        Ok(Self {
            position: row.position,
            uni: row.uni,
            body: entity_of(&row.body)?,
            tables: serde_json::from_str(&row.tables)?,
            uncopied: row.uncopied,
        })
    }
}

/// All documents, or those of one type, oldest first.
pub(crate) async fn all(
    connection: &mut SqliteConnection,
    database: &str,
    uni: Option<&str>,
) -> Result<Vec<StoredDocument>, StorageError> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT position, uni, body, tables, uncopied FROM document
         WHERE database_id = ?1 AND (?2 IS NULL OR uni = ?2) ORDER BY position",
    )
    .bind(database)
    .bind(uni)
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(StoredDocument::try_from).collect()
}

pub(crate) async fn one(
    connection: &mut SqliteConnection,
    database: &str,
    id: &str,
) -> Result<Option<StoredDocument>, StorageError> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT position, uni, body, tables, uncopied FROM document WHERE database_id = ? AND id = ?",
    )
    .bind(database)
    .bind(id)
    .fetch_optional(connection)
    .await?;
    row.map(StoredDocument::try_from).transpose()
}

/// How many documents there are of one type.
pub(crate) async fn count(
    connection: &mut SqliteConnection,
    database: &str,
    uni: &str,
) -> Result<i64, StorageError> {
    Ok(
        sqlx::query_scalar("SELECT count(*) FROM document WHERE database_id = ? AND uni = ?")
            .bind(database)
            .bind(uni)
            .fetch_one(connection)
            .await?,
    )
}

/// Adds the document or replaces header, type and tables of the one with this id; gives its
/// position.
pub(crate) async fn put(
    connection: &mut SqliteConnection,
    database: &str,
    id: &str,
    uni: &str,
    body: &Entity,
    tables: &Value,
) -> Result<i64, StorageError> {
    Ok(sqlx::query_scalar(
        "INSERT INTO document (database_id, id, uni, body, tables) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (database_id, id) DO UPDATE SET
             uni = excluded.uni, body = excluded.body, tables = excluded.tables
         RETURNING position",
    )
    .bind(database)
    .bind(id)
    .bind(uni)
    .bind(body_of(body)?)
    .bind(tables.to_string())
    .fetch_one(connection)
    .await?)
}

pub(crate) async fn set_uncopied(
    connection: &mut SqliteConnection,
    position: i64,
    uncopied: bool,
) -> Result<(), StorageError> {
    sqlx::query("UPDATE document SET uncopied = ? WHERE position = ?")
        .bind(uncopied)
        .bind(position)
        .execute(connection)
        .await?;
    Ok(())
}

/// Whether there was such a document. Its rows go with it.
pub(crate) async fn delete(
    connection: &mut SqliteConnection,
    database: &str,
    id: &str,
) -> Result<bool, StorageError> {
    let done = sqlx::query("DELETE FROM document WHERE database_id = ? AND id = ?")
        .bind(database)
        .bind(id)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// The rows of a document's list in the order in which they came.
pub(crate) async fn items(
    connection: &mut SqliteConnection,
    document: i64,
    list: List,
) -> Result<Vec<Entity>, StorageError> {
    let bodies: Vec<String> = sqlx::query_scalar(
        "SELECT body FROM document_item WHERE document_position = ? AND list = ?
         ORDER BY position",
    )
    .bind(document)
    .bind(list.name())
    .fetch_all(connection)
    .await?;
    bodies.iter().map(|body| entity_of(body)).collect()
}

pub(crate) async fn item(
    connection: &mut SqliteConnection,
    document: i64,
    list: List,
    uid: &str,
) -> Result<Option<Entity>, StorageError> {
    let body: Option<String> = sqlx::query_scalar(
        "SELECT body FROM document_item WHERE document_position = ? AND list = ? AND uid = ?",
    )
    .bind(document)
    .bind(list.name())
    .bind(uid)
    .fetch_optional(connection)
    .await?;
    body.as_deref().map(entity_of).transpose()
}

pub(crate) async fn count_items(
    connection: &mut SqliteConnection,
    document: i64,
    list: List,
) -> Result<i64, StorageError> {
    Ok(sqlx::query_scalar(
        "SELECT count(*) FROM document_item WHERE document_position = ? AND list = ?",
    )
    .bind(document)
    .bind(list.name())
    .fetch_one(connection)
    .await?)
}

/// Appends the row, or replaces the one with the same uid, which keeps its place.
pub(crate) async fn put_item(
    connection: &mut SqliteConnection,
    document: i64,
    list: List,
    uid: &str,
    body: &Entity,
) -> Result<(), StorageError> {
    sqlx::query(
        "INSERT INTO document_item (document_position, list, uid, body) VALUES (?, ?, ?, ?)
         ON CONFLICT (document_position, list, uid) DO UPDATE SET body = excluded.body",
    )
    .bind(document)
    .bind(list.name())
    .bind(uid)
    .bind(body_of(body)?)
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes all rows of a list.
pub(crate) async fn clear_items(
    connection: &mut SqliteConnection,
    document: i64,
    list: List,
) -> Result<(), StorageError> {
    sqlx::query("DELETE FROM document_item WHERE document_position = ? AND list = ?")
        .bind(document)
        .bind(list.name())
        .execute(connection)
        .await?;
    Ok(())
}
