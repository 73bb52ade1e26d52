//! Help and usage faults of a command line in the reader's language.
//!
//! The texts stand in the program's catalogue: `help-database-add` for a word,
//! `help-database-add-port` for an option of it, else `help-arg-port` for the option wherever it
//! appears. What clap itself would say stands beside this file.

use std::io::Write;

use backend_types::Language;
use clap::{
    Arg, ArgAction, Command,
    error::{ContextKind, ContextValue, ErrorKind},
};
use fluent_templates::StaticLoader;

use crate::{OWN, find, text};

const DONE: u8 = 0;
const USAGE: u8 = 2;

/// `command` with its help from the catalogue.
#[must_use]
pub fn localised(command: Command, language: Language, catalogue: &StaticLoader) -> Command {
    let mut built = command.clone();
    built.build();
    let help = Help {
        language,
        catalogue,
    };
    help.walk(command, &mut built, "help")
}

/// For a program's tests: every word and option that has no help in this language.
#[must_use]
pub fn without_help(
    command: &Command,
    language: Language,
    catalogue: &StaticLoader,
) -> Vec<String> {
    let help = Help {
        language,
        catalogue,
    };
    let mut found = Vec::new();
    help.missing(command, "help", &mut found);
    found
}

struct Help<'a> {
    language: Language,
    catalogue: &'a StaticLoader,
}

impl Help<'_> {
    fn walk(&self, command: Command, built: &mut Command, path: &str) -> Command {
        let say = |key: &str| text(&OWN, self.language, key, &[]);
        let usage = built.render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ");
        let usage = usage.replace("[OPTIONS]", &say("help-word-options"));
        let usage = usage.replace("[COMMAND]", &say("help-word-command"));
        let usage = usage.replace("<COMMAND>", &say("help-word-command"));
        let template = format!(
            "{{about-with-newline}}\n{}: {{usage}}\n\n{{all-args}}{{after-help}}",
            say("help-word-usage")
        );
        let (options, arguments) = (say("help-heading-options"), say("help-heading-arguments"));
        let command = command
            .about(text(self.catalogue, self.language, path, &[]))
            .help_template(template)
            .override_usage(usage)
            .subcommand_help_heading(say("help-heading-commands"))
            .disable_help_flag(true)
            .disable_version_flag(true)
            .arg(
                Arg::new("help")
                    .short('h')
                    .long("help")
                    .action(ArgAction::Help),
            );
        let command = if path == "help" {
            let version = Arg::new("version").short('V').long("version");
            command.arg(version.action(ArgAction::Version))
        } else {
            command
        };
        let mut place = 0;
        let command = command.mut_args(|arg| {
            place += 1;
            let heading = if arg.is_positional() {
                &arguments
            } else {
                &options
            };
            let help = self.of_argument(path, &arg);
            let valued = arg.get_action().takes_values();
            arg.help(help)
                .help_heading(heading.clone())
                .display_order(place)
                .hide_default_value(valued)
                .hide_possible_values(valued)
        });
        let names: Vec<String> = command
            .get_subcommands()
            .map(|one| one.get_name().to_owned())
            .collect();
        names.iter().fold(command, |command, name| {
            let Some(built) = built.find_subcommand_mut(name) else {
                return command;
            };
            let path = format!("{path}-{name}");
            command.mut_subcommand(name, |one| self.walk(one, built, &path))
        })
    }

    /// With the values that are understood, and the one that stands where nothing is said.
    fn of_argument(&self, path: &str, arg: &Arg) -> String {
        let say = |key, values: &[(&'static str, &str)]| text(&OWN, self.language, key, values);
        let found = self.find_argument(path, arg);
        let mut help = found.unwrap_or_default();
        let values = arg.get_possible_values();
        if arg.get_action().takes_values() && !values.is_empty() {
            let names: Vec<&str> = values.iter().map(|value| value.get_name()).collect();
            help += &say("help-values", &[("values", &names.join(", "))]);
        }
        if arg.get_action().takes_values()
            && let [default] = arg.get_default_values()
        {
            let default = default.to_string_lossy();
            help += &say("help-default", &[("value", &default)]);
        }
        help
    }

    fn find_argument(&self, path: &str, arg: &Arg) -> Option<String> {
        let name = arg.get_id().as_str().replace('_', "-");
        let anywhere = format!("help-arg-{name}");
        find(self.catalogue, self.language, &format!("{path}-{name}"))
            .or_else(|| find(self.catalogue, self.language, &anywhere))
            .or_else(|| find(&OWN, self.language, &anywhere))
    }

    fn missing(&self, command: &Command, path: &str, found: &mut Vec<String>) {
        if find(self.catalogue, self.language, path).is_none() {
            found.push(path.to_owned());
        }
        for arg in command.get_arguments() {
            if self.find_argument(path, arg).is_none() {
                found.push(format!("{path}: {}", arg.get_id()));
            }
        }
        for word in command.get_subcommands() {
            self.missing(word, &format!("{path}-{}", word.get_name()), found);
        }
    }
}

/// Prints help, the version or what is wrong with the words; gives the exit code.
#[must_use]
pub fn explain(fault: &clap::Error, language: Language) -> u8 {
    if !fault.use_stderr() {
        // A reader that has seen enough is no fault.
        drop(fault.print());
        return DONE;
    }
    let told = match sentence(fault, language) {
        Some(sentence) => format!(
            "{sentence}\n{}",
            text(&OWN, language, "usage-see-help", &[])
        ),
        None => fault.to_string(),
    };
    drop(writeln!(std::io::stderr(), "{told}"));
    USAGE
}

/// What is wrong with the words, in one piece, for an answer to a program.
#[must_use]
pub fn misuse(fault: &clap::Error, language: Language) -> String {
    sentence(fault, language).unwrap_or_else(|| fault.to_string())
}

/// clap's own sentences are English only; the ones people meet are said here.
fn sentence(fault: &clap::Error, language: Language) -> Option<String> {
    let context = |kind| {
        fault.get(kind).map(|value| match value {
            ContextValue::Strings(many) => many.join(", "),
            other => other.to_string(),
        })
    };
    let argument = context(ContextKind::InvalidArg).unwrap_or_default();
    let value = context(ContextKind::InvalidValue).unwrap_or_default();
    let word = context(ContextKind::InvalidSubcommand).unwrap_or_default();
    let key = match fault.kind() {
        ErrorKind::UnknownArgument => "usage-unknown",
        ErrorKind::InvalidSubcommand => "usage-no-such-word",
        ErrorKind::MissingRequiredArgument => "usage-missing",
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "usage-word-missing"
        }
        ErrorKind::InvalidValue if value.is_empty() => "usage-value-missing",
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => "usage-bad-value",
        ErrorKind::ArgumentConflict => "usage-conflict",
        ErrorKind::InvalidUtf8 => "usage-not-utf-8",
        _ => return None,
    };
    let values = [
        ("argument", argument.as_str()),
        ("value", &value),
        ("word", &word),
    ];
    Some(text(&OWN, language, key, &values))
}
