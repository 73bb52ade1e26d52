//! The text of an option while it is being read: words, signs, and where it
//! stopped being understood.

use winnow::Parser as _;
use winnow::combinator::opt;
use winnow::error::ParserError;
use winnow::stream::{LocatingSlice, Location as _, Stateful, Stream as _};
use winnow::token::{literal, take_while};

use super::super::fault::{Expected, Limit};

/// Brackets, `not` and calls inside each other.
pub(super) const MAX_NESTING: usize = 32;

pub(super) type Input<'i> = Stateful<LocatingSlice<&'i str>, Nesting>;
pub(super) type Parsed<T> = Result<T, Failure>;

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Nesting {
    pub(super) brackets: usize,
    pub(super) expands: usize,
}

/// Where and why the text stops being understood.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) at: usize,
    pub(super) cause: Cause,
}

#[derive(Debug)]
pub(super) enum Cause {
    Expected(Expected),
    Limit(Limit),
    Unknown(String),
    Repeated(String),
}

impl<'i> ParserError<Input<'i>> for Failure {
    type Inner = Self;

    fn from_input(input: &Input<'i>) -> Self {
        Self {
            at: input.current_token_start(),
            cause: Cause::Expected(Expected::Value),
        }
    }

    fn into_inner(self) -> Result<Self::Inner, Self> {
        Ok(self)
    }
}

pub(super) fn name<'i>(input: &mut Input<'i>) -> Parsed<&'i str> {
    let name = take_while(0.., |letter: char| {
        letter.is_alphanumeric() || matches!(letter, '_' | '.')
    })
    .parse_next(input)?;
    if name.is_empty() {
        fail(input, Expected::Name)
    } else {
        Ok(name)
    }
}

pub(super) fn word<'i>(input: &mut Input<'i>) -> Parsed<&'i str> {
    take_while(0.., |letter: char| {
        letter.is_alphanumeric() || letter == '_'
    })
    .parse_next(input)
}

/// Takes `wanted` with the spaces around it, if it stands there as a word of
/// its own.
pub(super) fn keyword(input: &mut Input<'_>, wanted: &str) -> Parsed<bool> {
    let start = input.checkpoint();
    spaces(input)?;
    if word(input)?.eq_ignore_ascii_case(wanted) && (next_is(input, ' ') || next_is(input, '(')) {
        spaces(input)?;
        return Ok(true);
    }
    input.reset(&start);
    Ok(false)
}

pub(super) fn nested<T>(
    input: &mut Input<'_>,
    inside: impl FnOnce(&mut Input<'_>) -> Parsed<T>,
) -> Parsed<T> {
    input.state.brackets += 1;
    if input.state.brackets > MAX_NESTING {
        return limit(input, Limit::Nesting(MAX_NESTING));
    }
    let parsed = inside(input)?;
    input.state.brackets -= 1;
    Ok(parsed)
}

pub(super) fn close(input: &mut Input<'_>) -> Parsed<()> {
    spaces(input)?;
    if eat(input, ')')? {
        Ok(())
    } else {
        fail(input, Expected::ClosingBracket)
    }
}

pub(super) fn spaces(input: &mut Input<'_>) -> Parsed<()> {
    take_while(0.., [' ', '\t', '\r', '\n'])
        .void()
        .parse_next(input)
}

pub(super) fn eat(input: &mut Input<'_>, sign: char) -> Parsed<bool> {
    opt(literal(sign))
        .parse_next(input)
        .map(|eaten: Option<&str>| eaten.is_some())
}

pub(super) fn next_is(input: &Input<'_>, sign: char) -> bool {
    input.input.starts_with(sign)
}

pub(super) fn at_a_border(input: &Input<'_>) -> bool {
    !input
        .input
        .starts_with(|letter: char| letter.is_alphanumeric() || letter == '.')
}

pub(super) fn end(input: &mut Input<'_>) -> Parsed<()> {
    if input.input.is_empty() {
        Ok(())
    } else {
        fail(input, Expected::End)
    }
}

pub(super) fn fail<T>(input: &Input<'_>, expected: Expected) -> Parsed<T> {
    Err(Failure {
        at: input.current_token_start(),
        cause: Cause::Expected(expected),
    })
}

pub(super) fn limit<T>(input: &Input<'_>, limit: Limit) -> Parsed<T> {
    Err(Failure {
        at: input.current_token_start(),
        cause: Cause::Limit(limit),
    })
}
