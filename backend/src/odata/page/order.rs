//! `$orderby`: a total order over whatever an open type holds.
//!
//! Values are classed before they are compared (nothing, then truth values,
//! numbers, moments, texts, the rest), so that a column of mixed values sorts
//! the same way each time and the sort never meets a contradiction.

use std::cmp::Ordering;

use jiff::Timestamp;

use super::super::query::{Direction, Order};
use super::super::{Entity, moment};
use super::verdict::{Number, Operand, operand};

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Nothing,
    Truth(bool),
    Number(Number),
    Moment(Timestamp),
    Text(String),
    Rest,
}

/// Sorts in place; equal rows keep their order.
pub(super) fn sort(rows: &mut Vec<Entity>, order_by: &[Order]) {
    let mut ranked: Vec<(Vec<Rank>, Entity)> = rows
        .drain(..)
        .map(|row| {
            (
                order_by
                    .iter()
                    .map(|order| rank(operand(&order.by, &row)))
                    .collect(),
                row,
            )
        })
        .collect();
    ranked.sort_by(|(a, _), (b, _)| {
        let mut by_column = a.iter().zip(b).zip(order_by).map(|((a, b), order)| {
            let ordering = a.cmp(b);
            match order.direction {
                Direction::Ascending => ordering,
                Direction::Descending => ordering.reverse(),
            }
        });
        by_column
            .find(|ordering| ordering.is_ne())
            .unwrap_or(Ordering::Equal)
    });
    rows.extend(ranked.into_iter().map(|(_, row)| row));
}

fn rank(operand: Operand<'_>) -> Rank {
    match operand {
        Operand::Null => Rank::Nothing,
        Operand::Boolean(truth) => Rank::Truth(truth),
        Operand::Number(number) => Rank::Number(number),
        Operand::Moment(moment) => Rank::Moment(moment),
        Operand::Text(text) => match moment::parse(&text) {
            Some(moment) => Rank::Moment(moment),
            None => Rank::Text(text.into_owned()),
        },
        Operand::Rest => Rank::Rest,
    }
}
