//! From a data folder and an address to a running service, and back down.

use std::{
    fmt, fs,
    fs::{File, OpenOptions, Permissions, TryLockError},
    io,
    net::SocketAddr,
    os::{
        fd::OwnedFd,
        unix::{
            ffi::OsStrExt,
            fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt, PermissionsExt},
        },
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use backend_types::Language;
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::{
    net::{TcpListener, UnixListener},
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

use crate::{
    backups::Backups,
    demo::{self, DemoError, FirstStart},
    messages::Message,
    secrets::Hasher,
    server::{self, Listener, SharedKey, State},
    storage::{OpenError, Storage, directory},
    systemd,
};

/// The longest path that a Unix socket's address holds, in bytes.
const SOCKET_PATH_BYTES: usize = 107;
const LOCK_FILE: &str = "backend.lock";

/// Where the service listens; only one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A socket that only this process's user can open (0600).
    Unix(PathBuf),
    /// Needs a shared key. Port 0 lets the system choose.
    Tcp(SocketAddr),
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => address.fmt(f),
        }
    }
}

/// What the service is started with.
#[derive(Debug)]
pub struct Options {
    /// The data folder; made (0700) where it is missing.
    pub data: PathBuf,
    pub listen: Listen,
    /// What `X-Smarts-Key` must say over TCP.
    pub key: Option<SharedKey>,
    /// For requests without a usable `Accept-Language`.
    pub language: Language,
}

/// Why the service did not start. Nothing listens then.
#[derive(Debug)]
pub enum StartError {
    Folder { folder: PathBuf, source: io::Error },
    InUse { folder: PathBuf },
    Storage { folder: PathBuf, source: OpenError },
    Demo(DemoError),
    SocketPathTooLong { path: PathBuf, bytes: usize },
    NoKey { address: SocketAddr },
    Listen { listen: Listen, source: io::Error },
}

impl StartError {
    /// For who started the program.
    #[must_use]
    pub fn words(&self, language: Language) -> String {
        self.message().in_language(language)
    }

    fn message(&self) -> Message {
        match self {
            Self::Folder { folder, source } => Message::new("start-folder")
                .with("folder", folder.display())
                .with_cause("detail", source),
            Self::InUse { folder } => Message::new("start-in-use").with("folder", folder.display()),
            Self::Storage { folder, source } => Message::new("start-storage")
                .with("folder", folder.display())
                .with_cause("detail", source),
            Self::Demo(source) => Message::new("start-demo").with_cause("detail", source),
            Self::SocketPathTooLong { path, bytes } => Message::new("start-socket-path")
                .with("path", path.display())
                .with("bytes", bytes)
                .with("most", SOCKET_PATH_BYTES),
            Self::NoKey { address } => Message::new("start-no-key").with("address", address),
            Self::Listen { listen, source } => Message::new("start-listen")
                .with("listen", listen)
                .with_cause("detail", source),
        }
    }
}

/// As the log has it.
impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message().for_the_log())
    }
}

/// Its causes stand in its words.
impl std::error::Error for StartError {}

impl From<DemoError> for StartError {
    fn from(fault: DemoError) -> Self {
        Self::Demo(fault)
    }
}

/// The data folder while it is this process's alone.
#[derive(Debug)]
pub struct DataFolder {
    /// Held until the end.
    _lock: File,
}

/// The service while it runs. Dropping it ends it too, but nothing waits for the end then.
#[derive(Debug)]
pub struct Running {
    address: Listen,
    first_start: Option<FirstStart>,
    stopping: watch::Sender<bool>,
    connections: JoinHandle<()>,
    copies: JoinHandle<()>,
    writer: JoinHandle<()>,
    _folder: DataFolder,
}

/// Starts the service on the runtime that this is called on.
///
/// # Errors
/// See [`StartError`].
pub async fn start(options: Options) -> Result<Running, StartError> {
    let folder = take_folder(&options.data)?;
    start_on(None, folder, options).await
}

/// As [`start`], on the folder of the options that is taken already, and on the socket that the
/// process before has left open where it is the one wanted.
///
/// # Errors
/// See [`StartError`].
pub async fn start_on(
    inherited: Option<std::net::TcpListener>,
    folder: DataFolder,
    options: Options,
) -> Result<Running, StartError> {
    if let (Listen::Tcp(address), None) = (&options.listen, &options.key) {
        return Err(StartError::NoKey { address: *address });
    }
    let (storage, writer) =
        Storage::open(&options.data)
            .await
            .map_err(|source| StartError::Storage {
                folder: options.data.clone(),
                source,
            })?;
    let hasher = Hasher::new();
    let first_start = if is_new(&storage).await? {
        Some(demo::fill(&storage, &hasher).await?)
    } else {
        None
    };

    let (listener, address) = bind(&options.listen, inherited)?;
    let (stopping, stopped) = watch::channel(false);
    let key = match &address {
        Listen::Unix(_) => None,
        Listen::Tcp(_) => options.key,
    };
    let storage = Arc::new(storage);
    let (backups, keeper) = Backups::new(&options.data, storage.clone());
    let copies = tokio::spawn(keeper);
    let state = Arc::new(State::new(
        storage,
        backups,
        hasher,
        key,
        options.language,
        stopped.clone(),
    ));
    tracing::info!(address = %address, data = %options.data.display(), "the backend listens");
    let connections = tokio::spawn(server::serve(listener, state, stopped));
    Ok(Running {
        address,
        first_start,
        stopping,
        connections,
        copies,
        writer,
        _folder: folder,
    })
}

