//! End-to-end tests of the shipped binary: against the shipped gateway with its demo databases,
//! against a data server that can be told to lie, and in a race against other people's servers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: a fault ends the test where it happens"
)]

mod compare;
mod demo;
mod lies;
mod stub;

use harness::tool::{self, Outcome};

pub(crate) const LOADTEST: &str = env!("CARGO_BIN_EXE_loadtest");

#[track_caller]
pub(crate) fn loadtest(arguments: &[&str]) -> Outcome {
    tool::run(LOADTEST, arguments, "")
}

#[track_caller]
pub(crate) fn json(outcome: &Outcome) -> serde_json::Value {
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|fault| panic!("{fault}: {outcome:?}"))
}
