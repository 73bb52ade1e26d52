//! Streams both ways: bodies of any length and framing, early answers, tunnels, and what a client
//! sees when one side goes.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

use harness::{DEADLINE, Dial, RecordingUpstream, Reply, eventually, free_port};

use crate::house::{House, Plan, assert_refusal};

fn in_front_of(upstream: &RecordingUpstream) -> (House, Dial) {
    let house = Plan::open_to(upstream).start();
    let dial = house.dial("a");
    (house, dial)
}

#[test]
fn a_body_arrives_whole_in_every_framing() {
    let upstream = RecordingUpstream::ok();
    let (_house, dial) = in_front_of(&upstream);
    let body: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let mut client = dial.open();
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        assert_eq!(client.http(method, "/x", &[], &body).text(), "ok");
        assert_eq!(upstream.last().body, body, "{method}");
    }
    let head = client.request("POST", "/x", &[("Transfer-Encoding", "chunked")], b"");
    client.send(head);
    for piece in body.chunks(7_777) {
        client.send(format!("{:x}\r\n", piece.len()));
        client.send(piece);
        client.send("\r\n");
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.response().text(), "ok");
    assert_eq!(upstream.last().body, body);
    assert_eq!(client.http("GET", "/x", &[], b"").text(), "ok");
    assert_eq!(
        upstream.last().body,
        b"",
        "nothing of one request in the next"
    );
}

#[test]
fn an_answer_arrives_whole_in_every_framing() {
    let upstream = RecordingUpstream::start(|exchange| {
        exchange.read_body()?;
        match exchange.request.method_and_target().1 {
            "/chunked" => exchange.raw(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=1\r\n world\r\n0\r\n\r\n",
            ),
            "/close" => {
                exchange.raw(b"HTTP/1.1 200 OK\r\n\r\nhello world")?;
                exchange.close();
                Ok(())
            }
            "/1.0" => {
                exchange.raw(b"HTTP/1.0 200 OK\r\n\r\nhello world")?;
                exchange.close();
                Ok(())
            }
            "/204" => exchange.respond(204, &[], b""),
            "/304" => exchange.respond(304, &[("ETag", "\"1\"")], b""),
            "/empty" => exchange.respond(200, &[], b""),
            _ => exchange.respond(418, &[("X-Own", "a"), ("X-Own", "b")], b"hello world"),
        }
    });
    let (_house, dial) = in_front_of(&upstream);
    let mut client = dial.open();
    for target in ["/chunked", "/close", "/1.0"] {
        let answer = client.http("GET", target, &[], b"");
        assert_eq!(
            (answer.status(), answer.text().as_str()),
            (200, "hello world"),
            "{target}"
        );
    }
    for (target, status) in [("/204", 204), ("/304", 304), ("/empty", 200)] {
        let answer = client.http("GET", target, &[], b"");
        assert_eq!(
            (answer.status(), answer.body.len()),
            (status, 0),
            "{target}"
        );
    }
    let answer = client.http("GET", "/own", &[], b"");
    assert_eq!(
        (answer.status(), answer.text().as_str()),
        (418, "hello world")
    );
    assert_eq!(answer.all("x-own"), ["a", "b"]);
    for target in ["/own", "/empty", "/chunked"] {
        let answer = client.http("HEAD", target, &[], b"");
        assert_eq!(answer.body.len(), 0, "{target}");
    }
    assert_eq!(
        client.http("GET", "/own", &[], b"").text(),
        "hello world",
        "in step after HEAD"
    );
}

#[test]
fn an_old_client_gets_its_answer_and_the_end() {
    let upstream = RecordingUpstream::start(|exchange| {
        exchange.read_body()?;
        exchange.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
    });
    let (_house, dial) = in_front_of(&upstream);
    let mut client = dial.open();
    client.send("GET /x HTTP/1.0\r\nHost: h\r\n\r\n");
    let answer = client.response();
    assert_eq!(
        answer.header("transfer-encoding"),
        None,
        "1.0 knows no chunks"
    );
    assert_eq!(answer.text(), "ok");
    assert!(client.ends_silently().unwrap());
}

