//! SIGTERM and SIGINT: no new connections, running requests finish, exit 0.

use std::sync::{Mutex, mpsc};

use harness::{DEADLINE, RecordingUpstream, Reply, eventually};

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
