//! A libusb context without threads, driven from outside.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::os::fd::RawFd;
use std::ptr;
use std::rc::Rc;
use std::time::Duration;

use libusb1_sys::{self as ffi, constants as c};

use super::UsbError;
use crate::sys::time64::Timeval;

/// A descriptor that libusb wants watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The descriptor; it stays libusb's, or the open device's.
    pub fd: RawFd,
    /// Wake when readable.
    pub readable: bool,
    /// Wake when writable.
    pub writable: bool,
}

/// A libusb context.
///
/// With libusb 1.0.27 its sources are an event counter (`eventfd`), a timer (`timerfd`, for the timeouts of transfers;
/// without it [`next_timeout`](Self::next_timeout) counts) and the usbfs node of each open device, which becomes
/// writable when a transfer has ended. Each wakes an edge-triggered poll again after
/// [`handle_events`](Self::handle_events), which empties all of them: it re-arms the timer, clears the counter and
/// takes up to 26 ended transfers a device, and there are never more than two here.
#[derive(Debug)]
pub struct Context {
    raw: *mut ffi::libusb_context,
    sources_changed: Rc<Cell<bool>>,
}

extern "system" fn source_added(_fd: libc::c_int, _events: libc::c_short, flag: *mut libc::c_void) {
    source_removed(_fd, flag);
}

extern "system" fn source_removed(_fd: libc::c_int, flag: *mut libc::c_void) {
    // SAFETY: `flag` is the context's cell; it outlives the context, and libusb calls only from our thread.
    unsafe { (*flag.cast::<Cell<bool>>()).set(true) };
}

impl Context {
    /// A new context.
    ///
    /// # Errors
    /// What libusb says; among others when there is no usbfs (no USB in this machine or container, yet).
    pub fn new() -> Result<Self, UsbError> {
        let mut raw = ptr::null_mut();
        let sources_changed = Rc::new(Cell::new(true));
        let flag = Rc::as_ptr(&sources_changed).cast_mut().cast();
        // SAFETY: a null context sets the default of later contexts; the option takes no argument. libusb_init then writes a valid
        // context or fails. `flag` points to a cell that lives as long as the context.
        unsafe {
            UsbError::check(ffi::libusb_set_option(ptr::null_mut(), c::LIBUSB_OPTION_NO_DEVICE_DISCOVERY))?;
            UsbError::check(ffi::libusb_init(&raw mut raw))?;
            ffi::libusb_set_pollfd_notifiers(raw, Some(source_added), Some(source_removed), flag);
        }
        Ok(Self { raw, sources_changed })
    }

    pub(super) fn raw(&self) -> *mut ffi::libusb_context {
        self.raw
    }

    /// Whether [`sources`](Self::sources) may give another answer than at the last call of this function.
    #[must_use]
    pub fn take_sources_changed(&self) -> bool {
        self.sources_changed.replace(false)
    }

    /// The descriptors to watch.
    #[must_use]
    pub fn sources(&self) -> Vec<Source> {
        let mut found = Vec::new();
        // SAFETY: libusb returns null or a null-terminated array of valid pointers that stays valid until it is freed.
        unsafe {
            let list = ffi::libusb_get_pollfds(self.raw);
            if list.is_null() {
                return found;
            }
            let mut at = list;
            while !(*at).is_null() {
                let source = &**at;
                found.push(Source {
                    fd: source.fd,
                    readable: source.events & libc::POLLIN != 0,
                    writable: source.events & libc::POLLOUT != 0,
                });
                at = at.add(1);
            }
            ffi::libusb_free_pollfds(list);
        }
        found
    }

    /// Takes what has happened: ended transfers are marked so. Does not wait.
    ///
    /// # Errors
    /// What libusb says; the devices of this context should then be closed.
    pub fn handle_events(&self) -> Result<(), UsbError> {
        let zero = Timeval::ZERO;
        // SAFETY: both pointers are valid, and the time has room for what libusb's compiler takes for a `timeval`; our
        // callbacks only set a flag and never call libusb.
        let code = unsafe { ffi::libusb_handle_events_timeout(self.raw, (&raw const zero).cast()) };
        if code == c::LIBUSB_ERROR_INTERRUPTED { Ok(()) } else { UsbError::check(code) }
    }

    /// When [`handle_events`](Self::handle_events) must be called even if no source is ready.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        let mut time = Timeval::UNWRITTEN;
        // SAFETY: both pointers are valid, and the time has room for what libusb's compiler takes for a `timeval`.
        let code = unsafe { ffi::libusb_get_next_timeout(self.raw, (&raw mut time).cast()) };
        (code == 1).then(|| time.duration())
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: devices hold the context alive, so none is open any more; the notifiers are taken away before the
        // flag they write to.
        unsafe {
            ffi::libusb_set_pollfd_notifiers(self.raw, None, None, ptr::null_mut());
            ffi::libusb_exit(self.raw);
        }
    }
}
