//! A server by name, and the addresses that the name has at the moment.

use std::{net::SocketAddr, sync::Arc};

use arc_swap::ArcSwap;
use backend_types::HttpServer;

/// An existing server by name, and the addresses that the name has now.
pub(crate) struct ServerAddress {
    pub(crate) authority: String,
    pub(crate) resolved: ArcSwap<Vec<SocketAddr>>,
}

impl ServerAddress {
    pub(crate) fn new(server: &HttpServer) -> Self {
        let authority = server.authority();
        let now = authority.parse().into_iter().collect();
        Self {
            authority,
            resolved: ArcSwap::from_pointee(now),
        }
    }

    /// Any one of the name's addresses.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.resolved.load().first().copied()
    }

    /// Asks the name service again; an answer that fails leaves the last one.
    pub(crate) async fn resolve(&self) {
        match tokio::net::lookup_host(&self.authority).await {
            Ok(found) => {
                let found: Vec<SocketAddr> = found.collect();
                if !found.is_empty() && **self.resolved.load() != found {
                    self.resolved.store(Arc::new(found));
                }
            }
            Err(fault) => {
                tracing::warn!(upstream = self.authority, %fault, "upstream name does not resolve");
            }
        }
    }
}
