//! Simple signalling through a USB serial adapter: each cable's lines as the kernel sees them, both ways.

use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{Lab, Scenario, ensure, ensure_quiet, orders};
use crate::support::usbip::Adapter;
use crate::support::usbip::ftdi::{Outputs, input};
use crate::support::{self, Daemon, Scratch, Setup, run_program_for};

/// All of them.
pub const ALL: &[Scenario] = &[
    ("simple_cable_lives_its_life", |lab| live(lab, &SIMPLE)),
    ("cable_940_0119a_lives_its_life", |lab| live(lab, &C0119A)),
    ("mam_cable_lives_its_life", |lab| live(lab, &MAM)),
    ("cable_940_0095b_lives_its_life", |lab| live(lab, &C0095B)),
    ("cable_940_0023a_lives_its_life", |lab| live(lab, &C0023A)),
    ("serial_port_that_is_missing_or_held_is_waited_for", waiting),
    ("a_simple_cable_shows_its_lines_live_is_guessed_and_cuts_the_power_without_a_daemon", by_a_person),
    ("kill_signal_outlives_a_daemon_that_is_ended_with_the_system", ended_while_killing),
];

/// The kill signal lasts ten seconds.
const KILL_PATIENCE: Duration = Duration::from_secs(120);
const REST_HIGH_DTR: Outputs = Outputs { dtr: true, rts: false, txd: false };
const REST_HIGH_RTS: Outputs = Outputs { dtr: false, rts: true, txd: false };

/// A cable, as dumb §2 has it.
pub struct Cable {
    name: &'static str,
    /// CABLE in the status.
    text: &'static str,
    /// The line and its level on battery.
    on_battery: (u8, bool),
    low: Option<(u8, bool)>,
    /// Our lines at rest, as far as the cable wants them; of 940-0023A whatever the kernel makes of them.
    pub at_rest: fn(Outputs) -> bool,
    /// Our lines when the cable has the UPS cut the power.
    pub kills: Option<fn(Outputs) -> bool>,
}

/// The simplest.
pub const SIMPLE: Cable = Cable {
    name: "simple",
    text: "Custom Cable Simple",
    on_battery: (input::CD, true),
    low: Some((input::CTS, false)),
    at_rest: |lines| lines == REST_HIGH_DTR,
    kills: Some(|lines| lines.rts && lines.dtr),
};
/// A common one.
pub const C0119A: Cable = Cable {
    name: "940-0119A",
    text: "APC Cable 940-0119A",
    on_battery: (input::CTS, true),
    low: Some((input::CD, true)),
    at_rest: |lines| lines == REST_HIGH_RTS,
    kills: Some(|lines| lines.dtr && lines.rts),
};
const MAM: Cable = Cable {
    name: "MAM-04-02-2000",
    text: "MAM Cable 04-02-2000",
    on_battery: (input::CTS, false),
    low: Some((input::CD, false)),
    at_rest: |lines| lines == REST_HIGH_RTS,
    kills: Some(|lines| lines.dtr && !lines.rts),
};
const C0095B: Cable = Cable {
    name: "940-0095B",
    text: "APC Cable 940-0095B",
    on_battery: (input::RING, true),
    low: None,
    at_rest: |lines| !lines.rts && !lines.txd,
    kills: Some(|lines| lines.rts && lines.txd),
};
const C0023A: Cable = Cable {
    name: "940-0023A",
    text: "APC Cable 940-0023A",
    on_battery: (input::CD, true),
    low: None,
    at_rest: |lines| !lines.txd,
    kills: None,
};

impl Cable {
    /// The lines by which the UPS says so. Lines that the cable does not use are on: nobody must look at them.
    pub fn says(&self, on_battery: bool, low: bool) -> u8 {
        let mut inputs = input::CTS | input::DSR | input::RING | input::CD;
        let said = [Some(self.on_battery).zip(Some(on_battery)), self.low.zip(Some(low))];
        for ((line, level), says) in said.into_iter().flatten() {
            if says != level {
                inputs &= !line;
            }
        }
        inputs
    }
}

/// A port whose name stays, as udev's names by id do: the adapter may come back under another number.
pub struct Place {
    scratch: Scratch,
    /// The adapter.
    pub adapter: Adapter,
}

impl Place {
    /// Nothing is plugged in.
    pub fn new() -> Self {
        Self { scratch: Scratch::new(), adapter: Adapter::default() }
    }

    /// Its name.
    pub fn device(&self) -> PathBuf {
        self.scratch.path().join("ups")
    }

