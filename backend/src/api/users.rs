//! `Users`: passwords and barcodes go in and never come out. Every change moves the directory's
//! revision.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use backend_types::{Role, header};
use http::{HeaderValue, Method};
use serde_json::{Value, json};
use sqlx::SqliteConnection;
use unicode_normalization::UnicodeNormalization;

use super::{
    Call,
    answers::no_content,
    check_name,
    error::ApiError,
    user_groups::{group_of, new_id, role},
};
use crate::{
    directory,
    entity::{complete, text},
    messages::Message,
    odata::body,
    secrets::{Stored, normal},
    storage::{
        Entity,
        entities::{self, EntitySet},
        users::{self, Clash, StoredUser},
    },
    template::COMMON_WAREHOUSE,
};

const LONGEST_SECRET: usize = 128;

pub(crate) async fn answer(call: &Call<'_>) -> Result<Response, ApiError> {
    call.require(&[Role::ExternalConnection, Role::Administrator])?;
    if call.is(&Method::GET) {
        let mut view = call.state.storage.read().await?;
        let users = all(&mut view, call.database_id()).await?;
        drop(view);
        return call.read(users);
    }
    match (call.method.clone(), call.plain_key()?) {
        (Method::POST, None) => put(call, None).await,
        (Method::PATCH | Method::PUT, Some(key)) => put(call, Some(key)).await,
        (Method::DELETE, Some(key)) => delete(call, key).await,
        (Method::DELETE, None) => clear(call).await,
        _ => Err(call.method_not_allowed()),
    }
}

/// All users as answered: without secrets, with the group's present name.
pub(crate) async fn all(
    connection: &mut SqliteConnection,
    database: &str,
) -> Result<Vec<Entity>, ApiError> {
    let groups = entities::all(connection, database, EntitySet::UserGroups).await?;
    let users = users::all(connection, database).await?;
    let answered = users.into_iter().map(|user| {
        let group = groups
            .iter()
            .find(|group| text(group, "id") == user.group_id);
        let mut body = user.body;
        body.insert(
            "groupName".to_owned(),
            json!(group.map(|group| text(group, "name"))),
        );
        body
    });
    Ok(answered.collect())
}

/// A name or an id in the form in which logins are compared: NFC, trimmed, case folded; character
/// by character as the gateway does it, or the two would disagree on who is who.
pub(crate) fn login(name: &str) -> String {
    // Lower-casing may decompose (İ), so NFC comes last as well.
    let lower: String = name.nfc().flat_map(char::to_lowercase).collect();
    lower.trim().nfc().collect()
}

/// What a request says about a password or a barcode.
pub(crate) enum Given {
    Nothing,
    Removed,
    New { stored: Stored, is_strong: bool },
}

