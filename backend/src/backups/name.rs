//! Names of copies: `doc_<id>_<dd.mm.yyyy>_<hh.mm.ss>_<suffix>.xml`, as the vendor names them.
//!
//! An id may hold anything, a name may not: what Windows or a path would take for something else is
//! percent-encoded, and a long id is cut and ends in `~` and a part of its hash. Such an id stands
//! in the file alone.

use std::fmt::Write;

use jiff::civil::{Date, DateTime, Time};
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};

use super::{Copy, Reason, local};

/// With the rest of the name well under the 255 bytes that file systems take.
const ID_BYTES: usize = 120;
const USER_BYTES: usize = 60;
/// `_dd.mm.yyyy_hh.mm.ss_`.
const STAMP_BYTES: usize = 21;

/// What a name says of its copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CopyName {
    /// The document's id, unless it was cut.
    pub(crate) id: Option<String>,
    /// The server's local time.
    pub(crate) taken: DateTime,
    pub(crate) reason: Reason,
    /// Of a finished one: the user's id, unless it was cut.
    pub(crate) user: Option<String>,
}

impl CopyName {
    /// What `file` says, if it is the name of a copy.
    pub(crate) fn parse(file: &str) -> Option<Self> {
        let inner = file.strip_prefix("doc_")?.strip_suffix(".xml")?;
        let (safe_id, stamp, suffix) = split_at_stamp(inner)?;
        let suffix = match suffix.split_once(" (") {
            Some((suffix, number)) => {
                let number = number.strip_suffix(')')?;
                number.parse::<u32>().ok()?;
                suffix
            }
            None => suffix,
        };
        let finished = suffix.strip_prefix("finished_by_user_");
        let (reason, user) = match finished {
            Some(user) => (Reason::FinishedByUser, decoded(user)),
            None => (Reason::named(suffix)?, None),
        };
        Some(Self {
            id: decoded(safe_id),
            taken: stamp,
            reason,
            user,
        })
    }
}

/// The name of a copy; from the second of the same second on with a number.
pub(crate) fn of(copy: &Copy, number: u32) -> String {
    let taken = local(copy.taken);
    let mut name = format!(
        "doc_{}_{:02}.{:02}.{:04}_{:02}.{:02}.{:02}_{}",
        safe(&copy.id, ID_BYTES),
        taken.day(),
        taken.month(),
        taken.year(),
        taken.hour(),
        taken.minute(),
        taken.second(),
        copy.reason.as_str()
    );
    if copy.reason == Reason::FinishedByUser {
        name.push('_');
        name.push_str(&safe(&copy.user, USER_BYTES));
    }
    if number > 1 {
        name.push_str(&format!(" ({number})"));
    }
    name.push_str(".xml");
    name
}

/// `text` without what would end, move or hide a file, and without what looks like our own marks.
fn safe(text: &str, longest: usize) -> String {
    let looks_stamped = split_at_stamp(&format!("{text}_")).is_some();
    let mut safe = String::with_capacity(text.len());
    for (place, letter) in text.char_indices() {
        let is_edge = place == 0 || place + letter.len_utf8() == text.len();
        let bad = letter.is_control()
            || "<>:\"/\\|?*%~()".contains(letter)
            || (is_edge && (letter == '.' || letter == ' '))
            || (looks_stamped && letter == '_');
        if bad {
            let mut bytes = [0; 4];
            for byte in letter.encode_utf8(&mut bytes).bytes() {
                // Writing to a text cannot fail.
                let _infallible = write!(safe, "%{byte:02X}");
            }
        } else {
            safe.push(letter);
        }
    }
    if safe.len() <= longest {
        return safe;
    }
    let digest = hex::encode(Sha256::digest(text.as_bytes()));
    let mark: String = digest.chars().take(12).collect();
    let room = longest.saturating_sub(mark.len() + 1);
    let mut cut = String::with_capacity(longest);
    for letter in safe.chars() {
        if cut.len() + letter.len_utf8() > room {
            break;
        }
        cut.push(letter);
    }
    format!("{cut}~{mark}")
}

/// The id or user that stands in a name as `safe`; `None` where it was cut.
fn decoded(safe: &str) -> Option<String> {
    if safe.contains('~') {
        return None;
    }
    let text = percent_decode_str(safe).decode_utf8().ok()?;
    Some(text.into_owned())
}

/// What stands before and after the last stamp, and the stamp.
fn split_at_stamp(text: &str) -> Option<(&str, DateTime, &str)> {
    let starts = text.rmatch_indices('_').map(|(place, _)| place);
    starts.into_iter().find_map(|place| {
        let (before, rest) = text.split_at_checked(place)?;
        let (stamp, after) = rest.split_at_checked(STAMP_BYTES)?;
        Some((before, moment(stamp)?, after))
    })
}

/// `_dd.mm.yyyy_hh.mm.ss_` as a moment.
fn moment(stamp: &str) -> Option<DateTime> {
    let inner = stamp.strip_prefix('_')?.strip_suffix('_')?;
    let (day, time) = inner.split_once('_')?;
    let numbers = |text: &str, lengths: [usize; 3]| {
        let mut parts = text.split('.');
        let mut number = |length: usize| {
            let part = parts.next().filter(|part| part.len() == length)?;
            let digits = part.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| part.parse::<i16>().ok())?
        };
        let [first, second, third] = lengths.map(&mut number);
        let all = (first?, second?, third?);
        parts.next().is_none().then_some(all)
    };
    let (day, month, year) = numbers(day, [2, 2, 4])?;
    let (hour, minute, second) = numbers(time, [2, 2, 2])?;
    let part = |number: i16| i8::try_from(number).ok();
    let day = Date::new(year, part(month)?, part(day)?).ok()?;
    let time = Time::new(part(hour)?, part(minute)?, part(second)?, 0).ok()?;
    Some(day.to_datetime(time))
}
