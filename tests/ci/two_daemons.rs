//! Where the files of a daemon of root are.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::support::runner::{Group, Needs, tests};
use crate::support::{Scratch, Setup, TIMEOUT, play_in, poll_until, wait_for_file};

pub const TESTS: Group = Group {
    needs: Needs::Ci("root, for /run/mainsd in a mount namespace"),
    tests: tests![as_root_everything_is_in_run_mainsd_and_the_first_versions_state_is_taken_over_once],
    ..Group::new(module_path!())
};

/// A daemon of root in a mount namespace of its own, with an empty `/run`.
fn in_own_run(setup: Setup, before: &str) -> Setup {
    let script = format!("mount -t tmpfs -o mode=755 none /run && {before} exec \"$@\"");
    let mut setup = setup.environment("MAINSD_RUN_DIR", "");
    setup.by = ["unshare", "-m", "sh", "-c", &script, "sh"].map(str::to_owned).to_vec();
    setup
}

fn as_root_everything_is_in_run_mainsd_and_the_first_versions_state_is_taken_over_once() {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    let old = format!(
        "mainsd state 1\\nboot {}\\non_battery_since {since:.3}\\nannounced yes\\ntransfers 5\\non_battery_total 1.000\\n\
         on_battery_at {since:.3}\\nend\\n",
        boot.trim(),
        since = uptime - 100.0,
    );
    let setup = Setup::new("test").with("NOLOGON", "disable").without("STATEFILE");
    let before = format!("printf '{old}' > /run/mainsd.state &&");
    let daemon = play_in("0 mains off", in_own_run(setup, &before), Scratch::new());
    let line = daemon.wait_for_output("already when this daemon started: that time counts", TIMEOUT);
    let seconds = line.text.split("On battery for ").nth(1).and_then(|rest| rest.split(' ').next());
    assert!(seconds.unwrap().parse::<u32>().unwrap() >= 100, "{}", line.text);
    daemon.wait_for_status(|status| status.has("ONBATT") && status.is("NUMXFERS", "5"), TIMEOUT);
    let run = PathBuf::from(format!("/proc/{}/root/run", daemon.pid()));
    let gone = poll_until(TIMEOUT, || (!run.join("mainsd.state").exists()).then_some(()));
    assert!(gone.is_some(), "taken over once");
    let config = daemon.dir().join("mainsd.conf").canonicalize().unwrap();
    let name = config.display().to_string().replace('-', "%2D").replace('/', "-");
    let name = name.trim_start_matches('-');
    for (path, mode) in [
        ("mainsd".to_owned(), 0o755),
        ("mainsd/state".to_owned(), 0o700),
        ("mainsd/lock".to_owned(), 0o700),
        (format!("mainsd/state/{name}"), 0o600),
        (format!("mainsd/lock/conf-{name}"), 0o600),
    ] {
        let data = std::fs::metadata(run.join(&path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!((data.uid(), data.mode() & 0o7777), (0, mode), "{path}");
    }
    wait_for_file(&run.join("mainsd/state").join(name), |state| {
        state.starts_with("mainsd state 2\n") && state.contains("\nserial SIM000000001\n")
    });
    assert!(daemon.terminate().status.success());
}
