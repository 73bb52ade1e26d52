//! How the programs speak to people: texts of a program's catalogue in the reader's language, and
//! the help of its command line made of them.
//!
//! No text of one program stands here, only what every command line says, why the system did not
//! do what it was asked, and how a moment is written. Log lines do not pass through here: they are
//! English.

pub mod command_line;

mod cause;
mod moment;

pub use cause::Cause;
pub use moment::moment;

use std::{borrow::Cow, collections::HashMap};

use backend_types::Language;
use fluent_templates::{
    LanguageIdentifier, Loader, StaticLoader, fluent_bundle::FluentValue, langid,
};

fluent_templates::static_loader! {
    static OWN = {
        locales: "./src/messages",
        fallback_language: "ru",
        customise: |bundle| bundle.set_use_isolating(false),
    };
}

fn id(language: Language) -> LanguageIdentifier {
    match language {
        Language::Ru => langid!("ru"),
        Language::En => langid!("en"),
    }
}

/// The text of `key` with `values` in their places.
#[must_use]
pub fn text(
    catalogue: &StaticLoader,
    language: Language,
    key: &str,
    values: &[(&'static str, &str)],
) -> String {
    let values: HashMap<Cow<'static, str>, FluentValue<'_>> = values
        .iter()
        .map(|(name, value)| (Cow::Borrowed(*name), FluentValue::from(*value)))
        .collect();
    catalogue.lookup_with_args(&id(language), key, &values)
}

/// The text of `key`, which takes no values, where the language has one.
#[must_use]
pub fn find(catalogue: &StaticLoader, language: Language, key: &str) -> Option<String> {
    catalogue.try_lookup(&id(language), key)
}

/// The language of who sits at the terminal: `LC_ALL`, `LC_MESSAGES`, `LANG`, else Russian.
#[must_use]
pub fn of_environment() -> Language {
    let set = ["LC_ALL", "LC_MESSAGES", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    match set {
        Some(locale) if locale.to_ascii_lowercase().starts_with("en") => Language::En,
        Some(_) | None => Language::Ru,
    }
}

#[cfg(test)]
mod tests {
    use harness::document;

    #[test]
    fn both_languages_have_every_message_with_the_same_values() {
        let ru = document::messages(include_str!("messages/ru.ftl"));
        assert_eq!(ru, document::messages(include_str!("messages/en.ftl")));
    }
}
