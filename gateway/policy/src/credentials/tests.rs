use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;

use super::*;

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn basic_of(name: &str, password: &str) -> Authorization {
    Authorization::Basic {
        name: name.to_owned(),
        password: secret(password),
    }
}

fn named(name: &str, password: &str) -> Grant {
    Grant::Password {
        name: name.to_owned(),
        password: secret(password),
    }
}

#[test]
fn basic_is_read_plain_and_in_base64() {
    for (value, expected) in [
        ("Basic ivanov:secret", basic_of("ivanov", "secret")),
        ("Basic aXZhbm92OnNlY3JldA==", basic_of("ivanov", "secret")),
        ("basic aXZhbm92OnNlY3JldA", basic_of("ivanov", "secret")),
        ("BASIC  a:b:c ", basic_of("a", "b:c")),
        ("Basic оператор:пароль", basic_of("оператор", "пароль")),
        ("Basic :", basic_of("", "")),
        ("Basic a:", basic_of("a", "")),
    ] {
        assert_eq!(Authorization::parse(value.as_bytes()), expected, "{value}");
    }
}

#[test]
fn what_is_neither_plain_nor_base64_is_malformed() {
    let long = format!("Basic a:{}", "x".repeat(password::MAX_CHARS + 1));
    let long_name = format!("Basic {}:x", "a".repeat(MAX_NAME_CHARS + 1));
    let long_token = format!("Bearer {}", "a".repeat(MAX_TOKEN_BYTES + 1));
    for value in [
        "Basic",
        "Basic ",
        "Basic ivanov",
        "Basic aXZhbm92",
        "Basic %%%",
        "Bearer",
        "Bearer a b",
        "Bearer токен",
        &long,
        &long_name,
        &long_token,
    ] {
        assert_eq!(
            Authorization::parse(value.as_bytes()),
            Authorization::Malformed,
            "{value}"
        );
    }
    assert_eq!(
        Authorization::parse(b"Basic \xd0:x"),
        Authorization::Malformed
    );
    assert_eq!(Authorization::parse(b"Digest x=y"), Authorization::Other);
    assert_eq!(Authorization::parse(b""), Authorization::Other);
}

#[test]
fn a_bearer_token_is_taken_whole() {
    assert_eq!(
        Authorization::parse(b"bearer 4be0c9a1"),
        Authorization::Bearer(secret("4be0c9a1"))
    );
}

#[test]
fn a_secret_shows_itself_nowhere() {
    let shown = format!(
        "{:?} {:?}",
        Authorization::parse(b"Basic ivanov:hunter2"),
        Grant::from_form(b"grant_type=barcode&barcode=hunter2")
    );
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("ivanov"), "{shown}");
}

#[test]
fn every_login_form_of_real_clients_is_read() {
    for (form, expected) in [
        (
            "grant_type=password&client_id=123&client_secret=user&username=Ivanov&password=s3cret",
            named("Ivanov", "s3cret"),
        ),
        (
            "username=%D0%98%D0%B2%D0%B0%D0%BD&password=p%40s+s&client_id=ext_client&client_secret=x&scope=all+offline_access&grant_type=password",
            named("Иван", "p@s s"),
        ),
        (
            "GRANT_TYPE=Password&UserName=a&PassWord=b=c",
            named("a", "b=c"),
        ),
        (
            "grant_type=password&password=1234",
            Grant::PasswordAlone {
                password: secret("1234"),
            },
        ),
        (
            "grant_type=barcode&barcode=46%2B01",
            Grant::Barcode {
                barcode: secret("46+01"),
            },
        ),
        (
            "grant_type:refresh_token&client_id=123&refresh_token=91d3",
            Grant::Refresh {
                token: secret("91d3"),
            },
        ),
        (
            "scope=refresh_token+offline_access&grant_type=refresh_token&refresh_token=91d3",
            Grant::Refresh {
                token: secret("91d3"),
            },
        ),
    ] {
        assert_eq!(Grant::from_form(form.as_bytes()), Ok(expected), "{form}");
    }
}

#[test]
fn every_login_query_is_read() {
    for (query, expected) in [
        (
            "username=%D0%98%D0%B2%D0%B0%D0%BD%D0%BE%D0%B2&password=p%40ss",
            named("Иванов", "p@ss"),
        ),
        (
            "password=p",
            Grant::PasswordAlone {
                password: secret("p"),
            },
        ),
        (
            "Barcode=123",
            Grant::Barcode {
                barcode: secret("123"),
            },
        ),
        ("username=&password=x", named("", "x")),
    ] {
        assert_eq!(Grant::from_query(query), Ok(expected), "{query}");
    }
}

