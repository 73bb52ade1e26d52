//! What no reader should repair: bytes that are neither TLS nor HTTP, and heads that two readers
//! could read differently. All that is due is 400, or the end.

use std::io;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};

use super::{Attacker, status};
use crate::target::Wire;

/// First bytes of a connection.
const GARBAGE: &[&[u8]] = &[
    b"\x00\x01\x02 neither TLS nor HTTP\r\n\r\n",
    b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10",
    b"\x16\x03\x01\x00\x04\xff\xff\xff\xff",
    b"\x17\x03\x03\x00\x02ok",
    b"SSH-2.0-scanner\r\n",
    b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00",
    b"\r\n\r\n\r\n",
];

/// `{}` is the path of `BaseInfo`. A request that would be read behind one of them asks for the
/// page that everybody may see.
const HEADS: &[(&str, &str)] = &[
    ("bare LF everywhere", "GET {} HTTP/1.1\nHost: h\n\n"),
    ("bare LF after a header", "GET {} HTTP/1.1\r\nHost: h\n\r\n"),
    (
        "bare CR in a value",
        "GET {} HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n",
    ),
    (
        "NUL in a value",
        "GET {} HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n",
    ),
    (
        "folded header",
        "GET {} HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n",
    ),
    (
        "space before a colon",
        "GET {} HTTP/1.1\r\nHost: h\r\nX : a\r\n\r\n",
    ),
    (
        "header without a colon",
        "GET {} HTTP/1.1\r\nHost: h\r\nbroken\r\n\r\n",
    ),
    (
        "empty header name",
        "GET {} HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n",
    ),
    ("no Host", "GET {} HTTP/1.1\r\nX: y\r\n\r\n"),
    ("two Hosts", "GET {} HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n"),
    ("no version", "GET {}\r\nHost: h\r\n\r\n"),
    ("an unknown version", "GET {} HTTP/1.2\r\nHost: h\r\n\r\n"),
    ("HTTP/2 in clear", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    (
        "two spaces before the target",
        "GET  {} HTTP/1.1\r\nHost: h\r\n\r\n",
    ),
    (
        "space in the target",
        "GET {} x HTTP/1.1\r\nHost: h\r\n\r\n",
    ),
    (
        "fragment in the target",
        "GET {}#x HTTP/1.1\r\nHost: h\r\n\r\n",
    ),
    (
        "high byte in the target",
        "GET {}б HTTP/1.1\r\nHost: h\r\n\r\n",
    ),
    (
        "length and chunks",
        "POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n\
         0\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
    ),
    (
        "two lengths",
        "POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: 33\r\n\r\n\
         GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    ),
    (
        "length with a plus",
        "POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: +0\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
    ),
    (
        "chunks under another name",
        "POST {} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "chunks on HTTP/1.0",
        "POST {} HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
];

/// On the bare socket, below TLS.
pub(super) async fn garbage(attacker: &mut Attacker, turn: u64) -> io::Result<()> {
    let plan = attacker.plan.clone();
    let mut tcp = plan.target.tcp(Some(attacker.from)).await?;
    let bytes = pick(GARBAGE, turn).copied().unwrap_or_default();
    let started = Instant::now();
    tcp.write_all(bytes).await?;
    let (answer, has_ended) = read_to_end(attacker, &mut tcp).await;
    judge(attacker, started, "garbage", (&answer, has_ended));
    Ok(())
}

pub(super) async fn head(attacker: &mut Attacker, turn: u64) -> io::Result<()> {
    let plan = attacker.plan.clone();
    let Some((name, head)) = pick(HEADS, turn) else {
        return Ok(());
    };
    let path = format!("{}/BaseInfo", plan.target.base);
    let mut wire = plan.target.open(Some(attacker.from)).await?;
    let started = Instant::now();
    wire.write_all(head.replace("{}", &path).as_bytes()).await?;
    let (answer, has_ended) = read_to_end(attacker, &mut wire).await;
    judge(attacker, started, name, (&answer, has_ended));
    Ok(())
}

fn pick<T>(list: &[T], turn: u64) -> Option<&T> {
    let count = u64::try_from(list.len()).unwrap_or(1);
    list.get(usize::try_from(turn % count).unwrap_or_default())
}

/// What came, and whether the gateway then closed before the attack was over.
async fn read_to_end(attacker: &Attacker, wire: &mut (impl Wire + ?Sized)) -> (Vec<u8>, bool) {
    let mut answer = Vec::new();
    let mut bounded = wire.take(64 * 1024);
    let end = attacker.while_it_lasts(bounded.read_to_end(&mut answer));
    // A reset is an end like another.
    let has_ended = end.await.is_some();
    (answer, has_ended)
}

/// Exactly one answer, 400, and the end; or the end alone.
fn judge(attacker: &mut Attacker, started: Instant, name: &str, answer: (&[u8], bool)) {
    let ((answer, has_ended), loot) = (answer, &mut attacker.loot);
    loot.ended(attacker.plan.attack, started.elapsed(), has_ended);
    if let Some(fault) = fault(answer) {
        loot.let_through(format!("{name}: {fault}"));
    }
    if let Some(status) = status(answer) {
        loot.answered(status);
    }
}

fn fault(answer: &[u8]) -> Option<String> {
    let status = status(answer)?;
    let heads = answer.windows(7).filter(|window| *window == b"HTTP/1.");
    match (status, heads.count()) {
        (400, 1) => None,
        (400, more) => Some(format!("{more} answers to one head")),
        (other, _) => Some(format!("answered with {other}, not 400")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_400_and_the_end_are_right() {
        assert_eq!(fault(b""), None);
        assert_eq!(fault(b"\x15\x03\x01\x00\x02\x02\x46"), None);
        assert_eq!(fault(b"HTTP/1.1 400 Bad Request\r\n\r\n"), None);
        assert!(fault(b"HTTP/1.1 200 OK\r\n\r\n").is_some());
        assert!(fault(b"HTTP/1.1 401 Unauthorized\r\n\r\n").is_some());
        assert!(fault(b"HTTP/1.1 400 Bad Request\r\n\r\nHTTP/1.1 200 OK\r\n\r\n").is_some());
    }

    #[test]
    fn every_head_is_sent_in_turn() {
        let sent: std::collections::BTreeSet<&str> = (0..100)
            .filter_map(|turn| pick(HEADS, turn))
            .map(|(name, _)| *name)
            .collect();
        assert_eq!(sent.len(), HEADS.len());
    }
}
