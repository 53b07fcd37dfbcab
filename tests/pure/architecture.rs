//! Keeps the rooms in order: which room imports which, where `unsafe` may stand, how long a file may be.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Room and the rooms it may import beside itself; `ups` and the modules of `std` are open to all. Source: `src/lib.rs`.
const IMPORTS: [(&str, &[&str]); 15] = [
    (
        "program",
        &[
            "act", "bus", "config", "daemon", "drivers", "journal", "link", "port", "power", "report",
            "server", "sys", "wire",
        ],
    ),
    (
        "daemon",
        &[
            "act", "bus", "config", "drivers", "journal", "link", "port", "power", "report", "server", "sys",
            "wire",
        ],
    ),
    // What UPSTYPE can be, and what a driver implies.
    ("config", &["drivers"]),
    ("drivers", &["bus", "link"]),
    ("ups", &[]),
    ("wire", &[]),
    ("bus", &[]),
    ("link", &["bus", "wire"]),
    ("port", &["bus", "sys"]),
    ("power", &[]),
    ("act", &["sys"]),
    ("report", &["wire"]),
    ("server", &["wire", "report", "sys"]),
    // The state file holds what the machine wants kept: `power::SavedOutage`; writers are told what to do by messages.
    ("journal", &["power", "sys", "wire"]),
    // The vocabulary of its safe types.
    ("sys", &["bus"]),
];

/// Longest file, those of tests included; `style.md` of the field's model codebases splits at about this length.
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

/// Whether this file of the sources holds nothing but tests.
fn is_test(path: &Path) -> bool {
    path.iter().any(|part| part == "tests") || path.ends_with("tests.rs")
}

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// The rooms that a text names as `crate::room` or `crate::{room, room::{…}}`, and the number of the line where; comments left out.
fn rooms_named(text: &str) -> BTreeSet<(usize, String)> {
    let code: String =
        text.lines().map(|line| line.split("//").next().unwrap_or("").to_owned() + "\n").collect();
    let mut rooms = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let line = code[..at].matches('\n').count() + 1;
        let rest = &code[at + "crate::".len()..];
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let word = |rest: &str| rest.chars().take_while(|c| is_word(*c)).collect::<String>();
        let Some(group) = rest.strip_prefix('{') else {
            rooms.insert((line, word(rest)));
            continue;
        };
        let mut depth = 0;
        let mut begins = true;
        for (place, c) in group.char_indices() {
            match c {
                '}' if depth == 0 => break,
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' => begins = depth == 0,
                c if is_word(c) && begins => {
                    rooms.insert((line + group[..place].matches('\n').count(), word(&group[place..])));
                    begins = false;
                }
                _ => {}
            }
        }
    }
    rooms
}

#[test]
fn every_room_of_a_use_line_is_seen() {
    let text = "use crate::{power::{Machine, Order}, ups};\n// use crate::act;\nuse crate::{\n    config,\n    sys::{self, fs},\n};\nlet x = crate::wire::nis::END;\n";
    let named = rooms_named(text);
    let expected = [(1, "power"), (1, "ups"), (4, "config"), (5, "sys"), (7, "wire")];
    assert_eq!(named, expected.map(|(line, room)| (line, room.to_owned())).into());
}

