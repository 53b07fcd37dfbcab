//! The objects that a card may have: one row for each, in one table for each MIB (snmp §4 to §6).

mod mge;
mod powernet;
mod rfc1628;

use crate::wire::snmp::Oid;

/// A MIB that agents of UPSes serve.
#[derive(Debug)]
pub(super) struct Mib {
    /// The vendor's word in DEVICE.
    pub(super) word: &'static str,
    /// Its name, for the log.
    pub(super) name: &'static str,
    /// What stands before each tail.
    pub(super) base: &'static [u32],
    pub(super) rows: &'static [Row],
}

impl PartialEq for Mib {
    fn eq(&self, other: &Self) -> bool {
        self.word == other.word
    }
}

/// The MIBs, in the order in which they are preferred: PowerNet alone has the transfer cause (snmp §1).
pub(super) static ALL: [&Mib; 3] = [&powernet::MIB, &rfc1628::MIB, &mge::MIB];

/// An object.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) item: Item,
    /// The end of its name, without the instance.
    pub(super) tail: &'static [u8],
    pub(super) shape: Shape,
    /// A number times this is in the item's unit.
    pub(super) scale: f64,
    pub(super) when: When,
}

/// How many instances an object has, and which of them counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One: `.0`.
    Scalar,
    /// A column of a table: the first row counts.
    First,
    /// A column: the mean.
    Mean,
    /// A column: the least.
    Least,
    /// A column: the greatest.
    Greatest,
    /// A column: all of them.
    Each,
}

/// When an object is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// With the status of the output, before everything else.
    Status,
    /// In each round.
    Polled,
    /// When the UPS is found.
    Once,
}

/// What an object says, and in which unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is its name")]
pub(super) enum Item {
    // Where the load gets its power from: each MIB has codes of its own.
    PowerNetOutput,
    RfcSource,
    MgeOnBattery,
    // Beside it.
    /// PowerNet: whether the card reaches its UPS.
    CardLink,
    /// PowerNet: 64 characters, 0 or 1.
    StateWord,
    /// RFC 1628: how many there are.
    AlarmCount,
    /// RFC 1628: what they are.
    Alarms,
    PowerNetBattery,
    RfcBattery,
    LowBattery,
    ReplaceBattery,
    MgeReplaceBattery,
    Boost,
    Trim,
    Overload,
    Calibration,
    PowerNetCause,
    MgeCause,
    PowerNetTest,
    RfcTest,
    MgeTest,
    // Measured.
    /// Per cent.
    Charge,
    /// Minutes.
    Runtime,
    LineVoltage,
    LineVoltageMax,
    LineVoltageMin,
    OutputVoltage,
    OutputCurrent,
    /// Per cent.
    Load,
    BatteryVoltage,
    Frequency,
    Temperature,
    AmbientTemperature,
    Humidity,
    BadBatteries,
    // What it is, and its settings.
    Model,
    Serial,
    Name,
    Firmware,
    Made,
    BatteryDate,
    ExternalBatteries,
    NominalBatteryVoltage,
    NominalOutputVoltage,
    NominalLineVoltage,
    NominalPower,
    NominalApparentPower,
    LowTransfer,
    HighTransfer,
    /// Seconds.
    WakeDelay,
    /// Seconds.
    ShutdownDelay,
    /// Minutes.
    LowBatteryRuntime,
    ReturnCharge,
    Sensitivity,
    /// PowerNet; [`Item::AlarmTimer`] is of use with it.
    PowerNetAlarm,
    /// Seconds.
    AlarmTimer,
    RfcAlarm,
    MgeAlarm,
    PowerNetTestInterval,
    MgeTestInterval,
}

/// A scalar that is measured.
const fn polled(item: Item, tail: &'static [u8], scale: f64) -> Row {
    Row { item, tail, shape: Shape::Scalar, scale, when: When::Polled }
}

/// A scalar that is read when the UPS is found.
const fn once(item: Item, tail: &'static [u8], scale: f64) -> Row {
    Row { item, tail, shape: Shape::Scalar, scale, when: When::Once }
}

/// A scalar that is read with the status of the output.
const fn status(item: Item, tail: &'static [u8]) -> Row {
    Row { item, tail, shape: Shape::Scalar, scale: 1.0, when: When::Status }
}

/// A column that is measured.
const fn column(item: Item, tail: &'static [u8], scale: f64, shape: Shape) -> Row {
    Row { item, tail, shape, scale, when: When::Polled }
}

/// The MIB whose group of orders other cards serve too.
pub(super) fn rfc1628() -> &'static Mib {
    &rfc1628::MIB
}

impl Mib {
    /// The name of an object, without its instance.
    pub(super) fn object(&self, tail: &[u8]) -> Oid {
        let numbers: Vec<u32> =
            self.base.iter().copied().chain(tail.iter().copied().map(u32::from)).collect();
        Oid::from(&numbers[..])
    }

    /// The name of a scalar's one instance.
    pub(super) fn scalar(&self, tail: &[u8]) -> Oid {
        self.object(tail).child(0)
    }

    /// The object that says where the load gets its power from; it is the first.
    pub(super) fn output(&self) -> Oid {
        self.scalar(self.rows.first().map_or(&[], |row| row.tail))
    }

    /// Whether another row says the same more exactly: it comes behind.
    pub(super) fn finer(&self, row: usize) -> Option<usize> {
        let item = self.rows.get(row)?.item;
        self.rows.iter().skip(row + 1).position(|other| other.item == item).map(|at| row + 1 + at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_row_is_the_status_no_object_is_there_twice_and_no_item_more_than_twice() {
        for mib in ALL {
            assert!(matches!(mib.rows[0].item, Item::PowerNetOutput | Item::RfcSource | Item::MgeOnBattery));
            for (at, row) in mib.rows.iter().enumerate() {
                assert!(mib.rows[..at].iter().all(|other| other.tail != row.tail), "{:?}", row.item);
                let same = mib.rows.iter().filter(|other| other.item == row.item).count();
                assert!(same <= 2, "{:?}", row.item);
                assert!(row.when != When::Status || row.shape == Shape::Scalar, "{:?}", row.item);
            }
        }
    }

    /// Snmp §1.
    #[test]
    fn the_objects_of_the_status_are_those_by_which_a_mib_is_known() {
        let probes = ALL.map(|mib| mib.output().to_string());
        let expected = ["318.1.1.1.4.1.1.0", "2.1.33.1.4.1.0", "705.1.7.3.0"];
        for (probe, end) in probes.iter().zip(expected) {
            assert!(probe.ends_with(end), "{probe}");
        }
    }
}
