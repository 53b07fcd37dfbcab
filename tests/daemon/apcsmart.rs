//! The daemon at a simulated Smart-UPS on a serial port: status, events, losses, and switching off. Early units, which must be waited
//! for again and again: `tests/pure/apcsmart.rs`.

use std::process::{Command, Stdio};

use crate::support::smart::{self, Generation, Smart};
use crate::support::{
    self, Daemon, Lines, OtherProgram, Scratch, Serial, Setup, Status, TIMEOUT, attempt, free_port,
};

fn setup(port: &std::path::Path) -> Setup {
    Serial::setup(port)
}

fn serial(generation: Generation) -> Serial {
    Serial::start(generation, |setup| setup)
}

fn serial_with(change: impl FnOnce(Setup) -> Setup) -> Serial {
    Serial::start(Generation::Third, change)
}

fn ready(daemon: &Daemon) -> Status {
    daemon.wait_for_status(|status| status.get("MODEL").is_some() && status.is("STATUS", "ONLINE"), TIMEOUT)
}

/// Waits until the status has these values; a slow machine shows what it has before all is read.
fn wait_for_values(daemon: &Daemon, values: &[(&str, &str)]) -> Status {
    daemon.wait_for_status(
        |status| {
            let missing = values.iter().find(|(key, value)| !status.is(key, value));
            if let Some((key, value)) = missing {
                // Shown if the test fails; the last one is what it failed for.
                eprintln!("{key} is {:?}, not yet {value}", status.get(key));
            }
            missing.is_none()
        },
        4 * TIMEOUT,
    )
}

#[test]
fn every_key_of_a_third_generation_smart_ups_is_shown() {
    let serial = serial(Generation::Third);
    let values = [
        ("UPSNAME", "harness"),
        ("CABLE", "Custom Cable Smart"),
        ("DRIVER", "APC Smart UPS (any)"),
        ("MODEL", "Smart-UPS 1000"),
        ("STATUS", "ONLINE"),
        ("LINEV", "230.0 Volts"),
        ("LOADPCT", "24.0 Percent"),
        ("BCHARGE", "100.0 Percent"),
        ("TIMELEFT", "60.0 Minutes"),
        ("MAXLINEV", "231.4 Volts"),
        ("MINLINEV", "228.1 Volts"),
        ("OUTPUTV", "229.6 Volts"),
        ("SENSE", "High"),
        ("DWAKE", "60 Seconds"),
        ("DSHUTD", "20 Seconds"),
        ("DLOWBATT", "2 Minutes"),
        ("LOTRANS", "196.0 Volts"),
        ("HITRANS", "253.0 Volts"),
        ("RETPCT", "15.0 Percent"),
        ("ITEMP", "29.2 C"),
        ("ALARMDEL", "5 Seconds"),
        ("BATTV", "27.4 Volts"),
        ("LINEFREQ", "50.0 Hz"),
        ("LASTXFER", "No transfers since turnon"),
        ("NUMXFERS", "0"),
        ("SELFTEST", "NO"),
        ("STESTI", "336"),
        ("STATFLAG", "0x05000008"),
        ("DIPSW", "0x00"),
        ("REG1", "0x40"),
        ("REG2", "0x00"),
        ("REG3", "0x00"),
        ("MANDATE", "10/23/96"),
        ("SERIALNO", "WS9643050926"),
        ("BATTDATE", "11/29/02"),
        ("NOMOUTV", "230 Volts"),
        ("NOMBATTV", "24.0 Volts"),
        ("HUMIDITY", "42.4 Percent"),
        ("AMBTEMP", "23.5 C"),
        ("EXTBATTS", "0"),
        ("BADBATTS", "0"),
        ("FIRMWARE", "60.11.I"),
    ];
    wait_for_values(&serial.daemon, &values);
    assert_eq!(serial.daemon.events(), Vec::<String>::new());
    assert!(serial.daemon.terminate().status.success());
}

