//! The one registry of public ports: what is wanted against what is bound, changed while running.
//!
//! What to open and close, and in which order, is `gateway_policy::ports`'s: two databases may
//! swap ports in one change, and ports that stay are not touched, nor are their connections. A
//! port is bound once, without `SO_REUSEPORT` (a second process of the same user would share it
//! silently), and every worker accepts on a clone. A port that cannot be bound is a state to show,
//! not an error to die of. What the process before has left open is taken over as it is.

use std::{
    collections::{HashMap, HashSet},
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::{ArcSwap, Guard};
use gateway_policy::ports::{self, Claim, Clash, Holder};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};
use words::Cause;

use crate::{
    certificates::CertificateFault,
    hand_over::{self, Inherited},
    port_holder::{PortHolder, holder},
    tls::PortTls,
};

/// Clients that come while nobody accepts, as during a restart, wait here; the system may cut it.
const BACKLOG: i32 = 4096;

/// A port as the configuration and the directory want it.
pub(crate) struct Wanted {
    pub(crate) holder: Holder,
    /// 0 lets the system choose, once.
    pub(crate) port: u16,
    pub(crate) https: bool,
    /// For https. Without a usable certificate, every connection is closed (rule 7).
    pub(crate) tls: Option<Result<PortTls, Arc<CertificateFault>>>,
    /// SHA-256 thumbprints of its own certificates.
    pub(crate) thumbprints: Vec<String>,
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
    pub(crate) tls: Option<PortTls>,
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

    /// A new certificate or profile leaves open connections alone; another scheme ends them.
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
    Refused { port: u16, cause: Cause },
    /// Bound, and every connection is closed (rule 7).
    #[error("no usable certificate: {cause}")]
    NoCertificate { cause: Arc<CertificateFault> },
}

/// Who answers on a port, for as long as an order runs.
pub(crate) enum Lent {
    /// A port of ours in the scheme that was asked for.
    Ours,
    /// A port of ours, but http in place of https or the other way round.
    OtherScheme,
    /// Nobody did.
    Free(TcpListener),
}

/// State of a wanted port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PortState {
    /// Where it is bound; beside a fault, where it still serves or closes connections.
    pub(crate) address: Option<SocketAddr>,
    pub(crate) fault: Option<PortFault>,
    /// SHA-256 thumbprints of the certificates that it shows.
    pub(crate) thumbprints: Vec<String>,
}

/// To a worker: accept there, or let go, or just answer.
pub(crate) enum Order {
    Listen(Arc<Listener>, TcpListener),
    /// Answered when the worker's clone of the socket is dropped.
    LetGo(Arc<Listener>, oneshot::Sender<()>),
    Answer(oneshot::Sender<()>),
}

pub(crate) struct Listeners {
    /// IPv4 alone where the file says `::` and the machine has no IPv6.
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
    open: HashMap<(Holder, SocketAddr), Open>,
    /// Not yet adopted.
    inherited: Inherited,
    /// For good: no change opens a port again.
    stopped: bool,
}

struct Open {
    listener: Arc<Listener>,
    /// Nobody accepts on this one: it is for handing over, and for closing whatever copies exist.
    socket: TcpListener,
}

impl Bound {
    fn listener(&self, holder: &Holder) -> Option<&Arc<Listener>> {
        let open = self
            .open
            .get(&(holder.clone(), self.asked.address(holder)?))?;
        Some(&open.listener)
    }
}

impl Listeners {
    pub(crate) fn new(
        listen: IpAddr,
        workers: Vec<mpsc::UnboundedSender<Order>>,
        inherited: Inherited,
    ) -> Self {
        Self {
            listen: usable(listen),
            workers,
            bound: tokio::sync::Mutex::new(Bound {
                inherited,
                ..Bound::default()
            }),
            states: Mutex::default(),
        }
    }

    /// Where our ports listen, unless on every address.
    pub(crate) fn only_address(&self) -> Option<IpAddr> {
        Some(self.listen.to_canonical()).filter(|ip| !ip.is_unspecified())
    }

    pub(crate) fn state(&self, holder: &Holder) -> Option<PortState> {
        self.states
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(holder)
            .cloned()
    }

    /// How many ports of those wanted.
    pub(crate) fn open_and_closed(&self) -> (usize, usize) {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let open = states.values().filter(|state| state.fault.is_none());
        let open = open.count();
        (open, states.len() - open)
    }

    /// Whether a wanted port is closed for now; [`Self::apply`] again may open it.
    pub(crate) fn any_closed(&self) -> bool {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.values().any(|state| state.fault.is_some())
    }

    /// Whether `wanted` could be bound, as far as the ports among each other go.
    pub(crate) fn judge(&self, wanted: &[Wanted]) -> Result<ports::Listeners, Vec<Clash>> {
        let claims = wanted.iter();
        ports::Listeners::judge(claims.map(|one| self.claim(one.holder.clone(), one.port)))
    }

