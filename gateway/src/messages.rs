//! What people read, in Russian and English. A test compares the catalogues key by key.
//!
//! Texts lie in `messages/{ru,en}.ftl`; log lines do not pass through here, they are English.

use std::net::SocketAddr;

pub(crate) use backend_types::Language;
use fluent_templates::static_loader;
use gateway_policy::{
    ports::{Clash, Holder},
    refusal::Refusal,
};

use crate::{listeners::PortFault, port_holder::PortHolder};

static_loader! {
    pub(crate) static CATALOGUE = {
        locales: "./src/messages",
        fallback_language: "ru",
        customise: |bundle| bundle.set_use_isolating(false),
    };
}

/// The text of `key` with `values` in their places.
pub(crate) fn text(language: Language, key: &str, values: &[(&'static str, &str)]) -> String {
    words::text(&CATALOGUE, language, key, values)
}

/// The text of `key`, which takes no values, where the language has one.
pub(crate) fn find(language: Language, key: &str) -> Option<String> {
    words::find(&CATALOGUE, language, key)
}

/// A moment in Unix seconds as people read it.
pub(crate) fn moment(seconds: i64, language: Language) -> String {
    let at = jiff::Timestamp::from_second(seconds);
    at.map_or_else(
        |_beyond| seconds.to_string(),
        |at| words::moment(at, language),
    )
}

/// The same of one that programs read; what is no moment stays what it is.
pub(crate) fn moment_of(text: &str, language: Language) -> String {
    let at: Result<jiff::Timestamp, _> = text.parse();
    at.map_or_else(|_other| text.to_owned(), |at| words::moment(at, language))
}

/// What the client reads of a refusal: as little as it may know.
pub(crate) fn refusal(refusal: Refusal, language: Language) -> String {
    let seconds = refusal
        .retry_after_seconds()
        .unwrap_or_default()
        .to_string();
    text(language, refusal.message(), &[("seconds", &seconds)])
}

/// Why a port does not serve, for the administrator.
pub(crate) fn port_fault(
    fault: &PortFault,
    still_on: Option<SocketAddr>,
    language: Language,
) -> String {
    let say = |key, values: &[(&'static str, &str)]| text(language, key, values);
    let words = match fault {
        PortFault::Busy { port, holder } => {
            let holder = match holder {
                PortHolder::Process { .. } => holder.to_string(),
                PortHolder::AnotherUser => say("port-holder-unknown", &[]),
            };
            say(
                "port-busy",
                &[("port", &port.to_string()), ("holder", &holder)],
            )
        }
        PortFault::Refused { port, cause } => say(
            "port-refused",
            &[
                ("port", &port.to_string()),
                ("cause", &cause.words(language)),
            ],
        ),
        PortFault::NoCertificate { cause } => {
            return say("port-no-certificate", &[("cause", &cause.words(language))]);
        }
    };
    match still_on {
        Some(address) => {
            format!(
                "{words}; {}",
                say("port-still", &[("address", &address.to_string())])
            )
        }
        None => words,
    }
}

/// Two claims on one port, with both holders.
pub(crate) fn clash(clash: &Clash, language: Language) -> String {
    let holder = |holder: &Holder| match holder {
        Holder::Data(id) => text(language, "holder-data", &[("id", id.as_str())]),
        Holder::Print(id) => text(language, "holder-print", &[("id", id.as_str())]),
        Holder::Server => text(language, "holder-server", &[]),
        Holder::CertificatePage => text(language, "holder-certificate-page", &[]),
        Holder::Metrics => text(language, "holder-metrics", &[]),
    };
    let (first, second) = (holder(&clash.first), holder(&clash.second));
    let port = clash.port.to_string();
    text(
        language,
        "clash",
        &[("port", &port), ("first", &first), ("second", &second)],
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use harness::document;

    use super::*;

    const RU_TEXTS: &str = include_str!("messages/ru.ftl");
    pub(crate) const EN_TEXTS: &str = include_str!("messages/en.ftl");

    #[test]
    fn both_languages_have_every_message_with_the_same_values() {
        assert_eq!(document::messages(RU_TEXTS), document::messages(EN_TEXTS));
    }

    #[test]
    fn every_refusal_has_words() {
        let known = document::messages(EN_TEXTS);
        for refusal in gateway_policy::refusal::ONE_OF_EACH {
            assert!(known.contains_key(refusal.message()), "{refusal:?}");
        }
    }

    #[test]
    fn the_seconds_stand_in_the_sentence() {
        let after = gateway_policy::throttle::RetryAfter { seconds: 17 };
        let words = refusal(Refusal::TooManyFailures(after), Language::Ru);
        assert!(words.contains("через 17 с"), "{words}");
    }
}
