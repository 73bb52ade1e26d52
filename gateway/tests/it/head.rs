//! Wire torture: what is ambiguous or broken gets 400 and the connection closes; nothing of it,
//! and nothing that hides behind it, reaches the upstream. T6, T7, T17, T27 of the attack list.

use std::time::Duration;

use harness::{Dial, RecordingUpstream, Reply, eventually};

use crate::house::{Plan, assert_refusal};

/// What an attacker wants to have served in a second, unjudged request.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";

/// Framing headers of `POST /p`, each followed by a body under both readings.
const FRAMING: &[(&str, &str)] = &[
    (
        "CL.TE",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    ),
    (
        "TE.CL",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    ),
    (
        "CL 0 and TE",
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
    ),
    (
        "CL and TE identity",
        "Content-Length: 5\r\nTransfer-Encoding: identity\r\n",
    ),
    (
        "TE.TE",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    ),
    (
        "TE chunked and identity",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    ),
    ("TE unknown", "Transfer-Encoding: xchunked\r\n"),
    ("TE identity", "Transfer-Encoding: identity\r\n"),
    ("TE gzip", "Transfer-Encoding: gzip\r\n"),
    ("TE empty", "Transfer-Encoding:\r\n"),
    (
        "TE chunked twice in one",
        "Transfer-Encoding: chunked, chunked\r\n",
    ),
    (
        "TE chunked not last",
        "Transfer-Encoding: chunked, identity\r\n",
    ),
    ("TE quoted", "Transfer-Encoding: \"chunked\"\r\n"),
    ("TE with a parameter", "Transfer-Encoding: chunked;x=1\r\n"),
    (
        "TE with a vertical tab",
        "Transfer-Encoding: \x0bchunked\r\n",
    ),
    ("TE with NUL", "Transfer-Encoding: chunked\0\r\n"),
    (
        "TE with space before the colon",
        "Transfer-Encoding : chunked\r\n",
    ),
    (
        "TE with tab before the colon",
        "Transfer-Encoding\t: chunked\r\n",
    ),
    ("TE folded", "Transfer-Encoding:\r\n chunked\r\n"),
    (
        "TE as a folded line",
        "X: y\r\n Transfer-Encoding: chunked\r\n",
    ),
    (
        "TE folded by tab",
        "X: y\r\n\tTransfer-Encoding: chunked\r\n",
    ),
    ("TE after a bare CR", "X: y\rTransfer-Encoding: chunked\r\n"),
    ("TE after a bare LF", "X: y\nTransfer-Encoding: chunked\r\n"),
    ("TE ended by a bare LF", "Transfer-Encoding: chunked\n"),
    (
        "CL twice, equal",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
    ),
    (
        "CL twice, different",
        "Content-Length: 5\r\nContent-Length: 0\r\n",
    ),
    ("CL list, equal", "Content-Length: 5, 5\r\n"),
    ("CL list, different", "Content-Length: 5, 6\r\n"),
    ("CL empty", "Content-Length:\r\n"),
    ("CL with plus", "Content-Length: +5\r\n"),
    ("CL with zeros before", "Content-Length: 005\r\n"),
    ("CL negative", "Content-Length: -5\r\n"),
    ("CL hexadecimal", "Content-Length: 0x5\r\n"),
    ("CL with a fraction", "Content-Length: 5.0\r\n"),
    ("CL with an exponent", "Content-Length: 5e0\r\n"),
    ("CL with a space inside", "Content-Length: 5 5\r\n"),
    ("CL with a unit", "Content-Length: 5b\r\n"),
    (
        "CL too large for any",
        "Content-Length: 99999999999999999999\r\n",
    ),
    ("CL in other digits", "Content-Length: ٥\r\n"),
    ("CL quoted", "Content-Length: \"5\"\r\n"),
    ("CL with space before the colon", "Content-Length : 5\r\n"),
    ("CL folded", "Content-Length:\r\n 5\r\n"),
    ("CL after NUL", "X: \0\r\nContent-Length: 5\r\n"),
];

