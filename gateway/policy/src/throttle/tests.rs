use std::{
    collections::HashMap,
    net::Ipv4Addr,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use proptest::prelude::*;

use super::*;

const CLIENT: ClientKey = ClientKey::V4(Ipv4Addr::new(192, 0, 2, 7));

fn client(number: u32) -> ClientKey {
    ClientKey::V4(Ipv4Addr::from_bits(number))
}

fn after_ms(millis: u64) -> Moment {
    Moment(1_700_000_000_000 + millis)
}

fn after(seconds: u64) -> Moment {
    after_ms(seconds * 1000)
}

#[track_caller]
fn slot(throttle: &Throttle, client: ClientKey, now: Moment) -> Slot {
    match throttle.reserve(client, now) {
        Reserved::Slot(slot) => slot,
        other => panic!("no slot: {other:?}"),
    }
}

#[track_caller]
fn fail(throttle: &Throttle, client: ClientKey, now: Moment) {
    slot(throttle, client, now).fail(now);
}

#[track_caller]
fn blocked(throttle: &Throttle, client: ClientKey, now: Moment) -> u64 {
    match throttle.reserve(client, now) {
        Reserved::Blocked(retry_after) => retry_after.seconds,
        other => panic!("not blocked: {other:?}"),
    }
}

#[test]
fn the_eleventh_attempt_waits_until_the_first_failure_is_60_s_old() {
    let throttle = Throttle::default();
    for second in 0..10 {
        fail(&throttle, CLIENT, after(second));
    }
    assert_eq!(blocked(&throttle, CLIENT, after(10)), 50);
    assert_eq!(blocked(&throttle, CLIENT, after_ms(59_900)), 1);
    fail(&throttle, CLIENT, after_ms(60_100));
    assert_eq!(blocked(&throttle, CLIENT, after_ms(60_200)), 1);
    fail(&throttle, CLIENT, after(61));
    drop(slot(&throttle, client(1), after(10)));
}

#[test]
fn a_failure_counts_from_its_answer_and_no_more_at_60_s() {
    let throttle = Throttle::default();
    for _ in 0..10 {
        slot(&throttle, CLIENT, after(0)).fail(after(5));
    }
    assert_eq!(blocked(&throttle, CLIENT, after(60)), 5);
    assert_eq!(blocked(&throttle, CLIENT, after_ms(64_999)), 1);
    slot(&throttle, CLIENT, after(65)).give_back();
}

#[test]
fn success_gives_its_slot_back_and_forgives_nothing() {
    let throttle = Throttle::default();
    for _ in 0..9 {
        fail(&throttle, CLIENT, after(0));
        for _ in 0..5 {
            slot(&throttle, CLIENT, after(0)).give_back();
        }
    }
    fail(&throttle, CLIENT, after(1));
    assert_eq!(blocked(&throttle, CLIENT, after(1)), 59);
}

#[test]
fn open_slots_and_failures_share_the_ten_places() {
    let throttle = Throttle::default();
    for _ in 0..7 {
        fail(&throttle, CLIENT, after(0));
    }
    let mut open: Vec<Slot> = (0..3).map(|_| slot(&throttle, CLIENT, after(0))).collect();
    assert!(matches!(throttle.reserve(CLIENT, after(1)), Reserved::Wait));
    open.pop().unwrap().give_back();
    open.push(slot(&throttle, CLIENT, after(1)));
    for slot in open {
        slot.fail(after(2));
    }
    assert_eq!(blocked(&throttle, CLIENT, after(2)), 58);
}

#[test]
fn a_standing_tells_failures_and_slots_and_takes_none() {
    let throttle = Throttle::default();
    assert_eq!(throttle.standing(CLIENT, after(0)), Standing::default());
    for _ in 0..9 {
        fail(&throttle, CLIENT, after(0));
    }
    let open = slot(&throttle, CLIENT, after(1));
    let standing = throttle.standing(CLIENT, after(1));
    assert_eq!(
        (standing.failures, standing.open, standing.blocked),
        (9, 1, None)
    );
    open.fail(after(2));
    let standing = throttle.standing(CLIENT, after(2));
    assert_eq!((standing.failures, standing.open), (10, 0));
    assert_eq!(standing.blocked, Some(RetryAfter { seconds: 58 }));
    assert_eq!(throttle.standing(CLIENT, after(62)), Standing::default());
    assert_eq!(throttle.standing(client(1), after(2)), Standing::default());
}

#[test]
fn a_slot_dropped_unresolved_is_a_failure() {
    let throttle = Throttle::default();
    for _ in 0..10 {
        drop(slot(&throttle, CLIENT, after(0)));
    }
    assert_eq!(blocked(&throttle, CLIENT, after(0)), 60);
}

#[test]
fn whoever_waits_is_told_of_every_resolved_slot() {
    let told = Arc::new(AtomicUsize::new(0));
    let throttle = Throttle::new(10, {
        let told = Arc::clone(&told);
        move || {
            told.fetch_add(1, Ordering::Relaxed);
        }
    });
    fail(&throttle, CLIENT, after(0));
    slot(&throttle, CLIENT, after(0)).give_back();
    drop(slot(&throttle, CLIENT, after(0)));
    assert_eq!(told.load(Ordering::Relaxed), 3);
}

#[test]
fn five_hundred_parallel_guesses_are_verified_ten_times() {
    let (throttle, verified) = (Throttle::default(), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..500 {
            scope.spawn(|| {
                loop {
                    match throttle.reserve(CLIENT, after(0)) {
                        Reserved::Slot(slot) => {
                            verified.fetch_add(1, Ordering::Relaxed);
                            slot.fail(after(0));
                            return;
                        }
                        Reserved::Blocked(_) => return,
                        Reserved::Wait => thread::yield_now(),
                    }
                }
            });
        }
    });
    assert_eq!(verified.load(Ordering::Relaxed), MAX_FAILURES);
}

