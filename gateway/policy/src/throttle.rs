//! Failed logins: at most 10 per client in any sliding 60 s, and a budget per database (rule 5).
//!
//! A [`Slot`] is reserved before anything is hashed, so parallel guesses cannot overtake the
//! count: failures and open slots together never exceed [`MAX_FAILURES`]. Success gives its own
//! slot back and forgives nothing. [`DatabaseBudget`] beside it answers guessing from many
//! addresses at once.
//!
//! Memory is bounded by a number of clients. Where it is full, the least dangerous of a few old
//! ones makes room; a blocked client and one with an open slot never do.
//! Not here: exemption (`admit`), hashing (`password`), waiting (the gateway's), the clock.

mod budget;

use std::{
    collections::VecDeque,
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use dashmap::DashMap;

use crate::{ClientKey, Moment};

pub use budget::{BudgetRecord, DatabaseBudget, MAX_DATABASE_FAILURES};

/// Failures of one client in any [`WINDOW`].
pub const MAX_FAILURES: usize = 10;
/// How long a failure counts: at exactly this age it counts no more.
pub const WINDOW: Duration = Duration::from_secs(60);
/// Clients remembered at once unless told otherwise: 27 MiB of counts and 3 MiB of order, and
/// twice that at the worst while a map grows. Every failure costs its client an Argon2id
/// evaluation or is paid from the budget of the database, so no flood fills it within a window.
pub const MAX_CLIENTS: usize = 200_000;

/// Old clients looked at for each new one: expired ones go, so the map follows the traffic.
const LOOKED_AT: usize = 8;
/// Where all of those are dangerous and the map is full: how many more before giving up.
const LOOKED_AT_WHEN_FULL: usize = 256;

/// Counts failures per client. Cloning gives another handle on the same counts.
#[derive(Clone)]
pub struct Throttle(Arc<Counts>);

struct Counts {
    clients: DashMap<ClientKey, Client>,
    /// Every key of `clients` exactly once, oldest first. Locked before a shard, never after.
    order: Mutex<VecDeque<ClientKey>>,
    max_clients: usize,
    resolved: Box<dyn Fn() + Send + Sync>,
}

struct Client {
    /// The newest first.
    failures: [Moment; MAX_FAILURES],
    counted: u8,
    open: u8,
}

/// What an attempt may do.
#[derive(Debug)]
pub enum Reserved {
    /// Verify, then say how it ended.
    Slot(Slot),
    /// All slots are taken but fewer than [`MAX_FAILURES`] are failures: ask again when one is
    /// resolved, and give up after 5 s.
    Wait,
    /// Verify nothing.
    Blocked(RetryAfter),
}

/// How a client stands at a moment, for whoever asks about him.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// In the window that ends now.
    pub failures: usize,
    /// Attempts under way.
    pub open: usize,
    pub blocked: Option<RetryAfter>,
}

/// Whole seconds, at least 1, until an attempt makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RetryAfter {
    pub seconds: u64,
}

impl RetryAfter {
    /// Until `failure` no longer counts, rounded up.
    fn until_forgotten(failure: Moment, now: Moment) -> Self {
        let left = failure.plus(WINDOW).since(now);
        let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        Self {
            seconds: seconds.max(1),
        }
    }
}

fn counts(failure: Moment, now: Moment) -> bool {
    now.since(failure) < WINDOW
}

impl Default for Throttle {
    fn default() -> Self {
        Self::new(MAX_CLIENTS, || ())
    }
}

