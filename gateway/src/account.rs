//! The service account («Учётная запись»): what the gateway tells an existing server instead of the
//! client's own login.
//!
//! The password is read when a directory is compiled, from a file that its owner alone may read,
//! and lives on in one header value that no `Debug` shows. Our backend knows its callers by our
//! headers: with it an account is kept and shown, and its file is never opened.

use std::path::PathBuf;

use gateway_config::{Cause, ServiceAccount};
use http::HeaderValue;
use openssl::base64::encode_block;
use serde::{Deserialize, Serialize};

use crate::gateway::{Stamp, stamp};

/// The account of one database.
pub(crate) struct Account {
    pub(crate) used: Used,
    /// `None` where none is used, or a shared one is not set.
    pub(crate) name: Option<String>,
    /// `None` with our backend.
    pub(crate) sent: Option<Sent>,
}

/// Whose account it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum Used {
    #[default]
    None,
    /// «Общие параметры».
    Shared,
    Own,
}

/// What goes upstream, and the file that it was made from.
pub(crate) struct Sent {
    pub(crate) authorization: HeaderValue,
    file: PathBuf,
    read: Stamp,
}

impl Account {
    pub(crate) const NONE: Self = Self {
        used: Used::None,
        name: None,
        sent: None,
    };

    /// With the password in it; reads the file.
    pub(crate) fn read(used: Used, account: &ServiceAccount) -> Result<Self, Cause> {
        let file = account.password_file.clone();
        // Before it is read: a change made meanwhile is still to come.
        let read = stamp(&file);
        let password = gateway_config::password(&file)?;
        let pair = format!("{}:{}", account.name, &*password);
        let basic = format!("Basic {}", encode_block(pair.as_bytes()));
        let mut authorization = HeaderValue::from_str(&basic).map_err(|_not_ascii| {
            let file = file.display().to_string();
            Cause::NotAPassword { file }
        })?;
        authorization.set_sensitive(true);
        Ok(Self {
            used,
            name: Some(account.name.clone()),
            sent: Some(Sent {
                authorization,
                file,
                read,
            }),
        })
    }

    /// Kept and shown, never sent. `shared` is the name of the account at the top of the file.
    pub(crate) fn shown(told: &backend_types::Account, shared: Option<&str>) -> Self {
        let (used, name) = match told {
            backend_types::Account::None => (Used::None, None),
            backend_types::Account::Shared => (Used::Shared, shared.map(str::to_owned)),
            backend_types::Account::Own { name, .. } => (Used::Own, Some(name.clone())),
        };
        Self {
            used,
            name,
            sent: None,
        }
    }

    /// The password file and its present stamp, when that is no longer the one that was read.
    pub(crate) fn moved(&self) -> Option<(PathBuf, Stamp)> {
        let sent = self.sent.as_ref()?;
        let now = stamp(&sent.file);
        (now != sent.read).then(|| (sent.file.clone(), now))
    }
}
