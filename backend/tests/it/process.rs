//! The binary itself: its ready line, its end, its log, and what a kill leaves behind.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use backend::Listen;
use harness::{DEADLINE, Dial, Process, Systemd, TempDir, eventually, tempdir};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::actors::{Actor, KEY, SHOP};

const BINARY: &str = env!("CARGO_BIN_EXE_backend");

/// A folder with a configuration for the binary, on a Unix socket.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempdir().unwrap();
        let place = Self { folder };
        let socket = place.socket();
        place.configure(&format!("unix:{}", socket.display()), "");
        place
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn socket(&self) -> PathBuf {
        self.path().join("s")
    }

    fn configure(&self, listen: &str, more: &str) {
        let data = self.path().join("data");
        let yaml = format!(
            "data: {}\nlisten: \"{listen}\"\nlog: {{to: stderr}}\n{more}",
            data.display()
        );
        fs::write(self.path().join("backend.yaml"), yaml).unwrap();
    }

    fn start(&self) -> Process {
        let process = Process::start(BINARY, ["--config", "backend.yaml"], self.path());
        process.ready();
        process
    }

    fn administrator(&self) -> Actor {
        Actor::new(Listen::Unix(self.socket()), "administrator", None)
    }
}

fn document(id: &str) -> Value {
    json!({"id": id, "documentTypeName": "Поступление", "declaredItems": [
        {"productId": "p-0001", "declaredQuantity": 1},
        {"productId": "p-0002", "declaredQuantity": 2},
    ]})
}

#[tokio::test]
async fn the_first_start_prints_passwords_then_the_ready_line_and_the_second_only_this() {
    let place = Place::new();
    let mut process = Process::start(BINARY, ["--config", "backend.yaml"], place.path());
    let ready = process.ready();
    assert_eq!(
        ready["address"],
        format!("unix:{}", place.socket().display())
    );
    let printed = process.stdout();
    assert!(
        printed.contains("Магазин 15") && printed.contains("Иванов"),
        "{printed}"
    );
    assert_eq!(process.terminate().code(), Some(0));
    let mut process = place.start();
    assert_eq!(process.stdout().lines().count(), 1, "{}", process.stdout());
    process.signal("INT");
    assert_eq!(process.wait_exit(DEADLINE).code(), Some(0));
    assert!(!place.socket().exists());
}

#[tokio::test]
async fn the_log_lies_in_the_data_folder_for_its_owner_alone() {
    let place = Place::new();
    let file = place.path().join("backend.yaml");
    let yaml = fs::read_to_string(&file).unwrap();
    fs::write(&file, yaml.replace("{to: stderr}", "{level: info}")).unwrap();
    let mut process = place.start();
    assert_eq!(process.terminate().code(), Some(0));
    assert_eq!(process.stderr(), "");
    let log = place.path().join("data/log/backend.log");
    let lines = fs::read_to_string(&log).unwrap();
    assert!(lines.contains("the backend has stopped"), "{lines}");
    for (path, mode) in [
        ("data", 0o700),
        ("data/log", 0o700),
        ("data/log/backend.log", 0o600),
    ] {
        let found = fs::metadata(place.path().join(path)).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, mode, "{path}");
    }
}

#[tokio::test]
async fn a_second_process_on_the_folder_is_refused_and_writes_nothing_into_the_log_of_the_first() {
    let place = Place::new();
    let file = place.path().join("backend.yaml");
    let yaml = fs::read_to_string(&file).unwrap();
    fs::write(&file, yaml.replace("{to: stderr}", "{level: info}")).unwrap();
    let mut first = place.start();
    let log = place.path().join("data/log/backend.log");
    let written = || fs::read_to_string(&log).unwrap_or_default();
    let before = eventually(DEADLINE, "the line of the start", || {
        Some(written()).filter(|lines| lines.contains("the backend listens"))
    });
    for (language, words) in [
        ("ru_RU.UTF-8", "уже пользуется другой процесс"),
        ("en_GB.UTF-8", "is in use by another process"),
    ] {
        let mut second = Command::new(BINARY);
        second
            .args(["--config", "backend.yaml"])
            .env("LC_ALL", language)
            .current_dir(place.path());
        let mut second = Process::spawn(second);
        assert_eq!(second.wait_exit(DEADLINE).code(), Some(1));
        assert!(second.stderr().contains(words), "{}", second.stderr());
    }
    assert_eq!(written(), before);
    assert_eq!(first.terminate().code(), Some(0));
}

