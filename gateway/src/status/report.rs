//! The shapes of `gateway status --json`. The comments of their fields are the administrator's: they
//! stand in `REFERENCE.md`.

use std::{net::SocketAddr, path::PathBuf};

use backend_types::{ClientCertificates, DatabaseId, Mode, PrintAuthentication, TlsProfile};
use gateway_certificates::{Plan, validity};
use gateway_policy::{Moment, agreed::Handshakes};
use serde::{Deserialize, Serialize};

use crate::{
    account::Used,
    certificates::{self, InUse, Origin},
    lists::ListState,
    messages::{self, Language},
    renewal::Renewing,
    warnings::Warning,
    watchdog::{self, Watched},
    why,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ServerPort {
    /// Port number; outside of `in_force` as saved.
    pub(crate) port: u16,
    /// Whether it speaks https; outside of `in_force` as saved.
    pub(crate) https: bool,
}

impl From<&gateway_config::ServerPort> for ServerPort {
    fn from(written: &gateway_config::ServerPort) -> Self {
        let gateway_config::ServerPort { port, https, .. } = *written;
        Self { port, https }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct BackendState {
    /// Revision of its directory: grows with every change.
    pub(crate) revision: u64,
    /// Why it does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fault: Option<String>,
}

/// The whole answer.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Report {
    /// Version of the gateway.
    pub(crate) version: String,
    /// Version of OpenSSL in it.
    pub(crate) openssl: String,
    /// Process id.
    pub(crate) pid: u32,
    /// Its file.
    pub(crate) config: ConfigReport,
    /// Our backend, where one is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) backend: Option<BackendState>,
    /// The server port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server: Option<ServerReport>,
    /// Certificates that renew by themselves.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) renewals: Vec<RenewalReport>,
    /// Certificates of which it cannot be read how, or since when in vain, they are renewed.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) renewal_faults: Vec<RenewalFaultReport>,
    /// The page by which a terminal gets to trust the server, where it is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) certificate_page: Option<PageReport>,
    /// Connections now, of all ports.
    pub(crate) connections: usize,
    /// Every database.
    pub(crate) databases: Vec<DatabaseReport>,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ConfigReport {
    /// Where it lies.
    pub(crate) file: PathBuf,
    /// Faults of the newest file; while there are any, the file before is in force.
    pub(crate) faults: Vec<String>,
    /// What works as written and should be known all the same.
    pub(crate) warnings: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ServerReport {
    /// Takes effect when the server starts.
    #[serde(flatten)]
    pub(crate) saved: ServerPort,
    /// As at its last start, while it is not stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) in_force: Option<ServerPort>,
    /// Which clients its TLS is for, as with a database; in force as soon as it is saved.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "String"))]
    pub(crate) tls: TlsProfile,
    #[serde(flatten)]
    pub(crate) state: ServiceState,
    /// The certificate of the server port, where it speaks https and it is usable.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) certificates: Vec<CertificateReport>,
    /// Why the newest files of the certificate are not served, in the asker's language; the last
    /// good one is, where it is shown above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) certificate_fault: Option<String>,
    /// TLS of the server port since the process started.
    #[serde(default)]
    pub(crate) tls_spoken: SpokenReport,
}

/// Since the process started.
#[derive(Debug, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct SpokenReport {
    /// What complete handshakes agreed on, the most frequent first.
    pub(crate) agreed: Vec<AgreedReport>,
    /// Who has needed profile `old` in the last 30 days, for TLS 1.0 or 1.1 or for its ciphers; the
    /// last one first, 64 at most.
    pub(crate) old_clients: Vec<OldClientReport>,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct AgreedReport {
    /// Version of TLS.
    pub(crate) version: String,
    /// Group of the key exchange; `none` where RSA did it.
    pub(crate) group: String,
    /// Cipher suite, as OpenSSL calls it.
    pub(crate) cipher: String,
    /// How many handshakes.
    pub(crate) count: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct OldClientReport {
    /// Its address, or its /64.
    pub(crate) address: String,
    /// Version of TLS that it spoke last.
    pub(crate) version: String,
    /// Cipher suite that it spoke last, as OpenSSL calls it.
    #[serde(default)]
    pub(crate) cipher: String,
    /// When that was, UTC.
    pub(crate) last_seen: String,
}

impl SpokenReport {
    pub(super) fn of(handshakes: &Handshakes, now: Moment) -> Self {
        let agreed = handshakes.counts().into_iter();
        let agreed = agreed.map(|(agreed, count)| AgreedReport {
            version: agreed.version.to_string(),
            group: agreed.group.to_owned(),
            cipher: agreed.cipher.to_owned(),
            count,
        });
        let old = handshakes.old_clients(now).into_iter();
        let old = old.map(|(client, old)| OldClientReport {
            address: client.to_string(),
            version: old.version.to_string(),
            cipher: old.cipher.to_owned(),
            last_seen: why::utc(old.last_seen),
        });
        Self {
            agreed: agreed.collect(),
            old_clients: old.collect(),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct PageReport {
    /// Its port as wished; 0 lets the system choose.
    pub(crate) port: u16,
    #[serde(flatten)]
    pub(crate) state: ServiceState,
}

/// Whether a port serves, and if not, why.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ServiceState {
    /// Where it listens.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(crate) address: Option<SocketAddr>,
    /// Whether it serves.
    pub(crate) state: State,
    /// Why it does not serve, in the asker's language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// SHA-256 thumbprints of the certificates that this port shows.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) thumbprints: Vec<String>,
    /// What it really serves, where it speaks https; absent until it was dialled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) watched: Option<Watched>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Open,
    Closed,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct DatabaseReport {
    /// Its code.
    #[cfg_attr(test, schemars(with = "String"))]
    pub(crate) id: DatabaseId,
    /// Its name for people.
    pub(crate) name: String,
    /// Its folder with the address lists.
    pub(crate) folder: PathBuf,
    /// A note for people.
    pub(crate) comment: String,
    /// Where it stands: file and line, or the backend.
    pub(crate) source: String,
    /// Mode of work: `server`, `folder`, `device`; only `server` opens ports.
    #[cfg_attr(test, schemars(with = "String"))]
    pub(crate) mode: Mode,
    /// What works as wished and should be known all the same.
    pub(crate) warnings: Vec<Warning>,
    /// Whether its ports speak https.
    pub(crate) https: bool,
    /// Which clients its ports' TLS is for: `modern`, `intermediate`, `old`, `old-for-everyone`.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "String"))]
    pub(crate) tls: TlsProfile,
    /// Whether a client has to show a certificate: `off`, `optional`, `required`.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "String"))]
    pub(crate) client_certificates: ClientCertificates,
    /// TLS of its ports since the process started.
    #[serde(default)]
    pub(crate) tls_spoken: SpokenReport,
    /// Who judges a login: `gateway`, `upstream`, `none`.
    pub(crate) authentication: String,
    /// Whether a barcode, or a password without a name, is a login.
    pub(crate) barcode_login: bool,
    /// Data server port as wished; 0 lets the system choose.
    pub(crate) port: u16,
    #[serde(flatten)]
    pub(crate) data: ServiceState,
    /// Its print server port, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) print: Option<PrintReport>,
    /// The service account.
    pub(crate) account: AccountReport,
    /// Whether goods, tables and reference lists are compressed.
    pub(crate) compress: bool,
    /// Whether copies of documents are made: our backend does, an existing server is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) backups: Option<bool>,
    /// Where the copies lie. Absent where the backend runs on another host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) backup_folder: Option<PathBuf>,
    /// How many users it has.
    pub(crate) users: usize,
    /// Connections now, of its own ports.
    pub(crate) connections: usize,
    /// Whitelist and blacklist.
    pub(crate) lists: Vec<ListState>,
    /// The certificate of its ports, where they speak https and it is usable; two where an ECDSA
    /// and an RSA one stand side by side, the ECDSA one first.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) certificates: Vec<CertificateReport>,
    /// Why the newest files of the certificate are not served, in the asker's language; the last
    /// good one is, where it is shown above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) certificate_fault: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct PrintReport {
    /// Print server port as wished; 0 lets the system choose.
    pub(crate) port: u16,
    /// The print service; without one the port answers 503.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) upstream: Option<String>,
    /// `same` as the database, or `pass`: nobody is asked.
    #[cfg_attr(test, schemars(with = "String"))]
    pub(crate) authentication: PrintAuthentication,
    #[serde(flatten)]
    pub(crate) state: ServiceState,
}

/// «Учётная запись»; the password is nowhere.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct AccountReport {
    /// Whose account it is: no one's, the shared one, the database's own.
    pub(crate) used: Used,
    /// Its login name; its password is nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// Whether it goes upstream: not with our backend, which needs none.
    pub(crate) sent: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct CertificateReport {
    /// Where it lies.
    pub(crate) file: PathBuf,
    /// How it came to be served: `test`, `files` of the configuration, `imported`, `self-signed`;
    /// `authority` and `acme`, which renew by themselves; `unknown`, where `plan.json` cannot be
    /// read.
    #[cfg_attr(test, schemars(with = "String"))]
    pub(crate) origin: Origin,
    /// Whose it is: its common name.
    pub(crate) holder: String,
    /// Who has signed it; the holder, where nobody else has.
    pub(crate) issuer: String,
    /// Valid from, UTC.
    pub(crate) issued: String,
    /// Valid until, UTC.
    pub(crate) expires: String,
    /// Whole days until then.
    pub(crate) days_left: i64,
    /// That it ends soon or has ended, and what to do, in the asker's language.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) alarm: Option<String>,
    /// DNS names and IP addresses for which it is good.
    pub(crate) names: Vec<String>,
    /// Kind and size of its key.
    pub(crate) key: String,
    /// SHA-1 thumbprint.
    pub(crate) thumbprint_sha1: String,
    /// SHA-256 thumbprint.
    pub(crate) thumbprint_sha256: String,
}

/// A certificate of the data folder that renews by itself.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RenewalReport {
    /// `server`: of the server port and the default; `database-CODE`: of this database.
    pub(crate) certificate: String,
    /// Who issues it: `authority`, our own; `acme`.
    pub(crate) by: String,
    /// When it is renewed, UTC; after a failure, when that is tried again.
    pub(crate) next: String,
    /// What the administrator has to do for that, in the asker's language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) needs: Option<String>,
    /// Failed attempts in a row.
    pub(crate) failures: u32,
    /// Why the last one failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_failure: Option<String>,
    /// When it failed, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_failure_at: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RenewalFaultReport {
    /// `server`: of the server port and the default; `database-CODE`: of this database.
    pub(crate) certificate: String,
    /// What is wrong and what to do, in the asker's language.
    pub(crate) fault: String,
}

impl RenewalFaultReport {
    pub(crate) fn words(&self, language: Language) -> String {
        let of = whose(&self.certificate, language);
        let values = [("of", of.as_str()), ("fault", &self.fault)];
        messages::text(language, "status-renewal-fault", &values)
    }
}

/// A slot as people call it, behind the word certificate.
pub(crate) fn whose(slot: &str, language: Language) -> String {
    match slot.strip_prefix("database-") {
        Some(id) => messages::text(language, "status-renewal-database", &[("id", id)]),
        None => messages::text(language, "status-renewal-server", &[]),
    }
}

impl RenewalReport {
    pub(super) fn of(renewing: &Renewing, language: Language) -> Self {
        let last = renewing.attempts.last.as_ref();
        let needs_key = || messages::text(language, "renewal-needs-key", &[]);
        Self {
            certificate: renewing.slot.to_string(),
            by: match renewing.plan {
                Plan::Acme(_) => "acme",
                _ => "authority",
            }
            .to_owned(),
            next: certificates::day(renewing.next),
            needs: renewing.needs_key.then(needs_key),
            failures: renewing.attempts.failures,
            last_failure: last.map(|failure| failure.words.clone()),
            last_failure_at: last.map(|failure| certificates::day(failure.at)),
        }
    }
}

impl CertificateReport {
    /// One for each pair.
    pub(crate) fn of(in_use: &InUse, language: Language) -> Vec<Self> {
        let pairs = in_use.certificate.pairs().iter();
        let report = pairs.map(|pair| {
            let validity = pair.validity();
            Self {
                file: in_use.file.clone(),
                origin: in_use.origin,
                holder: pair.holder(),
                issuer: pair.issuer(),
                issued: certificates::day(validity.from),
                expires: certificates::day(validity.until),
                days_left: validity.days_left(validity::now()),
                alarm: watchdog::alarm_words(in_use, validity, language),
                names: pair.names().iter().map(ToString::to_string).collect(),
                key: pair.key_words(),
                thumbprint_sha1: pair.thumbprint_sha1(),
                thumbprint_sha256: pair.thumbprint_sha256().to_owned(),
            }
        });
        report.collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A newer program is asked about the gateway that still runs while it is upgraded.
    #[test]
    fn the_status_of_a_gateway_from_before_tls_profiles_is_read() {
        let port = json!({"port": 10501, "https": true, "state": "closed", "reason": "busy"});
        let database = json!({"id": "shop", "name": "Магазин 15", "folder": "databases/shop",
            "comment": "", "source": "backend", "mode": "server", "warnings": [], "https": true,
            "authentication": "gateway", "barcode_login": false, "port": 9706, "state": "open",
            "address": "[::]:9706", "account": {"used": "none", "sent": false}, "compress": false,
            "users": 1, "connections": 0, "lists": []});
        let status = json!({"version": "0.1.0", "openssl": "OpenSSL", "pid": 1, "server": port,
            "config": {"file": "gateway.yaml", "faults": [], "warnings": []},
            "connections": 0, "databases": [database]});
        let report: Report = serde_json::from_value(status).unwrap();
        let (server, shop) = (report.server.unwrap(), &report.databases[0]);
        assert_eq!(server.tls, TlsProfile::Intermediate);
        assert_eq!(shop.client_certificates, ClientCertificates::Off);
        assert!(server.tls_spoken.agreed.is_empty() && shop.certificates.is_empty());
    }
}
