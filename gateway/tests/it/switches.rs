//! Folder, mode of work, name and comment of a database, changed while the gateway runs: in YAML
//! and at our backend.

use std::{fs, path::Path};

use harness::{DEADLINE, Database, Dial, RecordingUpstream, eventually};
use serde_json::{Value, json};

use crate::{
    house::{Plan, until_refused, until_served},
    separate::{Backend, COURIER, Front, SHOP},
};

/// A database folder whose blacklist names one address.
fn folder_against(parent: &Path, address: &str) -> std::path::PathBuf {
    let folder = parent.join("Другая папка");
    fs::create_dir_all(folder.join("Server")).unwrap();
    fs::write(folder.join("Server/blacklist.dat"), address).unwrap();
    folder
}

/// Moves the database to a folder that refuses 127.0.0.9, and back.
fn judge_by_the_folder(dial: &Dial, another: impl FnOnce(), back: impl FnOnce()) {
    let (kept, refused) = (dial.from([127, 0, 0, 8]), dial.from([127, 0, 0, 9]));
    let (mut stays, mut goes) = (kept.open(), refused.open());
    for client in [&mut stays, &mut goes] {
        assert_eq!(client.http("GET", "/", &[], b"").status(), 200);
    }
    another();
    until_refused(&refused);
    assert!(
        goes.ends_silently().unwrap(),
        "the open connection is judged too"
    );
    assert_eq!(
        stays.http("GET", "/", &[], b"").status(),
        200,
        "and no other"
    );
    back();
    until_served(&refused);
    assert_eq!(stays.http("GET", "/", &[], b"").status(), 200);
}

#[test]
fn a_changed_folder_brings_its_own_lists_also_for_open_connections() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::new();
    let folder = folder_against(plan.path(), "127.0.0.9");
    let house = plan.with(Database::new("a", upstream.url())).start();
    let dial = house.dial("a");
    let house = std::cell::RefCell::new(house);
    judge_by_the_folder(
        &dial,
        || {
            house
                .borrow_mut()
                .change(|front| front.databases[0].folder = Some(folder.clone()))
        },
        || {
            let shown = house.borrow().state("a")["folder"].clone();
            assert_eq!(shown, folder.to_str().unwrap());
            house
                .borrow_mut()
                .change(|front| front.databases[0].folder = None);
        },
    );
}

#[track_caller]
fn set(backend: &Backend, id: &str, settings: Value) {
    let change = json!({"change": "set", "id": id, "settings": settings});
    let answer = backend.change(&json!({"changes": [change]}));
    assert_eq!(answer.status(), 200, "{}", answer.text());
}

#[test]
fn a_changed_folder_of_our_backends_database_brings_its_own_lists() {
    let backend = Backend::start();
    let front = backend.gateway();
    let folder = folder_against(&front.data, "127.0.0.9");
    let moved = |to: &str| set(&backend, SHOP, json!({"folder": to}));
    judge_by_the_folder(
        &front.dial(SHOP),
        || moved(folder.to_str().unwrap()),
        || {
            let shown = front.state(SHOP).unwrap()["folder"].clone();
            assert_eq!(shown, folder.to_str().unwrap());
            // A name lies under databases/ of the gateway's data folder.
            moved("Магазин 15");
        },
    );
    let shown = front.state(SHOP).unwrap()["folder"].clone();
    let named = front.data.join("databases/Магазин 15");
    assert_eq!(shown, named.to_str().unwrap());
}

#[test]
fn a_database_of_our_backend_closes_and_opens_its_ports_by_its_mode() {
    let backend = Backend::start();
    let front = backend.gateway();
    let (port, print) = (harness::free_port(), harness::free_port());
    let print = json!({"used": true, "port": print});
    set(&backend, SHOP, json!({"port": port, "print": print}));
    let address = ([127, 0, 0, 1], port).into();
    let dial = Dial::plain(address);
    let opens = || {
        eventually(DEADLINE, "the port is open", || dial.try_open().ok());
        eventually(DEADLINE, "the status says so", || {
            let state = front.state(SHOP)?;
            (state["state"] == "open" && state["print"]["state"] == "open").then_some(())
        });
    };
    opens();
    let mut other = front.dial(COURIER).open();
    let server = front.gateway.server_address();
    let by_server = || Dial::plain(server).get(&format!("/{SHOP}/"), &[]).status();
    assert_eq!(by_server(), 200);
    for mode in ["folder", "device"] {
        set(&backend, SHOP, json!({"mode": mode}));
        eventually(DEADLINE, "the port is closed", || {
            dial.try_open().is_err().then_some(())
        });
        let state = front.state(SHOP).unwrap();
        for port in [&state, &state["print"]] {
            assert_eq!(port["state"], "closed", "{port}");
            assert!(port["reason"].to_string().contains(mode), "{port}");
        }
        assert_eq!(by_server(), 404, "nor by the server port");
        set(&backend, SHOP, json!({"mode": "server"}));
        opens();
        assert_eq!(by_server(), 200);
    }
    assert_eq!(
        other.http("GET", "/", &[], b"").status(),
        200,
        "others go on"
    );
}

#[test]
fn name_and_comment_are_shown_at_once() {
    let upstream = RecordingUpstream::ok();
    let mut house = Plan::new().with(Database::new("a", upstream.url())).start();
    house.change(|front| {
        front.databases[0].name = "Склад".to_owned();
        front.databases[0].comment = "закрыт в воскресенье".to_owned();
    });
    eventually(DEADLINE, "the status shows them", || {
        let state = house.state("a");
        (state["name"] == "Склад" && state["comment"] == "закрыт в воскресенье").then_some(())
    });

    let backend = Backend::start();
    let front: Front = backend.gateway();
    set(
        &backend,
        SHOP,
        json!({"name": "Склад", "comment": "до 1 мая"}),
    );
    eventually(DEADLINE, "the status shows them", || {
        let state = front.state(SHOP)?;
        (state["name"] == "Склад" && state["comment"] == "до 1 мая").then_some(())
    });
    let page = front.dial(SHOP).get("/", &[]).text();
    assert!(page.contains("Склад"), "{page}");
    let told = front.gateway.command(&["status", "Склад"]).stdout;
    assert!(told.contains("до 1 мая"), "{told}");
}
