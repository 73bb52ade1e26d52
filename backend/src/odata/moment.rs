//! Points in time as they travel: ISO 8601 with a zone, microseconds at most.
//!
//! Clients write `Z`, `+05:00` and (Python's `%z`) `+0500`; "no date" is the
//! first moment of year 1.

use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;
use jiff::{Timestamp, Unit};

/// What a date property holds when there is no date.
pub(crate) const NO_DATE: &str = "0001-01-01T00:00:00Z";

/// Reads any of the clients' spellings; one without a zone is taken as UTC.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    if !looks_like_one(text) {
        return None;
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    let unzoned: DateTime = text.parse().ok()?;
    Offset::UTC.to_timestamp(unzoned).ok()
}

/// Reads a bare date as its first moment in UTC.
pub(crate) fn parse_date(text: &str) -> Option<Timestamp> {
    let date: Date = text.parse().ok()?;
    Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()
}

/// Writes a moment as seen at `offset`; anything up to the first day of year 1
/// is "no date".
pub(crate) fn write(moment: Timestamp, offset: Offset) -> String {
    let moment = moment.round(Unit::Microsecond).unwrap_or(moment);
    if parse(NO_DATE).is_some_and(|none| moment <= none) {
        return NO_DATE.to_owned();
    }
    if offset == Offset::UTC {
        moment.to_string()
    } else {
        moment.display_with_offset(offset).to_string()
    }
}

/// Four digits, a hyphen and a `T` in their places: enough to tell a moment
/// from a name or an id without parsing.
fn looks_like_one(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 16
        && bytes.iter().take(4).all(u8::is_ascii_digit)
        && bytes.get(4) == Some(&b'-')
        && bytes.get(7) == Some(&b'-')
        && bytes.get(10) == Some(&b'T')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn same(a: &str, b: &str) {
        assert_eq!(parse(a).unwrap(), parse(b).unwrap());
    }

    #[test]
    fn the_clients_spellings_are_one_moment() {
        same(
            "2023-11-01T10:00:00.000000+0500",
            "2023-11-01T10:00:00+05:00",
        );
        same("2023-11-01T10:00:00+05:00", "2023-11-01T05:00:00Z");
        same("2024-08-02T08:42:06.975Z", "2024-08-02T11:42:06.975+03:00");
        same("2024-08-02T08:42:06", "2024-08-02T08:42:06Z");
        same("0001-01-01T00:00:00", NO_DATE);
        assert_eq!(parse_date("2024-08-02"), parse("2024-08-02T00:00:00Z"));
    }

    #[test]
    fn what_is_no_moment_is_not_taken_for_one() {
        for text in [
            "",
            "2024-08-02",
            "2024-13-02T08:42:06Z",
            "21e6d501-e8c1-44e0-b0cd-f30a369b1822",
            "Иванов",
            "2024-08-02T08:42:06+99:00",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_moment_is_written_with_its_zone_and_no_date_as_year_one() {
        let moment = parse("2026-03-02T09:14:55.12+03:00").unwrap();
        assert_eq!(
            write(moment, Offset::constant(3)),
            "2026-03-02T09:14:55.12+03:00"
        );
        assert_eq!(write(moment, Offset::UTC), "2026-03-02T06:14:55.12Z");
        assert_eq!(write(parse(NO_DATE).unwrap(), Offset::constant(3)), NO_DATE);
    }
}
