//! A gateway in front of recording upstreams, planned by a test and then started.

use std::{
    ops::{Deref, DerefMut},
    path::{Path, PathBuf},
};

use harness::{
    Clock, DEADLINE, Database, Dial, Gateway, InFront, Message, RecordingUpstream, TempDir, User,
    eventually, tempdir,
};
use serde_json::Value;

pub(crate) const GATEWAY: &str = env!("CARGO_BIN_EXE_gateway");

/// What a test wants before it starts.
pub(crate) struct Plan {
    folder: TempDir,
    pub(crate) front: InFront,
}

/// A running gateway and its file.
pub(crate) struct House {
    pub(crate) gateway: Gateway,
    pub(crate) front: InFront,
    folder: TempDir,
}

impl Plan {
    pub(crate) fn new() -> Self {
        let folder = tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        Self {
            front: InFront::new(&data, []),
            folder,
        }
    }

    /// One plain database `a` without login in front of `upstream`.
    pub(crate) fn open_to(upstream: &RecordingUpstream) -> Self {
        Self::new().with(Database::new("a", upstream.url()))
    }

    pub(crate) fn with(mut self, database: Database) -> Self {
        self.front.databases.push(database);
        self
    }

    /// A user of any database here; his hashes belong to this plan's data folder.
    pub(crate) fn user(&self, name: &str, role: &'static str, password: &str) -> User {
        User::new(GATEWAY, &self.front.data, name, role, password)
    }

    /// As [`Self::user`], with a barcode.
    pub(crate) fn scanned(&self, user: User, barcode: &str) -> User {
        user.with_barcode(GATEWAY, &self.front.data, barcode)
    }

    /// Somewhere for a test's own files.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    #[track_caller]
    pub(crate) fn start(self) -> House {
        let Self { folder, front } = self;
        let gateway = Gateway::start(GATEWAY, folder.path(), &front.data, &front.yaml());
        House {
            gateway,
            front,
            folder,
        }
    }

    /// By a clock that the test turns; to be terminated.
    #[track_caller]
    pub(crate) fn start_by(self, clock: &Clock) -> House {
        let Self { folder, front } = self;
        let config = folder.path().join("gateway.yaml");
        std::fs::write(&config, front.yaml()).unwrap();
        let gateway = Gateway::start_by(GATEWAY, &config, &front.data, clock);
        House {
            gateway,
            front,
            folder,
        }
    }
}

impl House {
    /// Writes the file anew and lets SIGHUP announce it; returns without waiting.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut InFront)) {
        change(&mut self.front);
        self.gateway.write_config(&self.front.yaml());
        self.gateway.process.signal("HUP");
    }

    /// `gateway.yaml`.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("gateway.yaml")
    }

    /// The first log line with all of these in it; the log is written beside the answer.
    #[track_caller]
    pub(crate) fn logged(&self, words: &[&str]) -> String {
        let all = |line: &str| words.iter().all(|word| line.contains(word));
        self.gateway.process.stderr_line(DEADLINE, all)
    }

    #[track_caller]
    pub(crate) fn killed_and_started_again(self) -> Self {
        let Self {
            gateway,
            front,
            folder,
        } = self;
        Self {
            gateway: gateway.killed_and_started_again(),
            front,
            folder,
        }
    }

    /// What `status --json` says of a database.
    #[track_caller]
    pub(crate) fn state(&self, id: &str) -> Value {
        let status = self.gateway.status();
        let all = status["databases"]
            .as_array()
            .expect("databases in the status");
        all.iter()
            .find(|one| one["id"] == id)
            .unwrap_or_else(|| panic!("{id} in {status}"))
            .clone()
    }
}

impl Deref for House {
    type Target = Gateway;

    fn deref(&self) -> &Gateway {
        &self.gateway
    }
}

impl DerefMut for House {
    fn deref_mut(&mut self) -> &mut Gateway {
        &mut self.gateway
    }
}

/// Waits until the address is refused without a byte.
#[track_caller]
pub(crate) fn until_refused(dial: &Dial) {
    eventually(DEADLINE, "the address is refused", || {
        dial.gets_no_byte().then_some(())
    });
}

/// Waits until the address is served.
#[track_caller]
pub(crate) fn until_served(dial: &Dial) {
    eventually(DEADLINE, "the address is served", || {
        (!dial.gets_no_byte()).then_some(())
    });
}

/// Logs in by name and password; returns the access token.
#[track_caller]
pub(crate) fn log_in(dial: &Dial, name: &str, password: &str) -> String {
    let answer = dial.get(&session_query(name, password), &[]);
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.json()["Access_token"]
        .as_str()
        .expect("an access token")
        .to_owned()
}

/// `GET` target of a login, percent-encoded.
pub(crate) fn session_query(name: &str, password: &str) -> String {
    format!(
        "/api/v1/session?username={}&password={}",
        encoded(name),
        encoded(password)
    )
}

/// Everything but letters and digits percent-encoded.
pub(crate) fn encoded(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric();
    text.bytes()
        .map(|byte| {
            if keep(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

/// `Authorization: Bearer …`
pub(crate) fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// `Authorization: Basic …`, base64.
pub(crate) fn basic(name: &str, password: &str) -> String {
    format!(
        "Basic {}",
        openssl::base64::encode_block(format!("{name}:{password}").as_bytes())
    )
}

/// A refusal has the body that known clients read, and names its request.
#[track_caller]
pub(crate) fn assert_refusal(answer: &Message, status: u16) {
    assert_eq!(answer.status(), status, "{}", answer.text());
    let body = answer.json();
    assert!(body["error"]["code"].is_string(), "{body}");
    assert!(body["error"]["message"].is_string(), "{body}");
    assert!(body["InnerException"]["Message"].is_string(), "{body}");
    assert!(answer.header("x-request-id").is_some(), "{}", answer.start);
    if matches!(status, 429 | 503) {
        let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&seconds), "Retry-After: {seconds}");
    }
}
