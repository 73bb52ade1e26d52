//! The whole gateway: owns every part, starts them in order, brings changes into force, stops.
//!
//! Changes come from three sides: the configuration file, the backend's directory feed, the list
//! files. Each is checked whole before anything is swapped; what is refused leaves everything as
//! it was and stands in the log and in `status`.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    net::SocketAddr,
    num::NonZeroU32,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, bail};
use arc_swap::ArcSwap;
use backend_types::Mode;
use gateway_config::{Backend, Config, Finding, LogTo, Metrics as MetricsAt, Overrides, Severity};
use gateway_policy::{ports::Holder, proxy_protocol::TrustedProxies};
use openssl::ssl::SslContext;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    time::{MissedTickBehavior, interval, timeout},
};

use crate::{
    backend_client::BackendAddress,
    certificate::{Pair, Served},
    clock::Clock,
    compile::{Certificates, CompileError, Compiler},
    connections::{Connections, DoorLimits},
    directory::{Directory, ServerAddress, Upstream},
    files, http_service,
    listeners::{Listeners, Wanted},
    lists::{self, ListWatch},
    logging,
    login::Logins,
    messages::{self, Language},
    metrics::Metrics,
    shared::{Settings, Shared},
    sockets,
    status::{BackendState, ServerPort, Status, Told},
    tls, welcome, worker,
};

/// Running requests may finish within this after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// How soon a busy port is tried again, and windows are written to disk.
const EVERY_SECOND: Duration = Duration::from_secs(1);
/// How soon a changed configuration file is noticed.
const LOOK_AT_CONFIG_EVERY: Duration = Duration::from_millis(300);
/// How soon a backend that is away is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// In seconds.
const SWEEP_SESSIONS_EVERY: u64 = 600;
const RESOLVE_EVERY: Duration = Duration::from_secs(30);
const RESOLVE_LIMIT: Duration = Duration::from_secs(2);

/// What `run` was told on the command line, the configuration read and without faults.
pub(crate) struct Start {
    pub(crate) config_file: PathBuf,
    pub(crate) overrides: Overrides,
    pub(crate) config: Config,
    pub(crate) warnings: Vec<Finding>,
    /// Of the file, taken before it was read: an edit made since then is still to come.
    pub(crate) stamp: Stamp,
}

/// What tells one state of the configuration file from another.
pub(crate) type Stamp = Option<(u64, u64, i64, i64)>;

/// The parts that a change of configuration or directory touches.
struct World {
    config_file: PathBuf,
    overrides: Overrides,
    shared: Arc<Shared>,
    listeners: Arc<Listeners>,
    lists: Arc<ListWatch>,
    status: Arc<Status>,
    backend: Option<BackendAddress>,
    certificates: Mutex<Option<Arc<Certificates>>>,
    index_key: [u8; 32],
    sources: Mutex<Sources>,
    /// The backend's newest directory, also one that clashes with the file: when the file is
    /// mended, it comes into force.
    offered: Mutex<Option<backend_types::Directory>>,
    /// One context per port and certificate, kept while both stay: tickets stay valid then.
    contexts: Mutex<HashMap<(Holder, String), SslContext>>,
    /// One change at a time.
    changing: tokio::sync::Mutex<()>,
}

/// What the directory in force was compiled from.
#[derive(Clone)]
struct Sources {
    config: Config,
    feed: Option<backend_types::Directory>,
}

