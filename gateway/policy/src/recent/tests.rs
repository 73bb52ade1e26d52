use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use super::*;
use crate::ClientAddr;

const START: Moment = Moment(1_800_000_000_000);

fn at(seconds: u64) -> Moment {
    START.plus(Duration::from_secs(seconds))
}

fn key(text: &str) -> ClientKey {
    ClientAddr::from(text.parse::<IpAddr>().unwrap()).into()
}

fn shop() -> DatabaseId {
    "shop".parse().unwrap()
}

fn wrong_password() -> Why {
    Why {
        reason: "wrong-password",
        status: Some(401),
        database: Some(shop()),
    }
}

fn listed() -> Why {
    Why {
        reason: "address-refused",
        status: None,
        database: Some(shop()),
    }
}

/// Strangers that are refused at `moment`, each once.
fn scan(recent: &Recent, clients: impl Iterator<Item = ClientKey>, moment: Moment) {
    for client in clients {
        recent.refused(client, listed(), None, moment);
    }
}

/// Every address another /16.
fn scattered(count: u32) -> impl Iterator<Item = ClientKey> {
    (0..count).map(|n| ClientKey::V4(Ipv4Addr::from_bits(n.reverse_bits())))
}

fn of_one_ipv6_network(count: u64) -> impl Iterator<Item = ClientKey> {
    (0..count).map(|n| ClientKey::V6(0x2001_0db8_0000_0000 + n))
}

#[test]
fn a_repeated_refusal_is_counted_and_the_newest_stands_first() {
    let recent = Recent::default();
    let client = key("192.0.2.7");
    assert_eq!(recent.of(client), None);
    recent.refused(client, wrong_password(), Some(1), at(0));
    recent.refused(client, listed(), None, at(1));
    recent.refused(client, wrong_password(), Some(2), at(2));
    let history = recent.of(client).unwrap();
    let [newest, older] = &*history.refusals else {
        panic!("{history:?}")
    };
    assert_eq!((&newest.why, newest.request), (&wrong_password(), Some(2)));
    let seen = Seen {
        times: 2,
        first: at(0),
        last: at(2),
    };
    assert_eq!(newest.seen, seen);
    assert_eq!((&older.why, older.seen.times), (&listed(), 1));
    assert_eq!(recent.of(key("192.0.2.8")), None, "another address");
}

#[test]
fn of_many_kinds_the_newest_are_kept() {
    const REASONS: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    let recent = Recent::default();
    let client = key("192.0.2.7");
    for (second, reason) in (0..).zip(REASONS) {
        let why = Why {
            reason,
            ..wrong_password()
        };
        recent.refused(client, why, None, at(second));
    }
    for (second, fault) in (0..).zip(HandshakeFault::ALL) {
        recent.handshake_failed(client, fault, Hello::default(), at(second));
    }
    let history = recent.of(client).unwrap();
    let refusals: Vec<_> = history.refusals.iter().map(|one| one.why.reason).collect();
    assert_eq!(refusals, ["l", "k", "j", "i", "h", "g", "f", "e"]);
    let handshakes = history.handshakes.iter().map(|one| one.fault);
    assert!(handshakes.eq(HandshakeFault::ALL.into_iter().rev().take(4)));
}

#[test]
fn the_name_that_a_client_calls_is_kept_where_it_is_the_fault_and_cut() {
    let recent = Recent::default();
    let client = key("192.0.2.7");
    let name = "a".repeat(200);
    let hello = Hello {
        offered: Some(TlsVersion::Tls12),
        server_name: Some(&name),
        in_ssl2_format: false,
    };
    recent.handshake_failed(client, HandshakeFault::TooOldTls, hello, at(0));
    recent.handshake_failed(client, HandshakeFault::NameMismatch, hello, at(1));
    let history = recent.of(client).unwrap();
    let called = history.handshakes.iter().map(|one| one.called.as_deref());
    assert!(called.eq([name.get(..64), None]));
    assert_eq!(history.handshakes[1].offered, Some(TlsVersion::Tls12));
}

#[test]
fn a_success_names_its_user_and_a_page_without_one_does_not_replace_it() {
    let recent = Recent::default();
    let client = key("192.0.2.7");
    recent.served(client, &shop(), None, at(0));
    assert_eq!(recent.of(client).unwrap().success.unwrap().user, None);
    recent.served(client, &shop(), Some("7"), at(1));
    recent.served(client, &shop(), None, at(2));
    recent.served(client, &shop(), Some("7"), at(3));
    recent.served(client, &shop(), None, at(4));
    let success = recent.of(client).unwrap().success.unwrap();
    assert_eq!((success.user.as_deref(), success.at), (Some("7"), at(3)));
}

