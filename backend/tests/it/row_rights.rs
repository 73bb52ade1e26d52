//! Rights on rows: every refusal has a twin that is let through.

use serde_json::{Value, json};

use crate::actors::{Actor, Backend};

/// Twins: the same request by somebody who may and by somebody who may not.
struct Twins {
    backend: Backend,
}

impl Twins {
    async fn start() -> Self {
        let backend = Backend::start().await;
        let twins = Self { backend };
        let administrator = twins.backend.administrator();
        let group = json!({"id": "10", "name": "Кладовщики", "role": "MobileDeviceUser",
                           "documentTypeNames": ["Инвентаризация", "Поступление"]});
        administrator.post("/UserGroups", group).await.is(201);
        let user = json!({"id": "11", "name": "Кладовщик", "groupId": "10", "password": "k-11",
                          "warehouseIds": ["1", "2"]});
        administrator.post("/Users", user).await.is(201);
        twins
    }

    fn keeper(&self) -> Actor {
        self.backend.actor("mobile-user", Some("11"))
    }

    async fn document(&self, id: &str, kind: &str, warehouse: &str, appointment: &str) {
        let document = json!({"id": id, "documentTypeName": kind, "warehouseId": warehouse,
                              "appointment": appointment});
        self.backend
            .administrator()
            .post("/Docs", document)
            .await
            .is(201);
    }
}

#[tokio::test]
async fn a_mobile_user_sees_his_types_warehouses_and_appointments_and_nothing_else() {
    let twins = Twins::start().await;
    let keeper = twins.keeper();
    for (id, kind, warehouse, appointment, seen) in [
        ("a1", "Поступление", "1", "", true),
        ("a2", "Списание", "1", "", false),
        ("a3", "Поступление", "3", "", false),
        ("a4", "Поступление", "", "11", true),
        ("a5", "Поступление", "2", "1", false),
        ("a6", "Поступление", "2", "1|Кладовщики", true),
        ("a7", "Инвентаризация", "1", "10", true),
    ] {
        twins.document(id, kind, warehouse, appointment).await;
        let status = if seen { 200 } else { 404 };
        keeper.get(&format!("/Docs('{id}')")).await.is(status);
        keeper
            .get(&format!("/Docs('{id}')/declaredItems"))
            .await
            .is(status);
        let patch = keeper
            .patch(&format!("/Docs('{id}')"), json!({"description": "x"}))
            .await;
        patch.is(if seen { 204 } else { 404 });
        let rows = json!({"value": [{"productId": "p-0001", "declaredQuantity": 1}]});
        keeper
            .post(&format!("/Docs('{id}')/declaredItems"), rows)
            .await
            .is(status);
        let end = keeper
            .post(&format!("/Docs('{id}')/EndUpdate"), json!({}))
            .await;
        end.is(if seen { 204 } else { 404 });
        let listed = keeper
            .get(&format!("/Docs?$filter=id eq '{id}'"))
            .await
            .is(200)
            .json();
        assert_eq!(rows_of(&listed), usize::from(seen), "{id}");
        twins
            .backend
            .administrator()
            .get(&format!("/Docs('{id}')"))
            .await
            .is(200);
        let exchange = twins.backend.actor("external-connection", Some("exchange"));
        exchange.get(&format!("/Docs('{id}')")).await.is(200);
    }
    keeper.get("/Docs/Spisanie").await.is(404);
    keeper.get("/Docs/Postuplenie").await.is(200);
    let types = keeper.get("/DocTypes").await.is(200).json();
    assert_eq!(rows_of(&types), 2);
}

fn rows_of(answer: &Value) -> usize {
    answer["value"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_mobile_user_creates_what_he_may_see_and_cannot_move_it_out_of_sight() {
    let twins = Twins::start().await;
    let keeper = twins.keeper();
    let document = |kind: &str, warehouse: &str| json!({"id": "new_1", "documentTypeName": kind, "warehouseId": warehouse});
    keeper
        .post("/Docs", document("Списание", "1"))
        .await
        .is(403);
    keeper
        .post("/Docs", document("Поступление", "3"))
        .await
        .is(403);
    let made = keeper
        .post("/Docs", document("Поступление", "2"))
        .await
        .is(201)
        .json();
    assert_eq!(made["createdOnPDA"], true);
    keeper
        .patch("/Docs('new_1')", json!({"warehouseId": "3"}))
        .await
        .is(403);
    keeper
        .patch("/Docs('new_1')", json!({"appointment": "1"}))
        .await
        .is(403);
    keeper
        .patch("/Docs('new_1')", json!({"warehouseId": "1"}))
        .await
        .is(204);
    // The id of a document that he may not see is no way to overwrite it.
    twins.document("hidden", "Списание", "1", "").await;
    let over = json!({"id": "hidden", "documentTypeName": "Поступление", "warehouseId": "1"});
    keeper.post("/Docs", over).await.is(404);
}

#[tokio::test]
async fn a_mobile_user_removes_only_where_the_type_allows_it() {
    let twins = Twins::start().await;
    let keeper = twins.keeper();
    twins.document("r1", "Поступление", "1", "").await;
    twins.document("r2", "Инвентаризация", "1", "").await;
    twins.document("r3", "Инвентаризация", "3", "").await;
    keeper.delete("/Docs('r1')").await.is(403);
    keeper.delete("/Docs('r2')").await.is(204);
    keeper.delete("/Docs('r3')").await.is(404);
    twins
        .backend
        .actor("external-connection", Some("exchange"))
        .delete("/Docs('r1')")
        .await
        .is(204);
}

#[tokio::test]
async fn a_mobile_user_who_is_gone_is_nobody() {
    let twins = Twins::start().await;
    twins.keeper().get("/Docs").await.is(200);
    twins
        .backend
        .administrator()
        .delete("/Users('11')")
        .await
        .is(204);
    twins.keeper().get("/Docs").await.is(401);
    twins
        .backend
        .actor("mobile-user", None)
        .get("/Docs")
        .await
        .is(401);
}
