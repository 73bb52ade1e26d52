//! The whole gateway: owns every part, starts them in order, brings changes into force, stops.
//!
//! Changes while it runs are noticed by [`follow`] and made by [`world`]; the server port's start and
//! stop are [`server`]'s.

mod follow;
mod install;
mod server;
mod watching;
mod world;

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    net::SocketAddr,
    num::NonZeroU32,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::Context;
use arc_swap::ArcSwap;
use gateway_certificates::Store;
use gateway_config::{Backend, Config, Finding, Metrics as MetricsAt, Overrides};
use gateway_policy::recent::Recent;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::timeout,
};
use words::Cause;

use self::world::{feed_copy, settings};
pub(crate) use self::{
    follow::{Stamp, stamp},
    install::InstallError,
    world::{ChangeError, World},
};
use crate::{
    acme::Acme,
    administration::Administration,
    backend_client::{BackendAddress, Wait},
    certificates::Shelf,
    clock::Clock,
    compile::Sources,
    connections::{Connections, DoorLimits},
    feed::Feed,
    files,
    hand_over::Inherited,
    http_service,
    listeners::Listeners,
    lists::ListWatch,
    login::Logins,
    messages,
    metrics::Metrics,
    renewal::{self, Renewals},
    server_address::ServerAddress,
    shared::{RequestIds, Shared},
    sockets,
    status::{BackendState, ServerPort, Status, Told},
    systemd,
    watchdog::Watchdog,
    welcome, worker,
};

/// Running requests may finish within this after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// A backend that is slow to answer must not keep the ports closed.
const FIRST_ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// What it has to say of a request, we say.
const PINGORA_IS_QUIET: &str = "pingora_core=error,pingora_proxy=off";

/// What `run` was told on the command line, the configuration read and without faults.
pub(crate) struct Start {
    pub(crate) config_file: PathBuf,
    pub(crate) overrides: Overrides,
    pub(crate) config: Config,
    pub(crate) warnings: Vec<Finding>,
    /// Of the file, taken before it was read: an edit made since then is still to come.
    pub(crate) stamp: Stamp,
    pub(crate) inherited: Inherited,
}

/// What comes after a stop.
pub(crate) enum End {
    Exit,
    /// The program anew in this process, with these sockets.
    Again(Vec<(String, std::net::TcpListener)>),
}

