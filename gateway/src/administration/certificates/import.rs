//! A certificate brought by the administrator: read, judged, installed.
//!
//! Reading may take long, as a file wishes that names how often its password is to be hashed; so
//! nobody waits for it who has another certificate to install.

use std::sync::Arc;

use backend_types::Language;
use gateway_certificates::{
    Certificate, Fault, Name, Pair, Plan, Roots, Slot, Store,
    judge::{self, Completeness, Expected, Judged},
    read::{self, Found, Given},
    validity,
};
use serde::{Deserialize, Serialize};

use super::{Changed, Speaker};
use crate::administration::{Administration, Refused, blocking};

/// No `Debug`: it holds keys and their password.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Import {
    pub(crate) files: Vec<File>,
    /// Given as the key: it must be the one.
    pub(crate) key: Option<File>,
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

impl Administration {
    pub(in crate::administration) async fn import(
        &self,
        slot: Slot,
        import: Import,
        language: Language,
    ) -> Result<Changed, Refused> {
        self.refuse_named_files(&slot, language).await?;
        let speaker = Speaker(language);
        let (import, found) = blocking(move || {
            let found = read(&import).map_err(|fault| speaker.fault(&fault))?;
            Ok((import, found))
        })
        .await?;
        let _one_change = self.world.installing.lock().await;
        let (store, of) = (self.world.certificate_store(), slot.clone());
        let taken = blocking(move || take(&found, &import, &store, &of, speaker)).await?;
        let installed = self
            .world
            .put(&slot, taken.certificate, Plan::Imported)
            .await;
        let replaced = installed.map_err(|fault| speaker.install(fault))?;
        let (store, of) = (self.world.certificate_store(), slot.clone());
        blocking(move || {
            for id in &taken.answers {
                let forgotten = store.forget_request(&of, id);
                forgotten.map_err(|fault| speaker.store(&fault))?;
            }
            Ok(())
        })
        .await?;
        let mut notes = taken.notes;
        notes.extend(self.without_effect(&slot, speaker));
        notes.extend(speaker.replaced(&slot, replaced));
        self.changed(&slot, notes, language).await
    }

    /// Where it is in force and yet not seen.
    pub(super) fn without_effect(&self, slot: &Slot, speaker: Speaker) -> Option<String> {
        match slot {
            Slot::Server => {
                let all = self.world.certificates()?;
                let apart = !all.server.shows_as(&all.default);
                apart.then(|| speaker.note("server-apart", &[]))
            }
            Slot::Database(id) => {
                let directory = self.world.shared.directory.load();
                let database = directory.get(id)?;
                let values = [("name", database.name.as_str())];
                (!database.https).then(|| speaker.note("https-off", &values))
            }
        }
    }
}

fn read(import: &Import) -> Result<Found, Fault> {
    // The key last: `take` looks for it there.
    let files = import.files.iter().chain(&import.key).map(|file| {
        let bytes = openssl::base64::decode_block(&file.base64);
        let damaged = |_fault| Fault::Damaged {
            file: file.name.clone(),
        };
        Ok(Given::new(&file.name, bytes.map_err(damaged)?))
    });
    let files = files.collect::<Result<Vec<Given>, Fault>>()?;
    read::read(&files, import.password.as_deref())
}

/// Fit to be installed.
struct Taken {
    certificate: Certificate,
    /// Requests that it answers.
    answers: Vec<String>,
    notes: Vec<String>,
}

/// What was found, judged, and beside it what the slot keeps. Blocks.
fn take(
    found: &Found,
    import: &Import,
    store: &Store,
    slot: &Slot,
    speaker: Speaker,
) -> Result<Taken, Refused> {
    let unfit = |fault: Fault| speaker.fault(&fault);
    let requests = store
        .requests(slot)
        .map_err(|fault| speaker.store(&fault))?
        .waiting;
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
    let Judged {
        certificate,
        answers,
        notes,
    } = judge::judge(found, &expected).map_err(unfit)?;
    if import.key.is_some() {
        // It was read last. A request that waits may have the right one, and was not meant.
        let given = found.keys.last();
        let is_the_one = |pair: &Arc<Pair>| given.is_some_and(|key| pair.key().public_eq(key));
        if let Some(pair) = certificate.main()
            && !certificate.pairs().iter().any(is_the_one)
        {
            let holder = pair.holder();
            return Err(unfit(Fault::KeyMismatch { holder }));
        }
    }
    let mut notes: Vec<String> = notes.iter().map(|one| speaker.judged(one)).collect();
    let mut pairs = certificate.pairs().to_vec();
    // What is there and does not load is replaced like anything else.
    let there = store.load(slot).ok().flatten();
    let there: Vec<Arc<Pair>> = there.map_or_else(Vec::new, |one| one.pairs().to_vec());
    let other = there.iter().find(|there| {
        let is_rsa = there.is_rsa();
        pairs.iter().all(|new| new.is_rsa() != is_rsa)
    });
    match other {
        Some(other) if import.beside => {
            let plan = store.plan(slot).map_err(|fault| speaker.store(&fault))?;
            if plan.is_some_and(|plan| plan != Plan::Imported) {
                return Err(speaker.refuse("beside-renewed", &[]));
            }
            judge::in_time(other.leaf(), expected.now).map_err(unfit)?;
            pairs.push(Arc::clone(other));
        }
        Some(other) if there.len() > 1 => {
            notes.push(speaker.note("other-dropped", &[("key", &other.key_words())]));
        }
        Some(_) | None => {}
    }
    Ok(Taken {
        certificate: Certificate::new(pairs).ok_or_else(|| unfit(Fault::NoCertificate))?,
        answers,
        notes,
    })
}
