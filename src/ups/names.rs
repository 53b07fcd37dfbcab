//! What the same value is called elsewhere: status key, NUT variable, HID usage.
//!
//! `report::field` writes the keys, `link::usb::table` reads the usages, and `mainsd-nis(7)` prints the table; tests
//! hold all three against it.

/// The names of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    /// Key in a status answer (status-fields §1).
    pub key: &'static str,
    /// Variable of Network UPS Tools, from its list of names. NUT counts time in seconds.
    pub nut: Option<&'static str>,
    /// Usage page and usage of the HID Power Device class, or of APC's own page ff86, that APC units report the value
    /// under (usb-hid §7).
    pub hid: Option<u32>,
}

const fn names(key: &'static str, nut: &'static str, hid: u32) -> Names {
    Names {
        key,
        nut: if nut.is_empty() { None } else { Some(nut) },
        hid: if hid == 0 { None } else { Some(hid) },
    }
}

impl Names {
    /// Every value that comes from a UPS, in the order of a status answer.
    #[rustfmt::skip]
    pub const ALL: [Self; 44] = [
        names("UPSNAME", "ups.id", 0x0085_0088),
        names("MODEL", "ups.model", 0x0084_00fe),
        names("STATUS", "ups.status", 0),
        names("LINEV", "input.voltage", 0x0084_0030),
        names("LOADPCT", "ups.load", 0x0084_0035),
        names("LOADAPNT", "", 0),
        names("BCHARGE", "battery.charge", 0x0085_0066),
        names("TIMELEFT", "battery.runtime", 0x0085_0068),
        names("MAXLINEV", "input.voltage.maximum", 0),
        names("MINLINEV", "input.voltage.minimum", 0),
        names("OUTPUTV", "output.voltage", 0x0084_0030),
        names("SENSE", "input.sensitivity", 0xff86_0061),
        names("DWAKE", "ups.delay.start", 0x0084_0056),
        names("DSHUTD", "ups.delay.shutdown", 0xff86_0076),
        names("DLOWBATT", "battery.runtime.low", 0),
        names("LOTRANS", "input.transfer.low", 0x0084_0053),
        names("HITRANS", "input.transfer.high", 0x0084_0054),
        names("RETPCT", "battery.charge.restart", 0xff86_0019),
        names("ITEMP", "ups.temperature", 0x0084_0036),
        names("ALARMDEL", "ups.beeper.status", 0x0084_005a),
        names("BATTV", "battery.voltage", 0x0084_0030),
        names("LINEFREQ", "input.frequency", 0x0084_0032),
        names("OUTCURNT", "output.current", 0),
        names("LASTXFER", "input.transfer.reason", 0xff86_0052),
        names("SELFTEST", "ups.test.result", 0x0084_0058),
        names("STESTI", "ups.test.interval", 0xff86_001a),
        names("STATFLAG", "", 0xff86_0060),
        names("DIPSW", "", 0),
        names("REG1", "", 0),
        names("REG2", "", 0),
        names("REG3", "", 0),
        names("MANDATE", "ups.mfr.date", 0x0085_0085),
        names("SERIALNO", "ups.serial", 0x0084_00ff),
        names("BATTDATE", "battery.date", 0x0085_0085),
        names("NOMOUTV", "output.voltage.nominal", 0x0084_0040),
        names("NOMINV", "input.voltage.nominal", 0x0084_0040),
        names("NOMBATTV", "battery.voltage.nominal", 0x0084_0040),
        names("NOMPOWER", "ups.realpower.nominal", 0x0084_0044),
        names("NOMAPNT", "ups.power.nominal", 0x0084_0043),
        names("HUMIDITY", "ambient.humidity", 0x0084_0037),
        names("AMBTEMP", "ambient.temperature", 0x0084_0036),
        names("EXTBATTS", "battery.packs.external", 0),
        names("BADBATTS", "battery.packs.bad", 0),
        names("FIRMWARE", "ups.firmware", 0x0084_00fe),
    ];

    /// The names of the value with this status key.
    #[must_use]
    pub fn of_key(key: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|names| names.key == key)
    }
}
