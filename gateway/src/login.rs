//! Logging in, and who asks on a request: throttle → room to hash → one verification → session.
//!
//! The order is the protection: a slot is reserved before anything is hashed, so parallel guesses
//! cannot overtake the count, and it travels with the hashing, so a hang-up frees nothing early.
//! Tokens never wait here. The decisions are `gateway-policy`'s; this file keeps their order.

mod endpoints;
mod upstream;

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context;
use backend_types::{DatabaseId, Role, User};
use gateway_policy::{
    ClientAddr, ClientKey, Moment,
    credentials::{Authorization, Grant, Secret},
    password::{self, Decoy, IndexKey, Verdict},
    refusal::{Refusal, Unauthenticated},
    session::{FamilyId, Found, Issued, Login, Refreshed, Sessions, Way},
    throttle::{self, DatabaseBudget, MAX_CLIENTS, Reserved, RetryAfter, Slot, Throttle},
};
use hmac::{Hmac, KeyInit, Mac};
use moka::sync::Cache;
use openssl::rand::rand_bytes;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

pub(crate) use endpoints::{Ask, answer};
pub(crate) use upstream::{AcceptedHere, Shown, UpstreamAttempt, upstream_attempt};

use crate::{
    connections::Standing,
    directory::{Database, Directory},
    files,
    hashing::{Busy, Hashing, Lane},
    session_store::{NotStored, SessionStore, Stored, Write},
    shared::Shared,
};

/// An attempt that finds all slots taken waits this long for one to resolve.
const SLOT_WAIT: Duration = Duration::from_secs(5);
/// Verified Basic credentials are believed this long; the user's change ends it at once.
const PROVEN_FOR: Duration = Duration::from_secs(5 * 60);
const PROVEN_AT_MOST: u64 = 100_000;

/// Names of the windows at rest.
const THROTTLE: &str = "throttle";
const BUDGETS: &str = "budgets";

/// Where an attempt comes from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) client: ClientAddr,
    /// The database whitelists the address: nothing counts and nothing is refused.
    pub(crate) exempt: bool,
    /// The request's, for the log.
    pub(crate) request_id: String,
}

/// Who asks, as far as rights go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) role: Role,
    /// `None` where nobody has to log in.
    pub(crate) login: Option<Login>,
    /// Of a Bearer token.
    pub(crate) family: Option<FamilyId>,
}

impl Caller {
    /// The user's id.
    pub(crate) fn user(&self) -> Option<&str> {
        self.login.as_ref().map(|login| login.user.as_str())
    }
}

/// A Basic credential that was verified; it holds while the login does.
#[derive(Clone)]
pub(crate) struct Proven {
    credential: [u8; 32],
    login: Login,
}

/// Everything that outlives a login.
pub(crate) struct Logins {
    throttle: Throttle,
    /// Woken whenever a slot is resolved.
    resolved: Arc<Notify>,
    budgets: DatabaseBudget,
    hashing: Hashing,
    decoy: Decoy,
    sessions: Arc<Sessions>,
    store: SessionStore,
    /// Keys the fingerprints of cached credentials; random in every process.
    fingerprint_key: [u8; 32],
    proven: Cache<[u8; 32], Login>,
    /// Credentials that an existing server has accepted lately.
    accepted_upstream: Cache<[u8; 32], ()>,
    /// Hash of each window as it is on disk.
    written: Mutex<HashMap<&'static str, [u8; 32]>>,
}

impl Logins {
    /// Opens the sessions and windows of the last run.
    pub(crate) fn open(data: &Path, now: Moment) -> anyhow::Result<Self> {
        let session_key = files::secret(&data.join("secrets").join("session.key"))?;
        let sessions = Arc::new(Sessions::new(session_key));
        let file = data.join("sessions.redb");
        let (store, stored, writer) = SessionStore::open(&file, Arc::clone(&sessions))?;
        // The writer ends with the store; nobody has to wait for it.
        drop(writer);
        let (mut fingerprint_key, mut decoy, mut salt) = ([0; 32], [0; 32], [0; 16]);
        for random in [&mut fingerprint_key[..], &mut decoy[..], &mut salt[..]] {
            rand_bytes(random).context("the system gave no random bytes")?;
        }
        let cores = std::thread::available_parallelism()?;
        let resolved = Arc::new(Notify::new());
        let wake = Arc::clone(&resolved);
        let logins = Self {
            throttle: Throttle::new(MAX_CLIENTS, move || wake.notify_waiters()),
            resolved,
            budgets: DatabaseBudget::default(),
            hashing: Hashing::new(cores),
            decoy: Decoy::new(decoy, salt),
            sessions,
            store,
            fingerprint_key,
            proven: cache(),
            accepted_upstream: cache(),
            written: Mutex::default(),
        };
        logins.take_back(stored, now)?;
        Ok(logins)
    }

