//! A data server as small as a terminal's day needs it, which a test tells to lie.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
};

use harness::{Exchange, RecordingUpstream};
use serde_json::{Map, Value, json};

/// What it does to an answer: method, target and body; `None` where there is none.
pub(crate) type Lie = dyn Fn(&str, &str, &mut (u16, Value)) + Send + Sync;

pub(crate) fn start(
    lie: impl Fn(&str, &str, &mut (u16, Value)) + Send + Sync + 'static,
) -> RecordingUpstream {
    let (documents, lie): (_, Arc<Lie>) = (Mutex::default(), Arc::new(lie));
    RecordingUpstream::start(move |exchange| answer(exchange, &documents, &*lie))
}

type Documents = Mutex<BTreeMap<String, Map<String, Value>>>;

fn answer(exchange: &mut Exchange<'_>, documents: &Documents, lie: &Lie) -> io::Result<()> {
    exchange.read_body()?;
    let (method, target) = exchange.request.method_and_target();
    let (method, target) = (method.to_owned(), target.to_owned());
    let mut told = honest(&method, &target, &exchange.request.body, documents);
    lie(&method, &target, &mut told);
    let (status, body) = told;
    let body = match body {
        Value::Null => Vec::new(),
        body => body.to_string().into_bytes(),
    };
    exchange.respond(status, &[("Content-Type", "application/json")], &body)
}

fn honest(method: &str, target: &str, body: &[u8], documents: &Documents) -> (u16, Value) {
    let path = target.split('?').next().unwrap();
    let path = path.trim_start_matches("/api/v1/");
    let list = |rows: Vec<Value>| {
        (
            200,
            json!({"@odata.context": "x/$metadata#X", "value": rows}),
        )
    };
    let given = || serde_json::from_slice::<Value>(body).unwrap();
    let mut documents = documents.lock().unwrap();
    if path == "session" {
        let tokens = json!({"Access_token": "a", "Refresh_token": target.len().to_string(),
            "Token_type": "bearer", "Expires_in": 86400});
        return match method {
            "DELETE" => (204, Value::Null),
            _ => (200, tokens),
        };
    }
    let Some(key) = path.strip_prefix("Docs('") else {
        return match (method, path) {
            ("GET", "DocTypes") => list(vec![
                json!({"name": "СборШК", "uni": "SborShK", "clientCreating": true, "allowRemoveDocuments": true}),
            ]),
            ("GET", "Products" | "Docs") => list(Vec::new()),
            ("POST", "Docs") => {
                let mut document = given().as_object().unwrap().clone();
                document.insert(
                    "@odata.context".to_owned(),
                    json!("x/$metadata#Docs/$entity"),
                );
                document.insert("currentItems".to_owned(), json!([]));
                let id = document["id"].as_str().unwrap().to_owned();
                documents.insert(id, document.clone());
                (201, Value::Object(document))
            }
            _ => (
                404,
                json!({"error": {"code": "not-found", "message": path}}),
            ),
        };
    };
    let (id, below) = key.split_once("')").unwrap();
    let id = id.replace("%2D", "-");
    let Some(document) = documents.get_mut(&id) else {
        return (404, json!({}));
    };
    match (method, below) {
        ("GET", _) => (200, Value::Object(document.clone())),
        ("PATCH", _) => {
            document.extend(given().as_object().unwrap().clone());
            (204, Value::Null)
        }
        ("DELETE", _) => {
            documents.remove(&id);
            (204, Value::Null)
        }
        ("POST", "/EndUpdate") => (204, Value::Null),
        ("POST", rows) => {
            document.insert(
                rows.trim_start_matches('/').to_owned(),
                given()["value"].clone(),
            );
            (200, Value::Null)
        }
        _ => (405, Value::Null),
    }
}
