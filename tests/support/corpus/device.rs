//! The devices of `tests/devices`, as their TOML files describe them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use toml::{Table, Value};

/// One line of the log of the device's owner.
#[derive(Debug)]
pub struct Expected {
    pub path: String,
    pub input: bool,
    pub report_id: u8,
    pub offset: u32,
    pub size: u32,
    pub value: f64,
}

/// Where the literal decoding of the log is known to be wrong.
#[derive(Debug)]
pub struct Corrected {
    pub path: String,
    pub value: f64,
}

/// What a status key must show.
#[derive(Debug)]
pub enum Truth {
    Number(f64),
    Text(String),
}

/// One device file.
pub struct Device {
    /// File name without extension.
    pub file: String,
    pub tags: Vec<String>,
    pub vendor: u16,
    pub product: u16,
    pub bcd_device: u16,
    pub manufacturer: Option<String>,
    pub product_name: Option<String>,
    pub serial: Option<String>,
    pub descriptor: Vec<u8>,
    pub announced_length: u16,
    /// Whether the log lost the fractions.
    pub integer_values: bool,
    pub strings: BTreeMap<u8, String>,
    pub feature_reports: BTreeMap<u8, Vec<u8>>,
    pub input_reports: Vec<Vec<u8>>,
    /// What GET_REPORT(Input) gives, where that differs from the feature report.
    pub input_state: BTreeMap<u8, Vec<u8>>,
    /// Number of the HID interface.
    pub interface: u8,
    pub expected: Vec<Expected>,
    pub corrected: Vec<Corrected>,
    /// By status key.
    pub true_values: BTreeMap<String, Truth>,
    /// Status keys that must not be shown.
    pub left_out: Vec<String>,
}

impl Device {
    /// Whether the file has this tag.
    pub fn is(&self, tag: &str) -> bool {
        self.tags.iter().any(|of_it| of_it == tag)
    }
}

/// The folder with the files.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/devices")
}

/// All devices, by file name.
pub fn devices() -> &'static [Device] {
    static DEVICES: OnceLock<Vec<Device>> = OnceLock::new();
    DEVICES.get_or_init(load_all)
}

fn load_all() -> Vec<Device> {
    let mut files: Vec<_> = fs::read_dir(folder())
        .expect("tests/devices")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no device files");
    files.iter().map(|path| load(path)).collect()
}

/// The device in `tests/devices/<file>.toml`.
pub fn device(file: &str) -> &'static Device {
    devices().iter().find(|device| device.file == file).unwrap_or_else(|| panic!("no device file {file}"))
}

fn load(path: &Path) -> Device {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    parse(&path.file_stem().expect("name").to_string_lossy(), &text)
}

/// The device in the text of a file of this name.
pub fn parse(file: &str, text: &str) -> Device {
    let table: Table = text.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
    let string = |key: &str| table.get(key).map(|value| value.as_str().expect(key).to_owned());
    let short = |key: &str| table.get(key).map_or(0, |value| integer(value) as u16);
    let section = |key: &str| table.get(key).and_then(Value::as_table);
    let list = |key: &str| table.get(key).and_then(Value::as_array).into_iter().flatten();
    let words = |key: &str| list(key).map(|word| word.as_str().expect(key).to_owned()).collect();
    let reports = |key: &str| {
        let reports = section(key).into_iter().flatten();
        reports.map(|(key, value)| (id(key), hex(value.as_str().expect("bytes")))).collect()
    };
    let report_descriptor = section("report_descriptor").expect("report_descriptor");
    Device {
        file: file.to_owned(),
        tags: words("tags"),
        vendor: short("vid"),
        product: short("pid"),
        bcd_device: short("bcd_device"),
        manufacturer: string("manufacturer"),
        product_name: string("product"),
        serial: string("serial"),
        descriptor: hex(report_descriptor["hex"].as_str().expect("hex")),
        announced_length: integer(&report_descriptor["announced_length"]) as u16,
        integer_values: match section("source").expect("source")["value_style"].as_str() {
            Some("integer") => true,
            Some("exact") => false,
            other => panic!("{file}: value_style {other:?}"),
        },
        strings: section("strings")
            .into_iter()
            .flatten()
            .map(|(key, value)| (id(key), value.as_str().expect("string").to_owned()))
            .collect(),
        feature_reports: reports("feature_reports"),
        input_reports: list("input_reports")
            .map(|value| hex(value["data"].as_str().expect("data")))
            .collect(),
        input_state: reports("input_state"),
        interface: if short("composite") == 1 { 2 } else { 0 },
        expected: list("expected")
            .map(|value| Expected {
                path: value["path"].as_str().expect("path").to_owned(),
                input: match value["type"].as_str() {
                    Some("input") => true,
                    Some("feature") => false,
                    other => panic!("{file}: type {other:?}"),
                },
                report_id: integer(&value["report_id"]) as u8,
                offset: integer(&value["offset"]) as u32,
                size: integer(&value["size"]) as u32,
                value: number(&value["value"]),
            })
            .collect(),
        corrected: list("corrected")
            .map(|value| Corrected {
                path: value["path"].as_str().expect("path").to_owned(),
                value: number(&value["value"]),
            })
            .collect(),
        true_values: section("true_values")
            .into_iter()
            .flatten()
            .map(|(key, value)| {
                let text = value.as_str().map(|text| Truth::Text(text.to_owned()));
                (key.clone(), text.unwrap_or_else(|| Truth::Number(number(value))))
            })
            .collect(),
        left_out: words("left_out"),
    }
}

fn integer(value: &Value) -> i64 {
    value.as_integer().expect("an integer")
}

fn number(value: &Value) -> f64 {
    value.as_float().or_else(|| value.as_integer().map(|value| value as f64)).expect("a number")
}

/// A report id or string index: `0x0c` or `12`.
fn id(key: &str) -> u8 {
    match key.strip_prefix("0x") {
        Some(hex) => u8::from_str_radix(hex, 16),
        None => key.parse(),
    }
    .expect("a report id")
}

fn hex(text: &str) -> Vec<u8> {
    text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).expect("a hex byte")).collect()
}
