//! The command line's manners: what it says to programs, of secrets and of its own misuse.

use harness::{DEADLINE, RecordingUpstream, eventually, tempdir, tool};
use serde_json::Value;

use crate::{
    database::Shop,
    house::{GATEWAY, Plan},
};

/// In a shell, for what only a shell can do to a program.
fn shell(script: &str, arguments: &[&str]) -> tool::Outcome {
    tool::run("sh", [&["-c", script, GATEWAY], arguments].concat(), "")
}

#[test]
fn programs_are_told_of_misuse_as_json_and_by_exit_code_2() {
    for misused in [
        &["bogus"][..],
        &["why", "x"],
        &["database"],
        &["server", "set"],
        &["--config", "gateway.yaml", "status"],
        &["database", "set", "a", "--port", "70000"],
    ] {
        let outcome = tool::run(GATEWAY, [misused, &["--json"]].concat(), "");
        assert_eq!(outcome.code, Some(2), "{outcome:?}");
        let told: Value = serde_json::from_str(&outcome.stdout).expect("JSON");
        assert_eq!(told["error"]["code"], "usage", "{told}");
        assert_eq!(outcome.stderr, "");
        let people = tool::run(GATEWAY, misused, "");
        assert_eq!((people.code, people.stdout.as_str()), (Some(2), ""));
    }
}

#[test]
fn a_change_that_says_nothing_is_misuse() {
    let shop = Shop::open();
    shop.add("a");
    for empty in [
        &["database", "set", "a"][..],
        &["database", "add", "--name", "B"],
        &["user", "add", "a"],
        &["user", "set", "a", "admin"],
        &["group", "add", "a"],
        &["group", "set", "a", "1"],
        &["property", "set", "a"],
    ] {
        let outcome = shop.gateway.command(empty);
        assert_eq!(outcome.code, Some(2), "{empty:?}: {outcome:?}");
    }
}

#[test]
fn of_two_passwords_made_at_once_each_names_its_database() {
    let shop = Shop::open();
    let told = shop.done(&[
        "database", "add", "--id", "a", "--name", "Shop a", "--port", "0", "--", "--id", "b",
        "--name", "Shop b", "--port", "0",
    ]);
    let (table, made) = told.split_once("\n\n").expect("what was made");
    assert!(table.contains("Shop a") && table.contains("Shop b"));
    for id in ["a", "b"] {
        assert!(made.contains(&format!("Shop {id} ({id}):")), "{made}");
    }
}

#[test]
fn a_weak_password_is_warned_of_once_it_is_set_also_to_programs() {
    let shop = Shop::open();
    shop.add("a");
    let add = |name: &str, group: &str, json: &[&str], password: &str| {
        let add = ["user", "add", "a", "--name", name, "--group", group];
        let arguments = [&add[..], &["--password-stdin"], json].concat();
        shop.gateway.command_with(&arguments, password)
    };
    let weak = add("w", "1", &["--json"], "w\r\n");
    let told: Value = serde_json::from_str(&weak.stdout).unwrap();
    assert_eq!(told["warning"], "password-weak", "{weak:?}");
    assert_eq!(weak.stderr, "");
    let weak = add("v", "1", &[], "v");
    assert!(weak.stderr.contains("слабый"), "{weak:?}");
    let good = add("g", "1", &["--json"], "Good1Password\n");
    let told: Value = serde_json::from_str(&good.stdout).unwrap();
    assert_eq!(told["warning"], Value::Null, "{good:?}");
    let refused = add("a", "3", &[], "weak\n");
    assert_eq!(refused.code, Some(1));
    assert_eq!(refused.stderr.lines().count(), 1, "one reason: {refused:?}");
}

#[test]
fn a_secret_is_one_line_of_text_of_at_most_128_characters() {
    let folder = tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let hash = |stdin: &str| tool::run(GATEWAY, ["hash", "--data", data], stdin);
    let index = |stdin: &str| {
        let outcome = hash(stdin);
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        outcome.stdout.lines().nth(1).map(str::to_owned)
    };
    assert_eq!(index("Пароль"), index("Пароль\r\nmore\n"));
    assert!(index(&"я".repeat(128)).is_some());
    for (bad, words) in [
        ("", "Пустой"),
        ("\r\n", "Пустой"),
        (&"я".repeat(129), "128"),
        (&"я".repeat(10_001), "128"),
    ] {
        let outcome = hash(bad);
        assert_eq!(outcome.code, Some(1));
        assert!(outcome.stderr.contains(words), "{outcome:?}");
    }
    let bytes = shell(r#"printf '\377\n' | "$0" hash --data "$1""#, &[data]);
    assert_eq!(bytes.code, Some(1));
    assert!(bytes.stderr.contains("не в UTF-8"), "{bytes:?}");
}

#[test]
fn an_answer_that_cannot_be_written_is_no_success_and_no_panic() {
    let full = shell(r#""$0" completions bash > /dev/full"#, &[]);
    assert_eq!(full.code, Some(1), "{full:?}");
    assert!(!full.stderr.contains("panicked"), "{full:?}");
    let enough = shell(r#""$0" completions bash | head -c 1"#, &[]);
    assert_eq!((enough.code, enough.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_second_gateway_on_a_data_folder_is_refused_in_both_languages() {
    let shop = Shop::open();
    let second = |language: &str| {
        let set = format!("LC_ALL={language}");
        let config = shop.gateway.config().to_str().unwrap();
        tool::run("env", [&set, GATEWAY, "run", "--config", config], "")
    };
    let (russian, english) = (second("ru_RU.UTF-8"), second("en_US.UTF-8"));
    assert_eq!((russian.code, english.code), (Some(1), Some(1)));
    assert!(russian.stderr.contains("уже работает шлюз"), "{russian:?}");
    assert!(english.stderr.contains("is in use"), "{english:?}");
}

#[test]
fn a_warning_about_a_database_of_the_file_stands_in_the_status_once() {
    let upstream = RecordingUpstream::ok();
    let house = Plan::open_to(&upstream).start();
    let data = house.gateway.data().to_str().unwrap();
    let english = ["LC_ALL=en_US.UTF-8", GATEWAY, "status", "--data", data];
    let status = tool::run("env", english, "").stdout;
    let warned = "authentication is off";
    let lines: Vec<&str> = status
        .lines()
        .filter(|line| line.contains(warned))
        .collect();
    assert_eq!(lines.len(), 1, "{status}");
    assert!(
        lines[0].contains("gateway.yaml:"),
        "with its line: {status}"
    );
}

#[test]
fn a_key_that_waits_for_a_start_is_named_in_the_language_of_the_file() {
    let upstream = RecordingUpstream::ok();
    let house = Plan::open_to(&upstream).start();
    let english = house.front.yaml();
    for (language, words) in [("en", "at the next start"), ("ru", "при следующем запуске")]
    {
        let yaml = english.replace("language: en", &format!("language: {language}"));
        house
            .gateway
            .write_config(&(yaml + "limits: {burst: 500}\n"));
        eventually(DEADLINE, "the status names the key", || {
            house.status()["config"]["warnings"]
                .to_string()
                .contains(words)
                .then_some(())
        });
    }
}
