//! A worker: one thread, one current-thread runtime, one forwarder.
//!
//! Connections stay on the thread that accepted them, upstream connections too.

use std::{
    collections::HashMap, io, net::SocketAddr, sync::Arc, thread::JoinHandle, time::Duration,
};

use gateway_policy::{ClientAddr, refusal::Refusal};
use tokio::{net::TcpListener, sync::mpsc, task::AbortHandle};

use crate::{
    connections::Scope,
    forward::{self, Proxy},
    listeners::{Listener, Order},
    request,
    shared::Shared,
    tls,
};

/// Out of descriptors: let connections end before accepting again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Shorter than the deadlines of a request, long enough to cost nothing.
const NEAR: Duration = Duration::from_millis(250);

pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) proxy: Arc<Proxy>,
}

/// Starts a worker; it ends when every sender of its orders is gone and its connections are done
/// or aborted.
pub(crate) fn start(
    number: usize,
    shared: Arc<Shared>,
) -> io::Result<(mpsc::UnboundedSender<Order>, JoinHandle<io::Result<()>>)> {
    let (orders, inbox) = mpsc::unbounded_channel();
    let thread = std::thread::Builder::new()
        .name(format!("worker-{number}"))
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let worker = Arc::new(Worker {
                    proxy: forward::proxy(&shared),
                    shared,
                });
                tokio::spawn(keep_a_timer_near());
                follow(worker, inbox).await;
            });
            runtime.shutdown_background();
            Ok(())
        })?;
    Ok((orders, thread))
}

/// A deadline nearer than every one before makes tokio wake its own sleeping driver by a system
/// call, and requests set deadlines of a minute all the time: beside this timer none is the nearest.
async fn keep_a_timer_near() {
    let mut near = tokio::time::interval(NEAR);
    loop {
        near.tick().await;
    }
}

async fn follow(worker: Arc<Worker>, mut inbox: mpsc::UnboundedReceiver<Order>) {
    let mut accepting: HashMap<SocketAddr, AbortHandle> = HashMap::new();
    while let Some(order) = inbox.recv().await {
        match order {
            Order::Listen(listener, socket) => match TcpListener::from_std(socket) {
                Ok(socket) => {
                    let address = listener.address;
                    let accept = tokio::spawn(accept(Arc::clone(&worker), listener, socket));
                    accepting.insert(address, accept.abort_handle());
                }
                Err(fault) => tracing::error!(%fault, "a worker cannot take its port"),
            },
            Order::LetGo(listener, done) => {
                if let Some(accept) = accepting.remove(&listener.address) {
                    accept.abort();
                    // An aborted task drops its socket when it is next scheduled, which is now.
                    while !accept.is_finished() {
                        tokio::task::yield_now().await;
                    }
                }
                if done.send(()).is_err() {
                    tracing::debug!("nobody waits for the port to be free");
                }
            }
            Order::Answer(answer) => {
                if answer.send(()).is_err() {
                    tracing::warn!("this worker has answered too late");
                }
            }
        }
    }
    worker.shared.connections.emptied().await;
}

async fn accept(worker: Arc<Worker>, listener: Arc<Listener>, socket: TcpListener) {
    loop {
        match socket.accept().await {
            Ok((tcp, peer)) => greet(&worker, &listener, tcp, peer),
            Err(fault) => {
                worker.shared.metrics.accept_errors.inc();
                // Once a pause: out of descriptors this would be every one of thousands.
                tracing::warn!(%fault, "accept failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Lists, cap and rate, before a byte is read. A peer that may speak for others is judged by the
/// address it names, inside [`request::serve`].
fn greet(
    worker: &Arc<Worker>,
    listener: &Arc<Listener>,
    tcp: tokio::net::TcpStream,
    peer: SocketAddr,
) {
    let shared = &worker.shared;
    if let Some(probe) = shared.watchdog.probes.of(peer) {
        // Whatever the lists say: a handshake, and nothing else.
        if let Some(port) = listener.serving().tls.clone() {
            tokio::spawn(async move {
                drop(tls::accept_probe(port.for_client(probe.is_whitelisted()), tcp).await)
            });
        }
        return;
    }
    let client = ClientAddr::from(peer.ip());
    let scope = Scope::of(&listener.holder);
    let trusted = shared.settings.load().trusted_proxies.contains(client);
    let verdict = shared.admit(client, &scope);
    if verdict.is_blocked() && !trusted {
        return shared.refuse_connection(client, &scope, Refusal::AddressRefused);
    }
    let exempt = trusted || verdict.is_exempt();
    let entered = match shared.connections.enter(client, scope.clone(), exempt) {
        Ok(entered) => entered,
        Err(_crowded) => {
            return shared.refuse_connection(client, &scope, Refusal::TooManyConnections);
        }
    };
    shared.metrics.connections.inc();
    let connection = Arc::clone(&entered.connection);
    let serving = listener.serving().clone();
    let serve = request::serve(
        Arc::clone(worker),
        Arc::clone(listener),
        serving,
        entered,
        tcp,
        trusted,
    );
    connection.aborted_by(tokio::spawn(serve).abort_handle());
}