    fn take_back(&self, stored: Stored, now: Moment) -> anyhow::Result<()> {
        self.sessions.restore(stored.families, now);
        for (name, content) in stored.windows {
            match name.as_str() {
                THROTTLE => self.throttle.import(from_json::<Vec<_>>(&content)?, now),
                BUDGETS => self.budgets.import(from_json::<Vec<_>>(&content)?, now),
                _ => {}
            }
        }
        Ok(())
    }

    /// Throttle windows and budgets to disk; a kill loses at most what came after.
    pub(crate) async fn save_windows(&self, now: Moment) -> anyhow::Result<()> {
        let window = |name, content: serde_json::Result<Vec<u8>>| -> anyhow::Result<Write> {
            Ok(Write::Window {
                name,
                content: content?,
            })
        };
        let throttle = serde_json::to_vec(&self.throttle.export(now));
        let budgets = serde_json::to_vec(&self.budgets.export(now));
        let mut writes = Vec::new();
        for (name, content) in [(THROTTLE, throttle), (BUDGETS, budgets)] {
            let content = content.context(name)?;
            let hash = openssl::sha::sha256(&content);
            let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
            // An idle night must not write to the disk every second.
            if written.insert(name, hash) != Some(hash) {
                writes.push(window(name, Ok(content))?);
            }
        }
        if !writes.is_empty() {
            self.store.commit(writes).await?;
        }
        Ok(())
    }

    /// After a change of the directory: ends the sessions whose login is good no more, so that
    /// they do not come back with a user who does. Databases that are away keep theirs.
    pub(crate) async fn end_bad_sessions(
        &self,
        directory: &Directory,
        now: Moment,
    ) -> Result<(), NotStored> {
        let changed = self.sessions.end_where(now, |login| {
            let database = directory.get(&login.database);
            database.is_some_and(|database| database.role_of(login).is_none())
        });
        self.store
            .commit(changed.into_iter().map(Write::Family).collect())
            .await
    }

    /// Forgets sessions that time has ended.
    pub(crate) async fn sweep_sessions(&self, now: Moment) -> Result<(), NotStored> {
        let changed = self.sessions.sweep(now);
        self.store
            .commit(changed.into_iter().map(Write::Family).collect())
            .await
    }

    /// On disk before the client hears of it.
    async fn keep(&self, changed: Vec<FamilyId>) -> Result<(), Refusal> {
        let kept = self
            .store
            .commit(changed.into_iter().map(Write::Family).collect())
            .await;
        kept.map_err(|NotStored| Refusal::Internal)
    }
}

fn cache<V: Clone + Send + Sync + 'static>() -> Cache<[u8; 32], V> {
    Cache::builder()
        .max_capacity(PROVEN_AT_MOST)
        .time_to_live(PROVEN_FOR)
        .build()
}

fn from_json<T: serde::de::DeserializeOwned>(content: &[u8]) -> anyhow::Result<T> {
    serde_json::from_slice(content).context("throttle windows of the last run")
}

/// Reserves the right to verify once: the database's budget first, then the client's slots,
/// waiting a while where all are taken but not all by failures.
impl Logins {
    async fn slot(
        &self,
        shared: &Shared,
        database: &Database,
        client: ClientAddr,
    ) -> Result<Slot, Refusal> {
        let key = ClientKey::from(client);
        let until = Instant::now() + SLOT_WAIT;
        loop {
            // Created before asking, so that no wake-up falls between asking and waiting.
            let resolved = self.resolved.notified();
            let now = shared.now();
            self.budgets
                .admit(&database.id, key, now)
                .map_err(Refusal::DatabaseBudget)?;
            match self.throttle.reserve(key, now) {
                Reserved::Slot(slot) => return Ok(slot),
                Reserved::Blocked(retry_after) => {
                    return Err(Refusal::TooManyFailures(retry_after));
                }
                Reserved::Wait => {}
            }
            if timeout_at(until, resolved).await.is_err() {
                return Err(Refusal::SlotsBusy);
            }
        }
    }

