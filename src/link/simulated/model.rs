//! The simulated UPS itself: battery, load, line and tests. Pure: time is what [`Model::advance`] says.
//!
//! The figures are those of a small line-interactive unit: 540 W, 120 Wh that can be used, about 48 minutes at the
//! load it starts with, recharged in some four hours.

use std::time::Duration;

use super::script::Action;
use crate::ups::{
    AlarmDelay, Celsius, Hertz, Identity, Minutes, Percent, SelfTestInterval, SelfTestResult, Sensitivity,
    StatusFlags, TransferCause, Values, Volts, Watts,
};

/// Rated power, watts.
const RATED_WATTS: f64 = 540.0;
/// Energy that the full battery gives at a light load, watt-hours.
const BATTERY_WATT_HOURS: f64 = 120.0;
/// Share of the battery's power that reaches the load.
const EFFICIENCY: f64 = 0.88;
/// Nominal line voltage, volts.
const NOMINAL: f64 = 230.0;
/// Below and above these the UPS goes to battery, volts.
const TRANSFER: (f64, f64) = (176.0, 282.0);
/// Below the first it boosts, above the second it trims, volts.
const REGULATED: (f64, f64) = (207.0, 253.0);
/// Time to charge an empty battery were the current constant.
const CHARGE_SECONDS: f64 = 3.0 * 3600.0;
/// Low battery is signalled from this runtime down, minutes.
const LOW_BATTERY: f64 = 2.0;
/// Time from the order to switch off to the dark, by `DSHUTD`.
const SHUTDOWN_DELAY: Duration = Duration::from_secs(20);
/// Charge at which a calibration ends, per cent.
const CALIBRATED: f64 = 25.0;
/// Longest time that one integration step covers, seconds; a longer span is cut into at most 1000 steps.
const STEP_MAX_SECONDS: f64 = 1.0;

/// Why the load is going to be dark, or is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    /// The load is fed.
    On,
    /// The load will be switched off at this moment of the model's time; on again with mains if `returns`.
    Ending { at: Duration, returns: bool },
    /// The load is dark.
    Off { returns: bool },
}

/// A test on battery.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Test {
    Quick { ends: Duration, result: SelfTestResult },
    Calibration,
}

/// The state of a simulated UPS.
#[derive(Clone, Debug)]
pub struct Model {
    now: Duration,
    mains: bool,
    line: f64,
    load: f64,
    charge: f64,
    temperature: f64,
    battery_present: bool,
    runtime: Option<f64>,
    low_battery: Option<bool>,
    /// Low by its own measure; stays until the battery is charged a little, so that noise does not make it flicker.
    low: bool,
    overload: Option<bool>,
    replace: bool,
    status_byte: Option<u8>,
    cause: TransferCause,
    result: SelfTestResult,
    test: Option<Test>,
    output: Output,
    lapse: f64,
    /// What the battery holds, as a share of [`BATTERY_WATT_HOURS`].
    size: f64,
    serial: u32,
    noise: Noise,
    line_noise: f64,
    load_noise: f64,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            now: Duration::ZERO,
            mains: true,
            line: NOMINAL,
            load: 24.0,
            charge: 100.0,
            temperature: 29.0,
            battery_present: true,
            runtime: None,
            low_battery: None,
            low: false,
            overload: None,
            replace: false,
            status_byte: None,
            cause: TransferCause::None,
            result: SelfTestResult::NotAvailable,
            test: None,
            output: Output::On,
            lapse: 1.0,
            size: 1.0,
            serial: 1,
            noise: Noise(0x9E37_79B9),
            line_noise: 0.0,
            load_noise: 0.0,
        }
    }
}

impl Model {
    /// Lets this much time pass.
    pub fn advance(&mut self, span: Duration) {
        self.now += span;
        let seconds = span.as_secs_f64();
        let steps = (seconds / STEP_MAX_SECONDS).ceil().clamp(1.0, 1000.0);
        if seconds > 0.0 {
            for _ in 0..steps as u32 {
                self.step(seconds / steps);
            }
        }
        self.end_what_is_due();
    }

