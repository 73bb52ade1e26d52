//! A raw HTTP/1.1 server that writes down every byte it gets and answers as it is told.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use crate::{
    DEADLINE, eventually,
    wire::{Buffered, Message, Unsized, is_reset},
};

/// Of a longer connection only so many bytes are kept.
const KEPT_BYTES: usize = 1 << 20;

/// A request as it reached the upstream.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// 0 is the first connection.
    pub connection: usize,
    /// Body and raw bytes are complete once the answer has read them.
    pub message: Message,
}

/// The server; dropping it closes its port and its connections.
pub struct RecordingUpstream {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    requests: Mutex<Vec<Recorded>>,
    bytes: Mutex<Vec<Vec<u8>>>,
    streams: Mutex<Vec<(usize, TcpStream)>>,
    connections: AtomicUsize,
    stopped: AtomicBool,
}

type Behaviour = dyn Fn(&mut Exchange<'_>) -> io::Result<()> + Send + Sync;

impl RecordingUpstream {
    /// Answers everything with 200 `ok`.
    #[must_use]
    pub fn ok() -> Self {
        Self::start(|exchange| {
            exchange.read_body()?;
            exchange.respond(200, &[("Content-Type", "text/plain")], b"ok")
        })
    }

    /// On a free port of 127.0.0.1. The behaviour is called once a request's head is there; what
    /// it leaves of the body is read after it. An `Err` closes the connection.
    pub fn start(
        behaviour: impl Fn(&mut Exchange<'_>) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0)), behaviour)
    }

    /// On a given address: an upstream that comes back.
    pub fn at(
        address: SocketAddr,
        behaviour: impl Fn(&mut Exchange<'_>) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = eventually(DEADLINE, "the upstream's port", || {
            TcpListener::bind(address).ok()
        });
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            requests: Mutex::default(),
            bytes: Mutex::default(),
            streams: Mutex::default(),
            connections: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
        });
        let behaviour: Arc<Behaviour> = Arc::new(behaviour);
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (shared, behaviour) = (Arc::clone(&accepting), Arc::clone(&behaviour));
                thread::spawn(move || shared.serve(stream, &*behaviour));
            }
        });
        Self { address, shared }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:port`
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far, in the order in which their heads were complete.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// The last request.
    ///
    /// # Panics
    /// When there was none.
    #[must_use]
    #[track_caller]
    pub fn last(&self) -> Message {
        self.requests()
            .pop()
            .expect("a request reached the upstream")
            .message
    }

    /// Forgets what was recorded.
    pub fn forget(&self) {
        self.shared.requests.lock().unwrap().clear();
    }

    /// Waits for that many requests.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<Recorded> {
        eventually(
            DEADLINE,
            &format!("{count} requests at the upstream"),
            || Some(self.requests()).filter(|requests| requests.len() >= count),
        )
    }

    /// Connections accepted so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The first MiB of everything that connection has sent, parsed or not.
    #[must_use]
    pub fn bytes(&self, connection: usize) -> Vec<u8> {
        self.shared
            .bytes
            .lock()
            .unwrap()
            .get(connection)
            .cloned()
            .unwrap_or_default()
    }

    /// Closes every open connection; the port stays open.
    pub fn close_connections(&self) {
        for (_, stream) in self.shared.streams.lock().unwrap().drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

impl Drop for RecordingUpstream {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, which then drops its listener.
        drop(TcpStream::connect_timeout(
            &self.address,
            Duration::from_secs(1),
        ));
        self.close_connections();
    }
}

impl Shared {
    fn serve(self: Arc<Self>, stream: TcpStream, behaviour: &Behaviour) {
        let connection = {
            let mut bytes = self.bytes.lock().unwrap();
            bytes.push(Vec::new());
            bytes.len() - 1
        };
        self.connections.fetch_add(1, Ordering::SeqCst);
        drop(stream.set_nodelay(true));
        drop(stream.set_read_timeout(Some(DEADLINE * 3)));
        if let Ok(copy) = stream.try_clone() {
            self.streams.lock().unwrap().push((connection, copy));
        }
        let mut wire = Wire {
            stream,
            shared: Arc::clone(&self),
            connection,
            reset: false,
        };
        let mut buffered = Buffered::default();
        while let Ok(Some(message)) = buffered.head(&mut wire) {
            let place = {
                let mut requests = self.requests.lock().unwrap();
                requests.push(Recorded {
                    connection,
                    message: message.clone(),
                });
                requests.len() - 1
            };
            let mut exchange = Exchange {
                request: message,
                wire: &mut wire,
                buffered: &mut buffered,
                place,
                body_read: false,
                closing: false,
            };
            let result = behaviour(&mut exchange).and_then(|()| exchange.read_body());
            if result.is_err() || exchange.closing {
                break;
            }
        }
        if !wire.reset {
            drop(wire.stream.shutdown(Shutdown::Both));
        }
    }
}

/// The stream, with what it brings written down.
struct Wire {
    stream: TcpStream,
    shared: Arc<Shared>,
    connection: usize,
    /// Closed without a shutdown: what lingers is thrown away.
    reset: bool,
}

impl Read for Wire {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(into)?;
        let mut all = self.shared.bytes.lock().unwrap();
        let kept = &mut all[self.connection];
        let room = KEPT_BYTES.saturating_sub(kept.len()).min(count);
        kept.extend_from_slice(&into[..room]);
        Ok(count)
    }
}

/// One request and the means to answer it.
pub struct Exchange<'a> {
    /// Head, and body once [`Self::read_body`] was called.
    pub request: Message,
    wire: &'a mut Wire,
    buffered: &'a mut Buffered,
    place: usize,
    body_read: bool,
    closing: bool,
}

impl Exchange<'_> {
    /// Number of this connection; 0 is the first.
    #[must_use]
    pub fn connection(&self) -> usize {
        self.wire.connection
    }

    /// Reads and records the body.
    ///
    /// # Errors
    /// It ended early.
    pub fn read_body(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.body_read, true) {
            return Ok(());
        }
        self.buffered
            .body(self.wire, &mut self.request, Unsized::Empty)?;
        if let Some(recorded) = self
            .wire
            .shared
            .requests
            .lock()
            .unwrap()
            .get_mut(self.place)
        {
            recorded.message = self.request.clone();
        }
        Ok(())
    }

    /// Reads a body of a known length without keeping it; returns how much came.
    ///
    /// # Errors
    /// It ended early.
    pub fn discard_body(&mut self) -> io::Result<u64> {
        self.body_read = true;
        let length = self
            .request
            .header("content-length")
            .and_then(|text| text.parse().ok());
        let length: u64 = length.ok_or_else(|| io::Error::other("no content-length"))?;
        let mut left = length.saturating_sub(self.buffered.0.len() as u64);
        self.buffered.0.clear();
        let mut piece = vec![0; 64 * 1024];
        while left > 0 {
            match self.wire.stream.read(&mut piece)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => left = left.saturating_sub(count as u64),
            }
        }
        Ok(length)
    }

    /// Sends a response with `Content-Length`; to HEAD without its body.
    ///
    /// # Errors
    /// The gateway has gone.
    pub fn respond(
        &mut self,
        status: u16,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<()> {
        let mut text = format!("HTTP/1.1 {status} Told\r\n");
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        if status != 204 && status != 304 {
            text += &format!("Content-Length: {}\r\n", body.len());
        }
        text += "\r\n";
        let mut bytes = text.into_bytes();
        if !self.request.start.starts_with("HEAD ") {
            bytes.extend_from_slice(body);
        }
        self.raw(&bytes)
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// The gateway has gone.
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.wire.stream.write_all(bytes)?;
        self.wire.stream.flush()
    }

    /// After this answer the connection is closed.
    pub fn close(&mut self) {
        self.closing = true;
        self.body_read = true;
    }

    /// Ends this connection with a reset, as one that died.
    ///
    /// # Errors
    /// Always: the behaviour returns it, and the connection is over.
    pub fn reset(&mut self) -> io::Result<()> {
        let connection = self.connection();
        self.wire
            .shared
            .streams
            .lock()
            .unwrap()
            .retain(|(known, _)| *known != connection);
        socket2::SockRef::from(&self.wire.stream).set_linger(Some(Duration::ZERO))?;
        self.wire.reset = true;
        Err(io::ErrorKind::ConnectionReset.into())
    }

    /// Sends back whatever comes, until the other side ends: what a WebSocket is for a forwarder.
    ///
    /// # Errors
    /// The gateway has gone.
    pub fn echo(&mut self) -> io::Result<()> {
        self.close();
        let first = std::mem::take(&mut self.buffered.0);
        self.raw(&first)?;
        let mut piece = [0; 4096];
        loop {
            let count = self.wire.read(&mut piece)?;
            if count == 0 {
                return Ok(());
            }
            self.raw(&piece[..count])?;
        }
    }

    /// Waits until the gateway closes this connection; false when it has not in time.
    pub fn sees_the_end(&mut self) -> bool {
        self.close();
        loop {
            match self.buffered.more(self.wire) {
                Ok(true) => {}
                Ok(false) => return true,
                Err(fault) => return is_reset(&fault),
            }
        }
    }
}
