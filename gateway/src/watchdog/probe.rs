//! A client of our own public ports: a handshake, and nothing else.
//!
//! It verifies nothing itself: what it was sent is judged by [`super::judge`].

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    time::Duration,
};

use openssl::{
    error::ErrorStack,
    hash::MessageDigest,
    ssl::{Ssl, SslContextBuilder, SslMethod, SslVerifyMode, SslVersion},
    x509::X509,
};
use tokio::{net::TcpSocket, time::timeout};
use tokio_openssl::SslStream;

use super::Probes;

const LIMIT: Duration = Duration::from_secs(15);
/// Whatever is left of the nineties; without it OpenSSL speaks no TLS before 1.2.
const OLD_CIPHERS: &str = "ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:AES128-SHA:@SECLEVEL=0";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    /// TLS 1.3, calls a name of the certificate.
    Current,
    /// TLS 1.3, dials an address.
    ByAddress,
    /// TLS 1.2, calls nobody.
    OldAndroid,
    /// TLS 1.0.
    WindowsCe,
    /// The same, served as one that the whitelist names.
    WhitelistedCe,
}

/// What came.
pub(super) struct Sent {
    pub(super) leaf: X509,
    pub(super) intermediates: Vec<X509>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ProbeFault {
    #[error("not reached: {0}")]
    Unreachable(#[source] io::Error),
    #[error("{0}")]
    Refused(#[source] openssl::ssl::Error),
    #[error("no certificate came")]
    NoCertificate,
    #[error("{0}")]
    Setup(#[from] ErrorStack),
}

impl Client {
    pub(crate) const ALL: [Self; 5] = [
        Self::Current,
        Self::ByAddress,
        Self::OldAndroid,
        Self::WindowsCe,
        Self::WhitelistedCe,
    ];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::ByAddress => "by-address",
            Self::OldAndroid => "old-android",
            Self::WindowsCe => "windows-ce",
            Self::WhitelistedCe => "whitelisted-ce",
        }
    }

    pub(crate) fn is_whitelisted(self) -> bool {
        self == Self::WhitelistedCe
    }

    /// Of the names of a certificate, the one by which it calls the server.
    pub(super) fn calls(self, name: Option<&str>) -> Option<&str> {
        name.filter(|_| self == Self::Current)
    }

    fn versions(self) -> (SslVersion, SslVersion) {
        match self {
            Self::Current | Self::ByAddress => (SslVersion::TLS1_2, SslVersion::TLS1_3),
            Self::OldAndroid => (SslVersion::TLS1_2, SslVersion::TLS1_2),
            Self::WindowsCe | Self::WhitelistedCe => (SslVersion::TLS1, SslVersion::TLS1),
        }
    }

    fn ssl(self, called: Option<&str>) -> Result<Ssl, ErrorStack> {
        let mut builder = SslContextBuilder::new(SslMethod::tls_client())?;
        builder.set_verify(SslVerifyMode::NONE);
        let (oldest, newest) = self.versions();
        builder.set_min_proto_version(Some(oldest))?;
        builder.set_max_proto_version(Some(newest))?;
        if matches!(self, Self::WindowsCe | Self::WhitelistedCe) {
            builder.set_cipher_list(OLD_CIPHERS)?;
        }
        let mut ssl = Ssl::new(&builder.build())?;
        if let Some(called) = called {
            ssl.set_hostname(called)?;
        }
        Ok(ssl)
    }
}

/// One handshake with the port that listens on `address`.
pub(super) async fn dial(
    probes: &Probes,
    address: SocketAddr,
    client: Client,
    called: Option<&str>,
) -> Result<Sent, ProbeFault> {
    let ssl = client.ssl(called)?;
    let dialled = timeout(LIMIT, shake(probes, address, client, ssl)).await;
    dialled.map_err(|elapsed| ProbeFault::Unreachable(elapsed.into()))?
}

async fn shake(
    probes: &Probes,
    address: SocketAddr,
    client: Client,
    ssl: Ssl,
) -> Result<Sent, ProbeFault> {
    let to = SocketAddr::new(reachable(address.ip()), address.port());
    let bound = || {
        let socket = match to {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // From the address that is dialled, which is this machine's.
        socket.bind(SocketAddr::new(to.ip(), 0))?;
        let source = socket.local_addr()?;
        Ok((socket, source))
    };
    let (socket, source) = bound().map_err(ProbeFault::Unreachable)?;
    let _expected = probes.expect(source, client);
    let tcp = socket.connect(to).await.map_err(ProbeFault::Unreachable)?;
    let mut tls = SslStream::new(ssl, tcp)?;
    let shaken = Pin::new(&mut tls).connect().await;
    shaken.map_err(ProbeFault::Refused)?;
    let ssl = tls.ssl();
    let leaf = ssl.peer_certificate().ok_or(ProbeFault::NoCertificate)?;
    let chain = ssl.peer_cert_chain().into_iter().flatten();
    Ok(Sent {
        leaf,
        intermediates: chain.skip(1).map(ToOwned::to_owned).collect(),
    })
}

/// Where a port on every address can be dialled.
fn reachable(listening: IpAddr) -> IpAddr {
    match listening {
        // A port on `::` takes IPv4 too.
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) | IpAddr::V4(Ipv4Addr::UNSPECIFIED) => {
            Ipv4Addr::LOCALHOST.into()
        }
        one => one,
    }
}

impl Sent {
    pub(super) fn thumbprint(&self) -> String {
        let digest = self.leaf.digest(MessageDigest::sha256());
        digest.map(hex::encode_upper).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use gateway_certificates::{KeyKind, make, plan::Wish};
    use openssl::ssl::NameType;
    use tokio::net::TcpListener;

    use super::*;
    use crate::tls;

    /// As a server that takes anybody sees them.
    #[tokio::test]
    async fn each_client_speaks_the_versions_and_calls_the_name_of_its_kind() {
        let wish = Wish {
            names: vec!["gate.example".parse().unwrap()],
            keys: vec![KeyKind::P256],
        };
        let pair = make::self_signed(&wish).unwrap().remove(0);
        let mut builder = SslContextBuilder::new(SslMethod::tls_server()).unwrap();
        builder.set_min_proto_version(None).unwrap();
        builder.set_cipher_list("ALL:@SECLEVEL=0").unwrap();
        builder.set_certificate(pair.leaf()).unwrap();
        builder.set_private_key(pair.key()).unwrap();
        let (context, probes) = (builder.build(), Probes::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        for (client, version, name) in [
            (Client::Current, SslVersion::TLS1_3, Some("gate.example")),
            (Client::ByAddress, SslVersion::TLS1_3, None),
            (Client::OldAndroid, SslVersion::TLS1_2, None),
            (Client::WindowsCe, SslVersion::TLS1, None),
            (Client::WhitelistedCe, SslVersion::TLS1, None),
        ] {
            let called = client.calls(Some("gate.example"));
            let accept = async {
                let (tcp, peer) = listener.accept().await.unwrap();
                assert_eq!(probes.of(peer), Some(client));
                tls::accept_with(&context, tcp).await.unwrap()
            };
            let (dialled, accepted) = tokio::join!(dial(&probes, address, client, called), accept);
            assert_eq!(dialled.unwrap().thumbprint(), pair.thumbprint_sha256());
            let seen = accepted.ssl();
            assert_eq!(seen.version2(), Some(version), "{client:?}");
            assert_eq!(seen.servername(NameType::HOST_NAME), name, "{client:?}");
        }
    }
}