impl Running {
    /// Where it listens; the port is the bound one.
    #[must_use]
    pub fn address(&self) -> &Listen {
        &self.address
    }

    /// What was made just now, with secrets in clear; nothing when the data folder was filled.
    #[must_use]
    pub fn first_start(&self) -> Option<&FirstStart> {
        self.first_start.as_ref()
    }

    /// Whether both tasks that serve still do.
    #[must_use]
    pub fn lives(&self) -> bool {
        !self.connections.is_finished() && !self.writer.is_finished()
    }

    /// No new connections, running requests finish within 10 s, the file is closed.
    pub async fn stop(self) {
        self.stopping.send_replace(true);
        if let Err(error) = self.connections.await {
            tracing::error!(error = %error, "the server task was lost");
        }
        // What is left over waits in the storage for the next start.
        match timeout(Duration::from_secs(5), self.copies).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(error = %error, "the task of the copies was lost"),
            Err(_) => tracing::warn!("copies of documents were not all written at the end"),
        }
        match timeout(Duration::from_secs(5), self.writer).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(error = %error, "the writer was lost"),
            Err(_) => tracing::warn!("the storage was still busy at the end"),
        }
        if let Listen::Unix(path) = &self.address
            && let Err(error) = fs::remove_file(path)
        {
            tracing::debug!(error = %error, "the socket file was gone already");
        }
        tracing::info!("the backend has stopped");
    }
}

/// Makes the folder and takes it for this process. Until then not even a log may be written there.
///
/// # Errors
/// See [`StartError`].
pub fn take_folder(folder: &Path) -> Result<DataFolder, StartError> {
    let fault = |source| StartError::Folder {
        folder: folder.to_owned(),
        source,
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(fault)?;
    // A folder that a power loss takes away takes its files along.
    let parent = folder
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let parent = File::open(parent.unwrap_or(Path::new("."))).and_then(|parent| parent.sync_all());
    parent.map_err(fault)?;
    let lock = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(folder.join(LOCK_FILE))
        .map_err(fault)?;
    match lock.try_lock() {
        Ok(()) => Ok(DataFolder { _lock: lock }),
        Err(TryLockError::WouldBlock) => Err(StartError::InUse {
            folder: folder.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(fault(source)),
    }
}

/// Whether nothing was ever saved: every saved change raises the revision.
async fn is_new(storage: &Storage) -> Result<bool, DemoError> {
    let not_read = |error: &dyn fmt::Display| DemoError::NotSaved(error.to_string());
    let mut view = storage.read().await.map_err(|error| not_read(&error))?;
    let revision = directory::revision(&mut view)
        .await
        .map_err(|error| not_read(&error))?;
    Ok(revision == 0)
}

fn bind(
    listen: &Listen,
    inherited: Option<std::net::TcpListener>,
) -> Result<(Listener, Listen), StartError> {
    let fault = |source| StartError::Listen {
        listen: listen.clone(),
        source,
    };
    match listen {
        Listen::Unix(path) => {
            let bytes = path.as_os_str().as_bytes().len();
            if bytes > SOCKET_PATH_BYTES {
                let path = path.clone();
                return Err(StartError::SocketPathTooLong { path, bytes });
            }
            if let Some(unwanted) = inherited {
                systemd::give_up(&unwanted);
            }
            let listener = bind_unix(path).map_err(fault)?;
            Ok((Listener::Unix(listener), listen.clone()))
        }
        Listen::Tcp(address) => {
            let (listener, bound) = bind_tcp(*address, inherited).map_err(fault)?;
            Ok((Listener::Tcp(listener), Listen::Tcp(bound)))
        }
    }
}

fn bind_tcp(
    address: SocketAddr,
    inherited: Option<std::net::TcpListener>,
) -> io::Result<(TcpListener, SocketAddr)> {
    let fits = |bound: SocketAddr| {
        bound.ip() == address.ip() && [0, bound.port()].contains(&address.port())
    };
    let listener = match inherited {
        Some(socket) if socket.local_addr().is_ok_and(fits) => socket,
        other => {
            if let Some(unwanted) = other {
                systemd::give_up(&unwanted);
            }
            let fresh = std::net::TcpListener::bind(address)?;
            systemd::keep(&fresh);
            fresh
        }
    };
    listener.set_nonblocking(true)?;
    let bound = listener.local_addr()?;
    Ok((TcpListener::from_std(listener)?, bound))
}

fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    remove_stale_socket(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // On Linux the file that bind makes has the mode of the socket: it is never open to others,
    // not even for the moment that a chmod after bind would leave.
    let file = File::from(OwnedFd::from(socket));
    file.set_permissions(Permissions::from_mode(0o600))?;
    let socket = Socket::from(OwnedFd::from(file));
    socket.bind(&SockAddr::unix(path)?)?;
    socket.listen(1024)?;
    socket.set_nonblocking(true)?;
    UnixListener::from_std(OwnedFd::from(socket).into())
}

/// A socket file that nobody serves is left from a kill and goes; one that answers stays.
fn remove_stale_socket(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if !found.file_type().is_socket() => Err(io::ErrorKind::AlreadyExists.into()),
        Ok(_) => match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
            Err(_) => fs::remove_file(path),
        },
    }
}
