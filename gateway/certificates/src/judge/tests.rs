use openssl::{
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    rsa::Rsa,
    x509::X509,
};

use super::*;
use crate::{
    KeyKind,
    fixtures::{House, Signed, Wanted, authority, leaf},
    validity::{self, DAY},
};

fn expected<'a>(roots: &'a Roots) -> Expected<'a> {
    Expected {
        names: &[],
        requests: &[],
        roots,
        chain: Completeness::Required,
        now: validity::now(),
    }
}

fn found(certificates: Vec<X509>, keys: &[&Signed]) -> Found {
    Found {
        certificates,
        keys: keys.iter().map(|one| one.key.clone()).collect(),
        requests: 0,
    }
}

fn known(house: &House) -> Roots {
    Roots::new(vec![house.root.certificate.clone()])
}

/// The whole house, judged by a machine that knows its root.
fn judged(wanted: Wanted<'_>) -> Result<Judged, Fault> {
    let house = House::with(wanted);
    let roots = known(&house);
    judge(&found(house.chain(), &[&house.leaf]), &expected(&roots))
}

#[track_caller]
fn refused(wanted: Wanted<'_>, code: &str) -> Fault {
    let fault = judged(wanted).unwrap_err();
    assert_eq!(fault.code(), code, "{fault}");
    fault
}

#[test]
fn a_chain_in_any_order_is_put_in_order_and_its_root_left_out() {
    let house = House::new();
    let stranger = authority("Stranger").by(&authority("Elsewhere").by_itself());
    let mut given = house.chain();
    given.push(house.root.certificate.clone());
    given.push(stranger.certificate);
    given.reverse();
    let roots = known(&house);
    let judged = judge(&found(given, &[&house.leaf]), &expected(&roots)).unwrap();
    let pair = judged.certificate.main().unwrap();
    assert_eq!(pair.holder(), "gate.example.ru");
    let chain: Vec<String> = pair
        .intermediates()
        .iter()
        .map(|one| pair::called(one.subject_name()))
        .collect();
    assert_eq!(chain, ["Lower", "Upper"]);
    let holder = "Stranger".to_owned();
    assert_eq!(judged.notes, [Note::Unused { holder }]);
}

#[test]
fn a_root_that_was_given_completes_the_chain_and_is_named() {
    let house = House::new();
    let mut given = house.chain();
    let roots = Roots::default();
    let fault = judge(&found(given.clone(), &[&house.leaf]), &expected(&roots)).unwrap_err();
    assert_eq!(fault.code(), "chain-incomplete");
    given.push(house.root.certificate.clone());
    let judged = judge(&found(given, &[&house.leaf]), &expected(&roots)).unwrap();
    let root = "Root".to_owned();
    assert_eq!(judged.notes, [Note::OwnRoot { root }]);
    assert_eq!(judged.certificate.main().unwrap().intermediates().len(), 2);
}

#[test]
fn a_missing_intermediate_is_named_unless_the_chain_is_taken_as_given() {
    let house = House::new();
    let roots = known(&house);
    let given = vec![
        house.leaf.certificate.clone(),
        house.lower.certificate.clone(),
    ];
    let found = found(given, &[&house.leaf]);
    let fault = judge(&found, &expected(&roots)).unwrap_err();
    let Fault::ChainIncomplete { of, issuer, url } = fault else {
        panic!("{fault}");
    };
    assert_eq!(
        (of.as_str(), issuer.as_str(), url),
        ("Lower", "Upper", None)
    );
    let as_given = Expected {
        chain: Completeness::AsGiven,
        ..expected(&roots)
    };
    let judged = judge(&found, &as_given).unwrap();
    let issuer = "Upper".to_owned();
    assert_eq!(judged.notes, [Note::ChainIncomplete { issuer }]);
}

#[test]
fn an_intermediate_that_has_ended_is_told_apart_from_one_that_is_missing() {
    let root = authority("Root").by_itself();
    let ended = Wanted {
        until: -1,
        from: -9,
        ..authority("Ended")
    };
    let ended = ended.by(&root);
    let below = leaf().by(&ended);
    let given = vec![below.certificate.clone(), ended.certificate.clone()];
    let roots = Roots::new(vec![root.certificate.clone()]);
    let fault = judge(&found(given, &[&below]), &expected(&roots)).unwrap_err();
    assert!(matches!(fault, Fault::Expired { holder, .. } if holder == "Ended"));
    // The renewed one beside it, for the same key: that one leads on.
    let renewed = Wanted {
        key: Some(ended.key.clone()),
        ..authority("Ended")
    };
    let renewed = renewed.by(&root);
    let given = vec![
        below.certificate.clone(),
        ended.certificate,
        renewed.certificate.clone(),
    ];
    let judged = judge(&found(given, &[&below]), &expected(&roots)).unwrap();
    let sent = judged.certificate.main().unwrap().intermediates().to_vec();
    assert_eq!(sent, [renewed.certificate]);
}

