//! Where to: one database of a gateway, how its certificate is judged, and from which address of
//! this machine a connection comes.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs},
    path::{Path, PathBuf},
    pin::Pin,
};

use http::Uri;
use openssl::{
    error::ErrorStack,
    ssl::{Ssl, SslContext, SslMethod, SslVerifyMode},
};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpSocket, TcpStream},
};
use tokio_openssl::SslStream;

/// Options that every command has.
#[derive(clap::Args, Clone)]
pub(crate) struct To {
    /// A database: its data server port, or the server port with the database's id as the path.
    #[arg(long, value_name = "URL", default_value = "https://127.0.0.1:9706")]
    address: String,
    /// Certificate to trust, PEM; absent: data/tls/test.pem where it exists, else the system's.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Do not look at the certificate.
    #[arg(long, conflicts_with = "ca")]
    insecure: bool,
}

/// Where `make run` leaves the test certificate.
const TEST_CERTIFICATE: &str = "data/tls/test.pem";

#[derive(Debug, thiserror::Error)]
pub(crate) enum TargetError {
    #[error("{0} is not an address such as https://127.0.0.1:9706")]
    NotAnAddress(String),
    #[error("{host}: {fault}")]
    NotFound { host: String, fault: io::Error },
    #[error("attacks are for loopback alone, and {0} is not on it")]
    NotLoopback(SocketAddr),
    #[error("{}: {fault}", file.display())]
    Certificate { file: PathBuf, fault: ErrorStack },
    #[error(transparent)]
    Tls(#[from] ErrorStack),
}

/// Who is asked.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// What stands in `Host`.
    pub(crate) authority: String,
    /// Path of the API, such as `/api/v1`.
    pub(crate) base: String,
    host: String,
    tls: Option<SslContext>,
}

/// Blocks of 127.0.0.0/8, so that no attacker speaks from a terminal's address.
#[derive(Clone, Copy)]
pub(crate) enum Block {
    Terminals = 1,
    Attackers = 2,
    Idle = 3,
}

impl Block {
    /// The address of its n-th member: 127.BLOCK.x.y.
    pub(crate) fn nth(self, number: u16) -> Ipv4Addr {
        let low = u8::try_from(number % 250).unwrap_or_default();
        let high = u8::try_from(number / 250).unwrap_or(u8::MAX);
        Ipv4Addr::new(127, self as u8, high, 1 + low)
    }
}

/// A connection, with TLS or without.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

impl To {
    pub(crate) fn target(&self) -> Result<Target, TargetError> {
        let wrong = || TargetError::NotAnAddress(self.address.clone());
        let uri: Uri = self.address.parse().map_err(|_malformed| wrong())?;
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong()),
        };
        let host = uri.host().ok_or_else(wrong)?.trim_matches(['[', ']']);
        let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let found = (host, port).to_socket_addrs();
        let found = found.map_err(|fault| TargetError::NotFound {
            host: host.to_owned(),
            fault,
        })?;
        let mut found: Vec<SocketAddr> = found.collect();
        // Of 127.0.0.0/8 there are many addresses to come from, of ::1 there is one.
        found.sort_by_key(SocketAddr::is_ipv6);
        let address = *found.first().ok_or_else(wrong)?;
        Ok(Target {
            address,
            authority: uri.authority().ok_or_else(wrong)?.to_string(),
            base: base(uri.path()),
            host: host.to_owned(),
            tls: is_https.then(|| self.trust()).transpose()?,
        })
    }

    /// For attacks: a target outside of loopback is refused.
    pub(crate) fn loopback_target(&self) -> Result<Target, TargetError> {
        let target = self.target()?;
        match target.address.ip().is_loopback() {
            true => Ok(target),
            false => Err(TargetError::NotLoopback(target.address)),
        }
    }

    fn trust(&self) -> Result<SslContext, TargetError> {
        let mut builder = SslContext::builder(SslMethod::tls_client())?;
        builder.set_alpn_protos(b"\x08http/1.1")?;
        let test = Path::new(TEST_CERTIFICATE);
        let file = self.ca.as_deref().or(test.exists().then_some(test));
        builder.set_verify(SslVerifyMode::PEER);
        match (self.insecure, file) {
            (true, _) => builder.set_verify(SslVerifyMode::NONE),
            (false, Some(file)) => {
                builder
                    .set_ca_file(file)
                    .map_err(|fault| TargetError::Certificate {
                        file: file.to_owned(),
                        fault,
                    })?;
            }
            (false, None) => builder.set_default_verify_paths()?,
        }
        Ok(builder.build())
    }
}

