//! Which USB device is the UPS: decided from what the kernel already shows, before anything is sent to it.

use crate::wire::hid::{ReportDescriptor, is_power_device};

/// One HID interface of a USB device, as found without touching it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Bus port path, `1-1.2`.
    pub location: String,
    /// `idVendor`.
    pub vendor: u16,
    /// `idProduct`.
    pub product: u16,
    /// `bcdDevice`.
    pub bcd_device: u16,
    /// String `iManufacturer`, if the system shows it.
    pub manufacturer: Option<String>,
    /// String `iProduct`, if the system shows it.
    pub product_name: Option<String>,
    /// String `iSerialNumber`, if the system shows it.
    pub serial: Option<String>,
    /// Number of the HID interface.
    pub interface: u8,
    /// Report descriptor as the system showed it; may be empty.
    pub report_descriptor: Vec<u8>,
    /// `wDescriptorLength` of the report descriptor in the HID class descriptor.
    pub announced_descriptor_len: Option<u16>,
}

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
}

/// Whether a device is the UPS that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchResult {
    /// Open it.
    Yes,
    /// A UPS, but not the one `DEVICE` names.
    OtherUps,
    /// Not a UPS of this class: never open it; probing is known to lock other devices up.
    NotAUps,
}

/// Vendor and product ids that apcupsd accepts (usb-hid §1): a UPS even when its descriptor cannot be seen.
const IDS: [(u16, std::ops::RangeInclusive<u16>); 5] = [
    (0x051d, 0x0001..=0x0005),
    (0x051d, 0xffff..=0xffff),
    (0x051d, 0xc801..=0xc805),
    (0x16de, 0xc801..=0xc805),
    (0x03f0, 0x1fe3..=0x1fe3),
];

/// Decides whether `info` is the UPS that `wanted` describes: by its ids or by a UPS application in its report
/// descriptor, and then by `DEVICE`.
#[must_use]
pub fn matches(info: &DeviceInfo, wanted: &Wanted) -> MatchResult {
    if !is_ups(info) {
        return MatchResult::NotAUps;
    }
    let right = match wanted {
        Wanted::Any => true,
        Wanted::Port(path) => *path == info.location,
        Wanted::Serial(wanted) => {
            info.serial.as_ref().is_some_and(|serial| serial.trim().eq_ignore_ascii_case(wanted.trim()))
        }
    };
    if right { MatchResult::Yes } else { MatchResult::OtherUps }
}

/// The descriptor decides if it can be seen whole; the ids do if it cannot (nothing was shown, or it is corrupted:
/// it is read again after opening).
fn is_ups(info: &DeviceInfo) -> bool {
    let by_id =
        IDS.iter().any(|(vendor, products)| *vendor == info.vendor && products.contains(&info.product));
    match ReportDescriptor::parse(&info.report_descriptor) {
        Ok(descriptor) if is_power_device(&descriptor) => true,
        Ok(descriptor) if descriptor.is_complete() => false,
        _ => by_id,
    }
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
        assert_eq!(matches(&device(0x1234, 0x5678, &UPS), &Wanted::Any), MatchResult::Yes);
        assert_eq!(matches(&device(0x1234, 0x5678, &KEYBOARD), &Wanted::Any), MatchResult::NotAUps);
        assert_eq!(matches(&device(0x1234, 0x5678, &[]), &Wanted::Any), MatchResult::NotAUps);
    }

    #[test]
    fn the_ids_decide_when_the_descriptor_cannot_be_seen_or_is_corrupted() {
        assert_eq!(matches(&device(0x051d, 2, &[]), &Wanted::Any), MatchResult::Yes);
        assert_eq!(matches(&device(0x051d, 2, &[0xff; 9]), &Wanted::Any), MatchResult::Yes);
        assert_eq!(matches(&device(0x051d, 2, &KEYBOARD), &Wanted::Any), MatchResult::NotAUps);
        assert_eq!(matches(&device(0x051d, 0, &[]), &Wanted::Any), MatchResult::NotAUps, "a serial bridge");
    }

    #[test]
    fn a_serial_number_is_compared_trimmed_and_without_case() {
        let ups = device(0x051d, 2, &UPS);
        let wanted = |text: &str| matches(&ups, &Wanted::from_device(text));
        assert_eq!(wanted(" 3b1004x02003"), MatchResult::Yes);
        assert_eq!(wanted("3B1004X0200"), MatchResult::OtherUps);
        let nameless = DeviceInfo { serial: None, ..ups.clone() };
        assert_eq!(matches(&nameless, &Wanted::from_device("3B1004X02003")), MatchResult::OtherUps);
    }

    #[test]
    fn a_port_path_names_whatever_is_plugged_in_there() {
        let ups = device(0x051d, 2, &UPS);
        assert_eq!(matches(&ups, &Wanted::from_device("1-1.2")), MatchResult::Yes);
        assert_eq!(matches(&ups, &Wanted::from_device("1-1")), MatchResult::OtherUps);
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
}