/// Whole heads, each complete or never to be completed.
const HEADS: &[(&str, &[u8])] = &[
    ("bare LF everywhere", b"GET /p HTTP/1.1\nHost: h\n\n"),
    (
        "bare LF after the request line",
        b"GET /p HTTP/1.1\nHost: h\r\n\r\n",
    ),
    (
        "bare LF after a header",
        b"GET /p HTTP/1.1\r\nHost: h\n\r\n",
    ),
    ("bare LF as the end", b"GET /p HTTP/1.1\r\nHost: h\r\n\n"),
    ("CR CR LF", b"GET /p HTTP/1.1\r\r\nHost: h\r\n\r\n"),
    (
        "bare CR as line ends",
        b"GET /p HTTP/1.1\rHost: h\r\r\n\r\n",
    ),
    (
        "bare CR in a value",
        b"GET /p HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n",
    ),
    (
        "NUL in a value",
        b"GET /p HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n",
    ),
    (
        "DEL in a value",
        b"GET /p HTTP/1.1\r\nHost: h\r\nX: a\x7fb\r\n\r\n",
    ),
    (
        "escape in a value",
        b"GET /p HTTP/1.1\r\nHost: h\r\nX: \x1b[31m\r\n\r\n",
    ),
    (
        "folded header",
        b"GET /p HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n",
    ),
    (
        "space before the first header",
        b"GET /p HTTP/1.1\r\n Host: h\r\n\r\n",
    ),
    (
        "empty header name",
        b"GET /p HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n",
    ),
    (
        "header without a colon",
        b"GET /p HTTP/1.1\r\nHost: h\r\nbroken\r\n\r\n",
    ),
    (
        "space in a name",
        b"GET /p HTTP/1.1\r\nHost: h\r\nX Y: a\r\n\r\n",
    ),
    (
        "space before a colon",
        b"GET /p HTTP/1.1\r\nHost: h\r\nX : a\r\n\r\n",
    ),
    (
        "bracket in a name",
        b"GET /p HTTP/1.1\r\nHost: h\r\nX(Y: a\r\n\r\n",
    ),
    (
        "NUL in a name",
        b"GET /p HTTP/1.1\r\nHost: h\r\nX\0: a\r\n\r\n",
    ),
    (
        "a high byte in a name",
        b"GET /p HTTP/1.1\r\nHost: h\r\nX\xd1\x84: a\r\n\r\n",
    ),
    (
        "quote in a name",
        b"GET /p HTTP/1.1\r\nHost: h\r\n\"X\": a\r\n\r\n",
    ),
    ("no Host", b"GET /p HTTP/1.1\r\nX: y\r\n\r\n"),
    (
        "two Hosts",
        b"GET /p HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n",
    ),
    (
        "the same Host twice",
        b"GET /p HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n",
    ),
    (
        "two Hosts in two spellings",
        b"GET /p HTTP/1.1\r\nHost: h\r\nhOST: h\r\n\r\n",
    ),
    ("Host with a space", b"GET /p HTTP/1.1\r\nHost: a b\r\n\r\n"),
    ("Host with a slash", b"GET /p HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    ("Host with a user", b"GET /p HTTP/1.1\r\nHost: a@b\r\n\r\n"),
    ("Host with a comma", b"GET /p HTTP/1.1\r\nHost: a,b\r\n\r\n"),
    ("Host with a hash", b"GET /p HTTP/1.1\r\nHost: a#b\r\n\r\n"),
    (
        "Host with a question mark",
        b"GET /p HTTP/1.1\r\nHost: a?b\r\n\r\n",
    ),
    (
        "Host with a backslash",
        b"GET /p HTTP/1.1\r\nHost: a\\b\r\n\r\n",
    ),
    ("no version", b"GET /p\r\nHost: h\r\n\r\n"),
    ("HTTP/0.9", b"GET /p\r\n\r\n"),
    ("HTTP/2.0 in clear", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("an unknown version", b"GET /p HTTP/1.2\r\nHost: h\r\n\r\n"),
    ("version 3", b"GET /p HTTP/3.0\r\nHost: h\r\n\r\n"),
    (
        "version in lower case",
        b"GET /p http/1.1\r\nHost: h\r\n\r\n",
    ),
    (
        "version with three digits",
        b"GET /p HTTP/1.10\r\nHost: h\r\n\r\n",
    ),
    (
        "something after the version",
        b"GET /p HTTP/1.1 x\r\nHost: h\r\n\r\n",
    ),
    (
        "space after the version",
        b"GET /p HTTP/1.1 \r\nHost: h\r\n\r\n",
    ),
    (
        "two spaces before the target",
        b"GET  /p HTTP/1.1\r\nHost: h\r\n\r\n",
    ),
    (
        "two spaces after the target",
        b"GET /p  HTTP/1.1\r\nHost: h\r\n\r\n",
    ),
    (
        "tabs in the request line",
        b"GET\t/p\tHTTP/1.1\r\nHost: h\r\n\r\n",
    ),
    (
        "space before the method",
        b" GET /p HTTP/1.1\r\nHost: h\r\n\r\n",
    ),
    ("no method", b"/p HTTP/1.1\r\nHost: h\r\n\r\n"),
    (
        "bracket in the method",
        b"G(T /p HTTP/1.1\r\nHost: h\r\n\r\n",
    ),
    (
        "a high byte in the method",
        b"G\xc3\x89T /p HTTP/1.1\r\nHost: h\r\n\r\n",
    ),
    ("NUL in the method", b"G\0T /p HTTP/1.1\r\nHost: h\r\n\r\n"),
    (
        "space in the target",
        b"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n",
    ),
    (
        "tab in the target",
        b"GET /a\tb HTTP/1.1\r\nHost: h\r\n\r\n",
    ),
    (
        "hash in the target",
        b"GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n",
    ),
    (
        "control character in the target",
        b"GET /a\x01b HTTP/1.1\r\nHost: h\r\n\r\n",
    ),
    (
        "NUL in the target",
        b"GET /a\0b HTTP/1.1\r\nHost: h\r\n\r\n",
    ),
    (
        "DEL in the target",
        b"GET /a\x7f HTTP/1.1\r\nHost: h\r\n\r\n",
    ),
    (
        "raw Cyrillic in the target",
        b"GET /\xd0\xb1 HTTP/1.1\r\nHost: h\r\n\r\n",
    ),
    (
        "a lone high byte in the target",
        b"GET /\xff HTTP/1.1\r\nHost: h\r\n\r\n",
    ),
    (
        "a target without a slash",
        b"GET p HTTP/1.1\r\nHost: h\r\n\r\n",
    ),
    ("an empty target", b"GET  HTTP/1.1\r\nHost: h\r\n\r\n"),
    ("a star with GET", b"GET * HTTP/1.1\r\nHost: h\r\n\r\n"),
    (
        "a question mark alone",
        b"GET ?a HTTP/1.1\r\nHost: h\r\n\r\n",
    ),
    (
        "a tunnel by CONNECT",
        b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n",
    ),
    (
        "CONNECT to a path",
        b"CONNECT /p HTTP/1.1\r\nHost: h\r\n\r\n",
    ),
    (
        "chunked on HTTP/1.0",
        b"POST /p HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    ("binary noise", b"\x00\x01\x02\x03\xff\xfe\r\n\r\n"),
    ("an SSH client", b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
];

/// Chunked bodies that are broken after a sound head.
const CHUNKS: &[(&str, &str)] = &[
    ("size is no number", "zz\r\nhello\r\n0\r\n\r\n"),
    ("size with 0x", "0x5\r\nhello\r\n0\r\n\r\n"),
    ("size negative", "-5\r\nhello\r\n0\r\n\r\n"),
    ("size with plus", "+5\r\nhello\r\n0\r\n\r\n"),
    ("size empty", "\r\nhello\r\n0\r\n\r\n"),
    (
        "size too large for any",
        "FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "size that wraps to 5",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
    ),
    ("data longer than its size", "3\r\nhello\r\n0\r\n\r\n"),
    ("no line end after data", "5\r\nhello0\r\n\r\n"),
    ("bare LF after the size", "5\nhello\r\n0\r\n\r\n"),
    ("bare LF after data", "5\r\nhello\n0\r\n\r\n"),
    ("bare CR after the size", "5\rXhello\r\n0\r\n\r\n"),
    ("bare LF in an extension", "5;a\nb\r\nhello\r\n0\r\n\r\n"),
];

struct Wire {
    dial: Dial,
    upstream: RecordingUpstream,
    _house: crate::house::House,
}

impl Wire {
    fn new() -> Self {
        let upstream = RecordingUpstream::ok();
        let house = Plan::open_to(&upstream).start();
        Self {
            dial: house.dial("a").patient(Duration::from_secs(15)),
            upstream,
            _house: house,
        }
    }

    /// The payload and a second request behind it get one 4xx or 5xx and then the end.
    #[track_caller]
    fn refuses(&self, name: &str, payload: &[u8], allowed: &[u16]) {
        self.upstream.forget();
        let mut client = self.dial.open();
        client.send([payload, SMUGGLED.as_bytes()].concat());
        match client.reply(false) {
            Ok(Reply::Response(answer)) => {
                assert!(
                    allowed.contains(&answer.status()),
                    "{name}: {}",
                    answer.start
                );
                assert_refusal(&answer, answer.status());
            }
            other => panic!("{name}: {other:?}"),
        }
        assert!(
            client.ends_silently().expect(name),
            "{name}: something follows the refusal"
        );
        let seen = self.upstream.requests();
        assert!(
            seen.is_empty(),
            "{name}: {:?} reached the upstream",
            seen[0].message.start
        );
    }
}

#[test]
fn ambiguous_framing_is_a_400_and_the_end() {
    let wire = Wire::new();
    for (name, headers) in FRAMING {
        let payload = format!("POST /p HTTP/1.1\r\nHost: h\r\n{headers}\r\n0\r\n\r\n");
        wire.refuses(name, payload.as_bytes(), &[400]);
    }
}

#[test]
fn a_broken_head_is_a_400_and_the_end() {
    let wire = Wire::new();
    for (name, payload) in HEADS {
        wire.refuses(name, payload, &[400]);
    }
}

#[test]
fn a_broken_chunk_ends_its_connection_and_hides_nothing() {
    let wire = Wire::new();
    for (name, body) in CHUNKS {
        wire.upstream.forget();
        let mut client = wire.dial.open();
        let head = "POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
        client.send(format!("{head}{body}{SMUGGLED}"));
        if let Ok(Reply::Response(answer)) = client.reply(false) {
            assert!(answer.status() >= 400, "{name}: {}", answer.start);
            assert!(
                client.ends_silently().unwrap_or(true),
                "{name}: a second answer"
            );
        }
        for recorded in wire.upstream.requests() {
            let (_, target) = recorded.message.method_and_target();
            assert_eq!(target, "/p", "{name}");
        }
    }
}

#[test]
fn what_is_too_large_is_refused_by_its_own_status() {
    let wire = Wire::new();
    let head = |extra: &str| format!("GET /p HTTP/1.1\r\nHost: h\r\n{extra}\r\n").into_bytes();
    let many = |count: usize| {
        (0..count)
            .map(|n| format!("X-{n}: y\r\n"))
            .collect::<String>()
    };
    let long = |length: usize| format!("X: {}\r\n", "y".repeat(length));
    wire.refuses("a head of 33 KiB", &head(&long(33 << 10)), &[431]);
    wire.refuses("a header of 1 MiB", &head(&long(1 << 20)), &[431]);
    wire.refuses("101 headers", &head(&many(100)), &[431]);
    wire.refuses("10,000 headers", &head(&many(10_000)), &[431]);
    let target = |length: usize| format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "y".repeat(length));
    wire.refuses(
        "a request line of 17 KiB",
        target(17 << 10).as_bytes(),
        &[414],
    );
    wire.refuses(
        "a request line of 1 MiB",
        target(1 << 20).as_bytes(),
        &[414],
    );

    let serves = |name: &str, payload: &[u8]| {
        let mut client = wire.dial.open();
        client.send(payload);
        assert_eq!(client.response().status(), 200, "{name}");
    };
    serves("100 headers", &head(&many(99)));
    serves("a head of 30 KiB", &head(&long(30 << 10)));
    serves("a request line of 15 KiB", target(15 << 10).as_bytes());
}

#[test]
fn sound_heads_of_every_kind_are_served() {
    let sound: &[(&str, &[u8])] = &[
        ("chunked", b"POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        ("chunked in capitals", b"POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        ("a length", b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"),
        ("a length with spaces around", b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length:\t5 \r\n\r\nhello"),
        ("no space after the colon", b"POST /p HTTP/1.1\r\nHost:h\r\nContent-Length:5\r\n\r\nhello"),
        ("a body with GET", b"GET /p HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"),
        ("an empty header", b"GET /p HTTP/1.1\r\nHost: h\r\nX:\r\n\r\n"),
        ("HTTP/1.0", b"GET /p HTTP/1.0\r\nHost: h\r\n\r\n"),
        ("percent-encoded Cyrillic", b"GET /%D0%B1?%D0%B2 HTTP/1.1\r\nHost: h\r\n\r\n"),
        ("OData", b"GET /Docs('a%2Fb')?$filter=id%20eq%20'x'&$top=1 HTTP/1.1\r\nHost: h\r\n\r\n"),
        ("Host with a port", b"GET /p HTTP/1.1\r\nHost: h:9706\r\n\r\n"),
        ("Host is an IPv6 address", b"GET /p HTTP/1.1\r\nHost: [::1]:9706\r\n\r\n"),
        ("a method of their own", b"PROPFIND /p HTTP/1.1\r\nHost: h\r\n\r\n"),
        ("UTF-8 in a value", b"GET /p HTTP/1.1\r\nHost: h\r\nX: \xd0\xb1\r\n\r\n"),
        ("an empty line before the request", b"\r\nGET /p HTTP/1.1\r\nHost: h\r\n\r\n"),
    ];
    let wire = Wire::new();
    for (name, payload) in sound {
        wire.upstream.forget();
        let mut client = wire.dial.open();
        client.send(payload);
        let answer = client
            .reply(false)
            .unwrap_or_else(|fault| panic!("{name}: {fault}"));
        assert_eq!(answer.response().status(), 200, "{name}");
        let seen = wire.upstream.last();
        let wants_body = payload.windows(5).any(|five| five == b"hello");
        assert_eq!(
            seen.body,
            if wants_body { b"hello".as_slice() } else { b"" },
            "{name}"
        );
    }
}

#[test]
fn the_target_goes_upstream_byte_for_byte() {
    let wire = Wire::new();
    let targets = [
        "/a//b/./c/../d",
        "/%2e%2e/%2F%5c;x=1/",
        "/Docs('it''s')?a=b?c&&d=%20+",
        "/a%00b",
        "//double",
        "/~user/!$&'()*+,;=:@",
        "/a?b=%D0%B1|{}",
    ];
    for target in targets {
        let mut client = wire.dial.open();
        client.send(format!(
            "GET {target} HTTP/1.1\r\nHost: of.client:1\r\n\r\n"
        ));
        assert_eq!(client.response().status(), 200, "{target}");
        let seen = wire.upstream.last();
        assert_eq!(seen.method_and_target(), ("GET", target));
        assert_eq!(seen.all("host"), ["of.client:1"]);
    }
}

#[test]
fn a_foreign_target_never_chooses_the_upstream() {
    let wire = Wire::new();
    let other = RecordingUpstream::ok();
    let foreign = [
        format!(
            "GET http://{}/ HTTP/1.1\r\nHost: h\r\n\r\n",
            other.address()
        ),
        format!(
            "GET http://{0}/ HTTP/1.1\r\nHost: {0}\r\n\r\n",
            other.address()
        ),
        format!(
            "GET https://{}/ HTTP/1.1\r\nHost: h\r\n\r\n",
            other.address()
        ),
        format!("GET //{}/ HTTP/1.1\r\nHost: h\r\n\r\n", other.address()),
        format!("GET @{}/ HTTP/1.1\r\nHost: h\r\n\r\n", other.address()),
        format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", other.address()),
        format!("CONNECT {} HTTP/1.1\r\nHost: h\r\n\r\n", other.address()),
        "GET file:///etc/passwd HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
    ];
    for payload in foreign {
        let mut client = wire.dial.open();
        client.send(&payload);
        let answer = client.reply(false).unwrap().response();
        let status = answer.status();
        assert!(
            status == 200 || (400..500).contains(&status),
            "{payload:?}: {}",
            answer.start
        );
    }
    assert_eq!(other.connections(), 0);
}

#[test]
fn pipelined_requests_are_judged_one_by_one() {
    let wire = Wire::new();
    let mut client = wire.dial.open();
    client.send("GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.response().status(), 200);
    assert_eq!(client.response().status(), 200);
    client.send("GET /3 HTTP/1.1\r\nHost: h\r\n\r\nGET /4 HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n");
    assert_eq!(client.response().status(), 200);
    assert_eq!(client.response().status(), 400);
    assert!(client.ends_silently().unwrap());
    let targets: Vec<_> = wire
        .upstream
        .requests()
        .iter()
        .map(|recorded| recorded.message.method_and_target().1.to_owned())
        .collect();
    assert_eq!(targets, ["/1", "/2", "/3"]);
}

#[test]
fn an_upgrade_that_the_upstream_declines_opens_no_tunnel() {
    let wire = Wire::new();
    for upgrade in ["websocket", "foo", "h2c", "websocket, foo"] {
        wire.upstream.forget();
        let mut client = wire.dial.open();
        let head = format!(
            "GET /p HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: {upgrade}\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        // The upstream answers 200: what follows is another request or nothing, never a tunnel.
        client.send(format!(
            "{head}GET /behind HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n"
        ));
        let first = client.reply(false).unwrap().response();
        assert!(
            first.status() == 200 || first.status() >= 400,
            "{upgrade}: {}",
            first.start
        );
        if let Ok(Reply::Response(second)) = client.reply(false) {
            assert_eq!(second.status(), 400, "{upgrade}: two Hosts");
        }
        for recorded in wire.upstream.requests() {
            assert_ne!(
                recorded.message.method_and_target().1,
                "/behind",
                "{upgrade}"
            );
            if upgrade != "websocket" {
                assert_eq!(
                    recorded.message.header("upgrade"),
                    None,
                    "{upgrade} went upstream"
                );
            }
        }
    }
}

#[test]
fn plain_http_on_an_https_port_is_told_so_in_plain_text() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::new().with(harness::Database {
        https: true,
        ..harness::Database::new("a", upstream.url())
    });
    let house = plan.start();
    let mut client = house.dial("a").open();
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    let answer = client.response();
    assert_eq!(answer.status(), 400);
    assert!(
        answer
            .header("content-type")
            .unwrap()
            .starts_with("text/plain")
    );
    assert!(
        answer.text().to_lowercase().contains("https"),
        "{}",
        answer.text()
    );
    assert!(client.ends_silently().unwrap());
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn tls_on_a_plain_port_is_closed() {
    let wire = Wire::new();
    let mut client = wire.dial.open();
    client.send(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00\r\n\r\n");
    assert!(matches!(client.reply(false), Ok(Reply::Closed)));
    assert_eq!(wire.upstream.connections(), 0);
}

#[test]
fn only_http_1_1_is_agreed_in_the_handshake() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::new().with(harness::Database {
        https: true,
        ..harness::Database::new("a", upstream.url())
    });
    let house = plan.start();
    let client = Dial::tls_blindly(house.address("a")).open();
    assert_eq!(client.alpn().as_deref(), Some("http/1.1"));
    let address = house.address("a").to_string();
    let offered = harness::tool::s_client(&address, &["-alpn", "h2,http/1.1"], "Q\n");
    assert!(
        offered.stdout.contains("ALPN protocol: http/1.1"),
        "{}",
        offered.stdout
    );
}

mod heavy {
    use std::io::{
        ErrorKind::{TimedOut, WouldBlock},
        Write,
    };

    use harness::Database;

    use super::*;

    #[test]
    fn a_dripping_head_ends_at_ten_seconds() {
        let wire = Wire::new();
        let mut reading = wire.dial.patient(Duration::from_secs(1)).open();
        reading.send("GET /drip HTTP/1.1\r\nHost: h\r\nX: ");
        // One byte whenever nothing is heard for a second: progress resets no deadline.
        let start = std::time::Instant::now();
        let ended = eventually(
            Duration::from_secs(30),
            "the dripping head ends",
            || match reading.reply(false) {
                Ok(reply) => Some(reply),
                Err(fault) if matches!(fault.kind(), WouldBlock | TimedOut) => {
                    reading.send("y");
                    None
                }
                Err(fault) => panic!("{fault}"),
            },
        );
        assert!(
            start.elapsed() >= Duration::from_secs(9),
            "{ended:?} came early"
        );
        assert_eq!(wire.upstream.requests().len(), 0);
    }

    #[test]
    fn who_reads_none_of_our_answers_is_cut() {
        let plan = Plan::new();
        let user = plan.user("Иванов", "mobile-user", "p1");
        let database = Database::new("a", "http://127.0.0.1:9").with_users([user]);
        let house = plan.with(database).start();
        let dial = house.dial("a").patient(Duration::from_secs(1));
        let mut tcp = dial.try_tcp().unwrap();
        let requests = "GET / HTTP/1.1\r\nHost: h\r\n\r\n".repeat(64);
        let mut sent = 0;
        eventually(Duration::from_secs(60), "the connection ends", || {
            match tcp.write(&requests.as_bytes()[sent..]) {
                Ok(count) => {
                    sent = (sent + count) % requests.len();
                    None
                }
                // Stuck: nobody reads there while nobody reads here.
                Err(fault) if matches!(fault.kind(), WouldBlock | TimedOut) => None,
                Err(_) => Some(()),
            }
        });
    }

    #[test]
    fn five_hundred_dripping_heads_hold_no_good_client_up() {
        let wire = Wire::new();
        let mut dripping: Vec<_> = (0..500_usize)
            .map(|number| {
                let host = u8::try_from(number % 250 + 2).unwrap();
                let mut client = wire.dial.from([127, 0, 7, host]).open();
                client.send("GET /drip HTTP/1.1\r\nHost: h\r\nX: ");
                client
            })
            .collect();
        let mut good = wire.dial.open();
        for _ in 0..200 {
            assert_eq!(good.http("GET", "/good", &[], b"").text(), "ok");
            assert_eq!(wire.dial.get("/good", &[]).text(), "ok");
        }
        for client in &mut dripping {
            client.send("y");
        }
        for client in &mut dripping {
            if let Ok(Reply::Response(answer)) = client.reply(false) {
                assert_eq!(answer.status(), 408, "{}", answer.start);
            }
        }
        assert_eq!(good.http("GET", "/good", &[], b"").text(), "ok");
        for recorded in wire.upstream.requests() {
            assert_eq!(recorded.message.method_and_target().1, "/good");
        }
    }
}
