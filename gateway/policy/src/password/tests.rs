use std::cell::Cell;

use super::*;

thread_local! {
    pub(super) static EVALUATIONS: Cell<u32> = const { Cell::new(0) };
}

fn evaluations<T>(work: impl FnOnce() -> T) -> (T, u32) {
    let before = EVALUATIONS.get();
    (work(), EVALUATIONS.get() - before)
}

fn decoy() -> Decoy {
    Decoy::new([7; 32], [9; 16])
}

/// Cheap, so that tests need not pay the product's cost each time.
fn cheap(password: &str) -> String {
    let params = Params::new(64, 1, 1, Some(32)).unwrap();
    let output = evaluate(password.as_bytes(), &[1; 16], params).unwrap();
    format!(
        "$argon2id$v=19$m=64,t=1,p=1${}${}",
        BASE64_STANDARD_NO_PAD.encode([1; 16]),
        BASE64_STANDARD_NO_PAD.encode(output.as_slice()),
    )
}

#[test]
fn a_new_hash_has_the_agreed_cost_and_matches_its_password_alone() {
    let stored = hash("пароль-Й1", [3; 16]).unwrap();
    assert!(
        stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$AwMDAw"),
        "{stored}"
    );
    assert_eq!(
        judge(Some(&stored), &decoy(), "пароль-И\u{306}1"),
        Verdict::Match
    );
    assert_eq!(
        judge(Some(&stored), &decoy(), "пароль-И1"),
        Verdict::NoMatch
    );
}

#[test]
fn the_answer_of_the_reference_implementation_is_matched() {
    // From its test.c: version 19, t=2, m=2^16, p=1, "password", "somesalt".
    let stored = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$\
                  CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    assert_eq!(judge(Some(stored), &decoy(), "password"), Verdict::Match);
    assert_eq!(judge(Some(stored), &decoy(), "passwort"), Verdict::NoMatch);
}

#[test]
fn every_attempt_costs_exactly_one_evaluation() {
    let (decoy, stored) = (decoy(), cheap("right"));
    let long = "x".repeat(MAX_CHARS + 1);
    for (candidate, password, expected) in [
        (Some(stored.as_str()), "right", Verdict::Match),
        (Some(&stored), "wrong", Verdict::NoMatch),
        (Some(&stored), &long, Verdict::NoMatch),
        (None, "right", Verdict::NoMatch),
        (None, &long, Verdict::NoMatch),
        (
            Some("rubbish"),
            "right",
            Verdict::Unusable(StoredFault::NotPhc),
        ),
    ] {
        let (verdict, count) = evaluations(|| judge(candidate, &decoy, password));
        assert_eq!((verdict, count), (expected, 1), "{candidate:?}");
    }
}

#[test]
fn a_stored_hash_that_demands_too_much_is_never_evaluated() {
    let tail = "$AQEBAQEBAQEBAQEBAQEBAQ$AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";
    let with = |head: &str| format!("{head}{tail}");
    for (stored, expected) in [
        (with("$argon2id$v=19$m=19456,t=2,p=1"), Ok(())),
        (with("$argon2id$v=19$m=65536,t=6,p=4"), Ok(())),
        (
            with("$argon2id$v=19$m=65537,t=2,p=1"),
            Err(StoredFault::TooDear),
        ),
        (
            with("$argon2id$v=19$m=4194304,t=2,p=1"),
            Err(StoredFault::TooDear),
        ),
        (
            with("$argon2id$v=19$m=19456,t=4294967295,p=1"),
            Err(StoredFault::TooDear),
        ),
        (
            with("$argon2id$v=19$m=19456,t=2,p=255"),
            Err(StoredFault::TooDear),
        ),
        (
            with("$argon2id$v=19$m=19456,t=0,p=1"),
            Err(StoredFault::TooDear),
        ),
        (
            with("$argon2i$v=19$m=19456,t=2,p=1"),
            Err(StoredFault::NotArgon2id),
        ),
        (
            with("$argon2id$v=16$m=19456,t=2,p=1"),
            Err(StoredFault::NotArgon2id),
        ),
        (
            with("$argon2id$m=19456,t=2,p=1"),
            Err(StoredFault::NotArgon2id),
        ),
        (
            "$argon2id$v=19$m=19456,t=2,p=1$AQEBAQEBAQEBAQEBAQEBAQ".into(),
            Err(StoredFault::Short),
        ),
        (
            "$argon2id$v=19$m=19456,t=2,p=1".into(),
            Err(StoredFault::Short),
        ),
        (
            "$2b$10$abcdefghijklmnopqrstuv".into(),
            Err(StoredFault::NotPhc),
        ),
        (String::new(), Err(StoredFault::NotPhc)),
        ("$".repeat(MAX_STORED_BYTES + 1), Err(StoredFault::NotPhc)),
    ] {
        assert_eq!(check_stored(&stored), expected, "{stored}");
    }
    let dear = with("$argon2id$v=19$m=4194304,t=2,p=1");
    let (verdict, count) = evaluations(|| judge(Some(&dear), &decoy(), "x"));
    assert_eq!(verdict, Verdict::Unusable(StoredFault::TooDear));
    assert_eq!(count, 2, "the decoy's making and the decoy");
}

#[test]
fn a_blind_index_is_one_for_each_secret_and_key() {
    let key = IndexKey::new([1; 32]);
    let index = key.index("Й").unwrap();
    assert_eq!(index.len(), 64);
    assert_eq!(key.index("И\u{306}"), Ok(index.clone()));
    assert_ne!(key.index("й"), Ok(index.clone()));
    assert_ne!(IndexKey::new([2; 32]).index("Й"), Ok(index));
    assert_eq!(key.index(&"x".repeat(MAX_CHARS + 1)), Err(TooLong));
    let same = IndexKey::from_hex(&"01".repeat(32)).unwrap();
    assert_eq!(same.index("Й"), key.index("Й"));
    assert!(IndexKey::from_hex("01").is_none());
}

#[test]
fn the_blind_index_is_hmac_sha_256() {
    // RFC 4231 has no 32-byte key; computed by `openssl dgst -sha256 -mac HMAC`.
    let key: [u8; 32] = std::array::from_fn(|at| u8::try_from(at).unwrap());
    assert_eq!(
        IndexKey::new(key).index("1234").unwrap(),
        "75a2b0661f593e7c9af372baabd1751c4aa612b8a2fd605a1fc4963915193dd1"
    );
}

#[test]
fn nothing_secret_is_shown() {
    let shown = format!("{:?} {:?}", decoy(), IndexKey::new([1; 32]));
    assert_eq!(shown, "Decoy(…) IndexKey(…)");
}