    /// Of a credential that an existing server accepted lately and refuses now.
    fn failed_without_slot(&self, shared: &Shared, database: &DatabaseId, client: ClientAddr) {
        if let Reserved::Slot(slot) = self.throttle.reserve(client.into(), shared.now()) {
            self.failed(shared, database, slot);
        }
    }

    fn failed(&self, shared: &Shared, database: &DatabaseId, slot: Slot) {
        let now = shared.now();
        self.budgets.failed(database, now);
        slot.fail(now);
    }

    fn succeeded(
        &self,
        shared: &Shared,
        database: &DatabaseId,
        client: ClientAddr,
        slot: Option<Slot>,
    ) {
        let now = shared.now();
        self.budgets.succeeded(database, client.into(), now);
        shared.recent.proved(client.into(), now);
        if let Some(slot) = slot {
            slot.give_back();
        }
    }

    /// How the client stands with the throttle.
    pub(crate) fn standing(&self, client: ClientKey, now: Moment) -> throttle::Standing {
        self.throttle.standing(client, now)
    }

    /// How long the database's budget keeps this client from logging in.
    pub(crate) fn budget_wait(
        &self,
        database: &DatabaseId,
        client: ClientKey,
        now: Moment,
    ) -> Option<RetryAfter> {
        self.budgets.admit(database, client, now).err()
    }

