//! HTTPS to an ACME server, over our own TLS: every request bounded in time and size.
//!
//! The roots are the machine's, and one of the wish's own for a server in one's own house. What the
//! server says about waiting is kept for whoever plans the next try; nothing in it can overflow.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, StatusCode, Uri,
    header::{HOST, RETRY_AFTER, USER_AGENT},
    uri::Scheme,
};
use http_body_util::{BodyExt, Limited};
use instant_acme::{BodyWrapper, BytesResponse, HttpClient};
use openssl::{
    error::ErrorStack,
    ssl::{SslConnector, SslMethod, SslVerifyMode},
    x509::{X509, X509VerifyResult, store::X509StoreBuilder},
};
use tokio::{net::TcpStream, time::timeout};
use tokio_openssl::SslStream;
use words::Cause;

use crate::{
    http_client,
    messages::{self, Language},
};

/// One request with its answer.
const LIMIT: Duration = Duration::from_secs(30);
/// To one address of the server: beside a dead IPv6 address there is time for the next.
const CONNECT_LIMIT: Duration = Duration::from_secs(8);
/// A chain of certificates is some KiB.
const ANSWER_LIMIT: usize = 256 * 1024;
/// Who says to wait longer is asked again then all the same.
const LONGEST_WAIT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const NAME: &str = concat!("smarts-gateway/", env!("CARGO_PKG_VERSION"));

/// Why a server could not be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpFault {
    #[error("{url}: not an https address")]
    NotHttps { url: String },
    #[error("{host}: {source}")]
    Unreachable { host: String, source: io::Error },
    #[error("{host}: no answer within {} s", LIMIT.as_secs())]
    TimedOut { host: String },
    #[error("{host}: its certificate is not trusted: {cause}")]
    Untrusted {
        host: String,
        cause: X509VerifyResult,
    },
    #[error("{host}: {cause}")]
    Broken { host: String, cause: Cause },
}

impl HttpFault {
    /// What there is to say beside the server's address.
    pub(super) fn words(&self, language: Language) -> String {
        match self {
            Self::NotHttps { url } => url.clone(),
            Self::Unreachable { source, .. } => Cause::of(source).words(language),
            Self::TimedOut { .. } => {
                Cause::from(io::Error::from(io::ErrorKind::TimedOut)).words(language)
            }
            Self::Untrusted { cause, .. } => untrusted(*cause, language),
            Self::Broken { cause, .. } => cause.words(language),
        }
    }
}

/// Why a certificate is not trusted; what is rare, as OpenSSL says it.
fn untrusted(why: X509VerifyResult, language: Language) -> String {
    let key = match why.as_raw() {
        openssl_sys::X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT
        | openssl_sys::X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN
        | openssl_sys::X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT
        | openssl_sys::X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY
        | openssl_sys::X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE => "untrusted-issuer",
        openssl_sys::X509_V_ERR_CERT_HAS_EXPIRED => "untrusted-ended",
        openssl_sys::X509_V_ERR_CERT_NOT_YET_VALID => "untrusted-not-begun",
        openssl_sys::X509_V_ERR_HOSTNAME_MISMATCH | openssl_sys::X509_V_ERR_IP_ADDRESS_MISMATCH => {
            "untrusted-name"
        }
        _ => return why.error_string().to_owned(),
    };
    messages::text(language, key, &[])
}

pub(super) fn is_https(url: &str) -> bool {
    url.parse().is_ok_and(|uri| Place::of(&uri).is_some())
}

/// Asks one ACME server; cheap to clone.
#[derive(Clone)]
pub(crate) struct Https {
    connector: SslConnector,
    /// The last that the server has said about when to come again.
    told_to_wait: Arc<Mutex<Option<Duration>>>,
}

impl Https {
    /// Reads the machine's roots; `authority` is PEM of one more.
    pub(crate) fn new(authority: Option<&str>) -> Result<Self, ErrorStack> {
        let mut roots = X509StoreBuilder::new()?;
        let machine = openssl_probe::probe().cert_file;
        let machine = machine.and_then(|file| std::fs::read(file).ok());
        let machine = machine.and_then(|pem| X509::stack_from_pem(&pem).ok());
        let own = authority.map(|pem| X509::stack_from_pem(pem.as_bytes()));
        for root in [machine, own.transpose()?].into_iter().flatten().flatten() {
            roots.add_cert(root)?;
        }
        let mut connector = SslConnector::builder(SslMethod::tls_client())?;
        connector.set_cert_store(roots.build());
        connector.set_verify(SslVerifyMode::PEER);
        connector.set_alpn_protos(b"\x08http/1.1")?;
        Ok(Self {
            connector: connector.build(),
            told_to_wait: Arc::default(),
        })
    }

    pub(crate) fn told_to_wait(&self) -> Option<Duration> {
        let told = self.told_to_wait.lock();
        *told.unwrap_or_else(PoisonError::into_inner)
    }

