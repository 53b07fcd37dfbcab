//! Evidence by samples: what drivers say of when something was read, what becomes of copies, and stories of what UPSes said
//! during self tests, played to the whole daemon in fake time.
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::support::corpus::device::{device, devices};
use crate::support::corpus::fake::{Bench, FakeUps};
use crate::support::serial_ups::{self, Heard, healthy};
use crate::support::story::Story;
use crate::support::{FakeTime, Setup, TIMEOUT};
use mainsd::bus::serial::{Lines, Transmit};
use mainsd::bus::stream::Transmit as NetTransmit;
use mainsd::link::dumb::{CABLES, DumbLink};
use mainsd::link::net::{NetLink, targets};
use mainsd::link::simulated::{Script, Simulated};
use mainsd::link::{Link, LinkEvent};
use mainsd::power::Order;
use mainsd::ups::{Command, Event, Item, PollRate, Reading, StatusFlags};

const SECOND: Duration = Duration::from_secs(1);

const POWEROUT: &str = "Power failure.";
const ONBATTERY: &str = "Running on UPS batteries.";
const OFFBATTERY: &str = "Mains returned. No longer on UPS batteries.";
const MAINSBACK: &str = "Power is back. UPS running on mains.";
const TESTING: &str = "UPS Self Test switch to battery.";
const PASSED: &str = "UPS Self Test completed: Battery OK";
const IN_PROGRESS: &str = "UPS Self Test completed: In progress";
const LOADLIMIT: &str = "Battery charge below low limit.";
const SHUTDOWN: &str = "Initiating system shutdown!";
const DETACHED: &str = "Battery disconnected.";

// Stories.

fn deep_test() -> Story {
    Story::named("st5.json", "N2-rs1000-deeptest-cause-first")
}

fn late_cause() -> Story {
    Story::named("st5.json", "N3-rs1000-cause-lags-150ms")
}

#[test]
fn a_deep_self_test_of_minutes_with_mains_present_is_no_outage() {
    deep_test().play(&[]).assert_events(&[(2.05, TESTING)]);
    // And it ends like one.
    let to_its_end = deep_test().with(&[
        (900.0, "set ff86:60 8"),
        (900.1, "set 85:45 0"),
        (900.2, "set 84:58 1"),
        (910.0, "charge 24"),
    ]);
    let played = to_its_end.play(&[]);
    played.assert_events(&[(2.05, TESTING), (900.0, PASSED)]);
    assert_eq!(played.status.get("SELFTEST"), Some("OK"));
}

#[test]
fn an_outage_in_the_midst_of_a_deep_self_test_is_one_within_seconds() {
    let outage = deep_test().with(&[(30.0, "fail"), (35.0, "charge 45"), (40.0, "charge 30")]);
    let events: [(f64, &str); 4] = [(2.05, TESTING), (30.0, ONBATTERY), (45.0, LOADLIMIT), (45.0, SHUTDOWN)];
    let played = outage.play(&[]);
    played.assert_events(&events);
    assert!(
        played.log.iter().any(|(_, line)| line.starts_with("Taken for a power failure, not for a test: ")),
        "{:?}",
        played.log
    );
    // ACPresent alone.
    let outage = deep_test().with(&[(30.0, "set 85:d0 0"), (35.0, "charge 45"), (40.0, "charge 30")]);
    outage.play(&[]).assert_events(&events);
}

#[test]
fn a_ups_that_says_for_hours_that_it_tests_itself_has_forty_seconds() {
    let story = deep_test().without("85:45").without("ff86:60").without("charge").with(&[
        (7300.0, "set ff86:60 0x10"),
        (7330.0, "charge 20"),
        (7400.0, "charge 19"),
    ]);
    // The cause is the one from before, so it takes a second to take it for this transfer's.
    story.play(&[("POLLTIME", "60")]).assert_events(&[
        (7301.0, TESTING),
        (7340.0, ONBATTERY),
        (7345.0, LOADLIMIT),
        (7345.0, SHUTDOWN),
    ]);
}

