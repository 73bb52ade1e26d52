//! Options put to use on rows: which of them, in what order, and what of each.
//!
//! In two steps, so that navigation is fetched for the answered page alone:
//! [`Query::page`] first, then the caller fills in expansions, then
//! [`Query::shape`].
//!
//! A filter sees every property of the rows it is given, selected or not: what
//! a client may not know (a password's hash) must not be in them, or it can be
//! guessed letter by letter with `startswith`.

mod order;
mod verdict;

use super::Entity;
use super::metadata::EntityType;
use super::query::{Query, Wanted};

/// The rows of one answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Page {
    pub(crate) rows: Vec<Entity>,
    /// Matching rows before paging, where `$count=true` asked for them.
    pub(crate) count: Option<usize>,
}

impl Query {
    /// Filters, sorts and cuts; ties keep the order of `rows`.
    pub(crate) fn page(&self, mut rows: Vec<Entity>) -> Page {
        rows.retain(|row| self.admits(row));
        let count = self.count.then_some(rows.len());
        if !self.order_by.is_empty() {
            order::sort(&mut rows, &self.order_by);
        }
        let top = self.top.unwrap_or(usize::MAX);
        let rows = rows.into_iter().skip(self.skip).take(top).collect();
        Page { rows, count }
    }

    /// Whether `$filter` lets `row` through.
    pub(crate) fn admits(&self, row: &Entity) -> bool {
        self.filter
            .as_ref()
            .is_none_or(|condition| verdict::holds(condition, row))
    }

    /// Leaves what `$select` names and `$expand` filled in, in the row's order.
    pub(crate) fn shape(&self, kind: &EntityType, row: &mut Entity) {
        let Some(selected) = &self.select else {
            return;
        };
        row.retain(|name, _| {
            // `rows@odata.count` goes with `rows`.
            let property = name.split('@').next().unwrap_or(name);
            let expanded = self
                .expands(property)
                .is_some_and(|expand| match expand.of {
                    Wanted::Named(_) => true,
                    Wanted::All => kind.navigation(property).is_some(),
                });
            expanded || selected.iter().any(|wanted| wanted.is(property))
        });
    }
}

#[cfg(test)]
mod tests;
