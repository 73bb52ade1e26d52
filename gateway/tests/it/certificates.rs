//! `gateway cert …`: what is imported is what the ports serve, and what is refused leaves them as
//! they were.

use std::{fs, net::SocketAddr, path::Path};

use harness::{Authority, Database, Dial, Gateway, Issued, RecordingUpstream, tempdir, tool};
use serde_json::Value;

use crate::house::{GATEWAY, House, Plan};

const HERE: &[&str] = &["127.0.0.1", "localhost"];

/// Database `a` with a print server, `b` without; they and the server port speak https.
pub(super) struct Shop {
    pub(super) house: House,
    authority: Authority,
    folder: harness::TempDir,
    _upstream: RecordingUpstream,
}

pub(super) fn shop() -> Shop {
    shop_with(|_, _| {})
}

fn shop_with(change: impl FnOnce(&mut Plan, &Authority)) -> Shop {
    let (upstream, folder) = (RecordingUpstream::ok(), tempdir().unwrap());
    let database = |id| Database {
        https: true,
        ..Database::new(id, upstream.url())
    };
    let print = format!(
        "{{port: 0, upstream: {}, authentication: pass}}",
        upstream.url()
    );
    let mut plan = Plan::new()
        .with(Database {
            print: Some(print),
            ..database("a")
        })
        .with(database("b"));
    plan.front.server = (0, true);
    let authority = Authority::new(folder.path());
    change(&mut plan, &authority);
    Shop {
        house: plan.start(),
        authority,
        folder,
        _upstream: upstream,
    }
}

