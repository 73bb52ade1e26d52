//! Why something did not work, as the system or a reader of data has it, in the reader's language.
//!
//! What they say themselves is English and exact: so it stands in the log. People read what it
//! means; only what has no words here is shown to them as it was said.

use std::{error::Error, fmt, io};

use backend_types::Language;
use nix::libc;

use crate::{OWN, text};

/// The standard library says no more of a name that is not found.
const LOOKUP: &str = "failed to lookup address information";

/// A cause that is kept until it is known who reads it. Shown, it is what the log has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    means: Meaning,
    exact: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Meaning {
    /// The key of its words.
    Known(&'static str),
    /// The system's number for what has no words here.
    System(i32),
    /// What was read is no JSON.
    NotJson(Place),
    /// It is JSON, and not what was expected.
    OtherJson(Place),
    Unknown,
}

/// In what was read. There is none where it was taken from a value.
type Place = Option<(usize, usize)>;

impl Cause {
    /// The first cause of `fault`, from outside in, that has a meaning here.
    #[must_use]
    pub fn of(fault: &(dyn Error + 'static)) -> Self {
        let mut means = Meaning::Unknown;
        let mut exact = fault.to_string();
        let mut inner = Some(fault);
        while let Some(one) = inner {
            let said = one.to_string();
            if !exact.contains(&said) {
                exact = format!("{exact}: {said}");
            }
            if means == Meaning::Unknown {
                means = meaning(one);
            }
            inner = within(one);
        }
        Self { means, exact }
    }

    #[must_use]
    pub fn words(&self, language: Language) -> String {
        let say = |key: &str, values: &[(&'static str, &str)]| text(&OWN, language, key, values);
        let said = brief(&self.exact);
        match &self.means {
            Meaning::Known(key) => say(key, &[]),
            Meaning::System(number) => {
                let values = [("number", &*number.to_string()), ("said", said)];
                say("cause-of-system", &values)
            }
            Meaning::NotJson(Some((line, column))) => {
                let values = [
                    ("line", &*line.to_string()),
                    ("column", &column.to_string()),
                ];
                say("cause-not-json", &values)
            }
            Meaning::OtherJson(Some((line, column))) => {
                let (line, column) = (line.to_string(), column.to_string());
                let values = [("line", &*line), ("column", &column), ("said", said)];
                say("cause-other-json", &values)
            }
            Meaning::NotJson(None) | Meaning::OtherJson(None) | Meaning::Unknown => {
                say("cause-unknown", &[("said", said)])
            }
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.exact)
    }
}

impl From<io::Error> for Cause {
    fn from(fault: io::Error) -> Self {
        Self::of(&fault)
    }
}

/// Without what stands in our words already: the system's number, the place in a text. Of OpenSSL's
/// `error:NUMBER:library:function:reason:file:line:more`, the reason.
fn brief(exact: &str) -> &str {
    let said = exact.split(" (os error ").next().unwrap_or_default();
    let said = said.split(" at line ").next().unwrap_or_default();
    let reason = said
        .strip_prefix("error:")
        .and_then(|said| said.split(':').nth(3));
    reason.unwrap_or(said)
}

/// An [`io::Error`] made of another error does not name it as its source.
fn within<'a>(fault: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match fault
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
    {
        Some(inner) => Some(inner),
        None => fault.source(),
    }
}

fn meaning(fault: &(dyn Error + 'static)) -> Meaning {
    if let Some(fault) = fault.downcast_ref::<io::Error>() {
        return of_system(fault);
    }
    let Some(fault) = fault.downcast_ref::<serde_json::Error>() else {
        return Meaning::Unknown;
    };
    let place = (fault.line() > 0).then(|| (fault.line(), fault.column()));
    match fault.classify() {
        serde_json::error::Category::Data => Meaning::OtherJson(place),
        serde_json::error::Category::Syntax | serde_json::error::Category::Eof => {
            Meaning::NotJson(place)
        }
        // Its source says what.
        serde_json::error::Category::Io => Meaning::Unknown,
    }
}

fn of_system(fault: &io::Error) -> Meaning {
    use io::ErrorKind as Kind;

    let key = match (fault.raw_os_error(), fault.kind()) {
        (Some(libc::EMFILE | libc::ENFILE), _) => "cause-too-many-open-files",
        (Some(libc::EIO), _) => "cause-device",
        (Some(libc::ELOOP), _) => "cause-link-loop",
        (Some(libc::EAFNOSUPPORT), _) => "cause-no-such-family",
        (_, Kind::NotFound) => "cause-not-found",
        (_, Kind::PermissionDenied) => "cause-permission-denied",
        (_, Kind::AlreadyExists) => "cause-already-exists",
        (_, Kind::IsADirectory) => "cause-is-a-folder",
        (_, Kind::NotADirectory) => "cause-not-a-folder",
        (_, Kind::StorageFull) => "cause-storage-full",
        (_, Kind::QuotaExceeded) => "cause-quota-exceeded",
        (_, Kind::ReadOnlyFilesystem) => "cause-read-only",
        (_, Kind::FileTooLarge) => "cause-file-too-large",
        (_, Kind::InvalidFilename) => "cause-name-too-long",
        (_, Kind::ResourceBusy | Kind::ExecutableFileBusy) => "cause-busy",
        (_, Kind::StaleNetworkFileHandle) => "cause-share-gone",
        (_, Kind::OutOfMemory) => "cause-out-of-memory",
        (_, Kind::ConnectionRefused) => "cause-connection-refused",
        (_, Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe) => {
            "cause-connection-reset"
        }
        // What a limit on reading or writing gives.
        (_, Kind::TimedOut | Kind::WouldBlock) => "cause-timed-out",
        (_, Kind::HostUnreachable) => "cause-host-unreachable",
        (_, Kind::NetworkUnreachable | Kind::NetworkDown) => "cause-network-unreachable",
        (_, Kind::AddrInUse) => "cause-address-in-use",
        (_, Kind::AddrNotAvailable) => "cause-address-not-here",
        (_, Kind::UnexpectedEof) => "cause-ended-early",
        // Of a text that is read whole.
        (None, Kind::InvalidData) if fault.get_ref().is_none() => "cause-not-utf-8",
        (None, _) if fault.to_string().starts_with(LOOKUP) => "cause-name-not-found",
        (Some(number), _) => return Meaning::System(number),
        (None, _) => return Meaning::Unknown,
    };
    Meaning::Known(key)
}

#[cfg(test)]
mod tests;
