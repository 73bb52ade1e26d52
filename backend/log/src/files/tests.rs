use std::{os::unix::fs::PermissionsExt, time::Duration};

use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits {
    file: 100,
    total: 1000,
    keep_days: 30,
};

/// 2026-11-24T00:00:00Z and some days.
fn midnight(days: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs((20_781 + days) * 86_400)
}

fn line(number: usize, length: usize) -> Vec<u8> {
    format!("{number:length$}\n").into_bytes()
}

fn size(folder: &Path) -> u64 {
    let sizes = fs::read_dir(folder).unwrap();
    sizes
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// All that is kept, in the order in which it was written.
fn text(folder: &Path) -> Vec<u8> {
    let closed = closed_files(folder, "gateway").unwrap();
    let files = closed.into_iter().map(|closed| closed.file);
    let files = files.chain([folder.join("gateway.log")]);
    files.flat_map(|file| fs::read(file).unwrap()).collect()
}

proptest! {
    #[test]
    fn the_bound_holds_no_line_is_split_and_what_is_kept_is_the_newest_without_a_gap(
        steps in prop::collection::vec((1_usize..80, 0_u64..3, prop::bool::weighted(0.1)), 1..120),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut day = 0;
        let mut files =
            LogFiles::open(folder.path(), "gateway", LIMITS, midnight(day)).unwrap();
        let mut all = Vec::new();
        for (number, (length, later, restart)) in steps.into_iter().enumerate() {
            if restart {
                // Where a file's last line is from is known by its time.
                files.current.set_modified(midnight(day)).unwrap();
                files = LogFiles::open(folder.path(), "gateway", LIMITS, midnight(day)).unwrap();
            }
            day += later / 2;
            let line = line(number, length);
            files.write_line(&line, midnight(day)).unwrap();
            all.extend_from_slice(&line);
            prop_assert!(size(folder.path()) <= LIMITS.total);
            for entry in fs::read_dir(folder.path()).unwrap() {
                let bytes = fs::read(entry.unwrap().path()).unwrap();
                prop_assert!(bytes.len() as u64 <= LIMITS.file && bytes.ends_with(b"\n"));
            }
            let kept = text(folder.path());
            prop_assert!(all.ends_with(&kept) && kept.ends_with(&line));
            let everything = all.len() == kept.len();
            prop_assert!(everything || all[all.len() - kept.len() - 1] == b'\n');
            // Whole files go, and none before its room is wanted or its days are over.
            let spared = kept.len() as u64 > LIMITS.total - LIMITS.file;
            prop_assert!(everything || spared || day > u64::from(LIMITS.keep_days));
        }
    }
}

#[test]
fn a_full_file_and_a_new_day_begin_another() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = LogFiles::open(folder.path(), "gateway", LIMITS, midnight(0)).unwrap();
    for number in 0..3 {
        files.write_line(&line(number, 49), midnight(0)).unwrap();
    }
    assert_eq!(
        names(folder.path()),
        ["gateway.2026-11-24.001.log", "gateway.log"]
    );
    files.write_line(&line(3, 9), midnight(1)).unwrap();
    assert_eq!(
        names(folder.path()),
        [
            "gateway.2026-11-24.001.log",
            "gateway.2026-11-24.002.log",
            "gateway.log"
        ]
    );
    assert_eq!(
        fs::read(folder.path().join("gateway.log")).unwrap(),
        line(3, 9)
    );
    let mode = folder.path().join("gateway.log").metadata().unwrap();
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_file_older_than_the_days_kept_goes_and_a_younger_one_and_a_strangers_stay() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "gateway.2026-10-24.log",
        "gateway.2026-10-24.007.log",
        "gateway.2026-10-25.log",
        "gateway.2020-01-01.log.gz",
        "gateway.notes.log",
        "backend.2020-01-01.001.log",
    ] {
        fs::write(folder.path().join(name), "x\n").unwrap();
    }
    LogFiles::open(folder.path(), "gateway", LIMITS, midnight(0)).unwrap();
    assert_eq!(
        names(folder.path()),
        [
            "backend.2020-01-01.001.log",
            "gateway.2020-01-01.log.gz",
            "gateway.2026-10-25.log",
            "gateway.log",
            "gateway.notes.log"
        ]
    );
}

#[test]
fn a_line_that_a_kill_has_cut_ends_before_the_next_begins() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("gateway.log"), "{\"half\":").unwrap();
    let now = SystemTime::now();
    let mut files = LogFiles::open(folder.path(), "gateway", LIMITS, now).unwrap();
    files.write_line(b"{}\n", now).unwrap();
    assert_eq!(text(folder.path()), b"{\"half\":\n{}\n");
}

#[test]
fn a_log_that_was_taken_away_is_begun_anew_at_the_turn() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("log");
    let mut files = LogFiles::open(&folder, "gateway", LIMITS, midnight(0)).unwrap();
    files.write_line(&line(0, 60), midnight(0)).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    files.write_line(&line(1, 60), midnight(0)).unwrap();
    assert_eq!(text(&folder), line(1, 60));
}

#[test]
fn a_line_longer_than_a_file_is_alone_and_one_longer_than_all_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = LogFiles::open(folder.path(), "gateway", LIMITS, midnight(0)).unwrap();
    files.write_line(&line(0, 9), midnight(0)).unwrap();
    files.write_line(&line(1, 400), midnight(0)).unwrap();
    assert_eq!(
        fs::read(folder.path().join("gateway.log")).unwrap(),
        line(1, 400)
    );
    assert!(files.write_line(&line(2, 1000), midnight(0)).is_err());
    assert!(
        text(folder.path()).starts_with(&line(0, 9)),
        "nothing went for it"
    );
    files.write_line(&line(3, 9), midnight(0)).unwrap();
    assert!(text(folder.path()).ends_with(&line(3, 9)));
    assert!(size(folder.path()) <= LIMITS.total);
}

#[test]
fn a_gap_in_the_log_is_told_when_there_is_room_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = LogFiles::open(folder.path(), "gateway", LIMITS, midnight(0)).unwrap();
    files.write_counted(b"before\n", midnight(0)).unwrap();
    assert!(files.write_counted(&line(0, 2_000), midnight(0)).is_err());
    // On a full disk more would follow; here there is room for telling at once.
    files.lost += 2;
    files.write_counted(b"after\n", midnight(0)).unwrap();
    files.write_counted(b"later\n", midnight(0)).unwrap();
    let text = String::from_utf8(text(folder.path())).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!([lines[0], lines[2], lines[3]], ["before", "after", "later"]);
    assert!(lines[1].contains("\"lost\":3,"), "{text}");
    assert_eq!(lines.len(), 4);
}
