//! Good terminals before and during each attack, interleaved in one run: what the attack costs
//! them is attacked ÷ calm, and both were measured by the same askers a moment apart.

use std::{sync::Arc, thread, time::Duration};

use anyhow::{Context, anyhow, bail};
use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
    time::{Instant, sleep},
};

use crate::{
    attack::{self, Attack, Loot, Plan},
    book::{Book, Sheet},
    caller::Stop,
    report::Fight,
    terminal::Shop,
};

/// All terminals have finished a document by then, or something is wrong.
const WARM_UP: Duration = Duration::from_secs(60);

/// Between the end of an attack and the next calm.
const SETTLE: Duration = Duration::from_secs(1);

/// Which attacks, how often and how long.
pub(crate) struct Siege {
    pub(crate) attacks: Vec<Attack>,
    pub(crate) rounds: u16,
    /// Of each calm, and of each attack.
    pub(crate) plan: Plan,
}

/// What was seen besides the fights: answers while nothing was measured.
pub(crate) struct Outcome {
    pub(crate) fights: Vec<Fight>,
    pub(crate) rest: Sheet,
}

impl Siege {
    /// Carries it out while the terminals of `shop` work.
    pub(crate) async fn lay(
        &self,
        shop: &Arc<Shop>,
        terminals: u16,
        stop: &Stop,
        tell: impl Fn(String),
    ) -> anyhow::Result<Outcome> {
        let book = &shop.book;
        let mut rest = Sheet::default();
        tell("terminals log in".to_owned());
        let until = Instant::now() + WARM_UP;
        while shop.ready() < terminals.into() {
            if Instant::now() > until || stop.is_over() {
                let seen = book.turn().examples;
                bail!("the terminals do not get to work: {}", seen.join("; "));
            }
            sleep(Duration::from_millis(100)).await;
        }
        let mut fights: Vec<Fight> = Vec::new();
        for round in 1..=self.rounds {
            for attack in &self.attacks {
                if stop.is_over() {
                    break;
                }
                tell(format!("round {round}, calm before {}", attack.name()));
                rest.add(book.turn());
                sleep(self.plan.span).await;
                let calm = book.turn();
                tell(format!("round {round}, {}", attack.name()));
                let (attacked, loot) = self.fight(*attack, book, &mut rest).await?;
                sleep(SETTLE).await;
                let known = fights.iter_mut().find(|fight| fight.attack == *attack);
                match known {
                    Some(fight) => {
                        fight.calm.add(calm);
                        fight.attacked.add(attacked);
                        fight.loot.add(loot);
                    }
                    None => fights.push(Fight {
                        attack: *attack,
                        calm,
                        attacked,
                        loot,
                    }),
                }
            }
        }
        Ok(Outcome { fights, rest })
    }

    /// The attackers have a thread of their own, so that no good client waits for their work.
    async fn fight(
        &self,
        attack: Attack,
        book: &Book,
        rest: &mut Sheet,
    ) -> anyhow::Result<(Sheet, Loot)> {
        let plan = Plan {
            attack,
            ..self.plan.clone()
        };
        let attackers: Runtime = Builder::new_current_thread().enable_all().build()?;
        let (at_it, all_are_there) = oneshot::channel();
        let (done, loot) = oneshot::channel();
        let thread = thread::spawn(move || {
            let loot = attackers.block_on(attack::carry_out(plan, at_it));
            drop(done.send(loot));
        });
        all_are_there.await.context("the attackers do not start")?;
        rest.add(book.turn());
        sleep(self.plan.span).await;
        let attacked = book.turn();
        let loot = loot.await.context("the attackers do not end")?;
        thread
            .join()
            .map_err(|_panic| anyhow!("the attackers fell over"))?;
        Ok((attacked, loot))
    }
}
