//! The daemon at a newer Smart-UPS by Modbus: on a serial line, and at a network card.

use crate::support::modbus::Modbus;
use crate::support::{self, Daemon, Scratch, Setup, TIMEOUT};

/// How the UPS is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Serial,
    Tcp,
}

const WAYS: [Way; 2] = [Way::Serial, Way::Tcp];

struct Stage {
    ups: Modbus,
    /// Where the serial port is.
    _ports: Scratch,
    setup: Setup,
}

impl Stage {
    fn new(way: Way) -> Self {
        let ports = Scratch::new();
        let setup = Setup::new("modbus");
        let (ups, setup) = match way {
            Way::Serial => {
                let port = ports.path().join("ttyS0");
                let ups = Modbus::serial(&port);
                (ups, setup.with("UPSCABLE", "smart").with("DEVICE", &port.display().to_string()))
            }
            Way::Tcp => {
                let ups = Modbus::card(0);
                let device = format!("127.0.0.1:{}", ups.port);
                (ups, setup.with("UPSCABLE", "ether").with("DEVICE", &device))
            }
        };
        Self { ups, _ports: ports, setup }
    }

    /// A daemon that sees the UPS on line.
    fn daemon(&self, change: impl FnOnce(Setup) -> Setup) -> Daemon {
        let daemon = Daemon::start(&change(self.setup.clone()));
        daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
        daemon
    }
}

#[test]
fn every_key_is_shown() {
    let values = [
        ("UPSNAME", "harness"),
        ("DRIVER", "MODBUS UPS Driver"),
        ("MODEL", "Smart-UPS 750"),
        ("STATUS", "ONLINE"),
        ("LINEV", "231.0 Volts"),
        ("LOADPCT", "20.0 Percent"),
        ("LOADAPNT", "18.0 Percent"),
        ("BCHARGE", "100.0 Percent"),
        ("TIMELEFT", "60.0 Minutes"),
        ("OUTPUTV", "230.0 Volts"),
        ("OUTCURNT", "1.50 Amps"),
        ("DWAKE", "5 Seconds"),
        ("DSHUTD", "20 Seconds"),
        ("LOTRANS", "207.0 Volts"),
        ("HITRANS", "253.0 Volts"),
        ("ITEMP", "31.0 C"),
        ("BATTV", "27.0 Volts"),
        ("LINEFREQ", "50.0 Hz"),
        ("SELFTEST", "NO"),
        ("STATFLAG", "0x05000008"),
        ("MANDATE", "2024-01-01"),
        ("SERIALNO", "AS1234567890"),
        ("BATTDATE", "2024-08-22"),
        ("NOMOUTV", "230 Volts"),
        ("NOMPOWER", "500 Watts"),
        ("NOMAPNT", "750 VA"),
        ("FIRMWARE", "UPS 09.3 / 0001"),
    ];
    for way in WAYS {
        let stage = Stage::new(way);
        let daemon = stage.daemon(|setup| setup);
        let status = daemon.wait_for_status(|status| status.get("FIRMWARE").is_some(), TIMEOUT);
        for (key, value) in values {
            assert!(status.is(key, value), "{way:?} {key}: {:?}", status.get(key));
        }
        assert_eq!(status.get("LASTXFER"), None, "there was no transfer yet");
        assert_eq!(daemon.events(), Vec::<String>::new());
    }
}

#[test]
fn an_outage_ends_in_a_shutdown_and_the_power_is_killed_after_killdelay() {
    for way in WAYS {
        let stage = Stage::new(way);
        let daemon = stage.daemon(|setup| {
            setup.with("ONBATTERYDELAY", "1").with("BATTERYLEVEL", "20").with("KILLDELAY", "1")
        });
        stage.ups.unit().mains(false);
        daemon.wait_for_hook("powerout", TIMEOUT);
        daemon.wait_for_hook("onbattery", TIMEOUT);
        let status = daemon.wait_for_status(|status| status.get("LASTXFER").is_some(), TIMEOUT);
        assert!(status.is("LASTXFER", "Low line voltage") && status.is("STATUS", "ONBATT"), "{status:?}");
        stage.ups.unit().battery(15, 300, false);
        daemon.wait_for_hook("loadlimit", TIMEOUT);
        daemon.wait_for_hook("doshutdown", TIMEOUT);
        let killed = support::poll_until(TIMEOUT, || stage.ups.written(1540).first().copied());
        assert_eq!(killed, Some(1), "{way:?}: {}", daemon.describe());
    }
}

#[test]
fn the_ups_itself_says_that_its_battery_is_low() {
    let stage = Stage::new(Way::Serial);
    let daemon = stage.daemon(|setup| setup);
    stage.ups.unit().mains(false);
    daemon.wait_for_hook("powerout", TIMEOUT);
    stage.ups.unit().battery(60, 900, true);
    daemon.wait_for_hook("failing", TIMEOUT);
    daemon.wait_for_hook("doshutdown", TIMEOUT);
}

