//! `-d` and `-T`: debug output on standard output, or in `./apcupsd.trace` (config §6).

use std::io::Write;
use std::path::Path;

use env_logger::{Builder, Target};
use log::LevelFilter;

use super::options::Options;
use crate::journal::{DebugLines, DebugTarget, next_debug_line};
use crate::sys::{reason, trust};
use crate::ups::one_line;

/// Which modules write how much, as env_logger has it: `mainsd::port=trace`. Without it, `-d` decides for all.
const FILTER: &str = "RUST_LOG";

/// Turns debug output on as the options say, for a program that ends by itself: what is said waits for who reads it.
///
/// # Errors
/// If the trace file cannot be written.
pub fn start(options: &Options) -> Result<(), String> {
    match target(options)? {
        None => {}
        Some(DebugTarget::Stdout) => turn_on(options, Target::Stdout),
        Some(DebugTarget::File(file)) => turn_on(options, Target::Pipe(Box::new(file))),
    }
    Ok(())
}

/// The same for the daemon: nothing waits. A writer is to print the lines of [`next_debug_line`] to the place that comes back;
/// `None`: there are none.
///
/// # Errors
/// If the trace file cannot be written.
pub fn start_queued(options: &Options) -> Result<Option<DebugTarget>, String> {
    let target = target(options)?;
    if target.is_some() {
        turn_on(options, Target::Pipe(Box::new(DebugLines)));
    }
    Ok(target)
}

/// Prints what waits: there will be no writer.
pub fn print_rest(mut target: Option<DebugTarget>) {
    while let (Some(target), Some(line)) = (&mut target, next_debug_line()) {
        target.write(&line);
    }
}

/// Where debug output goes; `None`: none is wanted.
fn target(options: &Options) -> Result<Option<DebugTarget>, String> {
    Ok(match options {
        Options { trace: true, .. } => Some(DebugTarget::File(trace_file()?)),
        Options { debug: 0, .. } => None,
        Options { .. } => Some(DebugTarget::Stdout),
    })
}

/// From level 1 what is done, from 100 each step, from 200 each byte.
fn turn_on(options: &Options, target: Target) {
    let level = match options.debug {
        0..=99 => LevelFilter::Info,
        100..=199 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    };
    let mut builder = Builder::new();
    builder.format(|out, record| {
        // Standard output may be a terminal.
        writeln!(out, "{}: {}", record.target(), one_line(&record.args().to_string()))
    });
    match std::env::var(FILTER) {
        Ok(filter) if !filter.is_empty() => builder.parse_filters(&filter),
        _ => builder.filter_level(level),
    };
    builder.target(target);
    // A second logger would be a mistake in this program, and no reason not to guard.
    let _ = builder.try_init();
}

fn trace_file() -> Result<std::fs::File, String> {
    // The working directory may be anybody's.
    let file = trust::open_to_write(Path::new("apcupsd.trace"), 0o644);
    let file = file.and_then(|file| file.set_len(0).map(|()| file));
    file.map_err(|error| format!("cannot write apcupsd.trace: {}", reason(&error)))
}
