//! Ordinary code of ours in a child, for what a file system may hold up for ever: only the child waits.
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use rustix::io::ioctl_fionbio;

use super::fork::{Never, close_from, exit_now};
use super::fs::pipe;
use super::spawn::{Child, spawn_own};

/// Starts a child that runs `work` and ends with 0; what it writes can be read here, without waiting, until the end of the
/// file. A child that writes more than a pipe holds (64 KiB) without being read stays where it is. It has no descriptors of this process
/// but standard input, output and error.
///
/// The child of a process with several threads has only one, and each lock as it was at that moment. So this is for the
/// daemon, which has one thread; in tests the C library lets a child allocate all the same.
///
/// # Errors
///
/// What `pipe` and `fork` say.
pub fn start(work: impl FnOnce(&mut File)) -> io::Result<(Child, File)> {
    let (read, mut write) = pipe()?;
    ioctl_fionbio(&read, true)?;
    let child = spawn_own(|| {
        close_from(3, write.as_raw_fd());
        run(|| work(&mut write))
    })?;
    Ok((child, read))
}

/// Runs `work` in a child that has all descriptors of this process, and waits for it so long at most. False: it has not ended
/// by then, or not well, and is left alone. For the end of the program; `work` must not be needed any more.
pub fn finish(limit: Duration, work: impl FnOnce()) -> bool {
    let Ok(mut child) = spawn_own(|| run(work)) else { return false };
    child.wait(limit) == Some(super::spawn::End::Exited(0))
}

fn run(work: impl FnOnce()) -> Never {
    let status = i32::from(catch_unwind(AssertUnwindSafe(work)).is_err());
    // Nothing is to be dropped or flushed in it that is its parent's.
    exit_now(status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn what_a_child_writes_arrives_and_the_end_of_it_is_seen() {
        let (mut child, mut answer) = start(|out| out.write_all(b"words").unwrap()).unwrap();
        assert_eq!(child.wait(Duration::from_secs(60)), Some(super::super::spawn::End::Exited(0)));
        let mut text = [0; 16];
        let length = answer.read(&mut text).unwrap();
        assert_eq!(text.get(..length), Some(&b"words"[..]));
        // A child of another test may hold the other end a little longer.
        while answer.read(&mut text).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {}
        assert_eq!(answer.read(&mut text).unwrap(), 0);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the child of a test hangs, which is what is awaited")]
    fn a_child_that_hangs_is_not_waited_for_beyond_the_limit() {
        // It ends by itself: until then it has descriptors of the tests beside this one.
        let hang = || std::thread::sleep(Duration::from_millis(300));
        assert!(!finish(Duration::from_millis(10), hang));
        assert!(finish(Duration::from_secs(60), || ()));
    }
}