#[tokio::test]
async fn over_tcp_the_binary_wants_a_key_file_of_its_owner() {
    let place = Place::new();
    place.configure("127.0.0.1:0", "");
    let mut process = Process::start(BINARY, ["--config", "backend.yaml"], place.path());
    assert_eq!(process.wait_exit(DEADLINE).code(), Some(1));
    assert!(
        process.stderr().contains("нужен общий ключ"),
        "{}",
        process.stderr()
    );

    let key = place.path().join("key");
    fs::write(&key, format!("{KEY}\n")).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    place.configure("127.0.0.1:0", "key_file: key\n");
    let mut process = Process::start(BINARY, ["--config", "backend.yaml"], place.path());
    assert_eq!(process.wait_exit(DEADLINE).code(), Some(1));
    assert!(process.stderr().contains("0600"), "{}", process.stderr());

    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let process = Process::start(BINARY, ["--config", "backend.yaml"], place.path());
    let address = process.ready()["address"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let administrator = Actor::new(Listen::Tcp(address), "administrator", None);
    administrator.get("/Docs").await.is(401);
    administrator
        .with("x-smarts-key", KEY)
        .get("/Docs")
        .await
        .is(200);
}

#[tokio::test]
async fn a_request_is_one_line_of_json_without_secrets() {
    let place = Place::new();
    let process = place.start();
    let administrator = place
        .administrator()
        .with("x-request-id", "r-77")
        .with("x-smarts-client", "192.0.2.7");
    let user =
        json!({"id": "70", "groupId": "1", "password": "Секрет-70", "barcode": "467046704670"});
    administrator.post("/Users", user).await.is(201);
    let target = "/Users?$select=password&password=Секрет-70";
    administrator.get(target).await.is(200);
    let line = process.stderr_line(DEADLINE, |line| {
        line.contains("r-77") && line.contains("\"method\":\"GET\"")
    });
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["request.id"], "r-77");
    assert_eq!(line["client.addr"], "192.0.2.7");
    assert_eq!(line["database.id"], SHOP);
    assert_eq!(line["status"], 200);
    assert!(line["duration_ms"].is_u64(), "{line}");
    for secret in ["Секрет", "%D0%A1", "467046704670", "argon2"] {
        assert!(
            !process.output().contains(secret),
            "{secret}: {}",
            process.output()
        );
    }
}

