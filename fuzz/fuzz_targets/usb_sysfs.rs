//! Any bytes as the file `descriptors` of a USB device and as a hot-plug message; the first two bytes choose the
//! configuration and the interface.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mainsd::port::usb::{announces_device, interface_facts};

fuzz_target!(|bytes: &[u8]| {
    let _ = announces_device(bytes);
    let Some((&[configuration, interface], descriptors)) = bytes.split_first_chunk() else { return };
    let facts = interface_facts(descriptors, configuration, interface);
    if let Some(endpoint) = facts.interrupt_in {
        assert!(endpoint.address & 0x80 != 0);
        assert!((1..=1024).contains(&endpoint.max_packet));
    }
});
