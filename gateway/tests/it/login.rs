//! Every documented way to log in, and what a refusal looks like.

use harness::{Database, Dial, Message, RecordingUpstream};
use serde_json::Value;

use crate::house::{House, Plan, assert_refusal, basic, bearer, encoded, log_in, session_query};

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

struct Scene {
    upstream: RecordingUpstream,
    house: House,
    dial: Dial,
}

/// Two users: «Иванов» with a barcode, «admin» without.
fn scene(barcode_login: bool) -> Scene {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::new();
    let scanned = plan.scanned(
        plan.user("Иванов", "mobile-user", "пароль 1"),
        "4607001234567",
    );
    let admin = plan.user("admin", "administrator", "Secret:Word1");
    let database = Database::new("a", upstream.url()).with_users([scanned, admin]);
    let plan = plan.with(Database {
        barcode_login,
        identity_headers: true,
        ..database
    });
    let house = plan.start();
    Scene {
        dial: house.dial("a"),
        upstream,
        house,
    }
}

impl Scene {
    #[track_caller]
    fn post(&self, path: &str, form: &str) -> Message {
        self.dial.http("POST", path, &[FORM], form.as_bytes())
    }

    /// The token opens the door, for this user and role.
    #[track_caller]
    fn assert_opens(&self, token: &str, user: &str, role: &str) {
        let answer = self.dial.get("/x", &[("Authorization", &bearer(token))]);
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let seen = self.upstream.last();
        let seen_user = seen.header("x-smarts-user").unwrap().to_uppercase();
        assert_eq!(
            seen_user,
            encoded(&format!("id-{user}"))
                .replace("%2D", "-")
                .to_uppercase()
        );
        assert_eq!(seen.header("x-smarts-role"), Some(role));
        assert_eq!(seen.header("authorization"), None);
    }
}

#[track_caller]
fn vendor_tokens(answer: &Message) -> (String, String) {
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert!(
        answer
            .header("content-type")
            .unwrap()
            .starts_with("application/json")
    );
    assert!(answer.header("cache-control").unwrap().contains("no-store"));
    let body = answer.json();
    assert_eq!(body["Token_type"], "bearer");
    // A repeated refresh gets the same session, which has run for a moment.
    let seconds = body["Expires_in"].as_u64().unwrap();
    assert!((86_340..=86_400).contains(&seconds), "{body}");
    let text = |key: &str| {
        body[key]
            .as_str()
            .unwrap_or_else(|| panic!("{key}: {body}"))
            .to_owned()
    };
    (text("Access_token"), text("Refresh_token"))
}

#[test]
fn a_session_is_had_by_get_in_every_base_and_letter_case() {
    let scene = scene(false);
    let query = session_query("Иванов", "пароль 1");
    let query = query.split_once('?').unwrap().1;
    for base in ["/api/v1", "/MobileSMARTS/api/v1", "/mobilesmarts/API/V1"] {
        let answer = scene.dial.get(&format!("{base}/session?{query}"), &[]);
        let (token, _) = vendor_tokens(&answer);
        scene.assert_opens(&token, "Иванов", "mobile-user");
    }
    let server = Dial::plain(scene.house.server_address());
    for base in ["/a/api/v1", "/a/MobileSMARTS/api/v1", "/A/api/v1"] {
        let answer = server.get(&format!("{base}/session?{query}"), &[]);
        let (token, _) = vendor_tokens(&answer);
        scene.assert_opens(&token, "Иванов", "mobile-user");
    }
    assert!(
        scene
            .upstream
            .requests()
            .iter()
            .all(|seen| !seen.message.start.contains("session"))
    );
}

#[test]
fn a_session_is_had_by_post_at_every_documented_address() {
    let scene = scene(false);
    let form = format!(
        "grant_type=password&client_id=123&client_secret=user&username={}&password={}",
        encoded("Иванов"),
        encoded("пароль 1")
    );
    for path in [
        "/api/v1/session",
        "/MobileSMARTS/api/v1/session",
        "/api/session",
        "/oauth/token",
    ] {
        let (token, refresh) = vendor_tokens(&scene.post(path, &form));
        assert_ne!(token, refresh);
        scene.assert_opens(&token, "Иванов", "mobile-user");
    }
}

