//! Every story under every fault: see `tests/daemon/fault_injection.rs`.

use crate::support::faults::fault::FAULTS;
use crate::support::faults::play_seeds;
use crate::support::faults::story::KINDS;
use crate::support::runner::{Group, Needs, tests};

pub const TESTS: Group = Group {
    apart: Some(1),
    needs: Needs::Ci("root, libfaketime (Debian: faketime) and some minutes"),
    tests: tests![no_shutdown_is_missed_and_none_is_false_in_any_story_under_any_fault],
    ..Group::new(module_path!())
};

fn no_shutdown_is_missed_and_none_is_false_in_any_story_under_any_fault() {
    play_seeds((KINDS.len() * FAULTS.len()) as u64);
}
