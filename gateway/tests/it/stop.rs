//! SIGTERM and SIGINT: no new connections, running requests finish, exit 0.

use std::{
    sync::{Mutex, mpsc},
    time::Duration,
};

use harness::{DEADLINE, Database, RecordingUpstream, Reply, eventually};

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
        "an idle connection is let go at once"
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
