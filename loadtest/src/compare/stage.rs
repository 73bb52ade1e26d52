//! What every contender is given alike: one certificate, one list, one set of tokens, one
//! upstream. All of it lies in a folder that goes away at the end.

use std::{
    fs::{self, File},
    io::Write,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use openssl::{
    asn1::Asn1Time,
    bn::{BigNum, MsbOption},
    ec::{EcGroup, EcKey},
    error::ErrorStack,
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    rand::rand_bytes,
    rsa::Rsa,
    ssl::SslContext,
    x509::{X509, X509Builder, X509NameBuilder, extension::SubjectAlternativeName},
};
use tempfile::TempDir;

use super::{
    load,
    upstream::{self, Answers},
};

const LISTED: u32 = 100_000;
const TOKENS: usize = 1000;
/// About what a terminal asks for most: a document's head, a few goods.
const BODY_BYTES: usize = 1024;

/// A network of the list, and who must therefore be refused.
pub(crate) const LISTED_CLIENT: Ipv4Addr = Ipv4Addr::new(127, 66, 6, 6);
const LISTED_NETWORK: &str = "127.66.0.0/16";

/// The key of everybody's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Key {
    P256,
    Rsa2048,
}

impl Key {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::P256 => "ECDSA P-256",
            Self::Rsa2048 => "RSA 2048",
        }
    }

    fn make(self) -> Result<PKey<Private>, ErrorStack> {
        match self {
            Self::P256 => {
                let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
                PKey::from_ec_key(EcKey::generate(&group)?)
            }
            Self::Rsa2048 => PKey::from_rsa(Rsa::generate(2048)?),
        }
    }
}

pub(crate) struct Stage {
    folder: TempDir,
    pub(crate) tls: SslContext,
    pub(crate) body: Arc<[u8]>,
    pub(crate) upstream: SocketAddr,
    /// The service that `auth_request` asks.
    pub(crate) judge: SocketAddr,
    pub(crate) blacklist: Vec<String>,
    /// Values of `Authorization` that are let through.
    pub(crate) known: Vec<String>,
}

impl Stage {
    pub(crate) fn new(key: Key) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("loadtest-").tempdir()?;
        let (certificate, key) = certificate(key).context("a certificate")?;
        let chain = certificate.to_pem()?;
        let key = key.private_key_to_pem_pkcs8()?;
        write_secret(&folder.path().join("chain.pem"), &chain)?;
        write_secret(&folder.path().join("key.pem"), &key)?;
        write_secret(&folder.path().join("both.pem"), &[chain, key].concat())?;
        let body = body();
        let known = (0..TOKENS)
            .map(|_| token().map(|token| format!("Bearer {token}")))
            .collect::<Result<Vec<_>, _>>()?;
        let of_judge = known.iter().map(|one| one.clone().into_bytes()).collect();
        Ok(Self {
            tls: load::tls(&certificate)?,
            upstream: upstream::start(Answers::Body(body.clone()))?,
            judge: upstream::start(Answers::Judging(of_judge))?,
            body: body.into(),
            blacklist: blacklist(),
            known,
            folder,
        })
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// An empty folder for one start of one contender.
    pub(crate) fn fresh(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.file(name);
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        fs::create_dir(&path)?;
        Ok(path)
    }
}

/// Free now; who is told to use it fails to start in the rare case that somebody was faster.
pub(crate) fn free_port() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

pub(crate) fn token() -> Result<String, ErrorStack> {
    let mut bytes = [0; 16];
    rand_bytes(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

fn write_secret(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let open = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    open.and_then(|mut file| file.write_all(bytes))
        .with_context(|| path.display().to_string())
}

fn body() -> Vec<u8> {
    let mut body = br#"{"value":[""#.to_vec();
    body.resize(BODY_BYTES - 3, b'x');
    body.extend_from_slice(br#""]}"#);
    body
}

/// Three quarters addresses, one quarter networks, scattered over the whole space, none of them
/// on loopback but one.
fn blacklist() -> Vec<String> {
    // An odd factor visits every address once before it repeats one.
    let scattered = (0_u32..).map(|n| Ipv4Addr::from_bits(n.wrapping_mul(2_654_435_761)));
    let elsewhere = scattered.filter(|address| !matches!(address.octets(), [0 | 127, ..]));
    let lines = elsewhere.zip(1..LISTED).map(|(address, number)| {
        if number % 4 == 0 {
            let length = 24 + number % 7;
            let cut = address.to_bits() & (u32::MAX << (32 - length));
            format!("{}/{length}", Ipv4Addr::from_bits(cut))
        } else {
            address.to_string()
        }
    });
    std::iter::once(LISTED_NETWORK.to_owned())
        .chain(lines)
        .collect()
}

fn certificate(key: Key) -> Result<(X509, PKey<Private>), ErrorStack> {
    let key = key.make()?;
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_nid(Nid::COMMONNAME, "localhost")?;
    let name = name.build();
    let mut serial = BigNum::new()?;
    serial.rand(159, MsbOption::MAYBE_ZERO, false)?;
    let mut builder = X509Builder::new()?;
    builder.set_version(2)?;
    builder.set_serial_number(&*serial.to_asn1_integer()?)?;
    builder.set_subject_name(&name)?;
    builder.set_issuer_name(&name)?;
    builder.set_pubkey(&key)?;
    builder.set_not_before(&*Asn1Time::days_from_now(0)?)?;
    builder.set_not_after(&*Asn1Time::days_from_now(2)?)?;
    let mut names = SubjectAlternativeName::new();
    let names = names
        .ip("127.0.0.1")
        .build(&builder.x509v3_context(None, None))?;
    builder.append_extension(names)?;
    builder.sign(&key, MessageDigest::sha256())?;
    Ok((builder.build(), key))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_list_has_as_many_different_lines_as_promised_and_spares_the_load() {
        let list = blacklist();
        assert_eq!(list.len(), 100_000);
        assert_eq!(list.iter().collect::<HashSet<_>>().len(), list.len());
        let local: Vec<_> = list
            .iter()
            .filter(|line| line.starts_with("127."))
            .collect();
        assert_eq!(local, [LISTED_NETWORK]);
    }
}
