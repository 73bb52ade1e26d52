use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
};

use gateway_certificates::Plan;
use harness::{Authority, Issued, TempDir, tempdir};

use super::*;

const HOSTS: &[&str] = &["127.0.0.1"];

/// A pair on disk, on a shelf, in force.
struct Bench {
    folder: TempDir,
    authority: Authority,
    shelf: Shelf,
    choice: Choice,
    files: Issued,
}

impl Bench {
    fn new() -> Self {
        let folder = tempdir().unwrap();
        let authority = Authority::new(folder.path());
        let files = authority.issue("shop", HOSTS);
        Self::on(&files, folder, authority)
    }

    fn on(files: &Issued, folder: TempDir, authority: Authority) -> Self {
        let shelf = Shelf::new(Store::new(folder.path().join("tls")));
        let choice = shelf.files(&pair(files));
        Self {
            folder,
            authority,
            shelf,
            choice,
            files: files.clone(),
        }
    }

    fn served(&self) -> Arc<InUse> {
        self.choice.served().unwrap()
    }

    /// Enough looks for files that rest.
    fn looks(&self) -> bool {
        let looks = [self.shelf.look(), self.shelf.look()];
        looks.contains(&true)
    }

    #[track_caller]
    fn check_fault(&self, word: &str) {
        let fault = self.choice.fault().unwrap().to_string();
        assert!(fault.contains(word), "{fault}");
    }
}

fn pair(files: &Issued) -> CertificatePair {
    CertificatePair {
        chain: files.chain.clone(),
        key: files.key.clone(),
    }
}

/// The good pair stays in force beside the fault, and a new one mends it without a restart.
#[track_caller]
fn check_damage(word: &str, damage: impl FnOnce(&Bench)) {
    let bench = Bench::new();
    let before = bench.served();
    damage(&bench);
    assert!(bench.looks(), "{word}");
    bench.check_fault(word);
    assert!(Arc::ptr_eq(&bench.served(), &before), "{word}");
    assert!(!bench.looks(), "{word}: told once");
    drop(fs::remove_file(&bench.files.chain));
    drop(fs::remove_file(&bench.files.key));
    bench.authority.issue("shop", HOSTS);
    assert!(bench.looks(), "{word}");
    assert_eq!(bench.choice.fault(), None, "{word}");
    assert!(!Arc::ptr_eq(&bench.served(), &before), "{word}");
}

#[test]
fn the_last_good_pair_stays_with_every_kind_of_damage_and_a_good_one_mends_it() {
    check_damage("does not belong", |bench| {
        let other = bench.authority.issue("other", HOSTS);
        fs::copy(other.chain, &bench.files.chain).unwrap();
    });
    check_damage("not a PEM certificate", |bench| {
        let whole = fs::read(&bench.files.chain).unwrap();
        fs::write(&bench.files.chain, &whole[..whole.len() / 2]).unwrap();
    });
    check_damage("no PEM certificate", |bench| {
        fs::write(&bench.files.chain, "").unwrap();
    });
    check_damage("not a PEM private key", |bench| {
        let whole = fs::read(&bench.files.key).unwrap();
        fs::write(&bench.files.key, &whole[..whole.len() / 2]).unwrap();
    });
    check_damage("shop.pem", |bench| {
        fs::remove_file(&bench.files.chain).unwrap()
    });
    check_damage("shop.key", |bench| {
        fs::remove_file(&bench.files.key).unwrap()
    });
    check_damage("not a file", |bench| {
        fs::remove_file(&bench.files.chain).unwrap();
        symlink("/dev/zero", &bench.files.chain).unwrap();
    });
    check_damage("0600", |bench| {
        bench.authority.issue("shop", HOSTS);
        let everybody = fs::Permissions::from_mode(0o644);
        fs::set_permissions(&bench.files.key, everybody).unwrap();
    });
    check_damage("expired", |bench| {
        bench.authority.issue_for("shop", HOSTS, -1);
    });
}

#[test]
fn a_bad_pair_at_a_start_is_none_until_its_files_are_good() {
    let folder = tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let files = authority.issue("shop", HOSTS);
    fs::remove_file(&files.key).unwrap();
    let bench = Bench::on(&files, folder, authority);
    assert!(bench.choice.served().is_err());
    bench.authority.issue("shop", HOSTS);
    assert!(bench.looks());
    bench.served();
}

#[test]
fn a_new_pair_is_read_when_it_rests_and_once() {
    let bench = Bench::new();
    let before = bench.served();
    let new = bench.authority.issue("shop", HOSTS);
    assert!(!bench.shelf.look(), "perhaps half of it is still to come");
    assert!(bench.shelf.look());
    let after = bench.served();
    assert!(!Arc::ptr_eq(&after, &before));
    fs::write(&new.chain, fs::read(&new.chain).unwrap()).unwrap();
    assert!(!bench.looks(), "written again, the same");
    assert!(Arc::ptr_eq(&bench.served(), &after));
}

#[test]
fn a_pair_that_never_rests_is_read_all_the_same() {
    let bench = Bench::new();
    let read = (0..=RESTLESS).map(|_| {
        bench.authority.issue("shop", HOSTS);
        bench.shelf.look()
    });
    assert_eq!(read.collect::<Vec<_>>(), [false, false, false, true]);
    let at_last = LOOK_EVERY * (RESTLESS + 1);
    assert!(at_last <= Duration::from_secs(1), "within a second");
}

#[test]
fn who_reloads_gets_what_is_there_now() {
    let bench = Bench::new();
    let before = bench.served();
    bench.authority.issue("shop", HOSTS);
    bench.shelf.read_changed();
    assert!(!Arc::ptr_eq(&bench.served(), &before));
}

