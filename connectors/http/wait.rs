//! How long a system wants to be left alone, out of the headers of its answer.
//!
//! The surprising fact: a time is measured against the answer's own clock, since this machine's may be wrong.

use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

/// Headers in which systems say when more may be asked: seconds from now, or seconds since 1970.
const RESETS: &[&str] = &["x-ratelimit-reset", "x-rate-limit-reset", "ratelimit-reset", "x-ratelimit-reset-after"];
/// Headers in which systems say how much may still be asked.
const REMAINING: &[&str] = &["x-ratelimit-remaining", "x-rate-limit-remaining", "ratelimit-remaining"];
/// A number from here on is a time, not a number of seconds to wait.
const TIMES: u64 = 100_000_000;

/// `Retry-After`, or one of the system's `own` headers, else the reset of a rate limit that is used up: which a refusal
/// for too many requests (429) says, unless it says otherwise.
pub(crate) fn wait(status: u16, headers: &HeaderMap, own: &[HeaderName]) -> Option<Duration> {
    if let Some(text) = own.iter().chain([&RETRY_AFTER]).find_map(|name| text(headers, name.as_str())) {
        return duration(text, headers);
    }
    let is_said = REMAINING.iter().any(|name| headers.contains_key(*name));
    let is_over = is_used_up(headers) || (status == 429 && !is_said);
    is_over.then(|| RESETS.iter().find_map(|name| duration(text(headers, name)?, headers))).flatten()
}

/// Whether the answer says that nothing more may be asked for now.
pub(crate) fn is_used_up(headers: &HeaderMap) -> bool {
    REMAINING
        .iter()
        .any(|name| text(headers, name).is_some_and(|text| text.parse::<f64>().is_ok_and(|left| left < 1.0)))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn duration(text: &str, headers: &HeaderMap) -> Option<Duration> {
    let now = || self::text(headers, DATE.as_str()).and_then(|text| jiff::fmt::rfc2822::parse(text).ok());
    if let Ok(number) = text.parse::<u64>() {
        if number < TIMES {
            return Some(Duration::from_secs(number));
        }
        // Some say it in milliseconds.
        let second = if number >= TIMES * 1_000 { number / 1_000 } else { number };
        let now = u64::try_from(now()?.timestamp().as_second()).ok()?;
        return Some(Duration::from_secs(second.saturating_sub(now)));
    }
    let until = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(until.duration_since(now()?.timestamp())).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().expect("a header")));
        pairs.collect()
    }

    fn asked(headers: &HeaderMap) -> Option<Duration> {
        wait(403, headers, &[])
    }

    #[test]
    fn a_header_of_the_systems_own_is_obeyed() {
        let own = [HeaderName::from_static("x-try-in")];
        assert_eq!(wait(403, &headers(&[("x-try-in", "7")]), &own), Some(Duration::from_secs(7)));
        assert_eq!(wait(403, &headers(&[("retry-after", "9")]), &own), Some(Duration::from_secs(9)));
    }

    #[test]
    fn retry_after_is_seconds_or_a_time() {
        assert_eq!(asked(&headers(&[("retry-after", "17")])), Some(Duration::from_secs(17)));
        let at = |text| headers(&[("retry-after", text), ("date", "Wed, 21 Oct 2026 07:28:00 GMT")]);
        assert_eq!(asked(&at("Wed, 21 Oct 2026 07:28:05 GMT")), Some(Duration::from_secs(5)));
        assert_eq!(asked(&at("Wed, 21 Oct 2026 07:27:00 GMT")), Some(Duration::ZERO));
        assert_eq!(asked(&headers(&[("retry-after", "Wed, 21 Oct 2026 07:28:05 GMT")])), None);
        for odd in ["", "-1", "soon", "99999999999999999999"] {
            assert_eq!(asked(&at(odd)), None, "{odd}");
        }
        assert_eq!(asked(&headers(&[])), None);
    }

    #[test]
    fn a_reset_counts_where_the_limit_is_used_up() {
        let date = ("date", "Wed, 21 Oct 2026 07:28:00 GMT");
        let reset = ("x-ratelimit-reset", "1792567740");
        assert_eq!(asked(&headers(&[date, reset, ("x-ratelimit-remaining", "0")])), Some(Duration::from_mins(1)));
        assert_eq!(asked(&headers(&[date, reset, ("x-ratelimit-remaining", "3")])), None);
        assert_eq!(asked(&headers(&[date, reset])), None);
        assert_eq!(wait(429, &headers(&[date, reset]), &[]), Some(Duration::from_mins(1)));
        assert_eq!(wait(429, &headers(&[date, reset, ("x-ratelimit-remaining", "3")]), &[]), None);
        assert_eq!(
            asked(&headers(&[("x-rate-limit-reset", "30"), ("x-rate-limit-remaining", "0")])),
            Some(Duration::from_secs(30))
        );
        assert!(is_used_up(&headers(&[("ratelimit-remaining", "0")])) && !is_used_up(&headers(&[date])));
    }
}
