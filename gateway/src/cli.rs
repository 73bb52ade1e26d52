//! The command line: arguments in, exit code out (0 done, 1 refused or faulty, 2 usage, 3 not
//! running).
//!
//! A word of the command line is a file beside this one. Help and messages come from the
//! catalogue in the administrator's language; the doc comments here are for its reader alone.

use std::{
    ffi::OsString,
    fmt,
    io::{ErrorKind, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
};

use backend_types::Language;
use clap::{
    CommandFactory, FromArgMatches, Parser, Subcommand,
    error::{ContextKind, ContextValue, ErrorKind as Misuse},
};
use clap_complete::Shell;
use serde::Serialize;
use words::{Cause, command_line};

use crate::{
    admin_client::{AdminClient, AdminError},
    installation, messages,
    status::{DatabaseReport, Report},
};

/// Prints a line. A reader that has seen enough (`| head`) is no fault.
macro_rules! out {
    ($($line:tt)*) => {
        crate::cli::print_line(format_args!($($line)*))
    };
}

mod cert;
mod check;
mod database;
mod doctor;
mod doctype;
mod document;
mod entities;
#[cfg(test)]
mod forms;
mod group;
mod hash;
mod list;
mod property;
mod run;
mod secret;
mod server;
mod status;
mod switch;
mod table;
mod user;
mod why;

#[derive(Parser)]
#[command(name = "gateway", version, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::Run,
    /// Of the gateway that is asked; with `run`, in place of the one in the file.
    #[arg(long, global = true, value_name = "FOLDER")]
    data: Option<PathBuf>,
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Run),
    Check(check::Check),
    Status(status::Status),
    #[command(subcommand)]
    Cert(cert::Cert),
    #[command(subcommand)]
    Database(database::Database),
    #[command(subcommand)]
    List(list::List),
    Why(why::Why),
    Doctor,
    #[command(subcommand)]
    Server(server::Server),
    #[command(subcommand)]
    Group(group::Group),
    #[command(subcommand)]
    User(user::User),
    #[command(subcommand)]
    Property(property::Property),
    #[command(subcommand)]
    Doctype(doctype::Doctype),
    #[command(subcommand)]
    Document(document::Document),
    Hash,
    Completions {
        shell: Shell,
    },
}

/// What every word needs to ask and to answer.
struct Session {
    gateway: AdminClient,
    data: PathBuf,
    language: Language,
    json: bool,
    colour: bool,
}

/// Why a word was not carried out.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Gateway(#[from] AdminError),
    /// Said in the administrator's language.
    #[error("{0}")]
    Said(String),
    /// A file has to be changed by hand.
    #[error("{words}")]
    ByHand { words: String, paste: String },
    /// The words of the command line make no sense together.
    #[error("{0}")]
    Usage(String),
    /// Everything there is to say stands on stdout.
    #[error("faults were found")]
    Shown,
    /// The same, and no gateway runs.
    #[error("no gateway runs")]
    ShownNotRunning,
}

type Outcome = Result<(), Failure>;

const DONE: u8 = 0;
const REFUSED: u8 = 1;
const USAGE: u8 = 2;
const NOT_RUNNING: u8 = 3;

/// For the reference.
#[cfg(test)]
pub(crate) const EXIT_CODES: &[crate::reference::Named] = &[
    (
        "0",
        "Done; `run`: stopped as asked.",
        "Сделано; `run`: остановлен, как просили.",
    ),
    (
        "1",
        "Refused or faulty, and nothing was changed; `run`: did not start; `check`: faults, or warnings with `--strict`; `doctor`: faults.",
        "Отказ или ошибка, ничего не изменено; `run`: не запустился; `check`: есть ошибки, а с `--strict` и предупреждения; `doctor`: есть неисправности.",
    ),
    (
        "2",
        "A command line that cannot be understood.",
        "Командная строка не понята.",
    ),
    (
        "3",
        "No gateway runs on this data folder.",
        "На этой папке данных шлюз не запущен.",
    ),
];

/// Everything that can be typed, with its help.
pub(crate) fn commands(language: Language) -> clap::Command {
    command_line::localised(Arguments::command(), language, &messages::CATALOGUE)
}

pub(crate) fn main() -> ExitCode {
    let language = words::of_environment();
    ExitCode::from(match parsed(language) {
        Ok((arguments, further)) => carry_out(arguments, further, language),
        Err(fault) if fault.use_stderr() && std::env::args_os().any(|word| word == "--json") => {
            let message = command_line::misuse(&fault, language);
            out!("{}", json_error("usage", &message, None));
            USAGE
        }
        Err(fault) => command_line::explain(&fault, language),
    })
}

