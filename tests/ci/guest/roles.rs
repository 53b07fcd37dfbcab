//! Main processes that end while they have a real port: the next one takes it over, and nobody hears of it.

use std::path::Path;
use std::time::{Duration, Instant};

use mainsd::sys::call_filter::calls::{BY_NAME, CLONE3, Call, NEVER, SOCKET, System, TGKILL, TKILL};

use super::dumb::{C0119A, Cable, Place, SIMPLE, setup as dumb_setup};
use super::usbfs::Node;
use super::{LOSS, Lab, Scenario, ensure, ensure_quiet, ensure_within};
use crate::support::usbip::Unit;
use crate::support::{self, Daemon};

/// All of them.
pub const ALL: &[Scenario] = &[
    ("main_process_of_a_usb_ups_that_is_killed_is_followed", usb),
    ("main_process_of_a_usb_ups_that_hangs_on_battery_is_followed_and_the_limit_kept", usb_hangs),
    ("descriptor_that_the_main_process_has_of_a_usb_ups_is_stripped", stripped),
    ("main_process_at_a_simple_cable_that_is_killed_is_followed", |lab| dumb(lab, &SIMPLE)),
    ("no_refused_system_call_is_made_from_inside_the_main_process", refused_calls),
    ("main_process_at_cable_940_0119a_that_is_killed_is_followed", |lab| dumb(lab, &C0119A)),
];

/// How soon the UPS is watched again: half a second where the machine is idle.
const WATCHED_WITHIN: Duration = Duration::from_secs(10);

const ES: &str = "apc-back-ups-es-850g2";

/// What an outage tells, once, whoever dies in it.
const OUTAGE: [&str; 4] = ["powerout", "onbattery", "offbattery", "mainsback"];

/// Kills the main process; the next one knows this of the UPS.
fn kill_main(lab: &Lab, daemon: &Daemon, knows: impl Fn(&support::Status) -> bool) {
    let killed = Instant::now();
    daemon.end_main("KILL");
    daemon.wait_for_status(knows, support::TIMEOUT);
    let took = killed.elapsed();
    lab.measured("kill-to-watched-again-ms", took.as_millis());
    ensure_within(took, WATCHED_WITHIN, "the next main process");
}

fn knows_charge(status: &support::Status) -> bool {
    status.get("BCHARGE").is_some() && !status.has("COMMLOST")
}

fn usb(lab: &Lab) {
    let unit = lab.plug(ES);
    assert!(unit.wait_for_kernel_driver(Some("usbhid")), "the kernel has no driver for it");
    let daemon = lab.online(&lab.setup_without_loss());
    let place = unit.place();
    kill_main(lab, &daemon, |status| status.has("ONLINE") && knows_charge(status));
    ensure_quiet(&daemon, 0, Duration::from_secs(4));
    unit.mains(false);
    daemon.wait_for_hook("onbattery", support::TIMEOUT);
    kill_main(lab, &daemon, |status| status.has("ONBATT") && knows_charge(status));
    ensure_quiet(&daemon, 2, Duration::from_secs(4));
    unit.mains(true);
    daemon.wait_for_hook("mainsback", support::TIMEOUT);
    let events = daemon.events();
    ensure(&daemon, events == OUTAGE, &format!("{events:?}"));
    assert_eq!(unit.place(), place, "the unit was reset");
    given_back(daemon, &unit);
}

/// The daemon ends, and the kernel's driver has the UPS again.
fn given_back(daemon: Daemon, unit: &Unit) {
    let end = daemon.terminate();
    assert!(end.status.success(), "{end:?}");
    assert!(unit.wait_for_kernel_driver(Some("usbhid")), "held by {:?} after exit", unit.kernel_driver());
}

fn usb_hangs(lab: &Lab) {
    let unit = lab.plug(ES);
    assert!(unit.wait_for_kernel_driver(Some("usbhid")), "the kernel has no driver for it");
    let daemon = lab.online(&lab.setup_without_loss().with("TIMEOUT", "20"));
    unit.mains(false);
    daemon.wait_for_hook("onbattery", support::TIMEOUT);
    let first = daemon.main_pid();
    daemon.end_main("STOP");
    daemon.wait_for_logged(&format!("The main process ({first}) was stopped for 1 s and was killed"));
    daemon.wait_for_status(|status| status.has("ONBATT") && knows_charge(status), support::TIMEOUT);
    daemon.wait_for_hook("doshutdown", support::TIMEOUT);
    let events = daemon.events();
    let expected = ["powerout", "onbattery", "timeout", "doshutdown"];
    ensure(&daemon, events == expected, &format!("{events:?}"));
    given_back(daemon, &unit);
}

/// The processes that have a file open.
fn who_has_open(file: &Path) -> Vec<u32> {
    let is_it = |fd: std::fs::DirEntry| std::fs::read_link(fd.path()).is_ok_and(|path| path == file);
    let has_it =
        |pid: &u32| std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten().any(is_it);
    let names = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().file_name());
    names.filter_map(|name| name.to_str()?.parse().ok()).filter(has_it).collect()
}

