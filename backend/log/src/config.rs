//! The key `log` of both programs' files. The comments of the fields are the administrator's:
//! they stand in the JSON schemas and in `REFERENCE.md`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `file`: in `log/` of the data folder.
    pub to: LogTo,
    /// The least important events that are still written.
    pub level: Level,
    /// MiB after which another file begins; one also begins with each day (UTC).
    #[schemars(range(min = 1, max = 4096))]
    pub file_mib: u32,
    /// Days after which a file is removed.
    #[schemars(range(min = 1, max = 3650))]
    pub keep_days: u16,
    /// MiB of all files together, the oldest go first; at least twice `file_mib`.
    #[schemars(range(min = 2, max = 1_048_576))]
    pub total_mib: u32,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            to: LogTo::File,
            level: Level::Info,
            file_mib: 64,
            keep_days: 30,
            total_mib: 2048,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum LogTo {
    #[default]
    File,
    Stderr,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Level {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

impl Level {
    /// As written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}
