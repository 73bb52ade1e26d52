//! Signing requests (PKCS#10) and the keys that wait for their answers.
//!
//! A request stays with its key until a certificate for that key is imported or the administrator
//! takes it back; another one stands beside it and destroys nothing. So an RSA and an ECDSA
//! certificate can be asked for at once, and an authority that is slow costs no answer.

use std::{fs, io, path::Path};

use openssl::{
    error::ErrorStack,
    hash::MessageDigest,
    pkey::{PKey, Private},
    sha::sha256,
    stack::Stack,
    x509::{X509NameBuilder, X509NameRef, X509Req, X509ReqBuilder},
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    KeyKind, Name, Slot, Store, StoreError,
    make::{COMMON_NAME, alternative_names, common_name},
    store,
};

/// Of a slot, beyond which an old one has to be taken back first.
pub const MOST: usize = 16;
const PREFIX: &str = "request-";
const SUFFIX: &str = ".json";

/// What an authority is to sign, and the key for its answer.
pub struct Request {
    /// Eight hex digits of the public key's hash.
    pub id: String,
    pub names: Vec<Name>,
    pub key: PKey<Private>,
    /// What is sent to the authority.
    pub pem: String,
}

/// Of one slot, what no certificate has answered.
#[derive(Debug, Default)]
pub struct Requests {
    pub waiting: Vec<Request>,
    pub damaged: Vec<Damaged>,
}

/// A request whose file cannot be read; nor can its key.
#[derive(Debug)]
pub struct Damaged {
    /// By the name of its file.
    pub id: String,
    pub cause: StoreError,
}

impl Requests {
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        let waiting = self.waiting.iter().map(|one| one.id.as_str());
        waiting.chain(self.damaged.iter().map(|one| one.id.as_str()))
    }
}

/// As it lies in the slot's folder, mode 0600.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    names: Vec<Name>,
    request: String,
    key: Zeroizing<String>,
}

impl Request {
    pub fn make(names: Vec<Name>, kind: KeyKind) -> Result<Self, ErrorStack> {
        // Authorities put it into the subject; a name goes there before an address. Cut short it
        // would be another name, for which they issue nothing.
        let fit = || {
            names
                .iter()
                .filter(|name| name.to_string().len() <= COMMON_NAME)
        };
        let first = fit().find(|name| matches!(name, Name::Dns(_)));
        match first.or_else(|| fit().next()) {
            Some(first) => {
                let subject = common_name(&first.to_string())?;
                Self::with_subject(names, kind, &subject)
            }
            None => Self::without_subject(names, kind),
        }
    }

    /// For ACME: Let's Encrypt reads a common name as a DNS name, also where it is an address.
    pub fn without_subject(names: Vec<Name>, kind: KeyKind) -> Result<Self, ErrorStack> {
        let nobody = X509NameBuilder::new()?.build();
        Self::with_subject(names, kind, &nobody)
    }

    fn with_subject(
        names: Vec<Name>,
        kind: KeyKind,
        subject: &X509NameRef,
    ) -> Result<Self, ErrorStack> {
        let key = kind.generate()?;
        let mut builder = X509ReqBuilder::new()?;
        builder.set_version(0)?;
        builder.set_subject_name(subject)?;
        builder.set_pubkey(&key)?;
        let alternative = alternative_names(&names, &builder.x509v3_context(None))?;
        let mut extensions = Stack::new()?;
        extensions.push(alternative)?;
        builder.add_extensions(&extensions)?;
        builder.sign(&key, MessageDigest::sha256())?;
        let pem = builder.build().to_pem()?;
        Ok(Self {
            id: id_of(&key)?,
            names,
            key,
            pem: String::from_utf8_lossy(&pem).into_owned(),
        })
    }

    fn of(kept: Kept) -> Result<Self, ErrorStack> {
        let key = PKey::private_key_from_pem(kept.key.as_bytes())?;
        X509Req::from_pem(kept.request.as_bytes())?;
        Ok(Self {
            id: id_of(&key)?,
            names: kept.names,
            key,
            pem: kept.request,
        })
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, names, .. } = self;
        f.debug_tuple("Request").field(id).field(names).finish()
    }
}

