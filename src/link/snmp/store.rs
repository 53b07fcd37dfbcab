//! What the card has said so far, and what it means (snmp §4 to §6).

use std::time::Instant;

use super::codes;
use super::mib::{Item as It, Row, Shape};
use crate::ups::{
    AlarmDelay, Amps, Celsius, Evidence, Hertz, Identity, Item, Minutes, Percent, ReadTimes, Reading,
    SelfTestInterval, SelfTestResult, Sensitivity, StatusFlags, Values, VoltAmps, Volts, Watts, clean,
};
use crate::wire::snmp::Value;

/// Some cards send the runtime in the place of the temperature (snmp §4).
const TEMPERATURE_MAX: f64 = 200.0;
/// More than the error of a multiplication, less than a hundredth of a second in minutes.
const ROUNDING: f64 = 1e-6;
/// Longest text that is kept, in bytes.
const TEXT_MAX: usize = 64;
/// Position of these in the state word, from 0 (snmp §4).
const WORD_ON_BATTERY: usize = 1;
const WORD_ON_LINE: usize = 3;
const WORD_OVERLOAD: usize = 8;
const WORD_TEST: usize = 28;
const WORD_NO_BATTERY: usize = 32;
/// What the end of these names says in the table of alarms (snmp §5).
const ALARM_BATTERY_BAD: u32 = 1;
const ALARM_INPUT_BAD: u32 = 6;
const ALARM_OVERLOAD: u32 = 8;
const ALARM_COMM_LOST: u32 = 20;

/// What says that the card does not reach its UPS.
#[derive(Clone, Copy, Debug)]
enum Teller {
    Output,
    Link,
    Word,
    Alarm,
}

/// Values, flags and identity.
#[derive(Debug, Default)]
pub(super) struct Store {
    pub(super) identity: Identity,
    values: Values,
    flags: StatusFlags,
    mains: Option<bool>,
    read: ReadTimes,
    /// A number of the output status that no document names; what the state word says counts.
    is_unnamed: bool,
    /// When the card has said that it does not reach its UPS, by each of [`Teller`].
    unreached: [Option<Instant>; 4],
    /// RFC 1628: a test is under way, and the input is bad.
    tests: bool,
    /// When the sound begins: PowerNet's or MGE's code, and the time in seconds.
    alarm: (Option<(It, i64)>, Option<f64>),
    /// What the output status says beside mains and battery.
    notice: Option<&'static str>,
    /// The notice that has been taken.
    notice_taken: Option<&'static str>,
}

impl Store {
    /// When the output status was read last, and said something.
    pub(super) fn status_at(&self) -> Option<Instant> {
        self.read.of(Item::Line)
    }

    /// The card says that it does not reach its UPS.
    pub(super) fn is_unreached(&self) -> bool {
        self.unreached_at().is_some()
    }

    /// When it has said so last, if it still does.
    pub(super) fn unreached_at(&self) -> Option<Instant> {
        self.unreached.iter().flatten().max().copied()
    }

    fn set_unreached(&mut self, teller: Teller, at: Option<Instant>) {
        if let Some(said) = self.unreached.get_mut(teller as usize) {
            *said = at;
        }
    }

    /// Where the load gets its power from.
    pub(super) fn line(&self) -> StatusFlags {
        self.flags & (StatusFlags::ONLINE | StatusFlags::ONBATT)
    }

