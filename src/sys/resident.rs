//! Keeps the memory of the process resident, so that it goes on while no disk answers: neither code that it has not run yet nor
//! memory that was swapped out has to be read then.
#![allow(unsafe_code)]

mod relocations;

use std::hint::black_box;
use std::io;
use std::ops::Range;

use rustix::mm::{MlockAllFlags, mlock, mlockall};
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::thread::{CapabilitySet, capabilities};

use super::mapping::Mapping;
use super::memory::{drop_clean_pages, mappings};
use relocations::relocations;

/// What the process is going to do with its rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Keep them.
    Kept,
    /// Give them up: its limit of locked memory is raised before that.
    GivenUp,
}

/// Locks into memory the whole program but its relocations, the functions of libraries that it calls, and of everything else (data,
/// stack, the rest of the libraries) what is used from now on. For this process only: neither a child of `fork` nor a program that is executed has it
/// (mlockall(2)). What was used of the libraries so far is dropped first.
///
/// To be called while the process has one thread.
///
/// # Errors
/// [`io::ErrorKind::PermissionDenied`] without CAP_IPC_LOCK, as an ordinary user or in a container; nothing is locked then. What else
/// the system says. Only program and functions are locked where the limit cannot be raised (CAP_SYS_RESOURCE), and before Linux 4.4.
pub fn keep_resident(rights: Rights) -> io::Result<()> {
    if !capabilities(None)?.effective.contains(CapabilitySet::IPC_LOCK) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    drop_clean_pages(mappings());
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let maps: Vec<Mapping<'_>> = maps.lines().filter_map(Mapping::parse).collect();
    let is_own = |mapping: &&Mapping<'_>| mapping.range.contains(&(keep_resident as *const () as usize));
    let own = maps.iter().find(is_own).ok_or(io::ErrorKind::NotFound)?.file;
    let is_library =
        |file| file != own && maps.iter().any(|other| other.file == file && other.permissions.contains('x'));
    // The program, and data such as the time zone.
    let unwritable = maps.iter().filter(|it| it.permissions.starts_with("r-") && !is_library(it.file));
    let mut done = Ok(());
    let skipped = relocations().unwrap_or_default();
    for range in unwritable.flat_map(|mapping| around(&mapping.range, &skipped)) {
        done = done.and(lock(&range));
    }
    let libraries = maps.iter().filter(|it| it.file != own && it.permissions.starts_with("r-x"));
    let libraries: Vec<_> = libraries.map(|it| it.range.clone()).collect();
    for mapping in maps.iter().filter(|it| it.file == own && it.permissions.starts_with('r')) {
        // Reads in what can be written, which is not locked with the rest: each page would become a copy.
        done = done.and(lock_functions(&mapping.range, &libraries));
    }
    if rights == Rights::GivenUp {
        // Else memory that is asked for later would be refused, and a stack that grows would be the end of the process.
        let none = Rlimit { current: None, maximum: None };
        setrlimit(Resource::Memlock, none)?;
    }
    // Last, so that the mappings are whole again.
    let all = mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT);
    use_once();
    done.and(Ok(all?))
}

/// For what is behind the C library's functions: the text of an error, memory that the kernel is asked for, and that grows.
fn use_once() {
    black_box(io::Error::from_raw_os_error(libc::EPERM).to_string());
    let mut large: Vec<u8> = Vec::with_capacity(LARGE);
    large.push(0);
    large.reserve_exact(2 * LARGE);
    black_box(&large);
}

/// What is left of a range without another one.
fn around(range: &Range<usize>, without: &Range<usize>) -> [Range<usize>; 2] {
    if without.is_empty() || without.end <= range.start || without.start >= range.end {
        return [range.clone(), 0..0];
    }
    [range.start..without.start.max(range.start), without.end.min(range.end)..range.end]
}

/// Bytes that no C library takes from its heap.
const LARGE: usize = 256 << 10;

