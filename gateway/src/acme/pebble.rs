//! Orders at Pebble, which looks at the challenges really; at a stub of our own where it comes to
//! profiles and rate limits, which Pebble 2.4 does not know.

use std::net::Ipv4Addr;

use gateway_certificates::{plan::Wish, validity};
use harness::{AcmeStub, Pebble, TempDir, free_port, pebble::Wished, tempdir};

use super::*;
use crate::{hand_over::Inherited, messages::Language};

struct House {
    folder: TempDir,
    pebble: Pebble,
    acme: Acme,
}

impl House {
    fn new(wished: Wished<'_>) -> Self {
        let folder = tempdir().unwrap();
        let pebble = Pebble::start(folder.path(), wished);
        let listen = Ipv4Addr::UNSPECIFIED.into();
        let listeners = Listeners::new(listen, Vec::new(), Inherited::default());
        let store = Store::new(folder.path().join("tls"));
        let acme = Acme::new(store, Arc::default(), Arc::new(listeners));
        Self {
            folder,
            pebble,
            acme,
        }
    }

    fn wish(&self, challenge: Challenge, names: &[&str]) -> AcmeWish {
        AcmeWish {
            wish: Wish {
                names: names.iter().map(|name| name.parse().unwrap()).collect(),
                keys: vec![KeyKind::P256],
            },
            directory: self.pebble.directory(),
            contacts: Vec::new(),
            challenge,
            port: match challenge {
                Challenge::Http01 => self.pebble.http,
                Challenge::TlsAlpn01 => self.pebble.tls,
            },
            profile: None,
            authority: Some(std::fs::read_to_string(self.pebble.authority()).unwrap()),
        }
    }

    fn accounts(&self) -> Vec<Vec<u8>> {
        let folder = std::fs::read_dir(self.folder.path().join("tls/acme")).unwrap();
        let files = folder.map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
        files.collect()
    }
}

const BOTH: [Challenge; 2] = [Challenge::Http01, Challenge::TlsAlpn01];

#[tokio::test]
async fn names_and_addresses_are_proven_either_way_with_one_account_over_bad_nonces() {
    let house = House::new(Wished::default());
    let mut account = None;
    for challenge in BOTH {
        for names in [&["gate.example.ru", "shop.example.ru"][..], &["127.0.0.1"]] {
            let mut wish = house.wish(challenge, names);
            wish.wish.keys = vec![KeyKind::Rsa2048, KeyKind::P256];
            let certificate = house.acme.order(&wish).await.unwrap();
            assert_eq!(certificate.pairs().len(), 2);
            for pair in certificate.pairs() {
                assert_eq!(pair.names(), wish.wish.names);
                assert!(!pair.intermediates().is_empty());
            }
            let now = house.accounts();
            assert_eq!(now.len(), 1);
            assert_eq!(*account.get_or_insert_with(|| now.clone()), now);
        }
    }
}

#[tokio::test]
async fn a_server_that_refuses_every_nonce_is_told_to_be_refusing() {
    let house = House::new(Wished {
        bad_nonces: Some(100),
        ..Wished::default()
    });
    let wish = house.wish(Challenge::Http01, &["gate.example.ru"]);
    let fault = house.acme.order(&wish).await.unwrap_err();
    assert_eq!(fault.code(), "acme-problem");
}

#[tokio::test]
async fn an_account_that_the_server_has_forgotten_is_made_anew() {
    let mut house = House::new(Wished::default());
    let wish = house.wish(Challenge::Http01, &["gate.example.ru"]);
    house.acme.order(&wish).await.unwrap();
    let before = house.accounts();
    house.pebble.restart(Wished::default());
    house.acme.order(&wish).await.unwrap();
    assert_ne!(house.accounts(), before);
    assert_eq!(house.accounts().len(), 1);
}

#[tokio::test]
async fn each_failure_is_told_apart() {
    let mut house = House::new(Wished::default());
    let good = house.wish(Challenge::Http01, &["gate.example.ru"]);
    let acme = &house.acme;
    let code = async |wish: &AcmeWish| acme.order(wish).await.unwrap_err().code();

    let held = TcpListener::bind(("0.0.0.0", house.pebble.http)).unwrap();
    assert_eq!(code(&good).await, "acme-port");
    drop(held);
    let elsewhere = AcmeWish {
        port: free_port(),
        ..good.clone()
    };
    assert_eq!(code(&elsewhere).await, "acme-connection");
    let untrusted = AcmeWish {
        authority: None,
        ..good.clone()
    };
    assert_eq!(code(&untrusted).await, "acme-untrusted");
    let profile = AcmeWish {
        profile: Some("shortlived".to_owned()),
        ..good.clone()
    };
    assert_eq!(code(&profile).await, "acme-no-such-profile");
    house.pebble.stop();
    assert_eq!(acme.order(&good).await.unwrap_err().code(), "acme-away");
}

#[tokio::test]
async fn an_address_is_ordered_short_lived_where_the_server_has_profiles() {
    let house = House::new(Wished::default());
    let stub = AcmeStub::start(house.folder.path());
    let wish = |names: &[&str], profile: Option<&str>| AcmeWish {
        directory: stub.directory(),
        authority: Some(std::fs::read_to_string(stub.authority()).unwrap()),
        profile: profile.map(str::to_owned),
        ..house.wish(Challenge::Http01, names)
    };
    let days = async |names: &[&str], profile| {
        let certificate = house.acme.order(&wish(names, profile)).await?;
        let life = certificate.main().unwrap().validity().life();
        Ok::<_, OrderFault>(life / validity::DAY)
    };
    let ip = &["gate.example.ru", "192.0.2.1"][..];
    assert_eq!(days(ip, None).await.unwrap(), 7);
    assert_eq!(days(&ip[..1], None).await.unwrap(), 90);
    assert_eq!(days(&ip[..1], Some("shortlived")).await.unwrap(), 7);
    let rejected = days(ip, Some("classic")).await.unwrap_err();
    assert_eq!(rejected.code(), "acme-rejected");
    let unknown = days(ip, Some("tlsserver")).await.unwrap_err();
    assert_eq!(unknown.code(), "acme-no-such-profile");
    assert!(unknown.words(Language::Ru).contains("classic"));
    let ordered = ["shortlived", "-", "shortlived", "classic"];
    assert_eq!(stub.ordered(), ordered);

    let limited = days(&["limited.example.ru"], None).await.unwrap_err();
    assert_eq!(limited.code(), "acme-rate-limited");
    assert_eq!(limited.told_to_wait, Some(Duration::from_secs(7200)));
    let words = limited.words(Language::Ru);
    assert!(words.ends_with("не раньше чем через 120 мин."), "{words}");
}
