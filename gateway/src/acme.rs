//! Certificates from authorities that speak ACME (RFC 8555), such as Let's Encrypt.
//!
//! One order at a time, each with an end: account → order → challenges answered → signed →
//! judged as any imported certificate is. Nothing is installed here, so whatever fails leaves what
//! is in force as it is.
//!
//! [`challenges`] is what ports of ours answer meanwhile, [`answering`] a port of its own where
//! none of ours is at the place.

mod account;
mod answering;
pub(crate) mod challenges;
mod fault;
mod http;

use std::{net::TcpListener, sync::Arc, time::Duration};

use gateway_certificates::{
    Certificate, KeyKind, Name, Request, Store,
    chain::Roots,
    judge::{Completeness, Expected, judge},
    plan::{AcmeWish, Challenge},
    read::Found,
    validity,
};
use instant_acme::{
    Account, AuthorizationStatus, ChallengeStatus, ChallengeType, Error, Identifier, NewOrder,
    Order, OrderStatus, RetryPolicy,
};
use openssl::x509::X509;
use tokio::time::timeout;
use words::Cause;

pub(crate) use self::fault::OrderFault;
use self::{
    answering::Answering,
    challenges::{Challenges, Posted},
    fault::AcmeFault,
    http::{HttpFault, Https},
};
use crate::listeners::{Lent, Listeners};

/// From the first word to the certificate. Let's Encrypt takes some seconds.
pub(crate) const ORDER_LIMIT: Duration = Duration::from_secs(180);
/// For the server to look at the challenges, and for it to sign.
const STEP_LIMIT: Duration = Duration::from_secs(90);
/// instant-acme tries each request three times with fresh nonces; a server under load refuses more
/// of them. What was proven stays proven, so another order costs little.
const NONCE_TRIES: u8 = 3;
/// For IP addresses: no other profile of Let's Encrypt has them (lessons, 48).
const SHORT_LIVED: &str = "shortlived";

/// Orders certificates.
pub(crate) struct Acme {
    store: Store,
    challenges: Arc<Challenges>,
    listeners: Arc<Listeners>,
    /// One order at a time: two could want one port for their challenges.
    one: tokio::sync::Mutex<()>,
}

impl Acme {
    pub(crate) fn new(
        store: Store,
        challenges: Arc<Challenges>,
        listeners: Arc<Listeners>,
    ) -> Self {
        Self {
            store,
            challenges,
            listeners,
            one: tokio::sync::Mutex::default(),
        }
    }

    /// What can be said against a wish without asking its server.
    pub(crate) async fn judge(&self, wish: &AcmeWish) -> Result<(), OrderFault> {
        let failed = |cause| OrderFault::new(cause, wish, None);
        possible(wish).map_err(failed)?;
        // An order that runs may hold the very port; the next one waits for it.
        if let Ok(_no_order) = self.one.try_lock() {
            drop(self.port(wish).await.map_err(failed)?);
        }
        Ok(())
    }

    /// A certificate as wished, of one pair for each key. Installs nothing: who asked does.
    pub(crate) async fn order(&self, wish: &AcmeWish) -> Result<Certificate, OrderFault> {
        let _one_order = self.one.lock().await;
        let failed = |cause| OrderFault::new(cause, wish, None);
        possible(wish).map_err(failed)?;
        let authority = wish.authority.clone();
        let https = tokio::task::spawn_blocking(move || Https::new(authority.as_deref())).await;
        let https = https.map_err(|broken| failed(odd(&broken)))?;
        let https = https.map_err(|fault| failed(fault.into()))?;
        let answering = self.answering(wish).await.map_err(failed)?;
        let ordered = timeout(ORDER_LIMIT, async {
            let mut left = NONCE_TRIES;
            loop {
                left -= 1;
                match self.order_over(&https, wish).await {
                    Err(fault) if fault.is_bad_nonce() && left > 0 => {}
                    ordered => return ordered,
                }
            }
        })
        .await;
        if let Some(answering) = answering {
            answering.stop().await;
        }
        let seconds = ORDER_LIMIT.as_secs();
        let ordered = ordered.unwrap_or(Err(AcmeFault::TimedOut { seconds }));
        ordered.map_err(|cause| OrderFault::new(cause, wish, https.told_to_wait()))
    }

