//! The daemon at a simulated Smart-UPS on a serial port: status, events, losses, and switching off.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes by the real clock")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

#[path = "support/smart/mod.rs"]
mod smart;
mod support;

use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use smart::{Generation, Smart};
use support::{Daemon, PATIENCE, Scratch, Setup, Status, free_port};

/// A daemon, the UPS it watches, and the port between them.
struct House {
    daemon: Daemon,
    ups: Smart,
    _ports: Scratch,
    port: PathBuf,
}

fn setup(port: &std::path::Path) -> Setup {
    Setup::new("apcsmart").with("DEVICE", &port.display().to_string())
}

fn house(generation: Generation) -> House {
    house_with(generation, |setup| setup)
}

fn house_with(generation: Generation, change: impl FnOnce(Setup) -> Setup) -> House {
    let ports = Scratch::new();
    let port = ports.path().join("ttyS0");
    let ups = Smart::start(generation, &port, false);
    let daemon = Daemon::start(&change(setup(&port)));
    House { daemon, ups, _ports: ports, port }
}

fn ready(daemon: &Daemon) -> Status {
    daemon.wait_for_status(|status| status.get("MODEL").is_some() && status.is("STATUS", "ONLINE"), PATIENCE)
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
        4 * PATIENCE,
    )
}

#[test]
fn every_key_of_a_third_generation_smart_ups_is_shown() {
    let house = house(Generation::Third);
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
    wait_for_values(&house.daemon, &values);
    assert_eq!(house.daemon.events(), Vec::<String>::new());
    assert!(house.daemon.terminate().status.success());
}

#[test]
fn an_outage_is_announced_by_the_ups_and_ends_with_it() {
    let house = house_with(Generation::Third, |setup| setup.with("POLLTIME", "600"));
    ready(&house.daemon);
    let failed_at = std::time::Instant::now();
    house.ups.unit().fail_mains();
    // With POLLTIME 600 only the alert can have brought it.
    let hook = house.daemon.wait_for_hook("powerout", PATIENCE);
    println!("from the alert to the hook's line: {:?}", hook.at - failed_at);
    house.daemon.wait_for_hook("onbattery", PATIENCE);
    let cause = |status: &Status| status.is("LASTXFER", "Line voltage notch or spike");
    let status = house.daemon.wait_for_status(|status| status.has("ONBATT") && cause(status), PATIENCE);
    assert_eq!(status.get("NUMXFERS"), Some("1"));
    house.ups.unit().restore_mains();
    house.daemon.wait_for_hook("offbattery", PATIENCE);
    house.daemon.wait_for_hook("mainsback", PATIENCE);
    house.daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), PATIENCE);
    // The line voltage of the state before does not stay until the next poll.
    house.daemon.wait_for_status(|status| status.is("LINEV", "230.0 Volts"), PATIENCE);
    assert_eq!(house.daemon.events(), ["powerout", "onbattery", "offbattery", "mainsback"]);
}

#[test]
fn a_low_battery_shuts_the_machine_down() {
    let house = house(Generation::Third);
    ready(&house.daemon);
    house.ups.unit().fail_mains();
    house.daemon.wait_for_hook("onbattery", PATIENCE);
    house.ups.unit().battery_low();
    house.daemon.wait_for_hook("failing", PATIENCE);
    house.daemon.wait_for_hook("doshutdown", PATIENCE);
}

#[test]
fn the_running_daemon_kills_the_power_after_killdelay() {
    let house = house_with(Generation::Third, |setup| setup.with("KILLDELAY", "1"));
    ready(&house.daemon);
    house.ups.unit().fail_mains();
    house.daemon.wait_for_hook("onbattery", PATIENCE);
    assert_eq!(house.ups.unit().killed, None);
    house.ups.unit().battery_low();
    house.daemon.wait_for_hook("doshutdown", PATIENCE);
    let killed = support::poll_until(PATIENCE, || house.ups.unit().killed);
    assert_eq!(killed, Some("S"), "{}", house.daemon.describe());
    house.daemon.wait_for_output("UPS will power off after 20 seconds ...", PATIENCE);
}