#[test]
fn a_name_is_folded_trimmed_and_may_be_the_id() {
    let scene = scene(false);
    for name in ["иванов", " ИВАНОВ ", "id-Иванов", "ID-иванов"] {
        scene.assert_opens(
            &log_in(&scene.dial, name, "пароль 1"),
            "Иванов",
            "mobile-user",
        );
    }
    // The same letters, composed otherwise.
    scene.assert_opens(
        &log_in(&scene.dial, "admin", "Secret:Word1"),
        "admin",
        "administrator",
    );
    for (name, password) in [
        ("Иванов", "Пароль 1"),
        ("Иванов", "пароль 1 "),
        ("Петров", "пароль 1"),
    ] {
        assert_refusal(&scene.dial.get(&session_query(name, password), &[]), 401);
    }
}

#[test]
fn a_form_that_waits_to_be_asked_for_is_asked_for() {
    let scene = scene(false);
    let form = "grant_type=password&username=admin&password=Secret%3AWord1";
    let mut client = scene.dial.open();
    let length = form.len().to_string();
    let headers = [
        FORM,
        ("Expect", "100-continue"),
        ("Content-Length", &length),
    ];
    client.send(client.request("POST", "/api/v1/session", &headers, b""));
    let go_on = client.head_only().unwrap().unwrap();
    assert_eq!(go_on.status(), 100);
    client.send(form);
    vendor_tokens(&client.response());
}

#[test]
fn a_form_over_16_kib_is_too_large() {
    let scene = scene(false);
    let form = |length: usize| {
        let pad = "x".repeat(length);
        format!("grant_type=password&username=admin&password=Secret%3AWord1&pad={pad}")
    };
    vendor_tokens(&scene.post("/api/v1/session", &form(15 << 10)));
    assert_refusal(&scene.post("/api/v1/session", &form(17 << 10)), 413);
}

#[test]
fn a_long_password_is_refused_unhashed_and_128_characters_are_not_long() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::new();
    let long = "я".repeat(128);
    let user = plan.user("long", "mobile-user", &long);
    let house = plan
        .with(Database::new("a", upstream.url()).with_users([user]))
        .start();
    let dial = house.dial("a");
    log_in(&dial, "long", &long);
    let answer = dial.get(&session_query("long", &"я".repeat(129)), &[]);
    assert!(matches!(answer.status(), 400 | 401), "{}", answer.start);
}

#[test]
fn with_barcode_login_a_password_or_a_barcode_alone_is_enough() {
    let scene = scene(true);
    let password = encoded("пароль 1");
    let ways = [
        scene
            .dial
            .get(&format!("/api/v1/session?password={password}"), &[]),
        scene.dial.get("/api/v1/session?barcode=4607001234567", &[]),
        scene.post(
            "/api/v1/session",
            &format!("grant_type=password&password={password}"),
        ),
        scene.post(
            "/api/v1/session",
            "grant_type=barcode&barcode=4607001234567",
        ),
    ];
    for answer in &ways {
        let (token, _) = vendor_tokens(answer);
        scene.assert_opens(&token, "Иванов", "mobile-user");
    }
    let nameless = scene
        .dial
        .get("/api/v1/session?password=Secret%3AWord1", &[]);
    let (token, _) = vendor_tokens(&nameless);
    // Whatever the role: a password that anybody may type alone opens no administrator's door.
    scene.assert_opens(&token, "admin", "mobile-user");
}

#[test]
fn without_barcode_login_a_nameless_attempt_is_a_wrong_password() {
    let scene = scene(false);
    let password = encoded("пароль 1");
    let wrong = scene
        .dial
        .get("/api/v1/session?username=admin&password=wrong", &[]);
    assert_refusal(&wrong, 401);
    let ways = [
        scene
            .dial
            .get(&format!("/api/v1/session?password={password}"), &[]),
        scene.dial.get("/api/v1/session?barcode=4607001234567", &[]),
        scene.post(
            "/api/v1/session",
            &format!("grant_type=password&password={password}"),
        ),
        scene.post(
            "/api/v1/session",
            "grant_type=barcode&barcode=4607001234567",
        ),
    ];
    for answer in &ways {
        assert_refusal(answer, 401);
        assert_eq!(
            answer.body, wrong.body,
            "nobody learns which part was wrong"
        );
    }
    let named = scene.dial.get(&session_query("Иванов", "пароль 1"), &[]);
    vendor_tokens(&named);
}

