//! How somebody proved who he is, and whether that still holds.

use std::fmt;

use backend_types::{DatabaseId, Role, User};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// Name and password.
    Name,
    PasswordAlone,
    Barcode,
}

impl Way {
    /// Open only while the database's `barcode_login` is on, and then with a mobile user's rights.
    #[must_use]
    pub fn is_nameless(self) -> bool {
        match self {
            Self::Name => false,
            Self::PasswordAlone | Self::Barcode => true,
        }
    }
}

/// Fingerprint of the stored hash somebody logged in by: another password is another stamp.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp([u8; 8]);

impl Stamp {
    /// `None` where the user has nothing to log in by in this way.
    #[must_use]
    pub fn of(way: Way, user: &User) -> Option<Self> {
        let (kind, stored) = match way {
            Way::Name | Way::PasswordAlone => ("password:", user.password.as_ref()?),
            Way::Barcode => ("barcode:", user.barcode.as_ref()?),
        };
        let digest = Sha256::new()
            .chain_update(kind)
            .chain_update(stored)
            .finalize();
        digest.first_chunk().copied().map(Self)
    }
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stamp(…)")
    }
}

/// A verified login; kept by sessions and by the cache of Basic credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    pub database: DatabaseId,
    /// The user's id.
    pub user: String,
    pub way: Way,
    stamp: Stamp,
}

impl Login {
    /// `None` where the user has nothing to log in by in this way.
    #[must_use]
    pub fn new(database: DatabaseId, user: &User, way: Way) -> Option<Self> {
        Some(Self {
            database,
            user: user.id.clone(),
            way,
            stamp: Stamp::of(way, user)?,
        })
    }

    /// The role the login has now, by the database's present `barcode_login` and user; `None`: it
    /// is good no more.
    #[must_use]
    pub fn role(&self, barcode_login: bool, user: Option<&User>) -> Option<Role> {
        let user = user.filter(|user| user.id == self.user)?;
        let unchanged = Stamp::of(self.way, user) == Some(self.stamp);
        match self.way.is_nameless() {
            _ if !unchanged => None,
            false => Some(user.role),
            true => barcode_login.then_some(Role::MobileUser),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> User {
        User {
            id: "7".to_owned(),
            name: "Иванов".to_owned(),
            role: Role::Administrator,
            password: Some("$argon2id$p".to_owned()),
            index: None,
            barcode: Some("$argon2id$b".to_owned()),
            barcode_index: None,
        }
    }

    fn login(way: Way) -> Login {
        Login::new("shop".parse().unwrap(), &user(), way).unwrap()
    }

    #[test]
    fn a_named_login_has_the_role_of_the_moment() {
        let named = login(Way::Name);
        assert_eq!(named.role(false, Some(&user())), Some(Role::Administrator));
        let demoted = User {
            role: Role::MobileUser,
            ..user()
        };
        assert_eq!(named.role(true, Some(&demoted)), Some(Role::MobileUser));
    }

    #[test]
    fn a_nameless_login_is_a_mobile_user_and_ends_with_the_switch() {
        for way in [Way::PasswordAlone, Way::Barcode] {
            assert_eq!(login(way).role(true, Some(&user())), Some(Role::MobileUser));
            assert_eq!(login(way).role(false, Some(&user())), None);
        }
    }

    #[test]
    fn a_login_ends_with_what_it_was_made_by_and_with_its_user() {
        let other_password = User {
            password: Some("$argon2id$q".to_owned()),
            ..user()
        };
        let no_barcode = User {
            barcode: None,
            ..user()
        };
        let stranger = User {
            id: "8".to_owned(),
            ..user()
        };
        for (way, user, lives) in [
            (Way::Name, Some(&other_password), false),
            (Way::PasswordAlone, Some(&other_password), false),
            (Way::Barcode, Some(&other_password), true),
            (Way::Name, Some(&no_barcode), true),
            (Way::Barcode, Some(&no_barcode), false),
            (Way::Name, Some(&stranger), false),
            (Way::Name, None, false),
        ] {
            assert_eq!(
                login(way).role(true, user).is_some(),
                lives,
                "{way:?} {user:?}"
            );
        }
        assert_eq!(
            Login::new("shop".parse().unwrap(), &no_barcode, Way::Barcode),
            None
        );
    }
}
