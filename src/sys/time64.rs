//! Times that cross to C and to the kernel, in 64 bits on every platform.
//!
//! On 32-bit platforms the libc crate's `time_t` has 32 bits, and what a C compiler makes of the same headers often has 64
//! (musl since 1.2, glibc with `_TIME_BITS=64`). So no time structure of the libc crate is used outside this file, and
//! none is given to code that a C compiler has made (`tests/pure/crossings.rs`).
#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;
use std::time::Duration;

/// `struct __kernel_timespec` (linux/time_types.h): the 64-bit system calls take it on every platform.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timespec {
    /// Whole seconds; of [`Clock::Wall`] since 1970-01-01 00:00 UTC, negative before.
    pub seconds: i64,
    /// Nanoseconds after that, 0 to 999,999,999.
    pub nanos: i64,
}

/// `struct __kernel_itimerspec` (linux/time_types.h).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Itimerspec {
    /// From one end of the timer to the next; zero: it ends once.
    pub interval: Timespec,
    /// The first end.
    pub value: Timespec,
}

/// Which clock to read (`clock_gettime(2)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Wall time, which can be set and jumps then.
    Wall,
    /// Time since boot; it stands still while the machine sleeps.
    Monotonic,
    /// Time since boot, sleep included.
    Boot,
}

impl Clock {
    const fn id(self) -> libc::clockid_t {
        match self {
            Self::Wall => libc::CLOCK_REALTIME,
            Self::Monotonic => libc::CLOCK_MONOTONIC,
            Self::Boot => libc::CLOCK_BOOTTIME,
        }
    }
}

