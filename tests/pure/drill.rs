//! The rehearsal of `mainsd drill`: the same lines at the same seconds as the whole daemon, and what it says would go wrong.

use std::time::{Duration, Instant};

use mainsd::config::{self, Config};
use mainsd::program::tools::drill::{DrillOutput, Plan, Story};
use mainsd::ups::Event;

use crate::support::{FakeTime, Scratch, Setup, TIMEOUT, poll_until, write_config};

/// What a rehearsal tells.
#[derive(Default)]
struct Told {
    lines: Vec<(Duration, String, String)>,
    hooks: Vec<Event>,
    /// The hook of this event takes so long.
    slow: Option<(Event, Duration)>,
}

impl DrillOutput for Told {
    fn tell(&mut self, at: Duration, what: &str, words: std::fmt::Arguments<'_>) {
        if what == Event::DoShutdown.arg() {
            self.hooks.push(Event::DoShutdown);
        }
        self.lines.push((at, what.to_owned(), words.to_string()));
    }

    fn hook(&mut self, _: Duration, event: Event) -> Duration {
        self.hooks.push(event);
        self.slow.filter(|(slow, _)| *slow == event).map_or(Duration::ZERO, |(_, took)| took)
    }
}

impl Told {
    /// When this came; the event, or the beginning of the words.
    fn second(&self, of: &str) -> u64 {
        let found = self.lines.iter().find(|(_, what, words)| what == of || words.starts_with(of));
        found.unwrap_or_else(|| panic!("no {of}: {:#?}", self.lines)).0.as_secs()
    }
}

fn plan(config: &Config, story: Story) -> Plan<'_> {
    Plan { config, story, runtime: 20, takes: Duration::from_secs(90), slave: false }
}

fn of(text: &str) -> Config {
    let parsed = config::parse(text.as_bytes(), "t");
    assert!(!parsed.has_errors(), "{:?}", parsed.diagnostics);
    parsed.config
}

fn rehearse(plan: Plan<'_>, slow: Option<(Event, Duration)>) -> (Told, Vec<String>) {
    let mut told = Told { slow, ..Told::default() };
    let wrong = plan.rehearse(Instant::now(), &mut told);
    (told, wrong)
}

/// A log line of the drill's own, or of what the daemon only says because it does things.
fn is_own(line: &str) -> bool {
    line.contains("told, ")
        || line.starts_with("the battery has ")
        || line.starts_with("the machine is off")
        || line.starts_with("System shutdown started by ")
        // What the daemon says of finding and losing a UPS is no order.
        || line.starts_with("the simulated UPS ")
        || line.starts_with("UPS lost: ")
        || line.starts_with("UPS found: ")
}

#[test]
fn each_story_has_the_lines_and_hooks_of_the_daemon_at_the_same_seconds() {
    let configurations: [&[(&str, &str)]; 5] = [
        &[("ONBATTERYDELAY", "6"), ("TIMEOUT", "300")],
        &[("ONBATTERYDELAY", "10"), ("BATTERYLEVEL", "40"), ("MINUTES", "-1"), ("POLLTIME", "5")],
        &[("MINUTES", "8"), ("NOLOGON", "always"), ("ANNOY", "100"), ("ANNOYDELAY", "60")],
        &[("TIMEOUT", "3"), ("ONBATTERYDELAY", "8"), ("CONFIRMPOLLS", "3")],
        &[("LOWBATTERYFLAG", "confirm"), ("BATTERYLEVEL", "-1"), ("MINUTES", "-1"), ("COMMLOSTDELAY", "10")],
    ];
    for directives in configurations {
        // No script orders a shutdown.
        for (story, name, _) in Story::ALL.into_iter().filter(|(story, ..)| *story != Story::Remote) {
            let mut setup = Setup::new("test");
            for (keyword, value) in directives {
                setup = setup.with(keyword, value);
            }
            let scratch = Scratch::new();
            let config = config::load(&write_config(&setup, &scratch, 3551)).unwrap().config;
            let plan = plan(&config, story);
            let (told, _) = rehearse(plan, None);
            let last = told.lines.last().unwrap().0;

            let mut daemon = FakeTime::start(&setup, &plan.script(), plan.lead() as f64, |_| {});
            daemon.run_to(last.as_secs_f64());
            let round = |second: f64| (second * 10.0).round() / 10.0;
            let expected: Vec<(f64, String)> = daemon
                .log
                .iter()
                .filter(|(second, line)| *second >= 0.0 && !is_own(line))
                .map(|(second, line)| (round(*second), line.clone()))
                .collect();
            let lines: Vec<(f64, String)> = told
                .lines
                .iter()
                .filter(|(_, what, line)| what != "doshutdown" && what != "killpower" && !is_own(line))
                .map(|(at, _, line)| (round(at.as_secs_f64()), line.clone()))
                .filter(|(_, line)| line != "the battery is empty")
                .collect();
            assert_eq!(lines, expected, "{name} {directives:?}");
            let hooks: Vec<&str> = told.hooks.iter().map(|event| event.arg()).collect();
            // What a hook has logged comes by a thread.
            let of_daemon = || {
                let mut events: Vec<String> = daemon.hooks(0);
                events.iter_mut().for_each(|line| line.truncate(line.find(' ').unwrap_or(line.len())));
                // Told once.
                let mut is_first = true;
                events.retain(|event| event != "annoyme" || std::mem::take(&mut is_first));
                events
            };
            poll_until(TIMEOUT, || (of_daemon().len() >= hooks.len()).then_some(()));
            let of_daemon = of_daemon();
            assert_eq!(hooks, of_daemon, "{name} {directives:?}");
        }
    }
}

