//! When a certificate that renews by itself is renewed: from the time on when a third of its life
//! is left, and again after a failure, at growing distances but never past its end without a try.
//!
//! Pure: time is an argument, chance is the certificate's own thumbprint. What was tried lies in
//! the slot's `renewal.json`, so that a restart neither hammers an authority nor forgets why it
//! refused.

use serde::{Deserialize, Serialize};

use crate::{Certificate, Validity, validity::DAY};

const FIRST_PAUSE: i64 = 60;
const LONGEST_PAUSE: i64 = DAY;
/// Rate limits are counted by the week.
const LONGEST_WAIT: i64 = 7 * DAY;
/// The shop stands still then.
const LONGEST_PAUSE_AFTER_THE_END: i64 = 60 * 60;
/// A fault's sentence is cut to so many characters: it may come from another's server.
const WORDS_LIMIT: usize = 1000;

/// What has been tried since the certificate in force was installed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempts {
    /// In a row.
    pub failures: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Failure>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// Unix seconds.
    pub at: i64,
    pub words: String,
    /// For so many seconds more, whom we asked wants to be left alone.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub wait: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
fn is_zero(wait: &i64) -> bool {
    *wait == 0
}

/// What a slot has now, as far as renewing it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    pub validity: Validity,
    /// Differs between certificates, stays the same for one: many gateways that were set up at one
    /// time do not renew at one time.
    pub seed: u64,
}

impl Subject {
    /// Of two pairs, the one that has to be renewed first.
    #[must_use]
    pub fn of(certificate: &Certificate) -> Option<Self> {
        let pairs = certificate.pairs().iter();
        let first = pairs.min_by_key(|pair| pair.validity().renew_from())?;
        let digits = first.thumbprint_sha256().get(..8)?;
        Some(Self {
            validity: first.validity(),
            seed: u64::from_str_radix(digits, 16).ok()?,
        })
    }

    /// Up to a tenth of the third that is left, at most a day.
    fn jitter(self) -> i64 {
        share((self.validity.life() / 30).clamp(0, DAY), self.seed)
    }
}

impl Attempts {
    pub fn failed(&mut self, now: i64, words: &str, wait: i64) {
        self.failures = self.failures.saturating_add(1);
        self.last = Some(Failure {
            at: now,
            words: words.chars().take(WORDS_LIMIT).collect(),
            wait: wait.clamp(0, LONGEST_WAIT),
        });
    }

    /// For a certificate that is new and to be renewed already: the clock is wrong, or its issuer
    /// ends. The next would be no better, so half of what is left passes first, at most a day.
    pub fn due_again(&mut self, new: Subject, now: i64, words: &str) {
        self.failed(now, words, (new.validity.left(now) / 2).min(DAY));
    }

    /// When to try next, in Unix seconds; no `subject`: there is nothing in force to live on.
    #[must_use]
    pub fn next(&self, subject: Option<Subject>, now: i64) -> i64 {
        let Some(failure) = &self.last else {
            return subject.map_or(now, |subject| {
                subject.validity.renew_from() + subject.jitter()
            });
        };
        // The clock has been set back: what it says of the failure means nothing.
        if failure.at > now {
            return now;
        }
        let doublings = self.failures.saturating_sub(1).min(20);
        let pause = (FIRST_PAUSE << doublings).min(LONGEST_PAUSE);
        let pause = match subject.map(|subject| subject.validity.left(failure.at)) {
            Some(left) if left > 0 => pause.min((left / 2).max(FIRST_PAUSE)),
            Some(_) | None => pause.min(LONGEST_PAUSE_AFTER_THE_END),
        };
        let seed = subject.map_or(0, |subject| subject.seed);
        let pause = failure.wait.max(pause - share(pause / 10, seed));
        failure.at.saturating_add(pause)
    }
}