/// Bytes of the longest function that is sure to be locked whole.
const FUNCTION: usize = 512;

/// Locks the functions of libraries that are pointed to from the program's data: those that it calls, once the dynamic linker has
/// bound them.
fn lock_functions(data: &Range<usize>, libraries: &[Range<usize>]) -> io::Result<()> {
    let mut done = Ok(());
    let Some(lowest) = libraries.iter().map(|it| it.start).min() else { return done };
    for at in data.clone().step_by(size_of::<usize>()) {
        // SAFETY: the range is mapped, can be read, and begins with a page.
        let function = unsafe { std::ptr::read_volatile(at as *const usize) };
        // Most words are none; the stack, which is higher, is not pointed to.
        if function < lowest {
            continue;
        }
        if let Some(library) = libraries.iter().find(|it| it.contains(&function)) {
            let end = function.saturating_add(FUNCTION).min(library.end);
            done = done.and(lock(&(function..end)));
        }
    }
    done
}

/// Reads in and locks the pages of which it has something (mlock(2)).
fn lock(range: &Range<usize>) -> io::Result<()> {
    if range.is_empty() {
        return Ok(());
    }
    // SAFETY: no memory is changed by it, and of what is not mapped the kernel says so.
    Ok(unsafe { mlock(range.start as *mut libc::c_void, range.len()) }?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::role::{Kind, Role, Streams, wait_for_any};

    /// A line of `smaps` and its figures.
    fn figure(smaps: &str, name: &str) -> Vec<u64> {
        let figures = smaps.lines().filter_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"));
        figures.map(|figure| figure.trim().parse().unwrap()).collect()
    }

    #[test]
    fn what_is_around_a_range_is_the_rest_of_the_other() {
        assert_eq!(around(&(10..90), &(20..30)), [10..20, 30..90]);
        assert_eq!(around(&(10..90), &(0..30)), [10..10, 30..90]);
        assert_eq!(around(&(10..90), &(80..99)), [10..80, 90..90]);
        for other in [0..0, 0..10, 90..99, 50..50] {
            assert_eq!(around(&(10..90), &other), [10..90, 0..0]);
        }
    }

    #[test]
    fn the_program_is_resident_but_for_its_relocations_and_what_is_asked_for_later_is_locked_once_it_is_used()
    {
        let kind = Kind { name: c"resident", kept: &[], streams: Streams::All, has_loop: false };
        let role = Role::start(
            &kind,
            || (),
            |socket| {
                let said = match keep_resident(Rights::Kept) {
                    Err(error) => format!("refused: {error}"),
                    Ok(()) => {
                        let later = vec![1_u8; 1 << 20];
                        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
                        let file = std::env::current_exe().unwrap();
                        let blocks: Vec<&str> = smaps.split("VmFlags:").collect();
                        let of_file = blocks.iter().filter(|block| block.contains(file.to_str().unwrap()));
                        let missing: u64 =
                            of_file.map(|block| figure(block, "Size:")[0] - figure(block, "Rss:")[0]).sum();
                        let skipped = u64::try_from(relocations().unwrap_or_default().len() / 1024).unwrap();
                        let locked: u64 = figure(&smaps, "Locked:").iter().sum();
                        format!(
                            "{} {} {}",
                            missing <= skipped,
                            locked > 1024,
                            later.iter().map(|byte| u64::from(*byte)).sum::<u64>()
                        )
                    }
                };
                socket.send(said.as_bytes());
            },
        );
        let role = role.unwrap();
        wait_for_any([&role].into_iter(), std::time::Duration::from_secs(60));
        let mut said = [0; 1000];
        let length = role.receive(&mut said).unwrap();
        let said = String::from_utf8_lossy(&said[..length]);
        let may = capabilities(None).unwrap().effective.contains(CapabilitySet::IPC_LOCK);
        assert_eq!(said, if may { "true true 1048576" } else { "refused: permission denied" });
    }
}
