//! What is seen from outside: status, health, metrics, the log; and from where it is not.

use harness::{Database, Dial, RecordingUpstream, Reply, tool};
use serde_json::Value;

use crate::house::{GATEWAY, Plan, session_query};

#[test]
fn every_request_and_decision_is_one_json_line_with_its_reason() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::open_to(&upstream);
    let user = plan.user("ivan", "mobile-user", "Word-1");
    let plan = plan.with(Database::new("b", upstream.url()).with_users([user]));
    plan.front.list("a", "blacklist", "127.0.0.9\n");
    let house = plan.start();
    let served = house
        .dial("a")
        .from([127, 0, 0, 10])
        .get("/path?secret=1", &[]);
    let refused = house.dial("b").get("/x", &[]);
    house.dial("b").get(&session_query("ivan", "Word-1"), &[]);
    house.dial("b").get(&session_query("ivan", "wrong"), &[]);
    assert!(house.dial("a").from([127, 0, 0, 9]).gets_no_byte());
    house.logged(&["127.0.0.9"]);
    for answer in [&served, &refused] {
        house.logged(&[answer.header("x-request-id").unwrap()]);
    }
    let log = house.log();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |answer: &harness::Message| {
        let id = answer.header("x-request-id").unwrap().to_owned();
        let found: Vec<_> = lines
            .iter()
            .filter(|line| line["request.id"] == id.as_str())
            .collect();
        assert_eq!(found.len(), 1, "one line for {id}: {found:?}");
        found[0].clone()
    };
    let line = of(&served);
    assert_eq!(line["client.addr"], "127.0.0.10");
    assert_eq!(line["database.id"], "a");
    assert_eq!(
        (line["status"].as_u64(), line["path"].as_str()),
        (Some(200), Some("/path"))
    );
    assert!(line.to_string().contains("duration"), "{line}");
    let line = of(&refused);
    assert_eq!(line["status"], 401);
    assert!(line["reason"].is_string(), "{line}");
    assert!(!log.contains("secret=1"), "no query is logged");
}

#[test]
fn health_and_metrics_are_on_loopback_and_no_public_port_leads_there() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::new();
    let user = plan.user("ivan", "mobile-user", "Word-1");
    let house = plan
        .with(Database::new("a", upstream.url()).with_users([user]))
        .start();
    let metrics = house.metrics_address();
    assert!(metrics.ip().is_loopback());
    let inside = Dial::plain(metrics);
    assert_eq!(inside.get("/health", &[]).status(), 200);
    house.dial("a").get("/x", &[]);
    let page = inside.get("/metrics", &[]);
    assert_eq!(page.status(), 200);
    assert!(page.text().ends_with("# EOF\n"), "{}", page.text());
    assert!(page.text().contains("_total"), "{}", page.text());
    assert_eq!(inside.get("/status", &[]).status(), 404);
    assert_eq!(inside.http("POST", "/health", &[], b"x").status(), 405);
    for host in ["localhost", "127.0.0.1", &metrics.to_string(), "metrics"] {
        for target in ["/metrics", "/health", "/status", "/admin"] {
            let answer = house.dial("a").get(target, &[("Host", host)]);
            assert_eq!(answer.status(), 401, "{target} with Host {host}");
        }
    }
}

#[test]
fn health_fails_while_a_wanted_port_does_not_serve() {
    let upstream = RecordingUpstream::ok();
    let port = harness::free_port();
    let holder = std::net::TcpListener::bind(("0.0.0.0", port)).unwrap();
    let plan = Plan::new().with(Database {
        port,
        ..Database::new("a", upstream.url())
    });
    let house = plan.start();
    let inside = Dial::plain(house.metrics_address());
    assert_eq!(inside.get("/health", &[]).status(), 503);
    drop(holder);
    harness::eventually(harness::DEADLINE, "healthy again", || {
        (inside.get("/health", &[]).status() == 200).then_some(())
    });
}

