//! Where the program's relocations are: a table that is read once, when the program is started, and by nobody afterwards.
//!
//! The ELF specification ("Program Header", "Dynamic Section") says what is read here.

use std::mem::size_of;
use std::ops::Range;

/// Numbers of the ELF specification.
const PT_DYNAMIC: u32 = 2;
const PT_PHDR: u32 = 6;
const DT_NULL: usize = 0;
const DT_RELA: usize = 7;
const DT_RELASZ: usize = 8;
const DT_REL: usize = 17;
const DT_RELSZ: usize = 18;
/// An entry of the dynamic section: what it is, and its value.
type Entry = [usize; 2];
#[cfg(target_pointer_width = "32")]
type Header = libc::Elf32_Phdr;
#[cfg(target_pointer_width = "64")]
type Header = libc::Elf64_Phdr;

/// The table's addresses; `None`: there is none, or it is not found.
pub(super) fn relocations() -> Option<Range<usize>> {
    let value = |of| {
        // SAFETY: it reads what the kernel has told at the start; nothing is changed.
        usize::try_from(unsafe { libc::getauxval(of) }).ok()
    };
    let at = value(libc::AT_PHDR)?;
    if value(libc::AT_PHENT)? != size_of::<Header>() {
        return None;
    }
    let headers: &[Header] = array(at, value(libc::AT_PHNUM)?)?;
    let find = |kind: u32| {
        let header = headers.iter().find(|header| header.p_type == kind)?;
        Some((usize::try_from(header.p_vaddr).ok()?, usize::try_from(header.p_memsz).ok()?))
    };
    // The file's addresses begin with 0 where the program can be anywhere.
    let moved = at.wrapping_sub(find(PT_PHDR)?.0);
    let (dynamic, length) = find(PT_DYNAMIC)?;
    let entries: &[Entry] = array(dynamic.wrapping_add(moved), length / size_of::<Entry>())?;
    table(entries.iter().copied(), moved)
}

/// What the program's headers say is at this address, in memory as long as the program runs.
fn array<T: Copy>(at: usize, count: usize) -> Option<&'static [T]> {
    let first = at as *const T;
    // SAFETY: the kernel tells where so many headers are, and one of them where so many entries are; the address is a valid one for them.
    // Who has started the program has written both (ld.so(8)), and nobody does again.
    (!first.is_null() && first.is_aligned()).then(|| unsafe { std::slice::from_raw_parts(first, count) })
}

/// The table that these entries name. Some C libraries have put real addresses in the place of the file's.
fn table(entries: impl Iterator<Item = Entry>, moved: usize) -> Option<Range<usize>> {
    let (mut start, mut length) = (None, None);
    for [kind, value] in entries {
        match kind {
            DT_NULL => break,
            DT_RELA | DT_REL => start = Some(value),
            DT_RELASZ | DT_RELSZ => length = Some(value),
            _ => {}
        }
    }
    let (start, length) = (start?, length.filter(|length| *length > 0)?);
    let start = if start < moved { start.checked_add(moved)? } else { start };
    Some(start..start.checked_add(length)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::mapping::range;

    #[test]
    fn the_table_is_found_whether_or_not_its_address_was_moved_already() {
        let entries = |start| [[5, 1], [DT_RELA, start], [DT_RELASZ, 0x300], [DT_NULL, 0], [DT_RELASZ, 9]];
        assert_eq!(table(entries(0x1000).into_iter(), 0x5000_0000), Some(0x5000_1000..0x5000_1300));
        assert_eq!(table(entries(0x5000_1000).into_iter(), 0x5000_0000), Some(0x5000_1000..0x5000_1300));
        assert_eq!(table(entries(0x1000).into_iter(), 0), Some(0x1000..0x1300));
        let rel = [[DT_REL, 0x40], [DT_RELSZ, 8], [DT_NULL, 0]];
        assert_eq!(table(rel.into_iter(), 0), Some(0x40..0x48));
        for none in [&[[DT_NULL, 0]][..], &[[DT_RELA, 8], [DT_RELASZ, 0], [DT_NULL, 0]], &[[DT_RELASZ, 8]]] {
            assert_eq!(table(none.iter().copied(), 0), None);
        }
        let last = [[DT_RELA, usize::MAX], [DT_RELASZ, 8], [DT_NULL, 0]];
        assert_eq!(table(last.into_iter(), 0), None, "no address is that high");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_table_of_this_program_is_within_it() {
        let Some(table) = relocations() else { return };
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let program = std::env::current_exe().unwrap();
        let is_in = |line: &&str| {
            let range = range(line).unwrap();
            range.start <= table.start && table.end <= range.end
        };
        let line = maps.lines().find(is_in).expect("it is mapped");
        assert!(line.ends_with(program.to_str().unwrap()), "{line}");
    }
}
