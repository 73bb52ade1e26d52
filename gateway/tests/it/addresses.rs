//! Lists bite on the socket: whitelist first, live, and never open by a damaged file.

use std::{fs, net::Ipv4Addr};

use harness::{Authority, DEADLINE, Database, Dial, RecordingUpstream, eventually};

use crate::house::{Plan, until_refused, until_served};

const LISTED: [u8; 4] = [127, 0, 0, 9];
const STRANGER: [u8; 4] = [127, 0, 0, 10];

#[test]
fn a_blacklisted_address_gets_no_byte_and_its_neighbour_is_served() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::open_to(&upstream);
    plan.front.list("a", "blacklist", "127.0.0.9\n");
    let house = plan.start();
    assert!(house.dial("a").from(LISTED).gets_no_byte());
    assert_eq!(upstream.requests().len(), 0);
    assert_eq!(house.dial("a").from(STRANGER).get("/x", &[]).text(), "ok");
    let seen = upstream.last();
    assert_eq!(
        seen.all("x-forwarded-for"),
        ["127.0.0.10"],
        "made v4 on a dual-stack socket"
    );
}

#[test]
fn a_blacklisted_address_never_sees_a_handshake() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::new();
    let authority = Authority::new(plan.path());
    let certificate = authority.issue("server", &["127.0.0.1"]);
    let plan = plan.with(Database {
        https: true,
        certificate: Some(certificate),
        ..Database::new("a", upstream.url())
    });
    plan.front.list("a", "blacklist", "127.0.0.9\n");
    let house = plan.start();
    let dial = Dial::tls(house.address("a"), authority.file());
    assert!(dial.from(LISTED).gets_no_byte());
    assert_eq!(dial.from(STRANGER).get("/x", &[]).text(), "ok");
}

#[test]
fn an_address_in_both_lists_is_served() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::open_to(&upstream);
    plan.front
        .list("a", "blacklist", "127.0.0.1 - 127.0.0.20\n");
    plan.front.list("a", "whitelist", "127.0.0.9\n");
    let house = plan.start();
    assert_eq!(house.dial("a").from(LISTED).get("/x", &[]).text(), "ok");
    for refused in [[127, 0, 0, 1], [127, 0, 0, 10], [127, 0, 0, 20]] {
        assert!(house.dial("a").from(refused).gets_no_byte(), "{refused:?}");
    }
    assert_eq!(
        house.dial("a").from([127, 0, 0, 21]).get("/x", &[]).text(),
        "ok"
    );
}

#[test]
fn allow_only_is_a_blacklist_of_everything_beside_a_whitelist() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::open_to(&upstream);
    plan.front.list("a", "blacklist", "0.0.0.0/0\n::/0\n");
    plan.front.list("a", "whitelist", "127.0.0.8/31\n");
    let house = plan.start();
    assert_eq!(house.dial("a").from(LISTED).get("/x", &[]).text(), "ok");
    assert!(house.dial("a").from(STRANGER).gets_no_byte());
}

#[test]
fn a_changed_list_closes_the_flipped_connections_and_no_others() {
    let upstream = RecordingUpstream::ok();
    let house = Plan::open_to(&upstream).start();
    let dial = house.dial("a");
    let mut flipped = dial.from(LISTED).open();
    let mut other = dial.from(STRANGER).open();
    assert_eq!(flipped.http("GET", "/x", &[], b"").text(), "ok");
    assert_eq!(other.http("GET", "/x", &[], b"").text(), "ok");

    house.front.list("a", "blacklist", "127.0.0.9\n");
    assert!(flipped.ends_silently().unwrap(), "closed without a byte");
    until_refused(&dial.from(LISTED));
    assert_eq!(
        other.http("GET", "/x", &[], b"").text(),
        "ok",
        "on the same connection"
    );

    house.front.list("a", "whitelist", "127.0.0.0/8\n");
    until_served(&dial.from(LISTED));
    assert_eq!(
        other.http("GET", "/x", &[], b"").text(),
        "ok",
        "still the same connection"
    );
}

#[test]
fn an_answer_in_flight_to_a_flipped_address_is_cut() {
    let upstream = RecordingUpstream::start(|exchange| {
        exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nfirst")?;
        exchange.sees_the_end();
        Ok(())
    });
    let house = Plan::open_to(&upstream).start();
    let mut flipped = house.dial("a").from(LISTED).open();
    flipped.send(flipped.request("GET", "/x", &[], b""));
    assert_eq!(flipped.head_only().unwrap().unwrap().status(), 200);
    house.front.list("a", "blacklist", "127.0.0.9\n");
    let got = flipped.discard(1000).unwrap_or(0);
    assert!(got < 1000, "{got}");
}

