//! The power machine of an outage while no main process hears the UPS: for it the UPS is silent, and its limits count on from
//! what was said last.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::act::HookArgs;
use crate::power::{AtStart, HookReport, Machine, Order, Settings};
use crate::ups::{Evidence, Item, Minutes, Percent, Reading, StatusFlags, Values};
use crate::wire::helper::OnBattery;

/// So many readings are kept: enough for CONFIRMPOLLS to agree, and for how fast the charge falls.
const READINGS: usize = 8;
/// A reading that says the same is kept if it is so much later than the one before.
const READING_INTERVAL: Duration = Duration::from_secs(1);

/// What a UPS has said on battery, the newest last.
#[derive(Debug, Default)]
pub struct Readings(VecDeque<Reading>);

impl Readings {
    /// Keeps one more.
    pub fn push(&mut self, said: &OnBattery, now: Instant) {
        let reading = reading(said, now);
        if self.0.len() > 1 && self.0.back().is_some_and(|last| now < last.at + READING_INTERVAL) {
            self.0.pop_back();
        }
        self.0.push_back(reading);
        if self.0.len() > READINGS {
            self.0.pop_front();
        }
    }

    /// The outage is over.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// An outage, as the helper knows it.
#[derive(Debug, Default)]
pub struct Outage {
    /// What the UPS has said.
    pub readings: Readings,
    /// The machine that stands in.
    pub stand_in: Option<StandIn>,
    /// A main process has heard that the UPS is on mains.
    pub is_over: bool,
    /// What the last hook was told.
    pub args: Option<HookArgs>,
}

impl Outage {
    /// A main process hears the UPS.
    pub fn note_heard(&mut self, said: Option<&OnBattery>, now: Instant) {
        self.stand_in = None;
        self.is_over = said.is_none();
        match said {
            Some(said) => self.readings.push(said, now),
            None => self.readings.clear(),
        }
    }
}

/// A reading as main has had it. What was read longer ago than a clock can show was not read.
fn reading(said: &OnBattery, now: Instant) -> Reading {
    let mut status = StatusFlags::ONBATT | StatusFlags::BATTPRESENT;
    status.set(StatusFlags::BATTLOW, said.low);
    let values = Values {
        battery_charge: said.charge.map(|(tenths, _)| Percent(f64::from(tenths) / 10.0)),
        runtime_left: said.runtime.map(|(seconds, _)| Minutes(f64::from(seconds) / 60.0)),
        ..Values::default()
    };
    let mut reading = Reading { status, values, ..Reading::new(now) };
    let line = now.checked_sub(said.line_age);
    for item in [Item::Line, Item::LowBattery, Item::BatteryPresent] {
        reading.read.set(item, line);
    }
    reading.read.set(Item::Charge, said.charge.and_then(|(_, age)| now.checked_sub(age)));
    reading.read.set(Item::Runtime, said.runtime.and_then(|(_, age)| now.checked_sub(age)));
    reading
}

/// The machine that stands in.
#[derive(Debug)]
pub struct StandIn {
    machine: Machine,
    /// What it ordered when it was begun.
    first: VecDeque<Order>,
}

impl StandIn {
    /// Begins with the outage so far. `None`: there is none.
    #[must_use]
    pub fn begin(settings: Settings, at_start: &AtStart, readings: &Readings, now: Instant) -> Option<Self> {
        at_start.saved.as_ref()?.on_battery_since?;
        let mut machine = Machine::new(settings, now, at_start.clone());
        if !readings.0.is_empty() {
            machine.handle_attached(now);
        }
        // Now, and not when they were read, which they say themselves: what is decided is decided now.
        for reading in &readings.0 {
            machine.handle_reading(now, &Reading { evidence: Evidence::Poll, ..reading.clone() });
        }
        machine.handle_lost(now, "the process that hears it has ended");
        // What the main process has heard it has also told: until something happens, nothing is news.
        let mut happens = false;
        let mut first = VecDeque::new();
        while let Some(order) = machine.poll_order() {
            happens |= matches!(order, Order::Event(_) | Order::EventWithReason(..) | Order::Shutdown { .. });
            if happens || !matches!(order, Order::Log(..)) {
                first.push_back(order);
            }
        }
        Some(Self { machine, first })
    }

    /// A deadline may have passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.machine.handle_timeout(now);
    }

    /// What became of a shutdown order.
    pub fn handle_report(&mut self, report: HookReport, now: Instant) {
        self.machine.handle_report(now, report);
    }