    /// A keyed hash of a credential, for caches: worthless outside of this process.
    fn fingerprint(&self, parts: &[&[u8]]) -> [u8; 32] {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.fingerprint_key)
            .expect("HMAC takes keys of any length");
        for part in parts {
            // The length first, or ("ab", "c") would be ("a", "bc").
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

/// Whom a nameless or named secret could belong to, and by which of his hashes it is judged.
struct Candidate {
    user: Option<Arc<User>>,
    way: Way,
}

impl Candidate {
    fn of(database: &Database, grant: &Grant) -> Self {
        let users = &database.users;
        let by_index = |secret: &Secret| {
            let index = users.index_key.index(secret.expose()).ok()?;
            // Nameless attempts are answered as a wrong password where barcode login is off.
            database
                .barcode_login
                .then(|| users.by_index(&index).cloned())
                .flatten()
        };
        match grant {
            Grant::Password { name, .. } => Self {
                user: users.by_login(name).cloned(),
                way: Way::Name,
            },
            Grant::PasswordAlone { password } => Self {
                user: by_index(password),
                way: Way::PasswordAlone,
            },
            Grant::Barcode { barcode } => Self {
                user: by_index(barcode),
                way: Way::Barcode,
            },
            Grant::Refresh { .. } => Self {
                user: None,
                way: Way::Name,
            },
        }
    }

    fn stored(&self) -> Option<String> {
        let user = self.user.as_ref()?;
        match self.way {
            Way::Name | Way::PasswordAlone => user.password.clone(),
            Way::Barcode => user.barcode.clone(),
        }
    }
}

/// One attempt by a secret: slot, room to hash, exactly one evaluation.
async fn verify(
    shared: &Arc<Shared>,
    database: &Database,
    origin: &Origin,
    slot: Option<Slot>,
    candidate: Candidate,
    secret: Secret,
) -> Result<(Arc<User>, Way), Refusal> {
    let logins = &shared.logins;
    let lane = if origin.exempt {
        Lane::Whitelisted
    } else {
        Lane::Strangers
    };
    let room = match logins.hashing.room(lane).await {
        Ok(room) => room,
        Err(Busy) => {
            // Nothing was verified.
            if let Some(slot) = slot {
                slot.give_back();
            }
            shared.metrics.login(&database.id, "busy");
            return Err(Refusal::HashingBusy);
        }
    };
    let (stored, id, client) = (candidate.stored(), database.id.clone(), origin.client);
    let within = Arc::clone(shared);
    let judged = room.run(move || {
        let logins = &within.logins;
        let verdict = password::judge(stored.as_deref(), &logins.decoy, secret.expose());
        // Resolved here and not by the client's task: a hang-up must not change the count.
        match (verdict, slot) {
            (Verdict::Match, slot) => logins.succeeded(&within, &id, client, slot),
            (Verdict::NoMatch | Verdict::Unusable(_), Some(slot)) => {
                logins.failed(&within, &id, slot);
            }
            (Verdict::NoMatch | Verdict::Unusable(_), None) => {}
        }
        verdict
    });
    match (judged.await, candidate.user) {
        (Some(Verdict::Match), Some(user)) => {
            shared.metrics.login(&database.id, "good");
            tracing::info!(
                target: "security",
                {
                    request.id = origin.request_id,
                    database.id = %database.id,
                    client.addr = %client,
                    user = user.id,
                },
                "logged in"
            );
            Ok((user, candidate.way))
        }
        (judged, user) => {
            shared.metrics.login(&database.id, "wrong");
            let why = match (judged, &user) {
                (Some(Verdict::Unusable(fault)), _) => Unauthenticated::UnusableHash(fault),
                (_, Some(_)) => Unauthenticated::WrongPassword,
                (_, None) if candidate.way.is_nameless() && !database.barcode_login => {
                    Unauthenticated::NamelessOff
                }
                (_, None) => Unauthenticated::UnknownUser,
            };
            tracing::warn!(
                target: "security",
                {
                    request.id = origin.request_id,
                    database.id = %database.id,
                    client.addr = %client,
                    user = user.as_ref().map(|user| user.id.as_str()),
                    reason = Refusal::from(why).reason(),
                },
                "login failed"
            );
            Err(why.into())
        }
    }
}

/// Answers a grant by a new session.
async fn log_in(
    shared: &Arc<Shared>,
    database: &Database,
    origin: &Origin,
    grant: Grant,
) -> Result<Issued, Refusal> {
    let logins = &shared.logins;
    let slot = match origin.exempt {
        true => None,
        false => Some(logins.slot(shared, database, origin.client).await?),
    };
    let candidate = Candidate::of(database, &grant);
    let secret = match grant {
        Grant::Refresh { token } => return refresh(shared, database, slot, &token).await,
        Grant::Password { password, .. } | Grant::PasswordAlone { password } => password,
        Grant::Barcode { barcode } => barcode,
    };
    let (user, way) = verify(shared, database, origin, slot, candidate, secret).await?;
    let login = Login::new(database.id.clone(), &user, way).ok_or(Refusal::Internal)?;
    let (issued, changed) = logins.sessions.open(login, shared.now(), random()?);
    logins.keep(changed).await?;
    Ok(issued)
}

/// A refresh token never issued is a failed login; an expired or ended one is not.
async fn refresh(
    shared: &Shared,
    database: &Database,
    slot: Option<Slot>,
    token: &Secret,
) -> Result<Issued, Refusal> {
    let logins = &shared.logins;
    let still_good = |login: &Login| database.role_of(login).is_some();
    let (refreshed, changed) =
        logins
            .sessions
            .refresh(token, &database.id, shared.now(), still_good);
    let outcome = match refreshed {
        Refreshed::Issued(issued) => Ok(issued),
        Refreshed::NeverIssued => Err(Unauthenticated::RefreshNeverIssued),
        Refreshed::Ended => Err(Unauthenticated::RefreshEnded),
        Refreshed::Reused => Err(Unauthenticated::RefreshReused),
    };
    match (&outcome, slot) {
        (Err(Unauthenticated::RefreshNeverIssued), Some(slot)) => {
            logins.failed(shared, &database.id, slot);
        }
        (_, Some(slot)) => slot.give_back(),
        (_, None) => {}
    }
    let label = if outcome.is_ok() {
        "refreshed"
    } else {
        "wrong"
    };
    shared.metrics.login(&database.id, label);
    logins.keep(changed).await?;
    outcome.map_err(Refusal::from)
}

/// `DELETE B/session`: this device is logged out.
async fn end_session(shared: &Shared, database: &Database, token: &Secret) -> Result<(), Refusal> {
    let changed = shared
        .logins
        .sessions
        .end(token, &database.id, shared.now());
    if changed.is_empty() {
        return Err(Unauthenticated::UnknownToken.into());
    }
    let of_this_device = |standing: &Standing| {
        standing
            .family
            .is_some_and(|family| changed.contains(&family))
    };
    shared.connections.close_where(of_this_device);
    shared.logins.keep(changed).await
}

/// Tokens for a database where nobody has to log in: nothing stands behind them.
fn worthless() -> Result<(String, String), Refusal> {
    let random: [u8; 32] = random()?;
    let (access, refresh) = random.split_at(16);
    Ok((hex::encode(access), hex::encode(refresh)))
}

fn random() -> Result<[u8; 32], Refusal> {
    let mut random = [0; 32];
    rand_bytes(&mut random).map_err(|_no_randomness| Refusal::Internal)?;
    Ok(random)
}

/// Who asks, by the `Authorization` of an ordinary request.
pub(crate) async fn authenticate(
    shared: &Arc<Shared>,
    database: &Database,
    origin: &Origin,
    authorization: Option<&[u8]>,
    proven: &mut Option<Proven>,
) -> Result<Caller, Refusal> {
    let value = authorization.ok_or(Unauthenticated::NoCredentials)?;
    let mut family = None;
    let login = match Authorization::parse(value) {
        Authorization::Bearer(token) => {
            match shared
                .logins
                .sessions
                .find(&token, &database.id, shared.now())
            {
                Found::Session(session) => {
                    family = Some(session.family);
                    session.login.clone()
                }
                Found::Expired => return Err(Unauthenticated::ExpiredSession.into()),
                Found::Unknown => return Err(Unauthenticated::UnknownToken.into()),
            }
        }
        Authorization::Basic { name, password } => {
            basic(shared, database, origin, name, password, proven).await?
        }
        Authorization::Malformed | Authorization::Other => {
            return Err(Unauthenticated::Malformed.into());
        }
    };
    let role = database
        .role_of(&login)
        .ok_or(Unauthenticated::EndedSession)?;
    Ok(Caller {
        role,
        login: Some(login),
        family,
    })
}

/// A credential that this connection has verified needs no slot; one verified elsewhere lately
/// needs a slot but no hashing; any other is an attempt like every other.
async fn basic(
    shared: &Arc<Shared>,
    database: &Database,
    origin: &Origin,
    name: String,
    password: Secret,
    proven: &mut Option<Proven>,
) -> Result<Login, Refusal> {
    let logins = &shared.logins;
    let credential = logins.fingerprint(&[
        database.id.as_str().as_bytes(),
        name.as_bytes(),
        password.expose().as_bytes(),
    ]);
    let holds = |login: &Login| database.role_of(login).is_some();
    if let Some(proven) = proven
        && proven.credential.ct_eq(&credential).into()
        && holds(&proven.login)
    {
        return Ok(proven.login.clone());
    }
    let slot = match origin.exempt {
        true => None,
        false => Some(logins.slot(shared, database, origin.client).await?),
    };
    let login = match logins.proven.get(&credential) {
        Some(login) if holds(&login) => {
            logins.succeeded(shared, &database.id, origin.client, slot);
            login
        }
        Some(_) | None => {
            let candidate = Candidate {
                user: database.users.by_login(&name).cloned(),
                way: Way::Name,
            };
            let (user, way) = verify(shared, database, origin, slot, candidate, password).await?;
            let login = Login::new(database.id.clone(), &user, way).ok_or(Refusal::Internal)?;
            logins.proven.insert(credential, login.clone());
            login
        }
    };
    *proven = Some(Proven {
        credential,
        login: login.clone(),
    });
    Ok(login)
}

/// What `gateway hash` prints.
pub(crate) struct HashedForYaml {
    pub(crate) password: String,
    pub(crate) index: String,
}

/// Hash and blind index of a password or a barcode, under the data folder's key.
pub(crate) fn hash_for_yaml(data: &Path, secret: &str) -> anyhow::Result<HashedForYaml> {
    anyhow::ensure!(!secret.is_empty(), "nothing was typed");
    let mut salt = [0; 16];
    rand_bytes(&mut salt)?;
    let key = files::secret(&data.join("secrets").join("index.key"))?;
    Ok(HashedForYaml {
        password: password::hash(secret, salt)?,
        index: IndexKey::new(key).index(secret)?,
    })
}
