//! Values written in the text of an option: quoted texts, numbers, moments.

use jiff::Timestamp;
use rust_decimal::Decimal;
use winnow::Parser as _;
use winnow::stream::Stream as _;
use winnow::token::take_while;

use super::super::fault::Expected;
use super::super::moment;
use super::Literal;
use super::text::{Input, Parsed, eat, fail, next_is, spaces};

/// A literal, or `None` where a name stands.
pub(super) fn constant(input: &mut Input<'_>) -> Parsed<Option<Literal>> {
    spaces(input)?;
    if next_is(input, '\'') {
        return quoted(input).map(|text| Some(Literal::Text(text)));
    }
    if let Some(guid) = guid(input)? {
        return Ok(Some(Literal::Text(guid)));
    }
    if input
        .input
        .starts_with(|letter: char| letter.is_ascii_digit() || letter == '-')
    {
        return number_or_moment(input).map(Some);
    }
    let start = input.checkpoint();
    // `Cleverence.Warehouse.CreatedBy'Server'`, `duration'PT1M'`: the type says
    // nothing that the text does not.
    let typed = take_while(0.., |letter: char| {
        letter.is_alphanumeric() || letter == '.' || letter == '_'
    })
    .parse_next(input)?;
    let literal = match typed {
        "" => None,
        _ if next_is(input, '\'') => return quoted(input).map(|text| Some(Literal::Text(text))),
        _ if next_is(input, '/') || next_is(input, '(') => None,
        _ if typed.eq_ignore_ascii_case("null") => Some(Literal::Null),
        _ if typed.eq_ignore_ascii_case("true") => Some(Literal::Boolean(true)),
        _ if typed.eq_ignore_ascii_case("false") => Some(Literal::Boolean(false)),
        _ => None,
    };
    if literal.is_none() {
        input.reset(&start);
    }
    Ok(literal)
}

fn quoted(input: &mut Input<'_>) -> Parsed<String> {
    eat(input, '\'')?;
    let mut text = String::new();
    loop {
        text.push_str(take_while(0.., |letter| letter != '\'').parse_next(input)?);
        if !eat(input, '\'')? {
            return fail(input, Expected::ClosingQuote);
        }
        if !eat(input, '\'')? {
            return Ok(text);
        }
        text.push('\'');
    }
}

/// A GUID without quotes; ids are texts here.
fn guid(input: &mut Input<'_>) -> Parsed<Option<String>> {
    let start = input.checkpoint();
    let token = take_while(0.., |letter: char| {
        letter.is_ascii_hexdigit() || letter == '-'
    })
    .parse_next(input)?;
    let groups = token.split('-').map(str::len);
    if groups.eq([8, 4, 4, 4, 12]) {
        return Ok(Some(token.to_owned()));
    }
    input.reset(&start);
    Ok(None)
}

fn number_or_moment(input: &mut Input<'_>) -> Parsed<Literal> {
    let start = input.checkpoint();
    let token = take_while(1.., |letter: char| {
        letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | ':' | '+')
    })
    .parse_next(input)?;
    if let Some(number) = number(token) {
        return Ok(Literal::Number(number));
    }
    if let Some(moment) = shifted_moment(token, input)? {
        return Ok(Literal::Moment(moment));
    }
    if let Some(moment) = moment::parse(token).or_else(|| moment::parse_date(token)) {
        return Ok(Literal::Moment(moment));
    }
    input.reset(&start);
    fail(
        input,
        if token.contains(':') {
            Expected::DateTime
        } else {
            Expected::Value
        },
    )
}

fn number(token: &str) -> Option<Decimal> {
    if token.starts_with('+') || token.ends_with('.') {
        return None;
    }
    token
        .parse()
        .ok()
        .or_else(|| Decimal::from_scientific(token).ok())
}

/// A moment whose `+` an unencoded query turned into a space:
/// `2023-11-01T10:00:00 0500`.
fn shifted_moment(token: &str, input: &mut Input<'_>) -> Parsed<Option<Timestamp>> {
    if !token.contains('T') || token.ends_with('Z') {
        return Ok(None);
    }
    let start = input.checkpoint();
    if eat(input, ' ')? {
        let zone = take_while(0.., |letter: char| letter.is_ascii_digit() || letter == ':')
            .parse_next(input)?;
        if matches!(zone.len(), 4 | 5)
            && let Some(moment) = moment::parse(&format!("{token}+{zone}"))
        {
            return Ok(Some(moment));
        }
    }
    input.reset(&start);
    Ok(None)
}
