//! `mainsd probe`: which UPSes there are and a configuration for each; `mainsd probe --record`: what a USB UPS says, as a file for
//! a bug report.
#![cfg_attr(not(feature = "usb"), allow(unused, reason = "a recording is of a UPS on USB"))]

mod found;
mod network;
#[cfg(feature = "usb")]
mod record;
#[cfg(feature = "serial-port")]
mod serial;
#[cfg(feature = "usb")]
pub mod toml;
#[cfg(feature = "usb")]
mod usb;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use lexopt::prelude::*;

use crate::program::mistake;
use crate::program::out::{self, Out};
use found::Found;

/// Exit status: there is no UPS, or it could not be recorded.
const NOTHING: u8 = 1;
/// Exit status of a mistake on the command line.
const USAGE: u8 = 2;

/// The long options.
const OPTIONS: [&str; 7] = ["serial", "snmp", "record", "seconds", "help", "device", "config-file"];

/// A command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Args {
    /// `--serial`: all ports that there are where none is named.
    serial: Option<Vec<PathBuf>>,
    /// `--snmp`, as DEVICE has it.
    snmp: Vec<String>,
    /// `--record`.
    record: Option<PathBuf>,
    /// `--device`, as DEVICE has it.
    device: String,
    /// `--seconds`.
    seconds: Option<u32>,
    /// `-f`.
    config: Option<PathBuf>,
    help: bool,
}

/// The help text.
#[must_use]
pub fn usage() -> String {
    "usage: mainsd probe [--serial[=PORT]] [--snmp HOST]\n\
         \x20      mainsd probe --record FILE [--device DEVICE] [--seconds N] [-f FILE]\n\
         Says which UPSes there are, why each USB device is one or is none, and prints a configuration. A device that another program\n\
         has is not opened, and nothing is sent to a serial port without --serial.\n\
         \n\
         \x20     --serial[=PORT]    ask each serial port, or this one, by Smart-UPS protocol and Modbus\n\
         \x20     --snmp HOST        ask this card; HOST is what DEVICE may be with UPSTYPE snmp\n\
         \x20     --record FILE      write what the USB UPS says into a new file, for a bug report; serial numbers are blanked\n\
         \x20     --device DEVICE    which UPS is recorded: its serial number, or its bus port such as 1-1.2\n\
         \x20     --seconds N        how long a recording listens to what the UPS sends by itself (default 60)\n\
         \x20 -f, --config-file FILE the configuration of the daemon that has the UPS, and records it\n\
         \x20 -h, --help             this text\n\
         \n\
         Exit status: 0 found, or recorded; 1 not; 2 wrong command line.\n"
    .to_owned()
}

/// Runs the program; `args` follow the word `probe`.
pub fn main(args: Vec<OsString>) -> ExitCode {
    let args = match parse(args) {
        Ok(args) => args,
        Err(words) => return out::fail("mainsd probe", &words, USAGE),
    };
    if args.help {
        return out::print("mainsd probe", usage().as_bytes(), ExitCode::SUCCESS);
    }
    if let Some(file) = &args.record {
        #[cfg(feature = "usb")]
        let done = {
            let listen = args.seconds.map(|seconds| Duration::from_secs(seconds.into()));
            record::run(args.config.as_ref(), file, &args.device, listen)
        };
        #[cfg(not(feature = "usb"))]
        let done: Result<String, String> = Err("this build of mainsd has no driver for USB".to_owned());
        return match done {
            Ok(words) => out::print("mainsd probe", words.as_bytes(), ExitCode::SUCCESS),
            Err(words) => out::fail("mainsd probe", &words, NOTHING),
        };
    }
    let mut out = Out::new("mainsd probe");
    let mut all: Vec<Found> = Vec::new();
    #[cfg(feature = "usb")]
    all.extend(usb::list(&mut out));
    #[cfg(feature = "serial-port")]
    all.extend(serial::list(&mut out, args.serial.as_deref()));
    for host in &args.snmp {
        all.extend(network::ask(&mut out, host));
    }
    found::print(&mut out, &all);
    out.end(if all.is_empty() { ExitCode::from(NOTHING) } else { ExitCode::SUCCESS })
}

fn parse(args: Vec<OsString>) -> Result<Args, String> {
    let mut found = Args::default();
    let mut parser = lexopt::Parser::from_args(args);
    let wrong = |error: lexopt::Error| mistake::words(&error, &OPTIONS);
    let text = |value: OsString| value.to_string_lossy().into_owned();
    while let Some(arg) = parser.next().map_err(wrong)? {
        match arg {
            Long("serial") => {
                let ports = found.serial.get_or_insert_with(Vec::new);
                ports.extend(parser.optional_value().map(PathBuf::from));
            }
            Short('f') | Long("config-file") => found.config = Some(parser.value().map_err(wrong)?.into()),
            Long("snmp") => found.snmp.push(parser.value().map_err(wrong).map(text)?),
            Long("record") => found.record = Some(parser.value().map_err(wrong)?.into()),
            Long("device") => found.device = parser.value().map_err(wrong).map(text)?,
            Long("seconds") => {
                let given = parser.value().map_err(wrong).map(text)?;
                let seconds = given.parse().ok().filter(|seconds| (0..=600).contains(seconds));
                found.seconds = Some(seconds.ok_or("--seconds takes a number from 0 to 600")?);
            }
            Short('h') | Long("help") => found.help = true,
            other => return Err(wrong(other.unexpected())),
        }
    }
    let asks = found.serial.is_some() || !found.snmp.is_empty();
    match found.record {
        Some(_) if asks => {
            Err("--record is for one UPS on USB: give it without --serial and --snmp".to_owned())
        }
        None if found.seconds.is_some() || !found.device.is_empty() || found.config.is_some() => {
            Err("--device, --seconds and --config-file belong to --record".to_owned())
        }
        _ => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(args: &[&str]) -> Result<Args, String> {
        parse(args.iter().map(OsString::from).collect())
    }

    #[test]
    fn ports_are_asked_only_where_the_option_is_and_each_mistake_is_told() {
        assert_eq!(of(&[]).unwrap(), Args::default());
        assert_eq!(of(&["--serial"]).unwrap().serial, Some(Vec::new()));
        assert_eq!(of(&["--serial=/dev/ttyS0"]).unwrap().serial, Some(vec!["/dev/ttyS0".into()]));
        assert_eq!(of(&["--record", "x", "--seconds", "0"]).unwrap().seconds, Some(0));
        assert_eq!(of(&["--serail"]).unwrap_err(), "no such option '--serail'; the nearest is '--serial'");
        for wrong in [
            &["--serial", "/dev/ttyS0"][..],
            &["--record"],
            &["--record", "x", "--snmp", "y"],
            &["--device", "1-1"],
            &["--record", "x", "--seconds", "601"],
        ] {
            assert!(of(wrong).is_err(), "{wrong:?}");
        }
    }
}
