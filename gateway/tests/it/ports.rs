//! Ports while running: added, removed, moved, swapped, switched, held by others.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use harness::{
    Authority, DEADLINE, Database, Dial, Gateway, RecordingUpstream, Reply, eventually, free_port,
};

use crate::house::{GATEWAY, House, Plan};

/// An upstream that answers with its own name.
fn named(name: &'static str) -> RecordingUpstream {
    RecordingUpstream::start(move |exchange| {
        exchange.read_body()?;
        exchange.respond(200, &[], name.as_bytes())
    })
}

fn at(port: u16) -> Dial {
    Dial::plain(SocketAddr::from(([127, 0, 0, 1], port)))
}

fn on(id: &str, port: u16, upstream: &RecordingUpstream) -> Database {
    Database {
        port,
        ..Database::new(id, upstream.url())
    }
}

/// What answers on this port, on a fresh connection; `None`: nothing.
fn who(dial: &Dial) -> Option<String> {
    match dial.try_open().ok()?.try_http("GET", "/x", &[], b"").ok()? {
        Reply::Response(answer) => Some(answer.text()),
        Reply::Closed => None,
    }
}

#[track_caller]
fn until(dial: &Dial, expected: Option<&str>) {
    eventually(DEADLINE, &format!("{expected:?} on {}", dial.to()), || {
        (who(dial).as_deref() == expected).then_some(())
    });
}

#[test]
fn a_database_is_added_moved_and_removed_while_another_keeps_its_connection() {
    let (a, b) = (named("a"), named("b"));
    let (first, second) = (free_port(), free_port());
    let mut house = Plan::new().with(on("a", 0, &a)).start();
    let mut kept = house.dial("a").open();
    assert_eq!(kept.http("GET", "/x", &[], b"").text(), "a");

    house.change(|front| front.databases.push(on("b", first, &b)));
    until(&at(first), Some("b"));
    house.change(|front| front.databases[1].port = second);
    until(&at(second), Some("b"));
    until(&at(first), None);
    house.change(|front| drop(front.databases.pop()));
    until(&at(second), None);
    assert_eq!(
        kept.http("GET", "/x", &[], b"").text(),
        "a",
        "one connection all the time"
    );
    assert_eq!(who(&house.dial("a")).as_deref(), Some("a"));
}

#[test]
fn an_edit_of_the_file_is_noticed_without_a_signal() {
    let (a, b) = (named("a"), named("b"));
    let port = free_port();
    let mut house = Plan::new().with(on("a", 0, &a)).start();
    house.front.databases.push(on("b", port, &b));
    house.gateway.write_config(&house.front.yaml());
    until(&at(port), Some("b"));
    // And written in place, as other editors do.
    house.front.databases[1].upstream = a.url();
    fs::write(house.config(), house.front.yaml()).unwrap();
    until(&at(port), Some("a"));
}

#[test]
fn two_databases_swap_their_ports_and_no_connection_slides_into_the_other() {
    let (a, b) = (named("a"), named("b"));
    let (first, second) = (free_port(), free_port());
    let mut house = Plan::new()
        .with(on("a", first, &a))
        .with(on("b", second, &b))
        .start();
    let mut kept = at(first).open();
    assert_eq!(kept.http("GET", "/x", &[], b"").text(), "a");
    house.change(|front| {
        front.databases[0].port = second;
        front.databases[1].port = first;
    });
    until(&at(first), Some("b"));
    until(&at(second), Some("a"));
    match kept.try_http("GET", "/x", &[], b"") {
        Ok(Reply::Response(answer)) => assert_eq!(answer.text(), "a"),
        Ok(Reply::Closed) | Err(_) => {}
    }
}

#[test]
fn a_request_in_flight_on_a_removed_port_finishes() {
    let (started, starts) = mpsc::channel();
    let (go_on, wait) = mpsc::channel::<()>();
    let (started, wait) = (Mutex::new(started), Mutex::new(wait));
    let slow = RecordingUpstream::start(move |exchange| {
        exchange.read_body()?;
        exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")?;
        started.lock().unwrap().send(()).unwrap();
        wait.lock().unwrap().recv().unwrap();
        exchange.raw(b"later")
    });
    let a = named("a");
    let port = free_port();
    let mut house = Plan::new()
        .with(on("a", 0, &a))
        .with(on("slow", port, &slow))
        .start();
    let mut client = at(port).open();
    client.send(client.request("GET", "/x", &[], b""));
    starts.recv_timeout(DEADLINE).unwrap();
    house.change(|front| drop(front.databases.pop()));
    eventually(DEADLINE, "the port is closed", || {
        at(port).try_open().is_err().then_some(())
    });
    go_on.send(()).unwrap();
    assert_eq!(client.response().text(), "firstlater");
    assert!(
        client.ends_silently().unwrap(),
        "and then its connection closes"
    );
}

