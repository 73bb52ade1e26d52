//! Attackers: bounded in count, on loopback, each from an address of its own.

use std::{net::Ipv4Addr, time::Duration};

use clap::ValueEnum;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::oneshot,
    task::{JoinSet, LocalSet},
    time::{Instant, sleep, timeout},
};

use crate::client::Target;

/// What an attacking connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Attack {
    /// A handshake, then a head that comes byte by byte and never ends.
    SlowHeads,
    /// Half a TLS record, then nothing.
    HalfHandshakes,
    /// Bytes that are no TLS.
    Garbage,
}

/// Drips slower than this cost the attacker nothing.
const DRIP: Duration = Duration::from_millis(900);

/// New connections come this far apart: the attack is what they do, not that they come.
const PACE: Duration = Duration::from_millis(10);

/// `count` connections at once for `span` from the moment when all of them are there (`at_it`);
/// one that is cut comes again. How long each one that was cut had lived.
pub(crate) async fn attack(
    target: &Target,
    attack: Attack,
    count: u16,
    span: Duration,
    at_it: oneshot::Sender<()>,
) -> Vec<Duration> {
    let until = Instant::now() + PACE * u32::from(count) + span;
    let local = LocalSet::new();
    let come_again = async {
        let mut all = JoinSet::new();
        for number in 0..count {
            let target = target.for_attacker();
            all.spawn_local(async move {
                let mut cut = Vec::new();
                while Instant::now() < until {
                    match connection(&target, attack, number, until).await {
                        Ok(Some(lived)) => cut.push(lived),
                        Ok(None) => {}
                        // Refused at the door: cut at once. Not again in the same breath.
                        Err(_) => {
                            cut.push(Duration::ZERO);
                            sleep(DRIP).await;
                        }
                    }
                }
                cut
            });
            sleep(PACE).await;
        }
        match at_it.send(()) {
            // Nobody waits when the good client has failed.
            Ok(()) | Err(()) => {}
        }
        all.join_all().await
    };
    local.run_until(come_again).await.concat()
}

/// How one attacking connection ended: cut by the gateway after so long, or `None` when it
/// outlived the attack.
async fn connection(
    target: &Target,
    attack: Attack,
    number: u16,
    until: Instant,
) -> anyhow::Result<Option<Duration>> {
    let [high, low] = number.to_be_bytes();
    let from = Ipv4Addr::new(127, 0, 2 + high, low.max(1));
    let tcp = target.tcp(Some(from.into())).await?;
    let started = Instant::now();
    let left = || until.saturating_duration_since(Instant::now());
    match attack {
        Attack::SlowHeads => {
            let mut tls = target.tls(tcp).await?;
            let started = Instant::now();
            tls.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").await?;
            let mut byte = [0];
            while !left().is_zero() {
                if tls.write_all(b"a").await.is_err() {
                    return Ok(Some(started.elapsed()));
                }
                let read = timeout(DRIP.min(left()), tls.read(&mut byte)).await;
                if let Ok(Ok(0) | Err(_)) = read {
                    return Ok(Some(started.elapsed()));
                }
            }
        }
        Attack::HalfHandshakes | Attack::Garbage => {
            let mut tcp = tcp;
            let bytes: &[u8] = match attack {
                Attack::HalfHandshakes => b"\x16\x03\x01\x02\x00\x01",
                Attack::Garbage | Attack::SlowHeads => b"\x00\x01\x02 no TLS at all\r\n\r\n",
            };
            tcp.write_all(bytes).await?;
            let mut sink = [0; 512];
            while !left().is_zero() {
                let read = timeout(left(), tcp.read(&mut sink)).await;
                if let Ok(Ok(0) | Err(_)) = read {
                    return Ok(Some(started.elapsed()));
                }
            }
        }
    }
    Ok(None)
}
