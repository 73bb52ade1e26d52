//! Certificates shown, made, asked for, imported and removed.
//!
//! | path | what |
//! |---|---|
//! | `GET /certificates` | [`SlotReport`] of the server and of every database |
//! | `POST /certificates/{slot}/self-signed` | [`Wished`] → [`Changed`] |
//! | `POST /certificates/{slot}/authority` | [`authority::AuthorityWish`] → [`authority::Issued`] |
//! | `POST /certificates/{slot}/requests` | [`Wished`] → [`RequestMade`] |
//! | `DELETE /certificates/{slot}/requests/{id}` | the request and its key are gone |
//! | `POST /certificates/{slot}/import` | [`Import`] → [`Changed`] |
//! | `POST /certificates/page` | the page for terminals as a file: [`page`] |
//! | `POST /certificates/{slot}/acme/judge` | the same wish → nothing, or why it is refused unasked |
//! | `POST /certificates/{slot}/acme` | [`AcmeWish`](gateway_certificates::plan::AcmeWish) → [`Changed`] |
//! | `DELETE /certificates/{slot}` | [`Changed`]: another one takes its place |
//!
//! `{slot}` is `server` or `database-ID`. What is refused changes nothing.

mod acme;
pub(crate) mod authority;
pub(crate) mod devices;
mod import;
pub(crate) mod page;
pub(crate) mod words;

use backend_types::{DatabaseId, Language};
use gateway_certificates::{
    Certificate, KeyKind, Name, Plan, Request, Slot, StoreError, make, names,
    plan::Wish,
    request::{self, Requests},
};
use gateway_policy::ports::Holder;
use serde::{Deserialize, Serialize};

pub(crate) use self::import::{File, Import};
use self::words::Speaker;
use super::{Administration, Refused, blocking};
use crate::{
    certificates::{Choice, store_words},
    directory::Database,
    renewal,
    status::{CertificateReport, RenewalFaultReport, ServiceState},
};

/// What is to stand in a certificate, as the administrator says it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wished {
    pub(crate) names: Vec<Name>,
    pub(crate) keys: Vec<KeyKind>,
}

