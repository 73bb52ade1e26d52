//! The backend as a process of its own, for a separate host or many gateways.

use std::{path::PathBuf, process::ExitCode};

use backend::{FirstStart, Running, config::Configuration};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

/// The plain-HTTP data service behind Smarts Gateway.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The configuration file.
    #[arg(long, default_value = "config/backend.yaml")]
    config: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
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
    let running = match backend::start(options).await {
        Ok(running) => running,
        Err(fault) => return refuse(&fault),
    };
    announce(&running);
    wait(terminated, interrupted).await;
    running.stop().await;
    ExitCode::SUCCESS
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
        print_users(first_start);
    }
    println!(
        "ready {}",
        serde_json::json!({"address": running.address().to_string()})
    );
}

#[expect(
    clippy::print_stdout,
    reason = "passwords are shown once, and only to who started it"
)]
fn print_users(first_start: &FirstStart) {
    for database in &first_start.databases {
        println!("{} ({})", database.settings.name, database.id);
        for user in &database.users {
            let barcode = user.barcode.as_deref().unwrap_or("-");
            println!(
                "  {}  {}  {}  {barcode}",
                user.role, user.name, user.password
            );
        }
    }
}

/// For who started it; whoever comes later reads the log.
fn refuse(fault: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("{fault}");
    tracing::error!("{fault}");
    ExitCode::FAILURE
}
