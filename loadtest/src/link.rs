//! A keep-alive connection that asks and gets whole answers; opened when it is first needed and
//! again when the other side has closed it.

use std::{io, net::Ipv4Addr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, HOST, RETRY_AFTER},
};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::time::timeout;

use crate::target::Target;

/// An answer that has not come by then has not come.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is asked; the path is below the API's base.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) path: String,
    body: Body,
}

#[derive(Clone)]
enum Body {
    None,
    Json(Bytes),
    Form(Bytes),
}

impl Ask {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            body: Body::None,
        }
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn json(mut self, value: &Value) -> Self {
        self.body = Body::Json(value.to_string().into());
        self
    }

    pub(crate) fn form(mut self, fields: &[(&str, &str)]) -> Self {
        self.body = Body::Form(form(fields).into());
        self
    }
}

/// `application/x-www-form-urlencoded`; also what stands in a query.
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    let fields = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(value)));
    fields.collect::<Vec<_>>().join("&")
}

/// Everything but letters and digits percent-encoded.
pub(crate) fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// `Set('key')` as it stands in a path.
pub(crate) fn keyed(set: &str, key: &str) -> String {
    format!("{set}('{}')", encoded(&key.replace('\'', "''")))
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Bytes,
}

/// There was no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("no connection: {0}")]
    NotOpened(#[from] io::Error),
    #[error("the connection broke: {0}")]
    Broke(#[from] hyper::Error),
    #[error("no answer within {} s", PATIENCE.as_secs())]
    TimedOut,
    #[error("not to be sent: {0}")]
    Malformed(#[from] http::Error),
}

pub(crate) struct Link {
    target: Arc<Target>,
    from: Option<Ipv4Addr>,
    sender: Option<SendRequest<Full<Bytes>>>,
    pub(crate) authorization: Option<HeaderValue>,
}

impl Link {
    pub(crate) fn new(target: Arc<Target>, from: Option<Ipv4Addr>) -> Self {
        Self {
            target,
            from,
            sender: None,
            authorization: None,
        }
    }

    /// The next request comes on a new connection.
    pub(crate) fn hang_up(&mut self) {
        self.sender = None;
    }

    pub(crate) async fn ask(&mut self, ask: &Ask) -> Result<Answer, LinkError> {
        let answer = timeout(PATIENCE, self.ask_once(ask))
            .await
            .unwrap_or(Err(LinkError::TimedOut));
        if answer.is_err() {
            self.hang_up();
        }
        answer
    }

    async fn ask_once(&mut self, ask: &Ask) -> Result<Answer, LinkError> {
        let mut sender = match self.sender.take() {
            Some(sender) if !sender.is_closed() => sender,
            _ => {
                let wire = self.target.open(self.from).await?;
                let (sender, connection) = handshake(TokioIo::new(wire)).await?;
                tokio::spawn(async {
                    // How it ended is told to whoever asks on it.
                    drop(connection.await);
                });
                sender
            }
        };
        sender.ready().await?;
        let answer = sender.send_request(self.request(ask)?).await?;
        let retry_after = answer.headers().get(RETRY_AFTER);
        let retry_after = retry_after
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        self.sender = Some(sender);
        Ok(Answer {
            status,
            retry_after,
            body,
        })
    }

    fn request(&self, ask: &Ask) -> Result<Request<Full<Bytes>>, http::Error> {
        let slash = if ask.path.is_empty() { "" } else { "/" };
        let mut request = Request::builder()
            .method(&ask.method)
            .uri(format!("{}{slash}{}", self.target.base, ask.path))
            .header(HOST, &self.target.authority);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let (kind, body) = match &ask.body {
            Body::None => (None, Bytes::new()),
            Body::Json(text) => (Some("application/json"), text.clone()),
            Body::Form(text) => (Some("application/x-www-form-urlencoded"), text.clone()),
        };
        if let Some(kind) = kind {
            request = request.header(CONTENT_TYPE, kind);
        }
        request.body(Full::new(body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_forms_are_encoded() {
        assert_eq!(keyed("Docs", "a'б"), "Docs('a%27%27%D0%B1')");
        assert_eq!(
            form(&[("username", "Орлов"), ("password", "a&b=c+d")]),
            "username=%D0%9E%D1%80%D0%BB%D0%BE%D0%B2&password=a%26b%3Dc%2Bd"
        );
    }
}
