//! `gateway doctor`: the whole installation looked at from the outside in, with a grade.

use serde::Serialize;

use super::{Failure, Outcome, Session, table::Tone};
use crate::{
    admin_client::AdminError,
    doctor::{self, Check, Grade, State, facts::Facts},
    installation,
    status::Report,
};

/// For `--json`.
#[derive(Serialize)]
struct Diagnosis {
    running: bool,
    /// None while the gateway does not run: half of the checks are missing then.
    grade: Option<Grade>,
    checks: Vec<Check>,
}

pub(super) fn run(session: &Session) -> Outcome {
    let report: Option<Report> = match session.gateway.post("/watchdog", &()) {
        Ok(report) => Some(report),
        Err(AdminError::NotRunning { .. }) => None,
        Err(fault) => return Err(fault.into()),
    };
    let data = std::path::absolute(&session.data).unwrap_or_else(|_| session.data.clone());
    let file = match &report {
        Some(report) => {
            // Paths in its file begin where it was started.
            let there = format!("/proc/{}/cwd", report.pid);
            if let Err(fault) = std::env::set_current_dir(there) {
                tracing::debug!(%fault, "relative paths begin here");
            }
            report.config.file.clone()
        }
        None => installation::config_file(None),
    };
    let facts = Facts::gather(report, file, &data, session.language);
    let findings = doctor::judge(&facts);
    let running = facts.report.is_some();
    let bad = findings.iter().any(|one| one.state >= State::Fault);
    let checks = findings.iter().map(|one| one.in_words(session.language));
    let diagnosis = Diagnosis {
        running,
        grade: running.then(|| Grade::of(&findings)),
        checks: checks.collect(),
    };
    session.show(&diagnosis, |diagnosis| print(diagnosis, session))?;
    match (running, bad) {
        (false, _) => Err(Failure::ShownNotRunning),
        (true, true) => Err(Failure::Shown),
        (true, false) => Ok(()),
    }
}

fn print(diagnosis: &Diagnosis, session: &Session) {
    for check in &diagnosis.checks {
        let (sign, tone) = match check.state {
            State::Good => ("✓", Tone::Good),
            State::Remark => ("!", Tone::Strong),
            State::Fault | State::OpenDoor => ("✗", Tone::Bad),
        };
        let message = check.message.replace(char::is_control, " ");
        out!("{} {message}", tone.paint(sign, session.colour));
        if let Some(fix) = &check.fix {
            out!("    → {}", fix.replace(char::is_control, " "));
        }
    }
    out!("");
    if let Some(grade) = diagnosis.grade {
        let words = session.say("doctor-grade", &[("grade", grade.word())]);
        let meaning = session.say(
            &format!("doctor-grade-{}", grade.word().to_lowercase()),
            &[],
        );
        out!("{} {meaning}", Tone::Strong.paint(&words, session.colour));
    }
}
