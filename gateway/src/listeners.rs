//! The one registry of public ports: what is wanted against what is bound, changed while running.
//!
//! What to open and close, and in which order, is `gateway_policy::ports`'s: two databases may
//! swap ports in one change, and ports that stay are not touched, nor are their connections. A
//! port is bound once, without `SO_REUSEPORT` (a second process of the same user would share it
//! silently), and every worker accepts on a clone. A port that cannot be bound is a state to show,
//! not an error to die of.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::{ArcSwap, Guard};
use gateway_policy::ports::{self, Claim, Clash, Holder};
use openssl::ssl::SslContext;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::{mpsc, oneshot, watch};

use crate::port_holder::{PortHolder, holder};

/// A port as the configuration and the directory want it.
pub(crate) struct Wanted {
    pub(crate) holder: Holder,
    /// 0 lets the system choose, once.
    pub(crate) port: u16,
    pub(crate) https: bool,
    /// For https. Without a usable certificate, every connection is closed (rule 7).
    pub(crate) tls: Option<Result<SslContext, String>>,
}

/// A bound port, shared by all workers.
pub(crate) struct Listener {
    pub(crate) holder: Holder,
    pub(crate) address: SocketAddr,
    serving: ArcSwap<Serving>,
}

/// How a port is served at a moment; a connection keeps what it was accepted with.
#[derive(Clone)]
pub(crate) struct Serving {
    pub(crate) https: bool,
    pub(crate) tls: Option<SslContext>,
    closing: watch::Sender<bool>,
}

impl Serving {
    fn new(wanted: &Wanted) -> Self {
        Self {
            https: wanted.https,
            tls: wanted.tls.clone().and_then(Result::ok),
            closing: watch::Sender::new(false),
        }
    }

    /// Becomes true when the port is taken away or switched between https and http: finish the
    /// request in flight, then close.
    pub(crate) fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }
}

impl Listener {
    pub(crate) fn serving(&self) -> Guard<Arc<Serving>> {
        self.serving.load()
    }

    /// A new certificate leaves open connections alone; another scheme ends them.
    fn serve_as(&self, wanted: &Wanted) {
        let now = self.serving.load();
        if now.https == wanted.https {
            let closing = now.closing.clone();
            self.serving.store(Arc::new(Serving {
                closing,
                ..Serving::new(wanted)
            }));
        } else {
            self.serving.store(Arc::new(Serving::new(wanted)));
            now.closing.send_replace(true);
        }
    }
}

/// Why a wanted port does not serve.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PortFault {
    #[error("port {port} is held by {holder}")]
    Busy { port: u16, holder: PortHolder },
    #[error("port {port}: {cause}")]
    Refused { port: u16, cause: String },
    /// Bound, and every connection is closed (rule 7).
    #[error("no usable certificate: {cause}")]
    NoCertificate { cause: String },
}

/// State of a wanted port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PortState {
    /// Where it is bound; beside a fault, where it still serves or closes connections.
    pub(crate) address: Option<SocketAddr>,
    pub(crate) fault: Option<PortFault>,
}

/// To a worker: accept there, or let go.
pub(crate) enum Order {
    Listen(Arc<Listener>, std::net::TcpListener),
    /// Answered when the worker's clone of the socket is dropped.
    LetGo(Arc<Listener>, oneshot::Sender<()>),
}

pub(crate) struct Listeners {
    listen: IpAddr,
    workers: Vec<mpsc::UnboundedSender<Order>>,
    bound: tokio::sync::Mutex<Bound>,
    states: Mutex<HashMap<Holder, PortState>>,
}

/// What is bound, beside what it was asked to be: a port the system chose stands as 0 in `asked`.
#[derive(Default)]
struct Bound {
    asked: ports::Listeners,
    /// By holder and address asked for: one that moves is here twice for a moment.
    open: HashMap<(Holder, SocketAddr), Arc<Listener>>,
}

impl Bound {
    fn listener(&self, holder: &Holder) -> Option<&Arc<Listener>> {
        self.open
            .get(&(holder.clone(), self.asked.address(holder)?))
    }
}

impl Listeners {
    pub(crate) fn new(listen: IpAddr, workers: Vec<mpsc::UnboundedSender<Order>>) -> Self {
        Self {
            listen,
            workers,
            bound: tokio::sync::Mutex::default(),
            states: Mutex::default(),
        }
    }

    pub(crate) fn state(&self, holder: &Holder) -> Option<PortState> {
        self.states
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(holder)
            .cloned()
    }

    /// Whether a wanted port is closed for now; [`Self::apply`] again may open it.
    pub(crate) fn any_closed(&self) -> bool {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.values().any(|state| state.fault.is_some())
    }

    /// Whether `wanted` could be bound, as far as the ports among each other go.
    pub(crate) fn judge(&self, wanted: &[Wanted]) -> Result<ports::Listeners, Vec<Clash>> {
        ports::Listeners::judge(wanted.iter().map(|wanted| Claim {
            holder: wanted.holder.clone(),
            address: SocketAddr::new(self.listen, wanted.port),
        }))
    }

    /// Which of the ports that `wanted` opens beside those bound now could not be: each is bound
    /// for a moment. One that another of our databases gives up cannot be tried.
    ///
    /// # Errors
    /// Ports that clash among each other.
    pub(crate) async fn try_out(
        &self,
        wanted: &[Wanted],
    ) -> Result<Vec<(Holder, PortFault)>, Vec<Clash>> {
        let judged = self.judge(wanted)?;
        let bound = self.bound.lock().await;
        let opened = judged.change_from(&bound.asked).open_first;
        let tried = opened.into_iter().filter_map(|claim| {
            let fault = bind_port(self.listen, claim.address.port()).err()?;
            Some((claim.holder, fault))
        });
        Ok(tried.collect())
    }

