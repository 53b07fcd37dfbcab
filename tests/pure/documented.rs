//! What the documents say of the tests: each command selects one, each file is there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Documents, scripts and sources, built and kept things left out.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            let left_out = ["target", ".git", "captures", "devices", "corpus", "artifacts", "coverage"];
            if !left_out.contains(&name.as_str()) {
                files(&path, found);
            }
        } else if !name.starts_with("LICENSE") && name != "Cargo.lock" {
            found.push(path);
        }
    }
}

/// Each text of the tree, by its path from the root.
fn texts() -> Vec<(String, String)> {
    let mut found = Vec::new();
    files(root(), &mut found);
    let read = |path: PathBuf| {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        // This file is about commands, and has none.
        (name != "tests/pure/documented.rs").then(|| Some((name, fs::read_to_string(path).ok()?))).flatten()
    };
    found.into_iter().filter_map(read).collect()
}

/// A `cargo test` command: the program it names, and what it selects there.
#[derive(Debug, PartialEq)]
struct Tests<'a> {
    program: &'a str,
    filters: Vec<&'a str>,
}

/// The commands of a line that name a program of tests; `--lib` is one.
fn commands(line: &str) -> Vec<Tests<'_>> {
    let mut found = Vec::new();
    for (at, start) in line.match_indices("cargo test") {
        let rest = &line[at + start.len()..];
        let end = rest.find(['`', '"', '|', ';', '#', ')', '>']).unwrap_or(rest.len());
        let mut words = rest[..end].split_whitespace().map(|word| word.trim_end_matches("\\n"));
        let mut command = Tests { program: "", filters: Vec::new() };
        while let Some(word) = words.next() {
            match word {
                "--test" => command.program = words.next().unwrap_or_default(),
                "--lib" => command.program = "lib",
                // Only after `--`: the values of options.
                "--skip" | "--test-threads" | "--features" | "--target" => drop(words.next()),
                word if word.chars().any(char::is_alphanumeric) && !word.starts_with('-') => {
                    command.filters.push(word);
                }
                _ => {}
            }
        }
        if !command.program.is_empty() {
            found.push(command);
        }
    }
    found
}

/// Names that contain those of all tests of a program: each word of each file, below the file's module.
fn names(program: &str) -> Vec<String> {
    let folder = if program == "lib" { root().join("src") } else { root().join("tests").join(program) };
    let mut found = Vec::new();
    files(&folder, &mut found);
    let mut names = BTreeSet::new();
    for path in found {
        let module = path.strip_prefix(&folder).unwrap().with_extension("");
        let module = module.display().to_string().replace('/', "::");
        let module = module.trim_end_matches("::mod");
        let text = fs::read_to_string(path).unwrap();
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        names.extend(words.map(|word| format!("{module}::{word}")));
    }
    names.into_iter().collect()
}

#[test]
fn a_command_is_understood_up_to_its_end() {
    let tests = |program, filters: &[&'static str]| Tests { program, filters: filters.to_vec() };
    assert_eq!(commands("`X=1 cargo test --release --test a b::c` and more"), [tests("a", &["b::c"])]);
    assert_eq!(commands("cargo test --test a -- b:: c:: --nocapture # d"), [tests("a", &["b::", "c::"])]);
    let two = [tests("a", &[]), tests("lib", &["d"])];
    assert_eq!(commands("`cargo test --test a`, `cargo test --lib d`"), two);
    assert_eq!(commands("cargo test, cargo test --no-fail-fast"), []);
}

#[test]
fn each_command_selects_a_test() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let is_there = |program: &&str| manifest.contains(&format!("path = \"tests/{program}/main.rs\""));
    let programs = ["pure", "daemon", "forking", "ci"].into_iter().filter(is_there);
    let known: BTreeMap<&str, Vec<String>> =
        programs.chain(["lib"]).map(|program| (program, names(program))).collect();
    let mut wrong = Vec::new();
    let mut count = 0;
    for (path, text) in texts() {
        for (number, line) in text.lines().enumerate() {
            for command in commands(line) {
                count += 1;
                let names = known.get(command.program);
                let selects =
                    |filter: &&str| names.is_some_and(|all| all.iter().any(|n| n.contains(*filter)));
                if names.is_none() || !command.filters.iter().all(selects) {
                    wrong.push(format!("{path}:{}: {command:?}", number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "these commands select no test:\n{}", wrong.join("\n"));
    assert!(count >= 12, "only {count} commands found: is the search right?");
}

#[test]
fn each_file_of_the_tests_that_is_named_is_there() {
    let mut wrong = Vec::new();
    for (path, text) in texts() {
        for (number, line) in text.lines().enumerate() {
            for (at, start) in line.match_indices("tests/") {
                // Part of a longer path: another folder of tests.
                if line[..at].ends_with(|c: char| c.is_alphanumeric() || "/_.-{}".contains(c)) {
                    continue;
                }
                let rest = &line[at + start.len()..];
                let end = rest
                    .find(|c: char| !c.is_ascii_alphanumeric() && !"/_.-".contains(c))
                    .unwrap_or(rest.len());
                // A pattern stands for many.
                if rest[end..].starts_with(['*', '{', '<', '$']) {
                    continue;
                }
                let named = format!("tests/{}", rest[..end].trim_end_matches(['.', ',']));
                if !root().join(&named).exists() {
                    wrong.push(format!("{path}:{}: {named}", number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "these files are not there:\n{}", wrong.join("\n"));
}
