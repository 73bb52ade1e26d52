//! `gateway list …`: a database's address lists shown and changed by the gateway that runs.

use clap::Subcommand;

use super::{
    Outcome, Session,
    table::{Cell, Table, Tone},
};
use crate::{
    administration::lists::{ListChange, ListChanged, ListReport},
    lists::Kind,
};

#[derive(Subcommand)]
pub(super) enum List {
    Show {
        database: String,
        /// Absent: both.
        list: Option<Kind>,
    },
    Add {
        #[command(flatten)]
        which: Which,
        #[arg(long, value_name = "TEXT")]
        comment: Option<String>,
    },
    Remove {
        #[command(flatten)]
        which: Which,
    },
}

#[derive(clap::Args)]
pub(super) struct Which {
    database: String,
    list: Kind,
    #[arg(required = true, value_name = "ENTRY")]
    entries: Vec<String>,
}

impl List {
    pub(super) fn run(self, session: &Session) -> Outcome {
        match self {
            Self::Show { database, list } => show(&database, list, session),
            Self::Add { which, comment } => {
                let change = ListChange {
                    add: which.entries,
                    comment,
                    ..ListChange::default()
                };
                alter(&which.database, which.list, &change, session)
            }
            Self::Remove { which } => {
                let change = ListChange {
                    remove: which.entries,
                    ..ListChange::default()
                };
                alter(&which.database, which.list, &change, session)
            }
        }
    }
}

fn show(database: &str, list: Option<Kind>, session: &Session) -> Outcome {
    let id = session.database(database)?.id;
    let kinds = list.map_or(Kind::BOTH.to_vec(), |kind| vec![kind]);
    let mut reports: Vec<ListReport> = Vec::new();
    for kind in kinds {
        let path = format!("/databases/{id}/lists/{}", kind.as_str());
        reports.push(session.gateway.get(&path)?);
    }
    session.show(&reports, |reports| {
        for (place, report) in reports.iter().enumerate() {
            if place > 0 {
                out!("");
            }
            print(report, session);
        }
    })
}

fn print(report: &ListReport, session: &Session) {
    let say = |key: &str| session.say(key, &[]);
    out!("{}", Tone::Strong.paint(&report.list, session.colour));
    let mut table = Table::default();
    table.field(say("list-file"), report.file.as_str());
    table.field(say("list-entries"), report.entries.to_string());
    let state = match &report.fault {
        None => Cell::new(say("list-state-good"), Tone::Good),
        Some(fault) => {
            let words = session.say("list-state-damaged", &[("fault", fault)]);
            Cell::new(words, Tone::Bad)
        }
    };
    table.field(say("list-state"), state);
    out!("{}", table.text(session.colour).trim_end());
    if report.count == 0 {
        return out!("{}", say("list-empty"));
    }
    let width = report.lines.len().to_string().len();
    for (number, line) in (1..).zip(&report.lines) {
        out!("{number:>width$}  {line}");
    }
    if report.lines.len() < report.count {
        let (shown, count) = (report.lines.len().to_string(), report.count.to_string());
        let values = [("shown", shown.as_str()), ("count", &count)];
        out!("{}", session.say("list-more", &values));
    }
}

fn alter(database: &str, list: Kind, change: &ListChange, session: &Session) -> Outcome {
    let id = session.database(database)?.id;
    let path = format!("/databases/{id}/lists/{}", list.as_str());
    let changed: ListChanged = session.gateway.post(&path, change)?;
    session.show(&changed, |changed| {
        for one in &changed.done {
            out!("{}", one.said);
        }
        for warning in &changed.warnings {
            out!("{}", Tone::Bad.paint(warning, session.colour));
        }
    })
}
