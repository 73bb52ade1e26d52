//! Forwarding a request that has been decided on, by pingora's `HttpProxy`.
//!
//! Everything is judged before this room is entered; what the decision was travels with the
//! session as its user context and arrives in [`Forwarder::on_connection_reuse`], before any
//! other hook. A session without one goes nowhere. Identity headers are set in
//! `upstream_request_filter` and nowhere earlier: pingora strips what `Connection:` names before
//! that hook, so no client can have them removed.

use std::{
    any::Any,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use backend_types::header;
use bytes::Bytes;
use gateway_policy::{
    ClientAddr,
    identity::{self, Authorization},
    refusal::Refusal,
};
use http::{
    HeaderName, HeaderValue, StatusCode, Version,
    header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
};
use pingora::{
    Error, ErrorSource, ErrorType, Result,
    apps::{HttpServerApp, HttpServerOptions},
    http::{RequestHeader, ResponseHeader},
    protocols::{Stream, http::ServerSession},
    proxy::{FailToProxy, HttpProxy, ProxyHttp, Session, http_proxy},
    server::configuration::ServerConf,
    upstreams::peer::{HttpPeer, PeerOptions},
};
use tokio::sync::watch;

use crate::{
    access_log::Entry,
    answer::Answer,
    backend_client::BackendAddress,
    compress::{Gzip, Packing},
    directory::{Database, Upstream},
    login::{Caller, UpstreamAttempt},
    messages::Language,
    server_address::ServerAddress,
    shared::Shared,
    stream::ClientStream,
    worker::Worker,
};

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Between two reads of an answer; the first one covers the upstream's thinking.
const UPSTREAM_READ_LIMIT: Duration = Duration::from_secs(120);
const UPSTREAM_WRITE_LIMIT: Duration = Duration::from_secs(60);
/// Shorter than the backend's keep-alive of 90 s, so that it is never the upstream that closes.
const UPSTREAM_IDLE_LIMIT: Duration = Duration::from_secs(30);
const WEBSOCKET_IDLE_LIMIT: Duration = Duration::from_secs(3600);
/// Between two reads or writes of a client's body.
const CLIENT_LIMIT: Duration = Duration::from_secs(60);
/// Only for the header that tells the client so; the wait itself is `request.rs`.
const KEEP_ALIVE_SECONDS: u64 = 75;
/// One try, and one more on a fresh connection when a kept one had gone stale.
const TRIES: usize = 2;

/// What a worker forwards with.
pub(crate) type Proxy = HttpProxy<Forwarder>;

/// A request that may go upstream, with all that was decided about it.
pub(crate) struct Forward {
    pub(crate) database: Arc<Database>,
    pub(crate) to: Target,
    /// Path and query as the upstream gets them.
    pub(crate) path: Vec<u8>,
    pub(crate) client: ClientAddr,
    /// Scheme of the public port.
    pub(crate) https: bool,
    /// Asked for on the server port, under `/{database id}`.
    pub(crate) on_server_port: bool,
    /// `None`: no identity headers.
    pub(crate) caller: Option<Caller>,
    /// Whether `Authorization` goes on to the existing server.
    pub(crate) authorization: Authorization,
    pub(crate) packing: Packing,
    pub(crate) websocket: bool,
    /// The client waits for "100 Continue" before it sends the body.
    pub(crate) expects_continue: bool,
    pub(crate) language: Language,
    pub(crate) request_id: String,
    pub(crate) entry: Entry,
    /// The existing server's answer decides whether this was a failed login.
    pub(crate) attempt: Option<UpstreamAttempt>,
    pub(crate) closing: watch::Receiver<bool>,
}

/// Which of a database's two upstreams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Data,
    Print,
}

impl Forward {
    /// The service account, as the existing server gets it in place of the client's login.
    fn account(&self) -> Option<&HeaderValue> {
        match self.to {
            Target::Data => Some(&self.database.account.sent.as_ref()?.authorization),
            Target::Print => None,
        }
    }

    fn authorization(&self) -> Authorization {
        match self.account() {
            Some(_) => Authorization::Ends,
            None => self.authorization,
        }
    }

    fn server(&self) -> Option<&ServerAddress> {
        match (self.to, &self.database.upstream) {
            (Target::Print, _) => self.database.print.as_ref()?.upstream.as_ref(),
            (Target::Data, Upstream::Server(server)) => Some(server),
            (Target::Data, Upstream::Backend(_)) => None,
        }
    }

    fn backend(&self) -> Option<&BackendAddress> {
        match (self.to, &self.database.upstream) {
            (Target::Data, Upstream::Backend(backend)) => Some(backend),
            (Target::Data | Target::Print, _) => None,
        }
    }
}

