//! SIGTERM and SIGINT: no new connections, running requests finish, exit 0.

use std::{
    sync::{Mutex, mpsc},
    time::Duration,
};

use harness::{DEADLINE, Database, Dial, RecordingUpstream, Reply, eventually};

use crate::house::Plan;

fn stops_gracefully(signal: &str) {
    let (go_on, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = RecordingUpstream::start(move |exchange| {
        exchange.read_body()?;
        if exchange.request.start.contains("/slow") {
            wait.lock().unwrap().recv().unwrap();
        }
        exchange.respond(200, &[], b"finished")
    });
    let mut house = Plan::open_to(&upstream).start();
    let dial = house.dial("a");
    let mut idle = dial.open();
    idle.http("GET", "/x", &[], b"");
    let mut running = dial.open();
    running.send(running.request("GET", "/slow", &[], b""));
    upstream.wait_for(2);
    house.process.signal(signal);
    assert!(
        idle.ends_silently().unwrap(),
        "an idle connection is let go after its last call"
    );
    eventually(DEADLINE, "no new connections", || match dial.try_open() {
        Err(_) => Some(()),
        Ok(mut late) => matches!(
            late.try_http("GET", "/x", &[], b""),
            Ok(Reply::Closed) | Err(_)
        )
        .then_some(()),
    });
    assert!(
        house.process.is_running(),
        "it waits for the running request"
    );
    go_on.send(()).unwrap();
    assert_eq!(running.response().text(), "finished");
    assert_eq!(house.process.wait_exit(DEADLINE).code(), Some(0));
}

#[test]
fn sigterm_lets_running_requests_finish() {
    stops_gracefully("TERM");
}

#[test]
fn ctrl_c_is_the_same() {
    stops_gracefully("INT");
}

#[test]
fn a_request_that_does_not_end_is_cut_after_ten_seconds() {
    let upstream = RecordingUpstream::start(|exchange| {
        exchange.read_body()?;
        exchange.sees_the_end();
        Ok(())
    });
    let mut house = Plan::open_to(&upstream).start();
    let mut client = house.dial("a").open();
    client.send(client.request("GET", "/endless", &[], b""));
    upstream.wait_for(1);
    assert_eq!(house.terminate().code(), Some(0));
    assert!(!matches!(client.reply(false), Ok(Reply::Response(answer)) if answer.status() == 200));
}

/// Well below the ten seconds that running requests have.
const SOON: Duration = Duration::from_secs(5);

#[test]
fn connections_without_a_request_hold_nothing_up() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::open_to(&upstream);
    let https = Database {
        https: true,
        ..Database::new("b", upstream.url())
    };
    let mut house = plan.with(https).start();
    let dial = house.dial("a");
    let silent = dial.try_tcp().unwrap();
    let mut half = dial.open();
    half.send("GET /half HTTP/1.1\r\nHost: h\r\n");
    let mut shaking = house.dial("b").open();
    shaking.send(b"\x16\x03\x01\x02\x00\x01");
    // They have been accepted by the time that a later one is served.
    assert_eq!(dial.get("/x", &[]).text(), "ok");
    house.process.signal("TERM");
    assert_eq!(house.process.wait_exit(SOON).code(), Some(0));
    drop((silent, half, shaking));
}

/// The gateway has seen the signal when it says so.
fn signalled(house: &crate::house::House) {
    house.process.signal("TERM");
    house.logged(&["stopping: running requests may finish"]);
}

#[test]
fn a_request_on_its_way_when_the_gateway_stops_is_answered_and_told_that_it_was_the_last() {
    let upstream = RecordingUpstream::ok();
    let https = Database {
        https: true,
        ..Database::new("b", upstream.url())
    };
    let mut house = Plan::open_to(&upstream).with(https).start();
    let dial = house.dial("a");
    let mut kept = dial.open();
    let answer = kept.http("GET", "/x", &[], b"");
    assert_ne!(answer.header("connection"), Some("close"));
    let mut fresh = dial.open();
    let shaking = Dial::tls_blindly(house.address("b")).try_tcp().unwrap();
    let mut half = dial.open();
    half.send("GET /half HTTP/1.1\r\nHost: h\r\n");
    // They have been accepted by the time that a later one is served.
    assert_eq!(dial.get("/x", &[]).text(), "ok");
    signalled(&house);
    half.send("\r\n");
    for (what, answer) in [
        ("kept", kept.http("GET", "/x", &[], b"")),
        ("fresh", fresh.http("GET", "/x", &[], b"")),
        ("half", half.response()),
    ] {
        assert_eq!(
            (answer.status(), answer.text().as_str()),
            (200, "ok"),
            "{what}"
        );
        assert_eq!(answer.header("connection"), Some("close"), "{what}");
    }
    drop(shaking);
    assert_eq!(house.process.wait_exit(SOON).code(), Some(0));
}

#[test]
fn a_websocket_does_not_hold_a_stop_up() {
    let upstream = RecordingUpstream::start(|exchange| {
        exchange.raw(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
              Sec-WebSocket-Accept: x\r\n\r\n",
        )?;
        exchange.echo()
    });
    let mut house = Plan::open_to(&upstream).start();
    let mut client = house.dial("a").open();
    let headers = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
    ];
    client.send(client.request("GET", "/socket", &headers, b""));
    assert_eq!(client.response().status(), 101);
    house.process.signal("TERM");
    assert_eq!(house.process.wait_exit(SOON).code(), Some(0));
    assert!(client.ends_silently().unwrap());
}