/// Runs the gateway until SIGINT or SIGTERM, or SIGUSR2, which starts it again.
pub(crate) async fn run(start: Start) -> anyhow::Result<End> {
    let Start {
        config_file,
        overrides,
        config,
        warnings,
        stamp,
        inherited,
    } = start;
    let data = config.data.clone();
    // Hashes, keys and a log with names: nobody else's business.
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&data)
        .map_err(|fault| NotStarted::in_folder("data", &data, fault))?;
    let _lock = lock(&data)?;
    let _log = log_files::start(&config.log, &data, "gateway", PINGORA_IS_QUIET)
        .map_err(|fault| NotStarted::in_folder("log", &data, fault))?;
    for warning in &warnings {
        tracing::warn!(finding = %warning, "configuration");
    }
    raise_descriptor_limit();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut again = signal(SignalKind::user_defined2())?;
    // Before the ready line: until somebody listens, SIGHUP ends a process.
    let hang_up = signal(SignalKind::hangup())?;

    let index_key = files::secret(&data.join("secrets").join("index.key"))
        .map_err(|fault| NotStarted::in_folder("secrets", &data, fault))?;
    let cache = data.join("cache");
    std::fs::create_dir_all(&cache)
        .map_err(|fault| NotStarted::in_folder("cache", &data, fault))?;
    let clock = Clock::start();
    let logins = Logins::open(&data, clock.now())
        .map_err(|fault| NotStarted::in_folder("sessions", &data, Cause::of(fault.as_ref())))?;
    let request_ids = RequestIds::start(clock.now());
    let shared = Arc::new(Shared {
        clock,
        settings: ArcSwap::from_pointee(settings(&config)),
        directory: ArcSwap::default(),
        trust: Arc::default(),
        handshakes: Mutex::default(),
        notice: ArcSwap::default(),
        connections: Arc::new(Connections::new(door_limits(&config))),
        logins,
        metrics: Metrics::new(),
        recent: Recent::default(),
        sampling: Mutex::default(),
        watchdog: Watchdog::default(),
        stop: watch::Sender::new(false),
        request_ids,
        challenges: Arc::default(),
    });
    let workers = (0..worker_count())
        .map(|number| worker::start(number, Arc::clone(&shared)))
        .collect::<std::io::Result<Vec<_>>>()
        .context("worker threads")?;
    let (orders, threads): (Vec<_>, Vec<_>) = workers.into_iter().unzip();
    let listeners = Arc::new(Listeners::new(config.listen, orders, inherited));
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
            server: Some(ServerPort::from(&config.server)),
            server_tls: config.server.tls,
            server_in_force: Some(ServerPort::from(&config.server)),
            server_certificate: None,
            certificate_page: config.certificate_page.port(),
            backend: backend.is_some().then(BackendState::default),
            renewals: Vec::new(),
        }),
    });
    let metrics = match config.metrics {
        MetricsAt::Off => None,
        MetricsAt::At(address) => Some(serve_metrics(address, &status).await),
    };
    let admin = sockets::make_path(&data, "admin.sock")
        .and_then(|path| http_service::bind_admin(&path))
        .map_err(|fault| NotStarted::in_folder("socket", &data, fault))?;

    let feed = first_feed(backend.as_ref(), &cache).await;
    let world = Arc::new(World {
        config_file,
        overrides,
        shared: Arc::clone(&shared),
        listeners: Arc::clone(&listeners),
        lists: Arc::new(ListWatch::new(cache)),
        acme: Acme::new(
            Store::new(data.join("tls")),
            Arc::clone(&shared.challenges),
            Arc::clone(&listeners),
        ),
        status: Arc::clone(&status),
        backend,
        shelf: Arc::new(Shelf::new(Store::new(data.join("tls")))),
        certificates: Mutex::default(),
        index_key,
        started: config.clone(),
        sources: Mutex::new(Sources {
            config: Arc::new(config.clone()),
            feed: None,
        }),
        server: Mutex::new(Some(ServerPort::from(&config.server))),
        offered: Mutex::default(),
        contexts: Mutex::default(),
        known_ports: Mutex::default(),
        taking: tokio::sync::Mutex::default(),
        changing: tokio::sync::Mutex::default(),
        installing: tokio::sync::Mutex::default(),
        renewals: Renewals::default(),
    });
    let administration = Arc::new(Administration::new(Arc::clone(&world)));
    tokio::spawn(http_service::admin(admin, administration));
    world.trust_changed().await;
    world.start_with(feed).await?;

    let greeting = welcome::text_for_people(
        &status.report(config.language),
        world.certificates().map(|served| served.default.served()),
        &config,
        embedded.as_ref().and_then(Embedded::first_start),
    );
    say(&greeting);
    let metrics = metrics.flatten();
    say(&format!(
        "{}\n",
        welcome::ready_line(&status.report(config.language), metrics)
    ));
    systemd::ready(&world.standing());

    tokio::spawn(Arc::clone(&world).follow_config(stamp, hang_up));
    tokio::spawn(Arc::clone(&world).follow_lists());
    tokio::spawn(Arc::clone(&world).follow_certificates());
    tokio::spawn(Arc::clone(&world).every_second());
    tokio::spawn(Arc::clone(&world).resolve_names());
    tokio::spawn(renewal::follow(Arc::clone(&world)));
    tokio::spawn(Arc::clone(&world).watch());
    if world.backend.is_some() {
        tokio::spawn(Arc::clone(&world).follow_backend());
    }

    let once_more = tokio::select! {
        _ = terminate.recv() => false,
        _ = interrupt.recv() => false,
        _ = again.recv() => true,
    };
    tracing::info!(once_more, "stopping: running requests may finish");
    if !once_more {
        systemd::stopping(&messages::text(config.language, "standing-stopping", &[]));
    }
    // First this: a connection whose port closes because of it still has its last call.
    shared.stop.send_replace(true);
    let sockets = listeners.stop_accepting().await;
    let end = if once_more {
        End::Again(sockets)
    } else {
        // Those that systemd keeps go on listening for the next process, the others close here.
        drop(sockets);
        End::Exit
    };
    let answered = timeout(STOP_LIMIT, shared.connections.answered()).await;
    let cut = shared.connections.close_where(|_| true);
    if answered.is_err() {
        tracing::warn!(cut, "requests were still running at the end");
    }
    if let Err(fault) = shared.logins.save_windows(shared.now()).await {
        tracing::error!(%fault, "throttle windows are lost with this stop");
    }
    if let Some(embedded) = embedded {
        embedded.stop().await;
    }
    if let Err(fault) = sockets::remove(&data, "admin.sock") {
        tracing::warn!(%fault, "the administrator's socket is left behind");
    }
    shared.tell_suppressed(true);
    tracing::info!("stopped");
    drop(threads);
    Ok(end)
}

