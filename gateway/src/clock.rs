//! Where [`Moment`]s come from: the wall clock once at start, a monotonic clock ever after.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use gateway_policy::Moment;

pub(crate) struct Clock {
    start: Instant,
    start_millis: u64,
}

impl Clock {
    pub(crate) fn start() -> Self {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            start: Instant::now(),
            start_millis: u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX),
        }
    }

    pub(crate) fn now(&self) -> Moment {
        Moment(self.start_millis).plus(self.start.elapsed())
    }
}