#[test]
fn an_outage_is_announced_by_the_ups_and_ends_with_it() {
    let serial = serial_with(|setup| setup.with("POLLTIME", "600"));
    ready(&serial.daemon);
    let failed_at = std::time::Instant::now();
    serial.ups.unit().fail_mains();
    // With POLLTIME 600 only the alert can have brought it.
    let hook = serial.daemon.wait_for_hook("powerout", TIMEOUT);
    println!("from the alert to the hook's line: {:?}", hook.at - failed_at);
    serial.daemon.wait_for_hook("onbattery", TIMEOUT);
    let cause = |status: &Status| status.is("LASTXFER", "Line voltage notch or spike");
    let status = serial.daemon.wait_for_status(|status| status.has("ONBATT") && cause(status), TIMEOUT);
    assert_eq!(status.get("NUMXFERS"), Some("1"));
    serial.ups.unit().restore_mains();
    serial.daemon.wait_for_hook("offbattery", TIMEOUT);
    serial.daemon.wait_for_hook("mainsback", TIMEOUT);
    serial.daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    // The line voltage of the state before does not stay until the next poll.
    serial.daemon.wait_for_status(|status| status.is("LINEV", "230.0 Volts"), TIMEOUT);
    assert_eq!(serial.daemon.events(), ["powerout", "onbattery", "offbattery", "mainsback"]);
}

#[test]
fn a_low_battery_shuts_the_machine_down() {
    let serial = serial(Generation::Third);
    ready(&serial.daemon);
    serial.ups.unit().fail_mains();
    serial.daemon.wait_for_hook("onbattery", TIMEOUT);
    serial.ups.unit().battery_low();
    serial.daemon.wait_for_hook("failing", TIMEOUT);
    serial.daemon.wait_for_hook("doshutdown", TIMEOUT);
}

#[test]
fn the_running_daemon_kills_the_power_after_killdelay() {
    let serial = serial_with(|setup| setup.with("KILLDELAY", "1"));
    ready(&serial.daemon);
    serial.ups.unit().fail_mains();
    serial.daemon.wait_for_hook("onbattery", TIMEOUT);
    assert_eq!(serial.ups.unit().killed, None);
    serial.ups.unit().battery_low();
    serial.daemon.wait_for_hook("doshutdown", TIMEOUT);
    let killed = support::poll_until(TIMEOUT, || serial.ups.unit().killed);
    assert_eq!(killed, Some("S"), "{}", serial.daemon.describe());
    serial.daemon.wait_for_output("UPS will power off after 20 seconds ...", TIMEOUT);
}

#[test]
fn a_self_test_of_the_ups_is_no_power_failure() {
    let serial = serial(Generation::Third);
    ready(&serial.daemon);
    serial.ups.unit().receive(b'W', std::time::Instant::now());
    serial.daemon.wait_for_hook("startselftest", TIMEOUT);
    serial.ups.unit().end_self_test();
    serial.daemon.wait_for_hook("endselftest", TIMEOUT);
    serial.daemon.wait_for_status(|status| status.is("SELFTEST", "OK"), TIMEOUT);
    assert_eq!(serial.daemon.events(), ["startselftest", "endselftest"]);
}

#[test]
fn a_calibration_of_the_ups_is_no_power_failure() {
    let serial = serial(Generation::Third);
    ready(&serial.daemon);
    let mut unit = serial.ups.unit();
    unit.set(b'Q', "11");
    unit.set(b'G', "S");
    unit.alert(b'!');
    drop(unit);
    serial.daemon.wait_for_hook("startselftest", TIMEOUT);
    serial.daemon.wait_for_status(|status| status.has("CAL") && status.has("ONBATT"), TIMEOUT);
    let mut unit = serial.ups.unit();
    unit.set(b'Q', "08");
    unit.alert(b'$');
    drop(unit);
    serial.daemon.wait_for_hook("endselftest", TIMEOUT);
    serial.daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    assert_eq!(serial.daemon.events(), ["startselftest", "endselftest"]);
}

