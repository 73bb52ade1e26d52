//! The backend as a process of its own, for a separate host or many gateways.

use std::{net::TcpListener, path::PathBuf, process::ExitCode, time::Duration};

use backend::{FirstStart, Running, config::Configuration, systemd};
use clap::Parser;
use log_files::first_passwords;
use tokio::signal::unix::{SignalKind, signal};

/// The plain-HTTP data service behind Smarts Gateway.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The configuration file.
    #[arg(long, default_value = "config/backend.yaml")]
    config: PathBuf,
}

fn main() -> ExitCode {
    let inherited = systemd::inherited();
    match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime.block_on(run(inherited)),
        Err(fault) => refuse(&fault),
    }
}

async fn run(inherited: Option<TcpListener>) -> ExitCode {
    let arguments = Arguments::parse();
    let Configuration { options, log } = match backend::config::read(&arguments.config) {
        Ok(read) => read,
        Err(fault) => return refuse(&fault),
    };
    let _log = match log_files::start(&log, &options.data, "backend", "") {
        Ok(guard) => guard,
        Err(fault) => return refuse(&format!("the log cannot be written: {fault}")),
    };
    // Before the ready line: a signal right after it must find its receiver.
    let (terminated, interrupted) = match (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) {
        (Ok(terminated), Ok(interrupted)) => (terminated, interrupted),
        (Err(fault), _) | (_, Err(fault)) => return refuse(&fault),
    };
    let running = match backend::start_on(inherited, options).await {
        Ok(running) => running,
        Err(fault) => return refuse(&fault),
    };
    announce(&running);
    systemd::ready(&running.address().to_string());
    tokio::select! {
        () = wait(terminated, interrupted) => {}
        () = vouch(&running) => {}
    }
    systemd::stopping();
    running.stop().await;
    ExitCode::SUCCESS
}

/// Tells systemd that the service lives, as long as it does.
async fn vouch(running: &Running) {
    let Some(limit) = systemd::watchdog() else {
        return std::future::pending().await;
    };
    let mut tick = tokio::time::interval((limit / 3).max(Duration::from_millis(100)));
    loop {
        tick.tick().await;
        if running.lives() {
            systemd::alive();
        }
    }
}

async fn wait(
    mut terminated: tokio::signal::unix::Signal,
    mut interrupted: tokio::signal::unix::Signal,
) {
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the ready line and the first passwords are the output"
)]
fn announce(running: &Running) {
    if let Some(first_start) = running.first_start() {
        let users = users(first_start);
        // A service's stdout is kept in the journal, where no password may be.
        match first_passwords::aside(&users) {
            Ok(None) => print!("{users}"),
            Ok(Some(file)) => println!("the first passwords stand in {}", file.display()),
            Err(fault) => println!("the first passwords are lost: {fault}"),
        }
    }
    println!(
        "ready {}",
        serde_json::json!({"address": running.address().to_string()})
    );
}

/// With the passwords, which are shown once and only to who started it.
fn users(first_start: &FirstStart) -> String {
    let mut text = String::new();
    for database in &first_start.databases {
        text += &format!("{} ({})\n", database.settings.name, database.id);
        for user in &database.users {
            let barcode = user.barcode.as_deref().unwrap_or("-");
            text += &format!(
                "  {}  {}  {}  {barcode}\n",
                user.role, user.name, user.password
            );
        }
    }
    text
}

/// For who started it; whoever comes later reads the log.
fn refuse(fault: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("{fault}");
    tracing::error!("{fault}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use harness::{commands, document};

    use super::*;

    #[test]
    fn the_options_of_the_reference_are_current() {
        for (file, head) in [
            ("REFERENCE.md", ["option", "meaning"]),
            ("REFERENCE.ru.md", ["параметр", "что значит"]),
        ] {
            let text = commands::commands(&mut Arguments::command(), &[], head);
            document::section_is_current(file, "backend-command", &text);
        }
    }
}
