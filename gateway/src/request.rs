//! The way of one connection and its requests, top to bottom.
//!
//! PROXY header → address admitted → first byte → TLS → for every request: head → route → lists
//! → login endpoints answered here → authenticate → authorise → forward. This file calls the
//! decisions in that order and takes none itself; what they decide lies in `gateway-policy`,
//! what they know in `shared`. Nothing before [`forward`] needs pingora.

use std::{sync::Arc, time::Duration};

use backend_types::Role;
use bytes::{BufMut, BytesMut};
use gateway_policy::{
    ClientAddr,
    admit::Verdict,
    head::{self, Framing, Head, HeadFault, Version},
    identity::Authorization,
    ports::Holder,
    proxy_protocol::{Preface, client_by_forwarded_for, preface},
    refusal::Refusal,
    rights::Rights,
    route::{Judged, Place, split_database},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    time::{Instant, sleep, timeout, timeout_at},
};

use crate::{
    access_log::Entry,
    answer::{Answer, Asked},
    body::Body,
    connections::{Entered, Scope},
    directory::{Authentication, Database, Upstream},
    forward::{self, Forward, Target},
    listeners::{Listener, Serving},
    login::{self, Ask, Caller, Proven},
    messages::Language,
    page,
    shared::Shared,
    stream::{ClientStream, Remaining},
    tls,
    worker::Worker,
};

/// From the connection, or the first byte of a later request, to the end of the head.
const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// Between requests.
const IDLE_LIMIT: Duration = Duration::from_secs(75);
/// A PROXY header comes with the first segment or not at all.
const PROXY_LIMIT: Duration = Duration::from_secs(5);
/// A header that came in pieces is looked at again after this.
const PROXY_PAUSE: Duration = Duration::from_millis(5);
/// To say goodbye: TLS close, or the plain-text answer on a TLS port.
const FAREWELL_LIMIT: Duration = Duration::from_secs(1);
/// First byte of every TLS connection (RFC 8446, 5.1: a handshake record).
const TLS_HANDSHAKE: u8 = 0x16;

/// What one connection carries from request to request.
struct Connection {
    worker: Arc<Worker>,
    listener: Arc<Listener>,
    serving: Arc<Serving>,
    entered: Entered,
    /// The address behind the socket, or the one that a PROXY header named.
    client: ClientAddr,
    /// The peer may also name clients in `X-Forwarded-For`.
    trusted: bool,
    closing: watch::Receiver<bool>,
    stopping: watch::Receiver<bool>,
    /// The Basic credential that this connection has verified.
    proven: Option<Proven>,
}

/// What becomes of a request.
enum Step {
    /// Not an HTTP byte.
    Close,
    Answer(Answer),
    Refuse(Refusal),
    /// A login endpoint: its body, if it has one, is read next.
    LogIn(Arc<Database>, Ask),
    Forward(Box<Forward>),
}

impl From<Refusal> for Step {
    fn from(refusal: Refusal) -> Self {
        Self::Refuse(refusal)
    }
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
    let (client, _) = entered.connection.judged();
    let (closing, stopping) = (serving.closing(), worker.shared.stopping());
    let mut connection = Connection {
        worker,
        listener,
        serving,
        entered,
        client,
        trusted,
        closing,
        stopping,
        proven: None,
    };
    if let Some(stream) = connection.open(tcp).await {
        connection.requests(Box::new(stream)).await;
    }
}

impl Connection {
    fn shared(&self) -> &Arc<Shared> {
        &self.worker.shared
    }

    fn refuse_connection(&self, refusal: Refusal) {
        let (client, scope) = self.entered.connection.judged();
        self.shared().refuse_connection(client, &scope, refusal);
    }

