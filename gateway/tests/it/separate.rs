//! The backend as a process of its own behind two gateways: the shared key, the directory feed,
//! and what a client sees while the backend is away.
//!
//! The backend's binary is built by `cargo nextest run --workspace`; alone: `cargo build -p backend`.

use std::{fs, net::SocketAddr, os::unix::fs::PermissionsExt, path::PathBuf};

use harness::{
    DEADLINE, Dial, Gateway, Message, Process, Reply, TempDir, eventually, free_port, sibling,
    tempdir,
};
use serde_json::{Value, json};

use crate::house::{GATEWAY, assert_refusal, basic, bearer, session_query};

const KEY: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const SHOP: &str = "21e6d501-e8c1-44e0-b0cd-f30a369b1822";
pub(crate) const COURIER: &str = "5b0e7c34-9d1f-4c62-8a57-3e1f6f0c2d98";

pub(crate) struct Backend {
    process: Process,
    address: SocketAddr,
    folder: TempDir,
    /// Database, role, name, password and barcode, as printed at the first start.
    users: Vec<[String; 5]>,
}

impl Backend {
    /// With its demo databases on ports that the system chooses, in plain HTTP.
    pub(crate) fn start() -> Self {
        let folder = tempdir().unwrap();
        let key = folder.path().join("backend.key");
        fs::write(&key, KEY).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        let process = Self::spawn(&folder, free_port());
        let ready = process.ready();
        let address = ready["address"].as_str().unwrap().parse().unwrap();
        let mut users = Vec::new();
        let mut database = String::new();
        for line in process.stdout().lines() {
            match line.split_once('(') {
                _ if line.starts_with("ready") => {}
                Some((_, id)) => database = id.trim_end_matches(')').to_owned(),
                None => {
                    let words: Vec<_> = line.split_whitespace().collect();
                    let [role, name, password, barcode] = words[..] else {
                        continue;
                    };
                    users.push([&database, role, name, password, barcode].map(str::to_owned));
                }
            }
        }
        let backend = Self {
            process,
            address,
            folder,
            users,
        };
        let open = |id| json!({"change": "set", "id": id, "settings": {"port": 0, "https": false}});
        let answer = backend.change(&json!({"changes": [open(SHOP), open(COURIER)]}));
        assert_eq!(answer.status(), 200, "{}", answer.text());
        backend
    }

    fn spawn(folder: &TempDir, port: u16) -> Process {
        let inside = folder.path().display();
        let config = folder.path().join("backend.yaml");
        let text = format!(
            "data: {inside}/data\nlisten: 127.0.0.1:{port}\nkey_file: {inside}/backend.key\n\
             log: {{to: stderr}}\n"
        );
        fs::write(&config, text).unwrap();
        let binary = sibling(GATEWAY, "backend");
        assert!(
            binary.exists(),
            "{} is not built: cargo build -p backend",
            binary.display()
        );
        Process::start(
            binary,
            ["--config".as_ref(), config.as_os_str()],
            folder.path(),
        )
    }

    fn kill(&mut self) {
        self.process.kill9();
    }

    /// On the same port and data.
    fn start_again(&mut self) {
        self.process = Self::spawn(&self.folder, self.address.port());
        self.process.ready();
    }

    /// Of a folder beside its data; while it does not run.
    fn copy(&self, from: &str, to: &str) {
        let [from, to] = [from, to].map(|name| self.folder.path().join(name));
        let outcome = harness::tool::run("cp", ["-a".into(), from, to], "");
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
    }

    pub(crate) fn change(&self, body: &Value) -> Message {
        let headers = [("X-Smarts-Key", KEY), ("Content-Type", "application/json")];
        Dial::plain(self.address).http("POST", "/directory", &headers, body.to_string().as_bytes())
    }

    /// Name, password and barcode of the first user of that role.
    pub(crate) fn user(&self, database: &str, role: &str) -> (&str, &str, &str) {
        let found = self
            .users
            .iter()
            .find(|user| user[0] == database && user[1] == role);
        let user = found.unwrap_or_else(|| panic!("no {role} in {:?}", self.users));
        (&user[2], &user[3], &user[4])
    }

    pub(crate) fn gateway(&self) -> Front {
        self.gateway_with_key(KEY)
    }

    fn gateway_with_key(&self, key: &str) -> Front {
        self.gateway_with(key, "")
    }

    /// `more`: what else stands in the file.
    fn gateway_with(&self, key: &str, more: &str) -> Front {
        let folder = tempdir().unwrap();
        let file = folder.path().join("shared.key");
        fs::write(&file, key).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let data = folder.path().join("data");
        let yaml = format!(
            "language: en\ndata: {}\nlog: {{to: stderr, level: info}}\nmetrics: 127.0.0.1:0\n\
             server: {{port: 0, https: false}}\nbackend: {{url: \"http://{}\", key_file: {}}}\n{more}",
            data.display(),
            self.address,
            file.display(),
        );
        Front {
            gateway: Gateway::start(GATEWAY, folder.path(), &data, &yaml),
            yaml,
            _folder: folder,
            data,
        }
    }
}

