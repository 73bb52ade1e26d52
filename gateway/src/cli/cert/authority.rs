//! `gateway cert authority`: a certificate of our own authority, which is made by the first one.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use gateway_certificates::{KeyKind, authority::Constraint};

use super::{Place, ascii, key_kind, parsed, print_changed};
use crate::{
    administration::certificates::authority::{AuthorityWish, Issued, KeyAway, RootReport},
    cli::{
        Failure, Outcome, Session,
        table::{Cell, Table, Tone},
    },
};

#[derive(clap::Args)]
pub(in crate::cli) struct Authority {
    #[command(flatten)]
    place: Place,
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<String>,
    #[arg(long = "key", value_name = "KEY", value_parser = key_kind)]
    keys: Vec<KeyKind>,
    #[arg(long = "constrain", value_name = "NAME")]
    constraints: Vec<String>,
    #[arg(long, value_name = "FILE", conflicts_with = "root_key")]
    root_key_to: Option<PathBuf>,
    #[arg(long, value_name = "FILE")]
    root_key: Option<PathBuf>,
}

impl Authority {
    pub(super) fn run(self, session: &Session) -> Outcome {
        let constraints = self.constraints.iter().map(|text| {
            let constraint = ascii(text).parse::<Constraint>();
            constraint.map_err(|_unknown| session.misused("cert-not-a-name", &[("name", text)]))
        });
        let wish = AuthorityWish {
            names: parsed(&self.names, session)?,
            keys: self.keys,
            constraints: constraints.collect::<Result<_, _>>()?,
            root_key: root_key(self.root_key.as_deref(), session)?,
            take_root_key: self.root_key_to.is_some(),
        };
        // Before anything is done: a place that cannot be written to is found out now.
        let elsewhere = self.root_key_to.as_deref();
        let elsewhere = elsewhere.map(|file| NewFile::make(file, session));
        let elsewhere = elsewhere.transpose()?;
        let path = format!("/certificates/{}/authority", self.place.slot(session)?);
        let mut issued: Issued = session.gateway.post(&path, &wish)?;
        if let (Some(elsewhere), Some(key)) = (elsewhere, issued.root_key.take()) {
            let bytes = openssl::base64::decode_block(&key);
            let bytes = bytes.map_err(|fault| Failure::Said(session.cause(&fault)))?;
            elsewhere.keep(&bytes, session)?;
            let away = KeyAway { root_key: key };
            issued.root = session.gateway.post("/authority/key-away", &away)?;
        }
        session.show(&issued, |issued| {
            print_changed(&issued.changed, session);
            out!("");
            print_root(&issued.root, session);
            if let Some(file) = &self.root_key_to {
                let file = file.display().to_string();
                out!(
                    "! {}",
                    session.say("cert-root-key-moved", &[("file", &file)])
                );
            }
        })
    }
}

fn print_root(root: &RootReport, session: &Session) {
    let say = |key: &str| session.say(key, &[]);
    out!("{}", Tone::Strong.paint(&say("cert-root"), session.colour));
    let mut table = Table::default();
    let mut row = |name: &str, value: Cell| table.field(format!("  {}", say(name)), value);
    row("status-certificate", root.file.as_str().into());
    row("status-holder", root.holder.as_str().into());
    row("status-expires", session.moment(&root.expires).into());
    if !root.constraints.is_empty() {
        row("cert-root-constraints", root.constraints.join(", ").into());
    }
    let key = match root.has_key {
        true => "cert-root-key-here",
        false => "cert-root-key-away",
    };
    row("cert-root-key", say(key).into());
    row("status-thumbprint", root.thumbprint_sha1.as_str().into());
    row(
        "status-thumbprint-sha256",
        root.thumbprint_sha256.as_str().into(),
    );
    out!("{}", table.text(session.colour).trim_end());
}

/// The root's key where it was moved to, as it is sent.
pub(super) fn root_key(file: Option<&Path>, session: &Session) -> Result<Option<String>, Failure> {
    let read = |file: &Path| {
        let bytes = fs::read(file).map_err(|fault| session.unreadable(file, &fault))?;
        Ok(openssl::base64::encode_block(&bytes))
    };
    file.map(read).transpose()
}

fn unwritable(file: &Path, fault: &io::Error, session: &Session) -> Failure {
    let (file, cause) = (file.display().to_string(), session.cause(fault));
    let values = [("file", file.as_str()), ("cause", &cause)];
    if fault.kind() == io::ErrorKind::AlreadyExists {
        return session.refuse("cert-file-there", &values[..1]);
    }
    session.refuse("cert-file-unwritable", &values)
}

/// A file with a secret that nobody had before; gone again if nothing comes of it.
pub(super) struct NewFile {
    path: PathBuf,
    file: fs::File,
    kept: bool,
}

impl NewFile {
    pub(super) fn make(path: &Path, session: &Session) -> Result<Self, Failure> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path);
        Ok(Self {
            file: file.map_err(|fault| unwritable(path, &fault, session))?,
            path: path.to_owned(),
            kept: false,
        })
    }

    pub(super) fn keep(mut self, bytes: &[u8], session: &Session) -> Outcome {
        let written = self.file.write_all(bytes);
        let written = written.and_then(|()| self.file.sync_all());
        // With its name: the gateway forgets its own copy when this is done.
        let folder = self.path.parent().filter(|one| *one != Path::new(""));
        let folder = folder.unwrap_or(Path::new("."));
        let written = written.and_then(|()| fs::File::open(folder)?.sync_all());
        written.map_err(|fault| unwritable(&self.path, &fault, session))?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.kept {
            drop(fs::remove_file(&self.path));
        }
    }
}
