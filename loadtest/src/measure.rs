//! Calm against attack, in one run: the ratio is the figure.

use std::{fmt, time::Duration};

use anyhow::Context;
use hdrhistogram::Histogram;
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};

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
    /// Attackers that the gateway cut, and the longest it took; the rest outlived the attack.
    cut: usize,
    slowest_cut: Duration,
}

pub(crate) async fn under_attack(
    target: &Target,
    attack: Attack,
    count: u16,
    span: Duration,
) -> anyhow::Result<Report> {
    let mut client = Client::connect(target).await.context("the good client")?;
    client.ask().await.context("the good client")?;
    let calm = ask_for(&mut client, span).await?;

    let until = Instant::now() + span;
    let attackers = async {
        let mut all = JoinSet::new();
        for number in 0..count {
            // Each attacker borrows what the run owns; the set ends before the run does.
            all.spawn_local(attack_once(target.for_attacker(), attack, number, until));
        }
        all.join_all().await
    };
    let local = tokio::task::LocalSet::new();
    let (attacked, ended) = local
        .run_until(async { tokio::join!(ask_for(&mut client, span), attackers) })
        .await;
    let cut: Vec<Duration> = ended.into_iter().flatten().collect();
    Ok(Report {
        attack,
        count,
        calm,
        attacked: attacked?,
        cut: cut.len(),
        slowest_cut: cut.into_iter().max().unwrap_or_default(),
    })
}

async fn attack_once(
    target: Target,
    attack: Attack,
    number: u16,
    until: Instant,
) -> Option<Duration> {
    // A connection that the gateway refused at the door has been cut at once.
    attacker::connection(&target, attack, number, until)
        .await
        .unwrap_or(Some(Duration::ZERO))
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
            "cut by the gateway: {} of {}, the slowest after {:.1} s",
            self.cut,
            self.count,
            self.slowest_cut.as_secs_f64()
        )
    }
}
