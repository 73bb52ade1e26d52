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
use serde_json::{Value, json};

use crate::house::{GATEWAY, House, Plan};

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

/// A port added, and a comment changed, beside as many as stand there already.
type Times = Vec<[Duration; 2]>;

/// The fastest of ten: another program's turn on the processor is no cost of ours.
fn tell(source: &str, times: &Times) {
    for (which, what) in ["a port", "a comment"].iter().enumerate() {
        let [few, many] = [&times[1..11], &times[190..]].map(|times| {
            let fastest = times.iter().map(|both| both[which]).min().unwrap();
            fastest.as_secs_f64() * 1e3
        });
        println!("| {source} | {what} | {few:.1} ms | {many:.1} ms |");
    }
}

#[test]
#[ignore = "a measurement, for BENCHMARKS.md"]
fn adding_ports_2_to_200() {
    println!("| in | change | ports 2 to 11 | ports 191 to 200 |\n|---|---|---|---|");
    tell("our backend", &in_our_backend());
    tell("the file", &in_the_file());
}

fn in_our_backend() -> Times {
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    let yaml = format!(
        "language: en\ndata: {}\nlisten: 127.0.0.1\nlog: {{to: stderr, level: warn}}\nmetrics: off\n\
         server: {{port: 0, https: true}}\naccount: none\nbackend: embedded\n",
        data.display()
    );
    let gateway = Gateway::start(GATEWAY, folder.path(), &data, &yaml);
    let change = |change: Value| {
        let body = json!({ "changes": [change] }).to_string();
        ask(&data, "/databases", &body)
    };
    // The ports of the databases of a first start may be others'.
    for demo in gateway.ready["databases"].as_array().unwrap() {
        change(json!({"change": "remove", "id": demo["id"]}));
    }
    let both = |number: usize| {
        let id = format!("shop-{number}");
        let settings = json!({
            "name": format!("Shop {number}"), "folder": "", "https": true, "authentication": true,
            "port": 0,
        });
        let port = change(json!({"change": "add", "id": id, "settings": settings}));
        let comment = json!({"comment": "closed on Mondays"});
        [
            port,
            change(json!({"change": "set", "id": id, "settings": comment})),
        ]
    };
    (1..=PORTS).map(both).collect()
}

fn in_the_file() -> Times {
    let upstream = RecordingUpstream::ok();
    let shop = |number: usize| Database {
        https: true,
        ..Database::new(&format!("shop-{number}"), upstream.url())
    };
    let mut house = Plan::new().with(shop(0)).start();
    let reload = |house: &House| {
        fs::write(house.config(), house.front.yaml()).unwrap();
        ask(&house.front.data, "/reload", "")
    };
    let both = |number: usize| {
        house.front.databases.push(shop(number));
        let port = reload(&house);
        "closed on Mondays".clone_into(&mut house.front.databases[number].comment);
        [port, reload(&house)]
    };
    (1..=PORTS).map(both).collect()
}
