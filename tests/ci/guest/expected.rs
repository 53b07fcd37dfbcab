//! What the status of each device must say. Values follow from the logged report bytes (`tests/devices`) and, where
//! none were logged, from the simulator's table of plausible values; most were also seen from apcupsd 3.14.14 on the
//! same simulated device.

/// Status lines of one device.
pub struct Device {
    /// File in `tests/devices`.
    pub file: &'static str,
    /// Keys and values, blanks trimmed.
    pub status: &'static [(&'static str, &'static str)],
    /// The write that must end `--killpower`: report id and bytes after it.
    pub kill: (u8, &'static [u8]),
    /// A write that must come before it.
    pub before_kill: Option<(u8, &'static [u8])>,
}

/// Back-UPS ES 850G2.
pub const ES_850G2: Device = Device {
    file: "apc-back-ups-es-850g2",
    status: &[
        ("MODEL", "Back-UPS ES 850G2"),
        ("STATUS", "ONLINE"),
        ("LINEV", "228.0 Volts"),
        ("LOADPCT", "34.0 Percent"),
        ("BCHARGE", "100.0 Percent"),
        ("TIMELEFT", "14.5 Minutes"),
        ("SENSE", "Medium"),
        ("LOTRANS", "180.0 Volts"),
        ("HITRANS", "266.0 Volts"),
        ("ALARMDEL", "30 Seconds"),
        ("BATTV", "13.4 Volts"),
        ("LASTXFER", "No transfers since turnon"),
        ("SELFTEST", "NO"),
        ("STATFLAG", "0x05000008"),
        ("BATTDATE", "2021-03-02"),
        ("NOMINV", "230 Volts"),
        ("NOMBATTV", "12.0 Volts"),
        ("NOMPOWER", "520 Watts"),
        ("FIRMWARE", "938.a2 .I USB FW:a2"),
    ],
    kill: (0x41, &[0x3c, 0]),
    before_kill: None,
};

/// Back-UPS BX1600MI.
pub const BX1600MI: Device = Device {
    file: "apc-back-ups-bx1600mi",
    status: &[
        ("MODEL", "Back-UPS BX1600MI"),
        ("STATUS", "ONLINE"),
        ("LINEV", "237.0 Volts"),
        ("LOADPCT", "10.0 Percent"),
        ("BCHARGE", "100.0 Percent"),
        ("TIMELEFT", "55.3 Minutes"),
        ("SENSE", "Medium"),
        ("LOTRANS", "145.0 Volts"),
        ("HITRANS", "295.0 Volts"),
        ("BATTV", "27.3 Volts"),
        ("LASTXFER", "Automatic or explicit self test"),
        ("SELFTEST", "OK"),
        ("STATFLAG", "0x05000008"),
        ("NOMINV", "230 Volts"),
        ("NOMBATTV", "24.0 Volts"),
        ("NOMPOWER", "900 Watts"),
        ("FIRMWARE", "294201G -302201G"),
    ],
    kill: (0x40, &[1]),
    before_kill: None,
};

/// Back-UPS XS 1500M.
pub const XS_1500M: Device = Device {
    file: "apc-back-ups-xs-1500m",
    status: &[
        ("MODEL", "Back-UPS XS 1500M"),
        ("STATUS", "ONLINE"),
        ("LINEV", "120.0 Volts"),
        ("LOADPCT", "13.0 Percent"),
        ("BCHARGE", "100.0 Percent"),
        ("TIMELEFT", "55.0 Minutes"),
        ("LOTRANS", "88.0 Volts"),
        ("HITRANS", "139.0 Volts"),
        ("ALARMDEL", "No alarm"),
        ("BATTV", "27.3 Volts"),
        ("LASTXFER", "Low line voltage"),
        ("STATFLAG", "0x05000008"),
        ("BATTDATE", "2024-10-14"),
        ("NOMINV", "120 Volts"),
        ("NOMBATTV", "24.0 Volts"),
        ("NOMPOWER", "900 Watts"),
        ("FIRMWARE", "947.d7 .D USB FW:d7"),
    ],
    kill: (0x41, &[0x3c, 0]),
    before_kill: None,
};

/// Back-UPS RS 1000G: only its descriptor was published.
pub const RS_1000G: Device = Device {
    file: "apc-back-ups-rs-1000g",
    status: &[
        ("MODEL", "Back-UPS RS 1000G"),
        ("STATUS", "ONLINE"),
        ("LINEV", "230.0 Volts"),
        ("LOADPCT", "20.0 Percent"),
        ("BCHARGE", "100.0 Percent"),
        ("TIMELEFT", "30.0 Minutes"),
        ("LOTRANS", "184.0 Volts"),
        ("HITRANS", "265.0 Volts"),
        ("BATTV", "27.0 Volts"),
        ("STATFLAG", "0x05000008"),
        ("NOMINV", "230 Volts"),
        ("NOMBATTV", "24.0 Volts"),
        ("NOMPOWER", "600 Watts"),
    ],
    kill: (0x41, &[0x3c, 0]),
    before_kill: None,
};

/// Smart-UPS 1000 of the classic generation: most reports were not logged.
pub const SMART_1000: Device = Device {
    file: "apc-smart-ups-1000",
    status: &[
        ("MODEL", "Smart-UPS 1000"),
        ("STATUS", "ONLINE"),
        ("LINEV", "230.0 Volts"),
        ("LOADPCT", "20.0 Percent"),
        ("BCHARGE", "100.0 Percent"),
        ("TIMELEFT", "30.0 Minutes"),
        ("OUTPUTV", "230.0 Volts"),
        ("LOTRANS", "184.0 Volts"),
        ("HITRANS", "265.0 Volts"),
        ("RETPCT", "0.0 Percent"),
        ("ITEMP", "24.9 C"),
        ("BATTV", "27.0 Volts"),
        ("LINEFREQ", "50.0 Hz"),
        ("STATFLAG", "0x05000008"),
        ("MANDATE", "2021-03-04"),
        ("NOMOUTV", "230 Volts"),
        ("NOMBATTV", "24.0 Volts"),
        ("FIRMWARE", "600.3.I USB FW:1.5"),
    ],
    kill: (0x12, &[0x3c, 0]),
    before_kill: Some((0x28, &[0x40, 0])),
};

/// Smart-UPS 3000 of the generation with product id 3: 32-bit delay, wrong logical range.
pub const SMART_3000: Device = Device {
    file: "apc-smart-ups-3000-pid3",
    status: &[
        ("MODEL", "Smart-UPS_3000"),
        ("STATUS", "ONLINE"),
        ("BCHARGE", "100.0 Percent"),
        ("TIMELEFT", "20.2 Minutes"),
        ("BATTV", "27.0 Volts"),
        ("STATFLAG", "0x05000008"),
        ("MANDATE", "2023-01-13"),
        ("NOMBATTV", "48.0 Volts"),
        ("FIRMWARE", "UPS 06.0 / ID=1027"),
    ],
    kill: (0x13, &[0x3c, 0, 0, 0]),
    before_kill: None,
};

/// CyberPower CP900EPFCLCD: delays count minutes, presented in seconds.
pub const CP900: Device = Device {
    file: "cyberpower-cp900epfclcd",
    status: &[
        ("MODEL", "CP900EPFCLCD"),
        ("STATUS", "ONLINE"),
        ("LINEV", "243.0 Volts"),
        ("LOADPCT", "5.0 Percent"),
        ("BCHARGE", "100.0 Percent"),
        ("TIMELEFT", "78.5 Minutes"),
        ("OUTPUTV", "243.0 Volts"),
        ("LOTRANS", "170.0 Volts"),
        ("HITRANS", "260.0 Volts"),
        ("SELFTEST", "NO"),
        ("STATFLAG", "0x05000008"),
        ("NOMINV", "230 Volts"),
        ("NOMPOWER", "540 Watts"),
    ],
    kill: (0x15, &[1, 0]),
    before_kill: None,
};

/// Eaton 3S 700.
pub const EATON_3S: Device = Device {
    file: "eaton-3s-700",
    status: &[
        ("STATUS", "ONLINE"),
        ("LOADPCT", "7.0 Percent"),
        ("BCHARGE", "100.0 Percent"),
        ("TIMELEFT", "30.0 Minutes"),
        ("OUTPUTV", "230.0 Volts"),
        ("LOTRANS", "184.0 Volts"),
        ("HITRANS", "264.0 Volts"),
        ("STATFLAG", "0x05000008"),
    ],
    kill: (0x09, &[0x3c, 0, 0, 0]),
    before_kill: Some((0x0a, &[0x40, 0, 0, 0])),
};

/// Tripp Lite, protocol 3016: exponents wrong by 10^5. The line voltage is that of its converter, which was not logged.
pub const TRIPP_LITE: Device = Device {
    file: "tripplite-3016",
    status: &[
        ("MODEL", "TRIPP LITE UPS"),
        ("STATUS", "ONLINE"),
        ("LINEV", "120.0 Volts"),
        ("LOADPCT", "20.0 Percent"),
        ("BCHARGE", "100.0 Percent"),
        ("TIMELEFT", "30.0 Minutes"),
        ("LOTRANS", "96.0 Volts"),
        ("HITRANS", "138.0 Volts"),
        ("BATTV", "27.0 Volts"),
        ("STATFLAG", "0x05000008"),
    ],
    kill: (0x15, &[0x3c, 0]),
    before_kill: None,
};
