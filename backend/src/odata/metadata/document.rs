//! `$metadata` (CSDL 4.0) and the service document, written from the tables.

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, Event};
use serde_json::{Value, json};

use super::{
    Action, Bound, CONTAINER, ENTITY_SETS, ENUMS, Edm, EntitySet, EntityType, EnumType, Form,
    NAMESPACE, Navigation, Property, TYPES,
};

type Xml = Writer<Vec<u8>>;

/// The sets below `Docs` and `Tables` that a configuration brings along, in
/// the spelling of paths (`PrihodNaSklad`); virtual document types have none.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Parts<'a> {
    pub(crate) documents: &'a [String],
    pub(crate) tables: &'a [String],
}

impl Parts<'_> {
    fn of(&self, set: &EntitySet) -> &[String] {
        match set.name {
            "Docs" => self.documents,
            "Tables" => self.tables,
            _ => &[],
        }
    }
}

/// The answer to `GET {base}`; `base` ends in `/api/v1`.
pub(crate) fn service_document(base: &str, parts: Parts<'_>) -> Value {
    let mut value = Vec::new();
    for set in ENTITY_SETS {
        let kind = if set.form == Form::Singleton {
            "Singleton"
        } else {
            "EntitySet"
        };
        value.push(json!({"name": set.name, "kind": kind, "url": set.name}));
        for part in parts.of(set) {
            let name = format!("{}/{part}", set.name);
            value.push(json!({"name": name, "kind": "EntitySet", "url": name}));
        }
    }
    json!({"@odata.context": format!("{base}/$metadata"), "value": value})
}

/// The answer to `GET {base}/$metadata`, as UTF-8 XML.
pub(crate) fn write(parts: Parts<'_>) -> Vec<u8> {
    let mut xml = Writer::new(Vec::with_capacity(64 * 1024));
    #[expect(clippy::expect_used, reason = "writing to memory cannot fail")]
    edmx(&mut xml, parts).expect("writing to memory");
    xml.into_inner()
}

fn edmx(xml: &mut Xml, parts: Parts<'_>) -> io::Result<()> {
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("utf-8"), None)))?;
    xml.create_element("edmx:Edmx")
        .with_attribute(("Version", "4.0"))
        .with_attribute(("xmlns:edmx", "http://docs.oasis-open.org/odata/ns/edmx"))
        .write_inner_content(|xml| {
            xml.create_element("edmx:DataServices")
                .write_inner_content(|xml| {
                    schema(xml, NAMESPACE, |xml| {
                        for kind in TYPES {
                            entity_type(xml, kind)?;
                        }
                        enums(xml, NAMESPACE)
                    })?;
                    schema(xml, "Cleverence.Security", |xml| {
                        enums(xml, "Cleverence.Security")
                    })?;
                    schema(xml, CONTAINER, |xml| {
                        for set in ENTITY_SETS {
                            for action in set.actions {
                                bound_action(xml, set, action)?;
                            }
                        }
                        container(xml, parts)
                    })
                })?;
            Ok(())
        })?;
    Ok(())
}

fn schema(
    xml: &mut Xml,
    namespace: &str,
    content: impl FnOnce(&mut Xml) -> io::Result<()>,
) -> io::Result<()> {
    xml.create_element("Schema")
        .with_attribute(("Namespace", namespace))
        .with_attribute(("xmlns", "http://docs.oasis-open.org/odata/ns/edm"))
        .write_inner_content(content)?;
    Ok(())
}

fn entity_type(xml: &mut Xml, kind: &EntityType) -> io::Result<()> {
    let element = if kind.key.is_some() {
        "EntityType"
    } else {
        "ComplexType"
    };
    let mut element = xml
        .create_element(element)
        .with_attribute(("Name", kind.name));
    if kind.open {
        element = element.with_attribute(("OpenType", "true"));
    }
    element.write_inner_content(|xml| {
        if let Some(key) = kind.key {
            xml.create_element("Key").write_inner_content(|xml| {
                xml.create_element("PropertyRef")
                    .with_attribute(("Name", key))
                    .write_empty()?;
                Ok(())
            })?;
        }
        // `Edm.Untyped` came with OData 4.01; in an open type it need not be named.
        for property in kind.properties.iter().filter(|one| one.edm != Edm::Untyped) {
            described(xml, "Property", property)?;
        }
        for Navigation {
            name,
            target,
            collection,
        } in kind.navigation
        {
            let target = in_collection(format!("{NAMESPACE}.{target}"), *collection);
            xml.create_element("NavigationProperty")
                .with_attribute(("Name", *name))
                .with_attribute(("Type", target.as_str()))
                .write_empty()?;
        }
        Ok(())
    })?;
    Ok(())
}

