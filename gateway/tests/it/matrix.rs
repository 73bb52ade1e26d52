//! Every way a connection is used × every state of a credential × every kind of credential.
//!
//! {keep-alive, close, WebSocket upgrade} × {none, bad, expired, revoked, wrong role, good} ×
//! {Basic, Bearer}. A refused one never reaches the upstream; its twin on the same kind of
//! connection does.

use harness::{DEADLINE, Database, Dial, Gateway, RecordingUpstream, eventually};

use crate::house::{GATEWAY, Plan, assert_refusal, basic, bearer, log_in};

#[derive(Clone, Copy, Debug)]
enum Way {
    KeepAlive,
    Close,
    WebSocket,
}

const WAYS: [Way; 3] = [Way::KeepAlive, Way::Close, Way::WebSocket];

const RULES: &str = "[{role: administrator, methods: [GET], path_prefix: /}, \
                      {role: mobile-user, methods: [GET], path_prefix: /mobile/}]";

fn upstream() -> RecordingUpstream {
    RecordingUpstream::start(|exchange| {
        if exchange.request.header("upgrade").is_some() {
            exchange.raw(
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            )?;
            return exchange.echo();
        }
        exchange.read_body()?;
        exchange.respond(200, &[], b"ok")
    })
}

/// Asks for `/office/x` with this `Authorization`, in this way, and expects this status.
#[track_caller]
fn ask(
    dial: &Dial,
    upstream: &RecordingUpstream,
    way: Way,
    authorization: Option<&str>,
    status: u16,
) {
    upstream.forget();
    let mut headers: Vec<_> = authorization
        .map(|value| ("Authorization", value))
        .into_iter()
        .collect();
    match way {
        Way::KeepAlive => {}
        Way::Close => headers.push(("Connection", "close")),
        Way::WebSocket => headers.extend([
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("Sec-WebSocket-Version", "13"),
        ]),
    }
    let case = format!("{way:?} {authorization:?}");
    let mut client = dial.open();
    let answer = client.http("GET", "/office/x", &headers, b"");
    let reached = upstream.requests().len();
    if status == 200 {
        let expected = if matches!(way, Way::WebSocket) {
            101
        } else {
            200
        };
        assert_eq!(answer.status(), expected, "{case}: {}", answer.text());
        assert_eq!(reached, 1, "{case}");
    } else {
        assert_eq!(answer.status(), status, "{case}: {}", answer.text());
        assert_refusal(&answer, status);
        assert_eq!(reached, 0, "{case} reached the upstream");
        client.send(b"\x81\x02hi");
        assert!(
            upstream.requests().is_empty(),
            "{case}: a tunnel after a refusal"
        );
    }
    match (way, status) {
        (Way::KeepAlive, _) => {
            let again = client.try_http("GET", "/office/x", &headers, b"");
            // After a refusal the two bytes above are a broken request.
            if status == 200 {
                assert_eq!(again.unwrap().response().status(), 200, "{case}, again");
            }
        }
        (Way::Close, 200) => assert!(client.ends_silently().unwrap(), "{case}"),
        (Way::WebSocket, 200) => {
            client.send(b"\x81\x02hi");
            assert_eq!(client.read_exactly(4), b"\x81\x02hi", "{case}");
        }
        _ => {}
    }
}

