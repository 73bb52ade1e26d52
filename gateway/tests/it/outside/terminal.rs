//! A terminal's whole way, with Java's TLS: nothing is trusted, the page is opened, the root taken
//! from it and compared, the code scanned, and then a document is read and one sent.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use harness::{
    Dial, qr,
    tool::{self, Outcome},
};
use openssl::{hash::MessageDigest, x509::X509};

use super::{
    DOCUMENT_NAME, Shop,
    java::{self, Trust},
    own_file,
};
use crate::house::{bearer, log_in};

const SENT: &str = "from-the-terminal";

#[test]
fn a_terminal_goes_from_the_page_to_a_document_sent_with_the_test_certificate() {
    goes_the_whole_way(&Shop::with_test_certificate(
        "certificate_page: {port: 0}\n",
    ));
}

#[test]
fn a_terminal_goes_from_the_page_to_a_document_sent_with_our_own_authority() {
    let page = "certificate_page: {port: 0}\n";
    goes_the_whole_way(&Shop::with_own_authority(
        "127.0.0.1",
        page,
        &["p256"],
        None,
    ));
}

/// The page's own script, in node: the same requests as in a browser, and another's TLS.
#[test]
fn the_pages_button_says_that_the_device_trusts_or_why_it_does_not() {
    let page = "certificate_page: {port: 0}\n";
    let shop = Shop::with_own_authority("127.0.0.1", page, &["p256"], None);
    let page = Page::open(&shop);
    let script = own_file("programs/page.js").display().to_string();
    let root = format!("NODE_EXTRA_CA_CERTS={}", shop.root.display());
    let pressed = |words: &[&str]| {
        let outcome = tool::run("env", words.iter().chain(&["node", &script, &page.url]), "");
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        outcome.stdout
    };
    assert_eq!(pressed(&[&root]), "good: This device trusts the server.\n");
    let said = pressed(&[]);
    let (verdict, why) = said.split_at("bad: This device does not trust the server. ".len());
    assert_eq!(verdict, "bad: This device does not trust the server. ");
    assert!(why.contains("step 1"), "{said}");
}

fn goes_the_whole_way(shop: &Shop) {
    let operator = ["--group", "1", "--name", "Иванов", "--password-stdin"];
    let add = ["user", "add", "a", "--id", "hand"];
    let added = shop
        .gateway
        .command_with(&[&add[..], &operator].concat(), "слово-терминала\n");
    assert_eq!(added.code, Some(0), "{added:?}");

    let page = Page::open(shop);
    let connection = page.scanned("a");
    let base = format!("{connection}/api/v1");
    let visit =
        |trust: &Trust, sent| java::terminal(trust, &base, "Иванов", "слово-терминала", sent);
    let refused = |outcome: &Outcome| outcome.stderr.contains("SSLHandshakeException");

    // Before the root is installed, and after the system's other roots were asked.
    let outcome = visit(&Trust::System, None);
    assert!(refused(&outcome), "{outcome:?}");
    let told = page.self_test();
    assert!(!told.is_empty(), "the page says why");

    // The fingerprint is that of the server's own screen, else it is another's root.
    let root = page.root(shop.path());
    let thumbprint = X509::from_der(&fs::read(&root).unwrap()).unwrap();
    let thumbprint = hex(&thumbprint.digest(MessageDigest::sha256()).unwrap());
    assert_eq!(thumbprint, shop.fingerprint);
    let trust = java::truststore(shop.path(), &root);
    let outcome = visit(&trust, Some(SENT));
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.stdout.contains(DOCUMENT_NAME), "{outcome:?}");

    let office = Dial::tls(([127, 0, 0, 1], shop.port).into(), &shop.root);
    let token = bearer(&log_in(&office, &shop.name, &shop.password));
    let target = format!("/api/v1/Docs('{SENT}')?$expand=currentItems");
    let arrived = office.get(&target, &[("Authorization", &token)]);
    assert_eq!(arrived.status(), 200, "{}", arrived.text());
    assert_eq!(arrived.json()["currentItems"][0]["currentQuantity"], 3);
}

/// The page for terminals, as a browser has it.
struct Page {
    url: String,
    html: String,
}

impl Page {
    #[track_caller]
    fn open(shop: &Shop) -> Self {
        let address: SocketAddr = shop.gateway.status()["certificate_page"]["address"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        let url = format!("http://127.0.0.1:{}", address.port());
        let (status, html) = tool::curl([format!("{url}/?lang=en")]);
        assert_eq!(status, 200, "{html}");
        Self { url, html }
    }

    /// What a camera reads of the code for a database.
    #[track_caller]
    fn scanned(&self, id: &str) -> String {
        let codes = qr::texts(&self.html);
        let end = format!("/{id}");
        let code = codes.iter().find(|code| code.ends_with(&end));
        code.unwrap_or_else(|| panic!("{id} in {codes:?}")).clone()
    }

    /// The root, from the link that the page offers.
    #[track_caller]
    fn root(&self, folder: &Path) -> PathBuf {
        let mut links = self.html.split("href=\"").skip(1);
        let link = links.find_map(|rest| {
            let link = rest.split('"').next()?;
            link.ends_with(".cer").then_some(link)
        });
        let file = folder.join("downloaded.cer");
        let url = format!("{}{}", self.url, link.unwrap());
        let got = tool::curl(["-o", file.to_str().unwrap(), &url]);
        assert_eq!(got.0, 200, "{got:?}");
        file
    }

    /// Why this device's last try failed, in the gateway's words.
    #[track_caller]
    fn self_test(&self) -> String {
        let since = self.html.split("data-since=\"").nth(1).unwrap();
        let since = since.split('"').next().unwrap();
        let url = format!("{}/self-test.json?lang=en&since={since}", self.url);
        harness::eventually(harness::DEADLINE, "the failure is remembered", || {
            let told: serde_json::Value = serde_json::from_str(&tool::curl([&url]).1).ok()?;
            Some(told["words"].as_str()?.to_owned())
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