#[test]
fn a_flood_of_refused_connections_is_ten_lines_and_a_number_and_the_counter_is_exact() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::open_to(&upstream);
    plan.front.list("a", "blacklist", "127.0.0.0/24\n");
    let mut house = plan.start();
    for _ in 0..25 {
        assert!(house.dial("a").from(LISTED).gets_no_byte());
    }
    assert!(house.dial("a").from(STRANGER).gets_no_byte());
    let page = Dial::plain(house.metrics_address())
        .get("/metrics", &[])
        .text();
    let counter = r#"smarts_gateway_refused_total{reason="address-refused"} 26"#;
    assert!(page.contains(counter), "{page}");
    assert!(house.terminate().success());
    let log = house.log();
    let lines = |address: &str| {
        let words = [r#""message":"connection refused""#, address];
        let all = |line: &&str| words.iter().all(|word| line.contains(word));
        log.lines().filter(all).count()
    };
    assert_eq!(lines(r#""127.0.0.9""#), 10);
    assert_eq!(
        lines(r#""127.0.0.10""#),
        1,
        "a neighbour has lines of his own"
    );
    let summary = house.logged(&[r#""suppressed":15"#]);
    assert!(
        summary.contains("127.0.0.9") && summary.contains("address-refused"),
        "{summary}"
    );
}

#[test]
fn a_damaged_list_leaves_the_last_good_one_in_force_and_names_its_line() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::open_to(&upstream);
    plan.front.list("a", "blacklist", "127.0.0.9\n");
    let house = plan.start();
    let dial = house.dial("a");
    until_refused(&dial.from(LISTED));

    house
        .front
        .list("a", "blacklist", "# office\n127.0.0.11\n10.0.0.300\n");
    eventually(DEADLINE, "the status names the line", || {
        let state = house.state("a").to_string();
        (state.contains("blacklist.dat:3") && state.contains("10.0.0.300")).then_some(())
    });
    house.logged(&["blacklist.dat:3"]);
    assert!(dial.from(LISTED).gets_no_byte(), "the last good list");
    assert_eq!(
        dial.from([127, 0, 0, 11]).get("/x", &[]).text(),
        "ok",
        "nothing of the damaged one"
    );

    let house = house.killed_and_started_again();
    let dial = house.dial("a");
    assert!(
        dial.from(LISTED).gets_no_byte(),
        "the last good list is kept over a restart"
    );
    assert_eq!(dial.from([127, 0, 0, 11]).get("/x", &[]).text(), "ok");

    house.front.list("a", "blacklist", "127.0.0.11\n");
    until_refused(&dial.from([127, 0, 0, 11]));
    until_served(&dial.from(LISTED));
    assert!(
        !house.state("a").to_string().contains("blacklist.dat:3"),
        "mended"
    );
}

#[test]
fn a_damaged_blacklist_without_a_good_one_before_admits_only_whitelisted_addresses() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::open_to(&upstream);
    plan.front.list("a", "blacklist", "no address\n");
    plan.front.list("a", "whitelist", "127.0.0.9\n");
    let house = plan.start();
    assert_eq!(house.dial("a").from(LISTED).get("/x", &[]).text(), "ok");
    assert!(house.dial("a").from(STRANGER).gets_no_byte());
}

#[test]
fn a_damaged_whitelist_without_a_good_one_before_is_empty() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::open_to(&upstream);
    plan.front.list("a", "whitelist", "127.0.0.9\nno address\n");
    plan.front.list("a", "blacklist", "127.0.0.9\n");
    let house = plan.start();
    assert!(house.dial("a").from(LISTED).gets_no_byte());
    assert_eq!(house.dial("a").from(STRANGER).get("/x", &[]).text(), "ok");
}

#[test]
fn what_notepad_writes_is_a_list() {
    let upstream = RecordingUpstream::ok();
    let house = Plan::open_to(&upstream).start();
    let utf16 = |text: &str, order: fn(u16) -> [u8; 2]| -> Vec<u8> {
        "\u{feff}"
            .encode_utf16()
            .chain(text.encode_utf16())
            .flat_map(order)
            .collect()
    };
    let files: [(Vec<u8>, Ipv4Addr); 5] = [
        (b"\xef\xbb\xbf127.0.1.1\r\n".to_vec(), [127, 0, 1, 1].into()),
        (
            utf16("127.0.1.2\r\n", u16::to_le_bytes),
            [127, 0, 1, 2].into(),
        ),
        (
            utf16("127.0.1.3\r\n", u16::to_be_bytes),
            [127, 0, 1, 3].into(),
        ),
        (
            "# касса\r\n\r\n  127.0.1.4 \r\n".into(),
            [127, 0, 1, 4].into(),
        ),
        (b"127.0.1.4 - 127.0.1.6".to_vec(), [127, 0, 1, 5].into()),
    ];
    for (bytes, listed) in files {
        house.front.list("a", "blacklist", &bytes);
        until_refused(&house.dial("a").from(listed.octets()));
        assert_eq!(house.dial("a").from(STRANGER).get("/x", &[]).text(), "ok");
    }
}

#[test]
fn a_list_emptied_or_removed_is_an_empty_list() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::open_to(&upstream);
    plan.front.list("a", "blacklist", "127.0.0.9\n127.0.0.10\n");
    let house = plan.start();
    let dial = house.dial("a").from(LISTED);
    assert!(dial.gets_no_byte());
    house.front.list("a", "blacklist", "");
    until_served(&dial);
    house.logged(&["blacklist.dat", "\"removed\":2"]);
    house.front.list("a", "blacklist", "127.0.0.9\n");
    until_refused(&dial);
    house.front.remove_list("a", "blacklist");
    until_served(&dial);
}

#[test]
fn a_missing_server_folder_keeps_the_last_good_list() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::open_to(&upstream).with(Database::new("b", upstream.url()));
    plan.front.list("a", "blacklist", "127.0.0.9\n");
    plan.front.list("b", "blacklist", "127.0.0.9\n");
    let house = plan.start();
    fs::remove_dir_all(house.front.folder("a").join("Server")).unwrap();
    // What is emptied after it has come into force: the folder's loss was seen long before.
    house.front.list("b", "blacklist", "");
    until_served(&house.dial("b").from(LISTED));
    assert!(house.dial("a").from(LISTED).gets_no_byte());

    house.front.list("a", "blacklist", "127.0.0.10\n");
    until_refused(&house.dial("a").from(STRANGER));
    until_served(&house.dial("a").from(LISTED));
}

