//! Points in time: local time for people, UTC for programs.

use jiff::{Timestamp, Unit, tz::TimeZone};

/// Milliseconds since 1970 as local time: `2026-08-14 09:30`.
pub fn local(milliseconds: u64) -> String {
    timestamp(milliseconds).to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string()
}

/// Milliseconds since 1970 in RFC 3339, UTC: `2026-08-14T07:30:05Z`.
pub fn utc(milliseconds: u64) -> String {
    let timestamp = timestamp(milliseconds);
    timestamp.round(Unit::Second).unwrap_or(timestamp).to_string()
}

fn timestamp(milliseconds: u64) -> Timestamp {
    i64::try_from(milliseconds).ok().and_then(|at| Timestamp::from_millisecond(at).ok()).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_times_as_rfc_3339() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(1_786_692_605_000), "2026-08-14T07:30:05Z");
        assert_eq!(utc(u64::MAX), Timestamp::MAX.round(Unit::Second).unwrap_or(Timestamp::MAX).to_string());
    }
}
