//! The one decision about addresses, asked at accept, at every request of the server port, by the
//! throttle and again when a list changes: whitelist, then blacklist, then in.
//!
//! A whitelisted address is never blocked and never throttled; nothing else grants exemption. An
//! address in neither list is admitted: "only these" is a blacklist of `0.0.0.0/0` and `::/0`
//! beside a whitelist. Not here: the cap of connections per address (it counts, so it has state)
//! and the files with their last good content.

use std::sync::Arc;

use crate::{ClientAddr, address_list::AddressList};

/// Both lists of one database as they are in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lists {
    pub whitelist: Arc<AddressList>,
    pub blacklist: Blacklist,
}

/// A blacklist in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blacklist {
    Read(Arc<AddressList>),
    /// Damaged, and no good one known: whoever is not whitelisted might be on it.
    Unreadable,
}

impl Default for Blacklist {
    fn default() -> Self {
        Self::Read(Arc::default())
    }
}

/// What a database says to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Let in, and exempt from throttle, caps and rates.
    Whitelisted,
    Admitted,
    /// The connection is closed without a byte.
    Blocked,
}

impl Verdict {
    #[must_use]
    pub fn is_exempt(self) -> bool {
        self == Self::Whitelisted
    }

    #[must_use]
    pub fn is_blocked(self) -> bool {
        self == Self::Blocked
    }
}

/// Rule 1: whitelist first.
#[must_use]
pub fn admit(lists: &Lists, client: ClientAddr) -> Verdict {
    if lists.whitelist.contains(client) {
        return Verdict::Whitelisted;
    }
    match &lists.blacklist {
        Blacklist::Read(blacklist) if !blacklist.contains(client) => Verdict::Admitted,
        Blacklist::Read(_) | Blacklist::Unreadable => Verdict::Blocked,
    }
}

/// For the server port before the path is known: whether no database would have the address.
/// Without any database nobody refuses, and the route answers that there is nothing here.
#[must_use]
pub fn refused_by_all<'a>(
    databases: impl IntoIterator<Item = &'a Lists>,
    client: ClientAddr,
) -> bool {
    let mut databases = databases.into_iter().peekable();
    databases.peek().is_some() && databases.all(|lists| admit(lists, client).is_blocked())
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    fn list(text: &str) -> Arc<AddressList> {
        Arc::new(AddressList::parse(text.as_bytes()).unwrap())
    }

    fn lists(whitelist: &str, blacklist: &str) -> Lists {
        Lists {
            whitelist: list(whitelist),
            blacklist: Blacklist::Read(list(blacklist)),
        }
    }

    #[track_caller]
    fn check(lists: &Lists, ip: &str, verdict: Verdict) {
        let ip: IpAddr = ip.parse().unwrap();
        assert_eq!(admit(lists, ip.into()), verdict, "{ip}");
    }

    #[test]
    fn the_whitelist_wins_over_the_blacklist() {
        let lists = lists("10.0.0.5", "10.0.0.0/8");
        check(&lists, "10.0.0.5", Verdict::Whitelisted);
        check(&lists, "::ffff:10.0.0.5", Verdict::Whitelisted);
        check(&lists, "10.0.0.6", Verdict::Blocked);
        check(&lists, "11.0.0.1", Verdict::Admitted);
    }

    #[test]
    fn with_everything_blacklisted_only_the_whitelist_gets_in() {
        let lists = lists("10.0.0.5\n2001:db8::5", "0.0.0.0/0\n::/0");
        check(&lists, "10.0.0.5", Verdict::Whitelisted);
        check(&lists, "2001:db8::5", Verdict::Whitelisted);
        check(&lists, "10.0.0.6", Verdict::Blocked);
        check(&lists, "2001:db8::6", Verdict::Blocked);
    }

    #[test]
    fn an_unreadable_blacklist_admits_the_whitelist_alone() {
        let lists = Lists {
            whitelist: list("10.0.0.5"),
            blacklist: Blacklist::Unreadable,
        };
        check(&lists, "10.0.0.5", Verdict::Whitelisted);
        check(&lists, "10.0.0.6", Verdict::Blocked);
    }

    #[test]
    fn without_lists_everyone_is_admitted_and_nobody_exempt() {
        check(&Lists::default(), "192.0.2.1", Verdict::Admitted);
        assert!(!Verdict::Admitted.is_exempt());
    }

    #[test]
    fn the_server_port_cuts_only_whom_every_database_refuses() {
        let (closed, open) = (lists("10.0.0.5", "0.0.0.0/0"), lists("", ""));
        let client = |text: &str| text.parse::<IpAddr>().unwrap().into();
        assert!(refused_by_all([&closed, &closed], client("10.0.0.6")));
        assert!(!refused_by_all([&closed, &closed], client("10.0.0.5")));
        assert!(!refused_by_all([&closed, &open], client("10.0.0.6")));
        assert!(!refused_by_all([], client("10.0.0.6")));
    }

    /// A range as the model keeps it: two numbers in one family.
    type Span = (bool, u8, u8);

    fn span() -> impl Strategy<Value = Span> {
        (any::<bool>(), 0..64_u8, 0..64_u8).prop_map(|(v4, a, b)| (v4, a.min(b), a.max(b)))
    }

    /// The model's small world lies at the edges of what a byte can carry over.
    fn ip(v4: bool, n: u8) -> IpAddr {
        if v4 {
            Ipv4Addr::from_bits(0x0a00_00e0 + u32::from(n)).into()
        } else {
            Ipv6Addr::from_bits((0x2001_0db8 << 96) + 0xffe0 + u128::from(n)).into()
        }
    }

    fn written(spans: &[Span]) -> Arc<AddressList> {
        let text: String = spans
            .iter()
            .map(|&(v4, a, b)| format!("{}-{}\n", ip(v4, a), ip(v4, b)))
            .collect();
        list(&text)
    }

    fn naive(whitelist: &[Span], blacklist: Option<&[Span]>, v4: bool, n: u8) -> Verdict {
        let on = |spans: &[Span]| {
            spans
                .iter()
                .any(|&(family, a, b)| family == v4 && a <= n && n <= b)
        };
        let white = on(whitelist);
        let black = blacklist.is_none_or(on);
        match (white, black) {
            (true, _) => Verdict::Whitelisted,
            (false, true) => Verdict::Blocked,
            (false, false) => Verdict::Admitted,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Every address of the small world, mapped form included: 2,000 × 192 questions.
        #[test]
        fn the_verdict_is_that_of_a_naive_model(
            whitelist in prop::collection::vec(span(), 0..4),
            blacklist in prop::option::weighted(0.9, prop::collection::vec(span(), 0..5)),
        ) {
            let lists = Lists {
                whitelist: written(&whitelist),
                blacklist: blacklist.as_deref().map_or(Blacklist::Unreadable, |spans| {
                    Blacklist::Read(written(spans))
                }),
            };
            for n in 0..64 {
                for v4 in [true, false] {
                    let verdict = naive(&whitelist, blacklist.as_deref(), v4, n);
                    prop_assert_eq!(admit(&lists, ip(v4, n).into()), verdict);
                    if let IpAddr::V4(ip) = ip(v4, n) {
                        let mapped = IpAddr::from(ip.to_ipv6_mapped());
                        prop_assert_eq!(admit(&lists, mapped.into()), verdict);
                    }
                }
            }
        }
    }
}
