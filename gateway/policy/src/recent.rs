//! What happened lately to which client, for the administrator who asks why one is refused. No
//! decision reads it.
//!
//! Memory is bounded by a number of clients and of events of each, and must survive a scan: who
//! has logged in stands on a shelf of his own, which no stranger reaches. Among strangers the
//! first to be forgotten are those not seen for a day, then those of a network that holds more
//! than its share (somebody with an IPv6 /32 has four billion clients to be), then those seen
//! within one minute only, as scanners are; a terminal that tries again and again stays.
//! Never kept: names and secrets that were tried, paths, anything that a client chose; but for the
//! name by which it calls a server that has another, which is what must be mended.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use backend_types::DatabaseId;
use dashmap::DashMap;

use crate::{
    ClientKey, Moment,
    handshake::{HandshakeFault, Hello, TlsVersion},
};

/// Kinds of refusal remembered of one client; a repeated one is counted.
pub const REFUSALS: usize = 8;
/// Kinds of failed handshake remembered of one client.
pub const HANDSHAKES: usize = 4;
/// Clients that have logged in.
const KNOWN: usize = 2_048;
const STRANGERS: usize = 5_120;
/// Strangers of one network; beyond them it is crowded.
const SHARE: usize = STRANGERS / 16;
/// An id longer than this is cut: a database's users are not ours to bound.
const USER_BYTES: usize = 64;
/// A server's name longer than this is cut too.
const CALLED_BYTES: usize = 64;
const STALE: Duration = Duration::from_secs(24 * 60 * 60);
/// What is seen for longer than this is no scan.
const SCAN: Duration = Duration::from_secs(60);
/// Old clients looked at where one must go.
const LOOKED_AT: usize = 8;

/// The memory of all clients.
#[derive(Debug)]
pub struct Recent {
    known: Shelf,
    strangers: Shelf,
}

/// What is remembered of one client, the newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    pub refusals: Vec<Refused>,
    pub handshakes: Vec<HandshakeFailed>,
    pub success: Option<Success>,
    first: Moment,
    last: Moment,
}

/// One kind of refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub why: Why,
    pub seen: Seen,
    /// Of the last request; `None`: the connection was refused before there was one.
    pub request: Option<u64>,
}

/// What tells one kind of refusal from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// As in the log.
    pub reason: &'static str,
    /// `None`: closed without an answer.
    pub status: Option<u16>,
    /// `None`: no database was known yet.
    pub database: Option<DatabaseId>,
}

/// One kind of failed TLS handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeFailed {
    pub fault: HandshakeFault,
    /// The newest version that the client offered, the last time.
    pub offered: Option<TlsVersion>,
    /// In the format of SSL 2, the last time.
    pub in_ssl2_format: bool,
    /// How it called the server, where that was the fault.
    pub called: Option<Box<str>>,
    pub seen: Seen,
}

/// How often, and from when to when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    pub times: u64,
    pub first: Moment,
    pub last: Moment,
}

/// The last request that was served; one without a user never replaces one with a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Success {
    pub database: DatabaseId,
    pub user: Option<String>,
    pub at: Moment,
}

impl Default for Recent {
    fn default() -> Self {
        Self {
            // Who has logged in is nobody's crowd.
            known: Shelf::new(KNOWN, KNOWN),
            strangers: Shelf::new(STRANGERS, SHARE),
        }
    }
}

impl Recent {
    pub fn refused(&self, client: ClientKey, why: Why, request: Option<u64>, now: Moment) {
        self.with(client, now, |history| {
            let (same, fresh) = (why.clone(), || Refused::new(why, now));
            let again = |refused: &mut Refused| {
                refused.seen.again(now);
                refused.request = request;
            };
            newest(
                &mut history.refusals,
                REFUSALS,
                |one| one.why == same,
                fresh,
                again,
            );
        });
    }

    pub fn handshake_failed(
        &self,
        client: ClientKey,
        fault: HandshakeFault,
        hello: Hello<'_>,
        now: Moment,
    ) {
        let called = hello.server_name;
        let called = called.filter(|_| fault == HandshakeFault::NameMismatch);
        self.with(client, now, |history| {
            let fresh = || HandshakeFailed {
                fault,
                offered: None,
                in_ssl2_format: false,
                called: None,
                seen: Seen::never(now),
            };
            let again = |failed: &mut HandshakeFailed| {
                failed.seen.again(now);
                failed.offered = hello.offered;
                failed.in_ssl2_format = hello.in_ssl2_format;
                failed.called = called.map(|name| cut(name, CALLED_BYTES).into());
            };
            let same = |one: &HandshakeFailed| one.fault == fault;
            newest(&mut history.handshakes, HANDSHAKES, same, fresh, again);
        });
    }

    /// A request was served; with a user, his client is a stranger no more.
    pub fn served(
        &self,
        client: ClientKey,
        database: &DatabaseId,
        user: Option<&str>,
        now: Moment,
    ) {
        if user.is_some() {
            self.proved(client, now);
        }
        let user = user.map(|user| cut(user, USER_BYTES));
        self.with(client, now, |history| match &mut history.success {
            Some(success) if success.user.is_some() && user.is_none() => {}
            // The usual case, on every request: nothing is allocated.
            Some(success) if success.user.as_deref() == user && success.database == *database => {
                success.at = now;
            }
            success => {
                *success = Some(Success {
                    database: database.clone(),
                    user: user.map(str::to_owned),
                    at: now,
                });
            }
        });
    }

