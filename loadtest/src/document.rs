//! Documents that this program makes, and what a terminal counts in them.
//!
//! What is counted follows from the row alone: whoever sees a finished document, in whatever
//! process, knows what must stand in it.

use http::Method;
use serde_json::{Value, json};

use crate::{
    check::{self, Wrong, text, wrong},
    link::{Ask, keyed},
};

/// In `description`, by which a document of ours is found and known.
pub(crate) const MARK: &str = "loadtest";

/// Whose document it is. Terminals take what an accounting system has sent, and leave each
/// other's alone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Maker {
    Accounting,
    Terminal,
}

impl Maker {
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Accounting => "load-a-",
            Self::Terminal => "load-t-",
        }
    }
}

/// A document type as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Type {
    pub(crate) name: String,
    pub(crate) uni: String,
    pub(crate) is_made_on_terminals: bool,
    pub(crate) is_removable: bool,
}

impl Type {
    /// Types that have documents, of an answer to `DocTypes`.
    pub(crate) fn all(rows: &[Value]) -> Result<Vec<Self>, Wrong> {
        let real = rows.iter().filter(|row| !check::flag(row, "virtual"));
        let types: Vec<Self> = real
            .map(|row| Self {
                name: text(row, "name").to_owned(),
                uni: text(row, "uni").to_owned(),
                is_made_on_terminals: check::flag(row, "clientCreating"),
                is_removable: check::flag(row, "allowRemoveDocuments"),
            })
            .collect();
        match types
            .iter()
            .all(|one| !one.name.is_empty() && !one.uni.is_empty())
        {
            true if !types.is_empty() => Ok(types),
            true => Err(wrong("no document type that has documents")),
            false => Err(wrong("a document type without `name` or `uni`")),
        }
    }

    /// What a terminal makes: best what it may remove again.
    pub(crate) fn for_terminals(types: &[Self]) -> Option<&Self> {
        let score = |one: &&Self| (one.is_made_on_terminals, one.is_removable);
        types.iter().rev().max_by_key(score)
    }
}

/// A row of goods as far as it matters here.
#[derive(Clone)]
pub(crate) struct Goods {
    pub(crate) id: String,
    pub(crate) name: String,
}

impl Goods {
    pub(crate) fn all(rows: &[Value]) -> Vec<Self> {
        let goods = rows.iter().map(|row| Self {
            id: text(row, "id").to_owned(),
            name: text(row, "name").to_owned(),
        });
        goods.filter(|goods| !goods.id.is_empty()).collect()
    }
}

/// A document to be: header and planned rows, in the names in which they are read.
pub(crate) struct Plan {
    pub(crate) id: String,
    pub(crate) header: Value,
    pub(crate) rows: Vec<Value>,
}

impl Plan {
    pub(crate) fn new(maker: Maker, run: &str, number: u32, kind: &Type, goods: &[Goods]) -> Self {
        let id = format!("{}{run}-{number:06}", maker.prefix());
        let header = json!({
            "id": id,
            "name": format!("{} {number}", kind.name),
            "documentTypeName": kind.name,
            "description": MARK,
            "barcode": format!("29{number:010}"),
            "imyaKontragenta": "ООО «Ромашка» & Co",
        });
        let rows = (0..3 + number % 5).map(|row| {
            let place = usize::try_from(number * 7 + row * 11).unwrap_or_default();
            let product = goods.get(place % goods.len().max(1));
            json!({
                "uid": format!("{id}-{row}"),
                "productId": product.map_or("p-0001", |goods| goods.id.as_str()),
                "declaredQuantity": 1 + (number + row) % 9,
                "packingId": "pcs",
                "cena": 41.5,
            })
        });
        let rows = rows.collect();
        Self { id, header, rows }
    }

    /// As an accounting system spells it: names of the configuration, capitals.
    pub(crate) fn as_1c_writes_it(&self) -> (Value, Vec<Value>) {
        let header = renamed(
            &self.header,
            &[("imyaKontragenta", "ИмяКонтрагента"), ("name", "Name")],
        );
        let rows = self
            .rows
            .iter()
            .map(|row| renamed(row, &[("cena", "Цена")]));
        (header, rows.collect())
    }

    /// What must be read when header and rows are written.
    pub(crate) fn whole(&self) -> Value {
        with(
            &self.header,
            "declaredItems",
            Value::Array(self.rows.clone()),
        )
    }
}

/// A copy with one field set.
pub(crate) fn with(entity: &Value, name: &str, value: Value) -> Value {
    let mut copy = entity.clone();
    if let Some(fields) = copy.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
    copy
}

fn renamed(entity: &Value, names: &[(&str, &str)]) -> Value {
    let fields = entity.as_object().into_iter().flatten();
    let fields = fields.map(|(name, value)| {
        let other = names.iter().find(|(from, _)| from == name);
        let name = other.map_or(name.as_str(), |(_, to)| to);
        (name.to_owned(), value.clone())
    });
    Value::Object(fields.collect())
}

/// What a terminal counts for a planned row: as much, one less or one more.
pub(crate) fn counted(row: &Value) -> u64 {
    let declared = row.get("declaredQuantity").and_then(Value::as_f64);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, and ours are below ten"
    )]
    let declared = declared.unwrap_or_default() as u64;
    let sum: u64 = text(row, "uid").bytes().map(u64::from).sum();
    (declared + sum % 3).saturating_sub(1)
}

/// The planned rows with what was counted in them.
pub(crate) fn worked(rows: &[Value]) -> Vec<Value> {
    let rows = rows.iter();
    rows.map(|row| with(row, "currentQuantity", json!(counted(row))))
        .collect()
}

