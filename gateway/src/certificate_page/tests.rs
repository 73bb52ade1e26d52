use gateway_certificates::{Certificate, Pair};
use harness::{Authority, qr, tempdir, tool};

use super::*;
use crate::certificates::{InUse, Origin};

const HOSTILE: &str = "<script>alert(1)</script>&\"'";

/// A certificate for these names, made for this test.
fn served(names: &[&str]) -> Served {
    let wish = gateway_certificates::plan::Wish {
        names: names.iter().map(|name| name.parse().unwrap()).collect(),
        keys: vec![gateway_certificates::KeyKind::P256],
    };
    let pairs = gateway_certificates::make::self_signed(&wish).unwrap();
    in_use(pairs)
}

fn in_use(pairs: Vec<Pair>) -> Served {
    Ok(Arc::new(InUse {
        certificate: Certificate::new(pairs).unwrap(),
        file: "test.pem".into(),
        origin: Origin::Test,
    }))
}

fn port(number: u16, certificate: &Served) -> Port {
    Port::new(number, true, certificate, None)
}

fn database(id: &str, name: &str, own: Option<Port>) -> Database {
    Database {
        id: id.parse().unwrap(),
        name: name.to_owned(),
        https: true,
        port: own,
    }
}

fn shop() -> Notice {
    let certificate = served(&["localhost", "192.0.2.7"]);
    let id = "21e6d501-e8c1-44e0-b0cd-f30a369b1822";
    Notice {
        machine: Vec::new(),
        server: Some(port(10501, &certificate)),
        databases: vec![database(id, HOSTILE, Some(port(9706, &certificate)))],
    }
}

fn page(notice: &Notice, host: &str) -> String {
    as_file(notice, None, Some(host.parse().unwrap()), Language::En).0
}

#[test]
fn the_code_says_exactly_the_connection_string() {
    let expected = "https://192.0.2.7:10501/21e6d501-e8c1-44e0-b0cd-f30a369b1822";
    assert_eq!(qr::texts(&page(&shop(), "192.0.2.7")), [expected]);
    let by_v6 = page(&shop(), "2001:db8::7");
    let expected = "https://[2001:db8::7]:10501/21e6d501-e8c1-44e0-b0cd-f30a369b1822";
    assert_eq!(qr::texts(&by_v6), [expected]);
}

#[test]
fn a_database_that_the_server_port_does_not_serve_is_reached_by_its_own() {
    let mut notice = shop();
    notice.server = None;
    assert_eq!(
        qr::texts(&page(&notice, "192.0.2.7")),
        ["https://192.0.2.7:9706"]
    );
    let certificate = served(&["192.0.2.7"]);
    notice.server = Some(Port::new(10501, false, &certificate, None));
    assert_eq!(
        qr::texts(&page(&notice, "192.0.2.7")),
        ["https://192.0.2.7:9706"]
    );
    notice.databases[0].port = None;
    let closed = page(&notice, "192.0.2.7");
    assert!(qr::texts(&closed).is_empty());
    assert!(
        closed.contains("ports of the database are closed"),
        "{closed}"
    );
}

#[test]
fn whatever_a_database_is_called_stays_text() {
    for language in Language::ALL {
        let page = as_file(&shop(), None, None, language).0;
        assert!(
            page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;"),
            "{page}"
        );
        assert!(!page.contains("alert(1)</script>"), "{page}");
    }
}

#[test]
fn a_test_certificate_is_called_one_and_offered_to_no_phone() {
    let page = page(&shop(), "192.0.2.7");
    assert!(page.contains("This is a test certificate"), "{page}");
    assert!(page.contains("days left: 39"), "{page}");
    assert!(page.contains("smarts-gateway.cer"), "{page}");
    for phones in ["smarts-gateway.mobileconfig", "Certificate Trust Settings"] {
        assert!(!page.contains(phones), "{phones} in {page}");
    }
}

#[test]
fn under_our_own_authority_its_root_is_what_is_handed_out() {
    let folder = tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let issued = authority.issue("gate", &["192.0.2.7"]);
    let chain = std::fs::read(&issued.chain).unwrap();
    let pair = Pair::from_pem(&chain, &std::fs::read(&issued.key).unwrap()).unwrap();
    let root = X509::from_pem(&std::fs::read(authority.file()).unwrap()).unwrap();
    let certificate = in_use(vec![pair]);

    let ours = Trust::of(&certificate, Some(&root));
    let Trust::Root(anchor) = &ours else {
        panic!("{ours:?}");
    };
    assert_eq!(anchor.file(Format::Cer), Some(root.to_der().unwrap()));
    assert_eq!(anchor.file(Format::Crt), anchor.file(Format::Cer));
    let pem = anchor.file(Format::Pem).unwrap();
    assert_eq!(X509::from_pem(&pem).unwrap(), root);

    let profile = folder.path().join("profile");
    std::fs::write(&profile, anchor.file(Format::Mobileconfig).unwrap()).unwrap();
    let read = "import plistlib, sys
profile = plistlib.load(open(sys.argv[1], 'rb'))
payload, = profile['PayloadContent']
assert payload['PayloadType'] == 'com.apple.security.root', payload
assert profile['PayloadUUID'] != payload['PayloadUUID']
sys.stdout.write(payload['PayloadContent'].hex())";
    let read = tool::run("python3", ["-c", read, profile.to_str().unwrap()], "");
    assert_eq!(read.stdout, hex::encode(root.to_der().unwrap()), "{read:?}");

    let stranger = Trust::of(&certificate, None);
    assert!(matches!(stranger, Trust::Known { .. }), "{stranger:?}");
}

