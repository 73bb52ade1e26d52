//! The service as the gateway meets it: real files, a real socket, real requests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests may fail loudly"
)]

mod acceptance;
mod actors;
mod backups;
mod configuration;
mod crowd;
mod directory;
mod documents;
mod process;
mod reading;
mod row_rights;
mod start;
mod users;
