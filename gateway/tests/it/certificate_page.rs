//! The page by which a terminal gets to trust the server: who sees it, what it hands out, and that
//! it is a way to nothing else.

use std::{fs, net::SocketAddr};

use harness::{
    Authority, DEADLINE, Database, Dial, Message, RecordingUpstream, Reply, eventually, qr,
};
use openssl::{base64::encode_block, sha::sha256, x509::X509};

use crate::house::{House, Plan, assert_refusal, until_refused, until_served};

const TERMINAL: [u8; 4] = [127, 0, 8, 1];
const NEIGHBOUR: [u8; 4] = [127, 0, 8, 2];

/// Where the page is open.
#[track_caller]
fn page(house: &House) -> Dial {
    let address = eventually(DEADLINE, "the page is open", || {
        house.status()["certificate_page"]["address"]
            .as_str()?
            .parse::<SocketAddr>()
            .ok()
    });
    Dial::plain(address)
}

/// On loopback alone, where a page cannot name another address of the machine.
fn plan(upstream: &RecordingUpstream) -> Plan {
    let mut plan = Plan::open_to(upstream);
    plan.front.listen = "127.0.0.1".to_owned();
    plan.front.server.1 = true;
    plan.front.certificate_page = Some(0);
    plan
}

#[track_caller]
fn html(dial: &Dial) -> Message {
    let page = dial.get("/", &[("Accept-Language", "en")]);
    assert_eq!(page.status(), 200, "{}", page.text());
    page
}

#[test]
fn it_is_off_until_the_file_says_so_and_off_again() {
    let upstream = RecordingUpstream::ok();
    let mut plan = plan(&upstream);
    plan.front.certificate_page = None;
    let mut house = plan.start();
    assert!(house.status()["certificate_page"].is_null());
    house.change(|front| front.certificate_page = Some(0));
    let dial = page(&house);
    assert!(html(&dial).text().contains("Connect a terminal"));
    let mut kept = dial.open();
    kept.http("GET", "/", &[], b"");
    house.change(|front| front.certificate_page = None);
    eventually(DEADLINE, "the port is closed", || dial.try_tcp().err());
    assert!(kept.ends_silently().unwrap(), "and its connections");
    assert!(house.status()["certificate_page"].is_null());
}

#[test]
fn a_busy_port_is_a_state_and_the_others_serve() {
    let upstream = RecordingUpstream::ok();
    let mut plan = plan(&upstream);
    plan.front.certificate_page = Some(upstream.address().port());
    let house = plan.start();
    let state = house.status()["certificate_page"].clone();
    assert_eq!(state["state"], "closed", "{state}");
    assert!(
        state["reason"].as_str().unwrap().contains("is held by"),
        "{state}"
    );
    assert_eq!(house.dial("a").get("/x", &[]).text(), "ok");
}

#[test]
fn an_address_refused_by_every_database_gets_no_byte_and_its_neighbour_the_page() {
    let upstream = RecordingUpstream::ok();
    let house = plan(&upstream).start();
    let dial = page(&house);
    house.front.list("a", "blacklist", "127.0.8.1\n");
    until_refused(&dial.from(TERMINAL));
    html(&dial.from(NEIGHBOUR));
    house.front.list("a", "blacklist", "");
    until_served(&dial.from(TERMINAL));
}

#[test]
fn a_database_stands_on_the_page_only_for_whom_its_lists_admit() {
    let upstream = RecordingUpstream::ok();
    let plan = plan(&upstream).with(Database::new("b", upstream.url()));
    let house = plan.start();
    let dial = page(&house);
    house.front.list("a", "blacklist", "127.0.8.1\n");
    until_refused(&house.dial("a").from(TERMINAL));
    let refused = html(&dial.from(TERMINAL)).text();
    assert!(!refused.contains("Database a"), "{refused}");
    assert!(refused.contains("Database b"), "{refused}");
    let admitted = html(&dial.from(NEIGHBOUR)).text();
    assert!(admitted.contains("Database a") && admitted.contains("Database b"));
}

#[test]
fn behind_a_proxy_the_client_that_it_names_is_judged_on_every_request() {
    let upstream = RecordingUpstream::ok();
    let mut plan = plan(&upstream);
    plan.front.trusted_proxies = vec!["127.0.0.1".to_owned()];
    let house = plan.start();
    let mut kept = page(&house).open();
    let terminal = [("X-Forwarded-For", "127.0.8.1")];
    let neighbour = [("X-Forwarded-For", "127.0.8.2")];
    let served = |reply: Reply| matches!(reply, Reply::Response(page) if page.status() == 200);
    assert!(served(kept.try_http("GET", "/", &terminal, b"").unwrap()));
    house.front.list("a", "blacklist", "127.0.8.1\n");
    until_refused(&page(&house).from(TERMINAL));
    let mut another = page(&house).open();
    assert!(served(
        another.try_http("GET", "/", &neighbour, b"").unwrap()
    ));
    let refused = another.try_http("GET", "/", &terminal, b"").unwrap();
    assert!(matches!(refused, Reply::Closed), "{refused:?}");
}

