//! Certificates that renew by themselves: looked at every few seconds, renewed one after the other
//! when [`gateway_certificates::renewal`] says that it is time.
//!
//! What is in force stays until the new one is installed; no connection is dropped for it. What
//! fails stands in the log, the metrics and `status`, and is tried again. Nothing is decided here
//! about when, and nothing about what a certificate has to be.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gateway_certificates::{
    Certificate, Plan, Slot, Store, StoreError,
    authority::{AuthorityError, RootKey},
    names,
    plan::Wish,
    renewal::{Attempts, Subject},
    validity,
};
use tokio::{
    sync::Notify,
    time::{MissedTickBehavior, interval, timeout},
};

use crate::{
    acme::OrderFault,
    administration::certificates::authority,
    certificates::{CertificateFault, store_words},
    gateway::{InstallError, World},
    messages::{self, Language},
};

/// By the system's clock, which may jump.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// What is changed in the folder by hand is noticed within this.
const READ_EVERY: Duration = Duration::from_secs(600);
/// Others wait for their renewal meanwhile, with a third of their life left.
const ORDER_LIMIT: Duration = Duration::from_secs(600);

#[derive(Default)]
pub(crate) struct Renewals {
    told: Notify,
}

impl Renewals {
    /// A certificate or its plan has changed.
    pub(crate) fn look_again(&self) {
        self.told.notify_one();
    }
}

/// A slot whose certificate renews by itself.
#[derive(Clone, Debug)]
pub(crate) struct Renewing {
    pub(crate) slot: Slot,
    pub(crate) plan: Plan,
    /// Unix seconds.
    pub(crate) next: i64,
    pub(crate) attempts: Attempts,
    /// The root's key has been moved away: only the administrator can renew it.
    pub(crate) needs_key: bool,
    subject: Option<Subject>,
}

