//! Spaces requests in time, for everybody who shares one limit.
//!
//! The provider allows two requests a second for each account and region, shared with all its other callers. The
//! surprising fact: a refusal slows everybody down, and they speed up again only little by little, since whoever else
//! uses the limit goes on doing so.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// How fast to ask, and how long to insist.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Between two requests.
    pub(crate) spacing: Duration,
    /// Requests that may go out at once after a rest.
    pub(crate) burst: u32,
    /// After a first refusal or failure; doubles with each further one.
    pub(crate) pause: Duration,
    /// Refusals in a row after which the stream is given up.
    pub(crate) refusals: u32,
    /// Failures in a row after which the stream is given up.
    pub(crate) failures: u32,
}

impl Pace {
    /// A share of the provider's limit. Refusals are waited out for about five minutes.
    pub(crate) fn of_share(share: f64) -> Self {
        let spacing = Duration::from_secs_f64(0.5 / share);
        Self { spacing, burst: 1, pause: Duration::from_secs(1), refusals: 10, failures: 4 }
    }

    /// So many requests a second, and the usual patience of [`crate::http`].
    pub(crate) fn of_rate(rate: f64, burst: u32) -> Self {
        Self { spacing: Duration::from_secs_f64(1.0 / rate), burst, ..Self::of_share(1.0) }
    }

    /// How long to wait after the `count`th refusal or failure in a row.
    pub(crate) fn pause_after(&self, count: u32) -> Duration {
        self.pause * 2u32.pow(count.saturating_sub(1).min(6))
    }
}

/// One limit.
#[derive(Debug)]
pub(crate) struct Limiter {
    pace: Pace,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    next: Instant,
    spacing: Duration,
}

impl Limiter {
    pub(crate) fn new(pace: Pace) -> Self {
        // At first it has rested.
        let now = Instant::now();
        let next = now.checked_sub(pace.spacing * pace.burst.saturating_sub(1)).unwrap_or(now);
        Self { pace, state: Mutex::new(State { next, spacing: pace.spacing }) }
    }

    pub(crate) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Nobody's turn comes before so much time has passed.
    pub(crate) fn rest(&self, time: Duration) {
        let mut state = self.state();
        state.next = state.next.max(Instant::now() + time);
    }

    /// Waits for one's turn.
    pub(crate) async fn turn(&self) {
        let turn = {
            let mut state = self.state();
            let now = Instant::now();
            // The times of the turns that a rest has saved up lie in the past.
            let saved = state.spacing * self.pace.burst.saturating_sub(1);
            let turn = state.next.max(now.checked_sub(saved).unwrap_or(now));
            state.next = turn + state.spacing;
            turn
        };
        sleep_until(turn).await;
    }

    /// After the `count`th refusal in a row: everybody pauses, and goes on at half the speed.
    pub(crate) fn refused(&self, count: u32) {
        let mut state = self.state();
        state.spacing = (state.spacing * 2).min(self.pace.spacing * 8);
        state.next = state.next.max(Instant::now() + self.pace.pause_after(count));
    }

    /// After a success: a little faster, up to the share.
    pub(crate) fn succeeded(&self) {
        let mut state = self.state();
        state.spacing = (state.spacing * 9 / 10).max(self.pace.spacing);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn requests_are_spaced_however_many_ask() {
        let limiter = Limiter::new(Pace::of_share(0.75));
        let start = Instant::now();
        let turns = (0..10).map(|_| limiter.turn());
        for turn in turns.collect::<Vec<_>>() {
            turn.await;
        }
        let spent = start.elapsed();
        assert!(spent >= Duration::from_millis(5_990) && spent < Duration::from_millis(6_100), "{spent:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_rest_a_burst_goes_out_at_once() {
        let limiter = Limiter::new(Pace::of_rate(1.0, 3));
        tokio::time::sleep(Duration::from_mins(1)).await;
        let start = Instant::now();
        for expected in [0, 0, 0, 1, 2] {
            limiter.turn().await;
            assert_eq!(start.elapsed().as_secs(), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_pauses_and_slows_and_successes_recover() {
        let limiter = Limiter::new(Pace::of_share(1.0));
        limiter.turn().await;
        let start = Instant::now();
        limiter.refused(3);
        limiter.turn().await;
        assert!(start.elapsed() >= Duration::from_secs(4));
        let start = Instant::now();
        limiter.turn().await;
        assert!(start.elapsed() >= Duration::from_millis(990), "half the speed");
        for _ in 0..20 {
            limiter.succeeded();
        }
        limiter.turn().await;
        let start = Instant::now();
        limiter.turn().await;
        assert!(start.elapsed() <= Duration::from_millis(510), "full speed");
    }

    #[test]
    fn pauses_double_up_to_a_minute() {
        let pace = Pace::of_share(0.75);
        let pauses: Vec<u64> = [1, 2, 3, 7, 50].map(|count| pace.pause_after(count).as_secs()).into();
        assert_eq!(pauses, [1, 2, 4, 64, 64]);
    }
}
