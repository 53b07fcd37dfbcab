//! Units as types, so that seconds for minutes does not compile.

macro_rules! unit {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
        pub struct $name(pub f64);
    };
}

unit!(
    /// Volts; alternating voltages are root mean square.
    Volts
);
unit!(
    /// Per cent, 0 to 100 for a charge; a load may exceed 100.
    Percent
);
unit!(
    /// Degrees Celsius.
    Celsius
);
unit!(
    /// Hertz.
    Hertz
);
unit!(
    /// Amperes.
    Amps
);
unit!(
    /// Watts of real power.
    Watts
);
unit!(
    /// Volt-amperes of apparent power.
    VoltAmps
);
unit!(
    /// Minutes, with fraction: the unit of `TIMELEFT` and of the directive `MINUTES`.
    Minutes
);

impl Volts {
    /// Whether a line voltage is between the transfer limits, so that a UPS runs from mains by it; `None`: no limits are known.
    #[must_use]
    pub fn within(self, low: Option<i32>, high: Option<i32>) -> Option<bool> {
        let (low, high) = (f64::from(low?), f64::from(high?));
        (low < high).then_some(self.0 > low && self.0 < high)
    }
}

impl Minutes {
    /// From the seconds that HID, Modbus and most newer devices report.
    #[must_use]
    pub fn from_secs(seconds: f64) -> Self {
        Self(seconds / 60.0)
    }
}
