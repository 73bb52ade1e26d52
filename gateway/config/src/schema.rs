//! The JSON schema of the file and the list of its keys, both made from the types.

use schemars::{Schema, schema_for};
use serde_json::Value;

use crate::{Config, values::Format};

/// The JSON schema of the gateway's YAML.
#[must_use]
pub fn json_schema() -> Schema {
    schema_for!(Config)
}

/// The schema that a `$ref` names, else the schema itself.
pub(crate) fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|reference| root.pointer(reference.trim_start_matches('#')))
        .unwrap_or(schema)
}

/// What a value may be: the branches of `anyOf` and `oneOf`, else the schema itself.
pub(crate) fn alternatives<'a>(root: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    let schema = resolved(root, schema);
    let branches = schema.get("anyOf").or_else(|| schema.get("oneOf"));
    match branches.and_then(Value::as_array) {
        Some(branches) => branches
            .iter()
            .flat_map(|branch| alternatives(root, branch))
            .collect(),
        None => vec![schema],
    }
}

/// Whether a schema allows the JSON type.
pub(crate) fn is(schema: &Value, kind: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(one)) => one == kind,
        Some(Value::Array(several)) => several.iter().any(|one| one == kind),
        _ => false,
    }
}

/// The words that a schema lists.
pub(crate) fn words(schema: &Value) -> Vec<&str> {
    let listed = schema.get("enum").and_then(Value::as_array);
    let listed = listed.into_iter().flatten();
    listed
        .chain(schema.get("const"))
        .filter_map(Value::as_str)
        .collect()
}

/// The keys of a mapping with their schemas.
pub(crate) fn keys(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, schema)| (key.as_str(), schema))
}

/// Whether a mapping must have the key.
pub(crate) fn is_required(schema: &Value, key: &str) -> bool {
    let required = schema.get("required").and_then(Value::as_array);
    required.is_some_and(|keys| keys.iter().any(|one| one == key))
}

/// A key, for the reference.
pub struct Key {
    /// From the top: `databases[].port`.
    pub path: String,
    /// What it may be, any of these.
    pub values: Vec<Kind>,
    pub preset: Preset,
    /// The comment of the field.
    pub meaning: String,
}

/// What a value may be.
pub enum Kind {
    /// By its words, look or range, in Markdown.
    Described(String),
    Number,
    Text,
    Mapping,
    List(Vec<Kind>),
}

/// What holds where a key is not written.
pub enum Preset {
    Required,
    Absent,
    Empty,
    /// Of the keys below it.
    Below,
    Value(String),
}

/// Every key of a schema's mapping, with those below it.
#[must_use]
pub fn key_list(schema: &Value) -> Vec<Key> {
    let mut list = Vec::new();
    collect(schema, schema, "", &mut list);
    list
}

fn collect(root: &Value, mapping: &Value, above: &str, list: &mut Vec<Key>) {
    for (key, schema) in keys(mapping) {
        let path = crate::tree::join(above, key);
        let preset = match schema.get("default") {
            _ if is_required(mapping, key) => Preset::Required,
            Some(Value::Null) | None => Preset::Absent,
            Some(Value::String(text)) if text.is_empty() => Preset::Empty,
            Some(Value::Object(_)) => Preset::Below,
            Some(default) => Preset::Value(default.to_string().replace('"', "")),
        };
        let own = schema.get("description");
        let meaning = own.or_else(|| resolved(root, schema).get("description"));
        let meaning = meaning.and_then(Value::as_str).unwrap_or_default();
        let found = alternatives(root, schema);
        list.push(Key {
            path: path.clone(),
            values: found.iter().filter_map(|one| kind(root, one)).collect(),
            preset,
            meaning: meaning.replace('\n', " "),
        });
        for one in found {
            if is(one, "object") {
                collect(root, one, &path, list);
            }
            for item in items(root, one) {
                if is(item, "object") {
                    collect(root, item, &format!("{path}[]"), list);
                }
            }
        }
    }
}

fn items<'a>(root: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    let item = schema.get("items").into_iter();
    item.flat_map(|item| alternatives(root, item)).collect()
}

/// None for what is absent.
fn kind(root: &Value, schema: &Value) -> Option<Kind> {
    if schema.get("items").is_some() {
        let items = items(root, schema);
        let items = items.into_iter().filter_map(|item| kind(root, item));
        return Some(Kind::List(items.collect()));
    }
    if let Some(described) = describe(schema) {
        return Some(Kind::Described(described));
    }
    if is(schema, "object") {
        return Some(Kind::Mapping);
    }
    if is(schema, "integer") {
        return Some(Kind::Number);
    }
    is(schema, "string").then_some(Kind::Text)
}

/// A value by its words, look or range; none where it has none of these.
pub(crate) fn describe(schema: &Value) -> Option<String> {
    let words = words(schema);
    if !words.is_empty() {
        let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
        return Some(words.join(", "));
    }
    if let Some(format) = Format::of(schema) {
        return Some(format!("`{}`", format.looks));
    }
    if let (Some(least), Some(greatest)) = (schema.get("minimum"), schema.get("maximum")) {
        return Some(format!("{least}…{greatest}"));
    }
    is(schema, "boolean").then(|| "`true`, `false`".to_owned())
}
