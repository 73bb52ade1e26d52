//! End-to-end tests, one binary: pingora and sqlx link slowly.
