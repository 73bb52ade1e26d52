//! Who the user is, the upstream hears from the gateway alone. T3, T4, T5 of the attack list.

use harness::{Database, Dial, Message, RecordingUpstream};

use crate::house::{House, Plan, bearer, log_in};

const WEBSOCKET: [(&str, &str); 4] = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Version", "13"),
];

struct Scene {
    upstream: RecordingUpstream,
    dial: Dial,
    token: String,
    _house: House,
}

fn scene(identity_headers: bool) -> Scene {
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
    let plan = Plan::new();
    let mut user = plan.user("оператор", "external-connection", "Слово 1");
    user.id = "оператор".to_owned();
    let database = Database::new("a", upstream.url()).with_users([user]);
    let house = plan
        .with(Database {
            identity_headers,
            ..database
        })
        .start();
    let dial = house.dial("a").from([127, 0, 0, 9]);
    let token = log_in(&dial, "оператор", "Слово 1");
    Scene {
        upstream,
        dial,
        token,
        _house: house,
    }
}

/// `оператор`, as a header can carry it.
const USER: &str = "%D0%BE%D0%BF%D0%B5%D1%80%D0%B0%D1%82%D0%BE%D1%80";

#[track_caller]
fn assert_ours(seen: &Message) {
    assert_eq!(seen.all("x-smarts-database"), ["a"]);
    let user: Vec<_> = seen
        .all("x-smarts-user")
        .iter()
        .map(|text| text.to_uppercase())
        .collect();
    assert_eq!(user, [USER]);
    assert_eq!(seen.all("x-smarts-role"), ["external-connection"]);
    assert_eq!(seen.all("x-smarts-client"), ["127.0.0.9"]);
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.9"]);
    assert_eq!(seen.all("x-real-ip"), ["127.0.0.9"]);
    assert_eq!(seen.all("x-forwarded-proto"), ["http"]);
    assert_eq!(seen.all("x-request-id").len(), 1);
    assert_ne!(seen.header("x-request-id"), Some("spoofed"));
    assert_eq!(seen.header("authorization"), None, "the token stays here");
    let spoofed = |value: &str| value.contains("spoofed") || value.contains("1.2.3.4");
    for (name, value) in &seen.headers {
        assert!(!spoofed(value), "{name}: {value}");
    }
}

const ALIASES: [&str; 24] = [
    "X-Smarts-User",
    "x-smarts-user",
    "X-SMARTS-USER",
    "X_Smarts_User",
    "X.Smarts.User",
    "X-Smarts_User",
    "x_smarts.role",
    "X-Smarts-Role",
    "X-Smarts-Database",
    "X_Smarts_Database",
    "X-Smarts-Client",
    "X-Smarts-Key",
    "X_Smarts_Key",
    "X-Request-Id",
    "X_Request_Id",
    "X-Forwarded-For",
    "X_Forwarded_For",
    "X.Forwarded.For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Real-IP",
    "X_Real_IP",
    "Forwarded",
    "True-Client-IP",
];

#[test]
fn a_clients_identity_header_is_dropped_in_any_spelling() {
    let scene = scene(true);
    let authorization = bearer(&scene.token);
    for alias in ALIASES {
        let headers = [
            (alias, "spoofed"),
            ("Authorization", authorization.as_str()),
            (alias, "spoofed"),
        ];
        assert_eq!(scene.dial.get("/x", &headers).text(), "ok", "{alias}");
        assert_ours(&scene.upstream.last());
    }
    let mut all: Vec<_> = ALIASES
        .iter()
        .map(|alias| (*alias, "spoofed 1.2.3.4"))
        .collect();
    all.push(("Authorization", &authorization));
    assert_eq!(scene.dial.get("/x", &all).text(), "ok");
    assert_ours(&scene.upstream.last());
}

#[test]
fn naming_an_identity_header_in_connection_removes_nothing() {
    let scene = scene(true);
    let authorization = bearer(&scene.token);
    let named = [
        "close, X-Smarts-User, X-Smarts-Role, x-smarts-client, X-Smarts-Database",
        "Authorization, X-Request-Id, X-Real-IP, X-Smarts-User",
        "X-Forwarded-For",
        "X-Forwarded-Proto, X-Smarts-User",
        "X-Forwarded-Host",
        "a, b, c, d, e, f, g, h, i, j, k, X-Smarts-User",
    ];
    for names in named {
        scene.upstream.forget();
        let headers = [
            ("Connection", names),
            ("Authorization", authorization.as_str()),
        ];
        let plain = scene.dial.get("/x", &headers);
        let upgrading = format!("Upgrade, {}", names.replace("close, ", ""));
        let mut headers = vec![
            ("Connection", upgrading.as_str()),
            ("Authorization", &authorization),
        ];
        headers.extend(&WEBSOCKET[1..]);
        let upgraded = scene.dial.get("/x", &headers);
        // Either nothing is removed, or the request is refused as a whole.
        assert!(
            matches!(plain.status(), 200 | 400),
            "{names}: {}",
            plain.start
        );
        assert!(
            matches!(upgraded.status(), 101 | 400),
            "{names}: {}",
            upgraded.start
        );
        for recorded in scene.upstream.requests() {
            assert_ours(&recorded.message);
        }
    }
    let honest = [
        ("Connection", "close, X-Smarts-User"),
        ("Authorization", authorization.as_str()),
    ];
    assert_eq!(scene.dial.get("/x", &honest).status(), 200);
}

#[test]
fn an_upgrade_carries_the_same_identity() {
    let scene = scene(true);
    let authorization = bearer(&scene.token);
    let mut headers = vec![
        ("Authorization", authorization.as_str()),
        ("X_Smarts_Role", "spoofed"),
    ];
    headers.extend(WEBSOCKET);
    let mut client = scene.dial.open();
    assert_eq!(client.http("GET", "/x", &headers, b"").status(), 101);
    client.send(b"\x81\x02hi");
    assert_eq!(client.read_exactly(4), b"\x81\x02hi");
    assert_ours(&scene.upstream.last());
}

#[test]
fn an_existing_server_hears_no_identity_unless_it_is_wanted() {
    let scene = scene(false);
    let authorization = bearer(&scene.token);
    let headers = [
        ("Authorization", authorization.as_str()),
        ("X-Smarts-User", "spoofed"),
    ];
    assert_eq!(scene.dial.get("/x", &headers).text(), "ok");
    let seen = scene.upstream.last();
    for name in [
        "x-smarts-user",
        "x-smarts-role",
        "x-smarts-database",
        "x-smarts-client",
    ] {
        assert_eq!(seen.header(name), None);
    }
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.9"]);
}

#[test]
fn a_request_id_stands_in_the_answer_and_at_the_upstream() {
    let scene = scene(true);
    let authorization = bearer(&scene.token);
    let headers = [("Authorization", authorization.as_str())];
    let answer = scene.dial.get("/x", &headers);
    let seen = scene.upstream.last();
    assert_eq!(answer.header("x-request-id"), seen.header("x-request-id"));
    let again = scene.dial.get("/x", &headers);
    assert_ne!(again.header("x-request-id"), answer.header("x-request-id"));
}
