//! What the simulated UPS knows: its descriptors and the bytes of every report.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::descriptor::{Field, Kind, fields};

/// Usages that tests speak of; page in the upper half (HID Power Device class, and APC's page ff86).
pub mod usage {
    /// Manufacturer's string index.
    pub const MANUFACTURER: u32 = 0x0084_00fd;
    /// Product's string index.
    pub const PRODUCT: u32 = 0x0084_00fe;
    /// Serial number's string index.
    pub const SERIAL: u32 = 0x0084_00ff;
    /// Chemistry's string index.
    pub const CHEMISTRY: u32 = 0x0085_0089;
    /// OEM's string index.
    pub const OEM: u32 = 0x0085_008f;
    /// Collection: input.
    pub const INPUT: u32 = 0x0084_001a;
    /// Collection: battery.
    pub const BATTERY: u32 = 0x0084_0012;
    /// Collection: battery system.
    pub const BATTERY_SYSTEM: u32 = 0x0084_0010;
    /// Collection: power summary.
    pub const POWER_SUMMARY: u32 = 0x0084_0024;
    /// Volts.
    pub const VOLTAGE: u32 = 0x0084_0030;
    /// Share of the rating.
    pub const PERCENT_LOAD: u32 = 0x0084_0035;
    /// Seconds; negative: no countdown.
    pub const DELAY_BEFORE_SHUTDOWN: u32 = 0x0084_0057;
    /// The UPS will go off in seconds.
    pub const SHUTDOWN_IMMINENT: u32 = 0x0084_0069;
    /// Waiting for mains with the output off.
    pub const AWAITING_POWER: u32 = 0x0084_0072;
    /// Charge below the limit.
    pub const BELOW_CAPACITY_LIMIT: u32 = 0x0085_0042;
    /// Runtime below the limit.
    pub const TIME_LIMIT_EXPIRED: u32 = 0x0085_0043;
    /// Charging.
    pub const CHARGING: u32 = 0x0085_0044;
    /// Discharging.
    pub const DISCHARGING: u32 = 0x0085_0045;
    /// Battery must be replaced.
    pub const NEED_REPLACEMENT: u32 = 0x0085_004b;
    /// Charge.
    pub const REMAINING_CAPACITY: u32 = 0x0085_0066;
    /// Runtime, seconds.
    pub const RUN_TIME_TO_EMPTY: u32 = 0x0085_0068;
    /// Mains present.
    pub const AC_PRESENT: u32 = 0x0085_00d0;
    /// Battery present.
    pub const BATTERY_PRESENT: u32 = 0x0085_00d1;
    /// APC: why the last transfer happened.
    pub const LINE_FAIL_CAUSE: u32 = 0xff86_0052;
    /// APC: the low byte of STATFLAG.
    pub const APC_STATUS_FLAG: u32 = 0xff86_0060;
    /// APC: frames of Modbus to the UPS.
    pub const MODBUS_TO_UPS: u32 = 0xff86_00fc;
    /// APC: frames of Modbus from the UPS.
    pub const MODBUS_FROM_UPS: u32 = 0xff86_00fd;
}

/// Descriptors and reports of one UPS.
#[derive(Clone, Debug)]
pub struct Model {
    /// From the file.
    pub name: String,
    /// USB vendor id.
    pub vendor: u16,
    /// USB product id.
    pub product: u16,
    /// USB device release.
    pub release: u16,
    /// The report descriptor.
    pub descriptor: Vec<u8>,
    /// String descriptors by index.
    pub strings: BTreeMap<u8, String>,
    /// Indexes of manufacturer, product and serial number in the device descriptor.
    pub string_indexes: [u8; 3],
    /// What the descriptor says.
    pub fields: Vec<Field>,
    /// Every report, by kind and id; the id is the first byte.
    pub reports: BTreeMap<(Kind, u8), Vec<u8>>,
    /// A serial function stands before the HID interface, which is then number 2.
    pub composite: bool,
    /// It can say where its power comes from.
    pub tells_line: bool,
    /// Status keys and the numbers that they must show.
    pub true_values: BTreeMap<String, f64>,
    mains_voltage: f64,
    /// The descriptor's exponents are wrong (Tripp Lite 3016: voltages by 10^5, frequencies by 10^-2).
    wrong_exponents: bool,
}

