//! End-to-end tests of the shipped binary, one binary of their own: pingora and sqlx link slowly.
//!
//! Clients speak from addresses of 127.0.0.0/8; upstreams are recording ones unless a test says
//! otherwise. What takes the whole machine for a while lies in a module `heavy`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests: a fault ends the test where it happens"
)]

mod house;

mod account;
mod acme;
mod addresses;
mod authority;
mod causes;
mod certificate_damage;
mod certificate_files;
mod certificate_page;
mod certificate_replaced;
mod certificates;
mod check;
mod clients;
mod command_line;
mod compress;
mod database;
mod day;
mod doctor;
mod forward;
mod handshakes;
mod head;
mod house_configuration;
mod house_people;
mod identity;
mod in_front;
mod in_step;
mod lists;
mod login;
mod many_ports;
mod matrix;
mod metadata;
mod outside;
mod ports;
mod print;
mod reference;
mod reload;
mod rights;
mod seen;
mod separate;
mod server;
mod server_port;
mod stop;
mod switches;
mod throttle;
mod tls;
mod tls_clients;
mod upgrade;
mod watchdog;
mod why;
mod written_down;
