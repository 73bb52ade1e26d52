//! Who asks, as the gateway says in the identity headers. Without a role nobody is served.

use backend_types::{Role, header};
use http::{HeaderMap, HeaderName, StatusCode};
use percent_encoding::percent_decode_str;
use uuid::Uuid;

use crate::{api::error::ApiError, messages::Message};

/// One caller. A database without authentication is asked by an administrator without a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) role: Role,
    /// The user's id.
    pub(crate) user: Option<String>,
    /// The client's address, for the log.
    pub(crate) client: String,
}

impl Identity {
    pub(crate) fn from_headers(headers: &HeaderMap) -> Result<Self, ApiError> {
        let role = text(headers, header::ROLE).and_then(|role| role.parse().ok());
        let role = role
            .ok_or_else(|| ApiError::new(StatusCode::UNAUTHORIZED, Message::new("role-missing")))?;
        let user = match text(headers, header::USER) {
            None | Some("") => None,
            Some(encoded) => {
                let decoded = percent_decode_str(encoded).decode_utf8();
                let user = decoded.map_err(|_not_utf8| {
                    ApiError::new(StatusCode::UNAUTHORIZED, Message::new("user-unknown"))
                })?;
                Some(user.into_owned())
            }
        };
        let client = text(headers, header::CLIENT).unwrap_or_default().to_owned();
        Ok(Self { role, user, client })
    }
}

/// The id under which this request stands in both logs.
pub(crate) fn request_id(headers: &HeaderMap) -> String {
    let given = text(headers, header::REQUEST_ID).filter(|id| (1..=128).contains(&id.len()));
    given.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

/// A header's value when there is exactly one and it is visible ASCII.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &'static str) -> Option<&'a str> {
    let mut values = headers.get_all(HeaderName::from_static(name)).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    value.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_user_arrives_percent_encoded() {
        let user = "%D0%BE%D0%BF%D0%B5%D1%80%D0%B0%D1%82%D0%BE%D1%80";
        let headers = headers(&[(header::ROLE, "mobile-user"), (header::USER, user)]);
        let identity = Identity::from_headers(&headers).unwrap();
        assert_eq!(identity.role, Role::MobileUser);
        assert_eq!(identity.user.as_deref(), Some("оператор"));
    }

    #[test]
    fn without_exactly_one_known_role_nobody_is_served() {
        for pairs in [
            &[][..],
            &[(header::ROLE, "root")][..],
            &[
                (header::ROLE, "administrator"),
                (header::ROLE, "mobile-user"),
            ][..],
        ] {
            let refusal = Identity::from_headers(&headers(pairs)).unwrap_err();
            assert_eq!(refusal.status, StatusCode::UNAUTHORIZED, "{pairs:?}");
        }
        let twin = headers(&[(header::ROLE, "administrator")]);
        assert_eq!(Identity::from_headers(&twin).unwrap().user, None);
    }
}
