//! One Argon2id evaluation per attempt, whoever asks (rule 6).
//!
//! A user is found by name or by the keyed blind index of his secret, so however many users there
//! are one stored hash is evaluated; where there is none, or it cannot be used, the [`Decoy`] is,
//! so time tells nothing. The parameters of a stored hash are bounded before anything is
//! allocated: a hash may come from a file and must not demand gigabytes.
//! Not here: the queue of evaluations and random bytes (the gateway's), attempts (`throttle`).

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version, password_hash::phc::PasswordHash};
use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// The longest password or barcode, in characters after NFC.
pub const MAX_CHARS: usize = 128;

// What a new hash costs: OWASP's first choice for Argon2id.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const OUTPUT_BYTES: usize = 32;

// What a stored hash may cost: in memory three times, in time about ten times a new one.
const MAX_MEMORY_KIB: u32 = 64 * 1024;
const MAX_PASSES: u32 = 6;
const MAX_LANES: u32 = 4;
const MIN_OUTPUT_BYTES: usize = 16;
const MAX_STORED_BYTES: usize = 256;

/// Text as it is hashed and indexed: NFC. `None` when longer than [`MAX_CHARS`].
#[must_use]
pub fn normal(text: &str) -> Option<Zeroizing<String>> {
    // Never reallocated, so no copy stays behind unwiped.
    let mut normal = Zeroizing::new(String::with_capacity(4 * MAX_CHARS));
    for (at, character) in text.nfc().enumerate() {
        if at == MAX_CHARS {
            return None;
        }
        normal.push(character);
    }
    Some(normal)
}

/// The password or barcode has more than [`MAX_CHARS`] characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("longer than {MAX_CHARS} characters")]
pub struct TooLong;

/// A new hash in PHC form, `$argon2id$v=19$m=19456,t=2,p=1$…`. The salt is random, used once.
///
/// # Errors
/// [`TooLong`], before anything is hashed.
pub fn hash(password: &str, salt: [u8; 16]) -> Result<String, TooLong> {
    let password = normal(password).ok_or(TooLong)?;
    Ok(hash_normal(password.as_bytes(), salt))
}

fn hash_normal(password: &[u8], salt: [u8; 16]) -> String {
    #[expect(clippy::expect_used, reason = "constants within Argon2's limits")]
    let output = Params::new(MEMORY_KIB, PASSES, LANES, Some(OUTPUT_BYTES))
        .and_then(|params| evaluate(password, &salt, params))
        .expect("constants are within Argon2's limits");
    format!(
        "$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${}${}",
        BASE64_STANDARD_NO_PAD.encode(salt),
        BASE64_STANDARD_NO_PAD.encode(output.as_slice()),
    )
}

fn evaluate(password: &[u8], salt: &[u8], params: Params) -> argon2::Result<Zeroizing<Vec<u8>>> {
    #[cfg(test)]
    tests::EVALUATIONS.with(|count| count.set(count.get() + 1));
    let length = params.output_len().unwrap_or(OUTPUT_BYTES);
    let mut output = Zeroizing::new(vec![0; length]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(
        password,
        salt,
        &mut output,
    )?;
    Ok(output)
}

/// Why a stored hash is not evaluated; for `check`, `status` and the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoredFault {
    #[error("not a hash in PHC form")]
    NotPhc,
    #[error("not Argon2id version 19")]
    NotArgon2id,
    #[error("salt or output is missing or too short")]
    Short,
    #[error(
        "more than {MAX_MEMORY_KIB} KiB, {MAX_PASSES} passes or {MAX_LANES} lanes are asked for"
    )]
    TooDear,
}

/// A stored hash that may be evaluated.
struct Stored {
    params: Params,
    hash: PasswordHash,
}

