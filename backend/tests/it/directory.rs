//! The directory: one snapshot, changed as a whole, told at once.

use backend_types::{Changed, Directory};
use serde_json::{Value, json};

use crate::actors::{Backend, SHOP};

const COURIER: &str = "5b0e7c34-9d1f-4c62-8a57-3e1f6f0c2d98";

async fn change(backend: &Backend, changes: Value) -> crate::actors::Answer {
    let body = json!({ "changes": changes });
    backend
        .administrator()
        .send("POST", "/directory", Some(body))
        .await
}

fn port(directory: &Directory, id: &str) -> u16 {
    let mut databases = directory.databases.iter();
    databases
        .find(|database| database.id.as_str() == id)
        .unwrap()
        .settings
        .port
}

#[tokio::test]
async fn the_directory_carries_hashes_and_no_password() {
    let backend = Backend::start().await;
    let directory = backend.directory().await;
    let shop = &directory.databases[0];
    assert_eq!(shop.id.as_str(), SHOP);
    assert_eq!(
        (shop.settings.port, shop.settings.barcode_login),
        (9706, false)
    );
    assert_eq!(port(&directory, COURIER), 9708);
    assert!(shop.users.len() >= 6);
    for user in &shop.users {
        assert!(
            user.password
                .as_ref()
                .unwrap()
                .starts_with("$argon2id$v=19$m=19456,t=2,p=1$")
        );
        assert_eq!(user.index.as_ref().unwrap().len(), 64);
    }
    let roles: Vec<&str> = shop.users.iter().map(|user| user.role.as_str()).collect();
    for role in ["mobile-user", "external-connection", "administrator"] {
        assert!(roles.contains(&role), "{role}");
    }
}

#[tokio::test]
async fn a_waiting_poll_is_woken_by_a_change_and_sent_away_without_one() {
    let backend = Backend::start().await;
    let revision = backend.directory().await.revision;
    let idle = format!("/directory?after={revision}&wait=0");
    backend
        .administrator()
        .send("GET", &idle, None)
        .await
        .is(204);

    let actor = backend.administrator();
    let waiting = tokio::spawn(async move {
        actor
            .send("GET", &format!("/directory?after={revision}&wait=60"), None)
            .await
    });
    let set = json!([{"change": "set", "id": SHOP, "settings": {"comment": "касса"}}]);
    change(&backend, set).await.is(200);
    let told: Directory = serde_json::from_slice(&waiting.await.unwrap().is(200).body).unwrap();
    assert!(told.revision > revision);
    assert_eq!(told.databases[0].settings.comment, "касса");
}

#[tokio::test]
async fn two_databases_swap_ports_in_one_change_and_a_clash_changes_nothing() {
    let backend = Backend::start().await;
    let before = backend.directory().await;
    let to_clash = json!([{"change": "set", "id": COURIER, "settings": {"port": 9706}}]);
    let refused = change(&backend, to_clash).await.is(409).json();
    assert_eq!(
        refused["error"]["message"],
        "Порт 9706 уже занят базой «Магазин 15»"
    );
    assert_eq!(backend.directory().await, before);

    let swap = json!([
        {"change": "set", "id": SHOP, "settings": {"port": 9708}},
        {"change": "set", "id": COURIER, "settings": {"port": 9706}},
    ]);
    let changed: Changed =
        serde_json::from_slice(&change(&backend, swap).await.is(200).body).unwrap();
    assert_eq!(port(&changed.directory, SHOP), 9708);
    assert_eq!(port(&changed.directory, COURIER), 9706);
    assert!(changed.directory.revision > before.revision);
}

#[tokio::test]
async fn a_change_for_an_older_revision_is_refused() {
    let backend = Backend::start().await;
    let revision = backend.directory().await.revision;
    let send = async |revision: u64| {
        let body = json!({"revision": revision, "changes": []});
        backend
            .administrator()
            .send("POST", "/directory", Some(body))
            .await
    };
    send(revision - 1).await.is(409);
    send(revision).await.is(200);
}

#[tokio::test]
async fn an_added_database_is_filled_and_its_administrators_password_is_told_once() {
    let backend = Backend::start().await;
    let add = json!([{"change": "add", "id": "lavka", "settings": {
        "name": "Лавка", "folder": "", "https": true, "authentication": true, "port": 9710,
    }}]);
    let answer = change(&backend, add.clone()).await.is(200);
    let changed: Changed = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(changed.made.len(), 1);
    assert_eq!(changed.made[0].password.len(), 12);
    let added = changed.directory.databases.last().unwrap();
    assert_eq!(added.settings.folder, "Лавка");
    assert_eq!(added.users.len(), 1);
    let types = backend
        .administrator()
        .at("/lavka/api/v1")
        .get("/DocTypes")
        .await
        .is(200);
    assert_eq!(types.json()["value"].as_array().unwrap().len(), 12);
    change(&backend, add).await.is(409);

    change(&backend, json!([{"change": "remove", "id": "lavka"}]))
        .await
        .is(200);
    backend
        .administrator()
        .at("/lavka/api/v1")
        .get("/DocTypes")
        .await
        .is(404);
}

#[tokio::test]
async fn a_change_that_makes_no_sense_is_a_400() {
    let backend = Backend::start().await;
    for changes in [
        json!([{"change": "remove", "id": "unknown"}]),
        json!([{"change": "set", "id": SHOP, "settings": {"name": " "}}]),
        json!([{"change": "set", "id": SHOP, "settings": {"folder": "../x"}}]),
        json!([{"change": "set", "id": SHOP, "settings": {"portt": 1}}]),
        json!([{"change": "explode", "id": SHOP}]),
        json!("nothing"),
    ] {
        change(&backend, changes).await.is(400);
    }
}
