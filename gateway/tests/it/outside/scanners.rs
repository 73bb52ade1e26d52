//! testssl.sh and sslscan against every profile: what they find is what `accepted/` says, and what
//! they dislike has its reason there.
//!
//! A new finding, a vanished one and one that reads otherwise fail alike. `BLESS=1` writes the files
//! anew and keeps the reasons; a finding that wants one gets `# ?`, which fails until a person has
//! written it.

use std::{fmt::Write, fs, thread, time::Duration};

use harness::tool;
use serde_json::Value;

use super::{Shop, own_file};

/// Whose lists profile `old` has: with 3DES there is more to accept.
const OLD: &str = match cfg!(feature = "triple-des") {
    true => "old-triple-des",
    false => "old",
};

/// testssl.sh waits more than it works.
const SCAN: Duration = Duration::from_secs(200);

#[test]
fn testssl_finds_what_is_accepted_of_modern() {
    judged("testssl-modern.txt", testssl(&shop("modern")));
}

#[test]
fn testssl_finds_what_is_accepted_of_intermediate() {
    judged("testssl-intermediate.txt", testssl(&shop("intermediate")));
}

#[test]
fn testssl_finds_what_is_accepted_of_old() {
    judged(
        &format!("testssl-{OLD}.txt"),
        testssl(&shop("old-for-everyone")),
    );
}

#[test]
fn sslscan_finds_what_is_accepted_of_modern() {
    judged("sslscan-modern.txt", sslscan(&shop("modern")));
}

#[test]
fn sslscan_finds_what_is_accepted_of_intermediate() {
    judged("sslscan-intermediate.txt", sslscan(&shop("intermediate")));
}

#[test]
fn sslscan_finds_what_is_accepted_of_old() {
    judged(
        &format!("sslscan-{OLD}.txt"),
        sslscan(&shop("old-for-everyone")),
    );
}

/// `old` is for whitelisted addresses alone.
#[test]
fn sslscan_finds_intermediate_where_old_is_not_for_it_and_old_where_it_is() {
    let shop = shop("old");
    judged("sslscan-intermediate.txt", sslscan(&shop));
    let add = "list add a whitelist 127.0.0.1"
        .split(' ')
        .collect::<Vec<_>>();
    let outcome = shop.gateway.command(&add);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    judged(&format!("sslscan-{OLD}.txt"), sslscan(&shop));
}

/// With both keys side by side, as a shop with old terminals has it.
#[track_caller]
fn shop(profile: &str) -> Shop {
    let shop = Shop::with_own_authority("127.0.0.1", "", &["p256", "rsa2048"], None);
    let set = ["database", "set", "a", "--tls", profile];
    let outcome = shop.gateway.command(&set);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    shop
}

/// One line of a scanner.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    /// `ok` needs no reason; anything else is how the scanner dislikes it.
    grade: String,
    what: String,
}

/// Preferences and forward secrecy; server defaults and vulnerabilities; which ciphers there are
/// sslscan says. Each part is a run of its own beside the other, and begins with the protocols: Debian's
/// openssl speaks none of the old ones, and what it is not told it does not find.
const PARTS: [&str; 2] = ["-p -P -f", "-p -S -U"];

