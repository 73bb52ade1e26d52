//! Plays terminals, an accounting system and attackers against a gateway, checks every answer, and
//! tells what it took; and races the gateway against nginx and HAProxy. It knows the gateway by
//! HTTP alone.
//!
//! Attacks are for loopback: another target is refused. A race starts all that it needs itself.

mod accounting;
mod attack;
mod book;
mod caller;
mod check;
mod commands;
mod compare;
mod crew;
mod document;
mod idle;
mod link;
mod pace;
mod report;
mod target;
mod terminal;
mod under_attack;
mod users;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands::{Accounting, Attacks, Idle, Terminals};

#[derive(Parser)]
#[command(version, about, long_about = None, after_help = AFTER)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const AFTER: &str = "Exit code: 0 every answer was right, 1 one was wrong, something got through \
that must not, or nothing could be tried, 2 a command line that cannot be understood.";

#[derive(Subcommand)]
enum Command {
    /// Terminals that log in, list, open, change and finish documents, and check every answer.
    Terminals(Terminals),
    /// An accounting system that uploads documents, collects finished ones and checks them.
    ///
    /// It talks as the vendor's 1C processing does: service document, login by query, BaseInfo,
    /// types, goods, users; documents whole, or header, rows and EndUpdate; the finished ones are
    /// read, compared with what a terminal must have counted, marked and removed. Goods are read
    /// only: no upload of Products is tried.
    Accounting(Accounting),
    /// Attacks on a gateway of this machine, and what good terminals feel of them.
    ///
    /// Terminals work at a steady rate; before each attack they are measured in calm, and during
    /// it again. The figure is attacked ÷ calm. What the gateway let through is told, and what it
    /// must not let through makes the exit code 1.
    Attack(Attacks),
    /// Race nginx, HAProxy and the gateway before one upstream with the same checks.
    Compare(compare::Options),
    /// What an idle connection costs the gateway in memory.
    Idle(Idle),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Terminals(command) => command.run(),
        Command::Accounting(command) => command.run(),
        Command::Attack(command) => command.run(),
        Command::Compare(options) => options.run(),
        Command::Idle(command) => command.run(),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(fault) => {
            eprintln!("loadtest: {fault:#}");
            ExitCode::FAILURE
        }
    }
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
            document::section_is_current(file, "loadtest", &text);
        }
    }
}
