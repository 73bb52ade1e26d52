//! The plain-HTTP data service behind the gateway: databases, groups, users, documents.
