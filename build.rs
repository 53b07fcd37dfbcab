//! Leaves the unwind tables out of the release binary, see `packaging/no-unwind-tables.ld`.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=packaging/no-unwind-tables.ld");
    println!("cargo:rerun-if-env-changed=CARGO_ENCODED_RUSTFLAGS");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    // mold takes no script of this kind; with it the binary is merely larger.
    let mold = env::var("CARGO_ENCODED_RUSTFLAGS").is_ok_and(|flags| flags.contains("mold"));
    if is("PROFILE", "release") && is("CARGO_CFG_TARGET_OS", "linux") && !mold {
        let root = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo:rustc-link-arg-bin=mainsd=-T{root}/packaging/no-unwind-tables.ld");
    }
}