#[test]
fn who_waits_to_be_asked_for_the_body_is_asked() {
    let upstream = RecordingUpstream::start(|exchange| {
        if exchange.request.header("expect").is_some() {
            exchange.raw(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        exchange.read_body()?;
        exchange.respond(200, &[], b"ok")
    });
    let (_house, dial) = in_front_of(&upstream);
    let mut client = dial.open();
    let headers = [("Expect", "100-continue"), ("Content-Length", "5")];
    client.send(client.request("PUT", "/x", &headers, b""));
    assert_eq!(client.head_only().unwrap().unwrap().status(), 100);
    client.send("hello");
    assert_eq!(client.response().text(), "ok");
    assert_eq!(upstream.last().body, b"hello");
    assert_eq!(
        client.http("GET", "/y", &[], b"").text(),
        "ok",
        "no handshake for each POST"
    );
    let unknown = dial.http("PUT", "/x", &[("Expect", "200-maybe")], b"hello");
    assert_eq!(unknown.status(), 417);
}

#[test]
fn an_early_answer_arrives_before_the_body_is_sent() {
    let upstream = RecordingUpstream::start(|exchange| {
        exchange.respond(413, &[("Connection", "close")], b"too large")?;
        exchange.sees_the_end();
        Ok(())
    });
    let (_house, dial) = in_front_of(&upstream);
    let mut client = dial.open();
    client.send(client.request("POST", "/x", &[("Content-Length", "1000000")], b""));
    client.send(vec![b'x'; 1000]);
    let answer = client.response();
    assert_eq!(
        (answer.status(), answer.text().as_str()),
        (413, "too large")
    );
}

#[test]
fn an_answer_is_passed_on_piece_by_piece() {
    let (next, pieces) = mpsc::channel::<()>();
    let pieces = Mutex::new(pieces);
    let upstream = RecordingUpstream::start(move |exchange| {
        exchange.read_body()?;
        exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")?;
        for piece in ["one", "two", "six"] {
            exchange.raw(piece.as_bytes())?;
            pieces.lock().unwrap().recv().unwrap();
        }
        Ok(())
    });
    let (_house, dial) = in_front_of(&upstream);
    let mut client = dial.open();
    client.send(client.request("GET", "/x", &[], b""));
    client.head_only().unwrap().unwrap();
    for piece in ["one", "two", "six"] {
        // Each has come before the next is sent: nothing waits for a full buffer.
        assert_eq!(client.read_exactly(3), piece.as_bytes());
        next.send(()).unwrap();
    }
}

#[test]
fn a_websocket_is_a_tunnel_after_101_until_either_side_ends() {
    let upstream = RecordingUpstream::start(|exchange| {
        exchange.raw(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
              Sec-WebSocket-Accept: x\r\n\r\n",
        )?;
        exchange.echo()
    });
    let (_house, dial) = in_front_of(&upstream);
    let mut client = dial.open();
    let headers = [
        ("Connection", "keep-alive, Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
    ];
    // The first frame may come in the same segment as the handshake.
    let mut bytes = client.request("GET", "/socket", &headers, b"");
    bytes.extend_from_slice(b"\x81\x02hi");
    client.send(bytes);
    let answer = client.response();
    assert_eq!(answer.status(), 101);
    assert_eq!(answer.header("sec-websocket-accept"), Some("x"));
    assert_eq!(client.read_exactly(4), b"\x81\x02hi");
    for size in [1_usize, 1000, 100_000] {
        let frame = vec![b'x'; size];
        client.send(&frame);
        assert_eq!(client.read_exactly(size), frame);
    }
    let seen = upstream.last();
    assert_eq!(
        seen.header("upgrade").map(str::to_lowercase).as_deref(),
        Some("websocket")
    );
    assert_eq!(seen.header("sec-websocket-key"), Some(headers[2].1));
    upstream.close_connections();
    assert!(client.ends_silently().unwrap());
}

#[test]
fn a_101_that_nobody_asked_for_is_no_tunnel() {
    let upstream = RecordingUpstream::start(|exchange| {
        exchange.raw(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
        )?;
        exchange.echo()
    });
    let (_house, dial) = in_front_of(&upstream);
    assert_refusal(&dial.get("/x", &[]), 502);
}

#[test]
fn a_client_that_goes_takes_its_upstream_request_along() {
    let (told, hears) = mpsc::channel();
    let told = Mutex::new(told);
    let upstream = RecordingUpstream::start(move |exchange| {
        exchange.read_body()?;
        let ended = exchange.sees_the_end();
        told.lock().unwrap().send(ended).unwrap();
        Ok(())
    });
    let (_house, dial) = in_front_of(&upstream);
    let mut client = dial.open();
    client.send(client.request("GET", "/x", &[], b""));
    upstream.wait_for(1);
    client.hang_up();
    assert!(
        hears
            .recv_timeout(DEADLINE)
            .expect("the upstream is let go")
    );
}

#[test]
fn an_upstream_that_is_not_there_is_a_502() {
    let upstream = RecordingUpstream::ok();
    let mut plan = Plan::open_to(&upstream);
    plan.front.databases[0].upstream = format!("http://127.0.0.1:{}", free_port());
    let house = plan.start();
    assert_refusal(&house.dial("a").get("/x", &[]), 502);
    assert_refusal(&house.dial("a").http("POST", "/x", &[], b"x"), 502);
}

#[test]
fn an_upstream_that_breaks_off_before_a_byte_is_a_502_and_after_it_a_cut() {
    let upstream = RecordingUpstream::start(|exchange| {
        exchange.read_body()?;
        exchange.close();
        match exchange.request.method_and_target().1 {
            "/half" => exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
            "/halfhead" => exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Le"),
            "/noise" => exchange.raw(b"\x00\x01\x02 nothing of HTTP\r\n\r\n"),
            _ => Ok(()),
        }
    });
    let (_house, dial) = in_front_of(&upstream);
    for target in ["/nothing", "/halfhead", "/noise"] {
        let answer = dial.http("POST", target, &[], b"x");
        assert_refusal(&answer, 502);
    }
    let mut client = dial.open();
    client.send(client.request("GET", "/half", &[], b""));
    // A cut answer must look cut: never a shorter one that seems whole.
    match client.reply(false) {
        Err(_) | Ok(Reply::Closed) => {}
        Ok(Reply::Response(answer)) => assert_eq!(answer.status(), 502, "{}", answer.start),
    }
}

/// How a kept connection dies.
#[derive(Clone, Copy, Debug)]
enum Death {
    Closed,
    Reset,
}

/// Serves one request a connection; the second time it is asked on it, that dies.
fn stale(served: &Arc<AtomicUsize>, death: Death) -> RecordingUpstream {
    let served = Arc::clone(served);
    let last = Mutex::new(usize::MAX);
    RecordingUpstream::start(move |exchange| {
        exchange.read_body()?;
        let used = std::mem::replace(&mut *last.lock().unwrap(), exchange.connection());
        if used == exchange.connection() {
            return match death {
                Death::Closed => {
                    exchange.close();
                    Ok(())
                }
                Death::Reset => exchange.reset(),
            };
        }
        served.fetch_add(1, Ordering::SeqCst);
        exchange.respond(200, &[], b"ok")
    })
}

#[track_caller]
fn is_tried_again(death: Death) {
    let served = Arc::new(AtomicUsize::new(0));
    let upstream = stale(&served, death);
    let (_house, dial) = in_front_of(&upstream);
    let mut client = dial.open();
    let asked = [
        ("GET", ""),
        ("HEAD", ""),
        ("GET", ""),
        ("PUT", "body"),
        ("DELETE", ""),
        ("GET", ""),
    ];
    for (method, body) in asked {
        let answer = client.http(method, "/x", &[], body.as_bytes());
        assert_eq!(answer.status(), 200, "{method}, {death:?}");
    }
    let requests = upstream.requests();
    assert!(
        requests.len() < 2 * asked.len(),
        "each at most twice: {}",
        requests.len()
    );
    assert_eq!(served.load(Ordering::SeqCst), asked.len());
}

#[test]
fn an_idempotent_request_is_tried_again_once_when_its_kept_connection_was_stale() {
    is_tried_again(Death::Closed);
}

#[test]
fn an_idempotent_request_is_tried_again_once_when_its_kept_connection_was_reset() {
    is_tried_again(Death::Reset);
}

#[test]
fn a_post_is_never_sent_twice() {
    for death in [Death::Closed, Death::Reset] {
        sends_a_post_once(death);
    }
}

fn sends_a_post_once(death: Death) {
    let served = Arc::new(AtomicUsize::new(0));
    let upstream = stale(&served, death);
    let (_house, dial) = in_front_of(&upstream);
    assert_eq!(dial.get("/x", &[]).status(), 200);
    for number in 0..4 {
        let target = format!("/post/{number}");
        for method in ["POST", "PATCH"] {
            let answer = dial.http(method, &target, &[], b"once");
            assert!(matches!(answer.status(), 200 | 502), "{}", answer.start);
        }
    }
    let mut seen: Vec<_> = upstream
        .requests()
        .into_iter()
        .map(|recorded| recorded.message.start)
        .filter(|start| start.contains("/post/"))
        .collect();
    let count = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), count, "none came twice");
}

#[test]
fn an_upstream_that_comes_back_is_used_again() {
    let upstream = RecordingUpstream::ok();
    let (house, dial) = in_front_of(&upstream);
    assert_eq!(dial.get("/x", &[]).text(), "ok");
    let address: SocketAddr = upstream.address();
    drop(upstream);
    eventually(DEADLINE, "the upstream is away", || {
        (dial.get("/x", &[]).status() == 502).then_some(())
    });
    let _again = RecordingUpstream::at(address, |exchange| exchange.respond(200, &[], b"again"));
    assert_eq!(dial.get("/x", &[]).text(), "again");
    drop(house);
}

#[test]
fn connection_headers_stay_on_their_own_side() {
    let upstream = RecordingUpstream::start(|exchange| {
        exchange.read_body()?;
        let headers = [
            ("Keep-Alive", "timeout=5"),
            ("Connection", "X-Hop"),
            ("X-Hop", "1"),
            ("X-End", "2"),
        ];
        exchange.respond(200, &headers, b"ok")
    });
    let (_house, dial) = in_front_of(&upstream);
    let headers = [
        ("Connection", "keep-alive, X-Mine"),
        ("X-Mine", "1"),
        ("Keep-Alive", "300"),
        ("Proxy-Connection", "keep-alive"),
        ("TE", "trailers"),
        ("Proxy-Authorization", "Basic x"),
        ("X-End", "3"),
    ];
    let answer = dial.get("/x", &headers);
    assert_eq!(answer.header("x-hop"), None);
    assert_eq!(answer.header("x-end"), Some("2"));
    let seen = upstream.last();
    for name in [
        "x-mine",
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
    ] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    assert_eq!(seen.header("x-end"), Some("3"));
}

#[test]
fn a_database_moved_to_another_upstream_asks_only_that_one() {
    let (old, new) = (RecordingUpstream::ok(), RecordingUpstream::ok());
    let (mut house, dial) = in_front_of(&old);
    let mut client = dial.open();
    client.http("GET", "/x", &[], b"");
    house.change(|front| front.databases[0].upstream = new.url());
    eventually(DEADLINE, "the new upstream is asked", || {
        dial.get("/x", &[]);
        (!new.requests().is_empty()).then_some(())
    });
    old.forget();
    if let Ok(Reply::Response(answer)) = client.try_http("GET", "/x", &[], b"") {
        assert_eq!(answer.text(), "ok");
    }
    assert_eq!(
        old.requests().len(),
        0,
        "a kept connection follows the change"
    );
}

mod heavy {
    use super::*;

    const BYTES: u64 = 1 << 30;
    /// What may come on top while that passes.
    const FLAT: u64 = 24 << 20;

    fn streams() -> RecordingUpstream {
        RecordingUpstream::start(|exchange| {
            if exchange.request.start.starts_with("POST") {
                let got = exchange.discard_body()?;
                return exchange.respond(200, &[], got.to_string().as_bytes());
            }
            exchange
                .raw(format!("HTTP/1.1 200 OK\r\nContent-Length: {BYTES}\r\n\r\n").as_bytes())?;
            let piece = vec![b'x'; 64 << 10];
            for _ in 0..BYTES / (64 << 10) {
                exchange.raw(&piece)?;
            }
            Ok(())
        })
    }

    #[test]
    fn a_large_body_streams_up_and_down_in_flat_memory() {
        let upstream = streams();
        let (house, dial) = in_front_of(&upstream);
        assert_eq!(
            dial.http("POST", "/x", &[("Content-Length", "1")], b"x")
                .text(),
            "1"
        );
        let before = house.gateway.process.resident_bytes();
        let mut client = dial.open();
        client.send(client.request("POST", "/x", &[("Content-Length", &BYTES.to_string())], b""));
        let piece = vec![b'x'; 64 << 10];
        for _ in 0..BYTES / (64 << 10) {
            client.try_send(&piece).unwrap();
        }
        assert_eq!(client.response().text(), BYTES.to_string());
        let up = house.gateway.process.resident_bytes();
        client.send(client.request("GET", "/x", &[], b""));
        client.head_only().unwrap().unwrap();
        assert_eq!(client.discard(BYTES).unwrap(), BYTES);
        let down = house.gateway.process.resident_bytes();
        assert!(up.saturating_sub(before) < FLAT, "{before} → {up}");
        assert!(down.saturating_sub(before) < FLAT, "{before} → {down}");
    }

    #[test]
    fn a_client_that_reads_nothing_holds_the_upstream_back() {
        let upstream = streams();
        let (house, dial) = in_front_of(&upstream);
        let before = house.gateway.process.resident_bytes();
        let mut client = dial.open();
        client.send(client.request("GET", "/x", &[], b""));
        client.head_only().unwrap().unwrap();
        // Others are served meanwhile, and what waits is not piled up in memory.
        for _ in 0..50 {
            assert_eq!(
                dial.http("POST", "/x", &[("Content-Length", "1")], b"x")
                    .text(),
                "1"
            );
        }
        let after = house.gateway.process.resident_bytes();
        assert!(after.saturating_sub(before) < FLAT, "{before} → {after}");
        client.hang_up();
    }
}
