//! `DocTypes`: read; a mobile user sees those of his group. Fields, columns and tables lie in the
//! stored body, the views on them (`allFields`, `defaultColumns`, …) are made here.

use axum::response::Response;
use http::Method;
use serde_json::{Value, json};
use sqlx::SqliteConnection;

use super::{Call, error::ApiError, sight::Sight};
use crate::{
    entity::{flag, text},
    odata::names::{camel, same_name},
    storage::{
        Entity,
        entities::{self, EntitySet},
    },
};

pub(crate) async fn answer(call: &Call<'_>) -> Result<Response, ApiError> {
    if !call.is(&Method::GET) {
        return Err(call.method_not_allowed());
    }
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