#[test]
fn none_bad_wrong_role_and_good() {
    let upstream = upstream();
    let plan = Plan::new();
    let boss = plan.user("boss", "administrator", "Boss-Word1");
    let hand = plan.user("hand", "mobile-user", "hand-word");
    let database = Database::new("a", upstream.url()).with_users([boss, hand]);
    let house = plan
        .with(Database {
            rights: RULES.to_owned(),
            ..database
        })
        .start();
    let dial = house.dial("a");
    let (boss, hand) = (
        log_in(&dial, "boss", "Boss-Word1"),
        log_in(&dial, "hand", "hand-word"),
    );
    for way in WAYS {
        ask(&dial, &upstream, way, None, 401);
        ask(
            &dial,
            &upstream,
            way,
            Some("Bearer 00000000000000000000000000000000"),
            401,
        );
        ask(
            &dial,
            &upstream,
            way,
            Some(&basic("boss", "boss-word1")),
            401,
        );
        ask(&dial, &upstream, way, Some(&bearer(&hand)), 403);
        ask(
            &dial,
            &upstream,
            way,
            Some(&basic("hand", "hand-word")),
            403,
        );
        ask(&dial, &upstream, way, Some(&bearer(&boss)), 200);
        ask(
            &dial,
            &upstream,
            way,
            Some(&basic("boss", "Boss-Word1")),
            200,
        );
    }
    // The twin of the wrong role: his own part.
    assert_eq!(
        dial.get("/mobile/x", &[("Authorization", &bearer(&hand))])
            .status(),
        200
    );
    let post = dial.http(
        "POST",
        "/mobile/x",
        &[("Authorization", &bearer(&hand))],
        b"",
    );
    assert_refusal(&post, 403);
}

#[test]
fn revoked_by_a_changed_password_a_removed_user_a_changed_role_or_a_log_out() {
    let upstream = upstream();
    let plan = Plan::new();
    let users = [
        plan.user("changed", "administrator", "Word-One1"),
        plan.user("removed", "administrator", "Word-Two2"),
        plan.user("demoted", "administrator", "Word-Three3"),
        plan.user("stays", "administrator", "Word-Four4"),
    ];
    let changed = plan.user("changed", "administrator", "Word-Five5");
    let database = Database::new("a", upstream.url()).with_users(users);
    let mut house = plan
        .with(Database {
            rights: RULES.to_owned(),
            ..database
        })
        .start();
    let dial = house.dial("a");
    let tokens: Vec<_> = [
        ("changed", "Word-One1"),
        ("removed", "Word-Two2"),
        ("demoted", "Word-Three3"),
        ("stays", "Word-Four4"),
        ("stays", "Word-Four4"),
    ]
    .into_iter()
    .map(|(name, password)| log_in(&dial, name, password))
    .collect();
    let mut open = dial.open();
    let old = basic("changed", "Word-One1");
    let old_header = [("Authorization", old.as_str())];
    assert_eq!(
        open.http("GET", "/office/x", &old_header, b"").status(),
        200
    );
    let ended = [("Authorization", &*bearer(&tokens[4]))];
    dial.http("DELETE", "/api/v1/session", &ended, b"");

    house.change(|front| {
        let users = &mut front.databases[0].users;
        users[0].password = changed.password.clone();
        users[2].role = "mobile-user";
        users.remove(1);
    });
    eventually(DEADLINE, "the changed file acts on live sessions", || {
        let answer = dial.get("/office/x", &[("Authorization", &bearer(&tokens[1]))]);
        (answer.status() == 401).then_some(())
    });
    assert_eq!(
        open.http("GET", "/office/x", &old_header, b"").status(),
        401,
        "also on a proven connection"
    );
    for way in WAYS {
        ask(&dial, &upstream, way, Some(&bearer(&tokens[0])), 401);
        ask(&dial, &upstream, way, Some(&bearer(&tokens[1])), 401);
        let demoted = dial.get("/office/x", &[("Authorization", &bearer(&tokens[2]))]);
        assert!(matches!(demoted.status(), 401 | 403), "{}", demoted.start);
        ask(&dial, &upstream, way, Some(&bearer(&tokens[4])), 401);
        ask(
            &dial,
            &upstream,
            way,
            Some(&basic("removed", "Word-Two2")),
            401,
        );
        ask(&dial, &upstream, way, Some(&bearer(&tokens[3])), 200);
        ask(
            &dial,
            &upstream,
            way,
            Some(&basic("changed", "Word-Five5")),
            200,
        );
    }
    assert_refusal(&dial.get("/office/x", &old_header), 401);
}

