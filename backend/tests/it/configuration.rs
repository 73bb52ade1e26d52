//! Configuration properties and document types.

use serde_json::{Value, json};

use crate::actors::{Actor, Backend, SHOP};

const PROPERTIES: &str = "/Configuration";

async fn properties(actor: &Actor) -> Value {
    actor.get(PROPERTIES).await.is(200).json()
}

#[tokio::test]
async fn a_new_database_shows_the_properties_of_the_seeds_page() {
    let backend = Backend::start().await;
    let shown = properties(&backend.administrator()).await;
    for (property, value) in [
        ("id", json!(SHOP)),
        ("name", json!("Магазин 15")),
        ("androidClientVersion", json!("3.3.0.24804")),
        ("mobileClientVersion", json!("3.3.0.24804")),
        ("editorVersion", json!("2.7.1.0")),
        ("serverVersion", json!("2.7.1.0")),
        ("popupMessages", json!(false)),
        ("detailedErrors", json!(false)),
        ("documentCountsOnButtons", json!(false)),
        ("warehouseSelectionText", json!("")),
        ("author", json!("")),
        ("version", json!(1)),
        ("authorMachine", json!("")),
        ("lastUpdate", json!("0001-01-01T00:00:00Z")),
        ("returnOthersDocuments", json!(false)),
        ("askReturnOnUserChange", json!(true)),
        ("comment", json!("Типовая конфигурация")),
        ("exitPassword", json!(null)),
        ("exitPasswordSet", json!(false)),
        ("backupDays", json!(30)),
        ("backupMegabytes", json!(1024)),
    ] {
        assert_eq!(shown[property], value, "{property}");
    }
    assert!(shown["barcodeLogin"].is_boolean());
}

#[tokio::test]
async fn what_an_administrator_sets_everyone_reads_and_the_version_says_who_did_it() {
    let backend = Backend::start().await;
    let administrator = backend
        .actor("administrator", Some("admin"))
        .with("x-smarts-client", "192.0.2.7");
    let change = json!({
        "Name": "Магазин 15 Вещевой", "popupMessages": true, "detailedErrors": "true",
        "documentCountsOnButtons": true, "warehouseSelectionText": "Выберите склад",
        "returnOthersDocuments": true, "askReturnOnUserChange": false, "comment": "Наша",
        "androidClientVersion": "", "serverVersion": "3.4", "backupDays": 7,
    });
    administrator.patch(PROPERTIES, change).await.is(204);
    let shown = properties(&backend.actor("mobile-user", Some("1"))).await;
    assert_eq!(shown["name"], "Магазин 15 Вещевой");
    assert_eq!(shown["popupMessages"], true);
    assert_eq!(shown["detailedErrors"], true);
    assert_eq!(shown["warehouseSelectionText"], "Выберите склад");
    assert_eq!(shown["askReturnOnUserChange"], false);
    assert_eq!(shown["androidClientVersion"], "");
    assert_eq!(shown["backupDays"], 7);
    assert_eq!(shown["version"], 2);
    assert_eq!(shown["author"], "Администратор");
    assert_eq!(shown["authorMachine"], "192.0.2.7");
    assert_ne!(shown["lastUpdate"], "0001-01-01T00:00:00Z");
    let base = administrator.get("/BaseInfo").await.is(200).json();
    assert_eq!(base["configurationVersion"], "2");
    assert_eq!(
        base["name"], "Магазин 15",
        "the database keeps its own name"
    );

    // An answer may be sent back as it came, and says so across a restart.
    let backend = backend.restarted().await;
    let administrator = backend.administrator();
    let shown = properties(&administrator).await;
    administrator.patch(PROPERTIES, shown).await.is(204);
    let again = properties(&administrator).await;
    assert_eq!(
        (&again["name"], &again["version"]),
        (&json!("Магазин 15 Вещевой"), &json!(3))
    );
    assert_eq!(again["authorMachine"], "localhost");
}

