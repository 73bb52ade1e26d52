//! Plays systemd to one service: hears what it says, keeps its descriptors, and hands them to the
//! next process that it starts.

use std::{
    ffi::OsStr,
    io::IoSliceMut,
    mem::MaybeUninit,
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    path::Path,
    process::Command,
    sync::{Arc, Condvar, Mutex},
    thread,
};

use command_fds::{CommandFdExt, FdMapping};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tempfile::TempDir;

use crate::{DEADLINE, process::Process};

/// The service manager of one service.
pub struct Systemd {
    folder: TempDir,
    heard: Arc<Heard>,
}

#[derive(Default)]
struct Heard {
    told: Mutex<Told>,
    more: Condvar,
}

#[derive(Default)]
struct Told {
    lines: Vec<String>,
    store: Vec<(String, OwnedFd)>,
}

impl Systemd {
    /// Listens on a notification socket of its own, as long as the process lives.
    #[must_use]
    #[track_caller]
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        let heard = Arc::new(Heard::default());
        let hears = Arc::clone(&heard);
        thread::spawn(move || {
            while let Some((text, descriptors)) = receive(&socket) {
                let mut told = hears.told.lock().unwrap();
                told.take(&text, descriptors);
                hears.more.notify_all();
            }
        });
        Self { folder, heard }
    }

    /// Starts the service with what is in the store, and with a watchdog of three seconds.
    #[must_use]
    #[track_caller]
    pub fn spawn<A: AsRef<OsStr>>(
        &self,
        binary: impl AsRef<OsStr>,
        arguments: impl IntoIterator<Item = A>,
        folder: &Path,
    ) -> Process {
        // Only the process itself knows its id in time.
        let mut command = Command::new("sh");
        command
            .args(["-c", "export LISTEN_PID=$$; exec \"$0\" \"$@\""])
            .arg(binary)
            .args(arguments)
            .current_dir(folder)
            .env("LANG", "C")
            .env("NOTIFY_SOCKET", self.folder.path().join("notify"))
            .env("WATCHDOG_USEC", "3000000");
        let told = self.heard.told.lock().unwrap();
        let names: Vec<&str> = told.store.iter().map(|(name, _)| name.as_str()).collect();
        if !names.is_empty() {
            command
                .env("LISTEN_FDS", names.len().to_string())
                .env("LISTEN_FDNAMES", names.join(":"));
        }
        let mappings = (3..)
            .zip(&told.store)
            .map(|(child_fd, (_, kept))| FdMapping {
                parent_fd: kept.try_clone().unwrap(),
                child_fd,
            });
        command.fd_mappings(mappings.collect()).unwrap();
        Process::spawn(command)
    }

    /// Waits until the service has said this line so many times since it was started or
    /// [`Self::forget`] was called.
    #[track_caller]
    pub fn wait_for(&self, line: &str, times: usize) {
        let told = self.heard.told.lock().unwrap();
        let said = |told: &Told| told.lines.iter().filter(|said| *said == line).count();
        let waited = self
            .heard
            .more
            .wait_timeout_while(told, DEADLINE, |told| said(told) < times);
        let (told, timeout) = waited.unwrap();
        assert!(
            !timeout.timed_out(),
            "{line} was not said: {:?}",
            told.lines
        );
    }

    /// Every line since then.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.heard.told.lock().unwrap().lines.clone()
    }

    pub fn forget(&self) {
        self.heard.told.lock().unwrap().lines.clear();
    }

    /// Names in the store, sorted.
    #[must_use]
    pub fn stored(&self) -> Vec<String> {
        let told = self.heard.told.lock().unwrap();
        let mut names: Vec<_> = told.store.iter().map(|(name, _)| name.clone()).collect();
        names.sort();
        names
    }

    /// As on a `stop`, or where `FileDescriptorStoreMax` is 0.
    pub fn empty_store(&self) {
        self.heard.told.lock().unwrap().store.clear();
    }
}

impl Told {
    fn take(&mut self, text: &str, descriptors: Vec<OwnedFd>) {
        let said = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        let name = said("FDNAME=").unwrap_or("stored");
        if said("FDSTORE=") == Some("1") {
            let named = descriptors.into_iter().map(|kept| (name.to_owned(), kept));
            self.store.extend(named);
        }
        if said("FDSTOREREMOVE=") == Some("1") {
            self.store.retain(|(kept, _)| kept != name);
        }
        self.lines.extend(text.lines().map(str::to_owned));
    }
}

fn receive(socket: &UnixDatagram) -> Option<(String, Vec<OwnedFd>)> {
    let mut bytes = [0; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let received = recvmsg(socket, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC).ok()?;
    let descriptors = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let descriptors = descriptors.flatten().collect();
    let text = String::from_utf8_lossy(&bytes[..received.bytes]).into_owned();
    Some((text, descriptors))
}
