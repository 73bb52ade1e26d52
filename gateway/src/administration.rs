//! What the administrator may do on the server itself: the answers of `admin.sock`.
//!
//! | path | what |
//! |---|---|
//! | `GET /status` | [`crate::status::Report`] |
//! | `POST /databases` | [`backend_types::Changes`], all or none: [`databases`] |
//! | `GET`, `POST /databases/{id}/lists/{whitelist\|blacklist}` | a list shown or changed: [`lists`] |
//! | `GET /why?address=A` | [`crate::why::Report`] |
//! | `GET /authority`, `POST /authority/key-away` | the root of our own: [`certificates::authority`] |
//! | `GET`, `POST /devices`, `POST /devices/revoke` | [`certificates::devices`] |
//! | `/certificates/…` | certificates shown and changed: [`certificates`] |
//! | `GET /server`, `POST /server/edit`, `/server/stop`, `/server/start`; `POST /reload` | [`server`] |
//! | `POST /watchdog` | every public port dialled anew, then as `GET /status` |
//! | `/databases/{id}/api/v1/…` | the backend's REST API, as its administrator: [`entities`] |
//!
//! Each answer comes when what was asked is in force. A refusal has `error.code`, `error.message`
//! in the language of `Accept-Language`, and `error.paste` where a file has to be changed by hand.
//! Who may ask is `http_service`'s: nobody comes here over a network.

pub(crate) mod certificates;
pub(crate) mod databases;
mod entities;
pub(crate) mod lists;
mod server;
mod written_down;

use std::{net::IpAddr, sync::Arc};

use backend_types::{DatabaseId, Language};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header::ACCEPT_LANGUAGE};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use crate::{
    backend_client::{BackendAddress, BackendError},
    directory::{Database, Source},
    gateway::{ChangeError, World},
    http_service::response,
    lists::Kind,
    messages,
    status::Report,
};

pub(crate) use self::server::Edit;

/// Of a request; an upload to the backend may be this long too.
const BODY_LIMIT: usize = 64 * 1024 * 1024;

pub(crate) struct Administration {
    world: Arc<World>,
    /// One change of databases at a time.
    changing: tokio::sync::Mutex<()>,
}

/// Why something was not done. Nothing has changed then.
#[derive(Debug)]
struct Refused {
    status: StatusCode,
    code: String,
    message: String,
    /// What to write into the configuration file instead.
    paste: Option<String>,
}

impl Refused {
    fn new(status: StatusCode, code: &str, message: String) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message,
            paste: None,
        }
    }

    fn not_here(language: Language) -> Self {
        let message = messages::text(language, "admin-not-here", &[]);
        Self::new(StatusCode::NOT_FOUND, "not-here", message)
    }

    /// Done and kept, but not seen by clients yet.
    fn not_in_force(cause: &str, language: Language) -> Self {
        let message = messages::text(language, "admin-not-in-force", &[("cause", cause)]);
        Self::new(StatusCode::CONFLICT, "not-in-force", message)
    }

    fn change(fault: &ChangeError, language: Language) -> Self {
        Self::new(StatusCode::CONFLICT, fault.code(), fault.words(language))
    }

    /// What the backend refused in its own words; everything else means that it is away.
    fn backend(fault: BackendError, language: Language) -> Self {
        match fault {
            BackendError::Refused {
                status,
                code,
                message,
            } => Self::new(status, &code, message),
            other => {
                let cause = other.words(language);
                let message = messages::text(language, "admin-backend-away", &[("cause", &cause)]);
                Self::new(StatusCode::BAD_GATEWAY, "backend-away", message)
            }
        }
    }

    fn into_response(self) -> Response<Full<Bytes>> {
        let mut error = json!({"code": self.code, "message": self.message});
        if let (Some(paste), Some(error)) = (self.paste, error.as_object_mut()) {
            error.insert("paste".to_owned(), paste.into());
        }
        let body = json!({ "error": error }).to_string();
        response(self.status, "application/json", body)
    }
}

type Answered = Result<Response<Full<Bytes>>, Refused>;