impl Stored {
    fn parse(stored: &str) -> Result<Self, StoredFault> {
        if stored.len() > MAX_STORED_BYTES {
            return Err(StoredFault::NotPhc);
        }
        let Ok(hash) = PasswordHash::new(stored) else {
            return Err(StoredFault::NotPhc);
        };
        if hash.algorithm.as_str() != "argon2id" || hash.version != Some(19) {
            return Err(StoredFault::NotArgon2id);
        }
        let output_bytes = hash.hash.as_ref().map_or(0, |output| output.len());
        if hash.salt.is_none() || output_bytes < MIN_OUTPUT_BYTES {
            return Err(StoredFault::Short);
        }
        let Ok(params) = Params::try_from(&hash) else {
            return Err(StoredFault::TooDear);
        };
        let dear = params.m_cost() > MAX_MEMORY_KIB
            || params.t_cost() > MAX_PASSES
            || params.p_cost() > MAX_LANES;
        match dear {
            true => Err(StoredFault::TooDear),
            false => Ok(Self { params, hash }),
        }
    }

    fn matches(self, password: &[u8]) -> bool {
        let (Some(salt), Some(expected)) = (&self.hash.salt, &self.hash.hash) else {
            return false;
        };
        evaluate(password, salt.as_ref(), self.params)
            .is_ok_and(|output| output.as_slice().ct_eq(expected.as_bytes()).into())
    }
}

/// Whether a stored hash can be evaluated; hashes nothing.
///
/// # Errors
/// Why it cannot.
pub fn check_stored(stored: &str) -> Result<(), StoredFault> {
    Stored::parse(stored).map(drop)
}

/// What stands in for an unknown user: the hash of a secret nobody has.
#[derive(Clone)]
pub struct Decoy(String);

impl Decoy {
    /// Makes it once at start; `secret` is random and forgotten.
    #[must_use]
    pub fn new(secret: [u8; 32], salt: [u8; 16]) -> Self {
        Self(hash_normal(&secret, salt))
    }

    /// The secret's bytes are no text that anybody could send, so this never matches.
    fn evaluate(&self, password: &[u8]) {
        let matched = Stored::parse(&self.0).is_ok_and(|stored| stored.matches(password));
        debug_assert!(!matched, "somebody guessed 256 random bits");
    }
}

impl fmt::Debug for Decoy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decoy(…)")
    }
}

/// Outcome of an attempt; to the client only [`Verdict::Match`] differs from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Match,
    NoMatch,
    /// The user's stored hash cannot be evaluated; an administrator must act.
    Unusable(StoredFault),
}

/// Judges a password or barcode by the stored hash of the one candidate, or by the decoy where
/// there is none: exactly one evaluation, whatever is given. Blocks for tens of milliseconds.
#[must_use]
pub fn judge(candidate: Option<&str>, decoy: &Decoy, password: &str) -> Verdict {
    let (stored, otherwise) = match candidate.map(Stored::parse) {
        Some(Ok(stored)) => (Some(stored), Verdict::NoMatch),
        Some(Err(fault)) => (None, Verdict::Unusable(fault)),
        None => (None, Verdict::NoMatch),
    };
    match (stored, normal(password)) {
        (Some(stored), Some(password)) => match stored.matches(password.as_bytes()) {
            true => Verdict::Match,
            false => Verdict::NoMatch,
        },
        (_, password) => {
            decoy.evaluate(password.unwrap_or_default().as_bytes());
            otherwise
        }
    }
}

/// Keys the blind indexes of one database's users.
#[derive(Clone)]
pub struct IndexKey(Zeroizing<[u8; 32]>);

impl IndexKey {
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self(Zeroizing::new(key))
    }

    /// From 64 hex digits, as `backend_types::Database::index_key` holds it.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut key = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text, key.as_mut_slice()).ok()?;
        Some(Self(key))
    }

    /// The blind index of a password or a barcode, as hex: HMAC-SHA-256 of its NFC form. Both
    /// share one space, as none may equal another user's either.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn index(&self, secret: &str) -> Result<String, TooLong> {
        let secret = normal(secret).ok_or(TooLong)?;
        Ok(hex::encode(hmac(&self.0, &[secret.as_bytes()])))
    }
}

impl fmt::Debug for IndexKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IndexKey(…)")
    }
}

/// HMAC-SHA-256 over the parts, one after the other.
pub(crate) fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests;
