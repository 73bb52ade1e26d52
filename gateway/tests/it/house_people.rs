//! `gateway group …` and `gateway user …`: the vendor's two forms, field by field, and what the
//! people concerned notice at their terminals.

use serde_json::{Value, json};

use crate::{
    database::Shop,
    house::{bearer, encoded, log_in, session_query},
};

/// Document types of a new database.
const TYPES: usize = 12;

impl Shop {
    #[track_caller]
    fn groups(&self) -> Vec<Value> {
        list(self.told(&["group", "list", "a"]))
    }

    #[track_caller]
    fn users(&self, further: &[&str]) -> Vec<Value> {
        list(self.told(&[&["user", "list", "a"], further].concat()))
    }

    /// Carried out with `stdin` to read; its answer.
    #[track_caller]
    fn done_with(&self, arguments: &[&str], stdin: &str) -> String {
        let outcome = self.gateway.command_with(arguments, stdin);
        assert_eq!(outcome.code, Some(0), "{arguments:?}: {outcome:?}");
        outcome.stdout
    }

    #[track_caller]
    fn login(&self, name: &str, password: &str) -> u16 {
        let query = session_query(name, password);
        self.dial("a").get(&query, &[]).status()
    }
}

fn list(answer: Value) -> Vec<Value> {
    answer.as_array().unwrap().clone()
}

#[test]
fn every_field_of_the_group_form_is_set_and_shown() {
    let shop = Shop::open();
    shop.add("a");
    let made = shop.told(&[
        "group",
        "add",
        "a",
        "--id",
        "stock",
        "--name",
        "Кладовщики",
        "--autonomous",
        "да",
        "--role",
        "mobile-user",
        "--autostart",
        "Настройки",
        "--login-operation",
        "Вход",
        "--logout-operation",
        "Выход",
        "--type",
        "Возврат",
        "--type",
        "Настройки",
    ]);
    let expected = json!({
        "id": "stock", "name": "Кладовщики", "batchMode": true, "role": "mobile-user",
        "autorunDocumentTypeName": "Настройки", "onStartHandlerName": "Вход",
        "onFinishHandlerName": "Выход", "documentTypeNames": ["Возврат", "Настройки"],
    });
    assert_eq!(made, expected);
    shop.done(&[
        "group",
        "set",
        "a",
        "кладовщики",
        "--name",
        "Склад",
        "--all-types",
    ]);
    let groups = shop.groups();
    let now = groups.iter().find(|group| group["id"] == "stock").unwrap();
    assert_eq!(now["name"], "Склад");
    assert_eq!(now["onStartHandlerName"], "Вход", "what is not said stays");
    assert_eq!(now["documentTypeNames"].as_array().unwrap().len(), TYPES);
    let plain = shop.done(&["group", "list", "a"]);
    assert!(
        plain.contains("Склад") && plain.contains("stock"),
        "{plain}"
    );
}

#[test]
fn a_group_needs_an_operation_and_stays_while_it_has_users() {
    let shop = Shop::open();
    shop.add("a");
    let add = [
        "group",
        "add",
        "a",
        "--name",
        "Новая",
        "--role",
        "mobile-user",
    ];
    let refused = shop.refused(&add);
    let words = "Группа пользователей должна иметь хотя бы одну операцию";
    assert!(refused.contains(words), "{refused}");
    shop.done(&[&add[..], &["--type", "Возврат"]].concat());
    let nameless = shop.gateway.command(&[
        "group",
        "add",
        "a",
        "--name",
        "Без роли",
        "--type",
        "Возврат",
    ]);
    assert_eq!(nameless.code, Some(2), "{nameless:?}");
    for name in ["Один", "Два"] {
        shop.done(&["user", "add", "a", "--name", name, "--group", "Новая"]);
    }
    let refused = shop.refused(&["group", "remove", "a", "Новая"]);
    assert!(refused.contains("(2)"), "{refused}");
    let unknown = shop.refused(&["group", "remove", "a", "Небывалая"]);
    assert!(unknown.contains("Небывалая"), "{unknown}");
    shop.done(&["user", "remove", "a", "Один"]);
    shop.done(&["user", "set", "a", "Два", "--group", "Операторы ТСД"]);
    shop.done(&["group", "remove", "a", "Новая"]);
    assert!(shop.groups().iter().all(|group| group["name"] != "Новая"));
}

