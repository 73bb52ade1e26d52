//! HTTP to the backend, over its Unix socket or TCP: the directory feed.
//!
//! The same few lines serve the embedded backend and a remote one. Requests of terminals do not
//! come through here: they are forwarded (`forward.rs`).

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use backend_types::{Directory, header};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};

use crate::server_address::ServerAddress;

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
    Refused { status: StatusCode, message: String },
    #[error("its answer is no directory: {0}")]
    Shape(#[from] serde_json::Error),
    #[error("its answer is longer than {DIRECTORY_LIMIT} bytes or broke off")]
    Body,
    #[error("the request cannot be built: {0}")]
    Request(#[from] http::Error),
}

impl BackendAddress {
    /// The directory as soon as its revision exceeds `after`; `None` when nothing changed while
    /// the backend waited.
    pub(crate) async fn directory(
        &self,
        after: u64,
        wait: Wait,
    ) -> Result<Option<Directory>, BackendError> {
        let wait = match wait {
            Wait::No => 0,
            Wait::ForChange => WAIT.as_secs(),
        };
        let path = format!("/directory?after={after}&wait={wait}");
        let (status, body) = self.get(&path).await?;
        match status {
            StatusCode::OK => Ok(Some(serde_json::from_slice(&body)?)),
            StatusCode::NO_CONTENT => Ok(None),
            _ => Err(refused(status, &body)),
        }
    }

    async fn get(&self, path: &str) -> Result<(StatusCode, Bytes), BackendError> {
        let exchange = async {
            match self {
                Self::Unix(path_of_socket) => {
                    let stream = UnixStream::connect(path_of_socket).await?;
                    exchange(stream, request(path, "backend", None)?).await
                }
                Self::Tcp { server, key } => {
                    let stream = TcpStream::connect(&server.authority).await?;
                    let request = request(path, &server.authority, Some(key))?;
                    exchange(stream, request).await
                }
            }
        };
        tokio::time::timeout(WAIT + SLACK, exchange)
            .await
            .map_err(|_elapsed| BackendError::TimedOut)?
    }
}

fn request(
    path: &str,
    host: &str,
    key: Option<&str>,
) -> Result<Request<Empty<Bytes>>, http::Error> {
    let mut request = Request::get(path).header(http::header::HOST, host);
    if let Some(key) = key {
        request = request.header(header::KEY, key);
    }
    request.body(Empty::new())
}

async fn exchange<S>(
    stream: S,
    request: Request<Empty<Bytes>>,
) -> Result<(StatusCode, Bytes), BackendError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), DIRECTORY_LIMIT)
        .collect()
        .await;
    driver.abort();
    // The boxed error hides which of the two it was; both mean that the answer is unusable.
    let body = body.map_err(|_unusable| BackendError::Body)?;
    Ok((status, body.to_bytes()))
}

fn refused(status: StatusCode, body: &[u8]) -> BackendError {
    if status == StatusCode::UNAUTHORIZED {
        return BackendError::Key(status);
    }
    let told = serde_json::from_slice::<serde_json::Value>(body).ok();
    let message = told
        .as_ref()
        .and_then(|told| told.pointer("/error/message"))
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default();
    BackendError::Refused {
        status,
        message: message.to_owned(),
    }
}