async fn put(call: &Call<'_>, key: Option<String>) -> Result<Response, ApiError> {
    let kind = call.kind()?;
    let mut given = body::read(kind, call.json()?)?;
    let password = secret(call, given.shift_remove("password")).await?;
    let barcode = secret(call, given.shift_remove("barcode")).await?;
    let is_weak = matches!(
        password,
        Given::New {
            is_strong: false,
            ..
        }
    );
    // A new group is named by id or by name; the other of the two is the old group's.
    if given.contains_key("groupName") && !given.contains_key("groupId") {
        given.insert("groupId".to_owned(), Value::Null);
    }
    let (database, by) = (call.database_id().to_owned(), call.identity.role);
    let is_edit = key.is_some();
    let body = call
        .state
        .storage
        .write(move |writer| {
            Box::pin(async move {
                let connection = &mut writer.connection;
                let before = match &key {
                    Some(key) => {
                        let found = users::one(connection, &database, key).await?;
                        Some(found.ok_or_else(ApiError::not_found)?)
                    }
                    None => None,
                };
                let was = match &before {
                    Some(user) => Some(role(&group_of(connection, &database, &user.body).await?)),
                    None => None,
                };
                let mut body = before
                    .as_ref()
                    .map(|user| user.body.clone())
                    .unwrap_or_default();
                body.extend(given);
                let id = match key {
                    Some(key) => key,
                    None => {
                        let ids = users::ids(connection, &database).await?;
                        let taken: Vec<&str> = ids.iter().map(String::as_str).collect();
                        new_id(&taken, text(&body, "id"))?
                    }
                };
                body.insert("id".to_owned(), json!(id));
                let group = group_of(connection, &database, &body).await?;
                let becomes = role(&group);
                may_write(by, was, becomes)?;

                let password = new_password(password, before.as_ref(), was, becomes)?;
                let barcode = match barcode {
                    Given::Nothing => before.and_then(|user| user.barcode),
                    Given::Removed => None,
                    Given::New { stored, .. } => Some(stored),
                };
                let group_id = text(&group, "id").to_owned();
                body.insert("groupId".to_owned(), json!(group_id));
                body.insert("groupName".to_owned(), json!(text(&group, "name")));
                if text(&body, "name").trim().is_empty() {
                    body.insert("name".to_owned(), json!(id));
                }
                check_name(text(&body, "name"))?;
                if was.is_none() && !body.contains_key("warehouseIds") {
                    body.insert("warehouseIds".to_owned(), json!([COMMON_WAREHOUSE]));
                }
                let mut body = complete(kind, body);
                body.shift_remove("password");
                body.shift_remove("barcode");
                let user = StoredUser {
                    name_login: login(text(&body, "name")),
                    id_login: login(&id),
                    id,
                    group_id,
                    body,
                    password,
                    barcode,
                };
                match users::clash(connection, &database, &user).await? {
                    Some(Clash::Login) => {
                        let name = text(&user.body, "name");
                        let message = Message::new("login-taken").with("login", name);
                        return Err(ApiError::conflict(message));
                    }
                    Some(Clash::Secret) => {
                        return Err(ApiError::conflict(Message::new("password-taken")));
                    }
                    None => {}
                }
                users::put(connection, &database, &user).await?;
                if was == Some(Role::Administrator) && becomes != Role::Administrator {
                    require_administrator(connection, &database).await?;
                }
                writer.bump_revision([database]).await?;
                Ok(user.body)
            })
        })
        .await?;
    let id = text(&body, "id").to_owned();
    tracing::info!(database.id = %call.database.id, user.id = %id, "a user was saved");
    let mut response = match is_edit {
        true => no_content(),
        false => call.stored(&id, body, true),
    };
    if is_weak {
        // An administrator's would have been refused.
        tracing::warn!(database.id = %call.database.id, user.id = %id, "the new password is weak");
        let weak = HeaderValue::from_static("password-weak");
        response.headers_mut().insert(header::WARNING, weak);
    }
    Ok(response)
}

async fn delete(call: &Call<'_>, key: String) -> Result<Response, ApiError> {
    let (database, by) = (call.database_id().to_owned(), call.identity.role);
    call.state
        .storage
        .write(move |writer| {
            Box::pin(async move {
                let connection = &mut writer.connection;
                let user = users::one(connection, &database, &key).await?;
                let user = user.ok_or_else(ApiError::not_found)?;
                let was = role(&group_of(connection, &database, &user.body).await?);
                may_write(by, Some(was), was)?;
                users::delete(connection, &database, &key).await?;
                if was == Role::Administrator {
                    require_administrator(connection, &database).await?;
                }
                writer.bump_revision([database]).await?;
                Ok(no_content())
            })
        })
        .await
}

/// «Очистить список пользователей»: all but the administrators, in one step. They stay whatever
/// the switch for authentication says, since somebody may switch it on the next minute; an
/// administrator is removed by his id. The gateway keeps this call from the network: a client that
/// forgot the key would empty the list.
async fn clear(call: &Call<'_>) -> Result<Response, ApiError> {
    call.require(&[Role::Administrator])?;
    let database = call.database_id().to_owned();
    let (removed, stayed) = call
        .state
        .storage
        .write(move |writer| {
            Box::pin(async move {
                let connection = &mut writer.connection;
                let groups = entities::all(connection, &database, EntitySet::UserGroups).await?;
                let is_administrator = |user: &StoredUser| {
                    let mut of = groups
                        .iter()
                        .filter(|group| text(group, "id") == user.group_id);
                    of.any(|group| role(group) == Role::Administrator)
                };
                let everybody = users::all(connection, &database).await?;
                let (stay, go): (Vec<_>, Vec<_>) =
                    everybody.into_iter().partition(is_administrator);
                for user in &go {
                    users::delete(connection, &database, &user.id).await?;
                }
                require_administrator(connection, &database).await?;
                if !go.is_empty() {
                    writer.bump_revision([database]).await?;
                }
                let stayed: Vec<String> = stay.into_iter().map(|user| user.id).collect();
                Ok::<_, ApiError>((go.len(), stayed))
            })
        })
        .await?;
    tracing::info!(database.id = %call.database.id, removed, "the user list was cleared");
    Ok(Json(json!({"removed": removed, "stayed": stayed})).into_response())
}