impl Throttle {
    /// `resolved` is called after each slot ends, without a lock held: wake those who wait.
    pub fn new(max_clients: usize, resolved: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(Counts {
            clients: DashMap::new(),
            order: Mutex::default(),
            max_clients,
            resolved: Box::new(resolved),
        }))
    }

    /// Asks for one attempt of `client`.
    #[must_use]
    pub fn reserve(&self, client: ClientKey, now: Moment) -> Reserved {
        let known = self
            .0
            .clients
            .get_mut(&client)
            .map(|mut entry| entry.reserve(now));
        let outcome = known.unwrap_or_else(|| {
            self.0
                .with_new(client, now, |entry| entry.reserve(now))
                .unwrap_or(Outcome::Wait)
        });
        match outcome {
            Outcome::Slot => Reserved::Slot(Slot {
                counts: Arc::clone(&self.0),
                client,
                reserved: now,
                open: true,
            }),
            Outcome::Wait => Reserved::Wait,
            Outcome::Blocked(retry_after) => Reserved::Blocked(retry_after),
        }
    }

    /// How long `client` is blocked, if he is; reserves nothing.
    #[must_use]
    pub fn blocked(&self, client: ClientKey, now: Moment) -> Option<RetryAfter> {
        self.0.clients.get(&client)?.blocked(now)
    }

    /// Counts nothing and reserves nothing.
    #[must_use]
    pub fn standing(&self, client: ClientKey, now: Moment) -> Standing {
        let entry = self.0.clients.get(&client);
        entry.map_or_else(Standing::default, |entry| Standing {
            failures: entry.live(now).count(),
            open: usize::from(entry.open),
            blocked: entry.blocked(now),
        })
    }

    /// The failures that still count, to be kept over a restart. An open slot is a failure: the
    /// process may die before it is resolved.
    #[must_use]
    pub fn export(&self, now: Moment) -> Vec<(ClientKey, Vec<Moment>)> {
        let entries = self.0.clients.iter().map(|entry| {
            let open = usize::from(entry.open);
            let failures = entry
                .live(now)
                .chain(std::iter::repeat_n(now, open))
                .collect();
            (*entry.key(), failures)
        });
        entries
            .filter(|(_, failures): &(_, Vec<_>)| !failures.is_empty())
            .collect()
    }

    /// Takes back what [`Throttle::export`] gave. Failures from the future (the clock was set
    /// back) count from now; beyond [`MAX_FAILURES`] of a client the newest stay.
    pub fn import(
        &self,
        exported: impl IntoIterator<Item = (ClientKey, Vec<Moment>)>,
        now: Moment,
    ) {
        for (client, mut failures) in exported {
            failures.retain(|&failure| counts(failure, now));
            failures.sort_unstable_by(|a, b| b.cmp(a));
            if failures.is_empty() {
                continue;
            }
            let add = |entry: &mut Client| {
                let room = MAX_FAILURES.saturating_sub(entry.taken(now));
                for &failure in failures.iter().take(room).rev() {
                    entry.count(failure.min(now), now);
                }
            };
            let known = self
                .0
                .clients
                .get_mut(&client)
                .map(|mut entry| add(&mut entry));
            if known.is_none() {
                self.0.with_new(client, now, add);
            }
        }
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle")
            .field("clients", &self.0.order().len())
            .finish_non_exhaustive()
    }
}

impl Counts {
    fn order(&self) -> MutexGuard<'_, VecDeque<ClientKey>> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a client that was not there a moment ago. `None` where the map is full of clients
    /// that must stay.
    fn with_new<T>(
        &self,
        client: ClientKey,
        now: Moment,
        work: impl FnOnce(&mut Client) -> T,
    ) -> Option<T> {
        let mut order = self.order();
        // Under the order's lock nobody else enters or removes one.
        if let Some(mut entry) = self.clients.get_mut(&client) {
            return Some(work(&mut entry));
        }
        if !self.make_room(&mut order, now) {
            return None;
        }
        order.push_back(client);
        let mut entry = self.clients.entry(client).or_default();
        Some(work(&mut entry))
    }

