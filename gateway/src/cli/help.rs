//! Help and usage faults in the administrator's language.
//!
//! The texts stand in the catalogue: `help-database-add` for a word, `help-database-add-port` for
//! an option of it, else `help-arg-port` for the option wherever it appears.

use std::io::Write;

use backend_types::Language;
use clap::{
    Arg, ArgAction, Command,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::{DONE, USAGE};
use crate::messages;

/// `command` with its help from the catalogue.
pub(super) fn localised(command: Command, language: Language) -> Command {
    let mut built = command.clone();
    built.build();
    walk(command, &mut built, "help", language)
}

fn walk(command: Command, built: &mut Command, path: &str, language: Language) -> Command {
    let say = |key: &str| messages::text(language, key, &[]);
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
        .about(say(path))
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
        let help = argument_help(path, &arg, language);
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
        command.mut_subcommand(name, |one| walk(one, built, &path, language))
    })
}

/// With the values that are understood, and the one that stands where nothing is said.
fn argument_help(path: &str, arg: &Arg, language: Language) -> String {
    let keys = argument_keys(path, arg.get_id().as_str());
    let found = keys.iter().find_map(|key| messages::find(language, key));
    let mut help = found.unwrap_or_default();
    let values = arg.get_possible_values();
    if arg.get_action().takes_values() && !values.is_empty() {
        let names: Vec<&str> = values.iter().map(|value| value.get_name()).collect();
        let names = names.join(", ");
        help.push_str(&messages::text(
            language,
            "help-values",
            &[("values", &names)],
        ));
    }
    if arg.get_action().takes_values()
        && let [default] = arg.get_default_values()
    {
        let default = default.to_string_lossy();
        help.push_str(&messages::text(
            language,
            "help-default",
            &[("value", &default)],
        ));
    }
    help
}

fn argument_keys(path: &str, argument: &str) -> [String; 2] {
    let argument = argument.replace('_', "-");
    [format!("{path}-{argument}"), format!("help-arg-{argument}")]
}

/// Prints help, the version or what is wrong with the words; gives the exit code.
pub(super) fn explain(fault: &clap::Error, language: Language) -> u8 {
    if !fault.use_stderr() {
        // A reader that has seen enough is no fault.
        drop(fault.print());
        return DONE;
    }
    let told = match sentence(fault, language) {
        Some(sentence) => format!(
            "{sentence}\n{}",
            messages::text(language, "usage-see-help", &[])
        ),
        None => fault.to_string(),
    };
    drop(writeln!(std::io::stderr(), "{told}"));
    USAGE
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
    let values = [("argument", argument.as_str()), ("value", value.as_str())];
    match fault.kind() {
        ErrorKind::UnknownArgument => Some(messages::text(language, "usage-unknown", &values)),
        ErrorKind::InvalidSubcommand => {
            let word = context(ContextKind::InvalidSubcommand).unwrap_or_default();
            Some(messages::text(
                language,
                "usage-no-such-word",
                &[("word", &word)],
            ))
        }
        ErrorKind::MissingRequiredArgument => {
            Some(messages::text(language, "usage-missing", &values))
        }
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            Some(messages::text(language, "usage-word-missing", &[]))
        }
        ErrorKind::InvalidValue if value.is_empty() => {
            Some(messages::text(language, "usage-value-missing", &values))
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            Some(messages::text(language, "usage-bad-value", &values))
        }
        ErrorKind::ArgumentConflict => Some(messages::text(language, "usage-conflict", &values)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Arguments;

    fn missing(command: &Command, path: &str, language: Language, found: &mut Vec<String>) {
        if messages::find(language, path).is_none() {
            found.push(path.to_owned());
        }
        for argument in command.get_arguments() {
            let keys = argument_keys(path, argument.get_id().as_str());
            if !keys
                .iter()
                .any(|key| messages::find(language, key).is_some())
            {
                found.push(keys.join(" or "));
            }
        }
        for word in command.get_subcommands() {
            missing(
                word,
                &format!("{path}-{}", word.get_name()),
                language,
                found,
            );
        }
    }

    #[test]
    fn every_word_and_every_option_has_its_help_in_both_languages() {
        for language in Language::ALL {
            let mut found = Vec::new();
            missing(&Arguments::command(), "help", language, &mut found);
            assert!(found.is_empty(), "{language:?}: {found:#?}");
        }
    }

    #[test]
    fn help_is_in_the_language_asked_for() {
        let help = |language| {
            let mut command = localised(Arguments::command(), language);
            command.render_long_help().to_string()
        };
        let russian = help(Language::Ru);
        assert!(russian.contains("Использование: "), "{russian}");
        assert!(!russian.contains("[OPTIONS]"), "{russian}");
        assert!(help(Language::En).contains("Usage: "));
    }

    #[test]
    fn the_tree_of_words_is_sound() {
        localised(Arguments::command(), Language::Ru).debug_assert();
    }
}
