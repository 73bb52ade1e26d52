//! Certificates shown, made, asked for, imported and removed.
//!
//! | path | what |
//! |---|---|
//! | `GET /certificates` | [`SlotReport`] of the server and of every database |
//! | `POST /certificates/{slot}/self-signed` | [`Wished`] → [`Changed`] |
//! | `POST /certificates/{slot}/requests` | [`Wished`] → [`RequestMade`] |
//! | `DELETE /certificates/{slot}/requests/{id}` | the request and its key are gone |
//! | `POST /certificates/{slot}/import` | [`Import`] → [`Changed`] |
//! | `DELETE /certificates/{slot}` | [`Changed`]: another one takes its place |
//!
//! `{slot}` is `server` or `database-ID`. What is refused changes nothing.

mod words;

use std::sync::Arc;

use backend_types::{DatabaseId, Language};
use gateway_certificates::{
    Certificate, Fault, KeyKind, Name, Plan, Request, Roots, Slot, Store, StoreError,
    judge::{self, Completeness, Expected, Judged},
    make, names,
    plan::Wish,
    read::{self, Given},
    request, validity,
};
use gateway_policy::ports::Holder;
use serde::{Deserialize, Serialize};

use self::words::Speaker;
use super::{Administration, Refused, blocking};
use crate::{
    certificates::Choice,
    directory::Database,
    status::{CertificateReport, ServiceState},
};

/// What is to stand in a certificate, as the administrator says it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wished {
    pub(crate) names: Vec<Name>,
    pub(crate) keys: Vec<KeyKind>,
}

