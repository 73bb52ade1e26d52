//! What a role may ask for: role × method × path. Unknown means no.
//!
//! `TABLE` is the table "Rights by role" of the README, one row per entity set; the least role
//! that may, since each role may all that the one before it may. Paths come decoded and
//! unambiguous from `route`; names compare in their exact letter case, as the backend's do. Rights
//! on rows (types, warehouses, own messages) are the backend's, and so are the parts of a `$batch`.
//! In front of an existing server [`Rights`] may be rules instead of the table.

use backend_types::Role::{self, Administrator, ExternalConnection, MobileUser};

use crate::route::Judged;

/// What a database's paths are judged by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rights {
    /// The table; paths outside the API are refused.
    Smarts,
    /// Everything is allowed to every user.
    Pass,
    /// What no rule allows is refused.
    Rules(Vec<Rule>),
}

/// One thing that a role may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub role: Role,
    /// Upper case; `HEAD` and `GET` are two.
    pub methods: Vec<String>,
    /// Compared with the decoded path from its root, in its letter case; ends at a segment's end.
    pub path_prefix: String,
}

impl Rights {
    /// `path`: the whole path as the upstream gets it. `api`: what follows `/api/v1` in it, `None`
    /// outside every base.
    #[must_use]
    pub fn allow(
        &self,
        role: Role,
        method: &str,
        path: &Judged<'_>,
        api: Option<&Judged<'_>>,
    ) -> bool {
        match self {
            Self::Smarts => api.is_some_and(|api| allowed(role, method, api)),
            Self::Pass => true,
            Self::Rules(rules) => {
                let path = path.path();
                rules.iter().any(|rule| rule.allows(role, method, &path))
            }
        }
    }
}

impl Rule {
    fn allows(&self, role: Role, method: &str, path: &str) -> bool {
        let below = path
            .strip_prefix(self.path_prefix.as_str())
            .is_some_and(|rest| {
                rest.is_empty() || rest.starts_with('/') || self.path_prefix.ends_with('/')
            });
        below && self.role == role && self.methods.iter().any(|allowed| allowed == method)
    }
}

/// Whether a user of `role` may send `method` to `api`, the path below `/api/v1`.
#[must_use]
pub fn allowed(role: Role, method: &str, api: &Judged<'_>) -> bool {
    least(method, api).is_some_and(|least| role >= least)
}

/// The entity sets and singletons of the table, to be compared with `$metadata`.
pub fn entity_sets() -> impl Iterator<Item = &'static str> {
    TABLE
        .iter()
        .map(|row| row.set)
        .filter(|set| !set.starts_with('$'))
}

/// The actions of the table, each with its set, to be compared with `$metadata`.
pub fn actions() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLE.iter().flat_map(|row| {
        let inner = match row.inner {
            Inner::Document => DOCUMENT,
            Inner::Read(_) => &[],
        };
        let named = row.actions.iter().chain(inner);
        named.map(|action| (row.set, *action))
    })
}

/// The least role that may.
fn least(method: &str, api: &Judged<'_>) -> Option<Role> {
    let segments: Vec<Segment<'_>> = api.segments().map(Segment::parse).collect::<Option<_>>()?;
    let (first, rest) = match segments.split_first() {
        None => return Act::of(method)?.reads().then_some(MobileUser),
        Some(split) => split,
    };
    let row = TABLE.iter().find(|row| row.set == first.name)?;
    let act = Act::of(method)?;
    let (set, rest) = match (row.shape, rest) {
        (Shape::Documents | Shape::Tables, [named, rest @ ..])
            if first.key.is_none() && !named.is_count_or_action() =>
        {
            (named, rest)
        }
        (Shape::Tables, _) if first.key.is_some() || !act.reads() => return None,
        _ => (first, rest),
    };
    let fits = match (row.shape, set.key, rest) {
        (Shape::Single, None, []) => act.reads() || act == Act::Change,
        (Shape::Single, ..) => false,
        (_, None, []) => act.reads() || act == Act::Add,
        (
            _,
            None,
            [
                Segment {
                    name: "$count",
                    key: None,
                },
            ],
        ) => act.reads(),
        (_, None, [Segment { name, key: None }]) => {
            let action = name.strip_prefix(QUALIFIED).unwrap_or(name);
            act == Act::Add && row.actions.contains(&action)
        }
        (_, None, _) => false,
        (_, Some(_), []) => act != Act::Add,
        (_, Some(_), inner) => row.inner.fits(act, inner),
    };
    match act {
        _ if !fits => None,
        Act::Read => Some(row.read),
        Act::Add | Act::Change | Act::Delete => row.write,
    }
}

