//! `gateway server …`: the server port, as the vendor's window of the local server has it.
//!
//! `set` writes the configuration file as the user who typed it; the gateway has judged the port
//! and the text before, and reads the file again after. It never writes it itself.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::Path,
};

use clap::Subcommand;

use super::{
    Failure, Outcome, Session, switch,
    table::{Table, Tone},
};
use crate::{
    administration::{Edit, ServerPatch},
    status::{Report, ServerPort, ServerReport},
};

#[derive(Subcommand)]
pub(super) enum Server {
    Show,
    Set(Set),
    Stop,
    Start,
}

#[derive(clap::Args)]
#[group(required = true, multiple = true)]
pub(super) struct Set {
    #[arg(long)]
    port: Option<u16>,
    #[arg(long, value_name = switch::NAMES, value_parser = switch::parse)]
    https: Option<bool>,
}

pub(super) fn run(server: Server, session: &Session) -> Outcome {
    let gateway = &session.gateway;
    let report: ServerReport = match server {
        Server::Show => gateway.get("/server")?,
        Server::Stop => gateway.post("/server/stop", &())?,
        Server::Start => gateway.post("/server/start", &())?,
        Server::Set(Set { port, https }) => {
            let edit: Edit = gateway.post("/server/edit", &ServerPatch { port, https })?;
            save(&edit, session)?
        }
    };
    session.show(&report, |report| print(report, session))
}

/// The text into its file, and the file into force; where the gateway refuses it after all, what
/// was there before comes back.
fn save(edit: &Edit, session: &Session) -> Result<ServerReport, Failure> {
    let unwritten = |fault: io::Error| {
        let (file, cause) = (edit.file.display().to_string(), fault.to_string());
        let values = [("file", file.as_str()), ("cause", &cause)];
        Failure::ByHand {
            words: session.say("server-file-not-written", &values),
            paste: edit.paste.clone(),
        }
    };
    let before = fs::read(&edit.file).map_err(unwritten)?;
    if before != edit.text.as_bytes() {
        write(&edit.file, edit.text.as_bytes()).map_err(unwritten)?;
    }
    let in_force = session.gateway.post("/reload", &());
    if in_force.is_err() {
        write(&edit.file, &before).map_err(unwritten)?;
    }
    Ok(in_force?)
}

/// In place: owner, mode and links of the file are somebody's decision.
fn write(file: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(file)?;
    file.write_all(text)?;
    file.set_len(text.len() as u64)?;
    file.sync_all()
}

fn print(report: &ServerReport, session: &Session) {
    let say = |key: &str| session.say(key, &[]);
    let mut table = Table::default();
    table.field(say("server-saved"), words(report.saved));
    let in_force = report.in_force.map_or_else(|| say("server-none"), words);
    table.field(say("server-in-force"), in_force);
    table.field(say("status-state"), session.state_cell(&report.state));
    drop(write!(io::stdout(), "{}", table.text(session.colour)));
    if let Some(hint) = hint(report, session) {
        out!("{}", Tone::Strong.paint(&hint, session.colour));
    }
}

fn words(server: ServerPort) -> String {
    let scheme = if server.https { "https" } else { "http" };
    format!("{scheme} {}", server.port)
}

/// What is left to do for the saved port to be in force.
fn hint(report: &ServerReport, session: &Session) -> Option<String> {
    match report.in_force {
        Some(in_force) if in_force != report.saved => Some(session.say("server-waits", &[])),
        _ => None,
    }
}

/// The server's line in `status`.
pub(super) fn line(report: &Report, session: &Session) -> Option<String> {
    let server = report.server.as_ref()?;
    let state = session.state(&server.state);
    Some(match server.in_force {
        Some(in_force) if in_force != server.saved => {
            let values = [
                ("saved", words(server.saved)),
                ("in_force", words(in_force)),
            ];
            let values: Vec<(&'static str, &str)> = values
                .iter()
                .map(|(key, value)| (*key, value.as_str()))
                .collect();
            format!("{} {state}", session.say("server-differs", &values))
        }
        _ => format!("{} {state}", words(server.saved)),
    })
}