/// Forwards one request over `stream`; the stream comes back when the connection may carry
/// another one.
pub(crate) async fn forward(
    worker: &Worker,
    stream: Box<ClientStream>,
    forward: Box<Forward>,
) -> Option<Box<ClientStream>> {
    let stream: Stream = stream;
    let mut session = ServerSession::new_http1(stream);
    let client_limit = if forward.websocket {
        WEBSOCKET_IDLE_LIMIT
    } else {
        CLIENT_LIMIT
    };
    session.set_read_timeout(Some(client_limit));
    session.set_write_timeout(Some(client_limit));
    session.set_total_drain_timeout(Some(CLIENT_LIMIT));
    session.set_keepalive(Some(KEEP_ALIVE_SECONDS));
    // An early answer leaves the body to be drained, unless the client may never send it.
    session.set_close_on_response_before_downstream_finish(forward.expects_continue);
    session.set_connection_user_context(Some(forward));
    let stopping = worker.shared.stopping();
    let reused = worker.proxy.process_new_http(session, &stopping).await?;
    let (stream, _) = reused.consume();
    stream.into_any().downcast().ok()
}

/// A forwarder for one worker; its upstream connections live on that worker.
pub(crate) fn proxy(shared: &Arc<Shared>) -> Arc<Proxy> {
    let conf = ServerConf {
        max_retries: TRIES,
        threads: 1,
        ..ServerConf::default()
    };
    let mut proxy = http_proxy(
        &Arc::new(conf),
        Forwarder {
            shared: Arc::clone(shared),
            fresh: AtomicU64::new(1),
        },
    );
    proxy.server_options = Some(HttpServerOptions::default());
    Arc::new(proxy)
}

pub(crate) struct Forwarder {
    shared: Arc<Shared>,
    /// Names groups of upstream connections that nobody else uses; 0 is everybody's.
    fresh: AtomicU64,
}

/// Per request; empty until the decision arrives.
#[derive(Default)]
pub(crate) struct Context {
    forward: Option<Box<Forward>>,
    refusal: Option<Refusal>,
    /// Packs the answer's body.
    gzip: Option<Gzip>,
    /// The first try failed on a kept connection.
    again: bool,
}

fn undecided() -> Box<Error> {
    Error::explain(
        ErrorType::InternalError,
        "a request reached the forwarder undecided",
    )
}

