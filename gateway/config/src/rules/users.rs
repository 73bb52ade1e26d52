//! The users of one database: whom a login could mean, and whose a password could be.

use std::collections::{HashMap, HashSet};

use gateway_policy::{credentials::login_name, password::IndexKey};

use super::View;
use crate::{Cause, finding::Findings, tree::Value};

/// Passwords that are tried first everywhere, before letter case and what the user is called.
const TRIED_FIRST: [&str; 20] = [
    "0",
    "0000",
    "000000",
    "1",
    "111111",
    "123",
    "1234",
    "12345",
    "123456",
    "12345678",
    "123456789",
    "1q2w3e4r",
    "admin",
    "administrator",
    "qwerty",
    "password",
    "user",
    "админ",
    "администратор",
    "пароль",
];

/// The blind indexes of passwords that everybody tries, made once for all databases.
pub(super) struct DefaultPasswords {
    key: IndexKey,
    tried_first: HashSet<String>,
}

impl DefaultPasswords {
    pub(super) fn under(key: IndexKey) -> Self {
        let spelled = TRIED_FIRST.into_iter();
        let tried_first = spelled.flat_map(|word| indexes(&key, word)).collect();
        Self { key, tried_first }
    }
}

/// Of a word as it is spelled in a hurry.
fn indexes(key: &IndexKey, word: &str) -> [String; 3] {
    let mut capital: String = word.chars().take(1).flat_map(char::to_uppercase).collect();
    capital.extend(word.chars().skip(1));
    let spellings = [word.to_owned(), word.to_uppercase(), capital];
    spellings.map(|word| key.index(&word).unwrap_or_default())
}

/// `defaults` are there where the key of the blind indexes is.
pub(super) fn check(
    database: &View<'_>,
    defaults: Option<&DefaultPasswords>,
    findings: &mut Findings,
) {
    let users = database.items("users");
    if let Some(defaults) = defaults {
        nobody_has_a_default_password(&users, defaults, findings);
    }
    logins_mean_one_user(&users, findings);
    secrets_are_one_users(&users, findings);
    for user in &users {
        let (barcode, index) = (user.get("barcode"), user.get("barcode_index"));
        match (barcode, index) {
            (Some(barcode), None) => barcode.add(Cause::UserWithoutBarcodeIndex {}, findings),
            (None, Some(index)) => index.add(Cause::IndexWithoutBarcode {}, findings),
            _ => {}
        }
        if user.get("index").is_none() && matches!(user.node.value, Value::Map(_)) {
            user.add(Cause::UserWithoutIndex {}, findings);
        }
    }
}

/// A login is a name or an id, so neither may equal another user's.
fn logins_mean_one_user(users: &[View<'_>], findings: &mut Findings) {
    let mut holders: HashMap<String, &View<'_>> = HashMap::new();
    for user in users {
        for view in ["id", "name"].iter().filter_map(|key| user.get(key)) {
            let Some(text) = view.text() else { continue };
            let login = login_name(text);
            match holders.get(&login) {
                Some(holder) if holder.path != user.path => {
                    let (holder, line) = (holder.path.clone(), holder.line());
                    let name = text.to_owned();
                    view.add(Cause::DuplicateLogin { name, holder, line }, findings);
                }
                Some(_) => {}
                None => drop(holders.insert(login, user)),
            }
        }
    }
}

/// Equal indexes are equal passwords; equal hashes are copies, for a salt is never drawn twice.
fn secrets_are_one_users(users: &[View<'_>], findings: &mut Findings) {
    let mut holders: HashMap<String, &View<'_>> = HashMap::new();
    for user in users {
        for keys in [["index", "password"], ["barcode_index", "barcode"]] {
            let mut named = false;
            for key in keys {
                let Some(view) = user.get(key) else { continue };
                let text = view.text().unwrap_or_default();
                // Hexadecimal digits are the same in either case; the letters of a hash are not.
                let secret = match key.ends_with("index") {
                    true => text.to_ascii_lowercase(),
                    false => text.to_owned(),
                };
                match holders.get(&secret) {
                    Some(holder) if holder.path != user.path && !named => {
                        let (holder, line) = (holder.path.clone(), holder.line());
                        view.add(Cause::DuplicateSecret { holder, line }, findings);
                        named = true;
                    }
                    Some(_) => {}
                    None => drop(holders.insert(secret, user)),
                }
            }
        }
    }
}

/// Told by the blind index: verifying each candidate against each hash would take minutes. So a
/// user without `index` is not looked at.
fn nobody_has_a_default_password(
    users: &[View<'_>],
    defaults: &DefaultPasswords,
    findings: &mut Findings,
) {
    for user in users {
        let Some(view) = user.get("index") else {
            continue;
        };
        let index = view.text().unwrap_or_default().to_ascii_lowercase();
        let called = [user.text_of("id"), user.text_of("name")];
        let own = || {
            let mut names = called.iter().flatten();
            names.any(|name| defaults.key.index(name).is_ok_and(|own| own == index))
        };
        if defaults.tried_first.contains(&index) || own() {
            view.add(Cause::DefaultPassword {}, findings);
        }
    }
}
