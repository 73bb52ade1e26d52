//! A certificate ordered from an ACME server; in its slot, and renewing by itself, when this
//! answers.

use backend_types::Language;
use gateway_certificates::{Plan, Slot, plan::AcmeWish};
use http::StatusCode;

use super::{Changed, words::Speaker};
use crate::{
    acme::OrderFault,
    administration::{Administration, Refused},
};

impl Administration {
    /// What would be refused before the server is asked: `cert acme` says so before it announces.
    pub(in crate::administration) async fn judge_order(
        &self,
        slot: Slot,
        wish: AcmeWish,
        language: Language,
    ) -> Result<(), Refused> {
        self.refuse_named_files(&slot, language).await?;
        let judged = self.world.acme.judge(&wish).await;
        judged.map_err(|fault| refused(&fault, language))
    }

    pub(in crate::administration) async fn order(
        &self,
        slot: Slot,
        wish: AcmeWish,
        language: Language,
    ) -> Result<Changed, Refused> {
        self.refuse_named_files(&slot, language).await?;
        let ordered = self.world.acme.order(&wish).await;
        let certificate = ordered.map_err(|fault| {
            tracing::error!(%slot, %fault, "no certificate ordered");
            refused(&fault, language)
        })?;
        let (challenge, port) = (wish.challenge, wish.port.to_string());
        let public = challenge.public_port().to_string();
        let speaker = Speaker(language);
        let installed = self
            .world
            .install(&slot, certificate, Plan::Acme(wish))
            .await;
        let replaced = installed.map_err(|fault| speaker.install(fault))?;
        let values = [
            ("challenge", challenge.as_str()),
            ("public", &public),
            ("port", &port),
        ];
        let mut notes = vec![speaker.note("acme", &values)];
        notes.extend(self.without_effect(&slot, speaker));
        notes.extend(speaker.replaced(&slot, replaced));
        self.changed(&slot, notes, language).await
    }
}

fn refused(fault: &OrderFault, language: Language) -> Refused {
    Refused::new(StatusCode::CONFLICT, &fault.code(), fault.words(language))
}
