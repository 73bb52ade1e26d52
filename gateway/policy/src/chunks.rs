//! Where a chunked body ends, byte for byte (RFC 9112, 7.1), and that it is well formed.
//!
//! The forwarder's own parser takes an empty size for the last chunk and a bare line feed for a
//! line's end; what it repairs, two readers could read differently. So the wire bytes pass
//! through here first: a fault ends the connection, and what lies behind the last chunk is known
//! to be the next request.

/// Digits of a size: more than any body has bytes.
const MAX_SIZE_DIGITS: u8 = 15;
/// Extensions of one chunk; known clients send none.
const MAX_EXTENSION_BYTES: usize = 1024;
/// All trailer lines together.
const MAX_TRAILER_BYTES: usize = 8 * 1024;

/// The body is not well formed; the connection has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkFault {
    #[error("a chunk's size is missing, too long or no hexadecimal number")]
    Size,
    #[error("a chunk's extension or the trailer is too long or has a control character")]
    Line,
    #[error("a line or a chunk does not end in CR LF")]
    LineBreak,
}

/// Reads a chunked body as it arrives, however it is cut into pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunks {
    state: State,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum State {
    /// At the first digit of a size.
    #[default]
    Size,
    Digits {
        size: u64,
        count: u8,
    },
    Extension {
        size: u64,
        length: usize,
    },
    SizeLf {
        size: u64,
    },
    Data {
        left: u64,
    },
    DataCr,
    DataLf,
    /// At the first byte of a trailer line.
    Trailer {
        length: usize,
    },
    TrailerLine {
        length: usize,
    },
    TrailerLf {
        length: usize,
    },
    EndLf,
    Done,
}

/// What of the bytes shown came next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step<'a> {
    /// So many bytes of the wire belong to it.
    pub used: usize,
    /// Content among them; empty where it was framing.
    pub content: &'a [u8],
}

impl Chunks {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the last chunk and its trailer have been read.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// How many of `arrived` belong to the body; fewer than all only when it is done.
    ///
    /// # Errors
    /// The first byte that is out of place.
    pub fn advance(&mut self, arrived: &[u8]) -> Result<usize, ChunkFault> {
        let mut used = 0;
        while let Some(rest) = arrived.get(used..).filter(|rest| !rest.is_empty()) {
            if self.is_done() {
                break;
            }
            used += self.step(rest)?.used;
        }
        Ok(used)
    }

    /// Reads the next piece of `arrived`: one byte of framing, or all content of the present
    /// chunk that is there. Uses nothing only when `arrived` is empty or the body is done.
    ///
    /// # Errors
    /// The first byte that is out of place.
    pub fn step<'a>(&mut self, arrived: &'a [u8]) -> Result<Step<'a>, ChunkFault> {
        let Some(&byte) = arrived.first().filter(|_| !self.is_done()) else {
            return Ok(Step {
                used: 0,
                content: &[],
            });
        };
        if let State::Data { left } = self.state {
            let here = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(arrived.len());
            let content = arrived.get(..here).unwrap_or_default();
            self.state = match left.saturating_sub(here as u64) {
                0 => State::DataCr,
                left => State::Data { left },
            };
            return Ok(Step {
                used: here,
                content,
            });
        }
        self.state = self.state.after(byte)?;
        Ok(Step {
            used: 1,
            content: &[],
        })
    }
}

impl State {
    fn after(&self, byte: u8) -> Result<Self, ChunkFault> {
        let text = byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        match (*self).clone() {
            Self::Size => digit(byte, 0, 0),
            Self::Digits { size, .. } if byte == b'\r' => Ok(Self::SizeLf { size }),
            Self::Digits { size, .. } if byte == b';' => Ok(Self::Extension { size, length: 0 }),
            Self::Digits { size, count } => digit(byte, size, count),
            Self::Extension { size, .. } if byte == b'\r' => Ok(Self::SizeLf { size }),
            Self::Extension { size, length } if text && length < MAX_EXTENSION_BYTES => {
                Ok(Self::Extension {
                    size,
                    length: length + 1,
                })
            }
            Self::Trailer { .. } if byte == b'\r' => Ok(Self::EndLf),
            Self::TrailerLine { length } if byte == b'\r' => Ok(Self::TrailerLf { length }),
            Self::Trailer { length } | Self::TrailerLine { length }
                if text && length < MAX_TRAILER_BYTES =>
            {
                Ok(Self::TrailerLine { length: length + 1 })
            }
            Self::Extension { .. } | Self::Trailer { .. } | Self::TrailerLine { .. } => {
                Err(ChunkFault::Line)
            }
            Self::SizeLf { size: 0 } if byte == b'\n' => Ok(Self::Trailer { length: 0 }),
            Self::SizeLf { size } if byte == b'\n' => Ok(Self::Data { left: size }),
            Self::DataCr if byte == b'\r' => Ok(Self::DataLf),
            Self::DataLf if byte == b'\n' => Ok(Self::Size),
            Self::TrailerLf { length } if byte == b'\n' => Ok(Self::Trailer { length }),
            Self::EndLf if byte == b'\n' => Ok(Self::Done),
            Self::SizeLf { .. }
            | Self::DataCr
            | Self::DataLf
            | Self::TrailerLf { .. }
            | Self::EndLf
            | Self::Data { .. }
            | Self::Done => Err(ChunkFault::LineBreak),
        }
    }
}

