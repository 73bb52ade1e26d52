use std::process::Command;

use super::*;
use crate::KeyKind;

struct Place {
    data: tempfile::TempDir,
    authority: Authority,
}

impl Place {
    fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let authority = Authority::of(data.path());
        Self { data, authority }
    }

    fn with_root(constraints: &[&str]) -> Self {
        let place = Self::new();
        let constraints: Vec<Constraint> = parsed(constraints);
        place
            .authority
            .root_or_new("shop-15", &constraints, KeyKind::P256)
            .unwrap();
        place
    }

    fn issue(&self, names: &[&str], keys: &[KeyKind]) -> Result<Certificate, AuthorityError> {
        self.issue_with(names, keys, RootKey::Kept)
    }

    fn issue_with(
        &self,
        names: &[&str],
        keys: &[KeyKind],
        key: RootKey<'_>,
    ) -> Result<Certificate, AuthorityError> {
        let wish = Wish {
            names: parsed(names),
            keys: keys.to_vec(),
        };
        self.authority
            .issue(&wish, &parsed::<Name>(&["localhost", "127.0.0.1"]), key)
    }

    /// What the system's own openssl says of a leaf under our root.
    #[track_caller]
    fn openssl_verifies(&self, leaf: &X509, more: &[&str]) -> (bool, String) {
        let file = self.data.path().join("leaf.pem");
        fs::write(&file, leaf.to_pem().unwrap()).unwrap();
        let done = Command::new("openssl")
            .args(["verify", "-x509_strict", "-no-CApath", "-CAfile"])
            .arg(self.authority.root_file())
            .args(more)
            .arg(&file)
            .output()
            .unwrap();
        let said = [done.stdout, done.stderr].concat();
        (done.status.success(), String::from_utf8(said).unwrap())
    }
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Debug>>(texts: &[&str]) -> Vec<T> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

const SERVER: [&str; 2] = ["-purpose", "sslserver"];

#[test]
fn openssl_takes_a_leaf_for_a_server_and_for_nothing_else() {
    let place = Place::with_root(&[]);
    let both = [KeyKind::P256, KeyKind::Rsa2048];
    let issued = place
        .issue(&["gate.example.ru", "192.0.2.1"], &both)
        .unwrap();
    assert_eq!(issued.pairs().len(), 2);
    for pair in issued.pairs() {
        let leaf = pair.leaf();
        let (good, said) = place.openssl_verifies(leaf, &SERVER);
        assert!(good, "{said}");
        let named = [
            "-purpose",
            "sslserver",
            "-verify_hostname",
            "gate.example.ru",
        ];
        assert!(place.openssl_verifies(leaf, &named).0);
        let named = ["-purpose", "sslserver", "-verify_ip", "192.0.2.1"];
        assert!(place.openssl_verifies(leaf, &named).0);
        let named = ["-purpose", "sslserver", "-verify_ip", "192.0.2.2"];
        assert!(!place.openssl_verifies(leaf, &named).0);
        assert!(!place.openssl_verifies(leaf, &["-purpose", "sslclient"]).0);
        assert!(pair.intermediates().is_empty());
        assert_eq!(pair.holder(), "gate.example.ru");
        assert_eq!(pair.issuer(), "Smarts Gateway, shop-15");
        let life = pair.validity().life();
        assert!(life > 397 * DAY && life < 398 * DAY, "{life}");
        let names = pair.names();
        assert!(names.contains(&"localhost".parse().unwrap()), "{names:?}");
    }
    let other = Place::with_root(&[]);
    let leaf = issued.main().unwrap().leaf();
    assert!(!other.openssl_verifies(leaf, &SERVER).0);
}

