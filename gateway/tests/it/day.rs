//! A day of the administrator: every window of the vendor's server, from the command line, and
//! after each step what a terminal sees of it.

use std::net::SocketAddr;

use harness::{DEADLINE, Dial, eventually, free_port, on_loopback};
use serde_json::Value;

use crate::{
    database::Shop,
    house::{encoded, log_in, session_query},
};

const TERMINAL: [u8; 4] = [127, 0, 0, 21];
const STRANGER: [u8; 4] = [127, 0, 0, 66];

/// The words of one line: values with blanks are given apart.
fn words<'a>(line: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    line.split(' ').chain(more.iter().copied()).collect()
}

impl Shop {
    #[track_caller]
    fn does(&self, line: &str, more: &[&str]) -> String {
        self.done(&words(line, more))
    }

    #[track_caller]
    fn typed(&self, line: &str, more: &[&str], stdin: &str) {
        let outcome = self.gateway.command_with(&words(line, more), stdin);
        assert_eq!(outcome.code, Some(0), "{line}: {outcome:?}");
    }

    fn why(&self, address: [u8; 4]) -> Value {
        self.told(&["why", &std::net::Ipv4Addr::from(address).to_string()])
    }
}

fn status(dial: &Dial, target: &str) -> u16 {
    dial.get(target, &[]).status()
}

fn documents(dial: &Dial, token: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    dial.get("/api/v1/Docs", &[("Authorization", &bearer)])
        .status()
}

#[test]
fn a_day_of_the_administrator_as_a_terminal_sees_it() {
    let shop = Shop::open();
    let (first, second) = (free_port(), free_port());
    let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));

    // A new database; on this one https was forgotten.
    let port = first.to_string();
    let add = words("database add --id day --https no --port", &[&port]);
    let made = shop.told(&[&add[..], &["--name", "Магазин 15"]].concat())["made"][0].clone();
    let (boss, secret) = (
        made["name"].as_str().unwrap(),
        made["password"].as_str().unwrap(),
    );
    let plain = Dial::plain(at(first));
    log_in(&plain, boss, secret);
    let warned = shop.does("status day", &[]);
    assert!(warned.contains("https"), "{warned}");

    // Use https ☒
    shop.does("database set day --https yes", &[]);
    assert_eq!(
        status(&plain, "/"),
        400,
        "plain HTTP on an https port is told so"
    );
    let here = Dial::tls_blindly(at(first));
    log_in(&here, boss, secret);

    // Groups and users.
    shop.does(
        "group add day --id ops --role mobile-user --all-types --name",
        &["Кладовщики"],
    );
    let none = shop.refused(&words(
        "group add day --id none --role mobile-user --name None",
        &[],
    ));
    assert!(!none.is_empty(), "a group needs a type of documents");
    for (id, name, password, barcode) in [
        ("1", "Иванов", "terminal-one", "4600000000017"),
        ("2", "Петрова", "terminal-two", "4600000000024"),
    ] {
        let stdin = format!("{password}\n{barcode}\n");
        let line = "user add day --group ops --password-stdin --barcode-stdin --id";
        shop.typed(line, &[id, "--name", name], &stdin);
    }
    let found = shop.told(&["user", "list", "day", "--search", "петр"]);
    assert_eq!(found.as_array().map(Vec::len), Some(1), "{found}");
    let kept = shop.refused(&words("group remove day ops", &[]));
    assert!(kept.contains('2'), "a group with two users stays: {kept}");
    let terminal = here.from(TERMINAL);
    let token = log_in(&terminal, "Иванов", "terminal-one");
    assert_eq!(documents(&terminal, &token), 200);

    // Login by barcode: no, until somebody says yes.
    let scanned = format!("/api/v1/session?barcode={}", encoded("4600000000024"));
    assert_eq!(status(&terminal, &scanned), 401);
    shop.does("database set day --barcode-login yes", &[]);
    assert_eq!(status(&terminal, &scanned), 200);

    // Lists: a stranger is shut out, and only he.
    let stranger = here.from(STRANGER);
    assert!(!stranger.gets_no_byte());
    shop.does(
        "list add day blacklist 127.0.0.64-127.0.0.70",
        &["--comment", "scanner"],
    );
    assert!(stranger.gets_no_byte());
    assert_eq!(documents(&terminal, &token), 200);
    let why = shop.does("why 127.0.0.66", &[]);
    assert!(why.contains("blacklist.dat:"), "{why}");
    shop.does("list add day whitelist 127.0.0.66", &[]);
    assert!(!stranger.gets_no_byte(), "the whitelist comes first");

    // Another port; the session goes on.
    shop.does("database set day --port", &[&second.to_string()]);
    let there = Dial::tls_blindly(at(second));
    let terminal = there.from(TERMINAL);
    assert_eq!(documents(&terminal, &token), 200);
    eventually(DEADLINE, "the old port is closed", || here.try_tcp().err());

    // The server port: saved at once, in force with stop and start.
    let new = free_port();
    let old = on_loopback(shop.gateway.server_address());
    let by_server = |address| Dial::tls_blindly(address);
    let path = format!("/day{}", session_query("Иванов", "terminal-one"));
    assert_eq!(status(&by_server(old), &path), 200);
    shop.does("server set --port", &[&new.to_string()]);
    assert_eq!(
        status(&by_server(old), &path),
        200,
        "until the server starts anew"
    );
    let shown = shop.does("server show", &[]);
    assert!(
        shown.contains(&new.to_string()) && shown.contains(&old.port().to_string()),
        "{shown}"
    );
    shop.does("server stop", &[]);
    assert!(by_server(old).try_tcp().is_err());
    assert_eq!(
        documents(&terminal, &token),
        200,
        "the database's own port goes on"
    );
    shop.does("server start", &[]);
    assert_eq!(status(&by_server(at(new)), &path), 200);

    // Why is a terminal refused? Nine wrong passwords beside this morning's barcode; the whitelist
    // helps.
    let wrong = session_query("Иванов", "not-this-one");
    for _ in 0..9 {
        assert_eq!(status(&terminal, &wrong), 401);
    }
    let right = session_query("Иванов", "terminal-one");
    assert_eq!(status(&terminal, &right), 429);
    assert_eq!(
        documents(&terminal, &token),
        200,
        "only logging in is blocked"
    );
    let why = shop.why(TERMINAL);
    let told = why.to_string();
    assert!(told.contains("\"failures\":10"), "{told}");
    assert!(
        !told.contains("not-this-one") && !told.contains("terminal-one"),
        "{told}"
    );
    shop.does("list add day whitelist 127.0.0.21", &[]);
    assert_eq!(status(&terminal, &right), 200);

    // The user list is cleared; a way in stays.
    let asked = shop.refused(&words("user clear day", &[]));
    assert!(asked.contains("--yes"), "{asked}");
    shop.does("user clear day --yes", &[]);
    assert_eq!(documents(&terminal, &token), 401);
    assert_eq!(status(&terminal, &right), 401);
    let boss = log_in(&there, boss, secret);
    assert_eq!(documents(&there, &boss), 200);
}

