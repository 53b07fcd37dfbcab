//! A machine that sleeps, for the daemon only: its boot-time clock runs on, the others stand still.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Scratch, Setup};

/// Adds the seconds in a file to the boot-time clock.
const LIBRARY: &str = r#"
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && clock == CLOCK_BOOTTIME) {
        long asleep = 0;
        FILE *file = fopen(getenv("MAINSD_ASLEEP"), "r");
        if (file) {
            if (fscanf(file, "%ld", &asleep) == 1) time->tv_sec += asleep;
            fclose(file);
        }
    }
    return result;
}
"#;

/// How long the machine has slept.
#[derive(Debug)]
pub struct Asleep {
    file: PathBuf,
}

impl Asleep {
    /// Makes the library with the C compiler, which libusb needs too.
    pub fn library(dir: &Path) -> PathBuf {
        let (source, library) = (dir.join("asleep.c"), dir.join("asleep.so"));
        std::fs::write(&source, LIBRARY).unwrap();
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let done =
            Command::new(compiler).args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).output();
        let done = done.expect("a C compiler");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        library
    }

    /// A machine that is awake, and the setup of a daemon on it.
    pub fn awake(library: &Path, scratch: &Scratch, setup: Setup) -> (Self, Setup) {
        let file = scratch.file("asleep", "0");
        let setup = setup.environment("LD_PRELOAD", &library.display().to_string());
        let setup = setup.environment("MAINSD_ASLEEP", &file.display().to_string());
        (Self { file }, setup)
    }

    /// It has slept for so many seconds in all; nothing wakes the daemon yet.
    pub fn slept(&self, seconds: u32) {
        let new = self.file.with_extension("new");
        std::fs::write(&new, seconds.to_string()).unwrap();
        std::fs::rename(new, &self.file).unwrap();
    }
}
