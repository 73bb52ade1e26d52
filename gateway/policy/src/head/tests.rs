use proptest::prelude::*;

use super::*;

fn judge(head: &str) -> Result<Head<'_>, HeadFault> {
    Head::parse(head.as_bytes())
}

#[track_caller]
fn check(head: &[u8], fault: HeadFault) {
    let shown = head.escape_ascii();
    assert_eq!(Head::parse(head).map(|_| ()), Err(fault), "{shown}");
}

#[track_caller]
fn check_passes(head: &[u8]) {
    let shown = head.escape_ascii();
    let read = Head::parse(head);
    assert!(read.is_ok(), "{read:?}: {shown}");
}

/// A GET with these lines after `Host`.
fn with(lines: &str) -> Vec<u8> {
    format!("GET /api/v1/Docs HTTP/1.1\r\nHost: shop.example\r\n{lines}\r\n").into_bytes()
}

fn line(request_line: &str) -> Vec<u8> {
    format!("{request_line}\r\nHost: shop.example\r\n\r\n").into_bytes()
}

#[test]
fn an_ordinary_head_is_taken_apart() {
    let text = "POST /api/v1/Docs?$top=5?a HTTP/1.1\r\nHost: shop.example:9706\r\n\
                content-LENGTH: 12\r\nX-A:  b \t\r\nx-a:\r\nExpect: 100-Continue\r\n\r\n";
    let head = judge(text).unwrap();
    assert_eq!(head.method(), "POST");
    assert_eq!(head.target(), "/api/v1/Docs?$top=5?a");
    assert_eq!(head.path(), "/api/v1/Docs");
    assert_eq!(head.query(), Some("$top=5?a"));
    assert_eq!(head.version(), Version::Http11);
    assert_eq!(head.host(), "shop.example:9706");
    assert_eq!(head.framing(), Framing::Length(12));
    assert_eq!(head.header("X-a"), Some(&b"b"[..]));
    assert_eq!(head.values("x-A").collect::<Vec<_>>(), [&b"b"[..], b""]);
    assert_eq!(head.header("x-b"), None);
    assert_eq!(head.headers().count(), 5);
    assert!(head.keep_alive() && head.expect_continue() && !head.upgrade_websocket());
    assert_eq!(head.raw(), text.as_bytes());
}

#[test]
fn one_empty_line_before_the_request_is_skipped_and_not_forwarded() {
    let plain = with("");
    let led = [b"\r\n", &plain[..]].concat();
    assert_eq!(Head::parse(&led).unwrap().raw(), plain);
    check(&[b"\r\n\r\n", &plain[..]].concat(), HeadFault::RequestLine);
    check(&[b"\n", &plain[..]].concat(), HeadFault::LineBreak);
}

