//! The plain-HTTP data service behind the gateway: databases, groups, users, documents.
//!
//! It has one address, a Unix socket that only its owner can open or TCP with a shared key, and
//! trusts what the gateway says there about who asks. The gateway starts it in its own process by
//! [`start`]; the binary beside this library does the same from `config/backend.yaml`.

mod api;
mod backups;
pub mod config;
mod demo;
mod directory;
mod entity;
mod identity;
pub mod messages;
#[allow(
    dead_code,
    unused_imports,
    reason = "the API takes up the parts of this room one entity set at a time"
)]
mod odata;
mod secrets;
mod server;
mod start;
mod storage;
pub mod systemd;
mod template;

pub use demo::{DemoDatabase, DemoError, FirstStart, SAMPLE_DOCUMENT};
pub use secrets::SecretError;
pub use server::SharedKey;
pub use start::{DataFolder, Listen, Options, Running, StartError, start, start_on, take_folder};
pub use storage::OpenError;
