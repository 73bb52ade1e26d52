//! The contexts of all ports: made when they are first needed, kept while they are, and made anew
//! after [`ROTATION`], because OpenSSL's ticket keys live as long as their context.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use backend_types::{ClientCertificates, TlsProfile};
use gateway_certificates::{Certificate, devices::Trust};
use gateway_policy::ports::Holder;
use openssl::{error::ErrorStack, ssl::SslContext};

use super::{
    clients::{Asks, digest},
    context::context,
    profile::{Level, levels},
    sni::Certificates,
};
use crate::acme::challenges::Challenges;

/// Who steals a ticket key reads what was resumed with it, for this long at most.
pub(crate) const ROTATION: Duration = Duration::from_hours(12);

/// How a port speaks TLS.
#[derive(Clone)]
pub(crate) struct PortTls {
    everyone: Arc<Certificates>,
    /// Where they are served otherwise.
    whitelisted: Option<Arc<Certificates>>,
}

impl PortTls {
    pub(crate) fn for_client(&self, whitelisted: bool) -> &Arc<Certificates> {
        let own = self.whitelisted.as_ref().filter(|_| whitelisted);
        own.unwrap_or(&self.everyone)
    }
}

/// What is asked of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Terms {
    pub(crate) profile: TlsProfile,
    pub(crate) client_certificates: ClientCertificates,
}

/// Anything that makes a session worthless elsewhere.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    holder: Holder,
    thumbprint: String,
    level: Level,
    asks: Option<Asks>,
}

#[derive(Clone)]
struct Kept {
    context: SslContext,
    made: Instant,
}

#[derive(Default)]
pub(crate) struct Contexts {
    kept: HashMap<Key, Kept>,
}

/// The ports once more: what none of them needs is not kept.
pub(crate) struct Round<'a> {
    before: &'a mut Contexts,
    challenges: &'a Arc<Challenges>,
    trust: &'a Arc<ArcSwap<Trust>>,
    /// SHA-256 of that of this round.
    root: Option<Vec<u8>>,
    kept: HashMap<Key, Kept>,
    now: Instant,
}

impl Contexts {
    pub(crate) fn round<'a>(
        &'a mut self,
        challenges: &'a Arc<Challenges>,
        trust: &'a Arc<ArcSwap<Trust>>,
        now: Instant,
    ) -> Round<'a> {
        Round {
            before: self,
            challenges,
            trust,
            root: digest(trust.load().root.as_ref()),
            kept: HashMap::new(),
            now,
        }
    }
}

impl Round<'_> {
    /// `others` may be shown to a client that calls us by their names.
    pub(crate) fn port<'a>(
        &mut self,
        holder: &Holder,
        terms: Terms,
        own: &Certificate,
        others: impl Iterator<Item = &'a Certificate> + Clone,
    ) -> Result<PortTls, ErrorStack> {
        let (everyone, whitelisted) = levels(terms.profile);
        let asks = Asks::of(terms.client_certificates, self.root.as_deref());
        let thumbprint = own.thumbprint();
        let others = others.filter(|other| other.thumbprint() != thumbprint);
        let mut at = |level| {
            let own = self.context(holder, own, level, &asks)?;
            // One that cannot be served costs its own port; here it is just not there.
            let others = others.clone();
            let others = others.filter_map(|other| self.context(holder, other, level, &asks).ok());
            let others = others.collect();
            Ok::<_, ErrorStack>(Arc::new(Certificates { own, others }))
        };
        Ok(PortTls {
            everyone: at(everyone)?,
            whitelisted: whitelisted.map(at).transpose()?,
        })
    }

    pub(crate) fn end(self) {
        self.before.kept = self.kept;
    }

    fn context(
        &mut self,
        holder: &Holder,
        certificate: &Certificate,
        level: Level,
        asks: &Option<Asks>,
    ) -> Result<SslContext, ErrorStack> {
        let key = Key {
            holder: holder.clone(),
            thumbprint: certificate.thumbprint(),
            level,
            asks: asks.clone(),
        };
        let kept = self.kept.get(&key).or_else(|| self.before.kept.get(&key));
        let fresh = kept.filter(|kept| self.now.duration_since(kept.made) < ROTATION);
        let kept = match fresh {
            Some(kept) => kept.clone(),
            None => Kept {
                context: context(
                    certificate,
                    &holder.to_string(),
                    level,
                    asks.as_ref(),
                    self.challenges,
                    self.trust,
                )?,
                made: self.now,
            },
        };
        let context = kept.context.clone();
        self.kept.insert(key, kept);
        Ok(context)
    }
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use gateway_certificates::{KeyKind, make, plan::Wish};
    use openssl::ssl::SslContextRef;

    use super::*;

    fn certificate() -> Certificate {
        let wish = Wish {
            names: vec!["shop.test".parse().unwrap()],
            keys: vec![KeyKind::P256],
        };
        Certificate::new(make::self_signed(&wish).unwrap()).unwrap()
    }

    #[test]
    fn ticket_keys_are_kept_while_the_port_stays_and_end_after_twelve_hours() {
        let (certificate, mut contexts) = (certificate(), Contexts::default());
        let terms = Terms {
            profile: TlsProfile::Old,
            client_certificates: ClientCertificates::Required,
        };
        let begun = Instant::now();
        let (challenges, trust) = (Arc::default(), Arc::default());
        let mut contexts_at = |after: Duration| {
            let mut round = contexts.round(&challenges, &trust, begun + after);
            let port = round
                .port(&Holder::Server, terms, &certificate, std::iter::empty())
                .unwrap();
            round.end();
            [false, true].map(|whitelisted| port.for_client(whitelisted).own().clone())
        };
        let same = |a: &[SslContext; 2], b: &[SslContext; 2]| {
            [0, 1].map(|one| ptr::eq::<SslContextRef>(&*a[one], &*b[one]))
        };
        let (first, second) = (Duration::ZERO, Duration::from_secs(1));
        let begun = contexts_at(first);
        let kept = contexts_at(ROTATION - second);
        assert_eq!(same(&begun, &kept), [true, true]);
        let fresh = contexts_at(ROTATION);
        assert_eq!(same(&begun, &fresh), [false, false]);
        let kept = contexts_at(ROTATION * 2 - second);
        assert_eq!(same(&fresh, &kept), [true, true]);
        let again = contexts_at(ROTATION * 2);
        assert_eq!(same(&fresh, &again), [false, false]);
    }
}