#[test]
fn a_faulty_login_is_named_by_its_cause() {
    use Field::{Barcode, GrantType, Password, RefreshToken, Username};
    let long_token = format!(
        "grant_type=refresh_token&refresh_token={}",
        "a".repeat(MAX_TOKEN_BYTES + 1)
    );
    let long_barcode = format!("grant_type=barcode&barcode={}", "1".repeat(129));
    let long_name = format!(
        "grant_type=password&username={}&password=x",
        "n".repeat(MAX_NAME_CHARS + 1)
    );
    let form = "a=".to_owned() + &"x".repeat(MAX_FORM_BYTES);
    for (form, expected) in [
        ("", LoginFault::Missing(GrantType)),
        ("username=a&password=b", LoginFault::Missing(GrantType)),
        (
            "grant_type=client_credentials&password=b",
            LoginFault::UnknownGrant,
        ),
        (
            "grant_type=password&username=a",
            LoginFault::Missing(Password),
        ),
        (
            "grant_type=barcode&password=b",
            LoginFault::Missing(Barcode),
        ),
        (
            "grant_type=refresh_token",
            LoginFault::Missing(RefreshToken),
        ),
        (
            "grant_type=password&password=a&Password=b",
            LoginFault::Repeated(Password),
        ),
        ("grant_type=password&password=%4", LoginFault::Encoding),
        ("grant_type=password&password=%zz", LoginFault::Encoding),
        ("grant_type=password&password=%ff", LoginFault::Encoding),
        (&long_token, LoginFault::TooLong(RefreshToken)),
        (&long_barcode, LoginFault::TooLong(Barcode)),
        (&long_name, LoginFault::TooLong(Username)),
        (&form, LoginFault::FormTooLong),
    ] {
        assert_eq!(Grant::from_form(form.as_bytes()), Err(expected), "{form}");
    }
    assert_eq!(
        Grant::from_query("barcode=1&password=2"),
        Err(LoginFault::BarcodeAndPassword)
    );
    assert_eq!(
        Grant::from_query("username=a"),
        Err(LoginFault::Missing(Password))
    );
}

#[test]
fn the_limit_counts_characters_after_nfc() {
    let form = |password: &str| {
        let password: String = password
            .bytes()
            .map(|byte| format!("%{byte:02X}"))
            .collect();
        Grant::from_form(format!("grant_type=password&password={password}").as_bytes())
    };
    let composed = "й".repeat(password::MAX_CHARS);
    let decomposed: String = composed.nfd().collect();
    assert_eq!(form(&composed), form(&decomposed));
    assert!(form(&decomposed).is_ok());
    assert_eq!(
        form(&"й".repeat(password::MAX_CHARS + 1)),
        Err(LoginFault::TooLong(Field::Password))
    );
}

#[test]
fn a_login_name_has_one_key_in_every_spelling() {
    for spelling in ["Иванов", " иванов\t", "ИВАНОВ", "\u{a0}Иванов"] {
        assert_eq!(login_name(spelling), "иванов", "{spelling:?}");
    }
    assert_eq!(login_name("Андре\u{438}\u{306}"), login_name("АНДРЕЙ"));
    // The backend's own folding has the same cases.
    assert_eq!(login_name("ΟΔΟΣ"), "οδοσ");
    assert_eq!(login_name("İ"), "i\u{307}");
    assert_ne!(login_name("Иванов"), login_name("Петров"));
}

proptest! {
    #[test]
    fn base64_and_plain_basic_mean_the_same(name in "[^:\\pC\\s]{1,20}", password in "[^\\pC\\s]{0,20}") {
        let plain = format!("{name}:{password}");
        let encoded = format!("Basic {}", BASE64_STANDARD.encode(&plain));
        let read = Authorization::parse(encoded.as_bytes());
        prop_assert_eq!(&read, &Authorization::parse(format!("Basic {plain}").as_bytes()));
        let (name, password): (String, String) = (name.nfc().collect(), password.nfc().collect());
        prop_assert_eq!(read, basic_of(&name, &password));
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, query: String) {
        drop(Authorization::parse(&bytes));
        drop(Grant::from_form(&bytes));
        drop(Grant::from_query(&query));
        prop_assert_eq!(login_name(&login_name(&query)), login_name(&query));
    }
}
