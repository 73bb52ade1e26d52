//! The API below `/{database id}/[MobileSMARTS/]api/v1`: one request from its path to its entity set.
//!
//! A further entity set is a file beside these and a row in [`dispatch`]; its types, properties
//! and actions stand in `odata::metadata` already.

pub(crate) mod answers;
pub(crate) mod backups;
pub(crate) mod base_info;
pub(crate) mod configuration;
pub(crate) mod doc_types;
pub(crate) mod docs;
pub(crate) mod error;
pub(crate) mod products;
pub(crate) mod public_address;
pub(crate) mod sight;
pub(crate) mod user_groups;
pub(crate) mod users;
pub(crate) mod warehouses;

use axum::{
    Json,
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use backend_types::{DatabaseId, Role, header};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::LengthLimitError;
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::{error::ApiError, public_address::PublicAddress, sight::Sight};
use crate::{
    identity::{self, Identity},
    messages::Message,
    odata::{
        Query, Resource,
        metadata::{Parts, service_document, write},
        path::{Address, Ending},
    },
    server::{BODY_BYTES, State},
    storage::directory::{self, StoredDatabase},
};

/// A request to an entity set, understood but not yet answered.
pub(crate) struct Call<'a> {
    pub(crate) state: &'a State,
    pub(crate) database: StoredDatabase,
    pub(crate) identity: Identity,
    pub(crate) method: Method,
    pub(crate) address: Address,
    pub(crate) query: Query,
    pub(crate) public: PublicAddress,
    body: Bytes,
}

/// The answer to a request below a database.
pub(crate) async fn answer(state: &State, request: Request<Body>) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let (database, public, below) = split_path(&parts.headers, parts.uri.path())?;
    let identity = Identity::from_headers(&parts.headers)?;
    let resource = Resource::parse(below)?;

    let query = Query::parse(parts.uri.query().unwrap_or_default())?;

    let mut view = state.storage.read().await?;
    let database = directory::database(&mut view, &database).await?;
    let database = database.ok_or_else(ApiError::not_found)?;
    // HEAD is answered as GET; the connection leaves the body away.
    let method = match parts.method {
        Method::HEAD => Method::GET,
        method => method,
    };
    let address = match resource {
        Resource::At(address) => address,
        Resource::Batch => return Err(ApiError::not_found()),
        _ if method != Method::GET => return Err(ApiError::method_not_allowed(&method)),
        Resource::ServiceDocument | Resource::Metadata => {
            let id = database.id.as_str();
            let sight = Sight::of(&mut view, id, &identity).await?;
            let types = doc_types::all(&mut view, id).await?;
            let documents = doc_types::sets(&types, &sight);
            let parts = Parts {
                documents: &documents,
                tables: &[],
            };
            return Ok(match resource {
                Resource::Metadata => answers::xml(write(parts)),
                _ => Json(service_document(&public.base(), parts)).into_response(),
            });
        }
    };
    drop(view);
    let body = read_body(body).await?;
    dispatch(Call {
        state,
        database,
        identity,
        method,
        address,
        query,
        public,
        body,
    })
    .await
}

/// A whole body of at most 64 MiB.
pub(crate) async fn read_body(body: Body) -> Result<Bytes, ApiError> {
    axum::body::to_bytes(body, BODY_BYTES)
        .await
        .map_err(|error| {
            let cause = std::error::Error::source(&error);
            match cause.is_some_and(|cause| cause.is::<LengthLimitError>()) {
                true => ApiError::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    Message::new("body-too-large"),
                ),
                // Broken off: nobody waits for this answer.
                false => {
                    let message = Message::new("bad-request-body");
                    ApiError::bad_request(message.with_cause("detail", &error))
                }
            }
        })
}

/// A body as JSON. 1C writes a byte order mark in front unless told not to.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let json = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    serde_json::from_slice(json).map_err(|error| {
        ApiError::bad_request(Message::new("bad-request-body").with_cause("detail", &error))
    })
}

/// Levels of a body. The vendor's deepest, a configuration's types, has six.
const DEEPEST: usize = 64;

/// As of a login name, in characters.
const LONGEST_NAME: usize = 256;

/// A name fits one line of a table, and a login name into a login.
pub(crate) fn check_name(name: &str) -> Result<(), ApiError> {
    match name.chars().count() <= LONGEST_NAME && !name.contains(char::is_control) {
        true => Ok(()),
        false => Err(ApiError::bad_request(
            Message::new("name-bad").with("longest", LONGEST_NAME),
        )),
    }
}

