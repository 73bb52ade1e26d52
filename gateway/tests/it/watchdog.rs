//! The watchdog: what a port really serves, seen from outside; alarms before a certificate ends.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
};

use harness::{
    Authority, Clock, DEADLINE, Database, Dial, Gateway, Issued, eventually, free_port, tool,
};
use serde_json::Value;

use crate::house::{GATEWAY, House, Plan, until_refused};

/// A database over https, with this certificate; without one, the test certificate.
fn database(id: &str, certificate: Option<Issued>) -> Database {
    // Nothing has to answer behind it.
    let upstream = format!("http://127.0.0.1:{}", free_port());
    Database {
        https: true,
        certificate,
        ..Database::new(id, upstream)
    }
}

/// With a database `a`.
fn house(plan: Plan, certificate: Option<Issued>) -> House {
    plan.with(database("a", certificate)).start()
}

fn issued(plan: &Plan, days: i64) -> Issued {
    let authority = Authority::new(plan.path());
    authority.issue_for("server", &["gate.example", "127.0.0.1"], days)
}

/// Every port dialled anew; what was found at that of `a`.
#[track_caller]
fn watched(house: &House) -> Value {
    let mut socket = UnixStream::connect(house.front.data.join("admin.sock")).unwrap();
    let request = "POST /watchdog HTTP/1.1\r\nhost: admin\r\naccept-language: en\r\nconnection: close\r\n\r\n";
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    let report: Value = serde_json::from_str(body).unwrap();
    report["databases"][0]["watched"].clone()
}

/// `certificate_WHAT` of a data server port.
#[track_caller]
fn figure(house: &House, what: &str, database: &str) -> i64 {
    let begin =
        format!("smarts_gateway_certificate_{what}{{database=\"{database}\",port=\"data\"}} ");
    let metrics = metrics(house);
    let figure = metrics.lines().find_map(|line| line.strip_prefix(&begin));
    figure
        .unwrap_or_else(|| panic!("{begin} in {metrics}"))
        .parse()
        .unwrap()
}

fn metrics(house: &House) -> String {
    Dial::plain(house.metrics_address())
        .get("/metrics", &[])
        .text()
}

#[test]
fn a_port_that_serves_what_it_should_is_said_to_and_our_own_probes_count_nowhere() {
    let plan = Plan::new();
    let certificate = issued(&plan, 300);
    let house = house(plan, Some(certificate));
    eventually(DEADLINE, "the port is dialled by itself", || {
        let checked = &house.state("a")["watched"]["checked"];
        checked.is_string().then_some(())
    });
    let found = watched(&house);
    assert_eq!(found["trust"], "missing", "{found}");
    assert_eq!(found["issuer"], "Test authority", "{found}");
    assert!(found["faults"].is_null(), "{found}");
    let told = house.command(&["status"]).stdout;
    assert!(told.contains("порт отдаёт то, что должен"), "{told}");
    let metrics = metrics(&house);
    let nowhere = ["handshakes_failed_total{", "refused_total{"];
    assert!(
        !nowhere.iter().any(|one| metrics.contains(one)),
        "{metrics}"
    );
    assert!(
        metrics.contains("smarts_gateway_connections_total 0"),
        "{metrics}"
    );
    assert!(
        metrics.contains("port_faults{database=\"a\",port=\"data\"} 0"),
        "{metrics}"
    );
    // Nothing tells an intermediate that was left out from a root that terminals have.
    let told = house.command(&["doctor"]).stdout;
    let mut lines = told.lines();
    let remark = lines.find(|line| line.contains("«Test authority»"));
    assert!(remark.unwrap().starts_with('!'), "{told}");
    assert!(lines.next().unwrap().contains("gateway cert import"));
}

#[test]
fn every_hour_every_port_is_dialled_again_though_nothing_has_changed() {
    let plan = Plan::new().with(database("a", None));
    let clock = Clock::new(plan.path());
    let config = plan.path().join("gateway.yaml");
    std::fs::write(&config, plan.front.yaml()).unwrap();
    let mut gateway = Gateway::start_by(GATEWAY, &config, &plan.front.data, &clock);
    let checked = || {
        let checked = gateway.status()["databases"][0]["watched"]["checked"].clone();
        Some(checked.as_str()?.to_owned())
    };
    let first = eventually(DEADLINE, "dialled by itself", checked);
    clock.turn(60 * 60 + 1);
    eventually(DEADLINE, "dialled an hour later", || {
        checked().filter(|now| *now > first)
    });
    gateway.terminate();
}

#[test]
fn a_changed_certificate_is_looked_at_without_waiting_for_the_hour() {
    let house = house(Plan::new(), None);
    let trust = |wanted: &str| {
        eventually(DEADLINE, wanted, || {
            (house.state("a")["watched"]["trust"] == wanted).then_some(())
        });
    };
    trust("itself");
    let issued = house.command(&["cert", "authority"]);
    assert_eq!(issued.code, Some(0), "{issued:?}");
    trust("own");
}

#[test]
fn a_blacklist_of_everybody_does_not_blind_it_and_lets_nobody_else_in() {
    let plan = Plan::new();
    let certificate = issued(&plan, 300);
    let house = house(plan, Some(certificate));
    house.front.list("a", "blacklist", "0.0.0.0/0\n::/0\n");
    let dial = Dial::tls_blindly(house.address("a"));
    until_refused(&dial);
    let rounds = std::thread::scope(|scope| {
        let rounds = scope.spawn(|| (0..5).map(|_| watched(&house)).collect::<Vec<_>>());
        // A stranger of the very address from which the probes come.
        while !rounds.is_finished() {
            assert!(dial.gets_no_byte());
        }
        rounds.join().unwrap()
    });
    for found in rounds {
        assert!(found["checked"].is_string(), "{found}");
        assert!(found["faults"].is_null(), "{found}");
    }
}

