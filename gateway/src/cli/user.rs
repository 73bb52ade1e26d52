//! `gateway user …`: the vendor's form «Новый пользователь» and its list of users.
//!
//! A secret is read from stdin or made here and printed once; nobody can read it afterwards.

use backend_types::Role;
use clap::Subcommand;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    Failure, Outcome, Session,
    entities::{Entities, Named, keyed},
    group::{self, UserGroup},
    secret,
    table::Table,
};
use crate::admin_client::AdminError;

const SET: &str = "Users";

#[derive(Subcommand)]
pub(super) enum User {
    List {
        #[arg(value_name = "DATABASE")]
        database: String,
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
    },
    Add(Add),
    Set(Set),
    Remove {
        #[arg(value_name = "DATABASE")]
        database: String,
        #[arg(value_name = "USER")]
        user: String,
    },
    Clear {
        #[arg(value_name = "DATABASE")]
        database: String,
        #[arg(long)]
        yes: bool,
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
    #[arg(value_name = "USER")]
    user: String,
    #[command(flatten)]
    fields: Fields,
    #[arg(long, conflicts_with = "password_stdin")]
    new_password: bool,
    #[arg(long, conflicts_with = "barcode_stdin")]
    no_barcode: bool,
    #[arg(long, conflicts_with = "warehouses")]
    no_warehouses: bool,
}

#[derive(clap::Args)]
struct Fields {
    #[arg(long)]
    name: Option<String>,
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    #[arg(long)]
    password_stdin: bool,
    #[arg(long)]
    barcode_stdin: bool,
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// All of the user's warehouses: those that are not named are unticked.
    #[arg(long = "warehouse", value_name = "WAREHOUSE")]
    warehouses: Vec<String>,
}

/// A user as the API answers it, and his role.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    id: String,
    #[serde(default, deserialize_with = "super::entities::text")]
    name: String,
    #[serde(default, deserialize_with = "super::entities::text")]
    group_id: String,
    #[serde(default, deserialize_with = "super::entities::text")]
    group_name: String,
    /// Of his group; the API does not say it.
    #[serde(skip_deserializing)]
    role: Option<Role>,
    #[serde(default, deserialize_with = "super::entities::text")]
    description: String,
    #[serde(default)]
    warehouse_ids: Vec<String>,
    /// Their names; one that is gone keeps its id.
    #[serde(skip_deserializing)]
    warehouses: Vec<String>,
}

impl Named for Listed {
    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }
}

#[derive(Deserialize)]
struct Warehouse {
    id: String,
    #[serde(default, deserialize_with = "super::entities::text")]
    name: String,
}

impl Named for Warehouse {
    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }
}

pub(super) fn run(user: User, session: &Session) -> Outcome {
    match user {
        User::List { database, search } => {
            let mut users = all(&session.entities(&database)?)?;
            if let Some(wanted) = search {
                users.retain(|user| user.matches(&wanted, session));
            }
            session.show(&users, |users| print(users, session))
        }
        User::Add(add) => add.run(session),
        User::Set(set) => set.run(session),
        User::Remove { database, user } => {
            let entities = session.entities(&database)?;
            let user: Listed = entities.find(SET, &user)?;
            entities.delete(&keyed(SET, &user.id))?;
            session.show(&json!({"removed": user.id}), |_| {
                out!("{}", session.say("user-removed", &[("name", &user.name)]));
            })
        }
        User::Clear { database, yes } => clear(&database, yes, session),
    }
}

/// Users with the roles of their groups and the names of their warehouses.
fn all(entities: &Entities<'_>) -> Result<Vec<Listed>, Failure> {
    let groups = group::all(entities)?;
    let warehouses: Vec<Warehouse> = entities.list("Warehouses")?;
    let mut users: Vec<Listed> = entities.list(SET)?;
    for user in &mut users {
        let group = groups.iter().find(|group| group.id == user.group_id);
        user.role = group.map(|group| group.role);
        let name = |id: &String| {
            let warehouse = warehouses.iter().find(|one| one.id == *id);
            warehouse.map_or(id, |one| &one.name).clone()
        };
        user.warehouses = user.warehouse_ids.iter().map(name).collect();
    }
    Ok(users)
}

impl Listed {
    /// «Найти»: in any column of the list, in any letter case.
    fn matches(&self, wanted: &str, session: &Session) -> bool {
        let wanted = wanted.to_lowercase();
        let role = self.role.map(|role| session.role(role));
        [
            &self.id,
            &self.name,
            &self.group_name,
            &role.unwrap_or_default(),
            &self.description,
        ]
        .iter()
        .any(|column| column.to_lowercase().contains(&wanted))
    }
}

fn clear(database: &str, yes: bool, session: &Session) -> Outcome {
    let entities = session.entities(database)?;
    if !yes {
        session.confirm("user-clear-sure", &[("name", &entities.name)])?;
    }
    let cleared = entities.delete(SET)?;
    session.show(&cleared, |cleared| {
        let removed = cleared.get("removed").map(ToString::to_string);
        let stayed = cleared.get("stayed").and_then(Value::as_array);
        let stayed = stayed.into_iter().flatten().filter_map(Value::as_str);
        let stayed: Vec<&str> = stayed.collect();
        let values = [
            ("count", removed.as_deref().unwrap_or_default()),
            ("stayed", &stayed.join(", ")),
        ];
        out!("{}", session.say("user-cleared", &values));
    })
}

