//! Hooks and folders that are broken: the shutdown is carried out all the same.

mod support;

use support::{PATIENCE, Setup, play};

at_once! {
    what_is_broken_does_not_stop_a_shutdown:
    without_apccontrol_the_shutdown_command_runs,
    a_shutdown_hook_that_fails_is_followed_by_the_shutdown_command,
    a_hook_that_hangs_does_not_hold_the_shutdown_up_for_long,
    the_loop_goes_on_while_a_hook_hangs,
    folders_that_cannot_be_written_do_not_stop_the_shutdown,
    an_event_script_keeps_its_arguments_whole,
}

fn setup() -> Setup {
    Setup::new("test").with("NOLOGON", "disable").with("TIMEOUT", "1")
}

fn without_apccontrol_the_shutdown_command_runs() {
    let daemon = play("1 mains off", setup().with("SCRIPTDIR", "/nonexistent"));
    daemon.wait_for_hook("SHUTDOWNCMD", PATIENCE);
    let log = daemon.log();
    let missing = "Cannot exec /nonexistent/apccontrol doshutdown: No such file or directory";
    assert!(log.iter().any(|line| line == missing), "{}", daemon.describe());
}

fn a_shutdown_hook_that_fails_is_followed_by_the_shutdown_command() {
    let daemon = play("1 mains off", setup().hook("[ \"$1\" != doshutdown ] || exit 3"));
    daemon.wait_for_hook("doshutdown", PATIENCE);
    daemon.wait_for_hook("SHUTDOWNCMD", PATIENCE);
}

fn a_hook_that_hangs_does_not_hold_the_shutdown_up_for_long() {
    let daemon = play("1 mains off", setup().hook("[ \"$1\" != powerout ] || exec sleep 60"));
    let (_, began) = daemon.wait_for_hook_from(0, "powerout", PATIENCE);
    let shutdown = daemon.wait_for_hook("doshutdown", PATIENCE);
    assert!(shutdown.at.duration_since(began.at).as_secs() < 25, "{}", daemon.describe());
    assert!(daemon.status().is("STATUS", "SHUTTING DOWN"));
}

fn the_loop_goes_on_while_a_hook_hangs() {
    let daemon = play("1 mains off\n4 mains on", setup().with("TIMEOUT", "0").hook("exec sleep 60"));
    daemon.wait_for_hook("powerout", PATIENCE);
    daemon.wait_for_status(|status| status.has("ONBATT"), PATIENCE);
    daemon.wait_for_status(|status| status.has("ONLINE"), PATIENCE);
    let end = daemon.terminate();
    assert!(end.status.success() && end.took.as_secs() < 5, "{end:?}");
}

fn folders_that_cannot_be_written_do_not_stop_the_shutdown() {
    let setup = setup().with("PWRFAILDIR", "/nonexistent").with("NOLOGINDIR", "/nonexistent");
    let daemon = play("1 mains off", setup.with("EVENTSFILE", "/dev/full").with("NOLOGON", "always"));
    daemon.wait_for_hook("doshutdown", PATIENCE);
    daemon.wait_for_output("Unable to create /nonexistent/powerfail", PATIENCE);
}

fn an_event_script_keeps_its_arguments_whole() {
    let daemon = play("1 mains off", setup().with("UPSNAME", "a long name").with("TIMEOUT", "0"));
    let line = daemon.wait_for_hook("powerout", PATIENCE);
    assert_eq!(line.text, "powerout a long name 1 0");
}
