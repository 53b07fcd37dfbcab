//! What a UPS says: values with units; a missing value is `None`, never a sentinel.

use std::time::Instant;

use super::{
    AlarmDelay, Amps, CalibrationResult, Celsius, Fixed, Hertz, Minutes, Percent, SelfTestInterval,
    SelfTestResult, Sensitivity, Setting, StatusFlags, TransferCause, VoltAmps, Volts, Watts,
};

/// How much a reading can be trusted to show a change of state on its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Evidence {
    /// One poll; a change needs a second that agrees.
    #[default]
    Poll,
    /// The UPS sent an alert by itself *and* a read agrees: a change may be believed at once.
    AlertAndRead,
    /// As [`Self::AlertAndRead`], and the cause of the transfer was asked for between the two.
    AlertCauseAndRead,
}

/// What is known of the UPS: what has just been read, and copies of what was read earlier.
///
/// Decisions rest on samples, not on readings: `read` says when each [`Item`] was taken from the UPS, and a copy keeps the
/// time of its sample, so that it agrees with nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// When this reading was made.
    pub at: Instant,
    /// Bits of [`StatusFlags::FROM_UPS`] only. Neither ONLINE nor ONBATT set: the UPS did not say.
    pub status: StatusFlags,
    /// How far a change of state in it can be believed.
    pub evidence: Evidence,
    /// Whether mains is there and normal, by whatever the UPS says of it beside where the load gets its power from: during a
    /// self test that comes from the battery while mains is there. `None`: it does not say.
    pub mains: Option<bool>,
    /// The measured values.
    pub values: Values,
    /// When each item that decisions rest on was read.
    pub read: ReadTimes,
}

impl Reading {
    /// An empty reading: battery present, line state not stated, nothing read.
    #[must_use]
    pub fn new(at: Instant) -> Self {
        Self {
            at,
            status: StatusFlags::BATTPRESENT,
            evidence: Evidence::Poll,
            mains: None,
            values: Values::default(),
            read: ReadTimes::default(),
        }
    }

    /// A reading of which everything was read at `at`.
    #[must_use]
    pub fn sampled(at: Instant, status: StatusFlags, evidence: Evidence, values: Values) -> Self {
        let mut reading = Self { status, evidence, values, ..Self::new(at) };
        for item in Item::ALL {
            reading.read.set(item, Some(at).filter(|_| reading.states(item)));
        }
        reading
    }

    /// The same, with what the UPS says of mains, read at the moment of the reading.
    #[must_use]
    pub fn with_mains(mut self, mains: Option<bool>) -> Self {
        self.mains = mains;
        self.read.set(Item::Mains, mains.map(|_| self.at));
        self
    }

    /// Whether this reading says anything about an item. A flag is said either way.
    #[must_use]
    pub const fn states(&self, item: Item) -> bool {
        match item {
            Item::Line => self.status.intersects(StatusFlags::from_bits_retain(
                StatusFlags::ONLINE.bits() | StatusFlags::ONBATT.bits(),
            )),
            Item::LowBattery | Item::ReplaceBattery | Item::BatteryPresent | Item::Calibration => true,
            Item::Mains => self.mains.is_some(),
            Item::Charge => self.values.battery_charge.is_some(),
            Item::Runtime => self.values.runtime_left.is_some(),
            Item::LineVoltage => self.values.line_voltage.is_some(),
            Item::TransferCause => self.values.transfer_cause.is_some(),
            Item::SelfTest => self.values.self_test.is_some(),
        }
    }
}

/// An item of a reading that decisions rest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Item {
    /// ONLINE and ONBATT.
    Line,
    /// BATTLOW.
    LowBattery,
    /// REPLACEBATT.
    ReplaceBattery,
    /// BATTPRESENT.
    BatteryPresent,
    /// CALIBRATION.
    Calibration,
    /// [`Reading::mains`].
    Mains,
    /// [`Values::battery_charge`].
    Charge,
    /// [`Values::runtime_left`].
    Runtime,
    /// [`Values::line_voltage`].
    LineVoltage,
    /// [`Values::transfer_cause`].
    TransferCause,
    /// [`Values::self_test`].
    SelfTest,
}

impl Item {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Line,
        Self::LowBattery,
        Self::ReplaceBattery,
        Self::BatteryPresent,
        Self::Calibration,
        Self::Mains,
        Self::Charge,
        Self::Runtime,
        Self::LineVoltage,
        Self::TransferCause,
        Self::SelfTest,
    ];
}

/// When each [`Item`] was read. An item without a time is evidence of nothing: it neither agrees nor refutes.
///
/// The contract for drivers: the time is that of the answer of the UPS which said the item. An item that is said again
/// without having been read again keeps its time. One that is made of several answers has the time of the oldest of those
/// that it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadTimes([Option<Instant>; Item::ALL.len()]);

impl ReadTimes {
    /// When this item was read.
    #[must_use]
    pub fn of(&self, item: Item) -> Option<Instant> {
        self.0.get(item as usize).copied().flatten()
    }

    /// Notes when this item was read.
    pub fn set(&mut self, item: Item, at: Option<Instant>) {
        if let Some(place) = self.0.get_mut(item as usize) {
            *place = at;
        }
    }

    /// The same times on a clock that shows `to` when theirs shows `from`; none is later than `to`.
    #[must_use]
    pub fn moved(&self, from: Instant, to: Instant) -> Self {
        Self(self.0.map(|at| to.checked_sub(from.saturating_duration_since(at?))))
    }
}

