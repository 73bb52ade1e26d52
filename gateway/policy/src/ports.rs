//! Who may listen where, judged on the whole new set at once, and what changes for the sockets.
//!
//! A port belongs to one holder over all databases, their print servers, the server port, the
//! certificate page and the metrics. Because the set is judged after the change and not step by step, two databases may
//! swap ports. Nothing here binds: [`Listeners::change_from`] says which sockets to open and
//! close and in which order, and never names one that stays.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, SocketAddr},
};

use backend_types::DatabaseId;

/// Who claims a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// A database's data server.
    Data(DatabaseId),
    /// A database's print server.
    Print(DatabaseId),
    /// The one port for all databases.
    Server,
    /// The page by which a terminal gets to trust the server.
    CertificatePage,
    Metrics,
}

impl Holder {
    /// The database it serves; `None` for ports that are nobody's.
    #[must_use]
    pub fn database(&self) -> Option<&DatabaseId> {
        match self {
            Self::Data(id) | Self::Print(id) => Some(id),
            Self::Server | Self::CertificatePage | Self::Metrics => None,
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(id) => write!(f, "the data server of {id}"),
            Self::Print(id) => write!(f, "the print server of {id}"),
            Self::Server => f.write_str("the server port"),
            Self::CertificatePage => f.write_str("the certificate page"),
            Self::Metrics => f.write_str("the metrics"),
        }
    }
}

/// A wish to listen; port 0 lets the system choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub holder: Holder,
    pub address: SocketAddr,
}

/// Two claims that exclude each other; nothing of the new set comes into force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("port {port} is claimed by {first} and by {second}")]
pub struct Clash {
    pub port: u16,
    pub first: Holder,
    pub second: Holder,
}

/// Listeners by holder, no two on one port: those wanted, or those bound.
///
/// The address is the one *asked for*: a listener that asked for port 0 stands here with 0, or the
/// port the system chose would look like a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listeners(BTreeMap<Holder, SocketAddr>);

/// The way from one set of listeners to another, in three steps.
///
/// What a step names is sorted by holder; what no step names keeps its socket and its connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Bind first: none of our sockets is in the way. Where this fails (another process holds the
    /// port) the holder's old listener may stay instead of being closed.
    pub open_first: Vec<Claim>,
    /// Then close, and wait until the port is free.
    pub close: Vec<Claim>,
    /// Then bind what one of the closed ones was in the way of; so two databases swap ports.
    pub open_last: Vec<Claim>,
}

impl Listeners {
    /// Judges the whole set. Port 0 never clashes.
    ///
    /// # Errors
    /// Every claim that meets an earlier one, or a holder that claims twice, with both holders.
    pub fn judge(claims: impl IntoIterator<Item = Claim>) -> Result<Self, Vec<Clash>> {
        let mut by_port: BTreeMap<u16, Vec<Claim>> = BTreeMap::new();
        let (mut listeners, mut clashes) = (BTreeMap::new(), Vec::new());
        for claim in claims {
            let port = claim.address.port();
            let same_port = by_port.entry(port).or_default();
            let taken = same_port
                .iter()
                .find(|other| port != 0 && overlap(other.address, claim.address))
                .map(|other| other.holder.clone());
            let twice = listeners
                .insert(claim.holder.clone(), claim.address)
                .map(|_| claim.holder.clone());
            if let Some(first) = taken.or(twice) {
                let second = claim.holder.clone();
                clashes.push(Clash {
                    port,
                    first,
                    second,
                });
            }
            same_port.push(claim);
        }
        if clashes.is_empty() {
            Ok(Self(listeners))
        } else {
            Err(clashes)
        }
    }

    /// What to do for these to become the listeners, `bound` being those there are. A holder
    /// missing in `bound` because its port was busy is opened again.
    #[must_use]
    pub fn change_from(&self, bound: &Self) -> Change {
        let close: Vec<Claim> = bound
            .iter()
            .filter(|claim| self.0.get(&claim.holder) != Some(&claim.address))
            .collect();
        let in_the_way = |claim: &Claim| {
            let mut leaving = close.iter();
            leaving.any(|other| overlap(other.address, claim.address))
        };
        let (open_last, open_first) = self
            .iter()
            .filter(|claim| bound.0.get(&claim.holder) != Some(&claim.address))
            .partition(in_the_way);
        Change {
            open_first,
            close,
            open_last,
        }
    }

    /// What a listener was asked to bind.
    #[must_use]
    pub fn address(&self, holder: &Holder) -> Option<SocketAddr> {
        self.0.get(holder).copied()
    }

