//! faketime carries certificates over their end.

use harness::{Authority, Clock, DEADLINE, Database, Dial, Gateway, RecordingUpstream, eventually};

use crate::house::{GATEWAY, Plan};

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
