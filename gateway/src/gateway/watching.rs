//! The watchdog's rounds: which public ports there are, when they are dialled, when an alarm sounds.

use std::{path::PathBuf, sync::Arc, time::Duration};

use backend_types::Mode;
use gateway_certificates::{Roots, alarm::Told, authority::Authority, validity};
use gateway_policy::ports::Holder;
use openssl::x509::X509;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::world::World;
use crate::{
    certificates::Choice,
    files,
    watchdog::{self, Port},
};

/// How soon a changed port or certificate is noticed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Every port, changed or not; and the alarms.
const ROUND_EVERY: Duration = Duration::from_hours(1);

/// When a round was made, by both clocks: certificates end by the one that may jump, and after a
/// sleep of the machine it has.
#[derive(Clone, Copy)]
struct Round {
    at: Instant,
    /// Unix seconds.
    by_the_wall: i64,
}

impl Round {
    fn now() -> Self {
        Self {
            at: Instant::now(),
            by_the_wall: validity::now(),
        }
    }

    fn is_over(self) -> bool {
        let by_the_wall = validity::now().abs_diff(self.by_the_wall);
        self.at.elapsed() >= ROUND_EVERY || by_the_wall >= ROUND_EVERY.as_secs()
    }
}

impl World {
    /// Every public port with https that has a certificate, usable or not.
    pub(crate) fn public_ports(&self) -> Vec<Port> {
        let mut ports = Vec::new();
        let mut port = |holder: Holder, choice: &Choice, tls| {
            let Ok(in_use) = choice.served() else { return };
            let state = self.listeners.state(&holder).unwrap_or_default();
            ports.push(Port {
                address: state.address.filter(|_| state.fault.is_none()),
                in_use,
                tls,
                holder,
            });
        };
        if let (Some(server), Some(certificates)) = (self.server_in_force(), self.certificates())
            && server.https
        {
            port(Holder::Server, &certificates.server, self.server_tls());
        }
        let directory = self.shared.directory.load();
        for database in directory.databases() {
            if database.mode == Mode::Server && database.https {
                let (id, choice) = (&database.id, &database.certificate);
                port(Holder::Data(id.clone()), choice, database.tls);
                if database.print.is_some() {
                    port(Holder::Print(id.clone()), choice, database.tls);
                }
            }
        }
        ports
    }

    pub(super) async fn watch(self: Arc<Self>) {
        let mut told = self.read_told().await;
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut round: Option<Round> = None;
        loop {
            look.tick().await;
            let hour_over = round.is_none_or(Round::is_over);
            if hour_over {
                round = Some(Round::now());
            }
            let looked = self.look_at_ports(hour_over).await;
            if hour_over || looked {
                watchdog::sound_alarms(&self.public_ports(), &mut told, validity::now());
                self.keep_told(&told).await;
            }
        }
    }

    /// Every port once more; returns when all were dialled.
    pub(crate) async fn watch_now(&self) {
        self.look_at_ports(true).await;
    }

    /// Those that have changed, or `all`. Whether there were any.
    async fn look_at_ports(&self, all: bool) -> bool {
        let watchdog = &self.shared.watchdog;
        let stale = watchdog.stale(&self.public_ports(), all);
        if stale.is_empty() {
            return false;
        }
        let authority = Authority::of(&self.data_folder());
        // A file of a hundred and fifty authorities: not for a thread that others wait on.
        let known = tokio::task::spawn_blocking(move || {
            let own = authority.root().ok().flatten();
            let own: Vec<X509> = own.into_iter().map(|root| root.certificate).collect();
            (Roots::of_this_machine(), own)
        });
        let (roots, own) = known.await.unwrap_or_default();
        for port in &stale {
            watchdog.look_at(port, &roots, &own).await;
        }
        true
    }

    fn told_file(&self) -> PathBuf {
        self.data_folder().join("cache").join("alarms.json")
    }

    async fn read_told(&self) -> Told {
        let file = self.told_file();
        let read = tokio::task::spawn_blocking(move || std::fs::read(file).ok()).await;
        let read = read.ok().flatten();
        // Lost, it is told once more.
        let told = read.and_then(|bytes| serde_json::from_slice::<Told>(&bytes).ok());
        told.unwrap_or_default().since(validity::now())
    }

    async fn keep_told(&self, told: &Told) {
        let (file, bytes) = (self.told_file(), serde_json::to_vec(told));
        let kept = tokio::task::spawn_blocking(move || {
            let bytes = bytes.map_err(std::io::Error::other)?;
            if std::fs::read(&file).is_ok_and(|before| before == bytes) {
                return Ok(());
            }
            files::replace(&file, 0o600, &bytes)
        });
        match kept.await {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => tracing::warn!(%fault, "alarms are told again after a restart"),
            Err(fault) => tracing::error!(%fault, "alarms are told again after a restart"),
        }
    }
}
