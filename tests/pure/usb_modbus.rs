//! A USB UPS that speaks HID and Modbus: HID guards, Modbus adds, and whatever becomes of Modbus hurts nothing.

use std::time::Duration;

use crate::support::both::{Both, Fate, SMART};
use crate::support::corpus::device::device;
use crate::support::corpus::fake::Bench;
use mainsd::bus::usb::TransferError;
use mainsd::link::{Link, LinkEvent};
use mainsd::ups::{
    Command, Item, PollRate, Reading, Setting, SettingValue, StatusFlags, Switch, TransferCause, Values,
    Volts,
};
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

/// The faults of Modbus that hold for ever.
fn faults() -> Vec<Fate> {
    vec![
        Fate::Silent,
        Fate::Wrong(0),
        Fate::Wrong(1),
        Fate::Wrong(2),
        Fate::Cut(0),
        Fate::Fails(TransferError::Stall),
        Fate::Fails(TransferError::Timeout),
        Fate::Fails(TransferError::Other),
        Fate::Hangs,
        Fate::Noise(vec![0xff; 63]),
        Fate::Noise(vec![1, 3, 250]),
        Fate::Noise(vec![]),
        Fate::Noise(vec![1, 0x83, 2]),
        Fate::Late(3 * SECOND),
    ]
}

/// What HID alone says of the same unit.
fn hid_alone() -> Reading {
    Bench::attached(device(SMART)).last_reading().clone()
}

/// The values that a reading has.
fn same_as_hid(reading: &Reading, hid: &Reading) {
    assert_eq!(reading.status, hid.status);
    assert_eq!(reading.values, hid.values);
}

#[test]
fn modbus_adds_what_hid_lacks_and_what_hid_says_stays() {
    let both = Both::attached(Fate::Answered);
    let (hid, reading) = (hid_alone(), both.last());
    assert_eq!((hid.values.line_voltage, hid.values.temperature), (None, None));
    assert_eq!(reading.values.line_voltage, Some(Volts(231.0)));
    assert!(reading.values.temperature.is_some() && reading.values.load.is_some());
    assert_eq!(reading.values.battery_charge, hid.values.battery_charge);
    assert_eq!(reading.values.runtime_left, hid.values.runtime_left);
    assert_eq!(reading.status, hid.status);
    let identity = both.identity().expect("attached");
    assert_eq!(identity.model.as_deref(), Some("Smart-UPS_3000 "), "that of HID");
    assert_eq!(identity.nominal_output_voltage, Some(230));
    assert_eq!(identity.serial.as_deref(), Some("AS1234567890"), "HID has none");
    assert_eq!(both.losses(), 0);
    assert_eq!(both.lines(), [""; 0]);
}

#[test]
fn with_upstype_modbus_its_values_come_first() {
    let mut both = Both::new(true);
    both.unit.battery(77, 1_234, false);
    both.open();
    both.run(10 * SECOND);
    assert_eq!(both.last().values.battery_charge, Some(mainsd::ups::Percent(77.0)));
    assert_eq!(both.identity().and_then(|it| it.model.as_deref()), Some("Smart-UPS 750"));
    assert!(both.last().status.contains(StatusFlags::ONLINE));
}

#[test]
fn a_ups_as_it_is_delivered_is_asked_twice_and_one_line_says_where_modbus_is_switched_on() {
    let mut both = Both::attached(Fate::Silent);
    both.run(3_600 * SECOND);
    assert_eq!(both.sent.len(), 2);
    same_as_hid(both.last(), &hid_alone());
    let lines = both.lines();
    assert!(lines.len() == 1 && lines[0].contains("Advanced Menu, Configuration, Modbus"), "{lines:?}");
    assert_eq!((both.losses(), both.reopened), (0, 0));
    // Plugged in again, at SIGHUP and when all is to be read it is asked again, and the line is not said again.
    both.close();
    both.run(SECOND);
    both.open();
    both.run(60 * SECOND);
    assert_eq!(both.sent.len(), 4);
    both.link.set_poll_time(60 * SECOND, both.now);
    both.run(60 * SECOND);
    assert_eq!(both.sent.len(), 6);
    both.link.command(Command::Poll, both.now);
    both.run(60 * SECOND);
    assert_eq!((both.sent.len(), both.lines().len()), (8, 1));
    // Switched on meanwhile.
    both.fate = Box::new(|| Fate::Answered);
    both.link.command(Command::Poll, both.now);
    both.run(10 * SECOND);
    assert_eq!(both.last().values.line_voltage, Some(Volts(231.0)));
    assert!(
        both.lines().last().is_some_and(|line| line.ends_with("answers by Modbus")),
        "{:?}",
        both.lines()
    );
}

