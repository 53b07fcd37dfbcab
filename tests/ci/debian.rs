//! The Debian package: what dpkg and apt do with it in a small Debian 12, what lintian says of it; and that the Rust compiler of Debian
//! 13 takes the sources. `tests/debian/prepare` makes what they need, `tests/debian/story` plays each story. No service runs there.
//!
//! Needs root, Debian 12 with debootstrap, debhelper and lintian, the network, and about six minutes the first time. `DEBIAN` names the
//! folder of the small Debians. `tests/debian/all` does the same in both releases, with compilers of theirs, two builds and a
//! machine with systemd.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use super::vm;
use crate::support::runner::{Group, Needs, prepared, tests};

pub const TESTS: Group = Group {
    long: true,
    needs: Needs::Ci("root, Debian's debootstrap, debhelper and lintian, and the network"),
    prepare: Some(prepare),
    tests: tests![
        every_story_of_dpkg_and_apt_ends_well,
        lintian_has_nothing_to_say_but_what_is_explained,
        the_rust_compiler_of_trixie_takes_the_sources,
    ],
    ..Group::new(module_path!())
};

fn script(name: &str) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/debian").join(name));
    // Cargo's own are for these tests.
    for name in ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN", "CARGO_HOME"] {
        command.env_remove(name);
    }
    command
}

/// Whether it ended well, and all that it said.
fn said(command: &mut Command) -> (bool, String) {
    let done = command.output().unwrap();
    let text = [done.stdout, done.stderr].concat();
    (done.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// The folder with the Debian and the package, if one of these tests needs them.
fn prepare(names: &[&str]) -> String {
    let place =
        std::env::var_os("DEBIAN").map_or_else(|| std::env::temp_dir().join("mainsd-debian"), PathBuf::from);
    if names.iter().any(|name| !name.contains("rust_compiler")) {
        prepare_bookworm();
    }
    place.display().to_string()
}

/// A small Debian 12, and the package of what is built now.
pub fn prepare_bookworm() {
    static UNDER_WAY: Mutex<()> = Mutex::new(());
    let _one = UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
    vm::release();
    let (well, text) =
        said(script("prepare").arg("bookworm").env("MAINSD_BUILT", vm::target().join("release/mainsd")));
    assert!(well, "tests/debian/prepare bookworm: {text}");
}

fn every_story_of_dpkg_and_apt_ends_well() {
    let (listed, names) = said(&mut script("story"));
    assert!(listed && names.lines().count() >= 11, "{names}");
    let mut failures = String::new();
    for name in names.lines() {
        let (well, text) = said(script("story").args(["bookworm", name]));
        if !well {
            failures.push_str(&format!("== {name}\n{text}\n"));
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

fn lintian_has_nothing_to_say_but_what_is_explained() {
    let package = Path::new(&prepared()).join("bookworm.deb");
    let (well, text) = said(
        Command::new("lintian")
            .args(["--info", "--display-info", "--pedantic", "--allow-root"])
            // This program is Cargo's, compiled without Debian's flags for C.
            .args(["--suppress-tags", "hardening-no-fortify-functions"])
            .arg(&package),
    );
    assert!(well && text.is_empty(), "{}: {text}", package.display());
}

fn the_rust_compiler_of_trixie_takes_the_sources() {
    let (well, text) = said(script("prepare").args(["--check", "trixie"]));
    assert!(well, "tests/debian/prepare --check trixie: {text}");
}
