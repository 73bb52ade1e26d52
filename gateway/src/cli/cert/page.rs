//! `gateway cert page`: the page for terminals as one file, to be printed, mailed or carried over.

use std::{fs, path::PathBuf};

use serde_json::json;

use super::parsed;
use crate::{
    administration::certificates::page::{Made, Wish},
    certificate_page::fingerprint_lines,
    cli::{Outcome, Session},
};

#[derive(clap::Args)]
pub(in crate::cli) struct Page {
    #[arg(long, value_name = "DATABASE")]
    database: Option<String>,
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

impl Page {
    pub(in crate::cli) fn run(self, session: &Session) -> Outcome {
        let database = self.database.as_deref();
        let database = database.map(|named| session.database(named)).transpose()?;
        let host: Vec<String> = self.host.into_iter().collect();
        let wish = Wish {
            database: database.map(|one| one.id),
            host: parsed(&host, session)?.pop(),
        };
        let made: Made = session.gateway.post("/certificates/page", &wish)?;
        let Some(file) = self.to else {
            return session.show(&made, |made| out!("{}", made.html.trim_end()));
        };
        let name = file.display().to_string();
        fs::write(&file, &made.html).map_err(|fault| {
            let cause = session.cause(&fault);
            session.refuse(
                "cert-page-not-written",
                &[("file", &name), ("cause", &cause)],
            )
        })?;
        let written = json!({"file": file, "fingerprints": made.fingerprints});
        session.show(&written, |_| {
            out!("{}", session.say("cert-page-written", &[("file", &name)]));
            for one in &made.fingerprints {
                out!("");
                out!("{}", one.holder);
                for (kind, hex) in [("SHA-256", &one.sha256), ("SHA-1", &one.sha1)] {
                    for (place, line) in fingerprint_lines(hex).iter().enumerate() {
                        let kind = if place == 0 { kind } else { "" };
                        out!("  {kind:7}  {}. {line}", place + 1);
                    }
                }
            }
        })
    }
}
