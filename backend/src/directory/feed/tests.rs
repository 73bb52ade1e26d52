use std::collections::HashMap;

use backend_types::{Changes, DatabaseId};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, from_value, json};
use tokio::runtime::Runtime;

use super::*;
use crate::{
    api::error::ApiError,
    directory::{apply, change},
    entity::object,
    secrets::{Hasher, Stored, new_index_key},
    storage::{
        Writer,
        entities::{self, EntitySet},
        users::{self, StoredUser},
    },
    template::Template,
};

struct Shop {
    storage: Storage,
    feed: Arc<Feed>,
    _folder: tempfile::TempDir,
}

impl Shop {
    async fn change(&self, changes: Value) -> bool {
        let changes = from_value(json!({ "changes": changes })).unwrap();
        let changed = change(&self.storage, &self.feed, &Hasher::new(), changes).await;
        changed.is_ok()
    }

    /// The databases, and which of them are as they were told in `before`.
    async fn told(&self, before: &Snapshot) -> (Snapshot, Vec<(String, bool)>) {
        let told = self.feed.committed(&self.storage).await.unwrap();
        let fresh = Feed::of(&self.storage).committed(&self.storage).await;
        assert_eq!(told.json(None).unwrap(), fresh.unwrap().json(None).unwrap());
        let kept = |one: &Arc<Told>| before.databases.values().any(|old| Arc::ptr_eq(old, one));
        let databases = told.databases.values();
        let databases = databases.map(|one| (one.stored.id.to_string(), kept(one)));
        let databases = databases.collect();
        (told, databases)
    }
}

fn add(id: &str) -> Value {
    json!({"change": "add", "id": id, "settings": {
        "name": id, "folder": "", "https": true, "authentication": false, "port": 0,
    }})
}

