//! How far this machine's clock is from the system's, which every answer tells.
//!
//! What is asked for goes by the one, and what the records say goes by the other: where they differ by more than is read
//! again, what is new lies outside every window. The surprising fact: this goes by the machine's real clock, whatever
//! time the run is told to have.

use jiff::{SignedDuration, Timestamp};
use reqwest::header::{AGE, DATE, HeaderMap};

/// Beyond this it is told. No more than that: what answers may be a cache, or a copy that tells the time of the original.
pub(super) const MUCH: SignedDuration = SignedDuration::from_mins(5);

/// How much later it is there than `now`; negative: earlier. Nothing if the answer does not say.
pub(super) fn ahead(headers: &HeaderMap, now: Timestamp) -> Option<SignedDuration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let made = jiff::fmt::rfc2822::parse(text(DATE)?).ok()?.timestamp();
    // It may have lain in a cache.
    let age = text(AGE).map_or(Some(0), |age| age.parse().ok())?;
    Some(made.checked_add(SignedDuration::from_secs(age)).ok()?.duration_since(now))
}

/// In words, for whoever has to set it.
pub(super) fn words(ahead: SignedDuration) -> String {
    let minutes = ahead.as_mins().unsigned_abs();
    let side = if ahead.is_positive() { "behind" } else { "ahead of" };
    format!("the clock of this machine is {minutes} minutes {side} that of the system")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_what_time_it_is() {
        let now: Timestamp = "2026-11-01T10:00:00Z".parse().expect("a time");
        let told = |pairs: &[(&'static str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| {
                (reqwest::header::HeaderName::from_static(name), value.parse().expect("a header"))
            });
            ahead(&pairs.collect(), now).map(|ahead| ahead.as_mins())
        };
        for (date, expected) in [
            ("Sun, 01 Nov 2026 10:00:00 GMT", Some(0)),
            ("Sun, 01 Nov 2026 07:00:00 GMT", Some(-180)),
            ("Sun, 01 Nov 2026 10:06:00 GMT", Some(6)),
            ("yesterday", None),
        ] {
            assert_eq!(told(&[("date", date)]), expected, "{date}");
        }
        assert_eq!(told(&[]), None);
        let date = ("date", "Sun, 01 Nov 2026 07:00:00 GMT");
        assert_eq!(told(&[date, ("age", "10800")]), Some(0));
        assert_eq!(told(&[date, ("age", "old")]), None);
        assert_eq!(told(&[date, ("age", "9223372036854775807")]), None);
        assert_eq!(
            words(SignedDuration::from_mins(-180)),
            "the clock of this machine is 180 minutes ahead of that of the system"
        );
    }
}
