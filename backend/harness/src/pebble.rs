//! Pebble, Let's Encrypt's ACME server for tests, as Debian packages it; with its DNS, in which
//! every name is 127.0.0.1.
//!
//! It looks at challenges really, on ports of its own choice, at once; it rejects some nonces and
//! reuses some authorizations, as it does by default.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::json;

use crate::{Authority, DEADLINE, Process, free_port};

/// A running Pebble; dropping it ends it.
pub struct Pebble {
    folder: PathBuf,
    authority: Authority,
    port: u16,
    /// Where it expects the answer to an HTTP-01 challenge.
    pub http: u16,
    /// Where it expects the answer to a TLS-ALPN-01 challenge.
    pub tls: u16,
    _dns: Process,
    dns_port: u16,
    server: Process,
}

/// How it is to be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wished<'a> {
    /// Of its certificates.
    pub life_seconds: Option<u32>,
    /// Percent of good nonces that it refuses.
    pub bad_nonces: Option<u8>,
    pub environment: &'a [(&'a str, &'a str)],
}

impl Pebble {
    /// Starts it with its files in `folder`.
    #[track_caller]
    pub fn start(folder: &Path, wished: Wished<'_>) -> Self {
        let folder = folder.join("pebble");
        fs::create_dir_all(&folder).unwrap();
        let authority = Authority::new(&folder);
        let issued = authority.issue("server", &["localhost", "127.0.0.1"]);
        let [port, http, tls, dns_port, dns_management] = [(); 5].map(|()| free_port());
        let config = json!({"pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": "",
            "certificate": issued.chain,
            "privateKey": issued.key,
            "httpPort": http,
            "tlsPort": tls,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
            "certificateValidityPeriod": wished.life_seconds.unwrap_or_default(),
        }});
        fs::write(folder.join("config.json"), config.to_string()).unwrap();
        let dns = Self::start_dns(&folder, dns_port, dns_management);
        let server = Self::start_server(&folder, dns_port, wished);
        Self {
            folder,
            authority,
            port,
            http,
            tls,
            _dns: dns,
            dns_port,
            server,
        }
    }

    fn start_dns(folder: &Path, port: u16, management: u16) -> Process {
        let arguments = [
            "-dns01",
            &format!("127.0.0.1:{port}"),
            "-management",
            &format!("127.0.0.1:{management}"),
            "-defaultIPv6",
            "",
            "-http01",
            "",
            "-https01",
            "",
            "-tlsalpn01",
            "",
        ];
        let dns = Process::start("pebble-challtestsrv", arguments, folder);
        dns.stdout_line(DEADLINE, |line| line.contains("Starting management server"));
        dns
    }

    fn start_server(folder: &Path, dns: u16, wished: Wished<'_>) -> Process {
        let mut command = Command::new("pebble");
        command
            .args(["-strict", "-config", "config.json", "-dnsserver"])
            .arg(format!("127.0.0.1:{dns}"))
            .env("PEBBLE_VA_NOSLEEP", "1")
            .envs(wished.environment.iter().copied())
            .current_dir(folder);
        if let Some(percent) = wished.bad_nonces {
            command.env("PEBBLE_WFE_NONCEREJECT", percent.to_string());
        }
        let server = Process::spawn(command);
        server.stdout_line(DEADLINE, |line| line.contains("Listening on"));
        server
    }

    /// The directory's URL.
    #[must_use]
    pub fn directory(&self) -> String {
        format!("https://localhost:{}/dir", self.port)
    }

    /// PEM file of the root behind its own HTTPS.
    #[must_use]
    pub fn authority(&self) -> &Path {
        self.authority.file()
    }

    /// What it has said so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.stdout()
    }

    /// Ends it, and comes back as one that has never heard of us.
    #[track_caller]
    pub fn restart(&mut self, wished: Wished<'_>) {
        self.stop();
        self.server = Self::start_server(&self.folder, self.dns_port, wished);
    }

    /// Ends it, as a server that is away.
    pub fn stop(&mut self) {
        self.server.kill9();
    }
}
