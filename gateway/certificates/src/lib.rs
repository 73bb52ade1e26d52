//! Certificates and keys: read in every format that authorities send, judged, made, kept on disk.
//!
//! Nothing here opens a socket, knows a configuration or speaks to people: faults are values, their
//! sentences are the gateway's. Private keys leave a [`Pair`] only for a TLS context or for a file
//! of mode 0600, and show themselves in no `Debug` and no error.

pub mod alarm;
pub mod authority;
pub mod chain;
pub mod challenge;
pub mod devices;
pub mod fault;
#[cfg(test)]
mod fixtures;
pub mod judge;
pub mod make;
pub mod names;
pub mod pair;
pub mod plan;
pub mod read;
pub mod renewal;
pub mod request;
pub mod slot;
pub mod store;
pub mod validity;

pub use authority::Authority;
pub use chain::Roots;
pub use devices::Devices;
pub use fault::Fault;
pub use names::Name;
pub use pair::{Certificate, KeyKind, Pair, PairError};
pub use plan::Plan;
pub use request::Request;
pub use slot::Slot;
pub use store::{Store, StoreError};
pub use validity::Validity;
