//! Which certificate a port serves: the file's, the data folder's, else the test certificate.
//!
//! | port | the first that there is of |
//! |---|---|
//! | of a database | its `certificate`, what is installed for it, the default |
//! | server port | `server.certificate`, the default |
//! | the default | `certificate`, what is installed for the server, the test certificate |
//!
//! A certificate is parsed once per change and shared by every port that serves it. One that does
//! not load costs its own ports and no others (rule 7): nothing steps in for it.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use backend_types::DatabaseId;
use gateway_certificates::{Certificate, Slot, Store, StoreError, store, validity};
use gateway_config::CertificatePair;

/// A certificate, and where it lies.
#[derive(Debug)]
pub(crate) struct InUse {
    pub(crate) certificate: Certificate,
    pub(crate) file: PathBuf,
    /// Made by ourselves at the first start, because there is no other.
    pub(crate) is_test: bool,
}

/// What a port has to show, or why there is nothing.
pub(crate) type Served = Result<Arc<InUse>, Arc<CertificateFault>>;

#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateFault {
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{}: expired on {end}", file.display())]
    Expired { file: PathBuf, end: String },
    #[error("{}: not valid before {begin}", file.display())]
    NotYet { file: PathBuf, begin: String },
}

impl InUse {
    /// Rule 7: an expired certificate is none, nor is one whose time has not come.
    pub(crate) fn in_force(self: &Arc<Self>) -> Served {
        let now = validity::now();
        let file = || self.file.clone();
        for pair in self.certificate.pairs() {
            let validity = pair.validity();
            if validity.has_ended(now) {
                let end = day(validity.until);
                return Err(Arc::new(CertificateFault::Expired { file: file(), end }));
            }
            if !validity.has_begun(now) {
                let (file, begin) = (file(), day(validity.from));
                return Err(Arc::new(CertificateFault::NotYet { file, begin }));
            }
        }
        Ok(Arc::clone(self))
    }
}

/// RFC 3339, UTC.
pub(crate) fn day(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |at| at.to_string())
}

/// The certificates of one change, each read once. Blocks on files.
pub(crate) struct Reading<'a> {
    store: &'a Store,
    read: HashMap<CertificatePair, Served>,
    pub(crate) default: Served,
}

impl<'a> Reading<'a> {
    /// Beginning with the default.
    pub(crate) fn begin(store: &'a Store, default: Option<&CertificatePair>) -> Self {
        let mut reading = Self {
            store,
            read: HashMap::new(),
            default: Err(Arc::new(CertificateFault::Store(
                StoreError::NotOneOfAKind {
                    file: PathBuf::new(),
                },
            ))),
        };
        reading.default = match default {
            Some(files) => reading.files(files),
            None => reading
                .installed(&Slot::Server)
                .unwrap_or_else(|| test(store)),
        };
        reading
    }

    /// Of the server port.
    pub(crate) fn server(&mut self, files: Option<&CertificatePair>) -> Served {
        match files {
            Some(files) => self.files(files),
            None => self.default.clone(),
        }
    }

    /// Of a database's ports.
    pub(crate) fn database(&mut self, id: &DatabaseId, files: Option<&CertificatePair>) -> Served {
        if let Some(files) = files {
            return self.files(files);
        }
        let installed = self.installed(&Slot::Database(id.clone()));
        installed.unwrap_or_else(|| self.default.clone())
    }

    fn files(&mut self, files: &CertificatePair) -> Served {
        let load = || {
            let pair = store::load_pair(&files.chain, &files.key)?;
            let file = files.chain.clone();
            let certificate = Certificate::new(vec![pair]);
            let certificate =
                certificate.ok_or_else(|| StoreError::NotOneOfAKind { file: file.clone() })?;
            Ok(InUse {
                certificate,
                file,
                is_test: false,
            })
        };
        let served = || served(load());
        self.read
            .entry(files.clone())
            .or_insert_with(served)
            .clone()
    }

    fn installed(&self, slot: &Slot) -> Option<Served> {
        let file = self.store.certificate_file(slot);
        let loaded = self.store.load(slot).transpose()?;
        Some(served(loaded.map(|certificate| InUse {
            certificate,
            file,
            is_test: false,
        })))
    }
}

fn test(store: &Store) -> Served {
    served(store.test().map(|certificate| InUse {
        certificate,
        file: store.folder().join("test.pem"),
        is_test: true,
    }))
}

fn served(loaded: Result<InUse, StoreError>) -> Served {
    loaded.map(Arc::new).map_err(|fault| Arc::new(fault.into()))
}
