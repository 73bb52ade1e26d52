//! `gateway document …`: copies of documents listed, and documents put back from them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::Subcommand;
use jiff::{
    Timestamp,
    civil::{Date, Time},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    Failure, Outcome, Session,
    entities::{Entities, in_query},
    table::Table,
};
use crate::admin_client::AdminError;

#[derive(Subcommand)]
pub(super) enum Document {
    Backups {
        #[arg(value_name = "DATABASE")]
        database: String,
        #[arg(value_name = "ID")]
        document: Option<String>,
    },
    Restore(Restore),
}

#[derive(clap::Args)]
pub(super) struct Restore {
    #[arg(value_name = "DATABASE")]
    database: String,
    #[arg(value_name = "ID")]
    document: String,
    /// A name that `document backups` shows, or a file anywhere.
    #[arg(long, value_name = "FILE", conflicts_with = "at")]
    from: Option<PathBuf>,
    /// The last copy no later than this.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<Timestamp>,
    #[arg(long)]
    replace: bool,
}

/// A copy as the API lists it.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Copy {
    file: String,
    #[serde(default, deserialize_with = "super::entities::text")]
    document_id: String,
    taken: Timestamp,
    reason: String,
    #[serde(default, deserialize_with = "super::entities::text")]
    user: String,
    bytes: u64,
}

pub(super) fn run(document: Document, session: &Session) -> Outcome {
    match document {
        Document::Backups { database, document } => {
            let copies = copies(&session.entities(&database)?, document.as_deref())?;
            session.show(&copies, |copies| print(copies, session))
        }
        Document::Restore(restore) => restore.run(session),
    }
}

/// Newest first.
fn copies(entities: &Entities<'_>, document: Option<&str>) -> Result<Vec<Copy>, Failure> {
    match document {
        None => entities.list("Backups"),
        Some(id) => {
            let filter = format!("documentId eq '{}'", id.replace('\'', "''"));
            entities.list(&format!("Backups?$filter={}", in_query(&filter)))
        }
    }
}

impl Restore {
    fn run(self, session: &Session) -> Outcome {
        let entities = session.entities(&self.database)?;
        let mut body = match &self.from {
            Some(file) => from_file(file, session)?,
            None => self.last_copy(&entities, session)?,
        };
        let shown = body.get("file").cloned().unwrap_or_else(|| {
            let file = self.from.as_deref().unwrap_or(Path::new(""));
            file.display().to_string().into()
        });
        body.insert("documentId".to_owned(), self.document.as_str().into());
        body.insert("replace".to_owned(), self.replace.into());
        let restored: Result<Value, Failure> = entities.post("Backups/Restore", &body);
        restored.map_err(|fault| match fault {
            Failure::Gateway(AdminError::Refused { code, .. }) if code == "document-exists" => {
                session.refuse("document-exists", &[("id", &self.document)])
            }
            other => other,
        })?;
        let answer = json!({"restored": self.document, "file": shown});
        session.show(&answer, |_| {
            let file = shown.as_str().unwrap_or_default();
            let values = [("id", self.document.as_str()), ("file", file)];
            out!("{}", session.say("document-restored", &values));
        })
    }

    fn last_copy(
        &self,
        entities: &Entities<'_>,
        session: &Session,
    ) -> Result<Map<String, Value>, Failure> {
        let copies = copies(entities, Some(&self.document))?;
        if copies.is_empty() {
            return Err(session.refuse("document-no-copy", &[("id", &self.document)]));
        }
        let mut copies = copies.into_iter();
        let found = copies.find(|copy| self.at.is_none_or(|at| copy.taken <= at));
        let found = found
            .ok_or_else(|| session.refuse("document-no-copy-then", &[("id", &self.document)]))?;
        Ok(Map::from_iter([("file".to_owned(), found.file.into())]))
    }
}

/// A file that is here goes as its text; a bare name is that of a copy on the server.
fn from_file(file: &Path, session: &Session) -> Result<Map<String, Value>, Failure> {
    let shown = file.display().to_string();
    let (field, value) = match fs::read_to_string(file) {
        Ok(content) => ("content", content),
        Err(fault)
            if fault.kind() == io::ErrorKind::NotFound
                && file.file_name() == Some(file.as_os_str()) =>
        {
            ("file", shown)
        }
        Err(fault) => return Err(session.unreadable(file, &fault)),
    };
    Ok(Map::from_iter([(field.to_owned(), value.into())]))
}

/// A moment as people write it: ISO 8601 with a zone, or in this machine's time
/// `2026-03-02 09:14:55` and `02.03.2026 09:14:55`, also without seconds; a bare date is its end.
fn moment(text: &str) -> Result<Timestamp, String> {
    let text = text.trim();
    if let Ok(moment) = text.parse() {
        return Ok(moment);
    }
    let (day, time) = match text.split_once([' ', 'T']) {
        Some((day, time)) => (day, Some(time)),
        None => (text, None),
    };
    let russian = || {
        let mut parts = day.split('.');
        let [day, month, year] = [parts.next()?, parts.next()?, parts.next()?];
        let rest = parts.next();
        let day = format!("{year:0>4}-{month:0>2}-{day:0>2}").parse::<Date>();
        day.ok().filter(|_| rest.is_none())
    };
    let day = day.parse::<Date>().ok().or_else(russian);
    let time = match time {
        Some(time) => time.parse::<Time>().ok(),
        None => Some(Time::MAX),
    };
    let local = day.zip(time).map(|(day, time)| day.to_datetime(time));
    let moment = local.and_then(|local| TimeZone::system().to_timestamp(local).ok());
    moment.ok_or_else(|| "2026-03-02 09:14:55".to_owned())
}

fn print(copies: &[Copy], session: &Session) {
    let heads = ["taken", "reason", "document", "user", "bytes", "file"];
    let mut table = Table::with_head(heads.map(|head| session.say(&format!("head-{head}"), &[])));
    for copy in copies {
        let reason = copy.reason.replace('_', "-");
        table.row([
            words::moment(copy.taken, session.language).into(),
            session.say(&format!("copy-{reason}"), &[]).into(),
            copy.document_id.as_str().into(),
            copy.user.as_str().into(),
            copy.bytes.to_string().into(),
            copy.file.as_str().into(),
        ]);
    }
    out!("{}", table.text(session.colour).trim_end());
}

#[cfg(test)]
mod tests {
    use backend_types::Language;

    use super::*;

    #[test]
    fn a_moment_is_read_as_people_and_copies_write_it() {
        let exact: Timestamp = "2026-03-02T09:14:55Z".parse().unwrap();
        assert_eq!(moment("2026-03-02T12:14:55+03:00"), Ok(exact));
        for language in Language::ALL {
            let shown = words::moment(exact, language);
            assert_eq!(moment(&shown), Ok(exact), "{shown}");
        }
        let zone = TimeZone::system();
        let local = |text: &str| zone.to_timestamp(text.parse().unwrap()).unwrap();
        assert_eq!(
            moment("2026-03-02 09:14:55"),
            Ok(local("2026-03-02T09:14:55"))
        );
        assert_eq!(moment("2.3.2026 09:14"), Ok(local("2026-03-02T09:14:00")));
        assert!(moment("02.03.2026").unwrap() > moment("02.03.2026 23:59:59").unwrap());
        assert!(moment("02.03.2026").unwrap() < moment("03.03.2026 00:00").unwrap());
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "вчера",
            "31.02.2026",
            "02.03.2026.1",
            "02.03.2026 25:00",
            "9:14",
            "1.2",
        ] {
            assert!(moment(text).is_err(), "{text}");
        }
    }
}
