//! What the README shows of the program is what it says.

use std::path::Path;

use crate::support::{self, Scratch};

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

/// The block of this kind that follows this text.
fn block<'a>(text: &'a str, after: &str, kind: &str) -> &'a str {
    let (_, rest) = text.split_once(after).unwrap_or_else(|| panic!("the README has no {after:?}"));
    let (_, rest) = rest.split_once(&format!("```{kind}\n")).unwrap();
    rest.split_once("```").unwrap().0
}

#[test]
fn the_drill_in_the_readme_is_what_is_told() {
    let text = readme();
    let scratch = Scratch::new();
    let config = scratch.file("mainsd.conf", block(&text, "## The smallest configuration", "apcupsd"));
    let done = support::run(["drill", "-f", config.to_str().unwrap()]);
    let is_told = |line: &&str| line.get(5..6) == Some(":") || line.get(4..5) == Some(":");
    let told: Vec<&str> = done.stdout.lines().filter(is_told).collect();
    let shown = block(&text, "`mainsd drill` with the same configuration", "text");
    // A machine may have a script of an event in that folder.
    let hooks = |line: &&str| !line.contains(" hook: ");
    let (told, shown): (Vec<&str>, Vec<&str>) =
        (told.into_iter().filter(hooks).collect(), shown.lines().filter(hooks).collect());
    assert_eq!(told, shown, "{done:?}");
}

/// Without what depends on the machine: the folder that is looked at, the commands that it has.
fn lines(text: &str) -> Vec<&str> {
    let of_the_machine =
        |line: &&str| !line.trim_start().starts_with("if that fails: ") && !line.trim().is_empty();
    text.lines().filter(of_the_machine).collect()
}

#[test]
fn the_smallest_configuration_starts_a_daemon_and_means_what_the_readme_says() {
    let text = readme();
    let scratch = Scratch::new();
    let config = scratch.file("mainsd.conf", block(&text, "## The smallest configuration", "apcupsd"));
    let done = support::run(["check", "-f", config.to_str().unwrap()]);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    let (_, said) = done.stdout.split_once("What will happen\n").unwrap();
    let said = said.split("\nWarnings\n").next().unwrap();
    let shown = block(&text, "`mainsd check` on [the smallest configuration]", "text");
    let (first, shown) = shown.split_once('\n').unwrap();
    assert_eq!(first, "What will happen");
    assert_eq!(lines(shown), lines(said));
}
