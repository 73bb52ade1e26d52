//! `gateway doctype …`: document types listed, and imported from a file of the API's own shape.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use clap::Subcommand;
use serde_json::Value;

use super::{Failure, Outcome, Session, table::Table};

/// What can be imported again as it comes.
const WHOLE: &str = "DocTypes?$expand=fields,columns,tables($expand=fields)";
/// As the backend has it.
const LONGEST: u64 = 64 * 1024 * 1024;

#[derive(Subcommand)]
pub(super) enum Doctype {
    List {
        #[arg(value_name = "DATABASE")]
        database: String,
    },
    Import {
        #[arg(value_name = "DATABASE")]
        database: String,
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

pub(super) fn run(doctype: Doctype, session: &Session) -> Outcome {
    match doctype {
        Doctype::List { database } => {
            let types: Vec<Value> = session.entities(&database)?.list(WHOLE)?;
            session.show(&types, |types| print(types, session))
        }
        Doctype::Import { database, file } => {
            let types = read(&file, session)?;
            let entities = session.entities(&database)?;
            let answer: Value = entities.post("DocTypes", &types)?;
            session.show(&answer, |answer| {
                let number = |name: &str| answer.get(name).map(ToString::to_string);
                let (added, changed) = (number("added"), number("changed"));
                let values = [
                    ("added", added.as_deref().unwrap_or_default()),
                    ("changed", changed.as_deref().unwrap_or_default()),
                ];
                out!("{}", session.say("doctype-imported", &values));
            })
        }
    }
}

/// The types of a file: a list, `{"value": […]}` as `GET DocTypes` answers it, or one type.
fn read(file: &Path, session: &Session) -> Result<Vec<Value>, Failure> {
    let is_input = file == Path::new("-");
    let shown = if is_input {
        "stdin".to_owned()
    } else {
        file.display().to_string()
    };
    let refuse =
        |key: &str, cause: &str| session.refuse(key, &[("file", shown.as_str()), ("cause", cause)]);
    let unreadable = |fault: std::io::Error| session.unreadable(Path::new(&shown), &fault);
    let mut bytes = Vec::new();
    let read = if is_input {
        std::io::stdin().take(LONGEST).read_to_end(&mut bytes)
    } else {
        let file = std::fs::File::open(file).map_err(unreadable)?;
        file.take(LONGEST).read_to_end(&mut bytes)
    };
    read.map_err(unreadable)?;
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    if text.trim_ascii_start().starts_with(b"<") {
        return Err(refuse("doctype-file-xml", ""));
    }
    let value: Value = serde_json::from_slice(text)
        .map_err(|fault| refuse("doctype-file-no-json", &session.cause(&fault)))?;
    let types = match value {
        Value::Array(types) => types,
        Value::Object(mut answer) => match answer.remove("value") {
            Some(Value::Array(types)) => types,
            Some(_) => return Err(refuse("doctype-file-no-types", "")),
            None => vec![Value::Object(answer)],
        },
        _ => return Err(refuse("doctype-file-no-types", "")),
    };
    match types.is_empty() || !types.iter().all(Value::is_object) {
        true => Err(refuse("doctype-file-no-types", "")),
        false => Ok(types),
    }
}

fn print(types: &[Value], session: &Session) {
    let heads = ["name", "path", "virtual", "created-on-device", "removable"];
    let mut table = Table::with_head(heads.map(|head| session.say(&format!("head-{head}"), &[])));
    for one in types {
        let text = |name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default();
        let flag = |name: &str| {
            let on = one.get(name).and_then(Value::as_bool);
            session.yes_or_no(on.unwrap_or_default())
        };
        table.row([
            text("name").into(),
            text("uni").into(),
            flag("virtual").into(),
            flag("clientCreating").into(),
            flag("allowRemoveDocuments").into(),
        ]);
    }
    out!("{}", table.text(session.colour).trim_end());
}
