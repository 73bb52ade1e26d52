use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;
use crate::address_list::{AddressList, lines_meeting};

fn texts(entries: &[&str]) -> Vec<String> {
    entries.iter().map(|&entry| entry.to_owned()).collect()
}

fn added(file: &[u8], entries: &[&str], comment: Option<&str>) -> Result<Edited, EditFault> {
    let add = texts(entries);
    let change = Change {
        add: &add,
        comment,
        ..Change::default()
    };
    edit(file, change)
}

fn removed(file: &[u8], entries: &[&str]) -> Result<Edited, EditFault> {
    let remove = texts(entries);
    let change = Change {
        remove: &remove,
        ..Change::default()
    };
    edit(file, change)
}

#[track_caller]
fn check_added(before: &str, entry: &str, after: &str) {
    let edited = added(before.as_bytes(), &[entry], None).unwrap();
    assert_eq!(String::from_utf8_lossy(&edited.bytes), after);
}

#[test]
fn an_entry_is_put_on_a_line_of_its_own_with_the_files_own_line_ends() {
    check_added("", "10.0.0.1", "10.0.0.1\n");
    check_added("# a\n", "10.0.0.1", "# a\n10.0.0.1\n");
    check_added("::1\r\n\r\n", "10.0.0.1", "::1\r\n\r\n10.0.0.1\r\n");
    check_added("::1", " 10.0.0.0/8 ", "::1\n10.0.0.0/8\n");
    check_added("::2\r\n::1", "10.0.0.1", "::2\r\n::1\r\n10.0.0.1\r\n");
    check_added("\u{feff}", "10.0.0.1", "\u{feff}10.0.0.1\r\n");
}

#[test]
fn a_comment_stands_behind_each_added_entry_and_cannot_become_a_line() {
    let edited = added(b"", &["10.0.0.1", "::1 - ::9"], Some("# сканеры ")).unwrap();
    let text = String::from_utf8(edited.bytes).unwrap();
    assert_eq!(text, "10.0.0.1 # сканеры\n::1 - ::9 # сканеры\n");
    for foreign in ["a\n0.0.0.0/0", "a\r0.0.0.0/0", "\0"] {
        assert_eq!(
            added(b"", &["::1"], Some(foreign)),
            Err(EditFault::Comment),
            "{foreign:?}"
        );
    }
    assert_eq!(added(b"", &["::1"], Some(" # ")).unwrap().bytes, b"::1\n");
}

#[test]
fn utf16_stays_utf16_in_both_byte_orders() {
    type Bytes = fn(u16) -> [u8; 2];
    for (mark, bytes) in [
        (u16::to_le_bytes(0xfeff), u16::to_le_bytes as Bytes),
        (u16::to_be_bytes(0xfeff), u16::to_be_bytes as Bytes),
    ] {
        // U+0A0A holds the bytes of a line feed and is none.
        let file = |text: &str| -> Vec<u8> {
            let units = text.encode_utf16().flat_map(bytes);
            mark.into_iter().chain(units).collect()
        };
        let before = file("# склад \u{a0a}\r\n10.0.0.1\r\n::1");
        let edited = added(&before, &["10.0.0.2"], Some("офис")).unwrap();
        let after = file("# склад \u{a0a}\r\n10.0.0.1\r\n::1\r\n10.0.0.2 # офис\r\n");
        assert_eq!(edited.bytes, after);
        let edited = removed(&after, &["10.0.0.1"]).unwrap();
        assert_eq!(
            edited.bytes,
            file("# склад \u{a0a}\r\n::1\r\n10.0.0.2 # офис\r\n")
        );
    }
}

#[test]
fn what_is_there_already_is_said_and_not_doubled() {
    let file = b"# x\n10.0.0.0/8 # a\n";
    // The same addresses in another spelling.
    let edited = added(file, &["10.0.0.0 - 10.255.255.255", "10.1.2.3/8"], None).unwrap();
    assert!(!edited.changed());
    assert_eq!(edited.bytes, file);
    let [Done::AlreadyThere(line)] = &*edited.done else {
        panic!("{:?}", edited.done)
    };
    assert_eq!((line.number, &*line.text), (2, "10.0.0.0/8 # a"));
}

#[test]
fn an_entry_inside_a_wider_line_is_added_and_the_line_named() {
    let edited = added(b"::1\n10.0.0.0/8\n", &["10.0.0.5"], None).unwrap();
    let [
        Done::Added {
            within: Some(line), ..
        },
    ] = &*edited.done
    else {
        panic!("{:?}", edited.done)
    };
    assert_eq!(line.number, 2);
    assert_eq!(edited.bytes, b"::1\n10.0.0.0/8\n10.0.0.5\n");
}

