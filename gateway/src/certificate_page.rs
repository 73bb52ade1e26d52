//! The page by which a terminal gets to trust the server, on a plain-HTTP port of its own: before
//! there is trust, there is no https to serve it over.
//!
//! Nothing is forwarded from this port and nobody logs in at it: it knows a fixed set of paths, to
//! be read. Lists, caps and deadlines are those of every port; a database stands on the page only
//! for a client whom its own lists admit, and the self-test tells an address about itself alone.
//! The same page as one file is made here too, for `gateway cert page`.

mod address;
mod anchor;
mod html;
mod qr;
mod self_test;

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use backend_types::DatabaseId;
use gateway_certificates::Name;
use gateway_policy::{ClientAddr, Moment, admit::Verdict, head::Head, refusal::Refusal};
use openssl::{hash::MessageDigest, x509::X509};
use serde::{Deserialize, Serialize};

pub(crate) use self::{address::Reached, html::fingerprint_lines};
use self::{
    anchor::{Anchor, Format, Trust},
    html::{Medium, View},
};
use crate::{
    answer::Answer, certificates::Served, connections::Scope, messages::Language, shared::Shared,
};

/// Begins the name of every file that the page hands out.
const FILE: &str = "smarts-gateway";

/// What there is to tell, as of the last change of ports or certificates, and looked at anew every
/// minute: a page is made of it without asking anybody.
#[derive(Default)]
pub(crate) struct Notice {
    /// Names of the machine by which our ports are reached.
    pub(crate) machine: Vec<Name>,
    /// Absent while the server is stopped.
    pub(crate) server: Option<Port>,
    pub(crate) databases: Vec<Database>,
}

/// An open port.
#[derive(Clone)]
pub(crate) struct Port {
    number: u16,
    https: bool,
    trust: Trust,
    /// Those in its certificate.
    names: Vec<Name>,
    /// Of what it shows; `None`: nothing.
    thumbprint: Option<String>,
}

/// What was found out of certificates in force, by thumbprint. Signatures are not verified again
/// at every change, for every port.
#[derive(Default)]
pub(crate) struct Known {
    /// SHA-256 of the root of our own authority.
    root: Option<Vec<u8>>,
    ports: HashMap<String, Port>,
}

pub(crate) struct Database {
    pub(crate) id: DatabaseId,
    pub(crate) name: String,
    pub(crate) https: bool,
    /// Absent while its data server port is closed.
    pub(crate) port: Option<Port>,
}

impl Known {
    /// Of other ports than those that `port` is asked for from now on, nothing is kept.
    pub(crate) fn under(root: Option<&X509>) -> Self {
        let digest = root.and_then(|root| root.digest(MessageDigest::sha256()).ok());
        Self {
            root: digest.map(|digest| digest.to_vec()),
            ports: HashMap::new(),
        }
    }

    /// As [`Port::new`], with what `before` knew under the same root.
    pub(crate) fn port(
        &mut self,
        before: &Self,
        number: u16,
        https: bool,
        served: &Served,
        root: Option<&X509>,
    ) -> Port {
        let new = || Port::new(number, https, served, root);
        let in_force = served.as_ref().ok().and_then(|one| one.in_force().ok());
        let Some(in_use) = in_force.filter(|_| https) else {
            return new();
        };
        let thumbprint = in_use.certificate.thumbprint();
        let before = Some(before).filter(|before| before.root == self.root);
        let known = self.ports.get(&thumbprint);
        let known = known.or_else(|| before?.ports.get(&thumbprint)).cloned();
        let port = known.map_or_else(new, |port| Port { number, ..port });
        self.ports.insert(thumbprint, port.clone());
        port
    }
}

impl Port {
    /// `root` is that of our own authority, where there is one.
    pub(crate) fn new(number: u16, https: bool, served: &Served, root: Option<&X509>) -> Self {
        let in_use = served.as_ref().ok().filter(|_| https);
        let pairs = in_use.map(|in_use| in_use.certificate.pairs());
        let pairs = pairs.into_iter().flatten();
        Self {
            number,
            https,
            trust: match https {
                true => Trust::of(served, root),
                false => Trust::Nothing,
            },
            names: pairs.flat_map(|pair| pair.names()).collect(),
            thumbprint: in_use.map(|in_use| in_use.certificate.thumbprint()),
        }
    }
}

/// What of a request the page is made from.
pub(crate) struct Asked<'a> {
    pub(crate) head: &'a Head<'a>,
    pub(crate) client: ClientAddr,
    /// The address of ours that the client has connected to.
    pub(crate) local: Option<IpAddr>,
    pub(crate) language: Language,
}

/// The answer of the page's port; `None`: the client is refused by every database.
pub(crate) fn answer(shared: &Shared, asked: &Asked<'_>) -> Option<Result<Answer, Refusal>> {
    if shared.admit(asked.client, &Scope::AnyDatabase).is_blocked() {
        return None;
    }
    Some(admitted(shared, asked))
}

