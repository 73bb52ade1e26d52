//! Clients log in and read a document when they are given the root; without it, and under a name
//! that the certificate has not, they refuse, and no request of theirs arrives.

use std::path::Path;

use harness::{
    Dial, eventually,
    tool::{self, Outcome},
};

use super::{DOCUMENT, DOCUMENT_NAME, Shop, java, own_file};
use crate::house::{encoded, session_query};

/// Where a client goes, and whom it trusts; `None`: whom the system trusts.
struct Visit<'a> {
    shop: &'a Shop,
    host: &'a str,
    root: Option<&'a Path>,
}

/// How one client makes the visit, and what it says when it does not trust the certificate, and
/// when the name is another.
struct Program {
    visit: fn(&Visit<'_>) -> Outcome,
    unknown: &'static str,
    other_name: &'static str,
}

#[test]
fn openssl_with_the_root_reads_a_document_and_without_it_does_not() {
    Program {
        visit: openssl,
        unknown: "unable to get local issuer certificate",
        other_name: "IP address mismatch",
    }
    .is_judged();
}

#[test]
fn curl_with_the_root_reads_a_document_and_without_it_does_not() {
    Program {
        visit: curl,
        unknown: "curl: (60)",
        other_name: "curl: (60)",
    }
    .is_judged();
}

#[test]
fn gnutls_with_the_root_reads_a_document_and_without_it_does_not() {
    Program {
        visit: gnutls,
        unknown: "The certificate issuer is unknown",
        other_name: "The name in the certificate does not match",
    }
    .is_judged();
}

#[test]
fn java_with_the_root_reads_a_document_and_without_it_does_not() {
    Program {
        visit: by_java,
        unknown: "PKIX path building failed",
        other_name: "No subject alternative names matching IP address 127.0.0.2 found",
    }
    .is_judged();
}

#[test]
fn python_with_the_root_reads_a_document_and_without_it_does_not() {
    Program {
        visit: |visit| script("/usr/bin/python3", "python_urllib.py", visit),
        unknown: "unable to get local issuer certificate",
        other_name: "IP address mismatch",
    }
    .is_judged();
}

#[test]
fn requests_with_the_root_read_a_document_and_without_it_do_not() {
    Program {
        visit: |visit| script("/usr/bin/python3", "python_requests.py", visit),
        unknown: "unable to get local issuer certificate",
        other_name: "hostname '127.0.0.2' doesn't match",
    }
    .is_judged();
}

#[test]
fn node_with_the_root_reads_a_document_and_without_it_does_not() {
    Program {
        visit: |visit| script("node", "node.js", visit),
        unknown: "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
        other_name: "ERR_TLS_CERT_ALTNAME_INVALID",
    }
    .is_judged();
}

#[test]
fn node_with_the_root_in_its_environment_reads_a_document_and_without_it_does_not() {
    Program {
        visit: node_by_environment,
        unknown: "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
        other_name: "ERR_TLS_CERT_ALTNAME_INVALID",
    }
    .is_judged();
}

impl Program {
    #[track_caller]
    fn is_judged(&self) {
        self.is_judged_at(&Shop::open());
        self.is_judged_at(&Shop::with_own_authority("0.0.0.0", "", &["p256"], None));
    }

