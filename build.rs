//! Leaves the unwind tables out of the release binary (`packaging/no-unwind-tables.ld`) where the linker can.
//!
//! Linkers differ: mold and gold take no such script, others fail on it with certain start files. So a program that does nothing
//! is linked with it first, by the same compiler, linker and flags; without success the binary is merely larger.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const SCRIPT: &str = "packaging/no-unwind-tables.ld";

fn main() {
    let target = var("TARGET").replace(['-', '.'], "_").to_uppercase();
    for name in ["RUSTC", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    println!("cargo:rerun-if-env-changed=CARGO_TARGET_{target}_LINKER");
    println!("cargo:rerun-if-env-changed=CARGO_TARGET_{target}_RUSTFLAGS");
    println!("cargo:rerun-if-changed={SCRIPT}");
    println!("cargo:rerun-if-changed=build.rs");
    if var("PROFILE") != "release" || var("CARGO_CFG_TARGET_OS") != "linux" {
        return;
    }
    let folder = PathBuf::from(var("OUT_DIR")).join("probe");
    let script = format!("-T{}/{SCRIPT}", var("CARGO_MANIFEST_DIR"));
    if fs::create_dir_all(&folder).is_ok() && links(&folder, &script) {
        println!("cargo:rustc-link-arg-bin=mainsd={script}");
    }
}

/// A variable of the environment, empty if there is none.
fn var(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

/// Whether a small program links with this argument, and runs if it can run here.
fn links(folder: &Path, script: &str) -> bool {
    let program = folder.join("program");
    if by_rustc(folder, &program, &[script]) {
        return runs(&program);
    }
    // Without the script it fails too: there is no standard library for the target, it is just being built
    // (`-Zbuild-std`). The linker is a C compiler then, most likely.
    let builds_std = !by_rustc(folder, &program, &[]);
    builds_std && by_linker(folder, &program, script) && runs(&program)
}

/// Links an empty Rust program exactly as Cargo is going to link ours.
fn by_rustc(folder: &Path, program: &Path, link_args: &[&str]) -> bool {
    let source = folder.join("empty.rs");
    let flags = var("CARGO_ENCODED_RUSTFLAGS");
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--crate-name", "empty", "--edition", "2021", "-Cpanic=abort", "--target", &var("TARGET")]);
    rustc.args(flags.split('\x1f').filter(|flag| !flag.is_empty()));
    rustc.args(env::var("RUSTC_LINKER").map(|linker| format!("-Clinker={linker}")));
    rustc.args(link_args.iter().map(|arg| format!("-Clink-arg={arg}")));
    fs::write(&source, "fn main() {}\n").is_ok() && succeeds(rustc.arg("-o").arg(program).arg(&source))
}

/// Links an empty C program by the linker that Cargo was told to use.
fn by_linker(folder: &Path, program: &Path, script: &str) -> bool {
    let Some(linker) = env::var_os("RUSTC_LINKER") else { return false };
    let source = folder.join("empty.c");
    fs::write(&source, "int main(void) { return 0; }\n").is_ok()
        && succeeds(Command::new(linker).arg(script).arg("-o").arg(program).arg(&source))
}

/// Whether the program ends well. One that is for another machine, or cannot be started here, says nothing against it.
fn runs(program: &Path) -> bool {
    let arch = |triple: &str| triple.split('-').next().map(str::to_owned);
    let is_foreign = arch(&var("HOST")) != arch(&var("TARGET"));
    is_foreign || Command::new(program).output().map_or(true, |output| output.status.success())
}

/// Runs a command; what it says is to be read in Cargo's folder of this script's output.
fn succeeds(command: &mut Command) -> bool {
    let Ok(output) = command.output() else { return false };
    eprintln!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    output.status.success()
}
