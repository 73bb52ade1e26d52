//! `whitelist.dat` and `blacklist.dat`: the bytes Notepad saved become an [`AddressList`] or a
//! [`ListFault`] with its line.
//!
//! One entry a line: an address, `address/bits` (host bits are accepted and cut) or
//! `first-last` with both ends in, IPv4 or IPv6, tabs and spaces anywhere around; `#` starts a
//! comment. The forms are those of the vendor's security page. A file is UTF-8 with or without a
//! byte order mark, or UTF-16 with one. A comment may be in any encoding (Notepad's ANSI is
//! common); an entry is ASCII. One line that cannot be read fails the whole list: skipped
//! quietly, it would open the gate.
//!
//! Entries stay as written, sorted by their first address; where some overlap, an array of
//! running maxima stands beside them. So a lookup is one binary search, a million IPv4 entries
//! take 8 MB (12 MB with overlaps), and two lists can be compared entry by entry.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

use crate::ClientAddr;

/// Addresses and ranges of one list file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressList {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
    written: usize,
}

/// The line that made a list unreadable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}: \"{text}\" {reason}")]
pub struct ListFault {
    /// Counted from 1.
    pub line: usize,
    /// What stands there, at most 60 characters, anything unprintable escaped.
    pub text: String,
    pub reason: FaultReason,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultReason {
    #[error("is not an address or range")]
    NotAnAddress,
    #[error("has more bits than its address")]
    TooManyBits,
    #[error("is a range that ends before it begins")]
    Reversed,
    #[error("is a range between an IPv4 and an IPv6 address")]
    MixedFamilies,
    #[error("ends in the middle of a UTF-16 character")]
    CutShort,
}

/// How one list differs from another, in distinct entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    pub added: usize,
    pub removed: usize,
}

impl AddressList {
    /// Reads a whole file.
    ///
    /// # Errors
    /// The first line that is neither an entry, nor blank, nor a comment.
    pub fn parse(bytes: &[u8]) -> Result<Self, ListFault> {
        match bytes {
            [0xef, 0xbb, 0xbf, text @ ..] => Self::parse_lines(text),
            [0xff, 0xfe, text @ ..] => Self::parse_utf16(text, u16::from_le_bytes),
            [0xfe, 0xff, text @ ..] => Self::parse_utf16(text, u16::from_be_bytes),
            text => Self::parse_lines(text),
        }
    }

    fn parse_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Self, ListFault> {
        let (pairs, rest) = bytes.as_chunks();
        let text: String = char::decode_utf16(pairs.iter().copied().map(unit))
            .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect();
        if !rest.is_empty() {
            let last = text.lines().last().unwrap_or_default();
            let line = text.lines().count().max(1);
            return Err(ListFault::new(line, last.as_bytes(), FaultReason::CutShort));
        }
        Self::parse_lines(text.as_bytes())
    }

    fn parse_lines(text: &[u8]) -> Result<Self, ListFault> {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
            let entry = line.split(|&byte| byte == b'#').next().unwrap_or_default();
            let entry = entry.trim_ascii();
            if entry.is_empty() {
                continue;
            }
            match Range::parse(entry) {
                Ok(Range::V4(first, last)) => v4.push((first.to_bits(), last.to_bits())),
                Ok(Range::V6(first, last)) => v6.push((first.to_bits(), last.to_bits())),
                Err(reason) => return Err(ListFault::new(index + 1, entry, reason)),
            }
        }
        Ok(Self {
            written: v4.len() + v6.len(),
            v4: Ranges::new(v4),
            v6: Ranges::new(v6),
        })
    }

    #[must_use]
    pub fn contains(&self, client: ClientAddr) -> bool {
        match client.ip() {
            IpAddr::V4(ip) => self.v4.contains(ip.to_bits()),
            IpAddr::V6(ip) => self.v6.contains(ip.to_bits()),
        }
    }

    /// How many entries the file holds, repeated ones counted each time.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.written
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.written == 0
    }

    /// What became of `before`, for the log line "3 added, 1 removed". Order, comments and
    /// repeated entries make no difference.
    #[must_use]
    pub fn difference(&self, before: &Self) -> Difference {
        let (v4, v6) = (
            self.v4.missing_in(&before.v4),
            self.v6.missing_in(&before.v6),
        );
        let (gone_v4, gone_v6) = (
            before.v4.missing_in(&self.v4),
            before.v6.missing_in(&self.v6),
        );
        Difference {
            added: v4 + v6,
            removed: gone_v4 + gone_v6,
        }
    }
}

