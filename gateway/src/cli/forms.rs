//! The vendor's forms, field by field, held against what is here: the option that sets a field and
//! its help in both languages, and the key in YAML. The fields of the API and what `status` shows
//! are held against the same table end to end.

use backend_types::Language;
use clap::Command;
use serde_json::Value;

use super::commands;

const FORMS: &str = include_str!("forms.txt");

struct Field {
    ru: &'static str,
    en: &'static str,
    command: &'static str,
    yaml: Option<&'static str>,
}

fn all() -> impl Iterator<Item = Field> {
    let lines = FORMS
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| {
        let columns: Vec<&str> = line.split(" | ").collect();
        let [ru, en, command, yaml, _api] = columns[..] else {
            panic!("five columns: {line}");
        };
        Field {
            ru,
            en,
            command,
            yaml: Some(yaml).filter(|yaml| *yaml != "-"),
        }
    })
}

/// The help of an option, or of a word, in one language.
fn help_of(root: &Command, path: &str) -> Option<String> {
    let mut command = root;
    for word in path.split(' ') {
        match word.strip_prefix("--") {
            None => command = command.find_subcommand(word)?,
            Some(option) => {
                let argument = command
                    .get_arguments()
                    .find(|one| one.get_long() == Some(option))?;
                return argument.get_help().map(ToString::to_string);
            }
        }
    }
    command.get_about().map(ToString::to_string)
}

#[test]
fn every_field_of_every_form_has_its_command_and_its_label_in_both_languages() {
    for language in Language::ALL {
        let root = commands(language);
        for field in all() {
            let label = match language {
                Language::Ru => field.ru,
                Language::En => field.en,
            };
            let help = help_of(&root, field.command);
            let help = help.unwrap_or_else(|| panic!("no `{}`", field.command));
            assert!(
                help.to_lowercase().contains(&label.to_lowercase()),
                "{language:?} `{}`: \"{label}\" is not in \"{help}\"",
                field.command
            );
        }
    }
}

#[test]
fn every_field_that_a_file_may_hold_is_a_key_of_the_schema() {
    let schema: Value =
        serde_json::from_str(include_str!("../../../config/gateway.schema.json")).unwrap();
    let databases = step(&schema, &schema, "databases").unwrap();
    for field in all() {
        let Some(path) = field.yaml else { continue };
        let (start, path) = match path.strip_prefix('/') {
            Some(path) => (&schema, path),
            None => (databases, path),
        };
        let found = path
            .split('/')
            .try_fold(start, |place, key| step(&schema, place, key));
        assert!(found.is_some(), "`{path}` for {}", field.ru);
    }
}

/// One key down, through references, lists and alternatives.
fn step<'a>(schema: &'a Value, place: &'a Value, key: &str) -> Option<&'a Value> {
    if let Some(key) = place.get("properties").and_then(|all| all.get(key)) {
        return Some(key);
    }
    let referred = place.get("$ref").and_then(Value::as_str);
    let referred = referred.and_then(|path| schema.pointer(path.trim_start_matches('#')));
    let ways = ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|name| {
        let ways = place.get(name)?.as_array()?;
        ways.iter().find_map(|way| step(schema, way, key))
    });
    let below = [referred, place.get("items")].into_iter().flatten();
    below
        .filter_map(|place| step(schema, place, key))
        .chain(ways)
        .next()
}
