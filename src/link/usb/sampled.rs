//! When what a device's reports say was read: each value is as old as the report that it was taken from.

use std::time::{Duration, Instant};

use super::decode::View;
use super::quirks::Quirks;
use super::table::Key;
use crate::ups::{Item, ReadTimes};

/// A status bit that is only sent, and only when it changes, has been sent once for each change. From this age on it counts as
/// read whenever it is looked at: the device would have sent another.
const STEADY_BIT_AGE: Duration = Duration::from_secs(5);

impl View<'_> {
    /// When the report that a value is taken from was read.
    pub(super) fn read_at(&self, key: Key) -> Option<Instant> {
        self.store.told(self.layout.slot(key)).and_then(|told| told.at)
    }

    /// The same for a status bit.
    fn bit_at(&self, key: Key, now: Instant) -> Option<Instant> {
        let told = self.store.told(self.layout.slot(key))?;
        let stands =
            told.pushed && told.at.is_some_and(|at| now.saturating_duration_since(at) >= STEADY_BIT_AGE);
        if stands { Some(now) } else { told.at }
    }

    /// When everything was read.
    pub(super) fn times(&self, now: Instant) -> ReadTimes {
        let mut read = ReadTimes::default();
        read.set(Item::Line, self.line_read_at(now));
        read.set(Item::BatteryPresent, self.bit_at(Key::BatteryPresent, now));
        // The status flag replaces what the single bits say, as in `View::flags`.
        if self.raw(Key::StatusFlag).is_some_and(|flag| flag & 0x18 != 0) {
            let flag = self.bit_at(Key::StatusFlag, now);
            for item in [Item::LowBattery, Item::ReplaceBattery, Item::Calibration] {
                read.set(item, flag);
            }
        } else {
            read.set(Item::LowBattery, self.low_battery_read_at(now));
            read.set(Item::ReplaceBattery, self.bit_at(Key::NeedReplacement, now));
        }
        read.set(Item::Mains, self.mains(now).map(|(_, at)| at));
        read.set(Item::Charge, self.read_at(Key::Charge));
        read.set(Item::Runtime, self.read_at(Key::Runtime));
        read.set(Item::LineVoltage, self.read_at(Key::LineVoltage));
        read.set(Item::TransferCause, self.read_at(Key::LineFailCause));
        read.set(Item::SelfTest, self.read_at(Key::Test));
        read
    }

    /// The values that it takes to tell the line state as it stands, and no other (`line_of`).
    pub(super) fn deciding(&self) -> [Option<Key>; 4] {
        let flag = self.raw(Key::StatusFlag);
        if flag.is_some_and(|flag| matches!(flag & 0x18, 0x08 | 0x10)) {
            return [Some(Key::StatusFlag), None, None, None];
        }
        let [ac, discharging] = [Key::AcPresent, Key::Discharging].map(|key| self.bit(key));
        let (ac_decides, discharging_decides) = (
            self.quirks.contains(Quirks::AC_PRESENT_DECIDES),
            self.quirks.contains(Quirks::DISCHARGING_DECIDES),
        );
        let by_voltage = match (ac, discharging) {
            (Some(true), Some(true)) => ac_decides,
            (Some(false), Some(false)) => discharging_decides,
            _ => false,
        };
        // Without a quirk ACPresent is believed whatever Discharging says.
        let both = ac.is_none() || ac_decides || discharging_decides;
        [
            flag.map(|_| Key::StatusFlag),
            Some(Key::AcPresent),
            Some(Key::Discharging).filter(|_| both),
            Some(Key::LineVoltage).filter(|_| by_voltage),
        ]
    }

    /// Whether report `index` is one of those that it takes to tell the line state as it stands.
    pub(super) fn decides(&self, index: usize) -> bool {
        let keys = self.deciding().into_iter().flatten();
        keys.into_iter().any(|key| self.store.is_place_of(index, self.layout.slot(key)))
    }

    /// The line state is as old as the oldest report that it takes to tell it.
    pub(super) fn line_read_at(&self, now: Instant) -> Option<Instant> {
        let keys = self.deciding();
        let at = |key| if key == Key::LineVoltage { self.read_at(key) } else { self.bit_at(key, now) };
        match keys {
            [Some(Key::StatusFlag), None, ..] => at(Key::StatusFlag),
            // A flag that says nothing leaves it to the others.
            [_, others @ ..] => others.into_iter().flatten().filter_map(at).min(),
        }
    }

    /// Any of three bits means a low battery; it takes all of them to deny it.
    fn low_battery_read_at(&self, now: Instant) -> Option<Instant> {
        let keys = [Key::BelowCapacityLimit, Key::TimeLimitExpired, Key::ShutdownImminent];
        let times = |wanted: bool| {
            keys.into_iter()
                .filter(move |key| self.raw(*key).is_some_and(|raw| (raw != 0) == wanted))
                .filter_map(move |key| self.bit_at(key, now))
        };
        times(true).max().or_else(|| times(false).min())
    }

    /// Whether mains is there and normal, by ACPresent and the line voltage, and when that was read. Each alone denies it.
    pub(super) fn mains(&self, now: Instant) -> Option<(bool, Instant)> {
        let stays = self.quirks.contains(Quirks::AC_PRESENT_STAYS);
        let ac = self.raw(Key::AcPresent).map(|raw| raw != 0).filter(|there| !(*there && stays));
        let ac = ac.zip(self.bit_at(Key::AcPresent, now));
        let volts = self.line_voltage_is_good().zip(self.read_at(Key::LineVoltage));
        let both = || ac.into_iter().chain(volts);
        let denied = both().filter(|(there, _)| !there).map(|(_, at)| at).max();
        denied.map(|at| (false, at)).or_else(|| both().map(|(_, at)| at).min().map(|at| (true, at)))
    }

    /// The UPS says that a self test is under way.
    pub(super) fn tests_itself(&self) -> bool {
        self.raw(Key::Test) == Some(5)
    }
}