    async fn order_over(&self, https: &Https, wish: &AcmeWish) -> Result<Certificate, AcmeFault> {
        let (mut found, mut requests) = (Found::default(), Vec::new());
        for kind in &wish.wish.keys {
            let request = request(wish, *kind).await?;
            let chain = self.signed(https, wish, &request).await?;
            let chain = X509::stack_from_pem(chain.as_bytes())?;
            found.certificates.extend(chain);
            requests.push(request);
        }
        let names = wish.wish.names.clone();
        let judged = tokio::task::spawn_blocking(move || {
            let expected = Expected {
                names: &names,
                requests: &requests,
                roots: &Roots::of_this_machine(),
                chain: Completeness::AsGiven,
                now: validity::now(),
            };
            judge(&found, &expected).map(|judged| judged.certificate)
        });
        match judged.await {
            Ok(judged) => judged.map_err(AcmeFault::Unfit),
            Err(broken) => Err(AcmeFault::Odd(Cause::of(&broken))),
        }
    }

    /// The port of the challenges: opened for them, or `None`: one of ours answers already.
    async fn port(&self, wish: &AcmeWish) -> Result<Option<TcpListener>, AcmeFault> {
        let port = wish.port;
        let https = wish.challenge == Challenge::TlsAlpn01;
        match self.listeners.lend(port, https).await {
            Ok(Lent::Ours) => Ok(None),
            Ok(Lent::OtherScheme) => Err(AcmeFault::OtherScheme { port }),
            Ok(Lent::Free(socket)) => Ok(Some(socket)),
            Err(fault) => Err(AcmeFault::Port(fault)),
        }
    }

    async fn answering(&self, wish: &AcmeWish) -> Result<Option<Answering>, AcmeFault> {
        let socket = self.port(wish).await?;
        let start = |socket| Answering::start(socket, wish.challenge, &self.challenges);
        let answering = socket.map(start).transpose();
        answering.map_err(|fault| odd(&fault))
    }

    /// The PEM chain for one request.
    async fn signed(
        &self,
        https: &Https,
        wish: &AcmeWish,
        request: &Request,
    ) -> Result<String, AcmeFault> {
        let identifiers: Vec<Identifier> = wish.wish.names.iter().map(identifier).collect();
        let account = account::account(&self.store, wish, https).await;
        let opened = match account {
            Ok(account) => open(&account, &identifiers, wish).await,
            Err(fault) => Err(fault),
        };
        let mut order = match opened {
            Err(fault) if fault.is_unknown_account() => {
                tracing::warn!(
                    server = wish.directory,
                    "our account is gone there: another one"
                );
                account::forget(&self.store, &wish.directory)?;
                let account = account::account(&self.store, wish, https).await?;
                open(&account, &identifiers, wish).await?
            }
            opened => opened?,
        };
        let posted = self.post(&mut order, wish.challenge).await?;
        let policy = RetryPolicy::new().timeout(STEP_LIMIT);
        let ready = order.poll_ready(&policy).await;
        drop(posted);
        match ready {
            Ok(OrderStatus::Ready) => {}
            Ok(_) => return Err(not_proven(&mut order).await),
            Err(Error::Api(problem)) => {
                return Err(match not_proven(&mut order).await {
                    told @ AcmeFault::NotProven { .. } => told,
                    _ => AcmeFault::Problem(problem),
                });
            }
            Err(fault) => return Err(late(fault)),
        }
        let csr = openssl::x509::X509Req::from_pem(request.pem.as_bytes())?.to_der()?;
        order.finalize_csr(&csr).await?;
        order.poll_certificate(&policy).await.map_err(late)
    }

