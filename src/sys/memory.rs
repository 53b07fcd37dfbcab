//! What the process keeps mapped, and in memory.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ops::Range;

use super::mapping::{self, Mapping};

/// The list of what this process has mapped, for [`drop_clean_pages`]. A process that has given up its rights can read it still, but
/// not open it any more.
#[must_use]
pub fn mappings() -> Option<File> {
    File::open("/proc/self/smaps").ok()
}

/// Lets go of what was mapped so far of the program and its libraries; what is used again is mapped again from the page cache,
/// 64 KiB around each place. Reading a configuration, enumerating devices and starting up touch most of the program
/// once; watching a UPS needs a fifth of it. Returns how many bytes of mappings were dropped; 0 where `/proc` is missing.
/// The heap and the stack that only the start needed go back to the kernel.
pub fn drop_clean_pages(mappings: Option<File>) -> usize {
    // A large buffer would be the memory that is to be given back.
    let mut smaps = mappings.map(|file| BufReader::with_capacity(256, file));
    let (mut stack, mut candidate, mut dropped) = (None, None, 0);
    let mut line = String::new();
    while smaps.as_mut().is_some_and(|smaps| smaps.read_line(&mut line).is_ok_and(|length| length > 0)) {
        let text = line.trim_end_matches('\n');
        stack = first_stack(text).or(stack);
        if let Some((start, length)) = clean_mapping(text, &mut candidate) {
            if madvise_dontneed(start, length) {
                dropped += length;
            }
        }
        line.clear();
    }
    trim_heap();
    if let Some(stack) = stack {
        drop_unused_stack(&stack);
    }
    dropped
}

/// The first stack of the process, if this is its line.
fn first_stack(line: &str) -> Option<Range<usize>> {
    mapping::range(line.strip_suffix("[stack]")?)
}

/// Gives the kernel what functions had of this stack that have returned; nothing if this thread has another stack.
#[inline(never)]
fn drop_unused_stack(stack: &Range<usize>) {
    let page = rustix::param::page_size();
    let here = 0_u8;
    let here = (&raw const here).addr();
    // What this function and the calls below have, and some room.
    let used = here.saturating_sub(3 * page) & !(page - 1);
    if stack.contains(&here) && used > stack.start {
        madvise_dontneed(stack.start, used - stack.start);
    }
}

/// Gives the heap that only the start needed back to the kernel.
fn trim_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: `malloc_trim` returns unused memory only (malloc_trim(3)).
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Start and length of a private, unwritable mapping of a file of which no page differs from the file (proc(5), `smaps`), told with the
/// line that says the latter. `candidate` is kept from line to line.
fn clean_mapping(line: &str, candidate: &mut Option<(usize, usize)>) -> Option<(usize, usize)> {
    let (first, rest) = line.split_once(' ')?;
    if first == "Anonymous:" {
        return candidate.take().filter(|_| rest.trim() == "0 kB");
    }
    if !first.ends_with(':') {
        let unwritable = |it: &Mapping<'_>| matches!(it.permissions, "r-xp" | "r--p");
        let mapping = Mapping::parse(line).filter(unwritable);
        *candidate = mapping.map(|it| (it.range.start, it.range.len()));
    }
    None
}

fn madvise_dontneed(start: usize, length: usize) -> bool {
    // SAFETY: the range is a private mapping of a file that nothing can write to, and the kernel counts no page in it that
    // differs from the file (relocated data is counted as anonymous), so a page that is dropped reads the same when it
    // is touched again. There is no second thread that could change the mapping in between. Or it is a part of this thread's
    // stack, which grows downwards on all platforms here, below what any function has that has not returned.
    unsafe { libc::madvise(start as *mut libc::c_void, length, libc::MADV_DONTNEED) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_that_are_as_in_their_file_are_dropped() {
        let mapping = |header: &str, anonymous: &str| {
            let smaps = format!(
                "{header}\nSize:  4 kB\nRss:  4 kB\nAnonymous:  {anonymous} kB\nVmFlags: rd ex mr mw me \n"
            );
            let mut candidate = None;
            smaps.lines().filter_map(|line| clean_mapping(line, &mut candidate)).collect::<Vec<_>>()
        };
        for perms in ["r-xp", "r--p"] {
            let header = format!("7f00-7fff {perms} 00001000 fe:00 1234    /usr/bin/mainsd");
            assert_eq!(mapping(&header, "0"), [(0x7f00, 0xff)]);
            assert_eq!(mapping(&header, "4"), [], "relocated data");
        }
        for other in [
            "7f00-7fff rw-p 00001000 fe:00 1234    /usr/bin/mainsd",
            "7f00-7fff rwxp 00001000 fe:00 1234    /usr/bin/mainsd",
            "7f00-7fff r--s 00001000 fe:00 1234    /usr/bin/mainsd",
            "7f00-7fff r-xp 00000000 00:00 0       [vdso]",
            "7f00-7fff r-xp 00000000 00:00 0 ",
            "7f00 r-xp",
            "",
        ] {
            assert_eq!(mapping(other, "0"), [], "{other}");
        }
    }

    #[test]
    fn the_line_of_the_first_stack_is_known() {
        // Of a machine of 32 bits, so that it is an address on each.
        let line = "7fe97000-7feb8000 rw-p 00000000 00:00 0                          [stack]";
        assert_eq!(first_stack(line), Some(0x7fe9_7000..0x7feb_8000));
        for other in
            ["7f00-8000 rw-p 00000000 00:00 0 [heap]", "[stack]", "x-y z [stack]", "Size: 132 kB", ""]
        {
            assert_eq!(first_stack(other), None, "{other}");
        }
    }

    #[test]
    fn the_program_runs_on_as_before() {
        let before = crate::sys::clock::since_boot();
        assert!(drop_clean_pages(mappings()) > 0);
        assert!(crate::sys::clock::since_boot() >= before);
    }
}