#[derive(Debug, thiserror::Error)]
enum ChangeError {
    #[error("{0}")]
    Compile(#[from] CompileError),
    #[error("{}", joined(.0))]
    Clash(Vec<gateway_policy::ports::Clash>),
    #[error("a TLS context cannot be made: {0}")]
    Tls(#[from] openssl::error::ErrorStack),
    #[error("the change was broken off: {0}")]
    Lost(#[from] tokio::task::JoinError),
}

impl ChangeError {
    /// For the administrator; what only an engineer can mend stays English.
    fn words(&self, language: Language) -> String {
        match self {
            Self::Clash(clashes) => {
                let words = clashes.iter().map(|clash| messages::clash(clash, language));
                words.collect::<Vec<_>>().join("; ")
            }
            Self::Compile(CompileError::ClaimedTwice { id, yaml }) => messages::text(
                language,
                "claimed-twice",
                &[("id", id.as_str()), ("file", yaml)],
            ),
            Self::Compile(CompileError::IndexKey { .. }) | Self::Tls(_) | Self::Lost(_) => {
                self.to_string()
            }
        }
    }
}

fn joined(clashes: &[gateway_policy::ports::Clash]) -> String {
    clashes
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

/// Runs the gateway until SIGINT or SIGTERM.
pub(crate) async fn run(start: Start) -> anyhow::Result<()> {
    let Start {
        config_file,
        overrides,
        config,
        warnings,
        stamp,
    } = start;
    let data = config.data.clone();
    // Hashes, keys and a log with names: nobody else's business.
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&data)
        .with_context(|| format!("data folder {}", data.display()))?;
    let _lock = lock(&data)?;
    let folder = data.join("log");
    let log_folder = (config.log.to == LogTo::File).then_some(folder.as_path());
    let _log = logging::start(log_folder, config.log.level.as_str()).context("log")?;
    for warning in &warnings {
        tracing::warn!(finding = %warning, "configuration");
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // Before the ready line: until somebody listens, SIGHUP ends a process.
    let hang_up = signal(SignalKind::hangup())?;

    let index_key = files::secret(&data.join("secrets").join("index.key")).context("index key")?;
    let cache = data.join("cache");
    std::fs::create_dir_all(&cache).context("cache folder")?;
    let clock = Clock::start();
    let logins = Logins::open(&data, clock.now()).context("sessions")?;
    let shared = Arc::new(Shared {
        clock,
        settings: ArcSwap::from_pointee(settings(&config)),
        directory: ArcSwap::default(),
        connections: Arc::new(Connections::new(door_limits(&config))),
        logins,
        metrics: Metrics::new(),
        stop: watch::Sender::new(false),
    });
    let workers = (0..worker_count())
        .map(|number| worker::start(number, Arc::clone(&shared)))
        .collect::<std::io::Result<Vec<_>>>()
        .context("worker threads")?;
    let (orders, threads): (Vec<_>, Vec<_>) = workers.into_iter().unzip();
    let listeners = Arc::new(Listeners::new(config.listen, orders));
    let embedded = match &config.backend {
        Some(Backend::Embedded) => Some(Embedded::start(&config).await?),
        Some(Backend::Remote(_)) | None => None,
    };
    let backend = backend_address(&config, embedded.as_ref())?;
    let status = Arc::new(Status {
        shared: Arc::clone(&shared),
        listeners: Arc::clone(&listeners),
        told: Mutex::new(Told {
            config_file: config_file.clone(),
            config_faults: Vec::new(),
            config_warnings: warnings
                .iter()
                .map(|one| one.render(config.language))
                .collect(),
            server: Some(ServerPort {
                port: config.server.port,
                https: config.server.https,
            }),
            backend: backend.is_some().then(BackendState::default),
        }),
    });
    let metrics = match config.metrics {
        MetricsAt::Off => None,
        MetricsAt::At(address) => Some(serve_metrics(address, &status).await),
    };
    let admin = sockets::path(&data, "admin.sock")
        .and_then(|path| http_service::bind_admin(&path))
        .context("admin socket")?;
    tokio::spawn(http_service::admin(admin, Arc::clone(&status)));

    let feed = first_feed(backend.as_ref(), &cache).await;
    let world = Arc::new(World {
        config_file,
        overrides,
        shared: Arc::clone(&shared),
        listeners: Arc::clone(&listeners),
        lists: Arc::new(ListWatch::new(cache)),
        status: Arc::clone(&status),
        backend,
        certificates: Mutex::default(),
        index_key,
        sources: Mutex::new(Sources {
            config: config.clone(),
            feed: None,
        }),
        offered: Mutex::default(),
        contexts: Mutex::default(),
        changing: tokio::sync::Mutex::default(),
    });
    world.start_with(feed).await?;

    let greeting = welcome::text_for_people(
        &status.report(),
        world.certificates().map(|served| served.default.clone()),
        &config,
        embedded.as_ref().and_then(Embedded::first_start),
    );
    say(&greeting);
    let metrics = metrics.flatten();
    say(&format!(
        "{}\n",
        welcome::ready_line(&status.report(), metrics)
    ));

    tokio::spawn(Arc::clone(&world).follow_config(stamp, hang_up));
    tokio::spawn(Arc::clone(&world).follow_lists());
    tokio::spawn(Arc::clone(&world).every_second());
    tokio::spawn(Arc::clone(&world).resolve_names());
    if world.backend.is_some() {
        tokio::spawn(Arc::clone(&world).follow_backend());
    }

    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping: running requests may finish");
    listeners.close_all().await;
    shared.stop.send_replace(true);
    if timeout(STOP_LIMIT, shared.connections.emptied())
        .await
        .is_err()
    {
        let cut = shared.connections.close_where(|_| true);
        tracing::warn!(cut, "requests were still running at the end");
    }
    if let Err(fault) = shared.logins.save_windows(shared.now()).await {
        tracing::error!(%fault, "throttle windows are lost with this stop");
    }
    if let Some(embedded) = embedded {
        embedded.stop().await;
    }
    tracing::info!("stopped");
    drop(threads);
    Ok(())
}

impl World {
    /// The first directory. A clash between the two sources costs the backend's databases, not
    /// the whole gateway.
    async fn start_with(&self, feed: Option<backend_types::Directory>) -> anyhow::Result<()> {
        let config = self.sources().config;
        if let Some(feed) = feed
            && self.take_feed(feed).await
        {
            return Ok(());
        }
        let alone = Sources { config, feed: None };
        self.bring_into_force(alone)
            .await
            .with_context(|| self.config_file.display().to_string())
    }

    /// The backend's directory, if it goes with the file; else the one before stays in force.
    async fn take_feed(&self, feed: backend_types::Directory) -> bool {
        let revision = feed.revision;
        self.offer(feed.clone());
        let sources = Sources {
            feed: Some(feed),
            ..self.sources()
        };
        let taken = self.bring_into_force(sources).await;
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

    fn offer(&self, feed: backend_types::Directory) {
        self.keep_feed(&feed);
        *self.offered.lock().unwrap_or_else(PoisonError::into_inner) = Some(feed);
    }

    fn offered(&self) -> Option<backend_types::Directory> {
        self.offered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn sources(&self) -> Sources {
        self.sources
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Checks `sources` whole, then swaps the directory, then moves the ports.
    async fn bring_into_force(&self, sources: Sources) -> Result<(), ChangeError> {
        let _one_change = self.changing.lock().await;
        let (directory, certificates) = self.compile(&sources).await?;
        let certificates = Arc::new(certificates);
        let wanted = self.wanted(&sources.config, &directory, &certificates)?;
        self.listeners.judge(&wanted).map_err(ChangeError::Clash)?;
        let folders: Vec<PathBuf> = directory
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
        self.listeners
            .apply(&wanted)
            .await
            .map_err(ChangeError::Clash)?;
        self.shared.reconsider_connections();
        let server = &sources.config.server;
        let server = ServerPort {
            port: server.port,
            https: server.https,
        };
        self.status.tell(|told| told.server = Some(server));
        *self.sources.lock().unwrap_or_else(PoisonError::into_inner) = sources;
        Ok(())
    }

    fn certificates(&self) -> Option<Arc<Certificates>> {
        self.certificates
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    async fn compile(&self, sources: &Sources) -> Result<(Directory, Certificates), ChangeError> {
        let (sources, file) = (sources.clone(), self.config_file.clone());
        let lists = Arc::clone(&self.lists);
        let (backend, index_key) = (self.backend.clone(), self.index_key);
        let compiled = tokio::task::spawn_blocking(move || {
            let compiler = Compiler {
                config: &sources.config,
                file: &file,
                lists: &lists,
                index_key,
                backend: backend.as_ref(),
            };
            compiler.compile(sources.feed.as_ref())
        });
        let (directory, certificates) = compiled.await??;
        // A name that resolves slowly must not hold the change up; it is asked again later.
        drop(timeout(RESOLVE_LIMIT, resolve_all(&directory, true)).await);
        Ok((directory, certificates))
    }

    fn wanted(
        &self,
        config: &Config,
        directory: &Directory,
        certificates: &Certificates,
    ) -> Result<Vec<Wanted>, ChangeError> {
        let mut kept = self.contexts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut contexts = HashMap::new();
        let mut context = |holder: &Holder, served: &Served| {
            let pair = match served.as_ref().map_err(Arc::clone).and_then(Pair::in_force) {
                Ok(pair) => pair,
                Err(fault) => return Ok(Err(fault.to_string())),
            };
            let key = (holder.clone(), pair.thumbprint_sha256());
            let context = match kept.get(&key) {
                Some(context) => context.clone(),
                None => tls::context(&pair, &holder.to_string())?,
            };
            contexts.insert(key, context.clone());
            Ok::<_, ChangeError>(Ok(context))
        };
        let mut wanted = Vec::new();
        let mut want = |holder: Holder, port, https, served: &Served| {
            let tls = if https {
                Some(context(&holder, served)?)
            } else {
                None
            };
            wanted.push(Wanted {
                holder,
                port,
                https,
                tls,
            });
            Ok::<_, ChangeError>(())
        };
        let server = &config.server;
        want(
            Holder::Server,
            server.port,
            server.https,
            &certificates.server,
        )?;
        for database in directory.databases() {
            if database.mode != Mode::Server {
                continue;
            }
            let (id, https, served) = (&database.id, database.https, &database.certificate);
            want(Holder::Data(id.clone()), database.port, https, served)?;
            if let Some(print) = &database.print {
                want(Holder::Print(id.clone()), print.port, https, served)?;
            }
        }
        *kept = contexts;
        Ok(wanted)
    }

    /// SIGHUP, or the file itself: checked whole; faulty, the old one stays.
    async fn follow_config(self: Arc<Self>, mut seen: Stamp, mut hang_up: Signal) {
        let mut look = interval(LOOK_AT_CONFIG_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut changing = None;
        loop {
            tokio::select! {
                _ = hang_up.recv() => {}
                _ = look.tick() => {
                    let now = stamp(&self.config_file);
                    if now == seen {
                        continue;
                    }
                    // Read it when it has rested for one look: editors write in pieces.
                    if changing != Some(now) {
                        changing = Some(now);
                        continue;
                    }
                }
            }
            seen = stamp(&self.config_file);
            changing = None;
            self.reload().await;
        }
    }

    async fn reload(&self) {
        let (file, overrides) = (self.config_file.clone(), self.overrides.clone());
        let loaded =
            tokio::task::spawn_blocking(move || gateway_config::load(&file, &overrides)).await;
        let loaded = match loaded {
            Ok(Ok(loaded)) => loaded,
            Ok(Err(findings)) => {
                let faults = findings
                    .iter()
                    .filter(|one| one.severity() == Severity::Fault);
                return self.faulty(faults.map(|fault| self.words(fault)).collect());
            }
            Err(fault) => return self.faulty(vec![fault.to_string()]),
        };
        let before = self.sources();
        let mut warnings: Vec<String> = loaded
            .warnings
            .iter()
            .map(|warning| self.words(warning))
            .collect();
        warnings.extend(needs_restart(&before.config, &loaded.config));
        match self.reload_with(loaded.config, before.feed).await {
            Ok(()) => {
                tracing::info!(file = %self.config_file.display(), "configuration in force");
                for warning in &warnings {
                    tracing::warn!(finding = warning, "configuration");
                }
                self.status.tell(|told| {
                    told.config_faults.clear();
                    told.config_warnings = warnings;
                });
            }
            Err(fault) => {
                let words = fault.words(self.shared.language());
                self.faulty(vec![format!("{}: {words}", self.config_file.display())]);
            }
        }
    }

    /// With the newest directory that the backend has offered, else with the one in force.
    async fn reload_with(
        &self,
        config: Config,
        in_force: Option<backend_types::Directory>,
    ) -> Result<(), ChangeError> {
        let offered = self.offered();
        let with = |feed| Sources {
            config: config.clone(),
            feed,
        };
        match self.bring_into_force(with(offered.clone())).await {
            Ok(()) if offered.is_some() => self.backend_told(|state| state.fault = None),
            Ok(()) => {}
            Err(_) if offered != in_force => self.bring_into_force(with(in_force)).await?,
            Err(fault) => return Err(fault),
        }
        Ok(())
    }

    fn words(&self, finding: &Finding) -> String {
        finding.render(self.shared.language())
    }

    fn faulty(&self, faults: Vec<String>) {
        for fault in &faults {
            tracing::error!(fault, "the configuration read before stays in force");
        }
        self.status.tell(|told| told.config_faults = faults);
    }

    fn backend_told(&self, change: impl FnOnce(&mut BackendState)) {
        self.status
            .tell(|told| change(told.backend.get_or_insert_default()));
    }

    /// The backend's directory by revision; while it is away, what it said last stays.
    async fn follow_backend(self: Arc<Self>) {
        let Some(backend) = self.backend.clone() else {
            return;
        };
        let mut revision = self.offered().map_or(0, |feed| feed.revision);
        let mut away = false;
        loop {
            match backend.directory(revision).await {
                Ok(Some(feed)) => {
                    revision = feed.revision;
                    self.take_feed(feed).await;
                    away = false;
                }
                Ok(None) => {
                    if away {
                        away = false;
                        self.backend_told(|state| state.fault = None);
                    }
                }
                // The embedded backend stops with the gateway.
                Err(_) if *self.shared.stop.borrow() => return,
                Err(fault) => {
                    if !away {
                        away = true;
                        tracing::error!(%fault, "the backend is away; its last directory stays in force");
                    }
                    self.backend_told(|state| state.fault = Some(fault.to_string()));
                    tokio::time::sleep(ASK_AGAIN).await;
                }
            }
        }
    }

    /// For a start while the backend is away.
    fn keep_feed(&self, feed: &backend_types::Directory) {
        let file = feed_copy(&self.sources().config.data.join("cache"));
        let kept = serde_json::to_vec(feed)
            .map_err(std::io::Error::other)
            .and_then(|bytes| files::replace(&file, 0o600, &bytes));
        if let Err(fault) = kept {
            tracing::error!(file = %file.display(), %fault, "the directory cannot be kept over a restart");
        }
    }

    async fn follow_lists(self: Arc<Self>) {
        let mut look = interval(lists::LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            look.tick().await;
            let (lists, now) = (Arc::clone(&self.lists), self.shared.now());
            match tokio::task::spawn_blocking(move || lists.look(now)).await {
                Ok(true) => self.shared.reconsider_connections(),
                Ok(false) => {}
                Err(fault) => tracing::error!(%fault, "the list files were not looked at"),
            }
        }
    }

    async fn every_second(self: Arc<Self>) {
        let mut ticks = 0_u64;
        let mut tick = interval(EVERY_SECOND);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.shared.connections.sweep();
            ticks += 1;
            if ticks.is_multiple_of(SWEEP_SESSIONS_EVERY)
                && let Err(fault) = self.shared.logins.sweep_sessions(self.shared.now()).await
            {
                tracing::error!(%fault, "ended sessions stay on disk");
            }
            if let Err(fault) = self.shared.logins.save_windows(self.shared.now()).await {
                tracing::error!(%fault, "throttle windows are not on disk");
            }
            // Busy ports are tried again; a certificate's end is noticed within a minute.
            if (self.listeners.any_closed() || ticks.is_multiple_of(60))
                && let Err(fault) = self.apply_again().await
            {
                tracing::error!(%fault, "a closed port cannot be tried again");
            }
        }
    }

    /// The directory in force on the ports once more.
    async fn apply_again(&self) -> Result<(), ChangeError> {
        let _one_change = self.changing.lock().await;
        let directory = self.shared.directory.load_full();
        let Some(certificates) = self.certificates() else {
            return Ok(());
        };
        let wanted = self.wanted(&self.sources().config, &directory, &certificates)?;
        self.listeners
            .apply(&wanted)
            .await
            .map_err(ChangeError::Clash)
    }

    async fn resolve_names(self: Arc<Self>) {
        let mut tick = interval(RESOLVE_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            resolve_all(&self.shared.directory.load_full(), false).await;
        }
    }
}

/// Upstreams by name; `new_only` leaves those that have an address.
async fn resolve_all(directory: &Directory, new_only: bool) {
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

/// The embedded backend and its socket.
struct Embedded {
    running: backend::Running,
    socket: PathBuf,
}

impl Embedded {
    async fn start(config: &Config) -> anyhow::Result<Self> {
        let socket = sockets::path(&config.data, "backend.sock")?;
        let running = backend::start(backend::Options {
            data: config.data.clone(),
            listen: backend::Listen::Unix(socket.clone()),
            key: None,
            language: config.language,
        })
        .await
        .context("the backend in this process")?;
        Ok(Self { running, socket })
    }

    fn first_start(&self) -> Option<&backend::FirstStart> {
        self.running.first_start()
    }

    async fn stop(self) {
        self.running.stop().await;
    }
}

fn backend_address(
    config: &Config,
    embedded: Option<&Embedded>,
) -> anyhow::Result<Option<BackendAddress>> {
    match (&config.backend, embedded) {
        (Some(Backend::Remote(remote)), _) => {
            let key = std::fs::read_to_string(&remote.key_file)
                .with_context(|| remote.key_file.display().to_string())?;
            Ok(Some(BackendAddress::Tcp {
                server: Arc::new(ServerAddress::new(remote.url.authority())),
                key: key.trim().into(),
            }))
        }
        (Some(Backend::Embedded) | None, Some(embedded)) => {
            Ok(Some(BackendAddress::Unix(embedded.socket.clone())))
        }
        (Some(Backend::Embedded) | None, None) => Ok(None),
    }
}

/// What the backend says now, else what it said in the last run.
async fn first_feed(
    backend: Option<&BackendAddress>,
    cache: &Path,
) -> Option<backend_types::Directory> {
    let fault = match backend?.directory(0).await {
        Ok(feed) => return feed,
        Err(fault) => fault,
    };
    let copy = std::fs::read(feed_copy(cache)).ok();
    let copy = copy.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    tracing::error!(%fault, kept = copy.is_some(), "the backend is away");
    copy
}

fn feed_copy(cache: &Path) -> PathBuf {
    cache.join("directory.json")
}

async fn serve_metrics(address: SocketAddr, status: &Arc<Status>) -> Option<SocketAddr> {
    let bound = async {
        let listener = TcpListener::bind(address).await?;
        let bound = listener.local_addr()?;
        tokio::spawn(http_service::metrics(listener, Arc::clone(status)));
        std::io::Result::Ok(bound)
    };
    match bound.await {
        Ok(bound) => Some(bound),
        Err(fault) => {
            // Shops must not stand still because a counter cannot be read.
            tracing::error!(%address, %fault, "metrics are not served");
            None
        }
    }
}

/// One process a data folder.
fn lock(data: &Path) -> anyhow::Result<File> {
    let path = data.join(".lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .with_context(|| path.display().to_string())?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            file.read_to_string(&mut pid)?;
            bail!(
                "data folder {} is in use by process {}",
                data.display(),
                pid.trim()
            )
        }
        Err(TryLockError::Error(fault)) => Err(fault).context(path.display().to_string()),
    }
}

fn settings(config: &Config) -> Settings {
    // The configuration has refused a /0 already; should one get here, nobody is trusted.
    let trusted = TrustedProxies::new(config.trusted_proxies.iter().map(|net| net.0));
    Settings {
        language: config.language,
        trusted_proxies: trusted.unwrap_or_default(),
    }
}

fn door_limits(config: &Config) -> DoorLimits {
    let positive = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    DoorLimits {
        connections_per_address: config.limits.connections_per_address,
        new_per_second: positive(config.limits.new_per_second),
        burst: positive(config.limits.burst),
    }
}

fn worker_count() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

/// Keys that only a start reads.
fn needs_restart(before: &Config, after: &Config) -> Vec<String> {
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
    .map(|(key, _)| format!("{key}: takes effect at the next start"))
    .collect()
}

/// The file's present [`Stamp`].
pub(crate) fn stamp(file: &Path) -> Stamp {
    use std::os::unix::fs::MetadataExt;
    let file = std::fs::metadata(file).ok()?;
    Some((file.size(), file.ino(), file.ctime(), file.ctime_nsec()))
}

/// People's text and the ready line go to stdout; a closed stdout is no reason to stop.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(fault) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        tracing::debug!(%fault, "nobody reads stdout");
    }
}
