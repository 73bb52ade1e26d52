//! Whose words about a request reach the upstream: header names that a client may not send.
//!
//! Many servers fold `_`, `-` and `.` in a header name into one, so a name is ours in any such
//! spelling and any letter case (attack class T4). The proxy adds ours last, so naming them in
//! `Connection` takes nothing away (T5); what may not be named there at all, `head` refuses. Here
//! stand only the names; [`backend_types::header`] has them as they are sent.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What happens to the client's `Authorization` when the request is forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authorization {
    /// The gateway has judged it (or nobody asks): it ends here.
    Ends,
    /// The existing server judges it.
    Passes,
}

/// Families of names that only we write.
const OURS_BY_PREFIX: [&[u8]; 2] = [b"x-smarts-", b"x-forwarded-"];

/// Names that only we write, or that nobody should believe.
const OURS: [&[u8]; 4] = [
    b"x-request-id",
    b"x-real-ip",
    b"forwarded",
    b"true-client-ip",
];

/// Names by which a client asks the upstream to act on another method or path than the one that
/// was judged (T1, T23), and the one that CGI turns into `HTTP_PROXY`.
const MISLEADING: [&[u8]; 7] = [
    b"x-http-method-override",
    b"x-http-method",
    b"x-method-override",
    b"x-original-method",
    b"x-original-url",
    b"x-rewrite-url",
    b"proxy",
];

/// Whether the name is one of ours in any spelling.
fn is_ours(name: &str) -> bool {
    OURS_BY_PREFIX.iter().any(|prefix| begins(name, prefix)) || is_any(name, &OURS)
}

/// Whether a client's header of this name ends at the gateway.
#[must_use]
pub fn ends_here(name: &str, authorization: Authorization) -> bool {
    let judged = authorization == Authorization::Ends && is_any(name, &[b"authorization"]);
    judged || is_ours(name) || is_any(name, &MISLEADING)
}

/// A user's id as `X-Smarts-User` carries it: UTF-8, everything but RFC 3986's unreserved
/// characters percent-encoded.
#[must_use]
pub fn percent_encode_user(id: &str) -> String {
    const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    utf8_percent_encode(id, RESERVED).to_string()
}

fn folded(name: &str) -> impl Iterator<Item = u8> {
    name.bytes().map(|byte| match byte {
        b'_' | b'.' => b'-',
        _ => byte.to_ascii_lowercase(),
    })
}

fn is_any(name: &str, folded_names: &[&[u8]]) -> bool {
    folded_names
        .iter()
        .any(|known| folded(name).eq(known.iter().copied()))
}

fn begins(name: &str, prefix: &[u8]) -> bool {
    folded(name).take(prefix.len()).eq(prefix.iter().copied())
}

#[cfg(test)]
mod tests {
    use backend_types::header;
    use proptest::prelude::*;

    use super::*;

    const WRITTEN_BY_US: [&str; 12] = [
        header::DATABASE,
        header::USER,
        header::ROLE,
        header::CLIENT,
        header::KEY,
        header::REQUEST_ID,
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "X-Real-IP",
        "Forwarded",
        "True-Client-IP",
    ];

    #[test]
    fn what_clients_need_passes() {
        for name in [
            "Host",
            "Accept",
            "Content-Type",
            "Content-Length",
            "Cookie",
            "User-Agent",
            "OData-Version",
            "X-Smart",
            "X-Forwarded",
            "X-Request",
            "Forwarded-By",
            "X-Requested-With",
            "Proxy-Foo",
            "",
        ] {
            assert!(!ends_here(name, Authorization::Ends), "{name}");
        }
    }

    #[test]
    fn authorization_passes_only_where_the_existing_server_judges() {
        for name in ["Authorization", "AUTHORIZATION"] {
            assert!(ends_here(name, Authorization::Ends));
            assert!(!ends_here(name, Authorization::Passes));
        }
    }

    #[test]
    fn a_client_cannot_name_another_method_or_path() {
        for name in [
            "X-HTTP-Method-Override",
            "x_http_method",
            "X.Rewrite.URL",
            "X-Original-URL",
        ] {
            assert!(ends_here(name, Authorization::Passes), "{name}");
        }
    }

    #[test]
    fn a_cyrillic_user_travels_as_ascii() {
        assert_eq!(percent_encode_user("a-1_2.~"), "a-1_2.~");
        assert_eq!(percent_encode_user("оп"), "%D0%BE%D0%BF");
        assert_eq!(percent_encode_user("a b\r\n%/"), "a%20b%0D%0A%25%2F");
    }

    proptest! {
        #[test]
        fn ours_are_ours_in_any_spelling(
            name in prop::sample::select(&WRITTEN_BY_US[..]),
            spelling in prop::collection::vec((any::<bool>(), 0..3_usize), 20),
        ) {
            let spelled: String = name
                .chars()
                .zip(spelling)
                .map(|(c, (upper, separator))| match (c, upper) {
                    ('-', _) => ['-', '_', '.'][separator],
                    (c, true) => c.to_ascii_uppercase(),
                    (c, false) => c.to_ascii_lowercase(),
                })
                .collect();
            prop_assert!(is_ours(&spelled), "{}", spelled);
            prop_assert!(ends_here(&spelled, Authorization::Passes));
        }

        #[test]
        fn a_user_reads_back_as_it_is_written(id: String) {
            let text = percent_encode_user(&id);
            prop_assert!(text.is_ascii());
            let read = percent_encoding::percent_decode_str(&text).decode_utf8().unwrap();
            prop_assert_eq!(read, id);
        }
    }
}
