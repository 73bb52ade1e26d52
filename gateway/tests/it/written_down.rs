//! A database of the file is changed in the file alone: the refusal says where, and what to write.

use std::{
    fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
};

use harness::{DEADLINE, Database, RecordingUpstream, eventually, tool};
use serde_json::Value;

use crate::house::{GATEWAY, House, Plan, log_in};

/// Status and body of what the command line would be told.
fn ask(house: &House, method: &str, path: &str, body: &str) -> (u16, Value) {
    let mut socket = UnixStream::connect(house.front.data.join("admin.sock")).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let length = body.len();
    write!(
        socket,
        "{method} {path} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

fn refused(house: &House, words: &[&str]) -> Value {
    let before = fs::read(house.config()).unwrap();
    // Behind `--` an option belongs to another change.
    let (word, rest) = words.split_at(2);
    let place = ["--json", "--data", house.front.data.to_str().unwrap()];
    let words: Vec<&str> = [word, &place, rest].concat();
    let outcome = tool::run(GATEWAY, words.clone(), "");
    assert_eq!(outcome.code, Some(1), "{words:?}: {outcome:?}");
    assert_eq!(fs::read(house.config()).unwrap(), before);
    serde_json::from_str::<Value>(&outcome.stdout).unwrap()["error"].clone()
}

fn line_of(house: &House, text: &str) -> usize {
    let yaml = house.front.yaml();
    yaml.lines().position(|line| line.contains(text)).unwrap() + 1
}

fn two() -> (RecordingUpstream, House) {
    let upstream = RecordingUpstream::ok();
    let house = Plan::open_to(&upstream)
        .with(Database::new("b", upstream.url()))
        .start();
    (upstream, house)
}

#[test]
fn a_change_is_refused_with_the_lines_to_write() {
    let (_upstream, house) = two();
    let words = [
        "database", "set", "a", "--port", "9707", "--", "b", "--port", "9706",
    ];
    let error = refused(&house, &words);
    assert_eq!(error["code"], "yaml-database");
    let file = house.config().display().to_string();
    let place = format!("{file}:{}", line_of(&house, "id: \"a\""));
    assert!(
        error["message"].as_str().unwrap().contains(&place),
        "{error}"
    );
    let paste = error["paste"].as_str().unwrap();
    let lines: Vec<&str> = paste.lines().collect();
    assert_eq!(lines.len(), 2, "{paste}");
    let yaml = house.front.yaml();
    let ports: Vec<usize> = yaml
        .lines()
        .enumerate()
        .filter(|(_, line)| line.trim() == "port: 0")
        .map(|(number, _)| number + 1)
        .collect();
    assert_eq!(
        lines[0],
        format!("{file}:{}: запишите `port: 9707`", ports[0])
    );
    assert_eq!(
        lines[1],
        format!("{file}:{}: запишите `port: 9706`", ports[1])
    );
}

#[test]
fn a_removal_names_the_lines_to_delete() {
    let (_upstream, house) = two();
    let error = refused(&house, &["database", "remove", "a", "--yes"]);
    let (first, next) = (line_of(&house, "id: \"a\""), line_of(&house, "id: \"b\""));
    let paste = error["paste"].as_str().unwrap();
    let lines = format!("gateway.yaml:{first}-{}: удалите", next - 1);
    assert!(paste.contains(&lines), "{paste}");
}

#[test]
fn a_pasted_entry_passes_the_check() {
    let (_upstream, house) = two();
    let error = refused(
        &house,
        &[
            "database",
            "add",
            "--name",
            "Склад: yes",
            "--port",
            "9716",
            "--print",
            "yes",
            "--print-port",
            "9717",
        ],
    );
    assert_eq!(error["code"], "no-backend");
    let paste = error["paste"].as_str().unwrap();
    let (head, entry) = paste.split_once('\n').unwrap();
    let lines = house.front.yaml().lines().count();
    assert!(head.contains(&format!("gateway.yaml:{lines}: ")), "{paste}");
    let file = house.config().with_file_name("pasted.yaml");
    fs::write(&file, house.front.yaml() + entry + "\n").unwrap();
    let checked = tool::run(GATEWAY, ["check", file.to_str().unwrap()], "");
    assert_eq!(checked.code, Some(0), "{checked:?}\n{entry}");
    assert!(entry.contains("\"Склад: yes\""), "{entry}");
}

#[test]
fn a_change_that_would_be_a_fault_or_is_made_already_is_told_as_that() {
    let (_upstream, house) = two();
    let port = house.server_address().port().to_string();
    let error = refused(&house, &["database", "set", "a", "--backups", "no"]);
    assert!(
        error["message"].as_str().unwrap().contains("backups"),
        "{error}"
    );
    assert_eq!(error["paste"], Value::Null);
    let error = refused(&house, &["database", "set", "a", "--port", "0"]);
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("так уже и записано"), "{error}");
    assert_eq!(error["paste"], Value::Null);
    let error = refused(
        &house,
        &[
            "database", "set", "a", "--port", &port, "--", "b", "--port", &port,
        ],
    );
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains(&port) && message.contains("databases[1].port"),
        "{error}"
    );
}

#[test]
fn a_pasted_user_logs_in() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::new();
    let users = [plan.user("ivan", "mobile-user", "Word-One1")];
    let plan = plan.with(Database::new("a", upstream.url()).with_users(users));
    let house = plan.start();
    let body = r#"{"name":"Пётр","password":"Слово-Два2","barcode":"200017","groupId":"2"}"#;
    let (status, error) = ask(&house, "POST", "/databases/a/api/v1/Users", body);
    assert_eq!(
        (status, &error["error"]["code"]),
        (409, &"yaml-database".into()),
        "{error}"
    );
    let paste = error["error"]["paste"].as_str().unwrap();
    assert!(!paste.contains("Слово"), "the hash alone: {paste}");
    let entry = paste.split_once('\n').unwrap().1;
    house
        .gateway
        .write_config(&(house.front.yaml() + entry + "\n"));
    eventually(DEADLINE, "he is in force", || {
        (house.state("a")["users"] == 2).then_some(())
    });
    log_in(&house.dial("a"), "пётр", "Слово-Два2");

    let data = ["--data", house.front.data.to_str().unwrap()];
    let add = [
        "user",
        "add",
        "a",
        "--name",
        "Анна",
        "--group",
        "administrator",
    ];
    let outcome = tool::run(GATEWAY, [&add[..], &data].concat(), "");
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let (message, rest) = outcome.stderr.trim().split_once("\n\n").unwrap();
    assert!(message.contains("gateway.yaml:"), "{message}");
    let (paste, password) = rest.split_once("\n\n").unwrap();
    let hers = paste.split_once('\n').unwrap().1;
    let both = format!("{}{entry}\n{hers}\n", house.front.yaml());
    house.gateway.write_config(&both);
    eventually(DEADLINE, "she is too", || {
        (house.state("a")["users"] == 3).then_some(())
    });
    let password = password.split_once('\n').unwrap().1.trim();
    log_in(&house.dial("a"), "анна", password);

    let (_, error) = ask(&house, "DELETE", "/databases/a/api/v1/Users('id-ivan')", "");
    let first = line_of(&house, "- id: \"id-ivan\"");
    let paste = error["error"]["paste"].as_str().unwrap();
    assert!(paste.contains(&format!("gateway.yaml:{first}-")), "{paste}");
    let (status, users) = ask(&house, "GET", "/databases/a/api/v1/Users", "");
    assert_eq!((status, users["value"].as_array().unwrap().len()), (200, 3));
}
