//! The two small HTTP services for the administrator's side: health and metrics on loopback, and
//! the command line's socket. Neither is reachable through a public port.

use std::{convert::Infallible, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use nix::unistd::Uid;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
};

use crate::status::Status;

const HEAD_LIMIT: Duration = Duration::from_secs(10);

/// Who asks: each surface has its own few paths.
#[derive(Clone, Copy)]
enum Surface {
    Metrics,
    Admin,
}

/// Serves `/health` and `/metrics`; the address is a loopback one (the configuration saw to it).
pub(crate) async fn metrics(listener: TcpListener, status: Arc<Status>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => serve(stream, Arc::clone(&status), Surface::Metrics),
            Err(fault) => pause(&fault).await,
        }
    }
}

/// Serves `/status` to processes of this user and of root.
pub(crate) async fn admin(listener: UnixListener, status: Arc<Status>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let peer = stream.peer_cred().map(|peer| peer.uid());
                match peer {
                    Ok(uid) if uid == 0 || uid == Uid::effective().as_raw() => {
                        serve(stream, Arc::clone(&status), Surface::Admin);
                    }
                    Ok(uid) => tracing::warn!(uid, "another user asked at the admin socket"),
                    Err(fault) => {
                        tracing::warn!(%fault, "nobody knows who asked at the admin socket")
                    }
                }
            }
            Err(fault) => pause(&fault).await,
        }
    }
}

/// Binds the command line's socket, 0600, replacing one that a killed process left.
pub(crate) fn bind_admin(path: &Path) -> std::io::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt;
    match std::fs::remove_file(path) {
        Err(fault) if fault.kind() != std::io::ErrorKind::NotFound => return Err(fault),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

async fn pause(fault: &std::io::Error) {
    tracing::warn!(%fault, "accept failed");
    tokio::time::sleep(Duration::from_millis(50)).await;
}

fn serve<S>(stream: S, status: Arc<Status>, surface: Surface)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    tokio::spawn(async move {
        let answer = service_fn(move |request| {
            let answer = answer(&status, surface, &request);
            async move { Ok::<_, Infallible>(answer) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_LIMIT)
            .serve_connection(TokioIo::new(stream), answer);
        if let Err(fault) = connection.await {
            tracing::debug!(%fault, "an administrator's connection broke off");
        }
    });
}

fn answer(status: &Status, surface: Surface, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if request.method() != Method::GET {
        return text(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "GET only\n");
    }
    match (surface, request.uri().path()) {
        (Surface::Metrics, "/health") => {
            let (code, words) = status.health();
            text(code, "text/plain", words)
        }
        (Surface::Metrics, "/metrics") => text(
            StatusCode::OK,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            status.metrics(),
        ),
        (Surface::Admin, "/status") => match serde_json::to_string(&status.report()) {
            Ok(report) => text(StatusCode::OK, "application/json", report),
            Err(fault) => text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "text/plain",
                fault.to_string(),
            ),
        },
        _ => text(StatusCode::NOT_FOUND, "text/plain", "not here\n"),
    }
}

fn text(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}
