//! What the administrator of a database should know although it works as he wished.
//!
//! The same as the warnings of `check`, for a database of either source: `status` repeats them as
//! long as they hold.

use backend_types::PrintAuthentication;
use serde::{Deserialize, Serialize};

use crate::{
    directory::{Authentication, Database, Print},
    messages::{self, Language},
};

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Warning {
    /// For programs; the same in every language.
    pub(crate) code: String,
    /// For people.
    pub(crate) message: String,
}

pub(crate) fn of(database: &Database, language: Language) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |code: &str, values: &[(&'static str, &str)]| {
        warnings.push(Warning {
            code: code.to_owned(),
            message: messages::text(language, &format!("warning-{code}"), values),
        });
    };
    let asked = database.authentication != Authentication::None;
    if !database.https {
        warn("https-off", &[]);
        if asked {
            warn("authentication-without-https", &[]);
        }
    }
    if !asked {
        warn("authentication-off", &[]);
    }
    let passes = |print: &Print| print.authentication == PrintAuthentication::Pass;
    if database.print.as_ref().is_some_and(passes) {
        warn("print-pass", &[]);
    }
    for everybody in database.lists.lists().whitelist.whole_families() {
        warn("whitelists-everybody", &[("net", everybody)]);
    }
    warnings
}
