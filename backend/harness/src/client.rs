//! A client that sends exactly the bytes it is told to, from the address it is told to.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    time::Duration,
};

use openssl::ssl::{SslConnector, SslFiletype, SslMethod, SslStream, SslVerifyMode, SslVersion};
use socket2::{Domain, Socket, Type};

use crate::{
    DEADLINE, on_loopback,
    wire::{Buffered, Message, Reply, Unsized, is_reset},
};

/// How to reach a server: copied and varied freely, opens a [`Client`] each time.
#[derive(Clone, Debug)]
pub struct Dial {
    to: SocketAddr,
    from: Option<IpAddr>,
    tls: Option<Tls>,
    read_timeout: Duration,
}

#[derive(Clone, Debug, Default)]
struct Tls {
    /// `None`: whatever certificate comes is good.
    authority: Option<PathBuf>,
    newest: Option<SslVersion>,
    /// Certificate and key.
    shows: Option<PathBuf>,
}

impl Dial {
    /// Plain TCP; `[::]` and `0.0.0.0` become 127.0.0.1.
    #[must_use]
    pub fn plain(to: SocketAddr) -> Self {
        Self {
            to: on_loopback(to),
            from: None,
            tls: None,
            read_timeout: DEADLINE,
        }
    }

    /// TLS; the certificate must be for 127.0.0.1 and lead to one in this PEM file.
    #[must_use]
    pub fn tls(to: SocketAddr, authority: &Path) -> Self {
        let authority = Some(authority.to_owned());
        Self {
            tls: Some(Tls {
                authority,
                ..Tls::default()
            }),
            ..Self::plain(to)
        }
    }

    /// TLS whose certificate is not looked at.
    #[must_use]
    pub fn tls_blindly(to: SocketAddr) -> Self {
        Self {
            tls: Some(Tls::default()),
            ..Self::plain(to)
        }
    }

    /// Over TLS that is not newer than this.
    #[must_use]
    pub fn at_most(&self, newest: SslVersion) -> Self {
        self.with_tls(|tls| tls.newest = Some(newest))
    }

    /// With the certificate and the key in this PEM file, where one is asked for.
    #[must_use]
    pub fn showing(&self, pem: &Path) -> Self {
        self.with_tls(|tls| tls.shows = Some(pem.to_owned()))
    }

    fn with_tls(&self, change: impl FnOnce(&mut Tls)) -> Self {
        let mut dial = self.clone();
        change(dial.tls.get_or_insert_default());
        dial
    }

    /// From 127.0.x.y.
    #[must_use]
    pub fn from(&self, address: [u8; 4]) -> Self {
        Self {
            from: Some(Ipv4Addr::from(address).into()),
            ..self.clone()
        }
    }

    /// How long one read may take; the default is [`DEADLINE`].
    #[must_use]
    pub fn patient(&self, read_timeout: Duration) -> Self {
        Self {
            read_timeout,
            ..self.clone()
        }
    }

    /// Where it leads.
    #[must_use]
    pub fn to(&self) -> SocketAddr {
        self.to
    }

    /// Connects, and shakes hands where it is TLS.
    ///
    /// # Errors
    /// Refused, reset, or closed during the handshake.
    pub fn try_open(&self) -> io::Result<Client> {
        let tcp = self.try_tcp()?;
        let stream = match &self.tls {
            None => Stream::Plain(tcp),
            Some(tls) => Stream::Tls(Box::new(tls.shake(tcp, self.to.ip())?)),
        };
        let host = self.to.to_string();
        Ok(Client {
            stream,
            host,
            buffered: Buffered::default(),
            interim: Vec::new(),
        })
    }

