//! Certificates of devices: issued, listed, revoked. The key goes to who asked and stays nowhere.

use backend_types::Language;
use gateway_certificates::{
    KeyKind,
    authority::{AuthorityError, RootKey},
    devices::{self, DEVICE_DAYS, Device, NAME_LIMIT, PfxFormat},
};
use serde::{Deserialize, Serialize};

use super::{
    authority::{days_left, decoded, root_or_new},
    words::Speaker,
};
use crate::{
    administration::{Administration, Refused, blocking},
    certificates::day,
};

/// Ten years.
const MOST_DAYS: u32 = 3650;

/// No `Debug`: it holds a password.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeviceWish {
    pub(crate) name: String,
    pub(crate) days: Option<u32>,
    pub(crate) format: PfxFormat,
    /// Of the file.
    pub(crate) password: String,
    /// The root's key, where it was moved away; base64.
    pub(crate) root_key: Option<String>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct DeviceMade {
    pub(crate) device: DeviceReport,
    /// The PFX file, base64.
    pub(crate) pfx: String,
    /// In the asker's language.
    pub(crate) notes: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DeviceReport {
    pub(crate) name: String,
    pub(crate) serial: String,
    pub(crate) issued: String,
    pub(crate) expires: String,
    /// Whole days; negative after the end.
    pub(crate) days_left: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) revoked: Option<String>,
}

/// A name or a serial number.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Revocation {
    pub(crate) which: String,
}

impl From<Device> for DeviceReport {
    fn from(device: Device) -> Self {
        Self {
            name: device.name,
            serial: device.serial,
            issued: day(device.issued),
            expires: day(device.expires),
            days_left: days_left(device.expires),
            revoked: device.revoked.map(day),
        }
    }
}

impl Administration {
    pub(in crate::administration) async fn devices(
        &self,
        language: Language,
    ) -> Result<Vec<DeviceReport>, Refused> {
        let (authority, speaker) = (self.world.authority(), Speaker(language));
        blocking(move || {
            let devices = authority.devices();
            let devices = devices.map_err(|fault| speaker.authority(&fault))?.devices;
            Ok(devices.into_iter().map(DeviceReport::from).collect())
        })
        .await
    }

    pub(in crate::administration) async fn add_device(
        &self,
        wish: DeviceWish,
        language: Language,
    ) -> Result<DeviceMade, Refused> {
        let (authority, speaker) = (self.world.authority(), Speaker(language));
        let name = wish.name.trim().to_owned();
        let length = name.chars().count();
        if length == 0 || length > NAME_LIMIT || name.chars().any(char::is_control) {
            let most = NAME_LIMIT.to_string();
            return Err(speaker.refuse("device-name", &[("most", &most)]));
        }
        let days = wish.days.unwrap_or(DEVICE_DAYS);
        if days == 0 || days > MOST_DAYS {
            let most = MOST_DAYS.to_string();
            return Err(speaker.refuse("device-days", &[("most", &most)]));
        }
        let _one_change = self.world.installing.lock().await;
        let made = blocking(move || {
            let fault = |fault| speaker.authority(&fault);
            let key = wish.root_key.as_deref().map(decoded);
            let key = key.transpose().map_err(fault)?;
            if authority.is_lost().map_err(fault)? {
                return Err(fault(AuthorityError::Lost(authority.folder().to_owned())));
            }
            // Whoever brings a key means a root that there was.
            if key.is_some() && authority.root().map_err(fault)?.is_none() {
                return Err(fault(AuthorityError::NoRoot));
            }
            // It is for ten years, and some devices know RSA alone.
            let root = root_or_new(&authority, &[], KeyKind::Rsa3072);
            let (root, is_new) = root.map_err(fault)?;
            let key = key
                .as_ref()
                .map_or(RootKey::Kept, |key| RootKey::Given(key));
            let added = authority.add_device(&name, days, wish.format, key);
            let (device, pair) = added.map_err(fault)?;
            let root = &root.certificate;
            let pfx = devices::pfx(&pair, root, &name, wish.format, &wish.password);
            let pfx = pfx.map_err(|cause| fault(cause.into()))?;
            let serial = &device.serial;
            tracing::info!(target: "security", device = name, serial, "device certificate issued");
            let note = is_new.then(|| speaker.note("root-for-devices", &[]));
            Ok(DeviceMade {
                device: device.into(),
                pfx: openssl::base64::encode_block(&pfx),
                notes: note.into_iter().collect(),
            })
        })
        .await;
        // Also when only the root was made.
        if made.is_ok() || self.world.shared.trust.load().root.is_none() {
            self.world.trust_changed().await;
        }
        made
    }

    /// In force for open connections when this returns.
    pub(in crate::administration) async fn revoke_device(
        &self,
        revocation: Revocation,
        language: Language,
    ) -> Result<Vec<DeviceReport>, Refused> {
        let (authority, speaker) = (self.world.authority(), Speaker(language));
        let _one_change = self.world.installing.lock().await;
        let which = revocation.which.trim().to_owned();
        let of = which.clone();
        let revoked = blocking(move || {
            let revoked = authority.revoke_devices(&of);
            let revoked = revoked.map_err(|fault| speaker.authority(&fault))?;
            for device in &revoked {
                let Device { name, serial, .. } = device;
                tracing::warn!(target: "security", device = name, serial, "device certificate revoked");
            }
            Ok(revoked)
        })
        .await;
        // Also when none was found, or the list cannot be read: whoever was meant is not let in.
        self.world.trust_changed().await;
        let revoked = revoked?;
        if revoked.is_empty() {
            return Err(speaker.refuse("no-such-device", &[("name", &which)]));
        }
        Ok(revoked.into_iter().map(DeviceReport::from).collect())
    }
}