impl Model {
    /// From a file of `tests/devices`. The serial number is the test's: files have none.
    pub fn load(file: &Path, serial: &str) -> Self {
        let text =
            std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let table: toml::Table = text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let number = |key: &str| table.get(key).and_then(toml::Value::as_integer).unwrap_or(0) as u16;
        let word = |key: &str| table.get(key).and_then(toml::Value::as_str).unwrap_or_default().to_owned();
        let descriptor = hex(table["report_descriptor"]["hex"].as_str().unwrap());
        let section = |key: &str| table.get(key).and_then(toml::Value::as_table).into_iter().flatten();
        let reports = |key: &str| -> BTreeMap<u8, Vec<u8>> {
            let bytes = section(key).map(|(_, bytes)| hex(bytes.as_str().unwrap()));
            bytes.map(|bytes| (bytes[0], bytes)).collect()
        };
        let logged = reports("feature_reports");
        let tagged =
            |wanted| table["tags"].as_array().unwrap().iter().any(|tag| tag.as_str() == Some(wanted));
        let mut model = Self {
            name: word("name"),
            // A file without ids gets those of an Arduino board.
            vendor: if number("vid") == 0 { 0x2341 } else { number("vid") },
            product: if number("pid") == 0 { 0x8036 } else { number("pid") },
            release: number("bcd_device"),
            fields: fields(&descriptor),
            descriptor,
            strings: BTreeMap::new(),
            string_indexes: [0; 3],
            reports: BTreeMap::new(),
            composite: number("composite") == 1,
            tells_line: !tagged("no-line-state"),
            true_values: section("true_values")
                .filter_map(|(key, value)| {
                    let number = value.as_float().or_else(|| Some(value.as_integer()? as f64));
                    Some((key.clone(), number?))
                })
                .collect(),
            mains_voltage: if tagged("120v") { 120.0 } else { 230.0 },
            wrong_exponents: tagged("wrong-exponent"),
        };
        model.make_reports(&logged);
        for (id, bytes) in reports("input_state") {
            model.reports.insert((Kind::Input, id), bytes);
        }
        let manufacturer = Some(word("manufacturer")).filter(|name| !name.is_empty());
        let manufacturer = manufacturer.unwrap_or_else(|| match model.name.split(' ').next() {
            Some("APC") | None => "American Power Conversion".to_owned(),
            Some(maker) => maker.to_owned(),
        });
        let product = Some(word("product")).filter(|name| !name.is_empty()).unwrap_or_else(|| word("name"));
        model.make_strings(&manufacturer, &product, serial, &logged);
        model
    }

    fn make_reports(&mut self, logged: &BTreeMap<u8, Vec<u8>>) {
        let mut sizes = BTreeMap::<(Kind, u8), usize>::new();
        for field in &self.fields {
            let size = sizes.entry((field.kind, field.id)).or_default();
            *size = (*size).max((field.offset + field.size).div_ceil(8) + 1);
        }
        for (&(kind, id), &size) in &sizes {
            let mut report = vec![0; size];
            report[0] = id;
            for field in self.fields.iter().filter(|field| (field.kind, field.id) == (kind, id)) {
                let value = self.at_rest(field);
                field.set(&mut report, value);
            }
            self.reports.insert((kind, id), report);
        }
        for (&id, bytes) in logged {
            // Some units answer with fewer or more bytes than they declare: keep what was logged.
            self.reports.insert((Kind::Feature, id), bytes.clone());
        }
        // An input field starts with the value of the feature field of the same place in the tree.
        let copies: Vec<(Field, i64)> = self
            .fields
            .iter()
            .filter(|field| field.kind == Kind::Input && field.size > 0)
            .filter_map(|input| {
                let twin = self.fields.iter().find(|field| {
                    field.kind == Kind::Feature && field.usage == input.usage && field.path == input.path
                })?;
                Some((input.clone(), twin.get(&self.reports[&(Kind::Feature, twin.id)])))
            })
            .collect();
        for (input, value) in copies {
            input.set(self.reports.get_mut(&(Kind::Input, input.id)).unwrap(), value);
        }
    }

