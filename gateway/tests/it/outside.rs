//! Programs that others wrote, against the gateway's TLS: clients, scanners, a clock that runs
//! ahead. What they share: a shop with a document, behind a certificate of a known root.

mod clients;
mod clock;
mod java;
mod oldest;
mod scanners;
mod terminal;

use std::{
    fs,
    path::{Path, PathBuf},
};

use harness::{Authority, Clock, Dial, Gateway, TempDir, tempdir};
use serde_json::json;

use crate::house::{GATEWAY, bearer, log_in};

/// The names of the certificate; 127.0.0.2 is none of them.
const HOSTS: &[&str] = &["localhost", "127.0.0.1"];

/// A document that only who has logged in can read.
const DOCUMENT: &str = "order-1207";
const DOCUMENT_NAME: &str = "Заказ 1207";

/// The embedded deployment with a database `a`, its administrator and one document.
struct Shop {
    gateway: Gateway,
    port: u16,
    root: PathBuf,
    /// Of the certificate to trust, as the server's own screen shows it: SHA-256.
    fingerprint: String,
    name: String,
    password: String,
    folder: TempDir,
}

impl Shop {
    /// Its certificate comes from an authority of the test's own.
    #[track_caller]
    fn open() -> Self {
        let folder = tempdir().unwrap();
        let authority = Authority::new(folder.path());
        let issued = authority.issue_for("shop", HOSTS, 390);
        let certificate = format!(
            "certificate: {{chain: {}, key: {}}}\n",
            issued.chain.display(),
            issued.key.display()
        );
        let root = authority.file().to_owned();
        let shop = Self::start("0.0.0.0", folder, &certificate, root, None);
        shop.write_the_document();
        shop
    }

    /// Its certificate is the one that a first start makes. On 127.0.0.1 alone: there is no other
    /// address for the page to name.
    #[track_caller]
    fn with_test_certificate(more: &str) -> Self {
        let folder = tempdir().unwrap();
        let root = folder.path().join("data/tls/test.pem");
        let shop = Self::start("127.0.0.1", folder, more, root, None);
        shop.write_the_document();
        shop
    }

    /// Its certificates come from the gateway's own authority: one for each of these keys.
    #[track_caller]
    fn with_own_authority(listen: &str, more: &str, keys: &[&str], clock: Option<&Clock>) -> Self {
        let folder = tempdir().unwrap();
        let root = folder.path().join("data/tls/authority/root.pem");
        let shop = Self::start(listen, folder, more, root, clock);
        let keys = keys.iter().flat_map(|key| ["--key", key]);
        let line: Vec<&str> = ["--json", "cert", "authority"]
            .into_iter()
            .chain(keys)
            .collect();
        let issued = json_of(&shop.gateway, &line);
        let fingerprint = issued["root"]["thumbprint_sha256"]
            .as_str()
            .unwrap()
            .to_owned();
        shop.write_the_document();
        Self {
            fingerprint,
            ..shop
        }
    }

    #[track_caller]
    fn start(
        listen: &str,
        folder: TempDir,
        more: &str,
        root: PathBuf,
        clock: Option<&Clock>,
    ) -> Self {
        let data = folder.path().join("data");
        let yaml = format!(
            "language: en\ndata: {}\nlisten: {listen}\nlog: {{to: stderr, level: info}}\n\
             metrics: 127.0.0.1:0\nserver: {{port: 0, https: true}}\nbackend: embedded\n{more}",
            data.display()
        );
        let config = folder.path().join("gateway.yaml");
        fs::write(&config, yaml).unwrap();
        let gateway = match clock {
            Some(clock) => Gateway::start_by(GATEWAY, &config, &data, clock),
            None => Gateway::start_from(GATEWAY, &config, &data),
        };
        let add = "--json database add --id a --name A --port 0".split(' ');
        let made = json_of(&gateway, &add.collect::<Vec<_>>());
        let text = |key: &str| made["made"][0][key].as_str().unwrap().to_owned();
        let (name, password) = (text("name"), text("password"));
        let listed = json_of(&gateway, &["--json", "database", "list"]);
        let databases = listed.as_array().unwrap();
        let a = databases.iter().find(|one| one["id"] == "a").unwrap();
        let address = a["address"].as_str().unwrap();
        let port = address.rsplit(':').next().unwrap().parse().unwrap();
        let told = gateway.process.stdout();
        let mut lines = told.lines().map(str::trim);
        let fingerprint = lines.find_map(|line| line.strip_prefix("SHA-256"));
        Self {
            fingerprint: fingerprint.unwrap().trim().to_owned(),
            gateway,
            port,
            root,
            name,
            password,
            folder,
        }
    }

    fn write_the_document(&self) {
        let dial = Dial::tls(([127, 0, 0, 1], self.port).into(), &self.root);
        let token = bearer(&log_in(&dial, &self.name, &self.password));
        let document =
            json!({"id": DOCUMENT, "documentTypeName": "Поступление", "name": DOCUMENT_NAME});
        let headers = [
            ("Authorization", token.as_str()),
            ("Content-Type", "application/json"),
        ];
        let body = document.to_string();
        let written = dial.http("POST", "/api/v1/Docs", &headers, body.as_bytes());
        assert_eq!(written.status(), 201, "{}", written.text());
    }

    /// Where its API is, for a client that calls it `host`.
    fn base(&self, host: &str) -> String {
        format!("https://{host}:{}/api/v1", self.port)
    }

    /// Somewhere for a program's own files.
    fn path(&self) -> &Path {
        self.folder.path()
    }
}

#[track_caller]
fn json_of(gateway: &Gateway, arguments: &[&str]) -> serde_json::Value {
    let outcome = gateway.command(arguments);
    assert_eq!(outcome.code, Some(0), "{arguments:?}: {outcome:?}");
    serde_json::from_str(&outcome.stdout).unwrap()
}

/// A file of `outside/`, where it lies in the repository.
fn own_file(name: &str) -> PathBuf {
    harness::document::path("gateway/tests/it/outside").join(name)
}
