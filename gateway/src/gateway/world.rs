//! What a change touches, and how a change comes into force, wherever it comes from
//! ([`follow`](super::follow), the administrator).
//!
//! Each is checked whole before anything is swapped; what is refused leaves everything as it was
//! and stands in the log and in `status`.

use std::{
    collections::HashSet,
    mem,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context;
use backend_types::{ClientCertificates, DatabaseId, Mode, TlsProfile};
use gateway_certificates::{Name, Slot, names};
use gateway_config::{Config, Overrides};
use gateway_policy::{ports::Holder, proxy_protocol::TrustedProxies};
use tokio::time::timeout;

use crate::{
    acme::Acme,
    backend_client::BackendAddress,
    certificate_page::{self, Known, Notice},
    certificates::{CertificateFault, Choice, InUse, Shelf},
    compile::{Certificates, CompileError, Compiler, Sources},
    directory::{Directory, Upstream},
    feed::Feed,
    files,
    listeners::{Listeners, PortFault, Wanted},
    lists::ListWatch,
    messages::{self, Language},
    renewal::Renewals,
    shared::{Settings, Shared},
    status::{BackendState, ServerPort, Status},
    systemd,
    tls::{Contexts, Terms},
};

const RESOLVE_LIMIT: Duration = Duration::from_secs(2);

/// The parts that a change of configuration or directory touches.
pub(crate) struct World {
    pub(super) config_file: PathBuf,
    pub(super) overrides: Overrides,
    pub(crate) shared: Arc<Shared>,
    pub(super) listeners: Arc<Listeners>,
    pub(crate) lists: Arc<ListWatch>,
    pub(super) shelf: Arc<Shelf>,
    pub(crate) acme: Acme,
    pub(crate) status: Arc<Status>,
    pub(crate) backend: Option<BackendAddress>,
    pub(super) certificates: Mutex<Option<Arc<Certificates>>>,
    pub(super) index_key: [u8; 32],
    pub(super) sources: Mutex<Sources>,
    /// What the process was started with: some of its keys stay in force until the next start.
    pub(super) started: Config,
    /// The server as it was at its last start; none while it is stopped.
    pub(super) server: Mutex<Option<ServerPort>>,
    /// The backend's newest directory, also one that clashes with the file: when the file is
    /// mended, it comes into force.
    pub(super) offered: Mutex<Option<Arc<Feed>>>,
    /// Kept while port and certificate stay: tickets stay valid then.
    pub(super) contexts: Mutex<Contexts>,
    /// What the certificate page has found out of the certificates in force.
    pub(super) known_ports: Mutex<Known>,
    /// One feed of the backend's at a time: the administrator's change and the long poll bring the
    /// same one.
    pub(super) taking: tokio::sync::Mutex<()>,
    /// One change at a time.
    pub(super) changing: tokio::sync::Mutex<()>,
    /// One certificate at a time.
    pub(crate) installing: tokio::sync::Mutex<()>,
    pub(crate) renewals: Renewals,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    #[error("{0}")]
    Compile(#[from] CompileError),
    #[error("{}", joined(.0))]
    Clash(Vec<gateway_policy::ports::Clash>),
    #[error("{}", joined(.0))]
    Ports(Vec<PortFault>),
    /// Their lists would be one list.
    #[error("the folder {} is the folder of {holder}", .folder.display())]
    Folder { folder: PathBuf, holder: String },
    #[error("the change was broken off: {0}")]
    Lost(#[from] tokio::task::JoinError),
}

impl ChangeError {
    /// For scripts.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Clash(_) => "clash",
            Self::Ports(_) => "port",
            Self::Folder { .. } => "folder",
            Self::Compile(CompileError::ClaimedTwice { .. }) => "claimed-twice",
            Self::Compile(CompileError::Account { .. }) => "account",
            Self::Compile(CompileError::IndexKey { .. }) | Self::Lost(_) => "internal",
        }
    }

    /// For the administrator; what only an engineer can mend stays English.
    pub(crate) fn words(&self, language: Language) -> String {
        match self {
            Self::Clash(clashes) => {
                let words = clashes.iter().map(|clash| messages::clash(clash, language));
                words.collect::<Vec<_>>().join("; ")
            }
            Self::Ports(faults) => {
                let words = faults
                    .iter()
                    .map(|fault| messages::port_fault(fault, None, language));
                words.collect::<Vec<_>>().join("; ")
            }
            Self::Folder { folder, holder } => messages::text(
                language,
                "clash-folder",
                &[
                    ("folder", &folder.display().to_string()),
                    ("holder", holder),
                ],
            ),
            Self::Compile(CompileError::ClaimedTwice { id, yaml }) => messages::text(
                language,
                "claimed-twice",
                &[("id", id.as_str()), ("file", yaml)],
            ),
            Self::Compile(CompileError::Account { id, cause }) => messages::text(
                language,
                "account-unusable",
                &[("id", id.as_str()), ("cause", &cause.render(language))],
            ),
            Self::Compile(CompileError::IndexKey { .. }) | Self::Lost(_) => self.to_string(),
        }
    }
}

fn joined(faults: &[impl ToString]) -> String {
    faults
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

impl World {
    /// The first directory. A clash between the two sources costs the backend's databases, not
    /// the whole gateway.
    pub(super) async fn start_with(&self, feed: Option<Feed>) -> anyhow::Result<()> {
        if let Some(feed) = feed
            && self.take_feed(feed).await
        {
            return Ok(());
        }
        self.bring_into_force(|sources| sources.feed = None)
            .await
            .with_context(|| self.config_file.display().to_string())
    }

    /// Whether the backend's directory could come into force with this `feed`: it goes with the
    /// file, and the ports that it newly wants for `changed` can be opened. Nothing is touched.
    pub(crate) async fn judge(
        &self,
        feed: Feed,
        changed: &[DatabaseId],
    ) -> Result<(), ChangeError> {
        let _one_change = self.changing.lock().await;
        let mut sources = self.sources();
        sources.feed = Some(Arc::new(feed));
        let (directory, certificates) = self.compile(&sources).await?;
        judge_folders(&directory, changed)?;
        let wanted = self.wanted(&directory, &certificates, &sources.config);
        let server = ServerPort::from(&sources.config.server);
        self.judge_saved(&wanted, server, None)?;
        let faults = self.listeners.try_out(&wanted).await;
        let faults: Vec<PortFault> = faults
            .map_err(ChangeError::Clash)?
            .into_iter()
            .filter(|(holder, _)| holder.database().is_some_and(|id| changed.contains(id)))
            .map(|(_, fault)| fault)
            .collect();
        if faults.is_empty() {
            Ok(())
        } else {
            Err(ChangeError::Ports(faults))
        }
    }

    /// The backend's directory, if it goes with the file; else the one before stays in force.
    /// What came out of order, older than the newest, is let go.
    pub(crate) async fn take_feed(&self, feed: Feed) -> bool {
        let _one_feed = self.taking.lock().await;
        let (revision, feed) = (feed.revision, Arc::new(feed));
        let newest = self.offered().map_or(0, |newest| newest.revision);
        if newest > revision || (newest == revision && self.sources().feed.as_ref() == Some(&feed))
        {
            return true;
        }
        self.offer(Arc::clone(&feed));
        let taken = self
            .bring_into_force(|sources| sources.feed = Some(feed))
            .await;
        match &taken {
            Ok(()) => tracing::info!(revision, "directory in force"),
            Err(fault) => {
                tracing::error!(%fault, revision, "the directory before stays in force");
            }
        }
        let language = self.shared.language();
        let fault = taken.err().map(|fault| fault.words(language));
        let good = fault.is_none();
        self.backend_told(|state| *state = BackendState { revision, fault });
        good
    }

    fn offer(&self, feed: Arc<Feed>) {
        self.keep_feed(&feed);
        *self.offered.lock().unwrap_or_else(PoisonError::into_inner) = Some(feed);
    }

    /// What comes next is the newest, whatever its revision; what is in force stays until then.
    pub(super) fn forget_offered(&self) {
        *self.offered.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The newest that the backend has said.
    pub(crate) fn offered(&self) -> Option<Arc<Feed>> {
        self.offered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Where the configuration was read from.
    pub(crate) fn config_file(&self) -> &Path {
        &self.config_file
    }

    pub(crate) fn data_folder(&self) -> PathBuf {
        // Another one in the file takes effect at a start.
        self.started.data.clone()
    }

    /// The file, and what the command line says in place of it.
    pub(crate) fn written_in(&self) -> (PathBuf, Overrides) {
        (self.config_file.clone(), self.overrides.clone())
    }

    pub(super) fn sources(&self) -> Sources {
        self.sources
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn server_tls(&self) -> TlsProfile {
        let sources = self.sources.lock();
        let sources = sources.unwrap_or_else(PoisonError::into_inner);
        sources.config.server.tls
    }

    /// Checks the changed sources whole, then swaps the directory, then moves the ports. The
    /// change is made to what is in force when its turn comes, so that two at once lose neither.
    async fn bring_into_force(&self, change: impl FnOnce(&mut Sources)) -> Result<(), ChangeError> {
        let _one_change = self.changing.lock().await;
        let mut sources = self.sources();
        change(&mut sources);
        let (directory, certificates) = self.compile(&sources).await?;
        let certificates = Arc::new(certificates);
        let served = certificates.server.clone();
        let wanted = self.wanted(&directory, &certificates, &sources.config);
        self.listeners.judge(&wanted).map_err(ChangeError::Clash)?;
        let server = ServerPort::from(&sources.config.server);
        self.judge_saved(&wanted, server, None)?;
        let folders: HashSet<PathBuf> = directory
            .databases()
            .iter()
            .map(|one| one.folder.clone())
            .collect();
        // Users, lists and rights first: a port must not open before they are known.
        self.shared
            .settings
            .store(Arc::new(settings(&sources.config)));
        self.shared.directory.store(Arc::new(directory));
        *self
            .certificates
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(certificates);
        self.lists.keep(&folders);
        self.shelf.keep_used();
        self.listeners
            .apply(&wanted)
            .await
            .map_err(ChangeError::Clash)?;
        self.shared.reconsider_connections();
        let directory = self.shared.directory.load_full();
        if let Some(certificates) = self.certificates() {
            self.put_up(&directory, &certificates).await;
        }
        let ended = self
            .shared
            .logins
            .end_bad_sessions(&directory, self.shared.now())
            .await;
        if let Err(fault) = ended {
            tracing::error!(%fault, "ended sessions are not on disk as such");
        }
        let page = sources.config.certificate_page.port();
        let profile = sources.config.server.tls;
        self.status.tell(|told| {
            told.server = Some(server);
            told.server_tls = profile;
            told.certificate_page = page;
            told.server_certificate = Some(served);
        });
        *self.sources.lock().unwrap_or_else(PoisonError::into_inner) = sources;
        systemd::standing(&self.standing());
        Ok(())
    }

    /// One line for `systemctl status`.
    pub(super) fn standing(&self) -> String {
        let databases = self.shared.directory.load().databases().len().to_string();
        let (open, closed) = self.listeners.open_and_closed();
        let values = [
            ("databases", databases.as_str()),
            ("open", &open.to_string()),
            ("closed", &closed.to_string()),
        ];
        messages::text(self.shared.language(), "standing", &values)
    }

    pub(crate) fn certificates(&self) -> Option<Arc<Certificates>> {
        self.certificates
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    async fn compile(&self, sources: &Sources) -> Result<(Directory, Certificates), ChangeError> {
        let (sources, file) = (sources.clone(), self.config_file.clone());
        let before = self.shared.directory.load_full();
        let (lists, shelf) = (Arc::clone(&self.lists), Arc::clone(&self.shelf));
        let (backend, index_key) = (self.backend.clone(), self.index_key);
        let compiled = tokio::task::spawn_blocking(move || {
            let compiler = Compiler {
                sources: &sources,
                before: &before,
                file: &file,
                lists: &lists,
                shelf: &shelf,
                index_key,
                backend: backend.as_ref(),
            };
            compiler.compile()
        });
        let (directory, certificates) = compiled.await??;
        // A name that resolves slowly must not hold the change up; it is asked again later.
        drop(timeout(RESOLVE_LIMIT, resolve_all(&directory, true)).await);
        Ok((directory, certificates))
    }

    pub(super) fn wanted(
        &self,
        directory: &Directory,
        certificates: &Certificates,
        config: &Config,
    ) -> Vec<Wanted> {
        let in_force = |choice: &Choice| choice.served().and_then(|served| served.in_force());
        let mut kept = self.contexts.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = &self.shared;
        let mut round = kept.round(&shared.challenges, &shared.trust, Instant::now());
        let mut wanted = Vec::new();
        let mut want =
            |holder: Holder, port, https: bool, terms, own: &Choice, others: &[Arc<InUse>]| {
                let tls = https.then(|| {
                    let own = in_force(own)?;
                    let others = others.iter().map(|one| &one.certificate);
                    let tls = round.port(&holder, terms, &own.certificate, others);
                    tls.map_err(|cause| {
                        let file = own.file.clone();
                        Arc::new(CertificateFault::Unfit { file, cause })
                    })
                });
                let shown = tls.as_ref().and_then(|tls| tls.as_ref().ok());
                let shown = shown.and_then(|_| own.served().ok());
                let thumbprints = shown.map(|one| one.certificate.thumbprints());
                wanted.push(Wanted {
                    holder,
                    port,
                    https,
                    tls,
                    thumbprints: thumbprints.unwrap_or_default(),
                });
            };
        let databases = directory.databases().iter();
        let open = databases.filter(|database| database.mode == Mode::Server);
        // Which database it will be is not known yet: who has no certificate is refused after it is.
        let mut settings = open.clone().map(|database| database.client_certificates);
        let server_terms = Terms {
            profile: config.server.tls,
            client_certificates: match settings.any(|one| one != ClientCertificates::Off) {
                true => ClientCertificates::Optional,
                false => ClientCertificates::Off,
            },
        };
        if let Some(server) = self.server_in_force() {
            let others = open.clone().filter(|database| database.https);
            let others = others.filter_map(|database| in_force(&database.certificate).ok());
            let (own, others) = (&certificates.server, others.collect::<Vec<_>>());
            want(
                Holder::Server,
                server.port,
                server.https,
                server_terms,
                own,
                &others,
            );
        }
        let default: Vec<_> = in_force(&certificates.default).into_iter().collect();
        for database in open {
            let (id, https, own) = (&database.id, database.https, &database.certificate);
            let terms = Terms {
                profile: database.tls,
                client_certificates: database.client_certificates,
            };
            let data = Holder::Data(id.clone());
            want(data, database.port, https, terms, own, &default);
            if let Some(print) = &database.print {
                let holder = Holder::Print(id.clone());
                want(holder, print.port, https, terms, own, &default);
            }
        }
        if let Some(port) = config.certificate_page.port() {
            let (holder, own) = (Holder::CertificatePage, &certificates.server);
            want(holder, port, false, server_terms, own, &[]);
        }
        round.end();
        wanted
    }

    /// What the certificate page tells, as the ports are now.
    async fn put_up(&self, directory: &Arc<Directory>, certificates: &Arc<Certificates>) {
        let (directory, certificates) = (Arc::clone(directory), Arc::clone(certificates));
        let (listeners, authority) = (Arc::clone(&self.listeners), self.authority());
        let server = self.server_in_force();
        let known = &self.known_ports;
        let before = mem::take(&mut *known.lock().unwrap_or_else(PoisonError::into_inner));
        let notice = tokio::task::spawn_blocking(move || {
            // One that cannot be read is none to hand out.
            let root = authority.root().ok().flatten().map(|root| root.certificate);
            let mut now = Known::under(root.as_ref());
            let mut open = |holder: Holder, https, certificate: &Choice| {
                let number = listeners.state(&holder)?.address?.port();
                let (served, root) = (certificate.served(), root.as_ref());
                Some(now.port(&before, number, https, &served, root))
            };
            let databases = directory.databases().iter();
            let databases = databases.filter(|database| database.mode == Mode::Server);
            let databases = databases.map(|database| {
                let holder = Holder::Data(database.id.clone());
                certificate_page::Database {
                    id: database.id.clone(),
                    name: database.name.clone(),
                    https: database.https,
                    port: open(holder, database.https, &database.certificate),
                }
            });
            let databases = databases.collect();
            let notice = Notice {
                machine: match listeners.only_address() {
                    Some(ip) => vec![Name::Ip(ip)],
                    None => names::of_this_machine(),
                },
                server: server
                    .and_then(|server| open(Holder::Server, server.https, &certificates.server)),
                databases,
            };
            (notice, now)
        });
        match notice.await {
            Ok((notice, now)) => {
                self.shared.notice.store(Arc::new(notice));
                *known.lock().unwrap_or_else(PoisonError::into_inner) = now;
            }
            Err(fault) => tracing::error!(%fault, "the certificate page tells what was before"),
        }
    }

    /// With the newest directory that the backend has offered, else with the one in force.
    pub(super) async fn reload_with(&self, config: Config) -> Result<(), ChangeError> {
        let config = Arc::new(config);
        let offered = self.bring_into_force(|sources| {
            sources.config = Arc::clone(&config);
            sources.feed = self.offered();
        });
        match offered.await {
            Ok(()) if self.sources().feed.is_some() => {
                self.backend_told(|state| state.fault = None);
                Ok(())
            }
            Ok(()) => Ok(()),
            Err(_) => {
                self.bring_into_force(|sources| sources.config = config)
                    .await
            }
        }
    }

    pub(super) fn faulty(&self, faults: Vec<String>) {
        for fault in &faults {
            tracing::error!(fault, "the configuration read before stays in force");
        }
        self.status.tell(|told| told.config_faults = faults);
    }

    pub(super) fn backend_told(&self, change: impl FnOnce(&mut BackendState)) {
        self.status
            .tell(|told| change(told.backend.get_or_insert_default()));
    }

    /// For a start while the backend is away.
    fn keep_feed(&self, feed: &Feed) {
        let file = feed_copy(&self.started.data.join("cache"));
        let kept = feed
            .json()
            .map_err(std::io::Error::other)
            .and_then(|bytes| files::replace(&file, 0o600, &bytes));
        if let Err(fault) = kept {
            tracing::error!(file = %file.display(), %fault, "the directory cannot be kept over a restart");
        }
    }

    /// What has been installed in the slot, or removed from it, is in force then.
    pub(crate) async fn certificate_changed(&self, slot: &Slot) -> Result<(), ChangeError> {
        let _one_change = self.changing.lock().await;
        let (shelf, slot) = (Arc::clone(&self.shelf), slot.clone());
        tokio::task::spawn_blocking(move || shelf.read_slot(&slot)).await?;
        self.apply_in_force().await
    }

    /// For who holds [`Self::changing`].
    pub(super) async fn apply_in_force(&self) -> Result<(), ChangeError> {
        let directory = self.shared.directory.load_full();
        let Some(certificates) = self.certificates() else {
            return Ok(());
        };
        let wanted = self.wanted(&directory, &certificates, &self.sources().config);
        self.listeners
            .apply(&wanted)
            .await
            .map_err(ChangeError::Clash)?;
        self.put_up(&directory, &certificates).await;
        systemd::standing(&self.standing());
        Ok(())
    }
}

/// Upstreams by name; `new_only` leaves those that have an address.
pub(super) async fn resolve_all(directory: &Directory, new_only: bool) {
    for database in directory.databases() {
        let data = match &database.upstream {
            Upstream::Server(server) => Some(server),
            Upstream::Backend(BackendAddress::Tcp { server, .. }) => Some(&**server),
            Upstream::Backend(BackendAddress::Unix(_)) => None,
        };
        let print = database
            .print
            .as_ref()
            .and_then(|print| print.upstream.as_ref());
        for server in [data, print].into_iter().flatten() {
            if !(new_only && server.address().is_some()) {
                server.resolve().await;
            }
        }
    }
}

/// No database of `changed` gets the folder of another, however the two write it.
fn judge_folders(directory: &Directory, changed: &[DatabaseId]) -> Result<(), ChangeError> {
    let databases = directory.databases();
    for database in databases.iter().filter(|one| changed.contains(&one.id)) {
        let mut others = databases.iter().filter(|other| other.id != database.id);
        if let Some(holder) = others.find(|other| other.folder == database.folder) {
            return Err(ChangeError::Folder {
                folder: database.folder.clone(),
                holder: holder.name.clone(),
            });
        }
    }
    Ok(())
}

pub(super) fn feed_copy(cache: &Path) -> PathBuf {
    cache.join("directory.json")
}

pub(super) fn settings(config: &Config) -> Settings {
    // The configuration has refused a /0 already; should one get here, nobody is trusted.
    let trusted = TrustedProxies::new(config.trusted_proxies.iter().map(|net| net.0));
    Settings {
        language: config.language,
        trusted_proxies: trusted.unwrap_or_default(),
    }
}

/// Keys that only a start reads.
pub(super) fn needs_restart(before: &Config, after: &Config, language: Language) -> Vec<String> {
    [
        ("data", before.data != after.data),
        ("listen", before.listen != after.listen),
        ("log", before.log != after.log),
        ("metrics", before.metrics != after.metrics),
        ("limits", before.limits != after.limits),
        ("backend", before.backend != after.backend),
    ]
    .into_iter()
    .filter(|(_, changed)| *changed)
    .map(|(key, _)| messages::text(language, "needs-restart", &[("key", key)]))
    .collect()
}
