//! Every recorded scenario of apcupsd 3.14.14 (`tests/captures/events-*.txt`) at its recorded seconds, played to the whole
//! daemon in fake time: the same log lines at the same moments, the same hooks, the same flags. Where mainsd differs on
//! purpose (mainsd-power(7), DIFFERENCES), the row says how.
//!
//! Many of them are played to the real binary in real time too, with shorter delays: `tests/daemon/replay.rs`.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use crate::support::{Capture, FakeTime, Setup};
use mainsd::ups::Event;

/// What was recorded, with the deliberate differences worked in.
struct Expected {
    log: Vec<(f64, String)>,
    hooks: Vec<String>,
    powerfail: bool,
    /// The second, and keys with their values.
    status: Vec<(f64, Vec<(String, String)>)>,
}

impl Expected {
    fn of(name: &str) -> Self {
        let Capture { log, seconds, nis, hooks, powerfail } = Capture::read(name);
        let log = seconds.into_iter().zip(log).filter(|(_, text)| is_told(text)).collect();
        Self { log, hooks, powerfail, status: nis }
    }

    /// Without the line number `nth` of this text, and without its hook.
    fn without(mut self, text: &str, nth: usize) -> Self {
        let places: Vec<usize> = (0..self.log.len()).filter(|i| self.log[*i].1 == text).collect();
        self.log.remove(places[nth]);
        if let Some(hook) = hook_of(text) {
            let place = self.hooks.iter().position(|event| *event == hook).expect("the line's hook");
            self.hooks.remove(place);
        }
        self
    }

    /// With this line at this second, and its hook.
    fn with(mut self, second: f64, text: &str) -> Self {
        let place = self.log.iter().position(|(at, _)| *at > second).unwrap_or(self.log.len());
        self.log.insert(place, (second, text.to_owned()));
        self.hooks.extend(hook_of(text));
        self
    }

    fn moved(self, text: &str, second: f64) -> Self {
        self.without(text, 0).with(second, text)
    }

    /// With these values in the recorded status number `nth`.
    fn status(mut self, nth: usize, values: &[(&str, &str)]) -> Self {
        for (key, value) in values {
            let pairs = &mut self.status[nth].1;
            let place = pairs.iter().position(|(name, _)| name == key).expect("a recorded key");
            (*value).clone_into(&mut pairs[place].1);
        }
        self
    }

    fn powerfail(self, powerfail: bool) -> Self {
        Self { powerfail, ..self }
    }
}

/// The lines that are compared: those of the power machine.
fn is_told(text: &str) -> bool {
    hook_of(text).is_some()
        || ["User logins prohibited", "Allowing logins", "Attempting to kill the UPS power!"].contains(&text)
        || text.starts_with("Unable to create ")
}

fn hook_of(text: &str) -> Option<String> {
    if text.starts_with("UPS Self Test completed: ") {
        return Some("endselftest".to_owned());
    }
    Event::ALL.iter().find(|event| event.text() == text).map(|event| event.arg().to_owned())
}

type Directives = &'static [(&'static str, &'static str)];

