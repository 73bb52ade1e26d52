use serde_json::json;

use super::*;

fn kind(name: &str) -> &'static EntityType {
    EntityType::named(name).unwrap()
}

#[test]
fn a_document_in_the_clients_spelling_comes_out_in_ours() {
    let body = json!({
        "@odata.type": "#Cleverence.Warehouse.Document",
        "id": "c0ffee01", "Name": "Order 1207", "documentTypeName": "ПодборЗаказа",
        "DistributeByBarcode": true, "ИмяКонтрагента": "ООО Ромашка", "КонтрольКолва": true,
        "createDate": "2023-11-01T10:00:00.000000+0500", "lastChangeDate": null, "barcode": null,
        "DeclaredItems": [{"productId": "p-17", "declaredQuantity": 5.0, "Цена": 41, "createdBy": 3}]
    });
    let expected = json!({
        "id": "c0ffee01", "name": "Order 1207", "documentTypeName": "ПодборЗаказа",
        "distributeByBarcode": true, "imyaKontragenta": "ООО Ромашка", "kontrolKolva": true,
        "createDate": "2023-11-01T05:00:00Z", "barcode": null,
        "declaredItems": [{"productId": "p-17", "declaredQuantity": 5.0, "cena": 41, "createdBy": "ERP"}]
    });
    assert_eq!(
        read(kind("Document"), body).map(Value::Object),
        Ok(expected)
    );
}

#[test]
fn a_configurations_field_of_the_same_spelling_gives_way_to_the_built_in_one() {
    for body in [
        json!({"id": "real", "Ид": "own"}),
        json!({"Ид": "own", "ID": "real"}),
    ] {
        assert_eq!(read(kind("Document"), body).unwrap()["id"], "real");
    }
    assert_eq!(
        read(kind("Document"), json!({"Ид": "own"})).unwrap()["id"],
        "own"
    );
}

#[test]
fn texts_become_the_values_they_hold() {
    let body = json!({"id": 7, "unitConvertionRate": "1.50", "versionNumber": "3",
                      "packings": [{"id": "0", "unitsQuantity": "2", "ШК": "46"}]});
    let read = read(kind("Product"), body).unwrap();
    assert_eq!(
        Value::Object(read).to_string(),
        r#"{"id":"7","unitConvertionRate":1.50,"versionNumber":3,"packings":[{"id":"0","unitsQuantity":2,"shK":"46"}]}"#
    );
}

#[track_caller]
fn refused(type_name: &str, body: Value, name: &str) {
    match read(kind(type_name), body) {
        Err(Fault::Value { name: found, .. } | Fault::NoSuchProperty { name: found, .. }) => {
            assert_eq!(found, name);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_value_of_the_wrong_kind_is_refused_by_name() {
    refused("Document", json!({"Priority": 1.5}), "priority");
    refused("Document", json!({"priority": "high"}), "priority");
    refused(
        "Document",
        json!({"priority": 3_000_000_000_i64}),
        "priority",
    );
    refused("Document", json!({"finished": "yes"}), "finished");
    refused("Document", json!({"finished": 1}), "finished");
    refused("Document", json!({"createDate": "yesterday"}), "createDate");
    refused("Document", json!({"name": {"a": 1}}), "name");
    refused("Document", json!({"states": {}}), "states");
    refused("Document", json!({"declaredItems": {}}), "declaredItems");
    refused(
        "Document",
        json!({"declaredItems": [{"declaredQuantity": "много"}]}),
        "declaredQuantity",
    );
    refused("Document", json!({"declaredItems": [1]}), "DocumentItem");
    refused("Document", json!({"()": 1}), "()");
    refused("Document", json!([]), "Document");
    refused("UserGroup", json!({"role": "Root"}), "role");
    refused("UserGroup", json!({"role": 9}), "role");
    refused("UserGroup", json!({"Цвет": "красный"}), "Цвет");
}

#[test]
fn an_enum_is_taken_by_name_or_number_and_kept_by_name() {
    for role in [
        json!("administrator"),
        json!("Administrator"),
        json!(2),
        json!("2"),
    ] {
        let group = read(kind("UserGroup"), json!({"role": role})).unwrap();
        assert_eq!(group["role"], "Administrator");
    }
    let field = read(kind("FieldInfo"), json!({"fieldOwners": "document,Row"})).unwrap();
    assert_eq!(field["fieldOwners"], "Document, Row");
}

#[test]
fn rows_come_in_an_envelope_as_a_list_or_alone() {
    let ids = |type_name: &str, body: Value| -> Vec<Value> {
        read_rows(kind(type_name), body)
            .unwrap()
            .iter()
            .map(|row| row.values().next().unwrap().clone())
            .collect()
    };
    assert_eq!(
        ids("Row", json!({"value": [{"uid": "1"}, {"UID": "2"}]})),
        ["1", "2"]
    );
    assert_eq!(ids("Row", json!([{"uid": "1"}])), ["1"]);
    assert_eq!(ids("Row", json!({"uid": "1", "ИНН": "77"})), ["1"]);
    // A setting has a property of that name.
    let setting = json!({"name": "РаботаБезАлкоголя", "value": true});
    let read = read_rows(kind("UntypedCustomSettings"), setting.clone()).unwrap();
    assert_eq!(Value::Object(read[0].clone()), setting);
    assert!(read_rows(kind("Row"), json!({"value": 5})).is_err());
    assert!(read_rows(kind("Row"), json!("x")).is_err());
}

#[test]
fn parameters_are_found_in_any_case_and_may_be_absent() {
    let set = super::super::metadata::EntitySet::named("Products").unwrap();
    let bound = super::super::metadata::Bound::Collection;
    let begin = set.action(bound, "BeginUploadProducts").unwrap();
    let read = parameters(
        begin,
        json!({"LSchema": ["Product.Id"], "rewriteProductsBook": "true", "x": 1}),
    );
    let expected = json!({"lschema": ["Product.Id"], "rewriteProductsBook": true});
    assert_eq!(read.map(Value::Object), Ok(expected));
    assert_eq!(parameters(begin, Value::Null), Ok(Entity::new()));
    assert!(parameters(begin, json!([])).is_err());
}
