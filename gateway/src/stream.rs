//! The client's side of a connection, TCP or TLS, as pingora's forwarder wants to see it.
//!
//! Three things are ours here because pingora's own streams do them otherwise (its `Stream`
//! keeps 64 KiB per idle connection and hands a pipelined second request to the first one):
//!
//! - between requests the stream holds no buffer: [`ClientStream::first_byte`];
//! - within a request it hands out exactly the bytes that were judged: the head, and of the body
//!   what the head announced ([`ClientStream::give_back`]); what lies behind stays here;
//! - small writes are gathered to 16 KiB, so that an answer is one TLS record and not two; they
//!   leave at the latest when the client is listened to, so that an upstream may take its time
//!   between two pieces of an answer.
//!
//! No decision is taken in this room.

use std::{
    fmt, io,
    os::fd::AsRawFd,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use gateway_policy::chunks::Chunks;
use openssl::ssl::SslRef;
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType, raw_connect::ProxyDigest,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
};
use tokio_openssl::SslStream;

/// Answers up to this size leave in one piece.
const WRITE_BUFFER: usize = 16 * 1024;
/// Pipelined bytes kept for the next request; a client that sends more waits for its answer.
const BEHIND_LIMIT: usize = 16 * 1024;

/// Of a chunked body read at a time, to be looked through.
const CHUNKED_READ: usize = 8 * 1024;

enum Transport {
    Plain(TcpStream),
    Tls(Box<SslStream<TcpStream>>),
}

impl Transport {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref(),
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, bytes),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

/// What of the bytes still to come belongs to this request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Remaining {
    /// Nothing, or this much: `Content-Length` said so.
    Bytes(u64),
    /// Up to the end of the last chunk.
    Chunks(Chunks),
    /// The client has asked for a WebSocket: nothing until the upstream has answered 101
    /// ([`ClientStream::open_tunnel`]), then all.
    Tunnel,
}

pub(crate) struct ClientStream {
    transport: Transport,
    /// The judged head; the reader gets it first.
    head: BytesMut,
    remaining: Remaining,
    /// Read from the transport and not handed out: of this request's body or of what follows it.
    behind: BytesMut,
    tunnel_open: AtomicBool,
    unsent: BytesMut,
    socket: Arc<SocketDigest>,
}

impl ClientStream {
    pub(crate) fn plain(tcp: TcpStream) -> Self {
        Self::over(Transport::Plain(tcp))
    }

    pub(crate) fn tls(tls: SslStream<TcpStream>) -> Self {
        Self::over(Transport::Tls(Box::new(tls)))
    }

    /// What both sides have agreed on; `None` without TLS.
    pub(crate) fn tls_session(&self) -> Option<&SslRef> {
        match &self.transport {
            Transport::Plain(_) => None,
            Transport::Tls(tls) => Some(tls.ssl()),
        }
    }

    fn over(transport: Transport) -> Self {
        let socket = Arc::new(SocketDigest::from_raw_fd(transport.tcp().as_raw_fd()));
        Self {
            transport,
            head: BytesMut::new(),
            remaining: Remaining::Bytes(0),
            behind: BytesMut::new(),
            tunnel_open: AtomicBool::new(false),
            unsent: BytesMut::new(),
            socket,
        }
    }

    /// Waits for the next request holding one byte of buffer. `None`: the client has closed.
    pub(crate) async fn first_byte(&mut self) -> io::Result<Option<u8>> {
        if self.behind.has_remaining() {
            return Ok(Some(self.behind.get_u8()));
        }
        self.behind = BytesMut::new();
        self.head = BytesMut::new();
        self.unsent = BytesMut::new();
        let mut byte = [0_u8; 1];
        std::future::poll_fn(|cx| {
            let mut buf = ReadBuf::new(&mut byte);
            ready!(self.transport.poll_read(cx, &mut buf))?;
            Poll::Ready(Ok(buf.filled().first().copied()))
        })
        .await
    }

    /// Appends what has arrived to `head`, at most `limit` bytes; zero means end of stream.
    pub(crate) async fn read_more(
        &mut self,
        head: &mut BytesMut,
        limit: usize,
    ) -> io::Result<usize> {
        if self.behind.has_remaining() {
            let taken = self.behind.len().min(limit);
            head.extend_from_slice(&self.behind.split_to(taken));
            return Ok(taken);
        }
        head.reserve(limit.min(4096));
        let mut limited = bytes::BufMut::limit(head, limit);
        TransportReader(&mut self.transport)
            .read_buf(&mut limited)
            .await
    }

    /// Hands the judged head back to be read again (empty where nobody will), then what
    /// `remaining` covers of `rest`, which was read after the head, and of what comes.
    pub(crate) fn give_back(&mut self, head: BytesMut, mut rest: BytesMut, remaining: Remaining) {
        rest.unsplit(self.behind.split());
        (self.head, self.behind, self.remaining) = (head, rest, remaining);
    }

    /// The upstream has answered 101: the connection belongs to both ends from now on.
    pub(crate) fn open_tunnel(&self) {
        self.tunnel_open.store(true, Ordering::Release);
    }

