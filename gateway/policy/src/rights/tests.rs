use proptest::prelude::*;

use super::*;

const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

fn may(role: Role, method: &str, path: &str) -> bool {
    Judged::of(path).is_some_and(|api| allowed(role, method, &api))
}

/// Exactly the roles from `least` up may; with `None` nobody.
#[track_caller]
fn check(least: Option<Role>, methods: &[&str], paths: &[&str]) {
    for (path, method) in paths
        .iter()
        .flat_map(|path| methods.iter().map(move |m| (path, m)))
    {
        for role in Role::ALL {
            let expected = least.is_some_and(|least| role >= least);
            assert_eq!(may(role, method, path), expected, "{role} {method} {path}");
        }
    }
}

const READ: &[&str] = &["GET", "HEAD"];
const WRITE: &[&str] = &["POST", "PUT", "PATCH", "DELETE"];
const ENTITY: &[&str] = &["PUT", "PATCH", "DELETE"];

#[test]
fn everyone_reads_the_configuration_and_the_reference_data() {
    check(
        Some(MobileUser),
        READ,
        &[
            "",
            "/",
            "/$metadata",
            "/BaseInfo",
            "/Configuration",
            "/ExtendedFields",
            "/Operations",
            "/DocTypes",
            "/DocTypes/",
            "/DocTypes/$count",
            "/DocTypes('Agregaciya')",
            "/DocTypes(%27Agregaciya%27)/tables",
            "/DocTypes('Agregaciya')/columns/$count",
            "/Products",
            "/Products('p-17')",
            "/Products('a%2Fb')",
            "/ProductSchema",
            "/ProductSchema('')/allfields",
            "/TablesInfo",
            "/TablesInfo('Ceny')/fields",
            "/Tables",
            "/Tables/Kontragenty",
            "/Tables/Lotpr('05554004171504201402')",
            "/Tables/Ceny/$count",
            "/Warehouses",
            "/Warehouses('1')/cells",
            "/Cells",
            "/CustomSettings",
            "/CustomSettings('%D0%A0%D0%B0%D0%B1%D0%BE%D1%82%D0%B0')",
        ],
    );
}

#[test]
fn everyone_works_on_documents_whose_rows_the_backend_grants() {
    check(
        Some(MobileUser),
        READ,
        &[
            "/Docs",
            "/Docs/$count",
            "/Docs('new_1')",
            "/Docs('it''s')",
            "/Docs/PrihodNaSklad",
            "/Docs/PrihodNaSklad/$count",
            "/Docs/PrihodNaSklad('1')",
            "/Docs/PodborDokumentov('1')/Dokumenty",
            "/Docs('1')/declaredItems",
            "/Docs('1')/declaredItems/$count",
            "/Docs('1')/declaredItems('uid')/product",
            "/Docs('1')/tables('T')/rows/$count",
            "/DocumentItem",
            "/DocumentItem('uid')",
        ],
    );
    check(
        Some(MobileUser),
        &["POST"],
        &[
            "/Docs",
            "/Docs/Inventarizaciya",
            "/Docs('1')/declaredItems",
            "/Docs('1')/EndUpdate",
            "/Docs('1')/Block",
            "/Docs/PrihodNaSklad('1')/Default.EndUpdate",
            "/Docs/PrihodNaSklad('1')/Default.Unblock",
            "/Docs('1')/tables('T')/rows",
            "/DocumentItem",
        ],
    );
    check(
        Some(MobileUser),
        ENTITY,
        &[
            "/Docs('1')",
            "/Docs/PrihodNaSklad('1')",
            "/Docs('1')/declaredItems('uid')",
            "/Docs('1')/tables('T')/rows('uid')",
            "/DocumentItem('uid')",
        ],
    );
}

#[test]
fn messages_and_devices_are_read_by_everyone_and_written_from_external_connections_up() {
    for (set, entity) in [
        ("/Messages", "/Messages('1')"),
        ("/Devices", "/Devices('d')"),
    ] {
        check(Some(MobileUser), READ, &[set, entity]);
        check(Some(ExternalConnection), &["POST"], &[set]);
        check(Some(ExternalConnection), ENTITY, &[entity]);
    }
}