    /// Plugs the adapter in.
    pub fn plug(&mut self) {
        let tty = self.adapter.plug();
        let _ = std::fs::remove_file(self.device());
        symlink(tty, self.device()).unwrap();
    }

    fn unplug(&mut self) {
        self.adapter.unplug();
        std::fs::remove_file(self.device()).unwrap();
    }
}

/// A configuration for this cable.
pub fn setup(lab: &Lab, cable: &Cable, device: &Path) -> Setup {
    let mut setup =
        lab.setup_any().with("DEVICE", &device.display().to_string()).with("UPSCABLE", cable.name);
    setup.ups_type = "dumb".to_owned();
    // What the cable cannot tell, the clock must.
    if cable.low.is_none() { setup.with("TIMEOUT", "30") } else { setup }
}

fn online(daemon: &Daemon) {
    daemon.wait_for_status(|status| status.has("ONLINE"), support::TIMEOUT);
}

fn live(lab: &Lab, cable: &Cable) {
    let mut place = Place::new();
    place.adapter.set(cable.says(false, false));
    place.plug();
    let daemon = Daemon::start(&setup(lab, cable, &place.device()));
    online(&daemon);
    fields(&daemon, cable);
    ensure(&daemon, (cable.at_rest)(place.adapter.outputs()), &format!("{:?}", place.adapter.outputs()));
    flicker(&daemon, cable, &place.adapter);
    outage(lab, &daemon, cable, &place.adapter);
    replug(&daemon, &mut place);
    end(&daemon, cable, &place.adapter);
    kill(lab, daemon, cable, &place.adapter);
}

/// Every key that apcupsd has for such a UPS, and none that it measures nothing for (dumb §3).
fn fields(daemon: &Daemon, cable: &Cable) {
    let status = daemon.status();
    let text = status.text();
    let keys: Vec<&str> = text.lines().filter_map(|line| line.split(':').next()).map(str::trim_end).collect();
    let expected = [
        "APC",
        "DATE",
        "HOSTNAME",
        "VERSION",
        "UPSNAME",
        "CABLE",
        "DRIVER",
        "UPSMODE",
        "STARTTIME",
        "SHARE",
        "STATUS",
        "MBATTCHG",
        "MINTIMEL",
        "MAXTIME",
        "NUMXFERS",
        "TONBATT",
        "CUMONBATT",
        "XOFFBATT",
        "STATFLAG",
        "END APC",
    ];
    ensure(daemon, keys == expected, &text);
    let timeout = if cable.low.is_none() { "30 Seconds" } else { "0 Seconds" };
    for (key, value) in [
        ("CABLE", cable.text),
        ("DRIVER", "DUMB UPS Driver"),
        ("STATUS", "ONLINE"),
        ("MAXTIME", timeout),
        ("NUMXFERS", "0"),
        ("TONBATT", "0 Seconds"),
        ("XOFFBATT", "N/A"),
        ("STATFLAG", "0x05000008"),
    ] {
        ensure(daemon, status.is(key, value), &format!("{key} is not {value:?} in\n{text}"));
    }
    ensure(daemon, daemon.hooks().count() == 0, "an event on mains");
}

/// Counted in looks, not in time: what a loaded machine makes of pauses proves nothing.
fn flicker(daemon: &Daemon, cable: &Cable, adapter: &Adapter) {
    let (well, bad) = (cable.says(false, false), cable.says(true, true));
    let looks = [bad, bad, well, bad, well, well].repeat(6);
    assert!(adapter.show(&looks, KILL_PATIENCE), "nobody looks; {}", daemon.describe());
    ensure_quiet(daemon, 0, Duration::from_secs(2));
    online(daemon);
}

fn outage(lab: &Lab, daemon: &Daemon, cable: &Cable, adapter: &Adapter) {
    let failed = Instant::now();
    adapter.set(cable.says(true, false));
    let powerout = daemon.wait_for_hook("powerout", support::TIMEOUT);
    lab.measured("mains-loss-to-hook-ms", powerout.at.duration_since(failed).as_millis());
    daemon.wait_for_hook("onbattery", support::TIMEOUT);
    let told = |status: &support::Status| status.is("STATUS", "ONBATT") && status.is("NUMXFERS", "1");
    daemon.wait_for_status(told, support::TIMEOUT);
    adapter.set(cable.says(false, false));
    daemon.wait_for_hook("mainsback", support::TIMEOUT);
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), support::TIMEOUT);
    let events = daemon.events();
    ensure(daemon, events == ["powerout", "onbattery", "offbattery", "mainsback"], &format!("{events:?}"));
    // A battery that is low on mains is being charged.
    adapter.set(cable.says(false, true));
    let low = |status: &support::Status| status.has("LOWBATT") == cable.low.is_some();
    daemon.wait_for_status(low, support::TIMEOUT);
    ensure_quiet(daemon, 4, Duration::from_secs(6));
    adapter.set(cable.says(false, false));
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), support::TIMEOUT);
}

