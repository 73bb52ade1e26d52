//! For tests only: real processes, real sockets, and deadlines instead of sleeps.
//!
//! A test starts the shipped binary with [`Gateway`] or [`Process`], puts a [`RecordingUpstream`]
//! behind it, speaks to it as a [`Client`] from an address of 127.0.0.0/8 or with the programs of
//! [`tool`], and waits for what shall happen by [`eventually`]. Threads and blocking sockets: the
//! scaffold shares no runtime, no HTTP parser and no TLS settings with what it tests.
//!
//! Every fault of the scaffold panics where it happens: there is nobody to hand it to.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::missing_panics_doc,
    reason = "for tests only: a fault ends the test where it happens"
)]

mod acme_stub;
mod certificate;
mod client;
mod clock;
pub mod commands;
pub mod document;
mod gateway;
mod in_front;
mod network;
pub mod pebble;
mod process;
pub mod qr;
mod systemd;
pub mod tool;
mod upstream;
mod wire;

use std::{
    net::{IpAddr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU16, Ordering},
    thread,
    time::{Duration, Instant},
};

pub use acme_stub::AcmeStub;
pub use certificate::{Authority, Issued, write_private};
pub use client::{Client, Dial};
pub use clock::Clock;
pub use gateway::Gateway;
pub use in_front::{Database, Hashed, InFront, User};
pub use network::in_own_network;
pub use pebble::Pebble;
pub use process::Process;
pub use systemd::Systemd;
pub use tempfile::{TempDir, tempdir};
pub use upstream::{Exchange, Recorded, RecordingUpstream};
pub use wire::{Message, Reply};

/// Long enough for a loaded machine; a test that meets it has failed.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Asks until the answer is there.
///
/// # Panics
/// When `deadline` has passed; the message names `what`.
#[track_caller]
pub fn eventually<T>(deadline: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + deadline;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "not within {deadline:?}: {what}");
        thread::park_timeout(Duration::from_millis(10));
    }
}

/// A port that nobody listens on, outside the range from which the system takes client ports.
#[must_use]
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let own = u16::try_from(std::process::id() % 997).unwrap() * 20;
    for _ in 0..20_000 {
        let port = 12_000 + (own + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        if TcpListener::bind(("::", port)).is_ok() && TcpListener::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port");
}

/// A binary that lies beside `binary`: the gateway's tests start the backend so.
#[must_use]
pub fn sibling(binary: &str, name: &str) -> PathBuf {
    Path::new(binary).with_file_name(name)
}

/// An address on loopback where clients reach what listens on `address`, be it `[::]:1`.
#[must_use]
pub fn on_loopback(address: SocketAddr) -> SocketAddr {
    let ip = if address.ip().is_unspecified() {
        IpAddr::from([127, 0, 0, 1])
    } else {
        address.ip()
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests;