/// Of one slot, and what its ports serve now.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SlotReport {
    pub(crate) slot: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) database: Option<SlotDatabase>,
    /// Whether a database has none of its own.
    pub(crate) default: bool,
    /// One for each key.
    pub(crate) certificates: Vec<CertificateReport>,
    /// Why there is nothing to serve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fault: Option<String>,
    /// Why it does not renew by itself as it should.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) renewal_fault: Option<String>,
    pub(crate) ports: Vec<PortReport>,
    /// Not answered yet.
    pub(crate) requests: Vec<RequestReport>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SlotDatabase {
    pub(crate) id: DatabaseId,
    pub(crate) name: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PortReport {
    pub(crate) kind: PortKind,
    pub(crate) https: bool,
    #[serde(flatten)]
    pub(crate) state: ServiceState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PortKind {
    Server,
    Data,
    Print,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RequestReport {
    pub(crate) id: String,
    pub(crate) names: Vec<Name>,
    /// Why its file cannot be read: the key is lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fault: Option<String>,
}

impl RequestReport {
    fn of(requests: Requests, language: Language) -> Vec<Self> {
        let waiting = requests.waiting.into_iter();
        let waiting = waiting.map(|Request { id, names, .. }| Self {
            id,
            names,
            fault: None,
        });
        let damaged = requests.damaged.into_iter().map(|one| Self {
            id: one.id,
            names: Vec::new(),
            fault: Some(store_words(&one.cause, language)),
        });
        waiting.chain(damaged).collect()
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RequestMade {
    pub(crate) id: String,
    /// For the authority; the key stays here.
    pub(crate) pem: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Changed {
    #[serde(flatten)]
    pub(crate) slot: SlotReport,
    /// In the asker's language.
    pub(crate) notes: Vec<String>,
}

impl Administration {
    pub(super) async fn certificates(
        &self,
        language: Language,
    ) -> Result<Vec<SlotReport>, Refused> {
        let mut reports = Vec::new();
        for slot in self.slots() {
            reports.push(self.slot_report(&slot, language).await?);
        }
        Ok(reports)
    }

    /// The server's and every database's.
    fn slots(&self) -> Vec<Slot> {
        let directory = self.world.shared.directory.load_full();
        let databases = directory.databases().iter();
        let databases = databases.map(|one| Slot::Database(one.id.clone()));
        std::iter::once(Slot::Server).chain(databases).collect()
    }

    pub(super) async fn renewal_faults(
        &self,
        language: Language,
    ) -> Result<Vec<RenewalFaultReport>, Refused> {
        let (store, slots) = (self.world.certificate_store(), self.slots());
        blocking(move || {
            let faults = slots.into_iter().filter_map(|slot| {
                let fault = renewal::unread(&store, &slot, language)?;
                let certificate = slot.to_string();
                Some(RenewalFaultReport { certificate, fault })
            });
            Ok(faults.collect())
        })
        .await
    }

    pub(super) fn slot(&self, path: &str, language: Language) -> Result<Slot, Refused> {
        let slot = Slot::parse(path).ok_or_else(|| Refused::not_here(language))?;
        if let Slot::Database(id) = &slot {
            self.database(id.as_str(), language)?;
        }
        Ok(slot)
    }

    pub(super) async fn make_self_signed(
        &self,
        slot: Slot,
        wished: Wished,
        language: Language,
    ) -> Result<Changed, Refused> {
        self.refuse_named_files(&slot, language).await?;
        let speaker = Speaker(language);
        let mut wish = Wish {
            names: names::of_this_machine(),
            keys: wished.keys,
        };
        let further = wished.names.into_iter();
        let further = further.filter(|name| !wish.names.contains(name));
        wish.names = further
            .collect::<Vec<_>>()
            .into_iter()
            .chain(wish.names.clone())
            .collect();
        let (certificate, plan) = blocking(move || {
            let pairs = make::self_signed(&wish);
            let pairs = pairs.map_err(|fault| speaker.store(&fault.into()))?;
            let certificate = Certificate::new(pairs);
            let certificate = certificate.ok_or_else(|| speaker.refuse("two-keys", &[]))?;
            Ok((certificate, Plan::SelfSigned(wish)))
        })
        .await?;
        let installed = self.world.install(&slot, certificate, plan).await;
        let replaced = installed.map_err(|fault| speaker.install(fault))?;
        let mut notes = vec![speaker.note("made", &[])];
        notes.extend(speaker.replaced(&slot, replaced));
        self.changed(&slot, notes, language).await
    }

    pub(super) async fn make_request(
        &self,
        slot: Slot,
        wished: Wished,
        language: Language,
    ) -> Result<RequestMade, Refused> {
        self.refuse_named_files(&slot, language).await?;
        let (store, speaker) = (self.world.certificate_store(), Speaker(language));
        let [kind] = *wished.keys.as_slice() else {
            return Err(speaker.refuse("one-key", &[]));
        };
        if wished.names.is_empty() {
            return Err(speaker.refuse("names-needed", &[]));
        }
        let _one_change = self.world.installing.lock().await;
        blocking(move || {
            let there = store
                .requests(&slot)
                .map_err(|fault| speaker.store(&fault))?;
            if there.ids().count() >= request::MOST {
                let most = request::MOST.to_string();
                return Err(speaker.refuse("too-many-requests", &[("most", &most)]));
            }
            let made = Request::make(wished.names, kind).map_err(StoreError::from);
            let kept = made.and_then(|made| store.keep_request(&slot, &made).map(|()| made));
            let Request { id, pem, .. } = kept.map_err(|fault| speaker.store(&fault))?;
            tracing::info!(target: "security", %slot, id, "certificate request made");
            Ok(RequestMade { id, pem })
        })
        .await
    }

    pub(super) async fn forget_request(
        &self,
        slot: Slot,
        id: String,
        language: Language,
    ) -> Result<SlotReport, Refused> {
        let (store, speaker) = (self.world.certificate_store(), Speaker(language));
        let of = slot.clone();
        blocking(move || {
            let fault = |fault| speaker.store(&fault);
            let there = store.requests(&of).map_err(fault)?;
            if !there.ids().any(|one| one == id) {
                return Err(speaker.refuse("no-such-request", &[("id", &id)]));
            }
            store.forget_request(&of, &id).map_err(fault)
        })
        .await?;
        self.slot_report(&slot, language).await
    }

    pub(super) async fn remove_certificate(
        &self,
        slot: Slot,
        language: Language,
    ) -> Result<Changed, Refused> {
        self.refuse_named_files(&slot, language).await?;
        let speaker = Speaker(language);
        let _one_change = self.world.installing.lock().await;
        if !self.world.has_installed(&slot) {
            return Err(speaker.refuse("nothing", &[]));
        }
        let removed = self.world.take_away(&slot).await;
        let replaced = removed.map_err(|fault| speaker.install(fault))?;
        let note = match slot {
            Slot::Server => "test-serves",
            Slot::Database(_) => "default-serves",
        };
        let mut notes = vec![speaker.note(note, &[])];
        notes.extend(speaker.replaced(&slot, replaced));
        self.changed(&slot, notes, language).await
    }

    /// Where the configuration names the files of a slot's certificate, another one in the slot
    /// would change nothing: refused with the place, and with what to do there.
    pub(super) async fn refuse_named_files(
        &self,
        slot: &Slot,
        language: Language,
    ) -> Result<(), Refused> {
        let Some(files) = self.world.named_files(slot) else {
            return Ok(());
        };
        let database = match slot {
            Slot::Server => None,
            Slot::Database(id) => Some(id.clone()),
        };
        let file = self.world.config_file().display().to_string();
        let chain = files.chain.display().to_string();
        let refused = Speaker(language).refuse("files", &[("file", &file), ("chain", &chain)]);
        let wish = gateway_config::Wish::NoCertificate { database };
        Err(refused.with_steps(self.change_file(vec![wish]).await, &file, language))
    }

    pub(super) async fn changed(
        &self,
        slot: &Slot,
        notes: Vec<String>,
        language: Language,
    ) -> Result<Changed, Refused> {
        let slot = self.slot_report(slot, language).await?;
        Ok(Changed { slot, notes })
    }

    pub(super) async fn slot_report(
        &self,
        slot: &Slot,
        language: Language,
    ) -> Result<SlotReport, Refused> {
        let (store, speaker, of) = (
            self.world.certificate_store(),
            Speaker(language),
            slot.clone(),
        );
        // What the ports show is shown all the same.
        let (requests, unread, renewal_fault) = blocking(move || {
            let (requests, unread) = match store.requests(&of) {
                Ok(requests) => (RequestReport::of(requests, language), None),
                Err(fault) => (Vec::new(), Some(speaker.store(&fault).message)),
            };
            Ok((requests, unread, renewal::unread(&store, &of, language)))
        })
        .await?;
        let database = match slot {
            Slot::Server => None,
            Slot::Database(id) => Some(self.database(id.as_str(), language)?),
        };
        let default = self.world.certificates().map(|all| all.default.clone());
        let own = database.as_ref().map(|one| &one.certificate);
        let is_default = own.zip(default.as_ref());
        let is_default = is_default.is_some_and(|(own, default)| own.shows_as(default));
        let choice = own.or(default.as_ref());
        let served = choice.map(|choice| choice.served().and_then(|in_use| in_use.in_force()));
        let newest = choice.and_then(Choice::fault);
        let (certificates, fault) = match served {
            Some(Ok(in_use)) => (CertificateReport::of(&in_use, language), newest),
            Some(Err(fault)) => (Vec::new(), Some(fault)),
            None => (Vec::new(), None),
        };
        Ok(SlotReport {
            slot: slot.to_string(),
            ports: self.ports(database.as_deref(), language),
            database: database.map(|one| SlotDatabase {
                id: one.id.clone(),
                name: one.name.clone(),
            }),
            default: is_default,
            certificates,
            fault: fault.map(|fault| fault.words(language)).or(unread),
            renewal_fault,
            requests,
        })
    }

    /// The server port, or those of a database.
    fn ports(&self, database: Option<&Database>, language: Language) -> Vec<PortReport> {
        let status = &self.world.status;
        let Some(database) = database else {
            let server = status.server(language);
            let server = server.map(|server| PortReport {
                kind: PortKind::Server,
                https: server.in_force.unwrap_or(server.saved).https,
                state: server.state,
            });
            return server.into_iter().collect();
        };
        let data = (PortKind::Data, Holder::Data(database.id.clone()));
        let print = database.print.as_ref();
        let print = print.map(|_| (PortKind::Print, Holder::Print(database.id.clone())));
        let ports = std::iter::once(data).chain(print);
        ports
            .map(|(kind, holder)| PortReport {
                kind,
                https: database.https,
                state: status.port(database, &holder, language),
            })
            .collect()
    }
}
