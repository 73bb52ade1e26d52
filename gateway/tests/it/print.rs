//! The print server: a port of its own with the database's https, lists and logins, in front of a
//! recording print service; and the warnings of `status`, for databases of either source.

use std::net::SocketAddr;

use harness::{DEADLINE, Database, Dial, RecordingUpstream, eventually};
use serde_json::{Value, json};

use crate::{
    house::{Plan, assert_refusal, basic, bearer, log_in, session_query, until_refused},
    separate::{Backend, Front, SHOP},
};

fn print(service: &RecordingUpstream, authentication: &str) -> Option<String> {
    let url = service.url();
    Some(format!(
        "{{port: 0, upstream: \"{url}\", authentication: {authentication}}}"
    ))
}

/// The warnings of a database in `status --json`.
fn codes(state: &Value) -> Vec<&str> {
    let warnings = state["warnings"].as_array().expect("warnings");
    warnings
        .iter()
        .filter_map(|one| one["code"].as_str())
        .collect()
}

#[test]
fn a_print_port_asks_for_the_databases_login_and_tells_the_service_who_asks() {
    let (data, service) = (RecordingUpstream::ok(), RecordingUpstream::ok());
    let plan = Plan::new();
    let user = plan.user("ivan", "mobile-user", "Word-1");
    let house = plan
        .with(Database {
            print: print(&service, "same"),
            rights: "smarts".to_owned(),
            identity_headers: true,
            ..Database::new("a", data.url()).with_users([user.clone()])
        })
        .with(Database {
            print: print(&service, "same"),
            ..Database::new("quiet", data.url()).with_users([user])
        })
        .start();
    let dial = house.print_dial("a").from([127, 0, 0, 9]);
    assert_refusal(&dial.get("/labels", &[]), 401);
    assert_refusal(&dial.get("/labels", &[("Authorization", "Bearer 0")]), 401);
    assert!(service.requests().is_empty());
    // A session of the data server port, and Basic; no login endpoint of its own.
    let token = bearer(&log_in(&house.dial("a"), "ivan", "Word-1"));
    for credential in [token, basic("ivan", "Word-1")] {
        let headers = [
            ("Authorization", credential.as_str()),
            ("X-Smarts-User", "boss"),
            ("X-Forwarded-For", "1.2.3.4"),
        ];
        // Rights of a role are the data server's; a print service has paths of its own.
        let answer = dial.http("POST", "/labels/1?copies=2", &headers, b"label");
        assert_eq!(answer.text(), "ok");
        let seen = service.last();
        assert_eq!(seen.method_and_target(), ("POST", "/labels/1?copies=2"));
        assert_eq!(seen.body, b"label");
        assert_eq!(seen.all("authorization"), [""; 0]);
        assert_eq!(seen.all("x-smarts-user"), ["id-ivan"]);
        assert_eq!(seen.all("x-smarts-role"), ["mobile-user"]);
        assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.9"]);
        assert_eq!(seen.all("x-forwarded-proto"), ["http"]);
        assert_eq!(seen.header("x-request-id"), answer.header("x-request-id"));
    }
    assert_refusal(&dial.get(&session_query("ivan", "Word-1"), &[]), 401);
    let quiet = house.print_dial("quiet");
    let headers = [
        ("Authorization", &*basic("ivan", "Word-1")),
        ("X-Smarts-User", "boss"),
    ];
    assert_eq!(quiet.get("/labels", &headers).text(), "ok");
    assert_eq!(service.last().all("x-smarts-user"), [""; 0]);
    assert!(data.requests().is_empty());
}

#[test]
fn wrong_logins_at_the_print_port_count_with_all_the_others() {
    let service = RecordingUpstream::ok();
    let plan = Plan::new();
    let user = plan.user("ivan", "mobile-user", "Word-1");
    let house = plan
        .with(Database {
            print: print(&service, "same"),
            ..Database::new("a", service.url()).with_users([user])
        })
        .start();
    let dial = house.print_dial("a").from([127, 0, 0, 9]);
    let wrong = [("Authorization", &*basic("ivan", "no"))];
    for _ in 0..10 {
        assert_refusal(&dial.get("/labels", &wrong), 401);
    }
    assert_refusal(&dial.get("/labels", &wrong), 429);
    let data = house.dial("a").from([127, 0, 0, 9]);
    assert_refusal(&data.get(&session_query("ivan", "Word-1"), &[]), 429);
    assert!(service.requests().is_empty());
}

#[test]
fn a_print_port_speaks_the_databases_https_and_its_lists_decide() {
    let service = RecordingUpstream::ok();
    let plan = Plan::new();
    let authority = harness::Authority::new(plan.path());
    let house = plan
        .with(Database {
            https: true,
            certificate: Some(authority.issue("a", &["127.0.0.1"])),
            print: print(&service, "same"),
            ..Database::new("a", service.url())
        })
        .start();
    let address = house.print_dial("a").to();
    let dial = Dial::tls(address, authority.file());
    let (kept, refused) = (dial.from([127, 0, 0, 8]), dial.from([127, 0, 0, 9]));
    assert_eq!(refused.get("/labels", &[]).text(), "ok");
    assert_eq!(service.last().all("x-forwarded-proto"), ["https"]);
    assert_eq!(Dial::plain(address).get("/labels", &[]).status(), 400);
    let mut open = refused.open();
    assert_eq!(open.http("GET", "/labels", &[], b"").text(), "ok");
    house.front.list("a", "blacklist", "127.0.0.9\n");
    until_refused(&refused);
    assert!(open.ends_silently().unwrap());
    assert_eq!(kept.get("/labels", &[]).text(), "ok");
}

