//! The server port: shown, judged, stopped and started; and the file read again, now.
//!
//! What is saved stands in the configuration file, and that is its owner's to write: the gateway
//! says what the text would be, the command line writes it.

use std::path::PathBuf;

use backend_types::Language;
use gateway_config::{ServerPatch, Wish};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{Administration, Refused};
use crate::{
    messages,
    status::{ServerPort, ServerReport},
};

/// What to write where.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Edit {
    /// Absolute.
    pub(crate) file: PathBuf,
    /// The whole file.
    pub(crate) text: String,
    /// The same for a person.
    pub(crate) paste: String,
}

impl Administration {
    pub(super) fn server(&self, language: Language) -> Result<ServerReport, Refused> {
        let server = self.world.status.server(language);
        server.ok_or_else(|| Refused::not_here(language))
    }

    /// Judged by the ports that others want or hold, and as a change of the file.
    pub(super) async fn edit_server(
        &self,
        patch: ServerPatch,
        language: Language,
    ) -> Result<Edit, Refused> {
        let saved = self.server(language)?.saved;
        let wished = ServerPort {
            port: patch.port.unwrap_or(saved.port),
            https: patch.https.unwrap_or(saved.https),
        };
        // Whoever wants another profile alone does not ask for the port.
        if patch.port.is_some() || patch.https.is_some() {
            let judged = self.world.judge_server(wished).await;
            judged.map_err(|fault| Refused::change(&fault, language))?;
        }
        let changed = self.change_file(vec![Wish::Server(patch)]);
        let changed = changed.await.map_err(|fault| {
            let words = fault.words(language);
            Refused::new(StatusCode::CONFLICT, "file", words)
        })?;
        let file = self.world.config_file();
        let paste = changed.instructions(&file.display().to_string(), language);
        let file = std::path::absolute(file).unwrap_or_else(|_no_folder| file.to_owned());
        Ok(Edit {
            file,
            text: changed.text,
            paste,
        })
    }

    pub(super) async fn stop_server(&self, language: Language) -> Result<ServerReport, Refused> {
        let stopped = self.world.stop_server().await;
        stopped.map_err(|fault| Refused::change(&fault, language))?;
        self.server(language)
    }

    pub(super) async fn start_server(&self, language: Language) -> Result<ServerReport, Refused> {
        let started = self.world.start_server().await;
        started.map_err(|fault| Refused::change(&fault, language))?;
        self.server(language)
    }

    pub(super) async fn reload(&self, language: Language) -> Result<ServerReport, Refused> {
        if let Err(fault) = self.world.reload().await {
            let file = self.world.config_file().display().to_string();
            let faults = fault.words(&file, language).join("\n");
            let values = [("file", file.as_str()), ("faults", &faults)];
            let message = messages::text(language, "admin-faulty-file", &values);
            return Err(Refused::new(StatusCode::CONFLICT, "faulty-file", message));
        }
        self.server(language)
    }
}
