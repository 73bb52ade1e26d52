//! Whether each public port really serves what it should: dialled from here, as terminals dial it.
//!
//! A certificate renewed on disk and not served, a chain that only browsers can complete, an end that
//! nobody saw coming: all of that shows at the port and nowhere else. Every port with https is dialled
//! every hour and whenever its address or its certificate has changed, by a current client and by an
//! old one ([`probe`]), and what came is compared with what should have come ([`judge`]).
//!
//! The lists do not blind us: a probe is told to the accept path by the very address and port that it
//! is bound to, which nobody else can own at that moment, and there it gets a handshake and nothing
//! else ([`Probes`]). It counts nowhere.

mod judge;
mod probe;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use backend_types::TlsProfile;
use gateway_certificates::{Name, Roots, alarm, chain::Trust, validity};
use gateway_policy::ports::Holder;
use openssl::x509::X509;
use serde::{Deserialize, Serialize};

pub(crate) use self::judge::Finding;
use self::{judge::Outcome, probe::Client};
use crate::{
    certificates::{self, InUse, Origin},
    messages::{self, Language},
};

/// A public port with https, and what it should serve.
#[derive(Clone, Debug)]
pub(crate) struct Port {
    pub(crate) holder: Holder,
    /// Where it listens; `None`: it serves nobody, and `status` says why.
    pub(crate) address: Option<SocketAddr>,
    pub(crate) in_use: Arc<InUse>,
    pub(crate) tls: TlsProfile,
}

/// What tells whether a port has to be dialled anew.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    address: Option<SocketAddr>,
    thumbprint: String,
    tls: TlsProfile,
}

impl Port {
    fn key(&self) -> Key {
        Key {
            address: self.address,
            thumbprint: self.in_use.certificate.thumbprint(),
            tls: self.tls,
        }
    }

    /// By which a client may call it.
    fn dns_name(&self) -> Option<String> {
        let pair = self.in_use.certificate.main()?;
        pair.names().into_iter().find_map(|name| match name {
            Name::Dns(name) => Some(name.replacen('*', "watchdog", 1)),
            Name::Ip(_) => None,
        })
    }
}

#[derive(Default)]
pub(crate) struct Watchdog {
    pub(crate) probes: Probes,
    seen: Mutex<HashMap<Holder, Seen>>,
}

/// A port as it was found when it was last dialled.
#[derive(Clone)]
struct Seen {
    key: Key,
    in_use: Arc<InUse>,
    /// Unix seconds; `None`: not yet.
    checked: Option<i64>,
    trust: Option<Trust>,
    findings: Vec<Finding>,
}

/// What the watchdog has found at a port.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Watched {
    /// When the port was last dialled, UTC.
    pub(crate) checked: String,
    /// Who trusts what it serves: `public`, whoever knows the public authorities; `own`, whoever has
    /// our root; `itself`, whoever was given the certificate; `missing`, whoever has the issuer from
    /// elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trust: Option<String>,
    /// Where `trust` is `missing`: whose certificate the chain lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) issuer: Option<String>,
    /// What is not as it should be, in the asker's language.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) faults: Vec<String>,
}

/// For metrics.
pub(crate) struct Figures {
    pub(crate) holder: Holder,
    pub(crate) seconds_left: i64,
    /// 0: there is time; 1: a stage is reached; 2: somebody has to act today.
    pub(crate) alarm: i64,
    pub(crate) faults: usize,
}

impl Watchdog {
    /// The ports as they are now: those that are gone are forgotten. Says which have to be dialled;
    /// with `all`, every one that serves.
    pub(crate) fn stale(&self, ports: &[Port], all: bool) -> Vec<Port> {
        let mut seen = self.seen();
        seen.retain(|holder, _| ports.iter().any(|port| port.holder == *holder));
        let stale = ports.iter().filter(|port| {
            let key = port.key();
            let before = seen.get(&port.holder);
            let changed = before.is_none_or(|seen| seen.key != key);
            if changed {
                let fresh = Seen {
                    key,
                    in_use: Arc::clone(&port.in_use),
                    checked: None,
                    trust: None,
                    findings: Vec::new(),
                };
                seen.insert(port.holder.clone(), fresh);
            }
            port.address.is_some() && (changed || all)
        });
        stale.cloned().collect()
    }