fn replug(daemon: &Daemon, place: &mut Place) {
    let from = daemon.hooks().count();
    place.unplug();
    daemon.wait_for_status(|status| status.has("COMMLOST"), support::TIMEOUT);
    daemon.wait_for_hook_from(from, "commfailure", support::TIMEOUT);
    place.plug();
    daemon.wait_for_hook_from(from, "commok", support::TIMEOUT);
    online(daemon);
    let events = daemon.events().split_off(from);
    ensure(daemon, events == ["commfailure", "commok"], &format!("{events:?}"));
}

/// The outage that the battery does not outlast.
fn end(daemon: &Daemon, cable: &Cable, adapter: &Adapter) {
    let from = daemon.hooks().count();
    adapter.set(cable.says(true, false));
    daemon.wait_for_hook_from(from, "onbattery", support::TIMEOUT);
    let low = Instant::now();
    adapter.set(cable.says(true, true));
    let cause = if cable.low.is_some() { "failing" } else { "timeout" };
    let (_, line) = daemon.wait_for_hook_from(from, cause, support::TIMEOUT);
    if cable.low.is_some() {
        let held = line.at.duration_since(low);
        ensure(daemon, held >= Duration::from_secs(5), &format!("failing {held:?} after low battery"));
    }
    daemon.wait_for_hook_from(from, "doshutdown", support::TIMEOUT);
    let events = daemon.events().split_off(from);
    ensure(daemon, events == ["powerout", "onbattery", cause, "doshutdown"], &format!("{events:?}"));
    daemon.wait_for_file("flags/powerfail");
}

fn kill(lab: &Lab, daemon: Daemon, cable: &Cable, adapter: &Adapter) {
    if let Some(kills) = cable.kills {
        // The kernel raises DTR and RTS when it opens a port; a UPS obeys what lasts a second or more.
        let longest = adapter.stretches(0, kills).into_iter().max().unwrap_or_default();
        lab.measured("kill-line-pulse-at-open-ms", longest.as_millis());
        super::ensure_within(longest, Duration::from_secs(1), "the pulse on the line that cuts the power");
    }
    let (ended, scratch) = daemon.terminate_keeping();
    assert!(ended.status.success(), "{ended:?}");
    assert!((cable.at_rest)(adapter.outputs()), "after SIGTERM: {:?}", adapter.outputs());
    let config = scratch.path().join("mainsd.conf");
    let run = |option: &str| {
        run_program_for(&lab.program, ["-f".as_ref(), config.as_os_str(), option.as_ref()], KILL_PATIENCE)
    };
    let from = adapter.changes();
    let refused = run("--power-off");
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(refused.stderr.contains("simple signalling has no such order"), "{refused:?}");
    let done = run("--killpower");
    let Some(kills) = cable.kills else {
        assert_eq!(done.status.code(), Some(1), "{done:?}");
        assert!(done.stderr.contains("no line that switches the UPS off"), "{done:?}");
        return;
    };
    assert!(done.status.success(), "{done:?}");
    let stretches = adapter.stretches(from, kills);
    let (long, short): (Vec<Duration>, Vec<Duration>) =
        stretches.iter().partition(|time| **time >= Duration::from_secs(9));
    assert_eq!(long.len(), 1, "{stretches:?}; {done:?}");
    assert!(short.iter().all(|time| *time < Duration::from_secs(5)), "{stretches:?}");
    assert!((cable.at_rest)(adapter.outputs()), "after --killpower: {:?}", adapter.outputs());
    adapter.set(cable.says(false, false));
    let done = run("--killpower");
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(done.stderr.contains("the UPS runs on mains"), "{done:?}");
    std::fs::remove_file(scratch.path().join("flags/powerfail")).unwrap();
    let from = adapter.changes();
    let done = run("--killpower");
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(done.stderr.contains("Killpower request ignored"), "{done:?}");
    assert_eq!(adapter.changes(), from, "the port was touched");
}

