//! What an idle connection costs in memory: the slope of a gateway's resident memory.

use std::sync::Arc;

use anyhow::{Context, ensure};
use http::StatusCode;

use crate::{
    link::{Ask, Link},
    target::{Block, Target},
};

/// Connections before memory is read. What reading the lists and hashing left free serves some 800
/// connections without the process growing: a slope that begins earlier is too small.
pub(crate) const WARM_UP: u16 = 1250;
/// From one address, well below the gateway's cap and burst.
const FROM_ONE_ADDRESS: u16 = 100;

/// `count` connections that have carried one request each, kept open; `pid` is the gateway's.
pub(crate) async fn measure(
    target: &Arc<Target>,
    authorization: http::HeaderValue,
    pid: u32,
    count: u16,
) -> anyhow::Result<f64> {
    let mut open = Vec::new();
    let mut before = 0;
    for number in 0..WARM_UP + count {
        if number == WARM_UP {
            before = resident_kib(pid)?;
        }
        let from = Block::Idle.nth(number / FROM_ONE_ADDRESS);
        let mut link = Link::new(Arc::clone(target), Some(from));
        link.authorization = Some(authorization.clone());
        let answer = link.ask(&Ask::get("BaseInfo")).await?;
        ensure!(answer.status == StatusCode::OK, "{}", answer.status);
        open.push(link);
    }
    let grown = resident_kib(pid)?.saturating_sub(before);
    Ok(f64::from(u32::try_from(grown)?) / f64::from(count))
}

fn resident_kib(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.context("no VmRSS")?.trim().trim_end_matches(" kB");
    Ok(kib.parse()?)
}
