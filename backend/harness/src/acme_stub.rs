//! A small ACME server of our own, for what Pebble lacks: profiles and rate limits. See the script.

use std::{fs, path::Path};

use crate::{Authority, DEADLINE, Process};

const SCRIPT: &str = include_str!("acme_stub.py");

/// A running stub; dropping it ends it.
pub struct AcmeStub {
    authority: Authority,
    port: String,
    process: Process,
}

impl AcmeStub {
    /// Starts it with its files in `folder`.
    #[track_caller]
    pub fn start(folder: &Path) -> Self {
        let folder = folder.join("stub");
        fs::create_dir_all(&folder).unwrap();
        let script = folder.join("acme_stub.py");
        fs::write(&script, SCRIPT).unwrap();
        let authority = Authority::new(&folder);
        let own = authority.issue("server", &["localhost"]);
        let files = [&script, &own.chain, &own.key];
        let (root, root_key) = (authority.file().to_owned(), authority.key_file());
        let arguments = files.into_iter().chain([&root, &root_key]);
        let process = Process::start("/usr/bin/python3", arguments, &folder);
        let ready = process.stdout_line(DEADLINE, |line| line.starts_with("ready "));
        let port = ready.trim_start_matches("ready ").trim().to_owned();
        Self {
            authority,
            port,
            process,
        }
    }

    /// The directory's URL.
    #[must_use]
    pub fn directory(&self) -> String {
        format!("https://localhost:{}/dir", self.port)
    }

    /// PEM file of its root.
    #[must_use]
    pub fn authority(&self) -> &Path {
        self.authority.file()
    }

    /// The profiles that were ordered; `-` where none was asked for.
    #[must_use]
    pub fn ordered(&self) -> Vec<String> {
        let said = self.process.stdout();
        let orders = said.lines().filter_map(|line| line.strip_prefix("order "));
        orders.map(str::to_owned).collect()
    }
}