/// A property of a type or a parameter of an action: they look alike.
fn described(xml: &mut Xml, element: &str, property: &Property) -> io::Result<()> {
    let kind = in_collection(type_name(property.edm), property.collection);
    let mut element = xml
        .create_element(element)
        .with_attribute(("Name", property.name))
        .with_attribute(("Type", kind.as_str()));
    if !property.nullable {
        element = element.with_attribute(("Nullable", "false"));
    }
    if property.edm == Edm::Decimal {
        element = element.with_attribute(("Scale", "variable"));
    }
    element.write_empty()?;
    Ok(())
}

fn enums(xml: &mut Xml, namespace: &str) -> io::Result<()> {
    for EnumType {
        name,
        flags,
        members,
        ..
    } in ENUMS.iter().filter(|kind| kind.namespace == namespace)
    {
        let mut element = xml
            .create_element("EnumType")
            .with_attribute(("Name", *name));
        if *flags {
            element = element.with_attribute(("IsFlags", "true"));
        }
        element.write_inner_content(|xml| {
            for (member, value) in *members {
                xml.create_element("Member")
                    .with_attribute(("Name", *member))
                    .with_attribute(("Value", value.to_string().as_str()))
                    .write_empty()?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn bound_action(xml: &mut Xml, set: &EntitySet, action: &Action) -> io::Result<()> {
    let collection = action.bound == Bound::Collection;
    let target = in_collection(format!("{NAMESPACE}.{}", set.entity_type), collection);
    xml.create_element("Action")
        .with_attribute(("Name", action.name))
        .with_attribute(("IsBound", "true"))
        .write_inner_content(|xml| {
            xml.create_element("Parameter")
                .with_attribute(("Name", "bindingParameter"))
                .with_attribute(("Type", target.as_str()))
                .write_empty()?;
            for parameter in action.parameters {
                described(xml, "Parameter", parameter)?;
            }
            Ok(())
        })?;
    Ok(())
}

fn container(xml: &mut Xml, parts: Parts<'_>) -> io::Result<()> {
    xml.create_element("EntityContainer")
        .with_attribute(("Name", "Container"))
        .write_inner_content(|xml| {
            for set in ENTITY_SETS {
                let kind = format!("{NAMESPACE}.{}", set.entity_type);
                let (element, attribute) = match set.form {
                    Form::Singleton => ("Singleton", "Type"),
                    Form::Collection | Form::OneOfASet => ("EntitySet", "EntityType"),
                };
                let below = parts
                    .of(set)
                    .iter()
                    .map(|part| format!("{}/{part}", set.name));
                for name in std::iter::once(set.name.to_owned()).chain(below) {
                    xml.create_element(element)
                        .with_attribute(("Name", name.as_str()))
                        .with_attribute((attribute, kind.as_str()))
                        .write_empty()?;
                }
            }
            Ok(())
        })?;
    Ok(())
}

fn in_collection(kind: String, collection: bool) -> String {
    if collection {
        format!("Collection({kind})")
    } else {
        kind
    }
}

fn type_name(edm: Edm) -> String {
    let primitive = match edm {
        Edm::String => "Edm.String",
        Edm::Boolean => "Edm.Boolean",
        Edm::Int32 => "Edm.Int32",
        Edm::Double => "Edm.Double",
        Edm::Decimal => "Edm.Decimal",
        Edm::DateTimeOffset => "Edm.DateTimeOffset",
        Edm::Duration => "Edm.Duration",
        Edm::Untyped => "Edm.Untyped",
        Edm::Enum(name) => {
            let namespace = EnumType::named(name).map_or(NAMESPACE, |kind| kind.namespace);
            return format!("{namespace}.{name}");
        }
        Edm::Complex(name) => return format!("{NAMESPACE}.{name}"),
    };
    primitive.to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use quick_xml::Reader;

    use super::*;

    fn written() -> String {
        let (documents, tables) = (vec!["PrihodNaSklad".to_owned()], vec!["Ceny".to_owned()]);
        String::from_utf8(write(Parts {
            documents: &documents,
            tables: &tables,
        }))
        .unwrap()
    }

    #[test]
    fn the_document_is_well_formed_and_of_version_4() {
        let text = written();
        let mut reader = Reader::from_str(&text);
        let mut elements = 0;
        loop {
            match reader.read_event().unwrap() {
                Event::Eof => break,
                Event::Start(_) | Event::Empty(_) => elements += 1,
                _ => {}
            }
        }
        assert!(elements > 200);
        for expected in [
            r#"<edmx:Edmx Version="4.0""#,
            r#"<EntityType Name="Document" OpenType="true"><Key><PropertyRef Name="id"/></Key>"#,
            r#"<EntityType Name="UserGroup"><Key>"#,
            r#"<ComplexType Name="Packing" OpenType="true">"#,
            r#"<Property Name="declaredQuantity" Type="Edm.Decimal" Nullable="false" Scale="variable"/>"#,
            r#"<Property Name="role" Type="Cleverence.Security.RoleUserGroup" Nullable="false"/>"#,
            r#"<EntitySet Name="Docs/PrihodNaSklad" EntityType="Cleverence.Warehouse.Document"/>"#,
            r#"<EntitySet Name="Tables/Ceny" EntityType="Cleverence.Warehouse.Row"/>"#,
            r#"<Singleton Name="BaseInfo" Type="Cleverence.Warehouse.BaseInfo"/>"#,
            r#"<Action Name="EndUpdate" IsBound="true"><Parameter Name="bindingParameter" Type="Cleverence.Warehouse.Document"/></Action>"#,
        ] {
            assert!(text.contains(expected), "{expected}");
        }
    }

    #[test]
    fn the_open_types_are_exactly_those_of_the_original() {
        let open: HashSet<_> = TYPES
            .iter()
            .filter(|kind| kind.open)
            .map(|kind| kind.name)
            .collect();
        let expected = [
            "Document",
            "DocumentItem",
            "Product",
            "Packing",
            "Pallet",
            "User",
            "DeviceInfo",
            "Row",
            "Cell",
            "CellWrapper",
            "MessageInfo",
            "InvokeOperation",
            "UntypedCustomSettings",
        ];
        assert_eq!(open, expected.into_iter().collect());
    }

    #[test]
    fn every_type_that_the_tables_name_exists() {
        let known: HashSet<_> = TYPES.iter().map(|kind| kind.name).collect();
        assert_eq!(known.len(), TYPES.len(), "a type twice");
        for kind in TYPES {
            if let Some(key) = kind.key {
                assert!(
                    kind.properties.iter().any(|p| p.name == key),
                    "{} key",
                    kind.name
                );
            }
            for property in kind.properties {
                match property.edm {
                    Edm::Complex(name) => assert!(known.contains(name), "{name}"),
                    Edm::Enum(name) => assert!(EnumType::named(name).is_some(), "{name}"),
                    _ => {}
                }
            }
            for navigation in kind.navigation {
                assert!(known.contains(navigation.target), "{}", navigation.target);
            }
        }
        for set in ENTITY_SETS {
            assert!(set.kind().is_some(), "{}", set.name);
        }
    }

    #[test]
    fn the_service_document_lists_every_set_and_part() {
        let documents = vec!["PrihodNaSklad".to_owned()];
        let listed = service_document(
            "http://localhost:9000/MobileSMARTS/api/v1",
            Parts {
                documents: &documents,
                tables: &[],
            },
        );
        assert_eq!(
            listed["@odata.context"],
            "http://localhost:9000/MobileSMARTS/api/v1/$metadata"
        );
        let names: Vec<_> = listed["value"]
            .as_array()
            .unwrap()
            .iter()
            .map(|set| set["name"].clone())
            .collect();
        assert_eq!(names.len(), ENTITY_SETS.len() + 1);
        assert!(names.contains(&json!("Docs/PrihodNaSklad")));
    }
}
