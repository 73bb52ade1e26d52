//! `authentication: upstream`: the existing server judges, and its refusals are counted here.
//!
//! A 401 to a request that carried credentials, or 401/403 on a login path, is a failed login. A
//! slot is held while the server judges, so parallel guesses cannot overtake the count; a
//! credential that the server accepted lately for the same request needs none, or thirty polling
//! terminals would wait for each other.

use std::sync::{Arc, Mutex, PoisonError};

use gateway_policy::{
    ClientAddr,
    refusal::Refusal,
    route::{Judged, Place, may_be_login},
    throttle::Slot,
};

use super::Origin;
use crate::{directory::Database, shared::Shared};

/// The request that the existing server accepted last on one connection: it goes on there, also
/// while its client is blocked elsewhere.
pub(crate) type AcceptedHere = Arc<Mutex<Option<[u8; 32]>>>;

/// A request that may be a guess, as far as counting goes.
pub(crate) struct Shown<'a> {
    pub(crate) authorization: Option<&'a [u8]>,
    pub(crate) method: &'a str,
    pub(crate) host: &'a str,
    /// Path and query.
    pub(crate) target: &'a str,
    /// Asked of the print server, which may be another one.
    pub(crate) print: bool,
    pub(crate) accepted_here: &'a AcceptedHere,
}

/// What the server's answer decides.
pub(crate) struct UpstreamAttempt {
    counted: Counted,
    fingerprint: Option<[u8; 32]>,
    accepted_here: AcceptedHere,
    login_path: bool,
    /// Whether a 2xx says that somebody is who he says he is, and so makes his address known.
    proof: bool,
    database: backend_types::DatabaseId,
    client: ClientAddr,
}

enum Counted {
    /// A failure takes this slot.
    Slot(Slot),
    /// The credential was accepted lately: a failure counts, but nobody waited for a slot.
    Later,
    /// The database whitelists the address: nothing counts.
    Exempt,
}

/// Reserves a slot for a request that may be a guess; `None`: it is none.
pub(crate) async fn upstream_attempt(
    shared: &Shared,
    database: &Database,
    origin: &Origin,
    shown: Shown<'_>,
) -> Result<Option<UpstreamAttempt>, Refusal> {
    let Shown {
        authorization,
        method,
        host,
        target,
        print,
        accepted_here,
    } = shown;
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    let login_path = is_login_path(database, path);
    if authorization.is_none() && !login_path {
        return Ok(None);
    }
    let logins = &shared.logins;
    // By all that commonly chooses what answers: that a public page, or `OPTIONS`, or another
    // virtual host answers 200 whatever is shown to it proves nothing for any other.
    let fingerprint = authorization.map(|value| {
        let server = if print { b"print" as &[u8] } else { b"data" };
        let id = database.id.as_str().as_bytes();
        let asked = [
            id,
            server,
            method.as_bytes(),
            host.as_bytes(),
            target.as_bytes(),
            value,
        ];
        logins.fingerprint(&asked)
    });
    let accepted = !login_path
        && fingerprint.is_some_and(|print| logins.accepted_upstream.contains_key(&print));
    let here = *accepted_here.lock().unwrap_or_else(PoisonError::into_inner);
    if accepted && !origin.exempt && here != fingerprint {
        // Whatever else could make a server answer 200 buys no more than the limit does.
        let now = shared.now();
        logins
            .budgets
            .admit(&database.id, origin.client.into(), now)
            .map_err(Refusal::DatabaseBudget)?;
        if let Some(retry_after) = logins.throttle.blocked(origin.client.into(), now) {
            return Err(Refusal::TooManyFailures(retry_after));
        }
    }
    let counted = match (origin.exempt, accepted) {
        (true, _) => Counted::Exempt,
        (false, true) => Counted::Later,
        (false, false) => Counted::Slot(logins.slot(shared, database, origin.client).await?),
    };
    Ok(Some(UpstreamAttempt {
        counted,
        fingerprint,
        accepted_here: Arc::clone(accepted_here),
        login_path,
        proof: is_proof(method, path, authorization.is_some()),
        database: database.id.clone(),
        client: origin.client,
    }))
}

/// The vendor's login endpoints in any spelling that a server could read, and the configured
/// paths.
fn is_login_path(database: &Database, path: &str) -> bool {
    let configured = || {
        // Letter case is folded: on many servers `/Login` is `/login`, and too much counts for
        // too little.
        let judged = Judged::of(path).map(|judged| judged.path().to_lowercase());
        // An ambiguous path may be any path: it counts.
        judged.is_none_or(|path| {
            database
                .login_paths
                .iter()
                .any(|login| path.starts_with(&login.to_lowercase()))
        })
    };
    may_be_login(path) || (!database.login_paths.is_empty() && configured())
}

/// A login at the vendor's endpoints, or a credential that its API takes. Pages outside, login
/// forms and `OPTIONS` answer 200 to anybody.
fn is_proof(method: &str, path: &str, credential: bool) -> bool {
    let place = Place::of(path);
    let acts = matches!(method, "GET" | "POST" | "PUT" | "PATCH" | "DELETE");
    acts && (place.is_login() || (credential && matches!(place, Place::Api(_))))
}

impl UpstreamAttempt {
    /// The server has answered.
    pub(crate) fn answered(self, shared: &Shared, status: u16) {
        let failed = status == 401 || (status == 403 && self.login_path);
        let logins = &shared.logins;
        let proved = self.proof && (200..=299).contains(&status);
        let (database, client) = (&self.database, self.client);
        match (self.counted, failed) {
            (Counted::Slot(slot), true) => logins.failed(shared, database, slot),
            (Counted::Slot(slot), false) if proved => {
                logins.succeeded(shared, database, client, Some(slot));
            }
            (Counted::Slot(slot), false) => slot.give_back(),
            (Counted::Later, true) => logins.failed_without_slot(shared, database, client),
            (Counted::Later, false) if proved => {
                logins.succeeded(shared, database, client, None);
            }
            (Counted::Later, false) | (Counted::Exempt, _) => {}
        }
        match (self.fingerprint, status) {
            (Some(print), _) if failed => logins.accepted_upstream.invalidate(&print),
            (Some(print), 101 | 200..=299) => {
                logins.accepted_upstream.insert(print, ());
                let mut here = self
                    .accepted_here
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                *here = Some(print);
            }
            (Some(_) | None, _) => {}
        }
    }

    /// The server is gone: nothing was judged. A client that leaves before the answer ends by
    /// drop instead, and its slot counts: who guesses and hangs up frees nothing early.
    pub(crate) fn unanswered(self) {
        if let Counted::Slot(slot) = self.counted {
            slot.give_back();
        }
    }
}
