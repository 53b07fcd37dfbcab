//! A master and its slaves on two machines, in network namespaces: the cable is pulled, packets are lost or late, the master
//! is killed, restarted, upgraded, in each phase of an outage. In CI: needs root, iproute2 and Debian's package apcupsd.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::support::cable::{Cable, MASTER, within};
use crate::support::runner::{Group, Needs, tests};
use crate::support::smart::{Generation, Smart, Unit};
use crate::support::{Daemon, Relay, Scratch, Setup, TIMEOUT, Wire};

/// Five checks, 5 s each where nothing answers, and NETTIMEOUT.
const QUIET: Duration = Duration::from_secs(32);
const MASTER_LOST: &str = "Shutdown because loss of comm with NIS master while on batteries.";
const MASTER_GOES: &str = "Shutdown because NIS master is shutting down.";

pub const TESTS: Group = Group {
    apart: Some(13),
    needs: Needs::Ci("root, network namespaces (iproute2) and Debian's package apcupsd"),
    tests: tests![
        a_cable_pulled_on_mains_is_a_loss_and_no_more,
        packets_lost_on_mains_are_a_loss_and_no_more,
        packets_late_on_mains_are_nothing,
        a_master_killed_or_restarted_on_mains_is_a_loss_at_most,
        a_cable_pulled_before_onbattery_is_a_shutdown,
        a_cable_pulled_after_onbattery_is_a_shutdown,
        packets_lost_before_onbattery_are_a_shutdown,
        packets_lost_after_onbattery_are_a_shutdown,
        a_master_killed_before_onbattery_is_a_shutdown,
        a_master_killed_after_onbattery_is_a_shutdown_of_all,
        a_master_restarted_or_upgraded_on_battery_is_followed,
        a_name_that_nobody_looks_up_holds_up_nothing,
        a_master_that_shuts_down_takes_all_with_it_once,
    ],
    ..Group::new(module_path!())
};

/// A master at a serial UPS on one machine; on the other slaves that watch it, one that polls it and, sometimes, an apcupsd.
struct Simulation {
    ups: Option<Smart>,
    device: PathBuf,
    setup: Setup,
    master: Option<Daemon>,
    /// The last one polls.
    slaves: Vec<Daemon>,
    apcupsd: Option<Daemon>,
    _relay: Relay,
    ports: Scratch,
    // Dropped last.
    cable: Cable,
}

impl Simulation {
    /// All on line.
    fn new(watching: u16, apcupsd: bool, master: &[(&str, &str)], slave: &[(&str, &str)]) -> Self {
        let cable = Cable::new();
        let ports = Scratch::new();
        let device = ports.path().join("ttyS0");
        let ups = Smart::start(Generation::Third, &device, false);
        let setup =
            Setup::new("apcsmart").with("UPSCABLE", "smart").with("DEVICE", &device.display().to_string());
        let setup = setup
            .with("UPSNAME", "simups")
            .with("NISIP", "0.0.0.0")
            .with("NISALLOW", "127.0.0.1 10.99.0.0/24");
        let setup = with(setup, master).within(&cable.master);
        let master = Daemon::start_in(&setup, Scratch::new(), 3551);
        within(&cable.master, || master.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT));

