//! What takes minutes and hours: the whole daemon in fake time.

use crate::support::{FakeTime, Setup};

fn setup() -> Setup {
    Setup::new("test")
        .with("NOLOGON", "disable")
        .with("BATTERYLEVEL", "5")
        .with("MINUTES", "3")
        .with("ONBATTERYDELAY", "6")
        .with("POLLTIME", "60")
        .with("COMMLOSTDELAY", "20")
}

fn start(setup: &Setup, script: &str) -> FakeTime {
    FakeTime::start(setup, &format!("0 lapse 0\n0 lowbatt off\n{script}"), 0.0, |_| {})
}

/// The first words of what the hooks have logged, once there are so many.
fn events(daemon: &FakeTime, count: usize) -> Vec<String> {
    let hooks = daemon.hooks(count);
    hooks.iter().map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect()
}

fn count(daemon: &FakeTime, text: &str) -> usize {
    daemon.log.iter().filter(|(_, line)| line.starts_with(text)).count()
}

const OUTAGE: [&str; 4] = ["powerout", "onbattery", "timeout", "doshutdown"];
const BACK: [&str; 2] = ["offbattery", "mainsback"];

#[test]
fn an_outage_after_a_shutdown_that_did_not_happen_shuts_down_again() {
    // The hook only logs: as with an administrator who has cancelled the shutdown.
    let mut daemon =
        start(&setup().with("TIMEOUT", "10"), "10 mains off\n40 mains on\n110 mains off\n150 mains on");
    daemon.run_to(99.0);
    assert!(daemon.status().is("STATUS", "SHUTTING DOWN"), "{:?}", daemon.log);
    daemon.run_to(102.0);
    assert!(daemon.status().is("STATUS", "ONLINE"), "{:?}", daemon.log);
    assert_eq!(count(&daemon, "The system still runs and its shutdown is not called for any more"), 1);
    daemon.run_to(160.0);
    assert_eq!(events(&daemon, 12), [&OUTAGE[..], &BACK, &OUTAGE, &BACK].concat());
    assert_eq!(count(&daemon, "Shutdown because TIMEOUT is over"), 2);
    let decided: Vec<f64> = daemon
        .log
        .iter()
        .filter(|(_, line)| line == "Initiating system shutdown!")
        .map(|line| line.0)
        .collect();
    assert_eq!(decided, [26.0, 126.0]);
}

#[test]
fn a_shutdown_that_did_not_happen_leaves_no_flag_behind_that_cuts_the_power_of_a_later_reboot() {
    let mut daemon = start(&setup().with("TIMEOUT", "10"), "10 mains off\n40 mains on");
    daemon.run_to(320.0);
    // SHUTDOWNGRACE: a system that takes long to halt still finds it.
    assert!(daemon.flag("powerfail"), "{:?}", daemon.log);
    daemon.run_to(330.0);
    assert!(!daemon.flag("powerfail"), "{:?}", daemon.log);
}

#[test]
fn an_outage_within_a_minute_of_the_last_is_ordered_again_only_after_its_grace() {
    let mut daemon = start(&setup().with("TIMEOUT", "10"), "10 mains off\n40 mains on\n60 mains off");
    daemon.run_to(325.0);
    let one = [&OUTAGE[..], &BACK, &["powerout", "onbattery"]].concat();
    assert_eq!(events(&daemon, 8), one);
    daemon.run_to(327.0);
    assert_eq!(events(&daemon, 9), [&one[..], &["doshutdown"]].concat());
}

#[test]
fn a_silence_is_logged_every_ten_minutes_with_one_hook() {
    let mut daemon = start(&setup(), "10 silent\n4000 answer");
    daemon.run_to(3000.0);
    assert_eq!(count(&daemon, "Communications with UPS lost."), 5, "{:?}", daemon.log);
    daemon.run_to(4010.0);
    assert_eq!(events(&daemon, 2), ["commfailure", "commok"]);
}

#[test]
fn a_ups_that_never_answers_again_in_an_outage_does_not_keep_the_machine_from_shutting_down() {
    // Neither TIMEOUT nor another word of the UPS: the runtime that it claimed counts down by our clock.
    let mut daemon = start(&setup(), "10 mains off\n12 runtime 20\n20 silent");
    daemon.run_to(1000.0);
    assert_eq!(events(&daemon, 3), ["powerout", "onbattery", "commfailure"]);
    daemon.run_to(1100.0);
    assert_eq!(events(&daemon, 5)[3..], ["runlimit", "doshutdown"]);
}

