//! What single models get wrong, chosen by ids, product string and descriptor (usb-hid §14, §15). All on by default.

use bitflags::bitflags;

use super::delays::counts_minutes;
use super::table::Key;
use crate::bus::usb::DeviceInfo;
use crate::wire::hid::ReportDescriptor;

bitflags! {
    /// Departures from the standard that one device has.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(super) struct Quirks: u16 {
        /// `Discharging` decides over `ACPresent` when they disagree: APC units show both during a self test, the
        /// CyberPower UT series in a real outage.
        const DISCHARGING_DECIDES = 1 << 0;
        /// `Discharging` is at times set on mains: `ACPresent` decides while the line voltage is inside the transfer limits.
        const AC_PRESENT_DECIDES = 1 << 1;
        /// `ACPresent` stays set in a real outage: set, it says nothing.
        const AC_PRESENT_STAYS = 1 << 2;
        /// Load, transfer limits and frequency come as three ASCII digits, the runtime in minutes.
        const ASCII_DIGITS = 1 << 3;
        /// The battery date is the same constant in every unit.
        const NO_BATTERY_DATE = 1 << 4;
        /// The nominal battery voltage may be half of the true one.
        const NOMINAL_BATTERY_HALVED = 1 << 5;
        /// The battery voltage may read 1.5 times too high.
        const BATTERY_VOLTAGE_TIMES_ONE_AND_HALF = 1 << 6;
        /// `PowerSummary.Voltage` is the output's.
        const NO_BATTERY_VOLTAGE = 1 << 7;
        /// The usage of APC's status flag means something else.
        const NO_STATUS_FLAG = 1 << 8;
        /// The delays of a kill order lie in two collections of the whole unit, and work together.
        const DELAYS_APART = 1 << 9;
        /// Delays are whole minutes even where the descriptor does not say so.
        const DELAYS_IN_MINUTES = 1 << 10;
        /// `DelayBeforeShutdown` is minutes in the low byte, seconds in the high byte, and flags in the top bits.
        const DELAY_IN_BYTES = 1 << 11;
        /// The quick test is started by the value 2; there is no deep test.
        const QUICK_TEST_IS_TWO = 1 << 12;
    }
}

struct Row {
    vendor: u16,
    products: std::ops::RangeInclusive<u16>,
    applies: fn(&DeviceInfo) -> bool,
    quirks: Quirks,
}

const ALL: std::ops::RangeInclusive<u16> = 0..=0xffff;

/// The table. Every row that matches adds its quirks.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    Row { vendor: 0x051d, products: ALL, applies: always, quirks: Quirks::DISCHARGING_DECIDES.union(Quirks::DELAYS_APART) },
    Row { vendor: 0x051d, products: ALL, applies: is_mi_or_m2, quirks: Quirks::AC_PRESENT_DECIDES.union(Quirks::NO_BATTERY_DATE) },
    Row { vendor: 0x051d, products: ALL, applies: is_old_pro, quirks: Quirks::ASCII_DIGITS },
    Row { vendor: 0x051d, products: 3..=4, applies: always, quirks: Quirks::NOMINAL_BATTERY_HALVED },
    Row { vendor: 0x16de, products: ALL, applies: always, quirks: Quirks::DISCHARGING_DECIDES.union(Quirks::DELAYS_APART) },
    Row { vendor: 0x0764, products: ALL, applies: always, quirks: Quirks::DELAYS_IN_MINUTES.union(Quirks::QUICK_TEST_IS_TWO) },
    Row { vendor: 0x0764, products: 0x0501..=0x0501, applies: always, quirks: Quirks::BATTERY_VOLTAGE_TIMES_ONE_AND_HALF },
    Row { vendor: 0x0764, products: ALL, applies: is_ut, quirks: Quirks::DISCHARGING_DECIDES.union(Quirks::AC_PRESENT_STAYS) },
    Row { vendor: 0x0d9f, products: ALL, applies: always, quirks: Quirks::DELAY_IN_BYTES
        .union(Quirks::NO_BATTERY_VOLTAGE).union(Quirks::NO_STATUS_FLAG),
    },
];