#[test]
fn a_half_sent_head_on_a_removed_port_is_no_request() {
    let a = named("a");
    let port = free_port();
    let mut house = Plan::new()
        .with(on("a", 0, &a))
        .with(on("b", port, &a))
        .start();
    let mut half = at(port).patient(Duration::from_secs(5)).open();
    half.send("GET /half HTTP/1.1\r\nHost: h\r\n");
    assert_eq!(who(&at(port)).as_deref(), Some("a"));
    house.change(|front| drop(front.databases.pop()));
    assert!(half.ends_silently().unwrap());
}

#[test]
fn a_database_is_switched_between_http_and_https() {
    let a = named("a");
    let port = free_port();
    let mut plan = Plan::new().with(on("a", port, &a));
    let authority = Authority::new(plan.path());
    plan.front.databases[0].certificate = Some(authority.issue("a", &["127.0.0.1"]));
    let mut house = plan.start();
    let tls = Dial::tls(at(port).to(), authority.file());
    let mut plain = at(port).open();
    assert_eq!(plain.http("GET", "/x", &[], b"").text(), "a");
    house.change(|front| front.databases[0].https = true);
    until(&tls, Some("a"));
    let after = plain.try_http("GET", "/x", &[], b"");
    assert!(
        matches!(after, Ok(Reply::Closed)),
        "never plain where https is said: {after:?}"
    );
    assert_eq!(at(port).get("/x", &[]).status(), 400);
    house.change(|front| front.databases[0].https = false);
    until(&at(port), Some("a"));
    assert!(tls.try_open().is_err());
}

#[test]
fn https_without_a_usable_certificate_is_closed_and_the_reason_shown() {
    closed_without(|authority| {
        let (one, other) = (
            authority.issue("one", HOSTS),
            authority.issue("other", HOSTS),
        );
        harness::Issued {
            chain: one.chain,
            key: other.key,
        }
    });
}

#[test]
fn an_expired_certificate_is_none() {
    closed_without(|authority| authority.issue_for("old", HOSTS, -1));
}

const HOSTS: &[&str] = &["127.0.0.1"];

