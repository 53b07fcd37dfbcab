//! Evidence by samples: what drivers say of when something was read, and what becomes of copies.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::support::corpus::device::{device, devices};
use crate::support::corpus::fake::{Bench, FakeUps};
use crate::support::pcnet::{PHRASE, USER, Unit as PcnetUnit};
use crate::support::serial_ups::{self, Heard, healthy};
use crate::support::snmp::Unit as SnmpUnit;
use crate::support::{FakeTime, Setup};
use mainsd::bus::card::Event;
use mainsd::bus::datagram::{Event as Came, Socket, Transmit as Datagram};
use mainsd::bus::serial::{Lines, Transmit};
use mainsd::bus::stream::Transmit as NetTransmit;
use mainsd::link::dumb::{CABLES, DumbLink};
use mainsd::link::net::{NetLink, targets};
use mainsd::link::pcnet::{Card, PcnetLink, Settings};
use mainsd::link::simulated::{Script, Simulated};
use mainsd::link::{Link, LinkEvent};
use mainsd::power::Order;
use mainsd::ups::{Command, Event as UpsEvent, Item, PollRate, Reading, StatusFlags};

const SECOND: Duration = Duration::from_secs(1);

const DETACHED: &str = "Battery disconnected.";

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
    assert!(!orders.contains(&Order::Event(UpsEvent::BattDetach)), "{orders:?}");
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
                let flicker = (30.0..31.0).contains(&second) && (second * 4.0) as u64 % 2 == 0;
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
fn a_card_says_when_everything_was_read() {
    let start = Instant::now();
    let mut now = start;
    let mut unit = SnmpUnit::powernet();
    let settings = mainsd::link::snmp::Settings {
        device: mainsd::link::snmp::Device::parse("card").unwrap(),
        version: None,
        login: None,
        poll_time: 20 * SECOND,
        first_number: 1,
    };
    let mut link = mainsd::link::snmp::SnmpLink::new(settings, now);
    let card = std::net::IpAddr::from([10, 0, 0, 7]);
    let (mut answered, mut readings) = (BTreeSet::new(), Vec::new());
    while now < start + 100 * SECOND {
        now = link.poll_timeout().unwrap().max(now);
        link.handle_timeout(now);
        while let Some(transmit) = link.poll_transmit(now) {
            match transmit {
                Datagram::Open => link.handle_event(now, Came::Opened(vec![card])),
                Datagram::Send(request) => {
                    now += Duration::from_millis(20);
                    let Some(bytes) = unit.answer(&request) else { continue };
                    answered.insert(now);
                    let came = Came::Bytes { bytes, from: (card, 161).into(), socket: Socket::Peer };
                    link.handle_event(now, came);
                }
                other => panic!("{other:?}"),
            }
        }
        while let Some(event) = link.poll_event() {
            if let LinkEvent::Reading(reading) = event {
                readings.push(*reading);
            }
        }
    }
    check("snmp", &readings);
    let items =
        [Item::Line, Item::LowBattery, Item::Charge, Item::Runtime, Item::TransferCause, Item::SelfTest];
    for item in items {
        let told = times(&readings, item);
        assert!(!told.is_empty() && told.is_subset(&answered), "{item:?}");
    }
    // The status is asked for on its own, and says nothing of the rest.
    assert!(times(&readings, Item::Line).len() > 2 * times(&readings, Item::Charge).len());
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

#[test]
fn a_packet_of_a_card_says_when_everything_was_read() {
    let start = Instant::now();
    let (mut now, mut readings, mut came) = (start, Vec::new(), BTreeSet::new());
    let mut unit = PcnetUnit::new("10.0.0.1");
    let card = Card::new("10.0.0.1", (USER, PHRASE), 80);
    let mut link = PcnetLink::new(Settings { card: Some(card), port: 3052, counters: None }, now);
    for number in 0..20 {
        now += 5 * SECOND;
        unit.uptime += 500;
        unit.mains(number < 10);
        unit.say("66", &format!("{:05.1}", 100.0 - f64::from(number)));
        // Some packets say only a little.
        let values = unit.values.clone();
        let is_short = number % 3 == 2;
        if is_short {
            unit.values.retain(|(key, _)| key == "66" || key == "51");
        } else {
            came.insert(now);
        }
        let from = "10.0.0.1:9".parse().unwrap();
        link.handle_event(now, Event::Datagram { bytes: unit.packet(), from });
        unit.values = values;
        readings.extend(std::iter::from_fn(|| link.poll_event()).filter_map(|event| match event {
            LinkEvent::Reading(reading) => Some(*reading),
            _ => None,
        }));
    }
    check("pcnet", &readings);
    assert_eq!(times(&readings, Item::Runtime), came);
    assert_eq!(times(&readings, Item::Line).len(), 20);
}
