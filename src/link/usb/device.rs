//! Which USB device is the UPS: decided from what the kernel already shows, before anything is sent to it.

use std::ops::RangeInclusive;

use crate::bus::usb::{DeviceInfo, Verdict};
use crate::wire::hid::{CollectionKind, ReportDescriptor, is_power_device};

/// What `DEVICE` asks for (usb-hid §1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// The first UPS found.
    #[default]
    Any,
    /// The UPS with this serial number; trimmed, compared without regard to case.
    Serial(String),
    /// Whatever UPS is plugged in at this bus port path.
    Port(String),
}

impl Wanted {
    /// Reads the value of `DEVICE`.
    ///
    /// Empty, a device node (`/dev/…`: a tty left over from a serial UPS, or a `hiddev` node) and a value with `[`
    /// and `]` all mean autodetect. `1-1.2` is a bus port path. Everything else is a serial number.
    #[must_use]
    pub fn from_device(value: &str) -> Self {
        let value = value.trim();
        if value.is_empty() || value.starts_with('/') || (value.contains('[') && value.contains(']')) {
            Self::Any
        } else if is_port_path(value) {
            Self::Port(value.to_owned())
        } else {
            Self::Serial(value.to_owned())
        }
    }

    /// Whether this is the device that is named, if it is a UPS.
    #[must_use]
    pub fn names(&self, info: &DeviceInfo) -> bool {
        match self {
            Self::Any => true,
            Self::Port(path) => *path == info.location,
            Self::Serial(wanted) => {
                info.serial.as_ref().is_some_and(|serial| serial.trim().eq_ignore_ascii_case(wanted.trim()))
            }
        }
    }
}

/// Vendor and product ids that apcupsd accepts (usb-hid §1): a UPS even when its descriptor cannot be seen.
const IDS: [(u16, RangeInclusive<u16>); 5] = [
    (0x051d, 0x0001..=0x0005),
    (0x051d, 0xffff..=0xffff),
    (0x051d, 0xc801..=0xc805),
    (0x16de, 0xc801..=0xc805),
    (0x03f0, 0x1fe3..=0x1fe3),
];

/// Ids under which vendors sell UPSes of this class that only the report descriptor tells from other devices
/// (usb-hid §1). With one of them and no kernel driver (a program that held it died), the driver is attached again to
/// see the descriptor; with a damaged one it is read from the device.
const MAYBE_UPS: [(u16, RangeInclusive<u16>); 22] = [
    (0x0463, 0..=0xffff),      // Eaton, MGE
    (0x06da, 0..=0xffff),      // Phoenixtec
    (0x0592, 4..=4),           // Powerware
    (0x03f0, 1..=1),           // HP
    (0x03f0, 0x1f06..=0x1f0a), // HP
    (0x03f0, 0x1fe0..=0x1fe8), // HP
    (0x04b3, 1..=1),           // IBM
    (0x0764, 0..=0xffff),      // CyberPower
    (0x0483, 0xa430..=0xa430), // ST Microelectronics
    (0x0665, 0x5161..=0x5161), // Cypress
    (0x09ae, 2..=0xffff),      // Tripp Lite
    (0x050d, 0..=0xffff),      // Belkin
    (0x0d9f, 0..=0xffff),      // Powercom
    (0x10af, 0..=0xffff),      // Liebert
    (0x05dd, 0xa011..=0xa0a0), // Delta, Minuteman
    (0x075d, 0x0300..=0x0300), // iDowell
    (0x2e66, 0..=0xffff),      // Salicru
    (0x1cb0, 0..=0xffff),      // Legrand
    (0x2341, 0x0036..=0x8040), // Arduino
    (0x2a03, 0x0036..=0x8040), // Arduino
    (0x04d8, 0xd004..=0xd005), // openUPS
    (0x051d, 0..=0xffff),      // APC
];

/// Decides what is to be done with a device that was found, when `DEVICE` asks for `wanted`: by its ids or by a UPS application in
/// its report descriptor, and then by its name. One that is no UPS is never opened: probing is known to lock other devices up.
#[must_use]
pub fn verdict(info: &DeviceInfo, wanted: &Wanted) -> Verdict {
    if is_ups(info) {
        return if wanted.names(info) { Verdict::Wanted } else { Verdict::Other };
    }
    let not_shown = info.report_descriptor.is_empty();
    match is_listed(info, &MAYBE_UPS) && (not_shown || looks_damaged(info)) {
        false => Verdict::Foreign,
        // Another daemon's, perhaps.
        true if !wanted.names(info) => Verdict::Other,
        true if not_shown => Verdict::NeedsDescriptor,
        true => Verdict::Doubtful,
    }
}

fn is_listed(info: &DeviceInfo, ids: &[(u16, RangeInclusive<u16>)]) -> bool {
    ids.iter().any(|(vendor, products)| *vendor == info.vendor && products.contains(&info.product))
}

