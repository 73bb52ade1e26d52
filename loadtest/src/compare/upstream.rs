//! The data server behind every contender, and the service that nginx's `auth_request` asks: each
//! a thread that answers any request with the same few bytes, far cheaper than any contender.

use std::{
    collections::HashSet,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    thread,
};

use anyhow::Context;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What a request is answered with.
pub(crate) enum Answers {
    /// 200 and this body.
    Body(Vec<u8>),
    /// 204 to an `Authorization` that is known, 401 to any other.
    Judging(HashSet<Vec<u8>>),
}

const KNOWN: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
const UNKNOWN: &[u8] = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
/// What a proxy sends as a head is far below.
const LONGEST_HEAD: usize = 64 * 1024;

/// Serves on loopback until this process ends.
pub(crate) fn start(answers: Answers) -> anyhow::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let answers = Arc::new(match answers {
        Answers::Body(body) => {
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            Answers::Body([head.into_bytes(), body].concat())
        }
        judging @ Answers::Judging(_) => judging,
    });
    thread::Builder::new()
        .name("upstream".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                accept(TcpListener::from_std(listener)?, answers).await;
                std::io::Result::Ok(())
            })
        })
        .context("a thread for the upstream")?;
    Ok(address)
}

async fn accept(listener: TcpListener, answers: Arc<Answers>) {
    // Out of descriptors is the end of the race: the contender answers 502 and says so.
    while let Ok((tcp, _)) = listener.accept().await {
        let answers = Arc::clone(&answers);
        tokio::spawn(async move {
            // A proxy that goes away is no fault of the race.
            drop(connection(tcp, &answers).await);
        });
    }
}

/// Requests are taken to have no body.
async fn connection(mut tcp: TcpStream, answers: &Answers) -> std::io::Result<()> {
    tcp.set_nodelay(true)?;
    let mut read = Vec::with_capacity(4096);
    while tcp.read_buf(&mut read).await? > 0 && read.len() < LONGEST_HEAD {
        let mut rest = read.as_slice();
        while let Some((head, behind)) = split_head(rest) {
            let answer = match answers {
                Answers::Body(answer) => answer,
                Answers::Judging(known) if is_known(head, known) => KNOWN,
                Answers::Judging(_) => UNKNOWN,
            };
            tcp.write_all(answer).await?;
            rest = behind;
        }
        let used = read.len() - rest.len();
        read.drain(..used);
    }
    Ok(())
}

/// The first head without its empty line, and what comes after it.
pub(crate) fn split_head(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some((bytes.get(..end)?, bytes.get(end + 4..)?))
}

fn is_known(head: &[u8], known: &HashSet<Vec<u8>>) -> bool {
    const NAME: &[u8] = b"authorization:";
    head.split(|byte| *byte == b'\n').any(|line| {
        line.split_at_checked(NAME.len())
            .is_some_and(|(name, value)| {
                name.eq_ignore_ascii_case(NAME) && known.contains(value.trim_ascii())
            })
    })
}