#[test]
fn a_root_lives_ten_years_and_is_made_once() {
    let place = Place::with_root(&[]);
    let root = place.authority.root().unwrap().unwrap();
    let days = root.validity().life() / DAY;
    assert!((3650..3654).contains(&days), "{days}");
    assert!(root.has_key && root.constraints.is_empty());
    let again = place
        .authority
        .root_or_new("elsewhere", &[], KeyKind::P256)
        .unwrap();
    assert_eq!(
        again.certificate.to_der().unwrap(),
        root.certificate.to_der().unwrap()
    );
    let fault = place
        .authority
        .root_or_new("shop-15", &parsed(&["example.ru"]), KeyKind::P256)
        .unwrap_err();
    assert!(matches!(fault, AuthorityError::Exists(_)), "{fault}");
}

/// A Windows CE verifies no other signature, whatever the key of the certificate.
#[test]
fn below_an_rsa_root_nothing_but_rsa_is_needed() {
    let place = Place::new();
    let root = place
        .authority
        .root_or_new("shop-15", &[], KeyKind::Rsa3072)
        .unwrap();
    assert!(root.is_rsa());
    let made = place.issue(&["gate.ru"], &[KeyKind::P256, KeyKind::Rsa2048]);
    for pair in made.unwrap().pairs() {
        let leaf = pair.leaf();
        let algorithm = leaf.signature_algorithm().object().nid();
        assert_eq!(algorithm, openssl::nid::Nid::SHA256WITHRSAENCRYPTION);
        let (good, said) = place.openssl_verifies(leaf, &["-purpose", "sslserver"]);
        assert!(good, "{said}");
    }
    assert!(
        !Place::with_root(&[])
            .authority
            .root()
            .unwrap()
            .unwrap()
            .is_rsa()
    );
}

#[test]
fn half_a_root_is_not_replaced() {
    let place = Place::with_root(&[]);
    fs::remove_file(place.authority.root_file()).unwrap();
    let fault = place
        .authority
        .root_or_new("shop-15", &[], KeyKind::P256)
        .unwrap_err();
    assert!(matches!(fault, AuthorityError::Incomplete(_)), "{fault}");
    assert!(place.authority.key_file().exists());
}