/// Whether the report descriptor that the system shows cannot be what the device meant to send: it does not parse, its
/// collections are not closed, it is not as long as announced, or it is for no kind of device at all. One that is empty was
/// not read; one of a keyboard, or of a maker's own page (a serial bridge, usb-hid §14), is whole.
pub(super) fn looks_damaged(info: &DeviceInfo) -> bool {
    if info.report_descriptor.is_empty() {
        return false;
    }
    ReportDescriptor::parse(&info.report_descriptor).map_or(true, |descriptor| {
        let length = info.announced_descriptor_len.filter(|length| *length != 0);
        !descriptor.is_complete()
            || length.is_some_and(|length| usize::from(length) != info.report_descriptor.len())
            || !is_some_device(&descriptor)
    })
}

/// Whether an application lies on a page that the HID usage tables name, or on a maker's own.
fn is_some_device(descriptor: &ReportDescriptor) -> bool {
    const PAGES: [RangeInclusive<u16>; 7] = [
        0x01..=0x14,     // desktop, simulation, …, displays
        0x20..=0x20,     // sensors
        0x40..=0x41,     // medical, braille
        0x59..=0x59,     // lighting
        0x80..=0x92,     // monitors, power, bar codes, scales, cards, cameras, arcade
        0xf1d0..=0xf1d0, // FIDO
        0xff00..=0xffff, // a maker's own
    ];
    let pages = descriptor
        .collections()
        .iter()
        .filter(|collection| collection.kind == CollectionKind::Application)
        .filter_map(|collection| collection.usage.map(crate::wire::hid::Usage::page));
    pages.into_iter().any(|page| PAGES.iter().any(|pages| pages.contains(&page)))
}

/// The descriptor decides if it can be seen whole; the ids do if it cannot (nothing was shown, or it is corrupted:
/// it is read again after opening).
fn is_ups(info: &DeviceInfo) -> bool {
    match ReportDescriptor::parse(&info.report_descriptor) {
        Ok(descriptor) if is_power_device(&descriptor) => true,
        Ok(descriptor) if descriptor.is_complete() => false,
        _ => is_known(info),
    }
}

/// Whether its ids are those of a UPS and of nothing else.
pub(super) fn is_known(info: &DeviceInfo) -> bool {
    is_listed(info, &IDS)
}

