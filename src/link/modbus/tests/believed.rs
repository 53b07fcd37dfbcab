//! What the power machine believes of it.

use super::*;
use crate::power::tests::settings;
use crate::power::{AtStart, Machine, Order};
use crate::ups::{Event, LowBatteryFlag};

/// A UPS, its link, and the machine.
struct Watched {
    bench: Bench,
    machine: Machine,
    taken: usize,
    events: Vec<(u64, Event)>,
}

impl Watched {
    fn new(bench: Bench, flag: LowBatteryFlag) -> Self {
        let mut settings = settings();
        settings.low_battery_flag = flag;
        let machine = Machine::new(settings, bench.now, AtStart::default());
        Self { bench, machine, taken: 0, events: Vec::new() }
    }

    fn run(&mut self, time: Duration) {
        let end = self.bench.now + time;
        while self.bench.now < end {
            self.bench.run(SECOND / 50);
            let now = self.bench.now;
            while let Some((_, event)) = self.bench.told.get(self.taken) {
                match event {
                    LinkEvent::Attached(_) => self.machine.handle_attached(now),
                    LinkEvent::Reading(reading) => _ = self.machine.handle_reading(now, reading),
                    LinkEvent::Lost { reason } => self.machine.handle_lost(now, reason),
                    LinkEvent::Command(result) => self.machine.handle_command_result(now, result),
                    _ => {}
                }
                self.taken += 1;
            }
            self.machine.handle_timeout(now);
            while let Some(order) = self.machine.poll_order() {
                match order {
                    Order::SetPace(rate) => self.bench.link.set_poll_rate(rate, now),
                    Order::Command(command) => self.bench.link.command(command, now),
                    Order::Event(event) | Order::EventWithReason(event, _) | Order::Hook(event) => {
                        let at = now.duration_since(self.bench.start).as_secs();
                        self.events.push((at, event));
                    }
                    _ => {}
                }
            }
        }
    }

    fn is_decided(&self) -> bool {
        [Event::Failing, Event::LoadLimit, Event::RunLimit, Event::Timeout]
            .into_iter()
            .any(|event| self.has(event))
    }

    fn has(&self, event: Event) -> bool {
        self.events.iter().any(|(_, it)| *it == event)
    }
}

fn test(unit: &mut Unit, cause_at_once: bool) {
    unit.set32(0, 1 << 2 | 1 << 7);
    if cause_at_once {
        unit.registers.insert(2, 9);
        unit.registers.insert(23, 1 << 1 | 1 << 8);
    }
}

#[test]
fn a_self_test_is_no_power_failure_whatever_its_cause_said_before_and_how_late_it_says_it() {
    for before in [None, Some(2), Some(9)] {
        for late in [false, true] {
            for offset in 0..5 {
                let mut watched = Watched::new(Bench::new(), LowBatteryFlag::Confirm);
                watched.run(5 * SECOND);
                if let Some(cause) = before {
                    watched.bench.unit.mains(false);
                    watched.bench.unit.registers.insert(2, cause);
                    watched.run(20 * SECOND);
                    watched.bench.unit.mains(true);
                    watched.run(60 * SECOND);
                }
                watched.run(SECOND / 5 * offset);
                watched.events.clear();
                test(&mut watched.bench.unit, !late);
                watched.run(SECOND / 2);
                test(&mut watched.bench.unit, true);
                watched.bench.unit.battery(60, 900, false);
                watched.run(12 * SECOND);
                watched.bench.unit.mains(true);
                watched.bench.unit.registers.insert(23, 1 << 2 | 1 << 8);
                watched.run(60 * SECOND);
                let said = format!("{before:?} {late} {offset}: {:?}", watched.events);
                assert!(!watched.has(Event::OnBattery) && !watched.is_decided(), "{said}");
                assert!(watched.has(Event::StartSelfTest) && watched.has(Event::EndSelfTest), "{said}");
                assert!(!watched.has(Event::PowerOut), "{said}");
            }
        }
    }
}

#[test]
fn a_calibration_of_an_hour_is_no_power_failure_and_an_outage_in_it_is_one() {
    for fails in [false, true] {
        let mut watched = Watched::new(Bench::new(), LowBatteryFlag::Ups);
        watched.run(5 * SECOND);
        watched.bench.unit.set32(0, 1 << 2 | 1 << 7);
        watched.bench.unit.registers.insert(24, 1 << 1 | 1 << 6);
        watched.bench.unit.registers.insert(2, 9);
        for minute in 0..30_u16 {
            watched.bench.unit.battery(100 - 2 * minute, u32::from(3_600 - 60 * minute), false);
            watched.run(60 * SECOND);
        }
        assert!(!watched.has(Event::OnBattery) && !watched.has(Event::PowerOut), "{:?}", watched.events);
        if fails {
            watched.bench.unit.mains(false);
            watched.bench.unit.registers.insert(24, 1 << 5 | 1 << 13);
            watched.run(30 * SECOND);
            assert!(watched.has(Event::OnBattery), "{:?}", watched.events);
            watched.bench.unit.battery(4, 100, true);
            watched.run(20 * SECOND);
            assert!(watched.is_decided(), "{:?}", watched.events);
        }
    }
}

