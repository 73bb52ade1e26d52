//! TLS as the ports speak it.
//!
//! - [`profile`]: which versions, ciphers and groups; [`context`]: one context of OpenSSL's;
//! - [`ports`]: the contexts of all ports, kept and rotated;
//! - [`clients`]: whom it asks for a certificate of his own, and whose is good;
//! - [`sni`]: which of a port's certificates a client is shown.
//!
//! A session can be resumed only on the port where it was begun, with the certificate and on the
//! terms of then (lessons, T10). ALPN offers `http/1.1` alone. No policy here: which certificate a
//! port serves is `certificates.rs`'s, who is whitelisted the lists'.

pub(crate) mod client_hello;
mod clients;
mod context;
mod established;
mod ffi;
mod ports;
mod profile;
mod sni;

use std::{pin::Pin, sync::Arc, time::Duration};

use openssl::{
    error::ErrorStack,
    ssl::{Ssl, SslContext, SslVerifyMode},
};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

pub(crate) use self::{
    clients::shown,
    established::{agreed, version},
    ports::{Contexts, PortTls, Terms},
    profile::Level,
    sni::{Certificates, Served},
};

/// The whole handshake.
pub(crate) const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("not complete after {} s", HANDSHAKE_LIMIT.as_secs())]
    TimedOut,
    #[error("{cause}")]
    Refused {
        cause: openssl::ssl::Error,
        served: Option<Served>,
    },
    #[error("{0}")]
    Setup(#[from] ErrorStack),
}

/// The server's side of a handshake, whole within [`HANDSHAKE_LIMIT`].
pub(crate) async fn accept(
    certificates: &Arc<Certificates>,
    tcp: TcpStream,
) -> Result<SslStream<TcpStream>, HandshakeError> {
    shake(sni::connection(certificates)?, tcp).await
}

/// The same for our own probes, which have no certificate to show.
pub(crate) async fn accept_probe(
    certificates: &Arc<Certificates>,
    tcp: TcpStream,
) -> Result<SslStream<TcpStream>, HandshakeError> {
    let mut ssl = sni::connection(certificates)?;
    ssl.set_verify(SslVerifyMode::NONE);
    shake(ssl, tcp).await
}

/// The same where there is nothing to choose.
pub(crate) async fn accept_with(
    context: &SslContext,
    tcp: TcpStream,
) -> Result<SslStream<TcpStream>, HandshakeError> {
    shake(Ssl::new(context)?, tcp).await
}

async fn shake(ssl: Ssl, tcp: TcpStream) -> Result<SslStream<TcpStream>, HandshakeError> {
    let mut tls = SslStream::new(ssl, tcp)?;
    let accepted = tokio::time::timeout(HANDSHAKE_LIMIT, Pin::new(&mut tls).accept()).await;
    match accepted {
        Ok(Ok(())) => Ok(tls),
        Ok(Err(cause)) => Err(HandshakeError::Refused {
            cause,
            served: Served::by(tls.ssl()).cloned(),
        }),
        Err(_elapsed) => Err(HandshakeError::TimedOut),
    }
}
