//! `gateway check` looks into the certificates that a file names, and says at its lines what would
//! close ports at a start.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use harness::{
    Authority, Clock, Database, Dial, Issued, RecordingUpstream, TempDir, tempdir,
    tool::{self, Outcome},
};
use serde_json::Value;

use crate::house::{GATEWAY, Plan};

const HOSTS: &[&str] = &["127.0.0.1"];
/// Where [`Desk::file`] names them.
const CHAIN: &str = ":6:10: certificate.chain: ";
const KEY: &str = ":7:8: certificate.key: ";

/// A configuration file with a default certificate.
struct Desk {
    folder: TempDir,
    authority: Authority,
    files: Issued,
}

impl Desk {
    fn new() -> Self {
        let folder = tempdir().unwrap();
        let authority = Authority::new(folder.path());
        Self {
            files: authority.issue_for("gate", HOSTS, 300),
            authority,
            folder,
        }
    }

    fn write(&self, more: &str) -> PathBuf {
        let (chain, key) = (self.files.chain.display(), self.files.key.display());
        let data = self.folder.path().join("data");
        let text = format!(
            "data: {}\nbackend: embedded\nmetrics: off\nserver: {{port: 0, https: true}}\n\
             certificate:\n  chain: {chain}\n  key: {key}\n{more}",
            data.display()
        );
        let file = self.folder.path().join("gateway.yaml");
        fs::write(&file, text).unwrap();
        file
    }

    fn checked(&self) -> Outcome {
        checked(&[], &self.write(""), &[])
    }
}

/// `before` stands before the program's name.
fn checked(before: &[&str], file: &Path, more: &[&str]) -> Outcome {
    let file = file.to_str().unwrap();
    let words = [&["env"], before, &[GATEWAY, "check", file], more].concat();
    tool::run(words[0], &words[1..], "")
}

#[track_caller]
fn json(file: &Path) -> Value {
    let outcome = checked(&[], file, &["--json"]);
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|_| panic!("{outcome:?}"))
}

/// The one fault, and its words.
#[track_caller]
fn check(outcome: &Outcome, place: &str, words: &str) {
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    let [only] = lines[..] else {
        panic!("{outcome:?}")
    };
    assert!(only.contains(place) && only.contains(words), "{only}");
    assert!(only.contains("закрывать каждое соединение"), "{only}");
}

#[test]
fn a_pair_that_cannot_be_served_is_told_at_its_line_in_its_own_words() {
    let desk = Desk::new();
    let (chain, key) = (desk.files.chain.clone(), desk.files.key.clone());
    let good = desk.checked();
    assert_eq!(good.code, Some(0), "{good:?}");
    let (certificate, private) = (fs::read(&chain).unwrap(), fs::read(&key).unwrap());

    fs::write(&chain, "").unwrap();
    check(&desk.checked(), CHAIN, "сертификата в файле нет");
    fs::write(&chain, &certificate[..certificate.len() / 2]).unwrap();
    check(&desk.checked(), CHAIN, "записан не до конца");
    fs::write(&chain, &certificate).unwrap();

    fs::write(&key, &private[..private.len() / 2]).unwrap();
    check(
        &desk.checked(),
        KEY,
        "закрытого ключа без пароля в файле нет",
    );
    let other = desk.authority.issue_for("other", HOSTS, 300);
    fs::write(&key, fs::read(other.key).unwrap()).unwrap();
    check(&desk.checked(), KEY, "не от сертификата");
    fs::write(&key, &private).unwrap();

    desk.authority.issue_for("gate", HOSTS, -1);
    check(&desk.checked(), CHAIN, "срок действия истёк");
    desk.authority.issue_for("gate", HOSTS, 300);
    assert_eq!(desk.checked().code, Some(0));
}

#[test]
fn so_are_one_whose_time_has_not_come_and_one_that_is_too_weak() {
    let desk = Desk::new();
    let clock = Clock::new(desk.folder.path());
    clock.turn(-60 * 86_400);
    let clock = clock
        .environment()
        .map(|(name, value)| format!("{name}={value}"));
    let file = desk.write("");
    let early = checked(&clock.each_ref().map(String::as_str), &file, &[]);
    check(&early, CHAIN, "начнёт действовать");
    let told = checked(&["LC_ALL=en_US.UTF-8"], &file, &[]);
    assert_eq!(told.code, Some(0), "by the real clock: {told:?}");

    let (chain, key) = (desk.files.chain.to_str(), desk.files.key.to_str());
    let weak = "req -x509 -newkey rsa:1024 -nodes -days 300 -subj /CN=weak -out";
    let weak = weak.split(' ').chain(chain).chain(["-keyout"]).chain(key);
    let made = tool::run("openssl", weak, "");
    assert_eq!(made.code, Some(0), "{made:?}");
    check(&desk.checked(), CHAIN, "слишком слабые");
    let told = checked(&["LC_ALL=en_US.UTF-8"], &file, &[]).stdout;
    assert!(
        told.contains("too weak") && told.contains("close every connection"),
        "{told}"
    );
}

