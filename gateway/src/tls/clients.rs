//! Certificates that clients show: signed by our own root and by nobody else, and of a device that is
//! in the list and not revoked.
//!
//! A full handshake is judged here, so that the client gets an alert that says why. A resumed one
//! carries the certificate of then and is not: every request asks for the device again
//! (`request.rs`), which is what no resumption gets past (lessons, T10).

use std::sync::Arc;

use arc_swap::ArcSwap;
use backend_types::ClientCertificates;
use gateway_certificates::devices::{self, Objection, Trust};
use openssl::{
    error::ErrorStack,
    hash::MessageDigest,
    ssl::{SslContextBuilder, SslRef, SslVerifyMode},
    x509::{X509, X509StoreContextRef, store::X509StoreBuilder},
};

use super::ffi;

/// A device and its certificate; nothing lies between them.
const DEPTH: u32 = 1;

/// What a port asks its clients for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Asks {
    required: bool,
    /// SHA-256 of the root; none vouches for nobody.
    root: Option<Vec<u8>>,
}

impl Asks {
    /// `None`: for nothing, also where there is no root by which a device could have one.
    pub(super) fn of(setting: ClientCertificates, root: Option<&X509>) -> Option<Self> {
        let digest = |root: &X509| Some(root.digest(MessageDigest::sha256()).ok()?.to_vec());
        let root = root.and_then(digest);
        match (setting, &root) {
            (ClientCertificates::Off, _) | (ClientCertificates::Optional, None) => None,
            (ClientCertificates::Optional, Some(_)) => Some(Self {
                required: false,
                root,
            }),
            (ClientCertificates::Required, _) => Some(Self {
                required: true,
                root,
            }),
        }
    }

    /// Part of a session's context.
    pub(super) fn word(&self) -> String {
        let root = self.root.as_deref().map(hex::encode).unwrap_or_default();
        format!("{} {root}", self.required)
    }
}

/// Makes every handshake of `builder` ask.
pub(super) fn ask(
    builder: &mut SslContextBuilder,
    asks: &Asks,
    trust: &Arc<ArcSwap<Trust>>,
) -> Result<(), ErrorStack> {
    let mut store = X509StoreBuilder::new()?;
    if let Some(root) = &trust.load().root {
        store.add_cert(root.clone())?;
        builder.add_client_ca(root)?;
    }
    builder.set_verify_cert_store(store.build())?;
    builder.set_verify_depth(DEPTH);
    let mode = match asks.required {
        true => SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT,
        false => SslVerifyMode::PEER,
    };
    let trust = Arc::clone(trust);
    builder.set_verify_callback(mode, move |good, context| {
        good && (context.error_depth() > 0 || is_in_force(context, &trust.load()))
    });
    Ok(())
}

fn is_in_force(context: &mut X509StoreContextRef, trust: &Trust) -> bool {
    let admitted = match context.current_cert() {
        Some(certificate) => trust.devices.admit(certificate).map(|_device| ()),
        None => Err(Objection::Unknown),
    };
    if admitted.is_err() {
        context.set_error(ffi::revoked());
    }
    admitted.is_ok()
}

/// By what a device was let in last.
struct Admitted {
    trust: Arc<Trust>,
    /// Unix seconds; no handshake tells when one is resumed or stays open.
    until: i64,
}

/// The device at the other end of a connection.
pub(crate) struct ShownDevice {
    /// Of its certificate.
    pub(crate) serial: Arc<str>,
    /// As the list has it.
    pub(crate) name: Arc<str>,
    admitted: Option<Admitted>,
}

impl ShownDevice {
    /// `None`: no certificate was shown. That the root has signed it is the handshake's, or that of
    /// the one which is resumed; nothing more is known of it yet.
    pub(crate) fn of(ssl: &SslRef) -> Option<Self> {
        let certificate = ssl.peer_certificate()?;
        // One without a number is in no list.
        let serial: Arc<str> = devices::serial(&certificate).unwrap_or_default().into();
        Some(Self {
            name: Arc::clone(&serial),
            serial,
            admitted: None,
        })
    }

    /// Whether it is let in by what holds now; looked up only where that has changed.
    pub(crate) fn is_in_force(&mut self, trust: &Arc<Trust>, now: i64) -> bool {
        let before = self.admitted.as_ref();
        if let Some(before) = before.filter(|before| Arc::ptr_eq(&before.trust, trust)) {
            return now <= before.until;
        }
        let Ok(device) = trust.devices.admit_serial(&self.serial) else {
            return false;
        };
        self.name = device.name.as_str().into();
        self.admitted = Some(Admitted {
            trust: Arc::clone(trust),
            until: device.expires,
        });
        now <= device.expires
    }
}

#[cfg(test)]
mod tests {
    use gateway_certificates::{Devices, devices::Device};

    use super::*;

    #[test]
    fn a_device_that_has_shown_its_certificate_is_out_when_that_ends_or_is_revoked() {
        let trust = |revoked| {
            let device = Device {
                name: "TSD 1".to_owned(),
                serial: "0A".to_owned(),
                issued: 0,
                expires: 100,
                revoked,
            };
            let devices = Devices {
                devices: vec![device],
            };
            Arc::new(Trust {
                root: None,
                devices,
                fault: None,
            })
        };
        let shown = || ShownDevice {
            serial: "0A".into(),
            name: "0A".into(),
            admitted: None,
        };
        let (now, mut open) = (trust(None), shown());
        assert!(open.is_in_force(&now, 100));
        assert_eq!(&*open.name, "TSD 1");
        assert!(!open.is_in_force(&now, 101), "the one that stays open");
        assert!(!shown().is_in_force(&now, 101), "a resumed one");
        let (revoked, mut open) = (trust(Some(50)), shown());
        assert!(open.is_in_force(&now, 60));
        assert!(!open.is_in_force(&revoked, 60));
    }
}
