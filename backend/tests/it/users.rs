//! Users and groups: uniqueness, secrets that never come back, the last administrator.

use serde_json::json;

use crate::actors::{Backend, SHOP};

const NO_OPERATION: &str = "Группа пользователей должна иметь хотя бы одну операцию";

#[tokio::test]
async fn a_group_without_document_types_is_refused_in_exactly_these_words() {
    let backend = Backend::start().await;
    let administrator = backend.administrator();
    let english = backend.administrator().with("accept-language", "en");
    for types in [json!([]), json!(null)] {
        let group =
            json!({"name": "Новая", "role": "MobileDeviceUser", "documentTypeNames": types});
        let refused = administrator
            .post("/UserGroups", group.clone())
            .await
            .is(400)
            .json();
        assert_eq!(refused["error"]["message"], NO_OPERATION);
        let refused = english.post("/UserGroups", group).await.is(400).json();
        assert_eq!(
            refused["InnerException"]["Message"],
            "The user group must have at least one operation"
        );
    }
    let twin = json!({"name": "Новая", "role": 0, "documentTypeNames": ["Возврат", "sborshk"]});
    let made = administrator.post("/UserGroups", twin).await.is(201).json();
    assert_eq!(made["id"], "4");
    assert_eq!(made["documentTypeNames"], json!(["Возврат", "СборШК"]));
    assert_eq!(made["role"], "MobileDeviceUser");
    let emptied = json!({"documentTypeNames": []});
    let refused = administrator
        .patch("/UserGroups('4')", emptied)
        .await
        .is(400)
        .json();
    assert_eq!(refused["error"]["message"], NO_OPERATION);
}

#[tokio::test]
async fn a_group_with_users_stays_until_they_are_gone() {
    let backend = Backend::start().await;
    let administrator = backend.administrator();
    let refused = administrator.delete("/UserGroups('1')").await.is(409);
    assert_eq!(
        refused.json()["error"]["message"],
        "В группе «Операторы ТСД» есть пользователи (4): сначала переведите или удалите их"
    );
    for user in ["1", "2", "3", "4"] {
        administrator
            .delete(&format!("/Users('{user}')"))
            .await
            .is(204);
    }
    administrator.delete("/UserGroups('1')").await.is(204);
    administrator.get("/UserGroups('1')").await.is(404);
}

#[tokio::test]
async fn no_password_or_barcode_equals_another_users_password_or_barcode() {
    let backend = Backend::start().await;
    let administrator = backend.administrator();
    let user = |id: &str, password: &str, barcode: &str| {
        json!({"id": id, "name": format!("Пользователь {id}"), "groupId": "1",
               "password": password, "barcode": barcode})
    };
    administrator
        .post("/Users", user("50", "первый", "4600"))
        .await
        .is(201);
    for (id, password, barcode) in [
        ("51", "первый", "4601"),
        ("52", "4600", "4602"),
        ("53", "второй", "первый"),
        ("54", "второй", "4600"),
        // The same letters, composed otherwise.
        ("55", "первы\u{0438}\u{0306}", "4603"),
    ] {
        let refused = administrator
            .post("/Users", user(id, password, barcode))
            .await
            .is(409);
        assert_eq!(refused.json()["error"]["code"], "password-taken");
        assert!(!refused.text().contains("50"), "whose it is nobody learns");
    }
    administrator
        .post("/Users", user("56", "второй", "второй"))
        .await
        .is(201);
    // A user keeps what is his own, and another database has its own secrets.
    administrator
        .patch("/Users('50')", json!({"password": "4600"}))
        .await
        .is(204);
    let courier = administrator.at("/5b0e7c34-9d1f-4c62-8a57-3e1f6f0c2d98/api/v1");
    courier
        .post("/Users", user("50", "второй", "4600"))
        .await
        .is(201);
}

#[tokio::test]
async fn a_login_is_unique_over_names_and_ids_in_any_letter_case() {
    let backend = Backend::start().await;
    let administrator = backend.administrator();
    let user = |id: &str, name: &str| json!({"id": id, "name": name, "groupName": "Операторы ТСД", "password": format!("p-{id}")});
    for (id, name) in [
        ("60", "ИВАНОВ"),
        ("61", " иванов "),
        ("62", "1"),
        ("петрова", "x"),
    ] {
        let refused = administrator.post("/Users", user(id, name)).await.is(409);
        assert_eq!(
            refused.json()["error"]["code"],
            "login-taken",
            "{id} {name}"
        );
    }
    administrator
        .post("/Users", user("60", "Иванова"))
        .await
        .is(201);
    administrator
        .post("/Users", user("60", "Другая"))
        .await
        .is(409);
}

