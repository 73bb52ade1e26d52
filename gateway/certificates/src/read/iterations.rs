//! How often a file wishes its password to be hashed, before anybody does it: a number of four bytes
//! can keep a core busy for hours, and nothing can stop it then.
//!
//! Whatever the scheme, the number follows the salt (RFC 8018, A; RFC 7292, 4). What is inside of
//! an encrypted part is not seen.

/// Deeper than any PFX.
const DEEPEST: u8 = 24;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const CONSTRUCTED: u8 = 0x20;

/// All of them together; DER and BER, whole or broken.
pub(super) fn wished(bytes: &[u8]) -> u64 {
    within(bytes, DEEPEST)
}

fn within(mut rest: &[u8], depth: u8) -> u64 {
    let (mut total, mut salted) = (0_u64, false);
    while let Some((kind, content, after)) = element(rest) {
        if kind == INTEGER && salted {
            total = total.saturating_add(number(content));
        } else if (kind == OCTETS || kind & CONSTRUCTED != 0) && depth > 0 {
            total = total.saturating_add(within(content, depth - 1));
        }
        salted = kind == OCTETS;
        rest = after;
    }
    total
}

/// Its tag, what is in it, what follows it. Of unknown length: all that follows is in it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (kind, rest) = bytes.split_first()?;
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
    Some((*kind, content, after))
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
