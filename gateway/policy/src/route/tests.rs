use proptest::prelude::*;

use super::*;

const GUID: &str = "21e6d501-e8c1-44e0-b0cd-f30a369b1822";

#[track_caller]
fn check_split(target: &str, expected: Option<(&str, &str)>) {
    let found = split_database(target);
    let found = found
        .as_ref()
        .map(|(id, rest)| (id.as_str(), rest.as_ref()));
    assert_eq!(found, expected, "{target}");
}

#[test]
fn the_first_segment_names_the_database_and_is_cut_alone() {
    check_split(
        &format!("/{GUID}/api/v1/Docs?$top=5"),
        Some((GUID, "/api/v1/Docs?$top=5")),
    );
    check_split(&format!("/{}/x", GUID.to_uppercase()), Some((GUID, "/x")));
    check_split("/shop/a%2Fb//c/../d", Some(("shop", "/a%2Fb//c/../d")));
    check_split("/shop", Some(("shop", "/")));
    check_split("/shop/", Some(("shop", "/")));
    check_split("/shop?altip=PC", Some(("shop", "/?altip=PC")));
    check_split("/shop//", Some(("shop", "//")));
}

#[test]
fn a_segment_that_is_no_id_leads_nowhere() {
    for target in [
        "",
        "/",
        "//shop",
        "*",
        "shop/x",
        "/../shop",
        "/./shop",
        "/sh%6Fp/x",
        "/shop%2Fx",
        "/shop\\x",
        "/shop;x/y",
        "/магазин",
        "/?shop",
        "/shop name",
    ] {
        check_split(target, None);
    }
}

#[track_caller]
fn check(path: &str, place: Place<'_>) {
    assert_eq!(Place::of(path), place, "{path}");
}

#[test]
fn login_endpoints_stand_under_every_base() {
    for base in [
        "/api/v1",
        "/MobileSMARTS/api/v1",
        "/mobilesmarts/API/V1",
        "/MOBILESMARTS/Api/v1",
    ] {
        check(&format!("{base}/session"), Place::Session);
        check(&format!("{base}/oauth/token"), Place::OauthToken);
        check(&format!("{base}/connect/token"), Place::ConnectToken);
        check(
            &format!("{base}/.well-known/openid-configuration"),
            Place::OpenIdConfiguration,
        );
    }
    for path in ["/api/session", "/MobileSMARTS/api/session"] {
        check(path, Place::ApiSession);
    }
    for path in ["/oauth/token", "/mobileSmarts/oauth/token"] {
        check(path, Place::OauthToken);
    }
    check("/", Place::Human);
}

#[test]
fn what_follows_the_base_is_the_api() {
    for base in ["/api/v1", "/MobileSMARTS/api/v1", "/mobileSMARTS/aPi/V1"] {
        for rest in [
            "",
            "/",
            "/Docs",
            "/Docs/Uni('1')",
            "//Docs",
            "/sessions",
            "/connect",
        ] {
            check(&format!("{base}{rest}"), Place::Api(rest));
        }
    }
}

#[test]
fn outside_the_bases_is_other() {
    for path in [
        "",
        "*",
        "//",
        "/api",
        "/api/v2/Docs",
        "/api/v1x",
        "/apiv1",
        "/MobileSMARTS",
        "/MobileSMARTS/",
        "/MobileSMARTSx/api/v1",
        "/MobileSMARTS/MobileSMARTS/api/v1",
        "/connect/token",
        "/session",
        "/v1/session",
        "/favicon.ico",
        "/апи/v1",
        "/ap",
        "/MobileSMARTS/swagger/ui/index",
        "/.well-known/openid-configuration",
        "/oauth/tokens",
        "/x/oauth/token",
    ] {
        check(path, Place::Other);
    }
}

#[test]
fn t2_no_other_spelling_is_a_login_endpoint() {
    for path in [
        "/api/v1/session/",
        "/api/v1//session",
        "//api/v1/session",
        "/api/v1/./session",
        "/api//v1/session",
        "/api/v1/x/../session",
        "/api/v1/%73ession",
        "/api/v1/session%2F",
        "/api/v1%2Fsession",
        "/api/v1/session;a=b",
        "/api/v1/session%20",
        "/api/v1/session%00",
        "/api/v1/session#x",
        "/api/v1/session/x",
        "/api/v1/sessionx",
        "/api/v1/Session",
        "/api/v1/SESSION",
        "/%61pi/v1/session",
        "/api/v1/session.",
        "/api/v1/session\\",
        "/api/v1\\session",
        "/api/v1/session()",
        "/oauth/token/",
        "/oauth//token",
        "/OAuth/token",
        "/api/session/",
        "/api/oauth/token",
        "/Mobile%53MARTS/api/v1/session",
        "/ api/v1/session",
        "/api/v1/session?",
        "/api/v1/connect/token/",
        "/api/v1/.well-known/openid-configuration/..",
        "/.",
        "/%2F",
        "/index.html",
    ] {
        let place = Place::of(path);
        assert!(
            matches!(place, Place::Api(_) | Place::Other),
            "{path}: {place:?}"
        );
        assert!(!place.is_login());
    }
    assert!(Place::of("/api/v1/session").is_login());
}

