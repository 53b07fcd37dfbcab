//! Builds of the program with other drivers than usual: some left out, one added.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::vm;
use crate::support::runner::{Group, Needs, tests};
use crate::support::{self, Daemon, Scratch, Setup, TIMEOUT};

pub const TESTS: Group = Group {
    long: true,
    needs: Needs::Ci("minutes of time for other builds"),
    tests: tests![
        each_driver_builds_alone_without_a_warning,
        a_router_build_has_usb_and_net_and_names_them,
        a_new_driver_touches_its_link_and_its_row,
    ],
    ..Group::new(module_path!())
};

/// `cargo`, for the sources in this folder; what it says on its way.
fn cargo(folder: &Path, args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(folder).args(args).arg("--locked");
    command.arg("--target-dir").arg(vm::target().join("drivers")).env("CARGO_TERM_COLOR", "never");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "cargo {args:?}: {}\n{said}", output.status);
    said
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What `cargo build` has made, kept from the next build.
fn built(scratch: &Scratch) -> PathBuf {
    let program = scratch.path().join("mainsd");
    std::fs::copy(vm::target().join("drivers/debug/mainsd"), &program).unwrap();
    program
}

fn each_driver_builds_alone_without_a_warning() {
    for driver in
        ["", "usb", "apcsmart", "dumb", "modbus", "net", "pcnet", "snmp", "test", "tools", "check", "control"]
    {
        let said = cargo(root(), &["check", "--lib", "--no-default-features", "--features", driver]);
        assert!(!said.contains("warning"), "{driver}: {said}");
    }
}

fn a_router_build_has_usb_and_net_and_names_them() {
    let scratch = Scratch::new();
    cargo(root(), &["build", "--bin", "mainsd", "--no-default-features", "--features", "usb,net"]);
    let program = built(&scratch);
    let check = |text: &str| {
        let config = scratch.file("mainsd.conf", format!("{text}\nSCRIPTDIR {}\n", scratch.path().display()));
        support::run_program(&program, ["check", &config.display().to_string()].map(str::to_owned))
    };
    for good in ["UPSTYPE usb", "UPSTYPE net\nDEVICE localhost"] {
        assert!(check(good).stdout.contains("mainsd starts with this file"), "{good}");
    }
    let words = "UPSTYPE: this build of mainsd has no driver for apcsmart; it has usb and net";
    let done = check("UPSTYPE apcsmart\nDEVICE /dev/ttyS0");
    assert!(!done.status.success() && done.stdout.contains(words), "{}", done.stdout);
    let done = support::run_program(&program, ["demo".to_owned()]);
    assert!(!done.status.success() && done.stderr.contains("has no simulated UPS"), "{}", done.stderr);
}

/// As CONTRIBUTING says: a file in `link/` and the line that names it, a row with its constructor, a feature.
fn a_new_driver_touches_its_link_and_its_row() {
    let scratch = Scratch::new();
    let tree = scratch.dir("tree");
    let copied = ["src", "build.rs", "Cargo.toml", "Cargo.lock"].map(|name| root().join(name));
    let status = Command::new("cp").arg("-r").args(copied).arg(&tree).status().unwrap();
    assert!(status.success(), "{status}");
    for name in ["tests", "benches", "packaging"] {
        symlink(root().join(name), tree.join(name)).unwrap();
    }
    let edit = |file: &str, old: &str, new: &str| {
        let text = std::fs::read_to_string(tree.join(file)).unwrap();
        assert_eq!(text.matches(old).count(), 1, "{old:?} in {file}");
        std::fs::write(tree.join(file), text.replace(old, new)).unwrap();
    };
    std::fs::write(tree.join("src/link/steady.rs"), include_str!("new_driver/link.txt")).unwrap();
    edit(
        "src/link/mod.rs",
        "use std::time::",
        "#[cfg(feature = \"steady\")]\npub mod steady;\n\nuse std::time::",
    );
    edit("src/drivers/table.rs", "\n];\n", &format!("\n{}", include_str!("new_driver/row.txt")));
    edit("Cargo.toml", "\nusb = [", "\nsteady = [\"unconnected\"]\nusb = [");

    let said = cargo(&tree, &["build", "--bin", "mainsd", "--features", "steady"]);
    assert!(!said.contains("warning"), "{said}");
    let daemon = Daemon::start(&Setup { program: built(&scratch), ..Setup::new("steady") });
    let status = daemon.wait_for_status(|status| status.has("ONLINE"), TIMEOUT);
    assert!(status.is("DRIVER", "STEADY UPS Driver"), "{}", status.text());
    assert!(daemon.terminate().status.success());
}
