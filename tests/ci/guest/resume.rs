//! A resume from suspend, as the kernel tells of it: the wall clock jumps. No suspend is emulated here, so the boot-time
//! clock's advance is made up, by a file that a process without rights could not open: one process does all here.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::{Lab, Scenario, ensure};
use crate::support::{self, Asleep, Scratch, Setup, play_in};

/// All of them.
pub const ALL: &[Scenario] = &[("a_resume_wakes_the_daemon_at_once", wakes)];

fn wakes(lab: &Lab) {
    let library = PathBuf::from(std::env::var_os("MAINSD_ASLEEP_LIBRARY").expect("a path"));
    let scratch = Scratch::new();
    let setup = Setup { program: lab.program.clone(), ..Setup::new("test") };
    let (asleep, setup) = Asleep::awake(
        &library,
        &scratch,
        setup.with("POLLTIME", "600").with("NOLOGON", "disable").with("PRIVSEP", "off"),
    );
    let daemon = play_in("0 alerts off\n6 mains off", setup, scratch);
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), support::TIMEOUT);
    // By then everything is quiet: the loop would wake in a minute, and poll in ten.
    std::thread::sleep(Duration::from_secs(25));
    ensure(&daemon, daemon.hooks().count() == 0, "it has looked by itself");
    asleep.slept(7200);
    let set = Command::new("sh").args(["-c", "date -s @$(($(date +%s) + 2))"]).output().unwrap();
    assert!(set.status.success(), "{set:?}");
    daemon.wait_for_hook("powerout", support::TIMEOUT);
    daemon.wait_for_output("The machine slept for ", support::TIMEOUT);
}
