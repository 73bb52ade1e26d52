use std::net::ToSocketAddrs;

use harness::document;

use super::*;

/// Numbers of the system, one for each meaning that has one.
const NUMBERS: [(i32, &str); 24] = [
    (libc::ENOENT, "cause-not-found"),
    (libc::EACCES, "cause-permission-denied"),
    (libc::EPERM, "cause-permission-denied"),
    (libc::EEXIST, "cause-already-exists"),
    (libc::EISDIR, "cause-is-a-folder"),
    (libc::ENOTDIR, "cause-not-a-folder"),
    (libc::ENOSPC, "cause-storage-full"),
    (libc::EDQUOT, "cause-quota-exceeded"),
    (libc::EROFS, "cause-read-only"),
    (libc::EFBIG, "cause-file-too-large"),
    (libc::ENAMETOOLONG, "cause-name-too-long"),
    (libc::EBUSY, "cause-busy"),
    (libc::ESTALE, "cause-share-gone"),
    (libc::ENOMEM, "cause-out-of-memory"),
    (libc::EMFILE, "cause-too-many-open-files"),
    (libc::EIO, "cause-device"),
    (libc::ELOOP, "cause-link-loop"),
    (libc::ECONNREFUSED, "cause-connection-refused"),
    (libc::EPIPE, "cause-connection-reset"),
    (libc::ETIMEDOUT, "cause-timed-out"),
    (libc::EHOSTUNREACH, "cause-host-unreachable"),
    (libc::ENETUNREACH, "cause-network-unreachable"),
    (libc::EADDRINUSE, "cause-address-in-use"),
    (libc::EADDRNOTAVAIL, "cause-address-not-here"),
];

/// Those that no number has.
const WITHOUT_NUMBER: [&str; 8] = [
    "cause-ended-early",
    "cause-name-not-found",
    "cause-no-such-family",
    "cause-not-json",
    "cause-not-utf-8",
    "cause-of-system",
    "cause-other-json",
    "cause-unknown",
];

fn ru(fault: &(dyn Error + 'static)) -> String {
    Cause::of(fault).words(Language::Ru)
}

#[test]
fn every_meaning_has_words_in_both_languages_and_they_are_not_the_systems() {
    let known = document::messages(include_str!("../messages/en.ftl"));
    let known: Vec<&str> = known.into_keys().collect();
    for (number, key) in NUMBERS {
        let fault = io::Error::from_raw_os_error(number);
        let cause = Cause::of(&fault);
        assert_eq!(cause.means, Meaning::Known(key), "{fault}");
        assert!(known.contains(&key), "{key}");
        assert_eq!(cause.to_string(), fault.to_string());
        for language in Language::ALL {
            let words = cause.words(language);
            assert!(!words.contains("os error"), "{words}");
            assert!(!words.contains("cause-"), "{words}");
        }
        let is_latin = |c: char| c.is_ascii_alphabetic();
        let words = cause.words(Language::Ru);
        assert!(!words.contains(is_latin), "{words}");
    }
    let mut named: Vec<&str> = NUMBERS.iter().map(|(_, key)| *key).collect();
    named.extend(WITHOUT_NUMBER);
    let told = known.iter().filter(|key| key.starts_with("cause-"));
    let unheard: Vec<_> = told.filter(|key| !named.contains(key)).collect();
    assert!(unheard.is_empty(), "{unheard:?}");
}

#[test]
fn what_has_no_words_is_told_as_the_system_says_it_with_its_number() {
    let fault = io::Error::from_raw_os_error(libc::EUCLEAN);
    let words = ru(&fault);
    assert!(words.contains("117"), "{words}");
    assert!(words.contains("(Structure needs cleaning)"), "{words}");
    let fault = io::Error::other("the moon is full");
    assert!(ru(&fault).contains("(the moon is full)"), "{}", ru(&fault));
}

#[test]
fn of_openssls_words_the_reason_is_enough() {
    let fault = io::Error::other("error:0480006C:PEM routines:get_name:no start line:pem.c:797:");
    assert_eq!(ru(&fault), "ошибка (no start line)");
}

#[test]
fn the_cause_is_found_however_deep_it_lies() {
    #[derive(Debug, thiserror::Error)]
    #[error("sessions.redb: {0}")]
    struct Outer(#[source] io::Error);

    let deep = io::Error::other(Outer(io::Error::from_raw_os_error(libc::ENOSPC)));
    let cause = Cause::of(&deep);
    assert_eq!(cause.means, Meaning::Known("cause-storage-full"));
    let exact = "sessions.redb: No space left on device (os error 28)";
    assert_eq!(cause.to_string(), exact);

    #[derive(Debug, thiserror::Error)]
    #[error("reading the sessions")]
    struct Context(#[source] Outer);

    let told = Cause::of(&Context(Outer(io::ErrorKind::TimedOut.into()))).to_string();
    assert_eq!(told, "reading the sessions: sessions.redb: timed out");
}

#[test]
fn a_name_that_nobody_knows_is_told_so() {
    // No such top-level domain, by RFC 6761: every resolver says no, also one without a network.
    let fault = ("terminal.invalid", 443).to_socket_addrs().unwrap_err();
    let cause = Cause::of(&fault);
    assert_eq!(
        cause.means,
        Meaning::Known("cause-name-not-found"),
        "{fault}"
    );
}

#[test]
fn json_is_told_with_the_line_and_what_was_expected_there() {
    let broken = serde_json::from_str::<Vec<u8>>("[1,\n 2").unwrap_err();
    let words = ru(&broken);
    assert!(words.contains("строка 2"), "{words}");
    assert!(!words.contains("EOF"), "{words}");
    let other = serde_json::from_str::<Vec<u8>>("[1,\n \"2\"]").unwrap_err();
    let words = ru(&other);
    assert!(words.contains("строка 2"), "{words}");
    assert!(words.contains("expected u8)"), "{words}");
}

#[test]
fn a_text_that_is_none_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("copy.xml");
    std::fs::write(&file, b"\xFF\xFE").unwrap();
    let fault = std::fs::read_to_string(&file).unwrap_err();
    assert_eq!(Cause::of(&fault).means, Meaning::Known("cause-not-utf-8"));
}
