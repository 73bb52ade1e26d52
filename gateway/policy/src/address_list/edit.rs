//! A list file with entries put in or taken out: bytes in, bytes out, every other line as it was.
//!
//! Comments, blank lines, encoding and line ends are an administrator's own and stay. What cannot
//! be done as asked is refused whole: a damaged file is never written over, and an address inside
//! a wider line cannot be taken out of it.

use super::{
    Entry, FaultReason, ListFault, ListLine,
    lines::{Encoding, Line, Lines},
    shown,
};

/// Entries of one change; looking each up in a long file must stay quick.
pub const MAX_ENTRIES: usize = 1_000;
/// Characters of a comment or of an entry.
const MAX_TEXT: usize = 200;

/// What to do to a file. Taking out comes first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Change<'a> {
    pub add: &'a [String],
    pub remove: &'a [String],
    /// Stands behind each entry that is added.
    pub comment: Option<&'a str>,
}

/// A file after a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    pub bytes: Vec<u8>,
    pub done: Vec<Done>,
}

impl Edited {
    /// Whether the file must be written at all.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.done
            .iter()
            .any(|done| !matches!(done, Done::AlreadyThere(_)))
    }
}

/// What became of one entry. Lines are numbered as after the change, removed ones as before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    Added {
        entry: Entry,
        /// A wider line that held these addresses already.
        within: Option<ListLine>,
    },
    AlreadyThere(ListLine),
    Removed {
        line: ListLine,
        /// Further lines that said the same.
        more: usize,
        /// A wider line that still holds these addresses.
        within: Option<ListLine>,
    },
}

/// Why nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditFault {
    #[error("line {0}: mend it first")]
    Damaged(ListFault),
    #[error("\"{text}\" {reason}")]
    NotAnEntry { text: String, reason: FaultReason },
    #[error("a comment is one line of at most {MAX_TEXT} characters")]
    Comment,
    #[error("{entry} stands in no line")]
    NotThere { entry: Entry },
    #[error("{entry} is inside line {}: {}", line.number, line.text)]
    InsideWider { entry: Entry, line: ListLine },
    #[error("more than {MAX_ENTRIES} entries at once")]
    TooMany,
}

/// A wish, and what the file says about it.
struct Wanted<'a> {
    text: &'a str,
    entry: Entry,
    /// The first line with exactly this entry, and how many there are.
    same: Option<ListLine>,
    times: usize,
    /// The first line that holds it and more.
    wider: Option<ListLine>,
}

impl<'a> Wanted<'a> {
    /// Each entry once.
    fn all(texts: &'a [String]) -> Result<Vec<Self>, EditFault> {
        let mut all: Vec<Self> = Vec::new();
        for text in texts {
            let wanted = Self::of(text.trim_ascii())?;
            if !all.iter().any(|other| other.entry == wanted.entry) {
                all.push(wanted);
            }
        }
        Ok(all)
    }

    fn of(text: &'a str) -> Result<Self, EditFault> {
        let fault = |reason| EditFault::NotAnEntry {
            text: shown(text.as_bytes(), MAX_TEXT),
            reason,
        };
        // A line feed beside the hyphen would make two lines of one entry.
        if text.len() > MAX_TEXT || text.chars().any(char::is_control) {
            return Err(fault(FaultReason::NotAnAddress));
        }
        Ok(Self {
            text,
            entry: text.parse().map_err(fault)?,
            same: None,
            times: 0,
            wider: None,
        })
    }

    /// Whether the line says exactly this.
    fn is(&mut self, line: &Line<'_>, entry: Entry) -> bool {
        let same = entry == self.entry;
        if same {
            self.times += 1;
            self.same.get_or_insert_with(|| line.holding(entry));
        }
        same
    }

    /// Of a line that stays.
    fn may_be_within(&mut self, line: &Line<'_>, entry: Entry) {
        if entry != self.entry && self.entry.is_inside(entry) {
            self.wider.get_or_insert_with(|| line.holding(entry));
        }
    }
}

/// `file` after `change`.
///
/// # Errors
/// The first thing that cannot be done; nothing is to be written then.
pub fn edit(file: &[u8], change: Change<'_>) -> Result<Edited, EditFault> {
    if change.add.len() + change.remove.len() > MAX_ENTRIES {
        return Err(EditFault::TooMany);
    }
    let comment = change.comment.map(comment).transpose()?.unwrap_or_default();
    let mut remove = Wanted::all(change.remove)?;
    let mut add = Wanted::all(change.add)?;
    let (encoding, mark) = Encoding::of(file);
    let mut bytes = file.get(..mark).unwrap_or_default().to_vec();
    let mut removed = Vec::new();
    let mut line_end = None;
    let mut open_end = false;
    for line in Lines::of(file) {
        let end = line.end();
        line_end = line_end.or(end);
        if let Some(entry) = line.entry().map_err(EditFault::Damaged)? {
            if remove.iter_mut().any(|wanted| wanted.is(&line, entry)) {
                removed.push(line.number);
                continue;
            }
            for wanted in remove.iter_mut().chain(&mut add) {
                wanted.may_be_within(&line, entry);
            }
            for wanted in &mut add {
                wanted.is(&line, entry);
            }
        }
        open_end = end.is_none();
        bytes.extend_from_slice(line.raw);
    }

    let after = |mut line: ListLine| {
        line.number -= removed.partition_point(|&number| number < line.number);
        line
    };
    let mut done = Vec::new();
    for Wanted {
        entry,
        same,
        times,
        wider,
        ..
    } in remove
    {
        done.push(match (same, wider) {
            (Some(line), wider) => Done::Removed {
                line,
                more: times - 1,
                within: wider.map(after),
            },
            (None, Some(line)) => return Err(EditFault::InsideWider { entry, line }),
            (None, None) => return Err(EditFault::NotThere { entry }),
        });
    }
    // Notepad writes a mark, and ends lines as Windows does.
    let line_end = line_end.unwrap_or(if mark > 0 { "\r\n" } else { "\n" });
    let mut text = String::new();
    for Wanted {
        text: typed,
        entry,
        same,
        wider,
        ..
    } in add
    {
        if let Some(line) = same {
            done.push(Done::AlreadyThere(after(line)));
            continue;
        }
        if open_end && text.is_empty() {
            text.push_str(line_end);
        }
        text.extend([typed, &comment, line_end]);
        let within = wider.map(after);
        done.push(Done::Added { entry, within });
    }
    bytes.extend(encoding.encode(&text));
    Ok(Edited { bytes, done })
}

/// As it stands behind an entry.
fn comment(text: &str) -> Result<String, EditFault> {
    let text = text.trim().trim_start_matches('#').trim_start();
    if text.chars().any(char::is_control) || text.chars().count() > MAX_TEXT {
        return Err(EditFault::Comment);
    }
    Ok(if text.is_empty() {
        String::new()
    } else {
        format!(" # {text}")
    })
}

#[cfg(test)]
mod tests;