#[test]
fn so_is_one_that_the_asker_may_not_read() {
    let desk = Desk::new();
    let file = desk.write("");
    // Root, who runs many a test, reads everything unless that capability is taken from him.
    let as_others = [
        "setpriv",
        "--bounding-set=-dac_override,-dac_read_search",
        "--inh-caps=-dac_override,-dac_read_search",
    ];
    let before = match nix::unistd::Uid::effective().is_root() {
        true => &as_others[..],
        false => &[],
    };
    for (path, place) in [(&desk.files.chain, CHAIN), (&desk.files.key, KEY)] {
        let mode = |mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        mode(0o000);
        check(&checked(before, &file, &[]), place, "читать не разрешено");
        mode(0o600);
    }
}

#[test]
fn an_end_that_is_near_is_a_warning_and_a_pair_that_nobody_serves_is_none() {
    let desk = Desk::new();
    desk.authority.issue_for("gate", HOSTS, 20);
    let told = json(&desk.write(""));
    assert_eq!(told["good"], true, "{told}");
    let warnings = told["warnings"].as_array().unwrap();
    let [only] = &warnings[..] else {
        panic!("{told}")
    };
    let only = only.as_str().unwrap();
    assert!(
        only.contains(CHAIN) && only.contains("истекает через"),
        "{only}"
    );
    let strict = checked(&[], &desk.write(""), &["--strict"]);
    assert_eq!(strict.code, Some(1), "{strict:?}");

    desk.authority.issue_for("gate", HOSTS, 300);
    let dead = desk.authority.issue_for("dead", HOSTS, -1);
    let (chain, key) = (dead.chain.display(), dead.key.display());
    let database = |https| {
        format!(
            "databases:\n- {{id: a, name: A, port: 0, upstream: \"http://127.0.0.1:9\",\n   \
             authentication: none, rights: pass, https: {https},\n   \
             certificate: {{chain: {chain}, key: {key}}}}}\n"
        )
    };
    assert_eq!(
        json(&desk.write(&database(false)))["faults"],
        Value::Array(vec![])
    );
    let told = json(&desk.write(&database(true)));
    let faults = told["faults"].as_array().unwrap();
    assert!(
        faults.len() == 1
            && faults[0]
                .as_str()
                .unwrap()
                .contains(":11:25: databases[0].certificate.chain: "),
        "{told}"
    );
}

#[test]
fn every_fault_is_told_at_once_and_a_missing_file_once() {
    let desk = Desk::new();
    desk.authority.issue_for("other", HOSTS, 300);
    fs::copy(desk.folder.path().join("other.key"), &desk.files.key).unwrap();
    let faults = |told: &Value| told["faults"].as_array().unwrap().len();
    let told = json(&desk.write("surprise: 1\n"));
    assert_eq!(faults(&told), 2, "{told}");
    let words = told["faults"].to_string();
    assert!(words.contains(KEY) && words.contains("surprise"), "{told}");
    fs::remove_file(&desk.files.chain).unwrap();
    let told = json(&desk.write(""));
    assert_eq!(faults(&told), 1, "{told}");
}

#[test]
fn what_check_says_of_a_certificate_refuses_no_start() {
    let upstream = RecordingUpstream::ok();
    let mut plan = Plan::new();
    let authority = Authority::new(plan.path());
    let mut bad = authority.issue("bad", HOSTS);
    bad.key = authority.issue("other", HOSTS).key;
    for (id, certificate) in [("a", bad), ("b", authority.issue("good", HOSTS))] {
        plan = plan.with(Database {
            https: true,
            certificate: Some(certificate),
            ..Database::new(id, upstream.url())
        });
    }
    let house = plan.start();
    let told = json(&house.config());
    let words = told["faults"].to_string();
    assert!(words.contains("databases[0].certificate.key"), "{told}");
    assert_eq!(told["faults"].as_array().unwrap().len(), 1, "{told}");
    let b = Dial::tls(house.address("b"), authority.file());
    assert_eq!(b.get("/x", &[]).text(), "ok");
    let reloaded = house.command(&["server", "set", "--port", "0", "--json"]);
    assert_eq!(reloaded.code, Some(0), "{reloaded:?}");
}
