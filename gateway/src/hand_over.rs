//! Listening sockets outlive the process: the next one finds them open, by name.
//!
//! From the moment a port is bound, systemd's descriptor store has a copy of its socket. Whatever
//! ends this process, clients that come before the next one serves wait in the kernel's queue and
//! are refused by nobody. Without systemd, [`exec`] hands the sockets to the program that takes
//! this process over, by the same protocol (`LISTEN_FDS`, sd_listen_fds(3)).
//!
//! Two gateways never serve at once: sessions and documents have one writer. Which ports are
//! wanted is not decided here.

use std::{
    collections::HashMap,
    io,
    net::{Shutdown, TcpListener},
    os::{
        fd::{AsFd, RawFd},
        unix::process::CommandExt,
    },
    process::Command,
};

use command_fds::{CommandFdExt, FdMapping};
use listenfd::ListenFd;
use sd_notify::NotifyState;
use socket2::SockRef;

/// Where the descriptors that are handed over begin.
const FIRST: RawFd = 3;

/// What the process before has left open, by the name that it gave.
#[derive(Debug, Default)]
pub(crate) struct Inherited(HashMap<String, TcpListener>);

impl Inherited {
    /// From the environment, which is cleared of them: to be called before any thread runs.
    pub(crate) fn take() -> Self {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut passed = ListenFd::from_env();
        let mut sockets = HashMap::new();
        for index in 0..passed.len() {
            let name = names.next().unwrap_or_default().to_owned();
            // What is no TCP socket is none of ours.
            if let Ok(Some(socket)) = passed.take_tcp_listener(index)
                && let Some(earlier) = sockets.insert(name, socket)
            {
                close_everywhere(&earlier);
            }
        }
        Self(sockets)
    }

    pub(crate) fn adopt(&mut self, name: &str) -> Option<TcpListener> {
        self.0.remove(name)
    }

    /// Closes what nobody wants any more: a port that is open and not served is worse than none.
    pub(crate) fn keep_only(&mut self, wanted: impl Fn(&str) -> bool) {
        for (name, socket) in self.0.extract_if(|name, _| !wanted(name)) {
            tracing::info!(name, "a port of the process before is closed");
            give_up(&name, &socket);
        }
    }
}

/// Lets the next process have `socket` under `name`, however this one ends.
pub(crate) fn keep(name: &str, socket: &TcpListener) {
    let kept = [NotifyState::FdStore, NotifyState::FdName(name)];
    if let Err(fault) = sd_notify::notify_with_fds(&kept, &[socket.as_fd()]) {
        tracing::warn!(name, %fault, "a restart will close this port for a moment");
    }
}

/// Closes the port for good: no process shall find it.
pub(crate) fn give_up(name: &str, socket: &TcpListener) {
    let gone = [NotifyState::FdStoreRemove, NotifyState::FdName(name)];
    if let Err(fault) = sd_notify::notify(&gone) {
        tracing::warn!(name, %fault, "systemd was not told that a port is closed");
    }
    close_everywhere(socket);
}

/// A copy stays with systemd until it has read what it was told; the port is free at once all the
/// same, for another database may want it now.
fn close_everywhere(socket: &TcpListener) {
    if let Err(fault) = SockRef::from(socket).shutdown(Shutdown::Both) {
        tracing::warn!(%fault, "a port stays busy until systemd lets go of it");
    }
}

/// Starts the program anew in this process, with the same arguments; returns only if that fails.
/// Whatever is to be closed properly is closed before.
pub(crate) fn exec(sockets: Vec<(String, TcpListener)>) -> io::Error {
    let mut arguments = std::env::args_os();
    let Some(program) = arguments.next() else {
        return io::ErrorKind::NotFound.into();
    };
    let (names, sockets): (Vec<_>, Vec<_>) = sockets.into_iter().unzip();
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("LISTEN_PID", std::process::id().to_string())
        .env("LISTEN_FDS", sockets.len().to_string())
        .env("LISTEN_FDNAMES", names.join(":"));
    let mappings = (FIRST..).zip(sockets).map(|(child_fd, socket)| FdMapping {
        parent_fd: socket.into(),
        child_fd,
    });
    match command.fd_mappings(mappings.collect()) {
        Ok(command) => command.exec(),
        Err(fault) => io::Error::other(fault),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn a_port_given_up_is_free_although_a_copy_of_its_socket_lives() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, copy) = (socket.local_addr().unwrap(), socket.try_clone().unwrap());
        assert!(TcpListener::bind(address).is_err(), "busy while it is open");
        give_up("data-a@0", &socket);
        drop(socket);
        assert!(TcpStream::connect(address).is_err());
        assert!(TcpListener::bind(address).is_ok());
        drop(copy);
    }

    #[test]
    fn what_is_wanted_is_adopted_and_the_rest_is_closed() {
        let [first, second] = [(), ()].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [one, other] = [&first, &second].map(|socket| socket.local_addr().unwrap());
        let sockets = [("data-a@0", first), ("data-b@0", second)];
        let mut inherited = Inherited(
            sockets
                .map(|(name, socket)| (name.to_owned(), socket))
                .into(),
        );
        inherited.keep_only(|name| name == "data-a@0");
        assert!(TcpStream::connect(one).is_ok());
        assert!(TcpStream::connect(other).is_err());
        assert_eq!(
            inherited.adopt("data-a@0").unwrap().local_addr().unwrap(),
            one
        );
        assert!(inherited.adopt("data-b@0").is_none());
    }
}