#[test]
fn an_intermediate_that_was_missing_is_served_though_the_leaf_stays() {
    let bench = Bench::new();
    let before = bench.served();
    let mut chain = fs::read(&bench.files.chain).unwrap();
    chain.extend(fs::read(bench.authority.file()).unwrap());
    fs::write(&bench.files.chain, chain).unwrap();
    assert!(bench.looks());
    let after = bench.served();
    let thumbprints = [&before, &after].map(|one| one.certificate.thumbprint());
    assert_ne!(thumbprints[0], thumbprints[1]);
}

/// certbot's `live`, Kubernetes' `..data`: the names stay, a link above them is replaced.
#[test]
fn a_folder_or_a_link_that_is_replaced_is_followed() {
    let folder = tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let archive = |number: &str, files: &Issued| {
        let archive = folder.path().join(number);
        fs::create_dir(&archive).unwrap();
        fs::rename(&files.chain, archive.join("chain.pem")).unwrap();
        fs::rename(&files.key, archive.join("key.pem")).unwrap();
        archive
    };
    let first = archive("1", &authority.issue("shop", HOSTS));
    let live = folder.path().join("live");
    symlink(&first, &live).unwrap();
    let files = Issued {
        chain: live.join("chain.pem"),
        key: live.join("key.pem"),
    };
    let second = archive("2", &authority.issue("shop", HOSTS));
    let third = archive("3", &authority.issue("shop", HOSTS));
    let bench = Bench::on(&files, folder, authority);
    let before = bench.served().certificate.thumbprint();

    let link = bench.folder.path().join("next");
    symlink(&second, &link).unwrap();
    fs::rename(&link, &live).unwrap();
    assert!(bench.looks(), "another link under the same name");
    let between = bench.served().certificate.thumbprint();
    assert_ne!(between, before);

    fs::remove_file(&live).unwrap();
    fs::rename(&third, &live).unwrap();
    assert!(bench.looks(), "another folder under the same name");
    assert_ne!(bench.served().certificate.thumbprint(), between);
}

/// A share comes back, a certificate's time comes: neither shows in the files' stamps.
#[test]
fn files_with_a_fault_are_read_again_though_they_stay_as_they_are() {
    for (has_fault, times) in [(true, 2), (false, 0)] {
        let mut watched = Watched::of(Vec::new());
        let read = (0..2 * READ_AGAIN).filter(|_| watched.due(&[], has_fault));
        assert_eq!(read.count(), times);
    }
}

#[test]
fn what_is_installed_takes_precedence_and_steps_back_only_when_it_is_removed_on_purpose() {
    let folder = tempdir().unwrap();
    let store = Store::new(folder.path().join("tls"));
    let shelf = Shelf::new(store.clone());
    let id: DatabaseId = "a".parse().unwrap();
    let choice = shelf.database(&id, None, &shelf.default(None));
    assert_eq!(choice.served().unwrap().origin, Origin::Test);

    let slot = Slot::Database(id);
    let made = store.test().unwrap();
    store.install(&slot, &made, &Plan::Imported).unwrap();
    shelf.read_slot(&slot);
    let installed = choice.served().unwrap();
    assert_eq!(installed.file, store.certificate_file(&slot));

    fs::remove_file(store.certificate_file(&slot)).unwrap();
    assert!([shelf.look(), shelf.look()].contains(&true));
    assert!(choice.fault().is_some());
    assert!(Arc::ptr_eq(&choice.served().unwrap(), &installed));

    shelf.read_slot(&slot);
    assert_eq!(choice.served().unwrap().origin, Origin::Test);
    assert_eq!(choice.fault(), None);
}

#[test]
fn the_origin_of_what_is_installed_is_unknown_while_its_plan_cannot_be_read() {
    let folder = tempdir().unwrap();
    let store = Store::new(folder.path().join("tls"));
    let made = store.test().unwrap();
    store
        .install(&Slot::Server, &made, &Plan::Imported)
        .unwrap();
    let shelf = Shelf::new(store.clone());
    let choice = shelf.default(None);
    let looks = || [shelf.look(), shelf.look()].contains(&true);
    let plan = store.plan_file(&Slot::Server);
    let whole = fs::read(&plan).unwrap();
    for (written, origin) in [
        (&b"{"[..], Origin::Unknown),
        (&*whole, Origin::Imported),
        (b"", Origin::Unknown),
    ] {
        fs::write(&plan, written).unwrap();
        assert!(looks());
        let served = choice.served().unwrap();
        assert_eq!(served.origin, origin);
        assert_eq!(served.certificate.thumbprint(), made.thumbprint());
        assert_eq!(choice.fault(), None);
    }
    // One that was put there by hand has none.
    fs::remove_file(&plan).unwrap();
    assert!(looks());
    assert_eq!(choice.served().unwrap().origin, Origin::Imported);
}

#[test]
fn one_pair_is_read_once_for_all_and_forgotten_with_its_last_port() {
    let Bench {
        shelf,
        choice,
        files,
        folder: _folder,
        ..
    } = Bench::new();
    let default = shelf.default(Some(&pair(&files)));
    let id: DatabaseId = "a".parse().unwrap();
    let database = shelf.database(&id, Some(&pair(&files)), &default);
    let served = [&choice, &default, &database].map(|one| one.served().unwrap());
    assert!(served.iter().all(|one| Arc::ptr_eq(one, &served[0])));
    shelf.keep_used();
    assert_eq!(shelf.all().len(), 1);
    drop((choice, default, database));
    shelf.keep_used();
    assert!(shelf.all().is_empty());
}
