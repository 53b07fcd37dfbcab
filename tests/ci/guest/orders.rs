//! `mainsd ctl` at a simulated UPS in the kernel: by a daemon that guards it, and without one.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::{Lab, Scenario, ensure};
use crate::support::usbip::Unit;
use crate::support::{self, Scratch, TIMEOUT, poll_until};

/// All of them.
pub const ALL: &[Scenario] = &[
    ("a_ups_on_usb_does_what_a_client_orders_while_it_is_watched", watched),
    ("a_ups_on_usb_does_the_same_without_a_daemon_and_is_given_back", alone),
];

const ES: &str = "apc-back-ups-es-850g2";
/// Its reports of the self test, the beeper and the APC delay before shutdown, and that of the delay before shutdown that stays.
const TEST: u8 = 0x21;
const BEEPER: u8 = 0x18;
const KILL_DELAY: u8 = 0x41;
/// What it says of a self test: passed, in progress (usb-hid §8).
const PASSED: i64 = 1;
const IN_PROGRESS: i64 = 5;

/// An order, its exit status, and a part of what is printed.
type Came = (&'static str, i32, &'static str);

const CALM: [Came; 5] = [
    ("poll", 0, "line: on mains\ncharge: 100.0\n"),
    ("self-test result", 0, "self-test result: NO"),
    ("beeper off", 0, "the UPS does not beep any more"),
    ("settings", 0, "transfer high: 266"),
    ("manufacture date", 0, "manufacture date: 2021-03-02"),
];
const SETTINGS: [Came; 4] = [
    ("transfer low 170", 0, "it is 170 now"),
    ("transfer low 300", 1, "the UPS permits 160-196"),
    ("sensitivity L", 0, "it is L now"),
    ("panel test", 0, "lamps and beeper are tested"),
];
const ON_BATTERY: [Came; 4] = [
    ("self-test", 1, "not now: the UPS is on battery"),
    ("transfer low 170", 1, "not now: the UPS is on battery"),
    ("poll", 0, "line: on battery"),
    ("beeper on", 0, "the UPS beeps at each alarm"),
];

/// `mainsd ctl` with the configuration in this folder.
pub fn begin(lab: &Lab, folder: &Path, order: &str) -> Child {
    let mut command = Command::new(&lab.program);
    command.args(["ctl", "-f"]).arg(folder.join("mainsd.conf")).args(order.split(' '));
    command.env("MAINSD_RUN_DIR", folder.join("run")).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Its end is to have this exit status and words.
#[track_caller]
pub fn end(child: Child, (order, status, part): Came) {
    let done = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    let is_right = done.status.code() == Some(status) && text.contains(part);
    assert!(is_right, "{order}: {}: {text}", done.status);
}

fn walk(lab: &Lab, folder: &Path, orders: &[Came]) {
    for came in orders {
        end(begin(lab, folder, came.0), *came);
    }
}

/// What the UPS keeps, written once each.
fn settings(lab: &Lab, folder: &Path, unit: &Unit) {
    let from = unit.seen_count();
    walk(lab, folder, &SETTINGS);
    assert_eq!(unit.written_since(from), [(0x32, vec![170, 0]), (0x35, vec![0]), (0x79, vec![1])]);
}

/// A self test runs when it is ordered, and is waited for.
fn test(lab: &Lab, folder: &Path, unit: &Unit) {
    let asks = |from| unit.wait_for(from, TIMEOUT, |seen| seen.get_report() == Some(TEST)).is_some();
    let from = unit.seen_count();
    let order = "self-test --wait";
    let child = begin(lab, folder, order);
    let begun = unit.wait_for(from, TIMEOUT, |seen| seen.set_report() == Some((TEST, &[TEST, 1])));
    assert!(begun.is_some(), "no self test: {:02x?}", unit.written_since(from));
    unit.change(|model| model.set_raw(0x0084_0058, IN_PROGRESS));
    // One question may have been on its way.
    assert!((0..2).all(|_| asks(unit.seen_count())), "its end is not asked for");
    unit.change(|model| model.set_raw(0x0084_0058, PASSED));
    end(child, (order, 0, "Battery OK"));
}

fn watched(lab: &Lab) {
    let unit = lab.plug(ES);
    let daemon = lab.online(&lab.setup_without_loss());
    let folder = daemon.dir();
    let listens = || {
        let mut names = std::fs::read_dir(folder.join("run")).ok()?.flatten();
        names.any(|entry| entry.file_name().to_string_lossy().starts_with("control")).then_some(())
    };
    ensure(&daemon, poll_until(TIMEOUT, listens).is_some(), "no control socket");
    let from = unit.seen_count();
    walk(lab, folder, &CALM);
    walk(
        lab,
        folder,
        &[
            (
                "kill-power --yes",
                1,
                "not while mainsd guards: stop it first, then 'mainsd ctl kill-power --yes'",
            ),
            (
                "power-off --yes",
                1,
                "not while mainsd guards: stop it first, then 'mainsd ctl power-off --yes'",
            ),
        ],
    );
    assert_eq!(unit.written_since(from), [(BEEPER, vec![1])]);
    settings(lab, folder, &unit);
    test(lab, folder, &unit);
    ensure(&daemon, !daemon.events().contains(&"powerout".to_owned()), "a test was taken for an outage");
    let from = unit.seen_count();
    unit.mains(false);
    daemon.wait_for_status(|status| status.has("ONBATT"), TIMEOUT);
    walk(lab, folder, &ON_BATTERY);
    assert_eq!(unit.written_since(from), [(BEEPER, vec![2])]);
}

fn alone(lab: &Lab) {
    let unit = lab.plug(ES);
    let scratch = Scratch::new();
    support::write_config(&lab.setup(), &scratch, support::free_port());
    let folder = scratch.path();
    let given_back = || {
        assert!(unit.wait_for_kernel_driver(Some("usbhid")), "{:?}", unit.kernel_driver());
    };
    for came in &CALM {
        walk(lab, folder, &[*came]);
        given_back();
    }
    assert_eq!(unit.written_since(0), [(BEEPER, vec![1])]);
    settings(lab, folder, &unit);
    given_back();
    test(lab, folder, &unit);
    given_back();
    // Somebody has no patience.
    let (from, order) = (unit.seen_count(), "self-test --wait");
    let child = begin(lab, folder, order);
    assert!(unit.wait_for(from, TIMEOUT, |seen| seen.set_report().is_some()).is_some(), "no self test");
    support::send_signal(child.id(), "INT");
    end(child, (order, 3, "ended by signal 2"));
    given_back();
    unit.change_silently(|model| model.set_mains(false));
    let from = unit.seen_count();
    walk(lab, folder, &ON_BATTERY);
    walk(lab, folder, &[("kill-power --yes", 1, "Killpower request ignored")]);
    assert_eq!(unit.written_since(from), [(BEEPER, vec![2])]);
    scratch.file("flags/powerfail", "");
    walk(lab, folder, &[("kill-power --yes", 0, "on again when mains returns")]);
    let killed = unit.written_since(from);
    assert_eq!(killed.last(), Some(&(KILL_DELAY, vec![60, 0])), "{killed:02x?}");
    walk(lab, folder, &[("power-off --yes", 0, "stays off until its button is pressed")]);
    let off = unit.written_since(from).split_off(killed.len());
    assert_eq!(off, [(0x15, vec![60, 0])], "{off:02x?}");
    given_back();
}