#[test]
fn a_self_test_of_the_ups_is_no_power_failure() {
    let house = house(Generation::Third);
    ready(&house.daemon);
    house.ups.unit().receive(b'W', std::time::Instant::now());
    house.daemon.wait_for_hook("startselftest", PATIENCE);
    house.ups.unit().end_self_test();
    house.daemon.wait_for_hook("endselftest", PATIENCE);
    house.daemon.wait_for_status(|status| status.is("SELFTEST", "OK"), PATIENCE);
    assert_eq!(house.daemon.events(), ["startselftest", "endselftest"]);
}

#[test]
fn a_calibration_of_the_ups_is_no_power_failure() {
    let house = house(Generation::Third);
    ready(&house.daemon);
    let mut unit = house.ups.unit();
    unit.set(b'Q', "11");
    unit.set(b'G', "S");
    unit.alert(b'!');
    drop(unit);
    house.daemon.wait_for_hook("startselftest", PATIENCE);
    house.daemon.wait_for_status(|status| status.has("CAL") && status.has("ONBATT"), PATIENCE);
    let mut unit = house.ups.unit();
    unit.set(b'Q', "08");
    unit.alert(b'$');
    drop(unit);
    house.daemon.wait_for_hook("endselftest", PATIENCE);
    house.daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), PATIENCE);
    assert_eq!(house.daemon.events(), ["startselftest", "endselftest"]);
}

#[test]
fn a_disconnected_battery_is_noticed() {
    let house = house(Generation::Third);
    ready(&house.daemon);
    house.ups.unit().set(b'\'', "20");
    house.daemon.wait_for_hook("battdetach", PATIENCE);
    house.daemon.wait_for_status(|status| status.has("NOBATT"), PATIENCE);
    house.ups.unit().set(b'\'', "00");
    house.daemon.wait_for_hook("battattach", PATIENCE);
}

#[test]
fn a_worn_out_battery_is_noticed() {
    let house = house(Generation::Third);
    ready(&house.daemon);
    let mut unit = house.ups.unit();
    unit.set(b'Q', "88");
    unit.alert(b'#');
    drop(unit);
    house.daemon.wait_for_hook("changeme", PATIENCE);
    house.daemon.wait_for_status(|status| status.has("REPLACEBATT"), PATIENCE);
}

#[test]
fn a_ups_that_falls_silent_is_lost_and_found_again() {
    let house = house(Generation::Third);
    ready(&house.daemon);
    house.ups.unit().silent = true;
    house.daemon.wait_for_hook("commfailure", PATIENCE);
    house.daemon.wait_for_status(|status| status.is("STATUS", "COMMLOST"), PATIENCE);
    let mut unit = house.ups.unit();
    unit.forget_smart_mode();
    unit.silent = false;
    drop(unit);
    house.daemon.wait_for_hook("commok", PATIENCE);
    ready(&house.daemon);
    assert_eq!(house.daemon.events(), ["commfailure", "commok"]);
}

#[test]
fn a_port_that_disappears_is_opened_again_when_it_returns() {
    let House { daemon, ups, _ports, port } = house(Generation::Third);
    ready(&daemon);
    drop(ups);
    daemon.wait_for_hook("commfailure", PATIENCE);
    let _ups = Smart::start(Generation::Matrix, &port, false);
    daemon.wait_for_hook("commok", PATIENCE);
    daemon.wait_for_status(|status| status.is("MODEL", "MATRIX-UPS 5000"), PATIENCE);
    assert_eq!(daemon.events(), ["commfailure", "commok"]);
}

#[test]
fn a_ups_that_is_not_there_at_start_is_waited_for() {
    let ports = Scratch::new();
    let port = ports.path().join("ttyS0");
    let daemon = Daemon::start(&setup(&port));
    daemon.wait_for_status(|status| status.is("STATUS", "COMMLOST"), PATIENCE);
    let _ups = Smart::start(Generation::Third, &port, false);
    ready(&daemon);
    assert_eq!(daemon.events(), Vec::<String>::new());
}

#[test]
fn an_early_smart_ups_is_probed() {
    let house = house(Generation::First);
    let values = [
        ("MODEL", "APC Smart-UPS 400"),
        ("FIRMWARE", "4QI"),
        ("LINEV", "230.0 Volts"),
        ("BCHARGE", "100.0 Percent"),
        ("NOMBATTV", "24.0 Volts"),
    ];
    let status = wait_for_values(&house.daemon, &values);
    for absent in ["TIMELEFT", "SERIALNO", "REG1", "HUMIDITY", "EXTBATTS", "SENSE"] {
        assert_eq!(status.get(absent), None, "{absent}");
    }
}

