//! Devices that show a certificate of our authority's: issued, listed, revoked.
//!
//! ```text
//! tls/authority/devices.json      every device's certificate, 0600; no keys
//! ```
//!
//! A device's key leaves with its PFX file and is kept nowhere. Only what stands in the list and is
//! not revoked comes in: a certificate that the root has signed and the list does not know, or a
//! list that cannot be read, opens nothing.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use openssl::{
    error::ErrorStack,
    hash::MessageDigest,
    nid::Nid,
    pkcs12::Pkcs12,
    stack::Stack,
    x509::{X509, X509Ref},
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    Authority, KeyKind, Pair,
    authority::{AuthorityError, Root, RootKey},
    store::replace,
    validity,
};

pub const DEVICE_DAYS: u32 = 3 * 365;
/// Of a name, in characters.
pub const NAME_LIMIT: usize = 50;
const ITERATIONS: u32 = 10_000;
/// What old importers take.
const OLD_ITERATIONS: u32 = 2048;

/// A certificate that was issued to a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    pub name: String,
    /// Upper-case hex.
    pub serial: String,
    /// Unix seconds, as the following ones.
    pub issued: i64,
    pub expires: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<i64>,
}

/// All of them, in the order in which they were issued.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Devices {
    pub devices: Vec<Device>,
}

/// What a handshake is judged by, and every request after it.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// The one trust anchor; `None`: no client certificate is any good.
    pub root: Option<X509>,
    /// By serial number.
    devices: HashMap<String, Device>,
    /// Why the list, or the root, could not be read: nobody stands in it then.
    pub fault: Option<Arc<AuthorityError>>,
}

impl Device {
    fn is_in_force(&self, now: i64) -> bool {
        self.revoked.is_none() && now <= self.expires
    }
}

impl Trust {
    #[must_use]
    pub fn new(root: Option<X509>, devices: Devices) -> Self {
        let by_serial = devices.devices.into_iter();
        Self {
            root,
            devices: by_serial.map(|one| (one.serial.clone(), one)).collect(),
            fault: None,
        }
    }

    /// That lets nobody in, because of `fault`.
    #[must_use]
    pub fn unreadable(fault: AuthorityError) -> Self {
        Self {
            fault: Some(Arc::new(fault)),
            ..Self::default()
        }
    }

    /// Whether the certificate of this number lets its device in at `now`. That the root has signed
    /// it is the handshake's.
    #[must_use]
    pub fn lets_in(&self, serial: &str, now: i64) -> bool {
        self.devices
            .get(serial)
            .is_some_and(|one| one.is_in_force(now))
    }

    /// The device's name, in force or not.
    #[must_use]
    pub fn name(&self, serial: &str) -> Option<&str> {
        self.devices.get(serial).map(|one| &*one.name)
    }

    /// Names of those that were in force and do not stand in `newer`: revoked ones do.
    #[must_use]
    pub fn missing_in(&self, newer: &Self, now: i64) -> Vec<&str> {
        let mut missing: Vec<&str> = self
            .devices
            .values()
            .filter(|one| one.is_in_force(now) && !newer.devices.contains_key(&one.serial))
            .map(|one| &*one.name)
            .collect();
        missing.sort_unstable();
        missing
    }

    /// Names of those that were revoked and are not in `newer`: it was put back from a copy.
    #[must_use]
    pub fn let_in_again_by(&self, newer: &Self, now: i64) -> Vec<&str> {
        let mut again: Vec<&str> = self
            .devices
            .values()
            .filter(|one| one.revoked.is_some() && newer.lets_in(&one.serial, now))
            .map(|one| &*one.name)
            .collect();
        again.sort_unstable();
        again
    }

    /// Whether a certificate that was in force at `before` has come to its end by `now`.
    #[must_use]
    pub fn has_ended_since(&self, before: i64, now: i64) -> bool {
        let mut devices = self.devices.values();
        devices.any(|one| one.is_in_force(before) && !one.is_in_force(now))
    }
}