#[track_caller]
fn check(databases: &[(String, bool)], expected: &[(&str, bool)]) {
    let databases = databases.iter().map(|(id, kept)| (id.as_str(), *kept));
    assert_eq!(databases.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn what_has_changed_is_read_again_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (storage, _task) = Storage::open(folder.path()).await.unwrap();
    let shop = Shop {
        feed: Arc::new(Feed::of(&storage)),
        storage,
        _folder: folder,
    };
    assert!(shop.change(json!([add("a"), add("b"), add("c")])).await);
    let (told, databases) = shop.told(&Snapshot::default()).await;
    check(&databases, &[("a", false), ("b", false), ("c", false)]);

    let set = json!({"change": "set", "id": "b", "settings": {"port": 9706}});
    assert!(shop.change(json!([set])).await);
    let (told, databases) = shop.told(&told).await;
    check(&databases, &[("a", true), ("b", false), ("c", true)]);

    let refused = json!({"change": "set", "id": "a", "settings": {"port": 9706}});
    assert!(!shop.change(json!([refused])).await);
    let (told, databases) = shop.told(&told).await;
    check(&databases, &[("a", true), ("b", true), ("c", true)]);

    // A user of one database is gone; what comes to nothing in another is read in vain.
    let (kept, undone) = (("c", true), ("b", false));
    for (database, keeps) in [kept, undone] {
        let written: Result<(), StorageError> = shop
            .storage
            .write(move |writer| {
                Box::pin(async move {
                    users::delete(&mut writer.connection, database, "admin").await?;
                    writer.bump_revision([database.to_owned()]).await?;
                    keeps.then_some(()).ok_or(StorageError::Busy)
                })
            })
            .await;
        assert_eq!(written.is_ok(), keeps);
    }
    let (told, databases) = shop.told(&told).await;
    check(&databases[..1], &[("a", true)]);
    check(&databases[2..], &[("c", false)]);

    let again = json!([{"change": "remove", "id": "a"}, add("a")]);
    assert!(shop.change(again).await);
    let (told, databases) = shop.told(&told).await;
    check(&databases[1..], &[("c", true), ("a", false)]);

    assert!(shop.change(json!([{"change": "remove", "id": "b"}])).await);
    let (_, databases) = shop.told(&told).await;
    check(&databases, &[("c", true), ("a", true)]);
}

const IDS: [&str; 3] = ["a", "b", "c"];

/// What one transaction does to the directory; some of it is refused.
#[derive(Clone, Debug)]
enum Deed {
    /// Through the gateway.
    Changes(Vec<Value>),
    User {
        database: &'static str,
        id: &'static str,
        group: &'static str,
    },
    NoUser {
        database: &'static str,
        id: &'static str,
    },
    Group {
        database: &'static str,
        id: &'static str,
        role: &'static str,
    },
    NoGroup {
        database: &'static str,
        id: &'static str,
    },
}

/// Two that wait for the writer together, and who reads meanwhile and afterwards.
#[derive(Clone, Debug)]
struct Turn {
    /// And whether it comes to its end.
    deeds: [(Deed, bool); 2],
    /// Else the second follower keeps what it has seen last.
    both_look: bool,
    /// Begins now and is read after the next turns, until one says so.
    view_is_read: bool,
}

fn change_of_one() -> impl Strategy<Value = Value> {
    let port = prop_oneof![Just(0), Just(9706), Just(9707)];
    let set = (any::<bool>(), "[xyz]", port).prop_map(|(renamed, name, port)| match renamed {
        true => json!({ "name": name }),
        false => json!({ "port": port }),
    });
    let id = prop::sample::select(&IDS[..]);
    prop_oneof![
        3 => id.clone().prop_map(add),
        2 => id.clone().prop_map(|id| json!({"change": "remove", "id": id})),
        2 => (id, set).prop_map(|(id, set)| json!({"change": "set", "id": id, "settings": set})),
    ]
}

fn deed() -> impl Strategy<Value = Deed> {
    let database = || prop::sample::select(&IDS[..]);
    let id = || prop::sample::select(&["1", "3", "admin"][..]);
    let role = prop::sample::select(&["MobileDeviceUser", "User", "Administrator"][..]);
    prop_oneof![
        4 => vec(change_of_one(), 1..3).prop_map(Deed::Changes),
        2 => (database(), id(), id())
            .prop_map(|(database, id, group)| Deed::User { database, id, group }),
        1 => (database(), id()).prop_map(|(database, id)| Deed::NoUser { database, id }),
        2 => (database(), id(), role)
            .prop_map(|(database, id, role)| Deed::Group { database, id, role }),
        1 => (database(), id()).prop_map(|(database, id)| Deed::NoGroup { database, id }),
    ]
}

fn turn() -> impl Strategy<Value = Turn> {
    let ends = || prop::bool::weighted(0.8);
    let deeds = [(deed(), ends()), (deed(), ends())];
    (deeds, any::<bool>(), any::<bool>()).prop_map(|(deeds, both_look, view_is_read)| Turn {
        deeds,
        both_look,
        view_is_read,
    })
}

impl Deed {
    async fn done(
        self,
        writer: &mut Writer,
        feed: &Feed,
        templates: HashMap<DatabaseId, Template>,
    ) -> Result<(), ApiError> {
        let connection = &mut writer.connection;
        let groups = EntitySet::UserGroups;
        let database = match self {
            Self::Changes(changes) => {
                let changes: Changes = from_value(json!({ "changes": changes })).unwrap();
                apply(writer, feed, changes, templates).await?;
                return Ok(());
            }
            Self::User {
                database,
                id,
                group,
            } => {
                let stored = |text: &str| Stored {
                    hash: text.to_owned(),
                    index: text.to_owned(),
                };
                let user = StoredUser {
                    id: id.to_owned(),
                    group_id: group.to_owned(),
                    name_login: id.to_owned(),
                    id_login: id.to_owned(),
                    body: object(json!({ "name": id })),
                    password: stored(id),
                    barcode: None,
                };
                users::put(connection, database, &user).await?;
                database
            }
            Self::NoUser { database, id } => {
                users::delete(connection, database, id).await?;
                database
            }
            Self::Group { database, id, role } => {
                let group = object(json!({"id": id, "name": id, "role": role}));
                entities::put(connection, database, groups, id, &group).await?;
                database
            }
            Self::NoGroup { database, id } => {
                entities::delete(connection, database, groups, id).await?;
                database
            }
        };
        writer.bump_revision([database.to_owned()]).await?;
        Ok(())
    }
}

/// A backend, and what a gateway that has just come would be told at each revision.
struct Backend {
    storage: Storage,
    feed: Arc<Feed>,
    second: Feed,
    templates: HashMap<DatabaseId, Template>,
    told: Arc<Mutex<BTreeMap<u64, Vec<u8>>>>,
}

fn json_of(snapshot: &Snapshot) -> Vec<u8> {
    snapshot.json(None).unwrap()
}

impl Backend {
    /// With what its transaction sees of the directory, followed and read anew, last.
    async fn does(&self, deed: Deed, ends: bool) {
        let (feed, fresh) = (Arc::clone(&self.feed), Feed::of(&self.storage));
        let (told, seen) = (Arc::clone(&self.told), Arc::<Mutex<_>>::default());
        let mut templates = self.templates.clone();
        for template in templates.values_mut() {
            template.index_key = new_index_key().unwrap();
        }
        let see = Arc::clone(&seen);
        let done: Result<(), ApiError> = self
            .storage
            .write(move |writer| {
                Box::pin(async move {
                    deed.done(writer, &feed, templates).await?;
                    let fresh = fresh.seen_by(&mut writer.connection).await?;
                    let followed = feed.seen_by(&mut writer.connection).await?;
                    *see.lock().unwrap() = Some((json_of(&followed), json_of(&fresh)));
                    if !ends {
                        return Err(StorageError::Busy.into());
                    }
                    told.lock().unwrap().insert(fresh.revision, json_of(&fresh));
                    Ok(())
                })
            })
            .await;
        let seen = seen.lock().unwrap().take();
        assert!(done.is_err() || seen.is_some());
        if let Some((followed, fresh)) = seen {
            assert_eq!(text(&followed), text(&fresh), "in its transaction");
        }
    }

    /// Whatever a reader is told is what a gateway that came at this revision would be.
    fn check(&self, snapshot: &Snapshot, who: &str) {
        let told = self.told.lock().unwrap();
        let fresh = told.get(&snapshot.revision);
        let fresh = fresh.map(|json| text(json));
        assert_eq!(Some(text(&json_of(snapshot))), fresh, "{who}");
    }

    async fn looks(&self, feed: &Feed, who: &str) {
        let snapshot = feed.committed(&self.storage).await.unwrap();
        self.check(&snapshot, who);
    }

    async fn lives(&self, turns: Vec<Turn>) {
        let fresh = Feed::of(&self.storage).committed(&self.storage).await;
        let fresh = fresh.unwrap();
        (self.told.lock().unwrap()).insert(fresh.revision, json_of(&fresh));
        let mut view = None;
        for Turn {
            deeds: [(first, first_ends), (second, second_ends)],
            both_look,
            view_is_read,
        } in turns
        {
            if view.is_none() {
                view = Some(self.storage.read().await.unwrap());
            }
            tokio::join!(
                self.does(first, first_ends),
                self.looks(&self.feed, "who reads meanwhile"),
                self.does(second, second_ends),
                self.looks(&self.feed, "who reads meanwhile too"),
            );
            let newest = *self.storage.revision().borrow();
            let snapshot = self.feed.committed(&self.storage).await.unwrap();
            self.check(&snapshot, "who has always read");
            assert_eq!(snapshot.revision, newest);
            if both_look {
                self.looks(&self.second, "who has not read for a while")
                    .await;
            }
            if let Some(mut view) = view.take_if(|_| view_is_read) {
                let snapshot = self.second.seen_by(&mut view).await.unwrap();
                self.check(&snapshot, "whose view was begun before");
            }
        }
    }
}

fn text(json: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(json)
}

#[test]
fn who_follows_the_changes_is_told_what_a_newcomer_is_told() {
    let runtime = Runtime::new().unwrap();
    let hasher = Hasher::new();
    let templates: HashMap<DatabaseId, Template> = IDS
        .into_iter()
        .map(|id| {
            let id: DatabaseId = id.parse().unwrap();
            let made = runtime.block_on(Template::make(&hasher, id.clone()));
            let mut template = made.unwrap();
            template.types = &[];
            (id, template)
        })
        .collect();
    proptest!(ProptestConfig::with_cases(8), |(turns in vec(turn(), 1..10))| {
        let folder = tempfile::tempdir().unwrap();
        runtime.block_on(async {
            let (storage, closed) = Storage::open(folder.path()).await.unwrap();
            let backend = Backend {
                feed: Arc::new(Feed::of(&storage)),
                second: Feed::of(&storage),
                storage,
                templates: templates.clone(),
                told: Arc::default(),
            };
            backend.lives(turns).await;
            drop(backend);
            closed.await.unwrap();
        });
    });
}
