//! What was read → what is served, or the one fault that keeps it from being served.
//!
//! Judged as the strictest current client would: what is taken here fails on no terminal for a
//! reason that could have been known before.

use openssl::{
    nid::Nid,
    pkey::{HasPublic, Id, PKey, PKeyRef, Private},
    x509::{X509, X509ExtendedKeyUsage, X509KeyUsage, X509Ref},
};

use crate::{
    Certificate, Fault, Name, Pair, Validity,
    chain::{self, Chain, End, Roots},
    pair,
    read::Found,
    request::Request,
};

/// What the certificate has to be.
pub struct Expected<'a> {
    /// Names that it must cover, beside those of the request that it answers.
    pub names: &'a [Name],
    /// Requests of the slot that no certificate has answered yet: their keys are here already.
    pub requests: &'a [Request],
    pub roots: &'a Roots,
    pub chain: Completeness,
    /// Seconds since the Unix epoch.
    pub now: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    Required,
    /// The terminals know the authority, this machine does not.
    AsGiven,
}

/// Good for a server.
#[derive(Debug)]
pub struct Judged {
    pub certificate: Certificate,
    /// Ids of the requests that it answers.
    pub answers: Vec<String>,
    pub notes: Vec<Note>,
}

/// What the administrator should know of a certificate that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// Signed by itself: each terminal must be given it.
    SelfSigned,
    /// Terminals must know this root, which is none of the public ones.
    OwnRoot { root: String },
    /// Taken without its whole chain.
    ChainIncomplete { issuer: String },
    /// Given, and for nothing: neither served nor part of the chain.
    Unused { holder: String },
}

/// A certificate with its key.
struct Leaf {
    certificate: X509,
    key: PKey<Private>,
    request: Option<usize>,
}

impl Leaf {
    fn holder(&self) -> String {
        pair::holder(&self.certificate)
    }
}

/// # Errors
/// The first fault; nothing of what was found is good for use then.
pub fn judge(found: &Found, expected: &Expected<'_>) -> Result<Judged, Fault> {
    let mut notes = Vec::new();
    let (mut pairs, mut answers, mut used) = (Vec::new(), Vec::new(), Vec::new());
    for leaf in leaves(found, expected)? {
        let request = leaf.request.and_then(|place| expected.requests.get(place));
        judge_leaf(&leaf, request, expected)?;
        let built = chain::build(
            &leaf.certificate,
            &found.certificates,
            expected.roots,
            expected.now,
        );
        for intermediate in &built.intermediates {
            is_strong(intermediate)?;
        }
        notes.extend(judge_end(&leaf, &built, found, expected)?);
        judge_whole(&leaf, &built, found, expected)?;
        used.push(leaf.certificate.clone());
        used.extend(built.intermediates.iter().cloned());
        answers.extend(request.map(|request| request.id.clone()));
        let holder = leaf.holder();
        let pair = Pair::new(leaf.certificate, built.intermediates, leaf.key);
        pairs.push(pair.map_err(|_fault| Fault::KeyMismatch { holder })?);
    }
    let unused = found.certificates.iter().filter(|one| {
        let is_root = one
            .issuer_name()
            .try_cmp(one.subject_name())
            .is_ok_and(|way| way.is_eq());
        !used.contains(one) && !is_root
    });
    notes.extend(unused.map(|one| Note::Unused {
        holder: pair::holder(one),
    }));
    notes.dedup();
    let certificate = Certificate::new(pairs).ok_or(Fault::NoCertificate)?;
    Ok(Judged {
        certificate,
        answers,
        notes,
    })
}

/// The certificates whose keys are there, at most one of RSA and one of another kind.
fn leaves(found: &Found, expected: &Expected<'_>) -> Result<Vec<Leaf>, Fault> {
    let mut leaves: Vec<Leaf> = Vec::new();
    for certificate in &found.certificates {
        let Ok(public) = certificate.public_key() else {
            continue;
        };
        let given = found.keys.iter().find(|key| public.public_eq(key));
        let requests = expected.requests.iter();
        let request = requests
            .clone()
            .position(|request| public.public_eq(&request.key));
        let waiting = request.and_then(|place| expected.requests.get(place));
        let Some(key) = given.or(waiting.map(|request| &request.key)) else {
            continue;
        };
        leaves.push(Leaf {
            certificate: certificate.clone(),
            key: key.clone(),
            request,
        });
    }
    if leaves.iter().any(|leaf| !is_authority(&leaf.certificate)) {
        leaves.retain(|leaf| !is_authority(&leaf.certificate));
    }
    // An old and a renewed one for the same key: the renewed one.
    leaves.sort_by_key(|leaf| std::cmp::Reverse(Validity::of(&leaf.certificate).until));
    let mut chosen: Vec<Leaf> = Vec::new();
    for leaf in leaves {
        if chosen.iter().any(|one| one.key.public_eq(&leaf.key)) {
            continue;
        }
        let is_rsa = |leaf: &Leaf| leaf.key.id() == Id::RSA;
        if let Some(first) = chosen.iter().find(|one| is_rsa(one) == is_rsa(&leaf)) {
            let (first, second) = (first.holder(), leaf.holder());
            return Err(Fault::TwoOfAKind { first, second });
        }
        chosen.push(leaf);
    }
    if chosen.is_empty() {
        return Err(without_key(found, expected));
    }
    Ok(chosen)
}

