//! What a port costs that is added to a running gateway: a measurement, for BENCHMARKS.md.
#![expect(clippy::print_stdout, reason = "the figures")]

use std::{
    fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::{Duration, Instant},
};

use harness::{DEADLINE, Database, Gateway, RecordingUpstream, tempdir};
use serde_json::json;

use crate::house::{GATEWAY, Plan};

const PORTS: usize = 200;

/// Returns when what was asked is in force.
fn ask(data: &Path, path: &str, body: &str) -> Duration {
    let began = Instant::now();
    let mut socket = UnixStream::connect(data.join("admin.sock")).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\nContent-Length: {length}"
    );
    write!(socket, "{head}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    began.elapsed()
}

fn median(times: &[Duration]) -> f64 {
    let mut times = times.to_vec();
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e3
}

/// `times[n]` is what the port after `n` others took.
fn tell(what: &str, times: &[Duration]) {
    let [few, many] = [&times[1..10], &times[190..]].map(median);
    let ratio = many / few;
    println!("| {what} | {few:.1} ms | {many:.1} ms | {ratio:.1} |");
}

#[test]
#[ignore = "a measurement, for BENCHMARKS.md"]
fn adding_ports_2_to_200() {
    println!("| added | ports 2 to 10 | ports 191 to 200 | ratio |\n|---|---|---|---|");
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    let yaml = format!(
        "language: en\ndata: {}\nlisten: 127.0.0.1\nlog: {{to: stderr, level: warn}}\nmetrics: off\n\
         server: {{port: 0, https: true}}\naccount: none\nbackend: embedded\n",
        data.display()
    );
    let gateway = Gateway::start(GATEWAY, folder.path(), &data, &yaml);
    // The ports of the databases of a first start may be others'.
    for demo in gateway.ready["databases"].as_array().unwrap() {
        let change = json!({"change": "remove", "id": demo["id"]});
        ask(
            &data,
            "/databases",
            &json!({ "changes": [change] }).to_string(),
        );
    }
    let add = |number: usize| {
        let settings = json!({
            "name": format!("Shop {number}"), "folder": "", "comment": "", "mode": "server",
            "https": true, "authentication": true, "barcode_login": false, "port": 0,
            "compress": false, "backups": false,
        });
        let change = json!({"change": "add", "id": format!("shop-{number}"), "settings": settings});
        ask(
            gateway.data(),
            "/databases",
            &json!({ "changes": [change] }).to_string(),
        )
    };
    let times: Vec<Duration> = (1..=PORTS).map(add).collect();
    tell("database of our backend", &times);
    drop(gateway);

    let upstream = RecordingUpstream::ok();
    let shop = |number: usize| Database {
        https: true,
        ..Database::new(&format!("shop-{number}"), upstream.url())
    };
    let mut house = Plan::new().with(shop(0)).start();
    let times: Vec<Duration> = (1..=PORTS)
        .map(|number| {
            house.front.databases.push(shop(number));
            fs::write(house.config(), house.front.yaml()).unwrap();
            ask(&house.front.data, "/reload", "")
        })
        .collect();
    tell("database of the file", &times);
}
