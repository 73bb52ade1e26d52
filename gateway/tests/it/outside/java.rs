//! Java's TLS, which shares nothing with ours: keytool's truststores and a client of one file.

use std::path::{Path, PathBuf};

use harness::tool::{self, Outcome};

use super::{DOCUMENT, own_file};

/// Whom Java believes.
pub(super) enum Trust {
    System,
    Store(PathBuf),
}

/// Truststores have one, though they keep no secret.
const PASSWORD: &str = "changeit";

/// A fresh truststore with this root and nothing else.
#[track_caller]
pub(super) fn truststore(folder: &Path, root: &Path) -> Trust {
    let store = folder.join("trust.p12");
    if !store.exists() {
        let (root, store) = (root.to_str().unwrap(), store.to_str().unwrap());
        let import = ["-importcert", "-noprompt", "-alias", "root", "-file", root];
        let into = ["-keystore", store, "-storepass", PASSWORD];
        let outcome = tool::run("keytool", import.iter().chain(&into), "");
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
    }
    Trust::Store(store)
}

/// Logs in at `base` and reads the document; sends one of this id where one is given.
#[track_caller]
pub(super) fn terminal(
    trust: &Trust,
    base: &str,
    name: &str,
    password: &str,
    sent: Option<&str>,
) -> Outcome {
    terminal_with([], trust, base, name, password, sent)
}

/// The same, with these options of Java's.
#[track_caller]
pub(super) fn terminal_with(
    more: impl IntoIterator<Item = String>,
    trust: &Trust,
    base: &str,
    name: &str,
    password: &str,
    sent: Option<&str>,
) -> Outcome {
    let options = match trust {
        Trust::System => Vec::new(),
        Trust::Store(store) => vec![
            format!("-Djavax.net.ssl.trustStore={}", store.display()),
            format!("-Djavax.net.ssl.trustStorePassword={PASSWORD}"),
        ],
    };
    let source = own_file("programs/Terminal.java").display().to_string();
    let errand = [base, name, password, DOCUMENT].map(str::to_owned);
    let words = options
        .into_iter()
        .chain(more)
        .chain([source])
        .chain(errand);
    tool::run("java", words.chain(sent.map(str::to_owned)), "")
}
