//! After an answer of the gateway's own, the next request begins where this one's body ended.

use harness::{RecordingUpstream, Reply};

use crate::house::Plan;

/// The gateway reads a body or leaves it when it answers by itself; the next request begins where
/// that body ended, however the bytes were cut into segments.
#[test]
fn after_an_answer_of_the_gateways_own_the_connection_is_in_step() {
    let upstream = RecordingUpstream::ok();
    let plan = Plan::new();
    let user = plan.user("ivan", "mobile-user", "Word-1");
    let database = harness::Database::new("a", upstream.url()).with_users([user]);
    let house = plan.with(database).start();
    let dial = house.dial("a");
    let authorization = crate::house::basic("ivan", "Word-1");
    let next = format!("GET /next HTTP/1.1\r\nHost: h\r\nAuthorization: {authorization}\r\n\r\n");
    let form = "grant_type=password&username=ivan&password=Word-1";
    let chunks = format!("{:x}\r\n{form}\r\n0\r\n\r\n", form.len());
    let first = [
        (
            200,
            format!(
                "POST /api/v1/session HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"
            ),
        ),
        (
            200,
            format!(
                "POST /api/v1/session HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{form}",
                form.len()
            ),
        ),
        (
            401,
            format!("POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"),
        ),
        (
            401,
            format!(
                "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{form}",
                form.len()
            ),
        ),
        (401, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n".to_owned()),
        (
            401,
            "GET /x HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
               Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
                .to_owned(),
        ),
    ];
    for (status, request) in first {
        let all = format!("{request}{next}{next}");
        for cut in [
            all.len(),
            request.len(),
            request.len() + 1,
            request.len() + 30,
            request.len() - 1,
        ] {
            upstream.forget();
            let mut client = dial.open();
            let (here, rest) = all.as_bytes().split_at(cut);
            client.send(here);
            if cut > request.len() {
                assert_eq!(client.response().status(), status, "{request} cut at {cut}");
                client.send(rest);
            } else {
                client.send(rest);
                assert_eq!(client.response().status(), status, "{request} cut at {cut}");
            }
            for _ in 0..2 {
                match client
                    .reply(false)
                    .unwrap_or_else(|fault| panic!("{fault}: {request} cut at {cut}"))
                {
                    Reply::Response(answer) => {
                        assert_eq!(answer.status(), 200, "{request} cut at {cut}")
                    }
                    // Closing instead of going on is sound; another reading of the bytes is not.
                    Reply::Closed => break,
                }
            }
            for seen in upstream.requests() {
                assert_eq!(
                    seen.message.method_and_target().1,
                    "/next",
                    "{request} cut at {cut}"
                );
            }
        }
    }
}
