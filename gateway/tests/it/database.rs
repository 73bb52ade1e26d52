//! `gateway database …` against the embedded backend: a change is in force when the command
//! returns, or it is refused as a whole.

use std::net::{SocketAddr, TcpListener};

use harness::{Dial, Gateway, RecordingUpstream, TempDir, free_port, tempdir, tool::Outcome};
use serde_json::Value;

use crate::house::{GATEWAY, Plan, log_in};

/// The embedded deployment. Its demo databases have fixed ports and may find them taken by another
/// test: what is tested here adds its own.
pub(crate) struct Shop {
    pub(crate) gateway: Gateway,
    _folder: TempDir,
}

impl Shop {
    #[track_caller]
    pub(crate) fn open() -> Self {
        let folder = tempdir().unwrap();
        let data = folder.path().join("data");
        let yaml = format!(
            "language: en\ndata: {}\nlisten: 127.0.0.1\nlog: {{to: stderr, level: info}}\n\
             metrics: 127.0.0.1:0\nserver: {{port: 0, https: true}}\nbackend: embedded\n",
            data.display()
        );
        let gateway = Gateway::start(GATEWAY, folder.path(), &data, &yaml);
        Self {
            gateway,
            _folder: folder,
        }
    }

    /// A command that is carried out.
    #[track_caller]
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let outcome = self.gateway.command(arguments);
        assert_eq!(outcome.code, Some(0), "{arguments:?}: {outcome:?}");
        outcome.stdout
    }

    /// The same, with `--json`.
    #[track_caller]
    pub(crate) fn told(&self, arguments: &[&str]) -> Value {
        let answer = self.done(&[&["--json"], arguments].concat());
        serde_json::from_str(&answer).unwrap_or_else(|fault| panic!("{fault}: {answer}"))
    }

    /// A command that is refused, with what it says.
    #[track_caller]
    pub(crate) fn refused(&self, arguments: &[&str]) -> String {
        let outcome = self.gateway.command(arguments);
        assert_eq!(outcome.code, Some(1), "{arguments:?}: {outcome:?}");
        outcome.stderr
    }

    /// A new https database `id` on a port of the system's choice; its administrator's name and
    /// password.
    #[track_caller]
    pub(crate) fn add(&self, id: &str) -> (String, String) {
        let name = format!("Shop {id}");
        let add = [
            "database", "add", "--id", id, "--name", &name, "--port", "0",
        ];
        let made = self.told(&add)["made"][0].clone();
        let text = |key: &str| made[key].as_str().unwrap().to_owned();
        (text("name"), text("password"))
    }

    #[track_caller]
    pub(crate) fn state(&self, id: &str) -> Value {
        let databases = self.told(&["database", "list"]);
        let found = databases
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["id"] == id);
        found
            .unwrap_or_else(|| panic!("{id} in {databases}"))
            .clone()
    }

    #[track_caller]
    pub(crate) fn dial(&self, id: &str) -> Dial {
        let address: SocketAddr = self.state(id)["address"].as_str().unwrap().parse().unwrap();
        Dial::tls_blindly(address)
    }
}

#[test]
fn an_added_database_serves_its_administrator_when_the_command_returns() {
    let shop = Shop::open();
    let (name, password) = shop.add("a");
    let token = log_in(&shop.dial("a"), &name, &password);
    let bearer = format!("Bearer {token}");
    let answer = shop
        .dial("a")
        .get("/api/v1/DocTypes", &[("Authorization", &bearer)]);
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let types = answer.json()["value"].as_array().map_or(0, Vec::len);
    assert!(types > 0, "the template fills it: {}", answer.text());
    assert!(
        !shop.done(&["status"]).contains(&password),
        "the password is shown once"
    );
}

#[test]
fn a_database_moves_while_it_runs_and_two_swap_their_ports_in_one_change() {
    let shop = Shop::open();
    let (one, two) = (free_port(), free_port());
    for (id, port) in [("a", one), ("b", two)] {
        shop.add(id);
        shop.done(&["database", "set", id, "--port", &port.to_string()]);
        assert_eq!(shop.state(id)["address"], format!("127.0.0.1:{port}"));
    }
    let (one, two) = (one.to_string(), two.to_string());
    let refused = shop.refused(&["database", "set", "a", "--port", &two]);
    assert!(
        refused.contains(&two) && refused.contains("Shop b"),
        "{refused}"
    );
    shop.done(&[
        "database", "set", "a", "--port", &two, "--", "b", "--port", &one,
    ]);
    assert_eq!(shop.state("a")["address"], format!("127.0.0.1:{two}"));
    assert_eq!(shop.state("b")["address"], format!("127.0.0.1:{one}"));
}

#[test]
fn a_change_that_cannot_be_is_refused_as_a_whole_and_leaves_everything_as_it_was() {
    let shop = Shop::open();
    shop.add("a");
    let before = shop.state("a");
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = stranger.local_addr().unwrap().port().to_string();
    let both = ["--comment", "new", "--port", &busy];
    let refused = shop.refused(&[&["database", "set", "a"][..], &both].concat());
    assert!(refused.contains(&busy), "{refused}");
    let add = ["database", "add", "--id", "b", "--name", "B", "--port", "0"];
    let with_busy = [
        &add[..],
        &["--", "--id", "c", "--name", "C", "--port", &busy],
    ]
    .concat();
    shop.refused(&with_busy);
    assert_eq!(shop.state("a")["comment"], before["comment"]);
    assert_eq!(shop.state("a")["address"], before["address"]);
    let left = shop.told(&["database", "list"]);
    assert!(left.as_array().unwrap().iter().all(|one| one["id"] != "b"));
    drop(stranger);
    // The twin: the same words are carried out once the port is free.
    shop.done(&[&["database", "set", "a"][..], &both].concat());
    assert_eq!(shop.state("a")["comment"], "new");
}

