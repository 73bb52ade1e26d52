//! `gateway server …` as the administrator types it, and what stands in the file afterwards.

use std::{
    fs::{self, Permissions},
    io::Write,
    net::{SocketAddr, TcpListener},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    sync::{Mutex, mpsc},
};

use harness::{
    DEADLINE, Database, Dial, RecordingUpstream, Reply, eventually, free_port,
    tool::{self, Outcome},
};
use serde_json::Value;

use crate::house::{GATEWAY, House, Plan};

fn at(port: u16) -> Dial {
    Dial::plain(SocketAddr::from(([127, 0, 0, 1], port)))
}

/// Whether the server port forwards to database `a`.
fn serves(port: u16) -> bool {
    let asked = at(port)
        .try_open()
        .and_then(|mut open| open.try_http("GET", "/a/x", &[], b""));
    matches!(asked, Ok(Reply::Response(answer)) if answer.text() == "ok")
}

/// One database `a`, and the server on a port of its own.
fn house(upstream: &RecordingUpstream) -> (House, u16) {
    let mut plan = Plan::open_to(upstream);
    let port = free_port();
    plan.front.server = (port, false);
    (plan.start(), port)
}

#[track_caller]
fn server(house: &House, words: &[&str]) -> Value {
    let asked: Vec<&str> = ["server"]
        .iter()
        .chain(words)
        .chain(&["--json"])
        .copied()
        .collect();
    let outcome = house.command(&asked);
    assert_eq!(outcome.code, Some(0), "{words:?}: {outcome:?}");
    serde_json::from_str(&outcome.stdout).unwrap()
}

#[track_caller]
fn refused(house: &House, words: &[&str]) -> Outcome {
    let before = fs::read(house.config()).unwrap();
    let status = house.status();
    let outcome = house.command(words);
    assert_eq!(outcome.code, Some(1), "{words:?}: {outcome:?}");
    assert_eq!(
        fs::read(house.config()).unwrap(),
        before,
        "the file is as it was"
    );
    assert_eq!(house.status()["server"], status["server"]);
    outcome
}

#[test]
fn a_saved_port_waits_for_the_servers_start_and_the_file_keeps_its_comments() {
    let upstream = RecordingUpstream::ok();
    let (house, old) = house(&upstream);
    let new = free_port();
    let yaml = house
        .front
        .yaml()
        .replace("server: {", "server: { # the one port\n  ");
    let yaml = yaml
        .replace("databases:", "# shops\ndatabases:")
        .replace('\n', "\r\n");
    house.gateway.write_config(&yaml);

    let shown = server(&house, &["set", "--port", &new.to_string()]);
    assert_eq!(
        fs::read_to_string(house.config()).unwrap(),
        yaml.replace(&format!("port: {old}"), &format!("port: {new}"))
    );
    assert_eq!(
        (&shown["port"], &shown["in_force"]["port"]),
        (&new.into(), &old.into())
    );
    assert!(serves(old) && at(new).try_open().is_err());
    let told = house.command(&["status"]).stdout;
    assert!(
        told.contains(&old.to_string()) && told.contains(&new.to_string()),
        "{told}"
    );

    let stopped = server(&house, &["stop"]);
    assert_eq!(stopped["state"], "closed");
    assert_eq!(stopped["in_force"], Value::Null);
    assert!(at(old).try_open().is_err());
    assert_eq!(
        house.dial("a").get("/x", &[]).text(),
        "ok",
        "the database's own port goes on"
    );

    let started = server(&house, &["start"]);
    assert_eq!(
        (&started["state"], &started["in_force"]["port"]),
        (&"open".into(), &new.into())
    );
    assert!(serves(new) && at(old).try_open().is_err());
    assert_eq!(server(&house, &["start"]), started, "it runs already");
}

#[test]
fn a_port_saved_by_hand_waits_too_and_a_restart_of_the_process_takes_it() {
    let upstream = RecordingUpstream::ok();
    let (mut house, old) = house(&upstream);
    let new = free_port();
    house.change(|front| front.server = (new, false));
    eventually(DEADLINE, "it is saved", || {
        (house.status()["server"]["port"] == new).then_some(())
    });
    assert_eq!(house.status()["server"]["in_force"]["port"], old);
    assert!(serves(old) && at(new).try_open().is_err());
    server(&house, &["stop"]);
    let _house = house.killed_and_started_again();
    assert!(serves(new), "whatever was stopped before");
}

