//! A document's navigation, filled in as far as an answer shows it.

use std::collections::HashMap;

use serde_json::{Value, json};
use sqlx::SqliteConnection;

use super::extended_fields;
use crate::{
    api::error::ApiError,
    entity::text,
    odata::Query,
    storage::{
        Entity,
        documents::{self, List, StoredDocument},
        entities::{self, EntitySet},
    },
};

/// Remembers goods while one answer is filled in.
pub(super) struct Filling<'a> {
    database: &'a str,
    products: HashMap<String, Option<Entity>>,
}

impl<'a> Filling<'a> {
    pub(super) fn new(database: &'a str) -> Self {
        Self {
            database,
            products: HashMap::new(),
        }
    }

    /// Puts the navigation properties that `wants` names into `entity`.
    pub(super) async fn fill(
        &mut self,
        connection: &mut SqliteConnection,
        document: &StoredDocument,
        entity: &mut Entity,
        query: &Query,
        wants: impl Fn(&str) -> bool,
    ) -> Result<(), ApiError> {
        let wants_combined = wants("combinedItems");
        let declared = if wants("declaredItems") || wants_combined || wants("extendedFields") {
            documents::items(connection, document.position, List::Declared).await?
        } else {
            Vec::new()
        };
        let current = if wants("currentItems") || wants_combined {
            documents::items(connection, document.position, List::Current).await?
        } else {
            Vec::new()
        };
        if wants("extendedFields") {
            let fields = extended_fields(text(&document.body, "id"), &declared);
            entity.insert("extendedFields".to_owned(), fields);
        }
        if wants("tables") {
            entity.insert("tables".to_owned(), document.tables.clone());
        }
        if wants_combined {
            let combined = combined(&declared, &current);
            self.insert(
                connection,
                entity,
                "combinedItems",
                combined,
                &declared,
                query,
            )
            .await?;
        }
        if wants("currentItems") {
            self.insert(
                connection,
                entity,
                "currentItems",
                current,
                &declared,
                query,
            )
            .await?;
        }
        if wants("declaredItems") {
            self.insert(connection, entity, "declaredItems", declared, &[], query)
                .await?;
        }
        Ok(())
    }

    /// Puts rows into `entity`, each with its goods and planned row where the answer shows them:
    /// by `$expand` inside the rows' own, or of the request when the rows are its very subject.
    async fn insert(
        &mut self,
        connection: &mut SqliteConnection,
        entity: &mut Entity,
        name: &str,
        mut rows: Vec<Entity>,
        declared: &[Entity],
        query: &Query,
    ) -> Result<(), ApiError> {
        let inner = query.expands(name).map(|expand| &expand.query);
        let shows = |name: &str| {
            query.expands(name).is_some()
                || inner.is_some_and(|inner| inner.expands(name).is_some())
        };
        if shows("product") {
            for row in &mut rows {
                if let Some(product) = self.product(connection, text(row, "productId")).await? {
                    row.insert("product".to_owned(), json!(product));
                }
            }
        }
        if shows("bindedLine") {
            for row in &mut rows {
                let bound = text(row, "bindedLineUid");
                if let Some(line) = declared.iter().find(|line| text(line, "uid") == bound) {
                    row.insert("bindedLine".to_owned(), json!(line));
                }
            }
        }
        let rows = rows.into_iter().map(Value::Object).collect();
        entity.insert(name.to_owned(), Value::Array(rows));
        Ok(())
    }

    /// Goods by id.
    pub(super) async fn product(
        &mut self,
        connection: &mut SqliteConnection,
        id: &str,
    ) -> Result<Option<Entity>, ApiError> {
        if let Some(known) = self.products.get(id) {
            return Ok(known.clone());
        }
        let found = entities::one(connection, self.database, EntitySet::Products, id).await?;
        self.products.insert(id.to_owned(), found.clone());
        Ok(found)
    }
}

/// Plan and fact merged: every planned row, then facts that no planned row stands for.
fn combined(declared: &[Entity], current: &[Entity]) -> Vec<Entity> {
    let unplanned = current.iter().filter(|fact| {
        let bound = text(fact, "bindedLineUid");
        !declared.iter().any(|line| text(line, "uid") == bound)
    });
    declared.iter().chain(unplanned).cloned().collect()
}