/// No `Debug`: it holds keys and their password.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Import {
    pub(crate) files: Vec<File>,
    pub(crate) password: Option<String>,
    /// It must cover these.
    pub(crate) names: Vec<Name>,
    /// What the slot has stays where it is of the other kind, RSA or not.
    pub(crate) beside: bool,
    /// Its chain may lack what the machine does not know.
    pub(crate) chain_incomplete_ok: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) base64: String,
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
        let directory = self.world.shared.directory.load_full();
        let databases = directory.databases().iter();
        let slots = databases.map(|one| Slot::Database(one.id.clone()));
        let mut reports = Vec::new();
        for slot in std::iter::once(Slot::Server).chain(slots) {
            reports.push(self.slot_report(&slot, language).await?);
        }
        Ok(reports)
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
        installed.map_err(|fault| speaker.install(fault))?;
        self.changed(&slot, vec![speaker.note("made", &[])], language)
            .await
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
            let waiting = store
                .requests(&slot)
                .map_err(|fault| speaker.store(&fault))?;
            if waiting.len() >= request::MOST {
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
            let waiting = store.requests(&of).map_err(fault)?;
            if !waiting.iter().any(|one| one.id == id) {
                return Err(speaker.refuse("no-such-request", &[("id", &id)]));
            }
            store.forget_request(&of, &id).map_err(fault)
        })
        .await?;
        self.slot_report(&slot, language).await
    }

    pub(super) async fn import(
        &self,
        slot: Slot,
        import: Import,
        language: Language,
    ) -> Result<Changed, Refused> {
        self.refuse_named_files(&slot, language).await?;
        let (store, speaker, of) = (
            self.world.certificate_store(),
            Speaker(language),
            slot.clone(),
        );
        let _one_change = self.world.installing.lock().await;
        let (judged, kept) = blocking(move || taken(&store, &of, &import, speaker)).await?;
        let pairs = judged.certificate.pairs().iter().chain(&kept.pairs);
        let certificate = Certificate::new(pairs.map(Arc::clone));
        let certificate = certificate.ok_or_else(|| speaker.fault(&Fault::NoCertificate))?;
        let installed = self.world.put(&slot, certificate, Plan::Imported).await;
        installed.map_err(|fault| speaker.install(fault))?;
        let (store, of) = (self.world.certificate_store(), slot.clone());
        let answers = judged.answers;
        blocking(move || {
            for id in &answers {
                let forgotten = store.forget_request(&of, id);
                forgotten.map_err(|fault| speaker.store(&fault))?;
            }
            Ok(())
        })
        .await?;
        let mut notes: Vec<String> = judged.notes.iter().map(|one| speaker.judged(one)).collect();
        notes.extend(kept.note);
        notes.extend(self.without_effect(&slot, speaker));
        self.changed(&slot, notes, language).await
    }

    pub(super) async fn remove_certificate(
        &self,
        slot: Slot,
        language: Language,
    ) -> Result<Changed, Refused> {
        self.refuse_named_files(&slot, language).await?;
        let (store, speaker) = (self.world.certificate_store(), Speaker(language));
        let _one_change = self.world.installing.lock().await;
        if !store.certificate_file(&slot).exists() {
            return Err(speaker.refuse("nothing", &[]));
        }
        let removed = self.world.take_away(&slot).await;
        removed.map_err(|fault| speaker.install(fault))?;
        let note = match slot {
            Slot::Server => "test-serves",
            Slot::Database(_) => "default-serves",
        };
        self.changed(&slot, vec![speaker.note(note, &[])], language)
            .await
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

    /// Why nobody may see it although it is in force.
    fn without_effect(&self, slot: &Slot, speaker: Speaker) -> Option<String> {
        let Slot::Database(id) = slot else {
            return None;
        };
        let directory = self.world.shared.directory.load();
        let database = directory.get(id)?;
        (!database.https).then(|| speaker.note("https-off", &[("name", &database.name)]))
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
        let requests = blocking(move || {
            let requests = store.requests(&of).map_err(|fault| speaker.store(&fault))?;
            let requests = requests.into_iter();
            Ok(requests
                .map(|Request { id, names, .. }| RequestReport { id, names })
                .collect())
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
            Some(Ok(in_use)) => (CertificateReport::of(&in_use), newest),
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
            fault: fault.map(|fault| fault.words(language)),
            requests,
        })
    }

    /// The server port, or those of a database.
    fn ports(&self, database: Option<&Database>, language: Language) -> Vec<PortReport> {
        let status = &self.world.status;
        let Some(database) = database else {
            let server = status.report(language).server;
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

/// What stays beside a certificate that is imported.
struct Kept {
    pairs: Vec<Arc<gateway_certificates::Pair>>,
    note: Option<String>,
}

/// What an import brings, judged; and what the slot keeps. Blocks.
fn taken(
    store: &Store,
    slot: &Slot,
    import: &Import,
    speaker: Speaker,
) -> Result<(Judged, Kept), Refused> {
    let stored = |fault| speaker.store(&fault);
    let judged = judged(store, slot, import).map_err(|unfit| match unfit {
        Unfit::Fault(fault) => speaker.fault(&fault),
        Unfit::Store(fault) => speaker.store(&fault),
    })?;
    let is_new = |is_rsa| {
        judged
            .certificate
            .pairs()
            .iter()
            .any(|one| one.is_rsa() == is_rsa)
    };
    // What is there and does not load is replaced like anything else.
    let there = store.load(slot).ok().flatten();
    let others = there.iter().flat_map(|one| one.pairs());
    let others: Vec<_> = others
        .filter(|one| !is_new(one.is_rsa()))
        .cloned()
        .collect();
    let Some(other) = others.first() else {
        let (pairs, note) = (Vec::new(), None);
        return Ok((judged, Kept { pairs, note }));
    };
    if !import.beside {
        let values = [("key", &*other.key_words())];
        let note = (there.iter().flat_map(|one| one.pairs()).count() > 1)
            .then(|| speaker.note("other-dropped", &values));
        let pairs = Vec::new();
        return Ok((judged, Kept { pairs, note }));
    }
    let plan = store.plan(slot).map_err(stored)?;
    if plan.is_some_and(|plan| plan != Plan::Imported) {
        return Err(speaker.refuse("beside-renewed", &[]));
    }
    let in_time = judge::in_time(other.leaf(), validity::now());
    in_time.map_err(|fault| speaker.fault(&fault))?;
    let pairs = others;
    Ok((judged, Kept { pairs, note: None }))
}

enum Unfit {
    Fault(Fault),
    Store(StoreError),
}

fn judged(store: &Store, slot: &Slot, import: &Import) -> Result<Judged, Unfit> {
    let files: Result<Vec<Given>, Fault> = import
        .files
        .iter()
        .map(|file| {
            let bytes = openssl::base64::decode_block(&file.base64);
            let damaged = |_fault| Fault::Damaged {
                file: file.name.clone(),
            };
            Ok(Given::new(&file.name, bytes.map_err(damaged)?))
        })
        .collect();
    let files = files.map_err(Unfit::Fault)?;
    let found = read::read(&files, import.password.as_deref()).map_err(Unfit::Fault)?;
    let requests = store.requests(slot).map_err(Unfit::Store)?;
    let expected = Expected {
        names: &import.names,
        requests: &requests,
        roots: &Roots::of_this_machine(),
        chain: match import.chain_incomplete_ok {
            true => Completeness::AsGiven,
            false => Completeness::Required,
        },
        now: validity::now(),
    };
    judge::judge(&found, &expected).map_err(Unfit::Fault)
}