#[test]
fn a_self_test_whose_cause_comes_late_is_announced_as_one_and_as_nothing_else() {
    late_cause().play(&[]).assert_events(&[(2.0, TESTING)]);
    for milliseconds in [50, 100, 150, 200, 400, 800] {
        // Without the test in progress, which says the same in its way.
        let at = 2.0 + f64::from(milliseconds) / 1000.0;
        let story = late_cause().without("ff86:52").without("84:58").with(&[(at, "set ff86:52 12")]);
        let played = story.until(20.0).play(&[]);
        played.assert_events(&[(2.0, TESTING), (10.0, "UPS Self Test completed: No test results available")]);
    }
}

#[test]
fn a_self_test_whose_cause_comes_after_powerout_is_no_outage_on_battery() {
    let story = late_cause().without("ff86:52").without("84:58").with(&[(4.5, "set ff86:52 12")]);
    story.until(20.0).play(&[("TIMEOUT", "5")]).assert_events(&[(3.0, POWEROUT), (10.0, MAINSBACK)]);
}

#[test]
fn an_outage_is_announced_as_quickly_as_ever_the_second_time_too() {
    // The cause is the same both times, and nobody knows whether the UPS has renewed it.
    let story = late_cause().without("set").with(&[
        (2.0, "fail"),
        (20.0, "restore"),
        (100.0, "fail"),
        (110.0, "restore"),
        (120.0, "charge 99"),
    ]);
    let played = story.play(&[]);
    let at = |text: &str| {
        played.log.iter().filter(|(_, line)| line == text).map(|(at, _)| *at).collect::<Vec<_>>()
    };
    let powerouts = at(POWEROUT);
    assert_eq!(powerouts.len(), 2, "{:?}", played.log);
    assert!(powerouts[0] < 2.1 && powerouts[1] < 100.1, "{powerouts:?}");
    played.assert_events(&[
        (2.0, POWEROUT),
        (8.0, ONBATTERY),
        (20.0, OFFBATTERY),
        (20.0, MAINSBACK),
        (100.0, POWEROUT),
        (106.0, ONBATTERY),
        (110.0, OFFBATTERY),
        (110.0, MAINSBACK),
    ]);
}

#[test]
fn a_self_test_told_bit_by_bit_is_one_and_ends_with_its_result() {
    let played = Story::named("st4.json", "N-rs1000-deeptest-flag").play(&[]);
    played.assert_events(&[(2.0, TESTING), (50.0, PASSED)]);
    assert_eq!(played.status.get("SELFTEST"), Some("OK"));
}

#[test]
fn a_result_that_comes_minutes_after_the_test_is_shown_all_the_same() {
    let story = late_cause().until(100.0).with(&[(60.0, "set 84:58 1")]);
    let played = story.play(&[]);
    played.assert_events(&[(2.0, TESTING), (15.0, IN_PROGRESS)]);
    assert_eq!(played.status.get("SELFTEST"), Some("OK"));
}

#[test]
fn a_self_test_seen_only_by_its_result_ends_with_it() {
    for (file, title) in
        [("st4.json", "M-rs1000-deeptest-usbcycle"), ("st7.json", "Q-selftest-in-progress-at-start")]
    {
        for silently in [false, true] {
            let story = Story::named(file, title);
            let story = if silently { story.after("noinput 1") } else { story };
            let played = story.play(&[("POLLTIME", "20")]);
            played.assert_events(&[]);
            assert_eq!(played.status.get("SELFTEST"), Some("OK"), "{title}, silent: {silently}");
        }
    }
}

// Copies.

#[test]
fn one_garbled_register_of_a_serial_ups_is_no_detached_battery() {
    let setup = Setup::new("apcsmart").with("DEVICE", "/dev/ttyS9").with("POLLTIME", "60");
    let mut garbled = false;
    let mut daemon = FakeTime::start_with(&setup, 0.0, |config, now| {
        let answer = move |query, second: f64| {
            // Once, in the poll of the second minute.
            if query == b'\'' && second > 60.0 && !std::mem::replace(&mut garbled, true) {
                return "20".to_owned();
            }
            // And the status byte changes without meaning anything, so that readings are told between the polls.
            if query == b'Q' && second > 60.0 { "0A".to_owned() } else { healthy(query, false) }
        };
        serial_ups::driver(config.poll_time, now, answer, Rc::default())
    });
    daemon.run_to(200.0);
    let lines: Vec<&String> = daemon.log.iter().map(|(_, line)| line).collect();
    assert!(!lines.iter().any(|line| *line == DETACHED), "{lines:?}");
    assert!(daemon.status().is("STATUS", "TRIM ONLINE"), "{}", daemon.status().text());
}