        let address = format!("{MASTER}:3551");
        let polled = Wire { refuses_watch: true, ..Wire::default() };
        let relay = within(&cable.slaves, || Relay::start(address.parse().unwrap(), polled));
        let net = |setup: Setup, device: &str, settings: &[(&str, &str)], port: u16| {
            let setup = setup.with("UPSCABLE", "ether").with("DEVICE", device).within(&cable.slaves);
            Daemon::start_in(&with(setup, settings), Scratch::new(), port)
        };
        let ours = |device: &str, port| {
            net(Setup::new("net").with("UPSNAME", "").with("NETTIMEOUT", "4"), device, slave, port)
        };
        let mut slaves: Vec<Daemon> = (0..watching).map(|number| ours(&address, 4000 + number)).collect();
        slaves.push(ours(&relay.device(), 5000));
        let apcupsd = apcupsd.then(|| net(Setup::apcupsd("net"), &address, &[], 6000));
        let master = Some(master);
        let world =
            Self { ups: Some(ups), device, setup, master, slaves, apcupsd, _relay: relay, ports, cable };
        world.all_on_line();
        world
    }

    /// Waits until every slave is on line.
    fn all_on_line(&self) {
        within(&self.cable.slaves, || {
            for slave in self.slaves.iter().chain(&self.apcupsd) {
                slave.wait_for_status(|status| status.is("STATUS", "ONLINE SLAVE"), TIMEOUT);
            }
        });
    }

    fn ups(&self, change: impl FnOnce(&mut Unit)) {
        change(&mut self.ups.as_ref().unwrap().unit());
    }

    /// Waits until every slave has run this hook for the `time`-th time.
    fn all_ran(&self, event: &str, time: usize) {
        for slave in &self.slaves {
            let mut from = 0;
            for _ in 0..time {
                from = slave.wait_for_hook_from(from, event, TIMEOUT).0 + 1;
            }
        }
    }

    /// Nothing is shut down within [`QUIET`].
    fn nobody_goes_down(&self) {
        let down = |text: &str| ["remotedown", "doshutdown", "powerout"].contains(&event(text));
        for (number, slave) in self.slaves.iter().enumerate() {
            // Together they take no longer than one.
            let timeout = if number == 0 { QUIET } else { Duration::ZERO };
            assert!(slave.hooks().wait(0, timeout, down).is_none(), "{number}: {}", slave.describe());
        }
    }

    /// Every slave has run exactly these hooks.
    fn all_have_run(&self, events: &[&str]) {
        for (number, slave) in self.slaves.iter().enumerate() {
            assert_eq!(slave.events(), events, "{number}: {}", slave.describe());
        }
    }

    /// Every slave has logged this line once.
    fn all_have_logged(&self, line: &str) {
        for (number, slave) in self.slaves.iter().enumerate() {
            let count = slave.wait_for_logged(line);
            assert_eq!(count, 1, "{number}: {line}: {}", slave.describe());
        }
    }

    /// The master ends as in a crash.
    fn kill(&mut self) {
        self.master = None;
    }

    /// The master starts in this folder, with its UPS in this state. The UPS is plugged in anew: a pseudo-terminal stays
    /// reserved for a program that is gone; a real port does not.
    fn start(&mut self, scratch: Scratch, ups: impl FnOnce(&mut Unit)) {
        self.ups = None;
        self.ups = Some(Smart::start(Generation::Third, &self.device, false));
        self.ups(ups);
        self.master = Some(Daemon::start_in(&self.setup, scratch, 3551));
    }

    /// The master is stopped and started again with what it has kept.
    fn restart(&mut self, ups: impl FnOnce(&mut Unit)) {
        let (end, scratch) = self.master.take().unwrap().terminate_keeping();
        assert!(end.status.success(), "{end:?}");
        self.start(scratch, ups);
    }

    /// The same, and it comes back as another file.
    fn upgrade(&mut self, ups: impl FnOnce(&mut Unit)) {
        let new = self.ports.path().join("mainsd");
        std::fs::copy(&self.setup.program, &new).unwrap();
        self.setup.program = new;
        self.restart(ups);
    }
}

/// Own limits off, then these settings.
fn with(setup: Setup, settings: &[(&str, &str)]) -> Setup {
    let setup = setup.with("BATTERYLEVEL", "-1").with("MINUTES", "-1").with("NOLOGON", "disable");
    settings.iter().fold(setup, |setup, (keyword, value)| setup.with(keyword, value))
}

/// The first word of a hook's line.
fn event(text: &str) -> &str {
    text.split(' ').next().unwrap_or_default()
}

fn a_cable_pulled_on_mains_is_a_loss_and_no_more() {
    let world = Simulation::new(10, true, &[], &[]);
    world.cable.pull();
    world.all_ran("commfailure", 1);
    world.apcupsd.as_ref().unwrap().wait_for_hook("commfailure", TIMEOUT);
    world.nobody_goes_down();
    world.cable.carry();
    world.all_ran("commok", 1);
    world.apcupsd.as_ref().unwrap().wait_for_hook("commok", TIMEOUT);
    world.all_on_line();
    world.all_have_run(&["commfailure", "commok"]);
    world.all_have_logged("Communications with UPS lost.");
    // And guarded as before.
    world.ups(Unit::fail_mains);
    world.all_ran("powerout", 1);
    world.apcupsd.as_ref().unwrap().wait_for_hook("powerout", TIMEOUT);
}