#[tokio::test]
async fn secrets_go_in_and_never_come_out() {
    let backend = Backend::start().await;
    let administrator = backend.administrator();
    let user = json!({"id": "70", "Name": "Новиков", "groupId": "1", "Password": "Секрет-70",
                      "BARCODE": "4670", "Табельный": "Т-1"});
    let made = administrator.post("/Users", user).await.is(201);
    assert_eq!(made.json()["tabelnyj"], "Т-1");
    assert_eq!(made.json()["groupName"], "Операторы ТСД");
    assert_eq!(made.json()["warehouseIds"], json!(["1"]));
    let told = [
        made.text(),
        administrator.get("/Users").await.is(200).text(),
        administrator.get("/Users('70')").await.is(200).text(),
        administrator
            .get("/Users('70')?$select=password,barcode")
            .await
            .is(200)
            .text(),
        administrator
            .get("/UserGroups?$expand=users")
            .await
            .is(200)
            .text(),
    ];
    for text in told {
        assert!(
            !text.contains("Секрет-70") && !text.contains("4670"),
            "{text}"
        );
        assert!(
            !text.contains("argon2") && !text.contains("\"password\""),
            "{text}"
        );
    }
    let directory = backend.directory().await;
    let shop = directory
        .databases
        .iter()
        .find(|database| database.id.as_str() == SHOP)
        .unwrap();
    let user = shop.users.iter().find(|user| user.id == "70").unwrap();
    assert!(user.barcode.is_some() && user.barcode_index.is_some());
    administrator
        .patch("/Users('70')", json!({"barcode": ""}))
        .await
        .is(204);
    let user = backend.directory().await.databases[0]
        .users
        .last()
        .cloned()
        .unwrap();
    assert_eq!((user.id.as_str(), user.barcode), ("70", None));
}

#[tokio::test]
async fn a_user_without_a_password_or_with_one_too_long_is_refused() {
    let backend = Backend::start().await;
    let administrator = backend.administrator();
    let user = |password: &str| json!({"id": "80", "groupId": "1", "password": password});
    administrator
        .post("/Users", json!({"id": "80", "groupId": "1"}))
        .await
        .is(400);
    administrator.post("/Users", user("")).await.is(400);
    administrator
        .post("/Users", user(&"ы".repeat(129)))
        .await
        .is(400);
    administrator
        .post("/Users", user(&"ы".repeat(128)))
        .await
        .is(201);
    administrator
        .patch("/Users('80')", json!({"password": ""}))
        .await
        .is(400);
    administrator
        .patch("/Users('80')", json!({"description": "касса"}))
        .await
        .is(204);
    administrator
        .post(
            "/Users",
            json!({"id": "81", "groupId": "9", "password": "q"}),
        )
        .await
        .is(400);
}

#[tokio::test]
async fn an_administrators_password_is_strong_whichever_way_he_becomes_one() {
    let backend = Backend::start().await;
    let administrator = backend.administrator();
    let user = |password: &str| json!({"id": "90", "groupId": "3", "password": password});
    for weak in ["Abcdef1", "abcdefg1", "ABCDEFG1", "Abcdefgh"] {
        let refused = administrator.post("/Users", user(weak)).await.is(400);
        assert_eq!(refused.json()["error"]["code"], "password-weak", "{weak}");
    }
    administrator
        .post("/Users", user("Парольня1"))
        .await
        .is(201);
    let demote = json!({"groupId": "1"});
    administrator.patch("/Users('90')", demote).await.is(204);
    // For others a weak one is a warning.
    let warned = administrator
        .patch("/Users('90')", json!({"password": "x"}))
        .await
        .is(204);
    assert_eq!(warned.header("x-smarts-warning"), "password-weak");
    let fine = json!({"password": "Парольня3"});
    let fine = administrator.patch("/Users('90')", fine).await.is(204);
    assert_eq!(fine.header("x-smarts-warning"), "");
    administrator
        .patch("/Users('90')", json!({"groupId": "3"}))
        .await
        .is(400);
    let promote = json!({"groupName": "Администраторы", "password": "Парольня2"});
    administrator.patch("/Users('90')", promote).await.is(204);
    administrator
        .patch("/UserGroups('1')", json!({"role": "Administrator"}))
        .await
        .is(409);
}

#[tokio::test]
async fn the_last_administrator_can_neither_be_removed_nor_demoted() {
    let backend = Backend::start().await;
    let administrator = backend.administrator();
    administrator.delete("/Users('admin')").await.is(409);
    administrator
        .patch("/Users('admin')", json!({"groupId": "1"}))
        .await
        .is(409);
    administrator
        .patch("/UserGroups('3')", json!({"role": "User"}))
        .await
        .is(409);
    let second = json!({"id": "91", "groupId": "3", "password": "Парольня1"});
    administrator.post("/Users", second).await.is(201);
    administrator.delete("/Users('admin')").await.is(204);
    administrator.delete("/Users('91')").await.is(409);
}