#[test]
fn authorities_that_sign_each_other_end_the_search() {
    let one = authority("One").by_itself();
    let other = authority("Other").by(&one);
    let again = Wanted {
        key: Some(one.key.clone()),
        ..authority("One")
    };
    let again = again.by(&other);
    let below = leaf().by(&other);
    let mut given: Vec<X509> = vec![below.certificate.clone()];
    for _ in 0..20 {
        given.push(other.certificate.clone());
        given.push(again.certificate.clone());
    }
    let roots = Roots::default();
    let fault = judge(&found(given, &[&below]), &expected(&roots)).unwrap_err();
    assert_eq!(fault.code(), "chain-incomplete");
}

#[test]
fn a_certificate_out_of_its_time_is_refused_and_one_within_it_taken() {
    judged(leaf()).unwrap();
    let ended = Wanted {
        from: -90,
        until: -1,
        ..leaf()
    };
    let fault = refused(ended, "expired");
    let Fault::Expired { holder, until } = fault else {
        panic!("{fault}");
    };
    assert_eq!(holder, "gate.example.ru");
    assert!((validity::now() - until - DAY).abs() < 100, "{until}");
    let later = Wanted {
        from: 1,
        until: 9,
        ..leaf()
    };
    refused(later, "not-yet");
}

#[test]
fn a_key_that_terminals_do_not_take_is_refused() {
    let rsa = |bits| Some(PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap());
    let curve = |nid| {
        let group = EcGroup::from_curve_name(nid).unwrap();
        Some(PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap())
    };
    let with = |key| Wanted { key, ..leaf() };
    let fault = refused(with(rsa(1024)), "weak-key");
    assert!(matches!(fault, Fault::WeakKey { key, .. } if key == "RSA 1024"));
    let fault = refused(with(curve(Nid::SECP256K1)), "odd-key");
    assert!(matches!(fault, Fault::OddKey { key, .. } if key == "secp256k1"));
    refused(with(curve(Nid::BRAINPOOL_P256R1)), "odd-key");
    for good in [rsa(2048), curve(Nid::SECP384R1)] {
        judged(with(good)).unwrap();
    }
}

#[test]
fn a_weak_signature_is_refused_anywhere_below_the_root() {
    let sha1 = || MessageDigest::sha1();
    let weak = Wanted {
        digest: sha1(),
        ..leaf()
    };
    refused(weak, "weak-signature");
    let old_root = Wanted {
        digest: sha1(),
        ..authority("Root")
    };
    let root = old_root.by_itself();
    let below = leaf().by(&root);
    let roots = Roots::new(vec![root.certificate.clone()]);
    let given = vec![below.certificate.clone()];
    judge(&found(given, &[&below]), &expected(&roots)).unwrap();
    let weak = Wanted {
        digest: sha1(),
        ..authority("Weak")
    };
    let weak = weak.by(&root);
    let below = leaf().by(&weak);
    let given = vec![below.certificate.clone(), weak.certificate];
    let fault = judge(&found(given, &[&below]), &expected(&roots)).unwrap_err();
    assert!(matches!(fault, Fault::WeakSignature { holder, .. } if holder == "Weak"));
}

#[test]
fn names_that_were_asked_for_have_to_be_covered() {
    let house = House::new();
    let roots = known(&house);
    let found = found(house.chain(), &[&house.leaf]);
    let covered: Vec<Name> = vec!["gate.example.ru".parse().unwrap()];
    let asked = Expected {
        names: &covered,
        ..expected(&roots)
    };
    judge(&found, &asked).unwrap();
    let other: Vec<Name> = vec!["192.0.2.1".parse().unwrap(), "192.0.2.9".parse().unwrap()];
    let asked = Expected {
        names: &other,
        ..expected(&roots)
    };
    let fault = judge(&found, &asked).unwrap_err();
    let Fault::WrongName { missing, .. } = fault else {
        panic!("{fault}");
    };
    assert_eq!(missing, ["192.0.2.9".parse().unwrap()]);
    let nameless = Wanted {
        names: &[],
        ..leaf()
    };
    refused(nameless, "no-names");
}

#[test]
fn what_is_not_meant_for_servers_is_refused() {
    let for_clients = Wanted {
        for_servers: false,
        ..leaf()
    };
    refused(for_clients, "not-for-servers");
    let its_own = Wanted {
        names: &["gate.example.ru"],
        ..authority("Root")
    };
    refused(its_own, "authority");
}

