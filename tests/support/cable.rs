//! Two machines and the cable between them: network namespaces with a pair of interfaces. Needs root and iproute2.
#![allow(unsafe_code, reason = "the standard library cannot enter a namespace")]
#![allow(dead_code, reason = "each test file uses its own part")]

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// The address of the master's machine, in every pair.
pub const MASTER: &str = "10.99.0.1";
const SLAVES: &str = "10.99.0.2";
const MASTER_MAC: &str = "02:00:00:00:00:01";
const SLAVES_MAC: &str = "02:00:00:00:00:02";
/// Nobody's: what is sent there is dropped by who receives it.
const NO_MAC: &str = "02:00:00:00:00:99";

/// Two machines. Dropped, they are gone.
#[derive(Debug)]
pub struct Cable {
    /// The namespace of the master.
    pub master: String,
    /// The namespace of the slaves.
    pub slaves: String,
}

impl Cable {
    /// Two machines with an intact cable.
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("mainsd-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let cable = Self { master: format!("{name}m"), slaves: format!("{name}s") };
        for (namespace, other) in [(&cable.master, ""), (&cable.slaves, &cable.master)] {
            if let Err(said) = try_ip(&format!("netns add {namespace}")) {
                // What was made already goes.
                let _ = try_ip(&format!("netns del {other}"));
                panic!("network namespaces cannot be made (needs root and the package iproute2): {said}");
            }
        }
        let (m, s) = (&cable.master, &cable.slaves);
        ip(&format!(
            "link add m0 netns {m} address {MASTER_MAC} type veth peer name s0 netns {s} address {SLAVES_MAC}"
        ));
        for (namespace, interface, address) in [(m, "m0", MASTER), (s, "s0", SLAVES)] {
            ip(&format!("-n {namespace} address add {address}/24 dev {interface}"));
            ip(&format!("-n {namespace} link set lo up"));
            ip(&format!("-n {namespace} link set {interface} up"));
        }
        cable.carry();
        cable
    }

    /// The cable is pulled: both machines see that at once.
    pub fn pull(&self) {
        ip(&format!("-n {} link set m0 down", self.master));
    }

    /// Every packet is lost on the way; neither machine sees why.
    pub fn lose(&self) {
        self.neighbours(NO_MAC, NO_MAC);
    }

    /// The cable is there and carries everything.
    pub fn carry(&self) {
        ip(&format!("-n {} link set m0 up", self.master));
        self.neighbours(MASTER_MAC, SLAVES_MAC);
    }

    /// Programs of the slaves' machine ask the master's for names, where nobody answers.
    pub fn look_up_in_vain(&self) {
        let folder = self.resolver();
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("resolv.conf"), format!("nameserver {MASTER}\noptions timeout:30\n"))
            .unwrap();
    }

    /// Where `ip netns exec` finds what a namespace has instead of files in `/etc`.
    fn resolver(&self) -> PathBuf {
        Path::new("/etc/netns").join(&self.slaves)
    }

    fn neighbours(&self, master: &str, slaves: &str) {
        for (namespace, interface, address, mac) in
            [(&self.master, "m0", SLAVES, slaves), (&self.slaves, "s0", MASTER, master)]
        {
            ip(&format!(
                "-n {namespace} neighbour replace {address} lladdr {mac} dev {interface} nud permanent"
            ));
        }
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        if std::fs::remove_dir_all(self.resolver()).is_ok() {
            // Ours if it is empty.
            let _ = std::fs::remove_dir("/etc/netns");
        }
        let _ = try_ip(&format!("-n {} link del m0", self.master));
        for namespace in [&self.master, &self.slaves] {
            let _ = try_ip(&format!("netns del {namespace}"));
        }
    }
}

fn ip(words: &str) {
    if let Err(said) = try_ip(words) {
        panic!("ip {words}: {said}");
    }
}

fn try_ip(words: &str) -> Result<(), String> {
    let done = Command::new("ip").args(words.split(' ')).output().map_err(|error| format!("ip: {error}"))?;
    if done.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&done.stderr).trim().to_owned())
}

/// Does something in a namespace, and all threads that it starts are there too.
pub fn within<T: Send>(namespace: &str, what: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let file = File::open(format!("/run/netns/{namespace}")).unwrap();
            // SAFETY: an open file; nothing is passed by pointer. It concerns this thread alone.
            let result = unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) };
            assert_eq!(result, 0, "setns: {}", std::io::Error::last_os_error());
            what()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
