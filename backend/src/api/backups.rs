//! `Backups`: the copies of documents that lie in the database's folder, and the way back.
//!
//! For administrators, since a copy holds what nobody's rights on rows were asked for. The vendor
//! has files alone; the set is ours. A copy is read whole only to be put back.

use axum::response::Response;
use backend_types::Role;
use http::{Method, StatusCode};
use jiff::tz::{Offset, TimeZone};
use serde_json::json;

use super::{Call, answers::no_content, docs, error::ApiError};
use crate::{
    backups::{self, Copy, CopyFault, CopyName, Listed},
    entity::{flag, object, text},
    messages::Message,
    odata::{body, moment, path::Ending},
    storage::Entity,
};

pub(crate) async fn answer(call: &Call<'_>) -> Result<Response, ApiError> {
    call.require(&[Role::Administrator])?;
    match (call.method.clone(), call.address.ending) {
        (Method::GET, _) => list(call).await,
        (Method::POST, Ending::Action(action)) if action.name == "Restore" => {
            let given = body::parameters(action, call.json()?)?;
            restore(call, &given).await
        }
        _ => Err(call.method_not_allowed()),
    }
}

/// Newest first. What names alone do not say (a cut id) is read from the file.
async fn list(call: &Call<'_>) -> Result<Response, ApiError> {
    call.state.backups.flush().await;
    let folder = call.state.backups.folder(&call.database.settings);
    let listed = blocking(move || {
        let listed = backups::list(&folder)?;
        Ok(listed
            .into_iter()
            .map(|copy| {
                let id = copy.name.id.clone();
                let id = id.or_else(|| Some(backups::open(&folder, &copy.file).ok()?.id));
                entity(copy, id)
            })
            .collect())
    });
    call.read(listed.await?)
}

fn entity(copy: Listed, id: Option<String>) -> Entity {
    let Listed {
        file, name, bytes, ..
    } = copy;
    // An hour that the clock goes through twice is taken as the first of the two.
    let taken = TimeZone::system().to_timestamp(name.taken);
    let taken = taken.map(|taken| moment::write(taken, Offset::UTC));
    object(json!({
        "file": file,
        "documentId": id,
        "taken": taken.unwrap_or_else(|_| moment::NO_DATE.to_owned()),
        "reason": name.reason.as_str(),
        "user": name.user,
        "bytes": bytes,
    }))
}

/// Puts back the copy that is given by its name or as a whole text.
async fn restore(call: &Call<'_>, given: &Entity) -> Result<Response, ApiError> {
    let (file, content) = (text(given, "file").to_owned(), text(given, "content"));
    let damaged = |fault: &CopyFault| ApiError::bad_request(fault.message());
    let copy = match (file.as_str(), content) {
        ("", "") => {
            let message = Message::new("field-missing").with("field", "file");
            return Err(ApiError::bad_request(message));
        }
        ("", content) => backups::read(content).map_err(|fault| damaged(&fault))?,
        (name, _) => {
            // Nothing that parses as the name of a copy leads out of the folder: see below.
            if CopyName::parse(name).is_none() || name.contains(['/', '\\']) {
                return Err(ApiError::not_found());
            }
            call.state.backups.flush().await;
            let folder = call.state.backups.folder(&call.database.settings);
            let opened = blocking(move || Ok(backups::open(&folder, &file))).await?;
            match opened {
                Err(CopyFault::File(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                    return Err(ApiError::not_found());
                }
                opened => opened.map_err(|fault| damaged(&fault))?,
            }
        }
    };
    let wanted = text(given, "documentId");
    if !wanted.is_empty() && wanted != copy.id {
        return Err(another(&copy));
    }
    let id = copy.id.clone();
    docs::restore(call, copy, flag(given, "replace")).await?;
    tracing::info!(database.id = %call.database.id, document.id = %id, "a document was restored");
    Ok(no_content())
}

fn another(copy: &Copy) -> ApiError {
    ApiError::bad_request(Message::new("copy-of-another").with("id", &copy.id))
}

/// Runs what touches files where it holds up nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, ApiError> {
    let failed = |error: &(dyn std::error::Error + 'static)| {
        tracing::error!(error = %error, "the folder of copies could not be read");
        let message = Message::new("copies-unreadable").with_cause("detail", error);
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(failed(&error)),
        Err(lost) => Err(failed(&lost)),
    }
}