#[tokio::test]
async fn an_external_connection_writes_users_of_mobile_groups_alone() {
    let backend = Backend::start().await;
    let exchange = backend.actor("external-connection", Some("exchange"));
    exchange.get("/Users").await.is(200);
    let mobile = json!({"id": "95", "groupId": "1", "password": "m-95"});
    exchange.post("/Users", mobile).await.is(201);
    let administrator = json!({"id": "96", "groupId": "3", "password": "Парольня6"});
    exchange.post("/Users", administrator).await.is(403);
    exchange
        .patch("/Users('95')", json!({"groupId": "2"}))
        .await
        .is(403);
    exchange
        .patch("/Users('admin')", json!({"description": "x"}))
        .await
        .is(403);
    exchange.delete("/Users('admin')").await.is(403);
    exchange.delete("/Users('95')").await.is(204);
    let group = json!({"name": "Ещё", "documentTypeNames": ["Возврат"]});
    exchange.post("/UserGroups", group).await.is(403);
    exchange.get("/UserGroups").await.is(200);
    let operator = backend.actor("mobile-user", Some("1"));
    operator.get("/Users").await.is(403);
    operator.get("/UserGroups").await.is(403);
}

#[tokio::test]
async fn every_change_of_users_and_groups_wakes_the_directory() {
    let backend = Backend::start().await;
    let administrator = backend.administrator();
    let mut revision = backend.directory().await.revision;
    let user = json!({"id": "99", "groupId": "1", "password": "p-99"});
    let group = json!({"id": "9", "name": "Ночные", "documentTypeNames": ["Возврат"]});
    let steps = [
        ("POST", "/Users", user),
        ("PATCH", "/Users('99')", json!({"password": "q-99"})),
        ("POST", "/UserGroups", group),
        ("PATCH", "/UserGroups('9')", json!({"name": "Дневные"})),
        ("DELETE", "/UserGroups('9')", json!(null)),
        ("DELETE", "/Users('99')", json!(null)),
    ];
    for (method, target, body) in steps {
        let target = format!("/{SHOP}/api/v1{target}");
        let answer = administrator.send(method, &target, Some(body)).await;
        assert!(
            answer.status.is_success(),
            "{method} {target}: {}",
            answer.text()
        );
        let now = backend.directory().await.revision;
        assert!(now > revision, "{method} {target}");
        revision = now;
    }
    administrator
        .patch("/Users('1')", json!({"password": null}))
        .await
        .is(400);
    assert_eq!(
        backend.directory().await.revision,
        revision,
        "a refusal changes nothing"
    );
}

#[tokio::test]
async fn a_new_group_opens_as_the_form_does() {
    let backend = Backend::start().await;
    let administrator = backend.administrator();
    let group = json!({"name": "Новая", "documentTypeNames": ["Возврат"]});
    let made = administrator
        .post("/UserGroups", group)
        .await
        .is(201)
        .json();
    assert_eq!(made["role"], "MobileDeviceUser");
    assert_eq!(made["batchMode"], false);
    assert_eq!(made["onStartHandlerName"], "При начале работы пользователя");
    assert_eq!(
        made["onFinishHandlerName"],
        "При завершении работы пользователя"
    );
    // Emptied on purpose is empty.
    let group =
        json!({"name": "Другая", "documentTypeNames": ["Возврат"], "onStartHandlerName": ""});
    let made = administrator
        .post("/UserGroups", group)
        .await
        .is(201)
        .json();
    assert_eq!(made["onStartHandlerName"], "");
}

#[tokio::test]
async fn a_cleared_list_keeps_the_administrators_and_is_one_step() {
    let backend = Backend::start().await;
    let administrator = backend.administrator();
    let second = json!({"id": "second", "groupId": "3", "password": "Second-Admin-1"});
    administrator.post("/Users", second).await.is(201);
    let target = format!("/{SHOP}/api/v1/Users");
    for role in ["mobile-user", "external-connection"] {
        let actor = backend.actor(role, Some("1"));
        actor.send("DELETE", &target, None).await.is(403);
    }
    let before = backend.directory().await.revision;
    let cleared = administrator.send("DELETE", &target, None).await.is(200);
    let cleared = cleared.json();
    assert_eq!(cleared["stayed"], json!(["admin", "second"]));
    assert!(cleared["removed"].as_u64().unwrap() > 3, "{cleared}");
    let directory = backend.directory().await;
    assert_eq!(directory.revision, before + 1, "one step");
    let mut shops = directory.databases.iter();
    let shop = shops.find(|database| database.id.as_str() == SHOP).unwrap();
    assert!(
        shop.users
            .iter()
            .all(|user| user.role == backend_types::Role::Administrator)
    );
    assert_eq!(shop.users.len(), 2);
    let others = directory
        .databases
        .iter()
        .find(|database| database.id.as_str() != SHOP);
    assert!(
        others.unwrap().users.len() > 2,
        "another database keeps its users"
    );
    // Again: nobody goes, nobody is woken.
    let again = administrator.send("DELETE", &target, None).await.is(200);
    assert_eq!(again.json()["removed"], 0);
    assert_eq!(backend.directory().await.revision, before + 1);
    administrator.delete("/Users('second')").await.is(204);
    administrator.delete("/Users('admin')").await.is(409);
}