#[test]
fn one_databases_list_is_not_anothers() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::open_to(&upstream).with(Database::new("b", upstream.url()));
    plan.front.list("a", "blacklist", "127.0.0.9\n");
    let house = plan.start();
    assert!(house.dial("a").from(LISTED).gets_no_byte());
    assert_eq!(house.dial("b").from(LISTED).get("/x", &[]).text(), "ok");
}

#[test]
fn a_strangers_header_names_no_address() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::open_to(&upstream);
    plan.front.list("a", "blacklist", "127.0.0.9\n");
    let house = plan.start();
    let lies = [
        ("X-Forwarded-For", "127.0.0.9"),
        ("X-Real-IP", "127.0.0.9"),
        ("Forwarded", "for=127.0.0.9"),
        ("True-Client-IP", "127.0.0.9"),
    ];
    assert_eq!(house.dial("a").from(STRANGER).get("/x", &lies).text(), "ok");
    let seen = upstream.last();
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.10"]);
    assert_eq!(seen.all("x-real-ip"), ["127.0.0.10"]);
    assert_eq!(seen.header("forwarded"), None);
    assert_eq!(seen.header("true-client-ip"), None);
}

#[test]
fn a_proxys_word_counts_from_a_trusted_peer_alone() {
    let upstream = RecordingUpstream::ok();
    let mut plan = Plan::open_to(&upstream);
    plan.front.trusted_proxies = vec!["127.0.0.77".to_owned()];
    plan.front.list("a", "blacklist", "127.0.0.9\n");
    let house = plan.start();
    let proxied = |from: [u8; 4], client: [u8; 4], version: u8| {
        let mut connection = house.dial("a").from(from).open();
        let mut bytes = match version {
            1 => {
                let client = Ipv4Addr::from(client);
                format!("PROXY TCP4 {client} 127.0.0.1 40000 80\r\n").into_bytes()
            }
            _ => {
                let mut bytes = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c".to_vec();
                bytes.extend(client);
                bytes.extend([127, 0, 0, 1, 0x9c, 0x40, 0, 80]);
                bytes
            }
        };
        bytes.extend(connection.request("GET", "/proxied", &[], b""));
        connection.send(bytes);
        connection.reply(false).unwrap()
    };
    for version in [1, 2] {
        upstream.forget();
        let refused = proxied([127, 0, 0, 77], LISTED, version);
        assert!(
            matches!(refused, harness::Reply::Closed),
            "v{version}: {refused:?}"
        );
        let served = proxied([127, 0, 0, 77], STRANGER, version).response();
        assert_eq!(served.text(), "ok", "v{version}");
        assert_eq!(
            upstream.last().all("x-forwarded-for"),
            ["127.0.0.10"],
            "v{version}"
        );
        upstream.forget();
        // The same bytes from anybody else are a broken request.
        if let harness::Reply::Response(answer) = proxied([127, 0, 0, 78], STRANGER, version) {
            assert_eq!(answer.status(), 400, "v{version}");
        }
        assert_eq!(upstream.requests().len(), 0, "v{version}");
    }
    let direct = house.dial("a").from([127, 0, 0, 77]);
    let forwarded = [("X-Forwarded-For", "1.2.3.4, 127.0.0.9")];
    let mut connection = direct.open();
    let reply = connection.try_http("GET", "/x", &forwarded, b"").unwrap();
    assert!(
        matches!(reply, harness::Reply::Closed),
        "the last name in the header: {reply:?}"
    );
}

