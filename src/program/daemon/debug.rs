//! `-d` and `-T`: debug output on standard output, or in `./apcupsd.trace` (config §6).

use std::io::Write;
use std::path::Path;

use env_logger::{Builder, Target};
use log::LevelFilter;

use super::options::Options;
use crate::sys::{reason, trust};
use crate::ups::one_line;

/// Which modules write how much, as env_logger has it: `mainsd::port=trace`. Without it, `-d` decides for all.
const FILTER: &str = "RUST_LOG";

/// Turns debug output on as the options say: from level 1 what is done, from 100 each step, from 200 each byte.
///
/// # Errors
/// If the trace file cannot be written.
pub fn start(options: &Options) -> Result<(), String> {
    let level = match options.debug {
        0 if !options.trace => return Ok(()),
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
    builder.target(if options.trace { trace_file()? } else { Target::Stdout });
    // A second logger would be a mistake in this program, and no reason not to guard.
    let _ = builder.try_init();
    Ok(())
}

fn trace_file() -> Result<Target, String> {
    // The working directory may be anybody's.
    let file = trust::open_to_write(Path::new("apcupsd.trace"), 0o644);
    let file = file.and_then(|file| file.set_len(0).map(|()| file));
    let file = file.map_err(|error| format!("cannot write apcupsd.trace: {}", reason(&error)))?;
    Ok(Target::Pipe(Box::new(file)))
}
