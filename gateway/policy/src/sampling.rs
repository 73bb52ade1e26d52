//! Which refused connections get a log line of their own: the first of each client and minute.
//!
//! Whoever is refused can come back ten thousand times a second, and from as many addresses as he
//! has; a line for each would fill the disk that sessions are kept on. What gets no line is
//! counted, and told once a minute. Counters of metrics do not pass through here: they are exact.

use std::{collections::HashMap, time::Duration};

use crate::{ClientKey, Moment};

/// Lines of one client in a minute.
pub const LINES_OF_A_CLIENT: u32 = 10;
/// Lines of all clients together.
const LINES: u32 = 600;
/// Clients told apart within a minute; what others do is counted as one.
const CLIENTS: usize = 4_096;
/// Clients that the summary names.
const NAMED: usize = 20;
const MINUTE: Duration = Duration::from_secs(60);

/// The present minute.
#[derive(Debug, Default)]
pub struct Sampling {
    began: Option<Moment>,
    written: u32,
    clients: HashMap<ClientKey, Counted>,
    /// Refusals of clients beyond [`CLIENTS`] that got no line.
    unnamed: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    written: u32,
    suppressed: u64,
    reason: &'static str,
}

/// What a minute's lines did not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Those with the most, the most first.
    pub clients: Vec<Suppressed>,
    /// Of all others together.
    pub others: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppressed {
    pub client: ClientKey,
    pub count: u64,
    /// Of the last one.
    pub reason: &'static str,
}

impl Sampling {
    /// Whether this refusal gets a line.
    pub fn line(&mut self, client: ClientKey, reason: &'static str, now: Moment) -> bool {
        self.began.get_or_insert(now);
        let room = self.written < LINES;
        let full = self.clients.len() >= CLIENTS;
        let line = match self.clients.get_mut(&client) {
            None if full => {
                self.unnamed += u64::from(!room);
                room
            }
            known => {
                let counted = match known {
                    Some(counted) => counted,
                    None => self.clients.entry(client).or_default(),
                };
                counted.reason = reason;
                let line = room && counted.written < LINES_OF_A_CLIENT;
                if line {
                    counted.written += 1;
                } else {
                    counted.suppressed += 1;
                }
                line
            }
        };
        self.written += u32::from(line);
        line
    }

    /// Once the minute is over: what it did not tell, and the next one begins. To be asked every
    /// second.
    pub fn summary(&mut self, now: Moment) -> Option<Summary> {
        (now.since(self.began?) >= MINUTE).then(|| self.end())
    }

    /// As [`Sampling::summary`], the minute over or not: nothing else will be logged.
    pub fn end(&mut self) -> Summary {
        let over = std::mem::take(self);
        let mut clients: Vec<Suppressed> = over
            .clients
            .into_iter()
            .filter(|(_, counted)| counted.suppressed > 0)
            .map(|(client, counted)| Suppressed {
                client,
                count: counted.suppressed,
                reason: counted.reason,
            })
            .collect();
        clients.sort_unstable_by_key(|one| (std::cmp::Reverse(one.count), one.client));
        let rest = clients.split_off(clients.len().min(NAMED));
        let others = over.unnamed + rest.iter().map(|one| one.count).sum::<u64>();
        Summary { clients, others }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn client(number: u32) -> ClientKey {
        ClientKey::V4(Ipv4Addr::from_bits(number))
    }

    fn at(seconds: u64) -> Moment {
        Moment(1_000_000).plus(Duration::from_secs(seconds))
    }

    #[test]
    fn ten_lines_a_client_and_minute_then_one_that_counts() {
        let mut sampling = Sampling::default();
        let lines = (0..25).filter(|_| sampling.line(client(1), "address-refused", at(0)));
        assert_eq!(lines.count(), 10);
        assert!(
            sampling.line(client(2), "address-refused", at(30)),
            "a neighbour"
        );
        assert_eq!(sampling.summary(at(59)), None);
        let suppressed = Suppressed {
            client: client(1),
            count: 15,
            reason: "address-refused",
        };
        let summary = sampling.summary(at(60)).unwrap();
        assert_eq!((summary.clients, summary.others), (vec![suppressed], 0));
        assert!(
            sampling.line(client(1), "address-refused", at(60)),
            "a new minute"
        );
        assert_eq!(sampling.summary(at(119)), None);
        assert_eq!(sampling.summary(at(120)), Some(Summary::default()));
        assert_eq!(sampling.summary(at(300)), None, "nobody came");
    }

    #[test]
    fn a_flood_from_everywhere_has_bounded_lines_and_memory_and_every_refusal_is_accounted_for() {
        let mut sampling = Sampling::default();
        let floods = 100_000;
        let mut lines = 0;
        for number in 0..floods {
            lines += u64::from(sampling.line(client(number), "address-refused", at(0)));
        }
        assert_eq!(lines, u64::from(LINES));
        assert_eq!(sampling.clients.len(), CLIENTS);
        let summary = sampling.summary(at(60)).unwrap();
        assert_eq!(summary.clients.len(), NAMED);
        let named: u64 = summary.clients.iter().map(|one| one.count).sum();
        assert_eq!(lines + named + summary.others, u64::from(floods));
    }

    #[test]
    fn the_summary_names_those_with_the_most() {
        let mut sampling = Sampling::default();
        for number in 0..40 {
            for _ in 0..=(LINES_OF_A_CLIENT + number) {
                sampling.line(client(number), "too-many-connections", at(0));
            }
        }
        let summary = sampling.summary(at(61)).unwrap();
        let first: Vec<_> = summary.clients.iter().map(|one| one.client).collect();
        let expected: Vec<_> = (20..40).rev().map(client).collect();
        assert_eq!(first, expected);
        assert!(summary.others > 0);
    }
}
