//! Certificates from authorities that speak ACME (RFC 8555), such as Let's Encrypt.

#[allow(dead_code, reason = "orders post them, and come next")]
pub(crate) mod challenges;