#[test]
fn t6_a_body_whose_end_is_disputed_is_refused() {
    use HeadFault::{ContentLength, TransferEncoding, TwoFramings};
    for (lines, fault) in [
        (
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            TwoFramings,
        ),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            TwoFramings,
        ),
        (
            "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
            TwoFramings,
        ),
        (
            "transfer-encoding: identity\r\ncontent-length: 5\r\n",
            TwoFramings,
        ),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", ContentLength),
        ("Content-Length: 5\r\ncontent-length: 6\r\n", ContentLength),
        ("Content-Length: 5, 5\r\n", ContentLength),
        ("Content-Length: 5,\r\n", ContentLength),
        ("Content-Length:\r\n", ContentLength),
        ("Content-Length: \t \r\n", ContentLength),
        ("Content-Length: +5\r\n", ContentLength),
        ("Content-Length: -5\r\n", ContentLength),
        ("Content-Length: 0x5\r\n", ContentLength),
        ("Content-Length: 5 5\r\n", ContentLength),
        ("Content-Length: 5.0\r\n", ContentLength),
        ("Content-Length: 1e3\r\n", ContentLength),
        ("Content-Length: 005\r\n", ContentLength),
        ("Content-Length: 00\r\n", ContentLength),
        ("Content-Length: 5;\r\n", ContentLength),
        ("Content-Length: \"5\"\r\n", ContentLength),
        ("Content-Length: 18446744073709551616\r\n", ContentLength),
        (
            "Content-Length: 99999999999999999999999999\r\n",
            ContentLength,
        ),
        ("Content-Length: ٥\r\n", ContentLength),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            TransferEncoding,
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
            TransferEncoding,
        ),
        ("Transfer-Encoding: chunked, chunked\r\n", TransferEncoding),
        ("Transfer-Encoding: gzip, chunked\r\n", TransferEncoding),
        ("Transfer-Encoding: chunked, identity\r\n", TransferEncoding),
        ("Transfer-Encoding: identity\r\n", TransferEncoding),
        ("Transfer-Encoding: xchunked\r\n", TransferEncoding),
        ("Transfer-Encoding: chunked;q=1\r\n", TransferEncoding),
        ("Transfer-Encoding: \"chunked\"\r\n", TransferEncoding),
        ("Transfer-Encoding: chunked,\r\n", TransferEncoding),
        ("Transfer-Encoding: ,chunked\r\n", TransferEncoding),
        ("Transfer-Encoding:\r\n", TransferEncoding),
        ("Transfer-Encoding: \u{212a}chunked\r\n", TransferEncoding),
    ] {
        check(&with(lines), fault);
    }
}

#[test]
fn t6_an_undisputed_body_passes() {
    for (lines, framing) in [
        ("", Framing::None),
        ("Content-Length: 0\r\n", Framing::Length(0)),
        ("Content-Length:5\r\n", Framing::Length(5)),
        ("CONTENT-LENGTH: \t5\t \r\n", Framing::Length(5)),
        (
            "Content-Length: 18446744073709551615\r\n",
            Framing::Length(u64::MAX),
        ),
        ("Transfer-Encoding: chunked\r\n", Framing::Chunked),
        ("transfer-encoding:  Chunked \r\n", Framing::Chunked),
        (
            "Transfer-Encoding: chunked\r\nTE: trailers\r\nTrailer: X\r\n",
            Framing::Chunked,
        ),
    ] {
        assert_eq!(
            Head::parse(&with(lines)).unwrap().framing(),
            framing,
            "{lines}"
        );
    }
}

#[test]
fn t6_chunks_need_http_1_1() {
    let head = "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    check(head.as_bytes(), HeadFault::TransferEncoding);
    check_passes(head.replace("1.0", "1.1").as_bytes());
    check_passes(b"POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
}

#[test]
fn t6_broken_lines_are_refused() {
    use HeadFault::{End, Folded, HeaderName, HeaderValue, LineBreak, RequestLine};
    for (head, fault) in [
        (&b"GET / HTTP/1.1\nHost: a\n\n"[..], LineBreak),
        (b"GET / HTTP/1.1\r\nHost: a\n\r\n", LineBreak),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\n", LineBreak),
        (b"GET / HTTP/1.1\nHost: a\r\n\r\n", LineBreak),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nA: b\rC: d\r\n\r\n",
            LineBreak,
        ),
        (b"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\r\n\r\n", LineBreak),
        (b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", LineBreak),
        (b"GET / HTTP/1.1\rHost: a\r\n\r\n", LineBreak),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nA: b\nTransfer-Encoding: chunked\r\n\r\n",
            LineBreak,
        ),
        (b"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n", Folded),
        (b"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n\tc\r\n\r\n", Folded),
        (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", Folded),
        (b"GET / HTTP/1.1\r\nHost: a\r\n \r\n\r\n", Folded),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n",
            Folded,
        ),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", HeaderName),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length\t: 5\r\n\r\n",
            HeaderName,
        ),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nContent Length: 5\r\n\r\n",
            HeaderName,
        ),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nContent_Length: 5\r\n\r\n",
            HeaderName,
        ),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nTransfer.Encoding: chunked\r\n\r\n",
            HeaderName,
        ),
        (b"GET / HTTP/1.1\r\nHost: a\r\n: empty\r\n\r\n", HeaderName),
        (b"GET / HTTP/1.1\r\nHost: a\r\nno-colon\r\n\r\n", HeaderName),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\x00A: b\r\n\r\n", HeaderName),
        (b"GET / HTTP/1.1\r\nHost: a\r\nA\x0b: b\r\n\r\n", HeaderName),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\n\xd0\x90: b\r\n\r\n",
            HeaderName,
        ),
        (b"GET / HTTP/1.1\r\nHost: a\r\n(A): b\r\n\r\n", HeaderName),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\"A\": b\r\n\r\n", HeaderName),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nA: b\x00c\r\n\r\n",
            HeaderValue,
        ),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nA: b\x7f\r\n\r\n",
            HeaderValue,
        ),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nA: \x1b[2J\r\n\r\n",
            HeaderValue,
        ),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n",
            HeaderValue,
        ),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\x0c\r\n\r\n",
            HeaderValue,
        ),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\n", End),
        (b"GET / HTTP/1.1\r\nHost: a\r\n", End),
        (b"GET / HTTP/1.1", End),
        (b"", End),
        (b"\r\n", End),
        (b"\r\n\r\n", RequestLine),
    ] {
        check(head, fault);
    }
}

