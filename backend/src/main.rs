//! The backend as a process of its own, for a separate host or many gateways.

use std::{fmt::Display, net::TcpListener, path::PathBuf, process::ExitCode, time::Duration};

use backend::{FirstStart, Running, config::Configuration, messages::CATALOGUE, systemd};
use backend_types::Language;
use clap::{Command, CommandFactory, FromArgMatches, Parser};
use log_files::first_passwords;
use tokio::signal::unix::{SignalKind, signal};
use words::{Cause, command_line};

/// Help comes from the catalogue in the reader's language.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[arg(long, value_name = "FILE", default_value = "config/backend.yaml")]
    config: PathBuf,
}

fn main() -> ExitCode {
    let inherited = systemd::inherited();
    let language = words::of_environment();
    let given = commands(language).try_get_matches();
    let arguments = match given.and_then(|given| Arguments::from_arg_matches(&given)) {
        Ok(arguments) => arguments,
        Err(fault) => return command_line::explain(&fault, language).into(),
    };
    match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime.block_on(run(inherited, arguments, language)),
        Err(fault) => refuse(&Cause::of(&fault).words(language)),
    }
}

/// Everything that can be typed, with its help.
fn commands(language: Language) -> Command {
    command_line::localised(Arguments::command(), language, &CATALOGUE)
}

async fn run(inherited: Option<TcpListener>, arguments: Arguments, language: Language) -> ExitCode {
    let Configuration { options, log } = match backend::config::read(&arguments.config) {
        Ok(read) => read,
        Err(fault) => return refuse(&fault.words(language)),
    };
    // Before the log: that of a backend that runs here is not ours to write.
    let folder = match backend::take_folder(&options.data) {
        Ok(folder) => folder,
        Err(fault) => return refuse(&fault.words(language)),
    };
    let _log = match log_files::start(&log, &options.data, "backend", "") {
        Ok(guard) => guard,
        Err(fault) => {
            let cause = Cause::of(&fault).words(language);
            return refuse(&say(language, "start-log", "detail", &cause));
        }
    };
    // Before the ready line: a signal right after it must find its receiver.
    let (terminated, interrupted) = match (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) {
        (Ok(terminated), Ok(interrupted)) => (terminated, interrupted),
        (Err(fault), _) | (_, Err(fault)) => {
            return refuse(&Cause::of(&fault).words(language));
        }
    };
    let running = match backend::start_on(inherited, folder, options).await {
        Ok(running) => running,
        Err(fault) => {
            tracing::error!(%fault, "not started");
            return refuse(&fault.words(language));
        }
    };
    announce(&running, language);
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
fn announce(running: &Running, language: Language) {
    if let Some(first_start) = running.first_start() {
        let users = users(first_start);
        // A service's stdout is kept in the journal, where no password may be.
        match first_passwords::aside(&users) {
            Ok(None) => print!("{users}"),
            Ok(Some(file)) => {
                let file = file.display();
                println!("{}", say(language, "start-first-passwords", "file", &file));
            }
            Err(fault) => {
                let cause = Cause::of(&fault).words(language);
                let lost = say(language, "start-first-passwords-lost", "detail", &cause);
                println!("{lost}");
            }
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

fn say(language: Language, key: &str, name: &'static str, value: &dyn Display) -> String {
    words::text(&CATALOGUE, language, key, &[(name, &value.to_string())])
}

/// For who started it.
fn refuse(words: &str) -> ExitCode {
    eprintln!("{words}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use harness::document;

    use super::*;

    #[test]
    fn the_options_of_the_reference_are_current() {
        for (file, language, head) in [
            ("REFERENCE.md", Language::En, ["option", "meaning"]),
            ("REFERENCE.ru.md", Language::Ru, ["параметр", "что значит"]),
        ] {
            let text = harness::commands::commands(&mut commands(language), &[], head);
            document::section_is_current(file, "backend-command", &text);
        }
    }

    #[test]
    fn every_option_has_its_help_in_both_languages() {
        for language in Language::ALL {
            let found = command_line::without_help(&Arguments::command(), language, &CATALOGUE);
            assert!(found.is_empty(), "{language:?}: {found:#?}");
        }
    }
}
