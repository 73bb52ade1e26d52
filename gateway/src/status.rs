//! What `gateway status` and the metrics page show: every database with its address, its state
//! and the reason, as it is now.

mod report;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use backend_types::{Mode, TlsProfile};
use gateway_policy::ports::Holder;
use http::StatusCode;

use self::report::ConfigReport;
pub(crate) use self::report::{
    AccountReport, AgreedReport, BackendState, CertificateReport, DatabaseReport, OldClientReport,
    PageReport, PrintReport, RenewalFaultReport, RenewalReport, Report, ServerPort, ServerReport,
    ServiceState, SpokenReport, State, whose,
};
use crate::{
    backend_client::BackendAddress,
    certificates::Choice,
    directory::{Authentication, Database, Upstream},
    listeners::Listeners,
    messages::{self, Language},
    renewal::Renewing,
    shared::Shared,
    warnings,
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
