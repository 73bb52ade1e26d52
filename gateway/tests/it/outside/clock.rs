//! faketime carries certificates over their end.

use harness::{
    Authority, Clock, DEADLINE, Database, Dial, Gateway, RecordingUpstream, eventually, tempdir,
    tool::{self, Outcome},
};
use serde_json::Value;

use super::{DOCUMENT, DOCUMENT_NAME, Shop};
use crate::house::{GATEWAY, Plan, basic};

const DAY: i64 = 24 * 60 * 60;
/// What a test may take between issuing a certificate and turning the clock.
const SLACK: i64 = 15 * 60;

#[test]
fn a_certificate_that_ends_while_it_serves_is_refused_from_then_on() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::new();
    let clock = Clock::new(plan.path());
    let authority = Authority::new(plan.path());
    let of = |id: &str, days| Database {
        https: true,
        certificate: Some(authority.issue_for(id, &["127.0.0.1"], days)),
        ..Database::new(id, upstream.url())
    };
    let plan = plan.with(of("short", 30)).with(of("long", 90));
    let config = plan.path().join("gateway.yaml");
    std::fs::write(&config, plan.front.yaml()).unwrap();
    let mut gateway = Gateway::start_by(GATEWAY, &config, &plan.front.data, &clock);
    let dial = |id| Dial::tls(gateway.address(id), authority.file());
    let (short, long) = (dial("short"), dial("long"));

    clock.turn(30 * DAY - SLACK);
    assert_eq!(short.get("/x", &[]).text(), "ok", "until its last minute");
    clock.turn(30 * DAY + 1);
    eventually(DEADLINE, "its port closes every connection", || {
        short.try_open().err()
    });
    assert_eq!(long.get("/x", &[]).text(), "ok", "the others serve");
    let plain = Dial::plain(short.to())
        .open()
        .try_http("GET", "/x", &[], b"");
    let told = plain.ok().and_then(|reply| match reply {
        harness::Reply::Response(answer) => Some(answer.status()),
        _ => None,
    });
    assert_ne!(told, Some(200), "never plain HTTP instead");
    let reason = eventually(DEADLINE, "the status says why", || {
        let status = gateway.status();
        let databases = status["databases"].as_array()?;
        let short = databases.iter().find(|one| one["id"] == "short")?;
        Some(short["reason"].as_str()?.to_owned())
    });
    assert!(
        reason.contains("short.pem") && reason.contains("expired"),
        "{reason}"
    );
    assert!(gateway.log().contains("expired"), "{}", gateway.log());
    gateway.terminate();
}

/// A small computer without a battery starts before it has asked what time it is.
#[test]
fn a_test_certificate_made_by_a_wrong_clock_is_made_anew_when_it_is_set_right() {
    for years in [-10, 2] {
        let upstream = RecordingUpstream::ok();
        let plan = Plan::new();
        let clock = Clock::new(plan.path());
        clock.turn(years * 365 * DAY);
        let plan = plan.with(Database {
            https: true,
            ..Database::new("a", upstream.url())
        });
        let config = plan.path().join("gateway.yaml");
        std::fs::write(&config, plan.front.yaml()).unwrap();
        let mut gateway = Gateway::start_by(GATEWAY, &config, &plan.front.data, &clock);
        let dial = Dial::tls_blindly(gateway.address("a"));
        let first = dial.open().peer_thumbprint();

        clock.turn(0);
        eventually(DEADLINE, "another one serves", || {
            let shown = dial.try_open().ok()?.peer_thumbprint();
            (shown != first).then_some(())
        });
        assert_eq!(dial.get("/x", &[]).text(), "ok");
        gateway.terminate();
    }
}

/// Lines of the log that say that a certificate ends.
fn alarms(gateway: &Gateway) -> Vec<Value> {
    let log = gateway.log();
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let ends = |line: &Value| line["message"] == "a certificate ends";
    lines.filter(ends).collect()
}

