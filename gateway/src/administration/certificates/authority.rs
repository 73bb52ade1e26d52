//! Our own authority: its root made and shown, certificates issued for a slot, its key moved away.
//!
//! The key leaves in two steps: it is given out, and forgotten only when the command line says that
//! it lies on a disk elsewhere.

use ::words::Cause;
use backend_types::Language;
use gateway_certificates::{
    KeyKind, Name, Plan, Slot, Store,
    authority::{self, Authority, AuthorityError, Constraint, Root, RootKey},
    names,
    plan::Wish,
    validity,
};
use openssl::hash::MessageDigest;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Changed, words::Speaker};
use crate::{
    administration::{Administration, Refused, blocking},
    certificates::{day, store_words},
};

/// No `Debug`: it may hold the root's key, encrypted.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthorityWish {
    /// Neither names nor keys: as in the certificate that it replaces.
    pub(crate) names: Vec<Name>,
    pub(crate) keys: Vec<KeyKind>,
    /// Of the root, if it is made now.
    pub(crate) constraints: Vec<Constraint>,
    /// What was moved away, for this once; base64.
    pub(crate) root_key: Option<String>,
    /// The root's key is to be moved away.
    pub(crate) take_root_key: bool,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Issued {
    #[serde(flatten)]
    pub(crate) changed: Changed,
    pub(crate) root: RootReport,
    /// Encrypted, base64; here until [`KeyAway`] comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) root_key: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RootReport {
    pub(crate) file: String,
    pub(crate) holder: String,
    pub(crate) expires: String,
    pub(crate) thumbprint_sha1: String,
    pub(crate) thumbprint_sha256: String,
    pub(crate) constraints: Vec<String>,
    /// Whether certificates renew by themselves.
    pub(crate) has_key: bool,
    pub(crate) made_now: bool,
}

/// The root's key lies elsewhere: base64 of what lies there.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyAway {
    pub(crate) root_key: String,
}

impl Administration {
    pub(in crate::administration) async fn issue_from_authority(
        &self,
        slot: Slot,
        wish: AuthorityWish,
        language: Language,
    ) -> Result<Issued, Refused> {
        self.refuse_named_files(&slot, language).await?;
        let speaker = Speaker(language);
        let (store, authority) = (self.world.certificate_store(), self.world.authority());
        let (of, take) = (slot.clone(), wish.take_root_key);
        let _one_change = self.world.installing.lock().await;
        let done = blocking(move || issued(&store, &authority, &of, wish, speaker));
        let (certificate, plan, root, mut notes) = done.await?;
        let installed = self.world.put(&slot, certificate, plan).await;
        let replaced = installed.map_err(|fault| speaker.install(fault))?;
        notes.extend(speaker.replaced(&slot, replaced));
        self.world.trust_changed().await;
        let authority = self.world.authority();
        let root_key = blocking(move || {
            match take {
                true => authority.encrypted_key().map(Some),
                false => Ok(None),
            }
            .map_err(|fault| speaker.authority(&fault))
        })
        .await?;
        Ok(Issued {
            changed: self.changed(&slot, notes, language).await?,
            root,
            root_key: root_key.map(|key| openssl::base64::encode_block(&key)),
        })
    }

    pub(in crate::administration) async fn root_key_away(
        &self,
        away: KeyAway,
        language: Language,
    ) -> Result<RootReport, Refused> {
        let (authority, speaker) = (self.world.authority(), Speaker(language));
        let _one_change = self.world.installing.lock().await;
        let report = blocking(move || {
            let fault = |fault| speaker.authority(&fault);
            let key = decoded(&away.root_key).map_err(fault)?;
            authority.forget_key(&key).map_err(fault)?;
            tracing::warn!(target: "security", "the root's key has been moved away");
            root_report(&authority, false).map_err(fault)
        })
        .await?;
        self.world.renewals.look_again();
        Ok(report)
    }

    pub(in crate::administration) async fn root(
        &self,
        language: Language,
    ) -> Result<RootReport, Refused> {
        let (authority, speaker) = (self.world.authority(), Speaker(language));
        blocking(move || root_report(&authority, false).map_err(|fault| speaker.authority(&fault)))
            .await
    }
}

type Made = (
    gateway_certificates::Certificate,
    Plan,
    RootReport,
    Vec<String>,
);

/// What is wrong is found before a root is made.
fn issued(
    store: &Store,
    authority: &Authority,
    slot: &Slot,
    wish: AuthorityWish,
    speaker: Speaker,
) -> Result<Made, Refused> {
    let fault = |fault| speaker.authority(&fault);
    let AuthorityWish {
        names,
        keys,
        constraints,
        root_key,
        take_root_key,
    } = wish;
    // A plan that cannot be read stands in nobody's way who says the names himself.
    let before = match names.is_empty() {
        true => store.plan(slot).map_err(|fault| speaker.store(&fault))?,
        false => None,
    };
    let mut wish = match before {
        Some(Plan::Authority(before)) => before,
        _ => Wish {
            names,
            keys: vec![KeyKind::P256],
        },
    };
    if !keys.is_empty() {
        wish.keys = keys;
    }
    let rsa = wish
        .keys
        .iter()
        .filter(|key| **key != KeyKind::P256)
        .count();
    if rsa > 1 || wish.keys.len() - rsa > 1 {
        return Err(speaker.refuse("two-keys", &[]));
    }
    let machine = names::of_this_machine();
    let known = authority.root().map_err(fault)?;
    let permitted = known
        .as_ref()
        .map_or(&constraints, |root| &root.constraints);
    let in_leaf = authority::leaf_names(permitted, &wish.names, &machine).map_err(fault)?;
    let key = root_key
        .as_deref()
        .map(decoded)
        .transpose()
        .map_err(fault)?;
    let here = known.as_ref().is_none_or(|root| root.has_key);
    if !here && (key.is_none() || take_root_key) {
        return Err(fault(AuthorityError::KeyAway));
    }
    let needs_rsa = rsa > 0;
    let kind = match needs_rsa {
        true => KeyKind::Rsa3072,
        false => KeyKind::P256,
    };
    let (root, is_new) = root_or_new(authority, &constraints, kind).map_err(fault)?;
    let key = key
        .as_ref()
        .map_or(RootKey::Kept, |key| RootKey::Given(key));
    let certificate = authority.issue(&wish, &machine, key).map_err(fault)?;
    let mut notes = Vec::new();
    if is_new {
        notes.push(speaker.note("root-made", &[]));
    }
    if needs_rsa && !root.is_rsa() {
        notes.push(speaker.note("root-not-rsa", &[]));
    }
    let left_out: Vec<Name> = machine
        .into_iter()
        .filter(|name| !in_leaf.contains(name))
        .collect();
    if !left_out.is_empty() {
        let names = Name::listed(&left_out);
        notes.push(speaker.note("names-left-out", &[("names", &names)]));
    }
    let report = root_report(authority, is_new).map_err(fault)?;
    Ok((certificate, Plan::Authority(wish), report, notes))
}

