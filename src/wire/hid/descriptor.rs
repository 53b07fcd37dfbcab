//! The report descriptor: which fields a device has, and where.

use std::fmt;

use super::field::{Field, ReportKind};
use super::item::{Item, Items};
use super::usage::Usage;

/// Longest descriptor accepted, in bytes; 2149 is the longest seen (usb-hid §4).
const MAX_BYTES: usize = 4096;
/// Most fields; 252 is the most seen.
const MAX_FIELDS: usize = 1024;
/// Most collections; about 60 is the most seen.
const MAX_COLLECTIONS: usize = 512;
/// Most usages for one main item; further ones are dropped.
const MAX_USAGES: usize = 256;
/// Longest report in bits; `wLength` of a control transfer has 16 bits.
const MAX_REPORT_BITS: u32 = 0xfff0 * 8;
/// Deepest Push.
const MAX_PUSHED: usize = 16;

/// Why a descriptor cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DescriptorError {
    /// No bytes at all.
    Empty,
    /// More than 4096 bytes.
    TooLong,
    /// More than 1024 fields.
    TooManyFields,
    /// More than 512 collections.
    TooManyCollections,
    /// A report of 64 KiB or more.
    ReportTooLong,
}

impl fmt::Display for DescriptorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the report descriptor is empty",
            Self::TooLong => "the report descriptor has more than 4096 bytes",
            Self::TooManyFields => "the report descriptor has more than 1024 fields",
            Self::TooManyCollections => "the report descriptor has more than 512 collections",
            Self::ReportTooLong => "the report descriptor declares a report of 64 KiB or more",
        })
    }
}

impl std::error::Error for DescriptorError {}

/// Type of a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CollectionKind {
    /// 0.
    Physical,
    /// 1.
    Application,
    /// 2.
    Logical,
    /// Everything else; 0x80 and above are instance numbers on Eaton units (usb-hid §14).
    Other(u8),
}

/// One collection. Collections are numbered in the order in which they open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collection {
    /// Its usage; `None` if it has none.
    pub usage: Option<Usage>,
    /// Its type.
    pub kind: CollectionKind,
    /// Number of the collection around it.
    pub parent: Option<u16>,
}

/// A parsed report descriptor.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReportDescriptor {
    fields: Vec<Field>,
    collections: Vec<Collection>,
    reports: Vec<(ReportKind, u8, u32)>,
    complete: bool,
}

impl ReportDescriptor {
    /// Parses a report descriptor.
    ///
    /// # Errors
    ///
    /// Only if there is nothing to parse or a limit of this module is passed. Unknown and reserved items are ignored.
    pub fn parse(bytes: &[u8]) -> Result<Self, DescriptorError> {
        match bytes.len() {
            0 => return Err(DescriptorError::Empty),
            1..=MAX_BYTES => {}
            _ => return Err(DescriptorError::TooLong),
        }
        let mut parser = Parser::default();
        let mut items = Items::new(bytes);
        for item in items.by_ref() {
            parser.item(item)?;
        }
        let mut descriptor = parser.out;
        descriptor.complete = !items.cut_short()
            && !descriptor.collections.is_empty()
            && parser.open.is_none()
            && !parser.stray_end;
        Ok(descriptor)
    }

    /// All fields that have a usage, in the order of the descriptor.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The fields, to mend what a known device gets wrong.
    pub(crate) fn fields_mut(&mut self) -> &mut [Field] {
        &mut self.fields
    }

    /// Keeps the lengths of the reports only.
    pub(crate) fn drop_fields(&mut self) {
        self.fields = Vec::new();
        self.collections = Vec::new();
    }

    /// Whether the last item was whole, and there is a collection and each was closed: `false` means cut short or corrupted.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    /// All collections, in the order in which they open.
    #[must_use]
    pub fn collections(&self) -> &[Collection] {
        &self.collections
    }

    /// The collections around a field, innermost first.
    pub fn enclosing(&self, field: &Field) -> impl Iterator<Item = &Collection> {
        let get = |index: Option<u16>| index.and_then(|index| self.collections.get(usize::from(index)));
        std::iter::successors(get(field.collection), move |collection| get(collection.parent))
    }

