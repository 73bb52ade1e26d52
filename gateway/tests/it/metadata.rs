//! The table "Rights by role" against the backend's own `$metadata`, and against real requests by
//! a user of each role.

use std::collections::{BTreeMap, BTreeSet};

use gateway_policy::rights::{actions, entity_sets};
use harness::Dial;

use crate::{
    clients::{Shop, in_own_network},
    house::{assert_refusal, bearer, log_in},
};

const ROLES: [&str; 3] = ["Иванов", "Обмен", "Администратор"];
/// Indexes of [`ROLES`]: from which of them on a request is allowed.
const ALL: usize = 0;
const EXTERNAL: usize = 1;
const ADMINISTRATOR: usize = 2;
const NOBODY: usize = 3;

const READ: &[&str] = &["GET", "HEAD"];
const CHANGE: &[&str] = &["PATCH", "DELETE"];

/// What `$metadata` names and the table closes: rows are reached below `Tables` and `Docs` alone.
const CLOSED: &str = "Row";

/// The first demo database and a session of one user of each role.
struct Staff {
    _shop: Shop,
    dial: Dial,
    authorizations: [String; 3],
}

impl Staff {
    fn log_in() -> Self {
        let shop = Shop::open();
        let id = shop.gateway.ready["databases"][0]["id"].as_str().unwrap();
        let dial = Dial::tls_blindly(shop.gateway.address(id));
        let told = shop.gateway.process.stdout();
        let authorizations = ROLES.map(|name| {
            // "    Обмен  PASSWORD  (role)"; the first database's users come first.
            let columns = told.lines().map(|line| line.trim().split("  ").collect());
            let password = columns
                .filter(|columns: &Vec<&str>| columns.len() >= 3 && columns[2].starts_with('('))
                .find(|columns| columns[0] == name)
                .unwrap_or_else(|| panic!("{name} in {told}"))[1];
            bearer(&log_in(&dial, name, password))
        });
        Self {
            _shop: shop,
            dial,
            authorizations,
        }
    }
}

/// `$metadata`, element by element: what stands between `<` and `>`.
struct Metadata(String);

impl Metadata {
    fn elements<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = move |element: &&str| element.split([' ', '>', '/']).next() == Some(name);
        self.0.split('<').filter(named)
    }

    /// Entity sets and singletons with their types; the sets of one document type or table apart.
    fn sets(&self) -> (BTreeMap<&str, &str>, Vec<&str>) {
        let sets = self.elements("EntitySet").map(|set| {
            let of = attribute(set, "EntityType").expect("a type");
            (attribute(set, "Name").expect("a name"), of)
        });
        let single = self.elements("Singleton").map(|one| {
            let of = attribute(one, "Type").expect("a type");
            (attribute(one, "Name").expect("a name"), of)
        });
        let (parts, whole): (Vec<_>, Vec<_>) =
            sets.chain(single).partition(|(name, _)| name.contains('/'));
        let parts = parts.into_iter().map(|(name, _)| name).collect();
        (whole.into_iter().collect(), parts)
    }

    /// Actions with the type they are bound to, without `Collection(…)`.
    fn actions(&self) -> Vec<(&str, &str)> {
        let names = self
            .elements("Action")
            .map(|action| attribute(action, "Name"));
        let bound = self
            .elements("Parameter")
            .filter(|one| attribute(one, "Name") == Some("bindingParameter"))
            .map(|one| attribute(one, "Type"));
        names
            .zip(bound)
            .map(|(name, kind)| {
                let kind = kind.expect("a type");
                let inner = kind.strip_prefix("Collection(").unwrap_or(kind);
                (name.expect("a name"), inner.trim_end_matches(')'))
            })
            .collect()
    }
}

fn attribute<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = element.split_once(&format!(" {name}=\""))?;
    Some(after.split_once('"')?.0)
}

#[test]
fn the_table_has_a_row_for_every_set_and_action_of_the_metadata_and_no_other() {
    in_own_network(
        "metadata::the_table_has_a_row_for_every_set_and_action_of_the_metadata_and_no_other",
        compare_with_metadata,
    );
}

