//! What crosses to C: the table in `src/sys/crossings.rs` is complete, and agrees with the C compiler of this machine.
//! `tests/ci/targets` compares it for the others.
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::c_compiler::{self, Ours};
use mainsd::sys::crossings;

/// What need not be compared, and why.
const EXEMPT: [(&str, &str); 8] = [
    ("B2400", "in the table, but not for glibc: see `sys::tty`"),
    ("constants", "a module"),
    (
        "timespec",
        "the libc crate's functions take the libc crate's structure; `time64` gives it to nothing else",
    ),
    ("itimerspec", "as timespec"),
    ("Ioctl", "int or unsigned long, as the C library declares ioctl"),
    ("ARCH", "of the standard library"),
    ("SYS_socket", "in the table, as `socket`"),
    ("libusb_context", "only its address crosses, as those of the other structures without fields"),
];

/// Time structures and functions of the C library, which are wrong on 32-bit platforms: on musl the libc crate has 32 bits
/// where C has 64, and the standard library ends the program in 2038.
const BANNED: [&str; 27] = [
    "libc::time_t",
    "libc::timeval",
    "libc::timespec",
    "libc::itimerspec",
    "libc::itimerval",
    "libc::suseconds_t",
    "libc::stat",
    "libc::utimbuf",
    "libc::rusage",
    "libc::localtime_r",
    "libc::gettimeofday",
    "libc::clock_gettime",
    "libc::nanosleep",
    "libc::ppoll",
    "libc::select",
    "libc::time(",
    "SO_RCVTIMEO",
    "SO_SNDTIMEO",
    "SystemTime::now",
    // rustix gives the C library 64 bits where it reads 32, on musl for ARM and MIPS.
    "rustix::event::poll",
    "Timespec, poll}",
    // It looks calls up by `dlsym` on 32 bits, which a static program for MIPS has not.
    " fstat",
    ".modified()",
    ".accessed()",
    ".created()",
    "set_modified(",
    "set_times(",
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
    found
}

/// The lines of the program itself under `src`, without tests and comments, with the file they are in.
fn program(under: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(under);
    let is_test = |path: &Path| path.iter().any(|part| part == "tests" || part == "tests.rs");
    let mut lines = Vec::new();
    for path in sources(&root).into_iter().filter(|path| !is_test(path)) {
        let text = fs::read_to_string(&path).unwrap();
        for line in text.lines().take_while(|line| *line != "#[cfg(test)]" && *line != "mod tests {") {
            let code = line.split("//").next().unwrap_or_default();
            lines.push((path.clone(), code.to_owned()));
        }
    }
    lines
}

/// The identifiers that follow `prefix` in a line, each with the character after it.
fn named<'a>(line: &'a str, prefix: &str) -> Vec<(&'a str, char)> {
    let ends = |rest: &str| rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    line.match_indices(prefix)
        .filter(|(at, _)| !line[..*at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_'))
        .flat_map(|(at, _)| {
            let rest = &line[at + prefix.len()..];
            // `libc::{A, B}` or `libc::A`.
            let (list, rest) = match rest.strip_prefix('{') {
                Some(list) => (list.split('}').next().unwrap_or_default(), ""),
                None => (&rest[..ends(rest)], &rest[ends(rest)..]),
            };
            let after = rest.chars().next().unwrap_or(' ');
            list.split(',').map(move |name| (name.trim(), after)).filter(|(name, _)| !name.is_empty())
        })
        .collect()
}

#[test]
fn everything_in_sys_that_crosses_to_c_is_in_the_table() {
    let ends_in_name = |path: &str| path.rsplit([':', ' ']).next().unwrap_or_default().to_owned();
    let table: BTreeSet<String> = crossings::all().iter().map(|one| ends_in_name(one.name)).collect();
    let mut missing = BTreeSet::new();
    for (path, line) in program("sys").into_iter().filter(|(path, _)| !path.ends_with("crossings.rs")) {
        for prefix in ["libc::", "ffi::", "libusb1_sys::", "c::", "constants::", "consts::"] {
            for (name, after) in named(&line, prefix) {
                let is_path = after == ':' || name.contains(" as ");
                // Functions in lower case are the C library's own business; macros of C, in upper case, are not.
                let is_function = after == '(' && name.contains(|c: char| c.is_ascii_lowercase());
                let is_std = prefix == "ffi::" && !name.starts_with("libusb");
                let is_ours = prefix == "c::" && !name.starts_with("LIBUSB");
                let handle = name.starts_with("libusb_device");
                let exempt = EXEMPT.iter().any(|(exempt, _)| *exempt == name);
                if !(is_path || is_function || is_std || is_ours || handle || exempt || table.contains(name))
                {
                    missing.insert(format!("{}: {prefix}{name}", path.display()));
                }
            }
        }
    }
    let missing: Vec<String> = missing.into_iter().collect();
    assert!(missing.is_empty(), "not in src/sys/crossings.rs:\n{}", missing.join("\n"));
}

#[test]
fn no_time_is_read_or_told_in_a_way_that_ends_in_2038() {
    let at_home = |path: &Path| path.ends_with("sys/time64.rs");
    let wrong: Vec<String> = program("")
        .into_iter()
        .filter(|(path, _)| !at_home(path))
        .filter_map(|(path, line)| {
            let banned = BANNED.iter().find(|banned| line.contains(*banned))?;
            Some(format!("{}: {banned}", path.display()))
        })
        .collect();
    assert!(wrong.is_empty(), "use sys::clock or sys::time64:\n{}", wrong.join("\n"));
}

#[test]
fn every_size_offset_and_number_is_what_the_c_compiler_of_this_machine_says() {
    let ours: Vec<Ours> = crossings::all()
        .iter()
        .map(|one| Ours { headers: one.headers.to_owned(), c: one.c.to_owned(), value: one.value })
        .collect();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("crossings");
    fs::create_dir_all(&folder).unwrap();
    c_compiler::agrees_with_c(&ours, &["cc"], &folder);
}
