//! The folder `tls` of a data folder: a certificate for each slot, replaced whole or not at all.
//!
//! ```text
//! tls/test.pem, test.key          the test certificate of the first start
//! tls/server/certificate.pem      key, leaf, intermediates; a second pair may follow
//! tls/server/plan.json            how it came there and how it is renewed
//! tls/server/request-ID.json      a signing request and its key, until it is answered
//! tls/server/renewal.json         what has been tried to renew it, while that fails
//! tls/server/replaced/N-….pem     imported ones that another has replaced, the last three
//! tls/database-ID/…               the same for one database
//! ```
//!
//! Files with keys have mode 0600, folders 0700.

use std::{
    fs, io,
    io::{Read, Write},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use openssl::error::ErrorStack;
use serde::de::DeserializeOwned;
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use crate::{
    Certificate, KeyKind, Pair, PairError, Plan, Slot, Validity,
    make::{self, MakeError},
    names,
    plan::Wish,
    renewal::Attempts,
    validity::{self, DAY},
};

mod replaced;

pub use replaced::Replaced;

const CERTIFICATE: &str = "certificate.pem";
const PLAN: &str = "plan.json";
const RENEWAL: &str = "renewal.json";
/// How every pair of `certificate.pem` begins.
const KEY_BEGINS: &str = "-----BEGIN PRIVATE KEY-----";
/// Hundreds of certificates; a larger file is a mistake.
const SIZE_LIMIT: u64 = 1024 * 1024;
/// A test certificate with less than this left is made anew at start.
const TEST_RENEWAL: i64 = 30 * DAY;

#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{}: {source}", file.display())]
    File { file: PathBuf, source: io::Error },
    #[error("{}: {source}", file.display())]
    Pair { file: PathBuf, source: PairError },
    #[error("{}: the key does not belong to the certificate in {}", key.display(), chain.display())]
    Mismatch { chain: PathBuf, key: PathBuf },
    #[error("{}: two pairs of a kind, or none", file.display())]
    NotOneOfAKind { file: PathBuf },
    #[error("{}: {source}", file.display())]
    Plan {
        file: PathBuf,
        source: serde_json::Error,
    },
    #[error("a certificate cannot be made: {0}")]
    Make(#[from] MakeError),
    #[error("{0}")]
    OpenSsl(#[from] ErrorStack),
}

impl Store {
    #[must_use]
    pub fn new(tls: PathBuf) -> Self {
        Self { folder: tls }
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    #[must_use]
    pub fn slot_folder(&self, slot: &Slot) -> PathBuf {
        self.folder.join(slot.folder())
    }

    /// Where a slot's pairs lie, for whoever watches.
    #[must_use]
    pub fn certificate_file(&self, slot: &Slot) -> PathBuf {
        self.slot_folder(slot).join(CERTIFICATE)
    }

    /// How they came there.
    #[must_use]
    pub fn plan_file(&self, slot: &Slot) -> PathBuf {
        self.slot_folder(slot).join(PLAN)
    }

    /// The certificate of a slot; `None`: it has none.
    pub fn load(&self, slot: &Slot) -> Result<Option<Certificate>, StoreError> {
        let file = self.certificate_file(slot);
        let bytes = match read(&file) {
            Ok(bytes) => bytes,
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StoreError::File { file, source }),
        };
        let text = Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned());
        let pairs = text.split(KEY_BEGINS).skip(1).map(|rest| {
            let pem = Zeroizing::new(format!("{KEY_BEGINS}{rest}"));
            Pair::from_pem(pem.as_bytes(), pem.as_bytes())
        });
        let pairs: Result<Vec<Pair>, PairError> = pairs.collect();
        let pairs = pairs.and_then(|pairs| match pairs.is_empty() {
            true => Err(PairError::NoCertificate),
            false => Ok(pairs),
        });
        let pairs = pairs.map_err(|source| StoreError::Pair {
            file: file.clone(),
            source,
        })?;
        let certificate = Certificate::new(pairs);
        certificate
            .map(Some)
            .ok_or(StoreError::NotOneOfAKind { file })
    }

    /// How the slot's certificate is renewed; `None`: nothing is known of it.
    pub fn plan(&self, slot: &Slot) -> Result<Option<Plan>, StoreError> {
        json(self.plan_file(slot))
    }

    /// What has been tried to renew the slot's certificate.
    pub fn attempts(&self, slot: &Slot) -> Result<Attempts, StoreError> {
        json(self.slot_folder(slot).join(RENEWAL)).map(Option::unwrap_or_default)
    }

    pub fn keep_attempts(&self, slot: &Slot, attempts: &Attempts) -> Result<(), StoreError> {
        let file = self.slot_folder(slot).join(RENEWAL);
        let attempts = serde_json::to_vec_pretty(attempts).map_err(|source| StoreError::Plan {
            file: file.clone(),
            source,
        })?;
        replace(&file, 0o600, &attempts)
    }

    /// Replaces what the slot has; where that cannot be made again, says where it is kept. A full
    /// disk is found out before anything is. The plan goes first: after a crash in between, the old
    /// certificate is renewed as the new plan says.
    pub fn install(
        &self,
        slot: &Slot,
        certificate: &Certificate,
        plan: &Plan,
    ) -> Result<Option<Replaced>, StoreError> {
        let mut pem = Zeroizing::new(Vec::new());
        for pair in certificate.pairs() {
            pem.extend_from_slice(&pair.to_pem()?);
        }
        let (file, pem_file) = (self.plan_file(slot), self.certificate_file(slot));
        let plan = serde_json::to_vec_pretty(plan).map_err(|source| StoreError::Plan {
            file: file.clone(),
            source,
        })?;
        let replaced = self.keep_replaced(slot, Some(certificate))?;
        let plan = New::write(&file, 0o600, &plan)?;
        let pem = New::write(&pem_file, 0o600, &pem)?;
        plan.keep()?;
        pem.keep()?;
        self.forget_oldest_replaced(slot)?;
        self.remove_files(slot, &[RENEWAL])?;
        Ok(replaced)
    }

    /// Whether anything of it is here, also a plan without its certificate.
    #[must_use]
    pub fn has(&self, slot: &Slot) -> bool {
        let folder = self.slot_folder(slot);
        [CERTIFICATE, PLAN]
            .iter()
            .any(|file| folder.join(file).exists())
    }

    /// The slot has no certificate then; the default serves in its place. As [`Store::install`],
    /// says where it is kept.
    pub fn remove(&self, slot: &Slot) -> Result<Option<Replaced>, StoreError> {
        let replaced = self.keep_replaced(slot, None)?;
        self.remove_files(slot, &[CERTIFICATE, PLAN, RENEWAL])?;
        self.forget_oldest_replaced(slot)?;
        Ok(replaced)
    }

    fn remove_files(&self, slot: &Slot, names: &[&str]) -> Result<(), StoreError> {
        for file in names {
            let file = self.slot_folder(slot).join(file);
            match fs::remove_file(&file) {
                Ok(()) => {}
                Err(fault) if fault.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(StoreError::File { file, source }),
            }
        }
        let folder = self.slot_folder(slot);
        match fs::File::open(&folder).and_then(|folder| folder.sync_all()) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(StoreError::File {
                file: folder,
                source,
            }),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Every slot that has a folder.
    pub fn slots(&self) -> Result<Vec<Slot>, StoreError> {
        let fault = |source| StoreError::File {
            file: self.folder.clone(),
            source,
        };
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(fault(source)),
        };
        let mut slots = Vec::new();
        for entry in entries {
            let name = entry.map_err(fault)?.file_name();
            slots.extend(name.to_str().and_then(Slot::parse));
        }
        slots.sort();
        Ok(slots)
    }

    /// The test certificate, made now if it is missing, broken or about to end, or was made while
    /// the clock was ahead.
    pub fn test(&self) -> Result<Certificate, StoreError> {
        let (chain, key) = (self.folder.join("test.pem"), self.folder.join("test.key"));
        let now = validity::now();
        let lasts =
            |validity: Validity| validity.has_begun(now) && validity.left(now) > TEST_RENEWAL;
        let pair = match load_pair(&chain, &key) {
            Ok(pair) if lasts(pair.validity()) => pair,
            Ok(_) | Err(_) => {
                let wish = Wish {
                    names: names::of_this_machine(),
                    keys: vec![KeyKind::P256],
                };
                for pair in make::self_signed(&wish)? {
                    let private = Zeroizing::new(pair.key().private_key_to_pem_pkcs8()?);
                    replace(&key, 0o600, &private)?;
                    replace(&chain, 0o644, &pair.leaf().to_pem()?)?;
                }
                load_pair(&chain, &key)?
            }
        };
        Certificate::new(vec![pair]).ok_or(StoreError::NotOneOfAKind { file: chain })
    }
}

/// `None`: there is no such file.
fn json<T: DeserializeOwned>(file: PathBuf) -> Result<Option<T>, StoreError> {
    match read(&file) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| StoreError::Plan { file, source }),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StoreError::File { file, source }),
    }
}

