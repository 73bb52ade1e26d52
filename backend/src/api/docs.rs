//! `Docs` and `Docs/<type>`: a caller sees, changes and removes what his rights on rows allow; a
//! document outside of them does not exist for him.

mod copies;
mod rows;
mod write;

use std::collections::HashMap;

use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::SqliteConnection;

pub(crate) use self::write::restore;
use self::{rows::Filling, write::Author};
use super::{Call, answers::no_content, doc_types, error::ApiError, sight::Sight};
use crate::{
    backups::Reason,
    entity::{flag, text},
    odata::{
        names::same_name,
        path::{Ending, Step},
    },
    storage::{
        Entity,
        documents::{self, List, StoredDocument},
    },
};

pub(crate) async fn answer(call: &Call<'_>) -> Result<Response, ApiError> {
    let key = call.address.key.clone();
    match (
        call.method.clone(),
        key,
        call.address.steps.as_slice(),
        call.address.ending,
    ) {
        (Method::GET, None, [], _) => list(call).await,
        (Method::GET, Some(key), _, _) => one(call, &key).await,
        (Method::POST, None, [], Ending::Itself) => write::post(call).await,
        (Method::PATCH | Method::PUT, Some(key), [], Ending::Itself) => {
            write::patch(call, key).await
        }
        (Method::DELETE, Some(key), [], Ending::Itself) => write::delete(call, key).await,
        (Method::POST, Some(key), [step], Ending::Itself) if step.key.is_none() => {
            let list = row_list(&step.name).ok_or_else(|| call.method_not_allowed())?;
            write::add_rows(call, key, list).await?;
            Ok(StatusCode::OK.into_response())
        }
        (Method::POST, Some(key), [], Ending::Action(action)) if action.name == "EndUpdate" => {
            end_update(call, &key).await
        }
        _ => Err(call.method_not_allowed()),
    }
}

fn row_list(written: &str) -> Option<List> {
    if same_name(written, "declaredItems") {
        Some(List::Declared)
    } else if same_name(written, "currentItems") {
        Some(List::Current)
    } else {
        None
    }
}

/// The type that the address names after `Docs/`; a type that does not exist, is not the caller's
/// or is virtual has no documents.
async fn addressed_type(
    call: &Call<'_>,
    connection: &mut SqliteConnection,
    sight: &Sight,
) -> Result<Option<String>, ApiError> {
    let Some(part) = &call.address.part else {
        return Ok(None);
    };
    let types = doc_types::all(connection, call.database_id()).await?;
    let sets = doc_types::sets(&types, sight);
    let found = sets.into_iter().find(|uni| same_name(uni, part));
    found.map(Some).ok_or_else(ApiError::not_found)
}

async fn list(call: &Call<'_>) -> Result<Response, ApiError> {
    let kind = call.kind()?;
    let mut view = call.state.storage.read().await?;
    let sight = Sight::of(&mut view, call.database_id(), &call.identity).await?;
    let uni = addressed_type(call, &mut view, &sight).await?;
    let mut stored = documents::all(&mut view, call.database_id(), uni.as_deref()).await?;
    stored.retain(|document| sight.sees_document(&document.body));

    if kind
        .navigation
        .iter()
        .all(|navigation| !call.wants(navigation.name))
    {
        drop(view);
        let headers = stored.into_iter().map(|document| document.body).collect();
        return call.collection(kind, headers);
    }
    // Rows are fetched for the answered page alone.
    let headers = stored
        .iter()
        .map(|document| document.body.clone())
        .collect();
    let mut page = call.query.page(headers);
    let by_id: HashMap<&str, &StoredDocument> = stored
        .iter()
        .map(|document| (text(&document.body, "id"), document))
        .collect();
    let mut filling = Filling::new(call.database_id());
    for row in &mut page.rows {
        if let Some(document) = by_id.get(text(row, "id")) {
            filling
                .fill(&mut view, document, row, &call.query, |name| {
                    call.wants(name)
                })
                .await?;
        }
    }
    drop(view);
    Ok(call.paged(kind, page))
}

