//! The help texts of the client.

use super::args::{CalledAs, Command};

/// The help text, with the words that the user has typed.
#[must_use]
pub fn usage(called_as: CalledAs) -> String {
    let command = match called_as {
        CalledAs::Apcaccess { typed } => return apcaccess(typed),
        CalledAs::Mainsd(command) => command,
    };
    let (options, does) = match command {
        Command::Status => (
            "[-p KEY] [-u] [--json] [--watch]",
            "Asks a daemon and prints what its UPS says, one key a line.",
        ),
        Command::Events => ("[--json]", "Asks a daemon and prints the last lines of its events file."),
        Command::Clients => {
            ("[--json]", "Asks the daemon of this machine and prints who watches or polls its UPS.")
        }
    };
    let name = command.name();
    let of_status = match command {
        Command::Status => {
            "\x20 -p KEY         print the value of this one key only; exit status 2 if there is none\n\
             \x20 -u             leave out units\n\
             \x20 --watch        a live view, q ends it; lines where there is no terminal, or one JSON object a line\n"
        }
        Command::Events | Command::Clients => "",
    };
    format!(
        "usage: mainsd {name} {options} [-f FILE] [HOST[:PORT]]\n\
         \n\
         {does}\n\
         Without a host: the address and port of the configuration file, else this machine, port 3551.\n\
         \n\
         {of_status}\
         \x20 --json         print JSON: numbers as numbers, in the unit of their key; N/A as null\n\
         \x20 -f FILE        take host and port from this file (otherwise /etc/mainsd/mainsd.conf,\n\
         \x20                else /etc/apcupsd/apcupsd.conf)\n\
         \x20 -h HOST[:PORT] the host, too; IPv6 addresses: [::1]:3551\n\
         \x20 --help         this text\n\
         \x20 --version      the version\n\
         \n\
         See apcaccess(1): that is the same program.\n"
    )
}

fn apcaccess(typed: &str) -> String {
    format!(
        "Usage: {typed} [-f <config-file>] [-h <host>[:<port>]] [-p <parameter-name>] [-u] [<command>] [<host>[:<port>]]\n\
         \n\
         \x20-f         Take host and port from this configuration file (default: /etc/mainsd/mainsd.conf,\n\
         \x20           else /etc/apcupsd/apcupsd.conf)\n\
         \x20-h         Ask this host; it wins over the file. IPv6 addresses: [::1]:3551\n\
         \x20-p         Print the value of this one key only; exit status 2 if there is none\n\
         \x20-u         Leave out units\n\
         \x20--json     Print JSON: numbers as numbers, in the unit of their key; N/A as null\n\
         \x20--watch    Show a live view, q ends it; lines where there is no terminal, or one JSON object a line\n\
         \x20--help     Print this\n\
         \x20--version  Print the version\n\
         \n\
         Supported commands: 'status' (default), 'events', 'clients' (who is connected; asked on the server itself only)\n\
         A host behind the command wins over -h and the file.\n"
    )
}
