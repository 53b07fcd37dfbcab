//! The manual pages: with each option that the programs have, and without a page that is not there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::manual_pages as pages;

fn page(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("man").join(name)).unwrap()
}

/// The long options in a help text.
fn long_options(args: &[&str]) -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_mainsd")).args(args).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{args:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut options: Vec<String> = text
        .match_indices("--")
        .map(|(at, _)| text[at + 2..].chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect())
        .filter(|option: &String| !option.is_empty())
        .collect();
    options.sort();
    options.dedup();
    options
}

#[test]
fn each_option_of_the_help_texts_is_in_the_manual() {
    for (args, name) in [
        (&["--help"][..], "mainsd.8"),
        (&["check", "--help"], "mainsd.8"),
        (&["drill", "--help"], "mainsd.8"),
        (&["doctor", "--help"], "mainsd.8"),
        (&["status", "--help"], "apcaccess.1"),
        (&["apctest", "--help"], "apctest.8"),
    ] {
        let text = page(name);
        for option in long_options(args) {
            // `check -f` is written in its short form, and each program has its help.
            let known = text.contains(&format!("Fl -{option}")) || option == "help";
            assert!(known, "man/{name} does not have --{option} of 'mainsd {}'", args.join(" "));
        }
    }
}

#[test]
fn pages_name_only_pages_that_exist() {
    let exist: Vec<String> =
        pages().iter().map(|p| p.file_name().unwrap().to_string_lossy().into_owned()).collect();
    let others = ["systemctl.1", "shutdown.8", "poweroff.8", "halt.8", "execve.2", "reboot.2"];
    for path in pages() {
        for line in fs::read_to_string(&path).unwrap().lines() {
            let Some(named) = line.strip_prefix(".Xr ") else { continue };
            let mut words = named.split(' ');
            let target = format!("{}.{}", words.next().unwrap(), words.next().unwrap());
            let known = exist.contains(&target) || others.contains(&&*target);
            assert!(known, "{} names {target}, which does not exist", path.display());
        }
    }
}

/// What mandoc and groff put before each line of a section, and before an indented display, in columns.
const INDENT: usize = 5;
const OFFSET: usize = 6;

#[test]
fn diagrams_and_examples_fit_80_columns() {
    for path in pages() {
        let text = fs::read_to_string(&path).unwrap();
        let mut offset = None;
        for (number, line) in text.lines().enumerate() {
            if let Some(display) = line.strip_prefix(".Bd -literal") {
                offset = Some(if display.contains("-offset") { OFFSET } else { 0 });
            } else if line == ".Ed" {
                offset = None;
            } else if let Some(offset) = offset {
                let shown = line.replace("\\-", "-").replace("\\e", "\\").replace("\\&", "");
                let columns = INDENT + offset + shown.chars().count();
                assert!(columns <= 80, "{}:{}: {columns} columns", path.display(), number + 1);
            }
        }
    }
}

/// Everything that speaks to users, markup left out, on one line each.
fn prose() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = pages();
    files.extend(["README.md", "CHANGELOG.md", "SECURITY.md", "CONTRIBUTING.md"].map(|name| root.join(name)));
    let mut folders: Vec<PathBuf> = ["packaging", "src"].map(|name| root.join(name)).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    let words = |path: &PathBuf| {
        let text = String::from_utf8_lossy(&fs::read(path).unwrap()).replace("\\fB", "").replace("\\fP", "");
        let lines = text.lines().map(|line| line.trim_start_matches(['/', '#', '!', ' ']));
        lines.flat_map(str::split_whitespace).filter(|word| *word != "\\").collect::<Vec<_>>().join(" ")
    };
    files
        .into_iter()
        .map(|path| {
            let text = words(&path);
            (path, text)
        })
        .collect()
}

#[test]
fn mains_is_everywhere() {
    for (path, text) in prose() {
        let lower = text.to_ascii_lowercase();
        for wrong in [
            "mains are ",
            "mains have ",
            "mains were ",
            "mains fail ",
            "mains return ",
            "mains come ",
            "the mains ",
        ] {
            let context =
                lower.split_once(wrong).map(|(_, after)| after.chars().take(50).collect::<String>());
            assert_eq!(context, None, "{}: {wrong}...", path.display());
        }
    }
}

#[test]
fn sentences_that_stopped_a_newcomer_do_not_come_back() {
    let table = [
        "for want of power",
        "to be borne",
        "is borne",
        "the guard has begun",
        "it only guessed at",
        "half-made",
        "What is kept out is counted",
        "Who sends",
        "except with the simulated",
        "Ended during these seconds",
        "none at all if",
    ];
    for (path, text) in prose() {
        for sentence in table {
            assert!(!text.contains(sentence), "{}: {sentence}", path.display());
        }
    }
    let eighth = page("mainsd.8");
    for said in ["mains (utility power)", "to guard", "there are two cases", "means minutes"] {
        assert!(eighth.contains(said), "mainsd(8) does not say: {said}");
    }
    assert!(page("mainsd-hooks.8").contains("minutes are meant"));
    assert!(page("apcaccess.1").contains("Your own request is not listed"));
}
