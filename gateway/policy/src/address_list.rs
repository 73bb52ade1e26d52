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
//! take 8 MB (12 MB with overlaps), and two lists can be compared entry by entry. Which line an
//! entry stood in is not kept: [`lines_meeting`] finds it in the file when somebody asks.

pub mod edit;
mod lines;

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use ipnet::{Ipv4Net, Ipv6Net};

use self::lines::Lines;
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
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for line in Lines::of(bytes) {
            match line.entry()? {
                Some(Entry(Span::V4(first, last))) => v4.push((first.to_bits(), last.to_bits())),
                Some(Entry(Span::V6(first, last))) => v6.push((first.to_bits(), last.to_bits())),
                None => {}
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

    /// The families, as networks, of which not one address is missing here.
    #[must_use]
    pub fn whole_families(&self) -> Vec<&'static str> {
        let v4 = cover(&self.v4.entries, u32::MAX.into()).then_some("0.0.0.0/0");
        let v6 = cover(&self.v6.entries, u128::MAX).then_some("::/0");
        v4.into_iter().chain(v6).collect()
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

/// One line of a list file that holds an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListLine {
    /// Counted from 1.
    pub number: usize,
    pub entry: Entry,
    /// The whole line, cut and escaped as in [`ListFault::text`].
    pub text: String,
}

/// The first `at_most` lines of a file whose entries share an address with `entry`. Lines that
/// cannot be read meet nothing.
#[must_use]
pub fn lines_meeting(bytes: &[u8], entry: Entry, at_most: usize) -> Vec<ListLine> {
    let meeting = Lines::of(bytes).filter_map(|line| {
        let found = line.entry().ok().flatten()?;
        found.meets(entry).then(|| line.holding(found))
    });
    meeting.take(at_most).collect()
}

/// The first `at_most` lines of a file whose entries hold more than an IPv4 /16 or an IPv6 /32: whole
/// providers and more.
#[must_use]
pub fn wide_lines(bytes: &[u8], at_most: usize) -> Vec<ListLine> {
    let wide = Lines::of(bytes).filter_map(|line| {
        let found = line.entry().ok().flatten()?;
        found.is_wide().then(|| line.holding(found))
    });
    wide.take(at_most).collect()
}

/// The first `at_most` lines of a file as a person may read them, damaged ones too, and how many
/// lines there are.
#[must_use]
pub fn lines_shown(bytes: &[u8], at_most: usize) -> (Vec<String>, usize) {
    let mut lines = Lines::of(bytes);
    let shown: Vec<String> = lines
        .by_ref()
        .take(at_most)
        .map(|line| line.shown())
        .collect();
    let count = shown.len() + lines.count();
    (shown, count)
}

impl ListFault {
    fn new(line: usize, entry: &[u8], reason: FaultReason) -> Self {
        const SHOWN: usize = 60;
        let text = shown(entry, SHOWN);
        Self { line, text, reason }
    }
}

/// Foreign text for a person: cut, and unable to break a line.
fn shown(text: &[u8], at_most: usize) -> String {
    // Four bytes a character at most: the rest of a megabyte long line is never touched.
    let head = String::from_utf8_lossy(text.get(..at_most * 4).unwrap_or(text));
    let mut shown = String::new();
    for (count, c) in head.chars().enumerate() {
        if count == at_most {
            shown.push('…');
            break;
        }
        match c {
            '"' | '\'' | '\\' => shown.push(c),
            '\t' => shown.push(' '),
            // Also what a person cannot see: U+00A0 and U+200B come along when pasting.
            _ => shown.extend(c.escape_debug()),
        }
    }
    shown
}

/// Whether sorted ranges leave no gap from 0 to `last`.
fn cover<T: Copy + Into<u128>>(sorted: &[(T, T)], last: u128) -> bool {
    let mut reached: Option<u128> = None;
    for &(first, end) in sorted {
        let next = reached.map_or(0, |reached| reached.saturating_add(1));
        if first.into() > next {
            break;
        }
        reached = reached.max(Some(end.into()));
    }
    reached >= Some(last)
}

/// What one line says: an address, or a range with both ends in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry(Span);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Span {
    V4(Ipv4Addr, Ipv4Addr),
    V6(Ipv6Addr, Ipv6Addr),
}

