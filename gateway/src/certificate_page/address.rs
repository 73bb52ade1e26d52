//! Under which name terminals find us, and what they are to scan.
//!
//! A `Host` is anybody's word: it counts only where it is a name of our certificates or of this
//! machine, else the address that the client has connected to stands in its place.

use std::net::IpAddr;

use gateway_certificates::Name;
use http::uri::Authority;

use super::{Database, Port};

/// How the page was reached.
pub(crate) struct Reached<'a> {
    /// `Host` of the request, or what the administrator says.
    pub(crate) asked: Option<&'a str>,
    /// Where the client has connected to; `None`: nobody has.
    pub(crate) local: Option<IpAddr>,
    pub(crate) machine: &'a [Name],
}

impl Reached<'_> {
    /// The name by which the client has reached us, where `certified` are those in the
    /// certificates; `None`: by none of ours.
    pub(super) fn here(&self, certified: &[Name]) -> Option<Name> {
        let ours = |name: &Name| {
            let mut known = certified.iter().chain(self.machine);
            known.any(|one| one.covers(name))
        };
        let asked = self.asked.and_then(host_of).filter(ours);
        asked.or_else(|| self.local.map(|ip| Name::Ip(ip.to_canonical())))
    }

    /// The name that terminals are to use: the same, but one that would lead a terminal to itself
    /// is replaced where there is another.
    pub(super) fn host(&self, certified: &[Name]) -> Name {
        let leads_here = |name: &Name| match name {
            Name::Dns(name) => name == "localhost",
            Name::Ip(ip) => ip.is_loopback(),
        };
        match self.here(certified) {
            Some(here) if !leads_here(&here) => here,
            here => {
                let outside = self.machine.iter().filter(|name| !leads_here(name));
                let outside = outside.min_by_key(|name| {
                    let certified = certified.iter().any(|one| one.covers(name));
                    let family = match name {
                        Name::Ip(IpAddr::V4(_)) => 0,
                        Name::Dns(_) => 1,
                        Name::Ip(IpAddr::V6(_)) => 2,
                    };
                    (!certified, family)
                });
                let found = outside.cloned().or(here);
                let found = found.or_else(|| self.machine.first().cloned());
                found.unwrap_or_else(|| Name::Dns("localhost".to_owned()))
            }
        }
    }
}

/// The host of a `Host` header, without its port; no name with a `*` in it.
fn host_of(header: &str) -> Option<Name> {
    let authority: Authority = header.parse().ok()?;
    if header.contains(['@', '*']) {
        return None;
    }
    authority.host().parse().ok()
}

/// The connection string of a database as terminals scan it:
/// `http(s)://host:port/{database id}` over the server port; where that does not serve the
/// database, its own port, which needs no id. `None`: neither is open.
pub(super) fn connection(
    database: &Database,
    server: Option<&Port>,
    host: &Name,
) -> Option<String> {
    // A plain server port answers 403 for an https database.
    let server = server.filter(|server| server.https || !database.https);
    match (server, &database.port) {
        (Some(server), _) => Some(format!("{}/{}", origin(server, host), database.id)),
        (None, Some(port)) => Some(origin(port, host)),
        (None, None) => None,
    }
}

/// The https origins that a browser tries: one for every certificate.
pub(super) fn tested(ports: &[&Port], host: &Name) -> Vec<String> {
    let mut thumbprints = Vec::new();
    let mut origins = Vec::new();
    for port in ports.iter().filter(|port| port.https) {
        if !thumbprints.contains(&&port.thumbprint) {
            thumbprints.push(&port.thumbprint);
            origins.push(origin(port, host));
        }
    }
    origins
}

fn origin(port: &Port, host: &Name) -> String {
    let scheme = if port.https { "https" } else { "http" };
    match host {
        Name::Ip(IpAddr::V6(ip)) => format!("{scheme}://[{ip}]:{}", port.number),
        host => format!("{scheme}://{host}:{}", port.number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(texts: &[&str]) -> Vec<Name> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[track_caller]
    fn check(asked: &str, local: &str, expected: &str) {
        let machine = names(&["localhost", "shop", "192.0.2.7", "2001:db8::7"]);
        let certified = names(&["*.example.ru", "192.0.2.7", "203.0.113.9", "localhost"]);
        let reached = Reached {
            asked: Some(asked),
            local: Some(local.parse().unwrap()),
            machine: &machine,
        };
        assert_eq!(reached.host(&certified).to_string(), expected, "{asked}");
    }

    #[test]
    fn a_name_of_ours_is_taken_as_the_client_says_it() {
        check("gate.example.ru", "192.0.2.7", "gate.example.ru");
        check("GATE.example.ru.:10502", "192.0.2.7", "gate.example.ru");
        check("shop:10502", "192.0.2.7", "shop");
        check("203.0.113.9:10502", "192.0.2.7", "203.0.113.9");
        check("[2001:db8::7]:10502", "192.0.2.7", "2001:db8::7");
    }

    #[test]
    fn a_name_that_is_not_ours_is_the_address_connected_to() {
        for stranger in [
            "evil.example",
            "*.example.ru",
            "a.b.example.ru",
            "evil@gate.example.ru",
            "\"><script>",
            "gate.example.ru/x",
            "",
            "203.0.113.10",
        ] {
            check(stranger, "192.0.2.7", "192.0.2.7");
        }
    }

    #[test]
    fn a_terminal_is_not_sent_to_itself() {
        check("localhost:10502", "127.0.0.1", "192.0.2.7");
        check("127.0.0.1:10502", "127.0.0.1", "192.0.2.7");
        let machine = names(&["localhost", "192.0.2.7"]);
        let browser = Reached {
            asked: Some("localhost:10502"),
            local: None,
            machine: &machine,
        };
        let here = browser.here(&[]).unwrap().to_string();
        assert_eq!(here, "localhost", "the test goes where the page came from");
        let alone = Reached {
            asked: Some("127.0.0.1"),
            local: Some(IpAddr::from([127, 0, 0, 1])),
            machine: &names(&["localhost", "127.0.0.1"]),
        };
        assert_eq!(alone.host(&[]).to_string(), "127.0.0.1", "nothing else");
    }
}
