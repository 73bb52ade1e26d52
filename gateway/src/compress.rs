//! Answers packed on their way to the client, where the database wishes it.
//!
//! Which ones is decided in `gateway-policy`; here stand the headers that change with the body and
//! the encoder, which keeps zlib's window and no more, however long the answer. pingora's own
//! compression module is not used: it knows no weights of `Accept-Encoding` and no `no-transform`.

use bytes::Bytes;
use gateway_policy::{compress, head::Head};
use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{
        ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
        CONTENT_TYPE, ETAG, TRANSFER_ENCODING, VARY,
    },
};
use pingora::{
    Result,
    http::ResponseHeader,
    protocols::http::compression::{Algorithm, Encode},
};

use crate::directory::Database;

/// zlib's middle: beyond it an answer shrinks little and takes long.
const LEVEL: u32 = 5;
/// In bytes; less is not worth a header.
const SMALLEST: u64 = 256;
/// Of a body that is packed already, is a part, or is sworn to by a digest.
const KEEPS_ITS_BODY: [HeaderName; 5] = [
    CONTENT_ENCODING,
    CONTENT_RANGE,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("digest"),
];

/// What the request decides about its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    /// Not asked about: another path, another method, a switch that is off.
    Never,
    /// It would be packed for a client that accepts it.
    ForOthers,
    Gzip,
}

impl Packing {
    pub(crate) fn of(database: &Database, path: &str, head: &Head<'_>) -> Self {
        let reads = matches!(head.method(), "GET" | "HEAD");
        if !(database.compress && reads && compress::compressible(path)) {
            return Self::Never;
        }
        // A part is counted in the bytes of the whole, which must stay what they are.
        let whole = head.method() == "GET" && head.header("range").is_none();
        if whole && compress::accepts_gzip(head.values("accept-encoding")) {
            Self::Gzip
        } else {
            Self::ForOthers
        }
    }

    /// Adapts the answer's head, and gives the encoder of its body where it is packed.
    pub(crate) fn begin(self, answer: &mut ResponseHeader) -> Result<Option<Gzip>> {
        if self == Self::Never || !shrinks(answer) {
            return Ok(None);
        }
        if !varies(answer) {
            answer.append_header(VARY, "Accept-Encoding")?;
        }
        if self == Self::ForOthers {
            return Ok(None);
        }
        let Some(encoder) = Algorithm::Gzip.compressor(LEVEL) else {
            return Ok(None);
        };
        answer.remove_header(&CONTENT_LENGTH);
        answer.remove_header(&ACCEPT_RANGES);
        answer.insert_header(CONTENT_ENCODING, "gzip")?;
        answer.insert_header(TRANSFER_ENCODING, "chunked")?;
        // Other bytes than those that the tag was given for.
        let strong = answer
            .headers
            .get(ETAG)
            .filter(|tag| !tag.as_bytes().starts_with(b"W/"));
        if let Some(strong) = strong {
            let weak = HeaderValue::from_bytes(&[b"W/", strong.as_bytes()].concat());
            match weak {
                Ok(weak) => answer.insert_header(ETAG, weak)?,
                Err(_impossible) => drop(answer.remove_header(&ETAG)),
            }
        }
        Ok(Some(Gzip(encoder)))
    }
}

/// The body of one answer on its way.
pub(crate) struct Gzip(Box<dyn Encode + Send + Sync>);

impl Gzip {
    /// Puts what has been packed by now in the place of what came.
    pub(crate) fn pack(&mut self, body: &mut Option<Bytes>, end: bool) -> Result<()> {
        let packed = self.0.encode(body.as_deref().unwrap_or_default(), end)?;
        *body = (!packed.is_empty()).then_some(packed);
        Ok(())
    }
}

fn shrinks(answer: &ResponseHeader) -> bool {
    let text = |name: &HeaderName| answer.headers.get(name).map(HeaderValue::as_bytes);
    let length = answer.headers.get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let transformed = !answer
        .headers
        .get_all(CACHE_CONTROL)
        .iter()
        .any(|value| has_word(value, "no-transform"));
    answer.status == StatusCode::OK
        && transformed
        && length.is_none_or(|length| length >= SMALLEST)
        && text(&CONTENT_TYPE).is_some_and(compress::compressible_type)
        && !KEEPS_ITS_BODY
            .iter()
            .any(|name| answer.headers.contains_key(name))
}

fn varies(answer: &ResponseHeader) -> bool {
    let mut values = answer.headers.get_all(VARY).iter();
    values.any(|value| has_word(value, "accept-encoding") || has_word(value, "*"))
}

fn has_word(value: &HeaderValue, word: &str) -> bool {
    let mut words = value.as_bytes().split(|&byte| byte == b',');
    words.any(|one| one.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
}