/// What a method does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    Read,
    /// A new row, or an action.
    Add,
    Change,
    Delete,
}

impl Act {
    fn of(method: &str) -> Option<Self> {
        match method {
            "GET" | "HEAD" => Some(Self::Read),
            "POST" => Some(Self::Add),
            "PUT" | "PATCH" => Some(Self::Change),
            "DELETE" => Some(Self::Delete),
            _ => None,
        }
    }

    fn reads(self) -> bool {
        self == Self::Read
    }
}

/// `Name` or `Name('key')`.
struct Segment<'a> {
    name: &'a str,
    key: Option<&'a str>,
}

impl<'a> Segment<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (name, key) = match text.split_once('(') {
            None => (text, None),
            Some((name, rest)) => {
                let quoted = rest.strip_suffix(')')?;
                let inner = quoted.strip_prefix('\'')?.strip_suffix('\'')?;
                // A lone quote inside would end the key for another reader.
                let lone = inner.replace("''", "").contains('\'');
                (name, (!lone).then_some(Some(inner))?)
            }
        };
        let plain = name.strip_prefix(QUALIFIED).unwrap_or(name);
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let word = !plain.is_empty() && plain.bytes().all(legal);
        let known = matches!(name, "$count" | "$metadata");
        (word || known).then_some(Self { name, key })
    }

    fn is_one_of(&self, names: &[&str]) -> bool {
        names
            .iter()
            .any(|name| name.eq_ignore_ascii_case(self.name))
    }

    /// Whether this is the `$count` of the collection before it.
    fn counts(&self, collection: &Self) -> bool {
        self.name == "$count" && self.key.is_none() && collection.key.is_none()
    }

    fn is_word(&self) -> bool {
        !self.name.starts_with('$') && !self.name.starts_with(QUALIFIED)
    }

    fn is_count_or_action(&self) -> bool {
        !self.is_word() || UPLOAD.contains(&self.name)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// One entity or document, without a key.
    Single,
    /// `Set`, `Set/$count`, `Set('key')`.
    Set,
    /// `Docs`: a set, and `Docs/Uni` the part of it that has one type.
    Documents,
    /// `Tables`: read as a list; `Tables/Name` is the set.
    Tables,
}

/// What lies below `Set('key')`.
#[derive(Clone, Copy)]
enum Inner {
    /// Properties and navigation, read in any letter case as the vendor's samples write them.
    Read(&'static [&'static str]),
    /// A document's rows and actions; the names of its own tables are the configuration's.
    Document,
}

