use super::*;

/// One 16-bit feature in report 1 of a UPS, with the globals in `globals` before it.
fn one_field(globals: &[u8]) -> Field {
    let mut bytes = vec![0x05, 0x84, 0x09, 0x04, 0xa1, 0x01, 0x85, 0x01, 0x75, 0x10, 0x95, 0x01];
    bytes.extend_from_slice(globals);
    bytes.extend_from_slice(&[0x09, 0x30, 0xb1, 0x02, 0xc0]);
    ReportDescriptor::parse(&bytes).unwrap().fields()[0]
}

#[test]
fn a_negative_minimum_makes_a_field_signed() {
    let signed = one_field(&[0x15, 0xff, 0x26, 0xff, 0x7f]);
    assert_eq!(signed.raw(&[1, 0xff, 0xff]), Some(-1));
    assert_eq!(signed.raw(&[1, 0x3c, 0x00]), Some(60));
    let unsigned = one_field(&[0x15, 0x00, 0x25, 0xff]);
    assert_eq!(unsigned.raw(&[1, 0xff, 0xff]), Some(65535));
    assert_eq!(unsigned.logical_max, 255);
}

#[test]
fn values_outside_the_logical_range_are_read_as_they_are() {
    let field = one_field(&[0x16, 0x04, 0x01, 0x26, 0x0e, 0x01]);
    assert_eq!((field.logical_min, field.logical_max), (260, 270));
    assert_eq!(field.physical(&[1, 243, 0]), Some(243.0));
}

#[test]
fn a_short_answer_reads_its_missing_bits_as_zero_and_a_missing_field_as_nothing() {
    let field = one_field(&[0x15, 0x00, 0x26, 0xff, 0x7f]);
    assert_eq!(field.raw(&[1, 0x34]), Some(0x34));
    assert_eq!(field.raw(&[1]), None);
    assert_eq!(field.raw(&[]), None);
    assert_eq!(field.raw(&[2, 0x34, 0x12]), None, "another report");
}

#[test]
fn volts_lose_the_bias_of_their_unit() {
    let volt = [0x67, 0x21, 0xd1, 0xf0, 0x00];
    let tenths = one_field(&[&volt[..], &[0x55, 0x06]].concat());
    assert_eq!(tenths.physical(&[1, 0xbe, 0x04]), Some(121.4));
    let hundredths = one_field(&[&volt[..], &[0x55, 0x05]].concat());
    assert_eq!(hundredths.physical(&[1, 0xaa, 0x0a]), Some(27.3));
}

#[test]
fn an_exponent_is_a_nibble_or_a_signed_byte() {
    assert_eq!(one_field(&[0x55, 0x0f]).exponent, -1);
    assert_eq!(one_field(&[0x55, 0xff]).exponent, -1);
    assert_eq!(one_field(&[0x55, 0x07]).exponent, 7);
    assert_eq!(one_field(&[0x55, 0x0f]).physical(&[1, 0xcc, 0x01]), Some(46.0));
}

#[test]
fn a_physical_range_maps_both_ways() {
    // CyberPower: logical -1..32767 is -60..1966020 seconds
    let field = one_field(&[0x15, 0xff, 0x26, 0xff, 0x7f, 0x35, 0xc4, 0x47, 0xc4, 0xff, 0x1d, 0x00]);
    assert_eq!(field.physical(&[1, 0xff, 0xff]), Some(-60.0));
    assert_eq!(field.physical(&[1, 0x01, 0x00]), Some(60.0));
    assert_eq!(field.unscale(60.0), 1);
    assert_eq!(field.unscale(-60.0), -1);
}

#[test]
fn a_value_that_does_not_fit_is_not_put() {
    let field = one_field(&[0x15, 0xff, 0x26, 0xff, 0x7f]);
    let mut report = [1, 0xaa, 0xaa];
    assert_eq!(field.put(&mut report, 32768), Err(PackError::DoesNotFit));
    assert_eq!(field.put(&mut report[..2], 60), Err(PackError::ReportTooShort));
    assert_eq!(report, [1, 0xaa, 0xaa]);
    assert_eq!(field.put(&mut report, -1), Ok(()));
    assert_eq!(report, [1, 0xff, 0xff]);
}

