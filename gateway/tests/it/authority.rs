//! Our own authority as an administrator uses it: made, trusted, renewed, its key moved away; and
//! the certificates of devices.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use harness::{Clock, DEADLINE, Database, Dial, Gateway, RecordingUpstream, eventually, tool};
use serde_json::Value;

use crate::house::{GATEWAY, Plan};

const DAY: i64 = 24 * 60 * 60;

/// A gateway with an https database `a`, its clock, and a folder of the administrator's own.
struct Shop {
    gateway: Gateway,
    clock: Clock,
    root: PathBuf,
    plan: Plan,
    _upstream: RecordingUpstream,
}

impl Shop {
    #[track_caller]
    fn open() -> Self {
        let upstream = RecordingUpstream::ok();
        let plan = Plan::new().with(Database {
            https: true,
            ..Database::new("a", upstream.url())
        });
        let clock = Clock::new(plan.path());
        let config = plan.path().join("gateway.yaml");
        fs::write(&config, plan.front.yaml()).unwrap();
        let data = &plan.front.data;
        let gateway = Gateway::start_by(GATEWAY, &config, data, &clock);
        let root = data.join("tls/authority/root.pem");
        Self {
            gateway,
            clock,
            root,
            plan,
            _upstream: upstream,
        }
    }

    /// A file that is not the gateway's.
    fn elsewhere(&self, name: &str) -> PathBuf {
        self.plan.path().join(name)
    }

    #[track_caller]
    fn done(&self, command: &[&str]) -> Value {
        let done = self.gateway.command(&[&["--json"], command].concat());
        assert_eq!(done.code, Some(0), "{done:?}");
        serde_json::from_str(&done.stdout).unwrap()
    }

    #[track_caller]
    fn refused(&self, command: &[&str]) -> String {
        let done = self.gateway.command(&[&["--json"], command].concat());
        assert_eq!(done.code, Some(1), "{done:?}");
        let told: Value = serde_json::from_str(&done.stdout).unwrap();
        told["error"]["code"].as_str().unwrap().to_owned()
    }

    /// Whoever is shown a certificate of another time than ours looks at its thumbprint alone.
    fn dial(&self) -> Dial {
        Dial::tls_blindly(self.gateway.address("a"))
    }

    fn served(&self) -> String {
        self.dial().open().peer_thumbprint().unwrap()
    }

    fn renewal(&self) -> Value {
        self.gateway.status()["renewals"][0].clone()
    }

    fn curl(&self, more: &[&str]) -> tool::Outcome {
        let url = format!("https://{}/x", self.gateway.address("a"));
        let quiet = ["--silent", "--show-error", "--noproxy", "*"];
        tool::run("curl", [&quiet[..], more, &[&url]].concat(), "")
    }
}

#[test]
fn a_certificate_of_our_authority_is_taken_with_its_root_and_refused_without() {
    let shop = Shop::open();
    let mut early = shop.dial().open();
    let before = shop.served();
    let made = shop.done(&["cert", "authority", "--key", "p256", "--key", "rsa2048"]);
    assert_eq!(made["root"]["made_now"], true);
    assert_eq!(made["certificates"].as_array().unwrap().len(), 2, "{made}");
    assert_ne!(shop.served(), before, "in force when the command returns");

    let root = shop.root.to_str().unwrap();
    let with = shop.curl(&["--cacert", root]);
    assert_eq!(
        (with.code, with.stdout.as_str()),
        (Some(0), "ok"),
        "{with:?}"
    );
    let without = shop.curl(&[]);
    assert_eq!(without.code, Some(60), "{without:?}");
    let early = early.http("GET", "/x", &[], b"");
    assert_eq!(early.text(), "ok", "an open connection goes on");

    let again = shop.done(&["cert", "authority"]);
    assert_eq!(again["root"]["made_now"], false);
    let thumbprint = |answer: &Value| answer["root"]["thumbprint_sha256"].clone();
    assert_eq!(thumbprint(&again), thumbprint(&made));
    assert_eq!(again["certificates"].as_array().unwrap().len(), 2);
    assert_eq!(shop.curl(&["--cacert", root]).code, Some(0));
    assert_eq!(shop.renewal()["by"], "authority");
    for (file, mode) in [("root.key", 0o600), ("root.pem", 0o644)] {
        let found = fs::metadata(shop.root.with_file_name(file)).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, mode, "{file}");
    }
}

