//! `--killpower` when something is in the way. What it writes to each device is part of the devices' stories.

use std::path::Path;
use std::time::Duration;

use super::{Lab, Scenario};
use crate::support::{self, Finished, Scratch, run_program_for};

/// All of them.
pub const ALL: &[Scenario] = &[
    // The slowest first, so that the others run meanwhile.
    ("kill_power_without_a_ups_ends_with_an_error", without_ups),
    ("kill_power_of_a_silent_ups_ends_with_an_error", silent),
    ("kill_power_without_the_powerfail_flag_is_refused", without_flag),
    ("kill_power_with_mains_back_goes_by_a_way_that_comes_back_or_none", with_mains),
    ("refused_kill_power_falls_through_to_the_next_way", refused),
    ("kill_power_that_every_way_refuses_is_a_failure", refused_everywhere),
];

/// It looks for the UPS for a minute: it may be just coming back from a reset of its own.
const TIMEOUT: Duration = Duration::from_secs(100);

const ES: &str = "apc-back-ups-es-850g2";

fn prepared(lab: &Lab, powerfail: bool) -> Scratch {
    let scratch = Scratch::new();
    support::write_config(&lab.setup(), &scratch, support::free_port());
    if powerfail {
        scratch.file("flags/powerfail", "");
    }
    scratch
}

fn kill(program: &Path, scratch: &Scratch) -> Finished {
    let config = scratch.path().join("mainsd.conf");
    run_program_for(program, ["-f".as_ref(), config.as_os_str(), "--killpower".as_ref()], TIMEOUT)
}

fn without_flag(lab: &Lab) {
    let unit = lab.plug(ES);
    let done = kill(&lab.program, &prepared(lab, false));
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(done.stderr.contains("powerfail"), "{done:?}");
    assert_eq!(unit.written_since(0), [], "written all the same");
}

fn refused(lab: &Lab) {
    let unit = lab.plug(ES);
    unit.change_silently(|model| model.set_mains(false));
    unit.faults(|faults| {
        faults.stall_writes.insert(0x41);
    });
    let done = kill(&lab.program, &prepared(lab, true));
    let written = unit.written_since(0);
    assert!(done.status.success(), "{done:?}; {written:02x?}");
    // The write of 41 is seen by the device before it stalls; 40 is the next way of this descriptor.
    assert_eq!(written.last(), Some(&(0x40, vec![1])), "{written:02x?}; {done:?}");
}

fn with_mains(lab: &Lab) {
    let unit = lab.plug(ES);
    let done = kill(&lab.program, &prepared(lab, true));
    assert!(done.status.success() && done.stderr.contains("Mains is back"), "{done:?}");
    assert_eq!(unit.written_since(0).last(), Some(&(0x41, vec![60, 0])), "{done:?}");
    // A way that would leave it off until somebody comes is not taken.
    let from = unit.seen_count();
    unit.faults(|faults| faults.stall_writes.extend([0x41, 0x40]));
    let done = kill(&lab.program, &prepared(lab, true));
    let written = unit.written_since(from);
    assert!(!done.status.success() && done.stderr.contains("not switched off for good"), "{done:?}");
    assert!(written.iter().all(|(id, _)| [0x41, 0x40].contains(id)), "{written:02x?}; {done:?}");
}

fn refused_everywhere(lab: &Lab) {
    let unit = lab.plug(ES);
    unit.change_silently(|model| model.set_mains(false));
    unit.faults(|faults| faults.stall_writes.extend(0..=0xff));
    let done = kill(&lab.program, &prepared(lab, true));
    assert!(!done.status.success(), "{done:?}");
    assert!(!done.stderr.is_empty(), "no words about the failure");
}

fn silent(lab: &Lab) {
    let unit = lab.plug(ES);
    unit.faults(|faults| faults.hang = true);
    let done = kill(&lab.program, &prepared(lab, true));
    assert!(!done.status.success(), "{done:?}");
    assert!(!done.stderr.is_empty(), "no words about the failure");
}

fn without_ups(lab: &Lab) {
    let done = kill(&lab.program, &prepared(lab, true));
    assert!(!done.status.success(), "{done:?}");
    assert!(!done.stderr.is_empty(), "no words about the failure");
}
