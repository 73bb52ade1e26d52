//! `gateway cert …`: certificates of the gateway that runs.

mod acme;
mod authority;
mod device;
mod page;

use std::{
    fs,
    io::{IsTerminal, Read},
    path::PathBuf,
};

use clap::Subcommand;
use gateway_certificates::{KeyKind, Name, Slot};
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    Failure, Outcome, Session, secret,
    table::{Cell, Table, Tone},
};
use crate::{
    admin_client::AdminError,
    administration::certificates::{
        Changed, File, Import, PortKind, PortReport, RequestMade, SlotReport, Wished,
    },
    certificates::Origin,
    status::CertificateReport,
};

/// In bytes; what is longer the gateway refuses by its length.
const READ_LIMIT: u64 = 2 * 1024 * 1024;

#[derive(Subcommand)]
pub(super) enum Cert {
    Show {
        #[arg(value_name = "DATABASE")]
        database: Option<String>,
    },
    SelfSigned {
        #[command(flatten)]
        place: Place,
        #[arg(long = "name", value_name = "NAME")]
        names: Vec<String>,
        #[arg(long = "key", value_name = "KEY", value_parser = key_kind)]
        keys: Vec<KeyKind>,
    },
    Csr {
        #[command(flatten)]
        place: Place,
        #[arg(long = "name", value_name = "NAME", required = true)]
        names: Vec<String>,
        #[arg(long, value_name = "KEY", value_parser = key_kind, default_value = "p256")]
        key: KeyKind,
    },
    Import {
        #[command(flatten)]
        place: Place,
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        #[arg(long)]
        password: bool,
        #[arg(long)]
        beside: bool,
        #[arg(long = "name", value_name = "NAME")]
        names: Vec<String>,
        #[arg(long)]
        chain_incomplete_ok: bool,
    },
    Page(page::Page),
    Acme(acme::Acme),
    Authority(authority::Authority),
    #[command(subcommand)]
    Device(device::Device),
    Remove {
        #[command(flatten)]
        place: Place,
        #[arg(long, value_name = "ID")]
        request: Option<String>,
    },
}

/// Whose certificate is meant; neither: the server's.
#[derive(clap::Args)]
pub(super) struct Place {
    #[arg(long)]
    server: bool,
    #[arg(long, value_name = "DATABASE", conflicts_with = "server")]
    database: Option<String>,
}

impl Place {
    pub(super) fn slot(&self, session: &Session) -> Result<Slot, Failure> {
        Ok(match &self.database {
            Some(named) => Slot::Database(session.database(named)?.id),
            None => Slot::Server,
        })
    }

    /// As it is typed.
    fn words(&self) -> String {
        match &self.database {
            Some(named) => format!("--database '{named}'"),
            None => "--server".to_owned(),
        }
    }
}

impl Cert {
    pub(super) fn run(self, session: &Session) -> Outcome {
        match self {
            Self::Show { database } => show(database.as_deref(), session),
            Self::SelfSigned {
                place,
                names,
                mut keys,
            } => {
                if keys.is_empty() {
                    keys.push(KeyKind::P256);
                }
                let names = parsed(&names, session)?;
                let path = format!("/certificates/{}/self-signed", place.slot(session)?);
                let changed = session.gateway.post(&path, &Wished { names, keys })?;
                session.show(&changed, |changed| print_changed(changed, session))
            }
            Self::Csr { place, names, key } => {
                let (names, keys) = (parsed(&names, session)?, vec![key]);
                let path = format!("/certificates/{}/requests", place.slot(session)?);
                let made: RequestMade = session.gateway.post(&path, &Wished { names, keys })?;
                session.show(&made, |made| {
                    out!("{}", made.pem.trim_end());
                    // Aside: what is printed goes to the authority.
                    let file = session.say("cert-file", &[]);
                    let command = format!("gateway cert import {file} {}", place.words());
                    let values = [("id", made.id.as_str()), ("command", &command)];
                    eprintln!("{}", session.say("cert-made-request", &values));
                })
            }
            Self::Import {
                place,
                files,
                key,
                password,
                beside,
                names,
                chain_incomplete_ok,
            } => {
                let slot = place.slot(session)?;
                let files = files.iter().map(|file| read(file, session));
                let import = Import {
                    files: files.collect::<Result<Vec<File>, Failure>>()?,
                    key: key.map(|file| read(&file, session)).transpose()?,
                    password: match password {
                        true => Some(secret::once(session, "cert-password")?),
                        false => None,
                    },
                    names: parsed(&names, session)?,
                    beside,
                    chain_incomplete_ok,
                };
                let changed = import_into(&slot, import, session)?;
                session.show(&changed, |changed| print_changed(changed, session))
            }
            Self::Page(page) => page.run(session),
            Self::Acme(order) => acme::run(order, session),
            Self::Authority(authority) => authority.run(session),
            Self::Device(device) => device.run(session),
            Self::Remove { place, request } => remove(&place, request.as_deref(), session),
        }
    }
}

