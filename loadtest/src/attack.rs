//! Attackers: bounded in count and time, on loopback, each from an address of its own. What each
//! saw of the gateway is judged here: what must not get through, did it?

mod guessing;
mod malformed;
mod slow;

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc, time::Duration};

use clap::ValueEnum;
use serde_json::{Value, json};
use tokio::{
    sync::oneshot,
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout_at},
};

use crate::target::{Block, Target};

/// What an attacking connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Attack {
    /// Wrong names, passwords and barcodes at every way to log in.
    Guessing,
    /// A request's head that comes byte by byte and never ends.
    SlowHeads,
    /// A login form, or a body without a login, that comes byte by byte.
    SlowBodies,
    /// Requests whose answers are never read.
    SlowReads,
    /// Half a TLS record, then nothing.
    HalfHandshakes,
    /// Bytes that are neither TLS nor HTTP.
    Garbage,
    /// Heads that two readers could read differently.
    MalformedHeads,
}

impl Attack {
    pub(crate) const ALL: [Self; 7] = [
        Self::Guessing,
        Self::SlowHeads,
        Self::SlowBodies,
        Self::SlowReads,
        Self::HalfHandshakes,
        Self::Garbage,
        Self::MalformedHeads,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Guessing => "guessing",
            Self::SlowHeads => "slow-heads",
            Self::SlowBodies => "slow-bodies",
            Self::SlowReads => "slow-reads",
            Self::HalfHandshakes => "half-handshakes",
            Self::Garbage => "garbage",
            Self::MalformedHeads => "malformed-heads",
        }
    }

    /// A connection that does this is cut by the gateway no later than so; `None`: it may stay.
    fn limit(self) -> Option<Duration> {
        match self {
            Self::SlowHeads
            | Self::SlowBodies
            | Self::SlowReads
            | Self::HalfHandshakes
            | Self::Garbage
            | Self::MalformedHeads => Some(Duration::from_secs(10)),
            Self::Guessing => None,
        }
    }
}

/// Beyond its limit a connection may live so long before it counts as let through: attackers,
/// gateway and good clients share one machine.
const GRACE: Duration = Duration::from_secs(5);

/// New connections come this far apart at first.
const ARRIVE: Duration = Duration::from_millis(5);

/// Drips slower than this cost the attacker nothing.
const DRIP: Duration = Duration::from_millis(900);

/// An attack as it is carried out.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) attack: Attack,
    pub(crate) target: Arc<Target>,
    pub(crate) count: u16,
    /// An attacker whose connection ended, or whose guess was answered, goes on after so long.
    pub(crate) every: Duration,
    pub(crate) span: Duration,
    /// Names that exist, to be guessed at.
    pub(crate) names: Vec<String>,
}

/// What attackers got, added up.
#[derive(Default)]
pub(crate) struct Loot {
    pub(crate) connections: u64,
    /// Cut by the gateway before the attack was over, and the longest that one had lived.
    pub(crate) cut: u64,
    pub(crate) longest: Duration,
    /// Answers by status.
    pub(crate) answers: BTreeMap<u16, u64>,
    /// When a guess was verified, by attacker.
    verified: Vec<(u16, Instant)>,
    /// What got through and must not, each kind once, with how often.
    pub(crate) let_through: BTreeMap<String, u64>,
}

impl Loot {
    fn let_through(&mut self, what: impl Into<String>) {
        *self.let_through.entry(what.into()).or_default() += 1;
    }

    fn answered(&mut self, status: u16) {
        *self.answers.entry(status).or_default() += 1;
    }

