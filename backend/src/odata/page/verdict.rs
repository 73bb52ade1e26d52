//! Whether a row meets a condition, by the null rules of OData: comparing
//! with null is decided (only `null eq null` and `ne` hold), anything else
//! done to null stays unknown, and unknown is not true.

use std::borrow::Cow;
use std::cmp::Ordering;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::Value;

use super::super::names::Name;
use super::super::query::{Comparison, Expr, Function, Literal};
use super::super::{Entity, json, moment};

/// A value while it is being compared.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand<'a> {
    Null,
    Boolean(bool),
    Number(Number),
    Moment(Timestamp),
    Text(Cow<'a, str>),
    /// Objects and lists: nothing compares with them.
    Rest,
}

/// Decimals compare exactly; what no decimal can hold lies beyond all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    Exact(Decimal),
    BeyondLeft,
    BeyondRight,
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Exact(a), Self::Exact(b)) => a.cmp(b),
            _ => self.side().cmp(&other.side()),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Number {
    fn side(self) -> i8 {
        match self {
            Self::BeyondLeft => -1,
            Self::Exact(_) => 0,
            Self::BeyondRight => 1,
        }
    }
}

pub(super) fn holds(condition: &Expr, row: &Entity) -> bool {
    truth(condition, row) == Some(true)
}

/// `None` is OData's null: unknown.
fn truth(condition: &Expr, row: &Entity) -> Option<bool> {
    match condition {
        Expr::Not(negated) => truth(negated, row).map(|truth| !truth),
        Expr::And(parts) => decided_by(false, parts, row),
        Expr::Or(parts) => decided_by(true, parts, row),
        Expr::Compare(left, comparison, right) => Some(compared(
            *comparison,
            &operand(left, row),
            &operand(right, row),
        )),
        Expr::In(left, members) => {
            let left = operand(left, row);
            Some(members.iter().any(|member| equal(&left, &constant(member))))
        }
        Expr::Literal(_) | Expr::Property(_) | Expr::Call(..) => match operand(condition, row) {
            Operand::Boolean(truth) => Some(truth),
            _ => None,
        },
    }
}

/// One part that is `decisive` settles a chain; otherwise one unknown leaves it
/// unknown.
fn decided_by(decisive: bool, parts: &[Expr], row: &Entity) -> Option<bool> {
    let mut outcome = Some(!decisive);
    for part in parts {
        match truth(part, row) {
            Some(truth) if truth == decisive => return Some(decisive),
            Some(_) => {}
            None => outcome = None,
        }
    }
    outcome
}

pub(super) fn operand<'a>(expr: &'a Expr, row: &'a Entity) -> Operand<'a> {
    match expr {
        Expr::Literal(literal) => constant(literal),
        Expr::Property(path) => found(path, row),
        Expr::Call(function, arguments) => called(*function, arguments, row),
        Expr::Not(_) | Expr::And(_) | Expr::Or(_) | Expr::Compare(..) | Expr::In(..) => {
            truth(expr, row).map_or(Operand::Null, Operand::Boolean)
        }
    }
}

fn constant(literal: &Literal) -> Operand<'_> {
    match literal {
        Literal::Null => Operand::Null,
        Literal::Boolean(truth) => Operand::Boolean(*truth),
        Literal::Number(number) => Operand::Number(Number::Exact(*number)),
        Literal::Text(text) => Operand::Text(Cow::Borrowed(text)),
        Literal::Moment(moment) => Operand::Moment(*moment),
    }
}

