//! `gateway status`: every field of the vendor's server window, as it is now.

use backend_types::{ClientCertificates, PrintAuthentication, TlsProfile};

use super::{
    Outcome, Session,
    table::{Cell, Table, Tone},
};
use crate::{
    account::Used,
    status::{
        AccountReport, AgreedReport, DatabaseReport, OldClientReport, PageReport, PrintReport,
        RenewalReport, Report, ServerReport, ServiceState, SpokenReport, State, whose,
    },
};

/// As a database's source.
const FROM_BACKEND: &str = "backend";
/// Codes of warnings that `check` has for the same thing in a file.
const SAID_OF_THE_FILE: [&str; 6] = [
    "https-off",
    "tls-old",
    "tls-old-for-everyone",
    "authentication-off",
    "authentication-without-https",
    "print-pass",
];

#[derive(clap::Args)]
pub(super) struct Status {
    #[arg(value_name = "DATABASE")]
    database: Option<String>,
}

impl Status {
    pub(super) fn run(self, session: &Session) -> Outcome {
        let mut report: Report = session.gateway.get("/status")?;
        if let Some(named) = &self.database {
            let id = session.database(named)?.id;
            report.databases.retain(|one| one.id == id);
        }
        session.show(&report, |report| print(report, session))
    }
}

fn print(report: &Report, session: &Session) {
    let say = |key: &str| session.say(key, &[]);
    out!(
        "Smarts Gateway {} · {} · pid {}",
        report.version,
        report.openssl,
        report.pid
    );
    out!("{}: {}", say("status-config"), report.config.file.display());
    for fault in &report.config.faults {
        out!(
            "  {}",
            Tone::Bad.paint(&format!("✗ {fault}"), session.colour)
        );
    }
    for warning in &report.config.warnings {
        out!("  ! {warning}");
    }
    if let Some(backend) = &report.backend {
        let fault = backend.fault.as_deref().unwrap_or("ok");
        out!(
            "{}: {fault} ({} {})",
            say("status-backend"),
            say("status-revision"),
            backend.revision
        );
    }
    if let Some(line) = super::server::line(report, session) {
        out!("{}: {line}", say("status-server"));
        if let Some(server) = &report.server {
            print_server_port(server, session);
        }
    }
    if let Some(page) = &report.certificate_page {
        out!(
            "{}: {}",
            say("status-certificate-page"),
            page_line(page, session)
        );
    }
    for renewal in &report.renewals {
        print_renewal(renewal, session);
    }
    for fault in &report.renewal_faults {
        let words = format!("✗ {}", fault.words(session.language));
        out!("{}", Tone::Bad.paint(&words, session.colour));
    }
    out!("{}: {}", say("status-connections"), report.connections);
    for database in &report.databases {
        out!("");
        print_database(database, session);
    }
}

/// What was agreed on, and who keeps old TLS from being switched off.
fn spoken(
    spoken: &SpokenReport,
    profile: TlsProfile,
    session: &Session,
    row: &mut impl FnMut(&str, Cell),
) {
    for agreed in &spoken.agreed {
        let AgreedReport {
            version,
            group,
            cipher,
            count,
        } = agreed;
        let words = format!("{count} × {version}, {group}, {cipher}");
        row("status-tls-agreed", words.into());
    }
    for client in &spoken.old_clients {
        let OldClientReport {
            address,
            version,
            cipher,
            last_seen,
        } = client;
        let moment = session.moment(last_seen);
        let words = format!("{address}  {version}, {cipher}  {moment}");
        row("status-tls-old-client", words.into());
    }
    let old = matches!(profile, TlsProfile::Old | TlsProfile::OldForEveryone);
    if old && spoken.old_clients.is_empty() {
        let nobody = session.say("status-tls-nobody-old", &[]);
        row("status-tls-old-client", nobody.into());
    }
}

fn print_server_port(server: &ServerReport, session: &Session) {
    let mut table = Table::default();
    watched(&server.state, session, &mut |key, value| {
        table.field(format!("  {}", session.say(key, &[])), value);
    });
    if server.saved.https {
        let name = session.say("status-tls", &[]);
        table.field(format!("  {name}"), server.tls.as_str());
    }
    spoken(
        &server.tls_spoken,
        server.tls,
        session,
        &mut |key, value| {
            table.field(format!("  {}", session.say(key, &[])), value);
        },
    );
    for certificate in &server.certificates {
        super::cert::rows(certificate, &mut table, session);
    }
    if let Some(fault) = &server.certificate_fault {
        table.field(
            format!("  {}", session.say("status-certificate-files", &[])),
            Cell::new(format!("✗ {fault}"), Tone::Bad),
        );
    }
    let text = table.text(session.colour);
    if !text.trim().is_empty() {
        out!("{}", text.trim_end());
    }
}

fn print_renewal(renewal: &RenewalReport, session: &Session) {
    let of = whose(&renewal.certificate, session.language);
    let by = match renewal.by.as_str() {
        "acme" => "ACME".to_owned(),
        _ => session.say("status-renewal-authority", &[]),
    };
    let next = session.moment(&renewal.next);
    let values = [("of", of.as_str()), ("by", &by), ("next", &next)];
    out!("{}", session.say("status-renewal", &values));
    if let Some(needs) = &renewal.needs {
        out!("  ! {needs}");
    }
    if let (Some(cause), Some(at)) = (&renewal.last_failure, &renewal.last_failure_at) {
        let (at, failures) = (session.moment(at), renewal.failures.to_string());
        let values = [
            ("at", at.as_str()),
            ("cause", cause),
            ("failures", &failures),
        ];
        let words = session.say("status-renewal-failed", &values);
        out!(
            "  {}",
            Tone::Bad.paint(&format!("✗ {words}"), session.colour)
        );
    }
}

