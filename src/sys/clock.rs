//! Clocks: local time for display, and the boot-time clock, which goes on while the machine sleeps.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};

use super::time64::{self, Clock, Timespec};

/// A moment in local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// Year of the Gregorian calendar.
    pub year: i64,
    /// Month, 1 to 12.
    pub month: i32,
    /// Day of the month, 1 to 31.
    pub day: i32,
    /// Hour, 0 to 23.
    pub hour: i32,
    /// Minute, 0 to 59.
    pub minute: i32,
    /// Second, 0 to 60.
    pub second: i32,
    /// Seconds that local time is ahead of UTC.
    pub utc_offset: i32,
}

impl fmt::Display for Local {
    /// `2026-11-21 04:09:56 +0100`, the form of the events file (config §8).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, hour, minute, second, utc_offset } = self;
        let sign = if *utc_offset < 0 { '-' } else { '+' };
        let minutes = utc_offset.unsigned_abs() / 60;
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} ")?;
        write!(f, "{sign}{:02}{:02}", minutes / 60, minutes % 60)
    }
}

/// Wall time. In place of `SystemTime::now`, which panics on 32-bit musl from 19 January 2038 on: a router's clock may
/// show any year until it has been set.
#[must_use]
pub fn now() -> SystemTime {
    let Timespec { seconds, nanos } = time64::read(Clock::Wall);
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let wall = if seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
    wall.and_then(|wall| wall.checked_add(Duration::from_nanos(nanos.unsigned_abs()))).unwrap_or(UNIX_EPOCH)
}

/// Seconds since 1970-01-01 00:00 UTC, negative before.
#[must_use]
pub fn unix_seconds(wall: SystemTime) -> i64 {
    match wall.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(before) => {
            let before = before.duration();
            let whole = i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
            -whole - i64::from(before.subsec_nanos() > 0)
        }
    }
}

/// The moment in local time. A change of the time zone while the daemon runs is honoured, see [`time64::local`].
#[must_use]
pub fn local(wall: SystemTime) -> Local {
    local_of(unix_seconds(wall))
}

/// As [`local`], of a moment in seconds since 1970-01-01 00:00 UTC.
#[must_use]
pub fn local_of(unix: i64) -> Local {
    let Some(tm) = time64::local(unix) else {
        // Only for years beyond 32 bits: the clock is broken, and a stamp that shows it is enough.
        return Local { year: 0, month: 1, day: 1, hour: 0, minute: 0, second: 0, utc_offset: 0 };
    };
    Local {
        year: i64::from(tm.tm_year) + 1900,
        month: tm.tm_mon + 1,
        day: tm.tm_mday,
        hour: tm.tm_hour,
        minute: tm.tm_min,
        second: tm.tm_sec,
        utc_offset: i32::try_from(tm.tm_gmtoff).unwrap_or(0),
    }
}

/// Time since the machine booted, sleep included.
#[must_use]
pub fn since_boot() -> Duration {
    read(Clock::Boot)
}

/// The clock behind [`std::time::Instant`], from its own beginning.
#[must_use]
pub fn monotonic() -> Duration {
    read(Clock::Monotonic)
}

fn read(clock: Clock) -> Duration {
    let Timespec { seconds, nanos } = time64::read(clock);
    Duration::new(u64::try_from(seconds).unwrap_or(0), u32::try_from(nanos).unwrap_or(0))
}

/// Notices that the machine has slept: [`std::time::Instant`] stands still meanwhile, the boot-time clock does not.
#[derive(Debug)]
pub struct SuspendWatch {
    asleep: Duration,
    /// Becomes ready when the wall clock jumps, as it does at a resume: the time that a loop waits stands still in sleep too.
    jump: Option<File>,
}

impl SuspendWatch {
    /// Begins now.
    #[must_use]
    pub fn new() -> Self {
        Self { asleep: time_asleep(), jump: jump_timer() }
    }

    /// Makes the loop wake at a resume. Where the kernel cannot, it is noticed with the next thing that happens.
    pub fn register(&self, registry: &Registry, token: Token) {
        if let Some(jump) = &self.jump {
            let _ = registry.register(&mut SourceFd(&jump.as_raw_fd()), token, Interest::READABLE);
        }
    }