#[test]
fn another_tls_profile_is_written_shown_and_in_force_at_once() {
    let upstream = RecordingUpstream::ok();
    let mut plan = Plan::open_to(&upstream);
    plan.front.server = (free_port(), true);
    let house = plan.start();
    let commented = house
        .front
        .yaml()
        .replace("server: {", "server: { # ours\n  ");
    house.gateway.write_config(&commented);
    let address = house.server_address().to_string();
    let speaks = |version: &str| tool::s_client(&address, &[version, "-brief"], "").code == Some(0);
    assert_eq!(server(&house, &["show"])["tls"], "intermediate");
    assert!(speaks("-tls1_2"));

    let set = server(&house, &["set", "--tls", "modern"]);
    assert_eq!(
        (&set["tls"], &set["in_force"]["https"]),
        (&"modern".into(), &true.into())
    );
    let text = fs::read_to_string(house.config()).unwrap();
    assert_eq!(
        text,
        commented.replacen("tls: intermediate", "tls: modern", 1)
    );
    assert!(!speaks("-tls1_2") && speaks("-tls1_3"));
    assert_eq!(house.status()["server"]["tls"], "modern");
    for words in [["server", "show"].as_slice(), &["status"]] {
        let shown = house.command(words).stdout;
        assert!(shown.contains("modern"), "{words:?}: {shown}");
    }

    let loud = house.command(&["server", "set", "--tls", "old-for-everyone"]);
    assert_eq!(loud.code, Some(0), "{loud:?}");
    assert!(
        loud.stdout.contains("УСТАРЕВШЕЕ ШИФРОВАНИЕ ДЛЯ ВСЕХ"),
        "{loud:?}"
    );
    assert_eq!(
        house.command(&["server", "set", "--tls", "ancient"]).code,
        Some(2)
    );
}

#[test]
fn a_request_under_way_finishes_when_the_server_stops() {
    let (started, starts) = mpsc::channel();
    let (go_on, wait) = mpsc::channel::<()>();
    let (started, wait) = (Mutex::new(started), Mutex::new(wait));
    let slow = RecordingUpstream::start(move |exchange| {
        exchange.read_body()?;
        started.lock().unwrap().send(()).unwrap();
        wait.lock().unwrap().recv().unwrap();
        exchange.respond(200, &[], b"late")
    });
    let (house, port) = house(&slow);
    let mut client = at(port).open();
    client.send(client.request("GET", "/a/x", &[], b""));
    starts.recv_timeout(DEADLINE).unwrap();
    server(&house, &["stop"]);
    go_on.send(()).unwrap();
    assert_eq!(client.response().text(), "late");
    assert!(
        client.ends_silently().unwrap(),
        "and then its connection closes"
    );
}

#[test]
fn a_port_that_another_wants_or_holds_is_refused_by_name_before_the_file_is_touched() {
    let upstream = RecordingUpstream::ok();
    let mut plan = Plan::open_to(&upstream);
    let taken = free_port();
    plan.front.databases[0].port = taken;
    let house = plan.start();
    let clash = refused(&house, &["server", "set", "--port", &taken.to_string()]);
    assert!(clash.stderr.contains("сервер данных базы a"), "{clash:?}");

    let holder = TcpListener::bind(("0.0.0.0", 0)).unwrap();
    let busy = holder.local_addr().unwrap().port().to_string();
    let outcome = refused(&house, &["server", "set", "--port", &busy]);
    let own = std::process::id().to_string();
    assert!(
        outcome.stderr.contains(&busy) && outcome.stderr.contains(&own),
        "{outcome:?}"
    );
    drop(holder);
    server(&house, &["set", "--port", &busy]);
}

#[test]
fn a_faulty_file_is_not_edited_and_its_faults_are_named() {
    let upstream = RecordingUpstream::ok();
    let (house, _) = house(&upstream);
    house
        .gateway
        .write_config(&(house.front.yaml() + "surprise: 1\n"));
    let outcome = refused(&house, &["server", "set", "--https", "no", "--port", "0"]);
    assert!(outcome.stderr.contains("surprise"), "{outcome:?}");
    house.gateway.write_config(&house.front.yaml());
    server(&house, &["set", "--port", "0"]);
}

