//! Certificates whose files change under a running gateway: written in pieces, damaged, replaced.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use harness::{
    Authority, DEADLINE, Database, Dial, Issued, RecordingUpstream, eventually, free_port, tool,
};

use crate::house::{House, Plan};

const HOSTS: &[&str] = &["127.0.0.1"];
const SWAPS: usize = 200;
const CLIENTS: usize = 4;
/// Handshakes between two swaps.
const BETWEEN: usize = 4;

/// A house whose database `a` serves the pair of these files, and who signs them.
struct Shop {
    house: House,
    authority: Authority,
    files: Issued,
    _upstream: RecordingUpstream,
}

impl Shop {
    fn planned(change: impl FnOnce(&mut Plan, &Issued)) -> Self {
        let upstream = RecordingUpstream::ok();
        let mut plan = Plan::new();
        let authority = Authority::new(plan.path());
        let files = authority.issue("a", HOSTS);
        plan.front.limits = Some((1_000, 1_000_000, 1_000_000));
        let mut plan = plan.with(Database {
            https: true,
            certificate: Some(files.clone()),
            ..Database::new("a", upstream.url())
        });
        change(&mut plan, &files);
        Self {
            house: plan.start(),
            authority,
            files,
            _upstream: upstream,
        }
    }

    fn open() -> Self {
        Self::planned(|_, _| {})
    }

    fn dial(&self) -> Dial {
        Dial::tls(self.house.address("a"), self.authority.file())
    }

    fn served(&self) -> Option<String> {
        self.dial().try_open().ok()?.peer_thumbprint()
    }

    /// Of the certificate's files; none while they are in force.
    fn fault(&self) -> Option<String> {
        let state = self.house.state("a");
        Some(state["certificate_fault"].as_str()?.to_owned())
    }
}

fn thumbprint(chain: &Path) -> String {
    let print = ["x509", "-noout", "-fingerprint", "-sha256", "-in"];
    let chain = chain.to_str().unwrap();
    let outcome = tool::run("openssl", print.into_iter().chain([chain]), "");
    let (_, thumbprint) = outcome.stdout.trim().split_once('=').unwrap();
    thumbprint.to_owned()
}

fn in_place(from: &Path, to: &Path) {
    fs::write(to, fs::read(from).unwrap()).unwrap();
}

fn by_rename(from: &Path, to: &Path) {
    let new = to.with_extension("new");
    fs::copy(from, &new).unwrap();
    fs::rename(new, to).unwrap();
}