/// Whether it has been made now, too.
pub(super) fn root_or_new(
    authority: &Authority,
    constraints: &[Constraint],
    kind: KeyKind,
) -> Result<(Root, bool), AuthorityError> {
    let is_new = authority.root()?.is_none();
    let host = names::host_name().unwrap_or_else(|| "localhost".to_owned());
    let root = authority.root_or_new(&host, constraints, kind)?;
    if is_new {
        tracing::warn!(target: "security", "the root of our own authority has been made");
    }
    Ok((root, is_new))
}

fn root_report(authority: &Authority, made_now: bool) -> Result<RootReport, AuthorityError> {
    let root: Root = authority.root()?.ok_or(AuthorityError::NoRoot)?;
    let thumbprint = |digest| {
        let digest = root.certificate.digest(digest);
        digest.map(hex::encode_upper)
    };
    Ok(RootReport {
        file: authority.root_file().display().to_string(),
        holder: root.holder(),
        expires: day(root.validity().until),
        thumbprint_sha1: thumbprint(MessageDigest::sha1())?,
        thumbprint_sha256: thumbprint(MessageDigest::sha256())?,
        constraints: root.constraints.iter().map(ToString::to_string).collect(),
        has_key: root.has_key,
        made_now,
    })
}

pub(super) fn decoded(base64: &str) -> Result<Zeroizing<Vec<u8>>, AuthorityError> {
    let decoded = openssl::base64::decode_block(base64.trim());
    decoded
        .map(Zeroizing::new)
        .map_err(|_not_base64| AuthorityError::WrongKey)
}

impl Speaker {
    /// With the way out.
    pub(in crate::administration) fn authority(self, fault: &AuthorityError) -> Refused {
        let disk = match fault {
            AuthorityError::Store(fault) => return self.store(fault),
            AuthorityError::File { file, source } => self.disk(file, source),
            _ => None,
        };
        if let Some(refused) = disk {
            return refused;
        }
        let (code, values): (_, Vec<(&'static str, String)>) = match fault {
            AuthorityError::NoRoot => ("no-root", Vec::new()),
            AuthorityError::Exists(constraints) => {
                let constraints: Vec<String> =
                    constraints.iter().map(ToString::to_string).collect();
                match constraints.is_empty() {
                    true => ("root-exists", Vec::new()),
                    false => (
                        "root-exists-for",
                        vec![("constraints", constraints.join(", "))],
                    ),
                }
            }
            AuthorityError::Incomplete(folder) => (
                "root-incomplete",
                vec![("folder", folder.display().to_string())],
            ),
            AuthorityError::Lost(folder) => {
                ("root-lost", vec![("folder", folder.display().to_string())])
            }
            AuthorityError::KeyAway => ("root-key-away", Vec::new()),
            AuthorityError::NoPassphrase(file) => {
                ("no-passphrase", vec![("file", file.display().to_string())])
            }
            AuthorityError::WrongKey => ("wrong-root-key", Vec::new()),
            AuthorityError::Certificate { file, .. } | AuthorityError::Json { file, .. } => (
                "authority-damaged",
                vec![("file", file.display().to_string())],
            ),
            AuthorityError::NotPermitted(names) => {
                ("not-permitted", vec![("names", Name::listed(names))])
            }
            AuthorityError::NoName => ("no-permitted-name", Vec::new()),
            AuthorityError::Ended => ("root-ended", Vec::new()),
            AuthorityError::Unfit(_)
            | AuthorityError::File { .. }
            | AuthorityError::OpenSsl(_)
            | AuthorityError::Pair(_)
            | AuthorityError::Store(_) => ("authority-failed", vec![("cause", self.failed(fault))]),
        };
        let values: Vec<(&'static str, &str)> = values
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        self.refuse(code, &values)
    }

    /// The disk's or OpenSSL's.
    fn failed(self, fault: &AuthorityError) -> String {
        match fault {
            AuthorityError::File { file, source } => {
                let cause = Cause::of(source).words(self.0);
                format!("{}: {cause}", file.display())
            }
            AuthorityError::Store(fault) => store_words(fault, self.0),
            other => Cause::of(other).words(self.0),
        }
    }
}

/// The sentence alone, where nobody asked.
pub(crate) fn words(fault: &AuthorityError, language: Language) -> String {
    Speaker(language).authority(fault).message
}

/// Whole days.
pub(super) fn days_left(until: i64) -> i64 {
    (until - validity::now()).div_euclid(validity::DAY)
}
