//! Plays attackers against a gateway while a good client works, and tells how much the good one
//! felt of it. It knows the gateway by HTTP alone.
//!
//! Loopback only: a target outside of 127.0.0.0/8 is refused.
#![expect(clippy::print_stdout, reason = "the figures are its answer")]

mod attacker;
mod client;
mod measure;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::ensure;
use clap::{Parser, Subcommand};

use crate::{attacker::Attack, client::Target};

#[derive(Parser)]
#[command(version, about, long_about = None)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Attack, and compare a good client's latency with calm.
    Attack {
        #[arg(value_enum)]
        attack: Attack,
        #[command(flatten)]
        good: Good,
        /// How many connections attack, from addresses 127.0.2.1 and up.
        #[arg(long, default_value_t = 500)]
        count: u16,
        /// Seconds of calm, and seconds of attack.
        #[arg(long, default_value_t = 12)]
        seconds: u64,
    },
    /// Keep connections that have carried one request open, and see what each costs in memory.
    Idle {
        #[command(flatten)]
        good: Good,
        /// The gateway's process, on this machine.
        #[arg(long)]
        pid: u32,
        /// How many connections, after 500 that warm it up.
        #[arg(long, default_value_t = 2000)]
        count: u16,
    },
}

/// Whom the good client asks for what.
#[derive(clap::Args)]
struct Good {
    /// Address of an https port, on loopback.
    #[arg(long)]
    gateway: SocketAddr,
    /// The certificate to trust.
    #[arg(long)]
    cacert: PathBuf,
    #[arg(long, default_value = "/api/v1/BaseInfo")]
    path: String,
    /// `name:password`, sent as Basic.
    #[arg(long)]
    user: String,
}

impl Good {
    fn target(&self) -> anyhow::Result<Target> {
        ensure!(
            self.gateway.ip().is_loopback(),
            "{} is not on loopback",
            self.gateway
        );
        Target::new(self.gateway, &self.cacert, &self.path, &self.user)
    }
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Attack {
            attack,
            good,
            count,
            seconds,
        } => {
            bounded(count, 20_000)?;
            ensure!(seconds <= 120, "at most 120 s");
            let span = Duration::from_secs(seconds);
            println!(
                "{}",
                measure::under_attack(&good.target()?, attack, count, span)?
            );
        }
        Command::Idle { good, pid, count } => {
            bounded(count, 20_000)?;
            println!("{}", measure::idle(&good.target()?, pid, count)?);
        }
    }
    Ok(())
}

fn bounded(count: u16, most: u16) -> anyhow::Result<()> {
    ensure!((1..=most).contains(&count), "1 to {most} connections");
    Ok(())
}