/// How a PFX file is encrypted, and which key is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PfxFormat {
    /// AES-256 and SHA-256: Windows 10, Android 9 and later.
    Current,
    /// Triple DES and SHA-1, an RSA key: what came before knows no other.
    Old,
}

impl Devices {
    /// Revokes the certificate of this serial number, or all of the device of this name; those that
    /// were in force until now.
    pub fn revoke(&mut self, which: &str, now: i64) -> Vec<Device> {
        let typed: String = which.chars().filter(|one| *one != ':').collect();
        let is = |device: &Device| match device.serial.eq_ignore_ascii_case(&typed) {
            true => true,
            false => device.name == which,
        };
        let devices = self.devices.iter_mut();
        let meant = devices.filter(|device| device.revoked.is_none() && is(device));
        meant
            .map(|device| {
                device.revoked = Some(now);
                device.clone()
            })
            .collect()
    }
}

fn apart<T, E>(read: Result<T, E>) -> (Option<T>, Option<E>) {
    match read {
        Ok(good) => (Some(good), None),
        Err(fault) => (None, Some(fault)),
    }
}

/// Upper-case hex.
pub fn serial(certificate: &X509Ref) -> Result<String, ErrorStack> {
    Ok(certificate
        .serial_number()
        .to_bn()?
        .to_hex_str()?
        .to_string())
}

impl Authority {
    fn devices_file(&self) -> PathBuf {
        self.folder().join("devices.json")
    }

    pub fn devices(&self) -> Result<Devices, AuthorityError> {
        let file = self.devices_file();
        let Some(bytes) = self.read(&file)? else {
            return Ok(Devices::default());
        };
        serde_json::from_slice(&bytes).map_err(|source| AuthorityError::Json { file, source })
    }

    /// Root and devices as they lie on disk. What cannot be read lets no device in.
    #[must_use]
    pub fn trust(&self) -> Trust {
        let (root, devices) = (self.root(), self.devices());
        let (root, no_root) = apart(root);
        let (devices, no_devices) = apart(devices);
        let root = root.flatten();
        let root = root.map(|Root { certificate, .. }| certificate);
        Trust {
            fault: no_devices.or(no_root).map(Arc::new),
            ..Trust::new(root, devices.unwrap_or_default())
        }
    }

    /// A key and a certificate for a device; it stands in the list when this returns.
    pub fn add_device(
        &self,
        name: &str,
        days: u32,
        format: PfxFormat,
        key: RootKey<'_>,
    ) -> Result<(Device, Pair), AuthorityError> {
        let kind = match format {
            PfxFormat::Current => KeyKind::P256,
            PfxFormat::Old => KeyKind::Rsa2048,
        };
        let pair = self.issue_device(name, days, kind, key)?;
        let validity = pair.validity();
        let device = Device {
            name: name.to_owned(),
            serial: serial(pair.leaf())?,
            issued: validity::now(),
            expires: validity.until,
            revoked: None,
        };
        let mut devices = self.devices()?;
        devices.devices.push(device.clone());
        self.keep_devices(&devices)?;
        Ok((device, pair))
    }

    /// None: nothing in force is called so.
    pub fn revoke_devices(&self, which: &str) -> Result<Vec<Device>, AuthorityError> {
        let mut devices = self.devices()?;
        let revoked = devices.revoke(which, validity::now());
        if !revoked.is_empty() {
            self.keep_devices(&devices)?;
        }
        Ok(revoked)
    }

    fn keep_devices(&self, devices: &Devices) -> Result<(), AuthorityError> {
        let file = self.devices_file();
        let bytes = serde_json::to_vec_pretty(devices).map_err(|source| AuthorityError::Json {
            file: file.clone(),
            source,
        })?;
        Ok(replace(&file, 0o600, &bytes)?)
    }
}

