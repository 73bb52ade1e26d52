//! The certificates that a configuration names, judged as they lie there: what a start would find.

use std::{collections::HashSet, path::Path};

use gateway_certificates::StoreError;
use gateway_config::{Cause, Finding, NamedPair, Severity};

use super::{CertificateFault, shelf};
use crate::{messages::Language, watchdog};

/// What is wrong with them beside `known`, the findings of the file itself.
pub(crate) fn findings(file: &Path, known: &[Finding], language: Language) -> Vec<Finding> {
    let pairs = gateway_config::named_certificates(file);
    let mut found: Vec<_> = pairs
        .iter()
        .flat_map(|pair| judge(pair, language))
        .collect();
    // That a file is not there says all of its place.
    let place = |one: &Finding| (one.line, one.column);
    let faults = known.iter().filter(|one| one.severity() == Severity::Fault);
    let told: HashSet<_> = faults.map(place).collect();
    found.retain(|one| !told.contains(&place(one)));
    found
}

fn judge(pair: &NamedPair, language: Language) -> Vec<Finding> {
    match shelf::of_files(&pair.files) {
        Ok(in_use) => {
            let pairs = in_use.certificate.pairs().iter();
            let ends =
                pairs.filter_map(|one| watchdog::alarm_words(&in_use, one.validity(), language));
            let ends = ends.map(|alarm| pair.of_chain(Cause::CertificateEnds { alarm }));
            ends.collect()
        }
        Err(fault) => {
            let cause = Cause::CertificateUnusable {
                fault: fault.words(language),
            };
            vec![match is_the_keys(&fault, &pair.files.key) {
                true => pair.of_key(cause),
                false => pair.of_chain(cause),
            }]
        }
    }
}

/// Whether the key's file is to be mended, not the chain's.
fn is_the_keys(fault: &CertificateFault, key: &Path) -> bool {
    match fault {
        CertificateFault::Readable(_) | CertificateFault::Store(StoreError::Mismatch { .. }) => {
            true
        }
        CertificateFault::Store(StoreError::File { file, .. } | StoreError::Pair { file, .. }) => {
            file == key
        }
        _ => false,
    }
}
