//! The good client: one keep-alive TLS connection, one request after the other, each answer
//! checked.

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
    pin::Pin,
};

use anyhow::{Context, bail, ensure};
use openssl::{
    base64::encode_block,
    ssl::{Ssl, SslContext, SslMethod, SslVerifyMode},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};
use tokio_openssl::SslStream;

/// Whom to ask for what.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    context: SslContext,
    request: Vec<u8>,
}

impl Target {
    pub(crate) fn new(
        address: SocketAddr,
        cacert: &Path,
        path: &str,
        user: &str,
    ) -> anyhow::Result<Self> {
        let mut builder = SslContext::builder(SslMethod::tls_client())?;
        builder
            .set_ca_file(cacert)
            .with_context(|| cacert.display().to_string())?;
        builder.set_verify(SslVerifyMode::PEER);
        let basic = encode_block(user.as_bytes());
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Basic {basic}\r\n\r\n"
        );
        Ok(Self {
            address,
            context: builder.build(),
            request: request.into_bytes(),
        })
    }

    /// Contexts are shared, so this costs nothing.
    pub(crate) fn for_attacker(&self) -> Self {
        Self {
            address: self.address,
            context: self.context.clone(),
            request: self.request.clone(),
        }
    }

    pub(crate) async fn tcp(&self, from: Option<IpAddr>) -> anyhow::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        if let Some(from) = from {
            socket.bind(SocketAddr::new(from, 0))?;
        }
        Ok(socket.connect(self.address).await?)
    }

    pub(crate) async fn tls(&self, tcp: TcpStream) -> anyhow::Result<SslStream<TcpStream>> {
        let mut ssl = Ssl::new(&self.context)?;
        ssl.param_mut().set_ip(self.address.ip())?;
        let mut tls = SslStream::new(ssl, tcp)?;
        Pin::new(&mut tls).connect().await?;
        Ok(tls)
    }
}

/// A connection that asks the same thing again and again.
pub(crate) struct Client<'a> {
    target: &'a Target,
    stream: SslStream<TcpStream>,
    buffer: Vec<u8>,
}

impl<'a> Client<'a> {
    pub(crate) async fn connect(target: &'a Target, from: Option<IpAddr>) -> anyhow::Result<Self> {
        let stream = target.tls(target.tcp(from).await?).await?;
        Ok(Self {
            target,
            stream,
            buffer: Vec::new(),
        })
    }

    /// One request; an answer other than 200 is an error.
    pub(crate) async fn ask(&mut self) -> anyhow::Result<()> {
        self.stream.write_all(&self.target.request).await?;
        self.buffer.clear();
        let head = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            self.read().await?;
        };
        let text =
            String::from_utf8_lossy(self.buffer.get(..head).unwrap_or_default()).to_lowercase();
        ensure!(
            text.starts_with("http/1.1 200"),
            "answered {}",
            text.lines().next().unwrap_or_default()
        );
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"));
        match length {
            Some(length) => {
                let whole = head + length.trim().parse::<usize>()?;
                while self.buffer.len() < whole {
                    self.read().await?;
                }
            }
            None if text.contains("transfer-encoding: chunked") => {
                while !self.buffer.ends_with(b"0\r\n\r\n") {
                    self.read().await?;
                }
            }
            None => bail!("an answer without a length"),
        }
        Ok(())
    }

    async fn read(&mut self) -> anyhow::Result<()> {
        ensure!(
            self.stream.read_buf(&mut self.buffer).await? > 0,
            "the gateway closed"
        );
        Ok(())
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len())
        .position(|window| window == wanted)
}
