//! The backend of its own as a systemd service: told when it is ready, lives and stops; its
//! listening socket lives on in the descriptor store, so that a restart refuses no gateway.
//!
//! Without systemd nothing here does anything. The embedded backend never comes here: its process
//! is the gateway's.

use std::{net::TcpListener, os::fd::AsFd, time::Duration};

use listenfd::ListenFd;
use sd_notify::NotifyState;

/// What the process before has left open. To be called before any thread runs: it takes the
/// variables that say so out of the environment.
#[must_use]
pub fn inherited() -> Option<TcpListener> {
    ListenFd::from_env().take_tcp_listener(0).ok().flatten()
}

/// How often systemd wants to hear that the service lives, when it does.
#[must_use]
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

pub fn ready(address: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(address)]);
}

pub fn alive() {
    tell(&[NotifyState::Watchdog]);
}

pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// The one address that there is, so the name says nothing more.
pub(crate) fn keep(socket: &TcpListener) {
    let kept = [NotifyState::FdStore, NotifyState::FdName("backend")];
    if let Err(fault) = sd_notify::notify_with_fds(&kept, &[socket.as_fd()]) {
        tracing::warn!(error = %fault, "a restart will refuse connections for a moment");
    }
}

/// The address is another one now: nobody shall find the old socket.
pub(crate) fn give_up(socket: &TcpListener) {
    tell(&[NotifyState::FdStoreRemove, NotifyState::FdName("backend")]);
    // systemd's copy may live a little longer; the port is closed at once.
    let closed = socket2::SockRef::from(socket).shutdown(std::net::Shutdown::Both);
    if let Err(fault) = closed {
        tracing::warn!(error = %fault, "the socket of the process before is still open");
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(fault) = sd_notify::notify(states) {
        tracing::warn!(error = %fault, "systemd was not told");
    }
}
