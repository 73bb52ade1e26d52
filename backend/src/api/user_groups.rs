//! `UserGroups`: roles and document types. Every change moves the directory's revision.

use axum::response::Response;
use backend_types::Role;
use http::Method;
use serde_json::{Value, json};
use sqlx::SqliteConnection;

use super::{
    Call, answers::no_content, check_id, check_name, doc_types, error::ApiError, users as user_set,
};
use crate::{
    entity::{complete, flag, text},
    messages::Message,
    odata::body,
    storage::{
        Entity,
        entities::{self, EntitySet},
        users,
    },
};

const SET: EntitySet = EntitySet::UserGroups;

/// «Операция при входе пользователя» and «Операция при выходе пользователя» of a new group.
pub(crate) const OPERATION_AT_LOGIN: &str = "При начале работы пользователя";
pub(crate) const OPERATION_AT_LOGOUT: &str = "При завершении работы пользователя";

pub(crate) async fn answer(call: &Call<'_>) -> Result<Response, ApiError> {
    call.require(&[Role::ExternalConnection, Role::Administrator])?;
    if call.is(&Method::GET) {
        let mut view = call.state.storage.read().await?;
        let mut groups = entities::all(&mut view, call.database_id(), SET).await?;
        if call.wants("users") {
            let users = user_set::all(&mut view, call.database_id()).await?;
            for group in &mut groups {
                let of_group = |user: &&Entity| text(user, "groupId") == text(group, "id");
                let members: Vec<Entity> = users.iter().filter(of_group).cloned().collect();
                group.insert("users".to_owned(), json!(members));
            }
        }
        drop(view);
        return call.read(groups);
    }
    call.require(&[Role::Administrator])?;
    match (call.method.clone(), call.plain_key()?) {
        (Method::POST, None) => put(call, None).await,
        (Method::PATCH | Method::PUT, Some(key)) => put(call, Some(key)).await,
        (Method::DELETE, Some(key)) => delete(call, key).await,
        _ => Err(call.method_not_allowed()),
    }
}

async fn put(call: &Call<'_>, key: Option<String>) -> Result<Response, ApiError> {
    let kind = call.kind()?;
    let mut given = body::read(kind, call.json()?)?;
    given.shift_remove("users");
    let database = call.database_id().to_owned();
    let is_edit = key.is_some();
    let group = call
        .state
        .storage
        .write(move |writer| {
            Box::pin(async move {
                let connection = &mut writer.connection;
                let groups = entities::all(connection, &database, SET).await?;
                let id = match key {
                    Some(key) => key,
                    None => {
                        let taken: Vec<&str> =
                            groups.iter().map(|group| text(group, "id")).collect();
                        new_id(&taken, text(&given, "id"))?
                    }
                };
                let before = groups.iter().find(|group| text(group, "id") == id);
                if is_edit && before.is_none() {
                    return Err(ApiError::not_found());
                }
                let mut group = before.cloned().unwrap_or_default();
                group.extend(given);
                group.insert("id".to_owned(), json!(id));
                if before.is_none() {
                    // As the form is filled when it opens.
                    for (field, operation) in [
                        ("onStartHandlerName", OPERATION_AT_LOGIN),
                        ("onFinishHandlerName", OPERATION_AT_LOGOUT),
                    ] {
                        group.entry(field).or_insert_with(|| json!(operation));
                    }
                }
                let types = doc_types::all(connection, &database).await?;
                let group = checked(complete(kind, group), &types)?;

                let others = groups.iter().filter(|other| text(other, "id") != id);
                let name = text(&group, "name");
                if others
                    .map(|other| text(other, "name"))
                    .any(|other| other == name)
                {
                    let message = Message::new("group-name-taken").with("group", name);
                    return Err(ApiError::conflict(message));
                }
                // The strength of passwords set under another role is not known any more.
                let promoted = role(&group) == Role::Administrator
                    && before.is_some_and(|before| role(before) != Role::Administrator);
                if promoted {
                    refuse_users(connection, &database, &group).await?;
                }
                let demotes = before.is_some_and(|before| role(before) == Role::Administrator)
                    && role(&group) != Role::Administrator;
                entities::put(connection, &database, SET, &id, &group).await?;
                if demotes {
                    user_set::require_administrator(connection, &database).await?;
                }
                writer.bump_revision([database]).await?;
                Ok(group)
            })
        })
        .await?;
    let id = text(&group, "id").to_owned();
    tracing::info!(database.id = %call.database.id, group.id = %id, "a user group was saved");
    match is_edit {
        true => Ok(no_content()),
        false => Ok(call.stored(&id, group, true)),
    }
}

