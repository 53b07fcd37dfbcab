//! Ports of the loopback interface for the daemons of tests.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Below those that the kernel gives away.
const FIRST: u32 = 10_000;
const COUNT: u32 = 20_000;

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
    // Each name that is bound says that its port is taken, as long as this process lives.
    static TAKEN: Mutex<Vec<UnixDatagram>> = Mutex::new(Vec::new());
    // The kernel walks through all that sockets can be in for each look, which was a tenth of the time of all tests together.
    static IN_USE: Mutex<Option<(Instant, Vec<u16>)>> = Mutex::new(None);
    let mut taken = TAKEN.lock().unwrap();
    let first = std::process::id().wrapping_mul(97);
    let mut looked = IN_USE.lock().unwrap();
    if looked.as_ref().is_none_or(|(at, _)| at.elapsed() > Duration::from_secs(1)) {
        *looked = Some((Instant::now(), in_use()));
    }
    let in_use = &looked.as_ref().unwrap().1;
    for n in 0..COUNT {
        let port = u16::try_from(FIRST + first.wrapping_add(n) % COUNT).unwrap();
        let ports = port..port + count;
        if ports.clone().any(|port| in_use.contains(&port)) {
            continue;
        }
        let reserved: Vec<UnixDatagram> = ports.map_while(reserve).collect();
        if reserved.len() == usize::from(count) {
            taken.extend(reserved);
            return port;
        }
    }
    panic!("no port is free");
}

fn reserve(port: u16) -> Option<UnixDatagram> {
    let name = SocketAddr::from_abstract_name(format!("mainsd-test-port-{port}")).unwrap();
    UnixDatagram::bind_addr(&name).ok()
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
