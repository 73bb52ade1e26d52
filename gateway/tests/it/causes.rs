//! What the system or a parser refuses is told in the reader's language to the end: Russian
//! sentences have no English cause in them.

use std::fs;

use harness::{Database, Gateway, RecordingUpstream, eventually, free_port, tempdir, tool};
use serde_json::Value;

use crate::{
    database::Shop,
    house::{GATEWAY, Plan},
};

/// As for somebody whose machine says nothing about languages.
fn environment() -> [&'static str; 6] {
    ["-u", "LC_ALL", "-u", "LC_MESSAGES", "-u", "LANG"]
}

/// No cause in the system's own words.
#[track_caller]
fn is_russian(text: &str) {
    let english = [
        "os error",
        "No such",
        "Is a directory",
        "Not a directory",
        "refused",
        "expected",
        "EOF",
    ];
    for words in english {
        assert!(!text.contains(words), "{words}: {text}");
    }
}

#[test]
fn what_the_system_refuses_is_told_in_russian_to_the_end() {
    let shop = Shop::open();
    shop.add("a");
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("types.json"), "[{\n\"name\" 1}]").unwrap();
    fs::write(
        path("latin.xml"),
        b"<DocumentBackup name=\"\xC4\xEE\xEA\"/>",
    )
    .unwrap();
    let (here, missing, below) = (path(""), path("nowhere/x.pem"), path("types.json/x.pem"));
    let (types, latin) = (path("types.json"), path("latin.xml"));
    let nobody = format!("https://127.0.0.1:{}/directory", free_port());
    let port = free_port().to_string();
    let acme = ["cert", "acme", "--name", "gate.example.ru", "--port", &port];
    let restore = ["document", "restore", "a", "D-1", "--from"];
    let cases: [(&[&str], &str); 9] = [
        (&["cert", "import", &missing], "нет такого файла"),
        (&["cert", "import", &here], "это папка"),
        (&["cert", "import", &below], "вместо папки стоит файл"),
        (&["cert", "page", "--to", &missing], "нет такого файла"),
        (
            &[&acme[..], &["--authority", &missing]].concat(),
            "нет такого файла",
        ),
        (
            &[&acme[..], &["--directory", &nobody]].concat(),
            "в соединении отказано",
        ),
        (&[&restore[..], &[&missing]].concat(), "нет такого файла"),
        (&[&restore[..], &[&latin]].concat(), "не в кодировке UTF-8"),
        (&["doctype", "import", "a", &types], "это не JSON: строка 2"),
    ];
    for (arguments, words) in cases {
        let data = ["--data", shop.gateway.data().to_str().unwrap()];
        let all = [&environment()[..], &[GATEWAY], arguments, &data].concat();
        let outcome = tool::run("env", all, "");
        assert_eq!(outcome.code, Some(1), "{arguments:?}: {outcome:?}");
        assert!(outcome.stderr.contains(words), "{outcome:?}");
        is_russian(&outcome.stderr);
    }
}

#[test]
fn why_a_gateway_does_not_start_is_told_in_russian_to_the_end() {
    let folder = tempdir().unwrap();
    let (data, config) = (
        folder.path().join("data"),
        folder.path().join("gateway.yaml"),
    );
    fs::create_dir_all(data.join("sessions.redb")).unwrap();
    let yaml = format!(
        "data: {}\nlisten: 127.0.0.1\nserver: {{port: 0, https: false}}\nbackend: embedded\n",
        data.display()
    );
    fs::write(&config, yaml).unwrap();
    let run = |config: &str| {
        let arguments = [GATEWAY, "run", "--config", config];
        let outcome = tool::run("env", [&environment()[..], &arguments].concat(), "");
        assert_eq!(outcome.code, Some(1), "{outcome:?}");
        format!("{}{}", outcome.stdout, outcome.stderr)
    };
    let told = run(config.to_str().unwrap());
    assert!(told.contains("(sessions.redb)"), "{told}");
    assert!(told.contains("это папка"), "{told}");
    is_russian(&told);
    let told = run(folder.path().join("other.yaml").to_str().unwrap());
    assert!(told.contains("нет такого файла"), "{told}");
    is_russian(&told);
}

#[test]
fn what_is_wrong_with_a_list_and_a_server_behind_is_told_in_russian_to_the_end() {
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let house = Plan::new().with(Database::new("a", nobody)).start();
    let list = |name: &str| house.front.folder("a").join("Server").join(name);
    house.front.list("a", "blacklist", "10.0.0.300\n");
    fs::create_dir(list("whitelist.dat")).unwrap();
    let told = |house: &Gateway, word: &str| {
        let data = ["--data", house.data().to_str().unwrap()];
        let all = [&environment()[..], &[GATEWAY, word], &data].concat();
        tool::run("env", all, "").stdout
    };
    let words = "blacklist.dat:1: «10.0.0.300» — не адрес и не диапазон";
    let status = eventually(harness::DEADLINE, "the list is seen", || {
        let status = told(&house, "status");
        (status.contains(words) && status.contains("это папка")).then_some(status)
    });
    is_russian(&status);
    let doctor = told(&house, "doctor");
    assert!(doctor.contains("в соединении отказано"), "{doctor}");
    is_russian(&doctor);
}

#[test]
fn people_read_moments_in_their_own_form_and_programs_rfc_3339() {
    let upstream = RecordingUpstream::ok();
    let mut plan = Plan::open_to(&upstream);
    plan.front.server = (0, true);
    let house = plan.start();
    let shown = house.command(&["cert", "show", "--json"]);
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    let expires = shown.to_string();
    let at = expires.find("\"expires\":\"").unwrap() + "\"expires\":\"".len();
    let expires: String = expires[at..]
        .chars()
        .take_while(|one| *one != '"')
        .collect();
    assert!(expires.ends_with('Z') && expires.contains('T'), "{expires}");
    let (date, time) = expires.split_once('T').unwrap();
    let time = time.trim_end_matches('Z');
    let parts: Vec<&str> = date.split('-').collect();
    let russian = format!("{}.{}.{} {time}", parts[2], parts[1], parts[0]);
    for (language, moment) in [
        ("ru_RU.UTF-8", russian),
        ("en_US.UTF-8", format!("{date} {time}")),
    ] {
        for words in [&["cert", "show"][..], &["status"]] {
            let set = [format!("LC_ALL={language}"), "TZ=UTC".to_owned()];
            let data = ["--data", house.data().to_str().unwrap()];
            let set = set.each_ref().map(String::as_str);
            let all = [&set[..], &[GATEWAY], words, &data].concat();
            let outcome = tool::run("env", all, "");
            assert!(outcome.stdout.contains(&moment), "{moment}: {outcome:?}");
            assert!(!outcome.stdout.contains(&expires), "{outcome:?}");
        }
    }
}