    /// Dials one port as every client does. What has changed meanwhile is not judged.
    pub(crate) async fn look_at(&self, port: &Port, roots: &Roots, own: &[X509]) {
        let Some(address) = port.address else { return };
        let name = port.dns_name();
        let mut outcomes = Vec::new();
        for client in Client::ALL {
            let called = client.calls(name.as_deref());
            if client == Client::Current && called.is_none() {
                continue;
            }
            let dialled = probe::dial(&self.probes, address, client, called).await;
            outcomes.push((client, dialled.map_err(Outcome::from)));
        }
        let now = validity::now();
        let served = outcomes
            .iter()
            .find_map(|(_, dialled)| dialled.as_ref().ok());
        let trust = served.map(|sent| Trust::of(&sent.leaf, &sent.intermediates, own, roots, now));
        let outcomes = outcomes.into_iter().map(|(client, dialled)| {
            let outcome = dialled.map(|sent| Outcome::Served {
                thumbprint: sent.thumbprint(),
            });
            (client, outcome.unwrap_or_else(|refused| refused))
        });
        let outcomes: Vec<_> = outcomes.collect();
        let pairs = port.in_use.certificate.pairs().iter();
        let thumbprints: Vec<&str> = pairs.map(|pair| pair.thumbprint_sha256()).collect();
        let findings = judge::judge(port.tls, &thumbprints, trust.as_ref(), &outcomes);
        let mut seen = self.seen();
        let Some(seen) = seen.get_mut(&port.holder) else {
            return;
        };
        if seen.key != port.key() {
            return;
        }
        if seen.findings != findings {
            tell(&port.holder, &findings);
        }
        seen.checked = Some(now);
        seen.trust = trust;
        seen.findings = findings;
    }

    pub(crate) fn of(&self, holder: &Holder, language: Language) -> Option<Watched> {
        let seen = self.seen().get(holder)?.clone();
        Some(Watched {
            checked: certificates::day(seen.checked?),
            trust: seen.trust.as_ref().map(|trust| code(trust).to_owned()),
            issuer: match seen.trust {
                Some(Trust::Missing { issuer, .. }) => Some(issuer),
                _ => None,
            },
            faults: seen
                .findings
                .iter()
                .map(|one| one.words(language))
                .collect(),
        })
    }

