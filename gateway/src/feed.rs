//! What the backend says of its databases. Each is kept with the text that it was read from: where
//! the next directory has the same text, nothing is read, compiled or compared again.

use std::{collections::HashMap, sync::Arc};

use backend_types::{Database, MadeUser};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

/// One database of the backend's.
pub(crate) struct Told {
    pub(crate) database: Database,
    json: Box<RawValue>,
}

/// All of them at one revision. As JSON it is a [`backend_types::Directory`].
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Feed {
    pub(crate) revision: u64,
    pub(crate) databases: Vec<Arc<Told>>,
}

#[derive(Serialize, Deserialize)]
struct Shape<'a> {
    revision: u64,
    #[serde(borrow)]
    databases: Vec<&'a RawValue>,
    /// Only after a change.
    #[serde(default, skip_serializing)]
    made: Vec<MadeUser>,
}

impl Told {
    /// As it would be told.
    pub(crate) fn new(database: Database) -> Result<Arc<Self>, serde_json::Error> {
        let json = to_raw_value(&database)?;
        Ok(Arc::new(Self { database, json }))
    }

    fn read(json: &RawValue) -> Result<Arc<Self>, serde_json::Error> {
        Ok(Arc::new(Self {
            database: serde_json::from_str(json.get())?,
            json: json.to_owned(),
        }))
    }
}

impl PartialEq for Told {
    fn eq(&self, other: &Self) -> bool {
        self.database == other.database
    }
}

impl Eq for Told {}

impl Feed {
    /// A directory, or what came of a change with those who were made.
    pub(crate) fn read(
        json: &[u8],
        before: Option<&Self>,
    ) -> Result<(Self, Vec<MadeUser>), serde_json::Error> {
        let Shape {
            revision,
            databases,
            made,
        } = serde_json::from_slice(json)?;
        let before = before.map(|feed| feed.databases.as_slice());
        let known: HashMap<&str, &Arc<Told>> = before
            .unwrap_or_default()
            .iter()
            .map(|told| (told.json.get(), told))
            .collect();
        let databases = databases.into_iter().map(|json| {
            let known = known.get(json.get()).copied().map(Arc::clone);
            known.map_or_else(|| Told::read(json), Ok)
        });
        let databases = databases.collect::<Result<_, _>>()?;
        let feed = Self {
            revision,
            databases,
        };
        Ok((feed, made))
    }

    pub(crate) fn json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&Shape {
            revision: self.revision,
            databases: self.databases.iter().map(|told| &*told.json).collect(),
            made: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn shop(id: &str, comment: &str) -> Value {
        json!({
            "id": id, "name": id, "folder": id, "comment": comment, "https": true,
            "authentication": false, "port": 9706, "index_key": "00", "users": [],
        })
    }

    fn read(revision: u64, databases: Value, before: Option<&Feed>) -> Feed {
        let told = json!({"revision": revision, "databases": databases, "of_tomorrow": {}});
        Feed::read(told.to_string().as_bytes(), before).unwrap().0
    }

    #[test]
    fn what_is_told_in_the_same_words_is_not_read_again() {
        let before = read(
            1,
            json!([shop("a", ""), shop("b", ""), shop("c", "")]),
            None,
        );
        let after = json!([shop("c", ""), shop("b", "closed"), shop("d", "")]);
        let after = read(2, after, Some(&before));
        let kept = |one: usize| {
            let mut earlier = before.databases.iter();
            earlier.position(|told| Arc::ptr_eq(told, &after.databases[one]))
        };
        assert_eq!([kept(0), kept(1), kept(2)], [Some(2), None, None]);
        assert_eq!(after.databases[1].database.settings.comment, "closed");
    }

    #[test]
    fn a_feed_is_read_back_from_its_copy() {
        let feed = read(7, json!([shop("a", "«касса»"), shop("b", "")]), None);
        let (again, made) = Feed::read(&feed.json().unwrap(), None).unwrap();
        assert!(again == feed);
        assert_eq!(made, []);
    }
}