impl Renewing {
    /// By the clock as it is now: it may have been set. A certificate of ours whose time has not
    /// come was made while the clock was ahead; another's is not ordered again for that, since the
    /// next one would be no better.
    fn look(&mut self, now: i64) {
        let ours = matches!(self.plan, Plan::Authority(_));
        let usable = |subject: &Subject| !ours || subject.validity.has_begun(now);
        self.next = self.attempts.next(self.subject.filter(usable), now);
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum RenewalFault {
    #[error("{0}")]
    Authority(#[from] AuthorityError),
    #[error("{0}")]
    Order(#[from] OrderFault),
    #[error("the order was not complete after {} s", ORDER_LIMIT.as_secs())]
    TimedOut,
    #[error("{0}")]
    Install(#[from] InstallError),
    #[error("broken off: {0}")]
    Lost(#[from] tokio::task::JoinError),
}

impl RenewalFault {
    /// How long whom we asked wants to be left alone, in seconds.
    fn wait(&self) -> i64 {
        let told = match self {
            Self::Order(fault) => fault.told_to_wait,
            _ => None,
        };
        told.map_or(0, |told| i64::try_from(told.as_secs()).unwrap_or(0))
    }

    fn words(&self, language: Language) -> String {
        match self {
            Self::Authority(AuthorityError::KeyAway) => {
                messages::text(language, "renewal-key-away", &[])
            }
            Self::Authority(fault) => authority::words(fault, language),
            Self::Order(fault) => fault.words(language),
            Self::TimedOut => {
                let minutes = (ORDER_LIMIT.as_secs() / 60).to_string();
                messages::text(language, "renewal-timed-out", &[("minutes", &minutes)])
            }
            Self::Install(InstallError::Change(fault)) => fault.words(language),
            Self::Install(InstallError::Store(fault)) => store_words(fault, language),
            Self::Lost(fault) => words::Cause::of(fault).words(language),
        }
    }
}

/// What of a slot's renewal cannot be read, with the way out.
pub(crate) fn unread(store: &Store, slot: &Slot, language: Language) -> Option<String> {
    let (key, fault) = match store.plan(slot) {
        Err(fault) => ("renewal-plan-unread", fault),
        Ok(Some(Plan::Authority(_) | Plan::Acme(_))) => {
            ("renewal-attempts-unread", store.attempts(slot).err()?)
        }
        Ok(Some(Plan::Imported | Plan::SelfSigned(_)) | None) => return None,
    };
    let fault = CertificateFault::from(fault).words(language);
    Some(messages::text(language, key, &[("fault", &fault)]))
}

/// Until the gateway stops.
pub(crate) async fn follow(world: Arc<World>) {
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut known: Vec<Renewing> = Vec::new();
    let mut read_at: Option<Instant> = None;
    loop {
        let told = tokio::select! {
            _ = look.tick() => false,
            () = world.renewals.told.notified() => true,
        };
        if told || read_at.is_none_or(|at| at.elapsed() >= READ_EVERY) {
            known = remembered(read(&world).await, &known);
            read_at = Some(Instant::now());
            tell(&world, &known);
        }
        let now = validity::now();
        for one in &mut known {
            one.look(now);
        }
        let mut due: Vec<&mut Renewing> = known.iter_mut().filter(|one| one.next <= now).collect();
        if due.is_empty() {
            continue;
        }
        let mut all_failed = true;
        for one in &mut due {
            all_failed &= renew(&world, one).await == Renewed::Not;
        }
        if all_failed {
            tell(&world, &known);
        } else {
            // What there is now has to be read.
            world.renewals.look_again();
        }
    }
}

/// What one slot has could not be read: it is left alone until it can.
async fn read(world: &Arc<World>) -> Vec<Renewing> {
    let (store, authority) = (world.certificate_store(), world.authority());
    let directory = world.shared.directory.load_full();
    let exists = move |slot: &Slot| match slot {
        Slot::Server => true,
        Slot::Database(id) => directory.get(id).is_some(),
    };
    let reading = tokio::task::spawn_blocking(move || {
        let needs_key = matches!(authority.root(), Ok(Some(root)) if !root.has_key);
        let of = |slot: Slot| {
            let plan = match store.plan(&slot)? {
                Some(plan @ (Plan::Authority(_) | Plan::Acme(_))) => plan,
                Some(Plan::Imported | Plan::SelfSigned(_)) | None => return Ok(None),
            };
            // One that does not load is no better than none.
            let certificate = store.load(&slot).ok().flatten();
            let subject = certificate.as_ref().and_then(Subject::of);
            // Damaged, it is no reason to let the certificate end: the next failure replaces it.
            let attempts = store.attempts(&slot).unwrap_or_else(|fault| {
                tracing::error!(%fault, "what was tried before is not known");
                Attempts::default()
            });
            let mut found = Renewing {
                needs_key: needs_key && matches!(plan, Plan::Authority(_)),
                next: i64::MAX,
                slot,
                plan,
                attempts,
                subject,
            };
            found.look(validity::now());
            Ok::<_, StoreError>(Some(found))
        };
        let slots = store.slots().unwrap_or_else(|fault| {
            tracing::error!(%fault, "certificates that renew by themselves are not known");
            Vec::new()
        });
        let found = slots.into_iter().filter(exists).filter_map(|slot| {
            of(slot).unwrap_or_else(|fault| {
                tracing::error!(%fault, "a certificate is not renewed");
                None
            })
        });
        found.collect()
    });
    reading.await.unwrap_or_else(|fault| {
        tracing::error!(%fault, "certificates that renew by themselves are not known");
        Vec::new()
    })
}

/// With what could not be kept on disk, as long as the certificate is the same.
fn remembered(mut read: Vec<Renewing>, before: &[Renewing]) -> Vec<Renewing> {
    for one in &mut read {
        let same = |old: &&Renewing| {
            old.slot == one.slot && old.plan == one.plan && old.subject == one.subject
        };
        if let Some(old) = before.iter().find(same)
            && old.attempts.failures > one.attempts.failures
        {
            one.attempts = old.attempts.clone();
        }
    }
    read
}

fn tell(world: &World, known: &[Renewing]) {
    let failures = known
        .iter()
        .map(|one| (one.slot.to_string(), one.attempts.failures));
    world.shared.metrics.renewals(failures);
    world.status.tell(|told| told.renewals = known.to_vec());
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Renewed {
    /// Or replaced meanwhile.
    Done,
    Not,
}

/// A failure is kept in memory too, should the disk be full.
async fn renew(world: &Arc<World>, one: &mut Renewing) -> Renewed {
    let slot = one.slot.to_string();
    let fault = match renewed(world, one).await {
        Ok(Some(new)) => {
            tracing::info!(certificate = slot, "renewed");
            let now = validity::now();
            one.subject = new;
            if let Some(new) = new
                && Attempts::default().next(Some(new), now) <= now
            {
                let words = messages::text(world.shared.language(), "renewal-due-again", &[]);
                one.attempts.due_again(new, now, &words);
                tracing::error!(certificate = slot, "new, and to be renewed already");
                keep_attempts(world, one).await;
            }
            return Renewed::Done;
        }
        Ok(None) => {
            tracing::info!(certificate = slot, "replaced while it was renewed");
            return Renewed::Done;
        }
        Err(fault) => fault,
    };
    let now = validity::now();
    one.attempts
        .failed(now, &fault.words(world.shared.language()), fault.wait());
    one.look(now);
    tracing::error!(
        certificate = slot,
        failures = one.attempts.failures,
        next = crate::certificates::day(one.next),
        %fault,
        "not renewed; what is in force stays",
    );
    keep_attempts(world, one).await;
    Renewed::Not
}

async fn keep_attempts(world: &World, one: &Renewing) {
    let (store, slot, attempts) = (
        world.certificate_store(),
        one.slot.clone(),
        one.attempts.clone(),
    );
    let kept = tokio::task::spawn_blocking(move || store.keep_attempts(&slot, &attempts)).await;
    if let Ok(Err(fault)) = kept {
        tracing::error!(%fault, "a restart will not know of this failure");
    }
}

/// What is in force now; `None`: what the administrator has put there meanwhile.
async fn renewed(
    world: &Arc<World>,
    one: &Renewing,
) -> Result<Option<Option<Subject>>, RenewalFault> {
    let certificate = match &one.plan {
        Plan::Authority(wish) => issued(world, wish.clone()).await?,
        Plan::Acme(wish) => timeout(ORDER_LIMIT, world.acme.order(wish))
            .await
            .map_err(|_elapsed| RenewalFault::TimedOut)??,
        Plan::Imported | Plan::SelfSigned(_) => return Ok(None),
    };
    let (plan, new) = (one.plan.clone(), Subject::of(&certificate));
    let installed = world.install_renewed(&one.slot, certificate, plan).await?;
    Ok(installed.then_some(new))
}

async fn issued(world: &World, wish: Wish) -> Result<Certificate, RenewalFault> {
    let authority = world.authority();
    let issued = tokio::task::spawn_blocking(move || {
        authority.issue(&wish, &names::of_this_machine(), RootKey::Kept)
    });
    Ok(issued.await??)
}