#[async_trait]
impl ProxyHttp for Forwarder {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context::default()
    }

    fn init_downstream_modules(&self, _: &mut pingora::modules::http::HttpModules) {
        // The default adds pingora's compression to every request; ours is `compress.rs`.
    }

    fn on_connection_reuse(
        &self,
        _: &mut Session,
        context: &mut Context,
        decided: Box<dyn Any + Send + Sync>,
    ) {
        context.forward = decided.downcast().ok();
    }

    async fn early_request_filter(
        &self,
        session: &mut Session,
        context: &mut Context,
    ) -> Result<()> {
        session.ignore_downstream_range = true;
        if context.forward.is_some() {
            Ok(())
        } else {
            Err(undecided())
        }
    }

    async fn upstream_peer(&self, _: &mut Session, context: &mut Context) -> Result<Box<HttpPeer>> {
        let forward = context.forward.as_deref().ok_or_else(undecided)?;
        let mut peer = match (forward.backend(), forward.server()) {
            (Some(BackendAddress::Unix(socket)), _) => {
                let path = socket.to_str().ok_or_else(no_address)?;
                HttpPeer::new_uds(path, false, String::new())?
            }
            (Some(BackendAddress::Tcp { server, .. }), _) => {
                plain(server.address().ok_or_else(no_address)?)
            }
            (None, Some(server)) => plain(server.address().ok_or_else(no_address)?),
            (None, None) => return Err(undecided()),
        };
        if context.again {
            // More kept connections may have died with the first: a group of its own has none.
            peer.group_key = self.fresh.fetch_add(1, Ordering::Relaxed);
        }
        limits(&mut peer.options, forward.websocket);
        Ok(Box::new(peer))
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        upstream: &mut RequestHeader,
        context: &mut Context,
    ) -> Result<()> {
        let forward = context.forward.as_deref().ok_or_else(undecided)?;
        upstream.set_raw_path(&forward.path)?;
        // A client that names `Authorization` in `Connection` takes its login away from nobody
        // but itself; what was judged is what is forwarded.
        if forward.authorization() == Authorization::Passes
            && let Some(sent) = session.req_header().headers.get(AUTHORIZATION)
        {
            upstream.insert_header(AUTHORIZATION, sent.clone())?;
        }
        remove_foreign(upstream, forward.authorization());
        if let Some(account) = forward.account() {
            upstream.insert_header(AUTHORIZATION, account.clone())?;
        }
        let client = forward.client.to_string();
        if let Some(host) = upstream.headers.get(HOST).cloned() {
            upstream.insert_header("X-Forwarded-Host", host)?;
        }
        upstream.insert_header(
            "X-Forwarded-Proto",
            if forward.https { "https" } else { "http" },
        )?;
        if forward.on_server_port && forward.backend().is_some() {
            let prefix = format!("/{}", forward.database.id);
            upstream.insert_header("X-Forwarded-Prefix", prefix)?;
        }
        upstream.insert_header("X-Forwarded-For", &client)?;
        upstream.insert_header("X-Real-IP", &client)?;
        upstream.insert_header("X-Request-Id", &forward.request_id)?;
        if let Some(caller) = &forward.caller {
            upstream.insert_header(header::DATABASE, forward.database.id.as_str())?;
            upstream.insert_header(header::ROLE, caller.role.as_str())?;
            upstream.insert_header(header::CLIENT, &client)?;
            if let Some(user) = caller.user() {
                upstream.insert_header(header::USER, identity::percent_encode_user(user))?;
            }
        }
        if let Some(BackendAddress::Tcp { key, .. }) = forward.backend() {
            upstream.insert_header(header::KEY, key.as_ref())?;
        }
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        upstream: &mut ResponseHeader,
        context: &mut Context,
    ) -> Result<()> {
        let forward = context.forward.as_deref_mut().ok_or_else(undecided)?;
        if upstream.status == StatusCode::SWITCHING_PROTOCOLS && !forward.websocket {
            let unasked = "the upstream opened a tunnel that nobody asked for";
            return Err(Error::explain(ErrorType::InvalidHTTPHeader, unasked).into_up());
        }
        if upstream.status == StatusCode::CONTINUE {
            // Now the body comes, whatever the answer: its end is where the next request begins.
            session.set_close_on_response_before_downstream_finish(false);
        }
        let judged = !upstream.status.is_informational()
            || upstream.status == StatusCode::SWITCHING_PROTOCOLS;
        if let Some(attempt) = forward.attempt.take_if(|_| judged) {
            attempt.answered(&self.shared, upstream.status.as_u16());
        }
        if upstream.status == StatusCode::UNAUTHORIZED && forward.account().is_some() {
            let (database, request) = (forward.database.id.as_str(), &forward.request_id);
            tracing::warn!(
                { request.id = request, database.id = database },
                "the existing server refuses the service account"
            );
        }
        // Our id stands in both logs; the upstream's own one would say nothing to anybody here.
        upstream.insert_header("X-Request-Id", &forward.request_id)?;
        if *forward.closing.borrow() || *self.shared.stopping().borrow() {
            session.set_keepalive(None);
        }
        Ok(())
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        answer: &mut ResponseHeader,
        context: &mut Context,
    ) -> Result<()> {
        if answer.status == StatusCode::SWITCHING_PROTOCOLS {
            let stream = session.stream().map(|stream| stream.as_any());
            let stream = stream.and_then(|stream| stream.downcast_ref::<ClientStream>());
            stream.ok_or_else(undecided)?.open_tunnel();
        } else {
            remove_hop_by_hop(answer);
            let forward = context.forward.as_deref().ok_or_else(undecided)?;
            context.gzip = forward.packing.begin(answer)?;
        }
        if session.req_header().version == Version::HTTP_10 {
            // It knows no chunks: the end of the connection is the end of the answer.
            answer.remove_header(&TRANSFER_ENCODING);
            session.set_keepalive(None);
        }
        Ok(())
    }

    fn response_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        context: &mut Context,
    ) -> Result<Option<Duration>> {
        if let Some(gzip) = &mut context.gzip {
            gzip.pack(body, end)?;
        }
        Ok(None)
    }

    /// A kept connection may have died in any way before this request reached the server: an
    /// idempotent one is tried once more, whatever the error, as long as nothing was answered.
    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        session: &mut Session,
        mut fault: Box<Error>,
        context: &mut Context,
        kept_connection: bool,
    ) -> Box<Error> {
        let timed_out = matches!(
            fault.etype(),
            ErrorType::ReadTimedout | ErrorType::WriteTimedout
        );
        let again = kept_connection
            && !timed_out
            && *fault.esource() != ErrorSource::Downstream
            && session.req_header().method.is_idempotent()
            && !session.as_ref().retry_buffer_truncated()
            && session.response_written().is_none();
        context.again = again;
        fault.set_retry(again);
        fault
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        fault: &Error,
        context: &mut Context,
    ) -> FailToProxy {
        let refusal = match (fault.esource(), fault.etype()) {
            (ErrorSource::Downstream, _) if body_is_broken(fault) => Some(Refusal::BodyBroken),
            // The client is gone, or took too long; there is nobody to answer.
            (ErrorSource::Downstream, _) => None,
            (
                _,
                ErrorType::ConnectTimedout | ErrorType::ReadTimedout | ErrorType::WriteTimedout,
            ) => Some(Refusal::UpstreamTimeout),
            (_, _) => Some(Refusal::UpstreamGone),
        };
        context.refusal = refusal;
        let mut status = 0;
        if let (Some(refusal), Some(forward)) = (refusal, context.forward.as_deref_mut()) {
            if refusal != Refusal::BodyBroken {
                if let Some(attempt) = forward.attempt.take() {
                    attempt.unanswered();
                }
                let (database, request) = (forward.database.id.as_str(), &forward.request_id);
                tracing::warn!(
                    { request.id = request, database.id = database, %fault },
                    "the upstream did not answer"
                );
            }
            if session.response_written().is_none() {
                status = refusal.status().unwrap_or(502);
                let answer = Answer::refusal(refusal, forward.language, false);
                // A client that is gone as well needs no answer.
                drop(respond(session, &answer, &forward.request_id).await);
            }
        }
        FailToProxy {
            error_code: status,
            can_reuse_downstream: false,
        }
    }

    async fn logging(&self, session: &mut Session, fault: Option<&Error>, context: &mut Context) {
        let Some(forward) = context.forward.as_deref_mut() else {
            return;
        };
        let status = session
            .response_written()
            .map(|response| response.status.as_u16());
        let entry = &mut forward.entry;
        match (&context.refusal, status, fault) {
            (Some(refusal), _, _) => entry.refused(*refusal),
            (None, Some(status), None) => entry.answered(status),
            (None, status, Some(_)) => entry.client_gone(status),
            (None, None, None) => entry.client_gone(None),
        }
        entry.bytes(session.body_bytes_read(), session.body_bytes_sent());
        self.shared.log(entry);
    }

    fn suppress_error_log(&self, _: &Session, _: &Context, _: &Error) -> bool {
        true
    }
}

