use proptest::prelude::*;

use super::*;

fn address(raw: &str) -> Address {
    match Resource::parse(raw) {
        Ok(Resource::At(address)) => address,
        other => panic!("{raw}: {other:?}"),
    }
}

/// Set, part, key, steps and ending in one readable line.
fn told(raw: &str) -> String {
    let Address {
        set,
        part,
        key,
        steps,
        ending,
    } = address(raw);
    let mut told = set.name.to_owned();
    if let Some(part) = part {
        told.push_str(&format!(" part {part}"));
    }
    if let Some(key) = key {
        told.push_str(&format!(" key {key}"));
    }
    for Step { name, key } in steps {
        told.push_str(&format!(" step {name}"));
        if let Some(key) = key {
            told.push_str(&format!(" key {key}"));
        }
    }
    match ending {
        Ending::Itself => {}
        Ending::Count => told.push_str(" count"),
        Ending::Action(action) => told.push_str(&format!(" action {}", action.name)),
    }
    told
}

#[test]
fn the_paths_of_real_clients_lead_where_they_mean() {
    for (raw, expected) in [
        ("/Docs", "Docs"),
        ("Docs", "Docs"),
        ("/docs/", "Docs"),
        ("/Docs/PrihodNaSklad", "Docs part PrihodNaSklad"),
        (
            "/Docs/PrihodNaSklad/$count",
            "Docs part PrihodNaSklad count",
        ),
        (
            "/Docs/PrihodNaSklad/%24count",
            "Docs part PrihodNaSklad count",
        ),
        ("/Docs/$count", "Docs count"),
        ("/Docs('c0ffee01-3a51')", "Docs key c0ffee01-3a51"),
        ("/Docs(%27c0ffee01%27)", "Docs key c0ffee01"),
        ("/Docs/Sborka(ABC-1)", "Docs part Sborka key ABC-1"),
        ("/Docs(id='a')", "Docs key a"),
        (
            "/Docs('id')/declaredItems",
            "Docs key id step declaredItems",
        ),
        (
            "/Docs/Uni('id')/declaredItems/$count",
            "Docs part Uni key id step declaredItems count",
        ),
        ("/Docs('id')/EndUpdate", "Docs key id action EndUpdate"),
        ("/Docs('id')/endupdate/", "Docs key id action EndUpdate"),
        (
            "/Docs/PrihodNaSklad('id')/Default.EndUpdate",
            "Docs part PrihodNaSklad key id action EndUpdate",
        ),
        (
            "/Docs/PodborDokumentov('id')/Dokumenty",
            "Docs part PodborDokumentov key id step Dokumenty",
        ),
        (
            "/Docs('id')/tables('T')/rows",
            "Docs key id step tables key T step rows",
        ),
        (
            "/Docs('id')/declaredItems('u')/product",
            "Docs key id step declaredItems key u step product",
        ),
        (
            "/Tables/Kontragenty/BeginUpdate",
            "Tables part Kontragenty action BeginUpdate",
        ),
        ("/Tables/BeginUpdate", "Tables part BeginUpdate"),
        (
            "/Tables/Lotpr('05554004171504201402')",
            "Tables part Lotpr key 05554004171504201402",
        ),
        (
            "/Products/BeginUploadProducts",
            "Products action BeginUploadProducts",
        ),
        ("/Cells/EndUpdate", "Cells action EndUpdate"),
        ("/DocTypes('Agregaciya')", "DocTypes key Agregaciya"),
        ("/baseinfo", "BaseInfo"),
        ("/ProductSchema('')", "ProductSchema key "),
        (
            "/CustomSettings('%D0%A0%D0%B0%D0%B1%D0%BE%D1%82%D0%B0')",
            "CustomSettings key Работа",
        ),
        ("/Docs('a%2Fb%28c%29')", "Docs key a/b(c)"),
        ("/Docs('it''s')", "Docs key it's"),
        ("/Docs('a+b')", "Docs key a+b"),
    ] {
        assert_eq!(told(raw), expected, "{raw}");
    }
}

