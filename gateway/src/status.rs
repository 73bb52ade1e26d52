//! What `gateway status` and the metrics page show: every database with its address, its state
//! and the reason, as it is now.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use backend_types::{ClientCertificates, DatabaseId, Mode, PrintAuthentication, TlsProfile};
use gateway_certificates::{Plan, validity};
use gateway_policy::{Moment, agreed::Handshakes, ports::Holder};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::{
    account::Used,
    backend_client::BackendAddress,
    certificates::{self, Choice, InUse, Origin},
    directory::{Authentication, Database, Upstream},
    listeners::Listeners,
    lists::ListState,
    messages::{self, Language},
    renewal::Renewing,
    shared::Shared,
    warnings::{self, Warning},
    watchdog::{self, Watched},
    why,
};

/// Everything that can be asked about the running gateway.
pub(crate) struct Status {
    pub(crate) shared: Arc<Shared>,
    pub(crate) listeners: Arc<Listeners>,
    pub(crate) told: Mutex<Told>,
}

/// What was said outside of requests: by the configuration, by the backend.
#[derive(Clone, Default)]
pub(crate) struct Told {
    pub(crate) config_file: PathBuf,
    /// Of the newest file, when it is not in force for them.
    pub(crate) config_faults: Vec<String>,
    pub(crate) config_warnings: Vec<String>,
    /// As saved.
    pub(crate) server: Option<ServerPort>,
    /// In force as soon as it is saved.
    pub(crate) server_tls: TlsProfile,
    /// As at its last start; `None`: it is stopped.
    pub(crate) server_in_force: Option<ServerPort>,
    /// Of the server port, also while that speaks http.
    pub(crate) server_certificate: Option<Choice>,
    /// Port of the certificate page as wished.
    pub(crate) certificate_page: Option<u16>,
    /// `None` where no backend is configured.
    pub(crate) backend: Option<BackendState>,
    pub(crate) renewals: Vec<Renewing>,
}

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

/// The whole answer of `gateway status --json`. The comments of its fields and of those below are
/// the administrator's: they stand in `REFERENCE.md`.
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
    /// Who has spoken TLS 1.0 or 1.1 in the last 30 days, the last one first; 64 at most.
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
    /// When that was, UTC.
    pub(crate) last_seen: String,
}