impl Entry {
    fn parse(entry: &[u8]) -> Result<Self, FaultReason> {
        let text = str::from_utf8(entry)
            .ok()
            .ok_or(FaultReason::NotAnAddress)?;
        Span::parse(text).map(Self)
    }

    /// Whether any address is in both.
    #[must_use]
    pub fn meets(self, other: Self) -> bool {
        match (self.0, other.0) {
            (Span::V4(a, b), Span::V4(c, d)) => a <= d && c <= b,
            (Span::V6(a, b), Span::V6(c, d)) => a <= d && c <= b,
            (Span::V4(..), Span::V6(..)) | (Span::V6(..), Span::V4(..)) => false,
        }
    }

    /// Whether every address of `self` is in `other`.
    #[must_use]
    pub fn is_inside(self, other: Self) -> bool {
        match (self.0, other.0) {
            (Span::V4(a, b), Span::V4(c, d)) => c <= a && b <= d,
            (Span::V6(a, b), Span::V6(c, d)) => c <= a && b <= d,
            (Span::V4(..), Span::V6(..)) | (Span::V6(..), Span::V4(..)) => false,
        }
    }

    /// Every address of its family.
    #[must_use]
    pub fn is_everybody(self) -> bool {
        let v4 = Span::V4(Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST);
        let v6 = Span::V6(Ipv6Addr::UNSPECIFIED, Ipv6Addr::from_bits(u128::MAX));
        self.0 == v4 || self.0 == v6
    }

    /// More than an IPv4 /16, an IPv6 /32.
    fn is_wide(self) -> bool {
        match self.0 {
            Span::V4(first, last) => last.to_bits() - first.to_bits() > u32::from(u16::MAX),
            Span::V6(first, last) => last.to_bits() - first.to_bits() > u128::MAX >> 32,
        }
    }

    /// Inside of networks that nobody reaches from the internet (RFC 1918, 6598, 4193, 4291).
    #[must_use]
    pub fn is_private(self) -> bool {
        const PRIVATE: [&str; 7] = [
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "fc00::/7",
            "fe80::/10",
        ];
        let mut networks = PRIVATE.iter().filter_map(|net| net.parse::<Self>().ok());
        networks.any(|net| self.is_inside(net))
    }

    /// Holds an address of this host's own programs.
    #[must_use]
    pub fn meets_loopback(self) -> bool {
        let v4 = Span::V4(
            Ipv4Addr::new(127, 0, 0, 0),
            Ipv4Addr::new(127, 255, 255, 255),
        );
        let v6 = Span::V6(Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
        self.meets(Self(v4)) || self.meets(Self(v6))
    }
}

impl From<ClientAddr> for Entry {
    fn from(client: ClientAddr) -> Self {
        match client.ip() {
            IpAddr::V4(ip) => Self(Span::V4(ip, ip)),
            IpAddr::V6(ip) => Self(Span::V6(ip, ip)),
        }
    }
}

impl FromStr for Entry {
    type Err = FaultReason;

    fn from_str(text: &str) -> Result<Self, FaultReason> {
        Span::parse(text.trim_ascii()).map(Self)
    }
}

/// As people write it: an address, a network where it is one, else a range.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Span::V4(first, last) => {
                let bits = network_bits(first.to_bits().into(), last.to_bits().into(), 32);
                written(f, &first, &last, bits)
            }
            Span::V6(first, last) => {
                let bits = network_bits(first.to_bits(), last.to_bits(), 128);
                written(f, &first, &last, bits)
            }
        }
    }
}

fn written<T: fmt::Display + PartialEq>(
    f: &mut fmt::Formatter<'_>,
    first: &T,
    last: &T,
    bits: Option<u32>,
) -> fmt::Result {
    match bits {
        _ if first == last => first.fmt(f),
        Some(bits) => write!(f, "{first}/{bits}"),
        None => write!(f, "{first}-{last}"),
    }
}

/// Of the network from `first` to `last`, if that is one.
fn network_bits(first: u128, last: u128, width: u32) -> Option<u32> {
    let hosts = first ^ last;
    let one_network = hosts & hosts.wrapping_add(1) == 0 && first & hosts == 0;
    one_network.then(|| width - hosts.count_ones())
}

impl Span {
    fn parse(text: &str) -> Result<Self, FaultReason> {
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