#[test]
fn what_was_known_of_a_stranger_is_known_of_him_when_he_has_logged_in() {
    let recent = Recent::default();
    let client = key("2001:db8::1");
    recent.refused(client, wrong_password(), Some(1), at(0));
    recent.served(client, &shop(), Some("7"), at(1));
    let history = recent.of(key("2001:db8::ffff")).unwrap();
    assert_eq!(history.refusals.len(), 1, "one /64 is one client");
    assert!(recent.strangers.clients.is_empty());
    assert!(recent.strangers.order().turn.is_empty());
}

#[test]
fn who_has_logged_in_is_not_forgotten_for_any_number_of_strangers() {
    let recent = Recent::default();
    let client = key("192.0.2.7");
    recent.served(client, &shop(), Some("7"), at(0));
    let proved = key("192.0.2.8");
    recent.proved(proved, at(0));
    scan(&recent, scattered(100_000), at(1));
    scan(&recent, of_one_ipv6_network(100_000), at(1));
    assert!(recent.of(client).is_some() && recent.of(proved).is_some());
    assert_eq!(recent.strangers.clients.len(), STRANGERS);
}

#[test]
fn a_terminal_that_tries_again_and_again_outlives_a_scan_of_the_whole_internet() {
    let recent = Recent::default();
    let client = key("192.0.2.7");
    recent.refused(client, wrong_password(), Some(1), at(0));
    recent.refused(client, wrong_password(), Some(2), at(90));
    scan(&recent, scattered(200_000), at(100));
    assert_eq!(recent.of(client).unwrap().refusals[0].seen.times, 2);
}

#[test]
fn one_network_drives_out_itself_and_not_a_stranger_seen_once() {
    let recent = Recent::default();
    let client = key("192.0.2.7");
    recent.refused(client, wrong_password(), Some(1), at(0));
    scan(&recent, of_one_ipv6_network(200_000), at(1));
    assert!(recent.of(client).is_some());
}

#[test]
fn who_was_not_seen_for_a_day_goes_first_however_persistent_he_was() {
    let recent = Recent::default();
    let old = key("192.0.2.7");
    recent.refused(old, listed(), None, at(0));
    recent.refused(old, listed(), None, at(1_000));
    let day = 24 * 60 * 60;
    // Everybody else is of yesterday evening.
    scan(
        &recent,
        scattered(u32::MAX).take(STRANGERS - 1),
        at(900 + day),
    );
    scan(&recent, std::iter::once(key("192.0.2.9")), at(1_000 + day));
    assert_eq!(recent.of(old), None);
}

#[test]
fn a_long_user_id_is_cut_at_a_character() {
    let recent = Recent::default();
    let client = key("192.0.2.7");
    recent.served(client, &shop(), Some(&"ю".repeat(1_000)), at(0));
    recent.served(client, &shop(), Some(&"ю".repeat(1_000)), at(1));
    let success = recent.of(client).unwrap().success.unwrap();
    assert_eq!(success.user, Some("ю".repeat(USER_BYTES / 2)));
    assert_eq!(success.at, at(1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens, both shelves keep their bound and their books.
    #[test]
    fn the_books_agree_with_the_shelves(
        events in prop::collection::vec((0_u32..400, 0..4, 0_u64..200), 0..2_000),
    ) {
        let recent = Recent {
            known: Shelf::new(20, 20),
            strangers: Shelf::new(40, 4),
        };
        for (number, event, second) in events {
            let client = ClientKey::V4(Ipv4Addr::from_bits(number << 13));
            match event {
                0 => recent.served(client, &shop(), Some("7"), at(second)),
                1 => recent.handshake_failed(client, HandshakeFault::TimedOut, Hello::default(), at(second)),
                2 => recent.proved(client, at(second)),
                _ => recent.refused(client, listed(), None, at(second)),
            }
            prop_assert!(recent.of(client).is_some(), "the newest is never the one that goes");
        }
        for shelf in [&recent.known, &recent.strangers] {
            let order = shelf.order();
            prop_assert!(shelf.clients.len() <= shelf.at_most);
            prop_assert_eq!(order.turn.len(), shelf.clients.len());
            prop_assert!(order.turn.iter().all(|client| shelf.clients.contains_key(client)));
            prop_assert_eq!(order.crowds.values().sum::<usize>(), shelf.clients.len());
        }
    }
}
