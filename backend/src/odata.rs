//! OData 4.0 as real clients of the data server speak it: names, paths, query
//! options, the shape of answers, `$metadata`.
//!
//! Pure: text and values in, values out. No socket, no SQL, no clock, no
//! rights; what a user may see is decided by whoever supplies the rows.
//!
//! The way of one request: [`Resource::parse`] the path, [`Query::parse`] the
//! options, fetch the rows, [`Query::page`] them, fill in what
//! [`Query::expand`] asks for on that page alone, [`Query::shape`] each row,
//! wrap with [`json`]. A body written by a client goes through [`body::read`].

pub(crate) mod body;
pub(crate) mod fault;
pub(crate) mod json;
pub(crate) mod metadata;
pub(crate) mod moment;
pub(crate) mod names;
pub(crate) mod page;
pub(crate) mod path;
pub(crate) mod query;

pub(crate) use fault::Fault;
pub(crate) use page::Page;
pub(crate) use path::Resource;
pub(crate) use query::Query;

/// One entity as it is stored and answered: camelCase names in a fixed order.
pub(crate) type Entity = serde_json::Map<String, serde_json::Value>;
