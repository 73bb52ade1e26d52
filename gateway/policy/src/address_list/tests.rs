use proptest::prelude::*;

use super::*;

fn list(text: &str) -> AddressList {
    AddressList::parse(text.as_bytes()).unwrap()
}

fn client(text: &str) -> ClientAddr {
    text.parse::<IpAddr>().unwrap().into()
}

#[track_caller]
fn check(text: &str, inside: &[&str], outside: &[&str]) {
    let list = list(text);
    for ip in inside {
        assert!(list.contains(client(ip)), "{ip} must be in {text:?}");
    }
    for ip in outside {
        assert!(!list.contains(client(ip)), "{ip} must not be in {text:?}");
    }
}

#[track_caller]
fn check_fault(text: &str, line: usize, shown: &str, reason: FaultReason) {
    let fault = AddressList::parse(text.as_bytes()).unwrap_err();
    let text = shown.to_owned();
    assert_eq!(fault, ListFault { line, text, reason });
}

#[test]
fn the_vendors_three_forms_are_read() {
    check(
        "192.198.0.7",
        &["192.198.0.7"],
        &["192.198.0.6", "192.198.0.8"],
    );
    check(
        "192.198.0.0/16",
        &["192.198.0.0", "192.198.255.255"],
        &["192.197.255.255", "192.199.0.0"],
    );
    check(
        "192.198.0.1-192.198.0.100",
        &["192.198.0.1", "192.198.0.100"],
        &["192.198.0.0", "192.198.0.101"],
    );
}

#[test]
fn ipv6_has_the_same_three_forms() {
    check(
        "2001:db8::5\n2001:db8:1::/48\n2001:db8:2::1 - 2001:db8:2::9",
        &[
            "2001:db8::5",
            "2001:db8:1::",
            "2001:db8:1:ffff::1",
            "2001:db8:2::1",
            "2001:db8:2::9",
        ],
        &["2001:db8::4", "2001:db8:2::", "2001:db8:2::a"],
    );
}

#[test]
fn host_bits_are_cut() {
    check("10.1.2.3/8", &["10.0.0.0", "10.255.255.255"], &["11.0.0.0"]);
    check(
        "2001:db8::9/127",
        &["2001:db8::8", "2001:db8::9"],
        &["2001:db8::a"],
    );
}

#[test]
fn everything_of_one_family_says_nothing_about_the_other() {
    check(
        "0.0.0.0/0",
        &["0.0.0.0", "255.255.255.255", "::ffff:1.2.3.4"],
        &["::1"],
    );
    check("::/0", &["::", "ffff::"], &["1.2.3.4"]);
}

#[test]
fn mapped_entries_are_ipv4_entries() {
    check(
        "::ffff:10.0.0.1",
        &["10.0.0.1", "::ffff:10.0.0.1"],
        &["10.0.0.2"],
    );
    check("::ffff:10.0.0.0/104", &["10.255.255.255"], &["11.0.0.0"]);
    check("::ffff:0:0/96", &["0.0.0.0", "255.255.255.255"], &["::1"]);
    check("::ffff:10.0.0.1-10.0.0.3", &["10.0.0.3"], &["10.0.0.4"]);
}

#[test]
fn notepad_files_are_read_in_each_of_its_encodings() {
    let text =
        "# склад\r\n\r\n\t10.0.0.1 \r\n10.0.1.0 / 24 # офис\r\n10.0.2.1 -\t10.0.2.9#x\r\n  \r\n";
    let utf16: Vec<u16> = text.encode_utf16().collect();
    let le = utf16.iter().flat_map(|unit| unit.to_le_bytes());
    let be = utf16.iter().flat_map(|unit| unit.to_be_bytes());
    let files = [
        text.as_bytes().to_vec(),
        [b"\xef\xbb\xbf", text.as_bytes()].concat(),
        [0xff, 0xfe].into_iter().chain(le).collect(),
        [0xfe, 0xff].into_iter().chain(be).collect(),
        // Windows-1251: "# склад"
        b"# \xf1\xea\xeb\xe0\xe4\r\n10.0.0.1\r\n10.0.1.0/24\r\n10.0.2.1-10.0.2.9".to_vec(),
    ];
    for file in files {
        let read = AddressList::parse(&file).unwrap();
        assert_eq!(read, list("10.0.0.1\n10.0.1.0/24\n10.0.2.1-10.0.2.9"));
        assert_eq!(read.entries(), 3);
    }
}

#[test]
fn a_file_without_entries_is_an_empty_list() {
    for file in [
        &b""[..],
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\r\n\r\n",
        b"# nobody",
    ] {
        assert!(AddressList::parse(file).unwrap().is_empty());
    }
}

