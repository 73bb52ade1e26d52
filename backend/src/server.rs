//! HTTP in, HTTP out: connections, the shared key, the three kinds of address, one log line each.
//!
//! What a path below a database means is decided in `api`; nothing here knows an entity set.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    extract::{Query, Request},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use backend_types::{Changes, Language, header};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{ACCEPT_LANGUAGE, CONNECTION, CONTENT_TYPE},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::{
    net::{TcpListener, UnixListener},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    api::{self, error::ApiError},
    backups::Backups,
    directory::{self, Feed},
    identity,
    messages::Message,
    secrets::Hasher,
    storage::Storage,
};

/// Longer than the gateway keeps an idle connection, so it never sends into a closing one.
const KEEP_ALIVE: Duration = Duration::from_secs(90);
const STOP: Duration = Duration::from_secs(10);
const LONGEST_WAIT: u64 = 60;
/// The gateway takes heads of 32 KiB and adds its own headers.
const HEAD_BYTES: usize = 64 * 1024;
const HEADERS: usize = 128;
pub(crate) const BODY_BYTES: usize = 64 * 1024 * 1024;

/// What `X-Smarts-Key` must say. Kept as a digest, compared in constant time, never shown.
#[derive(Clone)]
pub struct SharedKey([u8; 32]);

impl SharedKey {
    #[must_use]
    pub fn new(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    fn is(&self, given: &str) -> bool {
        self.0.ct_eq(&Self::new(given).0).into()
    }
}

impl std::fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedKey")
    }
}

pub(crate) enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// What every request may use.
pub(crate) struct State {
    pub(crate) storage: Arc<Storage>,
    feed: Arc<Feed>,
    pub(crate) backups: Backups,
    pub(crate) hasher: Hasher,
    key: Option<SharedKey>,
    language: Language,
    stopping: watch::Receiver<bool>,
}

impl State {
    pub(crate) fn new(
        storage: Arc<Storage>,
        backups: Backups,
        hasher: Hasher,
        key: Option<SharedKey>,
        language: Language,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        Self {
            feed: Arc::new(Feed::of(&storage)),
            storage,
            backups,
            hasher,
            key,
            language,
            stopping,
        }
    }

    pub(crate) fn language(&self, headers: &HeaderMap) -> Language {
        let accepted = headers
            .get(ACCEPT_LANGUAGE)
            .and_then(|value| value.to_str().ok());
        Language::accepted(accepted, self.language)
    }
}

type Shared = axum::extract::State<Arc<State>>;

fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/directory", get(read_directory).post(change_directory))
        .fallback(resource)
        .layer(middleware::from_fn_with_state(state.clone(), gate))
        .with_state(state)
}

/// Accepts until `stopping` says so, then lets what runs finish.
pub(crate) async fn serve(
    listener: Listener,
    state: Arc<State>,
    mut stopping: watch::Receiver<bool>,
) {
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let router = router(state.clone());
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(KEEP_ALIVE)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS);
    loop {
        let service = TowerToHyperService::new(router.clone());
        let accepted = tokio::select! {
            accepted = accept(&listener) => accepted,
            _ = stopping.wait_for(|stop| *stop) => break,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok(Stream::Unix(stream)) => {
                let connection = http.serve_connection(TokioIo::new(stream), service);
                connections.spawn(graceful.watch(connection));
            }
            Ok(Stream::Tcp(stream)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(error = %error, "small answers may be delayed");
                }
                let connection = http.serve_connection(TokioIo::new(stream), service);
                connections.spawn(graceful.watch(connection));
            }
            Err(error) => {
                tracing::warn!(error = %error, "a connection was not accepted");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    if timeout(STOP, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still running after 10 s and were cut");
    }
    connections.shutdown().await;
    state.storage.close_readers().await;
}

enum Stream {
    Unix(tokio::net::UnixStream),
    Tcp(tokio::net::TcpStream),
}

async fn accept(listener: &Listener) -> std::io::Result<Stream> {
    match listener {
        Listener::Unix(listener) => Ok(Stream::Unix(listener.accept().await?.0)),
        Listener::Tcp(listener) => Ok(Stream::Tcp(listener.accept().await?.0)),
    }
}

/// The key before anything else; the log line after everything.
async fn gate(axum::extract::State(state): Shared, request: Request, next: Next) -> Response {
    let begun = tokio::time::Instant::now();
    let headers = request.headers();
    let id = identity::request_id(headers);
    let client = identity::text(headers, header::CLIENT)
        .unwrap_or_default()
        .to_owned();
    let database = identity::text(headers, header::DATABASE);
    let database = database.map_or_else(|| api::database_in(request.uri().path()), str::to_owned);
    let user = identity::text(headers, header::USER)
        .unwrap_or_default()
        .to_owned();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let language = state.language(headers);

    let given = identity::text(headers, header::KEY).unwrap_or_default();
    let mut response = match &state.key {
        Some(key) if !key.is(given) => {
            let message = Message::new("key-missing");
            closing(ApiError::new(StatusCode::UNAUTHORIZED, message).into_response(language))
        }
        _ => match whole(request).await {
            Ok(request) => next.run(request).await,
            Err(error) => closing(error.into_response(language)),
        },
    };
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(header::REQUEST_ID, value);
    }
    tracing::info!(
        request.id = %id,
        client.addr = %client,
        database.id = %database,
        user.id = %user,
        method = %method,
        path = %path,
        status = response.status().as_u16(),
        duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        "request"
    );
    response
}