    /// Answers every challenge that is still open, and says so to the server.
    async fn post(&self, order: &mut Order, way: Challenge) -> Result<Vec<Posted>, AcmeFault> {
        let mut posted = Vec::new();
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            // Proven by an order of late.
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let name = authorization.identifier().to_string();
            let kind = match way {
                Challenge::Http01 => ChallengeType::Http01,
                Challenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
            };
            let Some(mut challenge) = authorization.challenge(kind) else {
                return Err(AcmeFault::NoSuchChallenge {
                    name,
                    challenge: way,
                });
            };
            let key = challenge.key_authorization();
            posted.push(match way {
                Challenge::Http01 => self.challenges.post_token(&challenge.token, key.as_str()),
                Challenge::TlsAlpn01 => {
                    let name: Name = name.parse().map_err(|fault| odd(&fault))?;
                    let digest = key.digest();
                    let digest: &[u8; 32] = digest.as_ref().try_into().map_err(|f| odd(&f))?;
                    self.challenges.post_certificate(&name, digest)?
                }
            });
            if challenge.status == ChallengeStatus::Pending {
                challenge.set_ready().await?;
            }
        }
        Ok(posted)
    }
}

/// What can be known without asking anybody.
fn possible(wish: &AcmeWish) -> Result<(), AcmeFault> {
    let names = &wish.wish.names;
    if names.is_empty() || wish.wish.keys.is_empty() {
        return Err(AcmeFault::NoNames);
    }
    let star = names
        .iter()
        .find(|name| matches!(name, Name::Dns(dns) if dns.starts_with("*.")));
    if let Some(name) = star {
        return Err(AcmeFault::Star { name: name.clone() });
    }
    if !http::is_https(&wish.directory) {
        let url = wish.directory.clone();
        return Err(AcmeFault::Http(HttpFault::NotHttps { url }));
    }
    let is_certificate = |pem: &String| {
        let found = X509::stack_from_pem(pem.as_bytes());
        found.is_ok_and(|found| !found.is_empty())
    };
    match &wish.authority {
        Some(pem) if !is_certificate(pem) => Err(AcmeFault::Authority),
        Some(_) | None => Ok(()),
    }
}

async fn request(wish: &AcmeWish, kind: KeyKind) -> Result<Request, AcmeFault> {
    let names = wish.wish.names.clone();
    // An RSA key takes its time.
    let made = tokio::task::spawn_blocking(move || Request::without_subject(names, kind)).await;
    Ok(made.map_err(|broken| odd(&broken))??)
}

async fn open(
    account: &Account,
    identifiers: &[Identifier],
    wish: &AcmeWish,
) -> Result<Order, AcmeFault> {
    let mut offered: Vec<String> = account.profiles().map(|one| one.name.to_owned()).collect();
    offered.sort();
    let profile = profile(wish, offered)?;
    let mut order = NewOrder::new(identifiers);
    if let Some(profile) = &profile {
        order = order.profile(profile);
    }
    Ok(account.new_order(&order).await?)
}

/// The wished one; for an IP address the short-lived one, where the server has profiles.
fn profile(wish: &AcmeWish, offered: Vec<String>) -> Result<Option<String>, AcmeFault> {
    match &wish.profile {
        Some(wished) if offered.contains(wished) => Ok(Some(wished.clone())),
        Some(wished) => Err(AcmeFault::NoSuchProfile {
            wished: wished.clone(),
            offered,
        }),
        None => {
            let has_ip = wish
                .wish
                .names
                .iter()
                .any(|name| matches!(name, Name::Ip(_)));
            let short = SHORT_LIVED.to_owned();
            Ok((has_ip && offered.contains(&short)).then_some(short))
        }
    }
}