    /// Takes note of a jump, to hear of the next.
    pub fn ready(&mut self) {
        let _ = self.jump.as_mut().map(|jump| jump.read(&mut [0; 8]));
    }

    /// How long the machine has slept since the last call; `None` if it has not (shorter than a second counts as not).
    pub fn slept(&mut self) -> Option<Duration> {
        self.compare(time_asleep())
    }

    fn compare(&mut self, asleep: Duration) -> Option<Duration> {
        let slept = asleep.saturating_sub(self.asleep);
        if slept < Duration::from_secs(1) {
            return None;
        }
        self.asleep = asleep;
        Some(slept)
    }
}

impl Default for SuspendWatch {
    fn default() -> Self {
        Self::new()
    }
}

/// A timer that only a jump of the wall clock ends (timerfd_create(2)).
fn jump_timer() -> Option<File> {
    let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
    let timer = timerfd_create(TimerfdClockId::Realtime, flags).ok()?;
    time64::await_jump(timer.as_fd()).ok()?;
    Some(File::from(timer))
}

fn time_asleep() -> Duration {
    // Read in this order, so that a pause between the two calls never looks like sleep.
    let boot = read(Clock::Boot);
    boot.saturating_sub(read(Clock::Monotonic))
}

/// This boot's identity, `None` where the kernel has none. State that is kept over a restart of the daemon is void
/// after a restart of the machine.
#[must_use]
pub fn boot_id() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let id = text.trim();
    (!id.is_empty()).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_time_reads_as_the_events_file_wants_it() {
        let local =
            Local { year: 2026, month: 11, day: 21, hour: 4, minute: 9, second: 56, utc_offset: 3600 };
        assert_eq!(local.to_string(), "2026-11-21 04:09:56 +0100");
        assert_eq!(Local { utc_offset: -12_600, ..local }.to_string(), "2026-11-21 04:09:56 -0330");
        assert_eq!(Local { utc_offset: -1800, ..local }.to_string(), "2026-11-21 04:09:56 -0030");
    }

    #[test]
    fn local_time_and_its_offset_give_the_moment_back() {
        let wall = UNIX_EPOCH + Duration::from_secs(1_795_230_596);
        let local = local(wall);
        let seconds = i64::from(local.hour * 3600 + local.minute * 60 + local.second - local.utc_offset);
        assert_eq!(seconds.rem_euclid(86_400), 1_795_230_596 % 86_400);
        assert_eq!(local.year, 2026);
    }

    #[test]
    fn clocks_outside_any_calendar_still_give_a_stamp() {
        for wall in
            [UNIX_EPOCH, UNIX_EPOCH - Duration::from_millis(1), UNIX_EPOCH + Duration::from_secs(1 << 62)]
        {
            assert!(local(wall).to_string().len() >= 25);
        }
        assert_eq!(unix_seconds(UNIX_EPOCH - Duration::from_millis(1)), -1);
    }

    #[test]
    fn the_boot_clock_is_never_behind_the_monotonic_clock() {
        let monotonic = read(Clock::Monotonic);
        assert!(since_boot() >= monotonic);
    }

    #[test]
    fn the_kernel_takes_the_timer_that_only_a_jump_of_the_clock_ends() {
        let mut watch = SuspendWatch::new();
        assert!(
            watch.jump.is_some(),
            "timerfd_create(2) is older than the kernels that this program runs on"
        );
        // Nothing has jumped: not ready, and reading does not wait.
        watch.ready();
        assert!(watch.jump.unwrap().read(&mut [0; 8]).is_err());
    }

    #[test]
    fn sleep_is_told_once_and_a_fraction_of_a_second_is_not_sleep() {
        let secs = Duration::from_secs_f64;
        let mut watch = SuspendWatch { asleep: secs(10.0), jump: None };
        assert_eq!(watch.compare(secs(10.4)), None);
        assert_eq!(watch.compare(secs(70.0)), Some(secs(60.0)));
        assert_eq!(watch.compare(secs(70.0)), None);
        assert_eq!(watch.compare(secs(69.9)), None);
    }
}
