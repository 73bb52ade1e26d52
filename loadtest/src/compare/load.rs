//! The load on a contender: TLS connections whose every answer is checked, byte for byte.

use std::{
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use hdrhistogram::Histogram;
use openssl::{
    error::ErrorStack,
    ssl::{
        Ssl, SslContext, SslContextBuilder, SslMethod, SslSession, SslSessionCacheMode,
        SslVerifyMode, SslVersion,
    },
    x509::X509,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};
use tokio_openssl::SslStream;

use super::upstream::split_head;

/// Nobody answers this late on loopback; a race that hangs says so.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whom to ask, for what, and what must come back.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) tls: SslContext,
    pub(crate) request: Vec<u8>,
    pub(crate) body: Arc<[u8]>,
}

/// The same TLS for all: 1.3, one group, one cipher, whatever each would have preferred.
pub(crate) fn tls(trusted: &X509) -> Result<SslContext, ErrorStack> {
    let mut builder = SslContextBuilder::new(SslMethod::tls_client())?;
    builder.set_min_proto_version(Some(SslVersion::TLS1_3))?;
    builder.set_ciphersuites("TLS_AES_128_GCM_SHA256")?;
    builder.set_groups_list("X25519")?;
    builder.cert_store_mut().add_cert(trusted.to_owned())?;
    builder.set_verify(SslVerifyMode::PEER);
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    builder.set_read_ahead(true);
    Ok(builder.build())
}

/// A GET of the one path that is asked for.
pub(crate) fn request(authorization: &str) -> Vec<u8> {
    format!(
        "GET /api/v1/BaseInfo HTTP/1.1\r\nHost: localhost\r\nUser-Agent: loadtest\r\n\
         Accept: application/json\r\nAuthorization: {authorization}\r\n\r\n"
    )
    .into_bytes()
}

pub(crate) struct Connection {
    stream: SslStream<TcpStream>,
    read: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(
        target: &Target,
        from: Ipv4Addr,
        resumed: Option<&SslSession>,
    ) -> anyhow::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if from != Ipv4Addr::LOCALHOST {
            socket.bind(SocketAddr::from((from, 0)))?;
        }
        let tcp = socket.connect(target.address).await?;
        tcp.set_nodelay(true)?;
        let mut ssl = Ssl::new(&target.tls)?;
        ssl.param_mut().set_ip(target.address.ip())?;
        if let Some(session) = resumed {
            #[expect(
                unsafe_code,
                reason = "the binding leaves it to us which context it is of"
            )]
            // SAFETY: `Connection::session` took it from a connection to the same target, hence
            // of the same context.
            unsafe {
                ssl.set_session(session)?;
            };
        }
        let mut stream = SslStream::new(ssl, tcp)?;
        Pin::new(&mut stream).connect().await?;
        ensure!(
            stream.ssl().session_reused() == resumed.is_some(),
            "a session was not resumed as asked for"
        );
        let read = Vec::new();
        Ok(Self { stream, read })
    }

    /// Sends one request with an answer that has a length; its status and body.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<(u16, Vec<u8>)> {
        self.stream.write_all(request).await?;
        let mut read = Vec::new();
        loop {
            ensure!(self.stream.read_buf(&mut read).await? > 0, "closed");
            let Some((head, body)) = split_head(&read) else {
                continue;
            };
            let head = String::from_utf8_lossy(head).to_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.context("no Content-Length")?.trim().parse()?;
            if body.len() >= length {
                let status = head.split(' ').nth(1).context("no status")?;
                return Ok((status.parse()?, body.to_vec()));
            }
        }
    }

    /// One request; anything but the whole right answer is an error.
    async fn ask(&mut self, target: &Target) -> anyhow::Result<()> {
        self.stream.write_all(&target.request).await?;
        self.read.clear();
        loop {
            ensure!(self.stream.read_buf(&mut self.read).await? > 0, "closed");
            let Some((head, body)) = split_head(&self.read) else {
                continue;
            };
            if !head.starts_with(b"HTTP/1.1 200 ") {
                bail!("answered {:?}", String::from_utf8_lossy(head));
            }
            if body.len() >= target.body.len() {
                ensure!(*body == *target.body, "another body");
                return Ok(());
            }
        }
    }

    /// To resume later: the tickets have come with the first answer.
    async fn session(mut self, target: &Target) -> anyhow::Result<SslSession> {
        self.ask(target).await?;
        let session = self.stream.ssl().session().context("no TLS session")?;
        let session = session.to_owned();
        // OpenSSL never resumes the session of a connection that was dropped without a word.
        Pin::new(&mut self.stream).shutdown().await?;
        Ok(session)
    }

    /// A handshake is done when the server's tickets are there: it has seen the client's last
    /// word. Read from the socket, they leave nothing that would turn the close into a reset.
    async fn farewell(mut self) -> anyhow::Result<()> {
        let mut tickets = [0; 4096];
        ensure!(
            self.stream.get_ref().peek(&mut tickets).await? > 0,
            "closed after the handshake"
        );
        self.stream.get_ref().try_read(&mut tickets)?;
        Pin::new(&mut self.stream).shutdown().await?;
        Ok(())
    }
}

