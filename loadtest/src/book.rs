//! What was seen: latencies by step in fixed memory, wrong answers with a few examples.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::pace::Arrival;

/// What a request is for. The order is that of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Reach,
    LogIn,
    Refresh,
    LogOut,
    Users,
    BaseInfo,
    Types,
    Goods,
    List,
    Create,
    AddRows,
    EndUpdate,
    Take,
    Open,
    Change,
    ReadBack,
    Finish,
    Collect,
    Mark,
    Remove,
}

impl Step {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Reach => "reach",
            Self::LogIn => "log in",
            Self::Refresh => "refresh",
            Self::LogOut => "log out",
            Self::Users => "users",
            Self::BaseInfo => "base info",
            Self::Types => "types",
            Self::Goods => "goods",
            Self::List => "list",
            Self::Create => "create",
            Self::AddRows => "add rows",
            Self::EndUpdate => "end update",
            Self::Take => "take",
            Self::Open => "open",
            Self::Change => "change",
            Self::ReadBack => "read back",
            Self::Finish => "finish",
            Self::Collect => "collect",
            Self::Mark => "mark",
            Self::Remove => "remove",
        }
    }

    /// Hashing a password is slow on purpose: logins have a figure of their own.
    pub(crate) fn is_login(self) -> bool {
        self == Self::LogIn
    }
}

/// Latencies in microseconds, up to two minutes, to three digits.
pub(crate) type Latencies = Histogram<u64>;

#[expect(clippy::expect_used, reason = "constant bounds that are in order")]
pub(crate) fn latencies() -> Latencies {
    Histogram::new_with_bounds(1, 120_000_000, 3).expect("bounds in order")
}

/// Of wrong answers so many are kept to be shown.
const EXAMPLES: usize = 20;

/// What was written between two turns of the page.
#[derive(Default)]
pub(crate) struct Sheet {
    steps: BTreeMap<Step, Latencies>,
    pub(crate) documents: u64,
    /// Answers 503 with `Retry-After`: asked to come again, and came.
    pub(crate) asked_to_wait: u64,
    pub(crate) wrong: u64,
    pub(crate) examples: Vec<String>,
}

/// Written by all askers at once.
#[derive(Default)]
pub(crate) struct Book(Mutex<Sheet>);

impl Book {
    fn sheet(&self) -> MutexGuard<'_, Sheet> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn answered(&self, step: Step, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let mut sheet = self.sheet();
        let steps = sheet.steps.entry(step).or_insert_with(latencies);
        steps.saturating_record(micros);
    }

    pub(crate) fn document_finished(&self) {
        self.sheet().documents += 1;
    }

    pub(crate) fn asked_to_wait(&self) {
        self.sheet().asked_to_wait += 1;
    }

    pub(crate) fn wrong(&self, what: String) {
        let mut sheet = self.sheet();
        sheet.wrong += 1;
        if sheet.examples.len() < EXAMPLES {
            sheet.examples.push(what);
        }
    }

    /// Requests and wrong answers so far.
    pub(crate) fn progress(&self) -> (u64, u64) {
        let sheet = self.sheet();
        (sheet.answered(), sheet.wrong)
    }

    /// The sheet so far; the next one is empty.
    pub(crate) fn turn(&self) -> Sheet {
        std::mem::take(&mut *self.sheet())
    }
}

impl Sheet {
    pub(crate) fn steps(&self, arrival: Arrival) -> impl Iterator<Item = (Step, Latencies)> {
        let correct =
            move |(step, latencies): (&Step, &Latencies)| (*step, corrected(latencies, arrival));
        self.steps.iter().map(correct)
    }

    /// Of all steps together that `wanted` names.
    pub(crate) fn all(&self, arrival: Arrival, wanted: impl Fn(Step) -> bool) -> Latencies {
        let mut all = latencies();
        for (_, steps) in self.steps(arrival).filter(|(step, _)| wanted(*step)) {
            // Bounds are the same everywhere.
            all.add(steps).unwrap_or_default();
        }
        all
    }

    /// Requests that were answered.
    pub(crate) fn answered(&self) -> u64 {
        self.steps.values().map(Latencies::len).sum()
    }

    /// Adds what another sheet counts, its latencies left out.
    pub(crate) fn mention(&mut self, other: &Self) {
        self.documents += other.documents;
        self.asked_to_wait += other.asked_to_wait;
        self.note_wrong(other);
    }

    /// Adds what was wrong on another sheet.
    pub(crate) fn note_wrong(&mut self, other: &Self) {
        self.wrong += other.wrong;
        let room = EXAMPLES.saturating_sub(self.examples.len());
        self.examples
            .extend(other.examples.iter().take(room).cloned());
    }

    /// Adds what another sheet has.
    pub(crate) fn add(&mut self, other: Self) {
        self.mention(&other);
        for (step, latencies) in other.steps {
            match self.steps.get_mut(&step) {
                Some(known) => known.add(latencies).unwrap_or_default(),
                None => {
                    self.steps.insert(step, latencies);
                }
            }
        }
    }
}

/// A closed loop asks nothing while it waits. What it would have asked at its usual pace (the
/// median answer and the pause) is filled in.
fn corrected(recorded: &Latencies, arrival: Arrival) -> Latencies {
    match arrival {
        Arrival::Open { .. } => recorded.clone(),
        Arrival::Closed { pause } => {
            let pause = u64::try_from(pause.as_micros()).unwrap_or(u64::MAX);
            let usual = recorded.value_at_quantile(0.5).saturating_add(pause);
            recorded.clone_correct(usual)
        }
    }
}

/// Quantiles for programs.
pub(crate) fn figures(latencies: &Latencies) -> Value {
    json!({
        "count": latencies.len(),
        "p50_us": latencies.value_at_quantile(0.5),
        "p90_us": latencies.value_at_quantile(0.9),
        "p99_us": latencies.value_at_quantile(0.99),
        "p999_us": latencies.value_at_quantile(0.999),
        "max_us": latencies.max(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn a_stall_of_a_closed_loop_counts_for_what_was_not_asked() {
        let book = Book::default();
        for _ in 0..99 {
            book.answered(Step::List, ms(1));
        }
        book.answered(Step::List, ms(1000));
        let sheet = book.turn();
        let closed = sheet.all(Arrival::Closed { pause: ms(9) }, |_| true);
        // 1000, 990, … 10 ms: ninety-nine more than were recorded.
        assert!((195..=200).contains(&closed.len()), "{}", closed.len());
        assert!(closed.value_at_quantile(0.9) > 700_000);
        let open = sheet.all(Arrival::Open { every: ms(10) }, |_| true);
        assert_eq!(open.len(), 100);
    }

    #[test]
    fn turning_the_page_leaves_an_empty_one_and_sheets_add_up() {
        let book = Book::default();
        book.answered(Step::LogIn, ms(30));
        book.wrong("a".to_owned());
        let mut first = book.turn();
        assert_eq!(book.progress(), (0, 0));
        book.answered(Step::LogIn, ms(40));
        book.answered(Step::List, ms(1));
        for _ in 0..2 * EXAMPLES {
            book.wrong("b".to_owned());
        }
        first.add(book.turn());
        let arrival = Arrival::Open { every: ms(1) };
        assert_eq!(first.all(arrival, Step::is_login).len(), 2);
        assert_eq!(first.all(arrival, |_| true).len(), 3);
        assert_eq!(first.wrong, 1 + 2 * EXAMPLES as u64);
        assert_eq!(first.examples.len(), EXAMPLES);
        assert_eq!(first.examples.first().map(String::as_str), Some("a"));
    }
}
