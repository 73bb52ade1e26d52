//! What clients read before they write: the service, its types, goods, warehouses.

use serde_json::{Value, json};

use crate::actors::{Backend, SHOP};

#[tokio::test]
async fn a_client_finds_the_service_its_metadata_and_the_database() {
    let backend = Backend::start().await;
    let public = backend
        .administrator()
        .with("x-forwarded-proto", "https")
        .with("x-forwarded-host", "shop.ru:9706");
    let service = public.get("").await.is(200).json();
    assert_eq!(
        service["@odata.context"],
        "https://shop.ru:9706/MobileSMARTS/api/v1/$metadata"
    );
    let named = |name: &str| {
        service["value"]
            .as_array()
            .unwrap()
            .iter()
            .any(|set| set["name"] == name)
    };
    assert!(named("Docs") && named("Docs/Postuplenie") && !named("Docs/Nastrojki"));

    let metadata = public.get("/$metadata").await.is(200);
    assert!(
        metadata
            .header("content-type")
            .starts_with("application/xml")
    );
    assert!(metadata.text().contains("Version=\"4.0\""));
    let head = public
        .send("HEAD", &format!("/{SHOP}/api/v1/$metadata"), None)
        .await
        .is(200);
    assert!(head.body.is_empty());

    let info = public.get("/BaseInfo").await.is(200).json();
    assert_eq!(
        (&info["id"], &info["name"]),
        (&json!(SHOP), &json!("Магазин 15"))
    );
    assert!(!info["appName"].as_str().unwrap().is_empty());
    assert!(!info["serverVersion"].as_str().unwrap().is_empty());
    let data = &info["appInstanceSettings"]["serverSettings"]["dataService"];
    assert_eq!(
        data,
        &json!({"enabled": true, "port": 9706, "useHttps": true, "deviceAuth": false,
                "passwordAuth": true})
    );
    assert_eq!(
        info["connectionQRCode"],
        format!("https://shop.ru:9706/{SHOP}")
    );
}

#[tokio::test]
async fn document_types_come_with_fields_columns_and_tables_when_asked() {
    let backend = Backend::start().await;
    let administrator = backend.administrator();
    let first = administrator.get("/DocTypes?$top=1").await.is(200).json();
    assert_eq!(first["value"][0]["uni"], "Vozvrat");
    assert_eq!(first["value"][0]["labelTypeName"], Value::Null);
    assert!(first["value"][0].get("fields").is_none());
    let expanded = administrator
        .get("/DocTypes?$expand=tables")
        .await
        .is(200)
        .json();
    assert_eq!(expanded["value"][0]["tables"], json!([]));
    let target = "/DocTypes('Inventarizaciya')?$expand=fields,allcolumns,tables($expand=fields)";
    let one = administrator.get(target).await.is(200).json();
    assert_eq!(one["name"], "Инвентаризация");
    assert!(!one["fields"].as_array().unwrap().is_empty());
    assert_eq!(one["allColumns"][0]["fieldName"], "Цена");
    let fields = administrator
        .get("/DocTypes('Inventarizaciya')/fields")
        .await
        .is(200)
        .json();
    assert_eq!(fields["value"], one["fields"]);
    administrator.get("/DocTypes('Net')").await.is(404);
}

#[tokio::test]
async fn goods_come_with_their_packings_inline() {
    let backend = Backend::start().await;
    let operator = backend.actor("mobile-user", Some("1"));
    let goods = operator
        .get("/Products?$count=true&$top=3")
        .await
        .is(200)
        .json();
    assert_eq!(goods["@odata.count"], 300);
    let third = &goods["value"][2];
    assert_eq!(third["packings"].as_array().unwrap().len(), 2);
    assert_eq!(third["basePackingId"], "pcs");
    let one = operator
        .get("/Products('p-0003')?$select=name,packings")
        .await
        .is(200)
        .json();
    assert_eq!(one["packings"], third["packings"]);
    operator.post("/Products", json!({"id": "x"})).await.is(405);
}

#[tokio::test]
async fn warehouses_are_read_by_everyone_and_written_by_those_who_exchange() {
    let backend = Backend::start().await;
    let operator = backend.actor("mobile-user", Some("1"));
    let read = operator.get("/Warehouses").await.is(200).json();
    assert_eq!(
        read["value"][0],
        json!({"id": "1", "storageId": "1", "name": "Общий"})
    );
    let shop = json!({"storageId": "7", "id": "7", "name": "На Садовой"});
    operator.post("/Warehouses", shop.clone()).await.is(403);
    let exchange = backend.actor("external-connection", Some("exchange"));
    exchange.post("/Warehouses", shop.clone()).await.is(201);
    exchange.post("/Warehouses", shop).await.is(200);
    exchange
        .patch("/Warehouses('7')", json!({"Name": "На Речной"}))
        .await
        .is(204);
    let one = operator.get("/Warehouses('7')").await.is(200).json();
    assert_eq!(one["name"], "На Речной");
    exchange.delete("/Warehouses('7')").await.is(204);
    exchange.delete("/Warehouses('7')").await.is(404);
}

#[tokio::test]
async fn what_does_not_exist_is_a_404_and_what_cannot_be_done_a_405() {
    let backend = Backend::start().await;
    let administrator = backend.administrator();
    for path in [
        "/Partners",
        "/Docs('x')",
        "/Docs/Net",
        "/$all",
        "/Users('x')",
        "/Warehouses/x",
    ] {
        let answer = administrator.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
    }
    administrator.delete("/Docs").await.is(405);
    administrator.post("/BaseInfo", json!({})).await.is(405);
    administrator.get("/Docs('a").await.is(400);
    administrator.get("/Docs('%FF')").await.is(400);
}
