//! Certificates that devices show: asked for, judged, revoked; and no way around them by resumption,
//! by another port or by the server port.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use harness::{Authority, Database, Dial, RecordingUpstream, tool};
use serde_json::Value;

use crate::house::{House, Plan};

const VERSIONS: [&str; 2] = ["-tls1_2", "-tls1_3"];

/// How a visit ended.
#[derive(Debug, PartialEq, Eq)]
enum Visit {
    /// With this status.
    Answered(u16),
    /// With this alert of the gateway's.
    Alert(&'static str),
}
use Visit::{Alert, Answered};

/// Databases `off`, `optional` and `required`, the same again at the server port, and our root.
struct Shop {
    house: House,
    folder: PathBuf,
    upstream: RecordingUpstream,
}

impl Shop {
    fn open() -> Self {
        let upstream = RecordingUpstream::ok();
        let mut plan = Plan::new();
        plan.front.server = (0, true);
        for setting in ["off", "optional", "required"] {
            plan = plan.with(Database {
                https: true,
                client_certificates: setting,
                ..Database::new(setting, upstream.url())
            });
        }
        let folder = plan.path().to_owned();
        let shop = Self {
            house: plan.start(),
            folder,
            upstream,
        };
        shop.done(&["cert", "authority"]);
        shop
    }

    #[track_caller]
    fn done(&self, command: &[&str]) -> Value {
        let done = self.house.command(&[&["--json"], command].concat());
        assert_eq!(done.code, Some(0), "{done:?}");
        serde_json::from_str(&done.stdout).unwrap()
    }

    /// Certificate and key in one file, as a device has them.
    #[track_caller]
    fn device(&self, name: &str) -> PathBuf {
        let pfx = self.folder.join(format!("{name}.p12"));
        let pfx = pfx.to_str().unwrap();
        let added = self.done(&["cert", "device", "add", name, "--to", pfx]);
        let password = format!("pass:{}", added["password"].as_str().unwrap());
        let open = [
            "pkcs12", "-nodes", "-clcerts", "-in", pfx, "-passin", &password,
        ];
        let opened = tool::run("openssl", open, "");
        assert_eq!(opened.code, Some(0), "{opened:?}");
        let pem = self.folder.join(format!("{name}.pem"));
        fs::write(&pem, opened.stdout).unwrap();
        pem
    }

    fn at(&self, database: &str) -> SocketAddr {
        self.house.address(database)
    }

