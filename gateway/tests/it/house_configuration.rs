//! `gateway property …`, `doctype …` and `document …`: the tab «Свойства», an imported
//! configuration, and documents put back from their copies.

use std::fs;

use harness::{RecordingUpstream, tempdir};
use serde_json::{Value, json};

use crate::{
    database::Shop,
    house::{Plan, bearer, encoded, log_in},
};

#[test]
fn every_property_of_the_tab_is_set_and_shown() {
    let shop = Shop::open();
    shop.add("a");
    let new = shop.told(&["property", "list", "a"]);
    assert_eq!(new["name"], "Shop a");
    assert_eq!(new["askReturnOnUserChange"], true);
    let set = [
        (
            "--name",
            "Магазин 15 Вещевой",
            "name",
            json!("Магазин 15 Вещевой"),
        ),
        (
            "--android-client-version",
            "3.4",
            "androidClientVersion",
            json!("3.4"),
        ),
        (
            "--mobile-client-version",
            "3.5",
            "mobileClientVersion",
            json!("3.5"),
        ),
        ("--editor-version", "2.8", "editorVersion", json!("2.8")),
        ("--server-version", "2.9", "serverVersion", json!("2.9")),
        ("--popup-messages", "да", "popupMessages", json!(true)),
        ("--detailed-errors", "yes", "detailedErrors", json!(true)),
        (
            "--document-counts-on-buttons",
            "yes",
            "documentCountsOnButtons",
            json!(true),
        ),
        (
            "--warehouse-selection-text",
            "Склад?",
            "warehouseSelectionText",
            json!("Склад?"),
        ),
        (
            "--return-others-documents",
            "yes",
            "returnOthersDocuments",
            json!(true),
        ),
        ("--barcode-login", "yes", "barcodeLogin", json!(true)),
        (
            "--ask-return-on-user-change",
            "no",
            "askReturnOnUserChange",
            json!(false),
        ),
        ("--comment", "Наша", "comment", json!("Наша")),
        ("--backup-days", "7", "backupDays", json!(7)),
        ("--backup-megabytes", "100", "backupMegabytes", json!(100)),
    ];
    let mut arguments = vec!["property", "set", "a"];
    for (option, value, ..) in &set {
        arguments.extend([option, value]);
    }
    let now = shop.told(&arguments);
    for (option, _, property, value) in &set {
        assert_eq!(now[property], *value, "{option}");
    }
    assert_eq!(now["version"], 2, "one change, one version");
    assert_eq!(shop.told(&["property", "list", "a"]), now);
    // The switch is the database's own.
    assert_eq!(shop.state("a")["barcode_login"], true);
    shop.done(&["database", "set", "a", "--barcode-login", "no"]);
    assert_eq!(shop.told(&["property", "list", "a"])["barcodeLogin"], false);

    for wrong in [
        ["--server-version", "новая"],
        ["--backup-days", "0"],
        ["--name", " "],
    ] {
        let set = ["property", "set", "a", "--comment", "x"];
        shop.refused(&[&set[..], &wrong].concat());
    }
    assert_eq!(
        shop.gateway.command(&["property", "set", "a"]).code,
        Some(2)
    );
    assert_eq!(shop.told(&["property", "list", "a"])["comment"], "Наша");
}

#[test]
fn the_exit_password_is_shown_as_dots_alone() {
    let shop = Shop::open();
    shop.add("a");
    let set = ["property", "set", "a", "--exit-password-stdin"];
    let outcome = shop.gateway.command_with(&set, "Выход-7531\n");
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.stdout.contains("•••••"), "{outcome:?}");
    assert!(!outcome.stdout.contains("7531"), "{outcome:?}");
    assert_eq!(
        shop.told(&["property", "list", "a"])["exitPassword"],
        json!(null)
    );
    let taken = shop.done(&["property", "set", "a", "--no-exit-password"]);
    assert!(!taken.contains('•'), "{taken}");
    assert!(!shop.gateway.process.stderr().contains("7531"));
}

