//! What the administrator of a database should know although it works as he wished.
//!
//! The same as the warnings of `check`, for a database of either source: `status` repeats them as
//! long as they hold.

use std::sync::Arc;

use backend_types::{ClientCertificates, PrintAuthentication, TlsProfile};
use gateway_certificates::devices::Trust;
use serde::{Deserialize, Serialize};

use crate::{
    administration::certificates::authority,
    certificates::InUse,
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

/// `trust`: by which client certificates are judged.
pub(crate) fn of(database: &Database, trust: &Trust, language: Language) -> Vec<Warning> {
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
        if database.client_certificates != ClientCertificates::Off {
            warn("client-certificates-without-https", &[]);
        }
    }
    let certificates = database.client_certificates;
    match &trust.fault {
        Some(fault) if certificates != ClientCertificates::Off => {
            let fault = authority::words(fault, language);
            warn("client-certificates-unreadable", &[("fault", &fault)]);
        }
        None if certificates == ClientCertificates::Required && trust.root.is_none() => {
            warn("client-certificates-without-root", &[]);
        }
        Some(_) | None => {}
    }
    let old = match database.tls {
        TlsProfile::Old => Some("tls-old"),
        TlsProfile::OldForEveryone => Some("tls-old-for-everyone"),
        TlsProfile::Modern | TlsProfile::Intermediate => None,
    };
    if let Some(old) = old.filter(|_| database.https) {
        warn(old, &[]);
        let has_rsa = |in_use: Arc<InUse>| {
            let mut pairs = in_use.certificate.pairs().iter();
            pairs.any(|pair| pair.is_rsa())
        };
        if !database.certificate.served().is_ok_and(has_rsa) {
            warn("tls-old-without-rsa", &[]);
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