#[test]
fn a_root_comes_in_every_form_with_the_steps_for_every_system_in_both_languages() {
    let folder = tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let issued = authority.issue("gate", &["192.0.2.7"]);
    let [chain, key] = [issued.chain, issued.key].map(|file| std::fs::read(file).unwrap());
    let root = X509::from_pem(&std::fs::read(authority.file()).unwrap()).unwrap();
    let certificate = in_use(vec![Pair::from_pem(&chain, &key).unwrap()]);
    let notice = Notice {
        server: Some(Port::new(10501, true, &certificate, Some(&root))),
        ..shop()
    };
    // The system, and a step that nobody finds by himself there.
    let steps = [
        ("Android 7", ["“CA certificate”", "«Сертификат ЦС»"]),
        ("Android 4–6", ["“VPN and apps”", "«VPN и приложения»"]),
        (
            "iPhone",
            ["“Certificate Trust Settings”", "«Доверие сертификатам»"],
        ),
        (
            "Windows",
            ["certutil -addstore -f Root", "certutil -addstore -f Root"],
        ),
        (
            "Windows CE",
            ["“Trusted Authorities”", "«Доверенные центры»"],
        ),
    ];
    for (place, language) in [Language::En, Language::Ru].into_iter().enumerate() {
        let page = as_file(&notice, None, None, language).0;
        for format in ["cer", "crt", "pem", "mobileconfig"] {
            let link = format!("download=\"smarts-gateway.{format}\"");
            assert!(page.contains(&link), "{format} in {page}");
        }
        let told: Vec<&str> = page.split("<details>").skip(1).collect();
        for (system, step) in steps {
            let begin = format!("<summary>{system}");
            let mut told = told.iter().filter(|told| told.starts_with(&begin));
            assert!(
                told.any(|told| told.contains(step[place])),
                "{system}: {page}"
            );
        }
    }
}

#[test]
fn the_fingerprint_is_read_in_numbered_lines_of_four_groups() {
    let notice = shop();
    let Trust::Itself(anchor) = &notice.server.as_ref().unwrap().trust else {
        panic!("signed by itself");
    };
    let sha256 = &anchor.sha256;
    let page = page(&notice, "192.0.2.7");
    let digits: Vec<char> = sha256.chars().collect();
    for line in digits.chunks(16) {
        let groups: Vec<String> = line.chunks(4).map(String::from_iter).collect();
        let groups = groups.join(" ");
        assert!(page.contains(&format!("<li>{groups}</li>")), "{groups}");
    }
}

#[test]
fn a_host_that_no_certificate_names_is_warned_of() {
    assert!(page(&shop(), "203.0.113.1").contains("203.0.113.1, under which"));
    assert!(!page(&shop(), "192.0.2.7").contains("under which this page is open"));
}

#[test]
fn an_unusable_certificate_is_told_and_plain_http_too() {
    let fault = crate::certificates::CertificateFault::NotYet {
        file: "x".into(),
        begin: 0,
    };
    let mut notice = shop();
    notice.server = Some(port(10501, &Err(Arc::new(fault))));
    assert!(page(&notice, "192.0.2.7").contains("no usable certificate"));
    for one in notice.databases.iter_mut() {
        one.https = false;
        one.port = None;
    }
    notice.server = Some(Port::new(10501, false, &served(&["192.0.2.7"]), None));
    let plain = page(&notice, "192.0.2.7");
    assert!(plain.contains("works without encryption"), "{plain}");
    let expected = "http://192.0.2.7:10501/21e6d501-e8c1-44e0-b0cd-f30a369b1822";
    assert_eq!(qr::texts(&plain), [expected]);
}

#[test]
fn each_authority_is_a_file_however_many_there_are() {
    let mut notice = shop();
    for number in 2..=12 {
        let own = port(9700 + number, &served(&["192.0.2.7"]));
        let id = format!("database-{number}");
        notice.databases.push(database(&id, &id, Some(own)));
    }
    let page = page(&notice, "192.0.2.7");
    let shown = Shown::of(&notice, |_| true);
    for (number, anchor) in shown.anchors.iter().enumerate() {
        let name = match number {
            0 => "smarts-gateway.cer".to_owned(),
            _ => format!("smarts-gateway-{}.cer", number + 1),
        };
        assert!(page.contains(&format!("\"{name}\"")), "{name}");
        let (found, format) = shown.file(&format!("/{name}")).unwrap();
        assert_eq!((found, format), (&**anchor, Format::Cer));
    }
    assert_eq!(shown.anchors.len(), 12);
    for none in [
        "/smarts-gateway-1.cer",
        "/smarts-gateway-13.cer",
        "/smarts-gateway-02.cer",
        "/smarts-gateway-99999999999999999999.cer",
        "/x/smarts-gateway.cer",
        "/smarts-gateway.key",
        "smarts-gateway.cer",
    ] {
        assert_eq!(shown.file(none), None, "{none}");
    }
}

#[test]
fn a_file_needs_nothing_from_elsewhere() {
    let page = as_file(&shop(), None, None, Language::Ru).0;
    for loads in ["src=", "<link", "@import", "url(", "href=\"/"] {
        assert!(!page.contains(loads), "{loads}");
    }
}

#[test]
fn advice_is_given_for_reasons_that_there_are() {
    use gateway_policy::handshake::HandshakeFault;
    let no_certificate = Refusal::NoCertificate.reason();
    let known = HandshakeFault::ALL.map(HandshakeFault::reason);
    let advised = crate::messages::tests::EN_TEXTS.lines().filter_map(|line| {
        let (key, _) = line.split_once(" = ")?;
        key.strip_prefix("certificate-page-advice-")
    });
    for reason in advised {
        assert!(
            known.contains(&reason) || reason == no_certificate,
            "{reason}"
        );
    }
}