impl Inner {
    fn fits(self, act: Act, below: &[Segment<'_>]) -> bool {
        match self {
            Self::Read(names) => match below {
                [property] => act.reads() && property.is_one_of(names),
                [property, count] => {
                    act.reads() && property.is_one_of(names) && count.counts(property)
                }
                _ => false,
            },
            Self::Document => Self::in_document(act, below),
        }
    }

    fn in_document(act: Act, below: &[Segment<'_>]) -> bool {
        let Some(table) = below.first() else {
            return false;
        };
        if !table.is_word() {
            let action = table.name.strip_prefix(QUALIFIED).unwrap_or_default();
            return act == Act::Add
                && DOCUMENT.contains(&action)
                && table.key.is_none()
                && below.len() == 1;
        }
        match (below, table.key) {
            // `declaredItems`, a table of the type's own, or a bare action.
            ([_], None) => matches!(act, Act::Read | Act::Add),
            ([_], Some(_)) => act != Act::Add,
            ([_, count], None) => act.reads() && count.counts(table),
            ([_, rows], Some(_)) if table.name == "tables" && rows.name == "rows" => match rows.key
            {
                None => matches!(act, Act::Read | Act::Add),
                Some(_) => act != Act::Add,
            },
            ([_, rows, count], Some(_)) if table.name == "tables" && rows.name == "rows" => {
                act.reads() && count.counts(rows)
            }
            ([_, property], Some(_)) => act.reads() && property.is_one_of(OF_ITEM),
            _ => false,
        }
    }
}

struct Row {
    set: &'static str,
    shape: Shape,
    read: Role,
    write: Option<Role>,
    actions: &'static [&'static str],
    inner: Inner,
}

/// Namespace of the actions; clients write them with it or bare.
const QUALIFIED: &str = "Default.";

const UPLOAD: &[&str] = &[
    "BeginOverwrite",
    "EndOverwrite",
    "ResetOverwrite",
    "BeginUpdate",
    "EndUpdate",
    "ResetUpdate",
];
const PRODUCTS: &[&str] = &[
    "BeginUploadProducts",
    "AddProductsToUpload",
    "AddProductToUpload",
    "EndUploadProducts",
    "ResetUploadProducts",
    "BeginOverwrite",
    "EndOverwrite",
    "ResetOverwrite",
    "BeginUpdate",
    "EndUpdate",
    "ResetUpdate",
];
const DOCUMENT: &[&str] = &["EndUpdate", "Block", "Unblock"];
const OF_ITEM: &[&str] = &["product", "bindedLine", "packing", "pallet"];
const FIELDS: &[&str] = &["fields", "allFields", "defaultFields"];

const fn row(set: &'static str, shape: Shape, read: Role, write: Option<Role>) -> Row {
    Row {
        set,
        shape,
        read,
        write,
        actions: &[],
        inner: Inner::Read(&[]),
    }
}

const TABLE: &[Row] = &[
    row("$metadata", Shape::Single, MobileUser, None),
    row("BaseInfo", Shape::Single, MobileUser, None),
    row(
        "Configuration",
        Shape::Single,
        MobileUser,
        Some(Administrator),
    ),
    row("ExtendedFields", Shape::Single, MobileUser, None),
    row("Operations", Shape::Set, MobileUser, None),
    Row {
        inner: Inner::Read(FIELDS),
        ..row("ProductSchema", Shape::Set, MobileUser, None)
    },
    Row {
        inner: Inner::Read(FIELDS),
        ..row("TablesInfo", Shape::Set, MobileUser, None)
    },
    Row {
        inner: Inner::Read(&[
            "tables",
            "fields",
            "allFields",
            "defaultFields",
            "columns",
            "allColumns",
            "defaultColumns",
        ]),
        ..row("DocTypes", Shape::Set, MobileUser, Some(Administrator))
    },
    Row {
        actions: PRODUCTS,
        inner: Inner::Read(&["packings", "quantityPolicy"]),
        ..row("Products", Shape::Set, MobileUser, Some(ExternalConnection))
    },
    Row {
        actions: UPLOAD,
        ..row(
            "Tables",
            Shape::Tables,
            MobileUser,
            Some(ExternalConnection),
        )
    },
    Row {
        actions: UPLOAD,
        ..row("Cells", Shape::Set, MobileUser, Some(ExternalConnection))
    },
    Row {
        inner: Inner::Read(&["cells"]),
        ..row(
            "Warehouses",
            Shape::Set,
            MobileUser,
            Some(ExternalConnection),
        )
    },
    row(
        "CustomSettings",
        Shape::Set,
        MobileUser,
        Some(ExternalConnection),
    ),
    Row {
        actions: &["Restore"],
        ..row("Backups", Shape::Set, Administrator, Some(Administrator))
    },
    Row {
        inner: Inner::Document,
        ..row("Docs", Shape::Documents, MobileUser, Some(MobileUser))
    },
    Row {
        inner: Inner::Read(OF_ITEM),
        ..row("DocumentItem", Shape::Set, MobileUser, Some(MobileUser))
    },
    row("Messages", Shape::Set, MobileUser, Some(ExternalConnection)),
    row("Devices", Shape::Set, MobileUser, Some(ExternalConnection)),
    row("Licenses", Shape::Set, ExternalConnection, None),
    row(
        "Users",
        Shape::Set,
        ExternalConnection,
        Some(ExternalConnection),
    ),
    Row {
        inner: Inner::Read(&["users"]),
        ..row(
            "UserGroups",
            Shape::Set,
            ExternalConnection,
            Some(Administrator),
        )
    },
];

#[cfg(test)]
mod tests;