    /// Writes `bytes` as they are; for answers that are not HTTP.
    pub(crate) async fn write_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes).await?;
        self.flush().await
    }

    /// Closes the sending side and reads what the client still sends, so that it sees the answer
    /// and no reset (RFC 9112, 9.6). Bounded by `limit` bytes; the caller bounds the time.
    pub(crate) async fn linger(&mut self, mut limit: usize) -> io::Result<()> {
        AsyncWriteExt::shutdown(self).await?;
        let mut sink = [0_u8; 2048];
        while limit > 0 {
            match TransportReader(&mut self.transport).read(&mut sink).await? {
                0 => break,
                read => limit = limit.saturating_sub(read),
            }
        }
        Ok(())
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.unsent.has_remaining() {
            let written = ready!(self.transport.poll_write(cx, &self.unsent))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unsent.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    /// The request has been handed out whole: notice a client that goes away, keep what it sends
    /// ahead, and never give it to this request.
    fn poll_behind(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.behind.len() >= BEHIND_LIMIT {
                return Poll::Pending;
            }
            let mut chunk = [0_u8; 1024];
            let mut buf = ReadBuf::new(&mut chunk);
            ready!(self.transport.poll_read(cx, &mut buf))?;
            if buf.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.behind.extend_from_slice(buf.filled());
        }
    }
}

/// Reads the transport itself, past prefix and limits.
struct TransportReader<'a>(&'a mut Transport);

impl AsyncRead for TransportReader<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.poll_read(cx, buf)
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        // Whoever waits for the client has nothing more to say for now: what was gathered leaves.
        // A socket that takes no more wakes this task again, as a readable one does.
        if let Poll::Ready(Err(fault)) = this.poll_send(cx) {
            return Poll::Ready(Err(fault));
        }
        if this.head.has_remaining() {
            hand_out(&mut this.head, buf.remaining(), buf);
            return Poll::Ready(Ok(()));
        }
        match &mut this.remaining {
            Remaining::Bytes(0) => this.poll_behind(cx),
            Remaining::Chunks(chunks) if chunks.is_done() => this.poll_behind(cx),
            Remaining::Bytes(left) => {
                let most = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(buf.remaining());
                let read = if this.behind.has_remaining() {
                    hand_out(&mut this.behind, most, buf)
                } else {
                    let mut part = ReadBuf::new(buf.initialize_unfilled_to(most));
                    ready!(this.transport.poll_read(cx, &mut part))?;
                    let read = part.filled().len();
                    buf.advance(read);
                    read
                };
                *left = left.saturating_sub(read as u64);
                Poll::Ready(Ok(()))
            }
            Remaining::Chunks(chunks) => {
                if !this.behind.has_remaining() {
                    let mut chunk = [0_u8; CHUNKED_READ];
                    let most = CHUNKED_READ.min(buf.remaining());
                    let mut part = ReadBuf::new(chunk.get_mut(..most).unwrap_or_default());
                    ready!(this.transport.poll_read(cx, &mut part))?;
                    this.behind.extend_from_slice(part.filled());
                }
                let most = this.behind.len().min(buf.remaining());
                let arrived = this.behind.get(..most).unwrap_or_default();
                let used = chunks
                    .advance(arrived)
                    .map_err(|fault| io::Error::new(io::ErrorKind::InvalidData, fault))?;
                hand_out(&mut this.behind, used, buf);
                Poll::Ready(Ok(()))
            }
            Remaining::Tunnel if !*this.tunnel_open.get_mut() => this.poll_behind(cx),
            Remaining::Tunnel if this.behind.has_remaining() => {
                hand_out(&mut this.behind, buf.remaining(), buf);
                Poll::Ready(Ok(()))
            }
            Remaining::Tunnel => this.transport.poll_read(cx, buf),
        }
    }
}

/// Moves at most `most` bytes to the reader and says how many; an emptied buffer is freed.
fn hand_out(from: &mut BytesMut, most: usize, to: &mut ReadBuf<'_>) -> usize {
    let count = most.min(from.len()).min(to.remaining());
    to.put_slice(&from.split_to(count));
    if from.is_empty() {
        *from = BytesMut::new();
    }
    count
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.unsent.len() + bytes.len() > WRITE_BUFFER {
            ready!(self.poll_send(cx))?;
            if bytes.len() >= WRITE_BUFFER {
                return self.transport.poll_write(cx, bytes);
            }
        }
        self.unsent.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        self.transport.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        self.transport.poll_shutdown(cx)
    }
}

#[async_trait]
impl Shutdown for ClientStream {
    async fn shutdown(&mut self) {
        // The peer may be gone already; there is nobody left to tell.
        drop(AsyncWriteExt::shutdown(self).await);
    }
}

impl UniqueID for ClientStream {
    fn id(&self) -> UniqueIDType {
        self.transport.tcp().as_raw_fd()
    }
}

impl Ssl for ClientStream {}

impl GetTimingDigest for ClientStream {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for ClientStream {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for ClientStream {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(Arc::clone(&self.socket))
    }
}

impl Peek for ClientStream {}

impl fmt::Debug for ClientStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientStream")
            .field("fd", &self.id())
            .finish_non_exhaustive()
    }
}
