//! `-d` and `-T`: debug output on standard output, or in `./apcupsd.trace` (config §6).

use std::fs::File;
use std::io::Write;
use std::sync::Mutex;

use super::options::Options;

/// Writes debug lines. The lock is never waited for: there is one thread.
struct Output(Mutex<Option<File>>);

static OUTPUT: Output = Output(Mutex::new(None));

impl log::Log for Output {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = format!("{}: {}\n", record.target(), record.args());
        let Ok(mut trace) = self.0.lock() else { return };
        let _ = match trace.as_mut() {
            Some(file) => file.write_all(line.as_bytes()),
            None => std::io::stdout().lock().write_all(line.as_bytes()),
        };
    }

    fn flush(&self) {}
}

/// Turns debug output on as the options say: from level 1 what is done, from 100 each step, from 200 each byte.
///
/// # Errors
/// If the trace file cannot be written.
pub fn start(options: &Options) -> Result<(), String> {
    let level = match options.debug {
        0 if !options.trace => return Ok(()),
        0..=99 => log::LevelFilter::Info,
        100..=199 => log::LevelFilter::Debug,
        _ => log::LevelFilter::Trace,
    };
    if options.trace {
        let file =
            File::create("apcupsd.trace").map_err(|error| format!("cannot write apcupsd.trace: {error}"))?;
        if let Ok(mut trace) = OUTPUT.0.lock() {
            *trace = Some(file);
        }
    }
    if log::set_logger(&OUTPUT).is_ok() {
        log::set_max_level(level);
    }
    Ok(())
}
