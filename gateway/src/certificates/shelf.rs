//! Certificates as they were read, each once for all the ports that serve it.
//!
//! Their files are changed by other programs, in pieces, on shares that send no events, and whole
//! folders of them are replaced. They are looked at four times a second and read when they have
//! rested for a look. Only a whole pair whose time has come takes the place of the one before;
//! anything else is a fault to show beside it, mended by the files alone. Nothing is kept beyond
//! the files: with bad ones at a start there is no certificate (rule 7).

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use backend_types::DatabaseId;
use gateway_certificates::{Certificate, Slot, Store, StoreError, store};
use gateway_config::CertificatePair;
use openssl::{
    error::ErrorStack,
    ssl::{SslContextBuilder, SslMethod},
};
use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

use super::{CertificateFault, Choice, InUse, Origin, Served};

pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Files that differ at every look are read at this one all the same.
const RESTLESS: u32 = 3;
/// With a fault, files that stay as they are are read again at every so manieth look: a share
/// comes back without a trace, a certificate's time comes.
const READ_AGAIN: u32 = 4;

/// Where a certificate is read from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Source {
    Files(CertificatePair),
    Installed(Slot),
    Test,
}

/// Every certificate that a port may serve.
pub(crate) struct Shelf {
    store: Store,
    all: Mutex<HashMap<Source, Arc<Shelved>>>,
}

impl Shelf {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            all: Mutex::default(),
        }
    }

    /// Of every port that has none of its own. This and the two below block on the disk where a
    /// certificate is new.
    pub(crate) fn default(&self, files: Option<&CertificatePair>) -> Choice {
        match files {
            Some(files) => self.files(files),
            None => Choice {
                first: vec![self.take(Source::Installed(Slot::Server))],
                last: self.take(Source::Test),
            },
        }
    }

    /// Of the server port.
    pub(crate) fn server(&self, files: Option<&CertificatePair>, default: &Choice) -> Choice {
        files.map_or_else(|| default.clone(), |files| self.files(files))
    }

    /// Of a database's ports.
    pub(crate) fn database(
        &self,
        id: &DatabaseId,
        files: Option<&CertificatePair>,
        default: &Choice,
    ) -> Choice {
        if let Some(files) = files {
            return self.files(files);
        }
        let mut first = vec![self.take(Source::Installed(Slot::Database(id.clone())))];
        first.extend(default.first.iter().cloned());
        let last = Arc::clone(&default.last);
        Choice { first, last }
    }

    fn files(&self, files: &CertificatePair) -> Choice {
        Choice {
            first: Vec::new(),
            last: self.take(Source::Files(files.clone())),
        }
    }

    fn take(&self, source: Source) -> Arc<Shelved> {
        let mut all = self.lock();
        let read = |source: &Source| Arc::new(Shelved::read(source.clone(), &self.store));
        let shelved = all.entry(source);
        let shelved = shelved.or_insert_with_key(read);
        Arc::clone(shelved)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Source, Arc<Shelved>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn all(&self) -> Vec<Arc<Shelved>> {
        self.lock().values().cloned().collect()
    }

    /// One look at every file; true when anything shows differently now.
    pub(crate) fn look(&self) -> bool {
        // No short cut: every one must be looked at.
        let look = |changed, one: &Arc<Shelved>| one.look(&self.store) | changed;
        self.all().iter().fold(false, look)
    }

    /// Every file that has changed, as it is now, at rest or not: the administrator says so.
    pub(crate) fn read_changed(&self) {
        for one in self.all() {
            one.read_changed(&self.store);
        }
    }

    /// What an administrator has just installed in the slot, or removed from it.
    pub(crate) fn read_slot(&self, slot: &Slot) {
        let source = Source::Installed(slot.clone());
        let shelved = self.lock().get(&source).cloned();
        if let Some(shelved) = shelved {
            shelved.read_whatever(&self.store);
        }
    }

    /// Whether the slot has a certificate, or had one that nobody has removed.
    pub(crate) fn has(&self, slot: &Slot) -> bool {
        let all = self.lock();
        let shelved = all.get(&Source::Installed(slot.clone()));
        shelved.is_some_and(|one| one.is_there())
    }

    /// Forgets what no port may serve any more.
    pub(crate) fn keep_used(&self) {
        self.lock().retain(|_, one| Arc::strong_count(one) > 1);
    }
}

/// One certificate on the shelf.
pub(super) struct Shelved {
    source: Source,
    /// What it and its origin are read from, the one that names it first.
    files: Vec<PathBuf>,
    /// Held while they are read.
    watched: Mutex<Watched>,
    state: ArcSwap<State>,
    /// Whether the last good one's time was now when it was looked at last.
    timely: AtomicBool,
}

#[derive(Clone, Default)]
struct State {
    /// The last good one.
    kept: Option<Arc<InUse>>,
    /// What is wrong with the files as they are now.
    fault: Option<Arc<CertificateFault>>,
}

