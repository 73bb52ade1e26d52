//! Rows of entity sets that need no columns of their own.

use sqlx::SqliteConnection;

use super::{Entity, StorageError, body_of, entity_of};

/// The sets kept here, named as in the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntitySet {
    UserGroups,
    DocTypes,
    Warehouses,
    Products,
}

impl EntitySet {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::UserGroups => "UserGroups",
            Self::DocTypes => "DocTypes",
            Self::Warehouses => "Warehouses",
            Self::Products => "Products",
        }
    }
}

/// All of a set in the order in which they were added.
pub(crate) async fn all(
    connection: &mut SqliteConnection,
    database: &str,
    set: EntitySet,
) -> Result<Vec<Entity>, StorageError> {
    let bodies: Vec<String> = sqlx::query_scalar(
        "SELECT body FROM entity WHERE database_id = ? AND entity_set = ? ORDER BY position",
    )
    .bind(database)
    .bind(set.name())
    .fetch_all(connection)
    .await?;
    bodies.iter().map(|body| entity_of(body)).collect()
}

pub(crate) async fn one(
    connection: &mut SqliteConnection,
    database: &str,
    set: EntitySet,
    key: &str,
) -> Result<Option<Entity>, StorageError> {
    let body: Option<String> = sqlx::query_scalar(
        "SELECT body FROM entity WHERE database_id = ? AND entity_set = ? AND key = ?",
    )
    .bind(database)
    .bind(set.name())
    .bind(key)
    .fetch_optional(connection)
    .await?;
    body.as_deref().map(entity_of).transpose()
}

/// What an address names: the one with the key, or all.
pub(crate) async fn addressed(
    connection: &mut SqliteConnection,
    database: &str,
    set: EntitySet,
    key: Option<&str>,
) -> Result<Vec<Entity>, StorageError> {
    match key {
        Some(key) => Ok(one(connection, database, set, key)
            .await?
            .into_iter()
            .collect()),
        None => all(connection, database, set).await,
    }
}

/// Adds the entity or replaces the one with this key, which keeps its place.
pub(crate) async fn put(
    connection: &mut SqliteConnection,
    database: &str,
    set: EntitySet,
    key: &str,
    entity: &Entity,
) -> Result<(), StorageError> {
    sqlx::query(
        "INSERT INTO entity (database_id, entity_set, key, body) VALUES (?, ?, ?, ?)
         ON CONFLICT (database_id, entity_set, key) DO UPDATE SET body = excluded.body",
    )
    .bind(database)
    .bind(set.name())
    .bind(key)
    .bind(body_of(entity)?)
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether there was such an entity.
pub(crate) async fn delete(
    connection: &mut SqliteConnection,
    database: &str,
    set: EntitySet,
    key: &str,
) -> Result<bool, StorageError> {
    let done =
        sqlx::query("DELETE FROM entity WHERE database_id = ? AND entity_set = ? AND key = ?")
            .bind(database)
            .bind(set.name())
            .bind(key)
            .execute(connection)
            .await?;
    Ok(done.rows_affected() > 0)
}