impl ListFault {
    fn new(line: usize, entry: &[u8], reason: FaultReason) -> Self {
        const SHOWN: usize = 60;
        // Four bytes a character at most: the rest of a megabyte long line is never touched.
        let head = entry.get(..SHOWN * 4).unwrap_or(entry);
        let head = String::from_utf8_lossy(head);
        let mut text = String::new();
        for (shown, c) in head.chars().enumerate() {
            if shown == SHOWN {
                text.push('…');
                break;
            }
            match c {
                '"' | '\'' | '\\' => text.push(c),
                // Also what a person cannot see: U+00A0 and U+200B come along when pasting.
                _ => text.extend(c.escape_debug()),
            }
        }
        Self { line, text, reason }
    }
}

/// One entry, both ends in.
enum Range {
    V4(Ipv4Addr, Ipv4Addr),
    V6(Ipv6Addr, Ipv6Addr),
}

impl Range {
    fn parse(entry: &[u8]) -> Result<Self, FaultReason> {
        let text = str::from_utf8(entry)
            .ok()
            .ok_or(FaultReason::NotAnAddress)?;
        if let Some((first, last)) = text.split_once('-') {
            return Self::between(address(first)?, address(last)?);
        }
        if let Some((net, bits)) = text.split_once('/') {
            return Self::net(net, bits);
        }
        let one = address(text)?;
        Self::between(one, one)
    }

    fn between(first: IpAddr, last: IpAddr) -> Result<Self, FaultReason> {
        match (first, last) {
            (IpAddr::V4(a), IpAddr::V4(b)) if a <= b => Ok(Self::V4(a, b)),
            (IpAddr::V6(a), IpAddr::V6(b)) if a <= b => Ok(Self::V6(a, b)),
            (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => {
                Err(FaultReason::Reversed)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
                Err(FaultReason::MixedFamilies)
            }
        }
    }

    fn net(net: &str, bits: &str) -> Result<Self, FaultReason> {
        let bits = bits.trim_ascii();
        if bits.is_empty() || !bits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(FaultReason::NotAnAddress);
        }
        let bits = bits.parse().ok().ok_or(FaultReason::TooManyBits)?;
        let ip: IpAddr = net
            .trim_ascii()
            .parse()
            .ok()
            .ok_or(FaultReason::NotAnAddress)?;
        // A net inside ::ffff:0:0/96 is an IPv4 net: clients in it are seen as IPv4.
        let (ip, bits) = match (ip.to_canonical(), ip) {
            (v4 @ IpAddr::V4(_), IpAddr::V6(_)) if (96..=128).contains(&bits) => (v4, bits - 96),
            _ => (ip, bits),
        };
        match ip {
            IpAddr::V4(ip) => Ipv4Net::new(ip, bits)
                .map(|net| Self::V4(net.network(), net.broadcast()))
                .ok(),
            IpAddr::V6(ip) => Ipv6Net::new(ip, bits)
                .map(|net| Self::V6(net.network(), net.broadcast()))
                .ok(),
        }
        .ok_or(FaultReason::TooManyBits)
    }
}

fn address(text: &str) -> Result<IpAddr, FaultReason> {
    let ip: IpAddr = text
        .trim_ascii()
        .parse()
        .ok()
        .ok_or(FaultReason::NotAnAddress)?;
    Ok(ip.to_canonical())
}

/// Ranges of one family, sorted, without duplicates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Ranges<T> {
    /// First and last address.
    entries: Box<[(T, T)]>,
    /// The greatest last address so far, entry by entry; only where some overlap.
    reach: Option<Box<[T]>>,
}

impl<T: Copy + Ord> Ranges<T> {
    fn new(mut entries: Vec<(T, T)>) -> Self {
        entries.sort_unstable();
        entries.dedup();
        let overlap = entries
            .iter()
            .zip(entries.iter().skip(1))
            .any(|(&(_, last), &(first, _))| first <= last);
        let reach = overlap.then(|| {
            let running = entries.iter().scan(None, |greatest, &(_, last)| {
                *greatest = (*greatest).max(Some(last));
                *greatest
            });
            running.collect()
        });
        Self {
            entries: entries.into(),
            reach,
        }
    }

    fn contains(&self, ip: T) -> bool {
        let begun = self.entries.partition_point(|&(first, _)| first <= ip);
        let Some(nearest) = begun.checked_sub(1) else {
            return false;
        };
        let last = match &self.reach {
            Some(reach) => reach.get(nearest).copied(),
            None => self.entries.get(nearest).map(|&(_, last)| last),
        };
        last.is_some_and(|last| ip <= last)
    }

    /// How many entries of `self` do not stand in `other`.
    fn missing_in(&self, other: &Self) -> usize {
        let mut others = other.entries.iter().peekable();
        let missing = |entry: &&(T, T)| {
            while others.next_if(|other| other < entry).is_some() {}
            others.peek() != Some(entry)
        };
        self.entries.iter().filter(missing).count()
    }
}

#[cfg(test)]
mod tests;