#[test]
fn a_battery_that_is_gone_is_told_by_two_answers_of_a_serial_ups() {
    let setup = Setup::new("apcsmart").with("DEVICE", "/dev/ttyS9").with("POLLTIME", "60");
    let mut daemon = FakeTime::start_with(&setup, 0.0, |config, now| {
        let answer = |query, second: f64| {
            if query == b'\'' && second > 60.0 { "20".to_owned() } else { healthy(query, false) }
        };
        serial_ups::driver(config.poll_time, now, answer, Rc::default())
    });
    daemon.run_to(200.0);
    let told: Vec<f64> = daemon.log.iter().filter(|(_, line)| line == DETACHED).map(|(at, _)| *at).collect();
    assert!(told.len() == 1 && (60.0..70.0).contains(&told[0]), "{:?}", daemon.log);
}

#[test]
fn a_usb_report_that_fails_after_one_garbled_answer_takes_no_battery_away() {
    let mut bench = Bench::attached(device("apc-back-ups-xs-1500m"));
    assert!(bench.last_reading().status.contains(StatusFlags::BATTPRESENT));
    bench.set_poll_rate(PollRate::Fast);
    let status =
        bench.ups.reports.keys().copied().filter(|(kind, id)| *kind == 3 && *id == 0x16).collect::<Vec<_>>();
    assert_eq!(status, [(3, 0x16)]);
    // One answer without a bit but AC present, then none at all for two polls: its bytes are kept, but they are one sample.
    bench.ups.feature(&[0x16, 0x04, 0, 0, 0]);
    bench.events.clear();
    bench.run(SECOND);
    bench.ups.reports.remove(&(3, 0x16));
    bench.run(3 * SECOND);
    assert!(bench.readings().len() >= 3);
    let (believed, orders) = bench.believed();
    assert!(believed.iter().all(|after| after.flags.contains(StatusFlags::BATTPRESENT)), "{believed:?}");
    assert!(!orders.contains(&Order::Event(Event::BattDetach)), "{orders:?}");
}

// Drivers.

/// What each reading must be: every item that it states has a time, a copy keeps it, and another value has another.
fn check(driver: &str, readings: &[Reading]) {
    assert!(readings.len() > 3, "{driver}: {} readings", readings.len());
    let value = |reading: &Reading, item: Item| {
        let status = |bits: StatusFlags| format!("{:?}", reading.status & bits);
        match item {
            Item::Line => status(StatusFlags::ONLINE | StatusFlags::ONBATT),
            Item::LowBattery => status(StatusFlags::BATTLOW),
            Item::ReplaceBattery => status(StatusFlags::REPLACEBATT),
            Item::BatteryPresent => status(StatusFlags::BATTPRESENT),
            Item::Calibration => status(StatusFlags::CALIBRATION),
            Item::Mains => format!("{:?}", reading.mains),
            Item::Charge => format!("{:?}", reading.values.battery_charge),
            Item::Runtime => format!("{:?}", reading.values.runtime_left),
            Item::LineVoltage => format!("{:?}", reading.values.line_voltage),
            Item::TransferCause => format!("{:?}", reading.values.transfer_cause),
            Item::SelfTest => format!("{:?}", reading.values.self_test),
        }
    };
    for item in Item::ALL {
        let mut before: Option<&Reading> = None;
        for reading in readings {
            let at = reading.read.of(item);
            // A flag that is not set may be one that the UPS does not have, and a battery is there until it says otherwise.
            let neutral = match item {
                Item::LowBattery => !reading.status.contains(StatusFlags::BATTLOW),
                Item::ReplaceBattery => !reading.status.contains(StatusFlags::REPLACEBATT),
                Item::Calibration => !reading.status.contains(StatusFlags::CALIBRATION),
                Item::BatteryPresent => reading.status.contains(StatusFlags::BATTPRESENT),
                _ => false,
            };
            if reading.states(item) && !neutral {
                assert!(at.is_some(), "{driver}: {item:?} without a time: {reading:?}");
            }
            assert!(at <= Some(reading.at), "{driver}: {item:?} from the future: {reading:?}");
            if let Some(last) = before {
                let last_at = last.read.of(item);
                assert!(at.is_none() || at >= last_at, "{driver}: {item:?} goes back: {last:?} {reading:?}");
                let changed = value(last, item) != value(reading, item);
                assert!(
                    !changed || at != last_at,
                    "{driver}: {item:?} changed without being read: {last:?} {reading:?}"
                );
            }
            before = Some(reading);
        }
    }
}