#[test]
fn a_user_added_logs_in_at_once_and_a_removed_one_is_out_at_once() {
    let shop = Shop::open();
    shop.add("a");
    let add = [
        "user",
        "add",
        "a",
        "--id",
        "77",
        "--name",
        "Сидоров",
        "--group",
        "Операторы ТСД",
        "--description",
        "ночная смена",
        "--warehouse",
        "общий",
    ];
    let made = shop.told(&add);
    assert_eq!(made["role"], "mobile-user");
    assert_eq!(made["description"], "ночная смена");
    assert_eq!(made["warehouses"], json!(["Общий"]));
    let password = made["password"].as_str().unwrap();
    let dial = shop.dial("a");
    let token = bearer(&log_in(&dial, "сидоров", password));
    let served = |token: &str| {
        dial.get("/api/v1/Docs", &[("Authorization", token)])
            .status()
    };
    assert_eq!(served(&token), 200);
    let listed = shop.done(&["user", "list", "a"]);
    assert!(
        listed.contains("Сидоров") && !listed.contains(password),
        "{listed}"
    );

    let unknown = shop.refused(&["user", "set", "a", "77", "--warehouse", "Луна"]);
    assert!(unknown.contains("Луна"), "{unknown}");
    let nothing = shop.gateway.command(&["user", "set", "a", "77"]);
    assert_eq!(nothing.code, Some(2), "{nothing:?}");
    let changed = shop.told(&[
        "user",
        "set",
        "a",
        "77",
        "--new-password",
        "--no-warehouses",
    ]);
    assert_eq!(changed["warehouses"], json!([]));
    assert_eq!(served(&token), 401, "the old password's session has ended");
    assert_eq!(shop.login("Сидоров", password), 401);
    let fresh = changed["password"].as_str().unwrap();
    let token = bearer(&log_in(&dial, "77", fresh));
    assert_eq!(served(&token), 200);
    shop.done(&["user", "remove", "a", "Сидоров"]);
    assert_eq!(served(&token), 401);
}

#[test]
fn secrets_come_from_stdin_work_at_once_and_are_shown_nowhere() {
    let shop = Shop::open();
    shop.add("a");
    shop.done(&["database", "set", "a", "--barcode-login", "yes"]);
    let add = [
        "user",
        "add",
        "a",
        "--name",
        "Петров",
        "--group",
        "Операторы ТСД",
        "--password-stdin",
        "--barcode-stdin",
    ];
    let outcome = shop.gateway.command_with(&add, "");
    assert_eq!(outcome.code, Some(1), "nothing to read: {outcome:?}");
    let told = shop.done_with(&add, "Слово-Один-1\r\n460012345\r\n");
    assert!(!told.contains("Слово") && !told.contains("4600"), "{told}");
    assert_eq!(shop.login("Петров", "Слово-Один-1"), 200);
    let by_barcode = || {
        let target = format!("/api/v1/session?barcode={}", encoded("460012345"));
        shop.dial("a").get(&target, &[]).status()
    };
    assert_eq!(by_barcode(), 200);
    shop.done(&["user", "set", "a", "Петров", "--no-barcode"]);
    assert_eq!(by_barcode(), 401);
    let change = ["user", "set", "a", "Петров", "--password-stdin"];
    shop.done_with(&change, "Слово-Два-2\n");
    assert_eq!(shop.login("Петров", "Слово-Два-2"), 200);
    // Somebody else's password is refused without saying whose it is.
    let other = [
        "user",
        "add",
        "a",
        "--name",
        "Другой",
        "--group",
        "1",
        "--password-stdin",
    ];
    let outcome = shop.gateway.command_with(&other, "Слово-Два-2\n");
    assert_eq!(outcome.code, Some(1));
    assert!(!outcome.stderr.contains("Петров"), "{outcome:?}");
    assert!(!shop.gateway.process.stderr().contains("Слово"));
}

#[test]
fn users_are_found_in_any_column() {
    let shop = Shop::open();
    shop.add("a");
    for (name, description) in [("Сидоров", "ночная смена"), ("Петров", "дневная")]
    {
        let add = [
            "user",
            "add",
            "a",
            "--name",
            name,
            "--group",
            "1",
            "--description",
        ];
        shop.done(&[&add[..], &[description]].concat());
    }
    for (wanted, found) in [
        ("сидор", &["Сидоров"][..]),
        ("СМЕНА", &["Сидоров"]),
        ("операторы", &["Сидоров", "Петров"]),
        ("администратор", &["Администратор"]),
        ("admin", &["Администратор"]),
        ("никто", &[]),
    ] {
        let users = shop.users(&["--search", wanted]);
        let mut names: Vec<&str> = users
            .iter()
            .filter_map(|user| user["name"].as_str())
            .collect();
        names.reverse();
        names.sort_by_key(|name| found.iter().position(|one| one == name));
        assert_eq!(names, found, "{wanted}");
    }
}

