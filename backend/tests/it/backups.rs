//! Copies of documents: taken with the change, as files within moments, and put back whole.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use serde_json::{Value, json};

use crate::actors::{Actor, Backend, SHOP};

const ALL: &str = "?$expand=declaredItems,currentItems,tables($expand=rows)";

fn folder(backend: &Backend) -> PathBuf {
    backend.data().join("databases/Магазин 15/Backup")
}

/// Copies of one document, oldest first: reason and user.
async fn copies(administrator: &Actor, id: &str) -> Vec<(String, String)> {
    let listed = administrator
        .get(&format!("/Backups?$filter=documentId eq '{id}'"))
        .await
        .is(200)
        .json();
    let mut rows = listed["value"].as_array().unwrap().clone();
    // Within one second the number in the name, else the reason, decides.
    rows.reverse();
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    rows.iter()
        .map(|row| (text(row, "reason"), text(row, "user")))
        .collect()
}

async fn reasons(administrator: &Actor, id: &str) -> Vec<String> {
    let mut reasons: Vec<String> = copies(administrator, id)
        .await
        .into_iter()
        .map(|(reason, _)| reason)
        .collect();
    reasons.sort();
    reasons
}

async fn file_of(administrator: &Actor, id: &str, reason: &str) -> String {
    let listed = administrator
        .get(&format!(
            "/Backups?$filter=documentId eq '{id}' and reason eq '{reason}'"
        ))
        .await
        .is(200)
        .json();
    listed["value"][0]["file"].as_str().unwrap().to_owned()
}

fn order(id: &str) -> Value {
    json!({
        "id": id, "documentTypeName": "Инвентаризация", "warehouseId": "1", "Статус": "<Новый> & \"всё\"",
        "createDate": "2026-03-02T09:14:55.12+03:00",
        "declaredItems": [
            {"uid": "u-1", "productId": "нет такого", "declaredQuantity": 5.250, "Цена": 41.50},
            {"uid": "u-2", "productName": "Хлеб", "declaredQuantity": 2},
        ],
        "tables": [{"name": "Ячейки", "rows": [{"uid": "r-1", "адрес": "А-1"}]}],
    })
}

/// `levels` lists inside each other.
fn nested(levels: usize) -> Value {
    (1..levels).fold(json!([]), |inner, _| json!([inner]))
}

#[tokio::test]
async fn what_a_terminal_nests_deeply_stops_no_copy_of_anybody() {
    let backend = Backend::start().await;
    let exchange = backend.actor("external-connection", Some("exchange"));
    let administrator = backend.administrator();
    let deep = |levels: usize| {
        let mut document = order("deep");
        document["x"] = nested(levels);
        document
    };
    for levels in [64, 100, 125] {
        exchange.post("/Docs", deep(levels)).await.is(400);
    }
    exchange.post("/Docs", deep(63)).await.is(201);
    let row = |levels: usize| json!({"uid": "u-9", "x": nested(levels)});
    let rows = "/Docs('deep')/declaredItems";
    exchange.post(rows, row(64)).await.is(400);
    exchange.post(rows, row(63)).await.is(200);
    exchange
        .patch("/Docs('deep')", json!({"inProcess": true}))
        .await
        .is(204);
    exchange.post("/Docs", order("after")).await.is(201);
    assert_eq!(reasons(&administrator, "deep").await, ["inprocess", "new"]);
    assert_eq!(reasons(&administrator, "after").await, ["new"]);
    let file = file_of(&administrator, "deep", "inprocess").await;
    let restore = json!({"file": file, "replace": true});
    administrator
        .post("/Backups/Restore", restore)
        .await
        .is(204);
}

