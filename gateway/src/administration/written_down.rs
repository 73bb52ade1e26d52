//! Changes wished for databases that stand in the configuration file: refused as a whole, with
//! the place and the text to paste.

use std::path::Path;

use backend_types::{Change, DatabaseId, Language, Role, User};
use gateway_config::{CannotChange, Changed, UserConfig, Wish};
use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Administration, Refused};
use crate::{
    directory::{Database, Source},
    login, messages,
};

/// A user as the backend's API takes him, as far as a file can hold him.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Asked {
    id: Option<String>,
    name: Option<String>,
    password: Option<String>,
    barcode: Option<String>,
    group_id: Option<String>,
    group_name: Option<String>,
}

impl Asked {
    /// The file knows roles, not groups: those of the template have one each.
    fn role(&self) -> Option<Role> {
        let group = self.group_id.as_deref().or(self.group_name.as_deref())?;
        Some(match group {
            "3" | "Администраторы" | "administrator" => Role::Administrator,
            "2" | "Обмен" | "external-connection" => Role::ExternalConnection,
            _ => Role::MobileUser,
        })
    }
}

impl Administration {
    /// Why none of `changes` is made, when one of them is the file's.
    pub(super) async fn refuse_written_down(
        &self,
        changes: &[Change],
        language: Language,
    ) -> Result<(), Refused> {
        let has_backend = self.world.backend.is_some();
        let directory = self.world.shared.directory.load_full();
        let written = |id: &DatabaseId| {
            let database = directory.get(id)?;
            match &database.source {
                Source::Yaml(place) => Some((place.clone(), database.name.clone())),
                Source::Backend => None,
            }
        };
        let id_of = |change: &Change| match change {
            Change::Add { id, .. } | Change::Set { id, .. } | Change::Remove { id } => id.clone(),
        };
        let theirs: Vec<Change> = changes
            .iter()
            .filter(|change| !has_backend || written(&id_of(change)).is_some())
            .cloned()
            .collect();
        let Some(first) = theirs.first() else {
            return Ok(());
        };
        let file = self.world.config_file().display().to_string();
        let refused = match written(&id_of(first)) {
            Some((place, name)) => {
                let values = [("place", place.as_str()), ("name", &name)];
                let message = messages::text(language, "admin-yaml-database", &values);
                Refused::new(StatusCode::CONFLICT, "yaml-database", message)
            }
            None => {
                let message = messages::text(language, "admin-no-backend-add", &[("file", &file)]);
                Refused::new(StatusCode::CONFLICT, "no-backend", message)
            }
        };
        let wishes = theirs.into_iter().map(Wish::Database).collect();
        let changed = self.change_file(wishes).await;
        Err(refused.with_steps(changed, &file, language))
    }

    /// What the file knows of a database's users, in the backend's shapes: enough for a command
    /// that will be refused to find what it means. A role stands for a group.
    pub(super) fn written_set(&self, id: &str, path: &str, language: Language) -> Option<Value> {
        let database = self.database(id, language).ok()?;
        let items: Vec<Value> = match path.rsplit('/').next()? {
            "UserGroups" => Role::ALL.iter().map(|role| group(*role)).collect(),
            "Users" => database.users.all().map(|user| listed(user)).collect(),
            "Warehouses" => Vec::new(),
            _ => return None,
        };
        Some(json!({ "value": items }))
    }

    /// `refused`, which is for a database of the file, with the steps for the user that was to be
    /// added, changed or removed.
    pub(super) async fn with_user_steps(
        &self,
        refused: Refused,
        id: &str,
        (method, path): (&Method, &str),
        body: &[u8],
        language: Language,
    ) -> Refused {
        let Ok(database) = self.database(id, language) else {
            return refused;
        };
        let Some(key) = path.rsplit('/').next().and_then(user_key) else {
            return refused;
        };
        let asked = serde_json::from_slice(body).unwrap_or_default();
        let (data, method) = (self.world.data_folder(), method.clone());
        let wish =
            tokio::task::spawn_blocking(move || wish(&database, &data, &method, key, &asked)).await;
        match wish {
            Ok(Some(wish)) => {
                let file = self.world.config_file().display().to_string();
                let changed = self.change_file(vec![wish]).await;
                refused.with_steps(changed, &file, language)
            }
            Ok(None) | Err(_) => refused,
        }
    }

