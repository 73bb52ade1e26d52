//! Rules between keys, and between the file and the world around it.

use std::path::Path;

use crate::{
    Cause, Overrides, file,
    finding::Findings,
    tree::{Mark, Node},
};

/// Adds what contradicts itself. Values that do not fit their own key are skipped: `shape` named
/// them already.
pub(crate) fn check(root: &Node, _overrides: &Overrides, findings: &mut Findings) {
    if root.get("backend").is_none() && root.get("databases").is_none() {
        findings.add(Mark::START, "", Cause::NoSource {});
    }
    for database in root.get("databases").map(Node::items).unwrap_or_default() {
        if let Some(certificate) = database.get("certificate") {
            present(certificate, "chain", findings);
            private(certificate, "key", findings);
        }
    }
}

fn present(node: &Node, key: &str, findings: &mut Findings) {
    if let Some(file) = node.get(key)
        && let Some(text) = file.text()
        && let Err(cause) = file::present(Path::new(text))
    {
        findings.add(file.mark, key, cause);
    }
}

fn private(node: &Node, key: &str, findings: &mut Findings) {
    if let Some(file) = node.get(key)
        && let Some(text) = file.text()
        && let Err(cause) = file::private(Path::new(text))
    {
        findings.add(file.mark, key, cause);
    }
}