#[test]
fn a_line_that_cannot_be_read_is_named() {
    use FaultReason::{MixedFamilies, NotAnAddress, Reversed, TooManyBits};
    check_fault("10.0.0.1\n\n10.0.0.300 # x", 3, "10.0.0.300", NotAnAddress);
    check_fault("10.0.0.9-10.0.0.1", 1, "10.0.0.9-10.0.0.1", Reversed);
    check_fault("::9 - ::1", 1, "::9 - ::1", Reversed);
    check_fault("10.0.0.1-::1", 1, "10.0.0.1-::1", MixedFamilies);
    check_fault("10.0.0.0/33", 1, "10.0.0.0/33", TooManyBits);
    check_fault("::/129", 1, "::/129", TooManyBits);
    check_fault("::ffff:1.2.3.4/129", 1, "::ffff:1.2.3.4/129", TooManyBits);
    check_fault("10.0.0.0/999", 1, "10.0.0.0/999", TooManyBits);
    for text in [
        "10.0.0",
        "10.0.0.01",
        "10.0.0.0/",
        "10.0.0.0/+8",
        "10.0.0.0/-8",
        "/8",
        "-",
        "10.0.0.1-",
        "10.0.0.0/255.0.0.0",
        "10.0.0.0/8/8",
        "10.0.0.0/8-10.0.0.9",
        "1.1.1.1-2.2.2.2-3.3.3.3",
        "10.0.0.1 10.0.0.2",
        "10.0.0.1,10.0.0.2",
        "shop.example",
        "fe80::1%eth0",
        "[::1]",
        "10.0.0.1–10.0.0.9",
        "*",
        "10.0.0.*",
        "0x0a000001",
        "10.0.0.1:80",
        "1.1.1.1\r2.2.2.2",
    ] {
        let fault = AddressList::parse(text.as_bytes()).unwrap_err();
        assert_eq!((fault.line, fault.reason), (1, NotAnAddress), "{text}");
    }
}

#[test]
fn a_fault_is_shown_short_and_cannot_break_a_line() {
    let fault = AddressList::parse(b"10.0.0.1\x1b[2J\x00\xff").unwrap_err();
    assert_eq!(
        fault.to_string(),
        "1: \"10.0.0.1\\u{1b}[2J\\0\u{fffd}\" is not an address or range"
    );
    let fault = AddressList::parse("10.0.0.1\u{a0}\"–".as_bytes()).unwrap_err();
    assert_eq!(fault.text, "10.0.0.1\\u{a0}\"–");
    let fault = AddressList::parse(&vec![b'x'; 1 << 20]).unwrap_err();
    assert_eq!(fault.text.chars().count(), 61);
}

#[test]
fn a_file_of_zeros_or_utf16_without_its_mark_is_a_fault() {
    assert!(AddressList::parse(&[0; 4096]).is_err());
    let unmarked: Vec<u8> = "10.0.0.1"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert!(AddressList::parse(&unmarked).is_err());
    let fault = AddressList::parse(b"\xff\xfe#\x00\n\x00\x31").unwrap_err();
    assert_eq!((fault.line, fault.reason), (2, FaultReason::CutShort));
}

#[test]
fn a_wide_entry_is_found_behind_narrow_ones_that_begin_later() {
    check(
        "10.0.0.0/8\n10.0.0.1\n10.5.0.0/16\n10.5.1.1",
        &["10.0.0.2", "10.5.1.2", "10.200.0.0"],
        &["9.255.255.255", "11.0.0.0"],
    );
}

#[test]
fn the_difference_counts_entries_also_those_inside_others() {
    let before = list("10.0.0.0/8\n10.0.0.1\n::1");
    let after = list("# reordered\n::2\n10.0.0.0/8\n10.0.0.2\n10.0.0.3\n10.0.0.3");
    let (added, removed) = (3, 2);
    assert_eq!(after.difference(&before), Difference { added, removed });
    assert_eq!(before.difference(&before), Difference::default());
    assert_eq!(AddressList::default().difference(&before).removed, 3);
}

#[test]
fn a_million_entries_take_eight_megabytes() {
    let text: String = (0..1_000_000_u32)
        .map(|n| format!("{}\n", Ipv4Addr::from_bits(n * 4001)))
        .collect();
    let list = list(&text);
    assert_eq!(list.entries(), 1_000_000);
    assert_eq!(size_of_val(&*list.v4.entries), 8_000_000);
    assert!(list.v4.reach.is_none());
    assert!(list.contains(client(&Ipv4Addr::from_bits(4001 * 999_999).to_string())));
    assert!(!list.contains(client(&Ipv4Addr::from_bits(4001 * 999_999 + 1).to_string())));
}

