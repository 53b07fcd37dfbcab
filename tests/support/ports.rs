//! Ports of the loopback interface for the daemons of tests.

use std::ops::Range;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Below those that the kernel gives away.
const FIRST: u16 = 10_000;
const BLOCKS: u32 = 400;
/// So many ports are taken together: a descriptor for each would be too many for a program of hundreds of tests.
const BLOCK: u16 = 50;

/// Ports that are this process's, as long as it has the name bound that says so.
struct Block {
    /// Those that were not given away yet.
    left: Range<u16>,
    _name: UnixDatagram,
}

/// A port that nobody listens on, and that nobody will be given by chance before a daemon does: each only once in all processes of tests
/// that run at this time.
///
/// It is never bound here, not for a moment: a process that another thread starts would hold it until it has become its program.
pub fn free_port() -> u16 {
    free_ports(1)
}

/// The first of two such ports in a row: a dry run takes the one after its file's.
pub fn free_port_for_dry_run() -> u16 {
    free_ports(2)
}

/// The first of so many such ports in a row.
fn free_ports(count: u16) -> u16 {
    static BLOCKS_TAKEN: Mutex<Vec<Block>> = Mutex::new(Vec::new());
    // The kernel walks through all that sockets can be in for each look, which was a tenth of the time of all tests together.
    static IN_USE: Mutex<Option<(Instant, Vec<u16>)>> = Mutex::new(None);
    let mut taken = BLOCKS_TAKEN.lock().unwrap();
    let mut looked = IN_USE.lock().unwrap();
    if looked.as_ref().is_none_or(|(at, _)| at.elapsed() > Duration::from_secs(1)) {
        *looked = Some((Instant::now(), in_use()));
    }
    let in_use = &looked.as_ref().unwrap().1;
    let first = std::process::id().wrapping_mul(97);
    let mut others = (0..BLOCKS).filter_map(|n| take(first.wrapping_add(n) % BLOCKS));
    loop {
        if let Some(Block { left, .. }) = taken.last_mut() {
            while left.len() >= usize::from(count) {
                let ports = left.start..left.start + count;
                left.start = ports.end;
                if !ports.clone().any(|port| in_use.contains(&port)) {
                    return ports.start;
                }
            }
        }
        taken.push(others.next().expect("no port is free"));
    }
}

/// The ports of this number, unless a process has them.
fn take(number: u32) -> Option<Block> {
    let name = SocketAddr::from_abstract_name(format!("mainsd-test-ports-{number}")).unwrap();
    let first = FIRST + u16::try_from(number).unwrap() * BLOCK;
    Some(Block { left: first..first + BLOCK, _name: UnixDatagram::bind_addr(&name).ok()? })
}

/// The ports that sockets of this machine have.
fn in_use() -> Vec<u16> {
    let tables =
        ["tcp", "tcp6", "udp", "udp6"].map(|name| std::fs::read_to_string(format!("/proc/net/{name}")));
    let local = |line: &str| {
        let address = line.split_whitespace().nth(1)?;
        u16::from_str_radix(address.rsplit(':').next()?, 16).ok()
    };
    tables.iter().flatten().flat_map(|table| table.lines()).filter_map(local).collect()
}
