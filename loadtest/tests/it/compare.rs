//! `loadtest compare`, end to end and quick: whether the race works, not what it comes to.
//!
//! The gateway is the one built beside `loadtest`; nginx and HAProxy are the machine's own.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use harness::{DEADLINE, TempDir, eventually, tempdir};
use serde_json::Value;

use crate::LOADTEST;

const PEERS: [(&str, &str); 3] = [
    ("nginx", "nginx"),
    ("nginx auth_request", "nginx"),
    ("HAProxy", "haproxy"),
];

/// A quick race in a folder of its own, where all its files and processes can be found.
struct Race {
    folder: TempDir,
}

impl Race {
    fn new() -> Self {
        let folder = tempdir().unwrap();
        fs::create_dir(folder.path().join("tmp")).unwrap();
        Self { folder }
    }

    fn temporary(&self) -> PathBuf {
        self.folder.path().join("tmp")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(LOADTEST);
        command.args(["compare", "--quick"]).args(arguments);
        command.arg("--json").arg(self.file("figures.json"));
        command.arg("--svg").arg(self.file("picture.svg"));
        command.env("TMPDIR", self.temporary());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn figures(&self) -> Value {
        serde_json::from_slice(&fs::read(self.file("figures.json")).unwrap()).unwrap()
    }

    /// Processes with something of this race in their command line, but not itself.
    fn contenders(&self) -> Vec<String> {
        let of_race = |line: &String| line.contains("loadtest-") && line.contains(&self.mark());
        let processes = fs::read_dir("/proc").unwrap();
        processes
            .filter_map(|process| fs::read(process.unwrap().path().join("cmdline")).ok())
            .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
            .filter(of_race)
            .collect()
    }

    fn mark(&self) -> String {
        self.temporary().display().to_string()
    }

    #[track_caller]
    fn left_nothing_behind(&self) {
        assert_eq!(self.contenders(), [] as [&str; 0]);
        let left: Vec<_> = fs::read_dir(self.temporary()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

fn names(list: &Value) -> Vec<&str> {
    let list = list.as_array().unwrap();
    list.iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect()
}

#[track_caller]
fn succeeded(output: Output) -> String {
    let (out, said) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    assert!(output.status.success(), "{}: {said}", output.status);
    out
}

#[test]
fn everyone_installed_races_and_who_is_not_is_named() {
    let race = Race::new();
    let said = succeeded(race.run(&[]));
    let figures = race.figures();
    let (racing, skipped) = (names(&figures["contenders"]), names(&figures["skipped"]));
    for (name, program) in PEERS {
        let is_there = installed(program).is_some();
        assert_eq!(racing.contains(&name), is_there, "{name} in {racing:?}");
        assert_eq!(skipped.contains(&name), !is_there, "{name} in {skipped:?}");
        assert_eq!(
            said.contains(&format!("skipped: {name},")),
            !is_there,
            "{said}"
        );
    }
    assert!(racing.contains(&"gateway") && racing.contains(&"gateway, Basic"));

    let picture = fs::read_to_string(race.file("picture.svg")).unwrap();
    for contender in figures["contenders"].as_array().unwrap() {
        let (name, measures) = (contender["name"].as_str().unwrap(), &contender["measures"]);
        let of_requests = ["requests_per_second", "latency_p50_us", "latency_p99_us"];
        let of_connections = ["handshakes_per_second", "resumed_handshakes_per_second"];
        let requests_alone = name.contains(' ');
        for measure in of_requests {
            assert!(
                measures[measure]["median"].as_f64() > Some(0.0),
                "{contender}"
            );
        }
        for measure in of_connections {
            let measured = measures[measure]["median"].as_f64() > Some(0.0);
            assert_eq!(measured, !requests_alone, "{contender}");
        }
        assert!(picture.contains(&format!(">{name}</text>")), "{name}");
        assert!(said.contains(&format!("| {name} ")), "{name}");
    }
    race.left_nothing_behind();
}

#[test]
fn a_contender_that_is_not_there_is_skipped_with_a_word() {
    let race = Race::new();
    let nowhere = ["--nginx", "/nowhere/nginx", "--haproxy", "/nowhere/haproxy"];
    let said = succeeded(race.run(&[&nowhere[..], &["--key", "rsa2048"]].concat()));
    assert!(said.contains("RSA 2048"), "{said}");
    for (name, program) in PEERS {
        let words = format!("skipped: {name}, there is no /nowhere/{program}");
        assert!(said.contains(&words), "{said}");
    }
    let figures = race.figures();
    assert_eq!(names(&figures["contenders"]), ["gateway", "gateway, Basic"]);
    assert_eq!(names(&figures["skipped"]), PEERS.map(|(name, _)| name));
    let requests = &figures["contenders"][0]["measures"]["requests_per_second"];
    assert_eq!(requests["to_nginx"], Value::Null);
}

#[test]
fn without_a_gateway_there_is_no_race() {
    let race = Race::new();
    let output = race.run(&["--gateway", "/nowhere/gateway"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("no gateway at /nowhere/gateway"), "{said}");
}

/// HAProxy as it is, but for the lines of its settings that `sed` takes out.
fn careless(haproxy: &Path, race: &Race, sed: &str) -> String {
    let script = race.file("haproxy");
    let text = format!(
        "#!/bin/sh\ncase \"$1\" in -db) sed -i '{sed}' \"$3\";; esac\nexec {} \"$@\"\n",
        haproxy.display()
    );
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
    script.display().to_string()
}

#[test]
fn who_does_not_check_does_not_race() {
    let Some(haproxy) = installed("haproxy") else {
        eprintln!("skipped: haproxy is not installed");
        return;
    };
    for (sed, fault) in [
        ("/reject/d", Some("a listed address was answered 200")),
        ("/deny/d", Some("a wrong token was answered 200")),
        ("/no such line/d", None),
    ] {
        let race = Race::new();
        let careless = careless(&haproxy, &race, sed);
        let output = race.run(&["--nginx", "/nowhere/nginx", "--haproxy", &careless]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.success(), fault.is_none(), "{said}");
        assert!(said.contains(fault.unwrap_or_default()), "{said}");
        race.left_nothing_behind();
    }
}

#[test]
fn ended_by_a_signal_it_leaves_nothing_behind() {
    let race = Race::new();
    let mut command = race.command(&[]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut running = Running(command.spawn().unwrap());
    eventually(DEADLINE, "a contender runs", || {
        (!race.contenders().is_empty()).then_some(())
    });
    let pid = running.0.id().to_string();
    assert!(Command::new("kill").arg(pid).status().unwrap().success());
    let status = eventually(DEADLINE, "the race ends", || running.0.try_wait().unwrap());
    assert_eq!(status.code(), Some(1));
    race.left_nothing_behind();
}

/// Killed when the test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
