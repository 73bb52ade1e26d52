//! The files of certificates: whether they are there, and where the file names them. What is in
//! them is judged by who knows certificates.

use std::path::{Path, PathBuf};

use super::View;
use crate::{
    Cause, CertificatePair, Finding, file,
    finding::Findings,
    tree::{Mark, Node},
};

pub(super) fn are_there(above: &View<'_>, findings: &mut Findings) {
    if let Some(chain) = above.at(&["certificate", "chain"])
        && let Some(text) = chain.text()
        && let Err(cause) = file::present(Path::new(text))
    {
        chain.add(cause, findings);
    }
    super::secret_is_private(above.at(&["certificate", "key"]), findings);
}

/// A certificate that the file names for ports with https.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPair {
    pub files: CertificatePair,
    file: String,
    chain: Place,
    key: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    mark: Mark,
    path: String,
}

impl NamedPair {
    /// At the place where the chain is named.
    #[must_use]
    pub fn of_chain(&self, cause: Cause) -> Finding {
        Finding::new(&self.file, self.chain.mark, &self.chain.path, cause)
    }

    /// At the place where the key is named.
    #[must_use]
    pub fn of_key(&self, cause: Cause) -> Finding {
        Finding::new(&self.file, self.key.mark, &self.key.path, cause)
    }
}

/// In the order of the file's rules: the default, the server port's, the databases'.
pub(crate) fn named(root: &Node, file: &str) -> Vec<NamedPair> {
    let root = View::of(root);
    let served = |above: &View<'_>| !above.get("https").is_some_and(|https| https.is_false());
    let below = root
        .get("server")
        .into_iter()
        .chain(root.items("databases"));
    let all = below.filter(served).collect::<Vec<_>>();
    let all = std::iter::once(&root).chain(&all);
    all.filter_map(|above| pair(above, file)).collect()
}

fn pair(above: &View<'_>, file: &str) -> Option<NamedPair> {
    let chain = above.at(&["certificate", "chain"])?;
    let key = above.at(&["certificate", "key"])?;
    let path = |view: &View<'_>| view.text().map(PathBuf::from);
    let place = |view: View<'_>| Place {
        mark: view.node.mark,
        path: view.path,
    };
    Some(NamedPair {
        files: CertificatePair {
            chain: path(&chain)?,
            key: path(&key)?,
        },
        file: file.to_owned(),
        chain: place(chain),
        key: place(key),
    })
}