fn plain(address: SocketAddr) -> HttpPeer {
    HttpPeer::new(address, false, String::new())
}

fn no_address() -> Box<Error> {
    Error::explain(
        ErrorType::ConnectNoRoute,
        "the upstream's name has no address",
    )
}

/// The client's body is not what its framing announced (`stream.rs` found it).
fn body_is_broken(fault: &Error) -> bool {
    let cause = fault.root_cause().downcast_ref::<io::Error>();
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::InvalidData)
}

fn limits(options: &mut PeerOptions, websocket: bool) {
    options.connection_timeout = Some(CONNECT_LIMIT);
    options.total_connection_timeout = Some(CONNECT_LIMIT);
    options.read_timeout = Some(if websocket {
        WEBSOCKET_IDLE_LIMIT
    } else {
        UPSTREAM_READ_LIMIT
    });
    options.write_timeout = Some(UPSTREAM_WRITE_LIMIT);
    options.idle_timeout = Some(UPSTREAM_IDLE_LIMIT);
}

/// Removes every header of the client that ends here.
fn remove_foreign(upstream: &mut RequestHeader, authorization: Authorization) {
    let foreign: Vec<HeaderName> = upstream
        .headers
        .keys()
        .filter(|name| identity::ends_here(name.as_str(), authorization))
        .cloned()
        .collect();
    for name in foreign {
        upstream.remove_header(&name);
    }
}

/// What the upstream says to us about its own connection ends here (RFC 9110, 7.6.1).
fn remove_hop_by_hop(answer: &mut ResponseHeader) {
    let named: Vec<HeaderName> = answer
        .headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .filter(|name| *name != CONTENT_LENGTH && *name != TRANSFER_ENCODING)
        .collect();
    for name in named {
        answer.remove_header(&name);
    }
    for name in ["keep-alive", "proxy-connection"] {
        answer.remove_header(name);
    }
}

async fn respond(session: &mut Session, answer: &Answer, request_id: &str) -> Result<()> {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut head = ResponseHeader::build(status, Some(6))?;
    head.insert_header("Content-Type", answer.content_type)?;
    head.insert_header("Content-Length", answer.body.len())?;
    head.insert_header("X-Request-Id", request_id)?;
    for (name, value) in &answer.headers {
        head.insert_header(*name, value)?;
    }
    session.set_keepalive(None);
    let head_only = session.req_header().method == http::Method::HEAD;
    let body = if head_only {
        Bytes::new()
    } else {
        answer.body.clone()
    };
    session
        .write_response_header(Box::new(head), head_only)
        .await?;
    if !head_only {
        session.write_response_body(Some(body), true).await?;
    }
    Ok(())
}