/// A word typed and broken off with Ctrl-C as soon as it is sent.
fn hung_up(house: &House, word: &str) {
    let mut socket = UnixStream::connect(house.front.data.join("admin.sock")).unwrap();
    let head = format!("POST /server/{word} HTTP/1.1\r\nHost: g\r\nContent-Length: 2\r\n\r\n{{}}");
    socket.write_all(head.as_bytes()).unwrap();
}

#[test]
fn who_hangs_up_stops_no_change_half_way() {
    let upstream = RecordingUpstream::ok();
    let (house, port) = house(&upstream);
    for _ in 0..10 {
        hung_up(&house, "stop");
        eventually(DEADLINE, "the server stops", || {
            (!serves(port)).then_some(())
        });
        hung_up(&house, "start");
        eventually(DEADLINE, "the server starts", || serves(port).then_some(()));
    }
}

#[test]
fn a_start_on_a_busy_port_leaves_the_server_stopped_and_names_the_holder() {
    let upstream = RecordingUpstream::ok();
    let (house, port) = house(&upstream);
    server(&house, &["stop"]);
    let holder = TcpListener::bind(("0.0.0.0", port)).unwrap();
    let outcome = refused(&house, &["server", "start"]);
    let own = std::process::id().to_string();
    assert!(outcome.stderr.contains(&own), "{outcome:?}");
    drop(holder);
    server(&house, &["start"]);
    assert!(serves(port));
}

#[test]
fn a_database_cannot_take_the_port_that_the_server_is_saved_to() {
    let upstream = RecordingUpstream::ok();
    let (mut house, old) = house(&upstream);
    let new = free_port();
    server(&house, &["set", "--port", &new.to_string()]);
    house.front.server = (new, false);
    let wanted = |port| Database {
        port,
        ..Database::new("b", upstream.url())
    };
    // Still in force there, and saved there: neither is free.
    for port in [old, new] {
        house.change(|front| front.databases.push(wanted(port)));
        eventually(DEADLINE, "the clash is told", || {
            let faults = house.status()["config"]["faults"].to_string();
            faults.contains(&port.to_string()).then_some(())
        });
        house.front.databases.pop();
    }
    let free = free_port();
    house.change(|front| front.databases.push(wanted(free)));
    eventually(DEADLINE, "another is", || {
        at(free).try_open().is_ok().then_some(())
    });
}

#[test]
fn the_command_names_its_words_in_both_languages_and_wants_something_to_set() {
    let upstream = RecordingUpstream::ok();
    let (house, port) = house(&upstream);
    assert_eq!(house.command(&["server", "set"]).code, Some(2), "usage");
    let shown = house.command(&["server", "show"]).stdout;
    assert!(shown.contains(&format!("http {port}")), "{shown}");
}

#[test]
fn a_file_that_may_not_be_written_stays_and_the_line_is_told() {
    let upstream = RecordingUpstream::ok();
    let (house, old) = house(&upstream);
    let mode = |mode| fs::set_permissions(house.config(), Permissions::from_mode(mode)).unwrap();
    mode(0o400);
    let before = fs::read(house.config()).unwrap();
    // Root, who runs many a test, writes everywhere unless that capability is taken from him.
    let mut words = vec![
        "--bounding-set=-dac_override",
        "--inh-caps=-dac_override",
        GATEWAY,
    ];
    if !nix::unistd::Uid::effective().is_root() {
        words.drain(..2);
    }
    let data = house.front.data.to_str().unwrap();
    words.extend(["server", "set", "--port", "10777", "--json", "--data", data]);
    let program = if words[0] == GATEWAY {
        words.remove(0)
    } else {
        "setpriv"
    };
    let outcome = tool::run(program, words, "");
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert_eq!(fs::read(house.config()).unwrap(), before);
    let told: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let line = String::from_utf8(before).unwrap();
    let line = line
        .lines()
        .position(|line| line.starts_with("server:"))
        .unwrap()
        + 1;
    let place = format!("gateway.yaml:{line}: ");
    let paste = told["error"]["paste"].as_str().unwrap();
    assert!(paste.contains(&place) && paste.contains("10777"), "{told}");
    assert_eq!(house.status()["server"]["port"], old);
    mode(0o640);
    server(&house, &["set", "--port", "0"]);
    let after = fs::metadata(house.config()).unwrap().permissions().mode();
    assert_eq!(after & 0o777, 0o640, "written in place");
}
