//! `gateway cert acme …` at Pebble, which looks at the challenges really: what is ordered serves at
//! once and renews by itself, and what fails leaves everything as it was.

use std::{
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use harness::{
    Clock, DEADLINE, Database, Dial, Gateway, Pebble, RecordingUpstream, eventually, free_port,
    pebble::Wished, tool::Outcome,
};
use serde_json::Value;

use crate::house::{GATEWAY, House, Plan};

const NAME: &str = "gate.example.ru";

/// Database `a` and the server port.
fn plan(upstream: &RecordingUpstream, server: (u16, bool)) -> Plan {
    let mut plan = Plan::new().with(Database {
        https: true,
        ..Database::new("a", upstream.url())
    });
    plan.front.server = server;
    plan
}

fn order(pebble: &Pebble, arguments: &[&str]) -> Vec<String> {
    let (directory, root) = (pebble.directory(), pebble.authority().display().to_string());
    let fixed = [
        "cert",
        "acme",
        "--directory",
        &directory,
        "--authority",
        &root,
    ];
    let all = fixed.iter().chain(arguments).chain(&["--json"]);
    all.map(|word| (*word).to_owned()).collect()
}

fn ordered(gateway: &Gateway, pebble: &Pebble, arguments: &[&str]) -> Outcome {
    let words = order(pebble, arguments);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    gateway.command(&words)
}

#[track_caller]
fn done(gateway: &Gateway, pebble: &Pebble, arguments: &[&str]) -> Value {
    let outcome = ordered(gateway, pebble, arguments);
    assert_eq!(outcome.code, Some(0), "{outcome:?}\n{}", pebble.log());
    assert!(
        outcome.stderr.contains("условия использования"),
        "{outcome:?}"
    );
    serde_json::from_str(&outcome.stdout).unwrap()
}

/// Without the colons.
#[track_caller]
fn shown(address: SocketAddr) -> String {
    let thumbprint = Dial::tls_blindly(address).open().peer_thumbprint();
    thumbprint.unwrap().replace(':', "")
}

fn is_open(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

#[test]
fn what_is_ordered_over_http_serves_at_once_and_the_port_of_the_challenge_closes() {
    let upstream = RecordingUpstream::ok();
    let house = plan(&upstream, (0, true)).start();
    let pebble = Pebble::start(house.config().parent().unwrap(), Wished::default());
    let (port, test) = (pebble.http.to_string(), shown(house.server_address()));
    let arguments = ["--name", NAME, "--name", "127.0.0.1", "--port", &port];
    let changed = done(&house, &pebble, &arguments);
    let certificate = &changed["certificates"][0];
    assert_eq!(certificate["names"], serde_json::json!([NAME, "127.0.0.1"]));
    for address in [house.server_address(), house.address("a")] {
        assert_eq!(shown(address), certificate["thumbprint_sha256"]);
        assert_ne!(shown(address), test);
    }
    assert!(!is_open(pebble.http));
    let renewal = &house.status()["renewals"][0];
    assert_eq!(renewal["by"], "acme", "{renewal}");
    assert_eq!(renewal["certificate"], "server");

    let own = ["--database", "a", "--name", "a.example.ru", "--port", &port];
    let changed = done(&house, &pebble, &[&own[..], &["--key", "rsa2048"]].concat());
    let thumbprint = &changed["certificates"][0]["thumbprint_sha256"];
    assert_eq!(shown(house.address("a")), *thumbprint);
    assert_ne!(shown(house.server_address()), *thumbprint);
}

#[test]
fn a_port_of_our_own_answers_the_challenge_and_its_clients_notice_nothing() {
    let upstream = RecordingUpstream::ok();
    for challenge in ["http-01", "tls-alpn-01"] {
        let plan = plan(&upstream, (0, true));
        let pebble = Pebble::start(plan.path(), Wished::default());
        let tls = challenge == "tls-alpn-01";
        let port = if tls { pebble.tls } else { pebble.http };
        let mut plan = plan;
        plan.front.server = (port, tls);
        let house = plan.start();
        let dial = match tls {
            true => Dial::tls_blindly(house.server_address()),
            false => Dial::plain(house.server_address()),
        };
        let mut kept = dial.open();
        assert_eq!(kept.http("GET", "/", &[], b"").status(), 200);
        let port = port.to_string();
        let words = ["--name", NAME, "--challenge", challenge, "--port", &port];
        done(&house, &pebble, &words);
        assert_eq!(kept.http("GET", "/", &[], b"").status(), 200);
        assert_eq!(dial.open().http("GET", "/", &[], b"").status(), 200);
    }
}

#[test]
fn what_fails_is_told_in_words_and_changes_nothing() {
    let upstream = RecordingUpstream::ok();
    let house = plan(&upstream, (0, true)).start();
    let mut pebble = Pebble::start(house.config().parent().unwrap(), Wished::default());
    let good = pebble.http.to_string();
    let refused = |house: &House, pebble: &Pebble, arguments: &[&str], code: &str| {
        let before = shown(house.server_address());
        let outcome = ordered(house, pebble, arguments);
        assert_eq!(outcome.code, Some(1), "{outcome:?}");
        let told: Value = serde_json::from_str(&outcome.stdout).unwrap();
        assert_eq!(told["error"]["code"], code, "{told}");
        let asked = ["acme-connection", "acme-away"].contains(&code);
        let announced = outcome.stderr.contains("условия использования");
        assert_eq!(
            announced, asked,
            "only what is asked is announced: {outcome:?}"
        );
        assert_eq!(shown(house.server_address()), before);
        told["error"]["message"].as_str().unwrap().to_owned()
    };

    let elsewhere = free_port().to_string();
    let words = ["--name", NAME, "--port", &elsewhere];
    let told = refused(&house, &pebble, &words, "acme-connection");
    assert!(told.contains(NAME) && told.contains(&elsewhere), "{told}");

    let held = std::net::TcpListener::bind(("127.0.0.1", pebble.http)).unwrap();
    let words = ["--name", NAME, "--port", &good];
    let told = refused(&house, &pebble, &words, "acme-port");
    assert!(told.contains(&good) && told.contains("--port"), "{told}");
    drop(held);

    let star = ["--name", "*.example.ru", "--port", &good];
    refused(&house, &pebble, &star, "acme-star");
    let server = house.server_address().port().to_string();
    let scheme = ["--name", NAME, "--port", &server];
    refused(&house, &pebble, &scheme, "acme-other-scheme");
    pebble.stop();
    refused(&house, &pebble, &words, "acme-away");
    assert!(house.status()["renewals"][0].is_null(), "nothing to renew");
}

#[test]
fn a_short_lived_certificate_is_renewed_while_a_third_is_left_and_no_connection_is_dropped() {
    let upstream = RecordingUpstream::ok();
    let house = plan(&upstream, (0, true)).start();
    let wished = Wished {
        life_seconds: Some(30),
        ..Wished::default()
    };
    let pebble = Pebble::start(house.config().parent().unwrap(), wished);
    let port = pebble.http.to_string();
    done(&house, &pebble, &["--name", NAME, "--port", &port]);
    let first = shown(house.server_address());
    let mut kept = Dial::tls_blindly(house.server_address())
        .patient(Duration::from_secs(60))
        .open();
    assert_eq!(kept.http("GET", "/", &[], b"").status(), 200);
    eventually(DEADLINE * 3, "it is renewed", || {
        (shown(house.server_address()) != first).then_some(())
    });
    assert_eq!(kept.http("GET", "/", &[], b"").status(), 200);
    assert_eq!(house.status()["renewals"][0]["failures"], 0);
}

#[test]
fn while_the_server_is_away_what_is_in_force_stays_and_the_next_try_is_named() {
    let upstream = RecordingUpstream::ok();
    let plan = plan(&upstream, (0, true));
    let clock = Clock::new(plan.path());
    let mut pebble = Pebble::start(plan.path(), Wished::default());
    let config = plan.path().join("gateway.yaml");
    std::fs::write(&config, plan.front.yaml()).unwrap();
    let mut gateway = Gateway::start_by(GATEWAY, &config, &plan.front.data, &clock);
    let port = pebble.http.to_string();
    let changed = done(&gateway, &pebble, &["--name", NAME, "--port", &port]);
    let days = changed["certificates"][0]["days_left"].as_i64().unwrap();
    let before = shown(gateway.server_address());
    pebble.stop();
    clock.turn(days * 86_400 * 3 / 4);
    let renewal = eventually(DEADLINE, "the failure stands in the status", || {
        let renewal = gateway.status()["renewals"][0].clone();
        (renewal["failures"].as_u64()? > 0).then_some(renewal)
    });
    let told = renewal["last_failure"].as_str().unwrap();
    assert!(told.contains(&pebble.directory()), "{told}");
    assert!(renewal["next"].as_str() > renewal["last_failure_at"].as_str());
    assert_eq!(shown(gateway.server_address()), before);
    gateway.terminate();
}
