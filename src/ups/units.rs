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

impl Minutes {
    /// From the seconds that HID, Modbus and most newer devices report.
    #[must_use]
    pub fn from_secs(seconds: f64) -> Self {
        Self(seconds / 60.0)
    }

    /// The same span in seconds.
    #[must_use]
    pub fn as_secs(self) -> f64 {
        self.0 * 60.0
    }
}
