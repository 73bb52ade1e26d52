//! When a copy of a document is taken, and of which state.
//!
//! What a change is about to destroy is copied as it was (`replace`, `deleted`); what a document has
//! become is copied as it is now. A change that neither finishes, takes nor gives back a document
//! takes no copy: a terminal reports every scanned row.

use jiff::Timestamp;
use serde_json::Value;
use sqlx::SqliteConnection;

use super::write::Author;
use crate::{
    api::error::ApiError,
    backups::{Copy, Reason},
    entity::{flag, text},
    storage::{
        Entity, backups,
        documents::{self, List, StoredDocument},
    },
};

/// Why the state after a change is copied, if it is. `says_finished`: the request itself does.
pub(super) fn reason(
    before: Option<&Entity>,
    says_finished: bool,
    after: &Entity,
) -> Option<Reason> {
    let was = |state: &str| before.is_some_and(|before| flag(before, state));
    let is = |state: &str| flag(after, state);
    if is("finished") {
        return match (was("finished"), says_finished) {
            (false, _) => Some(Reason::FinishedByUser),
            (true, true) => Some(Reason::DuplicateFinish),
            (true, false) => None,
        };
    }
    match (was("inProcess"), is("inProcess")) {
        _ if before.is_none() => Some(Reason::New),
        (false, true) => Some(Reason::Inprocess),
        (true, false) => Some(Reason::Release),
        _ => None,
    }
}

/// Copies a document as it is stored now, where the database wants copies.
pub(super) async fn take(
    connection: &mut SqliteConnection,
    author: &Author,
    reason: Reason,
    document: &StoredDocument,
) -> Result<(), ApiError> {
    if !author.backups {
        return Ok(());
    }
    let StoredDocument {
        position,
        body,
        tables,
        ..
    } = document;
    let user = author.identity.user.as_deref();
    let mut whole = body.clone();
    for (name, list) in [
        ("declaredItems", List::Declared),
        ("currentItems", List::Current),
    ] {
        let rows = documents::items(connection, *position, list).await?;
        let rows = rows.into_iter().map(Value::Object).collect();
        whole.insert(name.to_owned(), Value::Array(rows));
    }
    whole.insert("tables".to_owned(), tables.clone());
    let copy = Copy {
        database: author
            .database
            .parse()
            .map_err(|_no_id| ApiError::internal())?,
        taken: Timestamp::now(),
        reason,
        user: user.unwrap_or_else(|| text(body, "userId")).to_owned(),
        id: text(body, "id").to_owned(),
        document: whole,
    };
    backups::add(connection, &author.database, &copy).await?;
    if document.uncopied {
        documents::set_uncopied(connection, *position, false).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::entity::object;

    #[track_caller]
    fn check(
        before: Option<(bool, bool)>,
        says_finished: bool,
        after: (bool, bool),
        expected: Option<Reason>,
    ) {
        let state = |(taken, finished): (bool, bool)| {
            object(json!({"inProcess": taken, "finished": finished}))
        };
        let found = reason(before.map(state).as_ref(), says_finished, &state(after));
        assert_eq!(found, expected, "{before:?} {says_finished} {after:?}");
    }

    #[test]
    fn a_state_is_copied_when_it_was_reached() {
        let (idle, taken, finished) = ((false, false), (true, false), (false, true));
        check(None, false, idle, Some(Reason::New));
        check(None, false, taken, Some(Reason::New));
        check(None, true, finished, Some(Reason::FinishedByUser));
        check(Some(idle), false, taken, Some(Reason::Inprocess));
        check(Some(taken), false, idle, Some(Reason::Release));
        check(Some(taken), true, finished, Some(Reason::FinishedByUser));
        check(
            Some(finished),
            true,
            finished,
            Some(Reason::DuplicateFinish),
        );
        for state in [idle, taken, finished] {
            check(Some(state), false, state, None);
        }
        // Given back for another round: the finished state was copied when it was reached.
        check(Some(finished), false, idle, None);
        check(Some(finished), false, taken, Some(Reason::Inprocess));
    }
}