/// The test, the directives that differ from those of most recordings, an argument, what happens to the UPS in seconds
/// from its first change, the second of the end, and what mainsd does otherwise.
struct Row(&'static str, Directives, &'static str, &'static str, f64, fn(Expected) -> Expected);

/// Before second zero, as in the recordings.
const STARTED: f64 = 4.0;

const TIME_LIMIT_REACHED: &str = "Reached run time limit on batteries.";
const RUNLIMIT: &str = "Reached remaining time percentage limit on batteries.";
const LOADLIMIT: &str = "Battery charge below low limit.";
const FAILING: &str = "Battery power exhausted.";
const SHUTDOWN: &str = "Initiating system shutdown!";
const POWEROUT: &str = "Power failure.";
const MAINSBACK: &str = "Power is back. UPS running on mains.";
const ONBATTERY: &str = "Running on UPS batteries.";
const OFFBATTERY: &str = "Mains returned. No longer on UPS batteries.";
const CHANGEME: &str = "UPS battery must be replaced.";
const NOLOGIN: &str = "User logins prohibited";
const KILL: &str = "Attempting to kill the UPS power!";
const COMMLOST: &str = "Communications with UPS lost.";
const COMMOK: &str = "Communications with UPS restored.";
const TESTING: &str = "UPS Self Test switch to battery.";

fn same(expected: Expected) -> Expected {
    expected
}

/// A test of each row, named like its recording.
macro_rules! scenarios {
    ($($name:ident($directives:expr, $way:expr, $script:expr, $end:expr, $differs:expr $(,)?),)*) => {
        const ROWS: &[Row] = &[$(Row(stringify!($name), $directives, $way, $script, $end, $differs)),*];
        $(
            #[test]
            fn $name() {
                replay(stringify!($name));
            }
        )*
    };
}

scenarios! {
    short_blip(&[], "", "0 mains off\n3 mains on", 7.0, same),
    normal_outage(&[], "", "0 mains off\n14 mains on\n18 mains off\n22 mains on", 26.0, same),
    onbatterydelay_zero(&[("ONBATTERYDELAY", "0")], "", "0 mains off\n4 mains on", 7.0, same),
    timeout(&[("TIMEOUT", "15")], "", "0 mains off", 30.0, same),
    onbatterydelay_then_timeout(&[("ONBATTERYDELAY", "10"), ("TIMEOUT", "12")], "", "0 mains off", 30.0, same),
    timeout_less_than_onbatterydelay(&[("ONBATTERYDELAY", "20"), ("TIMEOUT", "5")], "", "0 mains off", 28.0, same),
    master_for_slave(&[("TIMEOUT", "12")], "", "0 mains off", 36.0, same),
    failing_lowbatt(&[], "", "0 mains off\n9 lowbatt on\n12 lowbatt off\n15 lowbatt on", 25.0, same),
    loadlimit(&[], "", "0 mains off\n10 charge 4\n13 charge 50\n17 charge 5", 27.0, same),
    load_and_runtime_together(&[("ONBATTERYDELAY", "20")], "",
        "0 charge 3\n0 runtime 1\n0 lowbatt off\n0 mains off", 26.0, same),
    lowbatt_on_mains_then_outage(&[], "", "0 lowbatt on\n30 mains off", 38.0, same),
    // A limit needs its five seconds also when it comes with the outage.
    failing_onbatt_lowbatt_same_poll(&[], "", "0 lowbatt on\n0 mains off", 14.0,
        |e| e.moved(FAILING, 5.0).moved(SHUTDOWN, 5.01)),
    emergency(&[], "", "0 mains off\n9 status 0x58", 18.0, same),
    chargelimit_on_mains(&[("POLLTIME", "2")], "", "0 charge 1\n0 runtime 0", 15.0, same),
    // The third blip is two seconds long: no reason for a shutdown that needs five.
    flapping(&[], "",
        "0 mains off\n2 mains on\n4 mains off\n6 charge 4\n6 lowbatt off\n8 mains on\n10 mains off\n12 mains on\n14 mains off\n16 mains on", 18.0,
        |e| e.without(LOADLIMIT, 0).without(SHUTDOWN, 0).powerfail(false)
            .status(0, &[("STATUS", "ONLINE"), ("STATFLAG", "0x05000008")])),
    // Both edges count.
    instant_blip_lost_mainsback(&[("POLLTIME", "5")], "", "0 mains off\n0 mains on", 12.0,
        |e| e.with(0.01, MAINSBACK).status(0, &[("XOFFBATT", "a moment")])),
    // Zeros are no data: neither mains nor a new outage, and TIMEOUT goes on.
    empty_status_reply(&[("TIMEOUT", "25")], "", "0 mains off\n12 garbage 1", 32.0,
        |e| e.without(OFFBATTERY, 0).without(MAINSBACK, 0).without(POWEROUT, 1).without(ONBATTERY, 1)
            .with(31.0, TIME_LIMIT_REACHED).with(31.01, SHUTDOWN).powerfail(true)
            .status(0, &[("STATUS", "SHUTTING DOWN"), ("NUMXFERS", "1"), ("TONBATT", "32 Seconds"), ("CUMONBATT", "32 Seconds"),
                ("XOFFBATT", "N/A"), ("STATFLAG", "0x05160210")])),
    // The second outage comes within a minute of the first, and is the same shutdown.
    runlimit_power_returns(&[], "",
        "0 lowbatt off\n0 mains off\n10 runtime 3\n19 mains on\n24 mains off", 40.0, same),
    start_on_battery(&[], "at 0 stale", "0 lowbatt off\n0 runtime 2\n0 mains off", 16.0, same),
    // The flags of an earlier outage are gone once mains is seen twice; the nologin that is not ours stays.
    start_on_mains_stale_flags(&[], "stale", "0 mains off\n9 mains on", 12.0, |e| e.powerfail(false)),
    start_without_battery(&[("POLLTIME", "2")], "at 0", "0 battery out", 7.0, same),
    battdetach(&[("POLLTIME", "2")], "", "0 battery out\n6 battery in", 11.0, same),
    selftest(&[], "", "0 selftest 8 passed", 12.0, same),
    selftest_failed_nologon_always(&[("NOLOGON", "always")], "", "0 selftest 8 capacity", 12.0, same),
    // The simulated UPS says that its test is in progress and that mains is there, so it is one for as long.
    selftest_over_40s(&[], "", "0 selftest 48 passed", 52.0,
        |e| e.without(ONBATTERY, 0).without(OFFBATTERY, 0).without(MAINSBACK, 0)
            .with(48.0, "UPS Self Test completed: Battery OK").status(0, &[("STATFLAG", "0x05040010")])),
    // Low battery in a self test is no outage: mains is there. It ends as a test when the test ends.
    selftest_lowbatt(&[], "", "0 selftest 16 passed\n4 lowbatt on\n16 lowbatt off", 18.0,
        |e| e.without(ONBATTERY, 0).without(FAILING, 0).without(SHUTDOWN, 0)
            .with(16.0, "UPS Self Test completed: Battery OK").powerfail(false)),
    calibration(&[("TIMEOUT", "10")], "",
        "0 calibration on\n15 lowbatt on\n25 lowbatt off\n25 calibration off", 29.0, same),
    calibration_ends_in_outage(&[("TIMEOUT", "10")], "", "0 calibration on\n15 status 0x10", 45.0, same),
    // Announced as a test, with a beginning, an end and a count; 3.14.14 told its end as an orphan mainsback.
    calibration_silent_start(&[("POLLTIME", "1")], "",
        "0 mains off\n3 mains on\n10 alerts off\n18 calibration on\n30 calibration off", 34.0,
        |e| e.without(MAINSBACK, 1).with(19.0, TESTING)
            .with(31.0, "UPS Self Test completed: No test results available")
            .status(1, &[("NUMXFERS", "2"), ("TONBATT", "12 Seconds"), ("CUMONBATT", "15 Seconds")])
            .status(2, &[("NUMXFERS", "2"), ("CUMONBATT", "15 Seconds")])),
    // Silence counts from the first answer that is missing. TIMEOUT runs on in it; 3.14.14 shut down only when the UPS answered again, 58 s late.
    commlost_on_battery(&[("TIMEOUT", "20")], "", "0 mains off\n9 silent\n84 answer", 96.0,
        |e| e.moved(TIME_LIMIT_REACHED, 26.0).moved(SHUTDOWN, 26.01)
            .status(0, &[("STATUS", "SHUTTING DOWN"), ("STATFLAG", "0x05160310")])
            .status(1, &[("STATUS", "SHUTTING DOWN"), ("STATFLAG", "0x05160310")])),
    commlost_on_mains(&[("POLLTIME", "5")], "",
        "0 silent\n20 mains off\n40 mains on\n60 answer\n72 silent\n87 answer", 99.0,
        |e| e.moved(COMMLOST, 21.0)),
    commlost_then_mains_back(&[], "", "0 mains off\n9 silent\n40 mains on\n49 answer", 57.0, same),
    device_missing_at_start(&[], "at 0", "0 unplug\n72 plug", 87.0, |e| e.moved(COMMOK, 72.0)),
    // A silent UPS is waited for, and its silence is told; 3.14.14 ended.
    device_silent_at_start(&[], "at 0", "0 silent\n72 answer", 87.0,
        |e| e.with(60.0, COMMLOST).with(72.0, COMMOK)),
    // With onbattery, not with a blip of a second.
    annoy_nologon_always(&[("NOLOGON", "always"), ("ANNOY", "5"), ("ANNOYDELAY", "10")], "",
        "0 mains off\n35.9 mains on", 40.0, |e| e.moved(NOLOGIN, 6.06)),
    annoy_annoydelay_zeroed(&[("NOLOGON", "always"), ("ANNOY", "10"), ("ANNOYDELAY", "10")], "",
        "0 mains off\n35.9 mains on", 40.0, |e| e.moved(NOLOGIN, 6.165)),
    nologon_timeout(&[("NOLOGON", "timeout"), ("TIMEOUT", "20")], "", "0 mains off", 40.0, same),
    nologon_percent(&[("NOLOGON", "percent"), ("BATTERYLEVEL", "50")], "",
        "0 mains off\n10 charge 55.1\n14 charge 55\n18 mains on", 21.0, same),
    nologon_percent_timeout_shutdown(&[("NOLOGON", "percent"), ("TIMEOUT", "8")], "", "0 mains off", 20.0, same),
    nologon_minutes_runlimit(&[("NOLOGON", "minutes"), ("MINUTES", "10")], "",
        "0 mains off\n8 runtime 11\n12 runtime 10\n21 mains on", 24.0, same),
    // With the second reading, then with the first after nine hours, six times: not after ten minutes, and not for ever.
    changeme(&[], "", "0 replace on", 20.0 * 9.0 * 3600.0, |e| {
        let e = (0..9).fold(e, |e, _| e.without(CHANGEME, 0));
        let e = e.status(1, &[("STATUS", "ONLINE"), ("STATFLAG", "0x05000008")]);
        let e = e.status(2, &[("STATUS", "ONLINE"), ("STATFLAG", "0x05000008")]);
        (0..6).fold(e, |e, nth| e.with(60.0 + f64::from(nth) * (9.0 * 3600.0 + 60.0), CHANGEME))
    }),
    killdelay(&[("TIMEOUT", "10"), ("KILLDELAY", "12")], "", "0 mains off", 60.0, same),
    killdelay_power_returns(&[("TIMEOUT", "10"), ("KILLDELAY", "15")], "",
        "0 mains off\n22 mains on", 47.0, same),
    // Nothing that cannot be written keeps the daemon from going on.
    killdelay_flag_not_writable(&[("TIMEOUT", "10"), ("KILLDELAY", "5"), ("PWRFAILDIR", "/nonexistent")], "",
        "0 mains off", 25.0, |e| e.with(22.0, KILL)),
    kill_on_powerfail(&[("TIMEOUT", "10")], "-p", "0 mains off", 36.0, same),
    kill_on_powerfail_flag_not_writable(&[("TIMEOUT", "10"), ("PWRFAILDIR", "/nonexistent")], "-p",
        "0 mains off", 26.0, |mut e| {
            e.hooks.push("doshutdown".to_owned());
            e.with(17.1, KILL)
        }),
    // The whole program leaves then: tests/daemon/outage.rs.
    term_on_powerfail(&[("TIMEOUT", "10")], "-t", "0 mains off", 17.0, same),
    unwritable_dirs(&[("TIMEOUT", "10"), ("PWRFAILDIR", "/nonexistent"), ("NOLOGINDIR", "/nonexistent"),
        ("EVENTSFILE", "/dev/full")], "", "0 mains off\n22 mains on", 25.0, same),
    // No step of a wall clock can move what does not look at it: tests/ci/clock_steps.rs shows it with a faked one.
    clock_forward(&[("TIMEOUT", "120")], "", "0 mains off", 16.0,
        |e| e.without(TIME_LIMIT_REACHED, 0).without(SHUTDOWN, 0).powerfail(false)
            .status(0, &[("STATUS", "ONBATT"), ("TONBATT", "16 Seconds"), ("CUMONBATT", "16 Seconds"), ("STATFLAG", "0x05060010")])),
    clock_backward(&[("TIMEOUT", "10")], "", "0 lowbatt off\n0 mains off\n27 runtime 1\n37 mains on", 40.0,
        |e| e.without(RUNLIMIT, 0).moved(SHUTDOWN, 16.01).with(16.0, TIME_LIMIT_REACHED).with(6.0, ONBATTERY).with(37.0, OFFBATTERY)
            .status(0, &[("STATUS", "SHUTTING DOWN"), ("TONBATT", "27 Seconds"), ("CUMONBATT", "27 Seconds"), ("STATFLAG", "0x05160210")])
            .status(1, &[("CUMONBATT", "37 Seconds"), ("STATFLAG", "0x05100208")])),
    apccontrol_missing(&[("TIMEOUT", "10"), ("SCRIPTDIR", "/nonexistent")], "", "0 mains off", 22.0, |mut e| {
        e.hooks.push("SHUTDOWNCMD".to_owned());
        e
    }),
    apccontrol_not_executable(&[], "mode 644", "0 mains off", 9.0, same),
}

/// Recordings of which more than this is needed: another process, a signal, the real passing of time. And their tests.
const ELSEWHERE: &[(&str, &str)] = &[
    (
        "apccontrol-hangs",
        "tests/daemon/faults.rs: the_loop_goes_on_while_a_hook_hangs, a_hook_that_hangs_does_not_hold_the_shutdown_up_for_long",
    ),
    (
        "datatime-stattime-logstats",
        "tests/daemon/files.rs: data_records_status_file_and_logged_status_come_at_their_times",
    ),
    ("eventsfile-trim", "tests/daemon/files.rs: a_long_events_file_loses_its_oldest_lines"),
    ("killpower", "tests/daemon: one_shot.rs, apcsmart.rs; tests/ci/vm.rs: kill_power_*"),
    ("master-killed", "tests/daemon/fault_injection.rs: SIGKILL, then restart"),
    ("master-killed-on-mains", "tests/daemon/fault_injection.rs: SIGKILL, then restart"),
    ("restart-during-outage", "tests/daemon/outage.rs: an_outage_outlasts_a_restart_of_the_daemon"),
    (
        "sigterm-during-outage",
        "tests/daemon/life.rs: sigterm_in_an_outage_ends_at_once_and_removes_only_what_is_ours",
    ),
    ("slave-master-lost-on-battery", "tests/daemon/slave_replay.rs"),
    ("slave-master-lost-on-mains", "tests/daemon/slave_replay.rs"),
    ("slave-master-shuts-down", "tests/daemon/slave_replay.rs"),
    ("slave-no-master", "tests/daemon/slave_replay.rs"),
];

#[test]
fn every_recording_is_played() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let files =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let recorded: BTreeSet<String> = files
        .filter_map(|name| Some(name.strip_prefix("events-")?.strip_suffix(".txt")?.to_owned()))
        .collect();
    let here = ROWS.iter().map(|row| recording(row.0));
    let played: BTreeSet<String> = here.chain(ELSEWHERE.iter().map(|(name, _)| (*name).to_owned())).collect();
    assert_eq!(recorded, played);
}