/// A missing name is null: the types are open.
fn found<'a>(path: &[Name], row: &'a Entity) -> Operand<'a> {
    let Some((first, rest)) = path.split_first() else {
        return Operand::Null;
    };
    let mut value = first.find(row);
    for name in rest {
        value = value
            .and_then(Value::as_object)
            .and_then(|inner| name.find(inner));
    }
    match value {
        None | Some(Value::Null) => Operand::Null,
        Some(Value::Bool(truth)) => Operand::Boolean(*truth),
        Some(Value::String(text)) => Operand::Text(Cow::Borrowed(text)),
        Some(Value::Number(number)) => Operand::Number(json::decimal_of(number).map_or_else(
            || {
                if number.to_string().starts_with('-') {
                    Number::BeyondLeft
                } else {
                    Number::BeyondRight
                }
            },
            Number::Exact,
        )),
        Some(Value::Array(_) | Value::Object(_)) => Operand::Rest,
    }
}

fn called<'a>(function: Function, arguments: &'a [Expr], row: &'a Entity) -> Operand<'a> {
    let mut texts = Vec::with_capacity(arguments.len());
    for argument in arguments {
        match operand(argument, row) {
            Operand::Text(text) => texts.push(text),
            _ => return Operand::Null,
        }
    }
    match (function, texts.as_slice()) {
        (Function::Contains, [text, part]) => Operand::Boolean(text.contains(part.as_ref())),
        (Function::StartsWith, [text, part]) => Operand::Boolean(text.starts_with(part.as_ref())),
        (Function::EndsWith, [text, part]) => Operand::Boolean(text.ends_with(part.as_ref())),
        (Function::ToLower, [text]) => Operand::Text(Cow::Owned(text.to_lowercase())),
        (Function::ToUpper, [text]) => Operand::Text(Cow::Owned(text.to_uppercase())),
        (Function::Trim, [text]) => Operand::Text(Cow::Owned(text.trim().to_owned())),
        (Function::Length, [text]) => counted(Some(text.chars().count())),
        (Function::IndexOf, [text, part]) => {
            let before = text.find(part.as_ref()).and_then(|at| text.get(..at));
            counted(before.map(|before| before.chars().count()))
        }
        (Function::Concat, [a, b]) => Operand::Text(Cow::Owned(format!("{a}{b}"))),
        _ => Operand::Null,
    }
}

/// A number of letters; `None` is the -1 of `indexof`.
fn counted(letters: Option<usize>) -> Operand<'static> {
    let number = letters.map_or(Decimal::NEGATIVE_ONE, Decimal::from);
    Operand::Number(Number::Exact(number))
}

fn compared(comparison: Comparison, left: &Operand<'_>, right: &Operand<'_>) -> bool {
    let holds: fn(Ordering) -> bool = match comparison {
        Comparison::Equal => return equal(left, right),
        Comparison::NotEqual => return !equal(left, right),
        Comparison::Greater => Ordering::is_gt,
        Comparison::GreaterOrEqual => Ordering::is_ge,
        Comparison::Less => Ordering::is_lt,
        Comparison::LessOrEqual => Ordering::is_le,
    };
    ordering(left, right).is_some_and(holds)
}

fn equal(left: &Operand<'_>, right: &Operand<'_>) -> bool {
    matches!((left, right), (Operand::Null, Operand::Null))
        || ordering(left, right) == Some(Ordering::Equal)
}

/// `None` where the two do not compare: different kinds, or null.
fn ordering(left: &Operand<'_>, right: &Operand<'_>) -> Option<Ordering> {
    match (left, right) {
        (Operand::Boolean(a), Operand::Boolean(b)) => Some(a.cmp(b)),
        (Operand::Number(a), Operand::Number(b)) => Some(a.cmp(b)),
        (Operand::Moment(a), Operand::Moment(b)) => Some(a.cmp(b)),
        (Operand::Moment(a), Operand::Text(b)) => moment::parse(b).map(|b| a.cmp(&b)),
        (Operand::Text(a), Operand::Moment(b)) => moment::parse(a).map(|a| a.cmp(b)),
        (Operand::Text(a), Operand::Text(b)) => match (moment::parse(a), moment::parse(b)) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => Some(a.cmp(b)),
        },
        _ => None,
    }
}
