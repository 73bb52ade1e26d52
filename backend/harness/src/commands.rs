//! A program's commands as Markdown, from its own tree of them.

use clap::{Arg, Command};

/// Every command under its heading, with its usage and a table of its options; those `common` to
/// all are left out.
#[must_use]
pub fn commands(root: &mut Command, common: &[&str], head: [&str; 2]) -> String {
    root.build();
    let mut text = String::new();
    let path = root.get_name().to_owned();
    one(root, &path, common, head, &mut text);
    text
}

fn one(command: &mut Command, path: &str, common: &[&str], head: [&str; 2], text: &mut String) {
    let about = command.get_long_about().or(command.get_about());
    let about = about.map(ToString::to_string).unwrap_or_default();
    *text += &format!("\n### {path}\n\n{}\n", sentence(&about));
    if !path.contains(' ') || !command.has_subcommands() {
        let usage = command.render_usage().to_string();
        let usage = usage.split_once(": ").map_or(&*usage, |(_, usage)| usage);
        *text += &format!("\n```text\n{}\n```\n", usage.trim_end());
    }
    let own = command.get_arguments();
    let own = own.filter(|arg| !common.contains(&arg.get_id().as_str()) && arg.get_id() != "help");
    let table = options(own, head);
    if !table.is_empty() {
        *text += &format!("\n{table}");
    }
    for word in command.get_subcommands_mut() {
        let path = format!("{path} {}", word.get_name());
        one(word, &path, common, head, text);
    }
}

/// A table of options; nothing where there are none.
#[must_use]
pub fn options<'a>(options: impl Iterator<Item = &'a Arg>, head: [&str; 2]) -> String {
    let rows: String = options.map(row).collect();
    match rows.is_empty() {
        true => rows,
        false => format!("| {} | {} |\n|---|---|\n{rows}", head[0], head[1]),
    }
}

fn row(arg: &Arg) -> String {
    let help = arg.get_long_help().or(arg.get_help());
    let mut help = sentence(&help.map(ToString::to_string).unwrap_or_default());
    let valued = arg.get_action().takes_values();
    let values = arg.get_possible_values();
    if valued && !values.is_empty() && !arg.is_hide_possible_values_set() {
        let names: Vec<&str> = values
            .iter()
            .map(clap::builder::PossibleValue::get_name)
            .collect();
        help += &format!(" [values: {}]", names.join(", "));
    }
    if let [default] = arg.get_default_values()
        && valued
        && !arg.is_hide_default_value_set()
    {
        help += &format!(" [default: {}]", default.to_string_lossy());
    }
    let name = match arg.get_short() {
        Some(short) if !arg.is_positional() => format!("-{short}, {arg}"),
        _ => arg.to_string(),
    };
    let cells = [format!("`{name}`"), help].map(|cell| cell.replace('|', "\\|").replace('\n', " "));
    format!("| {} |\n", cells.join(" | "))
}

/// Help is written without a full stop.
fn sentence(text: &str) -> String {
    match text.ends_with(['.', ']', '?']) || text.is_empty() {
        true => text.to_owned(),
        false => format!("{text}."),
    }
}
