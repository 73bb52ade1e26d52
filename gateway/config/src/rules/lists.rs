//! The list files of a database, as far as a check of the YAML should say something about them.

use std::path::Path;

use gateway_policy::address_list::AddressList;

use super::View;
use crate::{Cause, file, finding::Findings};

pub(super) fn check(database: &View<'_>, folder: &Path, findings: &mut Findings) {
    let server = folder.join("Server");
    let key = database.get("folder");
    let at = key.as_ref().unwrap_or(database);
    if let Some(whitelist) = read(&server.join("whitelist.dat"), at, findings) {
        for everybody in whitelist.whole_families() {
            let file = server.join("whitelist.dat").display().to_string();
            let text = everybody.to_owned();
            at.add(Cause::WhitelistsEverybody { file, text }, findings);
        }
    }
    read(&server.join("blacklist.dat"), at, findings);
}

fn read(path: &Path, at: &View<'_>, findings: &mut Findings) -> Option<AddressList> {
    let file = path.display().to_string();
    let cause = match file::list(path) {
        Ok(bytes) => match AddressList::parse(&bytes?) {
            Ok(list) => return Some(list),
            Err(fault) => Cause::ListDamaged {
                file,
                line: fault.line.to_string(),
                text: fault.text,
            },
        },
        Err(error) => {
            let reason = error.into();
            Cause::ListUnreadable { file, reason }
        }
    };
    at.add(cause, findings);
    None
}