#[test]
fn a_disconnected_battery_is_noticed() {
    let serial = serial(Generation::Third);
    ready(&serial.daemon);
    serial.ups.unit().set(b'\'', "20");
    serial.daemon.wait_for_hook("battdetach", TIMEOUT);
    serial.daemon.wait_for_status(|status| status.has("NOBATT"), TIMEOUT);
    serial.ups.unit().set(b'\'', "00");
    serial.daemon.wait_for_hook("battattach", TIMEOUT);
}

#[test]
fn a_worn_out_battery_is_noticed() {
    let serial = serial(Generation::Third);
    ready(&serial.daemon);
    let mut unit = serial.ups.unit();
    unit.set(b'Q', "88");
    unit.alert(b'#');
    drop(unit);
    serial.daemon.wait_for_hook("changeme", TIMEOUT);
    serial.daemon.wait_for_status(|status| status.has("REPLACEBATT"), TIMEOUT);
}

#[test]
fn a_ups_that_falls_silent_is_lost_and_found_again() {
    let serial = serial(Generation::Third);
    ready(&serial.daemon);
    serial.ups.unit().silent = true;
    serial.daemon.wait_for_hook("commfailure", TIMEOUT);
    serial.daemon.wait_for_status(|status| status.is("STATUS", "COMMLOST"), TIMEOUT);
    let mut unit = serial.ups.unit();
    unit.forget_smart_mode();
    unit.silent = false;
    drop(unit);
    serial.daemon.wait_for_hook("commok", TIMEOUT);
    ready(&serial.daemon);
    assert_eq!(serial.daemon.events(), ["commfailure", "commok"]);
}

#[test]
fn a_port_that_disappears_is_opened_again_when_it_returns() {
    let Serial { daemon, ups, port, ports: _ports } = serial(Generation::Third);
    ready(&daemon);
    drop(ups);
    daemon.wait_for_hook("commfailure", TIMEOUT);
    let _ups = Smart::start(Generation::Matrix, &port, false);
    daemon.wait_for_hook("commok", TIMEOUT);
    daemon.wait_for_status(|status| status.is("MODEL", "MATRIX-UPS 5000"), TIMEOUT);
    assert_eq!(daemon.events(), ["commfailure", "commok"]);
}

#[test]
fn a_ups_that_is_not_there_at_start_is_waited_for() {
    let ports = Scratch::new();
    let port = ports.path().join("ttyS0");
    let daemon = Daemon::start(&setup(&port));
    daemon.wait_for_status(|status| status.is("STATUS", "COMMLOST"), TIMEOUT);
    let _ups = Smart::start(Generation::Third, &port, false);
    ready(&daemon);
    assert_eq!(daemon.events(), Vec::<String>::new());
}

#[test]
fn a_back_ups_pro_and_a_matrix_show_what_they_have() {
    let pro = serial(Generation::BackUpsPro);
    let matrix = serial(Generation::Matrix);
    let status = wait_for_values(&pro.daemon, &[("MODEL", "BACK-UPS PRO 650"), ("TIMELEFT", "17.0 Minutes")]);
    for absent in ["OUTPUTV", "BATTV", "LINEFREQ", "REG2", "EXTBATTS", "ITEMP", "DWAKE"] {
        assert_eq!(status.get(absent), None, "{absent}");
    }
    let values = [
        ("EXTBATTS", "3"),
        ("BADBATTS", "1"),
        ("REG1", "0xC0"),
        ("REG2", "0x40"),
        ("REG3", "0x20"),
        ("DIPSW", "0x0F"),
    ];
    let status = wait_for_values(&matrix.daemon, &values);
    assert_eq!(status.get("HUMIDITY"), None);
}

