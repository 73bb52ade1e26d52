//! Changes to the text of a file that leave every other byte as it is: comments, order, style.
//!
//! An edit is made where the tree says that a key or value stands, in the style that is there:
//! braces stay braces, indentation stays. Nothing here knows what a key means, or whether the
//! file is still good afterwards: [`crate::change`] reads it again.

use std::ops::Range;

use crate::tree::{Entry, Node};

/// A value to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Yaml {
    /// Quoted where YAML could read it as something else.
    Text(String),
    /// As it is: a number, a switch, a word of the schema.
    Word(String),
    Map(Vec<(&'static str, Self)>),
    List(Vec<Self>),
}

/// What to do in the file by hand; lines are those of the file as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Replace {
        lines: Range<usize>,
        with: Vec<String>,
    },
    Insert {
        after: usize,
        lines: Vec<String>,
    },
    Delete {
        lines: Range<usize>,
    },
}

pub(crate) struct Edits<'text> {
    text: &'text str,
    edits: Vec<(Range<usize>, String)>,
}

impl<'text> Edits<'text> {
    pub(crate) fn new(text: &'text str) -> Self {
        Self {
            text,
            edits: Vec::new(),
        }
    }

    /// Gives the key this value, putting it in where it is absent.
    pub(crate) fn set(&mut self, map: &Node, key: &str, value: &Yaml) {
        let Some(entry) = entry(map, key) else {
            return self.add_key(map, key, value);
        };
        let node = &entry.node;
        // A block scalar reaches into the next line; it is replaced as block collections are, key
        // and all.
        let inline = !node.block && self.solid_end(node) == node.range.end;
        if inline {
            self.put(node.range.clone(), value.flow());
        } else {
            let whole = entry.range.start..self.solid_end(node);
            self.put(whole, format!("{key}: {}", value.flow()));
        }
    }

    /// Takes the key away; that it is absent is fine.
    pub(crate) fn remove(&mut self, map: &Node, key: &str) {
        let entries = map.entries();
        let Some(place) = entries.iter().position(|entry| entry.key == key) else {
            return;
        };
        let ends: Vec<Range<usize>> = entries
            .iter()
            .map(|entry| entry.range.start..self.solid_end(&entry.node))
            .collect();
        self.take_out(map.block, &ends, place);
    }

    /// Puts items at the end of the list under a key.
    pub(crate) fn append(&mut self, map: &Node, key: &str, items: &[Yaml]) {
        let Some(entry) = entry(map, key) else {
            return self.add_key(map, key, &Yaml::List(items.to_vec()));
        };
        let flow = || items.iter().map(Yaml::flow).collect::<Vec<_>>().join(", ");
        let block = |indent| -> Vec<String> {
            let lines = items.iter().map(|item| item.block_item(indent));
            lines.flatten().collect()
        };
        let list = &entry.node;
        match list.items().last() {
            Some(last) if list.block => {
                let dash = self.dash(last);
                let indent = dash - self.line_start(dash);
                let at = self.after_comments(self.solid_end(last), indent);
                self.put_lines(at, indent, &block(indent));
            }
            Some(last) => {
                let end = self.solid_end(last);
                self.put(end..end, format!(", {}", flow()));
            }
            None if map.block && !self.slice(list.range.clone()).contains('\n') => {
                let before = self.slice(0..list.range.start).trim_end_matches(' ').len();
                self.put(before..list.range.end, String::new());
                let indent = map_indent(map) + 2;
                let at = self.line_end(list.range.end);
                self.put_lines(at, indent, &block(indent));
            }
            None => {
                let inside = list.range.end.saturating_sub(1);
                self.put(inside..inside, flow());
            }
        }
    }

    /// Takes an item out of the list under a key.
    pub(crate) fn remove_item(&mut self, map: &Node, key: &str, place: usize) {
        let Some(entry) = entry(map, key) else {
            return;
        };
        let list = &entry.node;
        if list.items().len() == 1 {
            let whole = entry.range.start..self.solid_end(list);
            return self.put(whole, format!("{key}: []"));
        }
        let ends: Vec<Range<usize>> = list
            .items()
            .iter()
            .map(|item| {
                let start = match list.block {
                    true => self.dash(item),
                    false => item.range.start,
                };
                start..self.solid_end(item)
            })
            .collect();
        self.take_out(list.block, &ends, place);
    }

    /// The text with all edits made.
    pub(crate) fn applied(&self) -> String {
        self.applied_to(0..self.text.len())
    }