/// It claims no other interface, and neither detaches nor attaches a driver; a stripped descriptor has EACCES for those.
fn stripped(lab: &Lab) {
    let unit = lab.plug(ES);
    assert!(unit.wait_for_kernel_driver(Some("usbhid")), "the kernel has no driver for it");
    let daemon = lab.online(&lab.setup_without_loss());
    let node = Node::of(daemon.main_pid());
    assert_eq!(node.claim(0), Ok(()), "its own interface");
    assert_eq!(node.claim(1), Err(libc::EACCES));
    assert_eq!(node.seize(0), Err(libc::EACCES));
    assert_eq!(node.detach(0), Err(libc::EACCES));
    assert_eq!(node.attach(0), Err(libc::EACCES));
    assert_eq!(node.configure(1), Err(libc::EBUSY), "as long as its interface is claimed");
    drop(node);
    assert_eq!(who_has_open(&unit.node()), [daemon.main_pid()]);
    given_back(daemon, &unit);
}

/// How the kernel says that a call is refused, and that it is not there.
const REFUSED: i64 = -(libc::EPERM as i64);
const MISSING: i64 = -(libc::ENOSYS as i64);

/// Whoever has the main process makes every call that it must not make, and it goes on.
fn refused_calls(lab: &Lab) {
    let unit = lab.plug(ES);
    let daemon = lab.online(&lab.setup_without_loss());
    // The header of an ELF file: 1 for 32 bits.
    let arch: &[u8] = if std::fs::read(&lab.program).unwrap()[4] == 1 { b"x86" } else { b"x86_64" };
    let system = System::find(arch, true).unwrap();
    let lists = NEVER.iter().chain(BY_NAME).filter_map(|call| call.number(system));
    let mut tried: Vec<(String, i64)> = lists.map(|number| (number.to_string(), REFUSED)).collect();
    let with = |call: Call, arguments: &str| format!("{}:{arguments}", call.number(system).unwrap());
    let (unix, route, packet) = (libc::AF_UNIX, libc::AF_NETLINK, libc::AF_PACKET);
    tried.extend([
        (with(CLONE3, "0"), MISSING),
        (with(SOCKET, &format!("{unix}:1")), REFUSED),
        (with(SOCKET, &format!("{route}:3:{}", libc::NETLINK_ROUTE)), REFUSED),
        (with(SOCKET, &format!("{packet}:3")), REFUSED),
        (with(TKILL, "1:9"), REFUSED),
        (with(TGKILL, &format!("{0}:{0}:9", daemon.pid())), REFUSED),
    ]);
    // `getpid`, as what a filter lets through, by the number of x32 too.
    match arch {
        b"x86" => tried.push(("20".to_owned(), daemon.main_pid().into())),
        _ => tried
            .extend([("39".to_owned(), daemon.main_pid().into()), ((0x4000_0000 + 39).to_string(), REFUSED)]),
    }
    let script = lab.devices.join("../ci/inside.py").canonicalize().unwrap();
    let mut command = std::process::Command::new("/usr/bin/python3");
    command.arg(script).arg(daemon.main_pid().to_string()).args(tried.iter().map(|(call, _)| call));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let expected: String = tried.iter().map(|(call, result)| format!("{call} {result}\n")).collect();
    assert_eq!(said, expected);
    // It goes on.
    let main = daemon.main_pid();
    unit.mains(false);
    daemon.wait_for_hook("powerout", support::TIMEOUT);
    ensure(&daemon, daemon.main_pid() == main, "another main process");
    lab.measured("refused-calls", tried.len());
}

/// A port that is closed by the kernel loses its lines: no UPS may take that for the signal that cuts the power.
fn dumb(lab: &Lab, cable: &Cable) {
    let mut place = Place::new();
    place.adapter.set(cable.says(false, false));
    place.plug();
    let daemon = Daemon::start(&dumb_setup(lab, cable, &place.device()).with(LOSS.0, LOSS.1));
    daemon.wait_for_status(|status| status.has("ONLINE"), support::TIMEOUT);
    let told = |word: &'static str| move |status: &support::Status| status.is("STATUS", word);
    kill_main(lab, &daemon, told("ONLINE"));
    ensure_quiet(&daemon, 0, Duration::from_secs(4));
    place.adapter.set(cable.says(true, false));
    daemon.wait_for_hook("onbattery", support::TIMEOUT);
    kill_main(lab, &daemon, told("ONBATT"));
    ensure_quiet(&daemon, 2, Duration::from_secs(4));
    place.adapter.set(cable.says(false, false));
    daemon.wait_for_hook("mainsback", support::TIMEOUT);
    let events = daemon.events();
    ensure(&daemon, events == OUTAGE, &format!("{events:?}"));
    let longest = cable.kills.map(|kills| place.adapter.stretches(0, kills).into_iter().max());
    let longest = longest.flatten().unwrap_or_default();
    lab.measured("kill-line-pulse-ms", longest.as_millis());
    ensure_within(longest, Duration::from_secs(1), "the pulse on the line that cuts the power");
    let end = daemon.terminate();
    assert!(end.status.success(), "{end:?}");
    assert!((cable.at_rest)(place.adapter.outputs()), "after SIGTERM: {:?}", place.adapter.outputs());
}