#[test]
fn a_value_may_hold_tabs_and_cyrillic() {
    check_passes(&with("Authorization: Basic Иванов:пароль\r\n"));
    check_passes(&with("A: b\tc\r\nB:\r\nC:::\r\n"));
    check_passes(b"GET / HTTP/1.1\r\nHost: a\r\nA: \xff\xfe\r\n\r\n");
    check_passes(&with("!#$%&'*+-.^_`|~09azAZ: any token\r\n"));
}

#[test]
fn a_request_line_has_three_parts_and_one_space_between() {
    use HeadFault::{RequestLine, TargetByte, TargetForm, Version};
    for (text, fault) in [
        ("GET / HTTP/1.1 ", RequestLine),
        ("GET  / HTTP/1.1", RequestLine),
        ("GET /  HTTP/1.1", RequestLine),
        (" GET / HTTP/1.1", RequestLine),
        ("GET /a b HTTP/1.1", RequestLine),
        ("GET /", RequestLine),
        ("GET", RequestLine),
        ("GET\t/\tHTTP/1.1", RequestLine),
        ("GET:/ / HTTP/1.1", RequestLine),
        ("ПОЛУЧИ / HTTP/1.1", RequestLine),
        ("G\0T / HTTP/1.1", RequestLine),
        ("GET / HTTP/2.0", Version),
        ("PRI * HTTP/2.0", Version),
        ("GET / HTTP/0.9", Version),
        ("GET / HTTP/1.2", Version),
        ("GET / HTTP/1", Version),
        ("GET / HTTP/1.10", Version),
        ("GET / HTTP/01.1", Version),
        ("GET / http/1.1", Version),
        ("GET / HTTPS/1.1", Version),
        ("GET / HTTP/1.1\t", Version),
        ("GET  HTTP/1.1", TargetForm),
    ] {
        check(&line(text), fault);
    }
    for text in [
        "GET / HTTP/1.1",
        "get / HTTP/1.0",
        "PATCH /a HTTP/1.1",
        "OPTIONS * HTTP/1.1",
    ] {
        check_passes(&line(text));
    }
    for text in [
        "GET /а HTTP/1.1",
        "GET /a#b HTTP/1.1",
        "GET /a\tb HTTP/1.1",
        "GET /\x7f HTTP/1.1",
        "GET /\0 HTTP/1.1",
        "GET /?<script> HTTP/1.1",
        "GET /?\"a\" HTTP/1.1",
        "GET /`id` HTTP/1.1",
        "GET /?q=Docs#/../Users HTTP/1.1",
    ] {
        check(&line(text), TargetByte);
    }
}