#[test]
fn each_room_imports_only_what_its_row_allows() {
    let mut wrong = Vec::new();
    for (room, allowed) in IMPORTS {
        // Tests of a room may drive it with what stands above it.
        for path in files_under(&sources().join(room)).into_iter().filter(|path| !is_test(path)) {
            let text = fs::read_to_string(&path).unwrap();
            for (line, named) in rooms_named(&text) {
                // The rest are macros of this library.
                let is_room = sources().join(&named).is_dir();
                if is_room && named != room && named != "ups" && !allowed.contains(&named.as_str()) {
                    wrong.push(format!("{}:{line}: {room} imports {named}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the table:\n{}", wrong.join("\n"));
}

#[test]
fn each_room_has_a_row_and_rows_lead_down_only() {
    let mut rooms: Vec<String> = fs::read_dir(sources())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    rooms.sort();
    let mut rows = IMPORTS.map(|(room, _)| room.to_owned());
    rows.sort();
    assert_eq!(rooms, rows);
    // A room that imports nothing is taken away until none is left; in a circle nothing could be.
    let mut left: Vec<(&str, &[&str])> = IMPORTS.to_vec();
    while !left.is_empty() {
        let names: Vec<&str> = left.iter().map(|(room, _)| *room).collect();
        let before = left.len();
        left.retain(|(_, imports)| imports.iter().any(|import| names.contains(import)));
        assert!(left.len() < before, "these import one another: {names:?}");
    }
}

/// What the program knows of a driver stands in its row. Texts for people name drivers in sentences; words that mean something
/// else too (`usb`, `net`, `test`, `dumb`) are not looked for. The demonstration and the drill are of
/// the simulated UPS.
#[test]
fn a_driver_is_named_in_its_row_alone() {
    let mut wrong = Vec::new();
    for path in files_under(&sources()) {
        let of_the_demo = ["program/demo", "program/tools/drill", "daemon/driver/open.rs"]
            .iter()
            .any(|place| path.starts_with(sources().join(place)));
        if is_test(&path)
            || ["drivers", "link", "wire"].iter().any(|room| path.starts_with(sources().join(room)))
        {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().take_while(|line| line.trim() != "#[cfg(test)]").enumerate() {
            let code = line.split("//").next().unwrap_or("");
            let word = ["\"apcsmart\"", "\"snmp\"", "\"pcnet\"", "\"modbus\""]
                .iter()
                .any(|word| code.contains(word));
            let link = ["usb", "apcsmart", "dumb", "net", "simulated"].iter().any(|link| {
                code.contains(&format!("link::{link}")) && !(of_the_demo && *link == "simulated")
            });
            if word || link {
                wrong.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "drivers named outside src/drivers:\n{}", wrong.join("\n"));
}

/// What `mainsd drill` can have done is what a `RehearsedHook` does, and that cannot be made of a script that shuts down.
#[test]
fn a_drill_has_nothing_that_shuts_down_and_no_daemon() {
    let can = [
        "Act",
        "Request",
        "Hands",
        "Helper",
        "Supervisor",
        "EventLoop",
        "Server",
        "Recorder",
        "spawn",
        "reboot",
        "wall",
    ];
    let rehearsal = (
        sources().join("act/rehearsal.rs"),
        &["Syncing", "LastResort", "BuiltIn", "Fallback", "Shutdown"][..],
    );
    let drill = files_under(&sources().join("program/tools/drill"));
    assert!(drill.len() > 2);
    for (path, names) in drill.into_iter().map(|path| (path, &can[..])).chain([rehearsal]) {
        let text = fs::read_to_string(&path).unwrap();
        let code =
            text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n");
        let has = |name: &str| {
            code.match_indices(name).any(|(at, _)| {
                let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
                !is_word(code[..at].chars().next_back()) && !is_word(code[at + name.len()..].chars().next())
            })
        };
        let found: Vec<&&str> = names.iter().filter(|name| has(name)).collect();
        assert!(found.is_empty(), "{}: {found:?}", path.display());
    }
}

/// One UPS and this computer: what one knows of the other are the values of `condition.rs`.
#[test]
fn a_supply_and_its_host_do_not_see_into_one_another() {
    let mut wrong = Vec::new();
    for (half, other) in [("supply", ["host::", "Host"]), ("host", ["supply::", "Supply"])] {
        let files = files_under(&sources().join("power").join(half));
        assert!(files.len() > 3, "{half}: {files:?}");
        for path in files {
            let text = fs::read_to_string(&path).unwrap();
            for (number, line) in text.lines().enumerate() {
                let code = line.split("//").next().unwrap_or("");
                if other.iter().any(|word| code.contains(word)) {
                    wrong.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "use the values of src/power/condition.rs:\n{}", wrong.join("\n"));
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
fn the_system_and_libusb_are_called_only_in_sys() {
    let mut wrong = Vec::new();
    let sys = sources().join("sys");
    for path in files_under(&sources()) {
        if path.starts_with(&sys) || is_test(&path) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let program = text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
        for (number, line) in program.enumerate() {
            let code = line.split("//").next().unwrap_or("");
            if ["libc::", "rustix::", "socket2::", "libusb1_sys"].iter().any(|name| code.contains(name)) {
                wrong.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "system calls or libusb outside sys/:\n{}", wrong.join("\n"));
}

#[test]
fn files_are_short_enough_to_be_one_idea() {
    let long: Vec<String> = [sources(), tests()]
        .iter()
        .flat_map(|folder| files_under(folder))
        .filter_map(|path| {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            (lines > MAX_LINES).then(|| format!("{} has {lines} lines", path.display()))
        })
        .collect();
    assert!(long.is_empty(), "split these:\n{}", long.join("\n"));
}

/// A file of tests that no `mod` line names is never compiled, and nobody would miss it.
#[test]
fn each_file_of_tests_is_part_of_a_program() {
    let mut lost = Vec::new();
    for program in ["pure", "daemon", "forking", "ci", "support"] {
        for path in files_under(&tests().join(program)) {
            let (folder, name) = (path.parent().unwrap(), path.file_stem().unwrap().to_str().unwrap());
            let (folder, name) = match name {
                "main" => continue,
                // A folder's own file is named in the folder above.
                "mod" => (folder.parent().unwrap(), folder.file_name().unwrap().to_str().unwrap()),
                name => (folder, name),
            };
            let line = format!("mod {name};");
            let names_it = |path: &PathBuf| {
                let text = fs::read_to_string(path).unwrap();
                text.lines().any(|known| known.trim_start_matches("pub ") == line)
            };
            // `tests/support` itself is named in each program.
            let beside = files_under(folder);
            if !beside.iter().any(names_it) {
                lost.push(path.display().to_string());
            }
        }
    }
    assert!(lost.is_empty(), "no program has these:\n{}", lost.join("\n"));
}