/// The script with its seconds counted from the daemon's start.
fn shifted(script: &str, by: f64) -> String {
    let shift = |line: &str| {
        let (second, rest) = line.split_once(' ').expect("a second and an action");
        format!("{} {rest}\n", second.parse::<f64>().expect("a second") + by)
    };
    // The battery neither falls nor warms by itself: the recordings' did not.
    "0 lapse 0\n".to_owned() + &script.lines().map(shift).collect::<String>()
}

/// What a recording is called whose test has this name.
fn recording(test: &str) -> String {
    test.replace('_', "-")
}

fn replay(test: &str) {
    let Row(_, directives, way, script, end, differs) = ROWS.iter().find(|row| row.0 == test).unwrap();
    let name = recording(test);
    let expected = differs(Expected::of(&name));
    let base = Setup::new("test").with("UPSNAME", "simups").with("NOLOGON", "disable").with("POLLTIME", "60");
    let base = base.with("BATTERYLEVEL", "5").with("MINUTES", "3").with("ONBATTERYDELAY", "6");
    let base = base.with("COMMLOSTDELAY", "20");
    let setup = directives.iter().fold(base, |setup, (keyword, value)| setup.replaced(keyword, value));
    let setup = if way.starts_with('-') { setup.arg(way) } else { setup };
    let before = if way.contains("at 0") { 0.0 } else { STARTED };
    let mut daemon = FakeTime::start(&setup, &shifted(script, before), before, |scratch| {
        if way.contains("stale") {
            scratch.file("flags/powerfail", "");
            scratch.file("flags/nologin", "");
        }
        if way.contains("mode 644") {
            let apccontrol = scratch.path().join("scripts/apccontrol");
            std::fs::set_permissions(apccontrol, std::fs::Permissions::from_mode(0o644)).unwrap();
        }
    });
    for (second, recorded) in &expected.status {
        // What the UPS did in that moment, it did after the status was asked for.
        daemon.run_to(second.min(*end) - 0.1);
        let status = daemon.status();
        for (key, theirs) in recorded {
            let ours = status.get(key).unwrap_or("N/A");
            assert!(
                says_the_same(key, ours, theirs),
                "{name}: {key} at {second} s: {ours}, 3.14.14 {theirs}"
            );
        }
    }
    daemon.run_to(*end);

    let log: Vec<(f64, String)> = daemon.log.iter().filter(|(_, text)| is_told(text)).cloned().collect();
    let texts = |log: &[(f64, String)]| log.iter().map(|(_, text)| text.clone()).collect::<Vec<_>>();
    assert_eq!(texts(&log), texts(&expected.log), "{name}: ours, then theirs; all of ours: {:?}", daemon.log);
    for ((ours, text), (theirs, _)) in log.iter().zip(&expected.log) {
        // 3.14.14 counts whole seconds and looks twice a second, so it is up to 2 s later than its settings say.
        assert!((theirs - 2.5..=theirs + 1.1).contains(ours), "{name}: {text}: {ours} s, 3.14.14 {theirs} s");
    }
    let mut hooks: Vec<String> = daemon
        .hooks(expected.hooks.len())
        .iter()
        .map(|line| line.trim_end_matches(" simups 1 0").to_owned())
        .collect();
    let mut theirs = expected.hooks;
    hooks.sort();
    theirs.sort();
    assert_eq!(hooks, theirs, "{name}: hooks");
    assert_eq!(daemon.flag("powerfail"), expected.powerfail, "{name}: powerfail");
    assert_eq!(daemon.flag("nologin"), way.contains("stale") || still_kept_out(&log), "{name}: nologin");
}

/// The clock of the wall is another here, and counts of seconds differ as the log's moments do.
fn says_the_same(key: &str, ours: &str, theirs: &str) -> bool {
    let seconds = |value: &str| value.strip_suffix(" Seconds").and_then(|number| number.parse::<f64>().ok());
    match key {
        "STATUS" | "NUMXFERS" | "STATFLAG" => ours == theirs,
        "TONBATT" | "CUMONBATT" => {
            seconds(ours).zip(seconds(theirs)).is_some_and(|(ours, theirs)| (ours - theirs).abs() <= 2.5)
        }
        "XONBATT" | "XOFFBATT" | "LASTSTEST" => (ours == "N/A") == (theirs == "N/A"),
        _ => true,
    }
}

fn still_kept_out(log: &[(f64, String)]) -> bool {
    log.iter().rev().find(|(_, text)| text.contains("logins")).is_some_and(|(_, text)| text == NOLOGIN)
}
