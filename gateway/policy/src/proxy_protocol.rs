//! Whom a trusted proxy speaks for: PROXY protocol v1 and v2 before the first byte, and
//! `X-Forwarded-For` in a head.
//!
//! Neither counts from an address that is not named as trusted, and trusting everyone is refused
//! (attack class T3). Shapes: the HAProxy specification, section 2. The crate `proxy-header`
//! decodes; it accepts any byte after `PROXY`, lines of any length that end, and v2 headers of
//! 64 KiB, so the frame is checked here first.

use std::net::{IpAddr, SocketAddr};

use ipnet::{IpNet, Ipv4Net};
use proxy_header::{ParseConfig, Protocol, ProxyHeader};

use crate::ClientAddr;

/// The longest v1 line with its CRLF, as the specification counts.
const V1_MAX: usize = 107;
const V1_START: &[u8] = b"PROXY ";
const V2_START: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version, family and length.
const V2_FIXED: usize = 16;
/// The longest v2 header accepted, in bytes with all its TLVs. HAProxy with every option set
/// (client certificate's name, unique id, SNI) stays below 600.
const V2_MAX: usize = 1024;

/// The proxies that may speak for others. Empty trusts none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

/// A list of proxies that lets every client choose its own address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} trusts every address: whoever connects could pretend to be anybody")]
pub struct TrustsEveryone(pub IpNet);

impl TrustedProxies {
    /// # Errors
    /// The nets together cover a whole family.
    pub fn new(nets: impl IntoIterator<Item = IpNet>) -> Result<Self, TrustsEveryone> {
        let nets: Vec<IpNet> = nets.into_iter().map(canonical).collect();
        // Aggregated, for 0.0.0.0/1 and 128.0.0.0/1 make a /0 too.
        let nets = IpNet::aggregate(&nets);
        match nets.iter().find(|net| net.prefix_len() == 0) {
            Some(&everyone) => Err(TrustsEveryone(everyone)),
            None => Ok(Self(nets)),
        }
    }

    #[must_use]
    pub fn contains(&self, peer: ClientAddr) -> bool {
        self.0.iter().any(|net| net.contains(&peer.ip()))
    }
}

/// A net inside `::ffff:0:0/96` is an IPv4 net: peers in it are seen as IPv4.
fn canonical(net: IpNet) -> IpNet {
    let v4 = match (net, net.network().to_canonical()) {
        (IpNet::V6(v6), IpAddr::V4(ip)) => v6
            .prefix_len()
            .checked_sub(96)
            .and_then(|bits| Ipv4Net::new(ip, bits).ok()),
        _ => None,
    };
    v4.map_or(net, IpNet::V4)
}

/// What the first bytes of a trusted proxy's connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preface {
    /// Not enough to tell; wait for more.
    NeedMore,
    /// No PROXY header: the connection is the proxy's own, and its socket address counts.
    NotProxyHeader,
    /// Drop `length` bytes. Without a client (`UNKNOWN`, `LOCAL`, a Unix socket) the socket
    /// address counts.
    Header {
        client: Option<SocketAddr>,
        length: usize,
    },
    /// The connection ends: whatever follows cannot be trusted to begin where we think.
    Fault(ProxyFault),
}

/// Why a PROXY header is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyFault {
    #[error("the PROXY header is longer than {V1_MAX} bytes (v1) or {V2_MAX} bytes (v2)")]
    TooLong,
    #[error("the PROXY header is malformed")]
    Malformed,
    #[error("the PROXY header speaks of a datagram")]
    Datagram,
}

/// Judges what has arrived so far, from the first byte on. Call it again with more after
/// [`Preface::NeedMore`]; it never asks for more than 1 KiB.
#[must_use]
pub fn preface(arrived: &[u8]) -> Preface {
    if arrived.starts_with(V1_START) {
        v1(arrived)
    } else if arrived.starts_with(V2_START) {
        v2(arrived)
    } else if V1_START.starts_with(arrived) || V2_START.starts_with(arrived) {
        Preface::NeedMore
    } else {
        Preface::NotProxyHeader
    }
}