impl Shop {
    pub(super) fn root(&self) -> String {
        self.authority.file().display().to_string()
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    #[track_caller]
    pub(super) fn openssl(&self, arguments: &[&str]) {
        let made = tool::run("openssl", arguments, "");
        assert_eq!(made.code, Some(0), "{arguments:?}: {made:?}");
    }

    /// `gateway cert …`, done; its answer.
    #[track_caller]
    pub(super) fn cert(&self, arguments: &[&str], stdin: &str) -> Value {
        let all = [&["cert"], arguments, &["--json"]].concat();
        let outcome = self.house.command_with(&all, stdin);
        assert_eq!(outcome.code, Some(0), "{arguments:?}: {outcome:?}");
        serde_json::from_str(&outcome.stdout).unwrap()
    }

    /// Refused with this code; every port goes on as before.
    #[track_caller]
    pub(super) fn refuses(&self, arguments: &[&str], stdin: &str, code: &str) -> Value {
        let before = self.shown();
        let all = [&["cert"], arguments, &["--json"]].concat();
        let outcome = self.house.command_with(&all, stdin);
        assert_eq!(outcome.code, Some(1), "{arguments:?}: {outcome:?}");
        let told: Value = serde_json::from_str(&outcome.stdout).unwrap();
        assert_eq!(told["error"]["code"], code, "{told}");
        assert_eq!(self.shown(), before, "{code}");
        told["error"].clone()
    }

    /// What the ports show: server, `a`, its print server, `b`.
    #[track_caller]
    pub(super) fn shown(&self) -> [String; 4] {
        let house = &self.house;
        let ports = [
            house.server_address(),
            house.address("a"),
            house.print_dial("a").to(),
            house.address("b"),
        ];
        ports.map(|port| {
            let shown = Dial::tls_blindly(port).open().peer_thumbprint();
            shown.unwrap().replace(':', "")
        })
    }
}

fn path(file: &Path) -> &str {
    file.to_str().unwrap()
}

#[track_caller]
fn thumbprint(issued: &Issued) -> String {
    let pem = fs::read(&issued.chain).unwrap();
    let certificate = openssl::x509::X509::from_pem(&pem).unwrap();
    let digest = certificate.digest(openssl::hash::MessageDigest::sha256());
    digest
        .unwrap()
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect()
}

/// Words of the command line for a certificate in some format.
type Shape = fn(&Shop, &Issued) -> Vec<String>;

#[test]
fn each_format_serves_at_once_and_open_connections_go_on() {
    let shop = shop();
    let root = shop.root();
    let mut open = Dial::tls_blindly(shop.house.address("a")).open();
    let shapes: [(&str, Shape); 8] = [
        ("pem", |_, issued| {
            [&issued.chain, &issued.key]
                .map(|file| path(file).to_owned())
                .to_vec()
        }),
        ("one-pem", |shop, issued| {
            let both = [&issued.key, &issued.chain].map(|file| fs::read_to_string(file).unwrap());
            let file = shop.path("both.pem");
            fs::write(&file, both.concat().replace('\n', "\r\n")).unwrap();
            vec![file]
        }),
        ("der", |shop, issued| {
            let (certificate, key) = (shop.path("a.cer"), shop.path("key.der"));
            let (chain, pem) = (path(&issued.chain), path(&issued.key));
            shop.openssl(&[
                "x509",
                "-in",
                chain,
                "-outform",
                "DER",
                "-out",
                &certificate,
            ]);
            shop.openssl(&["pkey", "-in", pem, "-outform", "DER", "-out", &key]);
            vec![certificate, "--key".to_owned(), key]
        }),
        ("pfx", |shop, issued| pfx(shop, issued, &[])),
        ("pfx-rc2", |shop, issued| pfx(shop, issued, &["-legacy"])),
        ("pfx-3des", |shop, issued| {
            pfx(
                shop,
                issued,
                &["-certpbe", "PBE-SHA1-3DES", "-keypbe", "PBE-SHA1-3DES"],
            )
        }),
        ("p7b", |shop, issued| {
            let file = shop.path("a.p7b");
            let chain = path(&issued.chain);
            shop.openssl(&["crl2pkcs7", "-nocrl", "-certfile", chain, "-out", &file]);
            vec![file, "--key".to_owned(), path(&issued.key).to_owned()]
        }),
        ("locked-key", |shop, issued| {
            let locked = shop.path("locked.key");
            let words = ["pkcs8", "-topk8", "-in", path(&issued.key), "-out", &locked];
            shop.openssl(&[&words[..], &["-passout", "pass:secret"]].concat());
            let chain = path(&issued.chain).to_owned();
            vec![chain, "--key".to_owned(), locked, "--password".to_owned()]
        }),
    ];
    for (place, (shape, files)) in shapes.into_iter().enumerate() {
        let issued = shop.authority.issue(shape, HERE);
        let files = files(&shop, &issued);
        let mut words = vec!["import", "--database", "a", &root];
        words.extend(files.iter().map(String::as_str));
        let answer = shop.cert(&words, "secret\n");
        let wanted = thumbprint(&issued);
        let [server, data, print, other] = shop.shown();
        assert_eq!([&data, &print], [&wanted, &wanted], "{shape}");
        assert_eq!(server, other, "{shape}: the default stays");
        assert_ne!(server, wanted, "{shape}");
        assert_eq!(
            answer["certificates"][0]["thumbprint_sha256"],
            wanted.as_str()
        );
        assert_eq!(answer["certificates"][0]["origin"], "imported");
        assert_eq!(answer["ports"][1]["thumbprints"][0], wanted.as_str());
        // Whose root it is, and where the one before lies.
        let notes = 1 + usize::from(place > 0);
        assert_eq!(answer["notes"].as_array().unwrap().len(), notes, "{answer}");
        let trusting = Dial::tls(shop.house.address("a"), shop.authority.file());
        assert_eq!(trusting.get("/x", &[]).text(), "ok", "{shape}");
        assert_eq!(open.http("GET", "/x", &[], b"").text(), "ok", "{shape}");
    }
}

/// Packed with the password `secret`.
fn pfx(shop: &Shop, issued: &Issued, how: &[&str]) -> Vec<String> {
    let file = shop.path("a.pfx");
    let words = [
        "pkcs12",
        "-export",
        "-in",
        path(&issued.chain),
        "-inkey",
        path(&issued.key),
    ];
    let further = ["-passout", "pass:secret", "-out", &file];
    shop.openssl(&[&words[..], how, &further].concat());
    vec![file, "--password".to_owned()]
}

#[test]
fn what_is_refused_leaves_what_was_served() {
    let shop = shop();
    let root = shop.root();
    let (good, other) = (
        shop.authority.issue("good", HERE),
        shop.authority.issue("other", HERE),
    );
    let [chain, key] = [path(&good.chain), path(&good.key)];
    shop.cert(&["import", &root, chain, "--key", key], "");
    let next = shop.authority.issue("next", HERE);
    let [chain, key] = [path(&next.chain), path(&next.key)];
    let locked = pfx(&shop, &next, &[]).swap_remove(0);

    let config = shop.house.config();
    let cases: [(&[&str], &str, &str); 9] = [
        (
            &[&root, &locked, "--password"],
            "wrong\n",
            "cert-wrong-password",
        ),
        (&[&root, &locked], "", "cert-password-needed"),
        (&[&root, chain], "", "cert-no-key"),
        (
            &[&root, chain, "--key", path(&other.key)],
            "",
            "cert-key-mismatch",
        ),
        (&[key], "", "cert-no-certificate"),
        (&[chain, key], "", "cert-chain-incomplete"),
        (
            &[&root, chain, key, "--name", "gate.example.ru"],
            "",
            "cert-wrong-name",
        ),
        (&[&root, path(&config)], "", "cert-unknown-format"),
        (&[&root], "", "cert-no-key"),
    ];
    for (words, stdin, code) in cases {
        let told = shop.refuses(&[&["import"], words].concat(), stdin, code);
        assert!(told["message"].as_str().unwrap().len() > 40, "{told}");
    }
    let ended = shop.authority.issue_for("ended", HERE, -1);
    let [chain, key] = [path(&ended.chain), path(&ended.key)];
    shop.refuses(&["import", &root, chain, key], "", "cert-expired");
    let named = "subjectAltName=IP:127.0.0.1";
    let makings: [(&str, &[&str], &str); 6] = [
        ("rsa:1024", &["-addext", named], "cert-weak-key"),
        ("ed25519", &["-addext", named], "cert-odd-key"),
        (
            "rsa:2048",
            &["-addext", named, "-sha1"],
            "cert-weak-signature",
        ),
        ("rsa:2048", &[], "cert-no-names"),
        (
            "rsa:2048",
            &["-addext", named, "-addext", "extendedKeyUsage=clientAuth"],
            "cert-not-for-servers",
        ),
        (
            "rsa:2048",
            &["-addext", named, "-addext", "keyUsage=keyCertSign"],
            "cert-authority",
        ),
    ];
    let (certificate, key) = (shop.path("made.pem"), shop.path("made.key"));
    for (kind, further, code) in makings {
        let words = [
            "req", "-x509", "-nodes", "-subj", "/CN=made", "-newkey", kind,
        ];
        let files = ["-keyout", &key, "-out", &certificate];
        shop.openssl(&[&words[..], further, &files].concat());
        shop.refuses(&["import", &certificate, &key], "", code);
    }
    let soon = [
        "-f", "+10d", "openssl", "req", "-x509", "-nodes", "-subj", "/CN=soon",
    ];
    let files = [
        "-newkey",
        "rsa:2048",
        "-addext",
        named,
        "-keyout",
        &key,
        "-out",
        &certificate,
    ];
    let made = tool::run("faketime", soon.iter().chain(&files), "");
    assert_eq!(made.code, Some(0), "{made:?}");
    shop.refuses(&["import", &certificate, &key], "", "cert-not-yet");
    let whole = fs::read_to_string(&certificate).unwrap();
    fs::write(&certificate, &whole[..whole.len() - 40]).unwrap();
    shop.refuses(&["import", &certificate, &key], "", "cert-damaged");
    let [chain, key] = [path(&next.chain), path(&next.key)];
    let two = [
        root.as_str(),
        chain,
        key,
        path(&other.chain),
        path(&other.key),
    ];
    shop.refuses(&[&["import"], &two[..]].concat(), "", "cert-two-of-a-kind");
    shop.refuses(&["import", "/dev/zero"], "", "cert-too-large");
    shop.refuses(&["remove", "--database", "a"], "", "cert-nothing");
    shop.refuses(
        &["self-signed", "--key", "rsa2048", "--key", "rsa3072"],
        "",
        "cert-two-keys",
    );

    // The twin: the same files, as they should be.
    let [chain, key] = [path(&next.chain), path(&next.key)];
    shop.cert(
        &[
            "import",
            chain,
            key,
            "--chain-incomplete-ok",
            "--name",
            "localhost",
        ],
        "",
    );
    assert_eq!(shop.shown(), [(); 4].map(|()| thumbprint(&next)));
}

#[test]
fn the_servers_certificate_serves_where_there_is_no_other_and_the_test_one_where_there_is_none() {
    let shop = shop();
    let root = shop.root();
    let test = shop.shown();
    let (default, own) = (
        shop.authority.issue("default", HERE),
        shop.authority.issue("own", HERE),
    );
    shop.cert(
        &["import", &root, path(&default.chain), path(&default.key)],
        "",
    );
    let default = thumbprint(&default);
    assert_eq!(shop.shown(), [(); 4].map(|()| default.clone()));
    shop.cert(
        &[
            "import",
            "--database",
            "b",
            &root,
            path(&own.chain),
            path(&own.key),
        ],
        "",
    );
    let own = thumbprint(&own);
    assert_eq!(
        shop.shown(),
        [&default, &default, &default, &own].map(String::clone)
    );

    let shop = Shop {
        house: shop.house.killed_and_started_again(),
        ..shop
    };
    assert_eq!(
        shop.shown(),
        [&default, &default, &default, &own].map(String::clone)
    );
    let reports = shop.cert(&["show"], "");
    assert_eq!(reports[0]["ports"][0]["thumbprints"][0], default.as_str());
    assert_eq!(
        (&reports[1]["default"], &reports[2]["default"]),
        (&true.into(), &false.into())
    );
    let status = shop.house.status();
    assert_eq!(
        status["server"]["certificates"][0]["thumbprint_sha256"],
        default.as_str()
    );
    assert_eq!(
        status["databases"][0]["print"]["thumbprints"][0],
        default.as_str()
    );
    assert_eq!(
        status["databases"][1]["certificates"][0]["origin"],
        "imported"
    );

    shop.cert(&["remove", "--database", "b"], "");
    assert_eq!(shop.shown(), [(); 4].map(|()| default.clone()));
    shop.cert(&["remove"], "");
    assert_eq!(shop.shown(), test);
}

#[test]
fn an_answer_finds_the_key_of_its_request_and_another_request_destroys_nothing() {
    let shop = shop();
    let ask = |names: &[&str]| shop.cert(&[&["csr", "--database", "a"], names].concat(), "");
    let first = ask(&["--name", "127.0.0.1", "--name", "localhost"]);
    let second = ask(&["--name", "127.0.0.1", "--key", "rsa2048"]);
    let [id, other] = [&first, &second].map(|made| made["id"].as_str().unwrap());

    let request = shop.path("a.csr");
    fs::write(&request, first["pem"].as_str().unwrap()).unwrap();
    shop.refuses(
        &["import", "--database", "a", &request],
        "",
        "cert-request-instead",
    );
    let answer = shop.path("answer.pem");
    let key = shop.path("root.key");
    let own_root = shop.path("root.pem");
    let make = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=Own root",
        "-keyout",
        &key,
        "-out",
        &own_root,
    ];
    shop.openssl(&make);
    let sign = [
        "x509",
        "-req",
        "-in",
        &request,
        "-CA",
        &own_root,
        "-CAkey",
        &key,
        "-copy_extensions",
        "copy",
        "-days",
        "30",
        "-out",
        &answer,
    ];
    shop.openssl(&sign);
    shop.refuses(
        &["import", "--database", "b", &own_root, &answer],
        "",
        "cert-no-key",
    );
    let other_key = shop.path("other.key");
    let curve = "ec_paramgen_curve:P-256";
    shop.openssl(&[
        "genpkey",
        "-algorithm",
        "EC",
        "-pkeyopt",
        curve,
        "-out",
        &other_key,
    ]);
    let foreign = [
        "import",
        "--database",
        "a",
        &own_root,
        &answer,
        "--key",
        &other_key,
    ];
    shop.refuses(&foreign, "", "cert-key-mismatch");
    let imported = shop.cert(&["import", "--database", "a", &own_root, &answer], "");
    let dial = Dial::tls(shop.house.address("a"), own_root.as_ref());
    assert_eq!(dial.get("/x", &[]).text(), "ok");
    let waiting = imported["requests"].as_array().unwrap();
    assert_eq!(waiting.len(), 1, "{waiting:?}");
    assert_eq!(waiting[0]["id"], other);

