//! `gateway property …`: the configuration's properties, as the vendor's tab «Свойства» has them.

use clap::Subcommand;
use serde_json::{Map, Value};

use super::{
    Outcome, Session, secret, switch,
    table::{Cell, Table, Tone},
};

const SINGLETON: &str = "Configuration";
/// What stands in the place of a password that nobody may read.
const HIDDEN: &str = "•••••";

#[derive(Subcommand)]
pub(super) enum Property {
    List {
        #[arg(value_name = "DATABASE")]
        database: String,
    },
    Set(Box<Set>),
}

#[derive(clap::Args)]
pub(super) struct Set {
    #[arg(value_name = "DATABASE")]
    database: String,
    #[arg(long)]
    name: Option<String>,
    #[arg(long, value_name = "VERSION")]
    android_client_version: Option<String>,
    #[arg(long, value_name = "VERSION")]
    mobile_client_version: Option<String>,
    #[arg(long, value_name = "VERSION")]
    editor_version: Option<String>,
    #[arg(long, value_name = "VERSION")]
    server_version: Option<String>,
    #[arg(long, value_name = switch::NAMES, value_parser = switch::parse)]
    popup_messages: Option<bool>,
    #[arg(long, value_name = switch::NAMES, value_parser = switch::parse)]
    detailed_errors: Option<bool>,
    #[arg(long, value_name = switch::NAMES, value_parser = switch::parse)]
    document_counts_on_buttons: Option<bool>,
    #[arg(long, value_name = "TEXT")]
    warehouse_selection_text: Option<String>,
    #[arg(long, value_name = switch::NAMES, value_parser = switch::parse)]
    return_others_documents: Option<bool>,
    #[arg(long, value_name = switch::NAMES, value_parser = switch::parse)]
    barcode_login: Option<bool>,
    #[arg(long, value_name = switch::NAMES, value_parser = switch::parse)]
    ask_return_on_user_change: Option<bool>,
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    #[arg(long, conflicts_with = "no_exit_password")]
    exit_password_stdin: bool,
    #[arg(long)]
    no_exit_password: bool,
    #[arg(long, value_name = "DAYS")]
    backup_days: Option<u32>,
    #[arg(long, value_name = "MEGABYTES")]
    backup_megabytes: Option<u32>,
}

/// The tab's headings with the properties under each, in its order.
const TAB: &[(&str, &[&str])] = &[
    ("property-heading-main", &["name"]),
    (
        "property-heading-versions",
        &[
            "androidClientVersion",
            "mobileClientVersion",
            "editorVersion",
            "serverVersion",
        ],
    ),
    (
        "property-heading-interface",
        &[
            "popupMessages",
            "detailedErrors",
            "documentCountsOnButtons",
            "warehouseSelectionText",
        ],
    ),
    (
        "property-heading-history",
        &["author", "version", "authorMachine", "lastUpdate"],
    ),
    (
        "property-heading-other",
        &[
            "returnOthersDocuments",
            "barcodeLogin",
            "askReturnOnUserChange",
            "comment",
            "exitPassword",
        ],
    ),
    (
        "property-heading-backups",
        &["backupDays", "backupMegabytes"],
    ),
];

pub(super) fn run(property: Property, session: &Session) -> Outcome {
    let database = match property {
        Property::List { database } => database,
        Property::Set(set) => {
            let database = set.database.clone();
            let body = set.body(session)?;
            if body.is_empty() {
                return Err(session.misused("set-nothing", &[]));
            }
            session.entities(&database)?.patch(SINGLETON, &body)?;
            database
        }
    };
    let mut properties: Map<String, Value> = session.entities(&database)?.get(SINGLETON)?;
    properties.retain(|name, _| !name.starts_with('@'));
    session.show(&properties, |properties| print(properties, session))
}

impl Set {
    fn body(self, session: &Session) -> Result<Map<String, Value>, super::Failure> {
        let exit_password = match (self.exit_password_stdin, self.no_exit_password) {
            (true, _) => Some(secret::read(session, "property-type-exit-password")?),
            (false, true) => Some(String::new()),
            (false, false) => None,
        };
        let texts = [
            ("name", self.name),
            ("androidClientVersion", self.android_client_version),
            ("mobileClientVersion", self.mobile_client_version),
            ("editorVersion", self.editor_version),
            ("serverVersion", self.server_version),
            ("warehouseSelectionText", self.warehouse_selection_text),
            ("comment", self.comment),
            ("exitPassword", exit_password),
        ];
        let switches = [
            ("popupMessages", self.popup_messages),
            ("detailedErrors", self.detailed_errors),
            ("documentCountsOnButtons", self.document_counts_on_buttons),
            ("returnOthersDocuments", self.return_others_documents),
            ("barcodeLogin", self.barcode_login),
            ("askReturnOnUserChange", self.ask_return_on_user_change),
        ];
        let numbers = [
            ("backupDays", self.backup_days),
            ("backupMegabytes", self.backup_megabytes),
        ];
        let texts = texts.map(|(name, text)| (name, text.map(Value::from)));
        let switches = switches.map(|(name, on)| (name, on.map(Value::from)));
        let numbers = numbers.map(|(name, number)| (name, number.map(Value::from)));
        let given = texts.into_iter().chain(switches).chain(numbers);
        let given = given.filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Ok(given.collect())
    }
}

fn print(properties: &Map<String, Value>, session: &Session) {
    let mut table = Table::default();
    for (heading, names) in TAB {
        table.row([Cell::new(session.say(heading, &[]), Tone::Strong)]);
        for name in *names {
            let label = session.say(&format!("property-{}", kebab(name)), &[]);
            table.field(format!("  {label}"), shown(properties, name, session));
        }
    }
    out!("{}", table.text(session.colour).trim_end());
}

fn shown(properties: &Map<String, Value>, name: &str, session: &Session) -> String {
    if name == "exitPassword" {
        let is_set = properties.get("exitPasswordSet") == Some(&Value::Bool(true));
        return if is_set { HIDDEN } else { "" }.to_owned();
    }
    match properties.get(name) {
        Some(Value::Bool(on)) => session.yes_or_no(*on),
        Some(Value::String(text)) if name == "lastUpdate" => match text.starts_with("0001") {
            true => String::new(),
            false => session.moment(text),
        },
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

/// `popupMessages` as options and keys of messages have it: `popup-messages`.
fn kebab(name: &str) -> String {
    let mut kebab = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            kebab.push('-');
        }
        kebab.push(letter.to_ascii_lowercase());
    }
    kebab
}

#[cfg(test)]
mod tests {
    use backend_types::Language;

    use super::*;
    use crate::messages;

    #[test]
    fn every_property_of_the_tab_has_its_label_in_both_languages() {
        for (heading, names) in TAB {
            let labels = names.iter().map(|name| format!("property-{}", kebab(name)));
            for key in labels.chain([(*heading).to_owned()]) {
                for language in Language::ALL {
                    assert!(messages::find(language, &key).is_some(), "{key}");
                }
            }
        }
    }
}