#[test]
fn a_ups_without_the_two_usages_is_sent_nothing() {
    for modbus_first in [false, true] {
        let mut both = Both::new(modbus_first);
        both.ups = crate::support::corpus::fake::FakeUps::new(device("apc-back-ups-es-850g2"));
        both.open();
        both.run(1_000 * SECOND);
        assert!(both.identity().is_some() && both.sent.is_empty());
        assert_eq!(both.lines().len(), usize::from(modbus_first), "{:?}", both.lines());
    }
}

#[test]
fn whatever_modbus_does_hid_says_in_the_same_time_what_it_says_alone() {
    for fate in faults() {
        let mut both = Both::attached(fate.clone());
        let hid = hid_alone();
        same_as_hid(both.last(), &hid);
        both.run(100 * SECOND);
        assert_eq!((both.losses(), both.reopened), (0, 0), "{fate:?}");
        // An outage: at once with the report of the UPS, and by polls.
        both.hid_mains(false);
        let at = both.now;
        both.link.handle_event(at, mainsd::bus::usb::Event::Interrupt(&[0x07, 0x0a, 0x00]));
        both.run(SECOND);
        let readings = both.readings();
        let first = readings.iter().find(|(told, reading)| {
            *told >= at
                && reading.status.contains(StatusFlags::ONBATT)
                && !reading.status.contains(StatusFlags::ONLINE)
        });
        let (told, reading) = first.unwrap_or_else(|| panic!("{fate:?}: not seen"));
        assert!(*told - at < SECOND / 5, "{fate:?}");
        assert_eq!(reading.evidence, mainsd::ups::Evidence::AlertAndRead, "{fate:?}");
        both.link.set_poll_rate(PollRate::Fast, both.now);
        both.told.clear();
        both.run(20 * SECOND);
        let lines: std::collections::BTreeSet<_> =
            both.readings().iter().filter_map(|(_, reading)| reading.read.of(Item::Line)).collect();
        assert!(lines.len() >= 18, "{fate:?}: {} samples in 20 s", lines.len());
        assert_eq!(both.losses(), 0, "{fate:?}");
    }
}

#[test]
fn on_battery_by_modbus_has_hid_asked_every_second_and_is_no_outage_by_itself() {
    let mut both = Both::attached(Fate::Answered);
    both.unit.mains(false);
    both.run(12 * SECOND);
    let from = both.ups.requests.len();
    both.told.clear();
    both.run(10 * SECOND);
    let reads = both.ups.requests[from..].iter().filter(|(_, what)| what == "get 3 07").count();
    assert!(reads >= 9, "{reads} in 10 s");
    assert!(both.readings().iter().all(|(_, reading)| reading.status.contains(StatusFlags::ONLINE)));
    assert!(both.readings().iter().all(|(_, reading)| !reading.status.contains(StatusFlags::ONBATT)));
    // By HID too: the cause is Modbus's, with the time at which it was read there.
    both.hid_mains(false);
    both.run(3 * SECOND);
    let last = both.last();
    assert!(last.status.contains(StatusFlags::ONBATT));
    assert_eq!(last.values.transfer_cause, Some(TransferCause::LowLine));
    assert!(last.read.of(Item::TransferCause).is_some());
    both.unit.mains(true);
    both.hid_mains(true);
    both.run(5 * SECOND);
    let from = both.ups.requests.len();
    both.run(60 * SECOND);
    let reads = both.ups.requests[from..].iter().filter(|(_, what)| what == "get 3 07").count();
    assert!(reads <= 30, "slow again: {reads} a minute");
}

