//! What is shown to an ACME server while an order runs, and to nobody else: whoever asks for
//! anything but the challenge of this very order gets what he would have got without it.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use gateway_certificates::{Name, challenge, make::MakeError};
use openssl::{
    error::ErrorStack,
    ssl::{
        AlpnError, ClientHelloResponse, SslAlert, SslContext, SslContextBuilder, SslMethod,
        SslOptions, SslRef, SslVersion, select_next_proto,
    },
};

use crate::tls::client_hello;

/// The one protocol of a TLS-ALPN-01 connection, which carries no byte after its handshake.
pub(crate) const ACME_TLS: &[u8] = b"acme-tls/1";
/// The same as it stands in the extension.
const ACME_TLS_ONLY: &[u8] = b"\x0aacme-tls/1";
const PATH: &str = "/.well-known/acme-challenge/";

/// Challenges of running orders.
#[derive(Default)]
pub(crate) struct Challenges {
    /// Token → key authorization.
    tokens: ArcSwap<HashMap<String, String>>,
    /// Name in SNI → what is shown under it.
    contexts: ArcSwap<HashMap<String, SslContext>>,
}

/// A challenge is answered for as long as this lives.
pub(crate) struct Posted {
    challenges: Arc<Challenges>,
    key: Key,
}

enum Key {
    Token(String),
    ServerName(String),
}

impl Challenges {
    /// HTTP-01.
    pub(crate) fn post_token(self: &Arc<Self>, token: &str, authorization: &str) -> Posted {
        let (token, authorization) = (token.to_owned(), authorization.to_owned());
        self.tokens.rcu(|before| {
            let mut after = HashMap::clone(before);
            after.insert(token.clone(), authorization.clone());
            after
        });
        let key = Key::Token(token);
        self.posted(key)
    }

    /// TLS-ALPN-01.
    pub(crate) fn post_certificate(
        self: &Arc<Self>,
        name: &Name,
        digest: &[u8; 32],
    ) -> Result<Posted, MakeError> {
        let context = context(name, digest)?;
        let server_name = challenge::server_name(name);
        self.contexts.rcu(|before| {
            let mut after = HashMap::clone(before);
            after.insert(server_name.clone(), context.clone());
            after
        });
        Ok(self.posted(Key::ServerName(server_name)))
    }

    fn posted(self: &Arc<Self>, key: Key) -> Posted {
        let challenges = Arc::clone(self);
        Posted { challenges, key }
    }

    /// The answer to a plain request for `path`, when that is a challenge of now.
    pub(crate) fn by_path(&self, path: &str) -> Option<String> {
        let token = path.strip_prefix(PATH)?;
        self.tokens.load().get(token).cloned()
    }

    /// What to show in this handshake, inside of the ClientHello callback.
    fn by_hello(&self, ssl: &SslRef) -> Option<SslContext> {
        let contexts = self.contexts.load();
        if contexts.is_empty() || !client_hello::wants_only(ssl, ACME_TLS) {
            return None;
        }
        let name = client_hello::server_name(ssl)?.to_ascii_lowercase();
        contexts.get(&name).cloned()
    }

    /// Goes over to the challenge that the client's hello asks for; says whether it asks for one.
    /// Inside of the ClientHello callback.
    pub(crate) fn take_over(&self, ssl: &mut SslRef) -> Result<bool, ErrorStack> {
        let context = self.by_hello(ssl);
        if let Some(context) = &context {
            ssl.set_ssl_context(context)?;
        }
        Ok(context.is_some())
    }

    /// For a port that is there for challenges alone.
    pub(crate) fn context(self: &Arc<Self>) -> Result<SslContext, ErrorStack> {
        let challenges = Arc::clone(self);
        let mut builder = SslContextBuilder::new(SslMethod::tls_server())?;
        builder.set_client_hello_callback(move |ssl, alert| {
            if challenges.take_over(ssl)? {
                return Ok(ClientHelloResponse::SUCCESS);
            }
            *alert = SslAlert::UNRECOGNIZED_NAME;
            Err(ErrorStack::get())
        });
        Ok(builder.build())
    }
}

impl Drop for Posted {
    fn drop(&mut self) {
        let Self { challenges, key } = self;
        match key {
            Key::Token(token) => drop(challenges.tokens.rcu(|before| {
                let mut after = HashMap::clone(before);
                after.remove(token);
                after
            })),
            Key::ServerName(name) => drop(challenges.contexts.rcu(|before| {
                let mut after = HashMap::clone(before);
                after.remove(name);
                after
            })),
        }
    }
}

