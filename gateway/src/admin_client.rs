//! The command line's side of `admin.sock`.

use std::{io, path::Path, time::Duration};

use http::{Request, StatusCode, header::HOST};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use crate::{sockets, status::Report};

const LIMIT: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminError {
    #[error("no gateway runs on this data folder ({socket}: {source})")]
    NotRunning { socket: String, source: io::Error },
    #[error("the gateway did not answer within {} s", LIMIT.as_secs())]
    TimedOut,
    #[error("the gateway answered {0}")]
    Refused(StatusCode),
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("{0}")]
    Request(#[from] http::Error),
    #[error("the gateway speaks another version: {0}")]
    Shape(#[from] serde_json::Error),
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Asks the gateway that runs on `data` for its status.
pub(crate) fn status(data: &Path) -> Result<Report, AdminError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        tokio::time::timeout(LIMIT, ask(data))
            .await
            .map_err(|_elapsed| AdminError::TimedOut)?
    })
}

async fn ask(data: &Path) -> Result<Report, AdminError> {
    let socket = sockets::path(data, "admin.sock")?;
    let stream = UnixStream::connect(&socket)
        .await
        .map_err(|source| AdminError::NotRunning {
            socket: socket.display().to_string(),
            source,
        })?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let request = Request::get("/status")
        .header(HOST, "gateway")
        .body(Empty::<bytes::Bytes>::new())?;
    let answer = sender.send_request(request).await?;
    if answer.status() != StatusCode::OK {
        return Err(AdminError::Refused(answer.status()));
    }
    let body = answer.into_body().collect().await?.to_bytes();
    driver.abort();
    Ok(serde_json::from_slice(&body)?)
}
