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
        /// Address of an https port, on loopback.
        #[arg(long)]
        gateway: SocketAddr,
        /// The certificate to trust.
        #[arg(long)]
        cacert: PathBuf,
        /// What the good client asks for.
        #[arg(long, default_value = "/api/v1/BaseInfo")]
        path: String,
        /// The good client's `name:password`, sent as Basic.
        #[arg(long)]
        user: String,
        /// How many connections attack, from addresses 127.0.2.1 and up.
        #[arg(long, default_value_t = 500)]
        count: u16,
        /// Seconds of calm, and seconds of attack.
        #[arg(long, default_value_t = 12)]
        seconds: u64,
    },
}

fn main() -> anyhow::Result<()> {
    let Command::Attack {
        attack,
        gateway,
        cacert,
        path,
        user,
        count,
        seconds,
    } = Arguments::parse().command;
    ensure!(gateway.ip().is_loopback(), "{gateway} is not on loopback");
    ensure!(
        (1..=20_000).contains(&count) && seconds <= 120,
        "at most 20000 connections and 120 s"
    );
    let target = Target::new(gateway, &cacert, &path, &user)?;
    let span = Duration::from_secs(seconds);
    let report = measure::under_attack(&target, attack, count, span)?;
    println!("{report}");
    Ok(())
}
