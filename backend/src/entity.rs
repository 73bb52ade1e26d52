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

/// Extra fields in the spelling under which they are known already, by the entity itself or by the
/// configuration: clients write them in any letter case.
pub(crate) fn respell(
    given: Entity,
    kind: &EntityType,
    known: &Entity,
    configured: &[String],
) -> Entity {
    let spelled = |name: String| {
        if kind.property(&name).is_some() || known.contains_key(&name) {
            return name;
        }
        let mut others = known.keys().chain(configured);
        let other = others.find(|other| other.eq_ignore_ascii_case(&name));
        other.cloned().unwrap_or(name)
    };
    given
        .into_iter()
        .map(|(name, value)| (spelled(name), value))
        .collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_entity_has_every_property_in_the_types_order_and_extra_ones_last() {
        let given = object(json!({"cena": 41, "name": "Хлеб", "id": "p-1"}));
        let whole = complete_as("Product", given);
        let names: Vec<&str> = whole.keys().map(String::as_str).collect();
        assert_eq!(names.first(), Some(&"id"));
        assert_eq!(names.last(), Some(&"cena"));
        assert_eq!(whole["unitId"], Value::Null);
        assert_eq!(whole["unitConvertionRate"], 0);
        assert_eq!(whole["packings"], json!([]));
        assert_eq!(complete_as("Product", whole.clone()), whole);
    }

    #[test]
    fn an_extra_field_is_one_field_in_any_letter_case() {
        let kind = EntityType::named("Document").unwrap();
        let known = object(json!({"status": "Новый"}));
        let given = object(json!({"sTATUS": "Принят", "idkontragenta": "7", "cvet": "синий"}));
        let configured = ["idKontragenta".to_owned()];
        let respelled = respell(given, kind, &known, &configured);
        let expected = json!({"status": "Принят", "idKontragenta": "7", "cvet": "синий"});
        assert_eq!(Value::Object(respelled), expected);
    }
}