    /// The configuration file as it is now, with what is wished of it.
    pub(super) async fn change_file(&self, wishes: Vec<Wish>) -> Result<Changed, CannotChange> {
        let (file, overrides) = self.world.written_in();
        let changed = tokio::task::spawn_blocking(move || {
            gateway_config::change_file(&file, &overrides, &wishes)
        });
        changed.await.unwrap_or(Err(CannotChange::Unclear))
    }
}

fn group(role: Role) -> Value {
    let vendors = match role {
        Role::MobileUser => "MobileDeviceUser",
        Role::ExternalConnection => "User",
        Role::Administrator => "Administrator",
    };
    json!({
        "id": role.as_str(), "name": role.as_str(), "role": vendors,
        "batchMode": false, "documentTypeNames": [],
    })
}

fn listed(user: &User) -> Value {
    let role = user.role.as_str();
    json!({"id": user.id, "name": user.name, "groupId": role, "groupName": role})
}

/// Of `Users` and `Users('id')`: the id, where there is one.
fn user_key(segment: &str) -> Option<Option<String>> {
    let segment = percent_decode_str(segment).decode_utf8().ok()?;
    let rest = segment.strip_prefix("Users")?;
    if rest.is_empty() {
        return Some(None);
    }
    let key = rest.strip_prefix("('")?.strip_suffix("')")?;
    Some(Some(key.replace("''", "'")))
}

/// What the request would be in the file; hashes, so it blocks.
fn wish(
    database: &Database,
    data: &Path,
    method: &Method,
    key: Option<String>,
    asked: &Asked,
) -> Option<Wish> {
    let id = database.id.clone();
    match (method, key) {
        (&Method::DELETE, Some(user)) => Some(Wish::RemoveUser { database: id, user }),
        (&Method::POST, None) => {
            let free = |id: &String| database.users.by_id(id).is_none();
            let mut numbers = (1_u64..).map(|number| number.to_string());
            let new = User {
                id: asked.id.clone().or_else(|| numbers.find(free))?,
                name: asked.name.clone()?,
                role: Role::MobileUser,
                password: None,
                index: None,
                barcode: None,
                barcode_index: None,
            };
            let user = user_after(new, data, asked)?;
            Some(Wish::User { database: id, user })
        }
        (&Method::PATCH | &Method::PUT, Some(key)) => {
            let now = database.users.by_id(&key)?;
            let user = user_after((**now).clone(), data, asked)?;
            Some(Wish::User { database: id, user })
        }
        _ => None,
    }
}

/// `None` where he would have no password: every user has one.
fn user_after(mut user: User, data: &Path, asked: &Asked) -> Option<UserConfig> {
    user.name = asked.name.clone().unwrap_or(user.name);
    user.role = asked.role().unwrap_or(user.role);
    if let Some(password) = &asked.password {
        let made = login::hash_for_yaml(data, password).ok()?;
        (user.password, user.index) = (Some(made.password), Some(made.index));
    }
    match asked.barcode.as_deref() {
        None => {}
        Some("") => (user.barcode, user.barcode_index) = (None, None),
        Some(barcode) => {
            let made = login::hash_for_yaml(data, barcode).ok()?;
            (user.barcode, user.barcode_index) = (Some(made.password), Some(made.index));
        }
    }
    Some(UserConfig {
        id: user.id,
        name: user.name,
        role: user.role,
        password: user.password?.parse().ok()?,
        index: user.index.and_then(|index| index.parse().ok()),
        barcode: user.barcode.and_then(|hash| hash.parse().ok()),
        barcode_index: user.barcode_index.and_then(|index| index.parse().ok()),
    })
}

impl Refused {
    /// With what to write where, or why that would not do either.
    pub(super) fn with_steps(
        mut self,
        changed: Result<Changed, CannotChange>,
        file: &str,
        language: Language,
    ) -> Self {
        match changed {
            Ok(changed) if changed.steps.is_empty() => {
                self.message += &format!("; {}", messages::text(language, "admin-written-so", &[]));
            }
            Ok(changed) => self.paste = Some(changed.instructions(file, language)),
            Err(fault) => self.message += &format!("; {}", fault.words(language)),
        }
        self
    }
}