/// What the vendor's server window shows, under the vendor's own labels.
#[test]
fn status_shows_every_field_of_the_server_window_in_both_languages() {
    let shop = Shop::open();
    shop.add("a");
    shop.does("database set a --print yes --print-port 0", &[]);
    let shown = |locale: &str| {
        let data = shop.gateway.data().display().to_string();
        let set = format!("LC_ALL={locale}");
        let line = [&set, crate::house::GATEWAY, "status", "a", "--data", &data];
        harness::tool::run("env", line, "").stdout
    };
    let (ru, en) = (shown("ru_RU.UTF-8"), shown("en_US.UTF-8"));
    for (label, english) in [
        ("Shop a", "Shop a"),
        ("Код базы", "Database id"),
        ("Адрес", "Address"),
        ("Режим работы", "Mode of work"),
        ("Порт сервера данных", "Data server port"),
        ("Порт сервера печати", "Print server port"),
        ("Учётная запись", "Service account"),
        (
            "Сжимать справочники и таблицы",
            "Compress reference lists and tables",
        ),
        ("Делать бэкапы документов", "Make backups of documents"),
        ("Папка", "Folder"),
        ("Аутентификация", "Authentication"),
        ("Вход по штрихкоду", "Login by barcode"),
        ("Выпущен", "Issued"),
        ("Истекает", "Expires"),
    ] {
        assert!(ru.contains(label), "{label}: {ru}");
        assert!(en.contains(english), "{english}: {en}");
    }
    // «Открыть папку с бэкапами»
    assert!(ru.contains("databases/Shop a/Backup"), "{ru}");
}

/// The table of the vendor's forms; its options and keys are tested beside the command line.
const FORMS: &str = include_str!("../../src/cli/forms.txt");

#[test]
fn every_field_of_every_form_is_a_field_of_the_api() {
    let shop = Shop::open();
    let (name, password) = shop.add("a");
    let account = [
        "--account",
        "foo",
        "--account-password-file",
        "/etc/password",
    ];
    shop.done(&[&["database", "set", "a"][..], &account].concat());
    let socket = shop.gateway.data().join("backend.sock");
    let socket = socket.to_str().unwrap();
    let (_, directory) = harness::tool::curl(["--unix-socket", socket, "http://b/directory"]);
    let directory: Value = serde_json::from_str(&directory).unwrap();
    let mut databases = directory["databases"].as_array().unwrap().iter();
    let database = databases.find(|one| one["id"] == "a").unwrap();
    let bearer = format!("Bearer {}", log_in(&shop.dial("a"), &name, &password));
    let metadata = shop
        .dial("a")
        .get("/api/v1/$metadata", &[("Authorization", &bearer)]);
    let metadata = metadata.text();
    let mut seen = 0;
    let fields = FORMS.lines().filter(|line| !line.starts_with('#'));
    for line in fields.filter(|line| line.contains(" | ")) {
        let field = line.rsplit(" | ").next().unwrap();
        let Some((kind, name)) = field.split_once('.') else {
            continue;
        };
        seen += 1;
        if kind == "Database" {
            assert!(
                database.pointer(&format!("/{name}")).is_some(),
                "{field} in {database}"
            );
            continue;
        }
        let entity = metadata
            .split("<EntityType ")
            .find(|part| part.starts_with(&format!("Name=\"{kind}\"")));
        let entity = entity.unwrap_or_else(|| panic!("no type {kind}"));
        let entity = entity.split("</EntityType>").next().unwrap();
        assert!(
            entity.contains(&format!("Name=\"{name}\"")),
            "{field} in {entity}"
        );
    }
    assert!(seen > 40, "the table was read: {seen}");
}