    fn step(&mut self, seconds: f64) {
        let lapsed = seconds * self.lapse;
        if self.battery_present {
            let gain =
                if self.on_battery() { -self.drain() } else { 100.0 / CHARGE_SECONDS * taper(self.charge) };
            self.charge = (self.charge + gain * lapsed).clamp(0.0, 100.0);
        }
        // Warmer while the inverter or the charger works; time constant about twenty minutes.
        let target = if self.on_battery() { 41.0 } else { 29.0 + (100.0 - self.charge) * 0.06 };
        self.temperature += (target - self.temperature) * (1.0 - libm::exp(-lapsed / 1200.0));
        // A walk that is drawn back to zero: a fifth of the deviation is forgotten each second.
        let keep = libm::exp(-seconds / 5.0);
        let fresh = (1.0 - keep * keep).sqrt();
        self.line_noise = self.line_noise * keep + self.noise.next() * fresh;
        self.load_noise = self.load_noise * keep + self.noise.next() * fresh;
    }

    /// Per cent of charge that the load takes each second. A heavier load gets less out of the battery (Peukert).
    fn drain(&self) -> f64 {
        let watts = (self.load_now() / 100.0 * RATED_WATTS).max(6.0);
        let heavier = libm::pow(watts / 130.0, 0.2).max(0.5);
        watts * heavier / EFFICIENCY / 3600.0 / (BATTERY_WATT_HOURS * self.size) * 100.0
    }

    fn end_what_is_due(&mut self) {
        let runtime = self.runtime_now();
        self.low = match self.low {
            false => self.on_battery() && runtime <= LOW_BATTERY,
            true => runtime <= LOW_BATTERY || (self.on_battery() && runtime <= 2.0 * LOW_BATTERY),
        };
        match self.test {
            Some(Test::Quick { ends, result }) if self.now >= ends => {
                self.test = None;
                self.result = result;
            }
            Some(Test::Calibration) if self.charge <= CALIBRATED => self.test = None,
            _ => {}
        }
        match self.output {
            Output::Ending { at, returns } if self.now >= at => self.output = Output::Off { returns },
            Output::Off { returns: true } if self.line_good() => self.output = Output::On,
            _ => {}
        }
    }

    /// How long until something ends by itself.
    #[must_use]
    pub fn next_change(&self) -> Option<Duration> {
        let test = match self.test {
            Some(Test::Quick { ends, .. }) => Some(ends),
            _ => None,
        };
        let output = match self.output {
            Output::Ending { at, .. } => Some(at),
            _ => None,
        };
        test.into_iter().chain(output).min().map(|at| at.saturating_sub(self.now))
    }

    /// Does what a script asks. Actions that concern the conversation, not the UPS, change nothing here.
    pub fn apply(&mut self, action: Action) {
        let was_good = self.line_good();
        match action {
            Action::Mains(on) => self.mains = on,
            Action::Line(volts) => self.line = volts,
            Action::Load(load) => self.load = load,
            Action::Charge(charge) => self.charge = charge,
            Action::Runtime(runtime) => self.runtime = runtime,
            Action::Temperature(temperature) => self.temperature = temperature,
            Action::LowBattery(low) => self.low_battery = low,
            Action::Replace(replace) => self.replace = replace,
            Action::Overload(overload) => self.overload = overload,
            Action::Battery(present) => self.battery_present = present,
            Action::Status(byte) => self.status_byte = byte,
            Action::Cause(cause) => self.cause = cause,
            Action::SelfTest(seconds, result) => self.start_self_test(seconds, result),
            Action::Calibration(true) => self.start_calibration(),
            Action::Calibration(false) => {
                self.abort_test();
            }
            Action::Lapse(lapse) => self.lapse = lapse,
            Action::Lasts(minutes) => self.size *= minutes * 60.0 * self.drain() / 100.0,
            Action::Serial(number) => self.serial = number,
            Action::Answers(_)
            | Action::Plugged(_)
            | Action::Garbage(_)
            | Action::Alerts(_)
            | Action::Refuse(_) => {}
        }
        if was_good && !self.line_good() {
            let high = self.mains && self.line > TRANSFER.1;
            self.cause = if high { TransferCause::HighLine } else { TransferCause::LowLine };
        }
        self.end_what_is_due();
    }

