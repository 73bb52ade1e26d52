//! Passwords and barcodes: hashed, indexed, made. Nothing here is logged or given back.
//!
//! Hash and index must equal those of the gateway, which verifies what is made here: Argon2id
//! (19 MiB, t=2, p=1) in PHC form, and hex of HMAC-SHA-256 over the NFC text, keyed by the
//! database's index key. Hashing runs on as many blocking threads as there are cores.

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, Version, password_hash::PasswordHasher};
use hmac::{Hmac, KeyInit, Mac};
use openssl::rand::rand_bytes;
use sha2::Sha256;
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;

/// Characters that nobody mistakes for another when reading them from a screen.
const CAPITALS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ";
const SMALL: &[u8] = b"abcdefghijkmnpqrstuvwxyz";
const DIGITS: &[u8] = b"23456789";

#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("the system gave no random bytes")]
    NoRandomness(#[from] openssl::error::ErrorStack),
    #[error("Argon2 does not take its parameters: {0}")]
    Parameters(#[from] argon2::Error),
    #[error("the database's index key is not 32 bytes in hex: {0}")]
    IndexKey(#[from] hex::FromHexError),
    #[error("a password could not be hashed: {0}")]
    NotHashed(#[from] argon2::password_hash::Error),
    #[error("the thread that hashed was lost: {0}")]
    Lost(#[from] tokio::task::JoinError),
}

/// What is stored of a password or a barcode.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Argon2id in PHC form.
    pub(crate) hash: String,
    /// Blind index.
    pub(crate) index: String,
}

/// Hashes with at most as many threads as cores.
#[derive(Clone)]
pub(crate) struct Hasher {
    permits: Arc<Semaphore>,
}

impl Hasher {
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            permits: Arc::new(Semaphore::new(cores)),
        }
    }

    /// # Errors
    /// When the system has no randomness or the thread was lost.
    pub(crate) async fn store(&self, index_key: &str, secret: &str) -> Result<Stored, SecretError> {
        let permit = self.permits.clone().acquire_owned().await;
        let (index_key, secret) = (index_key.to_owned(), normal(secret));
        let task = tokio::task::spawn_blocking(move || {
            // A hung-up client frees nothing early: the permit goes with the work.
            let _permit = permit;
            Ok(Stored {
                hash: hash(&secret)?,
                index: index(&index_key, &secret)?,
            })
        });
        task.await?
    }
}

/// The form in which a password is hashed, compared and counted.
pub(crate) fn normal(secret: &str) -> String {
    secret.nfc().collect()
}

/// Hex of HMAC-SHA-256 over a secret in its [`normal`] form.
fn index(index_key: &str, secret: &str) -> Result<String, SecretError> {
    let mut key = [0; 32];
    hex::decode_to_slice(index_key, &mut key)?;
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("a key of any length");
    mac.update(secret.as_bytes());
    Ok(hex::encode(mac.finalize().into_bytes()))
}

fn hash(secret: &str) -> Result<String, SecretError> {
    let mut salt = [0; 16];
    rand_bytes(&mut salt)?;
    let params = Params::new(19 * 1024, 2, 1, None)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let phc = argon2.hash_password_with_salt(secret.as_bytes(), &salt)?;
    Ok(phc.to_string())
}

/// 32 random bytes, hex: a database's index key.
pub(crate) fn new_index_key() -> Result<String, SecretError> {
    let mut key = [0; 32];
    rand_bytes(&mut key)?;
    Ok(hex::encode(key))
}

/// A password of 12 readable characters with capital and small letters and digits, 64 bits or so.
pub(crate) fn new_password() -> Result<String, SecretError> {
    let mut password = String::new();
    for alphabet in [CAPITALS, SMALL, DIGITS, SMALL].iter().cycle().take(12) {
        password.push(pick(alphabet)?);
    }
    Ok(password)
}

/// A barcode of 13 digits with a check digit, as scanners read EAN-13; in-store range `2`.
pub(crate) fn new_barcode() -> Result<String, SecretError> {
    let mut code = String::from("2");
    for _ in 0..11 {
        code.push(pick(b"0123456789")?);
    }
    code.push(check_digit(&code));
    Ok(code)
}

/// The 13th digit of an EAN-13 whose first twelve are given.
pub(crate) fn check_digit(twelve: &str) -> char {
    let digits = twelve
        .bytes()
        .map(|byte| u32::from(byte.wrapping_sub(b'0')));
    let weighted = digits
        .zip([1, 3].into_iter().cycle())
        .map(|(digit, weight)| digit * weight);
    char::from_digit((10 - weighted.sum::<u32>() % 10) % 10, 10).unwrap_or('0')
}

/// One of `alphabet`, each with the same chance.
fn pick(alphabet: &[u8]) -> Result<char, SecretError> {
    let size = alphabet.len();
    let fair = 256 - 256 % size;
    loop {
        let mut byte = [0];
        rand_bytes(&mut byte)?;
        let value = usize::from(byte[0]);
        if value < fair
            && let Some(chosen) = alphabet.get(value % size)
        {
            return Ok(char::from(*chosen));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stored_password_is_an_argon2id_hash_and_its_index() {
        let (key, other) = ("0f".repeat(32), "f0".repeat(32));
        let stored = Hasher::new().store(&key, "пароль").await.unwrap();
        assert!(
            stored.hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{}",
            stored.hash
        );
        assert_eq!(stored.index, index(&key, "пароль").unwrap());
        assert_ne!(stored.index, index(&other, "пароль").unwrap());
        assert!(!stored.hash.contains("пароль"));
    }

    #[tokio::test]
    async fn a_key_that_is_not_32_bytes_in_hex_indexes_nothing() {
        assert!(index(&new_index_key().unwrap(), "пароль").is_ok());
        for key in ["", "00ff", "key", &"0g".repeat(32), &"00".repeat(33)] {
            let stored = Hasher::new().store(key, "пароль").await;
            assert!(matches!(stored, Err(SecretError::IndexKey(_))), "{key}");
        }
    }

    #[test]
    fn spellings_of_one_text_are_one_secret() {
        assert_eq!(normal("и\u{306}од"), normal("йод"));
        assert_ne!(normal("Йод"), normal("йод"));
    }

    #[test]
    fn a_new_password_passes_for_an_administrator() {
        let password = new_password().unwrap();
        assert_eq!(password.len(), 12);
        assert!(password.chars().any(|c| c.is_ascii_uppercase()));
        assert!(password.chars().any(|c| c.is_ascii_lowercase()));
        assert!(password.chars().any(|c| c.is_ascii_digit()));
        assert!(
            !password.contains(['0', 'O', '1', 'l', 'I', 'o']),
            "{password}"
        );
    }

    #[test]
    fn a_barcode_ends_in_its_check_digit() {
        assert_eq!(check_digit("400638133393"), '1');
        assert_eq!(new_barcode().unwrap().len(), 13);
    }
}