/// Reads and hashes a secret; hashing is slow and happens before the transaction.
pub(crate) async fn secret(call: &Call<'_>, given: Option<Value>) -> Result<Given, ApiError> {
    let text = match given {
        None => return Ok(Given::Nothing),
        Some(Value::String(text)) if !text.is_empty() => normal(&text),
        Some(_) => return Ok(Given::Removed),
    };
    if text.chars().count() > LONGEST_SECRET {
        return Err(ApiError::bad_request(Message::new("secret-too-long")));
    }
    let is_strong = text.chars().count() >= 8
        && text.chars().any(char::is_uppercase)
        && text.chars().any(char::is_lowercase)
        && text.chars().any(char::is_numeric);
    let stored = call
        .state
        .hasher
        .store(&call.database.index_key, &text)
        .await?;
    Ok(Given::New { stored, is_strong })
}

/// The password that the user has after the change: there is always one, and an administrator's
/// is strong. How strong an old one is nobody knows, so becoming an administrator needs a new one.
fn new_password(
    given: Given,
    before: Option<&StoredUser>,
    was: Option<Role>,
    becomes: Role,
) -> Result<Stored, ApiError> {
    let missing = || ApiError::bad_request(Message::new("password-missing"));
    let is_administrator = becomes == Role::Administrator;
    match given {
        Given::New {
            is_strong: false, ..
        } if is_administrator => Err(ApiError::bad_request(Message::new("password-weak"))),
        Given::New { stored, .. } => Ok(stored),
        Given::Removed => Err(missing()),
        Given::Nothing if is_administrator && was != Some(Role::Administrator) => Err(missing()),
        Given::Nothing => before.map(|user| user.password.clone()).ok_or_else(missing),
    }
}

/// Administrators write everybody; external connections write users with the mobile role.
fn may_write(by: Role, was: Option<Role>, becomes: Role) -> Result<(), ApiError> {
    let mobile = becomes == Role::MobileUser && was.is_none_or(|was| was == Role::MobileUser);
    match by {
        Role::Administrator => Ok(()),
        Role::ExternalConnection if mobile => Ok(()),
        Role::ExternalConnection | Role::MobileUser => Err(ApiError::forbidden()),
    }
}

/// Refuses the change that took the last administrator.
pub(crate) async fn require_administrator(
    connection: &mut SqliteConnection,
    database: &str,
) -> Result<(), ApiError> {
    match directory::has_administrator(connection, database).await? {
        true => Ok(()),
        false => Err(ApiError::conflict(Message::new("last-administrator"))),
    }
}

#[cfg(test)]
mod tests {
    use super::login;

    #[test]
    fn spellings_of_one_login_are_one() {
        for (spelling, folded) in [
            (" Иванов\t", "иванов"),
            ("И\u{306}од", "йод"),
            // A final sigma is no letter of its own here.
            ("ΟΔΟΣ", "οδοσ"),
            ("οδοσ", "οδοσ"),
            ("İ", "i\u{307}"),
            ("I\u{307}", "i\u{307}"),
            ("ẞ", "ß"),
        ] {
            assert_eq!(login(spelling), folded, "{spelling}");
            assert_eq!(login(folded), folded, "{folded}");
        }
        assert_ne!(login("οδος"), login("οδοσ"));
        assert_ne!(login("Иванов 2"), login("Иванов"));
    }
}
