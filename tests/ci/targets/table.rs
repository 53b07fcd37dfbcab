//! The targets of `packaging/cross`, and how it is called.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::vm;

const KIB: usize = 1024;

/// What is expected of a target.
#[derive(Debug)]
pub struct Target {
    /// As `packaging/cross` has it.
    pub name: &'static str,
    /// What runs its programs here, as the least processor that they are for; empty: this machine does.
    pub emulator: &'static [&'static str],
    /// Bytes 4 and 5 of its files (elf(5)): 1 for 32 bits, 2 for 64; 1 for the lowest byte first, 2 for the highest.
    pub elf: [u8; 2],
    /// The most bytes of the whole program, and of that for routers.
    pub most: [usize; 2],
}

pub const X86_64: Target =
    Target { name: "x86_64-unknown-linux-musl", emulator: &[], elf: [2, 1], most: [1500 * KIB, 870 * KIB] };

pub const I686: Target =
    Target { name: "i686-unknown-linux-musl", emulator: &[], elf: [1, 1], most: [1440 * KIB, 900 * KIB] };

pub const AARCH64: Target = Target {
    name: "aarch64-unknown-linux-musl",
    emulator: &["qemu-aarch64", "-cpu", "cortex-a53"],
    elf: [2, 1],
    most: [1280 * KIB, 800 * KIB],
};

pub const ARMV7: Target = Target {
    name: "armv7-unknown-linux-musleabihf",
    emulator: &["qemu-arm", "-cpu", "cortex-a7"],
    elf: [1, 1],
    most: [1280 * KIB, 800 * KIB],
};

pub const ARM: Target = Target {
    name: "arm-unknown-linux-musleabi",
    emulator: &["qemu-arm", "-cpu", "arm1136"],
    elf: [1, 1],
    most: [1440 * KIB, 1100 * KIB],
};

pub const MIPS: Target = Target {
    name: "mips-unknown-linux-musl",
    emulator: &["qemu-mips", "-cpu", "24Kc"],
    elf: [1, 2],
    most: [1340 * KIB, 1010 * KIB],
};

pub const MIPSEL: Target = Target {
    name: "mipsel-unknown-linux-musl",
    emulator: &["qemu-mipsel", "-cpu", "24Kc"],
    elf: [1, 1],
    most: [1340 * KIB, 1120 * KIB],
};

/// The most bytes of the program for routers as flash keeps it: compressed (xz -9e). The goals are below these limits: docs/measurements.md.
pub const MOST_COMPRESSED: usize = 430_000;

/// What `packaging/cross` builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// The whole program.
    Whole,
    /// That for routers.
    Router,
    /// The programs of tests.
    Tests,
}

impl Build {
    /// Its folder below that of the target.
    const fn folder(self) -> &'static str {
        match self {
            Self::Whole => "release",
            Self::Router => "router",
            Self::Tests => "tests",
        }
    }
}

impl Target {
    /// Builds this, with these arguments of cargo; what the build says on its way is checked too.
    pub fn build(&self, build: Build, args: &[&str]) {
        let word = if build == Build::Whole { &[][..] } else { &[build.folder()] };
        let output = cross(&[&[self.name], word, args].concat()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let what = format!("packaging/cross {} {build:?}", self.name);
        assert!(output.status.success(), "{what}: {}\n{said}", output.status);
        assert!(!said.to_lowercase().contains("warning"), "{what} warns:\n{said}");
        println!("{}", String::from_utf8_lossy(&output.stdout));
    }

    /// A file that was built for it, in the folder that has all of them.
    pub fn built(&self, folder: &Path, build: Build, name: &str) -> PathBuf {
        folder.join(self.name).join(build.folder()).join(name)
    }

    /// A program that was built for it, to be started.
    pub fn command(&self, program: &Path) -> Command {
        let mut words = self.emulator.iter();
        match words.next() {
            None => Command::new(program),
            Some(emulator) => {
                let mut command = Command::new(emulator);
                command.args(words).arg(program);
                command
            }
        }
    }

    /// The command of its C compiler.
    pub fn c_compiler(&self) -> String {
        let output = cross(&[self.name, "cc"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// The folder with what was built before, or that in which `packaging/cross` builds.
pub fn builds() -> (bool, PathBuf) {
    match std::env::var_os("MAINSD_CROSS") {
        Some(done) => (true, PathBuf::from(done)),
        None => (false, vm::target().join("cross")),
    }
}

/// The folder of the sources.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `packaging/cross` with these arguments, in the environment of a user: none of Cargo's own.
pub fn cross(args: &[&str]) -> Command {
    let mut command = Command::new(root().join("packaging/cross"));
    command.current_dir(root()).args(args).env_clear();
    let kept =
        ["PATH", "HOME", "CARGO_HOME", "CARGO_TARGET_DIR", "PIP_INDEX_URL", "PIP_CERT", "SSL_CERT_FILE"];
    command.envs(kept.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command
}