    /// Everything before the first request. `None`: the connection is over.
    async fn open(&mut self, mut tcp: TcpStream) -> Option<ClientStream> {
        // Terminals send small requests and wait for the answer: never hold a segment back.
        drop(tcp.set_nodelay(true));
        let (_, scope) = self.entered.connection.judged();
        if self.trusted {
            let named = timeout(PROXY_LIMIT, named_client(&mut tcp, self.client)).await;
            let Ok(Some(client)) = named else {
                self.refuse_connection(Refusal::ProxyHeader);
                return None;
            };
            self.client = client;
            self.entered.connection.judge_as(client, scope.clone());
        }
        // Judged at the door already; again now that the connection is entered, so that a list
        // which changed in between has found it or is found here.
        if self.shared().admit(self.client, &scope).is_blocked() {
            self.refuse_connection(Refusal::AddressRefused);
            return None;
        }
        let mut first = [0];
        let peeked = timeout(HEAD_LIMIT, tcp.peek(&mut first)).await;
        if !matches!(peeked, Ok(Ok(1))) {
            return None;
        }
        match (self.serving.https, first == [TLS_HANDSHAKE]) {
            (true, true) => self.handshake(tcp).await,
            (true, false) => {
                self.refuse_connection(Refusal::NotTls);
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

    async fn handshake(&self, tcp: TcpStream) -> Option<ClientStream> {
        let Some(context) = &self.serving.tls else {
            self.refuse_connection(Refusal::NoCertificate);
            return None;
        };
        match tls::accept(context, tcp).await {
            Ok(tls) => Some(ClientStream::tls(tls)),
            Err(fault) => {
                self.shared()
                    .handshake_failed(self.client, &self.listener, &fault);
                None
            }
        }
    }

    async fn requests(&mut self, mut stream: Box<ClientStream>) {
        let mut wait = HEAD_LIMIT;
        loop {
            let first = tokio::select! {
                first = timeout(wait, stream.first_byte()) => first,
                _ = self.closing.wait_for(|closing| *closing) => break,
                _ = self.stopping.wait_for(|stopping| *stopping) => break,
            };
            let Ok(Ok(Some(first))) = first else { break };
            match Box::pin(self.exchange(stream, first)).await {
                Some(kept) => stream = kept,
                None => return,
            }
            if *self.closing.borrow() || *self.stopping.borrow() {
                break;
            }
            wait = IDLE_LIMIT;
        }
        // A peer that is gone already needs no farewell.
        drop(timeout(FAREWELL_LIMIT, stream.shutdown()).await);
    }

    /// From the first byte of a request to the end of its answer. The stream comes back when the
    /// connection may carry another request.
    async fn exchange(
        &mut self,
        mut stream: Box<ClientStream>,
        first: u8,
    ) -> Option<Box<ClientStream>> {
        let received = Instant::now();
        let mut bytes = BytesMut::with_capacity(1024);
        bytes.put_u8(first);
        let read = timeout_at(received + HEAD_LIMIT, read_head(&mut stream, &mut bytes)).await;
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
        let mut request = Request {
            id: self.shared().request_id(),
            client: self.client_of(&head),
            language: text_of(&head, "accept-language")
                .map_or(self.shared().language(), |header| {
                    Language::accepted(Some(header), self.shared().language())
                }),
            sent_bearer: head.header("authorization").is_some_and(is_bearer),
            asked: asked(&head),
            entry: Entry::new(received),
        };
        request
            .entry
            .asked(&request.id, request.client, head.method(), head.path());
        let remaining = match head.framing() {
            // After 101 the connection belongs to both ends; until then pingora holds the bytes.
            _ if head.upgrade_websocket() => Remaining::Unknown,
            Framing::None => Remaining::Bytes(0),
            Framing::Length(length) => Remaining::Bytes(length),
            Framing::Chunked => Remaining::Unknown,
        };
        match self.decide(&head, &mut request).await {
            Step::Close => {
                self.refuse_connection(Refusal::AddressRefused);
                None
            }
            Step::Forward(mut decided) => {
                decided.request_id = request.id;
                decided.language = request.language;
                decided.entry = request.entry;
                let mut judged = BytesMut::from(head.raw());
                let length = judged.len();
                judged.unsplit(bytes);
                stream.give_back(judged, length, remaining);
                forward::forward(&self.worker, stream, decided).await
            }
            Step::Answer(answer) => {
                stream.give_back(bytes, 0, remaining);
                self.answer(stream, Ok(answer), request).await
            }
            Step::Refuse(refusal) => {
                stream.give_back(bytes, 0, remaining);
                self.answer(stream, Err(refusal), request).await
            }
            Step::LogIn(database, ask) => {
                stream.give_back(bytes, 0, remaining);
                let exempt = self.exempt(&database, request.client);
                let answered = login::answer(
                    self.shared(),
                    &database,
                    request.client,
                    exempt,
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

    /// Route → lists → login endpoint → authenticate → authorise; what comes out is done next.
    async fn decide(&mut self, head: &Head<'_>, request: &mut Request) -> Step {
        let (database, target, print) = match &self.listener.holder {
            Holder::Data(id) | Holder::Print(id) => match self.shared().database(id) {
                Some(database) => {
                    let print = matches!(self.listener.holder, Holder::Print(_));
                    (database, head.target().into(), print)
                }
                None => return Step::Close,
            },
            Holder::Server | Holder::Metrics => {
                if head.path() == "/" && is_read(head) {
                    return Step::Answer(Answer::page(page::home(request.language, None)));
                }
                let named = split_database(head.target());
                match named.and_then(|(id, rest)| Some((self.shared().database(&id)?, rest))) {
                    Some((database, rest)) => (database, rest, false),
                    None => return Refusal::NoSuchDatabase.into(),
                }
            }
        };
        request.entry.database = Some(database.id.clone());
        if self.judge_again(&database, request.client).is_blocked() {
            return Step::Close;
        }
        if database.https && !self.serving.https {
            return Refusal::HttpsOnly.into();
        }
        if database.mode != backend_types::Mode::Server {
            return Refusal::NoSuchDatabase.into();
        }
        let (path, query) = target
            .split_once('?')
            .map_or((&*target, None), |(path, query)| (path, Some(query)));
        if print {
            return self.print(&database, head, request).await;
        }
        match database.authentication {
            Authentication::Upstream => {
                self.judged_upstream(database, head, path, &target, request)
                    .await
            }
            Authentication::Gateway | Authentication::None => {
                match Place::of(path) {
                    Place::Human if is_read(head) && serves_page(&database) => {
                        let page = page::home(request.language, Some(&database.name));
                        return Step::Answer(Answer::page(page));
                    }
                    place => {
                        if let Some(ask) = Ask::of(
                            &database,
                            place,
                            head.method(),
                            query,
                            head.header("authorization"),
                        ) {
                            return match ask {
                                Ok(ask) => Step::LogIn(database, ask),
                                Err(refusal) => refusal.into(),
                            };
                        }
                    }
                }
                let caller = match self.authenticate(&database, head, request).await {
                    Ok(caller) => caller,
                    Err(refusal) => return refusal.into(),
                };
                if let Err(refusal) = allowed(&database, &caller, head.method(), path) {
                    return refusal.into();
                }
                self.forward(
                    database,
                    Target::Data,
                    head,
                    &target,
                    request,
                    Some(caller),
                    Authorization::Ends,
                )
            }
        }
    }

    async fn authenticate(
        &mut self,
        database: &Arc<Database>,
        head: &Head<'_>,
        request: &mut Request,
    ) -> Result<Caller, Refusal> {
        if database.authentication == Authentication::None {
            // «Аутентификация по пользователю» is off: every request is served.
            return Ok(Caller {
                role: Role::Administrator,
                user: None,
            });
        }
        let exempt = self.exempt(database, request.client);
        let caller = login::authenticate(
            &self.worker.shared,
            database,
            request.client,
            exempt,
            head.header("authorization"),
            &mut self.proven,
        )
        .await?;
        request.entry.user.clone_from(&caller.user);
        Ok(caller)
    }

    async fn print(
        &mut self,
        database: &Arc<Database>,
        head: &Head<'_>,
        request: &mut Request,
    ) -> Step {
        let Some(print) = &database.print else {
            return Step::Close;
        };
        if print.upstream.is_none() {
            return Refusal::NoPrintService.into();
        }
        let same = print.authentication_same;
        if same && database.authentication == Authentication::Upstream {
            let target = head.target();
            let path = head.path();
            let database = Arc::clone(database);
            return self
                .judged_upstream_at(database, Target::Print, head, path, target, request)
                .await;
        }
        let passes = if same {
            Authorization::Ends
        } else {
            Authorization::Passes
        };
        if same && let Err(refusal) = self.authenticate(database, head, request).await {
            return refusal.into();
        }
        self.forward(
            Arc::clone(database),
            Target::Print,
            head,
            head.target(),
            request,
            None,
            passes,
        )
    }

    async fn judged_upstream(
        &self,
        database: Arc<Database>,
        head: &Head<'_>,
        path: &str,
        target: &str,
        request: &Request,
    ) -> Step {
        self.judged_upstream_at(database, Target::Data, head, path, target, request)
            .await
    }

    /// `authentication: upstream`: everything passes, failures are counted.
    async fn judged_upstream_at(
        &self,
        database: Arc<Database>,
        to: Target,
        head: &Head<'_>,
        path: &str,
        target: &str,
        request: &Request,
    ) -> Step {
        let exempt = self.exempt(&database, request.client);
        let credential = head.header("authorization");
        let attempt = login::upstream_attempt(
            self.shared(),
            &database,
            request.client,
            exempt,
            credential,
            path,
        );
        match attempt.await {
            Ok(attempt) => {
                let step = self.forward(
                    database,
                    to,
                    head,
                    target,
                    request,
                    None,
                    Authorization::Passes,
                );
                match step {
                    Step::Forward(mut forward) => {
                        forward.attempt = attempt;
                        Step::Forward(forward)
                    }
                    other => other,
                }
            }
            Err(refusal) => refusal.into(),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "what was decided, one by one")]
    fn forward(
        &self,
        database: Arc<Database>,
        to: Target,
        head: &Head<'_>,
        target: &str,
        request: &Request,
        caller: Option<Caller>,
        authorization: Authorization,
    ) -> Step {
        let path = match (&database.upstream, to) {
            (Upstream::Backend(_), Target::Data) => format!("/{}{target}", database.id),
            (Upstream::Backend(_) | Upstream::Server(_), _) => target.to_owned(),
        };
        let told = database.identity_headers && to == Target::Data;
        Step::Forward(Box::new(Forward {
            to,
            path: path.into_bytes(),
            client: request.client,
            https: self.serving.https,
            caller: caller.filter(|_| told),
            authorization,
            websocket: head.upgrade_websocket(),
            language: request.language,
            request_id: String::new(),
            entry: Entry::new(Instant::now()),
            attempt: None,
            closing: self.closing.clone(),
            database,
        }))
    }

    /// On the server port, and behind a proxy that names its clients, the lists are asked on
    /// every request; from then on a changed list judges the connection by this database.
    fn judge_again(&self, database: &Database, client: ClientAddr) -> Verdict {
        let scope = Scope::Database(database.id.clone());
        let verdict = self.shared().admit(client, &scope);
        if self.entered.connection.judged() != (client, scope.clone()) {
            self.entered.connection.judge_as(client, scope);
        }
        verdict
    }

    fn exempt(&self, database: &Database, client: ClientAddr) -> bool {
        self.shared()
            .admit(client, &Scope::Database(database.id.clone()))
            .is_exempt()
    }

    fn client_of(&self, head: &Head<'_>) -> ClientAddr {
        if !self.trusted {
            return self.client;
        }
        let settings = self.shared().settings.load();
        let values = head.values("x-forwarded-for");
        client_by_forwarded_for(&settings.trusted_proxies, self.client, values)
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

/// What of a request outlives its head.
struct Request {
    id: String,
    client: ClientAddr,
    language: Language,
    sent_bearer: bool,
    asked: Asked,
    entry: Entry,
}

fn is_bearer(authorization: &[u8]) -> bool {
    authorization
        .get(..7)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "))
}

fn asked(head: &Head<'_>) -> Asked {
    Asked {
        head_only: head.method() == "HEAD",
        keep_alive: head.keep_alive(),
        http_10: head.version() == Version::Http10,
        body: match (head.framing(), head.expect_continue()) {
            (Framing::None | Framing::Length(0), _) => Body::Read,
            (framing, true) => Body::Awaited(framing),
            (framing, false) => Body::Ahead(framing),
        },
    }
}

fn text_of<'a>(head: &Head<'a>, name: &str) -> Option<&'a str> {
    head.header(name)
        .and_then(|value| std::str::from_utf8(value).ok())
}

fn is_read(head: &Head<'_>) -> bool {
    matches!(head.method(), "GET" | "HEAD")
}

/// With nobody asked at the door, an existing server's own page is its own business.
fn serves_page(database: &Database) -> bool {
    database.authentication == Authentication::Gateway
        || matches!(database.upstream, Upstream::Backend(_))
}

/// Role × method × path, on the path that every upstream reads alike.
fn allowed(database: &Database, caller: &Caller, method: &str, path: &str) -> Result<(), Refusal> {
    if database.rights == Rights::Pass {
        return Ok(());
    }
    let judged = Judged::of(path).ok_or(Refusal::AmbiguousPath)?;
    if database.authentication == Authentication::None {
        // Nobody was asked who he is, so there is no role that could forbid.
        return Ok(());
    }
    let api = match Place::of(path) {
        Place::Api(rest) => Some(Judged::of(rest).ok_or(Refusal::AmbiguousPath)?),
        _ => None,
    };
    let may = database
        .rights
        .allow(caller.role, method, &judged, api.as_ref());
    if may {
        Ok(())
    } else {
        Err(Refusal::RoleForbids)
    }
}

/// Reads until the head is whole; `None`: the client left before.
async fn read_head(
    stream: &mut ClientStream,
    bytes: &mut BytesMut,
) -> Result<Option<usize>, HeadFault> {
    let mut searched = 0;
    loop {
        if let Some(length) = head::find_end(bytes, searched)? {
            return Ok(Some(length));
        }
        searched = bytes.len();
        let room = (head::MAX_HEAD_BYTES + 4)
            .saturating_sub(bytes.len())
            .max(1);
        match stream.read_more(bytes, room).await {
            Ok(0) | Err(_) => return Ok(None),
            Ok(_) => {}
        }
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
