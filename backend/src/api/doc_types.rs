//! `DocTypes`: a mobile user reads those of his group, administrators write. Fields, columns and
//! tables lie in the stored body, the views on them (`allFields`, `defaultColumns`, …) are made here.
//!
//! A list of types is taken whole or not at all: that is how a configuration is imported. A type's
//! name is what documents and groups hold on to, so it never changes, and a type that either of
//! them names cannot be removed.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use backend_types::Role;
use http::Method;
use serde_json::{Value, json};
use sqlx::SqliteConnection;

use super::{Call, answers::no_content, configuration, error::ApiError, sight::Sight};
use crate::{
    entity::{complete, flag, text, texts},
    messages::Message,
    odata::{
        body,
        metadata::EntityType,
        names::{camel, same_name, uni},
    },
    storage::{
        Entity, Writer, documents,
        entities::{self, EntitySet},
    },
};

const SET: EntitySet = EntitySet::DocTypes;
const LONGEST_NAME: usize = 100;
/// Made of the stored lists on every read.
const VIEWS: [&str; 4] = ["allFields", "defaultFields", "allColumns", "defaultColumns"];

pub(crate) async fn answer(call: &Call<'_>) -> Result<Response, ApiError> {
    if call.is(&Method::GET) {
        return read(call).await;
    }
    call.require(&[Role::Administrator])?;
    match (call.method.clone(), call.plain_key()?) {
        (Method::POST, None) => post(call).await,
        (Method::PATCH | Method::PUT, Some(key)) => patch(call, key).await,
        (Method::DELETE, Some(key)) => delete(call, key).await,
        _ => Err(call.method_not_allowed()),
    }
}

async fn read(call: &Call<'_>) -> Result<Response, ApiError> {
    let mut view = call.state.storage.read().await?;
    let sight = Sight::of(&mut view, call.database_id(), &call.identity).await?;
    let mut types = all(&mut view, call.database_id()).await?;
    drop(view);
    types.retain(|kind| sight.sees_type(kind));
    for kind in &mut types {
        let of = |name: &str| kind.get(name).cloned().unwrap_or_else(|| json!([]));
        let (fields, columns) = (of("fields"), of("columns"));
        kind.insert("allFields".to_owned(), fields);
        kind.insert("allColumns".to_owned(), columns);
    }
    call.read(types)
}

/// Adds or replaces one type, or each of a list (`{"value": […]}` as `GET DocTypes` answers it).
/// Types that the list does not name stay as they are.
async fn post(call: &Call<'_>) -> Result<Response, ApiError> {
    let kind = call.kind()?;
    let written = call.json()?;
    let is_list = written.is_array() || written.get("value").is_some();
    let given = body::read_rows(kind, written)?;
    let given = given.into_iter().map(named_type);
    let given: Vec<Entity> = given.collect::<Result<_, _>>()?;
    for (place, one) in given.iter().enumerate() {
        let before = given.iter().take(place);
        if before
            .map(|other| text(other, "uni"))
            .any(|other| other.eq_ignore_ascii_case(text(one, "uni")))
        {
            return Err(of_type("document-type-twice", one));
        }
    }
    let (database, identity) = (call.database.clone(), call.identity.clone());
    let (stored, added) = call
        .state
        .storage
        .write(move |writer| {
            Box::pin(async move {
                let known = all(&mut writer.connection, database.id.as_str()).await?;
                let mut stored = Vec::with_capacity(given.len());
                let mut added = 0_usize;
                for one in given {
                    let before = named(&known, text(&one, "name")).cloned();
                    added += usize::from(before.is_none());
                    stored.push(put(writer, kind, database.id.as_str(), before, one).await?);
                }
                if !stored.is_empty() {
                    configuration::changed(writer, &database, &identity).await?;
                }
                Ok::<_, ApiError>((stored, added))
            })
        })
        .await?;
    tracing::info!(
        database.id = %call.database.id, types = stored.len(), added, "document types were saved"
    );
    if is_list {
        let names: Vec<&str> = stored.iter().map(|kind| text(kind, "name")).collect();
        let changed = stored.len().saturating_sub(added);
        return Ok(
            Json(json!({"added": added, "changed": changed, "names": names})).into_response(),
        );
    }
    let one = stored.into_iter().next().ok_or_else(ApiError::internal)?;
    let key = text(&one, "uni").to_owned();
    Ok(call.stored(&key, shown(one), added == 1))
}

async fn patch(call: &Call<'_>, key: String) -> Result<Response, ApiError> {
    let kind = call.kind()?;
    let given = without_views(body::read(kind, call.json()?)?);
    let (database, identity) = (call.database.clone(), call.identity.clone());
    call.state
        .storage
        .write(move |writer| {
            Box::pin(async move {
                let known = all(&mut writer.connection, database.id.as_str()).await?;
                let before = named(&known, &key).cloned();
                let before = before.ok_or_else(ApiError::not_found)?;
                put(writer, kind, database.id.as_str(), Some(before), given).await?;
                configuration::changed(writer, &database, &identity).await?;
                Ok(no_content())
            })
        })
        .await
}

