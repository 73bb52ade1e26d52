//! What the memory of refusals takes at its worst. A binary of its own: nothing else allocates.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::{fs, net::Ipv4Addr};

use backend_types::DatabaseId;
use gateway_policy::{
    ClientKey, Moment,
    handshake::{HandshakeFault, Hello},
    recent::{Recent, Why},
};

const LIMIT_KIB: u64 = 16 * 1024;
const REASONS: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];

fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap()
}

/// Every client with every kind of event, each of a database with the longest id.
#[test]
fn a_memory_full_of_the_worst_clients_takes_at_most_16_mib() {
    let database: DatabaseId = "d".repeat(64).parse().unwrap();
    let user = "u".repeat(1_000);
    let before = resident_kib();
    let recent = Recent::default();
    for number in 0..40_000_u32 {
        let client = ClientKey::V4(Ipv4Addr::from_bits(number.reverse_bits()));
        let now = Moment(u64::from(number));
        for reason in REASONS {
            let why = Why {
                reason,
                status: Some(401),
                database: Some(database.clone()),
            };
            recent.refused(client, why, Some(1), now);
        }
        let hello = Hello {
            offered: None,
            server_name: Some(&user),
            in_ssl2_format: false,
        };
        for fault in HandshakeFault::ALL {
            recent.handshake_failed(client, fault, hello, now);
        }
        recent.handshake_failed(client, HandshakeFault::NameMismatch, hello, now);
        let known = number % 4 == 0;
        recent.served(client, &database, known.then_some(&user), now);
    }
    let took = resident_kib().saturating_sub(before);
    assert!(
        recent
            .of(ClientKey::V4(Ipv4Addr::from_bits(
                39_999_u32.reverse_bits()
            )))
            .is_some()
    );
    assert!((1_024..=LIMIT_KIB).contains(&took), "{took} KiB");
}
