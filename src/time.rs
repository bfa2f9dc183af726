//! Moments and durations as people write them: `7d`, `24h`, `2026-11-01`, `2026-11-01T09:30:00Z`.
//!
//! Everything is UTC: a date is its midnight, a time without a zone is UTC. What is relative is relative to a `now`
//! that the caller passes, so that nothing here reads a clock.

use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp, civil, tz::TimeZone};

/// A text that is no time or no duration.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TimeError {
    #[error("`{0}` is not a time: write 7d or 24h (ago), 2026-11-01, or 2026-11-01T09:30:00Z")]
    Moment(String),
    #[error("`{0}` is not a duration: write for example 30s, 5m, 24h or 7d")]
    Duration(String),
}

/// Reads a date or a time; `None` for anything else.
#[must_use]
pub fn parse_absolute(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    // What has an offset was read above: from here on only texts without one are accepted.
    let local = text.parse::<civil::DateTime>().ok()?;
    local.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// Reads a moment: a duration before `now`, a date, or a time.
///
/// # Errors
/// The text is none of these.
pub fn parse_moment(text: &str, now: Timestamp) -> Result<Timestamp, TimeError> {
    if let Some(moment) = parse_absolute(text) {
        return Ok(moment);
    }
    parse_duration(text)
        .ok()
        .and_then(|ago| SignedDuration::try_from(ago).ok())
        .and_then(|ago| now.checked_sub(ago).ok())
        .ok_or_else(|| TimeError::Moment(text.to_owned()))
}

/// Reads a duration such as `30s`, `5m`, `24h`, `7d` or `1h 30m`; a day has 24 hours.
///
/// # Errors
/// The text is no duration, or is negative.
pub fn parse_duration(text: &str) -> Result<Duration, TimeError> {
    let wrong = || TimeError::Duration(text.to_owned());
    let span: Span = text.trim().parse().map_err(|_| wrong())?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    Duration::try_from(duration).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn moments() {
        let now = at("2026-11-22T12:00:00Z");
        let check = |text: &str, expected: &str| {
            assert_eq!(parse_moment(text, now), Ok(at(expected)), "{text}");
        };
        check("7d", "2026-11-15T12:00:00Z");
        check("24h", "2026-11-21T12:00:00Z");
        check("2w", "2026-11-08T12:00:00Z");
        check("1h 30m", "2026-11-22T10:30:00Z");
        check("2026-11-01", "2026-11-01T00:00:00Z");
        check("2026-11-01T09:30:00Z", "2026-11-01T09:30:00Z");
        check("2026-11-01T09:30:00+01:00", "2026-11-01T08:30:00Z");
        check("2026-11-01 09:30", "2026-11-01T09:30:00Z");
    }

    #[test]
    fn what_is_no_moment() {
        let now = at("2026-11-22T12:00:00Z");
        for text in ["", "yesterday", "-7d", "7", "2026-13-01", "2026-11-01T25:00", "1mo", "9999999w"] {
            assert_eq!(parse_moment(text, now), Err(TimeError::Moment(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn durations() {
        assert_eq!(parse_duration("5m"), Ok(Duration::from_mins(5)));
        assert_eq!(parse_duration("0s"), Ok(Duration::ZERO));
        assert_eq!(parse_duration("7d"), Ok(Duration::from_hours(7 * 24)));
        for text in ["", "5", "-5m", "soon"] {
            assert_eq!(parse_duration(text), Err(TimeError::Duration(text.to_owned())));
        }
    }
}
