//! The tree against the JSON schema: keys, types, words, ranges, formats.

use std::sync::LazyLock;

use serde_json::Value as Json;

use crate::{
    Cause,
    finding::Findings,
    nearest::nearest,
    schema::{alternatives, describe, is, is_required, json_schema, keys, words},
    tree::{Entry, Mark, Node, Value, join},
    values::Format,
};

static SCHEMA: LazyLock<Json> = LazyLock::new(|| json_schema().to_value());

/// Adds everything about the tree that the types do not allow.
pub(crate) fn check(root: &Node, findings: &mut Findings) {
    check_node(root, &SCHEMA, "", findings);
}

fn check_node(node: &Node, schema: &Json, path: &str, findings: &mut Findings) {
    let legal = alternatives(&SCHEMA, schema);
    let of_kind = |kind: &str| legal.iter().find(|schema| is(schema, kind)).copied();
    match &node.value {
        Value::Map(entries) => match of_kind("object") {
            Some(schema) => check_map(node.mark, entries, schema, path, findings),
            None => unfit(node, &legal, path, findings),
        },
        Value::List(items) => match of_kind("array") {
            Some(schema) => check_list(node.mark, items, schema, path, findings),
            None => unfit(node, &legal, path, findings),
        },
        Value::Scalar { text, plain } => check_scalar(node, text, *plain, &legal, path, findings),
    }
}

fn check_list(mark: Mark, items: &[Node], schema: &Json, path: &str, findings: &mut Findings) {
    let least = schema.get("minItems").and_then(Json::as_u64).unwrap_or(0);
    if (items.len() as u64) < least {
        findings.add(mark, path, Cause::Empty {});
    }
    if let Some(item_schema) = schema.get("items") {
        for (place, item) in items.iter().enumerate() {
            check_node(item, item_schema, &format!("{path}[{place}]"), findings);
        }
    }
}

fn check_map(mark: Mark, entries: &[Entry], schema: &Json, path: &str, findings: &mut Findings) {
    let mut missing: Vec<&str> = keys(schema)
        .map(|(key, _)| key)
        .filter(|key| is_required(schema, key))
        .filter(|key| !entries.iter().any(|entry| entry.key == **key))
        .collect();
    for entry in entries {
        let below = join(path, &entry.key);
        match keys(schema).find(|(key, _)| *key == entry.key) {
            Some((_, schema)) => check_node(&entry.node, schema, &below, findings),
            None => {
                let meant = nearest(&entry.key, keys(schema).map(|(key, _)| key));
                // "unknown prot" says it; "missing port" beside it would be the same fault twice.
                missing.retain(|key| Some(*key) != meant);
                let key = entry.key.clone();
                let cause = Cause::UnknownKey { key };
                findings.add_choice(entry.mark, &below, cause, meant, || {
                    keys(schema).map(|(key, _)| key.to_owned()).collect()
                });
            }
        }
    }
    for key in missing {
        let cause = Cause::MissingKey {
            key: key.to_owned(),
        };
        findings.add_choice(mark, &join(path, key), cause, None, || {
            let schema = keys(schema).find(|(name, _)| *name == key);
            schema.map_or_else(Vec::new, |(_, schema)| {
                in_words(&alternatives(&SCHEMA, schema))
            })
        });
    }
}

fn check_scalar(
    node: &Node,
    text: &str,
    plain: bool,
    legal: &[&Json],
    path: &str,
    findings: &mut Findings,
) {
    let listed: Vec<&str> = legal.iter().flat_map(|schema| words(schema)).collect();
    if listed.contains(&text) {
        return;
    }
    let mark = node.mark;
    let of_kind = |kind: &str| {
        let free = |schema: &&&Json| is(schema, kind) && words(schema).is_empty();
        legal.iter().find(free).copied()
    };
    if let Some(schema) = of_kind("boolean") {
        if !plain || (text != "true" && text != "false") {
            let meant = match text.to_lowercase().as_str() {
                "yes" | "on" | "y" | "true" | "1" | "да" => Some("true"),
                "no" | "off" | "n" | "false" | "0" | "нет" => Some("false"),
                _ => None,
            };
            let cause = Cause::ExpectedSwitch { text: text.into() };
            findings.add_choice(mark, path, cause, meant, || in_words(&[schema]));
        }
    } else if let Some(schema) = of_kind("integer") {
        if let Some(cause) = integer(text, plain, schema) {
            findings.add(mark, path, cause);
        }
    } else if let Some(schema) = of_kind("string") {
        if let Some(cause) = free_text(text, plain, schema) {
            let meant = nearest(text, listed.iter().copied());
            findings.add_choice(mark, path, cause, meant, || {
                listed.iter().map(|word| (*word).to_owned()).collect()
            });
        }
    } else {
        unfit(node, legal, path, findings);
    }
}

