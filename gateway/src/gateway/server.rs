//! The server port as the seed has it: what is saved takes effect when the server starts.
//!
//! Stopping it closes this one port; the databases' own ports go on, and so do requests under way
//! on it. A start of the process starts it.

use std::{
    iter::once,
    sync::{Arc, PoisonError},
};

use gateway_config::{Finding, Severity};
use gateway_policy::ports::{Holder, Listeners};

use super::world::{ChangeError, World, needs_restart};
use crate::{
    listeners::{PortFault, Wanted},
    messages::Language,
    status::ServerPort,
};

/// The configuration read before stays in force.
#[derive(Debug)]
pub(crate) enum ReloadError {
    Faulty(Vec<Finding>),
    Change(ChangeError),
    Lost(tokio::task::JoinError),
}

impl ReloadError {
    /// A line for each fault, in the file that people call `file`.
    pub(crate) fn words(&self, file: &str, language: Language) -> Vec<String> {
        match self {
            Self::Faulty(findings) => {
                let faults = findings
                    .iter()
                    .filter(|one| one.severity() == Severity::Fault);
                faults.map(|one| one.render(language)).collect()
            }
            Self::Change(fault) => vec![format!("{file}: {}", fault.words(language))],
            Self::Lost(fault) => vec![fault.to_string()],
        }
    }
}

impl World {
    /// As the server was at its last start; `None`: it is stopped.
    pub(super) fn server_in_force(&self) -> Option<ServerPort> {
        *self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_server(&self, server: Option<ServerPort>) {
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = server;
        self.status.tell(|told| told.server_in_force = server);
    }

    /// Requests under way on it finish.
    pub(crate) async fn stop_server(&self) -> Result<(), ChangeError> {
        let _one_change = self.changing.lock().await;
        self.set_server(None);
        tracing::info!(target: "security", "the server is stopped by the administrator");
        self.apply_in_force().await
    }

    /// With the port that is saved; one that runs goes on as it is. A port that is not free
    /// leaves the server stopped.
    pub(crate) async fn start_server(&self) -> Result<(), ChangeError> {
        let _one_change = self.changing.lock().await;
        if self.server_in_force().is_some() {
            return Ok(());
        }
        let saved = ServerPort::from(&self.sources().config.server);
        self.set_server(Some(saved));
        let applied = self.apply_in_force().await;
        let state = self.listeners.state(&Holder::Server).unwrap_or_default();
        let started = match (applied, state.fault) {
            (Ok(()), Some(fault @ (PortFault::Busy { .. } | PortFault::Refused { .. }))) => {
                Err(ChangeError::Ports(vec![fault]))
            }
            (applied, _) => applied,
        };
        match &started {
            Ok(()) => {
                tracing::info!(target: "security", port = saved.port, "the server is started by the administrator");
            }
            Err(_) => {
                self.set_server(None);
                self.apply_in_force().await?;
            }
        }
        started
    }

    /// Whether a server port could be saved: nobody else wants it, and it is free.
    pub(crate) async fn judge_server(&self, wished: ServerPort) -> Result<(), ChangeError> {
        let _one_change = self.changing.lock().await;
        let config = self.sources().config;
        let directory = self.shared.directory.load_full();
        let Some(certificates) = self.certificates() else {
            return Ok(());
        };
        let wanted = self.wanted(&directory, &certificates, &config);
        self.judge_saved(&wanted, wished, config.metrics.address())?;
        let its_own = self.server_in_force().map(|server| server.port);
        if its_own == Some(wished.port) {
            return Ok(());
        }
        let free = self.listeners.try_port(wished.port);
        free.map_err(|fault| ChangeError::Ports(vec![fault]))
    }

    /// The ports that are wanted now, with the server where it is saved to be: it must be able to
    /// start.
    pub(super) fn judge_saved(
        &self,
        wanted: &[Wanted],
        saved: ServerPort,
        metrics: Option<std::net::SocketAddr>,
    ) -> Result<(), ChangeError> {
        let others = wanted.iter().filter(|one| one.holder != Holder::Server);
        let others = others.map(|one| self.listeners.claim(one.holder.clone(), one.port));
        let server = self.listeners.claim(Holder::Server, saved.port);
        let metrics = metrics.map(|address| gateway_policy::ports::Claim {
            holder: Holder::Metrics,
            address,
        });
        let claims = metrics.into_iter().chain(others).chain(once(server));
        Listeners::judge(claims).map_err(ChangeError::Clash)?;
        Ok(())
    }

    /// The file as it is now, checked whole; faulty, the one before stays in force.
    pub(crate) async fn reload(&self) -> Result<(), ReloadError> {
        let done = self.reload_quietly().await;
        if let Err(fault) = &done {
            let file = self.config_file.display().to_string();
            self.faulty(fault.words(&file, self.shared.language()));
        }
        done
    }

    async fn reload_quietly(&self) -> Result<(), ReloadError> {
        let (file, overrides) = (self.config_file.clone(), self.overrides.clone());
        let shelf = Arc::clone(&self.shelf);
        let loaded = tokio::task::spawn_blocking(move || {
            shelf.read_changed();
            gateway_config::load(&file, &overrides)
        });
        let loaded = loaded
            .await
            .map_err(ReloadError::Lost)?
            .map_err(ReloadError::Faulty)?;
        let language = loaded.config.language;
        let mut warnings: Vec<String> = loaded
            .warnings
            .iter()
            .map(|warning| warning.render(language))
            .collect();
        warnings.extend(needs_restart(&self.started, &loaded.config, language));
        self.reload_with(loaded.config)
            .await
            .map_err(ReloadError::Change)?;
        tracing::info!(file = %self.config_file.display(), "configuration in force");
        for warning in &warnings {
            tracing::warn!(finding = warning, "configuration");
        }
        self.status.tell(|told| {
            told.config_faults.clear();
            told.config_warnings = warnings;
        });
        Ok(())
    }
}
