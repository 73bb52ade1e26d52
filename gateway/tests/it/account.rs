//! The service account: what an existing server hears instead of the client's login.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use harness::{DEADLINE, Database, RecordingUpstream, eventually, tool};
use serde_json::json;

use crate::{
    house::{GATEWAY, House, Plan, assert_refusal, basic, bearer, log_in},
    separate::{Backend, SHOP},
};

const PASSWORD: &str = "Служба:1";

#[test]
fn no_client_has_the_service_account_sent_back_to_him() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::new();
    let own = account("own", &password(plan.path(), "own", PASSWORD));
    let house = plan
        .with(Database {
            account: own,
            ..Database::new("own", upstream.url())
        })
        .with(Database::new("none", upstream.url()))
        .start();
    for method in ["TRACE", "trace"] {
        assert_refusal(&house.dial("own").http(method, "/x", &[], b""), 403);
        assert!(upstream.requests().is_empty());
    }
    // What a client has said himself he may hear.
    let answer = house.dial("none").http("TRACE", "/x", &[], b"");
    assert_eq!(answer.text(), "ok");
    assert_eq!(
        house.dial("own").http("OPTIONS", "/x", &[], b"").text(),
        "ok"
    );
}

/// A password file of mode 0600.
fn password(folder: &Path, name: &str, text: &str) -> PathBuf {
    let file = folder.join(name);
    write_password(&file, text, 0o600);
    file
}

/// Written aside and renamed, as the gateway may read at any moment.
fn write_password(file: &Path, text: &str, mode: u32) {
    let fresh = file.with_extension("new");
    fs::write(&fresh, text).unwrap();
    fs::set_permissions(&fresh, fs::Permissions::from_mode(mode)).unwrap();
    fs::rename(fresh, file).unwrap();
}

fn account(name: &str, file: &Path) -> String {
    format!(
        "{{name: \"{name}\", password_file: \"{}\"}}",
        file.display()
    )
}

fn faults(house: &House) -> String {
    house.status()["config"]["faults"].to_string()
}

#[test]
fn the_existing_server_hears_the_service_account_and_never_the_client() {
    let upstream = RecordingUpstream::start(|exchange| {
        if exchange.request.header("upgrade").is_some() {
            exchange.raw(
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            )?;
            return exchange.echo();
        }
        exchange.read_body()?;
        exchange.respond(200, &[], b"ok")
    });
    let mut plan = Plan::new();
    let own = account(
        "own",
        &password(plan.path(), "own", &format!("{PASSWORD}\n")),
    );
    plan.front.account = account("общая", &password(plan.path(), "shared", "Shared-1\r\n"));
    let database = |id: &str, account: &str| Database {
        account: account.to_owned(),
        print: Some(format!(
            "{{port: 0, upstream: \"{}\", authentication: same}}",
            upstream.url()
        )),
        ..Database::new(id, upstream.url())
    };
    let user = plan.user("ivan", "external-connection", "Word-1");
    let house = plan
        .with(database("own", &own).with_users([user.clone()]))
        .with(database("shared", "shared").with_users([user.clone()]))
        .with(database("none", "none").with_users([user]))
        .with(database("open", &own))
        .with(database("bare", "none"))
        .start();
    let heard = |id: &str, headers: &[(&str, &str)]| {
        assert_eq!(house.dial(id).get("/x", headers).text(), "ok", "{id}");
        let seen = upstream.last();
        let all = seen.all("authorization").into_iter().map(str::to_owned);
        all.collect::<Vec<_>>()
    };
    let clients = basic("ivan", "Word-1");
    for (id, expected) in [
        ("own", vec![basic("own", PASSWORD)]),
        ("shared", vec![basic("общая", "Shared-1")]),
        ("none", vec![]),
    ] {
        let token = bearer(&log_in(&house.dial(id), "ivan", "Word-1"));
        for credential in [&token, &clients] {
            for connection in ["close", "close, Authorization"] {
                let headers = [
                    ("Authorization", credential.as_str()),
                    ("Connection", connection),
                ];
                assert_eq!(heard(id, &headers), expected, "{id} {headers:?}");
            }
        }
        let tunnel = [
            ("Authorization", token.as_str()),
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("Sec-WebSocket-Version", "13"),
        ];
        let mut client = house.dial(id).open();
        client.send(client.request("GET", "/ws", &tunnel, b""));
        assert_eq!(client.head_only().unwrap().unwrap().status(), 101, "{id}");
        assert_eq!(upstream.last().all("authorization"), expected, "{id}");
    }
    // Where nobody is asked, a client's own login goes on only without an account.
    let foreign = [("Authorization", "Basic Zm9yZWlnbjo=")];
    assert_eq!(heard("open", &foreign), [basic("own", PASSWORD)]);
    assert_eq!(heard("open", &[]), [basic("own", PASSWORD)]);
    assert_eq!(heard("bare", &foreign), ["Basic Zm9yZWlnbjo="]);
    // The print server is another service: the account is not its business.
    let print = house.print_dial("own");
    assert_eq!(print.get("/x", &[("Authorization", &clients)]).text(), "ok");
    assert_eq!(upstream.last().header("authorization"), None);

    let shown = |id: &str| house.state(id)["account"].clone();
    assert_eq!(
        shown("own"),
        json!({"used": "own", "name": "own", "sent": true})
    );
    assert_eq!(
        shown("shared"),
        json!({"used": "shared", "name": "общая", "sent": true})
    );
    assert_eq!(shown("bare"), json!({"used": "none", "sent": false}));
    let told = house.command(&["status"]).stdout;
    assert!(told.contains("общая, пароль •••"), "{told}");
    let said = house.gateway.log() + &told + &house.status().to_string();
    for secret in [PASSWORD, "Shared-1", &basic("own", PASSWORD)[6..]] {
        assert!(!said.contains(secret), "{secret} in {said}");
    }
}

