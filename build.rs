//! Leaves the unwind tables (`packaging/no-unwind-tables.ld`) and the unwinder (`src/sys/unwind.rs`) out of the release binary where
//! the linker can, has it keep code and text once that are there twice, and write relocations in their short form where the C library reads that.
//!
//! Linkers differ: mold and gold take no such script, others fail on it with certain start files; and a static unwinder may stand
//! in the way of ours. So a program that does nothing is linked first, by the same compiler, linker and flags; without success the
//! binary is merely larger.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const SCRIPT: &str = "packaging/no-unwind-tables.ld";
const UNWINDER: &str = "src/sys/unwind.rs";

/// A bit for each relocation of a position-independent program instead of 24 bytes. Linkers that do not know it ignore it.
const SHORT_RELOCATIONS: &str = "-Wl,-z,pack-relative-relocs";

/// One function for all that have the same machine code, and one string for all that are the end of another. The linker of GNU knows the
/// second one only.
const SHORTER: [&str; 2] = ["-Wl,--icf=all", "-Wl,-O2"];

/// The program that is linked.
const EMPTY: &str = "fn main() {}\n";

fn main() {
    let target = var("TARGET").replace(['-', '.'], "_").to_uppercase();
    for name in ["RUSTC", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    println!("cargo:rerun-if-env-changed=CARGO_TARGET_{target}_LINKER");
    println!("cargo:rerun-if-env-changed=CARGO_TARGET_{target}_RUSTFLAGS");
    println!("cargo:rustc-check-cfg=cfg(no_unwinder)");
    println!("cargo:rerun-if-changed={SCRIPT}");
    println!("cargo:rerun-if-changed={UNWINDER}");
    println!("cargo:rerun-if-changed=build.rs");
    if var("PROFILE") != "release" || var("CARGO_CFG_TARGET_OS") != "linux" {
        return;
    }
    let folder = PathBuf::from(var("OUT_DIR")).join("probe");
    let root = var("CARGO_MANIFEST_DIR");
    let script = format!("-T{root}/{SCRIPT}");
    if fs::create_dir_all(&folder).is_err() {
        return;
    }
    let with_unwinder = format!("#[path = {:?}]\nmod unwind;\n{EMPTY}", format!("{root}/{UNWINDER}"));
    let no_unwinder = by_rustc(&folder, &with_unwinder, &[&script]);
    if no_unwinder {
        println!("cargo:rustc-cfg=no_unwinder");
    }
    if no_unwinder || links(&folder, &script) {
        println!("cargo:rustc-link-arg-bin=mainsd={script}");
    }
    for argument in SHORTER.iter().filter(|argument| by_rustc(&folder, EMPTY, &[argument])) {
        println!("cargo:rustc-link-arg-bin=mainsd={argument}");
    }
    // An older C library than glibc 2.36 starts no such program, and only one for this machine shows that.
    if var("HOST") == var("TARGET") && by_rustc(&folder, EMPTY, &[SHORT_RELOCATIONS]) {
        println!("cargo:rustc-link-arg-bin=mainsd={SHORT_RELOCATIONS}");
    }
}

/// A variable of the environment, empty if there is none.
fn var(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

/// Whether an empty program links with this argument, and runs if it can run here.
fn links(folder: &Path, script: &str) -> bool {
    // Without the script it fails too: there is no standard library for the target, it is just being built
    // (`-Zbuild-std`). The linker is a C compiler then, most likely.
    by_rustc(folder, EMPTY, &[script]) || !by_rustc(folder, EMPTY, &[]) && by_linker(folder, script)
}

/// Links a Rust program exactly as Cargo is going to link ours, and runs it if it can run here.
fn by_rustc(folder: &Path, text: &str, link_args: &[&str]) -> bool {
    let (source, program) = (folder.join("empty.rs"), folder.join("program"));
    let flags = var("CARGO_ENCODED_RUSTFLAGS");
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--crate-name", "empty", "--edition", "2024", "-Cpanic=abort", "--target", &var("TARGET")]);
    rustc.args(flags.split('\x1f').filter(|flag| !flag.is_empty()));
    rustc.args(env::var("RUSTC_LINKER").map(|linker| format!("-Clinker={linker}")));
    rustc.args(link_args.iter().map(|arg| format!("-Clink-arg={arg}")));
    fs::write(&source, text).is_ok() && succeeds(rustc.arg("-o").arg(&program).arg(&source)) && runs(&program)
}

/// Links an empty C program by the linker that Cargo was told to use, and runs it if it can run here.
fn by_linker(folder: &Path, script: &str) -> bool {
    let Some(linker) = env::var_os("RUSTC_LINKER") else { return false };
    let (source, program) = (folder.join("empty.c"), folder.join("program"));
    fs::write(&source, "int main(void) { return 0; }\n").is_ok()
        && succeeds(Command::new(linker).arg(script).arg("-o").arg(&program).arg(&source))
        && runs(&program)
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
