use proptest::prelude::*;

use super::*;

/// As OpenSSL, SChannel and their like send it.
fn hello(legacy: u16, name: Option<&str>, versions: &[u16]) -> Vec<u8> {
    let mut extensions = Vec::new();
    if let Some(name) = name {
        let length = u16::try_from(name.len()).unwrap();
        extensions.extend([0, 0]);
        extensions.extend((length + 5).to_be_bytes());
        extensions.extend((length + 3).to_be_bytes());
        extensions.push(0);
        extensions.extend(length.to_be_bytes());
        extensions.extend(name.as_bytes());
    }
    // An extension that nobody here knows.
    extensions.extend([0x5a, 0x5a, 0, 1, 0]);
    if !versions.is_empty() {
        let length = u8::try_from(versions.len() * 2).unwrap();
        extensions.extend([0, 43, 0, length + 1, length]);
        extensions.extend(versions.iter().flat_map(|version| version.to_be_bytes()));
    }
    let mut body = legacy.to_be_bytes().to_vec();
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0x13, 1, 1, 0]);
    body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend(extensions);
    let length = u16::try_from(body.len()).unwrap();
    let mut message = vec![0x16, 3, 1];
    message.extend((length + 4).to_be_bytes());
    message.extend([1, 0]);
    message.extend(length.to_be_bytes());
    message.extend(body);
    message
}

#[track_caller]
fn offers(bytes: &[u8], offered: TlsVersion, server_name: Option<&str>) {
    let expected = Hello {
        offered: Some(offered),
        server_name,
        in_ssl2_format: false,
    };
    assert_eq!(Greeting::of(bytes), Greeting::Tls(expected));
}

/// Of a Windows CE: RC4 by its number in SSL 2, then AES and 3DES by those of TLS.
fn hello_in_ssl2_format(version: u16) -> Vec<u8> {
    let mut message = vec![0x80, 34, 1];
    message.extend(version.to_be_bytes());
    message.extend([0, 9, 0, 0, 0, 16]);
    message.extend([1, 0, 0x80, 0, 0, 0x2f, 0, 0, 0x0a]);
    message.extend([7; 16]);
    message
}

#[test]
fn a_hello_tells_the_newest_version_and_whom_the_client_calls() {
    let modern = hello(0x0303, Some("gate.example.ru"), &[0x7a7a, 0x0304, 0x0303]);
    offers(&modern, TlsVersion::Tls13, Some("gate.example.ru"));
    offers(&hello(0x0303, None, &[]), TlsVersion::Tls12, None);
    offers(&hello(0x0301, None, &[]), TlsVersion::Tls10, None);
    let invented = hello(0x0303, None, &[0x1a1a]);
    offers(&invented, TlsVersion::Tls12, None);
}

#[test]
fn what_cannot_be_a_hosts_name_is_not_repeated() {
    for name in ["a\nb", "магазин", "a b", "", "a\"", &"a".repeat(254)] {
        offers(&hello(0x0303, Some(name), &[]), TlsVersion::Tls12, None);
    }
}

#[test]
fn a_hello_that_has_come_in_part_tells_its_part() {
    let whole = hello(0x0303, Some("gate.example.ru"), &[0x0304]);
    for length in 1..whole.len() {
        let greeting = Greeting::of(&whole[..length]);
        assert!(matches!(greeting, Greeting::Tls(_)), "{length}");
    }
    let Greeting::Tls(part) = Greeting::of(&whole[..whole.len() - 5]) else {
        panic!("a hello")
    };
    assert_eq!(part.server_name, Some("gate.example.ru"));
}

