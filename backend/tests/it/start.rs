//! Starting, stopping, who may connect.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use backend::{Listen, StartError};

use crate::actors::{Actor, Backend, KEY, options, shared_key};

#[tokio::test]
async fn a_first_start_makes_two_databases_and_tells_their_passwords_once() {
    let backend = Backend::start().await;
    let made = backend.running.first_start().unwrap();
    let names: Vec<&str> = made
        .databases
        .iter()
        .map(|made| made.settings.name.as_str())
        .collect();
    assert_eq!(names, ["Магазин 15", "Курьер"]);
    for database in &made.databases {
        let mut secrets: Vec<&str> = Vec::new();
        for user in &database.users {
            secrets.push(&user.password);
            secrets.extend(user.barcode.as_deref());
        }
        let all = secrets.len();
        secrets.sort_unstable();
        secrets.dedup();
        assert_eq!(secrets.len(), all, "all passwords and barcodes differ");
    }
    let file = fs::read(backend.data().join("backend.sqlite-wal")).unwrap();
    let password = made.databases[0].users[0].password.as_bytes();
    assert!(
        !file
            .windows(password.len())
            .any(|window| window == password)
    );

    let directory = backend.directory().await;
    let again = backend.restarted().await;
    assert!(again.running.first_start().is_none());
    assert_eq!(again.directory().await, directory);
}

#[tokio::test]
async fn the_demo_documents_are_listed() {
    let backend = Backend::start().await;
    let answer = backend.administrator().get("/Docs").await.is(200);
    assert_eq!(answer.json()["value"].as_array().unwrap().len(), 30);
    assert_eq!(
        answer.json()["@odata.context"],
        "http://shop.example:9706/MobileSMARTS/api/v1/$metadata#Docs"
    );
}

#[tokio::test]
async fn the_socket_and_the_files_are_for_their_owner_alone() {
    let backend = Backend::start().await;
    let Listen::Unix(socket) = backend.running.address().clone() else {
        panic!("a Unix socket");
    };
    let data = backend.data();
    for file in [
        socket,
        data.join("backend.sqlite"),
        data.join("backend.sqlite-wal"),
    ] {
        let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn a_second_start_on_the_same_folder_is_refused_until_the_first_has_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let first = backend::start(options(folder.path())).await.unwrap();
    let second = backend::start(options(folder.path())).await;
    assert!(
        matches!(second, Err(StartError::InUse { .. })),
        "{second:?}"
    );
    first.stop().await;
    backend::start(options(folder.path()))
        .await
        .unwrap()
        .stop()
        .await;
}

#[tokio::test]
async fn a_socket_path_over_107_bytes_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let long = |bytes: usize| {
        let fill = bytes - folder.path().as_os_str().len() - 1;
        folder.path().join("s".repeat(fill))
    };
    let mut with = options(folder.path());
    with.listen = Listen::Unix(long(108));
    let refused = backend::start(with).await.unwrap_err();
    assert!(
        matches!(refused, StartError::SocketPathTooLong { bytes: 108, .. }),
        "{refused}"
    );
    let mut with = options(folder.path());
    with.listen = Listen::Unix(long(107));
    backend::start(with).await.unwrap().stop().await;
}

#[tokio::test]
async fn a_socket_file_left_by_a_kill_is_taken_over_and_any_other_file_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let socket: PathBuf = folder.path().join("s");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    backend::start(options(folder.path()))
        .await
        .unwrap()
        .stop()
        .await;
    assert!(!socket.exists(), "a stop removes the socket file");
    fs::write(&socket, "a note").unwrap();
    let refused = backend::start(options(folder.path())).await;
    assert!(
        matches!(refused, Err(StartError::Listen { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn over_tcp_every_request_needs_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let mut with = options(folder.path());
    with.listen = Listen::Tcp("127.0.0.1:0".parse().unwrap());
    let refused = backend::start(with).await;
    assert!(
        matches!(refused, Err(StartError::NoKey { .. })),
        "{refused:?}"
    );

    let mut with = options(folder.path());
    with.listen = Listen::Tcp("127.0.0.1:0".parse().unwrap());
    with.key = Some(shared_key());
    let running = backend::start(with).await.unwrap();
    let actor = Actor::new(running.address().clone(), "administrator", None);
    for target in ["/health", "/directory", &format!("{}/Docs", actor.base)] {
        actor.send("GET", target, None).await.is(401);
        let wrong = actor.clone().with("x-smarts-key", "a-key-for-tests-onlY");
        wrong.send("GET", target, None).await.is(401);
        let right = actor.clone().with("x-smarts-key", KEY);
        right.send("GET", target, None).await.is(200);
    }
    running.stop().await;
}

#[tokio::test]
async fn without_a_role_nothing_below_a_database_is_served() {
    let backend = Backend::start().await;
    backend
        .administrator()
        .without("x-smarts-role")
        .get("/Docs")
        .await
        .is(401);
    backend.administrator().get("/Docs").await.is(200);
}

#[tokio::test]
async fn all_bases_lead_to_the_same_documents_in_any_letter_case() {
    let backend = Backend::start().await;
    let id = crate::actors::SHOP;
    for base in [
        format!("/{id}/api/v1"),
        format!("/{id}/MobileSMARTS/api/v1"),
        format!("/{}/mobilesmarts/API/V1", id.to_uppercase()),
    ] {
        backend.administrator().at(&base).get("/docs").await.is(200);
    }
    for base in [
        "/unknown/api/v1",
        "/api/v1",
        &format!("/{id}/api/v2"),
        &format!("/{id}/api"),
    ] {
        backend.administrator().at(base).get("/Docs").await.is(404);
    }
}

#[tokio::test]
async fn a_header_that_names_another_database_than_the_path_is_a_404() {
    let backend = Backend::start().await;
    let named = |id: &str| backend.administrator().with("x-smarts-database", id);
    named(crate::actors::SHOP).get("/Docs").await.is(200);
    named("5b0e7c34-9d1f-4c62-8a57-3e1f6f0c2d98")
        .get("/Docs")
        .await
        .is(404);
}

#[tokio::test]
async fn the_sample_document_is_there_to_try_a_change_on() {
    let backend = Backend::start().await;
    let operator = backend.actor("mobile-user", Some("1"));
    let target = format!("/Docs('{}')", backend::SAMPLE_DOCUMENT);
    let change = serde_json::json!({"description": "проба"});
    operator.patch(&target, change).await.is(204);
}

#[tokio::test]
async fn a_refusal_speaks_the_clients_language_in_both_known_shapes() {
    let backend = Backend::start().await;
    let russian = backend
        .administrator()
        .get("/Docs('no')")
        .await
        .is(404)
        .json();
    assert_eq!(russian["error"]["message"], "Не найдено");
    assert_eq!(russian["InnerException"]["Message"], "Не найдено");
    assert_eq!(russian["error"]["code"], "not-found");
    let english = backend.administrator().with("accept-language", "en");
    let english = english.get("/Docs('no')").await.is(404).json();
    assert_eq!(english["error"]["message"], "Not found");
}

#[tokio::test]
async fn a_request_keeps_the_id_that_the_gateway_gave_it() {
    let backend = Backend::start().await;
    let named = backend
        .administrator()
        .with("x-request-id", "r-42")
        .get("/Docs")
        .await;
    assert_eq!(named.header("x-request-id"), "r-42");
    assert!(
        !backend
            .administrator()
            .get("/Docs")
            .await
            .header("x-request-id")
            .is_empty()
    );
}
