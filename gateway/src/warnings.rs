//! What the administrator of a database should know although it works as he wished.
//!
//! The same as the warnings of `check`, for a database of either source: `status` repeats them as
//! long as they hold.

use backend_types::PrintAuthentication;

use crate::{
    directory::{Authentication, Database, Print},
    messages::{self, Language},
};

/// One sentence each.
pub(crate) fn of(database: &Database, language: Language) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut warn = |key, values: &[(&'static str, &str)]| {
        warnings.push(messages::text(language, key, values));
    };
    let asked = database.authentication != Authentication::None;
    if !database.https {
        warn("warning-https-off", &[]);
        if asked {
            warn("warning-authentication-without-https", &[]);
        }
    }
    if !asked {
        warn("warning-authentication-off", &[]);
    }
    let passes = |print: &Print| print.authentication == PrintAuthentication::Pass;
    if database.print.as_ref().is_some_and(passes) {
        warn("warning-print-pass", &[]);
    }
    for everybody in database.lists.lists().whitelist.whole_families() {
        warn("warning-whitelists-everybody", &[("net", everybody)]);
    }
    warnings
}
