//! Attackers: bounded in count, on loopback, each from an address of its own.

use std::{net::Ipv4Addr, time::Duration};

use clap::ValueEnum;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
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

/// How one attacking connection ended: cut by the gateway after so long, or `None` when it
/// outlived the attack.
pub(crate) async fn connection(
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
