//! What every connection needs to know, in one place; and the few sentences that combine it.
//!
//! Snapshots are swapped whole (`ArcSwap`), so a request sees one state of the world. Nobody
//! holds a lock across an await.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use backend_types::{ClientCertificates, DatabaseId};
use gateway_certificates::{devices::Trust, validity};
use gateway_policy::{
    ClientAddr, Moment,
    admit::{self, Verdict},
    agreed::{Agreed, Handshakes},
    proxy_protocol::TrustedProxies,
    recent::{Recent, Why},
    refusal::Refusal,
    sampling::Sampling,
};
use tokio::sync::watch;

use crate::{
    access_log::Entry,
    acme::challenges::Challenges,
    certificate_page::Notice,
    clock::Clock,
    connections::{Connections, Scope, Standing},
    directory::{Authentication, Database, Directory},
    handshake::Failed,
    listeners::Listener,
    login::Logins,
    messages::Language,
    metrics::Metrics,
    tls::Level,
    watchdog::Watchdog,
};

pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) settings: ArcSwap<Settings>,
    pub(crate) directory: ArcSwap<Directory>,
    /// For the certificate page.
    pub(crate) notice: ArcSwap<Notice>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) logins: Logins,
    pub(crate) metrics: Metrics,
    pub(crate) recent: Recent,
    pub(crate) sampling: Mutex<Sampling>,
    pub(crate) watchdog: Watchdog,
    pub(crate) handshakes: Mutex<PortHandshakes>,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) request_ids: RequestIds,
    /// What client certificates are judged by.
    pub(crate) trust: Arc<ArcSwap<Trust>>,
    /// Of running orders for certificates.
    pub(crate) challenges: Arc<Challenges>,
}

/// Ids of requests: no secret, never twice in one run, and hardly ever in two.
pub(crate) struct RequestIds(AtomicU64);

impl RequestIds {
    pub(crate) fn start(now: Moment) -> Self {
        let mut bytes = [0_u8; 8];
        if openssl::rand::rand_bytes(&mut bytes).is_err() {
            bytes = now.0.to_be_bytes();
        }
        Self(AtomicU64::new(u64::from_be_bytes(bytes)))
    }

    /// An odd step comes round only after 2^64; this one looks like chance to a reader.
    fn next(&self) -> u64 {
        self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)
    }
}

/// Complete ones.
#[derive(Default)]
pub(crate) struct PortHandshakes {
    pub(crate) server: Handshakes,
    pub(crate) databases: HashMap<DatabaseId, Handshakes>,
}

/// What of the configuration acts on requests and belongs to no database.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) language: Language,
    pub(crate) trusted_proxies: TrustedProxies,
}

impl Shared {
    pub(crate) fn now(&self) -> Moment {
        self.clock.now()
    }

    pub(crate) fn language(&self) -> Language {
        self.settings.load().language
    }

    /// Becomes true when the gateway stops: finish the request in flight, then close.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// 16 hex digits, the same in both logs and in the answer.
    pub(crate) fn request_id(&self) -> String {
        hex::encode(self.request_ids.next().to_be_bytes())
    }

    pub(crate) fn database(&self, id: &DatabaseId) -> Option<Arc<Database>> {
        self.directory.load().get(id).cloned()
    }

    /// What the lists in `scope` say to `client`. A database that is gone refuses everybody.
    pub(crate) fn admit(&self, client: ClientAddr, scope: &Scope) -> Verdict {
        let directory = self.directory.load();
        match scope {
            Scope::Database(id) => directory.get(id).map_or(Verdict::Blocked, |database| {
                admit::admit(&database.lists.lists(), client)
            }),
            Scope::AnyDatabase => {
                let lists: Vec<_> = directory
                    .databases()
                    .iter()
                    .map(|database| database.lists.lists())
                    .collect();
                let mut verdicts = lists.iter().map(|lists| admit::admit(lists, client));
                if admit::refused_by_all(lists.iter().map(|lists| &***lists), client) {
                    Verdict::Blocked
                } else if verdicts.any(Verdict::is_exempt) {
                    // Only cap and rate ask here; the throttle asks the database.
                    Verdict::Whitelisted
                } else {
                    Verdict::Admitted
                }
            }
        }
    }

    /// Whether the profile of `database` is for what a client has agreed on.
    pub(crate) fn suits(&self, database: &Database, level: Level, client: ClientAddr) -> bool {
        level.is_within(database.tls, || {
            admit::admit(&database.lists.lists(), client).is_exempt()
        })
    }

    /// After a change of lists or of the directory, or the end of a device's certificate: closes the
    /// connections that may not go on.
    pub(crate) fn reconsider_connections(&self) {
        let closed = self
            .connections
            .close_where(|standing| !self.may_go_on(standing));
        if closed > 0 {
            tracing::info!(
                closed,
                "connections closed by a changed list, user or device"
            );
        }
    }