    /// A plausible raw value on mains with a full battery, for fields whose bytes nobody logged.
    fn at_rest(&self, field: &Field) -> i64 {
        let inside = |collection| field.path.last() == Some(&collection);
        let battery = inside(usage::BATTERY) || inside(usage::POWER_SUMMARY) || inside(usage::BATTERY_SYSTEM);
        let physical = match field.usage {
            usage::VOLTAGE if battery => 27.0,
            0x0084_0040 if battery => 24.0,
            usage::VOLTAGE | 0x0084_0040 => self.mains_voltage,
            0x0084_0032 | 0x0084_0042 => 50.0,
            usage::PERCENT_LOAD => 20.0,
            0x0084_0036 => 298.0,
            0x0084_0043 | 0x0084_0044 => 600.0,
            0x0084_0053 => (self.mains_voltage * 0.8).round(),
            0x0084_0054 => (self.mains_voltage * 1.15).round(),
            0x0085_0029 | 0x0085_008c => 10.0,
            0x0085_002a => 120.0,
            usage::REMAINING_CAPACITY | 0x0085_0067 | 0x0085_0083 => 100.0,
            usage::RUN_TIME_TO_EMPTY => 1800.0,
            0x0084_0055 | 0x0084_0056 | usage::DELAY_BEFORE_SHUTDOWN => return -1,
            0xff86_0076 | 0xff86_007d | 0xff86_007e => return -1,
            0x0085_002c | 0x0084_005a => return 2,
            0x0084_0058 => return 6,
            // 2021-03-04, packed.
            0x0085_0085 => return 41 << 9 | 3 << 5 | 4,
            usage::AC_PRESENT | usage::BATTERY_PRESENT | 0x0084_0061 | 0xff86_0061 => return 1,
            usage::APC_STATUS_FLAG => return 8,
            _ => return 0,
        };
        field.raw(shifted(field, physical, self.wrong_exponents))
    }

    fn make_strings(
        &mut self,
        manufacturer: &str,
        product: &str,
        serial: &str,
        logged: &BTreeMap<u8, Vec<u8>>,
    ) {
        let wanted = [
            (usage::PRODUCT, product),
            (usage::SERIAL, serial),
            (usage::MANUFACTURER, manufacturer),
            (usage::CHEMISTRY, "PbAc"),
            (usage::OEM, manufacturer),
        ];
        // Indexes that were logged are kept; the others get numbers that nobody uses. Where a log shows one index
        // for two usages, the first in the table names it.
        let mut taken = BTreeSet::new();
        let mut index_of = BTreeMap::<u32, u8>::new();
        for (usage, _) in wanted {
            let field = self.fields.iter().find(|field| field.usage == usage && field.kind == Kind::Feature);
            let index = field
                .filter(|field| logged.contains_key(&field.id))
                .map(|field| field.get(&self.reports[&(Kind::Feature, field.id)]) as u8)
                .filter(|&index| index != 0 && !taken.contains(&index));
            if let Some(index) = index {
                taken.insert(index);
                index_of.insert(usage, index);
            }
        }
        for (usage, text) in wanted {
            let index =
                *index_of.entry(usage).or_insert_with(|| (1..).find(|free| !taken.contains(free)).unwrap());
            taken.insert(index);
            self.strings.insert(index, text.to_owned());
            let unlogged: Vec<Field> =
                self.fields.iter().filter(|field| field.usage == usage).cloned().collect();
            for field in unlogged {
                if !logged.contains_key(&field.id) {
                    field.set(self.reports.get_mut(&(field.kind, field.id)).unwrap(), i64::from(index));
                }
            }
        }
        self.string_indexes =
            [usage::MANUFACTURER, usage::PRODUCT, usage::SERIAL].map(|usage| index_of[&usage]);
    }

    /// The serial number.
    pub fn serial(&self) -> &str {
        &self.strings[&self.string_indexes[2]]
    }

    /// Sets every field with this usage to a raw value, in all reports and collections. Returns the input reports
    /// that changed.
    pub fn set_raw(&mut self, usage: u32, value: i64) -> BTreeSet<u8> {
        self.change(|field| (field.usage == usage).then_some(value))
    }

