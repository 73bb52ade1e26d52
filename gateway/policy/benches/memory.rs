//! What a list of a million lines and a throttle that a flood of strangers fills hold in memory,
//! seen from outside: resident memory of this process. Aims stand in BENCHMARKS.md.
#![expect(clippy::expect_used, reason = "a measure of a broken list is none")]
#![expect(clippy::print_stdout, reason = "the figures are its answer")]

use std::{fmt::Write, fs, hint::black_box, net::Ipv4Addr, process::Command};

use gateway_policy::{
    ClientAddr, ClientKey, Moment,
    address_list::AddressList,
    throttle::{Reserved, Throttle},
};

/// The gateway's own, so that what an allocator keeps back counts as it does there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const LINES: u32 = 1_000_000;
const ADDRESSES: u32 = 10_000_000;
/// All of them within one window: a minute.
const A_MILLISECOND: u32 = ADDRESSES / 60_000;

fn resident_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    kib.map(|kib: u32| f64::from(kib) / 1024.0).expect("VmRSS")
}

/// Every address once, in no order: an odd factor visits all.
fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(number.wrapping_mul(2_654_435_761))
}

fn text() -> String {
    // In one piece, as a file is read.
    let mut text = String::with_capacity(32 << 20);
    for number in 0..LINES {
        let first = address(number);
        match number % 4 {
            0 | 1 => writeln!(text, "{first}"),
            2 => writeln!(text, "{first}/{}", 24 + number % 7),
            _ => writeln!(
                text,
                "{first} - {}",
                Ipv4Addr::from_bits(first.to_bits() | 0xff)
            ),
        }
        .expect("writing to memory");
    }
    text
}

fn list() {
    let text = text();
    let before = resident_mib();
    let list = AddressList::parse(text.as_bytes()).expect("a list without a fault");
    println!(
        "a list of {LINES} lines, parsed and held: {:.1} MiB",
        resident_mib() - before
    );
    black_box((text, list));
}

fn throttle() {
    let before = resident_mib();
    let throttle = Throttle::default();
    for number in 0..ADDRESSES {
        let client = ClientAddr::from(std::net::IpAddr::from(address(number)));
        let now = Moment(u64::from(number / A_MILLISECOND));
        match throttle.reserve(ClientKey::from(client), now) {
            Reserved::Slot(slot) => slot.fail(now),
            Reserved::Wait | Reserved::Blocked(_) => {}
        }
        if [ADDRESSES / 10, ADDRESSES].contains(&(number + 1)) {
            println!(
                "the throttle after {} addresses: {:.1} MiB",
                number + 1,
                resident_mib() - before
            );
        }
    }
    black_box(throttle);
}

/// Each in a process of its own: memory that one gave back would hide the other's.
fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("list") => list(),
        Some("throttle") => throttle(),
        _ => {
            for what in ["list", "throttle"] {
                let this = std::env::current_exe().expect("a program");
                let status = Command::new(this).arg(what).status();
                assert!(status.expect("started").success());
            }
        }
    }
}
