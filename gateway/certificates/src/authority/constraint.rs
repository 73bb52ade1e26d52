//! What a root may sign at most: DNS domains, addresses, networks (RFC 5280, 4.2.1.10). It is
//! burnt into the root, so a stolen key makes no certificate of a bank.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use openssl::{
    asn1::{Asn1Object, Asn1OctetString},
    error::ErrorStack,
    x509::X509Extension,
};
use serde::{Deserialize, Serialize};

use crate::{Name, names::NotAName};

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Constraint {
    /// The domain and everything below it.
    Domain(String),
    Net(IpNet),
}

impl Constraint {
    #[must_use]
    pub fn permits(&self, name: &Name) -> bool {
        match (self, name) {
            (Self::Net(net), Name::Ip(ip)) => net.contains(ip),
            (Self::Domain(domain), Name::Dns(name)) => {
                let name = name.strip_prefix("*.").unwrap_or(name);
                let below = name.strip_suffix(domain.as_str());
                below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            _ => false,
        }
    }
}

impl FromStr for Constraint {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        if let Ok(net) = text.trim().parse::<IpNet>() {
            return Ok(Self::Net(net.trunc()));
        }
        match text.trim().trim_start_matches('.').parse()? {
            Name::Ip(ip) => Ok(Self::Net(ip.into())),
            Name::Dns(name) => match name.strip_prefix("*.") {
                Some(parent) => Ok(Self::Domain(parent.to_owned())),
                None => Ok(Self::Domain(name)),
            },
        }
    }
}

impl TryFrom<String> for Constraint {
    type Error = NotAName;

    fn try_from(text: String) -> Result<Self, NotAName> {
        text.parse()
    }
}

impl From<Constraint> for String {
    fn from(constraint: Constraint) -> Self {
        constraint.to_string()
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(domain) => f.write_str(domain),
            Self::Net(net) if net.prefix_len() == net.max_prefix_len() => net.addr().fmt(f),
            Self::Net(net) => net.fmt(f),
        }
    }
}

/// The critical extension. A kind of name of which nothing is permitted is excluded whole: without
/// a word about it everything of that kind would be permitted.
pub(super) fn extension(constraints: &[Constraint]) -> Result<X509Extension, ErrorStack> {
    let permitted: Vec<u8> = constraints.iter().flat_map(subtree).collect();
    let domains = constraints
        .iter()
        .any(|one| matches!(one, Constraint::Domain(_)));
    let nets = constraints
        .iter()
        .any(|one| matches!(one, Constraint::Net(_)));
    let mut excluded = Vec::new();
    if !domains {
        excluded.extend(subtree(&Constraint::Domain(String::new())));
    }
    if !nets {
        excluded.extend(
            [IpNet::default(), everything_of_ipv6()]
                .into_iter()
                .flat_map(|net| subtree(&Constraint::Net(net))),
        );
    }
    let mut trees = tagged(PERMITTED, &permitted);
    if !excluded.is_empty() {
        trees.extend(tagged(EXCLUDED, &excluded));
    }
    let value = Asn1OctetString::new_from_bytes(&tagged(SEQUENCE, &trees))?;
    let kind = Asn1Object::from_str(NAME_CONSTRAINTS)?;
    X509Extension::new_from_der(&kind, true, &value)
}

const NAME_CONSTRAINTS: &str = "2.5.29.30";
const SEQUENCE: u8 = 0x30;
const PERMITTED: u8 = 0xA0;
const EXCLUDED: u8 = 0xA1;
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;

/// GeneralSubtree, of which RFC 5280 leaves nothing but the name.
fn subtree(constraint: &Constraint) -> Vec<u8> {
    let name = match constraint {
        Constraint::Domain(domain) => tagged(DNS_NAME, domain.as_bytes()),
        Constraint::Net(net) => tagged(
            IP_ADDRESS,
            &[octets(net.network()), octets(net.netmask())].concat(),
        ),
    };
    tagged(SEQUENCE, &name)
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

fn everything_of_ipv6() -> IpNet {
    ipnet::Ipv6Net::default().into()
}

/// DER: tag, length, content.
fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant = length.iter().skip_while(|byte| **byte == 0);
    let mut der = vec![tag];
    match u8::try_from(content.len()) {
        Ok(short) if short < 0x80 => der.push(short),
        _ => {
            let octets = u8::try_from(significant.clone().count()).unwrap_or(0);
            der.push(0x80 | octets);
            der.extend(significant);
        }
    }
    der.extend(content);
    der
}