    /// A connection ended: by the gateway, or because the attack was over.
    fn ended(&mut self, attack: Attack, lived: Duration, by_gateway: bool) {
        self.cut += u64::from(by_gateway);
        self.longest = self.longest.max(lived);
        let limit = attack.limit();
        if limit.is_some_and(|limit| lived > limit + GRACE) {
            self.let_through(format!("a connection lived on far beyond {limit:?}"));
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.connections += other.connections;
        self.cut += other.cut;
        self.longest = self.longest.max(other.longest);
        for (status, count) in other.answers {
            *self.answers.entry(status).or_default() += count;
        }
        self.verified.extend(other.verified);
        for (what, count) in other.let_through {
            *self.let_through.entry(what).or_default() += count;
        }
    }

    pub(crate) fn json(&self) -> Value {
        let answers = self.answers.iter();
        let answers: serde_json::Map<String, Value> = answers
            .map(|(status, count)| (status.to_string(), json!(count)))
            .collect();
        json!({
            "connections": self.connections,
            "cut": self.cut,
            "longest_ms": u64::try_from(self.longest.as_millis()).unwrap_or(u64::MAX),
            "answers": answers,
            "guesses_verified": self.verified.len(),
            "let_through": self.let_through,
        })
    }

    pub(crate) fn guesses_verified(&self) -> usize {
        self.verified.len()
    }
}

/// All attackers, on this runtime. `at_it` is told when every one of them is there; from then on
/// the attack goes on for its span.
pub(crate) async fn carry_out(plan: Plan, at_it: oneshot::Sender<()>) -> Loot {
    let plan = Arc::new(plan);
    let until = Instant::now() + ARRIVE * u32::from(plan.count) + plan.span;
    let mut attackers = JoinSet::new();
    for number in 0..plan.count {
        let attacker = Attacker {
            number,
            from: Block::Attackers.nth(number),
            until,
            plan: Arc::clone(&plan),
            loot: Loot::default(),
        };
        attackers.spawn(attacker.attack());
        sleep(ARRIVE).await;
    }
    match at_it.send(()) {
        // Nobody waits for it when the good clients have failed.
        Ok(()) | Err(()) => {}
    }
    let mut loot = Loot::default();
    while let Some(one) = attackers.join_next().await {
        match one {
            Ok(one) => loot.add(one),
            Err(_) => loot.let_through("an attacker fell over"),
        }
    }
    guessing::judge(&mut loot);
    loot
}

struct Attacker {
    number: u16,
    from: Ipv4Addr,
    until: Instant,
    plan: Arc<Plan>,
    loot: Loot,
}

impl Attacker {
    async fn attack(mut self) -> Loot {
        let mut turn: u64 = self.number.into();
        while Instant::now() < self.until {
            self.loot.connections += 1;
            let attempt = async {
                match self.plan.attack {
                    Attack::Guessing => guessing::connection(&mut self, &mut turn).await,
                    Attack::SlowHeads | Attack::SlowBodies => slow::drip(&mut self, turn).await,
                    Attack::SlowReads => slow::never_read(&mut self).await,
                    Attack::HalfHandshakes => slow::half_handshake(&mut self).await,
                    Attack::Garbage => malformed::garbage(&mut self, turn).await,
                    Attack::MalformedHeads => malformed::head(&mut self, turn).await,
                }
            };
            // A connection that fails is one that the gateway refused: that is its right.
            if attempt.await.is_err() {
                self.loot.cut += 1;
            }
            turn += 1;
            sleep_until(self.until.min(Instant::now() + self.plan.every)).await;
        }
        self.loot
    }

    /// Waits for something that may last until the attack is over; `None`: it is.
    async fn while_it_lasts<T>(&self, event: impl Future<Output = T>) -> Option<T> {
        timeout_at(self.until, event).await.ok()
    }
}

/// The status in the first line of an answer.
fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.strip_prefix(b"HTTP/1.")?.get(2..5)?;
    std::str::from_utf8(line).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attack_is_part_of_all() {
        assert_eq!(Attack::value_variants(), Attack::ALL);
        for attack in Attack::ALL {
            let named = attack.to_possible_value().unwrap();
            assert_eq!(named.get_name(), attack.name());
        }
    }

    #[test]
    fn a_connection_that_lives_too_long_was_let_through() {
        let mut loot = Loot::default();
        loot.ended(Attack::SlowHeads, Duration::from_secs(11), true);
        loot.ended(Attack::SlowReads, Duration::from_secs(15), false);
        loot.ended(Attack::Guessing, Duration::from_secs(600), false);
        assert!(loot.let_through.is_empty(), "{:?}", loot.let_through);
        loot.ended(Attack::SlowHeads, Duration::from_secs(16), false);
        assert_eq!(loot.let_through.len(), 1);
        assert_eq!((loot.cut, loot.longest), (1, Duration::from_secs(600)));
    }

    #[test]
    fn a_status_is_read_from_the_first_line() {
        assert_eq!(status(b"HTTP/1.1 400 Bad Request\r\n"), Some(400));
        assert_eq!(status(b"HTTP/1.0 200"), Some(200));
        assert_eq!(status(b"HTTP/1.1 2"), None);
        assert_eq!(status(b"\x15\x03\x01"), None);
    }
}
