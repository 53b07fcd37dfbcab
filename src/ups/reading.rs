//! What a UPS says: values with units; a missing value is `None`, never a sentinel.

use std::time::Instant;

use super::{
    AlarmDelay, Amps, Celsius, Hertz, Minutes, Percent, SelfTestInterval, SelfTestResult, Sensitivity,
    Setting, StatusFlags, TransferCause, VoltAmps, Volts, Watts,
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

/// One complete look at the UPS, made of what has been read so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// When the poll that made this reading ended.
    pub at: Instant,
    /// Bits of [`StatusFlags::FROM_UPS`] only. Neither ONLINE nor ONBATT set: the UPS did not say.
    pub status: StatusFlags,
    /// How far a change of state in it can be believed.
    pub evidence: Evidence,
    /// The measured values.
    pub values: Values,
}

impl Reading {
    /// An empty reading: battery present, line state not stated.
    #[must_use]
    pub fn new(at: Instant) -> Self {
        Self { at, status: StatusFlags::BATTPRESENT, evidence: Evidence::Poll, values: Values::default() }
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
