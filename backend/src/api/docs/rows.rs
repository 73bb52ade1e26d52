//! A document's navigation, filled in as far as an answer shows it.

use std::collections::{HashMap, HashSet};

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
        let lists = ["declaredItems", "currentItems", "combinedItems"].into_iter();
        let lists: Vec<&str> = lists.filter(|list| wants(list)).collect();
        if wants("tables") {
            entity.insert("tables".to_owned(), document.tables.clone());
        }
        if lists.is_empty() && !wants("extendedFields") {
            return Ok(());
        }
        let declared = documents::items(connection, document.position, List::Declared).await?;
        if wants("extendedFields") {
            let fields = extended_fields(text(&document.body, "id"), &declared);
            entity.insert("extendedFields".to_owned(), fields);
        }
        for list in lists {
            let current = async |connection: &mut SqliteConnection| {
                documents::items(connection, document.position, List::Current).await
            };
            let mut rows = match list {
                "declaredItems" => declared.clone(),
                "currentItems" => current(connection).await?,
                _ => combined(&declared, &current(connection).await?),
            };
            if shows(query, list, "product") {
                self.add_products(connection, &mut rows).await?;
            }
            if shows(query, list, "bindedLine") {
                add_bound_lines(&mut rows, &declared);
            }
            let rows = rows.into_iter().map(Value::Object).collect();
            entity.insert(list.to_owned(), Value::Array(rows));
        }
        Ok(())
    }

    async fn add_products(
        &mut self,
        connection: &mut SqliteConnection,
        rows: &mut [Entity],
    ) -> Result<(), ApiError> {
        for row in rows {
            if let Some(product) = self.product(connection, text(row, "productId")).await? {
                row.insert("product".to_owned(), json!(product));
            }
        }
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

/// Whether rows are answered with this navigation property: by an `$expand` inside their own, or
/// by that of the request when the rows are its very subject.
fn shows(query: &Query, list: &str, name: &str) -> bool {
    let inner = query.expands(list).map(|expand| &expand.query);
    query.expands(name).is_some() || inner.is_some_and(|inner| inner.expands(name).is_some())
}

fn add_bound_lines(rows: &mut [Entity], declared: &[Entity]) {
    let lines: HashMap<&str, &Entity> = declared
        .iter()
        .map(|line| (text(line, "uid"), line))
        .collect();
    for row in rows {
        if let Some(line) = lines.get(text(row, "bindedLineUid")) {
            row.insert("bindedLine".to_owned(), json!(line));
        }
    }
}

/// Plan and fact merged: every planned row, then facts that no planned row stands for.
fn combined(declared: &[Entity], current: &[Entity]) -> Vec<Entity> {
    let planned: HashSet<&str> = declared.iter().map(|line| text(line, "uid")).collect();
    let unplanned = current
        .iter()
        .filter(|fact| !planned.contains(text(fact, "bindedLineUid")));
    declared.iter().chain(unplanned).cloned().collect()
}