pub(crate) struct Front {
    pub(crate) gateway: Gateway,
    yaml: String,
    pub(crate) data: PathBuf,
    _folder: TempDir,
}

impl Front {
    /// What `status --json` says of a database by now.
    pub(crate) fn state(&self, id: &str) -> Option<Value> {
        let status = self.gateway.status();
        let all = status["databases"].as_array()?.clone();
        all.into_iter().find(|database| database["id"] == id)
    }

    /// Where the database listens by now.
    fn address(&self, id: &str) -> Option<SocketAddr> {
        self.state(id)?["address"].as_str()?.parse().ok()
    }

    pub(crate) fn dial(&self, id: &str) -> Dial {
        let address = eventually(DEADLINE, "the database is open", || self.address(id));
        Dial::plain(address)
    }
}

fn document(id: &str, type_name: &Value) -> Vec<u8> {
    json!({"id": id, "name": "Новый", "documentTypeName": type_name})
        .to_string()
        .into_bytes()
}

#[test]
fn two_gateways_show_one_database_and_the_backend_hears_who_asks() {
    let backend = Backend::start();
    let (one, two) = (backend.gateway(), backend.gateway());
    let (name, password, _) = backend.user(SHOP, "external-connection");
    let authorization = basic(name, password);
    let headers = [
        ("Authorization", authorization.as_str()),
        ("Content-Type", "application/json"),
    ];
    let (one, two) = (one.dial(SHOP), two.dial(SHOP));
    let types = one.get("/api/v1/DocTypes", &headers).json();
    let type_name = &types["value"][0]["name"];
    let made = one.http(
        "POST",
        "/api/v1/Docs",
        &headers,
        &document("both-1", type_name),
    );
    assert_eq!(made.status(), 201, "{}", made.text());
    let ended = one.http("POST", "/api/v1/Docs('both-1')/EndUpdate", &headers, b"");
    assert_eq!(ended.status(), 204, "{}", ended.text());
    let seen = two.get("/MobileSMARTS/api/v1/Docs('both-1')", &headers);
    assert_eq!(seen.json()["id"], "both-1");
    let context = seen.json()["@odata.context"].as_str().unwrap().to_owned();
    assert!(
        context.contains(&two.to().to_string()),
        "the public address: {context}"
    );
    assert_refusal(&one.get("/api/v1/Docs", &[]), 401);
    // Rights of a role, by the gateway and by the backend alike.
    let (hand, word, _) = backend.user(SHOP, "mobile-user");
    let hand = basic(hand, word);
    let forbidden = one.get("/api/v1/Users", &[("Authorization", &hand)]);
    assert_refusal(&forbidden, 403);
    assert_eq!(
        one.get("/api/v1/Products?$top=1", &[("Authorization", &hand)])
            .status(),
        200
    );
}

#[test]
fn the_backend_answers_nobody_without_the_key() {
    let backend = Backend::start();
    let direct = Dial::plain(backend.address);
    for headers in [
        vec![],
        vec![
            ("X-Smarts-Key", "wrong"),
            ("X-Smarts-Role", "administrator"),
        ],
        vec![("X-Smarts-Role", "administrator"), ("X-Smarts-User", "1")],
    ] {
        for target in [
            "/directory",
            "/21e6d501-e8c1-44e0-b0cd-f30a369b1822/api/v1/Users",
        ] {
            assert_eq!(
                direct.get(target, &headers).status(),
                401,
                "{target} {headers:?}"
            );
        }
    }
    let stranger = backend.gateway_with_key("another key of sixteen");
    eventually(DEADLINE, "the status says that the key is another", || {
        let fault = stranger.gateway.status()["backend"]["fault"].to_string();
        fault.contains("key").then_some(())
    });
    assert!(!stranger.gateway.log().contains(KEY) && !backend.process.output().contains(KEY));
    assert!(!stranger.gateway.log().contains("another key of sixteen"));
}

