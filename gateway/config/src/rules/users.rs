//! The users of one database: whom a login could mean, and whose a password could be.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;

use super::View;
use crate::{Cause, finding::Findings, tree::Value};

pub(super) fn check(database: &View<'_>, findings: &mut Findings) {
    let users = database.items("users");
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
            let login = text.nfc().collect::<String>().trim().to_lowercase();
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