#[test]
fn an_alarm_sounds_once_at_30_14_7_3_and_1_days_and_at_the_end() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::new();
    let clock = Clock::new(plan.path());
    let authority = Authority::new(plan.path());
    let plan = plan.with(Database {
        https: true,
        certificate: Some(authority.issue_for("a", &["127.0.0.1"], 90)),
        ..Database::new("a", upstream.url())
    });
    let config = plan.path().join("gateway.yaml");
    std::fs::write(&config, plan.front.yaml()).unwrap();
    let mut gateway = Gateway::start_by(GATEWAY, &config, &plan.front.data, &clock);
    let metrics = Dial::plain(gateway.metrics_address());

    // How many have sounded, and how urgent the last one is.
    let stages = [
        (31, 0, 0),
        (30, 1, 1),
        (20, 1, 1),
        (14, 2, 1),
        (8, 2, 1),
        (7, 3, 2),
        (4, 3, 2),
        (3, 4, 2),
        (2, 4, 2),
        (1, 5, 2),
    ];
    for (days, sounded, urgency) in stages {
        clock.turn((90 - days) * DAY + SLACK);
        let status = eventually(DEADLINE, "the ports were dialled at this time", || {
            let status = gateway.status();
            let left = status["databases"][0]["certificates"][0]["days_left"].as_i64()?;
            let text = metrics.get("/metrics", &[]).text();
            let figure = |what: &str| -> Option<i64> {
                let line = format!("certificate_{what}{{database=\"a\",port=\"data\"}} ");
                text.split(&line).nth(1)?.lines().next()?.parse().ok()
            };
            let now = left == days - 1
                && (figure("seconds_left")? - days * DAY).abs() < 2 * SLACK
                && figure("alarm")? == urgency;
            let all = now && alarms(&gateway).len() >= sounded;
            all.then_some(status)
        });
        assert_eq!(
            alarms(&gateway).len(),
            sounded,
            "{days} days: {}",
            gateway.log()
        );
        let alarm = &status["databases"][0]["certificates"][0]["alarm"];
        assert_eq!(alarm.is_string(), sounded > 0, "{days} days: {alarm}");
    }
    let urgent = alarms(&gateway);
    let levels: Vec<_> = urgent
        .iter()
        .map(|line| line["level"].as_str().unwrap())
        .collect();
    assert_eq!(levels, ["WARN", "WARN", "ERROR", "ERROR", "ERROR"]);

    clock.turn(90 * DAY + SLACK);
    eventually(DEADLINE, "the last one says that it has ended", || {
        (alarms(&gateway).len() == 6).then_some(())
    });
    eventually(DEADLINE, "and it is refused", || {
        Dial::tls_blindly(gateway.address("a")).try_open().err()
    });
    gateway.terminate();
}

#[test]
fn our_own_authoritys_certificate_renews_before_its_end_and_no_connection_is_dropped() {
    let folder = tempdir().unwrap();
    let clock = Clock::new(folder.path());
    let mut shop = Shop::with_own_authority("127.0.0.1", "", &["p256"], Some(&clock));
    let dial = Dial::tls(([127, 0, 0, 1], shop.port).into(), &shop.root);
    let mut kept = dial.open();
    let first = kept.peer_thumbprint();
    let life = 397;

    clock.turn((life * 2 / 3 - 2) * DAY);
    let outcome = reads_by(&clock, &shop);
    assert!(outcome.stdout.contains(DOCUMENT_NAME), "{outcome:?}");
    assert_eq!(dial.open().peer_thumbprint(), first, "there is time");

    // Up to a day later than a third: many gateways do not renew at one time.
    clock.turn((life * 2 / 3 + 2) * DAY);
    eventually(DEADLINE, "a new one is served", || {
        let blindly = Dial::tls_blindly(dial.to());
        (blindly.try_open().ok()?.peer_thumbprint() != first).then_some(())
    });
    let answer = kept.http("GET", "/", &[], b"");
    assert_eq!(answer.status(), 200, "on the connection from before");

    clock.turn((life + 1) * DAY);
    let outcome = reads_by(&clock, &shop);
    assert!(
        outcome.stdout.contains(DOCUMENT_NAME),
        "past the first one's end: {outcome:?}"
    );
    shop.gateway.terminate();
}

/// curl, with the root and by the same clock.
fn reads_by(clock: &Clock, shop: &Shop) -> Outcome {
    let environment = clock
        .environment()
        .map(|(name, value)| format!("{name}={value}"));
    let url = format!("{}/Docs('{DOCUMENT}')", shop.base("127.0.0.1"));
    let authorization = format!("Authorization: {}", basic(&shop.name, &shop.password));
    let root = shop.root.to_str().unwrap();
    let curl = [
        "curl",
        "-sS",
        "--globoff",
        "--noproxy",
        "*",
        "--cacert",
        root,
    ];
    let words = environment.iter().map(String::as_str).chain(curl);
    tool::run("env", words.chain(["-H", &authorization, &url]), "")
}