/// A person at a terminal is asked for a password that turns out to be needed.
fn import_into(slot: &Slot, mut import: Import, session: &Session) -> Result<Changed, Failure> {
    let path = format!("/certificates/{slot}/import");
    let sent = session.gateway.post(&path, &import);
    match sent {
        Err(AdminError::Refused { code, .. })
            if code == "cert-password-needed"
                && import.password.is_none()
                && std::io::stdin().is_terminal() =>
        {
            import.password = Some(secret::once(session, "cert-password")?);
            Ok(session.gateway.post(&path, &import)?)
        }
        sent => Ok(sent?),
    }
}

fn remove(place: &Place, request: Option<&str>, session: &Session) -> Outcome {
    let slot = place.slot(session)?;
    if let Some(id) = request {
        let path = utf8_percent_encode(id, NON_ALPHANUMERIC);
        let path = format!("/certificates/{slot}/requests/{path}");
        let report: SlotReport = session.gateway.send(Method::DELETE, &path, None::<&()>)?;
        return session.show(&report, |_| {
            out!("{}", session.say("cert-request-removed", &[("id", id)]));
        });
    }
    let path = format!("/certificates/{slot}");
    let changed: Changed = session.gateway.send(Method::DELETE, &path, None::<&()>)?;
    session.show(&changed, |changed| print_changed(changed, session))
}

fn show(database: Option<&str>, session: &Session) -> Outcome {
    let id = database.map(|named| session.database(named)).transpose()?;
    let mut reports: Vec<SlotReport> = session.gateway.get("/certificates")?;
    if let Some(wanted) = id {
        reports.retain(|one| one.database.as_ref().is_some_and(|of| of.id == wanted.id));
    }
    session.show(&reports, |reports| {
        for (place, report) in reports.iter().enumerate() {
            if place > 0 {
                out!("");
            }
            print(report, session);
        }
    })
}

fn print_changed(changed: &Changed, session: &Session) {
    print(&changed.slot, session);
    for note in &changed.notes {
        out!("! {note}");
    }
}

fn print(report: &SlotReport, session: &Session) {
    let title = match &report.database {
        None => session.say("cert-server", &[]),
        Some(database) => session.say("cert-database", &[("name", &database.name)]),
    };
    out!("{}", Tone::Strong.paint(&title, session.colour));
    let mut table = Table::default();
    for port in &report.ports {
        let name = match port.kind {
            PortKind::Server => "cert-port-server",
            PortKind::Data => "cert-port-data",
            PortKind::Print => "cert-port-print",
        };
        table.field(
            format!("  {}", session.say(name, &[])),
            port_cell(port, session),
        );
    }
    if let Some(fault) = &report.fault {
        // What is listed below it is what was read before and serves on.
        let (name, words) = match report.certificates.is_empty() {
            true => (
                "status-certificate",
                session.say("cert-none", &[("fault", fault)]),
            ),
            false => ("status-certificate-files", format!("✗ {fault}")),
        };
        table.field(
            format!("  {}", session.say(name, &[])),
            Cell::new(words, Tone::Bad),
        );
    }
    if report.default {
        let name = session.say("status-certificate", &[]);
        table.field(format!("  {name}"), session.say("cert-default", &[]));
    } else {
        for certificate in &report.certificates {
            rows(certificate, &mut table, session);
        }
    }
    if let Some(fault) = &report.renewal_fault {
        let name = format!("  {}", session.say("cert-renewal", &[]));
        table.field(name, Cell::new(format!("✗ {fault}"), Tone::Bad));
    }
    for request in &report.requests {
        let (id, names) = (request.id.as_str(), Name::listed(&request.names));
        let cell = match &request.fault {
            None => session
                .say("cert-request-of", &[("id", id), ("names", &names)])
                .into(),
            Some(cause) => {
                let words = session.say("cert-request-damaged", &[("id", id), ("cause", cause)]);
                Cell::new(format!("✗ {words}"), Tone::Bad)
            }
        };
        table.field(format!("  {}", session.say("cert-requests", &[])), cell);
    }
    out!("{}", table.text(session.colour).trim_end());
}

