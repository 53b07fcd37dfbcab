//! The manual pages: without a word from the checker, and with each option that the programs have.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn pages() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
    let mut pages: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.sort();
    pages
}

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
        (&["status", "--help"], "apcaccess.1"),
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

#[test]
fn pages_are_correct_mdoc() {
    if std::env::var_os("MAINSD_CI").is_none() {
        println!("needs MAINSD_CI=1 and mandoc");
        return;
    }
    for path in pages() {
        let checked = Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).arg(&path).output();
        let checked =
            checked.unwrap_or_else(|error| panic!("mandoc is missing (apt-get install mandoc): {error}"));
        let text = String::from_utf8_lossy(&checked.stdout);
        assert!(checked.status.success(), "{}:\n{text}", path.display());
    }
}