#[test]
fn an_entry_is_taken_out_in_whatever_spelling_and_however_often_it_stands_there() {
    let file = b"10.0.0.0-10.0.0.255 # a\n# b\n10.0.0.0/24\n10.0.0.7\n0.0.0.0/0\n";
    let edited = removed(file, &["10.0.0.9/24"]).unwrap();
    assert_eq!(edited.bytes, b"# b\n10.0.0.7\n0.0.0.0/0\n");
    let [
        Done::Removed {
            line,
            more: 1,
            within: Some(within),
        },
    ] = &*edited.done
    else {
        panic!("{:?}", edited.done)
    };
    assert_eq!((line.number, &*line.text), (1, "10.0.0.0-10.0.0.255 # a"));
    assert_eq!(within.number, 3, "as the file is now");
}

#[test]
fn a_wider_line_that_goes_too_holds_nothing_any_more() {
    let edited = removed(b"0.0.0.0/0\n10.0.0.0/8\n", &["10.0.0.0/8", "0.0.0.0/0"]).unwrap();
    assert_eq!(edited.bytes, b"");
    let within = edited.done.iter().any(|done| {
        matches!(
            done,
            Done::Removed {
                within: Some(_),
                ..
            }
        )
    });
    assert!(!within, "{:?}", edited.done);
}

#[test]
fn a_part_of_a_wider_line_is_not_taken_out_and_the_line_is_named() {
    let file = b"# a\n10.0.0.0/8 # all of it\n10.0.0.1\n";
    let Err(EditFault::InsideWider { entry, line }) = removed(file, &["10.0.0.1", "10.0.0.5"])
    else {
        panic!("refused")
    };
    assert_eq!(entry.to_string(), "10.0.0.5");
    assert_eq!((line.number, &*line.text), (2, "10.0.0.0/8 # all of it"));
    assert!(matches!(
        removed(file, &["10.0.0.0/7"]),
        Err(EditFault::NotThere { .. })
    ));
}

#[test]
fn a_damaged_file_is_refused_with_its_line() {
    let file = b"10.0.0.1\n10.0.0.300\n";
    for fault in [added(file, &["::1"], None), removed(file, &["10.0.0.1"])] {
        let Err(EditFault::Damaged(fault)) = fault else {
            panic!("{fault:?}")
        };
        assert_eq!((fault.line, &*fault.text), (2, "10.0.0.300"));
    }
}

#[test]
fn what_is_no_entry_is_refused_with_the_reason() {
    for (text, reason) in [
        ("10.0.0.9-10.0.0.1", FaultReason::Reversed),
        ("shop.example", FaultReason::NotAnAddress),
        ("10.0.0.0/33", FaultReason::TooManyBits),
        ("", FaultReason::NotAnAddress),
        ("10.0.0.1 # x", FaultReason::NotAnAddress),
        ("10.0.0.1 -\n10.0.0.9", FaultReason::NotAnAddress),
        ("10.0.0.1\n10.0.0.2", FaultReason::NotAnAddress),
    ] {
        let fault = added(b"", &["::1", text], None).unwrap_err();
        assert!(
            matches!(fault, EditFault::NotAnEntry { reason: found, .. } if found == reason),
            "{text:?}: {fault}"
        );
    }
    let many = vec!["::1".to_owned(); MAX_ENTRIES + 1];
    let change = Change {
        add: &many,
        ..Change::default()
    };
    assert_eq!(edit(b"", change), Err(EditFault::TooMany));
}

#[test]
fn one_change_takes_out_first_and_puts_in_then() {
    let (add, remove) = (texts(&["::1"]), texts(&["::1"]));
    let change = Change {
        add: &add,
        remove: &remove,
        comment: Some("new"),
    };
    let edited = edit(b"::1 # old\n::2\n", change).unwrap();
    assert_eq!(edited.bytes, b"::2\n::1 # new\n");
}

/// Entries of a small space, so that they meet; as text and as first and last address.
fn entry() -> impl Strategy<Value = (String, (u32, u32))> {
    (0_u32..24, 0_u32..24, 0..3).prop_map(|(a, b, form)| {
        let ip = |low: u32| Ipv4Addr::from_bits(0x0a00_0000 + low);
        let (first, last) = (a.min(b), a.max(b));
        match form {
            0 => (ip(a).to_string(), (a, a)),
            1 => (format!("{} -  {}", ip(first), ip(last)), (first, last)),
            _ => (format!("{}/30", ip(a)), (a & !3, a | 3)),
        }
    })
}