#[test]
fn on_battery_by_hid_has_modbus_asked_every_second() {
    let mut both = Both::attached(Fate::Answered);
    both.run(60 * SECOND);
    both.sent.clear();
    both.run(60 * SECOND);
    assert!(both.sent.len() < 15, "{} a minute on mains", both.sent.len());
    both.hid_mains(false);
    both.link.handle_event(both.now, mainsd::bus::usb::Event::Interrupt(&[0x07, 0x0a, 0x00]));
    both.run(SECOND);
    both.sent.clear();
    both.run(10 * SECOND);
    assert!(both.sent.len() >= 20, "{}", both.sent.len());
}

#[test]
fn what_modbus_has_said_is_gone_with_it_and_comes_back() {
    let mut both = Both::attached(Fate::Answered);
    both.fate = Box::new(|| Fate::Silent);
    both.run(120 * SECOND);
    same_as_hid(both.last(), &hid_alone());
    assert_eq!(both.losses(), 0);
    assert!(both.lines().len() == 1 && both.lines()[0].contains("no longer answers"), "{:?}", both.lines());
    both.sent.clear();
    both.run(600 * SECOND);
    assert!((10..=24).contains(&both.sent.len()), "twice a minute: {}", both.sent.len());
    both.fate = Box::new(|| Fate::Answered);
    both.run(120 * SECOND);
    assert_eq!(both.last().values.line_voltage, Some(Volts(231.0)));
    assert_eq!(both.lines().len(), 2);
}

#[test]
fn an_order_goes_by_hid_and_where_that_cannot_by_modbus() {
    let mut both = Both::attached(Fate::Answered);
    // The UPS has no HID report for a test.
    assert_eq!(both.command(Command::SelfTest), Ok("self test passed".to_owned()));
    // The cause is one that only Modbus says.
    assert!(both.command(Command::ReadTransferCause).is_err(), "nobody has said one yet");
    assert!(both.command(Command::Poll).is_ok());
    // Neither can.
    both.unit.refused = vec![1540, 1541, 1542, 1543];
    let why = both.command(Command::PowerOff).unwrap_err();
    assert!(why.contains("by HID: ") && why.contains("by Modbus: the UPS refuses it"), "{why}");
}

#[test]
fn what_hid_does_not_have_is_changed_by_modbus() {
    for modbus_first in [false, true] {
        let mut both = Both::new(modbus_first);
        both.fate = Box::new(|| Fate::Answered);
        both.open();
        both.run(30 * SECOND);
        let high = Command::Set(Setting::HighTransfer, SettingValue::Number(260));
        assert_eq!(both.command(high), Ok("written, and reads back the same".to_owned()));
        assert_eq!(both.identity().unwrap().high_transfer, Some(260));
        assert_eq!(both.command(Command::Outlets), Ok("1 on, disks\n2 on".to_owned()));
        let off = both.command(Command::Outlet(Switch::Off, 2));
        assert_eq!(off, Ok("the outlet group is off".to_owned()));
        // It comes by USB.
        assert!(both.unit.asked.contains(&(16, 1538, 1 << 2 | 1 << 10 | 1 << 12)));
        let why = both.command(Command::Outlet(Switch::Off, 3)).unwrap_err();
        assert!(why.contains("by Modbus: the UPS has no outlet group 3"), "{why}");
    }
}

#[test]
fn a_test_that_one_source_has_refused_is_not_ordered_by_the_other() {
    for modbus_first in [false, true] {
        let mut both = Both::new(modbus_first);
        both.fate = Box::new(|| Fate::Answered);
        both.open();
        both.run(30 * SECOND);
        both.unit.refused = vec![1541, 1542];
        both.ups.written.clear();
        for test in [Command::SelfTest, Command::Calibrate] {
            let why = both.command(test).unwrap_err();
            assert!(why.contains("the UPS refuses it") && !why.contains("by HID"), "{why}");
        }
        assert!(both.ups.written.is_empty());
    }
}

#[test]
fn with_upstype_modbus_an_order_waits_until_modbus_is_answered_or_not() {
    for (fate, by_modbus) in [(Fate::Answered, true), (Fate::Silent, false)] {
        let mut both = Both::new(true);
        let its = fate.clone();
        both.fate = Box::new(move || its.clone());
        both.open();
        while both.identity().is_none() {
            both.run(SECOND / 100);
        }
        let outcome = both.command(Command::KillPower);
        let written =
            both.unit.asked.iter().any(|(function, address, _)| (*function, *address) == (16, 1540));
        assert_eq!(written, by_modbus, "{outcome:?}");
        assert_eq!(both.ups.written.is_empty(), by_modbus, "{outcome:?}");
    }
}

