//! Certificates from authorities that speak ACME (RFC 8555), such as Let's Encrypt.

#[allow(dead_code, reason = "orders post them, and come next")]
pub(crate) mod challenges;

use std::sync::Arc;

use gateway_certificates::{Certificate, Slot, plan::AcmeWish};

use crate::{gateway::World, messages::Language};

#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderFault {
    #[error("orders are not built in yet")]
    NotBuiltIn,
}

impl OrderFault {
    /// For the administrator.
    pub(crate) fn words(&self, _language: Language) -> String {
        self.to_string()
    }
}

/// A certificate for `slot` as wished. Installs nothing: who asked does.
pub(crate) async fn order(
    _world: &Arc<World>,
    _slot: &Slot,
    _wish: &AcmeWish,
) -> Result<Certificate, OrderFault> {
    Err(OrderFault::NotBuiltIn)
}