#[test]
fn a_change_of_the_directory_is_live_at_both_gateways() {
    let backend = Backend::start();
    let (one, two) = (backend.gateway(), backend.gateway());
    let mut kept = one.dial(COURIER).open();
    assert_eq!(kept.http("GET", "/", &[], b"").status(), 200);
    let (_, _, barcode) = backend.user(COURIER, "mobile-user");
    let scan = format!("/api/v1/session?barcode={barcode}");
    assert_eq!(
        one.dial(COURIER).get(&scan, &[]).status(),
        200,
        "«Курьер» logs in by barcode"
    );
    let set = |id: &str, settings: Value| json!({"change": "set", "id": id, "settings": settings});

    let off = backend.change(&json!({"changes": [set(COURIER, json!({"barcode_login": false}))]}));
    assert_eq!(off.status(), 200, "{}", off.text());
    for front in [&one, &two] {
        eventually(DEADLINE, "barcode login is off", || {
            (front.dial(COURIER).get(&scan, &[]).status() == 401).then_some(())
        });
    }

    // Fixed ports, then swapped in one change. Two gateways on one host share no port: one stops.
    drop(two);
    let (first, second) = (free_port(), free_port());
    let ports = |shop, courier| {
        let changes = [
            set(SHOP, json!({"port": shop})),
            set(COURIER, json!({"port": courier})),
        ];
        let answer = backend.change(&json!({"changes": changes}));
        assert_eq!(answer.status(), 200, "{}", answer.text());
    };
    let names = |port: u16, name: &str| {
        let dial = Dial::plain(SocketAddr::from(([127, 0, 0, 1], port)));
        eventually(DEADLINE, &format!("{name} on {port}"), || {
            let reply = dial.try_open().ok()?.try_http("GET", "/", &[], b"").ok()?;
            let Reply::Response(page) = reply else {
                return None;
            };
            page.text().contains(name).then_some(())
        });
    };
    ports(first, second);
    names(first, "Магазин 15");
    names(second, "Курьер");
    ports(second, first);
    names(first, "Курьер");
    names(second, "Магазин 15");
    let clash = backend.change(&json!({"changes": [set(COURIER, json!({"port": second}))]}));
    assert_eq!(clash.status(), 409, "{}", clash.text());
    assert!(
        clash.text().contains("Магазин 15"),
        "the holder is named: {}",
        clash.text()
    );

    let settings = json!({"name": "Новая", "folder": "Новая", "https": false, "authentication": true,
                          "port": 0});
    let added = backend
        .change(&json!({"changes": [{"change": "add", "id": "fresh", "settings": settings}]}));
    assert_eq!(added.status(), 200, "{}", added.text());
    let administrator = &added.json()["made"][0];
    let (name, password) = (
        administrator["name"].as_str().unwrap(),
        administrator["password"].as_str().unwrap(),
    );
    let fresh = one.dial("fresh");
    eventually(DEADLINE, "its administrator logs in", || {
        (fresh.get(&session_query(name, password), &[]).status() == 200).then_some(())
    });
    backend.change(&json!({"changes": [{"change": "remove", "id": "fresh"}]}));
    eventually(DEADLINE, "the removed database is gone", || {
        fresh.try_open().is_err().then_some(())
    });
}

#[test]
fn a_changed_password_ends_the_sessions_that_it_began() {
    let backend = Backend::start();
    let front = backend.gateway();
    let dial = front.dial(SHOP);
    let (name, password, _) = backend.user(SHOP, "administrator");
    let admin = basic(name, password);
    let (hand, word, _) = backend.user(SHOP, "mobile-user");
    let session = dial.get(&session_query(hand, word), &[]).json();
    let token = bearer(session["Access_token"].as_str().unwrap());
    let hand_headers = [("Authorization", token.as_str())];
    assert_eq!(dial.get("/api/v1/Docs?$top=1", &hand_headers).status(), 200);
    let headers = [
        ("Authorization", admin.as_str()),
        ("Content-Type", "application/json"),
    ];
    let users = dial.get("/api/v1/Users", &headers).json();
    let all = users["value"].as_array().unwrap();
    let id = all.iter().find(|user| user["name"] == hand).unwrap()["id"]
        .as_str()
        .unwrap();
    let body = json!({"password": "Другой-9"}).to_string();
    let target = format!("/api/v1/Users('{id}')");
    let changed = dial.http("PATCH", &target, &headers, body.as_bytes());
    assert_eq!(changed.status(), 204, "{}", changed.text());
    eventually(DEADLINE, "the old session has ended", || {
        (dial.get("/api/v1/Docs?$top=1", &hand_headers).status() == 401).then_some(())
    });
    assert_eq!(dial.get(&session_query(hand, word), &[]).status(), 401);
    assert_eq!(
        dial.get(&session_query(hand, "Другой-9"), &[]).status(),
        200
    );
    assert_eq!(
        dial.get("/api/v1/Docs?$top=1", &headers[..1]).status(),
        200,
        "others go on"
    );
}

