use std::{fs, path::Path, process::Command};

use openssl::{pkcs12::Pkcs12, stack::Stack, symm::Cipher};

use super::*;
use crate::{
    KeyKind, Request,
    fixtures::{House, Wanted, leaf},
};

fn given(bytes: impl Into<Vec<u8>>) -> Given {
    Given {
        name: "file".to_owned(),
        bytes: Zeroizing::new(bytes.into()),
    }
}

fn one(bytes: impl Into<Vec<u8>>, password: Option<&str>) -> Result<(usize, usize), Fault> {
    let found = read(&[given(bytes)], password)?;
    Ok((found.certificates.len(), found.keys.len()))
}

#[track_caller]
fn refused(bytes: impl Into<Vec<u8>>, password: Option<&str>, code: &str) {
    let fault = one(bytes, password).unwrap_err();
    assert_eq!(fault.code(), code, "{fault}");
}

/// Key, leaf, intermediates.
fn pem(house: &House) -> String {
    let mut pem = house.leaf.key.private_key_to_pem_pkcs8().unwrap();
    for certificate in house.chain() {
        pem.extend(certificate.to_pem().unwrap());
    }
    String::from_utf8(pem).unwrap()
}

fn pfx(house: &House, password: &str) -> Vec<u8> {
    let mut authorities = Stack::new().unwrap();
    for authority in house.chain().into_iter().skip(1) {
        authorities.push(authority).unwrap();
    }
    let mut builder = Pkcs12::builder();
    builder.name("gate");
    builder.pkey(&house.leaf.key);
    builder.cert(&house.leaf.certificate);
    builder.ca(authorities);
    builder.build2(password).unwrap().to_der().unwrap()
}

#[test]
fn pem_is_found_in_any_encoding_with_anything_around_it() {
    let house = House::new();
    let pem = pem(&house);
    let utf_16 = |mark: [u8; 2], bytes: fn(u16) -> [u8; 2]| {
        let words = pem.encode_utf16().flat_map(bytes);
        mark.into_iter().chain(words).collect::<Vec<u8>>()
    };
    let mut noted =
        b"\xd1\xe5\xf0\xf2\xe8\xf4\xe8\xea\xe0\xf2\r\nBag Attributes: none\r\n".to_vec();
    noted.extend(pem.bytes());
    noted.extend(b"\r\n-- \r\nregards");
    for (shape, bytes) in [
        ("as it is", pem.clone().into_bytes()),
        ("mark", [b"\xef\xbb\xbf", pem.as_bytes()].concat()),
        ("CRLF", pem.replace('\n', "\r\n").into_bytes()),
        ("CR", pem.replace('\n', "\r").into_bytes()),
        ("one line", pem.replace('\n', "").into_bytes()),
        ("a string", pem.replace('\n', "\\n").into_bytes()),
        ("indented", pem.replace('\n', "\n    ").into_bytes()),
        ("UTF-16", utf_16([0xff, 0xfe], u16::to_le_bytes)),
        (
            "UTF-16, big end first",
            utf_16([0xfe, 0xff], u16::to_be_bytes),
        ),
        ("notes in cp1251", noted),
    ] {
        assert_eq!(one(bytes, None), Ok((3, 1)), "{shape}");
    }
}

#[test]
fn der_is_taken_for_what_it_is_also_in_bare_base64() {
    let house = House::new();
    let certificate = house.leaf.certificate.to_der().unwrap();
    assert_eq!(one(certificate.clone(), None), Ok((1, 0)));
    assert_eq!(one(base64::encode_block(&certificate), None), Ok((1, 0)));
    let key = &house.leaf.key;
    assert_eq!(one(key.private_key_to_der().unwrap(), None), Ok((0, 1)));
    assert_eq!(one(key.private_key_to_pkcs8().unwrap(), None), Ok((0, 1)));
    let request = Request::make(vec!["a.ru".parse().unwrap()], KeyKind::P256).unwrap();
    let found = read(&[given(request.pem)], None).unwrap();
    assert_eq!(found.requests, 1);
}

#[test]
fn a_pfx_opens_with_its_password_and_no_other() {
    let house = House::new();
    let locked = pfx(&house, "пароль");
    assert_eq!(one(locked.clone(), Some("пароль")), Ok((3, 1)));
    refused(locked.clone(), Some("другой"), "wrong-password");
    refused(locked, None, "password-needed");
    let open = pfx(&house, "");
    assert_eq!(one(open.clone(), None), Ok((3, 1)));
    assert_eq!(one(open, Some("needless")), Ok((3, 1)));
}