    /// What the output status says beside mains and battery, once.
    pub(super) fn poll_notice(&mut self) -> Option<&'static str> {
        if self.notice == self.notice_taken {
            return None;
        }
        self.notice_taken = self.notice;
        self.notice
    }

    pub(super) fn calibrates(&self) -> bool {
        self.flags.contains(StatusFlags::CALIBRATION)
    }

    /// Everything as a reading of this moment.
    pub(super) fn reading(&self, now: Instant) -> Reading {
        let battery = match self.read.of(Item::BatteryPresent) {
            None => StatusFlags::BATTPRESENT,
            Some(_) => StatusFlags::empty(),
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

    /// Takes in what an object says that came now: the value of a scalar, or those of a column. False: it says nothing.
    pub(super) fn take(&mut self, row: &Row, values: &[Value], now: Instant) -> bool {
        if row.item == It::Alarms {
            self.take_alarms(values, now);
            return true;
        }
        if let [Value::Octets(bytes)] = values {
            return self.take_text(row.item, bytes, now);
        }
        let Some(number) = figure(row, values) else { return false };
        let mut scaled = number * row.scale;
        if let [Value::Ticks(_)] = values {
            // Whole seconds or minutes, as apcupsd has them (snmp §4).
            scaled = (scaled + ROUNDING).floor();
        }
        self.take_number(row.item, number, scaled, now)
    }

    fn take_text(&mut self, item: It, bytes: &[u8], now: Instant) -> bool {
        if item == It::StateWord {
            return self.take_word(bytes, now);
        }
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()).min(TEXT_MAX);
        let text = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default());
        let text = Some(clean(&text).trim().to_owned()).filter(|text| !text.is_empty());
        let identity = &mut self.identity;
        match item {
            It::Model => identity.model = text,
            It::Serial => identity.serial = text,
            It::Name => identity.name = text,
            It::Firmware => identity.firmware = text,
            It::Made => identity.manufacture_date = text,
            It::BatteryDate => identity.battery_date = text,
            _ => return false,
        }
        true
    }

    /// 64 characters, 0 or 1; a card that does not reach its UPS says `UNKNOWN` (snmp §4).
    fn take_word(&mut self, bytes: &[u8], now: Instant) -> bool {
        let is_unreached = bytes.starts_with(b"UNKNOWN");
        self.set_unreached(Teller::Word, is_unreached.then_some(now));
        if bytes.len() <= WORD_TEST || !bytes.iter().all(|byte| matches!(byte, b'0' | b'1')) {
            return is_unreached;
        }
        let says = |at: usize| bytes.get(at) == Some(&b'1');
        self.flags = self.flags.with(StatusFlags::OVERLOAD, says(WORD_OVERLOAD));
        if bytes.len() > WORD_NO_BATTERY {
            self.set(StatusFlags::BATTPRESENT, !says(WORD_NO_BATTERY), Item::BatteryPresent, now);
        }
        self.tests = says(WORD_TEST);
        if self.is_unnamed && says(WORD_ON_BATTERY) != says(WORD_ON_LINE) {
            let flag = if says(WORD_ON_BATTERY) { StatusFlags::ONBATT } else { StatusFlags::ONLINE };
            self.take_line(Some(flag), now);
        }
        true
    }

    fn take_alarms(&mut self, values: &[Value], now: Instant) {
        let there = |number: u32| {
            let is_it = |value: &Value| match value {
                Value::Oid(oid) => oid.ends_with(&[33, 1, 6, 3, number]),
                _ => false,
            };
            values.iter().any(is_it)
        };
        self.set_unreached(Teller::Alarm, there(ALARM_COMM_LOST).then_some(now));
        self.flags = self.flags.with(StatusFlags::OVERLOAD, there(ALARM_OVERLOAD));
        self.set(StatusFlags::REPLACEBATT, there(ALARM_BATTERY_BAD), Item::ReplaceBattery, now);
        // It is no word on mains that there is no alarm of it, but in a test, when the load is on battery all the same.
        self.mains = match (there(ALARM_INPUT_BAD), self.tests) {
            (true, _) => Some(false),
            (false, tests) => tests.then_some(true),
        };
        self.read.set(Item::Mains, self.mains.map(|_| now));
    }

    /// `raw`: as it came; `number`: in the unit of the item.
    fn take_number(&mut self, item: It, raw: f64, number: f64, now: Instant) -> bool {
        #[allow(clippy::cast_possible_truncation, reason = "it came as an integer of 32 bits, or is cut off")]
        let code = raw as i64;
        let values = &mut self.values;
        match item {
            It::PowerNetOutput | It::RfcSource | It::MgeOnBattery => {
                return self.take_output(item, code, now);
            }
            It::CardLink => self.set_unreached(Teller::Link, (code == 2).then_some(now)),
            // What they are, is asked for; none is said in an empty table.
            It::AlarmCount => {
                if code == 0 {
                    self.take_alarms(&[], now);
                }
            }
            It::PowerNetBattery | It::RfcBattery => {
                let low = if item == It::RfcBattery { code == 3 || code == 4 } else { code == 3 };
                self.set(StatusFlags::BATTLOW, low, Item::LowBattery, now);
                if code == 1 {
                    // Unknown.
                    self.read.set(Item::LowBattery, None);
                }
            }
            It::LowBattery => self.set(StatusFlags::BATTLOW, code == 1, Item::LowBattery, now),
            It::ReplaceBattery => self.set(StatusFlags::REPLACEBATT, code == 2, Item::ReplaceBattery, now),
            It::MgeReplaceBattery => self.set(StatusFlags::REPLACEBATT, code == 1, Item::ReplaceBattery, now),
            It::Boost => self.flags = self.flags.with(StatusFlags::BOOST, code == 1),
            It::Trim => self.flags = self.flags.with(StatusFlags::TRIM, code == 1),
            It::Overload => self.flags = self.flags.with(StatusFlags::OVERLOAD, code == 1),
            It::Calibration => {
                values.calibration = codes::calibration(code);
                self.set(StatusFlags::CALIBRATION, code == 3, Item::Calibration, now);
            }
            It::PowerNetCause | It::MgeCause => {
                let cause = if item == It::MgeCause { codes::mge_cause } else { codes::cause };
                values.transfer_cause = Some(cause(code));
                self.read.set(Item::TransferCause, Some(now));
            }
            It::PowerNetTest | It::RfcTest | It::MgeTest => {
                let result = match item {
                    It::RfcTest => codes::rfc_test(code),
                    It::MgeTest => codes::mge_test(code),
                    _ => codes::test(code),
                };
                // The card says the result of the test before until it has the new one.
                let result =
                    if self.tests && item == It::PowerNetTest { SelfTestResult::InProgress } else { result };
                if item == It::RfcTest {
                    self.tests = result == SelfTestResult::InProgress;
                }
                values.self_test = Some(result);
                self.read.set(Item::SelfTest, Some(now));
            }
            It::Charge if number <= 101.0 => {
                values.battery_charge = Some(Percent(number.min(100.0)));
                self.read.set(Item::Charge, Some(now));
            }
            It::Charge => return false,
            It::Runtime => {
                values.runtime_left = Some(Minutes(number));
                self.read.set(Item::Runtime, Some(now));
            }
            It::LineVoltage => {
                values.line_voltage = Some(Volts(number));
                self.read.set(Item::LineVoltage, Some(now));
            }
            It::LineVoltageMax => values.line_voltage_max = Some(Volts(number)),
            It::LineVoltageMin => values.line_voltage_min = Some(Volts(number)),
            It::OutputVoltage => values.output_voltage = Some(Volts(number)),
            It::OutputCurrent => values.output_current = Some(Amps(number)),
            It::Load => values.load = Some(Percent(number)),
            It::BatteryVoltage => values.battery_voltage = Some(Volts(number)),
            It::Frequency => values.frequency = Some(Hertz(number)),
            It::Temperature if number <= TEMPERATURE_MAX => values.temperature = Some(Celsius(number)),
            It::AmbientTemperature if number <= TEMPERATURE_MAX => {
                values.ambient_temperature = Some(Celsius(number));
            }
            It::Humidity if number <= 100.0 => values.humidity = Some(Percent(number)),
            It::BadBatteries => values.bad_batteries = whole(number),
            It::PowerNetAlarm | It::MgeAlarm => {
                self.alarm.0 = Some((item, code));
                self.values.alarm_delay = self.alarm_delay();
            }
            It::AlarmTimer => {
                self.alarm.1 = Some(number);
                self.values.alarm_delay = self.alarm_delay();
            }
            It::RfcAlarm => {
                values.alarm_delay =
                    Some(if code == 1 { AlarmDelay::Never } else { AlarmDelay::ThirtySeconds });
            }
            _ => return self.take_setting(item, code, number),
        }
        true
    }

    fn take_setting(&mut self, item: It, code: i64, number: f64) -> bool {
        let identity = &mut self.identity;
        let positive = whole(number).filter(|number| *number > 0);
        match item {
            It::ExternalBatteries => self.values.external_batteries = whole(number),
            It::NominalBatteryVoltage if (1.0..=1000.0).contains(&number) => {
                identity.nominal_battery_voltage = Some(Volts(number));
            }
            It::NominalOutputVoltage => identity.nominal_output_voltage = positive,
            It::NominalLineVoltage => identity.nominal_line_voltage = positive,
            It::NominalPower => identity.nominal_power = positive.map(|it| Watts(it.into())),
            It::NominalApparentPower => {
                identity.nominal_apparent_power = positive.map(|it| VoltAmps(it.into()))
            }
            It::LowTransfer => identity.low_transfer = positive,
            It::HighTransfer => identity.high_transfer = positive,
            It::WakeDelay => identity.wake_delay = whole(number),
            It::ShutdownDelay => identity.shutdown_delay = whole(number),
            It::LowBatteryRuntime => identity.low_battery_minutes = whole(number),
            It::ReturnCharge => identity.return_charge = whole(number),
            It::Sensitivity => {
                identity.sensitivity = Some(match code {
                    1 => Sensitivity::Auto,
                    2 => Sensitivity::Low,
                    3 => Sensitivity::Medium,
                    4 => Sensitivity::High,
                    _ => Sensitivity::Unknown,
                });
            }
            It::PowerNetTestInterval => {
                identity.self_test_interval = Some(interval(codes::test_interval(code)))
            }
            It::MgeTestInterval => {
                identity.self_test_interval = Some(interval(codes::mge_test_interval(code)))
            }
            _ => return false,
        }
        true
    }

    fn take_output(&mut self, item: It, code: i64, now: Instant) -> bool {
        let said = match item {
            It::RfcSource => codes::rfc_source(code),
            It::MgeOnBattery => codes::mge_on_battery(code),
            _ => codes::output(code),
        };
        let is_unreached = item == It::PowerNetOutput && code == 1;
        self.set_unreached(Teller::Output, is_unreached.then_some(now));
        self.is_unnamed = said.is_none();
        let Some(said) = said else { return self.take_line(None, now) };
        self.notice = said.notice;
        if item != It::MgeOnBattery {
            // Of MGE each has an object of its own.
            let regulated = StatusFlags::BOOST | StatusFlags::TRIM;
            self.flags = self.flags.difference(regulated) | (said.flags & regulated);
        }
        self.take_line(Some(said.flags & (StatusFlags::ONLINE | StatusFlags::ONBATT)), now)
    }

    /// `None`: no word on it. False: it is neither on mains nor on battery.
    fn take_line(&mut self, line: Option<StatusFlags>, now: Instant) -> bool {
        let line = line.unwrap_or_default();
        let both = StatusFlags::ONLINE | StatusFlags::ONBATT;
        self.flags = self.flags.difference(both) | line;
        self.read.set(Item::Line, (!line.is_empty()).then_some(now));
        !line.is_empty()
    }

    fn set(&mut self, flag: StatusFlags, on: bool, item: Item, now: Instant) {
        self.flags = self.flags.with(flag, on);
        self.read.set(item, Some(now));
    }

    /// PowerNet: 1 after a time, 2 at low battery, 3 never; MGE: 1 it sounds, after a time.
    fn alarm_delay(&self) -> Option<AlarmDelay> {
        let (code, time) = self.alarm;
        Some(match code? {
            (It::PowerNetAlarm, 2) => AlarmDelay::LowBattery,
            (It::PowerNetAlarm, 3) => AlarmDelay::Never,
            (It::PowerNetAlarm, _) if time.is_some_and(|time| time < 30.0) => AlarmDelay::FiveSeconds,
            (It::MgeAlarm, code) if code != 1 => AlarmDelay::Never,
            (It::MgeAlarm, _) if time == Some(0.0) => AlarmDelay::Always,
            _ => AlarmDelay::ThirtySeconds,
        })
    }

    /// The UPS does not say it, or not any more. What it has said of its state stays, with the time at which it has.
    pub(super) fn forget(&mut self, item: It) {
        let values = &mut self.values;
        let read = match item {
            It::Runtime => {
                values.runtime_left = None;
                Item::Runtime
            }
            It::Charge => {
                values.battery_charge = None;
                Item::Charge
            }
            It::LineVoltage => {
                values.line_voltage = None;
                Item::LineVoltage
            }
            It::PowerNetTest | It::RfcTest | It::MgeTest => {
                values.self_test = None;
                Item::SelfTest
            }
            It::Calibration => {
                values.calibration = None;
                Item::Calibration
            }
            It::PowerNetCause | It::MgeCause => {
                values.transfer_cause = None;
                Item::TransferCause
            }
            It::Alarms => {
                self.set_unreached(Teller::Alarm, None);
                self.flags = self.flags.difference(StatusFlags::OVERLOAD);
                self.mains = None;
                Item::Mains
            }
            _ => return self.forget_shown(item),
        };
        self.read.set(read, None);
    }

    /// What no decision rests on.
    fn forget_shown(&mut self, item: It) {
        let values = &mut self.values;
        match item {
            It::LineVoltageMax => values.line_voltage_max = None,
            It::LineVoltageMin => values.line_voltage_min = None,
            It::OutputVoltage => values.output_voltage = None,
            It::OutputCurrent => values.output_current = None,
            It::Load => values.load = None,
            It::BatteryVoltage => values.battery_voltage = None,
            It::Frequency => values.frequency = None,
            It::Temperature => values.temperature = None,
            It::AmbientTemperature => values.ambient_temperature = None,
            It::Humidity => values.humidity = None,
            It::BadBatteries => values.bad_batteries = None,
            It::Overload => self.flags = self.flags.difference(StatusFlags::OVERLOAD),
            It::StateWord => {
                self.set_unreached(Teller::Word, None);
                self.tests = false;
                self.flags = self.flags.difference(StatusFlags::OVERLOAD);
            }
            It::CardLink => self.set_unreached(Teller::Link, None),
            It::PowerNetOutput => self.set_unreached(Teller::Output, None),
            _ => {}
        }
    }
}