#[test]
fn a_shutdown_stands_at_the_configured_seconds() {
    let table = [
        ("UPSTYPE usb\nTIMEOUT 300", "timeout", 306),
        ("UPSTYPE usb\nTIMEOUT 300\nONBATTERYDELAY 60", "timeout", 360),
        ("UPSTYPE usb\nTIMEOUT 5\nONBATTERYDELAY 60", "timeout", 5),
        ("UPSTYPE dumb\nUPSCABLE simple\nDEVICE /dev/ttyS0\nTIMEOUT 30", "timeout", 36),
        ("UPSTYPE net\nDEVICE master\nTIMEOUT 20", "timeout", 26),
    ];
    for (text, event, second) in table {
        let config = of(text);
        let (told, wrong) = rehearse(plan(&config, Story::Outage), None);
        assert_eq!((told.second(event), told.second("doshutdown")), (second, second), "{text}");
        assert_eq!(wrong, [""; 0], "{text}");
    }
}

#[test]
fn a_ups_that_tells_no_charge_is_believed_by_its_low_battery_alone() {
    let config = of("UPSTYPE dumb\nUPSCABLE simple\nDEVICE /dev/ttyS0\nBATTERYLEVEL 90");
    let (told, _) = rehearse(plan(&config, Story::Outage), None);
    assert!(told.hooks.contains(&Event::Failing), "{:?}", told.hooks);
}

#[test]
fn a_slave_whose_master_falls_silent_in_an_outage_goes_down_after_nettimeout() {
    let config = of("UPSTYPE net\nDEVICE master\nNETTIMEOUT 40\nCOMMLOSTDELAY 10");
    let (told, _) = rehearse(plan(&config, Story::CommLoss), None);
    let lost = told.second("commfailure") - 10;
    assert_eq!(told.second("remotedown"), lost + 40);
}

#[test]
fn every_event_but_a_battery_that_fails_in_use_and_a_scheduled_test_is_in_some_story() {
    let config = of("UPSTYPE usb\nTIMEOUT 400");
    let limits = [
        "UPSTYPE usb\nBATTERYLEVEL 50",
        "UPSTYPE usb\nMINUTES 9",
        "UPSTYPE dumb\nUPSCABLE simple\nDEVICE /dev/ttyS0",
    ];
    let mut seen: Vec<Event> =
        Story::ALL.iter().flat_map(|(story, ..)| rehearse(plan(&config, *story), None).0.hooks).collect();
    for text in limits {
        seen.extend(rehearse(plan(&of(text), Story::Outage), None).0.hooks);
    }
    let missing: Vec<Event> = Event::ALL.into_iter().filter(|event| !seen.contains(event)).collect();
    assert_eq!(missing, [Event::Emergency, Event::SelfTestFailed]);
}

#[test]
fn an_order_from_outside_shuts_down_at_its_second() {
    let config = of("UPSTYPE snmp\nDEVICE card");
    let (told, wrong) = rehearse(plan(&config, Story::Remote), None);
    assert_eq!((told.second("remotedown"), told.second("doshutdown"), wrong.len()), (20, 20, 0));
}

