//! Guessing at logins, in every way, from many addresses. At most ten guesses of an address and
//! about a hundred of a database are verified in a minute, and none is right.

use std::{io, time::Duration};

use http::{HeaderValue, Method};
use openssl::{base64::encode_block, rand::rand_bytes};
use tokio::time::{Instant, sleep};

use super::{Attacker, Loot};
use crate::link::{Ask, Link, LinkError};

/// Verified from one address, and in one database, in any minute.
const OF_AN_ADDRESS: usize = 10;
const OF_A_DATABASE: usize = 100;
/// Attempts under way when the last of a database's hundred fails are verified too.
const UNDER_WAY: usize = 40;
/// A little less than the gateway's minute: its clock and ours see different moments.
const MINUTE: Duration = Duration::from_secs(58);

/// Guesses on one connection until it breaks or the attack is over.
pub(super) async fn connection(attacker: &mut Attacker, turn: &mut u64) -> io::Result<()> {
    let plan = attacker.plan.clone();
    let mut link = Link::new(plan.target.clone(), Some(attacker.from));
    while Instant::now() < attacker.until {
        let (ask, authorization) = guess(&plan.names, *turn)?;
        link.authorization = authorization;
        *turn += 1;
        let Some(answer) = attacker.while_it_lasts(link.ask(&ask)).await else {
            break;
        };
        let status = match answer {
            Ok(answer) => answer.status.as_u16(),
            Err(LinkError::NotOpened(fault)) => return Err(fault),
            Err(fault) => return Err(io::Error::other(fault)),
        };
        attacker.loot.answered(status);
        match status {
            401 => attacker
                .loot
                .verified
                .push((attacker.number, Instant::now())),
            429 | 503 => {}
            200..=399 => attacker
                .loot
                .let_through(format!("a guess was answered with {status}")),
            other => attacker
                .loot
                .let_through(format!("a guess was answered with {other}, not 401 or 429")),
        }
        sleep(plan.every).await;
    }
    Ok(())
}

/// A wrong secret of 16 random digits: no user has it.
fn guess(names: &[String], turn: u64) -> io::Result<(Ask, Option<HeaderValue>)> {
    let mut random = [0; 8];
    rand_bytes(&mut random)?;
    let secret = format!("{:020}", u64::from_be_bytes(random));
    let count = u64::try_from(names.len()).unwrap_or_default().max(1);
    let name = names.get(usize::try_from(turn / 4 % count).unwrap_or_default());
    let name = name.map_or("admin", String::as_str);
    let form = |fields: &[(&str, &str)]| Ask::new(Method::POST, "session").form(fields);
    let password = ("password", secret.as_str());
    let ask = match turn % 4 {
        0 => form(&[("grant_type", "password"), ("username", name), password]),
        1 => form(&[("grant_type", "barcode"), ("barcode", &secret)]),
        2 => form(&[("grant_type", "password"), password]),
        _ => {
            let basic = encode_block(format!("{name}:{secret}").as_bytes());
            let basic = HeaderValue::from_str(&format!("Basic {basic}"));
            return Ok((Ask::get("BaseInfo"), basic.ok()));
        }
    };
    Ok((ask, None))
}

/// Looks for a minute with more verified guesses than there may be.
pub(super) fn judge(loot: &mut Loot) {
    let mut moments: Vec<Instant> = loot.verified.iter().map(|(_, moment)| *moment).collect();
    let most = most_in_a_minute(&mut moments);
    if most > OF_A_DATABASE + UNDER_WAY {
        loot.let_through(format!(
            "{most} guesses at one database verified in a minute"
        ));
    }
    let mut attackers: Vec<u16> = loot.verified.iter().map(|(number, _)| *number).collect();
    attackers.sort_unstable();
    attackers.dedup();
    for attacker in attackers {
        let of_it = loot
            .verified
            .iter()
            .filter(|(number, _)| *number == attacker);
        let mut moments: Vec<Instant> = of_it.map(|(_, moment)| *moment).collect();
        if most_in_a_minute(&mut moments) > OF_AN_ADDRESS {
            loot.let_through("more than ten guesses of one address verified in a minute");
        }
    }
}

fn most_in_a_minute(moments: &mut [Instant]) -> usize {
    moments.sort_unstable();
    let within = |(first, start): (usize, &Instant)| {
        let end = moments.partition_point(|moment| moment.duration_since(*start) < MINUTE);
        end - first
    };
    moments
        .iter()
        .enumerate()
        .map(within)
        .max()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loot(verified: impl IntoIterator<Item = (u16, u64)>) -> Loot {
        let start = Instant::now();
        let at = |(number, second)| (number, start + Duration::from_secs(second));
        let mut loot = Loot {
            verified: verified.into_iter().map(at).collect(),
            ..Loot::default()
        };
        judge(&mut loot);
        loot
    }

    #[test]
    fn the_eleventh_verified_guess_of_a_minute_got_through() {
        assert!(loot((0..10).map(|n| (7, n))).let_through.is_empty());
        assert!(loot((0..30).map(|n| (7, n * 6))).let_through.is_empty());
        assert_eq!(loot((0..11).map(|n| (7, n))).let_through.len(), 1);
        assert_eq!(loot((0..11).map(|n| (7, 100 + n * 5))).let_through.len(), 1);
    }

    #[test]
    fn a_database_has_a_budget() {
        assert!(loot((0..140).map(|n| (n, 0))).let_through.is_empty());
        assert_eq!(loot((0..141).map(|n| (n, 0))).let_through.len(), 1);
        assert!(
            loot((0..200).map(|n| (n, u64::from(n))))
                .let_through
                .is_empty()
        );
    }

    #[test]
    fn guesses_use_every_way_and_differ() {
        let names = ["Иванов".to_owned()];
        let paths: Vec<String> = (0..4)
            .map(|turn| guess(&names, turn).unwrap().0.path)
            .collect();
        assert_eq!(paths, ["session", "session", "session", "BaseInfo"]);
        assert!(guess(&names, 3).unwrap().1.is_some());
    }
}