#[test]
fn the_status_is_for_who_runs_it_and_says_when_nothing_runs() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::open_to(&upstream);
    let data = plan.front.data.display().to_string();
    let asked = tool::run(GATEWAY, ["status", "--data", &data], "");
    assert_eq!(asked.code, Some(3), "not running: {asked:?}");
    let mut house = plan.start();
    let state = house.state("a");
    assert_eq!(state["state"], "open");
    assert_eq!(state["name"], "Database a");
    assert_eq!(state["authentication"], "none");
    assert_eq!(state["lists"].as_array().unwrap().len(), 2);
    let text = house.gateway.command(&["status"]);
    assert_eq!(text.code, Some(0));
    assert!(text.stdout.contains("Database a"), "{}", text.stdout);
    let unknown = house.gateway.command(&["status", "nothing"]);
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    let socket = house.front.data.join("admin.sock");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(socket).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    house.terminate();
    assert_eq!(house.gateway.command(&["status"]).code, Some(3));
}

const ASK_FOR_CERTIFICATES: &str = r#"
import socket, sys
admin = socket.socket(socket.AF_UNIX)
admin.connect(sys.argv[1])
try:
    admin.sendall(b"GET /certificates HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n")
    while part := admin.recv(65536):
        sys.stdout.write(part.decode())
except (BrokenPipeError, ConnectionResetError):
    pass
"#;

#[test]
fn another_user_gets_no_byte_though_the_way_to_the_socket_is_open() {
    if !nix::unistd::Uid::effective().is_root() {
        // Nobody else can become another user.
        return;
    }
    let upstream = RecordingUpstream::ok();
    let house = Plan::open_to(&upstream).start();
    let socket = house.front.data.join("admin.sock");
    let open = |path: &std::path::Path, mode| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(path, mode).unwrap();
    };
    open(&socket, 0o666);
    let config = house.config();
    for folder in [&*house.front.data, config.parent().unwrap()] {
        open(folder, 0o711);
    }
    let asked = |who: &str| {
        let words = [
            who,
            "--clear-groups",
            "/usr/bin/python3",
            "-c",
            ASK_FOR_CERTIFICATES,
        ];
        let outcome = tool::run(
            "setpriv",
            words.iter().chain(&[socket.to_str().unwrap()]),
            "",
        );
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        outcome.stdout
    };
    assert!(asked("--reuid=0").starts_with("HTTP/1.1 200"));
    assert_eq!(asked("--reuid=65534"), "");
    house.logged(&["another user asked at the admin socket", "65534"]);
}

#[test]
fn a_long_data_folder_has_its_sockets_elsewhere() {
    let upstream = RecordingUpstream::ok();
    let mut plan = Plan::open_to(&upstream);
    let long = plan.path().join("д".repeat(60));
    std::fs::create_dir(&long).unwrap();
    plan.front.data = long;
    let mut house = plan.start();
    assert_eq!(house.state("a")["state"], "open");
    assert!(matches!(
        house.dial("a").open().try_http("GET", "/x", &[], b""),
        Ok(Reply::Response(_))
    ));
    house.terminate();
    assert_eq!(house.gateway.command(&["status"]).code, Some(3));
}

#[test]
fn secrets_in_the_data_folder_are_for_the_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let upstream = RecordingUpstream::ok();
    let plan = Plan::new();
    let user = plan.user("ivan", "mobile-user", "Word-1");
    let house = plan
        .with(Database {
            https: true,
            ..Database::new("a", upstream.url()).with_users([user])
        })
        .start();
    let dial = Dial::tls_blindly(house.address("a"));
    let session = dial.get(&session_query("ivan", "Word-1"), &[]).json();
    let mut folders = vec![house.front.data.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            if kind.is_dir() {
                folders.push(path);
                continue;
            }
            if !kind.is_file() {
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let contains = |secret: &str| {
                bytes
                    .windows(secret.len())
                    .any(|part| part == secret.as_bytes())
            };
            for token in ["Access_token", "Refresh_token"] {
                let token = session[token].as_str().unwrap();
                assert!(!contains(token), "a token lies in {}", path.display());
            }
            let is_key =
                path.starts_with(house.front.data.join("secrets")) || contains("PRIVATE KEY");
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            assert!(!is_key || mode == 0o600, "{} is {mode:o}", path.display());
        }
    }
}

#[test]
fn the_soft_limit_of_descriptors_is_raised() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::open_to(&upstream);
    let file = plan.path().join("gateway.yaml");
    std::fs::write(&file, plan.front.yaml()).unwrap();
    let script = "ulimit -Sn 256 && exec \"$0\" run --config gateway.yaml";
    let process = harness::Process::start("sh", ["-c", script, GATEWAY], plan.path());
    process.ready();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", process.id())).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    assert_ne!(words[3], "256", "{line}");
}