#[test]
fn a_cleared_list_keeps_the_administrators_and_a_way_in() {
    let shop = Shop::open();
    let (name, password) = shop.add("a");
    let made = shop.told(&["user", "add", "a", "--name", "Сидоров", "--group", "1"]);
    let dial = shop.dial("a");
    let token = bearer(&log_in(
        &dial,
        "Сидоров",
        made["password"].as_str().unwrap(),
    ));
    let refused = shop.refused(&["user", "clear", "a"]);
    assert!(refused.contains("--yes"), "{refused}");
    assert_eq!(shop.users(&[]).len(), 2);
    let cleared = shop.told(&["user", "clear", "a", "--yes"]);
    assert_eq!(cleared, json!({"removed": 1, "stayed": ["admin"]}));
    let answer = dial.get("/api/v1/Docs", &[("Authorization", &token)]);
    assert_eq!(answer.status(), 401, "who was removed is out at once");
    assert_eq!(shop.login(&name, &password), 200);
    let last = shop.refused(&["user", "remove", "a", "admin"]);
    assert!(last.contains("Последнего администратора"), "{last}");
    let demoted = shop.refused(&["user", "set", "a", "admin", "--group", "1"]);
    assert!(demoted.contains("Последнего администратора"), "{demoted}");
}

#[test]
fn the_user_list_is_not_cleared_from_the_network_also_where_nobody_logs_in() {
    let shop = Shop::open();
    let (name, password) = shop.add("a");
    shop.done_with(
        &[
            "user",
            "add",
            "a",
            "--name",
            "Иванов",
            "--group",
            "1",
            "--password-stdin",
        ],
        "Word-1\n",
    );
    let token = bearer(&log_in(&shop.dial("a"), &name, &password));
    let as_administrator = [("Authorization", token.as_str())];
    let try_all = |headers: &[(&str, &str)]| {
        for path in [
            "/api/v1/Users",
            "/api/v1/Users/",
            "/api/v1/%55sers",
            "/MobileSMARTS/api/v1/Users",
        ] {
            let answer = shop.dial("a").http("DELETE", path, headers, b"");
            assert!(
                matches!(answer.status(), 400 | 403 | 404 | 405),
                "{path}: {}",
                answer.text()
            );
        }
        let headers = [headers, &[("X-HTTP-Method-Override", "DELETE")]].concat();
        let answer = shop
            .dial("a")
            .http("POST", "/api/v1/Users", &headers, b"{}");
        assert!(answer.status() >= 400, "{}", answer.text());
    };
    try_all(&as_administrator);
    shop.done(&["database", "set", "a", "--authentication", "no"]);
    try_all(&[]);
    assert_eq!(shop.users(&[]).len(), 2);
    let read = shop.dial("a").get("/api/v1/Users", &[]);
    assert_eq!(read.status(), 200, "nobody is asked: {}", read.text());
    shop.done(&["user", "clear", "a", "--yes"]);
    assert_eq!(shop.users(&[]).len(), 1, "on the server itself it is");
}

#[test]
fn a_name_from_afar_moves_no_cursor_of_the_server_s_own_administrator() {
    let shop = Shop::open();
    let (name, password) = shop.add("a");
    let token = bearer(&log_in(&shop.dial("a"), &name, &password));
    let body =
        json!({"id": "7", "name": "x\u{1b}[2J\u{9b}y", "groupId": "1", "password": "Word-1"});
    let headers = [
        ("Authorization", token.as_str()),
        ("Content-Type", "application/json"),
    ];
    let body = body.to_string();
    let added = shop
        .dial("a")
        .http("POST", "/api/v1/Users", &headers, body.as_bytes());
    assert_eq!(added.status(), 400, "a name is one line: {}", added.text());
    let calm = |text: &str| !text.contains(['\u{1b}', '\u{9b}']);
    let unknown = shop.refused(&["user", "remove", "a", "x\u{1b}[2J\u{9b}y"]);
    assert!(calm(&unknown) && unknown.contains("x [2J y"), "{unknown:?}");
}
