//! Clocks of a process and the term of a lease. Tests inject others.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::BoxFuture;

use super::super::holder::now_millis;

/// Clocks of a process.
pub(super) trait Clock: fmt::Debug + Send + Sync {
    /// Monotonic time since any point.
    fn monotonic(&self) -> Duration;
    /// Wall clock, in milliseconds since 1970. Those of two machines may differ by hours.
    fn wall_millis(&self) -> u64;
    /// Waits.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// Clocks of this machine.
#[derive(Debug)]
struct SystemClock(Instant);

impl Clock for SystemClock {
    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
    fn wall_millis(&self) -> u64 {
        now_millis()
    }
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Durations of a lease, measured by the clocks of this process.
#[derive(Clone, Debug)]
pub(super) struct Timing {
    /// Time after which an unchanged lease expires.
    pub term: Duration,
    /// Longest time between the start of a call and its effect.
    pub longest_call: Duration,
    pub clock: Arc<dyn Clock>,
}

impl Timing {
    pub(super) fn system(term: Duration, longest_call: Duration) -> Timing {
        Timing { term, longest_call, clock: Arc::new(SystemClock(Instant::now())) }
    }

    /// Validity of a renewal: less than the term, so that a holder stops before the lease expires.
    pub(super) fn validity(&self) -> Duration {
        self.term * 2 / 3
    }

    /// Time for which a contender must see the lease unchanged. The holder makes no call after the term, and none is under way after that.
    pub(super) fn takeover_delay(&self) -> Duration {
        self.term + self.longest_call
    }

    pub(super) fn now(&self) -> SuspendAwareInstant {
        SuspendAwareInstant { monotonic: self.clock.monotonic(), wall: self.clock.wall_millis() }
    }
}

/// A point in time, on both clocks: the monotonic clock may stop while the machine sleeps, and the wall clock may be set back.
#[derive(Clone, Copy, Debug)]
pub(super) struct SuspendAwareInstant {
    monotonic: Duration,
    wall: u64,
}

impl SuspendAwareInstant {
    pub(super) fn elapsed(&self, timing: &Timing) -> Duration {
        let wall = Duration::from_millis(timing.clock.wall_millis().saturating_sub(self.wall));
        timing.clock.monotonic().saturating_sub(self.monotonic).max(wall)
    }
}
