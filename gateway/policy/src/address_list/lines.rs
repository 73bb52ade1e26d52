//! A list file line by line, as bytes, in whichever encoding Notepad chose: what reads a list,
//! what finds the line that decides and what edits a file see the same lines.

use std::borrow::Cow;

use super::{Entry, FaultReason, ListFault, ListLine, shown};

/// Of a line that is shown to a person.
const TEXT_SHOWN: usize = 240;

/// How the characters of a file are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Or any other in which ASCII is ASCII: comments may be in Notepad's ANSI.
    Utf8,
    Utf16Le,
    Utf16Be,
}

impl Encoding {
    /// With the length of the byte order mark.
    pub(super) fn of(file: &[u8]) -> (Self, usize) {
        match file {
            [0xef, 0xbb, 0xbf, ..] => (Self::Utf8, 3),
            [0xff, 0xfe, ..] => (Self::Utf16Le, 2),
            [0xfe, 0xff, ..] => (Self::Utf16Be, 2),
            _ => (Self::Utf8, 0),
        }
    }

    pub(super) fn encode(self, text: &str) -> Vec<u8> {
        match self {
            Self::Utf8 => text.as_bytes().to_vec(),
            Self::Utf16Le => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Self::Utf16Be => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        }
    }

    fn decode(self, bytes: &[u8]) -> Cow<'_, [u8]> {
        let unit: fn([u8; 2]) -> u16 = match self {
            Self::Utf8 => return Cow::Borrowed(bytes),
            Self::Utf16Le => u16::from_le_bytes,
            Self::Utf16Be => u16::from_be_bytes,
        };
        let (pairs, _) = bytes.as_chunks();
        let text: String = char::decode_utf16(pairs.iter().copied().map(unit))
            .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect();
        Cow::Owned(text.into_bytes())
    }

    /// Where the line at the beginning of `bytes` ends, its line feed included.
    fn line_length(self, bytes: &[u8]) -> usize {
        let pair = |feed: [u8; 2]| {
            let (pairs, _) = bytes.as_chunks();
            pairs
                .iter()
                .position(|pair| *pair == feed)
                .map(|at| at * 2 + 2)
        };
        let length = match self {
            Self::Utf8 => bytes
                .iter()
                .position(|&byte| byte == b'\n')
                .map(|at| at + 1),
            Self::Utf16Le => pair([b'\n', 0]),
            Self::Utf16Be => pair([0, b'\n']),
        };
        length.unwrap_or(bytes.len())
    }
}

/// The lines of a file, the byte order mark in none of them.
pub(super) struct Lines<'a> {
    encoding: Encoding,
    rest: &'a [u8],
    number: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn of(file: &'a [u8]) -> Self {
        let (encoding, mark) = Encoding::of(file);
        Self {
            encoding,
            rest: file.get(mark..).unwrap_or_default(),
            number: 0,
        }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let (raw, rest) = self
            .rest
            .split_at_checked(self.encoding.line_length(self.rest))?;
        self.rest = rest;
        self.number += 1;
        Some(Line {
            encoding: self.encoding,
            number: self.number,
            raw,
        })
    }
}

pub(super) struct Line<'a> {
    encoding: Encoding,
    /// Counted from 1.
    pub(super) number: usize,
    /// As it stands in the file, with its end.
    pub(super) raw: &'a [u8],
}

impl Line<'_> {
    /// What the line says; `None`: it is blank, or a comment.
    pub(super) fn entry(&self) -> Result<Option<Entry>, ListFault> {
        let text = self.encoding.decode(self.raw);
        let entry = text.split(|&byte| byte == b'#').next().unwrap_or_default();
        let entry = entry.trim_ascii();
        let fault = |reason| ListFault::new(self.number, entry, reason);
        if self.encoding != Encoding::Utf8 && !self.raw.len().is_multiple_of(2) {
            return Err(fault(FaultReason::CutShort));
        }
        if entry.is_empty() {
            return Ok(None);
        }
        Entry::parse(entry).map(Some).map_err(fault)
    }

    /// The whole line for a person, comment included; it holds `entry`.
    pub(super) fn holding(&self, entry: Entry) -> ListLine {
        ListLine {
            number: self.number,
            entry,
            text: self.shown(),
        }
    }

    pub(super) fn shown(&self) -> String {
        shown(self.encoding.decode(self.raw).trim_ascii(), TEXT_SHOWN)
    }

    /// `None`: the line has no end, it is the last.
    pub(super) fn end(&self) -> Option<&'static str> {
        let text = self.encoding.decode(self.raw);
        match &*text {
            [.., b'\r', b'\n'] => Some("\r\n"),
            [.., b'\n'] => Some("\n"),
            _ => None,
        }
    }
}
