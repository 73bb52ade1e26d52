//! HTTP/1.1 as bytes: enough to read a message exactly, with nothing corrected on the way.

use std::io::{self, Read};

/// One message as it came.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// Request line or status line, without its line end.
    pub start: String,
    /// In the order of arrival, names as sent.
    pub headers: Vec<(String, String)>,
    /// Decoded when it was chunked.
    pub body: Vec<u8>,
    /// Head and body byte for byte.
    pub raw: Vec<u8>,
}

impl Message {
    /// The first header of that name, whatever its letter case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Every value of that header.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|fault| panic!("{fault}: {} {:?}", self.start, self.text()))
    }

    /// The status code of a response.
    ///
    /// # Panics
    /// When this is no response.
    #[must_use]
    #[track_caller]
    pub fn status(&self) -> u16 {
        let code = self
            .start
            .strip_prefix("HTTP/1.")
            .and_then(|rest| rest.split(' ').nth(1));
        code.and_then(|code| code.parse().ok())
            .unwrap_or_else(|| panic!("not a status line: {:?}", self.start))
    }

    /// Method and target of a request.
    #[must_use]
    pub fn method_and_target(&self) -> (&str, &str) {
        let mut parts = self.start.split(' ');
        (
            parts.next().unwrap_or_default(),
            parts.next().unwrap_or_default(),
        )
    }
}

/// What came where a response was due.
#[derive(Debug)]
pub enum Reply {
    Response(Message),
    /// The other side closed, or reset, without a byte.
    Closed,
}

impl Reply {
    /// The response.
    ///
    /// # Panics
    /// When the connection was closed instead.
    #[must_use]
    #[track_caller]
    pub fn response(self) -> Message {
        match self {
            Self::Response(message) => message,
            Self::Closed => panic!("closed without a byte"),
        }
    }
}

/// Whether a body follows a head that says nothing about its length.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsized {
    /// A request.
    Empty,
    /// A response.
    UntilClose,
}

/// Bytes read but not yet taken.
#[derive(Default)]
pub(crate) struct Buffered(pub(crate) Vec<u8>);

impl Buffered {
    /// Reads a head; `None` when the stream ended before its first byte.
    pub(crate) fn head(&mut self, stream: &mut impl Read) -> io::Result<Option<Message>> {
        let end = loop {
            if let Some(at) = self.0.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            match self.more(stream) {
                Ok(true) => {}
                Ok(false) if self.0.is_empty() => return Ok(None),
                Ok(false) => {
                    let text = String::from_utf8_lossy(&self.0).into_owned();
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
                }
                Err(fault) if self.0.is_empty() && is_reset(&fault) => return Ok(None),
                Err(fault) => return Err(fault),
            }
        };
        let raw: Vec<u8> = self.0.drain(..end).collect();
        let text = String::from_utf8_lossy(&raw[..end - 4]).into_owned();
        let mut lines = text.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        let headers = lines
            .map(|line| match line.split_once(':') {
                Some((name, value)) => {
                    (name.to_owned(), value.trim_matches([' ', '\t']).to_owned())
                }
                None => (line.to_owned(), String::new()),
            })
            .collect();
        Ok(Some(Message {
            start,
            headers,
            body: Vec::new(),
            raw,
        }))
    }

    /// Reads the body that belongs to the head of `message`, into it.
    pub(crate) fn body(
        &mut self,
        stream: &mut impl Read,
        message: &mut Message,
        without_length: Unsized,
    ) -> io::Result<()> {
        let chunked = message
            .all("transfer-encoding")
            .iter()
            .any(|value| value.to_ascii_lowercase().contains("chunked"));
        if chunked {
            return self.chunks(stream, message);
        }
        match message.header("content-length").map(str::parse::<usize>) {
            Some(Ok(length)) => {
                self.fill(stream, length)?;
                let body: Vec<u8> = self.0.drain(..length).collect();
                message.raw.extend_from_slice(&body);
                message.body = body;
            }
            Some(Err(_)) => return Err(io::Error::other("content-length is no number")),
            None if without_length == Unsized::UntilClose => {
                while self.more(stream)? {}
                message.body = std::mem::take(&mut self.0);
                message.raw.extend_from_slice(&message.body);
            }
            None => {}
        }
        Ok(())
    }

    fn chunks(&mut self, stream: &mut impl Read, message: &mut Message) -> io::Result<()> {
        loop {
            let line = self.line(stream)?;
            message.raw.extend_from_slice(&line);
            let text = String::from_utf8_lossy(&line);
            let digits = text.trim_end().split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(digits, 16).map_err(io::Error::other)?;
            if size == 0 {
                loop {
                    let trailer = self.line(stream)?;
                    message.raw.extend_from_slice(&trailer);
                    if trailer == b"\r\n" {
                        return Ok(());
                    }
                }
            }
            self.fill(stream, size + 2)?;
            let chunk: Vec<u8> = self.0.drain(..size + 2).collect();
            message.raw.extend_from_slice(&chunk);
            message.body.extend_from_slice(&chunk[..size]);
        }
    }

    fn line(&mut self, stream: &mut impl Read) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.0.iter().position(|byte| *byte == b'\n') {
                return Ok(self.0.drain(..=at).collect());
            }
            if !self.more(stream)? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Holds at least `count` bytes afterwards.
    pub(crate) fn fill(&mut self, stream: &mut impl Read, count: usize) -> io::Result<()> {
        while self.0.len() < count {
            if !self.more(stream)? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    /// Reads once; false at the end of the stream.
    pub(crate) fn more(&mut self, stream: &mut impl Read) -> io::Result<bool> {
        let mut piece = [0; 16 * 1024];
        let count = stream.read(&mut piece)?;
        self.0.extend_from_slice(&piece[..count]);
        Ok(count > 0)
    }
}

/// A close with unread bytes on the other side arrives as a reset.
pub(crate) fn is_reset(fault: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};
    matches!(
        fault.kind(),
        ConnectionReset | BrokenPipe | ConnectionAborted | NotConnected
    )
}