#[test]
fn t27_the_target_never_names_a_host() {
    for text in [
        "GET http://169.254.169.254/ HTTP/1.1",
        "GET http://shop.example/ HTTP/1.1",
        "GET HTTPS://shop.example/ HTTP/1.1",
        "GET shop.example/ HTTP/1.1",
        "GET api/v1 HTTP/1.1",
        "GET ?a HTTP/1.1",
        "GET @169.254.169.254/ HTTP/1.1",
        "CONNECT 169.254.169.254:80 HTTP/1.1",
        "CONNECT / HTTP/1.1",
        "connect /a HTTP/1.1",
        "GET * HTTP/1.1",
        "options * HTTP/1.1",
        "OPTIONS ** HTTP/1.1",
    ] {
        check(&line(text), HeadFault::TargetForm);
    }
    for text in [
        "GET /http://169.254.169.254/ HTTP/1.1",
        "GET //shop.example/ HTTP/1.1",
        "GET /?http://a HTTP/1.1",
    ] {
        check_passes(&line(text));
    }
}

#[test]
fn t27_there_is_exactly_one_host() {
    let host = |lines: &str| format!("GET / HTTP/1.1\r\n{lines}\r\n").into_bytes();
    for lines in [
        "",
        "Host:\r\n",
        "Host: a\r\nHost: a\r\n",
        "Host: a\r\nhost: b\r\n",
        "Host: a, b\r\n",
        "Host: a b\r\n",
        "Host: a/b\r\n",
        "Host: user@a\r\n",
        "Host: http://a\r\n",
        "Host: a:\r\n",
        "Host: a:80:80\r\n",
        "Host: a:http\r\n",
        "Host: a:+80\r\n",
        "Host: a:65536\r\n",
        "Host: :80\r\n",
        "Host: [::1\r\n",
        "Host: [::1]80\r\n",
        "Host: [shop]\r\n",
        "Host: ::1\r\n",
        "Host: магазин\r\n",
        "Host: a%2eb\r\n",
        "Host: a?b\r\n",
        "Host: a#b\r\n",
        "Host: a\\b\r\n",
        "X-Host: a\r\n",
    ] {
        check(&host(lines), HeadFault::Host);
    }
    for lines in [
        "Host: a\r\n",
        "hOST:shop.example:9706\r\n",
        "Host: 192.0.2.1:80\r\n",
        "Host: [::1]\r\n",
        "Host: [2001:db8::1]:9706\r\n",
        "Host: my_pc\r\n",
        "Host: shop.example.\r\n",
        "Host: a:0\r\n",
    ] {
        check_passes(&host(lines));
    }
    check(b"GET / HTTP/1.0\r\n\r\n", HeadFault::Host);
    check(
        b"GET / HTTP/1.1\r\nHost: a\r\nHost_: b\r\nHo_st: c\r\nHost: d\r\n\r\n",
        HeadFault::Host,
    );
}

#[test]
fn t7_no_upgrade_but_a_complete_websocket_handshake() {
    for lines in [
        "Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
        "Connection: Upgrade\r\nUpgrade: foo\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket, foo\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket/13\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: websocket\r\n",
        "Connection: Upgrade\r\nUpgrade:\r\n",
        "Upgrade: websocket\r\n",
        "Connection: keep-alive\r\nUpgrade: websocket\r\n",
        "Connection: upgraded\r\nUpgrade: websocket\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n",
    ] {
        check(&with(lines), HeadFault::Upgrade);
    }
    let lines = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    for request_line in ["POST / HTTP/1.1", "GET / HTTP/1.0"] {
        let head = format!("{request_line}\r\nHost: a\r\n{lines}\r\n");
        check(head.as_bytes(), HeadFault::Upgrade);
    }
    for lines in [
        lines,
        "connection: keep-alive,  UPGRADE\r\nupgrade: WebSocket\r\n",
    ] {
        assert!(Head::parse(&with(lines)).unwrap().upgrade_websocket());
    }
}

