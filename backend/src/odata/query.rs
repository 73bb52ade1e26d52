//! The query options of a request as one tree.
//!
//! Names stay as clients wrote them ([`Name`] finds them in any spelling);
//! unknown names are legal everywhere because types are open. What is not
//! understood is a fault, never a guess: a wrong `$filter` that is ignored
//! hands out rows.

mod grammar;
mod literal;
mod text;

use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use rust_decimal::Decimal;

use super::fault::{Fault, Limit};
use super::names::Name;

/// The longest query string that is looked at; design §4 bounds the request
/// line to the same.
const MAX_BYTES: usize = 16 * 1024;

/// The options of a request, or of one `$expand` item.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Query {
    pub(crate) filter: Option<Expr>,
    /// `None` where everything is wanted.
    pub(crate) select: Option<Vec<Name>>,
    pub(crate) expand: Vec<Expand>,
    pub(crate) order_by: Vec<Order>,
    pub(crate) top: Option<usize>,
    pub(crate) skip: usize,
    /// `$count=true`: the number of rows before paging goes into the answer.
    pub(crate) count: bool,
}

/// One navigation property to fill in, with the options for its rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expand {
    pub(crate) of: Wanted,
    pub(crate) query: Query,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// `$expand=*`: every navigation property, one level deep.
    All,
    Named(Name),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Order {
    pub(crate) by: Expr,
    pub(crate) direction: Direction,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Ascending,
    Descending,
}

/// An expression of `$filter` or `$orderby`. Chains of `and` and `or` are flat,
/// so that only brackets, `not` and calls nest.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    Literal(Literal),
    /// `name`, or `packing/id`.
    Property(Vec<Name>),
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
    Compare(Box<Self>, Comparison, Box<Self>),
    In(Box<Self>, Vec<Literal>),
    Call(Function, Vec<Self>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    Null,
    Boolean(bool),
    Number(Decimal),
    Text(String),
    Moment(Timestamp),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Contains,
    StartsWith,
    EndsWith,
    ToLower,
    ToUpper,
    Trim,
    Length,
    IndexOf,
    Concat,
}

impl Query {
    /// Reads a raw (percent-encoded) query string, without the `?`.
    ///
    /// Options without `$` are the client's own business and are passed over.
    ///
    /// # Errors
    /// Any [`Fault`]: a system option that is unknown, repeated or not understood.
    pub(crate) fn parse(raw: &str) -> Result<Self, Fault> {
        if raw.len() > MAX_BYTES {
            return Err(Fault::TooMuch {
                option: "query".to_owned(),
                limit: Limit::Bytes(MAX_BYTES),
            });
        }
        let mut query = Self::default();
        let mut seen = Vec::new();
        for pair in raw.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(name)?;
            let name = name.trim();
            if !name.starts_with('$') {
                continue;
            }
            let Some(option) = SystemOption::named(name) else {
                return Err(Fault::UnknownOption {
                    option: name.to_owned(),
                });
            };
            if seen.contains(&option) {
                return Err(Fault::RepeatedOption {
                    option: name.to_owned(),
                });
            }
            seen.push(option);
            grammar::whole_value(name, option, &decoded(value)?, &mut query)?;
        }
        Ok(query)
    }

    /// What is to be filled in for the navigation property `name`, if anything.
    pub(crate) fn expands(&self, name: &str) -> Option<&Expand> {
        let named = |expand: &&Expand| matches!(&expand.of, Wanted::Named(of) if of.is(name));
        let all = |expand: &&Expand| expand.of == Wanted::All;
        self.expand
            .iter()
            .find(named)
            .or_else(|| self.expand.iter().find(all))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SystemOption {
    Filter,
    Select,
    Expand,
    OrderBy,
    Top,
    Skip,
    Count,
    Format,
}

impl SystemOption {
    fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "$filter" => Self::Filter,
            "$select" => Self::Select,
            "$expand" => Self::Expand,
            "$orderby" => Self::OrderBy,
            "$top" => Self::Top,
            "$skip" => Self::Skip,
            "$count" => Self::Count,
            "$format" => Self::Format,
            _ => return None,
        })
    }
}

/// Form decoding as browsers write it: `+` is a space.
fn decoded(encoded: &str) -> Result<String, Fault> {
    if !is_well_encoded(encoded) {
        return Err(Fault::Encoding);
    }
    let spaced = encoded.replace('+', " ");
    let text = percent_decode_str(&spaced)
        .decode_utf8()
        .map_err(|_not_utf8| Fault::Encoding)?;
    Ok(text.into_owned())
}

/// Whether every `%` has its two hex digits; the decoder would let others stand.
pub(super) fn is_well_encoded(encoded: &str) -> bool {
    encoded.split('%').skip(1).all(|after| {
        let mut digits = after.bytes();
        matches!((digits.next(), digits.next()), (Some(a), Some(b))
            if a.is_ascii_hexdigit() && b.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests;
