//! What people read, in Russian and English. A test compares the catalogues key by key.
//!
//! Texts lie in `messages/{ru,en}.ftl`; log lines do not pass through here, they are English.

use std::{borrow::Cow, collections::HashMap};

pub(crate) use backend_types::Language;
use fluent_templates::{
    LanguageIdentifier, Loader, fluent_bundle::FluentValue, langid, static_loader,
};
use gateway_policy::refusal::Refusal;

static_loader! {
    static CATALOGUE = {
        locales: "./src/messages",
        fallback_language: "ru",
        customise: |bundle| bundle.set_use_isolating(false),
    };
}

const RU: LanguageIdentifier = langid!("ru");
const EN: LanguageIdentifier = langid!("en");

/// The text of `key` with `values` in their places.
pub(crate) fn text(language: Language, key: &str, values: &[(&'static str, &str)]) -> String {
    let id = match language {
        Language::Ru => &RU,
        Language::En => &EN,
    };
    let values: HashMap<Cow<'static, str>, FluentValue<'_>> = values
        .iter()
        .map(|(name, value)| (Cow::Borrowed(*name), FluentValue::from(*value)))
        .collect();
    CATALOGUE.lookup_with_args(id, key, &values)
}

/// What the client reads of a refusal: as little as it may know.
pub(crate) fn refusal(refusal: Refusal, language: Language) -> String {
    let seconds = refusal
        .retry_after_seconds()
        .unwrap_or_default()
        .to_string();
    text(language, refusal.message(), &[("seconds", &seconds)])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const RU_TEXTS: &str = include_str!("messages/ru.ftl");
    const EN_TEXTS: &str = include_str!("messages/en.ftl");

    fn keys(catalogue: &str) -> BTreeSet<&str> {
        catalogue
            .lines()
            .filter_map(|line| line.split_once(" = "))
            .map(|(key, _)| key)
            .collect()
    }

    #[test]
    fn both_languages_have_every_message() {
        assert_eq!(keys(RU_TEXTS), keys(EN_TEXTS));
    }

    #[test]
    fn every_refusal_has_words() {
        let known = keys(EN_TEXTS);
        for refusal in gateway_policy::refusal::ONE_OF_EACH {
            assert!(known.contains(refusal.message()), "{refusal:?}");
        }
    }

    #[test]
    fn the_seconds_stand_in_the_sentence() {
        let after = gateway_policy::throttle::RetryAfter { seconds: 17 };
        let words = refusal(Refusal::TooManyFailures(after), Language::Ru);
        assert!(words.contains("через 17 с"), "{words}");
    }
}