/// `<bus>-<port>[.<port>…]`, decimal.
fn is_port_path(value: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.len() <= 3 && text.bytes().all(|b| b.is_ascii_digit());
    value.split_once('-').is_some_and(|(bus, ports)| number(bus) && ports.split('.').all(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPS: [u8; 7] = [0x05, 0x84, 0x09, 0x04, 0xa1, 0x01, 0xc0];
    const KEYBOARD: [u8; 7] = [0x05, 0x01, 0x09, 0x06, 0xa1, 0x01, 0xc0];

    fn device(vendor: u16, product: u16, descriptor: &[u8]) -> DeviceInfo {
        DeviceInfo {
            location: "1-1.2".into(),
            vendor,
            product,
            serial: Some("3B1004X02003  ".into()),
            report_descriptor: descriptor.to_vec(),
            ..DeviceInfo::default()
        }
    }

    #[test]
    fn a_ups_is_known_by_its_descriptor_whatever_its_ids() {
        assert_eq!(verdict(&device(0x1234, 0x5678, &UPS), &Wanted::Any), Verdict::Wanted);
        assert_eq!(verdict(&device(0x1234, 0x5678, &KEYBOARD), &Wanted::Any), Verdict::Foreign);
        assert_eq!(verdict(&device(0x1234, 0x5678, &[]), &Wanted::Any), Verdict::Foreign);
    }

    #[test]
    fn the_ids_decide_when_the_descriptor_cannot_be_seen_or_is_corrupted() {
        assert_eq!(verdict(&device(0x051d, 2, &[]), &Wanted::Any), Verdict::Wanted);
        assert_eq!(verdict(&device(0x051d, 2, &[0xff; 9]), &Wanted::Any), Verdict::Wanted);
        assert_eq!(verdict(&device(0x051d, 2, &KEYBOARD), &Wanted::Any), Verdict::Foreign);
        assert_eq!(
            verdict(&device(0x051d, 0, &[]), &Wanted::Any),
            Verdict::NeedsDescriptor,
            "perhaps a serial bridge"
        );
    }

    #[test]
    fn a_descriptor_that_no_device_means_is_damaged() {
        let damaged = |descriptor: &[u8]| looks_damaged(&device(0x0764, 0x0501, descriptor));
        assert!(damaged(&[0xff; 9]), "no collection");
        assert!(damaged(&UPS[..6]), "a collection is not closed");
        assert!(damaged(&[0x05, 0x84, 0x09, 0x04, 0xa1, 0x01, 0x85]), "the last item is cut");
        assert!(damaged(&[0x05, 0x70, 0x09, 0x04, 0xa1, 0x01, 0xc0]), "for no kind of device");
        assert!(damaged(&[0x26; 4097]), "too long");
        assert!(!damaged(&[]), "not read");
        assert!(!damaged(&UPS) && !damaged(&KEYBOARD));
        let other_length =
            DeviceInfo { announced_descriptor_len: Some(8), ..device(0x0764, 0x0501, &KEYBOARD) };
        assert!(looks_damaged(&other_length));
    }

    #[test]
    fn a_serial_bridge_is_whole_and_no_ups() {
        // 27 bytes on a page of the maker's own: a Megatec bridge (usb-hid §14).
        let bridge = [
            0x06, 0xa0, 0xff, 0x09, 0x01, 0xa1, 0x01, 0x09, 0x03, 0x15, 0x00, 0x26, 0xff, 0x00, 0x75, 0x08,
            0x95, 0x08, 0x81, 0x02, 0x09, 0x04, 0x91, 0x02, 0xc0,
        ];
        for (vendor, product) in [(0x0665, 0x5161), (0x06da, 0x0003), (0x10af, 0x0002)] {
            let device = device(vendor, product, &bridge);
            assert_eq!(verdict(&device, &Wanted::Any), Verdict::Foreign);
            assert!(!looks_damaged(&device));
        }
    }

    #[test]
    fn a_serial_number_is_compared_trimmed_and_without_case() {
        let ups = device(0x051d, 2, &UPS);
        let wanted = |text: &str| verdict(&ups, &Wanted::from_device(text));
        assert_eq!(wanted(" 3b1004x02003"), Verdict::Wanted);
        assert_eq!(wanted("3B1004X0200"), Verdict::Other);
        let nameless = DeviceInfo { serial: None, ..ups.clone() };
        assert_eq!(verdict(&nameless, &Wanted::from_device("3B1004X02003")), Verdict::Other);
    }

    #[test]
    fn a_port_path_names_whatever_is_plugged_in_there() {
        let ups = device(0x051d, 2, &UPS);
        assert_eq!(verdict(&ups, &Wanted::from_device("1-1.2")), Verdict::Wanted);
        assert_eq!(verdict(&ups, &Wanted::from_device("1-1")), Verdict::Other);
    }

    #[test]
    fn device_nodes_brackets_and_blanks_mean_autodetect() {
        for value in ["", "  ", "/dev/ttyS0", "/dev/usb/hiddev0", "/dev/usb/hiddev[0-9]", "[0-9]"] {
            assert_eq!(Wanted::from_device(value), Wanted::Any, "{value:?}");
        }
    }

    #[test]
    fn a_port_path_is_told_from_a_serial_number() {
        assert_eq!(Wanted::from_device("1-1.2"), Wanted::Port("1-1.2".into()));
        assert_eq!(Wanted::from_device("2-1"), Wanted::Port("2-1".into()));
        assert_eq!(Wanted::from_device(" 3B1004X02003 "), Wanted::Serial("3B1004X02003".into()));
        assert_eq!(Wanted::from_device("1-"), Wanted::Serial("1-".into()));
    }

    #[test]
    fn a_known_vendor_without_a_descriptor_is_looked_at_again_and_a_keyboard_is_not() {
        assert_eq!(verdict(&device(0x0764, 0x0501, &[]), &Wanted::Any), Verdict::NeedsDescriptor);
        assert_eq!(verdict(&device(0x0764, 0x0501, &KEYBOARD), &Wanted::Any), Verdict::Foreign);
        assert_eq!(verdict(&device(0x046d, 0xc31c, &[]), &Wanted::Any), Verdict::Foreign);
        assert_eq!(verdict(&device(0x051d, 0x0002, &[]), &Wanted::Any), Verdict::Wanted);
        let named = Wanted::Serial("CPS1".into());
        assert_eq!(verdict(&device(0x0764, 0x0501, &[]), &named), Verdict::Other, "somebody else's");
    }

    #[test]
    fn a_damaged_descriptor_of_a_known_vendor_is_read_from_the_device_and_that_of_another_is_not() {
        let damaged = [0x05, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00];
        assert_eq!(verdict(&device(0x0764, 0x0501, &damaged), &Wanted::Any), Verdict::Doubtful);
        assert_eq!(verdict(&device(0x046d, 0xc31c, &damaged), &Wanted::Any), Verdict::Foreign);
        let named = Wanted::Serial("CPS1".into());
        assert_eq!(verdict(&device(0x0764, 0x0501, &damaged), &named), Verdict::Other);
        let bridge = [0x06, 0xa0, 0xff, 0x09, 0x01, 0xa1, 0x01, 0xc0];
        assert_eq!(verdict(&device(0x0665, 0x5161, &bridge), &Wanted::Any), Verdict::Foreign);
        let cut = DeviceInfo { announced_descriptor_len: Some(600), ..device(0x0665, 0x5161, &bridge) };
        assert_eq!(verdict(&cut, &Wanted::Any), Verdict::Doubtful, "not as long as announced");
    }
}
