//! The manual pages, without a word from the checker.

use std::process::Command;

use crate::support::manual_pages;
use crate::support::runner::{Group, Needs, tests};

pub const TESTS: Group = Group {
    needs: Needs::Machine("mandoc", has_mandoc),
    tests: tests![pages_are_correct_mdoc, no_line_of_a_page_is_wider_than_a_terminal_of_80_columns],
    ..Group::new(module_path!())
};

fn has_mandoc() -> bool {
    Command::new("mandoc").args(["-T", "lint", "/dev/null"]).output().is_ok()
}

fn pages_are_correct_mdoc() {
    for path in manual_pages() {
        let checked =
            Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).arg(&path).output().unwrap();
        let text = String::from_utf8_lossy(&checked.stdout);
        assert!(checked.status.success(), "{}:\n{text}", path.display());
    }
}

fn no_line_of_a_page_is_wider_than_a_terminal_of_80_columns() {
    for path in manual_pages() {
        // What man(1) asks for on a terminal of 80 columns.
        let output =
            Command::new("mandoc").args(["-T", "utf8", "-O", "width=78"]).arg(&path).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        for line in text.lines() {
            // A bold letter is itself, a backspace, and itself.
            let columns = line.chars().count() - 2 * line.matches('\u{8}').count();
            assert!(columns <= 80, "{}: {columns} columns: {line}", path.display());
        }
    }
}
