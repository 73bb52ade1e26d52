//! Certificates that nobody can make again, kept when another takes their place: what was imported
//! may be the only copy of its key. What is self-signed or renews by itself is made again.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{Store, StoreError, failed, read, replace};
use crate::{Certificate, Plan, Slot, validity};

const FOLDER: &str = "replaced";
/// In place of the beginning of a thumbprint.
const DAMAGED: &str = "damaged";
/// Of a slot; the oldest goes.
const MOST: usize = 3;

/// What another has taken the place of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    pub file: PathBuf,
    /// It is whole and its time is now: it can be imported again.
    pub in_force: bool,
}

impl Store {
    /// A copy of what the slot has, on disk when this returns; `None`: there is nothing to lose in
    /// favour of `next`. Whatever is wrong with the certificate, if only the file can be read.
    pub(super) fn keep_replaced(
        &self,
        slot: &Slot,
        next: Option<&Certificate>,
    ) -> Result<Option<Replaced>, StoreError> {
        // A plan that cannot be read may have been an imported one's.
        if let Ok(Some(Plan::SelfSigned(_) | Plan::Authority(_) | Plan::Acme(_))) = self.plan(slot)
        {
            return Ok(None);
        }
        let file = self.certificate_file(slot);
        let bytes = match read(&file) {
            Ok(bytes) => bytes,
            Err(fault) => {
                return match fault.kind() {
                    io::ErrorKind::NotFound => Ok(None),
                    // No file, or none that was ever ours: that must not stop who mends it.
                    io::ErrorKind::IsADirectory
                    | io::ErrorKind::FileTooLarge
                    | io::ErrorKind::Other => Ok(None),
                    _ => Err(failed(&file, fault)),
                };
            }
        };
        let now = self.load(slot).ok().flatten();
        if let (Some(now), Some(next)) = (&now, next) {
            let next = next.thumbprints();
            if now.thumbprints().iter().all(|one| next.contains(one)) {
                return Ok(None);
            }
        }
        let main = now.as_ref().and_then(Certificate::main);
        // As `cert show` begins it for each port.
        let name = main.and_then(|pair| pair.thumbprint_sha256().get(..16));
        let name = name.unwrap_or(DAMAGED);
        let kept = self.replaced(slot)?;
        let number = kept
            .first()
            .map_or(1, |(newest, _)| newest.saturating_add(1));
        let folder = self.slot_folder(slot).join(FOLDER);
        let copy = folder.join(format!("{number}-{name}.pem"));
        let is_the_same = |file: &Path| read(file).is_ok_and(|there| *there == *bytes);
        match kept.iter().find(|(_, file)| is_the_same(file)) {
            // After a crash, or when it was taken back and replaced once more.
            Some((_, same)) => fs::rename(same, &copy)
                .and_then(|()| fs::File::open(&folder)?.sync_all())
                .map_err(|source| failed(&copy, source))?,
            None => replace(&copy, 0o600, &bytes)?,
        }
        let its = self.slot_folder(slot);
        let synced = fs::File::open(&its).and_then(|its| its.sync_all());
        synced.map_err(|source| failed(&its, source))?;
        let time = validity::now();
        let in_force = now.is_some_and(|now| {
            let mut of_all = now.pairs().iter().map(|pair| pair.validity());
            of_all.all(|its| its.has_begun(time) && !its.has_ended(time))
        });
        Ok(Some(Replaced {
            file: copy,
            in_force,
        }))
    }

    /// When the change is on disk: one of them may have been what it was made of.
    pub(super) fn forget_oldest_replaced(&self, slot: &Slot) -> Result<(), StoreError> {
        for (_, file) in self.replaced(slot)?.into_iter().skip(MOST) {
            fs::remove_file(&file).map_err(|source| failed(&file, source))?;
        }
        Ok(())
    }

