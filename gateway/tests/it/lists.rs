//! `gateway list …`: the running gateway edits the files, and what it says is in force.

use std::fs;

use harness::{Database, RecordingUpstream, tool::Outcome};
use serde_json::Value;

use crate::house::{House, Plan};

const LISTED: [u8; 4] = [127, 0, 0, 9];
const STRANGER: [u8; 4] = [127, 0, 0, 10];

fn house() -> (RecordingUpstream, House) {
    let upstream = RecordingUpstream::ok();
    let house = Plan::open_to(&upstream).start();
    (upstream, house)
}

impl House {
    fn file(&self, list: &str) -> std::path::PathBuf {
        let folder = self.front.folder("a").join("Server");
        folder.join(format!("{list}.dat"))
    }

    fn served(&self, from: [u8; 4]) -> bool {
        !self.dial("a").from(from).gets_no_byte()
    }

    #[track_caller]
    fn done(&self, arguments: &[&str]) -> String {
        let outcome = self.command(arguments);
        assert_eq!(outcome.code, Some(0), "{arguments:?}: {outcome:?}");
        outcome.stdout
    }

    /// Refused, with all of these words; nothing was written.
    #[track_caller]
    fn refuses(&self, arguments: &[&str], words: &[&str]) {
        let before = ["whitelist", "blacklist"].map(|list| fs::read(self.file(list)).ok());
        let Outcome {
            code,
            stdout,
            stderr,
        } = self.command(arguments);
        assert_eq!(code, Some(1), "{arguments:?}: {stdout}{stderr}");
        for word in words {
            assert!(stderr.contains(word), "{word} in {stderr}");
        }
        let after = ["whitelist", "blacklist"].map(|list| fs::read(self.file(list)).ok());
        assert_eq!(before, after, "{arguments:?}");
    }
}

#[test]
fn an_added_entry_is_in_force_at_once_and_so_is_a_removed_one() {
    let (_upstream, house) = house();
    let mut open = house.dial("a").from(LISTED).open();
    let mut other = house.dial("a").from(STRANGER).open();
    assert_eq!(open.http("GET", "/x", &[], b"").text(), "ok");
    assert_eq!(other.http("GET", "/x", &[], b"").text(), "ok");

    house.done(&["list", "add", "a", "blacklist", "127.0.0.9"]);
    assert!(!house.served(LISTED), "no wait was needed");
    assert!(open.ends_silently().unwrap(), "closed without a byte");
    assert_eq!(other.http("GET", "/x", &[], b"").text(), "ok");

    house.done(&["list", "remove", "a", "blacklist", "127.0.0.9"]);
    assert!(house.served(LISTED));
    house.done(&["list", "add", "a", "blacklist", "0.0.0.0/0", "::/0"]);
    assert!(!house.served(LISTED) && !house.served(STRANGER));
    house.done(&[
        "list",
        "add",
        "Database a",
        "whitelist",
        "127.0.0.8-127.0.0.9",
    ]);
    assert!(house.served(LISTED) && !house.served(STRANGER));
    house.logged(&["list changed by the administrator", "127.0.0.8-127.0.0.9"]);
}

#[test]
fn comments_blank_lines_encoding_and_line_ends_stay_as_they_were() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::open_to(&upstream);
    let utf16 = |text: &str| -> Vec<u8> {
        let units = text.encode_utf16().flat_map(u16::to_le_bytes);
        [0xff, 0xfe].into_iter().chain(units).collect()
    };
    let text = "# склад\r\n\r\n10.0.0.1  # старый\r\n10.0.0.2\r\n";
    plan.front.list("a", "blacklist", utf16(text));
    let house = plan.start();
    let comment = ["--comment", "сканеры"];
    house.done(
        &[
            &["list", "add", "a", "blacklist", "127.0.0.9"],
            &comment[..],
        ]
        .concat(),
    );
    house.done(&["list", "remove", "a", "blacklist", "10.0.0.2"]);
    let text = "# склад\r\n\r\n10.0.0.1  # старый\r\n127.0.0.9 # сканеры\r\n";
    assert_eq!(fs::read(house.file("blacklist")).unwrap(), utf16(text));
    assert!(!house.served(LISTED));
    assert_eq!(house.state("a")["lists"][1]["entries"], 2);
}

