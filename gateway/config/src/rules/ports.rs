//! Ports over the whole file: those of databases, their print servers, the server port, the
//! certificate page, metrics.

use std::net::{IpAddr, SocketAddr};

use backend_types::DatabaseId;
use gateway_policy::ports::{Claim, Holder, Listeners};

use super::View;
use crate::{Cause, Metrics, ServerPort, config, finding::Findings};

/// A port that a key, or its default, asks for.
struct Wanted<'tree> {
    claim: Claim,
    /// The key, with the database's name where there is one.
    key: String,
    /// None where the file does not name the key.
    at: Option<View<'tree>>,
}

pub(super) fn check(root: &View<'_>, findings: &mut Findings) {
    let wanted = wanted(root);
    let claims = wanted.iter().map(|one| one.claim.clone());
    for clash in Listeners::judge(claims).err().into_iter().flatten() {
        let of = |holder| wanted.iter().find(|one| one.claim.holder == holder);
        let (Some(first), Some(second)) = (of(clash.first), of(clash.second)) else {
            continue;
        };
        let port = clash.port.to_string();
        match (&first.at, &second.at) {
            (Some(first_at), Some(second_at)) => {
                let (holder, line) = (first.key.clone(), first_at.line());
                second_at.add(Cause::PortTaken { port, holder, line }, findings);
            }
            (Some(at), None) | (None, Some(at)) => {
                let by_default = if first.at.is_none() { first } else { second };
                let key = by_default.key.clone();
                at.add(Cause::PortTakenByDefault { port, key }, findings);
            }
            // Two defaults do not meet.
            (None, None) => {}
        }
    }
}

fn wanted<'tree>(root: &View<'tree>) -> Vec<Wanted<'tree>> {
    let listen: Option<IpAddr> = match root.get("listen") {
        Some(view) => view.parse(),
        None => Some(config::default_listen()),
    };
    let public = |port: Option<u16>| Some(SocketAddr::new(listen?, port?));
    let mut wanted = Vec::new();
    let mut want = |holder, address: Option<SocketAddr>, key: String, at| {
        if let Some(address) = address {
            let claim = Claim { holder, address };
            wanted.push(Wanted { claim, key, at });
        }
    };

    let metrics = root.get("metrics");
    let address = match &metrics {
        Some(view) => view.parse(),
        None => Metrics::default().address(),
    };
    want(Holder::Metrics, address, "metrics".to_owned(), metrics);

    let server = root.at(&["server", "port"]);
    let port = match &server {
        Some(view) => view.parse(),
        None => Some(ServerPort::default().port),
    };
    want(
        Holder::Server,
        public(port),
        "server.port".to_owned(),
        server,
    );

    if let Some(page) = root.at(&["certificate_page", "port"]) {
        let key = "certificate_page.port".to_owned();
        want(
            Holder::CertificatePage,
            public(page.parse()),
            key,
            Some(page),
        );
    }

    for (place, database) in root.items("databases").iter().enumerate() {
        // Two databases may wrongly bear one id, so the holders here are told apart by place.
        let Ok(id) = place.to_string().parse::<DatabaseId>() else {
            continue;
        };
        let name = database.text_of("name").unwrap_or_default();
        let ports = [
            (Holder::Data(id.clone()), database.get("port")),
            (Holder::Print(id), database.at(&["print", "port"])),
        ];
        for (holder, at) in ports {
            if let Some(view) = at {
                let key = format!("{} ({name})", view.path);
                want(holder, public(view.parse()), key, Some(view));
            }
        }
    }
    wanted
}
