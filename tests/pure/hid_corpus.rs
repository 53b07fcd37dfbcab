//! Every device in `tests/devices`: its descriptor parses, and every line of its owner's log is reproduced.
//!
//! Adding a TOML file there adds its tests.

use crate::support::corpus;
use crate::support::corpus::device::{Device, devices};
use crate::support::corpus::names::is_path;
use mainsd::bus::usb::DeviceInfo;
use mainsd::link::usb::describe;
use mainsd::wire::hid::{Field, ReportDescriptor, ReportKind, is_power_device};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// The field a line of the log is about, and the bytes it was read from.
fn locate<'a>(
    device: &'a Device,
    descriptor: &'a ReportDescriptor,
    line: &corpus::device::Expected,
) -> Option<(&'a Field, &'a [u8])> {
    let field = descriptor.fields().iter().find(|field| {
        let kind = if line.input { ReportKind::Input } else { ReportKind::Feature };
        (field.kind, field.report_id, field.bit_offset, field.bit_size)
            == (kind, line.report_id, line.offset, line.size)
            && is_path(descriptor, field, &line.path)
    })?;
    Some((field, device.feature_reports.get(&line.report_id)?))
}

#[test]
fn every_descriptor_parses_and_is_a_complete_power_device() {
    for device in devices() {
        let descriptor = ReportDescriptor::parse(&device.descriptor).expect(&device.file);
        assert!(descriptor.is_complete(), "{}: not complete", device.file);
        assert!(is_power_device(&descriptor), "{}: no UPS application", device.file);
        assert_eq!(device.descriptor.len(), usize::from(device.announced_length), "{}", device.file);
    }
}

#[test]
fn every_expected_line_is_reproduced() {
    let mut wrong = Vec::new();
    for device in devices() {
        let descriptor = ReportDescriptor::parse(&device.descriptor).expect(&device.file);
        for line in &device.expected {
            let Some((field, report)) = locate(device, &descriptor, line) else {
                wrong.push(format!("{}: no such field: {line:?}", device.file));
                continue;
            };
            let value = field.physical(report);
            let right = value.is_some_and(|value| {
                if device.integer_values {
                    value.trunc() == line.value || value.round() == line.value
                } else {
                    // printf %g: six significant digits
                    (value - line.value).abs() <= line.value.abs() * 1e-5
                }
            });
            if !right {
                wrong.push(format!("{}: read {value:?} for {line:?}", device.file));
            }
        }
    }
    assert!(wrong.is_empty(), "{} lines are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Every way into the wire room that a device's bytes have.
fn use_everything(descriptor: &[u8], report: &[u8]) {
    let Ok(descriptor) = ReportDescriptor::parse(descriptor) else { return };
    let _ = is_power_device(&descriptor);
    for field in descriptor.fields() {
        assert!(field.bit_size > 0 && field.count > 0);
        assert!(descriptor.enclosing(field).count() <= descriptor.collections().len());
        let length = descriptor.report_len(field.kind, field.report_id).expect("a length");
        let end = u64::from(field.bit_offset) + u64::from(field.bit_size) * u64::from(field.count);
        assert!(end <= u64::from(length) * 8);
        if let Some(raw) = field.raw(report) {
            let _ = field.unscale(field.scale(raw));
            let mut copy = report.to_vec();
            if field.put(&mut copy, raw).is_ok() {
                assert_eq!(copy, report, "putting back what was read changes nothing");
            }
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(
        descriptor in vec(any::<u8>(), 0..600),
        report in vec(any::<u8>(), 0..80),
    ) {
        use_everything(&descriptor, &report);
    }

    #[test]
    fn a_damaged_descriptor_never_panics(
        which in any::<Index>(),
        damage in vec((any::<Index>(), any::<u8>()), 1..8),
        cut in any::<Index>(),
        report in vec(any::<u8>(), 0..80),
    ) {
        let mut bytes = which.get(devices()).descriptor.clone();
        for (place, byte) in damage {
            *place.get_mut(&mut bytes) = byte;
        }
        use_everything(&bytes, &report);
        bytes.truncate(cut.index(bytes.len()));
        use_everything(&bytes, &report);
    }

    #[test]
    fn a_value_put_into_a_report_is_read_back_and_nothing_else_changes(
        which in any::<Index>(),
        field in any::<Index>(),
        value in any::<i64>(),
        fill in any::<u8>(),
    ) {
        let descriptor = ReportDescriptor::parse(&which.get(devices()).descriptor).expect("a descriptor");
        let field = field.get(descriptor.fields());
        let mut report = vec![fill; usize::from(descriptor.report_len(field.kind, field.report_id).expect("one"))];
        report[0] = field.report_id;
        let before = report.clone();
        let unused = 64 - field.bit_size;
        let value =
            if field.logical_min < 0 { value >> unused } else { ((value as u64) >> unused) as i64 };
        prop_assert_eq!(field.put(&mut report, value), Ok(()));
        prop_assert_eq!(field.raw(&report), Some(value));
        for other in descriptor.fields() {
            let apart = other.bit_offset >= field.bit_offset + field.bit_size
                || other.bit_offset + other.bit_size <= field.bit_offset;
            if (other.kind, other.report_id) == (field.kind, field.report_id) && apart {
                prop_assert_eq!(other.raw(&report), other.raw(&before));
            }
        }
    }
}

#[test]
fn a_descriptor_cut_short_is_noticed() {
    for device in devices() {
        for length in 1..device.descriptor.len() {
            let descriptor = ReportDescriptor::parse(&device.descriptor[..length]).expect("a prefix parses");
            assert!(!descriptor.is_complete(), "{} cut to {length} bytes", device.file);
        }
    }
}

#[test]
fn what_the_log_got_wrong_is_mended_for_the_model() {
    for device in devices() {
        let info = DeviceInfo {
            vendor: device.vendor,
            product: device.product,
            product_name: device.product_name.clone(),
            report_descriptor: device.descriptor.clone(),
            ..DeviceInfo::default()
        };
        let descriptor = describe(&info).expect(&device.file);
        for corrected in &device.corrected {
            let values: Vec<_> = descriptor
                .fields()
                .iter()
                .filter(|field| {
                    field.kind == ReportKind::Feature && is_path(&descriptor, field, &corrected.path)
                })
                .filter_map(|field| field.physical(device.feature_reports.get(&field.report_id)?))
                .collect();
            let right = |value: &f64| (value - corrected.value).abs() <= corrected.value.abs() * 1e-5;
            assert!(
                !values.is_empty() && values.iter().all(right),
                "{}: {} reads {values:?}, right is {}",
                device.file,
                corrected.path,
                corrected.value
            );
        }
    }
}