/// Two PEM files: a chain, the leaf first, and its key.
pub fn load_pair(chain: &Path, key: &Path) -> Result<Pair, StoreError> {
    let read = |file: &Path| {
        read(file).map_err(|source| StoreError::File {
            file: file.to_owned(),
            source,
        })
    };
    Pair::from_pem(&read(chain)?, &read(key)?).map_err(|source| {
        let file = match source {
            PairError::Mismatch => {
                let (chain, key) = (chain.to_owned(), key.to_owned());
                return StoreError::Mismatch { chain, key };
            }
            PairError::BadKey(_) | PairError::UnknownKey => key.to_owned(),
            PairError::NoCertificate | PairError::BadCertificate(_) => chain.to_owned(),
        };
        StoreError::Pair { file, source }
    })
}

/// Of a file alone: a pipe or a device would be read for ever.
pub(crate) fn read(file: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let found = fs::metadata(file)?;
    if found.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !found.is_file() {
        return Err(io::Error::other("not a file"));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    let opened = fs::File::open(file)?;
    opened.take(SIZE_LIMIT + 1).read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()) {
        Ok(size) if size <= SIZE_LIMIT => Ok(bytes),
        Ok(_) | Err(_) => Err(io::ErrorKind::FileTooLarge.into()),
    }
}

