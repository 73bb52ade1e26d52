//! A port that is there for challenges alone, and only while an order runs.
//!
//! The ACME server comes from addresses that nobody knows beforehand, so no list is asked here.
//! There is nothing to reach either: a token of the running order, or 404; its challenge, or an
//! alert.

use std::{convert::Infallible, net::TcpListener, sync::Arc, time::Duration};

use bytes::Bytes;
use gateway_certificates::plan::Challenge;
use http::{Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use openssl::ssl::SslContext;
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};

use super::challenges::Challenges;
use crate::tls;

/// A whole connection.
const LIMIT: Duration = Duration::from_secs(10);
/// At once; who comes later waits for one to end.
const MOST: usize = 256;
/// Of a request's head.
const HEAD_BYTES: usize = 8 * 1024;
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The port is closed soon after this is dropped.
pub(super) struct Answering(JoinHandle<()>);

impl Answering {
    pub(super) fn start(
        socket: TcpListener,
        challenge: Challenge,
        challenges: &Arc<Challenges>,
    ) -> std::io::Result<Self> {
        let listener = tokio::net::TcpListener::from_std(socket)?;
        let way = match challenge {
            Challenge::Http01 => Way::Http(Arc::clone(challenges)),
            Challenge::TlsAlpn01 => Way::Tls(challenges.context()?),
        };
        Ok(Self(tokio::spawn(accept(listener, way))))
    }
}

impl Answering {
    /// Returns when the port is free: the next order may want it at once.
    pub(super) async fn stop(mut self) {
        self.0.abort();
        // It ends by being aborted, which is no fault.
        drop((&mut self.0).await);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[derive(Clone)]
enum Way {
    Http(Arc<Challenges>),
    Tls(SslContext),
}

async fn accept(listener: tokio::net::TcpListener, way: Way) {
    // Ends with this task.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= MOST {
            connections.join_next().await;
        }
        match listener.accept().await {
            Ok((tcp, _peer)) => drop(connections.spawn(timeout(LIMIT, answer(tcp, way.clone())))),
            Err(_out_of_descriptors) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn answer(tcp: TcpStream, way: Way) {
    match way {
        Way::Http(challenges) => {
            let service = service_fn(move |request| {
                let answer = told(&challenges, &request);
                async move { Ok::<_, Infallible>(answer) }
            });
            let served = http1::Builder::new()
                .keep_alive(false)
                .max_buf_size(HEAD_BYTES)
                .serve_connection(TokioIo::new(tcp), service);
            if let Err(fault) = served.await {
                tracing::debug!(%fault, "no request for a challenge");
            }
        }
        Way::Tls(context) => match tls::accept_with(&context, tcp).await {
            // The handshake was the answer.
            Ok(mut stream) => drop(stream.shutdown().await),
            Err(fault) => tracing::debug!(%fault, "no handshake for a challenge"),
        },
    }
}

fn told(challenges: &Challenges, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let authorization = challenges.by_path(request.uri().path());
    let status = match authorization {
        Some(_) => StatusCode::OK,
        None => StatusCode::NOT_FOUND,
    };
    let body = authorization.unwrap_or_default();
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let binary = http::HeaderValue::from_static("application/octet-stream");
    response.headers_mut().insert(CONTENT_TYPE, binary);
    response
}
