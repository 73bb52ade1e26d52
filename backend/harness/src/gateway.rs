//! A running gateway with its files, and the questions that a test asks it.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

use serde_json::Value;

use crate::{
    client::Dial,
    clock::{self, Clock},
    on_loopback,
    process::Process,
    tool::{self, Outcome},
};

/// The gateway binary, started with a file of its own; dropping it kills it.
pub struct Gateway {
    binary: String,
    config: PathBuf,
    data: PathBuf,
    /// What it said when it was ready.
    pub ready: Value,
    pub process: Process,
}

impl Gateway {
    /// Writes `yaml` to `gateway.yaml` in `folder`, which exists, and waits for the ready line.
    /// The data folder is what the file names; `data` says it again for the commands.
    #[must_use]
    #[track_caller]
    pub fn start(binary: &str, folder: &Path, data: &Path, yaml: &str) -> Self {
        let config = folder.join("gateway.yaml");
        replace(&config, yaml);
        Self::start_from(binary, &config, data)
    }

    /// From a file that is there already: a second start.
    #[must_use]
    #[track_caller]
    pub fn start_from(binary: &str, config: &Path, data: &Path) -> Self {
        let process = Self::spawn(binary, config, data);
        let ready = process.ready();
        Self {
            binary: binary.to_owned(),
            config: config.to_owned(),
            data: data.to_owned(),
            ready,
            process,
        }
    }

    /// As [`Self::start_from`], with the wall clock `ahead` of the real one: `+25h`. To be
    /// terminated: a killed one leaves faketime's shared memory behind.
    #[must_use]
    #[track_caller]
    pub fn start_ahead(binary: &str, config: &Path, data: &Path, ahead: &str) -> Self {
        Self::start_timed(binary, config, data, |command| clock::ahead(command, ahead))
    }

    /// The same by a clock that the test turns.
    #[must_use]
    #[track_caller]
    pub fn start_by(binary: &str, config: &Path, data: &Path, clock: &Clock) -> Self {
        Self::start_timed(binary, config, data, |command| {
            command.envs(clock.environment());
        })
    }

    /// On a machine that knows these roots and no others.
    #[must_use]
    #[track_caller]
    pub fn start_knowing(binary: &str, config: &Path, data: &Path, roots: &Path) -> Self {
        Self::start_timed(binary, config, data, |command| {
            command.env("SSL_CERT_FILE", roots);
        })
    }

    #[track_caller]
    fn start_timed(
        binary: &str,
        config: &Path,
        data: &Path,
        time: impl FnOnce(&mut Command),
    ) -> Self {
        let mut command = Command::new(binary);
        command
            .args(["run", "--config"])
            .arg(config)
            .arg("--data")
            .arg(data)
            .env("LANG", "C");
        time(&mut command);
        let process = Process::spawn(command);
        let ready = process.ready();
        Self {
            binary: binary.to_owned(),
            config: config.to_owned(),
            data: data.to_owned(),
            ready,
            process,
        }
    }

    /// The process alone, when it is not expected to become ready.
    #[must_use]
    #[track_caller]
    pub fn spawn(binary: &str, config: &Path, data: &Path) -> Process {
        let (config_text, data) = (config.to_str().unwrap(), data.to_str().unwrap());
        let folder = config.parent().unwrap();
        Process::start(
            binary,
            ["run", "--config", config_text, "--data", data],
            folder,
        )
    }

    /// Where the database listens, on loopback; by id.
    ///
    /// # Panics
    /// When the ready line names no address for it.
    #[must_use]
    #[track_caller]
    pub fn address(&self, id: &str) -> SocketAddr {
        let found = self.ready["databases"]
            .as_array()
            .and_then(|databases| databases.iter().find(|database| database["id"] == id))
            .and_then(|database| database["address"].as_str())
            .and_then(|address| address.parse().ok());
        on_loopback(found.unwrap_or_else(|| panic!("no address of {id} in {}", self.ready)))
    }

    /// The server port's address, on loopback.
    #[must_use]
    #[track_caller]
    pub fn server_address(&self) -> SocketAddr {
        let found = self.ready["server"]
            .as_str()
            .and_then(|address| address.parse().ok());
        on_loopback(found.unwrap_or_else(|| panic!("no server in {}", self.ready)))
    }

    /// Where metrics and health are.
    #[must_use]
    #[track_caller]
    pub fn metrics_address(&self) -> SocketAddr {
        let found = self.ready["metrics"]
            .as_str()
            .and_then(|address| address.parse().ok());
        on_loopback(found.unwrap_or_else(|| panic!("no metrics in {}", self.ready)))
    }

    /// Plain HTTP to a database.
    #[must_use]
    #[track_caller]
    pub fn dial(&self, id: &str) -> Dial {
        Dial::plain(self.address(id))
    }

    /// Plain HTTP to a database's print server port.
    ///
    /// # Panics
    /// When the ready line names no address for it.
    #[must_use]
    #[track_caller]
    pub fn print_dial(&self, id: &str) -> Dial {
        let databases = self.ready["databases"].as_array().into_iter().flatten();
        let print = databases
            .filter(|database| database["id"] == id)
            .find_map(|database| database["print"].as_str()?.parse().ok());
        let address = print.unwrap_or_else(|| panic!("no print port of {id} in {}", self.ready));
        Dial::plain(on_loopback(address))
    }

    /// Its data folder.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Its file.
    #[must_use]
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Replaces the file by rename and leaves the rest to the gateway's watch.
    pub fn write_config(&self, yaml: &str) {
        replace(&self.config, yaml);
    }

    /// Runs another command of the binary on the same data folder.
    #[must_use]
    #[track_caller]
    pub fn command(&self, arguments: &[&str]) -> Outcome {
        self.command_with(arguments, "")
    }

    /// The same, with something to read.
    #[must_use]
    #[track_caller]
    pub fn command_with(&self, arguments: &[&str], stdin: &str) -> Outcome {
        let data = ["--data", self.data.to_str().unwrap()];
        tool::run(&self.binary, arguments.iter().copied().chain(data), stdin)
    }

    /// `gateway status --json`, in English.
    #[must_use]
    #[track_caller]
    pub fn status(&self) -> Value {
        let english = ["LC_ALL=en_US.UTF-8", &self.binary, "status", "--json"];
        let data = ["--data", self.data.to_str().unwrap()];
        let outcome = tool::run("env", english.into_iter().chain(data), "");
        serde_json::from_str(&outcome.stdout).unwrap_or_else(|fault| panic!("{fault}: {outcome:?}"))
    }

    /// Its log so far; the file of a test sends it to standard error.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.stderr()
    }

    /// SIGTERM, then its exit.
    #[track_caller]
    pub fn terminate(&mut self) -> ExitStatus {
        self.process.terminate()
    }

    /// Kills it and starts it again from the same file and data.
    #[must_use]
    #[track_caller]
    pub fn killed_and_started_again(mut self) -> Self {
        self.process.kill9();
        Self::start_from(&self.binary, &self.config, &self.data)
    }
}

/// An editor that writes aside and renames: no reader sees half a file.
fn replace(file: &Path, text: &str) {
    let fresh = file.with_extension("new");
    fs::write(&fresh, text).unwrap();
    fs::rename(fresh, file).unwrap();
}
