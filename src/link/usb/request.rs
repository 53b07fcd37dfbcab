//! Control requests (usb-hid §2, §3).

use std::time::Duration;

use crate::bus::usb::Transmit;
use crate::wire::hid::ReportKind;

/// How long one transfer may take (usb-hid §3).
pub(super) const TIMEOUT: Duration = Duration::from_secs(1);
/// Least time between the starts of two transfers: CS 650 and RS 800 hang when they come faster (usb-hid §3).
pub(super) const SPACING: Duration = Duration::from_millis(20);

const DEVICE_TO_HOST_STANDARD: u8 = 0x80;
const DEVICE_TO_HOST_INTERFACE: u8 = 0x81;
const DEVICE_TO_HOST_CLASS: u8 = 0xa1;
const HOST_TO_DEVICE_CLASS: u8 = 0x21;
const GET_DESCRIPTOR: u8 = 0x06;
const GET_REPORT: u8 = 0x01;
const SET_REPORT: u8 = 0x09;
const ENGLISH: u16 = 0x0409;

fn setup(request_type: u8, request: u8, value: u16, index: u16, length: u16) -> [u8; 8] {
    let ([value_low, value_high], [index_low, index_high]) = (value.to_le_bytes(), index.to_le_bytes());
    let [length_low, length_high] = length.to_le_bytes();
    [request_type, request, value_low, value_high, index_low, index_high, length_low, length_high]
}

fn control_in(request_type: u8, request: u8, value: u16, index: u16, length: u16) -> Transmit {
    Transmit::ControlIn {
        setup: setup(request_type, request, value, index, length),
        length,
        timeout: TIMEOUT,
        rest: Duration::ZERO,
    }
}

/// One of several reads: until the next may start, nobody has to wake for its end.
pub(super) fn in_a_row(transmit: Transmit) -> Transmit {
    match transmit {
        Transmit::ControlIn { setup, length, timeout, .. } => {
            Transmit::ControlIn { setup, length, timeout, rest: SPACING }
        }
        other => other,
    }
}

/// The report descriptor of an interface.
pub(super) fn get_report_descriptor(interface: u8, length: u16) -> Transmit {
    control_in(DEVICE_TO_HOST_INTERFACE, GET_DESCRIPTOR, 0x2200, u16::from(interface), length)
}

/// A string descriptor in English.
pub(super) fn get_string(index: u8) -> Transmit {
    control_in(DEVICE_TO_HOST_STANDARD, GET_DESCRIPTOR, 0x0300 | u16::from(index), ENGLISH, 255)
}

/// Reads a report.
pub(super) fn get_report(interface: u8, kind: ReportKind, id: u8, length: u16) -> Transmit {
    let value = u16::from(kind as u8) << 8 | u16::from(id);
    control_in(DEVICE_TO_HOST_CLASS, GET_REPORT, value, u16::from(interface), length)
}

/// Writes a feature report; `data` begins with the id byte, if the report has an id.
pub(super) fn set_feature(interface: u8, id: u8, data: &[u8]) -> Transmit {
    let value = u16::from(ReportKind::Feature as u8) << 8 | u16::from(id);
    let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
    Transmit::ControlOut {
        setup: setup(HOST_TO_DEVICE_CLASS, SET_REPORT, value, u16::from(interface), length),
        data: data.to_vec(),
        timeout: TIMEOUT,
    }
}

/// The text of a string descriptor; `None` if it is none.
pub(super) fn string_of(answer: &[u8]) -> Option<String> {
    const STRING: u8 = 3;
    let (&[length, kind], rest) = answer.split_first_chunk::<2>()?;
    let text = rest.get(..usize::from(length).checked_sub(2)?.min(rest.len()))?;
    if kind != STRING {
        return None;
    }
    let units = text.chunks_exact(2).filter_map(|unit| Some(u16::from_le_bytes(unit.try_into().ok()?)));
    let text: String =
        char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    let text = text.trim_end_matches('\0').to_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_those_of_the_class() {
        let Transmit::ControlIn { setup, length, .. } = get_report(0, ReportKind::Feature, 0x16, 5) else {
            panic!("not a read")
        };
        assert_eq!((setup, length), ([0xa1, 0x01, 0x16, 0x03, 0, 0, 5, 0], 5));
        let Transmit::ControlOut { setup, .. } = set_feature(2, 0x15, &[0x15, 0x3c, 0]) else {
            panic!("not a write")
        };
        assert_eq!(setup, [0x21, 0x09, 0x15, 0x03, 2, 0, 3, 0]);
        let Transmit::ControlIn { setup, .. } = get_report_descriptor(1, 745) else { panic!("not a read") };
        assert_eq!(setup, [0x81, 0x06, 0x00, 0x22, 1, 0, 0xe9, 0x02]);
    }

    #[test]
    fn a_string_descriptor_is_text_and_damage_is_none() {
        assert_eq!(string_of(&[8, 3, b'U', 0, b'P', 0, b'S', 0]), Some("UPS".into()));
        assert_eq!(string_of(&[8, 3, b'U', 0]), Some("U".into()), "cut short");
        for bad in [&[][..], &[2], &[2, 3], &[0, 3, 1, 1], &[8, 2, b'U', 0]] {
            assert_eq!(string_of(bad), None, "{bad:02x?}");
        }
    }
}