#[test]
fn the_code_leads_to_the_database_over_the_server_port() {
    let upstream = RecordingUpstream::ok();
    let house = plan(&upstream).start();
    let server = house.server_address();
    let texts = qr::texts(&html(&page(&house)).text());
    assert_eq!(texts, [format!("https://127.0.0.1:{}/a", server.port())]);
    let test = house.front.data.join("tls/test.pem");
    let answer = Dial::tls(server, &test).get("/a/api/v1", &[]);
    assert_eq!(answer.text(), "ok", "and there is the database");
}

#[test]
fn the_root_is_handed_out_byte_for_byte_in_every_form() {
    let upstream = RecordingUpstream::ok();
    let mut plan = plan(&upstream);
    let authority = Authority::new(plan.path());
    plan.front.server.1 = false;
    plan.front.databases[0].https = true;
    plan.front.databases[0].certificate = Some(authority.issue("gate", &["127.0.0.1"]));
    let folder = plan.front.data.join("tls/authority");
    fs::create_dir_all(&folder).unwrap();
    let pem = fs::read(authority.file()).unwrap();
    fs::write(folder.join("root.pem"), &pem).unwrap();
    let house = plan.start();
    let dial = page(&house);
    let root = X509::from_pem(&pem).unwrap();
    for file in ["cer", "crt"] {
        let answer = dial.get(&format!("/smarts-gateway.{file}"), &[]);
        assert_eq!(
            answer.header("content-type"),
            Some("application/x-x509-ca-cert")
        );
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.body, root.to_der().unwrap());
    }
    let answer = dial.get("/smarts-gateway.pem", &[]);
    assert_eq!(X509::from_pem(&answer.body).unwrap(), root);
    let answer = dial.get("/smarts-gateway.mobileconfig", &[]);
    let kind = answer.header("content-type");
    assert_eq!(kind, Some("application/x-apple-aspen-config"));
    let inside = encode_block(&root.to_der().unwrap());
    assert!(answer.text().contains(&inside), "{}", answer.text());
    let text = html(&dial).text();
    assert!(
        text.contains("Install the root certificate “Test authority”"),
        "{text}"
    );
    assert!(
        text.contains("href=\"/smarts-gateway.mobileconfig\""),
        "{text}"
    );
}

#[test]
fn the_self_test_tells_an_address_its_own_failed_handshake_and_nobody_elses() {
    let upstream = RecordingUpstream::ok();
    let plan = plan(&upstream);
    let stranger = Authority::new(plan.path());
    let house = plan.start();
    let dial = page(&house);
    let told = |from: [u8; 4], target: &str| dial.from(from).get(target, &[]).json();

    let text = html(&dial.from(TERMINAL)).text();
    let (_, since) = text.split_once("data-since=\"").unwrap();
    let since = since.split('"').next().unwrap();
    let target = format!("/self-test.json?lang=en&since={since}");
    assert!(told(TERMINAL, &target)["reason"].is_null());

    let server = Dial::tls(house.server_address(), stranger.file()).from(TERMINAL);
    assert!(server.try_open().is_err());
    let reason = eventually(DEADLINE, "the failure is remembered", || {
        let answer = told(TERMINAL, &target);
        Some(answer["words"].as_str()?.to_owned())
    });
    assert!(reason.contains("know the certificate's issuer"), "{reason}");
    assert!(reason.contains("step 1"), "{reason}");
    let by_hand = dial
        .from(TERMINAL)
        .get(&format!("/self-test?lang=en&since={since}"), &[]);
    assert!(by_hand.text().contains(&reason), "{}", by_hand.text());

    assert!(
        told(NEIGHBOUR, &target)["reason"].is_null(),
        "not another's"
    );
    let named = dial
        .from(NEIGHBOUR)
        .get(&target, &[("X-Forwarded-For", "127.0.8.1")]);
    assert!(named.json()["reason"].is_null(), "by whatever name");
    let later = told(TERMINAL, "/self-test.json?lang=en");
    assert!(later["reason"].is_null(), "not what was before");
}

