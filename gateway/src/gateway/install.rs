//! A certificate put into its slot, on disk and then in force, one at a time; and the devices that
//! are let in, as they change.

use std::sync::Arc;

use gateway_certificates::{
    Authority, Certificate, Plan, Slot, Store, StoreError, authority::AuthorityError,
    devices::Trust, store::Replaced, validity,
};
use gateway_config::CertificatePair;

use super::world::{ChangeError, World};

#[derive(Debug, thiserror::Error)]
pub(crate) enum InstallError {
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Change(#[from] ChangeError),
}

impl From<tokio::task::JoinError> for InstallError {
    fn from(fault: tokio::task::JoinError) -> Self {
        Self::Change(fault.into())
    }
}

impl World {
    pub(crate) fn certificate_store(&self) -> Store {
        Store::new(self.data_folder().join("tls"))
    }

    pub(crate) fn authority(&self) -> Authority {
        Authority::of(&self.data_folder())
    }

    /// In place of whatever the slot has; in force when this returns. Says where the one before is
    /// kept, if it is.
    pub(crate) async fn install(
        &self,
        slot: &Slot,
        certificate: Certificate,
        plan: Plan,
    ) -> Result<Option<Replaced>, InstallError> {
        let _one = self.installing.lock().await;
        self.put(slot, certificate, plan).await
    }

    /// The same, if the slot still is to be renewed by `plan`; says whether it was.
    pub(crate) async fn install_renewed(
        &self,
        slot: &Slot,
        certificate: Certificate,
        plan: Plan,
    ) -> Result<bool, InstallError> {
        let _one = self.installing.lock().await;
        let (store, its) = (self.certificate_store(), slot.clone());
        let now = tokio::task::spawn_blocking(move || store.plan(&its)).await??;
        let still = now.as_ref() == Some(&plan);
        if still {
            self.put(slot, certificate, plan).await?;
        }
        Ok(still)
    }

    /// Root and devices as they lie on disk now, in force also for open connections. What cannot be
    /// read lets no device in.
    pub(crate) async fn trust_changed(&self) {
        let authority = self.authority();
        let file = authority.folder().to_owned();
        let read = tokio::task::spawn_blocking(move || authority.trust()).await;
        let trust = read.unwrap_or_else(|broken| {
            let source = broken.into();
            Trust::unreadable(AuthorityError::File { file, source })
        });
        if let Some(fault) = &trust.fault {
            tracing::error!(%fault, "no client certificate is taken");
        }
        let trust = Arc::new(trust);
        let before = self.shared.trust.swap(Arc::clone(&trust));
        let now = validity::now();
        let gone = before.missing_in(&trust, now).join(", ");
        if trust.fault.is_none() && !gone.is_empty() {
            tracing::error!(
                devices = gone,
                "devices are gone from the list and are let in no longer"
            );
        }
        let again = before.let_in_again_by(&trust, now).join(", ");
        if !again.is_empty() {
            tracing::error!(
                devices = again,
                "revoked devices are let in again: the list was put back from a copy"
            );
        }
        self.shared.reconsider_connections();
        // Ports ask for certificates of the root that there was when their contexts were made.
        if before.root != trust.root
            && let Err(fault) = self.apply_again().await
        {
            tracing::error!(%fault, "ports ask for certificates of the root before");
        }
    }

    /// [`World::install`] for who holds [`World::installing`].
    pub(crate) async fn put(
        &self,
        slot: &Slot,
        certificate: Certificate,
        plan: Plan,
    ) -> Result<Option<Replaced>, InstallError> {
        let (store, its) = (self.certificate_store(), slot.clone());
        let thumbprint = certificate.thumbprints().join("+");
        let install = move || store.install(&its, &certificate, &plan);
        let replaced = tokio::task::spawn_blocking(install).await??;
        tracing::info!(target: "security", %slot, thumbprint, "certificate installed");
        self.certificate_changed(slot).await?;
        self.renewals.look_again();
        Ok(replaced)
    }

    /// On disk, or in force still though its files are gone.
    pub(crate) fn has_installed(&self, slot: &Slot) -> bool {
        self.certificate_store().has(slot) || self.shelf.has(slot)
    }

    /// The default takes its place, and the test certificate that of the default. Says where it is
    /// kept, if it is. For who holds [`World::installing`].
    pub(crate) async fn take_away(&self, slot: &Slot) -> Result<Option<Replaced>, InstallError> {
        let (store, its) = (self.certificate_store(), slot.clone());
        let replaced = tokio::task::spawn_blocking(move || store.remove(&its)).await??;
        tracing::info!(target: "security", %slot, "certificate removed");
        self.certificate_changed(slot).await?;
        self.renewals.look_again();
        Ok(replaced)
    }

    /// The files that the configuration in force names for what a slot is for: with them, what the
    /// slot has serves nobody.
    pub(crate) fn named_files(&self, slot: &Slot) -> Option<CertificatePair> {
        let config = self.sources().config;
        match slot {
            Slot::Server => config.certificate.clone(),
            Slot::Database(id) => {
                let mut databases = config.databases.iter();
                databases.find(|one| one.id == *id)?.certificate.clone()
            }
        }
    }
}