#[test]
fn an_order_is_answered_whatever_becomes_of_the_device() {
    for modbus_first in [false, true] {
        for command in [Command::SelfTest, Command::KillPower, Command::ReadSelfTest, Command::Poll] {
            let mut both = Both::new(modbus_first);
            both.open();
            both.run(10 * SECOND);
            both.told.clear();
            both.link.command(command, both.now);
            both.close();
            both.run(5 * SECOND);
            let answers =
                both.told.iter().filter(|(_, event)| matches!(event, LinkEvent::Command(_))).count();
            assert_eq!(answers, 1, "{command:?} {modbus_first}: {:?}", both.told);
        }
    }
}

/// Whether the order to cut the power was written: by Modbus, by HID.
fn killed(both: &Both) -> (bool, bool) {
    let by_modbus = both.unit.asked.iter().any(|(function, address, _)| (*function, *address) == (16, 1540));
    (by_modbus, !both.ups.written.is_empty())
}

#[test]
fn an_order_to_cut_the_power_that_modbus_has_acknowledged_is_not_given_by_hid_too() {
    // Nothing is seen of it; or no answer comes any more.
    for is_silent in [false, true] {
        let mut both = Both::new(true);
        both.open();
        both.run(10 * SECOND);
        both.unit.idle = true;
        both.told.clear();
        both.link.command(Command::KillPower, both.now);
        while !killed(&both).0 {
            both.run(SECOND / 100);
        }
        // The acknowledgement is on its way.
        if is_silent {
            both.fate = Box::new(|| Fate::Silent);
        }
        both.run(60 * SECOND);
        let results = both.told.iter().filter(|(_, event)| matches!(event, LinkEvent::Command(_)));
        let results: Vec<_> = results.collect();
        assert_eq!(results.len(), 1, "{results:?}");
        let LinkEvent::Command(result) = &results[0].1 else { unreachable!() };
        assert!(result.outcome.is_err(), "{result:?}");
        assert_eq!(killed(&both), (true, false), "{is_silent}: {result:?}");
    }
    // Without an acknowledgement nobody knows, and the other way is taken too.
    let mut both = Both::new(true);
    both.open();
    both.run(10 * SECOND);
    both.fate = Box::new(|| Fate::Silent);
    assert!(both.command(Command::KillPower).is_ok());
    assert_eq!(killed(&both), (true, true));
}

#[test]
fn of_two_equal_orders_each_is_answered_once_and_their_places_are_free_again() {
    let results = |both: &Both| {
        let is_result = |event: &&(_, LinkEvent)| matches!(event.1, LinkEvent::Command(_));
        both.told.iter().filter(is_result).count()
    };
    // HID is refused what it writes, and whether Modbus is answered is not known yet.
    let mut both = Both::new(false);
    both.ups.refuses = (0..=u8::MAX).collect();
    both.fate = Box::new(|| Fate::Silent);
    for round in 0..20 {
        both.open();
        while both.identity().is_none() {
            both.run(SECOND / 100);
        }
        both.told.clear();
        both.link.command(Command::KillPower, both.now);
        both.link.command(Command::KillPower, both.now);
        both.run(60 * SECOND);
        assert_eq!(results(&both), 2, "round {round}: {:?}", both.told);
        let words = format!("{:?}", both.told);
        assert!(!words.contains("too many"), "round {round}: {words}");
        both.told.clear();
    }
}

#[test]
fn a_report_that_carries_modbus_and_what_hid_says_is_heard_by_both() {
    let mut both = Both::new(false);
    // The answers come in report 7, behind the state of the UPS.
    let carries = [0x06, 0x86, 0xff, 0x85, 0x89, 0x09, 0xfd];
    for descriptor in [&mut both.ups.descriptor, &mut both.ups.info.report_descriptor] {
        let at = descriptor.windows(carries.len()).position(|bytes| bytes == carries).unwrap();
        descriptor[at + 4] = 0x07;
    }
    both.fate = Box::new(|| Fate::Silent);
    both.open();
    both.run(20 * SECOND);
    assert!(!both.sent.is_empty(), "it is asked by Modbus");
    both.hid_mains(false);
    let at = both.now;
    let mut report = vec![0; 66];
    report[..2].copy_from_slice(&[0x07, 0x0a]);
    both.link.handle_event(at, mainsd::bus::usb::Event::Interrupt(&report));
    both.run(SECOND / 5);
    let readings = both.readings();
    let heard = readings.iter().any(|(told, it)| *told >= at && it.status.contains(StatusFlags::ONBATT));
    assert!(heard, "an outage that the UPS has told of");
}

