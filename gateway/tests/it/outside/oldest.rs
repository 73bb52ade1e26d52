//! Devices as old as Windows CE, played by Java's TLS with everything switched on again that it has
//! switched off since: a hello in the format of SSL 2, TLS 1.0, ciphers with RSA key exchange.

use std::fs;

use harness::tool::Outcome;
use serde_json::{Value, json};

use super::{DOCUMENT_NAME, Shop, java, json_of};

/// Java's words for it, and ours.
const TLS_1_0: (&str, &str) = ("TLSv1", "TLS 1.0");
const TLS_1_2: (&str, &str) = ("TLSv1.2", "TLS 1.2");
const SSL2_HELLO: (&str, &str) = ("SSLv2Hello,TLSv1", "TLS 1.0");

const AES: (&str, &str) = ("TLS_RSA_WITH_AES_128_CBC_SHA", "AES128-SHA");
const TRIPLE_DES: (&str, &str) = ("SSL_RSA_WITH_3DES_EDE_CBC_SHA", "DES-CBC3-SHA");

/// With both keys side by side and profile `old`, and 127.0.0.1 on the whitelist.
fn shop_for_old_devices() -> Shop {
    let shop = Shop::with_own_authority("127.0.0.1", "", &["p256", "rsa2048"], None);
    let old = ["database", "set", "a", "--tls", "old"];
    let admit = ["list", "add", "a", "whitelist", "127.0.0.1"];
    for line in [&old[..], &admit] {
        let outcome = shop.gateway.command(line);
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
    }
    shop
}

/// Logs in and reads the document.
fn visit(shop: &Shop, protocols: &str, cipher: &str) -> Outcome {
    let trust = java::truststore(shop.path(), &shop.root);
    let everything = shop.path().join("everything.properties");
    fs::write(&everything, "jdk.tls.disabledAlgorithms=\n").unwrap();
    let options = [
        format!("-Djava.security.properties={}", everything.display()),
        format!("-Dhttps.protocols={protocols}"),
        format!("-Dhttps.cipherSuites={cipher}"),
    ];
    let base = shop.base("127.0.0.1");
    java::terminal_with(options, &trust, &base, &shop.name, &shop.password, None)
}

fn tls_spoken(shop: &Shop) -> Value {
    let status = json_of(&shop.gateway, &["--json", "status", "a"]);
    let databases = status["databases"].as_array().unwrap();
    let a = databases.iter().find(|one| one["id"] == "a").unwrap();
    a["tls_spoken"].clone()
}

/// With which ciphers handshakes of this version ended.
fn agreed(spoken: &Value, version: &str) -> Vec<Value> {
    let agreed = spoken["agreed"].as_array().unwrap().iter();
    let of_version = agreed.filter(|one| one["version"] == version);
    of_version.map(|one| one["cipher"].clone()).collect()
}

#[track_caller]
fn reads_the_document(
    shop: &Shop,
    (protocols, version): (&str, &str),
    (cipher, as_we_say): (&str, &str),
) {
    let outcome = visit(shop, protocols, cipher);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.stdout.contains(DOCUMENT_NAME), "{outcome:?}");
    let spoken = tls_spoken(shop);
    assert_eq!(agreed(&spoken, version), [json!(as_we_say)], "{spoken}");
}

#[test]
fn a_device_that_greets_in_the_format_of_ssl2_reads_a_document_where_it_is_whitelisted() {
    let shop = shop_for_old_devices();
    reads_the_document(&shop, SSL2_HELLO, AES);
    let spoken = tls_spoken(&shop);
    let old = &spoken["old_clients"][0];
    assert_eq!(old["address"], "127.0.0.1", "{spoken}");
    assert_eq!(old["version"], "TLS 1.0", "{spoken}");

    let remove = ["list", "remove", "a", "whitelist", "127.0.0.1"];
    let outcome = shop.gateway.command(&remove);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let outcome = visit(&shop, SSL2_HELLO.0, AES.0);
    assert!(outcome.stderr.contains("protocol_version"), "{outcome:?}");
    // That Java has greeted so indeed.
    let why = json_of(&shop.gateway, &["--json", "why", "127.0.0.1"]);
    let failed = &why["handshakes_failed"][0];
    assert_eq!(failed["reason"], "too-old-tls", "{why}");
    assert_eq!(failed["offered"], "TLS 1.0", "{why}");
    assert_eq!(failed["in_ssl2_format"], true, "{why}");
}

/// Built with the feature `triple-des`, else it is refused.
#[test]
fn a_device_that_knows_3des_alone_reads_a_document_where_the_build_has_it() {
    let shop = shop_for_old_devices();
    if cfg!(feature = "triple-des") {
        for protocols in [TLS_1_2, TLS_1_0, SSL2_HELLO] {
            reads_the_document(&shop, protocols, TRIPLE_DES);
        }
        let spoken = tls_spoken(&shop);
        assert_eq!(spoken["old_clients"][0]["version"], "TLS 1.0", "{spoken}");
    } else {
        for (protocols, version) in [TLS_1_2, TLS_1_0] {
            let outcome = visit(&shop, protocols, TRIPLE_DES.0);
            assert!(outcome.stderr.contains("handshake_failure"), "{outcome:?}");
            let why = json_of(&shop.gateway, &["--json", "why", "127.0.0.1"]);
            let failed = &why["handshakes_failed"][0];
            assert_eq!(failed["reason"], "no-common-cipher", "{why}");
            assert_eq!(failed["offered"], version, "{why}");
        }
    }
}
