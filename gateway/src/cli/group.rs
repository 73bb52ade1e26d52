//! `gateway group …`: the vendor's form «Группа пользователей».

use backend_types::Role;
use clap::{Subcommand, ValueEnum};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};

use super::{
    Failure, Outcome, Session,
    entities::{Entities, Named, keyed},
    switch,
    table::Table,
};

const SET: &str = "UserGroups";

#[derive(Subcommand)]
pub(super) enum Group {
    List {
        #[arg(value_name = "DATABASE")]
        database: String,
    },
    Add(Add),
    Set(Set),
    Remove {
        #[arg(value_name = "DATABASE")]
        database: String,
        #[arg(value_name = "GROUP")]
        group: String,
    },
}

#[derive(clap::Args)]
pub(super) struct Add {
    #[arg(value_name = "DATABASE")]
    database: String,
    /// The next number when absent.
    #[arg(long)]
    id: Option<String>,
    #[command(flatten)]
    fields: Fields,
}

#[derive(clap::Args)]
pub(super) struct Set {
    #[arg(value_name = "DATABASE")]
    database: String,
    #[arg(value_name = "GROUP")]
    group: String,
    #[command(flatten)]
    fields: Fields,
}

#[derive(clap::Args)]
struct Fields {
    #[arg(long)]
    name: Option<String>,
    #[arg(long, value_name = switch::NAMES, value_parser = switch::parse)]
    autonomous: Option<bool>,
    #[arg(long)]
    role: Option<RoleName>,
    #[arg(long, value_name = "TYPE")]
    autostart: Option<String>,
    #[arg(long, value_name = "OPERATION")]
    login_operation: Option<String>,
    #[arg(long, value_name = "OPERATION")]
    logout_operation: Option<String>,
    /// All of the group's types: those that are not named are unticked.
    #[arg(long = "type", value_name = "TYPE", conflicts_with = "all_types")]
    types: Vec<String>,
    #[arg(long)]
    all_types: bool,
}

/// The roles in our words; the API has the vendor's.
#[derive(Clone, Copy, ValueEnum)]
enum RoleName {
    MobileUser,
    ExternalConnection,
    Administrator,
}

impl RoleName {
    fn in_api(self) -> &'static str {
        match self {
            Self::MobileUser => "MobileDeviceUser",
            Self::ExternalConnection => "User",
            Self::Administrator => "Administrator",
        }
    }
}

/// A group as the API answers it.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserGroup {
    pub(super) id: String,
    #[serde(default, deserialize_with = "super::entities::text")]
    pub(super) name: String,
    #[serde(deserialize_with = "role")]
    pub(super) role: Role,
    batch_mode: bool,
    #[serde(default, deserialize_with = "super::entities::text")]
    autorun_document_type_name: String,
    #[serde(default, deserialize_with = "super::entities::text")]
    on_start_handler_name: String,
    #[serde(default, deserialize_with = "super::entities::text")]
    on_finish_handler_name: String,
    document_type_names: Vec<String>,
    #[serde(default, skip_serializing)]
    users: Vec<Value>,
}

impl Named for UserGroup {
    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// The vendor's name of a role as ours.
fn role<'de, D: Deserializer<'de>>(from: D) -> Result<Role, D::Error> {
    Ok(match String::deserialize(from)?.as_str() {
        "Administrator" => Role::Administrator,
        "User" | "Internal" => Role::ExternalConnection,
        _ => Role::MobileUser,
    })
}

impl Session {
    /// The role's name in the vendor's form.
    pub(super) fn role(&self, role: Role) -> String {
        self.say(&format!("role-{role}"), &[])
    }
}

pub(super) fn run(group: Group, session: &Session) -> Outcome {
    match group {
        Group::List { database } => {
            let groups = all(&session.entities(&database)?)?;
            session.show(&groups, |groups| print(groups, session))
        }
        Group::Add(add) => add.run(session),
        Group::Set(set) => set.run(session),
        Group::Remove { database, group } => {
            let entities = session.entities(&database)?;
            let group: UserGroup = entities.find(SET, &group)?;
            entities.delete(&keyed(SET, &group.id))?;
            session.show(&json!({"removed": group.id}), |_| {
                out!("{}", session.say("group-removed", &[("name", &group.name)]));
            })
        }
    }
}

/// Groups with their users.
pub(super) fn all(entities: &Entities<'_>) -> Result<Vec<UserGroup>, Failure> {
    entities.list("UserGroups?$expand=users")
}

impl Add {
    fn run(self, session: &Session) -> Outcome {
        if self.fields.name.is_none() || self.fields.role.is_none() {
            return Err(session.misused("group-add-needs", &[]));
        }
        let entities = session.entities(&self.database)?;
        let mut body = self.fields.body(&entities)?;
        if let Some(id) = self.id {
            body.insert("id".to_owned(), id.into());
        }
        let made: UserGroup = entities.post(SET, &body)?;
        session.show(&made, |made| print(std::slice::from_ref(made), session))
    }
}

impl Set {
    fn run(self, session: &Session) -> Outcome {
        let entities = session.entities(&self.database)?;
        let body = self.fields.body(&entities)?;
        if body.is_empty() {
            return Err(session.misused("set-nothing", &[]));
        }
        let group: UserGroup = entities.find(SET, &self.group)?;
        entities.patch(&keyed(SET, &group.id), &body)?;
        let mut now = all(&entities)?;
        now.retain(|one| one.id == group.id);
        match now.pop() {
            Some(now) => session.show(&now, |now| print(std::slice::from_ref(now), session)),
            None => Ok(()),
        }
    }
}

impl Fields {
    fn body(self, entities: &Entities<'_>) -> Result<Map<String, Value>, Failure> {
        let types = if self.all_types {
            let types: Vec<Value> = entities.list("DocTypes?$select=name")?;
            let names = types.iter().filter_map(|one| one.get("name").cloned());
            Some(names.collect::<Vec<Value>>())
        } else if self.types.is_empty() {
            None
        } else {
            Some(self.types.into_iter().map(Value::from).collect())
        };
        let given = [
            ("name", self.name.map(Value::from)),
            ("batchMode", self.autonomous.map(Value::from)),
            ("role", self.role.map(|role| role.in_api().into())),
            ("autorunDocumentTypeName", self.autostart.map(Value::from)),
            ("onStartHandlerName", self.login_operation.map(Value::from)),
            (
                "onFinishHandlerName",
                self.logout_operation.map(Value::from),
            ),
            ("documentTypeNames", types.map(Value::from)),
        ];
        let given = given
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Ok(given.collect())
    }
}

fn print(groups: &[UserGroup], session: &Session) {
    let heads = [
        "ident",
        "name",
        "role",
        "autonomous",
        "autostart",
        "types",
        "users",
    ];
    let mut table = Table::with_head(heads.map(|head| session.say(&format!("head-{head}"), &[])));
    for group in groups {
        table.row([
            group.id.as_str().into(),
            group.name.as_str().into(),
            session.role(group.role).into(),
            session.yes_or_no(group.batch_mode).into(),
            group.autorun_document_type_name.as_str().into(),
            group.document_type_names.len().to_string().into(),
            group.users.len().to_string().into(),
        ]);
    }
    out!("{}", table.text(session.colour).trim_end());
}
