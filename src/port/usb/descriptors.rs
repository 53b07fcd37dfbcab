//! What the port needs of a device's USB descriptors: the HID class descriptor and the interrupt endpoints.

/// What the descriptors say about one interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InterfaceFacts {
    /// `wDescriptorLength` of the report descriptor (HID 1.11 §6.2.1).
    pub report_descriptor_len: Option<u16>,
    /// The first interrupt IN endpoint.
    pub interrupt_in: Option<Endpoint>,
    /// The first interrupt OUT endpoint.
    #[cfg(feature = "usb-out")]
    pub interrupt_out: Option<Endpoint>,
}

/// An interrupt endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `bEndpointAddress`, with the direction bit.
    pub address: u8,
    /// `wMaxPacketSize`, 1 to 1024 bytes.
    pub max_packet: u16,
}

// Descriptor types: USB 2.0 table 9-5, HID 1.11 §7.1.
const CONFIGURATION: u8 = 0x02;
const INTERFACE: u8 = 0x04;
const ENDPOINT: u8 = 0x05;
const HID: u8 = 0x21;
const REPORT: u8 = 0x22;

/// Reads the file `descriptors` of a device in sysfs: the device descriptor, then each configuration whole. Takes what is
/// there of `interface` (alternate setting 0) of `configuration`; total, whatever the bytes are.
#[must_use]
pub fn interface_facts(descriptors: &[u8], configuration: u8, interface: u8) -> InterfaceFacts {
    let mut facts = InterfaceFacts::default();
    let mut in_configuration = false;
    let mut in_interface = false;
    let mut rest = descriptors;
    while let Some(&length) = rest.first() {
        let Some((one, after)) = rest.split_at_checked(usize::from(length.max(2))) else { break };
        rest = after;
        match one {
            [_, CONFIGURATION, _, _, _, value, ..] => {
                in_configuration = *value == configuration;
                in_interface = false;
            }
            [_, INTERFACE, number, alternate, ..] => {
                in_interface = in_configuration && *number == interface && *alternate == 0;
            }
            // bcdHID, bCountryCode, bNumDescriptors, then three bytes for each: type and length.
            [_, HID, _, _, _, _, list @ ..] if in_interface => {
                let report = list.chunks_exact(3).find_map(|entry| match entry {
                    [REPORT, low, high] => Some(u16::from_le_bytes([*low, *high])),
                    _ => None,
                });
                facts.report_descriptor_len = facts.report_descriptor_len.or(report);
            }
            [_, ENDPOINT, address, attributes, low, high, ..] if in_interface => {
                let interrupt_in = address & 0x80 != 0 && attributes & 3 == 3;
                #[cfg(feature = "usb-out")]
                let interrupt_out = address & 0x80 == 0 && attributes & 3 == 3;
                // Bits 11 and 12 count extra packets a microframe (USB 2.0 table 9-13).
                let max_packet = u16::from_le_bytes([*low, *high]) & 0x7ff;
                if interrupt_in && (1..=1024).contains(&max_packet) && facts.interrupt_in.is_none() {
                    facts.interrupt_in = Some(Endpoint { address: *address, max_packet });
                }
                #[cfg(feature = "usb-out")]
                if interrupt_out && (1..=1024).contains(&max_packet) && facts.interrupt_out.is_none() {
                    facts.interrupt_out = Some(Endpoint { address: *address, max_packet });
                }
            }
            _ => {}
        }
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Back-UPS: one configuration, one HID interface, 1049 bytes of report descriptor, endpoint 0x81 of 8 bytes.
    const BACK_UPS: [u8; 52] = [
        0x12, 0x01, 0x10, 0x01, 0x00, 0x00, 0x00, 0x08, 0x1d, 0x05, 0x02, 0x00, 0x06, 0x01, 0x03, 0x01, 0x02,
        0x01, // device
        0x09, 0x02, 0x22, 0x00, 0x01, 0x01, 0x00, 0xa0, 0x01, // configuration 1
        0x09, 0x04, 0x00, 0x00, 0x01, 0x03, 0x00, 0x00, 0x00, // interface 0
        0x09, 0x21, 0x10, 0x01, 0x21, 0x01, 0x22, 0x19, 0x04, // HID
        0x07, 0x05, 0x81, 0x03, 0x08, 0x00, 0x64, // endpoint
    ];

    #[test]
    fn a_back_ups_announces_its_report_descriptor_and_endpoint() {
        let facts = interface_facts(&BACK_UPS, 1, 0);
        assert_eq!(facts.report_descriptor_len, Some(0x0419));
        assert_eq!(facts.interrupt_in, Some(Endpoint { address: 0x81, max_packet: 8 }));
    }

    #[test]
    fn another_interface_or_configuration_says_nothing_about_ours() {
        assert_eq!(interface_facts(&BACK_UPS, 1, 1), InterfaceFacts::default());
        assert_eq!(interface_facts(&BACK_UPS, 2, 0), InterfaceFacts::default());
    }

    #[test]
    fn hid_on_a_later_interface_is_found_and_output_endpoints_are_not_taken_for_input() {
        let mut bytes = BACK_UPS.to_vec();
        bytes.extend([0x09, 0x04, 0x02, 0x00, 0x02, 0x03, 0x00, 0x00, 0x00]);
        bytes.extend([0x09, 0x21, 0x11, 0x01, 0x00, 0x01, 0x22, 0x50, 0x00]);
        bytes.extend([0x07, 0x05, 0x02, 0x03, 0x40, 0x00, 0x0a]);
        bytes.extend([0x07, 0x05, 0x83, 0x03, 0x40, 0x08, 0x0a]);
        let facts = interface_facts(&bytes, 1, 2);
        assert_eq!(facts.report_descriptor_len, Some(0x50));
        assert_eq!(facts.interrupt_in, Some(Endpoint { address: 0x83, max_packet: 64 }));
        assert_eq!(facts.interrupt_out, Some(Endpoint { address: 0x02, max_packet: 64 }));
    }

    #[test]
    fn every_cut_and_every_zero_length_ends() {
        for end in 0..BACK_UPS.len() {
            let _ = interface_facts(&BACK_UPS[..end], 1, 0);
        }
        assert_eq!(interface_facts(&[0; 300], 1, 0), InterfaceFacts::default());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_give_a_usable_endpoint_or_none(
            tail in proptest::collection::vec(proptest::num::u8::ANY, 0..80),
            at in 0usize..52,
        ) {
            let mut bytes = BACK_UPS[..at].to_vec();
            bytes.extend(tail);
            for bytes in [&bytes[..], &bytes[at..]] {
                let facts = interface_facts(bytes, 1, 0);
                let usable = |e: Endpoint| e.address & 0x80 != 0 && (1..=1024).contains(&e.max_packet);
                assert!(facts.interrupt_in.is_none_or(usable));
                let usable = |e: Endpoint| e.address & 0x80 == 0 && (1..=1024).contains(&e.max_packet);
                assert!(facts.interrupt_out.is_none_or(usable));
            }
        }
    }
}