/// The command, and what stands behind each `--` as one of the same kind: several changes of
/// databases are one.
fn parsed(language: Language) -> Result<(Arguments, Vec<Arguments>), clap::Error> {
    let given: Vec<OsString> = std::env::args_os().collect();
    let parse = |line: &[OsString]| {
        let matches = commands(language).try_get_matches_from(line)?;
        let mut arguments = Arguments::from_arg_matches(&matches)?;
        // Before the word it is `run`'s all the same; another word would do without it in silence.
        if let Some(config) = arguments
            .run
            .config
            .take_if(|_| arguments.command.is_some())
        {
            match &mut arguments.command {
                Some(Command::Run(run)) if run.config.is_none() => run.config = Some(config),
                _ => return Err(unknown_argument("--config", language)),
            }
        }
        Ok(arguments)
    };
    let is = |place: usize, word: &str| given.get(place).is_some_and(|given| given == word);
    if !is(1, "database") {
        return Ok((parse(&given)?, Vec::new()));
    }
    let mut parts = given.split(|word| word == "--");
    let first = parts.next().unwrap_or_default();
    let words = first.get(..3).unwrap_or(first);
    let further = parts.map(|part| parse(&[words, part].concat()));
    Ok((parse(first)?, further.collect::<Result<_, _>>()?))
}

fn unknown_argument(argument: &str, language: Language) -> clap::Error {
    let mut fault = clap::Error::new(Misuse::UnknownArgument).with_cmd(&commands(language));
    let argument = ContextValue::String(argument.to_owned());
    fault.insert(ContextKind::InvalidArg, argument);
    fault
}

fn carry_out(arguments: Arguments, further: Vec<Arguments>, language: Language) -> u8 {
    let all = || std::iter::once(&arguments).chain(&further);
    let data = all().find_map(|one| one.data.clone());
    let json = all().any(|one| one.json);
    let asks = !matches!(
        arguments.command,
        None | Some(Command::Run(_) | Command::Check(_) | Command::Completions { .. })
    );
    let folder = match installation::data_folder(data.clone()) {
        Err(fault) if asks => {
            drop(writeln!(std::io::stderr(), "{}", fault.words(language)));
            return REFUSED;
        }
        found => found.unwrap_or_default(),
    };
    let session = Session {
        gateway: AdminClient::new(&folder, language),
        data: folder,
        language,
        json,
        colour: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
    };
    let done = match arguments.command {
        None => run::run(arguments.run, data, language),
        Some(Command::Run(run)) => run::run(run, data, language),
        Some(Command::Check(check)) => check.run(&session),
        Some(Command::Status(status)) => status.run(&session),
        Some(Command::Cert(cert)) => cert.run(&session),
        Some(Command::Database(first)) => {
            let further = further.into_iter().filter_map(|one| match one.command {
                Some(Command::Database(further)) => Some(further),
                _ => None,
            });
            database::run(first, further, &session)
        }
        Some(Command::List(list)) => list.run(&session),
        Some(Command::Why(why)) => why.run(&session),
        Some(Command::Doctor) => doctor::run(&session),
        Some(Command::Server(server)) => server::run(server, &session),
        Some(Command::Group(group)) => group::run(group, &session),
        Some(Command::User(user)) => user::run(user, &session),
        Some(Command::Property(property)) => property::run(property, &session),
        Some(Command::Doctype(doctype)) => doctype::run(doctype, &session),
        Some(Command::Document(document)) => document::run(document, &session),
        Some(Command::Hash) => hash::run(&session),
        Some(Command::Completions { shell }) => {
            let mut command = commands(language);
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, "gateway", &mut script);
            out!("{}", String::from_utf8_lossy(&script).trim_end());
            Ok(())
        }
    };
    match done {
        Err(failure) => session.explain(&failure),
        // A password that is shown once may be lost with it.
        Ok(()) if UNPRINTED.load(Ordering::Relaxed) => {
            drop(writeln!(
                std::io::stderr(),
                "{}",
                session.say("output-lost", &[])
            ));
            REFUSED
        }
        Ok(()) => DONE,
    }
}

fn json_error(code: &str, message: &str, paste: Option<&str>) -> serde_json::Value {
    serde_json::json!({"error": {"code": code, "message": message, "paste": paste}})
}

/// Whether a line could not be printed although somebody waits for it.
static UNPRINTED: AtomicBool = AtomicBool::new(false);

fn print_line(line: fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    let printed = writeln!(out, "{line}").and_then(|()| out.flush());
    if let Err(fault) = printed
        && fault.kind() != ErrorKind::BrokenPipe
    {
        UNPRINTED.store(true, Ordering::Relaxed);
    }
}

