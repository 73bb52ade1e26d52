//! TLS as the ports speak it: one context per port and certificate, from parsed keys that are
//! shared.
//!
//! The session id context differs from port to port, so a ticket of one database is worthless on
//! another (lessons, T10). ALPN offers `http/1.1` alone. No policy here; which certificate a
//! port serves is the directory's.

pub(crate) mod client_hello;
mod ffi;

use std::{pin::Pin, sync::Arc, time::Duration};

use openssl::{
    error::ErrorStack,
    sha::sha256,
    ssl::{
        AlpnError, ClientHelloResponse, Ssl, SslContext, SslContextBuilder, SslMethod, SslMode,
        SslOptions, SslSessionCacheMode, SslVersion, select_next_proto,
    },
    x509::X509,
};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use gateway_certificates::Certificate;

use crate::acme::challenges::Challenges;

/// The whole handshake.
pub(crate) const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// What Mozilla calls intermediate, AES-128 first: it is what terminals compute fastest.
const TLS12_CIPHERS: &str = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:\
    ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:\
    ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
const TLS13_CIPHERS: &str =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

/// A context for one port (`scope` tells ports apart) and one certificate.
/// While an order of ACME runs, its challenges are answered in their own handshakes.
pub(crate) fn context(
    certificate: &Certificate,
    scope: &str,
    challenges: &Arc<Challenges>,
) -> Result<SslContext, ErrorStack> {
    let mut builder = SslContextBuilder::new(SslMethod::tls_server())?;
    builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    builder.set_options(
        SslOptions::NO_RENEGOTIATION
            | SslOptions::NO_COMPRESSION
            | SslOptions::CIPHER_SERVER_PREFERENCE,
    );
    builder.set_cipher_list(TLS12_CIPHERS)?;
    builder.set_ciphersuites(TLS13_CIPHERS)?;
    builder.set_mode(
        SslMode::RELEASE_BUFFERS
            | SslMode::ACCEPT_MOVING_WRITE_BUFFER
            | SslMode::ENABLE_PARTIAL_WRITE,
    );
    builder.set_read_ahead(true);
    if let Some(pair) = certificate.main() {
        builder.set_certificate(pair.leaf())?;
        builder.set_private_key(pair.key())?;
        for intermediate in pair.intermediates() {
            builder.add_extra_chain_cert(intermediate.clone())?;
        }
    }
    // Tickets only: a cache in memory would grow with every client.
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    let thumbprint = certificate.thumbprint();
    builder.set_session_id_context(&sha256(format!("{scope} {thumbprint}").as_bytes()))?;
    builder.set_alpn_select_callback(|_, offered| {
        select_next_proto(b"\x08http/1.1", offered).ok_or(AlpnError::ALERT_FATAL)
    });
    let challenges = Arc::clone(challenges);
    builder.set_client_hello_callback(move |ssl, _alert| {
        challenges.take_over(ssl)?;
        Ok(ClientHelloResponse::SUCCESS)
    });
    Ok(builder.build())
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("not complete after {} s", HANDSHAKE_LIMIT.as_secs())]
    TimedOut,
    #[error("{cause}")]
    Refused {
        cause: openssl::ssl::Error,
        /// The one that was shown, or would have been.
        certificate: Option<X509>,
    },
    #[error("{0}")]
    Setup(#[from] ErrorStack),
}

/// The server's side of a handshake, whole within [`HANDSHAKE_LIMIT`].
pub(crate) async fn accept(
    context: &SslContext,
    tcp: TcpStream,
) -> Result<SslStream<TcpStream>, HandshakeError> {
    let mut tls = SslStream::new(Ssl::new(context)?, tcp)?;
    let accepted = tokio::time::timeout(HANDSHAKE_LIMIT, Pin::new(&mut tls).accept()).await;
    match accepted {
        Ok(Ok(())) => Ok(tls),
        Ok(Err(cause)) => Err(HandshakeError::Refused {
            cause,
            certificate: tls.ssl().certificate().map(ToOwned::to_owned),
        }),
        Err(_elapsed) => Err(HandshakeError::TimedOut),
    }
}