fn context(name: &Name, digest: &[u8; 32]) -> Result<SslContext, MakeError> {
    let pair = challenge::certificate(name, digest)?;
    let mut builder = SslContextBuilder::new(SslMethod::tls_server())?;
    builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    builder.set_options(SslOptions::NO_TICKET | SslOptions::NO_RENEGOTIATION);
    builder.set_certificate(pair.leaf())?;
    builder.set_private_key(pair.key())?;
    builder.set_alpn_select_callback(|_, offered| {
        select_next_proto(ACME_TLS_ONLY, offered).ok_or(AlpnError::ALERT_FATAL)
    });
    Ok(builder.build())
}

#[cfg(test)]
mod tests {
    use std::{pin::Pin, time::Instant};

    use backend_types::{ClientCertificates, TlsProfile};
    use gateway_certificates::{Certificate, KeyKind, make::self_signed, plan::Wish};
    use gateway_policy::ports::Holder;
    use openssl::ssl::{SslConnector, SslVerifyMode};
    use tokio::net::{TcpListener, TcpStream};
    use tokio_openssl::SslStream;

    use super::*;
    use crate::tls::{self, Contexts, Terms};

    /// The serial number that `context` shows, and the protocol it speaks; `None`: nothing.
    async fn shown(context: &SslContext, name: &str, alpn: &[u8]) -> Option<(String, Vec<u8>)> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let mut client = SslConnector::builder(SslMethod::tls_client()).unwrap();
        client.set_verify(SslVerifyMode::NONE);
        client.set_alpn_protos(alpn).unwrap();
        let client = client.build().configure().unwrap();
        let client = client.verify_hostname(false).into_ssl(name).unwrap();
        let mut client = SslStream::new(client, tcp).unwrap();
        let (served, connected) = tokio::join!(
            tls::accept_with(context, accepted),
            Pin::new(&mut client).connect()
        );
        served.ok()?;
        connected.ok()?;
        let shown = client.ssl().peer_certificate().unwrap();
        let serial = shown.serial_number().to_bn().unwrap();
        let protocol = client.ssl().selected_alpn_protocol().unwrap_or_default();
        Some((serial.to_hex_str().unwrap().to_string(), protocol.to_vec()))
    }

    #[tokio::test]
    async fn a_challenge_is_shown_to_who_asks_for_it_on_a_port_that_serves_others_as_ever() {
        let challenges = Arc::new(Challenges::default());
        let names = vec!["gate.example.ru".parse().unwrap()];
        let keys = vec![KeyKind::P256];
        let own = self_signed(&Wish { names, keys }).unwrap();
        let own = Certificate::new(own).unwrap();
        let (mut contexts, trust) = (Contexts::default(), Arc::default());
        let mut round = contexts.round(&challenges, &trust, Instant::now());
        let mut port = |client_certificates| {
            let terms = Terms {
                profile: TlsProfile::Intermediate,
                client_certificates,
            };
            let port = round.port(&Holder::Server, terms, &own, std::iter::empty());
            port.unwrap().for_client(false).own().clone()
        };
        let strict = port(ClientCertificates::Required);
        let port = port(ClientCertificates::Off);
        let own_port = challenges.context().unwrap();
        let http: &[u8] = b"\x08http/1.1";
        let ordinary = shown(&port, "gate.example.ru", http).await.unwrap();
        assert_eq!(ordinary.1, b"http/1.1");
        for name in ["gate.example.ru", "192.0.2.7", "2001:db8::7"] {
            let name: Name = name.parse().unwrap();
            let asked = challenge::server_name(&name);
            let before = shown(&port, &asked, ACME_TLS_ONLY).await;
            assert_eq!(before, None, "no order runs");
            let posted = challenges.post_certificate(&name, &[7; 32]).unwrap();
            for context in [&port, &strict, &own_port] {
                let told = shown(context, &asked, ACME_TLS_ONLY).await.unwrap();
                assert_eq!(told.1, ACME_TLS);
                assert_ne!(told.0, ordinary.0);
                let other = shown(context, "other.example.ru", ACME_TLS_ONLY).await;
                assert_eq!(other, None);
            }
            let others = shown(&port, &asked, http).await.unwrap();
            assert_eq!(others, ordinary);
            assert_eq!(shown(&own_port, &asked, http).await, None);
            drop(posted);
            assert_eq!(shown(&own_port, &asked, ACME_TLS_ONLY).await, None);
        }
    }

    #[test]
    fn a_token_is_answered_until_its_order_is_over_and_no_other_is() {
        let challenges = Arc::new(Challenges::default());
        let posted = challenges.post_token("abc", "abc.thumb");
        let at = |path| challenges.by_path(path);
        assert_eq!(
            at("/.well-known/acme-challenge/abc").as_deref(),
            Some("abc.thumb")
        );
        for other in [
            "/.well-known/acme-challenge/abd",
            "/.well-known/acme-challenge/",
            "/abc",
        ] {
            assert_eq!(at(other), None, "{other}");
        }
        drop(posted);
        assert_eq!(at("/.well-known/acme-challenge/abc"), None);
    }
}
