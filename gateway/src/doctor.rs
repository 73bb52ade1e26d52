//! What is wrong with the whole installation, from the outside in, and how to mend it.
//!
//! [`facts`] are gathered (ports dialled, files looked at, names resolved), [`judge`] makes findings
//! of them and knows nothing but them. The grade follows from the findings alone:
//!
//! | grade | what was found |
//! |---|---|
//! | A | nothing to mend |
//! | B | remarks only |
//! | C | one fault |
//! | D | two or three faults |
//! | F | more, or one that opens a door |

pub(crate) mod facts;
mod judge;

use serde::Serialize;

pub(crate) use self::judge::judge;
use crate::messages::{self, Language};

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Good,
    /// Works, and should be better.
    Remark,
    /// Does not work, or will not for long, or is unsafe.
    Fault,
    /// Whoever comes is let in, or reads what he must not.
    OpenDoor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Grade {
    A,
    B,
    C,
    D,
    F,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Of its message, `doctor-` before it; a fix has `doctor-fix-` before it.
    pub(crate) key: &'static str,
    pub(crate) state: State,
    values: Vec<(&'static str, String)>,
    /// What others have said already, in the asker's language, in place of a message.
    said: Option<String>,
}

/// A finding in words.
#[derive(Debug, Serialize)]
pub(crate) struct Check {
    pub(crate) check: &'static str,
    pub(crate) state: State,
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fix: Option<String>,
}

impl Finding {
    fn new(key: &'static str, state: State, values: &[(&'static str, &str)]) -> Self {
        let values = values
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        Self {
            key,
            state,
            values: values.collect(),
            said: None,
        }
    }

    fn said(key: &'static str, state: State, words: &str) -> Self {
        Self {
            said: Some(words.to_owned()),
            ..Self::new(key, state, &[])
        }
    }

    pub(crate) fn in_words(&self, language: Language) -> Check {
        let values: Vec<(&'static str, &str)> = self
            .values
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let message = || messages::text(language, &format!("doctor-{}", self.key), &values);
        let fix = || messages::text(language, &format!("doctor-fix-{}", self.key), &values);
        Check {
            check: self.key,
            state: self.state,
            message: self.said.clone().unwrap_or_else(message),
            fix: (self.state != State::Good).then(fix),
        }
    }
}

impl Grade {
    pub(crate) fn of(findings: &[Finding]) -> Self {
        let count = |state| findings.iter().filter(|one| one.state == state).count();
        match (
            count(State::OpenDoor),
            count(State::Fault),
            count(State::Remark),
        ) {
            (1.., ..) | (_, 4.., _) => Self::F,
            (_, 2..=3, _) => Self::D,
            (_, 1, _) => Self::C,
            (_, _, 1..) => Self::B,
            _ => Self::A,
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::D => "D",
            Self::F => "F",
        }
    }
}

#[cfg(test)]
mod tests;
