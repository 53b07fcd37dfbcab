//! One file a program, and the choice between them: by the name the binary was called by, else by its first argument.
//!
//! | called as | first argument | program |
//! | --- | --- | --- |
//! | `apcupsd` | any | the daemon, in the background unless `-b` |
//! | `apcaccess` | any | the status client |
//! | `apctest` | any | that word of [`tools`] |
//! | `mainsd` | `status`, `events`, `clients` | the status client, in words of its own |
//! | `mainsd` | `apcaccess` | the status client, as `apcaccess` |
//! | `mainsd` | `apcupsd` | the daemon, as `apcupsd` |
//! | `mainsd` | `check`, `demo` | configuration check, demonstration |
//! | `mainsd` | a word of [`tools`] | that program |
//! | `mainsd` | `help`, `version` | what there is, and which version |
//! | `mainsd` | an option, or none | the daemon, in the foreground |

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

pub mod access;
pub mod check;
#[cfg_attr(not(feature = "control"), path = "no_control_socket.rs")]
mod control_socket;
pub mod daemon;
#[cfg_attr(not(feature = "test"), path = "no_demo.rs")]
pub mod demo;
mod help;
#[cfg(any(feature = "test", feature = "tools"))]
mod live;
mod mistake;
mod out;
mod private_folder;
#[cfg(feature = "check")]
mod shared_folders;
#[cfg_attr(not(feature = "check"), path = "no_surroundings.rs")]
pub mod surroundings;
pub mod tools;
mod which_file;

use access::Command;

/// `<version> (<date>)`: the first two words of `VERSION` (status-fields §1 row 3).
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (21 November 2026) mainsd");

/// The commands that `mainsd` takes as first argument, beside those of [`tools`].
const COMMANDS: [&str; 9] =
    ["status", "events", "clients", "check", "demo", "help", "version", "apcaccess", "apcupsd"];

/// Runs the program that `args` names. `args` begins with the name of the binary.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let mut args: Vec<OsString> = args.collect();
    let called_as = if args.is_empty() { "mainsd".into() } else { args.remove(0) };
    let name = Path::new(&called_as).file_name().and_then(|n| n.to_str()).unwrap_or("mainsd").to_owned();
    match name.as_str() {
        "apcaccess" => access::main(access::CalledAs::Apcaccess { typed: "apcaccess" }, args),
        "apcupsd" => daemon::main(daemon::CalledAs::Apcupsd, "apcupsd", args),
        "apctest" => {
            args.insert(0, "apctest".into());
            by_first_argument(args)
        }
        _ => by_first_argument(args),
    }
}

fn by_first_argument(mut args: Vec<OsString>) -> ExitCode {
    let word = |args: &[OsString], index: usize| {
        args.get(index).and_then(|arg| arg.to_str()).unwrap_or_default().to_owned()
    };
    let (first, second) = (word(&args, 0), word(&args, 1));
    let ask = |command, args| access::main(access::CalledAs::Mainsd(command), args);
    match first.as_str() {
        // Behind `status` only a host could stand, and nobody calls one so.
        "status" if second == "clients" => ask(Command::Clients, args.split_off(2)),
        "status" if second == "events" => ask(Command::Events, args.split_off(2)),
        "status" => ask(Command::Status, args.split_off(1)),
        "events" => ask(Command::Events, args.split_off(1)),
        "clients" => ask(Command::Clients, args.split_off(1)),
        "apcaccess" => {
            access::main(access::CalledAs::Apcaccess { typed: "mainsd apcaccess" }, args.split_off(1))
        }
        "apcupsd" => daemon::main(daemon::CalledAs::Apcupsd, "mainsd apcupsd", args.split_off(1)),
        "check" => check::main(args.split_off(1)),
        "demo" => demo::main(args.split_off(1)),
        "help" => help::main(&args.split_off(1)),
        "version" if args.len() == 1 => {
            out::print("mainsd", format!("mainsd {VERSION}\n").as_bytes(), ExitCode::SUCCESS)
        }
        "version" => {
            out::complain(&format!("mainsd version: one word too many: '{second}'"));
            ExitCode::FAILURE
        }
        "" if args.is_empty() => daemon::main(daemon::CalledAs::Mainsd, "mainsd", args),
        option if option.starts_with('-') => daemon::main(daemon::CalledAs::Mainsd, "mainsd", args),
        _ => {
            // What is no UTF-8 is no command either.
            let word = args.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
            if let Some(tool) = tools::named(&word) {
                return (tool.main)(args.split_off(1));
            }
            let words = tools::lacked(&word).unwrap_or_else(|| {
                let known = COMMANDS.into_iter().chain(tools::words());
                format!("{} ('mainsd help' lists them)", mistake::no_such("command", &word, known))
            });
            out::complain(&format!("mainsd: {words}"));
            ExitCode::FAILURE
        }
    }
}