#[derive(Clone, Copy, Debug)]
enum Written {
    Utf8,
    Utf8Marked,
    Utf16Le,
    Utf16Be,
}

impl Written {
    fn bytes(self, text: &str) -> Vec<u8> {
        let marked = format!("\u{feff}{text}");
        match self {
            Self::Utf8 => text.as_bytes().to_vec(),
            Self::Utf8Marked => marked.into_bytes(),
            Self::Utf16Le => marked.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Self::Utf16Be => marked.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        }
    }
}

fn written() -> impl Strategy<Value = Written> {
    prop_oneof![
        Just(Written::Utf8),
        Just(Written::Utf8Marked),
        Just(Written::Utf16Le),
        Just(Written::Utf16Be)
    ]
}

/// Lines with their entry, if any; every line has its end but perhaps the last.
fn file() -> impl Strategy<Value = Vec<(String, Option<(u32, u32)>)>> {
    let blank = prop::sample::select(vec!["", "  ", "# ਊ комментарий", "\t# 10.0.0.1"]);
    let line = prop_oneof![
        blank.prop_map(|text| (text.to_owned(), None)),
        (
            entry(),
            prop::sample::select(vec!["", " ", " # офис", "#x"])
        )
            .prop_map(|((text, span), tail)| (text + tail, Some(span))),
    ];
    let ended = (line, prop::sample::select(vec!["\n", "\r\n"]))
        .prop_map(|((text, span), end)| (text + end, span));
    (prop::collection::vec(ended, 0..10), any::<bool>()).prop_map(|(mut lines, open)| {
        if let (true, Some((text, _))) = (open, lines.last_mut()) {
            text.truncate(text.trim_end_matches(['\r', '\n']).len());
        }
        lines
    })
}

fn spans(bytes: &[u8]) -> Vec<Entry> {
    let everybody: Entry = "0.0.0.0/0".parse().unwrap();
    lines_meeting(bytes, everybody, usize::MAX)
        .into_iter()
        .map(|line| line.entry)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// What is read after is what was read before without the removed and with the added, in the
    /// old order, and every line that stays is byte for byte what it was.
    #[test]
    fn an_edit_changes_the_entries_it_names_and_no_other_byte(
        lines in file(),
        encoding in written(),
        add in prop::collection::vec(entry(), 0..4),
        remove in prop::collection::vec(entry(), 0..3),
    ) {
        let before = encoding.bytes(&lines.iter().map(|(text, _)| &**text).collect::<String>());
        let texts = |entries: &[(String, (u32, u32))]| {
            entries.iter().map(|(text, _)| text.clone()).collect::<Vec<_>>()
        };
        let (adding, removing) = (texts(&add), texts(&remove));
        let change = Change { add: &adding, remove: &removing, comment: Some("ਊ") };
        let gone = |span: &Option<(u32, u32)>| {
            span.is_some_and(|span| remove.iter().any(|(_, taken)| *taken == span))
        };
        let there = |taken: &(u32, u32)| lines.iter().any(|(_, span)| *span == Some(*taken));
        let edited = match edit(&before, change) {
            Ok(edited) => edited,
            Err(fault) => {
                let refused = remove.iter().any(|(_, taken)| !there(taken));
                prop_assert!(refused, "{}", fault);
                return Ok(());
            }
        };
        prop_assert!(remove.iter().all(|(_, taken)| there(taken)));

        let kept: String = lines
            .iter()
            .filter(|(_, span)| !gone(span))
            .map(|(text, _)| &**text)
            .collect();
        let kept_bytes = encoding.bytes(&kept);
        prop_assert!(edited.bytes.starts_with(&kept_bytes));

        let mut wanted = spans(&kept_bytes);
        for text in &adding {
            let entry: Entry = text.parse().unwrap();
            if !wanted.contains(&entry) {
                wanted.push(entry);
            }
        }
        prop_assert_eq!(spans(&edited.bytes), wanted);
        prop_assert_eq!(edited.changed(), edited.bytes != before);
        let list = AddressList::parse(&edited.bytes).unwrap();
        prop_assert_eq!(list.entries(), spans(&edited.bytes).len());
    }

}

proptest! {
    #[test]
    fn any_bytes_and_any_texts_make_an_edit_or_a_fault(
        file: Vec<u8>,
        add in prop::collection::vec(any::<String>(), 0..3),
        comment: Option<String>,
    ) {
        let change = Change { add: &add, remove: &[], comment: comment.as_deref() };
        if let Ok(edited) = edit(&file, change) {
            prop_assert!(AddressList::parse(&edited.bytes).is_ok());
        }
    }
}
