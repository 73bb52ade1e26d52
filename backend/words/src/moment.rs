//! A moment as people read it: by the clock on the wall where the program runs.

use backend_types::Language;
use jiff::{Timestamp, tz::TimeZone};

/// To the second, in this machine's time. What programs read is RFC 3339, and the log UTC.
#[must_use]
pub fn moment(at: Timestamp, language: Language) -> String {
    written(at, &TimeZone::system(), language)
}

fn written(at: Timestamp, zone: &TimeZone, language: Language) -> String {
    let local = zone.to_datetime(at);
    let form = match language {
        Language::Ru => "%d.%m.%Y %H:%M:%S",
        Language::En => "%Y-%m-%d %H:%M:%S",
    };
    local.strftime(form).to_string()
}

#[cfg(test)]
mod tests {
    use jiff::tz::Offset;

    use super::*;

    #[test]
    fn a_moment_is_written_as_each_language_has_it_in_the_machines_time() {
        let at: Timestamp = "2026-12-31T21:30:05.9Z".parse().unwrap();
        let moscow = TimeZone::fixed(Offset::constant(3));
        let of = |language| written(at, &moscow, language);
        assert_eq!(of(Language::Ru), "01.01.2027 00:30:05");
        assert_eq!(of(Language::En), "2027-01-01 00:30:05");
    }
}