#[test]
fn thirty_parallel_good_logins_from_one_address_all_get_in() {
    let (throttle, entered) = (Throttle::default(), AtomicUsize::new(0));
    for _ in 0..9 {
        fail(&throttle, CLIENT, after(0));
    }
    thread::scope(|scope| {
        for _ in 0..30 {
            scope.spawn(|| {
                loop {
                    match throttle.reserve(CLIENT, after(1)) {
                        Reserved::Slot(slot) => {
                            entered.fetch_add(1, Ordering::Relaxed);
                            return slot.give_back();
                        }
                        Reserved::Wait => thread::yield_now(),
                        Reserved::Blocked(_) => panic!("a good login was blocked"),
                    }
                }
            });
        }
    });
    assert_eq!(entered.load(Ordering::Relaxed), 30);
}

#[test]
fn a_flood_of_addresses_evicts_neither_a_block_nor_an_open_slot() {
    let throttle = Throttle::new(100, || ());
    for _ in 0..10 {
        fail(&throttle, CLIENT, after(0));
    }
    let open = slot(&throttle, client(1), after(0));
    for _ in 0..8 {
        fail(&throttle, client(2), after(0));
    }
    for number in 1000..51_000 {
        fail(&throttle, client(number), after(1));
        assert!(throttle.0.order().len() <= 100);
    }
    assert_eq!(blocked(&throttle, CLIENT, after(2)), 58);
    fail(&throttle, client(2), after(2));
    fail(&throttle, client(2), after(2));
    assert_eq!(
        blocked(&throttle, client(2), after(2)),
        58,
        "nearly blocked: remembered too"
    );
    open.fail(after(2));
    assert_eq!(
        throttle
            .export(after(2))
            .iter()
            .filter(|(key, _)| *key == client(1))
            .count(),
        1
    );
}

#[test]
fn a_map_full_of_blocks_lets_no_new_address_in_until_they_end() {
    let throttle = Throttle::new(20, || ());
    for number in 0..20 {
        for _ in 0..10 {
            fail(&throttle, client(number), after(0));
        }
    }
    assert!(matches!(
        throttle.reserve(CLIENT, after(59)),
        Reserved::Wait
    ));
    slot(&throttle, CLIENT, after(60)).give_back();
}

#[test]
fn expired_clients_make_room_as_new_ones_come() {
    let throttle = Throttle::default();
    for number in 0..1000 {
        fail(&throttle, client(number), after(0));
    }
    assert_eq!(throttle.0.order().len(), 1000);
    for number in 2000..2200 {
        fail(&throttle, client(number), after(60));
    }
    assert_eq!(throttle.0.order().len(), 200);
}