/// Key, certificate and root under `password`, as Android and Windows import them.
pub fn pfx(
    pair: &Pair,
    root: &X509,
    name: &str,
    format: PfxFormat,
    password: &str,
) -> Result<Zeroizing<Vec<u8>>, ErrorStack> {
    let mut chain = Stack::new()?;
    chain.push(root.clone())?;
    let (algorithm, digest, iterations) = match format {
        PfxFormat::Current => (Nid::AES_256_CBC, MessageDigest::sha256(), ITERATIONS),
        PfxFormat::Old => (
            Nid::PBE_WITHSHA1AND3_KEY_TRIPLEDES_CBC,
            MessageDigest::sha1(),
            OLD_ITERATIONS,
        ),
    };
    let file = Pkcs12::builder()
        .name(name)
        .pkey(pair.key())
        .cert(pair.leaf())
        .ca(chain)
        .key_algorithm(algorithm)
        .cert_algorithm(algorithm)
        .key_iter(iterations)
        .mac_iter(iterations)
        .mac_md(digest)
        .build2(password)?;
    Ok(Zeroizing::new(file.to_der()?))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, process::Command};

    use super::*;

    struct Place {
        data: tempfile::TempDir,
        authority: Authority,
    }

    impl Place {
        fn new(constraints: &[&str]) -> Self {
            let data = tempfile::tempdir().unwrap();
            let authority = Authority::of(data.path());
            let constraints: Vec<_> = constraints.iter().map(|one| one.parse().unwrap()).collect();
            let made = authority.root_or_new("shop-15", &constraints, KeyKind::P256);
            made.unwrap();
            Self { data, authority }
        }

        fn add(&self, name: &str) -> (Device, Pair) {
            self.add_as(name, PfxFormat::Current)
        }

        fn add_as(&self, name: &str, format: PfxFormat) -> (Device, Pair) {
            let authority = &self.authority;
            let added = authority.add_device(name, DEVICE_DAYS, format, RootKey::Kept);
            added.unwrap()
        }
    }

    #[test]
    fn openssl_takes_a_devices_certificate_for_a_client_and_for_nothing_else() {
        // A constrained root judges a common name that looks like a DNS name.
        for constraints in [&[][..], &["example.ru"], &["192.0.2.0/24"]] {
            let place = Place::new(constraints);
            for name in ["ТСД 15", "tsd15", "tsd.bank.com", "192.0.2.1"] {
                let (_, pair) = place.add(name);
                let file = place.data.path().join("device.pem");
                fs::write(&file, pair.leaf().to_pem().unwrap()).unwrap();
                for (purpose, good) in [("sslclient", true), ("sslserver", false)] {
                    let done = Command::new("openssl")
                        .args(["verify", "-x509_strict", "-purpose", purpose, "-CAfile"])
                        .arg(place.authority.root_file())
                        .arg(&file)
                        .output()
                        .unwrap();
                    assert_eq!(done.status.success(), good, "{name} {purpose}: {done:?}");
                }
            }
        }
    }

    #[test]
    fn a_revoked_device_is_refused_and_its_neighbour_is_let_in() {
        let place = Place::new(&[]);
        let (one, revoked) = place.add("ТСД 1");
        let (_, other) = place.add("ТСД 2");
        let done = place.authority.revoke_devices("ТСД 1").unwrap();
        assert_eq!(done.len(), 1);
        assert!(place.authority.revoke_devices("ТСД 1").unwrap().is_empty());
        let trust = place.authority.trust();
        let lets_in = |pair: &Pair| {
            let serial = serial(pair.leaf()).unwrap();
            trust.lets_in(&serial, validity::now())
        };
        assert!(!lets_in(&revoked));
        assert!(lets_in(&other));
        assert_eq!(trust.name(&one.serial), Some("ТСД 1"));
        let (_, stranger) = Place::new(&[]).add("ТСД 2");
        assert!(!lets_in(&stranger));
        let file = place.authority.devices_file();
        let mode = fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_device_is_out_after_the_last_second_of_its_certificate() {
        let end = 1000;
        let device = |serial: &str, expires, revoked| Device {
            name: "ТСД".to_owned(),
            serial: serial.to_owned(),
            issued: 0,
            expires,
            revoked,
        };
        let devices = vec![device("0A", end, None), device("0B", end + 2, Some(7))];
        let trust = Trust::new(None, Devices { devices });
        assert!(trust.lets_in("0A", end));
        assert!(!trust.lets_in("0A", end + 1));
        assert!(!trust.lets_in("0B", end));
        for (before, now, ended) in [
            (end - 1, end, false),
            (end, end + 1, true),
            (end - 100, end + 100, true),
            (end + 1, end + 10, false),
            // The clock was put back.
            (end + 100, end - 100, false),
        ] {
            assert_eq!(trust.has_ended_since(before, now), ended, "{before} {now}");
        }
    }

    #[test]
    fn a_serial_number_revokes_one_certificate_however_it_is_typed() {
        let place = Place::new(&[]);
        let (first, _) = place.add("ТСД 1");
        place.add("ТСД 1");
        let typed: Vec<String> = first
            .serial
            .as_bytes()
            .chunks(2)
            .map(|two| String::from_utf8(two.to_ascii_lowercase()).unwrap())
            .collect();
        let revoked = place.authority.revoke_devices(&typed.join(":")).unwrap();
        assert_eq!(revoked.len(), 1);
        assert_eq!(revoked[0].serial, first.serial);
        assert_eq!(place.authority.revoke_devices("ТСД 1").unwrap().len(), 1);
    }

    #[test]
    fn a_damaged_list_admits_nobody() {
        let place = Place::new(&[]);
        place.add("ТСД 1");
        fs::write(place.authority.devices_file(), "{").unwrap();
        let trust = place.authority.trust();
        assert!(
            trust.root.is_some(),
            "whoever shows a certificate is refused"
        );
        assert!(trust.devices.is_empty());
        assert!(trust.fault.unwrap().to_string().contains("devices.json"));
        // Nothing is forgotten by writing over it.
        let format = PfxFormat::Current;
        let added = (place.authority).add_device("ТСД 2", 1, format, RootKey::Kept);
        assert!(added.is_err());
        assert_eq!(fs::read(place.authority.devices_file()).unwrap(), b"{");
    }

    #[test]
    fn openssl_opens_the_file_in_both_formats_with_its_password_alone() {
        let place = Place::new(&[]);
        let root = place.authority.root().unwrap().unwrap().certificate;
        for (format, words, key) in [
            (PfxFormat::Current, "AES-256-CBC", "P-256"),
            (
                PfxFormat::Old,
                "pbeWithSHA1And3-KeyTripleDES-CBC",
                "RSA 2048",
            ),
        ] {
            let (_, pair) = place.add_as("ТСД 1", format);
            assert_eq!(pair.key_words(), key);
            let pfx = pfx(&pair, &root, "ТСД 1", format, "Abc23456").unwrap();
            let file = place.data.path().join("device.p12");
            fs::write(&file, &*pfx).unwrap();
            let open = |password: &str| {
                let done = Command::new("openssl")
                    .args(["pkcs12", "-info", "-nodes", "-passin"])
                    .arg(format!("pass:{password}"))
                    .arg("-in")
                    .arg(&file)
                    .output()
                    .unwrap();
                let said = [done.stdout, done.stderr].concat();
                (
                    done.status.success(),
                    String::from_utf8_lossy(&said).into_owned(),
                )
            };
            let (opened, said) = open("Abc23456");
            assert!(opened && said.contains(words), "{said}");
            assert_eq!(said.matches("BEGIN CERTIFICATE").count(), 2);
            assert_eq!(said.matches("BEGIN PRIVATE KEY").count(), 1);
            assert!(!open("Abc23457").0);
        }
    }
}
