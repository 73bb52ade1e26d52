//! `gateway check`: every fault of a configuration file and of the certificates that it names,
//! without a running gateway.

use std::path::PathBuf;

use backend_types::Language;
use gateway_config::{Finding, Overrides, Severity};
use serde_json::json;

use super::{Failure, Outcome, Session};
use crate::{certificates, messages};

#[derive(clap::Args)]
pub(super) struct Check {
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[arg(long)]
    strict: bool,
}

impl Check {
    pub(super) fn run(self, session: &Session) -> Outcome {
        let loaded = gateway_config::load(&self.file, &Overrides::default());
        let mut findings = loaded.map_or_else(|findings| findings, |loaded| loaded.warnings);
        findings.extend(certificates::findings(
            &self.file,
            &findings,
            session.language,
        ));
        findings.sort_by_key(|one| (one.line, one.column));
        let refused = findings
            .iter()
            .any(|one| self.strict || one.severity() == Severity::Fault);
        if session.json {
            let words = |severity| {
                let fitting = findings.iter().filter(|one| one.severity() == severity);
                let words = fitting.map(|one| one.render(session.language));
                words.collect::<Vec<_>>()
            };
            let answer = json!({
                "file": self.file,
                "good": !refused,
                "faults": words(Severity::Fault),
                "warnings": words(Severity::Warning),
            });
            session.show(&answer, |_| {})?;
        } else {
            print(&findings, session.language);
            if !refused {
                let file = self.file.display().to_string();
                out!("{}", session.say("check-good", &[("file", &file)]));
            }
        }
        if refused { Err(Failure::Shown) } else { Ok(()) }
    }
}

pub(super) fn print(findings: &[Finding], language: Language) {
    for finding in findings {
        let words = finding.render(language);
        match finding.severity() {
            Severity::Fault => out!("{words}"),
            Severity::Warning => {
                let values = [("finding", words.as_str())];
                out!("{}", messages::text(language, "check-warning", &values));
            }
        }
    }
}
