//! `-d` and `-T`: debug output, and which module writes how much of it.

use crate::support::{Setup, TIMEOUT, play};

/// A line of the module that writes the log, as debug output shows it.
const JOURNALIST: &str = "mainsd::daemon::recorder: ";

fn setup() -> Setup {
    Setup::new("test").with("NOLOGON", "disable")
}

#[test]
fn debug_output_has_the_module_before_each_line() {
    let daemon = play("", setup().arg("-d").arg("100"));
    daemon.wait_for_output(&format!("{JOURNALIST}mainsd "), TIMEOUT);
}

#[test]
fn rust_log_says_which_module_is_shown_and_does_nothing_without_the_option() {
    let filtered = setup().environment("RUST_LOG", "mainsd::port=trace").arg("-d").arg("100");
    for setup in [filtered, setup().environment("RUST_LOG", "trace")] {
        let daemon = play("", setup);
        daemon.wait_for_output("startup succeeded", TIMEOUT);
        let end = daemon.terminate();
        assert!(!end.output.contains(JOURNALIST), "{}", end.output);
    }
}

#[test]
fn the_trace_option_writes_to_a_file() {
    let scratch = crate::support::Scratch::new();
    let config = crate::support::write_config(&setup(), &scratch, 1);
    std::fs::write(&config, "UPSCABLE usb\nUPSTYPE usb\nUPSTYPE usb\nTIMEOUT soon\n").unwrap();
    let done = std::process::Command::new(env!("CARGO_BIN_EXE_mainsd"))
        .args(["-b", "-T", "-d", "100", "-f"])
        .arg(&config)
        .current_dir(scratch.path())
        .output()
        .unwrap();
    assert!(!done.status.success() && done.stdout.is_empty(), "{done:?}");
    let trace = std::fs::read_to_string(scratch.path().join("apcupsd.trace")).unwrap();
    assert!(
        trace.contains("mainsd::program::daemon::start: ") && trace.contains("set to the same"),
        "{trace}"
    );
}
