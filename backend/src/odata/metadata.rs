//! What exists in the service: the built-in names, their types and where they
//! hang. `$metadata`, the service document, the path parser and the reading of
//! bodies all take it from these tables.
//!
//! Source of names and types: the metadata of running servers, as collected in
//! the facts; odd spellings (`unitConvertionRate`, `readed`) are theirs.

mod document;
mod tables;

pub(crate) use document::{Parts, service_document, write};
pub(crate) use tables::{ENTITY_SETS, ENUMS, TYPES};

use super::names::{Name, camel};

/// The namespace of entity types; actions and the container live in [`CONTAINER`].
pub(crate) const NAMESPACE: &str = "Cleverence.Warehouse";
pub(crate) const CONTAINER: &str = "Default";

/// The type of a property's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edm {
    String,
    Boolean,
    Int32,
    Double,
    Decimal,
    DateTimeOffset,
    Duration,
    /// Any JSON value.
    Untyped,
    /// By its name in [`ENUMS`]; answered as the member's name.
    Enum(&'static str),
    /// By its name in [`TYPES`].
    Complex(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Property {
    pub(crate) name: &'static str,
    pub(crate) edm: Edm,
    pub(crate) nullable: bool,
    pub(crate) collection: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Navigation {
    pub(crate) name: &'static str,
    pub(crate) target: &'static str,
    pub(crate) collection: bool,
}

/// An entity type, or a complex type where `key` is `None`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EntityType {
    pub(crate) name: &'static str,
    pub(crate) key: Option<&'static str>,
    /// A configuration may add properties of its own.
    pub(crate) open: bool,
    pub(crate) properties: &'static [Property],
    pub(crate) navigation: &'static [Navigation],
}

impl EntityType {
    /// By its name without the namespace.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        TYPES.iter().find(|kind| kind.name == name)
    }

    /// The built-in property a client means by `written`.
    pub(crate) fn property(&self, written: &str) -> Option<&'static Property> {
        let name = Name::new(written);
        self.properties
            .iter()
            .find(|property| name.is(property.name))
    }

    /// The navigation property a client means by `written`.
    pub(crate) fn navigation(&self, written: &str) -> Option<&'static Navigation> {
        let name = Name::new(written);
        self.navigation
            .iter()
            .find(|navigation| name.is(navigation.name))
    }

    /// The spelling in answers: the built-in one, or camelCase of an extra field.
    pub(crate) fn spelled(&self, written: &str) -> String {
        self.property(written)
            .map(|property| property.name)
            .or_else(|| self.navigation(written).map(|navigation| navigation.name))
            .map_or_else(|| camel(written), str::to_owned)
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EnumType {
    pub(crate) name: &'static str,
    pub(crate) namespace: &'static str,
    pub(crate) flags: bool,
    pub(crate) members: &'static [(&'static str, i64)],
}

impl EnumType {
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        ENUMS.iter().find(|kind| kind.name == name)
    }

    /// The member a client means by its name (any letter case) or number.
    pub(crate) fn member(&self, written: &str) -> Option<&'static str> {
        let number = written.parse::<i64>().ok();
        self.members
            .iter()
            .find(|(name, value)| name.eq_ignore_ascii_case(written) || number == Some(*value))
            .map(|(name, _)| *name)
    }
}

/// What an action is called on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    /// `Products/BeginOverwrite`.
    Collection,
    /// `Docs('id')/EndUpdate`.
    Entity,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Action {
    pub(crate) name: &'static str,
    pub(crate) bound: Bound,
    pub(crate) parameters: &'static [Property],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Collection,
    Singleton,
    /// Announced as a set, answered as one entity (`ProductSchema`).
    OneOfASet,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EntitySet {
    pub(crate) name: &'static str,
    pub(crate) entity_type: &'static str,
    pub(crate) form: Form,
    /// `Docs/<type>`, `Tables/<name>`: sets below this one.
    pub(crate) has_parts: bool,
    pub(crate) actions: &'static [Action],
}

impl EntitySet {
    /// The set a client means by a path segment, in any letter case.
    pub(crate) fn named(written: &str) -> Option<&'static Self> {
        ENTITY_SETS
            .iter()
            .find(|set| set.name.eq_ignore_ascii_case(written))
    }

    pub(crate) fn kind(&self) -> Option<&'static EntityType> {
        EntityType::named(self.entity_type)
    }

    /// The action a client means, bare or as `Default.Name`.
    pub(crate) fn action(&self, bound: Bound, written: &str) -> Option<&'static Action> {
        let bare = match written.split_once('.') {
            Some((namespace, name)) if namespace.eq_ignore_ascii_case(CONTAINER) => name,
            _ => written,
        };
        self.actions
            .iter()
            .find(|action| action.bound == bound && action.name.eq_ignore_ascii_case(bare))
    }
}
