//! `Warehouses`: read by everyone; written by external connections and administrators.

use axum::response::Response;
use backend_types::Role;
use http::Method;

use super::{Call, answers::no_content, check_id, error::ApiError};
use crate::{
    entity::{complete, text},
    odata::body,
    storage::entities::{self, EntitySet},
};

const SET: EntitySet = EntitySet::Warehouses;

pub(crate) async fn answer(call: &Call<'_>) -> Result<Response, ApiError> {
    if call.is(&Method::GET) {
        let mut view = call.state.storage.read().await?;
        let key = call.address.key.as_deref();
        let rows = entities::addressed(&mut view, call.database_id(), SET, key).await?;
        drop(view);
        return call.read(rows);
    }
    call.require(&[Role::ExternalConnection, Role::Administrator])?;
    match (call.method.clone(), call.plain_key()?) {
        (Method::POST, None) => put(call, None).await,
        (Method::PATCH | Method::PUT, Some(key)) => put(call, Some(key)).await,
        (Method::DELETE, Some(key)) => delete(call, key).await,
        _ => Err(call.method_not_allowed()),
    }
}

/// Adds or edits one: the original takes both by the same call.
async fn put(call: &Call<'_>, key: Option<String>) -> Result<Response, ApiError> {
    let kind = call.kind()?;
    let mut given = body::read(kind, call.json()?)?;
    if let Some(key) = &key {
        given.insert("id".to_owned(), key.as_str().into());
    }
    let id = text(&given, "id").to_owned();
    check_id(&id)?;
    let (database, must_exist) = (call.database_id().to_owned(), key.is_some());
    let (entity, is_new) = call
        .state
        .storage
        .write(move |writer| {
            Box::pin(async move {
                let connection = &mut writer.connection;
                let before = entities::one(connection, &database, SET, &id).await?;
                let is_new = before.is_none();
                if is_new && must_exist {
                    return Err(ApiError::not_found());
                }
                let mut entity = before.unwrap_or_default();
                entity.extend(given);
                let mut entity = complete(kind, entity);
                if text(&entity, "storageId").is_empty() {
                    entity.insert("storageId".to_owned(), id.as_str().into());
                }
                entities::put(connection, &database, SET, &id, &entity).await?;
                Ok((entity, is_new))
            })
        })
        .await?;
    if must_exist {
        return Ok(no_content());
    }
    let id = text(&entity, "id").to_owned();
    Ok(call.stored(&id, entity, is_new))
}

async fn delete(call: &Call<'_>, key: String) -> Result<Response, ApiError> {
    let database = call.database_id().to_owned();
    call.state
        .storage
        .write(move |writer| {
            Box::pin(async move {
                match entities::delete(&mut writer.connection, &database, SET, &key).await? {
                    true => Ok(no_content()),
                    false => Err(ApiError::not_found()),
                }
            })
        })
        .await
}