/// The file has the old bytes or the new ones, also after power loss; its folder is made.
pub fn replace(file: &Path, mode: u32, bytes: &[u8]) -> Result<(), StoreError> {
    New::write(file, mode, bytes)?.keep()
}

/// On disk beside the file that it will replace; gone again if it does not.
struct New<'a> {
    file: &'a Path,
    written: NamedTempFile,
}

impl<'a> New<'a> {
    fn write(file: &'a Path, mode: u32, bytes: &[u8]) -> Result<Self, StoreError> {
        let write = || {
            let folder = folder_of(file);
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?;
            // Always the same name: what a killed process has left is replaced, not kept for ever.
            let mut beside = file.file_name().unwrap_or_default().to_owned();
            beside.push(".new");
            match fs::remove_file(folder.join(&beside)) {
                Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(fault),
                Ok(()) | Err(_) => {}
            }
            let mut written = tempfile::Builder::new()
                .prefix(&beside)
                .rand_bytes(0)
                .permissions(fs::Permissions::from_mode(mode))
                .tempfile_in(folder)?;
            written.write_all(bytes)?;
            written.as_file().sync_all()?;
            Ok(Self { file, written })
        };
        write().map_err(|source| failed(file, source))
    }

    fn keep(self) -> Result<(), StoreError> {
        let persisted = self.written.persist(self.file);
        let kept = persisted.map_err(|fault| fault.error);
        let kept = kept.and_then(|_written| fs::File::open(folder_of(self.file))?.sync_all());
        kept.map_err(|source| failed(self.file, source))
    }
}

fn folder_of(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new("."))
}

