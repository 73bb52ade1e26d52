//! Sessions: an access token for 24 h and a single-use refresh token, a family of them per device.
//!
//! Tokens are 32 hex digits, as real clients know them; only their SHA-256 is kept. A refreshed
//! pair is derived from the old refresh token under a server secret, so a terminal that lost the
//! answer in bad Wi-Fi repeats its request within [`GRACE`] and gets the same pair; a later repeat
//! means that the token was copied, and ends this device's family and no other.
//!
//! Finding a session (every request) reads one map; the rare changes go through one lock. Each
//! change names the families it touched: whoever persists writes [`Sessions::record`] of each, or
//! deletes it where that is `None`. As a record is read when it is written, a single writer can
//! never leave an older state over a newer one.
//! Not here: the disk, who may log in (`throttle`, `password`), what a role may (`rights`).

mod ledger;
mod login;

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use backend_types::DatabaseId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{Moment, credentials::Secret, password};

use ledger::{Access, Family, Ledger};

pub use ledger::Record;
pub use login::{Login, Stamp, Way};

/// How long an access token lives, also after it was refreshed.
pub const ACCESS_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a refresh token may lie unused.
pub const REFRESH_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long a used refresh token still returns the pair it was exchanged for.
pub const GRACE: Duration = Duration::from_secs(60);
/// How long the refresh tokens of an ended family are told from those never issued.
pub const REMEMBERED: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// Devices of one user; one more ends the one unused for longest.
pub const MAX_FAMILIES_PER_USER: usize = 256;
/// Ended families remembered; one more forgets the one ended first.
const MAX_ENDED: usize = 50_000;
/// Access tokens of one family that live at once; one more ends the oldest.
const MAX_ACCESS: usize = 16;
/// Used refresh tokens remembered per family.
const MAX_USED: usize = 64;

/// Names one device's sequence of tokens; no secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FamilyId([u8; 16]);

