//! Which time to ask for, in which pieces.
//!
//! Records arrive late, so every run reads some time before its cursor again, and some logs once a day the last two days.
//! Everything starts at a full hour. The surprising fact: that is not for tidiness. An hour is the unit that is
//! counted, and reading half of one would replace the count of the whole.

use jiff::{SignedDuration, Timestamp};

pub(crate) const HOUR: i64 = 3_600;
pub(crate) const DAY: i64 = 24 * HOUR;
/// How far back a stream is read. Seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reach {
    /// At first.
    pub(crate) first: i64,
    /// Again before the cursor, because records arrive late.
    pub(crate) overlap: i64,
    /// What the system keeps; `None` if it does not say.
    pub(crate) kept: Option<i64>,
    /// Again once a day, for what was delivered very late; 0 for never.
    pub(crate) sweep: i64,
    /// Length of the pieces that are counted: hours, or days.
    pub(crate) unit: i64,
}

/// The clouds' logs: no order and no time of delivery is promised, and 90 days are kept.
pub(crate) const CLOUD: Reach =
    Reach { first: 7 * DAY, overlap: HOUR, kept: Some(90 * DAY), sweep: 2 * DAY, unit: HOUR };

/// What a stream has to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    /// What should be read but is not kept any more.
    pub(crate) gap: Option<(Timestamp, Timestamp)>,
    /// Whether this is the sweep of the day.
    pub(crate) sweeps: bool,
}

/// What to read of a cloud's log at `now`, after having read to `cursor` and swept at `swept`; again from `since`, if given.
pub(crate) fn span(
    cursor: Option<Timestamp>,
    swept: Option<Timestamp>,
    since: Option<Timestamp>,
    now: Timestamp,
) -> Span {
    CLOUD.span(cursor, swept, since, now)
}

impl Reach {
    /// What to read up to `now`; see [`span`].
    pub(crate) fn span(
        &self,
        cursor: Option<Timestamp>,
        swept: Option<Timestamp>,
        since: Option<Timestamp>,
        now: Timestamp,
    ) -> Span {
        let floor = |time: Timestamp| floor(time, self.unit);
        // Set by a clock that was ahead: how far was read when it was right is not known.
        let (cursor, ahead) =
            (cursor.filter(|cursor| !is_ahead(*cursor, now)), cursor.is_some_and(|cursor| is_ahead(cursor, now)));
        let swept = swept.filter(|swept| !is_ahead(*swept, now));
        let due = now.min(cursor.unwrap_or(now)) - SignedDuration::from_secs(self.overlap);
        let mut start = match (cursor, since) {
            (None, since) if ahead => {
                let all = before(now, self.first.max(self.kept.unwrap_or(self.first)));
                since.map_or(all, |since| all.min(since))
            }
            (None, None) => before(now, self.first),
            (None, Some(since)) => since.min(now),
            (Some(_), None) => due,
            // What lies between the cursor and `since` must not be left out.
            (Some(_), Some(since)) => due.min(since),
        };
        let sweep = before(now, self.sweep);
        if self.sweep > 0 && cursor.is_some() && swept.is_none_or(|swept| swept <= before(now, DAY)) {
            start = start.min(sweep);
        }
        let sweeps = self.sweep > 0 && start <= sweep;
        start = floor(start);
        // What was read before the cursor is not missing, though it cannot be read again.
        let oldest = self.kept.map_or(start, |kept| floor(before(now, kept - self.unit)));
        let needed = match (cursor, since) {
            (Some(_), _) => floor(due),
            (None, Some(_)) if !ahead => start,
            // At first all that there is was asked for.
            (None, _) => start.max(oldest),
        };
        let gap = (needed < oldest).then_some((needed, oldest));
        Span { start: start.max(oldest), end: now.max(start.max(oldest)), gap, sweeps }
    }
}

/// Whether a cursor says that a time was read which is yet to come. Clocks may differ a little.
pub(crate) fn is_ahead(cursor: Timestamp, now: Timestamp) -> bool {
    cursor > now + SignedDuration::from_mins(5)
}

fn before(time: Timestamp, seconds: i64) -> Timestamp {
    time - SignedDuration::from_secs(seconds)
}

fn floor(time: Timestamp, unit: i64) -> Timestamp {
    at(time.as_second() - time.as_second().rem_euclid(unit))
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time near times that were given")
}

/// Pieces of at most a day, oldest first, each ending at midnight or at the end.
pub(crate) fn requests(start: Timestamp, end: Timestamp) -> Vec<(Timestamp, Timestamp)> {
    pieces(start, end, DAY)
}

/// The hours of a piece; the first and the last may be shorter.
pub(super) fn hours(start: Timestamp, end: Timestamp) -> Vec<(Timestamp, Timestamp)> {
    pieces(start, end, HOUR)
}

/// Pieces of at most `length` seconds, each ending at a multiple of it or at the end.
pub(crate) fn pieces(start: Timestamp, end: Timestamp, length: i64) -> Vec<(Timestamp, Timestamp)> {
    let mut pieces = Vec::new();
    let mut from = start;
    while from < end {
        let next = at(from.as_second() - from.as_second().rem_euclid(length) + length);
        let to = next.min(end);
        pieces.push((from, to));
        from = to;
    }
    pieces
}

