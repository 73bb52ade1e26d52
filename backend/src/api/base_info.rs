//! `BaseInfo`: what a client's "test connection" reads.

use axum::response::Response;
use backend_types::Mode;
use http::Method;
use serde_json::{Value, json};

use super::{Call, configuration, error::ApiError};
use crate::{
    entity::{complete_as, object},
    storage::Entity,
};

/// The product's id in the vendor's numbering, as in captured answers.
const APP_ID: &str = "212E5362-5969-40DC-9781-CB7B8AB811DB";
const SERVER_VERSION: &str = "3.4.46.0";

pub(crate) async fn answer(call: &Call<'_>) -> Result<Response, ApiError> {
    if !call.is(&Method::GET) {
        return Err(call.method_not_allowed());
    }
    let mut view = call.state.storage.read().await?;
    let properties = configuration::of(&mut view, &call.database).await?;
    drop(view);
    let version = properties.get("version").and_then(Value::as_i64);
    let settings = &call.database.settings;
    let connection = call.public.connection(&call.database.id);
    let mode = match settings.mode {
        Mode::Server => "Server",
        Mode::Folder => "Folder",
        Mode::Device => "Device",
    };
    let service = |enabled: bool, port: u16| {
        json!({
            "enabled": enabled, "port": port, "useHttps": settings.https,
            "deviceAuth": false, "passwordAuth": settings.authentication,
        })
    };
    let app = json!({
        "appId": APP_ID, "appName": settings.name, "serverModeSupported": true,
        "batchModeSupported": true, "appServerVersion": SERVER_VERSION,
        "mainServerVersion": SERVER_VERSION, "appVersion": env!("CARGO_PKG_VERSION"),
    });
    let entity: Entity = object(json!({
        "id": call.database.id.as_str(),
        "name": settings.name,
        "folder": settings.folder,
        "appId": APP_ID,
        "appName": settings.name,
        "comment": settings.comment,
        "serverVersion": SERVER_VERSION,
        "configurationVersion": version.unwrap_or_default().to_string(),
        "connectionQRCode": connection,
        "allConnectionStrings": [connection],
        "appDescription": complete_as("AppDescription", object(app)),
        "appInstanceSettings": {
            "mode": mode,
            "hasServerAuth": settings.authentication,
            "serverSettings": {
                "dataService": service(true, settings.port),
                "printService": service(settings.print.used, settings.print.port),
            },
            "connectionIdentifyingRules":
                {"byMachineName": false, "byWindowsUserName": false, "byIp": false},
        },
    }));
    Ok(call.singleton(entity))
}