    shop.refuses(
        &["remove", "--database", "a", "--request", id],
        "",
        "cert-no-such-request",
    );
    let left = shop.cert(&["remove", "--database", "a", "--request", other], "");
    assert!(left["requests"].as_array().unwrap().is_empty());
    assert_eq!(dial.get("/x", &[]).text(), "ok", "the certificate stays");
}

#[test]
fn a_request_for_all_has_names_and_addresses_and_its_answer_serves_on_every_port() {
    let shop = shop();
    let asked = ["gate.example.ru", "203.0.113.5", "2001:db8::5", "127.0.0.1"];
    let names = asked.iter().flat_map(|name| ["--name", name]);
    let line: Vec<&str> = ["csr", "--key", "rsa2048"]
        .into_iter()
        .chain(names)
        .collect();
    let made = shop.cert(&line, "");
    let request = shop.path("all.csr");
    fs::write(&request, made["pem"].as_str().unwrap()).unwrap();
    let shown = ["req", "-in", &request, "-noout", "-verify", "-text"];
    let shown = tool::run("openssl", shown, "").stdout;
    let all = "DNS:gate.example.ru, IP Address:203.0.113.5, \
        IP Address:2001:DB8:0:0:0:0:0:5, IP Address:127.0.0.1";
    assert!(shown.contains(all), "{shown}");
    assert!(shown.contains("Public-Key: (2048 bit)"), "{shown}");
    let (root, key) = (shop.root(), shop.authority.key_file());
    let answer = shop.path("all.pem");
    let sign = [
        "x509",
        "-req",
        "-in",
        &request,
        "-copy_extensions",
        "copy",
        "-out",
        &answer,
    ];
    shop.openssl(&[&sign[..], &["-CA", &root, "-CAkey", path(&key)]].concat());
    let imported = shop.cert(&["import", "--server", &root, &answer], "");
    let served = imported["certificates"][0]["thumbprint_sha256"].as_str();
    assert_eq!(
        shop.shown().map(Some),
        [served; 4].map(|one| one.map(str::to_owned))
    );
}

