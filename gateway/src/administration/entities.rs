//! Groups, users, properties, document types: asked of the backend's REST API as an administrator
//! without a user, which only the server's own administrator can be.

use backend_types::{Language, Role, header};
use bytes::Bytes;
use http::{Method, Request, header::ACCEPT_LANGUAGE, header::CONTENT_TYPE, request::Parts};

use super::{Administration, Answered, Refused};
use crate::{backend_client::Wait, directory::Database, http_service::response};

impl Administration {
    /// The backend's answer as it is; after a change the users and rights are in force.
    pub(super) async fn entities(
        &self,
        database: &Database,
        head: &Parts,
        body: Bytes,
        language: Language,
    ) -> Answered {
        let backend = self.backend(language)?;
        let id = database.id.as_str();
        let asked = head
            .uri
            .path_and_query()
            .map_or("/", |asked| asked.as_str());
        // `/databases/{id}` of ours, in whatever letter case, becomes `/{id}` of the backend's.
        let rest = asked.splitn(4, '/').nth(3).unwrap_or_default();
        let mut request = Request::builder()
            .method(head.method.clone())
            .uri(format!("/{id}/{rest}"))
            .header(ACCEPT_LANGUAGE, language.as_str())
            .header(header::DATABASE, id)
            .header(header::ROLE, Role::Administrator.as_str())
            .header(header::CLIENT, "127.0.0.1");
        if let Some(kind) = head.headers.get(CONTENT_TYPE) {
            request = request.header(CONTENT_TYPE, kind);
        }
        let away = |fault| Refused::backend(fault, language);
        let request = request.body(body).map_err(|fault| away(fault.into()))?;
        let answer = backend.send(request).await.map_err(away)?;
        let (status, warning) = (
            answer.status(),
            answer.headers().get(header::WARNING).cloned(),
        );
        if head.method != Method::GET && status.is_success() {
            tracing::info!(
                target: "security",
                { database = id, method = %head.method, path = head.uri.path() },
                "changed by the administrator"
            );
            // Done it is, whatever happens now; who asked is told what is not in force.
            let before = self.world.offered();
            let read = backend.directory(0, Wait::No, before.as_deref()).await;
            let feed =
                read.map_err(|fault| Refused::not_in_force(&fault.words(language), language))?;
            if let Some(feed) = feed
                && !self.world.take_feed(feed).await
            {
                return Err(self.not_in_force(language));
            }
        }
        let mut answered = response(status, "application/json", answer.into_body());
        if let Some(warning) = warning {
            answered.headers_mut().insert(header::WARNING, warning);
        }
        Ok(answered)
    }
}
