//! The grammar of option values.
//!
//! `not` binds closer than `and`, `and` closer than `or`; comparisons bind
//! closer than all three. Every nesting is counted before it is entered, so
//! that no text can exhaust the stack.

use winnow::Parser as _;
use winnow::stream::{LocatingSlice, Location as _, Stateful, Stream as _};
use winnow::token::take_while;

use super::super::fault::{self, Expected, Fault, Limit};
use super::super::names::Name;
use super::literal::constant;
use super::text::{
    Cause, Failure, Input, MAX_NESTING, Nesting, Parsed, at_a_border, close, eat, end, fail,
    keyword, limit, name, nested, next_is, spaces, word,
};
use super::{
    Comparison, Direction, Expand, Expr, Function, Literal, Order, Query, SystemOption, Wanted,
};

/// `$expand` inside `$expand`.
const MAX_EXPAND: usize = 6;
/// Names in one list.
const MAX_ITEMS: usize = 512;

/// Reads the whole value of one option into `query`.
pub(super) fn whole_value(
    name: &str,
    option: SystemOption,
    text: &str,
    query: &mut Query,
) -> Result<(), Fault> {
    let mut input = Stateful {
        input: LocatingSlice::new(text),
        state: Nesting::default(),
    };
    let read = value(option, &mut input, query).and_then(|()| end(&mut input));
    read.map_err(|Failure { at, cause }| match cause {
        Cause::Expected(expected) => fault::syntax(name, text, at, expected),
        Cause::Limit(limit) => Fault::TooMuch {
            option: name.to_owned(),
            limit,
        },
        Cause::Unknown(option) => Fault::UnknownOption { option },
        Cause::Repeated(option) => Fault::RepeatedOption { option },
    })
}

fn value(option: SystemOption, input: &mut Input<'_>, query: &mut Query) -> Parsed<()> {
    spaces(input)?;
    match option {
        SystemOption::Filter => query.filter = Some(condition(input)?),
        SystemOption::Select => query.select = selected(input)?,
        SystemOption::Expand => query.expand = list(input, expand)?,
        SystemOption::OrderBy => query.order_by = list(input, order)?,
        SystemOption::Top => query.top = Some(whole_number(input)?),
        SystemOption::Skip => query.skip = whole_number(input)?,
        SystemOption::Count => query.count = true_or_false(input)?,
        SystemOption::Format => format(input)?,
    }
    spaces(input)
}

// Lists of names.

/// `None` where `*` is among the names.
fn selected(input: &mut Input<'_>) -> Parsed<Option<Vec<Name>>> {
    let names = list(input, |input| {
        if eat(input, '*')? {
            return Ok(None);
        }
        // Below the first segment the whole property is answered.
        Ok(path(input)?.into_iter().next())
    })?;
    Ok(names.into_iter().collect())
}

fn order(input: &mut Input<'_>) -> Parsed<Order> {
    let by = operand(input)?;
    spaces(input)?;
    let start = input.checkpoint();
    let direction = match word(input)? {
        "" => Direction::Ascending,
        asc if asc.eq_ignore_ascii_case("asc") => Direction::Ascending,
        desc if desc.eq_ignore_ascii_case("desc") => Direction::Descending,
        _ => {
            input.reset(&start);
            return fail(input, Expected::AscOrDesc);
        }
    };
    Ok(Order { by, direction })
}

fn expand(input: &mut Input<'_>) -> Parsed<Expand> {
    let of = if eat(input, '*')? {
        Wanted::All
    } else {
        Wanted::Named(Name::new(name(input)?))
    };
    let mut query = Query::default();
    spaces(input)?;
    if eat(input, '(')? {
        input.state.expands += 1;
        if input.state.expands > MAX_EXPAND {
            return limit(input, Limit::Nesting(MAX_EXPAND));
        }
        nested_options(input, &mut query)?;
        input.state.expands -= 1;
    }
    Ok(Expand { of, query })
}