    #[track_caller]
    fn is_judged_at(&self, shop: &Shop) {
        for host in ["127.0.0.1", "localhost"] {
            let root = Some(&*shop.root);
            let outcome = (self.visit)(&Visit { shop, host, root });
            assert_eq!(outcome.code, Some(0), "{host}: {outcome:?}");
            assert!(outcome.stdout.contains(DOCUMENT_NAME), "{outcome:?}");
        }
        let before = requests(shop);
        for (host, root, words) in [
            ("127.0.0.1", None, self.unknown),
            ("localhost", None, self.unknown),
            ("127.0.0.2", Some(&*shop.root), self.other_name),
        ] {
            let outcome = (self.visit)(&Visit { shop, host, root });
            let said = format!("{}{}", outcome.stdout, outcome.stderr);
            assert_ne!(outcome.code, Some(0), "{host}: {said}");
            assert!(said.contains(words), "{host}: {said}");
            assert!(!said.contains(DOCUMENT_NAME), "{host}: {said}");
        }
        assert_eq!(requests(shop), before, "no login, and no other request");
    }
}

/// How many requests the gateway has answered; the line of a last one of the test's own says that
/// all before it are written.
fn requests(shop: &Shop) -> usize {
    let dial = Dial::tls(([127, 0, 0, 1], shop.port).into(), &shop.root);
    let answer = dial.get("/", &[]);
    let id = answer.header("x-request-id").unwrap();
    let log = eventually(harness::DEADLINE, "the line of the last request", || {
        let log = shop.gateway.log();
        log.contains(id).then_some(log)
    });
    let own = "\"path\":\"/\"";
    let all = log
        .lines()
        .filter(|line| line.contains("\"target\":\"request\""));
    all.filter(|line| !line.contains(own)).count()
}

/// A script takes the base, the credentials, the document and, where there is one, the root.
fn script(interpreter: &str, name: &str, visit: &Visit<'_>) -> Outcome {
    let mut arguments = vec![own_file("programs").join(name).display().to_string()];
    arguments.extend(visit.errand());
    arguments.extend(visit.root.map(|root| root.display().to_string()));
    tool::run(interpreter, arguments, "")
}

fn node_by_environment(visit: &Visit<'_>) -> Outcome {
    let root = visit.root.map(Path::display);
    let root = root.map(|root| format!("NODE_EXTRA_CA_CERTS={root}"));
    let script = own_file("programs/node.js").display().to_string();
    let words = root.into_iter().chain(["node".to_owned(), script]);
    tool::run("env", words.chain(visit.errand()), "")
}

/// The root goes into a fresh truststore by keytool; without one, Java's own is asked.
fn by_java(visit: &Visit<'_>) -> Outcome {
    let shop = visit.shop;
    let trust = match visit.root {
        Some(root) => java::truststore(shop.path(), root),
        None => java::Trust::System,
    };
    let base = shop.base(visit.host);
    java::terminal(&trust, &base, &shop.name, &shop.password, None)
}

fn curl(visit: &Visit<'_>) -> Outcome {
    visit.by_hand(|target, token| {
        let port = visit.shop.port;
        let url = format!("https://{}:{port}{target}", visit.host);
        let mut words = ["-sS", "--noproxy", "*", "--globoff", &url]
            .map(str::to_owned)
            .to_vec();
        if let Some(root) = visit.root {
            words.extend(["--cacert".to_owned(), root.display().to_string()]);
        }
        if let Some(token) = token {
            words.extend(["-H".to_owned(), format!("Authorization: Bearer {token}")]);
        }
        tool::run("curl", words, "")
    })
}

fn openssl(visit: &Visit<'_>) -> Outcome {
    let address = format!("{}:{}", visit.host, visit.shop.port);
    let named = match visit.host.parse::<std::net::IpAddr>() {
        Ok(_) => "-verify_ip",
        Err(_) => "-verify_hostname",
    };
    let root = visit.root.map(|root| root.to_str().unwrap());
    let trusted: Vec<&str> = root.map_or_else(Vec::new, |root| vec!["-CAfile", root]);
    let strict = ["-verify_return_error", "-ign_eof", named, visit.host];
    let options = [&strict[..], &trusted].concat();
    visit.by_hand(|target, token| {
        tool::s_client(&address, &options, &request(visit.host, target, token))
    })
}

fn gnutls(visit: &Visit<'_>) -> Outcome {
    let port = visit.shop.port.to_string();
    let root = visit.root.map(|root| root.to_str().unwrap());
    let trusted: Vec<&str> = root.map_or_else(Vec::new, |root| vec!["--x509cafile", root]);
    let options = [&["-p", &port, visit.host][..], &trusted].concat();
    visit.by_hand(|target, token| {
        tool::converse("gnutls-cli", &options, &request(visit.host, target, token))
    })
}

fn request(host: &str, target: &str, token: Option<&str>) -> String {
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
    let authorization = authorization.unwrap_or_default();
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{authorization}Connection: close\r\n\r\n")
}

impl Visit<'_> {
    /// What a script is told.
    fn errand(&self) -> [String; 4] {
        let shop = self.shop;
        [
            shop.base(self.host),
            shop.name.clone(),
            shop.password.clone(),
            DOCUMENT.to_owned(),
        ]
    }

    /// For a program that makes one request at a time: it logs in, then reads with the token.
    fn by_hand(&self, ask: impl Fn(&str, Option<&str>) -> Outcome) -> Outcome {
        let login = ask(&session_query(&self.shop.name, &self.shop.password), None);
        let token = login.stdout.split("\"Access_token\":\"").nth(1);
        let Some(token) = token.and_then(|rest| rest.split('"').next()) else {
            return login;
        };
        let document = format!("/api/v1/Docs({})", encoded(&format!("'{DOCUMENT}'")));
        ask(&document, Some(token))
    }
}
