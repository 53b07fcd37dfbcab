//! Any bytes as a report descriptor.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mainsd::wire::hid::{ReportDescriptor, is_power_device};

fuzz_target!(|bytes: &[u8]| {
    let Ok(descriptor) = ReportDescriptor::parse(bytes) else { return };
    let _ = is_power_device(&descriptor);
    for field in descriptor.fields() {
        assert!(field.bit_size > 0 && field.count > 0);
        assert!(descriptor.enclosing(field).count() <= descriptor.collections().len());
        let length = descriptor.report_len(field.kind, field.report_id).expect("a field lies in a report");
        let end = u64::from(field.bit_offset) + u64::from(field.bit_size) * u64::from(field.count);
        assert!(end <= u64::from(length) * 8);
    }
});