#[test]
fn t5_connection_cannot_take_away_what_frames_the_request() {
    for lines in [
        "Connection: close, Content-Length\r\n",
        "Connection: host\r\n",
        "Connection: TRANSFER-ENCODING\r\n",
        "Connection: a b\r\n",
        "Connection: x-forwarded-for\r\n",
        "Connection: close, X-Forwarded-Proto\r\n",
        "Connection: a, b, c, d, e\r\nConnection: f, g, h, i, j\r\n",
        "Connection: \"close\"\r\n",
        "Connection: close;\r\n",
        "Connection: close, х\r\n",
    ] {
        check(&with(lines), HeadFault::Connection);
    }
    check_passes(&with(
        "Connection: a, b, c, d, e\r\nConnection: f, g, h, i\r\n",
    ));
    check_passes(&with(
        "Connection: close, X-Smarts-User,, Authorization\r\nConnection: te\r\n",
    ));
}

#[test]
fn the_connection_stays_by_version_and_wish() {
    for (version, lines, stays) in [
        ("1.1", "", true),
        ("1.1", "Connection: keep-alive\r\n", true),
        ("1.1", "Connection: Close\r\n", false),
        (
            "1.1",
            "Connection: keep-alive\r\nConnection: close\r\n",
            false,
        ),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ] {
        let head = format!("GET / HTTP/{version}\r\nHost: a\r\n{lines}\r\n");
        assert_eq!(judge(&head).unwrap().keep_alive(), stays, "{head}");
    }
}

#[test]
fn an_unknown_expectation_gets_417() {
    check(&with("Expect: 200-ok\r\n"), HeadFault::Expect);
    check(
        &with("Expect: 100-continue\r\nExpect: 100-continue\r\n"),
        HeadFault::Expect,
    );
    assert_eq!(HeadFault::Expect.status(), 417);
    let old = judge("PUT / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\n\r\n")
        .map(|head| head.expect_continue());
    assert_eq!(old, Ok(false));
}

#[test]
fn two_authorizations_are_refused_and_one_passes() {
    check(
        &with("Authorization: Basic a\r\nauthorization: Basic b\r\n"),
        HeadFault::Authorization,
    );
    check_passes(&with("Authorization: Bearer a\r\n"));
}

#[test]
fn t17_each_limit_is_kept_to_the_byte() {
    let headers = |count: usize| "A: b\r\n".repeat(count - 1);
    check_passes(&with(&headers(MAX_HEADERS)));
    check(&with(&headers(MAX_HEADERS + 1)), HeadFault::TooManyHeaders);

    let long_line = |bytes: usize| {
        let frame = "GET / HTTP/1.1".len();
        line(&format!("GET /{} HTTP/1.1", "a".repeat(bytes - frame)))
    };
    check_passes(&long_line(MAX_REQUEST_LINE_BYTES));
    check(
        &long_line(MAX_REQUEST_LINE_BYTES + 1),
        HeadFault::RequestLineTooLong,
    );

    let long_head = |bytes: usize| {
        let frame = with("A: \r\n").len();
        with(&format!("A: {}\r\n", "b".repeat(bytes - frame)))
    };
    check_passes(&long_head(MAX_HEAD_BYTES));
    check(&long_head(MAX_HEAD_BYTES + 1), HeadFault::HeadTooLong);

    assert_eq!(HeadFault::TooManyHeaders.status(), 431);
    assert_eq!(HeadFault::HeadTooLong.status(), 431);
    assert_eq!(HeadFault::RequestLineTooLong.status(), 414);
    assert_eq!(HeadFault::LineBreak.status(), 400);
}

#[test]
fn t17_a_buffer_past_its_limit_is_not_waited_for() {
    let endless = vec![b'a'; MAX_REQUEST_LINE_BYTES + 2];
    assert_eq!(find_end(&endless, 0), Err(HeadFault::RequestLineTooLong));
    assert_eq!(find_end(&endless[1..], 0), Ok(None));
    let mut head = b"GET / HTTP/1.1\r\nA: ".to_vec();
    head.resize(MAX_HEAD_BYTES, b'b');
    assert_eq!(find_end(&head, 0), Ok(None));
    head.push(b'b');
    assert_eq!(find_end(&head, MAX_HEAD_BYTES), Err(HeadFault::HeadTooLong));
}

