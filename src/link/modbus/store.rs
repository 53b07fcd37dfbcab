//! What the UPS has said so far, and what it means (modbus §3, §4).

use std::time::Instant;

use crate::ups::{
    Amps, CalibrationResult, Celsius, Evidence, Hertz, Identity, Item, Minutes, Percent, ReadTimes, Reading,
    SelfTestResult, StatusFlags, TransferCause, Values, VoltAmps, Volts, Watts, calendar_date,
};
use crate::wire::modbus::{self, Form, Register};

/// After so many polls without an answer a value is no longer what the UPS says.
const MISSED_MAX: u8 = 3;
/// The beginning of 2000, in days since that of 1970.
const DATES_BEGIN: i64 = 10_957;
/// Bits of the status (modbus §4.1).
const ON_LINE: u32 = 1 << 1;
const ON_BATTERY: u32 = 1 << 2;
const OUTPUT_OFF: u32 = 1 << 4;
const INPUT_BAD: u32 = 1 << 6;
/// Causes that are none of a transfer to battery: start, input acceptable, test ended (modbus §4.2). The UPS has not yet said why.
const NO_REASON: [u32; 3] = [0, 8, 10];
/// Voltages of the output, by bits (modbus §4.8).
const OUTPUT_VOLTAGES: [i32; 7] = [100, 120, 200, 208, 220, 230, 240];

/// A number that a register has, as it is and as its form has it.
#[derive(Clone, Copy, Debug)]
struct Number {
    bits: u32,
    scaled: f64,
}

impl Number {
    fn bit(self, bit: u32) -> bool {
        self.bits & (1 << bit) != 0
    }

    /// As a whole number that is not 0, for what a UPS without it says 0.
    fn whole(self) -> Option<i32> {
        i32::try_from(self.bits).ok().filter(|number| *number != 0)
    }
}

/// Values, flags and identity.
#[derive(Debug, Default)]
pub(super) struct Store {
    pub(super) identity: Identity,
    /// Its outlet groups: bit 0 the main one, 1 to 4 the others.
    pub(super) groups: u32,
    values: Values,
    flags: StatusFlags,
    mains: Option<bool>,
    has_state: bool,
    read: ReadTimes,
    /// Charge and runtime are something else than 0 at times: a UPS that lacks one of them says 0 too.
    has_charge: bool,
    has_runtime: bool,
    missed: Vec<(modbus::Item, u8)>,
    /// The two parts of FIRMWARE.
    firmware: (Option<String>, Option<String>),
}

impl Store {
    /// When the status was read.
    pub(super) fn status_at(&self) -> Option<Instant> {
        self.read.of(Item::Line).or(self.read.of(Item::Mains))
    }

    /// The last status said where the load gets its power from, or that it gets none.
    pub(super) fn has_state(&self) -> bool {
        self.has_state
    }

    /// Where the load gets its power from.
    pub(super) fn line(&self) -> StatusFlags {
        self.flags & (StatusFlags::ONLINE | StatusFlags::ONBATT)
    }

    pub(super) fn is_calibrating(&self) -> bool {
        self.flags.contains(StatusFlags::CALIBRATION)
    }

    /// Why it last transferred, and the serial number of the UPS whose word that is.
    pub(super) fn cause(&self) -> Option<(String, TransferCause)> {
        Some((self.identity.serial.clone()?, self.values.transfer_cause?))
    }

    /// What a UPS with this serial number has said of its last transfer over an earlier connection. That is no sample.
    pub(super) fn recall(&mut self, serial: &str, cause: TransferCause) {
        if self.identity.serial.as_deref() == Some(serial) {
            self.values.transfer_cause.get_or_insert(cause);
        }
    }

    /// Everything as a reading of this moment.
    pub(super) fn reading(&self, now: Instant) -> Reading {
        let battery = if self.read.of(Item::BatteryPresent).is_none() {
            StatusFlags::BATTPRESENT
        } else {
            StatusFlags::empty()
        };
        Reading {
            status: self.flags | battery,
            evidence: Evidence::Poll,
            mains: self.mains,
            values: self.values.clone(),
            read: self.read,
            ..Reading::new(now)
        }
    }

    /// Takes in the words of a register that came now. False: they make no sense.
    pub(super) fn take(&mut self, register: &Register, words: &[u16], now: Instant) -> bool {
        self.missed.retain(|(item, _)| *item != register.item);
        match register.form {
            Form::Text => self.take_text(register.item, &text(words)),
            Form::Date => self.take_date(register.item, words),
            Form::Bits | Form::Unsigned(_) | Form::Signed(_) => match number(register, words) {
                Some(number) => return self.take_number(register.item, number, now),
                None => self.forget(register.item),
            },
        }
        true
    }

    /// The UPS has not said this now.
    pub(super) fn miss(&mut self, item: modbus::Item) {
        let count = match self.missed.iter_mut().find(|(missed, _)| *missed == item) {
            Some((_, count)) => {
                *count = count.saturating_add(1);
                *count
            }
            None => {
                self.missed.push((item, 1));
                1
            }
        };
        if count >= MISSED_MAX {
            self.forget(item);
        }
    }