/// `$expand=rows;$select=…)`, after the opening bracket.
fn nested_options(input: &mut Input<'_>, query: &mut Query) -> Parsed<()> {
    let mut seen = Vec::new();
    loop {
        spaces(input)?;
        let start = input.checkpoint();
        if !eat(input, '$')? {
            return fail(input, Expected::NestedOption);
        }
        let name = format!("${}", word(input)?);
        spaces(input)?;
        if !eat(input, '=')? {
            input.reset(&start);
            return fail(input, Expected::NestedOption);
        }
        let at = input.current_token_start();
        let Some(option) = SystemOption::named(&name) else {
            return Err(Failure {
                at,
                cause: Cause::Unknown(name),
            });
        };
        if seen.contains(&option) {
            return Err(Failure {
                at,
                cause: Cause::Repeated(name),
            });
        }
        seen.push(option);
        value(option, input, query)?;
        if eat(input, ')')? {
            return Ok(());
        }
        if !eat(input, ';')? {
            return fail(input, Expected::ClosingBracket);
        }
    }
}

// Expressions, loosest binding first.

fn condition(input: &mut Input<'_>) -> Parsed<Expr> {
    let start = input.current_token_start();
    let expr = either(input)?;
    if is_condition(&expr) {
        Ok(expr)
    } else {
        Err(Failure {
            at: start,
            cause: Cause::Expected(Expected::Condition),
        })
    }
}

fn either(input: &mut Input<'_>) -> Parsed<Expr> {
    chain(input, "or", both, Expr::Or)
}

fn both(input: &mut Input<'_>) -> Parsed<Expr> {
    chain(input, "and", negation, Expr::And)
}

/// `part (joint part)*`, flat.
fn chain(
    input: &mut Input<'_>,
    joint: &str,
    part: fn(&mut Input<'_>) -> Parsed<Expr>,
    joined: fn(Vec<Expr>) -> Expr,
) -> Parsed<Expr> {
    let mut start = input.current_token_start();
    let first = part(input)?;
    let mut parts = vec![first];
    while keyword(input, joint)? {
        let last_is_condition = parts.last().is_some_and(is_condition);
        if !last_is_condition {
            return Err(Failure {
                at: start,
                cause: Cause::Expected(Expected::Condition),
            });
        }
        start = input.current_token_start();
        parts.push(part(input)?);
    }
    if parts.len() == 1 {
        // The loop above pushed nothing, so there is exactly one to take out.
        return parts.pop().ok_or(Failure {
            at: start,
            cause: Cause::Expected(Expected::Condition),
        });
    }
    if !parts.last().is_some_and(is_condition) {
        return Err(Failure {
            at: start,
            cause: Cause::Expected(Expected::Condition),
        });
    }
    Ok(joined(parts))
}

fn negation(input: &mut Input<'_>) -> Parsed<Expr> {
    if !keyword(input, "not")? {
        return comparison(input);
    }
    let start = input.current_token_start();
    let negated = nested(input, negation)?;
    if is_condition(&negated) {
        Ok(Expr::Not(Box::new(negated)))
    } else {
        Err(Failure {
            at: start,
            cause: Cause::Expected(Expected::Condition),
        })
    }
}

fn comparison(input: &mut Input<'_>) -> Parsed<Expr> {
    let left = operand(input)?;
    let before = input.checkpoint();
    spaces(input)?;
    let operator = word(input)?.to_ascii_lowercase();
    let comparison = match operator.as_str() {
        "eq" => Comparison::Equal,
        "ne" => Comparison::NotEqual,
        "gt" => Comparison::Greater,
        "ge" => Comparison::GreaterOrEqual,
        "lt" => Comparison::Less,
        "le" => Comparison::LessOrEqual,
        "in" => return Ok(Expr::In(Box::new(left), members(input)?)),
        "and" | "or" => {
            input.reset(&before);
            return Ok(left);
        }
        "" if input.input.is_empty() || input.input.starts_with([')', ',', ';']) => {
            return Ok(left);
        }
        _ => {
            input.reset(&before);
            spaces(input)?;
            return fail(input, Expected::Operator);
        }
    };
    spaces(input)?;
    let right = operand(input)?;
    Ok(Expr::Compare(Box::new(left), comparison, Box::new(right)))
}

/// `('a','b')` after `in`.
fn members(input: &mut Input<'_>) -> Parsed<Vec<Literal>> {
    spaces(input)?;
    if !eat(input, '(')? {
        return fail(input, Expected::OpeningBracket);
    }
    let members = list(input, |input| match constant(input)? {
        Some(literal) => Ok(literal),
        None => fail(input, Expected::Value),
    })?;
    close(input)?;
    Ok(members)
}

fn operand(input: &mut Input<'_>) -> Parsed<Expr> {
    spaces(input)?;
    if eat(input, '(')? {
        let inside = nested(input, either)?;
        close(input)?;
        return Ok(inside);
    }
    if let Some(literal) = constant(input)? {
        return Ok(Expr::Literal(literal));
    }
    let start = input.current_token_start();
    let path = path(input)?;
    if !matches!(path.as_slice(), [_]) || !next_is(input, '(') {
        return Ok(Expr::Property(path));
    }
    let function = path
        .first()
        .and_then(|name| Function::named(name.written()));
    let Some(function) = function else {
        return Err(Failure {
            at: start,
            cause: Cause::Expected(Expected::KnownFunction),
        });
    };
    eat(input, '(')?;
    let arguments = nested(input, |input| list(input, operand))?;
    if arguments.len() != function.arguments() {
        return Err(Failure {
            at: start,
            cause: Cause::Expected(Expected::Arguments),
        });
    }
    close(input)?;
    Ok(Expr::Call(function, arguments))
}

fn is_condition(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(literal) => matches!(literal, Literal::Boolean(_) | Literal::Null),
        Expr::Call(function, _) => {
            matches!(
                function,
                Function::Contains | Function::StartsWith | Function::EndsWith
            )
        }
        Expr::Property(_)
        | Expr::Not(_)
        | Expr::And(_)
        | Expr::Or(_)
        | Expr::Compare(..)
        | Expr::In(..) => true,
    }
}

