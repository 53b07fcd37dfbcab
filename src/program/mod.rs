//! One file a program, and the choice between them: by the name the binary was called by, else by its first argument.
//!
//! | called as | first argument | program |
//! | --- | --- | --- |
//! | `apcupsd` | any | the daemon, in the background unless `-b` |
//! | `apcaccess` | any | the status client |
//! | `mainsd` | `status`, `events`, `clients`, `apcaccess` | the status client |
//! | `mainsd` | `apcupsd` | the daemon, as `apcupsd` |
//! | `mainsd` | `resolve` | looks a host name up for the daemon |
//! | `mainsd` | `check`, `demo` | configuration check, demonstration |
//! | `mainsd` | an option, or none | the daemon, in the foreground |

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

pub mod access;
pub mod check;
pub mod daemon;
pub mod demo;
pub mod resolve;
pub mod surroundings;

/// `<version> (<date>)`: the first two words of `VERSION` (status-fields §1 row 3).
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (21 November 2026) mainsd");

/// The names that `mainsd` takes as first argument.
const PROGRAMS: [&str; 7] = ["status", "events", "clients", "apcaccess", "apcupsd", "check", "demo"];

/// Runs the program that `args` names. `args` begins with the name of the binary.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let mut args = args.peekable();
    let called_as = args.next().unwrap_or_else(|| "mainsd".into());
    let name = Path::new(&called_as).file_name().and_then(|n| n.to_str()).unwrap_or("mainsd").to_owned();
    match name.as_str() {
        "apcaccess" => access::main(args.collect()),
        "apcupsd" => daemon::main(daemon::CalledAs::Apcupsd, args.collect()),
        _ => by_first_argument(args.collect()),
    }
}

fn by_first_argument(mut args: Vec<OsString>) -> ExitCode {
    let first = args.first().and_then(|a| a.to_str()).unwrap_or("").to_owned();
    match first.as_str() {
        // Behind `status` only a host could stand, and nobody calls one `clients`.
        "status" if args.get(1).is_some_and(|second| second == "clients") => access::main(args.split_off(1)),
        "status" | "events" | "clients" => access::main(args),
        "apcaccess" => access::main(args.split_off(1)),
        "apcupsd" => daemon::main(daemon::CalledAs::Apcupsd, args.split_off(1)),
        "check" => check::main(args.split_off(1)),
        "resolve" => resolve::main(args.split_off(1)),
        "demo" => demo::main(args.split_off(1)),
        "" => daemon::main(daemon::CalledAs::Mainsd, args),
        option if option.starts_with('-') => daemon::main(daemon::CalledAs::Mainsd, args),
        other => {
            eprintln!(
                "mainsd: unknown program '{other}'; one of {}, or an option of the daemon (mainsd --help)",
                PROGRAMS.join(", ")
            );
            ExitCode::FAILURE
        }
    }
}