fn testssl(shop: &Shop) -> Vec<Finding> {
    let parts = thread::scope(|scope| {
        let run = |part| scope.spawn(move || testssl_part(shop, part));
        let running = PARTS.map(run);
        running.map(|part| part.join().unwrap())
    });
    let mut findings: Vec<Finding> = Vec::new();
    for finding in parts.into_iter().flatten() {
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    findings
}

fn testssl_part(shop: &Shop, part: &str) -> Vec<Finding> {
    let found = shop.path().join(format!("testssl{part}.json"));
    let root = shop.root.to_str().unwrap();
    let fixed = "--quiet --warnings off --color 0 --nodns none".split(' ');
    let options = part.split(' ').chain(fixed);
    let target = format!("https://127.0.0.1:{}/", shop.port);
    let words = [
        "--add-ca",
        root,
        "--jsonfile",
        found.to_str().unwrap(),
        &target,
    ];
    let outcome = tool::run_for(SCAN, "testssl", options.chain(words), "");
    let found = fs::read_to_string(&found).unwrap_or_else(|fault| panic!("{fault}: {outcome:?}"));
    let found: Vec<Value> = serde_json::from_str(&found).unwrap();
    let text = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
    // With two certificates an id ends in the number of its own.
    let of_one_run = |id: &str| {
        OF_ONE_RUN
            .iter()
            .any(|one| id.split(' ').next() == Some(one))
    };
    let about_the_server = found.iter().filter(|one| !of_one_run(&text(one, "id")));
    about_the_server
        .map(|one| Finding {
            grade: match &*text(one, "severity") {
                "OK" | "INFO" => "ok".to_owned(),
                other => other.to_lowercase(),
            },
            what: squeezed(&format!("{}: {}", text(one, "id"), text(one, "finding"))),
        })
        .collect()
}

/// Of the scanner itself, or of the one certificate and the one day: no two runs agree.
const OF_ONE_RUN: &[&str] = &[
    "engine_problem",
    "scanTime",
    "cert",
    "cert_serialNumber",
    "cert_serialNumberLen",
    "cert_fingerprintSHA1",
    "cert_fingerprintSHA256",
    "cert_expirationStatus",
    "cert_notBefore",
    "cert_notAfter",
    "cert_commonName",
    "cert_commonName_wo_SNI",
    "cert_subjectAltName",
    "cert_caIssuers",
    "DROWN_hint",
    // Its client may leave before the ticket has come; resumption has tests of its own.
    "TLS_session_ticket",
    "SSL_sessionID_support",
    "sessionresumption_ticket",
    "sessionresumption_ID",
];

/// Everything but the certificate, which testssl.sh looks at. What it dislikes it paints.
fn sslscan(shop: &Shop) -> Vec<Finding> {
    let target = format!("127.0.0.1:{}", shop.port);
    let outcome = tool::run_for(SCAN, "sslscan", ["--no-check-certificate", &target], "");
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let mut findings = Vec::new();
    let mut section = String::new();
    for line in outcome.stdout.lines() {
        let plain = unpainted(line);
        if let Some(head) = plain
            .strip_prefix("  ")
            .and_then(|head| head.strip_suffix(':'))
        {
            section = head.to_owned();
        } else if !section.is_empty() && !plain.is_empty() && !section.contains("Compression") {
            let grade = match line {
                red if red.contains("\u{1b}[31m") => "red",
                yellow if yellow.contains("\u{1b}[33m") => "yellow",
                _ => "ok",
            };
            findings.push(Finding {
                grade: grade.to_owned(),
                what: squeezed(&format!("{section}: {plain}")),
            });
        }
    }
    assert!(!findings.is_empty(), "{outcome:?}");
    findings
}

fn unpainted(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    plain.extend(parts.filter_map(|part| Some(part.split_once('m')?.1)));
    plain
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A finding with the reason why it may be.
struct Accepted {
    finding: Finding,
    reason: Option<String>,
}

const OPEN: &str = "?";

#[track_caller]
fn judged(file: &str, found: Vec<Finding>) {
    let path = own_file("accepted").join(file);
    let text = fs::read_to_string(&path).unwrap_or_default();
    let mut accepted = read(&text);
    if std::env::var_os("BLESS").is_some() {
        accepted = blessed(&accepted, found.clone());
        fs::write(&path, written(&accepted)).unwrap();
    }
    let mut faults = String::new();
    for one in found
        .iter()
        .filter(|one| !accepted.iter().any(|known| known.finding == **one))
    {
        writeln!(faults, "  new:  {} {}", one.grade, one.what).unwrap();
    }
    for known in accepted
        .iter()
        .filter(|known| !found.contains(&known.finding))
    {
        writeln!(
            faults,
            "  gone: {} {}",
            known.finding.grade, known.finding.what
        )
        .unwrap();
    }
    for known in &accepted {
        let told = known.reason.as_deref().is_some_and(|reason| reason != OPEN);
        if !told && known.finding.grade != "ok" {
            writeln!(faults, "  without a reason: {}", known.finding.what).unwrap();
        }
    }
    assert!(
        faults.is_empty(),
        "{}:\n{faults}When this is meant: BLESS=1 with this test, then read the difference and give \
         each finding that is not ok its reason, as a line `# …` above it.",
        path.display()
    );
}

fn read(text: &str) -> Vec<Accepted> {
    let mut accepted = Vec::new();
    let mut reason = None;
    for line in text.lines() {
        if let Some(words) = line.strip_prefix("# ") {
            reason = Some(words.to_owned());
        } else if let Some((grade, what)) = line.split_once(' ') {
            let (grade, what) = (grade.to_owned(), what.to_owned());
            let finding = Finding { grade, what };
            let reason = reason.take();
            accepted.push(Accepted { finding, reason });
        }
    }
    accepted
}

/// What was found, with the reasons given so far: a finding that reads otherwise keeps its own.
fn blessed(before: &[Accepted], found: Vec<Finding>) -> Vec<Accepted> {
    let about = |finding: &Finding| {
        finding
            .what
            .split(':')
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let reason = |finding: &Finding| {
        let same = before.iter().find(|known| known.finding == *finding);
        let alike = || {
            let mut alike = before
                .iter()
                .filter(|known| about(&known.finding) == about(finding));
            alike.next().filter(|_| alike.next().is_none())
        };
        same.or_else(alike)?.reason.clone()
    };
    let with_reason = |finding: Finding| {
        let open = || (finding.grade != "ok").then(|| OPEN.to_owned());
        let reason = reason(&finding).or_else(open);
        Accepted { finding, reason }
    };
    found.into_iter().map(with_reason).collect()
}

fn written(accepted: &[Accepted]) -> String {
    let mut text = String::new();
    for Accepted { finding, reason } in accepted {
        if let Some(reason) = reason {
            writeln!(text, "# {reason}").unwrap();
        }
        writeln!(text, "{} {}", finding.grade, finding.what).unwrap();
    }
    text
}

#[test]
fn a_scan_that_differs_is_told_and_a_reason_outlives_a_blessing() {
    let finding = |grade: &str, what: &str| Finding {
        grade: grade.to_owned(),
        what: what.to_owned(),
    };
    let before = read("ok TLS1_2: offered\n# nobody asks for one\nhigh cert_revocation: none\n");
    assert_eq!(before.len(), 2);
    let found = vec![
        finding("ok", "TLS1_2: offered"),
        finding("medium", "cert_revocation: no list"),
        finding("low", "TLS1: offered"),
    ];
    let after = written(&blessed(&before, found));
    assert_eq!(
        after,
        "ok TLS1_2: offered\n# nobody asks for one\nmedium cert_revocation: no list\n# ?\nlow \
         TLS1: offered\n"
    );
    assert_eq!(
        unpainted("SSLv2 \u{1b}[32mdisabled\u{1b}[0m"),
        "SSLv2 disabled"
    );
}