#[test]
fn document_types_are_imported_whole_or_not_at_all_and_what_is_listed_can_be_imported() {
    let shop = Shop::open();
    shop.add("a");
    let folder = tempdir().unwrap();
    let file = folder.path().join("types.json");
    let path = file.to_str().unwrap();
    let import = ["doctype", "import", "a", path];
    for (content, told) in [
        ("<Configuration/>", "XML"),
        ("[1, 2]", "types.json"),
        ("[]", "types.json"),
        ("{\"value\": 1}", "types.json"),
        ("not json", "JSON"),
        (
            r#"[{"name": "Доставка"}, {"name": "Ещё", "noSuch": 1}]"#,
            "noSuch",
        ),
        (r#"[{"name": "Доставка"}, {"alias": "Без имени"}]"#, "name"),
    ] {
        fs::write(&file, content).unwrap();
        let refused = shop.refused(&import);
        assert!(refused.contains(told), "{content}: {refused}");
    }
    let missing = shop.refused(&["doctype", "import", "a", "/no/such/file"]);
    assert!(missing.contains("/no/such/file"), "{missing}");
    let listed = shop.done(&["doctype", "list", "a"]);
    assert!(!listed.contains("Доставка"), "{listed}");

    fs::write(
        &file,
        "\u{feff}[{\"name\": \"Доставка\", \"clientCreating\": true}]",
    )
    .unwrap();
    assert_eq!(shop.told(&import)["added"], 1);
    let listed = shop.done(&["doctype", "list", "a"]);
    assert!(listed.contains("Dostavka"), "{listed}");

    shop.add("b");
    let exported = shop.done(&["--json", "doctype", "list", "a"]);
    let outcome = shop
        .gateway
        .command_with(&["--json", "doctype", "import", "b", "-"], &exported);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let answer: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(answer["added"], 1, "{answer}");
    assert_eq!(shop.done(&["--json", "doctype", "list", "b"]), exported);
}

#[test]
fn a_document_comes_back_from_the_copy_that_was_asked_for() {
    let shop = Shop::open();
    let (name, password) = shop.add("a");
    let dial = shop.dial("a");
    let token = bearer(&log_in(&dial, &name, &password));
    let headers = [
        ("Authorization", token.as_str()),
        ("Content-Type", "application/json"),
    ];
    let id = "заказ 1/2";
    let address = format!("/api/v1/Docs('{}')", encoded(id));
    let send = |method: &str, target: &str, body: Value| {
        dial.http(method, target, &headers, body.to_string().as_bytes())
            .status()
    };
    let document = json!({"id": id, "documentTypeName": "Инвентаризация", "name": "Первый",
                          "declaredItems": [{"uid": "u-1", "declaredQuantity": 3}]});
    let shown = || {
        let target = format!("{address}?$expand=declaredItems");
        let answer = dial.get(&target, &[("Authorization", &token)]);
        (answer.status() == 200).then(|| answer.json())
    };
    assert_eq!(send("POST", "/api/v1/Docs", document), 201);
    let first = shown().unwrap();
    assert_eq!(
        send(
            "PATCH",
            &address,
            json!({"name": "Второй", "finished": true})
        ),
        204
    );

    let copies = shop.told(&["document", "backups", "a", id]);
    let reasons: Vec<&str> = copies
        .as_array()
        .unwrap()
        .iter()
        .map(|copy| copy["reason"].as_str().unwrap())
        .collect();
    assert_eq!(reasons.len(), 2, "{copies}");
    assert!(reasons.contains(&"new") && reasons.contains(&"finished_by_user"));
    let of = |reason: &str| {
        let copies = copies.as_array().unwrap().iter();
        let mut found = copies.filter(|copy| copy["reason"] == reason);
        found.next().unwrap()["file"].as_str().unwrap().to_owned()
    };
    assert!(of("finished_by_user").ends_with("_finished_by_user_admin.xml"));

    let restore = ["document", "restore", "a", id, "--from", &of("new")];
    let refused = shop.refused(&restore);
    assert!(refused.contains("--replace"), "{refused}");
    assert_eq!(shown().unwrap()["name"], "Второй");
    shop.done(&[&restore[..], &["--replace"]].concat());
    assert_eq!(shown().unwrap(), first);

    assert_eq!(send("DELETE", &address, json!(null)), 204);
    assert!(shown().is_none());
    let early = ["document", "restore", "a", id, "--at", "01.01.2020"];
    assert!(shop.refused(&early).contains(id));
    let usage = shop
        .gateway
        .command(&["document", "restore", "a", id, "--at", "вчера"]);
    assert_eq!(usage.code, Some(2), "{usage:?}");
    shop.done(&["document", "restore", "a", id, "--at", "2100-01-01 00:00"]);
    assert_eq!(
        shown().unwrap(),
        first,
        "the last one is the one before its removal"
    );

    // A copy that was taken elsewhere, under another name.
    assert_eq!(send("DELETE", &address, json!(null)), 204);
    let data = shop.state("a")["folder"].as_str().unwrap().to_owned();
    let folder = tempdir().unwrap();
    let elsewhere = folder.path().join("copy.xml");
    fs::copy(
        format!("{data}/Backup/{}", of("finished_by_user")),
        &elsewhere,
    )
    .unwrap();
    let elsewhere = elsewhere.to_str().unwrap();
    let other = shop.refused(&["document", "restore", "a", "другой", "--from", elsewhere]);
    assert!(other.contains(id), "{other}");
    shop.done(&["document", "restore", "a", id, "--from", elsewhere]);
    assert_eq!(shown().unwrap()["finished"], true);
    let none = shop.refused(&["document", "restore", "a", "не было"]);
    assert!(none.contains("не было"), "{none}");
}

#[test]
fn a_database_of_the_file_is_sent_to_its_line() {
    let upstream = RecordingUpstream::ok();
    let house = Plan::open_to(&upstream).start();
    for command in [
        &[
            "group",
            "add",
            "a",
            "--name",
            "Новая",
            "--role",
            "mobile-user",
        ][..],
        &["group", "remove", "a", "mobile-user"],
        &["user", "clear", "a", "--yes"],
        &["property", "list", "a"],
        &["doctype", "list", "a"],
        &["document", "backups", "a"],
    ] {
        let outcome = house.gateway.command(command);
        assert_eq!(outcome.code, Some(1), "{command:?}: {outcome:?}");
        assert!(outcome.stderr.contains("gateway.yaml:"), "{outcome:?}");
    }
    assert!(upstream.requests().is_empty());
}
