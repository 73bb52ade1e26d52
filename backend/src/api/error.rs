//! Every way in which the backend says no, and the one place where a cause becomes a status.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use backend_types::Language;
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::{messages::Message, odata::fault::Fault, secrets::SecretError, storage::StorageError};

/// A refusal: who reads it gets the message, the log gets the cause.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    message: Message,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, message: Message) -> Self {
        Self { status, message }
    }

    #[cfg(test)]
    pub(crate) fn message(&self) -> &Message {
        &self.message
    }

    pub(crate) fn bad_request(message: Message) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(crate) fn conflict(message: Message) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    pub(crate) fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, Message::new("forbidden"))
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, Message::new("not-found"))
    }

    pub(crate) fn method_not_allowed(method: &http::Method) -> Self {
        let message = Message::new("method-not-allowed").with("method", method);
        Self::new(StatusCode::METHOD_NOT_ALLOWED, message)
    }

    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            Message::new("internal-error"),
        )
    }

    /// The answer, in the shape that every known client reads some part of.
    pub(crate) fn into_response(self, language: Language) -> Response {
        let message = self.message.in_language(language);
        let body = json!({
            "error": {"code": self.message.key(), "message": message},
            "InnerException": {"Message": message},
        });
        let mut response = (self.status, Json(body)).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::DiskFull => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, Message::new("disk-full"))
            }
            StorageError::Busy | StorageError::Closed => {
                tracing::warn!(error = %error, "the storage did not answer");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, Message::new("overloaded"))
            }
            StorageError::Sqlite(_) | StorageError::Damaged(_) => {
                tracing::error!(error = %error, "the storage failed");
                Self::internal()
            }
        }
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        StorageError::from(error).into()
    }
}

impl From<SecretError> for ApiError {
    fn from(error: SecretError) -> Self {
        tracing::error!(error = %error, "a password could not be stored");
        Self::internal()
    }
}

impl From<Fault> for ApiError {
    fn from(fault: Fault) -> Self {
        if fault.is_not_found() {
            return Self::not_found();
        }
        Self::bad_request(Message::of_fault(&fault))
    }
}