#[tokio::test]
async fn only_administrators_set_properties_and_only_what_a_form_would_take() {
    let backend = Backend::start().await;
    let change = json!({"comment": "x"});
    for role in ["mobile-user", "external-connection"] {
        let actor = backend.actor(role, Some("1"));
        actor.patch(PROPERTIES, change.clone()).await.is(403);
    }
    let administrator = backend.administrator();
    for (change, code) in [
        (json!({"version": 7}), "property-read-only"),
        (json!({"author": "Клеверенс"}), "property-read-only"),
        (json!({"exitPasswordSet": true}), "property-read-only"),
        (json!({"serverVersion": "три"}), "property-version-bad"),
        (json!({"comment": "x".repeat(1001)}), "property-text-bad"),
        (json!({"comment": "\u{7}"}), "property-text-bad"),
        (json!({"name": " "}), "field-missing"),
        (json!({"backupDays": 0}), "property-number-bad"),
        (json!({"backupMegabytes": 1_000_001}), "property-number-bad"),
        (json!({"exitPassword": "x".repeat(129)}), "secret-too-long"),
        (json!({"noSuch": 1}), "odata-no-such-property"),
        (json!({"popupMessages": "да"}), "odata-value"),
    ] {
        // A good value beside a bad one is not taken either.
        let mut both = json!({"warehouseSelectionText": "Склад"});
        both.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let refused = administrator.patch(PROPERTIES, both).await.is(400).json();
        assert_eq!(refused["error"]["code"], code, "{change}");
    }
    let shown = properties(&administrator).await;
    assert_eq!(shown["warehouseSelectionText"], "");
    assert_eq!(shown["version"], 1);
    administrator.patch(PROPERTIES, change).await.is(204);
}

#[tokio::test]
async fn the_login_by_barcode_is_one_switch_wherever_it_is_set() {
    let backend = Backend::start().await;
    let administrator = backend.administrator();
    let of_directory = async || {
        let directory = backend.directory().await;
        let mut shops = directory.databases.into_iter();
        let shop = shops.find(|database| database.id.as_str() == SHOP).unwrap();
        (directory.revision, shop.settings.barcode_login)
    };
    for wanted in [false, true] {
        administrator
            .patch(PROPERTIES, json!({"barcodeLogin": !wanted}))
            .await
            .is(204);
        let (before, _) = of_directory().await;
        administrator
            .patch(PROPERTIES, json!({"barcodeLogin": wanted}))
            .await
            .is(204);
        let (after, switched) = of_directory().await;
        assert!(switched == wanted && after > before);
        let change = json!({"changes": [{"change": "set", "id": SHOP,
                                         "settings": {"barcode_login": !wanted}}]});
        administrator
            .send("POST", "/directory", Some(change))
            .await
            .is(200);
        assert_eq!(properties(&administrator).await["barcodeLogin"], !wanted);
    }
    // What does not touch the directory does not wake those who wait for it.
    let (before, _) = of_directory().await;
    administrator
        .patch(PROPERTIES, json!({"comment": "тихо"}))
        .await
        .is(204);
    assert_eq!(of_directory().await.0, before);
}

#[tokio::test]
async fn the_exit_password_goes_in_and_never_comes_out() {
    let backend = Backend::start().await;
    let administrator = backend.administrator();
    let set = json!({"exitPassword": "Выход-7531"});
    administrator.patch(PROPERTIES, set).await.is(204);
    let told = administrator.get(PROPERTIES).await.is(200);
    assert_eq!(told.json()["exitPasswordSet"], true);
    let selected = administrator
        .get("/Configuration?$select=exitPassword")
        .await
        .is(200);
    for told in [told.text(), selected.text()] {
        assert!(!told.contains("7531") && !told.contains("argon2"), "{told}");
    }
    // Nothing of it lies in clear in the data folder.
    for file in std::fs::read_dir(backend.data()).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap_or_default();
        let secret = "Выход-7531".as_bytes();
        let found = bytes.windows(secret.len()).any(|window| window == secret);
        assert!(!found, "{}", path.display());
    }
    administrator
        .patch(PROPERTIES, json!({"exitPassword": null}))
        .await
        .is(204);
    assert_eq!(properties(&administrator).await["exitPasswordSet"], true);
    administrator
        .patch(PROPERTIES, json!({"exitPassword": ""}))
        .await
        .is(204);
    assert_eq!(properties(&administrator).await["exitPasswordSet"], false);
}

