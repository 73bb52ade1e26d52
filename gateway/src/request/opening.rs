//! A connection before its first request: PROXY header → address admitted → first byte → TLS.
//!
//! No byte of HTTP is read here, and none is answered but the one sentence to who speaks plain HTTP
//! on a TLS port.

use std::{sync::Arc, time::Duration};

use gateway_policy::{
    ClientAddr,
    handshake::{End, Greeting},
    proxy_protocol::{Preface, preface},
    refusal::Refusal,
};
use tokio::{
    io::AsyncReadExt,
    net::TcpStream,
    time::{sleep, timeout},
};

use super::{Connection, FAREWELL_LIMIT, HEAD_LIMIT};
use crate::{
    acme::challenges::ACME_TLS,
    connections::Standing,
    handshake::Failed,
    page,
    stream::ClientStream,
    tls::{self, Level},
};

/// A PROXY header comes with the first segment or not at all.
const PROXY_LIMIT: Duration = Duration::from_secs(5);
/// A header that came in pieces is looked at again after this.
const PROXY_PAUSE: Duration = Duration::from_millis(5);
/// So much of a ClientHello is looked at to explain a failure; with a post-quantum key share one is
/// longer than a segment, and what is looked for stands before.
const GREETING_BYTES: usize = 2_048;

impl Connection {
    /// Everything before the first request. `None`: the connection is over.
    pub(super) async fn open(&mut self, mut tcp: TcpStream) -> Option<ClientStream> {
        // Terminals send small requests and wait for the answer: never hold a segment back.
        drop(tcp.set_nodelay(true));
        let scope = self.entered.connection.standing().scope;
        if self.trusted {
            let named = timeout(PROXY_LIMIT, named_client(&mut tcp, self.client)).await;
            let Ok(Some(client)) = named else {
                self.refuse_connection(Refusal::ProxyHeader);
                return None;
            };
            self.client = client;
            let scope = scope.clone();
            let standing = Standing::new(client, scope);
            self.entered.connection.stands_as(standing);
        }
        // Judged at the door already; again now that the connection is entered, so that a list
        // which changed in between has found it or is found here.
        let verdict = self.shared().admit(self.client, &scope);
        if verdict.is_blocked() {
            self.refuse_connection(Refusal::AddressRefused);
            return None;
        }
        // A proxy that names no client is exempt; a client that it names is counted as himself.
        let proxy_itself = self.trusted && self.client == self.entered.connection.peer;
        let exempt = proxy_itself || verdict.is_exempt();
        let room = Arc::clone(&self.worker.shared.connections);
        if room
            .enter_as(&mut self.entered, self.client, exempt)
            .is_err()
        {
            self.refuse_connection(Refusal::TooManyConnections);
            return None;
        }
        let mut first = [0; GREETING_BYTES];
        let end = match timeout(HEAD_LIMIT, tcp.peek(&mut first)).await {
            Ok(Ok(count @ 1..)) => Ok(first.get(..count).unwrap_or_default()),
            Ok(Ok(0) | Err(_)) => Err(End::ClosedAtOnce),
            Err(_elapsed) => Err(End::Silent),
        };
        let greeting = match end {
            Ok(bytes) => Greeting::of(bytes),
            Err(end) => {
                if self.serving.https {
                    let failed = Failed::before(end, Greeting::None, &"not a byte");
                    self.handshake_failed(&failed);
                }
                return None;
            }
        };
        match (self.serving.https, greeting.is_tls()) {
            (true, true) => self.handshake(tcp, greeting, verdict.is_exempt()).await,
            (true, false) => {
                self.refuse_connection(Refusal::NotTls);
                let failed = Failed::before(End::NotTls, greeting, &"");
                self.count_handshake(&failed);
                let mut stream = ClientStream::plain(tcp);
                let words = page::this_port_speaks_https();
                let farewell = async {
                    stream.write_raw(words.as_bytes()).await?;
                    stream.linger(16 * 1024).await
                };
                // The client is closed upon in any case.
                drop(timeout(FAREWELL_LIMIT, farewell).await);
                None
            }
            (false, true) => {
                self.refuse_connection(Refusal::NotPlain);
                None
            }
            (false, false) => Some(ClientStream::plain(tcp)),
        }
    }

    async fn handshake(
        &mut self,
        tcp: TcpStream,
        greeting: Greeting<'_>,
        whitelisted: bool,
    ) -> Option<ClientStream> {
        let Some(port) = &self.serving.tls else {
            self.refuse_connection(Refusal::NoCertificate);
            return None;
        };
        match tls::accept(port.for_client(whitelisted), tcp).await {
            // The handshake was all that an ACME server came for.
            Ok(tls) if tls.ssl().selected_alpn_protocol() == Some(ACME_TLS) => None,
            Ok(tls) => {
                let (agreed, level) = (tls::agreed(tls.ssl()), Level::of(tls.ssl()));
                self.shared()
                    .handshake_complete(self.client, &self.listener, agreed, level);
                self.level = Some(level);
                self.device = tls::shown(tls.ssl());
                if self.device.is_some() {
                    let connection = &self.entered.connection;
                    let mut standing = connection.standing();
                    standing.device.clone_from(&self.device);
                    connection.stands_as(standing);
                }
                Some(ClientStream::tls(tls))
            }
            Err(fault) => {
                self.handshake_failed(&Failed::within(&fault, greeting));
                None
            }
        }
    }

    pub(super) fn handshake_failed(&self, failed: &Failed<'_>) {
        self.shared()
            .handshake_failed(self.client, &self.listener, failed);
    }

    /// It is told as another refusal already.
    fn count_handshake(&self, failed: &Failed<'_>) {
        let database = self.listener.holder.database();
        self.shared()
            .metrics
            .handshake_failed(database, failed.fault);
    }
}

/// The client that a PROXY header names, or the peer itself when there is none. `None`: the
/// header is malformed or the peer left.
async fn named_client(tcp: &mut TcpStream, peer: ClientAddr) -> Option<ClientAddr> {
    let mut arrived = [0; 1024];
    loop {
        let count = tcp.peek(&mut arrived).await.ok()?;
        match preface(arrived.get(..count)?) {
            Preface::NotProxyHeader => return Some(peer),
            Preface::Header { client, length } => {
                tcp.read_exact(arrived.get_mut(..length)?).await.ok()?;
                return Some(client.map_or(peer, |client| ClientAddr::from(client.ip())));
            }
            Preface::Fault(_) => return None,
            Preface::NeedMore if count == 0 => return None,
            // What was peeked stays readable, so readiness cannot tell when more has come.
            Preface::NeedMore => sleep(PROXY_PAUSE).await,
        }
    }
}
