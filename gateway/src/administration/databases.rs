//! Databases added, changed and removed: judged here against the file and the machine's ports,
//! then done by the backend in one transaction, then brought into force.

use backend_types::{Change, Changed, Changes, Database, DatabaseId, Directory, Language};
use gateway_policy::ports::{Clash, Holder};
use http::StatusCode;

use super::{Administration, Refused};
use crate::{
    backend_client::{BackendError, Wait},
    gateway::ChangeError,
    messages,
};

/// How often a change is judged anew because somebody else's came between.
const TRIES: u32 = 5;

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
        for _try in 0..TRIES {
            let now = backend.directory(0, Wait::No).await.map_err(away)?;
            let now = now.unwrap_or_default();
            let judged_at = now.revision;
            let wished = after(now, &changes.changes);
            let theirs: Vec<DatabaseId> =
                wished.databases.iter().map(|one| one.id.clone()).collect();
            match self.world.judge(wished, &ids).await {
                // Among its own databases the backend refuses, and by their names.
                Err(ChangeError::Clash(clashes)) if clashes.iter().all(among(&theirs)) => {}
                judged => judged.map_err(|fault| Refused::change(&fault, language))?,
            }
            let order = Changes {
                revision: changes.revision.or(Some(judged_at)),
                changes: changes.changes.clone(),
            };
            match backend.change(&order, language).await {
                Ok(changed) => {
                    tracing::info!(
                        target: "security",
                        revision = changed.directory.revision,
                        databases = ?ids,
                        "databases changed by the administrator"
                    );
                    return self.in_force(changed, language).await;
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

    async fn in_force(&self, changed: Changed, language: Language) -> Result<Changed, Refused> {
        match self.world.take_feed(changed.directory.clone()).await {
            true => Ok(changed),
            false => Err(self.not_in_force(language)),
        }
    }

    /// Judged good and yet refused: the file has changed in between. The backend keeps the change,
    /// and `status` goes on saying what stands in its way.
    pub(super) fn not_in_force(&self, language: Language) -> Refused {
        let fault = self.world.status.report(language).backend;
        let cause = fault.and_then(|backend| backend.fault).unwrap_or_default();
        Refused::not_in_force(&cause, language)
    }
}

fn id_of(change: &Change) -> &DatabaseId {
    match change {
        Change::Add { id, .. } | Change::Set { id, .. } | Change::Remove { id } => id,
    }
}

fn among(databases: &[DatabaseId]) -> impl Fn(&Clash) -> bool {
    let held = |holder: &Holder| holder.database().is_some_and(|id| databases.contains(id));
    move |clash| held(&clash.first) && held(&clash.second)
}

/// The directory as the changes would leave it, as far as ports and the file are concerned; what
/// makes no sense is the backend's to refuse.
fn after(mut directory: Directory, changes: &[Change]) -> Directory {
    for change in changes.iter().cloned() {
        match change {
            Change::Add { id, settings } => {
                // An id that is taken there is the backend's to refuse.
                if !directory.databases.iter().any(|one| one.id == id) {
                    directory.databases.push(Database {
                        id,
                        settings,
                        index_key: "00".repeat(32),
                        users: Vec::new(),
                    });
                }
            }
            Change::Set { id, settings } => {
                let database = directory.databases.iter_mut().find(|one| one.id == id);
                if let Some(database) = database {
                    settings.apply(&mut database.settings);
                }
            }
            Change::Remove { id } => directory.databases.retain(|one| one.id != id),
        }
    }
    directory
}