#[test]
fn the_head_of_the_next_record_is_no_part_of_a_hello_that_goes_on_in_it() {
    let whole = hello(0x0301, Some("gate.example.ru"), &[]);
    let (head, body) = whole.split_at(5);
    for length in 1..body.len() {
        let (first, second) = body.split_at(length);
        let mut bytes = Vec::new();
        for part in [first, second] {
            bytes.extend([head[0], head[1], head[2]]);
            bytes.extend(u16::try_from(part.len()).unwrap().to_be_bytes());
            bytes.extend(part);
        }
        let Greeting::Tls(read) = Greeting::of(&bytes) else {
            panic!("{length}: no hello")
        };
        assert!(
            matches!(read.offered, None | Some(TlsVersion::Tls10)),
            "{length}: {read:?}"
        );
        let name = read.server_name;
        assert!(matches!(name, None | Some("gate.example.ru")), "{length}");
    }
}

#[test]
fn a_hello_in_the_format_of_ssl2_is_tls_and_tells_the_newest_version() {
    for (version, offered) in [
        (0x0002, TlsVersion::Ssl2),
        (0x0300, TlsVersion::Ssl3),
        (0x0301, TlsVersion::Tls10),
        (0x0303, TlsVersion::Tls12),
        (0x0304, TlsVersion::Tls12),
    ] {
        let whole = hello_in_ssl2_format(version);
        let expected = Hello {
            offered: Some(offered),
            server_name: None,
            in_ssl2_format: true,
        };
        for length in 5..=whole.len() {
            let greeting = Greeting::of(&whole[..length]);
            assert_eq!(greeting, Greeting::Tls(expected), "{version:04x} {length}");
        }
        for length in 1..5 {
            let greeting = Greeting::of(&whole[..length]);
            assert!(greeting.is_tls(), "{version:04x} {length}");
            assert_eq!(greeting.hello().offered, None);
            assert_eq!(greeting.hello().in_ssl2_format, length > 2, "{length}");
        }
    }
}

