use std::{collections::BTreeSet, net::TcpListener};

use backend_types::Language;
use serde_json::{Value, json};

use gateway_config::{Cause, Overrides};
use gateway_policy::address_list::wide_lines;

use super::{
    facts::{Behind, Copies, Facts, Kind, List, Private, Reached, Resolved, reached},
    *,
};
fn report() -> Value {
    let port = json!({"address": "[::]:9706", "state": "open",
        "watched": {"checked": "2026-11-24T12:00:00Z", "trust": "public"}});
    let certificate = json!({"file": "tls/server/certificate.pem", "origin": "acme",
        "holder": "gate.example.ru", "issuer": "Authority", "issued": "2026-11-01T00:00:00Z",
        "expires": "2027-01-30T00:00:00Z", "days_left": 67, "names": ["gate.example.ru"],
        "key": "P-256", "thumbprint_sha1": "A", "thumbprint_sha256": "B"});
    let mut database = json!({"id": "shop", "name": "Магазин 15", "folder": "databases/shop",
        "comment": "", "source": "backend", "mode": "server", "warnings": [], "https": true,
        "tls": "intermediate", "client_certificates": "off",
        "authentication": "gateway", "barcode_login": false, "port": 9706,
        "account": {"used": "none", "sent": false}, "compress": false, "users": 1,
        "connections": 0, "lists": [], "certificates": [certificate],
        "tls_spoken": {"agreed": [], "old_clients": []}});
    merge(&mut database, &port);
    json!({"version": "0.1.0", "openssl": "OpenSSL", "pid": 1, "renewals": [],
        "config": {"file": "gateway.yaml", "faults": [], "warnings": []},
        "connections": 0, "databases": [database]})
}

fn merge(into: &mut Value, more: &Value) {
    for (key, value) in more.as_object().unwrap() {
        into[key] = value.clone();
    }
}

/// Of a good house whose report is changed so.
fn facts(change: impl FnOnce(&mut Value)) -> Facts {
    let mut report = report();
    change(&mut report);
    let overrides = Overrides::default();
    let loaded = gateway_config::check("backend: embedded\n", "gateway.yaml", &overrides);
    let own = "192.0.2.1".parse().unwrap();
    Facts {
        report: Some(serde_json::from_value(report).unwrap()),
        language: Language::En,
        file: "gateway.yaml".into(),
        config: Ok((loaded.unwrap().config, Vec::new())),
        named: Vec::new(),
        renewals: Vec::new(),
        reached: vec![Reached {
            port: "Магазин 15 9706".to_owned(),
            address: "192.0.2.1:9706".parse().unwrap(),
            fault: None,
        }],
        own: vec![own],
        resolved: vec![Resolved {
            name: "gate.example.ru".to_owned(),
            addresses: Ok(vec![own]),
        }],
        behind: vec![behind(Ok(Some(2)))],
        private: vec![private(0o700, Kind::DataFolder)],
        lists: vec![list("203.0.113.0/24\n10.0.0.0/8\n")],
        copies: vec![Copies {
            database: "Магазин 15".to_owned(),
            folder: "Backup".into(),
            newest: Ok(Some(1_795_522_205)),
        }],
    }
}

fn behind(ahead: Result<Option<i64>, String>) -> Behind {
    Behind {
        database: "Магазин 15".to_owned(),
        address: "10.0.0.2:9000".to_owned(),
        ahead,
        account_in_clear: false,
    }
}

fn private(mode: u32, kind: Kind) -> Private {
    Private {
        path: "data".into(),
        mode,
        owner: 1000,
        kind,
    }
}

fn list(text: &str) -> List {
    List {
        database: "Магазин 15".to_owned(),
        file: "whitelist.dat".into(),
        whitelist: true,
        wide: Ok(wide_lines(text.as_bytes(), 5)),
    }
}

/// The one finding that is not good, with its fix in both languages.
#[track_caller]
fn check(facts: &Facts, key: &str, state: State, grade: Grade) {
    let findings = judge(facts);
    let bad: Vec<_> = findings
        .iter()
        .filter(|one| one.state != State::Good)
        .collect();
    let [only] = bad[..] else {
        panic!("{key}: {bad:#?}")
    };
    assert_eq!(
        (only.key, only.state, Grade::of(&findings)),
        (key, state, grade)
    );
    let [first, second] = Language::ALL.map(|language| only.in_words(language).fix.unwrap());
    for fix in [first, second] {
        assert!(!fix.is_empty() && !fix.contains("doctor-"), "{fix}");
    }
}

#[test]
fn a_good_house_gets_the_best_grade() {
    let findings = judge(&facts(|_| {}));
    let bad: Vec<_> = findings
        .iter()
        .filter(|one| one.state != State::Good)
        .collect();
    assert!(bad.is_empty(), "{bad:#?}");
    assert_eq!(Grade::of(&findings), Grade::A);
    assert!(findings.len() >= 10, "{findings:#?}");
}

