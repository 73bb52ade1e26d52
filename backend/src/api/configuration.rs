//! `Configuration`: the properties of the seed's «Свойства» tab, one entity per database.
//!
//! The vendor has no REST place for them, so the singleton is ours. Everybody reads it, terminals
//! act by it; administrators change it. Defaults stand here and are never stored: a database shows
//! them until somebody sets a property. Three things are no plain values:
//!
//! - «Вход по штрихкоду» is the database's own switch, read and written where the directory has it;
//! - «Контроль версий» is kept by the server: every change of the configuration (properties,
//!   document types) raises the version and says who made it, from where and when;
//! - «Пароль для выхода» goes in and never comes out, `exitPasswordSet` says whether there is one.
//!   Only its Argon2id hash is stored.

use axum::response::Response;
use backend_types::Role;
use http::Method;
use jiff::{Timestamp, tz::Offset};
use serde_json::{Value, json};
use sqlx::SqliteConnection;

use super::{
    Call,
    answers::no_content,
    error::ApiError,
    users::{Given, secret},
};
use crate::{
    entity::{complete_as, object, text},
    identity::Identity,
    messages::Message,
    odata::{body, moment},
    storage::{
        Entity, Writer,
        configuration::{self, StoredConfiguration},
        directory::{self, StoredDatabase},
        users,
    },
};

const LONGEST_TEXT: usize = 1000;
/// What the server itself keeps.
const READ_ONLY: [&str; 6] = [
    "id",
    "author",
    "version",
    "authorMachine",
    "lastUpdate",
    "exitPasswordSet",
];
const VERSIONS: [&str; 4] = [
    "androidClientVersion",
    "mobileClientVersion",
    "editorVersion",
    "serverVersion",
];

/// The properties that nobody has set, as on the seed's page.
fn defaults(database: &StoredDatabase) -> Value {
    json!({
        "id": database.id.as_str(),
        "name": database.settings.name,
        "androidClientVersion": "3.3.0.24804",
        "mobileClientVersion": "3.3.0.24804",
        "editorVersion": "2.7.1.0",
        "serverVersion": "2.7.1.0",
        "warehouseSelectionText": "",
        "author": "",
        "version": 1,
        "authorMachine": "",
        "askReturnOnUserChange": true,
        "comment": "Типовая конфигурация",
        "backupDays": 30,
        "backupMegabytes": 1024,
    })
}

/// The properties of a database as answered.
pub(crate) async fn of(
    connection: &mut SqliteConnection,
    database: &StoredDatabase,
) -> Result<Entity, ApiError> {
    let stored = configuration::of(connection, database.id.as_str()).await?;
    let mut properties = object(defaults(database));
    properties.extend(stored.body);
    let barcode_login = database.settings.barcode_login;
    properties.insert("barcodeLogin".to_owned(), json!(barcode_login));
    let is_set = stored.exit_password.is_some();
    properties.insert("exitPasswordSet".to_owned(), json!(is_set));
    Ok(complete_as("Configuration", properties))
}

pub(crate) async fn answer(call: &Call<'_>) -> Result<Response, ApiError> {
    let Ok(None) = call.plain_key() else {
        return Err(ApiError::not_found());
    };
    match call.method {
        Method::GET => {
            let mut view = call.state.storage.read().await?;
            let mut properties = of(&mut view, &call.database).await?;
            drop(view);
            call.query.shape(call.kind()?, &mut properties);
            Ok(call.singleton(properties))
        }
        Method::PATCH | Method::PUT => {
            call.require(&[Role::Administrator])?;
            set(call).await
        }
        _ => Err(call.method_not_allowed()),
    }
}