fn admitted(shared: &Shared, asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let head = asked.head;
    if !matches!(head.method(), "GET" | "HEAD") {
        return Err(Refusal::MethodNotAllowed);
    }
    let language = parameter(head.query(), "lang")
        .and_then(|tag| Language::ALL.into_iter().find(|one| one.as_str() == tag))
        .unwrap_or(asked.language);
    let since = parameter(head.query(), "since").and_then(|since| since.parse().ok());
    let since = since.map_or_else(|| shared.now(), Moment);
    let notice = shared.notice.load_full();
    let admitted = |database: &&Database| {
        let scope = Scope::Database(database.id.clone());
        shared.admit(asked.client, &scope) != Verdict::Blocked
    };
    let shown = Shown::of(&notice, admitted);
    let path = head.path();
    if path == "/" {
        let reached = Reached {
            asked: Some(head.host()),
            local: asked.local,
            machine: &notice.machine,
        };
        let medium = Medium::Port {
            since: shared.now(),
        };
        return Ok(html::page(&shown.view(&reached, medium, language)).into_answer());
    }
    if path == "/self-test" {
        let failures = self_test::failures(shared, asked.client, since);
        return Ok(html::self_test(&failures, since, language).into_answer());
    }
    if path == "/self-test.json" {
        let failures = self_test::failures(shared, asked.client, since);
        return Ok(self_test::json(&failures, language));
    }
    let (anchor, format) = shown.file(path).ok_or(Refusal::NotFound)?;
    let bytes = anchor.file(format).ok_or(Refusal::Internal)?;
    Ok(Answer {
        status: 200,
        headers: vec![
            ("cache-control", "no-store".to_owned()),
            ("x-content-type-options", "nosniff".to_owned()),
        ],
        content_type: format.media_type(),
        body: bytes.into(),
        close: false,
    })
}

/// By which a person compares what a terminal was given.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Fingerprint {
    pub(crate) holder: String,
    pub(crate) sha256: String,
    pub(crate) sha1: String,
}

/// The whole page as one file, with `only` this database or every one in it.
pub(crate) fn as_file(
    notice: &Notice,
    only: Option<&DatabaseId>,
    host: Option<Name>,
    language: Language,
) -> (String, Vec<Fingerprint>) {
    let shown = Shown::of(notice, |one| only.is_none_or(|only| one.id == *only));
    let asked = host.as_ref().map(Name::to_string);
    let machine = match &host {
        Some(host) => vec![host.clone()],
        None => notice.machine.clone(),
    };
    let reached = Reached {
        asked: asked.as_deref(),
        local: None,
        machine: &machine,
    };
    let html = html::page(&shown.view(&reached, Medium::File, language)).into_file();
    let fingerprints = shown.anchors.iter().map(|anchor| Fingerprint {
        holder: anchor.holder.clone(),
        sha256: anchor.sha256.clone(),
        sha1: anchor.sha1.clone(),
    });
    (html, fingerprints.collect())
}

/// The part of the notice that one client sees.
struct Shown<'a> {
    notice: &'a Notice,
    databases: Vec<&'a Database>,
    /// What the ports show, each certificate once.
    trusts: Vec<&'a Trust>,
    /// What is to be installed, each once.
    anchors: Vec<Arc<Anchor>>,
}

impl<'a> Shown<'a> {
    fn of(notice: &'a Notice, admitted: impl Fn(&&Database) -> bool) -> Self {
        let databases = notice.databases.iter();
        let databases: Vec<&Database> = databases.filter(admitted).collect();
        let ports = databases.iter().filter_map(|one| one.port.as_ref());
        let ports = notice.server.iter().chain(ports);
        let mut trusts: Vec<&Trust> = Vec::new();
        for Port { trust, .. } in ports.filter(|port| port.https) {
            if !trusts.contains(&trust) {
                trusts.push(trust);
            }
        }
        let mut anchors: Vec<Arc<Anchor>> = Vec::new();
        for anchor in trusts.iter().filter_map(|trust| trust.anchor()) {
            if !anchors.contains(anchor) {
                anchors.push(Arc::clone(anchor));
            }
        }
        Self {
            notice,
            databases,
            trusts,
            anchors,
        }
    }

    fn file(&self, path: &str) -> Option<(&Anchor, Format)> {
        let (name, extension) = path.strip_prefix('/')?.rsplit_once('.')?;
        let mut anchors = self.anchors.iter().enumerate();
        let (_, anchor) = anchors.find(|(number, _)| file_name(*number) == name)?;
        Some((anchor, Format::of(extension)?))
    }

    fn view(&self, reached: &Reached<'_>, medium: Medium, language: Language) -> View<'_> {
        let ports = self.databases.iter().filter_map(|one| one.port.as_ref());
        let ports: Vec<&Port> = self.notice.server.iter().chain(ports).collect();
        let names: Vec<Name> = ports
            .iter()
            .flat_map(|port| port.names.iter().cloned())
            .collect();
        let host = reached.host(&names);
        let is_named = names.iter().any(|name| name.covers(&host));
        let connections = self.databases.iter().map(|database| {
            let server = self.notice.server.as_ref();
            let connection = address::connection(database, server, &host);
            (*database, connection)
        });
        View {
            trusts: &self.trusts,
            anchors: &self.anchors,
            connections: connections.collect(),
            tested: address::tested(
                &ports,
                &reached.here(&names).unwrap_or_else(|| host.clone()),
            ),
            is_named,
            host,
            medium,
            language,
        }
    }
}

/// `smarts-gateway.cer` is the first file, `smarts-gateway-2.cer` the second.
fn file_name(number: usize) -> String {
    match number {
        0 => FILE.to_owned(),
        _ => format!("{FILE}-{}", number + 1),
    }
}

fn parameter<'a>(query: Option<&'a str>, name: &str) -> Option<&'a str> {
    let mut pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find_map(|(key, value)| (key == name).then_some(value))
}

#[cfg(test)]
mod tests;
