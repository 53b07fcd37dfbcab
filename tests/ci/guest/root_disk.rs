//! The last thing that happens in a machine of its own: the disk that the daemon, its libraries, hooks, commands and files are on is
//! suspended below its file system (device mapper), after all that can be read from it anew has been dropped from memory. What the
//! daemon then has not got in memory hangs, beyond the reach of SIGKILL. Outages are seen, port 3551 answers, a main process that is killed
//! is followed by another, and the machine is switched off.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::client::{Client, judge};
use super::frozen::must;
use super::{Lab, ensure_within};
use crate::support::usbip::Unit;
use crate::support::{MAIN, Nis, Scratch, TIMEOUT, is_slow, poll_until, role_of, send_signal};

/// Its name in the results.
pub const NAME: &str = "machine_whose_root_disk_hangs_is_switched_off";

const PORT: u16 = 3551;
const HOOKTIMEOUT: Duration = Duration::from_secs(5);
/// From the decision until the machine is off, beyond HOOKTIMEOUT.
const BEYOND: Duration = Duration::from_secs(30);
/// What is answered is judged so long after the decision: before the machine can be off.
const JUDGED: Duration = Duration::from_secs(12);
/// The device, as device mapper calls it.
const DEVICE: &str = "mainsd-root";

/// Does not come back if all is well.
#[expect(clippy::zombie_processes, reason = "what reads from the disk never ends")]
pub fn run(lab: &Lab) {
    let unit = lab.plug("apc-back-ups-es-850g2");
    // Code comes into memory page by page, and not what happens to lie beside it too.
    must(Command::new("mount").args(["-t", "debugfs", "none", "/sys/kernel/debug"]));
    std::fs::write("/sys/kernel/debug/fault_around_bytes", "4096").unwrap();
    let root = Root::new(&lab.program, &lab.serial);
    let group = Group::new();
    // Nobody reads the system log, nor standard error.
    let _system_log = UnixDatagram::bind("/dev/log").unwrap();
    let (_unread, error) = full_pipe();
    let mut daemon = root.start(error);
    group.take(daemon.id());
    println!("@@ {} begun", lab.scenario);
    wait_for_status("ONLINE");
    assert!(unit.wait_for_reads(40, TIMEOUT), "the daemon does not poll");
    let roles = [daemon.id(), role_of(daemon.id(), MAIN).unwrap()];
    for (role, name) in roles.iter().zip(["helper", "main"]) {
        lab.measured(&format!("{name}-locked-kb"), locked(*role));
    }

    must(&mut Command::new("sync"));
    std::fs::write("/proc/sys/vm/drop_caches", "3").unwrap();
    group.reclaim();
    root.suspend();
    let mut reader = root.read();
    let client = Client::start(PORT);
    outage(lab, &unit, &client, &roles);
    unit.mains(true);
    wait_until_told(&client, "ONLINE", &roles);
    assert!(poll_until(TIMEOUT, || (client.answers().len() > 100).then_some(())).is_some(), "few answers");
    judge(lab, client.stop());

    // What the start of a main process needs is in memory too.
    send_signal(roles[1], "KILL");
    let other = || role_of(daemon.id(), MAIN).filter(|pid| *pid != roles[1]);
    let roles = [daemon.id(), poll_until(TIMEOUT, other).expect("no other main process")];
    wait_for_status("ONLINE");
    let client = Client::start(PORT);
    outage(lab, &unit, &client, &roles);
    unit.battery_low(true);
    wait_until_told(&client, "SHUTTING DOWN", &roles);
    let decided = Instant::now();
    let mut told = 0;
    while !is_slow(decided.elapsed(), HOOKTIMEOUT + BEYOND) {
        std::thread::sleep(Duration::from_millis(100));
        ensure_within(client.waits(), Duration::from_secs(2), "an answer of the port");
        if decided.elapsed().as_secs() > told {
            told = decided.elapsed().as_secs();
            lab.measured("still-on-s", told);
            assert!(reader.try_wait().unwrap().is_none(), "the disk answers");
            if told == JUDGED.as_secs() {
                judge(lab, client.answers());
            }
        }
    }
    panic!("the machine still runs, the helper: {:?}; {}", daemon.try_wait(), describe(&roles));
}

/// Mains fails, which is seen.
fn outage(lab: &Lab, unit: &Unit, client: &Client, roles: &[u32]) {
    let began = Instant::now();
    unit.mains(false);
    wait_until_told(client, "ONBATT", roles);
    lab.measured("outage-seen-ms", began.elapsed().as_millis());
}

fn wait_until_told(client: &Client, word: &str, roles: &[u32]) {
    assert!(client.wait_for(word), "not {word}; {}", describe(roles));
}

/// A file system on a device of device mapper, with all that the daemon has of files.
struct Root {
    _image: Scratch,
    folder: PathBuf,
}

impl Root {
    fn new(program: &Path, serial: &str) -> Self {
        let image = Scratch::new();
        let file = image.file("image", "");
        let size: u64 = 64 << 20;
        std::fs::File::options().write(true).open(&file).unwrap().set_len(size).unwrap();
        let looped = said(Command::new("losetup").args(["-f", "--show"]).arg(&file));
        let table = format!("0 {} linear {} 0", size / 512, looped.trim());
        dmsetup(&["create", DEVICE, "--table", &table]);
        let device = Path::new("/dev/mapper").join(DEVICE);
        must(Command::new("mkfs.ext4").arg("-q").arg(&device));
        let folder = image.path().join("root");
        std::fs::create_dir(&folder).unwrap();
        must(Command::new("mount").arg(&device).arg(&folder));
        let root = Self { _image: image, folder };
        root.fill(program, serial);
        root
    }