/// The times of an item are those of answers, and of each of them once at most.
fn times(readings: &[Reading], item: Item) -> BTreeSet<Instant> {
    readings.iter().filter_map(|reading| reading.read.of(item)).collect()
}

#[test]
fn a_usb_ups_says_when_everything_was_read() {
    for device in devices().iter().filter(|device| !device.is("no-line-state")) {
        let mut ups = FakeUps::new(device);
        ups.add_line_state();
        let mut bench = Bench::new(ups);
        bench.open();
        bench.run(20 * SECOND);
        bench.push_all();
        bench.run(200 * SECOND);
        bench.set_poll_rate(PollRate::Fast);
        bench.run(20 * SECOND);
        for command in [Command::ReadTransferCause, Command::ReadSelfTest, Command::Poll] {
            bench.link.command(command, bench.now);
            bench.run(3 * SECOND);
        }
        let readings: Vec<Reading> = bench.readings().into_iter().cloned().collect();
        check(&device.file, &readings);
        // Each time is that of the end of a transfer; of a device that can be read.
        let ends: BTreeSet<Instant> = bench.starts.iter().map(|at| *at + Duration::from_millis(2)).collect();
        if device.file.starts_with("hid-pdc") {
            continue;
        }
        for item in Item::ALL {
            let told = times(&readings, item);
            assert!(told.is_subset(&ends), "{}: {item:?} was not read then", device.file);
        }
        // On battery charge is read every second, and in between nothing else is as fresh as the status.
        let (line, volts) = (times(&readings, Item::Line).len(), times(&readings, Item::LineVoltage).len());
        assert!(volts <= line, "{}: {volts} {line}", device.file);
    }
}

#[test]
fn a_usb_device_that_only_sends_says_when_it_sent() {
    let mut bench = Bench::only_sending();
    bench.set_poll_rate(PollRate::Fast);
    bench.run(2 * SECOND);
    bench.events.clear();
    // On battery, once; then nothing more.
    let sent = bench.now;
    bench.interrupt(&[0x07, 0x0a, 0x00]);
    bench.run(20 * SECOND);
    let readings: Vec<Reading> = bench.readings().into_iter().cloned().collect();
    check("hid-pdc-minimal-rp2040", &readings);
    let battery: Vec<&Reading> =
        readings.iter().filter(|reading| reading.status.contains(StatusFlags::ONBATT)).collect();
    // It would have sent a change, so what stands for five seconds counts anew with each look.
    let first = battery[0].read.of(Item::Line).unwrap();
    assert!((5 * SECOND..8 * SECOND).contains(&(first - sent)), "{:?}", first - sent);
    let counted: BTreeSet<_> = battery.iter().map(|reading| reading.read.of(Item::Line)).collect();
    assert!(counted.len() >= 10, "{counted:?}");
}