/// Changes what is given; null counts as not given, so an answer may be sent back as it came.
async fn set(call: &Call<'_>) -> Result<Response, ApiError> {
    let mut given = body::read(call.kind()?, call.json()?)?;
    given.retain(|_, value| !value.is_null());
    let barcode_login = given.shift_remove("barcodeLogin");
    let exit_password = match given.shift_remove("exitPassword") {
        Some(password) => secret(call, Some(password)).await?,
        None => Given::Nothing,
    };
    check(&given)?;
    let (id, identity) = (call.database.id.clone(), call.identity.clone());
    call.state
        .storage
        .write(move |writer| {
            Box::pin(async move {
                let connection = &mut writer.connection;
                let database = directory::database(connection, &id).await?;
                let mut database = database.ok_or_else(ApiError::not_found)?;
                let now = of(connection, &database).await?;
                let kept = READ_ONLY.into_iter().find(|name| {
                    let value = given.get(*name);
                    value.is_some_and(|value| now.get(*name) != Some(value))
                });
                if let Some(property) = kept {
                    let message = Message::new("property-read-only").with("property", property);
                    return Err(ApiError::bad_request(message));
                }
                let mut stored = configuration::of(connection, id.as_str()).await?;
                stored.body.extend(given);
                match exit_password {
                    Given::Nothing => {}
                    Given::Removed => stored.exit_password = None,
                    Given::New { stored: new, .. } => stored.exit_password = Some(new.hash),
                }
                sign(connection, &database, &identity, &mut stored).await?;
                configuration::put(connection, id.as_str(), &stored).await?;
                let wanted = barcode_login.as_ref().and_then(Value::as_bool);
                if let Some(wanted) = wanted
                    && database.settings.barcode_login != wanted
                {
                    database.settings.barcode_login = wanted;
                    directory::put(connection, &database).await?;
                    writer.bump_revision([id.into()]).await?;
                }
                Ok::<_, ApiError>(())
            })
        })
        .await?;
    tracing::info!(database.id = %call.database.id, "configuration properties were changed");
    Ok(no_content())
}

/// Raises the version for a change of the configuration that lies outside of its properties.
pub(crate) async fn changed(
    writer: &mut Writer,
    database: &StoredDatabase,
    identity: &Identity,
) -> Result<(), ApiError> {
    let connection = &mut writer.connection;
    let mut stored = configuration::of(connection, database.id.as_str()).await?;
    sign(connection, database, identity, &mut stored).await?;
    configuration::put(connection, database.id.as_str(), &stored).await?;
    Ok(())
}

/// Says who changes the configuration, from where and when.
async fn sign(
    connection: &mut SqliteConnection,
    database: &StoredDatabase,
    identity: &Identity,
    stored: &mut StoredConfiguration,
) -> Result<(), ApiError> {
    let author = match &identity.user {
        Some(id) => users::one(connection, database.id.as_str(), id).await?,
        None => None,
    };
    let author = author.map(|user| text(&user.body, "name").to_owned());
    let before = stored.body.get("version").and_then(Value::as_i64);
    let version = before.unwrap_or(1).saturating_add(1);
    // No client: the change was made on the server itself.
    let machine = match identity.client.as_str() {
        "" => "localhost",
        client => client,
    };
    let signed = json!({
        "author": author.unwrap_or_default(),
        "version": i32::try_from(version).unwrap_or(i32::MAX),
        "authorMachine": machine,
        "lastUpdate": moment::write(Timestamp::now(), Offset::UTC),
    });
    for kept in READ_ONLY {
        stored.body.shift_remove(kept);
    }
    stored.body.extend(object(signed));
    Ok(())
}

/// Refuses values that no form would take.
fn check(given: &Entity) -> Result<(), ApiError> {
    let refuse = |key: &'static str, property: &str| {
        Err(ApiError::bad_request(
            Message::new(key).with("property", property),
        ))
    };
    for (property, value) in given {
        let Some(text) = value.as_str() else { continue };
        if text.chars().count() > LONGEST_TEXT || text.chars().any(|c| c.is_control() && c != '\n')
        {
            return refuse("property-text-bad", property);
        }
        if property == "name" && text.trim().is_empty() {
            return Err(ApiError::bad_request(
                Message::new("field-missing").with("field", "name"),
            ));
        }
        if VERSIONS.contains(&property.as_str()) && !is_version(text) {
            return refuse("property-version-bad", property);
        }
    }
    for (property, greatest) in [("backupDays", 3650), ("backupMegabytes", 1_000_000)] {
        let number = given.get(property).and_then(Value::as_i64);
        if number.is_some_and(|number| !(1..=greatest).contains(&number)) {
            let message = Message::new("property-number-bad").with("property", property);
            return Err(ApiError::bad_request(message.with("greatest", greatest)));
        }
    }
    Ok(())
}

/// Up to four numbers with points between them; empty asks for no version.
fn is_version(text: &str) -> bool {
    let number =
        |part: &str| (1..=9).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    text.is_empty() || (text.split('.').count() <= 4 && text.split('.').all(number))
}

#[cfg(test)]
mod tests {
    use super::is_version;

    #[test]
    fn a_version_is_up_to_four_numbers() {
        for version in ["", "3", "3.3.0.24804", "2.7.1.0"] {
            assert!(is_version(version), "{version}");
        }
        for other in [
            "3.",
            ".3",
            "3.3.0.24804.1",
            "3.x",
            " 3",
            "-1",
            "3.1234567890",
        ] {
            assert!(!is_version(other), "{other}");
        }
    }
}
