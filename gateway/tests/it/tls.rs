//! What a port speaks: versions, ciphers and groups by profile, certificates side by side and by
//! name, and tickets that are good where they were given and nowhere else.

use std::{
    fs,
    io::{Read, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use crate::house::{GATEWAY, House, Plan};
use serde_json::json;

use harness::{
    Authority, Clock, DEADLINE, Database, Dial, Gateway, Issued, RecordingUpstream, eventually,
    tool::{self, Outcome},
};

/// Debian's openssl speaks TLS 1.0 and 1.1 only below its own security level.
const ANY_CIPHER: &str = "DEFAULT:@SECLEVEL=0";

fn s_client(address: SocketAddr, client: &str, more: &[&str]) -> Outcome {
    let bind = format!("{client}:0");
    let all = ["-bind", &bind, "-cipher", ANY_CIPHER];
    let all: Vec<&str> = all.into_iter().chain(more.iter().copied()).collect();
    tool::s_client(&address.to_string(), &all, "Q\n")
}

/// The cipher that was agreed; `None`: no handshake.
fn cipher(address: SocketAddr, client: &str, more: &[&str]) -> Option<String> {
    let outcome = s_client(address, client, more);
    let line = outcome
        .stdout
        .lines()
        .find(|line| line.contains("Cipher is"));
    let cipher = line
        .unwrap_or_default()
        .rsplit(' ')
        .next()
        .unwrap_or_default();
    Some(cipher)
        .filter(|word| !matches!(*word, "" | "(NONE)"))
        .map(str::to_owned)
}

/// Whether 127.0.0.1 gets TLS 1.0, 1.1, 1.2, 1.3.
fn versions(address: SocketAddr, client: &str) -> [bool; 4] {
    ["-tls1", "-tls1_1", "-tls1_2", "-tls1_3"]
        .map(|version| cipher(address, client, &[version]).is_some())
}

fn database(id: &str, upstream: &RecordingUpstream, tls: &'static str) -> Database {
    Database {
        https: true,
        tls,
        ..Database::new(id, upstream.url())
    }
}

/// Into the server's slot, side by side.
pub(crate) fn install(data: &Path, all: &[&Issued]) {
    let folder = data.join("tls/server");
    fs::create_dir_all(&folder).unwrap();
    let mut pem = Vec::new();
    for one in all {
        pem.extend(fs::read(&one.key).unwrap());
        pem.extend(fs::read(&one.chain).unwrap());
    }
    harness::write_private(&folder.join("certificate.pem"), &pem);
}

#[test]
fn each_profile_speaks_its_versions_and_old_ones_only_with_whom_they_are_for() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::new();
    let authority = Authority::new(plan.path());
    install(
        &plan.front.data,
        &[&authority.issue_rsa("server", &["127.0.0.1"])],
    );
    let plan = ["modern", "intermediate", "old", "old-for-everyone"]
        .into_iter()
        .fold(plan, |plan, tls| plan.with(database(tls, &upstream, tls)));
    plan.front.list("old", "whitelist", "127.0.0.9");
    let house = plan.start();
    let seen = |id: &str, client: &str| versions(house.address(id), client);
    assert_eq!(seen("modern", "127.0.0.1"), [false, false, false, true]);
    assert_eq!(
        seen("intermediate", "127.0.0.1"),
        [false, false, true, true]
    );
    assert_eq!(seen("old", "127.0.0.1"), [false, false, true, true]);
    assert_eq!(seen("old", "127.0.0.9"), [true, true, true, true]);
    assert_eq!(
        seen("old-for-everyone", "127.0.0.1"),
        [true, true, true, true]
    );
    let told = house.command(&["status"]).stdout;
    for words in [
        "OUTDATED ENCRYPTION: whitelisted addresses",
        "OUTDATED ENCRYPTION FOR EVERYBODY",
    ] {
        assert_eq!(told.matches(words).count(), 1, "{told}");
    }
    // RSA key exchange and AES-CBC, which is what a Windows CE has.
    for (id, client, good) in [
        ("intermediate", "127.0.0.1", false),
        ("old", "127.0.0.1", false),
        ("old", "127.0.0.9", true),
        ("old-for-everyone", "127.0.0.1", true),
    ] {
        let bind = format!("{client}:0");
        let asked = [
            "-bind",
            &bind,
            "-tls1_2",
            "-cipher",
            "AES128-SHA:@SECLEVEL=0",
        ];
        let outcome = tool::s_client(&house.address(id).to_string(), &asked, "Q\n");
        let agreed = outcome.stdout.contains("Cipher is AES128-SHA");
        assert_eq!(agreed, good, "{id} {client}: {}", outcome.stdout);
    }
}

/// What a Windows CE greets with: the format is of SSL 2, the version its newest. RC4, AES and 3DES with
/// RSA key exchange.
pub(crate) fn ssl2_hello(version: u16) -> Vec<u8> {
    let mut hello = vec![0x80, 34, 1];
    hello.extend(version.to_be_bytes());
    hello.extend([0, 9, 0, 0, 0, 16]);
    hello.extend([1, 0, 0x80, 0, 0, 0x2f, 0, 0, 0x0a]);
    hello.extend([7; 16]);
    hello
}

/// Where a device does it to the end: `outside/oldest.rs`.
#[test]
fn a_hello_in_the_format_of_ssl2_is_answered_to_whom_old_is_for_also_where_it_drips() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::new();
    let authority = Authority::new(plan.path());
    install(
        &plan.front.data,
        &[&authority.issue_rsa("server", &["127.0.0.1"])],
    );
    let plan = plan
        .with(database("old", &upstream, "old"))
        .with(Database::new("plain", upstream.url()));
    plan.front.list("old", "whitelist", "127.0.0.9");
    let house = plan.start();
    let hello = ssl2_hello(0x0301);
    let answer = |id: &str, client: u8, at_a_time: usize| {
        let dial = Dial::plain(house.address(id)).from([127, 0, 0, client]);
        let mut tcp = dial.try_tcp().unwrap();
        for part in hello.chunks(at_a_time) {
            tcp.write_all(part).unwrap();
        }
        let mut answer = Vec::new();
        // Who is refused unheard may see a reset.
        let _end = tcp.take(11).read_to_end(&mut answer);
        answer
    };
    // A handshake record with a ServerHello, both of TLS 1.0.
    for at_a_time in [hello.len(), 1] {
        let answer = answer("old", 9, at_a_time);
        assert_eq!(answer[..3], [0x16, 3, 1], "{answer:?}");
        assert_eq!((answer[5], &answer[9..]), (2, &[3, 1][..]), "{answer:?}");
    }
    let alert = [0x15, 3, 1, 0, 2, 2, 70];
    assert_eq!(answer("old", 1, hello.len()), alert);
    // Nobody is answered in HTTP who did not speak it.
    assert_eq!(answer("plain", 9, hello.len()), b"");
    house.logged(&["connection refused", "\"not-plain\""]);
}

