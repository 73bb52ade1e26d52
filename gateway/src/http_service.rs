//! The two small HTTP services for the administrator's side: health and metrics on loopback, and
//! the command line's socket. Neither is reachable through a public port.

use std::{convert::Infallible, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use nix::unistd::Uid;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
};

use crate::{administration::Administration, status::Status};

const HEAD_LIMIT: Duration = Duration::from_secs(10);

/// Serves `/health` and `/metrics`; the address is a loopback one (the configuration saw to it).
pub(crate) async fn metrics(listener: TcpListener, status: Arc<Status>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let status = Arc::clone(&status);
                serve(stream, move |request| {
                    std::future::ready(measured(&status, &request))
                });
            }
            Err(fault) => pause(&fault).await,
        }
    }
}

/// Serves the administration to processes of this user and of root.
pub(crate) async fn admin(listener: UnixListener, administration: Arc<Administration>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let peer = stream.peer_cred().map(|peer| peer.uid());
                match peer {
                    Ok(uid) if uid == 0 || uid == Uid::effective().as_raw() => {
                        let administration = Arc::clone(&administration);
                        serve(stream, move |request| {
                            let administration = Arc::clone(&administration);
                            // On its own: who hangs up must not stop a change half way.
                            let answer =
                                tokio::spawn(async move { administration.answer(request).await });
                            async move {
                                answer.await.unwrap_or_else(|fault| {
                                    let code = StatusCode::INTERNAL_SERVER_ERROR;
                                    response(code, "text/plain", fault.to_string())
                                })
                            }
                        });
                    }
                    Ok(uid) => tracing::warn!(uid, "another user asked at the admin socket"),
                    Err(fault) => {
                        tracing::warn!(%fault, "nobody knows who asked at the admin socket");
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

fn serve<S, A, F>(stream: S, answer: A)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Fn(Request<Incoming>) -> F + Send + 'static,
    F: Future<Output = Response<Full<Bytes>>> + Send,
{
    tokio::spawn(async move {
        let answer = service_fn(move |request| {
            let answer = answer(request);
            async move { Ok::<_, Infallible>(answer.await) }
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

fn measured(status: &Status, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if request.method() != Method::GET {
        return response(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "GET only\n");
    }
    match request.uri().path() {
        "/health" => {
            let (code, words) = status.health();
            response(code, "text/plain", words)
        }
        "/metrics" => response(
            StatusCode::OK,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            status.metrics(),
        ),
        _ => response(StatusCode::NOT_FOUND, "text/plain", "not here\n"),
    }
}

pub(crate) fn response(
    status: StatusCode,
    kind: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