#[test]
fn a_head_of_bare_line_feeds_is_found_and_refused_at_once() {
    for head in [
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
    ] {
        assert_eq!(find_end(head.as_bytes(), 0), Ok(Some(head.len())));
        check(head.as_bytes(), HeadFault::LineBreak);
    }
}

#[test]
fn the_end_is_found_wherever_the_reads_break() {
    let head = [b"\r\n", &with("A: b\r\n")[..]].concat();
    let arrived = [&head[..], b"body\r\n\r\n"].concat();
    for first in 0..arrived.len() {
        let at_first = find_end(&arrived[..first], 0).unwrap();
        let end = at_first.or_else(|| find_end(&arrived, first).unwrap());
        assert_eq!(end, Some(head.len()), "broken at {first}");
        assert_eq!(at_first.is_some(), first >= head.len());
    }
}

/// Pieces of which heads, broken heads and smuggled heads are made.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        &b"GET / HTTP/1.1\r\n"[..],
        b"POST /a?b HTTP/1.0\r\n",
        b"Host: a\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\t",
        b":",
        b",",
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: ",
        b"close",
        b"upgrade",
        b"Upgrade: websocket\r\n",
        b"A: b\r\n",
        b"\0",
        b"\xff",
        b"x",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn written_again(head: &Head<'_>) -> Vec<u8> {
    let version = match head.version() {
        Version::Http10 => "1.0",
        Version::Http11 => "1.1",
    };
    let mut bytes = format!("{} {} HTTP/{version}\r\n", head.method(), head.target()).into_bytes();
    for header in head.headers() {
        bytes.extend([header.name.as_bytes(), b": ", header.value, b"\r\n"].concat());
    }
    [&bytes[..], b"\r\n"].concat()
}

fn clean() -> impl Strategy<Value = Vec<u8>> {
    let header =
        "[!#$%&'*+.^_`|~0-9a-z-]{1,12}: ([\u{21}-~а-я]([\u{20}-~а-я\t]{0,9}[\u{21}-~а-я])?)?\r\n";
    let headers = prop::collection::vec(header, 0..8);
    ("[A-Z]{1,7}", "/[!$-;=?-_a-z{-~]{0,30}", "1\\.[01]", headers).prop_map(
        |(method, target, version, headers)| {
            format!(
                "{method} {target} HTTP/{version}\r\nHost: a\r\n{}\r\n",
                headers.concat()
            )
            .into_bytes()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn what_is_judged_is_what_is_forwarded(bytes in prop_oneof![clean(), soup()]) {
        if let Ok(head) = Head::parse(&bytes) {
            prop_assert_eq!(head.raw(), bytes.strip_prefix(b"\r\n").unwrap_or(&bytes));
            let again = written_again(&head);
            let second = Head::parse(&again).unwrap();
            prop_assert_eq!(second.headers, head.headers);
            prop_assert_eq!(second.fields, head.fields);
            prop_assert_eq!((second.method, second.target), (head.method, head.target));
            prop_assert_eq!(find_end(&bytes, 0), Ok(Some(bytes.len())));
        }
    }

    #[test]
    fn a_clean_head_comes_out_byte_for_byte(bytes in clean()) {
        match Head::parse(&bytes) {
            Ok(head) => prop_assert_eq!(written_again(&head), bytes),
            // A generated name may be one that steers the connection.
            Err(fault) => prop_assert!(fault.status() == 417 || fault.status() == 400, "{}", fault),
        }
    }

    #[test]
    fn any_bytes_are_a_head_or_a_fault(bytes: Vec<u8>, searched: usize) {
        let _judged = Head::parse(&bytes);
        let _end = find_end(&bytes, searched);
    }
}
