//! The way of one connection and its requests, top to bottom.
//!
//! [`opening`]: PROXY header → address admitted → first byte → TLS. Then, for every request: [`head`]
//! → route ([`routed`]) → lists ([`standing`]) → login endpoints answered here → authenticate →
//! authorise → forward. This file calls the decisions in that order and takes none itself; what they decide lies in
//! `gateway-policy`, what they know in `shared`. Nothing before [`forward`] needs pingora.

mod head;
mod opening;
mod routed;
mod standing;

use std::{
    mem,
    net::IpAddr,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use backend_types::{ClientCertificates, Mode, PrintAuthentication, Role};
use bytes::{BufMut, BytesMut};
use gateway_certificates::validity;
use gateway_policy::{
    ClientAddr,
    chunks::Chunks,
    head::{Framing, Head, HeadFault},
    identity::Authorization,
    ports::Holder,
    refusal::Refusal,
    route::split_database,
};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    sync::watch,
    time::{Instant, sleep, timeout, timeout_at},
};

use self::{
    head::{Request, is_read, read_head},
    routed::Routed,
};
use crate::{
    access_log::Entry,
    answer::{Answer, Asked},
    body::Body,
    certificate_page,
    compress::Packing,
    connections::{Entered, Standing},
    directory::{Authentication, Database, Upstream},
    forward::{self, Forward, Target},
    handshake::Failed,
    listeners::{Listener, Serving},
    login::{self, AcceptedHere, Ask, Caller, Proven, Shown, UpstreamAttempt},
    page,
    shared::Shared,
    stream::{ClientStream, Remaining},
    tls::Level,
    worker::Worker,
};

/// From the end of the handshake, or the first byte of a later request, to the end of the head;
/// the first byte of a connection has as long.
const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// Between requests.
const IDLE_LIMIT: Duration = Duration::from_secs(75);
/// How long a request that may be on its way is waited for when the gateway stops: of a new
/// connection, of a kept one whose last answer did not say that it ends.
const LAST_CALL: Duration = Duration::from_secs(1);
/// To say goodbye: TLS close, or the plain-text answer on a TLS port.
const FAREWELL_LIMIT: Duration = Duration::from_secs(1);
/// What one connection carries from request to request.
struct Connection {
    worker: Arc<Worker>,
    listener: Arc<Listener>,
    serving: Arc<Serving>,
    entered: Entered,
    /// The address behind the socket, or the one that a PROXY header named.
    client: ClientAddr,
    /// Where the client has connected to; of the certificate page alone.
    local: Option<IpAddr>,
    /// The peer may also name clients in `X-Forwarded-For`.
    trusted: bool,
    closing: watch::Receiver<bool>,
    stopping: watch::Receiver<bool>,
    /// The Basic credential that this connection has verified.
    proven: Option<Proven>,
    accepted_here: AcceptedHere,
    /// Serial number of the certificate of ours that the client has shown.
    device: Option<Arc<str>>,
    /// What its handshake has agreed on; `None`: there was none.
    level: Option<Level>,
}

/// What becomes of a request.
enum Step {
    /// Not an HTTP byte.
    Close,
    Answer(Answer),
    /// A login endpoint: its body, if it has one, is read next.
    LogIn(Arc<Database>, Ask),
    Forward(Box<Forward>),
}

/// On whose word a request passes.
enum Passage {
    Caller(Caller),
    /// The existing server judges; what its answer will count.
    JudgedUpstream(Option<UpstreamAttempt>),
    /// Nobody has to log in.
    Unasked,
}

/// Serves one connection to its end.
pub(crate) async fn serve(
    worker: Arc<Worker>,
    listener: Arc<Listener>,
    serving: Arc<Serving>,
    entered: Entered,
    tcp: TcpStream,
    trusted: bool,
) {
    let client = entered.connection.standing().client;
    let (closing, stopping) = (serving.closing(), worker.shared.stopping());
    let local = match listener.holder {
        Holder::CertificatePage => tcp.local_addr().ok().map(|local| local.ip()),
        Holder::Data(_) | Holder::Print(_) | Holder::Server | Holder::Metrics => None,
    };
    let mut connection = Connection {
        worker,
        listener,
        serving,
        entered,
        client,
        local,
        trusted,
        closing,
        stopping,
        proven: None,
        accepted_here: AcceptedHere::default(),
        device: None,
        level: None,
    };
    let over = over(connection.closing.clone(), connection.stopping.clone());
    let opened = tokio::select! {
        // Boxed: what opening takes is not kept for as long as the connection lives.
        opened = Box::pin(connection.open(tcp)) => opened,
        () = over => None,
    };
    if let Some(stream) = opened {
        connection.requests(Box::new(stream)).await;
    }
}

