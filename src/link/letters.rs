//! What a UPS has said so far by the letters of UPS-Link, over a serial line or by a network card, and where each answer belongs.
#![cfg_attr(not(feature = "apcsmart"), allow(unused, reason = "what a card does not say"))]

use std::time::Instant;

use crate::ups::{
    Celsius, Hertz, Identity, Item, Minutes, Percent, ReadTimes, SelfTestInterval, Setting, StatusFlags,
    Values, Volts,
};
use crate::wire::upslink::{self, Eeprom, Value};

/// After so many polls without an answer a value is no longer what the UPS says.
const MISSED_MAX: u8 = 3;
/// Register 2, bit 5: battery disconnected (apcsmart §8.2).
const BATTERY_DISCONNECTED: u8 = 0x20;

/// Those with a few permitted values (apcsmart §10.2).
const SETTINGS: [Setting; 10] = [
    Setting::Sensitivity,
    Setting::WakeDelay,
    Setting::ShutdownDelay,
    Setting::LowTransfer,
    Setting::HighTransfer,
    Setting::ReturnCharge,
    Setting::AlarmDelay,
    Setting::LowBattery,
    Setting::SelfTestInterval,
    Setting::OutputVoltage,
];

/// Values and identity.
#[derive(Debug, Default)]
pub(super) struct Store {
    pub(super) values: Values,
    pub(super) identity: Identity,
    /// When what decisions rest on was read; that of the status byte is its caller's.
    pub(super) read: ReadTimes,
    /// As the unit has sent it; used up when it is known which part concerns this unit.
    pub(super) permitted: Eeprom,
    missed: Vec<(u8, u8)>,
}

impl Store {
    /// Whether mains is there and normal, by the line voltage.
    pub(super) fn mains(&self) -> Option<bool> {
        let (low, high) = (self.identity.low_transfer, self.identity.high_transfer);
        self.values.line_voltage.and_then(|volts| volts.within(low, high))
    }

    /// When all of it was read, with a status byte of this moment.
    pub(super) fn times(&self, status_at: Instant) -> ReadTimes {
        let mut read = self.read;
        for item in [Item::Line, Item::LowBattery, Item::ReplaceBattery, Item::Calibration] {
            read.set(item, Some(status_at));
        }
        read.set(Item::Mains, read.of(Item::LineVoltage));
        read
    }

    /// The bits of the status byte, and whether a battery is there.
    pub(super) fn flags(&self, status: u8) -> StatusFlags {
        let disconnected = self.values.register_2.is_some_and(|bits| bits & BATTERY_DISCONNECTED != 0);
        StatusFlags::from_bits_retain(u32::from(status)).with(StatusFlags::BATTPRESENT, !disconnected)
    }

    /// What the settings may be set to on a unit of this locale: the last character of the firmware revision, else of the model
    /// (apcsmart §10.1).
    pub(super) fn settle_permitted(&mut self) {
        let eeprom = std::mem::take(&mut self.permitted);
        let text = self.identity.firmware.as_ref().or(self.identity.model.as_ref());
        let locale = text.and_then(|text| text.trim_end().bytes().last()).unwrap_or_default();
        for setting in SETTINGS {
            if let Some(group) = eeprom.permitted(upslink::query_of(setting), locale) {
                self.identity.permitted.push((setting, group.values.join(" ")));
            }
        }
    }

    /// Takes in an answer that came now.
    pub(super) fn take(&mut self, query: u8, value: Value, now: Instant) {
        self.missed.retain(|(byte, _)| *byte != query);
        if let Some(item) = item_of(query) {
            self.read.set(item, Some(now).filter(|_| value != Value::NotAvailable));
        }
        self.put(query, (value != Value::NotAvailable).then_some(value));
    }