#[test]
fn what_cannot_be_read_of_a_renewal_is_told_until_the_certificate_is_made_anew() {
    let mut shop = Shop::open();
    shop.done(&["cert", "authority"]);
    let slot = shop.plan.front.data.join("tls/server");
    let told = |shop: &Shop| shop.done(&["status"])["renewal_faults"].clone();
    assert_eq!(told(&shop), Value::Null);

    fs::write(slot.join("plan.json"), "{\"authority\": ").unwrap();
    let fault = told(&shop)[0]["fault"].as_str().unwrap().to_owned();
    assert!(
        fault.contains("plan.json") && fault.contains("не продлится"),
        "{fault}"
    );
    for words in [["status"].as_slice(), &["cert", "show"], &["doctor"]] {
        let shown = shop.gateway.command(words).stdout;
        assert!(shown.contains(&fault), "{words:?}: {shown}");
    }
    let shown = shop.done(&["cert", "show"]);
    assert_eq!(shown[0]["renewal_fault"], fault.as_str());
    assert_eq!(shown[1]["renewal_fault"], Value::Null, "another slot's");
    assert_eq!(unread_by_doctor(&shop, Some(1)), 1);

    eventually(DEADLINE, "nobody knows where it came from", || {
        let shown = shop.done(&["cert", "show"]);
        let origin = &shown[0]["certificates"][0]["origin"];
        (origin == "unknown").then_some(())
    });
    let shown = shop.gateway.command(&["status"]).stdout;
    assert!(shown.contains("происхождение неизвестно"), "{shown}");

    // Without names nobody knows for which ones it was.
    let refused = shop.gateway.command(&["cert", "authority"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    for part in ["plan.json", "cert authority --name"] {
        assert!(refused.stderr.contains(part), "{refused:?}");
    }
    assert_eq!(shop.refused(&["cert", "authority"]), "cert-plan-damaged");
    shop.done(&["cert", "authority", "--name", "gate.example.ru"]);
    assert_eq!(told(&shop), Value::Null);
    assert_eq!(unread_by_doctor(&shop, Some(0)), 0);

    fs::write(slot.join("renewal.json"), "[]").unwrap();
    let fault = told(&shop)[0]["fault"].as_str().unwrap().to_owned();
    assert!(
        fault.contains("renewal.json") && fault.contains("продлится сам"),
        "{fault}"
    );
    shop.gateway.terminate();
    assert_eq!(unread_by_doctor(&shop, Some(3)), 1);
}

#[track_caller]
fn unread_by_doctor(shop: &Shop, code: Option<i32>) -> usize {
    let outcome = shop.gateway.command(&["doctor", "--json"]);
    let told: Value = serde_json::from_str(&outcome.stdout).unwrap();
    if code != Some(0) {
        assert_eq!(outcome.code, code, "{outcome:?}");
    }
    let checks = told["checks"].as_array().unwrap().iter();
    checks
        .filter(|one| one["check"] == "renewal-unread" && one["state"] == "fault")
        .count()
}

#[test]
fn a_leaf_renews_when_a_third_is_left_without_restart_and_connections_go_on() {
    let shop = Shop::open();
    let made = shop.done(&["cert", "authority"]);
    let at = |day: &Value| {
        let day = day.as_str().unwrap().parse::<jiff::Timestamp>();
        day.unwrap().as_second()
    };
    let [issued, expires] = ["issued", "expires"].map(|one| at(&made["certificates"][0][one]));
    let next = eventually(DEADLINE, "the renewal is planned", || {
        Some(shop.renewal()).filter(Value::is_object)
    });
    // Up to a day later: many gateways do not renew at one time.
    let late = at(&next["next"]) - (expires - (expires - issued) / 3);
    assert!((0..=DAY).contains(&late), "{late}");
    let (first, pid) = (shop.served(), shop.gateway.status()["pid"].clone());
    let mut early = shop.dial().open();
    shop.clock.turn(260 * DAY);
    assert_eq!(early.http("GET", "/x", &[], b"").text(), "ok");
    assert_eq!(shop.served(), first, "more than a third is left");

    shop.clock.turn(300 * DAY);
    eventually(DEADLINE, "another certificate is shown", || {
        Some(shop.served()).filter(|now| *now != first)
    });
    assert_eq!(early.http("GET", "/x", &[], b"").text(), "ok");
    assert_eq!(shop.gateway.status()["pid"], pid);
    let renewed = shop.served();
    eventually(DEADLINE, "the next renewal is known", || {
        (shop.renewal()["failures"] == 0).then_some(())
    });
    // Far beyond its end, as after a long time switched off.
    shop.clock.turn(1200 * DAY);
    eventually(DEADLINE, "it renews again and the port serves", || {
        let shown = shop.dial().try_open().ok()?.peer_thumbprint()?;
        (shown != renewed).then_some(())
    });
    // A clock that was wrong is set right: what was made meanwhile is not valid yet.
    shop.clock.turn(0);
    eventually(DEADLINE, "one that is valid now is shown", || {
        let with_root = shop.curl(&["--cacert", shop.root.to_str()?]);
        (with_root.code == Some(0)).then_some(())
    });
}

#[test]
fn a_leaf_that_is_new_and_due_already_is_left_alone_and_the_clock_is_doubted() {
    let shop = Shop::open();
    shop.done(&["cert", "authority"]);
    let first = shop.served();
    // Two hours before the root ends, and with it whatever it signs now.
    shop.clock.turn(3652 * DAY - 2 * 60 * 60);
    let renewal = eventually(DEADLINE, "the next one waits", || {
        Some(shop.renewal()).filter(|told| told["failures"] == 1)
    });
    let told = renewal.to_string();
    assert!(told.contains("date and time"), "{told}");
    let new = shop.served();
    assert_ne!(new, first);
    assert_eq!(shop.renewal()["failures"], 1);
    assert_eq!(shop.served(), new);
}

#[test]
fn a_root_key_that_was_moved_away_raises_the_alarm_and_renews_when_it_is_given() {
    let shop = Shop::open();
    shop.done(&["cert", "authority"]);
    let file = shop.elsewhere("root.key");
    let name = file.to_str().unwrap();
    let moved = shop.done(&["cert", "authority", "--root-key-to", name]);
    assert_eq!(moved["root"]["has_key"], false);
    assert!(moved.get("root_key").is_none(), "it is printed nowhere");
    let key = fs::read_to_string(&file).unwrap();
    assert!(key.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let here = shop.root.with_file_name("root.key");
    assert!(!here.exists());
    eventually(DEADLINE, "status says so", || {
        shop.renewal()["needs"].as_str().map(str::to_owned)
    });
    assert_eq!(shop.refused(&["cert", "authority"]), "cert-root-key-away");

    let first = shop.served();
    shop.clock.turn(300 * DAY);
    eventually(DEADLINE, "the alarm", || {
        (shop.renewal()["failures"] == 1).then_some(())
    });
    assert_eq!(shop.served(), first, "what is in force stays");
    let metrics = Dial::plain(shop.gateway.metrics_address()).get("/metrics", &[]);
    let line = "smarts_gateway_certificate_renewal_failures{certificate=\"server\"} 1";
    assert!(metrics.text().contains(line), "{}", metrics.text());

    let wrong = shop.elsewhere("wrong.key");
    fs::write(&wrong, "no key").unwrap();
    let wrong = wrong.to_str().unwrap();
    let code = shop.refused(&["cert", "authority", "--root-key", wrong]);
    assert_eq!(code, "cert-wrong-root-key");
    shop.done(&["cert", "authority", "--root-key", name]);
    assert_ne!(shop.served(), first);
    assert!(!here.exists(), "it is not kept");
    eventually(DEADLINE, "the alarm is over", || {
        (shop.renewal()["failures"] == 0).then_some(())
    });
}

#[test]
fn a_constrained_root_refuses_foreign_names_before_it_is_made() {
    let shop = Shop::open();
    let with = |name| {
        [
            "cert",
            "authority",
            "--constrain",
            "example.ru",
            "--name",
            name,
        ]
    };
    assert_eq!(shop.refused(&with("bank.com")), "cert-not-permitted");
    assert!(!shop.root.exists(), "nothing was changed");
    let made = shop.done(&with("gate.example.ru"));
    assert_eq!(
        made["certificates"][0]["names"],
        serde_json::json!(["gate.example.ru"])
    );
    let other = ["cert", "authority", "--constrain", "example.com"];
    assert_eq!(shop.refused(&other), "cert-root-exists-for");
}

#[test]
fn a_devices_certificate_is_handed_out_once_listed_and_revoked() {
    let shop = Shop::open();
    let file = shop.elsewhere("tsd.p12");
    let to = file.to_str().unwrap();
    let add = ["cert", "device", "add", "ТСД 15", "--to", to];
    // Whoever brings the key of a root does not mean another one.
    let key = shop.elsewhere("root.key");
    fs::write(&key, "some key").unwrap();
    let with_key = [&add[..], &["--root-key", key.to_str().unwrap()]].concat();
    assert_eq!(shop.refused(&with_key), "cert-no-root");
    assert!(!file.exists(), "no file is left of what was refused");
    assert!(!shop.root.exists());

    let before = shop.served();
    let added = shop.done(&add);
    assert_eq!(added["notes"].as_array().unwrap().len(), 1, "{added}");
    assert_eq!(shop.served(), before, "the root has come alone");
    let locked = fs::read_to_string(shop.root.with_file_name("root.key")).unwrap();
    assert!(locked.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    let serial = added["device"]["serial"].as_str().unwrap();
    assert_eq!(shop.refused(&add), "refused", "a file that is there stays");

    let password = added["password"].as_str().unwrap();
    let pem = opened(&file, password);
    let leaf = shop.elsewhere("tsd.pem");
    fs::write(&leaf, pem).unwrap();
    let verified = tool::run(
        "openssl",
        [
            "verify",
            "-x509_strict",
            "-purpose",
            "sslclient",
            "-CAfile",
            shop.root.to_str().unwrap(),
            leaf.to_str().unwrap(),
        ],
        "",
    );
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let old = shop.elsewhere("old.p12");
    let old_name = old.to_str().unwrap();
    let old_one = [
        "cert",
        "device",
        "add",
        "WinCE",
        "--old-format",
        "--to",
        old_name,
    ];
    let old_one = shop.done(&old_one);
    opened(&old, old_one["password"].as_str().unwrap());
    assert_eq!(old_one["notes"], serde_json::json!([]));
    // One root for devices and servers, also for those that know RSA alone.
    let issued = shop.done(&["cert", "authority", "--key", "p256", "--key", "rsa2048"]);
    assert_eq!(issued["root"]["made_now"], false);
    assert_eq!(issued["notes"], serde_json::json!([]));

    // A root that is lost is not made anew for a device.
    let folder = shop.root.parent().unwrap();
    let away = shop.elsewhere("authority");
    fs::rename(folder, &away).unwrap();
    let none = shop.elsewhere("none.p12");
    let another = ["cert", "device", "add", "ТСД 16", "--to"];
    let another = [&another[..], &[none.to_str().unwrap()]].concat();
    assert_eq!(shop.refused(&another), "cert-root-lost");
    assert!(!none.exists() && !folder.exists());
    fs::rename(&away, folder).unwrap();

    let listed = shop.done(&["cert", "device", "list"]);
    assert_eq!(listed[0]["name"], "ТСД 15");
    assert!(listed[0].get("revoked").is_none());
    let revoked = shop.done(&["cert", "device", "revoke", "ТСД 15"]);
    assert_eq!(revoked[0]["serial"], serial);
    let listed = shop.done(&["cert", "device", "list"]);
    assert!(listed[0]["revoked"].is_string());
    assert!(listed[1].get("revoked").is_none());
    let code = shop.refused(&["cert", "device", "revoke", serial]);
    assert_eq!(code, "cert-no-such-device");
    let log = shop.gateway.log();
    assert!(!log.contains(password), "passwords stay out of the log");
}

/// What Debian's openssl finds in a PFX file.
#[track_caller]
fn opened(file: &Path, password: &str) -> String {
    let password = format!("pass:{password}");
    let file = file.to_str().unwrap();
    let found = tool::run(
        "openssl",
        [
            "pkcs12", "-in", file, "-nokeys", "-clcerts", "-passin", &password,
        ],
        "",
    );
    assert_eq!(found.code, Some(0), "{found:?}");
    found.stdout
}