#[test]
fn ten_million_addresses_fit_into_64_mib() {
    // Buckets of a full map: the next power of two at a load of at most 7/8, plus a control byte.
    let buckets = (MAX_CLIENTS * 8 / 7).next_power_of_two();
    let entry = size_of::<(ClientKey, Client)>() + 1;
    let order = (MAX_CLIENTS.next_power_of_two()) * size_of::<ClientKey>();
    // Twice: uneven shards may have grown once more.
    assert!(
        2 * buckets * entry + order <= 64 << 20,
        "{}",
        2 * buckets * entry + order
    );
}

#[test]
fn windows_survive_a_restart_and_a_clock_set_back() {
    let throttle = Throttle::default();
    for second in 0..10 {
        fail(&throttle, CLIENT, after(second));
    }
    fail(&throttle, client(1), after(9));
    let open = slot(&throttle, client(2), after(9));
    let exported = throttle.export(after(62));
    open.give_back();
    let counted: HashMap<_, _> = exported
        .iter()
        .map(|(key, failures)| (*key, failures.len()))
        .collect();
    assert_eq!(
        counted,
        HashMap::from([(CLIENT, 7), (client(1), 1), (client(2), 1)])
    );

    let restarted = Throttle::default();
    restarted.import(throttle.export(after(9)), after(20));
    assert_eq!(blocked(&restarted, CLIENT, after(20)), 40);
    assert_eq!(
        restarted.export(after(69)),
        [] as [(ClientKey, Vec<Moment>); 0]
    );

    let set_back = Throttle::default();
    set_back.import(throttle.export(after(9)), Moment(0));
    assert_eq!(blocked(&set_back, CLIENT, Moment(0)), 60);

    let hostile = Throttle::default();
    hostile.import([(CLIENT, vec![after(0); 1000])], after(0));
    assert_eq!(blocked(&hostile, CLIENT, after(0)), 60);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Reserve(u32),
    Fail(usize),
    GiveBack(usize),
    Drop(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3u32).prop_map(Step::Reserve),
        4 => any::<usize>().prop_map(Step::Fail),
        1 => any::<usize>().prop_map(Step::GiveBack),
        1 => any::<usize>().prop_map(Step::Drop),
        3 => (0..15_000u64).prop_map(Step::Pass),
    ]
}

proptest! {
    #[test]
    fn the_throttle_is_the_plain_list_of_failures_and_open_slots(
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let throttle = Throttle::default();
        let mut now = after(0);
        let mut open: Vec<(u32, Moment, Slot)> = Vec::new();
        let mut failures: Vec<(u32, Moment)> = Vec::new();
        for step in steps {
            let pick = |at: usize| if open.is_empty() { None } else { Some(at % open.len()) };
            match step {
                Step::Pass(millis) => now = Moment(now.0 + millis),
                Step::Reserve(number) => {
                    let live: Vec<Moment> = failures
                        .iter()
                        .filter(|(who, at)| *who == number && at.0 + 60_000 > now.0)
                        .map(|(_, at)| *at)
                        .collect();
                    let taken = live.len() + open.iter().filter(|(who, ..)| *who == number).count();
                    match throttle.reserve(client(number), now) {
                        Reserved::Slot(slot) => {
                            prop_assert!(taken < 10);
                            open.push((number, now, slot));
                        }
                        Reserved::Wait => prop_assert!(live.len() < 10 && taken >= 10),
                        Reserved::Blocked(RetryAfter { seconds }) => {
                            prop_assert!(live.len() >= 10);
                            let left = live.iter().min().unwrap().0 + 60_000 - now.0;
                            prop_assert_eq!(seconds, left.div_ceil(1000));
                        }
                    }
                }
                Step::Fail(at) => if let Some(at) = pick(at) {
                    let (who, _, slot) = open.swap_remove(at);
                    slot.fail(now);
                    failures.push((who, now));
                },
                Step::GiveBack(at) => if let Some(at) = pick(at) {
                    open.swap_remove(at).2.give_back();
                },
                Step::Drop(at) => if let Some(at) = pick(at) {
                    let (who, reserved, slot) = open.swap_remove(at);
                    drop(slot);
                    failures.push((who, reserved));
                },
            }
        }
        for number in 0..3 {
            let times = failures.iter().filter(|(who, _)| *who == number).map(|(_, at)| at.0);
            let times: Vec<u64> = times.collect();
            for &start in &times {
                let window = times.iter().filter(|&&at| start <= at && at < start + 60_000);
                prop_assert!(window.count() <= 10);
            }
        }
    }
}