/// The API's path below what was written after the port.
fn base(path: &str) -> String {
    let path = path.trim_end_matches('/');
    match path.to_ascii_lowercase().ends_with("/api/v1") {
        true => path.to_owned(),
        false => format!("{path}/api/v1"),
    }
}

impl Target {
    /// What is asked, for people.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}{}", self.authority, self.base)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Whether connections may come from any address of 127.0.0.0/8.
    pub(crate) fn has_many_sources(&self) -> bool {
        matches!(self.address.ip(), IpAddr::V4(ip) if ip.is_loopback())
    }

    pub(crate) async fn tcp(&self, from: Option<Ipv4Addr>) -> io::Result<TcpStream> {
        let stream = self.socket(from)?.connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// One that takes so little at a time that an answer unread is soon stuck: a small window, and
    /// packets of the smallest size, by which the other side measures its own buffer.
    pub(crate) async fn narrow_tcp(&self, from: Option<Ipv4Addr>) -> io::Result<TcpStream> {
        const WINDOW: u32 = 4096;
        const PACKET: u32 = 536;
        let socket = self.socket(from)?;
        socket.set_recv_buffer_size(WINDOW)?;
        SockRef::from(&socket).set_tcp_mss(PACKET)?;
        socket.connect(self.address).await
    }

    fn socket(&self, from: Option<Ipv4Addr>) -> io::Result<TcpSocket> {
        let socket = match self.address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        if let (Some(from), true) = (from, self.has_many_sources()) {
            socket.bind(SocketAddr::new(from.into(), 0))?;
        }
        Ok(socket)
    }

    /// Shakes hands where the target speaks TLS.
    pub(crate) async fn shake(&self, tcp: TcpStream) -> io::Result<Box<dyn Wire>> {
        let Some(context) = &self.tls else {
            return Ok(Box::new(tcp));
        };
        let mut ssl = Ssl::new(context)?;
        match self.host.parse::<IpAddr>() {
            Ok(ip) => ssl.param_mut().set_ip(ip)?,
            Err(_) => {
                ssl.set_hostname(&self.host)?;
                ssl.param_mut().set_host(&self.host)?;
            }
        }
        let mut stream = SslStream::new(ssl, tcp)?;
        let shaken = Pin::new(&mut stream).connect().await;
        shaken.map_err(|fault| io::Error::other(format!("TLS: {fault}")))?;
        Ok(Box::new(stream))
    }

    pub(crate) async fn open(&self, from: Option<Ipv4Addr>) -> io::Result<Box<dyn Wire>> {
        self.shake(self.tcp(from).await?).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(address: &str) -> To {
        To {
            address: address.to_owned(),
            ca: None,
            insecure: true,
        }
    }

    #[test]
    fn attacks_on_anything_but_loopback_are_refused() {
        for address in [
            "https://192.0.2.1:9706",
            "http://10.0.0.1",
            "https://[2001:db8::1]:9706/x",
            "https://0.0.0.0:9706",
            "https://128.0.0.1:9706",
        ] {
            let refused = to(address).loopback_target();
            assert!(
                matches!(refused, Err(TargetError::NotLoopback(_))),
                "{address}"
            );
            assert!(to(address).target().is_ok(), "{address}");
        }
        for address in [
            "https://127.0.0.1:9706",
            "http://127.9.9.9:1",
            "https://[::1]:1",
            "https://localhost:9706",
        ] {
            assert!(to(address).loopback_target().is_ok(), "{address}");
        }
    }

    #[test]
    fn the_base_follows_the_path() {
        for (path, base) in [
            ("", "/api/v1"),
            ("/", "/api/v1"),
            ("/21e6d501", "/21e6d501/api/v1"),
            ("/MobileSMARTS/", "/MobileSMARTS/api/v1"),
            ("/x/API/v1/", "/x/API/v1"),
        ] {
            let target = to(&format!("http://127.0.0.1:1{path}")).target().unwrap();
            assert_eq!(target.base, base, "{path}");
        }
        for wrong in ["127.0.0.1:9706", "ftp://127.0.0.1", "https://"] {
            assert!(to(wrong).target().is_err(), "{wrong}");
        }
    }

    #[test]
    fn blocks_do_not_meet() {
        assert_eq!(Block::Terminals.nth(0), Ipv4Addr::new(127, 1, 0, 1));
        assert_eq!(Block::Terminals.nth(249), Ipv4Addr::new(127, 1, 0, 250));
        assert_eq!(Block::Attackers.nth(250), Ipv4Addr::new(127, 2, 1, 1));
    }
}