fn integer(text: &str, plain: bool, schema: &Json) -> Option<Cause> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits || (text.len() > 1 && text.starts_with('0')) {
        return Some(Cause::ExpectedNumber { text: text.into() });
    }
    if !plain {
        return Some(Cause::Quoted { text: text.into() });
    }
    let bound = |name: &str, otherwise| {
        let bound = schema.get(name).and_then(Json::as_u64);
        bound.unwrap_or(otherwise)
    };
    let (least, most) = (bound("minimum", 0), bound("maximum", u64::from(u32::MAX)));
    match text.parse::<u64>() {
        Ok(number) if (least..=most).contains(&number) => None,
        _ => Some(Cause::OutOfRange {
            text: text.into(),
            least: least.to_string(),
            most: most.to_string(),
        }),
    }
}

fn free_text(text: &str, plain: bool, schema: &Json) -> Option<Cause> {
    if plain && text.is_empty() {
        return Some(Cause::ExpectedText {});
    }
    if plain && is_surprise(text) {
        return Some(Cause::NeedsQuotes { text: text.into() });
    }
    let limit = |name: &str| schema.get(name).and_then(Json::as_u64);
    let length = text.chars().count() as u64;
    if limit("minLength").is_some_and(|least| length < least) {
        return Some(Cause::Empty {});
    }
    if let Some(most) = limit("maxLength").filter(|most| length > *most) {
        let most = most.to_string();
        return Some(Cause::TooLong { most });
    }
    (Format::of(schema)?.check)(text).err()
}

/// Whether YAML, of one version or another, reads the unquoted text as something else than text.
fn is_surprise(text: &str) -> bool {
    let words = [
        "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n",
    ];
    let numeric = text.trim_start_matches(['+', '-']);
    let number = numeric.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && (numeric.replace('_', "").parse::<f64>().is_ok()
            || [("0x", 16), ("0o", 8), ("0b", 2)]
                .iter()
                .any(|(prefix, radix)| {
                    let digits = numeric.strip_prefix(prefix);
                    digits.is_some_and(|digits| {
                        digits.chars().all(|c| c == '_' || c.is_digit(*radix))
                    })
                })
            || [".inf", ".nan"].contains(&numeric.to_lowercase().as_str()));
    number || words.contains(&text.to_lowercase().as_str())
}

/// A node of a kind that nothing legal here has.
fn unfit(node: &Node, legal: &[&Json], path: &str, findings: &mut Findings) {
    let listed: Vec<&str> = legal.iter().flat_map(|schema| words(schema)).collect();
    let only = |kind: &str| {
        legal
            .iter()
            .all(|schema| is(schema, kind) || is(schema, "null"))
    };
    let cause = match &node.value {
        _ if only("object") => Cause::ExpectedMapping {},
        _ if only("array") => Cause::ExpectedList {},
        Value::Scalar { text, .. } => Cause::NotAllowed { text: text.clone() },
        Value::Map(_) if only("boolean") => Cause::ExpectedSwitch {
            text: "{…}".into()
        },
        Value::List(_) if only("boolean") => Cause::ExpectedSwitch {
            text: "[…]".into()
        },
        Value::Map(_) if only("integer") => Cause::ExpectedNumber {
            text: "{…}".into()
        },
        Value::List(_) if only("integer") => Cause::ExpectedNumber {
            text: "[…]".into()
        },
        _ if only("string") && listed.is_empty() => Cause::ExpectedText {},
        Value::Map(_) => Cause::NotAllowed {
            text: "{…}".into()
        },
        Value::List(_) => Cause::NotAllowed {
            text: "[…]".into()
        },
    };
    let meant = node
        .text()
        .and_then(|text| nearest(text, listed.iter().copied()));
    findings.add_choice(node.mark, path, cause, meant, || in_words(legal));
}

/// What is legal, for a message in any language; nothing where any text is.
fn in_words(legal: &[&Json]) -> Vec<String> {
    let described = |schema: &&Json| {
        if is(schema, "object") {
            let keys: Vec<&str> = keys(schema).map(|(key, _)| key).collect();
            Some(format!("{{{}}}", keys.join(", ")))
        } else if let Some(items) = schema.get("items") {
            let items = in_words(&alternatives(&SCHEMA, items));
            Some(format!("[{}]", items.join(", ")))
        } else {
            describe(schema)
        }
    };
    legal
        .iter()
        .filter_map(described)
        .map(|words| words.replace('`', ""))
        .collect()
}
