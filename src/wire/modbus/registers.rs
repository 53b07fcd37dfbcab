//! The registers of an APC UPS (modbus §3), and what their words mean.

/// Neighbouring registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub address: u16,
    /// How many.
    pub count: u16,
}

impl Span {
    /// Where the next registers begin.
    #[must_use]
    pub const fn end(self) -> u16 {
        self.address.saturating_add(self.count)
    }
}

/// What a register, or several of them, say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// Where the load gets its power from (modbus §4.1).
    Status,
    /// Why that has changed last, LASTXFER (modbus §4.2).
    Cause,
    /// What contacts would show (modbus §4.6).
    Signalling,
    /// Errors of the power part (modbus §4.5).
    PowerErrors,
    /// Errors of the battery (modbus §4.5).
    BatteryErrors,
    /// The battery test, SELFTEST (modbus §4.3).
    BatteryTest,
    /// The calibration (modbus §4.4).
    Calibration,
    /// TIMELEFT, seconds.
    Runtime,
    /// BCHARGE.
    Charge,
    /// BATTV.
    BatteryVoltage,
    /// ITEMP.
    Temperature,
    /// LOADPCT.
    Load,
    /// LOADAPNT.
    ApparentLoad,
    /// OUTCURNT.
    OutputCurrent,
    /// OUTPUTV.
    OutputVoltage,
    /// LINEFREQ: that of the output.
    Frequency,
    /// State of the input (modbus §4.7).
    Input,
    /// LINEV.
    LineVoltage,
    /// FIRMWARE, its first part.
    Firmware,
    /// MODEL.
    Model,
    /// SERIALNO.
    Serial,
    /// NOMAPNT, VA.
    ApparentPower,
    /// NOMPOWER, W.
    RealPower,
    /// Which outlet groups there are (modbus §3.2).
    Groups,
    /// MANDATE.
    Made,
    /// NOMOUTV, a bit for each voltage (modbus §4.8).
    OutputSetting,
    /// BATTDATE.
    BatteryDate,
    /// UPSNAME.
    Name,
    /// HITRANS, volts.
    HighTransfer,
    /// LOTRANS, volts.
    LowTransfer,
    /// DSHUTD, seconds.
    OffDelay,
    /// DWAKE, seconds.
    OnDelay,
    /// FIRMWARE, its second part.
    Map,
}

/// How registers are read (modbus §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// ASCII, high byte first.
    Text,
    /// Days since the beginning of 2000.
    Date,
    /// One bit for each thing.
    Bits,
    /// A number, divided by 2 to the power of this.
    Unsigned(u8),
    /// The same in two's complement.
    Signed(u8),
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register {
    /// What it says.
    pub item: Item,
    /// Where it is.
    pub span: Span,
    /// How it is read.
    pub form: Form,
}

const fn row(item: Item, address: u16, count: u16, form: Form) -> Register {
    Register { item, span: Span { address, count }, form }
}

/// Everything that is read (modbus §3.1, §3.2), in the order of the addresses.
pub const REGISTERS: &[Register] = &[
    row(Item::Status, 0, 2, Form::Bits),
    row(Item::Cause, 2, 1, Form::Unsigned(0)),
    row(Item::Signalling, 18, 1, Form::Bits),
    row(Item::PowerErrors, 20, 2, Form::Bits),
    row(Item::BatteryErrors, 22, 1, Form::Bits),
    row(Item::BatteryTest, 23, 1, Form::Bits),
    row(Item::Calibration, 24, 1, Form::Bits),
    row(Item::Runtime, 128, 2, Form::Unsigned(0)),
    row(Item::Charge, 130, 1, Form::Unsigned(9)),
    row(Item::BatteryVoltage, 131, 1, Form::Signed(5)),
    row(Item::Temperature, 135, 1, Form::Signed(7)),
    row(Item::Load, 136, 1, Form::Unsigned(8)),
    row(Item::ApparentLoad, 138, 1, Form::Unsigned(8)),
    row(Item::OutputCurrent, 140, 1, Form::Unsigned(5)),
    row(Item::OutputVoltage, 142, 1, Form::Unsigned(6)),
    row(Item::Frequency, 144, 1, Form::Unsigned(7)),
    row(Item::Input, 150, 1, Form::Bits),
    row(Item::LineVoltage, 151, 1, Form::Unsigned(6)),
    row(Item::Firmware, 516, 8, Form::Text),
    row(Item::Model, 532, 16, Form::Text),
    row(Item::Serial, 564, 8, Form::Text),
    row(Item::ApparentPower, 588, 1, Form::Unsigned(0)),
    row(Item::RealPower, 589, 1, Form::Unsigned(0)),
    row(Item::Groups, 590, 1, Form::Bits),
    row(Item::Made, 591, 1, Form::Date),
    row(Item::OutputSetting, 592, 1, Form::Bits),
    row(Item::BatteryDate, 595, 1, Form::Date),
    row(Item::Name, 596, 8, Form::Text),
    row(Item::HighTransfer, 1026, 1, Form::Unsigned(0)),
    row(Item::LowTransfer, 1027, 1, Form::Unsigned(0)),
    row(Item::OffDelay, 1029, 1, Form::Signed(0)),
    row(Item::OnDelay, 1030, 1, Form::Signed(0)),
    row(Item::Map, 2048, 2, Form::Text),
];