impl FamilyId {
    /// As a key at rest.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// SHA-256 of a token.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct TokenHash([u8; 32]);

macro_rules! as_hex {
    ($type:ident, $length:literal) => {
        impl From<$type> for String {
            fn from(value: $type) -> Self {
                hex::encode(value.0)
            }
        }

        impl TryFrom<String> for $type {
            type Error = hex::FromHexError;

            fn try_from(text: String) -> Result<Self, hex::FromHexError> {
                let mut bytes = $type([0; $length]);
                hex::decode_to_slice(text, &mut bytes.0)?;
                Ok(bytes)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }
    };
}

as_hex!(FamilyId, 16);
as_hex!(TokenHash, 32);

impl TokenHash {
    /// `None` for what cannot be a token of ours.
    fn of(token: &Secret) -> Option<Self> {
        let text = token.expose().as_bytes();
        let digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (text.len() == 32 && text.iter().all(digit)).then(|| Self(Sha256::digest(text).into()))
    }
}

/// What an access token stands for.
#[derive(Debug)]
pub struct Session {
    pub login: Login,
    pub family: FamilyId,
    pub expires: Moment,
    /// Of the family: milliseconds, so that finding needs no lock.
    last_used: Arc<AtomicU64>,
}

/// What a Bearer token is. None of it counts as a failed login.
#[derive(Clone, Debug)]
pub enum Found {
    /// Good as far as time goes; [`Login::role`] says whether it still is otherwise.
    Session(Arc<Session>),
    Expired,
    /// Never issued, ended, or of another database.
    Unknown,
}

/// A new pair of tokens, or the same one again.
#[derive(Clone, Debug)]
pub struct Issued {
    pub access: Secret,
    pub refresh: Secret,
    /// Of the access token.
    pub expires_in_seconds: u64,
    pub login: Login,
    pub family: FamilyId,
}

/// How a refresh ended.
#[derive(Clone, Debug)]
pub enum Refreshed {
    Issued(Issued),
    /// No token of this database; counts as a failed login.
    NeverIssued,
    /// Expired, ended, or no longer good; does not count.
    Ended,
    /// Used again after [`GRACE`]: its family has been ended. Does not count.
    Reused,
}

/// All sessions of all databases.
pub struct Sessions {
    secret: Zeroizing<[u8; 32]>,
    access: Access,
    ledger: Mutex<Ledger>,
}

impl Sessions {
    /// `secret` derives refreshed pairs: random, kept as long as the records.
    #[must_use]
    pub fn new(secret: [u8; 32]) -> Self {
        Self {
            secret: Zeroizing::new(secret),
            access: Access::new(),
            ledger: Mutex::default(),
        }
    }

    /// Opens a session for a verified login. `random` is fresh.
    #[must_use]
    pub fn open(&self, login: Login, now: Moment, random: [u8; 32]) -> (Issued, Vec<FamilyId>) {
        let random = Zeroizing::new(random);
        let (access, refresh) = random.split_at(16);
        let (access, refresh) = (token(access), token(refresh));
        let (access_hash, refresh_hash) = (hash_own(&access), hash_own(&refresh));
        let mut id = FamilyId([0; 16]);
        for (to, from) in id.0.iter_mut().zip(refresh_hash.0) {
            *to = from;
        }
        let mut ledger = self.ledger();
        let mut changed = ledger.make_room(&self.access, &login, now);
        let family = Family {
            record: Record {
                family: id,
                login: login.clone(),
                opened: now,
                access: VecDeque::new(),
                refresh: (refresh_hash, now),
                used: VecDeque::new(),
                ended: None,
            },
            last_used: Arc::new(AtomicU64::new(now.0)),
        };
        ledger.enter(family);
        ledger.grant(&self.access, id, access_hash, now);
        changed.push(id);
        let issued = Issued {
            access,
            refresh,
            expires_in_seconds: ACCESS_LIFETIME.as_secs(),
            login,
            family: id,
        };
        (issued, changed)
    }

    /// What a Bearer token sent to `database` is.
    #[must_use]
    pub fn find(&self, token: &Secret, database: &DatabaseId, now: Moment) -> Found {
        let Some(hash) = TokenHash::of(token) else {
            return Found::Unknown;
        };
        match self.access.get(&hash) {
            Some(session) if session.login.database != *database => Found::Unknown,
            Some(session) if session.expires <= now => Found::Expired,
            Some(session) => {
                session.last_used.fetch_max(now.0, Ordering::Relaxed);
                Found::Session(Arc::clone(&session))
            }
            None => Found::Unknown,
        }
    }

    /// Exchanges a refresh token sent to `database`; `still_good` asks [`Login::role`].
    #[must_use]
    pub fn refresh(
        &self,
        token: &Secret,
        database: &DatabaseId,
        now: Moment,
        still_good: impl FnOnce(&Login) -> bool,
    ) -> (Refreshed, Vec<FamilyId>) {
        let never = (Refreshed::NeverIssued, Vec::new());
        let Some(hash) = TokenHash::of(token) else {
            return never;
        };
        let mut ledger = self.ledger();
        let family = ledger
            .refresh
            .get(&hash)
            .and_then(|id| ledger.families.get(id));
        let Some(family) = family.filter(|family| family.record.login.database == *database) else {
            return never;
        };
        let record = &family.record;
        let id = record.family;
        if record.ended.is_some() {
            return (Refreshed::Ended, Vec::new());
        }
        if record.refresh_expired(now) || !still_good(&record.login) {
            return (Refreshed::Ended, ledger.end(&self.access, id, now));
        }
        let login = record.login.clone();
        let used = record
            .used
            .iter()
            .find(|(used, _)| *used == hash)
            .map(|(_, at)| *at);
        let (access, refresh) = (self.derive("access", token), self.derive("refresh", token));
        let since_issued = match used {
            Some(at) if now.since(at) > GRACE => {
                return (Refreshed::Reused, ledger.end(&self.access, id, now));
            }
            Some(at) => now.since(at),
            None => {
                ledger.succeed(id, hash_own(&refresh), now);
                ledger.grant(&self.access, id, hash_own(&access), now);
                Duration::ZERO
            }
        };
        let issued = Issued {
            access,
            refresh,
            expires_in_seconds: ACCESS_LIFETIME.saturating_sub(since_issued).as_secs(),
            login,
            family: id,
        };
        // Also after a repeat: the first answer's write may still be under way, and a pair must not
        // leave before it is on disk.
        (Refreshed::Issued(issued), vec![id])
    }

    /// Logs out the device that `token`, an access token, belongs to.
    #[must_use]
    pub fn end(&self, token: &Secret, database: &DatabaseId, now: Moment) -> Vec<FamilyId> {
        match self.find(token, database, now) {
            Found::Session(session) => self.ledger().end(&self.access, session.family, now),
            Found::Expired | Found::Unknown => Vec::new(),
        }
    }

    /// Ends every family whose login is `bad`: of a removed user, of a changed password.
    #[must_use]
    pub fn end_where(&self, now: Moment, bad: impl Fn(&Login) -> bool) -> Vec<FamilyId> {
        let mut ledger = self.ledger();
        let live = ledger
            .families
            .values()
            .filter(|family| family.record.ended.is_none());
        let bad: Vec<FamilyId> = live
            .filter(|family| bad(&family.record.login))
            .map(|family| family.record.family)
            .collect();
        bad.into_iter()
            .flat_map(|id| ledger.end(&self.access, id, now))
            .collect()
    }

    /// Forgets what time has ended; to be called now and then (minutes).
    #[must_use]
    pub fn sweep(&self, now: Moment) -> Vec<FamilyId> {
        self.access.retain(|_, session| session.expires > now);
        let mut ledger = self.ledger();
        let expired: Vec<FamilyId> = ledger
            .families
            .values_mut()
            .filter_map(|Family { record, .. }| {
                record.access.retain(|(_, expires)| *expires > now);
                (record.ended.is_none() && record.refresh_expired(now)).then_some(record.family)
            })
            .collect();
        let mut changed: Vec<FamilyId> = expired
            .into_iter()
            .flat_map(|id| ledger.end(&self.access, id, now))
            .collect();
        while let Some(&id) = ledger.ended.front() {
            let ended = ledger
                .families
                .get(&id)
                .and_then(|family| family.record.ended);
            if ended.is_some_and(|ended| now.since(ended) < REMEMBERED) {
                break;
            }
            ledger.forget_first_ended();
            changed.push(id);
        }
        changed
    }

    /// The present state of a family, to be written; `None`: to be deleted.
    #[must_use]
    pub fn record(&self, family: FamilyId) -> Option<Record> {
        let ledger = self.ledger();
        ledger
            .families
            .get(&family)
            .map(|family| family.record.clone())
    }

    /// Takes back what was written; once, before anything else.
    pub fn restore(&self, records: impl IntoIterator<Item = Record>, now: Moment) {
        let mut records: Vec<Record> = records.into_iter().collect();
        records.sort_by_key(|record| record.ended);
        let mut ledger = self.ledger();
        for record in records {
            let last_used = record.refresh.1.min(now).0;
            let last_used = Arc::new(AtomicU64::new(last_used));
            let session = |expires| Session {
                login: record.login.clone(),
                family: record.family,
                expires,
                last_used: Arc::clone(&last_used),
            };
            for &(hash, expires) in &record.access {
                self.access.insert(hash, Arc::new(session(expires)));
            }
            ledger.enter(Family { record, last_used });
        }
    }

    /// Families that have not ended.
    fn len(&self) -> usize {
        let ledger = self.ledger();
        ledger.families.len().saturating_sub(ledger.ended.len())
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The successor of a refresh token; only who holds the old one can have it made.
    fn derive(&self, kind: &str, old: &Secret) -> Secret {
        let parts = [kind.as_bytes(), b":", old.expose().as_bytes()];
        let derived = Zeroizing::new(password::hmac(&self.secret, &parts));
        token(derived.split_at(16).0)
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("families", &self.len())
            .finish_non_exhaustive()
    }
}

fn token(bytes: &[u8]) -> Secret {
    Secret::new(hex::encode(bytes))
}

/// The hash of a token made here.
fn hash_own(token: &Secret) -> TokenHash {
    TokenHash(Sha256::digest(token.expose()).into())
}

#[cfg(test)]
mod tests;
