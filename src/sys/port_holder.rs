//! Which process has a port: a person wants to know who is in the way.

use std::fs::{self, File};
use std::io::Read;

use super::process;

/// Who has a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// This process.
    Process {
        /// Its id.
        pid: i32,
        /// The name of its program.
        name: String,
    },
    /// One that cannot be seen from here: another user's, or one outside of this container.
    Unseen,
}

impl Holder {
    /// The process, in words; `None`: it cannot be seen.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        match self {
            Self::Process { pid, name } => Some(format!("{name} (process {pid})")),
            Self::Unseen => None,
        }
    }
}

/// How much of each table of sockets is read, in bytes: listening sockets come first.
const LONGEST_TABLE: u64 = 256 * 1024;
/// Most sockets that are looked for.
const MOST_SOCKETS: usize = 16;
/// Most descriptors of other processes that are looked at, some microseconds each.
const MOST_DESCRIPTORS: usize = 20_000;

/// The process that listens on this TCP port, or has this UDP port, of any address of the machine; `None`: nobody has it
/// any more, or there is no `/proc`. Takes some milliseconds on a usual machine and 0.1 s at most on a large one, for it looks
/// at a bounded number of files of the kernel: to be asked once, not again and again.
#[must_use]
pub fn holder_of_port(port: u16) -> Option<Holder> {
    let mut sockets = Vec::new();
    for (table, is_tcp) in [("tcp", true), ("tcp6", true), ("udp", false), ("udp6", false)] {
        let mut text = String::new();
        if let Ok(file) = File::open(format!("/proc/self/net/{table}")) {
            // Cut in a line, or not even text: the whole lines before still count.
            let _ = file.take(LONGEST_TABLE).read_to_string(&mut text);
        }
        sockets.extend(text.lines().filter_map(|line| socket_at(line, port, is_tcp)));
    }
    sockets.truncate(MOST_SOCKETS);
    if sockets.is_empty() {
        return None;
    }
    let wanted: Vec<String> = sockets.iter().map(|inode| format!("socket:[{inode}]")).collect();
    let mut left = MOST_DESCRIPTORS;
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        for descriptor in fs::read_dir(entry.path().join("fd")).into_iter().flatten().flatten() {
            let Some(rest) = left.checked_sub(1) else { return Some(Holder::Unseen) };
            left = rest;
            let has_it = || {
                let target = fs::read_link(descriptor.path());
                target.is_ok_and(|target| wanted.iter().any(|socket| target.as_os_str() == socket.as_str()))
            };
            if !has_it() {
                continue;
            }
            let name = process::program(pid).unwrap_or_default();
            // A child on its way to another program has everything of its parent, for a moment.
            if has_it() {
                return Some(Holder::Process { pid, name });
            }
        }
    }
    Some(Holder::Unseen)
}

/// The inode of the socket in a line of `/proc/net/tcp` or `udp` (proc(5)), if it listens on, or has, this port.
fn socket_at(line: &str, port: u16, is_tcp: bool) -> Option<u64> {
    /// `TCP_LISTEN` of the kernel's tcp_states.h.
    const LISTEN: &str = "0A";
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [_, local, _, state, ..] = fields.as_slice() else { return None };
    let (_, its_port) = local.rsplit_once(':')?;
    let fits = u16::from_str_radix(its_port, 16).ok()? == port && (!is_tcp || *state == LISTEN);
    let inode = fields.get(9)?.parse().ok()?;
    fits.then_some(inode).filter(|inode| *inode != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener, UdpSocket};

    #[test]
    fn a_line_of_the_kernel_gives_the_inode_of_a_listening_socket() {
        let line = "   0: 0100007F:0DDF 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 31337 1 0000000000000000 100 0 0 10 0";
        assert_eq!(socket_at(line, 3551, true), Some(31337));
        assert_eq!(socket_at(line, 3552, true), None);
        assert_eq!(socket_at(&line.replace(" 0A ", " 01 "), 3551, true), None, "a connection of that port");
        let line = "  412: 00000000000000000000000001000000:0DDF 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 0";
        assert_eq!(socket_at(line, 3551, false), Some(4711));
        for broken in ["", "sl local_address", "0: 0100007F 0 0A", "0: :0DDF : 0A 0 0 0 0 0 x"] {
            assert_eq!(socket_at(broken, 3551, true), None, "{broken}");
        }
    }

    #[test]
    fn this_process_is_found_by_a_port_of_either_kind_and_a_free_port_has_nobody() {
        let own = i32::try_from(std::process::id()).unwrap();
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        for port in [tcp.local_addr().unwrap().port(), udp.local_addr().unwrap().port()] {
            // Children that other tests start have it too, for a moment.
            let is_own = |found: &Option<Holder>| matches!(found, Some(Holder::Process { pid, name }) if *pid == own && !name.is_empty());
            assert!((0..1000).any(|_| is_own(&holder_of_port(port))), "{:?}", holder_of_port(port));
        }
        assert_eq!(holder_of_port(0), None);
    }

    proptest::proptest! {
        #[test]
        fn any_line_is_a_socket_or_none(line in "[0-9A-F: ]{0,120}") {
            let _ = (socket_at(&line, 3551, true), socket_at(&line, 3551, false));
        }
    }
}
