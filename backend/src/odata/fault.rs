//! Why a path, a query option or a body was not understood.
//!
//! The text is for logs and English readers; [`Fault::key`] and
//! [`Fault::arguments`] let the API say the same in the client's language.

use std::fmt;

/// What was wrong with a request, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("{option}: {expected} was expected at position {position}, found \"{found}\"")]
    Syntax {
        /// The option as the client spelled it, or "path".
        option: String,
        /// In characters of the decoded option, or of the path segment, from 1.
        position: usize,
        expected: Expected,
        /// The next few characters; empty at the end of the text.
        found: String,
    },
    #[error("{option} is not a query option of this service")]
    UnknownOption { option: String },
    #[error("{option} is given more than once")]
    RepeatedOption { option: String },
    #[error("{option}: {limit} is the most that is taken")]
    TooMuch { option: String, limit: Limit },
    #[error("the percent-encoding of the request is broken or not UTF-8")]
    Encoding,
    #[error("there is no resource \"{name}\"")]
    NoSuchResource { name: String },
    #[error("{name}: {expected} was expected")]
    Value { name: String, expected: Expected },
    #[error("{entity} has no property \"{name}\"")]
    NoSuchProperty { entity: &'static str, name: String },
}

impl Fault {
    /// The request names something that does not exist, rather than being malformed.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::NoSuchResource { .. })
    }

    /// Key of the message in the language files.
    pub(crate) fn key(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "odata-syntax",
            Self::UnknownOption { .. } => "odata-unknown-option",
            Self::RepeatedOption { .. } => "odata-repeated-option",
            Self::TooMuch { .. } => "odata-too-much",
            Self::Encoding => "odata-encoding",
            Self::NoSuchResource { .. } => "odata-no-such-resource",
            Self::Value { .. } => "odata-value",
            Self::NoSuchProperty { .. } => "odata-no-such-property",
        }
    }

    /// Variables of the message; `expected` and `limit` are keys of messages
    /// themselves (for `limit` with the number under `number`).
    pub(crate) fn arguments(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Syntax {
                option,
                position,
                expected,
                found,
            } => vec![
                ("option", option.clone()),
                ("position", position.to_string()),
                ("expected", expected.key().to_owned()),
                ("found", found.clone()),
            ],
            Self::UnknownOption { option } | Self::RepeatedOption { option } => {
                vec![("option", option.clone())]
            }
            Self::TooMuch { option, limit } => vec![
                ("option", option.clone()),
                ("limit", limit.key().to_owned()),
                ("number", limit.number().to_string()),
            ],
            Self::Encoding => Vec::new(),
            Self::NoSuchResource { name } => vec![("name", name.clone())],
            Self::Value { name, expected } => {
                vec![
                    ("name", name.clone()),
                    ("expected", expected.key().to_owned()),
                ]
            }
            Self::NoSuchProperty { entity, name } => {
                vec![("entity", (*entity).to_owned()), ("name", name.clone())]
            }
        }
    }
}

/// What would have been right in the place of what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    Condition,
    Value,
    Operator,
    Name,
    KnownFunction,
    Arguments,
    Comma,
    OpeningBracket,
    ClosingBracket,
    ClosingQuote,
    WholeNumber,
    Number,
    TrueOrFalse,
    AscOrDesc,
    DateTime,
    Text,
    List,
    Object,
    Json,
    NestedOption,
    Key,
    End,
    /// The name of an enum of the metadata.
    MemberOf(&'static str),
}

impl Expected {
    /// Key of the words in the language files.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Condition => "odata-expected-condition",
            Self::Value => "odata-expected-value",
            Self::Operator => "odata-expected-operator",
            Self::Name => "odata-expected-name",
            Self::KnownFunction => "odata-expected-function",
            Self::Arguments => "odata-expected-arguments",
            Self::Comma => "odata-expected-comma",
            Self::OpeningBracket => "odata-expected-opening-bracket",
            Self::ClosingBracket => "odata-expected-closing-bracket",
            Self::ClosingQuote => "odata-expected-closing-quote",
            Self::WholeNumber => "odata-expected-whole-number",
            Self::Number => "odata-expected-number",
            Self::TrueOrFalse => "odata-expected-true-or-false",
            Self::AscOrDesc => "odata-expected-asc-or-desc",
            Self::DateTime => "odata-expected-date-time",
            Self::Text => "odata-expected-text",
            Self::List => "odata-expected-list",
            Self::Object => "odata-expected-object",
            Self::Json => "odata-expected-json",
            Self::NestedOption => "odata-expected-nested-option",
            Self::Key => "odata-expected-key",
            Self::End => "odata-expected-end",
            Self::MemberOf(_) => "odata-expected-one-of",
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Self::Condition => "a condition",
            Self::Value => "a value",
            Self::Operator => "eq, ne, gt, ge, lt, le or in",
            Self::Name => "a name",
            Self::KnownFunction => "a function of this service",
            Self::Arguments => "another number of arguments",
            Self::Comma => "a comma",
            Self::OpeningBracket => "\"(\"",
            Self::ClosingBracket => "\")\"",
            Self::ClosingQuote => "a closing quote",
            Self::WholeNumber => "a whole number, 0 or more",
            Self::Number => "a number",
            Self::TrueOrFalse => "true or false",
            Self::AscOrDesc => "asc or desc",
            Self::DateTime => "a date and time with a zone",
            Self::Text => "a text",
            Self::List => "a list",
            Self::Object => "an object",
            Self::Json => "json",
            Self::NestedOption => "an option such as $select=…",
            Self::Key => "a key such as ('id')",
            Self::End => "the end",
            Self::MemberOf(name) => return write!(f, "a member of {name}"),
        };
        f.write_str(words)
    }
}

/// A bound on what one request may ask the parser to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    Bytes(usize),
    Nesting(usize),
    Segments(usize),
    Items(usize),
}

impl Limit {
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Bytes(_) => "odata-limit-bytes",
            Self::Nesting(_) => "odata-limit-nesting",
            Self::Segments(_) => "odata-limit-segments",
            Self::Items(_) => "odata-limit-items",
        }
    }

    pub(crate) fn number(self) -> usize {
        match self {
            Self::Bytes(n) | Self::Nesting(n) | Self::Segments(n) | Self::Items(n) => n,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(n) => write!(f, "{n} bytes"),
            Self::Nesting(n) => write!(f, "{n} levels of nesting"),
            Self::Segments(n) => write!(f, "{n} path segments"),
            Self::Items(n) => write!(f, "{n} items"),
        }
    }
}

/// A [`Fault::Syntax`] at the byte `at` of `text`.
pub(super) fn syntax(option: &str, text: &str, at: usize, expected: Expected) -> Fault {
    let (before, after) = text.split_at_checked(at).unwrap_or((text, ""));
    Fault::Syntax {
        option: option.to_owned(),
        position: before.chars().count() + 1,
        expected,
        found: after.chars().take(FOUND_CHARS).collect(),
    }
}

/// Enough of the client's text to find the place, too little to flood a log.
const FOUND_CHARS: usize = 16;
