//! Who a client is, by address: the one form that lists, throttle and logs compare.
//!
//! A dual-stack socket reports an IPv4 client as `::ffff:a.b.c.d`; kept so, it would slip past
//! every IPv4 entry. [`ClientAddr`] therefore cannot hold the mapped form. An IPv6 client owns at
//! least a /64, so counting single addresses would count nothing: [`ClientKey`] is what the
//! throttle counts by.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// An address as decisions see it; v4-mapped IPv6 has become IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientAddr(IpAddr);

impl ClientAddr {
    #[must_use]
    pub fn ip(self) -> IpAddr {
        self.0
    }
}

impl From<IpAddr> for ClientAddr {
    fn from(ip: IpAddr) -> Self {
        Self(ip.to_canonical())
    }
}

impl From<SocketAddr> for ClientAddr {
    fn from(socket: SocketAddr) -> Self {
        socket.ip().into()
    }
}

impl fmt::Display for ClientAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What counts as one client: an IPv4 address or an IPv6 /64. As text `192.0.2.7` or
/// `2001:db8:1:2::/64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ClientKey {
    V4(Ipv4Addr),
    /// The upper 64 bits.
    V6(u64),
}

/// The text is no client key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("\"{0}\" is neither an IPv4 address nor an IPv6 /64")]
pub struct NotAClientKey(pub String);

impl From<ClientAddr> for ClientKey {
    fn from(client: ClientAddr) -> Self {
        match client.0 {
            IpAddr::V4(ip) => Self::V4(ip),
            IpAddr::V6(ip) => Self::V6(network(ip)),
        }
    }
}

fn network(ip: Ipv6Addr) -> u64 {
    let [a, b, c, d, ..] = ip.segments();
    [a, b, c, d]
        .into_iter()
        .fold(0, |bits, segment| (bits << 16) | u64::from(segment))
}

impl fmt::Display for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::V4(ip) => ip.fmt(f),
            Self::V6(bits) => write!(f, "{}/64", Ipv6Addr::from_bits(u128::from(bits) << 64)),
        }
    }
}

impl FromStr for ClientKey {
    type Err = NotAClientKey;

    fn from_str(text: &str) -> Result<Self, NotAClientKey> {
        let v6 = || {
            let ip: Ipv6Addr = text.strip_suffix("/64")?.parse().ok()?;
            let key = Self::V6(network(ip));
            // The lower half must be zero, or two texts would name one key.
            (ip.to_bits() == u128::from(network(ip)) << 64).then_some(key)
        };
        text.parse()
            .map(Self::V4)
            .ok()
            .or_else(v6)
            .ok_or_else(|| NotAClientKey(text.to_owned()))
    }
}

impl TryFrom<String> for ClientKey {
    type Error = NotAClientKey;

    fn try_from(text: String) -> Result<Self, NotAClientKey> {
        text.parse()
    }
}

impl From<ClientKey> for String {
    fn from(key: ClientKey) -> Self {
        key.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn client(text: &str) -> ClientAddr {
        text.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn a_mapped_address_is_the_same_client_as_its_ipv4_address() {
        assert_eq!(client("::ffff:192.0.2.7"), client("192.0.2.7"));
        assert_eq!(client("::ffff:192.0.2.7").to_string(), "192.0.2.7");
        assert_ne!(client("::192.0.2.7"), client("192.0.2.7"));
        assert_eq!(client("::1").to_string(), "::1");
    }

    #[test]
    fn one_ipv6_subnet_is_one_key_and_its_neighbour_another() {
        let key = |text| ClientKey::from(client(text));
        assert_eq!(
            key("2001:db8:1:2::1"),
            key("2001:db8:1:2:ffff:ffff:ffff:ffff")
        );
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_ne!(key("192.0.2.7"), key("192.0.2.8"));
        assert_eq!(key("2001:db8:1:2::1").to_string(), "2001:db8:1:2::/64");
    }

    #[test]
    fn a_key_has_one_spelling_of_its_network() {
        for text in [
            "",
            "2001:db8::1/64",
            "2001:db8::",
            "2001:db8::/63",
            "10.0.0.0/8",
            "::1",
        ] {
            assert!(text.parse::<ClientKey>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_key_reads_back_as_it_is_written(ip: IpAddr) {
            let key = ClientKey::from(ClientAddr::from(ip));
            prop_assert_eq!(key.to_string().parse(), Ok(key));
        }
    }
}
