//! Names of a certificate: DNS names and IP addresses, and those of this machine.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use openssl::x509::X509Ref;
use serde::{Deserialize, Serialize};

/// What a client may call the server. DNS names are lower-case ASCII (IDNA is the caller's), one
/// `*` may stand for the first label (RFC 6125, 6.4.3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Name {
    Dns(String),
    Ip(IpAddr),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is neither a DNS name nor an IP address")]
pub struct NotAName(pub String);

impl Name {
    /// Whether a certificate with this name is good for a server that the client calls `asked`.
    #[must_use]
    pub fn covers(&self, asked: &Self) -> bool {
        match (self, asked) {
            (Self::Ip(ours), Self::Ip(asked)) => ours == asked,
            (Self::Dns(ours), Self::Dns(asked)) => match ours.strip_prefix("*.") {
                Some(parent) => asked
                    .split_once('.')
                    .is_some_and(|(label, rest)| !label.is_empty() && rest == parent),
                None => ours == asked,
            },
            _ => false,
        }
    }

    /// For people.
    #[must_use]
    pub fn listed(names: &[Self]) -> String {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        names.join(", ")
    }

    /// By which a machine calls itself, and nobody else calls it.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Dns(name) => name == "localhost",
            Self::Ip(ip) => ip.is_loopback(),
        }
    }

    /// The names of a certificate: its alternative names, and nothing else (RFC 9525, 2).
    #[must_use]
    pub fn of(certificate: &X509Ref) -> Vec<Self> {
        let names = certificate.subject_alt_names();
        let names = names.iter().flatten();
        names
            .filter_map(|name| {
                if let Some(dns) = name.dnsname() {
                    return Some(Self::Dns(dns.to_ascii_lowercase()));
                }
                let bytes = name.ipaddress()?;
                let v4 = <[u8; 4]>::try_from(bytes).map(Ipv4Addr::from);
                let v6 = || <[u8; 16]>::try_from(bytes).map(Ipv6Addr::from);
                let ip = v4.map(IpAddr::from).or_else(|_| v6().map(IpAddr::from));
                ip.ok().map(Self::Ip)
            })
            .collect()
    }
}

impl FromStr for Name {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let bare = text.trim().trim_start_matches('[').trim_end_matches(']');
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return Ok(Self::Ip(ip.to_canonical()));
        }
        let name = bare.trim_end_matches('.').to_ascii_lowercase();
        let label = |label: &str| {
            let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            !label.is_empty() && label.len() <= 63 && label.chars().all(legal)
        };
        let labels = name.strip_prefix("*.").unwrap_or(&name);
        // `1.2.3` and `300.1.1.1` are slips of an address.
        let numeric = labels.chars().all(|c| c.is_ascii_digit() || c == '.');
        if name.len() <= 253 && !numeric && labels.split('.').all(label) {
            Ok(Self::Dns(name))
        } else {
            Err(NotAName(text.to_owned()))
        }
    }
}

impl TryFrom<String> for Name {
    type Error = NotAName;

    fn try_from(text: String) -> Result<Self, NotAName> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.to_string()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Ip(ip) => ip.fmt(f),
        }
    }
}

/// localhost, the host name and every address of the machine.
#[must_use]
pub fn of_this_machine() -> Vec<Name> {
    let mut names = vec![Name::Dns("localhost".to_owned())];
    names.extend(host_name().map(Name::Dns));
    names.extend(machine_addresses().into_iter().map(Name::Ip));
    names
}

/// The machine's own name, when it is one that a certificate can carry.
#[must_use]
pub fn host_name() -> Option<String> {
    let name = nix::unistd::gethostname().ok()?.into_string().ok()?;
    match name.parse() {
        Ok(Name::Dns(name)) if name != "localhost" && !name.starts_with('*') => Some(name),
        _ => None,
    }
}

/// Every address of the machine's interfaces, loopback first, link-local ones left out.
#[must_use]
pub fn machine_addresses() -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = nix::ifaddrs::getifaddrs()
        .into_iter()
        .flatten()
        .filter_map(|interface| interface.address)
        .filter_map(|address| {
            let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
        })
        .filter(|address| match address {
            IpAddr::V4(_) => true,
            IpAddr::V6(v6) => !v6.is_unicast_link_local(),
        })
        .collect();
    addresses.sort_by_key(|address| (!address.is_loopback(), *address));
    addresses.dedup();
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn what_people_type_becomes_a_name_or_is_refused() {
        assert_eq!(
            name("Gate.Example.RU."),
            Name::Dns("gate.example.ru".into())
        );
        assert_eq!(name("[2001:db8::1]"), name("2001:db8:0::1"));
        assert_eq!(name("::ffff:192.0.2.1"), name("192.0.2.1"));
        for wrong in [
            "",
            "300.1.1.1",
            "1.2.3",
            "магазин.рф",
            "a b",
            "a..b",
            "*.",
            "https://a",
            "a/b",
        ] {
            assert!(wrong.parse::<Name>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_star_stands_for_one_label_and_an_address_for_itself() {
        assert!(name("*.example.ru").covers(&name("gate.example.ru")));
        for other in ["example.ru", "a.b.example.ru", "192.0.2.1"] {
            assert!(!name("*.example.ru").covers(&name(other)), "{other}");
        }
        assert!(name("192.0.2.1").covers(&name("192.0.2.1")));
        assert!(!name("192.0.2.1").covers(&name("192.0.2.2")));
    }
}
