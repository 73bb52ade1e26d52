//! The shape of answers: envelopes, counts, numbers.
//!
//! Context addresses are those the client may use: the caller's `base` ends
//! in `/api/v1` and is built from the public scheme and host.

use rust_decimal::Decimal;
use serde_json::{Number, Value};

use super::{Entity, Page};

const CONTEXT: &str = "@odata.context";
const COUNT: &str = "@odata.count";

/// `{"@odata.context", "@odata.count"?, "value": […]}`; `fragment` as from
/// [`super::path::Address::fragment`].
pub(crate) fn collection(base: &str, fragment: &str, page: Page) -> Value {
    let mut envelope = context(base, fragment);
    if let Some(count) = page.count {
        envelope.insert(COUNT.to_owned(), Value::from(count));
    }
    let rows = page.rows.into_iter().map(Value::Object).collect();
    envelope.insert("value".to_owned(), Value::Array(rows));
    Value::Object(envelope)
}

/// One entity of a set: its own fields, `/$entity` in the context.
pub(crate) fn entity(base: &str, fragment: &str, entity: Entity) -> Value {
    singleton(base, &format!("{fragment}/$entity"), entity)
}

/// `BaseInfo` and the like.
pub(crate) fn singleton(base: &str, fragment: &str, entity: Entity) -> Value {
    let mut envelope = context(base, fragment);
    envelope.extend(entity);
    Value::Object(envelope)
}

/// A single property or a value that is no entity: `{"@odata.context", "value"}`.
pub(crate) fn value(base: &str, fragment: &str, value: Value) -> Value {
    let mut envelope = context(base, fragment);
    envelope.insert("value".to_owned(), value);
    Value::Object(envelope)
}

/// Puts an expanded collection into its row, with its count where asked for.
pub(crate) fn attach(row: &mut Entity, name: &str, page: Page) {
    if let Some(count) = page.count {
        row.insert(format!("{name}{COUNT}"), Value::from(count));
    }
    let rows = page.rows.into_iter().map(Value::Object).collect();
    row.insert(name.to_owned(), Value::Array(rows));
}

/// A decimal as a JSON number, digit for digit.
pub(crate) fn number(decimal: Decimal) -> Value {
    match decimal.to_string().parse::<Number>() {
        Ok(number) => Value::Number(number),
        // A decimal always prints as a JSON number.
        Err(_) => Value::Null,
    }
}

/// The exact value of a JSON number; `None` beyond 28 digits.
pub(crate) fn decimal_of(number: &Number) -> Option<Decimal> {
    if let Some(whole) = number.as_i64() {
        return Some(Decimal::from(whole));
    }
    let text = number.to_string();
    if let Some(exact) = text
        .parse()
        .ok()
        .or_else(|| Decimal::from_scientific(&text).ok())
    {
        return Some(exact);
    }
    // Smaller than any decimal is zero as far as quantities go.
    number
        .as_f64()
        .filter(|rough| rough.abs() < 1.0)
        .map(|_| Decimal::ZERO)
}

fn context(base: &str, fragment: &str) -> Entity {
    let mut envelope = Entity::new();
    envelope.insert(
        CONTEXT.to_owned(),
        Value::String(format!("{base}/$metadata#{fragment}")),
    );
    envelope
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const BASE: &str = "http://localhost:9000/MobileSMARTS/api/v1";

    fn row(id: &str) -> Entity {
        let mut row = Entity::new();
        row.insert("id".to_owned(), Value::from(id));
        row
    }

    #[test]
    fn a_collection_has_its_context_first_and_a_count_only_where_asked() {
        let page = Page {
            rows: vec![row("1")],
            count: None,
        };
        assert_eq!(
            collection(BASE, "Users", page).to_string(),
            format!(r#"{{"@odata.context":"{BASE}/$metadata#Users","value":[{{"id":"1"}}]}}"#)
        );
        let page = Page {
            rows: vec![],
            count: Some(7),
        };
        assert_eq!(
            collection(BASE, "Docs/Vzveshivanie", page).to_string(),
            format!(
                r#"{{"@odata.context":"{BASE}/$metadata#Docs/Vzveshivanie","@odata.count":7,"value":[]}}"#
            )
        );
    }

    #[test]
    fn one_entity_has_no_value_around_it() {
        assert_eq!(
            entity(BASE, "Docs", row("1")),
            json!({"@odata.context": format!("{BASE}/$metadata#Docs/$entity"), "id": "1"})
        );
        assert_eq!(
            singleton(BASE, "BaseInfo", row("1"))["@odata.context"],
            format!("{BASE}/$metadata#BaseInfo")
        );
    }

    #[test]
    fn an_expanded_collection_carries_its_own_count() {
        let mut document = row("1");
        attach(
            &mut document,
            "tables",
            Page {
                rows: vec![row("t")],
                count: Some(3),
            },
        );
        assert_eq!(
            Value::Object(document),
            json!({"id": "1", "tables@odata.count": 3, "tables": [{"id": "t"}]})
        );
    }

    #[test]
    fn a_decimal_keeps_its_digits_through_json() {
        for digits in [
            "5",
            "5.0",
            "41",
            "0.1",
            "-3.25",
            "12345678901234567890.1234",
        ] {
            let decimal: Decimal = digits.parse().unwrap();
            let Value::Number(number) = number(decimal) else {
                panic!("{digits}")
            };
            assert_eq!(number.to_string(), digits);
            assert_eq!(decimal_of(&number), Some(decimal));
        }
        let parsed = |text: &str| decimal_of(&text.parse::<Number>().unwrap());
        assert_eq!(parsed("5e2"), Some(Decimal::from(500)));
        assert_eq!(parsed("1e300"), None);
        assert_eq!(parsed("1e-300"), Some(Decimal::ZERO));
    }
}
