//! Answers that the gateway writes itself: refusals, login answers, the page for people.
//!
//! pingora's `respond_error` always closes, and each 401 would cost the client a handshake; so an
//! answer is written here, and the connection kept wherever the request was read whole. Where it
//! cannot be kept, the client is let finish sending first, or a reset would take the answer
//! away from it (RFC 9112, 9.6).

use std::{io, time::Duration};

use bytes::Bytes;
use gateway_policy::refusal::{Challenge, Refusal};
use http::StatusCode;
use serde_json::json;

use crate::{
    body::{self, Body},
    messages::{self, Language},
    stream::ClientStream,
};

const LINGER_LIMIT: usize = 1024 * 1024;
const LINGER_TIME: Duration = Duration::from_secs(2);
/// An answer of ours is a few KiB: who has not taken it by then reads none.
const WRITE_LIMIT: Duration = Duration::from_secs(10);

/// One answer of the gateway's own.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
    /// Close the connection afterwards, whatever the client wishes.
    pub(crate) close: bool,
}

/// What of the request matters to how it is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) head_only: bool,
    pub(crate) keep_alive: bool,
    pub(crate) http_10: bool,
    pub(crate) body: Body,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self {
            status,
            headers: vec![("cache-control", "no-store".to_owned())],
            content_type: "application/json; charset=utf-8",
            body: body.to_string().into(),
            close: false,
        }
    }

    pub(crate) fn no_content() -> Self {
        let headers = vec![("cache-control", "no-store".to_owned())];
        Self {
            status: 204,
            headers,
            content_type: "",
            body: Bytes::new(),
            close: false,
        }
    }

    /// An ACME challenge, for a server.
    pub(crate) fn plain(text: String) -> Self {
        Self {
            status: 200,
            headers: vec![("cache-control", "no-store".to_owned())],
            content_type: "application/octet-stream",
            body: text.into(),
            close: true,
        }
    }

    pub(crate) fn page(html: String) -> Self {
        let headers = vec![
            ("cache-control", "no-store".to_owned()),
            (
                "content-security-policy",
                "default-src 'none'; style-src 'unsafe-inline'".to_owned(),
            ),
            ("x-content-type-options", "nosniff".to_owned()),
        ];
        Self {
            status: 200,
            headers,
            content_type: "text/html; charset=utf-8",
            body: html.into(),
            close: false,
        }
    }

    /// The shape that every known client reads: `error.message` and `InnerException.Message`.
    ///
    /// A refusal that closes without a byte never gets here; should one, it is a fault of ours.
    pub(crate) fn refusal(refusal: Refusal, language: Language, sent_bearer: bool) -> Self {
        let message = messages::refusal(refusal, language);
        let mut answer = Self::json(
            refusal.status().unwrap_or(500),
            &json!({
                "error": {"code": refusal.code(), "message": message},
                "InnerException": {"Message": message},
            }),
        );
        if let Some(seconds) = refusal.retry_after_seconds() {
            answer.headers.push(("retry-after", seconds.to_string()));
        }
        let mut challenge = |words: &str| {
            answer.headers.push(("www-authenticate", words.to_owned()));
        };
        match refusal.challenge(sent_bearer) {
            Some(Challenge::BasicAndBearer) => {
                challenge("Basic realm=\"Smarts Gateway\", charset=\"UTF-8\"");
                challenge("Bearer");
            }
            Some(Challenge::Bearer) => challenge("Bearer error=\"invalid_token\""),
            None => {}
        }
        answer.close = refusal.closes();
        answer
    }

    /// Writes the answer; true when the connection may carry another request.
    pub(crate) async fn write(
        &self,
        stream: &mut ClientStream,
        asked: &Asked,
        request_id: &str,
    ) -> io::Result<bool> {
        let drained = if self.close || !asked.keep_alive {
            false
        } else {
            body::drain(stream, asked.body).await
        };
        let mut head = format!(
            "HTTP/1.1 {} {}\r\ndate: {}\r\nx-request-id: {request_id}\r\n",
            self.status,
            StatusCode::from_u16(self.status)
                .ok()
                .and_then(|status| status.canonical_reason())
                .unwrap_or("Refused"),
            httpdate::fmt_http_date(std::time::SystemTime::now()),
        );
        if self.status != 204 {
            head.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        if !self.content_type.is_empty() {
            head.push_str(&format!("content-type: {}\r\n", self.content_type));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !drained {
            head.push_str("connection: close\r\n");
        } else if asked.http_10 {
            head.push_str("connection: keep-alive\r\n");
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        if !asked.head_only {
            bytes.extend_from_slice(&self.body);
        }
        tokio::time::timeout(WRITE_LIMIT, stream.write_raw(&bytes)).await??;
        if !drained {
            // Whether the client takes its time or is gone: the connection ends here.
            drop(tokio::time::timeout(LINGER_TIME, stream.linger(LINGER_LIMIT)).await);
        }
        Ok(drained)
    }
}
