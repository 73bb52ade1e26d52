//! Our own authority: a root that devices install once, and what it signs.
//!
//! ```text
//! tls/authority/root.pem          the root's certificate: what devices are given
//! tls/authority/root.key          its key, encrypted; absent: moved away by the administrator
//! tls/authority/authority.json    what the root permits
//! secrets/authority.key           the passphrase of root.key
//! ```
//!
//! The passphrase keeps the key from who has a copy of the folder `tls`, or the file that was moved
//! away; it does not keep it from who reads the whole data folder of a gateway that has its key.
//!
//! A root is made once. The folder appears whole or not at all, and nothing here replaces it: every
//! device that trusts the old root would be locked out.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use openssl::{
    asn1::Asn1Time,
    error::ErrorStack,
    hash::MessageDigest,
    pkey::{Id, PKey, PKeyRef, Private},
    stack::Stack,
    symm::Cipher,
    x509::{
        X509, X509Builder, X509PurposeId, X509Ref, X509StoreContext,
        extension::{
            AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage,
            SubjectKeyIdentifier,
        },
        store::X509StoreBuilder,
        verify::{X509VerifyFlags, X509VerifyParam},
    },
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub use self::constraint::Constraint;
use crate::{
    Certificate, KeyKind, Name, Pair, PairError, StoreError, Validity,
    make::{self, LEAF_DAYS, alternative_names, common_name},
    pair::called,
    plan::Wish,
    store::replace,
    validity::{self, DAY},
};

mod constraint;

const ROOT_DAYS: u32 = 3652;
/// Where a root is made, before it takes its place; what a killed process has left goes.
const BESIDE: &str = "authority.new";

/// Where an authority lies, whether or not there is one.
#[derive(Clone, Debug)]
pub struct Authority {
    folder: PathBuf,
    passphrase: PathBuf,
}

/// The root as devices see it.
#[derive(Clone, Debug)]
pub struct Root {
    pub certificate: X509,
    /// What it may sign; empty: everything.
    pub constraints: Vec<Constraint>,
    /// Whether the key lies here, so that certificates renew by themselves.
    pub has_key: bool,
}

/// Where the root's key comes from.
#[derive(Clone, Copy)]
pub enum RootKey<'a> {
    /// The data folder.
    Kept,
    /// What was moved away, as its file has it.
    Given(&'a [u8]),
}

