//! A restart costs no request: systemd keeps the listening sockets, or the process hands them to
//! itself. Played with a systemd of the harness, under load, with ports opened at run time.

use std::{
    fs,
    io::{Read, Write},
    net::SocketAddr,
    os::unix::net::UnixStream,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use harness::{
    Client, DEADLINE, Dial, Process, Reply, Systemd, TempDir, eventually, free_port, tempdir,
};
use serde_json::{Value, json};

use crate::house::{GATEWAY, bearer, session_query};

/// A demo database: id, name, a document type of its own.
struct Demo(&'static str, &'static str, &'static str);

const SHOP: Demo = Demo(
    "21e6d501-e8c1-44e0-b0cd-f30a369b1822",
    "Магазин 15",
    "Инвентаризация",
);
const COURIER: Demo = Demo(
    "5b0e7c34-9d1f-4c62-8a57-3e1f6f0c2d98",
    "Курьер",
    "СверкаОстатков",
);

/// The embedded deployment as a service.
struct Service {
    systemd: Systemd,
    folder: TempDir,
    process: Process,
    ready: Value,
}

impl Service {
    fn start() -> Self {
        let folder = tempdir().unwrap();
        let yaml = format!(
            "language: en\ndata: {}/data\nlog: {{to: stderr, level: info}}\n\
             metrics: 127.0.0.1:0\nserver: {{port: 0, https: false}}\nbackend: embedded\n\
             limits: {{connections_per_address: 5000, new_per_second: 100000, burst: 100000}}\n",
            folder.path().display()
        );
        fs::write(folder.path().join("gateway.yaml"), yaml).unwrap();
        let systemd = Systemd::start();
        let process = Self::spawn(&systemd, &folder);
        let ready = process.ready();
        systemd.wait_for("READY=1", 1);
        Self {
            systemd,
            folder,
            process,
            ready,
        }
    }

    fn spawn(systemd: &Systemd, folder: &TempDir) -> Process {
        let arguments = ["run", "--config", "gateway.yaml"];
        systemd.spawn(GATEWAY, arguments, folder.path())
    }

    /// As `systemctl restart` does after the end of the process.
    fn start_again(&mut self) {
        self.systemd.forget();
        self.process = Self::spawn(&self.systemd, &self.folder);
        self.ready = self.process.ready();
        self.systemd.wait_for("READY=1", 1);
    }

    /// Asks the backend in the same process for changes of the directory.
    fn change(&self, changes: &Value) -> Value {
        let body = json!({ "changes": changes }).to_string();
        let socket = self.folder.path().join("data/backend.sock");
        let mut backend = UnixStream::connect(socket).unwrap();
        let head = format!(
            "POST /directory HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        backend.write_all((head + &body).as_bytes()).unwrap();
        let mut answer = String::new();
        backend.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    /// Ports of the demo databases and of a new one, none of which was there at the start.
    fn open_ports(&self) -> [SocketAddr; 3] {
        let ports = [free_port(), free_port(), free_port()];
        let set = |id, port, https| {
            let settings = json!({"port": port, "https": https});
            json!({"change": "set", "id": id, "settings": settings})
        };
        self.change(&json!([
            set(SHOP.0, ports[0], true),
            set(COURIER.0, ports[1], false),
            {"change": "add", "id": "lavka", "settings": {
                "name": "Лавка", "folder": "", "https": false, "authentication": true,
                "port": ports[2],
            }},
        ]));
        for port in ports {
            eventually(DEADLINE, "the port is kept", || {
                let suffix = format!("@{port}");
                let stored = self.systemd.stored();
                stored
                    .iter()
                    .any(|name| name.ends_with(&suffix))
                    .then_some(())
            });
        }
        ports.map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
    }

    /// Name and password of the database's external connection, as printed at the first start.
    fn exchange(&self, database: &Demo) -> (String, String) {
        let told = self.process.stdout();
        let mut lines = told.lines().skip_while(|line| line.trim() != database.1);
        let user = lines.find(|line| line.contains("external")).expect(&told);
        let name = user.find("Обмен").expect(user);
        let mut words = user[name..].split_whitespace();
        let [name, password] = [words.next(), words.next()].map(Option::unwrap);
        (name.to_owned(), password.to_owned())
    }

    /// Which socket listens on the port, as the kernel numbers it.
    fn socket(&self, at: SocketAddr) -> Option<String> {
        let suffix = format!(":{:04X}", at.port());
        let tables = ["tcp", "tcp6"].map(|table| fs::read_to_string(format!("/proc/net/{table}")));
        let text = tables.into_iter().flatten().collect::<String>();
        let rows = text
            .lines()
            .map(|row| row.split_whitespace().collect::<Vec<_>>());
        let mut listening = rows.filter(|row| row[1].ends_with(&suffix) && row[3] == "0A");
        listening.next().map(|row| row[9].to_owned())
    }
}

/// Clients that write documents without a pause, each from an address of its own.
struct Load {
    threads: Vec<JoinHandle<()>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    served: AtomicUsize,
    /// Those that had a 201.
    documents: Mutex<Vec<(usize, String)>>,
    failed: Mutex<Vec<String>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Connections {
    Kept,
    OneEach,
}

impl Load {
    fn start(targets: &[(Dial, String)]) -> Self {
        let shared = Arc::new(Shared::default());
        let kinds = [Connections::Kept, Connections::Kept, Connections::OneEach];
        let threads = (0..targets.len() * kinds.len())
            .map(|number| {
                let (target, kind) = (number % targets.len(), kinds[number % kinds.len()]);
                let (dial, token) = targets[target].clone();
                let dial = dial.from([127, 0, 7, u8::try_from(number + 1).unwrap()]);
                let shared = Arc::clone(&shared);
                thread::spawn(move || write_documents(number, target, kind, &dial, &token, &shared))
            })
            .collect();
        Self { threads, shared }
    }

    /// Waits for so many more answers.
    fn more(&self, count: usize) {
        let enough = self.shared.served.load(Ordering::Acquire) + count;
        eventually(DEADLINE * 3, "answers under load", || {
            let failed = !self.shared.failed.lock().unwrap().is_empty();
            (failed || self.shared.served.load(Ordering::Acquire) >= enough).then_some(())
        });
    }

    /// What failed, and the documents that were acknowledged.
    fn end(self) -> (Vec<String>, Vec<(usize, String)>) {
        self.shared.stop.store(true, Ordering::Release);
        for thread in self.threads {
            thread.join().unwrap();
        }
        let failed = self.shared.failed.lock().unwrap().clone();
        let documents = self.shared.documents.lock().unwrap().clone();
        (failed, documents)
    }
}

fn write_documents(
    number: usize,
    target: usize,
    kind: Connections,
    dial: &Dial,
    token: &str,
    shared: &Shared,
) {
    let kind_of = [SHOP.2, COURIER.2];
    let mut client: Option<Client> = None;
    for count in 0.. {
        if shared.stop.load(Ordering::Acquire) {
            break;
        }
        let id = format!("up-{number}-{count}");
        let body = json!({"id": id, "documentTypeName": kind_of[target], "warehouseId": "1"});
        let authorization = bearer(token);
        let headers = [
            ("Authorization", authorization.as_str()),
            ("Content-Type", "application/json"),
        ];
        let (was_kept, opened) = match client.take() {
            Some(kept) => (true, Ok(kept)),
            None => (false, dial.try_open()),
        };
        let answered = opened.and_then(|mut open| {
            let reply = open.try_http(
                "POST",
                "/api/v1/Docs",
                &headers,
                body.to_string().as_bytes(),
            );
            reply.map(|reply| (open, reply))
        });
        match answered {
            Ok((open, Reply::Response(answer))) if answer.status() == 201 => {
                shared.documents.lock().unwrap().push((target, id));
                let ends = answer.header("connection") == Some("close");
                client = (kind == Connections::Kept && !ends).then_some(open);
            }
            other => {
                let what = match other {
                    Ok((_, Reply::Response(answer))) => {
                        format!("{} {}", answer.start, answer.text())
                    }
                    Ok((_, Reply::Closed)) => "closed".to_owned(),
                    Err(fault) => fault.to_string(),
                };
                let failure = format!("{id}, kept {was_kept}: {what}");
                shared.failed.lock().unwrap().push(failure);
            }
        }
        shared.served.fetch_add(1, Ordering::AcqRel);
    }
}

/// The embedded gateway, its ports, and who may write there.
fn under_load(service: &Service) -> ([SocketAddr; 3], Vec<(Dial, String)>, Load) {
    let ports = service.open_ports();
    let dials = [Dial::tls_blindly(ports[0]), Dial::plain(ports[1])];
    let targets: Vec<_> = dials
        .into_iter()
        .zip([&SHOP, &COURIER])
        .map(|(dial, database)| {
            let (name, password) = service.exchange(database);
            let answer = dial.get(&session_query(&name, &password), &[]);
            assert_eq!(answer.status(), 200, "{}", answer.text());
            let token = answer.json()["Access_token"].as_str().unwrap().to_owned();
            (dial, token)
        })
        .collect();
    let load = Load::start(&targets);
    load.more(50);
    (ports, targets, load)
}

#[track_caller]
fn all_there(targets: &[(Dial, String)], documents: &[(usize, String)]) {
    let mut clients: Vec<_> = targets.iter().map(|(dial, _)| dial.open()).collect();
    for (target, id) in documents {
        let authorization = bearer(&targets[*target].1);
        let headers = [("Authorization", authorization.as_str())];
        let path = format!("/api/v1/Docs('{id}')");
        let answer = clients[*target].http("GET", &path, &headers, b"");
        assert_eq!(answer.status(), 200, "{id} was acknowledged");
    }
}

#[test]
fn a_restart_under_load_loses_no_request_and_keeps_the_sockets_of_ports_opened_at_run_time() {
    let mut service = Service::start();
    let (ports, targets, load) = under_load(&service);
    let before = ports.map(|port| service.socket(port).unwrap());
    for _ in 0..2 {
        assert_eq!(service.process.terminate().code(), Some(0));
        service.start_again();
        load.more(100);
    }
    let (failed, documents) = load.end();
    assert_eq!(failed, Vec::<String>::new());
    assert!(documents.len() >= 250);
    all_there(&targets, &documents);
    assert_eq!(ports.map(|port| service.socket(port).unwrap()), before);
}

/// The twin: it is the store that makes the difference.
#[test]
fn without_the_store_the_same_load_is_refused_during_a_restart() {
    let mut service = Service::start();
    let (_, targets, load) = under_load(&service);
    assert_eq!(service.process.terminate().code(), Some(0));
    service.systemd.empty_store();
    eventually(DEADLINE, "somebody is refused", || {
        let failed = load.shared.failed.lock().unwrap();
        failed
            .iter()
            .any(|fault| fault.contains("refused"))
            .then_some(())
    });
    service.start_again();
    load.more(50);
    let (_, documents) = load.end();
    all_there(&targets, &documents);
}

#[test]
fn after_a_kill_clients_wait_for_the_next_process_and_are_served_by_it() {
    let mut service = Service::start();
    let ports = service.open_ports();
    let before = service.socket(ports[1]);
    service.process.kill9();
    let mut early = Dial::plain(ports[1]).open();
    early.send(early.request("GET", "/", &[], b""));
    service.start_again();
    assert_eq!(early.response().status(), 200);
    assert_eq!(service.socket(ports[1]), before);
}

#[test]
fn a_port_given_up_leaves_the_store_and_one_that_nobody_wants_any_more_is_closed_at_the_start() {
    let mut service = Service::start();
    let ports = service.open_ports();
    let stored = |name: &str| service.systemd.stored().contains(&name.to_owned());
    let name = format!("data-lavka@{}", ports[2].port());
    assert!(stored(&name));
    service.change(&json!([{"change": "remove", "id": "lavka"}]));
    eventually(DEADLINE, "the removed port is given up", || {
        (!stored(&name)).then_some(())
    });
    assert!(Dial::plain(ports[2]).try_open().is_err());

    // The server port of a file that says another one by the next start.
    assert!(stored("server@0"));
    let file = service.folder.path().join("gateway.yaml");
    let port = free_port();
    let yaml = fs::read_to_string(&file).unwrap();
    let old = SocketAddr::from(([127, 0, 0, 1], {
        let server: SocketAddr = service.ready["server"].as_str().unwrap().parse().unwrap();
        server.port()
    }));
    service.process.kill9();
    assert!(Dial::plain(old).try_open().is_ok(), "kept over the kill");
    let port_line = format!("server: {{port: {port}");
    fs::write(&file, yaml.replace("server: {port: 0", &port_line)).unwrap();
    service.start_again();
    assert!(Dial::plain(old).try_open().is_err());
    let stored = service.systemd.stored();
    assert!(stored.contains(&format!("server@{port}")) && !stored.contains(&"server@0".to_owned()));
    assert_eq!(
        Dial::plain(SocketAddr::from(([127, 0, 0, 1], port)))
            .get("/", &[])
            .status(),
        200
    );
}

#[test]
fn systemd_hears_that_the_gateway_is_ready_lives_reloads_and_stops() {
    let mut service = Service::start();
    let said = |start: &str| {
        let lines = service.systemd.lines();
        lines.iter().any(|line| line.starts_with(start))
    };
    assert!(
        said("STATUS=databases: 2, ports open: "),
        "{:?}",
        service.systemd.lines()
    );
    service.systemd.wait_for("WATCHDOG=1", 2);
    service.systemd.forget();
    service.process.signal("HUP");
    service.systemd.wait_for("READY=1", 1);
    let lines = service.systemd.lines();
    let at = |start: &str| {
        lines
            .iter()
            .position(|line| line.starts_with(start))
            .expect(start)
    };
    assert!(at("RELOADING=1") < at("READY=1"));
    assert_eq!(at("MONOTONIC_USEC="), at("RELOADING=1") + 1);
    assert_eq!(service.process.terminate().code(), Some(0));
    service.systemd.wait_for("STOPPING=1", 1);
}

#[test]
fn sigusr2_starts_the_gateway_again_in_the_same_process_without_a_lost_request() {
    let service = Service::start();
    let (ports, targets, load) = under_load(&service);
    let before = ports.map(|port| service.socket(port).unwrap());
    // Nobody keeps anything: as without systemd.
    service.systemd.empty_store();
    for round in 2..4 {
        service.process.signal("USR2");
        service.systemd.wait_for("READY=1", round);
        load.more(100);
    }
    let (failed, documents) = load.end();
    assert_eq!(failed, Vec::<String>::new());
    all_there(&targets, &documents);
    assert_eq!(ports.map(|port| service.socket(port).unwrap()), before);
}