/// The two halves of a piece, cut at a full second; `None` if it is not longer than one.
pub(crate) fn halves(start: Timestamp, end: Timestamp) -> Option<[(Timestamp, Timestamp); 2]> {
    let middle = at(i64::midpoint(start.as_second(), end.as_second() + 1));
    (start < middle && middle < end).then_some([(start, middle), (middle, end)])
}

/// The last moment of a piece, as the API wants it: its ends are both included, and an emulator's clock has fractions.
pub(crate) fn last_moment(end: Timestamp) -> Timestamp {
    end - SignedDuration::from_micros(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn check(cursor: &str, swept: &str, since: &str, start: &str, gap: Option<(&str, &str)>, sweeps: bool) {
        let optional = |text: &str| (!text.is_empty()).then(|| time(text));
        let now = time("2026-10-10T12:34:56.5Z");
        let span = span(optional(cursor), optional(swept), optional(since), now);
        let gap = gap.map(|(from, to)| (time(from), time(to)));
        assert_eq!(span, Span { start: time(start), end: now, gap, sweeps });
    }

    #[test]
    fn the_start_follows_from_cursor_sweep_and_since() {
        let (cursor, swept) = ("2026-10-10T11:10:00Z", "2026-10-10T01:00:00Z");
        check("", "", "", "2026-10-03T12:00:00Z", None, true);
        check("", "", "2026-10-10T10:30:00Z", "2026-10-10T10:00:00Z", None, false);
        check(cursor, swept, "", "2026-10-10T10:00:00Z", None, false);
        check(cursor, swept, "2026-10-10T12:00:00Z", "2026-10-10T10:00:00Z", None, false);
        check(cursor, swept, "2026-10-01T12:00:00Z", "2026-10-01T12:00:00Z", None, true);
        check(cursor, "2026-10-09T12:00:00Z", "", "2026-10-08T12:00:00Z", None, true);
        check(cursor, "", "", "2026-10-08T12:00:00Z", None, true);
        // a clock was ahead: all that is kept
        check("2027-01-01T00:00:00Z", swept, "", "2026-07-12T13:00:00Z", None, true);
        check(cursor, "2027-01-01T00:00:00Z", "", "2026-10-08T12:00:00Z", None, true);
        check("2026-10-10T12:36:00Z", swept, "", "2026-10-10T11:00:00Z", None, false);
    }

    #[test]
    fn what_is_not_kept_any_more_is_a_gap_unless_it_was_read_before() {
        let oldest = "2026-07-12T13:00:00Z";
        check("2026-06-01T10:30:00Z", "", "", oldest, Some(("2026-06-01T09:00:00Z", oldest)), true);
        check("", "", "2026-06-01T10:30:00Z", oldest, Some(("2026-06-01T10:00:00Z", oldest)), true);
        check("2026-10-10T11:10:00Z", "2026-10-10T01:00:00Z", "2026-06-01T10:30:00Z", oldest, None, true);
    }

    #[test]
    fn a_piece_is_halved_down_to_a_second() {
        let start = time("2026-10-10T12:00:00Z");
        let halves_of = |length: &str| halves(start, time(&format!("2026-10-10T12:00:{length}Z")));
        assert_eq!(halves_of("01"), None);
        assert_eq!(halves_of("00.5"), None);
        for length in ["02", "01.5", "03", "59.25"] {
            let [(from, middle), (again, to)] = halves_of(length).expect("two halves");
            assert!(from == start && middle == again && from < middle && middle < to);
            assert_eq!(middle.subsec_nanosecond(), 0);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn pieces_cover_the_span_without_gap_or_overlap(from in 0i64..4_000_000_000, length in 0i64..(120 * DAY), nanos in 0i32..1_000_000_000) {
            let (start, end) = (at(from), Timestamp::new(from + length, nanos).expect("a time"));
            for (pieces, longest) in [(requests(start, end), DAY), (hours(start, end), HOUR)] {
                let mut covered = start;
                for (from, to) in pieces {
                    prop_assert_eq!(from, covered);
                    prop_assert!(from < to && to - SignedDuration::from_secs(longest) <= from);
                    covered = to;
                }
                prop_assert_eq!(covered, end);
            }
        }

        #[test]
        fn hours_of_requests_are_the_hours_of_the_span(from in 0i64..4_000_000_000, length in 1i64..(5 * DAY)) {
            let (start, end) = (at(from), at(from + length));
            let parts: Vec<_> = requests(start, end).into_iter().flat_map(|(from, to)| hours(from, to)).collect();
            prop_assert_eq!(parts, hours(start, end));
        }

        #[test]
        fn the_span_reaches_from_the_cursor_to_now(
            now in 2_000_000_000i64..4_000_000_000,
            ago in prop::option::of(0i64..(200 * DAY)),
            swept in prop::option::of(0i64..(3 * DAY)),
            since in prop::option::of(0i64..(200 * DAY)),
        ) {
            let past = |ago: Option<i64>| ago.map(|ago| at(now - ago));
            let span = span(past(ago), past(swept), past(since), at(now));
            let from = span.gap.map_or(span.start, |gap| gap.0);
            prop_assert!(span.start <= span.end && span.end == at(now));
            if let Some((_, until)) = span.gap {
                prop_assert_eq!(until, span.start);
            }
            if let Some(cursor) = past(ago) {
                prop_assert!(from <= cursor);
            }
        }
    }
}
