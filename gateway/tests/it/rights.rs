//! Rights by role, and forbidden paths in every spelling. T1, T2, T23 of the attack list.

use harness::{Database, RecordingUpstream};

use crate::house::{Plan, assert_refusal, bearer, log_in};

const ROLES: [&str; 3] = ["mobile-user", "external-connection", "administrator"];

/// Method, path below a base, and whether mobile user, external connection, administrator may.
const TABLE: &[(&str, &str, [bool; 3])] = &[
    ("GET", "", [true; 3]),
    ("GET", "/$metadata", [true; 3]),
    ("GET", "/BaseInfo", [true; 3]),
    ("GET", "/DocTypes", [true; 3]),
    ("GET", "/Products?$top=1", [true; 3]),
    ("HEAD", "/Products", [true; 3]),
    ("GET", "/ProductSchema", [true; 3]),
    ("GET", "/TablesInfo", [true; 3]),
    ("GET", "/Warehouses('1')", [true; 3]),
    ("GET", "/Cells", [true; 3]),
    ("GET", "/CustomSettings", [true; 3]),
    ("GET", "/Docs", [true; 3]),
    (
        "GET",
        "/Docs/PrihodNaSklad('a%2Fb')/declaredItems",
        [true; 3],
    ),
    ("POST", "/Docs", [true; 3]),
    ("PATCH", "/Docs('1')", [true; 3]),
    ("POST", "/Docs('1')/EndUpdate", [true; 3]),
    ("PATCH", "/DocumentItem('1')", [true; 3]),
    ("GET", "/Messages", [true; 3]),
    ("POST", "/Products", [false, true, true]),
    ("PATCH", "/Warehouses('1')", [false, true, true]),
    ("DELETE", "/Cells('1')", [false, true, true]),
    ("GET", "/Licenses", [false, true, true]),
    ("GET", "/Users", [false, true, true]),
    ("GET", "/UserGroups", [false, true, true]),
    ("POST", "/Users", [false, true, true]),
    ("POST", "/UserGroups", [false, false, true]),
    ("PATCH", "/DocTypes('1')", [false, false, true]),
    ("GET", "/Secrets", [false; 3]),
    ("DELETE", "/$metadata", [false; 3]),
    ("PROPFIND", "/Docs", [false; 3]),
    ("TRACE", "/Docs", [false; 3]),
];

#[test]
fn every_role_may_what_the_table_says_in_every_base() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::new();
    let users = ROLES.map(|role| plan.user(role, role, &format!("Word-1-{role}")));
    let database = Database::new("a", upstream.url()).with_users(users);
    let house = plan
        .with(Database {
            rights: "smarts".to_owned(),
            ..database
        })
        .start();
    let dial = house.dial("a");
    let server = harness::Dial::plain(house.server_address());
    let tokens = ROLES.map(|role| bearer(&log_in(&dial, role, &format!("Word-1-{role}"))));
    let bases = [
        (&dial, "/api/v1", "/api/v1"),
        (&dial, "/MobileSMARTS/api/v1", "/MobileSMARTS/api/v1"),
        (&server, "/a/api/v1", "/api/v1"),
    ];
    for (method, below, allowed) in TABLE {
        for ((token, role), allowed) in tokens.iter().zip(ROLES).zip(allowed) {
            for (dial, base, seen) in &bases {
                upstream.forget();
                let case = format!("{role}: {method} {base}{below}");
                let headers = [("Authorization", token.as_str())];
                let answer = dial.http(method, &format!("{base}{below}"), &headers, b"");
                let reached = upstream.requests();
                if *allowed {
                    assert_eq!(answer.status(), 200, "{case}: {}", answer.text());
                    let target = reached[0].message.method_and_target().1;
                    assert_eq!(target, format!("{seen}{below}"), "{case}");
                } else {
                    assert_eq!(answer.status(), 403, "{case}");
                    assert!(reached.is_empty(), "{case} reached the upstream");
                }
            }
        }
    }
    for outside in [
        "/x",
        "/api",
        "/api/v2/Docs",
        "/MobileSMARTS",
        "/swagger/ui/index",
        "/a/api/v1/Docs",
    ] {
        upstream.forget();
        let answer = dial.get(outside, &[("Authorization", &tokens[2])]);
        assert_refusal(&answer, 403);
        assert!(upstream.requests().is_empty(), "{outside}");
    }
    // A verb in a header is no verb.
    for header in [
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
    ] {
        upstream.forget();
        let headers = [("Authorization", tokens[0].as_str()), (header, "DELETE")];
        dial.http("POST", "/api/v1/Docs", &headers, b"");
        for recorded in upstream.requests() {
            assert_eq!(
                recorded.message.header(header),
                None,
                "{header} went upstream"
            );
        }
    }
}