#[test]
fn an_unknown_user_and_a_wrong_password_look_alike() {
    let scene = scene(true);
    let known = scene
        .dial
        .get("/api/v1/session?username=admin&password=wrong", &[]);
    let unknown = scene
        .dial
        .get("/api/v1/session?username=nobody&password=wrong", &[]);
    let barcode = scene.dial.get("/api/v1/session?barcode=0000", &[]);
    assert_refusal(&known, 401);
    assert_eq!(known.body, unknown.body);
    assert_eq!(known.body, barcode.body);
    let names = |answer: &Message| {
        answer
            .headers
            .iter()
            .map(|(name, _)| name.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&known), names(&unknown));
}

#[test]
fn the_newer_token_endpoint_speaks_lower_case() {
    let scene = scene(false);
    let form = "grant_type=password&username=admin&password=Secret%3AWord1&client_id=ext_client\
                &client_secret=ext_client_secret&scope=all%20offline_access";
    let answer = scene.post("/api/v1/connect/token", form);
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let body = answer.json();
    assert!(
        body["token_type"]
            .as_str()
            .unwrap()
            .eq_ignore_ascii_case("bearer")
    );
    assert_eq!(body["expires_in"], 86400);
    let token = body["access_token"].as_str().unwrap();
    scene.assert_opens(token, "admin", "administrator");

    let refresh = body["refresh_token"].as_str().unwrap();
    let form = format!(
        "grant_type=refresh_token&refresh_token={refresh}&client_id=ext_client\
         &client_secret=ext_client_secret&scope=refresh_token%20offline_access"
    );
    let again = scene.post("/MobileSMARTS/api/v1/connect/token", &form);
    assert_eq!(again.status(), 200, "{}", again.text());
    scene.assert_opens(
        again.json()["access_token"].as_str().unwrap(),
        "admin",
        "administrator",
    );

    let wrong = scene.post(
        "/api/v1/connect/token",
        "grant_type=password&username=admin&password=no",
    );
    assert_eq!(wrong.status(), 400);
    assert_eq!(wrong.json()["error"], "invalid_grant");
    assert!(wrong.json()["error_description"].is_string());
}

#[test]
fn basic_is_understood_in_base64_and_plain() {
    let scene = scene(false);
    let ways = [
        (basic("Иванов", "пароль 1"), "Иванов"),
        ("Basic Иванов:пароль 1".to_owned(), "Иванов"),
        ("basic admin:Secret:Word1".to_owned(), "admin"),
        (basic("admin", "Secret:Word1"), "admin"),
    ];
    for (authorization, user) in ways {
        let answer = scene.dial.get("/x", &[("Authorization", &authorization)]);
        assert_eq!(answer.status(), 200, "{authorization}: {}", answer.text());
        let seen = scene.upstream.last();
        let seen_user = seen.header("x-smarts-user").unwrap().to_uppercase();
        assert_eq!(
            seen_user,
            encoded(&format!("id-{user}"))
                .replace("%2D", "-")
                .to_uppercase()
        );
        assert_eq!(seen.header("authorization"), None, "{authorization}");
    }
    for wrong in [
        basic("admin", "Secret:Word2"),
        "Basic admin:x".to_owned(),
        "Basic ".to_owned(),
        "Digest x".to_owned(),
    ] {
        assert_eq!(
            scene.dial.get("/x", &[("Authorization", &wrong)]).status(),
            401,
            "{wrong}"
        );
    }
}

#[test]
fn a_refresh_token_is_single_use_and_a_repeat_gets_the_same_successor() {
    let scene = scene(false);
    let (_, refresh) = vendor_tokens(&scene.dial.get(&session_query("admin", "Secret:Word1"), &[]));
    let renew = |token: &str| {
        scene.post(
            "/api/v1/session",
            &format!("grant_type=refresh_token&refresh_token={token}"),
        )
    };
    let first = renew(&refresh);
    let (token, successor) = vendor_tokens(&first);
    assert_ne!(successor, refresh);
    scene.assert_opens(&token, "admin", "administrator");
    // The answer got lost on the shop's radio; the terminal asks again.
    let repeated = renew(&refresh);
    assert_eq!(vendor_tokens(&repeated), (token, successor.clone()));
    let (token, _) = vendor_tokens(&renew(&successor));
    scene.assert_opens(&token, "admin", "administrator");
    assert_refusal(&renew("0123456789abcdef0123456789abcdef"), 401);
    assert_refusal(&renew(""), 401);
}

