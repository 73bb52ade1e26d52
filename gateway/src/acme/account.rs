//! Our account at an ACME server: made at the first order, its key kept in `tls/acme` (0600), one
//! for each directory.
//!
//! Whoever orders agrees to the server's terms of service; the command line says so before.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use gateway_certificates::{
    StoreError,
    plan::AcmeWish,
    store::{self, Store},
};
use instant_acme::{Account, AccountCredentials, NewAccount};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{fault::AcmeFault, http::Https};

/// What lies in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// As the server knows them.
    contacts: Vec<String>,
    /// With the private key.
    account: AccountCredentials,
}

/// The account for `wish`, made where there is none.
pub(super) async fn account(
    store: &Store,
    wish: &AcmeWish,
    https: &Https,
) -> Result<Account, AcmeFault> {
    let file = file(store, &wish.directory);
    let contacts: Vec<&str> = wish.contacts.iter().map(String::as_str).collect();
    let builder = Account::builder_with_http(Box::new(https.clone()));
    let Some(kept) = read(&file)? else {
        let new = NewAccount {
            contact: &contacts,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let created = builder.create(&new, wish.directory.clone(), None).await;
        let (account, credentials) = created?;
        tracing::info!(account = account.id(), "an account at an ACME server");
        write(&file, wish, credentials)?;
        return Ok(account);
    };
    let account = builder.from_credentials(kept.account).await?;
    if kept.contacts != wish.contacts {
        account.update_contacts(&contacts).await?;
        // Its key is taken from where it lies: it has no other copy here.
        if let Some(kept) = read(&file)? {
            write(&file, wish, kept.account)?;
        }
    }
    Ok(account)
}

/// For a server that knows it no more.
pub(super) fn forget(store: &Store, directory: &str) -> Result<(), StoreError> {
    let file = file(store, directory);
    match fs::remove_file(&file) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::File { file, source })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn read(file: &Path) -> Result<Option<Kept>, StoreError> {
    let bytes = match fs::read(file) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            let file = file.to_owned();
            return Err(StoreError::File { file, source });
        }
    };
    let kept = serde_json::from_slice(&bytes);
    kept.map(Some).map_err(|source| StoreError::Plan {
        file: file.to_owned(),
        source,
    })
}

fn write(file: &Path, wish: &AcmeWish, account: AccountCredentials) -> Result<(), StoreError> {
    let contacts = wish.contacts.clone();
    let bytes = serde_json::to_vec_pretty(&Kept { contacts, account });
    let bytes = bytes.map(Zeroizing::new).map_err(|source| {
        let file = file.to_owned();
        StoreError::Plan { file, source }
    })?;
    store::replace(file, 0o600, &bytes)
}

/// Named after the server, and after the hash of the whole URL.
fn file(store: &Store, directory: &str) -> PathBuf {
    let host = directory.split('/').nth(2).unwrap_or_default();
    let host = host
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || ".-".contains(*c));
    let host: String = host.take(64).collect();
    let hash = hex::encode(Sha256::digest(directory.as_bytes()));
    let hash: String = hash.chars().take(16).collect();
    store
        .folder()
        .join("acme")
        .join(format!("{host}-{hash}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_directory_has_a_file_of_its_own_and_none_leads_out_of_the_folder() {
        let store = Store::new("tls".into());
        let of = |url: &str| file(&store, url);
        assert_ne!(of("https://a.example/1"), of("https://a.example/2"));
        for url in [
            "https://a.example/1",
            "../../x",
            "https://..%2f..",
            "//../..//",
        ] {
            let file = of(url);
            assert_eq!(file.parent(), Some(store.folder().join("acme").as_path()));
            assert!(file.extension().is_some());
        }
    }
}