/// Runs `--killpower` or `--power-off` against the UPS; what it heard after the queries.
fn switch_off(
    generation: Generation,
    order: &str,
    change: impl Fn(&mut smart::Unit),
) -> (Option<&'static str>, String) {
    let once = || {
        let scratch = Scratch::new();
        let port = scratch.path().join("ttyS0");
        let ups = Smart::start(generation, &port, false);
        change(&mut ups.unit());
        let config = support::write_config(&setup(&port), &scratch, free_port());
        scratch.file("flags/powerfail", String::new());
        let args = [order.to_owned(), "-f".to_owned(), config.display().to_string()];
        let done = support::run_program_for(&Setup::new("").program, args, 4 * TIMEOUT);
        let killed = ups.unit().killed;
        (killed, done)
    };
    let (killed, done) = attempt(once, |(_, done)| !done.stderr.contains(": no answer"));
    assert_eq!(done.status.success(), killed.is_some(), "{done:?}");
    (killed, done.stderr)
}

#[test]
fn on_battery_the_power_is_killed_by_a_soft_shutdown() {
    let (killed, said) = switch_off(Generation::Third, "--killpower", |unit| unit.set(b'Q', "50"));
    assert_eq!(killed, Some("S"), "{said}");
    assert!(said.contains("UPS will power off after 20 seconds ..."), "{said}");
    assert!(said.contains("Please power off your UPS before rebooting your computer ..."), "{said}");
}

#[test]
fn on_line_the_power_is_killed_by_hibernating() {
    let (killed, said) = switch_off(Generation::Third, "--killpower", |_| {});
    assert_eq!(killed, Some("@000"), "{said}");
}

#[test]
fn a_ups_that_knows_neither_is_switched_off_for_good() {
    let knows_neither = |unit: &mut smart::Unit| {
        unit.knows_soft = false;
        unit.knows_hibernate = false;
    };
    let (killed, said) = switch_off(Generation::Third, "--killpower", |unit| {
        knows_neither(unit);
        unit.set(b'Q', "50");
    });
    assert_eq!(killed, Some("KK"), "{said}");
    assert!(said.contains("stays off"), "{said}");
    // With mains there it would keep the machine off for no reason: apcupsd did so.
    let (killed, said) = switch_off(Generation::Third, "--killpower", knows_neither);
    assert_eq!(killed, None, "{said}");
    assert!(said.contains("Failed to issue shutdown command!") && said.contains("Mains is back"), "{said}");
    let (killed, said) = switch_off(Generation::Third, "--power-off", knows_neither);
    assert_eq!(killed, Some("KK"), "{said}");
}

/// What it does after a minute more: `program::daemon::one_shot`.
#[test]
fn a_share_slave_sends_nothing() {
    let scratch = Scratch::new();
    let port = scratch.path().join("ttyS0");
    let ups = Smart::start(Generation::Third, &port, false);
    let config = support::write_config(&setup(&port).with("UPSCLASS", "shareslave"), &scratch, free_port());
    scratch.file("flags/powerfail", String::new());
    let mut child = Command::new(Setup::new("").program)
        .args(["--killpower", "-f"])
        .arg(&config)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = Lines::collect(child.stderr.take().unwrap());
    let waits = said.wait(0, TIMEOUT, |line| line.contains("Waiting For ShareUPS Master to shutdown"));
    let ended = child.try_wait().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(waits.is_some() && ended.is_none(), "{ended:?}: {}", said.text());
    assert!(ups.unit().received.is_empty());
}

#[test]
fn a_ups_that_is_silent_from_the_start_is_named_in_the_log() {
    let ports = Scratch::new();
    let port = ports.path().join("ttyS0");
    let ups = Smart::start(Generation::Third, &port, false);
    ups.unit().silent = true;
    let daemon = Daemon::start(&setup(&port));
    daemon.wait_for_output("the UPS does not answer; is it on", TIMEOUT);
    daemon.wait_for_status(|status| status.is("STATUS", "COMMLOST"), TIMEOUT);
    ups.unit().silent = false;
    ready(&daemon);
    assert_eq!(daemon.events(), Vec::<String>::new());
}

