//! What is watched while the gateway runs: the file, the backend's feed, lists and certificates,
//! the names of upstreams, and what every second asks for.
//!
//! Nothing is brought into force here: what has changed is handed to [`World`], which checks it
//! whole. None of these loops may end while the gateway runs, whatever it meets.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use gateway_certificates::validity;
use tokio::{
    signal::unix::Signal,
    time::{Instant, MissedTickBehavior, interval},
};

use super::world::{ChangeError, World, resolve_all};
use crate::{account::Account, backend_client::Wait, certificates, lists, systemd};

/// How soon a busy port is tried again, and windows are written to disk.
const EVERY_SECOND: Duration = Duration::from_secs(1);
/// How soon old ticket keys, and a certificate's end, are noticed.
const APPLY_EVERY: Duration = Duration::from_secs(60);
/// Connections of a worker share its thread; none may hold it that long.
const WORKER_ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// How soon a changed configuration file is noticed.
const LOOK_AT_CONFIG_EVERY: Duration = Duration::from_millis(300);
/// How soon a backend that is away is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// In seconds.
const SWEEP_SESSIONS_EVERY: u64 = 600;
const RESOLVE_EVERY: Duration = Duration::from_secs(30);

/// What tells one state of the configuration file from another.
pub(crate) type Stamp = Option<(u64, u64, i64, i64)>;

impl World {
    /// SIGHUP, the file itself, or the password file of a service account: checked whole; faulty,
    /// the old one stays.
    pub(super) async fn follow_config(self: Arc<Self>, seen: Stamp, mut hang_up: Signal) {
        let mut look = interval(LOOK_AT_CONFIG_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen = (seen, Vec::new());
        let mut changing = None;
        loop {
            tokio::select! {
                _ = hang_up.recv() => {}
                _ = look.tick() => {
                    let now = (stamp(&self.config_file), self.moved_passwords());
                    // A password that is back where it was read is no change.
                    if now.0 == seen.0 && (now.1.is_empty() || now.1 == seen.1) {
                        continue;
                    }
                    // Read it when it has rested for one look: editors write in pieces.
                    if changing.as_ref() != Some(&now) {
                        changing = Some(now);
                        continue;
                    }
                }
            }
            seen = (stamp(&self.config_file), self.moved_passwords());
            changing = None;
            systemd::reloading();
            // What is wrong stands in the log and in the status by now.
            drop(self.reload().await);
            systemd::ready(&self.standing());
        }
    }

    fn moved_passwords(&self) -> Vec<(PathBuf, Stamp)> {
        let directory = self.shared.directory.load();
        let accounts = directory.databases().iter().map(|one| &one.account);
        accounts.filter_map(Account::moved).collect()
    }

    /// The backend's directory by revision; while it is away, what it said last stays.
    pub(super) async fn follow_backend(self: Arc<Self>) {
        let Some(backend) = self.backend.clone() else {
            return;
        };
        let mut revision = self.offered().map_or(0, |feed| feed.revision);
        let mut away = false;
        loop {
            // One that was away is asked without waiting, so that `status` knows at once, and for
            // whatever it has: it may have been put back from a copy, to a lower revision.
            let (after, wait) = if away {
                (0, Wait::No)
            } else {
                (revision, Wait::ForChange)
            };
            let before = self.offered();
            match backend.directory(after, wait, before.as_deref()).await {
                Ok(Some(feed)) => {
                    if away {
                        self.forget_offered();
                    }
                    revision = feed.revision;
                    self.take_feed(feed).await;
                    away = false;
                }
                Ok(None) => {
                    if away {
                        away = false;
                        self.backend_told(|state| state.fault = None);
                    }
                }
                // The embedded backend stops with the gateway.
                Err(_) if *self.shared.stop.borrow() => return,
                Err(fault) => {
                    if !away {
                        away = true;
                        tracing::error!(%fault, "the backend is away; its last directory stays in force");
                    }
                    let language = self.shared.language();
                    self.backend_told(|state| state.fault = Some(fault.words(language)));
                    tokio::time::sleep(ASK_AGAIN).await;
                }
            }
        }
    }

    pub(super) async fn follow_lists(self: Arc<Self>) {
        let mut look = interval(lists::LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            look.tick().await;
            let (lists, now) = (Arc::clone(&self.lists), self.shared.now());
            match tokio::task::spawn_blocking(move || lists.look(now)).await {
                Ok(true) => self.shared.reconsider_connections(),
                Ok(false) => {}
                Err(fault) => tracing::error!(%fault, "the list files were not looked at"),
            }
        }
    }

    pub(super) async fn follow_certificates(self: Arc<Self>) {
        let mut look = interval(certificates::LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            look.tick().await;
            let shelf = Arc::clone(&self.shelf);
            match tokio::task::spawn_blocking(move || shelf.look()).await {
                Ok(true) => {
                    if let Err(fault) = self.apply_again().await {
                        tracing::error!(%fault, "a changed certificate is not in force");
                    }
                }
                Ok(false) => {}
                Err(fault) => tracing::error!(%fault, "the certificates were not looked at"),
            }
        }
    }

    pub(super) async fn every_second(self: Arc<Self>) {
        // Said from here and not from a task of its own, so that it also vouches for this loop.
        let mut vouching = Vouching::new(systemd::watchdog(), Instant::now());
        let (mut ticks, mut applied) = (0_u64, Instant::now());
        let mut looked = validity::now();
        let mut tick = interval(EVERY_SECOND);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.shared.connections.sweep();
            self.shared.tell_suppressed(false);
            let now = validity::now();
            if self.shared.trust.load().has_ended_since(looked, now) {
                self.shared.reconsider_connections();
            }
            looked = now;
            ticks += 1;
            let now = Instant::now();
            if vouching.is_due(now) {
                if self.listeners.workers_answer(WORKER_ANSWERS_WITHIN).await {
                    systemd::alive();
                    vouching.last = now;
                } else {
                    tracing::error!("a worker hangs: systemd is not told that we live");
                }
            }
            if ticks.is_multiple_of(SWEEP_SESSIONS_EVERY)
                && let Err(fault) = self.shared.logins.sweep_sessions(self.shared.now()).await
            {
                tracing::error!(%fault, "ended sessions stay on disk");
            }
            if let Err(fault) = self.shared.logins.save_windows(self.shared.now()).await {
                tracing::error!(%fault, "throttle windows are not on disk");
            }
            if self.listeners.any_closed() || now.duration_since(applied) >= APPLY_EVERY {
                applied = now;
                if let Err(fault) = self.apply_again().await {
                    tracing::error!(%fault, "a closed port cannot be tried again");
                }
            }
        }
    }