#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error("there is no authority yet")]
    NoRoot,
    #[error("the authority is there already, for {}", listed(.0))]
    Exists(Vec<Constraint>),
    #[error("{} exists without its certificate", .0.display())]
    Incomplete(PathBuf),
    #[error("{} is gone, and the passphrase of its key is not", .0.display())]
    Lost(PathBuf),
    #[error("the root's key has been moved away")]
    KeyAway,
    #[error("{}: the passphrase of the root's key is missing", .0.display())]
    NoPassphrase(PathBuf),
    #[error("this is not the root's key, or not with this data folder's passphrase")]
    WrongKey,
    #[error("the root does not permit {}", listed(.0))]
    NotPermitted(Vec<Name>),
    #[error("there is no name that the root permits")]
    NoName,
    #[error("the root has ended")]
    Ended,
    #[error("what the root has signed does not verify: {0}")]
    Unfit(String),
    #[error("{}: {source}", file.display())]
    File { file: PathBuf, source: io::Error },
    #[error("{}: {source}", file.display())]
    Certificate { file: PathBuf, source: ErrorStack },
    #[error("{}: {source}", file.display())]
    Json {
        file: PathBuf,
        source: serde_json::Error,
    },
    #[error("{0}")]
    OpenSsl(#[from] ErrorStack),
    #[error("{0}")]
    Pair(#[from] PairError),
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// `authority.json`.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    constraints: Vec<Constraint>,
}

impl Root {
    #[must_use]
    pub fn validity(&self) -> Validity {
        Validity::of(&self.certificate)
    }

    /// Whether terminals that know RSA alone can verify what it signs.
    #[must_use]
    pub fn is_rsa(&self) -> bool {
        let key = self.certificate.public_key();
        key.is_ok_and(|key| key.id() == Id::RSA)
    }

    /// Its common name.
    #[must_use]
    pub fn holder(&self) -> String {
        called(self.certificate.subject_name())
    }

    /// Whether the root, and nothing else, vouches for `certificate` at this moment.
    fn vouches(&self, certificate: &X509Ref, purpose: X509PurposeId) -> Result<(), AuthorityError> {
        let mut parameters = X509VerifyParam::new()?;
        parameters.set_flags(X509VerifyFlags::X509_STRICT)?;
        let mut store = X509StoreBuilder::new()?;
        store.set_purpose(purpose)?;
        store.set_param(&parameters)?;
        store.add_cert(self.certificate.clone())?;
        let (store, chain) = (store.build(), Stack::new()?);
        let mut context = X509StoreContext::new()?;
        let verdict = context.init(&store, certificate, &chain, |context| {
            let good = context.verify_cert()?;
            Ok((!good).then(|| context.error()))
        })?;
        match verdict {
            None => Ok(()),
            Some(cause) => Err(AuthorityError::Unfit(cause.error_string().to_owned())),
        }
    }
}

impl Authority {
    #[must_use]
    pub fn of(data: &Path) -> Self {
        Self {
            folder: data.join("tls").join("authority"),
            passphrase: data.join("secrets").join("authority.key"),
        }
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    #[must_use]
    pub fn root_file(&self) -> PathBuf {
        self.folder.join("root.pem")
    }

    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        self.folder.join("root.key")
    }

    /// There is none, and there was one: what it has signed may be out there.
    pub fn is_lost(&self) -> Result<bool, AuthorityError> {
        Ok(self.root()?.is_none() && self.read(&self.passphrase)?.is_some())
    }

    /// `None`: none has been made.
    pub fn root(&self) -> Result<Option<Root>, AuthorityError> {
        let Some(pem) = self.read(&self.root_file())? else {
            return match self.folder.exists() {
                true => Err(AuthorityError::Incomplete(self.folder.clone())),
                false => Ok(None),
            };
        };
        let certificate = X509::from_pem(&pem).map_err(|source| AuthorityError::Certificate {
            file: self.root_file(),
            source,
        })?;
        let file = self.folder.join("authority.json");
        let kept: Kept = match self.read(&file)? {
            Some(bytes) => serde_json::from_slice(&bytes)
                .map_err(|source| AuthorityError::Json { file, source })?,
            None => Kept::default(),
        };
        Ok(Some(Root {
            certificate,
            constraints: kept.constraints,
            has_key: self.key_file().exists(),
        }))
    }

    /// The root there is, else a new one with such a key. One with other constraints is refused:
    /// what a root permits cannot be changed.
    pub fn root_or_new(
        &self,
        host: &str,
        constraints: &[Constraint],
        kind: KeyKind,
    ) -> Result<Root, AuthorityError> {
        match self.root()? {
            None => {
                self.make_root(host, constraints, kind)?;
                self.root()?.ok_or(AuthorityError::NoRoot)
            }
            Some(root) if constraints.is_empty() || same(&root.constraints, constraints) => {
                Ok(root)
            }
            Some(root) => Err(AuthorityError::Exists(root.constraints)),
        }
    }

    fn make_root(
        &self,
        host: &str,
        constraints: &[Constraint],
        kind: KeyKind,
    ) -> Result<(), AuthorityError> {
        let key = kind.generate()?;
        let certificate = root_certificate(&key, host, constraints)?;
        let passphrase = self.passphrase_or_new()?;
        let encrypted =
            key.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), &passphrase)?;
        let kept = Kept {
            constraints: constraints.to_vec(),
        };
        let file = self.folder.join("authority.json");
        let kept = serde_json::to_vec_pretty(&kept)
            .map_err(|source| AuthorityError::Json { file, source })?;
        let tls = self.folder.parent().unwrap_or(Path::new("."));
        let made = || {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(tls)?;
            match fs::remove_dir_all(tls.join(BESIDE)) {
                Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(fault),
                Ok(()) | Err(_) => {}
            }
            tempfile::Builder::new()
                .prefix(BESIDE)
                .rand_bytes(0)
                .permissions(fs::Permissions::from_mode(0o700))
                .tempdir_in(tls)
        };
        let fault = |source| AuthorityError::File {
            file: self.folder.clone(),
            source,
        };
        let folder = made().map_err(fault)?;
        for (name, mode, bytes) in [
            ("root.key", 0o600, encrypted),
            ("authority.json", 0o600, kept),
            ("root.pem", 0o644, certificate.to_pem()?),
        ] {
            replace(&folder.path().join(name), mode, &bytes)?;
        }
        fs::rename(folder.path(), &self.folder)
            .and_then(|()| fs::File::open(tls)?.sync_all())
            .map_err(fault)
    }

    /// One pair for each wished key, for `wish.names` and those of this machine.
    pub fn issue(
        &self,
        wish: &Wish,
        machine: &[Name],
        key: RootKey<'_>,
    ) -> Result<Certificate, AuthorityError> {
        let root = self.root()?.ok_or(AuthorityError::NoRoot)?;
        let signer = self.key(&root, key)?;
        let names = leaf_names(&root.constraints, &wish.names, machine)?;
        let pairs = wish.keys.iter().map(|kind| {
            let (builder, own) = begin_leaf(&root, *kind, &holder(&names), LEAF_DAYS)?;
            let leaf = server_leaf(builder, &root, &names, *kind, &signer)?;
            root.vouches(&leaf, X509PurposeId::SSL_SERVER)?;
            Ok(Pair::new(leaf, Vec::new(), own)?)
        });
        let pairs: Result<Vec<Pair>, AuthorityError> = pairs.collect();
        Certificate::new(pairs?).ok_or_else(|| {
            let file = self.folder.clone();
            StoreError::NotOneOfAKind { file }.into()
        })
    }

    /// For a client; the name is for people.
    pub(crate) fn issue_device(
        &self,
        name: &str,
        days: u32,
        kind: KeyKind,
        key: RootKey<'_>,
    ) -> Result<Pair, AuthorityError> {
        let root = self.root()?.ok_or(AuthorityError::NoRoot)?;
        let signer = self.key(&root, key)?;
        // As in `holder`: the space keeps a name from being taken for one of DNS.
        let (mut builder, own) = begin_leaf(&root, kind, &format!("{name} (device)"), days)?;
        let usage = KeyUsage::new().critical().digital_signature().build()?;
        builder.append_extension(usage)?;
        builder.append_extension(ExtendedKeyUsage::new().client_auth().build()?)?;
        let leaf = sign(builder, &root, &signer)?;
        root.vouches(&leaf, X509PurposeId::SSL_CLIENT)?;
        Ok(Pair::new(leaf, Vec::new(), own)?)
    }

    /// The encrypted key, to be put elsewhere.
    pub fn encrypted_key(&self) -> Result<Zeroizing<Vec<u8>>, AuthorityError> {
        self.read(&self.key_file())?.ok_or(AuthorityError::KeyAway)
    }

    /// Forgets the key; `elsewhere` is what [`Self::encrypted_key`] gave and lies elsewhere now.
    pub fn forget_key(&self, elsewhere: &[u8]) -> Result<(), AuthorityError> {
        let root = self.root()?.ok_or(AuthorityError::NoRoot)?;
        self.key(&root, RootKey::Given(elsewhere))?;
        let file = self.key_file();
        match fs::remove_file(&file) {
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => Err(AuthorityError::KeyAway),
            removed => removed.map_err(|source| AuthorityError::File { file, source }),
        }
    }

    fn key(&self, root: &Root, key: RootKey<'_>) -> Result<PKey<Private>, AuthorityError> {
        let kept;
        let pem = match key {
            RootKey::Given(pem) => pem,
            RootKey::Kept => {
                kept = self.encrypted_key()?;
                &kept
            }
        };
        let passphrase = self.read(&self.passphrase)?;
        let passphrase =
            passphrase.ok_or_else(|| AuthorityError::NoPassphrase(self.passphrase.clone()))?;
        let key = PKey::private_key_from_pem_passphrase(pem, passphrase.trim_ascii());
        let key = key.map_err(|_unreadable| AuthorityError::WrongKey)?;
        match root.certificate.public_key()?.public_eq(&key) {
            true => Ok(key),
            false => Err(AuthorityError::WrongKey),
        }
    }

    /// One that is there already may open a key that was moved away: it stays.
    fn passphrase_or_new(&self) -> Result<Zeroizing<Vec<u8>>, AuthorityError> {
        let kept = self.read(&self.passphrase)?;
        if let Some(kept) = kept.filter(|kept| !kept.trim_ascii().is_empty()) {
            return Ok(Zeroizing::new(kept.trim_ascii().to_vec()));
        }
        let mut random = Zeroizing::new([0_u8; 32]);
        openssl::rand::rand_bytes(&mut *random)?;
        let passphrase = Zeroizing::new(hex::encode(*random).into_bytes());
        replace(&self.passphrase, 0o600, &passphrase)?;
        Ok(passphrase)
    }

    pub(crate) fn read(&self, file: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, AuthorityError> {
        match fs::read(file) {
            Ok(bytes) => Ok(Some(Zeroizing::new(bytes))),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(AuthorityError::File {
                file: file.to_owned(),
                source,
            }),
        }
    }
}