    /// Starts a self test on battery.
    pub fn start_self_test(&mut self, seconds: f64, result: SelfTestResult) {
        let ends = self.now + Duration::from_secs_f64(seconds.clamp(0.0, 3600.0));
        self.test = Some(Test::Quick { ends, result });
        self.result = SelfTestResult::InProgress;
        if self.line_good() {
            self.cause = TransferCause::SelfTest;
        }
    }

    /// Starts a calibration: on battery down to a quarter of the charge.
    pub fn start_calibration(&mut self) {
        self.test = Some(Test::Calibration);
        if self.line_good() {
            self.cause = TransferCause::SelfTest;
        }
    }

    /// Ends a test or calibration. `false`: none was running.
    pub fn abort_test(&mut self) -> bool {
        let test = self.test.take();
        if matches!(test, Some(Test::Quick { .. })) {
            self.result = SelfTestResult::NotAvailable;
        }
        test.is_some()
    }

    /// Switches the load off after the delay that it returns; `returns`: on again with mains.
    pub fn switch_off(&mut self, returns: bool) -> Duration {
        self.output = Output::Ending { at: self.now + SHUTDOWN_DELAY, returns };
        SHUTDOWN_DELAY
    }

    /// Whether mains is there and normal, whatever feeds the load.
    #[must_use]
    pub fn mains(&self) -> bool {
        self.line_good()
    }

    fn line_good(&self) -> bool {
        self.mains && (TRANSFER.0..=TRANSFER.1).contains(&self.line)
    }

    fn on_battery(&self) -> bool {
        !self.line_good() || self.test.is_some()
    }

    /// Whether the load has no power.
    #[must_use]
    pub fn dark(&self) -> bool {
        matches!(self.output, Output::Off { .. })
            || (!self.line_good() && (self.charge <= 0.0 || !self.battery_present))
    }

    fn load_now(&self) -> f64 {
        if self.dark() || self.load == 0.0 { 0.0 } else { (self.load + self.load_noise * 0.7).max(0.0) }
    }

    fn line_now(&self) -> f64 {
        if self.mains { (self.line + self.line_noise * 0.9).max(0.0) } else { 0.0 }
    }

    fn runtime_now(&self) -> f64 {
        if !self.battery_present {
            return 0.0;
        }
        // What the display of a real unit shows on mains too: the runtime if mains failed now.
        self.runtime.unwrap_or_else(|| self.charge / self.drain() / 60.0)
    }

    /// The status as the UPS says it.
    #[must_use]
    pub fn status(&self) -> StatusFlags {
        let mut status = StatusFlags::default();
        let regulated = self.line_good() && self.test.is_none();
        status.set(StatusFlags::CALIBRATION, self.test == Some(Test::Calibration));
        status.set(StatusFlags::BOOST, regulated && self.line < REGULATED.0);
        status.set(StatusFlags::TRIM, regulated && self.line > REGULATED.1);
        status.set(StatusFlags::ONLINE, !self.on_battery());
        status.set(StatusFlags::ONBATT, self.on_battery());
        status.set(StatusFlags::OVERLOAD, self.overload.unwrap_or(self.load > 100.0));
        status.set(StatusFlags::BATTLOW, self.low_battery.unwrap_or(self.low));
        status.set(StatusFlags::REPLACEBATT, self.replace);
        if let Some(byte) = self.status_byte {
            status = StatusFlags::from_bits_retain(u32::from(byte));
        }
        status.with(StatusFlags::BATTPRESENT, self.battery_present)
    }