#[test]
fn a_back_ups_pro_and_a_matrix_show_what_they_have() {
    let pro = house(Generation::BackUpsPro);
    let matrix = house(Generation::Matrix);
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
    change: impl FnOnce(&mut smart::Unit),
) -> (Option<&'static str>, String) {
    let scratch = Scratch::new();
    let port = scratch.path().join("ttyS0");
    let ups = Smart::start(generation, &port, false);
    change(&mut ups.unit());
    let config = support::write_config(&setup(&port), &scratch, free_port());
    scratch.file("flags/powerfail", String::new());
    let args = [order.to_owned(), "-f".to_owned(), config.display().to_string()];
    let done = support::run_program_for(&Setup::new("").program, args, 4 * PATIENCE);
    let killed = ups.unit().killed;
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

#[test]
fn the_power_of_an_early_unit_is_killed_in_its_own_way() {
    // It says `*` without the end of a line, and knows two digits.
    let (killed, said) = switch_off(Generation::First, "--killpower", |unit| unit.set(b'Q', "50"));
    assert_eq!(killed, Some("S"), "{said}");
    let (killed, said) = switch_off(Generation::First, "--killpower", |_| {});
    assert_eq!(killed, Some("@000"), "{said}");
}

#[test]
fn a_share_slave_sends_nothing() {
    let scratch = Scratch::new();
    let port = scratch.path().join("ttyS0");
    let ups = Smart::start(Generation::Third, &port, false);
    let config = support::write_config(&setup(&port).with("UPSCLASS", "shareslave"), &scratch, free_port());
    scratch.file("flags/powerfail", String::new());
    let args = ["--killpower".to_owned(), "-f".to_owned(), config.display().to_string()];
    let done = support::run_program_for(&Setup::new("").program, args, 6 * PATIENCE);
    assert!(!done.status.success());
    assert!(done.stderr.contains("Waiting For ShareUPS Master to shutdown"), "{done:?}");
    assert!(done.stderr.contains("Perform CPU-reset or power-off"), "{done:?}");
    assert!(ups.unit().received.is_empty());
}

#[test]
fn a_ups_that_is_silent_from_the_start_is_named_in_the_log() {
    let ports = Scratch::new();
    let port = ports.path().join("ttyS0");
    let ups = Smart::start(Generation::Third, &port, false);
    ups.unit().silent = true;
    let daemon = Daemon::start(&setup(&port));
    daemon.wait_for_output("the UPS does not answer; is it on", PATIENCE);
    daemon.wait_for_status(|status| status.is("STATUS", "COMMLOST"), PATIENCE);
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
    let found = support::poll_until(PATIENCE, || {
        ups.unit().out.extend_from_slice(b"\x80!\xfe%\x00U\n$x#~\xe0\r\n+Q?");
        named().then_some(())
    });
    assert!(found.is_some(), "{}", daemon.describe());
    daemon.wait_for_status(|status| status.is("STATUS", "COMMLOST"), PATIENCE);
    assert_eq!(daemon.events(), Vec::<String>::new());
}

#[test]
fn a_held_port_is_waited_for() {
    let ports = Scratch::new();
    let port = ports.path().join("ttyS0");
    let ups = Smart::start(Generation::Third, &port, false);
    let holder = mainsd::sys::tty::Tty::open(&port).unwrap();
    let daemon = Daemon::start(&setup(&port));
    daemon.wait_for_output("is held by another program", PATIENCE);
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
    // As minicom does: it names itself in the lock file and has the port open.
    let open = std::fs::OpenOptions::new().read(true).custom_flags(libc::O_NOCTTY).open(&port).unwrap();
    let mut other = std::process::Command::new("sleep").arg("1000").stdin(open).spawn().unwrap();
    ports.dir("lock");
    ports.file("lock/LCK..ttyS0", format!("{:10}\n", other.id()));
    let daemon =
        Daemon::start(&setup(&port).with("LOCKFILE", &ports.path().join("lock").display().to_string()));
    daemon.wait_for_output("is held by another program", PATIENCE);
    daemon.wait_for_status(|status| status.is("STATUS", "COMMLOST"), PATIENCE);
    assert!(ups.unit().received.is_empty());
    other.kill().unwrap();
    other.wait().unwrap();
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
    let quick = support::poll_until(8 * PATIENCE, || {
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