    /// Connects without a handshake.
    ///
    /// # Errors
    /// Refused or reset.
    pub fn try_tcp(&self) -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::for_address(self.to), Type::STREAM, None)?;
        if let Some(ip) = self.from {
            socket.bind(&SocketAddr::new(ip, 0).into())?;
        }
        socket.connect_timeout(&self.to.into(), self.read_timeout)?;
        let tcp = TcpStream::from(socket);
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(self.read_timeout))?;
        tcp.set_write_timeout(Some(self.read_timeout))?;
        Ok(tcp)
    }

    /// As [`Self::try_open`].
    ///
    /// # Panics
    /// When that fails.
    #[must_use]
    #[track_caller]
    pub fn open(&self) -> Client {
        self.try_open()
            .unwrap_or_else(|fault| panic!("{self:?}: {fault}"))
    }

    /// One `GET` on a connection of its own.
    #[track_caller]
    pub fn get(&self, target: &str, headers: &[(&str, &str)]) -> Message {
        self.http("GET", target, headers, b"")
    }

    /// One request on a connection of its own.
    #[track_caller]
    pub fn http(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Message {
        self.open().http(method, target, headers, body)
    }

    /// Whether this address gets no byte at all: no handshake, no answer.
    ///
    /// # Panics
    /// When neither an answer nor the end comes in time.
    #[must_use]
    #[track_caller]
    pub fn gets_no_byte(&self) -> bool {
        // Below TLS on purpose: an alert would be a byte.
        let mut tcp = match self.try_tcp() {
            Ok(tcp) => tcp,
            Err(fault) if is_reset(&fault) => return true,
            Err(fault) => panic!("{self:?}: {fault}"),
        };
        drop(tcp.write_all(&self.first_bytes()));
        let mut byte = [0];
        match tcp.read(&mut byte) {
            Ok(count) => count == 0,
            Err(fault) if is_reset(&fault) => true,
            Err(fault) => panic!("{self:?}: neither served nor closed: {fault}"),
        }
    }

    fn first_bytes(&self) -> Vec<u8> {
        let plain = format!(
            "GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.to
        );
        if self.tls.is_none() {
            return plain.into_bytes();
        }
        // A whole ClientHello, made by a handshake with a stream that only listens.
        let mut hello = Listening::default();
        let connector = SslConnector::builder(SslMethod::tls_client())
            .unwrap()
            .build();
        let ssl = connector
            .configure()
            .unwrap()
            .into_ssl("localhost")
            .unwrap();
        let mut stream = SslStream::new(ssl, &mut hello).unwrap();
        drop(stream.connect());
        drop(stream);
        hello.0
    }
}

#[derive(Default)]
struct Listening(Vec<u8>);

impl Read for &mut Listening {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
}

impl Write for &mut Listening {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Tls {
    fn shake(&self, tcp: TcpStream, ip: IpAddr) -> io::Result<SslStream<TcpStream>> {
        let mut builder = SslConnector::builder(SslMethod::tls_client())?;
        match &self.authority {
            Some(file) => builder.set_ca_file(file)?,
            None => builder.set_verify(SslVerifyMode::NONE),
        }
        builder.set_max_proto_version(self.newest)?;
        if let Some(pem) = &self.shows {
            builder.set_certificate_chain_file(pem)?;
            builder.set_private_key_file(pem, SslFiletype::PEM)?;
        }
        builder.set_alpn_protos(b"\x08http/1.1")?;
        let mut configured = builder.build().configure()?;
        if self.authority.is_none() {
            configured.set_verify_hostname(false);
        }
        configured
            .connect(&ip.to_string(), tcp)
            .map_err(|fault| io::Error::other(fault.to_string()))
    }
}

/// One open connection.
pub struct Client {
    stream: Stream,
    host: String,
    buffered: Buffered,
    /// Responses 1xx that came before a final one.
    pub interim: Vec<Message>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<SslStream<TcpStream>>),
}

