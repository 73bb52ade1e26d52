//! One port for all databases: the first path segment chooses, and every rule holds on it.

use harness::{Authority, Database, Dial, RecordingUpstream, Reply};

use crate::house::{House, Plan, assert_refusal, bearer, log_in, until_refused, until_served};

const LISTED: [u8; 4] = [127, 0, 0, 9];

fn two(a: &RecordingUpstream, b: &RecordingUpstream) -> Plan {
    Plan::new()
        .with(Database::new("a", a.url()))
        .with(Database::new("b", b.url()))
}

fn server(house: &House) -> Dial {
    Dial::plain(house.server_address())
}

#[test]
fn the_first_segment_chooses_the_database_and_is_cut() {
    let (a, b) = (RecordingUpstream::ok(), RecordingUpstream::ok());
    let house = two(&a, &b).start();
    let cases = [
        ("/a/api/v1/Docs?x=1", "/api/v1/Docs?x=1"),
        ("/A/api/v1/Docs", "/api/v1/Docs"),
        ("/a/a/b", "/a/b"),
        ("/a//b", "//b"),
        ("/a/MobileSMARTS/api/v1", "/MobileSMARTS/api/v1"),
        ("/a/%2e%2e/b", "/%2e%2e/b"),
    ];
    for (sent, seen) in cases {
        assert_eq!(server(&house).get(sent, &[]).text(), "ok", "{sent}");
        assert_eq!(a.last().method_and_target().1, seen, "{sent}");
    }
    assert_eq!(b.requests().len(), 0);
    assert_eq!(server(&house).get("/b/x", &[]).text(), "ok");
    assert_eq!(b.requests().len(), 1);
    // One connection may ask both.
    let mut client = server(&house).open();
    client.http("GET", "/a/1", &[], b"");
    client.http("GET", "/b/2", &[], b"");
    client.http("GET", "/a/3", &[], b"");
    assert_eq!(a.last().method_and_target().1, "/3");
    assert_eq!(b.last().method_and_target().1, "/2");
}

#[test]
fn a_segment_that_names_no_database_is_404() {
    let (a, b) = (RecordingUpstream::ok(), RecordingUpstream::ok());
    let house = two(&a, &b).start();
    for target in [
        "/c/x",
        "/%61/x",
        "/api/v1/Docs",
        "/../a/x",
        "/./a/x",
        "//a/x",
        "/a%2fx",
        "/a;b/x",
        "/.a/x",
    ] {
        let answer = server(&house).get(target, &[]);
        assert_refusal(&answer, 404);
    }
    assert_eq!(
        server(&house).get("/", &[]).status(),
        200,
        "a page for people"
    );
    assert_eq!(a.requests().len() + b.requests().len(), 0);
}

#[test]
fn a_session_of_one_database_is_none_in_another() {
    let (a, b) = (RecordingUpstream::ok(), RecordingUpstream::ok());
    let plan = Plan::new();
    let users = [plan.user("ivan", "administrator", "Word-One1")];
    let plan = plan
        .with(Database::new("a", a.url()).with_users(users.clone()))
        .with(Database::new("b", b.url()).with_users(users));
    let house = plan.start();
    let token = log_in(&house.dial("a"), "ivan", "Word-One1");
    let authorization = bearer(&token);
    let headers = [("Authorization", authorization.as_str())];
    assert_eq!(server(&house).get("/a/x", &headers).status(), 200);
    assert_refusal(&server(&house).get("/b/x", &headers), 401);
    assert_refusal(&house.dial("b").get("/x", &headers), 401);
    let mut client = server(&house).open();
    assert_eq!(client.http("GET", "/a/x", &headers, b"").status(), 200);
    assert_eq!(
        client.http("GET", "/b/x", &headers, b"").status(),
        401,
        "on the same connection"
    );
    assert_eq!(client.http("GET", "/a/x", &headers, b"").status(), 200);
    assert_eq!(b.requests().len(), 0);
}

