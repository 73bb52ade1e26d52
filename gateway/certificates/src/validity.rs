//! From when until when a certificate is good, and what follows from how much of that is left.

use std::time::{SystemTime, UNIX_EPOCH};

use openssl::{asn1::Asn1Time, asn1::Asn1TimeRef, x509::X509Ref};

pub const DAY: i64 = 24 * 60 * 60;

/// Seconds since the Unix epoch, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    pub from: i64,
    pub until: i64,
}

impl Validity {
    #[must_use]
    pub fn of(certificate: &X509Ref) -> Self {
        Self {
            from: seconds(certificate.not_before()),
            until: seconds(certificate.not_after()),
        }
    }

    #[must_use]
    pub fn has_begun(self, now: i64) -> bool {
        now >= self.from
    }

    #[must_use]
    pub fn has_ended(self, now: i64) -> bool {
        now > self.until
    }

    #[must_use]
    pub fn life(self) -> i64 {
        self.until - self.from
    }

    /// Seconds left; negative after the end.
    #[must_use]
    pub fn left(self, now: i64) -> i64 {
        self.until - now
    }

    /// Whole days left, rounded down.
    #[must_use]
    pub fn days_left(self, now: i64) -> i64 {
        self.left(now).div_euclid(DAY)
    }

    /// From here on a third of the life is left: time to renew.
    #[must_use]
    pub fn renew_from(self) -> i64 {
        self.until - self.life() / 3
    }
}

/// Seconds since the Unix epoch, by the system's clock: certificates know no other.
#[must_use]
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

/// A time that OpenSSL cannot read lies before everything: nothing that has it is valid.
fn seconds(time: &Asn1TimeRef) -> i64 {
    Asn1Time::from_unix(0)
        .and_then(|epoch| epoch.diff(time))
        .map_or(i64::MIN / 4, |diff| {
            i64::from(diff.days) * DAY + i64::from(diff.secs)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewal_begins_when_a_third_is_left() {
        let validity = Validity {
            from: 0,
            until: 90 * DAY,
        };
        assert_eq!(validity.renew_from(), 60 * DAY);
        assert!(!validity.has_ended(90 * DAY));
        assert!(validity.has_ended(90 * DAY + 1));
        assert_eq!(validity.days_left(90 * DAY + 1), -1);
    }
}