fn always(_: &DeviceInfo) -> bool {
    true
}

/// BX-MI, BVK-M2, BK-M2: by name, or by the length of their descriptors.
fn is_mi_or_m2(info: &DeviceInfo) -> bool {
    let named = info.product_name.as_deref().unwrap_or_default().split_whitespace().any(|word| {
        let word = word.split('-').next().unwrap_or_default();
        (word.starts_with("BX") && word.ends_with("MI"))
            || ((word.starts_with("BVK") || word.starts_with("BK")) && word.ends_with("M2"))
    });
    named || matches!(info.report_descriptor.len(), 743 | 745)
}

fn is_old_pro(info: &DeviceInfo) -> bool {
    info.product_name.as_deref() == Some("BackUPS Pro 500 FW:16.3.D USB FW:4")
}

fn is_ut(info: &DeviceInfo) -> bool {
    info.product_name.as_deref().is_some_and(|name| name.trim_start().starts_with("UT"))
}

impl Quirks {
    /// Those of one device.
    pub(super) fn of(info: &DeviceInfo) -> Self {
        let is_its = |row: &&Row| {
            row.vendor == info.vendor && row.products.contains(&info.product) && (row.applies)(info)
        };
        TABLE.iter().filter(is_its).map(|row| row.quirks).collect()
    }

    /// Whether a value of this device is no value.
    pub(super) const fn hides(self, key: Key) -> bool {
        match key {
            Key::StatusFlag => self.contains(Self::NO_STATUS_FLAG),
            Key::BatteryDate => self.contains(Self::NO_BATTERY_DATE),
            Key::BatteryVoltage | Key::NominalBatteryVoltage => self.contains(Self::NO_BATTERY_VOLTAGE),
            _ => false,
        }
    }

    /// The same, with what the descriptor shows of the firmware, whoever's name is on the unit.
    pub(super) fn with(self, descriptor: &ReportDescriptor) -> Self {
        if counts_minutes(descriptor) {
            self | Self::DELAYS_IN_MINUTES | Self::QUICK_TEST_IS_TWO
        } else {
            self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quirks(vendor: u16, product: u16, name: &str) -> Quirks {
        Quirks::of(&DeviceInfo { vendor, product, product_name: Some(name.into()), ..DeviceInfo::default() })
    }

    #[test]
    fn the_noisy_back_ups_family_is_known_by_name() {
        for name in ["Back-UPS BX1600MI FW:294201G -302201G", "BK650M2-CH", "Back-UPS BVK750M2 FW:1"] {
            assert!(quirks(0x051d, 2, name).contains(Quirks::AC_PRESENT_DECIDES), "{name}");
        }
        for name in ["Back-UPS ES 850G2 FW:938.a2 .I USB FW:a2", "Back-UPS XS 1500M", "Smart-UPS 1000"] {
            let quirks = quirks(0x051d, 2, name);
            assert!(
                !quirks.contains(Quirks::AC_PRESENT_DECIDES) && quirks.contains(Quirks::DISCHARGING_DECIDES),
                "{name}"
            );
        }
    }

    #[test]
    fn a_table_row_stays_with_its_vendor() {
        assert!(!quirks(0x0463, 0xffff, "Ellipse").contains(Quirks::DISCHARGING_DECIDES));
        assert!(quirks(0x0764, 0x0501, "UT850").contains(Quirks::DISCHARGING_DECIDES));
        assert!(!quirks(0x0764, 0x0501, "EC850LCD").contains(Quirks::DISCHARGING_DECIDES));
        assert!(
            !quirks(0x1cb0, 0x0038, "KEOR PDU").contains(Quirks::DELAYS_IN_MINUTES),
            "that takes its descriptor"
        );
    }
}