    fn take_text(&mut self, item: modbus::Item, text: &str) {
        let text = Some(text.to_owned()).filter(|text| !text.is_empty());
        match item {
            modbus::Item::Firmware => self.firmware.0 = text,
            modbus::Item::Map => self.firmware.1 = text,
            modbus::Item::Model => self.identity.model = text,
            modbus::Item::Serial => self.identity.serial = text,
            modbus::Item::Name => self.identity.name = text,
            _ => {}
        }
        // The map comes behind the firmware (modbus §3.1).
        self.identity.firmware = match &self.firmware {
            (Some(firmware), Some(map)) => Some(format!("{firmware} / {map}")),
            (firmware, _) => firmware.clone(),
        };
    }

    fn take_date(&mut self, item: modbus::Item, words: &[u16]) {
        let days = modbus::value(words).filter(|days| *days != 0);
        let date = days.map(|days| calendar_date(DATES_BEGIN + i64::from(days)));
        match item {
            modbus::Item::Made => self.identity.manufacture_date = date,
            modbus::Item::BatteryDate => self.identity.battery_date = date,
            _ => {}
        }
    }

    fn take_number(&mut self, item: modbus::Item, number: Number, now: Instant) -> bool {
        use modbus::Item as It;
        let scaled = number.scaled;
        let values = &mut self.values;
        match item {
            It::Status => return self.take_status(number, now),
            It::Cause => {
                // What it says on mains is why it came back, and at the start what happened at any time.
                // The first time something must be said: then the machine knows that this UPS names causes, and waits for it.
                let is_reason = !NO_REASON.contains(&number.bits) || values.transfer_cause.is_none();
                if self.flags.contains(StatusFlags::ONBATT) && is_reason {
                    values.transfer_cause = Some(cause(number.bits));
                    self.read.set(Item::TransferCause, Some(now));
                }
            }
            It::Signalling => self.set(StatusFlags::BATTLOW, number.bit(1), Item::LowBattery, now),
            It::PowerErrors => self.flags = self.flags.with(StatusFlags::OVERLOAD, number.bit(0)),
            It::BatteryErrors => {
                self.set(StatusFlags::REPLACEBATT, number.bit(2), Item::ReplaceBattery, now);
                self.set(StatusFlags::BATTPRESENT, !number.bit(0), Item::BatteryPresent, now);
            }
            It::BatteryTest => {
                values.self_test = Some(test_result(number));
                self.read.set(Item::SelfTest, Some(now));
            }
            It::Calibration => {
                values.calibration = Some(calibration_result(number));
                self.set(StatusFlags::CALIBRATION, number.bits & 0b11 != 0, Item::Calibration, now);
            }
            It::Runtime => {
                self.has_runtime |= number.bits != 0;
                // Whole minutes, rounded down, as apcupsd has it (modbus §3.1).
                values.runtime_left = self.has_runtime.then(|| Minutes((scaled / 60.0).floor()));
                self.read.set(Item::Runtime, values.runtime_left.map(|_| now));
            }
            It::Charge => {
                self.has_charge |= number.bits != 0;
                if scaled > 101.0 {
                    return false;
                }
                values.battery_charge = self.has_charge.then_some(Percent(scaled.min(100.0)));
                self.read.set(Item::Charge, values.battery_charge.map(|_| now));
            }
            It::LineVoltage => {
                values.line_voltage = Some(Volts(scaled));
                self.read.set(Item::LineVoltage, Some(now));
            }
            It::BatteryVoltage => values.battery_voltage = Some(Volts(scaled)),
            It::Temperature => values.temperature = Some(Celsius(scaled)),
            It::Load => values.load = Some(Percent(scaled)),
            It::ApparentLoad => values.load_apparent = Some(Percent(scaled)),
            It::OutputCurrent => values.output_current = Some(Amps(scaled)),
            It::OutputVoltage => values.output_voltage = Some(Volts(scaled)),
            It::Frequency => values.frequency = Some(Hertz(scaled)),
            It::Input => {
                let flags = self.flags.with(StatusFlags::BOOST, number.bit(5));
                self.flags = flags.with(StatusFlags::TRIM, number.bit(6));
            }
            It::ApparentPower => {
                self.identity.nominal_apparent_power = number.whole().map(|it| VoltAmps(it.into()))
            }
            It::RealPower => self.identity.nominal_power = number.whole().map(|it| Watts(it.into())),
            It::OutputSetting => {
                let voltages = (0..).zip(OUTPUT_VOLTAGES);
                self.identity.nominal_output_voltage =
                    voltages.into_iter().find(|(bit, _)| number.bit(*bit)).map(|it| it.1);
            }
            It::Groups => self.groups = number.bits,
            It::HighTransfer => self.identity.high_transfer = number.whole(),
            It::LowTransfer => self.identity.low_transfer = number.whole(),
            // None of these is -1: that is all ones.
            It::OffDelay => self.identity.shutdown_delay = i32::try_from(number.bits).ok(),
            It::OnDelay => self.identity.wake_delay = i32::try_from(number.bits).ok(),
            It::Made | It::BatteryDate | It::Firmware | It::Model | It::Serial | It::Name | It::Map => {}
        }
        true
    }