#[test]
fn an_ended_session_is_over_with_its_refresh_token() {
    let scene = scene(false);
    let (token, refresh) =
        vendor_tokens(&scene.dial.get(&session_query("admin", "Secret:Word1"), &[]));
    let (other, _) = vendor_tokens(&scene.dial.get(&session_query("admin", "Secret:Word1"), &[]));
    scene.assert_opens(&token, "admin", "administrator");
    let authorization = bearer(&token);
    let headers = [("Authorization", authorization.as_str())];
    let ended = scene.dial.http("DELETE", "/api/v1/session", &headers, b"");
    assert!((200..300).contains(&ended.status()), "{}", ended.start);
    assert_refusal(&scene.dial.get("/x", &headers), 401);
    let form = format!("grant_type=refresh_token&refresh_token={refresh}");
    assert_refusal(&scene.post("/api/v1/session", &form), 401);
    scene.assert_opens(&other, "admin", "administrator");
}

#[test]
fn sessions_survive_a_kill() {
    let scene = scene(false);
    let (token, refresh) =
        vendor_tokens(&scene.dial.get(&session_query("admin", "Secret:Word1"), &[]));
    let Scene {
        upstream, house, ..
    } = scene;
    let house = house.killed_and_started_again();
    let scene = Scene {
        dial: house.dial("a"),
        upstream,
        house,
    };
    scene.assert_opens(&token, "admin", "administrator");
    let form = format!("grant_type=refresh_token&refresh_token={refresh}");
    vendor_tokens(&scene.post("/api/v1/session", &form));
}

#[test]
fn who_brings_nothing_is_told_how_and_may_go_on_on_the_same_connection() {
    let scene = scene(false);
    let mut client = scene.dial.open();
    let nothing = client.http("GET", "/x", &[], b"");
    assert_refusal(&nothing, 401);
    let challenges = nothing.all("www-authenticate").join(", ");
    assert!(
        challenges.contains("Basic") && challenges.contains("Bearer"),
        "{challenges}"
    );
    let bad = client.http("GET", "/x", &[("Authorization", "Bearer nothing")], b"");
    assert_refusal(&bad, 401);
    let challenges = bad.all("www-authenticate").join(", ");
    assert!(
        challenges.contains("Bearer") && !challenges.contains("Basic"),
        "{challenges}"
    );
    let authorization = basic("admin", "Secret:Word1");
    let good = client.http("GET", "/x", &[("Authorization", &authorization)], b"");
    assert_eq!(good.status(), 200);
    assert_eq!(scene.upstream.requests().len(), 1);
}

#[test]
fn a_refusal_speaks_the_clients_language() {
    let scene = scene(false);
    let message = |language: Option<&str>| -> String {
        let headers: Vec<_> = language
            .map(|text| ("Accept-Language", text))
            .into_iter()
            .collect();
        let answer = scene.dial.get("/x", &headers);
        assert_refusal(&answer, 401);
        let body: Value = answer.json();
        assert_eq!(body["error"]["message"], body["InnerException"]["Message"]);
        body["error"]["message"].as_str().unwrap().to_owned()
    };
    let cyrillic = |text: &str| text.chars().any(|c| ('а'..='я').contains(&c));
    assert!(cyrillic(&message(Some("ru-RU,ru;q=0.9,en;q=0.5"))));
    assert!(!cyrillic(&message(Some("en-US"))));
    assert_eq!(message(None), message(Some("en")), "the file says en");
}