/// The rows of fact for planned ones.
pub(crate) fn facts(rows: &[Value]) -> Vec<Value> {
    let fact = |row: &Value| {
        json!({
            "uid": format!("{}-f", text(row, "uid")),
            "bindedLineUid": text(row, "uid"),
            "productId": text(row, "productId"),
            "packingId": text(row, "packingId"),
            "currentQuantity": counted(row),
        })
    };
    rows.iter().map(fact).collect()
}

/// Whether a document with its rows is what a terminal must have made of it.
pub(crate) fn is_finished_well(document: &Value, plan: &Plan) -> Result<(), Wrong> {
    let expected = json!({
        "finished": true,
        "inProcess": false,
        "declaredItems": worked(&plan.rows),
        "currentItems": facts(&plan.rows),
    });
    check::contains(document, &plan.header)?;
    check::contains(document, &expected)
}

/// The rows below a name, of a document read with `$expand`.
pub(crate) fn rows(document: &Value, list: &str) -> Result<Vec<Value>, Wrong> {
    match document.get(list).and_then(Value::as_array) {
        Some(rows) => Ok(rows.clone()),
        None => Err(wrong(format!("`{list}` is no list"))),
    }
}

/// `Docs('id')?$expand=…`, with both kinds of rows.
pub(crate) fn read(id: &str) -> Ask {
    let document = keyed("Docs", id);
    Ask::get(format!("{document}?$expand=declaredItems,currentItems"))
}

/// Documents of an accounting system (`run`: of this one) in some state.
pub(crate) fn list(state: &str, run: &str) -> Ask {
    let prefix = format!("{}{run}", Maker::Accounting.prefix());
    let filter = format!("description eq '{MARK}' and startswith(id,'{prefix}') and {state}");
    let filter = crate::link::encoded(&filter);
    Ask::get(format!(
        "Docs?$filter={filter}&$select=id,finished,inProcess,description&$top=100"
    ))
}

pub(crate) fn add_rows(id: &str, list: &str, rows: &[Value]) -> Ask {
    let path = format!("{}/{list}", keyed("Docs", id));
    Ask::new(Method::POST, path).json(&json!({"value": rows}))
}

pub(crate) fn end_update(id: &str) -> Ask {
    Ask::new(Method::POST, format!("{}/EndUpdate", keyed("Docs", id)))
}

pub(crate) fn change(id: &str, fields: &Value) -> Ask {
    Ask::new(Method::PATCH, keyed("Docs", id)).json(fields)
}

pub(crate) fn remove(id: &str) -> Ask {
    Ask::new(Method::DELETE, keyed("Docs", id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        let kind = Type {
            name: "СборШК".to_owned(),
            uni: "SborShK".to_owned(),
            is_made_on_terminals: true,
            is_removable: true,
        };
        Plan::new(Maker::Accounting, "r", 4, &kind, &[])
    }

    fn finished(plan: &Plan) -> Value {
        let document = with(&plan.whole(), "finished", json!(true));
        let document = with(&document, "inProcess", json!(false));
        let document = with(&document, "declaredItems", json!(worked(&plan.rows)));
        with(&document, "currentItems", json!(facts(&plan.rows)))
    }

    #[test]
    fn a_finished_document_is_known_by_its_rows() {
        let plan = plan();
        assert_eq!(plan.rows.len(), 7);
        assert_eq!(is_finished_well(&finished(&plan), &plan), Ok(()));
        let mut lost = finished(&plan);
        lost["declaredItems"].as_array_mut().unwrap().pop();
        let mut other = finished(&plan);
        other["declaredItems"][2]["currentQuantity"] = json!(77);
        let mut fact = finished(&plan);
        fact["currentItems"][0]["bindedLineUid"] = json!("x");
        let open = with(&finished(&plan), "finished", json!(false));
        let renamed = with(&finished(&plan), "description", json!(""));
        for damaged in [lost, other, fact, open, renamed] {
            assert!(is_finished_well(&damaged, &plan).is_err(), "{damaged}");
        }
    }

    #[test]
    fn counting_is_near_the_plan_and_not_always_it() {
        let plan = plan();
        let differs = |row: &Value| counted(row) as f64 - row["declaredQuantity"].as_f64().unwrap();
        let all: Vec<f64> = plan.rows.iter().map(differs).collect();
        assert!(all.iter().all(|by| by.abs() <= 1.0), "{all:?}");
        assert!(all.iter().any(|by| *by != 0.0), "{all:?}");
    }

    #[test]
    fn an_accounting_system_writes_the_names_of_the_configuration() {
        let (header, rows) = plan().as_1c_writes_it();
        assert!(header.get("ИмяКонтрагента").is_some() && header.get("Name").is_some());
        assert!(header.get("imyaKontragenta").is_none());
        assert!(rows.iter().all(|row| row.get("Цена").is_some()));
    }

    #[test]
    fn terminals_make_what_they_may_remove() {
        let of = |name: &str, made: bool, removable: bool| {
            json!({"name": name, "uni": name, "clientCreating": made,
                "allowRemoveDocuments": removable, "virtual": name == "v"})
        };
        let rows = [
            of("a", false, true),
            of("v", true, true),
            of("b", true, false),
            of("c", true, true),
        ];
        let types = Type::all(&rows).unwrap();
        assert_eq!(types.len(), 3);
        assert_eq!(Type::for_terminals(&types).unwrap().name, "c");
        assert!(Type::all(&rows[1..2]).is_err());
    }
}