impl Shelved {
    fn read(source: Source, store: &Store) -> Self {
        let files = match &source {
            Source::Files(pair) => vec![pair.chain.clone(), pair.key.clone()],
            Source::Installed(slot) => vec![store.certificate_file(slot), store.plan_file(slot)],
            Source::Test => ["test.pem", "test.key"]
                .map(|name| store.folder().join(name))
                .to_vec(),
        };
        let stamps = stamps(&files);
        let shelved = Self {
            source,
            files,
            watched: Mutex::new(Watched::of(stamps)),
            state: ArcSwap::default(),
            timely: AtomicBool::default(),
        };
        let state = shelved.after(shelved.load(store), store);
        shelved.state.store(Arc::new(state));
        shelved.turned();
        shelved
    }

    /// False: nothing is installed here, and nothing was meant to be.
    pub(super) fn is_there(&self) -> bool {
        let state = self.state.load();
        state.kept.is_some() || state.fault.is_some()
    }

    pub(super) fn served(&self) -> Served {
        let State { kept, fault } = State::clone(&self.state.load());
        kept.ok_or_else(|| fault.unwrap_or_else(|| Arc::new(self.missing())))
    }

    pub(super) fn fault(&self) -> Option<Arc<CertificateFault>> {
        self.state.load().fault.clone()
    }

    fn look(&self, store: &Store) -> bool {
        let mut watched = self.watched();
        let stamps = stamps(&self.files);
        let has_fault = self.state.load().fault.is_some() || self.is_to_be_made();
        let read = watched.due(&stamps, has_fault) && self.read_again(&mut watched, stamps, store);
        self.turned() | read
    }

    /// The test certificate is ours to make: nobody has to come for it when it ends, or when a clock
    /// that was wrong is set right.
    fn is_to_be_made(&self) -> bool {
        self.source == Source::Test && !self.timely.load(Ordering::Relaxed)
    }

    /// Whether its time has come, or ended, since the last look: no file changes for that.
    fn turned(&self) -> bool {
        let kept = self.state.load().kept.clone();
        let timely = kept.is_some_and(|kept| kept.in_force().is_ok());
        self.timely.swap(timely, Ordering::Relaxed) != timely
    }

    fn read_changed(&self, store: &Store) {
        let mut watched = self.watched();
        let stamps = stamps(&self.files);
        if stamps != watched.read || self.state.load().fault.is_some() {
            self.read_again(&mut watched, stamps, store);
        }
    }