    /// The next deadline.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.machine.poll_timeout()
    }

    /// What is to be done; call until `None`. Slaves cannot be heard: none is waited for.
    pub fn poll_order(&mut self, now: Instant) -> Option<Order> {
        loop {
            match self.first.pop_front().or_else(|| self.machine.poll_order())? {
                Order::CountSlaves => self.machine.handle_slaves(now, &[]),
                // There is no UPS to be told, and main leaves by itself.
                Order::SetPace(_) | Order::Command(_) | Order::Exit => {}
                order => return Some(order),
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "any moment will do")]
mod tests {
    use super::*;
    use crate::config;
    use crate::daemon::settings;
    use crate::power::SavedOutage;

    fn power(lines: &str) -> Settings {
        let text = format!("UPSTYPE usb\nONBATTERYDELAY 2\n{lines}\n");
        let config = config::parse(text.as_bytes(), "test").config;
        settings::power(&config, &super::super::tests::invocation(std::path::Path::new("/nonexistent")))
    }

    fn outage(since: Instant) -> AtStart {
        let saved = SavedOutage { on_battery_since: Some(since), announced: true, ..SavedOutage::default() };
        AtStart { saved: Some(saved), ..AtStart::default() }
    }

    fn said(charge: u16, runtime: u32) -> OnBattery {
        let age = Duration::from_millis(100);
        OnBattery { low: false, line_age: age, charge: Some((charge, age)), runtime: Some((runtime, age)) }
    }

    /// When it orders the shutdown, in seconds from `begin`, within an hour.
    fn shutdown_after(stand_in: &mut StandIn, begin: Instant) -> Option<u64> {
        for second in 0..3600 {
            let now = begin + Duration::from_secs(second);
            stand_in.handle_timeout(now);
            while let Some(order) = stand_in.poll_order(now) {
                if matches!(order, Order::Shutdown { .. }) {
                    return Some(second);
                }
            }
        }
        None
    }

    #[test]
    fn without_an_outage_nothing_stands_in() {
        let now = Instant::now();
        assert!(StandIn::begin(power(""), &AtStart::default(), &Readings::default(), now).is_none());
    }

    #[test]
    fn the_time_on_battery_counts_from_the_beginning_of_the_outage() {
        let since = Instant::now();
        let now = since + Duration::from_secs(100);
        let mut readings = Readings::default();
        for second in 0..5 {
            readings.push(&said(900, 3000), since + Duration::from_secs(95 + second));
        }
        let settings = power("TIMEOUT 130\nBATTERYLEVEL -1\nMINUTES -1");
        let mut stand_in = StandIn::begin(settings, &outage(since), &readings, now).unwrap();
        let after = shutdown_after(&mut stand_in, now).expect("TIMEOUT is reached");
        assert!((29..=36).contains(&after), "{after}");
    }

    #[test]
    fn what_was_heard_before_is_no_news() {
        let since = Instant::now();
        let now = since + Duration::from_secs(100);
        let mut readings = Readings::default();
        for second in 0..5 {
            readings.push(&said(900, 3000), since + Duration::from_secs(95 + second));
        }
        let mut stand_in = StandIn::begin(power("TIMEOUT 130"), &outage(since), &readings, now).unwrap();
        stand_in.handle_timeout(now);
        while let Some(order) = stand_in.poll_order(now) {
            assert!(
                !matches!(order, Order::Log(..) | Order::Event(_) | Order::EventWithReason(..)),
                "{order:?}"
            );
        }
    }

    #[test]
    fn charge_and_runtime_count_on_from_what_was_said_last() {
        let since = Instant::now();
        let now = since + Duration::from_secs(100);
        let mut readings = Readings::default();
        for second in 0..9 {
            let at = since + Duration::from_secs(90 + second);
            readings.push(&said(300, 600 - u32::try_from(second).unwrap()), at);
        }
        let settings = power("TIMEOUT 0\nBATTERYLEVEL 5\nMINUTES 5");
        let mut stand_in = StandIn::begin(settings, &outage(since), &readings, now).unwrap();
        // 592 s of runtime were left, and 300 s are the limit.
        let after = shutdown_after(&mut stand_in, now).expect("the runtime is projected");
        assert!((60..=330).contains(&after), "{after}");
    }

    #[test]
    fn what_was_nearly_reached_is_reached() {
        let since = Instant::now();
        let now = since + Duration::from_secs(100);
        let mut readings = Readings::default();
        for second in 0..3 {
            readings.push(&said(40, 100), since + Duration::from_secs(96 + second));
        }
        let settings = power("TIMEOUT 0\nBATTERYLEVEL 5\nMINUTES 3");
        let mut stand_in = StandIn::begin(settings, &outage(since), &readings, now).unwrap();
        let after = shutdown_after(&mut stand_in, now).expect("the limit was reached");
        assert!(after <= 10, "{after}");
    }
}