#[test]
fn without_login_a_stranger_sees_a_page_and_the_way_in_alone() {
    let scene = scene(false);
    let page = scene.dial.get("/", &[]);
    assert_eq!(page.status(), 200);
    assert!(
        page.header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
    let head = scene.dial.http("HEAD", "/", &[], b"");
    assert_eq!((head.status(), head.body.len()), (200, 0));
    for base in ["/api/v1", "/MobileSMARTS/api/v1"] {
        let answer = scene
            .dial
            .get(&format!("{base}/.well-known/openid-configuration"), &[]);
        assert_eq!(answer.status(), 200, "{}", answer.text());
    }
    let spellings = [
        "/api/v1",
        "/api/v1/",
        "/api/v1/Docs",
        "/api/v1/$metadata",
        "/api/v1/session/",
        "/api/v1/session/x",
        "/api/v1/session%2f..%2fDocs",
        "/api/v1/session;/../Docs",
        "/api/v1/%73ession",
        "/api/v1//session",
        "/api/v1/./session",
        "/x?/api/v1/session",
        "/.well-known/openid-configuration/../x",
        "//",
        "/index.html",
        "/?x=/api/v1/session/Docs",
    ];
    for target in spellings {
        for agent in ["curl/8", "kube-probe/1.29", "ELB-HealthChecker/2.0"] {
            let answer = scene.dial.get(target, &[("User-Agent", agent)]);
            let is_page = target.starts_with("/?") && answer.status() == 200;
            assert!(
                is_page || answer.status() == 401,
                "{target}: {}",
                answer.start
            );
        }
    }
    assert_eq!(scene.upstream.requests().len(), 0);
}

#[test]
fn no_secret_is_logged_nor_does_foreign_text_break_a_line() {
    let scene = scene(true);
    let (token, refresh) =
        vendor_tokens(&scene.dial.get(&session_query("admin", "Secret:Word1"), &[]));
    scene.dial.get("/api/v1/session?barcode=4607001234567", &[]);
    scene
        .dial
        .get("/api/v1/session?username=admin&password=GuessedWord", &[]);
    scene.dial.get(
        "/x?access_token=InTheQuery",
        &[("Authorization", &bearer(&token))],
    );
    scene
        .dial
        .get("/x", &[("Authorization", &basic("admin", "BasicGuess"))]);
    let name = encoded("x\r\n{\"level\":\"ERROR\"}\u{1b}[31m\u{2028}");
    scene
        .dial
        .get(&format!("/api/v1/session?username={name}&password=x"), &[]);
    scene.dial.get("/last", &[]);
    scene.house.logged(&["/last"]);
    let log = scene.house.log();
    for secret in [
        "Secret:Word1",
        "Secret%3AWord1",
        "4607001234567",
        "GuessedWord",
        "InTheQuery",
        "BasicGuess",
        &token,
        &refresh,
        &basic("admin", "BasicGuess")[6..],
    ] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    for line in log.lines() {
        let entry: Value =
            serde_json::from_str(line).unwrap_or_else(|fault| panic!("{fault}: {line}"));
        assert!(entry.is_object(), "{line}");
        assert!(!line.contains(['\u{1b}', '\u{2028}']), "{line}");
    }
    assert!(log.contains("127.0.0.1"), "who it was");
}

#[test]
fn a_database_without_login_asks_nobody() {
    let upstream = RecordingUpstream::ok();
    let house = Plan::open_to(&upstream).start();
    let dial = house.dial("a");
    assert_eq!(dial.get("/api/v1/Docs", &[]).text(), "ok");
    let authorization = basic("any", "body");
    assert_eq!(
        dial.get("/api/v1/Docs", &[("Authorization", &authorization)])
            .text(),
        "ok"
    );
    assert_eq!(upstream.last().header("x-smarts-user"), None);
}

#[test]
fn where_the_existing_server_judges_everything_passes_untouched() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::open_to(&upstream);
    let mut plan = plan;
    plan.front.databases[0].authentication = "upstream";
    let house = plan.start();
    let dial = house.dial("a");
    let authorization = basic("any", "body");
    for target in [
        "/api/v1/session?username=x&password=y",
        "/api/v1/Docs",
        "/oauth/token",
    ] {
        let answer = dial.get(target, &[("Authorization", &authorization)]);
        assert_eq!(answer.text(), "ok", "{target}");
        let seen = upstream.last();
        assert_eq!(seen.method_and_target().1, target);
        assert_eq!(seen.header("authorization"), Some(authorization.as_str()));
    }
}

#[test]
fn a_password_in_a_disguised_login_path_is_not_logged() {
    let scene = scene(true);
    for disguised in [
        "/api/v1/session%3Fusername=admin&password=InThePath",
        "/api/v1/session%3fpassword=InThePath",
        "/api/v1/session;password=InThePath",
    ] {
        scene.dial.get(disguised, &[]);
    }
    scene.dial.get("/last", &[]);
    scene.house.logged(&["/last"]);
    assert!(
        !scene.house.log().contains("InThePath"),
        "{}",
        scene.house.log()
    );
}
