//! Somebody else's client, from the first start on: curl, openssl and python against the embedded
//! deployment with its demo databases. Their ports are fixed, so each test runs in a network of its
//! own where the system allows that: a gateway that runs on this machine is not in its way.

use std::fs;

pub(crate) use harness::in_own_network;
use harness::{Gateway, TempDir, tempdir, tool};

use crate::house::GATEWAY;

pub(crate) struct Shop {
    pub(crate) gateway: Gateway,
    folder: TempDir,
}

impl Shop {
    pub(crate) fn open() -> Self {
        let folder = tempdir().unwrap();
        let data = folder.path().join("data");
        let yaml = format!(
            "language: ru\ndata: {}\nlog: {{to: stderr, level: info}}\nmetrics: 127.0.0.1:0\n\
             server: {{port: 0, https: true}}\nbackend: embedded\n",
            data.display()
        );
        let gateway = Gateway::start(GATEWAY, folder.path(), &data, &yaml);
        let open = gateway.ready["databases"][0]["address"].is_string();
        assert!(
            open,
            "the demo's ports must be free\n{}",
            gateway.process.stdout()
        );
        Self { gateway, folder }
    }

    fn again(self) -> Self {
        Self {
            gateway: self.gateway.killed_and_started_again(),
            folder: self.folder,
        }
    }

    /// The printed lines that begin with `curl`.
    fn commands(&self) -> Vec<String> {
        let told = self.gateway.process.stdout();
        told.lines()
            .map(str::trim)
            .filter(|line| line.starts_with("curl "))
            .map(str::to_owned)
            .collect()
    }

    /// The file after `--cacert`.
    fn certificate(&self) -> String {
        let log_in = &self.commands()[0];
        let after = log_in
            .split("--cacert ")
            .nth(1)
            .expect("--cacert in the printed line");
        after
            .split_whitespace()
            .next()
            .unwrap()
            .trim_matches('\'')
            .to_owned()
    }
}

#[test]
fn the_three_printed_lines_work_when_pasted_and_a_second_start_prints_no_password() {
    in_own_network(
        "clients::the_three_printed_lines_work_when_pasted_and_a_second_start_prints_no_password",
        paste_the_printed_lines,
    );
}

fn paste_the_printed_lines() {
    let shop = Shop::open();
    let commands = shop.commands();
    assert_eq!(commands.len(), 3, "{}", shop.gateway.process.stdout());
    let paste = |command: &str| {
        assert!(
            command.contains("--cacert") && !command.contains(" -k"),
            "{command}"
        );
        let outcome = tool::run("sh", ["-c", command], "");
        assert_eq!(
            outcome.code,
            Some(0),
            "{command}\n{}{}",
            outcome.stdout,
            outcome.stderr
        );
        outcome.stdout
    };
    let session: serde_json::Value = serde_json::from_str(&paste(&commands[0])).unwrap();
    assert_eq!(session["Expires_in"], 86400);
    let documents: serde_json::Value = serde_json::from_str(&paste(&commands[1])).unwrap();
    assert!(
        !documents["value"].as_array().unwrap().is_empty(),
        "{documents}"
    );
    let changed = paste(&commands[2]);
    assert!(
        changed.trim_end().ends_with("204") || changed.trim_end().ends_with("200"),
        "{changed}"
    );

    let told = shop.gateway.process.stdout();
    for name in ["Магазин 15", "Курьер", "SHA-256"] {
        assert!(told.contains(name), "{name} in {told}");
    }
    let password = commands[1].split(" -u ").nth(1).unwrap();
    let password = password.split(':').nth(1).unwrap();
    let password = password.split([' ', '\'']).next().unwrap().to_owned();
    assert!(password.len() >= 8, "{password}");

    let shop = shop.again();
    let told = shop.gateway.process.stdout();
    assert!(shop.commands().is_empty(), "{told}");
    assert!(!told.contains(&password), "{told}");
    assert!(told.contains("SHA-256"), "{told}");
    paste(&commands[1]);
    assert!(!shop.gateway.log().contains(&password), "nor does the log");
    for file in walk(shop.folder.path()) {
        let bytes = fs::read(&file).unwrap();
        let found = bytes
            .windows(password.len())
            .any(|window| window == password.as_bytes());
        assert!(!found, "a password lies in {}", file.display());
    }
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(walk(&entry.path()));
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    found
}

#[test]
fn openssl_verifies_the_certificate_and_reads_a_page() {
    in_own_network(
        "clients::openssl_verifies_the_certificate_and_reads_a_page",
        verify_with_openssl,
    );
}