#[test]
fn an_encrypted_key_opens_with_its_password_and_no_other() {
    let rsa = House::with(Wanted {
        key: Some(KeyKind::Rsa2048.generate().unwrap()),
        ..leaf()
    });
    let key = &rsa.leaf.key;
    let cipher = Cipher::aes_256_cbc();
    let new = key.private_key_to_pem_pkcs8_passphrase(cipher, b"secret");
    let old = key
        .rsa()
        .unwrap()
        .private_key_to_pem_passphrase(cipher, b"secret");
    for pem in [new.unwrap(), old.unwrap()] {
        assert_eq!(one(pem.clone(), Some("secret")), Ok((0, 1)));
        refused(pem.clone(), Some("other"), "wrong-password");
        refused(pem, None, "password-needed");
    }
}

#[test]
fn a_file_that_is_nothing_of_ours_is_told_apart_from_a_damaged_one() {
    let house = House::new();
    let pem = pem(&house);
    refused("", None, "unknown-format");
    refused("certificate", None, "unknown-format");
    refused([0x30, 0x82, 0x01], None, "unknown-format");
    refused(pem.get(..pem.len() - 40).unwrap(), None, "damaged");
    refused(pem.replacen("MI", "M!", 1), None, "damaged");
    refused(vec![b'a'; FILE_LIMIT + 1], None, "too-large");
    let halves = [(); 3].map(|()| given([pem.as_bytes(), &[b' '; FILE_LIMIT / 2]].concat()));
    assert!(read(&halves[..1], None).is_ok());
    let together = read(&halves, None).err().unwrap();
    assert_eq!(together.code(), "too-large");
    let pfx = pfx(&house, "");
    refused(&pfx[..pfx.len() - 40], None, "unknown-format");
}

/// Every byte changed, and every beginning.
#[test]
fn no_changed_byte_makes_reading_panic() {
    let house = House::new();
    let request = Request::make(vec!["a.ru".parse().unwrap()], KeyKind::P256).unwrap();
    let files = [
        pem(&house).into_bytes(),
        house.leaf.certificate.to_der().unwrap(),
        house.leaf.key.private_key_to_pkcs8().unwrap(),
        request.pem.into_bytes(),
    ];
    for file in files {
        for place in 0..file.len() {
            let mut changed = file.clone();
            changed[place] ^= 0x81;
            drop(one(changed, None));
            drop(one(&file[..place], None));
        }
    }
}

#[test]
fn a_key_shows_itself_in_no_fault() {
    let house = House::new();
    let pem = pem(&house).replace("-----END PRIVATE", "-----END");
    let cut = pem.split_once("-----END").unwrap().0;
    let secret = cut.lines().nth(1).unwrap();
    let fault = one(cut, None).unwrap_err();
    assert!(!format!("{fault} {fault:?}").contains(secret));
}

/// Files as Windows and older tools make them: by Debian's `openssl`, which still can.
#[test]
fn files_packed_with_rc2_3des_or_des_open() {
    let house = House::new();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("all.pem"), pem(&house)).unwrap();
    let make = |words: &[&str], output: &Path| {
        let made = Command::new("openssl")
            .args(words)
            .arg("-out")
            .arg(output)
            .output()
            .unwrap();
        assert!(made.status.success(), "{words:?}: {made:?}");
        fs::read(output).unwrap()
    };
    let all = path("all.pem");
    let export = [
        "pkcs12",
        "-export",
        "-legacy",
        "-in",
        &all,
        "-passout",
        "pass:secret",
    ];
    for cipher in ["PBE-SHA1-RC2-40", "PBE-SHA1-3DES", "PBE-SHA1-RC4-128"] {
        let ciphers = ["-keypbe", "PBE-SHA1-3DES", "-certpbe", cipher];
        let pfx = make(
            &[&export[..], &ciphers].concat(),
            &folder.path().join("a.pfx"),
        );
        assert_eq!(one(pfx.clone(), Some("secret")), Ok((3, 1)), "{cipher}");
        refused(pfx, Some("other"), "wrong-password");
    }
    let key = [
        "pkcs8",
        "-topk8",
        "-in",
        &all,
        "-passout",
        "pass:secret",
        "-provider",
        "legacy",
        "-provider",
        "default",
    ];
    for scheme in ["PBE-MD5-DES", "PBE-SHA1-RC2-64"] {
        let key = make(
            &[&key[..], &["-v1", scheme]].concat(),
            &folder.path().join("a.key"),
        );
        assert_eq!(one(key.clone(), Some("secret")), Ok((0, 1)), "{scheme}");
        refused(key, Some("other"), "wrong-password");
    }
    for outform in ["PEM", "DER"] {
        let words = [
            "crl2pkcs7",
            "-nocrl",
            "-certfile",
            &all,
            "-outform",
            outform,
        ];
        let p7b = make(&words, &folder.path().join("a.p7b"));
        assert_eq!(one(p7b, None), Ok((3, 0)), "{outform}");
    }
    assert!(
        openssl::cipher::Cipher::fetch(None, "RC2-40-CBC", None).is_err(),
        "old ciphers are there only while a file is read"
    );
}

