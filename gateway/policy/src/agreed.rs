//! What complete handshakes agreed on, and which clients still need profile `old`: so that the
//! administrator knows when he may stop speaking it. Nothing is decided by it.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use crate::{ClientKey, Moment, handshake::TlsVersion};

/// Old clients remembered; the one that was away longest makes room.
pub const OLD_CLIENTS: usize = 64;
/// A terminal that was away for longer may have been replaced.
pub const LATELY: Duration = Duration::from_hours(30 * 24);

/// One way to agree; few different ones, because each word is one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Agreed {
    pub version: TlsVersion,
    pub cipher: &'static str,
    /// Of the key exchange; `none` where RSA did it.
    pub group: &'static str,
}

/// Those of one database, or of the server port.
#[derive(Debug, Default)]
pub struct Handshakes {
    counts: BTreeMap<Agreed, u64>,
    old: HashMap<ClientKey, OldClient>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OldClient {
    pub version: TlsVersion,
    pub cipher: &'static str,
    pub last_seen: Moment,
}

impl Handshakes {
    /// `needs_old`: no stricter profile would have agreed on it.
    pub fn complete(&mut self, client: ClientKey, agreed: Agreed, needs_old: bool, now: Moment) {
        *self.counts.entry(agreed).or_insert(0) += 1;
        if !needs_old {
            return;
        }
        if self.old.len() >= OLD_CLIENTS && !self.old.contains_key(&client) {
            let longest_away = self.old.iter().min_by_key(|(_, old)| old.last_seen);
            if let Some(longest_away) = longest_away.map(|(client, _)| *client) {
                self.old.remove(&longest_away);
            }
        }
        let old = OldClient {
            version: agreed.version,
            cipher: agreed.cipher,
            last_seen: now,
        };
        self.old.insert(client, old);
    }

    /// How often which way was agreed on, the most frequent first.
    #[must_use]
    pub fn counts(&self) -> Vec<(Agreed, u64)> {
        let mut counts: Vec<_> = self
            .counts
            .iter()
            .map(|(way, count)| (*way, *count))
            .collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts
    }

    /// Who has needed profile `old` [`LATELY`], the last one first.
    #[must_use]
    pub fn old_clients(&self, now: Moment) -> Vec<(ClientKey, OldClient)> {
        let old = self.old.iter().map(|(client, old)| (*client, *old));
        let mut old: Vec<_> = old
            .filter(|(_, old)| now.since(old.last_seen) < LATELY)
            .collect();
        old.sort_by_key(|(client, old)| (std::cmp::Reverse(old.last_seen), *client));
        old
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Moment = Moment(1_000_000);

    fn agreed(version: TlsVersion) -> Agreed {
        Agreed {
            version,
            cipher: "AES128-SHA",
            group: "none",
        }
    }

    fn client(last: u32) -> ClientKey {
        format!("10.0.{}.{}", last / 256, last % 256)
            .parse()
            .unwrap()
    }

    #[test]
    fn who_needs_the_old_profile_is_named_for_thirty_days_and_nobody_else_is() {
        let mut handshakes = Handshakes::default();
        handshakes.complete(client(1), agreed(TlsVersion::Tls12), false, START);
        assert_eq!(handshakes.old_clients(START), []);
        handshakes.complete(client(2), agreed(TlsVersion::Tls12), true, START);
        let second = Duration::from_secs(1);
        let named = |now| {
            handshakes
                .old_clients(now)
                .into_iter()
                .map(|(client, _)| client)
        };
        let just_before = START.plus(LATELY - second);
        assert_eq!(named(just_before).collect::<Vec<_>>(), [client(2)]);
        assert_eq!(named(START.plus(LATELY)).count(), 0);
    }

    #[test]
    fn whoever_was_away_longest_makes_room_and_counts_go_on() {
        let mut handshakes = Handshakes::default();
        let many = u32::try_from(OLD_CLIENTS).unwrap();
        for number in 0..=many {
            let now = START.plus(Duration::from_secs(number.into()));
            handshakes.complete(client(number), agreed(TlsVersion::Tls10), true, now);
            // The first one comes again and again.
            handshakes.complete(client(0), agreed(TlsVersion::Tls10), true, now);
        }
        let old = handshakes.old_clients(START);
        assert_eq!(old.len(), OLD_CLIENTS);
        let is_named = |number| old.iter().any(|(named, _)| *named == client(number));
        assert!(is_named(0) && !is_named(1) && is_named(2) && is_named(many));
        let counted = u64::from(many + 1) * 2;
        assert_eq!(handshakes.counts(), [(agreed(TlsVersion::Tls10), counted)]);
    }
}
