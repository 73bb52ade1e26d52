//! One line per request: who asked what, how it ended, how long it took.
//!
//! The path is logged without its query: 1C sends passwords in `session?username=…&password=…`,
//! and a log must not become the shop's list of passwords.

use std::sync::Arc;

use backend_types::DatabaseId;
use gateway_policy::{
    ClientAddr, ClientKey, Moment,
    recent::{Recent, Why},
    refusal::Refusal,
};
use tokio::time::Instant;

use crate::metrics::Metrics;

/// Longer paths are cut; document ids fit well within.
const PATH_LIMIT: usize = 512;

const CLIENT_GONE: &str = "client-gone";
/// An existing server said 401 or 403 itself.
pub(crate) const REFUSED_UPSTREAM: &str = "refused-upstream";

/// A request's line in the making.
#[derive(Debug)]
pub(crate) struct Entry {
    request_id: String,
    client: Option<ClientAddr>,
    received: Instant,
    method: String,
    path: String,
    pub(crate) database: Option<DatabaseId>,
    pub(crate) user: Option<String>,
    /// The name in the certificate that the client has shown.
    pub(crate) device: Option<Arc<str>>,
    status: Option<u16>,
    reason: Option<&'static str>,
    detail: Option<String>,
    body_bytes: (usize, usize),
}

impl Entry {
    pub(crate) fn new(received: Instant) -> Self {
        Self {
            request_id: String::new(),
            client: None,
            received,
            method: String::new(),
            path: String::new(),
            database: None,
            user: None,
            device: None,
            status: None,
            reason: None,
            detail: None,
            body_bytes: (0, 0),
        }
    }

    pub(crate) fn asked(&mut self, id: &str, client: ClientAddr, method: &str, path: &str) {
        id.clone_into(&mut self.request_id);
        self.client = Some(client);
        method.clone_into(&mut self.method);
        self.path = without_parameters(path).chars().take(PATH_LIMIT).collect();
    }

    pub(crate) fn answered(&mut self, status: u16) {
        self.status = Some(status);
    }

    pub(crate) fn refused(&mut self, refusal: Refusal) {
        self.status = refusal.status();
        self.reason = Some(refusal.reason());
        self.detail = refusal.detail();
    }

    /// The client left, or broke off in the middle of the answer.
    pub(crate) fn client_gone(&mut self, status: Option<u16>) {
        self.status = status;
        self.reason = Some(CLIENT_GONE);
    }

    pub(crate) fn bytes(&mut self, received: usize, sent: usize) {
        self.body_bytes = (received, sent);
    }

    /// How it ended, for whoever asks why this client is refused.
    pub(crate) fn remember(&self, recent: &Recent, now: Moment) {
        let Some(client) = self.client.map(ClientKey::from) else {
            return;
        };
        let user = self.user.as_deref();
        let reason = match (self.reason, self.status, &self.database) {
            (Some(CLIENT_GONE), ..) => return,
            (None, Some(..=399), Some(database)) => {
                return recent.served(client, database, user, now);
            }
            (Some(reason), ..) => reason,
            (None, Some(401 | 403), _) => REFUSED_UPSTREAM,
            (None, ..) => return,
        };
        if user.is_some() {
            recent.proved(client, now);
        }
        let why = Why {
            reason,
            status: self.status,
            database: self.database.clone(),
        };
        let request = u64::from_str_radix(&self.request_id, 16).ok();
        recent.refused(client, why, request, now);
    }

    pub(crate) fn write(&self, metrics: &Metrics) {
        let took = self.received.elapsed();
        let database = self.database.as_ref().map_or("", DatabaseId::as_str);
        // 499, as nginx has it: the client did not wait for the answer.
        metrics.answered(database, self.status.unwrap_or(499), took.as_secs_f64());
        if let Some(reason) = self.reason {
            metrics.refuse(reason);
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        tracing::info!(
            target: "request",
            {
                request.id = self.request_id,
                client.addr = self.client.map(tracing::field::display),
                database.id = database,
                user = self.user,
                device = self.device.as_deref(),
                method = self.method,
                path = self.path,
                status = self.status,
                reason = self.reason,
                detail = self.detail,
                duration_us = micros,
                bytes.received = self.body_bytes.0,
                bytes.sent = self.body_bytes.1,
            },
            "request"
        );
    }
}

/// The fields of a `request` line, for the reference.
#[cfg(test)]
pub(crate) const FIELDS: &[crate::reference::Named] = &[
    (
        "timestamp",
        "When it was answered, UTC.",
        "Когда дан ответ, UTC.",
    ),
    ("level", "`INFO`.", "`INFO`."),
    ("target", "`request`.", "`request`."),
    ("message", "`request`.", "`request`."),
    (
        "request.id",
        "The number that the client got as `X-Request-Id` and the server behind too.",
        "Номер запроса: его получают и клиент, и сервер данных в заголовке `X-Request-Id`.",
    ),
    (
        "client.addr",
        "The client's address: of the socket, or as a trusted proxy says.",
        "Адрес клиента: адрес соединения или тот, что назвал доверенный прокси.",
    ),
    (
        "database.id",
        "The database; empty where it was not known yet.",
        "База; пусто, если до выбора базы дело не дошло.",
    ),
    (
        "user",
        "Id of the user; absent without a login.",
        "Идентификатор пользователя; нет, если входа не было.",
    ),
    (
        "device",
        "Name of the device, of the certificate that it has shown; absent without one.",
        "Имя устройства из сертификата, который оно показало; нет, если сертификата не было.",
    ),
    ("method", "HTTP method.", "Метод HTTP."),
    (
        "path",
        "Path without its query, at most 512 characters.",
        "Путь без параметров, не длиннее 512 знаков.",
    ),
    (
        "status",
        "Status of the answer; absent when none was sent.",
        "Код ответа; нет, если ответа не было.",
    ),
    (
        "reason",
        "Why it was refused or broke off; absent when all went well.",
        "Почему отказано или оборвалось; нет, если всё в порядке.",
    ),
    (
        "detail",
        "More of a malformed request or login, in English.",
        "Подробность о неверно составленном запросе или входе, по-английски.",
    ),
    (
        "duration_us",
        "Microseconds from the first byte of the request to the last of the answer.",
        "Микросекунды от первого байта запроса до последнего байта ответа.",
    ),
    (
        "bytes.received",
        "Bytes of the request's body.",
        "Байты тела запроса.",
    ),
    (
        "bytes.sent",
        "Bytes of the answer's body.",
        "Байты тела ответа.",
    ),
];

/// A client that encodes its whole tail sends a query as part of the path
/// (`session%3Fusername=…&password=…`): what could be one ends the path here.
fn without_parameters(path: &str) -> &str {
    let encoded = path.to_ascii_lowercase().find("%3f").unwrap_or(path.len());
    let plain = path.find(['?', ';', '&', '=']).unwrap_or(path.len());
    path.get(..encoded.min(plain)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_a_query_is_not_logged() {
        for (path, logged) in [
            (
                "/api/v1/Docs('a-1')/declaredItems",
                "/api/v1/Docs('a-1')/declaredItems",
            ),
            ("/api/v1/session%3Fusername=x&password=y", "/api/v1/session"),
            ("/api/v1/session%3fpassword=y", "/api/v1/session"),
            ("/api/v1/session;password=y", "/api/v1/session"),
            ("/api/v1/session/password=y", "/api/v1/session/password"),
        ] {
            assert_eq!(without_parameters(path), logged);
        }
    }
}