#[test]
fn t2_a_login_endpoint_is_suspected_in_any_disguise() {
    for path in [
        "/api/v1/session",
        "/oauth/token",
        "/MobileSMARTS/api/session",
        "/api/v1/connect/token",
        "/api/v1/session/",
        "/api/v1//session",
        "//api/v1/session",
        "/api/v1/./session",
        "/api/v1/x/../session",
        "/api/v1/x/%2e%2e/session",
        "/api/v1/x%2F..%2Fsession",
        "/api/v1/%73ession",
        "/api/v1/%2573ession",
        "/%61pi/v1/session",
        "/api/v1%2Fsession",
        "/api/v1/session%2F",
        "/api/v1/session;a=b",
        "/api/v1/x/..;/session",
        "/api/v1/session%20",
        "/api/v1/session%00.json",
        "/api/v1/session%3Fa",
        "/api/v1/SESSION",
        "/api/v1/session.",
        "/api\\v1\\session",
        "/OAuth//Token",
        "/../../api/v1/session",
        "/api/v1/Docs/../Session/.",
    ] {
        assert!(may_be_login(path), "{path}");
    }
    for path in [
        "/",
        "/api/v1",
        "/api/v1/Docs",
        "/api/v1/sessions",
        "/api/v1/session/x",
        "/session",
        "/api/v1/Docs('session')",
        "/api/v1/Docs('/api/v1/session')",
        "/api/v1/session/..",
        "/api/v1/.well-known/openid-configuration",
        "/api/v1/Docs?/../session",
        "",
    ] {
        assert!(!may_be_login(path), "{path}");
    }
}

#[track_caller]
fn check_judged(path: &str, segments: &[&str]) {
    let judged = Judged::of(path).unwrap_or_else(|| panic!("{path} is not ambiguous"));
    assert_eq!(judged.segments().collect::<Vec<_>>(), segments, "{path}");
}

#[test]
fn an_unambiguous_path_is_decoded() {
    check_judged("", &[]);
    check_judged("/", &[]);
    check_judged("/Docs", &["Docs"]);
    check_judged("/Docs/", &["Docs"]);
    check_judged(
        "/Docs('18ORA-E733908')/declaredItems",
        &["Docs('18ORA-E733908')", "declaredItems"],
    );
    check_judged("/Docs%28%27a%27%29", &["Docs('a')"]);
    check_judged("/%24metadata", &["$metadata"]);
    check_judged("/Docs/$count", &["Docs", "$count"]);
    check_judged("/Docs('%D0%B0')", &["Docs('а')"]);
    check_judged("/Docs('50%25')", &["Docs('50%')"]);
    check_judged("/.well-known/a.b", &[".well-known", "a.b"]);
    check_judged("/Docs('O''Brien')", &["Docs('O''Brien')"]);
    check_judged(
        "/Docs/Uni(id='a',n='b')/Default.EndUpdate",
        &["Docs", "Uni(id='a',n='b')", "Default.EndUpdate"],
    );
    assert_eq!(
        Judged::of("/api/v1/%44ocs/").unwrap().path(),
        "/api/v1/Docs/"
    );
    assert_eq!(Judged::of("").unwrap().path(), "");
}

#[test]
fn a_key_may_hold_slashes_that_do_not_climb() {
    check_judged("/Docs('a%2Fb')", &["Docs('a/b')"]);
    check_judged("/Docs(%27a%2fb%27)/x", &["Docs('a/b')", "x"]);
    check_judged("/Docs('a%3Fb%23c;d')", &["Docs('a?b#c;d')"]);
    for path in [
        "/Docs('a/b')",
        "/Docs('a%2F..%2Fb')",
        "/Docs('%2F..%2FUsers')",
        "/Docs('a%2F%2Fb')",
        "/Docs('..%2Fa",
        "/Docs('a')%2Fb",
        "/Docs('a''%2Fb",
        "/Docs('a''b')%2F('c')",
        "/Docs('a%5Cb')",
        "/Docs('a\\b')",
        "/Docs('a%2F.%2Fb')",
        "/Docs('a%2F%2E%2E;x%2Fb')",
        "/Docs('a%252Fb')",
        "/Docs('a%00')",
        "/Docs('a%0D%0A')",
    ] {
        assert_eq!(Judged::of(path), None, "{path}");
    }
}

/// Ways a careless server may read a path; each gives the path it would act on.
const READERS: [fn(&str) -> String; 5] = [
    normalised,
    |path| normalised(&decoded(path)),
    |path| normalised(&decoded(&decoded(path))),
    |path| normalised(&decoded(path).replace('\\', "/")),
    |path| {
        let path = decoded(path);
        let path = path.split(['?', '#']).next().unwrap_or_default().to_owned();
        let pieces = path
            .split('/')
            .map(|piece| piece.split(';').next().unwrap_or_default());
        normalised(&pieces.collect::<Vec<_>>().join("/"))
    },
];

fn decoded(path: &str) -> String {
    percent_decode_str(path).decode_utf8_lossy().into_owned()
}