    fn fill(&self, program: &Path, serial: &str) {
        let folder = &self.folder;
        for name in ["dev", "proc", "sys", "run", "tmp", "etc/mainsd", "usr/bin", "usr/sbin", "var/lib"] {
            std::fs::create_dir_all(folder.join(name)).unwrap();
        }
        for name in ["dev", "proc", "sys"] {
            must(Command::new("mount").args(["--rbind", &format!("/{name}")]).arg(folder.join(name)));
        }
        must(Command::new("mount").args(["-t", "tmpfs", "run"]).arg(folder.join("run")));
        std::fs::copy(program, folder.join("usr/sbin/mainsd")).unwrap();
        for library in libraries(program) {
            let copy = folder.join(library.strip_prefix("/").unwrap());
            std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
            std::fs::copy(&library, copy).unwrap();
        }
        std::fs::copy("/bin/busybox", folder.join("usr/bin/busybox")).unwrap();
        symlink("usr/bin", folder.join("bin")).unwrap();
        symlink("usr/sbin", folder.join("sbin")).unwrap();
        // The commands that a machine has, which hang too.
        for name in ["bin/sh", "sbin/poweroff", "sbin/halt"] {
            symlink("/usr/bin/busybox", folder.join("usr").join(name)).unwrap();
        }
        std::fs::write(folder.join("usr/bin/unread"), [0; 4096]).unwrap();
        let hook = folder.join("etc/mainsd/apccontrol");
        std::fs::write(&hook, "#!/bin/sh\necho \"$1\" >> /var/lib/hooks\n").unwrap();
        must(Command::new("chmod").arg("755").arg(&hook));
        let config = format!(
            "## apcupsd.conf v1.1 ##\n\
             UPSCABLE usb\nUPSTYPE usb\nDEVICE {serial}\nPOLLTIME 1\nONBATTERYDELAY 1\n\
             LOCKFILE /var\nSCRIPTDIR /etc/mainsd\nPWRFAILDIR /etc/mainsd\nNOLOGINDIR /etc\nNOLOGON always\n\
             EVENTSFILE /var/lib/events\nSTATEFILE /var/lib/state\nSTATFILE /var/lib/status\nSTATTIME 2\n\
             NETSERVER on\nNISIP 127.0.0.1\nNISPORT {PORT}\nHOOKTIMEOUT {}\n",
            HOOKTIMEOUT.as_secs()
        );
        std::fs::write(folder.join("etc/mainsd/mainsd.conf"), config).unwrap();
    }

    fn start(&self, error: impl Into<Stdio>) -> Child {
        let mut command = Command::new("chroot");
        command.arg(&self.folder).args(["/usr/sbin/mainsd", "-b", "-f", "/etc/mainsd/mainsd.conf"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(error).spawn().unwrap()
    }

    /// For ever: what is read or written waits below the file system.
    fn suspend(&self) {
        dmsetup(&["suspend", "--nolockfs", "--noflush", DEVICE]);
    }

    /// Who reads what is not in memory: it hangs as long as the disk does.
    fn read(&self) -> Child {
        Command::new("cat").arg(self.folder.join("usr/bin/unread")).stdout(Stdio::null()).spawn().unwrap()
    }
}

/// Without udev, which does not run here, the nodes are its own business.
fn dmsetup(args: &[&str]) {
    let mut command = Command::new("dmsetup");
    must(command.args(args).args(["--noudevsync", "--noudevrules"]).env("DM_DISABLE_UDEV", "1"));
}

fn said(command: &mut Command) -> String {
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}

/// What is loaded with a program; nothing for a static one.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let listed = said(Command::new("ldd").arg(program));
    let paths = listed.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    paths.map(PathBuf::from).collect()
}

/// A pipe that takes nothing any more.
fn full_pipe() -> (File, File) {
    let (read, mut write) = mainsd::sys::fs::pipe().unwrap();
    rustix::io::ioctl_fionbio(&write, true).unwrap();
    while write.write(b"x").is_ok() {}
    rustix::io::ioctl_fionbio(&write, false).unwrap();
    (read, write)
}

/// A control group, for memory to be taken from the daemon.
struct Group(PathBuf);

impl Group {
    fn new() -> Self {
        let all = Path::new("/run/t/groups");
        std::fs::create_dir(all).unwrap();
        must(Command::new("mount").args(["-t", "cgroup2", "none"]).arg(all));
        std::fs::write(all.join("cgroup.subtree_control"), "+memory").unwrap();
        let own = all.join("daemon");
        std::fs::create_dir(&own).unwrap();
        Self(own)
    }

    fn take(&self, pid: u32) {
        std::fs::write(self.0.join("cgroup.procs"), pid.to_string()).unwrap();
    }

    /// Takes all that can be had again from files: what is not locked. A page that was used lately has a second chance, and a third.
    fn reclaim(&self) {
        for _ in 0..8 {
            // There is never so much, which is an error.
            let _ = std::fs::write(self.0.join("memory.reclaim"), "64M");
        }
    }
}

/// Kilobytes that a process has locked.
fn locked(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

fn wait_for_status(word: &str) {
    let asked =
        || Nis::connect(("127.0.0.1", PORT), TIMEOUT).ok()?.status().ok().filter(|status| status.has(word));
    assert!(poll_until(TIMEOUT, asked).is_some(), "not {word}");
}

/// Where in the kernel each process waits, and how much it has locked.
fn describe(roles: &[u32]) -> String {
    let file = |pid: &u32, name| std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let role = |pid| ["syscall", "stack", "status", "maps"].map(|name| file(pid, name)).concat();
    roles.iter().map(role).collect()
}