    /// The directory in force on the ports once more.
    pub(super) async fn apply_again(&self) -> Result<(), ChangeError> {
        let _one_change = self.changing.lock().await;
        self.apply_in_force().await
    }

    pub(super) async fn resolve_names(self: Arc<Self>) {
        let mut tick = interval(RESOLVE_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            resolve_all(&self.shared.directory.load_full(), false).await;
        }
    }
}

/// When systemd is to hear of us again: by the clock and not by rounds of a loop, which take longer
/// where many clients fail to log in or the disk is slow. Who could not be vouched for is asked
/// again in the next round.
struct Vouching {
    every: Option<Duration>,
    last: Instant,
}

impl Vouching {
    fn new(limit: Option<Duration>, now: Instant) -> Self {
        Self {
            every: limit.map(|limit| limit / 3),
            last: now,
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        self.every
            .is_some_and(|every| now.duration_since(self.last) >= every)
    }
}

/// The file's present [`Stamp`].
pub(crate) fn stamp(file: &Path) -> Stamp {
    use std::os::unix::fs::MetadataExt;
    let file = std::fs::metadata(file).ok()?;
    Some((file.size(), file.ino(), file.ctime(), file.ctime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_that_take_long_do_not_make_systemd_think_us_dead() {
        let (limit, start) = (Duration::from_secs(30), Instant::now());
        for round in [1, 4, 9, 15].map(Duration::from_secs) {
            let mut vouching = Vouching::new(Some(limit), start);
            let mut now = start;
            while now < start + 20 * limit {
                now += round;
                if vouching.is_due(now) {
                    vouching.last = now;
                }
                assert!(
                    now.duration_since(vouching.last) + round < limit,
                    "{round:?}"
                );
            }
        }
        let unwatched = Vouching::new(None, start);
        assert!(!unwatched.is_due(start + 20 * limit));
    }
}