#[test]
fn swapped_200_times_no_handshake_fails_and_each_sees_a_matching_pair() {
    let shop = Shop::open();
    let pairs = ["one", "two"].map(|name| shop.authority.issue(name, HOSTS));
    let thumbprints = pairs.each_ref().map(|pair| thumbprint(&pair.chain));
    let mut kept = shop.dial().open();
    let (stop, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (seen, failed) = (Mutex::new(HashMap::new()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    // Whole handshakes: the key signs for the certificate that is shown.
                    match shop.dial().try_open() {
                        Ok(client) => {
                            let shown = client.peer_thumbprint().unwrap();
                            *seen.lock().unwrap().entry(shown).or_insert(0) += 1;
                        }
                        Err(fault) => failed.lock().unwrap().push(fault.to_string()),
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for swap in 0..SWAPS {
            let pair = &pairs[swap % 2];
            let write = if swap % 4 < 2 { in_place } else { by_rename };
            let before = done.load(Ordering::Relaxed);
            let further = |count| (done.load(Ordering::Relaxed) >= before + count).then_some(());
            write(&pair.chain, &shop.files.chain);
            eventually(DEADLINE, "a handshake between the files", || further(1));
            write(&pair.key, &shop.files.key);
            eventually(DEADLINE, "handshakes between swaps", || further(BETWEEN));
            if swap % 40 > 37 {
                eventually(DEADLINE, "the newest is served", || {
                    (shop.served()? == thumbprints[swap % 2]).then_some(())
                });
                assert_eq!(kept.http("GET", "/x", &[], b"").text(), "ok");
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    let mut seen = seen.into_inner().unwrap();
    assert_eq!(failed.into_inner().unwrap(), [""; 0]);
    for thumbprint in &thumbprints {
        seen.remove(thumbprint).expect("served");
    }
    seen.remove(&kept.peer_thumbprint().unwrap());
    assert!(seen.is_empty(), "only what the files held: {seen:?}");
}

#[test]
fn the_last_good_pair_is_served_beside_the_fault_until_the_files_are_good() {
    let shop = Shop::open();
    let before = shop.served();
    let other = shop.authority.issue("other", HOSTS);
    by_rename(&other.chain, &shop.files.chain);
    let fault = eventually(DEADLINE, "the fault is shown", || shop.fault());
    let key = shop.files.key.to_str().unwrap();
    assert!(fault.contains(key), "{fault}");
    shop.house.logged(&["read before stays in force", key]);
    assert_eq!(shop.house.state("a")["state"], "open");
    assert_eq!(shop.served(), before);
    let shown = shop.house.command(&["status", "a"]).stdout;
    assert!(
        shown.contains(&format!("✗ Ключ {key} не от сертификата")),
        "{shown}"
    );

    by_rename(&other.key, &shop.files.key);
    eventually(DEADLINE, "the pair is whole", || {
        shop.fault().is_none().then_some(())
    });
    assert_eq!(shop.served(), Some(thumbprint(&other.chain)));

    let expired = shop.authority.issue_for("expired", HOSTS, -1);
    in_place(&expired.chain, &shop.files.chain);
    in_place(&expired.key, &shop.files.key);
    let fault = eventually(DEADLINE, "an expired pair takes nobody's place", || {
        shop.fault().filter(|fault| fault.contains("expired"))
    });
    assert!(
        fault.contains(shop.files.chain.to_str().unwrap()),
        "{fault}"
    );
    assert_eq!(shop.served(), Some(thumbprint(&other.chain)));
}

#[test]
fn a_port_without_a_certificate_at_the_start_opens_when_its_files_are_good() {
    let port = free_port();
    let shop = Shop::planned(|plan, files| {
        plan.front.databases[0].port = port;
        fs::write(&files.key, "").unwrap();
    });
    let state = shop.house.state("a");
    assert_eq!(state["state"], "closed", "{state}");
    let good = shop.authority.issue("good", HOSTS);
    by_rename(&good.key, &shop.files.key);
    by_rename(&good.chain, &shop.files.chain);
    let dial = Dial::tls(([127, 0, 0, 1], port).into(), shop.authority.file());
    eventually(DEADLINE, "the port serves", || dial.try_open().ok());
    assert_eq!(shop.house.state("a")["state"], "open");
}

/// What `openssl` says of a TLS 1.2 connection that writes its session, or brings one.
fn reused(dial: &Dial, session: &str, file: &Path) -> bool {
    let (address, file) = (dial.to().to_string(), file.to_str().unwrap());
    let said = tool::s_client(&address, &["-tls1_2", session, file], "Q\n").stdout;
    let (new, reused) = (said.contains("New, TLS"), said.contains("Reused, TLS"));
    assert!(new != reused, "{said}");
    reused
}

#[test]
fn a_changed_certificate_ends_its_own_tickets_and_no_others() {
    let shop = Shop::planned(|plan, files| {
        let folder = files.chain.parent().unwrap();
        let other = Authority::new(&folder.join("data")).issue("b", HOSTS);
        let a = plan.front.databases[0].clone();
        plan.front.databases.push(Database {
            certificate: Some(other),
            ..Database {
                id: "b".to_owned(),
                name: "b".to_owned(),
                ..a
            }
        });
    });
    let session = |id: &str| -> (Dial, PathBuf) {
        let file = shop.house.data().join(format!("{id}.session"));
        (Dial::tls_blindly(shop.house.address(id)), file)
    };
    let (a, b) = (session("a"), session("b"));
    for (dial, file) in [&a, &b] {
        assert!(!reused(dial, "-sess_out", file));
        assert!(reused(dial, "-sess_in", file));
    }
    let before = shop.served();
    shop.authority.issue("a", HOSTS);
    eventually(DEADLINE, "the new certificate is served", || {
        (shop.served() != before).then_some(())
    });
    assert!(!reused(&a.0, "-sess_in", &a.1));
    assert!(reused(&b.0, "-sess_in", &b.1));
}