/// The document with this key if it exists for the caller.
async fn find(
    call: &Call<'_>,
    connection: &mut SqliteConnection,
    key: &str,
) -> Result<StoredDocument, ApiError> {
    let sight = Sight::of(connection, call.database_id(), &call.identity).await?;
    let uni = addressed_type(call, connection, &sight).await?;
    let document = documents::one(connection, call.database_id(), key).await?;
    document
        .filter(|document| sight.sees_document(&document.body))
        .filter(|document| uni.is_none_or(|uni| uni == document.uni))
        .ok_or_else(ApiError::not_found)
}

async fn one(call: &Call<'_>, key: &str) -> Result<Response, ApiError> {
    let kind = call.kind()?;
    let mut view = call.state.storage.read().await?;
    let document = find(call, &mut view, key).await?;
    let steps = steps_below(call, &document);
    let wants = |name: &str| {
        let stepped = steps
            .first()
            .is_some_and(|step| same_name(&step.name, name));
        stepped || call.query.expands(name).is_some()
    };
    let mut entity = document.body.clone();
    let mut filling = Filling::new(call.database_id());
    filling
        .fill(&mut view, &document, &mut entity, &call.query, wants)
        .await?;
    drop(view);
    call.below(kind, entity, &steps)
}

/// The steps of the address; the name of an extra table stands for that table's rows.
fn steps_below(call: &Call<'_>, document: &StoredDocument) -> Vec<Step> {
    let steps = call.address.steps.clone();
    let tables = document
        .tables
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let Some((first, rest)) = steps.split_first() else {
        return steps;
    };
    let named = tables
        .iter()
        .filter_map(|table| table.get("name").and_then(Value::as_str));
    let Some(table) = named.into_iter().find(|name| same_name(name, &first.name)) else {
        return steps;
    };
    let step = |name: &str, key: Option<String>| Step {
        name: name.to_owned(),
        key,
    };
    let mut spelled_out = vec![
        step("tables", Some(table.to_owned())),
        step("rows", first.key.clone()),
    ];
    spelled_out.extend(rest.iter().cloned());
    spelled_out
}

/// Every row is on disk since its own 200: there is nothing left to write but a copy of the whole.
async fn end_update(call: &Call<'_>, key: &str) -> Result<Response, ApiError> {
    let mut view = call.state.storage.read().await?;
    let document = find(call, &mut view, key).await?;
    drop(view);
    let author = Author::of(call);
    if !(document.uncopied && author.backups) {
        return Ok(no_content());
    }
    let key = key.to_owned();
    call.state
        .storage
        .write(move |writer| {
            Box::pin(async move {
                let connection = &mut writer.connection;
                let sight = Sight::of(connection, &author.database, &author.identity).await?;
                let found = author.find(connection, &sight, &key).await?;
                let document = found.ok_or_else(ApiError::not_found)?;
                let reason = match flag(&document.body, "inProcess") {
                    true => Reason::Inprocess,
                    false => Reason::New,
                };
                match document.uncopied {
                    true => copies::take(connection, &author, reason, &document).await,
                    false => Ok(()),
                }
            })
        })
        .await?;
    call.state.backups.wake();
    Ok(no_content())
}

/// Shortage and excess over all planned rows.
fn extended_fields(id: &str, declared: &[Entity]) -> Value {
    let quantity = |row: &Entity, name: &str| row.get(name).and_then(Value::as_f64).unwrap_or(0.0);
    let difference =
        |row: &Entity| quantity(row, "currentQuantity") - quantity(row, "declaredQuantity");
    let underloaded = declared.iter().any(|row| difference(row) < 0.0);
    let overloaded = declared.iter().any(|row| difference(row) > 0.0);
    json!({
        "id": id, "underloaded": underloaded, "overloaded": overloaded,
        "underloadedOrOverloaded": underloaded || overloaded,
    })
}