#[test]
fn under_every_profile_each_client_gets_what_it_should_the_whitelisted_windows_ce_too() {
    for tls in ["modern", "intermediate", "old", "old-for-everyone"] {
        let database = Database {
            tls,
            ..database("a", None)
        };
        let house = Plan::new().with(database).start();
        let found = watched(&house);
        assert!(found["checked"].is_string(), "{tls}: {found}");
        assert!(found["faults"].is_null(), "{tls}: {found}");
    }
}

#[test]
fn an_intermediate_that_is_not_sent_is_found_and_told_with_the_way_out() {
    let plan = Plan::new();
    let path = |name: &str| plan.path().join(name).display().to_string();
    let made = |name: &str, more: &[&str]| {
        let (chain, key) = (path(&format!("{name}.pem")), path(&format!("{name}.key")));
        let fixed = [
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "300",
            "-out",
            &chain,
            "-keyout",
            &key,
        ];
        let made = tool::run("openssl", fixed.into_iter().chain(more.iter().copied()), "");
        assert_eq!(made.code, Some(0), "{made:?}");
        Issued {
            chain: chain.into(),
            key: key.into(),
        }
    };
    let upper = made("upper", &["-subj", "/CN=Upper"]);
    let (chain, key) = (upper.chain.to_str().unwrap(), upper.key.to_str().unwrap());
    let leaf = made(
        "leaf",
        &[
            "-subj",
            "/CN=gate.example",
            "-CA",
            chain,
            "-CAkey",
            key,
            "-addext",
            "subjectAltName=DNS:gate.example,IP:127.0.0.1",
            "-addext",
            "authorityInfoAccess=caIssuers;URI:http://upper.example/upper.cer",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ],
    );
    let house = house(plan, Some(leaf));
    let found = watched(&house);
    let fault = found["faults"][0].as_str().unwrap().to_owned();
    for word in [
        "Upper",
        "http://upper.example/upper.cer",
        "gateway cert import",
    ] {
        assert!(fault.contains(word), "{fault}");
    }
    house.logged(&["the port does not serve what it should", "Upper"]);
    let metrics = metrics(&house);
    let counted = "port_faults{database=\"a\",port=\"data\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
    let told = house.command(&["status"]).stdout;
    assert!(told.contains("«Upper»"), "{told}");
}

/// Which databases' certificates an alarm has sounded for, once it has for `last`: a round goes
/// through the ports in their order.
#[track_caller]
fn alarms_up_to(house: &House, last: &str) -> Vec<String> {
    let of = |id: &str| format!("the data server of {id}");
    house.logged(&["a certificate ends", &of(last)]);
    let log = house.log();
    let lines = log
        .lines()
        .filter(|line| line.contains("a certificate ends"));
    let all = lines.filter_map(|line| {
        let ids = ["a", "b"].into_iter();
        ids.map(str::to_owned).find(|id| line.contains(&of(id)))
    });
    all.collect()
}

#[test]
fn a_certificate_that_ends_soon_is_told_once_and_not_again_after_a_restart() {
    let plan = Plan::new();
    let certificate = issued(&plan, 3);
    let mut house = house(plan, Some(certificate));
    let alarm = house.logged(&["a certificate ends"]);
    for word in [
        "\"level\":\"ERROR\"",
        "the data server of a",
        "Replace the files",
    ] {
        assert!(alarm.contains(word), "{alarm}");
    }
    let state = house.state("a");
    let told = state["certificates"][0]["alarm"].as_str().unwrap();
    assert!(told.contains("Replace the files"), "{told}");
    let seconds = figure(&house, "seconds_left", "a");
    assert!((2..=3).contains(&(seconds / 86_400)), "{seconds}");
    assert_eq!(figure(&house, "alarm", "a"), 2);
    let kept = house.front.data.join("cache").join("alarms.json");
    eventually(DEADLINE, "it is kept that it was told", || {
        kept.exists().then_some(())
    });
    assert!(house.terminate().success());

    let mut house = house.killed_and_started_again();
    let config = house.config();
    let authority = Authority::new(config.parent().unwrap());
    let other = authority.issue_for("b", &["127.0.0.1"], 3);
    house.change(|front| front.databases.push(database("b", Some(other))));
    assert_eq!(alarms_up_to(&house, "b"), ["b"], "{}", house.log());
    assert!(house.state("a")["certificates"][0]["alarm"].is_string());
}

#[test]
fn a_certificate_with_time_left_sounds_no_alarm() {
    let plan = Plan::new();
    let authority = Authority::new(plan.path());
    let of = |id: &str, days| {
        let certificate = authority.issue_for(id, &["127.0.0.1"], days);
        database(id, Some(certificate))
    };
    let house = plan.with(of("a", 31)).with(of("b", 3)).start();
    assert_eq!(alarms_up_to(&house, "b"), ["b"], "{}", house.log());
    assert!(house.state("a")["certificates"][0]["alarm"].is_null());
    assert_eq!(figure(&house, "alarm", "a"), 0);
}