    /// A query brought no answer in this poll: the value from before stands for a while.
    pub(super) fn miss(&mut self, query: u8) {
        let position = self.missed.iter().position(|(byte, _)| *byte == query);
        let position = position.unwrap_or_else(|| {
            self.missed.push((query, 0));
            self.missed.len() - 1
        });
        let Some((_, missed)) = self.missed.get_mut(position) else { return };
        *missed = missed.saturating_add(1);
        if *missed >= MISSED_MAX {
            self.put(query, None);
            if let Some(item) = item_of(query) {
                self.read.set(item, None);
            }
        }
    }

    fn put(&mut self, query: u8, value: Option<Value>) {
        let (values, identity) = (&mut self.values, &mut self.identity);
        let number = match &value {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        };
        let whole = match &value {
            Some(Value::Whole(number)) => Some(*number),
            _ => None,
        };
        let hex = match &value {
            Some(Value::Hex(byte)) => Some(*byte),
            _ => None,
        };
        let text = match &value {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        };
        match query {
            b'B' => values.battery_voltage = number.map(Volts),
            b'C' => values.temperature = number.map(Celsius),
            b'F' => values.frequency = number.map(Hertz),
            b'L' => values.line_voltage = number.map(Volts),
            b'M' => values.line_voltage_max = number.map(Volts),
            b'N' => values.line_voltage_min = number.map(Volts),
            b'O' => values.output_voltage = number.map(Volts),
            b'P' => values.load = number.map(Percent),
            b'f' => values.battery_charge = number.map(Percent),
            b'h' => values.humidity = number.map(Percent),
            b'j' => values.runtime_left = number.map(Minutes),
            b't' => values.ambient_temperature = number.map(Celsius),
            b'7' => values.dip_switches = hex,
            b'8' => values.register_3 = hex,
            b'\'' => values.register_2 = hex,
            b'~' => values.register_1 = hex,
            b'>' => values.external_batteries = whole,
            b'<' => values.bad_batteries = whole,
            b'G' => {
                values.transfer_cause = match value {
                    Some(Value::TransferCause(cause)) => Some(cause),
                    _ => None,
                };
            }
            b'X' => {
                values.self_test = match value {
                    Some(Value::SelfTest(result)) => Some(result),
                    _ => None,
                };
            }
            b'k' => {
                values.alarm_delay = match value {
                    Some(Value::AlarmDelay(delay)) => Some(delay),
                    _ => None,
                };
            }
            b's' => {
                identity.sensitivity = match value {
                    Some(Value::Sensitivity(sensitivity)) => Some(sensitivity),
                    _ => None,
                };
            }
            b'g' => identity.nominal_battery_voltage = number.map(Volts),
            b'e' => identity.return_charge = whole,
            b'l' => identity.low_transfer = whole,
            b'u' => identity.high_transfer = whole,
            b'o' => identity.nominal_output_voltage = whole,
            b'p' => identity.shutdown_delay = whole,
            b'q' => identity.low_battery_minutes = whole,
            b'r' => identity.wake_delay = whole,
            b'E' => identity.self_test_interval = text.map(SelfTestInterval::Raw),
            b'c' => identity.name = text,
            b'm' => identity.manufacture_date = text,
            b'n' => identity.serial = text,
            b'x' => identity.battery_date = text,
            b'b' => identity.firmware = text.filter(|text| !upslink::firmware_is_voltage(text)),
            upslink::MODEL => identity.model = text,
            upslink::OLD_REVISION => {
                if let Some(revision) = text {
                    let model = || upslink::model_of_old_revision(&revision).to_owned();
                    identity.model.get_or_insert_with(model);
                    identity.firmware.get_or_insert(revision);
                }
            }
            _ => {}
        }
    }
}

/// What decisions rest on that a query asks for.
const fn item_of(query: u8) -> Option<Item> {
    match query {
        b'f' => Some(Item::Charge),
        b'j' => Some(Item::Runtime),
        b'L' => Some(Item::LineVoltage),
        b'G' => Some(Item::TransferCause),
        b'X' => Some(Item::SelfTest),
        b'\'' => Some(Item::BatteryPresent),
        _ => None,
    }
}