/// Where people open it, or why they cannot.
fn page_line(page: &PageReport, session: &Session) -> String {
    match (page.state.state, page.state.address) {
        (State::Open, Some(address)) => format!("http://{address}"),
        _ => session.state(&page.state),
    }
}

fn print_database(database: &DatabaseReport, session: &Session) {
    let say = |key: &str| session.say(key, &[]);
    out!("{}", Tone::Strong.paint(&database.name, session.colour));
    // Those of a database of the file stand above, with their lines.
    let told = database.source != FROM_BACKEND;
    for warning in &database.warnings {
        if !(told && SAID_OF_THE_FILE.contains(&warning.code.as_str())) {
            out!("  ! {}", warning.message);
        }
    }
    let mut table = Table::default();
    let mut row = |name: &str, value: Cell| table.field(format!("  {}", say(name)), value);
    row("status-id", database.id.as_str().into());
    row("status-state", session.state_cell(&database.data));
    watched(&database.data, session, &mut row);
    row("status-port", database.port.to_string().into());
    row("status-mode", say(mode_key(database)).into());
    row("status-https", session.yes_or_no(database.https).into());
    if database.https {
        row("status-tls", database.tls.as_str().into());
    }
    spoken(&database.tls_spoken, database.tls, session, &mut row);
    if database.client_certificates != ClientCertificates::Off {
        let setting = database.client_certificates.as_str();
        row("status-client-certificates", setting.into());
    }
    row(
        "status-authentication",
        database.authentication.as_str().into(),
    );
    row(
        "status-barcode-login",
        session.yes_or_no(database.barcode_login).into(),
    );
    row(
        "status-folder",
        database.folder.display().to_string().into(),
    );
    if !database.comment.is_empty() {
        row("status-comment", database.comment.as_str().into());
    }
    row("status-source", database.source.as_str().into());
    if let Some(print) = &database.print {
        row("status-print", print_server(print, session).into());
        watched(&print.state, session, &mut row);
    }
    row("status-account", account(&database.account, session).into());
    row(
        "status-compress",
        session.yes_or_no(database.compress).into(),
    );
    if let Some(backups) = database.backups {
        let mut words = session.yes_or_no(backups);
        if let Some(folder) = &database.backup_folder {
            words += &format!("  {}", folder.display());
        }
        row("status-backups", words.into());
    }
    row("status-users", database.users.to_string().into());
    row(
        "status-connections",
        database.connections.to_string().into(),
    );
    for list in &database.lists {
        let text = format!("{} ({})", list.file, list.entries);
        let cell = match &list.fault {
            Some(fault) => Cell::new(format!("{text}  ✗ {fault}"), Tone::Bad),
            None => text.into(),
        };
        row("status-list", cell);
    }
    for certificate in &database.certificates {
        super::cert::rows(certificate, &mut table, session);
    }
    if let Some(fault) = &database.certificate_fault {
        let fault = Cell::new(format!("✗ {fault}"), Tone::Bad);
        table.field(format!("  {}", say("status-certificate-files")), fault);
    }
    out!("{}", table.text(session.colour).trim_end());
}

/// What the watchdog has found at a port.
fn watched(state: &ServiceState, session: &Session, row: &mut impl FnMut(&str, Cell)) {
    let Some(watched) = &state.watched else {
        return;
    };
    for fault in &watched.faults {
        row("status-watched", Cell::new(format!("✗ {fault}"), Tone::Bad));
    }
    if watched.faults.is_empty() {
        let time = session.moment(&watched.checked);
        let words = session.say("status-watched-good", &[("time", &time)]);
        row("status-watched", words.into());
    }
}

/// Its port, its address, and what stands behind it.
fn print_server(print: &PrintReport, session: &Session) -> String {
    let service = match &print.upstream {
        Some(service) => session.say("status-print-to", &[("service", service)]),
        None => session.say("status-print-no-service", &[]),
    };
    let mut words = format!("{} {}; {service}", print.port, session.state(&print.state));
    if print.authentication == PrintAuthentication::Pass {
        words = format!("{words}; {}", session.say("status-print-pass", &[]));
    }
    words
}

/// The password is shown as dots, as many for every password.
fn account(account: &AccountReport, session: &Session) -> String {
    let key = match account.used {
        Used::None => return session.say("account-none", &[]),
        Used::Shared => "account-shared",
        Used::Own => "account-own",
    };
    let name = account.name.as_deref().unwrap_or("—");
    let mut words = session.say(key, &[("name", name)]);
    if !account.sent {
        words += &session.say("account-not-sent", &[]);
    }
    words
}

fn mode_key(database: &DatabaseReport) -> &'static str {
    match database.mode {
        backend_types::Mode::Server => "mode-name-server",
        backend_types::Mode::Folder => "mode-name-folder",
        backend_types::Mode::Device => "mode-name-device",
    }
}

impl Session {
    pub(super) fn state(&self, state: &ServiceState) -> String {
        match (state.state, state.address, &state.reason) {
            (State::Open, Some(address), _) => address.to_string(),
            (_, _, reason) => {
                let reason = reason.as_deref().unwrap_or_default();
                self.say("welcome-closed", &[("reason", reason)])
            }
        }
    }

    pub(super) fn state_cell(&self, state: &ServiceState) -> Cell {
        let tone = match state.state {
            State::Open => Tone::Good,
            State::Closed => Tone::Bad,
        };
        Cell::new(self.state(state), tone)
    }
}
