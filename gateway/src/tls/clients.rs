//! Certificates that clients show: signed by our own root and by nobody else, and of a device that is
//! in the list and not revoked.
//!
//! A full handshake is judged here, so that the client gets an alert that says why. A resumed one
//! carries the certificate of then and is not: every request asks for the device again
//! (`request.rs`), which is what no resumption gets past (lessons, T10).

use std::sync::Arc;

use arc_swap::ArcSwap;
use backend_types::ClientCertificates;
use gateway_certificates::{
    devices::{self, Trust},
    validity,
};
use openssl::{
    error::ErrorStack,
    hash::MessageDigest,
    ssl::{SslContextBuilder, SslRef, SslVerifyMode},
    x509::{X509, X509Ref, X509StoreContextRef, store::X509StoreBuilder},
};

use super::ffi;

/// How many certificates may lie between that of a device and the root.
const DEPTH: u32 = 0;

/// What a port asks its clients for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Asks {
    required: bool,
    /// SHA-256 of the root; none vouches for nobody.
    root: Option<Vec<u8>>,
}

impl Asks {
    /// Under the root with this [`digest`]. `None`: for nothing, also where there is no root by
    /// which a device could have one.
    pub(super) fn of(setting: ClientCertificates, root: Option<&[u8]>) -> Option<Self> {
        let root = root.map(<[u8]>::to_vec);
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

/// SHA-256 of the root by which devices are known.
pub(super) fn digest(root: Option<&X509>) -> Option<Vec<u8>> {
    Some(root?.digest(MessageDigest::sha256()).ok()?.to_vec())
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
    let serial = context.current_cert().map(serial);
    let lets_in = serial.is_some_and(|serial| trust.lets_in(&serial, validity::now()));
    if !lets_in {
        context.set_error(ffi::revoked());
    }
    lets_in
}

/// Of the certificate that a client has shown, also in a session that it resumes. That the root has
/// signed it is the handshake's; nothing more is known of it yet.
pub(crate) fn shown(ssl: &SslRef) -> Option<Arc<str>> {
    let certificate = ssl.peer_certificate()?;
    Some(serial(&certificate).into())
}

/// One without a number is in no list.
fn serial(certificate: &X509Ref) -> String {
    devices::serial(certificate).unwrap_or_default()
}