/// Why there is no gateway, where its administrator can mend it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotStarted {
    #[error("data folder {} is in use by process {pid}", .folder.display())]
    InUse { folder: PathBuf, pid: String },
    #[error("data folder {}, {what}: {cause}", .folder.display())]
    Folder {
        what: &'static str,
        folder: PathBuf,
        cause: Cause,
    },
    #[error("backend on data folder {}: {fault}", .folder.display())]
    Backend {
        folder: PathBuf,
        fault: backend::StartError,
    },
}

impl NotStarted {
    fn in_folder(what: &'static str, folder: &Path, cause: impl Into<Cause>) -> Self {
        Self::Folder {
            what,
            folder: folder.to_owned(),
            cause: cause.into(),
        }
    }

    pub(crate) fn words(&self, language: messages::Language) -> String {
        match self {
            Self::InUse { folder, pid } => {
                let folder = folder.display().to_string();
                let values = [("folder", folder.as_str()), ("pid", pid)];
                messages::text(language, "not-started-in-use", &values)
            }
            Self::Folder {
                what,
                folder,
                cause,
            } => {
                let folder = folder.display().to_string();
                let values = [
                    ("folder", folder.as_str()),
                    ("cause", &cause.words(language)),
                ];
                messages::text(language, &format!("not-started-{what}"), &values)
            }
            Self::Backend { folder, fault } => {
                let folder = folder.display().to_string();
                let values = [
                    ("folder", folder.as_str()),
                    ("cause", &fault.words(language)),
                ];
                messages::text(language, "not-started-backend", &values)
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
        let socket = sockets::make_path(&config.data, "backend.sock")?;
        let running = backend::start(backend::Options {
            data: config.data.clone(),
            listen: backend::Listen::Unix(socket.clone()),
            key: None,
            language: config.language,
        })
        .await
        .map_err(|fault| NotStarted::Backend {
            folder: config.data.clone(),
            fault,
        })?;
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
                server: Arc::new(ServerAddress::new(remote.url.server())),
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
async fn first_feed(backend: Option<&BackendAddress>, cache: &Path) -> Option<Feed> {
    let asked = timeout(FIRST_ANSWER_LIMIT, backend?.directory(0, Wait::No, None)).await;
    let fault = match asked {
        Ok(Ok(feed)) => return feed,
        Ok(Err(fault)) => fault.to_string(),
        Err(_elapsed) => format!("no answer within {} s", FIRST_ANSWER_LIMIT.as_secs()),
    };
    let copy = std::fs::read(feed_copy(cache)).ok();
    let copy = copy.and_then(|bytes| Feed::read(&bytes, None).ok());
    let copy = copy.map(|(feed, _)| feed);
    tracing::error!(%fault, kept = copy.is_some(), "the backend is away");
    copy
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
        .map_err(|fault| NotStarted::in_folder("data", data, fault))?;
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
            let pid = pid.trim().to_owned();
            let folder = data.to_owned();
            Err(NotStarted::InUse { folder, pid }.into())
        }
        Err(TryLockError::Error(fault)) => Err(fault).context(path.display().to_string()),
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

/// Each connection takes a descriptor, each request under way another; the usual soft limit of
/// 1024 is for programs that call `select`.
fn raise_descriptor_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map(|()| (soft, hard))
    });
    match raised {
        Ok((before, now)) => tracing::info!(before, now, "descriptors"),
        Err(fault) => tracing::warn!(%fault, "the limit of descriptors cannot be raised"),
    }
}

fn worker_count() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

/// People's text and the ready line go to stdout; a closed stdout is no reason to stop.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(fault) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        tracing::debug!(%fault, "nobody reads stdout");
    }
}