fn v1(arrived: &[u8]) -> Preface {
    let within = arrived.get(..V1_MAX).unwrap_or(arrived);
    match within.iter().position(|&byte| byte == b'\n') {
        Some(end) => header(arrived, end + 1),
        None if arrived.len() < V1_MAX => Preface::NeedMore,
        None => Preface::Fault(ProxyFault::TooLong),
    }
}

fn v2(arrived: &[u8]) -> Preface {
    let Some(&[high, low]) = arrived.get(V2_FIXED - 2..V2_FIXED) else {
        return Preface::NeedMore;
    };
    let length = V2_FIXED + usize::from(u16::from_be_bytes([high, low]));
    if length > V2_MAX {
        Preface::Fault(ProxyFault::TooLong)
    } else if arrived.len() < length {
        Preface::NeedMore
    } else {
        header(arrived, length)
    }
}

/// Decodes a header whose end is known.
fn header(arrived: &[u8], length: usize) -> Preface {
    let whole = arrived.get(..length).unwrap_or(arrived);
    match ProxyHeader::parse(whole, ParseConfig::default()) {
        Ok((header, used)) if used == length => match header.proxied_address() {
            Some(address) if address.protocol == Protocol::Datagram => {
                Preface::Fault(ProxyFault::Datagram)
            }
            address => Preface::Header {
                client: address.map(|address| address.source),
                length,
            },
        },
        Ok(_) | Err(_) => Preface::Fault(ProxyFault::Malformed),
    }
}

/// Who is behind `peer`, by the values of its `X-Forwarded-For` headers in the order sent.
///
/// From a trusted peer: the right-most address that is not itself trusted. What stands left of it
/// was written by strangers. Where the chain breaks off (garbage, or all are trusted) the last hop
/// that could be read counts. From any other peer the headers say nothing.
#[must_use]
pub fn client_by_forwarded_for<'a>(
    trusted: &TrustedProxies,
    peer: ClientAddr,
    values: impl DoubleEndedIterator<Item = &'a [u8]>,
) -> ClientAddr {
    let mut hops = values
        .rev()
        .flat_map(|value| value.rsplit(|&byte| byte == b','));
    let mut client = peer;
    while trusted.contains(client) {
        let Some(before) = hops.next().and_then(hop) else {
            break;
        };
        client = before;
    }
    client
}