    pub fn iter(&self) -> impl Iterator<Item = Claim> {
        self.0.iter().map(|(holder, &address)| Claim {
            holder: holder.clone(),
            address,
        })
    }

    /// Notes that a bind succeeded.
    pub fn opened(&mut self, claim: Claim) {
        self.0.insert(claim.holder, claim.address);
    }

    /// Notes that a listener is gone. One that moved and is already noted at its new address stays.
    pub fn closed(&mut self, claim: &Claim) {
        if self.0.get(&claim.holder) == Some(&claim.address) {
            self.0.remove(&claim.holder);
        }
    }
}

impl Change {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open_first.is_empty() && self.close.is_empty() && self.open_last.is_empty()
    }
}

/// Whether two sockets cannot be bound at once. `::` is dual stack, so it covers both families.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let covers = |wide: IpAddr, narrow: IpAddr| {
        wide.is_unspecified() && (wide.is_ipv6() || narrow.is_ipv4())
    };
    let (a_ip, b_ip) = (a.ip().to_canonical(), b.ip().to_canonical());
    a.port() != 0
        && a.port() == b.port()
        && (a_ip == b_ip || covers(a_ip, b_ip) || covers(b_ip, a_ip))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn data(id: &str) -> Holder {
        Holder::Data(id.parse().unwrap())
    }

    fn print(id: &str) -> Holder {
        Holder::Print(id.parse().unwrap())
    }

    fn claim(holder: Holder, port: u16) -> Claim {
        let address = SocketAddr::from(([0_u16; 8], port));
        Claim { holder, address }
    }

    fn at(holder: Holder, address: &str) -> Claim {
        let address = address.parse().unwrap();
        Claim { holder, address }
    }

    fn judged(claims: &[Claim]) -> Listeners {
        Listeners::judge(claims.to_vec()).unwrap()
    }

    #[track_caller]
    fn check_clash(claims: &[Claim], port: u16, first: Holder, second: Holder) {
        let clash = Clash {
            port,
            first,
            second,
        };
        assert_eq!(Listeners::judge(claims.to_vec()), Err(vec![clash]));
    }

    #[test]
    fn a_port_has_one_holder_over_databases_print_servers_server_port_page_and_metrics() {
        let all = [
            claim(data("a"), 9706),
            claim(print("a"), 9707),
            claim(data("b"), 9708),
            claim(Holder::Server, 10501),
            claim(Holder::CertificatePage, 10502),
            at(Holder::Metrics, "127.0.0.1:10509"),
        ];
        assert!(Listeners::judge(all.clone()).is_ok());
        for taken in &all {
            let claims = [&all[..], &[claim(data("c"), taken.address.port())]].concat();
            check_clash(
                &claims,
                taken.address.port(),
                taken.holder.clone(),
                data("c"),
            );
        }
    }

    #[test]
    fn a_databases_print_port_clashes_with_its_own_data_port() {
        let claims = [claim(data("a"), 9706), claim(print("a"), 9706)];
        check_clash(&claims, 9706, data("a"), print("a"));
    }

    #[test]
    fn every_clash_is_told_not_only_the_first() {
        let claims = [9706, 9706, 9707, 9707, 9706].map(|port| claim(Holder::Server, port));
        let ids = ["a", "b", "c", "d", "e"].map(data);
        let claims = claims.into_iter().zip(ids);
        let claims = claims.map(|(claim, holder)| Claim { holder, ..claim });
        assert_eq!(Listeners::judge(claims).unwrap_err().len(), 3);
    }

    #[test]
    fn port_zero_never_clashes() {
        let claims = [
            claim(data("a"), 0),
            claim(data("b"), 0),
            claim(Holder::Server, 0),
        ];
        assert!(Listeners::judge(claims).is_ok());
    }

    #[test]
    fn a_holder_claims_once() {
        check_clash(
            &[claim(data("a"), 1), claim(data("a"), 2)],
            2,
            data("a"),
            data("a"),
        );
    }

    #[test]
    fn metrics_share_a_port_number_only_on_another_address() {
        let beside = [
            at(data("a"), "192.0.2.1:9706"),
            at(Holder::Metrics, "127.0.0.1:9706"),
        ];
        assert!(Listeners::judge(beside).is_ok());
        let families = [
            at(data("a"), "0.0.0.0:9706"),
            at(Holder::Metrics, "[::1]:9706"),
        ];
        assert!(Listeners::judge(families).is_ok());
        for (data_address, metrics) in [
            ("[::]:9706", "127.0.0.1:9706"),
            ("0.0.0.0:9706", "127.0.0.1:9706"),
            ("127.0.0.1:9706", "[::]:9706"),
            ("[::]:9706", "[::1]:9706"),
            ("127.0.0.1:9706", "[::ffff:127.0.0.1]:9706"),
        ] {
            let claims = [at(data("a"), data_address), at(Holder::Metrics, metrics)];
            check_clash(&claims, 9706, data("a"), Holder::Metrics);
        }
    }

    #[test]
    fn two_databases_swap_ports_by_closing_both_first() {
        let bound = judged(&[
            claim(data("a"), 9706),
            claim(data("b"), 9707),
            claim(data("c"), 9708),
        ]);
        let swapped = [claim(data("a"), 9707), claim(data("b"), 9706)];
        let wanted = judged(&[&swapped[..], &[claim(data("c"), 9708)]].concat());
        assert_eq!(
            wanted.change_from(&bound),
            Change {
                open_first: vec![],
                close: vec![claim(data("a"), 9706), claim(data("b"), 9707)],
                open_last: swapped.to_vec(),
            }
        );
    }

    #[test]
    fn a_move_to_a_free_port_opens_before_it_closes() {
        let bound = judged(&[claim(data("a"), 9706)]);
        let wanted = judged(&[claim(data("a"), 9707)]);
        assert_eq!(
            wanted.change_from(&bound),
            Change {
                open_first: vec![claim(data("a"), 9707)],
                close: vec![claim(data("a"), 9706)],
                open_last: vec![],
            }
        );
    }

    #[test]
    fn a_port_that_passes_to_another_database_is_closed_between() {
        let change =
            judged(&[claim(data("b"), 9706)]).change_from(&judged(&[claim(data("a"), 9706)]));
        assert_eq!(change.close, [claim(data("a"), 9706)]);
        assert_eq!(change.open_last, [claim(data("b"), 9706)]);
    }

    #[test]
    fn a_listener_that_asked_for_port_zero_stays() {
        let listeners = judged(&[claim(data("a"), 0), claim(data("b"), 9706)]);
        assert!(listeners.change_from(&listeners).is_empty());
    }

    #[test]
    fn a_listener_that_could_not_be_bound_is_tried_again() {
        let wanted = judged(&[claim(data("a"), 9706)]);
        let change = wanted.change_from(&Listeners::default());
        assert_eq!(change.open_first, [claim(data("a"), 9706)]);
    }

    fn set() -> impl Strategy<Value = Vec<Claim>> {
        let holder = prop_oneof![
            (0..4_u8).prop_map(|n| data(&n.to_string())),
            (0..4_u8).prop_map(|n| print(&n.to_string())),
            Just(Holder::Server),
            Just(Holder::CertificatePage),
            Just(Holder::Metrics),
        ];
        let address = prop::sample::select(vec!["[::]", "0.0.0.0", "127.0.0.1", "192.0.2.1"]);
        let claim = (holder, address, 0..5_u16)
            .prop_map(|(holder, ip, port)| at(holder, &format!("{ip}:{port}")));
        prop::collection::vec(claim, 0..7)
    }

    proptest! {
        #[test]
        fn a_set_is_accepted_exactly_when_no_two_claims_meet(claims in set()) {
            let meet = claims.iter().enumerate().any(|(n, a)| {
                claims.iter().skip(n + 1).any(|b| a.holder == b.holder || overlap(a.address, b.address))
            });
            prop_assert_eq!(Listeners::judge(claims).is_err(), meet);
        }

        #[test]
        fn each_step_binds_only_free_ports_and_the_last_ends_at_the_wanted_set(
            before in set(),
            after in set(),
        ) {
            let (Ok(before), Ok(wanted)) = (Listeners::judge(before), Listeners::judge(after)) else {
                return Ok(());
            };
            let change = wanted.change_from(&before);
            let mut bound = before.clone();
            let mut sockets: BTreeSet<SocketAddr> = before.iter().map(|claim| claim.address).collect();
            let free = |sockets: &BTreeSet<SocketAddr>, claim: &Claim| {
                !sockets.iter().any(|&socket| overlap(socket, claim.address))
            };
            for claim in change.open_first {
                prop_assert!(free(&sockets, &claim));
                sockets.insert(claim.address);
                bound.opened(claim);
            }
            for claim in change.close {
                sockets.remove(&claim.address);
                bound.closed(&claim);
            }
            for claim in change.open_last {
                prop_assert!(free(&sockets, &claim));
                sockets.insert(claim.address);
                bound.opened(claim);
            }
            prop_assert_eq!(bound, wanted);
        }
    }
}