#[test]
fn while_the_backend_is_away_logins_go_on_and_its_data_is_a_502() {
    let mut backend = Backend::start();
    let front = backend.gateway();
    let dial = front.dial(SHOP);
    let (name, password, _) = backend.user(SHOP, "external-connection");
    let (name, password) = (name.to_owned(), password.to_owned());
    let authorization = basic(&name, &password);
    let headers = [("Authorization", authorization.as_str())];
    assert_eq!(dial.get("/api/v1/Docs?$top=1", &headers).status(), 200);
    backend.kill();
    assert_refusal(&dial.get("/api/v1/Docs?$top=1", &headers), 502);
    assert_eq!(
        dial.get(&session_query(&name, &password), &[]).status(),
        200
    );
    assert_refusal(&dial.get(&session_query(&name, "wrong"), &[]), 401);
    eventually(DEADLINE, "the status says so", || {
        front.gateway.status()["backend"]["fault"]
            .is_string()
            .then_some(())
    });
    backend.start_again();
    eventually(DEADLINE, "the backend is used again", || {
        (dial.get("/api/v1/Docs?$top=1", &headers).status() == 200).then_some(())
    });
    assert!(front.data.exists());
}

#[test]
fn a_backend_put_back_from_a_copy_is_followed_from_there() {
    let mut backend = Backend::start();
    let front = backend.gateway();
    let comment = |words: &str| json!({"changes": [{"change": "set", "id": SHOP, "settings": {"comment": words}}]});
    let says = |words: &str| {
        eventually(DEADLINE, words, || {
            let status = front.gateway.status();
            let mut databases = status["databases"].as_array()?.iter();
            let shop = databases.find(|one| one["id"] == SHOP)?;
            (shop["comment"] == words).then_some(())
        });
    };
    backend.kill();
    backend.copy("data", "copy");
    backend.start_again();
    for number in 1..=3 {
        assert_eq!(backend.change(&comment(&format!("{number}"))).status(), 200);
    }
    says("3");
    backend.kill();
    fs::remove_dir_all(backend.folder.path().join("data")).unwrap();
    backend.copy("copy", "data");
    backend.start_again();
    assert_eq!(backend.change(&comment("after the copy")).status(), 200);
    says("after the copy");
}

#[test]
fn a_port_claimed_by_both_sources_is_a_fault_until_one_gives_way() {
    let backend = Backend::start();
    let port = free_port();
    let set = json!({"change": "set", "id": SHOP, "settings": {"port": port}});
    assert_eq!(backend.change(&json!({"changes": [set]})).status(), 200);
    let upstream = harness::RecordingUpstream::ok();
    let own = format!(
        "databases:\n  - {{id: own, name: Own, https: false, authentication: none, rights: pass, \
         port: {port}, upstream: \"{}\"}}\n",
        upstream.url()
    );
    let front = backend.gateway_with(KEY, &own);
    let dial = Dial::plain(SocketAddr::from(([127, 0, 0, 1], port)));
    eventually(DEADLINE, "the status names both", || {
        let status = front.gateway.status().to_string();
        (status.contains("own") && status.contains(&port.to_string()) && status.contains(SHOP))
            .then_some(())
    });
    assert_eq!(
        dial.get("/x", &[]).text(),
        "ok",
        "the file's database was there first"
    );
    front.gateway.write_config(&front.yaml.replace(&own, ""));
    front.gateway.process.signal("HUP");
    eventually(DEADLINE, "the backend's database has the port", || {
        let reply = dial.try_open().ok()?.try_http("GET", "/", &[], b"").ok()?;
        let Reply::Response(page) = reply else {
            return None;
        };
        page.text().contains("Магазин 15").then_some(())
    });
}

#[test]
fn a_backend_that_says_nothing_holds_no_port_closed_and_no_stop_up() {
    let backend = Backend::start();
    let upstream = harness::RecordingUpstream::ok();
    let own = format!(
        "databases:\n  - {{id: own, name: Own, https: false, authentication: none, rights: pass, \
         port: 0, upstream: \"{}\"}}\n",
        upstream.url()
    );
    let mut front = backend.gateway_with(KEY, &own);
    eventually(DEADLINE, "the directory is there", || front.address(SHOP));
    front.gateway.terminate();
    let address = backend.address;
    drop(backend);
    // Takes connections and never answers: the listener's backlog does that alone.
    let _silent = eventually(DEADLINE, "the port", || {
        std::net::TcpListener::bind(address).ok()
    });
    let config = front.gateway.config().to_owned();
    let soon = std::time::Duration::from_secs(15);
    let mut process = Gateway::spawn(GATEWAY, &config, &front.data);
    let line = process.stdout_line(soon, |line| line.starts_with("ready {"));
    assert!(
        line.contains("Own") && line.contains("Магазин 15"),
        "from the copy on disk: {line}"
    );
    process.signal("TERM");
    assert_eq!(process.wait_exit(soon).code(), Some(0));
}
