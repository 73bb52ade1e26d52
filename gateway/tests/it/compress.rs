//! «Сжимать справочники и таблицы»: curl, Python's requests and clients that accept nothing, in
//! front of a recording upstream and at our own backend.

use std::fs;

use harness::{DEADLINE, Database, Message, RecordingUpstream, eventually, tool};
use serde_json::json;

use crate::{
    house::{House, Plan, basic},
    separate::{Backend, SHOP},
};

/// 200 rows, as goods look.
fn goods() -> String {
    let row =
        |id: usize| format!(r#"{{"id":"{id}","name":"Молоко 3,2 %","barcode":"46{id:011}"}}"#);
    let rows: Vec<_> = (0..200).map(row).collect();
    format!(r#"{{"value":[{}]}}"#, rows.join(","))
}

/// The query says how it answers.
fn upstream() -> RecordingUpstream {
    RecordingUpstream::start(|exchange| {
        exchange.read_body()?;
        let body = goods();
        let body = body.as_bytes();
        let (_, target) = exchange.request.method_and_target();
        let target = target.to_owned();
        let json = ("Content-Type", "application/json; charset=utf-8");
        match target.split_once('?').map_or("", |(_, query)| query) {
            "missing" => exchange.respond(404, &[json], body),
            "picture" => exchange.respond(200, &[("Content-Type", "image/png")], body),
            "small" => exchange.respond(200, &[json], b"{\"value\":[]}"),
            "packed" => exchange.respond(200, &[json, ("Content-Encoding", "br")], body),
            "part" => {
                let range = ("Content-Range", "bytes 0-99/200");
                exchange.respond(206, &[json, range], body)
            }
            "kept" => exchange.respond(
                200,
                &[json, ("Cache-Control", "private, no-transform")],
                body,
            ),
            "varies" => exchange.respond(200, &[json, ("Vary", "Accept, accept-encoding")], body),
            "pieces" | "cut" => {
                exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n")?;
                for piece in body.chunks(1000) {
                    exchange.raw(format!("{:x}\r\n", piece.len()).as_bytes())?;
                    exchange.raw(&[piece, b"\r\n"].concat())?;
                }
                if target.ends_with("cut") {
                    return exchange.reset();
                }
                exchange.raw(b"0\r\n\r\n")
            }
            _ => {
                let more = [json, ("ETag", "\"v1\""), ("Accept-Ranges", "bytes")];
                exchange.respond(200, &more, body)
            }
        }
    })
}

fn house(upstream: &RecordingUpstream) -> House {
    let compressing = Database {
        compress: true,
        ..Database::new("a", upstream.url())
    };
    let twin = Database::new("b", upstream.url());
    Plan::new().with(compressing).with(twin).start()
}

const PRODUCTS: &str = "/MobileSMARTS/api/v1/Products";

#[track_caller]
fn assert_packed(answer: &Message) {
    assert_eq!(answer.all("content-encoding"), ["gzip"], "{}", answer.start);
    assert!(
        answer.body.starts_with(&[0x1f, 0x8b]),
        "{:?}",
        answer.headers
    );
    assert!(
        answer.body.len() < goods().len() / 4,
        "{}",
        answer.body.len()
    );
    assert_eq!(answer.header("content-length"), None);
    let vary = answer.all("vary").join(",").to_lowercase();
    assert!(vary.contains("accept-encoding"), "{vary}");
}

#[track_caller]
fn assert_plain(answer: &Message) {
    assert_eq!(answer.header("content-encoding"), None, "{}", answer.start);
    assert!(!answer.body.starts_with(&[0x1f, 0x8b]));
}

#[test]
fn goods_tables_and_reference_lists_are_packed_for_who_accepts_gzip() {
    let upstream = upstream();
    let house = house(&upstream);
    let gzip = [("Accept-Encoding", "gzip, deflate")];
    let mut client = house.dial("a").open();
    for path in [
        PRODUCTS,
        "/api/v1/products?$top=10",
        "/api/v1/Tables/%D0%A6%D0%B5%D0%BD%D1%8B",
        "/api/v1/Warehouses('1')/cells",
        "/api/v1/DocTypes?pieces",
        "/api/v1/Cells?varies",
    ] {
        assert_packed(&client.http("GET", path, &gzip, b""));
        // Between them, on the same connection, whoever does not accept it.
        for headers in [&[][..], &[("Accept-Encoding", "gzip;q=0, br")]] {
            let answer = client.http("GET", path, headers, b"");
            assert_plain(&answer);
            assert_eq!(answer.text(), goods(), "{path}");
            let vary = answer.all("vary").join(",").to_lowercase();
            assert_eq!(vary.matches("accept-encoding").count(), 1, "{path}: {vary}");
        }
        assert_plain(&house.dial("b").get(path, &gzip));
    }
    let packed = client.http("GET", PRODUCTS, &gzip, b"");
    assert_eq!(
        packed.all("etag"),
        ["W/\"v1\""],
        "other bytes than those of v1"
    );
    assert_eq!(packed.header("accept-ranges"), None);
    let plain = client.http("GET", PRODUCTS, &[], b"");
    assert_eq!(plain.all("etag"), ["\"v1\""]);
    assert_eq!(plain.header("accept-ranges"), Some("bytes"));
    assert_eq!(house.state("a")["compress"], true);
}

#[test]
fn what_may_not_be_packed_goes_as_it_came() {
    let upstream = upstream();
    let house = house(&upstream);
    let gzip = ("Accept-Encoding", "gzip");
    let mut client = house.dial("a").open();
    for path in [
        "/api/v1/Docs",
        "/api/v1/Users",
        "/Products",
        "/api/v1/Products?missing",
        "/api/v1/Products?picture",
        "/api/v1/Products?small",
        "/api/v1/Products?kept",
        "/api/v1/Products?part",
    ] {
        assert_plain(&client.http("GET", path, &[gzip], b""));
    }
    let ranged = client.http("GET", PRODUCTS, &[gzip, ("Range", "bytes=0-9")], b"");
    assert_plain(&ranged);
    assert_plain(&client.http("POST", PRODUCTS, &[gzip], b"{}"));
    let packed = client.http("GET", "/api/v1/Products?packed", &[gzip], b"");
    assert_eq!(packed.all("content-encoding"), ["br"]);
    assert_eq!(packed.text(), goods());
    let head = client.http("HEAD", PRODUCTS, &[gzip], b"");
    assert_plain(&head);
    assert_eq!(
        head.header("content-length"),
        Some(&*goods().len().to_string())
    );
    assert_eq!(head.all("vary"), ["Accept-Encoding"]);
    assert_packed(&client.http("GET", PRODUCTS, &[gzip], b""));
}

#[test]
fn an_answer_that_breaks_off_is_never_a_whole_one() {
    let upstream = upstream();
    let house = house(&upstream);
    let mut client = house.dial("a").open();
    let gzip = [("Accept-Encoding", "gzip")];
    assert!(
        client
            .try_http("GET", "/api/v1/Products?cut", &gzip, b"")
            .is_err()
    );
    assert_packed(&house.dial("a").get("/api/v1/Products?pieces", &gzip));
}

#[test]
fn curl_and_python_unpack_it_and_old_clients_read_to_the_end() {
    let upstream = upstream();
    let house = house(&upstream);
    let url = format!("http://{}{PRODUCTS}", house.address("a"));
    let heads = house.config().with_extension("heads");
    let heads = heads.to_str().unwrap();
    for (more, encoding) in [
        (&["--compressed"][..], true),
        (&["--compressed", "--http1.0"], true),
        (&[], false),
    ] {
        for query in ["", "?pieces"] {
            let url = format!("{url}{query}");
            let (status, body) = tool::curl([&["-D", heads, &url], more].concat());
            assert_eq!((status, body), (200, goods()), "{more:?}");
            let head = fs::read_to_string(heads).unwrap().to_lowercase();
            assert_eq!(head.contains("content-encoding: gzip"), encoding, "{head}");
        }
    }
    let script = r#"
import sys, requests
session = requests.Session()
session.trust_env = False
for _ in range(3):
    packed = session.get(sys.argv[1])
    assert packed.headers["Content-Encoding"] == "gzip", packed.headers
    assert len(packed.json()["value"]) == 200
plain = session.get(sys.argv[1], headers={"Accept-Encoding": "identity"})
assert "Content-Encoding" not in plain.headers and plain.content == packed.content
print("done")
"#;
    assert_eq!(tool::python(script, &[&url]).trim(), "done");
    let connections = upstream.connections();
    assert!(connections <= 8, "kept, not opened anew: {connections}");
}

#[test]
fn the_switch_acts_while_the_gateway_runs_in_front_and_at_our_backend() {
    let upstream = upstream();
    let mut house = house(&upstream);
    let gzip = ("Accept-Encoding", "gzip");
    let packs = |dial: &harness::Dial, headers: &[(&str, &str)], wanted: bool| {
        eventually(DEADLINE, &format!("packed: {wanted}"), || {
            let answer = dial.get("/api/v1/Products", headers);
            assert_eq!(answer.status(), 200, "{}", answer.text());
            (answer.header("content-encoding").is_some() == wanted).then_some(())
        });
    };
    let dial = house.dial("a");
    packs(&dial, &[gzip], true);
    house.change(|front| front.databases[0].compress = false);
    packs(&dial, &[gzip], false);

    let backend = Backend::start();
    let front = backend.gateway();
    let (name, word, _) = backend.user(SHOP, "mobile-user");
    let authorization = basic(name, word);
    let headers = [gzip, ("Authorization", authorization.as_str())];
    let dial = front.dial(SHOP);
    for wanted in [false, true, false] {
        let set = json!({"change": "set", "id": SHOP, "settings": {"compress": wanted}});
        assert_eq!(backend.change(&json!({"changes": [set]})).status(), 200);
        packs(&dial, &headers, wanted);
    }
}

mod heavy {
    use super::*;

    const BYTES: usize = 128 << 20;
    const FLAT: u64 = 24 << 20;

    /// Bytes that no encoder makes smaller.
    fn noise() -> Vec<u8> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        };
        (0..(64 << 10) / 8).flat_map(|_| next()).collect()
    }

    #[test]
    fn a_large_answer_is_packed_in_flat_memory() {
        let upstream = RecordingUpstream::start(|exchange| {
            exchange.read_body()?;
            let piece = noise();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {BYTES}\r\n\r\n"
            );
            exchange.raw(head.as_bytes())?;
            for _ in 0..BYTES / piece.len() {
                exchange.raw(&piece)?;
            }
            Ok(())
        });
        let house = house(&upstream);
        let url = format!("http://{}{PRODUCTS}", house.address("a"));
        let before = house.gateway.process.resident_bytes();
        let into = house.config().with_extension("body");
        let into = into.to_str().unwrap();
        let outcome = tool::run(
            "curl",
            ["-sS", "--noproxy", "*", "--compressed", "-o", into, &url],
            "",
        );
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        let after = house.gateway.process.resident_bytes();
        assert_eq!(fs::metadata(into).unwrap().len(), BYTES as u64);
        assert!(after.saturating_sub(before) < FLAT, "{before} → {after}");
    }
}
