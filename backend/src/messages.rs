//! What people read, in Russian and English. A test compares the two catalogues key by key.

use std::error::Error;

use backend_types::Language;
use fluent_templates::static_loader;
use words::Cause;

use crate::odata::fault::Fault;

static_loader! {
    pub static CATALOGUE = {
        locales: "./src/messages",
        fallback_language: "ru",
        customise: |bundle| bundle.set_use_isolating(false),
    };
}

/// A sentence of the catalogue with the values that stand in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    key: &'static str,
    values: Vec<(&'static str, Words)>,
}

/// A value inside a sentence: as it is, or words themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Words {
    Said(String),
    OfCatalogue(String),
    Cause(Cause),
}

impl Message {
    pub(crate) fn new(key: &'static str) -> Self {
        Self {
            key,
            values: Vec::new(),
        }
    }

    pub(crate) fn with(self, name: &'static str, value: impl ToString) -> Self {
        self.with_words(name, Words::Said(value.to_string()))
    }

    /// Why the system, or a reader of data, has refused something.
    pub(crate) fn with_cause(self, name: &'static str, fault: &(dyn Error + 'static)) -> Self {
        self.with_words(name, Words::Cause(Cause::of(fault)))
    }

    /// Words of the catalogue, which may need values given before.
    pub(crate) fn with_part(self, name: &'static str, key: &str) -> Self {
        self.with_words(name, Words::OfCatalogue(key.to_owned()))
    }

    fn with_words(mut self, name: &'static str, words: Words) -> Self {
        self.values.push((name, words));
        self
    }

    /// What was wrong with a path, a query option or a body.
    pub(crate) fn of_fault(fault: &Fault) -> Self {
        let arguments = fault.arguments().into_iter();
        let values = arguments.map(|(name, value)| match name {
            "expected" | "limit" => (name, Words::OfCatalogue(value)),
            _ => (name, Words::Said(value)),
        });
        Self {
            key: fault.key(),
            values: values.collect(),
        }
    }

    /// The same in every language: a client's program may look at it.
    pub(crate) fn key(&self) -> &'static str {
        self.key
    }

    pub(crate) fn in_language(&self, language: Language) -> String {
        self.told(language, |cause| cause.words(language))
    }

    /// In English, with causes as the system has them.
    pub(crate) fn for_the_log(&self) -> String {
        self.told(Language::En, ToString::to_string)
    }

    fn told(&self, language: Language, of_cause: impl Fn(&Cause) -> String) -> String {
        let said = self.values.iter().filter_map(|(name, words)| match words {
            Words::Said(value) => Some((*name, value.as_str())),
            Words::OfCatalogue(_) | Words::Cause(_) => None,
        });
        let said: Vec<(&'static str, &str)> = said.collect();
        let looked_up = self.values.iter().filter_map(|(name, words)| match words {
            Words::Said(_) => None,
            Words::OfCatalogue(key) => Some((*name, words::text(&CATALOGUE, language, key, &said))),
            Words::Cause(cause) => Some((*name, of_cause(cause))),
        });
        let looked_up: Vec<(&'static str, String)> = looked_up.collect();
        let looked_up = looked_up
            .iter()
            .map(|(name, words)| (*name, words.as_str()));
        let values: Vec<(&'static str, &str)> = said.iter().copied().chain(looked_up).collect();
        words::text(&CATALOGUE, language, self.key, &values)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use harness::document;

    use super::*;

    const RU_TEXTS: &str = include_str!("messages/ru.ftl");
    const EN_TEXTS: &str = include_str!("messages/en.ftl");

    #[test]
    fn both_languages_have_every_message_with_the_same_values() {
        assert_eq!(document::messages(RU_TEXTS), document::messages(EN_TEXTS));
    }

    /// Parts of other messages and what a start says are no codes.
    #[test]
    fn the_error_codes_of_the_reference_are_current() {
        for (file, head, catalogue) in [
            ("REFERENCE.md", "| code | text |", EN_TEXTS),
            ("REFERENCE.ru.md", "| код | текст |", RU_TEXTS),
        ] {
            let lines = catalogue.lines().filter_map(|line| line.split_once(" = "));
            let codes = lines.filter(|(key, _)| {
                let no_code = ["help", "odata-expected-", "odata-limit-", "part-", "start-"];
                !no_code.iter().any(|start| key.starts_with(start))
            });
            let rows = codes.map(|(key, text)| {
                let mut parts = text.split("{ $");
                let first = parts.next().unwrap_or_default().to_owned();
                let text = parts.fold(first, |text, part| {
                    let (value, rest) = part.split_once(" }").unwrap();
                    text + &value.to_uppercase() + rest
                });
                format!("| `{key}` | {text} |\n")
            });
            let table = format!("{head}\n|---|---|\n{}", rows.collect::<String>());
            document::section_is_current(file, "backend-errors", &table);
        }
    }

    /// The text of every source file of the crate.
    fn sources(folder: &Path) -> String {
        let mut text = String::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                text += &sources(&path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text += &fs::read_to_string(path).unwrap();
            }
        }
        text
    }

    #[test]
    fn the_code_names_every_message_and_no_other() {
        let known: BTreeSet<&str> = document::messages(RU_TEXTS).into_keys().collect();
        let code = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
        let quoted: BTreeSet<&str> = code.split('"').collect();
        let unused = known.iter().filter(|key| !quoted.contains(**key));
        // Help is looked up by the names of options.
        let unused: Vec<&&str> = unused.filter(|key| !key.starts_with("help")).collect();
        assert!(unused.is_empty(), "{unused:?}");
        let named = code
            .split("Message::new(\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next());
        let of_faults = include_str!("odata/fault.rs").split('"');
        let of_faults = of_faults.filter(|text| text.starts_with("odata-"));
        let unknown: Vec<&str> = named
            .chain(of_faults)
            .filter(|key| !known.contains(key))
            .collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    #[test]
    fn a_fault_is_told_with_words_of_the_readers_language() {
        let fault = crate::odata::Query::parse("$top=-1").unwrap_err();
        let message = Message::of_fault(&fault);
        let told = message.in_language(Language::Ru);
        assert!(
            told.contains("$top") && told.contains("целое число"),
            "{told}"
        );
        let told = message.in_language(Language::En);
        assert!(
            told.contains("a whole number, 0 or more was expected"),
            "{told}"
        );
    }

    #[test]
    fn a_message_carries_its_values_without_marks_around_them() {
        let message = Message::new("clash-port")
            .with("port", 9706)
            .with("holder", "Курьер");
        assert_eq!(
            message.in_language(Language::Ru),
            "Порт 9706 уже занят базой «Курьер»"
        );
        assert_eq!(
            message.in_language(Language::En),
            "Port 9706 belongs to the database \"Курьер\""
        );
    }
}