fn packets_lost_on_mains_are_a_loss_and_no_more() {
    let world = Simulation::new(1, false, &[], &[]);
    world.cable.lose();
    world.all_ran("commfailure", 1);
    world.nobody_goes_down();
    world.cable.carry();
    world.all_ran("commok", 1);
    world.all_on_line();
    world.all_have_run(&["commfailure", "commok"]);
}

/// Three seconds of loss are bytes that come late: the kernels send them again.
fn packets_late_on_mains_are_nothing() {
    let world = Simulation::new(2, false, &[], &[("COMMLOSTDELAY", "60")]);
    world.cable.lose();
    assert!(world.slaves[0].hooks().wait(0, Duration::from_secs(3), |_| true).is_none());
    world.cable.carry();
    world.all_on_line();
    // What happens while nothing comes through is known as soon as it does.
    world.cable.lose();
    world.ups(Unit::fail_mains);
    world.master.as_ref().unwrap().wait_for_hook("powerout", TIMEOUT);
    world.cable.carry();
    world.all_ran("powerout", 1);
    world.all_ran("onbattery", 1);
    world.all_have_run(&["powerout", "onbattery"]);
}

fn a_master_killed_or_restarted_on_mains_is_a_loss_at_most() {
    let mut world = Simulation::new(3, false, &[], &[]);
    world.kill();
    world.all_ran("commfailure", 1);
    world.nobody_goes_down();
    world.start(Scratch::new(), |_| ());
    world.all_ran("commok", 1);
    world.all_on_line();
    world.restart(|_| ());
    world.all_on_line();
    world.upgrade(|_| ());
    world.all_on_line();
    for slave in &world.slaves {
        // One that is away for longer than COMMLOSTDELAY is a loss again.
        let events = slave.events();
        assert!(events.iter().all(|event| event.starts_with("comm")), "{events:?}");
    }
    world.ups(Unit::fail_mains);
    world.all_ran("powerout", 1);
}

/// When the fault comes: between `powerout` and `onbattery`, or after both.
#[derive(Clone, Copy, PartialEq)]
enum Phase {
    Before,
    After,
}

/// What makes the master unreachable.
#[derive(Clone, Copy)]
enum Fault {
    Pulled,
    Lost,
    Killed,
}

fn a_cable_pulled_before_onbattery_is_a_shutdown() {
    lost_on_battery(Phase::Before, Fault::Pulled, 1);
}

fn a_cable_pulled_after_onbattery_is_a_shutdown() {
    lost_on_battery(Phase::After, Fault::Pulled, 1);
}

fn packets_lost_before_onbattery_are_a_shutdown() {
    lost_on_battery(Phase::Before, Fault::Lost, 1);
}

fn packets_lost_after_onbattery_are_a_shutdown() {
    lost_on_battery(Phase::After, Fault::Lost, 1);
}

fn a_master_killed_before_onbattery_is_a_shutdown() {
    lost_on_battery(Phase::Before, Fault::Killed, 1);
}

fn a_master_killed_after_onbattery_is_a_shutdown_of_all() {
    lost_on_battery(Phase::After, Fault::Killed, 10);
}

fn lost_on_battery(phase: Phase, fault: Fault, watching: u16) {
    let delay = if phase == Phase::Before { "600" } else { "1" };
    let mut world = Simulation::new(watching, false, &[], &[("ONBATTERYDELAY", delay)]);
    world.ups(Unit::fail_mains);
    world.all_ran(if phase == Phase::Before { "powerout" } else { "onbattery" }, 1);
    match fault {
        Fault::Pulled => world.cable.pull(),
        Fault::Lost => world.cable.lose(),
        Fault::Killed => world.kill(),
    }
    world.all_ran("doshutdown", 1);
    let all = ["powerout", "onbattery", "commfailure", "remotedown", "doshutdown"];
    let expected: Vec<&str> =
        all.into_iter().filter(|event| phase == Phase::After || *event != "onbattery").collect();
    world.all_have_run(&expected);
    for line in [MASTER_LOST, "Remote shutdown requested.", "Initiating system shutdown!"] {
        world.all_have_logged(line);
    }
    // A master that can be reached again, and shuts down itself, changes nothing any more.
    if let Fault::Pulled | Fault::Lost = fault {
        world.cable.carry();
        world.all_ran("commok", 1);
        world.all_have_logged("Initiating system shutdown!");
        world.all_have_logged("Remote shutdown requested.");
    }
}

