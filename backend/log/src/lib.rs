//! The log of both programs: one JSON object a line, to files or to stderr.
//!
//! Foreign text reaches it only as the value of a field, where JSON escapes it. What JSON leaves
//! alone and line readers do not (U+2028, U+2029, U+0085) is escaped on the way out. No line is
//! dropped to spare time: writers wait when the queue is full. What the files may take of the
//! disk is `files`' business; what no log may keep goes into [`first_passwords`].

mod config;
mod files;
pub mod first_passwords;

use std::{io, path::Path, time::SystemTime};

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

pub use config::{Level, Log, LogTo};
use files::{Limits, LogFiles};

/// Starts the log of a program, in the data folder or on stderr; `quieter` are directives beside
/// the level. Lines still queued are written when the guard is dropped.
///
/// # Errors
/// When the folder cannot be written, a directive cannot be read, or a log was started before.
pub fn start(log: &Log, data: &Path, program: &str, quieter: &str) -> io::Result<WorkerGuard> {
    let mebibytes = |count: u32| u64::from(count) << 20;
    let sink: Box<dyn io::Write + Send> = match log.to {
        LogTo::Stderr => Box::new(io::stderr()),
        LogTo::File => {
            let limits = Limits {
                file: mebibytes(log.file_mib),
                total: mebibytes(log.total_mib),
                keep_days: log.keep_days,
            };
            let folder = data.join("log");
            Box::new(LogFiles::open(&folder, program, limits, SystemTime::now())?)
        }
    };
    // A refusal that is not in the log did not happen for the administrator: never drop lines.
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(false)
        .finish(OneLine(sink));
    let filter = format!("{},{quieter}", log.level.as_str());
    let filter = EnvFilter::try_new(filter).map_err(io::Error::other)?;
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_env_filter(filter)
        .with_writer(writer)
        .try_init()
        .map_err(io::Error::other)?;
    Ok(guard)
}

/// Escapes the line separators that JSON allows inside strings.
struct OneLine<W>(W);

impl<W: io::Write> io::Write for OneLine<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(line) {
            Ok(text) if text.contains(['\u{2028}', '\u{2029}', '\u{85}']) => {
                let text = text
                    .replace('\u{2028}', "\\u2028")
                    .replace('\u{2029}', "\\u2029")
                    .replace('\u{85}', "\\u0085");
                self.0.write_all(text.as_bytes())?;
            }
            _ => self.0.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_separator_inside_a_value_breaks_no_line() {
        let mut out = OneLine(Vec::new());
        let line = serde_json::json!({"user": "a\u{2028}b\u{2029}c\u{85}d"}).to_string();
        out.write_all(line.as_bytes()).unwrap();
        let text = String::from_utf8(out.0).unwrap();
        assert!(text.is_ascii(), "{text}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            serde_json::from_str::<serde_json::Value>(&line).unwrap()
        );
    }
}
