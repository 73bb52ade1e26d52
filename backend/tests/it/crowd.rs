//! Many at once, and those who leave in the middle.

use serde_json::{Value, json};

use crate::actors::Backend;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_writers_and_readers_never_meet_a_lock() {
    let backend = Backend::start().await;
    let mut tasks = Vec::new();
    for client in 0..64 {
        let actor = backend.actor("external-connection", Some("exchange"));
        tasks.push(tokio::spawn(async move {
            let mut sender = actor.connect().await.unwrap();
            for number in 0..4 {
                let id = format!("w-{client}-{number}");
                let document = json!({"id": id, "documentTypeName": "Возврат"}).to_string();
                let target = format!("{}/Docs", actor.base);
                let made = actor
                    .send_on(&mut sender, "POST", &target, document)
                    .await
                    .unwrap();
                assert_eq!(made.status, 201, "{}", made.text());
                let rows = json!([{"productId": "p-0001", "declaredQuantity": number}]);
                let target = format!("{}/Docs('{id}')/declaredItems", actor.base);
                let rows = rows.to_string();
                let added = actor
                    .send_on(&mut sender, "POST", &target, rows)
                    .await
                    .unwrap();
                assert_eq!(added.status, 200, "{}", added.text());
            }
        }));
        let actor = backend.administrator();
        tasks.push(tokio::spawn(async move {
            let mut sender = actor.connect().await.unwrap();
            for _ in 0..4 {
                let target = format!("{}/Docs/Vozvrat?$expand=declaredItems&$top=5", actor.base);
                let read = actor
                    .send_on(&mut sender, "GET", &target, String::new())
                    .await
                    .unwrap();
                assert_eq!(read.status, 200, "{}", read.text());
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let count = backend
        .administrator()
        .get("/Docs?$filter=startswith(id,'w-')&$count=true")
        .await;
    assert_eq!(count.is(200).json()["@odata.count"], 256);
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_a_whole_document_or_none() {
    let backend = Backend::start().await;
    let actor = backend.administrator();
    let rows: Vec<Value> = (1..=100)
        .map(|number| json!({"productId": format!("p-{number:04}"), "declaredQuantity": 1}))
        .collect();
    for number in 0..20 {
        let id = format!("h-{number}");
        let document = json!({"id": id, "documentTypeName": "Возврат", "declaredItems": rows});
        let target = format!("{}/Docs", actor.base);
        let mut sender = actor.connect().await.unwrap();
        let sent = actor.send_on(&mut sender, "POST", &target, document.to_string());
        // Polled until the request is out, and then let go.
        tokio::select! {
            biased;
            _ = sent => {}
            () = tokio::task::yield_now() => {}
        }
        drop(sender);
    }
    let target = "/Docs?$filter=startswith(id,'h-')&$expand=declaredItems($select=uid)";
    let read = actor.get(target).await.is(200).json();
    for document in read["value"].as_array().unwrap() {
        assert_eq!(document["declaredItems"].as_array().unwrap().len(), 100);
    }
}

#[tokio::test]
async fn a_stop_waits_for_the_running_request_and_sends_pollers_away() {
    let backend = Backend::start().await;
    let revision = backend.directory().await.revision;
    let actor = backend.administrator();
    let mut sender = actor.connect().await.unwrap();
    let polling = tokio::spawn(async move {
        let target = format!("/directory?after={revision}&wait=60");
        actor
            .send_on(&mut sender, "GET", &target, String::new())
            .await
    });
    // The poll is in the server once another answer has come back on the same thread.
    backend.administrator().get("/Docs").await.is(200);
    backend.running.stop().await;
    assert_eq!(polling.await.unwrap().unwrap().status, 204);
}