/// When the port is taken away, what is no request yet need not finish. When the gateway stops, a
/// request that is on its way already is still answered.
async fn over(mut closing: watch::Receiver<bool>, mut stopping: watch::Receiver<bool>) {
    // A sender that is gone is as good as its word.
    let stops = tokio::select! {
        biased;
        _ = stopping.wait_for(|stopping| *stopping) => true,
        _ = closing.wait_for(|closing| *closing) => false,
    };
    if stops {
        sleep(LAST_CALL).await;
    }
}

impl Connection {
    fn shared(&self) -> &Arc<Shared> {
        &self.worker.shared
    }

    fn refuse_connection(&self, refusal: Refusal) {
        let Standing { client, scope, .. } = self.entered.connection.standing();
        self.shared().refuse_connection(client, &scope, refusal);
    }

    async fn requests(&mut self, mut stream: Box<ClientStream>) {
        let mut wait = HEAD_LIMIT;
        let mut first_head_by = Some(Instant::now() + HEAD_LIMIT);
        // One for the whole connection: each would enter and leave the queues of its two senders.
        let mut over = pin!(over(self.closing.clone(), self.stopping.clone()));
        loop {
            let first = tokio::select! {
                biased; // what has come is served
                first = timeout(wait, stream.first_byte()) => first,
                () = over.as_mut() => break,
            };
            let first = match first {
                Ok(Ok(Some(first))) => first,
                Ok(ended) => {
                    if first_head_by.is_some() {
                        self.no_request(&stream, &ended);
                    }
                    break;
                }
                Err(_elapsed) => break,
            };
            let received = Instant::now();
            let head_by = first_head_by.take().unwrap_or(received + HEAD_LIMIT);
            match Box::pin(self.exchange(stream, first, received, head_by, over.as_mut())).await {
                Some(kept) => stream = kept,
                None => return,
            }
            wait = IDLE_LIMIT;
        }
        // A peer that is gone already needs no farewell.
        drop(timeout(FAREWELL_LIMIT, stream.shutdown()).await);
    }

    /// After TLS the client has left without one: it may have minded the certificate.
    fn no_request(&self, stream: &ClientStream, ended: &std::io::Result<Option<u8>>) {
        let tls = stream.tls_session();
        let failed = tls.and_then(|tls| Failed::instead_of_a_request(tls, ended));
        if let Some(failed) = failed {
            self.handshake_failed(&failed);
        }
    }

    /// From the first byte of a request to the end of its answer. The stream comes back when the
    /// connection may carry another request.
    async fn exchange(
        &mut self,
        mut stream: Box<ClientStream>,
        first: u8,
        received: Instant,
        head_by: Instant,
        over: Pin<&mut impl Future<Output = ()>>,
    ) -> Option<Box<ClientStream>> {
        let mut bytes = BytesMut::with_capacity(1024);
        bytes.put_u8(first);
        let read = tokio::select! {
            biased;
            read = timeout_at(head_by, read_head(&mut stream, &mut bytes)) => read,
            () = over => return None,
        };
        let length = match read {
            Ok(Ok(Some(length))) => length,
            Ok(Err(fault)) => {
                self.refuse_head(&mut stream, fault, received).await;
                return None;
            }
            // Dripped, or gone: there is no request to answer.
            Ok(Ok(None)) => return None,
            Err(_elapsed) => {
                self.refuse_connection(Refusal::HeadTimeout);
                return None;
            }
        };
        let head_bytes = bytes.split_to(length);
        let head = match Head::parse(&head_bytes) {
            Ok(head) => head,
            Err(fault) => {
                self.refuse_head(&mut stream, fault, received).await;
                return None;
            }
        };
        let mut request = self.request(&head, received);
        let remaining = match head.framing() {
            _ if head.upgrade_websocket() => Remaining::Tunnel,
            Framing::None => Remaining::Bytes(0),
            Framing::Length(length) => Remaining::Bytes(length),
            Framing::Chunked => Remaining::Chunks(Chunks::new()),
        };
        match self.decide(&head, &mut request).await {
            Ok(Step::Close) => {
                self.refuse_connection(Refusal::AddressRefused);
                None
            }
            Ok(Step::Forward(decided)) => {
                stream.give_back(head.raw().into(), bytes, remaining);
                forward::forward(&self.worker, stream, decided).await
            }
            Ok(Step::Answer(answer)) => {
                stream.give_back(BytesMut::new(), bytes, remaining);
                self.answer(stream, Ok(answer), request).await
            }
            Err(refusal) => {
                stream.give_back(BytesMut::new(), bytes, remaining);
                self.answer(stream, Err(refusal), request).await
            }
            Ok(Step::LogIn(database, ask)) => {
                stream.give_back(BytesMut::new(), bytes, remaining);
                let origin = self.origin(&database, &request);
                let answered = login::answer(
                    self.shared(),
                    &database,
                    &origin,
                    ask,
                    &mut stream,
                    &mut request.asked,
                    &mut request.entry,
                    request.language,
                );
                let answered = answered.await;
                self.answer(stream, answered, request).await
            }
        }
    }

