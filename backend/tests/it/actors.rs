//! A backend in this process and those who ask it.

use std::path::{Path, PathBuf};

use backend::{Listen, Options, Running, SharedKey};
use backend_types::{Directory, Language};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::{TcpStream, UnixStream};

pub(crate) const SHOP: &str = "21e6d501-e8c1-44e0-b0cd-f30a369b1822";
pub(crate) const KEY: &str = "a-key-for-tests-only";

/// A started backend in a folder of its own.
pub(crate) struct Backend {
    folder: TempDir,
    pub(crate) running: Running,
}

impl Backend {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let running = start_in(folder.path()).await;
        Self { folder, running }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The same data after a stop and another start.
    pub(crate) async fn restarted(self) -> Self {
        self.running.stop().await;
        let running = start_in(self.folder.path()).await;
        Self { running, ..self }
    }

    pub(crate) fn administrator(&self) -> Actor {
        self.actor("administrator", None)
    }

    pub(crate) fn actor(&self, role: &'static str, user: Option<&str>) -> Actor {
        Actor::new(self.running.address().clone(), role, user)
    }

    pub(crate) async fn directory(&self) -> Directory {
        let answer = self.administrator().send("GET", "/directory", None).await;
        assert_eq!(answer.status, 200);
        serde_json::from_slice(&answer.body).unwrap()
    }
}

pub(crate) fn options(folder: &Path) -> Options {
    Options {
        data: folder.join("data"),
        listen: Listen::Unix(folder.join("s")),
        key: None,
        language: Language::Ru,
    }
}

async fn start_in(folder: &Path) -> Running {
    backend::start(options(folder)).await.unwrap()
}

pub(crate) fn shared_key() -> SharedKey {
    SharedKey::new(KEY)
}

/// Somebody as the gateway would announce him; each request on a connection of its own.
#[derive(Clone)]
pub(crate) struct Actor {
    address: Listen,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) base: String,
}

impl Actor {
    pub(crate) fn new(address: Listen, role: &'static str, user: Option<&str>) -> Self {
        let mut headers = vec![("x-smarts-role", role.to_owned())];
        if let Some(user) = user {
            let user =
                percent_encoding::utf8_percent_encode(user, percent_encoding::NON_ALPHANUMERIC);
            headers.push(("x-smarts-user", user.to_string()));
        }
        Self {
            address,
            headers,
            base: format!("/{SHOP}/api/v1"),
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self
    }

    pub(crate) fn at(mut self, base: &str) -> Self {
        base.clone_into(&mut self.base);
        self
    }

    pub(crate) async fn get(&self, below: &str) -> Answer {
        self.send("GET", &format!("{}{below}", self.base), None)
            .await
    }

    pub(crate) async fn post(&self, below: &str, body: Value) -> Answer {
        self.send("POST", &format!("{}{below}", self.base), Some(body))
            .await
    }

    pub(crate) async fn patch(&self, below: &str, body: Value) -> Answer {
        self.send("PATCH", &format!("{}{below}", self.base), Some(body))
            .await
    }

    pub(crate) async fn delete(&self, below: &str) -> Answer {
        self.send("DELETE", &format!("{}{below}", self.base), None)
            .await
    }

    pub(crate) async fn send(&self, method: &str, target: &str, body: Option<Value>) -> Answer {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        self.send_raw(method, target, body).await.unwrap()
    }

    pub(crate) async fn send_raw(
        &self,
        method: &str,
        target: &str,
        body: String,
    ) -> Result<Answer, hyper::Error> {
        let mut sender = self.connect().await?;
        self.send_on(&mut sender, method, target, body).await
    }

    pub(crate) async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, hyper::Error> {
        match &self.address {
            Listen::Unix(path) => {
                let stream = UnixStream::connect(path).await.unwrap();
                self.handshake(TokioIo::new(stream)).await
            }
            Listen::Tcp(address) => {
                let stream = TcpStream::connect(address).await.unwrap();
                self.handshake(TokioIo::new(stream)).await
            }
        }
    }

    async fn handshake<S>(&self, io: S) -> Result<SendRequest<Full<Bytes>>, hyper::Error>
    where
        S: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    {
        let (sender, connection) = hyper::client::conn::http1::handshake(io).await?;
        tokio::spawn(async move { connection.await.unwrap_or_default() });
        Ok(sender)
    }

    pub(crate) async fn send_on(
        &self,
        sender: &mut SendRequest<Full<Bytes>>,
        method: &str,
        target: &str,
        body: String,
    ) -> Result<Answer, hyper::Error> {
        let mut request = Request::builder()
            .method(method.parse::<Method>().unwrap())
            .uri(encoded(target));
        request = request.header("host", "shop.example:9706");
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let answer = sender
            .send_request(request.body(body.into()).unwrap())
            .await?;
        let (parts, body) = answer.into_parts();
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await?.to_bytes(),
        })
    }
}

/// Spaces and Cyrillic as a browser would send them.
fn encoded(target: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS.add(b' ');
    percent_encoding::utf8_percent_encode(target, KEPT).to_string()
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default()
    }

    /// The answer itself when it has this status.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self
    }
}
