//! The gateway's program: see `cli` for what it can be told.

use std::process::ExitCode;

mod access_log;
mod account;
mod acme;
mod admin_client;
mod administration;
mod answer;
mod backend_client;
mod body;
mod certificate_page;
mod certificates;
mod cli;
mod clock;
mod compile;
mod compress;
mod connections;
mod directory;
mod doctor;
mod feed;
mod files;
mod forward;
mod gateway;
mod hand_over;
mod handshake;
mod hashing;
mod http_client;
mod http_service;
mod installation;
mod listeners;
mod lists;
mod login;
mod messages;
mod metrics;
mod page;
mod port_holder;
#[cfg(test)]
mod reference;
mod renewal;
mod request;
mod server_address;
mod session_store;
mod shared;
mod sockets;
mod status;
mod stream;
mod systemd;
mod tls;
mod warnings;
mod watchdog;
mod welcome;
mod why;
mod worker;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