    /// Sets every field with this usage to a physical value (volts, seconds, per cent), each by its own exponent.
    pub fn set_physical(&mut self, usage: u32, value: f64) -> BTreeSet<u8> {
        let wrong = self.wrong_exponents;
        self.change(|field| (field.usage == usage).then(|| field.raw(shifted(field, value, wrong))))
    }

    /// Sets the line voltage.
    pub fn set_line_voltage(&mut self, volts: f64) -> BTreeSet<u8> {
        let wrong = self.wrong_exponents;
        self.change(|field| {
            (field.usage == usage::VOLTAGE && field.path.last() == Some(&usage::INPUT))
                .then(|| field.raw(shifted(field, volts, wrong)))
        })
    }

    fn change(&mut self, wanted: impl Fn(&Field) -> Option<i64>) -> BTreeSet<u8> {
        let mut changed = BTreeSet::new();
        for field in &self.fields {
            let (Some(value), Some(report)) = (wanted(field), self.reports.get_mut(&(field.kind, field.id)))
            else {
                continue;
            };
            let before = report.clone();
            field.set(report, value);
            if *report != before && field.kind == Kind::Input {
                changed.insert(field.id);
            }
        }
        changed
    }

    /// Changes bits of APC's status byte.
    fn status_flag(&mut self, clear: i64, set: i64) -> BTreeSet<u8> {
        let old = self.value(usage::APC_STATUS_FLAG).unwrap_or(0);
        self.set_raw(usage::APC_STATUS_FLAG, old & !clear | set)
    }

    /// Mains fails or returns: every bit and value by which a UPS of this descriptor can say so.
    pub fn set_mains(&mut self, on: bool) -> BTreeSet<u8> {
        let (battery, mains) = (i64::from(!on), i64::from(on));
        let mut changed = self.set_raw(usage::AC_PRESENT, mains);
        changed.extend(self.set_raw(usage::DISCHARGING, battery));
        changed.extend(self.set_raw(usage::CHARGING, 0));
        changed.extend(if on { self.status_flag(0x10, 0x08) } else { self.status_flag(0x08, 0x10) });
        if !on {
            changed.extend(self.set_raw(usage::LINE_FAIL_CAUSE, 3));
        }
        let volts = if on { self.mains_voltage } else { 0.0 };
        changed.extend(self.set_line_voltage(volts));
        changed
    }

    /// The battery is nearly empty, or not.
    pub fn set_battery_low(&mut self, low: bool) -> BTreeSet<u8> {
        let mut changed = self.set_raw(usage::BELOW_CAPACITY_LIMIT, i64::from(low));
        changed.extend(self.set_raw(usage::SHUTDOWN_IMMINENT, i64::from(low)));
        changed.extend(if low { self.status_flag(0, 0x40) } else { self.status_flag(0x40, 0) });
        changed
    }

    /// Raw value of the first feature field with this usage.
    pub fn value(&self, usage: u32) -> Option<i64> {
        let field = self.fields.iter().find(|field| field.usage == usage && field.kind == Kind::Feature)?;
        Some(field.get(self.reports.get(&(Kind::Feature, field.id))?))
    }

    /// Ids of the reports that carry Modbus to it and from it, if it has them.
    pub fn modbus_reports(&self) -> Option<(u8, u8)> {
        let id = |kind, usage| {
            let mut fields = self.fields.iter();
            fields.find(|field| field.kind == kind && field.usage == usage).map(|field| field.id)
        };
        Some((id(Kind::Output, usage::MODBUS_TO_UPS)?, id(Kind::Input, usage::MODBUS_FROM_UPS)?))
    }

    /// Longest input report, id included.
    pub fn longest_input(&self) -> usize {
        self.reports
            .iter()
            .filter(|((kind, _), _)| *kind == Kind::Input)
            .map(|(_, r)| r.len())
            .max()
            .unwrap_or(0)
    }
}

/// The value as a unit with wrong exponents presents it; where an exponent is plausible, it is right.
fn shifted(field: &Field, value: f64, wrong: bool) -> f64 {
    match field.unit {
        0x00f0_d121 if wrong && field.exponent < 4 => value / 1e5,
        0x0000_f001 if wrong && field.exponent > 0 => value * 1e2,
        _ => value,
    }
}

/// Bytes from hexadecimal digits, blanks ignored.
pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