    /// Looks at a few clients in turn and removes the expired ones; where the map is still full,
    /// also the one with the fewest failures among them.
    fn make_room(&self, order: &mut VecDeque<ClientKey>, now: Moment) -> bool {
        for round in 1.. {
            let some = order.len().min(LOOKED_AT);
            let mut looked_at: Vec<ClientKey> = order.drain(..some).collect();
            let expired = |_: &ClientKey, entry: &Client| entry.taken(now) == 0;
            looked_at.retain(|client| self.clients.remove_if(client, expired).is_none());
            if order.len() + looked_at.len() >= self.max_clients {
                let weight = |client| {
                    self.clients
                        .get(client)
                        .map_or(0, |entry| entry.weight(now))
                };
                let lightest = looked_at
                    .iter()
                    .enumerate()
                    .min_by_key(|(_, client)| weight(client));
                // Its weight is asked again under the lock: a slot may have been reserved since.
                let light = |_: &ClientKey, entry: &Client| entry.weight(now) < MAX_FAILURES;
                if let Some((at, client)) = lightest
                    && self.clients.remove_if(client, light).is_some()
                {
                    looked_at.swap_remove(at);
                }
            }
            order.extend(looked_at);
            if order.len() < self.max_clients {
                return true;
            }
            if round * LOOKED_AT >= LOOKED_AT_WHEN_FULL {
                break;
            }
        }
        false
    }
}

enum Outcome {
    Slot,
    Wait,
    Blocked(RetryAfter),
}

impl Default for Client {
    fn default() -> Self {
        Self {
            failures: [Moment(0); MAX_FAILURES],
            counted: 0,
            open: 0,
        }
    }
}

impl Client {
    fn live(&self, now: Moment) -> impl Iterator<Item = Moment> {
        let counted = self.failures.iter().take(usize::from(self.counted));
        counted
            .copied()
            .filter(move |&failure| counts(failure, now))
    }

    /// Failures that count, and open slots.
    fn taken(&self, now: Moment) -> usize {
        self.live(now).count() + usize::from(self.open)
    }

    /// How dangerous it would be to forget this client; [`MAX_FAILURES`]: it must not be.
    fn weight(&self, now: Moment) -> usize {
        match self.open {
            0 => self.taken(now),
            _ => MAX_FAILURES,
        }
    }

    fn blocked(&self, now: Moment) -> Option<RetryAfter> {
        let full = self.live(now).count() >= MAX_FAILURES;
        let oldest = self.live(now).min()?;
        full.then(|| RetryAfter::until_forgotten(oldest, now))
    }

    fn reserve(&mut self, now: Moment) -> Outcome {
        if let Some(retry_after) = self.blocked(now) {
            return Outcome::Blocked(retry_after);
        }
        if self.taken(now) >= MAX_FAILURES {
            return Outcome::Wait;
        }
        self.open += 1;
        Outcome::Slot
    }

    fn count(&mut self, failure: Moment, now: Moment) {
        let before: Vec<Moment> = self.live(now).collect();
        self.counted = 0;
        let places = self.failures.iter_mut();
        for (place, failure) in places.zip([failure].into_iter().chain(before)) {
            *place = failure;
            self.counted += 1;
        }
    }
}

/// One attempt under way. It ends by [`Slot::fail`] or [`Slot::give_back`]; dropped unresolved (a
/// panic while verifying) it is a failure at the moment of its reservation: the gate stays closed.
#[must_use = "dropping a slot counts as a failure"]
pub struct Slot {
    counts: Arc<Counts>,
    client: ClientKey,
    reserved: Moment,
    open: bool,
}

impl Slot {
    /// The attempt was wrong.
    pub fn fail(mut self, now: Moment) {
        self.resolve(Some(now));
    }

    /// The attempt was right, or nothing was verified at all.
    pub fn give_back(mut self) {
        self.resolve(None);
    }

    fn resolve(&mut self, failure: Option<Moment>) {
        if !mem::replace(&mut self.open, false) {
            return;
        }
        // A client with an open slot is never evicted, so the entry is there.
        if let Some(mut entry) = self.counts.clients.get_mut(&self.client) {
            entry.open = entry.open.saturating_sub(1);
            if let Some(failure) = failure {
                entry.count(failure, failure);
            }
        }
        (self.counts.resolved)();
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.resolve(Some(self.reserved));
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot")
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
