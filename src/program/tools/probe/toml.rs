//! A recording in the form of `tests/devices`.

use std::fmt::{Arguments, Write};

use crate::link::usb::{Pushed, Recording, hex, path};
use crate::report;
use crate::ups::{Fixed, clean};
use crate::wire::hid::{ReportDescriptor, ReportKind};

/// The text of the file; `version` of this program.
#[must_use]
pub fn text(recording: &Recording, version: &str) -> String {
    let mut out = String::new();
    let mut line = |text: Arguments<'_>| put(&mut out, text);
    let info = &recording.info;
    let named = |text: &Option<String>| text.as_deref().unwrap_or_default().trim().to_owned();
    let name = format!("{} {}", named(&info.manufacturer), named(&info.product_name));
    line(format_args!("# Recorded by mainsd probe; tests/devices/README.md has the format.\nformat = 1"));
    line(format_args!("name = {}", quoted(name.trim())));
    line(format_args!("vid = 0x{:04x}\npid = 0x{:04x}", info.vendor, info.product));
    line(format_args!("bcd_device = 0x{:04x}", info.bcd_device));
    let texts =
        [("manufacturer", &info.manufacturer), ("product", &info.product_name), ("serial", &info.serial)];
    for (key, text) in texts {
        if let Some(text) = text {
            line(format_args!("{key} = {}", quoted(text)));
        }
    }
    if info.interface != 0 {
        line(format_args!("composite = 1 # the HID interface is number {}", info.interface));
    }
    let failed: Vec<String> = recording.failed.iter().map(|failed| quoted(failed)).collect();
    line(format_args!("notes = [{}]\ntags = [\"recorded\"]", failed.join(", ")));
    line(format_args!("\n[source]\nwhere = \"mainsd probe --record\"\nkind = \"recording\""));
    line(format_args!("tool = {}\nvalue_style = \"exact\"", quoted(&format!("mainsd {version}"))));
    let bytes = &info.report_descriptor;
    let announced = info.announced_descriptor_len.map_or(bytes.len(), usize::from);
    line(format_args!("\n[report_descriptor]\nlength = {}\nannounced_length = {announced}", bytes.len()));
    line(format_args!("hex = \"\"\""));
    for part in bytes.chunks(24) {
        line(format_args!("{}", hex(part)));
    }
    line(format_args!("\"\"\""));
    if !recording.strings.is_empty() {
        line(format_args!("\n[strings]"));
    }
    for (index, text) in &recording.strings {
        line(format_args!("{index} = {}", quoted(text)));
    }
    let descriptor = ReportDescriptor::parse(bytes).unwrap_or_default();
    // What is sent only is shown as if it were read, where the descriptor has nothing else to read.
    let shown = |id: u8| {
        let readable = descriptor.report_len(ReportKind::Feature, id).is_some();
        recording.report(if readable { ReportKind::Feature } else { ReportKind::Input }, id)
    };
    let mut input_state = Vec::new();
    line(format_args!("\n[feature_reports]"));
    for (kind, id, bytes) in &recording.reports {
        let readable = descriptor.report_len(ReportKind::Feature, *id).is_some();
        if readable == (*kind == ReportKind::Feature) {
            line(format_args!("\"0x{id:02x}\" = \"{}\"", hex(bytes)));
        } else if readable && shown(*id) != Some(bytes.as_slice()) {
            input_state.push((id, bytes));
        }
    }
    if !input_state.is_empty() {
        line(format_args!("\n[input_state]"));
    }
    for (id, bytes) in input_state {
        line(format_args!("\"0x{id:02x}\" = \"{}\"", hex(bytes)));
    }
    for Pushed { bytes, after, times } in &recording.pushed {
        line(format_args!("\n[[input_reports]]\ndata = \"{}\"", hex(bytes)));
        line(format_args!("comment = \"first after {} s; came {times} times\"", after.as_secs()));
    }
    for field in descriptor.fields().iter().filter(|field| field.kind != ReportKind::Output) {
        let Some(value) = shown(field.report_id).and_then(|bytes| field.physical(bytes)) else { continue };
        let kind = if field.kind == ReportKind::Input { "input" } else { "feature" };
        line(format_args!("\n[[expected]]\npath = \"{}\"\ntype = \"{kind}\"", path(&descriptor, field)));
        line(format_args!("report_id = {}\noffset = {}", field.report_id, field.bit_offset));
        line(format_args!("size = {}\nvalue = {}", field.bit_size, number(value)));
    }
    out
}

#[inline(never)]
fn put(out: &mut String, line: Arguments<'_>) {
    // A text takes everything.
    let _ = out.write_fmt(line);
    out.push('\n');
}

/// A text as a string of TOML, which is that of JSON but for control characters.
fn quoted(text: &str) -> String {
    report::quoted(&clean(text))
}

/// A number as a float of TOML, to six digits at least. The shortest form, or one with an exponent, would bring 8 KB of the library along.
fn number(value: f64) -> String {
    let (mut scaled, mut places) = (value, 0);
    while scaled != 0.0 && scaled.abs() < 1.0 {
        scaled *= 10.0;
        places += 1;
    }
    if places > 0 {
        return format!("{:.6}e-{places}", Fixed(scaled));
    }
    let text = format!("{:.6}", Fixed(value));
    let short = text.trim_end_matches('0');
    format!("{short}{}", if short.ends_with('.') { "0" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn a_number_is_a_float() {
        let table = [
            (0.0, "0.0"),
            (230.0, "230.0"),
            (-1.5, "-1.5"),
            (13.43, "13.43"),
            (0.25, "2.500000e-1"),
            (1e9, "1000000000.0"),
            (-0.000_123_456_7, "-1.234567e-4"),
        ];
        for (value, text) in table {
            assert_eq!(number(value), text);
        }
    }
}