#[test]
fn http_and_garbage_are_told_from_tls() {
    for (bytes, expected) in [
        (&b""[..], Greeting::None),
        (b"GET / HTTP/1.1\r\n", Greeting::Http),
        (b"G", Greeting::Http),
        (b"OPTIONS", Greeting::Http),
        (b"SSH-2.0-OpenSSH_9", Greeting::Garbage),
        (b"\x03\x00\x00\x13\x0e", Greeting::Garbage),
        // A remote procedure call, and letters of UTF-8.
        (b"\x80\x00\x00\x28\x72\xfe", Greeting::Garbage),
        ("Привет".as_bytes(), Greeting::Garbage),
        (b"\x80\x2e\x01\x41\x42", Greeting::Garbage),
        (b"\x16\x03\x01\x00\x05hello", Greeting::NoHello),
        (b"\x16GET / HTTP", Greeting::NoHello),
        (b"\x16\x03\x01\x00\x00", Greeting::NoHello),
        (b"\x16\x03\x01\x02\x00\x02\x00\x00\x10", Greeting::NoHello),
        (b"\x16", Greeting::Tls(Hello::default())),
    ] {
        let greeting = Greeting::of(bytes);
        assert_eq!(greeting, expected, "{bytes:?}");
        assert_eq!(greeting.is_tls(), bytes.starts_with(b"\x16"), "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_greeting(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let as_it_came = Greeting::of(&bytes);
        prop_assert_eq!(as_it_came == Greeting::None, bytes.is_empty());
        let mut hello = hello(0x0303, Some("a.example"), &[0x0304]);
        for (at, byte) in bytes.iter().enumerate().take(20) {
            let place = (at * 31 + usize::from(*byte)) % hello.len();
            hello[place] = *byte;
        }
        if let Some(name) = Greeting::of(&hello).hello().server_name {
            prop_assert!(is_host(name));
        }
    }
}

const GOOD: Shown = Shown {
    covers_the_called: true,
    has_addresses: true,
    self_signed: false,
};
const OTHER_NAME: Shown = Shown {
    covers_the_called: false,
    ..GOOD
};
const OWN: Shown = Shown {
    self_signed: true,
    ..GOOD
};
const NO_ADDRESS: Shown = Shown {
    has_addresses: false,
    ..GOOD
};

#[track_caller]
fn check(end: End, name: Option<&str>, shown: Shown, expected: HandshakeFault) {
    let hello = hello(0x0303, name, &[]);
    let greeting = Greeting::of(&hello);
    let fault = HandshakeFault::of(end, greeting, Some(shown));
    assert_eq!(fault, expected, "{end:?} {name:?} {shown:?}");
}

#[test]
fn an_alert_is_read_with_what_was_seen_beside_it() {
    use HandshakeFault as Fault;
    let name = Some("gate.example.ru");
    check(End::Alert(48), name, GOOD, Fault::UnknownAuthority);
    check(End::Alert(45), name, GOOD, Fault::CertificateExpired);
    for vague in [42, 43, 46] {
        let vague = End::Alert(vague);
        check(vague, name, GOOD, Fault::CertificateNotAccepted);
        check(vague, name, OTHER_NAME, Fault::NameMismatch);
        check(vague, name, OWN, Fault::UnknownAuthority);
        check(vague, None, GOOD, Fault::CertificateNotAccepted);
        check(vague, None, NO_ADDRESS, Fault::NameMismatch);
        check(vague, name, NO_ADDRESS, Fault::CertificateNotAccepted);
    }
    // A foreign issuer is told as such, whatever the name: without the root no name helps.
    check(End::Alert(48), name, OTHER_NAME, Fault::UnknownAuthority);
    check(End::Alert(40), name, GOOD, Fault::NoCommonCipher);
    check(End::Alert(0), name, GOOD, Fault::ClientGone);
}

#[test]
fn who_leaves_without_an_alert_is_measured_by_the_name_that_he_called() {
    let name = Some("gate.example.ru");
    check(End::Left, name, GOOD, HandshakeFault::LeftAfterHandshake);
    check(End::Left, None, GOOD, HandshakeFault::LeftAfterHandshake);
    check(End::Left, name, OTHER_NAME, HandshakeFault::NameMismatch);
}

#[test]
fn old_tls_no_cipher_time_and_noise_are_told_apart() {
    use HandshakeFault as Fault;
    check(End::Library(258), None, GOOD, Fault::TooOldTls);
    check(End::Library(193), None, GOOD, Fault::NoCommonCipher);
    check(
        End::Library(199),
        None,
        GOOD,
        Fault::ClientCertificateMissing,
    );
    check(
        End::Library(134),
        None,
        GOOD,
        Fault::ClientCertificateRefused,
    );
    check(End::TimedOut, None, GOOD, Fault::TimedOut);
    check(End::Gone, None, GOOD, Fault::ClientGone);
    let of = |end, bytes: &[u8]| HandshakeFault::of(end, Greeting::of(bytes), None);
    assert_eq!(of(End::Silent, b""), Fault::Silent);
    assert_eq!(of(End::ClosedAtOnce, b""), Fault::ClosedAtOnce);
    assert_eq!(of(End::NotTls, b"GET / HTTP/1.1"), Fault::PlainHttp);
    assert_eq!(of(End::NotTls, b"SSH-2.0-x"), Fault::Garbage);
    let in_ssl2_format = hello_in_ssl2_format(0x0301);
    for (end, expected) in [
        (End::Library(258), Fault::TooOldTls),
        (End::Library(252), Fault::TooOldTls),
        (End::Library(193), Fault::NoCommonCipher),
        (End::Library(213), Fault::Garbage),
        (End::Alert(48), Fault::UnknownAuthority),
        (End::Gone, Fault::ClientGone),
        (End::TimedOut, Fault::TimedOut),
    ] {
        assert_eq!(of(end, &in_ssl2_format), expected, "{end:?}");
    }
    assert_eq!(
        of(End::Library(244), b"\x16\x03\x01\x00\x05hello"),
        Fault::Garbage
    );
}

#[test]
fn reasons_are_different_words() {
    let words: std::collections::BTreeSet<_> = HandshakeFault::ALL
        .iter()
        .map(|fault| fault.reason())
        .collect();
    assert_eq!(words.len(), HandshakeFault::ALL.len());
}