/// An address, bare or as some proxies write it: with a port, IPv6 then in brackets.
fn hop(text: &[u8]) -> Option<ClientAddr> {
    let text = str::from_utf8(text.trim_ascii()).ok()?;
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let ip: Option<IpAddr> = text.parse().ok().or_else(bracketed);
    let with_port = || text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    ip.or_else(with_port).map(ClientAddr::from)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn trusted(nets: &[&str]) -> Result<TrustedProxies, TrustsEveryone> {
        TrustedProxies::new(nets.iter().map(|net| net.parse().unwrap()))
    }

    fn client(text: &str) -> ClientAddr {
        text.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn trusting_everyone_is_refused_however_it_is_written() {
        for nets in [
            &["0.0.0.0/0"][..],
            &["::/0"],
            &["10.0.0.0/8", "192.0.2.1/0"],
            &["0.0.0.0/1", "128.0.0.0/1"],
            &["::/1", "8000::/1"],
            &["::ffff:0.0.0.0/96"],
        ] {
            assert!(trusted(nets).is_err(), "{nets:?}");
        }
        assert!(trusted(&["10.0.0.0/8", "fd00::/8"]).is_ok());
    }

    #[test]
    fn nobody_is_trusted_by_default() {
        assert!(!TrustedProxies::default().contains(client("127.0.0.1")));
        let some = trusted(&["10.1.2.3/8", "::ffff:192.0.2.0/120"]).unwrap();
        assert!(some.contains(client("10.9.9.9")));
        assert!(some.contains(client("192.0.2.9")));
        assert!(!some.contains(client("192.0.3.9")));
    }

    #[track_caller]
    fn check(bytes: &[u8], expected: Preface) {
        for end in 0..bytes.len() {
            assert_eq!(
                preface(&bytes[..end]),
                Preface::NeedMore,
                "{end} of {bytes:?}"
            );
        }
        assert_eq!(preface(bytes), expected);
        assert_eq!(preface(&[bytes, b"GET /"].concat()), expected);
    }

    fn came_from(client: &str, length: usize) -> Preface {
        let client = Some(client.parse().unwrap());
        Preface::Header { client, length }
    }

    fn v2(version: u8, family: u8, address: &[u8]) -> Vec<u8> {
        let length = u16::try_from(address.len()).unwrap().to_be_bytes();
        [V2_START, &[version, family], &length, address].concat()
    }

    #[test]
    fn both_versions_name_the_client() {
        let line = b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 443\r\n";
        check(line, came_from("192.0.2.7:5000", line.len()));
        let line = b"PROXY TCP6 2001:db8::7 2001:db8::1 5000 443\r\n";
        check(line, came_from("[2001:db8::7]:5000", line.len()));
        let binary = v2(
            0x21,
            0x11,
            &[192, 0, 2, 7, 192, 0, 2, 1, 0x13, 0x88, 1, 0xbb],
        );
        check(&binary, came_from("192.0.2.7:5000", binary.len()));
    }

    #[test]
    fn tlvs_are_skipped() {
        let address = [
            192, 0, 2, 7, 192, 0, 2, 1, 0x13, 0x88, 1, 0xbb, 4, 0, 3, 0, 0, 0,
        ];
        let binary = v2(0x21, 0x11, &address);
        check(&binary, came_from("192.0.2.7:5000", binary.len()));
    }

    #[test]
    fn a_health_check_or_unknown_origin_counts_as_the_proxy_itself() {
        let nobody = |length| Preface::Header {
            client: None,
            length,
        };
        check(b"PROXY UNKNOWN\r\n", nobody(15));
        check(b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", nobody(35));
        check(&v2(0x20, 0x00, &[]), nobody(16));
        check(&v2(0x20, 0x11, &[1; 12]), nobody(28));
        check(&v2(0x21, 0x31, &[0; 216]), nobody(232));
    }

    #[test]
    fn a_connection_without_the_header_is_told_apart_by_its_first_bytes() {
        for bytes in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"\x16\x03\x01",
            b"\r\nGET /",
            b"PROPFIND / HTTP/1.1",
            b"PROXYTCP4",
            b"PROXY\t",
            b"POST",
            b"\0",
        ] {
            assert_eq!(preface(bytes), Preface::NotProxyHeader, "{bytes:?}");
        }
        assert_eq!(preface(b""), Preface::NeedMore);
    }

    #[test]
    fn a_malformed_header_ends_the_connection() {
        let malformed = Preface::Fault(ProxyFault::Malformed);
        for line in [
            "PROXY TCP4 192.0.2.7 192.0.2.1 5000 443\n",
            "PROXY TCP4 ::1 ::1 1 2\r\n",
            "PROXY TCP4 192.0.2.7 192.0.2.1 5000 70000\r\n",
            "PROXY TCP4 192.0.2.7 192.0.2.1 5000\r\n",
            "PROXY TCP5 192.0.2.7 192.0.2.1 5000 443\r\n",
            "PROXY \r\n",
            "PROXY TCP4  192.0.2.7 192.0.2.1 5000 443\r\n",
            "PROXY TCP4 192.0.2.7 192.0.2.1 5000 443 \r\n",
        ] {
            assert_eq!(preface(line.as_bytes()), malformed, "{line}");
        }
        assert_eq!(preface(&v2(0x11, 0x11, &[1; 12])), malformed);
        assert_eq!(preface(&v2(0x21, 0x11, &[1; 11])), malformed);
        assert_eq!(preface(&v2(0x21, 0x41, &[1; 12])), malformed);
        assert_eq!(
            preface(&v2(0x21, 0x12, &[1; 12])),
            Preface::Fault(ProxyFault::Datagram)
        );
    }

    #[test]
    fn an_endless_header_is_not_waited_for() {
        let too_long = Preface::Fault(ProxyFault::TooLong);
        let line = [V1_START, &[b'x'; V1_MAX]].concat();
        assert_eq!(preface(&line), too_long);
        assert_eq!(preface(&line[..V1_MAX]), too_long);
        assert_eq!(preface(&line[..V1_MAX - 1]), Preface::NeedMore);
        let ended = [&line[..], b"\r\n"].concat();
        assert_eq!(preface(&ended), too_long);
        let binary = v2(0x21, 0x11, &[0; V2_MAX - V2_FIXED + 1]);
        assert_eq!(preface(&binary[..V2_FIXED]), too_long);
        let binary = v2(0x21, 0x11, &[0; V2_MAX - V2_FIXED]);
        assert!(matches!(
            preface(&binary),
            Preface::Header { length: V2_MAX, .. }
        ));
    }

    #[track_caller]
    fn check_forwarded(peer: &str, values: &[&str], expected: &str) {
        let trusted = trusted(&["10.0.0.0/8", "fd00::/8"]).unwrap();
        let values = values.iter().map(|value| value.as_bytes());
        let found = client_by_forwarded_for(&trusted, client(peer), values);
        assert_eq!(found, client(expected));
    }

    #[test]
    fn a_stranger_cannot_say_who_he_is() {
        check_forwarded("192.0.2.7", &["198.51.100.1"], "192.0.2.7");
        check_forwarded("192.0.2.7", &["10.0.0.1, 10.0.0.2"], "192.0.2.7");
    }

    #[test]
    fn the_right_most_untrusted_hop_is_the_client() {
        check_forwarded("10.0.0.1", &["198.51.100.1"], "198.51.100.1");
        check_forwarded(
            "10.0.0.1",
            &["6.6.6.6, 198.51.100.1,10.0.0.2"],
            "198.51.100.1",
        );
        check_forwarded(
            "10.0.0.1",
            &["6.6.6.6", "198.51.100.1", "10.0.0.2"],
            "198.51.100.1",
        );
        check_forwarded("fd00::1", &["::ffff:198.51.100.1"], "198.51.100.1");
        check_forwarded("::ffff:10.0.0.1", &["198.51.100.1:8080"], "198.51.100.1");
        check_forwarded("10.0.0.1", &["[2001:db8::7]:8080"], "2001:db8::7");
        check_forwarded("10.0.0.1", &["[2001:db8::7]"], "2001:db8::7");
    }

    #[test]
    fn where_the_chain_breaks_off_the_last_readable_hop_counts() {
        check_forwarded("10.0.0.1", &[], "10.0.0.1");
        check_forwarded("10.0.0.1", &[""], "10.0.0.1");
        check_forwarded("10.0.0.1", &["198.51.100.1, unknown"], "10.0.0.1");
        check_forwarded("10.0.0.1", &["198.51.100.1,, 10.0.0.2"], "10.0.0.2");
        check_forwarded("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3");
    }

    proptest! {
        #[test]
        fn any_bytes_get_a_verdict_that_more_bytes_do_not_change(
            start in prop::sample::select(vec![b"", V1_START, V2_START]),
            rest: Vec<u8>,
        ) {
            let bytes = [start, &rest].concat();
            let verdict = (0..=bytes.len())
                .map(|end| preface(&bytes[..end]))
                .find(|verdict| *verdict != Preface::NeedMore);
            prop_assert_eq!(verdict.unwrap_or(Preface::NeedMore), preface(&bytes));
            if let Preface::Header { length, .. } = preface(&bytes) {
                prop_assert!(length <= bytes.len());
            }
        }

        #[test]
        fn what_is_encoded_is_read_back(source: SocketAddr, destination: SocketAddr, binary: bool) {
            use proxy_header::ProxiedAddress;
            prop_assume!(source.is_ipv4() == destination.is_ipv4());
            let header = ProxyHeader::with_address(ProxiedAddress::stream(source, destination));
            let mut bytes = Vec::new();
            if binary {
                header.encode_v2(&mut bytes).unwrap();
            } else {
                header.encode_v1(&mut bytes).unwrap();
            }
            let Preface::Header { client: Some(client), length } = preface(&bytes) else {
                panic!("{:?}", preface(&bytes));
            };
            prop_assert_eq!((client.ip(), client.port()), (source.ip(), source.port()));
            prop_assert_eq!(length, bytes.len());
        }

        #[test]
        fn any_forwarded_for_ends_at_the_peer_or_at_a_hop(
            values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..4),
        ) {
            let peer = client("192.0.2.7");
            let values = values.iter().map(Vec::as_slice);
            let found = client_by_forwarded_for(&TrustedProxies::default(), peer, values);
            prop_assert_eq!(found, peer);
        }
    }
}