#[test]
fn a_serial_ups_says_when_everything_was_read() {
    let heard: Rc<RefCell<Heard>> = Rc::default();
    let setup = Setup::new("apcsmart").with("DEVICE", "/dev/ttyS9").with("POLLTIME", "20");
    let mut daemon = FakeTime::start_with(&setup, 0.0, |config, now| {
        let answer = |query, second: f64| healthy(query, (100.0..130.0).contains(&second));
        serial_ups::driver(config.poll_time, now, answer, Rc::clone(&heard))
    });
    daemon.run_to(200.0);
    let heard = heard.borrow();
    check("apcsmart", &heard.readings);
    let answers = |queries: &[u8]| -> BTreeSet<Instant> {
        heard.answers.iter().filter(|(_, query)| queries.contains(query)).map(|(at, _)| *at).collect()
    };
    for (item, query) in [
        (Item::Line, b'Q'),
        (Item::LowBattery, b'Q'),
        (Item::ReplaceBattery, b'Q'),
        (Item::Calibration, b'Q'),
        (Item::BatteryPresent, b'\''),
        (Item::Charge, b'f'),
        (Item::Runtime, b'j'),
        (Item::LineVoltage, b'L'),
        (Item::Mains, b'L'),
        (Item::TransferCause, b'G'),
        (Item::SelfTest, b'X'),
    ] {
        let told = times(&heard.readings, item);
        assert!(!told.is_empty() && told.is_subset(&answers(&[query])), "{item:?} was not read then");
    }
    // The status byte is asked for on its own, and says nothing of the rest.
    let copies = heard.readings.windows(2).filter(|pair| {
        pair[0].read.of(Item::Line) != pair[1].read.of(Item::Line)
            && pair[0].read.of(Item::Charge) == pair[1].read.of(Item::Charge)
    });
    assert!(copies.count() > 0);
}

#[test]
fn a_ups_with_simple_signalling_says_when_its_lines_were_looked_at() {
    let start = Instant::now();
    let mut now = start;
    let mut link = DumbLink::new(&CABLES[0], "ttyS9", 5 * SECOND);
    link.handle_opened(now);
    link.set_poll_rate(PollRate::Fast, start);
    let (mut looks, mut readings) = (BTreeSet::new(), Vec::new());
    while now < start + 60 * SECOND {
        now = link.poll_timeout().expect("a deadline").max(now);
        while let Some(transmit) = link.poll_transmit(now) {
            if transmit == Transmit::Look {
                let second = (now - start).as_secs_f64();
                // On battery from 20 s on, a low battery that flickers from 30 s on.
                let flicker = (30.0..31.0).contains(&second) && ((second * 4.0) as u64).is_multiple_of(2);
                let low = flicker || second >= 40.0;
                let lines = if second >= 20.0 { Lines::CTS.bits() } else { 0 }
                    | if low { !Lines::CTS.bits() } else { 0 };
                looks.insert(now);
                link.handle_lines(now, Some(Lines::from_bits_retain(lines)));
            }
        }
        while let Some(event) = link.poll_event() {
            if let LinkEvent::Reading(reading) = event {
                readings.push(*reading);
            }
        }
    }
    check("dumb", &readings);
    for item in [Item::Line, Item::LowBattery] {
        assert!(times(&readings, item).is_subset(&looks), "{item:?}");
    }
    assert!(times(&readings, Item::Line).len() > times(&readings, Item::LowBattery).len(), "it flickered");
}

#[test]
fn a_masters_answer_is_one_sample_of_what_it_believes() {
    let answers: [&[u8]; 2] = [
        include_bytes!("../captures/nis/status-apcsmart-online.bin"),
        include_bytes!("../captures/nis/status-apcsmart-onbatt.bin"),
    ];
    let start = Instant::now();
    let mut now = start;
    let mut link = NetLink::new(targets("master", 3551), 5 * SECOND, now);
    let (mut answered, mut readings) = (BTreeSet::new(), Vec::new());
    while now < start + 100 * SECOND {
        now = link.poll_timeout().unwrap().max(now);
        link.handle_timeout(now);
        while let Some(transmit) = link.poll_transmit(now) {
            match transmit {
                NetTransmit::Connect { .. } => link.handle_connected(now),
                NetTransmit::Send(request) => {
                    now += Duration::from_millis(20);
                    if request.ends_with(b"watch") {
                        link.handle_bytes(now, b"\x00\x10Invalid command\n\x00\x00");
                    } else {
                        answered.insert(now);
                        link.handle_bytes(now, answers[usize::from(now > start + 50 * SECOND)]);
                    }
                }
                NetTransmit::Close => {}
            }
        }
        while let Some(event) = link.poll_event() {
            if let LinkEvent::Reading(reading) = event {
                readings.push(*reading);
            }
        }
    }
    check("net", &readings);
    for item in [Item::Line, Item::Charge, Item::Runtime, Item::LineVoltage, Item::TransferCause] {
        assert_eq!(times(&readings, item), answered, "{item:?}");
    }
}

