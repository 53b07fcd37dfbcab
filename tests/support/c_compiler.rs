//! Asks a C compiler for the values of `mainsd::sys::crossings`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One value as some target's build of mainsd has it.
#[derive(Debug)]
pub struct Ours {
    /// Headers of C, separated by blanks.
    pub headers: String,
    /// An expression of C.
    pub c: String,
    /// What it is in Rust.
    pub value: i128,
}

/// Stands before the values in what is compiled.
const MARKER: &str = "mainsd crossings";

/// Fails with everything that C sees otherwise. `compiler` is the command of the target's C compiler; the files go into `folder`. Nothing is
/// linked or run: that would build a C library for the target first.
pub fn agrees_with_c(ours: &[Ours], compiler: &[&str], folder: &Path) {
    assert!(ours.len() > 300, "only {} values", ours.len());
    // The kernel's headers have some of the C library's names.
    let (kernel, library): (Vec<&Ours>, Vec<&Ours>) =
        ours.iter().partition(|one| one.headers.starts_with("asm/"));
    let mut wrong = Vec::new();
    for (name, ours) in [("kernel", kernel), ("library", library)] {
        let theirs = compiled(&ours, name, compiler, folder);
        let other = ours.iter().zip(theirs).filter(|(ours, theirs)| ours.value != i128::from(*theirs));
        wrong.extend(other.map(|(ours, theirs)| format!("{} is {theirs} in C, {} here", ours.c, ours.value)));
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), ours.len(), wrong.join("\n"));
}

/// The same values as C has them, from an object file of this name.
fn compiled(ours: &[&Ours], name: &str, compiler: &[&str], folder: &Path) -> Vec<i64> {
    let headers: BTreeSet<&str> = ours.iter().flat_map(|one| one.headers.split(' ')).collect();
    let mut source = String::from("#define _GNU_SOURCE 1\n#include <stddef.h>\n");
    for header in headers {
        source.push_str(&format!("#include <{header}>\n"));
    }
    source.push_str(&format!(
        "const struct {{ char marker[{}]; long long values[{}]; }} crossings = {{ \"{MARKER}\", {{\n",
        MARKER.len(),
        ours.len()
    ));
    for one in ours {
        source.push_str(&format!("    (long long)({}),\n", one.c));
    }
    source.push_str("}};\n");
    let (file, object) = (folder.join(format!("{name}.c")), folder.join(format!("{name}.o")));
    fs::write(&file, source).unwrap();
    let mut command = Command::new(compiler[0]);
    command.args(&compiler[1..]).arg("-I").arg(libusb_headers()).arg("-c").arg(&file).arg("-o").arg(&object);
    let done = command.output().unwrap_or_else(|error| panic!("{compiler:?}: {error}"));
    assert!(done.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&done.stderr));
    let bytes = fs::read(&object).unwrap();
    // Byte 5 of a file is its byte order (elf(5)).
    let number = if bytes[5] == 1 { i64::from_le_bytes } else { i64::from_be_bytes };
    let at = bytes.windows(MARKER.len()).position(|at| at == MARKER.as_bytes()).unwrap() + MARKER.len();
    bytes[at..at + 8 * ours.len()].chunks_exact(8).map(|value| number(value.try_into().unwrap())).collect()
}

/// The folder of the `libusb.h` that `libusb1-sys` compiles.
fn libusb_headers() -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args([
        "metadata",
        "--format-version",
        "1",
        "--locked",
        "--offline",
    ]);
    // Those of other platforms need not be there.
    let output = cargo.args(["--filter-platform", "x86_64-unknown-linux-gnu"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let libusb = packages.iter().find(|package| package["name"] == "libusb1-sys").unwrap();
    Path::new(libusb["manifest_path"].as_str().unwrap()).with_file_name("libusb/libusb")
}
