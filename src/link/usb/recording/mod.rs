//! A recording of a USB UPS, for a bug report: each report that its descriptor names is read once, then what it sends by itself is
//! heard for a while. Nothing is written to the UPS. [`RecordingLink`] does it for a program, `UsbLink` for a daemon that guards.

mod link;
mod survey;

use std::time::Duration;

use crate::bus::usb::DeviceInfo;
use crate::wire::hid::{CollectionKind, Field, ReportDescriptor, ReportKind};

pub use link::RecordingLink;
pub(super) use survey::Survey;

/// Usages whose value is the index of a string (HID Power Device tables 2 and 3): name, manufacturer, product, serial number;
/// device name, chemistry, OEM; and those of the makers' pages.
const INDEXES: [u32; 9] = [
    0x0084_0001,
    0x0084_00fd,
    0x0084_00fe,
    SERIAL,
    0x0085_0088,
    0x0085_0089,
    0x0085_008f,
    0xff86_0042,
    0xffff_00f0,
];
/// `iSerialNumber`.
const SERIAL: u32 = 0x0084_00ff;
/// What stands for each character of a serial number.
const BLANK: &str = "x";
/// A serial number that is shorter is not looked for in reports: it would be found everywhere.
const SHORTEST_SERIAL: usize = 5;

/// Bytes of the report descriptor in a line.
const CHUNK: usize = 64;

/// What one UPS has said.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// What it is, with its report descriptor.
    pub info: DeviceInfo,
    /// What it has answered: kind, id, and the bytes as they travelled.
    pub reports: Vec<(ReportKind, u8, Vec<u8>)>,
    /// Its strings by their index.
    pub strings: Vec<(u8, String)>,
    /// What it has sent by itself, each report once, in the order in which they came first.
    pub pushed: Vec<Pushed>,
    /// What was asked and not answered, in words.
    pub failed: Vec<String>,
}

/// A report that the UPS sends by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// When it came first, since the device was opened.
    pub after: Duration,
    /// How often it came.
    pub times: u32,
}

impl Recording {
    /// The bytes of this report.
    #[must_use]
    pub fn report(&self, kind: ReportKind, id: u8) -> Option<&[u8]> {
        let found = self.reports.iter().find(|report| (report.0, report.1) == (kind, id));
        found.map(|(_, _, bytes)| bytes.as_slice())
    }

    /// The lines by which a daemon tells it, each a word, a blank and a text; what the system shows of the device is not among them.
    #[must_use]
    pub fn encode(&self) -> Vec<(&'static str, String)> {
        let announced = self.info.announced_descriptor_len.unwrap_or_default();
        let mut lines = vec![("device", format!("{} {announced}", self.info.location))];
        lines.extend(self.info.report_descriptor.chunks(CHUNK).map(|part| ("descriptor", hex(part))));
        let report = |(kind, id, bytes): &(ReportKind, u8, Vec<u8>)| {
            ("report", format!("{} {id} {}", *kind as u8, hex(bytes)))
        };
        lines.extend(self.reports.iter().map(report));
        lines.extend(self.strings.iter().map(|(index, text)| ("string", format!("{index} {text}"))));
        let pushed = |Pushed { bytes, after, times }: &Pushed| {
            ("pushed", format!("{} {times} {}", after.as_secs(), hex(bytes)))
        };
        lines.extend(self.pushed.iter().map(pushed));
        lines.extend(self.failed.iter().map(|failed| ("failed", failed.clone())));
        lines
    }

    /// Takes such a line; `None`: it is none.
    pub fn decode(&mut self, word: &str, text: &str) -> Option<()> {
        let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
        match word {
            "device" => {
                self.info.location = first.to_owned();
                self.info.announced_descriptor_len = Some(rest.parse().ok()?).filter(|length| *length != 0);
            }
            "descriptor" => self.info.report_descriptor.extend(unhex(text)?),
            "report" => {
                let kind = if first == "1" { ReportKind::Input } else { ReportKind::Feature };
                let (id, bytes) = rest.split_once(' ').unwrap_or((rest, ""));
                self.reports.push((kind, id.parse().ok()?, unhex(bytes)?));
            }
            "string" => self.strings.push((first.parse().ok()?, rest.to_owned())),
            "pushed" => {
                let (times, bytes) = rest.split_once(' ')?;
                let after = Duration::from_secs(first.parse().ok()?);
                self.pushed.push(Pushed { bytes: unhex(bytes)?, after, times: times.parse().ok()? });
            }
            "failed" => self.failed.push(text.to_owned()),
            _ => return None,
        }
        Some(())
    }

    /// The indexes of strings that its feature reports name, with their usages.
    fn string_indexes(&self) -> Vec<(u32, u8)> {
        let Ok(descriptor) = ReportDescriptor::parse(&self.info.report_descriptor) else { return Vec::new() };
        let mut found: Vec<(u32, u8)> = Vec::new();
        for field in descriptor.fields().iter().filter(|field| INDEXES.contains(&field.usage.0)) {
            let raw = self.report(ReportKind::Feature, field.report_id).and_then(|bytes| field.raw(bytes));
            let index = raw.and_then(|raw| u8::try_from(raw).ok()).filter(|index| *index != 0);
            found.extend(index.map(|index| (field.usage.0, index)));
        }
        found
    }

    /// Puts an `x` in place of each character of the serial number, wherever it is.
    pub fn blank_serials(&mut self) {
        let indexes = self.string_indexes();
        let of_index = |index: &u8| indexes.contains(&(SERIAL, *index));
        let named = self.strings.iter().filter(|(index, _)| of_index(index)).map(|(_, text)| text.clone());
        let serials: Vec<String> = named.chain(self.info.serial.clone()).collect();
        let texts = [&mut self.info.manufacturer, &mut self.info.product_name, &mut self.info.serial];
        let texts = texts.into_iter().flatten().chain(self.strings.iter_mut().map(|(_, text)| text));
        for text in texts {
            for serial in serials.iter().map(|serial| serial.trim()).filter(|serial| !serial.is_empty()) {
                *text = text.replace(serial, &BLANK.repeat(serial.chars().count()));
            }
        }
        let reports = self.reports.iter_mut().map(|(_, _, bytes)| bytes);
        for bytes in reports.chain(self.pushed.iter_mut().map(|pushed| &mut pushed.bytes)) {
            for serial in serials.iter().map(|serial| serial.trim().as_bytes()) {
                if serial.len() >= SHORTEST_SERIAL {
                    let at = bytes.windows(serial.len()).position(|part| part == serial);
                    if let Some(part) = at.and_then(|at| bytes.get_mut(at..at + serial.len())) {
                        part.fill(b'x');
                    }
                }
            }
        }
    }
}

/// The path of a field as `tests/devices` writes it: the usages of the collections around it and its own, as eight hexadecimal
/// digits each, joined with dots.
#[must_use]
pub fn path(descriptor: &ReportDescriptor, field: &Field) -> String {
    let mut parts = vec![field.usage.to_string()];
    for collection in descriptor.enclosing(field) {
        if let CollectionKind::Other(kind @ 0x80..) = collection.kind {
            parts.push(format!("[{}]", kind & 0x7f));
        }
        parts.push(collection.usage.unwrap_or_default().to_string());
    }
    parts.reverse();
    parts.join(".")
}

/// Bytes as two hexadecimal digits each, with blanks between them.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).ok()).collect()
}