/// The names of a leaf under a root with these `constraints`: the wished ones, every one of which it
/// has to permit, and those of this machine as far as it does.
pub fn leaf_names(
    constraints: &[Constraint],
    wished: &[Name],
    machine: &[Name],
) -> Result<Vec<Name>, AuthorityError> {
    let permits =
        |name: &&Name| constraints.is_empty() || constraints.iter().any(|one| one.permits(name));
    let foreign: Vec<Name> = wished
        .iter()
        .filter(|name| !permits(name))
        .cloned()
        .collect();
    if !foreign.is_empty() {
        return Err(AuthorityError::NotPermitted(foreign));
    }
    // A wished name first: it becomes the common name.
    let mut names = Vec::new();
    for name in wished.iter().chain(machine.iter().filter(permits)) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    match names.is_empty() {
        true => Err(AuthorityError::NoName),
        false => Ok(names),
    }
}

fn root_certificate(
    key: &PKeyRef<Private>,
    host: &str,
    constraints: &[Constraint],
) -> Result<X509, ErrorStack> {
    let name = common_name(&format!("Smarts Gateway, {host}"))?;
    let mut builder = make::builder(ROOT_DAYS)?;
    builder.set_subject_name(&name)?;
    builder.set_issuer_name(&name)?;
    builder.set_pubkey(key)?;
    builder.append_extension(BasicConstraints::new().critical().ca().pathlen(0).build()?)?;
    let usage = KeyUsage::new()
        .critical()
        .key_cert_sign()
        .crl_sign()
        .build();
    builder.append_extension(usage?)?;
    let identifier = SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None))?;
    builder.append_extension(identifier)?;
    if !constraints.is_empty() {
        builder.append_extension(constraint::extension(constraints)?)?;
    }
    builder.sign(key, MessageDigest::sha256())?;
    Ok(builder.build())
}

