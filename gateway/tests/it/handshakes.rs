//! Every failed handshake, made by a real client: counted by its reason, logged with what the client
//! showed of itself, and told by `gateway why` with the way out.

use std::{
    io::{Read, Write},
    net::SocketAddr,
};

use harness::{
    Authority, DEADLINE, Database, Dial, RecordingUpstream, eventually,
    tool::{self, Outcome},
};
use serde_json::Value;

use crate::{
    house::{House, Plan},
    tls::{install, ssl2_hello},
};

/// A database `a` over https, whose certificate names one host and one address.
struct Visited {
    house: House,
    authority: Authority,
    _upstream: RecordingUpstream,
}

impl Visited {
    fn open() -> Self {
        Self::with_names(&["gate.example", "127.0.0.1"])
    }

    fn with_names(names: &[&str]) -> Self {
        let upstream = RecordingUpstream::ok();
        let plan = Plan::new();
        let authority = Authority::new(plan.path());
        let certificate = authority.issue("server", names);
        let house = plan
            .with(Database {
                https: true,
                certificate: Some(certificate),
                ..Database::new("a", upstream.url())
            })
            .start();
        Self {
            house,
            authority,
            _upstream: upstream,
        }
    }

    fn address(&self) -> SocketAddr {
        self.house.address("a")
    }

    fn root(&self) -> &str {
        self.authority.file().to_str().unwrap()
    }

    /// curl from `client`, as `host` calls the server.
    fn curl(&self, client: &str, host: &str, more: &[&str]) -> Outcome {
        let port = self.address().port();
        let resolve = format!("{host}:{port}:127.0.0.1");
        let url = format!("https://{host}:{port}/");
        let fixed = [
            "-sS",
            "--noproxy",
            "*",
            "--interface",
            client,
            "--resolve",
            &resolve,
            &url,
        ];
        let all = fixed.into_iter().chain(more.iter().copied());
        tool::run("curl", all, "")
    }

    fn s_client(&self, client: &str, more: &[&str]) -> Outcome {
        let bind = format!("{client}:0");
        let all: Vec<&str> = ["-bind", &bind]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        tool::s_client(&self.address().to_string(), &all, "Q\n")
    }

    fn metrics(&self) -> String {
        Dial::plain(self.house.metrics_address())
            .get("/metrics", &[])
            .text()
    }

    /// Waits until `client` is told this reason as his newest, and counted.
    #[track_caller]
    fn told(&self, client: &str, reason: &str) -> Value {
        let report = eventually(DEADLINE, reason, || {
            let outcome = self.house.command(&["why", client, "--json"]);
            assert_eq!(outcome.code, Some(0), "{outcome:?}");
            let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
            (report["handshakes_failed"][0]["reason"] == reason).then_some(report)
        });
        let counted = format!("handshakes_failed_total{{database=\"a\",reason=\"{reason}\"}}");
        assert!(self.metrics().contains(&counted), "{}", self.metrics());
        report
    }

    /// As [`Self::told`], and in the log with all of `words`; returns what to do.
    #[track_caller]
    fn logged(&self, client: &str, reason: &str, words: &[&str]) -> String {
        let report = self.told(client, reason);
        let reason = format!("\"reason\":\"{reason}\"");
        let mut all = vec!["TLS handshake failed", &reason, client];
        all.extend(words);
        self.house.logged(&all);
        let sentences = report["conclusion"].as_array().unwrap();
        let sentences: Vec<&str> = sentences.iter().filter_map(Value::as_str).collect();
        sentences.join("\n")
    }
}

#[track_caller]
fn says(advice: &str, words: &[&str]) {
    for word in words {
        assert!(advice.contains(word), "{word} in {advice}");
    }
}

#[test]
fn what_a_client_minds_in_the_certificate_is_told_by_its_alert_the_name_and_the_clock() {
    let visited = Visited::open();
    let root = ["--cacert", visited.root()];
    let good = visited.curl("127.0.9.1", "gate.example", &root);
    assert_eq!(good.code, Some(0), "{good:?}");

    let _refused = visited.curl("127.0.9.2", "gate.example", &[]);
    let advice = visited.logged("127.0.9.2", "unknown-authority", &["gate.example"]);
    says(&advice, &["gateway cert page"]);

    let _refused = visited.curl("127.0.9.3", "shop.example", &root);
    let advice = visited.logged("127.0.9.3", "name-mismatch", &["\"shop.example\""]);
    says(&advice, &["«shop.example»", "gateway status"]);

    // OpenSSL itself has an alert for it.
    let strict = ["-CAfile", visited.root(), "-verify_return_error"];
    let name = [
        "-servername",
        "shop.example",
        "-verify_hostname",
        "shop.example",
    ];
    let _refused = visited.s_client("127.0.9.4", &[&strict[..], &name].concat());
    visited.logged("127.0.9.4", "name-mismatch", &["\"shop.example\""]);

    let address = visited.address().port().to_string();
    let url = format!("https://gate.example:{address}/");
    let resolve = format!("gate.example:{address}:127.0.0.1");
    let later = [
        "FAKETIME_DONT_FAKE_MONOTONIC=1",
        "faketime",
        "-f",
        "+60d",
        "curl",
        "-sS",
        "--interface",
        "127.0.9.5",
        "--resolve",
        &resolve,
        &url,
    ];
    let all = later.iter().chain(&root).copied();
    let _refused = tool::run("env", all, "");
    let advice = visited.logged("127.0.9.5", "certificate-expired", &[]);
    says(&advice, &["дату, время и часовой пояс"]);

    let served = visited.house.command(&["why", "127.0.9.1", "--json"]);
    let served: Value = serde_json::from_str(&served.stdout).unwrap();
    assert_eq!(served["handshakes_failed"], Value::Array(Vec::new()));
}

