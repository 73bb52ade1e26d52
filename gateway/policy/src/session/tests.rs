use std::thread;

use backend_types::{Role, User};
use proptest::prelude::*;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn start() -> Moment {
    Moment(1_700_000_000_000)
}

fn after(duration: Duration) -> Moment {
    start().plus(duration)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn shop() -> DatabaseId {
    "shop".parse().unwrap()
}

fn login(user: &str) -> Login {
    let user = User {
        id: user.to_owned(),
        name: user.to_owned(),
        role: Role::MobileUser,
        password: Some("$argon2id$".to_owned()),
        index: None,
        barcode: None,
        barcode_index: None,
    };
    Login::new(shop(), &user, Way::Name).unwrap()
}

fn sessions() -> Sessions {
    Sessions::new([9; 32])
}

/// Distinct random bytes for each number.
fn random(number: u64) -> [u8; 32] {
    Sha256::digest(number.to_le_bytes()).into()
}

fn open(sessions: &Sessions, number: u64, now: Moment) -> Issued {
    sessions.open(login("7"), now, random(number)).0
}

fn refresh(sessions: &Sessions, token: &Secret, now: Moment) -> Refreshed {
    sessions.refresh(token, &shop(), now, |_| true).0
}

#[track_caller]
fn refreshed(sessions: &Sessions, token: &Secret, now: Moment) -> Issued {
    match refresh(sessions, token, now) {
        Refreshed::Issued(issued) => issued,
        other => panic!("not refreshed: {other:?}"),
    }
}

fn lives(sessions: &Sessions, token: &Secret, now: Moment) -> bool {
    matches!(sessions.find(token, &shop(), now), Found::Session(_))
}

#[test]
fn tokens_are_32_hex_digits_and_only_hashes_are_kept() {
    let sessions = sessions();
    let issued = open(&sessions, 1, start());
    for token in [&issued.access, &issued.refresh] {
        assert_eq!(token.expose().len(), 32);
        assert!(TokenHash::of(token).is_some());
    }
    assert_ne!(issued.access, issued.refresh);
    assert_eq!(issued.expires_in_seconds, 86_400);
    let record = format!("{:?}", sessions.record(issued.family));
    assert!(!record.contains(issued.access.expose()) && !record.contains(issued.refresh.expose()));
}

#[test]
fn an_access_token_lives_a_day_in_its_own_database() {
    let sessions = sessions();
    let issued = open(&sessions, 1, start());
    assert!(lives(&sessions, &issued.access, after(DAY - seconds(1))));
    assert!(matches!(
        sessions.find(&issued.access, &shop(), after(DAY)),
        Found::Expired
    ));
    let other = "other".parse().unwrap();
    assert!(matches!(
        sessions.find(&issued.access, &other, start()),
        Found::Unknown
    ));
    assert!(matches!(
        sessions.find(&issued.refresh, &shop(), start()),
        Found::Unknown
    ));
    for rubbish in [
        "",
        "x",
        &"A".repeat(32),
        &"0".repeat(32),
        &"0".repeat(100_000),
    ] {
        let token = Secret::new(rubbish.to_owned());
        assert!(matches!(
            sessions.find(&token, &shop(), start()),
            Found::Unknown
        ));
    }
}

#[test]
fn a_refresh_gives_a_new_pair_and_the_old_access_token_lives_on() {
    let sessions = sessions();
    let first = open(&sessions, 1, start());
    let second = refreshed(&sessions, &first.refresh, after(HOUR));
    assert_ne!(second.access, first.access);
    assert_ne!(second.refresh, first.refresh);
    assert!(lives(&sessions, &first.access, after(2 * HOUR)));
    assert!(lives(&sessions, &second.access, after(DAY + seconds(1))));
    assert!(!lives(&sessions, &first.access, after(DAY)));
    let third = refreshed(&sessions, &second.refresh, after(2 * HOUR));
    assert!(lives(&sessions, &third.access, after(2 * HOUR)));
    assert_eq!(third.family, first.family);
}

#[test]
fn a_repeat_within_the_grace_returns_the_same_successor() {
    let sessions = sessions();
    let first = open(&sessions, 1, start());
    let second = refreshed(&sessions, &first.refresh, after(HOUR));
    for wait in [0, 1, 60] {
        let again = refreshed(&sessions, &first.refresh, after(HOUR + seconds(wait)));
        assert_eq!(
            (&again.access, &again.refresh),
            (&second.access, &second.refresh)
        );
        assert_eq!(again.expires_in_seconds, 86_400 - wait);
    }
    assert_eq!(sessions.record(first.family).unwrap().access.len(), 2);
    let (_, changed) = sessions.refresh(&first.refresh, &shop(), after(HOUR), |_| true);
    assert_eq!(
        changed,
        [first.family],
        "a repeat too waits until the pair is on disk"
    );
}

#[test]
fn a_late_repeat_ends_this_device_and_no_other() {
    let sessions = sessions();
    let (first, other) = (open(&sessions, 1, start()), open(&sessions, 2, start()));
    let second = refreshed(&sessions, &first.refresh, after(HOUR));
    let late = after(HOUR + GRACE + Duration::from_millis(1));
    assert!(matches!(
        refresh(&sessions, &first.refresh, late),
        Refreshed::Reused
    ));
    for token in [&first.access, &second.access] {
        assert!(!lives(&sessions, token, late));
    }
    for token in [&first.refresh, &second.refresh] {
        assert!(matches!(refresh(&sessions, token, late), Refreshed::Ended));
    }
    assert!(lives(&sessions, &other.access, late));
    refreshed(&sessions, &other.refresh, late);
}

#[test]
fn never_issued_expired_and_ended_refresh_tokens_are_told_apart() {
    let sessions = sessions();
    let never = |token: &Secret, database: &DatabaseId| {
        let (outcome, changed) = sessions.refresh(token, database, start(), |_| true);
        assert!(changed.is_empty());
        matches!(outcome, Refreshed::NeverIssued)
    };
    let (first, second) = (open(&sessions, 1, start()), open(&sessions, 2, start()));
    assert!(never(&Secret::new("0".repeat(32)), &shop()));
    assert!(never(&Secret::new("rubbish".to_owned()), &shop()));
    assert!(never(&first.access, &shop()));
    assert!(never(&first.refresh, &"other".parse().unwrap()));
    assert!(matches!(
        refresh(&sessions, &first.refresh, after(REFRESH_LIFETIME)),
        Refreshed::Ended
    ));
    assert_eq!(
        sessions.end(&second.access, &shop(), start()),
        [second.family]
    );
    assert!(matches!(
        refresh(&sessions, &second.refresh, start()),
        Refreshed::Ended
    ));
    assert!(!lives(&sessions, &second.access, start()));
}

#[test]
fn a_login_that_is_good_no_more_cannot_be_refreshed() {
    let sessions = sessions();
    let first = open(&sessions, 1, start());
    let (outcome, changed) = sessions.refresh(&first.refresh, &shop(), start(), |_| false);
    assert!(matches!(outcome, Refreshed::Ended));
    assert_eq!(changed, [first.family]);
    assert!(!lives(&sessions, &first.access, start()));
}

#[test]
fn end_where_ends_the_sessions_of_one_user() {
    let sessions = sessions();
    let mine = open(&sessions, 1, start());
    let (other, _) = sessions.open(login("8"), start(), random(2));
    assert_eq!(
        sessions.end_where(start(), |login| login.user == "7"),
        [mine.family]
    );
    assert!(!lives(&sessions, &mine.access, start()));
    assert!(lives(&sessions, &other.access, start()));
    assert_eq!(sessions.len(), 1);
}

#[test]
fn the_device_unused_for_longest_makes_room_for_one_more() {
    let sessions = sessions();
    let cap = u64::try_from(MAX_FAMILIES_PER_USER).unwrap();
    let devices: Vec<Issued> = (0..cap)
        .map(|number| open(&sessions, number, start()))
        .collect();
    for device in devices
        .iter()
        .filter(|device| device.family != devices[5].family)
    {
        assert!(lives(&sessions, &device.access, after(HOUR)));
    }
    let (newest, changed) = sessions.open(login("7"), after(HOUR), random(cap));
    assert_eq!(changed, [devices[5].family, newest.family]);
    assert!(!lives(&sessions, &devices[5].access, after(HOUR)));
    assert!(lives(&sessions, &devices[0].access, after(HOUR)));
    assert_eq!(sessions.len(), MAX_FAMILIES_PER_USER);
}

#[test]
fn a_device_that_refreshes_all_the_time_keeps_a_bounded_past() {
    let sessions = sessions();
    let first = open(&sessions, 1, start());
    let mut last = first.clone();
    for number in 0..200 {
        last = refreshed(&sessions, &last.refresh, after(seconds(number)));
    }
    let record = sessions.record(first.family).unwrap();
    assert_eq!(
        (record.access.len(), record.used.len()),
        (MAX_ACCESS, MAX_USED)
    );
    assert_eq!(sessions.access.len(), MAX_ACCESS);
    assert_eq!(sessions.ledger().refresh.len(), MAX_USED + 1);
    assert!(lives(&sessions, &last.access, after(seconds(200))));
}

#[test]
fn sessions_survive_a_restart_in_every_state() {
    let before = sessions();
    let (live, ended) = (open(&before, 1, start()), open(&before, 2, start()));
    let second = refreshed(&before, &live.refresh, after(HOUR));
    assert_eq!(before.end(&ended.access, &shop(), after(HOUR)).len(), 1);
    let records: Vec<Record> = [live.family, ended.family]
        .iter()
        .filter_map(|&family| before.record(family))
        .collect();

    let restored = sessions();
    restored.restore(records, after(HOUR));
    assert_eq!(restored.len(), 1);
    assert!(lives(&restored, &live.access, after(HOUR)));
    assert!(lives(&restored, &second.access, after(HOUR)));
    assert!(!lives(&restored, &ended.access, after(HOUR)));
    assert!(matches!(
        refresh(&restored, &ended.refresh, after(HOUR)),
        Refreshed::Ended
    ));
    let again = refreshed(&restored, &live.refresh, after(HOUR + GRACE));
    assert_eq!(again.refresh, second.refresh);
    assert!(matches!(
        refresh(&restored, &live.refresh, after(2 * HOUR)),
        Refreshed::Reused
    ));
}

#[test]
fn time_ends_forgets_and_deletes() {
    let sessions = sessions();
    let issued = open(&sessions, 1, start());
    assert!(sessions.sweep(after(DAY)).is_empty());
    assert!(sessions.access.is_empty());
    assert_eq!(sessions.record(issued.family).unwrap().access.len(), 0);
    assert_eq!(sessions.sweep(after(REFRESH_LIFETIME)), [issued.family]);
    let ended = after(REFRESH_LIFETIME);
    assert!(sessions.record(issued.family).unwrap().ended.is_some());
    assert!(sessions.sweep(ended.plus(REMEMBERED - DAY)).is_empty());
    assert!(matches!(
        refresh(&sessions, &issued.refresh, ended),
        Refreshed::Ended
    ));
    assert_eq!(sessions.sweep(ended.plus(REMEMBERED)), [issued.family]);
    assert!(sessions.record(issued.family).is_none());
    assert!(matches!(
        refresh(&sessions, &issued.refresh, ended),
        Refreshed::NeverIssued
    ));
    assert!(sessions.ledger().refresh.is_empty() && sessions.ledger().of_user.is_empty());
}

#[test]
fn parallel_refreshes_of_one_token_all_get_the_same_successor() {
    let sessions = sessions();
    let first = open(&sessions, 1, start());
    let pairs: Vec<Issued> = thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| refreshed(&sessions, &first.refresh, start())))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(pairs.iter().all(|pair| pair.refresh == pairs[0].refresh));
    assert_eq!(sessions.record(first.family).unwrap().used.len(), 1);
}

