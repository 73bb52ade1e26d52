//! HTTP to the backend, over its Unix socket or TCP: the directory feed, and the changes that the
//! administrator makes.
//!
//! The same few lines serve the embedded backend and a remote one. Requests of terminals do not
//! come through here: they are forwarded (`forward.rs`).

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use backend_types::{Changes, Language, MadeUser, header};
use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{ACCEPT_LANGUAGE, CONTENT_TYPE, HOST},
};
use http_body_util::{BodyExt, Limited};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};
use words::Cause;

use crate::{
    feed::Feed,
    http_client::{self, Told},
    messages,
    server_address::ServerAddress,
};

/// Long poll: the backend answers at the latest after this.
const WAIT: Duration = Duration::from_secs(25);
/// Beyond the wait: connecting, and a slow disk.
const SLACK: Duration = Duration::from_secs(10);
/// A directory of 100,000 users is about 50 MiB.
const DIRECTORY_LIMIT: usize = 256 * 1024 * 1024;

/// Whether the backend may keep the question open until something changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    No,
    ForChange,
}

/// Where the backend listens.
#[derive(Clone)]
pub(crate) enum BackendAddress {
    Unix(PathBuf),
    Tcp {
        server: Arc<ServerAddress>,
        /// The shared key.
        key: Arc<str>,
    },
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum BackendError {
    #[error("not reachable: {0}")]
    Connect(#[from] io::Error),
    #[error("no answer within {} s", (WAIT + SLACK).as_secs())]
    TimedOut,
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("answered {0}: is the shared key the same on both sides?")]
    Key(StatusCode),
    #[error("answered {status}: {message}")]
    Refused {
        status: StatusCode,
        code: String,
        message: String,
    },
    #[error("its answer is no directory: {0}")]
    Shape(#[from] serde_json::Error),
    #[error("its answer is longer than {DIRECTORY_LIMIT} bytes or broke off")]
    Body,
    #[error("the request cannot be built: {0}")]
    Request(#[from] http::Error),
}

impl BackendError {
    /// For the administrator.
    pub(crate) fn words(&self, language: Language) -> String {
        let say =
            |key: &str, values: &[(&'static str, &str)]| messages::text(language, key, values);
        match self {
            Self::Connect(fault) => Cause::of(fault).words(language),
            Self::TimedOut => Cause::from(io::Error::from(io::ErrorKind::TimedOut)).words(language),
            Self::Http(fault) => http_client::cause(fault).words(language),
            Self::Key(_) => say("backend-key", &[]),
            Self::Refused {
                status, message, ..
            } => {
                let values = [("status", status.as_str()), ("message", message)];
                say("backend-refuses", &values)
            }
            Self::Shape(fault) => {
                let cause = Cause::of(fault).words(language);
                say("backend-no-directory", &[("cause", &cause)])
            }
            Self::Body => say("backend-answer-broken", &[]),
            Self::Request(fault) => Cause::of(fault).words(language),
        }
    }
}

impl BackendAddress {
    /// The directory as soon as its revision exceeds `after`; `None` when nothing changed while
    /// the backend waited. What is as in `before` is not read again.
    pub(crate) async fn directory(
        &self,
        after: u64,
        wait: Wait,
        before: Option<&Feed>,
    ) -> Result<Option<Feed>, BackendError> {
        let wait = match wait {
            Wait::No => 0,
            Wait::ForChange => WAIT.as_secs(),
        };
        let path = format!("/directory?after={after}&wait={wait}");
        let answer = self.send(Request::get(path).body(Bytes::new())?).await?;
        let (status, body) = (answer.status(), answer.into_body());
        match status {
            StatusCode::OK => Ok(Some(Feed::read(&body, before)?.0)),
            StatusCode::NO_CONTENT => Ok(None),
            _ => Err(refused(status, &body)),
        }
    }

    /// All of the changes, or none of them with the reason in `language`: the directory that
    /// comes after `before`, and who was made with it.
    pub(crate) async fn change(
        &self,
        changes: &Changes,
        before: &Feed,
        language: Language,
    ) -> Result<(Feed, Vec<MadeUser>), BackendError> {
        let request = Request::post("/directory")
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT_LANGUAGE, language.as_str());
        let body = Bytes::from(serde_json::to_vec(changes)?);
        let answer = self.send(request.body(body)?).await?;
        let (status, body) = (answer.status(), answer.into_body());
        match status {
            StatusCode::OK => Ok(Feed::read(&body, Some(before))?),
            _ => Err(refused(status, &body)),
        }
    }

    /// Sends `request`, whose target is a path, with what the address wants beside it.
    pub(crate) async fn send(
        &self,
        mut request: Request<Bytes>,
    ) -> Result<Response<Bytes>, BackendError> {
        let (host, key) = match self {
            Self::Unix(_) => ("backend", None),
            Self::Tcp { server, key } => (server.authority.as_str(), Some(key)),
        };
        let headers = request.headers_mut();
        headers.insert(
            HOST,
            HeaderValue::from_str(host).map_err(http::Error::from)?,
        );
        if let Some(key) = key {
            let key = HeaderValue::from_str(key).map_err(http::Error::from)?;
            headers.insert(header::KEY, key);
        }
        let exchange = async {
            match self {
                Self::Unix(path) => exchange(UnixStream::connect(path).await?, request).await,
                Self::Tcp { server, .. } => {
                    exchange(TcpStream::connect(&server.authority).await?, request).await
                }
            }
        };
        tokio::time::timeout(WAIT + SLACK, exchange)
            .await
            .map_err(|_elapsed| BackendError::TimedOut)?
    }
}

async fn exchange<S>(stream: S, request: Request<Bytes>) -> Result<Response<Bytes>, BackendError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (head, body) = http_client::ask(stream, request).await?.into_parts();
    let body = Limited::new(body, DIRECTORY_LIMIT).collect().await;
    // The boxed error hides which of the two it was; both mean that the answer is unusable.
    let body = body.map_err(|_unusable| BackendError::Body)?;
    Ok(Response::from_parts(head, body.to_bytes()))
}

fn refused(status: StatusCode, body: &[u8]) -> BackendError {
    if status == StatusCode::UNAUTHORIZED {
        return BackendError::Key(status);
    }
    let Told { code, message, .. } = Told::of(body);
    BackendError::Refused {
        status,
        code,
        message: message.unwrap_or_default(),
    }
}
