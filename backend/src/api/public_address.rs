//! The address under which the client reached us, as the gateway says it.
//!
//! Contexts always name the data server's own base, `/MobileSMARTS/api/v1`, whichever base was
//! called, as the original does; a `Location` repeats the base that was called.

use backend_types::DatabaseId;
use http::HeaderMap;

use crate::identity::text;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicAddress {
    /// Scheme, host and, on the server port, the database id.
    root: String,
    /// `/api/v1` or `/MobileSMARTS/api/v1`, in the client's letters.
    called: String,
}

impl PublicAddress {
    pub(crate) fn new(headers: &HeaderMap, database: &DatabaseId, called: &str) -> Self {
        let scheme = match text(headers, "x-forwarded-proto") {
            Some("https") => "https",
            _ => "http",
        };
        let host = text(headers, "x-forwarded-host").or_else(|| text(headers, "host"));
        let host = host.unwrap_or("localhost");
        // Only the gateway knows whether the client came by the server port.
        let prefix = text(headers, "x-forwarded-prefix")
            .and_then(|prefix| prefix.strip_prefix('/'))
            .filter(|prefix| prefix.eq_ignore_ascii_case(database.as_str()));
        let root = match prefix {
            Some(prefix) => format!("{scheme}://{host}/{prefix}"),
            None => format!("{scheme}://{host}"),
        };
        Self {
            root,
            called: called.to_owned(),
        }
    }

    /// The base that contexts begin with.
    pub(crate) fn base(&self) -> String {
        format!("{}/MobileSMARTS/api/v1", self.root)
    }

    /// What a terminal connects with: the address and the database id.
    pub(crate) fn connection(&self, database: &DatabaseId) -> String {
        let id = format!("/{database}");
        match self.root.to_ascii_lowercase().ends_with(&id) {
            true => self.root.clone(),
            false => format!("{}{id}", self.root),
        }
    }

    /// Address of a path below the base that was called.
    pub(crate) fn location(&self, below: &str) -> String {
        format!("{}{}/{below}", self.root, self.called)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(pairs: &[(&'static str, &'static str)], called: &str) -> PublicAddress {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        PublicAddress::new(&headers, &"21e6d501".parse().unwrap(), called)
    }

    #[test]
    fn what_the_gateway_says_of_scheme_and_host_counts() {
        let pairs = [
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "shop.ru:9706"),
        ];
        let public = address(&[pairs[0], pairs[1], ("host", "localhost")], "/api/v1");
        assert_eq!(public.base(), "https://shop.ru:9706/MobileSMARTS/api/v1");
        assert_eq!(
            public.location("Docs('1')"),
            "https://shop.ru:9706/api/v1/Docs('1')"
        );
        let twin = address(&[("host", "localhost")], "/api/v1");
        assert_eq!(twin.base(), "http://localhost/MobileSMARTS/api/v1");
    }

    #[test]
    fn on_the_server_port_the_database_id_stays_in_front() {
        let prefixed = address(
            &[("host", "h"), ("x-forwarded-prefix", "/21E6D501")],
            "/api/v1",
        );
        assert_eq!(
            prefixed.location("Docs('1')"),
            "http://h/21E6D501/api/v1/Docs('1')"
        );
        let foreign = address(&[("host", "h"), ("x-forwarded-prefix", "/evil")], "/api/v1");
        assert_eq!(foreign.location("Docs('1')"), "http://h/api/v1/Docs('1')");
    }
}