    /// Somebody has logged in from there.
    pub fn proved(&self, client: ClientKey, now: Moment) {
        if !self.known.clients.contains_key(&client) {
            let history = self.strangers.remove(client);
            let history = history.unwrap_or_else(|| History::new(now));
            self.known.enter(client, history, now);
        }
    }

    /// What is remembered; `None`: nothing.
    #[must_use]
    pub fn of(&self, client: ClientKey) -> Option<History> {
        [&self.known, &self.strangers]
            .into_iter()
            .find_map(|shelf| Some(shelf.clients.get(&client)?.clone()))
    }

    fn with(&self, client: ClientKey, now: Moment, work: impl FnOnce(&mut History)) {
        for shelf in [&self.known, &self.strangers] {
            if let Some(mut history) = shelf.clients.get_mut(&client) {
                history.last = now;
                return work(&mut history);
            }
        }
        let mut history = History::new(now);
        work(&mut history);
        self.strangers.enter(client, history, now);
    }
}

fn cut(text: &str, bytes: usize) -> &str {
    let end = text.floor_char_boundary(bytes);
    text.get(..end).unwrap_or_default()
}

/// Makes the kind that is `same`, or a fresh one in place of the oldest, the newest.
fn newest<T>(
    kinds: &mut Vec<T>,
    at_most: usize,
    same: impl Fn(&T) -> bool,
    fresh: impl FnOnce() -> T,
    again: impl FnOnce(&mut T),
) {
    let mut kind = match kinds.iter().position(same) {
        Some(at) => kinds.remove(at),
        None => fresh(),
    };
    again(&mut kind);
    kinds.truncate(at_most - 1);
    kinds.insert(0, kind);
}

impl History {
    fn new(now: Moment) -> Self {
        Self {
            refusals: Vec::new(),
            handshakes: Vec::new(),
            success: None,
            first: now,
            last: now,
        }
    }
}

impl Refused {
    fn new(why: Why, now: Moment) -> Self {
        Self {
            why,
            seen: Seen::never(now),
            request: None,
        }
    }
}

impl Seen {
    /// Not yet, but now for the first time.
    fn never(now: Moment) -> Self {
        Self {
            times: 0,
            first: now,
            last: now,
        }
    }

    fn again(&mut self, now: Moment) {
        self.times += 1;
        self.last = now;
    }
}

/// Clients of one kind, up to a number.
#[derive(Debug)]
struct Shelf {
    clients: DashMap<ClientKey, History>,
    /// Locked before a shard of `clients`, never after.
    order: Mutex<Order>,
    at_most: usize,
    /// Of one network.
    share: usize,
}

#[derive(Debug, Default)]
struct Order {
    /// Every key of `clients` exactly once, those looked at longest ago first.
    turn: VecDeque<ClientKey>,
    crowds: HashMap<Network, usize>,
}

/// What one owner may hold much of: an IPv4 /16, an IPv6 /32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Network {
    V4([u8; 2]),
    V6(u64),
}

impl From<ClientKey> for Network {
    fn from(client: ClientKey) -> Self {
        match client {
            ClientKey::V4(ip) => {
                let [a, b, ..] = ip.octets();
                Self::V4([a, b])
            }
            ClientKey::V6(upper) => Self::V6(upper >> 32),
        }
    }
}

impl Order {
    fn joins(&mut self, client: ClientKey) {
        self.turn.push_back(client);
        *self.crowds.entry(client.into()).or_default() += 1;
    }

    fn leaves(&mut self, client: ClientKey) {
        if let Some(crowd) = self.crowds.get_mut(&client.into()) {
            *crowd -= 1;
            if *crowd == 0 {
                self.crowds.remove(&client.into());
            }
        }
    }
}

impl Shelf {
    fn new(at_most: usize, share: usize) -> Self {
        Self {
            clients: DashMap::new(),
            order: Mutex::default(),
            at_most,
            share,
        }
    }

    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, client: ClientKey, history: History, now: Moment) {
        let mut order = self.order();
        if order.turn.len() >= self.at_most {
            self.make_room(&mut order, now);
        }
        // Two connections of one new client at once: the first has entered it.
        if self.clients.insert(client, history).is_none() {
            order.joins(client);
        }
    }

    fn remove(&self, client: ClientKey) -> Option<History> {
        let mut order = self.order();
        let (_, history) = self.clients.remove(&client)?;
        order.turn.retain(|one| *one != client);
        order.leaves(client);
        Some(history)
    }

    /// Of a few in turn, the one least worth keeping goes.
    fn make_room(&self, order: &mut Order, now: Moment) {
        let some = order.turn.len().min(LOOKED_AT);
        let mut looked_at: Vec<ClientKey> = order.turn.drain(..some).collect();
        let worth = |client: &ClientKey| {
            let history = self.clients.get(client)?;
            let crowd = order.crowds.get(&Network::from(*client)).copied();
            let fresh = now.since(history.last) < STALE;
            let uncrowded = crowd.unwrap_or_default() <= self.share;
            let persistent = history.last.since(history.first) > SCAN;
            Some((fresh, uncrowded, persistent, history.last))
        };
        let least = looked_at
            .iter()
            .enumerate()
            .min_by_key(|(_, client)| worth(client));
        if let Some((at, _)) = least {
            let client = looked_at.swap_remove(at);
            self.clients.remove(&client);
            order.leaves(client);
        }
        order.turn.extend(looked_at);
    }
}

#[cfg(test)]
mod tests;
