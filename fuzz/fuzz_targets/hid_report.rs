//! A descriptor and a report: the first two bytes are the length of the descriptor, the report follows it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mainsd::wire::hid::ReportDescriptor;

fuzz_target!(|bytes: &[u8]| {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return };
    let Some((descriptor, report)) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length))) else {
        return;
    };
    let Ok(descriptor) = ReportDescriptor::parse(descriptor) else { return };
    for field in descriptor.fields() {
        let Some(raw) = field.raw(report) else { continue };
        let _ = field.unscale(field.scale(raw));
        let mut copy = report.to_vec();
        if field.put(&mut copy, raw).is_ok() {
            assert_eq!(copy, report, "putting back what was read changes nothing");
        }
    }
});