    /// Whether an open connection is one that would be let in now. Where the database itself is gone,
    /// its port is closing, and requests in flight may finish.
    pub(crate) fn may_go_on(&self, standing: &Standing) -> bool {
        let device = standing.device.as_deref();
        let trust = self.trust.load();
        if device.is_some_and(|serial| !trust.lets_in(serial, validity::now())) {
            return false;
        }
        let directory = self.directory.load();
        let database = match &standing.scope {
            Scope::Database(id) => match directory.get(id) {
                None => return true,
                found => found,
            },
            Scope::AnyDatabase => None,
        };
        let refused = self.admit(standing.client, &standing.scope).is_blocked();
        let websocket = database.filter(|_| standing.websocket);
        !refused && websocket.is_none_or(|database| self.tunnel_may_go_on(standing, database))
    }

    /// A request would be asked again; a WebSocket has none to come.
    fn tunnel_may_go_on(&self, standing: &Standing, database: &Database) -> bool {
        let login = match &standing.login {
            Some(login) => database.role_of(login).is_some(),
            None => !standing.unasked || database.authentication == Authentication::None,
        };
        let certificate = standing.device.is_some()
            || database.client_certificates != ClientCertificates::Required;
        let suits = |(level, client)| self.suits(database, level, client);
        login && certificate && standing.tls.is_none_or(suits)
    }

    pub(crate) fn refuse_connection(&self, client: ClientAddr, scope: &Scope, refusal: Refusal) {
        let (reason, now) = (refusal.reason(), self.now());
        self.metrics.refuse(reason);
        let database = match scope {
            Scope::Database(id) => Some(id),
            Scope::AnyDatabase => None,
        };
        let why = Why {
            reason,
            status: refusal.status(),
            database: database.cloned(),
        };
        self.recent.refused(client.into(), why, None, now);
        if self.sampling().line(client.into(), reason, now) {
            let database = database.map_or("", DatabaseId::as_str);
            tracing::info!(
                target: "security",
                { client.addr = %client, database.id = database, reason },
                "connection refused"
            );
        }
    }

    /// How many refused connections got no line of their own: once a minute, and at the end.
    pub(crate) fn tell_suppressed(&self, end: bool) {
        let summary = match end {
            true => Some(self.sampling().end()),
            false => self.sampling().summary(self.now()),
        };
        let summary = summary.unwrap_or_default();
        for one in summary.clients {
            tracing::info!(
                target: "security",
                { client.addr = %one.client, suppressed = one.count, reason = one.reason },
                "connections refused, and not logged one by one"
            );
        }
        if summary.others > 0 {
            tracing::info!(
                target: "security",
                { suppressed = summary.others },
                "connections of other addresses refused, and not logged one by one"
            );
        }
    }

    fn sampling(&self) -> std::sync::MutexGuard<'_, Sampling> {
        self.sampling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn handshake_complete(
        &self,
        client: ClientAddr,
        listener: &Listener,
        agreed: Agreed,
        level: Level,
    ) {
        let database = listener.holder.database();
        self.metrics.handshake_complete(database, agreed);
        let mut all = self.handshakes();
        let of = match database {
            None => &mut all.server,
            Some(id) => {
                if !all.databases.contains_key(id) {
                    // Rare, so this is where those that are gone are forgotten.
                    let directory = self.directory.load();
                    all.databases.retain(|id, _| directory.get(id).is_some());
                }
                all.databases.entry(id.clone()).or_default()
            }
        };
        let needs_old = level == Level::Old;
        of.complete(client.into(), agreed, needs_old, self.now());
    }

    pub(crate) fn handshakes(&self) -> std::sync::MutexGuard<'_, PortHandshakes> {
        let handshakes = self.handshakes.lock();
        handshakes.unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn handshake_failed(
        &self,
        client: ClientAddr,
        listener: &Listener,
        failed: &Failed<'_>,
    ) {
        let (fault, hello, now) = (failed.fault, failed.hello, self.now());
        self.metrics
            .handshake_failed(listener.holder.database(), fault);
        self.recent
            .handshake_failed(client.into(), fault, hello, now);
        let reason = fault.reason();
        let offered = hello.offered.map(|version| version.to_string());
        let offered = offered.unwrap_or_default();
        let server_name = hello.server_name.unwrap_or_default();
        macro_rules! tell {
            ($level:ident) => {
                tracing::$level!(
                    target: "security",
                    {
                        client.addr = %client,
                        port = %listener.holder,
                        reason,
                        tls.offered = offered,
                        tls.server_name = server_name,
                        fault = %failed.words,
                    },
                    "TLS handshake failed"
                )
            };
        }
        if fault.is_noise() {
            // Scanners come by the thousand; the counter has them all.
            tell!(debug);
        } else if self.sampling().line(client.into(), reason, now) {
            tell!(info);
        }
    }

    pub(crate) fn log(&self, entry: &Entry) {
        entry.write(&self.metrics);
        entry.remember(&self.recent, self.now());
    }
}
