//! What the service manager is told: ready, reloading, stopping, alive, and one line for people.
//!
//! Nothing here knows whether that is true; without systemd every call does nothing. The variable
//! that names its socket stays set: the gateway starts no other program that could read it.

use std::time::Duration;

use sd_notify::NotifyState;

/// How often systemd wants to hear that we live, when it does.
pub(crate) fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

/// Ports are open, or a reload has ended; `standing` is shown by `systemctl status`.
pub(crate) fn ready(standing: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(standing)]);
}

/// To be followed by [`ready`], whatever came of the reload.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        // Without the time systemd would wait in vain for the end of a reload.
        Err(fault) => tracing::warn!(%fault, "systemd is not told of the reload"),
    }
}

pub(crate) fn standing(standing: &str) {
    tell(&[NotifyState::Status(standing)]);
}

pub(crate) fn stopping(standing: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(standing)]);
}

/// Not said by who cannot vouch for every worker: `Listeners::workers_answer`.
pub(crate) fn alive() {
    tell(&[NotifyState::Watchdog]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(fault) = sd_notify::notify(states) {
        tracing::warn!(%fault, "systemd was not told");
    }
}