#[test]
fn expired_after_24_hours_and_not_before() {
    let upstream = upstream();
    let plan = Plan::new();
    let boss = plan.user("boss", "administrator", "Boss-Word1");
    let mut house = plan
        .with(Database::new("a", upstream.url()).with_users([boss]))
        .start();
    let token = log_in(&house.dial("a"), "boss", "Boss-Word1");
    assert_eq!(house.terminate().code(), Some(0));
    let started =
        |ahead: &str| Gateway::start_ahead(GATEWAY, &house.config(), &house.front.data, ahead);
    {
        let mut later = started("+23h");
        for way in WAYS {
            ask(&later.dial("a"), &upstream, way, Some(&bearer(&token)), 200);
        }
        later.terminate();
    }
    let mut later = started("+25h");
    for way in WAYS {
        ask(&later.dial("a"), &upstream, way, Some(&bearer(&token)), 401);
        ask(
            &later.dial("a"),
            &upstream,
            way,
            Some(&basic("boss", "Boss-Word1")),
            200,
        );
    }
    later.terminate();
}

#[test]
fn a_switched_off_login_and_a_removed_database_act_on_live_sessions() {
    let upstream = upstream();
    let plan = Plan::new();
    let user = plan.scanned(plan.user("hand", "administrator", "hand-word"), "4600");
    let database = Database::new("a", upstream.url()).with_users([user]);
    let mut house = plan
        .with(Database {
            barcode_login: true,
            ..database
        })
        .start();
    let dial = house.dial("a");
    let scanned = dial.get("/api/v1/session?barcode=4600", &[]);
    let token = scanned.json()["Access_token"].as_str().unwrap().to_owned();
    ask(&dial, &upstream, Way::Close, Some(&bearer(&token)), 200);
    house.change(|front| front.databases[0].barcode_login = false);
    eventually(DEADLINE, "barcode login is off", || {
        (dial.get("/api/v1/session?barcode=4600", &[]).status() != 200).then_some(())
    });
    let named = log_in(&dial, "hand", "hand-word");
    ask(&dial, &upstream, Way::Close, Some(&bearer(&named)), 200);
}

#[test]
fn a_session_that_was_ended_by_a_removal_stays_ended_when_its_user_returns() {
    let upstream = upstream();
    let plan = Plan::new();
    let user = plan.user("boss", "administrator", "Boss-Word1");
    let other = plan.user("other", "administrator", "Other-Word1");
    let database = Database::new("a", upstream.url()).with_users([other, user.clone()]);
    let mut house = plan.with(database).start();
    let dial = house.dial("a");
    let token = bearer(&log_in(&dial, "boss", "Boss-Word1"));
    let status = || dial.get("/x", &[("Authorization", &token)]).status();
    assert_eq!(status(), 200);
    house.change(|front| drop(front.databases[0].users.pop()));
    eventually(DEADLINE, "the removed user's session ends", || {
        (status() == 401).then_some(())
    });
    house.change(|front| front.databases[0].users.push(user));
    eventually(DEADLINE, "the user is back", || {
        let answer = dial.get(&crate::house::session_query("boss", "Boss-Word1"), &[]);
        (answer.status() == 200).then_some(())
    });
    assert_eq!(status(), 401);
}

#[test]
fn a_tunnel_that_a_session_opened_ends_with_it() {
    let upstream = upstream();
    let plan = Plan::new();
    let user = plan.user("boss", "administrator", "Boss-Word1");
    let house = plan
        .with(Database::new("a", upstream.url()).with_users([user]))
        .start();
    let dial = house.dial("a");
    let tokens = [(); 2].map(|()| bearer(&log_in(&dial, "boss", "Boss-Word1")));
    let [mut ended, mut other] = tokens.each_ref().map(|token| {
        let mut client = dial.open();
        let headers = [
            ("Authorization", token.as_str()),
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("Sec-WebSocket-Version", "13"),
        ];
        assert_eq!(client.http("GET", "/x", &headers, b"").status(), 101);
        client
    });
    dial.http(
        "DELETE",
        "/api/v1/session",
        &[("Authorization", &tokens[0])],
        b"",
    );
    assert!(ended.ends_silently().unwrap());
    other.send(b"\x81\x02hi");
    assert_eq!(other.read_exactly(4), b"\x81\x02hi");
}