fn a_master_restarted_or_upgraded_on_battery_is_followed() {
    let mut world = Simulation::new(2, false, &[], &[("NETTIMEOUT", "120")]);
    world.ups(Unit::fail_mains);
    world.all_ran("onbattery", 1);
    world.cable.lose();
    assert!(world.slaves[0].hooks().wait(2, Duration::from_secs(3), |_| true).is_none());
    world.cable.carry();
    for upgrade in [false, true] {
        if upgrade {
            world.upgrade(Unit::fail_mains);
        } else {
            world.restart(Unit::fail_mains);
        }
        let master = world.master.as_ref().unwrap();
        master.wait_for_output("s already when this daemon started: that time counts.", TIMEOUT);
        within(&world.cable.master, || {
            master.wait_for_status(|status| status.is("STATUS", "ONBATT"), TIMEOUT);
        });
        within(&world.cable.slaves, || {
            for slave in &world.slaves {
                slave.wait_for_status(|status| status.is("STATUS", "ONBATT SLAVE"), TIMEOUT);
            }
        });
    }
    world.ups(Unit::restore_mains);
    world.all_ran("mainsback", 1);
    world.all_on_line();
    for slave in &world.slaves {
        let mut events = slave.events();
        events.retain(|event| !event.starts_with("comm"));
        assert_eq!(events, ["powerout", "onbattery", "offbattery", "mainsback"], "{}", slave.describe());
    }
}

fn a_master_that_shuts_down_takes_all_with_it_once() {
    let mut world = Simulation::new(10, true, &[("TIMEOUT", "20")], &[]);
    world.ups(Unit::fail_mains);
    world.all_ran("doshutdown", 1);
    let apcupsd = world.apcupsd.as_ref().unwrap();
    apcupsd.wait_for_hook("remotedown", TIMEOUT);
    apcupsd.wait_for_hook("doshutdown", TIMEOUT);
    let expected = ["powerout", "onbattery", "remotedown", "doshutdown"];
    world.all_have_run(&expected);
    // Whatever becomes of the master then.
    world.cable.lose();
    world.all_ran("commfailure", 1);
    world.cable.carry();
    world.all_ran("commok", 1);
    world.kill();
    world.all_ran("commfailure", 2);
    for slave in &world.slaves {
        let mut events = slave.events();
        events.retain(|event| !event.starts_with("comm"));
        assert_eq!(events, expected, "{}", slave.describe());
    }
    for line in [MASTER_GOES, "Remote shutdown requested.", "Initiating system shutdown!"] {
        world.all_have_logged(line);
    }
    for slave in &world.slaves {
        assert!(!slave.log().contains(&MASTER_LOST.to_owned()), "{}", slave.describe());
    }
}

fn a_name_that_nobody_looks_up_holds_up_nothing() {
    let cable = Cable::new();
    cable.look_up_in_vain();
    cable.lose();
    let setup =
        Setup::new("net").with("UPSCABLE", "ether").with("DEVICE", "master.example").within(&cable.slaves);
    let started = Instant::now();
    let slave = Daemon::start_in(&setup, Scratch::new(), 4000);
    within(&cable.slaves, || {
        slave.wait_for_status(|status| status.is("STATUS", "COMMLOST"), TIMEOUT);
        // The resolver waits for 30 s.
        while started.elapsed() < Duration::from_secs(8) {
            let asked = Instant::now();
            slave.status();
            let took = asked.elapsed();
            assert!(took < Duration::from_secs(5), "an answer took {took:?} during a look-up");
        }
    });
    slave.wait_for_hook("commfailure", TIMEOUT);
    slave.wait_for_output(
        "No answer from the UPS: master.example:4000: the look-up of its name takes too long",
        TIMEOUT,
    );
    // Nor its end.
    let took = slave.terminate().took;
    assert!(took < Duration::from_secs(10), "{took:?}");
}