#[tokio::test]
async fn the_life_of_a_document_leaves_the_vendors_copies() {
    let backend = Backend::start().await;
    let exchange = backend.actor("external-connection", Some("exchange"));
    let terminal = backend.actor("mobile-user", Some("1"));
    let administrator = backend.administrator();
    exchange.post("/Docs", order("new_1")).await.is(201);
    let patch = async |change: Value| {
        terminal.patch("/Docs('new_1')", change).await.is(204);
    };
    patch(json!({"inProcess": true})).await;
    patch(json!({"inProcess": false})).await;
    patch(json!({"description": "ничего не случилось"})).await;
    patch(json!({"inProcess": true})).await;
    patch(json!({"finished": true, "inProcess": false})).await;
    patch(json!({"finished": true})).await;
    patch(json!({"description": "и снова ничего"})).await;
    exchange
        .post("/Docs", json!({"id": "new_1", "name": "Ещё раз"}))
        .await
        .is(200);
    exchange.delete("/Docs('new_1')").await.is(204);
    let expected = [
        "deleted",
        "duplicate_finish",
        "finished_by_user",
        "inprocess",
        "inprocess",
        "new",
        "release",
        "replace",
    ];
    assert_eq!(reasons(&administrator, "new_1").await, expected);
    let all = copies(&administrator, "new_1").await;
    assert!(
        all.contains(&("finished_by_user".to_owned(), "1".to_owned())),
        "{all:?}"
    );

    let name = file_of(&administrator, "new_1", "finished_by_user").await;
    assert!(
        name.starts_with("doc_new_1_") && name.ends_with("_finished_by_user_1.xml"),
        "{name}"
    );
    let path = folder(&backend).join(&name);
    let content = fs::read_to_string(&path).unwrap();
    assert!(
        content.contains(r#"documentTypeName="Инвентаризация""#),
        "{content}"
    );
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let mode = fs::metadata(folder(&backend)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[tokio::test]
async fn an_upload_in_several_requests_is_copied_with_its_rows_at_its_end() {
    let backend = Backend::start().await;
    let exchange = backend.actor("external-connection", Some("exchange"));
    let administrator = backend.administrator();
    let header = json!({"id": "u", "documentTypeName": "Инвентаризация"});
    exchange.post("/Docs", header).await.is(201);
    let rows = json!({"value": [{"uid": "late", "declaredQuantity": 1}]});
    exchange
        .post("/Docs('u')/declaredItems", rows)
        .await
        .is(200);
    for _ in 0..2 {
        exchange
            .post("/Docs('u')/EndUpdate", json!({}))
            .await
            .is(204);
    }
    assert_eq!(
        reasons(&administrator, "u").await,
        ["new", "new"],
        "the second end changes nothing"
    );
    let files: Vec<String> = fs::read_dir(folder(&backend))
        .unwrap()
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    assert_eq!(
        files
            .iter()
            .filter(|text| text.contains("\"late\""))
            .count(),
        1
    );
}

#[tokio::test]
async fn a_removed_document_comes_back_as_it_was() {
    let backend = Backend::start().await;
    let administrator = backend.administrator();
    // Nobody's idea of a file name.
    for id in ["r-1", "../../../etc/x", "C:\\aux?*|", &"я".repeat(200)] {
        administrator.post("/Docs", order(id)).await.is(201);
        let quoted = id
            .replace('/', "%2F")
            .replace('\\', "%5C")
            .replace('?', "%3F");
        let address = format!("/Docs('{quoted}')");
        let rows = json!({"value": [{"uid": "c-1", "bindedLineUid": "u-1", "currentQuantity": 5}]});
        administrator
            .post(&format!("{address}/currentItems"), rows)
            .await
            .is(200);
        let before = administrator
            .get(&format!("{address}{ALL}"))
            .await
            .is(200)
            .json();
        administrator.delete(&address).await.is(204);
        administrator.get(&address).await.is(404);
        let file = file_of(&administrator, &id.replace('?', "%3F"), "deleted").await;
        assert!(file.len() <= 255 && !file.contains('/'), "{file}");
        let restore = json!({"file": file, "documentId": id});
        administrator
            .post("/Backups/Restore", restore)
            .await
            .is(204);
        let after = administrator
            .get(&format!("{address}{ALL}"))
            .await
            .is(200)
            .text();
        let after: Value = serde_json::from_str(&after).unwrap();
        assert_eq!(after, before, "{id}");
    }
    let escaped = backend.data().parent().unwrap().join("etc");
    assert!(!escaped.exists());
}

#[tokio::test]
async fn a_document_that_exists_is_replaced_only_on_demand_and_copied_first() {
    let backend = Backend::start().await;
    let administrator = backend.administrator();
    administrator.post("/Docs", order("x")).await.is(201);
    let file = file_of(&administrator, "x", "new").await;
    let changed = json!({"name": "Другое", "declaredItems": []});
    administrator.patch("/Docs('x')", changed).await.is(204);
    let refused = administrator
        .post("/Backups/Restore", json!({"file": file}))
        .await
        .is(409)
        .json();
    assert_eq!(refused["error"]["code"], "document-exists");
    let shown = administrator.get("/Docs('x')?$expand=declaredItems").await;
    assert_eq!(shown.is(200).json()["name"], "Другое");

    let replace = json!({"file": file, "replace": true});
    administrator
        .post("/Backups/Restore", replace)
        .await
        .is(204);
    let shown = administrator
        .get("/Docs('x')?$expand=declaredItems")
        .await
        .is(200)
        .json();
    assert_eq!(shown["name"], json!(null));
    assert_eq!(shown["declaredItems"].as_array().unwrap().len(), 2);
    let replaced = file_of(&administrator, "x", "replace").await;
    let kept = fs::read_to_string(folder(&backend).join(replaced)).unwrap();
    assert!(kept.contains("Другое"), "{kept}");
}

#[tokio::test]
async fn a_copy_from_elsewhere_is_restored_from_its_text_and_what_is_none_is_refused() {
    let backend = Backend::start().await;
    let administrator = backend.administrator();
    administrator.post("/Docs", order("y")).await.is(201);
    administrator.delete("/Docs('y')").await.is(204);
    let file = file_of(&administrator, "y", "new").await;
    let content = fs::read_to_string(folder(&backend).join(&file)).unwrap();
    for (given, status, code) in [
        (json!({}), 400, "field-missing"),
        (json!({"content": "<Document/>"}), 400, "copy-damaged"),
        (
            json!({"content": content.replace("Инвентаризация", "Небывалый")}),
            400,
            "document-type-unknown",
        ),
        (
            json!({"content": content.replace("\"id\":\"y\"", "\"id\":\"z\"")}),
            400,
            "copy-of-another",
        ),
        (
            json!({"content": content, "documentId": "z"}),
            400,
            "copy-of-another",
        ),
        (json!({"file": "../../backend.sqlite"}), 404, "not-found"),
        (
            json!({"file": "doc_../../x_06.11.2019_04.44.02_new.xml"}),
            404,
            "not-found",
        ),
        (
            json!({"file": "doc_y_06.11.2019_04.44.02_new.xml"}),
            404,
            "not-found",
        ),
    ] {
        let refused = administrator.post("/Backups/Restore", given.clone()).await;
        let refused = refused.is(status).json();
        assert_eq!(refused["error"]["code"], code, "{given}");
    }
    administrator.get("/Docs('y')").await.is(404);
    for role in ["mobile-user", "external-connection"] {
        let actor = backend.actor(role, Some("1"));
        actor.get("/Backups").await.is(403);
        let restore = json!({"content": content});
        actor.post("/Backups/Restore", restore).await.is(403);
    }
    administrator
        .post(
            "/Backups/Restore",
            json!({"content": content, "documentId": "y"}),
        )
        .await
        .is(204);
    administrator.get("/Docs('y')").await.is(200);
}

#[tokio::test]
async fn with_the_switch_off_nothing_is_copied() {
    let backend = Backend::start().await;
    let administrator = backend.administrator();
    let switch = async |on: bool| {
        let change =
            json!({"changes": [{"change": "set", "id": SHOP, "settings": {"backups": on}}]});
        administrator
            .send("POST", "/directory", Some(change))
            .await
            .is(200);
    };
    switch(false).await;
    administrator.post("/Docs", order("off")).await.is(201);
    administrator.delete("/Docs('off')").await.is(204);
    assert!(copies(&administrator, "off").await.is_empty());
    assert!(!folder(&backend).exists());
    switch(true).await;
    administrator.post("/Docs", order("on")).await.is(201);
    assert_eq!(reasons(&administrator, "on").await, ["new"]);
}

#[tokio::test]
async fn copies_wait_for_a_folder_that_cannot_be_written_and_survive_a_restart() {
    let backend = Backend::start().await;
    let administrator = backend.administrator();
    let in_the_way = backend.data().join("databases");
    fs::write(&in_the_way, "not a folder").unwrap();
    administrator.post("/Docs", order("w")).await.is(201);
    // Nobody's change waits or fails for it.
    let refused = administrator.get("/Backups").await.is(500).json();
    assert_eq!(refused["error"]["code"], "copies-unreadable");
    let backend = backend.restarted().await;
    fs::remove_file(&in_the_way).unwrap();
    assert_eq!(reasons(&backend.administrator(), "w").await, ["new"]);
}