#[test]
fn the_root_metadata_and_batch_are_their_own_resources() {
    for (raw, expected) in [
        ("", Resource::ServiceDocument),
        ("/", Resource::ServiceDocument),
        ("/$metadata", Resource::Metadata),
        ("/%24Metadata", Resource::Metadata),
        ("/$batch", Resource::Batch),
    ] {
        assert_eq!(Resource::parse(raw), Ok(expected), "{raw}");
    }
}

#[test]
fn what_does_not_exist_is_not_found() {
    for raw in [
        "/Partners",
        "/Employees",
        "/$links",
        "/$metadata/Docs",
        "/$metadata('x')",
        "/Docs/$value",
        "/Docs/$count/more",
        "/Docs('1')/EndUpdate/more",
        "/BaseInfo('x')",
        "/..",
    ] {
        let fault = Resource::parse(raw).unwrap_err();
        assert!(fault.is_not_found(), "{raw}: {fault}");
    }
}

#[test]
fn a_broken_path_is_named_with_its_place() {
    for (raw, position, expected) in [
        ("/Docs('it's')", 10, Expected::ClosingBracket),
        ("/Docs('open)", 11, Expected::ClosingQuote),
        ("/Docs('open)/x)", 11, Expected::ClosingQuote),
        ("/Docs('open/')", 11, Expected::ClosingBracket),
        ("/Docs()", 6, Expected::Key),
        ("/Docs('a','b')", 9, Expected::ClosingBracket),
        ("/Docs(a'b)", 7, Expected::Key),
        ("/Docs('1'or'1'eq'1')", 9, Expected::ClosingBracket),
        ("/Docs//x", 1, Expected::Name),
        ("/('x')", 1, Expected::Name),
    ] {
        match Resource::parse(raw) {
            Err(Fault::Syntax {
                position: at,
                expected: wanted,
                ..
            }) => {
                assert_eq!((at, wanted), (position, expected), "{raw}");
            }
            other => panic!("{raw}: {other:?}"),
        }
    }
    for raw in [
        "/Docs('%')",
        "/Docs('%4')",
        "/Docs('%zz')",
        "/Docs('%ff')",
        "/Docs('%00')",
    ] {
        assert_eq!(Resource::parse(raw), Err(Fault::Encoding), "{raw}");
    }
}

#[test]
fn depth_and_length_are_bounded() {
    assert!(Resource::parse(&format!("/Docs('1'){}", "/a".repeat(7))).is_ok());
    for raw in [
        format!("/Docs('1'){}", "/a".repeat(8)),
        format!("/Docs('{}')", "x".repeat(9000)),
    ] {
        assert!(matches!(Resource::parse(&raw), Err(Fault::TooMuch { .. })));
    }
}

#[test]
fn the_context_keeps_the_key_only_on_the_way_to_something_below() {
    for (raw, fragment) in [
        ("/docs('1')", "Docs"),
        ("/Docs/PrihodNaSklad('1')", "Docs/PrihodNaSklad"),
        ("/Docs('1')/declaredItems", "Docs('1')/declaredItems"),
        (
            "/Docs('a b')/tables('T')/rows",
            "Docs('a%20b')/tables('T')/rows",
        ),
    ] {
        assert_eq!(address(raw).fragment(), fragment);
    }
}

proptest! {
    #[test]
    fn any_key_comes_back_from_its_written_form(key in "\\PC{0,40}") {
        let read = address(&segment("Docs", &key));
        prop_assert_eq!(read.key, Some(key));
        prop_assert_eq!(read.steps, []);
    }

    #[test]
    fn no_path_panics(raw in any::<String>()) {
        drop(Resource::parse(&raw));
    }

    #[test]
    fn no_soup_of_path_signs_panics(raw in "[Docs/()'%2$='' ia]{0,40}") {
        drop(Resource::parse(&raw));
    }
}
