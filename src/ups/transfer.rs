//! Enumerated answers of a UPS and their status texts (status-fields §5).

/// Why the UPS last transferred to battery: `LASTXFER` (status-fields §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransferCause {
    /// No transfer since the UPS was turned on.
    None,
    /// Over-voltage.
    HighLine,
    /// Under-voltage or blackout.
    LowLine,
    /// Notch or spike.
    Notch,
    /// Ripple or rate of change.
    Ripple,
    /// Self test or calibration, by command, button or timer.
    SelfTest,
    /// Software command.
    Forced,
    /// Input frequency out of range.
    Frequency,
    /// A code that no document names.
    Unknown,
}

impl TransferCause {
    /// The text of `LASTXFER`.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::None => "No transfers since turnon",
            Self::HighLine => "High line voltage",
            Self::LowLine => "Low line voltage",
            Self::Notch => "Line voltage notch or spike",
            Self::Ripple => "Unacceptable line voltage changes",
            Self::SelfTest => "Automatic or explicit self test",
            Self::Forced => "Forced by software",
            Self::Frequency => "Input frequency out of range",
            Self::Unknown => "UNKNOWN EVENT",
        }
    }

    /// What a text of `LASTXFER` says (nis §9.2).
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        use TransferCause::{Forced, Frequency, HighLine, LowLine, Notch, Ripple, SelfTest, Unknown};
        let all = [Self::None, HighLine, LowLine, Notch, Ripple, SelfTest, Forced, Frequency];
        all.into_iter().find(|cause| cause.text() == text.trim_ascii()).unwrap_or(Unknown)
    }
}

/// Result of the last self test: `SELFTEST` (status-fields §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SelfTestResult {
    /// No result available.
    NotAvailable,
    /// Passed.
    Passed,
    /// Passed with a warning.
    Warning,
    /// Failed without a stated reason.
    Failed,
    /// Failed: insufficient battery capacity.
    FailedCapacity,
    /// Failed: battery overloaded.
    FailedOverload,
    /// A test is running.
    InProgress,
    /// A code that no document names.
    Unknown,
}

impl SelfTestResult {
    /// The text of `SELFTEST`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotAvailable => "NO",
            Self::Passed => "OK",
            Self::Warning => "WN",
            Self::Failed | Self::FailedOverload => "NG",
            Self::FailedCapacity => "BT",
            Self::InProgress => "IP",
            Self::Unknown => "??",
        }
    }

    /// What a text of `SELFTEST` says, by its first two letters (nis §9.2).
    #[must_use]
    pub fn from_code(text: &str) -> Self {
        match text.trim_ascii().as_bytes().get(..2) {
            Some(b"OK") => Self::Passed,
            Some(b"NO") => Self::NotAvailable,
            Some(b"BT") => Self::FailedCapacity,
            Some(b"NG") => Self::Failed,
            Some(b"WN") => Self::Warning,
            Some(b"IP") => Self::InProgress,
            _ => Self::Unknown,
        }
    }

    /// Whether the battery has not stood it.
    #[must_use]
    pub const fn has_failed(self) -> bool {
        matches!(self, Self::Failed | Self::FailedCapacity | Self::FailedOverload)
    }

    /// The words of the log line `UPS Self Test completed: …` (power-events §4).
    #[must_use]
    pub const fn log_text(self) -> &'static str {
        match self {
            Self::NotAvailable => "No test results available",
            Self::Passed => "Battery OK",
            Self::Warning => "Warning",
            Self::Failed => "Test failed",
            Self::FailedCapacity => "Test failed -- insufficient battery capacity",
            Self::FailedOverload => "Test failed -- battery overloaded",
            Self::InProgress => "In progress",
            Self::Unknown => "Unknown",
        }
    }
}

/// How the last calibration went, as the UPS says it (modbus §4.4; snmp §4, Results of a calibration). The number has a bit for each reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CalibrationResult {
    /// No result available.
    NotAvailable,
    /// One runs, or is about to.
    InProgress,
    /// It went well.
    Passed,
    /// It failed, or its result is not valid.
    Failed(u32),
    /// It was not started.
    Refused(u32),
    /// It was stopped.
    Stopped(u32),
}

impl CalibrationResult {
    /// How it went and why, for a person.
    #[must_use]
    pub fn text(self) -> String {
        let (word, bits) = match self {
            Self::NotAvailable => return "none has been".to_owned(),
            Self::InProgress => return "in progress".to_owned(),
            Self::Passed => return "passed".to_owned(),
            Self::Failed(bits) => ("failed", bits),
            Self::Refused(bits) => ("refused", bits),
            Self::Stopped(bits) => ("stopped", bits),
        };
        format!("{word}: {}", test_reasons(bits))
    }
}

/// Why a test did not go well (modbus §4.3, §4.4), for a person.
#[must_use]
pub fn test_reasons(bits: u32) -> String {
    let reasons = [
        (9, "it is in the wrong state"),
        (10, "it has an internal fault"),
        (11, "its charge is too low"),
        (12, "the load has changed"),
        (13, "mains is bad"),
        (14, "the load is too low"),
        (15, "it is being overcharged"),
    ];
    let found: Vec<&str> =
        reasons.iter().filter(|(bit, _)| bits & (1 << bit) != 0).map(|(_, text)| *text).collect();
    if found.is_empty() { "it does not say why".to_owned() } else { found.join(", ") }
}

/// Sensitivity to line disturbances: `SENSE` (status-fields §5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sensitivity {
    /// Chosen by the UPS.
    Auto,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// A code that no document names.
    Unknown,
}

impl Sensitivity {
    /// The text of `SENSE`.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Auto => "Auto Adjust",
            Self::Low => "Low",
            Self::Medium => "Medium",
            Self::High => "High",
            Self::Unknown => "Unknown",
        }
    }

    /// What a text of `SENSE` says, by its first letter (nis §9.2); `None`: it is empty.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Some(match text.trim_ascii().as_bytes().first()? {
            b'A' => Self::Auto,
            b'L' => Self::Low,
            b'M' => Self::Medium,
            b'H' => Self::High,
            _ => Self::Unknown,
        })
    }
}

/// When the UPS sounds its alarm: `ALARMDEL` (status-fields §5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AlarmDelay {
    /// After 5 seconds on battery.
    FiveSeconds,
    /// After 30 seconds on battery.
    ThirtySeconds,
    /// At low battery.
    LowBattery,
    /// Never.
    Never,
    /// Always.
    Always,
}

impl AlarmDelay {
    /// The text of `ALARMDEL`.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::FiveSeconds => "5 Seconds",
            Self::ThirtySeconds => "30 Seconds",
            Self::LowBattery => "Low Battery",
            Self::Never => "No alarm",
            Self::Always => "Always",
        }
    }
}

/// Self-test interval: `STESTI` (status-fields §5.3): a serial UPS's own words, or a USB code's meaning.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SelfTestInterval {
    /// USB code 0.
    None,
    /// USB code 1.
    PowerOn,
    /// USB code 2.
    SevenDays,
    /// Any other USB code.
    FourteenDays,
    /// The raw answer of a serial UPS: `336`, `168`, `ON`, `OFF`.
    Raw(String),
}

impl SelfTestInterval {
    /// The text of `STESTI`.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::None => "None",
            Self::PowerOn => "Power On",
            Self::SevenDays => "7 days",
            Self::FourteenDays => "14 days",
            Self::Raw(text) => text,
        }
    }
}