    /// The edits as whole lines, for people.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let mut touched: Vec<Range<usize>> = Vec::new();
        for (range, _) in self.in_order() {
            let end = self.next_line(self.line_end(range.end));
            let lines = self.line_start(range.start)..end;
            match touched.last_mut() {
                Some(last) if lines.start < last.end => last.end = last.end.max(lines.end),
                _ => touched.push(lines),
            }
        }
        touched
            .into_iter()
            .filter_map(|bytes| self.step(bytes))
            .collect()
    }

    /// What becomes of whole lines, without those that stay at the beginning and at the end.
    fn step(&self, bytes: Range<usize>) -> Option<Step> {
        let first = self.slice(0..bytes.start).matches('\n').count() + 1;
        let now = self.applied_to(bytes.clone());
        let (old, new): (Vec<&str>, Vec<&str>) =
            (self.slice(bytes).lines().collect(), now.lines().collect());
        let same = |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| {
            pairs.take_while(|(one, other)| one == other).count()
        };
        let head = same(&mut old.iter().zip(&new));
        let (old, new) = (old.get(head..)?, new.get(head..)?);
        let tail = same(&mut old.iter().rev().zip(new.iter().rev()));
        let old = old.get(..old.len() - tail)?;
        let new: Vec<String> = new
            .get(..new.len() - tail)?
            .iter()
            .map(|line| (*line).to_owned())
            .collect();
        let start = first + head;
        let lines = start..start + old.len();
        match (old.is_empty(), new.is_empty()) {
            (true, true) => None,
            (true, false) => Some(Step::Insert {
                after: start - 1,
                lines: new,
            }),
            (false, true) => Some(Step::Delete { lines }),
            (false, false) => Some(Step::Replace { lines, with: new }),
        }
    }

    fn add_key(&mut self, map: &Node, key: &str, value: &Yaml) {
        let entries = map.entries();
        let of_lines = matches!(value, Yaml::List(items) if !items.is_empty());
        if map.block {
            let indent = map_indent(map);
            // Short keys stand together, before long lists.
            let short = entries.iter().rfind(|entry| !entry.node.block);
            let Some(anchor) = short.filter(|_| !of_lines).or(entries.last()) else {
                return;
            };
            let at = self.line_end(self.solid_end(&anchor.node));
            self.put_lines(at, indent, &value.block_entry(key, indent));
            return;
        }
        let written = format!("{key}: {}", value.flow());
        match entries.last() {
            Some(last) => {
                let end = self.solid_end(&last.node);
                self.put(end..end, format!(", {written}"));
            }
            None => {
                let inside = map.range.end.saturating_sub(1);
                let first = !self.edits.iter().any(|(range, _)| range.start == inside);
                let comma = if first { "" } else { ", " };
                self.put(inside..inside, format!("{comma}{written}"));
            }
        }
    }

    /// Takes one of several things out, with its lines or with its comma.
    fn take_out(&mut self, block: bool, things: &[Range<usize>], place: usize) {
        let Some(thing) = things.get(place) else {
            return;
        };
        let next = things.get(place + 1).map(|next| next.start);
        let before = place.checked_sub(1).and_then(|place| things.get(place));
        let line_start = self.line_start(thing.start);
        let alone = self.slice(line_start..thing.start).trim().is_empty();
        let range = if block && alone {
            line_start..self.next_line(self.line_end(thing.end))
        } else {
            match (next, before) {
                (Some(next), _) => thing.start..next,
                (None, Some(before)) => before.end..thing.end,
                (None, None) => thing.clone(),
            }
        };
        self.put(range, String::new());
    }

    fn put(&mut self, range: Range<usize>, text: String) {
        self.edits.push((range, text));
    }

    /// Lines after the one that ends `at`.
    fn put_lines(&mut self, at: usize, indent: usize, lines: &[String]) {
        let eol = if self.text.contains("\r\n") {
            "\r\n"
        } else {
            "\n"
        };
        let indent = " ".repeat(indent);
        let text = lines
            .iter()
            .map(|line| format!("{eol}{indent}{line}"))
            .collect();
        self.put(at..at, text);
    }

    fn in_order(&self) -> Vec<&(Range<usize>, String)> {
        let mut edits: Vec<_> = self.edits.iter().collect();
        edits.sort_by_key(|(range, _)| range.start);
        edits
    }

    fn applied_to(&self, bytes: Range<usize>) -> String {
        let mut text = String::new();
        let mut at = bytes.start;
        for (range, with) in self.in_order() {
            if range.start < at || range.end > bytes.end {
                continue;
            }
            text += self.slice(at..range.start);
            text += with;
            at = range.end;
        }
        text + self.slice(at..bytes.end)
    }

    fn slice(&self, range: Range<usize>) -> &'text str {
        self.text.get(range).unwrap_or_default()
    }

    /// Of a node, without the line breaks that a block scalar ends with.
    fn solid_end(&self, node: &Node) -> usize {
        let whole = self.slice(node.range.clone());
        node.range.start + whole.trim_end().len()
    }

    fn line_start(&self, at: usize) -> usize {
        self.slice(0..at).rfind('\n').map_or(0, |found| found + 1)
    }

    /// Before the line break.
    fn line_end(&self, at: usize) -> usize {
        let rest = self.slice(at..self.text.len());
        let line = rest.split('\n').next().unwrap_or_default();
        at + line.strip_suffix('\r').unwrap_or(line).len()
    }

    /// Behind the line break, from before it.
    fn next_line(&self, at: usize) -> usize {
        let rest = self.slice(at..self.text.len());
        rest.find('\n')
            .map_or(self.text.len(), |found| at + found + 1)
    }

    /// The end of the last line of a thing, with the comments below that are indented like it.
    fn after_comments(&self, end: usize, indent: usize) -> usize {
        let mut at = self.line_end(end);
        let mut look = at;
        loop {
            let start = self.next_line(look);
            look = self.line_end(start);
            let line = self.slice(start..look);
            let words = line.trim_start();
            let deeper = line.len() - words.len() > indent;
            match words.starts_with('#') && deeper {
                true => at = look,
                false if words.is_empty() && look < self.text.len() => {}
                false => return at,
            }
        }
    }

    /// The dash of an item of a block list.
    fn dash(&self, item: &Node) -> usize {
        let start = self.line_start(item.range.start);
        let mut line = self.slice(start..item.range.start);
        let mut start = start;
        loop {
            let words = line.trim_start();
            if words.starts_with('-') {
                return start + line.len() - words.len();
            }
            // Only comments may stand between a dash and its item.
            let passed = words.trim_end().is_empty() || words.starts_with('#');
            let Some(before) = start.checked_sub(1).filter(|_| passed) else {
                return item.range.start;
            };
            start = self.line_start(before);
            line = self.slice(start..before);
        }
    }
}

