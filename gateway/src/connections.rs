//! Who is connected: caps and rates per address at the door, and a way to close exactly those
//! whose verdict a changed list has flipped.
//!
//! A connection is entered here before its address is judged, and judged again once it is; a
//! list that changes in between therefore finds it. Nothing here judges: `gateway_policy::admit`
//! does.

use std::{
    num::NonZeroU32,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use backend_types::DatabaseId;
use dashmap::DashMap;
use gateway_policy::{
    ClientAddr, ClientKey,
    ports::Holder,
    session::{FamilyId, Login},
};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::{sync::Notify, task::AbortHandle};

use crate::tls::Level;

/// While the gateway stops.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// At the door an address may hold this much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DoorLimits {
    pub(crate) connections_per_address: u32,
    pub(crate) new_per_second: NonZeroU32,
    pub(crate) burst: NonZeroU32,
}

/// The address has too many connections, or opens them too fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crowded {
    Connections,
    Rate,
}

/// Whose lists judge a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Database(DatabaseId),
    /// On the server port before the first path: every database's lists.
    AnyDatabase,
}

impl Scope {
    /// Before a request says more.
    pub(crate) fn of(port: &Holder) -> Self {
        match port {
            Holder::Data(id) | Holder::Print(id) => Self::Database(id.clone()),
            Holder::Server | Holder::CertificatePage | Holder::Metrics => Self::AnyDatabase,
        }
    }
}

pub(crate) struct Connections {
    open: DashMap<u64, Arc<Connection>>,
    per_address: DashMap<ClientKey, u32>,
    rate: DefaultKeyedRateLimiter<ClientKey>,
    limits: DoorLimits,
    next: AtomicU64,
    count: AtomicUsize,
    emptied: Notify,
}

/// One open connection as the lists see it.
pub(crate) struct Connection {
    pub(crate) id: u64,
    /// The address behind the socket.
    pub(crate) peer: ClientAddr,
    standing: Mutex<Standing>,
    abort: Mutex<Option<AbortHandle>>,
}

/// By what a connection is judged when something changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) client: ClientAddr,
    pub(crate) scope: Scope,
    /// Of a WebSocket: it has no next request on which a changed user would be noticed.
    pub(crate) login: Option<Login>,
    /// Of a WebSocket opened with a token: it ends with the session.
    pub(crate) family: Option<FamilyId>,
    /// It has no next answer either, that could tell the client to come back.
    pub(crate) websocket: bool,
    /// A WebSocket for which nobody had to log in, because the database asked nobody.
    pub(crate) unasked: bool,
    /// Of a WebSocket: what the handshake has agreed on, and with whom, whomever the requests name.
    pub(crate) tls: Option<(Level, ClientAddr)>,
    /// Serial number of the certificate that the client has shown.
    pub(crate) device: Option<Arc<str>>,
}

impl Standing {
    pub(crate) fn new(client: ClientAddr, scope: Scope) -> Self {
        Self {
            client,
            scope,
            login: None,
            family: None,
            websocket: false,
            unasked: false,
            tls: None,
            device: None,
        }
    }
}

impl Connection {
    pub(crate) fn standing(&self) -> Standing {
        self.standing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// After a PROXY header, a routed path, an upgrade: judge it as this from now on.
    pub(crate) fn stands_as(&self, standing: Standing) {
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner) = standing;
    }

    pub(crate) fn aborted_by(&self, handle: AbortHandle) {
        *self.abort.lock().unwrap_or_else(PoisonError::into_inner) = Some(handle);
    }

    pub(crate) fn close(&self) {
        if let Some(abort) = &*self.abort.lock().unwrap_or_else(PoisonError::into_inner) {
            abort.abort();
        }
    }
}

impl Connections {
    pub(crate) fn new(limits: DoorLimits) -> Self {
        let quota = Quota::per_second(limits.new_per_second).allow_burst(limits.burst);
        Self {
            open: DashMap::new(),
            per_address: DashMap::new(),
            rate: RateLimiter::keyed(quota),
            limits,
            next: AtomicU64::new(0),
            count: AtomicUsize::new(0),
            emptied: Notify::new(),
        }
    }

    /// Enters a connection; whitelisted addresses are `exempt` from cap and rate.
    pub(crate) fn enter(
        self: &Arc<Self>,
        client: ClientAddr,
        scope: Scope,
        exempt: bool,
    ) -> Result<Entered, Crowded> {
        let key = ClientKey::from(client);
        self.take_place(key, exempt)?;
        let connection = Arc::new(Connection {
            id: self.next.fetch_add(1, Ordering::Relaxed),
            peer: client,
            standing: Mutex::new(Standing::new(client, scope)),
            abort: Mutex::new(None),
        });
        self.open.insert(connection.id, Arc::clone(&connection));
        self.count.fetch_add(1, Ordering::AcqRel);
        Ok(Entered {
            connection,
            key,
            room: Arc::clone(self),
        })
    }