#[test]
fn external_connections_write_and_upload_the_reference_data() {
    check(
        Some(ExternalConnection),
        &["POST"],
        &[
            "/Products",
            "/Products/BeginUploadProducts",
            "/Products/AddProductsToUpload",
            "/Products/AddProductToUpload",
            "/Products/EndUploadProducts",
            "/Products/ResetUploadProducts",
            "/Products/BeginOverwrite",
            "/Products/Default.EndUpdate",
            "/Tables/Kontragenty",
            "/Tables/Kontragenty/BeginUpdate",
            "/Tables/Kontragenty/Default.ResetOverwrite",
            "/Cells",
            "/Cells/BeginUpdate",
            "/Warehouses",
            "/CustomSettings",
            "/Users",
        ],
    );
    check(
        Some(ExternalConnection),
        ENTITY,
        &[
            "/Products('1')",
            "/Tables/SpisokDokumentov('uid')",
            "/Cells('1')",
            "/Warehouses('1')",
            "/CustomSettings('a')",
            "/Users('1')",
        ],
    );
    check(
        Some(ExternalConnection),
        READ,
        &[
            "/Licenses",
            "/Users",
            "/Users('1')",
            "/UserGroups",
            "/UserGroups('1')/users",
        ],
    );
}

#[test]
fn administrators_alone_write_groups_document_types_and_properties() {
    check(
        Some(Administrator),
        &["POST"],
        &["/UserGroups", "/DocTypes"],
    );
    check(
        Some(Administrator),
        ENTITY,
        &["/UserGroups('1')", "/DocTypes('T')"],
    );
    check(Some(Administrator), &["PUT", "PATCH"], &["/Configuration"]);
    check(None, &METHODS, &["/Configuration('1')"]);
    check(None, &["POST", "DELETE"], &["/Configuration"]);
    check(Some(Administrator), READ, &["/Backups", "/Backups/$count"]);
    check(Some(Administrator), &["POST"], &["/Backups/Restore"]);
}

#[test]
fn nobody_writes_what_the_table_does_not_name() {
    check(
        None,
        WRITE,
        &[
            "",
            "/$metadata",
            "/BaseInfo",
            "/ExtendedFields",
            "/Operations",
            "/Operations('x')",
            "/ProductSchema('')",
            "/TablesInfo",
            "/TablesInfo('Ceny')",
            "/Tables",
            "/Tables('Ceny')",
            "/Licenses",
        ],
    );
    check(
        None,
        ENTITY,
        &[
            "/Docs",
            "/Docs/PrihodNaSklad",
            "/Products",
            "/Tables/Ceny",
            "/Docs('1')/declaredItems",
        ],
    );
    check(
        None,
        &["POST"],
        &[
            "/Docs('1')",
            "/Products('1')",
            "/Docs('1')/declaredItems('u')",
        ],
    );
    check(
        None,
        &["OPTIONS", "MERGE", "TRACE", "CONNECT", "get", ""],
        &["", "/Docs", "/BaseInfo"],
    );
}

#[test]
fn nobody_reaches_what_is_unknown() {
    check(
        None,
        &METHODS,
        &[
            "/$batch",
            "/$crossjoin(Users,Docs)",
            "/$entity",
            "/$all",
            "/$count",
            "/Row",
            "/Partners",
            "/Databases",
            "/databases",
            "/swagger/ui/index",
            "/BaseInfo/name",
            "/BaseInfo('1')",
            "/BaseInfo/$count",
            "/Users/$links",
            "/Users('1')/$ref",
            "/Users('1')/password",
            "/Users('1')/$value",
            "/Users('1')('2')",
            "/Users(1)",
            "/Users(id='1')",
            "/Users('1')/Default.Delete",
            "/Users/Default.Delete",
            "/Docs(1)",
            "/Docs/PrihodNaSklad(ABC-1)",
            "/Docs('1')/Default.Delete",
            "/Docs('1')/$ref",
            "/Docs('1')/declaredItems/$ref",
            "/Docs('1')/declaredItems/x/y",
            "/Docs/Default.EndUpdate",
            "/Docs/A/B",
            "/Docs/A/B('1')",
            "/Products/DeleteAll",
            "/Products/$count/x",
            "/Products('1')/x",
            "/Docs/Cleverence.Warehouse.Document",
        ],
    );
}

#[test]
fn t1_no_other_spelling_opens_a_forbidden_path() {
    for path in [
        "/users",
        "/USERS",
        "/Users%2f",
        "/%55sers/..",
        "/./Users",
        "/x/../Users",
        "/Docs/../Users",
        "/Docs/%2e%2e/Users",
        "/Docs/%252e%252e/Users",
        "/Docs/..%2fUsers",
        "/Docs/..%5cUsers",
        "/Docs/..;/Users",
        "/Docs;x/../Users",
        "//Users",
        "/Docs//Users",
        "/Users%00",
        "/Users\\",
        "/Users;a=b",
        "/Users#",
        "/Users%23",
        "/Users%3f",
        "/Users?x",
        "/ Users",
        "/Users%20",
        "/Users.",
        "/Users..",
        "/Users%2e",
        "/Users/.",
        "/Users/..",
        "/Users/%2e",
        "/%2555sers",
        "/Users%09",
        "/Users%0d%0a",
        "/U%73ers%2f..",
        "/Docs('1')/../Users",
        "/Docs('1')%2f..%2fUsers",
        "/Docs('/../Users",
        "/Docs('1'%29/../Users",
        "/Docs('1')/..;x/Users",
        "/\u{ff35}sers",
        "/Docs/Users/$ref",
        "http://x/Users",
        "Users",
        "/Docs('1')/Users('1')/x",
    ] {
        for method in METHODS {
            assert!(!may(MobileUser, method, path), "{method} {path}");
        }
    }
    assert!(
        may(ExternalConnection, "GET", "/%55sers"),
        "decoded once, as it is forwarded"
    );
    assert!(!may(MobileUser, "GET", "/%55sers"));
}

