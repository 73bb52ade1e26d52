//! When the next request is due. One loop for both kinds of arrival.
//!
//! Closed: after the answer to the one before, and a pause. Open: by plan, whatever became of the
//! one before; latency counts from the plan, so that a stall is felt by every request that it made
//! late (coordinated omission). What was recorded in a closed loop is corrected when it is read
//! (`book`).

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Arrival {
    Closed {
        pause: Duration,
    },
    /// Each asker plans a request every so long.
    Open {
        every: Duration,
    },
}

impl Arrival {
    /// `rate` requests a second over `askers`, or a closed loop.
    pub(crate) fn new(rate: Option<f64>, askers: u16, pause: Duration) -> Self {
        match rate {
            Some(rate) => Self::Open {
                every: Duration::from_secs_f64(f64::from(askers.max(1)) / rate),
            },
            None => Self::Closed { pause },
        }
    }
}

/// One asker's plan.
pub(crate) struct Pace {
    arrival: Arrival,
    next: Instant,
}

impl Pace {
    /// The first request is due at `first`.
    pub(crate) fn new(arrival: Arrival, first: Instant) -> Self {
        Self {
            arrival,
            next: first,
        }
    }

    /// Waits for the next request's turn and tells when it was due.
    pub(crate) async fn turn(&mut self) -> Instant {
        match self.arrival {
            Arrival::Closed { pause } => {
                let earliest = Instant::now() + pause;
                wait_until(earliest.max(self.next)).await;
                Instant::now()
            }
            Arrival::Open { every } => {
                let due = self.next;
                self.next += every;
                match wait_until(due).await {
                    // A timer that rang late is this program's fault, not the other side's.
                    Waited::Yes => Instant::now(),
                    Waited::No => due,
                }
            }
        }
    }

    /// Plans anew after a wait that the other side has asked for.
    pub(crate) fn restart(&mut self) {
        self.next = Instant::now();
    }
}

enum Waited {
    Yes,
    No,
}

/// A moment that has passed costs no tick of the timer.
async fn wait_until(moment: Instant) -> Waited {
    if moment <= Instant::now() {
        return Waited::No;
    }
    sleep_until(moment).await;
    Waited::Yes
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn run<T>(test: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        runtime.unwrap().block_on(test)
    }

    #[test]
    fn an_open_plan_does_not_wait_for_a_late_answer() {
        run(async {
            let start = Instant::now();
            let mut pace = Pace::new(Arrival::Open { every: ms(10) }, start);
            assert_eq!(pace.turn().await, start);
            // The answer takes 35 ms: the next three were due meanwhile.
            sleep(ms(35)).await;
            for due in [10, 20, 30] {
                assert_eq!(pace.turn().await, start + ms(due));
                assert_eq!(Instant::now(), start + ms(35));
            }
            assert_eq!(pace.turn().await, start + ms(40));
            assert_eq!(Instant::now(), start + ms(40));
        });
    }

    #[test]
    fn a_closed_loop_pauses_after_each_answer() {
        run(async {
            let start = Instant::now();
            let mut pace = Pace::new(Arrival::Closed { pause: ms(10) }, start);
            assert_eq!(pace.turn().await, start + ms(10));
            sleep(ms(35)).await;
            assert_eq!(pace.turn().await, start + ms(55));
        });
    }

    #[test]
    fn a_rate_is_shared_by_all_askers() {
        let open = Arrival::new(Some(200.0), 50, ms(1));
        assert_eq!(open, Arrival::Open { every: ms(250) });
        assert_eq!(
            Arrival::new(None, 50, ms(1)),
            Arrival::Closed { pause: ms(1) }
        );
    }
}
