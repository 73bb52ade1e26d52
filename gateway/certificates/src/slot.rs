//! What a certificate is for, as the administrator says it: `--server` or `--database`.

use std::fmt;

use backend_types::DatabaseId;

/// A place for one certificate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// The server port, and every database that has none of its own: the default.
    Server,
    /// The ports of one database.
    Database(DatabaseId),
}

impl Slot {
    /// The name of its folder in `tls`, and its word in paths of `admin.sock`.
    #[must_use]
    pub fn folder(&self) -> String {
        self.to_string()
    }

    /// The slot that [`Slot::folder`] calls so.
    #[must_use]
    pub fn parse(folder: &str) -> Option<Self> {
        if folder == "server" {
            return Some(Self::Server);
        }
        let id = folder.strip_prefix("database-")?.parse().ok()?;
        Some(Self::Database(id))
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server => f.write_str("server"),
            Self::Database(id) => write!(f, "database-{}", id.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slots_folder_names_it_again() {
        for slot in [Slot::Server, Slot::Database("server".parse().unwrap())] {
            let folder = slot.folder();
            assert_eq!(Slot::parse(&folder), Some(slot));
        }
        assert_eq!(Slot::parse("authority"), None);
    }
}