    /// After a PROXY header: the place is that of the client it names, no longer the proxy's.
    pub(crate) fn enter_as(
        &self,
        entered: &mut Entered,
        client: ClientAddr,
        exempt: bool,
    ) -> Result<(), Crowded> {
        let key = ClientKey::from(client);
        if key != entered.key {
            self.take_place(key, exempt)?;
            self.give_place_back(entered.key);
            entered.key = key;
        }
        Ok(())
    }

    fn take_place(&self, key: ClientKey, exempt: bool) -> Result<(), Crowded> {
        let mut held = self.per_address.entry(key).or_insert(0);
        if !exempt {
            if *held >= self.limits.connections_per_address {
                return Err(Crowded::Connections);
            }
            if self.rate.check_key(&key).is_err() {
                drop(held);
                self.per_address.remove_if(&key, |_, held| *held == 0);
                return Err(Crowded::Rate);
            }
        }
        *held += 1;
        Ok(())
    }

    fn give_place_back(&self, key: ClientKey) {
        if let Some(mut held) = self.per_address.get_mut(&key) {
            *held = held.saturating_sub(1);
        }
        self.per_address.remove_if(&key, |_, held| *held == 0);
    }

    /// Closes every connection that `flipped` now refuses; says how many.
    pub(crate) fn close_where(&self, flipped: impl Fn(&Standing) -> bool) -> usize {
        let mut closed = 0;
        for entry in &self.open {
            if flipped(&entry.standing()) {
                entry.close();
                closed += 1;
            }
        }
        closed
    }

    /// How many connections a client has now, and how many it may have where no list exempts it.
    pub(crate) fn held_by(&self, client: ClientKey) -> (u32, u32) {
        let held = self.per_address.get(&client).map_or(0, |held| *held);
        (held, self.limits.connections_per_address)
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Open connections of one database.
    pub(crate) fn count_of(&self, database: &DatabaseId) -> usize {
        let of = |entry: &Connection| matches!(entry.standing().scope, Scope::Database(id) if id == *database);
        self.open.iter().filter(|entry| of(entry)).count()
    }

    /// Resolves when nobody is connected any more.
    pub(crate) async fn emptied(&self) {
        loop {
            let notified = self.emptied.notified();
            if self.count() == 0 {
                return;
            }
            notified.await;
        }
    }

    /// Resolves when nobody is connected but through WebSockets, which no request ends.
    pub(crate) async fn answered(&self) {
        let mut look = tokio::time::interval(LOOK_EVERY);
        while !self.open.iter().all(|one| one.standing().websocket) {
            look.tick().await;
        }
    }

    /// Forgets addresses whose rate has recovered; called now and then.
    pub(crate) fn sweep(&self) {
        self.rate.retain_recent();
    }
}

/// The connection's place at the door, given back on drop.
pub(crate) struct Entered {
    pub(crate) connection: Arc<Connection>,
    key: ClientKey,
    room: Arc<Connections>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.room.open.remove(&self.connection.id);
        self.room.give_place_back(self.key);
        if self.room.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.room.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn room(connections: u32) -> Arc<Connections> {
        let many = NonZeroU32::new(1000).unwrap();
        let limits = DoorLimits {
            connections_per_address: connections,
            new_per_second: many,
            burst: many,
        };
        Arc::new(Connections::new(limits))
    }

    fn client(last: u8) -> ClientAddr {
        ClientAddr::from(IpAddr::from([127, 0, 0, last]))
    }

    #[test]
    fn the_connection_over_the_cap_is_refused_until_one_ends() {
        let room = room(2);
        let first = room
            .enter(client(1), Scope::AnyDatabase, false)
            .ok()
            .unwrap();
        let _second = room
            .enter(client(1), Scope::AnyDatabase, false)
            .ok()
            .unwrap();
        let third = room.enter(client(1), Scope::AnyDatabase, false);
        assert!(matches!(third, Err(Crowded::Connections)));
        assert!(
            room.enter(client(2), Scope::AnyDatabase, false).is_ok(),
            "another address"
        );
        assert!(
            room.enter(client(1), Scope::AnyDatabase, true).is_ok(),
            "whitelisted"
        );
        drop(first);
        assert!(room.enter(client(1), Scope::AnyDatabase, false).is_ok());
    }

    #[test]
    fn an_address_that_left_is_forgotten() {
        let room = room(2);
        drop(room.enter(client(1), Scope::AnyDatabase, false));
        assert_eq!((room.count(), room.per_address.len()), (0, 0));
    }
}
