//! How near the end of a certificate is, in stages, each of which is told once.
//!
//! A usual certificate has stages at 30, 14, 7, 3 and 1 days; one that lives for less than two months
//! at a third and a tenth of its life, because thirty days would be all of it. What renews by itself
//! begins to at a third of its life left, so no stage comes before a tenth of that third is over: until
//! then nothing is late.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::{Validity, validity::DAY};

/// In days left.
const USUAL: [i64; 5] = [30, 14, 7, 3, 1];
/// A shorter life is a short one.
const SHORT: i64 = 60 * DAY;
/// What was told longer ago than this is told again after a restart.
const TOLD_AGAIN_AFTER: i64 = DAY;

/// A stage that is reached: at most so many seconds are left. Zero: it has ended. The nearest end is
/// the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stage(pub i64);

impl Stage {
    /// Somebody has to act today.
    #[must_use]
    pub fn is_urgent(self, validity: Validity) -> bool {
        self.0 <= (7 * DAY).min(validity.life() / 10)
    }

    #[must_use]
    pub fn has_ended(self) -> bool {
        self.0 == 0
    }
}

/// The last stage that is reached; `None`: there is time.
#[must_use]
pub fn stage(validity: Validity, renews: bool, now: i64) -> Option<Stage> {
    let (life, left) = (validity.life(), validity.left(now));
    let latest = if renews {
        life / 3 - life / 30
    } else {
        i64::MAX
    };
    let stages = if life < SHORT {
        vec![life / 3, life / 10]
    } else {
        USUAL.map(|days| days * DAY).to_vec()
    };
    let stages = stages.into_iter().map(|at| at.min(latest));
    let ended = validity.has_ended(now).then_some(0);
    let reached = stages.filter(|at| left <= *at).chain(ended);
    reached.min().map(Stage)
}

/// Which stages were told, by the certificate's thumbprint; kept over restarts.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Told(HashMap<String, Mark>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    stage: Stage,
    /// Unix seconds.
    at: i64,
}

impl Told {
    /// After a restart: what was told lately is not told again.
    #[must_use]
    pub fn since(mut self, now: i64) -> Self {
        self.0
            .retain(|_, mark| (0..TOLD_AGAIN_AFTER).contains(&(now - mark.at)));
        self
    }

    /// Whether this is news; it is none from now on.
    pub fn is_news(&mut self, thumbprint: &str, stage: Stage, now: i64) -> bool {
        let before = self.0.get(thumbprint);
        let news = before.is_none_or(|mark| stage < mark.stage);
        if news {
            let mark = Mark { stage, at: now };
            self.0.insert(thumbprint.to_owned(), mark);
        }
        news
    }

    /// Certificates that are served no more are forgotten.
    pub fn keep(&mut self, served: impl Fn(&str) -> bool) {
        self.0.retain(|thumbprint, _| served(thumbprint));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 60 * 60;

    fn living(life: i64) -> Validity {
        Validity {
            from: 0,
            until: life,
        }
    }

    /// The seconds left at which each new stage is reached.
    fn stages(life: i64, renews: bool) -> Vec<i64> {
        let mut told = Told::default();
        let validity = living(life);
        let minutes = (0..=life / 60 + 1).map(|minute| minute * 60);
        let news = minutes.filter(|now| {
            let stage = stage(validity, renews, *now);
            stage.is_some_and(|stage| told.is_news("a", stage, *now))
        });
        news.map(|now| validity.left(now)).collect()
    }

    #[test]
    fn a_usual_certificate_is_told_at_30_14_7_3_1_days_and_at_its_end() {
        let expected = [30, 14, 7, 3, 1].map(|days| days * DAY);
        assert_eq!(stages(398 * DAY, false), [&expected[..], &[-60]].concat());
        assert_eq!(stages(60 * DAY, false)[0], 30 * DAY);
    }

    #[test]
    fn a_short_one_is_told_at_a_third_and_a_tenth_of_its_life() {
        let week = stages(160 * HOUR, false);
        assert_eq!(week[0] / HOUR, 53, "a third of 160 h");
        assert_eq!(week[1..], [16 * HOUR, -60]);
    }

    #[test]
    fn what_renews_by_itself_is_late_only_when_a_tenth_of_its_time_for_that_is_over() {
        assert_eq!(stages(160 * HOUR, true)[..2], [48 * HOUR, 16 * HOUR]);
        assert_eq!(stages(90 * DAY, true)[..2], [27 * DAY, 14 * DAY]);
        assert_eq!(stages(398 * DAY, true)[0], 30 * DAY);
    }

    #[test]
    fn the_last_week_of_a_usual_one_and_the_last_tenth_of_a_short_one_are_urgent() {
        for (life, left, urgent) in [
            (398 * DAY, 14 * DAY, false),
            (398 * DAY, 7 * DAY, true),
            (160 * HOUR, 50 * HOUR, false),
            (160 * HOUR, 16 * HOUR, true),
            (160 * HOUR, -1, true),
        ] {
            let stage = stage(living(life), false, life - left).unwrap();
            assert_eq!(stage.is_urgent(living(life)), urgent, "{life} {left}");
        }
    }

    #[test]
    fn a_restart_tells_again_what_was_told_a_day_ago_and_nothing_sooner() {
        let mut told = Told::default();
        let stage = Stage(30 * DAY);
        assert!(told.is_news("a", stage, 0));
        assert!(!told.is_news("a", stage, 5 * DAY), "once in a run");
        assert!(told.is_news("b", stage, 5 * DAY));
        let kept = serde_json::to_string(&told).unwrap();
        let read = || serde_json::from_str::<Told>(&kept).unwrap();
        let mut soon = read().since(5 * DAY + HOUR);
        assert!(!soon.is_news("b", stage, 5 * DAY + HOUR));
        assert!(soon.is_news("a", stage, 5 * DAY + HOUR));
        assert!(read().since(7 * DAY).is_news("b", stage, 7 * DAY));
        assert!(
            read().since(-DAY).is_news("b", stage, -DAY),
            "a clock that went back"
        );
        told.keep(|thumbprint| thumbprint == "b");
        assert!(told.is_news("a", stage, 6 * DAY) && !told.is_news("b", stage, 6 * DAY));
    }
}
