//! Users: the body that the API shows, and beside it the login material that it never shows.

use sqlx::{FromRow, SqliteConnection};

use super::{Entity, StorageError, body_of, entity_of};
use crate::secrets::Stored;

/// A user as stored.
#[derive(Clone)]
pub(crate) struct StoredUser {
    pub(crate) id: String,
    pub(crate) group_id: String,
    /// Name and id as logins are compared.
    pub(crate) name_login: String,
    pub(crate) id_login: String,
    pub(crate) body: Entity,
    pub(crate) password: Stored,
    pub(crate) barcode: Option<Stored>,
}

#[derive(FromRow)]
struct Row {
    id: String,
    group_id: String,
    name_login: String,
    id_login: String,
    body: String,
    password: String,
    password_index: String,
    barcode: Option<String>,
    barcode_index: Option<String>,
}

impl TryFrom<Row> for StoredUser {
    type Error = StorageError;

    fn try_from(row: Row) -> Result<Self, StorageError> {
        let stored = |hash, index| Stored { hash, index };
        Ok(Self {
            body: entity_of(&row.body)?,
            id: row.id,
            group_id: row.group_id,
            name_login: row.name_login,
            id_login: row.id_login,
            password: stored(row.password, row.password_index),
            barcode: row
                .barcode
                .zip(row.barcode_index)
                .map(|(hash, index)| stored(hash, index)),
        })
    }
}

pub(crate) async fn all(
    connection: &mut SqliteConnection,
    database: &str,
) -> Result<Vec<StoredUser>, StorageError> {
    let rows: Vec<Row> =
        sqlx::query_as("SELECT * FROM user WHERE database_id = ? ORDER BY position")
            .bind(database)
            .fetch_all(connection)
            .await?;
    rows.into_iter().map(StoredUser::try_from).collect()
}

pub(crate) async fn ids(
    connection: &mut SqliteConnection,
    database: &str,
) -> Result<Vec<String>, StorageError> {
    Ok(
        sqlx::query_scalar("SELECT id FROM user WHERE database_id = ? ORDER BY position")
            .bind(database)
            .fetch_all(connection)
            .await?,
    )
}

pub(crate) async fn one(
    connection: &mut SqliteConnection,
    database: &str,
    id: &str,
) -> Result<Option<StoredUser>, StorageError> {
    let row: Option<Row> = sqlx::query_as("SELECT * FROM user WHERE database_id = ? AND id = ?")
        .bind(database)
        .bind(id)
        .fetch_optional(connection)
        .await?;
    row.map(StoredUser::try_from).transpose()
}

/// Which other user stands in the way of `user`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clash {
    Login,
    Secret,
}

/// A login or a secret of `user` that belongs to somebody else already, over both columns each.
pub(crate) async fn clash(
    connection: &mut SqliteConnection,
    database: &str,
    user: &StoredUser,
) -> Result<Option<Clash>, StorageError> {
    let login: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM user WHERE database_id = ?1 AND id <> ?2
         AND (name_login IN (?3, ?4) OR id_login IN (?3, ?4)))",
    )
    .bind(database)
    .bind(&user.id)
    .bind(&user.name_login)
    .bind(&user.id_login)
    .fetch_one(&mut *connection)
    .await?;
    if login {
        return Ok(Some(Clash::Login));
    }
    let password = &user.password.index;
    let barcode = user
        .barcode
        .as_ref()
        .map_or(password, |stored| &stored.index);
    let secret: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM user WHERE database_id = ?1 AND id <> ?2
         AND (password_index IN (?3, ?4) OR barcode_index IN (?3, ?4)))",
    )
    .bind(database)
    .bind(&user.id)
    .bind(password)
    .bind(barcode)
    .fetch_one(connection)
    .await?;
    Ok(secret.then_some(Clash::Secret))
}

/// Adds the user or replaces the one with this id.
pub(crate) async fn put(
    connection: &mut SqliteConnection,
    database: &str,
    user: &StoredUser,
) -> Result<(), StorageError> {
    let barcode = user.barcode.as_ref();
    sqlx::query(
        "INSERT INTO user (database_id, id, group_id, name_login, id_login, body,
                           password, password_index, barcode, barcode_index)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (database_id, id) DO UPDATE SET
             group_id = excluded.group_id, name_login = excluded.name_login,
             id_login = excluded.id_login, body = excluded.body,
             password = excluded.password, password_index = excluded.password_index,
             barcode = excluded.barcode, barcode_index = excluded.barcode_index",
    )
    .bind(database)
    .bind(&user.id)
    .bind(&user.group_id)
    .bind(&user.name_login)
    .bind(&user.id_login)
    .bind(body_of(&user.body)?)
    .bind(&user.password.hash)
    .bind(&user.password.index)
    .bind(barcode.map(|stored| &stored.hash))
    .bind(barcode.map(|stored| &stored.index))
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether there was such a user.
pub(crate) async fn delete(
    connection: &mut SqliteConnection,
    database: &str,
    id: &str,
) -> Result<bool, StorageError> {
    let done = sqlx::query("DELETE FROM user WHERE database_id = ? AND id = ?")
        .bind(database)
        .bind(id)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// How many users the group has.
pub(crate) async fn in_group(
    connection: &mut SqliteConnection,
    database: &str,
    group_id: &str,
) -> Result<i64, StorageError> {
    Ok(
        sqlx::query_scalar("SELECT count(*) FROM user WHERE database_id = ? AND group_id = ?")
            .bind(database)
            .bind(group_id)
            .fetch_one(connection)
            .await?,
    )
}
