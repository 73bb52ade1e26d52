//! A wrong answer anywhere makes the exit code 1; the same server, honest, makes it 0.

use std::fs;

use harness::{
    Database, Gateway, InFront, RecordingUpstream, TempDir, User, sibling, tempdir, tool::Outcome,
};
use serde_json::{Value, json};

use crate::{LOADTEST, loadtest, stub};

/// The shipped gateway in front of a data server that may lie.
struct House {
    gateway: Gateway,
    folder: TempDir,
    _upstream: RecordingUpstream,
}

impl House {
    fn before(upstream: RecordingUpstream) -> Self {
        let folder = tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        let binary = sibling(LOADTEST, "gateway");
        let binary = binary.to_str().unwrap();
        let user = User::new(binary, &data, "Иванов", "mobile-user", "p1");
        let database = Database::new("a", upstream.url()).with_users([user]);
        let front = InFront::new(&data, [database]);
        let gateway = Gateway::start(binary, folder.path(), &data, &front.yaml());
        fs::write(
            folder.path().join("users.csv"),
            "name,password\nИванов,p1\n",
        )
        .unwrap();
        Self {
            gateway,
            folder,
            _upstream: upstream,
        }
    }

    #[track_caller]
    fn terminals(&self) -> Outcome {
        let address = format!("http://{}", self.gateway.address("a"));
        let users = self.folder.path().join("users.csv");
        let users = users.to_str().unwrap();
        let who = ["--address", &address, "--users", users];
        loadtest(&[&["terminals", "--count", "2", "--for", "1s"], &who[..]].concat())
    }
}

/// Terminals before a data server that lies so: what they say of it.
#[track_caller]
fn caught(lie: impl Fn(&str, &str, &mut (u16, Value)) + Send + Sync + 'static, told: &str) {
    let outcome = House::before(stub::start(lie)).terminals();
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.stdout.contains("WRONG ANSWERS"), "{outcome:?}");
    assert!(outcome.stdout.contains(told), "{told}: {outcome:?}");
}

#[test]
fn an_honest_server_passes() {
    let outcome = House::before(stub::start(|_, _, _| {})).terminals();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(
        outcome.stdout.contains("every answer was right"),
        "{outcome:?}"
    );
}

#[test]
fn another_quantity_than_was_written_is_caught() {
    let lie = |method: &str, _: &str, (_, body): &mut (u16, Value)| {
        if method == "GET"
            && body["currentItems"]
                .as_array()
                .is_some_and(|rows| !rows.is_empty())
        {
            body["declaredItems"][1]["currentQuantity"] = json!(99);
        }
    };
    caught(
        lie,
        "read back: .declaredItems[1].currentQuantity is 99, written was",
    );
}

#[test]
fn another_status_is_caught() {
    let lie = |method: &str, _: &str, (status, _): &mut (u16, Value)| {
        if method == "PATCH" {
            *status = 200;
        }
    };
    caught(lie, "finish: 200 OK instead of 204");
}

#[test]
fn a_list_that_is_none_is_caught() {
    let lie = |_: &str, target: &str, (_, body): &mut (u16, Value)| {
        if target.contains("DocTypes") {
            *body = json!({"@odata.context": "x/$metadata#X", "value": {}});
        }
    };
    caught(lie, "types: `value` is no list of objects");
}

#[test]
fn a_document_that_comes_back_is_caught() {
    let lie = |_: &str, _: &str, told: &mut (u16, Value)| {
        if told.0 == 404 {
            *told = (200, json!({}));
        }
    };
    caught(lie, "remove: 200 OK instead of 404");
}

#[test]
fn a_server_that_repairs_malformed_heads_is_told_so() {
    // Attacked without a gateway before it.
    let upstream = stub::start(|_, _, _| {});
    let folder = tempdir().unwrap();
    let users = folder.path().join("users.json");
    fs::write(&users, r#"[{"name": "a", "password": "b"}]"#).unwrap();
    let (address, users) = (upstream.url(), users.display().to_string());
    let outcome = loadtest(&[
        "attack",
        "malformed-heads",
        "--address",
        &address,
        "--users",
        &users,
        "--login",
        "basic",
        "--terminals",
        "1",
        "--count",
        "30",
        "--for",
        "1s",
    ]);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.stdout.contains("GOT THROUGH"), "{outcome:?}");
    assert!(
        outcome.stdout.contains("two Hosts: answered with"),
        "{outcome:?}"
    );
}

#[test]
fn an_attack_on_another_machine_is_refused_before_a_byte_is_sent() {
    let outcome = loadtest(&[
        "attack",
        "all",
        "--address",
        "https://192.0.2.1:9706",
        "--users",
        "/nowhere",
        "--insecure",
    ]);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.stderr.contains("for loopback alone"), "{outcome:?}");
}
