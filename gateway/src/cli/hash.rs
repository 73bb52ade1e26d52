//! `gateway hash`: a password or a barcode from stdin, made fit for a YAML user.

use std::io::IsTerminal;

use serde_json::json;

use super::{Outcome, Session, secret};
use crate::login;

/// One line from stdin; a terminal is told what to type.
pub(super) fn run(session: &Session) -> Outcome {
    if std::io::stdin().is_terminal() {
        eprintln!("{}", session.say("hash-type", &[]));
    }
    let secret = secret::line(session)?;
    let made = login::hash_for_yaml(&session.data, &secret).map_err(|fault| {
        let folder = session.data.display().to_string();
        let values = [
            ("folder", &*folder),
            ("cause", &session.cause(fault.as_ref())),
        ];
        session.refuse("not-started-secrets", &values)
    })?;
    let answer = json!({"password": made.password, "index": made.index});
    session.show(&answer, |_| {
        out!("password: {}\nindex: {}", made.password, made.index);
    })
}