#[test]
fn what_the_gateway_says_of_itself_is_weighed() {
    use State::{Fault, OpenDoor, Remark};
    let warned = |code: &str| {
        let warning = json!([{"code": code, "message": "x"}]);
        facts(move |report| report["databases"][0]["warnings"] = warning)
    };
    check(
        &warned("authentication-off"),
        "authentication-off",
        OpenDoor,
        Grade::F,
    );
    check(&warned("https-off"), "https-off", Fault, Grade::C);
    check(
        &warned("whitelists-everybody"),
        "whitelists-everybody",
        Fault,
        Grade::C,
    );
    check(&warned("print-pass"), "print-pass", Remark, Grade::B);
    check(&warned("something-new"), "warning", Remark, Grade::B);
    let certificate = |change: Value| {
        facts(move |report| merge(&mut report["databases"][0]["certificates"][0], &change))
    };
    let test = certificate(json!({"origin": "test"}));
    check(&test, "certificate-test", Remark, Grade::B);
    let own = certificate(json!({"origin": "self-signed"}));
    check(&own, "certificate-itself", Remark, Grade::B);
    let soon = certificate(json!({"days_left": 20, "alarm": "It ends in 20 days."}));
    check(&soon, "certificate-ends", Remark, Grade::B);
    let now = certificate(json!({"days_left": -1, "alarm": "It ended."}));
    check(&now, "certificate-ends", Fault, Grade::C);
    let files = facts(|report| {
        report["databases"][0]["certificate_fault"] = json!("gate.pem: no certificate");
    });
    check(&files, "certificate-files", Fault, Grade::C);
    let served = facts(|report| report["databases"][0]["watched"]["faults"] = json!(["x"]));
    check(&served, "served", Fault, Grade::C);
    let unknown = json!({"checked": "2026-11-24T12:00:00Z", "trust": "missing", "issuer": "Lower"});
    let unknown = facts(move |report| report["databases"][0]["watched"] = unknown);
    check(&unknown, "issuer-unknown", Remark, Grade::B);
    let closed = facts(|report| report["databases"][0]["reason"] = json!("busy"));
    check(&closed, "port-closed", Fault, Grade::C);
    let backend = json!({"revision": 1, "fault": "refused"});
    let away = facts(move |report| report["backend"] = backend);
    check(&away, "backend-gone", Fault, Grade::C);
    let lists = json!([{"kind": "whitelist", "file": "w", "entries": 0, "fault": "w:1"}]);
    let damaged = facts(move |report| report["databases"][0]["lists"] = lists);
    check(&damaged, "list-damaged", Fault, Grade::C);
    let faulty = facts(|report| report["config"]["faults"] = json!(["gateway.yaml:1: x"]));
    check(&faulty, "config", Fault, Grade::C);
    let server = json!({"port": 10501, "https": false, "in_force": {"port": 10501, "https": false},
        "address": "[::]:10501", "state": "open",
        "tls_spoken": {"agreed": [], "old_clients": []}});
    let plain = facts(move |report| report["server"] = server);
    check(&plain, "server-https-off", Fault, Grade::C);
}

#[test]
fn a_foot_gun_that_only_this_machine_can_fire_is_a_remark() {
    let mut local = report();
    local["databases"][0]["address"] = json!("127.0.0.1:9706");
    local["databases"][0]["warnings"] = json!([{"code": "authentication-off", "message": "x"}]);
    let local = facts(move |report| *report = local);
    check(&local, "authentication-off", State::Remark, Grade::B);
}

