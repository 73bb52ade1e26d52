//! The path below `/api/v1` → what it names.
//!
//! Segments are cut at the slashes as sent and decoded afterwards, so an
//! encoded slash, quote or bracket in a key stays part of the key and can
//! never become another segment. Known sets and actions come from the
//! metadata tables; everything else keeps the client's spelling.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::fault::{Expected, Fault, Limit};
use super::metadata::{Action, Bound, EntitySet, Form};

const MAX_BYTES: usize = 8 * 1024;
const MAX_SEGMENTS: usize = 8;

/// Everything RFC 3986 lets stand unencoded in a path, and the quotes and
/// brackets around keys.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resource {
    ServiceDocument,
    Metadata,
    Batch,
    At(Address),
}

/// A place in an entity set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) set: &'static EntitySet,
    /// `PrihodNaSklad` in `Docs/PrihodNaSklad`, as the client wrote it.
    pub(crate) part: Option<String>,
    pub(crate) key: Option<String>,
    /// Navigation from there: `declaredItems`, `tables('T')`, `rows`, or the
    /// transliterated name of an extra table.
    pub(crate) steps: Vec<Step>,
    pub(crate) ending: Ending,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// As the client wrote it.
    pub(crate) name: String,
    pub(crate) key: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The entity or collection itself.
    Itself,
    /// `…/$count`: a bare number.
    Count,
    Action(&'static Action),
}

impl Resource {
    /// Reads the raw (percent-encoded) path after `/api/v1`, without the query.
    ///
    /// # Errors
    /// [`Fault::NoSuchResource`] where a set, action or system resource does not
    /// exist, another [`Fault`] where the text is no path at all.
    pub(crate) fn parse(raw: &str) -> Result<Self, Fault> {
        let segments = segments(raw)?;
        let mut rest = segments.into_iter();
        let Some(first) = rest.next() else {
            return Ok(Self::ServiceDocument);
        };
        if let Some(system) = first.name.strip_prefix('$') {
            let resource = match system.to_ascii_lowercase().as_str() {
                "metadata" => Self::Metadata,
                "batch" => Self::Batch,
                _ => return Err(first.unknown()),
            };
            return match (first.key.is_none(), rest.next()) {
                (true, None) => Ok(resource),
                (_, Some(next)) => Err(next.unknown()),
                (false, None) => Err(first.unknown()),
            };
        }
        let set = EntitySet::named(&first.name).ok_or_else(|| first.unknown())?;
        if set.form == Form::Singleton && first.key.is_some() {
            return Err(first.unknown());
        }
        let mut address = Address {
            set,
            part: None,
            key: first.key,
            steps: Vec::new(),
            ending: Ending::Itself,
        };
        for segment in rest {
            address.follow(segment)?;
        }
        Ok(Self::At(address))
    }
}

impl Address {
    fn follow(&mut self, segment: Step) -> Result<(), Fault> {
        if self.ending != Ending::Itself {
            return Err(segment.unknown());
        }
        if let Some(system) = segment.name.strip_prefix('$') {
            if system.eq_ignore_ascii_case("count") && segment.key.is_none() {
                self.ending = Ending::Count;
                return Ok(());
            }
            return Err(segment.unknown());
        }
        // The set of all tables is no set of rows: `Tables/BeginUpdate` is a table's name.
        let whole = self.set.has_parts && self.part.is_none() && self.key.is_none();
        if self.steps.is_empty() && segment.key.is_none() && !whole {
            let bound = if self.key.is_some() {
                Bound::Entity
            } else {
                Bound::Collection
            };
            if let Some(action) = self.set.action(bound, &segment.name) {
                self.ending = Ending::Action(action);
                return Ok(());
            }
        }
        if whole && self.steps.is_empty() {
            self.part = Some(segment.name);
            self.key = segment.key;
            return Ok(());
        }
        self.steps.push(segment);
        Ok(())
    }

    /// The fragment of `@odata.context`: the path in canonical spelling.
    pub(crate) fn fragment(&self) -> String {
        let mut fragment = self.set.name.to_owned();
        if let Some(part) = &self.part {
            fragment.push('/');
            fragment.push_str(part);
        }
        if !self.steps.is_empty() {
            if let Some(key) = &self.key {
                fragment.push_str(&key_literal(key));
            }
            for (index, step) in self.steps.iter().enumerate() {
                fragment.push('/');
                fragment.push_str(&step.name);
                if let Some(key) = &step.key
                    && index + 1 < self.steps.len()
                {
                    fragment.push_str(&key_literal(key));
                }
            }
        }
        utf8_percent_encode(&fragment, FRAGMENT).to_string()
    }
}

/// As [`ENCODED`], and the slashes between segments stay.
const FRAGMENT: &AsciiSet = &ENCODED.remove(b'/');