/// A certificate of `holder` with a fresh key, that does not outlive the root.
fn begin_leaf(
    root: &Root,
    kind: KeyKind,
    holder: &str,
    days: u32,
) -> Result<(X509Builder, PKey<Private>), AuthorityError> {
    let now = validity::now();
    let end = (now + i64::from(days) * DAY).min(root.validity().until);
    if end <= now {
        return Err(AuthorityError::Ended);
    }
    let key = kind.generate()?;
    let mut builder = make::builder(days)?;
    builder.set_not_after(&*Asn1Time::from_unix(end)?)?;
    builder.set_subject_name(&*common_name(holder)?)?;
    builder.set_issuer_name(root.certificate.subject_name())?;
    builder.set_pubkey(&key)?;
    builder.append_extension(BasicConstraints::new().critical().build()?)?;
    Ok((builder, key))
}

fn server_leaf(
    mut builder: X509Builder,
    root: &Root,
    names: &[Name],
    kind: KeyKind,
    signer: &PKeyRef<Private>,
) -> Result<X509, ErrorStack> {
    let mut usage = KeyUsage::new();
    usage.critical().digital_signature();
    if kind != KeyKind::P256 {
        // Old terminals encrypt to the key.
        usage.key_encipherment();
    }
    builder.append_extension(usage.build()?)?;
    builder.append_extension(ExtendedKeyUsage::new().server_auth().build()?)?;
    let alternative = alternative_names(names, &builder.x509v3_context(None, None))?;
    builder.append_extension(alternative)?;
    sign(builder, root, signer)
}

fn sign(
    mut builder: X509Builder,
    root: &Root,
    signer: &PKeyRef<Private>,
) -> Result<X509, ErrorStack> {
    let issuer = Some(&*root.certificate);
    let subject = SubjectKeyIdentifier::new().build(&builder.x509v3_context(issuer, None))?;
    builder.append_extension(subject)?;
    let mut authority = AuthorityKeyIdentifier::new();
    let authority = authority
        .keyid(true)
        .build(&builder.x509v3_context(issuer, None))?;
    builder.append_extension(authority)?;
    builder.sign(signer, MessageDigest::sha256())?;
    Ok(builder.build())
}

/// A common name that looks like a DNS name is taken for one where there is no other, and the root
/// may not permit it: the space keeps an address from that.
fn holder(names: &[Name]) -> String {
    let dns = |name: &&Name| matches!(name, Name::Dns(_));
    let outside = names.iter().find(|name| dns(name) && !name.is_loopback());
    match (outside.or(names.iter().find(dns)), names.first()) {
        (Some(dns), _) => dns.to_string(),
        (None, Some(ip)) => format!("Smarts Gateway {ip}"),
        (None, None) => "Smarts Gateway".to_owned(),
    }
}

fn same(one: &[Constraint], other: &[Constraint]) -> bool {
    let all_in = |these: &[Constraint], those: &[Constraint]| {
        these.iter().all(|constraint| those.contains(constraint))
    };
    all_in(one, other) && all_in(other, one)
}

fn listed(all: &[impl ToString]) -> String {
    let all: Vec<String> = all.iter().map(ToString::to_string).collect();
    all.join(", ")
}

#[cfg(test)]
mod tests;