/// Where the load gets its power from: what is asked most often.
pub const STATUS: Span = Span { address: 0, count: 2 };
/// The battery test (modbus §4.3).
pub const BATTERY_TEST: Span = Span { address: 23, count: 1 };
/// The calibration (modbus §4.4).
pub const CALIBRATION: Span = Span { address: 24, count: 1 };
/// Seconds until the main outlet group goes off; -1: it does not (modbus §3.2).
pub const GROUP_OFF_COUNTDOWN: Span = Span { address: 155, count: 1 };
/// What its panel shows and sounds (modbus §3.2).
pub const USER_INTERFACE: Span = span(26, 1);
/// The date of the battery.
pub const BATTERY_DATE: Span = span(595, 1);
/// The name.
pub const NAME: Span = span(596, 8);
/// The upper transfer voltage, whole volts (modbus §3.2).
pub const HIGH_TRANSFER: Span = span(1026, 1);
/// The lower one.
pub const LOW_TRANSFER: Span = span(1027, 1);
/// Seconds from the order until the main outlet group goes off (modbus §3.2).
pub const OFF_DELAY: Span = span(1029, 1);
/// Seconds from mains back until it goes on.
pub const ON_DELAY: Span = span(1030, 1);

const fn span(address: u16, count: u16) -> Span {
    Span { address, count }
}

/// What is asked for to be sure that no older answer can come any more, in turn: texts and numbers that never change (modbus §3.2), and
/// for a UPS without them the status with what is behind it. Each is as long as no other and as nothing else that is read, so its answer
/// cannot be taken for that of another request, or of the probes before it.
pub const PROBES: [Span; 12] = [
    span(2050, 4),
    span(0, 3),
    span(2050, 6),
    span(0, 19),
    span(2050, 9),
    span(0, 20),
    span(2050, 10),
    span(0, 22),
    span(2050, 11),
    span(0, 23),
    span(2050, 12),
    span(0, 26),
];

/// What is written to switch off (modbus §5).
pub const SHUTDOWN_ORDER: u16 = 1540;

/// The words of a register as one number; `None`: the UPS has nothing there, which all ones say (modbus §2.1).
#[must_use]
pub fn value(words: &[u16]) -> Option<u32> {
    let is_there = words.iter().any(|word| *word != u16::MAX) && words.len() <= 2;
    is_there.then(|| words.iter().fold(0, |value, word| value << 16 | u32::from(*word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_are_in_order_and_none_is_as_long_as_a_probe() {
        let lengths: std::collections::BTreeSet<u16> = PROBES.iter().map(|probe| probe.count).collect();
        assert_eq!(lengths.len(), PROBES.len());
        assert!(REGISTERS.windows(2).all(|pair| pair[0].span.end() <= pair[1].span.address));
        assert!(REGISTERS.iter().all(|row| PROBES.iter().all(|probe| row.span.count != probe.count)));
        for numbers in REGISTERS.iter().filter(|row| row.form != Form::Text) {
            assert!(numbers.span.count <= 2, "{numbers:?}");
        }
    }

    #[test]
    fn the_high_word_comes_first_and_all_ones_are_nothing() {
        assert_eq!(value(&[1, 2]), Some(0x1_0002));
        assert_eq!(value(&[0xffff, 2]), Some(0xffff_0002));
        assert_eq!((value(&[0xffff]), value(&[0xffff, 0xffff]), value(&[])), (None, None, None));
    }
}
