//! Room for password hashing: as many evaluations at once as cores, a short queue, then "busy".
//!
//! One evaluation costs 19 MiB and a core for some 30 ms (design, rule 6), so a flood of guesses
//! may fill this room and nothing else: tokens never come here. A client that hangs up frees
//! nothing early, since the permit travels with the work. Each evaluation has a thread of its own,
//! at a lower priority than those that carry requests: guesses slow logins down, not the shop.
//! Nor do they keep whitelisted addresses waiting: of the strangers in the queue only the first
//! stands before them.

use std::{num::NonZeroUsize, sync::Arc, thread, time::Duration};

use rustix::process::setpriority_process;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Beyond the running ones.
const QUEUE: usize = 32;
const QUEUE_LIMIT: Duration = Duration::from_secs(2);
/// About a third of a core's time where requests want all of it. On Linux each thread has its own.
const NICE: i32 = 5;

pub(crate) struct Hashing {
    /// Running and queued together, by [`Lane`].
    strangers: Arc<Semaphore>,
    whitelisted: Arc<Semaphore>,
    /// The place at the head of the strangers, one.
    first_stranger: Semaphore,
    running: Arc<Semaphore>,
}

/// Whose queue: one that strangers have filled must not shut whitelisted addresses out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    Strangers,
    Whitelisted,
}

/// The queue is full or took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy;

/// The right to one evaluation.
pub(crate) struct Room {
    _admitted: OwnedSemaphorePermit,
    _running: OwnedSemaphorePermit,
}

impl Hashing {
    pub(crate) fn new(cores: NonZeroUsize) -> Self {
        Self {
            strangers: Arc::new(Semaphore::new(cores.get() + QUEUE)),
            whitelisted: Arc::new(Semaphore::new(cores.get() + QUEUE)),
            first_stranger: Semaphore::new(1),
            running: Arc::new(Semaphore::new(cores.get())),
        }
    }

    /// Waits for room, in the queue.
    pub(crate) async fn room(&self, lane: Lane) -> Result<Room, Busy> {
        let queue = match lane {
            Lane::Strangers => &self.strangers,
            Lane::Whitelisted => &self.whitelisted,
        };
        let admitted = Arc::clone(queue)
            .try_acquire_owned()
            .map_err(|_full| Busy)?;
        let turn = async {
            let _head = match lane {
                Lane::Strangers => Some(self.first_stranger.acquire().await?),
                Lane::Whitelisted => None,
            };
            Arc::clone(&self.running).acquire_owned().await
        };
        let running = tokio::time::timeout(QUEUE_LIMIT, turn)
            .await
            .map_err(|_elapsed| Busy)?
            .map_err(|_closed| Busy)?;
        Ok(Room {
            _admitted: admitted,
            _running: running,
        })
    }
}

impl Room {
    /// Runs `work` on a thread of its own; what must not be freed early belongs inside it. `None`:
    /// it panicked, or the system gives no more threads.
    pub(crate) async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (done, result) = oneshot::channel();
        let thread = thread::Builder::new().name("hashing".to_owned());
        let started = thread.spawn(move || {
            if let Err(fault) = setpriority_process(None, NICE) {
                tracing::debug!(%fault, "hashing runs at the priority of requests");
            }
            // Who asked may have hung up.
            drop(done.send(work()));
            drop(self);
        });
        if let Err(fault) = started {
            tracing::error!(%fault, "no thread for an evaluation");
        }
        result.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn beyond_cores_and_queue_the_answer_is_busy_and_a_hang_up_frees_nothing() {
        let hashing = Arc::new(Hashing::new(NonZeroUsize::MIN));
        let (release, gate) = mpsc::channel::<()>();
        let (started, starts) = mpsc::channel();
        let hashes = Arc::clone(&hashing);
        let hung_up = tokio::spawn(async move {
            let room = hashes.room(Lane::Strangers).await.unwrap();
            room.run(move || {
                started.send(()).unwrap();
                gate.recv().unwrap();
            })
            .await
        });
        tokio::task::spawn_blocking(move || starts.recv().unwrap())
            .await
            .unwrap();
        hung_up.abort();
        assert!(hung_up.await.unwrap_err().is_cancelled());
        assert_eq!(
            hashing.running.available_permits(),
            0,
            "the work still runs"
        );

        let queued: Vec<_> = (0..QUEUE)
            .map(|_| Arc::clone(&hashing.strangers).try_acquire_owned().unwrap())
            .collect();
        assert!(hashing.room(Lane::Strangers).await.is_err());
        assert!(
            hashing.whitelisted.available_permits() > 0,
            "their queue is another"
        );
        drop(queued);
        release.send(()).unwrap();
        assert_eq!(
            hashing.room(Lane::Strangers).await.unwrap().run(|| 7).await,
            Some(7),
            "then the next one runs"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn of_the_strangers_in_the_queue_only_the_first_goes_before_a_whitelisted_one() {
        let hashing = Arc::new(Hashing::new(NonZeroUsize::MIN));
        let running = hashing.room(Lane::Strangers).await.unwrap();
        let (entered, order) = mpsc::channel();
        let mut asking = Vec::new();
        for (who, lane) in [
            (1, Lane::Strangers),
            (2, Lane::Strangers),
            (3, Lane::Strangers),
            (4, Lane::Whitelisted),
        ] {
            let (hashing, entered) = (Arc::clone(&hashing), entered.clone());
            asking.push(tokio::spawn(async move {
                let _room = hashing.room(lane).await.unwrap();
                entered.send(who).unwrap();
            }));
            // On one thread: it runs until it waits.
            tokio::task::yield_now().await;
        }
        drop(running);
        for one in asking {
            one.await.unwrap();
        }
        assert_eq!(order.try_iter().collect::<Vec<_>>(), [1, 4, 2, 3]);
    }
}