#[test]
fn hooks_hold_the_shutdown_up_for_ten_seconds_and_no_longer() {
    let config = of("UPSTYPE usb\nTIMEOUT 300");
    let slow = |seconds| Some((Event::Timeout, Duration::from_secs(seconds)));
    let (told, wrong) = rehearse(plan(&config, Story::Outage), slow(4));
    assert_eq!((told.second("doshutdown"), wrong.len()), (310, 0));
    let (told, wrong) = rehearse(plan(&config, Story::Outage), slow(40));
    assert_eq!(told.second("doshutdown"), 316);
    assert!(wrong.len() == 1 && wrong[0].starts_with("5:16: hooks had not ended 10 s after"), "{wrong:?}");
    // One that began long before has ended by then.
    let early = Some((Event::PowerOut, Duration::from_secs(60)));
    let (told, wrong) = rehearse(plan(&config, Story::Outage), early);
    assert_eq!((told.second("doshutdown"), wrong.len()), (306, 0));
}

#[test]
fn what_would_go_wrong_is_said_with_its_moment() {
    let table = [
        (
            "UPSTYPE usb\nBATTERYLEVEL -1\nMINUTES -1\nLOWBATTERYFLAG ignore",
            "the battery is empty, and no shutdown has begun",
        ),
        (
            "UPSTYPE usb\nTIMEOUT 60\nKILLDELAY 30",
            "KILLDELAY: the UPS cuts its power, 30 s after doshutdown began, while the machine takes 90 s to go down (--takes)",
        ),
        (
            "UPSTYPE apcsmart\nDEVICE /dev/ttyS0\nTIMEOUT 60\nKILLDELAY 30\nSLEEP 20",
            "KILLDELAY: the UPS cuts its power, 50 s after doshutdown began, while the machine takes 90 s to go down (--takes)",
        ),
        (
            "UPSTYPE usb\nTIMEOUT 60\nSHUTDOWNGRACE 80",
            "doshutdown would begin again 80 s after it began (SHUTDOWNGRACE), while it is under way (--takes)",
        ),
    ];
    for (text, expected) in table {
        let config = of(text);
        let (told, wrong) = rehearse(plan(&config, Story::Outage), None);
        let [line] = wrong.as_slice() else { panic!("{text}: {wrong:?}") };
        assert_eq!(line.split_once(": ").unwrap().1, expected, "{text}");
        assert!(told.lines.len() > 3);
    }
    for text in [
        "UPSTYPE usb\nTIMEOUT 60\nKILLDELAY 90",
        "UPSTYPE apcsmart\nDEVICE /dev/ttyS0\nTIMEOUT 60\nKILLDELAY 30\nSLEEP 60",
    ] {
        assert_eq!(rehearse(plan(&of(text), Story::Outage), None).1, [""; 0], "{text}");
    }
    // A battery for one minute leaves no time, whatever the limits.
    let config = of("UPSTYPE usb");
    let (_, wrong) = rehearse(Plan { runtime: 1, ..plan(&config, Story::Outage) }, None);
    assert!(wrong.len() == 1 && wrong[0].contains("the battery is empty, "), "{wrong:?}");
}

#[test]
fn a_slave_that_does_not_go_holds_the_shutdown_up_for_slavewait() {
    let config = of("UPSTYPE usb\nTIMEOUT 60\nSLAVEWAIT 40");
    let (alone, _) = rehearse(plan(&config, Story::Outage), None);
    let (told, _) = rehearse(Plan { slave: true, ..plan(&config, Story::Outage) }, None);
    assert_eq!((alone.second("doshutdown"), told.second("doshutdown")), (66, 106));
}

#[test]
fn the_end_of_the_shutdown_tells_the_ups_where_that_is_this_machines_to_do() {
    for (text, tells) in
        [("UPSTYPE usb", true), ("UPSTYPE net\nDEVICE master", false), ("UPSTYPE test", false)]
    {
        let config = of(&format!("{text}\nTIMEOUT 30"));
        let (told, _) = rehearse(plan(&config, Story::Outage), None);
        assert_eq!(told.lines.iter().any(|(_, what, _)| what == "killpower"), tells, "{text}");
        assert_eq!(told.lines.last().unwrap().0.as_secs(), 36 + 90);
    }
}