#[test]
fn a_charge_of_modbus_that_makes_no_sense_hides_none_of_hid_for_long() {
    let charge = |both: &Both| both.last().values.battery_charge.map(|it| it.0);
    let mut both = Both::new(true);
    both.unit.battery(77, 1_234, false);
    both.open();
    both.run(10 * SECOND);
    let by_hid = hid_alone().values.battery_charge.map(|it| it.0);
    assert!(charge(&both) == Some(77.0) && by_hid.is_some_and(|it| it > 90.0), "{by_hid:?}");
    both.unit.battery(120, 1_234, false);
    both.link.set_poll_rate(PollRate::Fast, both.now);
    both.run(30 * SECOND);
    assert_eq!(charge(&both), by_hid);
    let (told, last) = both.readings().pop().unwrap();
    assert!(last.read.of(Item::Charge).is_some_and(|at| told - at < 5 * SECOND));
    assert_eq!(last.values.runtime_left, Some(mainsd::ups::Minutes(20.0)), "that of Modbus, which is fresh");
    both.unit.battery(76, 1_234, false);
    both.run(3 * SECOND);
    assert_eq!(charge(&both), Some(76.0));
    // What was read in turn is none the staler for that.
    both.link.set_poll_rate(PollRate::Normal, both.now);
    both.told.clear();
    both.run(1_000 * SECOND);
    assert!(
        both.readings().iter().all(|(_, it)| it.values.battery_charge == Some(mainsd::ups::Percent(76.0)))
    );
}

fn fates() -> impl Strategy<Value = Fate> {
    let faults = faults();
    prop_oneof![
        8 => Just(Fate::Answered),
        1 => (0_usize..63).prop_map(Fate::Wrong),
        1 => (0_usize..3).prop_map(Fate::Cut),
        2 => (100_u64..4_000).prop_map(|late| Fate::Late(Duration::from_millis(late))),
        2 => proptest::sample::select(faults).prop_filter("for ever", |fate| !matches!(fate, Fate::Hangs)),
        1 => proptest::collection::vec(proptest::num::u8::ANY, 0..63).prop_map(Fate::Noise),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn each_sample_has_the_time_of_an_answer_and_no_fault_of_modbus_is_a_loss(
        fates in proptest::collection::vec(fates(), 1..40),
        modbus_first in proptest::bool::ANY,
    ) {
        let mut both = Both::new(modbus_first);
        let mut next = fates.into_iter().cycle();
        both.fate = Box::new(move || next.next().unwrap_or(Fate::Answered));
        both.open();
        both.run(10 * SECOND);
        both.hid_mains(false);
        both.unit.mains(false);
        both.link.set_poll_rate(PollRate::Fast, both.now);
        both.run(30 * SECOND);
        both.link.set_poll_time(10 * SECOND, both.now);
        both.run(30 * SECOND);
        prop_assert!(both.losses() == 0 && both.reopened == 0);
        prop_assert!(both.last().status.contains(StatusFlags::ONBATT));
        for (told, reading) in both.readings() {
            for item in Item::ALL {
                let at = reading.read.of(item);
                prop_assert!(at.is_none_or(|at| at <= told && both.arrivals.contains(&at)), "{item:?}");
                prop_assert!(at.is_none() || reading.states(item), "{item:?}");
            }
        }
    }
}

/// Values come from one of the two whole, so a new one of them must be in the merge.
#[test]
fn every_value_is_taken_from_modbus_where_hid_lacks_it() {
    let all = format!("{:?}", Values::default());
    let merge = include_str!("../../src/link/usb_modbus/merge.rs");
    for name in all.split(['{', ',']).filter_map(|part| part.trim().split_once(": None").map(|it| it.0)) {
        assert!(merge.contains(name), "{name}");
    }
}