impl Function {
    fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "contains" => Self::Contains,
            "startswith" => Self::StartsWith,
            "endswith" => Self::EndsWith,
            "tolower" => Self::ToLower,
            "toupper" => Self::ToUpper,
            "trim" => Self::Trim,
            "length" => Self::Length,
            "indexof" => Self::IndexOf,
            "concat" => Self::Concat,
            _ => return None,
        })
    }

    fn arguments(self) -> usize {
        match self {
            Self::ToLower | Self::ToUpper | Self::Trim | Self::Length => 1,
            Self::Contains | Self::StartsWith | Self::EndsWith | Self::IndexOf | Self::Concat => 2,
        }
    }
}

// Plain values.

fn whole_number(input: &mut Input<'_>) -> Parsed<usize> {
    let start = input.checkpoint();
    let digits = take_while(0.., |letter: char| letter.is_ascii_digit()).parse_next(input)?;
    match digits.parse() {
        Ok(number) if at_a_border(input) => Ok(number),
        _ => {
            input.reset(&start);
            fail(input, Expected::WholeNumber)
        }
    }
}

fn true_or_false(input: &mut Input<'_>) -> Parsed<bool> {
    let start = input.checkpoint();
    match word(input)?.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => {
            input.reset(&start);
            fail(input, Expected::TrueOrFalse)
        }
    }
}

/// Answers are JSON whatever is asked; another format asked for is refused.
fn format(input: &mut Input<'_>) -> Parsed<()> {
    let start = input.checkpoint();
    let wanted = take_while(0.., |_| true)
        .parse_next(input)?
        .trim()
        .to_ascii_lowercase();
    if wanted == "json" || wanted.starts_with("application/json") {
        return Ok(());
    }
    input.reset(&start);
    fail(input, Expected::Json)
}

// Lists and paths.

/// `item (, item)*`, at least one.
fn list<T>(
    input: &mut Input<'_>,
    mut item: impl FnMut(&mut Input<'_>) -> Parsed<T>,
) -> Parsed<Vec<T>> {
    let mut items = Vec::new();
    loop {
        spaces(input)?;
        if items.len() == MAX_ITEMS {
            return limit(input, Limit::Items(MAX_ITEMS));
        }
        items.push(item(input)?);
        spaces(input)?;
        if !eat(input, ',')? {
            return Ok(items);
        }
    }
}

fn path(input: &mut Input<'_>) -> Parsed<Vec<Name>> {
    let mut names = vec![Name::new(name(input)?)];
    while eat(input, '/')? {
        if names.len() == MAX_NESTING {
            return limit(input, Limit::Nesting(MAX_NESTING));
        }
        names.push(Name::new(name(input)?));
    }
    Ok(names)
}
