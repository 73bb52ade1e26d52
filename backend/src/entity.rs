//! Entities as the built-in types know them: every property present, in the order of the type.

use serde_json::{Value, json};

use crate::{
    odata::{
        metadata::{Edm, EntityType, EnumType, Property},
        moment::NO_DATE,
    },
    storage::Entity,
};

/// `given` with the properties that it lacks, in the type's order; extra fields come last.
pub(crate) fn complete(kind: &EntityType, mut given: Entity) -> Entity {
    let mut whole = Entity::new();
    for property in kind.properties {
        let value = given.shift_remove(property.name);
        let value = value.unwrap_or_else(|| absent(property));
        whole.insert(property.name.to_owned(), value);
    }
    whole.append(&mut given);
    whole
}

/// [`complete`] for a type known by name; a name that no table has leaves the entity as it is.
pub(crate) fn complete_as(type_name: &str, given: Entity) -> Entity {
    match EntityType::named(type_name) {
        Some(kind) => complete(kind, given),
        None => given,
    }
}

/// What stands in an answer where nobody has said anything.
fn absent(property: &Property) -> Value {
    if property.collection {
        return json!([]);
    }
    if property.nullable {
        return Value::Null;
    }
    match property.edm {
        Edm::String => json!(""),
        Edm::Boolean => json!(false),
        Edm::Int32 | Edm::Double | Edm::Decimal => json!(0),
        Edm::DateTimeOffset => json!(NO_DATE),
        Edm::Duration => json!("PT0S"),
        Edm::Enum(name) => {
            let members = EnumType::named(name)
                .map(|kind| kind.members)
                .unwrap_or_default();
            members
                .first()
                .map_or(Value::Null, |(member, _)| json!(member))
        }
        Edm::Untyped | Edm::Complex(_) => Value::Null,
    }
}

/// A text property, or nothing when it is absent, null or no text.
pub(crate) fn text<'a>(entity: &'a Entity, name: &str) -> &'a str {
    entity.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The texts of a list property.
pub(crate) fn texts<'a>(entity: &'a Entity, name: &str) -> impl Iterator<Item = &'a str> {
    let list = entity.get(name).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str)
}

/// A flag that is absent counts as not set.
pub(crate) fn flag(entity: &Entity, name: &str) -> bool {
    entity
        .get(name)
        .and_then(Value::as_bool)
        .unwrap_or_default()
}

/// The entity in a JSON object written down in the code.
pub(crate) fn object(value: Value) -> Entity {
    match value {
        Value::Object(entity) => entity,
        _ => Entity::new(),
    }
}