#[test]
fn a_changed_password_is_sent_within_a_second_and_a_bad_file_leaves_the_one_before() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::new();
    let file = password(plan.path(), "password", "First-1");
    let database = Database::new("a", upstream.url());
    let house = plan
        .with(Database {
            account: account("gw", &file),
            ..database
        })
        .start();
    let dial = house.dial("a");
    let heard = || {
        assert_eq!(dial.get("/x", &[]).text(), "ok");
        upstream.last().header("authorization").unwrap().to_owned()
    };
    assert_eq!(heard(), basic("gw", "First-1"));
    let changed_to = |word: &str| {
        eventually(DEADLINE, "the new password is sent", || {
            (heard() == basic("gw", word)).then_some(())
        });
    };
    write_password(&file, "Second-2\n", 0o600);
    changed_to("Second-2");

    for (text, mode, words) in [
        ("Third-3\n", 0o644, "0600"),
        ("", 0o600, "does not hold a password"),
    ] {
        write_password(&file, text, mode);
        eventually(DEADLINE, "the fault is named", || {
            faults(&house).contains(words).then_some(())
        });
        assert_eq!(heard(), basic("gw", "Second-2"), "{words}");
    }
    fs::remove_file(&file).unwrap();
    eventually(DEADLINE, "the missing file is named", || {
        faults(&house).contains("cannot be read").then_some(())
    });
    assert_eq!(heard(), basic("gw", "Second-2"));
    write_password(&file, "Fourth-4\n", 0o600);
    changed_to("Fourth-4");
    eventually(DEADLINE, "the fault is gone", || {
        (faults(&house) == "[]").then_some(())
    });
    assert!(!house.gateway.log().contains("Third-3"));
}

#[test]
fn without_its_password_no_start_and_no_change_comes_into_force() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::new();
    let missing = plan.path().join("missing");
    let mut house = plan.with(Database::new("a", upstream.url())).start();
    house.change(|front| front.databases[0].account = account("gw", &missing));
    eventually(DEADLINE, "the fault is named", || {
        faults(&house).contains("missing").then_some(())
    });
    assert_eq!(
        house.dial("a").get("/x", &[]).text(),
        "ok",
        "served as before"
    );
    assert_eq!(house.state("a")["account"]["used"], "none");
    let config = house.config();
    house.terminate();
    let outcome = tool::run(GATEWAY, ["run", "--config", config.to_str().unwrap()], "");
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let said = outcome.stdout + &outcome.stderr;
    assert!(
        said.contains("databases[0].account.password_file"),
        "{said}"
    );
}

#[test]
fn a_server_that_refuses_the_account_is_named_in_the_log() {
    let upstream = RecordingUpstream::start(|exchange| exchange.respond(401, &[], b"no"));
    let plan = Plan::new();
    let file = password(plan.path(), "password", "Wrong-1");
    let with = Database {
        account: account("gw", &file),
        ..Database::new("a", upstream.url())
    };
    let house = plan
        .with(with)
        .with(Database::new("b", upstream.url()))
        .start();
    assert_eq!(house.dial("b").get("/x", &[]).status(), 401);
    assert_eq!(house.dial("a").get("/x", &[]).status(), 401);
    let line = house.logged(&["refuses the service account"]);
    assert!(line.contains(r#""database.id":"a""#), "{line}");
}

#[test]
fn our_backend_keeps_an_account_and_nothing_is_sent() {
    let backend = Backend::start();
    let front = backend.gateway();
    let own = json!({"own": {"name": "Служба", "password_file": "/nowhere/password"}});
    let set = json!({"change": "set", "id": SHOP, "settings": {"account": own}});
    let answer = backend.change(&json!({"changes": [set]}));
    assert_eq!(answer.status(), 200, "{}", answer.text());
    eventually(DEADLINE, "the status shows it", || {
        let shown = front.state(SHOP)?["account"].clone();
        (shown == json!({"used": "own", "name": "Служба", "sent": false})).then_some(())
    });
    let (name, word, _) = backend.user(SHOP, "external-connection");
    let headers = [("Authorization", &*basic(name, word))];
    let answer = front.dial(SHOP).get("/api/v1/BaseInfo", &headers);
    assert_eq!(answer.status(), 200, "{}", answer.text());
}