#[test]
fn an_outage_ends_in_a_shutdown_however_little_the_ups_says() {
    // Without a runtime, without a charge, without both: the last word is its own.
    for (charge, runtime) in [(true, false), (false, true), (false, false)] {
        for at_start in [false, true] {
            let mut watched = Watched::new(Bench::new(), LowBatteryFlag::Confirm);
            let battery = |unit: &mut Unit, percent: u16, low| {
                unit.battery(
                    if charge { percent } else { 0 },
                    if runtime { u32::from(percent) * 30 } else { 0 },
                    low,
                );
            };
            battery(&mut watched.bench.unit, 100, false);
            if !at_start {
                watched.run(10 * SECOND);
            }
            watched.bench.unit.mains(false);
            for percent in (10..100).rev() {
                battery(&mut watched.bench.unit, percent, false);
                watched.run(5 * SECOND);
            }
            assert!(watched.has(Event::OnBattery) && !watched.is_decided(), "{:?}", watched.events);
            battery(&mut watched.bench.unit, 9, true);
            watched.run(70 * SECOND);
            assert!(watched.is_decided(), "{charge} {runtime} {at_start}: {:?}", watched.events);
        }
    }
}

#[test]
fn a_start_on_battery_with_a_charge_of_0_ends_in_a_shutdown() {
    let mut watched = Watched::new(Bench::new(), LowBatteryFlag::Confirm);
    watched.bench.unit.mains(false);
    watched.bench.unit.battery(0, 0, true);
    watched.run(30 * SECOND);
    assert!(watched.is_decided(), "{:?}", watched.events);
}

#[test]
fn a_restart_of_the_ups_on_battery_is_no_shutdown_and_on_mains_no_power_failure() {
    for on_battery in [false, true] {
        for has_runtime in [false, true] {
            let mut watched = Watched::new(Bench::new(), LowBatteryFlag::Ups);
            watched.bench.unit.battery(90, if has_runtime { 3_000 } else { 0 }, false);
            watched.run(5 * SECOND);
            if on_battery {
                watched.bench.unit.mains(false);
                watched.run(10 * SECOND);
            }
            for seconds in [1, 3, 8, 20] {
                let well = watched.bench.unit.clone();
                watched.bench.unit.registers.values_mut().for_each(|word| *word = 0);
                watched.run(seconds * SECOND);
                watched.bench.unit = well;
                watched.run(60 * SECOND);
            }
            assert!(!watched.is_decided(), "{:?}", watched.events);
            assert_eq!(watched.has(Event::OnBattery), on_battery, "{:?}", watched.events);
            assert_eq!(watched.machine.view().flags.contains(StatusFlags::ONBATT), on_battery);
        }
    }
}

#[test]
fn a_second_without_a_line_at_a_transfer_is_no_more_than_a_second() {
    let mut watched = Watched::new(Bench::new(), LowBatteryFlag::Confirm);
    watched.run(10 * SECOND);
    watched.bench.unit.set32(0, 1 << 6);
    watched.run(SECOND);
    watched.bench.unit.mains(false);
    watched.run(3 * SECOND);
    assert!(watched.has(Event::PowerOut), "{:?}", watched.events);
    watched.bench.unit.set32(0, 0);
    watched.run(SECOND);
    watched.bench.unit.mains(true);
    watched.run(5 * SECOND);
    assert!(watched.has(Event::MainsBack), "{:?}", watched.events);
}

#[test]
fn a_ups_that_says_nothing_of_the_line_in_an_outage_does_not_stop_the_shutdown() {
    let mut watched = Watched::new(Bench::new(), LowBatteryFlag::Confirm);
    watched.run(10 * SECOND);
    watched.bench.unit.mains(false);
    watched.bench.unit.battery(50, 600, false);
    watched.run(10 * SECOND);
    watched.bench.unit.registers.values_mut().for_each(|word| *word = 0);
    watched.run(600 * SECOND);
    assert!(watched.is_decided(), "{:?}", watched.events);
}
