//! Request bodies that the gateway reads itself: login forms, and what is left of a refused
//! request. Bodies of forwarded requests never come through here.

use std::{io, time::Duration};

use bytes::{Buf, BytesMut};
use gateway_policy::head::Framing;
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
    #[error("its chunks are not well formed")]
    Chunks,
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
        Framing::Chunked => {
            let mut buffer = BytesMut::new();
            let body = read_chunks(stream, &mut buffer, limit).await?;
            stream.put_behind(buffer);
            Ok(body)
        }
    }
}

/// RFC 9112, 7.1. `buffer` ends with what was read past the body.
async fn read_chunks(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
    limit: usize,
) -> Result<BytesMut, BodyError> {
    // Sizes, extensions and trailers count too, or a body of empty lines would never end.
    let mut left = limit.saturating_mul(2);
    let mut body = BytesMut::new();
    loop {
        let line = line(stream, buffer, &mut left).await?;
        let size = chunk_size(&line)?;
        if size == 0 {
            while !self::line(stream, buffer, &mut left).await?.is_empty() {}
            return Ok(body);
        }
        if body.len().saturating_add(size) > limit {
            return Err(BodyError::TooLarge);
        }
        while buffer.len() < size + 2 {
            fill(stream, buffer, &mut left).await?;
        }
        body.extend_from_slice(&buffer.split_to(size));
        if buffer.split_to(2) != b"\r\n".as_slice() {
            return Err(BodyError::Chunks);
        }
    }
}

fn chunk_size(line: &[u8]) -> Result<usize, BodyError> {
    let digits = line
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii_end();
    let text = std::str::from_utf8(digits).map_err(|_foreign| BodyError::Chunks)?;
    if text.is_empty() || text.len() > 8 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(BodyError::Chunks);
    }
    usize::from_str_radix(text, 16).map_err(|_huge| BodyError::Chunks)
}

async fn line(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
    left: &mut usize,
) -> Result<BytesMut, BodyError> {
    loop {
        if let Some(end) = buffer.windows(2).position(|pair| pair == b"\r\n") {
            let line = buffer.split_to(end);
            buffer.advance(2);
            return Ok(line);
        }
        fill(stream, buffer, left).await?;
    }
}

async fn fill(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
    left: &mut usize,
) -> Result<(), BodyError> {
    let read = stream.read_buf(buffer).await?;
    if read == 0 {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    *left = left.checked_sub(read).ok_or(BodyError::TooLarge)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn chunks(wire: &[u8]) -> Result<(Vec<u8>, Vec<u8>), BodyError> {
        let mut buffer = BytesMut::new();
        let body = read_chunks(&mut &wire[..], &mut buffer, 64).await?;
        Ok((body.to_vec(), buffer.to_vec()))
    }

    #[tokio::test]
    async fn chunks_are_joined_and_the_next_request_is_left() {
        let wire = b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\ntrailer: x\r\n\r\nGET /";
        assert_eq!(
            chunks(wire).await.unwrap(),
            (b"abcde".to_vec(), b"GET /".to_vec())
        );
    }

    #[tokio::test]
    async fn malformed_or_endless_chunks_are_faults() {
        for wire in [
            &b"+3\r\nabc\r\n0\r\n\r\n"[..],
            b"3\r\nabcX\r\n0\r\n\r\n",
            b"\r\n",
            b"0x3\r\nabc\r\n",
        ] {
            assert!(
                matches!(chunks(wire).await, Err(BodyError::Chunks)),
                "{wire:?}"
            );
        }
        assert!(matches!(chunks(b"41\r\n").await, Err(BodyError::TooLarge)));
        assert!(matches!(
            chunks(b"3\r\nab").await,
            Err(BodyError::BrokeOff(_))
        ));
        let endless = [b"0\r\n".to_vec(), b"a: b\r\n".repeat(100)].concat();
        assert!(matches!(chunks(&endless).await, Err(BodyError::TooLarge)));
    }
}
