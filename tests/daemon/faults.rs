//! Hooks and folders that are broken: the shutdown is carried out all the same.

use std::path::Path;

use crate::support::{Serial, Setup, TIMEOUT, play, run_program};

fn setup() -> Setup {
    Setup::new("test").with("NOLOGON", "disable").with("TIMEOUT", "1")
}

#[test]
fn without_apccontrol_the_shutdown_command_runs() {
    let daemon = play("1 mains off", setup().with("SCRIPTDIR", "/nonexistent"));
    daemon.wait_for_hook("SHUTDOWNCMD", TIMEOUT);
    daemon.wait_for_logged("Cannot exec /nonexistent/apccontrol doshutdown: No such file or directory");
}

#[test]
fn a_shutdown_hook_that_fails_is_followed_by_the_shutdown_command() {
    let daemon = play("1 mains off", setup().hook("[ \"$1\" != doshutdown ] || exit 3"));
    daemon.wait_for_hook("doshutdown", TIMEOUT);
    daemon.wait_for_hook("SHUTDOWNCMD", TIMEOUT);
}

#[test]
fn a_hook_that_hangs_does_not_hold_the_shutdown_up_for_long() {
    let daemon = play("1 mains off", setup().hook("[ \"$1\" != powerout ] || exec sleep 60"));
    let (_, began) = daemon.wait_for_hook_from(0, "powerout", TIMEOUT);
    let shutdown = daemon.wait_for_hook("doshutdown", TIMEOUT);
    assert!(shutdown.at.duration_since(began.at).as_secs() < 25, "{}", daemon.describe());
    daemon.wait_for_status(|status| status.is("STATUS", "SHUTTING DOWN"), TIMEOUT);
}

#[test]
fn the_loop_goes_on_while_a_hook_hangs() {
    let serial = Serial::on_line(|setup| setup.with("NOLOGON", "disable").hook("exec sleep 60"));
    serial.unit().fail_mains();
    serial.daemon.wait_for_hook("powerout", TIMEOUT);
    serial.daemon.wait_for_status(|status| status.has("ONBATT"), TIMEOUT);
    serial.unit().restore_mains();
    serial.daemon.wait_for_status(|status| status.has("ONLINE"), TIMEOUT);
    let end = serial.daemon.terminate();
    assert!(end.status.success() && end.took.as_secs() < 5, "{end:?}");
}

#[test]
fn folders_that_cannot_be_written_do_not_stop_the_shutdown() {
    let setup = setup().with("PWRFAILDIR", "/nonexistent").with("NOLOGINDIR", "/nonexistent");
    let daemon = play("1 mains off", setup.with("EVENTSFILE", "/dev/full").with("NOLOGON", "always"));
    daemon.wait_for_hook("doshutdown", TIMEOUT);
    daemon.wait_for_output("Unable to create /nonexistent/powerfail", TIMEOUT);
}

#[test]
fn events_are_written_when_no_descriptor_is_left() {
    // Root may limit a process of another user only with a capability that it need not have.
    let serial = Serial::on_line(|setup| setup.with("NOLOGON", "disable").with("PRIVSEP", "off"));
    let daemon = &serial.daemon;
    let limited = run_program(Path::new("prlimit"), ["--nofile=3:", "--pid", &daemon.pid().to_string()]);
    assert!(limited.status.success(), "{limited:?}");
    serial.unit().fail_mains();
    daemon.wait_for_output("Power failure.", TIMEOUT);
    daemon.wait_for_logged("Power failure.");
}

#[test]
fn an_event_script_keeps_its_arguments_whole() {
    let daemon = play("1 mains off", setup().with("UPSNAME", "a long name").with("TIMEOUT", "0"));
    let line = daemon.wait_for_hook("powerout", TIMEOUT);
    assert_eq!(line.text, "powerout a long name 1 0");
}