#[test]
fn a_forbidden_path_stays_forbidden_in_sixty_spellings() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::new();
    let user = plan.user("hand", "mobile-user", "hand-word");
    let rights = "[{role: mobile-user, methods: [GET], path_prefix: /open/}]".to_owned();
    let database = Database::new("a", upstream.url()).with_users([user]);
    let house = plan.with(Database { rights, ..database }).start();
    let dial = house.dial("a");
    let token = bearer(&log_in(&dial, "hand", "hand-word"));
    let headers = [("Authorization", token.as_str())];
    let climbs = [
        "..",
        "%2e%2e",
        "%2E%2E",
        ".%2e",
        "%2e.",
        "..;",
        "..;a=b",
        "%252e%252e",
        ".. ",
        "..%20",
        "..%00",
        "..%09",
        "...",
        "..%c0%af",
        "%c0%ae%c0%ae",
        "%uff0e%uff0e",
        "..%5c",
        "..\\",
    ];
    let slashes = [
        "/", "//", "%2f", "%2F", "%5c", "\\", "/./", "/%2e/", ";/", "%252f",
    ];
    let mut spellings = vec![
        "/secret".to_owned(),
        "/open".to_owned(),
        "/OPEN/x".to_owned(),
        "/Open/x".to_owned(),
        "/open%2fx".to_owned(),
        "/open;/x".to_owned(),
        "/open?/x".to_owned(),
        "/%6fpen/x".to_owned(),
        "/./open/x".to_owned(),
        "//open/x".to_owned(),
        "/secret?/open/".to_owned(),
        "/secret/../open/x".to_owned(),
        "/secret%00/open/x".to_owned(),
    ];
    for climb in climbs {
        for slash in slashes {
            spellings.push(format!("/open/{climb}{slash}secret"));
            spellings.push(format!("/open{slash}{climb}/secret"));
        }
    }
    for spelling in &spellings {
        upstream.forget();
        let answer = dial.http("GET", spelling, &headers, b"");
        let reached = upstream.requests();
        if answer.status() != 200 {
            assert!(
                matches!(answer.status(), 400 | 403),
                "{spelling}: {}",
                answer.start
            );
            assert!(reached.is_empty(), "{spelling} reached the upstream");
            continue;
        }
        // Served: then the upstream got what was judged, and no reading of it leads elsewhere.
        let target = reached[0].message.method_and_target().1.to_owned();
        assert_eq!(&target, spelling);
        let mut read = target;
        for _ in 0..3 {
            read = decoded(&read).replace('\\', "/");
            let climbs = |part: &str| part.split(';').next().unwrap_or_default().trim() == "..";
            assert!(read.starts_with("/open/"), "{spelling}");
            assert!(
                !read.split(['/', '\0']).any(climbs),
                "{spelling} may be read as {read}"
            );
        }
    }
    assert!(spellings.len() > 60);
    for twin in ["/open/x", "/open/", "/open/a/b?x=../secret", "/open/%D0%B1"] {
        assert_eq!(dial.get(twin, &headers).status(), 200, "{twin}");
    }
}

fn decoded(text: &str) -> String {
    let mut out = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let pair = bytes
            .get(at + 1..at + 3)
            .and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) if bytes[at] == b'%' => {
                out.push(byte);
                at += 3;
            }
            _ => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