#[test]
fn nothing_is_forwarded_from_there_and_nobody_logs_in() {
    let upstream = RecordingUpstream::ok();
    let house = plan(&upstream).start();
    let dial = page(&house);
    for target in [
        "/a",
        "/a/api/v1/Docs",
        "/api/v1/session?username=a&password=b",
        "/a/api/v1/session?username=a&password=b",
        "/MobileSMARTS/api/v1/Docs",
        "/..%2fa/api/v1",
        "//a/api/v1",
        "/smarts-gateway.key",
        "/smarts-gateway-2.cer",
        "/favicon.ico",
        "/test.key",
        "/self-test/",
    ] {
        assert_refusal(&dial.get(target, &[]), 404);
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "X"] {
        for target in ["/", "/a/api/v1/Docs", "/oauth/token", "/smarts-gateway.cer"] {
            let answer = dial.http(method, target, &[], b"grant_type=password");
            assert_refusal(&answer, 405);
        }
    }
    let upgrade = [("Connection", "Upgrade"), ("Upgrade", "websocket")];
    assert_refusal(&dial.get("/a/api/v1", &upgrade), 404);
    assert_eq!(dial.http("HEAD", "/", &[], b"").status(), 200);
    assert!(upstream.requests().is_empty(), "{:?}", upstream.requests());
    assert_eq!(
        house.dial("a").get("/x", &[]).text(),
        "ok",
        "its own port does"
    );
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn only_a_host_of_ours_gets_onto_the_page() {
    let upstream = RecordingUpstream::ok();
    let house = plan(&upstream).start();
    let dial = page(&house);
    let port = house.server_address().port();
    let asked = |host: &str| dial.get("/", &[("Host", host)]).text();
    for stranger in ["evil.example", "evil.example:80", "127.0.0.1.evil.example"] {
        let text = asked(stranger);
        assert!(!text.contains("evil"), "{stranger}: {text}");
        assert_eq!(qr::texts(&text), [format!("https://127.0.0.1:{port}/a")]);
    }
    for broken in ["a@127.0.0.1", "\"><script>", "127.0.0.1/x", "*"] {
        let answer = dial.get("/", &[("Host", broken)]);
        assert!(!answer.text().contains(broken), "{broken}");
    }
    let Some(name) = X509::from_pem(&fs::read(house.front.data.join("tls/test.pem")).unwrap())
        .unwrap()
        .subject_alt_names()
        .and_then(|names| {
            let mut dns = names.iter().filter_map(|name| name.dnsname());
            dns.find(|name| *name != "localhost").map(str::to_owned)
        })
    else {
        return;
    };
    let expected = format!("https://{name}:{port}/a");
    assert_eq!(qr::texts(&asked(&format!("{name}:1"))), [expected]);
}

#[test]
fn style_and_script_are_allowed_by_their_hashes_and_nothing_else_is() {
    let upstream = RecordingUpstream::ok();
    let house = plan(&upstream).start();
    let answer = html(&page(&house));
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    let text = answer.text();
    for (open, close) in [("<style>", "</style>"), ("<script>", "</script>")] {
        assert_eq!(text.matches(open).count(), 1);
        let (_, inside) = text.split_once(open).unwrap();
        let inside = inside.split(close).next().unwrap();
        let hash = encode_block(&sha256(inside.as_bytes()));
        assert!(
            policy.contains(&format!("'sha256-{hash}'")),
            "{open} {policy}"
        );
    }
    assert!(
        !text.contains(" style=") && !text.contains(" onclick="),
        "{text}"
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
}

#[test]
fn it_speaks_the_readers_language() {
    let upstream = RecordingUpstream::ok();
    let house = plan(&upstream).start();
    let dial = page(&house);
    let says = |target: &str, language: &str| dial.get(target, &[("Accept-Language", language)]);
    let russian = says("/", "ru-RU,ru;q=0.9");
    assert!(
        russian.text().contains("Подключение ТСД"),
        "{}",
        russian.text()
    );
    assert!(russian.text().contains("href=\"/?lang=en\""));
    assert!(
        says("/?lang=en", "ru")
            .text()
            .contains("Connect a terminal")
    );
    assert!(says("/?lang=fr", "ru").text().contains("Подключение ТСД"));
}

#[test]
fn the_page_is_one_file_too_with_the_name_that_the_administrator_says() {
    let upstream = RecordingUpstream::ok();
    let mut plan = plan(&upstream).with(Database::new("b", upstream.url()));
    plan.front.certificate_page = None;
    let house = plan.start();
    let port = house.server_address().port();
    let file = house.config().with_file_name("page.html");
    let to = file.to_str().unwrap();
    let done = house.command(&["cert", "page", "--host", "gate.example.ru", "--to", to]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let html = fs::read_to_string(&file).unwrap();
    let expected = ["a", "b"].map(|id| format!("https://gate.example.ru:{port}/{id}"));
    assert_eq!(qr::texts(&html), expected);
    let test = fs::read(house.front.data.join("tls/test.pem")).unwrap();
    let test = X509::from_pem(&test).unwrap();
    let inside = encode_block(&test.to_der().unwrap());
    assert!(html.contains(&format!("base64,{inside}\"")), "{html}");
    let sha256 = hex(&test.digest(openssl::hash::MessageDigest::sha256()).unwrap());
    // In groups of four, as on the page.
    let group = |word: &&str| word.len() == 4 && word.chars().all(|c| c.is_ascii_hexdigit());
    let groups: String = done.stdout.split_whitespace().filter(group).collect();
    assert!(groups.contains(&sha256), "{done:?}");

    let printed = house.command(&["cert", "page", "--database", "Database b"]);
    assert_eq!(printed.code, Some(0), "{printed:?}");
    let texts = qr::texts(&printed.stdout);
    assert_eq!(texts, [format!("https://127.0.0.1:{port}/b")]);
    for wrong in [
        &["cert", "page", "--database", "nobody"][..],
        &["cert", "page", "--host", "a b"],
        &["cert", "page", "--to", "/nowhere/page.html"],
    ] {
        let refused = house.command(wrong);
        assert!(matches!(refused.code, Some(1 | 2)), "{refused:?}");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
