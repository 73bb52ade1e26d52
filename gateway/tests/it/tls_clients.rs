//! Certificates that devices show: asked for, judged, revoked; and no way around them by resumption,
//! by another port or by the server port.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Mutex, mpsc},
};

use harness::{
    Authority, Client, Clock, DEADLINE, Database, Dial, Exchange, RecordingUpstream, Reply,
    eventually, tool,
};
use openssl::ssl::SslVersion;
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
        Self::start(RecordingUpstream::ok(), Plan::start)
    }

    fn start(upstream: RecordingUpstream, start: impl FnOnce(Plan) -> House) -> Self {
        let shop = Self::without_root(upstream, start);
        shop.done(&["cert", "authority"]);
        shop
    }

    fn killed_and_started_again(self) -> Self {
        Self {
            house: self.house.killed_and_started_again(),
            ..self
        }
    }

    fn without_root(upstream: RecordingUpstream, start: impl FnOnce(Plan) -> House) -> Self {
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
        Self {
            house: start(plan),
            folder,
            upstream,
        }
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
        self.device_for(name, "1000")
    }

    #[track_caller]
    fn device_for(&self, name: &str, days: &str) -> PathBuf {
        let pfx = self.folder.join(format!("{name}.p12"));
        let pfx = pfx.to_str().unwrap();
        let add = ["cert", "device", "add", name, "--to", pfx, "--days", days];
        let added = self.done(&add);
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

    /// What openssl and the gateway say to a request with this further line of a head, if there is
    /// one, from a device with this certificate, if it has one.
    fn said(
        &self,
        to: SocketAddr,
        [path, head]: [&str; 2],
        pem: Option<&Path>,
        more: &[&str],
    ) -> String {
        let mut all = vec!["-ign_eof"];
        if let Some(pem) = pem.map(|pem| pem.to_str().unwrap()) {
            all.extend(["-cert", pem, "-key", pem]);
        }
        all.extend(more);
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n{head}Connection: close\r\n\r\n");
        let outcome = tool::s_client(&to.to_string(), &all, &request);
        outcome.stdout + &outcome.stderr
    }

    /// How it ends.
    fn visit(&self, to: SocketAddr, path: &str, pem: Option<&Path>, more: &[&str]) -> Visit {
        let said = self.said(to, [path, ""], pem, more);
        if let Some((_, answer)) = said.split_once("HTTP/1.1 ") {
            return Answered(answer[..3].parse().unwrap());
        }
        let alerts = [
            ("alert certificate revoked", "revoked"),
            ("alert unknown ca", "unknown ca"),
            ("alert certificate required", "required"),
            // What TLS 1.2 has in its place.
            ("alert handshake failure", "required"),
            ("alert certificate expired", "expired"),
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
fn the_first_device_brings_the_root_with_it_and_comes_in_at_once() {
    let shop = Shop::without_root(RecordingUpstream::ok(), Plan::start);
    let visit = |database, pem| shop.visit(shop.at(database), "/", pem, &[]);
    let served = || {
        Dial::tls_blindly(shop.at("optional"))
            .open()
            .peer_thumbprint()
    };
    let before = served();
    let mut early = Dial::tls_blindly(shop.at("optional")).open();
    assert_eq!(visit("optional", None), Answered(200));
    assert_eq!(visit("required", None), Alert("required"));

    let device = shop.device("TSD 1");
    for database in ["optional", "required"] {
        assert_eq!(visit(database, Some(&*device)), Answered(200), "{database}");
    }
    assert_eq!(visit("optional", None), Answered(200));
    assert_eq!(visit("required", None), Alert("required"));
    let server = shop.house.server_address();
    let at_server = shop.visit(server, "/required/x", Some(&*device), &[]);
    assert_eq!(at_server, Answered(200));
    assert_eq!(early.http("GET", "/", &[], b"").status(), 200);
    assert_eq!(served(), before, "what is served stays");
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
        let dial = Dial::tls_blindly(shop.at("required")).showing(pem);
        let mut client = dial.open();
        assert_eq!(client.http("GET", "/", &[], b"").status(), 200);
        client
    };
    let (mut of_lost, mut of_kept) = (connect(&lost), connect(&kept));
    shop.done(&["cert", "device", "revoke", "lost"]);
    // Revocation is in force when the command returns: the end comes without another request.
    assert!(of_lost.ends_silently().unwrap());
    assert_eq!(of_kept.http("GET", "/", &[], b"").status(), 200);
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

#[test]
fn the_user_of_a_revoked_device_goes_on_from_another() {
    let shop = Shop::start(RecordingUpstream::ok(), |mut plan| {
        let user = plan.user("ivan", "external-connection", "Right-1");
        let required = plan.front.databases.pop().unwrap();
        plan.with(required.with_users(vec![user])).start()
    });
    let (lost, kept) = (shop.device("lost"), shop.device("kept"));
    let to = shop.at("required");
    let login = "/api/v1/session?username=ivan&password=Right-1";
    let said = shop.said(to, [login, ""], Some(&lost), &[]);
    let token = said.split("\"Access_token\":\"").nth(1).unwrap();
    let token = token.split('"').next().unwrap();
    let session = format!("Authorization: Bearer {token}\r\n");
    shop.done(&["cert", "device", "revoke", "lost"]);
    assert_eq!(shop.visit(to, login, Some(&lost), &[]), Alert("revoked"));
    let goes_on = shop.said(to, ["/x", &session], Some(&kept), &[]);
    assert!(goes_on.contains("HTTP/1.1 200"), "{goes_on}");
    assert_eq!(shop.visit(to, login, Some(&kept), &[]), Answered(200));
}

#[test]
fn a_device_whose_certificate_ends_is_out_and_its_websocket_closed() {
    let folder = harness::tempdir().unwrap();
    let clock = Clock::new(folder.path());
    let mut shop = Shop::start(sockets(), |plan| plan.start_by(&clock));
    let (short, long) = (shop.device_for("short", "1"), shop.device("long"));
    let dial = |pem: &Path| Dial::tls_blindly(shop.at("required")).showing(pem);
    let [mut of_short, mut of_long] = [&short, &long].map(|pem| upgraded(&dial(pem)));
    let mut kept = dial(&short).open();
    assert_eq!(kept.http("GET", "/", &[], b"").status(), 200);
    let day = 24 * 60 * 60;
    clock.turn(day - 600);
    of_short.send(b"hi");
    assert_eq!(of_short.read_exactly(2), b"hi", "until its last minutes");
    assert_eq!(kept.http("GET", "/", &[], b"").status(), 200);
    let tickets = VERSIONS.map(|version| {
        let ticket = shop.folder.join(format!("ticket{version}"));
        let (ticket, at) = (ticket.to_str().unwrap().to_owned(), shop.at("required"));
        let keep = [version, "-sess_out", &ticket];
        assert_eq!(shop.visit(at, "/", Some(&short), &keep), Answered(200));
        ticket
    });
    let served = shop.upstream.requests().len();

    clock.turn(day + 600);
    let answer = kept.try_http("GET", "/", &[], b"");
    let refused = answer.map_or(true, |reply| match reply {
        Reply::Response(answer) => answer.status() == 403,
        _ => true,
    });
    assert!(refused);
    assert!(of_short.ends_silently().unwrap());
    assert_eq!(
        shop.visit(shop.at("required"), "/", Some(&short), &[]),
        Alert("expired")
    );
    for (version, ticket) in VERSIONS.into_iter().zip(&tickets) {
        let offer = [version, "-sess_in", ticket];
        assert_eq!(
            shop.visit(shop.at("required"), "/", None, &offer),
            Answered(403),
            "resumed, {version}"
        );
    }
    assert_eq!(shop.upstream.requests().len(), served);
    of_long.send(b"hi");
    assert_eq!(of_long.read_exactly(2), b"hi");
    shop.house.terminate();
}

/// WebSockets that say back what they hear; other requests get 200.
fn sockets() -> RecordingUpstream {
    sockets_else(|exchange| exchange.respond(200, &[], b"ok"))
}

fn sockets_else(
    other: impl Fn(&mut Exchange<'_>) -> io::Result<()> + Send + Sync + 'static,
) -> RecordingUpstream {
    RecordingUpstream::start(move |exchange| {
        if exchange.request.header("upgrade").is_none() {
            return other(exchange);
        }
        exchange.raw(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        )?;
        exchange.echo()
    })
}

#[track_caller]
fn upgraded(dial: &Dial) -> Client {
    let mut client = dial.open();
    let upgrade = [("Connection", "Upgrade"), ("Upgrade", "websocket")];
    let bytes = client.request("GET", "/socket", &upgrade, b"");
    client.send(bytes);
    assert_eq!(client.response().status(), 101);
    client
}

#[test]
fn a_certificate_that_another_key_has_signed_or_for_another_use_opens_nothing() {
    let shop = Shop::open();
    let good = shop.device("TSD 1");
    let listed = shop.done(&["cert", "device", "list"]);
    let serial = format!("0x{}", listed[0]["serial"].as_str().unwrap());
    let file = |name: &str| shop.folder.join(name).to_str().unwrap().to_owned();
    let (good_file, forged) = (good.to_str().unwrap(), file("forged.pem"));
    let (request, key, usage) = (file("forged.csr"), file("forged.key"), file("usage"));
    fs::write(
        &usage,
        "basicConstraints=critical,CA:FALSE\nextendedKeyUsage=clientAuth\n",
    )
    .unwrap();
    let curve = "ec_paramgen_curve:P-256";
    let steps: [&[&str]; 2] = [
        &[
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            curve,
            "-nodes",
            "-subj",
            "/CN=TSD 1",
            "-keyout",
            &key,
            "-out",
            &request,
        ],
        // By the device's own key, with the number of one that stands in the list.
        &[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            good_file,
            "-CAkey",
            good_file,
            "-set_serial",
            &serial,
            "-extfile",
            &usage,
            "-days",
            "30",
            "-out",
            &forged,
        ],
    ];
    for step in steps {
        let done = tool::run("openssl", step.iter().copied(), "");
        assert_eq!(done.code, Some(0), "{done:?}");
    }
    let both = [&forged, &key].map(|file| fs::read(file).unwrap()).concat();
    let forged = shop.folder.join("both.pem");
    fs::write(&forged, both).unwrap();
    // Our root has signed it too, for servers.
    let server = shop.house.front.data.join("tls/server/certificate.pem");
    for version in VERSIONS {
        let visit = |pem, more: &[&str]| {
            let more = [&[version], more].concat();
            shop.visit(shop.at("required"), "/", Some(pem), &more)
        };
        assert_eq!(visit(&forged, &[]), Alert("unknown ca"));
        let chained = visit(&forged, &["-cert_chain", good_file]);
        assert_eq!(chained, Alert("unknown ca"));
        assert_eq!(visit(&server, &[]), Alert("unsupported"));
        assert_eq!(visit(&good, &[]), Answered(200));
    }
}

#[test]
fn who_was_connected_before_a_certificate_was_asked_for_is_asked_on_the_next_connection() {
    let mut shop = Shop::open();
    let good = shop.device("TSD 1");
    let dials = [shop.at("off"), shop.house.server_address()].map(Dial::tls_blindly);
    let paths = ["/x", "/off/x"];
    let mut kept = [0, 1].map(|one| dials[one].showing(&good).open());
    for (client, path) in kept.iter_mut().zip(paths) {
        assert_eq!(client.http("GET", path, &[], b"").status(), 200);
    }
    shop.house.change(|front| {
        front.databases[0].client_certificates = "required";
    });
    eventually(DEADLINE, "a certificate is required", || {
        let state = shop.house.state("off");
        (state["client_certificates"] == "required").then_some(())
    });
    // The server port has asked him already, for the sake of another database.
    let [own, server] = &mut kept;
    let refused = own.http("GET", paths[0], &[], b"");
    assert_eq!(refused.status(), 403);
    assert_eq!(refused.json()["error"]["code"], "client-certificate");
    assert!(own.ends_silently().unwrap(), "so that he comes again");
    assert_eq!(server.http("GET", paths[1], &[], b"").status(), 200);
    for (dial, path) in dials.iter().zip(paths) {
        let answer = dial.showing(&good).get(path, &[]);
        assert_eq!(answer.status(), 200, "{path}");
    }
}

#[test]
fn what_a_database_asks_from_now_on_ends_a_websocket_that_still_waits_to_be_let_in() {
    let (let_go, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let upstream = sockets_else(move |exchange| {
        assert!(held.lock().unwrap().recv().is_err(), "let go");
        exchange.respond(200, &[], b"ok")
    });
    let plan = Plan::new().with(Database {
        https: true,
        authentication: "upstream",
        ..Database::new("a", upstream.url())
    });
    let mut house = plan.start();
    let dial = Dial::tls_blindly(house.address("a"));
    let login = ("Authorization", "Basic right");
    // They hold all the slots of this address.
    let mut first: Vec<_> = (0..10).map(|_| dial.open()).collect();
    for client in &mut first {
        let bytes = client.request("GET", "/x", &[login], b"");
        client.send(bytes);
    }
    upstream.wait_for(10);
    let mut socket = dial.open();
    let upgrade = [("Connection", "Upgrade"), ("Upgrade", "websocket"), login];
    let bytes = socket.request("GET", "/socket", &upgrade, b"");
    socket.send(bytes);
    house.change(|front| front.databases[0].client_certificates = "required");
    eventually(DEADLINE, "a certificate is required", || {
        let state = house.state("a");
        (state["client_certificates"] == "required").then_some(())
    });
    drop(let_go);
    if let Ok(Reply::Response(answer)) = socket.reply(false)
        && answer.status() == 101
    {
        assert!(socket.ends_silently().unwrap());
    }
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
    let upstream = sockets();
    let mut plan = Plan::new();
    let user = plan.user("ivan", "mobile-user", "Correct-1");
    for id in ["certificate", "login", "profile", "neither"] {
        plan = plan.with(Database {
            https: true,
            ..Database::new(id, upstream.url())
        });
    }
    let mut house = plan.start();
    let dial = |id: &str| Dial::tls_blindly(house.address(id));
    let old = dial("profile").at_most(SslVersion::TLS1_2);
    let (mut old, mut new) = (upgraded(&old), upgraded(&dial("profile")));
    let [mut certificate, mut login, mut neither] =
        ["certificate", "login", "neither"].map(|id| upgraded(&dial(id)));
    house.change(|front| {
        front.databases[0].client_certificates = "required";
        front.databases[1].authentication = "gateway";
        front.databases[1].users = vec![user];
        front.databases[2].tls = "modern";
    });
    assert!(certificate.ends_silently().unwrap());
    assert!(login.ends_silently().unwrap());
    assert!(old.ends_silently().unwrap());
    for going_on in [&mut new, &mut neither] {
        going_on.send(b"hi");
        assert_eq!(going_on.read_exactly(2), b"hi");
    }
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
    let refused = shop.house.command(&["cert", "device", "revoke", "TSD 1"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert_eq!(visit(), Alert("revoked"), "whoever was meant is out");
    let shop = shop.killed_and_started_again();
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

#[test]
fn a_removed_list_of_devices_lets_nobody_in_who_was_revoked_and_in_the_end_nobody_at_all() {
    let shop = Shop::open();
    let [good, revoked] = ["TSD 1", "TSD 2"].map(|name| shop.device(name));
    let list = shop.house.front.data.join("tls/authority/devices.json");
    let before = fs::read(&list).unwrap();
    shop.done(&["cert", "device", "revoke", "TSD 2"]);
    let kept = fs::read(&list).unwrap();
    // From a copy it comes in again, which is told as soon as the list is read.
    fs::write(&list, before).unwrap();
    let refused = shop.house.command(&["cert", "device", "revoke", "nobody"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    shop.house.logged(&["let in again", r#""devices":"TSD 2""#]);
    shop.done(&["cert", "device", "revoke", "TSD 2"]);
    let visits = |shop: &Shop| {
        let visit = |pem: &Path| shop.visit(shop.at("required"), "/", Some(pem), &[]);
        [&good, &revoked].map(|pem| visit(pem))
    };
    let nobody = [Alert("revoked"), Alert("revoked")];
    fs::remove_file(&list).unwrap();
    let before = [Answered(200), Alert("revoked")];
    assert_eq!(visits(&shop), before, "what was read before holds");

    // There is no certificate of its name any more, and then it opens nothing.
    let dial = Dial::tls_blindly(shop.at("required"));
    let mut open = dial.showing(&good).open();
    assert_eq!(open.http("GET", "/", &[], b"").status(), 200);
    let refused = shop.house.command(&["cert", "device", "revoke", "TSD 1"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(open.ends_silently().unwrap());
    assert_eq!(visits(&shop), nobody);
    shop.house
        .logged(&["gone from the list", r#""devices":"TSD 1""#]);

    let new = shop.device("TSD 3");
    let visit = shop.visit(shop.at("required"), "/", Some(&new), &[]);
    assert_eq!(visit, Answered(200));
    assert_eq!(visits(&shop), nobody);

    fs::write(&list, kept).unwrap();
    shop.done(&["cert", "device", "revoke", "TSD 1"]);
    fs::remove_file(&list).unwrap();
    let shop = shop.killed_and_started_again();
    assert_eq!(visits(&shop), nobody);
}