#[test]
fn a_database_is_removed_only_on_purpose_and_its_port_closes() {
    let shop = Shop::open();
    shop.add("a");
    let dial = shop.dial("a");
    let refused = shop.refused(&["database", "remove", "a"]);
    assert!(refused.contains("--yes"), "{refused}");
    assert!(dial.try_open().is_ok());
    shop.done(&["database", "remove", "Shop a", "--yes"]);
    assert!(dial.try_tcp().is_err());
}

#[test]
fn every_field_of_the_form_is_set_and_shown() {
    let shop = Shop::open();
    shop.add("a");
    shop.done(&[
        "database",
        "set",
        "a",
        "--name",
        "Магазин 15",
        "--comment",
        "касса",
        "--folder",
        "m15",
        "--https",
        "no",
        "--authentication",
        "no",
        "--barcode-login",
        "yes",
        "--mode",
        "folder",
    ]);
    let now = shop.state("a");
    assert_eq!(now["name"], "Магазин 15");
    assert_eq!(now["comment"], "касса");
    assert!(
        now["folder"].as_str().unwrap().ends_with("databases/m15"),
        "{now}"
    );
    assert_eq!(now["https"], false);
    assert_eq!(now["authentication"], "none");
    assert_eq!(now["barcode_login"], true);
    assert_eq!(
        (&now["mode"], &now["state"]),
        (&"folder".into(), &"closed".into())
    );
    let nothing = shop.gateway.command(&["database", "set", "a"]).stderr;
    assert!(nothing.contains("--help"), "{nothing}");
}

#[test]
fn a_database_of_the_file_is_not_changed_from_here() {
    let upstream = RecordingUpstream::ok();
    let house = Plan::open_to(&upstream).start();
    for change in [
        &["database", "set", "a", "--port", "1"][..],
        &["database", "remove", "a", "--yes"],
    ] {
        let outcome = house.command(change);
        assert_eq!(outcome.code, Some(1), "{outcome:?}");
        assert!(outcome.stderr.contains("gateway.yaml"), "{outcome:?}");
    }
    let add = ["database", "add", "--name", "B", "--port", "1"];
    let outcome = house.command(&add);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.stderr.contains("gateway.yaml"), "{outcome:?}");
}

#[test]
fn many_administrators_at_once_all_get_their_change() {
    let shop = Shop::open();
    shop.add("a");
    std::thread::scope(|scope| {
        let change = |number: usize| {
            let shop = &shop;
            move || {
                let comment = format!("change {number}");
                shop.gateway
                    .command(&["database", "set", "a", "--comment", &comment])
            }
        };
        let all: Vec<_> = (0..8).map(|number| scope.spawn(change(number))).collect();
        for one in all {
            let outcome = one.join().unwrap();
            assert_eq!(outcome.code, Some(0), "{outcome:?}");
        }
    });
}

#[test]
fn a_folder_or_an_id_of_another_database_is_refused_by_name_however_it_is_written() {
    let shop = Shop::open();
    shop.add("a");
    shop.add("b");
    let folder = shop.state("a")["folder"].as_str().unwrap().to_owned();
    for written in [folder.clone(), format!("{folder}/"), "Shop a".to_owned()] {
        let refused = shop.refused(&["database", "set", "b", "--folder", &written]);
        assert!(refused.contains("«Shop a»"), "{refused}");
    }
    shop.done(&["database", "set", "b", "--folder", &format!("{folder} too")]);

    let add =
        |id: &str| ["database", "add", "--id", id, "--name", "C", "--port", "0"].map(str::to_owned);
    for taken in ["b", "B"] {
        let add = add(taken);
        let refused = shop.refused(&add.each_ref().map(String::as_str));
        assert!(refused.contains("База с кодом b уже есть"), "{refused}");
    }
    shop.done(&add("c").each_ref().map(String::as_str));
}

fn said(language: &str, arguments: &[&str]) -> Outcome {
    let set = format!("LC_ALL={language}");
    harness::tool::run("env", [&[set.as_str(), GATEWAY], arguments].concat(), "")
}

#[test]
fn exit_codes_tell_usage_from_not_running_in_both_languages() {
    let nowhere = tempdir().unwrap();
    let data = nowhere.path().to_str().unwrap();
    let away = said("en_US.UTF-8", &["status", "--data", data]);
    assert_eq!(away.code, Some(3), "{away:?}");
    assert!(away.stderr.contains("No gateway runs"), "{away:?}");
    let unknown = said("ru_RU.UTF-8", &["database", "set", "a", "--prot", "1"]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(
        unknown.stderr.contains("Неизвестный параметр --prot"),
        "{unknown:?}"
    );
    let help = said("ru_RU.UTF-8", &["database", "set", "--help"]);
    assert_eq!(help.code, Some(0));
    assert!(help.stdout.contains("Порт сервера данных"), "{help:?}");
    for shell in ["bash", "zsh", "fish"] {
        let completion = said("en_US.UTF-8", &["completions", shell]);
        assert!(completion.stdout.contains("barcode-login"), "{shell}");
    }
}