async fn delete(call: &Call<'_>, key: String) -> Result<Response, ApiError> {
    let database = call.database_id().to_owned();
    call.state
        .storage
        .write(move |writer| {
            Box::pin(async move {
                let connection = &mut writer.connection;
                let group = entities::one(connection, &database, SET, &key).await?;
                let group = group.ok_or_else(ApiError::not_found)?;
                refuse_users(connection, &database, &group).await?;
                entities::delete(connection, &database, SET, &key).await?;
                writer.bump_revision([database]).await?;
                Ok(no_content())
            })
        })
        .await
}

/// Refuses what cannot be done to a group that has users.
async fn refuse_users(
    connection: &mut SqliteConnection,
    database: &str,
    group: &Entity,
) -> Result<(), ApiError> {
    let count = users::in_group(connection, database, text(group, "id")).await?;
    if count == 0 {
        return Ok(());
    }
    let message = Message::new("group-has-users").with("group", text(group, "name"));
    Err(ApiError::conflict(message.with("count", count)))
}

/// The group with its types in their own spelling; at least one, and a virtual one to start with.
fn checked(mut group: Entity, types: &[Entity]) -> Result<Entity, ApiError> {
    if text(&group, "name").trim().is_empty() {
        return Err(ApiError::bad_request(
            Message::new("field-missing").with("field", "name"),
        ));
    }
    check_name(text(&group, "name"))?;
    let written = group
        .get("documentTypeNames")
        .cloned()
        .unwrap_or(Value::Null);
    let unknown = |name: String| {
        ApiError::bad_request(Message::new("document-type-unknown").with("type", name))
    };
    let names = doc_types::names(types, &written).map_err(unknown)?;
    if names.is_empty() {
        return Err(ApiError::bad_request(Message::new(
            "group-without-operation",
        )));
    }
    group.insert("documentTypeNames".to_owned(), json!(names));
    let autorun = text(&group, "autorunDocumentTypeName");
    if !autorun.is_empty() {
        let kind = doc_types::named(types, autorun).filter(|kind| flag(kind, "virtual"));
        let kind = kind.ok_or_else(|| {
            ApiError::bad_request(Message::new("autorun-not-virtual").with("type", autorun))
        })?;
        let name = text(kind, "name").to_owned();
        group.insert("autorunDocumentTypeName".to_owned(), json!(name));
    }
    Ok(group)
}

/// The wanted id when it is free; without one, the next number.
pub(crate) fn new_id(taken: &[&str], wanted: &str) -> Result<String, ApiError> {
    if wanted.is_empty() {
        let numbers = taken.iter().filter_map(|id| id.parse::<u64>().ok());
        return Ok(numbers.max().unwrap_or(0).saturating_add(1).to_string());
    }
    check_id(wanted)?;
    match taken.contains(&wanted) {
        true => Err(ApiError::conflict(
            Message::new("id-taken").with("id", wanted),
        )),
        false => Ok(wanted.to_owned()),
    }
}

/// The role that a group gives its users.
pub(crate) fn role(group: &Entity) -> Role {
    match text(group, "role") {
        "Administrator" => Role::Administrator,
        "User" | "Internal" => Role::ExternalConnection,
        _ => Role::MobileUser,
    }
}

/// The group that a user names by id, else by name.
pub(crate) async fn group_of(
    connection: &mut SqliteConnection,
    database: &str,
    user: &Entity,
) -> Result<Entity, ApiError> {
    let groups = entities::all(connection, database, SET).await?;
    let (id, name) = (text(user, "groupId"), text(user, "groupName"));
    let found = groups.into_iter().find(|group| match id {
        "" => text(group, "name") == name,
        id => text(group, "id") == id,
    });
    let said = if id.is_empty() { name } else { id };
    found.ok_or_else(|| ApiError::bad_request(Message::new("group-unknown").with("group", said)))
}