    /// Route → lists → what is answered here → authenticate → authorise; what comes out is done
    /// next.
    async fn decide(&mut self, head: &Head<'_>, request: &mut Request) -> Result<Step, Refusal> {
        if self.trusted && self.is_refused(request.client) {
            return Ok(Step::Close);
        }
        if let Some(device) = &self.device {
            let trust = self.shared().trust.load();
            request.entry.device = Some(trust.name(device).unwrap_or(device).into());
            if !trust.lets_in(device, validity::now()) {
                return Err(Refusal::DeviceRevoked);
            }
        }
        if !self.serving.https
            && is_read(head)
            && let Some(authorization) = self.shared().challenges.by_path(head.path())
        {
            return Ok(Step::Answer(Answer::plain(authorization)));
        }
        if self.listener.holder == Holder::CertificatePage {
            return self.certificate_page(head, request);
        }
        if self.listener.holder == Holder::Server && head.path() == "/" && is_read(head) {
            return Ok(Step::Answer(Answer::page(page::home(
                request.language,
                None,
            ))));
        }
        let Some(routed) = self.route(head)? else {
            return Ok(Step::Close);
        };
        request.entry.database = Some(routed.database.id.clone());
        if self
            .judge_again(&routed.database, request.client)
            .is_blocked()
        {
            return Ok(Step::Close);
        }
        if routed.database.https && !self.serving.https {
            return Err(Refusal::HttpsOnly);
        }
        // A port of its own has asked in the handshake; the server port's profile is another.
        if let Some(level) = self.level
            && !self.shared().suits(&routed.database, level, self.client)
        {
            return Err(Refusal::OldTls);
        }
        let asked = routed.database.client_certificates;
        if asked == ClientCertificates::Required && self.device.is_none() {
            return Err(Refusal::ClientCertificate);
        }
        if let Some(answered_here) = routed.answered_here(head, request.language) {
            return answered_here;
        }
        let passage = self.authenticate(&routed, head, request).await?;
        routed.authorise(&passage, head.method())?;
        Ok(Step::Forward(self.forward(routed, head, request, passage)))
    }

    /// Nothing is forwarded from this port, whatever is asked there.
    fn certificate_page(&self, head: &Head<'_>, request: &Request) -> Result<Step, Refusal> {
        let asked = certificate_page::Asked {
            head,
            client: request.client,
            local: self.local,
            language: request.language,
        };
        let answered = certificate_page::answer(self.shared(), &asked);
        answered.map_or(Ok(Step::Close), |answered| answered.map(Step::Answer))
    }

