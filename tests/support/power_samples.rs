//! Samples as the oracle counts them, and copies of them.

use std::time::{Duration, Instant};

use mainsd::ups::{Item, Reading, StatusFlags};

/// Samples closer together are one look.
const APART: Duration = Duration::from_millis(200);

/// Samples in a row that agree, as the machine counts them.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub since: Instant,
    pub counted: Instant,
    pub count: u32,
}

/// What the samples of one item say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Samples {
    /// The last one: a copy of it, and what is older, is no evidence.
    pub last: Option<(Instant, bool)>,
    pub run: Option<Run>,
}

pub fn is_copy(last: Option<(Instant, bool)>, says: bool, at: Instant) -> bool {
    last.is_some_and(|(last, said)| at < last || (at == last && says == said))
}

impl Samples {
    pub fn note(&mut self, says: bool, at: Option<Instant>) {
        let Some(at) = at.filter(|at| !is_copy(self.last, says, *at)) else { return };
        self.last = Some((at, says));
        self.run = match (self.run, says) {
            (_, false) => None,
            (None, true) => Some(Run { since: at, counted: at, count: 1 }),
            (Some(run), true) if at - run.counted < APART => Some(run),
            (Some(run), true) => Some(Run { counted: at, count: run.count + 1, ..run }),
        };
    }

    /// The agreement, if there is enough of it.
    pub fn agreed(&self, samples: u32) -> Option<Run> {
        self.run.filter(|run| run.count >= samples)
    }

    /// Counting starts anew; what has been seen has been seen.
    pub fn end(&mut self) {
        self.run = None;
    }
}

/// One item as it was told before, with its time.
pub fn copy(from: &Reading, to: &mut Reading, item: Item) {
    let flag = |to: &mut Reading, bit: StatusFlags| to.status.set(bit, from.status.contains(bit));
    match item {
        Item::Line => {
            flag(to, StatusFlags::ONLINE);
            flag(to, StatusFlags::ONBATT);
        }
        Item::LowBattery => flag(to, StatusFlags::BATTLOW),
        Item::ReplaceBattery => flag(to, StatusFlags::REPLACEBATT),
        Item::BatteryPresent => flag(to, StatusFlags::BATTPRESENT),
        Item::Calibration => flag(to, StatusFlags::CALIBRATION),
        Item::Mains => to.mains = from.mains,
        Item::Charge => to.values.battery_charge = from.values.battery_charge,
        Item::Runtime => to.values.runtime_left = from.values.runtime_left,
        Item::LineVoltage => to.values.line_voltage = from.values.line_voltage,
        Item::TransferCause => to.values.transfer_cause = from.values.transfer_cause,
        Item::SelfTest => to.values.self_test = from.values.self_test,
    }
    to.read.set(item, from.read.of(item));
}
