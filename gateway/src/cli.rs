//! The command line: arguments in, exit code out (0 done, 1 refused or faulty, 2 usage, 3 not
//! running).

use std::{
    io::{BufRead, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use backend_types::Language;
use clap::{Parser, Subcommand};
use gateway_config::{Finding, Loaded, Overrides, Severity};

use crate::{
    account::Used,
    admin_client::{self, AdminError},
    gateway::{self, Start},
    login, messages,
    status::{AccountReport, DatabaseReport, Report, ServiceState, State},
};

/// Security gateway in front of a Mobile SMARTS data server.
#[derive(Parser)]
#[command(version, about, long_about = None)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Run,
}

#[derive(Subcommand)]
enum Command {
    /// Run the gateway (also without a command).
    Run(Run),
    /// Check a configuration file and list every fault of it.
    Check {
        file: PathBuf,
        /// Warnings too are faults.
        #[arg(long)]
        strict: bool,
    },
    /// Show every database with its address, its state and the reason.
    Status {
        /// Only this database, by id or name.
        database: Option<String>,
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Read a password or a barcode from stdin, print its hash and its index for a YAML user.
    Hash {
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Clone, clap::Args)]
struct Run {
    /// Configuration file.
    #[arg(long, default_value = "config/gateway.yaml")]
    config: PathBuf,
    /// Data folder, in place of the one in the file.
    #[arg(long)]
    data: Option<PathBuf>,
}

#[derive(Clone, clap::Args)]
struct Place {
    /// Data folder of the gateway.
    #[arg(long, default_value = "data")]
    data: PathBuf,
}

/// Prints a line. A reader that has seen enough (`| head`) is no fault.
macro_rules! out {
    ($($line:tt)*) => {
        drop(writeln!(std::io::stdout(), $($line)*))
    };
}

const DONE: u8 = 0;
const REFUSED: u8 = 1;
const NOT_RUNNING: u8 = 3;

pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let code = match arguments.command {
        None => run(arguments.run),
        Some(Command::Run(run_with)) => run(run_with),
        Some(Command::Check { file, strict }) => check(&file, strict),
        Some(Command::Status {
            database,
            json,
            place,
        }) => status(&place.data, database.as_deref(), json),
        Some(Command::Hash { place }) => hash(&place.data),
    };
    ExitCode::from(code)
}

fn run(run: Run) -> u8 {
    let overrides = Overrides { data: run.data };
    let stamp = gateway::stamp(&run.config);
    let loaded = match gateway_config::load(&run.config, &overrides) {
        Ok(loaded) => loaded,
        Err(findings) => {
            print_findings(&findings);
            return REFUSED;
        }
    };
    let Loaded { config, warnings } = loaded;
    let start = Start {
        config_file: run.config,
        overrides,
        config,
        warnings,
        stamp,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("control")
        .enable_all()
        .build();
    let ran = match runtime {
        Ok(runtime) => {
            let ran = runtime.block_on(gateway::run(start));
            runtime.shutdown_background();
            ran
        }
        Err(fault) => Err(fault.into()),
    };
    match ran {
        Ok(()) => DONE,
        Err(fault) => {
            eprintln!("{fault:#}");
            REFUSED
        }
    }
}

fn check(file: &Path, strict: bool) -> u8 {
    let (findings, refused) = match gateway_config::load(file, &Overrides::default()) {
        Ok(loaded) => {
            let refused = strict && !loaded.warnings.is_empty();
            (loaded.warnings, refused)
        }
        Err(findings) => (findings, true),
    };
    print_findings(&findings);
    if !refused {
        out!(
            "{}",
            messages::text(
                language(),
                "check-good",
                &[("file", &file.display().to_string())]
            )
        );
    }
    if refused { REFUSED } else { DONE }
}

fn print_findings(findings: &[Finding]) {
    for finding in findings {
        let words = finding.render(language());
        match finding.severity() {
            Severity::Fault => out!("{words}"),
            Severity::Warning => {
                out!(
                    "{}",
                    messages::text(language(), "check-warning", &[("finding", &words)])
                );
            }
        }
    }
}

fn status(data: &Path, database: Option<&str>, json: bool) -> u8 {
    let mut report = match admin_client::status(data) {
        Ok(report) => report,
        Err(fault) => {
            eprintln!("{fault}");
            return if matches!(fault, AdminError::NotRunning { .. }) {
                NOT_RUNNING
            } else {
                REFUSED
            };
        }
    };
    if let Some(wanted) = database {
        report
            .databases
            .retain(|one| one.id.as_str() == wanted || one.name == wanted);
        if report.databases.is_empty() {
            eprintln!(
                "{}",
                messages::text(language(), "status-no-such-database", &[("name", wanted)])
            );
            return REFUSED;
        }
    }
    if json {
        match serde_json::to_string_pretty(&report) {
            Ok(text) => out!("{text}"),
            Err(fault) => {
                eprintln!("{fault}");
                return REFUSED;
            }
        }
    } else {
        print_report(&report);
    }
    DONE
}

fn print_report(report: &Report) {
    let say = |key: &str| messages::text(language(), key, &[]);
    out!(
        "Smarts Gateway {} · {} · pid {}",
        report.version,
        report.openssl,
        report.pid
    );
    out!("{}: {}", say("status-config"), report.config.file.display());
    for fault in &report.config.faults {
        out!("  ✗ {fault}");
    }
    for warning in &report.config.warnings {
        out!("  ! {warning}");
    }
    if let Some(backend) = &report.backend {
        let fault = backend.fault.as_deref().unwrap_or("ok");
        out!(
            "backend: {fault} ({} {})",
            say("status-revision"),
            backend.revision
        );
    }
    if let Some(server) = &report.server {
        let saved = server.saved;
        let scheme = if saved.https { "https" } else { "http" };
        out!(
            "{}: {scheme} {} {}",
            say("status-server"),
            saved.port,
            state(&server.state)
        );
    }
    out!("{}: {}", say("status-connections"), report.connections);
    for database in &report.databases {
        out!("");
        print_database(database);
    }
}

fn print_database(database: &DatabaseReport) {
    let say = |key: &str| messages::text(language(), key, &[]);
    let on = |yes: bool| if yes { say("yes") } else { say("no") };
    out!("{}", database.name);
    let row = |name: &str, value: &str| out!("  {:<28}{value}", say(name));
    row("status-id", database.id.as_str());
    row("status-state", &state(&database.data));
    row("status-port", &database.port.to_string());
    row("status-https", &on(database.https));
    row("status-authentication", &database.authentication);
    row("status-barcode-login", &on(database.barcode_login));
    row("status-folder", &database.folder.display().to_string());
    if !database.comment.is_empty() {
        row("status-comment", &database.comment);
    }
    row("status-source", &database.source);
    if let Some(print) = &database.print {
        row(
            "status-print",
            &format!("{} {}", print.port, state(&print.state)),
        );
    }
    row("status-account", &account(&database.account));
    row("status-users", &database.users.to_string());
    row("status-connections", &database.connections.to_string());
    for list in &database.lists {
        let fault = list
            .fault
            .as_ref()
            .map(|fault| format!("  ✗ {fault}"))
            .unwrap_or_default();
        row(
            "status-list",
            &format!("{} ({}){fault}", list.file, list.entries),
        );
    }
    if let Some(certificate) = &database.certificate {
        row(
            "status-certificate",
            &certificate.file.display().to_string(),
        );
        row("status-issued", &certificate.issued);
        let left = certificate.days_left.to_string();
        let left = messages::text(language(), "status-days-left", &[("days", &left)]);
        row(
            "status-expires",
            &format!("{} ({left})", certificate.expires),
        );
        row("status-thumbprint", &certificate.thumbprint_sha1);
    }
}

/// The password is shown as dots, as many for every password.
fn account(account: &AccountReport) -> String {
    let key = match account.used {
        Used::None => return messages::text(language(), "account-none", &[]),
        Used::Shared => "account-shared",
        Used::Own => "account-own",
    };
    let name = account.name.as_deref().unwrap_or("—");
    let mut words = messages::text(language(), key, &[("name", name)]);
    if !account.sent {
        words += &messages::text(language(), "account-not-sent", &[]);
    }
    words
}

fn state(state: &ServiceState) -> String {
    match (state.state, state.address, &state.reason) {
        (State::Open, Some(address), _) => address.to_string(),
        (_, _, reason) => {
            let reason = reason.as_deref().unwrap_or_default();
            messages::text(language(), "welcome-closed", &[("reason", reason)])
        }
    }
}

/// One line from stdin; a terminal is told what to type.
fn hash(data: &Path) -> u8 {
    if std::io::stdin().is_terminal() {
        eprintln!("{}", messages::text(language(), "hash-type", &[]));
    }
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    let made = read
        .map_err(Into::into)
        .and_then(|_| login::hash_for_yaml(data, line.trim_end_matches(['\r', '\n'])));
    match made {
        Ok(made) => {
            out!("password: {}\nindex: {}", made.password, made.index);
            DONE
        }
        Err(fault) => {
            eprintln!("{fault:#}");
            REFUSED
        }
    }
}

/// The administrator's language: `LC_ALL`, `LC_MESSAGES`, `LANG`, else Russian.
fn language() -> Language {
    let set = ["LC_ALL", "LC_MESSAGES", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    match set {
        Some(locale) if locale.to_ascii_lowercase().starts_with("en") => Language::En,
        Some(_) | None => Language::Ru,
    }
}
