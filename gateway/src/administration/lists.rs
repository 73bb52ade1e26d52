//! Address lists shown and changed. The file is written by this process and keeps its comments;
//! what was asked is in force, also for open connections, when the answer comes.

use std::{io, sync::Arc};

use backend_types::{DatabaseId, Language};
use gateway_policy::address_list::{
    Entry, ListLine,
    edit::{Change, Done, EditFault},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use words::Cause;

use super::{Administration, Refused, blocking};
use crate::{
    directory::Database,
    lists::{self, Kind, ListError, ListFolder},
    messages,
};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ListReport {
    pub(crate) database: DatabaseId,
    pub(crate) list: String,
    pub(crate) file: String,
    /// In force.
    pub(crate) entries: usize,
    /// Why the file as it is now is not in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fault: Option<String>,
    pub(crate) lines: Vec<String>,
    /// Of the file; `lines` may be fewer.
    pub(crate) count: usize,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ListChange {
    pub(crate) add: Vec<String>,
    pub(crate) remove: Vec<String>,
    pub(crate) comment: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ListChanged {
    pub(crate) file: String,
    /// In force.
    pub(crate) entries: usize,
    pub(crate) done: Vec<EntryDone>,
    /// In the asker's language.
    pub(crate) warnings: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EntryDone {
    pub(crate) what: What,
    pub(crate) entry: String,
    /// Where it stands, or stood.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<usize>,
    /// In the asker's language.
    pub(crate) said: String,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum What {
    Added,
    AlreadyThere,
    Removed,
}

impl Administration {
    pub(super) async fn list(
        &self,
        database: Arc<Database>,
        kind: Kind,
        language: Language,
    ) -> Result<ListReport, Refused> {
        blocking(move || {
            let words = Words { kind, language };
            let shown = database.lists.shown(kind);
            let shown = shown.map_err(|fault| words.io(&database.lists, &fault))?;
            Ok(ListReport {
                database: database.id.clone(),
                list: kind.as_str().to_owned(),
                file: shown.file.display().to_string(),
                entries: shown.entries,
                fault: shown.fault.map(|fault| fault.words(language)),
                lines: shown.lines,
                count: shown.count,
            })
        })
        .await
    }

    pub(super) async fn change_list(
        &self,
        database: Arc<Database>,
        kind: Kind,
        change: ListChange,
        language: Language,
    ) -> Result<ListChanged, Refused> {
        let shared = Arc::clone(&self.world.shared);
        blocking(move || {
            let (words, lists) = (Words { kind, language }, &database.lists);
            if change.add.is_empty() && change.remove.is_empty() {
                return Err(words.refuse("list-refused-nothing", &[]));
            }
            let wished = Change {
                add: &change.add,
                remove: &change.remove,
                comment: change.comment.as_deref(),
            };
            let changed = lists.change(kind, wished);
            let changed = changed.map_err(|fault| words.refusal(lists, &fault))?;
            if changed.in_force {
                shared.reconsider_connections();
            }
            let file = lists.file(kind).display().to_string();
            let done = changed.edited.done;
            tracing::info!(
                target: "security",
                file, add = ?change.add, remove = ?change.remove,
                "list changed by the administrator"
            );
            let warnings = done.iter().flat_map(|done| words.warnings(done, lists));
            Ok(ListChanged {
                warnings: warnings.collect(),
                done: done.iter().map(|done| words.done(done)).collect(),
                entries: changed.entries,
                file,
            })
        })
        .await
    }
}

/// What became of a list, in the asker's language.
#[derive(Clone, Copy)]
struct Words {
    kind: Kind,
    language: Language,
}

impl Words {
    fn say(self, key: &str, values: &[(&'static str, &str)]) -> String {
        messages::text(self.language, key, values)
    }

    fn at(self, key: &str, kind: Kind, line: &ListLine, entry: &str) -> String {
        let number = line.number.to_string();
        let values = [
            ("file", kind.file_name()),
            ("line", &number),
            ("text", &line.text),
            ("entry", entry),
        ];
        self.say(key, &values)
    }

    fn done(self, done: &Done) -> EntryDone {
        match done {
            Done::Added { entry, .. } => {
                let entry = entry.to_string();
                EntryDone {
                    what: What::Added,
                    said: self.say("list-added", &[("entry", &entry)]),
                    line: None,
                    entry,
                }
            }
            Done::AlreadyThere(line) => self.stands(What::AlreadyThere, "list-already-there", line),
            Done::Removed { line, more, .. } => {
                let mut done = self.stands(What::Removed, "list-removed", line);
                if *more > 0 {
                    let count = more.to_string();
                    done.said.push('\n');
                    done.said += &self.say("list-removed-more", &[("count", &count)]);
                }
                done
            }
        }
    }

    fn stands(self, what: What, key: &str, line: &ListLine) -> EntryDone {
        let entry = line.entry.to_string();
        EntryDone {
            what,
            said: self.at(key, self.kind, line, &entry),
            line: Some(line.number),
            entry,
        }
    }

    fn warnings(self, done: &Done, lists: &ListFolder) -> Vec<String> {
        let (added, within) = match done {
            Done::Added { entry, within } => (Some(*entry), within),
            Done::Removed { within, .. } => (None, within),
            Done::AlreadyThere(_) => return Vec::new(),
        };
        let within = within
            .iter()
            .map(|line| self.at("list-within", self.kind, line, ""));
        within
            .chain(
                added
                    .into_iter()
                    .flat_map(|entry| self.cautions(entry, lists)),
            )
            .collect()
    }

    /// Whom a new entry reaches beyond what its writer may have meant.
    fn cautions(self, entry: Entry, lists: &ListFolder) -> Vec<String> {
        let told = entry.to_string();
        match self.kind {
            Kind::Whitelist if entry.is_everybody() => {
                vec![self.say("list-warn-everybody-white", &[])]
            }
            Kind::Whitelist => Vec::new(),
            Kind::Blacklist if entry.is_everybody() => {
                vec![self.say("list-warn-everybody-black", &[])]
            }
            Kind::Blacklist => {
                let loopback = entry
                    .meets_loopback()
                    .then(|| self.say("list-warn-loopback", &[("entry", &told)]));
                let white = lists.deciding(Kind::Whitelist, entry).lines;
                let white = white
                    .first()
                    .map(|line| self.at("list-warn-whitelisted", Kind::Whitelist, line, &told));
                loopback.into_iter().chain(white).collect()
            }
        }
    }

    fn refuse(self, key: &'static str, values: &[(&'static str, &str)]) -> Refused {
        let code = key.strip_prefix("list-refused-").unwrap_or(key);
        let message = self.say(key, values);
        Refused::new(StatusCode::CONFLICT, &format!("list-{code}"), message)
    }

    fn io(self, lists: &ListFolder, fault: &io::Error) -> Refused {
        let file = lists.file(self.kind).display().to_string();
        let values = [
            ("file", file.as_str()),
            ("cause", &Cause::of(fault).words(self.language)),
        ];
        self.refuse("list-refused-io", &values)
    }

    fn refusal(self, lists: &ListFolder, fault: &ListError) -> Refused {
        let path = lists.file(self.kind).display().to_string();
        let file = ("file", path.as_str());
        let name = self.kind.file_name();
        match fault {
            ListError::Io(fault) => self.io(lists, fault),
            ListError::TooLarge => self.refuse("list-refused-too-large", &[file]),
            ListError::ChangedMeanwhile => self.refuse("list-refused-meanwhile", &[file]),
            ListError::NoFolder { folder } => {
                let folder = folder.display().to_string();
                self.refuse("list-refused-no-folder", &[("folder", &folder)])
            }
            ListError::Edit(EditFault::TooMany) => self.refuse("list-refused-too-many", &[file]),
            ListError::Edit(EditFault::Comment) => self.refuse("list-refused-comment", &[]),
            ListError::Edit(EditFault::NotThere { entry }) => {
                let entry = entry.to_string();
                let values = [("entry", entry.as_str()), ("file", name)];
                self.refuse("list-refused-not-there", &values)
            }
            ListError::Edit(EditFault::NotAnEntry { text, reason }) => {
                let reason = lists::reason(*reason, self.language);
                let values = [("text", text.as_str()), ("reason", &reason)];
                self.refuse("list-refused-entry", &values)
            }
            ListError::Edit(EditFault::Damaged(fault)) => {
                let (line, reason) = (
                    fault.line.to_string(),
                    lists::reason(fault.reason, self.language),
                );
                let values = [
                    ("file", name),
                    ("line", &line),
                    ("text", &fault.text),
                    ("reason", &reason),
                ];
                self.refuse("list-refused-damaged", &values)
            }
            ListError::Edit(EditFault::InsideWider { entry, line }) => {
                let (entry, number) = (entry.to_string(), line.number.to_string());
                let values = [
                    ("entry", entry.as_str()),
                    ("file", name),
                    ("line", &number),
                    ("text", &line.text),
                ];
                self.refuse("list-refused-wider", &values)
            }
        }
    }
}