impl Add {
    fn run(self, session: &Session) -> Outcome {
        if self.fields.name.is_none() || self.fields.group.is_none() {
            return Err(session.misused("user-add-needs", &[]));
        }
        let entities = session.entities(&self.database)?;
        let mut body = self.fields.body(&entities)?;
        if let Some(id) = self.id {
            body.insert("id".to_owned(), id.into());
        }
        let made = with_password(&self.fields, true, &mut body, session)?;
        let posted = entities.change(Method::POST, SET, &body);
        let (user, warning): (Listed, _) =
            posted.map_err(|fault| by_hand(fault, made.as_deref(), &body, session))?;
        told(&entities, &user.id, made, warning, session)
    }
}

impl Set {
    fn run(self, session: &Session) -> Outcome {
        let entities = session.entities(&self.database)?;
        let user: Listed = entities.find(SET, &self.user)?;
        let mut body = self.fields.body(&entities)?;
        let made = with_password(&self.fields, self.new_password, &mut body, session)?;
        if self.no_barcode {
            body.insert("barcode".to_owned(), Value::Null);
        }
        if self.no_warehouses {
            body.insert("warehouseIds".to_owned(), json!([]));
        }
        if body.is_empty() {
            return Err(session.misused("set-nothing", &[]));
        }
        let patched = entities.change(Method::PATCH, &keyed(SET, &user.id), &body);
        let (_nothing, warning): (Value, _) =
            patched.map_err(|fault| by_hand(fault, made.as_deref(), &body, session))?;
        told(&entities, &user.id, made, warning, session)
    }
}

impl Fields {
    fn body(&self, entities: &Entities<'_>) -> Result<Map<String, Value>, Failure> {
        let mut body = Map::new();
        for (field, given) in [("name", &self.name), ("description", &self.description)] {
            if let Some(given) = given {
                body.insert(field.to_owned(), given.as_str().into());
            }
        }
        if let Some(named) = &self.group {
            let group: UserGroup = entities.find("UserGroups", named)?;
            body.insert("groupId".to_owned(), group.id.into());
        }
        if !self.warehouses.is_empty() {
            let named = self.warehouses.iter();
            let ids = named.map(|named| {
                let warehouse: Warehouse = entities.find("Warehouses", named)?;
                Ok(Value::from(warehouse.id))
            });
            let ids: Vec<Value> = ids.collect::<Result<_, Failure>>()?;
            body.insert("warehouseIds".to_owned(), ids.into());
        }
        Ok(body)
    }
}

/// Puts the secrets of stdin into `body`: the password's line comes first. Without a password there
/// one is made, where that is wanted; it is given back to be shown.
fn with_password(
    fields: &Fields,
    make: bool,
    body: &mut Map<String, Value>,
    session: &Session,
) -> Result<Option<String>, Failure> {
    let mut made = None;
    if fields.password_stdin {
        let password = secret::read(session, "user-type-password")?;
        body.insert("password".to_owned(), password.into());
    } else if make {
        let password = secret::make()?;
        body.insert("password".to_owned(), password.clone().into());
        made = Some(password);
    }
    if fields.barcode_stdin {
        let barcode = secret::read(session, "user-type-barcode")?;
        body.insert("barcode".to_owned(), barcode.into());
    }
    Ok(made)
}

/// What is to be written into the file by hand holds the hash of a password: one that was made here
/// is shown, a weak one is told of, which with a backend would be the backend's to do.
fn by_hand(
    failure: Failure,
    made: Option<&str>,
    body: &Map<String, Value>,
    session: &Session,
) -> Failure {
    let Failure::Gateway(AdminError::Refused {
        code,
        message,
        paste: Some(paste),
        status,
    }) = failure
    else {
        return failure;
    };
    let Some(made) = made else {
        let password = body.get("password").and_then(Value::as_str);
        if password.is_some_and(|password| !secret::is_strong(password)) {
            eprintln!("{}", session.say("user-password-weak", &[]));
        }
        return Failure::Gateway(AdminError::Refused {
            status,
            code,
            message,
            paste: Some(paste),
        });
    };
    let told = session.say("user-password-made", &[]);
    let paste = format!("{paste}\n\n{told}\n  {made}");
    Failure::ByHand {
        words: message,
        paste,
    }
}

/// Shows the user as he is now, and the password that was made.
fn told(
    entities: &Entities<'_>,
    id: &str,
    made: Option<String>,
    warning: Option<String>,
    session: &Session,
) -> Outcome {
    let mut users = all(entities)?;
    users.retain(|user| user.id == id);
    let mut answer = serde_json::to_value(users.first()).unwrap_or_default();
    if let (Some(answer), Some(made)) = (answer.as_object_mut(), &made) {
        answer.insert("password".to_owned(), made.as_str().into());
    }
    if let (Some(answer), Some(warning)) = (answer.as_object_mut(), &warning) {
        answer.insert("warning".to_owned(), warning.as_str().into());
    }
    session.show(&answer, |_| {
        print(&users, session);
        if warning.is_some_and(|code| code == "password-weak") {
            eprintln!("{}", session.say("user-password-weak", &[]));
        }
        if let Some(made) = &made {
            out!("\n{}\n  {made}", session.say("user-password-made", &[]));
        }
    })
}

fn print(users: &[Listed], session: &Session) {
    let heads = [
        "ident",
        "name",
        "group",
        "role",
        "description",
        "warehouses",
    ];
    let mut table = Table::with_head(heads.map(|head| session.say(&format!("head-{head}"), &[])));
    for user in users {
        table.row([
            user.id.as_str().into(),
            user.name.as_str().into(),
            user.group_name.as_str().into(),
            user.role
                .map_or_else(String::new, |role| session.role(role))
                .into(),
            user.description.as_str().into(),
            user.warehouses.join(", ").into(),
        ]);
    }
    out!("{}", table.text(session.colour).trim_end());
}
