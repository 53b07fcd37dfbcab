//! What `mainsd check` says of a folder depends on who asks.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::support::faults::guard::{as_nobody, is_root, program};
use crate::support::runner::{Group, Needs, tests};
use crate::support::{Scratch, Setup, free_port, write_config};

pub const TESTS: Group = Group {
    needs: Needs::Ci("root"),
    tests: tests![a_folder_that_may_not_be_written_is_told_to_others_and_not_to_root],
    ..Group::new(module_path!())
};

fn a_folder_that_may_not_be_written_is_told_to_others_and_not_to_root() {
    assert!(is_root(), "this test is for root");
    let scratch = Scratch::new();
    let config = write_config(&Setup::new("test").with("NOLOGON", "disable"), &scratch, free_port());
    let flags = scratch.path().join("flags");
    std::fs::set_permissions(&flags, PermissionsExt::from_mode(0o555)).unwrap();
    let says = |mut check: Command| {
        let done = check.arg("check").arg("-f").arg(&config).output().unwrap();
        let text = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
        (text.contains(&format!("PWRFAILDIR: cannot write in {}: Permission denied", flags.display())), text)
    };
    let (told, text) = says(Command::new(program()));
    assert!(!told, "root may write everywhere: {text}");
    let (told, text) = says(as_nobody(program()));
    assert!(told && text.contains("(asked as an ordinary user;"), "{text}");
}
