//! The gateway with its demo databases, as it is after `make run`: its saved output is all that
//! a tester needs. The ports are fixed, so each test has a network of its own.

use std::fs;

use harness::{Gateway, TempDir, in_own_network, sibling, tempdir};
use serde_json::Value;

use crate::{LOADTEST, json, loadtest};

struct Shop {
    _gateway: Gateway,
    folder: TempDir,
}

impl Shop {
    fn open() -> Self {
        let folder = tempdir().unwrap();
        let data = folder.path().join("data");
        let yaml = format!(
            "language: ru\ndata: {}\nlog: {{to: stderr, level: warn}}\nmetrics: 127.0.0.1:0\n\
             server: {{port: 0, https: true}}\nbackend: embedded\n",
            data.display()
        );
        let gateway = sibling(LOADTEST, "gateway");
        let gateway = Gateway::start(gateway.to_str().unwrap(), folder.path(), &data, &yaml);
        let told = gateway.process.stdout();
        fs::write(folder.path().join("start.txt"), told).unwrap();
        Self {
            _gateway: gateway,
            folder,
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Runs the command; every answer must be right.
    #[track_caller]
    fn passes(&self, arguments: &[&str]) -> Value {
        let (users, ca) = (self.path("start.txt"), self.path("data/tls/test.pem"));
        let with = ["--users", &users, "--ca", &ca, "--json"];
        let outcome = loadtest(&[arguments, &with].concat());
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        json(&outcome)
    }
}

#[test]
fn terminals_work_and_every_answer_is_right() {
    in_own_network("demo::terminals_work_and_every_answer_is_right", || {
        let shop = Shop::open();
        let arguments = ["terminals", "--count", "3", "--for", "2s"];
        let closed = shop.passes(&arguments);
        assert!(closed["documents"].as_u64() > Some(2), "{closed}");
        for step in [
            "log-in", "types", "goods", "list", "create", "change", "finish", "log-out",
        ] {
            assert!(
                closed["steps"][step]["count"].as_u64() > Some(0),
                "{step}: {closed}"
            );
        }
        let courier = [
            "--address",
            "https://localhost:9708",
            "--own-users",
            "--rate",
            "60",
        ];
        let ways = [
            "--login",
            "name,query,password,barcode,basic",
            "--count",
            "5",
        ];
        let open = shop.passes(&[&["terminals", "--for", "2s"], &courier[..], &ways].concat());
        assert!(open["documents"].as_u64() > Some(0), "{open}");
        // Basic needs no login.
        assert_eq!(open["steps"]["log-in"]["count"], 4, "{open}");
    });
}

#[test]
fn an_accounting_system_gets_back_what_terminals_finished() {
    in_own_network(
        "demo::an_accounting_system_gets_back_what_terminals_finished",
        || {
            let shop = Shop::open();
            let arguments = [
                "accounting",
                "--documents",
                "4",
                "--terminals",
                "2",
                "--for",
                "2s",
            ];
            let report = shop.passes(&arguments);
            assert!(report["sent"].as_u64() >= Some(4), "{report}");
            assert_eq!(report["sent"], report["collected"]);
            assert_eq!(report["wrong"]["count"], 0);
        },
    );
}

#[test]
fn without_terminals_the_documents_are_missed() {
    in_own_network("demo::without_terminals_the_documents_are_missed", || {
        let shop = Shop::open();
        let (users, ca) = (shop.path("start.txt"), shop.path("data/tls/test.pem"));
        let outcome = loadtest(&[
            "accounting",
            "--documents",
            "1",
            "--terminals",
            "0",
            "--for",
            "5s",
            "--drain",
            "1s",
            "--users",
            &users,
            "--ca",
            &ca,
        ]);
        assert_eq!(outcome.code, Some(1), "{outcome:?}");
        assert!(outcome.stdout.contains("was never finished"), "{outcome:?}");
    });
}

/// The others differ from these in their bytes alone.
const ATTACKS: [&str; 3] = ["guessing", "slow-heads", "malformed-heads"];

#[test]
fn attacks_get_nothing_through_and_good_terminals_work_on() {
    in_own_network(
        "demo::attacks_get_nothing_through_and_good_terminals_work_on",
        attack,
    );
}

fn attack() {
    let shop = Shop::open();
    let few = ["--count", "15", "--every", "100ms", "--for", "2s"];
    let good = ["--terminals", "2", "--rate", "40"];
    let report = shop.passes(&[&["attack"], &ATTACKS[..], &few, &good].concat());
    assert_eq!(report["let_through"], 0, "{report}");
    assert_eq!(report["wrong"]["count"], 0, "{report}");
    let fights = report["attacks"].as_array().unwrap();
    let names: Vec<&Value> = fights.iter().map(|one| &one["attack"]).collect();
    assert_eq!(names, ATTACKS);
    for fight in fights {
        assert!(fight["calm"]["count"].as_u64() > Some(0), "{fight}");
        assert!(fight["attacked"]["count"].as_u64() > Some(0), "{fight}");
        assert!(fight["ratio"]["p99"].as_f64() > Some(0.0), "{fight}");
        assert!(fight["loot"]["connections"].as_u64() >= Some(15), "{fight}");
    }
    let loot = |attack: usize| &fights[attack]["loot"];
    // Ten a minute of each address, about a hundred of the database.
    let verified = loot(0)["guesses_verified"].as_u64().unwrap();
    assert!(verified <= 140, "{}", loot(0));
    assert!(loot(0)["answers"]["401"].as_u64() > Some(0), "{}", loot(0));
    assert!(loot(2)["answers"]["400"].as_u64() > Some(0), "{}", loot(2));
}