#[test]
fn what_cannot_be_done_as_asked_is_refused_with_the_reason_and_nothing_is_written() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::open_to(&upstream);
    let file = "# a\n10.0.0.0/8 # контора\n";
    plan.front.list("a", "blacklist", file);
    let house = plan.start();
    let list =
        |word, entries: &[&'static str]| [&["list", word, "a", "blacklist"], entries].concat();
    house.refuses(&list("add", &["127.0.0.9", "10.0.0.300"]), &["10.0.0.300"]);
    house.refuses(
        &list("remove", &["10.0.0.5"]),
        &["blacklist.dat:2", "10.0.0.0/8 # контора"],
    );
    house.refuses(&list("remove", &["192.0.2.1"]), &["192.0.2.1"]);
    let foreign = ["--comment", "x\n0.0.0.0/0"];
    house.refuses(&[&list("add", &["::1"])[..], &foreign].concat(), &["200"]);
    house.refuses(&["list", "add", "nobody", "blacklist", "::1"], &["nobody"]);
    assert!(house.served(LISTED));

    let twice = house.done(&list("add", &["10.0.0.0-10.255.255.255"]));
    assert!(twice.contains("blacklist.dat:2"), "{twice}");
    assert_eq!(fs::read_to_string(house.file("blacklist")).unwrap(), file);

    house
        .front
        .list("a", "blacklist", "10.0.0.0/8\n10.0.0.300\n");
    house.refuses(
        &list("add", &["127.0.0.9"]),
        &["blacklist.dat:2", "10.0.0.300"],
    );
    house.refuses(&list("remove", &["10.0.0.0/8"]), &["blacklist.dat:2"]);
    assert!(house.served(LISTED));
}

#[test]
fn whoever_reaches_further_than_he_may_mean_is_warned_and_served() {
    let (_upstream, house) = house();
    let warnings = |arguments: &[&str]| {
        let answer = house.done(&[arguments, &["--json"]].concat());
        let answer: Value = serde_json::from_str(&answer).unwrap();
        answer["warnings"].as_array().unwrap().len()
    };
    assert_eq!(
        warnings(&["list", "add", "a", "whitelist", "192.0.2.0/24"]),
        0
    );
    assert_eq!(
        warnings(&["list", "add", "a", "blacklist", "198.51.100.7"]),
        0
    );
    assert_eq!(warnings(&["list", "add", "a", "blacklist", "192.0.2.7"]), 1);
    assert_eq!(
        warnings(&["list", "add", "a", "blacklist", "127.0.0.0/8"]),
        1
    );
    assert_eq!(
        warnings(&["list", "add", "a", "blacklist", "127.0.0.9"]),
        2,
        "and a wider line"
    );
    assert_eq!(warnings(&["list", "add", "a", "blacklist", "0.0.0.0/0"]), 1);
    assert_eq!(warnings(&["list", "add", "a", "whitelist", "::/0"]), 1);
    let words = house.done(&["list", "add", "a", "blacklist", "192.0.2.8"]);
    assert!(words.contains("whitelist.dat:1 «192.0.2.0/24»"), "{words}");
}

#[test]
fn a_list_is_shown_with_its_lines_and_its_state() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::open_to(&upstream);
    plan.front
        .list("a", "blacklist", "# склад\r\n10.0.0.0/8\r\n");
    let house = plan.start();
    let people = house.done(&["list", "show", "a", "blacklist"]);
    assert!(people.contains("1  # склад\n2  10.0.0.0/8\n"), "{people}");
    assert!(
        people.contains(house.file("blacklist").to_str().unwrap()),
        "{people}"
    );
    let both = |house: &House| -> Value {
        serde_json::from_str(&house.done(&["list", "show", "a", "--json"])).unwrap()
    };
    let good = both(&house);
    assert_eq!(
        (&good[0]["list"], &good[1]["list"]),
        (&"whitelist".into(), &"blacklist".into())
    );
    assert_eq!(
        (&good[0]["entries"], &good[1]["entries"]),
        (&0.into(), &1.into())
    );
    assert_eq!(good[1]["fault"], Value::Null);

    house.front.list("a", "blacklist", "10.0.0.300\n");
    harness::eventually(harness::DEADLINE, "the fault is shown", || {
        let list = both(&house)[1].clone();
        let fault = list["fault"].as_str()?.to_owned();
        assert!(fault.contains("blacklist.dat:1"), "{fault}");
        assert_eq!(
            (&list["entries"], &list["lines"][0]),
            (&1.into(), &"10.0.0.300".into())
        );
        Some(())
    });
}

#[test]
fn a_name_that_two_databases_have_is_refused_and_an_id_is_not() {
    let upstream = RecordingUpstream::ok();
    let twin = |id| Database {
        name: "Twin".to_owned(),
        ..Database::new(id, upstream.url())
    };
    let house = Plan::new().with(twin("a")).with(twin("b")).start();
    house.refuses(
        &["list", "add", "Twin", "blacklist", "127.0.0.9"],
        &["Twin"],
    );
    house.done(&["list", "add", "a", "blacklist", "127.0.0.9"]);
    assert!(!house.served(LISTED));
    assert!(
        !house.dial("b").from(LISTED).gets_no_byte(),
        "another database"
    );
}