    /// Brings the bound ports to `wanted`.
    ///
    /// # Errors
    /// Ports that clash among each other; nothing has changed then.
    pub(crate) async fn apply(&self, wanted: &[Wanted]) -> Result<(), Vec<Clash>> {
        let judged = self.judge(wanted)?;
        let mut bound = self.bound.lock().await;
        let change = judged.change_from(&bound.asked);
        let mut faults = HashMap::new();
        for claim in change.open_first {
            self.open(&mut bound, claim, wanted, &mut faults);
        }
        for claim in change.close {
            // A port that moves to a busy one keeps serving where it is.
            if !faults.contains_key(&claim.holder) {
                self.close(&mut bound, &claim).await;
            }
        }
        for claim in change.open_last {
            self.open(&mut bound, claim, wanted, &mut faults);
        }
        for wanted in wanted {
            if let Some(listener) = bound.listener(&wanted.holder) {
                listener.serve_as(wanted);
            }
        }
        self.tell(wanted, &bound, &faults);
        Ok(())
    }

    /// Drops every listening socket; open connections finish what they are at.
    pub(crate) async fn close_all(&self) {
        // Nothing wanted cannot clash.
        drop(self.apply(&[]).await);
    }

    fn open(
        &self,
        bound: &mut Bound,
        claim: Claim,
        wanted: &[Wanted],
        faults: &mut HashMap<Holder, PortFault>,
    ) {
        let Some(wanted) = wanted.iter().find(|wanted| wanted.holder == claim.holder) else {
            return;
        };
        match self.bind(wanted) {
            Ok(listener) => {
                let (address, holder) = (listener.address, &listener.holder);
                tracing::info!(%address, %holder, https = wanted.https, "port open");
                bound
                    .open
                    .insert((claim.holder.clone(), claim.address), listener);
                bound.asked.opened(claim);
            }
            Err(fault) => drop(faults.insert(claim.holder, fault)),
        }
    }

    /// Returns when every worker has dropped its clone of the socket: only then may the port be
    /// bound again.
    async fn close(&self, bound: &mut Bound, claim: &Claim) {
        let key = (claim.holder.clone(), claim.address);
        if let Some(listener) = bound.open.remove(&key) {
            tracing::info!(address = %listener.address, holder = %listener.holder, "port closed");
            for gone in self.let_go(&listener) {
                // An error means that the worker is gone, and its socket with it.
                drop(gone.await);
            }
        }
        bound.asked.closed(claim);
    }

    fn let_go(&self, listener: &Arc<Listener>) -> Vec<oneshot::Receiver<()>> {
        listener.serving().closing.send_replace(true);
        self.workers
            .iter()
            .filter_map(|worker| {
                let (done, wait) = oneshot::channel();
                worker
                    .send(Order::LetGo(Arc::clone(listener), done))
                    .ok()
                    .map(|()| wait)
            })
            .collect()
    }

    fn bind(&self, wanted: &Wanted) -> Result<Arc<Listener>, PortFault> {
        let port = wanted.port;
        let refused = |fault| refused(port, &fault);
        let socket = bind_port(self.listen, port)?;
        let listener = Arc::new(Listener {
            holder: wanted.holder.clone(),
            address: socket.local_addr().map_err(refused)?,
            serving: ArcSwap::from_pointee(Serving::new(wanted)),
        });
        for worker in &self.workers {
            let clone = socket.try_clone().map_err(refused)?;
            // A worker that has ended accepts nothing; the others do.
            drop(worker.send(Order::Listen(Arc::clone(&listener), clone)));
        }
        Ok(listener)
    }

    fn tell(&self, wanted: &[Wanted], bound: &Bound, faults: &HashMap<Holder, PortFault>) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let now = wanted.iter().map(|wanted| {
            let holder = wanted.holder.clone();
            let no_certificate = || match &wanted.tls {
                Some(Err(cause)) => Some(PortFault::NoCertificate {
                    cause: cause.clone(),
                }),
                Some(Ok(_)) | None => None,
            };
            let state = PortState {
                address: bound.listener(&holder).map(|listener| listener.address),
                fault: faults.get(&holder).cloned().or_else(no_certificate),
            };
            if let Some(fault) = &state.fault
                && states.get(&holder) != Some(&state)
            {
                tracing::error!(%holder, %fault, still_on = ?state.address, "port does not serve");
            }
            (holder, state)
        });
        let now = now.collect();
        *states = now;
    }
}

fn refused(port: u16, fault: &io::Error) -> PortFault {
    PortFault::Refused {
        port,
        cause: fault.to_string(),
    }
}

fn bind_port(listen: IpAddr, port: u16) -> Result<std::net::TcpListener, PortFault> {
    bind(listen, port).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => PortFault::Busy {
            port,
            holder: holder(port),
        },
        _ => refused(port, &source),
    })
}

/// Binds once; dual stack where the address is `::`, IPv4 alone on a machine without IPv6.
fn bind(listen: IpAddr, port: u16) -> io::Result<std::net::TcpListener> {
    match bind_address(SocketAddr::new(listen, port)) {
        Err(fault) if no_ipv6(&fault) && listen.is_unspecified() => {
            bind_address(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port))
        }
        other => other,
    }
}

fn no_ipv6(fault: &io::Error) -> bool {
    matches!(
        fault.raw_os_error(),
        Some(nix::libc::EAFNOSUPPORT | nix::libc::EADDRNOTAVAIL)
    )
}

fn bind_address(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}