#[test]
fn at_the_server_port_each_database_is_reached_by_its_own_profile() {
    let upstream = RecordingUpstream::ok();
    let mut plan = Plan::new();
    plan.front.server = (0, true);
    plan.front.server_tls = "old";
    let plan = [
        ("old", "old"),
        ("old-to-others", "old"),
        ("intermediate", "intermediate"),
        ("modern", "modern"),
        ("everyone", "old-for-everyone"),
    ]
    .into_iter()
    .fold(plan, |plan, (id, tls)| {
        plan.with(database(id, &upstream, tls))
    });
    for id in ["old", "intermediate", "modern"] {
        plan.front.list(id, "whitelist", "127.0.0.9");
    }
    let house = plan.start();
    let server = house.server_address().to_string();
    let status = |client: &str, id: &str, how: [&str; 3]| {
        let bind = format!("{client}:0");
        let asked = [&["-bind", &*bind, "-ign_eof"], &how[..]].concat();
        let request = format!("GET /{id}/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let outcome = tool::s_client(&server, &asked, &request);
        let (_, answer) = outcome.stdout.split_once("HTTP/1.1 ")?;
        Some(answer[..3].to_owned())
    };
    let status = |client, id, how| status(client, id, how).unwrap_or_default();
    let oldest = ["-tls1", "-cipher", "DEFAULT:@SECLEVEL=0"];
    let weak = ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"];
    let current = ["-tls1_2", "-cipher", "DEFAULT"];
    let newest = ["-tls1_3", "-cipher", "DEFAULT"];
    let mut served = 0;
    // As old, as old without being whitelisted, as intermediate, as modern, as old for everyone.
    for (client, how, expected) in [
        ("127.0.0.9", oldest, ["200", "403", "403", "403", "200"]),
        ("127.0.0.9", weak, ["200", "403", "403", "403", "200"]),
        ("127.0.0.1", oldest, [""; 5]),
        ("127.0.0.1", current, ["200", "200", "200", "403", "200"]),
        ("127.0.0.1", newest, ["200"; 5]),
    ] {
        let ids = ["old", "old-to-others", "intermediate", "modern", "everyone"];
        let seen = ids.map(|id| status(client, id, how));
        assert_eq!(seen, expected, "{client} {how:?}");
        served += seen.iter().filter(|status| *status == "200").count();
    }
    assert_eq!(
        upstream.requests().len(),
        served,
        "the refused went nowhere"
    );
    house.logged(&["\"request\"", "\"database.id\":\"modern\"", "old-tls"]);
    let told = house.command(&["why", "127.0.0.1"]).stdout;
    assert!(told.contains("профиль"), "{told}");
}

#[test]
fn a_changed_profile_acts_on_new_connections_and_leaves_open_ones() {
    let upstream = RecordingUpstream::ok();
    let mut house = Plan::new()
        .with(database("a", &upstream, "old-for-everyone"))
        .start();
    let address = house.address("a");
    let mut open = Dial::tls_blindly(address).open();
    assert_eq!(open.http("GET", "/", &[], b"").status(), 200);
    let before = ["-tls1_1"];
    // The test certificate is ECDSA.
    assert!(cipher(address, "127.0.0.1", &before).is_some());
    let warned = |house: &House| {
        let state = house.state("a");
        let warnings = state["warnings"].as_array().unwrap().iter();
        warnings
            .map(|one| one["code"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let loud = warned(&house);
    assert!(
        loud.contains(&"tls-old-for-everyone".to_owned()),
        "{loud:?}"
    );
    assert!(loud.contains(&"tls-old-without-rsa".to_owned()), "{loud:?}");
    house.change(|front| front.databases[0].tls = "intermediate");
    eventually(DEADLINE, "TLS 1.1 is refused", || {
        cipher(address, "127.0.0.1", &before)
            .is_none()
            .then_some(())
    });
    assert!(cipher(address, "127.0.0.1", &["-tls1_2"]).is_some());
    assert_eq!(open.http("GET", "/", &[], b"").status(), 200);
    assert!(
        warned(&house)
            .iter()
            .all(|code| !code.starts_with("tls-old"))
    );
}

#[test]
fn an_rsa_and_an_ecdsa_certificate_stand_side_by_side_each_with_its_chain() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::new();
    let root = Authority::new(plan.path());
    let (one, other) = (
        root.intermediate("Intermediate E"),
        root.intermediate("Intermediate R"),
    );
    let hosts = ["127.0.0.1"];
    install(
        &plan.front.data,
        &[&one.issue("e", &hosts), &other.issue_rsa("r", &hosts)],
    );
    let house = plan.with(database("a", &upstream, "intermediate")).start();
    let root = root.file().to_str().unwrap();
    for (asked, version, chain) in [
        ("ECDSA+SHA256", "-tls1_3", "Intermediate E"),
        ("ECDSA+SHA256", "-tls1_2", "Intermediate E"),
        ("RSA-PSS+SHA256", "-tls1_3", "Intermediate R"),
        ("RSA+SHA256", "-tls1_2", "Intermediate R"),
    ] {
        let more = [
            "-sigalgs",
            asked,
            version,
            "-CAfile",
            root,
            "-verify_return_error",
            "-showcerts",
        ];
        let outcome = s_client(house.address("a"), "127.0.0.1", &more);
        assert!(
            outcome.stdout.contains("Verification: OK"),
            "{asked} {version}: {outcome:?}"
        );
        let certificates = outcome.stdout.matches("BEGIN CERTIFICATE").count();
        assert_eq!(certificates, 2, "{asked} {version}: {}", outcome.stdout);
        assert!(
            outcome.stdout.contains(&format!("i:CN = {chain}")),
            "{}",
            outcome.stdout
        );
    }
}

#[test]
fn a_name_chooses_a_certificate_and_never_a_database() {
    let (first, second) = (RecordingUpstream::ok(), RecordingUpstream::ok());
    let mut plan = Plan::new();
    plan.front.server = (0, true);
    let authority = Authority::new(plan.path());
    install(
        &plan.front.data,
        &[&authority.issue("default", &["default.test", "127.0.0.1"])],
    );
    let own = |id: &str| Some(authority.issue(id, &[&format!("{id}.test"), "*.shops.test"]));
    let plan = plan
        .with(Database {
            certificate: own("a"),
            ..database("a", &first, "intermediate")
        })
        .with(Database {
            certificate: own("b"),
            ..database("b", &second, "intermediate")
        });
    let house = plan.start();
    let subject = |address: SocketAddr, name: Option<&str>| {
        let asked: &[&str] = match &name {
            Some(name) => &["-servername", name],
            None => &["-noservername"],
        };
        let outcome = s_client(address, "127.0.0.1", asked);
        let line = outcome
            .stdout
            .lines()
            .find(|line| line.starts_with("subject="));
        line.unwrap_or_else(|| panic!("{outcome:?}"))
            .trim_start_matches("subject=CN = ")
            .to_owned()
    };
    let (server, a) = (house.server_address(), house.address("a"));
    for (name, at_server, at_a) in [
        (None, "default", "a"),
        (Some("unknown.test"), "default", "a"),
        (Some("default.test"), "default", "default"),
        (Some("A.test"), "a", "a"),
        (Some("x.shops.test"), "a", "a"),
        // Another database's is shown at the server port, and not at a's own.
        (Some("b.test"), "b", "a"),
    ] {
        assert_eq!(subject(server, name), at_server, "{name:?}");
        assert_eq!(subject(a, name), at_a, "{name:?}");
    }
    let port = a.port();
    let resolve = format!("default.test:{port}:127.0.0.1");
    let url = format!("https://default.test:{port}/x");
    let root = authority.file().to_str().unwrap();
    let (status, _) = tool::curl(["--cacert", root, "--resolve", &resolve, &url]);
    assert_eq!(status, 200);
    assert_eq!((first.requests().len(), second.requests().len()), (1, 0));
}

#[test]
fn a_current_client_agrees_on_a_post_quantum_group_and_old_ones_are_named_until_they_are_gone() {
    let upstream = RecordingUpstream::ok();
    let mut plan = Plan::new();
    plan.front.server = (0, true);
    let authority = Authority::new(plan.path());
    let rsa = authority.issue_rsa("server", &["127.0.0.1"]);
    install(&plan.front.data, &[&rsa]);
    let plan = plan.with(database("a", &upstream, "old-for-everyone"));
    let house = plan.start();
    let spoken = |house: &House| house.state("a")["tls_spoken"].clone();
    let root = authority.file();
    let answer = Dial::tls(house.address("a"), root).get("/", &[]);
    assert_eq!(answer.status(), 200);
    let current = json!([{
        "version": "TLS 1.3",
        "group": "X25519MLKEM768",
        "cipher": "TLS_AES_128_GCM_SHA256",
        "count": 1,
    }]);
    assert_eq!(
        spoken(&house),
        json!({"agreed": current, "old_clients": []})
    );
    let told = house.command(&["status"]);
    assert!(
        told.stdout.contains("никому с момента запуска"),
        "{}",
        told.stdout
    );
    // Debian's client knows nothing of ML-KEM, and one that prefers X25519 is asked for better.
    assert!(cipher(house.address("a"), "127.0.0.7", &["-tls1_3"]).is_some());
    assert!(cipher(house.address("a"), "127.0.0.8", &["-tls1_1"]).is_some());
    let weak = ["-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0"];
    assert!(cipher(house.address("a"), "127.0.0.9", &weak).is_some());
    let now = spoken(&house);
    let groups: Vec<_> = now["agreed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["group"].clone())
        .collect();
    assert_eq!(groups.len(), 4, "{now}");
    assert!(groups.contains(&json!("x25519")), "{now}");
    let old = now["old_clients"].as_array().unwrap();
    let old: Vec<_> = old
        .iter()
        .map(|one| ["address", "version", "cipher"].map(|key| one[key].as_str().unwrap()))
        .collect();
    let aes = "ECDHE-RSA-AES128-SHA";
    let by_version = ["127.0.0.8", "TLS 1.1", aes];
    assert_eq!(old, [["127.0.0.9", "TLS 1.2", "AES128-SHA"], by_version]);
    let told = house.command(&["status"]);
    let line = format!("127.0.0.8  TLS 1.1, {aes}  ");
    assert!(told.stdout.contains(&line), "{}", told.stdout);
    assert!(
        !told.stdout.contains("никому с момента запуска"),
        "{}",
        told.stdout
    );
    let metrics = Dial::plain(house.metrics_address())
        .get("/metrics", &[])
        .text();
    let counted = "handshakes_total{database=\"a\",version=\"TLS 1.3\",\
        cipher=\"TLS_AES_128_GCM_SHA256\",group=\"X25519MLKEM768\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
    // The server port has a count of its own.
    assert!(cipher(house.server_address(), "127.0.0.7", &["-tls1_2"]).is_some());
    let server = house.status()["server"]["tls_spoken"]["agreed"].clone();
    assert_eq!(server[0]["version"], "TLS 1.2", "{server}");
    assert_eq!(server.as_array().unwrap().len(), 1, "{server}");
}

/// What a client keeps between two visits.
struct Ticket {
    file: PathBuf,
    version: &'static str,
}

impl Ticket {
    fn new(folder: &Path, version: &'static str) -> Self {
        let file = folder.join(format!("session{version}"));
        Self { file, version }
    }

    /// A whole request; says whether the session of the last visit was resumed, and keeps the new
    /// one where there is none, or in place of it.
    fn visit(&self, address: SocketAddr, name: &str, more: &[&str], renew: bool) -> bool {
        let file = self.file.to_str().unwrap();
        let mut all = vec![self.version, "-ign_eof", "-servername", name];
        all.extend(more);
        if self.file.exists() {
            all.extend(["-sess_in", file]);
        }
        if renew {
            all.extend(["-sess_out", file]);
        }
        let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let outcome = tool::s_client(&address.to_string(), &all, request);
        assert!(outcome.stdout.contains("HTTP/1.1 200"), "{outcome:?}");
        let resumed = outcome.stdout.contains("\nReused, ");
        assert_ne!(resumed, outcome.stdout.contains("\nNew, "), "{outcome:?}");
        resumed
    }

    fn forget(&self) {
        drop(fs::remove_file(&self.file));
    }
}

#[test]
fn a_ticket_is_good_on_its_port_with_its_certificate_and_nowhere_else() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::new();
    let folder = plan.path().to_owned();
    let authority = Authority::new(&folder);
    let issue = |name: &str| authority.issue(name, &["127.0.0.1", &format!("{name}.test")]);
    install(&plan.front.data, &[&issue("default")]);
    let own = Database {
        certificate: Some(issue("b")),
        ..database("b", &upstream, "intermediate")
    };
    let plan = plan
        .with(database("a", &upstream, "intermediate"))
        .with(own);
    // Another port with the same certificate.
    let mut house = plan.with(database("c", &upstream, "intermediate")).start();
    let (a, b, c) = (house.address("a"), house.address("b"), house.address("c"));
    let tickets = ["-tls1_2", "-tls1_3"].map(|version| Ticket::new(&folder, version));
    for ticket in &tickets {
        assert!(!ticket.visit(a, "default.test", &[], true));
        assert!(
            ticket.visit(a, "default.test", &[], false),
            "where it was given"
        );
        assert!(!ticket.visit(b, "default.test", &[], false), "another port");
        assert!(
            !ticket.visit(c, "default.test", &[], false),
            "one with this very certificate"
        );
        ticket.forget();
        // Chosen by its name, on a port that has another for who names none.
        assert!(!ticket.visit(b, "default.test", &[], true));
        assert!(ticket.visit(b, "default.test", &[], false));
        assert!(
            !ticket.visit(b, "b.test", &[], false),
            "another certificate of this port"
        );
        ticket.forget();
        assert!(!ticket.visit(a, "default.test", &[], true));
    }
    let renewed = issue("default");
    install(&house.front.data, &[&renewed]);
    house.change(|_| {});
    let new = openssl::x509::X509::from_pem(&fs::read(&renewed.chain).unwrap()).unwrap();
    let new = new
        .serial_number()
        .to_bn()
        .unwrap()
        .to_hex_str()
        .unwrap()
        .to_string();
    eventually(DEADLINE, "the new certificate is shown", || {
        let outcome = s_client(a, "127.0.0.1", &[]);
        let pem = outcome
            .stdout
            .find("-----BEGIN CERTIFICATE")
            .map(|at| &outcome.stdout[at..])?;
        let shown = openssl::x509::X509::from_pem(pem.as_bytes()).ok()?;
        let shown = shown
            .serial_number()
            .to_bn()
            .ok()?
            .to_hex_str()
            .ok()?
            .to_string();
        (shown == new).then_some(())
    });
    for ticket in &tickets {
        assert!(
            !ticket.visit(a, "default.test", &[], true),
            "after a change of certificate"
        );
        assert!(ticket.visit(a, "default.test", &[], false));
    }
}

#[test]
fn after_twelve_hours_tickets_come_under_another_key() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::new().with(database("a", &upstream, "intermediate"));
    let clock = Clock::of_everything(plan.path());
    let config = plan.path().join("gateway.yaml");
    fs::write(&config, plan.front.yaml()).unwrap();
    let mut gateway = Gateway::start_by(GATEWAY, &config, &plan.front.data, &clock);
    // A ticket begins with the name of its key (RFC 5077, 4).
    let key = || {
        let said = s_client(gateway.address("a"), "127.0.0.1", &["-tls1_2"]).stdout;
        let (_, ticket) = said.split_once("TLS session ticket:\n")?;
        Some(ticket.lines().next()?.trim()[..55].to_owned())
    };
    let before = key().unwrap();
    assert_eq!(key().unwrap(), before);
    clock.turn(12 * 60 * 60 + 1);
    eventually(DEADLINE, "another key", || {
        key().filter(|now| *now != before)
    });
    gateway.terminate();
}

#[test]
fn early_data_renegotiation_and_compression_are_refused() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::new();
    let folder = plan.path().to_owned();
    let house = plan
        .with(database("a", &upstream, "old-for-everyone"))
        .start();
    let address = house.address("a");
    let ticket = Ticket::new(&folder, "-tls1_3");
    assert!(!ticket.visit(address, "a.test", &[], true));
    let early = folder.join("early");
    fs::write(&early, "GET /early HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let (file, early) = (ticket.file.to_str().unwrap(), early.to_str().unwrap());
    let asked = [
        "-tls1_3",
        "-servername",
        "a.test",
        "-sess_in",
        file,
        "-early_data",
        early,
    ];
    let outcome = tool::s_client(&address.to_string(), &asked, "Q\n");
    assert!(outcome.stdout.contains("\nReused, "), "{outcome:?}");
    // OpenSSL does not even send it where the ticket allows none.
    assert!(
        outcome.stdout.contains("Early data was not sent"),
        "{outcome:?}"
    );
    for version in ["-tls1", "-tls1_2"] {
        let bind = ["-cipher", ANY_CIPHER, version, "-comp"];
        let outcome = tool::converse("openssl", s_arguments(&address.to_string(), &bind), "R\n");
        let all = outcome.stdout + &outcome.stderr;
        assert!(all.contains("RENEGOTIATING"), "{all}");
        assert!(all.contains("no renegotiation"), "{all}");
        assert!(all.contains("Compression: NONE"), "{all}");
    }
    let paths = upstream.requests();
    assert!(
        paths
            .iter()
            .all(|one| !one.message.start.contains("/early")),
        "{paths:?}"
    );
}

fn s_arguments<'a>(address: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let fixed = ["s_client", "-connect", address];
    fixed.into_iter().chain(more.iter().copied()).collect()
}
