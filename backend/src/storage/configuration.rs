//! What somebody has set of a database's configuration properties, and the exit password's hash.

use sqlx::SqliteConnection;

use super::{Entity, StorageError, body_of, entity_of};

#[derive(Clone, Default)]
pub(crate) struct StoredConfiguration {
    pub(crate) body: Entity,
    /// Argon2id in PHC form.
    pub(crate) exit_password: Option<String>,
}

pub(crate) async fn of(
    connection: &mut SqliteConnection,
    database: &str,
) -> Result<StoredConfiguration, StorageError> {
    let row: Option<(String, Option<String>)> =
        sqlx::query_as("SELECT body, exit_password FROM configuration WHERE database_id = ?")
            .bind(database)
            .fetch_optional(connection)
            .await?;
    match row {
        Some((body, exit_password)) => Ok(StoredConfiguration {
            body: entity_of(&body)?,
            exit_password,
        }),
        None => Ok(StoredConfiguration::default()),
    }
}

pub(crate) async fn put(
    connection: &mut SqliteConnection,
    database: &str,
    configuration: &StoredConfiguration,
) -> Result<(), StorageError> {
    sqlx::query(
        "INSERT INTO configuration (database_id, body, exit_password) VALUES (?, ?, ?)
         ON CONFLICT (database_id) DO UPDATE SET
             body = excluded.body, exit_password = excluded.exit_password",
    )
    .bind(database)
    .bind(body_of(&configuration.body)?)
    .bind(&configuration.exit_password)
    .execute(connection)
    .await?;
    Ok(())
}