/// The body is read before anything is answered: an answer that overtakes it makes hyper close
/// the connection without a word, and the next request on it would fail.
async fn whole(request: Request) -> Result<Request, ApiError> {
    let (parts, body) = request.into_parts();
    let body = api::read_body(body).await?;
    Ok(Request::from_parts(parts, Body::from(body)))
}

/// Says that the connection ends, where the body was not read.
fn closing(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

async fn health(axum::extract::State(state): Shared, headers: HeaderMap) -> Response {
    match state.storage.read().await {
        Ok(_) => Json(json!({"status": "ok"})).into_response(),
        Err(error) => ApiError::from(error).into_response(state.language(&headers)),
    }
}

#[derive(Deserialize)]
struct Poll {
    #[serde(default)]
    after: u64,
    /// Seconds.
    #[serde(default)]
    wait: u64,
}

async fn read_directory(
    axum::extract::State(state): Shared,
    headers: HeaderMap,
    poll: Result<Query<Poll>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let answer = async {
        let Query(poll) = poll.map_err(|rejection| {
            ApiError::bad_request(Message::new("query-bad").with("detail", rejection))
        })?;
        let mut revision = state.storage.revision();
        let mut stopping = state.stopping.clone();
        let wait = Duration::from_secs(poll.wait.min(LONGEST_WAIT));
        let changed = tokio::select! {
            changed = revision.wait_for(|revision| *revision > poll.after) => changed.is_ok(),
            () = sleep(wait) => false,
            _ = stopping.wait_for(|stop| *stop) => false,
        };
        if !changed {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        let directory = state.feed.committed(&state.storage).await?;
        Ok(as_json(directory.json(None)?))
    };
    let answer: Result<Response, ApiError> = answer.await;
    answer.unwrap_or_else(|refusal| refusal.into_response(state.language(&headers)))
}

async fn change_directory(axum::extract::State(state): Shared, request: Request<Body>) -> Response {
    let language = state.language(request.headers());
    let answer = async {
        let body = api::read_body(request.into_body()).await?;
        let changes: Changes = api::parse(&body)?;
        let State {
            storage,
            feed,
            hasher,
            ..
        } = &*state;
        let (directory, made) = directory::change(storage, feed, hasher, changes).await?;
        Ok(as_json(directory.json(Some(&made))?))
    };
    let answer: Result<Response, ApiError> = answer.await;
    answer.unwrap_or_else(|refusal| refusal.into_response(language))
}

fn as_json(body: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

/// Everything below a database.
async fn resource(axum::extract::State(state): Shared, request: Request<Body>) -> Response {
    let language = state.language(request.headers());
    let answer = api::answer(&state, request).await;
    let mut response = answer.unwrap_or_else(|refusal| refusal.into_response(language));
    let version = HeaderValue::from_static("4.0");
    response.headers_mut().insert("odata-version", version);
    response
}
