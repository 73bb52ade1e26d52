//! Answers in OData's shapes, the same for every entity set.
//!
//! An entity set hands over its rows, with navigation properties filled in where they are wanted
//! ([`Call::wants`]); what the address and the options say about them is done here.

use axum::{
    Json,
    body::Body,
    response::{IntoResponse, Response},
};
use http::{
    HeaderValue, StatusCode,
    header::{CONTENT_TYPE, LOCATION},
};
use serde_json::Value;

use super::{Call, error::ApiError};
use crate::{
    odata::{
        Page, Query, json,
        metadata::EntityType,
        names::same_name,
        path::{Ending, Step, segment},
    },
    storage::Entity,
};

impl Call<'_> {
    /// The type of the set's entities.
    pub(crate) fn kind(&self) -> Result<&'static EntityType, ApiError> {
        self.address.set.kind().ok_or_else(ApiError::internal)
    }

    /// Whether the answer will show this navigation property of the addressed entities.
    pub(crate) fn wants(&self, navigation: &str) -> bool {
        let stepped = self.address.steps.first();
        stepped.is_some_and(|step| same_name(&step.name, navigation))
            || self.query.expands(navigation).is_some()
    }

    /// Answers a read when `rows` is the whole set.
    pub(crate) fn read(&self, rows: Vec<Entity>) -> Result<Response, ApiError> {
        let kind = self.kind()?;
        match &self.address.key {
            None if self.address.steps.is_empty() => self.collection(kind, rows),
            None => Err(ApiError::not_found()),
            Some(key) => {
                let found = with_key(kind, rows, key).ok_or_else(ApiError::not_found)?;
                self.one(kind, found)
            }
        }
    }

    /// Answers with these rows: filtered, ordered, cut, counted, shaped.
    pub(crate) fn collection(
        &self,
        kind: &'static EntityType,
        rows: Vec<Entity>,
    ) -> Result<Response, ApiError> {
        match self.address.ending {
            Ending::Itself => Ok(self.paged(kind, self.query.page(rows))),
            Ending::Count => {
                let count = rows.iter().filter(|row| self.query.admits(row)).count();
                Ok(count.to_string().into_response())
            }
            Ending::Action(_) => Err(ApiError::not_found()),
        }
    }

    /// Answers with a page whose navigation is filled in.
    pub(crate) fn paged(&self, kind: &'static EntityType, mut page: Page) -> Response {
        for row in &mut page.rows {
            finish(kind, &self.query, row);
        }
        let fragment = self.address.fragment();
        Json(json::collection(&self.public.base(), &fragment, page)).into_response()
    }

    /// Answers with this entity, or with what the address names below it.
    pub(crate) fn one(
        &self,
        kind: &'static EntityType,
        entity: Entity,
    ) -> Result<Response, ApiError> {
        self.below(kind, entity, &self.address.steps)
    }

    /// Follows `steps` down from `entity` and answers with what is there.
    pub(crate) fn below(
        &self,
        kind: &'static EntityType,
        mut entity: Entity,
        steps: &[Step],
    ) -> Result<Response, ApiError> {
        let Some((step, rest)) = steps.split_first() else {
            return match self.address.ending {
                Ending::Itself => Ok(self.entity(kind, entity)),
                Ending::Count | Ending::Action(_) => Err(ApiError::not_found()),
            };
        };
        let Some(navigation) = kind.navigation(&step.name) else {
            return match (kind.property(&step.name), rest) {
                (Some(property), []) if step.key.is_none() => {
                    let value = entity.shift_remove(property.name).unwrap_or_default();
                    let fragment = self.address.fragment();
                    Ok(Json(json::value(&self.public.base(), &fragment, value)).into_response())
                }
                _ => Err(ApiError::not_found()),
            };
        };
        let target = EntityType::named(navigation.target).ok_or_else(ApiError::internal)?;
        match entity.shift_remove(navigation.name) {
            Some(Value::Array(rows)) => {
                let rows = entities(rows);
                match &step.key {
                    Some(key) => {
                        let found = with_key(target, rows, key).ok_or_else(ApiError::not_found)?;
                        self.below(target, found, rest)
                    }
                    None if rest.is_empty() => self.collection(target, rows),
                    None => Err(ApiError::not_found()),
                }
            }
            Some(Value::Object(one)) if step.key.is_none() => self.below(target, one, rest),
            _ => Err(ApiError::not_found()),
        }
    }

    fn entity(&self, kind: &'static EntityType, mut entity: Entity) -> Response {
        finish(kind, &self.query, &mut entity);
        let fragment = self.address.fragment();
        Json(json::entity(&self.public.base(), &fragment, entity)).into_response()
    }

    pub(crate) fn singleton(&self, entity: Entity) -> Response {
        Json(json::singleton(
            &self.public.base(),
            self.address.set.name,
            entity,
        ))
        .into_response()
    }

    /// The stored entity, with its address when it is new: 201, else 200.
    pub(crate) fn stored(&self, key: &str, entity: Entity, is_new: bool) -> Response {
        let fragment = self.address.fragment();
        let entity = json::entity(&self.public.base(), &fragment, entity);
        let mut response = Json(entity).into_response();
        if is_new {
            let last = self.address.part.as_deref();
            let segment = segment(last.unwrap_or(self.address.set.name), key);
            let below = match last {
                Some(_) => format!("{}/{segment}", self.address.set.name),
                None => segment,
            };
            *response.status_mut() = StatusCode::CREATED;
            if let Ok(location) = HeaderValue::from_str(&self.public.location(&below)) {
                response.headers_mut().insert(LOCATION, location);
            }
        }
        response
    }
}

/// Leaves of a row what was asked for: navigation as expanded, properties as selected.
fn finish(kind: &'static EntityType, query: &Query, row: &mut Entity) {
    for navigation in kind.navigation {
        let value = row.shift_remove(navigation.name);
        let (Some(expand), Some(target)) = (
            query.expands(navigation.name),
            EntityType::named(navigation.target),
        ) else {
            continue;
        };
        match value {
            Some(Value::Object(mut one)) if !navigation.collection => {
                finish(target, &expand.query, &mut one);
                row.insert(navigation.name.to_owned(), Value::Object(one));
            }
            _ if !navigation.collection => {
                row.insert(navigation.name.to_owned(), Value::Null);
            }
            value => {
                let rows = match value {
                    Some(Value::Array(rows)) => entities(rows),
                    _ => Vec::new(),
                };
                let mut page = expand.query.page(rows);
                for row in &mut page.rows {
                    finish(target, &expand.query, row);
                }
                json::attach(row, navigation.name, page);
            }
        }
    }
    query.shape(kind, row);
}

fn with_key(kind: &EntityType, rows: Vec<Entity>, key: &str) -> Option<Entity> {
    let name = kind.key?;
    rows.into_iter()
        .find(|row| row.get(name).and_then(Value::as_str) == Some(key))
}

pub(crate) fn entities(rows: Vec<Value>) -> Vec<Entity> {
    let objects = rows.into_iter().filter_map(|row| match row {
        Value::Object(entity) => Some(entity),
        _ => None,
    });
    objects.collect()
}

pub(crate) fn no_content() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

pub(crate) fn xml(document: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(document));
    let xml = HeaderValue::from_static("application/xml; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, xml);
    response
}
