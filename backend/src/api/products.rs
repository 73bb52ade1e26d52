//! `Products`: read, packings inline.

use axum::response::Response;
use http::Method;

use super::{Call, error::ApiError};
use crate::storage::entities::{self, EntitySet};

pub(crate) async fn answer(call: &Call<'_>) -> Result<Response, ApiError> {
    if !call.is(&Method::GET) {
        return Err(call.method_not_allowed());
    }
    let mut view = call.state.storage.read().await?;
    let key = call.address.key.as_deref();
    let rows = entities::addressed(&mut view, call.database_id(), EntitySet::Products, key).await?;
    drop(view);
    call.read(rows)
}