    /// A wish for a public port.
    pub(crate) fn claim(&self, holder: Holder, port: u16) -> Claim {
        Claim {
            holder,
            address: SocketAddr::new(self.listen, port),
        }
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
            let fault = bind(&claim).err()?;
            Some((claim.holder, fault))
        });
        Ok(tried.collect())
    }

    /// Whether nobody holds the port, which is bound for a moment.
    pub(crate) fn try_port(&self, port: u16) -> Result<(), PortFault> {
        bind(&self.claim(Holder::Server, port)).map(drop)
    }

    /// A port for the challenges of an order.
    ///
    /// # Errors
    /// Somebody else holds it, or it may not be had.
    pub(crate) async fn lend(&self, port: u16, https: bool) -> Result<Lent, PortFault> {
        let bound = self.bound.lock().await;
        let ours = bound
            .open
            .values()
            .find(|open| open.listener.address.port() == port);
        match ours {
            Some(open) if open.listener.serving().https == https => Ok(Lent::Ours),
            Some(_) => Ok(Lent::OtherScheme),
            None => bind(&self.claim(Holder::Server, port)).map(Lent::Free),
        }
    }

    /// Brings the bound ports to `wanted`.
    ///
    /// # Errors
    /// Ports that clash among each other; nothing has changed then.
    pub(crate) async fn apply(&self, wanted: &[Wanted]) -> Result<(), Vec<Clash>> {
        let judged = self.judge(wanted)?;
        let mut bound = self.bound.lock().await;
        if bound.stopped {
            return Ok(());
        }
        let names: HashSet<String> = judged.iter().map(|claim| name(&claim)).collect();
        bound.inherited.keep_only(|name| names.contains(name));
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

    /// No worker accepts any more, and open connections finish what they are at. The sockets come
    /// back by name, listening: clients wait on them until they are dropped here and nobody has
    /// them in keeping.
    pub(crate) async fn stop_accepting(&self) -> Vec<(String, TcpListener)> {
        let mut bound = self.bound.lock().await;
        bound.stopped = true;
        bound.asked = ports::Listeners::default();
        let mut sockets = Vec::new();
        for ((holder, address), open) in bound.open.drain() {
            self.let_go(&open.listener).await;
            sockets.push((name(&Claim { holder, address }), open.socket));
        }
        sockets
    }

    /// Whether every worker comes to the next order `within` this time: one that hangs does not.
    pub(crate) async fn workers_answer(&self, within: Duration) -> bool {
        let asked: Vec<_> = self
            .workers
            .iter()
            .map(|worker| {
                let (answer, wait) = oneshot::channel();
                // To a worker that is gone; the wait fails then.
                drop(worker.send(Order::Answer(answer)));
                wait
            })
            .collect();
        let all = async {
            for answer in asked {
                answer.await?;
            }
            Ok::<_, oneshot::error::RecvError>(())
        };
        matches!(timeout(within, all).await, Ok(Ok(())))
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
        let name = name(&claim);
        let inherited = Self::adopt(&mut bound.inherited, &claim);
        let is_new = inherited.is_none();
        let socket = inherited.map_or_else(|| bind(&claim), Ok);
        match socket.and_then(|socket| self.serve(wanted, &name, socket)) {
            Ok(open) => {
                if is_new {
                    hand_over::keep(&name, &open.socket);
                }
                let (address, holder) = (open.listener.address, &open.listener.holder);
                tracing::info!(%address, %holder, https = wanted.https, "port open");
                bound
                    .open
                    .insert((claim.holder.clone(), claim.address), open);
                bound.asked.opened(claim);
            }
            Err(fault) => drop(faults.insert(claim.holder, fault)),
        }
    }

    /// Returns when every worker has dropped its clone of the socket: only then may the port be
    /// bound again.
    async fn close(&self, bound: &mut Bound, claim: &Claim) {
        let key = (claim.holder.clone(), claim.address);
        if let Some(Open { listener, socket }) = bound.open.remove(&key) {
            tracing::info!(address = %listener.address, holder = %listener.holder, "port closed");
            self.let_go(&listener).await;
            hand_over::give_up(&name(claim), &socket);
        }
        bound.asked.closed(claim);
    }

    async fn let_go(&self, listener: &Arc<Listener>) {
        listener.serving().closing.send_replace(true);
        let asked: Vec<_> = self
            .workers
            .iter()
            .filter_map(|worker| {
                let (done, wait) = oneshot::channel();
                worker
                    .send(Order::LetGo(Arc::clone(listener), done))
                    .ok()
                    .map(|()| wait)
            })
            .collect();
        for gone in asked {
            // An error means that the worker is gone, and its socket with it.
            drop(gone.await);
        }
    }

    /// The socket of the process before, where it listens as `claim` says.
    fn adopt(inherited: &mut Inherited, claim: &Claim) -> Option<TcpListener> {
        let name = name(claim);
        let socket = inherited.adopt(&name)?;
        let fits = |address: SocketAddr| match claim.address.port() {
            0 => address.ip() == claim.address.ip(),
            _ => address == claim.address,
        };
        let listens = SockRef::from(&socket).is_listener().unwrap_or(false);
        if listens && socket.local_addr().is_ok_and(fits) && socket.set_nonblocking(true).is_ok() {
            return Some(socket);
        }
        hand_over::give_up(&name, &socket);
        None
    }

    /// Hands a clone of the socket to every worker.
    fn serve(&self, wanted: &Wanted, name: &str, socket: TcpListener) -> Result<Open, PortFault> {
        let clones = socket.local_addr().and_then(|address| {
            let clones = self.workers.iter().map(|_| socket.try_clone());
            Ok((address, clones.collect::<io::Result<Vec<_>>>()?))
        });
        let (address, clones) = match clones {
            Ok(clones) => clones,
            Err(fault) => {
                // Kept by somebody and served by nobody, it would be in the way of the next try.
                hand_over::give_up(name, &socket);
                return Err(PortFault::Refused {
                    port: wanted.port,
                    cause: fault.into(),
                });
            }
        };
        let listener = Arc::new(Listener {
            holder: wanted.holder.clone(),
            address,
            serving: ArcSwap::from_pointee(Serving::new(wanted)),
        });
        for (worker, clone) in self.workers.iter().zip(clones) {
            // A worker that has ended accepts nothing; the others do.
            drop(worker.send(Order::Listen(Arc::clone(&listener), clone)));
        }
        Ok(Open { listener, socket })
    }

    fn tell(&self, wanted: &[Wanted], bound: &Bound, faults: &HashMap<Holder, PortFault>) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let now = wanted.iter().map(|wanted| {
            let holder = wanted.holder.clone();
            let no_certificate = || match &wanted.tls {
                Some(Err(cause)) => Some(PortFault::NoCertificate {
                    cause: Arc::clone(cause),
                }),
                Some(Ok(_)) | None => None,
            };
            let state = PortState {
                address: bound.listener(&holder).map(|listener| listener.address),
                fault: faults.get(&holder).cloned().or_else(no_certificate),
                thumbprints: match bound.listener(&holder) {
                    Some(_) => wanted.thumbprints.clone(),
                    None => Vec::new(),
                },
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

/// Under which a port is kept for the next process. As asked for: a port that the system chose
/// stays, and one that moves has two names for a moment.
fn name(claim: &Claim) -> String {
    let port = claim.address.port();
    match &claim.holder {
        Holder::Data(id) => format!("data-{id}@{port}"),
        Holder::Print(id) => format!("print-{id}@{port}"),
        Holder::Server => format!("server@{port}"),
        Holder::CertificatePage => format!("certificate-page@{port}"),
        Holder::Metrics => format!("metrics@{port}"),
    }
}

fn bind(claim: &Claim) -> Result<TcpListener, PortFault> {
    let port = claim.address.port();
    bind_address(claim.address).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => PortFault::Busy {
            port,
            holder: holder(port),
        },
        _ => PortFault::Refused {
            port,
            cause: source.into(),
        },
    })
}

/// `::` is dual stack; on a machine without IPv6 it is IPv4.
fn usable(listen: IpAddr) -> IpAddr {
    match bind_address(SocketAddr::new(listen, 0)) {
        Err(fault) if no_ipv6(&fault) && listen.is_unspecified() => Ipv4Addr::UNSPECIFIED.into(),
        Ok(_) | Err(_) => listen,
    }
}

fn no_ipv6(fault: &io::Error) -> bool {
    matches!(
        fault.raw_os_error(),
        Some(nix::libc::EAFNOSUPPORT | nix::libc::EADDRNOTAVAIL)
    )
}

fn bind_address(address: SocketAddr) -> io::Result<TcpListener> {
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
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listeners(workers: usize) -> (Listeners, Vec<mpsc::UnboundedReceiver<Order>>) {
        let (orders, inboxes) = (0..workers).map(|_| mpsc::unbounded_channel()).unzip();
        let loopback = Ipv4Addr::LOCALHOST.into();
        (
            Listeners::new(loopback, orders, Inherited::default()),
            inboxes,
        )
    }

    async fn follow(mut inbox: mpsc::UnboundedReceiver<Order>) {
        while let Some(order) = inbox.recv().await {
            if let Order::Answer(answer) = order {
                answer.send(()).unwrap();
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_worker_that_hangs_or_is_gone_is_enough_not_to_vouch_for_the_gateway() {
        let within = Duration::from_secs(5);
        let (all_well, inboxes) = listeners(2);
        for inbox in inboxes {
            tokio::spawn(follow(inbox));
        }
        assert!(all_well.workers_answer(within).await);

        let (one_hangs, mut inboxes) = listeners(2);
        let _never_read = inboxes.pop();
        tokio::spawn(follow(inboxes.pop().unwrap()));
        assert!(!one_hangs.workers_answer(within).await);

        let (one_gone, mut inboxes) = listeners(2);
        drop(inboxes.pop());
        tokio::spawn(follow(inboxes.pop().unwrap()));
        assert!(!one_gone.workers_answer(within).await);
    }
}