#[test]
fn a_report_selected_again_goes_on_where_it_stopped() {
    let bytes = [
        0x05, 0x84, 0x75, 0x10, 0x95, 0x01, // 16 bits
        0x85, 0x23, 0x09, 0x30, 0xb1, 0x02, // report 23: input voltage
        0x85, 0x24, 0x09, 0x35, 0xb1, 0x02, // report 24 between
        0x85, 0x23, 0x09, 0x30, 0xb1, 0x02, // report 23: output voltage
    ];
    let descriptor = ReportDescriptor::parse(&bytes).unwrap();
    let offsets: Vec<_> =
        descriptor.fields().iter().map(|field| (field.report_id, field.bit_offset)).collect();
    assert_eq!(offsets, [(0x23, 0), (0x24, 0), (0x23, 16)]);
    assert_eq!(descriptor.report_len(ReportKind::Feature, 0x23), Some(5));
    assert_eq!(descriptor.report_len(ReportKind::Input, 0x23), None);
}

#[test]
fn the_longest_report_of_a_kind_counts_its_id() {
    // Report 1: 8 bytes of input, report 2: 20 bytes of feature.
    let bytes = [
        0x05, 0x84, 0x09, 0x04, 0xa1, 0x01, 0x85, 0x01, 0x09, 0x30, 0x75, 0x08, 0x95, 0x08, 0x81, 0x02, 0x85,
        0x02, 0x09, 0x30, 0x95, 0x14, 0xb1, 0x02, 0xc0,
    ];
    let descriptor = ReportDescriptor::parse(&bytes).unwrap();
    assert_eq!(descriptor.longest(ReportKind::Input), Some(9));
    assert_eq!(descriptor.longest(ReportKind::Output), None);
}

#[test]
fn without_report_ids_there_is_no_id_byte() {
    let bytes = [0x05, 0x84, 0x75, 0x08, 0x95, 0x01, 0x09, 0x35, 0xb1, 0x02];
    let descriptor = ReportDescriptor::parse(&bytes).unwrap();
    assert_eq!(descriptor.report_len(ReportKind::Feature, 0), Some(1));
    assert_eq!(descriptor.fields()[0].raw(&[42]), Some(42));
}

#[test]
fn usages_map_to_elements_and_the_last_one_repeats() {
    let bytes = [0x05, 0x84, 0x75, 0x08, 0x95, 0x05, 0x09, 0x30, 0x09, 0x31, 0xb1, 0x02];
    let descriptor = ReportDescriptor::parse(&bytes).unwrap();
    let places: Vec<_> =
        descriptor.fields().iter().map(|field| (field.usage.0, field.bit_offset, field.count)).collect();
    assert_eq!(places, [(0x0084_0030, 0, 1), (0x0084_0031, 8, 4)]);
}

#[test]
fn hostile_counts_cost_neither_time_nor_memory() {
    let count = |bytes: &[u8]| ReportDescriptor::parse(bytes).map(|descriptor| descriptor.fields().len());
    // a range of 2^32 usages, 2^32 elements
    let range = [0x1b, 0, 0, 0, 0, 0x2b, 0xff, 0xff, 0xff, 0xff];
    let huge = [&range[..], &[0x75, 0x01, 0x97, 0xff, 0xff, 0xff, 0xff, 0xb1, 0x02]].concat();
    assert_eq!(count(&huge), Err(DescriptorError::ReportTooLong));
    let many = [&range[..], &[0x75, 0x01, 0x96, 0x00, 0x01, 0xb1, 0x02]].concat().repeat(5);
    assert_eq!(count(&many), Err(DescriptorError::TooManyFields));
    assert_eq!(count(&[0xa1; 2048]), Err(DescriptorError::TooManyCollections));
    assert_eq!(count(&[0; 4097]), Err(DescriptorError::TooLong));
    assert_eq!(count(&[]), Err(DescriptorError::Empty));
}

#[test]
fn a_power_device_is_known_by_its_application() {
    let is = |bytes: &[u8]| is_power_device(&ReportDescriptor::parse(bytes).unwrap());
    assert!(is(&[0x05, 0x84, 0x09, 0x04, 0xa1, 0x01, 0xc0]));
    assert!(is(&[0x05, 0x84, 0x09, 0x05, 0xa1, 0x01, 0xc0]));
    assert!(!is(&[0x05, 0x01, 0x09, 0x06, 0xa1, 0x01, 0x05, 0x85, 0x09, 0x66, 0x81, 0x02, 0xc0]));
    assert!(!is(&[0x06, 0x00, 0xff, 0x09, 0x01, 0xa1, 0x01, 0xc0]));
}
