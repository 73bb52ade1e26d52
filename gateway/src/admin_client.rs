//! The command line's side of `admin.sock`.

use std::{
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use backend_types::Language;
use bytes::Bytes;
use http::{
    Method, Request, StatusCode,
    header::{ACCEPT_LANGUAGE, CONTENT_TYPE, HOST},
};
use http_body_util::BodyExt;
use nix::unistd::Uid;
use serde::{Serialize, de::DeserializeOwned};
use tokio::net::UnixStream;

use crate::{
    http_client::{self, Told},
    messages, sockets,
};

/// A backend that is away, or hashing for many, may take its time.
const LIMIT: Duration = Duration::from_secs(60);

/// The gateway that runs on a data folder, as its administrator asks it.
pub(crate) struct AdminClient {
    data: PathBuf,
    language: Language,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminError {
    #[error("no gateway runs on this data folder ({socket}: {source})")]
    NotRunning { socket: String, source: io::Error },
    #[error("the gateway did not answer within {} s", LIMIT.as_secs())]
    TimedOut,
    /// In the administrator's language already.
    #[error("{message}")]
    Refused {
        status: StatusCode,
        code: String,
        message: String,
        paste: Option<String>,
    },
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("{0}")]
    Request(#[from] http::Error),
    #[error("the gateway speaks another version: {0}")]
    Shape(#[from] serde_json::Error),
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl AdminError {
    pub(crate) fn words(&self, language: Language) -> String {
        match self {
            Self::NotRunning { socket, source } => {
                let cause = source.to_string();
                let values = [("socket", socket.as_str()), ("cause", &cause)];
                messages::text(language, "admin-not-running", &values)
            }
            Self::TimedOut => {
                let seconds = LIMIT.as_secs().to_string();
                messages::text(language, "admin-timed-out", &[("seconds", &seconds)])
            }
            other => other.to_string(),
        }
    }
}

impl AdminClient {
    pub(crate) fn new(data: &Path, language: Language) -> Self {
        Self {
            data: data.to_owned(),
            language,
        }
    }

    /// Whether the gateway runs as who asks: then it could do itself whatever it says.
    pub(crate) fn is_ours(&self) -> bool {
        let socket = sockets::path(&self.data, "admin.sock");
        let found = socket.and_then(std::fs::symlink_metadata);
        found.is_ok_and(|found| found.uid() == Uid::effective().as_raw())
    }

    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, AdminError> {
        self.send(Method::GET, path, None::<&()>)
    }

    pub(crate) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, AdminError> {
        self.send(Method::POST, path, Some(body))
    }

    /// An empty answer reads as `null`.
    pub(crate) fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, AdminError> {
        let body = body.map(serde_json::to_vec).transpose()?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "gateway")
            .header(ACCEPT_LANGUAGE, self.language.as_str())
            .header(CONTENT_TYPE, "application/json")
            .body(Bytes::from(body.unwrap_or_default()))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (status, body) = runtime.block_on(async {
            tokio::time::timeout(LIMIT, exchange(&self.data, request))
                .await
                .map_err(|_elapsed| AdminError::TimedOut)?
        })?;
        if !status.is_success() {
            return Err(refused(status, &body));
        }
        let body: &[u8] = if body.is_empty() { b"null" } else { &body };
        Ok(serde_json::from_slice(body)?)
    }
}

async fn exchange(data: &Path, request: Request<Bytes>) -> Result<(StatusCode, Bytes), AdminError> {
    let not_running = |socket: &Path, source| AdminError::NotRunning {
        socket: socket.display().to_string(),
        source,
    };
    let socket = match sockets::path(data, "admin.sock") {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => {
            return Err(not_running(&data.join("admin.sock"), fault));
        }
        found => found?,
    };
    let stream = UnixStream::connect(&socket)
        .await
        .map_err(|source| not_running(&socket, source))?;
    let answer = http_client::ask(stream, request).await?;
    let status = answer.status();
    Ok((status, answer.into_body().collect().await?.to_bytes()))
}

fn refused(status: StatusCode, body: &[u8]) -> AdminError {
    let Told {
        code,
        message,
        paste,
    } = Told::of(body);
    AdminError::Refused {
        status,
        code,
        message: message.unwrap_or_else(|| status.to_string()),
        paste,
    }
}
