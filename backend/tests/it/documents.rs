//! Documents: written and read in every spelling that clients use.

use serde_json::{Value, json};

use crate::actors::Backend;

fn order(id: &str) -> Value {
    json!({
        "id": id, "Name": "Заказ 1207", "documentTypeName": "ПодборЗаказа", "warehouseId": "1",
        "DistributeByBarcode": true, "ИмяКонтрагента": "ООО Ромашка", "КонтрольКолва": true,
    })
}

fn row(product: &str, quantity: u32) -> Value {
    json!({"productId": product, "packingId": "pcs", "declaredQuantity": quantity, "Цена": 41})
}

fn rows(answer: &Value) -> Vec<Value> {
    answer["value"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_document_comes_back_in_camel_case_with_everything_it_has() {
    let backend = Backend::start().await;
    let exchange = backend.actor("external-connection", Some("exchange"));
    let made = exchange.post("/Docs", order("o-1")).await.is(201);
    assert_eq!(
        made.header("location"),
        "http://shop.example:9706/api/v1/Docs('o-1')"
    );
    let made = made.json();
    assert_eq!(
        made["@odata.context"],
        "http://shop.example:9706/MobileSMARTS/api/v1/$metadata#Docs/$entity"
    );
    assert_eq!(made["imyaKontragenta"], "ООО Ромашка");
    assert_eq!(made["kontrolKolva"], true);
    assert_eq!(
        (&made["name"], &made["distributeByBarcode"]),
        (&json!("Заказ 1207"), &json!(true))
    );
    assert_eq!(made["finished"], false);
    assert_eq!(made["appointment"], Value::Null, "null is written out");
    assert!(
        made.get("declaredItems").is_none(),
        "navigation needs $expand"
    );
    assert!(made["createDate"].as_str().unwrap().ends_with('Z'));

    let mut read = exchange.get("/Docs('o-1')").await.is(200).json();
    assert_eq!(read, made);
    read = exchange
        .get("/Docs/PodborZakaza('o-1')")
        .await
        .is(200)
        .json();
    assert_eq!(read["id"], "o-1");
    exchange.get("/Docs/Vozvrat('o-1')").await.is(404);
    exchange.get("/Docs/Nastrojki").await.is(404);
}

#[tokio::test]
async fn the_upload_in_three_requests_keeps_every_row() {
    let backend = Backend::start().await;
    let exchange = backend.actor("external-connection", Some("exchange"));
    exchange.post("/Docs", order("o-1")).await.is(201);
    let first = json!({"value": [row("p-0017", 5), row("unknown", 2)]});
    let added = exchange
        .post("/Docs('o-1')/declaredItems", first)
        .await
        .is(200);
    assert!(added.body.is_empty());
    let second = json!({"value": [row("p-0018", 7)]});
    exchange
        .post("/Docs/PodborZakaza('o-1')/declaredItems", second)
        .await
        .is(200);
    for end in [
        "/Docs('o-1')/EndUpdate",
        "/Docs/PodborZakaza('o-1')/Default.EndUpdate",
    ] {
        exchange.post(end, json!({})).await.is(204);
        let target = format!("{}{end}", exchange.base);
        exchange.send("POST", &target, None).await.is(204);
    }
    let read = exchange
        .get("/Docs('o-1')/declaredItems?$expand=product&$count=true")
        .await;
    let read = read.is(200).json();
    assert_eq!(read["@odata.count"], 3);
    let read = rows(&read);
    assert_eq!(read[0]["product"]["id"], "p-0017");
    assert_eq!(read[0]["productName"], read[0]["product"]["name"]);
    assert_eq!(read[0]["cena"], 41);
    assert_eq!(read[0]["createdBy"], "ERP");
    assert_eq!(
        read[1]["product"],
        Value::Null,
        "a row of unknown goods is kept"
    );
    assert_eq!(
        (&read[1]["productId"], &read[2]["index"]),
        (&json!("unknown"), &json!(2))
    );
    exchange
        .get("/Docs('o-1')/declaredItems/$count")
        .await
        .is(200);
    exchange
        .post("/Docs('no')/declaredItems", json!({"value": []}))
        .await
        .is(404);
    exchange
        .post("/Docs('no')/EndUpdate", json!({}))
        .await
        .is(404);
}

#[tokio::test]
async fn a_row_with_a_known_uid_takes_the_place_of_that_row() {
    let backend = Backend::start().await;
    let exchange = backend.actor("external-connection", Some("exchange"));
    exchange.post("/Docs", order("o-1")).await.is(201);
    let with = |uid: &str, quantity: u32| json!({"value": [{"uid": uid, "productId": "p-0001", "declaredQuantity": quantity}]});
    exchange
        .post("/Docs('o-1')/declaredItems", with("a", 1))
        .await
        .is(200);
    exchange
        .post("/Docs('o-1')/declaredItems", with("b", 2))
        .await
        .is(200);
    exchange
        .post("/Docs('o-1')/declaredItems", with("a", 9))
        .await
        .is(200);
    let read = rows(
        &exchange
            .get("/Docs('o-1')/declaredItems")
            .await
            .is(200)
            .json(),
    );
    let told: Vec<(&Value, &Value, &Value)> = read
        .iter()
        .map(|row| (&row["uid"], &row["declaredQuantity"], &row["index"]))
        .collect();
    let a = (json!("a"), json!(9), json!(0));
    let b = (json!("b"), json!(2), json!(1));
    assert_eq!(told, [(&a.0, &a.1, &a.2), (&b.0, &b.1, &b.2)]);
}

#[tokio::test]
async fn header_and_rows_in_one_request_are_one_document() {
    let backend = Backend::start().await;
    let exchange = backend.actor("external-connection", Some("exchange"));
    let mut document = order("o-2");
    document["declaredItems"] = json!([
        {"uid": "d1", "productId": "p-0001", "declaredQuantity": 5, "currentQuantity": 3},
        {"uid": "d2", "productId": "p-0002", "declaredQuantity": 1, "currentQuantity": 1},
    ]);
    document["currentItems"] = json!([
        {"uid": "c1", "productId": "p-0001", "currentQuantity": 3, "bindedLineUid": "d1"},
        {"uid": "c2", "productId": "p-0003", "currentQuantity": 1},
    ]);
    document["tables"] = json!([{"name": "Документы", "rows": [{"Номер": "17"}, {"uid": "t2"}]}]);
    exchange.post("/Docs/PodborZakaza", document).await.is(201);
    let expand = "$expand=declaredItems($expand=product($select=name)),currentItems,\
                  combinedItems,extendedFields,tables($expand=rows)";
    let whole = exchange
        .get(&format!("/Docs/PodborZakaza('o-2')?{expand}"))
        .await
        .is(200)
        .json();
    let uids = |name: &str| -> Vec<String> {
        let rows = whole[name].as_array().unwrap().iter();
        rows.map(|row| row["uid"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(uids("declaredItems"), ["d1", "d2"]);
    assert_eq!(uids("currentItems"), ["c1", "c2"]);
    assert_eq!(uids("combinedItems"), ["d1", "d2", "c2"]);
    let product = &whole["declaredItems"][0]["product"];
    assert_eq!(product.as_object().unwrap().len(), 1, "{product}");
    assert_eq!(whole["extendedFields"]["underloaded"], true);
    assert_eq!(whole["extendedFields"]["overloaded"], false);
    assert_eq!(whole["tables"][0]["name"], "Документы");
    assert_eq!(whole["tables"][0]["rows"][0]["nomer"], "17");

    let table = exchange
        .get("/Docs/PodborZakaza('o-2')/Dokumenty")
        .await
        .is(200)
        .json();
    assert_eq!(rows(&table).len(), 2);
    let one = exchange
        .get("/Docs('o-2')/Dokumenty('t2')")
        .await
        .is(200)
        .json();
    assert_eq!(one["index"], 1);
    exchange.get("/Docs('o-2')/Netu").await.is(404);
}

#[tokio::test]
async fn posting_a_known_id_edits_the_document() {
    let backend = Backend::start().await;
    let exchange = backend.actor("external-connection", Some("exchange"));
    let mut document = order("o-3");
    document["declaredItems"] = json!([row("p-0001", 1), row("p-0002", 2)]);
    let made = exchange.post("/Docs", document).await.is(201).json();
    let edit = json!({"id": "o-3", "documentTypeName": "ПодборЗаказа", "Статус": "Принят"});
    let edited = exchange.post("/Docs", edit).await.is(200).json();
    assert_eq!(
        (&edited["status"], &edited["name"]),
        (&json!("Принят"), &made["name"])
    );
    assert_eq!(edited["createDate"], made["createDate"]);
    let count = exchange
        .get("/Docs('o-3')/declaredItems/$count")
        .await
        .is(200);
    assert_eq!(count.text(), "2", "rows that are not given stay");
    let replace = json!({"id": "o-3", "declaredItems": [row("p-0003", 3)]});
    exchange.post("/Docs", replace).await.is(200);
    let count = exchange
        .get("/Docs('o-3')/declaredItems/$count")
        .await
        .is(200);
    assert_eq!(count.text(), "1", "rows that are given replace the list");
}

#[tokio::test]
async fn a_document_is_changed_and_removed() {
    let backend = Backend::start().await;
    let exchange = backend.actor("external-connection", Some("exchange"));
    exchange.post("/Docs", order("o'4")).await.is(201);
    exchange
        .patch("/Docs('o''4')", json!({"Status": "ОшибкаЗаписи"}))
        .await
        .is(204);
    exchange
        .patch("/Docs('o''4')", json!({"Finished": true}))
        .await
        .is(204);
    let read = exchange
        .get("/Docs('o''4')?$select=status,finished")
        .await
        .is(200)
        .json();
    assert_eq!(
        (&read["status"], &read["finished"]),
        (&json!("ОшибкаЗаписи"), &json!(true))
    );
    assert!(read.get("name").is_none());
    exchange.patch("/Docs('no')", json!({})).await.is(404);
    exchange.delete("/Docs/PodborZakaza('o''4')").await.is(204);
    exchange.delete("/Docs('o''4')").await.is(404);
    exchange.get("/Docs('o''4')").await.is(404);
}

#[tokio::test]
async fn what_is_no_document_is_refused_and_says_why() {
    let backend = Backend::start().await;
    let exchange = backend.actor("external-connection", Some("exchange"));
    for (document, code) in [
        (json!({"documentTypeName": "Возврат"}), "field-missing"),
        (json!({"id": "x"}), "field-missing"),
        (
            json!({"id": "x", "documentTypeName": "Нет"}),
            "document-type-unknown",
        ),
        (
            json!({"id": "x", "documentTypeName": "Настройки"}),
            "document-type-virtual",
        ),
        (
            json!({"id": "x", "documentTypeName": "Возврат", "finished": "да"}),
            "odata-value",
        ),
        (json!([1]), "odata-value"),
    ] {
        let refused = exchange
            .post("/Docs", document.clone())
            .await
            .is(400)
            .json();
        assert_eq!(refused["error"]["code"], code, "{document}");
    }
    let other = json!({"id": "x", "documentTypeName": "Возврат"});
    let refused = exchange.post("/Docs/Spisanie", other).await.is(400).json();
    assert_eq!(refused["error"]["code"], "document-type-differs");
    let target = format!("{}/Docs", exchange.base);
    exchange
        .send_raw("POST", &target, "{\"id\":".to_owned())
        .await
        .unwrap()
        .is(400);
    exchange
        .post("/Docs/Vozvrat", json!({"id": "x"}))
        .await
        .is(201);
}

#[tokio::test]
async fn lists_are_filtered_ordered_cut_and_counted() {
    let backend = Backend::start().await;
    let exchange = backend.actor("external-connection", Some("exchange"));
    let ids = async |options: &str| -> Vec<String> {
        let answer = exchange
            .get(&format!("/Docs?{options}"))
            .await
            .is(200)
            .json();
        rows(&answer)
            .iter()
            .map(|row| row["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids("$top=2&$skip=3").await, ["DEMO-00004", "DEMO-00005"]);
    assert_eq!(ids("$orderby=id desc&$top=1").await, ["DEMO-00030"]);
    let finished =
        ids("$filter=finished eq true and warehouseId eq '1' or id eq 'DEMO-00001'").await;
    assert!(
        finished.len() > 1 && finished.contains(&"DEMO-00001".to_owned()),
        "{finished:?}"
    );
    let counted = exchange
        .get("/Docs?$count=true&$top=5")
        .await
        .is(200)
        .json();
    assert_eq!(
        (&counted["@odata.count"], rows(&counted).len()),
        (&json!(30), 5)
    );
    let none = exchange
        .get("/Docs/Vozvrat?$select=none&%24count=true")
        .await
        .is(200)
        .json();
    assert!(none["@odata.count"].as_u64().unwrap() > 0);
    let count = exchange.get("/Docs/Vozvrat/$count").await.is(200);
    assert!(count.header("content-type").starts_with("text/plain"));
    assert_eq!(count.text(), none["@odata.count"].to_string());
    for wrong in [
        "$top=-1",
        "$top=zero",
        "$top=1.5",
        "$filter=finished eq",
        "$search=x",
    ] {
        let refused = exchange.get(&format!("/Docs?{wrong}")).await.is(400).json();
        assert!(
            refused["error"]["message"].as_str().unwrap().len() > 5,
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn an_extra_field_is_the_same_field_in_every_spelling() {
    let backend = Backend::start().await;
    let exchange = backend.actor("external-connection", Some("exchange"));
    exchange.post("/Docs", order("o-5")).await.is(201);
    for (field, value) in [
        ("Статус", "1"),
        ("status", "2"),
        ("STATUS", "3"),
        ("Status", "4"),
    ] {
        exchange
            .patch("/Docs('o-5')", json!({ field: value }))
            .await
            .is(204);
        let read = exchange.get("/Docs('o-5')").await.is(200).json();
        assert_eq!(read["status"], value, "{field}");
    }
    let row = json!([{"uid": "1", "CENA": 5}, {"uid": "2", "Цена": 6}]);
    exchange
        .post("/Docs('o-5')/declaredItems", row)
        .await
        .is(200);
    let target = "/Docs('o-5')/declaredItems?$filter=Цена gt 4 and цена lt 7&$orderby=CENA desc";
    let read = rows(&exchange.get(target).await.is(200).json());
    assert_eq!((&read[0]["cena"], &read[1]["cena"]), (&json!(6), &json!(5)));
}

#[tokio::test]
async fn a_row_of_fact_shows_the_planned_row_it_stands_for() {
    let backend = Backend::start().await;
    let exchange = backend.actor("external-connection", Some("exchange"));
    let mut document = order("o-6");
    document["declaredItems"] = json!([{"uid": "d1", "productId": "p-0001"}]);
    document["currentItems"] = json!([{"uid": "c1", "bindedLineUid": "d1"}, {"uid": "c2"}]);
    exchange.post("/Docs", document).await.is(201);
    for target in [
        "/Docs('o-6')/currentItems?$expand=bindedLine",
        "/Docs('o-6')?$expand=currentItems($expand=bindedLine)",
    ] {
        let read = exchange.get(target).await.is(200).json();
        let rows = read.get("value").unwrap_or_else(|| &read["currentItems"]);
        assert_eq!(rows[0]["bindedLine"]["uid"], "d1", "{target}");
        assert_eq!(rows[1]["bindedLine"], Value::Null, "{target}");
    }
}

#[tokio::test]
async fn a_byte_order_mark_in_front_of_a_body_is_passed_over() {
    let backend = Backend::start().await;
    let exchange = backend.actor("external-connection", Some("exchange"));
    let (target, body) = (format!("{}/Docs", exchange.base), order("o-7").to_string());
    let marked = exchange
        .send_raw("POST", &target, format!("\u{feff}{body}"))
        .await;
    marked.unwrap().is(201);
    let twice = exchange
        .send_raw("POST", &target, format!("\u{feff}\u{feff}{body}"))
        .await;
    twice.unwrap().is(400);
}

#[tokio::test]
async fn an_id_fits_into_an_address_or_is_refused() {
    let backend = Backend::start().await;
    let exchange = backend.actor("external-connection", Some("exchange"));
    for id in [
        String::new(),
        " ".to_owned(),
        "a\nb".to_owned(),
        "я".repeat(201),
    ] {
        exchange.post("/Docs", order(&id)).await.is(400);
    }
    for id in ["я".repeat(200), "a/b ('c')#?%&+".to_owned()] {
        let made = exchange.post("/Docs", order(&id)).await.is(201);
        let location = made
            .header("location")
            .strip_prefix("http://shop.example:9706/api/v1");
        exchange.get(location.unwrap()).await.is(200);
    }
}

#[tokio::test]
async fn a_body_over_64_mib_is_a_413() {
    let backend = Backend::start().await;
    let exchange = backend.actor("external-connection", Some("exchange"));
    let body = " ".repeat(64 * 1024 * 1024 + 1);
    for target in [format!("{}/Docs", exchange.base), "/directory".to_owned()] {
        let refused = exchange
            .send_raw("POST", &target, body.clone())
            .await
            .unwrap()
            .is(413);
        assert_eq!(refused.json()["error"]["code"], "body-too-large");
    }
}