fn entry<'tree>(map: &'tree Node, key: &str) -> Option<&'tree Entry> {
    map.entries().iter().find(|entry| entry.key == key)
}

/// How deep the keys of a block mapping stand.
fn map_indent(map: &Node) -> usize {
    let first = map.entries().first();
    first.map_or(0, |entry| entry.mark.column - 1)
}

impl Yaml {
    /// On one line.
    fn flow(&self) -> String {
        let joined = |parts: Vec<String>| parts.join(", ");
        match self {
            Self::Text(text) => scalar(text),
            Self::Word(word) => word.clone(),
            Self::Map(entries) => {
                let write = |(key, value): &(&str, Self)| format!("{key}: {}", value.flow());
                format!("{{{}}}", joined(entries.iter().map(write).collect()))
            }
            Self::List(items) => {
                format!("[{}]", joined(items.iter().map(Self::flow).collect()))
            }
        }
    }

    /// Lines below a key that stands `indent` deep, which the lines leave out.
    fn block_entry(&self, key: &str, indent: usize) -> Vec<String> {
        match self {
            Self::List(items) if !items.is_empty() => {
                let mut lines = vec![format!("{key}:")];
                for item in items {
                    let below = item.block_item(indent + 2);
                    lines.extend(below.into_iter().map(|line| format!("  {line}")));
                }
                lines
            }
            _ => vec![format!("{key}: {}", self.flow())],
        }
    }

    /// Lines of an item whose dash stands `indent` deep, which the lines leave out.
    fn block_item(&self, indent: usize) -> Vec<String> {
        let Self::Map(entries) = self else {
            return vec![format!("- {}", self.flow())];
        };
        let lines = entries
            .iter()
            .flat_map(|(key, value)| value.block_entry(key, indent + 2));
        lines
            .enumerate()
            .map(|(place, line)| format!("{} {line}", if place == 0 { "-" } else { " " }))
            .collect()
    }
}

/// Plain where nobody can read it as something else; quoted with escapes otherwise.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./".contains(c);
    let reads_as_more = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let words_only = text.chars().all(|c| plain(c) || c == ' ') && text.trim() == text;
    let begins = text.starts_with(|c: char| c.is_alphabetic() || c == '/')
        || (text.starts_with("./") && text.len() > 2);
    if words_only && begins && !reads_as_more.contains(&text.to_lowercase().as_str()) {
        return text.to_owned();
    }
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            // No more than ASCII and letters stay as they are: what YAML calls printable ends there
            // for sure.
            ' '..='~' => quoted.push(c),
            c if c.is_alphanumeric() => quoted.push(c),
            c if u32::from(c) <= 0xffff => quoted += &format!("\\u{:04x}", u32::from(c)),
            c => quoted += &format!("\\U{:08x}", u32::from(c)),
        }
    }
    quoted + "\""
}
