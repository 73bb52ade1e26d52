//! The head of a request: read until it is whole, and what of it outlives it.

use bytes::BytesMut;
use gateway_policy::{
    ClientAddr,
    head::{self, Framing, Head, HeadFault, Version},
    proxy_protocol::client_by_forwarded_for,
};
use tokio::time::Instant;

use super::Connection;
use crate::{
    access_log::Entry, answer::Asked, body::Body, messages::Language, stream::ClientStream,
};

/// What of a request outlives its head.
pub(super) struct Request {
    pub(super) id: String,
    pub(super) client: ClientAddr,
    pub(super) language: Language,
    pub(super) sent_bearer: bool,
    pub(super) asked: Asked,
    pub(super) entry: Entry,
}

/// Reads until the head is whole; `None`: the client left before.
pub(super) async fn read_head(
    stream: &mut ClientStream,
    bytes: &mut BytesMut,
) -> Result<Option<usize>, HeadFault> {
    let mut searched = 0;
    loop {
        if let Some(length) = head::find_end(bytes, searched)? {
            return Ok(Some(length));
        }
        searched = bytes.len();
        let room = (head::MAX_HEAD_BYTES + 4)
            .saturating_sub(bytes.len())
            .max(1);
        match stream.read_more(bytes, room).await {
            Ok(0) | Err(_) => return Ok(None),
            Ok(_) => {}
        }
    }
}

impl Connection {
    pub(super) fn request(&self, head: &Head<'_>, received: Instant) -> Request {
        let mut request = Request {
            id: self.shared().request_id(),
            client: self.client_of(head),
            language: text_of(head, "accept-language").map_or(self.shared().language(), |header| {
                Language::accepted(Some(header), self.shared().language())
            }),
            sent_bearer: head.header("authorization").is_some_and(is_bearer),
            asked: asked(head),
            entry: Entry::new(received),
        };
        request
            .entry
            .asked(&request.id, request.client, head.method(), head.path());
        request
    }

    fn client_of(&self, head: &Head<'_>) -> ClientAddr {
        if !self.trusted {
            return self.client;
        }
        let settings = self.shared().settings.load();
        let values = head.values("x-forwarded-for");
        client_by_forwarded_for(&settings.trusted_proxies, self.client, values)
    }
}

fn is_bearer(authorization: &[u8]) -> bool {
    authorization
        .get(..7)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "))
}

fn asked(head: &Head<'_>) -> Asked {
    Asked {
        head_only: head.method() == "HEAD",
        keep_alive: head.keep_alive(),
        http_10: head.version() == Version::Http10,
        body: match (head.framing(), head.expect_continue()) {
            (Framing::None | Framing::Length(0), _) => Body::Read,
            (framing, true) => Body::Awaited(framing),
            (framing, false) => Body::Ahead(framing),
        },
    }
}

fn text_of<'a>(head: &Head<'a>, name: &str) -> Option<&'a str> {
    head.header(name)
        .and_then(|value| std::str::from_utf8(value).ok())
}

pub(super) fn is_read(head: &Head<'_>) -> bool {
    matches!(head.method(), "GET" | "HEAD")
}