#[test]
fn mains_that_comes_back_ends_the_outage() {
    for way in WAYS {
        let stage = Stage::new(way);
        let daemon = stage.daemon(|setup| setup.with("ONBATTERYDELAY", "1"));
        stage.ups.unit().mains(false);
        daemon.wait_for_hook("onbattery", TIMEOUT);
        stage.ups.unit().mains(true);
        daemon.wait_for_hook("offbattery", TIMEOUT);
        daemon.wait_for_hook("mainsback", TIMEOUT);
        assert!(daemon.status().is("LASTXFER", "Low line voltage"));
        assert!(!daemon.events().iter().any(|event| event.starts_with("doshutdown")));
    }
}

#[test]
fn a_ups_that_falls_silent_is_lost_and_found_again() {
    for way in WAYS {
        let stage = Stage::new(way);
        let daemon = stage.daemon(|setup| setup);
        stage.ups.set_silent(true);
        daemon.wait_for_status(|status| status.is("STATUS", "COMMLOST"), TIMEOUT);
        daemon.wait_for_hook("commfailure", TIMEOUT);
        stage.ups.set_silent(false);
        daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
        daemon.wait_for_hook("commok", TIMEOUT);
    }
}

#[test]
fn silence_on_battery_does_not_stop_the_limits() {
    let stage = Stage::new(Way::Serial);
    let daemon = stage.daemon(|setup| setup.with("TIMEOUT", "15"));
    stage.ups.unit().mains(false);
    daemon.wait_for_hook("powerout", TIMEOUT);
    stage.ups.set_silent(true);
    daemon.wait_for_hook("timeout", TIMEOUT);
    daemon.wait_for_hook("doshutdown", TIMEOUT);
}

#[test]
fn a_card_that_is_not_there_at_start_is_waited_for() {
    let port = support::free_port();
    let device = format!("127.0.0.1:{port}");
    let daemon = Daemon::start(&Setup::new("modbus").with("UPSCABLE", "ether").with("DEVICE", &device));
    daemon.wait_for_status(|status| status.is("STATUS", "COMMLOST"), TIMEOUT);
    let _card = Modbus::card(port);
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
}

#[test]
fn an_outage_counts_on_over_a_restart() {
    let stage = Stage::new(Way::Serial);
    let daemon = stage.daemon(|setup| setup.with("ONBATTERYDELAY", "1"));
    stage.ups.unit().mains(false);
    daemon.wait_for_hook("onbattery", TIMEOUT);
    daemon.end_main("KILL");
    daemon.wait_for_status(|status| status.is("STATUS", "ONBATT") && status.get("MODEL").is_some(), TIMEOUT);
    let announced = daemon.events().iter().filter(|event| event.starts_with("onbattery")).count();
    assert_eq!(announced, 1, "{}", daemon.describe());
}

/// The status of `--killpower` or `--power-off`, what it says, and what the UPS was told.
fn order(way: Way, option: &str, change: impl Fn(&Modbus)) -> (bool, String, Vec<u16>) {
    let stage = Stage::new(way);
    change(&stage.ups);
    let scratch = Scratch::new();
    let config = support::write_config(&stage.setup, &scratch, support::free_port());
    scratch.file("flags/powerfail", "");
    let done = support::run_program(&stage.setup.program, ["-f", &config.display().to_string(), option]);
    (done.status.success(), done.stderr, stage.ups.written(1540))
}

#[test]
fn the_power_is_killed_and_the_exit_status_says_whether_the_ups_does_it() {
    for way in WAYS {
        let (well, said, written) = order(way, "--killpower", |ups| ups.unit().mains(false));
        assert!(well && said.contains("the UPS switches off"), "{way:?}: {said}");
        assert_eq!(written, [1]);
    }
    let (well, said, written) = order(Way::Serial, "--killpower", |ups| {
        ups.unit().mains(false);
        ups.unit().idle = true;
    });
    assert!(!well && said.contains("the UPS has acknowledged it, but does not do it"), "{said}");
    assert!(!written.is_empty());
    let (well, said, written) = order(Way::Tcp, "--power-off", |_| {});
    assert!(well && said.contains("the UPS has switched off and stays off"), "{said}");
    assert_eq!(written, [2]);
}

#[test]
fn what_cannot_work_is_said_by_check() {
    for (lines, part) in [
        ("UPSCABLE ether\nDEVICE\n", "a host or host:port, the port 502 if none is named"),
        ("UPSCABLE smart\nDEVICE\n", "needs a serial port"),
    ] {
        let scratch = Scratch::new();
        let config = scratch.file("t.conf", format!("UPSTYPE modbus\n{lines}"));
        let done = support::run(["check".to_owned(), "-f".to_owned(), config.display().to_string()]);
        assert!(!done.status.success(), "{lines}");
        assert!(done.stdout.contains(part) || done.stderr.contains(part), "{}{}", done.stdout, done.stderr);
    }
}