#[test]
fn a_calibration_that_does_not_end_is_an_outage_whose_limits_count() {
    // Twice the runtime that the UPS claimed.
    let mut daemon =
        start(&setup().with("TIMEOUT", "60"), "10 runtime 20\n100 calibration on\n3000 status 0x11");
    daemon.run_to(2400.0);
    assert_eq!(events(&daemon, 1), ["startselftest"]);
    daemon.run_to(2700.0);
    assert_eq!(events(&daemon, 4), ["startselftest", "onbattery", "timeout", "doshutdown"]);
}

#[test]
fn a_self_test_that_turns_out_to_be_an_outage_shuts_down() {
    // Mains fails within the test: the line voltage shows it, and the limits count from then.
    let script = "10 selftest 60 passed\n15 mains off\n80 mains on";
    let mut daemon = start(&setup().with("TIMEOUT", "20"), script);
    daemon.run_to(14.9);
    assert_eq!(events(&daemon, 1), ["startselftest"]);
    daemon.run_to(18.0);
    assert_eq!(events(&daemon, 2), ["startselftest", "onbattery"]);
    daemon.run_to(50.0);
    let all = ["startselftest", "onbattery", "timeout", "doshutdown"];
    assert_eq!(events(&daemon, 4), all);
    daemon.run_to(85.0);
    assert_eq!(events(&daemon, 6), [&all[..], &BACK].concat());
}

#[test]
fn every_cause_of_a_shutdown_is_explained_in_the_log_and_in_the_events_file() {
    // A full battery that is called low: the line says how to doubt that.
    const FLAG: &str = " Charge and runtime speak against a low battery: if this UPS says so at every outage, see \
                        LOWBATTERYFLAG in mainsd.conf(5).";
    // A slave's causes, a remote order and a lost master: tests/daemon/net_slave.rs.
    let causes: [(&str, &str, &str, &str); 7] = [
        (
            "30",
            "10 mains off",
            "TIMEOUT is over; on battery for 36 s; charge 100.0 % ",
            "TIMEOUT 30 s; low battery no.",
        ),
        (
            "0",
            "10 mains off\n20 runtime 2.5",
            "the runtime is at or below MINUTES; on battery for 15 s; ",
            "runtime 2.5 min 0 s ago (MINUTES 3); TIMEOUT off; low battery no.",
        ),
        (
            "0",
            "10 mains off\n20 charge 4",
            "the charge is at or below BATTERYLEVEL; on battery for 15 s; charge 4.0 % 0 s ago (BATTERYLEVEL 5 %); ",
            "low battery no.",
        ),
        (
            "0",
            "10 mains off\n20 lowbatt on",
            "the UPS says that its battery is low; on battery for 15 s; ",
            FLAG,
        ),
        (
            "0",
            "10 mains off\n20 status 0x58",
            "the battery fails: low battery while on line and on battery at once; on battery for 1",
            FLAG,
        ),
        (
            "0",
            "10 mains off\n12 runtime 20\n20 silent",
            "the runtime must be at or below MINUTES by now; on battery for 10",
            "low battery no; the UPS has not answered for 1019 s.",
        ),
        (
            "0",
            "10 mains off\n20 lowbatt on\n21 silent",
            "the battery must be nearly empty by now; on battery for ",
            FLAG,
        ),
    ];
    for (timeout, script, begins, ends) in causes {
        let mut daemon = start(&setup().with("TIMEOUT", timeout), script);
        daemon.run_to(1200.0);
        let file = std::fs::read_to_string(daemon.dir().join("events")).unwrap();
        let mut lines =
            daemon.log.iter().map(|(_, line)| line).filter(|line| line.starts_with("Shutdown because"));
        let why = lines.next().unwrap_or_else(|| panic!("{script}: no line; {:?}", daemon.log));
        assert!(
            why.starts_with(&format!("Shutdown because {begins}")) && why.ends_with(ends),
            "{script}: {why}"
        );
        for part in ["; charge ", " (BATTERYLEVEL 5 %)", "; runtime ", " (MINUTES 3)", "; TIMEOUT "] {
            assert!(why.contains(part), "{script}: {part}: {why}");
        }
        assert!(ends != FLAG || why.contains("; low battery yes"), "{script}: {why}");
        let run = daemon.dir().join("scripts/apccontrol");
        let done = format!("System shutdown started by {} doshutdown. {why}", run.display());
        assert!(daemon.log.iter().any(|(_, line)| *line == done), "{script}: {:?}", daemon.log);
        for line in [why, &done] {
            assert!(file.lines().any(|found| found.ends_with(line)), "{script}: {line}: {file}");
        }
    }
}