impl Step {
    fn unknown(&self) -> Fault {
        Fault::NoSuchResource {
            name: self.name.clone(),
        }
    }
}

/// `'it''s'` with brackets around: how a key is written after a set's name.
pub(crate) fn key_literal(key: &str) -> String {
    format!("('{}')", key.replace('\'', "''"))
}

/// A set and a key as a path segment, percent-encoded: `Docs('…')`, for `Location`.
pub(crate) fn segment(name: &str, key: &str) -> String {
    utf8_percent_encode(&format!("{name}{}", key_literal(key)), ENCODED).to_string()
}

fn segments(raw: &str) -> Result<Vec<Step>, Fault> {
    if raw.len() > MAX_BYTES {
        return Err(too_much(Limit::Bytes(MAX_BYTES)));
    }
    let raw = raw.strip_prefix('/').unwrap_or(raw);
    let raw = raw.strip_suffix('/').unwrap_or(raw);
    if raw.is_empty() {
        return Ok(Vec::new());
    }
    let mut segments = Vec::new();
    for encoded in raw.split('/') {
        if segments.len() == MAX_SEGMENTS {
            return Err(too_much(Limit::Segments(MAX_SEGMENTS)));
        }
        segments.push(step(&decoded(encoded)?)?);
    }
    Ok(segments)
}

fn too_much(limit: Limit) -> Fault {
    Fault::TooMuch {
        option: "path".to_owned(),
        limit,
    }
}

/// Strict: a `%` without two hex digits, bytes that are not UTF-8 and control
/// characters are refused.
fn decoded(encoded: &str) -> Result<String, Fault> {
    if !super::query::is_well_encoded(encoded) {
        return Err(Fault::Encoding);
    }
    let text = percent_decode_str(encoded)
        .decode_utf8()
        .map_err(|_not_utf8| Fault::Encoding)?;
    if text.chars().any(char::is_control) {
        return Err(Fault::Encoding);
    }
    Ok(text.into_owned())
}

/// `Name`, `Name('key')`, `Name(key)` or `Name(id='key')`.
fn step(text: &str) -> Result<Step, Fault> {
    let Some((name, bracket)) = text.split_once('(') else {
        return match text {
            "" => Err(syntax(text, 0, Expected::Name)),
            name => Ok(Step {
                name: name.to_owned(),
                key: None,
            }),
        };
    };
    if name.is_empty() {
        return Err(syntax(text, 0, Expected::Name));
    }
    let at = name.len() + 1;
    let Some(inside) = bracket.strip_suffix(')') else {
        return Err(syntax(text, text.len(), Expected::ClosingBracket));
    };
    let key = match key(inside) {
        Ok(key) => key,
        Err((offset, expected)) => return Err(syntax(text, at + offset, expected)),
    };
    Ok(Step {
        name: name.to_owned(),
        key: Some(key),
    })
}

/// The key between the brackets, or where it goes wrong.
fn key(inside: &str) -> Result<String, (usize, Expected)> {
    let inside = inside.trim();
    if let Some(quoted) = inside.strip_prefix('\'') {
        return unquoted(quoted).map_err(|(offset, expected)| (offset + 1, expected));
    }
    // `id='key'`: the key property by name.
    if let Some((name, quoted)) = inside.split_once("='")
        && !name.is_empty()
        && name
            .chars()
            .all(|letter| letter.is_alphanumeric() || letter == '_')
    {
        let at = name.len() + 2;
        return unquoted(quoted).map_err(|(offset, expected)| (offset + at, expected));
    }
    // Some clients forget the quotes.
    if inside.is_empty() {
        return Err((0, Expected::Key));
    }
    match inside.find(['\'', '(', ')', '"', ',']) {
        Some(offset) => Err((offset, Expected::Key)),
        None => Ok(inside.to_owned()),
    }
}

/// The text up to the closing quote, which must be the end; `''` is one quote.
fn unquoted(quoted: &str) -> Result<String, (usize, Expected)> {
    let mut key = String::with_capacity(quoted.len());
    let mut letters = quoted.char_indices().peekable();
    while let Some((offset, letter)) = letters.next() {
        if letter != '\'' {
            key.push(letter);
            continue;
        }
        match letters.peek() {
            Some((_, '\'')) => {
                key.push('\'');
                letters.next();
            }
            Some(_) => return Err((offset + 1, Expected::ClosingBracket)),
            None => return Ok(key),
        }
    }
    Err((quoted.len(), Expected::ClosingQuote))
}

fn syntax(text: &str, at: usize, expected: Expected) -> Fault {
    super::fault::syntax("path", text, at, expected)
}

#[cfg(test)]
mod tests;
