//! `gateway check`: every fault of a configuration file, without a running gateway.

use std::path::PathBuf;

use backend_types::Language;
use gateway_config::{Finding, Overrides, Severity};
use serde_json::json;

use super::{Failure, Outcome, Session};
use crate::messages;

#[derive(clap::Args)]
pub(super) struct Check {
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[arg(long)]
    strict: bool,
}

impl Check {
    pub(super) fn run(self, session: &Session) -> Outcome {
        let (findings, refused) = match gateway_config::load(&self.file, &Overrides::default()) {
            Ok(loaded) => {
                let refused = self.strict && !loaded.warnings.is_empty();
                (loaded.warnings, refused)
            }
            Err(findings) => (findings, true),
        };
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