/// DER of one element.
fn element(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap();
    match length < 0x80 {
        true => [&[kind, length], content].concat(),
        false => [&[kind, 0x81, length], content].concat(),
    }
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OID: u8 = 0x06;
const OCTETS: u8 = 0x04;
const PBKDF2: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0c";
const SCRYPT: &[u8] = b"\x2b\x06\x01\x04\x01\xda\x47\x04\x0b";

fn salt() -> Vec<u8> {
    element(OCTETS, &[7; 8])
}

/// An encrypted key; `parameters` say how its password is to be hashed.
fn locked_key(hash: &[u8], parameters: &[&[u8]]) -> Vec<u8> {
    let hash = [element(OID, hash), element(SEQUENCE, &parameters.concat())];
    let cipher = [
        element(OID, b"\x60\x86\x48\x01\x65\x03\x04\x01\x2a"),
        element(OCTETS, &[7; 16]),
    ];
    let scheme = [
        element(OID, b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d"),
        element(
            SEQUENCE,
            &[
                element(SEQUENCE, &hash.concat()),
                element(SEQUENCE, &cipher.concat()),
            ]
            .concat(),
        ),
    ];
    let key = [
        element(SEQUENCE, &scheme.concat()),
        element(OCTETS, &[7; 32]),
    ];
    element(SEQUENCE, &key.concat())
}

#[test]
fn a_password_that_would_be_hashed_for_hours_is_not_tried() {
    let some = element(INTEGER, &[0, 0, 0x10, 0]);
    let many = element(INTEGER, &[0x7f, 0xff, 0xff, 0xff]);
    let locked = |parameters: &[&[u8]]| locked_key(PBKDF2, parameters);
    refused(locked(&[&salt(), &some]), Some("word"), "wrong-password");
    refused(locked(&[&salt(), &many]), Some("word"), "too-slow");

    let house = House::new();
    let mut packed = pfx(&house, "word");
    assert!(one(packed.clone(), Some("word")).is_ok());
    // How often for the seal stands last, in the file and in the seal.
    let seal = (0..packed.len() - 2)
        .rfind(|at| packed[*at] == 0x30 && at + 2 + usize::from(packed[at + 1]) == packed.len())
        .unwrap();
    assert_eq!(packed.split_off(packed.len() - 4), [0x02, 0x02, 0x08, 0x00]);
    packed.extend([0x02, 0x04, 0x7f, 0xff, 0xff, 0xff]);
    packed[seal + 1] += 2;
    let whole = u16::try_from(packed.len() - 4).unwrap().to_be_bytes();
    packed[2..4].copy_from_slice(&whole);
    refused(packed, Some("word"), "too-slow");
}

/// OpenSSL reads all of these.
#[test]
fn an_odd_way_of_writing_hides_no_number() {
    let many = element(INTEGER, &[0x7f, 0xff, 0xff, 0xff]);
    let pieces = element(OCTETS | 0x20, &salt());
    let endless = [&[OCTETS | 0x20, 0x80][..], &salt(), &[0, 0]].concat();
    let long_tag = [&[0x1f, OCTETS][..], &salt()[1..]].concat();
    let longer_tag = [&[0x1f, 0x80, INTEGER][..], &many[1..]].concat();
    for parameters in [
        [&pieces, &many],
        [&endless, &many],
        [&long_tag, &many],
        [&salt(), &longer_tag],
    ] {
        let key = locked_key(PBKDF2, &parameters.map(Vec::as_slice));
        refused(key, Some("word"), "too-slow");
    }
}

#[test]
fn the_three_numbers_of_scrypt_multiply() {
    let scrypt = |n: &[u8], p: &[u8]| {
        let [n, r, p] = [n, &[8], p].map(|number| element(INTEGER, number));
        locked_key(SCRYPT, &[&salt(), &n, &r, &p])
    };
    refused(scrypt(&[0x40, 0], &[1]), Some("word"), "wrong-password");
    refused(scrypt(&[0x40, 0], &[0x7f, 0xff]), Some("word"), "too-slow");
    let length = element(INTEGER, &[32]);
    let million = element(INTEGER, &[0x0f, 0x42, 0x40]);
    let key = locked_key(PBKDF2, &[&salt(), &million, &length]);
    refused(key, Some("word"), "wrong-password");
}