    async fn exchange(self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpFault> {
        let (head, body) = request.into_parts();
        let at = Place::of(&head.uri).ok_or_else(|| HttpFault::NotHttps {
            url: head.uri.to_string(),
        })?;
        let host = at.host.clone();
        let asked = async {
            let stream = self.connect(&at).await?;
            let request = at.request(head, body)?;
            let broken = |cause: Cause| HttpFault::Broken {
                host: at.host.clone(),
                cause,
            };
            let answer = http_client::ask(stream, request).await;
            let (mut head, body) = answer
                .map_err(|fault| broken(http_client::cause(&fault)))?
                .into_parts();
            let body = Limited::new(body, ANSWER_LIMIT).collect().await;
            let body = body.map_err(|fault| broken(Cause::of(&*fault)))?.to_bytes();
            self.hear(&mut head);
            Ok(Response::from_parts(head, body))
        };
        timeout(LIMIT, asked)
            .await
            .unwrap_or_else(|_elapsed| Err(HttpFault::TimedOut { host }))
    }

    async fn connect(&self, at: &Place) -> Result<SslStream<TcpStream>, HttpFault> {
        let host = || at.host.clone();
        let tcp = at.connect().await.map_err(|source| {
            let host = host();
            HttpFault::Unreachable { host, source }
        })?;
        let broken = |fault: ErrorStack| HttpFault::Broken {
            host: host(),
            cause: Cause::of(&fault),
        };
        let ssl = self.connector.configure().map_err(broken)?;
        let ssl = ssl.into_ssl(&at.host).map_err(broken)?;
        let mut stream = SslStream::new(ssl, tcp).map_err(broken)?;
        let connected = Pin::new(&mut stream).connect().await;
        connected.map_err(|fault| match stream.ssl().verify_result() {
            X509VerifyResult::OK => HttpFault::Broken {
                host: host(),
                cause: Cause::of(&fault),
            },
            cause => HttpFault::Untrusted {
                host: host(),
                cause,
            },
        })?;
        Ok(stream)
    }

    /// Keeps what is said about waiting, and leaves in the head only what can be added to a clock.
    fn hear(&self, head: &mut http::response::Parts) {
        let value = head.headers.remove(RETRY_AFTER);
        let Some(wait) = value.as_ref().and_then(wait) else {
            return;
        };
        head.headers
            .insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
        let refused = head.status == StatusCode::TOO_MANY_REQUESTS
            || head.status == StatusCode::SERVICE_UNAVAILABLE;
        if refused {
            let mut told = self
                .told_to_wait
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *told = Some(wait);
        }
    }
}

/// Seconds, or a date (RFC 9110, 10.2.3).
fn wait(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_no_number) => {
            let until = httpdate::parse_http_date(text).ok()?;
            until.duration_since(SystemTime::now()).unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST_WAIT))
}

impl HttpClient for Https {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let https = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = match body.collect().await {
                Ok(body) => body.to_bytes(),
                Err(never) => match never {},
            };
            let answer = https.exchange(Request::from_parts(head, body)).await;
            let answer = answer.map_err(|fault| instant_acme::Error::Other(Box::new(fault)))?;
            let (parts, body) = answer.into_parts();
            let body = Box::new(body);
            Ok(BytesResponse { parts, body })
        })
    }
}

/// Whom a URL means.
struct Place {
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
    authority: String,
    path: String,
}

impl Place {
    fn of(uri: &Uri) -> Option<Self> {
        if uri.scheme() != Some(&Scheme::HTTPS) {
            return None;
        }
        let authority = uri.authority()?;
        let host = authority.host();
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        Some(Self {
            host: bare.unwrap_or(host).to_owned(),
            port: authority.port_u16().unwrap_or(443),
            authority: authority.as_str().to_owned(),
            path: uri
                .path_and_query()
                .map_or("/", http::uri::PathAndQuery::as_str)
                .to_owned(),
        })
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::from(io::ErrorKind::HostUnreachable);
        for address in tokio::net::lookup_host((self.host.as_str(), self.port)).await? {
            match timeout(CONNECT_LIMIT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(fault)) => last = fault,
                Err(elapsed) => last = elapsed.into(),
            }
        }
        Err(last)
    }

    /// As it goes over the wire.
    fn request(
        &self,
        mut head: http::request::Parts,
        body: Bytes,
    ) -> Result<Request<Bytes>, HttpFault> {
        let broken = |cause: Cause| HttpFault::Broken {
            host: self.host.clone(),
            cause,
        };
        head.uri = Uri::try_from(&self.path).map_err(|fault| broken(Cause::of(&fault)))?;
        let host = HeaderValue::try_from(&self.authority);
        let host = host.map_err(|fault| broken(Cause::of(&fault)))?;
        head.headers.insert(HOST, host);
        head.headers
            .insert(USER_AGENT, HeaderValue::from_static(NAME));
        Ok(Request::from_parts(head, body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_read_as_seconds_or_a_date_and_never_grows_beyond_a_week() {
        let read = |text: &str| wait(&HeaderValue::from_str(text).unwrap());
        assert_eq!(read("120"), Some(Duration::from_secs(120)));
        assert_eq!(read("18446744073709551615"), Some(LONGEST_WAIT));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert_eq!(read("Fri, 31 Dec 9999 23:59:59 GMT"), Some(LONGEST_WAIT));
        for wrong in ["", "-1", "soon", "1e9"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_https_is_asked_and_an_ipv6_address_loses_its_brackets() {
        let place = |url: &str| Place::of(&url.parse().unwrap());
        assert!(place("http://acme.example/directory").is_none());
        let v6 = place("https://[2001:db8::1]:14000/dir?a=b").unwrap();
        assert_eq!((v6.host.as_str(), v6.port), ("2001:db8::1", 14000));
        assert_eq!(v6.path, "/dir?a=b");
        assert_eq!(place("https://acme.example").unwrap().port, 443);
    }
}