impl Session {
    fn say(&self, key: &str, values: &[(&'static str, &str)]) -> String {
        table::calm(&messages::text(self.language, key, values))
    }

    fn yes_or_no(&self, yes: bool) -> String {
        self.say(if yes { "yes" } else { "no" }, &[])
    }

    /// `answer` as JSON where that was asked for, else whatever `people` prints.
    fn show<T: Serialize>(&self, answer: &T, people: impl FnOnce(&T)) -> Outcome {
        if !self.json {
            people(answer);
            return Ok(());
        }
        let text = serde_json::to_string_pretty(answer);
        out!("{}", text.map_err(AdminError::from)?);
        Ok(())
    }

    /// The database of this id or, where it is the only one, of this name.
    fn database(&self, named: &str) -> Result<DatabaseReport, Failure> {
        let report: Report = self.gateway.get("/status")?;
        let folded = named.to_lowercase();
        let mut found: Vec<DatabaseReport> = report
            .databases
            .into_iter()
            .filter(|one| one.id.as_str() == folded || one.name.to_lowercase() == folded)
            .collect();
        // An id names one database, whatever another is called.
        if let Some(place) = found.iter().position(|one| one.id.as_str() == folded) {
            return Ok(found.swap_remove(place));
        }
        match (found.pop(), found.is_empty()) {
            (Some(only), true) => Ok(only),
            (Some(_), false) => Err(self.refuse("database-name-twice", &[("name", named)])),
            (None, _) => Err(self.refuse("status-no-such-database", &[("name", named)])),
        }
    }

    /// A moment that programs read, as people do.
    fn moment(&self, text: &str) -> String {
        messages::moment_of(text, self.language)
    }

    /// What the system or a parser has refused, in the administrator's language.
    fn cause(&self, fault: &(dyn std::error::Error + 'static)) -> String {
        Cause::of(fault).words(self.language)
    }

    /// A file that cannot be read.
    fn unreadable(&self, file: &Path, fault: &std::io::Error) -> Failure {
        let (file, cause) = (file.display().to_string(), self.cause(fault));
        let values = [("file", file.as_str()), ("cause", &cause)];
        self.refuse("file-unreadable", &values)
    }

    fn refuse(&self, key: &str, values: &[(&'static str, &str)]) -> Failure {
        Failure::Said(self.say(key, values))
    }

    fn misused(&self, key: &str, values: &[(&'static str, &str)]) -> Failure {
        Failure::Usage(self.say(key, values))
    }

    /// Says why, and gives the exit code.
    fn explain(&self, failure: &Failure) -> u8 {
        let (words, code, paste) = match failure {
            Failure::Shown => return REFUSED,
            Failure::ShownNotRunning => return NOT_RUNNING,
            Failure::Said(words) => (words.clone(), "refused", None),
            Failure::Usage(words) => (words.clone(), "usage", None),
            Failure::ByHand { words, paste } => (words.clone(), "by-hand", Some(paste.as_str())),
            Failure::Gateway(fault) => {
                let words = fault.words(self.language);
                match fault {
                    AdminError::Refused { code, paste, .. } => {
                        (words, code.as_str(), paste.as_deref())
                    }
                    AdminError::NotRunning { .. } => (words, "not-running", None),
                    AdminError::NoAccess { .. } => (words, "no-access", None),
                    _ => (words, "failed", None),
                }
            }
        };
        if self.json {
            let told = json_error(code, &words, paste);
            out!("{told}");
        } else {
            let mut err = std::io::stderr();
            drop(writeln!(err, "{}", table::calm(&words)));
            if let Some(paste) = paste {
                drop(writeln!(err, "\n{}", table::calm(paste)));
            }
        }
        match failure {
            Failure::Gateway(AdminError::NotRunning { .. }) => NOT_RUNNING,
            Failure::Usage(_) => USAGE,
            _ => REFUSED,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_and_every_option_has_its_help_in_both_languages() {
        for language in Language::ALL {
            let command = Arguments::command();
            let found = command_line::without_help(&command, language, &messages::CATALOGUE);
            assert!(found.is_empty(), "{language:?}: {found:#?}");
        }
    }

    #[test]
    fn help_is_in_the_language_asked_for() {
        let help = |language| commands(language).render_long_help().to_string();
        let russian = help(Language::Ru);
        assert!(russian.contains("Использование: "), "{russian}");
        assert!(!russian.contains("[OPTIONS]"), "{russian}");
        assert!(help(Language::En).contains("Usage: "));
    }

    #[test]
    fn the_tree_of_words_is_sound() {
        commands(Language::Ru).debug_assert();
    }
}
