//! What a running gateway says has the fields that `REFERENCE.md` names, and no others.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    path::Path,
};

use harness::{Database, Dial, Gateway, RecordingUpstream, document};
use openssl::{
    pkcs12::Pkcs12,
    ssl::{SslConnector, SslMethod, SslVerifyMode},
};
use serde_json::Value;

use crate::{
    database::Shop,
    house::{GATEWAY, Plan, assert_refusal, log_in, session_query, until_refused},
};

const REFERENCE: &str = "REFERENCE.md";
/// Every line has these first.
const OF_ALL: [&str; 4] = ["timestamp", "level", "target", "message"];

/// The words in the cells of a column, row by row.
fn column(table: &str, column: usize) -> Vec<Vec<String>> {
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let cell = |row: &str| row.split(" | ").nth(column).unwrap_or_default().to_owned();
    rows.map(|row| {
        let cell = cell(row.trim_start_matches("| "));
        cell.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    })
    .collect()
}

fn names(table: &str) -> BTreeSet<String> {
    column(table, 0).into_iter().flatten().collect()
}

fn lines(log: &str, target: &str) -> Vec<Value> {
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["target"] == target).collect()
}

fn fields(line: &Value) -> BTreeSet<String> {
    line.as_object().unwrap().keys().cloned().collect()
}

/// Where values stand in an answer, as the reference writes it: `databases[].id`.
fn places(value: &Value, above: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(inner) => {
            for (key, value) in inner {
                let place = match above {
                    "" => key.clone(),
                    above => format!("{above}.{key}"),
                };
                places(value, &place, found);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for item in items {
                places(item, &format!("{above}[]"), found);
            }
        }
        _ => drop(found.insert(above.to_owned())),
    }
}

/// In front of a server that records, with everything in its log that a stranger can cause.
fn visited() -> (Gateway, String) {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::new();
    let ivan = plan.user("ivan", "external-connection", "Right-1");
    let shop = Database::new("a", upstream.url()).with_users([ivan]);
    let safe = Database {
        https: true,
        client_certificates: "optional",
        ..Database::new("s", upstream.url())
    };
    let plan = plan.with(shop).with(safe);
    plan.front.list("a", "blacklist", "127.0.8.0/24\n");
    let yaml = plan.front.yaml().replace("level: info", "level: debug");
    let mut gateway = Gateway::start(GATEWAY, plan.path(), &plan.front.data, &yaml);

    let dial = gateway.dial("a");
    log_in(&dial, "ivan", "Right-1");
    assert_refusal(&dial.get(&session_query("ivan", "Wrong-1"), &[]), 401);
    let mut client = dial.open();
    client.send("GET / HTTP/1.1\r\n\r\n");
    assert_eq!(client.response().status(), 400);
    // More addresses than a summary names, each with more connections than get a line.
    for address in 1..=22 {
        for _ in 0..=10 {
            until_refused(&dial.from([127, 0, 8, address]));
        }
    }
    let mut broken = Dial::plain(gateway.address("s")).try_tcp().unwrap();
    broken.write_all(b"\x16\x03\x01\x00\x05hello").unwrap();
    drop(broken);
    gateway.process.stderr_line(harness::DEADLINE, |line| {
        line.contains("TLS handshake failed")
    });
    let added = gateway.command(&["list", "add", "a", "whitelist", "127.0.0.1"]);
    assert_eq!(added.code, Some(0), "{added:?}");
    let file = |name: &str| plan.path().join(name).display().to_string();
    let (device, root_key) = (file("device.p12"), file("root.key"));
    for words in [
        &["csr", "--name", "gate.example.ru"][..],
        &["self-signed"],
        &["remove"],
        &["authority"],
        &["device", "add", "tsd", "--to", &device],
        &["device", "revoke", "tsd"],
        &["authority", "--root-key-to", &root_key],
    ] {
        let done = gateway.command(&[&["--json", "cert"], words].concat());
        assert_eq!(done.code, Some(0), "{done:?}");
        if words.starts_with(&["device", "add"]) {
            let added: Value = serde_json::from_str(&done.stdout).unwrap();
            let password = added["password"].as_str().unwrap();
            visit_as(&gateway, Path::new(&device), password);
        }
    }
    for word in ["stop", "start"] {
        let done = gateway.command(&["server", word]);
        assert_eq!(done.code, Some(0), "{done:?}");
    }
    assert!(gateway.terminate().success());
    let log = gateway.log();
    (gateway, log)
}

/// One request to `s` by a device that shows its certificate.
fn visit_as(gateway: &Gateway, pfx: &Path, password: &str) {
    let parsed = Pkcs12::from_der(&fs::read(pfx).unwrap()).unwrap();
    let parsed = parsed.parse2(password).unwrap();
    let mut builder = SslConnector::builder(SslMethod::tls_client()).unwrap();
    builder.set_verify(SslVerifyMode::NONE);
    builder.set_certificate(&parsed.cert.unwrap()).unwrap();
    builder.set_private_key(&parsed.pkey.unwrap()).unwrap();
    let configured = builder.build().configure().unwrap();
    let tcp = Dial::plain(gateway.address("s")).try_tcp().unwrap();
    let mut tls = configured.verify_hostname(false).connect("s", tcp).unwrap();
    tls.write_all(b"GET / HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    tls.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"));
}

#[test]
fn log_lines_have_the_documented_fields_and_no_others() {
    let (_gateway, mut log) = visited();
    let mut shop = Shop::open();
    shop.add("a");
    shop.done(&["property", "set", "a", "--comment", "x"]);
    assert!(shop.gateway.terminate().success());
    log += &shop.gateway.log();

    let documented = names(&document::section(REFERENCE, "request-log"));
    let written = lines(&log, "request").iter().flat_map(fields).collect();
    assert_eq!(documented, written);

    let section = document::section(REFERENCE, "security-log");
    let (messages, meanings) = section.split_once("\n\n").unwrap();
    let kinds = column(messages, 0).into_iter().zip(column(messages, 2));
    let mut written = BTreeSet::new();
    for (message, own) in kinds {
        let kind: BTreeSet<String> = lines(&log, "security")
            .iter()
            .filter(|line| line["message"] == message[0])
            .flat_map(fields)
            .collect();
        let of_all = OF_ALL.map(str::to_owned).into_iter();
        assert_eq!(kind, of_all.chain(own).collect(), "{message:?}");
        written.extend(kind);
    }
    assert_eq!(names(meanings), written);
}

#[test]
fn the_status_and_the_ready_line_have_the_documented_fields() {
    let shop = Shop::open();
    shop.add("a");
    let mut found = BTreeSet::new();
    places(&shop.told(&["status"]), "", &mut found);
    let documented = names(&document::section(REFERENCE, "status"));
    let unknown: Vec<_> = found.difference(&documented).collect();
    assert!(found.len() > 30 && unknown.is_empty(), "{unknown:?}");

    let mut found = BTreeSet::new();
    places(&shop.gateway.ready, "", &mut found);
    assert_eq!(names(&document::section(REFERENCE, "ready")), found);
}
