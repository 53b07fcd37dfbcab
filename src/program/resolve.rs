//! `mainsd resolve HOST`: the daemon's own helper, which may wait for a name server; the daemon itself never does.

use std::ffi::OsString;
use std::io::Write;
use std::net::ToSocketAddrs;
use std::process::ExitCode;

/// Prints the addresses of the host, one a line, with port 0. Fails without a word if there are none.
pub fn main(args: Vec<OsString>) -> ExitCode {
    let host = args.first().and_then(|arg| arg.to_str()).unwrap_or_default();
    let found = (host, 0).to_socket_addrs().map(Iterator::collect::<Vec<_>>).unwrap_or_default();
    let mut out = std::io::stdout().lock();
    let mut failed = host.is_empty() || found.is_empty();
    for address in found {
        failed |= writeln!(out, "{address}").is_err();
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