#[test]
fn a_simulated_ups_says_when_everything_was_read() {
    let script =
        Script::parse("10 selftest 8 passed\n30 mains off\n50 lowbatt on\n60 mains on\n70 replace on")
            .unwrap();
    let start = Instant::now();
    let mut link = Simulated::new(script, 5 * SECOND, start);
    let (mut now, mut readings) = (start, Vec::new());
    while now < start + 100 * SECOND {
        link.handle_timeout(now);
        while let Some(event) = link.poll_event() {
            if let LinkEvent::Reading(reading) = event {
                readings.push(*reading);
            }
        }
        now = link.poll_timeout().unwrap().max(now + Duration::from_millis(1));
    }
    check("test", &readings);
    let told: BTreeSet<Instant> = readings.iter().map(|reading| reading.at).collect();
    for item in Item::ALL {
        assert_eq!(times(&readings, item), told, "{item:?}");
    }
}

// A runtime without a unit.

const RUNLIMIT: &str = "Reached remaining time percentage limit on batteries.";

#[test]
fn thirty_six_minutes_without_a_unit_are_no_thirty_six_seconds() {
    let outage = Story::named("units.json", "gxt5-outage");
    let played = outage.play(&[]);
    let events = [(3.0, POWEROUT), (9.0, ONBATTERY), (51.0, OFFBATTERY), (51.0, MAINSBACK)];
    played.assert_events(&events);
    assert_eq!(played.status.get("TIMELEFT"), Some("36.0 Minutes"));
    assert_eq!(
        played.status.get("STATUS"),
        Some("ONLINE"),
        "battery present says one report, missing the other"
    );
    // The last minutes do end it.
    let ends = outage.without("restore").with(&[
        (40.0, "set 85:68 6"),
        (70.0, "set 85:68 5"),
        (90.0, "set 85:66 50"),
    ]);
    ends.play(&[]).assert_events(&[(3.0, POWEROUT), (9.0, ONBATTERY), (75.0, RUNLIMIT), (75.0, SHUTDOWN)]);
}

#[test]
fn a_daemon_that_begins_on_battery_does_not_judge_a_runtime_before_it_knows_its_unit() {
    let story = Story::named("units.json", "gxt5-begins-on-battery");
    let played = story.play(&[]);
    let shut_down = |line: &&(f64, String)| line.1 == SHUTDOWN;
    assert!(!played.log.iter().any(|line| shut_down(&line)), "{:#?}", played.log);
    assert!(
        played.log.iter().any(|(_, line)| line.contains("MINUTES not judged")),
        "the log says so: {:#?}",
        played.log
    );
    // The charge is judged all the while.
    let played = story.with(&[(5.0, "charge 15")]).play(&[]);
    assert!(played.log.iter().any(|(_, line)| line == LOADLIMIT), "{:#?}", played.log);
}

#[test]
fn seconds_without_a_unit_end_an_outage_at_their_limit() {
    let story = Story::named("units.json", "seconds-without-a-unit");
    story.play(&[]).assert_events(&[(3.0, POWEROUT), (9.0, ONBATTERY), (15.0, RUNLIMIT), (15.0, SHUTDOWN)]);
}

// The reason first.

/// The hook of an event finds the line that says why, also while slaves are waited for before the shutdown.
#[test]
fn a_hook_finds_the_reason_of_its_event_in_the_events_file() {
    let hook = r#"
dir=$(dirname "$0")/..
case $1 in
timeout) grep -q "Shutdown because TIMEOUT is over" "$dir/events" && echo "found-timeout" > "$dir/hooks" ;;
doshutdown) grep -q "Initiating system shutdown!" "$dir/events" && echo "found-doshutdown" > "$dir/hooks" ;;
commfailure) grep -q "No answer from the UPS: " "$dir/events" && echo "found-commfailure" > "$dir/hooks" ;;
esac"#;
    let setup = Setup::new("test").hook(hook).with("TIMEOUT", "1").with("SLAVEWAIT", "3");
    let daemon = crate::support::play("2 mains off\n8 silent\n", setup);
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    // A slave that stays, so that the shutdown waits for it.
    let mut slave = daemon.nis();
    slave.request(b"watch").expect("sent");
    for found in ["found-timeout", "found-doshutdown", "found-commfailure"] {
        daemon.wait_for_hook(found, TIMEOUT);
    }
}