    pub(crate) fn figures(&self) -> Vec<Figures> {
        let now = validity::now();
        let seen = self.seen();
        let figures = seen.iter().filter_map(|(holder, seen)| {
            let pairs = seen.in_use.certificate.pairs().iter();
            let validities = pairs.map(|pair| pair.validity());
            let alarm = |validity| {
                let stage = alarm::stage(validity, renews(&seen.in_use), now);
                stage.map_or(0, |stage| 1 + i64::from(stage.is_urgent(validity)))
            };
            Some(Figures {
                holder: holder.clone(),
                seconds_left: validities.clone().map(|one| one.left(now)).min()?,
                alarm: validities.map(alarm).max()?,
                faults: seen.findings.len(),
            })
        });
        figures.collect()
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<Holder, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn code(trust: &Trust) -> &'static str {
    match trust {
        Trust::Public => "public",
        Trust::Own { .. } => "own",
        Trust::Itself => "itself",
        Trust::Missing { .. } => "missing",
    }
}

fn tell(port: &Holder, findings: &[Finding]) {
    if findings.is_empty() {
        tracing::info!(%port, "the port serves what it should again");
    }
    for fault in findings {
        tracing::error!(%port, %fault, "the port does not serve what it should");
    }
}

/// Logs each stage of each certificate once, however many ports serve it.
pub(crate) fn sound_alarms(ports: &[Port], told: &mut alarm::Told, now: i64) {
    for port in ports {
        for pair in port.in_use.certificate.pairs() {
            let (validity, renews) = (pair.validity(), renews(&port.in_use));
            let Some(stage) = alarm::stage(validity, renews, now) else {
                continue;
            };
            if !told.is_news(pair.thumbprint_sha256(), stage, now) {
                continue;
            }
            let expires = certificates::day(validity.until);
            let (seconds_left, holder) = (validity.left(now), pair.holder());
            let advice = way_out(&port.in_use, validity, Language::En, now);
            let (port, file) = (&port.holder, port.in_use.file.display());
            if stage.is_urgent(validity) {
                tracing::error!(%port, holder, expires, seconds_left, %file, advice, "a certificate ends");
            } else {
                tracing::warn!(%port, holder, expires, seconds_left, %file, advice, "a certificate ends");
            }
        }
    }
    told.keep(|thumbprint| {
        let mut pairs = ports
            .iter()
            .flat_map(|port| port.in_use.certificate.pairs());
        pairs.any(|pair| pair.thumbprint_sha256() == thumbprint)
    });
}

fn renews(in_use: &InUse) -> bool {
    matches!(in_use.origin, Origin::Authority | Origin::Acme)
}

/// How much is left and what to do about it; `None`: there is time.
pub(crate) fn alarm_words(
    in_use: &InUse,
    validity: gateway_certificates::Validity,
    language: Language,
) -> Option<String> {
    let now = validity::now();
    alarm::stage(validity, renews(in_use), now)?;
    let left = validity.left(now);
    let (key, number) = match left {
        ..0 => ("alarm-ended", validity.days_left(now).abs() - 1),
        0..172_800 => ("alarm-hours", left / 3600),
        _ => ("alarm-days", validity.days_left(now)),
    };
    let number = number.to_string();
    let ends = messages::text(language, key, &[("number", &number)]);
    Some(format!(
        "{ends} {}",
        way_out(in_use, validity, language, now)
    ))
}

fn way_out(
    in_use: &InUse,
    validity: gateway_certificates::Validity,
    language: Language,
    now: i64,
) -> String {
    let file = in_use.file.display().to_string();
    let from = messages::moment(validity.renew_from(), language);
    let key = match in_use.origin {
        Origin::Test => "alarm-do-test",
        Origin::Files => "alarm-do-files",
        Origin::Imported => "alarm-do-imported",
        Origin::SelfSigned => "alarm-do-self-signed",
        Origin::Authority | Origin::Acme if now < validity.renew_from() => "alarm-do-wait",
        Origin::Authority => "alarm-do-authority",
        Origin::Acme => "alarm-do-acme",
        Origin::Unknown => "alarm-do-unknown",
    };
    messages::text(language, key, &[("file", &file), ("from", &from)])
}

/// Where our own probes come from, until they are there.
#[derive(Default)]
pub(crate) struct Probes {
    sources: Mutex<HashMap<SocketAddr, Client>>,
    /// The accept path looks at this alone, nearly always.
    count: AtomicUsize,
}

/// Expected until it is dropped.
struct Expected<'a> {
    probes: &'a Probes,
    source: SocketAddr,
}

impl Probes {
    fn expect(&self, source: SocketAddr, client: Client) -> Expected<'_> {
        self.sources().insert(source, client);
        self.count.fetch_add(1, Ordering::Release);
        Expected {
            probes: self,
            source,
        }
    }

    /// As whom a connection from there comes; `None`: it is none of ours.
    pub(crate) fn of(&self, peer: SocketAddr) -> Option<Client> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let source = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        self.sources().get(&source).copied()
    }

    fn sources(&self) -> MutexGuard<'_, HashMap<SocketAddr, Client>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Expected<'_> {
    fn drop(&mut self) {
        self.probes.sources().remove(&self.source);
        self.probes.count.fetch_sub(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_ours_from_its_very_address_and_port_and_only_while_it_runs() {
        let probes = Probes::default();
        let source: SocketAddr = "127.0.0.1:40000".parse().unwrap();
        assert_eq!(probes.of(source), None);
        let expected = probes.expect(source, Client::Current);
        assert_eq!(probes.of(source), Some(Client::Current));
        let mapped = "[::ffff:127.0.0.1]:40000".parse().unwrap();
        assert_eq!(probes.of(mapped), Some(Client::Current));
        for other in ["127.0.0.1:40001", "127.0.0.2:40000", "[::1]:40000"] {
            assert_eq!(probes.of(other.parse().unwrap()), None, "{other}");
        }
        drop(expected);
        assert_eq!(probes.of(source), None);
    }
}
