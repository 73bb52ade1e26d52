//! The address of a server that answers plain HTTP.

use std::{fmt, net::Ipv6Addr, str::FromStr};

/// `http://host:port`, nothing behind it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HttpServer {
    host: String,
    port: u16,
}

/// The text is no address of such a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnHttpServer {
    #[error("http://host:port is expected, without a path")]
    Shape,
    #[error("only plain HTTP is spoken to the server behind: http:// is expected")]
    Https,
}

impl HttpServer {
    /// A name, or an address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `host:port`, an IPv6 address in brackets.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for HttpServer {
    type Err = NotAnHttpServer;

    fn from_str(text: &str) -> Result<Self, NotAnHttpServer> {
        let wrong = NotAnHttpServer::Shape;
        let lower = text.to_ascii_lowercase();
        if lower.starts_with("https://") {
            return Err(NotAnHttpServer::Https);
        }
        let rest = lower.strip_prefix("http://").ok_or(wrong)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or(wrong)?;
                host.parse::<Ipv6Addr>().map_err(|_no_address| wrong)?;
                (host, port)
            }
            None => match rest.split_once(':') {
                Some((host, _)) => (host, rest.get(host.len()..).unwrap_or_default()),
                None => (rest, ""),
            },
        };
        let port = match port.strip_prefix(':') {
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().map_err(|_no_port| wrong)?
            }
            Some(_) => return Err(wrong),
            None if port.is_empty() => 80,
            None => return Err(wrong),
        };
        let legal = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let is_address = host.contains(':');
        if host.is_empty() || port == 0 || !(is_address || host.chars().all(legal)) {
            return Err(wrong);
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for HttpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_host_and_a_port_and_nothing_else() {
        for (text, authority) in [
            ("http://127.0.0.1:9000", "127.0.0.1:9000"),
            ("HTTP://Server-1.local:9000/", "server-1.local:9000"),
            ("http://host", "host:80"),
            ("http://[::1]", "[::1]:80"),
            ("http://[FE80::1]:9000/", "[fe80::1]:9000"),
        ] {
            let server: HttpServer = text.parse().unwrap();
            assert_eq!(server.authority(), authority, "{text}");
            assert_eq!(server.to_string().parse(), Ok(server));
        }
        for text in [
            "",
            "host:9000",
            "http://",
            "http://:9000",
            "http://host:",
            "http://host:0",
            "http://host:+80",
            "http://host:65536",
            "http://host/path",
            "http://host//",
            "http://user@host",
            "http://host:80:80",
            "http://::1:80",
            "http://[::1",
            "http://[::1]80",
            "http://[host]:80",
            "http://host?x",
            "http://сервер",
            "ftp://host",
        ] {
            assert!(text.parse::<HttpServer>().is_err(), "{text}");
        }
        let https = "https://host:9000".parse::<HttpServer>();
        assert_eq!(https, Err(NotAnHttpServer::Https));
    }
}