#[test]
fn a_device_that_dials_an_address_which_the_certificate_lacks_is_told_so() {
    let visited = Visited::with_names(&["gate.example"]);
    let address = ["-noservername", "-verify_ip", "127.0.0.1"];
    let strict = ["-CAfile", visited.root(), "-verify_return_error"];
    let _refused = visited.s_client("127.0.9.1", &[&address[..], &strict].concat());
    visited.logged("127.0.9.1", "name-mismatch", &[]);
}

#[test]
fn of_two_certificates_side_by_side_the_one_that_was_shown_is_judged() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::new();
    let authority = Authority::new(plan.path());
    let with_address = authority.issue("with", &["gate.example", "127.0.0.1"]);
    let without = authority.issue_rsa("without", &["gate.example"]);
    install(&plan.front.data, &[&with_address, &without]);
    let database = Database {
        https: true,
        ..Database::new("a", upstream.url())
    };
    let visited = Visited {
        house: plan.with(database).start(),
        authority,
        _upstream: upstream,
    };
    let address = ["-noservername", "-verify_ip", "127.0.0.1"];
    let strict = ["-CAfile", visited.root(), "-verify_return_error"];
    let asks = [&address[..], &strict].concat();
    let good = visited.s_client("127.0.9.2", &asks);
    assert!(good.stdout.contains("Verification: OK"), "{good:?}");
    let rsa = ["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"];
    let _refused = visited.s_client("127.0.9.1", &[&asks[..], &rsa].concat());
    visited.logged("127.0.9.1", "name-mismatch", &[]);
}

#[test]
fn old_tls_and_ciphers_that_nobody_shares_are_told_with_what_was_offered() {
    let visited = Visited::open();
    let old = ["-tls1", "-cipher", "ALL:@SECLEVEL=0"];
    let _refused = visited.s_client("127.0.9.1", &old);
    let advice = visited.logged("127.0.9.1", "too-old-tls", &["\"TLS 1.0\""]);
    says(&advice, &["TLS 1.0", "TLS 1.2"]);
    let told = visited.house.command(&["why", "127.0.9.1"]);
    says(&told.stdout, &["(TLS 1.0)"]);

    let cipher = ["-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA"];
    let _refused = visited.s_client("127.0.9.2", &cipher);
    let advice = visited.logged("127.0.9.2", "no-common-cipher", &["\"TLS 1.2\""]);
    says(&advice, &["RSA"]);

    let protocol = ["-alpn", "h2"];
    let _refused = visited.s_client("127.0.9.3", &protocol);
    visited.logged("127.0.9.3", "no-common-protocol", &["\"TLS 1.3\""]);
}

/// A program on .NET calls anything but TLS "unexpected", and an alert by its name.
#[test]
fn a_hello_in_the_format_of_ssl2_is_refused_by_an_alert_and_told_as_too_old() {
    const PROTOCOL_VERSION: [u8; 2] = [2, 70];
    let visited = Visited::open();
    let answer = |client, version| {
        let dial = Dial::plain(visited.address()).from([127, 0, 9, client]);
        let mut tcp = dial.try_tcp().unwrap();
        tcp.write_all(&ssl2_hello(version)).unwrap();
        let mut answer = Vec::new();
        tcp.read_to_end(&mut answer).unwrap();
        answer
    };
    assert_eq!(
        answer(1, 0x0301),
        [&[0x15, 3, 1, 0, 2], &PROTOCOL_VERSION[..]].concat()
    );
    let advice = visited.logged("127.0.9.1", "too-old-tls", &["\"TLS 1.0\""]);
    says(&advice, &["SSL 2", "Windows CE", "TLS 1.0", "TLS old"]);
    // SSL 2 itself, which no profile speaks.
    let refused = answer(2, 0x0002);
    assert!(refused.ends_with(&PROTOCOL_VERSION), "{refused:?}");
    let advice = visited.logged("127.0.9.2", "too-old-tls", &["\"SSL 2.0\""]);
    says(&advice, &["SSL 2.0", "ни в одном профиле"]);
    assert!(!advice.contains("белый список"), "{advice}");
    let metrics = visited.metrics();
    assert!(!metrics.contains("reason=\"not-tls\""), "{metrics}");
}