/// Addresses from a small space, so that entries meet, touch and overlap.
fn ip() -> impl Strategy<Value = IpAddr> {
    let near = |high: u32| (0_u32..40).prop_map(move |low| high + low);
    prop_oneof![
        near(0x0a00_0000).prop_map(|bits| Ipv4Addr::from_bits(bits).into()),
        near(u32::MAX - 40).prop_map(|bits| Ipv4Addr::from_bits(bits).into()),
        near(0).prop_map(|bits| Ipv4Addr::from_bits(bits).to_ipv6_mapped().into()),
        near(0).prop_map(|bits| Ipv6Addr::from_bits(u128::MAX - u128::from(bits)).into()),
        near(0).prop_map(|bits| Ipv6Addr::from_bits(u128::from(bits)).into()),
    ]
}

fn same_family(a: IpAddr, b: IpAddr) -> bool {
    a.to_canonical().is_ipv4() == b.to_canonical().is_ipv4()
}

/// One entry and the slow but obvious answer to what is in it.
#[derive(Debug)]
enum Model {
    One(IpAddr),
    Between(IpAddr, IpAddr),
    Net { ip: IpAddr, host_bits: u8 },
}

impl Model {
    fn holds(&self, asked: ClientAddr) -> bool {
        let asked = asked.ip();
        let number = |ip: IpAddr| match ip.to_canonical() {
            IpAddr::V4(ip) => u128::from(ip.to_bits()),
            IpAddr::V6(ip) => ip.to_bits(),
        };
        let near = |ip: IpAddr| same_family(ip, asked);
        match *self {
            Self::One(ip) => near(ip) && number(ip) == number(asked),
            Self::Between(a, b) => {
                near(a) && number(a) <= number(asked) && number(asked) <= number(b)
            }
            Self::Net { ip, host_bits } => {
                near(ip) && number(ip) >> host_bits == number(asked) >> host_bits
            }
        }
    }

    fn text(&self) -> String {
        match *self {
            Self::One(ip) => format!("{ip}"),
            Self::Between(a, b) => format!("{a} - {b}"),
            Self::Net { ip, host_bits } => {
                let bits = if ip.is_ipv4() { 32 } else { 128 };
                format!("{ip}/{}", bits - host_bits)
            }
        }
    }
}

fn entry() -> impl Strategy<Value = Model> {
    (ip(), ip(), 0_u8..7, 0..3).prop_map(|(a, b, host_bits, form)| match form {
        1 if same_family(a, b) => {
            let reversed = a.to_canonical() > b.to_canonical();
            let (a, b) = if reversed { (b, a) } else { (a, b) };
            Model::Between(a, b)
        }
        2 => Model::Net { ip: a, host_bits },
        _ => Model::One(a),
    })
}

/// `at_most` far beyond what is there.
const ALL: usize = 1_000;

#[test]
fn the_lines_that_decide_are_found_with_their_text() {
    let file = "# a\r\n10.0.0.0/8\t# сканеры\r\n\r\n10.0.0.5\r\n::1\r\n10.0.0.300\r\n";
    let utf16 = file.encode_utf16().flat_map(u16::to_be_bytes);
    let utf16: Vec<u8> = [0xfe, 0xff].into_iter().chain(utf16).collect();
    for file in [file.as_bytes(), &utf16] {
        let found = lines_meeting(file, client("::ffff:10.0.0.5").into(), ALL);
        let found: Vec<_> = found
            .iter()
            .map(|line| (line.number, &*line.text))
            .collect();
        assert_eq!(found, [(2, "10.0.0.0/8 # сканеры"), (4, "10.0.0.5")]);
        assert_eq!(lines_meeting(file, client("11.0.0.1").into(), ALL), []);
        assert_eq!(lines_meeting(file, client("10.0.0.5").into(), 1).len(), 1);
    }
}

#[test]
fn a_file_is_shown_line_by_line_damaged_or_not() {
    let shown = |bytes: &[u8], at_most| lines_shown(bytes, at_most);
    let file = "\u{feff}# склад\r\n\r\n10.0.0.1\t# a\r\n10.0.0.300\x1b[2J";
    let lines = ["# склад", "", "10.0.0.1 # a", "10.0.0.300\\u{1b}[2J"].map(str::to_owned);
    assert_eq!(shown(file.as_bytes(), ALL), (lines.to_vec(), 4));
    assert_eq!(shown(file.as_bytes(), 1), (lines[..1].to_vec(), 4));
    assert_eq!(shown(b"", ALL), (Vec::new(), 0));
}