    /// Length in bytes of a report as it travels, with its id byte if it has an id. `None` if the device has no
    /// such report.
    #[must_use]
    pub fn report_len(&self, kind: ReportKind, id: u8) -> Option<u16> {
        let (_, _, bits) = self.reports.iter().find(|report| (report.0, report.1) == (kind, id))?;
        u16::try_from(bits.div_ceil(8) + u32::from(id != 0)).ok()
    }
}

impl ReportDescriptor {
    /// Kind and id of each report, in the order of the descriptor.
    #[cfg(feature = "tools")]
    pub fn reports(&self) -> impl Iterator<Item = (ReportKind, u8)> {
        self.reports.iter().map(|report| (report.0, report.1))
    }

    /// Length in bytes of the longest report of a kind as it travels; `None` if the device has none.
    #[must_use]
    pub fn longest(&self, kind: ReportKind) -> Option<u16> {
        let ids = self.reports.iter().filter(|report| report.0 == kind).map(|report| report.1);
        ids.filter_map(|id| self.report_len(kind, id)).max()
    }
}

/// Whether this is a UPS: a collection with usage 00840004, or an application on the Power Device page (usb-hid §1).
#[must_use]
pub fn is_power_device(descriptor: &ReportDescriptor) -> bool {
    descriptor.collections().iter().any(|collection| {
        collection.usage.is_some_and(|usage| {
            usage == Usage::UPS
                || (collection.kind == CollectionKind::Application && usage.page() == Usage::POWER_PAGE)
        })
    })
}

/// Global items: in force until changed, also across collections (usb-hid §4).
#[derive(Clone, Copy, Default)]
struct Globals {
    page: u16,
    logical_min: i32,
    logical_max: Maximum,
    physical_min: i32,
    physical_max: Maximum,
    exponent: i8,
    unit: u32,
    size: u32,
    count: u32,
    id: u8,
}

/// A maximum in both readings: units with `ff` for 255 are repaired when the minimum is known.
#[derive(Clone, Copy, Default)]
struct Maximum {
    signed: i32,
    unsigned: u32,
}

impl Maximum {
    fn above(self, min: i32) -> i64 {
        if self.signed < min { i64::from(self.unsigned) } else { i64::from(self.signed) }
    }
}

#[derive(Default)]
struct Parser {
    out: ReportDescriptor,
    globals: Globals,
    pushed: Vec<Globals>,
    usages: Vec<Usage>,
    usage_min: Option<Usage>,
    usage_max: Option<Usage>,
    open: Option<u16>,
    stray_end: bool,
}

impl Parser {
    fn item(&mut self, item: Item) -> Result<(), DescriptorError> {
        match item.tag {
            0x80 => self.main(ReportKind::Input, item)?,
            0x90 => self.main(ReportKind::Output, item)?,
            0xb0 => self.main(ReportKind::Feature, item)?,
            0xa0 => self.collection(item)?,
            0xc0 => match self.open.take() {
                Some(open) => {
                    self.open = self.out.collections.get(usize::from(open)).and_then(|open| open.parent);
                }
                None => self.stray_end = true,
            },
            tag if tag & 0x0c == 0x04 => self.global(item),
            tag if tag & 0x0c == 0x08 => self.local(item),
            _ => {}
        }
        if item.tag & 0x0c == 0 {
            self.usages.clear();
            self.usage_min = None;
            self.usage_max = None;
        }
        Ok(())
    }

    fn global(&mut self, item: Item) {
        let maximum = Maximum { signed: item.signed, unsigned: item.unsigned };
        let globals = &mut self.globals;
        match item.tag {
            0x04 => globals.page = item.unsigned as u16,
            0x14 => globals.logical_min = item.signed,
            0x24 => globals.logical_max = maximum,
            0x34 => globals.physical_min = item.signed,
            0x44 => globals.physical_max = maximum,
            // A 4-bit two's complement number by the letter; some devices send a whole signed byte (usb-hid §5).
            0x54 => {
                globals.exponent = match item.unsigned as u8 {
                    nibble @ 0x08..=0x0f => nibble as i8 - 16,
                    byte => byte as i8,
                };
            }
            0x64 => globals.unit = item.unsigned,
            0x74 => globals.size = item.unsigned,
            0x84 => globals.id = item.unsigned as u8,
            0x94 => globals.count = item.unsigned,
            0xa4 if self.pushed.len() < MAX_PUSHED => self.pushed.push(self.globals),
            0xb4 => {
                if let Some(globals) = self.pushed.pop() {
                    self.globals = globals;
                }
            }
            _ => {}
        }
    }