    /// One request from a device with this certificate, if it has one.
    fn visit(&self, to: SocketAddr, path: &str, pem: Option<&Path>, more: &[&str]) -> Visit {
        let mut all = vec!["-ign_eof"];
        if let Some(pem) = pem.map(|pem| pem.to_str().unwrap()) {
            all.extend(["-cert", pem, "-key", pem]);
        }
        all.extend(more);
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let outcome = tool::s_client(&to.to_string(), &all, &request);
        let said = format!("{}{}", outcome.stdout, outcome.stderr);
        if let Some((_, answer)) = said.split_once("HTTP/1.1 ") {
            return Answered(answer[..3].parse().unwrap());
        }
        let alerts = [
            ("alert certificate revoked", "revoked"),
            ("alert unknown ca", "unknown ca"),
            ("alert certificate required", "required"),
            // What TLS 1.2 has in its place.
            ("alert handshake failure", "required"),
            ("alert bad certificate", "bad"),
            ("alert unsupported certificate", "unsupported"),
        ];
        let alert = alerts.iter().find(|(words, _)| said.contains(words));
        Alert(alert.unwrap_or_else(|| panic!("{said}")).1)
    }
}

#[test]
fn a_database_asks_for_a_certificate_of_our_root_as_it_is_set() {
    let shop = Shop::open();
    let good = shop.device("TSD 1");
    let foreign = Authority::new(&shop.folder);
    let foreign = foreign.issue("stranger", &["stranger.test"]);
    let stranger = shop.folder.join("stranger-both.pem");
    let both = [foreign.chain, foreign.key]
        .map(|file| fs::read(file).unwrap())
        .concat();
    fs::write(&stranger, both).unwrap();
    for version in VERSIONS {
        let visit = |database, pem| shop.visit(shop.at(database), "/", pem, &[version]);
        assert_eq!(visit("off", None), Answered(200));
        assert_eq!(
            visit("off", Some(&*stranger)),
            Answered(200),
            "not asked for"
        );
        assert_eq!(visit("optional", None), Answered(200));
        assert_eq!(visit("optional", Some(&*good)), Answered(200));
        assert_eq!(visit("optional", Some(&*stranger)), Alert("unknown ca"));
        assert_eq!(visit("required", None), Alert("required"));
        assert_eq!(visit("required", Some(&*good)), Answered(200));
        assert_eq!(visit("required", Some(&*stranger)), Alert("unknown ca"));
    }
    shop.house.logged(&["\"request\"", "\"device\":\"TSD 1\""]);
}

#[test]
fn at_the_server_port_the_database_decides_once_the_path_is_known() {
    let shop = Shop::open();
    let good = shop.device("TSD 1");
    let server = shop.house.server_address();
    for version in VERSIONS {
        let visit = |path, pem| shop.visit(server, path, pem, &[version]);
        assert_eq!(visit("/off/x", None), Answered(200));
        assert_eq!(visit("/optional/x", None), Answered(200));
        assert_eq!(visit("/required/x", None), Answered(403));
        assert_eq!(visit("/required/x", Some(&*good)), Answered(200));
    }
    let seen = shop.upstream.requests();
    assert_eq!(seen.len(), 6, "the refused ones went nowhere");
}

#[test]
fn a_revoked_device_is_refused_at_once_and_its_open_connection_closed_and_its_neighbour_is_not() {
    let shop = Shop::open();
    let (lost, kept) = (shop.device("lost"), shop.device("kept"));
    let connect = |pem: &Path| {
        let mut builder =
            openssl::ssl::SslConnector::builder(openssl::ssl::SslMethod::tls_client()).unwrap();
        builder.set_verify(openssl::ssl::SslVerifyMode::NONE);
        builder.set_certificate_chain_file(pem).unwrap();
        builder
            .set_private_key_file(pem, openssl::ssl::SslFiletype::PEM)
            .unwrap();
        let tcp = std::net::TcpStream::connect(shop.at("required")).unwrap();
        tcp.set_read_timeout(Some(harness::DEADLINE)).unwrap();
        let configured = builder.build().configure().unwrap().verify_hostname(false);
        let mut tls = configured.connect("a", tcp).unwrap();
        ask(&mut tls);
        tls
    };
    let (mut of_lost, mut of_kept) = (connect(&lost), connect(&kept));
    shop.done(&["cert", "device", "revoke", "lost"]);
    // Revocation is in force when the command returns: the end comes without another request.
    let mut byte = [0];
    let ended = std::io::Read::read(&mut of_lost, &mut byte);
    assert!(!matches!(ended, Ok(1)), "{ended:?}");
    ask(&mut of_kept);
    for version in VERSIONS {
        let visit = |database, pem| shop.visit(shop.at(database), "/", Some(pem), &[version]);
        assert_eq!(visit("required", &*lost), Alert("revoked"));
        assert_eq!(visit("optional", &*lost), Alert("revoked"));
        assert_eq!(visit("required", &*kept), Answered(200));
    }
    let again = shop.device("again");
    assert_eq!(
        shop.visit(shop.at("required"), "/", Some(&again), &[]),
        Answered(200)
    );
}

/// A whole request on a connection that stays open.
#[track_caller]
fn ask(tls: &mut (impl std::io::Read + std::io::Write)) {
    tls.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\nok") && !answer.ends_with(b"\r\n\r\n") {
        tls.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    assert!(
        answer.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    let length = String::from_utf8_lossy(&answer).to_lowercase();
    let length = length
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    tls.read_exact(&mut body).unwrap();
}

#[test]
fn resumption_gets_nobody_past_a_certificate() {
    let shop = Shop::open();
    for (version, name) in VERSIONS.into_iter().zip(["TSD 1", "TSD 2"]) {
        let device = shop.device(name);
        let ticket = shop.folder.join(format!("ticket{version}"));
        let ticket = ticket.to_str().unwrap();
        let (keep, offer) = (
            [version, "-sess_out", ticket],
            [version, "-sess_in", ticket],
        );
        // Of a port that asks for nothing, at one that does.
        assert_eq!(shop.visit(shop.at("off"), "/", None, &keep), Answered(200));
        assert_eq!(
            shop.visit(shop.at("required"), "/", None, &offer),
            Alert("required")
        );
        assert_eq!(
            shop.visit(shop.house.server_address(), "/required/x", None, &offer),
            Answered(403)
        );
        // Where it was given, the certificate comes with it and need not be shown again.
        assert_eq!(
            shop.visit(shop.at("required"), "/", Some(&device), &keep),
            Answered(200)
        );
        assert_eq!(
            shop.visit(shop.at("required"), "/", None, &offer),
            Answered(200)
        );
        assert_eq!(
            shop.visit(shop.at("optional"), "/", None, &offer),
            Answered(200)
        );
        shop.done(&["cert", "device", "revoke", name]);
        assert_eq!(
            shop.visit(shop.at("required"), "/", None, &offer),
            Answered(403)
        );
    }
}

#[test]
fn what_a_database_asks_from_now_on_ends_the_websockets_that_were_not_asked() {
    let upstream = RecordingUpstream::start(|exchange| {
        exchange.raw(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        )?;
        exchange.echo()
    });
    let mut plan = Plan::new();
    let user = plan.user("ivan", "mobile-user", "Correct-1");
    for id in ["certificate", "login", "neither"] {
        plan = plan.with(Database {
            https: true,
            ..Database::new(id, upstream.url())
        });
    }
    let mut house = plan.start();
    let open = |id: &str| {
        let mut client = Dial::tls_blindly(house.address(id)).open();
        let upgrade = [("Connection", "Upgrade"), ("Upgrade", "websocket")];
        let bytes = client.request("GET", "/socket", &upgrade, b"");
        client.send(bytes);
        assert_eq!(client.response().status(), 101);
        client
    };
    let [mut certificate, mut login, mut neither] = ["certificate", "login", "neither"].map(open);
    house.change(|front| {
        front.databases[0].client_certificates = "required";
        front.databases[1].authentication = "gateway";
        front.databases[1].users = vec![user];
    });
    assert!(certificate.ends_silently().unwrap());
    assert!(login.ends_silently().unwrap());
    neither.send(b"hi");
    assert_eq!(neither.read_exactly(2), b"hi");
}

#[test]
fn a_damaged_list_of_devices_is_told_by_its_name_and_lets_nobody_in() {
    let shop = Shop::open();
    let good = shop.device("TSD 1");
    let list = shop.house.front.data.join("tls/authority/devices.json");
    let kept = fs::read(&list).unwrap();
    fs::write(&list, "{").unwrap();
    let added = shop.house.command(&["cert", "device", "add", "TSD 2"]);
    assert_eq!(added.code, Some(1), "{added:?}");
    let visit = || shop.visit(shop.at("required"), "/", Some(&good), &[]);
    assert_eq!(visit(), Answered(200), "what was read before holds");
    let Shop {
        house,
        folder,
        upstream,
    } = shop;
    let shop = Shop {
        house: house.killed_and_started_again(),
        folder,
        upstream,
    };
    assert_eq!(
        shop.visit(shop.at("required"), "/", Some(&good), &[]),
        Alert("revoked")
    );
    let warnings = shop.house.state("required")["warnings"].to_string();
    assert!(
        warnings.contains("client-certificates-unreadable"),
        "{warnings}"
    );
    assert!(warnings.contains("devices.json"), "{warnings}");
    fs::write(&list, kept).unwrap();
    shop.done(&[
        "cert",
        "device",
        "add",
        "TSD 2",
        "--to",
        shop.folder.join("2.p12").to_str().unwrap(),
    ]);
    assert_eq!(
        shop.visit(shop.at("required"), "/", Some(&good), &[]),
        Answered(200)
    );
}