    /// Also that there is nothing any more.
    fn read_whatever(&self, store: &Store) {
        let mut watched = self.watched();
        *watched = Watched::of(stamps(&self.files));
        let certificate = self.load(store);
        if matches!(certificate, Ok(None)) {
            self.state.store(Arc::default());
        } else {
            self.settle(certificate, store);
        }
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True when anything shows differently now.
    fn read_again(&self, watched: &mut Watched, before: Vec<Stamp>, store: &Store) -> bool {
        let certificate = self.load(store);
        if stamps(&self.files) != before {
            // Changed under our hands: perhaps half of it is old.
            return false;
        }
        *watched = Watched::of(before);
        self.settle(certificate, store)
    }

    fn load(&self, store: &Store) -> Result<Option<Certificate>, CertificateFault> {
        match (&self.source, self.files.as_slice()) {
            (Source::Installed(slot), _) => Ok(store.load(slot)?),
            (Source::Test, _) if self.is_to_be_made() => Ok(Some(store.test()?)),
            (Source::Files(files), _) => named(files).map(Some),
            (Source::Test, [chain, key]) => pair(chain, key).map(Some),
            (Source::Test, _) => Ok(None),
        }
    }

    fn settle(
        &self,
        certificate: Result<Option<Certificate>, CertificateFault>,
        store: &Store,
    ) -> bool {
        let (before, now) = (self.state.load_full(), self.after(certificate, store));
        let same = match (&before.kept, &now.kept) {
            (Some(before), Some(now)) => Arc::ptr_eq(before, now),
            (before, now) => before.is_none() && now.is_none(),
        };
        if same && before.fault == now.fault {
            return false;
        }
        let file = self.file().display();
        match (&now.kept, &now.fault) {
            (Some(_), Some(fault)) => {
                tracing::error!(%fault, "the certificate read before stays in force");
            }
            (Some(_), None) if same => {
                tracing::info!(%file, "the files of the certificate in force are whole again");
            }
            (Some(kept), None) => {
                let sha256 = kept.certificate.main().map(|pair| pair.thumbprint_sha256());
                tracing::info!(%file, sha256, "certificate in force");
            }
            // Its ports say so themselves.
            (None, _) => {}
        }
        self.state.store(Arc::new(now));
        true
    }

    /// The state after this was read.
    fn after(
        &self,
        certificate: Result<Option<Certificate>, CertificateFault>,
        store: &Store,
    ) -> State {
        let State { kept, .. } = State::clone(&self.state.load());
        let fault = |fault| State {
            fault: Some(fault),
            kept: kept.clone(),
        };
        let certificate = match certificate {
            Ok(Some(certificate)) => certificate,
            Ok(None) if kept.is_some() => return fault(Arc::new(self.missing())),
            Ok(None) => return State::default(),
            Err(cause) => return fault(Arc::new(cause)),
        };
        let origin = self.origin(store);
        if let Some(kept) = &kept
            && kept.certificate.thumbprint() == certificate.thumbprint()
            && kept.origin == origin
        {
            // What is not changed keeps its contexts, and with them its tickets.
            let kept = Some(Arc::clone(kept));
            return State { kept, fault: None };
        }
        if let Err(unfit) = try_out(&certificate, self.file()) {
            return fault(Arc::new(unfit));
        }
        let new = Arc::new(InUse {
            certificate,
            file: self.file().to_owned(),
            origin,
        });
        match (new.in_force(), kept.as_ref().map(InUse::in_force)) {
            (Err(not_now), Some(Ok(_))) => fault(not_now),
            _ => State {
                kept: Some(new),
                fault: None,
            },
        }
    }

    fn origin(&self, store: &Store) -> Origin {
        let slot = match &self.source {
            Source::Test => return Origin::Test,
            Source::Files(_) => return Origin::Files,
            Source::Installed(slot) => slot,
        };
        // One that somebody has put there by hand has no plan.
        match store.plan(slot) {
            Ok(plan) => plan.as_ref().map_or(Origin::Imported, Origin::from),
            Err(fault) => {
                tracing::error!(%fault, "nobody knows how this certificate is renewed");
                Origin::Unknown
            }
        }
    }

    fn file(&self) -> &Path {
        self.files.first().map_or(Path::new(""), PathBuf::as_path)
    }

    fn missing(&self) -> CertificateFault {
        let (file, source) = (self.file().to_owned(), io::ErrorKind::NotFound.into());
        StoreError::File { file, source }.into()
    }
}

/// What would be served of these files, were they read for the first time.
pub(crate) fn of_files(files: &CertificatePair) -> Served {
    let certificate = named(files)?;
    try_out(&certificate, &files.chain)?;
    let new = Arc::new(InUse {
        certificate,
        file: files.chain.clone(),
        origin: Origin::Files,
    });
    new.in_force()
}

fn named(files: &CertificatePair) -> Result<Certificate, CertificateFault> {
    let certificate = pair(&files.chain, &files.key)?;
    gateway_config::private(&files.key).map_err(CertificateFault::Readable)?;
    Ok(certificate)
}

fn pair(chain: &Path, key: &Path) -> Result<Certificate, CertificateFault> {
    let certificate = Certificate::new(vec![store::load_pair(chain, key)?]);
    let file = chain.to_owned();
    Ok(certificate.ok_or(StoreError::NotOneOfAKind { file })?)
}

/// Whether OpenSSL serves these keys and signatures at all.
fn try_out(certificate: &Certificate, file: &Path) -> Result<(), CertificateFault> {
    let tried = || {
        let mut builder = SslContextBuilder::new(SslMethod::tls_server())?;
        for pair in certificate.pairs() {
            builder.set_certificate(pair.leaf())?;
            builder.set_private_key(pair.key())?;
        }
        Ok(())
    };
    let file = file.to_owned();
    tried().map_err(|cause: ErrorStack| CertificateFault::Unfit { file, cause })
}

/// What tells one state of a file from another without reading it; `None`: it is not there.
type Stamp = Option<[u64; 8]>;

fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |file: &PathBuf| {
        // A share's server is asked, not the cache of what it said some seconds ago.
        let what = StatxFlags::INO | StatxFlags::SIZE | StatxFlags::MTIME | StatxFlags::CTIME;
        let found = statx(CWD, file, AtFlags::STATX_FORCE_SYNC, what).ok()?;
        let (changed, written) = (found.stx_ctime, found.stx_mtime);
        Some([
            u64::from(found.stx_dev_major),
            u64::from(found.stx_dev_minor),
            found.stx_ino,
            found.stx_size,
            changed.tv_sec.cast_unsigned(),
            changed.tv_nsec.into(),
            written.tv_sec.cast_unsigned(),
            written.tv_nsec.into(),
        ])
    };
    files.iter().map(stamp).collect()
}

/// When changed files are worth reading.
#[derive(Debug)]
struct Watched {
    read: Vec<Stamp>,
    seen: Vec<Stamp>,
    /// Looks since they were read.
    looks: u32,
    /// Looks since then that met something else than the one before.
    restless: u32,
}

impl Watched {
    /// As just read.
    fn of(stamps: Vec<Stamp>) -> Self {
        Self {
            seen: stamps.clone(),
            read: stamps,
            looks: 0,
            restless: 0,
        }
    }

    fn due(&mut self, stamps: &[Stamp], has_fault: bool) -> bool {
        self.looks = self.looks.wrapping_add(1);
        let rest = self.seen == stamps;
        if !rest {
            self.seen = stamps.to_vec();
        }
        if self.read == stamps {
            self.restless = 0;
            return has_fault && self.looks.is_multiple_of(READ_AGAIN);
        }
        self.restless += u32::from(!rest);
        rest || self.restless > RESTLESS
    }
}

#[cfg(test)]
mod tests;
