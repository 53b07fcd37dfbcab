//! The descriptors that every USB device has, as the simulated UPS tells them.

use super::model::Model;

pub(super) fn device_descriptor(model: &Model) -> Vec<u8> {
    let mut bytes = vec![18, 1, 0x10, 0x01, 0, 0, 0, 8];
    for number in [model.vendor, model.product, model.release] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(&model.string_indexes);
    bytes.push(1);
    bytes
}

pub(super) fn hid_descriptor(model: &Model) -> [u8; 9] {
    let [low, high] = (model.descriptor.len() as u16).to_le_bytes();
    [9, 0x21, 0x10, 0x01, 0, 1, 0x22, low, high]
}

pub(super) fn configuration(model: &Model) -> Vec<u8> {
    let packet = if model.longest_input() > 8 { 64 } else { 8 };
    let (mut bytes, interfaces) = (Vec::new(), if model.composite { 3 } else { 1 });
    if model.composite {
        // CDC-ACM: control with an interrupt endpoint, and data with two bulk endpoints.
        bytes.extend([9, 4, 0, 0, 1, 2, 2, 1, 0, 7, 5, 0x82, 3, 8, 0, 10]);
        bytes.extend([9, 4, 1, 0, 2, 0x0a, 0, 0, 0, 7, 5, 0x03, 2, 64, 0, 0, 7, 5, 0x83, 2, 64, 0, 0]);
    }
    let modbus = model.modbus_reports().is_some();
    bytes.extend([9, 4, interfaces - 1, 0, 1 + u8::from(modbus), 3, 0, 0, 0]);
    bytes.extend(hid_descriptor(model));
    bytes.extend([7, 5, 0x81, 3, packet, 0, 10]);
    if modbus {
        bytes.extend([7, 5, 0x01, 3, packet, 0, 10]);
    }
    let [low, high] = (bytes.len() as u16 + 9).to_le_bytes();
    [&[9, 2, low, high, interfaces, 1, 0, 0xe0, 1], &bytes[..]].concat()
}

pub(super) fn string(model: &Model, index: u8) -> Option<Vec<u8>> {
    let units: Vec<u8> = if index == 0 {
        0x0409u16.to_le_bytes().to_vec()
    } else {
        model.strings.get(&index)?.encode_utf16().flat_map(u16::to_le_bytes).collect()
    };
    let mut bytes = vec![u8::try_from(units.len() + 2).ok()?, 3];
    bytes.extend(units);
    Some(bytes)
}