fn identifier(name: &Name) -> Identifier {
    match name {
        Name::Dns(name) => Identifier::Dns(name.clone()),
        Name::Ip(ip) => Identifier::Ip(*ip),
    }
}

/// The first name that the server did not find to be ours, in its words.
async fn not_proven(order: &mut Order) -> AcmeFault {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let Ok(mut authorization) = authorization else {
            continue;
        };
        if authorization.refresh().await.is_err() {
            continue;
        }
        let problem = authorization
            .challenges
            .iter()
            .find_map(|one| one.error.clone());
        if let Some(problem) = problem {
            let name = authorization.identifier().to_string();
            return AcmeFault::NotProven { name, problem };
        }
    }
    AcmeFault::Unexplained
}

fn late(fault: Error) -> AcmeFault {
    let seconds = STEP_LIMIT.as_secs();
    match fault {
        Error::Timeout(_) => AcmeFault::TimedOut { seconds },
        other => other.into(),
    }
}

fn odd(fault: &(dyn std::error::Error + 'static)) -> AcmeFault {
    AcmeFault::Odd(Cause::of(fault))
}

#[cfg(test)]
mod pebble;

#[cfg(test)]
mod tests {
    use gateway_certificates::plan::Wish;

    use super::*;

    fn wish(names: &[&str], profile: Option<&str>) -> AcmeWish {
        AcmeWish {
            wish: Wish {
                names: names.iter().map(|name| name.parse().unwrap()).collect(),
                keys: vec![KeyKind::P256],
            },
            directory: "https://acme.example/directory".to_owned(),
            contacts: Vec::new(),
            challenge: Challenge::Http01,
            port: 80,
            profile: profile.map(str::to_owned),
            authority: None,
        }
    }

    #[test]
    fn an_address_gets_the_short_lived_profile_where_there_is_one_and_a_name_does_not() {
        let offered = || vec!["classic".to_owned(), "shortlived".to_owned()];
        let chosen = |names: &[&str], wished, offered| profile(&wish(names, wished), offered);
        let ip = ["gate.example.ru", "192.0.2.1"];
        assert_eq!(
            chosen(&ip, None, offered()).unwrap().as_deref(),
            Some("shortlived")
        );
        assert_eq!(chosen(&ip, None, Vec::new()).unwrap(), None);
        assert_eq!(chosen(&ip[..1], None, offered()).unwrap(), None);
        let wished = chosen(&ip, Some("classic"), offered()).unwrap();
        assert_eq!(wished.as_deref(), Some("classic"));
        let refused = chosen(&ip[..1], Some("tlsserver"), offered());
        assert!(matches!(refused, Err(AcmeFault::NoSuchProfile { .. })));
    }

    #[test]
    fn a_star_and_no_name_at_all_are_refused_before_anybody_is_asked() {
        assert!(possible(&wish(&["gate.example.ru"], None)).is_ok());
        let star = possible(&wish(&["a.example.ru", "*.example.ru"], None));
        assert!(matches!(star, Err(AcmeFault::Star { .. })));
        assert!(matches!(
            possible(&wish(&[], None)),
            Err(AcmeFault::NoNames)
        ));
    }

    #[test]
    fn so_are_a_server_without_https_and_a_root_that_is_none() {
        let plain = |directory: &str| AcmeWish {
            directory: directory.to_owned(),
            ..wish(&["gate.example.ru"], None)
        };
        for directory in ["http://acme.example/directory", "acme.example", ""] {
            let refused = possible(&plain(directory));
            let is_told = matches!(refused, Err(AcmeFault::Http(HttpFault::NotHttps { .. })));
            assert!(is_told, "{directory}: {refused:?}");
        }
        for pem in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n"] {
            let refused = possible(&AcmeWish {
                authority: Some(pem.to_owned()),
                ..wish(&["gate.example.ru"], None)
            });
            assert!(matches!(refused, Err(AcmeFault::Authority)), "{refused:?}");
        }
    }
}