    fn local(&mut self, item: Item) {
        // Four bytes carry their own page; shorter ones take the page in force here (usb-hid §4).
        let usage = if item.size == 4 {
            Usage(item.unsigned)
        } else {
            Usage(u32::from(self.globals.page) << 16 | item.unsigned)
        };
        match item.tag {
            0x08 => self.push_usage(usage),
            0x18 => self.usage_min = Some(usage),
            0x28 => self.usage_max = Some(usage),
            _ => {}
        }
        if let (Some(min), Some(max)) = (self.usage_min, self.usage_max) {
            for usage in (min.0..=max.0).take(MAX_USAGES) {
                self.push_usage(Usage(usage));
            }
            self.usage_min = None;
            self.usage_max = None;
        }
    }

    fn push_usage(&mut self, usage: Usage) {
        if self.usages.len() < MAX_USAGES {
            self.usages.push(usage);
        }
    }

    fn collection(&mut self, item: Item) -> Result<(), DescriptorError> {
        if self.out.collections.len() >= MAX_COLLECTIONS {
            return Err(DescriptorError::TooManyCollections);
        }
        let kind = match item.unsigned as u8 {
            0 => CollectionKind::Physical,
            1 => CollectionKind::Application,
            2 => CollectionKind::Logical,
            other => CollectionKind::Other(other),
        };
        let number = self.out.collections.len() as u16;
        let usage = self.usages.first().copied();
        self.out.collections.push(Collection { usage, kind, parent: self.open });
        self.open = Some(number);
        Ok(())
    }

    fn main(&mut self, kind: ReportKind, item: Item) -> Result<(), DescriptorError> {
        let globals = self.globals;
        let total = globals.size.checked_mul(globals.count).ok_or(DescriptorError::ReportTooLong)?;
        let start = self.claim(kind, total)?;
        // No usage: padding. The constant flag says nothing, live fields carry it too (usb-hid §4).
        let named = self.usages.len().min(globals.count as usize);
        if total == 0 || named == 0 {
            return Ok(());
        }
        if self.out.fields.len() + named > MAX_FIELDS {
            return Err(DescriptorError::TooManyFields);
        }
        for (index, &usage) in (0_u32..).zip(self.usages.iter().take(named)) {
            let last = index as usize + 1 == named;
            self.out.fields.push(Field {
                kind,
                report_id: globals.id,
                bit_offset: start + index * globals.size,
                bit_size: globals.size,
                // More fields than usages: the last usage repeats.
                count: if last { globals.count - index } else { 1 },
                usage,
                collection: self.open,
                flags: item.unsigned as u16,
                logical_min: i64::from(globals.logical_min),
                logical_max: globals.logical_max.above(globals.logical_min),
                physical_min: i64::from(globals.physical_min),
                physical_max: globals.physical_max.above(globals.physical_min),
                unit: globals.unit,
                exponent: globals.exponent,
            });
        }
        Ok(())
    }

    /// Takes the next `bits` of the report in force and returns where they start. The count goes on when an id is
    /// selected again later: CyberPower and Eaton rely on it (usb-hid §4).
    fn claim(&mut self, kind: ReportKind, bits: u32) -> Result<u32, DescriptorError> {
        let key = (kind, self.globals.id);
        let index =
            self.out.reports.iter().position(|report| (report.0, report.1) == key).unwrap_or_else(|| {
                self.out.reports.push((key.0, key.1, 0));
                self.out.reports.len() - 1
            });
        let Some((_, _, used)) = self.out.reports.get_mut(index) else { return Ok(0) };
        let start = *used;
        let end = start.saturating_add(bits);
        if end > MAX_REPORT_BITS {
            return Err(DescriptorError::ReportTooLong);
        }
        *used = end;
        Ok(start)
    }
}