fn failed(file: &Path, source: io::Error) -> StoreError {
    let file = file.to_owned();
    StoreError::File { file, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(keys: &[KeyKind]) -> Wish {
        Wish {
            names: vec![
                "gate.example.ru".parse().unwrap(),
                "192.0.2.1".parse().unwrap(),
            ],
            keys: keys.to_vec(),
        }
    }

    #[test]
    fn the_test_certificate_is_made_once_and_names_the_machine() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().to_owned());
        let made = store.test().unwrap();
        assert_eq!(made.thumbprint(), store.test().unwrap().thumbprint());
        let names = made.main().unwrap().names();
        // What the system's own program says of host and interfaces; loopback it leaves out.
        let told = |option: &[&str]| {
            let told = std::process::Command::new("hostname").args(option).output();
            String::from_utf8(told.unwrap().stdout).unwrap()
        };
        let machine = told(&[]) + &told(&["--all-ip-addresses"]) + "localhost 127.0.0.1";
        for name in machine.split_whitespace() {
            assert!(
                names.contains(&name.parse().unwrap()),
                "{name} in {names:?}"
            );
        }
        assert_eq!(made.main().unwrap().key_words(), "P-256");
        let days = made.main().unwrap().validity().days_left(validity::now());
        assert!((396..=397).contains(&days), "{days}");
    }

    #[test]
    fn a_key_of_another_certificate_is_refused_by_its_file() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [one, other] = folders.each_ref().map(|folder| {
            Store::new(folder.path().to_owned()).test().unwrap();
            folder.path()
        });
        let fault = load_pair(&one.join("test.pem"), &other.join("test.key")).unwrap_err();
        assert!(fault.to_string().starts_with(&other.display().to_string()));
        assert!(matches!(fault, StoreError::Mismatch { .. }));
    }

    #[test]
    fn a_slot_keeps_two_pairs_and_its_plan_readable_by_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("tls"));
        let slot = Slot::Database("a".parse().unwrap());
        assert!(store.load(&slot).unwrap().is_none());
        let wish = wish(&[KeyKind::Rsa2048, KeyKind::P256]);
        let made = Certificate::new(make::self_signed(&wish).unwrap()).unwrap();
        let plan = Plan::SelfSigned(wish);
        store.install(&slot, &made, &plan).unwrap();
        let kept = store.load(&slot).unwrap().unwrap();
        assert_eq!(kept.thumbprint(), made.thumbprint());
        assert_eq!(kept.main().unwrap().key_words(), "P-256");
        assert_eq!(store.plan(&slot).unwrap(), Some(plan));
        assert_eq!(store.slots().unwrap(), std::slice::from_ref(&slot));
        let mode = fs::metadata(store.certificate_file(&slot))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        store.remove(&slot).unwrap();
        assert!(store.load(&slot).unwrap().is_none());
    }

    #[test]
    fn a_file_without_any_pair_is_said_to_hold_no_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().to_owned());
        let file = store.certificate_file(&Slot::Server);
        replace(&file, 0o600, b"\xc3\x28 garbage").unwrap();
        let fault = store.load(&Slot::Server).unwrap_err();
        let source = PairError::NoCertificate;
        assert_eq!(
            fault.to_string(),
            StoreError::Pair { file, source }.to_string()
        );
    }

    #[test]
    fn what_a_killed_process_has_left_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().to_owned());
        let wish = wish(&[KeyKind::P256]);
        let made = Certificate::new(make::self_signed(&wish).unwrap()).unwrap();
        let plan = Plan::SelfSigned(wish);
        store.install(&Slot::Server, &made, &plan).unwrap();
        let left = store
            .certificate_file(&Slot::Server)
            .with_extension("pem.new");
        fs::write(&left, "half a key").unwrap();
        store.install(&Slot::Server, &made, &plan).unwrap();
        let names = fs::read_dir(store.slot_folder(&Slot::Server)).unwrap();
        let mut names: Vec<_> = names.map(|one| one.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [CERTIFICATE, PLAN]);
    }

    /// Runs itself once more, where no file may be longer than a KiB.
    #[test]
    fn where_a_certificate_does_not_fit_its_plan_is_not_taken_either() {
        const FULL: &str = "A_FULL_DISK";
        let wish = wish(&[KeyKind::Rsa2048]);
        let made = Certificate::new(make::self_signed(&wish).unwrap()).unwrap();
        if let Some(full) = std::env::var_os(FULL) {
            let store = Store::new(full.into());
            let refused = store.install(&Slot::Server, &made, &Plan::Imported);
            assert!(matches!(refused, Err(StoreError::File { .. })));
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().to_owned());
        let plan = Plan::Authority(wish);
        store.install(&Slot::Server, &made, &plan).unwrap();
        let name = "store::tests::where_a_certificate_does_not_fit_its_plan_is_not_taken_either";
        let full = std::process::Command::new("bash")
            .args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" --exact $1"])
            .arg(std::env::current_exe().unwrap())
            .arg(name)
            .env(FULL, folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&full.stdout);
        assert!(full.status.success() && said.contains("1 passed"), "{said}");
        assert_eq!(store.plan(&Slot::Server).unwrap(), Some(plan));
        let kept = store.load(&Slot::Server).unwrap().unwrap();
        assert_eq!(kept.thumbprint(), made.thumbprint());
        let files = fs::read_dir(store.slot_folder(&Slot::Server)).unwrap();
        assert_eq!(files.count(), 2, "nothing is left lying about");
    }

    #[test]
    fn failed_renewals_are_kept_until_the_next_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("tls"));
        let wish = wish(&[KeyKind::P256]);
        let made = Certificate::new(make::self_signed(&wish).unwrap()).unwrap();
        let plan = Plan::Authority(wish);
        store.install(&Slot::Server, &made, &plan).unwrap();
        let mut attempts = store.attempts(&Slot::Server).unwrap();
        assert_eq!(attempts, Attempts::default());
        attempts.failed(1000, "away", 0);
        store.keep_attempts(&Slot::Server, &attempts).unwrap();
        assert_eq!(store.attempts(&Slot::Server).unwrap(), attempts);
        store.install(&Slot::Server, &made, &plan).unwrap();
        assert_eq!(store.attempts(&Slot::Server).unwrap(), Attempts::default());
    }
}
