//! Request bodies that the gateway reads itself: login forms, and what is left of a refused
//! request. Bodies of forwarded requests never come through here.

use std::{io, time::Duration};

use bytes::{Buf, BytesMut};
use gateway_policy::{
    chunks::{ChunkFault, Chunks},
    head::Framing,
};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::stream::ClientStream;

/// Login forms.
pub(crate) const FORM_LIMIT: usize = 16 * 1024;
const FORM_TIME: Duration = Duration::from_secs(10);
/// A refused body up to this is read away; a larger one closes the connection.
const DRAIN_LIMIT: usize = 64 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// How much of the request's body is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// None announced, or all of it read.
    Read,
    Ahead(Framing),
    /// The client waits for "100 Continue" before it sends.
    Awaited(Framing),
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("longer than {FORM_LIMIT} bytes")]
    TooLarge,
    #[error("not complete after {} s", FORM_TIME.as_secs())]
    TimedOut,
    #[error("{0}")]
    Chunks(#[from] ChunkFault),
    #[error("broke off: {0}")]
    BrokeOff(#[from] io::Error),
}

/// Reads a login form whole, answering `Expect: 100-continue`.
pub(crate) async fn form(stream: &mut ClientStream, body: Body) -> Result<BytesMut, BodyError> {
    let framing = match body {
        Body::Read => return Ok(BytesMut::new()),
        Body::Ahead(framing) => framing,
        Body::Awaited(framing) => {
            if too_long(framing, FORM_LIMIT) {
                return Err(BodyError::TooLarge);
            }
            stream.write_raw(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
            framing
        }
    };
    tokio::time::timeout(FORM_TIME, read(stream, framing, FORM_LIMIT))
        .await
        .map_err(|_elapsed| BodyError::TimedOut)?
}

/// Reads an unwanted body away; false when the connection has to close instead.
pub(crate) async fn drain(stream: &mut ClientStream, body: Body) -> bool {
    match body {
        Body::Read => true,
        // The client may send its body or not, now that it has an answer: nobody can tell where
        // the next request begins.
        Body::Awaited(_) => false,
        Body::Ahead(framing) if too_long(framing, DRAIN_LIMIT) => false,
        Body::Ahead(framing) => {
            let read = tokio::time::timeout(DRAIN_TIME, read(stream, framing, DRAIN_LIMIT)).await;
            matches!(read, Ok(Ok(_)))
        }
    }
}

fn too_long(framing: Framing, limit: usize) -> bool {
    matches!(framing, Framing::Length(length) if length > limit as u64)
}

async fn read(
    stream: &mut ClientStream,
    framing: Framing,
    limit: usize,
) -> Result<BytesMut, BodyError> {
    match framing {
        Framing::None => Ok(BytesMut::new()),
        Framing::Length(length) => {
            let length = usize::try_from(length).map_err(|_huge| BodyError::TooLarge)?;
            if length > limit {
                return Err(BodyError::TooLarge);
            }
            let mut body = BytesMut::zeroed(length);
            stream.read_exact(&mut body).await?;
            Ok(body)
        }
        Framing::Chunked => read_chunks(stream, limit).await,
    }
}

/// `stream` ends its part with the last chunk: nothing behind it is read here.
async fn read_chunks(
    stream: &mut (impl AsyncRead + Unpin),
    limit: usize,
) -> Result<BytesMut, BodyError> {
    // Sizes, extensions and trailers count too.
    let mut left = limit.saturating_mul(2);
    let (mut chunks, mut wire, mut body) = (Chunks::new(), BytesMut::new(), BytesMut::new());
    while !chunks.is_done() {
        if wire.is_empty() {
            let read = stream.read_buf(&mut wire).await?;
            if read == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            left = left.checked_sub(read).ok_or(BodyError::TooLarge)?;
        }
        let step = chunks.step(&wire)?;
        body.extend_from_slice(step.content);
        if body.len() > limit {
            return Err(BodyError::TooLarge);
        }
        let used = step.used;
        wire.advance(used);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn chunks_are_joined() {
        let wire = b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\ntrailer: x\r\n\r\n";
        assert_eq!(
            &read_chunks(&mut &wire[..], 64).await.unwrap()[..],
            b"abcde"
        );
    }

    #[tokio::test]
    async fn malformed_long_or_cut_chunks_are_faults() {
        let read = async |wire: &[u8]| read_chunks(&mut &*wire, 64).await;
        assert!(matches!(read(b"\r\n").await, Err(BodyError::Chunks(_))));
        let long = [&b"41\r\n"[..], &[b'x'; 65]].concat();
        assert!(matches!(read(&long).await, Err(BodyError::TooLarge)));
        assert!(matches!(
            read(b"3\r\nab").await,
            Err(BodyError::BrokeOff(_))
        ));
        let endless = [b"0\r\n".to_vec(), b"a: b\r\n".repeat(100)].concat();
        assert!(matches!(read(&endless).await, Err(BodyError::TooLarge)));
    }
}
