//! `gateway cert acme`: a certificate that terminals trust already, ordered over the internet.
//!
//! Whoever orders agrees to the server's terms of service; that is said before.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use gateway_certificates::{
    Fault, KeyKind, Name,
    plan::{AcmeWish, Challenge, Wish},
    read::{Given, read},
};
use instant_acme::LetsEncrypt;

use super::{Changed, Failure, Outcome, Place, Session, key_kind, parsed, print_changed};
use crate::{acme::ORDER_LIMIT, administration::certificates::words::Speaker};

/// An order may wait for another one.
const LIMIT: Duration = ORDER_LIMIT
    .saturating_mul(2)
    .saturating_add(Duration::from_secs(30));

#[derive(clap::Args)]
pub(in crate::cli) struct Acme {
    #[command(flatten)]
    place: Place,
    #[arg(long = "name", value_name = "NAME", required = true)]
    names: Vec<String>,
    #[arg(long = "key", value_name = "KEY", value_parser = key_kind)]
    keys: Vec<KeyKind>,
    #[arg(long, value_name = "URL", conflicts_with = "staging")]
    directory: Option<String>,
    #[arg(long)]
    staging: bool,
    #[arg(long = "contact", value_name = "MAIL")]
    contacts: Vec<String>,
    #[arg(long, value_name = "http-01|tls-alpn-01", value_parser = challenge, default_value = "http-01")]
    challenge: Challenge,
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    #[arg(long)]
    profile: Option<String>,
    #[arg(long, value_name = "FILE")]
    authority: Option<PathBuf>,
}

pub(super) fn run(acme: Acme, session: &Session) -> Outcome {
    let slot = acme.place.slot(session)?;
    let server = match acme.staging {
        true => LetsEncrypt::Staging,
        false => LetsEncrypt::Production,
    };
    let directory = acme.directory.unwrap_or_else(|| server.url().to_owned());
    let authority = acme.authority.map(|file| certificates(&file, session));
    let mut keys = once_each(acme.keys);
    if keys.is_empty() {
        keys.push(KeyKind::P256);
    }
    let names = once_each(parsed(&acme.names, session)?);
    let contact = |mail: String| match mail.starts_with("mailto:") {
        true => mail,
        false => format!("mailto:{mail}"),
    };
    let wish = AcmeWish {
        wish: Wish { names, keys },
        directory,
        contacts: acme.contacts.into_iter().map(contact).collect(),
        challenge: acme.challenge,
        port: acme.port.unwrap_or(acme.challenge.public_port()),
        profile: acme.profile,
        authority: authority.transpose()?,
    };
    let path = format!("/certificates/{slot}/acme");
    let () = session.gateway.post(&format!("{path}/judge"), &wish)?;
    announce(&wish, session);
    let changed: Changed = session.gateway.patient(LIMIT).post(&path, &wish)?;
    session.show(&changed, |changed| {
        print_changed(changed, session);
        if acme.staging {
            out!("! {}", session.say("cert-note-staging", &[]));
        }
    })
}

/// As typed, without what was said before.
fn once_each<T: PartialEq>(all: Vec<T>) -> Vec<T> {
    let mut kept = Vec::new();
    for one in all {
        if !kept.contains(&one) {
            kept.push(one);
        }
    }
    kept
}

/// Those in a file of any format, as PEM.
fn certificates(file: &Path, session: &Session) -> Result<String, Failure> {
    let name = file.display().to_string();
    let bytes = fs::read(file).map_err(|fault| session.unreadable(file, &fault))?;
    let found = read(&[Given::new(&name, bytes)], None);
    let found = found.map(|found| found.certificates);
    let found = found.and_then(|found| match found.is_empty() {
        true => Err(Fault::NoCertificate),
        false => Ok(found),
    });
    let found = found.map_err(|fault| {
        let words = Speaker(session.language).sentence(&fault);
        Failure::Said(words)
    })?;
    let pem = found.iter().map(|one| one.to_pem());
    let pem: Vec<Vec<u8>> = pem
        .collect::<Result<_, _>>()
        .map_err(|fault| Failure::Said(session.cause(&fault)))?;
    Ok(String::from_utf8_lossy(&pem.concat()).into_owned())
}

/// Beside the answer, which may be for a program.
fn announce(wish: &AcmeWish, session: &Session) {
    let names = Name::listed(&wish.wish.names);
    let values = [
        ("names", names.as_str()),
        ("server", &wish.directory),
        ("public", &wish.challenge.public_port().to_string()),
        ("port", &wish.port.to_string()),
    ];
    eprintln!("{}", session.say("cert-acme-begins", &values));
}

fn challenge(text: &str) -> Result<Challenge, String> {
    let both = [Challenge::Http01, Challenge::TlsAlpn01];
    let known = both.into_iter().find(|one| one.as_str() == text);
    known.ok_or_else(|| "http-01 | tls-alpn-01".to_owned())
}