/// Where it listens, and the beginning of what it shows there.
fn port_cell(port: &PortReport, session: &Session) -> Cell {
    let state = session.state_cell(&port.state);
    let shows = match (&port.state.thumbprints[..], port.https) {
        (_, false) => session.say("cert-port-plain", &[]),
        (thumbprints, true) => {
            let short = thumbprints.iter().map(|one| one.chars().take(16).collect());
            format!("SHA-256 {}…", short.collect::<Vec<String>>().join("…, "))
        }
    };
    match port.state.thumbprints.is_empty() && port.https {
        true => state,
        false => state.with(&format!("  {shows}")),
    }
}

/// A certificate's fields, here and in `status`.
pub(super) fn rows(certificate: &CertificateReport, table: &mut Table, session: &Session) {
    let mut row =
        |name: &str, value: Cell| table.field(format!("  {}", session.say(name, &[])), value);
    let origin = match certificate.origin {
        Origin::Test => "cert-origin-test",
        Origin::Files => "cert-origin-files",
        Origin::Imported => "cert-origin-imported",
        Origin::SelfSigned => "cert-origin-self-signed",
        Origin::Authority => "cert-origin-authority",
        Origin::Acme => "cert-origin-acme",
        Origin::Unknown => "cert-origin-unknown",
    };
    let file = certificate.file.display();
    let place = format!("{file} ({})", session.say(origin, &[]));
    row("status-certificate", place.into());
    row("status-holder", certificate.holder.as_str().into());
    row("status-issuer", certificate.issuer.as_str().into());
    row("status-issued", session.moment(&certificate.issued).into());
    let left = certificate.days_left.to_string();
    let left = session.say("status-days-left", &[("days", &left)]);
    let expires = format!("{} ({left})", session.moment(&certificate.expires));
    row("status-expires", expires.into());
    if let Some(alarm) = &certificate.alarm {
        row("status-alarm", Cell::new(format!("✗ {alarm}"), Tone::Bad));
    }
    row("status-names", certificate.names.join(", ").into());
    row("status-key", certificate.key.as_str().into());
    for (name, thumbprint) in [
        ("status-thumbprint", &certificate.thumbprint_sha1),
        ("status-thumbprint-sha256", &certificate.thumbprint_sha256),
    ] {
        row(name, thumbprint.as_str().into());
    }
}

fn read(file: &PathBuf, session: &Session) -> Result<File, Failure> {
    let mut bytes = Vec::new();
    let opened = fs::File::open(file).map(|file| file.take(READ_LIMIT));
    let read = opened.and_then(|mut file| file.read_to_end(&mut bytes));
    read.map_err(|fault| session.unreadable(file, &fault))?;
    Ok(File {
        base64: openssl::base64::encode_block(&bytes),
        name: file.display().to_string(),
    })
}

/// Names as people write them, each once: those in other letters than Latin as DNS has them (IDNA).
pub(super) fn parsed(names: &[String], session: &Session) -> Result<Vec<Name>, Failure> {
    let mut parsed = Vec::new();
    for name in names {
        let unknown = |_unknown| session.misused("cert-not-a-name", &[("name", name)]);
        let name = ascii(name).parse::<Name>().map_err(unknown)?;
        if !parsed.contains(&name) {
            parsed.push(name);
        }
    }
    Ok(parsed)
}

/// Empty where IDNA knows no such name.
fn ascii(name: &str) -> String {
    match name.is_ascii() {
        true => name.to_owned(),
        false => idna::domain_to_ascii(name).unwrap_or_default(),
    }
}

/// As in `plan.json`.
pub(super) fn key_kind(text: &str) -> Result<KeyKind, String> {
    match text {
        "p256" => Ok(KeyKind::P256),
        "rsa2048" => Ok(KeyKind::Rsa2048),
        "rsa3072" => Ok(KeyKind::Rsa3072),
        _ => Err("p256 | rsa2048 | rsa3072".to_owned()),
    }
}