/// A type as a file has it, with a field of its header and a column of its rows.
fn document_type(name: &str) -> Value {
    json!({
        "name": name, "clientCreating": true, "needExchangeDataBeforeOpen": 1,
        "fields": [{"fieldName": "Курьер", "fieldType": "String", "fieldOwners": 8}],
        "columns": [{"fieldName": "Цена", "fieldType": "Decimal", "fieldOwners": "DocumentItem"}],
        "tables": [{"name": "Ячейки", "fields": []}],
        "allFields": [{"fieldName": "лишнее"}], "@odata.type": "#x",
    })
}

#[tokio::test]
async fn a_list_of_types_is_imported_whole_or_not_at_all() {
    let backend = Backend::start().await;
    let administrator = backend.administrator();
    let count = async || administrator.get("/DocTypes/$count").await.is(200).text();
    let before = count().await;
    let good = document_type("ДоставкаЗаказа");
    for (bad, code) in [
        (json!({"alias": "Без имени"}), "field-missing"),
        (
            json!({"name": "Тип", "uni": "Drugoj"}),
            "document-type-uni-differs",
        ),
        (json!({"name": "доставка Заказа"}), "document-type-twice"),
        (json!({"name": "日本"}), "document-type-name-bad"),
        (
            json!({"name": "а/б", "uni": "A"}),
            "document-type-uni-differs",
        ),
        (json!({"name": "х".repeat(101)}), "document-type-name-bad"),
        (
            json!({"name": "Тип", "noSuchFlag": true}),
            "odata-no-such-property",
        ),
        (json!({"name": "Тип", "virtual": "да"}), "odata-value"),
        (
            json!({"name": "Тип", "fields": [{"fieldKind": 1}]}),
            "odata-no-such-property",
        ),
        // An existing one under another spelling of its name.
        (json!({"name": "Vozvrat"}), "document-type-name-kept"),
    ] {
        for list in [json!([good, bad]), json!({"value": [good, bad]})] {
            let refused = administrator.post("/DocTypes", list).await.is(400).json();
            assert_eq!(refused["error"]["code"], code, "{bad}");
        }
        assert_eq!(count().await, before, "{bad}");
    }
    for role in ["mobile-user", "external-connection"] {
        let actor = backend.actor(role, Some("1"));
        actor.post("/DocTypes", json!([good])).await.is(403);
    }
    let list =
        json!({"@odata.context": "x", "value": [good, {"name": "Возврат", "alias": "Назад"}]});
    let imported = administrator.post("/DocTypes", list).await.is(200).json();
    assert_eq!(
        imported,
        json!({"added": 1, "changed": 1, "names": ["ДоставкаЗаказа", "Возврат"]})
    );
    let shown = administrator
        .get("/DocTypes('DostavkaZakaza')?$expand=fields,columns,tables")
        .await
        .is(200)
        .json();
    assert_eq!(shown["displayName"], "ДоставкаЗаказа");
    assert_eq!(shown["needExchangeDataBeforeOpen"], "Yes");
    assert_eq!(shown["fields"][0]["fieldName"], "Курьер");
    assert_eq!(shown["tables"][0]["name"], "Ячейки");
    let other = administrator
        .get("/DocTypes('Vozvrat')")
        .await
        .is(200)
        .json();
    assert_eq!(
        (&other["alias"], &other["input"]),
        (&json!("Назад"), &json!(true))
    );
    assert_eq!(
        properties(&administrator).await["version"],
        2,
        "one import, one version"
    );
    // The new type has documents at once, and its fields their own spelling.
    let document = json!({"id": "d-1", "курьер": "Петров"});
    let made = administrator
        .post("/Docs/DostavkaZakaza", document)
        .await
        .is(201)
        .json();
    assert_eq!(made["kurer"], "Петров");
}

