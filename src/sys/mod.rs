//! Every line of `unsafe` and every call of libc, rustix, socket2 and libusb, behind safe owned types. No policy, no UPS vocabulary.

pub mod access;
pub mod call_filter;
pub mod clock;
pub mod container;
#[cfg(feature = "usb")]
pub mod crossings;
pub mod daemonize;
pub mod first_process;
pub mod flag_file;
mod fork;
pub mod fs;
pub mod in_child;
pub mod job;
pub mod lent;
pub mod local;
mod mapping;
pub mod memory;
pub mod named_lock;
pub mod notify;
pub mod passing;
pub mod port_holder;
pub mod process;
pub mod reboot;
pub mod resident;
pub mod rights;
pub mod role;
#[cfg(test)]
pub(crate) mod scratch;
pub mod signals;
pub mod socket;
pub mod spawn;
pub mod syslog;
pub mod terminal;
pub mod time64;
pub mod trust;
#[cfg(any(feature = "serial-port", test))]
pub mod tty;
#[cfg(all(no_unwinder, panic = "abort"))]
mod unwind;
#[cfg(feature = "usb")]
pub mod usb;
mod wait;

/// What went wrong in the words of `strerror`, without the number that [`std::io::Error`] adds: log lines that
/// users search for end in it (power-events §5).
#[must_use]
pub fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(at) if error.raw_os_error().is_some() => text.get(..at).unwrap_or(&text).to_owned(),
        _ => text,
    }
}

/// Waits as `poll` does. A signal, or a stop and a continue, ends the wait early: what is ready by then is collected all the same,
/// so that no events means that nothing is ready.
///
/// # Errors
///
/// What the system says, but never that it was interrupted.
pub fn poll(
    poll: &mut mio::Poll,
    events: &mut mio::Events,
    wait: std::time::Duration,
) -> std::io::Result<()> {
    let mut wait = wait;
    loop {
        match poll.poll(events, Some(wait)) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => wait = std::time::Duration::ZERO,
            other => return other,
        }
    }
}

/// Waits as `poll` does, on through signals: in the test program, children of other tests end at any time.
#[cfg(test)]
pub(crate) fn poll_through_signals(
    poll: &mut mio::Poll,
    events: &mut mio::Events,
    wait: std::time::Duration,
) {
    while let Err(error) = poll.poll(events, Some(wait)) {
        assert_eq!(error.kind(), std::io::ErrorKind::Interrupted, "{error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_reads_as_strerror_prints_it() {
        let text = |code| reason(&std::io::Error::from_raw_os_error(code));
        assert_eq!(text(libc::ENOENT), "No such file or directory");
        assert_eq!(text(libc::EACCES), "Permission denied");
        assert_eq!(reason(&std::io::Error::other("odd (os error 5)")), "odd (os error 5)");
    }
}