impl Client {
    /// Sends bytes as they are.
    ///
    /// # Errors
    /// The other side has closed.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Sends bytes as they are; that the other side has closed is seen by the next read.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        drop(self.try_send(bytes.as_ref()));
    }

    /// One request on this connection and its response. `Host` is added when it is not given,
    /// `Content-Length` when there is a body and no framing is given.
    #[track_caller]
    pub fn http(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Message {
        match self.try_http(method, target, headers, body) {
            Ok(reply) => reply.response(),
            Err(fault) => panic!("{method} {target}: {fault}"),
        }
    }

    /// As [`Self::http`], where a closed connection is one of the answers.
    ///
    /// # Errors
    /// A response that is cut short, or none in time.
    pub fn try_http(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Reply> {
        self.send(self.request(method, target, headers, body));
        self.reply(method == "HEAD")
    }

    /// The bytes that [`Self::http`] would send.
    #[must_use]
    pub fn request(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Vec<u8> {
        let given = |name: &str| {
            headers
                .iter()
                .any(|(known, _)| known.eq_ignore_ascii_case(name))
        };
        let mut text = format!("{method} {target} HTTP/1.1\r\n");
        if !given("host") {
            text += &format!("Host: {}\r\n", self.host);
        }
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        let framed = given("content-length") || given("transfer-encoding");
        if !framed && (!body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH")) {
            text += &format!("Content-Length: {}\r\n", body.len());
        }
        let mut bytes = (text + "\r\n").into_bytes();
        bytes.extend_from_slice(body);
        bytes
    }

    /// Reads the next final response.
    #[track_caller]
    pub fn response(&mut self) -> Message {
        self.reply(false)
            .unwrap_or_else(|fault| panic!("no response: {fault}"))
            .response()
    }

    /// Reads the next final response; `to_head`: one that answers HEAD.
    ///
    /// # Errors
    /// A response that is cut short, or none in time.
    pub fn reply(&mut self, to_head: bool) -> io::Result<Reply> {
        loop {
            let Some(mut message) = self.buffered.head(&mut self.stream)? else {
                return Ok(Reply::Closed);
            };
            let status = message.status();
            if (100..200).contains(&status) && status != 101 {
                self.interim.push(message);
                continue;
            }
            if !(to_head || matches!(status, 101 | 204 | 304)) {
                self.buffered
                    .body(&mut self.stream, &mut message, Unsized::UntilClose)?;
            }
            return Ok(Reply::Response(message));
        }
    }

    /// Reads the head of the next response and leaves its body on the way.
    ///
    /// # Errors
    /// None in time.
    pub fn head_only(&mut self) -> io::Result<Option<Message>> {
        self.buffered.head(&mut self.stream)
    }

    /// Reads exactly so many bytes, as after a 101.
    #[track_caller]
    pub fn read_exactly(&mut self, count: usize) -> Vec<u8> {
        self.buffered.fill(&mut self.stream, count).unwrap();
        self.buffered.0.drain(..count).collect()
    }

    /// Reads until the other side ends or `limit` bytes came; keeps nothing.
    ///
    /// # Errors
    /// Nothing came in time.
    pub fn discard(&mut self, limit: u64) -> io::Result<u64> {
        let mut count =
            u64::try_from(std::mem::take(&mut self.buffered.0).len()).unwrap_or(u64::MAX);
        let mut piece = vec![0; 64 * 1024];
        while count < limit {
            match self.stream.read(&mut piece)? {
                0 => break,
                read => count += read as u64,
            }
        }
        Ok(count)
    }

    /// Waits for the end of the stream; true when not a further byte came before it.
    ///
    /// # Errors
    /// It did not end in time.
    pub fn ends_silently(&mut self) -> io::Result<bool> {
        loop {
            match self.buffered.more(&mut self.stream) {
                Ok(true) => {}
                Ok(false) => return Ok(self.buffered.0.is_empty()),
                Err(fault) if is_reset(&fault) => return Ok(self.buffered.0.is_empty()),
                Err(fault) => return Err(fault),
            }
        }
    }

    /// Nothing more will be sent; reading goes on.
    pub fn finish_sending(&mut self) {
        drop(self.stream.tcp().shutdown(Shutdown::Write));
    }

    /// Goes away at once, with a reset where bytes are unread.
    pub fn hang_up(self) {
        drop(self.stream.tcp().shutdown(Shutdown::Both));
    }

    /// The address it speaks from.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.stream.tcp().local_addr().unwrap()
    }

    /// SHA-256 of the certificate that was shown, upper-case hex with colons; none without TLS.
    #[must_use]
    pub fn peer_thumbprint(&self) -> Option<String> {
        let Stream::Tls(stream) = &self.stream else {
            return None;
        };
        let digest = stream
            .ssl()
            .peer_certificate()?
            .digest(openssl::hash::MessageDigest::sha256());
        let pairs: Vec<_> = digest
            .ok()?
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect();
        Some(pairs.join(":"))
    }

    /// The protocol agreed in ALPN.
    #[must_use]
    pub fn alpn(&self) -> Option<String> {
        let Stream::Tls(stream) = &self.stream else {
            return None;
        };
        stream
            .ssl()
            .selected_alpn_protocol()
            .map(|name| String::from_utf8_lossy(name).into_owned())
    }
}

impl Stream {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.read(into),
            Self::Tls(tls) => match tls.read(into) {
                // A close without close_notify is a close here.
                Err(fault) if fault.to_string().contains("unexpected eof") => Ok(0),
                other => other,
            },
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.write(bytes),
            Self::Tls(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => tcp.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }
}