impl SpokenReport {
    fn of(handshakes: &Handshakes, now: Moment) -> Self {
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
    fn of(renewing: &Renewing, language: Language) -> Self {
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

impl Status {
    pub(crate) fn tell(&self, change: impl FnOnce(&mut Told)) {
        change(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// With the reasons in `language`.
    pub(crate) fn report(&self, language: Language) -> Report {
        let told = self
            .told
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let directory = self.shared.directory.load_full();
        Report {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            openssl: openssl::version::version().to_owned(),
            pid: std::process::id(),
            config: ConfigReport {
                file: told.config_file,
                faults: told.config_faults,
                warnings: told.config_warnings,
            },
            backend: told.backend,
            server: self.server(language),
            renewals: told
                .renewals
                .iter()
                .map(|one| RenewalReport::of(one, language))
                .collect(),
            // Of the disk, which is not asked here.
            renewal_faults: Vec::new(),
            certificate_page: told.certificate_page.map(|port| PageReport {
                port,
                state: self.service(&Holder::CertificatePage, None, language),
            }),
            connections: self.shared.connections.count(),
            databases: directory
                .databases()
                .iter()
                .map(|one| self.database(one, language))
                .collect(),
        }
    }

    pub(crate) fn server(&self, language: Language) -> Option<ServerReport> {
        let (saved, in_force, tls, choice) = {
            let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            let choice = told.server_certificate.clone();
            (told.server?, told.server_in_force, told.server_tls, choice)
        };
        let stopped = in_force.is_none().then_some("server-stopped");
        let choice = choice.filter(|_| saved.https);
        let in_use = choice.as_ref().and_then(|choice| choice.served().ok());
        let fault = choice.as_ref().and_then(Choice::fault);
        Some(ServerReport {
            saved,
            in_force,
            tls,
            state: self.service(&Holder::Server, stopped, language),
            certificates: in_use
                .map(|in_use| CertificateReport::of(&in_use, language))
                .unwrap_or_default(),
            certificate_fault: fault.map(|fault| fault.words(language)),
            tls_spoken: SpokenReport::of(&self.shared.handshakes().server, self.shared.now()),
        })
    }

    /// Why the backend's newest directory is not in force.
    pub(crate) fn backend_fault(&self) -> Option<String> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.backend.as_ref()?.fault.clone()
    }

    fn database(&self, database: &Database, language: Language) -> DatabaseReport {
        let https = database.https.then_some(&database.certificate);
        let in_use = https.and_then(|choice| choice.served().ok());
        let certificates = in_use.map(|in_use| CertificateReport::of(&in_use, language));
        let fault = https.and_then(Choice::fault);
        DatabaseReport {
            id: database.id.clone(),
            name: database.name.clone(),
            folder: database.folder.clone(),
            comment: database.comment.clone(),
            source: database.source.to_string(),
            mode: database.mode,
            warnings: warnings::of(database, &self.shared.trust.load(), language),
            https: database.https,
            tls: database.tls,
            client_certificates: database.client_certificates,
            tls_spoken: {
                let all = self.shared.handshakes();
                let spoken = all.databases.get(&database.id);
                let now = self.shared.now();
                spoken.map_or_else(Default::default, |spoken| SpokenReport::of(spoken, now))
            },
            authentication: match database.authentication {
                Authentication::Gateway => "gateway",
                Authentication::Upstream => "upstream",
                Authentication::None => "none",
            }
            .to_owned(),
            barcode_login: database.barcode_login,
            port: database.port,
            data: self.port(database, &Holder::Data(database.id.clone()), language),
            print: database.print.as_ref().map(|print| PrintReport {
                port: print.port,
                upstream: print
                    .upstream
                    .as_ref()
                    .map(|server| format!("http://{}", server.authority)),
                authentication: print.authentication,
                state: self.port(database, &Holder::Print(database.id.clone()), language),
            }),
            account: AccountReport {
                used: database.account.used,
                name: database.account.name.clone(),
                sent: database.account.sent.is_some(),
            },
            compress: database.compress,
            backups: database.backups,
            backup_folder: matches!(
                database.upstream,
                Upstream::Backend(BackendAddress::Unix(_))
            )
            .then(|| database.folder.join("Backup")),
            users: database.users.count(),
            connections: self.shared.connections.count_of(&database.id),
            lists: database.lists.states(language),
            certificates: certificates.unwrap_or_default(),
            certificate_fault: fault.map(|fault| fault.words(language)),
        }
    }

    /// One of the database's ports.
    pub(crate) fn port(
        &self,
        database: &Database,
        holder: &Holder,
        language: Language,
    ) -> ServiceState {
        let closed = match database.mode {
            Mode::Server => None,
            Mode::Folder => Some("mode-folder"),
            Mode::Device => Some("mode-device"),
        };
        self.service(holder, closed, language)
    }

    /// `closed` is the message that says why the database opens no port.
    fn service(&self, holder: &Holder, closed: Option<&str>, language: Language) -> ServiceState {
        let state = self.listeners.state(holder).unwrap_or_default();
        let reason = match (closed, &state.fault, state.address) {
            (Some(closed), _, _) => Some(messages::text(language, closed, &[])),
            (None, Some(fault), _) => Some(messages::port_fault(fault, state.address, language)),
            (None, None, None) => Some(messages::text(language, "port-not-opened", &[])),
            (None, None, Some(_)) => None,
        };
        let open = if reason.is_none() {
            State::Open
        } else {
            State::Closed
        };
        ServiceState {
            address: state.address,
            state: open,
            reason,
            thumbprints: state.thumbprints,
            watched: self.shared.watchdog.of(holder, language),
        }
    }

    /// Whether every wanted port serves and the backend answers.
    pub(crate) fn health(&self) -> (StatusCode, &'static str) {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let backend = told
            .backend
            .as_ref()
            .is_none_or(|backend| backend.fault.is_none());
        match (self.listeners.any_closed(), backend) {
            (false, true) => (StatusCode::OK, "ok\n"),
            (true, _) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "a port does not serve: see gateway status\n",
            ),
            (false, false) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the backend does not answer\n",
            ),
        }
    }

    pub(crate) fn metrics(&self) -> String {
        let open = i64::try_from(self.shared.connections.count()).unwrap_or(i64::MAX);
        self.shared.metrics.open_connections.set(open);
        self.shared.metrics.watched(&self.shared.watchdog.figures());
        self.shared.metrics.text()
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