#[test]
fn what_is_no_ups_is_named_in_the_log_and_makes_no_event() {
    let ports = Scratch::new();
    let port = ports.path().join("ttyS0");
    let ups = Smart::start(Generation::Third, &port, false);
    ups.unit().silent = true;
    let daemon = Daemon::start(&setup(&port));
    // Another line speed: bytes, alerts among them, and ends of lines.
    let named = || daemon.output().text().contains("is no UPS with smart signalling");
    let found = support::poll_until(TIMEOUT, || {
        ups.unit().out.extend_from_slice(b"\x80!\xfe%\x00U\n$x#~\xe0\r\n+Q?");
        named().then_some(())
    });
    assert!(found.is_some(), "{}", daemon.describe());
    daemon.wait_for_status(|status| status.is("STATUS", "COMMLOST"), TIMEOUT);
    assert_eq!(daemon.events(), Vec::<String>::new());
}

#[test]
fn a_held_port_is_waited_for() {
    let ports = Scratch::new();
    let port = ports.path().join("ttyS0");
    let ups = Smart::start(Generation::Third, &port, false);
    let holder = mainsd::sys::tty::Tty::open(&port).unwrap();
    let daemon = Daemon::start(&setup(&port));
    daemon.wait_for_output("is held by another program", TIMEOUT);
    drop(holder);
    ready(&daemon);
    assert_eq!(daemon.events(), Vec::<String>::new());
    drop(ups);
}

#[test]
fn a_port_that_a_terminal_program_has_locked_is_waited_for() {
    let ports = Scratch::new();
    let port = ports.path().join("ttyS0");
    let ups = Smart::start(Generation::Third, &port, false);
    let locks = ports.dir("lock");
    let other = OtherProgram::start_with_lock(&port, &locks.join("LCK..ttyS0"));
    let daemon = Daemon::start(&setup(&port).with("LOCKFILE", &locks.display().to_string()));
    daemon.wait_for_output("is held by another program", TIMEOUT);
    daemon.wait_for_status(|status| status.is("STATUS", "COMMLOST"), TIMEOUT);
    assert!(ups.unit().received.is_empty());
    drop(other);
    ready(&daemon);
    assert_eq!(daemon.events(), Vec::<String>::new());
    assert!(daemon.terminate().status.success());
    assert!(!ports.path().join("lock/LCK..ttyS0").exists());
}

#[test]
fn a_full_poll_at_2400_baud_is_one_pass_from_status_to_status() {
    let ports = Scratch::new();
    let port = ports.path().join("ttyS0");
    let ups = Smart::start(Generation::Third, &port, true);
    let daemon = Daemon::start(&setup(&port).with("POLLTIME", "8"));
    ready(&daemon);
    // The link is held to 3 s by a clock of its own; here any poll counts that the machine's load did not stretch.
    let mut fastest = None;
    let quick = support::poll_until(8 * TIMEOUT, || {
        let unit = ups.unit();
        let heard: Vec<u8> = unit.received.iter().map(|(byte, _)| *byte).collect();
        let poll = b"QfjLPG'BXMNOFC7~8htQ";
        fastest = (0..=heard.len().saturating_sub(poll.len()))
            .filter(|at| heard[*at..].starts_with(poll))
            .map(|at| unit.received[at + poll.len() - 1].1 - unit.received[at].1)
            .min();
        fastest.filter(|took| *took < std::time::Duration::from_secs(6))
    });
    println!("a full poll took {quick:?}");
    assert!(quick.is_some(), "the fastest poll took {fastest:?}; {}", daemon.describe());
}

#[test]
fn power_off_is_the_delayed_one() {
    let (killed, said) = switch_off(Generation::Third, "--power-off", |_| {});
    assert_eq!(killed, Some("KK"), "{said}");
}