fn compare_with_metadata() {
    let staff = Staff::log_in();
    let [_, external, _] = &staff.authorizations;
    let answer = staff
        .dial
        .get("/api/v1/$metadata", &[("Authorization", external)]);
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let metadata = Metadata(answer.text());

    let (mut sets, parts) = metadata.sets();
    assert!(sets.remove(CLOSED).is_some(), "{sets:?}");
    let rows: BTreeSet<&str> = entity_sets().collect();
    assert_eq!(sets.keys().copied().collect::<BTreeSet<_>>(), rows);
    assert!(parts.contains(&"Docs/Inventarizaciya"), "{parts:?}");
    for part in parts {
        assert!(
            part.starts_with("Docs/") || part.starts_with("Tables/"),
            "{part}"
        );
    }

    let declared: BTreeSet<(&str, &str)> = metadata
        .actions()
        .into_iter()
        .flat_map(|(action, kind)| {
            let of_kind = sets.iter().filter(move |(_, of)| **of == kind);
            of_kind.map(move |(set, _)| (*set, action))
        })
        .collect();
    assert!(declared.len() > 20, "{declared:?}");
    assert_eq!(declared, actions().collect());
}

/// The design's table, request by request: where it says yes the answer is the backend's, be it
/// that nothing is there; where it says no it is 403.
const REQUESTS: &[(usize, &[&str], &[&str])] = &[
    (
        ALL,
        READ,
        &[
            "",
            "/$metadata",
            "/BaseInfo",
            "/DocTypes",
            "/Products",
            "/ProductSchema",
            "/TablesInfo",
            "/Tables",
            "/Tables/Ceny",
            "/Warehouses",
            "/Cells",
            "/CustomSettings",
            "/Configuration",
            "/ExtendedFields",
            "/Operations",
            "/Docs",
            "/Docs/$count",
            "/Docs/Inventarizaciya",
            "/Docs('absent')/declaredItems",
            "/DocumentItem",
            "/Messages",
            "/Devices",
        ],
    ),
    (ALL, &["POST"], &["/Docs", "/Docs('absent')/EndUpdate"]),
    (ALL, CHANGE, &["/Docs('absent')", "/DocumentItem('absent')"]),
    (
        EXTERNAL,
        &["POST"],
        &[
            "/Products",
            "/Products/BeginUploadProducts",
            "/Tables/Ceny",
            "/Tables/Ceny/BeginUpdate",
            "/Cells",
            "/Warehouses",
            "/CustomSettings",
            "/Messages",
            "/Devices",
            "/Users",
        ],
    ),
    (
        EXTERNAL,
        CHANGE,
        &[
            "/Products('absent')",
            "/Tables/Ceny('absent')",
            "/Cells('absent')",
            "/Warehouses('absent')",
            "/CustomSettings('absent')",
            "/Messages('absent')",
            "/Devices('absent')",
            "/Users('absent')",
        ],
    ),
    (EXTERNAL, READ, &["/Licenses", "/Users", "/UserGroups"]),
    (
        ADMINISTRATOR,
        &["POST"],
        &["/UserGroups", "/DocTypes", "/Backups/Restore"],
    ),
    (ADMINISTRATOR, &["PATCH", "PUT"], &["/Configuration"]),
    (ADMINISTRATOR, READ, &["/Backups"]),
    (
        ADMINISTRATOR,
        CHANGE,
        &["/UserGroups('absent')", "/DocTypes('absent')"],
    ),
    (
        NOBODY,
        READ,
        &[
            "/Row",
            "/Databases",
            "/Partners",
            "/Users('admin')/password",
            "/$all",
        ],
    ),
    (
        NOBODY,
        &["POST", "PATCH", "DELETE"],
        &[
            "/BaseInfo",
            "/Licenses('absent')/x",
            "/Operations",
            "/$metadata",
        ],
    ),
    (NOBODY, &["DELETE"], &["/Docs", "/Users", "/Products"]),
];

#[test]
fn every_role_may_what_the_table_says_and_nothing_else() {
    in_own_network(
        "metadata::every_role_may_what_the_table_says_and_nothing_else",
        ask_for_everything,
    );
}

fn ask_for_everything() {
    let staff = Staff::log_in();
    for (role, (name, authorization)) in ROLES.iter().zip(&staff.authorizations).enumerate() {
        let mut client = staff.dial.open();
        for (least, methods, paths) in REQUESTS {
            for (path, method) in paths
                .iter()
                .flat_map(|path| methods.iter().map(move |m| (path, m)))
            {
                let headers = [
                    ("Authorization", authorization.as_str()),
                    ("Content-Type", "application/json"),
                ];
                let body: &[u8] = if READ.contains(method) { b"" } else { b"{}" };
                let answer = client.http(method, &format!("/api/v1{path}"), &headers, body);
                let status = answer.status();
                let told = format!("{name} {method} {path}: {status} {}", answer.text());
                if role < *least {
                    assert_eq!(status, 403, "{told}");
                    if *method != "HEAD" {
                        assert_refusal(&answer, 403);
                    }
                } else {
                    assert!(!matches!(status, 401 | 403 | 500..), "{told}");
                }
            }
        }
    }
}