async fn delete(call: &Call<'_>, key: String) -> Result<Response, ApiError> {
    let (database, identity) = (call.database.clone(), call.identity.clone());
    call.state
        .storage
        .write(move |writer| {
            Box::pin(async move {
                let (id, connection) = (database.id.as_str(), &mut writer.connection);
                let types = all(connection, id).await?;
                let kind = named(&types, &key).ok_or_else(ApiError::not_found)?;
                let documents = documents::count(connection, id, text(kind, "uni")).await?;
                if documents > 0 {
                    let message = Message::new("document-type-has-documents");
                    let message = message.with("type", text(kind, "name"));
                    return Err(ApiError::conflict(message.with("count", documents)));
                }
                let groups = entities::all(connection, id, EntitySet::UserGroups).await?;
                let holder = groups.iter().find(|group| {
                    let named = texts(group, "documentTypeNames");
                    let mut named = named.chain([text(group, "autorunDocumentTypeName")]);
                    named.any(|name| name == text(kind, "name"))
                });
                if let Some(holder) = holder {
                    let message = Message::new("document-type-in-group");
                    let message = message.with("type", text(kind, "name"));
                    return Err(ApiError::conflict(
                        message.with("group", text(holder, "name")),
                    ));
                }
                entities::delete(connection, id, SET, text(kind, "uni")).await?;
                configuration::changed(writer, &database, &identity).await?;
                Ok(no_content())
            })
        })
        .await
}

/// Writes one type over what there was before; gives it as stored.
async fn put(
    writer: &mut Writer,
    kind: &EntityType,
    database: &str,
    before: Option<Entity>,
    given: Entity,
) -> Result<Entity, ApiError> {
    let name = before
        .as_ref()
        .map(|before| text(before, "name").to_owned());
    let was_virtual = before
        .as_ref()
        .is_some_and(|before| flag(before, "virtual"));
    let mut whole = before.unwrap_or_default();
    whole.extend(given);
    if name.is_some_and(|name| name != text(&whole, "name"))
        || text(&whole, "uni") != uni(text(&whole, "name"))
    {
        return Err(of_type("document-type-name-kept", &whole));
    }
    for name in ["displayName", "alias"] {
        if text(&whole, name).is_empty() {
            let own = json!(text(&whole, "name"));
            whole.insert(name.to_owned(), own);
        }
    }
    for list in ["fields", "columns", "tables"] {
        whole.entry(list).or_insert_with(|| json!([]));
    }
    let whole = complete(kind, whole);
    let key = text(&whole, "uni").to_owned();
    let connection = &mut writer.connection;
    if flag(&whole, "virtual")
        && !was_virtual
        && documents::count(connection, database, &key).await? > 0
    {
        return Err(of_type("document-type-virtual-with-documents", &whole));
    }
    if !flag(&whole, "virtual") && was_virtual {
        let groups = entities::all(connection, database, EntitySet::UserGroups).await?;
        let starts =
            |group: &&Entity| text(group, "autorunDocumentTypeName") == text(&whole, "name");
        if groups.iter().any(|group| starts(&group)) {
            return Err(of_type("autorun-not-virtual", &whole));
        }
    }
    entities::put(connection, database, SET, &key, &whole).await?;
    Ok(whole)
}

/// A type with its transliterated name, which a file may say too but not otherwise.
fn named_type(given: Entity) -> Result<Entity, ApiError> {
    let mut given = without_views(given);
    let name = text(&given, "name").trim().to_owned();
    if name.is_empty() {
        let message = Message::new("field-missing").with("field", "name");
        return Err(ApiError::bad_request(message));
    }
    let path = uni(&name);
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.chars().count() > LONGEST_NAME || path.is_empty() || !path.chars().all(legal) {
        return Err(of_type("document-type-name-bad", &given));
    }
    let written = text(&given, "uni");
    if !written.is_empty() && written != path {
        let message = Message::new("document-type-uni-differs").with("type", &name);
        let message = message.with("written", written).with("path", path);
        return Err(ApiError::bad_request(message));
    }
    given.insert("name".to_owned(), json!(name));
    given.insert("uni".to_owned(), json!(path));
    Ok(given)
}

fn of_type(key: &'static str, kind: &Entity) -> ApiError {
    ApiError::bad_request(Message::new(key).with("type", text(kind, "name")))
}

fn without_views(mut kind: Entity) -> Entity {
    kind.retain(|name, _| !VIEWS.contains(&name.as_str()));
    kind
}

/// As answered without `$expand`.
fn shown(mut kind: Entity) -> Entity {
    for list in ["fields", "columns", "tables"] {
        kind.shift_remove(list);
    }
    kind
}

pub(crate) async fn all(
    connection: &mut SqliteConnection,
    database: &str,
) -> Result<Vec<Entity>, ApiError> {
    Ok(entities::all(connection, database, EntitySet::DocTypes).await?)
}

/// The type that `written` means: its name or its transliteration, in any letter case.
pub(crate) fn named<'a>(types: &'a [Entity], written: &str) -> Option<&'a Entity> {
    types
        .iter()
        .find(|kind| same_name(text(kind, "name"), written))
}

/// Paths of the sets below `Docs`: types that have documents.
pub(crate) fn sets(types: &[Entity], sight: &Sight) -> Vec<String> {
    let real = types
        .iter()
        .filter(|kind| !flag(kind, "virtual") && sight.sees_type(kind));
    real.map(|kind| text(kind, "uni").to_owned()).collect()
}

/// A list of type names in their own spelling, or the first that no type has.
pub(crate) fn names(types: &[Entity], written: &Value) -> Result<Vec<String>, String> {
    let list = written.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut names: Vec<String> = Vec::new();
    for name in list.iter().filter_map(Value::as_str) {
        let kind = named(types, name).ok_or_else(|| name.to_owned())?;
        let name = text(kind, "name");
        if !names.iter().any(|other| other == name) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// Extra fields that a type's configuration names, as they are answered: of the header
/// (`fields`) or of rows (`columns`).
pub(crate) fn extra_fields(document_type: &Entity, list: &str) -> Vec<String> {
    let fields = document_type.get(list).and_then(Value::as_array);
    let names = fields
        .into_iter()
        .flatten()
        .filter_map(|field| field.get("fieldName"));
    names.filter_map(Value::as_str).map(camel).collect()
}
