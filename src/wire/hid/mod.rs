//! HID report descriptors and the reports they describe (usb-hid §4, §5).
//!
//! [`ReportDescriptor::parse`] takes any bytes. It turns down only what no device sends (more than 4096 bytes, more than
//! 1024 fields); what real devices get wrong, it repairs or ignores, and says with
//! [`ReportDescriptor::is_complete`] whether the descriptor was cut short. A [`Field`] then reads
//! its value out of a report, or puts one into it. The logical range is used for the sign and for the physical mapping
//! and for nothing else: it is wrong on too many devices to clamp with it.

mod descriptor;
mod field;
mod item;
mod usage;

pub use descriptor::{Collection, CollectionKind, DescriptorError, ReportDescriptor, is_power_device};
pub use field::{Field, PackError, ReportKind};
pub use usage::Usage;

#[cfg(test)]
mod tests;
