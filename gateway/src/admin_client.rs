//! The command line's side of `admin.sock`.

use std::{
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use backend_types::{Language, header};
use bytes::Bytes;
use http::{
    Method, Request, Response, StatusCode,
    header::{ACCEPT_LANGUAGE, CONTENT_TYPE, HOST},
};
use http_body_util::BodyExt;
use nix::unistd::Uid;
use serde::{Serialize, de::DeserializeOwned};
use tokio::net::UnixStream;
use words::Cause;

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
    limit: Duration,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminError {
    #[error("no gateway runs on this data folder ({socket}: {source})")]
    NotRunning { socket: String, source: io::Error },
    #[error("this gateway is another user's ({socket}: {source})")]
    NoAccess { socket: String, source: io::Error },
    #[error("the gateway did not answer within {} s", .0.as_secs())]
    TimedOut(Duration),
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
                let cause = Cause::of(source).words(language);
                let values = [("socket", socket.as_str()), ("cause", &cause)];
                messages::text(language, "admin-not-running", &values)
            }
            Self::TimedOut(limit) => {
                let seconds = limit.as_secs().to_string();
                messages::text(language, "admin-timed-out", &[("seconds", &seconds)])
            }
            Self::NoAccess { socket, .. } => {
                messages::text(language, "admin-no-access", &[("socket", socket)])
            }
            Self::Http(fault) => {
                let cause = http_client::cause(fault).words(language);
                messages::text(language, "admin-broke-off", &[("cause", &cause)])
            }
            Self::Shape(fault) => {
                let cause = Cause::of(fault).words(language);
                messages::text(language, "admin-other-version", &[("cause", &cause)])
            }
            Self::Io(fault) => Cause::of(fault).words(language),
            Self::Request(fault) => Cause::of(fault).words(language),
            Self::Refused { message, .. } => message.clone(),
        }
    }
}

impl AdminClient {
    pub(crate) fn new(data: &Path, language: Language) -> Self {
        Self {
            data: data.to_owned(),
            language,
            limit: LIMIT,
        }
    }

    /// For what takes its time in the world outside.
    pub(crate) fn patient(&self, limit: Duration) -> Self {
        Self {
            data: self.data.clone(),
            language: self.language,
            limit,
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
        self.send_warned(method, path, body)
            .map(|(answer, _warning)| answer)
    }

    /// With the code of the warning that came beside the answer.
    pub(crate) fn send_warned<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<(T, Option<String>), AdminError> {
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
        let answer = runtime.block_on(async {
            tokio::time::timeout(self.limit, exchange(&self.data, request))
                .await
                .map_err(|_elapsed| AdminError::TimedOut(self.limit))?
        })?;
        let warning = answer.headers().get(header::WARNING);
        let warning = warning.and_then(|code| Some(code.to_str().ok()?.to_owned()));
        let (status, body) = (answer.status(), answer.into_body());
        if !status.is_success() {
            return Err(refused(status, &body));
        }
        let body: &[u8] = if body.is_empty() { b"null" } else { &body };
        Ok((serde_json::from_slice(body)?, warning))
    }
}

async fn exchange(data: &Path, request: Request<Bytes>) -> Result<Response<Bytes>, AdminError> {
    let socket = match sockets::path(data, "admin.sock") {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => {
            return Err(unconnected(&data.join("admin.sock"), fault));
        }
        found => found?,
    };
    let connected = UnixStream::connect(&socket).await;
    let stream = connected.map_err(|source| unconnected(&socket, source))?;
    let (head, body) = http_client::ask(stream, request).await?.into_parts();
    Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
}

/// Nobody listens there, or it is somebody else's gateway.
fn unconnected(socket: &Path, source: io::Error) -> AdminError {
    let socket = socket.display().to_string();
    match source.kind() {
        io::ErrorKind::PermissionDenied => AdminError::NoAccess { socket, source },
        _ => AdminError::NotRunning { socket, source },
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_of_another_user_is_not_a_gateway_that_does_not_run() {
        let of = |kind: io::ErrorKind| unconnected(Path::new("admin.sock"), kind.into());
        let denied = of(io::ErrorKind::PermissionDenied);
        assert!(matches!(denied, AdminError::NoAccess { .. }), "{denied}");
        assert!(denied.words(Language::Ru).contains("sudo"));
        let absent = of(io::ErrorKind::ConnectionRefused);
        assert!(matches!(absent, AdminError::NotRunning { .. }), "{absent}");
    }
}
