//! Why this device does not trust us: the handshakes of the asker's own address that have failed
//! since it has opened the page, and nothing of anybody else's.

use gateway_policy::{ClientAddr, Moment, refusal::Refusal};
use serde_json::json;

use crate::{
    answer::Answer,
    messages::{self, Language},
    shared::Shared,
    why,
};

/// Reasons as in the log, the newest first.
pub(super) fn failures(shared: &Shared, client: ClientAddr, since: Moment) -> Vec<&'static str> {
    let history = shared.recent.of(client.into());
    let Some(history) = history else {
        return Vec::new();
    };
    let handshakes = history.handshakes.iter();
    let handshakes = handshakes.map(|one| (one.fault.reason(), one.seen));
    // The one refusal before a handshake that says nothing about lists.
    let no_certificate = Refusal::NoCertificate.reason();
    let refusals = history.refusals.iter();
    let refusals = refusals.map(|one| (one.why.reason, one.seen));
    let refusals = refusals.filter(|(reason, _)| *reason == no_certificate);
    let mut seen: Vec<_> = handshakes
        .chain(refusals)
        .filter(|(_, seen)| seen.last >= since)
        .collect();
    seen.sort_by_key(|(_, seen)| std::cmp::Reverse(seen.last));
    seen.into_iter().map(|(reason, _)| reason).collect()
}

/// What the gateway saw, and what to do about it.
pub(super) fn words(reason: &str, language: Language) -> String {
    let saw = why::reason(reason, language);
    let mut letters = saw.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    let saw: String = first.chain(letters).collect();
    match messages::find(language, &format!("certificate-page-advice-{reason}")) {
        Some(advice) => format!("{saw}. {advice}"),
        None => format!("{saw}."),
    }
}

/// For the page's script: the newest reason, or none.
pub(super) fn json(failures: &[&str], language: Language) -> Answer {
    let newest = failures.first();
    Answer::json(
        200,
        &json!({
            "reason": newest,
            "words": newest.map(|reason| words(reason, language)),
        }),
    )
}
