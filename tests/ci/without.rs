//! What a machine may lack: the daemon watches, shuts down, and says what is missing.

use std::path::Path;

use crate::support::faults::guard::program;
use crate::support::runner::{Group, Needs, tests};
use crate::support::{Daemon, Scratch, Setup, TIMEOUT};

pub const TESTS: Group = Group {
    needs: Needs::Ci("python3, and prlimit (Debian: util-linux)"),
    tests: tests![
        a_kernel_without_filters_of_system_calls_is_told_and_the_machine_guarded,
        where_no_process_can_be_made_one_does_all_and_says_so,
    ],
    ..Group::new(module_path!())
};

/// The daemon, started by this command, at a UPS whose mains fails.
fn start(by: &[&str]) -> (Daemon, Scratch) {
    let scratch = Scratch::new();
    let ups = scratch.file("ups", "2 mains off");
    let setup = Setup::new("test").with("DEVICE", &ups.display().to_string()).with("NOLOGON", "disable");
    let mut setup = setup.with("ONBATTERYDELAY", "1").with("TIMEOUT", "3");
    setup.by = by.iter().map(|word| (*word).to_owned()).collect();
    setup.program = program().to_owned();
    (Daemon::start(&setup), scratch)
}

fn a_kernel_without_filters_of_system_calls_is_told_and_the_machine_guarded() {
    let outer = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ci/no_filters.py");
    let (daemon, _scratch) = start(&["python3", outer.to_str().unwrap()]);
    daemon.wait_for_output("Not all rights are given up: no system call is refused: ", TIMEOUT);
    daemon.wait_for_hook("doshutdown", TIMEOUT);
    assert_eq!(daemon.events(), ["powerout", "onbattery", "timeout", "doshutdown"]);
    assert!(daemon.terminate().status.success());
}

/// Root is held by no such limit: somebody else, who may make no process beside that of the daemon.
fn where_no_process_can_be_made_one_does_all_and_says_so() {
    let user = ["setpriv", "--reuid=4711", "--regid=4711", "--clear-groups"];
    let (daemon, _scratch) = start(&[&user[..], &["prlimit", "--nproc=1"]].concat());
    daemon.wait_for_output("No main process can be made (", TIMEOUT);
    daemon.wait_for_status(|status| status.has("ONBATT"), TIMEOUT);
    assert!(daemon.terminate().status.success());
}