#[test]
fn t23_a_quote_or_an_override_reaches_only_the_literal() {
    for path in [
        "/Docs('1' or 1 eq 1)",
        "/Docs('1'')",
        "/Docs(''')",
        "/Docs('1','2')",
        "/Docs('1')or('2')",
        "/Docs(%27%27%27)",
    ] {
        check(None, &METHODS, &[path]);
    }
    check(
        Some(MobileUser),
        READ,
        &[
            "/Docs('1'' or ''1'' eq ''1')",
            "/Docs('%25')",
            "/Docs('a;b?c')".replace('?', "%3f").as_str(),
        ],
    );
}

#[test]
fn rules_allow_by_role_method_and_whole_segments() {
    let rights = Rights::Rules(vec![
        Rule {
            role: MobileUser,
            methods: vec!["GET".into(), "HEAD".into()],
            path_prefix: "/MobileSMARTS/api/v1/".into(),
        },
        Rule {
            role: Administrator,
            methods: vec!["POST".into()],
            path_prefix: "/admin".into(),
        },
    ]);
    let may = |role, method: &str, path: &str| {
        Judged::of(path).is_some_and(|path| rights.allow(role, method, &path, None))
    };
    assert!(may(MobileUser, "GET", "/MobileSMARTS/api/v1/Docs"));
    assert!(may(MobileUser, "HEAD", "/MobileSMARTS/api/v1/"));
    assert!(may(Administrator, "POST", "/admin"));
    assert!(may(Administrator, "POST", "/admin/users"));
    assert!(!may(MobileUser, "POST", "/MobileSMARTS/api/v1/Docs"));
    assert!(!may(Administrator, "GET", "/MobileSMARTS/api/v1/Docs"));
    assert!(!may(MobileUser, "GET", "/MobileSMARTS/api/v1"));
    assert!(!may(MobileUser, "GET", "/mobilesmarts/api/v1/Docs"));
    assert!(!may(MobileUser, "GET", "/MobileSMARTS/api/v1/../../admin"));
    assert!(!may(MobileUser, "GET", "/MobileSMARTS/api/v1/%2e%2e/admin"));
    assert!(!may(Administrator, "POST", "/administration"));
}

#[test]
fn smarts_ends_at_the_api_and_pass_has_no_end() {
    let (inside, outside) = (
        Judged::of("/api/v1/Docs").unwrap(),
        Judged::of("/swagger").unwrap(),
    );
    let api = Judged::of("/Docs").unwrap();
    assert!(Rights::Smarts.allow(MobileUser, "GET", &inside, Some(&api)));
    assert!(!Rights::Smarts.allow(Administrator, "GET", &outside, None));
    assert!(Rights::Pass.allow(MobileUser, "GET", &outside, None));
    assert!(!Rights::Rules(vec![]).allow(Administrator, "GET", &inside, Some(&api)));
}

proptest! {
    #[test]
    fn a_set_outside_the_table_is_closed_to_everyone(
        set in "[A-Za-z$][A-Za-z0-9_.]{0,12}",
        tail in "(/[A-Za-z$]{1,8}|\\('[^']{0,6}'\\)){0,3}",
        method in prop::sample::select(METHODS.to_vec()),
    ) {
        prop_assume!(set != "$metadata" && entity_sets().all(|known| known != set));
        let path = format!("/{set}{tail}");
        for role in Role::ALL {
            prop_assert!(!may(role, method, &path));
        }
    }

    #[test]
    fn whatever_a_role_may_a_greater_one_may(path in "(/[A-Za-z$']{1,9}(\\('[^']{0,4}'\\))?){0,4}", method in prop::sample::select(METHODS.to_vec())) {
        prop_assert!(!may(MobileUser, method, &path) || may(ExternalConnection, method, &path));
        prop_assert!(!may(ExternalConnection, method, &path) || may(Administrator, method, &path));
    }
}
