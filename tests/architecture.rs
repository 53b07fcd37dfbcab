//! Keeps the house in order: which room imports which, where `unsafe` may stand, how long a file may be.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Room and the rooms it may import beside itself; `ups` and the modules of `std` are open to all. Source: `src/lib.rs`.
const IMPORTS: [(&str, &[&str]); 12] = [
    ("daemon", &["act", "config", "journal", "link", "port", "power", "report", "server", "sys", "wire"]),
    ("config", &[]),
    ("ups", &[]),
    ("wire", &[]),
    ("link", &["wire"]),
    ("port", &["sys"]),
    ("power", &[]),
    ("act", &["sys"]),
    ("report", &["wire"]),
    ("server", &["wire", "report", "sys"]),
    // The state file holds what the machine wants kept: `power::SavedOutage`.
    ("journal", &["power", "sys"]),
    ("sys", &[]),
];

/// Longest file, tests included; `style.md` of the field's model codebases splits at about this length.
const MAX_LINES: usize = 560;

fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_under(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The rooms that a line names as `crate::room`, comments left out.
fn rooms_named(line: &str) -> BTreeSet<String> {
    let code = line.split("//").next().unwrap_or("");
    let mut rooms = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let names = rest.strip_prefix('{').unwrap_or(rest);
        let room: String = names.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        rooms.insert(room);
    }
    rooms
}

#[test]
fn each_room_imports_only_what_its_row_allows() {
    let mut wrong = Vec::new();
    for (room, allowed) in IMPORTS {
        for path in files_under(&sources().join(room)) {
            let text = fs::read_to_string(&path).unwrap();
            for (number, line) in text.lines().enumerate() {
                for named in rooms_named(line) {
                    let known = IMPORTS.iter().any(|(r, _)| *r == named) || named == "program";
                    if known && named != room && named != "ups" && !allowed.contains(&named.as_str()) {
                        wrong.push(format!("{}:{}: {room} imports {named}", path.display(), number + 1));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the house's rule:\n{}", wrong.join("\n"));
}

#[test]
fn unsafe_stands_only_in_sys_and_each_block_says_why_it_is_safe() {
    let mut wrong = Vec::new();
    for path in files_under(&sources()) {
        let text = fs::read_to_string(&path).unwrap();
        let in_sys = path.starts_with(sources().join("sys"));
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let code = line.split("//").next().unwrap_or("");
            let word =
                code.contains("unsafe {") || code.contains("unsafe fn") || code.contains("unsafe impl");
            if !word {
                continue;
            }
            let reason = lines[number.saturating_sub(6)..=number]
                .iter()
                .any(|l| l.contains("SAFETY:") || l.contains("# Safety"));
            if !in_sys || !reason {
                wrong.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "unsafe outside sys/, or without its SAFETY line:\n{}", wrong.join("\n"));
}

#[test]
fn libc_and_libusb_are_called_only_in_sys() {
    let mut wrong = Vec::new();
    let (sys, is_test) = (sources().join("sys"), |path: &Path| path.iter().any(|part| part == "tests"));
    for path in files_under(&sources()) {
        if path.starts_with(&sys) || is_test(&path) || path.ends_with("tests.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let program = text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
        for (number, line) in program.enumerate() {
            let code = line.split("//").next().unwrap_or("");
            if ["libc::", "libusb1_sys"].iter().any(|name| code.contains(name)) {
                wrong.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "libc or libusb outside sys/:\n{}", wrong.join("\n"));
}

#[test]
fn files_are_short_enough_to_be_one_idea() {
    let long: Vec<String> = files_under(&sources())
        .into_iter()
        .filter_map(|path| {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            (lines > MAX_LINES).then(|| format!("{} has {lines} lines", path.display()))
        })
        .collect();
    assert!(long.is_empty(), "split these:\n{}", long.join("\n"));
}
