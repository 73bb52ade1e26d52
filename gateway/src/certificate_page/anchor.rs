//! What a terminal must be made to trust, and the files by which it is.

use std::sync::Arc;

use gateway_certificates::{Name, Validity};
use openssl::{
    base64::encode_block,
    hash::MessageDigest,
    x509::{X509, X509Ref},
};
use uuid::Builder;

use crate::{certificates::Served, page::escape};

/// Why a port can, or cannot, be trusted.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Trust {
    /// The root of our own authority, which signs what the port shows.
    Root(Arc<Anchor>),
    /// A certificate that nobody but itself has signed; Android and iOS take it for no root.
    Itself(Arc<Anchor>),
    /// Signed by somebody whom terminals may know already.
    Known { issuer: String },
    /// Nothing usable: the port closes every connection.
    Nothing,
}

/// A certificate to install.
#[derive(Debug)]
pub(super) struct Anchor {
    pub(super) holder: String,
    pub(super) validity: Validity,
    /// Upper-case hex.
    pub(super) sha256: String,
    pub(super) sha1: String,
    certificate: X509,
}

impl PartialEq for Anchor {
    fn eq(&self, other: &Self) -> bool {
        self.sha256 == other.sha256
    }
}

/// A file that some system takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Windows and Windows CE.
    Cer,
    /// The same bytes by the name that old Android looks for.
    Crt,
    Pem,
    /// iOS.
    Mobileconfig,
}

impl Trust {
    pub(super) fn of(served: &Served, root: Option<&X509>) -> Self {
        let in_use = served.as_ref().ok().and_then(|one| one.in_force().ok());
        let Some(pair) = in_use.as_ref().and_then(|one| one.certificate.main()) else {
            return Self::Nothing;
        };
        let signed_by = |issuer: &X509Ref| {
            let key = issuer.public_key().ok();
            key.is_some_and(|key| pair.leaf().verify(&key).unwrap_or(false))
        };
        let itself = || Anchor::of(pair.leaf()).map(Self::Itself);
        let root = root.filter(|root| signed_by(root)).and_then(|root| {
            let anchor = Anchor::of(root)?;
            Some(Self::Root(anchor))
        });
        let found = root.or_else(|| signed_by(pair.leaf()).then(itself).flatten());
        found.unwrap_or_else(|| Self::Known {
            issuer: pair.issuer(),
        })
    }

    /// What is to be installed, if anything.
    pub(super) fn anchor(&self) -> Option<&Arc<Anchor>> {
        match self {
            Self::Root(anchor) | Self::Itself(anchor) => Some(anchor),
            Self::Known { .. } | Self::Nothing => None,
        }
    }
}

impl Anchor {
    fn of(certificate: &X509Ref) -> Option<Arc<Self>> {
        let hex = |digest| {
            let digest = certificate.digest(digest).ok()?;
            Some(hex::encode_upper(digest))
        };
        let names = certificate.subject_name().entries();
        let holder = names
            .filter_map(|entry| entry.data().to_string().ok())
            .last()
            .map(|name| name.to_string());
        let named = || Some(Name::of(certificate).first()?.to_string());
        Some(Arc::new(Self {
            holder: holder.or_else(named).unwrap_or_default(),
            validity: Validity::of(certificate),
            sha256: hex(MessageDigest::sha256())?,
            sha1: hex(MessageDigest::sha1())?,
            certificate: certificate.to_owned(),
        }))
    }

    pub(super) fn file(&self, format: Format) -> Option<Vec<u8>> {
        match format {
            Format::Cer | Format::Crt => self.certificate.to_der().ok(),
            Format::Pem => self.certificate.to_pem().ok(),
            Format::Mobileconfig => self.mobileconfig(),
        }
    }

    /// A configuration profile. Its ids come from the certificate: installed again, it replaces
    /// itself.
    fn mobileconfig(&self) -> Option<Vec<u8>> {
        let der = self.certificate.to_der().ok()?;
        let id = |part: u8| {
            let digest = openssl::sha::sha256(&[self.sha256.as_bytes(), &[part]].concat());
            let mut bytes = [0; 16];
            bytes.copy_from_slice(digest.get(..16)?);
            Some(Builder::from_custom_bytes(bytes).into_uuid().to_string())
        };
        let (profile, payload) = (id(0)?, id(1)?);
        let (name, der) = (escape(&self.holder), encode_block(&der));
        let text = format!(
            r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>PayloadType</key><string>Configuration</string>
  <key>PayloadVersion</key><integer>1</integer>
  <key>PayloadIdentifier</key><string>smarts-gateway.{profile}</string>
  <key>PayloadUUID</key><string>{profile}</string>
  <key>PayloadDisplayName</key><string>{name}</string>
  <key>PayloadRemovalDisallowed</key><false/>
  <key>PayloadContent</key>
  <array>
    <dict>
      <key>PayloadType</key><string>com.apple.security.root</string>
      <key>PayloadVersion</key><integer>1</integer>
      <key>PayloadIdentifier</key><string>smarts-gateway.{profile}.{payload}</string>
      <key>PayloadUUID</key><string>{payload}</string>
      <key>PayloadDisplayName</key><string>{name}</string>
      <key>PayloadCertificateFileName</key><string>smarts-gateway.cer</string>
      <key>PayloadContent</key><data>{der}</data>
    </dict>
  </array>
</dict>
</plist>
"#
        );
        Some(text.into_bytes())
    }
}

impl Format {
    pub(super) fn of(extension: &str) -> Option<Self> {
        let all = [Self::Cer, Self::Crt, Self::Pem, Self::Mobileconfig];
        all.into_iter().find(|one| one.extension() == extension)
    }

    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Cer => "cer",
            Self::Crt => "crt",
            Self::Pem => "pem",
            Self::Mobileconfig => "mobileconfig",
        }
    }

    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Cer | Self::Crt => "application/x-x509-ca-cert",
            Self::Pem => "application/x-pem-file",
            Self::Mobileconfig => "application/x-apple-aspen-config",
        }
    }
}