    /// The measured values.
    #[must_use]
    pub fn values(&self) -> Values {
        let line = self.line_now();
        let from_mains = match line {
            _ if self.status().contains(StatusFlags::BOOST) => line * 1.12,
            _ if self.status().contains(StatusFlags::TRIM) => line * 0.89,
            _ => line,
        };
        let output = if self.on_battery() { NOMINAL } else { from_mains };
        Values {
            line_voltage: Some(Volts(tenths(line))),
            load: Some(Percent(tenths(self.load_now()))),
            battery_charge: Some(Percent(tenths(if self.battery_present { self.charge } else { 0.0 }))),
            runtime_left: Some(Minutes(tenths(self.runtime_now()))),
            output_voltage: Some(Volts(if self.dark() { 0.0 } else { tenths(output) })),
            battery_voltage: Some(Volts(tenths(self.battery_voltage()))),
            frequency: Some(Hertz(if self.dark() { 0.0 } else { tenths(50.0 + self.line_noise * 0.02) })),
            temperature: Some(Celsius(tenths(self.temperature))),
            transfer_cause: Some(self.cause),
            self_test: Some(self.result),
            alarm_delay: Some(AlarmDelay::ThirtySeconds),
            ..Values::default()
        }
    }

    /// Two 12 V lead-acid batteries: float voltage on mains, and under load a fall with the charge.
    fn battery_voltage(&self) -> f64 {
        match (self.battery_present, self.on_battery()) {
            (false, _) => 0.0,
            (true, false) => 24.6 + 2.7 * (self.charge / 100.0),
            (true, true) => 21.6 + 3.6 * (self.charge / 100.0) - 0.9 * (self.load_now() / 100.0),
        }
    }

    /// What the UPS says it is.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity {
            name: None,
            model: Some("Simulated UPS 900".to_owned()),
            firmware: Some("1.0".to_owned()),
            serial: Some(format!("SIM{:09}", self.serial)),
            manufacture_date: Some("2026-01-05".to_owned()),
            battery_date: Some("2026-01-05".to_owned()),
            sensitivity: Some(Sensitivity::Medium),
            wake_delay: Some(0),
            shutdown_delay: i32::try_from(SHUTDOWN_DELAY.as_secs()).ok(),
            low_battery_minutes: Some(LOW_BATTERY as i32),
            low_transfer: Some(TRANSFER.0 as i32),
            high_transfer: Some(TRANSFER.1 as i32),
            return_charge: Some(0),
            self_test_interval: Some(SelfTestInterval::FourteenDays),
            nominal_output_voltage: Some(NOMINAL as i32),
            nominal_line_voltage: Some(NOMINAL as i32),
            nominal_battery_voltage: Some(Volts(24.0)),
            nominal_power: Some(Watts(RATED_WATTS)),
            nominal_apparent_power: None,
            permitted: Vec::new(),
        }
    }
}

/// How much of the charging current flows: all of it up to 90 per cent, then less and less.
fn taper(charge: f64) -> f64 {
    ((100.0 - charge) / 10.0).clamp(0.05, 1.0)
}

/// Real units report tenths.
fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// A small repeatable source of noise (xorshift32), mean 0 and deviation 1.
#[derive(Clone, Debug)]
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> f64 {
        // Four uniform numbers are near enough to a bell curve for a display; a sum of four has deviation 1/√3.
        let mut sum = 0.0;
        for _ in 0..4 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 17;
            self.0 ^= self.0 << 5;
            sum += f64::from(self.0) / f64::from(u32::MAX) - 0.5;
        }
        sum * 3.0_f64.sqrt()
    }
}

#[cfg(test)]
mod tests;