/// A part of `whole`, the same for the same seed.
fn share(whole: i64, seed: u64) -> i64 {
    i64::try_from(seed % 1000).map_or(0, |thousandth| whole / 1000 * thousandth)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn subject(life: i64, seed: u64) -> Subject {
        let validity = Validity {
            from: 0,
            until: life,
        };
        Subject { validity, seed }
    }

    /// Times of all tries until `end` with an authority that always refuses.
    fn tries(subject: Subject, end: i64) -> Vec<i64> {
        let mut attempts = Attempts::default();
        let mut tries = Vec::new();
        let mut now = 0;
        loop {
            now = attempts.next(Some(subject), now).max(now);
            if now > end {
                return tries;
            }
            tries.push(now);
            attempts.failed(now, "no", 0);
        }
    }

    #[test]
    fn a_year_long_certificate_is_renewed_when_a_third_is_left_within_a_day() {
        for seed in [0, 17, 999, u64::MAX] {
            let next = Attempts::default().next(Some(subject(397 * DAY, seed)), 0);
            let due = 397 * DAY - 397 * DAY / 3;
            assert!((due..=due + DAY).contains(&next), "{next}");
        }
    }

    #[test]
    fn who_wants_to_be_left_alone_is_asked_no_sooner_and_for_a_week_at_most() {
        let next = |wait| {
            let mut attempts = Attempts::default();
            attempts.failed(0, "too often", wait);
            attempts.next(Some(subject(90 * DAY, 0)), 0)
        };
        assert_eq!(next(0), 60);
        assert_eq!(next(30), 60);
        assert_eq!(next(3 * 60 * 60), 3 * 60 * 60);
        assert_eq!(next(i64::MAX), 7 * DAY);
    }

    #[test]
    fn pauses_double_from_a_minute_to_a_day() {
        let tries = tries(subject(397 * DAY, 0), 397 * DAY);
        let pauses: Vec<i64> = tries.windows(2).map(|two| two[1] - two[0]).collect();
        assert_eq!(pauses[..4], [60, 120, 240, 480]);
        assert_eq!(pauses[20], DAY);
    }

    #[test]
    fn a_slot_without_a_certificate_is_tried_at_once_and_then_every_hour_at_least() {
        let mut attempts = Attempts::default();
        assert_eq!(attempts.next(None, 1000), 1000);
        for _ in 0..50 {
            attempts.failed(1000, "no", 0);
        }
        assert_eq!(attempts.next(None, 1000), 1000 + 60 * 60);
    }

    #[test]
    fn a_clock_that_was_set_back_delays_nothing() {
        let mut attempts = Attempts::default();
        attempts.failed(50 * DAY, "no", 0);
        assert_eq!(
            attempts.next(Some(subject(90 * DAY, 3)), 10 * DAY),
            10 * DAY
        );
    }

    #[test]
    fn what_is_new_and_due_already_is_renewed_no_more_than_twice_a_day_for_that() {
        let now = 80 * DAY;
        let mut attempts = Attempts::default();
        let new = subject(90 * DAY, 3);
        assert!(attempts.next(Some(new), now) <= now, "due");
        attempts.due_again(new, now, "is the clock right?");
        assert_eq!(attempts.next(Some(new), now), now + DAY);
        let ends = subject(90 * DAY, 3);
        let now = 90 * DAY - 60 * 60;
        attempts.due_again(ends, now, "is the clock right?");
        assert_eq!(attempts.next(Some(ends), now), now + 30 * 60);
    }

    #[test]
    fn the_words_of_a_failure_are_bounded_and_survive_a_restart() {
        let mut attempts = Attempts::default();
        attempts.failed(7, &"ю".repeat(5000), 0);
        let kept: Attempts =
            serde_json::from_slice(&serde_json::to_vec(&attempts).unwrap()).unwrap();
        assert_eq!(kept, attempts);
        assert_eq!(kept.last.unwrap().words.chars().count(), WORDS_LIMIT);
    }

    proptest! {
        /// For six days of life as for ten years.
        #[test]
        fn the_end_is_never_reached_without_a_try_just_before(
            life in 6 * DAY..3650 * DAY,
            seed: u64,
        ) {
            let tries = tries(subject(life, seed), life);
            let first = tries[0];
            prop_assert!(first >= life - life / 3);
            prop_assert!(first <= life - life / 3 + life / 30);
            let last = tries[tries.len() - 1];
            prop_assert!(last >= life - 2 * FIRST_PAUSE, "{} before the end", life - last);
            for two in tries.windows(2) {
                prop_assert!(two[1] - two[0] >= FIRST_PAUSE * 9 / 10);
                prop_assert!(two[1] - two[0] <= LONGEST_PAUSE);
            }
        }

        /// Whatever a file or a clock says.
        #[test]
        fn nothing_overflows(
            failures: u32,
            at in 0..i64::MAX / 4,
            from in i64::MIN / 4..i64::MAX / 4,
            until in i64::MIN / 4..i64::MAX / 4,
            now in 0..i64::MAX / 4,
            seed: u64,
        ) {
            let last = Some(Failure { at, words: String::new(), wait: 0 });
            let validity = Validity { from, until };
            let next = Attempts { failures, last }.next(Some(Subject { validity, seed }), now);
            prop_assert!(next <= now.max(at) + LONGEST_PAUSE);
        }
    }
}