fn id_of(key: &PKey<Private>) -> Result<String, ErrorStack> {
    let hash = sha256(&key.public_key_to_der()?);
    Ok(hash
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

fn read(file: &Path) -> Result<Request, StoreError> {
    let bytes = store::read(file).map_err(|source| StoreError::File {
        file: file.to_owned(),
        source,
    })?;
    let kept = serde_json::from_slice(&bytes).map_err(|source| StoreError::Plan {
        file: file.to_owned(),
        source,
    })?;
    Request::of(kept).map_err(|_unreadable| StoreError::File {
        file: file.to_owned(),
        source: io::ErrorKind::InvalidData.into(),
    })
}

impl Store {
    /// Requests of the slot that no certificate has answered. A damaged one keeps no other from
    /// being answered.
    pub fn requests(&self, slot: &Slot) -> Result<Requests, StoreError> {
        let folder = self.slot_folder(slot);
        let fault = |source| StoreError::File {
            file: folder.clone(),
            source,
        };
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => return Ok(Requests::default()),
            Err(source) => return Err(fault(source)),
        };
        let mut found = Requests::default();
        for entry in entries {
            let name = entry.map_err(fault)?.file_name();
            let id = name
                .to_str()
                .and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX));
            let Some(id) = id else {
                continue;
            };
            match read(&folder.join(&name)) {
                Ok(request) => found.waiting.push(request),
                Err(cause) => found.damaged.push(Damaged {
                    id: id.to_owned(),
                    cause,
                }),
            }
        }
        found.waiting.sort_by(|one, other| one.id.cmp(&other.id));
        found.damaged.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(found)
    }

    /// Keeps the request and its key until [`Store::forget_request`].
    pub fn keep_request(&self, slot: &Slot, request: &Request) -> Result<(), StoreError> {
        let key = Zeroizing::new(request.key.private_key_to_pem_pkcs8()?);
        let kept = Kept {
            names: request.names.clone(),
            request: request.pem.clone(),
            key: String::from_utf8_lossy(&key).into_owned().into(),
        };
        let file = self.request_file(slot, &request.id);
        let bytes = serde_json::to_vec_pretty(&kept).map(Zeroizing::new);
        let bytes = bytes.map_err(|source| StoreError::Plan {
            file: file.clone(),
            source,
        })?;
        store::replace(&file, 0o600, &bytes)
    }

    /// Its key is gone then, unless it serves already.
    pub fn forget_request(&self, slot: &Slot, id: &str) -> Result<(), StoreError> {
        let file = self.request_file(slot, id);
        match fs::remove_file(&file) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::File { file, source })
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn request_file(&self, slot: &Slot, id: &str) -> std::path::PathBuf {
        self.slot_folder(slot).join(format!("{PREFIX}{id}{SUFFIX}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_request_leaves_the_first_ones_key_where_it_was() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("tls"));
        let names: Vec<Name> = vec![
            "gate.example.ru".parse().unwrap(),
            "192.0.2.1".parse().unwrap(),
        ];
        let slot = Slot::Server;
        assert_eq!(store.requests(&slot).unwrap().ids().count(), 0);
        for kind in [KeyKind::P256, KeyKind::Rsa2048] {
            let request = Request::make(names.clone(), kind).unwrap();
            store.keep_request(&slot, &request).unwrap();
            let file = store.request_file(&slot, &request.id);
            let mode = fs::metadata(file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let kept = store.requests(&slot).unwrap().waiting;
        assert_eq!(kept.len(), 2);
        let [one, other] = &kept[..] else { panic!() };
        assert_eq!((&one.names, &other.names), (&names, &names));
        assert_ne!(one.key.id(), other.key.id());
        store.forget_request(&slot, &one.id).unwrap();
        store.forget_request(&slot, &one.id).unwrap();
        assert_eq!(store.requests(&slot).unwrap().waiting[0].id, other.id);
        assert!(store.load(&slot).unwrap().is_none());
    }

    #[test]
    fn a_damaged_request_stands_beside_the_others_by_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().to_owned());
        let slot = Slot::Server;
        let [whole, cut, keyless] = [(); 3].map(|()| {
            let names = vec!["gate.example.ru".parse().unwrap()];
            let request = Request::make(names, KeyKind::P256).unwrap();
            store.keep_request(&slot, &request).unwrap();
            request.id
        });
        let file = |id| store.request_file(&slot, id);
        let text = fs::read(file(&cut)).unwrap();
        fs::write(file(&cut), &text[..text.len() / 2]).unwrap();
        let text = fs::read_to_string(file(&keyless)).unwrap();
        fs::write(file(&keyless), text.replace("PRIVATE", "PUBLIC")).unwrap();

        let Requests { waiting, damaged } = store.requests(&slot).unwrap();
        let [request] = &waiting[..] else {
            panic!("{waiting:?}")
        };
        assert_eq!(request.id, whole);
        let mut told: Vec<&str> = damaged.iter().map(|one| one.id.as_str()).collect();
        let mut lost = [&*cut, &keyless];
        told.sort_unstable();
        lost.sort_unstable();
        assert_eq!(told, lost);
        for one in &damaged {
            assert!(one.cause.to_string().contains(&one.id), "{one:?}");
        }
    }

    #[test]
    fn a_name_too_long_for_a_common_name_is_not_cut_to_another() {
        let long = format!("{}example.ru", "long-name.".repeat(6));
        for (names, subject) in [
            (vec![long.as_str(), "gate.ru", "192.0.2.1"], Some("gate.ru")),
            (vec![&long, "192.0.2.1"], Some("192.0.2.1")),
            (vec![&long], None),
        ] {
            let names = names.iter().map(|name| name.parse().unwrap()).collect();
            let request = Request::make(names, KeyKind::P256).unwrap();
            let sent = X509Req::from_pem(request.pem.as_bytes()).unwrap();
            let mut entries = sent.subject_name().entries();
            let told = entries
                .next()
                .map(|one| one.data().to_string().unwrap().to_string());
            assert_eq!(told.as_deref(), subject);
        }
    }

    #[test]
    fn what_is_sent_is_signed_by_its_key_and_asks_for_the_names() {
        let names: Vec<Name> = vec![
            "192.0.2.1".parse().unwrap(),
            "gate.example.ru".parse().unwrap(),
        ];
        let request = Request::make(names, KeyKind::P256).unwrap();
        let sent = X509Req::from_pem(request.pem.as_bytes()).unwrap();
        assert!(sent.verify(&request.key).unwrap());
        let text = String::from_utf8(sent.to_text().unwrap()).unwrap();
        assert!(
            text.contains("CN=gate.example.ru") || text.contains("CN = gate.example.ru"),
            "{text}"
        );
        assert!(
            text.contains("IP Address:192.0.2.1, DNS:gate.example.ru"),
            "{text}"
        );
        assert!(!format!("{request:?}").contains("PRIVATE"));
    }
}