#[test]
fn pass_asks_nobody_at_the_print_port_alone_and_is_warned_of() {
    let service = RecordingUpstream::ok();
    let plan = Plan::new();
    let user = plan.user("ivan", "mobile-user", "Word-1");
    let house = plan
        .with(Database {
            print: print(&service, "pass"),
            identity_headers: true,
            ..Database::new("a", service.url()).with_users([user])
        })
        .start();
    let login = basic("ivan", "Word-1");
    let headers = [("X-Smarts-User", "boss"), ("Authorization", &*login)];
    assert_eq!(house.print_dial("a").get("/labels", &headers).text(), "ok");
    assert_eq!(service.last().header("x-smarts-user"), None);
    assert_eq!(service.last().header("authorization"), None);
    assert_refusal(&house.dial("a").get("/labels", &[]), 401);
    let status = house.status();
    let found = &status["config"]["warnings"].to_string();
    assert!(
        found.contains("databases[0].print.authentication"),
        "{found}"
    );
    let expected = ["https-off", "authentication-without-https", "print-pass"];
    assert_eq!(codes(&status["databases"][0]), expected);
    // In the text it is said once, with its place.
    let told = house.command(&["status"]).stdout;
    let said = "! ".to_owned() + house.config().to_str().unwrap();
    let said = told.lines().filter(|line| line.contains(&said));
    let of_print = said.filter(|line| line.contains("databases[0].print.authentication"));
    assert_eq!(of_print.count(), 1, "{told}");
}

/// A change of one database's settings, taken by the backend.
#[track_caller]
fn set(backend: &Backend, settings: Value) {
    let change = json!({"change": "set", "id": SHOP, "settings": settings});
    let answer = backend.change(&json!({"changes": [change]}));
    assert_eq!(answer.status(), 200, "{}", answer.text());
}

fn print_port(front: &Front) -> Dial {
    let address: SocketAddr = eventually(DEADLINE, "the print port is open", || {
        front.state(SHOP)?["print"]["address"]
            .as_str()?
            .parse()
            .ok()
    });
    Dial::plain(address)
}

#[test]
fn a_database_of_our_backend_gets_a_print_service_while_it_runs() {
    let service = RecordingUpstream::ok();
    let backend = Backend::start();
    let front = backend.gateway();
    set(&backend, json!({"print": {"used": true, "port": 0}}));
    let dial = print_port(&front);
    let (name, word, _) = backend.user(SHOP, "mobile-user");
    let headers = [("Authorization", &*basic(name, word))];
    assert_refusal(&dial.get("/labels", &headers), 503);

    set(&backend, json!({"print": {"upstream": service.url()}}));
    eventually(DEADLINE, "the service is reached", || {
        (dial.get("/labels", &headers).status() == 200).then_some(())
    });
    assert_refusal(&dial.get("/labels", &[]), 401);
    let seen = service.last();
    assert_eq!(
        seen.method_and_target(),
        ("GET", "/labels"),
        "no database id in front"
    );
    for ours in [
        "authorization",
        "x-smarts-key",
        "x-smarts-user",
        "x-smarts-role",
    ] {
        assert_eq!(
            seen.header(ours),
            None,
            "{ours} is not a stranger's to know"
        );
    }
    assert_eq!(seen.all("x-forwarded-for").len(), 1);

    let bad =
        json!({"change": "set", "id": SHOP, "settings": {"print": {"upstream": "https://x"}}});
    let refused = backend.change(&json!({"changes": [bad]}));
    assert_eq!(refused.status(), 400);
    assert!(refused.text().contains("https://x"), "{}", refused.text());
    assert_eq!(
        dial.get("/labels", &headers).text(),
        "ok",
        "nothing has changed"
    );

    set(&backend, json!({"print": {"authentication": "pass"}}));
    eventually(DEADLINE, "nobody is asked", || {
        (dial.get("/labels", &[]).status() == 200).then_some(())
    });
    let state = front.state(SHOP).unwrap();
    assert_eq!(state["print"]["authentication"], "pass");
    assert_eq!(state["print"]["upstream"], service.url());
    assert!(codes(&state).contains(&"print-pass"), "{state}");

    set(
        &backend,
        json!({"print": {"upstream": "", "authentication": "same"}}),
    );
    eventually(DEADLINE, "the service is taken away", || {
        (dial.get("/labels", &headers).status() == 503).then_some(())
    });
    set(&backend, json!({"print": {"used": false}}));
    eventually(DEADLINE, "the port is closed", || {
        dial.try_open().is_err().then_some(())
    });
    assert_eq!(front.state(SHOP).unwrap()["print"], Value::Null);
}

#[test]
fn what_is_open_at_a_database_of_our_backend_is_warned_of_until_it_is_closed() {
    let backend = Backend::start();
    let front = backend.gateway();
    let settles_at = |expected: &[&str]| {
        eventually(DEADLINE, &format!("{expected:?}"), || {
            (codes(&front.state(SHOP)?) == expected).then_some(())
        });
    };
    settles_at(&["https-off", "authentication-without-https"]);
    set(&backend, json!({"authentication": false}));
    settles_at(&["https-off", "authentication-off"]);
    set(&backend, json!({"authentication": true, "https": true}));
    settles_at(&[]);
    let folder = front.state(SHOP).unwrap()["folder"]
        .as_str()
        .unwrap()
        .to_owned();
    let list = std::path::Path::new(&folder).join("Server/whitelist.dat");
    std::fs::write(&list, "0.0.0.0/1\n128.0.0.0/1\n").unwrap();
    settles_at(&["whitelists-everybody"]);
    std::fs::write(&list, "0.0.0.0/1\n").unwrap();
    settles_at(&[]);
}