/// Why there is no certificate with its key.
fn without_key(found: &Found, expected: &Expected<'_>) -> Fault {
    let leaf = found.certificates.iter().find(|one| !is_authority(one));
    let Some(leaf) = leaf.or(found.certificates.first()) else {
        return match found.requests {
            0 => Fault::NoCertificate,
            _ => Fault::RequestInstead,
        };
    };
    let holder = pair::holder(leaf);
    if leaf.public_key().is_err() {
        return odd_key(leaf);
    }
    if found.keys.is_empty() && expected.requests.is_empty() {
        Fault::NoKey { holder }
    } else {
        Fault::KeyMismatch { holder }
    }
}

fn judge_leaf(
    leaf: &Leaf,
    request: Option<&Request>,
    expected: &Expected<'_>,
) -> Result<(), Fault> {
    let (certificate, holder) = (&leaf.certificate, || leaf.holder());
    if is_authority(certificate) {
        return Err(Fault::Authority { holder: holder() });
    }
    let usage = certificate.extended_key_usage();
    let servers = X509ExtendedKeyUsage::SSL_SERVER | X509ExtendedKeyUsage::ANYEKU;
    if usage.is_some_and(|usage| !usage.intersects(servers)) {
        return Err(Fault::NotForServers { holder: holder() });
    }
    in_time(certificate, expected.now)?;
    is_strong(certificate)?;
    let names = Name::of(certificate);
    if names.is_empty() {
        return Err(Fault::NoNames { holder: holder() });
    }
    let asked = request.map(|request| request.names.as_slice());
    let asked = asked.unwrap_or_default().iter().chain(expected.names);
    let missing: Vec<Name> = asked
        .filter(|asked| !names.iter().any(|name| name.covers(asked)))
        .cloned()
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Fault::WrongName { missing, names })
    }
}

/// # Errors
/// [`Fault::Expired`], [`Fault::NotYet`].
pub fn in_time(certificate: &X509Ref, now: i64) -> Result<(), Fault> {
    let Validity { from, until } = Validity::of(certificate);
    let holder = pair::holder(certificate);
    if now > until {
        return Err(Fault::Expired { holder, until });
    }
    if now < from {
        return Err(Fault::NotYet { holder, from });
    }
    Ok(())
}

fn judge_end(
    leaf: &Leaf,
    chain: &Chain,
    found: &Found,
    expected: &Expected<'_>,
) -> Result<Option<Note>, Fault> {
    match &chain.end {
        End::Known => Ok(None),
        End::OwnRoot(root) if chain.intermediates.is_empty() && *root == leaf.holder() => {
            Ok(Some(Note::SelfSigned))
        }
        End::OwnRoot(root) => Ok(Some(Note::OwnRoot { root: root.clone() })),
        End::Missing { of, issuer, url } => {
            // It is there and of no use: that is another fault than not being there.
            for given in &found.certificates {
                if pair::called(given.subject_name()) == *issuer && *issuer != *of {
                    in_time(given, expected.now)?;
                }
            }
            let (of, issuer, url) = (of.clone(), issuer.clone(), url.clone());
            match expected.chain {
                Completeness::Required => Err(Fault::ChainIncomplete { of, issuer, url }),
                Completeness::AsGiven => Ok(Some(Note::ChainIncomplete { issuer })),
            }
        }
    }
}

/// The last word has what clients verify with.
fn judge_whole(
    leaf: &Leaf,
    chain: &Chain,
    found: &Found,
    expected: &Expected<'_>,
) -> Result<(), Fault> {
    let holder = leaf.holder();
    let said = chain.objection(&leaf.certificate, &found.certificates, expected.roots);
    let (of, cause) = match said {
        Ok(None) => return Ok(()),
        Ok(Some(objection)) => objection,
        Err(fault) => (holder.clone(), fault.to_string()),
    };
    Err(Fault::ChainRefused { holder, of, cause })
}

/// May sign others. Some tools call every certificate that has signed itself an authority, without
/// saying what its key may do: those are not meant.
fn is_authority(certificate: &X509Ref) -> bool {
    let signs = |usage: X509KeyUsage| usage.contains(X509KeyUsage::KEY_CERT_SIGN);
    certificate.pathlen().is_some() || certificate.key_usage().is_some_and(signs)
}

fn is_strong(certificate: &X509Ref) -> Result<(), Fault> {
    let holder = || pair::called(certificate.subject_name());
    let Ok(key) = certificate.public_key() else {
        return Err(odd_key(certificate));
    };
    match (key.id(), curve(&key)) {
        (Id::RSA, _) if key.bits() < 2048 => {
            return Err(Fault::WeakKey {
                holder: holder(),
                key: pair::key_words(&key),
            });
        }
        (Id::RSA, _) | (Id::EC, Some(Nid::X9_62_PRIME256V1 | Nid::SECP384R1)) => {}
        _ => return Err(odd_key(certificate)),
    }
    let algorithm = certificate.signature_algorithm().object().nid();
    let digest = algorithm.signature_algorithms().map(|both| both.digest);
    match digest {
        Some(Nid::SHA1 | Nid::MD5 | Nid::MD4 | Nid::MD5_SHA1) => Err(Fault::WeakSignature {
            holder: holder(),
            algorithm: algorithm.long_name().unwrap_or("SHA-1").to_owned(),
        }),
        _ => Ok(()),
    }
}

fn odd_key(certificate: &X509Ref) -> Fault {
    let of_algorithm = || {
        let algorithm = certificate.signature_algorithm().object();
        algorithm.to_string()
    };
    Fault::OddKey {
        holder: pair::called(certificate.subject_name()),
        key: certificate
            .public_key()
            .map_or_else(|_unknown| of_algorithm(), |key| pair::key_words(&key)),
    }
}

fn curve<T: HasPublic>(key: &PKeyRef<T>) -> Option<Nid> {
    key.ec_key().ok()?.group().curve_name()
}

#[cfg(test)]
mod tests;
