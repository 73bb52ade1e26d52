//! `gateway hash`: a password or a barcode from stdin, made fit for a YAML user.

use std::io::{BufRead, IsTerminal};

use serde_json::json;

use super::{Failure, Outcome, Session};
use crate::login;

/// One line from stdin; a terminal is told what to type.
pub(super) fn run(session: &Session) -> Outcome {
    if std::io::stdin().is_terminal() {
        eprintln!("{}", session.say("hash-type", &[]));
    }
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    let secret = line.trim_end_matches(['\r', '\n']);
    let made = read
        .map_err(Into::into)
        .and_then(|_| login::hash_for_yaml(&session.data, secret))
        .map_err(|fault: anyhow::Error| Failure::Said(format!("{fault:#}")))?;
    let answer = json!({"password": made.password, "index": made.index});
    session.show(&answer, |_| {
        out!("password: {}\nindex: {}", made.password, made.index);
    })
}