/// The number that an object says; `None`: none, or one that stands for "not available": negative where that cannot be.
pub(super) fn figure(row: &Row, values: &[Value]) -> Option<f64> {
    let is_cold = matches!(row.item, It::Temperature | It::AmbientTemperature);
    let number = |value: &Value| -> Option<f64> {
        Some(match value {
            Value::Integer(-1) => return None,
            Value::Integer(number) if *number < 0 && !is_cold => return None,
            Value::Integer(number) => f64::from(*number),
            // -1, as some cards write it.
            Value::Gauge(u32::MAX) | Value::Ticks(u32::MAX) => return None,
            Value::Gauge(number) | Value::Counter(number) | Value::Ticks(number) => f64::from(*number),
            _ => return None,
        })
    };
    let numbers = values.iter().filter_map(number);
    match row.shape {
        Shape::Scalar | Shape::First => number(values.first()?),
        Shape::Least => numbers.reduce(f64::min),
        Shape::Greatest => numbers.reduce(f64::max),
        Shape::Mean => {
            let (sum, count) = numbers.fold((0.0, 0.0), |(sum, count), it| (sum + it, count + 1.0));
            (count > 0.0).then(|| sum / count)
        }
        Shape::Each => None,
    }
}

fn interval(text: &str) -> SelfTestInterval {
    SelfTestInterval::Raw(text.to_owned())
}

/// Without what is behind the point.
#[allow(clippy::cast_possible_truncation, reason = "what does not fit is left out before")]
fn whole(number: f64) -> Option<i32> {
    (0.0..=f64::from(i32::MAX)).contains(&number).then_some(number as i32)
}