#[test]
fn too_many_connections_of_one_address_are_closed_and_a_whitelisted_one_is_exempt() {
    let upstream = RecordingUpstream::ok();
    let mut plan = Plan::open_to(&upstream);
    plan.front.limits = Some((3, 1000, 1000));
    plan.front.list("a", "whitelist", "127.0.0.9\n");
    let house = plan.start();
    let dial = house.dial("a");
    assert_eq!(five_at_once(&dial.from(STRANGER), ""), 3);
    assert_eq!(five_at_once(&dial.from(LISTED), ""), 5);
}

#[test]
fn a_whitelisted_address_is_exempt_from_the_cap_on_the_server_port() {
    let upstream = RecordingUpstream::ok();
    let mut plan = Plan::open_to(&upstream);
    plan.front.limits = Some((3, 1000, 1000));
    plan.front.list("a", "whitelist", "127.0.0.9\n");
    let house = plan.start();
    let dial = Dial::plain(house.server_address());
    assert_eq!(five_at_once(&dial.from(STRANGER), ""), 3);
    assert_eq!(five_at_once(&dial.from(LISTED), ""), 5);
}

/// How many of five connections open at once are served; `first` goes before each request.
fn five_at_once(dial: &Dial, first: &str) -> usize {
    let mut open: Vec<_> = (0..5).map(|_| dial.open()).collect();
    let served = open.iter_mut().filter_map(|client| {
        let request = client.request("GET", "/a/x", &[], b"");
        client.send([first.as_bytes(), &request].concat());
        matches!(client.reply(false), Ok(harness::Reply::Response(_))).then_some(())
    });
    served.count()
}

#[test]
fn the_cap_holds_for_the_client_that_a_trusted_proxy_names() {
    let upstream = RecordingUpstream::ok();
    let mut plan = Plan::open_to(&upstream);
    plan.front.limits = Some((3, 1000, 1000));
    plan.front.trusted_proxies = vec!["127.0.0.77".to_owned()];
    let house = plan.start();
    let proxy = house.dial("a").from([127, 0, 0, 77]);
    let named = |client: &str| format!("PROXY TCP4 {client} 127.0.0.1 40000 80\r\n");
    assert_eq!(five_at_once(&proxy, &named("10.0.0.1")), 3);
    assert_eq!(
        five_at_once(&proxy, &named("10.0.0.2")),
        3,
        "each client by itself"
    );
}

mod heavy {
    use std::fmt::Write;

    use super::*;

    #[test]
    fn a_million_lines_load_while_the_port_serves() {
        let upstream = RecordingUpstream::ok();
        let house = Plan::open_to(&upstream).start();
        let mut lines = String::new();
        for number in 0..1_000_000_u32 {
            // Every second address of 10.0.0.0/8: nothing merges.
            writeln!(lines, "{}", Ipv4Addr::from(0x0a00_0000 + number * 2)).unwrap();
        }
        lines.push_str("127.0.0.9\n");
        house.front.list("a", "blacklist", &lines);
        let mut served = house.dial("a").from(STRANGER).open();
        let refused = house.dial("a").from(LISTED);
        eventually(DEADLINE * 3, "the list is in force", || {
            assert_eq!(served.http("GET", "/x", &[], b"").text(), "ok");
            refused.gets_no_byte().then_some(())
        });
        let bytes = house.gateway.process.resident_bytes();
        assert!(bytes < 400 << 20, "{bytes} bytes resident");
    }
}