#[test]
fn what_was_looked_at_is_weighed() {
    use State::{Fault, OpenDoor, Remark};
    let with = |change: fn(&mut Facts)| {
        let mut facts = facts(|_| {});
        change(&mut facts);
        facts
    };
    let cause = || "refused".to_owned();
    let mut facts = facts(|_| {});
    facts.reached[0].fault = Some(cause());
    check(&facts, "port-unreachable", Fault, Grade::C);
    let gone = with(|facts| facts.behind = vec![behind(Err("refused".to_owned()))]);
    check(&gone, "upstream-gone", Fault, Grade::C);
    let ahead = with(|facts| facts.behind = vec![behind(Ok(Some(90)))]);
    check(&ahead, "clock-skew", Remark, Grade::B);
    let behind_us = with(|facts| facts.behind = vec![behind(Ok(Some(-3600)))]);
    check(&behind_us, "clock-skew", Fault, Grade::C);
    let account = with(|facts| facts.behind[0].account_in_clear = true);
    check(&account, "account-in-clear", Remark, Grade::B);
    let unknown = with(|facts| facts.resolved[0].addresses = Err("no such name".to_owned()));
    check(&unknown, "name-unknown", Remark, Grade::B);
    let wide = with(|facts| facts.lists = vec![list("198.0.0.0/8\n")]);
    check(&wide, "whitelist-wide", Remark, Grade::B);
    let wide = with(|facts| facts.lists = vec![list("2001::/24\n")]);
    check(&wide, "whitelist-wide", Remark, Grade::B);
    let unread = with(|facts| facts.lists[0].wide = Err("permission denied".to_owned()));
    check(&unread, "list-unreadable", Fault, Grade::C);
    let secret = with(|facts| facts.private = vec![private(0o640, Kind::Secret)]);
    check(&secret, "secret-open", OpenDoor, Grade::F);
    let folder = with(|facts| facts.private = vec![private(0o755, Kind::DataFolder)]);
    check(&folder, "data-open", Fault, Grade::C);
    let file = with(|facts| facts.private = vec![private(0o666, Kind::Configuration)]);
    check(&file, "config-writable", OpenDoor, Grade::F);
    let file = with(|facts| facts.private = vec![private(0o644, Kind::Configuration)]);
    assert_eq!(
        Grade::of(&judge(&file)),
        Grade::A,
        "read by others it may be"
    );
    let copies = with(|facts| facts.copies[0].newest = Err("permission denied".to_owned()));
    check(&copies, "copies-unreadable", Remark, Grade::B);
    let proxies = with(|facts| {
        let text = "backend: embedded\ntrusted_proxies: [10.0.0.0/8]\n";
        let loaded = gateway_config::check(text, "f", &Overrides::default());
        facts.config = Ok((loaded.unwrap().config, Vec::new()));
    });
    check(&proxies, "proxies-wide", Fault, Grade::C);
    let unread = with(|facts| facts.renewals = vec!["server: plan.json".to_owned()]);
    check(&unread, "renewal-unread", Fault, Grade::C);
    let named = |cause| gateway_config::Finding {
        file: "gateway.yaml".to_owned(),
        line: 6,
        column: 10,
        path: "certificate.chain".to_owned(),
        cause,
        allowed: Vec::new(),
        nearest: None,
    };
    let words = || "x".to_owned();
    facts = self::facts(|_| {});
    facts.named = vec![named(Cause::CertificateUnusable { fault: words() })];
    check(&facts, "certificate-files", Fault, Grade::C);
    facts.named = vec![named(Cause::CertificateEnds { alarm: words() })];
    check(&facts, "certificate-ends", Remark, Grade::B);
    let down = with(|facts| facts.report = None);
    check(&down, "not-running", Fault, Grade::C);
}

#[test]
fn a_port_is_dialled_at_every_address_on_which_it_should_listen() {
    let listener = TcpListener::bind("127.0.0.7:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let own = ["127.0.0.7", "127.0.0.8", "::1"].map(|ip| ip.parse().unwrap());
    let dialled = |listening: &str| {
        let mut report = report();
        report["databases"][0]["address"] = json!(listening);
        let report = serde_json::from_value(report).unwrap();
        let reached = reached(&report, &own, Language::En).into_iter();
        let outcomes = reached.map(|one| (one.address.to_string(), one.fault.is_none()));
        outcomes.collect::<Vec<_>>()
    };
    let at = |ip: &str, good| (format!("{ip}:{port}"), good);
    let both = [at("127.0.0.7", true), at("127.0.0.8", false)];
    assert_eq!(dialled(&format!("0.0.0.0:{port}")), both);
    let all = [&both[..], &[at("[::1]", false)]].concat();
    assert_eq!(dialled(&format!("[::]:{port}")), all);
    assert_eq!(dialled(&format!("127.0.0.7:{port}")), both[..1]);
}

#[test]
fn the_grade_follows_from_the_findings_alone() {
    let of = |states: &[State]| {
        let findings = states.iter().map(|state| Finding::said("x", *state, "x"));
        Grade::of(&findings.collect::<Vec<_>>())
    };
    use State::{Fault, Good, OpenDoor, Remark};
    assert_eq!(of(&[Good]), Grade::A);
    assert_eq!(of(&[Good, Remark, Remark, Remark]), Grade::B);
    assert_eq!(of(&[Remark, Fault]), Grade::C);
    assert_eq!(of(&[Fault, Fault, Fault]), Grade::D);
    assert_eq!(of(&[Fault, Fault, Fault, Fault]), Grade::F);
    assert_eq!(of(&[OpenDoor]), Grade::F);
}

/// Also those that the cases above do not reach.
#[test]
fn every_finding_has_words_and_every_bad_one_a_fix() {
    let known = harness::document::messages(messages::tests::EN_TEXTS);
    let source = include_str!("judge.rs");
    let mut keys = BTreeSet::new();
    for part in source.split("Finding::new(").skip(1) {
        let part = part.trim_ascii_start().strip_prefix('"');
        keys.extend(part.and_then(|part| part.split('"').next()));
    }
    assert!(keys.len() > 20, "{keys:?}");
    for key in keys {
        assert!(known.contains_key(&*format!("doctor-{key}")), "{key}");
    }
}
