//! The login endpoints: what is asked there, and the answers in the shapes that clients know.
//!
//! `B/session`, `/api/session` and `/oauth/token` answer as the vendor's server does
//! (`Access_token`, …); `B/connect/token` answers as its newer web console expects (lower case,
//! `invalid_grant` with 400).

use std::sync::Arc;

use gateway_policy::{
    credentials::{Authorization, Grant, Secret},
    refusal::{Refusal, Unauthenticated},
    route::Place,
    session::ACCESS_LIFETIME,
};
use serde_json::json;

use super::Origin;
use crate::{
    access_log::Entry,
    answer::{Answer, Asked},
    body::{self, Body, BodyError},
    directory::{Authentication, Database, Upstream},
    messages::{self, Language},
    shared::Shared,
    stream::ClientStream,
};

/// What a request to a login endpoint asks for.
pub(crate) enum Ask {
    /// Credentials stood in the query.
    Grant(Grant),
    /// They come in the body.
    Form(Shape),
    /// `DELETE B/session`.
    End(Option<Secret>),
    /// Where clients learn that a login is needed, and where.
    Configuration,
    /// Nobody has to log in: an answer that satisfies whoever does it all the same.
    Anything(Shape),
}

/// Whose spelling the answer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Smarts,
    OAuth,
}

impl Ask {
    /// `None`: the path is no login endpoint of ours.
    pub(crate) fn of(
        database: &Database,
        place: Place<'_>,
        method: &str,
        query: Option<&str>,
        authorization: Option<&[u8]>,
    ) -> Option<Result<Self, Refusal>> {
        let open = database.authentication == Authentication::None;
        if open && matches!(database.upstream, Upstream::Server(_)) {
            return None;
        }
        let shape = match place {
            Place::ConnectToken => Shape::OAuth,
            Place::Session | Place::ApiSession | Place::OauthToken => Shape::Smarts,
            Place::OpenIdConfiguration if open => return Some(Err(Refusal::NotFound)),
            Place::OpenIdConfiguration => {
                return Some(match method {
                    "GET" | "HEAD" => Ok(Self::Configuration),
                    _ => Err(Refusal::MethodNotAllowed),
                });
            }
            Place::Human | Place::Api(_) | Place::Other => return None,
        };
        let session = matches!(place, Place::Session | Place::ApiSession);
        Some(match method {
            "GET" | "POST" if open && (session || method == "POST") => Ok(Self::Anything(shape)),
            "GET" if session => Grant::from_query(query.unwrap_or_default())
                .map(Self::Grant)
                .map_err(Refusal::from),
            "POST" => Ok(Self::Form(shape)),
            "DELETE" if session => Ok(Self::End(bearer(authorization))),
            _ => Err(Refusal::MethodNotAllowed),
        })
    }
}

fn bearer(authorization: Option<&[u8]>) -> Option<Secret> {
    match Authorization::parse(authorization?) {
        Authorization::Bearer(token) => Some(token),
        Authorization::Basic { .. } | Authorization::Malformed | Authorization::Other => None,
    }
}

/// Answers a login endpoint.
#[expect(clippy::too_many_arguments, reason = "one request's parts, one by one")]
pub(crate) async fn answer(
    shared: &Arc<Shared>,
    database: &Database,
    origin: &Origin,
    ask: Ask,
    stream: &mut ClientStream,
    asked: &mut Asked,
    entry: &mut Entry,
    language: Language,
) -> Result<Answer, Refusal> {
    let (grant, shape) = match ask {
        Ask::Grant(grant) => (grant, Shape::Smarts),
        Ask::Form(shape) => {
            let form = read_form(stream, asked).await?;
            match Grant::from_form(&form) {
                Ok(grant) => (grant, shape),
                Err(fault) => return refused(fault.into(), shape, entry, language),
            }
        }
        Ask::End(token) => {
            let token = token.ok_or(Refusal::Unauthenticated(Unauthenticated::NoCredentials))?;
            super::end_session(shared, database, &token).await?;
            return Ok(Answer::no_content());
        }
        Ask::Configuration => return Ok(Answer::json(200, &configuration())),
        Ask::Anything(shape) => {
            read_form(stream, asked).await?;
            let (access, refresh) = super::worthless()?;
            let seconds = ACCESS_LIFETIME.as_secs();
            return Ok(Answer::json(
                200,
                &tokens(&access, &refresh, seconds, shape),
            ));
        }
    };
    match super::log_in(shared, database, origin, grant).await {
        Ok(issued) => {
            let (access, refresh) = (issued.access.expose(), issued.refresh.expose());
            let answer = tokens(access, refresh, issued.expires_in_seconds, shape);
            entry.user = Some(issued.login.user);
            Ok(Answer::json(200, &answer))
        }
        Err(refusal) => refused(refusal, shape, entry, language),
    }
}

async fn read_form(
    stream: &mut ClientStream,
    asked: &mut Asked,
) -> Result<bytes::BytesMut, Refusal> {
    match body::form(stream, asked.body).await {
        Ok(form) => {
            asked.body = Body::Read;
            Ok(form)
        }
        Err(fault) => {
            // Where the body ends is not known any more.
            asked.keep_alive = false;
            Err(match fault {
                BodyError::TooLarge => Refusal::BodyTooLarge,
                BodyError::TimedOut | BodyError::Chunks(_) | BodyError::BrokeOff(_) => {
                    Refusal::BodyBroken
                }
            })
        }
    }
}

/// A wrong password is 400 `invalid_grant` in OAuth's shape (RFC 6749, 5.2).
fn refused(
    refusal: Refusal,
    shape: Shape,
    entry: &mut Entry,
    language: Language,
) -> Result<Answer, Refusal> {
    match (shape, refusal.status()) {
        (Shape::OAuth, Some(status @ (400 | 401))) => {
            entry.refused(refusal);
            let error = if status == 401 {
                "invalid_grant"
            } else {
                "invalid_request"
            };
            let words = messages::refusal(refusal, language);
            Ok(Answer::json(
                400,
                &json!({"error": error, "error_description": words}),
            ))
        }
        _ => Err(refusal),
    }
}

fn tokens(access: &str, refresh: &str, seconds: u64, shape: Shape) -> serde_json::Value {
    match shape {
        Shape::Smarts => json!({
            "Expires_in": seconds,
            "Access_token": access,
            "Token_type": "bearer",
            "Refresh_token": refresh,
        }),
        Shape::OAuth => json!({
            "access_token": access,
            "refresh_token": refresh,
            "token_type": "Bearer",
            "expires_in": seconds,
        }),
    }
}

/// Relative, since a database answers under several bases.
fn configuration() -> serde_json::Value {
    json!({
        "token_endpoint": "connect/token",
        "grant_types_supported": ["password", "barcode", "refresh_token"],
        "token_endpoint_auth_methods_supported": ["none"],
    })
}
