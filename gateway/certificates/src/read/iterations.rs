//! How often a file wishes its password to be hashed, before anybody does it: a number of four bytes
//! can keep a core busy for hours, and nothing can stop it then.
//!
//! Whatever the scheme, the number follows the salt (RFC 8018, A; RFC 7292, 4); scrypt has three,
//! which multiply (RFC 7914, 7). Every way of writing is known here that OpenSSL reads. What is
//! inside of an encrypted part is not seen.

/// Deeper than any PFX.
const DEEPEST: u8 = 24;
const END_OF_CONTENTS: u8 = 0x00;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const LONG_TAG: u8 = 0x1f;
const CONSTRUCTED: u8 = 0x20;

/// All of them together; DER and BER, whole or broken.
pub(super) fn wished(bytes: &[u8]) -> u64 {
    within(bytes, DEEPEST)
}

fn within(mut rest: &[u8], depth: u8) -> u64 {
    let mut total = 0_u64;
    // Numbers behind a salt.
    let mut salted: Option<Vec<u64>> = None;
    while let Some((kind, content, after)) = element(rest) {
        rest = after;
        match (kind, &mut salted) {
            // A salt in pieces ends so.
            (END_OF_CONTENTS, _) => continue,
            (INTEGER, Some(numbers)) => numbers.push(number(content)),
            _ => total = total.saturating_add(cost(salted.take())),
        }
        let is_octets = kind & !CONSTRUCTED == OCTETS;
        if is_octets {
            salted = Some(Vec::new());
        }
        if (is_octets || kind & CONSTRUCTED != 0) && depth > 0 {
            total = total.saturating_add(within(content, depth - 1));
        }
    }
    total.saturating_add(cost(salted))
}

/// A length of the key may follow the number of PBKDF2.
fn cost(numbers: Option<Vec<u64>>) -> u64 {
    match numbers.as_deref().unwrap_or_default() {
        [n, r, p, ..] => n.saturating_mul(*r).saturating_mul(*p),
        [iterations, ..] => *iterations,
        [] => 0,
    }
}

/// Its tag, what is in it, what follows it. Of unknown length: all that follows is in it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (kind, rest) = tag(bytes)?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0x80 => (rest.len(), rest),
        short @ 0..0x80 => (usize::from(*short), rest),
        long => {
            let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            (usize::try_from(number(digits)).ok()?, rest)
        }
    };
    let (content, after) = rest.split_at_checked(length)?;
    Some((kind, content, after))
}

/// In its short form, where it has one.
fn tag(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (kind, rest) = bytes.split_first()?;
    if kind & LONG_TAG != LONG_TAG {
        return Some((*kind, rest));
    }
    let last = rest.iter().position(|digit| digit & 0x80 == 0)?;
    let (digits, rest) = rest.split_at_checked(last + 1)?;
    let (number, leading) = digits.split_last()?;
    let is_short = *number < LONG_TAG && leading.iter().all(|digit| *digit == 0x80);
    let number = if is_short { *number } else { LONG_TAG };
    Some((kind & !LONG_TAG | number, rest))
}

/// Of more than eight bytes: the largest.
fn number(digits: &[u8]) -> u64 {
    digits
        .iter()
        .fold(0, |number: u64, digit| match number.checked_mul(256) {
            Some(shifted) => shifted | u64::from(*digit),
            None => u64::MAX,
        })
}