fn waiting(lab: &Lab) {
    let mut place = Place::new();
    place.adapter.set(SIMPLE.says(false, false));
    let first = Daemon::start(&setup(lab, &SIMPLE, &place.device()));
    first.wait_for_output("does not exist; waiting for it", support::TIMEOUT);
    first.wait_for_status(|status| status.is("STATFLAG", "0x05000100"), support::TIMEOUT);
    place.plug();
    online(&first);
    let second = Daemon::start(&setup(lab, &SIMPLE, &place.device()));
    second.wait_for_output("is held by another program", support::TIMEOUT);
    second.wait_for_status(|status| status.has("COMMLOST"), support::TIMEOUT);
    ensure(&first, first.status().is("STATUS", "ONLINE"), "the first was disturbed");
    let ended = first.terminate();
    assert!(ended.status.success(), "{ended:?}");
    online(&second);
    for line in [&ended.output, &second.output().text()] {
        assert!(!line.contains("Power failure"), "{line}");
    }
}

/// The entries of `apctest`, by its menu, and then the order that cuts the power.
fn by_a_person(lab: &Lab) {
    let mut place = Place::new();
    let well = SIMPLE.says(false, false);
    place.adapter.set(well);
    place.plug();
    let scratch = Scratch::new();
    let config = support::write_config(&setup(lab, &SIMPLE, &place.device()), &scratch, support::free_port());
    let mut command = Command::new(&lab.program);
    command.arg("apctest").arg("-f").arg(config).current_dir(scratch.path());
    command.env("MAINSD_RUN_DIR", scratch.path().join("run"));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let shown = support::Lines::collect(child.stdout.take().unwrap());
    let mut keys = child.stdin.take().unwrap();
    let mut types = |text: &str| keys.write_all(text.as_bytes()).unwrap();
    let from = std::cell::Cell::new(0);
    let sees = |part: &str| {
        let found = shown.wait(from.get(), support::TIMEOUT, |line| line.ends_with(part));
        let (at, _) =
            found.unwrap_or_else(|| panic!("no '{part}' from {} on:\n{}", from.get(), shown.text()));
        from.set(at + 1);
    };
    // Live, until Enter. Our own lines are as the cable wants them.
    types("5\n\n");
    sees("on: CTS RING DTR");
    assert!((SIMPLE.at_rest)(place.adapter.outputs()), "{:?}", place.adapter.outputs());
    for (lines, names) in [
        (input::CD, "on: CD DTR"),
        (0, "on: DTR"),
        (input::CTS | input::DSR, "on: CTS DTR"),
        (well, "on: CTS RING DTR"),
    ] {
        place.adapter.set(lines);
        sees(names);
    }
    // What a cable is guessed by.
    types("\n8\n");
    sees("first 'normal' and 'no mains'");
    types("1\n\n");
    sees("on: CTS RING DTR");
    types("\n");
    place.adapter.set(SIMPLE.says(true, false));
    types("3\n\n");
    sees("on: CD CTS RING DTR");
    // It ends by itself when a line changes.
    types("\n4\n\n");
    sees("on: CD CTS RING DTR");
    place.adapter.set(SIMPLE.says(true, true));
    sees("on: CD RING DTR");
    types("8\n");
    sees("UPSCABLE may be: simple, 940-0023A");
    types("q\n");
    let ended = child.wait().unwrap();
    assert!(ended.success(), "{ended}: {}", shown.text());
    let ctl = |came: (&'static str, i32, &'static str)| {
        orders::end(orders::begin(lab, scratch.path(), came.0), came)
    };
    ctl(("kill-power --yes", 1, "Killpower request ignored"));
    ctl(("power-off --yes", 1, "simple signalling has no such order"));
    scratch.file("flags/powerfail", "");
    let from = place.adapter.changes();
    ctl(("kill-power --yes", 0, "a UPS on battery is off by now"));
    let kills = SIMPLE.kills.expect("it has a line for that");
    let longest = place.adapter.stretches(from, kills).into_iter().max().unwrap_or_default();
    assert!(longest >= Duration::from_secs(9), "{longest:?}");
    assert!((SIMPLE.at_rest)(place.adapter.outputs()), "{:?}", place.adapter.outputs());
}

/// KILLDELAY makes the daemon cut the power, and the shutdown ends the daemon before the UPS has seen enough of it.
fn ended_while_killing(lab: &Lab) {
    let mut place = Place::new();
    place.adapter.set(SIMPLE.says(false, false));
    place.plug();
    let daemon = Daemon::start(&setup(lab, &SIMPLE, &place.device()).with("KILLDELAY", "1"));
    online(&daemon);
    place.adapter.set(SIMPLE.says(true, true));
    daemon.wait_for_hook("doshutdown", support::TIMEOUT);
    let killing = Outputs { dtr: true, rts: true, txd: false };
    ensure(&daemon, place.adapter.wait_for(killing, support::TIMEOUT), "no kill signal");
    let ended = daemon.terminate();
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(place.adapter.outputs(), killing);
}
