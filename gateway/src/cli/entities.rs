//! The entity sets of one database of our backend, asked through the running gateway, which acts
//! there as an administrator. What is changed is in force when the answer is here.

use backend_types::DatabaseId;
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Failure, Session};

pub(super) struct Entities<'a> {
    session: &'a Session,
    pub(super) database: DatabaseId,
    /// The database's name.
    pub(super) name: String,
}

/// A collection as the backend answers it.
#[derive(Deserialize)]
struct Collection<T> {
    value: Vec<T>,
}

/// What has an id and a name, by either of which people call it.
pub(super) trait Named {
    fn id(&self) -> &str;
    fn name(&self) -> &str;
}

impl Session {
    /// Of the database with this id or name.
    pub(super) fn entities(&self, named: &str) -> Result<Entities<'_>, Failure> {
        let database = self.database(named)?;
        Ok(Entities {
            session: self,
            database: database.id,
            name: database.name,
        })
    }
}

impl Entities<'_> {
    fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        below: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, Failure> {
        let path = format!("/databases/{}/api/v1/{below}", self.database);
        Ok(self.session.gateway.send(method, &path, body)?)
    }

    /// A change that the backend may have a warning about: its code.
    pub(super) fn change<T: DeserializeOwned>(
        &self,
        method: Method,
        below: &str,
        body: &impl Serialize,
    ) -> Result<(T, Option<String>), Failure> {
        let path = format!("/databases/{}/api/v1/{below}", self.database);
        let gateway = &self.session.gateway;
        Ok(gateway.send_warned(method, &path, Some(body))?)
    }

    pub(super) fn get<T: DeserializeOwned>(&self, below: &str) -> Result<T, Failure> {
        self.ask(Method::GET, below, None::<&()>)
    }

    pub(super) fn list<T: DeserializeOwned>(&self, below: &str) -> Result<Vec<T>, Failure> {
        let collection: Collection<T> = self.get(below)?;
        Ok(collection.value)
    }

    pub(super) fn post<T: DeserializeOwned>(
        &self,
        below: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        self.ask(Method::POST, below, Some(body))
    }

    pub(super) fn patch(&self, below: &str, body: &impl Serialize) -> Result<(), Failure> {
        let _nothing: Value = self.ask(Method::PATCH, below, Some(body))?;
        Ok(())
    }

    pub(super) fn delete(&self, below: &str) -> Result<Value, Failure> {
        self.ask(Method::DELETE, below, None::<&()>)
    }

    /// The one of a set that has this id or, where it is the only one, this name.
    pub(super) fn find<T: DeserializeOwned + Named>(
        &self,
        set: &str,
        named: &str,
    ) -> Result<T, Failure> {
        let mut all: Vec<T> = self.list(set)?;
        if let Some(place) = all.iter().position(|one| one.id() == named) {
            return Ok(all.swap_remove(place));
        }
        let folded = named.to_lowercase();
        all.retain(|one| one.name().to_lowercase() == folded);
        let values = [("name", named), ("database", self.name.as_str())];
        match (all.pop(), all.is_empty()) {
            (Some(only), true) => Ok(only),
            (Some(_), false) => Err(self.session.refuse("entity-name-twice", &values)),
            (None, _) => Err(self.session.refuse("entity-not-there", &values)),
        }
    }
}

/// A text that may be null.
pub(super) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// `Set('key')` as a path.
pub(super) fn keyed(set: &str, key: &str) -> String {
    let quoted = key.replace('\'', "''");
    format!(
        "{set}('{}')",
        utf8_percent_encode(&quoted, NON_ALPHANUMERIC)
    )
}

/// `text` as a value in a query.
pub(super) fn in_query(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use super::keyed;

    #[test]
    fn a_key_cannot_leave_its_place() {
        assert_eq!(keyed("Users", "1"), "Users('1')");
        assert_eq!(keyed("Users", "a')/b?c"), "Users('a%27%27%29%2Fb%3Fc')");
    }
}
