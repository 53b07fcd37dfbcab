//! A process that does nothing more, as one that waits for a disk which does not answer: its parent is not told, as it is of SIGSTOP.
#![allow(unsafe_code)]

use std::ptr;

/// A process that is held by tracing it (ptrace(2)). It goes on when this is dropped, in the same thread.
#[derive(Debug)]
pub struct Held(libc::pid_t);

impl Held {
    /// Holds it, and waits until it is. `None`: nobody may trace here, and the test can show nothing.
    pub fn new(pid: u32) -> Option<Self> {
        let pid = libc::pid_t::try_from(pid).unwrap();
        // SAFETY: a system call on plain numbers, as the next ones.
        if unsafe { libc::ptrace(libc::PTRACE_ATTACH, pid, ptr::null_mut::<()>(), ptr::null_mut::<()>()) }
            != 0
        {
            let error = std::io::Error::last_os_error();
            assert!(std::env::var_os("MAINSD_CI").is_none(), "process {pid} cannot be traced: {error}");
            println!("skipped: needs ptrace(2), which says: {error}");
            return None;
        }
        let held = Self(pid);
        assert_eq!(held.wait(0), pid, "{}", std::io::Error::last_os_error());
        Some(held)
    }

    fn wait(&self, options: i32) -> libc::pid_t {
        // SAFETY: see above; no status is asked for.
        unsafe { libc::waitpid(self.0, ptr::null_mut(), options | libc::__WALL) }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: see above.
        let gone = unsafe {
            libc::ptrace(libc::PTRACE_DETACH, self.0, ptr::null_mut::<()>(), ptr::null_mut::<()>())
        } != 0;
        if gone {
            // Its parent gets the status of one that was killed when it was taken here.
            self.wait(libc::WNOHANG);
        }
    }
}