#[test]
fn the_databases_list_decides_once_the_path_is_known() {
    let (a, b) = (RecordingUpstream::ok(), RecordingUpstream::ok());
    let plan = two(&a, &b);
    plan.front.list("a", "blacklist", "127.0.0.9\n");
    let house = plan.start();
    let listed = server(&house).from(LISTED);
    let ask = |target: &str| listed.open().try_http("GET", target, &[], b"").unwrap();
    assert_eq!(ask("/b/x").response().text(), "ok");
    assert!(matches!(ask("/a/x"), Reply::Closed), "not even a 403");
    let mut client = listed.open();
    assert_eq!(client.http("GET", "/b/x", &[], b"").text(), "ok");
    assert!(matches!(
        client.try_http("GET", "/a/x", &[], b"").unwrap(),
        Reply::Closed
    ));
    assert_eq!(
        server(&house).get("/a/x", &[]).text(),
        "ok",
        "from elsewhere"
    );
    assert_eq!(a.requests().len(), 1);

    // Refused by every database: cut before a byte is read; one that admits is enough.
    house.front.list("b", "blacklist", "127.0.0.9\n");
    until_refused(&listed);
    house.front.list("b", "whitelist", "127.0.0.9\n");
    until_served(&listed);
    assert_eq!(ask("/b/x").response().text(), "ok");
    assert!(matches!(ask("/a/x"), Reply::Closed));
}

#[test]
fn a_plain_server_port_forwards_nothing_for_an_https_database() {
    let (a, b) = (RecordingUpstream::ok(), RecordingUpstream::ok());
    let plan = two(&a, &b);
    let mut plan = plan;
    plan.front.databases[0].https = true;
    let house = plan.start();
    assert_refusal(&server(&house).get("/a/x", &[]), 403);
    let login = server(&house).get("/a/api/v1/session?username=x&password=y", &[]);
    assert_refusal(&login, 403);
    assert_eq!(server(&house).get("/b/x", &[]).text(), "ok");
    assert_eq!(a.connections(), 0);
}

#[test]
fn an_https_server_port_serves_both_kinds() {
    let (a, b) = (RecordingUpstream::ok(), RecordingUpstream::ok());
    let mut plan = two(&a, &b);
    let authority = Authority::new(plan.path());
    plan.front.databases[0].https = true;
    plan.front.databases[0].certificate = Some(authority.issue("a", &["127.0.0.1"]));
    plan.front.server = (0, true);
    let house = plan.start();
    let dial = Dial::tls_blindly(house.server_address());
    assert_eq!(dial.get("/a/x", &[]).text(), "ok");
    assert_eq!(a.last().header("x-forwarded-proto"), Some("https"));
    assert_eq!(dial.get("/b/x", &[]).text(), "ok");
}

#[test]
fn behind_a_proxy_whom_every_database_refuses_gets_no_answer_whatever_he_asks() {
    let (a, b) = (RecordingUpstream::ok(), RecordingUpstream::ok());
    let mut plan = two(&a, &b);
    plan.front.trusted_proxies = vec!["127.0.0.1".to_owned()];
    plan.front.list("a", "blacklist", "127.0.0.9\n127.0.0.10\n");
    plan.front.list("b", "blacklist", "127.0.0.9\n");
    let house = plan.start();
    let asked = |client: &str, target: &str| {
        let named = [("X-Forwarded-For", client)];
        let mut connection = server(&house).open();
        connection.try_http("GET", target, &named, b"").unwrap()
    };
    for target in ["/", "/nothing", "/a/x"] {
        let refused = asked("127.0.0.9", target);
        assert!(matches!(refused, Reply::Closed), "{target}: {refused:?}");
        let by_none = asked("127.0.0.11", target).response().status();
        assert!([200, 404].contains(&by_none), "{target}: {by_none}");
    }
    let by_one = asked("127.0.0.10", "/").response().status();
    assert_eq!(by_one, 200);
}