impl Administration {
    pub(crate) fn new(world: Arc<World>) -> Self {
        Self {
            world,
            changing: tokio::sync::Mutex::default(),
        }
    }

    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let accepted = request
            .headers()
            .get(ACCEPT_LANGUAGE)
            .and_then(|value| value.to_str().ok());
        let language = Language::accepted(accepted, self.world.shared.language());
        self.dispatch(request, language)
            .await
            .unwrap_or_else(Refused::into_response)
    }

    async fn dispatch(&self, request: Request<Incoming>, language: Language) -> Answered {
        let (head, body) = request.into_parts();
        let path: Vec<&str> = head.uri.path().split('/').skip(1).collect();
        match (&head.method, path.as_slice()) {
            (&Method::GET, ["status"]) => good(&self.status(language).await?),
            (&Method::POST, ["watchdog"]) => {
                self.world.watch_now().await;
                good(&self.status(language).await?)
            }
            (&Method::POST, ["databases"]) => {
                good(&self.change_databases(read(body).await?, language).await?)
            }
            (&Method::GET, ["server"]) => good(&self.server(language)?),
            (&Method::POST, ["server", "edit"]) => {
                good(&self.edit_server(read(body).await?, language).await?)
            }
            (&Method::POST, ["server", "stop"]) => good(&self.stop_server(language).await?),
            (&Method::POST, ["server", "start"]) => good(&self.start_server(language).await?),
            (&Method::POST, ["reload"]) => good(&self.reload(language).await?),
            (_, ["databases", id, "api", "v1", ..]) => {
                let body = bytes(body).await?;
                let database = match self.backend_database(id, language) {
                    Ok(database) => database,
                    Err(refused) => {
                        let set = self.written_set(id, head.uri.path(), language);
                        if let Some(set) = set.filter(|_| head.method == Method::GET) {
                            return good(&set);
                        }
                        let asked = (&head.method, head.uri.path());
                        return Err(self
                            .with_user_steps(refused, id, asked, &body, language)
                            .await);
                    }
                };
                self.entities(&database, &head, body, language).await
            }
            (&Method::GET, ["databases", id, "lists", list]) => {
                let kind = kind(list, language)?;
                let database = self.database(id, language)?;
                good(&self.list(database, kind, language).await?)
            }
            (&Method::POST, ["databases", id, "lists", list]) => {
                let kind = kind(list, language)?;
                let (database, change) = (self.database(id, language)?, read(body).await?);
                let changed = self.change_list(database, kind, change, language);
                good(&changed.await?)
            }
            (&Method::GET, ["authority"]) => good(&self.root(language).await?),
            (&Method::POST, ["authority", "key-away"]) => {
                good(&self.root_key_away(read(body).await?, language).await?)
            }
            (&Method::GET, ["devices"]) => good(&self.devices(language).await?),
            (&Method::POST, ["devices"]) => {
                good(&self.add_device(read(body).await?, language).await?)
            }
            (&Method::POST, ["devices", "revoke"]) => {
                good(&self.revoke_device(read(body).await?, language).await?)
            }
            (&Method::GET, ["certificates"]) => good(&self.certificates(language).await?),
            (&Method::POST, ["certificates", "page"]) => {
                good(&self.certificate_page(read(body).await?, language)?)
            }
            (_, ["certificates", slot, word @ ..]) => {
                let slot = self.slot(slot, language)?;
                match (&head.method, word) {
                    (&Method::POST, ["self-signed"]) => {
                        let wished = read(body).await?;
                        good(&self.make_self_signed(slot, wished, language).await?)
                    }
                    (&Method::POST, ["authority"]) => {
                        let wish = read(body).await?;
                        good(&self.issue_from_authority(slot, wish, language).await?)
                    }
                    (&Method::POST, ["requests"]) => {
                        good(&self.make_request(slot, read(body).await?, language).await?)
                    }
                    (&Method::DELETE, ["requests", id]) => {
                        let id = (*id).to_owned();
                        good(&self.forget_request(slot, id, language).await?)
                    }
                    (&Method::POST, ["import"]) => {
                        good(&self.import(slot, read(body).await?, language).await?)
                    }
                    (&Method::POST, ["acme", "judge"]) => {
                        good(&self.judge_order(slot, read(body).await?, language).await?)
                    }
                    (&Method::POST, ["acme"]) => {
                        good(&self.order(slot, read(body).await?, language).await?)
                    }
                    (&Method::DELETE, []) => good(&self.remove_certificate(slot, language).await?),
                    _ => Err(Refused::not_here(language)),
                }
            }
            (&Method::GET, ["why"]) => good(&self.why(head.uri.query(), language).await?),
            _ => Err(Refused::not_here(language)),
        }
    }

    async fn status(&self, language: Language) -> Result<Report, Refused> {
        let renewal_faults = self.renewal_faults(language).await?;
        Ok(Report {
            renewal_faults,
            ..self.world.status.report(language)
        })
    }

    async fn why(
        &self,
        query: Option<&str>,
        language: Language,
    ) -> Result<crate::why::Report, Refused> {
        let asked = query.and_then(|query| query.strip_prefix("address="));
        let asked = asked.unwrap_or_default();
        let address = asked.parse::<IpAddr>().map_err(|_no_address| {
            let message = messages::text(language, "why-no-address", &[("address", asked)]);
            Refused::new(StatusCode::BAD_REQUEST, "no-address", message)
        })?;
        let status = Arc::clone(&self.world.status);
        blocking(move || Ok(status.why(address.into(), language))).await
    }

    fn database(&self, id: &str, language: Language) -> Result<Arc<Database>, Refused> {
        let directory = self.world.shared.directory.load();
        let found = id.parse::<DatabaseId>().ok();
        let found = found.and_then(|id| directory.get(&id).cloned());
        found.ok_or_else(|| {
            let message = messages::text(language, "status-no-such-database", &[("name", id)]);
            Refused::new(StatusCode::NOT_FOUND, "no-such-database", message)
        })
    }

    /// A database that the backend holds; one from the file is refused with its place.
    fn backend_database(&self, id: &str, language: Language) -> Result<Arc<Database>, Refused> {
        let database = self.database(id, language)?;
        match &database.source {
            Source::Backend => Ok(database),
            Source::Yaml(place) => Err(yaml_database(place, &database.name, language)),
        }
    }

    fn backend(&self, language: Language) -> Result<&BackendAddress, Refused> {
        self.world.backend.as_ref().ok_or_else(|| {
            let file = self.world.config_file().display().to_string();
            let message = messages::text(language, "admin-no-backend", &[("file", &file)]);
            Refused::new(StatusCode::CONFLICT, "no-backend", message)
        })
    }
}

