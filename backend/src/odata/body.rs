//! A body written by a client → an entity in our spelling.
//!
//! Clients write built-in names in any letter case and extra ones as the
//! configuration has them; the vendor's upload sends every value as text.
//! What cannot be a value of the property is a fault that names it.

use jiff::tz::Offset;
use rust_decimal::Decimal;
use serde_json::Value;

use super::fault::{Expected, Fault};
use super::metadata::{Action, Edm, EntityType, EnumType, Navigation, Property};
use super::names::{camel, same_name};
use super::{Entity, json, moment};

/// Reads the fields of one entity of type `kind`.
///
/// Annotations (`@odata.type`) are passed over, null for a property that
/// cannot be null counts as not given, moments are brought to UTC, enum
/// numbers to names. Rows of navigation properties are read the same way.
///
/// # Errors
/// [`Fault::Value`] for a value of the wrong kind, [`Fault::NoSuchProperty`]
/// for an extra name in a closed type.
pub(crate) fn read(kind: &'static EntityType, body: Value) -> Result<Entity, Fault> {
    let Value::Object(fields) = body else {
        return Err(wrong(kind.name, Expected::Object));
    };
    let mut entity = Entity::with_capacity(fields.len());
    for (written, value) in fields {
        if written.contains('@') {
            continue;
        }
        // A configuration's own «Ид» is spelled `id` too: it gives way to the
        // real one, whichever comes first.
        let (name, value) = match field(kind, &written, value)? {
            Some((name, _))
                if entity.contains_key(&name) && !written.eq_ignore_ascii_case(&name) =>
            {
                continue;
            }
            Some(field) => field,
            None => continue,
        };
        entity.insert(name, value);
    }
    Ok(entity)
}

/// One field in our spelling; `None` where it counts as not given.
fn field(
    kind: &'static EntityType,
    written: &str,
    value: Value,
) -> Result<Option<(String, Value)>, Fault> {
    if let Some(property) = kind.property(written) {
        let value = property_value(property, value)?;
        return Ok(value.map(|value| (property.name.to_owned(), value)));
    }
    if let Some(navigation) = kind.navigation(written) {
        let value = navigated(navigation, value)?;
        return Ok(value.map(|value| (navigation.name.to_owned(), value)));
    }
    let name = camel(written);
    if !kind.open || name.is_empty() {
        return Err(Fault::NoSuchProperty {
            entity: kind.name,
            name: written.to_owned(),
        });
    }
    Ok(Some((name, value)))
}

fn navigated(navigation: &Navigation, value: Value) -> Result<Option<Value>, Fault> {
    let Some(target) = EntityType::named(navigation.target) else {
        return Ok(None);
    };
    match value {
        Value::Null => Ok(None),
        Value::Array(rows) if navigation.collection => {
            let rows: Result<_, _> = rows
                .into_iter()
                .map(|row| read(target, row).map(Value::Object))
                .collect();
            rows.map(|rows| Some(Value::Array(rows)))
        }
        _ if navigation.collection => Err(wrong(navigation.name, Expected::List)),
        one => read(target, one).map(|one| Some(Value::Object(one))),
    }
}

/// Reads a collection written as `{"value":[row, …]}`, as a bare list or as
/// one row.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_rows(kind: &'static EntityType, body: Value) -> Result<Vec<Entity>, Fault> {
    let rows = match body {
        Value::Array(rows) => rows,
        Value::Object(mut envelope) => match envelope.remove("value") {
            Some(Value::Array(rows)) => rows,
            Some(_) if kind.property("value").is_none() => {
                return Err(wrong("value", Expected::List));
            }
            Some(value) => {
                envelope.insert("value".to_owned(), value);
                vec![Value::Object(envelope)]
            }
            None => vec![Value::Object(envelope)],
        },
        _ => return Err(wrong(kind.name, Expected::List)),
    };
    rows.into_iter().map(|row| read(kind, row)).collect()
}