/// Values that change. `None` means that the UPS does not report the value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values {
    /// Input voltage, `LINEV`.
    pub line_voltage: Option<Volts>,
    /// Load as a share of the real power rating, `LOADPCT`.
    pub load: Option<Percent>,
    /// Load as a share of the apparent power rating, `LOADAPNT`.
    pub load_apparent: Option<Percent>,
    /// Battery charge, `BCHARGE`.
    pub battery_charge: Option<Percent>,
    /// Runtime left at the present load, `TIMELEFT`.
    pub runtime_left: Option<Minutes>,
    /// Highest line voltage since last read, `MAXLINEV`.
    pub line_voltage_max: Option<Volts>,
    /// Lowest line voltage since last read, `MINLINEV`.
    pub line_voltage_min: Option<Volts>,
    /// Output voltage, `OUTPUTV`.
    pub output_voltage: Option<Volts>,
    /// Output current, `OUTCURNT`.
    pub output_current: Option<Amps>,
    /// Battery voltage, `BATTV`.
    pub battery_voltage: Option<Volts>,
    /// Line or output frequency, by driver, `LINEFREQ`.
    pub frequency: Option<Hertz>,
    /// Internal or battery temperature, `ITEMP`.
    pub temperature: Option<Celsius>,
    /// Probe temperature, `AMBTEMP`.
    pub ambient_temperature: Option<Celsius>,
    /// Probe humidity, `HUMIDITY`.
    pub humidity: Option<Percent>,
    /// Cause of the last transfer, `LASTXFER`.
    pub transfer_cause: Option<TransferCause>,
    /// Result of the last self test, `SELFTEST`.
    pub self_test: Option<SelfTestResult>,
    /// How the last calibration went; no status key has it.
    pub calibration: Option<CalibrationResult>,
    /// When the alarm sounds, `ALARMDEL`.
    pub alarm_delay: Option<AlarmDelay>,
    /// Register 1, `REG1`.
    pub register_1: Option<u8>,
    /// Register 2, `REG2`.
    pub register_2: Option<u8>,
    /// Register 3, `REG3`.
    pub register_3: Option<u8>,
    /// DIP switches, `DIPSW`.
    pub dip_switches: Option<u8>,
    /// External battery packs, `EXTBATTS`.
    pub external_batteries: Option<i32>,
    /// Bad battery packs, `BADBATTS`.
    pub bad_batteries: Option<i32>,
}

/// What a calibration needs, in per cent: so much charge, and so much load (apctest §3).
const CALIBRATION: (f64, f64) = (100.0, 10.0);

impl Values {
    /// Whether a calibration makes sense; what the UPS does not tell is left to it.
    ///
    /// # Errors
    /// Why not.
    pub fn permit_calibration(&self) -> Result<(), String> {
        let (full, least) = CALIBRATION;
        if let Some(charge) = self.battery_charge.filter(|charge| charge.0 < full) {
            return Err(format!(
                "the battery is charged to {:.1} %; a calibration needs 100 %",
                Fixed(charge.0)
            ));
        }
        if let Some(load) = self.load.filter(|load| load.0 < least) {
            return Err(format!("the load is {:.1} %; a calibration needs at least 10 %", Fixed(load.0)));
        }
        Ok(())
    }
}

/// Values that are read once, when the UPS is found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identity {
    /// Name stored in the UPS; used for `UPSNAME` only if the configuration names none.
    pub name: Option<String>,
    /// `MODEL`, trailing spaces kept.
    pub model: Option<String>,
    /// `FIRMWARE`.
    pub firmware: Option<String>,
    /// `SERIALNO`.
    pub serial: Option<String>,
    /// `MANDATE`, in the form the UPS's family uses (status-fields §1 row 51).
    pub manufacture_date: Option<String>,
    /// `BATTDATE`, same forms.
    pub battery_date: Option<String>,
    /// `SENSE`.
    pub sensitivity: Option<Sensitivity>,
    /// `DWAKE`, seconds.
    pub wake_delay: Option<i32>,
    /// `DSHUTD`, seconds.
    pub shutdown_delay: Option<i32>,
    /// `DLOWBATT`, minutes.
    pub low_battery_minutes: Option<i32>,
    /// `LOTRANS`, whole volts.
    pub low_transfer: Option<i32>,
    /// `HITRANS`, whole volts.
    pub high_transfer: Option<i32>,
    /// `RETPCT`, whole per cent.
    pub return_charge: Option<i32>,
    /// `STESTI`.
    pub self_test_interval: Option<SelfTestInterval>,
    /// `NOMOUTV`, whole volts.
    pub nominal_output_voltage: Option<i32>,
    /// `NOMINV`, whole volts.
    pub nominal_line_voltage: Option<i32>,
    /// `NOMBATTV`.
    pub nominal_battery_voltage: Option<Volts>,
    /// `NOMPOWER`.
    pub nominal_power: Option<Watts>,
    /// `NOMAPNT`.
    pub nominal_apparent_power: Option<VoltAmps>,
    /// What its settings may be set to, where it says so: the values separated by blanks.
    pub permitted: Vec<(Setting, String)>,
}

impl Identity {
    /// Whether the low transfer voltage stays below the high one with this setting, in volts; what the UPS does not tell is left to it.
    /// One that is not has the load run from the battery for good.
    ///
    /// # Errors
    /// Why not.
    pub fn permit_transfer(&self, setting: Setting, volts: u32) -> Result<(), String> {
        let volts = i64::from(volts);
        let (low, high) = (self.low_transfer.map(i64::from), self.high_transfer.map(i64::from));
        match (setting, low, high) {
            (Setting::LowTransfer, _, Some(high)) if volts >= high => {
                Err(format!("the low transfer voltage must be below the high one, {high} V"))
            }
            (Setting::HighTransfer, Some(low), _) if volts <= low => {
                Err(format!("the high transfer voltage must be above the low one, {low} V"))
            }
            _ => Ok(()),
        }
    }
}