fn kind(list: &str, language: Language) -> Result<Kind, Refused> {
    let kind = Kind::BOTH.into_iter().find(|kind| kind.as_str() == list);
    kind.ok_or_else(|| Refused::not_here(language))
}

/// For what waits for the disk.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refused> + Send + 'static,
) -> Result<T, Refused> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|fault| {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Err(Refused::new(status, "internal", fault.to_string()))
    })
}

/// Databases from the file are changed there and nowhere else.
fn yaml_database(place: &str, name: &str, language: Language) -> Refused {
    let values = [("place", place), ("name", name)];
    let message = messages::text(language, "admin-yaml-database", &values);
    Refused::new(StatusCode::CONFLICT, "yaml-database", message)
}

fn good(answer: &impl Serialize) -> Answered {
    match serde_json::to_string(answer) {
        Ok(body) => Ok(response(StatusCode::OK, "application/json", body)),
        Err(fault) => Err(Refused::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            fault.to_string(),
        )),
    }
}

async fn bytes(body: Incoming) -> Result<Bytes, Refused> {
    let collected = Limited::new(body, BODY_LIMIT).collect().await;
    let collected = collected
        .map_err(|fault| Refused::new(StatusCode::BAD_REQUEST, "bad-request", fault.to_string()))?;
    Ok(collected.to_bytes())
}

async fn read<T: DeserializeOwned>(body: Incoming) -> Result<T, Refused> {
    let body = bytes(body).await?;
    serde_json::from_slice(&body)
        .map_err(|fault| Refused::new(StatusCode::BAD_REQUEST, "bad-request", fault.to_string()))
}
