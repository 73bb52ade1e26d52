//! The requests of real clients, replayed in every base; entity sets that come later are left out.

use serde_json::{Value, json};

use crate::actors::{Answer, Backend, SHOP};

/// Method, path, body (an empty one where it is null), status.
fn requests() -> Vec<(&'static str, &'static str, Value, u16)> {
    let none = Value::Null;
    let header = json!({"id": "c0", "name": "Order 1207", "documentTypeName": "ПодборЗаказа",
        "warehouseId": "1", "barcode": "40117788", "DistributeByBarcode": true,
        "ИмяКонтрагента": "ООО Ромашка", "КонтрольКолва": true});
    let whole = json!({"id": "i0", "name": "Пересчёт", "documentTypeName": "Инвентаризация",
        "warehouseId": "1", "createDate": "2023-11-01T10:00:00.000000+0500",
        "declaredItems": [{"productId": "p-0001", "declaredQuantity": "5.0", "createdBy": 3}]});
    let rows = json!({"value": [{"productId": "p-17", "packingId": "pcs", "declaredQuantity": 5,
        "Цена": 41, "ИдЕдиницыИзмерения": "pcs"}]});
    let warehouse = json!({"storageId": "7", "id": "7", "name": "Магазин на Ленина"});
    let user = json!({"id": "u0", "name": "Новый", "groupName": "Операторы ТСД",
        "password": "только-его", "barcode": "4600000000017", "warehouseIds": ["1"]});
    let expand = "/Docs/PodborZakaza('c0')?$expand=declaredItems,currentItems,combinedItems,\
                  extendedFields,tables($expand=rows)";
    vec![
        ("GET", "", none.clone(), 200),
        ("GET", "/", none.clone(), 200),
        ("HEAD", "/$metadata", none.clone(), 200),
        ("GET", "/$metadata", none.clone(), 200),
        ("GET", "/BaseInfo", none.clone(), 200),
        ("GET", "/Users", none.clone(), 200),
        ("GET", "/UserGroups", none.clone(), 200),
        ("GET", "/DocTypes?$top=1", none.clone(), 200),
        ("GET", "/DocTypes?$expand=tables", none.clone(), 200),
        (
            "GET",
            "/DocTypes('Inventarizaciya')?$expand=tables($expand=fields)",
            none.clone(),
            200,
        ),
        ("GET", "/Products", none.clone(), 200),
        ("POST", "/Warehouses", warehouse, 201),
        ("DELETE", "/Warehouses('7')", none.clone(), 204),
        ("POST", "/Users", user, 201),
        ("DELETE", "/Users('u0')", none.clone(), 204),
        ("POST", "/Docs", header, 201),
        ("POST", "/Docs/Inventarizaciya", whole, 201),
        ("POST", "/Docs('c0')/declaredItems", rows, 200),
        ("POST", "/Docs('c0')/EndUpdate", none.clone(), 204),
        ("POST", "/Docs('c0')/EndUpdate", json!({}), 204),
        (
            "POST",
            "/Docs/PodborZakaza('c0')/Default.EndUpdate",
            none.clone(),
            204,
        ),
        ("GET", "/Docs?$count=true", none.clone(), 200),
        (
            "GET",
            "/Docs?$expand=declaredItems,currentItems,extendedFields",
            none.clone(),
            200,
        ),
        ("GET", "/Docs?$orderby=createDate desc", none.clone(), 200),
        (
            "GET",
            "/Docs/Vozvrat?$select=none&$count=true",
            none.clone(),
            200,
        ),
        (
            "GET",
            "/Docs/Inventarizaciya?$top=5&$skip=1",
            none.clone(),
            200,
        ),
        (
            "GET",
            "/Docs/Inventarizaciya?%24top=5&x=1",
            none.clone(),
            200,
        ),
        ("GET", "/Docs/Inventarizaciya?$top=-1", none.clone(), 400),
        ("GET", "/Docs/Postuplenie/$count", none.clone(), 200),
        ("GET", expand, none.clone(), 200),
        (
            "GET",
            "/Docs('c0')/declaredItems?$expand=product&$count=true",
            none.clone(),
            200,
        ),
        (
            "GET",
            "/Docs('c0')?$select=warehouseId,imyaKontragenta",
            none.clone(),
            200,
        ),
        (
            "PATCH",
            "/Docs('c0')",
            json!({"Status": "ОшибкаЗаписи"}),
            204,
        ),
        ("DELETE", "/Docs('c0')", none.clone(), 204),
        ("DELETE", "/Docs/Inventarizaciya(i0)", none, 204),
    ]
}

fn has_the_shape_of_its_kind(answer: &Answer, path: &str) {
    let is_xml = path.starts_with("/$metadata");
    let is_number = path.ends_with("/$count");
    if answer.body.is_empty() || is_xml {
        return;
    }
    if is_number {
        assert!(answer.text().parse::<u64>().is_ok(), "{path}");
        return;
    }
    assert!(
        answer
            .header("content-type")
            .starts_with("application/json"),
        "{path}"
    );
    let body = answer.json();
    let refused = body["error"]["message"].is_string();
    assert!(
        refused || body["@odata.context"].is_string(),
        "{path}: {body}"
    );
}

#[tokio::test]
async fn real_clients_get_what_they_expect_in_every_base() {
    let backend = Backend::start().await;
    for base in [
        format!("/{SHOP}/api/v1"),
        format!("/{SHOP}/MobileSMARTS/api/v1"),
        format!("/{}/mobilesmarts/Api/V1", SHOP.to_uppercase()),
    ] {
        let exchange = backend
            .administrator()
            .at(&base)
            .with("accept", "text/html");
        for (method, path, body, status) in requests() {
            let body = (!body.is_null()).then_some(body);
            let answer = exchange.send(method, &format!("{base}{path}"), body).await;
            assert_eq!(
                answer.status,
                status,
                "{method} {base}{path}: {}",
                answer.text()
            );
            assert_eq!(answer.header("odata-version"), "4.0");
            has_the_shape_of_its_kind(&answer, path);
        }
    }
}
