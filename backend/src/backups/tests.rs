use serde_json::json;

use super::*;
use crate::entity::object;

fn copy(id: &str, reason: Reason, user: &str) -> Copy {
    let digits: Value = serde_json::from_str("41.50").unwrap();
    Copy {
        database: "shop".parse().unwrap(),
        taken: "2026-03-02T09:14:55.123456Z".parse().unwrap(),
        reason,
        user: user.to_owned(),
        id: id.to_owned(),
        document: object(json!({
            "id": id, "documentTypeName": "Возврат", "cena": digits,
            "comment": "<b>&amp; \"кавычки\" ]]> \u{1}\r\n\u{fffe}", "declaredItems": [], "tables": [],
        })),
    }
}

#[test]
fn a_file_gives_back_what_was_put_in() {
    let before = copy("a<b>&\"c'", Reason::FinishedByUser, "оператор <1> & 2");
    let text = String::from_utf8(file::write(&before).unwrap()).unwrap();
    assert_eq!(read(&text).unwrap(), before);
    assert!(text.contains("41.50"), "digit for digit: {text}");
    // An editor on Windows leaves its marks.
    let edited = format!("\u{feff}{}\r\n", text.replacen("?>", "?>\r\n", 1));
    assert_eq!(read(&edited).unwrap(), before);
}

#[test]
fn what_is_no_copy_is_refused_and_nothing_panics() {
    let text = String::from_utf8(file::write(&copy("1", Reason::New, "")).unwrap()).unwrap();
    assert!(read(&text).is_ok());
    for other in [
        "",
        "{}",
        "<Document id=\"1\"/>",
        &text.replace("format=\"1\"", "format=\"2\""),
        &text.replace("reason=\"new\"", "reason=\"old\""),
        &text.replace("taken=\"2026", "taken=\"year"),
        &text.replace("\"id\":\"1\"", "\"ld\":\"1\""),
        &text.replace(" documentId=\"1\"", ""),
        &text.replace("</DocumentBackup>", ""),
    ] {
        assert!(read(other).is_err(), "{other}");
    }
    for end in 0..text.len() {
        if let Some(cut) = text.get(..end) {
            assert!(read(cut).is_err(), "{cut}");
        }
    }
}

#[test]
fn a_name_says_what_the_vendors_names_say() {
    for (id, reason, user) in [
        (
            "new_21e6d501-e8c1-44e0-b0cd-f30a369b1822",
            Reason::FinishedByUser,
            "оператор",
        ),
        ("7", Reason::DuplicateFinish, ""),
        ("../../etc/passwd", Reason::Replace, ""),
        ("..", Reason::Deleted, ""),
        ("C:\\x|y?*", Reason::Inprocess, ""),
        (" точка.", Reason::Release, ""),
        ("100%", Reason::New, ""),
        ("a~b (2)", Reason::FinishedByUser, "x (3)"),
        // Ids that look like the rest of a name.
        ("a_06.11.2019_04.44.02_new", Reason::New, ""),
        ("a", Reason::FinishedByUser, "b_06.11.2019_04.44.02_new"),
    ] {
        let copy = copy(id, reason, user);
        for number in [1, 2] {
            let file = name::of(&copy, number);
            let parsed = CopyName::parse(&file).unwrap_or_else(|| panic!("{file}"));
            assert_eq!(parsed.id.as_deref(), Some(id), "{file}");
            assert_eq!(parsed.reason, reason, "{file}");
            assert_eq!(parsed.user.unwrap_or_default(), user, "{file}");
            let stamp = local(copy.taken).with().subsec_nanosecond(0).build();
            assert_eq!(parsed.taken, stamp.unwrap());
            assert!(!file.contains(['/', '\\', ':']), "{file}");
        }
    }
    let plain = name::of(&copy("new_1", Reason::New, ""), 1);
    assert!(
        plain.starts_with("doc_new_1_") && plain.ends_with("_new.xml"),
        "{plain}"
    );
}

#[test]
fn a_long_id_is_cut_to_a_name_that_file_systems_take() {
    let (one, other) = ("я".repeat(200), format!("{}ю", "я".repeat(199)));
    let names = [&one, &other].map(|id| name::of(&copy(id, Reason::FinishedByUser, id), 2));
    assert_ne!(names[0], names[1]);
    for name in names {
        assert!(name.len() <= 255, "{} {name}", name.len());
        let parsed = CopyName::parse(&name).unwrap();
        assert_eq!((parsed.id, parsed.user), (None, None));
    }
}

#[test]
fn other_files_are_no_copies() {
    for name in [
        "doc_1.xml",
        "doc_1_06.11.2019_04.44.02_other.xml",
        "doc_1_06.11.2019_04.44.02_new.xml.bak",
        "doc_1_31.02.2019_04.44.02_new.xml",
        "doc_1_06.11.2019_24.44.02_new.xml",
        "whitelist.dat",
        ".unfinished",
    ] {
        assert!(CopyName::parse(name).is_none(), "{name}");
    }
    assert!(CopyName::parse("doc_1_06.11.2019_04.44.02_new.xml").is_some());
}

#[test]
fn the_same_copy_is_one_file_and_another_of_the_same_second_is_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("a/Backup");
    let first = copy("1", Reason::Replace, "");
    let mut second = first.clone();
    second.document.insert("finished".to_owned(), json!(true));
    second.taken += SignedDuration::from_micros(1);
    file::put_all(&folder, [&second, &first].into_iter()).unwrap();
    // A kill came before the queue knew of the files.
    file::put_all(&folder, [&first, &second].into_iter()).unwrap();
    let listed = list(&folder).unwrap();
    assert_eq!(listed.len(), 2, "{listed:?}");
    let found: Vec<Copy> = listed
        .iter()
        .map(|one| open(&folder, &one.file).unwrap())
        .collect();
    assert_eq!(found, [second, first], "newest first, also within a second");
}

#[test]
fn only_copies_beyond_the_limits_go_oldest_first() {
    let folder = tempfile::tempdir().unwrap();
    let day = |age: i64| {
        let mut copy = copy(&format!("{age}"), Reason::New, "");
        copy.taken = Timestamp::now() - SignedDuration::from_hours(24 * age);
        copy
    };
    let copies = [day(0), day(1), day(9), day(40)];
    file::put_all(folder.path(), copies.iter()).unwrap();
    fs::write(folder.path().join("заметка.txt"), "не трогать").unwrap();
    let names = || {
        let listed = list(folder.path()).unwrap();
        listed
            .into_iter()
            .filter_map(|copy| copy.name.id)
            .collect::<Vec<_>>()
    };
    let bytes = list(folder.path()).unwrap()[0].bytes;
    let limits = |days, bytes| Limits { days, bytes };
    prune(folder.path(), limits(60, u64::MAX)).unwrap();
    assert_eq!(names(), ["0", "1", "9", "40"]);
    prune(folder.path(), limits(30, u64::MAX)).unwrap();
    assert_eq!(names(), ["0", "1", "9"]);
    prune(folder.path(), limits(30, bytes * 2 + 1)).unwrap();
    assert_eq!(names(), ["0", "1"]);
    prune(folder.path(), limits(30, 1)).unwrap();
    assert_eq!(names(), ["0"], "the newest stays whatever its size");
    assert!(folder.path().join("заметка.txt").exists());
}
