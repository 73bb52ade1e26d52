//! Devices as old as Windows CE, played by Java's TLS with everything switched on again that it has
//! switched off since: a hello in the format of SSL 2, TLS 1.0, ciphers with RSA key exchange.

use std::fs;

use harness::tool::Outcome;
use serde_json::{Value, json};

use super::{DOCUMENT_NAME, Shop, java, json_of};

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

/// What handshakes agreed on, of the old device's version.
fn agreed(shop: &Shop) -> Vec<Value> {
    let status = json_of(&shop.gateway, &["--json", "status", "a"]);
    let databases = status["databases"].as_array().unwrap();
    let a = databases.iter().find(|one| one["id"] == "a").unwrap();
    let agreed = a["tls_spoken"]["agreed"].as_array().unwrap();
    let old = agreed.iter().filter(|one| one["version"] == "TLS 1.0");
    old.map(|one| one["cipher"].clone()).collect()
}

#[track_caller]
fn reads_the_document(shop: &Shop, protocols: &str, (cipher, as_we_say): (&str, &str)) {
    let outcome = visit(shop, protocols, cipher);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.stdout.contains(DOCUMENT_NAME), "{outcome:?}");
    assert_eq!(agreed(shop), [json!(as_we_say)]);
}

#[test]
fn a_device_that_greets_in_the_format_of_ssl2_reads_a_document_where_it_is_whitelisted() {
    const PROTOCOLS: &str = "SSLv2Hello,TLSv1";
    let shop = shop_for_old_devices();
    reads_the_document(&shop, PROTOCOLS, AES);

    let remove = ["list", "remove", "a", "whitelist", "127.0.0.1"];
    let outcome = shop.gateway.command(&remove);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let outcome = visit(&shop, PROTOCOLS, AES.0);
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
        for protocols in ["TLSv1", "SSLv2Hello,TLSv1"] {
            reads_the_document(&shop, protocols, TRIPLE_DES);
        }
    } else {
        let outcome = visit(&shop, "TLSv1", TRIPLE_DES.0);
        assert!(outcome.stderr.contains("handshake_failure"), "{outcome:?}");
        let why = json_of(&shop.gateway, &["--json", "why", "127.0.0.1"]);
        let failed = &why["handshakes_failed"][0];
        assert_eq!(failed["reason"], "no-common-cipher", "{why}");
    }
}
