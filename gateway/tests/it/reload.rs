//! The file: checked whole, all faults at once, and only a good one comes into force.

use std::{fs, os::unix::fs::PermissionsExt};

use harness::{DEADLINE, Database, RecordingUpstream, eventually, tool};

use crate::house::{GATEWAY, Plan, session_query};

#[test]
fn a_faulty_file_leaves_the_old_one_in_force_and_is_named_in_log_and_status() {
    let upstream = RecordingUpstream::ok();
    let mut house = Plan::open_to(&upstream).start();
    let dial = house.dial("a");
    let mut kept = dial.open();
    kept.http("GET", "/x", &[], b"");
    let good = house.front.yaml();
    for (broken, named) in [
        (
            good.replace("authentication: none", "authentification: none"),
            "authentification",
        ),
        (good.replace("https: false", "https: perhaps"), "perhaps"),
        ("databases: [".to_owned(), "gateway.yaml"),
    ] {
        house.gateway.write_config(&broken);
        house.process.signal("HUP");
        eventually(DEADLINE, "the status names the fault", || {
            house.status()["config"]["faults"]
                .to_string()
                .contains(named)
                .then_some(())
        });
        house.logged(&[named]);
        assert_eq!(kept.http("GET", "/x", &[], b"").text(), "ok");
        assert_eq!(dial.get("/x", &[]).text(), "ok");
    }
    house.change(|_| {});
    eventually(DEADLINE, "the fault is gone", || {
        house.status()["config"]["faults"]
            .as_array()?
            .is_empty()
            .then_some(())
    });
    assert_eq!(
        kept.http("GET", "/x", &[], b"").text(),
        "ok",
        "on the same connection"
    );
}

#[test]
fn a_file_that_is_faulty_at_the_start_is_refused() {
    let plan = Plan::new();
    let file = plan.path().join("gateway.yaml");
    fs::write(&file, plan.front.yaml() + "surprise: 1\n").unwrap();
    let data = plan.front.data.clone();
    let mut process = harness::Gateway::spawn(GATEWAY, &file, &data);
    assert_eq!(
        process.wait_exit(DEADLINE).code(),
        Some(1),
        "{}",
        process.output()
    );
    assert!(
        process.output().contains("surprise"),
        "{}",
        process.output()
    );
}

#[test]
fn five_faults_are_listed_as_five_each_with_its_place() {
    let plan = Plan::new();
    let file = plan.path().join("faulty.yaml");
    let text = "\
language: fr
trusted_proxies: [0.0.0.0/0]
surprise: 1
databases:
  - id: a
    name: A
    https: true
    authentication: gatewy
    rights: pass
    port: 70000
    upstream: http://127.0.0.1:9
";
    fs::write(&file, text).unwrap();
    let outcome = tool::run(GATEWAY, ["check", file.to_str().unwrap()], "");
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let said = outcome.stdout + &outcome.stderr;
    let places = ["1:11", "2:", "3:1", "8:21", "10:11"];
    for place in places {
        let place = format!("faulty.yaml:{place}");
        assert!(said.contains(&place), "{place} in {said}");
    }
    assert!(said.contains("databases[0].authentication"), "{said}");
    assert!(said.contains("gateway"), "the nearest word: {said}");
    let faults = said
        .lines()
        .filter(|line| line.contains("faulty.yaml:"))
        .count();
    assert_eq!(faults, 5, "{said}");
}

#[test]
fn warnings_do_not_refuse_unless_asked_to() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::open_to(&upstream);
    let file = plan.path().join("warned.yaml");
    fs::write(&file, plan.front.yaml()).unwrap();
    let file = file.to_str().unwrap();
    let outcome = tool::run(GATEWAY, ["check", file], "");
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let said = outcome.stdout + &outcome.stderr;
    assert!(
        said.contains("warned.yaml:"),
        "https off and authentication off are warned of: {said}"
    );
    assert_eq!(
        tool::run(GATEWAY, ["check", "--strict", file], "").code,
        Some(1)
    );
    assert_eq!(tool::run(GATEWAY, ["check"], "").code, Some(2), "usage");
    let house = plan.start();
    let warnings = house.status()["config"]["warnings"]
        .as_array()
        .unwrap()
        .len();
    assert!(warnings >= 2, "repeated in the status");
}

#[test]
fn the_status_names_the_line_of_each_database_in_the_file() {
    let upstream = RecordingUpstream::ok();
    let mut house = Plan::open_to(&upstream)
        .with(Database::new("b", upstream.url()))
        .start();
    let stands_at = |house: &crate::house::House, id: &str| {
        let text = house.front.yaml();
        let entry = format!("- id: \"{id}\"");
        let line = text.lines().position(|line| line.contains(&entry)).unwrap() + 1;
        format!("{}:{line}", house.config().display())
    };
    for id in ["a", "b"] {
        assert_eq!(house.state(id)["source"], stands_at(&house, id));
    }
    house.change(|front| drop(front.databases.remove(0)));
    let place = stands_at(&house, "b");
    eventually(DEADLINE, "the line is the new one", || {
        (house.state("b")["source"] == place.as_str()).then_some(())
    });
}

#[test]
fn a_key_that_others_may_read_is_a_fault() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::new();
    let authority = harness::Authority::new(plan.path());
    let issued = authority.issue("a", &["127.0.0.1"]);
    let key = issued.key.clone();
    let plan = plan.with(Database {
        https: true,
        certificate: Some(issued),
        ..Database::new("a", upstream.url())
    });
    let file = plan.path().join("readable.yaml");
    fs::write(&file, plan.front.yaml()).unwrap();
    let check = || tool::run(GATEWAY, ["check", file.to_str().unwrap()], "");
    assert_eq!(check().code, Some(0));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let outcome = check();
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
}

#[test]
fn a_renewed_certificate_is_served_to_the_next_connection() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::new();
    let authority = harness::Authority::new(plan.path());
    let issued = authority.issue("a", &["127.0.0.1"]);
    let plan = plan.with(Database {
        https: true,
        certificate: Some(issued),
        ..Database::new("a", upstream.url())
    });
    let house = plan.start();
    let dial = harness::Dial::tls(house.address("a"), authority.file());
    let mut kept = dial.open();
    let before = kept.peer_thumbprint();
    authority.issue("a", &["127.0.0.1"]);
    house.process.signal("HUP");
    eventually(DEADLINE, "the new certificate is served", || {
        (dial.try_open().ok()?.peer_thumbprint() != before).then_some(())
    });
    assert_eq!(
        kept.http("GET", "/x", &[], b"").text(),
        "ok",
        "open connections stay"
    );
}

#[test]
fn the_printed_hash_logs_in() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::new();
    let user = plan.user("ivan", "mobile-user", "Слово");
    let again = plan.user("ivan", "mobile-user", "Слово");
    let (one, two) = (user.password.clone().unwrap(), again.password.unwrap());
    assert!(
        one.phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{}",
        one.phc
    );
    assert_ne!(one.phc, two.phc, "a salt each");
    assert_eq!(one.index, two.index, "one index a password");
    let key = plan.front.data.join("secrets/index.key");
    assert_eq!(
        fs::metadata(&key).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let house = plan
        .with(Database::new("a", upstream.url()).with_users([user]))
        .start();
    assert_eq!(
        house
            .dial("a")
            .get(&session_query("ivan", "Слово"), &[])
            .status(),
        200
    );
}
