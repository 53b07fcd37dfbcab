//! The build script finds out by itself what the linker can do.

use std::path::Path;
use std::process::Command;

use crate::support::Scratch;

/// Runs the build script as Cargo does for a release build of this target, with this linker; whether it wants the linker's script,
/// the unwinder left out, and relocations in their short form.
fn wanted(build_script: &Path, folder: &Path, linker: &Path) -> (bool, bool, bool) {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let about = Command::new(&rustc).arg("-vV").output().unwrap();
    let about = String::from_utf8(about.stdout).unwrap();
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let mut command = Command::new(build_script);
    command.envs([
        ("PROFILE", "release"),
        ("CARGO_CFG_TARGET_OS", "linux"),
        ("TARGET", host),
        ("HOST", host),
    ]);
    command.env("OUT_DIR", folder).env("CARGO_MANIFEST_DIR", env!("CARGO_MANIFEST_DIR")).env("RUSTC", &rustc);
    command.env("RUSTC_LINKER", linker).env_remove("CARGO_ENCODED_RUSTFLAGS");
    let output = command.output().unwrap();
    assert!(output.status.success(), "the build script must never fail: {output:?}");
    let output = String::from_utf8(output.stdout).unwrap();
    (
        output.contains("cargo:rustc-link-arg-bin=mainsd=-T"),
        output.lines().any(|line| line == "cargo:rustc-cfg=no_unwinder"),
        output.contains("cargo:rustc-link-arg-bin=mainsd=-Wl,-z,pack-relative-relocs"),
    )
}

#[test]
fn the_build_finds_out_whether_the_linker_takes_the_script_and_leaves_the_unwinder_out() {
    let scratch = Scratch::new();
    let build_script = scratch.path().join("build");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut compiled = Command::new(rustc);
    compiled
        .args(["--edition", "2024", "-o"])
        .arg(&build_script)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("build.rs"));
    assert!(compiled.status().unwrap().success());
    let linkers = [
        ("takes-it", "exec cc \"$@\"", (true, true, true)),
        // As a static unwinder makes it.
        (
            "has-one-of-its-own",
            "for word; do case $word in *.o) nm \"$word\" | grep -q 'T _Unwind_Backtrace' && exit 1;; esac; done; exec cc \"$@\"",
            (true, false, true),
        ),
        // As mold does.
        (
            "refuses-it",
            "for word; do case $word in -T*) exit 1;; esac; done; exec cc \"$@\"",
            (false, false, true),
        ),
        (
            "makes-what-crashes",
            "cc \"$@\"; for word; do o=$next; next=$word; [ \"$o\" = -o ] && cp /bin/false \"$word\"; done; :",
            (false, false, false),
        ),
        ("fails", "exit 1", (false, false, false)),
    ];
    for (name, shell, expected) in linkers {
        let linker = scratch.script(name, &format!("#!/bin/sh\n{shell}\n"));
        assert_eq!(wanted(&build_script, scratch.path(), &linker), expected, "a linker that {name}");
    }
    let missing = scratch.path().join("missing");
    assert_eq!(wanted(&build_script, scratch.path(), &missing), (false, false, false));
}
