//! YAML text → a tree in which every key and value knows its place.
//!
//! Only what a configuration needs: one document of mappings, lists and scalars. Aliases are
//! refused because they let a small file grow without bound.

use std::{collections::HashMap, ops::Range};

use granit_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput, StructureStyle, options};

use crate::{Cause, finding::Findings};

/// A place in the file, from 1; columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Mark {
    pub(crate) const START: Self = Self::new(1, 1);

    pub(crate) const fn new(line: usize, column: usize) -> Self {
        Self { line, column }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) mark: Mark,
    /// Its bytes in the text. A block collection ends with its last item's last byte.
    pub(crate) range: Range<usize>,
    /// A mapping or list by indentation, not in braces or brackets.
    pub(crate) block: bool,
    pub(crate) value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// `plain`: written without quotes, so YAML may read it as something else than text.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) mark: Mark,
    /// Of the key alone, in bytes.
    pub(crate) range: Range<usize>,
    pub(crate) node: Node,
}

impl Node {
    /// The value of a key; none also where this is no mapping.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        let mut entries = self.entries().iter();
        entries
            .find(|entry| entry.key == key)
            .map(|entry| &entry.node)
    }

    /// The keys of a mapping; none also where this is no mapping.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; none also where this is no list.
    pub(crate) fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }
}

/// The tree of the file; none where its syntax is broken, which is then among the findings.
pub(crate) fn read(text: &str, findings: &mut Findings) -> Option<Node> {
    let options = options! { disallow_directives: true, emit_comments: false };
    let mut reader = Reader {
        events: Parser::new_from_str_with_options(text, options),
        findings,
    };
    reader.document()
}

struct Reader<'text, 'findings> {
    events: Parser<'text, StrInput<'text>>,
    findings: &'findings mut Findings,
}

/// The document is broken; why is among the findings.
struct Broken;

impl<'text> Reader<'text, '_> {
    fn document(&mut self) -> Option<Node> {
        let mut root = None;
        loop {
            let (event, span) = self.next().ok()??;
            match event {
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                Event::StreamEnd => break,
                event if root.is_none() => root = Some(self.node(event, span, "").ok()?),
                _ => {
                    self.findings.add(mark(span), "", Cause::SecondDocument {});
                    return None;
                }
            }
        }
        // An empty file is a mapping without keys: what is required is then named as missing.
        let empty = |node: &Node| matches!(&node.value, Value::Scalar { text, plain: true } if text.is_empty() || text == "~" || text == "null");
        Some(root.filter(|node| !empty(node)).unwrap_or(Node {
            mark: Mark::START,
            range: 0..0,
            block: false,
            value: Value::Map(Vec::new()),
        }))
    }

    fn next(&mut self) -> Result<Option<(Event<'text>, Span)>, Broken> {
        match self.events.next_event() {
            None => Ok(None),
            Some(Ok(event)) => Ok(Some(event)),
            Some(Err(error)) => {
                let place = error.marker();
                let mark = Mark::new(place.line(), place.col() + 1);
                let detail = error.info();
                self.findings.add(mark, "", Cause::Syntax { detail });
                Err(Broken)
            }
        }
    }

    fn following(&mut self) -> Result<(Event<'text>, Span), Broken> {
        self.next()?.ok_or(Broken)
    }

    // The parser limits nesting to 255, and so this recursion.
    fn node(&mut self, event: Event<'text>, span: Span, path: &str) -> Result<Node, Broken> {
        let mark = mark(span);
        if event.tag().is_some() {
            self.findings.add(mark, path, Cause::Tag {});
        }
        if event.anchor_id().is_some() || event.alias_id().is_some() {
            self.findings.add(mark, path, Cause::Anchor {});
        }
        let block = matches!(
            event,
            Event::SequenceStart(StructureStyle::Block, ..)
                | Event::MappingStart(StructureStyle::Block, ..)
        );
        let (value, end) = match event {
            Event::Scalar(text, style, ..) => {
                let value = Value::Scalar {
                    // The parser reads nothing at all as "~".
                    text: match span.is_empty() {
                        true => String::new(),
                        false => text.into_owned(),
                    },
                    plain: style == ScalarStyle::Plain,
                };
                (value, span.end)
            }
            Event::SequenceStart(..) => self.list(path)?,
            Event::MappingStart(..) => self.map(path)?,
            _ => {
                let value = Value::Scalar {
                    text: String::new(),
                    plain: true,
                };
                (value, span.end)
            }
        };
        let last = match &value {
            Value::List(items) => items.last(),
            Value::Map(entries) => entries.last().map(|entry| &entry.node),
            Value::Scalar { .. } => None,
        };
        // The end of a block collection is reported where the next thing begins.
        let end = match last.filter(|_| block) {
            Some(last) => last.range.end,
            None => offset(end),
        };
        Ok(Node {
            mark,
            range: offset(span.start)..end,
            block,
            value,
        })
    }

    fn list(&mut self, path: &str) -> Result<(Value, Marker), Broken> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.following()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok((Value::List(items), span.end));
            }
            let path = format!("{path}[{}]", items.len());
            items.push(self.node(event, span, &path)?);
        }
    }

    fn map(&mut self, path: &str) -> Result<(Value, Marker), Broken> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut lines: HashMap<String, usize> = HashMap::new();
        loop {
            let (event, span) = self.following()?;
            if matches!(event, Event::MappingEnd) {
                return Ok((Value::Map(entries), span.end));
            }
            let key = self.node(event, span, path)?;
            let below = join(path, key.text().unwrap_or_default());
            let (event, span) = self.following()?;
            let node = self.node(event, span, &below)?;
            let Value::Scalar { text, .. } = key.value else {
                self.findings.add(key.mark, path, Cause::KeyNotText {});
                continue;
            };
            if let Some(line) = lines.get(&text) {
                let line = line.to_string();
                let cause = Cause::DuplicateKey { key: text, line };
                self.findings.add(key.mark, &below, cause);
                continue;
            }
            lines.insert(text.clone(), key.mark.line);
            entries.push(Entry {
                key: text,
                mark: key.mark,
                range: key.range,
                node,
            });
        }
    }
}

/// `databases[0]` and `port` → `databases[0].port`.
pub(crate) fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// In bytes; the parser knows them for every text in memory.
fn offset(marker: Marker) -> usize {
    marker.byte_offset().unwrap_or_default()
}

fn mark(span: Span) -> Mark {
    Mark::new(span.start.line(), span.start.col() + 1)
}
