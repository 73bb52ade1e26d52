//! (to be furnished)

/// placeholder
pub struct ClientAddr;
/// placeholder
pub struct ClientKey;