    fn take_status(&mut self, number: Number, now: Instant) -> bool {
        // Exactly one of them (modbus §4.1). None is no word on anything, more than one is no status.
        let state = number.bits & (ON_LINE | ON_BATTERY | OUTPUT_OFF);
        if state.count_ones() > 1 {
            return false;
        }
        self.has_state = state != 0;
        self.flags = self.flags.with(StatusFlags::ONLINE, state == ON_LINE);
        self.flags = self.flags.with(StatusFlags::ONBATT, state == ON_BATTERY);
        if !self.has_state {
            self.read.set(Item::Line, None);
            return false;
        }
        self.mains = Some(number.bits & INPUT_BAD == 0);
        self.read.set(Item::Line, (state & (ON_LINE | ON_BATTERY) != 0).then_some(now));
        self.read.set(Item::Mains, Some(now));
        true
    }

    fn set(&mut self, flag: StatusFlags, on: bool, item: Item, now: Instant) {
        self.flags = self.flags.with(flag, on);
        self.read.set(item, Some(now));
    }

    /// The UPS does not say it, or not any more. What it has said of its state stays, with the time at which it has.
    pub(super) fn forget(&mut self, item: modbus::Item) {
        use modbus::Item as It;
        let values = &mut self.values;
        match item {
            It::Runtime => {
                values.runtime_left = None;
                self.read.set(Item::Runtime, None);
            }
            It::Charge => {
                values.battery_charge = None;
                self.read.set(Item::Charge, None);
            }
            It::LineVoltage => {
                values.line_voltage = None;
                self.read.set(Item::LineVoltage, None);
            }
            It::BatteryVoltage => values.battery_voltage = None,
            It::Temperature => values.temperature = None,
            It::Load => values.load = None,
            It::ApparentLoad => values.load_apparent = None,
            It::OutputCurrent => values.output_current = None,
            It::OutputVoltage => values.output_voltage = None,
            It::Frequency => values.frequency = None,
            It::BatteryTest => {
                values.self_test = None;
                self.read.set(Item::SelfTest, None);
            }
            It::Calibration => values.calibration = None,
            It::Cause => {
                values.transfer_cause = None;
                self.read.set(Item::TransferCause, None);
            }
            _ => {}
        }
    }
}

fn number(register: &Register, words: &[u16]) -> Option<Number> {
    let bits = modbus::value(words)?;
    let scaled = match register.form {
        Form::Signed(shift) => {
            let low = i16::from_be_bytes((u16::try_from(bits).ok()?).to_be_bytes());
            f64::from(low) / f64::from(1_u32 << shift)
        }
        Form::Unsigned(shift) => f64::from(bits) / f64::from(1_u32 << shift),
        Form::Bits | Form::Text | Form::Date => 0.0,
    };
    Some(Number { bits, scaled })
}

/// What is printable of a text, without what fills it up (modbus §2.2).
pub(super) fn text(words: &[u16]) -> String {
    let bytes = words.iter().flat_map(|word| word.to_be_bytes());
    let printable = |byte: u8| if (0x20..0x7f).contains(&byte) { char::from(byte) } else { ' ' };
    bytes.map(printable).collect::<String>().trim().to_owned()
}

/// Modbus §4.2.
const fn cause(number: u32) -> TransferCause {
    match number {
        1 => TransferCause::HighLine,
        2 => TransferCause::LowLine,
        3 => TransferCause::Notch,
        4 => TransferCause::Ripple,
        5..=7 => TransferCause::Frequency,
        9 => TransferCause::SelfTest,
        11 | 12 => TransferCause::Forced,
        _ => TransferCause::Unknown,
    }
}

/// Modbus §4.4.
fn calibration_result(number: Number) -> CalibrationResult {
    match number {
        it if it.bits & 0b11 != 0 => CalibrationResult::InProgress,
        it if it.bit(2) => CalibrationResult::Passed,
        it if it.bit(3) => CalibrationResult::Failed(it.bits),
        it if it.bit(4) => CalibrationResult::Refused(it.bits),
        it if it.bit(5) => CalibrationResult::Stopped(it.bits),
        _ => CalibrationResult::NotAvailable,
    }
}

/// Modbus §4.3.
fn test_result(number: Number) -> SelfTestResult {
    match number {
        it if it.bits & 0b11 != 0 => SelfTestResult::InProgress,
        it if it.bit(2) => SelfTestResult::Passed,
        it if it.bit(3) => SelfTestResult::Failed,
        it if it.bits == 0 => SelfTestResult::NotAvailable,
        _ => SelfTestResult::Unknown,
    }
}
