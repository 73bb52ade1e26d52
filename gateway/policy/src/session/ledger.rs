//! Who holds which refresh token: the state behind the one lock, and what is written of it.
//!
//! Access tokens lie in a map of their own, so that finding a session waits for nobody; everything
//! here keeps that map in step with the families.

use std::{
    collections::{HashMap, VecDeque},
    mem,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use backend_types::DatabaseId;
use dashmap::DashMap;
use serde::{Deserialize, Serialize};

use super::{
    ACCESS_LIFETIME, FamilyId, Login, MAX_ACCESS, MAX_ENDED, MAX_FAMILIES_PER_USER, MAX_USED,
    REFRESH_LIFETIME, Session, TokenHash,
};
use crate::Moment;

/// One family at rest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    pub family: FamilyId,
    pub(super) login: Login,
    pub(super) opened: Moment,
    /// With the moment each expires; the oldest first.
    pub(super) access: VecDeque<(TokenHash, Moment)>,
    /// With the moment it was issued.
    pub(super) refresh: (TokenHash, Moment),
    /// With the moment each was used; the oldest first.
    pub(super) used: VecDeque<(TokenHash, Moment)>,
    pub(super) ended: Option<Moment>,
}

#[derive(Default)]
pub(super) struct Ledger {
    pub(super) families: HashMap<FamilyId, Family>,
    /// Every refresh token that is remembered.
    pub(super) refresh: HashMap<TokenHash, FamilyId>,
    /// Families that have not ended.
    pub(super) of_user: HashMap<(DatabaseId, String), Vec<FamilyId>>,
    /// The first to have ended first.
    pub(super) ended: VecDeque<FamilyId>,
}

pub(super) struct Family {
    pub(super) record: Record,
    pub(super) last_used: Arc<AtomicU64>,
}

pub(super) type Access = DashMap<TokenHash, Arc<Session>>;

impl Record {
    pub(super) fn refresh_expired(&self, now: Moment) -> bool {
        now.since(self.refresh.1) >= REFRESH_LIFETIME
    }
}

impl Ledger {
    pub(super) fn enter(&mut self, family: Family) {
        let record = &family.record;
        let id = record.family;
        let used = record.used.iter().map(|(hash, _)| *hash);
        self.refresh
            .extend(used.chain([record.refresh.0]).map(|hash| (hash, id)));
        match record.ended {
            Some(_) => self.ended.push_back(id),
            None => {
                let user = (record.login.database.clone(), record.login.user.clone());
                self.of_user.entry(user).or_default().push(id);
            }
        }
        self.families.insert(id, family);
    }

    /// Ends the devices of a user that were unused for longest, until one more fits.
    pub(super) fn make_room(
        &mut self,
        access: &Access,
        login: &Login,
        now: Moment,
    ) -> Vec<FamilyId> {
        let user = (login.database.clone(), login.user.clone());
        let mut changed = Vec::new();
        while let Some(families) = self.of_user.get(&user)
            && families.len() >= MAX_FAMILIES_PER_USER
        {
            let used = |id: &&FamilyId| {
                let family = self.families.get(*id);
                family.map_or(0, |family| family.last_used.load(Ordering::Relaxed))
            };
            let Some(&idle) = families.iter().min_by_key(used) else {
                break;
            };
            changed.extend(self.end(access, idle, now));
        }
        changed
    }

    /// Gives a family one more access token.
    pub(super) fn grant(&mut self, access: &Access, id: FamilyId, hash: TokenHash, now: Moment) {
        let Some(Family { record, last_used }) = self.families.get_mut(&id) else {
            return;
        };
        let expires = now.plus(ACCESS_LIFETIME);
        last_used.fetch_max(now.0, Ordering::Relaxed);
        record.access.push_back((hash, expires));
        if record.access.len() > MAX_ACCESS
            && let Some((oldest, _)) = record.access.pop_front()
        {
            access.remove(&oldest);
        }
        let session = Session {
            login: record.login.clone(),
            family: id,
            expires,
            last_used: Arc::clone(last_used),
        };
        access.insert(hash, Arc::new(session));
    }

    /// Replaces a family's refresh token; the old one is remembered as used.
    pub(super) fn succeed(&mut self, id: FamilyId, successor: TokenHash, now: Moment) {
        let Some(Family { record, .. }) = self.families.get_mut(&id) else {
            return;
        };
        let (old, _) = mem::replace(&mut record.refresh, (successor, now));
        record.used.push_back((old, now));
        if record.used.len() > MAX_USED
            && let Some((oldest, _)) = record.used.pop_front()
        {
            self.refresh.remove(&oldest);
        }
        self.refresh.insert(successor, id);
    }

    pub(super) fn end(&mut self, access: &Access, id: FamilyId, now: Moment) -> Vec<FamilyId> {
        let Some(Family { record, .. }) = self.families.get_mut(&id) else {
            return Vec::new();
        };
        if record.ended.is_some() {
            return Vec::new();
        }
        record.ended = Some(now);
        for (hash, _) in mem::take(&mut record.access) {
            access.remove(&hash);
        }
        let user = (record.login.database.clone(), record.login.user.clone());
        if let Some(families) = self.of_user.get_mut(&user) {
            families.retain(|&family| family != id);
            if families.is_empty() {
                self.of_user.remove(&user);
            }
        }
        self.ended.push_back(id);
        let mut changed = vec![id];
        if self.ended.len() > MAX_ENDED {
            changed.extend(self.forget_first_ended());
        }
        changed
    }

    pub(super) fn forget_first_ended(&mut self) -> Option<FamilyId> {
        let id = self.ended.pop_front()?;
        let record = self.families.remove(&id)?.record;
        self.refresh.remove(&record.refresh.0);
        for (hash, _) in record.used {
            self.refresh.remove(&hash);
        }
        Some(id)
    }
}