    /// The database by port, or by the first path segment. `None`: the port's database is gone.
    fn route<'a>(&self, head: &Head<'a>) -> Result<Option<Routed<'a>>, Refusal> {
        let (database, to, target) = match &self.listener.holder {
            Holder::Data(id) => (
                self.shared().database(id),
                Target::Data,
                head.target().into(),
            ),
            Holder::Print(id) => (
                self.shared().database(id),
                Target::Print,
                head.target().into(),
            ),
            Holder::Server | Holder::CertificatePage | Holder::Metrics => {
                let named = split_database(head.target());
                let found = named.and_then(|(id, rest)| Some((self.shared().database(&id)?, rest)));
                let (database, rest) = found.ok_or(Refusal::NoSuchDatabase)?;
                if database.mode != Mode::Server {
                    return Err(Refusal::NoSuchDatabase);
                }
                (Some(database), Target::Data, rest)
            }
        };
        Ok(database.map(|database| Routed {
            database,
            to,
            target,
        }))
    }

    async fn authenticate(
        &mut self,
        routed: &Routed<'_>,
        head: &Head<'_>,
        request: &mut Request,
    ) -> Result<Passage, Refusal> {
        let database = &routed.database;
        let origin = self.origin(database, request);
        let credential = head.header("authorization");
        match (routed.to, &database.print) {
            (Target::Print, Some(print)) if print.upstream.is_none() => {
                return Err(Refusal::NoPrintService);
            }
            (Target::Print, Some(print)) if print.authentication == PrintAuthentication::Pass => {
                return Ok(Passage::Unasked);
            }
            (Target::Print | Target::Data, _) => {}
        }
        match database.authentication {
            // «Аутентификация по пользователю» is off: every request is served.
            Authentication::None => Ok(Passage::Unasked),
            Authentication::Upstream => {
                let shown = Shown {
                    authorization: credential,
                    method: head.method(),
                    host: head.host(),
                    target: &routed.target,
                    print: routed.to == Target::Print,
                    accepted_here: &self.accepted_here,
                };
                let shared = &self.worker.shared;
                let attempt = login::upstream_attempt(shared, database, &origin, shown);
                Ok(Passage::JudgedUpstream(attempt.await?))
            }
            Authentication::Gateway => {
                let (shared, proven) = (&self.worker.shared, &mut self.proven);
                let caller = login::authenticate(shared, database, &origin, credential, proven);
                let caller = caller.await?;
                request.entry.user = caller.user().map(str::to_owned);
                Ok(Passage::Caller(caller))
            }
        }
    }

    fn forward(
        &self,
        routed: Routed<'_>,
        head: &Head<'_>,
        request: &mut Request,
        passage: Passage,
    ) -> Box<Forward> {
        let packing = match routed.to {
            Target::Data => Packing::of(&routed.database, routed.path(), head),
            Target::Print => Packing::Never,
        };
        let Routed {
            database,
            to,
            target,
        } = routed;
        let ours = matches!(
            (&database.upstream, to),
            (Upstream::Backend(_), Target::Data)
        );
        let path = match ours {
            true => format!("/{}{target}", database.id),
            false => target.into_owned(),
        };
        let unasked = matches!(passage, Passage::Unasked);
        let (caller, authorization, attempt) = match passage {
            Passage::Caller(caller) => (Some(caller), Authorization::Ends, None),
            Passage::JudgedUpstream(attempt) => (None, Authorization::Passes, attempt),
            // Our backend knows its callers by our headers alone.
            Passage::Unasked if ours => {
                let anybody = Caller {
                    role: Role::Administrator,
                    login: None,
                    family: None,
                };
                (Some(anybody), Authorization::Ends, None)
            }
            // At a print port that asks nobody: a login that is judged here goes nowhere else.
            Passage::Unasked if database.authentication == Authentication::Gateway => {
                (None, Authorization::Ends, None)
            }
            Passage::Unasked => (None, Authorization::Passes, None),
        };
        if head.upgrade_websocket() {
            let mut standing = self.standing(&database.id, request.client);
            standing.websocket = true;
            standing.tls = self.level.map(|level| (level, self.client));
            standing.unasked = unasked && to == Target::Data;
            if let Some(caller) = &caller {
                (standing.login, standing.family) = (caller.login.clone(), caller.family);
            }
            self.entered.connection.stands_as(standing.clone());
            // What has changed since the request was judged finds the WebSocket, or is found here.
            if !self.shared().may_go_on(&standing) {
                self.entered.connection.close();
            }
        }
        let told = ours || database.identity_headers;
        Box::new(Forward {
            to,
            path: path.into_bytes(),
            client: request.client,
            https: self.serving.https,
            on_server_port: self.listener.holder == Holder::Server,
            caller: caller.filter(|_| told),
            authorization,
            packing,
            websocket: head.upgrade_websocket(),
            expects_continue: head.expect_continue(),
            language: request.language,
            request_id: mem::take(&mut request.id),
            entry: mem::replace(&mut request.entry, Entry::new(Instant::now())),
            attempt,
            closing: self.closing.clone(),
            database,
        })
    }

    async fn answer(
        &self,
        mut stream: Box<ClientStream>,
        answered: Result<Answer, Refusal>,
        mut request: Request,
    ) -> Option<Box<ClientStream>> {
        let answer = match answered {
            Ok(answer) => {
                request.entry.answered(answer.status);
                answer
            }
            Err(refusal) => {
                request.entry.refused(refusal);
                Answer::refusal(refusal, request.language, request.sent_bearer)
            }
        };
        let mut asked = request.asked;
        asked.keep_alive &= !*self.closing.borrow() && !*self.stopping.borrow();
        let written = answer.write(&mut stream, &asked, &request.id).await;
        if written.is_err() {
            request.entry.client_gone(Some(answer.status));
        }
        self.shared().log(&request.entry);
        matches!(written, Ok(true)).then_some(stream)
    }

    async fn refuse_head(&self, stream: &mut ClientStream, fault: HeadFault, received: Instant) {
        let id = self.shared().request_id();
        let refusal = Refusal::from(fault);
        let mut entry = Entry::new(received);
        entry.asked(&id, self.client, "", "");
        entry.refused(refusal);
        let asked = Asked {
            head_only: false,
            keep_alive: false,
            http_10: false,
            body: Body::Read,
        };
        let answer = Answer::refusal(refusal, self.shared().language(), false);
        if answer.write(stream, &asked, &id).await.is_err() {
            entry.client_gone(Some(answer.status));
        }
        self.shared().log(&entry);
    }
}
