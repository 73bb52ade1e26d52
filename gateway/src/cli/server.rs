//! `gateway server …`: the server port, as the vendor's window of the local server has it.
//!
//! `set` writes the configuration file as the user who typed it; the gateway has judged the port
//! and the text before, and reads the file again after. It never writes it itself.
//!
//! Root asks a gateway that runs as a user of its own, and must not become the hand of whoever has
//! taken that over: such a gateway is not believed which file to write, nor what.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use backend_types::TlsProfile;
use clap::Subcommand;
use gateway_config::{Overrides, ServerPatch, Wish};

use super::{
    Failure, Outcome, Session,
    database::TlsName,
    switch,
    table::{Table, Tone},
};
use crate::{
    administration::Edit,
    installation,
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
    #[arg(long, value_name = "PROFILE")]
    tls: Option<TlsName>,
}

pub(super) fn run(server: Server, session: &Session) -> Outcome {
    let gateway = &session.gateway;
    let report: ServerReport = match server {
        Server::Show => gateway.get("/server")?,
        Server::Stop => gateway.post("/server/stop", &())?,
        Server::Start => gateway.post("/server/start", &())?,
        Server::Set(Set { port, https, tls }) => {
            let tls = tls.map(TlsProfile::from);
            let patch = ServerPatch { port, https, tls };
            let edit: Edit = gateway.post("/server/edit", &patch)?;
            save(&edit, patch, session)?
        }
    };
    session.show(&report, |report| print(report, session))
}

/// The text into its file, and the file into force; where the gateway refuses it after all, what
/// was there before comes back.
fn save(edit: &Edit, patch: ServerPatch, session: &Session) -> Result<ServerReport, Failure> {
    let by_hand = |cause: String| {
        let file = edit.file.display().to_string();
        let values = [("file", file.as_str()), ("cause", &cause)];
        Failure::ByHand {
            words: session.say("server-file-not-written", &values),
            paste: edit.paste.clone(),
        }
    };
    let unwritten = |fault: io::Error| by_hand(session.cause(&fault));
    let (file, text) = if session.gateway.is_ours() {
        (edit.file.clone(), edit.text.clone())
    } else {
        let own = installation::config_file(None);
        own_edit(edit, patch, &own).map_err(|fault| by_hand(fault.words(session)))?
    };
    let before = fs::read(&file).map_err(unwritten)?;
    if before != text.as_bytes() {
        write(&file, text.as_bytes()).map_err(unwritten)?;
    }
    let in_force = session.gateway.post("/reload", &());
    if in_force.is_err() {
        write(&file, &before).map_err(unwritten)?;
    }
    Ok(in_force?)
}

/// Why a gateway of another user is not obeyed.
#[derive(Debug)]
enum Unbelieved {
    /// It runs with another file than this command means.
    OtherFile,
    Change(gateway_config::CannotChange),
}

impl Unbelieved {
    fn words(&self, session: &Session) -> String {
        match self {
            Self::OtherFile => session.say("server-file-foreign", &[]),
            Self::Change(fault) => fault.words(session.language),
        }
    }
}

/// The edit as we make it ourselves, where the gateway means our file `own`.
fn own_edit(edit: &Edit, patch: ServerPatch, own: &Path) -> Result<(PathBuf, String), Unbelieved> {
    let real = |file: &Path| fs::canonicalize(file).map_err(|_unreadable| Unbelieved::OtherFile);
    if real(own)? != real(&edit.file)? {
        return Err(Unbelieved::OtherFile);
    }
    let wish = [Wish::Server(patch)];
    let changed = gateway_config::change_file(own, &Overrides::default(), &wish);
    let changed = changed.map_err(Unbelieved::Change)?;
    Ok((own.to_owned(), changed.text))
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
    if report.saved.https {
        table.field(say("status-tls"), report.tls.as_str());
    }
    drop(write!(io::stdout(), "{}", table.text(session.colour)));
    let old = match report.tls {
        TlsProfile::Old => Some("warning-tls-old"),
        TlsProfile::OldForEveryone => Some("warning-tls-old-for-everyone"),
        TlsProfile::Modern | TlsProfile::Intermediate => None,
    };
    if let Some(old) = old.filter(|_| report.saved.https) {
        out!("! {}", say(old));
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_of_another_user_writes_nothing_by_our_hand() {
        let folder = tempfile::tempdir().unwrap();
        let (own, victim) = (folder.path().join("own.yaml"), folder.path().join("victim"));
        let data = folder.path().display();
        let text = format!(
            "# mine\ndata: {data}\nserver: {{port: 1000, https: true}}\nbackend: embedded\n"
        );
        fs::write(&own, &text).unwrap();
        fs::write(&victim, "root:x:0:0").unwrap();
        let told = |file: &Path| Edit {
            file: file.to_owned(),
            text: "evil".to_owned(),
            paste: String::new(),
        };
        let patch = ServerPatch {
            port: Some(2000),
            ..ServerPatch::default()
        };
        let refused = own_edit(&told(&victim), patch, &own);
        assert!(matches!(refused, Err(Unbelieved::OtherFile)), "{refused:?}");
        let (file, honest) = own_edit(&told(&own), patch, &own).unwrap();
        assert_eq!(file, own);
        assert_eq!(honest, text.replace("1000", "2000"));
    }
}
