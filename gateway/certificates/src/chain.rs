//! From a leaf up to a root: the intermediates to send, in their order.
//!
//! A client knows roots and is sent everything else. So a chain is complete when it ends at a root:
//! one that was given, or one that this machine knows. A root itself is never sent.

use std::cell::Cell;

use openssl::{
    error::ErrorStack,
    stack::Stack,
    x509::{
        X509, X509Ref, X509StoreContext, X509VerifyResult,
        store::X509StoreBuilder,
        verify::{X509VerifyFlags, X509VerifyParam},
    },
};

use crate::{Validity, pair};

/// No public chain has more than four.
const DEEPEST: usize = 8;
/// Signatures that are verified: authorities that sign each other make many ways, all of them alike.
const STEPS: usize = 2000;

/// Authorities that this machine trusts; terminals know about the same.
#[derive(Default)]
pub struct Roots(Vec<X509>);

impl Roots {
    #[must_use]
    pub fn new(roots: Vec<X509>) -> Self {
        Self(roots)
    }

    /// As the system keeps them, or where `SSL_CERT_FILE` says. A machine without has none.
    #[must_use]
    pub fn of_this_machine() -> Self {
        let file = openssl_probe::probe().cert_file;
        let pem = file.and_then(|file| std::fs::read(file).ok());
        let roots = pem.and_then(|pem| X509::stack_from_pem(&pem).ok());
        Self(roots.unwrap_or_default())
    }
}

/// Who trusts what a server sends: leaf and intermediates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Whoever knows the public authorities.
    Public,
    /// Whoever was given this root, which is `own`.
    Own { root: String },
    /// Whoever was given the certificate itself.
    Itself,
    /// Whoever has this issuer from elsewhere. With a `url` it is a public authority's intermediate,
    /// which should have been sent.
    Missing { issuer: String, url: Option<String> },
}

impl Trust {
    /// Of `leaf` with the `sent` intermediates; `own` are roots that terminals are given.
    #[must_use]
    pub fn of(leaf: &X509, sent: &[X509], own: &[X509], roots: &Roots, now: i64) -> Self {
        let given: Vec<X509> = sent.iter().chain(own).cloned().collect();
        match build(leaf, &given, roots, now).end {
            End::Known => Self::Public,
            _ if vouches_for_itself(leaf) => Self::Itself,
            End::OwnRoot(root) => Self::Own { root },
            End::Missing { issuer, url, .. } => Self::Missing { issuer, url },
        }
    }
}

/// The chain of one leaf.
pub(crate) struct Chain {
    pub(crate) intermediates: Vec<X509>,
    pub(crate) end: End,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// A root that the machine knows.
    Known,
    /// A root that was given and that the machine does not know, or the leaf itself.
    OwnRoot(String),
    /// The last of the chain, or the leaf, was signed by one who is not there.
    Missing {
        of: String,
        issuer: String,
        url: Option<String>,
    },
}

/// The best way up from `leaf` through `given`: to a known root, else to one that was given, else
/// as far as it goes. Certificates that are not valid `now` lead nowhere.
pub(crate) fn build(leaf: &X509, given: &[X509], roots: &Roots, now: i64) -> Chain {
    let climb = Climb {
        given,
        roots,
        now,
        steps: Cell::new(STEPS),
    };
    let best = climb.up(leaf, &mut Vec::new());
    best.unwrap_or_else(|| Chain::ending_at(Vec::new(), leaf))
}

struct Climb<'a> {
    given: &'a [X509],
    roots: &'a Roots,
    now: i64,
    steps: Cell<usize>,
}

impl Climb<'_> {
    /// From `last`, to which `way` led. `None`: too many ways.
    fn up(&self, last: &X509Ref, way: &mut Vec<X509>) -> Option<Chain> {
        self.step()?;
        let chain = |end| Chain {
            intermediates: way.clone(),
            end,
        };
        if self.roots.0.iter().any(|root| self.signed(root, last)) {
            return Some(chain(End::Known));
        }
        if has_signed(last, last) {
            return Some(chain(End::OwnRoot(pair::called(last.subject_name()))));
        }
        let mut best = Chain::ending_at(way.clone(), last);
        let signers: Vec<&X509> = self
            .given
            .iter()
            .filter(|one| self.is_valid(one) && self.signed(one, last))
            .collect();
        for signer in signers {
            if has_signed(signer, signer) {
                best.take(Chain {
                    intermediates: way.clone(),
                    end: End::OwnRoot(pair::called(signer.subject_name())),
                });
            } else if way.len() < DEEPEST && !way.contains(signer) {
                way.push(signer.clone());
                let found = self.up(signer, way);
                way.pop();
                best.take(found?);
            }
        }
        Some(best)
    }

    fn step(&self) -> Option<()> {
        self.steps.set(self.steps.get().checked_sub(1)?);
        Some(())
    }

    /// As [`has_signed`], while there are steps left: by name, everybody may have.
    fn signed(&self, signer: &X509Ref, signed: &X509Ref) -> bool {
        signer.issued(signed) == X509VerifyResult::OK
            && self.step().is_some()
            && has_signed(signer, signed)
    }

    fn is_valid(&self, one: &X509Ref) -> bool {
        let validity = Validity::of(one);
        validity.has_begun(self.now) && !validity.has_ended(self.now)
    }
}