fn verify_with_openssl() {
    let shop = Shop::open();
    let port = shop.gateway.ready["databases"][0]["address"]
        .as_str()
        .unwrap()
        .rsplit(':')
        .next()
        .unwrap()
        .to_owned();
    let address = format!("localhost:{port}");
    let certificate = shop.certificate();
    let page = tool::s_client(
        &address,
        &[
            "-CAfile",
            &certificate,
            "-verify_return_error",
            "-verify_hostname",
            "localhost",
            "-ign_eof",
        ],
        "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(page.code, Some(0), "{}", page.stderr);
    assert!(
        page.stdout.contains("Verify return code: 0"),
        "{}",
        page.stdout
    );
    assert!(page.stdout.contains("HTTP/1.1 200"), "{}", page.stdout);
    for old in ["-tls1", "-tls1_1"] {
        assert_ne!(
            tool::s_client(&address, &[old], "Q\n").code,
            Some(0),
            "{old}"
        );
    }
    assert_eq!(
        tool::s_client(&address, &["-tls1_2", "-CAfile", &certificate], "Q\n").code,
        Some(0)
    );
    let renegotiated = tool::s_client(&address, &["-tls1_2", "-CAfile", &certificate], "R\n");
    assert!(!renegotiated.stdout.contains("HTTP/1.1 200"));
}

/// Run in front of both scripts: reads address, certificate and credentials from the printed line.
const LOG_IN: &str = r#"
import shlex, sys, requests

words = shlex.split(sys.argv[1])
fields = dict(word.split("=", 1) for word in words if word.startswith(("username=", "password=")))
login = next(word for word in words if word.startswith("https://"))
base = login.rsplit("/", 1)[0]
session = requests.Session()
session.verify = words[words.index("--cacert") + 1]
session.trust_env = False
"#;

const REQUESTS: &str = r#"
assert session.get(base + "/Docs").status_code == 401
answer = session.get(login, params=fields)
answer.raise_for_status()
session.headers["Authorization"] = "Bearer " + answer.json()["Access_token"]

documents = session.get(base + "/Docs", params={"$top": 5, "$expand": "declaredItems"})
documents.raise_for_status()
document = documents.json()["value"][0]
address = f"{base}/Docs('{document['id']}')"
changed = session.patch(address, json={"description": "изменено через шлюз"})
assert changed.status_code == 204, changed.text
assert session.get(address).json()["description"] == "изменено через шлюз"

fresh = {
    "id": "from-python", "name": "Заказ 1207", "documentTypeName": document["documentTypeName"],
    "declaredItems": [{"productId": "p-1", "declaredQuantity": 5}],
}
created = session.post(base + "/Docs", json=fresh)
assert created.status_code == 201, created.text
ended = session.post(f"{base}/Docs('from-python')/EndUpdate")
assert ended.status_code == 204, ended.text
rows = session.get(f"{base}/Docs('from-python')/declaredItems").json()["value"]
assert len(rows) == 1 and rows[0]["declaredQuantity"] == 5, rows
assert session.delete(f"{base}/Docs('from-python')").status_code == 204
assert session.get(f"{base}/Docs('from-python')").status_code == 404

# In the other two bases.
prefixed = base.replace("/api/v1", "/MobileSMARTS/api/v1")
assert session.get(prefixed + "/BaseInfo").status_code == 200
assert session.delete(base + "/session").status_code in (200, 204)
assert session.get(base + "/Docs").status_code == 401
del session.headers["Authorization"]
basic = (fields["username"].encode(), fields["password"].encode())
assert session.get(base + "/Docs", auth=basic).status_code == 200
print("done")
"#;

const AFTERWARDS: &str = r#"
session.auth = (fields["username"].encode(), fields["password"].encode())
documents = session.get(base + "/Docs").json()["value"]
assert any(document.get("description") == "изменено через шлюз" for document in documents)
assert all(document["id"] != "from-python" for document in documents)
print("done")
"#;

#[test]
fn python_logs_in_lists_changes_and_writes_a_document() {
    in_own_network(
        "clients::python_logs_in_lists_changes_and_writes_a_document",
        work_with_python,
    );
}

fn work_with_python() {
    let shop = Shop::open();
    let log_in = shop.commands().remove(0);
    assert_eq!(
        tool::python(&[LOG_IN, REQUESTS].concat(), &[&log_in]).trim(),
        "done"
    );
    // What was changed is there after a kill.
    let shop = shop.again();
    assert_eq!(
        tool::python(&[LOG_IN, AFTERWARDS].concat(), &[&log_in]).trim(),
        "done"
    );
    drop(shop);
}

#[test]
fn curl_knows_the_certificate_and_nothing_else_does() {
    in_own_network(
        "clients::curl_knows_the_certificate_and_nothing_else_does",
        read_with_curl,
    );
}

fn read_with_curl() {
    let shop = Shop::open();
    let port = shop.gateway.ready["databases"][0]["address"]
        .as_str()
        .unwrap()
        .rsplit(':')
        .next()
        .unwrap()
        .to_owned();
    let certificate = shop.certificate();
    let page = format!("https://localhost:{port}/");
    let (status, body) = tool::curl(["--cacert", &certificate, &page]);
    assert_eq!(status, 200);
    assert!(body.contains("<html"), "{body}");
    let (status, _) = tool::curl([
        "--cacert",
        &certificate,
        &format!("https://127.0.0.1:{port}/"),
    ]);
    assert_eq!(status, 200, "its addresses are named too");
    let unknown = tool::run("curl", ["-sS", "--noproxy", "*", &page], "");
    assert_eq!(unknown.code, Some(60), "{}", unknown.stderr);
    let (status, body) = tool::curl([format!("http://localhost:{port}/")]);
    assert_eq!(status, 400, "{body}");
}