#[test]
fn an_entry_is_written_as_people_write_it() {
    for (text, written) in [
        ("10.0.0.1", "10.0.0.1"),
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("10.0.0.0 - 10.0.0.255", "10.0.0.0/24"),
        ("10.0.0.1-10.0.0.2", "10.0.0.1-10.0.0.2"),
        ("10.0.0.1-10.0.0.1", "10.0.0.1"),
        ("0.0.0.0-255.255.255.255", "0.0.0.0/0"),
        ("::/0", "::/0"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("2001:db8::1-2001:db8::f", "2001:db8::1-2001:db8::f"),
    ] {
        let entry: Entry = text.parse().unwrap();
        assert_eq!(entry.to_string(), written);
        assert_eq!(written.parse(), Ok(entry));
    }
}

#[test]
fn entries_know_whom_they_would_shut_out() {
    let entry = |text: &str| text.parse::<Entry>().unwrap();
    for everybody in ["0.0.0.0/0", "::/0", "0.0.0.0-255.255.255.255"] {
        assert!(entry(everybody).is_everybody(), "{everybody}");
        assert!(entry(everybody).meets_loopback(), "{everybody}");
    }
    for loopback in [
        "127.0.0.1",
        "127.0.0.0/8",
        "126.0.0.0/7",
        "::1",
        "::ffff:127.0.0.9",
    ] {
        assert!(entry(loopback).meets_loopback(), "{loopback}");
        assert!(!entry(loopback).is_everybody(), "{loopback}");
    }
    for other in [
        "128.0.0.0/1",
        "126.255.255.255",
        "::2",
        "::ffff:10.0.0.1",
        "fe80::/10",
    ] {
        assert!(!entry(other).meets_loopback(), "{other}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn an_address_is_listed_exactly_when_a_line_is_found_for_it(
        entries in prop::collection::vec(entry(), 0..12),
        ips in prop::collection::vec(ip(), 12),
    ) {
        let text: String = entries.iter().map(|entry| entry.text() + "\n").collect();
        let list = AddressList::parse(text.as_bytes()).unwrap();
        for asked in ips {
            let asked = ClientAddr::from(asked);
            let lines = lines_meeting(text.as_bytes(), asked.into(), ALL);
            let holding = entries.iter().enumerate().filter(|(_, entry)| entry.holds(asked));
            let numbers = lines.iter().map(|line| line.number);
            prop_assert!(numbers.eq(holding.map(|(index, _)| index + 1)));
            prop_assert_eq!(list.contains(asked), !lines.is_empty());
        }
    }

    #[test]
    fn a_list_contains_what_a_scan_over_its_entries_finds(
        entries in prop::collection::vec(entry(), 0..12),
        ips in prop::collection::vec(ip(), 12),
    ) {
        let text: String = entries.iter().map(|entry| entry.text() + "\r\n").collect();
        let list = AddressList::parse(text.as_bytes()).unwrap();
        for asked in ips {
            let asked = ClientAddr::from(asked);
            let scan = entries.iter().any(|entry| entry.holds(asked));
            prop_assert_eq!(list.contains(asked), scan, "{} in {}", asked, text);
        }
    }

    #[test]
    fn any_bytes_are_a_list_or_a_fault(bytes: Vec<u8>) {
        let _read = AddressList::parse(&bytes);
    }
}

#[test]
fn a_family_is_whole_when_its_entries_leave_no_gap_however_they_are_cut() {
    for (text, whole) in [
        ("", vec![]),
        ("0.0.0.0/0", vec!["0.0.0.0/0"]),
        ("::/0", vec!["::/0"]),
        ("128.0.0.0/1\n0.0.0.0/1", vec!["0.0.0.0/0"]),
        (
            "0.0.0.0 - 255.255.255.255\n8000::/1\n10.0.0.1\n::/1",
            vec!["0.0.0.0/0", "::/0"],
        ),
        ("0.0.0.0/2\n0.0.0.0/1\n128.0.0.0/1", vec!["0.0.0.0/0"]),
        ("0.0.0.1 - 255.255.255.255", vec![]),
        ("0.0.0.0 - 255.255.255.254", vec![]),
        ("0.0.0.0/1\n128.0.0.1 - 255.255.255.255", vec![]),
        ("::1 - ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", vec![]),
    ] {
        let list = AddressList::parse(text.as_bytes()).unwrap();
        assert_eq!(list.whole_families(), whole, "{text:?}");
    }
}