fn digit(byte: u8, size: u64, count: u8) -> Result<State, ChunkFault> {
    let value = char::from(byte)
        .to_digit(16)
        .filter(|_| count < MAX_SIZE_DIGITS);
    let value = value.ok_or(ChunkFault::Size)?;
    Ok(State::Digits {
        size: (size << 4) | u64::from(value),
        count: count + 1,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The content and the length on the wire, or the fault.
    fn read(wire: &[u8]) -> Result<(Vec<u8>, usize, bool), ChunkFault> {
        let (mut chunks, mut content, mut used) = (Chunks::new(), Vec::new(), 0);
        loop {
            let step = chunks.step(&wire[used..])?;
            if step.used == 0 {
                return Ok((content, used, chunks.is_done()));
            }
            content.extend_from_slice(step.content);
            used += step.used;
        }
    }

    #[test]
    fn chunks_are_joined_and_the_next_request_is_left() {
        let wire = b"3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: x\r\nTwo: y\r\n\r\nGET /";
        let (content, used, done) = read(wire).unwrap();
        assert_eq!((&content[..], done), (&b"abc0123456789"[..], true));
        assert_eq!(&wire[used..], b"GET /");
    }

    #[test]
    fn what_another_reader_could_repair_is_a_fault() {
        for (wire, fault) in [
            (&b"\r\nabc"[..], ChunkFault::Size),
            (b"+3\r\nabc", ChunkFault::Size),
            (b"0x3\r\nabc", ChunkFault::Size),
            (b" 3\r\nabc", ChunkFault::Size),
            (b"3 \r\nabc", ChunkFault::Size),
            (b"-1\r\n", ChunkFault::Size),
            (b"1000000000000000\r\n", ChunkFault::Size),
            (b"3\nabc", ChunkFault::Size),
            (b"3\r\rabc", ChunkFault::LineBreak),
            (b"3;a\nb\r\nabc", ChunkFault::Line),
            (b"3\r\nabcd\r\n", ChunkFault::LineBreak),
            (b"3\r\nabc\n0\r\n", ChunkFault::LineBreak),
            (b"0\r\nTrailer: x\n\r\n", ChunkFault::Line),
            (b"0\r\n\r\r", ChunkFault::LineBreak),
        ] {
            assert_eq!(
                read(wire),
                Err(fault),
                "{:?}",
                wire.escape_ascii().to_string()
            );
        }
    }

    #[test]
    fn an_endless_extension_or_trailer_ends() {
        let extension = [&b"3;"[..], &b"x".repeat(MAX_EXTENSION_BYTES + 1)].concat();
        let trailer = [&b"0\r\n"[..], &b"a: b\r\n".repeat(MAX_TRAILER_BYTES)].concat();
        assert_eq!(read(&extension), Err(ChunkFault::Line));
        assert_eq!(read(&trailer), Err(ChunkFault::Line));
    }

    proptest! {
        #[test]
        fn however_the_wire_is_cut_the_end_is_the_same(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..6),
            cut in 1_usize..50,
        ) {
            let mut wire = Vec::new();
            for piece in &pieces {
                wire.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                wire.extend_from_slice(piece);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b"0\r\n\r\n");
            let length = wire.len();
            wire.extend_from_slice(b"GET / HTTP/1.1\r\n");
            let (mut chunks, mut used) = (Chunks::new(), 0);
            for part in wire.chunks(cut) {
                used += chunks.advance(part).unwrap();
            }
            prop_assert!(chunks.is_done());
            prop_assert_eq!(used, length);
            prop_assert_eq!(read(&wire).unwrap().0, pieces.concat());
        }

        #[test]
        fn no_bytes_panic(wire in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut chunks = Chunks::new();
            if let Ok(used) = chunks.advance(&wire) {
                prop_assert!(used == wire.len() || chunks.is_done());
            }
        }
    }
}
