//! `gateway doctor`: a good house gets the best grade; what is wrong with another is found, with the
//! way out, and the exit code says so.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, SystemTime},
};

use harness::{
    Authority, DEADLINE, Database, Gateway, RecordingUpstream, eventually, free_port, tool,
};
use serde_json::Value;

use crate::house::{GATEWAY, Plan};

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

const HERE: &[&str] = &["127.0.0.1", "localhost"];

/// In front of `upstream` with everything as it should be: https everywhere, a login, a certificate of
/// an authority that terminals know, for these hosts.
fn good(upstream: &str, hosts: &[&str]) -> (Plan, Gateway) {
    let plan = Plan::new();
    mode(&plan.front.data, 0o700);
    let authority = Authority::new(plan.path());
    let certificate = authority.issue_for("server", hosts, 300);
    let (chain, key) = (certificate.chain.display(), certificate.key.display());
    let default = format!("certificate: {{chain: {chain}, key: {key}}}\nserver:");
    let ivan = plan.user("ivan", "external-connection", "Right-1");
    let database = Database {
        https: true,
        authentication: "gateway",
        ..Database::new("a", upstream)
    };
    let mut plan = plan.with(database.with_users([ivan]));
    plan.front.server = (0, true);
    let yaml = plan.front.yaml().replacen("server:", &default, 1);
    let config = plan.path().join("gateway.yaml");
    fs::write(&config, yaml).unwrap();
    let data = &plan.front.data;
    let gateway = Gateway::start_knowing(GATEWAY, &config, data, authority.file());
    (plan, gateway)
}

#[track_caller]
fn diagnosed(gateway: &Gateway, code: i32) -> Value {
    let outcome = gateway.command(&["doctor", "--json"]);
    assert_eq!(outcome.code, Some(code), "{outcome:?}");
    serde_json::from_str(&outcome.stdout).unwrap()
}

/// Those that are not good, by their names.
fn bad(diagnosis: &Value) -> Vec<String> {
    let checks = diagnosis["checks"].as_array().unwrap();
    let bad = checks.iter().filter(|one| one["state"] != "good");
    let names = bad.map(|one| {
        assert!(one["fix"].is_string(), "{one}");
        one["check"].as_str().unwrap().to_owned()
    });
    names.collect()
}

#[test]
fn a_good_house_gets_the_best_grade_and_its_foot_guns_are_found_one_by_one() {
    let upstream = RecordingUpstream::ok();
    let (plan, house) = good(&upstream.url(), HERE);
    let data = &plan.front.data;
    let diagnosis = diagnosed(&house, 0);
    assert_eq!(bad(&diagnosis), [""; 0], "{diagnosis:#}");
    assert_eq!(diagnosis["grade"], "A");
    let told = house.command(&["doctor"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.stdout.contains("A"), "{told:?}");

    mode(data, 0o755);
    let diagnosis = diagnosed(&house, 1);
    assert_eq!(bad(&diagnosis), ["data-open"]);
    assert_eq!(diagnosis["grade"], "C");
    mode(data, 0o700);
    mode(&data.join("secrets").join("index.key"), 0o644);
    let diagnosis = diagnosed(&house, 1);
    // The next start would refuse it, too.
    assert_eq!(bad(&diagnosis), ["config", "secret-open"]);
    assert_eq!(diagnosis["grade"], "F");
    mode(&data.join("secrets").join("index.key"), 0o600);

    plan.front
        .list("a", "whitelist", "10.0.0.0/8\n198.0.0.0/7\n");
    let diagnosis = diagnosed(&house, 0);
    assert_eq!(bad(&diagnosis), ["whitelist-wide"]);
    assert_eq!(diagnosis["grade"], "B");
}

#[test]
fn a_name_that_nobody_knows_a_clock_that_differs_and_a_list_that_cannot_be_read_are_found() {
    let upstream = RecordingUpstream::start(|exchange| {
        let an_hour_ago = SystemTime::now() - Duration::from_secs(60 * 60);
        let date = httpdate::fmt_http_date(an_hour_ago);
        exchange.respond(200, &[("Date", &date)], b"ok")
    });
    let (plan, house) = good(&upstream.url(), &["127.0.0.1", "gate.invalid"]);
    // Root reads any file; nobody reads a folder as one.
    let list = plan.front.folder("a").join("Server/blacklist.dat");
    fs::create_dir_all(&list).unwrap();
    eventually(DEADLINE, "the gateway has seen the list", || {
        let lists = house.status()["databases"][0]["lists"].clone();
        let mut lists = lists.as_array()?.iter();
        lists.any(|one| one["fault"].is_string()).then_some(())
    });
    let diagnosis = diagnosed(&house, 1);
    let found = [
        "name-unknown",
        "list-damaged",
        "clock-skew",
        "list-unreadable",
    ];
    assert_eq!(bad(&diagnosis), found, "{diagnosis:#}");
    assert_eq!(diagnosis["grade"], "D");
}

#[test]
fn a_house_that_is_open_to_everybody_fails_and_each_hole_has_its_fix() {
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let house = Plan::new().with(Database::new("a", nobody)).start();
    let diagnosis = diagnosed(&house, 1);
    assert_eq!(diagnosis["grade"], "F");
    let bad = bad(&diagnosis);
    for hole in [
        "authentication-off",
        "https-off",
        "server-https-off",
        "upstream-gone",
        "data-open",
    ] {
        assert!(bad.iter().any(|one| one == hole), "{hole} in {bad:?}");
    }
    let told = house.command(&["doctor"]);
    assert_eq!(told.code, Some(1));
    for word in ["✗", "→ chmod 700", "F"] {
        assert!(told.stdout.contains(word), "{}", told.stdout);
    }
}

#[test]
fn without_a_gateway_the_files_are_checked_and_the_exit_code_is_3() {
    let folder = harness::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    mode(&data, 0o755);
    let arguments = ["doctor", "--json", "--data", data.to_str().unwrap()];
    let outcome = tool::run(GATEWAY, arguments, "");
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    let diagnosis: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(
        (&diagnosis["running"], &diagnosis["grade"]),
        (&false.into(), &Value::Null)
    );
    let bad = bad(&diagnosis);
    for found in ["not-running", "data-open"] {
        assert!(bad.iter().any(|one| one == found), "{bad:?}");
    }
}

#[test]
fn damaged_files_of_the_servers_certificate_are_named_while_the_pair_before_them_serves() {
    let upstream = RecordingUpstream::ok();
    let (_plan, house) = good(&upstream.url(), HERE);
    let fault = || house.status()["server"]["certificate_fault"].clone();
    assert!(fault().is_null(), "{}", fault());
    let chain = house.status()["server"]["certificates"][0]["file"].clone();
    let chain = chain.as_str().unwrap();
    fs::write(chain, "").unwrap();
    eventually(DEADLINE, "status names the file", || {
        fault().as_str()?.contains("server").then_some(())
    });
    let server = house.status()["server"].clone();
    assert_eq!(server["state"], "open", "{server}");
    assert_eq!(server["certificates"].as_array().unwrap().len(), 1);
    assert_eq!(bad(&diagnosed(&house, 1)), ["certificate-files"]);
    let shown = house.command(&["cert", "show"]).stdout;
    let (fault, pair) = (format!("✗ {chain}"), "SHA-256");
    assert!(shown.contains(&fault) && shown.contains(pair), "{shown}");
}
