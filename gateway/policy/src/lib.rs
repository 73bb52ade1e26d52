//! Every decision of the gateway, as values in and a verdict out.
//!
//! No pingora, no tokio, no openssl, no socket, no file, no clock and no log may appear here:
//! the manifest names none of them, and `clippy.toml` bans the clocks. Time is an argument
//! ([`Moment`]). The file that walks a request through these rooms is `gateway/src/request.rs`.

pub mod address;
pub mod address_list;
pub mod admit;
pub mod agreed;
pub mod chunks;
pub mod compress;
pub mod credentials;
pub mod handshake;
pub mod head;
pub mod identity;
pub mod moment;
pub mod password;
pub mod ports;
pub mod proxy_protocol;
pub mod recent;
pub mod refusal;
pub mod rights;
pub mod route;
pub mod sampling;
pub mod session;
pub mod throttle;

pub use address::{ClientAddr, ClientKey};
pub use moment::Moment;
