//! One request over a fresh connection, and how a refusal is told in JSON: the backend and the
//! gateway's own administration speak alike.
//!
//! Who is asked, for how long, and how much of an answer is read, says the caller.

use std::io;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use words::Cause;

/// The answer's head; its body is still to be read.
pub(crate) async fn ask<S>(stream: S, request: Request<Bytes>) -> hyper::Result<Response<Incoming>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the body, or when that is let go.
    tokio::spawn(connection);
    sender.send_request(request.map(Full::new)).await
}

/// Why there was no answer.
pub(crate) fn cause(fault: &hyper::Error) -> Cause {
    match fault.is_incomplete_message() {
        // With no cause of the system's: the other side has simply gone.
        true => io::Error::new(io::ErrorKind::ConnectionReset, fault.to_string()).into(),
        false => Cause::of(fault),
    }
}

/// `{"error": …}`; what is no such thing tells nothing.
#[derive(Default, Deserialize)]
pub(crate) struct Told {
    #[serde(default)]
    pub(crate) code: String,
    pub(crate) message: Option<String>,
    /// What is to be written into a file by hand.
    pub(crate) paste: Option<String>,
}

impl Told {
    pub(crate) fn of(body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Answer {
            error: Told,
        }
        serde_json::from_slice(body).map_or_else(|_| Self::default(), |answer: Answer| answer.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_refusal_tells_is_read_and_anything_else_tells_nothing() {
        let told =
            Told::of(br#"{"error": {"code": "clash-port", "message": "no", "details": []}}"#);
        assert_eq!(
            (told.code.as_str(), told.message.as_deref()),
            ("clash-port", Some("no"))
        );
        for body in ["", "<html>", "[]", r#"{"error": "no"}"#] {
            let told = Told::of(body.as_bytes());
            assert_eq!((told.code.as_str(), told.message), ("", None), "{body}");
        }
    }
}