#[test]
fn the_key_is_found_by_its_certificate_or_told_to_be_missing() {
    let (house, other) = (House::new(), House::new());
    let roots = known(&house);
    let code = |keys: &[&Signed]| {
        let judged = judge(&found(house.chain(), keys), &expected(&roots));
        judged.map(|_| ()).map_err(|fault| fault.code())
    };
    assert_eq!(code(&[]), Err("no-key"));
    assert_eq!(code(&[&other.leaf]), Err("key-mismatch"));
    assert_eq!(code(&[&other.leaf, &house.leaf]), Ok(()));
    let nothing = judge(&Found::default(), &expected(&roots)).unwrap_err();
    assert_eq!(nothing.code(), "no-certificate");
    let request = Found {
        requests: 1,
        ..Found::default()
    };
    let fault = judge(&request, &expected(&roots)).unwrap_err();
    assert_eq!(fault.code(), "request-instead");
}

#[test]
fn an_answer_finds_the_key_that_waits_for_it_and_must_have_its_names() {
    let names: Vec<Name> = vec!["gate.example.ru".parse().unwrap()];
    let waiting = [
        Request::make(names.clone(), KeyKind::P256).unwrap(),
        Request::make(names, KeyKind::Rsa2048).unwrap(),
    ];
    let answer = |names| {
        House::with(Wanted {
            key: Some(waiting[1].key.clone()),
            names,
            ..leaf()
        })
    };
    let house = answer(&["gate.example.ru"]);
    let roots = known(&house);
    let asked = Expected {
        requests: &waiting,
        ..expected(&roots)
    };
    let judged = judge(&found(house.chain(), &[]), &asked).unwrap();
    assert_eq!(judged.answers, std::slice::from_ref(&waiting[1].id));
    assert!(judged.certificate.main().unwrap().is_rsa());
    let house = answer(&["other.example.ru"]);
    let fault = judge(&found(house.chain(), &[]), &asked).unwrap_err();
    assert_eq!(fault.code(), "wrong-name");
}

#[test]
fn an_rsa_and_an_ecdsa_certificate_stand_side_by_side_and_two_of_a_kind_do_not() {
    let house = House::new();
    let rsa = Wanted {
        key: Some(KeyKind::Rsa2048.generate().unwrap()),
        ..leaf()
    };
    let rsa = rsa.by(&house.lower);
    let roots = known(&house);
    let mut given = house.chain();
    given.insert(0, rsa.certificate.clone());
    let both = found(given.clone(), &[&rsa, &house.leaf]);
    let judged = judge(&both, &expected(&roots)).unwrap();
    assert_eq!(judged.certificate.pairs().len(), 2);
    assert!(!judged.certificate.main().unwrap().is_rsa());
    let second = leaf().by(&house.lower);
    given.push(second.certificate.clone());
    let three = found(given, &[&rsa, &house.leaf, &second]);
    let fault = judge(&three, &expected(&roots)).unwrap_err();
    assert_eq!(fault.code(), "two-of-a-kind");
}

#[test]
fn of_two_certificates_for_one_key_the_renewed_one_is_taken() {
    let house = House::new();
    let old = Wanted {
        key: Some(house.leaf.key.clone()),
        from: -90,
        until: -1,
        ..leaf()
    };
    let mut given = house.chain();
    given.insert(0, old.by(&house.lower).certificate);
    let roots = known(&house);
    let judged = judge(&found(given, &[&house.leaf]), &expected(&roots)).unwrap();
    let taken = judged.certificate.main().unwrap().leaf().clone();
    assert_eq!(taken, house.leaf.certificate);
}

#[test]
fn a_certificate_that_signed_itself_is_taken_and_said_to_be_so() {
    let own = leaf().by_itself();
    let roots = Roots::default();
    let given = vec![own.certificate.clone()];
    let judged = judge(&found(given, &[&own]), &expected(&roots)).unwrap();
    assert_eq!(judged.notes, [Note::SelfSigned]);
}

/// Its signatures are good, and no client takes them.
#[test]
fn a_chain_over_one_who_may_not_sign_is_refused_with_his_name() {
    let root = authority("Root").by_itself();
    let shop = Wanted {
        holder: "Shop",
        ..leaf()
    };
    let shop = shop.by(&root);
    let below = leaf().by(&shop);
    let chain = || vec![below.certificate.clone(), shop.certificate.clone()];
    let roots = Roots::new(vec![root.certificate.clone()]);
    let nobody = Roots::default();
    let own = [chain(), vec![root.certificate.clone()]].concat();
    for (given, roots) in [(chain(), &roots), (own, &nobody)] {
        let fault = judge(&found(given, &[&below]), &expected(roots)).unwrap_err();
        assert_eq!(fault.code(), "chain-refused", "{fault}");
        assert!(fault.to_string().contains("Shop"), "{fault}");
    }
}