/// Dot segments resolved, slashes merged, trailing dots and spaces cut as Windows does.
fn normalised(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for piece in path.split('/') {
        match piece.trim_end_matches(' ') {
            "" | "." => {}
            ".." => drop(kept.pop()),
            _ => kept.push(piece),
        }
    }
    kept.join("/")
}

/// Each of these leads some reader to `Users`, which the one who asks may not touch, or is one
/// step from doing so.
const SPELLINGS: [&str; 66] = [
    "/Users",
    "/users",
    "/USERS",
    "/Users/",
    "//Users",
    "/Users//",
    "/./Users",
    "/Users/.",
    "/%2e/Users",
    "/Docs/../Users",
    "/Docs/%2e%2e/Users",
    "/Docs/%2E./Users",
    "/Docs/.%2e/Users",
    "/Docs/..%2fUsers",
    "/Docs%2f..%2fUsers",
    "/Docs%2F%2E%2E%2FUsers",
    "/Docs/..;/Users",
    "/Docs/..;a=b/Users",
    "/Docs/%2e%2e;/Users",
    "/Docs/..%3b/Users",
    "/%2FUsers",
    "/%2fUsers",
    "/Users%2F",
    "/Users%2f$count",
    "/%5cUsers",
    "/\\Users",
    "/Docs\\..\\Users",
    "/Docs/..\\Users",
    "/Docs%5c..%5cUsers",
    "/Docs/..%5cUsers",
    "/Users;",
    "/Users;a=b",
    "/Users%3b",
    "/;/Users",
    "/;a/Users",
    "/Users%00",
    "/%00Users",
    "/Users%00.json",
    "/Users%3F",
    "/Users%3Fx=Docs",
    "/Users%23",
    "/Users%23/../Docs",
    "/%55sers",
    "/%55%73%65%72%73",
    "/%2555sers",
    "/%25%35%35sers",
    "/Docs/%252e%252e/Users",
    "/Docs%252f..%252fUsers",
    "/%252FUsers",
    "/Users%252F",
    "/%c0%afUsers",
    "/Docs/%c0%ae%c0%ae/Users",
    "/%e0%80%afUsers",
    "/%u002fUsers",
    "/%Users",
    "/%5Users",
    "/%GGUsers",
    "/Users%",
    "/Users%2",
    "/Docs/.. /Users",
    "/Docs/..%20/Users",
    "/Docs/.../Users",
    "/Users%0a",
    "/Users%0D%0AX:",
    "/Users%7f",
    "/Docs('%2F..%2F..%2FUsers')",
];

#[test]
fn t1_the_rights_check_sees_what_every_reader_sees_or_refuses() {
    for spelling in SPELLINGS {
        let path = format!("/api/v1{spelling}");
        let Some(judged) = Judged::of(&path) else {
            continue;
        };
        for (number, reader) in READERS.iter().enumerate().skip(1) {
            let seen = format!("/{}", reader(&path));
            assert_eq!(
                seen,
                judged.path().trim_end_matches('/'),
                "{spelling}, reader {number}"
            );
        }
    }
    let passing = SPELLINGS
        .iter()
        .filter(|spelling| Judged::of(spelling).is_some());
    let plain = [
        "/Users",
        "/users",
        "/USERS",
        "/Users/",
        "/%55sers",
        "/%55%73%65%72%73",
    ];
    assert_eq!(passing.copied().collect::<Vec<_>>(), plain);
}

fn soup() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/", "/", "/", "Docs", "Users", "a", "(", ")", "'", "'", "%27", "%2f", "%2F", "%5c", "\\",
        "..", ".", "%2e", ";", "%3b", "%25", "25", "2f", "2e", "%3f", "%23", "%20", " ", "%00",
        "%", "%d0%b0", "%ff", "$",
    ]);
    prop::collection::vec(piece, 0..14).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn whatever_is_judged_reads_alike_everywhere(path in soup()) {
        let Some(judged) = Judged::of(&path) else {
            return Ok(());
        };
        let judged = judged.path();
        // Cutting at `;`, `?` or `#` inside a key leaves a path that is no key at all.
        let cutting = usize::from(judged.contains([';', '?', '#']));
        let readers = READERS.iter().skip(1).take(READERS.len() - 1 - cutting);
        for reader in readers {
            prop_assert_eq!(&reader(&path), judged.trim_matches('/'), "{}", path);
        }
    }

    #[test]
    fn any_text_has_a_reading(text: String) {
        let _place = Place::of(&text);
        let _split = split_database(&text);
        let _judged = Judged::of(&text);
        let rooted = format!("/{text}");
        let _place = Place::of(&rooted);
        let _judged = Judged::of(&rooted);
        prop_assert!(!Place::of(&rooted).is_login() || may_be_login(&rooted));
    }

    #[test]
    fn a_split_target_leaves_nothing_out(target in "/[a-z0-9.]{1,5}[/?a-z%2f.]{0,10}") {
        if let Some((id, rest)) = split_database(&target) {
            let whole = format!("/{id}{rest}");
            prop_assert!(whole == target || whole.replacen('/', "", 2) == target.replacen('/', "", 1));
        }
    }
}