    /// By their numbers, the newest first. What else lies there is not ours.
    fn replaced(&self, slot: &Slot) -> Result<Vec<(u64, PathBuf)>, StoreError> {
        let folder = self.slot_folder(slot).join(FOLDER);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(failed(&folder, source)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|source| failed(&folder, source))?;
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| {
                let (number, name) = name.strip_suffix(".pem")?.split_once('-')?;
                let thumbprint =
                    name.len() == 16 && name.bytes().all(|one| one.is_ascii_hexdigit());
                (thumbprint || name == DAMAGED).then(|| number.parse().ok())?
            });
            found.extend(number.map(|number| (number, entry.path())));
        }
        found.sort_unstable_by(|one, other| other.cmp(one));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::{KeyKind, make, plan::Wish};

    fn made() -> Certificate {
        let pairs = make::self_signed(&Wish {
            names: vec!["gate.example.ru".parse().unwrap()],
            keys: vec![KeyKind::P256],
        });
        Certificate::new(pairs.unwrap()).unwrap()
    }

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("tls"));
        (folder, store)
    }

    /// What lies there, the newest first.
    fn kept(store: &Store) -> Vec<Vec<u8>> {
        let files = store.replaced(&Slot::Server).unwrap().into_iter();
        files.map(|(_, file)| fs::read(file).unwrap()).collect()
    }

    fn pem(certificate: &Certificate) -> Vec<u8> {
        certificate.main().unwrap().to_pem().unwrap().to_vec()
    }

    #[test]
    fn the_last_three_that_were_imported_are_kept_for_nobody_else_to_read() {
        let (_folder, store) = store();
        let all = [(); 5].map(|()| made());
        for (place, one) in all.iter().enumerate() {
            let replaced = store.install(&Slot::Server, one, &Plan::Imported).unwrap();
            assert_eq!(replaced.is_some(), place > 0);
            if let Some(Replaced { file, in_force }) = replaced {
                assert!(in_force);
                assert_eq!(fs::read(&file).unwrap(), pem(&all[place - 1]));
                let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
                assert_eq!(mode(&file), 0o600);
                assert_eq!(mode(file.parent().unwrap()), 0o700);
            }
        }
        let [_, second, third, fourth, fifth] = &all;
        assert_eq!(kept(&store), [fourth, third, second].map(pem));
        // Taken back and replaced again it is the newest, and there once.
        store
            .install(&Slot::Server, third, &Plan::Imported)
            .unwrap();
        assert_eq!(kept(&store), [fifth, fourth, third].map(pem));
        assert!(store.remove(&Slot::Server).unwrap().is_some());
        assert_eq!(kept(&store), [third, fifth, fourth].map(pem));
        assert!(store.remove(&Slot::Server).unwrap().is_none());
    }

    #[test]
    fn what_is_made_again_or_stays_in_force_is_not_kept() {
        let (_folder, store) = store();
        let slot = Slot::Server;
        let wish = Wish {
            names: Vec::new(),
            keys: vec![KeyKind::P256],
        };
        for plan in [Plan::SelfSigned(wish.clone()), Plan::Authority(wish)] {
            store.install(&slot, &made(), &plan).unwrap();
        }
        let one = made();
        store.install(&slot, &one, &Plan::Imported).unwrap();
        store.install(&slot, &one, &Plan::Imported).unwrap();
        assert!(kept(&store).is_empty());
        // Nobody knows how these came there.
        let (plan, file) = (
            store.slot_folder(&slot).join("plan.json"),
            store.certificate_file(&slot),
        );
        fs::write(&plan, "{").unwrap();
        store.install(&slot, &made(), &Plan::Imported).unwrap();
        fs::write(&file, "half a key").unwrap();
        let replaced = store.remove(&slot).unwrap();
        assert!(!replaced.unwrap().in_force);
        assert_eq!(kept(&store), [b"half a key".to_vec(), pem(&one)]);
        // What is too large was never ours, and stands in nobody's way.
        fs::write(&file, vec![b' '; 2 << 20]).unwrap();
        assert_eq!(store.remove(&slot).unwrap(), None);
        // Nor is what somebody else has put there.
        let other = store.slot_folder(&slot).join("replaced/2024-before.pem");
        fs::write(&other, "mine").unwrap();
        for one in [(); 5].map(|()| made()) {
            store.install(&slot, &one, &Plan::Imported).unwrap();
        }
        assert_eq!((kept(&store).len(), other.exists()), (3, true));
    }

    #[test]
    fn the_oldest_goes_only_when_what_was_made_of_it_is_on_disk() {
        let (_folder, store) = store();
        let (slot, [first, second, third, fourth]) = (Slot::Server, [(); 4].map(|()| made()));
        for one in [&first, &second, &third, &fourth] {
            store.install(&slot, one, &Plan::Imported).unwrap();
        }
        // The first is taken back, and cannot be put in its place.
        let plan = store.plan_file(&slot);
        fs::remove_file(&plan).unwrap();
        fs::create_dir(&plan).unwrap();
        assert!(store.install(&slot, &first, &Plan::Imported).is_err());
        assert!(kept(&store).contains(&pem(&first)));
        fs::remove_dir(&plan).unwrap();
        store.install(&slot, &first, &Plan::Imported).unwrap();
        assert_eq!(kept(&store), [&fourth, &third, &second].map(pem));
    }

    #[test]
    fn a_kill_between_two_steps_loses_nothing() {
        let (_folder, store) = store();
        let (slot, one, next) = (Slot::Server, made(), made());
        store.install(&slot, &one, &Plan::Imported).unwrap();
        store.keep_replaced(&slot, Some(&next)).unwrap();
        // The plan of the next one may be in its place already.
        let plan = serde_json::to_vec(&Plan::Authority(Wish {
            names: Vec::new(),
            keys: vec![KeyKind::P256],
        }));
        fs::write(store.plan_file(&slot), plan.unwrap()).unwrap();
        assert_eq!(kept(&store), [pem(&one)]);
        assert_eq!(fs::read(store.certificate_file(&slot)).unwrap(), pem(&one));
        // Once more, from the beginning.
        store.install(&slot, &next, &Plan::Imported).unwrap();
        assert_eq!(kept(&store), [pem(&one)]);
        assert_eq!(fs::read(store.certificate_file(&slot)).unwrap(), pem(&next));
    }
}
