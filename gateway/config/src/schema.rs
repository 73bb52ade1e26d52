//! The JSON schema of the file and the README's key table, both made from the types.

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

/// Every key of the file as a Markdown table: key, what it may be, default, meaning.
#[must_use]
pub fn key_table() -> String {
    let root = json_schema().to_value();
    let mut table = String::from("| key | value | default | meaning |\n|---|---|---|---|\n");
    rows(&root, &root, "", &mut table);
    table
}

fn rows(root: &Value, mapping: &Value, above: &str, table: &mut String) {
    for (key, schema) in keys(mapping) {
        let path = crate::tree::join(above, key);
        let target = resolved(root, schema);
        let default = match schema.get("default") {
            _ if is_required(mapping, key) => "required".to_owned(),
            Some(Value::Null) | None => "absent".to_owned(),
            Some(Value::String(text)) if text.is_empty() => "empty".to_owned(),
            Some(Value::Object(_)) => "see below".to_owned(),
            Some(default) => format!("`{}`", default.to_string().replace('"', "")),
        };
        let meaning = schema
            .get("description")
            .or_else(|| target.get("description"));
        let meaning = meaning.and_then(Value::as_str).unwrap_or_default();
        let value = alternatives(root, schema)
            .into_iter()
            .filter_map(|one| cell(root, one))
            .collect::<Vec<_>>()
            .join(" or ");
        let meaning = meaning.replace('\n', " ").replace('|', "\\|");
        *table += &format!("| `{path}` | {value} | {default} | {meaning} |\n");
        for one in alternatives(root, schema) {
            if is(one, "object") {
                rows(root, one, &path, table);
            }
            for item in one
                .get("items")
                .into_iter()
                .flat_map(|item| alternatives(root, item))
            {
                if is(item, "object") {
                    rows(root, item, &format!("{path}[]"), table);
                }
            }
        }
    }
}

/// A value in a cell of the table.
fn cell(root: &Value, schema: &Value) -> Option<String> {
    if let Some(item) = schema.get("items") {
        let items = alternatives(root, item);
        let items: Vec<String> = items.iter().filter_map(|item| cell(root, item)).collect();
        return Some(format!("list: {}", items.join(" or ")));
    }
    let unlisted = [("object", "mapping"), ("string", "text")];
    describe(schema).or_else(|| {
        let found = unlisted.iter().find(|(kind, _)| is(schema, kind));
        found.map(|(_, name)| (*name).to_owned())
    })
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
    if is(schema, "integer") {
        let bound = |name| schema.get(name).map(Value::to_string).unwrap_or_default();
        return Some(format!("{}…{}", bound("minimum"), bound("maximum")));
    }
    is(schema, "boolean").then(|| "`true`, `false`".to_owned())
}
