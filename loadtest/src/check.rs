//! What an answer must look like. Pure: JSON in, what is wrong with it out.

use std::fmt;

use serde_json::{Map, Value};

/// What is wrong with an answer; words for people.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong(String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(crate) fn wrong(what: impl Into<String>) -> Wrong {
    Wrong(what.into())
}

pub(crate) fn json(body: &[u8]) -> Result<Value, Wrong> {
    serde_json::from_slice(body).map_err(|fault| Wrong(format!("no JSON: {fault}")))
}

/// The rows of `{"@odata.context": …, "value": […]}`.
pub(crate) fn collection(body: &[u8]) -> Result<Vec<Value>, Wrong> {
    let mut answer = object(body)?;
    has_context(&answer)?;
    match answer.remove("value") {
        Some(Value::Array(rows)) if rows.iter().all(Value::is_object) => Ok(rows),
        _ => Err(wrong("`value` is no list of objects")),
    }
}

/// One entity, fields at the top level.
pub(crate) fn entity(body: &[u8]) -> Result<Value, Wrong> {
    let answer = object(body)?;
    has_context(&answer)?;
    Ok(Value::Object(answer))
}

/// Tokens of a login.
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

pub(crate) fn tokens(body: &[u8]) -> Result<Tokens, Wrong> {
    let answer = Value::Object(object(body)?);
    let token = |name: &str| {
        let token = text(&answer, name);
        match token.is_empty() {
            true => Err(Wrong(format!("`{name}` is missing"))),
            false => Ok(token.to_owned()),
        }
    };
    let is_bearer = text(&answer, "Token_type") == "bearer";
    let seconds = answer.get("Expires_in").and_then(Value::as_u64);
    if !is_bearer || seconds.is_none_or(|seconds| seconds == 0) {
        return Err(wrong(
            "`Token_type` or `Expires_in` is not what a login has",
        ));
    }
    Ok(Tokens {
        access: token("Access_token")?,
        refresh: token("Refresh_token")?,
    })
}

/// Every field of `written` is in `read` with the same value; lists have the same length and the
/// same order. Numbers are compared as numbers: 5 is 5.0.
pub(crate) fn contains(read: &Value, written: &Value) -> Result<(), Wrong> {
    compare("", read, written)
}

fn compare(place: &str, read: &Value, written: &Value) -> Result<(), Wrong> {
    let differs = || Wrong(format!("{place} is {read}, written was {written}"));
    match (read, written) {
        (Value::Object(read), Value::Object(written)) => {
            for (name, value) in written {
                let place = format!("{place}.{name}");
                let Some(read) = read.get(name) else {
                    return Err(Wrong(format!("{place} is missing")));
                };
                compare(&place, read, value)?;
            }
            Ok(())
        }
        (Value::Array(read), Value::Array(written)) => {
            if read.len() != written.len() {
                let (read, written) = (read.len(), written.len());
                return Err(Wrong(format!(
                    "{place} has {read} rows, written were {written}"
                )));
            }
            let mut pairs = read.iter().zip(written).enumerate();
            pairs.try_for_each(|(index, (read, written))| {
                compare(&format!("{place}[{index}]"), read, written)
            })
        }
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => Ok(()),
        (read, written) if read == written => Ok(()),
        _ => Err(differs()),
    }
}

/// A text field; empty when it is not there.
pub(crate) fn text<'a>(entity: &'a Value, name: &str) -> &'a str {
    entity.get(name).and_then(Value::as_str).unwrap_or_default()
}

pub(crate) fn flag(entity: &Value, name: &str) -> bool {
    entity
        .get(name)
        .and_then(Value::as_bool)
        .unwrap_or_default()
}

fn object(body: &[u8]) -> Result<Map<String, Value>, Wrong> {
    match json(body)? {
        Value::Object(object) => Ok(object),
        _ => Err(wrong("no JSON object")),
    }
}

fn has_context(answer: &Map<String, Value>) -> Result<(), Wrong> {
    match answer.get("@odata.context").and_then(Value::as_str) {
        Some(context) if context.contains("$metadata") => Ok(()),
        _ => Err(wrong("no `@odata.context`")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_written_must_be_read() {
        let written = json!({"id": "a", "rows": [{"q": 5}, {"q": 2.5}], "n": null});
        let read =
            json!({"id": "a", "more": 1, "rows": [{"q": 5.0, "x": 1}, {"q": 2.5}], "n": null});
        assert_eq!(contains(&read, &written), Ok(()));
        for (read, what) in [
            (
                json!({"id": "a", "rows": [{"q": 4}, {"q": 2.5}], "n": null}),
                ".rows[0].q is 4, written was 5",
            ),
            (
                json!({"id": "a", "rows": [{"q": 5}], "n": null}),
                ".rows has 1 rows, written were 2",
            ),
            (
                json!({"id": "a", "rows": [{"q": 2.5}, {"q": 5}], "n": null}),
                ".rows[0].q is 2.5, written was 5",
            ),
            (
                json!({"id": "b", "rows": [{"q": 5}, {"q": 2.5}], "n": null}),
                ".id is \"b\", written was \"a\"",
            ),
            (
                json!({"id": "a", "rows": [{"q": 5}, {"q": 2.5}]}),
                ".n is missing",
            ),
            (
                json!({"id": "a", "rows": "x", "n": null}),
                ".rows is \"x\", written was [{\"q\":5},{\"q\":2.5}]",
            ),
        ] {
            assert_eq!(contains(&read, &written), Err(wrong(what)));
        }
    }

    #[test]
    fn a_collection_has_context_and_rows() {
        let good = br#"{"@odata.context":"http://h/$metadata#Docs","value":[{"id":"a"}]}"#;
        assert_eq!(collection(good).unwrap().len(), 1);
        for bad in [
            &b"ok"[..],
            b"[]",
            br#"{"value":[]}"#,
            br#"{"@odata.context":"http://h/$metadata#Docs"}"#,
            br#"{"@odata.context":"http://h/$metadata#Docs","value":{}}"#,
            br#"{"@odata.context":"http://h/$metadata#Docs","value":[1]}"#,
        ] {
            assert!(collection(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn a_login_has_two_tokens() {
        let login = |access: &str, kind: &str, seconds: Value| {
            let answer = json!({"Access_token": access, "Refresh_token": "r", "Token_type": kind,
                "Expires_in": seconds});
            tokens(answer.to_string().as_bytes()).is_ok()
        };
        assert!(login("a", "bearer", json!(86400)));
        assert!(!login("", "bearer", json!(86400)));
        assert!(!login("a", "Basic", json!(86400)));
        assert!(!login("a", "bearer", json!(0)));
        assert!(!login("a", "bearer", json!("86400")));
    }
}
