//! What the process keeps mapped.
#![allow(unsafe_code)]

use std::fs;

/// Lets go of the program text that was mapped so far; what is used again is mapped again from the page cache, 64 KiB around
/// each place. Reading a configuration, enumerating devices and starting up touch most of the program once; watching a UPS
/// needs a fifth of it. Returns how many bytes of mappings were let go of; 0 where `/proc` is missing.
pub fn forget_startup_text() -> usize {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let texts = maps.lines().filter_map(text_mapping);
    texts.filter(|&(start, length)| let_go(start, length)).map(|(_, length)| length).sum()
}

/// Start and length of a private, executable, unwritable mapping of a file (proc(5), `maps`).
fn text_mapping(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let from_file = words.next()? == "r-xp" && words.nth(3)?.starts_with('/');
    let start = usize::from_str_radix(start, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    from_file.then_some((start, end.checked_sub(start)?))
}

fn let_go(start: usize, length: usize) -> bool {
    // SAFETY: the range is a private mapping of a file that is executable and not writable, so none of its pages
    // differs from the file: the linker relocates data only, on every platform that loads position-independent code. A page that
    // is let go of reads the same when it is touched again.
    unsafe { libc::madvise(start as *mut libc::c_void, length, libc::MADV_DONTNEED) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unwritable_program_text_of_files_is_let_go_of() {
        let text = "7f00-7fff r-xp 00001000 fe:00 1234    /usr/bin/mainsd";
        assert_eq!(text_mapping(text), Some((0x7f00, 0xff)));
        for other in [
            "7f00-7fff r--p 00001000 fe:00 1234    /usr/bin/mainsd",
            "7f00-7fff rwxp 00001000 fe:00 1234    /usr/bin/mainsd",
            "7f00-7fff r-xp 00000000 00:00 0       [vdso]",
            "7f00-7fff r-xp 00000000 00:00 0 ",
            "7f00 r-xp",
            "",
        ] {
            assert_eq!(text_mapping(other), None, "{other}");
        }
    }

    #[test]
    fn the_program_runs_on_as_before() {
        assert!(forget_startup_text() > 0);
        assert_eq!(text_mapping("10-20 r-xp 0 0 0 /x"), Some((0x10, 0x10)));
    }
}