#[test]
fn the_key_opens_with_the_passphrase_of_its_own_data_folder_alone() {
    let place = Place::with_root(&[]);
    let pem = fs::read(place.authority.key_file()).unwrap();
    assert!(pem.starts_with(b"-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    assert!(PKey::private_key_from_pem_passphrase(&pem, b"").is_err());
    let passphrase = place.data.path().join("secrets").join("authority.key");
    for file in [&passphrase, &place.authority.key_file()] {
        let mode = fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
    let kept = fs::read(&passphrase).unwrap();
    assert!(PKey::private_key_from_pem_passphrase(&pem, &kept).is_ok());
    fs::write(&passphrase, "00").unwrap();
    let fault = place.issue(&[], &[KeyKind::P256]).unwrap_err();
    assert!(matches!(fault, AuthorityError::WrongKey), "{fault}");
    fs::remove_file(&passphrase).unwrap();
    let fault = place.issue(&[], &[KeyKind::P256]).unwrap_err();
    assert!(matches!(fault, AuthorityError::NoPassphrase(_)), "{fault}");
}

#[test]
fn a_key_that_was_moved_away_issues_when_it_is_given() {
    let place = Place::with_root(&[]);
    let elsewhere = place.authority.encrypted_key().unwrap();
    let fault = place.authority.forget_key(b"half of it").unwrap_err();
    assert!(matches!(fault, AuthorityError::WrongKey), "{fault}");
    place.authority.forget_key(&elsewhere).unwrap();
    assert!(!place.authority.root().unwrap().unwrap().has_key);
    let fault = place.issue(&[], &[KeyKind::P256]).unwrap_err();
    assert!(matches!(fault, AuthorityError::KeyAway), "{fault}");
    let given = RootKey::Given(&elsewhere);
    let issued = place.issue_with(&[], &[KeyKind::P256], given).unwrap();
    let (good, said) = place.openssl_verifies(issued.main().unwrap().leaf(), &SERVER);
    assert!(good, "{said}");
    assert!(!place.authority.key_file().exists());
    let another = Place::with_root(&[]);
    let foreign = another.authority.encrypted_key().unwrap();
    let fault = place.issue_with(&[], &[KeyKind::P256], RootKey::Given(&foreign));
    assert!(matches!(fault, Err(AuthorityError::WrongKey)));
}

#[test]
fn a_constrained_root_refuses_a_foreign_name_and_leaves_out_the_machines() {
    let place = Place::with_root(&["example.ru", "192.0.2.0/24"]);
    let good = [
        "gate.example.ru",
        "*.example.ru",
        "example.ru",
        "192.0.2.77",
    ];
    let issued = place.issue(&good, &[KeyKind::P256]).unwrap();
    let pair = issued.main().unwrap();
    assert_eq!(pair.names(), parsed::<Name>(&good));
    let (good, said) = place.openssl_verifies(pair.leaf(), &SERVER);
    assert!(good, "{said}");
    for foreign in [
        "badexample.ru",
        "ru",
        "bank.com",
        "198.51.100.1",
        "2001:db8::1",
    ] {
        let fault = place.issue(&[foreign], &[KeyKind::P256]).unwrap_err();
        assert!(
            matches!(fault, AuthorityError::NotPermitted(_)),
            "{foreign}"
        );
    }
    let fault = place.issue(&[], &[KeyKind::P256]).unwrap_err();
    assert!(matches!(fault, AuthorityError::NoName), "{fault}");
}

/// With the stolen key of a constrained root, past our own checks.
#[test]
fn openssl_refuses_what_a_constrained_root_has_signed_beyond_its_names() {
    for (constraints, good, foreign) in [
        (
            vec!["example.ru"],
            "gate.example.ru",
            vec!["bank.com", "192.0.2.1", "::1"],
        ),
        (
            vec!["192.0.2.0/24"],
            "192.0.2.1",
            vec!["198.51.100.1", "bank.com", "::1"],
        ),
        (
            vec!["2001:db8::/32"],
            "2001:db8::7",
            vec!["2001:db9::7", "bank.com", "192.0.2.1"],
        ),
    ] {
        let place = Place::with_root(&constraints);
        let root = place.authority.root().unwrap().unwrap();
        let signer = place.authority.key(&root, RootKey::Kept).unwrap();
        let signed = |name: &str| {
            let names: Vec<Name> = parsed(&[name]);
            let kind = KeyKind::P256;
            let (builder, _) = begin_leaf(&root, kind, &holder(&names), LEAF_DAYS).unwrap();
            server_leaf(builder, &root, &names, kind, &signer).unwrap()
        };
        let (verified, said) = place.openssl_verifies(&signed(good), &SERVER);
        assert!(verified, "{good}: {said}");
        for foreign in foreign {
            let (verified, said) = place.openssl_verifies(&signed(foreign), &SERVER);
            assert!(!verified, "{foreign} by {constraints:?}");
            assert!(said.contains("subtree violation"), "{foreign}: {said}");
            let vouched = root.vouches(&signed(foreign), X509PurposeId::SSL_SERVER);
            assert!(matches!(vouched, Err(AuthorityError::Unfit(_))));
        }
    }
}

#[test]
fn what_people_type_becomes_a_constraint_or_is_refused() {
    for (typed, means) in [
        (".Example.RU", "example.ru"),
        ("*.example.ru", "example.ru"),
        ("192.0.2.7/24", "192.0.2.0/24"),
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::/32", "2001:db8::/32"),
    ] {
        assert_eq!(typed.parse::<Constraint>().unwrap().to_string(), means);
    }
    for wrong in ["", "192.0.2.0/33", "магазин.рф", "a b"] {
        assert!(wrong.parse::<Constraint>().is_err(), "{wrong}");
    }
}