/// Connections, kept: all of them open, and each has carried one request.
pub(crate) async fn open(target: &Arc<Target>, count: usize) -> anyhow::Result<Vec<Connection>> {
    let mut open = Vec::with_capacity(count);
    for _ in 0..count {
        let one = async {
            let mut connection = Connection::open(target, Ipv4Addr::LOCALHOST, None).await?;
            connection.ask(target).await?;
            anyhow::Ok(connection)
        };
        open.push(timeout(PATIENCE, one).await.context("no answer")??);
    }
    Ok(open)
}

/// What a stretch of load came to.
pub(crate) struct Done {
    pub(crate) count: u64,
    pub(crate) took: Duration,
}

/// Each connection asks again as soon as it is answered.
pub(crate) async fn requests(
    target: &Arc<Target>,
    connections: &mut Vec<Connection>,
    span: Duration,
) -> anyhow::Result<Done> {
    let started = Instant::now();
    let mut asking = JoinSet::new();
    for mut connection in connections.drain(..) {
        let target = Arc::clone(target);
        asking.spawn(async move {
            let mut count = 0;
            while started.elapsed() < span {
                connection.ask(&target).await?;
                count += 1;
            }
            anyhow::Ok((connection, count))
        });
    }
    let mut total = 0;
    for (connection, count) in all(asking, span).await? {
        connections.push(connection);
        total += count;
    }
    Ok(Done {
        count: total,
        took: started.elapsed(),
    })
}

/// `rate` requests a second over all connections, by plan; latencies in microseconds.
pub(crate) async fn paced(
    target: &Arc<Target>,
    connections: &mut Vec<Connection>,
    rate: u32,
    span: Duration,
) -> anyhow::Result<Histogram<u64>> {
    let every = Duration::from_secs(1) / rate.max(1);
    let turn = every * u32::try_from(connections.len())?;
    let started = Instant::now();
    let mut asking = JoinSet::new();
    for (mut connection, number) in connections.drain(..).zip(0_u32..) {
        let target = Arc::clone(target);
        asking.spawn(async move {
            let mut latencies = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3)?;
            let mut planned = started + every * number;
            while planned < started + span {
                // A request that a late answer delayed counts from its planned start
                // (coordinated omission); one that our timer delayed does not.
                let mut start = planned;
                if Instant::now() < planned {
                    sleep_until(planned).await;
                    start = Instant::now();
                }
                connection.ask(&target).await?;
                let micros = u64::try_from(start.elapsed().as_micros())?;
                latencies.saturating_record(micros);
                planned += turn;
            }
            anyhow::Ok((connection, latencies))
        });
    }
    let mut latencies = Histogram::new_with_bounds(1, 60_000_000, 3)?;
    for (connection, of_one) in all(asking, span).await? {
        connections.push(connection);
        latencies.add(of_one)?;
    }
    Ok(latencies)
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handshake {
    Full,
    Resumed,
}

/// `at_once` clients, each of which connects, shakes hands, leaves and comes again.
pub(crate) async fn handshakes(
    target: &Arc<Target>,
    kind: Handshake,
    at_once: usize,
    span: Duration,
) -> anyhow::Result<Done> {
    let session = match kind {
        Handshake::Full => None,
        Handshake::Resumed => {
            let first = Connection::open(target, Ipv4Addr::LOCALHOST, None).await?;
            Some(first.session(target).await?)
        }
    };
    let started = Instant::now();
    let mut shaking = JoinSet::new();
    for _ in 0..at_once {
        let (target, session) = (Arc::clone(target), session.clone());
        shaking.spawn(async move {
            let mut count = 0;
            while started.elapsed() < span {
                let from = Ipv4Addr::LOCALHOST;
                let connection = Connection::open(&target, from, session.as_ref()).await?;
                connection.farewell().await?;
                count += 1;
            }
            anyhow::Ok(count)
        });
    }
    let counts: Vec<u64> = all(shaking, span).await?;
    Ok(Done {
        count: counts.iter().sum(),
        took: started.elapsed(),
    })
}

/// The first failure ends all.
async fn all<T: 'static>(
    mut tasks: JoinSet<anyhow::Result<T>>,
    span: Duration,
) -> anyhow::Result<Vec<T>> {
    let mut done = Vec::with_capacity(tasks.len());
    let gather = async {
        while let Some(one) = tasks.join_next().await {
            done.push(one??);
        }
        anyhow::Ok(())
    };
    timeout(span + PATIENCE, gather)
        .await
        .context("no answer")??;
    Ok(done)
}
