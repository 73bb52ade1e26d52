//! What every accepted connection, every failed login and every request cost: a list of a million
//! lines, a throttle and a memory that a flood of strangers fills. The same numbers on every run; figures and aims stand
//! in BENCHMARKS.md.
#![expect(clippy::expect_used, reason = "a benchmark of a broken list is none")]

use std::{fmt::Write, hint::black_box, net::Ipv4Addr, time::Duration};

use criterion::{Criterion, Throughput};
use gateway_policy::{
    ClientAddr, ClientKey, Moment,
    address_list::AddressList,
    recent::{Recent, Why},
    throttle::{Reserved, Throttle},
};

const LINES: u32 = 1_000_000;
/// Addresses asked for, far more than a cache holds the search paths of.
const ASKED: usize = 1 << 18;

/// Marsaglia's xorshift, from a fixed seed.
struct Numbers(u32);

impl Numbers {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }
}

fn client(bits: u32) -> ClientAddr {
    std::net::IpAddr::from(Ipv4Addr::from_bits(bits)).into()
}

/// Half addresses, a quarter masks, a quarter ranges, in no order; and one address in each line.
fn list() -> (String, Vec<ClientAddr>) {
    let mut numbers = Numbers(0x9e37_79b9);
    let (mut text, mut inside) = (String::new(), Vec::new());
    for line in 0..LINES {
        let bits = numbers.next();
        let first = Ipv4Addr::from_bits(bits);
        let last = Ipv4Addr::from_bits(bits | 0xff);
        match line % 4 {
            0 | 1 => writeln!(text, "{first}"),
            2 => writeln!(text, "{first}/{}", 24 + line % 7),
            _ => writeln!(text, "{first} - {last}"),
        }
        .expect("writing to memory");
        inside.push(client(bits));
    }
    (text, inside)
}

fn lists(criterion: &mut Criterion) {
    let (text, inside) = list();
    let list = AddressList::parse(text.as_bytes()).expect("a list without a fault");

    let mut group = criterion.benchmark_group("a list of a million lines");
    group
        .throughput(Throughput::Elements(LINES.into()))
        .sample_size(10);
    group.bench_function("parse", |bench| {
        bench.iter(|| AddressList::parse(black_box(text.as_bytes())));
    });
    group.finish();

    let mut numbers = Numbers(0x2545_f491);
    let outside = std::iter::repeat_with(|| client(numbers.next()))
        .filter(|one| !list.contains(*one))
        .take(ASKED)
        .collect();
    let mut shuffled = Numbers(0x1234_5678);
    let picked = (0..ASKED).filter_map(|_| {
        let at = usize::try_from(shuffled.next() % LINES).ok()?;
        inside.get(at).copied()
    });
    let hits: Vec<ClientAddr> = picked.collect();
    let misses: Vec<ClientAddr> = outside;
    let mut group = criterion.benchmark_group("an address in a list of a million lines");
    for (name, asked, expected) in [("listed", hits, true), ("not listed", misses, false)] {
        assert!(asked.iter().all(|one| list.contains(*one) == expected));
        let mut asked = asked.iter().cycle();
        group.bench_function(name, |bench| {
            bench.iter(|| asked.next().map(|one| list.contains(black_box(*one))));
        });
    }
    group.finish();
}

fn throttle(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a login is counted");
    let strangers = Throttle::default();
    let mut number = 0_u32;
    group.bench_function("failed, each from another address", |bench| {
        bench.iter(|| {
            number = number.wrapping_add(1);
            // Ten in a millisecond: thrice as many clients in a window as are remembered.
            let now = Moment(u64::from(number) / 10);
            match strangers.reserve(ClientKey::from(client(black_box(number))), now) {
                Reserved::Slot(slot) => slot.fail(now),
                Reserved::Wait | Reserved::Blocked(_) => {}
            }
        });
    });
    let known = Throttle::default();
    group.bench_function("good, all from one address", |bench| {
        bench.iter(
            || match known.reserve(ClientKey::from(client(black_box(7))), Moment(0)) {
                Reserved::Slot(slot) => slot.give_back(),
                Reserved::Wait | Reserved::Blocked(_) => {}
            },
        );
    });
    group.finish();
}

fn recent(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("what happened is remembered");
    let shop = "shop-15".parse().expect("a database id");
    let recent = Recent::default();
    let known = ClientKey::from(client(7));
    group.bench_function("a request of a user", |bench| {
        bench.iter(|| recent.served(black_box(known), &shop, Some("1"), Moment(1)));
    });
    let mut number = 0_u32;
    group.bench_function("a refusal, each of another stranger", |bench| {
        bench.iter(|| {
            number = number.wrapping_add(1);
            let why = Why {
                reason: "address-refused",
                status: None,
                database: Some(shop.clone()),
            };
            // Odd, so that each stranger is of another network.
            let stranger = ClientKey::from(client(number.wrapping_mul(0x9e37_79b1)));
            recent.refused(stranger, why, None, Moment(u64::from(number)));
        });
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default()
        .measurement_time(Duration::from_secs(10))
        .configure_from_args();
    lists(&mut criterion);
    throttle(&mut criterion);
    recent(&mut criterion);
    criterion.final_summary();
}