#[test]
fn rsa_and_ecdsa_stand_side_by_side() {
    let shop = shop();
    let root = shop.root();
    let made = shop.cert(
        &[
            "self-signed",
            "--name",
            "магазин.рф",
            "--key",
            "p256",
            "--key",
            "rsa2048",
        ],
        "",
    );
    let keys = |answer: &Value| -> Vec<String> {
        let all = answer["certificates"].as_array().unwrap().iter();
        all.map(|one| one["key"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(keys(&made), ["P-256", "RSA 2048"]);
    assert_eq!(
        made["certificates"][0]["names"][0],
        "xn--80aairftm.xn--p1ai"
    );
    let names = made["certificates"][0]["names"].to_string();
    assert!(
        names.contains("\"localhost\"") && names.contains("\"127.0.0.1\""),
        "{names}"
    );
    // What we issue ourselves is not mixed with what somebody brings.
    let issued = shop.authority.issue("ecdsa", HERE);
    let [chain, key] = [path(&issued.chain), path(&issued.key)];
    shop.refuses(
        &["import", "--beside", &root, chain, key],
        "",
        "cert-beside-renewed",
    );
    shop.cert(&["import", &root, chain, key], "");

    let (certificate, rsa) = (shop.path("rsa.pem"), shop.path("rsa.key"));
    let make = [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=rsa",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
    ];
    shop.openssl(&[&make[..], &["-keyout", &rsa, "-out", &certificate]].concat());
    let both = shop.cert(&["import", "--beside", &certificate, &rsa], "");
    assert_eq!(keys(&both), ["P-256", "RSA 2048"]);
    assert_eq!(
        shop.shown()[0],
        thumbprint(&issued),
        "current clients see the ECDSA one"
    );
    let one = shop.cert(&["import", &root, chain, key], "");
    assert_eq!(keys(&one), ["P-256"], "without --beside it stands alone");
}

#[test]
fn where_the_file_names_a_certificate_the_command_says_where() {
    let shop = shop_with(|plan, authority| {
        plan.front.databases[0].certificate = Some(authority.issue("named", HERE));
    });
    let root = shop.root();
    let issued = shop.authority.issue("next", HERE);
    let [chain, key] = [path(&issued.chain), path(&issued.key)];
    let text = fs::read_to_string(shop.house.config()).unwrap();
    let line = text
        .lines()
        .position(|line| line.contains("certificate:"))
        .unwrap()
        + 1;
    let place = format!("gateway.yaml:{line}");
    for words in [
        &["import", "--database", "a", &root, chain, key][..],
        &["self-signed", "--database", "a"],
        &["csr", "--database", "a", "--name", "localhost"],
        &["remove", "--database", "a"],
    ] {
        let told = shop.refuses(words, "", "cert-files");
        assert!(told["paste"].as_str().unwrap().contains(&place), "{told}");
    }
    shop.cert(&["import", "--database", "b", &root, chain, key], "");
    assert_eq!(shop.shown()[3], thumbprint(&issued));
}

/// As `openssl` prints them of what `address` really shows, without colons: SHA-1 and SHA-256.
#[track_caller]
fn fingerprints(address: SocketAddr) -> [String; 2] {
    let said = tool::s_client(&address.to_string(), &["-showcerts"], "Q\n").stdout;
    let begin = said.find("-----BEGIN CERTIFICATE").unwrap();
    ["-sha1", "-sha256"].map(|digest| {
        let print = ["x509", "-noout", "-fingerprint", digest];
        let printed = tool::run("openssl", print, &said[begin..]).stdout;
        let (_, digits) = printed.trim().split_once('=').unwrap();
        digits.replace(':', "")
    })
}

/// What terminals accept instead of a certificate that is for trying.
const ACCEPTED: [&str; 3] = [
    "gateway cert authority",
    "gateway cert acme",
    "gateway cert csr",
];
const LOCALES: [(&str, &str, &str); 2] = [
    ("ru", "ru_RU.UTF-8", "ТСД из интернета его не примут"),
    (
        "en",
        "en_US.UTF-8",
        "Terminals on the internet will not accept it",
    ),
];

#[test]
fn a_self_signed_certificate_is_said_to_be_none_for_the_internet_in_both_languages() {
    let shop = shop();
    for (_, locale, words) in LOCALES {
        let data = shop.house.data().to_str().unwrap();
        let locale = format!("LC_ALL={locale}");
        let command = [
            &*locale,
            GATEWAY,
            "cert",
            "self-signed",
            "--key",
            "rsa3072",
            "--data",
            data,
        ];
        let outcome = tool::run("env", command, "");
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        let prints = fingerprints(shop.house.server_address());
        let said = prints.iter().map(String::as_str).chain(ACCEPTED);
        for said in said.chain([words, "RSA 3072"]) {
            assert!(outcome.stdout.contains(said), "{said}: {}", outcome.stdout);
        }
    }
    let nobody = shop.house.command(&["cert", "csr", "--name", "a b"]);
    assert_eq!(nobody.code, Some(2), "{nobody:?}");
}

#[test]
fn the_first_start_shows_its_test_certificate_and_says_what_terminals_accept() {
    for (language, _, words) in LOCALES {
        let mut plan = Plan::new();
        plan.front.server = (0, true);
        let upstream = RecordingUpstream::ok();
        let plan = plan.with(Database::new("a", upstream.url()));
        let yaml = plan.front.yaml();
        let yaml = yaml.replacen("language: en", &format!("language: {language}"), 1);
        let gateway = Gateway::start(GATEWAY, plan.path(), &plan.front.data, &yaml);
        let told = gateway.process.stdout();
        let [sha1, sha256] = fingerprints(gateway.server_address());
        for said in [format!("SHA-1    {sha1}"), format!("SHA-256  {sha256}")] {
            assert!(told.contains(&said), "{said}: {told}");
        }
        for said in [words].into_iter().chain(ACCEPTED) {
            assert!(told.contains(said), "{said}: {told}");
        }
    }
}

#[test]
fn people_are_shown_everything_about_what_each_port_serves() {
    let shop = shop();
    let issued = shop.authority.issue("shop", HERE);
    let [chain, key] = [path(&issued.chain), path(&issued.key)];
    shop.cert(&["import", &shop.root(), chain, key], "");
    let dates = [
        "x509", "-in", chain, "-noout", "-dates", "-dateopt", "iso_8601",
    ];
    let dates = tool::run("openssl", dates, "").stdout;
    let date = |line: &str| {
        let date = dates
            .lines()
            .find_map(|one| one.strip_prefix(line))
            .unwrap();
        // As people are shown it: by the machine's clock.
        let date = tool::run("date", ["-d", date, "+%d.%m.%Y %H:%M:%S"], "");
        assert_eq!(date.code, Some(0), "{date:?}");
        date.stdout.trim().to_owned()
    };
    let [sha1, sha256] = fingerprints(shop.house.address("a"));
    for command in [&["cert", "show"][..], &["status", "a"]] {
        let outcome = shop.house.command(command);
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        let row = |name: &str, value: &str| {
            let mut lines = outcome.stdout.lines().map(str::trim);
            let is = |line: &str| line.starts_with(name) && line.contains(value);
            assert!(
                lines.any(is),
                "{command:?} {name} {value}: {}",
                outcome.stdout
            );
        };
        row("Обладатель", "shop");
        row("Издатель", "Test authority");
        row("Выпущен", &date("notBefore="));
        row("Истекает", &date("notAfter="));
        row("Имена", "localhost");
        row("Имена", "127.0.0.1");
        row("Ключ", "P-256");
        row("Отпечаток (SHA-1)", &sha1);
        row("Отпечаток (SHA-256)", &sha256);
    }
    // And of each port, what it shows.
    let shown = shop.house.command(&["cert", "show"]).stdout;
    let beginning = format!("SHA-256 {}…", &sha256[..16]);
    assert_eq!(shown.matches(&beginning).count(), 4, "{shown}");
}
