//! Passwords and barcodes: read without showing them, made where none is given. Never an argument:
//! those stand in the list of processes and in the shell's history.

use std::io::{BufRead, IsTerminal, Read};

use gateway_policy::password;
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use openssl::rand::rand_bytes;

use super::{Failure, Session};

/// In bytes: no secret of 128 characters is longer.
const LINE_LIMIT: u64 = 4096;

/// One line from stdin. A terminal is told what to type, twice, and does not show it.
pub(super) fn read(session: &Session, question: &str) -> Result<String, Failure> {
    let mut input = std::io::stdin();
    if !input.is_terminal() {
        return line(session);
    }
    let mut asked = |key: &str| {
        eprint!("{} ", session.say(key, &[]));
        let line = unseen(&mut input, || line(session));
        eprintln!();
        line
    };
    let first = asked(question)?;
    match asked("secret-again")? == first {
        true => Ok(first),
        false => Err(session.refuse("secret-differs", &[])),
    }
}

/// As [`read`], asked once: what it opens shows whether it was typed right.
pub(super) fn once(session: &Session, question: &str) -> Result<String, Failure> {
    let mut input = std::io::stdin();
    if !input.is_terminal() {
        return line(session);
    }
    eprint!("{} ", session.say(question, &[]));
    let line = unseen(&mut input, || line(session));
    eprintln!();
    line
}

/// A line of stdin as it is, without its end. What is longer than any secret is not read on.
pub(super) fn line(session: &Session) -> Result<String, Failure> {
    let mut line = Vec::new();
    let input = std::io::stdin().lock();
    let read = input.take(LINE_LIMIT).read_until(b'\n', &mut line);
    read.map_err(|fault| Failure::Said(session.cause(&fault)))?;
    if line.len() as u64 == LINE_LIMIT {
        return Err(session.refuse("secret-too-long", &[]));
    }
    let line =
        String::from_utf8(line).map_err(|_not_text| session.refuse("secret-not-utf-8", &[]))?;
    match line.trim_end_matches(['\r', '\n']) {
        "" => Err(session.refuse("secret-empty", &[])),
        secret if password::normal(secret).is_none() => Err(session.refuse("secret-too-long", &[])),
        secret => Ok(secret.to_owned()),
    }
}

/// Reads while the terminal does not echo; one that cannot do that shows what is typed.
fn unseen<T>(input: &mut std::io::Stdin, read: impl FnOnce() -> T) -> T {
    let Ok(before) = tcgetattr(&*input) else {
        return read();
    };
    let mut silent = before.clone();
    silent.local_flags.remove(LocalFlags::ECHO);
    let is_silent = tcsetattr(&*input, SetArg::TCSAFLUSH, &silent).is_ok();
    let read = read();
    if is_silent {
        // Nothing better is left to try when this fails.
        let _restored = tcsetattr(&*input, SetArg::TCSAFLUSH, &before);
    }
    read
}

/// A password of 12 readable characters with capital and small letters and digits: no 0 and O, no
/// 1, l and I.
pub(super) fn make() -> Result<String, Failure> {
    const CAPITALS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ";
    const SMALL: &[u8] = b"abcdefghijkmnpqrstuvwxyz";
    const DIGITS: &[u8] = b"23456789";
    let alphabets = [CAPITALS, SMALL, DIGITS, SMALL].into_iter().cycle();
    alphabets.take(12).map(pick).collect()
}

/// One of `alphabet`, each with the same chance.
fn pick(alphabet: &[u8]) -> Result<char, Failure> {
    let fair = 256 - 256 % alphabet.len();
    loop {
        let mut byte = [0];
        rand_bytes(&mut byte).map_err(|fault| Failure::Said(fault.to_string()))?;
        let number = usize::from(byte[0]);
        if number < fair
            && let Some(letter) = alphabet.get(number % alphabet.len())
        {
            return Ok(char::from(*letter));
        }
    }
}

/// Whether a password is what an administrator's has to be.
pub(super) fn is_strong(password: &str) -> bool {
    password.chars().count() >= 8
        && password.chars().any(char::is_uppercase)
        && password.chars().any(char::is_lowercase)
        && password.chars().any(char::is_numeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_password_is_strong_and_never_the_same() {
        let made: Vec<String> = (0..50).map(|_| make().unwrap()).collect();
        assert!(made.iter().all(|password| is_strong(password)), "{made:?}");
        let different: std::collections::HashSet<&String> = made.iter().collect();
        assert_eq!(different.len(), made.len());
        assert!(!is_strong("abcdefgh1") && !is_strong("Abc1"));
    }
}
