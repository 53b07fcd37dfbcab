//! What single models get wrong, chosen by ids, product string and descriptor (usb-hid §14, §15). All on by default.

use super::delays::counts_minutes;
use super::table::Key;
use crate::bus::usb::DeviceInfo;
use crate::wire::hid::ReportDescriptor;

/// A departure from the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quirk {
    /// `Discharging` decides over `ACPresent` when they disagree: APC units show both during a self test, the
    /// CyberPower UT series in a real outage.
    DischargingDecides,
    /// `Discharging` is at times set on mains: `ACPresent` decides while the line voltage is inside the transfer limits.
    AcPresentDecides,
    /// `ACPresent` stays set in a real outage: set, it says nothing.
    AcPresentStays,
    /// Load, transfer limits and frequency come as three ASCII digits, the runtime in minutes.
    AsciiDigits,
    /// The battery date is the same constant in every unit.
    NoBatteryDate,
    /// The nominal battery voltage may be half of the true one.
    NominalBatteryHalved,
    /// The battery voltage may read 1.5 times too high.
    BatteryVoltageTimesOneAndHalf,
    /// `PowerSummary.Voltage` is the output's.
    NoBatteryVoltage,
    /// The usage of APC's status flag means something else.
    NoStatusFlag,
    /// The delays of a kill order lie in two collections of the whole unit, and work together.
    DelaysApart,
    /// Delays are whole minutes even where the descriptor does not say so.
    DelaysInMinutes,
    /// `DelayBeforeShutdown` is minutes in the low byte, seconds in the high byte, and flags in the top bits.
    DelayInBytes,
    /// The quick test is started by the value 2; there is no deep test.
    QuickTestIsTwo,
}

struct Row {
    vendor: u16,
    products: std::ops::RangeInclusive<u16>,
    applies: fn(&DeviceInfo) -> bool,
    quirks: &'static [Quirk],
}

const ALL: std::ops::RangeInclusive<u16> = 0..=0xffff;

/// The table. Every row that matches adds its quirks.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    Row { vendor: 0x051d, products: ALL, applies: always, quirks: &[Quirk::DischargingDecides, Quirk::DelaysApart] },
    Row { vendor: 0x051d, products: ALL, applies: is_mi_or_m2, quirks: &[Quirk::AcPresentDecides, Quirk::NoBatteryDate] },
    Row { vendor: 0x051d, products: ALL, applies: is_old_pro, quirks: &[Quirk::AsciiDigits] },
    Row { vendor: 0x051d, products: 3..=4, applies: always, quirks: &[Quirk::NominalBatteryHalved] },
    Row { vendor: 0x16de, products: ALL, applies: always, quirks: &[Quirk::DischargingDecides, Quirk::DelaysApart] },
    Row { vendor: 0x0764, products: ALL, applies: always, quirks: &[Quirk::DelaysInMinutes, Quirk::QuickTestIsTwo] },
    Row { vendor: 0x0764, products: 0x0501..=0x0501, applies: always, quirks: &[Quirk::BatteryVoltageTimesOneAndHalf] },
    Row { vendor: 0x0764, products: ALL, applies: is_ut, quirks: &[Quirk::DischargingDecides, Quirk::AcPresentStays] },
    Row { vendor: 0x0d9f, products: ALL, applies: always, quirks: &[
        Quirk::DelayInBytes, Quirk::NoBatteryVoltage, Quirk::NoStatusFlag,
    ] },
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

/// The quirks of one device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Quirks(u32);

impl Quirks {
    pub(super) fn of(info: &DeviceInfo) -> Self {
        let mut set = 0;
        for row in TABLE {
            if row.vendor == info.vendor && row.products.contains(&info.product) && (row.applies)(info) {
                for &quirk in row.quirks {
                    set |= 1 << quirk as u32;
                }
            }
        }
        Self(set)
    }

    pub(super) const fn has(self, quirk: Quirk) -> bool {
        self.0 & 1 << quirk as u32 != 0
    }

    /// Whether a value of this device is no value.
    pub(super) const fn hides(self, key: Key) -> bool {
        match key {
            Key::StatusFlag => self.has(Quirk::NoStatusFlag),
            Key::BatteryDate => self.has(Quirk::NoBatteryDate),
            Key::BatteryVoltage | Key::NominalBatteryVoltage => self.has(Quirk::NoBatteryVoltage),
            _ => false,
        }
    }

    const fn and(self, quirk: Quirk) -> Self {
        Self(self.0 | 1 << quirk as u32)
    }

    /// The same, with what the descriptor shows of the firmware, whoever's name is on the unit.
    pub(super) fn with(self, descriptor: &ReportDescriptor) -> Self {
        if counts_minutes(descriptor) {
            self.and(Quirk::DelaysInMinutes).and(Quirk::QuickTestIsTwo)
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
            assert!(quirks(0x051d, 2, name).has(Quirk::AcPresentDecides), "{name}");
        }
        for name in ["Back-UPS ES 850G2 FW:938.a2 .I USB FW:a2", "Back-UPS XS 1500M", "Smart-UPS 1000"] {
            let quirks = quirks(0x051d, 2, name);
            assert!(!quirks.has(Quirk::AcPresentDecides) && quirks.has(Quirk::DischargingDecides), "{name}");
        }
    }

    #[test]
    fn a_table_row_stays_with_its_vendor() {
        assert!(!quirks(0x0463, 0xffff, "Ellipse").has(Quirk::DischargingDecides));
        assert!(quirks(0x0764, 0x0501, "UT850").has(Quirk::DischargingDecides));
        assert!(!quirks(0x0764, 0x0501, "EC850LCD").has(Quirk::DischargingDecides));
        assert!(!quirks(0x1cb0, 0x0038, "KEOR PDU").has(Quirk::DelaysInMinutes), "that takes its descriptor");
    }
}