/// As programs on .NET do: the handshake is completed, then the certificate looked at. GnuTLS can be
/// told to send any alert.
const AN_ALERT_AFTER_THE_HANDSHAKE: &str = r#"
import ctypes, socket, sys
host, port, priority, alert = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
tls = ctypes.CDLL("libgnutls.so.30")
connection = socket.create_connection(("127.0.0.1", port), source_address=(host, 0))
session, credentials = ctypes.c_void_p(), ctypes.c_void_p()
tls.gnutls_certificate_allocate_credentials(ctypes.byref(credentials))
tls.gnutls_init(ctypes.byref(session), 2)
assert tls.gnutls_priority_set_direct(session, priority.encode(), None) == 0
tls.gnutls_credentials_set(session, 1, credentials)
tls.gnutls_server_name_set(session, 1, b"gate.example", 12)
tls.gnutls_transport_set_int2(session, connection.fileno(), connection.fileno())
assert tls.gnutls_handshake(session) == 0
assert tls.gnutls_alert_send(session, 2, alert) == 0
connection.close()
"#;

#[test]
fn an_alert_that_comes_in_place_of_the_first_request_is_a_failed_handshake_and_no_request() {
    let visited = Visited::open();
    let port = visited.address().port().to_string();
    for (client, version, alert, reason) in [
        ("127.0.9.1", "1.3", "48", "unknown-authority"),
        ("127.0.9.2", "1.2", "48", "unknown-authority"),
        ("127.0.9.3", "1.3", "46", "certificate-not-accepted"),
    ] {
        let priority = format!("NORMAL:-VERS-ALL:+VERS-TLS{version}");
        tool::python(
            AN_ALERT_AFTER_THE_HANDSHAKE,
            &[client, &port, &priority, alert],
        );
        visited.logged(client, reason, &["gate.example"]);
    }
    assert!(!visited.metrics().contains("requests_total{"));

    // Without an alert it may be a browser's spare connection, or a program that minds and is silent.
    drop(
        Dial::tls_blindly(visited.address())
            .from([127, 0, 9, 4])
            .open(),
    );
    visited.logged("127.0.9.4", "left-after-handshake", &[]);
}

#[test]
fn whoever_speaks_no_tls_is_told_apart_and_noise_is_counted_and_not_logged() {
    let visited = Visited::open();
    let dial = |client| Dial::plain(visited.address()).from([127, 0, 9, client]);
    let send = |client, bytes: &[u8]| {
        let mut tcp = dial(client).try_tcp().unwrap();
        tcp.write_all(bytes).unwrap();
        tcp.shutdown(std::net::Shutdown::Write).unwrap();
        drop(tcp);
    };
    send(1, b"\x16\x03\x01\x00\x05hello");
    visited.told("127.0.9.1", "garbage");
    drop(dial(2).try_tcp().unwrap());
    visited.told("127.0.9.2", "closed-at-once");
    send(3, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    visited.logged("127.0.9.3", "client-gone", &["\"TLS 1.2\""]);
    let counted = |reason: &str, times: u32| {
        let counted =
            format!("handshakes_failed_total{{database=\"a\",reason=\"{reason}\"}} {times}\n");
        eventually(DEADLINE, reason, || {
            visited.metrics().contains(&counted).then_some(())
        });
    };
    counted("garbage", 1);
    send(4, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    counted("plain-http", 1);
    send(5, b"\x80\x2e\x01\x41\x42");
    counted("garbage", 2);
    let log = visited.house.log();
    assert!(
        !log.contains("garbage") && !log.contains("closed-at-once"),
        "{log}"
    );
}

#[test]
fn silence_is_told_from_a_handshake_that_does_not_come_to_its_end() {
    let visited = Visited::open();
    let dial = |client| Dial::plain(visited.address()).from([127, 0, 9, client]);
    let _silent = dial(1).try_tcp().unwrap();
    let mut half = dial(2).try_tcp().unwrap();
    half.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        .unwrap();
    visited.told("127.0.9.1", "silent");
    visited.logged("127.0.9.2", "timed-out", &["\"TLS 1.2\""]);
}

#[test]
fn a_terminal_that_fails_all_day_has_ten_lines_a_minute_and_an_exact_count() {
    let visited = Visited::open();
    for _ in 0..25 {
        drop(
            Dial::tls_blindly(visited.address())
                .from([127, 0, 9, 1])
                .open(),
        );
    }
    let counted = "reason=\"left-after-handshake\"} 25";
    eventually(DEADLINE, "all are counted", || {
        visited.metrics().contains(counted).then_some(())
    });
    let log = visited.house.log();
    let lines = log
        .lines()
        .filter(|line| line.contains("TLS handshake failed"));
    // A minute may have turned in between.
    assert!((10..=20).contains(&lines.count()), "{log}");
}