/// Reads the parameters of an action; no body at all and null are none given,
/// names that it does not have are passed over.
///
/// # Errors
/// [`Fault::Value`] for a value of the wrong kind.
pub(crate) fn parameters(action: &Action, body: Value) -> Result<Entity, Fault> {
    let fields = match body {
        Value::Null => return Ok(Entity::new()),
        Value::Object(fields) => fields,
        _ => return Err(wrong(action.name, Expected::Object)),
    };
    let mut parameters = Entity::new();
    for (written, value) in fields {
        let parameter = action
            .parameters
            .iter()
            .find(|one| same_name(one.name, &written));
        if let Some(parameter) = parameter
            && let Some(value) = property_value(parameter, value)?
        {
            parameters.insert(parameter.name.to_owned(), value);
        }
    }
    Ok(parameters)
}

/// `None` where the property counts as not given.
fn property_value(property: &Property, value: Value) -> Result<Option<Value>, Fault> {
    match value {
        Value::Null => Ok(property.nullable.then_some(Value::Null)),
        Value::Array(items) if property.collection => items
            .into_iter()
            .map(|item| single(property, item))
            .collect::<Result<_, _>>()
            .map(|items| Some(Value::Array(items))),
        _ if property.collection => Err(wrong(property.name, Expected::List)),
        value => single(property, value).map(Some),
    }
}

fn single(property: &Property, value: Value) -> Result<Value, Fault> {
    let expected = match property.edm {
        Edm::Untyped => return Ok(value),
        Edm::Complex(name) => match EntityType::named(name) {
            Some(kind) => return read(kind, value).map(Value::Object),
            None => Expected::Object,
        },
        Edm::Enum(name) => match EnumType::named(name).and_then(|kind| member(kind, &value)) {
            Some(member) => return Ok(Value::String(member)),
            None => Expected::MemberOf(name),
        },
        edm => match plain(edm, value) {
            Ok(value) => return Ok(value),
            Err(expected) => expected,
        },
    };
    Err(wrong(property.name, expected))
}

fn plain(edm: Edm, value: Value) -> Result<Value, Expected> {
    match edm {
        Edm::Boolean => match value {
            Value::Bool(_) => Ok(value),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(Value::Bool(true)),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(Value::Bool(false)),
            _ => Err(Expected::TrueOrFalse),
        },
        Edm::Int32 => {
            let number = numeric(value).ok_or(Expected::Number)?;
            let whole = json::decimal_of(&number).filter(Decimal::is_integer);
            match whole.map(i32::try_from) {
                Some(Ok(whole)) => Ok(Value::from(whole)),
                _ => Err(Expected::Number),
            }
        }
        Edm::Double | Edm::Decimal => {
            let number = numeric(value).ok_or(Expected::Number)?;
            match json::decimal_of(&number) {
                Some(_) => Ok(Value::Number(number)),
                None => Err(Expected::Number),
            }
        }
        Edm::DateTimeOffset => {
            let moment = value.as_str().and_then(|text| moment::parse(text.trim()));
            let moment = moment.ok_or(Expected::DateTime)?;
            Ok(Value::String(moment::write(moment, Offset::UTC)))
        }
        Edm::String | Edm::Duration => match value {
            Value::String(_) => Ok(value),
            Value::Number(number) => Ok(Value::String(number.to_string())),
            _ => Err(Expected::Text),
        },
        Edm::Untyped | Edm::Enum(_) | Edm::Complex(_) => Ok(value),
    }
}

/// A number, or a text that holds one.
fn numeric(value: Value) -> Option<serde_json::Number> {
    match value {
        Value::Number(number) => Some(number),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// The member's name; for flags, several joined by commas.
fn member(kind: &EnumType, value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => kind.member(&number.to_string()).map(str::to_owned),
        Value::String(text) if kind.flags => {
            let members: Option<Vec<_>> = text
                .split(',')
                .map(|part| kind.member(part.trim()))
                .collect();
            members.map(|members| members.join(", "))
        }
        Value::String(text) => kind.member(text).map(str::to_owned),
        _ => None,
    }
}

fn wrong(name: &str, expected: Expected) -> Fault {
    Fault::Value {
        name: name.to_owned(),
        expected,
    }
}

#[cfg(test)]
mod tests;