#[tokio::test]
async fn what_is_exported_can_be_imported_as_it_came() {
    let backend = Backend::start().await;
    let administrator = backend.administrator();
    let all = "/DocTypes?$expand=fields,columns,tables($expand=fields)";
    let exported = administrator.get(all).await.is(200).json();
    let answer = administrator
        .post("/DocTypes", exported.clone())
        .await
        .is(200);
    assert_eq!(answer.json()["added"], 0);
    let again = administrator.get(all).await.is(200).json();
    assert_eq!(again["value"], exported["value"]);
    let other = backend
        .administrator()
        .at("/5b0e7c34-9d1f-4c62-8a57-3e1f6f0c2d98/api/v1");
    other.post("/DocTypes", exported.clone()).await.is(200);
    let there = other.get("/DocTypes('SborShK')?$expand=fields").await;
    assert_eq!(there.is(200).json()["name"], "СборШК");
}

#[tokio::test]
async fn a_type_that_something_names_is_neither_renamed_nor_removed() {
    let backend = Backend::start().await;
    let administrator = backend.administrator();
    let one = json!({"name": "Временный", "virtual": true});
    let made = administrator.post("/DocTypes", one).await.is(201);
    assert_eq!(
        made.header("location").rsplit('/').next(),
        Some("DocTypes('Vremennyj')")
    );
    let refusal = async |method: &str, body: Option<Value>, status: u16| {
        let target = format!("/{SHOP}/api/v1/DocTypes('Vremennyj')");
        let refused = administrator.send(method, &target, body).await.is(status);
        refused.json()["error"]["code"].as_str().unwrap().to_owned()
    };
    let renamed = Some(json!({"name": "Другой"}));
    assert_eq!(
        refusal("PATCH", renamed, 400).await,
        "document-type-name-kept"
    );
    administrator
        .patch(
            "/DocTypes('Vremennyj')",
            json!({"name": "Временный", "alias": "Врем."}),
        )
        .await
        .is(204);

    let ticked = json!({"autorunDocumentTypeName": "Временный"});
    administrator
        .patch("/UserGroups('1')", ticked)
        .await
        .is(204);
    assert_eq!(refusal("DELETE", None, 409).await, "document-type-in-group");
    let real = json!({"virtual": false});
    assert_eq!(
        refusal("PATCH", Some(real.clone()), 400).await,
        "autorun-not-virtual"
    );
    let unticked = json!({"autorunDocumentTypeName": ""});
    administrator
        .patch("/UserGroups('1')", unticked)
        .await
        .is(204);
    administrator
        .patch("/DocTypes('Vremennyj')", real)
        .await
        .is(204);

    administrator
        .post("/Docs/Vremennyj", json!({"id": "v-1"}))
        .await
        .is(201);
    let refused = administrator
        .delete("/DocTypes('Vremennyj')")
        .await
        .is(409)
        .json();
    assert_eq!(
        refused["error"]["message"],
        "У типа «Временный» есть документы: 1. Сначала удалите их"
    );
    let made_virtual = Some(json!({"virtual": true}));
    assert_eq!(
        refusal("PATCH", made_virtual, 400).await,
        "document-type-virtual-with-documents"
    );
    administrator.delete("/Docs('v-1')").await.is(204);
    administrator.delete("/DocTypes('Vremennyj')").await.is(204);
    administrator.get("/DocTypes('Vremennyj')").await.is(404);
    administrator.delete("/DocTypes('Vremennyj')").await.is(404);
}