/// Reads a clock. All three exist on every kernel since 2.6.39; zero on an older one.
#[must_use]
#[allow(clippy::useless_conversion, reason = "the types differ on 32-bit platforms")]
pub fn read(clock: Clock) -> Timespec {
    #[cfg(target_pointer_width = "32")]
    if let Some(time) = system_call::clock_gettime(clock.id()) {
        return time;
    }
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` outlives the call and is what the function of the libc crate takes on this platform.
    unsafe { libc::clock_gettime(clock.id(), &raw mut time) };
    Timespec { seconds: time.tv_sec.into(), nanos: time.tv_nsec.into() }
}

/// Sets a timer (`timerfd_create(2)`, wall time) to a day that does not come, so that only a jump of the wall clock makes it
/// readable.
///
/// # Errors
/// What the system says.
#[allow(clippy::useless_conversion, reason = "the types differ on 32-bit platforms")]
pub fn await_jump(timer: BorrowedFd<'_>) -> io::Result<()> {
    let flags = libc::TFD_TIMER_ABSTIME | libc::TFD_TIMER_CANCEL_ON_SET;
    #[cfg(target_pointer_width = "32")]
    if system_call::timerfd_settime(timer.as_raw_fd(), flags, i64::MAX) {
        return Ok(());
    }
    // SAFETY: all zero is a valid `itimerspec`, which outlives the call and is what the function of the libc crate takes on
    // this platform.
    let result = unsafe {
        let mut when: libc::itimerspec = mem::zeroed();
        // With 32 bits this day comes, in 2038: the kernel is older than 5.1 then, and the timer just ends once.
        when.it_value.tv_sec = libc::c_long::MAX.into();
        libc::timerfd_settime(timer.as_raw_fd(), flags, &raw const when, ptr::null_mut())
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The 64-bit calls of Linux 5.1 and later, which the C library's functions of 32 bits do not reach.
#[cfg(target_pointer_width = "32")]
mod system_call {
    use super::{Itimerspec, Timespec};

    /// `None` on an older kernel, or where a filter of system calls does not know this one.
    pub(super) fn clock_gettime(clock: libc::clockid_t) -> Option<Timespec> {
        let mut time = Timespec::default();
        // SAFETY: the kernel writes one `__kernel_timespec`, which outlives the call.
        let result = unsafe { libc::syscall(super::SYS_CLOCK_GETTIME64, clock, &raw mut time) };
        (result == 0).then_some(time)
    }

    /// Whether the timer was set; see [`clock_gettime`].
    pub(super) fn timerfd_settime(timer: libc::c_int, flags: libc::c_int, seconds: i64) -> bool {
        let when = Itimerspec { value: Timespec { seconds, nanos: 0 }, ..Itimerspec::default() };
        let none = std::ptr::null_mut::<Itimerspec>();
        // SAFETY: the kernel reads one `__kernel_itimerspec`, which outlives the call, and writes none.
        unsafe { libc::syscall(super::SYS_TIMERFD_SETTIME64, timer, flags, &raw const when, none) == 0 }
    }
}

/// Numbers of asm/unistd.h, which the libc crate lacks for most platforms. From 403 on all platforms count alike, 32-bit
/// MIPS from 4000.
#[cfg(target_pointer_width = "32")]
pub const SYS_CLOCK_GETTIME64: libc::c_long = SYSTEM_CALLS + 403;
/// See [`SYS_CLOCK_GETTIME64`].
#[cfg(target_pointer_width = "32")]
pub const SYS_TIMERFD_SETTIME64: libc::c_long = SYSTEM_CALLS + 411;
#[cfg(target_pointer_width = "32")]
const SYSTEM_CALLS: libc::c_long = if cfg!(target_arch = "mips") { 4000 } else { 0 };

/// The calendar and clock of the time zone at a moment, in seconds since 1970-01-01 00:00 UTC; `None` if the C library cannot
/// say (a year that is no `int`). The zone is the one that the first call finds: later ones look at no file, which might be on
/// a disk that no longer answers.
#[must_use]
pub fn local(seconds: i64) -> Option<libc::tm> {
    let (seconds, years) = calendar::shifted(seconds)?;
    // SAFETY: all zero is a valid `tm`. Nothing in this program changes the environment after its start; `seconds` and `tm`
    // outlive the call. `tzset` would look at the time zone file again.
    let (known, mut tm) = unsafe {
        let mut tm: libc::tm = mem::zeroed();
        (!calendar::localtime_r(&raw const seconds, &raw mut tm).is_null(), tm)
    };
    tm.tm_year = tm.tm_year.checked_add(years)?;
    known.then_some(tm)
}

/// Bytes of the time that the `localtime_r` used here reads.
#[cfg(feature = "usb")]
pub(super) const LOCALTIME_BYTES: usize = size_of::<calendar::Seconds>();

/// `localtime_r` with 64 bits.
#[cfg(not(all(target_env = "gnu", target_pointer_width = "32")))]
mod calendar {
    pub(super) type Seconds = i64;

    unsafe extern "C" {
        // On the platforms that had 32-bit time before musl 1.2, its headers give the 64-bit function this name.
        #[cfg_attr(
            all(
                target_env = "musl",
                any(target_arch = "x86", target_arch = "arm", target_arch = "mips", target_arch = "powerpc")
            ),
            link_name = "__localtime64_r"
        )]
        pub(super) fn localtime_r(seconds: *const Seconds, tm: *mut libc::tm) -> *mut libc::tm;
    }

    #[allow(clippy::unnecessary_wraps, reason = "not every moment can be shifted, see the other `shifted`")]
    pub(super) fn shifted(seconds: i64) -> Option<(Seconds, libc::c_int)> {
        Some((seconds, 0))
    }
}

/// `localtime_r` with 32 bits: the 64-bit one of 32-bit glibc is no older than 2.34, and a program that names it does not
/// start on an older one.
#[cfg(all(target_env = "gnu", target_pointer_width = "32"))]
mod calendar {
    pub(super) type Seconds = i32;

    unsafe extern "C" {
        pub(super) fn localtime_r(seconds: *const Seconds, tm: *mut libc::tm) -> *mut libc::tm;
    }

    pub(super) fn shifted(seconds: i64) -> Option<(Seconds, libc::c_int)> {
        let (seconds, years) = super::into_32_bits(seconds)?;
        Some((Seconds::try_from(seconds).ok()?, years))
    }
}

/// The last moment with the same month, day, weekday and time that 32 bits can hold, and how many years later the given one
/// is: until 2099 the calendar repeats itself every 28 years, and with it the days on which clocks are changed. The rules
/// are then those of the earlier year. `None` beyond that.
#[cfg(any(test, all(target_env = "gnu", target_pointer_width = "32")))]
fn into_32_bits(seconds: i64) -> Option<(i64, libc::c_int)> {
    const CYCLE: i64 = (28 * 365 + 7) * 86_400;
    const YEAR_2100: i64 = 4_102_444_800;
    let in_range = i64::from(i32::MIN)..YEAR_2100;
    in_range.contains(&seconds).then(|| {
        let beyond = seconds - i64::from(i32::MAX);
        let cycles = if beyond <= 0 { 0 } else { (beyond + CYCLE - 1) / CYCLE };
        (seconds - cycles * CYCLE, libc::c_int::try_from(cycles * 28).unwrap_or(0))
    })
}

/// Room for C's `struct timeval` of either width: two numbers of 32 bits, or two of 64.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeval([i64; 2]);

impl Timeval {
    /// No time, in both widths.
    pub const ZERO: Self = Self([0; 2]);
    /// To be written by C code. No time looks like this, so it can be seen how much was written.
    pub const UNWRITTEN: Self = Self([-1; 2]);

    /// The time that C code has written; zero if it wrote none, or one before zero.
    #[must_use]
    pub fn duration(&self) -> Duration {
        let [first, second] = self.0;
        let (seconds, micros) = if second == -1 { halves(first) } else { (first, second) };
        let number = |signed| u64::try_from(signed).unwrap_or(0);
        Duration::from_secs(number(seconds)).saturating_add(Duration::from_micros(number(micros)))
    }
}

/// The two numbers of 32 bits that were written over one of 64.
fn halves(whole: i64) -> (i64, i64) {
    let [a, b, c, d, e, f, g, h] = whole.to_ne_bytes();
    (i32::from_ne_bytes([a, b, c, d]).into(), i32::from_ne_bytes([e, f, g, h]).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What C would leave after it has written these bytes.
    fn written(bytes: &[u8]) -> Duration {
        let mut whole = [0xff; 16];
        whole[..bytes.len()].copy_from_slice(bytes);
        let number = |at: usize| i64::from_ne_bytes(whole[at..at + 8].try_into().unwrap());
        Timeval([number(0), number(8)]).duration()
    }

    #[test]
    fn a_time_that_c_has_written_reads_the_same_in_both_widths() {
        let narrow = |a: i32, b: i32| written(&[a.to_ne_bytes(), b.to_ne_bytes()].concat());
        let wide = |a: i64, b: i64| written(&[a.to_ne_bytes(), b.to_ne_bytes()].concat());
        for (seconds, micros) in [(0, 0), (0, 1), (59, 999_999), (i32::MAX, 0)] {
            let expected = Duration::new(seconds.unsigned_abs().into(), micros * 1000);
            let micros = i32::try_from(micros).unwrap();
            assert_eq!(narrow(seconds, micros), expected, "{seconds} s {micros} µs");
            assert_eq!(wide(seconds.into(), micros.into()), expected, "{seconds} s {micros} µs");
        }
        assert_eq!([narrow(-1, 0), wide(-1, 0), written(&[])], [Duration::ZERO; 3]);
        assert!(wide(i64::MAX, i64::MAX) > narrow(i32::MAX, 0));
    }

    #[test]
    fn wall_time_agrees_with_that_of_the_standard_library() {
        #[expect(clippy::disallowed_methods, reason = "compared with")]
        let std = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let (before, ours, after) = (std(), read(Clock::Wall), std());
        let ours = Duration::new(ours.seconds.try_into().unwrap(), ours.nanos.try_into().unwrap());
        assert!(before <= ours && ours <= after, "{before:?} {ours:?} {after:?}");
    }

    #[test]
    fn local_time_goes_on_after_the_last_moment_of_32_bits() {
        for (seconds, year) in [(i64::from(i32::MAX) + 100 * 86_400, 2038), (2_223_936_000, 2040)] {
            let tm = local(seconds).unwrap();
            assert_eq!(i64::from(tm.tm_year) + 1900, year);
        }
    }

    #[test]
    fn a_moment_past_32_bits_is_shifted_to_the_same_day_of_an_earlier_year() {
        let day = 86_400;
        let last = i64::from(i32::MAX);
        assert_eq!(into_32_bits(last), Some((last, 0)));
        assert_eq!(into_32_bits(0), Some((0, 0)));
        for seconds in [last + 1, last + 400 * day, 2_223_936_000, 4_102_444_799] {
            let (earlier, years) = into_32_bits(seconds).unwrap();
            assert!(earlier <= last && years > 0, "{seconds}");
            assert_eq!((seconds - earlier) % (7 * day), 0, "another weekday: {seconds}");
            let (then, now) = (local(earlier).unwrap(), local(seconds).unwrap());
            let date = |tm: &libc::tm| (tm.tm_mon, tm.tm_mday, tm.tm_wday, tm.tm_yday);
            assert_eq!(date(&then), date(&now), "{seconds}");
            assert_eq!(then.tm_year + years, now.tm_year, "{seconds}");
        }
        assert_eq!(into_32_bits(4_102_444_800), None);
        assert_eq!(into_32_bits(i64::MIN), None);
    }
}