/// Database `a` has this certificate; the others serve.
#[track_caller]
fn closed_without(certificate: impl FnOnce(&Authority) -> harness::Issued) {
    let a = named("a");
    let mut plan = Plan::new().with(on("a", 0, &a)).with(on("b", 0, &a));
    let issued = certificate(&Authority::new(plan.path()));
    let file = issued
        .chain
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    plan.front.databases[0].https = true;
    plan.front.databases[0].certificate = Some(issued);
    let house = plan.start();
    assert_eq!(who(&house.dial("b")).as_deref(), Some("a"));
    let state = house.state("a");
    if let Some(address) = state["address"].as_str().and_then(|text| text.parse().ok()) {
        assert!(Dial::tls_blindly(address).try_open().is_err());
        let answer = Dial::plain(address).open().try_http("GET", "/x", &[], b"");
        if let Ok(Reply::Response(answer)) = answer {
            // At most the words that this is an https port.
            assert_eq!(answer.status(), 400);
        }
    }
    assert!(
        state["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains(&file)),
        "{state}"
    );
    house.logged(&[&file]);
    assert_eq!(a.requests().len(), 1);
}

#[test]
fn a_busy_port_names_its_holder_the_others_serve_and_it_opens_when_free() {
    let (a, b) = (named("a"), named("b"));
    let port = free_port();
    let holder = TcpListener::bind(("0.0.0.0", port)).unwrap();
    let house = Plan::new()
        .with(on("a", 0, &a))
        .with(on("b", port, &b))
        .start();
    assert_eq!(who(&house.dial("a")).as_deref(), Some("a"));
    let state = house.state("b").to_string();
    let own = std::process::id().to_string();
    assert!(
        state.contains(&port.to_string()) && state.contains(&own),
        "{state}"
    );
    house.logged(&[&port.to_string(), &own, "data server of b"]);
    drop(holder);
    until(&at(port), Some("b"));
}

#[test]
fn a_clash_names_the_other_holder_and_changes_nothing() {
    let (a, b) = (named("a"), named("b"));
    let (first, second) = (free_port(), free_port());
    let mut house = Plan::new()
        .with(on("a", first, &a))
        .with(on("b", second, &b))
        .start();
    house.change(|front| {
        front.databases[1].port = first;
        front.databases[0].upstream = b.url();
    });
    eventually(DEADLINE, "the status shows the fault", || {
        let faults = house.status()["config"]["faults"].to_string();
        (faults.contains(&first.to_string()) && faults.contains('a')).then_some(())
    });
    assert_eq!(who(&at(first)).as_deref(), Some("a"));
    assert_eq!(who(&at(second)).as_deref(), Some("b"));
    let taken = house.server_address().port();
    assert_ne!(taken, first);
    house.change(|front| {
        front.databases[0].upstream = a.url();
        front.databases[1].port = second;
    });
    eventually(DEADLINE, "the fault is gone", || {
        (house.status()["config"]["faults"].as_array()?.is_empty()).then_some(())
    });
}

#[test]
fn a_second_process_on_the_same_data_folder_is_refused() {
    let a = named("a");
    let house = Plan::new().with(on("a", 0, &a)).start();
    let second = house.config().with_file_name("second.yaml");
    fs::write(&second, house.front.yaml()).unwrap();
    let mut process = Gateway::spawn(GATEWAY, &second, &house.front.data);
    let status = process.wait_exit(DEADLINE);
    assert_eq!(status.code(), Some(1), "{}", process.output());
    assert!(
        process
            .stderr()
            .contains(house.front.data.to_str().unwrap()),
        "{}",
        process.output()
    );
    assert_eq!(who(&house.dial("a")).as_deref(), Some("a"));
}

#[test]
fn in_other_modes_ports_stay_closed_and_the_status_says_why() {
    let a = named("a");
    let (first, second) = (free_port(), free_port());
    let mut plan = Plan::new()
        .with(on("a", first, &a))
        .with(on("b", second, &a));
    plan.front.databases[0].mode = "folder";
    plan.front.databases[1].mode = "device";
    let mut house = plan.start();
    for (id, port, mode) in [("a", first, "folder"), ("b", second, "device")] {
        assert!(at(port).try_open().is_err());
        let state = house.state(id);
        assert_eq!(state["state"], "closed");
        assert!(state["reason"].as_str().unwrap().contains(mode), "{state}");
    }
    let answer = Dial::plain(house.server_address())
        .open()
        .try_http("GET", "/a/x", &[], b"");
    if let Ok(Reply::Response(answer)) = answer {
        assert!(answer.status() >= 400, "{}", answer.start);
    }
    house.change(|front| front.databases[0].mode = "server");
    until(&at(first), Some("a"));
}

mod heavy {
    use super::*;

    const MOVES: usize = 200;

    /// Requests without end on one kept connection each, until told to stop.
    fn clients<'scope>(
        scope: &'scope thread::Scope<'scope, '_>,
        dial: &Dial,
        name: &'static str,
        stop: &'scope AtomicBool,
        served: &'scope AtomicUsize,
    ) {
        for _ in 0..25 {
            let dial = dial.clone();
            scope.spawn(move || {
                let mut client = dial.open();
                while !stop.load(Ordering::SeqCst) {
                    assert_eq!(client.http("GET", "/x", &[], b"").text(), name);
                    served.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    }

    struct StopAtEnd<'a>(&'a AtomicBool);

    impl Drop for StopAtEnd<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn fifty_clients_on_two_databases_lose_nothing_while_a_third_moves_200_times() {
        let (a, b, c) = (named("a"), named("b"), named("c"));
        let ports = [free_port(), free_port()];
        let mut house: House = Plan::new()
            .with(on("a", 0, &a))
            .with(on("c", 0, &c))
            .with(on("b", ports[0], &b))
            .start();
        let (first, second) = (house.dial("a"), house.dial("c"));
        let (stop, served) = (AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            let _stop_at_end = StopAtEnd(&stop);
            clients(scope, &first, "a", &stop, &served);
            clients(scope, &second, "c", &stop, &served);
            for round in 1..=MOVES {
                let port = ports[round % 2];
                house.change(|front| front.databases[2].port = port);
                until(&at(port), Some("b"));
            }
        });
        assert!(
            served.load(Ordering::SeqCst) > 50,
            "the clients were in flight"
        );
        until(&at(ports[1 - MOVES % 2]), None);
    }
}