/// Refuses ids that would not fit into an address, a header or a line of a log.
pub(crate) fn check_id(id: &str) -> Result<(), ApiError> {
    const LONGEST: usize = 200;
    if id.is_empty() {
        let message = Message::new("field-missing").with("field", "id");
        return Err(ApiError::bad_request(message));
    }
    match id.chars().count() > LONGEST || id.chars().any(char::is_control) || id.trim() != id {
        true => Err(ApiError::bad_request(
            Message::new("id-bad").with("longest", LONGEST),
        )),
        false => Ok(()),
    }
}

/// All entity sets and singletons that are served.
async fn dispatch(call: Call<'_>) -> Result<Response, ApiError> {
    match call.address.set.name {
        "Backups" => backups::answer(&call).await,
        "BaseInfo" => base_info::answer(&call).await,
        "Configuration" => configuration::answer(&call).await,
        "DocTypes" => doc_types::answer(&call).await,
        "Docs" => docs::answer(&call).await,
        "Products" => products::answer(&call).await,
        "UserGroups" => user_groups::answer(&call).await,
        "Users" => users::answer(&call).await,
        "Warehouses" => warehouses::answer(&call).await,
        _ => Err(ApiError::not_found()),
    }
}

/// `/{database id}/[MobileSMARTS/]api/v1{below}`; the fixed parts in any letter case.
fn split_path<'a>(
    headers: &HeaderMap,
    path: &'a str,
) -> Result<(DatabaseId, PublicAddress, &'a str), ApiError> {
    let (id, rest) = segment(path).ok_or_else(ApiError::not_found)?;
    let id: DatabaseId = id.parse().map_err(|_no_id| ApiError::not_found())?;
    let named = identity::text(headers, header::DATABASE);
    if named.is_some_and(|named| named.parse() != Ok(id.clone())) {
        return Err(ApiError::not_found());
    }
    let below = after(rest, "MobileSMARTS").unwrap_or(rest);
    let below = after(below, "api").and_then(|rest| after(rest, "v1"));
    let below = below.ok_or_else(ApiError::not_found)?;
    let called = rest.strip_suffix(below).unwrap_or(rest);
    let public = PublicAddress::new(headers, &id, called);
    Ok((id, public, below))
}

/// The database that a path names, as far as one can tell without looking it up.
pub(crate) fn database_in(path: &str) -> String {
    let id = segment(path).and_then(|(id, _)| id.parse::<DatabaseId>().ok());
    id.map(String::from).unwrap_or_default()
}

/// The first segment and what follows it, which is empty or begins with a slash.
fn segment(path: &str) -> Option<(&str, &str)> {
    let path = path.strip_prefix('/')?;
    Some(match path.find('/') {
        Some(slash) => path.split_at(slash),
        None => (path, ""),
    })
}

/// What follows the first segment if that has this name.
fn after<'a>(path: &'a str, name: &str) -> Option<&'a str> {
    let (first, rest) = segment(path)?;
    first.eq_ignore_ascii_case(name).then_some(rest)
}

impl Call<'_> {
    pub(crate) fn database_id(&self) -> &str {
        self.database.id.as_str()
    }

    pub(crate) fn is(&self, method: &Method) -> bool {
        self.method == *method
    }

    pub(crate) fn method_not_allowed(&self) -> ApiError {
        ApiError::method_not_allowed(&self.method)
    }

    /// Refuses callers of any other role.
    pub(crate) fn require(&self, roles: &[Role]) -> Result<(), ApiError> {
        match roles.contains(&self.identity.role) {
            true => Ok(()),
            false => Err(ApiError::forbidden()),
        }
    }

    /// The key, when the address names an entity or a set and nothing below it.
    pub(crate) fn plain_key(&self) -> Result<Option<String>, ApiError> {
        match self.address.steps.is_empty() && self.address.ending == Ending::Itself {
            true => Ok(self.address.key.clone()),
            false => Err(self.method_not_allowed()),
        }
    }

    /// The body as JSON.
    /// No deeper than what is stored may be: it is read again inside of other things, and the
    /// reader has a bound of its own.
    pub(crate) fn json(&self) -> Result<Value, ApiError> {
        let body = parse(&self.body)?;
        if depth(&body) > DEEPEST {
            let message = Message::new("bad-request-body")
                .with("number", DEEPEST)
                .with_part("detail", "part-body-levels");
            return Err(ApiError::bad_request(message));
        }
        Ok(body)
    }
}

/// Levels of lists and objects; the parser has bounded them already.
fn depth(json: &Value) -> usize {
    let below = match json {
        Value::Array(items) => items.iter().map(depth).max(),
        Value::Object(fields) => fields.values().map(depth).max(),
        _ => return 0,
    };
    1 + below.unwrap_or(0)
}
