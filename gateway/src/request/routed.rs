//! A request whose database is known: what of it is answered here, and what its role may do.

use std::{borrow::Cow, sync::Arc};

use backend_types::Role;
use gateway_policy::{
    head::Head,
    refusal::Refusal,
    rights::Rights,
    route::{Judged, Place},
};

use super::{Passage, Step, is_read};
use crate::{
    answer::Answer,
    directory::{Authentication, Database, Upstream},
    forward::Target,
    login::Ask,
    messages::Language,
    page,
};

/// A request whose database is known.
pub(super) struct Routed<'a> {
    pub(super) database: Arc<Database>,
    pub(super) to: Target,
    /// Path and query inside the database.
    pub(super) target: Cow<'a, str>,
}

impl Routed<'_> {
    pub(super) fn path(&self) -> &str {
        self.target
            .split_once('?')
            .map_or(&*self.target, |(path, _)| path)
    }

    pub(super) fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// The page for people and the login endpoints; `None`: it is not for us to answer.
    pub(super) fn answered_here(
        &self,
        head: &Head<'_>,
        language: Language,
    ) -> Option<Result<Step, Refusal>> {
        let database = &self.database;
        let ours = matches!(database.upstream, Upstream::Backend(_));
        // Where we ask nobody, an existing server's own page and logins are its own business.
        let asked_by_us = match database.authentication {
            Authentication::Gateway => true,
            Authentication::None => ours,
            Authentication::Upstream => false,
        };
        if self.to == Target::Print || !asked_by_us {
            return None;
        }
        let place = Place::of(self.path());
        if place == Place::Human && is_read(head) {
            let page = page::home(language, Some(&database.name));
            return Some(Ok(Step::Answer(Answer::page(page))));
        }
        let authorization = head.header("authorization");
        let ask = Ask::of(database, place, head.method(), self.query(), authorization)?;
        Some(ask.map(|ask| Step::LogIn(Arc::clone(database), ask)))
    }

    /// Role × method × path, on the path that every upstream reads alike.
    pub(super) fn authorise(&self, passage: &Passage, method: &str) -> Result<(), Refusal> {
        let database = &self.database;
        // It would send the service account, which the client must not know, back to him.
        let echoes = method.eq_ignore_ascii_case("TRACE");
        if self.to == Target::Data && database.account.sent.is_some() && echoes {
            return Err(Refusal::RoleForbids);
        }
        if self.to == Target::Print || database.rights == Rights::Pass {
            return Ok(());
        }
        let role = match passage {
            Passage::Caller(caller) => caller.role,
            // Everybody is an administrator of our backend, and no more than one from afar.
            Passage::Unasked if matches!(database.upstream, Upstream::Backend(_)) => {
                Role::Administrator
            }
            // The existing server's rights, or no role that could forbid.
            Passage::JudgedUpstream(_) | Passage::Unasked => return Ok(()),
        };
        let judged = Judged::of(self.path()).ok_or(Refusal::AmbiguousPath)?;
        let api = match Place::of(self.path()) {
            Place::Api(rest) => Some(Judged::of(rest).ok_or(Refusal::AmbiguousPath)?),
            _ => None,
        };
        let may = database.rights.allow(role, method, &judged, api.as_ref());
        may.then_some(()).ok_or(Refusal::RoleForbids)
    }
}
