//! Databases added, changed and removed: judged here against the file and the machine's ports,
//! then done by the backend in one transaction, then brought into force.

use std::{collections::HashSet, sync::Arc};

use backend_types::{Change, Changes, Database, DatabaseId, Language, MadeUser};
use gateway_policy::ports::{Clash, Holder};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{Administration, Refused};
use crate::{
    backend_client::{BackendError, Wait},
    feed::{Feed, Told},
    gateway::ChangeError,
    messages,
};

/// How often a change is judged anew because somebody else's came between.
const TRIES: u32 = 5;

/// What came of a change, when it is in force.
#[derive(Serialize, Deserialize)]
pub(crate) struct Changed {
    pub(crate) revision: u64,
    /// The administrators of added databases, with passwords that are said here and never again.
    pub(crate) made: Vec<MadeUser>,
}

impl Administration {
    pub(super) async fn change_databases(
        &self,
        changes: Changes,
        language: Language,
    ) -> Result<Changed, Refused> {
        let ids: Vec<DatabaseId> = changes
            .changes
            .iter()
            .map(|one| id_of(one).clone())
            .collect();
        self.refuse_written_down(&changes.changes, language).await?;
        let backend = self.backend(language)?;
        // Administrators of this gateway take turns; those of others are met by the revision.
        let _one_change = self.changing.lock().await;
        let away = |fault| Refused::backend(fault, language);
        // What the feed has brought is the newest, unless a change came in this very moment: then
        // the backend refuses by the revision, and is asked.
        let wanted = |now: &Arc<Feed>| changes.revision.is_none_or(|one| one == now.revision);
        let mut known = self.world.offered().filter(wanted);
        for _try in 0..TRIES {
            let now = match known.take() {
                Some(now) => now,
                None => {
                    let before = self.world.offered();
                    let now = backend.directory(0, Wait::No, before.as_deref()).await;
                    Arc::new(now.map_err(away)?.unwrap_or_default())
                }
            };
            let wished = after(&now, &changes.changes);
            let wished = wished.map_err(|fault| away(fault.into()))?;
            let theirs = wished.databases.iter().map(|one| one.database.id.clone());
            let theirs: HashSet<DatabaseId> = theirs.collect();
            match self.world.judge(wished, &ids).await {
                // Among its own databases the backend refuses, and by their names.
                Err(ChangeError::Clash(clashes)) if clashes.iter().all(among(&theirs)) => {}
                judged => judged.map_err(|fault| Refused::change(&fault, language))?,
            }
            let order = Changes {
                revision: changes.revision.or(Some(now.revision)),
                changes: changes.changes.clone(),
            };
            match backend.change(&order, &now, language).await {
                Ok((feed, made)) => {
                    tracing::info!(
                        target: "security",
                        revision = feed.revision,
                        databases = ?ids,
                        "databases changed by the administrator"
                    );
                    return self.in_force(feed, made, language).await;
                }
                Err(BackendError::Refused { code, .. })
                    if code == "revision-moved" && changes.revision.is_none() => {}
                Err(fault) => return Err(away(fault)),
            }
        }
        let message = messages::text(language, "admin-moving", &[]);
        Err(Refused::new(
            StatusCode::CONFLICT,
            "revision-moved",
            message,
        ))
    }

    async fn in_force(
        &self,
        feed: Feed,
        made: Vec<MadeUser>,
        language: Language,
    ) -> Result<Changed, Refused> {
        let revision = feed.revision;
        match self.world.take_feed(feed).await {
            true => Ok(Changed { revision, made }),
            false => Err(self.not_in_force(language)),
        }
    }

    /// Judged good and yet refused: the file has changed in between. The backend keeps the change,
    /// and `status` goes on saying what stands in its way.
    pub(super) fn not_in_force(&self, language: Language) -> Refused {
        let cause = self.world.status.backend_fault().unwrap_or_default();
        Refused::not_in_force(&cause, language)
    }
}

fn id_of(change: &Change) -> &DatabaseId {
    match change {
        Change::Add { id, .. } | Change::Set { id, .. } | Change::Remove { id } => id,
    }
}

fn among(databases: &HashSet<DatabaseId>) -> impl Fn(&Clash) -> bool {
    let held = |holder: &Holder| holder.database().is_some_and(|id| databases.contains(id));
    move |clash| held(&clash.first) && held(&clash.second)
}

/// The directory as the changes would leave it, as far as ports and the file are concerned; what
/// makes no sense is the backend's to refuse.
fn after(now: &Feed, changes: &[Change]) -> Result<Feed, serde_json::Error> {
    let mut after = now.clone();
    let place = |after: &Feed, id: &DatabaseId| {
        let mut databases = after.databases.iter();
        databases.position(|one| one.database.id == *id)
    };
    for change in changes {
        match (place(&after, id_of(change)), change.clone()) {
            (None, Change::Add { id, settings }) => after.databases.push(Told::new(Database {
                id,
                settings,
                index_key: "00".repeat(32),
                users: Vec::new(),
            })?),
            (Some(place), Change::Set { settings, .. }) => {
                if let Some(told) = after.databases.get_mut(place) {
                    let mut database = told.database.clone();
                    settings.apply(&mut database.settings);
                    *told = Told::new(database)?;
                }
            }
            (Some(place), Change::Remove { .. }) => drop(after.databases.remove(place)),
            // An id that is taken there, or not known.
            (Some(_), Change::Add { .. }) | (None, Change::Set { .. } | Change::Remove { .. }) => {}
        }
    }
    Ok(after)
}