/// Four clients write one document after another; each acknowledged id is told at once.
fn write_without_end(place: &Place, round: usize) -> mpsc::UnboundedReceiver<String> {
    let (acknowledge, acknowledged) = mpsc::unbounded_channel();
    for client in 0..4 {
        let (actor, acknowledge) = (place.administrator(), acknowledge.clone());
        tokio::spawn(async move {
            let Ok(mut sender) = actor.connect().await else {
                return;
            };
            for number in 0.. {
                let id = format!("k-{round}-{client}-{number}");
                let (target, body) = (format!("{}/Docs", actor.base), document(&id).to_string());
                let answer = actor.send_on(&mut sender, "POST", &target, body).await;
                match answer {
                    Ok(answer) if answer.status == 201 => acknowledge.send(id).unwrap_or_default(),
                    Ok(answer) => panic!("{}", answer.text()),
                    Err(_) => return,
                }
            }
        });
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_kills_lose_no_acknowledged_document() {
    let place = Place::new();
    let mut process = place.start();
    let mut written = BTreeSet::new();
    for round in 0..50 {
        let mut acknowledged = write_without_end(&place, round);
        for _ in 0..=round % 7 * 3 {
            written.insert(acknowledged.recv().await.unwrap());
        }
        process.kill9();
        // What was acknowledged before the kill may still be on its way to us.
        while let Some(id) = acknowledged.recv().await {
            written.insert(id);
        }
        process = place.start();
        let read = place
            .administrator()
            .get("/Docs?$filter=startswith(id,'k-')&$expand=declaredItems($select=uid)")
            .await
            .is(200)
            .json();
        let rows = read["value"].as_array().unwrap();
        let found: BTreeSet<&str> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
        let lost: Vec<&String> = written
            .iter()
            .filter(|id| !found.contains(id.as_str()))
            .collect();
        assert!(lost.is_empty(), "after kill {round}: {lost:?}");
        for row in rows {
            assert_eq!(
                row["declaredItems"].as_array().unwrap().len(),
                2,
                "no half document"
            );
        }
    }
    assert!(written.len() > 100, "{}", written.len());

    // Each has its copy, and whatever a kill came between, exactly one.
    let copies = place
        .administrator()
        .get("/Backups?$filter=startswith(documentId,'k-')")
        .await
        .is(200)
        .json();
    let copies = copies["value"].as_array().unwrap();
    let copied: Vec<&str> = copies
        .iter()
        .map(|copy| copy["documentId"].as_str().unwrap())
        .collect();
    let once: BTreeSet<&str> = copied.iter().copied().collect();
    assert_eq!(copied.len(), once.len(), "a copy is written once");
    let missing: Vec<&String> = written
        .iter()
        .filter(|id| !once.contains(id.as_str()))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The trace of system calls, split where an answer with success begins to leave; each part says
/// whether the WAL had been written and then synchronised since the answer before.
fn synchronised_before_each_answer(trace: &str) -> Vec<bool> {
    let mut parts = Vec::new();
    let mut last = "";
    for line in trace.lines() {
        let ended = line.ends_with("= 0") && line.contains("fdatasync");
        if line.contains("pwrite64(") && line.contains("-wal>") {
            last = "written";
        } else if ended && last == "written" {
            // A call that took long is split in two lines; only the second one has its result.
            last = "synchronised";
        } else if line.contains("\"HTTP/1.1 2") {
            parts.push(last == "synchronised");
            last = "";
        }
    }
    parts
}

#[tokio::test]
async fn the_wal_is_synchronised_before_the_first_byte_of_a_2xx() {
    let place = Place::new();
    place.start().terminate();
    let trace = place.path().join("trace");
    let mut command = Command::new("strace");
    command
        // -D: the binary is our child, and strace ends with it.
        .args(["-D", "-f", "-y", "-q", "-s", "16", "-e"])
        .arg("trace=pwrite64,fdatasync,fsync,write,writev,sendto,sendmsg")
        .arg("-o")
        .arg(&trace)
        .args([BINARY, "--config", "backend.yaml"])
        .current_dir(place.path());
    if Command::new("strace")
        .args(["-qq", "true"])
        .status()
        .is_ok_and(|status| status.success())
    {
        let mut process = Process::spawn(command);
        process.ready();
        let administrator = place.administrator();
        let rows = json!({"value": [{"productId": "p-0003", "declaredQuantity": 3}]});
        // Copies of documents are put into their folder behind an answer, and the table cleared then.
        let no_copies = json!({"changes": [
            {"change": "set", "id": SHOP, "settings": {"backups": false}},
        ]});
        administrator
            .send("POST", "/directory", Some(no_copies))
            .await
            .is(200);
        administrator.post("/Docs", document("s-1")).await.is(201);
        administrator
            .patch("/Docs('s-1')", json!({"description": "x"}))
            .await
            .is(204);
        administrator
            .post("/Docs('s-1')/declaredItems", rows)
            .await
            .is(200);
        administrator.delete("/Docs('s-1')").await.is(204);
        let user = json!({"id": "70", "groupId": "1", "password": "p-70"});
        administrator.post("/Users", user).await.is(201);
        let change = json!({"changes": [
            {"change": "set", "id": SHOP, "settings": {"comment": "x"}},
        ]});
        administrator
            .send("POST", "/directory", Some(change))
            .await
            .is(200);
        administrator.get("/Docs").await.is(200);
        assert_eq!(process.terminate().code(), Some(0));
        let trace = eventually(DEADLINE, "the end of the trace", || {
            let text = fs::read_to_string(&trace).ok()?;
            text.contains("+++ exited with 0 +++").then_some(text)
        });
        let expected = [true, true, true, true, true, true, false];
        assert_eq!(
            synchronised_before_each_answer(&trace)[1..],
            expected,
            "{trace}"
        );
        assert!(
            trace.contains("fdatasync("),
            "not fsync, which writes more than is needed"
        );
    } else {
        eprintln!("skipped: strace cannot run here");
    }
}

#[tokio::test]
async fn a_full_disk_is_a_507_and_loses_nothing() {
    let place = Place::new();
    let data = place.path().join("data");
    fs::create_dir(&data).unwrap();
    // A mount of its own that ends with the process; works without root as well.
    let script = "mount -t tmpfs -o size=6m tmpfs \"$1\" && exec \"$0\" --config backend.yaml";
    let in_namespace = |arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command.arg("-rm").args(arguments).current_dir(place.path());
        command
    };
    let can = ["sh", "-c", "mount -t tmpfs tmpfs data"];
    if !in_namespace(&can)
        .status()
        .is_ok_and(|status| status.success())
    {
        eprintln!("skipped: no tmpfs can be mounted here");
        return;
    }
    let mut command = in_namespace(&["sh", "-c", script, BINARY]);
    command.arg(&data);
    let process = Process::spawn(command);
    process.ready();
    let administrator = place.administrator();
    let filler = "я".repeat(100_000);
    let mut kept = 0;
    let refused = loop {
        let mut document = document(&format!("f-{kept}"));
        document["description"] = json!(filler);
        let answer = administrator.post("/Docs", document).await;
        if answer.status != 201 {
            break answer;
        }
        kept += 1;
        assert!(kept < 100, "6 MiB hold no 100 documents of 200 KB");
    };
    assert_eq!(refused.status, 507, "{}", refused.text());
    assert_eq!(refused.json()["error"]["code"], "disk-full");
    let target = "/Docs?$filter=startswith(id,'f-')&$select=id&$count=true";
    let read = administrator.get(target).await.is(200).json();
    assert_eq!(read["@odata.count"], kept);
    administrator
        .get(&format!("/Docs('f-{kept}')"))
        .await
        .is(404);
}

#[test]
fn systemd_hears_of_it_and_a_request_during_a_restart_waits_for_the_next_process() {
    let place = Place::new();
    let key = place.path().join("backend.key");
    fs::write(&key, KEY).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let over_tcp = |port: u16| {
        let more = format!("key_file: {}\n", key.display());
        place.configure(&format!("127.0.0.1:{port}"), &more);
    };
    over_tcp(0);
    let systemd = Systemd::start();
    let start = || systemd.spawn(BINARY, ["--config", "backend.yaml"], place.path());
    let address = |process: &Process| -> std::net::SocketAddr {
        process.ready()["address"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap()
    };
    let headers = [("X-Smarts-Key", KEY)];

    let mut process = start();
    let first = address(&process);
    systemd.wait_for("READY=1", 1);
    systemd.wait_for("WATCHDOG=1", 2);
    assert_eq!(systemd.stored(), ["backend"]);
    assert_eq!(process.terminate().code(), Some(0));
    systemd.wait_for("STOPPING=1", 1);

    let mut early = Dial::plain(first).open();
    early.send(early.request("GET", "/health", &headers, b""));
    process = start();
    assert_eq!(early.response().status(), 200);
    assert_eq!(address(&process), first);
    process.kill9();

    // Another address is wanted: the old one is closed, and nobody keeps it.
    let other = harness::free_port();
    over_tcp(other);
    process = start();
    assert_eq!(address(&process).port(), other);
    assert!(Dial::plain(first).try_open().is_err());
    assert_eq!(systemd.stored(), ["backend"]);
    assert_eq!(
        Dial::plain(address(&process))
            .get("/health", &headers)
            .status(),
        200
    );
}
