//! `gateway why ADDRESS`: the line, the throttle, the last refusals, and what to do.

use harness::{Authority, DEADLINE, Database, RecordingUpstream, eventually, tool};
use serde_json::Value;

use crate::house::{House, Plan, assert_refusal, log_in, session_query};

const TERMINAL: [u8; 4] = [127, 0, 7, 1];
const NEIGHBOUR: [u8; 4] = [127, 0, 7, 2];

/// Database `a` with ivan, and `b` without a login.
fn house() -> (RecordingUpstream, House) {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::new();
    let user = plan.user("ivan", "external-connection", "Right-1");
    let first = Database::new("a", upstream.url()).with_users([user]);
    let plan = plan.with(first).with(Database::new("b", upstream.url()));
    let house = plan.start();
    (upstream, house)
}

#[track_caller]
fn why(house: &House, address: &str) -> Value {
    let outcome = house.command(&["why", address, "--json"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    serde_json::from_str(&outcome.stdout).unwrap()
}

#[track_caller]
fn words(house: &House, address: &str) -> String {
    let outcome = house.command(&["why", address]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    outcome.stdout
}

fn conclusion(report: &Value) -> String {
    let sentences = report["conclusion"].as_array().unwrap();
    let sentences: Vec<_> = sentences.iter().filter_map(Value::as_str).collect();
    sentences.join("\n")
}

#[test]
fn a_blacklisted_address_is_told_its_line_and_the_command_that_lets_it_in_does() {
    let (_upstream, house) = house();
    house.front.list(
        "a",
        "blacklist",
        "# склад\r\n10.0.0.1\r\n127.0.7.0/31 # чужие\r\n",
    );
    crate::house::until_refused(&house.dial("a").from(TERMINAL));

    let report = why(&house, "::ffff:127.0.7.1");
    assert_eq!(report["address"], "127.0.7.1");
    let [first, second] = [0, 1].map(|place| &report["databases"][place]);
    assert_eq!(
        (&first["verdict"], &second["verdict"]),
        (&"blocked".into(), &"admitted".into())
    );
    let line = &first["decided_by"][0];
    assert_eq!(
        (&line["line"], &line["text"]),
        (&3.into(), &"127.0.7.0/31 # чужие".into())
    );
    assert_eq!(report["refusals"][0]["reason"], "address-refused");
    let told = words(&house, "127.0.7.1");
    let command = "gateway list add 'Database a' whitelist 127.0.7.1";
    assert!(
        told.contains("blacklist.dat:3 «127.0.7.0/31 # чужие»"),
        "{told}"
    );
    assert!(told.contains(command), "{told}");

    let typed: Vec<&str> = command.split(['\'']).collect();
    let [_, name, rest] = &*typed else {
        panic!("{typed:?}")
    };
    let mut arguments = vec!["list", "add", name];
    arguments.extend(rest.split_whitespace());
    assert_eq!(house.command(&arguments).code, Some(0));
    assert!(!house.dial("a").from(TERMINAL).gets_no_byte());
    let report = why(&house, "127.0.7.1");
    assert_eq!(report["databases"][0]["verdict"], "whitelisted");
    assert!(!conclusion(&report).contains("blacklist.dat"), "{report}");
}

#[test]
fn a_throttled_address_is_told_its_failures_and_how_long_and_a_neighbour_is_not() {
    let (_upstream, house) = house();
    let dial = house.dial("a").from(TERMINAL);
    let mut last = String::new();
    for number in 0..10 {
        let answer = dial.get(&session_query("ivan", &format!("Guess-{number}")), &[]);
        assert_refusal(&answer, 401);
        last = answer.header("x-request-id").unwrap().to_owned();
    }
    assert_refusal(&dial.get(&session_query("nobody", "Guess-x"), &[]), 429);

    // Each is remembered once its answer is sent, perhaps in another order.
    let of = |report: &Value, reason: &str| -> Option<Value> {
        let refusals = report["refusals"].as_array()?;
        let found = refusals.iter().find(|one| one["reason"] == reason);
        found.cloned()
    };
    let (report, wrong, blocked) = eventually(DEADLINE, "all refusals are remembered", || {
        let report = why(&house, "127.0.7.1");
        let wrong = of(&report, "wrong-password").filter(|wrong| wrong["times"] == 10)?;
        let blocked = of(&report, "too-many-failures")?;
        Some((report, wrong, blocked))
    });
    assert_eq!(report["throttle"]["failures"], 10);
    let seconds = report["throttle"]["blocked_seconds"].as_u64().unwrap();
    assert!((1..=60).contains(&seconds), "{report}");
    assert_eq!(
        (&blocked["status"], &wrong["status"]),
        (&429.into(), &401.into())
    );
    assert_eq!(
        (&wrong["request_id"], &wrong["database"]),
        (&last.into(), &"a".into())
    );
    assert!(
        conclusion(&report).contains(&format!("{seconds} с")),
        "{report}"
    );
    let told = words(&house, "127.0.7.1");
    for secret in ["Guess-", "nobody", "ivan"] {
        assert!(
            !told.contains(secret) && !report.to_string().contains(secret),
            "{told}"
        );
    }
    let neighbour = why(&house, "127.0.7.2");
    assert_eq!(neighbour["throttle"]["failures"], 0);
    assert_eq!(neighbour["refusals"], Value::Array(Vec::new()));
}

#[test]
fn a_success_names_its_user_and_what_failed_since_is_told() {
    let (_upstream, house) = house();
    let dial = house.dial("a").from(NEIGHBOUR);
    log_in(&dial, "ivan", "Right-1");
    let report = eventually(DEADLINE, "the success is remembered", || {
        let report = why(&house, "127.0.7.2");
        report["last_success"].is_object().then_some(report)
    });
    let success = &report["last_success"];
    assert_eq!(
        (&success["user"], &success["database"]),
        (&"id-ivan".into(), &"a".into())
    );
    assert_eq!(report["refusals"], Value::Array(Vec::new()));

    assert_refusal(&dial.get("/api/v1/Docs", &[]), 401);
    let form = b"grant_type=password&username=ivan&password=wrong";
    let kind = ("content-type", "application/x-www-form-urlencoded");
    let answer = dial
        .open()
        .http("POST", "/api/v1/connect/token", &[kind], form);
    assert_eq!(answer.status(), 400, "OAuth's own shape");
    let told = eventually(DEADLINE, "the refusal is remembered", || {
        let told = words(&house, "127.0.7.2");
        told.contains("неверный пароль").then_some(told)
    });
    assert!(
        told.contains("id-ivan") && told.contains("запрос без имени и пароля"),
        "{told}"
    );
}

#[test]
fn what_an_existing_server_refuses_itself_is_told_as_its_refusal() {
    let upstream = RecordingUpstream::start(|exchange| {
        let body = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
        exchange.raw(body.as_bytes())
    });
    let house = Plan::new()
        .with(Database {
            authentication: "upstream",
            ..Database::new("a", upstream.url())
        })
        .start();
    let authorization = crate::house::basic("ivan", "wrong");
    let headers = [("authorization", authorization.as_str())];
    let dial = house.dial("a").from(TERMINAL);
    assert_eq!(dial.get("/api/v1/Docs", &headers).status(), 401);
    let report = eventually(DEADLINE, "the refusal is remembered", || {
        let report = why(&house, "127.0.7.1");
        report["refusals"][0].is_object().then_some(report)
    });
    assert_eq!(report["refusals"][0]["reason"], "refused-upstream");
    assert_eq!(report["throttle"]["failures"], 1);
}

#[test]
fn a_failed_handshake_is_told_with_its_reason() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::new();
    let authority = Authority::new(plan.path());
    let certificate = authority.issue("server", &["127.0.0.1"]);
    let house = plan
        .with(Database {
            https: true,
            certificate: Some(certificate),
            ..Database::new("a", upstream.url())
        })
        .start();
    let address = house.address("a").to_string();
    // The system's own authorities do not include this one.
    let _refused = tool::s_client(&address, &["-verify_return_error"], "Q\n");
    let report = eventually(DEADLINE, "the handshake is remembered", || {
        let report = why(&house, "127.0.0.1");
        report["handshakes_failed"][0].is_object().then_some(report)
    });
    assert_eq!(
        report["handshakes_failed"][0]["reason"],
        "unknown-authority"
    );
    assert!(conclusion(&report).contains("издателя"), "{report}");
}

#[test]
fn while_a_list_is_damaged_the_line_of_the_last_good_copy_is_named() {
    let (_upstream, house) = house();
    house.front.list("a", "blacklist", "127.0.7.1\n");
    crate::house::until_refused(&house.dial("a").from(TERMINAL));
    house
        .front
        .list("a", "blacklist", "# x\n# y\n127.0.7.1\n10.0.0.300\n");
    let told = eventually(DEADLINE, "the fault is told", || {
        let told = words(&house, "127.0.7.1");
        told.contains("blacklist.dat:4").then_some(told)
    });
    assert!(told.contains("blacklist.dat:1 «127.0.7.1»"), "{told}");
    assert!(house.dial("a").from(TERMINAL).gets_no_byte());
}

#[test]
fn an_address_never_seen_is_said_to_be_so_and_ipv6_is_counted_by_its_64() {
    let (_upstream, house) = house();
    let report = why(&house, "2001:db8:1:2::7");
    assert_eq!(report["counted_as"], "2001:db8:1:2::/64");
    assert!(report["last_success"].is_null(), "{report}");
    assert!(conclusion(&report).contains("брандмауэр"), "{report}");
    assert_eq!(house.command(&["why", "shop.example"]).code, Some(2));
    let nowhere = tempfile::tempdir().unwrap();
    let arguments = ["why", "::1", "--data", nowhere.path().to_str().unwrap()];
    let outcome = tool::run(crate::house::GATEWAY, arguments, "");
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
}
