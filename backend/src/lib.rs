//! The plain-HTTP data service behind the gateway: databases, groups, users, documents.

#[allow(
    dead_code,
    unused_imports,
    reason = "the API takes up the parts of this room one entity set at a time"
)]
pub(crate) mod odata;
