//! One `SslContext`: for one port, one certificate, one level.

use std::sync::Arc;

use arc_swap::ArcSwap;
use openssl::{
    error::ErrorStack,
    sha::sha256,
    ssl::{
        AlpnError, ClientHelloResponse, SslContext, SslContextBuilder, SslMethod, SslMode,
        SslOptions, SslSessionCacheMode, SslVerifyMode, select_next_proto,
    },
};

use gateway_certificates::{Certificate, devices::Trust};

use super::{
    clients::{self, Asks},
    ffi,
    profile::Level,
    sni,
};
use crate::acme::challenges::Challenges;

/// `scope` tells ports apart: a session is resumed only where it was begun, with the same
/// certificate, the same level and the same wish for the client's certificate (lessons, T10). While
/// an order of ACME runs, its challenges are answered in their own handshakes.
pub(super) fn context(
    certificate: &Certificate,
    scope: &str,
    level: Level,
    asks: Option<&Asks>,
    challenges: &Arc<Challenges>,
    trust: &Arc<ArcSwap<Trust>>,
) -> Result<SslContext, ErrorStack> {
    let mut builder = SslContextBuilder::new(SslMethod::tls_server())?;
    level.set(&mut builder)?;
    builder.set_options(
        SslOptions::NO_RENEGOTIATION
            | SslOptions::NO_COMPRESSION
            | SslOptions::CIPHER_SERVER_PREFERENCE,
    );
    // NO_AUTO_CHAIN: what is sent is what there is. OpenSSL would otherwise look for issuers in every
    // handshake of a certificate without intermediates.
    builder.set_mode(
        SslMode::RELEASE_BUFFERS
            | SslMode::ACCEPT_MOVING_WRITE_BUFFER
            | SslMode::ENABLE_PARTIAL_WRITE
            | SslMode::NO_AUTO_CHAIN,
    );
    builder.set_read_ahead(true);
    for pair in certificate.pairs() {
        builder.set_certificate(pair.leaf())?;
        builder.set_private_key(pair.key())?;
        for intermediate in pair.intermediates() {
            ffi::add_to_chain(&mut builder, intermediate)?;
        }
    }
    sni::serve(&mut builder, certificate);
    // Tickets only: a cache in memory would grow with every client.
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    // Nothing is accepted before the handshake ends: it could be sent twice by who listens.
    builder.set_max_early_data(0)?;
    let (thumbprint, level) = (certificate.thumbprint(), level.word());
    let asked = asks.map(Asks::word).unwrap_or_default();
    let session = format!("{scope} {thumbprint} {level} {asked}");
    builder.set_session_id_context(&sha256(session.as_bytes()))?;
    if let Some(asks) = asks {
        clients::ask(&mut builder, asks, trust)?;
    }
    let challenges = Arc::clone(challenges);
    builder.set_client_hello_callback(move |ssl, _alert| {
        if challenges.take_over(ssl)? {
            // An ACME server has no certificate of ours.
            ssl.set_verify(SslVerifyMode::NONE);
        } else {
            sni::choose(ssl)?;
        }
        Ok(ClientHelloResponse::SUCCESS)
    });
    builder.set_alpn_select_callback(|_, offered| {
        select_next_proto(b"\x08http/1.1", offered).ok_or(AlpnError::ALERT_FATAL)
    });
    Ok(builder.build())
}
