//! Calm against attack, in one run: the ratio is the figure.

use std::{fmt, net::Ipv4Addr, time::Duration};

use anyhow::Context;
use hdrhistogram::Histogram;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::{
    attacker::{self, Attack},
    client::{Client, Target},
};

/// The good client's pace: open arrival, so that a stalled answer delays none of the others on
/// paper.
const EVERY: Duration = Duration::from_millis(5);

pub(crate) struct Report {
    attack: Attack,
    count: u16,
    calm: Histogram<u64>,
    attacked: Histogram<u64>,
    /// Attacking connections that the gateway cut (each comes again), and the longest it took.
    cut: usize,
    slowest_cut: Duration,
}

/// Calm first; then the attackers connect, and when all of them are at it, the attack is measured.
/// They run on a thread of their own, so that the good client does not wait for their work.
pub(crate) fn under_attack(
    target: &Target,
    attack: Attack,
    count: u16,
    span: Duration,
) -> anyhow::Result<Report> {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
    };
    runtime()?.block_on(async {
        let mut client = Client::connect(target, None)
            .await
            .context("the good client")?;
        client.ask().await.context("the good client")?;
        let calm = ask_for(&mut client, span).await?;

        let (at_it, wait) = tokio::sync::oneshot::channel();
        let attacking = target.for_attacker();
        let attackers = runtime()?;
        let attackers = std::thread::spawn(move || {
            attackers.block_on(attacker::attack(&attacking, attack, count, span, at_it))
        });
        wait.await.context("the attackers did not get through")?;
        let attacked = ask_for(&mut client, span).await?;
        let cut = attackers
            .join()
            .map_err(|_panic| anyhow::anyhow!("the attackers fell over"))?;
        Ok(Report {
            attack,
            count,
            calm,
            attacked,
            slowest_cut: cut.iter().max().copied().unwrap_or_default(),
            cut: cut.len(),
        })
    })
}

/// Connections that warm the gateway up before memory is read.
const WARM_UP: u16 = 500;
/// From one address, well below the gateway's cap and burst.
const FROM_ONE_ADDRESS: u16 = 100;

/// Memory of an idle connection: the slope of the gateway's resident memory.
pub(crate) fn idle(target: &Target, pid: u32, count: u16) -> anyhow::Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut open = Vec::new();
        let mut before = 0;
        for number in 0..WARM_UP + count {
            if number == WARM_UP {
                before = resident_kib(pid)?;
            }
            let [high, low] = (number / FROM_ONE_ADDRESS).to_be_bytes();
            let from = Ipv4Addr::new(127, 0, 3 + high, 1 + low);
            let mut client = Client::connect(target, Some(from.into())).await?;
            client.ask().await?;
            open.push(client);
        }
        let grown = resident_kib(pid)?.saturating_sub(before);
        let each = f64::from(u32::try_from(grown)?) / f64::from(count);
        Ok(format!(
            "{each:.1} KiB per idle connection, over {count} after {WARM_UP}"
        ))
    })
}

fn resident_kib(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.context("no VmRSS")?.trim().trim_end_matches(" kB");
    Ok(kib.parse()?)
}

async fn ask_for(client: &mut Client<'_>, span: Duration) -> anyhow::Result<Histogram<u64>> {
    let mut histogram = Histogram::new_with_bounds(1, 120_000_000, 3)?;
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let end = Instant::now() + span;
    while Instant::now() < end {
        // Latency counts from the planned start (coordinated omission).
        let planned = tick.tick().await;
        client.ask().await?;
        histogram.saturating_record(u64::try_from(planned.elapsed().as_micros())?);
    }
    Ok(histogram)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |name: &str, histogram: &Histogram<u64>| {
            format!(
                "{name:<10} p50 {:>7} µs  p99 {:>7} µs  requests {}",
                histogram.value_at_quantile(0.5),
                histogram.value_at_quantile(0.99),
                histogram.len()
            )
        };
        writeln!(f, "{:?}, {} connections", self.attack, self.count)?;
        writeln!(f, "{}", row("calm", &self.calm))?;
        writeln!(f, "{}", row("attacked", &self.attacked))?;
        let ratio = |quantile| {
            let (calm, attacked) = (
                self.calm.value_at_quantile(quantile),
                self.attacked.value_at_quantile(quantile),
            );
            #[expect(clippy::cast_precision_loss, reason = "microseconds of a few seconds")]
            let ratio = attacked as f64 / calm.max(1) as f64;
            ratio
        };
        writeln!(
            f,
            "ratio      p50 {:>7.2}     p99 {:>7.2}",
            ratio(0.5),
            ratio(0.99)
        )?;
        write!(
            f,
            "connections cut by the gateway: {}, the slowest after {:.1} s",
            self.cut,
            self.slowest_cut.as_secs_f64()
        )
    }
}