/// What a device remembers of a refresh token: when it was issued and, if so, used.
struct Remembered {
    token: Secret,
    issued: Moment,
    used: Option<Moment>,
    successor: Option<Secret>,
}

proptest! {
    #[test]
    fn one_device_is_the_plain_list_of_its_refresh_tokens(
        steps in prop::collection::vec((any::<prop::sample::Index>(), 0..50u64), 1..40),
    ) {
        let sessions = sessions();
        let mut now = start();
        let mut ended = false;
        let first = open(&sessions, 1, now);
        let mut tokens =
            vec![Remembered { token: first.refresh, issued: now, used: None, successor: None }];
        for (index, wait) in steps {
            now = now.plus(seconds(wait));
            let length = tokens.len();
            let tried = index.get_mut(&mut tokens);
            match refresh(&sessions, &tried.token, now) {
                Refreshed::NeverIssued => prop_assert!(false, "each was issued"),
                Refreshed::Ended => prop_assert!(ended),
                Refreshed::Reused => {
                    prop_assert!(!ended && now.since(tried.used.unwrap()) > GRACE);
                    ended = true;
                }
                Refreshed::Issued(pair) => {
                    prop_assert!(!ended && now.since(tried.issued) < REFRESH_LIFETIME);
                    if let Some(used) = tried.used {
                        prop_assert!(now.since(used) <= GRACE);
                        prop_assert_eq!(Some(&pair.refresh), tried.successor.as_ref());
                    } else {
                        tried.used = Some(now);
                        tried.successor = Some(pair.refresh.clone());
                        tokens.push(Remembered {
                            token: pair.refresh,
                            issued: now,
                            used: None,
                            successor: None,
                        });
                        prop_assert_eq!(tokens.len(), length + 1);
                    }
                }
            }
        }
    }
}