impl Chain {
    /// What a client says that is sent `leaf` with these intermediates and trusts where they end:
    /// of whom, and why. Who may sign, how deep, and for which names; times are judged elsewhere.
    pub(crate) fn objection(
        &self,
        leaf: &X509,
        given: &[X509],
        roots: &Roots,
    ) -> Result<Option<(String, String)>, ErrorStack> {
        let mut parameters = X509VerifyParam::new()?;
        parameters.set_flags(X509VerifyFlags::PARTIAL_CHAIN | X509VerifyFlags::NO_CHECK_TIME)?;
        let mut trusted = X509StoreBuilder::new()?;
        trusted.set_param(&parameters)?;
        let last = self.intermediates.last().unwrap_or(leaf);
        let ends: Vec<&X509> = match self.end {
            End::Known => roots.0.iter().collect(),
            End::OwnRoot(_) => given.iter().filter(|one| vouches_for_itself(one)).collect(),
            End::Missing { .. } => vec![last],
        };
        for end in ends {
            trusted.add_cert(end.clone())?;
        }
        let mut sent = Stack::new()?;
        for intermediate in &self.intermediates {
            sent.push(intermediate.clone())?;
        }
        let mut context = X509StoreContext::new()?;
        context.init(&trusted.build(), leaf, &sent, |context| {
            if context.verify_cert()? {
                return Ok(None);
            }
            let of = context.current_cert().unwrap_or(leaf);
            let why = context.error().error_string().to_owned();
            Ok(Some((pair::holder(of), why)))
        })
    }

    fn ending_at(intermediates: Vec<X509>, last: &X509Ref) -> Self {
        Self {
            intermediates,
            end: End::Missing {
                of: pair::called(last.subject_name()),
                issuer: pair::called(last.issuer_name()),
                url: url_of_issuer(last),
            },
        }
    }

    /// The one that came first, unless the other ends better or, ending alike, nowhere is longer.
    fn take(&mut self, other: Self) {
        let rank = |chain: &Self| match chain.end {
            End::Known => (2, 0),
            End::OwnRoot(_) => (1, 0),
            End::Missing { .. } => (0, chain.intermediates.len()),
        };
        if rank(&other) > rank(self) {
            *self = other;
        }
    }
}

/// Also one whose key may sign no certificates, as that of a server.
fn vouches_for_itself(certificate: &X509Ref) -> bool {
    let same = certificate
        .issuer_name()
        .try_cmp(certificate.subject_name())
        .is_ok_and(|way| way.is_eq());
    same && certificate
        .public_key()
        .and_then(|key| certificate.verify(&key))
        .unwrap_or_default()
}

fn has_signed(signer: &X509Ref, signed: &X509Ref) -> bool {
    signer.issued(signed) == X509VerifyResult::OK
        && signer
            .public_key()
            .and_then(|key| signed.verify(&key))
            .unwrap_or_default()
}

/// Where the certificate itself says that its issuer's lies (RFC 5280, 4.2.2.1).
fn url_of_issuer(certificate: &X509Ref) -> Option<String> {
    let places = certificate.authority_info()?;
    let issuers = places
        .iter()
        .filter(|place| place.method().nid() == openssl::nid::Nid::AD_CA_ISSUERS);
    let url = issuers.filter_map(|place| place.location().uri()).next();
    url.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        KeyKind,
        fixtures::{authority, leaf},
        make,
        plan::Wish,
        validity,
    };

    #[test]
    fn every_signature_that_is_verified_is_a_step_and_without_steps_there_is_none() {
        let root = authority("Root").by_itself();
        let lower = authority("Lower").by(&root);
        let lowers = (0..10).map(|_| {
            let mut again = authority("Lower");
            again.key = Some(lower.key.clone());
            again.by(&root).certificate
        });
        let lowers: Vec<X509> = lowers.collect();
        let signed = leaf().by(&lower).certificate;
        let left_of = |steps| {
            let climb = Climb {
                given: &lowers,
                roots: &Roots::new(Vec::new()),
                now: validity::now(),
                steps: Cell::new(steps),
            };
            let found = climb.up(&signed, &mut Vec::new());
            (found.is_some(), climb.steps.get())
        };
        // The leaf, ten signatures on it, and each of the ten.
        assert_eq!(left_of(100), (true, 100 - 21));
        assert_eq!(left_of(5), (false, 0));
    }

    #[test]
    fn who_trusts_a_server_follows_from_what_it_sends_and_from_the_roots_that_are_known() {
        let now = validity::now();
        let root = authority("Root").by_itself();
        let lower = authority("Lower").by(&root);
        let signed = leaf().by(&lower).certificate;
        let (root, lower) = (root.certificate, lower.certificate);
        let known = Roots::new(vec![root.clone()]);
        let of =
            |sent: &[X509], own: &[X509], roots: &Roots| Trust::of(&signed, sent, own, roots, now);
        let none = Roots::default();
        let whole = [lower.clone()];
        assert_eq!(of(&whole, &[], &known), Trust::Public);
        let own = "Root".to_owned();
        assert_eq!(of(&whole, &[root], &none), Trust::Own { root: own });
        let missing = |issuer: &str| Trust::Missing {
            issuer: issuer.to_owned(),
            url: None,
        };
        assert_eq!(of(&whole, &[], &none), missing("Root"));
        assert_eq!(of(&[], &[], &known), missing("Lower"));
        let wish = Wish {
            names: vec!["gate.example.ru".parse().unwrap()],
            keys: vec![KeyKind::P256],
        };
        let made = make::self_signed(&wish).unwrap();
        for itself in [leaf().by_itself().certificate, made[0].leaf().clone()] {
            assert_eq!(Trust::of(&itself, &[], &[], &known, now), Trust::Itself);
        }
    }
}
